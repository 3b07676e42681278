"""The tables of the detection study: how well labels are judged, by what, and what is left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.detection.evaluation import Evaluation
from neurotopo.studies.detection.metrics import MEASURES, bootstrap_p, interval
from neurotopo.studies.detection.rows import CONTROLS, METHODS, Collected
from neurotopo.studies.statistics import finite_mean, holm, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COMPARED", "tables_of"]

COMPARED = (
    *((method, control) for method, controls in CONTROLS.items() for control in controls),
    ("dkn", "kn"),
    ("dkn", "probability"),
    ("dkn", "verdict"),
)
"""What is compared with what."""

_COUNTS = (
    "true, judged true",
    "true, judged false",
    "true, undecided",
    "wrong, judged true",
    "wrong, judged false",
    "wrong, undecided",
)
_WHERE = "The columns score_true and score_wrong of rows.csv, facts that are not train."
_BOOTSTRAP = (
    "Intervals are 95 %, from a bootstrap over the subjects of each relation; a fact's true and "
    "wrong label, and all methods, are resampled together. "
)


def tables_of(found: Collected, evaluation: Evaluation) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report."""
    tables = {
        "detection": _detection(evaluation),
        "comparisons": _comparisons(evaluation),
        "tests": _tests(evaluation),
        "measures": _measures(evaluation),
        "confusion": _confusion(evaluation),
        "relations": _relations(found, evaluation),
        "neurons": _neurons(found),
        "exclusions": _exclusions(found, evaluation),
    }
    if evaluation.swept:
        tables["sensitivity"] = _sensitivity(evaluation)
    return tables


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)


def _detection(evaluation: Evaluation) -> Table:
    rows = []
    for name, judged in evaluation.judged.items():
        row: dict[str, Any] = {"method": name, "what": METHODS[name]}
        for measure, short in (("AUC", "AUC"), ("macro F1", "F1")):
            row[measure] = judged.measures[measure][0]
            row[f"{short} low"], row[f"{short} high"] = interval(judged.measures[measure])
        row |= {m: judged.measures[m][0] for m in ("F1 true", "F1 false", "accuracy")}
        row["undecided"] = _undecided(judged.counts)
        row["AUC on train"] = judged.train_area
        rows.append(row)
    columns = [
        "method",
        "what",
        "AUC",
        "AUC low",
        "AUC high",
        "macro F1",
        "F1 low",
        "F1 high",
        "F1 true",
        "F1 false",
        "accuracy",
        "undecided",
        "AUC on train",
    ]
    how = (
        "The threshold and the ROC curve are of all relations together. "
        if evaluation.pooled
        else "Each relation has a threshold of its own, from its train facts; the AUC is the mean "
        "over relations, weighted by their facts. "
    )
    return Table(
        _frame(rows, columns),
        "Telling true labels from wrong ones, on facts of other subjects than the train facts",
        f"{_BOOTSTRAP}{how}'undecided': share of labels without a judgement, because the relation "
        "has no such neurons or the train scores are all equal; they count as errors, and as an "
        "AUC of 0.5. Random neurons: means over draws. 'always' is the floor: half of the labels "
        "are true, so saying true of everything has an F1 of 0.667 and finds nothing. 'AUC on "
        "train' is flattered, for neurons are chosen there. AMIG reports F1 of one class only. "
        f"{_WHERE}",
        dict.fromkeys([c for c in columns if c not in ("method", "what")], ".3f"),
    )


def _undecided(counts: dict[str, float]) -> float:
    total = 2 * counts["n"]
    return (counts["true, undecided"] + counts["wrong, undecided"]) / total if total else math.nan


def _comparisons(evaluation: Evaluation) -> Table:
    rows: list[dict[str, Any]] = []
    judged = evaluation.judged
    for method, other in COMPARED:
        if method not in judged or other not in judged:
            continue
        both = judged[method].measures["AUC"], judged[other].measures["AUC"]
        f1 = judged[method].measures["macro F1"] - judged[other].measures["macro F1"]
        differences = both[0] - both[1]
        low, high = interval(differences)
        f1_low, f1_high = interval(f1)
        rows.append(
            {
                "method": method,
                "against": other,
                "n": evaluation.found.n_facts,
                "subjects": evaluation.found.n_subjects,
                "AUC": both[0][0],
                "other": both[1][0],
                "difference": differences[0],
                "low": low,
                "high": high,
                "p": bootstrap_p(differences),
                "d": _size(differences),
                "difference of macro F1": f1[0],
                "F1 low": f1_low,
                "F1 high": f1_high,
            }
        )
    for row, p in zip(rows, holm([row["p"] for row in rows]).tolist(), strict=True):
        row["p"] = p
    columns = [
        "method",
        "against",
        "n",
        "subjects",
        "AUC",
        "other",
        "difference",
        "low",
        "high",
        "p",
        "d",
        "difference of macro F1",
        "F1 low",
        "F1 high",
    ]
    return Table(
        _frame(rows, columns),
        "Areas under the ROC curve compared, paired by fact",
        f"{_BOOTSTRAP}p: twice the share of resamples on the other side of 0, Holm-corrected over "
        "the rows. d: the difference over the standard deviation of its resamples. random, "
        "random_layers: as many neurons as dkn has; random_kn: as many as kn. Attributions sum to "
        "the change of the label's probability, so that random neurons tell true from false too "
        "where the model does: what counts is the difference from them.",
        {name: ".3f" for name in columns[4:] if name not in ("p", "d")} | {"p": "p", "d": ".2f"},
    )


