"""SweepDisplay: a value for every pair of two thresholds."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._cells import SMALLEST, hatch_missing, write_numbers
from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import heat_map, short, size_of

__all__ = ["SweepDisplay"]


class SweepDisplay(Display):
    """Heat-map of a value over two thresholds, with the numbers in the cells.

    Rows are values of the first threshold, from bottom to top, columns those of the second. Cells
    with nan are hatched. Numbers too small to read are omitted; a new figure has room for 20 rows
    and columns.

    Parameters
    ----------
    values : array-like, shape (n_rows, n_columns)
        The values, finite or nan.
    tau1 : array-like, shape (n_rows,)
        First threshold.
    tau2 : array-like, shape (n_columns,)
        Second threshold.
    name : str, default="value"
        Name of the values.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The cells.
    missing_ : matplotlib PatchCollection
        The hatched cells.
    texts_ : list of matplotlib Text
        The numbers, row by row.
    colorbar_ : matplotlib Colorbar
        The colour bar.

    Examples
    --------
    >>> from neurotopo.plots.sweep import SweepDisplay
    >>> display = SweepDisplay.from_values(
    ...     [[0.1, 0.25], [float("nan"), 0.5]], [0.2, 0.3], [0.7, 0.8], name="share of facts"
    ... )
    >>> [text.get_text() for text in display.texts_]
    ['0.1', '0.25', '0.5']
    >>> len(display.missing_.get_paths())
    1
    """

    def __init__(
        self, values: ArrayLike, tau1: ArrayLike, tau2: ArrayLike, *, name: str = "value"
    ) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        if self.values.ndim != 2 or self.values.size == 0:
            raise ValueError(
                f"values must have shape (n_rows, n_columns), got {self.values.shape}."
            )
        rows, columns = self.values.shape
        self.tau1 = _thresholds("tau1", tau1, rows, "row")
        self.tau2 = _thresholds("tau2", tau2, columns, "column")
        for row, column in np.argwhere(np.isinf(self.values)):
            at = f"tau1 = {self.tau1[row]:g}, tau2 = {self.tau2[column]:g}"
            raise ValueError(f"the value at {at} is {self.values[row, column]}.")
        self.name = name

    from_values = constructor("Draw the values of a sweep.")

    def plot(
        self, ax: Any = None, *, number_format: str = ".3g", cmap: Any = "viridis"
    ) -> SweepDisplay:
        """Draw the heat-map.

        Parameters
        ----------
        number_format : str, default=".3g"
            Format of the numbers in the cells.
        """
        rows, columns = self.values.shape
        width, height = np.clip([0.5 * columns + 2, 0.35 * rows + 1.5], [4, 3], [14, 10])
        ax = self._start(ax, (float(width), float(height)))
        known = np.isfinite(self.values)
        shown = np.ma.masked_invalid(self.values)
        self.image_ = heat_map(ax, shown, cmap, _norm(self.values[known]))
        self.missing_ = hatch_missing(ax, known)
        self._name_rows_and_columns()
        self.texts_ = write_numbers(ax, self.image_, self.values, number_format)
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax)
        letters = int(72 * size_of(ax)[1] / 6)  # that fit beside the colours
        self.colorbar_.set_label(fill(short(self.name, 2 * letters), letters))
        if not known.any():
            self.colorbar_.set_ticks([])
        return self

    def _name_rows_and_columns(self) -> None:
        ax = self.ax_
        width, height = size_of(ax)
        for axis, values, length in ((ax.xaxis, self.tau2, width), (ax.yaxis, self.tau1, height)):
            every = max(1, -(-len(values) * 5 // int(72 * length)))  # names need 5 points each
            names = [f"{value:.4g}" for value in values[::every]]
            room = 72 * 0.9 * length * every / len(values)
            size = float(np.clip(0.75 * room, SMALLEST, 10))
            axis.set_ticks(range(0, len(values), every), names, fontsize=size)
            if axis is ax.xaxis and max(map(len, names)) * 0.65 * size > 0.8 * room:
                ax.tick_params(axis="x", labelrotation=90)
        ax.tick_params(length=0)
        ax.set(xlabel=r"$\tau_2$", ylabel=r"$\tau_1$")


def _thresholds(name: str, values: ArrayLike, n: int, what: str) -> NDArray[np.float64]:
    """Check that there is one threshold per row or column."""
    thresholds = np.asarray(values, dtype=np.float64)
    if thresholds.shape != (n,):
        raise ValueError(
            f"{name} must have one value per {what}, {n}, got shape {thresholds.shape}."
        )
    if not np.isfinite(thresholds).all():
        raise ValueError(f"{name} must be finite, got {thresholds[~np.isfinite(thresholds)][0]}.")
    return thresholds


def _norm(values: NDArray[np.float64]) -> Normalize:
    """Return the range of colours, never empty."""
    if len(values) == 0:
        return Normalize(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low == high:
        half = max(abs(low), 1.0) / 2
        return Normalize(low - half, high + half)
    return Normalize(low, high)
