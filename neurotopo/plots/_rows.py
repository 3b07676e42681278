"""Pictures with a row for each of several named things: their axes, names and missing values."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import short, size_of

__all__ = ["axes_of_rows", "column", "font_of_rows", "label_below", "no_values"]


def axes_of_rows(ax: Any, m: int, *, each: float, around: float) -> Axes:
    """Return axes for m rows, in a new figure as high as they need if none are given."""
    if ax is None:
        import matplotlib.pyplot as plt

        size = (6.4, float(np.clip(each * m + around, around + 0.7, 14.0)))
        ax = plt.figure(figsize=size, layout="constrained").add_subplot()
    return axes_for(ax)


def column(what: str, values: ArrayLike, m: int) -> NDArray[np.float64]:
    """Check that there is a number for each of m names, or nan."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (m,):
        raise ValueError(f"{what} must have one value per name, {m}, got shape {numbers.shape}.")
    if np.isinf(numbers).any():
        raise ValueError(f"{what} must be finite or nan, got {numbers[np.isinf(numbers)][0]}.")
    return numbers


def font_of_rows(ax: Axes, m: int) -> float:
    """Set limits for m rows from the top; return the size of letters, in points, that fits."""
    ax.set_ylim(max(m, 1) - 0.4, -0.6)
    return float(np.clip(0.7 * 72 * size_of(ax)[1] / max(m, 1), 4.0, 10.0))


def label_below(ax: Axes, label: str) -> None:
    """Say what the horizontal axis is, in as many lines as it takes."""
    letters = max(int(72 * size_of(ax)[0] / 6), 20)  # that fit below the axes
    ax.set_xlabel(fill(short(label, 2 * letters), letters))


def no_values(ax: Axes, rows: Iterable[int], font: float) -> list[Any]:
    """Write into rows that there is no value."""
    return [
        ax.annotate(
            "no value",
            (0.5, row),
            xycoords=ax.get_yaxis_transform(),
            ha="center",
            va="center",
            fontsize=font,
            color="0.4",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
        for row in rows
    ]
