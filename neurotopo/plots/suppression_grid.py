"""SuppressionGridDisplay: mean suppression curves of several methods, by number of components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import (
    columns_for,
    drops_in_percent,
    grid_in_place_of,
    look,
    note_on,
    short,
    size_of,
)

__all__ = ["SuppressionGridDisplay"]

_FONT = 8.5  # of the legend, in points
_Curves = dict[str, dict[int, NDArray[np.float64]]]


class SuppressionGridDisplay:
    """dProb against the number of suppressed components, a panel per number of components.

    Figure 4 of the paper: every panel shows the facts with n components, with a line per method
    that is the mean of their curves. A method without such facts is absent from the panel. All
    panels share the axis of dProb.

    It is recommended to use :meth:`from_curves`.

    Parameters
    ----------
    curves : dict of str to dict of int to array-like
        Of each method, for a number n of components, the mean dProb with 1, ..., n of them
        suppressed, shape (n,).
    counts : dict of str to dict of int to int
        Of each method, for n, the number of facts behind the curve. With 0 of them the curve is
        not drawn.
    errors : dict of str to dict of int to array-like, optional
        Standard errors of the means. nan, that of a single fact say, is not drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes given, or made; invisible, the panels take its place.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    panels_ : dict of int to matplotlib Axes
        The panel of each number of components.
    lines_ : dict of (int, str) to matplotlib Line2D
        The line of each panel and method, in per cent.
    errors_ : dict of (int, str) to matplotlib LineCollection
        Bars of one standard error to either side.
    note_ : matplotlib Text or None
        Says that there is nothing to draw.
    legend_ : matplotlib Legend or None
        The methods and their numbers of facts, and which n are left out.

    See Also
    --------
    neurotopo.plots.suppression.SuppressionDisplay : The curve of one fact.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, Figure 4.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.suppression_grid import SuppressionGridDisplay
    >>> curves = {"ntc": {2: [0.1, 0.8], 3: [0.1, 0.2, 0.9]}, "kmeans": {2: [0.3, 0.6]}}
    >>> counts = {"ntc": {2: 30, 3: 4}, "kmeans": {2: 12}}
    >>> display = SuppressionGridDisplay.from_curves(curves, counts)
    >>> sorted(display.lines_)
    [(2, 'kmeans'), (2, 'ntc'), (3, 'ntc')]
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['ntc (30, 4)', 'kmeans (12, 0)']
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    panels_: dict[int, Axes]
    lines_: dict[tuple[int, str], Any]
    errors_: dict[tuple[int, str], LineCollection]
    note_: Any
    legend_: Any

    def __init__(
        self,
        curves: Mapping[str, Mapping[int, ArrayLike]],
        counts: Mapping[str, Mapping[int, int]],
        *,
        errors: Mapping[str, Mapping[int, ArrayLike]] | None = None,
    ) -> None:
        self.curves = _checked("curve", curves)
        self.errors = _checked("errors", errors or {})
        for name, by_n in self.errors.items():
            strangers = set(by_n) - set(self.curves.get(name, {}))
            if strangers:
                raise ValueError(f"errors of {name!r} for n = {min(strangers)}: there is no curve.")
            if any((row < 0).any() for row in by_n.values()):
                raise ValueError(f"errors of {name!r} must not be negative.")
        self.counts = {name: self._counted(name, counts) for name in self.curves}

    def _counted(self, name: str, counts: Mapping[str, Mapping[int, int]]) -> dict[int, int]:
        given = counts.get(name, {})
        for n in self.curves[name]:
            if n not in given:
                raise ValueError(f"counts lacks the number of facts of {name!r} for n = {n}.")
            if given[n] < 0 or given[n] != int(given[n]):
                raise ValueError(
                    f"the number of facts of {name!r} for n = {n} must be a whole number that is "
                    f"not negative, got {given[n]}."
                )
        return {n: int(given[n]) for n in self.curves[name]}

    @classmethod
    def from_curves(
        cls,
        curves: Mapping[str, Mapping[int, ArrayLike]],
        counts: Mapping[str, Mapping[int, int]],
        *,
        errors: Mapping[str, Mapping[int, ArrayLike]] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> SuppressionGridDisplay:
        """Draw mean curves of methods.

        Parameters
        ----------
        curves, counts, errors
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.
        **kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        display : SuppressionGridDisplay
        """
        return cls(curves, counts, errors=errors).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Any = None, *, components: Iterable[int] = range(2, 9)
    ) -> SuppressionGridDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.
        components : iterable of int, default=range(2, 9)
            Numbers of components to draw, where any method has such facts.

        Returns
        -------
        self : SuppressionGridDisplay
        """
        found = ((name, n) for name, by_n in self.curves.items() for n in by_n)
        present = sorted({n for name, n in found if self._has(name, n)})
        wanted = set(components)
        shown = [n for n in present if n in wanted]
        title = f"method (facts with n = {', '.join(map(str, shown))})"
        if len(shown) < len(present):
            title += f"; not drawn: n = {', '.join(str(n) for n in present if n not in wanted)}"
        self._make_host(ax, shown)
        width, height = size_of(self.ax_)
        labels = self._fitting_labels(shown, width, 0.4 * height) if shown else []
        below = self._make_panels(shown, _legend_height(labels, width))
        self.lines_, self.errors_ = {}, {}
        self.note_ = self.legend_ = None
        for n, panel in self.panels_.items():
            self._draw_panel(panel, n)
        if not shown:
            self.ax_.set_axis_on()
            self.ax_.set(xticks=[], yticks=[])
            self.note_ = note_on(self.ax_, "nothing to draw")
            return self
        handles = [Line2D([], [], markersize=5, **look(k)) for k in range(len(labels))]
        self.legend_ = below.legend(
            handles,
            labels,
            loc="upper center",
            borderaxespad=0.0,
            fontsize=_FONT,
            title=title,
            title_fontsize=_FONT,
            frameon=False,
            ncols=columns_for(labels, width, _FONT),
        )
        return self

    def _has(self, name: str, n: int) -> bool:
        return self.counts[name][n] > 0 and bool(np.isfinite(self.curves[name][n]).any())

    def _labels(self, shown: list[int], most: int) -> list[str]:
        return [
            f"{short(name, most)} ({', '.join(str(counts.get(n, 0)) for n in shown)})"
            for name, counts in self.counts.items()
        ]

    def _fitting_labels(self, shown: list[int], width: float, height: float) -> list[str]:
        """Return the entries of the legend, cut shorter where it would take too much room."""
        labels = self._labels(shown, 48)
        for most in (30, 20, 14):
            shorter = self._labels(shown, most)
            names = {short(name, most) for name in self.curves}
            if _legend_height(labels, width) <= height or len(names) < len(self.curves):
                break  # names that are all the same say nothing
            labels = shorter
        return labels

    def _make_host(self, ax: Any, shown: list[int]) -> None:
        """Make the axes that the panels take the place of."""
        if ax is None:
            import matplotlib.pyplot as plt

            rows, columns = _shape(len(shown))
            width = max(2.1 * columns + 0.8, 4.5)
            height = 2.1 * rows + 0.4 + 1.4 * _legend_height(self._labels(shown, 48), width)
            ax = plt.figure(figsize=(width, height), layout="constrained").add_subplot()
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.ax_.set_axis_off()

    def _make_panels(self, shown: list[int], for_legend: float) -> Axes:
        """Make the panels; return the invisible axes of the legend below them."""
        rows, columns = _shape(len(shown))
        width, height = size_of(self.ax_)
        for_legend = min(for_legend, 0.6 * height)
        ratios = [*[(height - for_legend) / rows] * rows, for_legend]
        grid = grid_in_place_of(self.ax_, rows + 1, columns, ratios)
        self.panels_ = {}
        first = None
        for k, n in enumerate(shown):
            panel = self.figure_.add_subplot(grid[k // columns, k % columns], sharey=first)
            first = first or panel
            self.panels_[n] = panel
            panel.tick_params(labelleft=k % columns == 0)
            if k % columns == 0:
                panel.set_ylabel("ΔProb (%)")
            if k + columns >= len(shown):
                roomy = width > 1.7 * columns
                panel.set_xlabel("suppressed components" if roomy else "suppressed")
        below = self.figure_.add_subplot(grid[rows, :])
        below.set_axis_off()
        return below

    def _draw_panel(self, panel: Axes, n: int) -> None:
        panel.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
        for k, name in enumerate(self.curves):
            if n not in self.curves[name] or not self._has(name, n):
                continue
            values = np.append(0.0, self.curves[name][n])
            (self.lines_[n, name],) = panel.plot(
                np.arange(n + 1),
                values,
                linewidth=1.4,
                markersize=4.5,
                zorder=3 + 0.01 * k,
                **look(k),
            )
            half = self.errors.get(name, {}).get(n)
            if half is not None:
                known = np.flatnonzero(np.isfinite(half) & np.isfinite(values[1:]))
                middle, half = values[known + 1], half[known]
                self.errors_[n, name] = panel.vlines(
                    known + 1.0,
                    middle - half,
                    middle + half,
                    color=look(k)["color"],
                    linewidth=1.0,
                    alpha=0.7,
                    zorder=2,
                )
        panel.set_title(f"n = {n}", fontsize="medium")
        panel.set_xlim(-0.3, n + 0.3)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _shape(n_panels: int) -> tuple[int, int]:
    """Return rows and columns of the panels, at most four in a row."""
    rows = max(-(-n_panels // 4), 1)
    return rows, max(-(-n_panels // rows), 1)


def _legend_height(labels: list[str], width: float) -> float:
    """Return the height in inches of a legend of a width, with its title."""
    lines = -(-len(labels) // columns_for(labels, width, _FONT)) + 1.5
    return lines * 1.6 * _FONT / 72


def _checked(what: str, curves: Mapping[str, Mapping[int, ArrayLike]]) -> _Curves:
    """Check that every curve has as many values as components."""
    found: _Curves = {}
    for name, by_n in curves.items():
        found[name] = {}
        for n, values in by_n.items():
            if n != int(n) or n < 1:
                raise ValueError(f"a number of components must be 1 or more, got {n!r}.")
            found[name][int(n)] = drops_in_percent(
                values, f"the {what} of {name!r} for n = {n}", int(n)
            )
    return found
