"""LearningCurvesDisplay: accuracies against the steps of training, a line per arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import (
    Style,
    legend_height,
    legend_of_looks,
    look,
    note_on,
    panels_in,
    short,
    size_of,
)

__all__ = ["LearningCurvesDisplay"]

_Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class LearningCurvesDisplay(Display):
    """Accuracies against steps, a panel per set of questions and a line per arm.

    A line is the mean over the runs of an arm; its band is the range of the values. Runs are linear
    between evaluations and constant after the last one. A short vertical line marks the last
    evaluation of all runs.

    Parameters
    ----------
    runs : dict of str to sequence of (array-like, array-like)
        For each arm and run, the steps of its evaluations, shape (n,), ascending, and the shares of
        correct answers, shape (n, n_panels). Values that are not finite are left out.
    panels : sequence of str
        Names of the columns of the shares.

    Attributes
    ----------
    panels_ : dict of str to matplotlib Axes
        The panels.
    lines_ : dict of (str, str) to matplotlib Line2D
        The line of each panel and arm, in per cent.
    bands_ : dict of (str, str) to matplotlib PolyCollection
        The bands of arms with more than one run.
    {note_}
    legend_ : matplotlib Legend or None
        The arms and their numbers of runs.

    Examples
    --------
    >>> from neurotopo.plots.learning_curves import LearningCurvesDisplay
    >>> runs = {"dkn": [([0, 10], [[0.0], [0.6]]), ([0, 20], [[0.0], [0.8]])]}
    >>> display = LearningCurvesDisplay.from_runs(runs, ["new facts"])
    >>> display.lines_["new facts", "dkn"].get_ydata().tolist()
    [0.0, 50.0, 70.0]
    """

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

    from_runs = constructor("Draw the curves of the runs of several arms.")

    def plot(self, ax: Any = None) -> LearningCurvesDisplay:
        """Draw the panels."""
        n = len(self.panels)
        ax = self._start(ax, (max(2.9 * n + 0.8, 4.5), 3.6))
        self.panels_, self.lines_, self.bands_ = {}, {}, {}
        self.note_ = self.legend_ = None
        curves = self._curves()
        if not curves:
            ax.set(xticks=[], yticks=[])
            self.note_ = note_on(ax, "nothing to draw")
            return self
        width, _ = size_of(ax)
        labels = [f"{short(name, 30)} ({len(runs)})" for name, runs in self.runs.items()]
        *panels, below = panels_in(
            ax,
            n,
            xlabel="steps",
            ylabel="correct answers (%)",
            legend=legend_height(labels, width, title=True),
            sharex=True,
        )
        panels[0].set_ylim(-3, 103)
        for name, panel in zip(self.panels, panels, strict=True):
            panel.set_title(short(name, 40), fontsize="medium")
            panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
            self.panels_[name] = panel
        names = list(self.runs)
        for panel_name, arm in curves:
            self._draw(panel_name, arm, names.index(arm), *curves[panel_name, arm])
        self.legend_ = legend_of_looks(below, labels, width, title="arm (runs)")
        return self

    def _curves(self) -> dict[tuple[str, str], _Curve]:
        """Return for each panel and arm the steps and the values of all runs at them.

        Beyond its ends a run keeps its value.
        """
        curves = {}
        for k, panel in enumerate(self.panels):
            for name, runs in self.runs.items():
                kept = [(steps, values[:, k], np.isfinite(values[:, k])) for steps, values in runs]
                known = [(steps[has], values[has]) for steps, values, has in kept if has.any()]
                if known:
                    steps = np.unique(np.concatenate([each for each, _ in known]))
                    rows = [np.interp(steps, *run) for run in known]
                    curves[panel, name] = steps, np.array(rows)
        return curves

    def _draw(
        self, name: str, arm: str, k: int, steps: NDArray[np.float64], values: NDArray[np.float64]
    ) -> None:
        panel, style = self.panels_[name], look(k)
        # about eight markers per line, at different steps, so that the lines stay visible
        every = max(len(steps) // 8, 1)
        line: Style = {"linewidth": 1.4, "markersize": 4.0, "markevery": (k % every, every)}
        order, means = 3 + 0.01 * k, 100 * values.mean(axis=0)
        (self.lines_[name, arm],) = panel.plot(steps, means, zorder=order, **line, **style)
        end: Style = {"linestyle": "none", "marker": "|", "markersize": 11, "markeredgewidth": 1.4}
        panel.plot(steps[-1:], means[-1:], color=style["color"], zorder=order, **end)
        if len(values) > 1:
            ends = 100 * values.min(axis=0), 100 * values.max(axis=0)
            faint: Style = {"color": style["color"], "alpha": 0.15, "linewidth": 0.0, "zorder": 2}
            self.bands_[name, arm] = panel.fill_between(steps, *ends, **faint)


def _checked(name: str, steps: ArrayLike, values: ArrayLike, *, n_panels: int) -> _Curve:
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
