"""SuppressionDisplay: dProb of one fact by the number of suppressed components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import Style, drops_in_percent, legend_below, look, note_on, short

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN

__all__ = ["SuppressionDisplay"]

_SPREAD = 0.15  # largest shift of points of one size, so that they do not overlap


class SuppressionDisplay(Display):
    """dProb against the number of suppressed components of one fact.

    The line is the mean over all subsets of a size; faint points are the subsets, side by side.
    All curves start at 0, with nothing suppressed.

    Parameters
    ----------
    curve : array-like, shape (n,)
        Mean dProb with 1, ..., n components suppressed. Values that are not finite are left out and
        counted in the legend.
    sizes : array-like of int, shape (m,), optional
        Number of components in each subset, from 1 to n.
    drops : array-like, shape (m,), optional
        dProb of each subset.
    controls : dict of str to array-like, shape (n,), optional
        Further curves by name, for example of random neurons.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, in per cent.
    points_ : matplotlib PathCollection
        The subsets.
    controls_ : dict of str to matplotlib Line2D
        The further curves.
    note_ : matplotlib Text or None
        A remark on missing values.
    {legend_}

    See Also
    --------
    neurotopo.plots.suppression_grid.SuppressionGridDisplay : Means over facts, by method.

    Examples
    --------
    >>> from neurotopo.plots.suppression import SuppressionDisplay
    >>> display = SuppressionDisplay.from_arrays([0.1, 0.7], controls={"random": [0.0, 0.1]})
    >>> display.line_.get_ydata().tolist()
    [0.0, 10.0, 70.0]
    """

    def __init__(
        self,
        curve: ArrayLike,
        *,
        sizes: ArrayLike | None = None,
        drops: ArrayLike | None = None,
        controls: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self.curve = drops_in_percent(curve, "curve")
        n = len(self.curve)
        if (sizes is None) != (drops is None):
            raise ValueError("sizes and drops describe the same subsets: give both or neither.")
        self.drops = drops_in_percent(() if drops is None else drops, "drops")
        self.sizes = _sizes(() if sizes is None else sizes, len(self.drops), n)
        self.controls = {
            name: drops_in_percent(values, f"the control {name!r}", n)
            for name, values in (controls or {}).items()
        }

    @classmethod
    def from_dkn(
        cls, dkn: DKN, controls: Mapping[str, ArrayLike] | None = None, ax: Any = None
    ) -> SuppressionDisplay:
        """Draw the curve of a fact.

        Parameters
        ----------
        dkn : DKN
            Result of :meth:`neurotopo.DKNFinder.find`.
        controls : dict of str to array-like, shape (n,), optional
            Further curves by name.
        """
        from neurotopo.knowledge.dkn import DKN

        if not isinstance(dkn, DKN):
            raise TypeError(f"{cls.__name__}.from_dkn needs a DKN, got {type(dkn).__name__}.")
        subsets = dkn.suppression
        display = cls(dkn.curve, sizes=subsets.sizes, drops=subsets.drops, controls=controls)
        return display.plot(ax=ax)

    from_arrays = constructor("Draw a curve that is given as numbers.")

    def plot(self, ax: Any = None) -> SuppressionDisplay:
        """Draw the curves."""
        ax = self._start(ax)
        ax.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
        drawn = np.isfinite(self.drops)
        x, color = self.sizes + _aside(self.sizes), look(0)["color"]
        faint: Style = {"s": 14, "alpha": 0.35, "linewidths": 0, "zorder": 2}
        self.points_ = ax.scatter(x[drawn], self.drops[drawn], color=color, **faint)
        self.controls_ = {
            name: _curve(ax, values, k + 1, linewidth=1.2, markersize=4.5)
            for k, (name, values) in enumerate(self.controls.items())
        }
        self.line_ = _curve(ax, self.curve, 0, linewidth=2.0, markersize=6)
        n = len(self.curve)
        ax.set_xlim(-0.3, max(n, 1) + 0.3)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="number of suppressed components", ylabel="ΔProb (%)")
        entries = {"mean over subsets": self.line_}
        if drawn.any():
            entries["one subset"] = self.points_
        names = [*entries, *(short(name) for name in self.controls_)]
        handles = [*entries.values(), *self.controls_.values()]
        self.legend_ = legend_below(ax, handles, names)
        self.note_ = self._draw_note()
        return self

    def _draw_note(self) -> Any:
        if len(self.curve) == 0:
            return note_on(self.ax_, "no components")
        values = (self.curve, self.drops, *self.controls.values())
        left_out = sum(int(np.isnan(each).sum()) for each in values)
        if np.isnan(self.curve).all():
            return note_on(self.ax_, "the curve is undefined")
        if not left_out:
            return None
        text = f"{left_out} without a finite value left out"
        self.legend_.set_title(text, prop={"size": "small"})
        return self.legend_.get_title()


def _curve(ax: Axes, values: NDArray[np.float64], k: int, **options: Any) -> Any:
    """Draw a curve that starts at 0 with nothing suppressed."""
    x, y = np.arange(len(values) + 1), np.append(0.0, values)
    (line,) = ax.plot(x, y, zorder=4 if k == 0 else 3, **look(k), **options)
    return line


def _sizes(sizes: ArrayLike, m: int, n: int) -> NDArray[np.int64]:
    """Check the sizes of subsets."""
    given = np.asarray(sizes, dtype=np.float64)
    if given.shape != (m,):
        raise ValueError(f"sizes must have shape ({m},) as drops has, got {given.shape}.")
    wrong = ~((given >= 1) & (given <= n) & (given == np.rint(given)))
    if wrong.any():
        raise ValueError(f"sizes must be whole numbers from 1 to {n}, got {given[wrong][0]:g}.")
    return given.astype(np.int64)


def _aside(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return horizontal shifts of points, 0 for a single point of a size."""
    aside = np.zeros(len(sizes))
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        if len(same) > 1:
            aside[same] = np.linspace(-_SPREAD, _SPREAD, len(same))
    return aside
