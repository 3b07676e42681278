"""What the detection study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurotopo.report.summary import Table
from neurotopo.studies.detection.evaluation import Evaluation
from neurotopo.studies.detection.metrics import interval
from neurotopo.studies.detection.rows import CONTROLS, Collected
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    and_list,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
)

__all__ = ["findings_of"]

_NAMES = {"dkn": "degenerate knowledge neurons", "kn": "knowledge neurons, degenerate or not"}
_RANDOM = {
    "random": "as many random neurons",
    "random_layers": "random neurons, as many in each layer",
    "random_kn": "as many random neurons",
}
_OPTIMISTIC = 0.1  # so much more AUC on the train facts is worth a word

Rows = Mapping[str, Mapping[str, Any]]


def findings_of(
    found: Collected, evaluation: Evaluation, tables: Mapping[str, Table]
) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    done = found.trials[found.trials["error"].isna()]
    if not len(done):
        return (nothing_done(found.trials["error"], "relation"),)
    if not found.relations:
        return ("No relation was left to ask for: see the table exclusions.",)
    tests: Rows = _by(tables["tests"], "method")
    compared = {
        (row["method"], row["against"]): row
        for row in tables["comparisons"].frame.to_dict("records")
    }
    rows: Rows = _by(tables["detection"], "method")
    sentences = [
        _asked(found),
        _neurons(found, rows["dkn"]),
        *(_told(name, found, evaluation, tests[name], rows[name], compared) for name in _NAMES),
        _against_all(compared),
        _against_the_model(compared, rows),
        _beside(rows),
        _flattered(rows["dkn"]),
        _sensitive(tables.get("sensitivity")),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _by(table: Table, column: str) -> dict[str, Mapping[str, Any]]:
    return {row[column]: row for row in table.frame.to_dict("records")}


def _asked(found: Collected) -> str:
    n, known = found.n_facts, found.n_known
    sentence = (
        f"{n:,} facts of {len(found.relations)} relations are judged, each with a true and a wrong "
        f"label; the model answers {known:,} of them correctly."
    )
    if known < FEW:
        sentence += (
            " So it knows next to none of what it is asked, and nothing below is about knowledge."
        )
    elif known < n / 2:
        sentence += " Most are not known, and what is said below is mostly about those."
    failed = found.trials[found.trials["error"].notna()]
    if len(failed):
        names = and_list(failed["relation"].tolist())
        sentence += f" Relations that failed: {names}; the first: {failed['error'].iloc[0]}"
    left_out = found.trials[found.trials["error"].isna()]
    none = len(left_out) - len(found.relations)
    if none:
        sentence += f" {none} relations were left out: see the table exclusions."
    return sentence


def _neurons(found: Collected, row: Mapping[str, Any]) -> str:
    sizes = [one.sets["sizes"]["dkn"] for one in found.relations]
    having = [size for size in sizes if size]
    if not having:
        return (
            "No relation has degenerate knowledge neurons that enough of its train facts share: "
            "they judge nothing."
        )
    sentence = (
        f"{len(having)} of {len(sizes)} relations have degenerate knowledge neurons that enough "
        f"train facts share, {min(having)} to {max(having)} each."
    )
    if row["undecided"] > 0:
        sentence += f" {row['undecided']:.0%} of the labels get no judgement from them."
    return sentence


def _told(
    name: str,
    found: Collected,
    evaluation: Evaluation,
    test: Mapping[str, Any],
    row: Mapping[str, Any],
    compared: Mapping[tuple[str, str], Mapping[str, Any]],
) -> str:
    """Say whether a set of neurons tells true from wrong, and whether random ones do too."""
    if not test["n"]:
        return ""
    low, high = interval(evaluation.judged[name].measures["AUC"])
    controls = [(c, compared[name, c]) for c in CONTROLS[name] if (name, c) in compared]
    tells = stands(test["n"], test["p"], test["difference"]) and row["AUC"] > 0.5 and low > 0.5
    beats = [stands(one["subjects"], one["p"], one["difference"]) for _, one in controls]
    beside = and_list(
        [f"{one['other']:.3f} for {_RANDOM[c]} ({p_words(one['p'])})" for c, one in controls]
    )
    sentence = (
        f"By the mean attribution of a relation's {_NAMES[name]} true labels are told from wrong "
        f"ones with an AUC of {row['AUC']:.3f} ({from_to(low, high, 3)}; true against wrong label "
        f"{p_words(test['p'])}, n = {test['n']:,}), macro F1 {row['macro F1']:.3f}; the AUC is "
        f"{beside}: "
    )
    if test["n"] < FEW:
        return f"{sentence}too few facts for a claim."
    if not tells:
        return f"{sentence}no detection that could be told from chance."
    if not all(beats) or not beats:
        return f"{sentence}no more than random neurons tell, by at least one of these controls."
    if found.n_known < FEW:
        return f"{sentence}more than random neurons, but the model does not know the facts."
    return as_claim(f"{sentence}they detect false facts, and better than random neurons.", True)


def _against_all(compared: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Say whether being degenerate adds anything to being a knowledge neuron."""
    row = compared.get(("dkn", "kn"))
    if row is None:
        return ""
    if not row["p"] < ALPHA:
        how = "no difference that could be told from chance"
    else:
        how = (
            "the degenerate ones tell more"
            if row["difference"] > 0
            else ("the degenerate ones tell less")
        )
    return (
        "Degenerate knowledge neurons beside all knowledge neurons of a relation: a difference of "
        f"the AUC of {row['difference']:+.3f} ({from_to(row['low'], row['high'], 3)}, "
        f"{p_words(row['p'])}): {how}."
    )


