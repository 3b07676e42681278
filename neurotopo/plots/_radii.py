"""Axis of radii, with places for infinity and for zero on a logarithmic axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, LogFormatterSciNotation, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

__all__ = ["RadiusAxis", "threshold_death"]

_LARGEST = float(np.finfo(np.float64).max)
_LOG_RANGE = (-323.0, 308.2)  # range of powers of ten of a float
_NARROW = 3.0  # powers of ten: shorter logarithmic axes have plain numbers
_GAP = 0.07  # distance of zero or infinity from the finite radii, relative to the span


@dataclass(frozen=True)
class RadiusAxis:
    """The range of an axis of radii, logarithmic or not."""

    log: bool
    low: float  # of the finite radii
    high: float
    zero: float  # position of the radius 0
    infinity: float  # position of the radius inf
    limits: tuple[float, float]
    has_zero: bool
    has_infinity: bool

    @classmethod
    def of(cls, radii: ArrayLike, *, log: bool, from_zero: bool = False) -> RadiusAxis:
        """Return the range that shows the given radii, ``inf`` included.

        A linear axis starts at 0, unless all radii are far from 0 and ``from_zero`` is False.
        """
        values = np.asarray(radii, dtype=np.float64).ravel()
        finite = values[np.isfinite(values)]
        has_infinity, has_zero = len(finite) < len(values), bool((finite == 0).any())
        if log and (finite < 0).any():
            raise ValueError("a logarithmic axis has no place for negative radii: pass log=False.")
        shown = np.log10(finite[finite > 0]) if log else finite
        low, high = (-1.0, 1.0) if log else (0.0, 1.0)
        if len(shown):
            low, high = float(shown.min()), float(shown.max())
        if log:
            if high == low:
                low, high = low - 0.5, high + 0.5
        else:
            if from_zero or low < 0.5 * high or low == high:
                low = min(low, 0.0)
            high = high if high > low else 1.0
        gap = _GAP * (high - low)
        below = low - (2 * gap if log and has_zero else gap)
        with np.errstate(over="ignore"):
            above = high + (2 * gap if has_infinity else gap)
        places = low, high, low - gap if log else 0.0, high + gap, below, above
        low, high, zero, infinity, below, above = (cls._radius(at, log) for at in places)
        return cls(log, low, high, zero, infinity, (below, above), log and has_zero, has_infinity)

    @staticmethod
    def _radius(at: float, log: bool) -> float:
        if log:
            return float(10.0 ** min(max(at, _LOG_RANGE[0]), _LOG_RANGE[1]))
        return float(min(at, _LARGEST))

    def place(self, radii: ArrayLike) -> NDArray[np.float64]:
        """Return the coordinates of radii."""
        values = np.asarray(radii, dtype=np.float64)
        drawn = np.where(np.isinf(values), self.infinity, values)
        return np.maximum(drawn, self.zero) if self.log else drawn

    def samples(self, count: int = 201) -> NDArray[np.float64]:
        """Return coordinates from one limit to the other, evenly spaced on the axis."""
        low, high = self.limits
        if self.log:
            return np.clip(np.geomspace(low, high, count), low, high)
        return np.linspace(low, high, count)

    def apply(self, ax: Axes, which: Literal["x", "y"]) -> None:
        """Set scale and limits of an axis, and mark 0 on a logarithmic one."""
        scale = "log" if self.log else "linear"
        if which == "x":
            ax.set(xscale=scale, xlim=self.limits)
        else:
            ax.set(yscale=scale, ylim=self.limits)
        if self.log:
            self._write_ticks(ax.xaxis if which == "x" else ax.yaxis)
        if self.has_zero:
            line = ax.axvline if which == "x" else ax.axhline
            line(self.zero, color="0.8", linewidth=0.8, linestyle=":", zorder=0)

    def mark_infinity(self, ax: Axes, text: str, x: float, **style: Any) -> Any:
        """Draw the line of infinite radii on the vertical axis, with a text at x; return it."""
        at, style = ax.get_yaxis_transform(), {"textcoords": "offset points", **style}
        ax.annotate(text, (x, self.infinity), xycoords=at, **style)
        return ax.axhline(self.infinity, color="0.6", linewidth=0.8, linestyle=":", zorder=1)

    def _write_ticks(self, axis: Axis) -> None:
        """Set ticks: 0, and on a short axis 1, 2, 5 of each power of ten."""
        low, high = self.limits
        narrow = np.log10(high) - np.log10(low) < _NARROW
        if narrow:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        if self.has_zero:
            ticks = axis.get_major_locator().tick_values(low, high)
            at = [self.zero, *(tick for tick in ticks if self.low <= tick <= high)]
            axis.set_major_locator(FixedLocator(at))
        if narrow or self.has_zero:
            axis.set_major_formatter(_LogLabels(self.zero if self.has_zero else None, narrow))
            axis.set_minor_locator(NullLocator())


class _LogLabels(LogFormatterSciNotation):
    """Labels of a logarithmic axis; one position may be 0."""

    def __init__(self, zero: float | None, plain: bool) -> None:
        super().__init__()
        self.zero, self.plain = zero, plain

    def __call__(self, x: float, pos: int | None = None) -> str:
        if x == self.zero:
            return "0"
        return f"{x:g}" if self.plain else super().__call__(x, pos)


def threshold_death(
    birth: ArrayLike, threshold: float, scale: str, unit: float
) -> NDArray[np.float64]:
    """Return the deaths at which clusters have the persistence ``threshold``.

    On the logarithmic scale, births below ``unit`` count as ``unit``.
    """
    births = np.asarray(birth, dtype=np.float64)
    if scale == "difference":
        return births + threshold
    with np.errstate(over="ignore"):
        return np.maximum(births, unit) * np.exp(threshold)
