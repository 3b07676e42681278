"""What the study of languages found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurotopo.report.summary import Table
from neurotopo.studies.crosslingual.overlaps import CONTROLS, KINDS
from neurotopo.studies.crosslingual.rows import Collected
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

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["findings_of"]


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    facts = found.facts
    if not facts["error"].isna().any():
        return (nothing_done(facts["error"]),)
    sentences = [_knowledge(found, tables["facts"].frame)]
    if not found.neurons:
        return (*sentences, "No fact was left to look for neurons in.")
    sentences += [_by_the_paper(tables["table10"].frame, language) for language in found.languages]
    sentences += _jumps(found, tables["controls"].frame)
    overlap = tables["overlap"].frame
    sentences += [_overlap(overlap, str(pair)) for pair in overlap["languages"].unique()]
    sentences.append(_degenerate(overlap))
    sentences += _succ(tables["succ"].frame)
    sentences += _crossing(tables["crossing"].frame)
    sentences.append(_circular(tables["shared_or_not"].frame))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(found: Collected, frame: pd.DataFrame) -> str:
    if not len(frame):
        return "No fact is in all of the languages."
    rows = frame.set_index("language")
    parts = [f"{rows.loc[x, 'known']:,} in {x}" for x in found.languages]
    n_facts = int(rows.loc["all of them", "facts"])
    n_known = int(rows.loc["all of them", "known"])
    sentence = (
        f"Of {n_facts:,} facts the model answers {and_list(parts)} correctly, and "
        f"{n_known:,} in every language."
    )
    if n_known < FEW:
        sentence += (
            f" What it knows in every language are fewer than {FEW} facts, so nothing below is "
            "about how it stores knowledge."
        )
    return sentence


def _by_the_paper(frame: pd.DataFrame, language: str) -> str:
    rows = frame[frame["language"] == language].set_index("method")
    average = {
        name: float(rows.loc[name, "average 2-8"])
        for name in ("ntc", "kmeans", "random:ntc", "random:kmeans")
        if name in rows.index
    }
    if not math.isfinite(average.get("ntc", math.nan)):
        return f"Table 10, {language}: NTC has no fact with a GCR."
    listed = ", ".join(f"{name} {value:.3g}" for name, value in average.items())
    more = ""
    kmeans = average.get("kmeans", math.nan)
    if math.isfinite(kmeans) and kmeans > 0:
        more = (
            f" NTC's is {average['ntc'] / kmeans:.2g} times K-Means' (in the paper 2.1 times, for "
            "French)."
        )
    return f"Table 10, {language}, average GCR: {listed}.{more}"


def _jumps(found: Collected, frame: pd.DataFrame) -> list[str]:
    """Say of each language how NTC's jump compares with that of random groups."""
    sentences = []
    for language, own in found.acquired.items():
        if "ntc" in own.names:
            about = {"method": "ntc", "measure": "all potential", "over": "known"}
            row = _row(frame, **about, language=language)
            sentences.append(_jump({**row, "language": language}))
    return sentences


def _jump(row: Mapping[str, Any]) -> str:
    where = f"NTC's clusters in {row['language']}, over the facts known in it"
    if not row["n"]:
        return f"{where}: no fact has two or more, so nothing can be compared."
    sentence = (
        f"{where}: suppressing the last one takes {row['jump']:.1f} points of the answer's "
        f"probability more than all but one, against {row['random']:.1f} for random groups of the "
        f"same sizes from the same neurons ({_behind(row)}): "
        f"{_verdict(row, 'the degeneracy is more than that of random groups')}."
    )
    return as_claim(sentence, stands(row["n"], row["p"], row["difference"]))


def _behind(row: Mapping[str, Any], digits: int = 1) -> str:
    parts = [f"{row['n']:,} facts", f"difference {row['difference']:.{digits}f}"]
    interval = from_to(row["low"], row["high"], digits)
    return ", ".join([*parts, *([interval] if interval else []), p_words(row["p"])])


def _verdict(row: Mapping[str, Any], holds: str) -> str:
    if row["n"] < FEW:
        return "too few facts for a claim"
    if not row["p"] < ALPHA:
        return "no difference that could be told from chance"
    return holds if row["difference"] > 0 else "less than the control"


def _row(frame: pd.DataFrame, **where: Any) -> dict[str, Any]:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    for row in frame.to_dict("records"):
        return {str(name): value for name, value in row.items()}
    return {"n": 0}


