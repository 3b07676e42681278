"""What the critique study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurotopo.report.summary import Table
from neurotopo.studies.critique.rows import Collected
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    and_list,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
    upper_first,
)

__all__ = ["findings_of"]

_NAMES = {"grammar": "grammar", "facts": "facts"}
_NEURONS = {"own": "knowledge neurons", "dkn": "degenerate knowledge neurons"}

_Row = Mapping[str, Any]


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    if not found.n_done:
        return (nothing_done([error for _, error in found.failed], "group"),)
    rows = {name: table.frame.to_dict("records") for name, table in tables.items()}
    knows = {row["kind"]: _knows(row) for row in rows["knowledge"]}
    sentences = [_knowledge(row) for row in rows["knowledge"]]
    if not found.kinds:
        sentences.append("No pair was left to look at.")
    for kind in found.kinds:
        sentences.append(_large_and_few(kind, rows["categorical"]))
        sentences.append(_degenerate(kind, rows["tests"], knows[kind]))
        sentences.extend(
            _held_out(row, knows[kind])
            for row in rows["generalisation"]
            if row["kind"] == kind and row["against"] == "random_layers"
        )
    if len(found.kinds) == 2:
        sentences.append(_side_by_side(rows["kinds"]))
    sentences += [_ranks(row) for row in rows["r1"] if row["rows"] == "attributions"]
    sentences += [_frequency(row) for row in rows["frequency"] if row["set"] == "own"]
    sentences += _edits(rows["edits"], rows["edit_tests"])
    return tuple(sentence for sentence in sentences if sentence)


def _knows(row: _Row) -> bool:
    return bool(row["votes"] >= FEW and row["p"] < ALPHA and row["preferred"] > 0.5)


def _knowledge(row: _Row) -> str:
    what = "word that fits" if row["kind"] == "grammar" else "answer"
    sentence = (
        f"{upper_first(_NAMES[row['kind']])}: in {row['preferred']:.0%} of {row['pairs']:,} pairs "
        f"the {what} is likelier than the other; of {row['votes']:,} sets of words with a "
        f"majority {row['for what fits']:,} are for what fits ({p_words(row['p'])})."
    )
    if not _knows(row):
        sentence += (
            " So the model is not shown to know what it is asked, and nothing below is claimed of "
            f"{_NAMES[row['kind']]}."
        )
    return sentence


def _large_and_few(kind: str, rows: list[_Row]) -> str:
    """Say how much probabilities and answers move: the point of the critique."""
    by = {row["set"]: row for row in rows if row["kind"] == kind and row["mode"] == "suppress"}
    parts = []
    for arm, control in (("own", "own_random_layers"), ("dkn", "random_layers")):
        row, random = by[arm], by[control]
        if row["n"]:
            part = (
                f"{_NEURONS[arm]} take {_percent(row['dProb'])} of the probability on average and "
                f"turn {_percent(row['flips'])} of {row['n']:,} preferences (random ones in the "
                f"same layers {_percent(random['dProb'])} and {_percent(random['flips'])})"
            )
            if row["n answered"]:
                part += f"; {_percent(row['answers lost'])} of the answers are lost"
            parts.append(part)
    if not parts:
        return ""
    return f"{upper_first(_NAMES[kind])}, suppressed: {'; '.join(parts)}."


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"


def _test(rows: list[_Row], kind: str, arm: str, other: str) -> _Row:
    wanted = (kind, "suppress", arm, other)
    return next(
        row for row in rows if (row["kind"], row["mode"], row["set"], row["against"]) == wanted
    )


def _degenerate(kind: str, rows: list[_Row], knows: bool) -> str:
    """Say whether D moves the log-odds more than as many neurons chosen alike."""
    row = _test(rows, kind, "dkn", "kn")
    name = upper_first(_NAMES[kind])
    if not row["n"]:
        return f"{name}: no pair has degenerate knowledge neurons."
    sentence = (
        f"{name}: suppressing D lowers the log-odds by {row['shift']:.2f}, as many knowledge "
        f"neurons that are not degenerate by {row['other']:.2f} ({row['n']:,} pairs; difference "
        f"{row['difference']:+.2f}, {_behind(row, 2)}): {_verdict(row)}."
    )
    return as_claim(sentence, knows and stands(row["n"], row["p"], row["difference"]))


def _behind(row: _Row, digits: int = 1) -> str:
    interval = from_to(row["low"], row["high"], digits)
    return f"{interval}, {p_words(row['p'])}" if interval else p_words(row["p"])


def _verdict(row: _Row) -> str:
    if row["n"] < FEW:
        return "too few for a claim"
    if not row["p"] < ALPHA:
        return "no difference that could be told from chance"
    return "more" if row["difference"] > 0 else "less"


def _held_out(row: _Row, knows: bool) -> str:
    name = f"{upper_first(_NAMES[row['kind']])}, held-out pairs"
    if not row["n"]:
        return (
            f"{name}: no paradigm has {_NEURONS[row['source']]} in common, so whether they "
            "generalise cannot be asked."
        )
    sentence = (
        f"{name}: {_NEURONS[row['source']]} common to one half of a paradigm or relation "
        f"({row['neurons']:.1f} on average; none in {row['without neurons']} of {row['groups']} "
        f"groups) lower the log-odds in the other half by {row['shift']:.2f}, random ones in the "
        f"same layers by {row['other']:.2f} ({row['n']:,} pairs, {_behind(row, 2)}), and turn "
        f"{_percent(row['flips'])} of the preferences: {_verdict(row)}."
    )
    return as_claim(sentence, knows and stands(row["n"], row["p"], row["difference"]))


def _side_by_side(rows: list[_Row]) -> str:
    """Say whether grammar and facts differ, as the thesis of knowledge neurons would have it."""
    parts = []
    for row in rows:
        if row["mode"] != "suppress" or row["measure"] == "dProb":
            continue
        few = min(row["n grammar"], row["n facts"]) < FEW
        if few:
            how = "too few to tell"
        elif math.isnan(row["p"]):
            how = "no difference"
        elif row["p"] < ALPHA:
            how = "larger for " + ("grammar" if row["grammar"] > row["facts"] else "facts")
        else:
            how = "no difference"
        set_name = "all" if row["set"] == "own" else "D"
        parts.append(
            f"{row['measure']} of {set_name} {row['grammar']:.2f} against {row['facts']:.2f} "
            f"({p_words(row['p'])}, {how})"
        )
    return f"Neurons of grammar beside neurons of facts: {'; '.join(parts)}."


def _ranks(row: _Row) -> str:
    if not row["groups"]:
        return ""
    return (
        f"R1 of the attributions, {_NAMES[row['kind']]}: {row['R1']:.2f}, with entries shuffled "
        f"{row['shuffled']:.2f} ({row['groups']} groups, {p_words(row['p'])}); 1 would be one "
        "pattern for all pairs of a group, 0 a pattern for each."
    )


def _frequency(row: _Row) -> str:
    if math.isnan(row["R2"]):
        return ""
    by = "the model's first words" if row["frequency"] == "model" else "the corpus"
    slope = f"slope {row['slope']:+.2f}, {p_words(row['p of slope'])}"
    sentence = (
        f"Word frequency ({by}) explains {row['R2']:.0%} of the shift of {_NAMES[row['kind']]} "
        f"({slope}); between equally frequent words it is {row['constant']:.2f} "
        f"({from_to(row['low'], row['high'], 2)})."
    )
    if row["flips"]:
        sentence += (
            f" Of {row['flips']:,} preferences that turn, {row['to the frequent']:.0%} go to the "
            f"more frequent word; {row['expected']:.0%} would by chance "
            f"({p_words(row['p of flips'])})."
        )
    return sentence


def _edits(rows: list[_Row], tests: list[_Row]) -> list[str]:
    if not rows:
        return ["No fact could be edited."]
    n = rows[0]["edits"]
    parts = [
        f"{row['set']} {_percent(row['efficacy'])}, {_percent(row['in other words'])}, "
        f"{_percent(row['locality'])}"
        for row in rows
    ]
    sentences = [
        f"Edits of {n} known facts succeed, hold in other words, and leave other facts alone, by "
        f"trained neurons: {'; '.join(parts)}.",
        _reverse(rows[0]),
    ]
    worded = {row["dkn against"]: row for row in tests if row["measure"].startswith("says")}
    pair = [worded["kn"], worded["random"]]
    parts = [
        f"{row['difference']:+.0%} against {name} ({p_words(row['p'])})"
        for name, row in zip(("other knowledge neurons", "random neurons"), pair, strict=True)
    ]
    # random neurons alone would not do: that any neurons of the fact are better is the old thesis
    holds = all(stands(row["n"], row["p"], row["difference"]) for row in pair)
    verdict = "an edit in D carries over best" if holds else "no advantage of D over both is shown"
    sentences.append(
        as_claim(f"In other words, an edit in D is said {and_list(parts)}: {verdict}.", holds)
    )
    return sentences


def _reverse(row: _Row) -> str:
    if not row["asked in reverse"]:
        return "No edit is of a one-to-one relation that can be asked in reverse."
    if not row["not vacuous"]:
        return (
            f"Symmetry cannot be tested: of {row['asked in reverse']} edited facts the model "
            "answers none in reverse, even before the edit."
        )
    return (
        f"Symmetry: of {row['asked in reverse']} edited facts {row['not vacuous']} were answered "
        f"in reverse before; after an edit in D the subject comes out for the new answer in "
        f"{_percent(row['symmetry'])} of these."
    )
