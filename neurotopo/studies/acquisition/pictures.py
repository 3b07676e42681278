"""The pictures of the acquisition study: Figures 3 and 4 of the paper, effects and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.plots.layers import LayerDisplay
from neurotopo.plots.suppression_grid import SuppressionGridDisplay
from neurotopo.plots.sweep import SweepDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.acquisition.rows import LARGEST, Collected
from neurotopo.studies.groupings import control_of
from neurotopo.studies.pictures import effects_picture

__all__ = ["pictures_of"]

_CONTROLS = tuple(control_of(name) for name in ("ntc", "oracle"))


def pictures_of(found: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {}
    if any(counts.any() for counts in found.layers.values()):
        pictures["figure3"] = _layers(found)
    curves = _mean_curves(found)
    if curves:
        pictures["figure4"] = _curves(curves)
    compared = tables["controls"].frame
    if len(compared) and compared.loc[compared["measure"] == "all potential", "n"].any():
        pictures["controls"] = _effects(compared)
    if "sweep" in tables:
        pictures["sweep"] = _sweep(tables["sweep"].frame)
    return pictures


def _layers(found: Collected) -> Picture:
    names = {"neurons": "knowledge neurons", "ntc": "components of NTC"}
    counts = {label: found.layers[name] for name, label in names.items() if name in found.layers}
    ax = free_axes(6.4, 1.6 + 0.35 * len(next(iter(counts.values()))))
    LayerDisplay.from_counts(counts, ax=ax)
    return Picture(
        ax.figure,
        "Figure 3. Neurons by layer",
        "Shares of the layers among the knowledge neurons of all facts, and among the neurons in "
        "NTC's components of the facts that count. The numbers are in the table layers.",
    )


def _mean_curves(found: Collected) -> dict[str, dict[int, Any]]:
    """Return for each method and number of components the curves, shape (facts, n)."""
    curves: dict[str, dict[int, Any]] = {}
    for method in ("ntc", *CLUSTERER_LABELS, "pairs", "oracle", *_CONTROLS):
        if method not in found.names:
            continue
        counted = found.counted(method)
        for n in range(2, LARGEST + 1):
            some = counted[counted["n"] == n][[f"d{k}" for k in range(1, n + 1)]]
            if len(some):
                curves.setdefault(method, {})[n] = some.to_numpy(dtype=np.float64)
    return curves


def _curves(curves: dict[str, dict[int, Any]]) -> Picture:
    def each(function: Any) -> dict[str, dict[int, Any]]:
        return {m: {n: function(rows) for n, rows in by_n.items()} for m, by_n in curves.items()}

    n_panels = len({n for by_n in curves.values() for n in by_n})
    ax = free_axes(10.0, 4.4 if n_panels <= 4 else 7.4)
    SuppressionGridDisplay.from_curves(
        each(lambda rows: rows.mean(axis=0)), each(len), errors=each(_standard_errors), ax=ax
    )
    return Picture(
        ax.figure,
        "Figure 4. Fall of the probability by number of suppressed components",
        "Means over the facts of a method with n components (their number is in the legend), with "
        "bars of one standard error. Degeneracy would show as a line that stays low and jumps at "
        "the last point; as much as random groups of the same sizes do means nothing. From the "
        "columns d1, d2, ... of rows.csv.",
    )


def _standard_errors(rows: Any) -> Any:
    if len(rows) < 2:
        return np.full(rows.shape[1], np.nan)
    return rows.std(axis=0, ddof=1) / np.sqrt(len(rows))


def _effects(compared: Any) -> Picture:
    shown = compared[(compared["n"] > 0) & (compared["measure"] == "all potential")]
    return effects_picture(
        shown,
        shown["method"].tolist(),
        "Every method against random groups in its sizes",
        "Mean difference of the jumps of all potential components, paired by fact, with its 95 % "
        "interval; the numbers of facts and Holm-corrected p-values are those of the table "
        "controls. At 0 the grouping means nothing.",
        label="jump minus that of random groups (points)",
        size=(8.4, 1.4 + 0.32 * len(shown)),
    )


def _sweep(values: Any) -> Picture:
    grid = values.pivot(index="tau1", columns="tau2", values="jump NTC")
    ax = free_axes(6.4, 4.2)
    SweepDisplay.from_values(
        grid.to_numpy(dtype=np.float64),
        grid.index,
        grid.columns,
        name="mean jump of NTC (points)",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "The jump of NTC by the thresholds of persistence and filter",
        "Means over facts, from the table sweep, which has random groups beside them.",
    )
