"""What the acquisition study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.report.summary import Table
from neurotopo.studies.acquisition.rows import Collected
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
    upper_first,
)
from neurotopo.studies.groupings import label_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["against_random", "findings_of"]

_CIRCULAR = ("pairs", "pair-groups")


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    n_done = int(found.facts["error"].isna().sum())
    if not n_done:
        return (nothing_done(found.facts["error"]),)
    sentences = [_knowledge(found, n_done)]
    if not len(found.methods):
        return (*sentences, "No fact was left to look for groups in.")
    measures: dict[str, dict[str, Any]] = {"all potential": {}, "components": {}}
    for row in tables["controls"].frame.to_dict("records"):
        measures[row["measure"]][row["method"]] = row
    rows = measures["all potential"]
    for method in ("oracle", "ntc"):
        if method in rows:
            sentences.append(against_random(method, rows[method]))
            sentences.append(_after_the_filter(measures["components"][method]))
    other = [name for name in rows if name not in ("oracle", "ntc", *_CIRCULAR)]
    if any(rows[name]["n"] for name in _CIRCULAR if name in rows):
        circular = (
            "AMIG's pairs are chosen by the very fall that is measured here, so that they jump "
            "more than random pairs is no evidence of anything."
        )
    else:
        circular = ""
    if other:
        sentences.append(_others_against_random(other, rows))
    sentences.append(circular)
    if "ntc" in rows:
        sentences.append(_against_baselines(tables["table7_paired"].frame))
        sentences.append(_by_the_paper(tables["table1"].frame))
        sentences.append(_definition(tables["dkns"].frame))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(found: Collected, n_done: int) -> str:
    known = int((found.facts["known"] == True).sum())  # noqa: E712
    without = int((found.facts["n_neurons"] == 0).sum())
    sentence = f"The model answers {known:,} of {n_done:,} facts correctly."
    if known == 0:
        sentence += (
            " It knows none of them, so nothing below is about how it stores knowledge; changes "
            "of probabilities that are next to nothing mean nothing."
        )
    elif known < n_done / 2:
        sentence += " Most are not known, and what is said below is mostly about those."
    if without:
        sentence += f" {without:,} facts have no knowledge neuron at all."
    return sentence


def against_random(method: str, row: Mapping[str, Any]) -> str:
    """Say how a method's jump compares with that of random groups.

    Parameters
    ----------
    method : {"ntc", "oracle"}
        The method.
    row : mapping
        Its row of :func:`~neurotopo.studies.acquisition.comparisons.controls`.

    Returns
    -------
    str
    """
    name = "The groups the model was trained to have" if method == "oracle" else "NTC's clusters"
    if not row["n"]:
        return f"{name}: no fact has two or more, so nothing can be compared."
    interval = from_to(row["low"], row["high"])
    behind = f"{interval}, {p_words(row['p'])}" if interval else p_words(row["p"])
    sentence = (
        f"{name}: suppressing the last one takes {row['jump']:.1f} points of the answer's "
        f"probability more than all but one, against {row['random']:.1f} for random groups of "
        f"the same sizes from the same neurons ({row['n']:,} facts; difference "
        f"{row['difference']:.1f}, {behind}): {_verdict(row)}."
    )
    return as_claim(sentence, stands(row["n"], row["p"], row["difference"]))


def _after_the_filter(row: Mapping[str, Any]) -> str:
    if not row["n"]:
        return "After the filter no fact is left with two components on both sides."
    return (
        f"After the filter, on the {row['n']:,} facts with two components on both sides, it is "
        f"{row['jump']:.1f} against {row['random']:.1f} ({p_words(row['p'])}): {_verdict(row)}."
    )


def _verdict(row: Mapping[str, Any]) -> str:
    if row["n"] < FEW:
        return "too few facts for a claim"
    if not row["p"] < ALPHA:
        return "no difference that could be told from chance"
    if row["difference"] > 0:
        return "the degeneracy is more than that of random groups"
    return "less sudden than random groups"


def _others_against_random(names: list[str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(_verdict(rows[name]) if rows[name]["n"] else "nothing", []).append(name)
    parts = []
    for verdict, text in (
        ("the degeneracy is more than that of random groups", "more sudden than random groups"),
        ("less sudden than random groups", "less sudden"),
        ("no difference that could be told from chance", "no different from random groups"),
        ("too few facts for a claim", "on too few facts for a claim"),
        ("nothing", "without any fact to compare"),
    ):
        if verdict in kinds:
            parts.append(f"{text}: {', '.join(kinds[verdict])}")
    found = upper_first("; ".join(parts))
    return f"The other methods against random groups in their own sizes. {found}."


def _against_baselines(frame: pd.DataFrame) -> str:
    if not len(frame):
        return ""
    jumps = frame[frame["measure"] == "jump (points)"]
    parts = []
    for row in jumps.to_dict("records"):
        if row["NTC against"] not in (*CLUSTERER_LABELS, "pairs"):
            continue
        pairs = row["NTC against"] == "pairs"
        name = "AMIG's pairs" if pairs else label_of(row["NTC against"])
        if row["n"] < FEW:
            parts.append(f"{name}: only {row['n']} facts in common")
            continue
        if not row["p"] < ALPHA:
            how = "no difference"
        else:
            how = "larger" if row["difference"] > 0 else "smaller"
        parts.append(f"{name}: {how} ({row['difference']:+.1f} points, {p_words(row['p'])})")
    if not parts:
        return ""
    return f"NTC's jump beside that of the baselines, on the facts in common. {'; '.join(parts)}."


def _by_the_paper(frame: pd.DataFrame) -> str:
    own = {row["method"]: row for row in frame.to_dict("records")}
    average = {
        name: own[name]["average 2-8"]
        for name in ("ntc", *CLUSTERER_LABELS, "pairs")
        if name in own and math.isfinite(own[name]["average 2-8"])
    }
    if "ntc" not in average:
        return "By the paper's measure nothing can be said: NTC has no fact with a GCR."
    order = sorted(average, key=lambda name: -average[name])
    listed = ", ".join(f"{name} {average[name]:.3g}" for name in order)
    place = f"{order.index('ntc') + 1} of {len(order)}"
    sentence = f"By the paper's measure, the average GCR, NTC has place {place}: {listed}."
    above = own["ntc"]["above the line 3-8"]
    if math.isfinite(above):
        sentence += f" Over what a straight line scores, NTC has {above:+.3g} (3 to 8 components)."
    random = own.get("random:ntc", {}).get("average 2-8", math.nan)
    if math.isfinite(random):
        sentence += f" Random groups in NTC's sizes average {random:.3g}."
    return sentence


def _definition(frame: pd.DataFrame) -> str:
    row = frame.set_index("method").loc["ntc"]
    if not row["with a DKN"]:
        return "NTC found no degenerate knowledge neurons."
    return (
        f"NTC found at least two components for {row['with a DKN']:,} of {row['facts']:,} facts; "
        f"both parts of the definition (Eq 2 and Eq 3) hold for {row['both hold']:.0%} of these."
    )
