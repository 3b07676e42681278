"""MeansDisplay: means with their intervals, several kinds of them in every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay, Means
from neurotopo.plots._series import legend_below, look, note_on, short, size_of

__all__ = ["MeansDisplay"]


class MeansDisplay(MeanDisplay):
    """Means of several kinds side by side, a row per question, with an interval each.

    Parameters
    ----------
    rows : sequence of str, length m
        Names of the rows, from the top.
    values : dict of str to (mean, low, high)
        For each kind three array-likes of shape (m,): its means and the bounds of their
        intervals; nan where there is none.
    {label}

    Attributes
    ----------
    points_ : dict of str to matplotlib Line2D
        The means of each kind.
    bars_ : dict of str to matplotlib LineCollection
        Their intervals.
    {note_}
    {legend_}

    See Also
    --------
    EffectsDisplay : Differences, with n and p.

    Examples
    --------
    >>> from neurotopo.plots.means import MeansDisplay
    >>> values = {"own": ([0.5], [0.4], [0.6]), "random": ([0.1], [0.0], [0.2])}
    >>> display = MeansDisplay.from_arrays(["shared"], values, label="Succ")
    >>> display.points_["own"].get_xdata().tolist(), display.ax_.get_xlabel()
    ([0.5], 'Succ')
    """

    def __init__(
        self,
        rows: Sequence[str],
        values: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
        *,
        label: str = "mean",
    ) -> None:
        self.rows, self.label = list(rows), label
        if not values:
            raise ValueError("values must have at least one kind.")
        self.values = {name: Means.of(name, each, len(self.rows)) for name, each in values.items()}

    from_arrays = constructor("Draw means that are given as numbers.")

    def plot(self, ax: Any = None) -> MeansDisplay:
        """Draw the rows."""
        ax = self._start(ax)
        m, n_kinds = len(self.rows), len(self.values)
        self.points_, self.bars_ = {}, {}
        for k, (name, means) in enumerate(self.values.items()):
            heights = np.arange(m) + (k - (n_kinds - 1) / 2) * 0.64 / n_kinds  # first on top
            style = {**look(k), "linestyle": "none", "markersize": 5.5}
            drawn = means.draw(ax, heights, style, across=True, linewidth=1.6)
            self.points_[name], self.bars_[name] = drawn
        for row in range(1, m):
            ax.axhline(row - 0.5, color="0.9", linewidth=0.8, zorder=0)
        ax.set_ylim(max(m, 1) - 0.5, -0.5)
        font = float(np.clip(28 * size_of(ax)[1] / max(m, 1), 4.0, 9.0))
        ax.set_yticks(range(m), [fill(short(row, 56), 30) for row in self.rows], fontsize=font)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(short(self.label, 90))
        self.note_ = None
        if not any(means.known.any() for means in self.values.values()):
            self.note_ = note_on(ax, "no value")
            ax.set_xlim(0.0, 1.0)
        self.legend_ = legend_below(ax, [*self.points_.values()], [short(x) for x in self.values])
        return self
