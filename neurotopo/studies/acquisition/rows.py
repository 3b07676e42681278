"""The stored results of the acquisition study as tables with a row per fact, method and setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.studies.groupings import in_order
from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXCLUDED", "LARGEST", "POINTS", "Collected", "collect"]

LARGEST = 8
"""Up to so many components there is a column of Table 1."""

EXCLUDED = ("probability zero", "extreme change")
"""Why a fact is left out of the means of a method (Eq 18)."""

POINTS = 100.0
"""dProb is shown in percentage points."""

_FACTS = ("fact", "known", "probability", "n_neurons", "gap", "error")
_METHODS = (
    "fact",
    "method",
    "n_potential",
    "n",
    "n_neurons",
    "base",
    "none",
    "gcr",
    "floor",
    "sigma",
    "jump",
    "potential_jump",
    "eq2_gap",
    "eq2",
    "eq3_ratio",
    "eq3",
    "reason",
)
_CURVE = tuple(f"d{k}" for k in range(1, LARGEST + 1))


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all facts of a run, in the order of their keys.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: ``known``, the answer's ``probability``, ``n_neurons``, the ``gap`` of the
        integration, and for a fact that failed the ``error``.
    methods : DataFrame
        A row per fact and method. ``n_potential`` components of which ``n`` passed, with
        ``n_neurons`` neurons; ``base`` and ``none``, the probability with nothing and with all
        components suppressed; ``gcr``, the ``floor`` of a straight line, ``sigma`` and ``jump``;
        ``potential_jump``, that of all potential components; the values and verdicts of Eq 2 and
        Eq 3; the ``reason`` why there is no GCR to count; and ``d1``, ``d2``, ... the curve, of up
        to eight components.
    sweep : DataFrame
        A row per fact and pair of thresholds; columns that begin with ``random_`` are of random
        groups in the sizes of NTC's.
    layers : dict of str to ndarray
        How many neurons of its components a method has in each layer, over all facts that are not
        excluded; ``"neurons"`` counts the knowledge neurons of all facts.
    overlap : dict of (str, str) to tuple
        For two methods the sums over facts of the Jaccard indices of the neurons in components and
        of the pairs of neurons in one component, and the number of facts.
    """

    facts: pd.DataFrame
    methods: pd.DataFrame
    sweep: pd.DataFrame
    layers: dict[str, NDArray[np.int64]]
    overlap: dict[tuple[str, str], tuple[float, float, int]]

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
    """Read the rows of a run; failed facts and missing ones do no harm."""
    import pandas as pd

    facts: list[tuple[Any, ...]] = []
    methods: list[tuple[Any, ...]] = []
    sweep: list[pd.DataFrame] = []
    layers: dict[str, NDArray[np.int64]] = {}
    overlap: dict[tuple[str, str], tuple[float, float, int]] = {}
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            facts.append((row.fact, None, np.nan, np.nan, np.nan, row.error))
            continue
        about, results = row.stages["fact"], row.stages["methods"]
        facts.append(
            (
                row.fact,
                about["known"],
                about["probability"],
                len(about["neurons"]),
                about["gap"],
                None,
            )
        )
        methods.extend(
            _method_row(row.fact, name, results[name]) for name in in_order(set(results))
        )
        if row.stages["sweep"]:
            sweep.append(pd.DataFrame({"fact": row.fact, **row.stages["sweep"]}))
        _count_layers(layers, about, results)
        _add_overlap(overlap, len(about["neurons"]), results)
    order = in_order({row[1] for row in methods})  # the store sorts names by their letters
    frame = pd.DataFrame(methods, columns=[*_METHODS, *_CURVE])
    if order:
        frame["method"] = pd.Categorical(frame["method"], categories=order)
    return Collected(
        facts=pd.DataFrame(facts, columns=list(_FACTS)),
        methods=frame,
        sweep=pd.concat(sweep, ignore_index=True) if sweep else pd.DataFrame(),
        layers=layers,
        overlap=overlap,
    )


def _method_row(fact: str, name: str, result: Mapping[str, Any]) -> tuple[Any, ...]:
    passed, sizes = result["passed"], result["sizes"]
    n = int(sum(passed))
    curve = result["curve"] if n <= LARGEST else []
    padded = [*curve, *[np.nan] * (LARGEST - len(curve))]
    return (
        fact,
        name,
        len(passed),
        n,
        sum(s for s, kept in zip(sizes, passed, strict=True) if kept),
        result["base"],
        result["none"],
        result["gcr"],
        straight_line_gcr(n),
        result["sigma"],
        result["jump"],
        result["potential_jump"],
        result["eq2_gap"],
        result["eq2"],
        result["eq3_ratio"],
        result["eq3"],
        result["reason"],
        *padded,
    )


def _members(result: Mapping[str, Any], n_neurons: int) -> NDArray[np.bool_]:
    """Return which neurons each component holds."""
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
    held = {"neurons": np.ones(len(layer), dtype=bool)}
    for name in in_order(set(results)):
        result = results[name]
        if "groups" in result and result["reason"] not in EXCLUDED and sum(result["passed"]) >= 2:
            held[name] = np.asarray(_members(result, len(layer)).any(axis=0))
    for name, chosen in held.items():
        counts = np.bincount(layer[chosen], minlength=n_layers)
        layers[name] = layers.get(name, np.zeros(n_layers, dtype=np.int64)) + counts


def _add_overlap(
    overlap: dict[tuple[str, str], tuple[float, float, int]],
    n_neurons: int,
    results: Mapping[str, Any],
) -> None:
    """Add the overlap of any two methods; facts where neither has a component do not count."""
    members = {
        name: _members(results[name], n_neurons).astype(np.float64)
        for name in in_order(set(results))
        if "groups" in results[name]
    }
    names = list(members)
    if len(names) < 2:
        return
    single = np.array([members[name].any(axis=0) for name in names], dtype=np.float64)
    upper = np.triu_indices(n_neurons, 1)
    joined = np.array(
        [(members[name].T @ members[name] > 0)[upper] for name in names], dtype=np.float64
    )
    jaccard = [_jaccard(rows) for rows in (single, joined)]
    for i, a in enumerate(names):
        for j, b in enumerate(names[i + 1 :], start=i + 1):
            if single[i].any() or single[j].any():
                one, two, n = overlap.get((a, b), (0.0, 0.0, 0))
                overlap[a, b] = (one + jaccard[0][i, j], two + jaccard[1][i, j], n + 1)


def _jaccard(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jaccard index of every two rows; 1 for two that are both empty."""
    both = rows @ rows.T
    sizes = np.diag(both)
    either = sizes[:, None] + sizes[None, :] - both
    return np.asarray(np.divide(both, either, out=np.ones_like(both), where=either > 0))
