"""Where the samples of a bare tree are drawn: neighbours in leaf order side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_ON_CIRCLE", "leaf_positions"]

MOST_ON_CIRCLE = 300


def leaf_positions(n: int) -> NDArray[np.float64]:
    """Place n samples in leaf order: on a circle, many of them on a curve that fills a square.

    Either way the members of a cluster are neighbours.

    References
    ----------
    .. [1] D. Hilbert, "Ueber die stetige Abbildung einer Linie auf ein Flächenstück",
       Mathematische Annalen 38, 1891.

    Examples
    --------
    >>> from neurotopo.explore.layout import leaf_positions
    >>> leaf_positions(4).round(1).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]]
    """
    if n <= MOST_ON_CIRCLE:
        angle = 2 * np.pi * np.arange(n) / max(n, 1)
        return np.column_stack([np.sin(angle), np.cos(angle)])
    order = int(np.ceil(np.log2(n) / 2))
    # spread over the whole curve, so that the square is filled
    return _on_curve((np.arange(n) * (4**order / n)).astype(np.int64), order)


def _on_curve(step: NDArray[np.int64], order: int) -> NDArray[np.float64]:
    """Return the cell of each step of Hilbert's curve through 2**order by 2**order cells."""
    x, y = np.zeros_like(step), np.zeros_like(step)
    rest = step.copy()
    for power in range(order):
        side = 2**power
        right = (rest // 2) & 1
        up = (rest ^ right) & 1
        flipped = (up == 0) & (right == 1)
        x[flipped], y[flipped] = side - 1 - x[flipped], side - 1 - y[flipped]
        swapped = up == 0
        x[swapped], y[swapped] = y[swapped], x[swapped]
        x, y = x + side * right, y + side * up
        rest //= 4
    return np.column_stack([x, y]).astype(np.float64)
