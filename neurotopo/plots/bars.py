"""BarsDisplay: means with their intervals, a bar per thing, coloured by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._rows import axes_of_rows, column, font_of_rows, label_below, no_values
from neurotopo.plots._series import legend_below, look, short

__all__ = ["BarsDisplay"]

_HATCHES = ("", "///", "...")  # for kinds whose colour comes again
_N_COLORS = 7


class BarsDisplay:
    """Horizontal bars with intervals, and the number of facts behind each.

    The first is uppermost. One without a value (nan) has no bar and says so; one without bounds
    has no interval.

    It is recommended to use :meth:`from_arrays`.

    Parameters
    ----------
    names : sequence of str, length m
        What each bar is called.
    value, low, high : array-like, shape (m,)
        Means and the bounds of their intervals; nan where there is none.
    n : array-like of int, shape (m,)
        Number of facts.
    kinds : sequence of str, length m, optional
        Of what kind each is; kinds have a colour each and stand in the legend.
    order : sequence of str, optional
        All kinds there may be, so that each has the same colour in several pictures. None: those
        there are, as they come.
    label : str, default="mean"
        What the horizontal axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    bars_ : list of matplotlib Rectangle
        The bars; number k is at height k, and heights grow downwards.
    intervals_ : matplotlib LineCollection
        The intervals.
    texts_ : list of matplotlib Text
        n of each bar.
    notes_ : list of matplotlib Text
        What is written where there is no value.
    legend_ : matplotlib Legend or None
        The kinds; None without them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.bars import BarsDisplay
    >>> display = BarsDisplay.from_arrays(
    ...     ["signed", "max"],
    ...     [0.4, 1.0],
    ...     [0.3, 1.0],
    ...     [0.5, 1.0],
    ...     n=[40, 38],
    ...     kinds=["distance", "aggregation"],
    ... )
    >>> [float(bar.get_width()) for bar in display.bars_]
    [0.4, 1.0]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    bars_: list[Any]
    intervals_: LineCollection
    texts_: list[Any]
    notes_: list[Any]
    legend_: Any

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
        self.names, self.label = list(names), label
        self.kinds = None if kinds is None else list(kinds)
        if self.kinds is not None and len(self.kinds) != len(self.names):
            raise ValueError(f"kinds must be {len(self.names)}, one per name.")
        present = dict.fromkeys(self.kinds or ())
        self.order = list(present if order is None else dict.fromkeys(order))
        for kind in present:
            if kind not in self.order:
                raise ValueError(f"the kind {kind!r} is not in order.")
        self.value, self.low, self.high, self.n = (
            column(what, values, len(self.names))
            for what, values in {"value": value, "low": low, "high": high, "n": n}.items()
        )
        for k, name in enumerate(self.names):
            if self.low[k] > self.high[k]:
                raise ValueError(f"the interval of {name!r} ends before it begins.")
            if not (self.n[k] >= 0 and self.n[k] == np.rint(self.n[k])):
                raise ValueError(f"n of {name!r} is no number of facts: {self.n[k]}.")

    @classmethod
    def from_arrays(
        cls,
        names: Sequence[str],
        value: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        *,
        n: ArrayLike,
        kinds: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
        label: str = "mean",
        ax: Any = None,
    ) -> BarsDisplay:
        """Draw means that are given as numbers.

        Parameters
        ----------
        names, value, low, high, n, kinds, order, label
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : BarsDisplay
        """
        display = cls(names, value, low, high, n=n, kinds=kinds, order=order, label=label)
        return display.plot(ax=ax)

    def plot(self, ax: Any = None) -> BarsDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        self : BarsDisplay
        """
        m = len(self.names)
        self.ax_ = ax = axes_of_rows(ax, m, each=0.3, around=1.6)
        self.figure_ = ax.figure
        rows = np.arange(m)
        known = np.isfinite(self.value)
        of_row = [self.order.index(kind) for kind in self.kinds] if self.kinds else [0] * m
        drawn = ax.barh(
            rows,
            np.where(known, self.value, 0.0),
            height=0.7,
            zorder=2,
            linewidth=0,
            color=[look(k)["color"] for k in of_row],
            edgecolor="white",
        )
        self.bars_ = list(drawn)
        for bar, kind in zip(self.bars_, of_row, strict=True):
            bar.set_hatch(_hatch(kind))
        bounded = known & np.isfinite(self.low) & np.isfinite(self.high)
        ends = rows[bounded], self.low[bounded], self.high[bounded]
        ax.hlines(*ends, color="white", linewidth=3.2, zorder=2.5)  # dark bars have intervals too
        self.intervals_ = ax.hlines(*ends, color="black", linewidth=1.4, zorder=3)
        ax.axvline(0.0, color="0.5", linewidth=1.0, zorder=1)
        if not known.any():
            ax.set_xlim(0.0, 1.0)
        font = font_of_rows(ax, m)
        ax.set_yticks(rows, [short(name, 40) for name in self.names], fontsize=font)
        ax.tick_params(axis="y", length=0)
        label_below(ax, self.label)
        self._write(rows[~known], font)
        self.legend_ = None
        if self.kinds:
            shown = sorted(set(of_row))
            handles = [
                Rectangle(
                    (0, 0),
                    1,
                    1,
                    facecolor=look(k)["color"],
                    hatch=_hatch(k),
                    edgecolor="white",
                    linewidth=0,
                )
                for k in shown
            ]
            self.legend_ = legend_below(ax, handles, [short(self.order[k]) for k in shown])
        return self

    def _write(self, empty: NDArray[np.intp], font: float) -> None:
        ax = self.ax_
        numbers = [f"{value:.0f}" for value in self.n]
        across = 10 + 0.62 * font * max((len(number) for number in numbers), default=1)

        def beside(row: float, text: str, **more: Any) -> Any:
            at = {"xy": (1.0, row), "xycoords": ax.get_yaxis_transform(), "va": "center", **more}
            return ax.annotate(
                text,
                xytext=(across, 0),
                textcoords="offset points",
                ha="right",
                fontsize=font,
                **at,
            )

        beside(1.0, "n", xycoords="axes fraction", va="bottom").set_fontstyle("italic")
        self.texts_ = [beside(row, number) for row, number in enumerate(numbers)]
        self.notes_ = no_values(ax, empty.tolist(), font)


def _hatch(kind: int) -> str:
    """Tell kinds of one colour apart."""
    return _HATCHES[kind // _N_COLORS % len(_HATCHES)]
