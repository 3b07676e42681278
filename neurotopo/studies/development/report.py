"""Frames, tables, findings and pictures of the study ``development``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.cluster.matching import jaccard, match_clusters
from neurotopo.datasets.dataset import pluralize
from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import comparisons, corrected, frame_of
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    and_list,
    as_claim,
    margin_words,
    nothing_done,
    outcome,
    p_words,
    records,
    too_few,
)
from neurotopo.studies.rows import Row
from neurotopo.studies.several_models import UNIT, Frames, origin
from neurotopo.studies.statistics import finite_mean, mean_interval, paired
from neurotopo.studies.study import MakePicture, MakeTable
from neurotopo.testbed.snapshots import step_of

__all__ = ["PICTURES", "TABLES", "Snapshots", "collect", "findings"]

KEPT = 0.5
"""Components with a Jaccard index of at least this are the same."""

CONSECUTIVE, TO_THE_END = "consecutive", "to the end"
REASONS = ("failed", "other shape", "extreme change", "no component in both")
"""Why a fact is not compared between two snapshots; the first that applies."""

KNOWN, ALL = "known in both", "all"
CONTROLS = ("shuffled", "other")

_SNAPSHOT = (
    "model, place, fact, error, known, probability, relation, neurons, clusters, components, "
    "excluded, reason, jump, jump_shuffled, components_shuffled"
)
_PAIR = (
    "kind, from, to, fact, known, reason, n_from, n_to, kept, born, died, neurons, degenerate, "
    "matched, matched_shuffled, matched_other"
)
Neurons = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class _State:
    """The neurons of a fact in a snapshot, as sets of (layer, index)."""

    known: bool
    relation: str | None
    shape: list[int]
    excluded: bool
    neurons: Neurons
    components: list[Neurons]
    shuffled: list[list[Neurons]]  # of each shuffle, groups in the sizes of the components

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> _State:
        pairs = [(int(layer), int(index)) for layer, index in payload["neurons"]]
        passed = [at for at, kept in enumerate(payload["passed"]) if kept]

        def groups(given: Sequence[Sequence[int]]) -> list[Neurons]:
            return [frozenset(pairs[place] for place in given[at]) for at in passed]

        return cls(
            known=bool(payload["known"]),
            relation=payload["relation"],
            shape=list(payload["shape"]),
            excluded=bool(payload["excluded"]),
            neurons=frozenset(pairs),
            components=groups(payload["groups"]),
            shuffled=[groups(each["groups"]) for each in payload["shuffled"]],
        )


@dataclass(frozen=True, eq=False)
class Snapshots(Frames):
    """Results of all snapshots and facts of a run.

    Attributes
    ----------
    rows : DataFrame
        A row per snapshot and fact.
    pairs : DataFrame
        A row per two snapshots and fact; ``kind`` is ``"consecutive"`` or ``"to the end"``, and
        ``from`` and ``to`` are places of snapshots. ``known``: whether both answer the fact
        correctly; ``reason``: why it is not compared; ``n_from`` and ``n_to`` components, of
        which ``kept`` are the same, ``born`` are new and ``died`` are gone; the Jaccard indices of
        the knowledge ``neurons`` and of the ``degenerate`` ones; ``matched``, the mean Jaccard
        index of the components, and that of groups with the neurons ``shuffled`` and of the
        components of an ``other`` fact of the relation.
    """

    pairs: pd.DataFrame

    @cached_property
    def names(self) -> dict[int, str]:
        """The snapshots by their places."""
        first = self.rows.drop_duplicates("place").sort_values("place")
        return dict(zip(first["place"].tolist(), first["model"].tolist(), strict=True))

    @cached_property
    def steps(self) -> dict[int, int]:
        """The step of each snapshot; numbers from 1 unless all names have ascending steps."""
        steps = [step for name in self.names.values() if (step := step_of(name)) is not None]
        if len(steps) < len(self.names) or any(a >= b for a, b in pairwise(steps)):
            steps = list(range(1, len(self.names) + 1))
        return dict(zip(self.names, steps, strict=True))

    @property
    def has_steps(self) -> bool:
        """Whether the names of all snapshots contain their steps."""
        return [step_of(name) for name in self.names.values()] == list(self.steps.values())


def collect(rows: Iterable[Row]) -> Snapshots:
    """Return the frames of stored rows; failed rows are counted, and there may be none."""
    cells: list[dict[str, Any]] = []
    states: dict[int, dict[str, _State | None]] = {}
    for row in rows:
        about = origin(row)
        of_place = states.setdefault(about["place"], {})
        if row.error is not None:
            cells.append(about)
            of_place[about["fact"]] = None
        else:
            cells.append({**about, **_cells(row.payload)})
            of_place[about["fact"]] = _State.of(row.payload)
    places = sorted(states)
    pairs = [(CONSECUTIVE, a, b) for a, b in pairwise(places)]
    pairs += [(TO_THE_END, a, places[-1]) for a in places[:-1]]
    compared = [
        {"kind": kind, "from": a, "to": b, **cells}
        for kind, a, b in pairs
        for cells in _compare_all(states[a], states[b])
    ]
    frame = frame_of(cells, _SNAPSHOT).sort_values(["place", "fact"])
    return Snapshots(frame.reset_index(drop=True), frame_of(compared, _PAIR))


def _cells(payload: Mapping[str, Any]) -> dict[str, Any]:
    # one excluded grouping excludes the fact for the control too, and the other way round
    out, without, shuffled = payload["jump_excluded"], payload["excluded"], payload["shuffled"]
    return {
        **{name: payload[name] for name in ("known", "probability", "relation")},
        "neurons": len(payload["neurons"]),
        "clusters": len(payload["groups"]),
        "components": math.nan if without else float(sum(payload["passed"])),
        "components_shuffled": math.nan if without else finite_mean([s["n"] for s in shuffled]),
        "excluded": without,
        "reason": payload["reason"],
        "jump": math.nan if out else payload["jump"] * 100.0,
        "jump_shuffled": math.nan if out else finite_mean([s["jump"] for s in shuffled]) * 100.0,
    }


def _compare_all(
    first: Mapping[str, _State | None], second: Mapping[str, _State | None]
) -> list[dict[str, Any]]:
    """Compare the facts that two snapshots were asked for."""
    facts = sorted(first.keys() & second.keys())
    cells = []
    for at, fact in enumerate(facts):
        a, b = first[fact], second[fact]
        if a is None or b is None:
            cells.append({"fact": fact, "known": False, "reason": "failed"})
            continue
        others = (second[name] for name in (*facts[at + 1 :], *facts[:at]))
        other = next((each for each in others if _comparable(each, a.relation)), None)
        cells.append({"fact": fact, "known": a.known and b.known, **_compare(a, b, other)})
    return cells


def _comparable(other: _State | None, relation: str | None) -> bool:
    if other is None or other.relation != relation or other.excluded:
        return False
    return bool(other.components)


def _compare(a: _State, b: _State, other: _State | None) -> dict[str, Any]:
    """Compare a fact in two snapshots; ``other`` is another fact in the second snapshot."""
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
        "degenerate": jaccard(frozenset().union(*a.components), frozenset().union(*b.components)),
        "matched": _matched(a.components, b.components),
        "matched_shuffled": finite_mean([_matched(x, y) for x, y in shuffles]),
        "matched_other": math.nan if other is None else _matched(a.components, other.components),
    }


def _matched(a: Sequence[Neurons], b: Sequence[Neurons]) -> float:
    """Return the mean Jaccard index over the components; 0 for those matched with none."""
    most = max(len(a), len(b))
    return sum(index for _, _, index in match_clusters(a, b)) / most if most else math.nan


# Tables


def _development(frames: Snapshots) -> Table:
    family = []
    for place, name in frames.names.items():
        own = frames.done[frames.done["place"] == place]
        means = {
            "known": own["known"].astype(np.float64),
            **{column: own[column] for column in ("probability", "neurons", "clusters")},
            "components": own["components"],
            "shuffled components": own["components_shuffled"],
        }
        head = {
            "snapshot": name,
            "step": frames.steps[place],
            "facts": len(own),
            **{column: finite_mean(values) for column, values in means.items()},
            "with a DKN": int((own["components"] >= 2).sum()),
        }
        family.append((head, own["jump"], own["jump_shuffled"]))
    return Table(
        comparisons(family, "jump", "shuffled", margin=MARGINS["points"]).rename(
            columns={"n": "n jump"}
        ),
        "Results of each snapshot",
        "'known': share of the facts answered correctly. neurons, clusters and components are "
        "means over all facts; components without the facts that Eq 18 excludes. jump, in points, "
        "is that of all clusters before the filter; 'shuffled', that of the same groups with the "
        "neurons shuffled, paired by fact; p: Wilcoxon's test, Holm-corrected over the snapshots; "
        "margin: the smallest difference of the jumps that is claimed. Where little is known, the "
        "jump is one of a probability near 0.",
        {"p": "p", "known": ".1%"},
    )


def _matching(kind: str, what: str, frames: Snapshots) -> Table | None:
    if len(frames.names) < 2:
        return None
    rows: dict[str, list[dict[str, Any]]] = {KNOWN: [], ALL: []}
    of_kind = frames.pairs[frames.pairs["kind"] == kind]
    for (first, second), pair in of_kind.groupby(["from", "to"], sort=True):
        ends = {
            "from": frames.names[first],
            "to": frames.names[second],
            "step": frames.steps[first],
            "to step": frames.steps[second],
        }
        usable = pair[pair["reason"].isna()]
        for facts, own in ((KNOWN, usable[usable["known"].eq(True)]), (ALL, usable)):
            rows[facts].append({**ends, "facts": facts, **_pair_cells(own)})
    columns = [f"p {name}" for name in CONTROLS]
    parts = [corrected(pd.DataFrame(part), columns, together=True) for part in rows.values()]
    # the two kinds of rows are corrected separately and alternate
    frame = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    return Table(
        frame,
        f"Components that are kept: {what}",
        "Components are matched one to one by the best assignment. 'matched' is the mean Jaccard "
        "index, with 0 for a component without a match, over the facts with a component in either "
        f"snapshot; 'kept' components have at least {KEPT:g}, 'born' and 'died' are the others of "
        "the later and of the earlier snapshot, means by fact. 'neurons' and 'degenerate': Jaccard "
        "indices of the knowledge neurons and of those in components. 'shuffled': the same groups "
        "in both snapshots with the neurons of each shuffled, which shows what shared neurons "
        "alone explain; 'other': components of another fact of the relation in the later snapshot, "
        "which shows what all facts have in common. p: Wilcoxon's test, paired by fact, "
        "Holm-corrected over both controls and all rows of the same facts; d: mean difference / "
        "its standard deviation; margin: the smallest difference that is claimed.",
        dict.fromkeys(columns, "p"),
    )


def _pair_cells(own: pd.DataFrame) -> dict[str, Any]:
    means = ("kept", "born", "died", "neurons", "degenerate", "matched")
    cells = {"n": len(own), **{name: finite_mean(own[name]) for name in means}}
    for name in CONTROLS:
        columns = [own[x].to_numpy(np.float64) for x in ("matched", f"matched_{name}")]
        result = paired(*columns)
        cells |= {
            f"n {name}": result.n,
            name: result.mean_b,
            f"minus {name}": result.difference,
            f"low {name}": result.low,
            f"high {name}": result.high,
            f"p {name}": result.p_wilcoxon,
            f"d {name}": result.d,
        }
    return {**cells, "margin": MARGINS["index"]}


def _exclusions(frames: Snapshots) -> Table:
    rows = []
    for (kind, first, second), pair in frames.pairs.groupby(["kind", "from", "to"], sort=True):
        compared = pair["reason"].isna()
        rows.append(
            {
                "pair": kind,
                "from": frames.names[first],
                "to": frames.names[second],
                "facts": len(pair),
                **{reason: int((pair["reason"] == reason).sum()) for reason in REASONS},
                "compared": int(compared.sum()),
                "known in both": int((pair["known"] & compared).sum()),
                "without other": int((compared & pair["matched_other"].isna()).sum()),
            }
        )
    ends = ["pair", "from", "to", "facts"]
    return Table(
        pd.DataFrame(rows, columns=[*ends, *REASONS, "compared", "known in both", "without other"]),
        "Why facts are not compared between two snapshots",
        "A fact is counted at the first reason that applies. 'extreme change': Eq 18 or a "
        "probability of 0 in either snapshot. 'other shape': the models differ in their numbers of "
        "layers or neurons. 'without other': compared, but no other fact of the relation has a "
        "component to compare with.",
    )


TABLES: dict[str, MakeTable] = {
    "development": _development,
    "matching": partial(_matching, CONSECUTIVE, "each snapshot and the one before"),
    "to_the_end": partial(_matching, TO_THE_END, "each snapshot and the last"),
    "exclusions": _exclusions,
}


# Findings


def findings(frames: Snapshots, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    if not len(frames.done):
        return (nothing_done(frames.rows["error"], UNIT),)
    if few := too_few(frames.done["fact"].nunique()):
        return (few,)
    rows = records(tables["development"].frame)
    sentences = [_knowledge(rows), _components(rows), _jumps(rows)]
    if len(rows) == 1:
        return (*sentences, "One snapshot says nothing about development.")
    reasons = frames.pairs["reason"]
    if len(reasons) and (reasons == "other shape").all():
        return (
            *sentences,
            "The models differ in their numbers of layers or neurons, so none of them is a later "
            "state of another, and components cannot be matched.",
        )
    for name, what in (("matching", "the snapshot before"), ("to_the_end", "the last snapshot")):
        sentences.append(_kept(records(tables[name].frame), what))
    return tuple(sentences)


def _knowledge(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = ", ".join(f"{row['snapshot']} {row['known']:.0%}" for row in rows)
    sentence = f"Facts answered correctly: {parts}."
    if not any(row["known"] for row in rows):
        sentence += " No fact is ever known, so nothing is said about how knowledge is stored."
    return sentence


def _components(rows: Sequence[Mapping[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        return (
            f"A fact has {last['components']:.2f} components, and "
            f"{last['shuffled components']:.2f} with its neurons shuffled."
        )
    return (
        f"A fact has {first['components']:.2f} components in the first snapshot and "
        f"{last['components']:.2f} in the last; with its neurons shuffled among the groups, "
        f"{first['shuffled components']:.2f} and {last['shuffled components']:.2f}."
    )


def _jumps(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in which snapshots the jump differs from that of shuffled groups."""
    tested = [row for row in rows if row["n jump"] >= FEW]
    if not tested:
        return "In no snapshot do enough facts have two clusters, so jumps cannot be compared."
    parts = []
    margin = margin_words(MARGINS["points"], "point")
    small = f"different beyond chance, but by less than the margin of {margin},"
    for how, result in (("larger", "more"), ("smaller", "less"), (small, "small")):
        names = [row["snapshot"] for row in tested if outcome(row, n="n jump") == result]
        parts += [f"{how} in {and_list(names)}"] if names else []
    if not parts:
        return (
            "In no snapshot does the jump of NTC's clusters differ from that of shuffled groups "
            "beyond chance."
        )
    return f"The jump of NTC's clusters, against shuffled groups, is {'; '.join(parts)}."