def _against_the_model(compared: Mapping[tuple[str, str], Mapping[str, Any]], rows: Rows) -> str:
    row = compared.get(("dkn", "probability"))
    if row is None:
        return ""
    f1 = rows["probability"]["macro F1"]
    interval_words = from_to(row["low"], row["high"], 3)
    sentence = (
        f"The model's own probability of the label has an AUC of {row['other']:.3f} and a macro F1 "
        f"of {f1:.3f}; that of degenerate knowledge neurons differs by {row['difference']:+.3f} "
        f"({interval_words}, {p_words(row['p'])})."
    )
    if stands(row["subjects"], row["p"], row["difference"]):
        return f"{sentence} They tell more than the probability does."
    if row["p"] < ALPHA and row["difference"] < 0:
        return f"{sentence} They tell less than the probability, which needs no neurons."
    return f"{sentence} They add nothing beyond the probability, which needs no neurons."


def _beside(rows: Rows) -> str:
    """Put the F1 beside that of simpler judges."""
    parts = []
    if "answer" in rows:
        parts.append(f"taking the model's own answer {rows['answer']['macro F1']:.3f}")
    if "verdict" in rows:
        parts.append(
            f"asking it for a verdict {rows['verdict']['macro F1']:.3f} (AUC "
            f"{rows['verdict']['AUC']:.3f})"
        )
    if "always" in rows:
        parts.append(f"always saying true {rows['always']['macro F1']:.3f}")
    sentence = f"Macro F1 beside {rows['dkn']['macro F1']:.3f} of degenerate knowledge neurons: "
    sentence += f"{and_list(parts)}."
    if "verdict" not in rows:
        sentence += " The model could not be asked for a verdict."
    floor = 2 / 3
    if rows["dkn"]["F1 true"] <= floor:
        sentence += (
            f" Their F1 of the class true alone, {rows['dkn']['F1 true']:.3f}, is not above the "
            f"{floor:.3f} of always saying true."
        )
    return sentence


def _flattered(row: Mapping[str, Any]) -> str:
    gap = row["AUC on train"] - row["AUC"]
    if not gap > _OPTIMISTIC:
        return ""
    return (
        f"On the train facts, where these neurons were chosen, the AUC is {row['AUC on train']:.3f}"
        f", {gap:.3f} more than on other subjects: measured there it would flatter."
    )


def _sensitive(table: Table | None) -> str:
    if table is None or not len(table.frame):
        return ""
    frame = table.frame
    parts = []
    for option, rows in frame.groupby("option", sort=False):
        parts.append(f"{option} {rows['AUC'].min():.3f} to {rows['AUC'].max():.3f}")
    above = int((frame["gap low"] > 0).sum())
    return (
        "The AUC of degenerate knowledge neurons under other thresholds, one varied at a time: "
        f"{and_list(parts)}. In {above} of {len(frame)} settings it is above that of random "
        "neurons by an interval that leaves out 0; that is not corrected for their number, and no "
        "claim."
    )
