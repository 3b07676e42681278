"""ScatterDisplay: two numbers of the same things against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import Style, legend_below, look, note_on, short

__all__ = ["ScatterDisplay"]


class ScatterDisplay(Display):
    """Pairs of numbers in the same unit, with the diagonal where both are equal.

    Points below and above the diagonal have different looks; the legend counts them. Pairs with
    nan are left out.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        The numbers, finite or nan.
    {xylabel}
    below, above : str
        Names of the points below the diagonal, and of those on or above it.

    Attributes
    ----------
    below_, above_ : matplotlib Line2D
        The points.
    diagonal_ : matplotlib Line2D
        The diagonal.
    {note_}
    {legend_}

    Examples
    --------
    >>> from neurotopo.plots.scatter import ScatterDisplay
    >>> display = ScatterDisplay.from_arrays([1.0, 2.0, 3.0], [0.5, 2.5, 1.0])
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['below the diagonal (2)', 'on or above it (1)']
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        xlabel: str = "",
        ylabel: str = "",
        below: str = "below the diagonal",
        above: str = "on or above it",
    ) -> None:
        self.x, self.y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if self.x.ndim != 1 or self.x.shape != self.y.shape:
            raise ValueError(
                f"x and y must be one number per thing, got shapes {self.x.shape} and "
                f"{self.y.shape}."
            )
        for name, values in (("x", self.x), ("y", self.y)):
            if np.isinf(values).any():
                raise ValueError(
                    f"{name} must be finite or nan, got {values[np.isinf(values)][0]}."
                )
        self.xlabel, self.ylabel, self.below, self.above = xlabel, ylabel, below, above

    from_arrays = constructor("Draw pairs that are given as numbers.")

    def plot(self, ax: Any = None) -> ScatterDisplay:
        """Draw the points."""
        ax = self._start(ax, (5.2, 5.2))
        known = np.isfinite(self.x) & np.isfinite(self.y)
        x, y = self.x[known], self.y[known]
        both = np.concatenate([x, y, [0.0]])
        around = 0.05 * (np.ptp(both) or 1.0)
        ends = float(both.min() - around), float(both.max() + around)
        for line in (ax.axhline, ax.axvline):
            line(0.0, color="0.85", linewidth=0.9, zorder=0)
        (self.diagonal_,) = ax.plot(ends, ends, color="0.4", linewidth=1.0, linestyle="--")
        style: Style = {"linestyle": "none", "markersize": 5, "markeredgewidth": 0}
        style["alpha"] = float(np.clip(20 / np.sqrt(max(len(x), 1)), 0.35, 0.9))
        lower = y < x
        (self.below_,) = ax.plot(x[lower], y[lower], **{**look(4), **style, "marker": "v"})
        (self.above_,) = ax.plot(x[~lower], y[~lower], **{**look(0), **style, "marker": "o"})
        ax.set(xlim=ends, ylim=ends, aspect="equal")
        ax.set(xlabel=short(self.xlabel, 60), ylabel=short(self.ylabel, 60))
        names = (self.below, lower), (self.above, ~lower)
        texts = [f"{short(name)} ({int(which.sum())})" for name, which in names]
        self.legend_ = legend_below(ax, [self.below_, self.above_], texts)
        self.note_ = None if len(x) else note_on(ax, "nothing to draw")
        return self
