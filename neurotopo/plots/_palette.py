"""Colours that are distinct with colour vision deficiencies, and legends of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

__all__ = ["OKABE_ITO", "UNCLUSTERED", "colors_of", "lighter", "swatches"]

# Okabe and Ito's palette without its black; yellow, weak on white, comes last
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
UNCLUSTERED = "#9A9A9A"


def _cycle() -> NDArray[np.float64]:
    """Return the palette with darker and paler tones: 21 distinct colours."""
    base = np.array([to_rgb(color) for color in OKABE_ITO])
    return np.vstack([base, 0.55 * base, 0.5 + 0.5 * base])


def colors_of(labels: ArrayLike) -> NDArray[np.float64]:
    """Return one RGB row per label; negative labels are grey."""
    values = np.asarray(labels, dtype=np.intp)
    cycle = _cycle()
    rows = cycle[values % len(cycle)]
    rows[values < 0] = to_rgb(UNCLUSTERED)
    return rows


def lighter(colors: ArrayLike, amount: float) -> NDArray[np.float64]:
    """Mix colours with white. Unlike with transparency, overlaps keep the tone."""
    rows = np.asarray(colors, dtype=np.float64)
    return rows + (1.0 - rows) * amount


def swatches(
    labels: Sequence[int], names: Sequence[str], *, marker: str = "o", most: int = 8
) -> list[Any]:
    """Return legend entries for the first labels, and one with the number of the others."""
    entries = []
    for label, name in list(zip(labels, names, strict=True))[:most]:
        (color,) = colors_of([label])
        entries.append(
            Line2D([], [], color=tuple(color), marker=marker, linestyle="none", label=name)
        )
    if len(labels) > most:
        entries.append(Line2D([], [], linestyle="none", label=f"and {len(labels) - most} more"))
    return entries
