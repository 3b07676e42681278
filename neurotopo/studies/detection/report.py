"""The report of the study ``detection``: frames, tables, findings and pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.plots._series import legend_below, look
from neurotopo.plots.roc import RocDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import corrected, frame_of, paired_cells
from neurotopo.studies.detection.scoring import (
    MEASURES,
    METHODS,
    Collected,
    Evaluation,
    bootstrap_p,
    interval,
)
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    and_list,
    as_claim,
    from_to,
    interval_and_p,
    nothing_done,
    outcome,
    p_words,
    records,
    row_stands,
    too_few,
    verdict,
)
from neurotopo.studies.pictures import effects_picture
from neurotopo.studies.statistics import finite_mean, paired
from neurotopo.studies.study import MakePicture, MakeTable

__all__ = ["PICTURES", "TABLES", "findings_of"]


CONTROLS: Mapping[str, tuple[str, ...]] = {"dkn": ("random", "random_layers"), "kn": ("random_kn",)}
"""The random neurons that are the control of a method."""


# Tables

COMPARED = (
    *((method, control) for method, controls in CONTROLS.items() for control in controls),
    ("dkn", "kn"),
    ("dkn", "probability"),
    ("dkn", "verdict"),
)
"""The pairs of methods that are compared."""

_WHERE = "The columns score_true and score_wrong of rows.csv, facts that are not train."
_BOOTSTRAP = (
    "95 % intervals are from a bootstrap over the subjects of each relation; a fact's true and "
    "wrong label, and all methods, are resampled together. "
)


def _with_interval(values: Any, name: str, low: str = "low", high: str = "high") -> dict[str, Any]:
    """Return the cells of a measure: its value and its interval."""
    return {name: values[0], **dict(zip((low, high), interval(values), strict=True))}


def _undecided(counts: dict[str, float]) -> float:
    total = 2 * counts["n"]
    return (counts["true, undecided"] + counts["wrong, undecided"]) / total if total else math.nan


def _detection(evaluation: Evaluation) -> Table:
    columns = (
        "method, what, AUC, AUC low, AUC high, macro F1, F1 low, F1 high, F1 true, F1 false, "
        "accuracy, undecided, AUC on train"
    )
    rows = [
        {
            "method": name,
            "what": METHODS[name],
            **_with_interval(judged.measures["AUC"], "AUC", "AUC low", "AUC high"),
            **_with_interval(judged.measures["macro F1"], "macro F1", "F1 low", "F1 high"),
            **{m: judged.measures[m][0] for m in ("F1 true", "F1 false", "accuracy")},
            "undecided": _undecided(judged.counts),
            "AUC on train": judged.train_area,
        }
        for name, judged in evaluation.judged.items()
    ]
    how = (
        "All relations together have one threshold and one ROC curve. "
        if evaluation.pooled
        else "Each relation has its own threshold, from its train facts; the AUC is the mean "
        "over relations, weighted by their facts. "
    )
    return Table(
        frame_of(rows, columns),
        "Telling true labels from wrong ones, on facts of other subjects than the train facts",
        f"{_BOOTSTRAP}{how}'undecided': share of labels without a judgement, because the relation "
        "has no such neurons or the train scores are all equal; they count as errors, and as an "
        "AUC of 0.5. Random neurons: means over draws. 'always' is the baseline: half of the "
        "labels are true, so saying true of everything has an F1 of 0.667 and detects nothing. "
        "'AUC on train' is too high, because neurons are chosen there. AMIG reports F1 of one "
        "class only. "
        f"{_WHERE}",
        dict.fromkeys(columns.split(", ")[2:], ".3f"),
    )


def _comparisons(evaluation: Evaluation) -> Table:
    columns = (
        "method, against, n, subjects, AUC, other, difference, low, high, p, d, "
        "margin, difference of macro F1, F1 low, F1 high"
    )
    rows, judged = [], evaluation.judged
    for method, other in COMPARED:
        if method not in judged or other not in judged:
            continue
        first, second = judged[method].measures, judged[other].measures
        differences = first["AUC"] - second["AUC"]
        f1 = first["macro F1"] - second["macro F1"]
        rows.append(
            {
                "method": method,
                "against": other,
                "n": evaluation.run.n_facts,
                "subjects": evaluation.run.n_subjects,
                "AUC": first["AUC"][0],
                "other": second["AUC"][0],
                **_with_interval(differences, "difference"),
                "p": bootstrap_p(differences),
                "d": _size(differences),
                "margin": MARGINS["index"],
                **_with_interval(f1, "difference of macro F1", "F1 low", "F1 high"),
            }
        )
    return Table(
        corrected(frame_of(rows, columns), ["p"]),
        "Areas under the ROC curve compared, paired by fact",
        f"{_BOOTSTRAP}p: twice the share of resamples on the other side of 0, Holm-corrected over "
        "the rows. d: the difference over the standard deviation of its resamples. random, "
        "random_layers: as many neurons as dkn has; random_kn: as many as kn. Attributions sum to "
        "the change of the label's probability, so random neurons tell true from false too where "
        "the model does: what counts is the difference from them. margin: the smallest difference "
        "of the AUC that is claimed.",
        {**dict.fromkeys(columns.split(", ")[4:], ".3f"), "p": "p", "d": ".2f"},
    )


def _size(differences: Any) -> float:
    spread = float(np.std(differences[1:], ddof=1)) if len(differences) > 2 else 0.0
    return float(differences[0]) / spread if spread > 0 else math.nan


def _tests(evaluation: Evaluation) -> Table:
    columns = "method, n, dropped, difference, low, high, p, d, margin, AUC"
    rows = []
    for name, judged in evaluation.judged.items():
        if name != "always":
            gaps = evaluation.differences(name)
            result = paired(gaps, np.zeros(len(gaps)))
            cells = {"dropped": result.n_dropped, **paired_cells(result, margin=MARGINS["d"])}
            rows.append({"method": name, **cells, "AUC": judged.measures["AUC"][0]})
    return Table(
        corrected(frame_of(rows, columns), ["p"]),
        "Does the true label score higher than the wrong one",
        "Score of a fact's true label minus that of its wrong label, in the units of the method; "
        "a mean over the facts of a subject in a relation, and n counts these means. 'dropped': "
        "without a judgement. p: Wilcoxon's signed-rank test against 0, two-sided, Holm-corrected "
        "over the methods; d: mean / standard deviation; margin: the smallest d that is claimed, "
        "as "
        "methods differ in their units. Scores of random neurons are means over "
        "draws. "
        f"{_WHERE}",
        {"p": "p", "AUC": ".3f", "d": ".2f"},
    )


def _measures(evaluation: Evaluation) -> Table:
    rows = [
        {"method": name, "measure": measure, **_with_interval(judged.measures[measure], "value")}
        for name, judged in evaluation.judged.items()
        for measure in MEASURES
    ]
    return Table(
        frame_of(rows, "method, measure, value, low, high"),
        "All measures with their intervals",
        f"{_BOOTSTRAP}Precision, recall and F1 of the class true and of the class false; macro F1 "
        "is the mean of the two. A measure with nothing to divide by is 0.",
        dict.fromkeys(("value", "low", "high"), ".3f"),
    )


def _confusion(evaluation: Evaluation) -> Table:
    counts = [
        f"{kind}, {how}"
        for kind in ("true", "wrong")
        for how in ("judged true", "judged false", "undecided")
    ]
    rows = [
        {"method": name, **{count: judged.counts[count] for count in counts}}
        for name, judged in evaluation.judged.items()
    ]
    return Table(
        pd.DataFrame(rows, columns=["method", *counts]),
        "True and wrong labels by judgement",
        "Counts on the test facts; for random neurons means over draws.",
    )


def _relations(evaluation: Evaluation) -> Table:
    shown = [name for name in evaluation.judged if name != "always"]
    rows = [
        {
            "relation": one.key,
            "train": int((~one.test).sum()),
            "test": int(one.test.sum()),
            "subjects": len(np.unique(one.subjects)),
            "answered": int(one.pairs["known"][one.test].sum()),
            "labels": one.pairs["label"][one.test].nunique(),
            **{name: evaluation.judged[name].by_relation[one.key] for name in shown},
        }
        for one in evaluation.run.relations
    ]
    columns = ", ".join(["relation, train, test, subjects, answered, labels", *shown])
    return Table(
        frame_of(rows, columns),
        "Areas under the ROC curve by relation",
        "'train' and 'test' are numbers of facts; 'subjects' and 'labels' count different ones "
        "among the test facts; 'answered' counts the test facts that the model answers correctly. "
        "0.5: no better than guessing, and the value of a relation without such neurons.",
        dict.fromkeys(shown, ".3f"),
    )


def _neurons(evaluation: Evaluation) -> Table:
    rows = [
        {
            "relation": one.key,
            "train facts": one.sets["n_train"],
            "with knowledge neurons": one.sets["with_kn"],
            "with DKNs": one.sets["with_dkn"],
            "DKNs of the relation": one.sets["sizes"]["dkn"],
            "knowledge neurons of the relation": one.sets["sizes"]["kn"],
            "why none": "; ".join(f"{why}: {n}" for why, n in sorted(one.sets["reasons"].items())),
        }
        for one in evaluation.run.relations
    ]
    columns = (
        "relation, train facts, with knowledge neurons, with DKNs, DKNs of the relation, "
        "knowledge neurons of the relation, why none"
    )
    share = evaluation.run.setting.get("share")
    least = "a share (option share)" if share is None else f"{share:g}"
    return Table(
        frame_of(rows, columns),
        "The neurons of each relation",
        f"A neuron belongs to the relation if it is found for more than {least} of the train "
        "facts that have any, and for two of them at least. 'why none': train facts without "
        "degenerate knowledge neurons, by reason.",
    )


def _exclusions(evaluation: Evaluation) -> Table:
    run, judged = evaluation.run, evaluation.judged
    counts = sum(map(Counter, run.trials["left_out"]), Counter[str]())
    failed = run.trials[run.trials["error"].notna()]
    dropped, undecided = "facts left out, for every method", "test facts undecided by {}"
    rows = [("facts", "", int(run.trials["n_facts"].sum()))]
    rows += [(dropped, why, n) for why, n in sorted(counts.items())]
    if len(failed):
        rows.append((dropped, "the relation failed", int(failed["n_facts"].sum())))
    n_pairs = sum(len(one.pairs) for one in run.relations)
    rows += [("train facts", "", n_pairs - run.n_facts), ("test facts", "", run.n_facts)]
    numbers = {name: round(one.counts["true, undecided"]) for name, one in judged.items()}
    rows += [(undecided.format(name), _why(name), n) for name, n in numbers.items() if n]
    if "verdict" in run.methods and "verdict" not in judged:
        why = "the tokenizer does not know the verdicts, or the question is too long"
        rows.append((undecided.format("verdict"), why, run.n_facts))
    return Table(
        pd.DataFrame(rows, columns=["what", "reason", "n"]),
        "What was left out, and why",
        "Facts are left out for all methods or for none; undecided ones count as errors. 'no wrong "
        "label': where most facts of a relation have the same answer, not all can get a wrong "
        "label while wrong labels stay as frequent as true ones. A relation with too few facts is "
        "left out with all its facts.",
    )


def _why(name: str) -> str:
    if name in ("dkn", "random", "random_layers"):
        return "the relation has no DKN that enough facts share"
    if name in ("kn", "random_kn"):
        return "the relation has no knowledge neuron that enough facts share"
    return "the scores of the train facts are all equal, or there are none"


def _sensitivity(evaluation: Evaluation) -> Table | None:
    if not evaluation.swept:
        return None
    rows = []
    settings = dict.fromkeys(key[:2] for key in evaluation.swept)
    for k, (option, value) in enumerate(settings):
        dkn, random = (evaluation.swept[option, value, name] for name in ("dkn", "random"))
        area, area_random = dkn.measures["AUC"], random.measures["AUC"]
        rows.append(
            {
                "option": option,
                "value": value,
                "neurons": finite_mean(evaluation.sizes(k)),
                "undecided": _undecided(dkn.counts),
                **_with_interval(area, "AUC"),
                **_with_interval(area_random, "AUC random", "random low", "random high"),
                **_with_interval(area - area_random, "difference", "gap low", "gap high"),
                "macro F1": dkn.measures["macro F1"][0],
            }
        )
    frame = pd.DataFrame(rows)
    return Table(
        frame,
        "Degenerate knowledge neurons with other thresholds, one varied at a time",
        f"{_BOOTSTRAP}share: of the train facts that must have a neuron; threshold: of the "
        "attribution; tau: of the persistence; tau2: of the filter. 'neurons': mean number per "
        "relation; 'AUC random': as many random neurons, a mean over draws.",
        {**dict.fromkeys(frame.columns[3:], ".3f"), "neurons": ".1f", "value": "g"},
    )


TABLES: dict[str, MakeTable] = {
    "detection": _detection,
    "comparisons": _comparisons,
    "tests": _tests,
    "measures": _measures,
    "confusion": _confusion,
    "relations": _relations,
    "neurons": _neurons,
    "exclusions": _exclusions,
    "sensitivity": _sensitivity,
}

# Findings

_NAMES = {"dkn": "degenerate knowledge neurons", "kn": "knowledge neurons, degenerate or not"}
_RANDOM = {
    "random": "as many random neurons",
    "random_layers": "random neurons, as many in each layer",
    "random_kn": "as many random neurons",
}
_OPTIMISTIC = 0.1  # a finding mentions a larger excess of the AUC on the train facts

Rows = Mapping[str, Mapping[str, Any]]


def findings_of(evaluation: Evaluation, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    run = evaluation.run
    done = run.trials[run.trials["error"].isna()]
    if not len(done):
        return (nothing_done(run.trials["error"], "relation"),)
    if not run.relations:
        return ("No relation was left to judge: see the table exclusions.",)
    if few := too_few(run.n_facts, "test fact"):
        return (few,)
    tests = _by_method(tables["tests"])
    compared = {
        (row["method"], row["against"]): row for row in records(tables["comparisons"].frame)
    }
    rows = _by_method(tables["detection"])
    sentences = [
        _asked(run),
        _neurons_found(run, rows["dkn"]),
        *(_told(name, evaluation, tests[name], rows[name], compared) for name in _NAMES),
        _against_all(compared),
        _against_the_model(compared, rows),
        _beside(rows),
        _flattered(rows["dkn"]),
        _sensitive(tables.get("sensitivity")),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _by_method(table: Table) -> Rows:
    return {row["method"]: row for row in records(table.frame)}


def _asked(run: Collected) -> str:
    n, known = run.n_facts, run.n_known
    sentence = (
        f"{pluralize(n, 'fact')} of {pluralize(len(run.relations), 'relation')} are judged, each "
        f"with a true and a wrong label; the model answers {known:,} of them correctly."
    )
    if known < FEW:
        sentence += " It knows hardly any of these facts, so nothing below is about knowledge."
    elif known < n / 2:
        sentence += " Most are not known, and most results below are about those."
    failed = run.trials[run.trials["error"].notna()]
    if len(failed):
        names = and_list(failed["relation"].tolist())
        sentence += f" Relations that failed: {names}; the first: {failed['error'].iloc[0]}"
    if none := len(run.trials) - len(failed) - len(run.relations):
        sentence += f" Left out: {pluralize(none, 'relation')}; see the table exclusions."
    return sentence


def _neurons_found(run: Collected, row: Mapping[str, Any]) -> str:
    sizes = [one.sets["sizes"]["dkn"] for one in run.relations]
    having = [size for size in sizes if size]
    if not having:
        return (
            "No relation has degenerate knowledge neurons that enough of its train facts share, so "
            "there is no judgement by them."
        )
    sentence = (
        f"{len(having)} of {pluralize(len(sizes), 'relation')} have degenerate knowledge neurons "
        f"that enough train facts share, {min(having)} to {max(having)} each."
    )
    if row["undecided"] > 0:
        sentence += f" They leave {row['undecided']:.0%} of the labels without a judgement."
    return sentence


def _told(
    name: str,
    evaluation: Evaluation,
    test: Mapping[str, Any],
    row: Mapping[str, Any],
    compared: Mapping[tuple[str, str], Mapping[str, Any]],
) -> str:
    """Say whether neurons tell true from wrong labels, and whether random ones do too."""
    if not test["n"]:
        return ""
    low, high = interval(evaluation.judged[name].measures["AUC"])
    controls = [(c, compared[name, c]) for c in CONTROLS[name] if (name, c) in compared]
    area = {"n": test["n"], "p": test["p"], "difference": row["AUC"] - 0.5}
    area |= {"low": low - 0.5, "high": high - 0.5, "margin": MARGINS["index"]}
    tells = row_stands(test, size="d") and row_stands(area)
    beats = [row_stands(one, n="subjects") for _, one in controls]
    beside = and_list(
        [f"{one['other']:.3f} for {_RANDOM[c]} ({p_words(one['p'])})" for c, one in controls]
    )
    sentence = (
        f"By the mean attribution of a relation's {_NAMES[name]} true labels are told from wrong "
        f"ones with an AUC of {row['AUC']:.3f} ({from_to(low, high, 3) or 'no interval'}; true "
        f"against wrong label {p_words(test['p'])}, n = {test['n']:,}), macro F1 "
        f"{row['macro F1']:.3f}; the AUC is {beside}: "
    )
    if test["n"] < FEW:
        return f"{sentence}too few facts for a claim."
    if not math.isfinite(low):
        return f"{sentence}no claim, as drawing other subjects does not change the AUC."
    if not tells:
        return (
            f"{sentence}no detection beyond chance and the margins, a d of {MARGINS['d']:g} and "
            f"{MARGINS['index']:g} of the AUC."
        )
    if not all(beats) or not beats:
        return f"{sentence}no better than random neurons, by at least one of these controls."
    if evaluation.run.n_known < FEW:
        return f"{sentence}better than random neurons, but the model does not know the facts."
    sizes = [one.sets["sizes"][name] for one in evaluation.run.relations]
    if 2 * sum(map(bool, sizes)) < len(sizes):
        return (
            f"{sentence}better than random neurons where there are such neurons, but most "
            "relations have none, so there is no claim."
        )
    return as_claim(f"{sentence}they detect false facts, and better than random neurons.", True)


def _against_all(compared: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Compare degenerate with all knowledge neurons."""
    row = compared.get(("dkn", "kn"))
    if row is None:
        return ""
    words = "the degenerate ones are better", "the degenerate ones are worse"
    how = verdict(row, *words, n="subjects")
    return (
        "Degenerate against all knowledge neurons of a relation: a difference of the AUC of "
        f"{row['difference']:+.3f} ({interval_and_p(row, 3)}): {how}."
    )