def _overlap(frame: pd.DataFrame, pair: str) -> str:
    """Say whether neurons are shared because of the fact; only different answers can tell."""
    about = {
        "neurons": KINDS["knowledge"],
        "languages": pair,
        "over": "known",
        "against": CONTROLS["other"],
    }
    rows = {kind: _row(frame, **about, answers=kind) for kind in ("all", "different", "alike")}
    first = " and ".join(pair.split(" & "))
    every, different, alike = rows["all"], rows["different"], rows["alike"]
    if not every["n"]:
        return (
            f"Overlap of the neurons in {first}: no fact that is known in every language has "
            "another one of its relation to be compared with."
        )
    sentence = (
        f"The neurons of a fact in {first} overlap by {_percent(every['own'])} (Jaccard index), "
        f"those of one fact in the one and another fact of its relation in the other by "
        f"{_percent(every['control'])} ({every['n']:,} facts known in both)."
    )
    if alike["n"]:
        sentence += (
            f" Where the answers have a word in common it is {_percent(alike['own'])} against "
            f"{_percent(alike['control'])}, and may be the word's."
        )
    if not different["n"]:
        return f"{sentence} All answers have; so it cannot be told from the fact."
    sentence += (
        f" Where they have none, {_percent(different['own'])} against "
        f"{_percent(different['control'])} ({different['n']:,} facts, {p_words(different['p'])}): "
        f"{_verdict(different, 'more than the relation and the words of the answer account for')}."
    )
    subject = _row(frame, **{**about, "against": CONTROLS["same_subject"]}, answers="different")
    if stands(subject["n"], subject.get("p", math.nan), subject.get("difference", math.nan)):
        sentence += " The subject's name, which both questions hold, does not account for it either"
    else:
        sentence += " The subject's name, which both questions hold, may still be behind it"
    if subject["n"]:
        sentence += (
            f": {_percent(subject['own'])} against {_percent(subject['control'])} with other "
            f"answers of the same subject ({subject['n']:,} facts, {p_words(subject['p'])})"
        )
    sentence += "."
    return as_claim(sentence, stands(different["n"], different["p"], different["difference"]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _degenerate(frame: pd.DataFrame) -> str:
    parts = []
    for pair in frame["languages"].unique():
        row = _row(
            frame,
            neurons=KINDS["degenerate"],
            languages=pair,
            over="known",
            answers="all",
            against=CONTROLS["other"],
        )
        if row["n"]:
            holds = "more than with another fact of the relation"
            parts.append(
                f"{pair}: {_percent(row['own'])} against {_percent(row['control'])} "
                f"({row['n']:,} facts, {p_words(row['p'])}), {_verdict(row, holds)}"
            )
        else:
            parts.append(f"{pair}: no fact to compare")
    if not parts:
        return ""
    return (
        f"Overlap of the degenerate knowledge neurons. {'; '.join(parts)}. Answers with a word in "
        "common count here, and may be why."
    )


def _succ(frame: pd.DataFrame) -> list[str]:
    sentences = []
    kept = frame[(frame["over"] == "all") & (frame["against"] == "random_layers")]
    for (pair, scale), part in kept.groupby(["languages", "scale"]):
        rows = part.to_dict("records")
        listed = "; ".join(
            f"{row['arm']} {row['own']:.0%} (random {row['control']:.0%})"
            for row in rows
            if row["n"]
        )
        if listed:
            sentences.append(
                f"Succ, both answers moved as wanted, {pair}, neurons times {scale:g}, over "
                f"{rows[0]['n']:,} facts: {listed}. The neurons were chosen by these answers, so "
                "that they beat random ones is no evidence."
            )
    return sentences


def _crossing(frame: pd.DataFrame) -> list[str]:
    sentences = []
    kept = frame[(frame["over"] == "known") & (frame["against"] == "random_layers")]
    for (edited, asked, scale), part in kept.groupby(["edited", "asked", "scale"], sort=False):
        rows = {row["answers"]: row for row in part.to_dict("records")}
        head = f"Neurons found in {edited}, times {scale:g}, asked in {asked}"
        texts = []
        for answers, words in (
            ("alike", "where the answers have a word in common"),
            ("different", "where they have none"),
        ):
            row = rows[answers]
            if row["n"]:
                texts.append(
                    f"{words} the answer moves {row['own']:.1f} points as wanted, against "
                    f"{row['control']:.1f} for random neurons by layer ({_behind(row)})"
                )
            else:
                texts.append(f"{words} there is no fact known in every language")
        different = rows["different"]
        sentence = f"{head}: {'; '.join(texts)}"
        if different["n"]:
            sentence += f": {_verdict(different, 'the edit crosses to an answer in other words')}"
        holds = stands(different["n"], different["p"], different["difference"])
        sentences.append(as_claim(f"{sentence}.", holds))
    return sentences


def _circular(frame: pd.DataFrame) -> str:
    parts = [
        f"{row['edited']} edited and {row['asked']} asked {row['shared']:.1f} against "
        f"{row['others']:.1f} points ({row['n']:,} facts)"
        for row in frame.to_dict("records")
        if row["over"] == "all" and row["n"] and row["scale"] == frame["scale"].min()
    ]
    if not parts:
        return ""
    return (
        f"{upper_first('; '.join(parts))}: shared neurons against as many others of the same "
        "language, at the smallest scale. Attribution chose the shared ones for the answer that is "
        f"asked, too, so this is no evidence."
    )
