"""The pictures of the choices study: what changes the clusters, and what changes the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurotopo.plots.bars import BarsDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.choices.options import CHOICES
from neurotopo.studies.choices.rows import Collected
from neurotopo.studies.choices.variations import DEFAULT
from neurotopo.studies.pictures import effects_picture

__all__ = ["pictures_of"]


def pictures_of(found: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {}
    choices = tables["choices"].frame
    others = choices[choices["variation"] != DEFAULT] if len(choices) else choices
    if len(others) and others["facts"].any():
        pictures["agreement"] = _agreement(found, others)
    compared = tables["controls"].frame
    if len(compared):
        compared = compared[compared["measure"] == "all clusters"]
        if compared["n"].any():
            pictures["controls"] = _controls(compared)
    if len(others) and others["n"].any():
        pictures["changes"] = _changes(others)
    if "planted" in tables and len(tables["planted"].frame):
        planted = tables["planted"].frame
        if planted["facts"].any():
            pictures["planted"] = _planted(found, planted)
    return pictures


def _size(n_rows: int) -> tuple[float, float]:
    return 8.4, 1.6 + 0.28 * n_rows


def _agreement(found: Collected, rows: Any) -> Picture:
    shown = rows[rows["facts"] > 0]
    ax = free_axes(*_size(len(shown)))
    BarsDisplay.from_arrays(
        shown["variation"].tolist(),
        shown["ARI"],
        shown["ARI low"],
        shown["ARI high"],
        n=shown["facts"],
        kinds=[found.choice[name] for name in shown["variation"]],
        order=[*CHOICES, DEFAULT],
        ax=ax,
        label="adjusted Rand index with the clusters of the default",
    )
    return Picture(
        ax.figure,
        "Appendix D. How much of the clusters is left when one choice is changed",
        "Mean adjusted Rand index over the facts where either has a cluster, with its 95 % "
        "interval: at 1 the clusters are the same, at 0 unrelated. Colours are the choices, n "
        "numbers of facts.",
    )


def _controls(rows: Any) -> Picture:
    return effects_picture(
        rows,
        rows["variation"].tolist(),
        "Every variation against random groups in its sizes",
        "Mean difference of the jumps of all clusters, paired by fact, with its 95 % interval, and "
        "Holm-corrected p-values. At 0 the clusters mean nothing.",
        label="jump minus that of random groups (points)",
        size=_size(len(rows)),
    )


def _changes(rows: Any) -> Picture:
    return effects_picture(
        rows,
        rows["variation"].tolist(),
        "What each choice changes of the outcome",
        "Mean change of what clusters jump over random groups, paired by fact, with its 95 % "
        "interval, and Holm-corrected p-values. In the order of the table choices, the variations "
        "that change the clusters most first.",
        label="change of (jump minus random) against the default (points)",
        size=_size(len(rows)),
        value="change",
    )


def _planted(found: Collected, rows: Any) -> Picture:
    shown = rows[rows["facts"] > 0]
    ax = free_axes(*_size(len(shown)))
    BarsDisplay.from_arrays(
        shown["variation"].tolist(),
        shown["ARI"],
        shown["low"],
        shown["high"],
        n=shown["facts"],
        kinds=[found.choice[name] for name in shown["variation"]],
        order=[*CHOICES, DEFAULT],
        label="adjusted Rand index with the planted groups",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Which variation recovers the planted groups",
        "Mean adjusted Rand index with the groups the model was trained to have, with its 95 % "
        "interval. Colours are the choices, n numbers of facts. Random groups are at about 0.",
    )