def _against_the_model(compared: Mapping[tuple[str, str], Mapping[str, Any]], rows: Rows) -> str:
    row = compared.get(("dkn", "probability"))
    if row is None:
        return ""
    sentence = (
        f"The model's own probability of the label has an AUC of {row['other']:.3f} and a macro F1 "
        f"of {rows['probability']['macro F1']:.3f}; the AUC of degenerate knowledge neurons "
        f"differs by {row['difference']:+.3f} ({interval_and_p(row, 3)})."
    )
    result = outcome(row, n="subjects")
    if math.isnan(row["p"]):
        return (
            f"{sentence} Drawing other subjects does not change this, so nothing follows from it."
        )
    if result == "more":
        return f"{sentence} They are better than the probability."
    how = (
        "They are worse"
        if result == "less"
        else f"Beyond chance and the margin of {row['margin']:g} they are no better"
    )
    return f"{sentence} {how} than the probability, which needs no neurons."


def _beside(rows: Rows) -> str:
    """Compare the F1 with that of simpler methods."""
    texts = {
        "answer": "the model's own answer {}",
        "verdict": "the model's verdict {} (AUC {:.3f})",
        "always": "always saying true {}",
    }
    parts = [
        text.format(f"{rows[name]['macro F1']:.3f}", rows[name]["AUC"])
        for name, text in texts.items()
        if name in rows
    ]
    dkn, floor = rows["dkn"], 2 / 3
    sentence = f"Macro F1: degenerate knowledge neurons {dkn['macro F1']:.3f}, {and_list(parts)}."
    if "verdict" not in rows:
        sentence += " The model could not be asked for a verdict."
    if dkn["F1 true"] <= floor:
        sentence += (
            f" The F1 of the class true alone, {dkn['F1 true']:.3f} for degenerate knowledge "
            f"neurons, is not above the {floor:.3f} of always saying true."
        )
    return sentence


