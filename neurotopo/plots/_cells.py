"""Cells of heat-maps: numbers written into them, and those without a value."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from neurotopo.plots._series import Style, size_of

__all__ = ["SMALLEST", "hatch_missing", "write_numbers"]

LARGEST, SMALLEST = 9.0, 4.0
"""Sizes of the numbers in points; smaller ones are omitted."""


def hatch_missing(ax: Axes, known: NDArray[np.bool_]) -> PatchCollection:
    """Hatch the cells without a value."""
    cells = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in np.argwhere(~known)]
    hatched: Style = {"facecolor": "none", "edgecolor": "0.6", "hatch": "////"}
    missing = PatchCollection(cells, linewidth=0.0, **hatched)
    ax.add_collection(missing, autolim=False)
    return missing


def write_numbers(
    ax: Axes, image: Any, values: NDArray[np.float64], number_format: str
) -> list[Any]:
    """Write the finite values into the cells, unless they are too small to read."""
    texts = {
        (int(row), int(column)): format(values[row, column], number_format)
        for row, column in np.argwhere(np.isfinite(values))
    }
    width, height = size_of(ax)
    rows, columns = values.shape
    longest = max((len(text) for text in texts.values()), default=1)
    # the colour bar and the labels of the axes take a third of the width
    size = min(72 * 0.65 * width / columns / (0.65 * longest), 72 * height / rows / 1.5)
    if size < SMALLEST:
        return []
    written = []
    for (row, column), text in texts.items():
        shade = image.cmap(image.norm(values[row, column]))
        bright = float(np.dot(shade[:3], (0.299, 0.587, 0.114)))
        style: Style = {"ha": "center", "va": "center", "fontsize": min(size, LARGEST)}
        color = "black" if bright > 0.5 else "white"
        written.append(ax.text(column, row, text, color=color, **style))
    return written
