"""ScalingDisplay: measures with intervals against the size of models, or steps of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import legend_below, look, note_on, short

__all__ = ["ScalingDisplay"]

_SHIFT = 0.012  # of the width, between series at one place, so that their bars do not cover


class ScalingDisplay:
    """Lines of means with their intervals over one axis, a line per measure.

    Points without a value (nan) are left out, points without bounds have no bar. The lines stand
    a little beside each other, so that their bars do not cover.

    It is recommended to use :meth:`from_means`.

    Parameters
    ----------
    x : array-like, shape (n,)
        Where the values are: numbers of weights, or steps, ascending.
    series : dict of str to array-like, shape (n, 3)
        Of each measure, the mean and the bounds of its interval at each place.
    xlabel, ylabel : str
        What the axes say.
    names : sequence of str, optional
        What is at each place: it is written at the axis in the place of the numbers.
    log : bool, default=False
        Whether the horizontal axis is logarithmic.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    bars_ : dict of str to matplotlib ErrorbarContainer
        The points, their line and their bars, by measure.
    legend_ : matplotlib Legend or None
        The measures.
    note_ : matplotlib Text or None
        Says that there is nothing to draw.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.scaling import ScalingDisplay
    >>> means = {"NTC": [[1.0, 0.5, 1.5], [2.0, 1.5, 2.5]]}
    >>> display = ScalingDisplay.from_means([1e5, 1e6], means, xlabel="weights", log=True)
    >>> display.bars_["NTC"].lines[0].get_ydata().tolist()
    [1.0, 2.0]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    bars_: dict[str, ErrorbarContainer]
    legend_: Any
    note_: Any

    def __init__(
        self,
        x: ArrayLike,
        series: Mapping[str, ArrayLike],
        *,
        xlabel: str = "",
        ylabel: str = "",
        names: Sequence[str] | None = None,
        log: bool = False,
    ) -> None:
        self.x = np.asarray(x, dtype=np.float64)
        self.xlabel, self.ylabel, self.log = xlabel, ylabel, log
        if self.x.ndim != 1 or not np.isfinite(self.x).all() or (np.diff(self.x) < 0).any():
            raise ValueError("x must be ascending numbers in one row.")
        if log and (self.x <= 0).any():
            raise ValueError("x must be above 0 on a logarithmic axis.")
        self.names = None if names is None else list(names)
        if self.names is not None and len(self.names) != len(self.x):
            raise ValueError(f"there must be a name for each of {len(self.x)} places.")
        self.series = {name: _checked(name, rows, len(self.x)) for name, rows in series.items()}

    @classmethod
    def from_means(
        cls,
        x: ArrayLike,
        series: Mapping[str, ArrayLike],
        *,
        xlabel: str = "",
        ylabel: str = "",
        names: Sequence[str] | None = None,
        log: bool = False,
        ax: Any = None,
    ) -> ScalingDisplay:
        """Draw means and intervals.

        Parameters
        ----------
        x, series, xlabel, ylabel, names, log
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : ScalingDisplay
        """
        return cls(x, series, xlabel=xlabel, ylabel=ylabel, names=names, log=log).plot(ax=ax)

    def plot(self, ax: Any = None) -> ScalingDisplay:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        self : ScalingDisplay
        """
        self.ax_ = ax = axes_for(ax)
        self.figure_ = ax.figure
        self.bars_, self.legend_, self.note_ = {}, None, None
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel)
        if self.log:
            ax.set_xscale("log")
        ax.grid(axis="y", color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        drawn = [name for name, rows in self.series.items() if np.isfinite(rows[:, 0]).any()]
        if not drawn:
            self.note_ = note_on(ax, "nothing to draw")
            return self
        for k, name in enumerate(drawn):
            self._draw(name, k, k - (len(drawn) - 1) / 2)
        self._ticks()
        handles = [self.bars_[name] for name in drawn]
        self.legend_ = legend_below(ax, handles, [short(name) for name in drawn])
        return self

    def _draw(self, name: str, k: int, shift: float) -> None:
        rows = self.series[name]
        known = np.isfinite(rows[:, 0])
        mean, low, high = rows[known].T
        lengths = np.nan_to_num(np.array([mean - low, high - mean]), nan=0.0)
        style = look(k)
        self.bars_[name] = self.ax_.errorbar(
            self._shifted(shift * _SHIFT)[known],
            mean,
            yerr=np.maximum(lengths, 0.0),
            linewidth=1.4,
            markersize=5.0,
            capsize=3.0,
            elinewidth=1.2,
            zorder=3 + 0.01 * k,
            **style,
        )

    def _shifted(self, share: float) -> NDArray[np.float64]:
        """Return the places, moved by a share of the width of the axes."""
        if self.log:
            x = np.log10(self.x)
            return np.asarray(10 ** (x + share * max(float(np.ptp(x)), 0.1)), dtype=np.float64)
        return self.x + share * max(float(np.ptp(self.x)), 1.0)

    def _ticks(self) -> None:
        axis = self.ax_.xaxis
        if self.names is not None:
            rotated = sum(len(name) + 2 for name in self.names) > 60
            self.ax_.set_xticks(
                self.x,
                [short(name, 24) for name in self.names],
                fontsize="small",
                rotation=25 if rotated else 0,
                ha="right" if rotated else "center",
            )
        elif self.log:
            self.ax_.set_xticks(self.x)
            axis.set_major_formatter(FuncFormatter(lambda value, at: f"{value:,.0f}"))
        if self.log:
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())


def _checked(name: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    rows = np.asarray(values, dtype=np.float64)
    if rows.shape != (n, 3):
        raise ValueError(f"the values of {name!r} must have shape ({n}, 3), got {rows.shape}.")
    if np.isinf(rows).any():
        raise ValueError(f"the values of {name!r} must be finite or nan.")
    return rows