def _flattered(row: Mapping[str, Any]) -> str:
    gap = row["AUC on train"] - row["AUC"]
    if not gap > _OPTIMISTIC:
        return ""
    return (
        f"On the train facts, where these neurons were chosen, the AUC is {row['AUC on train']:.3f}"
        f", {gap:.3f} more than on other subjects: measured there it would be too optimistic."
    )


def _sensitive(table: Table | None) -> str:
    if table is None or not len(table.frame):
        return ""
    frame = table.frame
    parts = [
        f"{option} {rows['AUC'].min():.3f} to {rows['AUC'].max():.3f}"
        for option, rows in frame.groupby("option", sort=False)
    ]
    above = int((frame["gap low"] > 0).sum())
    return (
        "The AUC of degenerate knowledge neurons with other thresholds, one varied at a time: "
        f"{and_list(parts)}. In {above} of {pluralize(len(frame), 'setting')} the interval of the "
        "difference from random neurons is above 0; this is not corrected for their number, and "
        "no claim."
    )


# Pictures

_CURVES = ("dkn", "random", "random_layers", "kn", "probability", "verdict")
_SCORES = {
    "dkn": "mean attribution of degenerate knowledge neurons",
    "probability": "log-probability of the label per token",
}
_MOST = 4.0  # standard deviations


