"""RocDisplay: true positive rates against false positive rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import Style, legend_below, look, note_on, short

__all__ = ["RocDisplay"]

_MARKS = 8  # markers per line: one at every point would cover it

_Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class RocDisplay(Display):
    """ROC curves: the share of positives above each threshold against that of negatives.

    The diagonal, where scores carry no information, is grey.

    Parameters
    ----------
    curves : dict of str to (array-like, array-like)
        By name, the shares of negatives and of positives, shape (n,) each, between 0 and 1 and
        ascending.
    areas : dict of str to float or (float, float, float), optional
        By name, the area, or the area with the bounds of its interval. None: computed from the
        curves.
    labels : (str, str), optional
        Labels of the axes.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves.
    diagonal_ : matplotlib Line2D
        The diagonal.
    legend_ : matplotlib Legend or None
        Names and areas.
    {note_}

    Examples
    --------
    >>> from neurotopo.plots.roc import RocDisplay
    >>> display = RocDisplay.from_curves({"dkn": ([0, 0, 0.5, 1], [0, 0.5, 1, 1])})
    >>> display.legend_.get_texts()[0].get_text()
    'dkn: 0.875'
    """

    def __init__(
        self,
        curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
        areas: Mapping[str, Any] | None = None,
        labels: tuple[str, str] = ("false positive rate", "true positive rate"),
    ) -> None:
        self.curves = {name: _checked(name, *curve) for name, curve in curves.items()}
        self.areas = {
            name: _area(name, (areas or {}).get(name), curve) for name, curve in self.curves.items()
        }
        self.labels = labels

    from_curves = constructor("Draw ROC curves.")

    def plot(self, ax: Any = None) -> RocDisplay:
        """Draw the curves."""
        ax = self._start(ax)
        self.lines_, self.legend_, self.note_ = {}, None, None
        (self.diagonal_,) = ax.plot([0, 1], [0, 1], color="0.7", linewidth=1.0, zorder=1)
        ax.set(xlabel=short(self.labels[0]), ylabel=short(self.labels[1]), aspect="equal")
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.grid(color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        if not self.curves:
            self.note_ = note_on(ax, "nothing to draw")
            return self
        for k, (name, (x, y)) in enumerate(self.curves.items()):
            every = max(len(x) // _MARKS, 1)
            style: Style = {"linewidth": 1.5, "markersize": 4.5, "markevery": (k % every, every)}
            (self.lines_[name],) = ax.plot(x, y, zorder=3 + 0.01 * k, **style, **look(k))
        names = [f"{short(name, 30)}: {_words(*self.areas[name])}" for name in self.curves]
        self.legend_ = legend_below(ax, list(self.lines_.values()), names)
        return self


def _checked(name: str, x: ArrayLike, y: ArrayLike) -> _Curve:
    shares = tuple(np.asarray(values, dtype=np.float64) for values in (x, y))
    if shares[0].ndim != 1 or shares[0].shape != shares[1].shape or len(shares[0]) < 2:
        raise ValueError(f"the curve of {name!r} must be two rows of at least two numbers.")
    for each in shares:
        if not ((each >= 0) & (each <= 1)).all() or (np.diff(each) < 0).any():
            raise ValueError(
                f"the shares of {name!r} must be between 0 and 1 and must not descend."
            )
    return shares[0], shares[1]


def _area(name: str, given: Any, curve: _Curve) -> tuple[float, float, float]:
    """Return an area and the bounds of its interval; nan where there are none."""
    if given is None:
        given = float(np.sum(np.diff(curve[0]) * (curve[1][1:] + curve[1][:-1]) / 2))
    values = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if values.shape not in ((1,), (3,)):
        raise ValueError(f"the area of {name!r} must be one number, or three with its bounds.")
    area, low, high = values if len(values) == 3 else (values[0], np.nan, np.nan)
    return float(area), float(low), float(high)


def _words(area: float, low: float, high: float) -> str:
    if np.isnan(low) or np.isnan(high):
        return f"{area:.3f}"
    return f"{area:.3f} ({low:.3f} to {high:.3f})"
