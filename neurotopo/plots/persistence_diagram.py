"""PersistenceDiagramDisplay: births against deaths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.plots._intervals import IntervalDisplay
from neurotopo.plots._palette import colors_of, swatches
from neurotopo.plots._radii import RadiusAxis, threshold_death
from neurotopo.plots._series import Style

__all__ = ["PersistenceDiagramDisplay"]

_MARKERS = "o^sDv"  # dimensions differ in shape as well as in colour


class PersistenceDiagramDisplay(IntervalDisplay):
    """Persistence diagram: one point (R1, R2) per cluster, or (birth, death) per class.

    Infinite deaths are on a marked line at the top, larger clusters have larger markers. The
    threshold is the line ``death = birth + threshold`` or ``death = birth * exp(threshold)``.

    Parameters
    ----------
    {intervals}

    Attributes
    ----------
    points_ : list of matplotlib PathCollection
        The points: those not chosen, then those chosen; or one collection per dimension.
    diagonal_, threshold_line_, infinity_line_ : matplotlib Line2D or None
        The lines.
    band_ : matplotlib PolyCollection or None
        The confidence band.
    {legend_}

    See Also
    --------
    BarcodeDisplay : The same intervals as bars.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.plots import PersistenceDiagramDisplay
    >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    >>> display = PersistenceDiagramDisplay.from_estimator(ntc)
    >>> display.points_[1].get_offsets().round(1).tolist()  # the chosen clusters
    [[0.1, 3.9], [0.1, 4.8]]
    """

    def plot(
        self, ax: Any = None, *, log: bool | None = None, band: Any = None, legend: bool = True
    ) -> PersistenceDiagramDisplay:
        """Draw the diagram.

        Parameters
        ----------
        log : bool, optional
            Logarithmic axes. None: if the scale of the persistence is logarithmic.
        band : float or object with an attribute ``width``, optional
            Confidence band, as :func:`neurotopo.persistence.bottleneck_band` returns it: points
            with ``death - birth`` up to the width do not differ from the diagonal.
        """
        width = None if band is None else _width(band)
        self._start(ax)
        axis = RadiusAxis.of(self._shown_radii, log=self._on_log_axes(log))
        self._draw_lines(axis, width)
        self._draw_points(axis)
        axis.apply(self.ax_, "x")
        axis.apply(self.ax_, "y")
        self.ax_.set_xlim(axis.limits[0], axis.infinity)
        names = ("birth $R_1$", "death $R_2$") if self.names is None else ("birth", "death")
        self.ax_.set(xlabel=names[0], ylabel=names[1])
        self.legend_ = self._draw_legend() if legend else None
        return self

    def _draw_lines(self, axis: RadiusAxis, width: float | None) -> None:
        ax, x = self.ax_, axis.samples()
        (self.diagonal_,) = ax.plot(axis.limits, axis.limits, color="0.3", linewidth=0.8, zorder=1)
        self.band_ = self.threshold_line_ = self.infinity_line_ = None
        if width is not None:
            top = np.minimum(x + width, axis.limits[1])
            grey: Style = {"color": "0.88", "linewidth": 0, "label": "confidence band"}
            self.band_ = ax.fill_between(x, x, top, zorder=0, **grey)
        if self.threshold is not None:
            death = threshold_death(x, self.threshold, self.scale, self.unit)
            seen = death <= axis.limits[1]
            dashed: Style = {"color": "0.3", "linewidth": 1.0, "linestyle": "--"}
            label = f"threshold (persistence {self.threshold:.3g})"
            (self.threshold_line_,) = ax.plot(x[seen], death[seen], zorder=1, label=label, **dashed)
        if axis.has_infinity:
            text = r"$\infty$"
            if self.end_of_observation is not None:
                text += f" (counted up to R = {self.end_of_observation:.3g})"
            style: Style = {"xytext": (0, 3), "fontsize": "small", "color": "0.3"}
            self.infinity_line_ = axis.mark_infinity(ax, text, 0.01, **style)

    def _draw_points(self, axis: RadiusAxis) -> None:
        at, areas, colors = axis.place(self.diagram), self._areas(), colors_of(self.labels)
        groups, markers = [self.labels < 0, self.labels >= 0], "oo"
        if self.names is not None:
            groups = [self.labels == k for k in range(len(self.names))]
            markers = "".join(_MARKERS[k % len(_MARKERS)] for k in range(len(groups)))
        style: Style = {"alpha": 0.8, "linewidths": 0.6, "edgecolors": "white"}
        self.points_ = [
            self.ax_.scatter(
                at[group, 0],
                at[group, 1],
                s=areas[group],
                c=colors[group],
                marker=marker,
                clip_on=False,
                zorder=zorder,
                **style,
            )
            for zorder, (group, marker) in enumerate(zip(groups, markers, strict=True), start=2)
        ]

    def _areas(self) -> NDArray[np.float64]:
        """Return areas of markers: between two limits, by the root of the size."""
        if self.sizes is None:
            return np.full(len(self.diagram), 26.0)
        return 20.0 + 150.0 * np.sqrt(self.sizes / max(self.sizes.max(initial=1), 1))

    def _draw_legend(self) -> Any:
        present = np.unique(self.labels[self.labels >= 0]).tolist()
        entries = swatches(present, [self._name(k) for k in present[:8]] + [""] * len(present[8:]))
        if self.names is not None:
            for entry, label in zip(entries, present, strict=False):
                entry.set_marker(_MARKERS[label % len(_MARKERS)])
        elif (self.labels < 0).any():
            name = "not chosen" if present or self.threshold is not None else "cluster"
            entries += swatches([-1], [name])
        entries += [line for line in (self.threshold_line_, self.band_) if line is not None]
        if not entries:
            return None
        # no point lies below the diagonal
        return self.ax_.legend(handles=entries, loc="lower right", fontsize="small")


def _width(band: Any) -> float:
    width = getattr(band, "width", band)
    if isinstance(width, (bool, str)) or not np.isscalar(width):
        raise TypeError(
            f"band must be a number or have an attribute width, got {type(band).__name__}."
        )
    value = float(width)  # type: ignore[arg-type]
    if not value >= 0:
        raise ValueError(f"band must not be negative, got {value}.")
    return value
