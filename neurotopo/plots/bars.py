"""BarsDisplay: means with their intervals, a bar per thing, coloured by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay
from neurotopo.plots._series import legend_below, look, short

__all__ = ["BarsDisplay"]

_HATCHES = ("", "///", "...")  # for kinds of the same colour
_N_COLORS = 7


class BarsDisplay(MeanDisplay):
    """Horizontal bars with intervals, and the number of facts behind each.

    The first bar is uppermost. A row without a value (nan) reads "no value"; one without bounds
    has no interval.

    Parameters
    ----------
    names : sequence of str, length m
        Names of the bars.
    value, low, high : array-like, shape (m,)
        Means and the bounds of their intervals; nan where there is none.
    n : array-like of int, shape (m,)
        Number of facts.
    kinds : sequence of str, length m, optional
        Kind of each bar. Each kind has one colour and an entry in the legend.
    order : sequence of str, optional
        All possible kinds, so that each has the same colour in several pictures. None: the kinds
        present, in order of appearance.
    {label}

    Attributes
    ----------
    bars_ : list of matplotlib Rectangle
        The bars; number k is at height k, and heights grow downwards.
    intervals_ : matplotlib LineCollection
        The intervals.
    texts_ : list of matplotlib Text
        n of each bar.
    {notes_}
    {legend_}

    Examples
    --------
    >>> from neurotopo.plots.bars import BarsDisplay
    >>> numbers = [0.4, 1.0], [0.3, 1.0], [0.5, 1.0]
    >>> kinds = ["distance", "aggregation"]
    >>> display = BarsDisplay.from_arrays(["signed", "max"], *numbers, n=[40, 38], kinds=kinds)
    >>> [float(bar.get_width()) for bar in display.bars_]
    [0.4, 1.0]
    """

    value: NDArray[np.float64]

    def __init__(
        self,
        names: Sequence[str],
        value: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        *,
        n: ArrayLike,
        kinds: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
        label: str = "mean",
    ) -> None:
        self._take_rows(names, {"value": value, "low": low, "high": high}, n, "facts")
        self.label = label
        self.kinds = None if kinds is None else list(kinds)
        if self.kinds is not None and len(self.kinds) != len(self.names):
            raise ValueError(f"kinds must be {len(self.names)}, one per name.")
        present = dict.fromkeys(self.kinds or ())
        self.order = list(present if order is None else dict.fromkeys(order))
        for kind in present:
            if kind not in self.order:
                raise ValueError(f"the kind {kind!r} is not in order.")

    from_arrays = constructor("Draw means that are given as numbers.")

    def plot(self, ax: Any = None) -> BarsDisplay:
        """Draw the bars."""
        ax = self._start_rows(ax, each=0.3, around=1.6)
        rows, means = np.arange(len(self.names)), self._means
        of_row = [self.order.index(kind) for kind in self.kinds] if self.kinds else [0] * len(rows)
        widths = np.where(means.known, means.mean, 0.0)
        self.bars_ = list(ax.barh(rows, widths, height=0.7, zorder=2))
        for bar, kind in zip(self.bars_, of_row, strict=True):
            bar.set(**_style(kind))
        for color, width, zorder in (("white", 3.2, 2.5), ("black", 1.4, 3)):  # seen on dark bars
            bars: dict[str, Any] = {"color": color, "linewidth": width, "zorder": zorder}
            _, self.intervals_ = means.draw(ax, rows, {"linestyle": "none"}, across=True, **bars)
        ax.axvline(0.0, color="0.5", linewidth=1.0, zorder=1)
        if not means.known.any():
            ax.set_xlim(0.0, 1.0)
        self.texts_ = [texts[0] for texts in self._set_rows()]
        self.legend_ = None
        if self.kinds:
            shown = sorted(set(of_row))
            handles = [Rectangle((0, 0), 1, 1, **_style(kind)) for kind in shown]
            self.legend_ = legend_below(ax, handles, [short(self.order[k]) for k in shown])
        return self


def _style(kind: int) -> dict[str, Any]:
    """Return the look of the bars of a kind."""
    hatch = _HATCHES[kind // _N_COLORS % len(_HATCHES)]
    color = look(kind)["color"]
    return {"facecolor": color, "edgecolor": "white", "linewidth": 0, "hatch": hatch}
