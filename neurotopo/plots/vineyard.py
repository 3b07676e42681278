"""VineyardDisplay: the prominence of clusters along a second parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotopo.persistence.vineyard import Vineyard
from neurotopo.plots._display import Display, constructor
from neurotopo.plots._palette import colors_of, swatches
from neurotopo.plots._series import Style, note_on, short

__all__ = ["VineyardDisplay"]

_MOST_TICKS = 9


class VineyardDisplay(Display):
    """Prominence of clusters along a second parameter, a line per vine.

    A circle marks where a coloured vine begins after the first slice, a cross where it ends before
    the last.

    Parameters
    ----------
    vineyard : Vineyard
        The vineyard.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The vines, by number; those without a colour are grey.
    starts_, ends_ : matplotlib Line2D
        Marks at the first and the last bars of vines.
    {legend_}
    {note_}

    See Also
    --------
    neurotopo.persistence.vineyard : Compute a vineyard.

    Examples
    --------
    >>> from neurotopo.persistence import vineyard
    >>> from neurotopo.plots.vineyard import VineyardDisplay
    >>> X = [[0.0], [0.1], [0.2], [0.3], [5.0], [5.2], [5.4], [9.0]]
    >>> display = VineyardDisplay.from_vineyard(vineyard(X, [2, 3]))
    >>> [line.get_ydata().round(1).tolist() for line in display.lines_]
    [[4.6, 4.6], [4.5, 4.5]]
    """

    def __init__(self, vineyard: Vineyard) -> None:
        if not isinstance(vineyard, Vineyard):
            name = type(vineyard).__name__
            raise TypeError(f"{type(self).__name__} needs a Vineyard, got {name}.")
        self.vineyard = vineyard

    from_vineyard = constructor("Draw a vineyard.")

    def plot(
        self,
        ax: Any = None,
        *,
        max_vines: int = 7,
        log: bool = False,
        log_parameter: bool = False,
        legend: bool = True,
    ) -> VineyardDisplay:
        """Draw the vines.

        Parameters
        ----------
        max_vines : int, default=7
            Number of vines with a colour: those of the largest prominence.
        log : bool, default=False
            Logarithmic axis of prominences.
        log_parameter : bool, default=False
            Logarithmic axis of the parameter.
        """
        if max_vines < 0:
            raise ValueError(f"max_vines must not be negative, got {max_vines}.")
        if log_parameter and self.vineyard.parameters[0] <= 0:
            raise ValueError("log_parameter=True needs positive parameters.")
        ax = self._start(ax)
        vines, shown = self.vineyard, min(max_vines, self.vineyard.n_vines)
        self.lines_, first, last = [], [], []
        for vine in range(vines.n_vines):
            bars = np.flatnonzero(vines.vine == vine)
            x, y = vines.parameters[vines.slice[bars]], vines.prominence[bars]
            (color,) = colors_of([vine if vine < shown else -1])
            style: Style = {"color": tuple(color), "marker": "."}
            style |= {"linewidth": 1.8, "markersize": 6.0, "zorder": 3}
            if vine >= shown:
                style |= {"linewidth": 0.7, "markersize": 2.5, "zorder": 2}
            self.lines_ += ax.plot(x, y, **style)
            if vine >= shown:
                continue
            if vines.slice[bars[0]] > 0:
                first.append((x[0], y[0]))
            if vines.slice[bars[-1]] < vines.n_slices - 1:
                last.append((x[-1], y[-1]))
        self.starts_, self.ends_ = self._marks(first, "o"), self._marks(last, "x")
        if log:
            ax.set_yscale("log", nonpositive="clip")
        else:
            ax.set_ylim(bottom=0)
        if log_parameter:
            ax.set_xscale("log")
            some = np.unique(np.linspace(0, vines.n_slices - 1, _MOST_TICKS).round().astype(int))
            ticks = vines.parameters[some]
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_xticks([], minor=True)
        ax.set(xlabel=short(vines.name), ylabel="prominence")
        nothing = vines.n_vines == 0 or not (vines.prominence > 0).any()
        self.note_ = note_on(ax, "no prominent clusters") if nothing else None
        self.legend_ = self._draw_legend(shown) if legend and shown else None
        return self

    def _marks(self, places: list[tuple[float, float]], marker: str) -> Any:
        at = np.array(places, dtype=np.float64).reshape(-1, 2)
        style: Style = {"linestyle": "none", "marker": marker, "color": "0.25", "zorder": 4}
        return self.ax_.plot(at[:, 0], at[:, 1], markersize=4.5, markerfacecolor="none", **style)[0]

    def _draw_legend(self, shown: int) -> Any:
        entries = swatches(range(shown), [f"vine {k}" for k in range(shown)], most=shown)
        more = self.vineyard.n_vines - shown
        if more:
            entries += swatches([-1], [f"{more} more"])
        return self.ax_.legend(handles=entries, fontsize="small", framealpha=0.9)
