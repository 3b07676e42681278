"""PanelsDisplay: means with intervals by category or by number, a panel per question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import columns_for, grid_in_place_of, look, note_on, short, size_of

__all__ = ["PanelsDisplay"]

_FONT = 8.5  # of the legend, in points
_WIDTH = 0.7  # of the points of one category, of the distance between two
_LARGEST = 1e300  # greater ones are as good as infinite: axes around them overflow
_Series = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class PanelsDisplay:
    """Means and their intervals, a panel per question and a colour per series.

    With texts on the horizontal axis the series stand side by side as points at each of them; with
    numbers they are lines. A series has the same look in every panel.

    It is recommended to use :meth:`from_arrays`.

    Parameters
    ----------
    panels : dict of str to dict of str to (array-like, array-like, array-like)
        Of each panel, for each series, the means and the lower and upper bounds of their
        intervals, all of shape (len(x),). nan is not drawn.
    x : sequence of str or of float
        The categories, or the numbers in ascending order.
    xlabel, ylabel : str, default=""
        What the axes say.
    reference : float or None, default=0.0
        Height of a thin line across every panel.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes given, or made; invisible, the panels take its place.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    panels_ : dict of str to matplotlib Axes
        The panels, which share the vertical axis.
    lines_ : dict of (str, str) to matplotlib Line2D
        The means of each panel and series.
    bars_ : dict of (str, str) to matplotlib LineCollection
        Their intervals.
    legend_ : matplotlib Legend or None
        The series.
    notes_ : list of matplotlib Text
        Written where there is nothing to draw.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.panels import PanelsDisplay
    >>> panels = {"values": {"D": ([3.0, 2.0], [2.0, 1.0], [4.0, 3.0])}}
    >>> display = PanelsDisplay.from_arrays(panels, ["add", "delete"], ylabel="dProb (%)")
    >>> display.lines_["values", "D"].get_ydata()
    array([3., 2.])
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    panels_: dict[str, Axes]
    lines_: dict[tuple[str, str], Any]
    bars_: dict[tuple[str, str], Any]
    legend_: Any
    notes_: list[Any]

    def __init__(
        self,
        panels: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]],
        x: Sequence[Any],
        *,
        xlabel: str = "",
        ylabel: str = "",
        reference: float | None = 0.0,
    ) -> None:
        if not panels:
            raise ValueError("there must be at least one panel.")
        self.x = list(x)
        self.by_name = all(isinstance(each, str) for each in self.x)
        if not self.by_name:
            numbers = np.asarray(self.x, dtype=np.float64)
            if not (np.isfinite(numbers).all() and (np.diff(numbers) > 0).all()):
                raise ValueError("x must be names, or finite numbers in ascending order.")
        self.panels = {
            title: {name: self._checked(title, name, each) for name, each in series.items()}
            for title, series in panels.items()
        }
        self.names = list(dict.fromkeys(name for series in panels.values() for name in series))
        self.xlabel, self.ylabel, self.reference = xlabel, ylabel, reference

    def _checked(self, title: str, name: str, given: Any) -> _Series:
        rows = [np.asarray(each, dtype=np.float64) for each in given]
        if len(rows) != 3 or any(row.shape != (len(self.x),) for row in rows):
            raise ValueError(
                f"{name!r} in {title!r} must have means, lower and upper bounds, {len(self.x)} "
                "numbers each."
            )
        mean, low, high = (np.where(np.abs(row) < _LARGEST, row, np.nan) for row in rows)
        if (low > high).any():
            raise ValueError(f"an interval of {name!r} in {title!r} ends before it begins.")
        return mean, low, high

    @classmethod
    def from_arrays(
        cls,
        panels: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]],
        x: Sequence[Any],
        *,
        xlabel: str = "",
        ylabel: str = "",
        reference: float | None = 0.0,
        ax: Any = None,
    ) -> PanelsDisplay:
        """Draw means that are given as numbers.

        Parameters
        ----------
        panels, x, xlabel, ylabel, reference
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.

        Returns
        -------
        display : PanelsDisplay
        """
        return cls(panels, x, xlabel=xlabel, ylabel=ylabel, reference=reference).plot(ax=ax)

    def plot(self, ax: Any = None) -> PanelsDisplay:
        """Draw the panels side by side.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.

        Returns
        -------
        self : PanelsDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            size = (max(3.2 * len(self.panels) + 0.8, 5.0), 4.0)
            ax = plt.figure(figsize=size, layout="constrained").add_subplot()
        self.ax_ = ax = axes_for(ax)
        self.figure_ = ax.figure
        width, height = size_of(ax)
        labels = [short(name, 40) for name in self.names]
        lines = -(-len(labels) // columns_for(labels, width, _FONT))
        for_legend = min((lines + 0.5) * 1.7 * _FONT / 72, 0.6 * height)
        ax.set_axis_off()
        ratios = [height - for_legend, for_legend]
        grid = grid_in_place_of(self.ax_, 2, len(self.panels), ratios, hspace=0.5)
        self.panels_, self.lines_, self.bars_, self.notes_ = {}, {}, {}, []
        first = None
        letters = max(int(72 * width / len(self.panels) / 7.5), 12)  # that fit above a panel
        for k, (title, series) in enumerate(self.panels.items()):
            panel = self.figure_.add_subplot(grid[0, k], sharey=first)
            first = first or panel
            self.panels_[title] = panel
            self._draw(panel, title, series)
            panel.set_title(short(title, letters), fontsize="medium")
            panel.set_xlabel(short(self.xlabel, letters))
            panel.tick_params(labelleft=k == 0)
        assert first is not None
        first.set_ylabel(short(self.ylabel, 60))
        below = self.figure_.add_subplot(grid[1, :])
        below.set_axis_off()
        style = {"linestyle": "none"} if self.by_name else {}
        handles = [
            Line2D([], [], markersize=5.5, **{**look(k), **style}) for k in range(len(labels))
        ]
        self.legend_ = None
        if handles:
            self.legend_ = below.legend(
                handles,
                labels,
                loc="upper center",
                borderaxespad=0.0,
                fontsize=_FONT,
                frameon=False,
                ncols=columns_for(labels, width, _FONT),
            )
        return self

    def _draw(self, panel: Axes, title: str, series: Mapping[str, _Series]) -> None:
        at = np.arange(len(self.x), dtype=np.float64)
        if not self.by_name:
            at = np.asarray(self.x, dtype=np.float64)
        if self.reference is not None:
            panel.axhline(self.reference, color="0.7", linewidth=0.9, zorder=0)
        for name, (mean, low, high) in series.items():
            k = self.names.index(name)
            style = look(k)
            here = at
            if self.by_name:
                here = at + _WIDTH * ((k + 0.5) / len(self.names) - 0.5)
                style["linestyle"] = "none"
            known = np.isfinite(mean)
            bounded = known & np.isfinite(low) & np.isfinite(high)
            (self.lines_[title, name],) = panel.plot(
                here[known], mean[known], markersize=5.5, linewidth=1.4, zorder=3, **style
            )
            self.bars_[title, name] = panel.vlines(
                here[bounded],
                low[bounded],
                high[bounded],
                color=style["color"],
                linewidth=1.2,
                alpha=0.8,
                zorder=2,
            )
        if self.by_name:
            panel.set_xticks(at, [short(each, 16) for each in self.x])
            panel.set_xlim(-0.5, max(len(self.x), 1) - 0.5)
            for between in at[1:] - 0.5:
                panel.axvline(between, color="0.93", linewidth=0.8, zorder=0)
        if not any(np.isfinite(mean).any() for mean, _, _ in series.values()):
            self.notes_.append(note_on(panel, "nothing to draw"))
