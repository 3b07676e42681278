"""Made-up results of an audit, for the tests of its pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy.lattice import Lattice
from neurotopo.studies.audit.frames import AuditFrames
from neurotopo.studies.audit.measure import shell, with_pairs
from neurotopo.studies.audit.nulls import NULLS
from neurotopo.studies.audit.verdicts import QUESTIONS

ABLATIONS = ("zero", "mean", "counterfactual")


def audit_frames(n_facts=12, n_groups=3, *, n_wordings=0, n_draws=2, spread=0.2, seed=0, name="f"):
    """Return frames of facts with random results around known means."""
    rng = np.random.default_rng(seed)
    parts = {key: [] for key in ("facts", "ablations", "nulls", "groups", "wordings")}
    lattices, curves = {}, {}
    for k in range(n_facts):
        about = {"fact": f"{name}{k}", "relation": f"r{k % 3}"}
        n = n_groups if isinstance(n_groups, int) else n_groups[k % len(n_groups)]
        lattice = _lattice(n, rng)
        lattices[about["fact"]] = lattice
        curves[about["fact"]] = _curves(lattice, n_draws, rng)
        answers = rng.normal(0.3, spread, len(QUESTIONS)).tolist()
        asked = dict(zip(QUESTIONS, answers, strict=True))
        parts["facts"].append(
            {
                **about,
                "error": None,
                "reason": None,
                "known": True,
                "n_groups": n,
                "n_neurons": 3 * n,
                "base": lattice.base,
                "ablation": "mean",
                "necessity": lattice.necessity,
                "rho": lattice.rho,
                "sufficiency": float(lattice.sufficiency.mean()),
                "further": 0,
                **asked,
            }
        )
        for ablation in ABLATIONS:
            rho, kept = rng.normal(0.4, spread, 2)
            quantities = {"base": 3.0, "necessity": 2.0, "redundancy": 2 * rho}
            parts["ablations"].append(
                {
                    **about,
                    "ablation": ablation,
                    "score": "contrast",
                    **quantities,
                    "rho": rho,
                    "sufficiency": kept,
                    "is_primary": ablation == "mean",
                }
            )
        for null in NULLS:
            for ablation in ABLATIONS if null == "shuffled" else ["mean"]:
                for draw in range(n_draws):
                    rho, kept = rng.normal(0.1, spread, 2)
                    where = {"null": null, "ablation": ablation, "draw": draw, "n_groups": n}
                    numbers = {"necessity": 2.0, "rho": rho, "sufficiency": kept}
                    parts["nulls"].append({**about, **where, **numbers})
        for i in range(n):
            direct, total = rng.normal(1.0, 0.4, 2)
            own = {"size": 3, "effect": lattice.effects[i], "shapley": lattice.shapley[i]}
            paths = {"within": 0.5, "alone": 0.1, "spare": 0.0, "direct": direct, "total": total}
            parts["groups"].append({**about, "group": i, **own, **paths})
        for wording in range(n_wordings + 1):
            rho, shuffled, kept, overlap = rng.normal(0.3, spread, 4)
            cells = {"necessity": 2.0, "rho": rho, "shuffled": shuffled, "sufficiency": kept}
            chance = 0.1 if wording else np.nan
            more = {"overlap": overlap if wording else 1.0, "chance": chance}
            parts["wordings"].append({**about, "wording": wording, "known": True, **cells, **more})
    frames = {key: pd.DataFrame(rows) for key, rows in parts.items()}
    return AuditFrames(**frames, members={}, lattices=lattices, null_curves=curves)


def _lattice(n, rng):
    members = subsets(n) if n <= 12 else with_pairs(n)
    strengths = rng.uniform(0.5, 1.0, n)
    scores = 4.0 - (members * strengths).sum(1) ** rng.uniform(0.8, 1.4) / n
    return Lattice(members, scores, 4.0)


def _curves(lattice, n_draws, rng):
    own = [
        {"null": "own", "draw": 0, "size": int(size), "score": score}
        for size, score in zip(lattice.subsets.sum(1), lattice.scores, strict=True)
    ]
    drawn = [
        {
            "null": null,
            "draw": draw,
            "size": int(size),
            "score": 4.0 - size / lattice.n + rng.normal(0, 0.1),
        }
        for null in NULLS
        for draw in range(n_draws)
        for size in shell(lattice.n).sum(1)
    ]
    return pd.DataFrame([*own, *drawn])
