"""What the choices study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neurotopo.report.summary import Table
from neurotopo.studies.choices.rows import Collected
from neurotopo.studies.choices.variations import DEFAULT, MODELLING
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    and_list,
    as_claim,
    nothing_done,
    p_words,
    stands,
    upper_first,
)

__all__ = ["findings_of"]

_SHOWN = 3
_AS_GOOD = 1e-9  # indices up to so much below 1 are those of equal groupings

Rows = Mapping[str, Mapping[str, Any]]


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    n_done = len(found.done)
    if not n_done:
        return (nothing_done(found.facts["error"].dropna()),)
    known = int((found.done["known"] == True).sum())  # noqa: E712
    sentences = [_knowledge(known, n_done)]
    if not len(found.variations):
        return (*sentences, "No fact was left to look for groups in.")
    rows = {row["variation"]: row for row in tables["choices"].frame.to_dict("records")}
    measures: dict[str, dict[str, Any]] = {}
    for row in tables["controls"].frame.to_dict("records"):
        measures.setdefault(row["measure"], {})[row["variation"]] = row
    sentences += [
        _default(tables["outcomes"]),
        _order(found, rows),
        _blocks(found, rows),
        _theorem(found, tables["identical"]),
        *_better(measures, known >= n_done / 2),
        _not_better(measures["all clusters"]),
        _changed(rows),
    ]
    if found.planted:
        sentences.append(_planted(tables["planted"]))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(known: int, n_done: int) -> str:
    sentence = f"The model answers {known:,} of {n_done:,} facts correctly."
    if known == 0:
        return (
            f"{sentence} It knows none of them: how its neurons are grouped says nothing about "
            "knowledge, and nothing is claimed."
        )
    if known < n_done / 2:
        return f"{sentence} Most are not known, so nothing is claimed about degeneracy."
    return sentence


def _default(outcomes: Table) -> str:
    row = outcomes.frame.iloc[0]
    return (
        f"By the default, {row['two clusters']:,} of {row['facts']:,} facts have two clusters or "
        f"more, and {row['two components']:,} two that pass the filter."
    )


def _indexed(rows: Rows, names: Sequence[str]) -> list[tuple[float, str]]:
    """Return variations with their Rand index, those that change the clusters most first."""
    indices = [(float(rows[name]["ARI"]), name) for name in names]
    return sorted((value, name) for value, name in indices if math.isfinite(value))


def _named(found: Collected, indices: Sequence[tuple[float, str]]) -> str:
    return and_list([f"{name} ({found.choice[name]}, {value:.3f})" for value, name in indices])


def _order(found: Collected, rows: Rows) -> str:
    indices = _indexed(rows, found.others)
    if not indices:
        return "No fact has a cluster by any variation: nothing can be compared."
    unlike = [pair for pair in indices if pair[0] < 1 - _AS_GOOD]
    if not unlike:
        return "Every variation finds exactly the clusters of the default."
    sentence = (
        "The clusters change most, by their adjusted Rand index with those of the default, with "
        f"{_named(found, unlike[:_SHOWN])}"
    )
    rest = unlike[_SHOWN:]
    if rest:
        least = list(reversed(rest[-_SHOWN:]))
        sentence += f"; least, where at all, with {_named(found, least)}"
    return f"{sentence}."


def _blocks(found: Collected, rows: Rows) -> str:
    """Say whether a modelling choice or a threshold changes more."""
    modelling = [name for name in found.others if found.choice[name] in MODELLING]
    others = [name for name in found.others if found.choice[name] not in MODELLING]
    first, second = (_indexed(rows, names)[:1] for names in (modelling, others))
    if not first or not second:
        return ""
    one, two = rows[first[0][1]], rows[second[0][1]]
    if one["ARI high"] < two["ARI low"]:
        verdict = "how the graph is made can change clusters more than what is kept of them"
    elif one["ARI low"] > two["ARI high"]:
        verdict = "what is kept can change clusters more than how the graph is made"
    else:
        verdict = "their intervals overlap, so that neither matters more for certain"
    return (
        f"The largest change by a choice of modelling is {_named(found, first)}, by a threshold or "
        f"a rule of selection {_named(found, second)}: {verdict}."
    )


def _theorem(found: Collected, identical: Table) -> str:
    rows = [r for r in identical.frame.to_dict("records") if found.by_theorem[r["variation"]]]
    rows = [row for row in rows if row["facts"]]
    if not rows:
        return ""
    names = and_list([row["variation"] for row in rows])
    wrong = sum(row["other clusters"] for row in rows)
    if not wrong:
        return (
            f"As the theorem on direct edges says, {names} change no cluster of any of "
            f"{max(row['facts'] for row in rows):,} facts."
        )
    return (
        f"The theorem on direct edges says that {names} change no cluster, and they do so in "
        f"{wrong:,} cases: that is an error of rounding, or of the program."
    )


def _verdict(row: Mapping[str, Any]) -> str:
    if row["n"] < FEW:
        return "few"
    if not row["p"] < ALPHA:
        return "none"
    return "more" if row["difference"] > 0 else "less"


def _better(measures: Mapping[str, Rows], knows: bool) -> list[str]:
    """Say by which variations clusters jump more than random groups do."""
    every, known = measures["all clusters"], measures["known facts"]
    better = [name for name, row in every.items() if _verdict(row) == "more"]
    if not better:
        return [
            "By no variation do clusters jump more than random groups of the same sizes from the "
            "same neurons."
        ]
    claimed = [
        name
        for name in better
        if knows and stands(known[name]["n"], known[name]["p"], known[name]["difference"])
    ]
    others = [name for name in better if name not in claimed]
    sentences = []
    if claimed:
        sentence = (
            "Suppressing the last cluster takes more than suppressing the last of random groups of "
            f"the same sizes from the same neurons, by {len(claimed)} of {len(every)} variations: "
            f"{_differences(claimed, every)}."
        )
        sentences.append(as_claim(sentence, True))
    if others:
        sentences.append(
            f"It also does so by {_differences(others, every)}, but not on the facts that the "
            "model knows, so that this is no evidence of degeneracy."
            if claimed
            else "Clusters jump more than random groups over all facts, but not over those that "
            f"the model knows, by {_differences(others, every)}: no evidence of degeneracy."
        )
    return sentences


def _differences(names: Sequence[str], rows: Rows, of: str = "difference") -> str:
    return and_list(
        [f"{name} ({rows[name][of]:+.1f} points, {p_words(rows[name]['p'])})" for name in names]
    )


def _not_better(rows: Rows) -> str:
    texts = (
        ("none", "no different from random groups"),
        ("less", "less sudden than random groups"),
        ("few", f"on fewer than {FEW} facts, too few to say"),
    )
    parts = []
    for verdict, text in texts:
        names = [name for name, row in rows.items() if _verdict(row) == verdict]
        if names:
            parts.append(f"{text}: {', '.join(names)}")
    return upper_first(f"{'; '.join(parts)}.") if parts else ""


def _changed(rows: Rows) -> str:
    """Say whether any variation changes how much more than random groups clusters jump."""
    tested = {name: row for name, row in rows.items() if name != DEFAULT and row["n"] >= FEW}
    if not tested:
        return "Whether a choice changes the outcome cannot be told: too few facts have a pair."
    changed = [name for name, row in tested.items() if row["p"] < ALPHA]
    if not changed:
        return (
            f"None of {len(tested)} variations changes how much more than random groups the "
            "clusters jump, beyond what chance would do: the answer does not depend on these "
            "choices as far as these facts can tell."
        )
    return (
        "How much more than random groups the clusters jump is changed, beside the default, by "
        f"{_differences(changed, tested, 'change')}; by none of the other "
        f"{len(tested) - len(changed)} variations beyond chance."
    )


def _planted(table: Table) -> str:
    rows = [row for row in table.frame.to_dict("records") if row["facts"]]
    if not rows:
        return "No fact has knowledge neurons of two planted groups."
    own = {row["variation"]: row for row in rows}
    best = rows[0]
    sentence = (
        f"The planted groups are recovered best by {best['variation']} (adjusted Rand index "
        f"{best['ARI']:.2f}, random groups {best['random']:.2f}; {best['facts']:,} facts)"
    )
    if best["variation"] != DEFAULT and DEFAULT in own:
        sentence += f", against {own[DEFAULT]['ARI']:.2f} by the default ({p_words(best['p'])})"
    worse = [row["variation"] for row in rows if row["change"] < 0 and row["p"] < ALPHA]
    better = [row["variation"] for row in rows if row["change"] > 0 and row["p"] < ALPHA]
    parts = [
        f"{text} by {and_list(names)}"
        for text, names in (("better", better), ("worse", worse))
        if names
    ]
    compared = f"{'; '.join(parts)}" if parts else "neither better nor worse by any variation"
    return f"{sentence}. Beyond chance they are recovered {compared} than by the default."
