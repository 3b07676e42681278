"""Several named things in one picture: their looks, their names, and a legend below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._palette import OKABE_ITO

__all__ = [
    "columns_for",
    "drops_in_percent",
    "grid_in_place_of",
    "legend_below",
    "look",
    "note_on",
    "short",
    "size_of",
]

# Black in the place of yellow, which is weak as a thin line on white. The numbers of colours and
# of markers have no common divisor: 56 things look different before any pair comes again.
_COLORS = (*OKABE_ITO[:6], "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_LETTER = 0.52  # mean width of a letter, in font sizes
_LARGEST = 1e300  # greater ones are as good as infinite: axes around them overflow


def look(k: int) -> dict[str, Any]:
    """Return colour, marker and dash of the k-th thing."""
    return {
        "color": _COLORS[k % len(_COLORS)],
        "marker": _MARKERS[k % len(_MARKERS)],
        "linestyle": _DASHES[k // len(_COLORS) % len(_DASHES)],
    }


def short(name: Any, most: int = 48) -> str:
    """Return a name for a picture: no formula, and cut in its middle where it is long.

    The end is kept, as long names often differ there only.
    """
    text = " ".join(str(name).split())
    if len(text) > most:
        tail = (most - 1) // 3
        text = f"{text[: most - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"
    return text.replace("$", r"\$")


def drops_in_percent(values: ArrayLike, what: str, n: int | None = None) -> NDArray[np.float64]:
    """Check a curve of dProb; in per cent, with nan for whatever can not be drawn."""
    drops = np.asarray(values, dtype=np.float64)
    if drops.ndim != 1 or (n is not None and len(drops) != n):
        wanted = "(n,)" if n is None else f"({n},)"
        raise ValueError(f"{what} must have shape {wanted}, got {drops.shape}.")
    return np.where(np.abs(drops) < _LARGEST / 100, drops, np.nan) * 100


def size_of(ax: Axes) -> tuple[float, float]:
    """Return about how wide and high axes are, in inches.

    Layout comes later, when the figure is drawn; it leaves narrower margins than there are now.
    """
    assert ax.figure is not None
    wider = 1.0 if ax.figure.get_layout_engine() is None else 1.15
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    return float(box.width) * wider, float(box.height)


def grid_in_place_of(
    ax: Axes, rows: int, columns: int, ratios: Sequence[float] | None = None, hspace: float = 0.6
) -> Any:
    """Return places for panels where axes are; ``ratios`` are the heights of the rows."""
    spec = ax.get_subplotspec()
    if spec is not None:
        return GridSpecFromSubplotSpec(rows, columns, spec, height_ratios=ratios)
    box = ax.get_position()  # axes at free positions
    figure: Any = ax.figure
    return GridSpec(
        rows,
        columns,
        figure,
        left=box.x0,
        right=box.x1,
        bottom=box.y0,
        top=box.y1,
        height_ratios=ratios,
        hspace=hspace,
    )


def columns_for(labels: Sequence[str], width: float, fontsize: float) -> int:
    """Return how many columns of a legend fit into a width in inches."""
    longest = max((len(label) for label in labels), default=0)
    column = (longest * _LETTER + 5) * fontsize / 72  # 5: the line before the text, and space
    return int(np.clip(width / column, 1, max(len(labels), 1)))


def legend_below(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> Any:
    """Draw a legend below the label of the axis, where it covers nothing, a title neither."""
    assert ax.figure is not None
    shift = ScaledTranslation(0, -42 / 72, ax.figure.dpi_scale_trans)
    return ax.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + shift,
        borderaxespad=0.0,
        fontsize="small",
        frameon=False,
        ncols=columns_for(labels, size_of(ax)[0], 8.5),
    )


def note_on(ax: Axes, text: str) -> Any:
    """Write a remark into the middle of axes."""
    return ax.annotate(
        text,
        (0.5, 0.5),
        xycoords="axes fraction",
        va="center",
        ha="center",
        color="0.3",
        zorder=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
    )
