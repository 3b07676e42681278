"""The report of the study ``choices``: comparisons, tables, findings and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.plots.bars import BarsDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.choices.variations import CHOICES, DEFAULT, MODELLING
from neurotopo.studies.compare import comparisons, frame_of, in_both
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    Number,
    and_list,
    as_claim,
    margin_words,
    nothing_done,
    of_all,
    outcome,
    p_words,
    records,
    row_stands,
    too_few,
    upper_first,
    verdict,
)
from neurotopo.studies.pictures import effects_picture
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean, finite_median, mean_interval
from neurotopo.studies.study import MakePicture, MakeTable

__all__ = ["PICTURES", "TABLES", "Collected", "collect", "findings_of"]

POINTS = 100.0
"""dProb is shown in percentage points."""

MEASURES = ("all clusters", "known facts", "common facts", "components")
"""The clusters and facts whose jump is compared with that of random groups."""

_FACTS = "fact, known, probability, n_knowledge_neurons, gap, excluded, error"
_VARIATIONS = (
    "fact, variation, n_potential, n, n_neurons, potential_jump, random_potential_jump, jump, "
    "random_jump, gcr, random_gcr, reason, ari, same, clustered, jaccard, ari_planted, "
    "ari_planted_random"
)

# Frames


@dataclass(frozen=True, eq=False)
class Collected:
    """The stored results of a run as frames, sorted by fact.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: ``known``, the answer's ``probability``, ``n_knowledge_neurons`` of the
        default, the ``gap`` of the integration, why it is ``excluded`` for every variation
        (``"probability zero"``, ``"extreme change"``), and for one that failed the ``error``.
    variations : DataFrame
        A row per fact and variation: ``n_potential`` clusters, of which ``n`` passed the filter,
        with ``n_neurons`` neurons; ``potential_jump`` of all clusters, ``jump`` and ``gcr`` of
        those that passed, nan for fewer than two of them; the same of random groups, means over
        the draws; the ``reason`` why there is none; agreement with the default: ``ari``, ``same``,
        ``jaccard``, meaningless where neither is ``clustered``; ``ari_planted`` and that of random
        groups.
    choice, label : dict of str to str
        The choice that each variation changes, and its description.
    by_theorem : dict of str to bool
        Whether a variation must give the clusters of the default.
    planted : bool
        Whether the model was trained to have groups.
    """

    facts: pd.DataFrame
    variations: pd.DataFrame
    choice: dict[str, str]
    label: dict[str, str]
    by_theorem: dict[str, bool]
    planted: bool

    @property
    def names(self) -> list[str]:
        """The variations, the default first."""
        return list(self.choice)

    @property
    def others(self) -> list[str]:
        """The variations but the default."""
        return [name for name in self.names if name != DEFAULT]

    @property
    def done(self) -> pd.DataFrame:
        """The facts that did not fail."""
        return self.facts[self.facts["error"].isna()]

    def of(self, variation: str) -> pd.DataFrame:
        """Return the rows of one variation, with the facts as index."""
        rows = self.variations[self.variations["variation"] == variation]
        return rows.set_index("fact")

    def counted(self, variation: str) -> pd.DataFrame:
        """Return the rows of one variation without the facts excluded for all of them."""
        rows = self.of(variation)
        return rows[rows.index.isin(self.done.loc[self.done["excluded"].isna(), "fact"])]


def collect(rows: Iterable[Row]) -> Collected:
    """Return the frames of a run; facts may have failed, and there may be none."""
    facts: list[dict[str, Any]] = []
    variations: list[dict[str, Any]] = []
    about_all: dict[str, dict[str, Any]] = {}
    planted = False
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            facts.append({"fact": row.fact, "error": row.error})
            continue
        about, results = row.stages["fact"], row.stages["variations"]
        facts.append(
            {
                "fact": row.fact,
                **{name: about[name] for name in ("known", "probability", "gap")},
                "n_knowledge_neurons": len(about["neurons"]),
                "excluded": _excluded(results),
            }
        )
        planted = planted or about["planted"]
        about_all |= {each["name"]: each for each in about["variations"]}
        variations += [
            {"fact": row.fact, "variation": each["name"], **_measured(results[each["name"]])}
            for each in about["variations"]
            if each["name"] in results
        ]
    frame = frame_of(facts, _FACTS)
    choice, label, by_theorem = (
        {name: about[key] for name, about in about_all.items()}
        for key in ("choice", "label", "by_theorem")
    )
    frame = frame.assign(excluded=frame["excluded"].astype(object))
    listed = frame_of(variations, _VARIATIONS)
    return Collected(frame, listed, choice, label, by_theorem, planted)


def _excluded(results: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return why a fact counts for no variation: an exclusion for one is one for all."""
    if any(result["base"] <= 0 for result in results.values()):
        return "probability zero"
    return "extreme change" if any(result["extreme"] for result in results.values()) else None


