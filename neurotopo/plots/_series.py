"""Shared parts of pictures: looks of series, names, panels, legends and artists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._palette import OKABE_ITO

__all__ = [
    "LARGEST",
    "Style",
    "check_same_layers",
    "columns_for",
    "drops_in_percent",
    "grid_in_place_of",
    "heat_map",
    "legend_below",
    "legend_height",
    "legend_of_looks",
    "look",
    "note_on",
    "panels_in",
    "segments_on",
    "shape_for",
    "short",
    "size_of",
]

# Black replaces yellow, which is weak as a thin line on white. The numbers of colours and markers
# have no common divisor: there are 56 different pairs.
_COLORS = (*OKABE_ITO[:6], "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_LETTER = 0.52  # mean width of a letter, in font sizes
_FONT = 8.5  # of legends, in points
Style = dict[str, Any]
LARGEST = 1e300  # greater numbers count as infinite: axes around them overflow


def look(k: int) -> dict[str, Any]:
    """Return colour, marker and dash of the k-th series."""
    return {
        "color": _COLORS[k % len(_COLORS)],
        "marker": _MARKERS[k % len(_MARKERS)],
        "linestyle": _DASHES[k // len(_COLORS) % len(_DASHES)],
    }


def short(name: Any, most: int = 48) -> str:
    """Return a name without formulas; a long one is cut in the middle: ends often differ."""
    text = " ".join(str(name).split())
    if len(text) > most:
        tail = (most - 1) // 3
        text = f"{text[: most - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"
    return text.replace("$", r"\$")


def check_same_layers(what: str, values: Mapping[str, NDArray[Any]]) -> None:
    """Check that all arrays have the same number of layers."""
    layers = {len(each): name for name, each in values.items()}
    if len(layers) > 1:
        (one, first), (other, second) = list(layers.items())[:2]
        raise ValueError(
            f"all {what} must have the same layers: {first!r} has {one}, {second!r} has {other}."
        )


def drops_in_percent(values: ArrayLike, what: str, n: int | None = None) -> NDArray[np.float64]:
    """Check a curve of dProb; return per cent, with nan for values that cannot be drawn."""
    drops = np.asarray(values, dtype=np.float64)
    if drops.ndim != 1 or (n is not None and len(drops) != n):
        wanted = "(n,)" if n is None else f"({n},)"
        raise ValueError(f"{what} must have shape {wanted}, got {drops.shape}.")
    return np.where(np.abs(drops) < LARGEST / 100, drops, np.nan) * 100


def size_of(ax: Axes) -> tuple[float, float]:
    """Return approximate width and height of axes, in inches."""
    assert ax.figure is not None
    # the final layout, made when the figure is drawn, has narrower margins
    wider = 1.0 if ax.figure.get_layout_engine() is None else 1.15
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    return float(box.width) * wider, float(box.height)


def grid_in_place_of(
    ax: Axes, rows: int, columns: int, ratios: Sequence[float] | None = None, **spacing: float
) -> Any:
    """Return places for panels where axes are; ``ratios`` are the heights of the rows."""
    spec, figure = ax.get_subplotspec(), ax.figure
    if spec is not None:
        return GridSpecFromSubplotSpec(rows, columns, spec, height_ratios=ratios, **spacing)
    box = ax.get_position()  # axes at free positions
    edges = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
    return GridSpec(rows, columns, figure, height_ratios=ratios, **edges, **spacing)  # type: ignore[arg-type]


def panels_in(
    ax: Axes,
    n: int,
    columns: int | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    legend: float = 0.0,
    hspace: float = 0.6,
    sharex: bool = False,
) -> list[Axes]:
    """Put ``n`` panels in the place of axes, which become invisible.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes.
    n : int
        Number of panels. They share the vertical axis, with ``sharex`` the horizontal one too.
    columns : int, optional
        Largest number of panels in a row. None: all.
    xlabel, ylabel : str
        Labels of the lowest panels, and of the leftmost.
    legend : float
        Height in inches of invisible axes for a legend, returned after the panels; 0: none.
    hspace : float
        Space between rows, if the axes are at a free position.
    sharex : bool
        See ``n``.
    """
    columns = columns or n
    rows = -(-n // columns)
    height = size_of(ax)[1]
    legend = min(legend, 0.6 * height)
    ratios = [*[(height - legend) / rows] * rows, legend] if legend else None
    ax.set_axis_off()
    spacing = {"hspace": hspace} if ax.get_subplotspec() is None else {}  # else the layout's
    grid = grid_in_place_of(ax, rows + bool(legend), columns, ratios, **spacing)
    figure: Any = ax.figure
    panels: list[Axes] = []
    for k in range(n):
        first = panels[0] if panels else None
        place = grid[divmod(k, columns)]
        panel = figure.add_subplot(place, sharex=first if sharex else None, sharey=first)
        panel.tick_params(labelleft=k % columns == 0)
        panel.set_ylabel("" if k % columns else ylabel)
        panel.set_xlabel(xlabel if k + columns >= n else "")
        panels.append(panel)
    if legend:
        panels.append(figure.add_subplot(grid[rows, :]))
        panels[-1].set_axis_off()
    return panels


def shape_for(n: int) -> tuple[int, int]:
    """Return rows and columns of n panels, at most four in a row."""
    rows = max(-(-n // 4), 1)
    return rows, max(-(-n // rows), 1)


def columns_for(labels: Sequence[str], width: float, fontsize: float = _FONT) -> int:
    """Return the number of columns of a legend that fit into a width in inches."""
    longest = max((len(label) for label in labels), default=0)
    column = (longest * _LETTER + 5) * fontsize / 72  # 5: the line before the text, and space
    return int(np.clip(width / column, 1, max(len(labels), 1)))


def legend_height(labels: Sequence[str], width: float, *, title: bool = False) -> float:
    """Return the height in inches of a legend of a width in inches."""
    lines = -(-len(labels) // columns_for(labels, width))
    return ((lines + 1.5) * 1.6 if title else (lines + 0.5) * 1.7) * _FONT / 72


def _legend(
    ax: Axes, handles: Sequence[Any], labels: Sequence[str], width: float, **options: Any
) -> Any:
    options |= {"loc": "upper center", "borderaxespad": 0.0, "frameon": False}
    return ax.legend(handles, labels, ncols=columns_for(labels, width), **options)


def legend_of_looks(
    ax: Axes,
    labels: Sequence[str],
    width: float,
    style: Mapping[str, Any] | None = None,
    title: str | None = None,
) -> Any:
    """Draw a legend of the looks 0, 1, ... into axes made for it."""
    style = style or {"markersize": 5}
    handles = [Line2D([], [], **{**look(k), **style}) for k in range(len(labels))]
    fonts = {"fontsize": _FONT, "title_fontsize": _FONT}
    return _legend(ax, handles, labels, width, title=title, **fonts)


def legend_below(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> Any:
    """Draw a legend below the label of the horizontal axis, where it covers nothing."""
    assert ax.figure is not None
    shift = ScaledTranslation(0, -42 / 72, ax.figure.dpi_scale_trans)
    below = {"bbox_to_anchor": (0.5, 0.0), "bbox_transform": ax.transAxes + shift}
    return _legend(ax, handles, labels, size_of(ax)[0], fontsize="small", **below)


def note_on(ax: Axes, text: str) -> Any:
    """Write a remark into the middle of axes."""
    box: Style = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
    style: Style = {"va": "center", "ha": "center", "color": "0.3", "zorder": 9, "bbox": box}
    return ax.annotate(text, (0.5, 0.5), xycoords="axes fraction", **style)


def heat_map(ax: Axes, values: Any, cmap: Any, norm: Any, **options: Any) -> Any:
    """Draw a heat-map with its first row at the bottom."""
    options |= {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    return ax.imshow(values, cmap=cmap, norm=norm, **options)


def segments_on(ax: Axes, segments: NDArray[np.float64], **style: Any) -> LineCollection:
    """Draw segments, an array of shape (n, 2, 2); the limits of the axes stay."""
    lines = LineCollection(list(segments), **style)
    ax.add_collection(lines, autolim=False)
    return lines
