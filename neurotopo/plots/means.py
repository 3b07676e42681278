"""MeansDisplay: means with their intervals, several kinds of them in every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import legend_below, look, note_on, short, size_of

__all__ = ["MeansDisplay"]


class MeansDisplay:
    """Means of several kinds side by side, a row per question, with an interval each.

    It is recommended to use :meth:`from_arrays`.

    Parameters
    ----------
    rows : sequence of str, length m
        What each row is called, from the top.
    values : dict of str to (mean, low, high)
        By the name of a kind three array-likes of shape (m,): its means and the bounds of their
        intervals; nan where there is none.
    label : str, default="mean"
        What the horizontal axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    points_ : dict of str to matplotlib Line2D
        The means of each kind.
    bars_ : dict of str to matplotlib LineCollection
        Their intervals.
    note_ : matplotlib Text or None
        Says that there is no value at all.
    legend_ : matplotlib Legend
        The kinds.

    See Also
    --------
    EffectsDisplay : Differences, with n and p.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.means import MeansDisplay
    >>> display = MeansDisplay.from_arrays(
    ...     ["shared", "first"],
    ...     {
    ...         "own": ([0.5, 0.7], [0.4, 0.6], [0.6, 0.8]),
    ...         "random": ([0.1, 0.2], [0.0, 0.1], [0.2, 0.3]),
    ...     },
    ...     label="Succ",
    ... )
    >>> display.points_["own"].get_xdata().tolist(), display.ax_.get_xlabel()
    ([0.5, 0.7], 'Succ')
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    points_: dict[str, Any]
    bars_: dict[str, Any]
    note_: Any
    legend_: Any

    def __init__(
        self,
        rows: Sequence[str],
        values: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
        *,
        label: str = "mean",
    ) -> None:
        self.rows, self.label = list(rows), label
        if not values:
            raise ValueError("values must have one kind at least.")
        self.values = {name: _checked(name, each, len(self.rows)) for name, each in values.items()}

    @classmethod
    def from_arrays(
        cls,
        rows: Sequence[str],
        values: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
        *,
        label: str = "mean",
        ax: Any = None,
    ) -> MeansDisplay:
        """Draw means and their intervals.

        Parameters
        ----------
        rows : sequence of str, length m
            What each row is called, from the top.
        values : dict of str to (mean, low, high)
            By the name of a kind three array-likes of shape (m,).
        label : str, default="mean"
            What the horizontal axis says.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : MeansDisplay
        """
        return cls(rows, values, label=label).plot(ax=ax)

    def plot(self, ax: Any = None) -> MeansDisplay:
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        self : MeansDisplay
        """
        self.ax_ = ax = axes_for(ax)
        self.figure_ = ax.figure
        m, n_kinds = len(self.rows), len(self.values)
        self.points_, self.bars_ = {}, {}
        step = 0.64 / n_kinds
        for k, (name, (mean, low, high)) in enumerate(self.values.items()):
            heights = np.arange(m) + (k - (n_kinds - 1) / 2) * step  # the first one uppermost
            style = look(k)
            bounded = np.isfinite(low) & np.isfinite(high)
            self.bars_[name] = ax.hlines(
                heights[bounded], low[bounded], high[bounded], color=style["color"], linewidth=1.6
            )
            (self.points_[name],) = ax.plot(
                mean,
                heights,
                linestyle="none",
                color=style["color"],
                marker=style["marker"],
                markersize=5.5,
                zorder=3,
            )
        for row in range(1, m):
            ax.axhline(row - 0.5, color="0.9", linewidth=0.8, zorder=0)
        ax.set_ylim(max(m, 1) - 0.5, -0.5)
        font = float(np.clip(28 * size_of(ax)[1] / max(m, 1), 4.0, 9.0))
        names = [fill(short(row, 56), 30) for row in self.rows]
        ax.set_yticks(range(m), names, fontsize=font)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(short(self.label, 90))
        known = any(np.isfinite(mean).any() for mean, _, _ in self.values.values())
        self.note_ = None if known else note_on(ax, "no value")
        if not known:
            ax.set_xlim(0.0, 1.0)
        self.legend_ = legend_below(ax, [*self.points_.values()], [short(x) for x in self.values])
        return self


def _checked(
    name: str, values: tuple[ArrayLike, ArrayLike, ArrayLike], m: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Check that there is a mean and an interval per row."""
    mean, low, high = (np.asarray(each, dtype=np.float64) for each in values)
    for what, column in (("means", mean), ("lower bounds", low), ("upper bounds", high)):
        if column.shape != (m,):
            raise ValueError(
                f"the {what} of {name!r} must be one per row, {m}, got shape {column.shape}."
            )
        if np.isinf(column).any():
            raise ValueError(f"the {what} of {name!r} must be finite or nan.")
    if (low > high).any():
        raise ValueError(f"an interval of {name!r} ends before it begins.")
    return mean, low, high
