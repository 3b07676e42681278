"""LearningCurvesDisplay: accuracies against the steps of training, a line per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._inputs import axes_for
from neurotopo.plots._series import columns_for, grid_in_place_of, look, note_on, short, size_of

__all__ = ["LearningCurvesDisplay"]

_FONT = 8.5  # of the legend, in points
_Run = tuple[NDArray[np.float64], NDArray[np.float64]]
_Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class LearningCurvesDisplay:
    """Accuracies against steps, a panel per set of questions and a line per arm.

    A line is the mean over the runs of an arm, its band reaches from the least to the greatest of
    them. Between two evaluations a run is taken to be on a straight line, and after its last one,
    when training has stopped, to stay as it is; a short line across marks the last one of all
    runs.

    It is recommended to use :meth:`from_runs`.

    Parameters
    ----------
    runs : dict of str to sequence of (array-like, array-like)
        Of each arm, for each run, the steps at which it was evaluated, shape (n,), ascending, and
        the shares of correct answers, shape (n, n_panels). Values that are not finite are left
        out.
    panels : sequence of str
        What each column of the shares is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes given, or made; invisible, the panels take its place.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    panels_ : dict of str to matplotlib Axes
        The panels.
    lines_ : dict of (str, str) to matplotlib Line2D
        The line of each panel and arm, in per cent.
    bands_ : dict of (str, str) to matplotlib PolyCollection
        The bands, where an arm has more than one run.
    note_ : matplotlib Text or None
        Says that there is nothing to draw.
    legend_ : matplotlib Legend or None
        The arms and their numbers of runs.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from neurotopo.plots.learning_curves import LearningCurvesDisplay
    >>> runs = {"dkn": [([0, 10], [[0.0], [0.6]]), ([0, 20], [[0.0], [0.8]])]}
    >>> display = LearningCurvesDisplay.from_runs(runs, ["new facts"])
    >>> display.lines_["new facts", "dkn"].get_ydata().tolist()
    [0.0, 50.0, 70.0]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Any
    panels_: dict[str, Axes]
    lines_: dict[tuple[str, str], Any]
    bands_: dict[tuple[str, str], PolyCollection]
    note_: Any
    legend_: Any

    def __init__(
        self, runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]], panels: Sequence[str]
    ) -> None:
        self.panels = list(panels)
        if len(set(self.panels)) < len(self.panels):
            raise ValueError(f"panels must have different names, got {self.panels}.")
        self.runs = {
            name: [_checked(name, *run, n_panels=len(self.panels)) for run in of_arm]
            for name, of_arm in runs.items()
        }

    @classmethod
    def from_runs(
        cls,
        runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
        panels: Sequence[str],
        *,
        ax: Any = None,
    ) -> LearningCurvesDisplay:
        """Draw the curves of the runs of several arms.

        Parameters
        ----------
        runs, panels
            As for the class.
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.

        Returns
        -------
        display : LearningCurvesDisplay
        """
        return cls(runs, panels).plot(ax=ax)

    def plot(self, ax: Any = None) -> LearningCurvesDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; its place is taken by the panels. None: a new figure.

        Returns
        -------
        self : LearningCurvesDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            width = max(2.9 * len(self.panels) + 0.8, 4.5)
            ax = plt.figure(figsize=(width, 3.6), layout="constrained").add_subplot()
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.panels_, self.lines_, self.bands_ = {}, {}, {}
        self.note_ = self.legend_ = None
        curves = self._curves()
        if not curves:
            self.ax_.set(xticks=[], yticks=[])
            self.note_ = note_on(self.ax_, "nothing to draw")
            return self
        self.ax_.set_axis_off()
        names = list(self.runs)
        labels = [f"{short(name, 30)} ({len(self.runs[name])})" for name in names]
        below = self._make_panels(labels)
        for panel, name in curves:
            self._draw(panel, name, names.index(name), *curves[panel, name])
        handles = [Line2D([], [], markersize=5, **look(k)) for k in range(len(names))]
        self.legend_ = below.legend(
            handles,
            labels,
            loc="upper center",
            borderaxespad=0.0,
            fontsize=_FONT,
            title="arm (runs)",
            title_fontsize=_FONT,
            frameon=False,
            ncols=columns_for(labels, size_of(self.ax_)[0], _FONT),
        )
        return self

    def _curves(self) -> dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return for each panel and arm the steps and the values of all runs at them."""
        found = {}
        for k, panel in enumerate(self.panels):
            for name, runs in self.runs.items():
                known = [(steps, values[:, k]) for steps, values in runs]
                known = [_finite(*run) for run in known]
                known = [run for run in known if len(run[0])]
                if known:
                    steps = np.unique(np.concatenate([each for each, _ in known]))
                    found[panel, name] = steps, np.array([_at(steps, *run) for run in known])
        return found

    def _make_panels(self, labels: list[str]) -> Axes:
        """Make the panels; return the invisible axes of the legend below them."""
        width, height = size_of(self.ax_)
        lines = -(-len(labels) // columns_for(labels, width, _FONT)) + 1.5
        for_legend = min(lines * 1.6 * _FONT / 72, 0.6 * height)
        ratios = [height - for_legend, for_legend]
        columns = len(self.panels)
        grid = grid_in_place_of(self.ax_, 2, columns, ratios)
        first = None
        for k, name in enumerate(self.panels):
            panel = self.figure_.add_subplot(grid[0, k], sharex=first, sharey=first)
            first = first or panel
            panel.set_title(short(name, 40), fontsize="medium")
            panel.set_xlabel("steps")
            panel.tick_params(labelleft=k == 0)
            if k == 0:
                panel.set_ylabel("correct answers (%)")
                panel.set_ylim(-3, 103)
            panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
            self.panels_[name] = panel
        below = self.figure_.add_subplot(grid[1, :])
        below.set_axis_off()
        return below

    def _draw(
        self, name: str, arm: str, k: int, steps: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        panel, style = self.panels_[name], look(k)
        # markers of all evaluations would cover the lines: about eight, not at the same steps
        every = max(len(steps) // 8, 1)
        (self.lines_[name, arm],) = panel.plot(
            steps,
            100 * values.mean(axis=0),
            linewidth=1.4,
            markersize=4.0,
            markevery=(k % every, every),
            zorder=3 + 0.01 * k,
            **style,
        )
        panel.plot(
            steps[-1:],
            100 * values[:, -1:].mean(axis=0),
            linestyle="none",
            marker="|",
            markersize=11,
            markeredgewidth=1.4,
            color=style["color"],
            zorder=3 + 0.01 * k,
        )
        if len(values) > 1:
            self.bands_[name, arm] = panel.fill_between(
                steps,
                100 * values.min(axis=0),
                100 * values.max(axis=0),
                color=style["color"],
                alpha=0.15,
                linewidth=0.0,
                zorder=2,
            )


def _checked(name: str, steps: ArrayLike, values: ArrayLike, *, n_panels: int) -> _Run:
    at, shares = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if at.ndim != 1 or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise ValueError(f"the steps of {name!r} must be ascending numbers in one row.")
    if shares.shape != (len(at), n_panels):
        raise ValueError(
            f"the shares of {name!r} must have shape ({len(at)}, {n_panels}), got {shares.shape}."
        )
    known = shares[np.isfinite(shares)]
    if ((known < 0) | (known > 1)).any():
        raise ValueError(f"the shares of {name!r} must be between 0 and 1.")
    return at, shares


def _finite(steps: NDArray[np.float64], values: NDArray[np.float64]) -> _Curve:
    kept = np.isfinite(values)
    return steps[kept], values[kept]


def _at(
    where: NDArray[np.float64], steps: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values of a run at all steps; beyond its ends it stays as it is."""
    return np.asarray(np.interp(where, steps, values), dtype=np.float64)
