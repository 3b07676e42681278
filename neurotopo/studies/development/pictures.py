"""The pictures of the development study: curves over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.development.rows import CONSECUTIVE, TO_THE_END, Collected
from neurotopo.studies.statistics import mean_interval

__all__ = ["pictures_of"]

_MATCHED = {
    "neurons": "knowledge neurons",
    "matched": "components",
    "matched_shuffled": "components, neurons shuffled",
    "matched_other": "components of another fact",
}


def pictures_of(found: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures: dict[str, Picture] = {}
    if len(found.names) < 2 or not len(found.done):
        return pictures
    pictures["knowledge"] = _drawn(
        found,
        found.rows,
        {"known": "facts answered correctly (%)"},
        "place",
        "Facts that are known, by step",
        "share (%)",
        "Share of the facts that a snapshot answers correctly, with 95 % intervals.",
        100.0,
    )
    pictures["components"] = _drawn(
        found,
        found.rows,
        {
            "clusters": "clusters before the filter",
            "components": "components",
            "components_shuffled": "components, neurons shuffled",
        },
        "place",
        "Components by step",
        "groups a fact",
        "Means over facts with 95 % intervals, from rows.csv. As many components as shuffled "
        "groups have mean nothing.",
    )
    for name, kind, column, title in (
        ("to_the_end", TO_THE_END, "from", "Likeness to the last snapshot, by step"),
        ("matching", CONSECUTIVE, "to", "Likeness to the snapshot before, by step"),
    ):
        pairs = found.pairs[(found.pairs["kind"] == kind) & found.pairs["reason"].isna()]
        if len(pairs):
            pictures[name] = _drawn(
                found,
                pairs,
                _MATCHED,
                column,
                title,
                "Jaccard index",
                "Means with 95 % intervals over all facts that are compared, known or not. What "
                "is kept of the components beyond the control with shuffled neurons is not "
                "explained by the neurons being the same; what is kept beyond the components of "
                "another fact is of this fact.",
            )
    return pictures


def _drawn(
    found: Collected,
    rows: Any,
    names: Mapping[str, str],
    column: str,
    title: str,
    label: str,
    note: str,
    factor: float = 1.0,
) -> Picture:
    places = sorted(rows[column].unique())
    series = {
        name: [
            mean_interval(rows.loc[rows[column] == place, measure].to_numpy(np.float64) * factor)
            for place in places
        ]
        for measure, name in names.items()
    }
    ax = free_axes(6.4, 4.2)
    ScalingDisplay.from_means(
        [found.steps[place] for place in places],
        series,
        xlabel="steps of training" if found.has_steps else "snapshot",
        ylabel=label,
        names=None if found.has_steps else [found.names[place] for place in places],
        ax=ax,
    )
    return Picture(ax.figure, title, note)