def _size(differences: Any) -> float:
    spread = float(np.std(differences[1:], ddof=1)) if len(differences) > 2 else 0.0
    return float(differences[0]) / spread if spread > 0 else math.nan


def _tests(evaluation: Evaluation) -> Table:
    rows: list[dict[str, Any]] = []
    for name, judged in evaluation.judged.items():
        if name == "always":
            continue
        gaps = evaluation.differences(name)
        result = paired(gaps, np.zeros(len(gaps)))
        rows.append(
            {
                "method": name,
                "n": result.n,
                "dropped": result.n_dropped,
                "difference": result.difference,
                "low": result.low,
                "high": result.high,
                "p": result.p_wilcoxon,
                "d": result.d,
                "AUC": judged.measures["AUC"][0],
            }
        )
    for row, p in zip(rows, holm([row["p"] for row in rows]).tolist(), strict=True):
        row["p"] = p
    columns = ["method", "n", "dropped", "difference", "low", "high", "p", "d", "AUC"]
    return Table(
        _frame(rows, columns),
        "Does the true label score higher than the wrong one",
        "Score of a fact's true label minus that of its wrong label, in the units of the method; "
        "facts of one subject and relation are one, n counts these. 'dropped': without a "
        "judgement. p: Wilcoxon's signed-rank test against 0, two-sided, Holm-corrected over the "
        "methods; d: mean / standard deviation. Scores of random neurons are means over draws. "
        f"{_WHERE}",
        {"p": "p", "AUC": ".3f", "d": ".2f"},
    )


def _measures(evaluation: Evaluation) -> Table:
    rows = []
    for name, judged in evaluation.judged.items():
        for measure in MEASURES:
            low, high = interval(judged.measures[measure])
            value = judged.measures[measure][0]
            rows.append(
                {"method": name, "measure": measure, "value": value, "low": low, "high": high}
            )
    columns = ["method", "measure", "value", "low", "high"]
    return Table(
        _frame(rows, columns),
        "All measures with their intervals",
        f"{_BOOTSTRAP}Precision, recall and F1 of the class true and of the class false; macro F1 "
        "is the mean of the two. A measure with nothing to divide by is 0.",
        dict.fromkeys(columns[2:], ".3f"),
    )


def _confusion(evaluation: Evaluation) -> Table:
    rows = [
        {"method": name, **{count: judged.counts[count] for count in _COUNTS}}
        for name, judged in evaluation.judged.items()
    ]
    return Table(
        _frame(rows, ["method", *_COUNTS]),
        "Labels by what they are and what they are judged to be",
        "Counts on the test facts; of random neurons means over draws.",
    )


def _relations(found: Collected, evaluation: Evaluation) -> Table:
    shown = [name for name in evaluation.judged if name != "always"]
    rows = []
    for one in found.relations:
        test = one.test
        rows.append(
            {
                "relation": one.key,
                "train": int((~test).sum()),
                "test": int(test.sum()),
                "subjects": len(np.unique(one.subjects)),
                "answered": int(one.pairs["known"][test].sum()),
                "labels": one.pairs["label"][test].nunique(),
                **{name: evaluation.judged[name].by_relation[one.key] for name in shown},
            }
        )
    columns = ["relation", "train", "test", "subjects", "answered", "labels", *shown]
    return Table(
        _frame(rows, columns),
        "Areas under the ROC curve by relation",
        "'train' and 'test' are numbers of facts, 'subjects' and 'labels' of different ones among "
        "the test facts, 'answered' how many of these the model answers correctly. 0.5: no better "
        "than guessing, and what a relation without such neurons counts as.",
        dict.fromkeys(shown, ".3f"),
    )