def _roc(evaluation: Evaluation, _: Mapping[str, Table]) -> Picture | None:
    if not evaluation.judged:
        return None
    shown = [name for name in _CURVES if name in evaluation.judged]
    measures = {name: evaluation.judged[name].measures["AUC"] for name in shown}
    ax = free_axes(6.4, 6.6)
    RocDisplay.from_curves(
        {name: evaluation.roc(name) for name in shown},
        areas={name: (float(values[0]), *interval(values)) for name, values in measures.items()},
        labels=("wrong labels taken for true", "true labels taken for true"),
        ax=ax,
    )
    how = "of all relations together" if evaluation.pooled else "mean curves over relations"
    return Picture(
        ax.figure,
        "Telling true labels from wrong ones: ROC curves",
        f"On the test facts, {how}, of random neurons over draws. In the legend the area with its "
        "95 % interval. The diagonal is guessing. The numbers are in the table detection.",
    )


def _effects(_: Evaluation, tables: Mapping[str, Table]) -> Picture | None:
    compared = tables["comparisons"].frame
    if not len(compared):
        return None
    pairs = zip(compared["method"], compared["against"], strict=True)
    names = [f"{method} against {other}" for method, other in pairs]
    return effects_picture(
        compared,
        names,
        "Areas under the ROC curve compared",
        "Differences with 95 % bootstrap intervals, paired by fact, and Holm-corrected p-values, "
        "from the table comparisons.",
        label="difference of the AUC",
        size=(8.4, 1.4 + 0.32 * len(compared)),
    )


