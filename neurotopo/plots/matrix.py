"""MatrixDisplay: a number for every pair of names."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import ArrayLike

from neurotopo.plots._cells import SMALLEST, hatch_missing, write_numbers
from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import heat_map, note_on, short, size_of

__all__ = ["MatrixDisplay"]


class MatrixDisplay(Display):
    """Heat-map with names of rows and columns, and the numbers in the cells.

    The first row is uppermost. Colours are symmetric around 0. Cells with nan are hatched. Numbers
    too small to read are omitted.

    Parameters
    ----------
    values : array-like, shape (n_rows, n_columns)
        The values, finite or nan.
    rows, columns : sequence of str
        Names of the rows and columns.
    limit : float, optional
        Absolute value of the strongest colours; larger values have the same. None: the largest.
    {label}

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
    {note_}

    Examples
    --------
    >>> from neurotopo.plots.matrix import MatrixDisplay
    >>> display = MatrixDisplay.from_values([[0.5, -0.25]], ["A"], ["rho", "overlap"])
    >>> [text.get_text() for text in display.texts_]
    ['0.5', '-0.25']
    """

    def __init__(
        self,
        values: ArrayLike,
        rows: Sequence[str],
        columns: Sequence[str],
        *,
        limit: float | None = None,
        label: str = "",
    ) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        self.rows, self.columns, self.label = list(rows), list(columns), label
        shape = (len(self.rows), len(self.columns))
        if self.values.shape != shape or not self.values.size:
            raise ValueError(f"values must have shape {shape} and a cell, got {self.values.shape}.")
        for row, column in np.argwhere(np.isinf(self.values)):
            at = f"{self.rows[row]!r}, {self.columns[column]!r}"
            raise ValueError(f"the value at {at} is {self.values[row, column]}.")
        if limit is not None and not 0 < limit < np.inf:
            raise ValueError(f"limit must be a number above 0, got {limit}.")
        self.limit = limit

    from_values = constructor("Draw values of pairs of names.")

    def plot(
        self, ax: Any = None, *, number_format: str = ".2g", cmap: Any = "RdBu_r"
    ) -> MatrixDisplay:
        """Draw the heat-map.

        Parameters
        ----------
        number_format : str, default=".2g"
            Format of the numbers in the cells.
        cmap : str or Colormap, default="RdBu_r"
            Colours; the middle one is 0.
        """
        n_rows, n_columns = self.values.shape
        width, height = np.clip([0.8 * n_columns + 2, 0.45 * n_rows + 1.5], [4, 3], [14, 10])
        ax = self._start(ax, (float(width), float(height)))
        known = np.isfinite(self.values)
        most = self.limit or float(np.abs(self.values[known]).max(initial=0.0)) or 1.0
        shown = np.ma.masked_invalid(self.values)
        self.image_ = heat_map(ax, shown, cmap, Normalize(-most, most))
        self.missing_ = hatch_missing(ax, known)
        ax.set_ylim(n_rows - 0.5, -0.5)
        width, height = size_of(ax)
        for axis, names, length in (
            (ax.xaxis, self.columns, 0.75 * width),
            (ax.yaxis, self.rows, height),
        ):
            room = 72 * length / len(names)
            every = max(1, int(np.ceil(1.4 * SMALLEST / room)))
            size = float(np.clip(0.7 * room * every, SMALLEST, 9.5))
            letters = max(int(room * every / (0.6 * size)), 6) if axis is ax.xaxis else 24
            texts = [fill(short(name, 2 * letters), letters) for name in names[::every]]
            axis.set_ticks(range(0, len(names), every), texts, fontsize=size)
        ax.tick_params(length=0)
        self.texts_ = write_numbers(ax, self.image_, self.values, number_format)
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax)
        self.colorbar_.set_label(short(self.label, max(int(72 * height / 6), 8)))
        self.note_ = None
        if not known.any():
            self.colorbar_.set_ticks([])
            self.note_ = note_on(ax, "no value")
        return self
