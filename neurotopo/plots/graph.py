"""GraphDisplay: the graph itself, its clusters coloured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from neurotopo.cluster.drawn_graph import DrawnGraph, drawn_graph
from neurotopo.plots._display import Display
from neurotopo.plots._inputs import fitted_clusterer
from neurotopo.plots._palette import colors_of, lighter, swatches
from neurotopo.plots._series import Style, segments_on

__all__ = ["GraphDisplay"]

_MOST_NAMES = 30  # most vertices that are named by default


class GraphDisplay(Display):
    """Drawing of a weighted graph: vertices in the colours of their clusters.

    Shorter edges are wider. Edges of a minimum spanning forest, which determine the clusters, are
    dark, or coloured inside a cluster.

    Parameters
    ----------
    graph : DrawnGraph
        Edges and positions.
    labels : array-like of int, shape (n,)
        Cluster of each vertex, -1 for none.
    names : sequence of str, optional
        Names of the vertices.

    Attributes
    ----------
    positions_ : ndarray of float64, shape (n, 2)
        Positions of the vertices.
    nodes_ : matplotlib PathCollection
        The vertices.
    edges_, forest_ : matplotlib LineCollection
        The edges outside and inside the spanning forest.
    n_edges_left_out_ : int
        Number of edges not drawn.
    texts_ : list of matplotlib Text
        The names of the vertices.
    {legend_}

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.plots import GraphDisplay
    >>> edges = sp.coo_array(([1.0, 2.0, 9.0, 1.0], ([0, 1, 2, 3], [1, 2, 3, 4])), shape=(5, 5))
    >>> ntc = NTCClusterer.paper(metric="precomputed").fit(edges + edges.T)
    >>> display = GraphDisplay.from_estimator(ntc, strata=[0, 1, 2, 0, 1])
    >>> display.positions_[:, 0].tolist()
    [0.0, 1.0, 2.0, 0.0, 1.0]
    >>> len(display.forest_.get_segments())
    4
    """

    def __init__(
        self, graph: DrawnGraph, labels: ArrayLike, *, names: Sequence[str] | None = None
    ) -> None:
        self.graph = graph
        self.labels = np.asarray(labels, dtype=np.intp)
        n = len(graph.positions)
        if self.labels.shape != (n,):
            raise ValueError(f"labels must have shape ({n},), got {self.labels.shape}.")
        if names is not None and len(names) != n:
            raise ValueError(f"names must hold {n} names, got {len(names)}.")
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        pos: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> GraphDisplay:
        """Draw the graph that a clusterer was fitted on."""
        ntc = fitted_clusterer(estimator, cls)
        graph = drawn_graph(ntc, pos, strata)
        return cls(graph, ntc.labels_, names=names).plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        max_edges: int | str | None = "auto",
        max_length: float = np.inf,
        show_names: bool | None = None,
        legend: bool = True,
    ) -> GraphDisplay:
        """Draw the graph.

        Parameters
        ----------
        max_edges : int or None, default="auto"
            Number of edges to draw: the spanning forest and the shortest others. None: all;
            ``"auto"``: five per vertex, at least 200 and at most 3000.
        max_length : float, default=inf
            Largest length of edges to draw.
        show_names : bool, optional
            Whether to write names (or numbers) on the vertices. None: if they are few.
        """
        self._start(ax)
        self.positions_ = self.graph.positions
        n = len(self.labels)
        most = int(np.clip(5 * n, 200, 3000)) if max_edges == "auto" else max_edges
        if isinstance(most, str):
            raise ValueError(f"max_edges must be an integer, None or 'auto', got {max_edges!r}.")
        shown = self.graph.shortest(most, max_length)
        self.n_edges_left_out_ = int(np.count_nonzero(~shown))
        self._draw_edges(shown)
        named = n <= _MOST_NAMES if show_names is None else show_names
        size = 170.0 if named else float(np.clip(9000 / max(n, 1), 8, 60))
        style: Style = {"edgecolors": "white", "linewidths": 0.7, "zorder": 3}
        colors = colors_of(self.labels)
        x, y = self.positions_.T
        self.nodes_ = self.ax_.scatter(x, y, s=size, c=colors, **style)
        self.texts_ = self._write_names() if named else []
        frame(self.ax_, self.graph, room_for_legend=legend)
        if self.n_edges_left_out_:
            note = f"({self.n_edges_left_out_} longer edges left out)"
            self.ax_.set_xlabel(f"{self.ax_.get_xlabel()} {note}".strip())
        self.legend_ = self._draw_legend() if legend else None
        return self

    def _draw_edges(self, shown: NDArray[np.bool_]) -> None:
        edges, at = self.graph.edges, self.positions_
        segments = np.stack([at[edges.source], at[edges.target]], axis=1)
        strength = strengths(edges.length)
        ends = self.labels[edges.source], self.labels[edges.target]
        inner = np.where(ends[0] == ends[1], ends[0], -1)
        others, forest = shown & ~self.graph.in_forest, shown & self.graph.in_forest
        colors = lighter(colors_of(inner[others]), 0.55)
        widths = (0.3 + 1.5 * strength[others]).tolist()
        self.edges_ = segments_on(
            self.ax_, segments[others], colors=colors, linewidths=widths, zorder=1
        )
        colors = np.where(inner[forest, None] >= 0, colors_of(inner[forest]), 0.3)
        widths = (0.9 + 2.0 * strength[forest]).tolist()
        self.forest_ = segments_on(
            self.ax_, segments[forest], colors=colors, linewidths=widths, zorder=2
        )

    def _write_names(self) -> list[Any]:
        names = range(len(self.labels)) if self.names is None else self.names
        dark = colors_of(self.labels) @ (0.299, 0.587, 0.114) < 0.6
        colors = np.where(dark, "white", "black").tolist()
        style: Style = {"ha": "center", "va": "center", "fontsize": "x-small", "zorder": 4}
        return [
            self.ax_.annotate(str(name), tuple(at), color=color, **style)
            for name, at, color in zip(names, self.positions_, colors, strict=True)
        ]

    def _draw_legend(self) -> Any:
        present, count = np.unique(self.labels, return_counts=True)
        labels, sizes = present.tolist(), count.tolist()
        alone = [f"in no cluster ({sizes.pop(0)})" for _ in range(sum(present < 0))]  # comes last
        labels = labels[len(alone) :]
        names = [f"cluster {label} ({size})" for label, size in zip(labels, sizes, strict=True)]
        entries = swatches(labels, names) + swatches([-1] * len(alone), alone)
        return self.ax_.legend(handles=entries, loc="upper right", fontsize="small")


def strengths(length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return connection strengths 1 / length, relative to a strong connection, in [0, 1]."""
    positive = length > 0
    strength = np.ones(len(length))
    if positive.any():
        logs = np.log(length[positive])
        strength[positive] = np.exp(np.minimum(np.quantile(logs, 0.05) - logs, 0.0))
    return strength


def frame(
    ax: Axes, graph: DrawnGraph, *, room_for_legend: bool = False, around: float = 0.0
) -> None:
    """Set limits and ticks around the vertices of a graph, with discs of a radius around them."""
    low, high = graph.positions.min(axis=0), graph.positions.max(axis=0)
    if not (high > low).any():
        low, high = low - 0.5, high + 0.5
    span = high - low
    if graph.layers is None:
        span = np.full(2, span.max())
    span = np.where(span > 0, span, 1.0)
    pad = np.clip(around, 0.07 * span, 0.4 * span)
    right = 0.35 * span[0] if room_for_legend else pad[0]
    ax.set(xlim=(low[0] - pad[0], high[0] + right), ylim=(low[1] - pad[1], high[1] + pad[1]))
    ax.set(xticks=[], yticks=[])
    if graph.layers is None:
        ax.set_aspect("equal", adjustable="box")
    else:
        ax.set_xticks(range(len(graph.layers)), [str(name) for name in graph.layers])
        ax.set_xlabel("layer")
        ax.tick_params(axis="x", length=0)
