"""PanelsDisplay: means with intervals by category or by number, a panel per question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay, Means
from neurotopo.plots._series import (
    legend_height,
    legend_of_looks,
    look,
    note_on,
    panels_in,
    short,
    size_of,
)

__all__ = ["PanelsDisplay"]

_WIDTH = 0.7  # of the points of one category, relative to the distance of two categories


class PanelsDisplay(MeanDisplay):
    """Means and their intervals, a panel per question and a colour per series.

    With texts on the horizontal axis the series are points side by side at each text; with
    numbers they are lines. A series has the same look in every panel.

    Parameters
    ----------
    panels : dict of str to dict of str to (array-like, array-like, array-like)
        For each panel and series, the means and the lower and upper bounds of their intervals,
        all of shape (len(x),). nan is not drawn.
    x : sequence of str or of float
        The categories, or the numbers in ascending order.
    {xylabel}
    reference : float or None, default=0.0
        Height of a thin line across every panel.
    columns : int, optional
        Largest number of panels in a row. None: all.
    bands : bool, default=False
        Draw intervals as bands instead of bars, for numbers on the horizontal axis.

    Attributes
    ----------
    panels_ : dict of str to matplotlib Axes
        The panels, which share the vertical axis.
    lines_ : dict of (str, str) to matplotlib Line2D
        The means of each panel and series.
    bars_ : dict of (str, str) to matplotlib LineCollection or PolyCollection
        Their intervals.
    {legend_}
    {notes_}

    Examples
    --------
    >>> from neurotopo.plots.panels import PanelsDisplay
    >>> panels = {"values": {"D": ([3.0, 2.0], [2.0, 1.0], [4.0, 3.0])}}
    >>> display = PanelsDisplay.from_arrays(panels, ["add", "delete"], ylabel="dProb (%)")
    >>> display.lines_["values", "D"].get_ydata()
    array([3., 2.])
    """

    def __init__(
        self,
        panels: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]],
        x: Sequence[Any],
        *,
        xlabel: str = "",
        ylabel: str = "",
        reference: float | None = 0.0,
        columns: int | None = None,
        bands: bool = False,
    ) -> None:
        if columns is not None and columns < 1:
            raise ValueError(f"columns must be at least 1, got {columns}.")
        if not panels:
            raise ValueError("there must be at least one panel.")
        self.x = list(x)
        self.by_name = all(isinstance(each, str) for each in self.x)
        if not self.by_name:
            numbers = np.asarray(self.x, dtype=np.float64)
            if not (np.isfinite(numbers).all() and (np.diff(numbers) > 0).all()):
                raise ValueError("x must be names, or finite numbers in ascending order.")
        self.panels = {
            title: {
                name: Means.of(name, each, len(self.x), clip=True) for name, each in series.items()
            }
            for title, series in panels.items()
        }
        self.names = list(dict.fromkeys(name for series in panels.values() for name in series))
        if bands and self.by_name:
            raise ValueError("bands need numbers as x, got names.")
        self.xlabel, self.ylabel, self.reference = xlabel, ylabel, reference
        self.columns, self.bands = columns, bands

    from_arrays = constructor("Draw means that are given as numbers.")

    def plot(self, ax: Any = None) -> PanelsDisplay:
        """Draw the panels."""
        total = len(self.panels)
        n = min(total, self.columns or total)  # in a row
        rows = -(-total // n)
        ax = self._start(ax, (max(3.2 * n + 0.8, 5.0), 1.0 + 3.0 * rows))
        width, _ = size_of(ax)
        letters = max(int(72 * width / n / 7.5), 12)  # that fit above a panel
        labels = [short(name, 40) for name in self.names]
        *panels, below = panels_in(
            ax,
            total,
            n,
            xlabel=short(self.xlabel, letters),
            ylabel=short(self.ylabel, 60),
            legend=legend_height(labels, width),
            hspace=0.5,
        )
        self.panels_ = dict(zip(self.panels, panels, strict=True))
        self.lines_, self.bars_, self.notes_ = {}, {}, []
        for title, panel in self.panels_.items():
            self._draw(panel, title, self.panels[title])
            panel.set_title(short(title, letters), fontsize="medium")
        style = {"markersize": 5.5, **({"linestyle": "none"} if self.by_name else {})}
        self.legend_ = legend_of_looks(below, labels, width, style) if labels else None
        return self

    def _draw(self, panel: Axes, title: str, series: Mapping[str, Means]) -> None:
        at = np.asarray(range(len(self.x)) if self.by_name else self.x, dtype=np.float64)
        if self.reference is not None:
            panel.axhline(self.reference, color="0.7", linewidth=0.9, zorder=0)
        for name, means in series.items():
            k = self.names.index(name)
            first_on_top = 3 + 0.01 * (len(self.names) - k)
            style = {**look(k), "markersize": 5.5, "linewidth": 1.4, "zorder": first_on_top}
            here = at
            if self.by_name:
                here = at + _WIDTH * ((k + 0.5) / len(self.names) - 0.5)
                style["linestyle"] = "none"
            thin = {"linewidth": 1.2, "alpha": 0.8, "zorder": 2}
            self.lines_[title, name], self.bars_[title, name] = means.draw(
                panel, here, style, across=False, band=self.bands, **({} if self.bands else thin)
            )
        if self.by_name:
            panel.set_xticks(at, [short(each, 16) for each in self.x])
            panel.set_xlim(-0.5, max(len(self.x), 1) - 0.5)
            for between in at[1:] - 0.5:
                panel.axvline(between, color="0.93", linewidth=0.8, zorder=0)
        elif (at == np.rint(at)).all():
            panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
        if not any(means.known.any() for means in series.values()):
            self.notes_.append(note_on(panel, "nothing to draw"))