def _kept(rows: Sequence[Mapping[str, Any]], what: str) -> str:
    """Say between which snapshots known facts keep their components, beyond both controls."""
    own = [row for row in rows if row["facts"] == KNOWN and row["n"] >= FEW]
    if not own:
        most = max((row["n"] for row in rows if row["facts"] == ALL), default=0)
        return (
            f"Likeness to {what}: no two snapshots have {FEW} facts with components that both "
            f"know ({pluralize(most, 'fact')} could be compared, known or not)."
        )
    holding = [row for row in own if all(_beyond(row, name) for name in CONTROLS)]
    last = own[-1]
    sentence = (
        f"Likeness to {what}, on facts that both snapshots know. From {last['from']} to "
        f"{last['to']} the components have a mean Jaccard index of {last['matched']:.2f}, "
        f"{last['shuffled']:.2f} with shuffled neurons ({p_words(last['p shuffled'])}), "
        f"{last['other']:.2f} with another fact ({p_words(last['p other'])}; "
        f"{pluralize(last['n'], 'fact')}). "
    )
    if holding:
        pairs = and_list([f"{row['from']} to {row['to']}" for row in holding])
        sentence += (
            "Components are kept, more than shared neurons explain and more than those of another "
            f"fact, from {pairs}."
        )
    else:
        sentence += (
            "No two snapshots keep components more than both controls, beyond chance and by at "
            f"least the margin of {MARGINS['index']:g}."
        )
    return as_claim(sentence, bool(holding))