def _neurons(found: Collected) -> Table:
    rows = []
    for one in found.relations:
        sets = one.sets
        rows.append(
            {
                "relation": one.key,
                "train facts": sets["n_train"],
                "with knowledge neurons": sets["with_kn"],
                "with DKNs": sets["with_dkn"],
                "DKNs of the relation": sets["sizes"]["dkn"],
                "knowledge neurons of the relation": sets["sizes"]["kn"],
                "why none": "; ".join(f"{why}: {n}" for why, n in sorted(sets["reasons"].items())),
            }
        )
    columns = [
        "relation",
        "train facts",
        "with knowledge neurons",
        "with DKNs",
        "DKNs of the relation",
        "knowledge neurons of the relation",
        "why none",
    ]
    share = found.setting.get("share", math.nan)
    return Table(
        _frame(rows, columns),
        "The neurons of each relation",
        f"A neuron is one of the relation if it is one of more than {share:g} of the train facts "
        "that have any. 'why none': train facts without degenerate knowledge neurons, by reason.",
    )


def _exclusions(found: Collected, evaluation: Evaluation) -> Table:
    counts: dict[str, int] = {}
    for left_out in found.trials["left_out"]:
        for why, n in left_out.items():
            counts[why] = counts.get(why, 0) + n
    failed = found.trials[found.trials["error"].notna()]
    total = int(found.trials["n_facts"].sum())
    rows: list[dict[str, Any]] = [{"what": "facts", "reason": "", "n": total}]
    rows += [
        {"what": "facts left out, for every method", "reason": why, "n": n}
        for why, n in sorted(counts.items())
    ]
    if len(failed):
        n = int(failed["n_facts"].sum())
        rows.append(
            {"what": "facts left out, for every method", "reason": "the relation failed", "n": n}
        )
    n_pairs = sum(len(one.pairs) for one in found.relations)
    rows.append({"what": "train facts", "reason": "", "n": n_pairs - found.n_facts})
    rows.append({"what": "test facts", "reason": "", "n": found.n_facts})
    for name, judged in evaluation.judged.items():
        n = round(judged.counts["true, undecided"])
        if n:
            rows.append({"what": f"test facts undecided by {name}", "reason": _why(name), "n": n})
    if "verdict" in found.methods and "verdict" not in evaluation.judged:
        rows.append(
            {
                "what": "test facts undecided by verdict",
                "n": found.n_facts,
                "reason": "the tokenizer does not know the verdicts, or the question is too long",
            }
        )
    return Table(
        _frame(rows, ["what", "reason", "n"]),
        "What was left out, and why",
        "Facts are left out for all methods or for none; undecided ones count as errors. 'no wrong "
        "label': where most facts of a relation have one answer, not all can be given another that "
        "is as frequent among wrong labels as among true ones. With a relation that has too few "
        "facts all its facts are left out.",
    )


def _why(name: str) -> str:
    if name in ("dkn", "random", "random_layers"):
        return "the relation has no DKN that enough facts share"
    if name in ("kn", "random_kn"):
        return "the relation has no knowledge neuron that enough facts share"
    return "the scores of the train facts are all equal, or there are none"


def _sensitivity(evaluation: Evaluation) -> Table:
    rows: list[dict[str, Any]] = []
    settings = dict.fromkeys((option, value) for option, value, _ in evaluation.swept)
    for k, (option, value) in enumerate(settings):
        dkn, random = (evaluation.swept[option, value, name] for name in ("dkn", "random"))
        differences = dkn.measures["AUC"] - random.measures["AUC"]
        low, high = interval(dkn.measures["AUC"])
        random_low, random_high = interval(random.measures["AUC"])
        gap_low, gap_high = interval(differences)
        rows.append(
            {
                "option": option,
                "value": value,
                "neurons": finite_mean(evaluation.sizes(k)),
                "undecided": _undecided(dkn.counts),
                "AUC": dkn.measures["AUC"][0],
                "low": low,
                "high": high,
                "AUC random": random.measures["AUC"][0],
                "random low": random_low,
                "random high": random_high,
                "difference": differences[0],
                "gap low": gap_low,
                "gap high": gap_high,
                "macro F1": dkn.measures["macro F1"][0],
            }
        )
    columns = [
        "option",
        "value",
        "neurons",
        "undecided",
        "AUC",
        "low",
        "high",
        "AUC random",
        "random low",
        "random high",
        "difference",
        "gap low",
        "gap high",
        "macro F1",
    ]
    return Table(
        _frame(rows, columns),
        "Degenerate knowledge neurons under other thresholds, one varied at a time",
        f"{_BOOTSTRAP}share: in how many train facts a neuron must be; threshold: of the "
        "attribution; tau: of the persistence; tau2: of the filter. 'neurons': mean number per "
        "relation; 'AUC random': as many random neurons, a mean over draws.",
        dict.fromkeys(columns[3:], ".3f") | {"neurons": ".1f", "value": "g"},
    )