def _scores(name: str, evaluation: Evaluation, _: Mapping[str, Table]) -> Picture | None:
    if name not in evaluation.judged:
        return None
    true, wrong = evaluation.standard_scores(name)
    if not len(true):
        return None
    ax = free_axes(6.4, 4.0)
    bins = np.linspace(-_MOST, _MOST, 41)
    handles = []
    for k, values in enumerate((true, wrong)):
        style = look(k)
        clipped = np.clip(values, -_MOST, _MOST)
        *_, patches = ax.hist(
            clipped,
            bins,
            histtype="stepfilled",
            facecolor=(style["color"], 0.25),
            edgecolor=style["color"],
            linestyle=("-", "--")[k],
            linewidth=1.4,
        )
        handles.append(patches[0])
    ax.set(xlabel="standard deviations of the relation's scores", ylabel="labels")
    legend_below(ax, handles, [f"true labels ({len(true):,})", f"wrong labels ({len(wrong):,})"])
    return Picture(
        ax.figure,
        f"Scores of true and wrong labels: {_SCORES[name]}",
        "Scores of the test facts, less the mean of their relation and in its standard deviations; "
        f"those beyond {_MOST:g} are in the outermost bins. The less the two overlap, the better "
        "the score tells them apart. Columns score_true and score_wrong of rows.csv.",
    )


