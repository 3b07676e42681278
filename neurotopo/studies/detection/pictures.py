"""The pictures of the detection study: ROC curves, distributions of scores, other thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotopo.plots._series import legend_below, look
from neurotopo.plots.effects import EffectsDisplay
from neurotopo.plots.roc import RocDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.detection.evaluation import Evaluation
from neurotopo.studies.detection.metrics import interval

__all__ = ["pictures_of"]

_CURVES = ("dkn", "random", "random_layers", "kn", "probability", "verdict")
_SCORES = {
    "dkn": "mean attribution of degenerate knowledge neurons",
    "probability": "log-probability of the label per token",
}
_MOST = 4.0  # standard deviations


def pictures_of(evaluation: Evaluation, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    if not evaluation.judged:
        return {}
    pictures = {"roc": _roc(evaluation)}
    if len(tables["comparisons"].frame):
        pictures["comparisons"] = _effects(tables["comparisons"].frame)
    for name in [name for name in _SCORES if name in evaluation.judged]:
        true, wrong = evaluation.standard_scores(name)
        if len(true):
            pictures[f"scores_{name}"] = _scores(name, true, wrong)
    if "sensitivity" in tables:
        pictures["sensitivity"] = _sensitivity(tables["sensitivity"].frame)
    return pictures


def _roc(evaluation: Evaluation) -> Picture:
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
        "95 % interval. On the diagonal nothing is told. The numbers are in the table detection.",
    )


def _effects(compared: Any) -> Picture:
    ax = free_axes(8.4, 1.4 + 0.32 * len(compared))
    pairs = zip(compared["method"], compared["against"], strict=True)
    names = [f"{method} against {other}" for method, other in pairs]
    EffectsDisplay.from_arrays(
        names,
        compared["difference"],
        compared["low"],
        compared["high"],
        n=compared["n"],
        p=compared["p"],
        label="difference of the AUC",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Areas under the ROC curve compared",
        "Differences with 95 % bootstrap intervals, paired by fact, and Holm-corrected p-values, "
        "from the table comparisons.",
    )


def _scores(name: str, true: Any, wrong: Any) -> Picture:
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
        f"those beyond {_MOST:g} are in the outermost bins. The less the two overlap, the more is "
        "told. Columns score_true and score_wrong of rows.csv.",
    )


def _sensitivity(values: Any) -> Picture:
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
        "Degenerate knowledge neurons under other thresholds",
        "AUC with 95 % bootstrap intervals when one threshold is varied and the others stay, and "
        "that of as many random neurons, means over draws. The grey line is guessing. From the "
        "table sensitivity.",
    )
