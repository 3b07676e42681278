"""What the development study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurotopo.report.summary import Table
from neurotopo.studies.development.rows import Collected
from neurotopo.studies.development.tables import ALL, KNOWN
from neurotopo.studies.findings import ALPHA, FEW, and_list, as_claim, nothing_done, p_words, stands
from neurotopo.studies.several_models import UNIT

__all__ = ["findings_of"]


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    if not len(found.done):
        return (nothing_done(found.rows["error"], UNIT),)
    rows = tables["development"].frame.to_dict("records")
    sentences = [_knowledge(rows), _components(rows), _jumps(rows)]
    if len(rows) == 1:
        return (*sentences, "With one snapshot nothing can be said about development.")
    reasons = found.pairs["reason"]
    if len(reasons) and (reasons == "other shape").all():
        return (
            *sentences,
            "The models have different layers or neurons, so that none of them is a later state "
            "of another, and components cannot be matched.",
        )
    sentences.append(_kept(tables["matching"].frame.to_dict("records"), "the snapshot before"))
    sentences.append(_kept(tables["to_the_end"].frame.to_dict("records"), "the last snapshot"))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = ", ".join(f"{row['snapshot']} {row['known']:.0%}" for row in rows)
    sentence = f"Facts answered correctly: {parts}."
    if not any(row["known"] for row in rows):
        sentence += " None is ever known, so nothing is said about how knowledge is stored."
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
    """Say in which snapshots the jump is beyond that of shuffled groups."""
    tested = [row for row in rows if row["n jump"] >= FEW]
    above = [r["snapshot"] for r in tested if stands(r["n jump"], r["p"], r["difference"])]
    below = [r["snapshot"] for r in tested if stands(r["n jump"], r["p"], -r["difference"])]
    if not tested:
        return "In no snapshot have enough facts two clusters to compare jumps."
    parts = [
        f"{how} in {and_list(names)}"
        for how, names in (("larger", above), ("smaller", below))
        if names
    ]
    if not parts:
        return (
            "In no snapshot does the jump of NTC's clusters differ from that of shuffled groups "
            "beyond chance."
        )
    return f"The jump of NTC's clusters, against shuffled groups, is {'; '.join(parts)}."


def _kept(rows: Sequence[Mapping[str, Any]], what: str) -> str:
    """Say from when on components are kept, beyond both controls, on facts that are known."""
    own = [row for row in rows if row["facts"] == KNOWN and row["n"] >= FEW]
    if not own:
        most = max((row["n"] for row in rows if row["facts"] == ALL), default=0)
        return (
            f"Likeness to {what}: no two snapshots have {FEW} facts with components that both "
            f"know ({most:,} facts could be compared, known or not)."
        )
    holding = [row for row in own if all(_beyond(row, name) for name in ("shuffled", "other"))]
    last = own[-1]
    sentence = (
        f"Likeness to {what}, on facts that both snapshots know. From {last['from']} to "
        f"{last['to']} the components have a mean Jaccard index of {last['matched']:.2f}, "
        f"{last['shuffled']:.2f} with shuffled neurons ({p_words(last['p shuffled'])}), "
        f"{last['other']:.2f} with another fact ({p_words(last['p other'])}; {last['n']:,} facts). "
    )
    if holding:
        pairs = and_list([f"{row['from']} to {row['to']}" for row in holding])
        sentence += (
            "Components are kept, more than shared neurons explain and more than those of another "
            f"fact, from {pairs}."
        )
    else:
        sentence += f"At the level {ALPHA} nothing is kept beyond both between any two of them."
    return as_claim(sentence, bool(holding))


def _beyond(row: Mapping[str, Any], name: str) -> bool:
    return stands(row[f"n {name}"], row[f"p {name}"], row[f"minus {name}"])