def _measured(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a result; ``frame_of`` leaves out those that have no column."""
    random = result["random"]
    return {
        **result,
        "n_potential": len(result["sizes"]),
        "gcr": _ratio(result),
        "random_gcr": finite_mean([_ratio(draw) for draw in random]),
        **{
            f"random_{name}": finite_mean([draw[name] for draw in random])
            for name in ("potential_jump", "jump")
        },
    }


def _ratio(measures: Mapping[str, Any]) -> float:
    """Return the GCR of three or more components; of two it is a difference and no ratio."""
    return float(measures["gcr"]) if measures["n"] >= 3 else math.nan


# Comparisons


def controls(frames: Collected) -> pd.DataFrame:
    """Compare every variation with random groups of the same sizes, paired by fact.

    The columns are ``variation``, ``choice`` and ``measure``: ``"all clusters"`` is the jump of
    all clusters, before the filter; ``"known facts"`` the same over the facts that the model
    answers correctly, ``"common facts"`` over those where every variation has two clusters; and
    ``"components"`` that of the clusters that passed. Then those of
    :func:`~neurotopo.studies.compare.comparisons`, in points, with the means ``jump`` and
    ``random``; p-values are corrected over all variations of a measure.
    """
    only = {
        "known facts": set(frames.facts.loc[frames.facts["known"].eq(True), "fact"]),
        "common facts": _common(frames),
    }

    def family(measure: str) -> Iterable[tuple[dict[str, str], Any, Any]]:
        column = "jump" if measure == "components" else "potential_jump"
        for name in frames.names:
            rows = frames.counted(name)
            if measure in only:
                rows = rows[rows.index.isin(only[measure])]
            both = rows[[column, f"random_{column}"]].to_numpy(np.float64) * POINTS
            head = {"variation": name, "choice": frames.choice[name], "measure": measure}
            yield head, both[:, 0], both[:, 1]

    margin = MARGINS["points"]
    each = [comparisons(family(measure), "jump", "random", margin=margin) for measure in MEASURES]
    return pd.concat(each, ignore_index=True)


def _common(frames: Collected) -> set[str]:
    """Return the facts where every variation has two clusters or more."""
    jumps = [frames.counted(name)["potential_jump"].astype(np.float64) for name in frames.names]
    return (
        set.intersection(*(set(own.index[np.isfinite(own)]) for own in jumps)) if jumps else set()
    )


def changes(frames: Collected) -> pd.DataFrame:
    """Compare the excess of the jump over random groups with that of the default.

    Paired over the facts where both have two clusters or more, before the filter: ``change`` is
    the mean of (jump - random) of the variation minus that of the default, in points.
    """

    def excess(name: str) -> pd.Series:
        rows = frames.counted(name)
        over: pd.Series = (rows["potential_jump"] - rows["random_potential_jump"]) * POINTS
        return over.astype(np.float64).dropna()

    own = {name: excess(name) for name in frames.names}
    family = [({"variation": name}, *in_both(own[name], own[DEFAULT])) for name in frames.others]
    compared = comparisons(family, "own", "default", margin=MARGINS["points"])
    return compared.rename(columns={"difference": "change"})


def agreement(frames: Collected) -> pd.DataFrame:
    """Return how similar the clusters of each variation and those of the default are.

    Over the facts where either has a cluster, their number being ``facts``: the mean adjusted
    Rand index ``ARI`` with its 95 % interval, the share of facts with the ``same`` clusters; and
    ``D``, the mean Jaccard index of the degenerate neurons over the facts where either has some.
    """
    rows = []
    for name in frames.others:
        own = frames.of(name)
        own = own[own["clustered"].astype(bool)]
        rows.append(
            {
                "variation": name,
                "facts": len(own),
                **_index(own["ari"]),
                "same": finite_mean(own["same"].to_numpy(np.float64)),
                "n same": int(own["same"].sum()),
                "D": finite_mean(own["jaccard"]),
            }
        )
    return frame_of(rows, "variation, facts, ARI, ARI low, ARI high, same, n same, D")


def _index(values: pd.Series) -> dict[str, float]:
    """Return the mean of Rand indices and its interval, which ends at 1."""
    mean, low, high = mean_interval(values.to_numpy(np.float64))
    return {"ARI": mean, "ARI low": low, "ARI high": high if math.isnan(high) else min(high, 1.0)}


def recovered(frames: Collected) -> pd.DataFrame:
    """Return how well each variation recovers planted groups, with random groups and the default.

    ``ARI`` with the planted groups over the facts that have neurons of two groups or more, its
    interval, ``random``, that of random groups of the same sizes; and the paired ``change``
    against the default.
    """
    own = {
        name: frames.of(name)["ari_planted"].astype(np.float64).dropna() for name in frames.names
    }
    family = [
        (
            {
                "variation": name,
                "facts": len(values),
                **_index(values),
                "random": finite_mean(frames.of(name).loc[values.index, "ari_planted_random"]),
            },
            *in_both(values[:0] if name == DEFAULT else values, own[DEFAULT]),
        )
        for name, values in own.items()
    ]
    names = {"low": "change low", "high": "change high", "difference": "change"}
    names |= {"ARI low": "low", "ARI high": "high"}
    compared = comparisons(family, margin=MARGINS["index"])
    return compared.drop(columns=["a", "b"]).rename(columns=names)


# Tables

_EXCLUDED = (
    "Facts that Eq 18 or a probability of 0 excludes for one variation or its random groups are "
    "excluded for all."
)
_MARGIN = "margin: the smallest difference that is claimed."
_REASONS = ("no neurons", "no cluster", "one cluster", "one or none passed")


def _facts(frames: Collected) -> Table:
    done = frames.done
    left_out = len(done) - frames.variations["fact"].nunique()
    rows: list[tuple[str, float]] = [
        ("facts", len(frames.facts)),
        ("facts that failed", len(frames.facts) - len(done)),
        ("facts answered correctly by the model", int(done["known"].eq(True).sum())),
        ("facts left out because they are not (only_known)", left_out),
        ("facts excluded for all: probability zero", _count(done, "probability zero")),
        ("facts excluded for all: extreme change (Eq 18)", _count(done, "extreme change")),
        ("probability of the answer, median", finite_median(done["probability"])),
        ("knowledge neurons of a fact, median", finite_median(done["n_knowledge_neurons"])),
    ]
    return Table(
        pd.DataFrame(rows, columns=["what", "value"]),
        "Facts of the run",
        "Knowledge neurons are those of the default. Facts that are not answered correctly count "
        "unless only_known is set; a claim needs the known ones.",
    )


def _count(facts: pd.DataFrame, why: str) -> int:
    return int(facts["excluded"].eq(why).sum())


_IN_CHOICES = (
    "variation, choice, facts, ARI, ARI low, ARI high, same, D, n, change, low, high, p, d, "
    "margin, ARI planted"
)


def _choices(frames: Collected) -> Table:
    frame = pd.DataFrame()
    if frames.others:
        frame = agreement(frames).merge(changes(frames), on="variation")
        frame = frame.sort_values("ARI", kind="stable", na_position="last", ignore_index=True)
    if frames.names:
        usual = {"variation": DEFAULT, "ARI": 1.0, "same": 1.0, "D": 1.0}
        frame = pd.concat([pd.DataFrame([usual]), frame], ignore_index=True)
        frame["choice"] = frame["variation"].map(frames.choice)
        if frames.planted:
            planted = recovered(frames).set_index("variation")["ARI"]
            frame["ARI planted"] = frame["variation"].map(planted)
        frame = frame[[name for name in _IN_CHOICES.split(", ") if name in frame]]
    return Table(
        frame,
        "Appendix D. Which choice matters: one thing changed at a time",
        "The variations that change the clusters most come first. ARI: mean adjusted Rand index "
        "with the clusters of the default, over the neurons of both, where a neuron in no cluster "
        "is a cluster by itself; over the facts where either has a cluster. same: share of these "
        "facts with exactly the same clusters. D: mean Jaccard index of the degenerate neurons. "
        "change: how much more than the default, or less, the jump of all clusters exceeds that of "
        "random groups of the same sizes, in points, paired over the n facts where both have two "
        "clusters, with its 95 % interval; p: Wilcoxon's signed-rank test, Holm-corrected over the "
        f"variations; {_MARGIN} {_EXCLUDED}",
        {"p": "p"},
    )


def _outcomes(frames: Collected) -> Table:
    rows = []
    for name in frames.names:
        counted = frames.counted(name)
        two = counted[counted["n"] >= 2]
        ratios = two[two["n"] >= 3]
        above = ratios["gcr"] - ratios["n"].map(straight_line_gcr)
        rows.append(
            {
                "variation": name,
                "choice": frames.choice[name],
                "facts": len(counted),
                "two clusters": int((counted["n_potential"] >= 2).sum()),
                "two components": len(two),
                "clusters": finite_mean(counted["n_potential"]),
                "components": finite_mean(two["n"]),
                "neurons": finite_mean(two["n_neurons"]),
                "jump of all": finite_mean(counted["potential_jump"]) * POINTS,
                "jump": finite_mean(two["jump"]) * POINTS,
                "GCR": finite_median(ratios["gcr"]),
                "above the line": finite_median(above),
                "random GCR": finite_median(counted["random_gcr"]),
                "n GCR": int(np.isfinite(ratios["gcr"].to_numpy(np.float64)).sum()),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "What each variation finds",
        "'two clusters' and 'two components': facts with at least two of them before and after the "
        "functional filter. 'components', 'neurons' and 'jump' are means over the latter, "
        "'clusters' over all facts; 'jump of all' is the jump of all clusters, in points. GCR: "
        "median over the n GCR facts with three components or more (of two it is no ratio), and "
        "its excess over the score of a straight line; then the GCR of random groups. "
        f"{_EXCLUDED} The table controls compares jumps with those of random groups.",
    )


def _controls(frames: Collected) -> Table:
    return Table(
        controls(frames),
        "Every variation against random groups of the same sizes",
        "Jumps in points, paired by fact. 'all clusters': before the filter, facts with two or "
        "more; 'known facts': of these the ones that the model answers correctly, where a claim "
        "must hold too; 'common facts': those where every variation has two clusters, so that all "
        "rows are of the same facts; 'components': after the filter, which selects groups by their "
        "effect and so favours random ones. Random groups have the same sizes and are drawn from "
        "the same neurons, several times, by the same draws for all variations; their mean counts. "
        "Both sides consist of neurons chosen by attribution, so this choice favours neither. p: "
        "Wilcoxon's signed-rank test, Holm-corrected over all variations of a measure; d: mean "
        f"difference / its standard deviation; {_MARGIN} {_EXCLUDED}",
        {"p": "p"},
    )


def _identical(frames: Collected) -> Table:
    rows = [
        {
            "variation": row["variation"],
            "facts": row["facts"],
            "the same clusters": row["n same"],
            "other clusters": row["facts"] - row["n same"],
            "by theorem": "the same" if frames.by_theorem[row["variation"]] else "",
        }
        for row in agreement(frames).to_dict("records")
    ]
    return Table(
        pd.DataFrame(rows),
        "On how many facts the clusters are exactly those of the default",
        "Facts where either has a cluster. Sums along paths and their longest edge give the merge "
        "tree of the direct edges (theorem 2 of the page on NTC), so clustering the matrix A "
        "itself must change nothing while the default adds lengths; products of lengths below 1 "
        "may change it. Lengths that increase with each other (power, neglog) give the same tree, "
        "but other persistences, and so possibly other clusters.",
    )


def _planted(frames: Collected) -> Table | None:
    if not frames.planted:
        return None
    return Table(
        recovered(frames).sort_values("ARI", ascending=False, kind="stable", ignore_index=True),
        "Which variation recovers the planted groups",
        "ARI: mean adjusted Rand index of the clusters with the groups that the model was trained "
        "to have, over the neurons of the fact, where a neuron in no cluster is a cluster by "
        "itself; over the facts with neurons of two groups or more. random: that of random groups "
        "of the same sizes. change: against the default, paired over n facts, with its 95 % "
        f"interval; p: Wilcoxon's signed-rank test, Holm-corrected; {_MARGIN}",
        {"p": "p"},
    )


def _exclusions(frames: Collected) -> Table:
    rows = []
    done = frames.done.set_index("fact")
    for name in frames.names:
        own, counted = frames.of(name), frames.counted(name)
        facts = done.reindex(own.index)
        reasons = [_reason(row) for row in counted.to_dict("records")]
        both = counted[["jump", "random_jump"]].notna().all(axis=1)
        rows.append(
            {
                "variation": name,
                "facts": len(own),
                **{why: _count(facts, why) for why in ("probability zero", "extreme change")},
                **{reason: reasons.count(reason) for reason in _REASONS},
                "two components": reasons.count(None),
                "of random groups too": int(both.sum()),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Why facts do not count, by variation",
        "A fact is counted at the first reason that applies. 'probability zero' and 'extreme "
        "change' exclude it for all variations, if they hold for one of them or its random groups. "
        "'one or none passed': fewer than two clusters passed the filter, so that the fact counts "
        "before it only. 'of random groups too': the facts of 'components' in the table controls.",
    )


def _reason(row: Mapping[str, Any]) -> str | None:
    if row["reason"] == "no neurons":
        return "no neurons"
    if row["n_potential"] < 2:
        return "one cluster" if row["n_potential"] else "no cluster"
    return "one or none passed" if row["n"] < 2 else None


def _variations(frames: Collected) -> Table:
    rows = [
        (name, choice, CHOICES.get(choice, "nothing is changed"), frames.label[name])
        for name, choice in frames.choice.items()
    ]
    return Table(
        pd.DataFrame(rows, columns=["variation", "choice", "what is chosen", "what is done"]),
        "What is varied",
        "Everything else is as in the default, the options of the run.",
    )


TABLES: dict[str, MakeTable] = {
    "facts": _facts,
    "choices": _choices,
    "outcomes": _outcomes,
    "controls": _controls,
    "identical": _identical,
    "planted": _planted,
    "exclusions": _exclusions,
    "variations": _variations,
}

# Findings

_NAMED = 3
_POINT = margin_words(MARGINS["points"], "point")
_EQUAL = 1 - 1e-9  # indices from here on are those of equal groupings

Rows = Mapping[str, Mapping[str, Any]]


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    n_done = len(frames.done)
    if not n_done:
        return (nothing_done(frames.facts["error"].dropna()),)
    if few := too_few(n_done):
        return (few,)
    known = int(frames.done["known"].eq(True).sum())
    sentences = [_knowledge(known, n_done)]
    if not len(frames.variations):
        return (*sentences, "No fact was left to look for groups in.")
    rows = _by_name(tables["choices"].frame)
    compared = tables["controls"].frame
    every, of_known = (_by_name(compared[compared["measure"] == m]) for m in MEASURES[:2])
    sentences += [
        _default(tables["outcomes"]),
        _order(frames, rows),
        _blocks(frames, rows),
        _theorem(tables["identical"]),
        *_better(every, of_known if known >= n_done / 2 else {}),
        _not_better(every),
        _changed(rows),
    ]
    if frames.planted:
        sentences.append(_recovered(tables["planted"]))
    return tuple(sentence for sentence in sentences if sentence)


def _by_name(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["variation"]: row for row in records(frame)}


def _knowledge(known: int, n_done: int) -> str:
    sentence = f"The model answers {of_all(known, n_done)} correctly."
    if known == 0:
        return f"{sentence} It knows none of them, so nothing below is about knowledge."
    if known < n_done / 2:
        return f"{sentence} Most are not known, so nothing is claimed about degeneracy."
    return sentence


def _default(outcomes: Table) -> str:
    row = outcomes.frame.iloc[0]
    return (
        f"With the default, {of_all(row['two clusters'], row['facts'])} have two clusters or "
        f"more, and {row['two components']:,} two that pass the filter."
    )


def _indexed(rows: Rows, names: Sequence[str]) -> list[tuple[float, str]]:
    """Return variations with their Rand index, those that change the clusters most first."""
    indices = [(float(rows[name]["ARI"]), name) for name in names]
    return sorted((value, name) for value, name in indices if math.isfinite(value))


def _named(frames: Collected, indices: Sequence[tuple[float, str]]) -> str:
    parts = [f"{name} ({frames.choice[name]}, {Number(value):.3f})" for value, name in indices]
    return and_list(parts)


def _order(frames: Collected, rows: Rows) -> str:
    indices = _indexed(rows, frames.others)
    if not indices:
        return "No fact has a cluster with any variation, so nothing can be compared."
    unlike = [pair for pair in indices if pair[0] < _EQUAL]
    if not unlike:
        return "Every variation finds exactly the clusters of the default."
    sentence = (
        "By the adjusted Rand index with the clusters of the default, the clusters change most "
        f"with {_named(frames, unlike[:_NAMED])}"
    )
    if rest := unlike[_NAMED:]:
        sentence += (
            f"; among those that change any, least with {_named(frames, rest[::-1][:_NAMED])}"
        )
    return f"{sentence}."


def _blocks(frames: Collected, rows: Rows) -> str:
    """Say whether a modelling choice or a threshold changes more."""
    sides: list[list[str]] = [[], []]
    for name in frames.others:
        sides[frames.choice[name] not in MODELLING].append(name)
    first, second = (_indexed(rows, names)[:1] for names in sides)
    if not first or not second:
        return ""
    one, two = rows[first[0][1]], rows[second[0][1]]
    if one["ARI high"] < two["ARI low"]:
        order = "how the graph is made can change clusters more than which of them are kept"
    elif one["ARI low"] > two["ARI high"]:
        order = "which clusters are kept can change them more than how the graph is made"
    else:
        order = "the intervals overlap, so neither is sure to matter more"
    return (
        f"The largest change by a choice of modelling is {_named(frames, first)}, by a threshold "
        f"or a rule of selection {_named(frames, second)}: {order}."
    )


def _theorem(identical: Table) -> str:
    rows = records(identical.frame)
    rows = [row for row in rows if row["by theorem"] and row["facts"]]
    if not rows:
        return ""
    names = and_list([row["variation"] for row in rows])
    wrong = sum(row["other clusters"] for row in rows)
    if not wrong:
        return (
            f"As the theorem on direct edges says, {names} change no cluster of any of "
            f"{pluralize(max(row['facts'] for row in rows), 'fact')}."
        )
    return (
        f"By the theorem on direct edges, {names} change no cluster, but they do so in "
        f"{pluralize(wrong, 'case')}: an error of rounding, or of the program."
    )


def _better(every: Rows, known: Rows) -> list[str]:
    """Say with which variations clusters jump more than random groups, on all and known facts."""
    better = [name for name, row in every.items() if row_stands(row)]
    if not better:
        return [
            "With no variation do clusters jump more than random groups of the same sizes from the "
            f"same neurons, beyond chance and by at least the margin of {_POINT}."
        ]
    held = [name for name, row in known.items() if row_stands(row)]
    claimed = [name for name in better if name in held]
    others = [name for name in better if name not in held]
    sentences = []
    if claimed:
        sentence = (
            "Suppressing the last cluster has more effect than suppressing the last of random "
            f"groups of the same sizes from the same neurons, with {len(claimed)} of {len(every)} "
            f"variations: {_differences(claimed, every)}."
        )
        sentences.append(as_claim(sentence, True))
    if others:
        sentences.append(
            f"So it has with {_differences(others, every)}, but not on the facts that the model "
            "knows, so this is no evidence of degeneracy."
            if claimed
            else "Clusters jump more than random groups over all facts, but not over those that "
            f"the model knows, with {_differences(others, every)}: no evidence of degeneracy."
        )
    return sentences


def _differences(names: Sequence[str], rows: Rows, of: str = "difference") -> str:
    return and_list(
        [f"{name} ({rows[name][of]:+.1f} points, {p_words(rows[name]['p'])})" for name in names]
    )


def _not_better(rows: Rows) -> str:
    words = {
        "none": "no difference from random groups",
        "less": "smaller jump than random groups",
        "few": f"fewer than {FEW} facts, too few to say",
    }
    said = {name: verdict(row, "", unit="point", **words) for name, row in rows.items()}
    parts = [
        f"{word}: {', '.join(name for name in said if said[name] == word)}"
        for word in dict.fromkeys([*words.values(), *said.values()])
        if word and word in said.values()
    ]
    return upper_first(f"{'; '.join(parts)}.") if parts else ""


def _changed(rows: Rows) -> str:
    """Say whether any variation changes how much more than random groups clusters jump."""
    tested = {name: row for name, row in rows.items() if name != DEFAULT and row["n"] >= FEW}
    if not tested:
        return "Whether a choice changes the outcome cannot be tested: too few facts have a pair."
    results = {name: outcome(row, difference="change") for name, row in tested.items()}
    changed = [name for name in tested if results[name] in ("more", "less")]
    if not changed:
        return (
            f"Of {pluralize(len(tested), 'variation')} none changes, beyond chance and by at least "
            f"the margin of {_POINT}, how much more than random groups the clusters jump: as far "
            "as these facts show, the answer does not depend on these choices."
        )
    return (
        "How much more than random groups the clusters jump differs from the default with "
        f"{_differences(changed, tested, 'change')}; with none of "
        f"{pluralize(len(tested) - len(changed), 'other variation')} beyond chance and the margin "
        f"of {_POINT}."
    )


def _recovered(table: Table) -> str:
    rows = [row for row in records(table.frame) if row["facts"]]
    if not rows:
        return "No fact has knowledge neurons of two planted groups."
    best, own = rows[0], {row["variation"]: row for row in rows}
    sentence = (
        f"The planted groups are recovered best with {best['variation']} (adjusted Rand index "
        f"{best['ARI']:.2f}, random groups {best['random']:.2f}; "
        f"{pluralize(best['facts'], 'fact')})"
    )
    if best["variation"] != DEFAULT and DEFAULT in own:
        sentence += f", against {own[DEFAULT]['ARI']:.2f} with the default ({p_words(best['p'])})"
    parts = []
    for word, sign in (("better", 1), ("worse", -1)):
        cells = {"difference": "change", "low": "change low", "high": "change high"}
        if names := [r["variation"] for r in rows if row_stands(r, sign, **cells)]:
            parts.append(f"{word} with {and_list(names)}")
    compared = "; ".join(parts) or "neither better nor worse with any variation"
    return f"{sentence}. Compared with the default, beyond chance: {compared}."


# Pictures

_BARS = (
    "Mean adjusted Rand index with its 95 % interval; 1 for equal groupings, about 0 for random "
    "groups. Colours are the choices, n numbers of facts."
)


def _size(n_rows: int) -> tuple[float, float]:
    return 8.4, 1.6 + 0.28 * n_rows


def _bars(
    table: str, ends: str, label: str, title: str, frames: Collected, tables: Mapping[str, Table]
) -> Picture | None:
    """Draw the Rand indices of a table; ``ends`` begins the names of the columns of bounds."""
    rows = tables[table].frame if table in tables else pd.DataFrame()
    rows = rows[rows["facts"] > 0] if "facts" in rows else rows[:0]
    if not len(rows):
        return None
    ax = free_axes(*_size(len(rows)))
    BarsDisplay.from_arrays(
        rows["variation"].tolist(),
        rows["ARI"],
        rows[f"{ends}low"],
        rows[f"{ends}high"],
        n=rows["facts"],
        kinds=[frames.choice[name] for name in rows["variation"]],
        order=[*CHOICES, DEFAULT],
        label=f"adjusted Rand index with {label}",
        ax=ax,
    )
    return Picture(ax.figure, title, _BARS)


def _against_random(_: Collected, tables: Mapping[str, Table]) -> Picture | None:
    rows = tables["controls"].frame
    rows = rows[rows["measure"] == "all clusters"] if len(rows) else rows
    if not len(rows) or not rows["n"].any():
        return None
    return effects_picture(
        rows,
        rows["variation"],
        "Every variation against random groups of the same sizes",
        "Mean difference of the jumps of all clusters, paired by fact, with its 95 % interval and "
        "Holm-corrected p-value. At 0 clusters do not differ from random groups.",
        label="jump minus that of random groups (points)",
        size=_size(len(rows)),
    )


def _changes(_: Collected, tables: Mapping[str, Table]) -> Picture | None:
    rows = tables["choices"].frame[1:]  # without the default
    if "n" not in rows or not rows["n"].any():
        return None
    return effects_picture(
        rows,
        rows["variation"],
        "How each choice changes the outcome",
        "Mean change of the excess of clusters' jumps over those of random groups, paired by fact, "
        "with its 95 % interval and Holm-corrected p-value. The variations that change the "
        "clusters most come first, as in the table choices.",
        label="change of (jump minus random) against the default (points)",
        size=_size(len(rows)),
        value="change",
    )


PICTURES: dict[str, MakePicture] = {
    "agreement": partial(
        _bars,
        "choices",
        "ARI ",
        "the clusters of the default",
        "Appendix D. How similar the clusters stay when one choice is changed",
    ),
    "controls": _against_random,
    "changes": _changes,
    "planted": partial(
        _bars, "planted", "", "the planted groups", "Which variation recovers the planted groups"
    ),
}
