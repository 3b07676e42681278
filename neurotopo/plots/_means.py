"""Means with their intervals: the base of all displays that draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display
from neurotopo.plots._series import LARGEST, short, size_of

__all__ = ["MeanDisplay", "Means", "column"]


class Means(NamedTuple):
    """Means and the bounds of their intervals, nan where there is none."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, name: str, values: Iterable[ArrayLike], n: int, *, clip: bool = False) -> Means:
        """Check the means of a series and their bounds; ``clip`` replaces huge values by nan."""
        three = list(values)
        if len(three) != 3:
            raise ValueError(f"{name!r} must have means, lower and upper bounds.")
        whats = ("means", "lower bounds", "upper bounds")
        means = cls(
            *(
                column(f"the {what} of {name!r}", each, n, clip)
                for what, each in zip(whats, three, strict=True)
            )
        )
        means.check([name] * n)
        return means

    def check(self, names: Sequence[str]) -> None:
        """Check that no interval ends before it begins."""
        for k in np.flatnonzero(self.low > self.high).tolist():
            raise ValueError(f"the interval of {names[k]!r} ends before it begins.")

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there is a mean."""
        return np.isfinite(self.mean)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Whether there is an interval."""
        return self.known & np.isfinite(self.low) & np.isfinite(self.high)

    def draw(
        self, ax: Axes, at: NDArray[Any], style: dict[str, Any], *, across: bool, **bars: Any
    ) -> tuple[Any, Any]:
        """Draw points and the bars of their intervals; return both.

        Parameters
        ----------
        ax : matplotlib Axes
            Where to draw.
        at : ndarray, shape (n,)
            Places on the other axis.
        style : dict
            Style of the points and their line; the bars have its colour.
        across : bool
            Whether the bars are horizontal.
        **bars
            Style of the bars.
        """
        known, bounded = self.known, self.bounded
        lines = ax.hlines if across else ax.vlines
        ends = at[bounded], self.low[bounded], self.high[bounded]
        drawn = lines(*ends, **{"color": style.get("color"), **bars})
        places = at[known], self.mean[known]
        (points,) = ax.plot(*(places[::-1] if across else places), **{"zorder": 3, **style})
        return points, drawn


class MeanDisplay(Display):
    """Base of the displays of means with their intervals.

    Parts for those with a row per name: the first row is uppermost, and numbers stand beside the
    rows.
    """

    names: Any
    label: str
    n: NDArray[np.float64]

    def _take_rows(
        self, names: Sequence[str], values: dict[str, ArrayLike], n: ArrayLike, unit: str
    ) -> None:
        """Check and keep names, means with their bounds, and the number of things behind them."""
        self.names = list(names)
        m = len(self.names)
        self._means = Means(*(column(what, each, m) for what, each in values.items()))
        for what, each in zip(values, self._means, strict=True):
            setattr(self, what, each)
        self._means.check(self.names)
        self.n = column("n", n, m)
        for name, number in zip(self.names, self.n.tolist(), strict=True):
            if not (number >= 0 and number == np.rint(number)):
                raise ValueError(f"n of {name!r} is no number of {unit}: {number}.")

    def _start_rows(self, ax: Any, *, each: float, around: float) -> Axes:
        """Set the axes; a new figure is as high as its rows need."""
        height = float(np.clip(each * len(self.names) + around, around + 0.7, 14.0))
        return self._start(ax, (6.4, height))

    def _set_rows(self, p: Sequence[str] | None = None, *, wrap: bool = False) -> list[Any]:
        """Write names, label, n, p and missing values; return the texts of n and p by row."""
        ax, m = self.ax_, max(len(self.names), 1)
        ax.set_ylim(m - 0.4, -0.6)
        height = 72 * size_of(ax)[1] / m
        font = float(np.clip(0.7 * height, 4.0, 10.0))
        two_lines = wrap and height > 2.4 * font
        names = [_in_two_lines(name) if two_lines else short(name, 40) for name in self.names]
        ax.set_yticks(range(len(names)), names, fontsize=font)
        ax.tick_params(axis="y", length=0)
        letters = max(int(72 * size_of(ax)[0] / 6), 20)  # that fit below the axes
        ax.set_xlabel(fill(short(self.label, 2 * letters), letters))
        numbers = [f"{value:.0f}" for value in self.n]
        right = 10 + 0.62 * font * max((len(number) for number in numbers), default=1)

        def beside(row: float, texts: Sequence[str], **more: Any) -> tuple[Any, ...]:
            options = {"xycoords": ax.get_yaxis_transform(), "va": "center", **more}
            places = {"right": right, "left": right + 12}
            return tuple(
                ax.annotate(
                    text,
                    (1.0, row),
                    xytext=(place, 0),
                    textcoords="offset points",
                    ha=side,
                    fontsize=font,
                    **options,
                )
                for text, (side, place) in zip(texts, places.items(), strict=False)
            )

        columns = [numbers] if p is None else [numbers, p]
        header = {"xycoords": "axes fraction", "va": "bottom", "fontstyle": "italic"}
        beside(1.0, ["n", "p"][: len(columns)], **header)
        self.notes_ = [
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
            for row in np.flatnonzero(~self._means.known).tolist()
        ]
        return [beside(row, texts) for row, texts in enumerate(zip(*columns, strict=True))]


def column(what: str, values: ArrayLike, n: int, clip: bool = False) -> NDArray[np.float64]:
    """Check n numbers, finite or nan; with ``clip`` huge and infinite ones become nan."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (n,):
        raise ValueError(f"{what} must have shape ({n},), got {numbers.shape}.")
    if clip:
        return np.where(np.abs(numbers) < LARGEST, numbers, np.nan)
    if np.isinf(numbers).any():
        raise ValueError(f"{what} must be finite or nan, got {numbers[np.isinf(numbers)][0]}.")
    return numbers


def _in_two_lines(name: str) -> str:
    """Return a name in at most two lines."""
    lengths = range(60, 20, -4)  # depending on where words break, 60 letters need three lines
    names = (fill(short(name, most), 32) for most in lengths)
    return next((text for text in names if text.count("\n") < 2), short(name, 32))
