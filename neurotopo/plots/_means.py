"""Means with their intervals: the base of all displays that draw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display
from neurotopo.plots._series import LARGEST, Style, short, size_of

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
        whats = (f"the {what} of {name!r}" for what in ("means", "lower bounds", "upper bounds"))
        return cls.checked(dict(zip(whats, three, strict=True)), [name] * n, clip)

    @classmethod
    def checked(cls, values: Mapping[str, ArrayLike], names: Sequence[str], clip: bool) -> Means:
        """Check means and bounds, by what messages call them; ``names`` has one name per mean."""
        means = cls(*(column(what, each, len(names), clip) for what, each in values.items()))
        for k in np.flatnonzero(means.low > means.high).tolist():
            raise ValueError(f"the interval of {names[k]!r} ends before it begins.")
        return means

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there is a mean."""
        return np.isfinite(self.mean)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Whether there is an interval."""
        return self.known & np.isfinite(self.low) & np.isfinite(self.high)

    def draw(
        self,
        ax: Axes,
        at: NDArray[Any],
        style: dict[str, Any],
        *,
        across: bool,
        band: bool = False,
        **bars: Any,
    ) -> tuple[Any, Any]:
        """Draw points and the bars of their intervals; return both.

        ``at`` are the places on the other axis, ``across`` makes the bars horizontal. ``style`` is
        for the points and their line, ``bars`` for the bars, which have the same colour. ``band``
        draws a band instead of bars that are vertical.
        """
        known, bounded = self.known, self.bounded
        lines = ax.hlines if across else ax.vlines
        ends = at[bounded], self.low[bounded], self.high[bounded]
        color = style.get("color")
        if band:
            drawn: Any = ax.fill_between(*ends, color=color, alpha=0.15, linewidth=0.0, zorder=2)
        else:
            drawn = lines(*ends, **{"color": color, **bars})
        places = at[known], self.mean[known]
        (points,) = ax.plot(*(places[::-1] if across else places), **{"zorder": 3, **style})
        return points, drawn


class MeanDisplay(Display):
    """Base of the displays with a mean and an interval per row; the first row is uppermost."""

    names: Any
    label: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.float64]

    def _take_rows(
        self, names: Sequence[str], values: dict[str, ArrayLike], n: ArrayLike, unit: str
    ) -> None:
        """Check and store names, means with their bounds, and the numbers of units."""
        self.names = list(names)
        self._means = Means.checked(values, self.names, clip=False)
        vars(self).update(zip(values, self._means, strict=True))
        self.n = column("n", n, len(self.names))
        for name, number in zip(self.names, self.n.tolist(), strict=True):
            if not (number >= 0 and number == np.rint(number)):
                raise ValueError(f"n of {name!r} must be a number of {unit}, got {number}.")

    def _start_rows(self, ax: Any, *, each: float, around: float) -> Axes:
        """Set the axes; the height of a new figure fits its rows."""
        height = float(np.clip(each * len(self.names) + around, around + 0.7, 14.0))
        return self._start(ax, (6.4, height))

    def _set_rows(
        self, p: Sequence[str] | None = None, *, wrap: bool = False, heading: str = "p"
    ) -> list[Any]:
        """Write names, label, n, p and missing values; return the texts of n and p by row.

        ``p`` may be other texts, under another ``heading``.
        """
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

        in_row: Style = {"xycoords": ax.get_yaxis_transform(), "va": "center", "fontsize": font}

        def beside(row: float, texts: Sequence[str], **more: Any) -> tuple[Any, ...]:
            options = {**in_row, "textcoords": "offset points", **more}
            places = {"right": right, "left": right + 12}
            return tuple(
                ax.annotate(text, (1.0, row), xytext=(place, 0), ha=side, **options)
                for text, (side, place) in zip(texts, places.items(), strict=False)
            )

        columns = [numbers] if p is None else [numbers, p]
        header = {"xycoords": "axes fraction", "va": "bottom", "fontstyle": "italic"}
        beside(1.0, ["n", heading][: len(columns)], **header)
        box: Style = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        self.notes_ = [
            ax.annotate("no value", (0.5, row), ha="center", color="0.4", bbox=box, **in_row)
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
