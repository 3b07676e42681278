"""ScalingDisplay: measures with intervals against the size of models, or steps of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import constructor
from neurotopo.plots._means import MeanDisplay, Means
from neurotopo.plots._series import Style, legend_below, look, note_on, short

__all__ = ["ScalingDisplay"]

_SHIFT = 0.012  # between series at one place, relative to the width: bars do not overlap


class ScalingDisplay(MeanDisplay):
    """Lines of means with their intervals over one axis, a line per measure.

    Points without a value (nan) are left out, points without bounds have no bar. The lines are
    shifted a little, so that their bars do not overlap.

    Parameters
    ----------
    x : array-like, shape (n,)
        Places of the values, ascending: numbers of weights, or steps.
    series : dict of str to array-like, shape (n, 3)
        For each measure, the mean and the bounds of its interval at each place.
    {xylabel}
    names : sequence of str, optional
        Names of the places, written at the axis instead of the numbers.
    log : bool, default=False
        Whether the horizontal axis is logarithmic.

    Attributes
    ----------
    bars_ : dict of str to matplotlib ErrorbarContainer
        The points, their line and their bars, by measure.
    {legend_}
    {note_}

    Examples
    --------
    >>> from neurotopo.plots.scaling import ScalingDisplay
    >>> means = {"NTC": [[1.0, 0.5, 1.5], [2.0, 1.5, 2.5]]}
    >>> display = ScalingDisplay.from_means([1e5, 1e6], means, xlabel="weights", log=True)
    >>> display.bars_["NTC"].lines[0].get_ydata().tolist()
    [1.0, 2.0]
    """

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
        n = len(self.x)
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"there must be a name for each of {n} places.")
        self.series = {}
        for name, values in series.items():
            rows = np.asarray(values, dtype=np.float64)
            if rows.shape != (n, 3):
                raise ValueError(
                    f"the values of {name!r} must have shape ({n}, 3), got {rows.shape}."
                )
            self.series[name] = Means.of(name, rows.T, n)

    from_means = constructor("Draw means and intervals.")

    def plot(self, ax: Any = None) -> ScalingDisplay:
        """Draw the lines."""
        ax = self._start(ax)
        self.bars_, self.legend_, self.note_ = {}, None, None
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel)
        if self.log:
            ax.set_xscale("log")
        ax.grid(axis="y", color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        drawn = {name: means for name, means in self.series.items() if means.known.any()}
        if not drawn:
            self.note_ = note_on(ax, "nothing to draw")
            return self
        for k, (name, means) in enumerate(drawn.items()):
            x, known = self._shifted((k - (len(drawn) - 1) / 2) * _SHIFT), means.known
            lengths = np.array([means.mean - means.low, means.high - means.mean])[:, known]
            style: Style = {"linewidth": 1.4, "markersize": 5.0, "capsize": 3.0, "elinewidth": 1.2}
            style |= {"yerr": np.maximum(np.nan_to_num(lengths), 0.0), "zorder": 3 + 0.01 * k}
            self.bars_[name] = ax.errorbar(x[known], means.mean[known], **style, **look(k))
        self._set_ticks()
        self.legend_ = legend_below(ax, [*self.bars_.values()], [short(name) for name in drawn])
        return self

    def _shifted(self, share: float) -> NDArray[np.float64]:
        """Return the places, moved by a share of the width of the axes."""
        if self.log:
            x = np.log10(self.x)
            return np.asarray(10 ** (x + share * max(float(np.ptp(x)), 0.1)), dtype=np.float64)
        return self.x + share * max(float(np.ptp(self.x)), 1.0)

    def _set_ticks(self) -> None:
        axis = self.ax_.xaxis
        if self.names is not None:
            crowded = sum(len(name) + 2 for name in self.names) > 60
            turned: Style = {"rotation": 25, "ha": "right"} if crowded else {}
            names = [short(name, 24) for name in self.names]
            self.ax_.set_xticks(self.x, names, fontsize="small", **turned)
        elif self.log:
            self.ax_.set_xticks(self.x)
            axis.set_major_formatter(FuncFormatter(lambda value, at: f"{value:,.0f}"))
        if self.log:
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())
