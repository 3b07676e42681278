"""GrowthDisplay: clusters as the radius grows."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.cluster.drawn_graph import DrawnGraph, drawn_graph
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.plots._display import Display
from neurotopo.plots._inputs import chosen_stages, fitted_clusterer
from neurotopo.plots._palette import colors_of, lighter
from neurotopo.plots._radii import RadiusAxis
from neurotopo.plots._series import Style, grid_in_place_of, segments_on
from neurotopo.plots.graph import frame

__all__ = ["GrowthDisplay", "informative_radii"]

_MOST_EDGES = 3000  # largest number of edges in a panel besides the forest


class GrowthDisplay(Display):
    """Clusters as the radius R grows: a panel per radius, and their number below.

    Points in the plane have discs of radius R/2, which touch if the distance of the points is R.
    (Figure 2 of the paper uses circles of radius R; here, births and deaths are distances of
    pairs.) Graphs, and points not drawn at their true distances, have all edges up to length R; the
    spanning forest is shaded.

    Vertices have the colour of their cluster in every panel. Discs and shades have it while that
    cluster exists (R1 <= R < R2); otherwise they are grey.

    Parameters
    ----------
    graph : DrawnGraph
        Edges and positions.
    tree : MergeTree
        The merge tree.
    labels : array-like of int, shape (n,)
        Cluster of each sample, -1 for none.
    stages : array-like of int, shape (n_nodes,)
        The chosen cluster that each node is a stage of, else -1.
    scale : {"difference", "log"}, default="difference"
        Scale of the axis of radii.

    Attributes
    ----------
    radii_ : ndarray of float64
        Radius of each panel.
    panels_ : list of matplotlib Axes
        The panels.
    shades_ : list
        Discs or shaded edges of each panel.
    nodes_ : list of matplotlib PathCollection
        Samples of each panel.
    edges_ : list of matplotlib LineCollection
        Edges of each panel up to its radius (none with discs).
    count_ax_ : matplotlib Axes
        Axes below the panels: number of clusters of two or more samples by R.
    count_line_ : matplotlib StepPatch
        Its curve.

    Examples
    --------
    The four neurons of the paper, in the plane:

    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.plots import GrowthDisplay
    >>> ntc = NTCClusterer.paper().fit([[0.0, 0.0], [1.0, 0.0], [1.0, 1.5], [5.0, 0.0]])
    >>> display = GrowthDisplay.from_estimator(ntc)
    >>> display.radii_.tolist()
    [0.0, 1.5, 4.0]
    """

    def __init__(
        self,
        graph: DrawnGraph,
        tree: MergeTree,
        labels: ArrayLike,
        *,
        stages: ArrayLike,
        scale: str = "difference",
    ) -> None:
        self.graph, self.tree, self.scale = graph, tree, scale
        self.labels = np.asarray(labels, dtype=np.intp)
        self.stages = np.asarray(stages, dtype=np.intp)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        radii: ArrayLike | None = None,
        pos: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> GrowthDisplay:
        """Draw the growth of a fitted clusterer's clusters."""
        ntc = fitted_clusterer(estimator, cls)
        display = cls(
            drawn_graph(ntc, pos, strata),
            ntc.merge_tree_,
            ntc.labels_,
            stages=chosen_stages(ntc),
            scale=ntc.scale,
        )
        return display.plot(ax=ax, radii=radii, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        radii: ArrayLike | None = None,
        max_panels: int = 4,
        log: bool | None = None,
    ) -> GrowthDisplay:
        """Draw the panels.

        Parameters
        ----------
        max_panels : int, default=4
            Largest number of panels if ``radii`` is None.
        """
        if radii is None:
            self.radii_ = informative_radii(self.tree, self.stages, max_panels)
        else:
            self.radii_ = np.atleast_1d(np.asarray(radii, dtype=np.float64))
        if len(self.radii_) == 0 or not ((self.radii_ >= 0) & np.isfinite(self.radii_)).all():
            raise ValueError("radii must be one or more finite, non-negative numbers.")
        self._make_axes(ax)
        self.shades_, self.nodes_, self.edges_ = [], [], []
        for panel, radius in zip(self.panels_, self.radii_.tolist(), strict=True):
            self._draw_panel(panel, radius)
        self._draw_count(self.scale == "log" if log is None else log)
        return self

    def _make_axes(self, ax: Any) -> None:
        n = len(self.radii_)
        self._start(ax, (max(2.6 * n + 1, 5.6), 4.2)).set_axis_off()
        grid = grid_in_place_of(self.ax_, 2, n, [3, 1], wspace=0.06, hspace=0.25)
        self.panels_ = [self.figure_.add_subplot(grid[0, k]) for k in range(n)]
        self.count_ax_ = self.figure_.add_subplot(grid[1, :])

    def _draw_panel(self, panel: Axes, radius: float) -> None:
        alive = self.tree.label_in_order(nodes := self.tree.alive(radius))
        component = nodes[alive]  # node of each sample
        tones = lighter(colors_of(self.stages[component]), 0.6)
        single = self.tree.size[component] == 1
        tones[single & (self.stages[component] < 0)] = 0.93
        frame(panel, self.graph, around=self.radii_.max() / 2 * self.graph.true_distances)
        panel.set_xlabel("")
        if self.graph.true_distances:
            self._draw_discs(panel, radius, tones, single)
        else:
            self._draw_edges(panel, radius, tones)
        size = float(np.clip(3000 / max(len(self.labels), 1), 4, 30))
        style: Style = {"edgecolors": "white", "linewidths": 0.4, "zorder": 4}
        (x, y), colors = self.graph.positions.T, colors_of(self.labels)
        self.nodes_.append(panel.scatter(x, y, s=size, c=colors, **style))
        panel.set_title(f"R = {radius:.3g}", fontsize="medium")

    def _draw_discs(
        self, panel: Axes, radius: float, tones: NDArray[np.float64], single: NDArray[np.bool_]
    ) -> None:
        order = np.argsort(~single, kind="stable")  # discs of clusters above single ones
        widths = np.full(len(order), radius)
        style: Style = {"offsets": self.graph.positions[order], "offset_transform": panel.transData}
        style |= {"facecolors": tones[order], "edgecolors": 0.8 * tones[order], "linewidths": 0.3}
        none = np.zeros(len(order))
        discs = EllipseCollection(widths, widths, none, units="xy", zorder=1, **style)
        panel.add_collection(discs, autolim=False)
        self.shades_.append(discs)
        self.edges_.append(LineCollection([]))

    def _draw_edges(self, panel: Axes, radius: float, tones: NDArray[np.float64]) -> None:
        edges, at = self.graph.edges, self.graph.positions
        shown = self.graph.shortest(_MOST_EDGES, radius)
        segments = np.stack([at[edges.source], at[edges.target]], axis=1)
        inner = shown & self.graph.in_forest
        width = float(np.clip(500 / max(len(at), 1), 2.0, 9.0))
        style: Style = {"colors": tones[edges.source[inner]], "capstyle": "round", "zorder": 1}
        self.shades_.append(segments_on(panel, segments[inner], linewidths=width, **style))
        width = float(np.clip(200 / max(int(shown.sum()), 1), 0.15, 0.6))
        thin: Style = {"colors": "0.45", "linewidths": width}
        self.edges_.append(segments_on(panel, segments[shown], zorder=2, **thin))

    def _draw_count(self, log: bool) -> None:
        ax, tree = self.count_ax_, self.tree
        big = tree.size >= 2
        births, deaths = tree.birth[big], tree.death[big]
        deaths = deaths[np.isfinite(deaths)]
        radii = np.concatenate([[0.0], births, deaths])
        change = np.concatenate([[0.0], np.ones(len(births)), -np.ones(len(deaths))])
        steps, where = np.unique(radii, return_inverse=True)
        count = np.cumsum(np.bincount(where.ravel(), weights=change))
        axis = RadiusAxis.of(np.append(steps, self.radii_), log=log, from_zero=True)
        edges = np.append(axis.place(steps), axis.limits[1])
        self.count_line_ = ax.stairs(count, edges, baseline=None, color="0.25", linewidth=1.2)
        dashed: Style = {"color": "#D55E00", "linewidth": 1.0, "linestyle": "--", "zorder": 1}
        ax.vlines(axis.place(self.radii_), 0, 1, transform=ax.get_xaxis_transform(), **dashed)
        axis.apply(ax, "x")
        if not log:
            ax.set_xlim(left=axis.low)
        discs = " (discs have radius $R/2$: they touch at distance $R$)"
        ax.set_xlabel("radius $R$" + discs * self.graph.true_distances)
        ax.set(ylabel="clusters of\n2 or more", ylim=(0, 1.15 * max(count.max(), 1.0)))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def informative_radii(
    tree: MergeTree, stages: NDArray[np.intp], max_panels: int
) -> NDArray[np.float64]:
    """Choose radii at which clusters have just become complete or have just merged.

    Parameters
    ----------
    tree : MergeTree
        The tree.
    stages : ndarray of int, shape (n_nodes,)
        The chosen cluster that each node is a stage of, else -1.
    max_panels : int
        Largest number of radii and of clusters considered. More births and deaths are thinned
        evenly; the radius with the most clusters is kept.

    Returns
    -------
    radii : ndarray of float64
        Ascending, starting with 0 (unless there is only one). Without chosen clusters, they are
        spread over all merges.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> from neurotopo.plots.growth import informative_radii
    >>> tree = merge_tree([[0.0], [1.0], [4.0], [6.0]], metric="euclidean")
    >>> stages = np.array([-1, -1, -1, -1, 0, 1, -1])  # the two pairs are chosen
    >>> informative_radii(tree, stages, 5)
    array([0., 1., 2., 3.])
    """
    if max_panels < 1:
        raise ValueError(f"max_panels must be at least 1, got {max_panels}.")
    chosen = (stages >= 0) & (stages < max_panels)  # the most persistent ones
    if chosen.any():
        n_chosen = int(stages[chosen].max()) + 1
        birth, death = np.zeros(n_chosen), np.zeros(n_chosen)
        np.maximum.at(birth, stages[chosen], tree.birth[chosen])
        np.maximum.at(death, stages[chosen], tree.death[chosen])
        events = np.unique(np.concatenate([[0.0], birth, death[np.isfinite(death)]]))
        born, dead = (np.searchsorted(np.sort(at), events, side="right") for at in (birth, death))
        best = int((born - dead).argmax())
    else:
        events = np.unique(np.append(0.0, tree.birth))
        best = len(events) - 1
    if len(events) <= max_panels:
        return events
    kept = np.rint(np.linspace(0, len(events) - 1, max_panels)).astype(np.intp)
    first = 1 if max_panels > 1 and best > 0 else 0  # R = 0 stays
    kept[first + np.abs(kept[first:] - best).argmin()] = best
    return events[np.unique(kept)]
