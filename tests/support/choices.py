"""Stored rows of the study ``choices``, made by hand."""

from __future__ import annotations

import math

import numpy as np

from neurotopo.studies.rows import Row

NAN = math.nan
NAMES = {"default": "default", "signed": "distance", "max": "aggregation", "tau=0.3": "clusters"}


def result(jump, random, *, sizes=(2, 3), n=2, ari=1.0, same=True, jaccard=1.0, **more):
    measures = {"n": n, "n_neurons": 5, "potential_jump": jump, "jump": jump, "gcr": 4.0}
    draws = random if isinstance(random, list) else [random]
    return {
        "sizes": list(sizes),
        "groups": [],
        "passed": [True] * n,
        "base": 0.8,
        "reason": None,
        "extreme": False,
        **measures,
        "random": [{**measures, "potential_jump": draw, "jump": draw} for draw in draws],
        "ari": ari,
        "same": same,
        "clustered": True,
        "jaccard": jaccard,
        "ari_planted": NAN,
        "ari_planted_random": NAN,
        **more,
    }


def nothing(**more):
    """A variation without a cluster."""
    return result(
        NAN,
        NAN,
        sizes=(),
        n=0,
        ari=0.0,
        same=False,
        jaccard=0.0,
        reason="no potential components",
        **more,
    )


def row(fact, variations, *, known=True, planted=False):
    about = {
        "known": known,
        "probability": 0.8,
        "neurons": [[0, 0], [0, 1], [1, 0]],
        "gap": 0.01,
        "variations": [
            {"name": name, "choice": NAMES[name], "label": name, "by_theorem": name == "max"}
            for name in NAMES
            if name in variations or not variations
        ],
        "planted": planted,
    }
    return Row(fact, {"prompt": "?"}, {"fact": about, "variations": variations}, None, 0.1)


def failed(fact):
    return Row(fact, {"prompt": "?"}, {}, "ValueError: no", 0.1)


def many(own, random, *, known=True, n=40, tau=None, noise=0.05, **more):
    """Make facts whose default and signed clusters jump by ``own``, random ones by ``random``."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        shift = noise * rng.random(4)
        variations = {
            "default": result(own + shift[0], random + shift[1]),
            "signed": result(own + shift[2], random + shift[1], ari=0.3, same=False, **more),
        }
        if tau is not None:
            variations["tau=0.3"] = result(tau + shift[3], random + shift[1], ari=0.8, same=False)
        rows.append(row(f"fact-{i:02}", variations, known=known))
    return rows