def _thresholds(_: Evaluation, tables: Mapping[str, Table]) -> Picture | None:
    if "sensitivity" not in tables:
        return None
    values = tables["sensitivity"].frame
    figure = free_axes(10.0, 3.6).figure
    figure.clear()
    groups = list(values.groupby("option", sort=False))
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (option, rows) in zip(panels, groups, strict=True):
        for k, (name, low, high) in enumerate(
            (("AUC", "low", "high"), ("AUC random", "random low", "random high"))
        ):
            bars = np.abs(rows[[low, high]].to_numpy().T - rows[name].to_numpy())
            panel.errorbar(
                rows["value"],
                rows[name],
                yerr=bars,
                **look(k),
                linewidth=1.4,
                markersize=5,
                elinewidth=0.9,
                capsize=2,
                label=("DKNs", "as many random neurons")[k],
            )
        panel.axhline(0.5, color="0.6", linewidth=0.8, zorder=0)
        panel.set_xlabel(option)
        panel.grid(color="0.92", linewidth=0.8)
        panel.set_axisbelow(True)
    panels[0].set_ylabel("AUC")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    return Picture(
        figure,
        "Degenerate knowledge neurons with other thresholds",
        "AUC with 95 % bootstrap intervals when one threshold is varied, and that of as many "
        "random neurons, means over draws. The grey line is guessing. From the table sensitivity.",
    )


PICTURES: dict[str, MakePicture] = {
    "roc": _roc,
    "comparisons": _effects,
    **{f"scores_{name}": partial(_scores, name) for name in _SCORES},
    "sensitivity": _thresholds,
}
