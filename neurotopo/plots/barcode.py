"""BarcodeDisplay: one bar per cluster, from birth to death."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from neurotopo.persistence.clusters import lifetime
from neurotopo.plots._intervals import IntervalDisplay
from neurotopo.plots._palette import colors_of, swatches
from neurotopo.plots._radii import RadiusAxis, threshold_death
from neurotopo.plots._series import Style, segments_on

__all__ = ["BarcodeDisplay"]

_HALF = 0.36  # half the thickness of a bar, in rows
_MOST_COUNTS = 80  # more texts are unreadable


class BarcodeDisplay(IntervalDisplay):
    """Barcode: one bar from R1 to R2 per cluster, with the number of its samples at the end.

    Infinite bars end in an arrow at the end of observation.

    Parameters
    ----------
    {intervals}

    Attributes
    ----------
    rows_ : ndarray of int
        The drawn rows of ``diagram``, from top to bottom.
    bars_ : matplotlib PolyCollection
        The bars, in the order of ``rows_``; the first is drawn at height 0, the next at -1.
    arrows_ : matplotlib Line2D
        The arrow heads of the infinite bars.
    counts_ : list of matplotlib Text
        The numbers of samples, in the order of ``rows_``.
    threshold_marks_ : matplotlib LineCollection or None
        Marks where bars reach the threshold.
    end_line_ : matplotlib Line2D or None
        The end of observation.
    note_ : matplotlib Text or None
        Number of omitted bars.
    {legend_}

    See Also
    --------
    PersistenceDiagramDisplay : The same intervals as points.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.plots import BarcodeDisplay
    >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    >>> display = BarcodeDisplay.from_estimator(ntc)
    >>> display.diagram[display.rows_].round(1).tolist()
    [[0.1, 4.8], [0.1, 3.9], [3.9, 4.8], [4.8, inf]]
    >>> [count.get_text() for count in display.counts_]
    ['3', '2', '3', '6']
    """

    def plot(
        self,
        ax: Any = None,
        *,
        order: str = "persistence",
        max_bars: int | None = 40,
        log: bool | None = None,
        legend: bool = True,
    ) -> BarcodeDisplay:
        """Draw the barcode.

        Parameters
        ----------
        order : {"persistence", "birth"}, default="persistence"
            Order of the bars from the top: the most persistent, or the first born, first.
        max_bars : int or None, default=40
            Largest number of bars; chosen and persistent ones come first. None: all.
        """
        if order not in ("persistence", "birth"):
            raise ValueError(f"order must be one of persistence, birth, got {order!r}.")
        if max_bars is not None and max_bars < 0:
            raise ValueError(f"max_bars must not be negative, got {max_bars}.")
        self._start(ax)
        self.rows_ = self._rows(order, max_bars)
        axis = RadiusAxis.of(self._shown_radii, log=self._on_log_axes(log))
        axis.apply(self.ax_, "x")
        self._draw_bars(axis)
        self._draw_marks(axis)
        self._draw_note(legend)
        self._draw_counts()
        self.ax_.set(xlabel="radius $R$", ylabel=self._axis_title(order))
        self.legend_ = self._draw_legend() if legend else None
        return self

    @property
    def _end(self) -> float:
        """Radius at which infinite bars end."""
        if self.end_of_observation is not None:
            return self.end_of_observation
        finite = self.diagram[np.isfinite(self.diagram)]
        return float(finite.max()) if len(finite) else 0.0

    @property
    def _text_size(self) -> float:
        return float(np.clip(260 / max(len(self.rows_), 1), 4.0, 9.0))

    def _drawn_deaths(self) -> NDArray[np.float64]:
        birth, death = self.diagram.T
        return np.where(np.isinf(death), np.maximum(self._end, birth), death)

    def _rows(self, order: str, max_bars: int | None) -> NDArray[np.intp]:
        birth = self.diagram[:, 0]
        unit = self.unit if self.unit > 0 else float(np.min(birth[birth > 0], initial=1.0))
        life = lifetime(birth, self._drawn_deaths(), self.scale, unit)
        # ties: infinite bars first, then larger clusters, then earlier births
        sizes = np.zeros(len(life)) if self.sizes is None else self.sizes
        keys = (birth, -sizes, ~np.isinf(self.diagram[:, 1]), -life)
        rows = np.lexsort(keys)
        if max_bars is not None:  # chosen bars are kept
            kept = np.lexsort((*keys, self.labels < 0))[:max_bars]
            rows = rows[np.isin(rows, kept)]
        return rows[np.argsort(birth[rows], kind="stable")] if order == "birth" else rows

    def _draw_bars(self, axis: RadiusAxis) -> None:
        left = axis.place(self.diagram[self.rows_, 0])
        right = axis.place(self._drawn_deaths()[self.rows_])
        y = -np.arange(len(self.rows_), dtype=np.float64)
        x = np.column_stack([left, left, right, right])
        corners = np.stack([x, y[:, None] + [-_HALF, _HALF, _HALF, -_HALF]], axis=2)
        colors = colors_of(self.labels[self.rows_])
        # the outline shows bars of length zero
        outline: Style = {"edgecolors": colors, "linewidths": 0.8}
        self.bars_ = PolyCollection(list(corners), facecolors=colors, **outline)
        self.ax_.add_collection(self.bars_, autolim=False)
        endless = np.isinf(self.diagram[self.rows_, 1])
        five_points_right = ScaledTranslation(5 / 72, 0, self.figure_.dpi_scale_trans)
        style: Style = {"linestyle": "none", "marker": ">", "markersize": 7}
        style |= {"color": "0.25", "transform": self.ax_.transData + five_points_right}
        (self.arrows_,) = self.ax_.plot(right[endless], y[endless], zorder=4, **style)
        self.arrows_.set_in_layout(False)  # an empty line would stretch the layout
        self._ends = right

    def _draw_marks(self, axis: RadiusAxis) -> None:
        self.threshold_marks_ = self.end_line_ = None
        if self.end_of_observation is not None and np.isinf(self.diagram[:, 1]).any():
            style: Style = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}
            style |= {"zorder": 0, "label": "end of observation"}
            self.end_line_ = self.ax_.axvline(float(axis.place(self.end_of_observation)), **style)
        if self.threshold is None or len(self.rows_) == 0:
            return
        drawn = self.diagram[self.rows_]
        reach = threshold_death(drawn[:, 0], self.threshold, self.scale, self.unit)
        reached = np.flatnonzero(self._drawn_deaths()[self.rows_] > reach)
        x, y = axis.place(reach[reached]), -reached.astype(np.float64)
        ends = np.stack([np.column_stack([x, x]), y[:, None] + [-0.5, 0.5]], axis=2)
        style = {"colors": "black", "linewidths": 1.2, "zorder": 3}
        label = f"threshold (persistence {self.threshold:.3g})"
        self.threshold_marks_ = segments_on(self.ax_, ends, label=label, **style)

    def _draw_counts(self) -> None:
        self.counts_ = []
        if self.sizes is None or len(self.rows_) > _MOST_COUNTS:
            return
        style: Style = {"fontsize": self._text_size, "va": "center", "textcoords": "offset points"}
        for k, row in enumerate(self.rows_):
            place = (11 if np.isinf(self.diagram[row, 1]) else 4, 0)
            end = self._ends[k], -k
            self.counts_.append(self.ax_.annotate(f"{self.sizes[row]}", end, place, **style))

    def _draw_note(self, legend: bool) -> None:
        n_rows, left_out = len(self.rows_), len(self.diagram) - len(self.rows_)
        self.note_ = None
        style: Style = {"xycoords": "axes fraction", "color": "0.3"}
        if len(self.diagram) == 0:
            self.note_ = self.ax_.annotate("nothing to draw", (0.5, 0.5), ha="center", **style)
        if left_out:
            style |= {"va": "bottom", "fontsize": "small"}
            self.note_ = self.ax_.annotate(f"{left_out} more left out", (0.01, 0.015), **style)
        # no bar under the legend
        below = max(max(1.2, 0.07 * n_rows) * bool(left_out), 0.17 * n_rows * legend)
        self.ax_.set_ylim(-max(n_rows, 1) + 0.3 - below, 0.7)
        named = [k for k, row in enumerate(self.rows_) if self.labels[row] >= 0]
        if self.names is not None or len(named) > 30:
            self.ax_.set_yticks([])
            return
        self.ax_.set_yticks([-k for k in named], [str(self.labels[self.rows_[k]]) for k in named])
        self.ax_.tick_params(axis="y", length=0, labelsize=self._text_size)

    def _axis_title(self, order: str) -> str:
        what = "classes" if self.names is not None else "clusters"
        return f"{what}, {'most persistent' if order == 'persistence' else 'first born'} first"

    def _draw_legend(self) -> Any:
        entries: list[Any] = []
        if self.names is not None:
            present = np.unique(self.labels[self.rows_]).tolist()
            entries = swatches(present, [self.names[k] for k in present], marker="s")
        marks = (self.threshold_marks_, self.end_line_)
        entries += [mark for mark in marks if mark is not None]
        if not entries:
            return None
        return self.ax_.legend(handles=entries, loc="lower right", framealpha=1.0)
