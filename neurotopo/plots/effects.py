"""EffectsDisplay: differences with their intervals, a row per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay, column
from neurotopo.plots._series import look

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


class EffectsDisplay(MeanDisplay):
    """Forest plot: mean differences and their intervals, with n and p beside them.

    The first row is uppermost. A row without a difference (nan) reads "no value"; one without
    bounds has no bar.

    Parameters
    ----------
    names : sequence of str, length m
        Names of the rows.
    difference, low, high : array-like, shape (m,)
        Mean differences and the bounds of their intervals; nan where there is none.
    n : array-like of int, shape (m,)
        Number of pairs.
    p : array-like, shape (m,)
        p-values; nan where there is none.
    {label}

    Attributes
    ----------
    points_ : matplotlib Line2D
        The differences; row k is at height k, and heights grow downwards.
    bars_ : matplotlib LineCollection
        The intervals.
    zero_ : matplotlib Line2D
        The line at 0.
    texts_ : list of (matplotlib Text, matplotlib Text)
        n and p of each row.
    {notes_}

    See Also
    --------
    neurotopo.studies.statistics.paired : Paired comparison.

    Examples
    --------
    >>> from neurotopo.plots.effects import EffectsDisplay
    >>> display = EffectsDisplay.from_arrays(
    ...     ["kmeans", "dbscan"], [0.2, -0.1], [0.1, -0.3], [0.3, 0.1], n=[40, 38], p=[2e-5, 0.4]
    ... )
    >>> [(n.get_text(), p.get_text()) for n, p in display.texts_]
    [('40', '2e-05'), ('38', '0.400')]
    """

    difference: NDArray[np.float64]

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
        self._take_rows(names, {"difference": difference, "low": low, "high": high}, n, "pairs")
        self.p, self.label = column("p", p, len(self.names)), label
        for name, value in zip(self.names, self.p.tolist(), strict=True):
            if value < 0 or value > 1:
                raise ValueError(f"p of {name!r} must be between 0 and 1, got {value}.")

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
            Results of :func:`neurotopo.studies.statistics.paired`, by the names of the rows.
        p : str or array-like, shape (m,), default="p_t"
            Which p-value of the results to write, or the values, for example adjusted ones.
        """
        rows = list(results.values())
        three = ([getattr(row, key) for row in rows] for key in ("difference", "low", "high"))
        values = [getattr(row, p) for row in rows] if isinstance(p, str) else p
        display = cls(list(results), *three, n=[row.n for row in rows], p=values, label=label)
        return display.plot(ax=ax)

    from_arrays = constructor("Draw means that are given as numbers.")

    def plot(self, ax: Any = None) -> EffectsDisplay:
        """Draw the rows."""
        ax = self._start_rows(ax, each=0.36, around=1.2)
        style = {"color": look(0)["color"], "marker": "o", "markersize": 6, "linestyle": "none"}
        self.zero_ = ax.axvline(0.0, color="0.5", linewidth=1.0, linestyle="--", zorder=1)
        rows = np.arange(len(self.names))
        self.points_, self.bars_ = self._means.draw(ax, rows, style, across=True, linewidth=1.8)
        if not self._means.known.any():
            ax.set_xlim(-1.0, 1.0)
        self.texts_ = self._set_rows([_p_text(p) for p in self.p.tolist()], wrap=True)
        return self


def _p_text(p: float) -> str:
    if np.isnan(p):
        return "none"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p > 0 else "0"
