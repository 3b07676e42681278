"""VerdictDisplay: effects with their intervals, the smallest effect that counts, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay
from neurotopo.plots._series import Style

__all__ = ["VerdictDisplay"]

_LOOKS: dict[str, dict[str, Any]] = {
    "yes": {"color": "#009E73", "marker": "o"},
    "no": {"color": "#D55E00", "marker": "s"},
    "undecided": {"color": "#5A5A5A", "marker": "o", "markerfacecolor": "white"},
}


class _Effect(Protocol):
    @property
    def n(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def margin(self) -> float: ...
    @property
    def verdict(self) -> str: ...


class VerdictDisplay(MeanDisplay):
    """Forest plot of effects, with the margin as a band around 0 and a verdict per row.

    The first row is uppermost. A row without an effect (nan) reads "no value"; one without bounds
    has no bar. An arrow at the edge stands for what lies beyond the axis; the number of an
    effect is beside it.

    Parameters
    ----------
    names : sequence of str, length m
        Names of the rows.
    mean, low, high : array-like, shape (m,)
        Effects and the bounds of their intervals; nan where there is none.
    n : array-like of int, shape (m,)
        Number of facts.
    verdict : sequence of {"yes", "no", "undecided"}, length m
        The verdicts.
    margin : float
        The smallest effect that counts.
    points : sequence of array-like, length m, optional
        The numbers of the facts behind each effect, drawn as faint points. nan is left out.
    limit : float, default=2.0
        Largest absolute value on the axis.
    {label}

    Attributes
    ----------
    band_ : matplotlib Rectangle
        The margin.
    points_ : list of matplotlib Line2D
        The effect of each row, empty without one; row k is at height k, heights grow downwards.
    bars_ : list of matplotlib LineCollection
        The interval of each row.
    faint_ : list of matplotlib PathCollection
        The numbers of the facts of each row, those beyond the axis at its edges.
    arrows_ : list of matplotlib Line2D
        The ends of intervals and the effects beyond the axis.
    beyond_ : list of matplotlib Text
        The numbers of the effects beyond the axis.
    texts_ : list of (matplotlib Text, matplotlib Text)
        n and the verdict of each row.
    {notes_}

    See Also
    --------
    neurotopo.plots.effects.EffectsDisplay : Differences with p-values.
    neurotopo.studies.inference.Effect : Effects with verdicts.

    Examples
    --------
    >>> from neurotopo.plots.verdicts import VerdictDisplay
    >>> display = VerdictDisplay.from_arrays(
    ...     ["needed", "alone"],
    ...     [0.5, 0.0],
    ...     [0.3, -0.05],
    ...     [0.7, 0.05],
    ...     n=[40, 38],
    ...     verdict=["yes", "no"],
    ...     margin=0.1,
    ... )
    >>> [word.get_text() for _, word in display.texts_]
    ['yes', 'no']
    """

    mean: NDArray[np.float64]

    def __init__(
        self,
        names: Sequence[str],
        mean: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        *,
        n: ArrayLike,
        verdict: Sequence[str],
        margin: float,
        points: Sequence[ArrayLike] | None = None,
        limit: float = 2.0,
        label: str = "effect",
    ) -> None:
        self._take_rows(names, {"mean": mean, "low": low, "high": high}, n, "facts")
        self.verdict, self.margin, self.label = list(verdict), float(margin), label
        given = [()] * len(self.names) if points is None else points
        self.points = [np.asarray(each, dtype=np.float64) for each in given]
        for what, values in (("verdict", self.verdict), ("points", self.points)):
            if len(values) != len(self.names):
                raise ValueError(f"{what} must have one entry per name, {len(self.names)}.")
        for name, word in zip(self.names, self.verdict, strict=True):
            if word not in _LOOKS:
                known = ", ".join(_LOOKS)
                raise ValueError(f"the verdict of {name!r} must be one of {known}, got {word!r}.")
        if not 0 < self.margin < limit < np.inf:
            raise ValueError(f"margin must be between 0 and limit, {limit}, got {margin}.")
        self.limit = limit

    from_arrays = constructor("Draw effects that are given as numbers.")

    @classmethod
    def from_effects(
        cls,
        effects: Mapping[str, _Effect],
        *,
        points: Sequence[ArrayLike] | None = None,
        label: str = "effect",
        ax: Any = None,
    ) -> VerdictDisplay:
        """Draw effects of one margin.

        Parameters
        ----------
        effects : dict of str to Effect
            Results of :func:`neurotopo.studies.inference.judged`, by the names of the rows.
        points : sequence of array-like, length m, optional
            The numbers of the facts behind each effect.
        """
        rows = list(effects.values())
        margins = {row.margin for row in rows}
        if len(margins) != 1:
            raise ValueError(f"effects must have one margin, got {sorted(margins)}.")
        mean, low, high, n = ([getattr(r, c) for r in rows] for c in ("mean", "low", "high", "n"))
        verdict = [row.verdict for row in rows]
        return cls(
            *(list(effects), mean, low, high),
            n=n,
            verdict=verdict,
            margin=margins.pop(),
            points=points,
            label=label,
        ).plot(ax=ax)

    def plot(self, ax: Any = None) -> VerdictDisplay:
        """Draw the rows."""
        ax = self._start_rows(ax, each=0.36, around=1.2)
        left, right = self._limits()
        self.band_ = ax.axvspan(-self.margin, self.margin, color="0.92", zorder=0)
        ax.axvline(0.0, color="0.5", linewidth=1.0, linestyle="--", zorder=1)
        self.faint_ = [_faint(ax, row, each, left, right) for row, each in enumerate(self.points)]
        self.points_: list[Any] = []
        self.bars_: list[Any] = []
        self.arrows_: list[Any] = []
        self.beyond_: list[Any] = []
        for row, word in enumerate(self.verdict):
            self._draw_row(row, _LOOKS[word], left, right)
        ax.set_xlim(left, right)
        self.texts_ = self._set_rows(self.verdict, wrap=True, heading="verdict")
        for (_, text), word in zip(self.texts_, self.verdict, strict=True):
            text.set(color=_LOOKS[word]["color"], fontweight="bold")
        return self

    def _limits(self) -> tuple[float, float]:
        """Return the ends of the axis: all effects, and the rest up to four times the largest."""
        known = np.abs(self.mean[np.isfinite(self.mean)])
        most = float(np.clip(4 * known.max(initial=0.0), 5 * self.margin, self.limit))
        rest = np.concatenate([self.low, self.high, self.mean, *self.points])
        rest = np.clip(rest[np.isfinite(rest)], -most, most)
        low, high = rest.min(initial=-2 * self.margin), rest.max(initial=2 * self.margin)
        around = 0.04 * (high - low)
        return float(low - around), float(high + around)

    def _draw_row(self, row: int, style: dict[str, Any], left: float, right: float) -> None:
        ax, mean = self.ax_, float(self.mean[row])
        low, high = float(self.low[row]), float(self.high[row])
        start, stop = max(low, left), min(high, right)
        has_bar = start < stop  # False for nan
        bar: Style = {"colors": style["color"], "linewidth": 1.8, "zorder": 3}
        self.bars_.append(ax.hlines([row] * has_bar, [start] * has_bar, [stop] * has_bar, **bar))
        inside = left < mean < right
        look: Style = {**style, "markersize": 6.5, "linestyle": "none", "zorder": 5}
        self.points_ += ax.plot([mean] * inside, [row] * inside, **look)
        out = (low < left or mean < left), (high > right or mean > right)
        inner = 0.008 * (right - left)  # arrows end at the edge
        for is_out, end, marker in zip(out, (left + inner, right - inner), "<>", strict=True):
            if is_out:
                arrow: Style = {"color": style["color"], "marker": marker, "markersize": 7}
                self.arrows_ += ax.plot([end], [row], clip_on=False, zorder=4, **arrow)
        if not inside and np.isfinite(mean):
            end, place, side = (left, 9, "left") if mean < left else (right, -9, "right")
            box: Style = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
            text: Style = {"textcoords": "offset points", "color": style["color"], "bbox": box}
            at: Style = {"xytext": (place, 0), "ha": side, "va": "center", "fontsize": "small"}
            self.beyond_.append(ax.annotate(f"{mean:.3g}", (end, row), zorder=6, **at, **text))


def _faint(ax: Axes, row: int, values: NDArray[np.float64], left: float, right: float) -> Any:
    """Draw the numbers of facts around the height of a row."""
    known = values[np.isfinite(values)]
    # fractions of the golden ratio spread points evenly, whatever their number
    heights = row + 0.56 * ((np.arange(len(known)) * 0.618034) % 1 - 0.5)
    style: Style = {"s": 12, "color": "0.5", "alpha": 0.6, "linewidths": 0, "zorder": 2}
    return ax.scatter(np.clip(known, left, right), heights, clip_on=False, **style)