def _beyond(row: Mapping[str, Any], name: str) -> bool:
    columns = {cell: f"{cell} {name}" for cell in ("n", "p", "low", "high")}
    return outcome(row, difference=f"minus {name}", **columns) == "more"


# Pictures


def _curves(
    frames: Snapshots,
    rows: pd.DataFrame,
    column: str,
    names: Mapping[str, str],
    texts: tuple[str, str, str],
    factor: float = 1.0,
) -> Picture | None:
    """Draw means of measures by snapshot; ``texts``: title, label of the axis and note."""
    if len(frames.names) < 2 or not len(frames.done) or not len(rows):
        return None
    title, label, note = texts
    places = sorted(rows[column].unique())
    by_place = [rows[rows[column] == place] for place in places]
    ax = free_axes(6.4, 4.2)
    ScalingDisplay.from_means(
        [frames.steps[place] for place in places],
        {
            name: [mean_interval(own[measure].to_numpy(np.float64) * factor) for own in by_place]
            for measure, name in names.items()
        },
        xlabel="steps of training" if frames.has_steps else "snapshot",
        ylabel=label,
        names=None if frames.has_steps else [frames.names[place] for place in places],
        ax=ax,
    )
    return Picture(ax.figure, title, note)


def _knowledge_curve(frames: Snapshots, tables: Mapping[str, Table]) -> Picture | None:
    names = {"known": "facts answered correctly (%)"}
    note = "Share of the facts that a snapshot answers correctly, with 95 % intervals."
    texts = ("Facts that are known, by step", "share (%)", note)
    return _curves(frames, frames.rows, "place", names, texts, 100.0)


