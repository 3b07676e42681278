"""The pictures of the complexity study: measures against the size of the models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurotopo.plots.effects import EffectsDisplay
from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.complexity.rows import Collected

__all__ = ["pictures_of"]

_SIZE = "weights of the model"
_GROUPS = {
    "jump": (
        "Jump by the size of the model",
        "jump (points)",
        {"jump": "NTC's clusters", "jump_shuffled": "the same, neurons shuffled"},
    ),
    "components": (
        "Components by the size of the model",
        "components a fact",
        {
            "potential": "clusters before the filter",
            "components": "components",
            "components_shuffled": "components, neurons shuffled",
        },
    ),
    "robustness": (
        "Fall of the probability under faulty prompts",
        "fall (points)",
        {
            "fall": "nothing suppressed",
            "fall_dkn": "D suppressed",
            "fall_others": "as many knowledge neurons suppressed",
        },
    ),
}


def pictures_of(found: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {
        name: _against_size(found, tables, *what)
        for name, what in _GROUPS.items()
        if any(len(found.matrix(measure)) for measure in what[2])
    }
    if "trend" in tables:
        frame = tables["trend"].frame
        shown = frame[(frame["kind"] == "difference") & (frame["n"] > 0)]
        if shown["slope"].notna().any():
            ax = free_axes(8.6, 1.6 + 0.4 * len(shown))
            EffectsDisplay.from_arrays(
                shown["what"].tolist(),
                shown["slope"],
                shown["low"],
                shown["high"],
                n=shown["n"],
                p=shown["p"],
                label="change for ten times the weights, beyond the control's",
                ax=ax,
            )
            pictures["trend"] = Picture(
                ax.figure,
                "Trends with size, beyond those of the control",
                "Mean slopes over facts with 95 % intervals, from the table trend. Right of 0: "
                "the difference between what was found and its control grows with size.",
            )
    return pictures


def _against_size(
    found: Collected, tables: Mapping[str, Table], title: str, label: str, names: Mapping[str, str]
) -> Picture:
    frame = tables["measures"].frame
    series = {}
    for measure, name in names.items():
        own = frame[frame["measure"] == measure]
        label_with_n = f"{name} ({own['n'].max():,} facts)"
        series[label_with_n] = own[["mean", "low", "high"]].to_numpy(np.float64)
    ax = free_axes(6.4, 4.4)
    ScalingDisplay.from_means(
        list(found.parameters.values()),
        series,
        xlabel=_SIZE,
        ylabel=label,
        log=True,
        names=[f"{name} ({n:,})" for name, n in found.parameters.items()],
        ax=ax,
    )
    return Picture(
        ax.figure,
        title,
        "Means with 95 % intervals over the facts that all models know and have the measure of, "
        "from the table measures. What the groups found do and their control does too says "
        "nothing about the grouping.",
    )
