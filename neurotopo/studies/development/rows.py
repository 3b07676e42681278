"""The stored results of the development study: snapshots, and pairs of them, fact by fact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from neurotopo.cluster.matching import jaccard, match_clusters
from neurotopo.studies.rows import Row
from neurotopo.studies.several_models import origin
from neurotopo.studies.statistics import finite_mean
from neurotopo.testbed.snapshots import step_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONSECUTIVE", "KEPT", "REASONS", "TO_THE_END", "Collected", "collect", "compared"]

KEPT = 0.5
"""From this Jaccard index on, a component is taken to be the same one."""

CONSECUTIVE, TO_THE_END = "consecutive", "to the end"
REASONS = ("failed", "other shape", "extreme change", "no component in both")
"""Why a fact is not compared between two snapshots; the first that applies."""

_POINTS = 100.0
_SNAPSHOT = (
    "model",
    "place",
    "fact",
    "error",
    "known",
    "probability",
    "relation",
    "neurons",
    "clusters",
    "components",
    "excluded",
    "reason",
    "jump",
    "jump_shuffled",
    "components_shuffled",
)
_PAIR = (
    "kind",
    "from",
    "to",
    "fact",
    "known",
    "reason",
    "n_from",
    "n_to",
    "kept",
    "born",
    "died",
    "neurons",
    "degenerate",
    "matched",
    "matched_shuffled",
    "matched_other",
)
Pairs = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class _Found:
    """The neurons of a fact in a snapshot, as sets of (layer, index)."""

    known: bool
    relation: str | None
    shape: tuple[int, int]
    excluded: bool
    neurons: Pairs
    components: list[Pairs]
    shuffled: list[list[Pairs]]  # of each shuffle, groups in the sizes of the components


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all snapshots and facts of a run.

    Attributes
    ----------
    rows : DataFrame
        A row per snapshot and fact.
    pairs : DataFrame
        A row per two snapshots and fact; ``kind`` is ``"consecutive"`` or ``"to the end"``, and
        ``from`` and ``to`` are places of snapshots. ``known``: whether the fact is answered
        correctly in both; ``reason``: why it is not compared; ``n_from`` and ``n_to`` components,
        of which ``kept`` are the same, ``born`` are new and ``died`` are gone; the Jaccard indices
        of the knowledge ``neurons`` and of the ``degenerate`` ones; ``matched``, the mean Jaccard
        index of the components, and that of groups with the neurons ``shuffled`` and of the
        components of an ``other`` fact of the relation.
    """

    rows: pd.DataFrame
    pairs: pd.DataFrame

    @property
    def done(self) -> pd.DataFrame:
        """The rows of snapshots that did not fail."""
        return self.rows[self.rows["error"].isna()]

    @cached_property
    def names(self) -> dict[int, str]:
        """The snapshots by their places."""
        first = self.rows.drop_duplicates("place").sort_values("place")
        return dict(zip(first["place"].tolist(), first["model"].tolist(), strict=True))

    @cached_property
    def steps(self) -> dict[int, int]:
        """The step of each snapshot; where a name tells none, its number, from 1 on, for all."""
        found = {place: step_of(name) for place, name in self.names.items()}
        steps = {place: step for place, step in found.items() if step is not None}
        ascending = all(a < b for a, b in pairwise(steps.values()))
        if len(steps) == len(found) and ascending:
            return steps
        return {place: number for number, place in enumerate(found, start=1)}

    @property
    def has_steps(self) -> bool:
        """Whether the names of all snapshots tell their steps."""
        return [step_of(name) for name in self.names.values()] == list(self.steps.values())


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed and missing ones do no harm."""
    import pandas as pd

    cells: list[dict[str, Any]] = []
    found: dict[int, dict[str, _Found | None]] = {}
    for row in rows:
        about = origin(row)
        of_place = found.setdefault(about["place"], {})
        if row.error is not None:
            cells.append(about)
            of_place[about["fact"]] = None
            continue
        of_place[about["fact"]] = _found(row.payload)
        cells.append({**about, **_cells(row.payload)})
    frame = pd.DataFrame(cells, columns=list(_SNAPSHOT)).sort_values(["place", "fact"])
    places = sorted(found)
    pairs = [(CONSECUTIVE, a, b) for a, b in pairwise(places)]
    pairs += [(TO_THE_END, a, places[-1]) for a in places[:-1]]
    compared_ = [
        {"kind": kind, "from": a, "to": b, **cells}
        for kind, a, b in pairs
        for cells in _compare(found[a], found[b])
    ]
    return Collected(
        rows=frame.reset_index(drop=True), pairs=pd.DataFrame(compared_, columns=list(_PAIR))
    )


def _found(payload: Mapping[str, Any]) -> _Found:
    pairs = [(int(layer), int(index)) for layer, index in payload["neurons"]]
    passed = [at for at, kept in enumerate(payload["passed"]) if kept]

    def groups(given: Sequence[Sequence[int]]) -> list[Pairs]:
        return [frozenset(pairs[place] for place in given[at]) for at in passed]

    return _Found(
        known=bool(payload["known"]),
        relation=payload["relation"],
        shape=(payload["shape"][0], payload["shape"][1]),
        excluded=bool(payload["excluded"]),
        neurons=frozenset(pairs),
        components=groups(payload["groups"]),
        shuffled=[groups(each["groups"]) for each in payload["shuffled"]],
    )


def _cells(payload: Mapping[str, Any]) -> dict[str, Any]:
    # one excluded grouping excludes the fact for the control too, and the other way round
    out = payload["jump_excluded"]
    jump, shuffled = payload["jump"], [each["jump"] for each in payload["shuffled"]]
    without = payload["excluded"]
    return {
        "known": payload["known"],
        "probability": payload["probability"],
        "relation": payload["relation"],
        "neurons": len(payload["neurons"]),
        "clusters": len(payload["groups"]),
        "components": math.nan if without else float(sum(payload["passed"])),
        "components_shuffled": math.nan
        if without
        else finite_mean([each["n"] for each in payload["shuffled"]]),
        "excluded": without,
        "reason": payload["reason"],
        "jump": math.nan if out else jump * _POINTS,
        "jump_shuffled": math.nan if out else finite_mean(shuffled) * _POINTS,
    }


def _compare(
    first: Mapping[str, _Found | None], second: Mapping[str, _Found | None]
) -> list[dict[str, Any]]:
    """Compare the facts that two snapshots were asked for."""
    facts = sorted(first.keys() & second.keys())
    cells = []
    for fact in facts:
        a, b = first[fact], second[fact]
        if a is None or b is None:
            cells.append({"fact": fact, "known": False, "reason": "failed"})
            continue
        other = second[name] if (name := _other(fact, facts, first, second)) else None
        cells.append({"fact": fact, "known": a.known and b.known, **compared(a, b, other)})
    return cells


def _other(
    fact: str,
    facts: Sequence[str],
    first: Mapping[str, _Found | None],
    second: Mapping[str, _Found | None],
) -> str | None:
    """Return the next fact of the same relation that has components in the second snapshot."""
    own = first[fact]
    at = facts.index(fact)
    for name in (*facts[at + 1 :], *facts[:at]):
        found = second[name]
        if (
            found is not None
            and own is not None
            and found.relation == own.relation
            and not found.excluded
            and found.components
        ):
            return name
    return None


def compared(a: _Found, b: _Found, other: _Found | None) -> dict[str, Any]:
    """Compare what was found of a fact in two snapshots.

    Parameters
    ----------
    a, b
        What was found in the first and in the second.
    other
        What was found in the second of another fact, or None.
    """
    if a.shape != b.shape:
        return {"reason": "other shape"}
    if a.excluded or b.excluded:
        return {"reason": "extreme change"}
    if not a.components and not b.components:
        return {"reason": "no component in both", "neurons": jaccard(a.neurons, b.neurons)}
    kept = sum(index >= KEPT for _, _, index in match_clusters(a.components, b.components))
    n_from, n_to = len(a.components), len(b.components)
    shuffles = zip(a.shuffled, b.shuffled, strict=True)
    return {
        "reason": None,
        "n_from": n_from,
        "n_to": n_to,
        "kept": kept,
        "born": n_to - kept,
        "died": n_from - kept,
        "neurons": jaccard(a.neurons, b.neurons),
        "degenerate": jaccard(_union(a.components), _union(b.components)),
        "matched": _matched(a.components, b.components),
        "matched_shuffled": finite_mean([_matched(x, y) for x, y in shuffles]),
        "matched_other": math.nan if other is None else _matched(a.components, other.components),
    }


def _matched(a: Sequence[Pairs], b: Sequence[Pairs]) -> float:
    """Return the mean Jaccard index over the components; 0 for those matched with none."""
    most = max(len(a), len(b))
    return sum(index for _, _, index in match_clusters(a, b)) / most if most else math.nan


def _union(groups: Sequence[Pairs]) -> Pairs:
    return frozenset().union(*groups)