def _component_curves(frames: Snapshots, tables: Mapping[str, Table]) -> Picture | None:
    names = {
        "clusters": "clusters before the filter",
        "components": "components",
        "components_shuffled": "components, neurons shuffled",
    }
    note = (
        "Means over facts with 95 % intervals, from rows.csv. Components mean nothing where "
        "shuffled groups have as many."
    )
    texts = ("Components by step", "groups a fact", note)
    return _curves(frames, frames.rows, "place", names, texts)


def _likeness(
    kind: str, column: str, title: str, frames: Snapshots, tables: Mapping[str, Table]
) -> Picture | None:
    pairs = frames.pairs[(frames.pairs["kind"] == kind) & frames.pairs["reason"].isna()]
    names = {
        "neurons": "knowledge neurons",
        "matched": "components",
        "matched_shuffled": "components, neurons shuffled",
        "matched_other": "components of another fact",
    }
    note = (
        "Means with 95 % intervals over all facts that are compared, known or not. Components "
        "kept beyond the control with shuffled neurons are not explained by the same neurons; "
        "components kept beyond those of another fact belong to this fact."
    )
    return _curves(frames, pairs, column, names, (title, "Jaccard index", note))


PICTURES: dict[str, MakePicture] = {
    "knowledge": _knowledge_curve,
    "components": _component_curves,
    "to_the_end": partial(_likeness, TO_THE_END, "from", "Likeness to the last snapshot, by step"),
    "matching": partial(_likeness, CONSECUTIVE, "to", "Likeness to the snapshot before, by step"),
}
