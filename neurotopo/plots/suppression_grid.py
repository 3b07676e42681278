"""SuppressionGridDisplay: mean suppression curves of several methods, by number of components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import (
    Style,
    drops_in_percent,
    legend_height,
    legend_of_looks,
    look,
    note_on,
    panels_in,
    shape_for,
    short,
    size_of,
)

__all__ = ["SuppressionGridDisplay"]

_Curves = dict[str, dict[int, NDArray[np.float64]]]


class SuppressionGridDisplay(Display):
    """dProb against the number of suppressed components, a panel per number of components.

    Figure 4 of the paper [1]_: every panel shows the mean curve of each method over the facts with
    n components. A method without such facts is absent. All panels share the axis of dProb.

    Parameters
    ----------
    curves : dict of str to dict of int to array-like
        For each method and number n of components, the mean dProb with 1, ..., n of them
        suppressed, shape (n,).
    counts : dict of str to dict of int to int
        For each method and n, the number of facts. Curves with 0 facts are not drawn.
    errors : dict of str to dict of int to array-like, optional
        Standard errors of the means. nan is not drawn.

    Attributes
    ----------
    panels_ : dict of int to matplotlib Axes
        The panel of each number of components.
    lines_ : dict of (int, str) to matplotlib Line2D
        The line of each panel and method, in per cent.
    errors_ : dict of (int, str) to matplotlib LineCollection
        Error bars of one standard error.
    {note_}
    legend_ : matplotlib Legend or None
        The methods with their numbers of facts, and omitted n.

    See Also
    --------
    neurotopo.plots.suppression.SuppressionDisplay : The curve of one fact.

    {paper}

    Examples
    --------
    >>> from neurotopo.plots.suppression_grid import SuppressionGridDisplay
    >>> curves = {"ntc": {2: [0.1, 0.8], 3: [0.1, 0.2, 0.9]}, "kmeans": {2: [0.3, 0.6]}}
    >>> counts = {"ntc": {2: 30, 3: 4}, "kmeans": {2: 12}}
    >>> display = SuppressionGridDisplay.from_curves(curves, counts)
    >>> sorted(display.lines_)
    [(2, 'kmeans'), (2, 'ntc'), (3, 'ntc')]
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['ntc (30, 4)', 'kmeans (12, 0)']
    """

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
            for n in sorted(set(by_n) - set(self.curves.get(name, {}))):
                raise ValueError(f"errors of {name!r} for n = {n}: there is no curve.")
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

    from_curves = constructor("Draw mean curves of methods.")

    def plot(
        self, ax: Any = None, *, components: Iterable[int] = range(2, 9)
    ) -> SuppressionGridDisplay:
        """Draw the panels.

        Parameters
        ----------
        components : iterable of int, default=range(2, 9)
            Numbers of components to draw, if a method has such facts.
        """
        pairs = ((name, n) for name, by_n in self.curves.items() for n in by_n)
        present = sorted({n for name, n in pairs if self._has(name, n)})
        wanted = set(components)
        shown = [n for n in present if n in wanted]
        title = f"method (facts with n = {', '.join(map(str, shown))})"
        if len(shown) < len(present):
            title += f"; not drawn: n = {', '.join(str(n) for n in present if n not in wanted)}"
        rows, columns = shape_for(len(shown))
        width = max(2.1 * columns + 0.8, 4.5)
        for_legend = legend_height(self._labels(shown, 48), width, title=True)
        ax = self._start(ax, (width, 2.1 * rows + 0.4 + 1.4 * for_legend))
        self.panels_, self.lines_, self.errors_ = {}, {}, {}
        self.note_ = self.legend_ = None
        if not shown:
            ax.set(xticks=[], yticks=[])
            self.note_ = note_on(ax, "nothing to draw")
            return self
        width, height = size_of(ax)
        labels = self._fitting_labels(shown, width, 0.4 * height)
        *panels, below = panels_in(
            ax,
            len(shown),
            columns,
            xlabel="suppressed components" if width > 1.7 * columns else "suppressed",
            ylabel="ΔProb (%)",
            legend=legend_height(labels, width, title=True),
        )
        self.panels_ = dict(zip(shown, panels, strict=True))
        for n, panel in self.panels_.items():
            self._draw_panel(panel, n)
        self.legend_ = legend_of_looks(below, labels, width, title=title)
        return self

    def _has(self, name: str, n: int) -> bool:
        return self.counts[name][n] > 0 and bool(np.isfinite(self.curves[name][n]).any())

    def _labels(self, shown: list[int], most: int) -> list[str]:
        return [
            f"{short(name, most)} ({', '.join(str(counts.get(n, 0)) for n in shown)})"
            for name, counts in self.counts.items()
        ]

    def _fitting_labels(self, shown: list[int], width: float, height: float) -> list[str]:
        """Return the entries of the legend, shortened if the legend is too high."""
        labels = self._labels(shown, 48)
        for most in (30, 20, 14):
            shorter = self._labels(shown, most)
            names = {short(name, most) for name in self.curves}
            if legend_height(labels, width, title=True) <= height or len(names) < len(self.curves):
                break  # names must stay distinct
            labels = shorter
        return labels

    def _draw_panel(self, panel: Axes, n: int) -> None:
        panel.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
        for k, name in enumerate(self.curves):
            if n not in self.curves[name] or not self._has(name, n):
                continue
            values = np.append(0.0, self.curves[name][n])
            style: Style = {"linewidth": 1.4, "markersize": 4.5, "zorder": 3 + 0.01 * k, **look(k)}
            (self.lines_[n, name],) = panel.plot(np.arange(n + 1), values, **style)
            half = self.errors.get(name, {}).get(n)
            if half is not None:
                known = np.flatnonzero(np.isfinite(half) & np.isfinite(values[1:]))
                ends = values[known + 1] - half[known], values[known + 1] + half[known]
                thin: Style = {"linewidth": 1.0, "alpha": 0.7, "zorder": 2}
                self.errors_[n, name] = panel.vlines(
                    known + 1.0, *ends, color=look(k)["color"], **thin
                )
        panel.set_title(f"n = {n}", fontsize="medium")
        panel.set_xlim(-0.3, n + 0.3)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _checked(what: str, curves: Mapping[str, Mapping[int, ArrayLike]]) -> _Curves:
    """Check that every curve has as many values as components."""
    checked: _Curves = {}
    for name, by_n in curves.items():
        checked[name] = {}
        for n, values in by_n.items():
            if n != int(n) or n < 1:
                raise ValueError(f"a number of components must be 1 or more, got {n!r}.")
            checked[name][int(n)] = drops_in_percent(
                values, f"the {what} of {name!r} for n = {n}", int(n)
            )
    return checked
