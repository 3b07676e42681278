"""Frames of the study ``acquisition``: facts, groupings, thresholds, layers, overlaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.studies.compare import frame_of
from neurotopo.studies.groupings import in_order
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean

__all__ = ["EXCLUDED", "FLOOR", "LARGEST", "POINTS", "Collected", "collect", "rho_of"]

LARGEST = 8
"""The largest number of components that has a column in Table 1."""

EXCLUDED = ("probability zero", "extreme change")
"""Reasons to leave a fact out of the means of a method (Eq 18)."""

POINTS = 100.0
"""dProb is shown in percentage points."""

FLOOR = 0.01
"""The smallest fall of the probability, with all components suppressed, at which rho counts."""

_FACTS = "fact, known, probability, n_neurons, gap, error"
_CURVE = tuple(f"d{k}" for k in range(1, LARGEST + 1))
_STORED = "jump, potential_jump, eq2_gap, eq2, eq3_ratio, eq3, reason"
_METHODS = (
    "fact, method, n_potential, size, n, n_neurons, base, none, gcr, floor, sigma, "
    f"necessity, rho, {_STORED}, {', '.join(_CURVE)}"
)

Overlaps = dict[tuple[str, str], tuple[float, float, int]]


@dataclass(frozen=True, eq=False)
class Collected:
    """Results of all facts of a run, in the order of their keys.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: ``known``, the answer's ``probability``, ``n_neurons``, the ``gap`` of the
        integration, and the ``error`` of a fact that failed.
    methods : DataFrame
        A row per fact and method. ``n_potential`` components with a mean ``size`` in neurons, of
        which ``n`` passed, with ``n_neurons`` neurons; ``base`` and ``none``, the probability with
        nothing and with all components suppressed; ``gcr``, the ``floor`` of a straight line,
        ``sigma`` and ``jump``; ``potential_jump``, that of all potential components; their
        ``necessity`` and ``rho`` (:class:`~neurotopo.redundancy.Lattice`), nan for a necessity
        below :data:`FLOOR`; the values and results of Eq 2 and Eq 3; the ``reason`` for a missing
        GCR; and ``d1``, ``d2``, ... the curve, for up to eight components.
    sweep : DataFrame
        A row per fact and pair of thresholds; columns that begin with ``random_`` are of random
        groups in the sizes of NTC's.
    layers : dict of str to ndarray
        Number of neurons in the components of a method by layer, over all facts that are not
        excluded; ``"neurons"`` counts the knowledge neurons of all facts.
    overlap : dict of (str, str) to tuple
        For two methods the sums over facts of the Jaccard indices of the neurons in components and
        of the pairs of neurons in one component, and the number of facts.
    """

    facts: pd.DataFrame
    methods: pd.DataFrame
    sweep: pd.DataFrame
    layers: dict[str, NDArray[np.int64]]
    overlap: Overlaps

    @property
    def names(self) -> list[str]:
        """The methods, each followed by its control."""
        return in_order(set(self.methods["method"]))

    def of(self, method: str) -> pd.DataFrame:
        """Return the rows of one method, with the facts as index."""
        return self.methods[self.methods["method"] == method].set_index("fact")

    def counted(self, method: str) -> pd.DataFrame:
        """Return the rows of one method that are not excluded and have at least two components."""
        rows = self.of(method)
        return rows[(rows["n"] >= 2) & ~rows["reason"].isin(EXCLUDED)]


def collect(rows: Iterable[Row]) -> Collected:
    """Return the frames of stored rows. Rows may have failed, and there may be none."""
    facts: list[dict[str, Any]] = []
    methods: list[dict[str, Any]] = []
    sweep: list[pd.DataFrame] = []
    layers: dict[str, NDArray[np.int64]] = {}
    overlap: Overlaps = {}
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        facts.append({"fact": row.fact, "known": None, "error": row.error})
        if row.error is not None:
            continue
        about, results = row.stages["fact"], row.stages["methods"]
        facts[-1] |= {name: about[name] for name in ("known", "probability", "gap")}
        facts[-1]["n_neurons"] = len(about["neurons"])
        # the store sorts names by their letters
        results = {name: results[name] for name in in_order(set(results))}
        methods += [_method_row(row.fact, name, result) for name, result in results.items()]
        if row.stages["sweep"]:
            sweep.append(pd.DataFrame({"fact": row.fact, **row.stages["sweep"]}))
        _count_layers(layers, about, results)
        _add_overlap(overlap, len(about["neurons"]), results)
    frame = frame_of(methods, _METHODS)
    if methods:
        order = in_order({row["method"] for row in methods})
        frame["method"] = pd.Categorical(frame["method"], categories=order)
    return Collected(
        facts=frame_of(facts, _FACTS),
        methods=frame,
        sweep=pd.concat(sweep, ignore_index=True) if sweep else pd.DataFrame(),
        layers=layers,
        overlap=overlap,
    )


def _method_row(fact: str, name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    passed = result["passed"]
    n = int(sum(passed))
    curve = result["curve"] if n <= LARGEST else []
    return {
        "fact": fact,
        "method": name,
        "n_potential": len(passed),
        "size": finite_mean(result["sizes"]),
        "n": n,
        "n_neurons": sum(s for s, kept in zip(result["sizes"], passed, strict=True) if kept),
        "floor": straight_line_gcr(n),
        **{key: result[key] for key in ("base", "none", "gcr", "sigma", *_STORED.split(", "))},
        "necessity": result.get("necessity", math.nan),
        "rho": rho_of(result),
        **dict(zip(_CURVE, curve, strict=False)),
    }


def rho_of(result: Mapping[str, Any]) -> float:
    """Return rho of a stored grouping; nan where all components together matter too little.

    Runs of earlier versions have none.
    """
    return float(result["rho"]) if result.get("necessity", math.nan) >= FLOOR else math.nan


def _members(result: Mapping[str, Any], n_neurons: int) -> NDArray[np.bool_]:
    """Return the neurons of each component that passed, shape (n_components, n_neurons)."""
    groups = [g for g, kept in zip(result["groups"], result["passed"], strict=True) if kept]
    member = np.zeros((len(groups), n_neurons), dtype=bool)
    for row, group in zip(member, groups, strict=True):
        row[group] = True
    return member


def _count_layers(
    layers: dict[str, NDArray[np.int64]], about: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    n_layers = about["shape"][0]
    layer = np.array([pair[0] for pair in about["neurons"]], dtype=np.int64)
    members = {"neurons": np.ones(len(layer), dtype=bool)}
    for name, result in results.items():
        if "groups" in result and result["reason"] not in EXCLUDED and sum(result["passed"]) >= 2:
            members[name] = np.asarray(_members(result, len(layer)).any(axis=0))
    for name, chosen in members.items():
        counts = np.bincount(layer[chosen], minlength=n_layers)
        layers[name] = layers.get(name, np.zeros(n_layers, dtype=np.int64)) + counts


def _add_overlap(overlap: Overlaps, n_neurons: int, results: Mapping[str, Any]) -> None:
    """Add the overlap of any two methods; facts where neither has a component do not count."""
    members = {
        name: _members(result, n_neurons).astype(np.float64)
        for name, result in results.items()
        if "groups" in result
    }
    if len(members) < 2:
        return
    upper = np.triu_indices(n_neurons, 1)
    single = np.array([own.any(axis=0) for own in members.values()], dtype=np.float64)
    joined = np.array([(own.T @ own > 0)[upper] for own in members.values()], dtype=np.float64)
    jaccard = [_jaccard(rows) for rows in (single, joined)]
    for (i, a), (j, b) in combinations(enumerate(members), 2):
        if single[i].any() or single[j].any():
            one, two, n = overlap.get((a, b), (0.0, 0.0, 0))
            overlap[a, b] = (one + jaccard[0][i, j], two + jaccard[1][i, j], n + 1)


def _jaccard(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jaccard index of every two rows; 1 for two that are both empty."""
    both = rows @ rows.T
    sizes = np.diag(both)
    either = sizes[:, None] + sizes[None, :] - both
    return np.asarray(np.divide(both, either, out=np.ones_like(both), where=either > 0))
