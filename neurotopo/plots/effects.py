"""EffectsDisplay: differences with their intervals, a row per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._rows import axes_of_rows, column, font_of_rows, label_below, no_values
from neurotopo.plots._series import look, short, size_of

__all__ = ["EffectsDisplay"]


class _Effect(Protocol):
    @property
    def n(self) -> int: ...
    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class EffectsDisplay:
    """Forest plot: mean differences and their intervals, with n and p beside them.

    The first row is uppermost. A row without a difference (nan) is empty and says so; one without
    bounds has no bar.

    It is recommended to use :meth:`from_paired` or :meth:`from_arrays`.

    Parameters
    ----------
    names : sequence of str, length m
        What each row is called.
    difference, low, high : array-like, shape (m,)
        Mean differences and the bounds of their intervals; nan where there is none.
    n : array-like of int, shape (m,)
        Number of pairs.
    p : array-like, shape (m,)
        p-values; nan is left out.
    label : str, default="mean difference"
        What the horizontal axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    points_ : matplotlib Line2D
        The differences; row k is at height k, and heights grow downwards.
    bars_ : matplotlib LineCollection
        The intervals.
    zero_ : matplotlib Line2D
        The line at 0.
    texts_ : list of (matplotlib Text, matplotlib Text)
        n and p of each row.
    notes_ : list of matplotlib Text
        What is written into rows without a difference.

    See Also
    --------
    neurotopo.studies.statistics.paired : Makes what is drawn here.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.effects import EffectsDisplay
    >>> display = EffectsDisplay.from_arrays(
    ...     ["kmeans", "dbscan"], [0.2, -0.1], [0.1, -0.3], [0.3, 0.1], n=[40, 38], p=[2e-5, 0.4]
    ... )
    >>> [(n.get_text(), p.get_text()) for n, p in display.texts_]
    [('40', '2e-05'), ('38', '0.400')]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    points_: Any
    bars_: LineCollection
    zero_: Any
    texts_: list[tuple[Any, Any]]
    notes_: list[Any]

    def __init__(
        self,
        names: Sequence[str],
        difference: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        *,
        n: ArrayLike,
        p: ArrayLike,
        label: str = "mean difference",
    ) -> None:
        self.names, self.label = list(names), label
        self.difference, self.low, self.high, self.n, self.p = (
            column(what, values, len(self.names))
            for what, values in {
                "difference": difference,
                "low": low,
                "high": high,
                "n": n,
                "p": p,
            }.items()
        )
        for k, name in enumerate(self.names):
            if self.low[k] > self.high[k]:
                raise ValueError(f"the interval of {name!r} ends before it begins.")
            if not (self.n[k] >= 0 and self.n[k] == np.rint(self.n[k])):
                raise ValueError(f"n of {name!r} is no number of pairs: {self.n[k]}.")
            if self.p[k] < 0 or self.p[k] > 1:
                raise ValueError(f"p of {name!r} must be between 0 and 1, got {self.p[k]}.")

    @classmethod
    def from_paired(
        cls,
        results: Mapping[str, _Effect],
        *,
        p: str | ArrayLike = "p_t",
        label: str = "mean difference",
        ax: Any = None,
    ) -> EffectsDisplay:
        """Draw results of paired comparisons.

        Parameters
        ----------
        results : dict of str to Paired
            What :func:`neurotopo.studies.statistics.paired` returns, by the name of its row.
        p : str or array-like, shape (m,), default="p_t"
            Which p-value of the results to write, or the values, adjusted ones say.
        label : str, default="mean difference"
            What the horizontal axis says.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : EffectsDisplay
        """
        rows = list(results.values())
        return cls.from_arrays(
            list(results),
            [row.difference for row in rows],
            [row.low for row in rows],
            [row.high for row in rows],
            n=[row.n for row in rows],
            p=[getattr(row, p) for row in rows] if isinstance(p, str) else p,
            label=label,
            ax=ax,
        )

    @classmethod
    def from_arrays(
        cls,
        names: Sequence[str],
        difference: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        *,
        n: ArrayLike,
        p: ArrayLike,
        label: str = "mean difference",
        ax: Any = None,
    ) -> EffectsDisplay:
        """Draw differences that are given as numbers.

        Parameters
        ----------
        names, difference, low, high, n, p, label
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : EffectsDisplay
        """
        return cls(names, difference, low, high, n=n, p=p, label=label).plot(ax=ax)

    def plot(self, ax: Any = None) -> EffectsDisplay:
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        self : EffectsDisplay
        """
        m = len(self.names)
        self.ax_ = ax = axes_of_rows(ax, m, each=0.36, around=1.2)
        self.figure_ = ax.figure
        rows = np.arange(m)
        known = np.isfinite(self.difference)
        bounded = known & np.isfinite(self.low) & np.isfinite(self.high)
        color = look(0)["color"]
        self.zero_ = ax.axvline(0.0, color="0.5", linewidth=1.0, linestyle="--", zorder=1)
        self.bars_ = ax.hlines(
            rows[bounded], self.low[bounded], self.high[bounded], color=color, linewidth=1.8
        )
        (self.points_,) = ax.plot(
            self.difference[known],
            rows[known],
            linestyle="none",
            marker="o",
            markersize=6,
            color=color,
            zorder=3,
        )
        if not known.any():
            ax.set_xlim(-1.0, 1.0)
        font = font_of_rows(ax, m)
        two_lines = 72 * size_of(ax)[1] / max(m, 1) > 2.4 * font
        ax.set_yticks(rows, [_row_name(name, two_lines) for name in self.names], fontsize=font)
        ax.tick_params(axis="y", length=0)
        label_below(ax, self.label)
        self._write(rows[~known], font)
        return self

    def _write(self, empty: NDArray[np.intp], font: float) -> None:
        ax = self.ax_
        across = ax.get_yaxis_transform()
        numbers = [f"{value:.0f}" for value in self.n]
        first = 10 + 0.62 * font * max((len(number) for number in numbers), default=1)
        options = {
            "xycoords": across,
            "textcoords": "offset points",
            "fontsize": font,
            "va": "center",
        }

        def beside(row: float, n: str, p: str, **more: Any) -> tuple[Any, Any]:
            at = {"xy": (1.0, row), **options, **more}
            return (
                ax.annotate(n, xytext=(first, 0), ha="right", **at),
                ax.annotate(p, xytext=(first + 12, 0), ha="left", **at),
            )

        for text in beside(1.0, "n", "p", xycoords="axes fraction", va="bottom"):
            text.set_fontstyle("italic")
        self.texts_ = [
            beside(row, number, _p_text(p))
            for row, (number, p) in enumerate(zip(numbers, self.p.tolist(), strict=True))
        ]
        self.notes_ = no_values(ax, empty.tolist(), font)


def _row_name(name: str, two_lines: bool) -> str:
    if not two_lines:
        return short(name, 40)
    lengths = range(60, 20, -4)  # words may break in such a way that 60 letters need three lines
    names = (fill(short(name, most), 32) for most in lengths)
    return next((text for text in names if text.count("\n") < 2), short(name, 32))


def _p_text(p: float) -> str:
    if np.isnan(p):
        return "none"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p > 0 else "0"
