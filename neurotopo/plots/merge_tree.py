"""MergeTreeDisplay: the dendrogram of a merge tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.plots._display import Display, constructor
from neurotopo.plots._inputs import chosen_stages, fitted_clusterer, given_tree
from neurotopo.plots._palette import colors_of
from neurotopo.plots._radii import RadiusAxis
from neurotopo.plots._series import Style, segments_on

__all__ = ["MergeTreeDisplay"]

_MOST_NAMES = 60  # more labels are unreadable


class MergeTreeDisplay(Display):
    """Dendrogram of a merge tree: a stem per cluster, from its birth to its death.

    Merges at one radius are one horizontal line. The trees of a disconnected graph are drawn side
    by side; their stems end in arrows on a line marked as infinite.

    Parameters
    ----------
    tree : MergeTree
        The tree.
    nodes : array-like of int, optional
        The chosen nodes; the subtree of ``nodes[k]`` gets the k-th colour.
    stages : array-like of int, shape (n_nodes,), optional
        The chosen cluster that each node is a stage of, else -1; stems of stages are thick. None:
        the chosen nodes themselves.
    {names}
    scale : {"difference", "log"}, default="difference"
        Scale of the persistence. ``"log"`` makes the axis logarithmic by default.

    Attributes
    ----------
    drawn_nodes_ : ndarray of int
        The nodes drawn, in ascending order.
    leaves_ : ndarray of int
        The lowest of them, from left to right; the k-th is at x = k.
    stems_ : matplotlib LineCollection
        Vertical lines, one per drawn node.
    merges_ : matplotlib LineCollection
        Horizontal lines at the merge radii, one per drawn node that is no leaf.
    arrows_ : matplotlib Line2D
        Arrow heads on the nodes that never merge.
    tips_ : matplotlib Line2D
        Dots on the leaves that are clusters, below which nothing is drawn.
    infinity_line_, cut_line_ : matplotlib Line2D or None
        The lines of the infinite radius and of the cut.
    cluster_texts_ : list of matplotlib Text
        The numbers of the chosen clusters.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.plots import MergeTreeDisplay
    >>> ntc = NTCClusterer.paper().fit([[0.0], [1.0], [5.0], [8.0]])
    >>> display = MergeTreeDisplay.from_estimator(ntc)
    >>> [segment[0, 1].item() for segment in display.merges_.get_segments()]
    [1.0, 3.0, 4.0]
    """

    def __init__(
        self,
        tree: MergeTree,
        *,
        nodes: ArrayLike | None = None,
        stages: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        scale: str = "difference",
    ) -> None:
        self.tree = given_tree(tree, type(self))
        self.nodes = np.asarray([] if nodes is None else nodes, dtype=np.intp)
        if np.any((self.nodes < 0) | (self.nodes >= tree.n_nodes)):
            raise ValueError(f"nodes must be in 0..{tree.n_nodes - 1}.")
        if stages is None:
            self.stages = np.full(tree.n_nodes, -1, dtype=np.intp)
            self.stages[self.nodes] = np.arange(len(self.nodes))
        else:
            self.stages = np.asarray(stages, dtype=np.intp)
        if names is not None and len(names) != tree.n_samples:
            raise ValueError(f"names must hold {tree.n_samples} names, got {len(names)}.")
        self.names, self.scale = names, scale

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, names: Sequence[str] | None = None, ax: Any = None, **kwargs: Any
    ) -> MergeTreeDisplay:
        """Draw the tree of a fitted clusterer, the chosen clusters coloured."""
        ntc = fitted_clusterer(estimator, cls)
        chosen = {"nodes": ntc.nodes_, "stages": chosen_stages(ntc)}
        return cls(ntc.merge_tree_, names=names, scale=ntc.scale, **chosen).plot(ax=ax, **kwargs)

    from_tree = constructor("Draw a merge tree.")

    def plot(
        self,
        ax: Any = None,
        *,
        min_size: int = 1,
        max_nodes: int | None = None,
        cut: float | None = None,
        log: bool | None = None,
    ) -> MergeTreeDisplay:
        """Draw the dendrogram.

        Parameters
        ----------
        min_size : int, default=1
            Smallest size of nodes to draw.
        max_nodes : int, optional
            Largest number of nodes to draw: the last ones born.
        cut : float, optional
            Radius at which to draw a line.
        """
        if cut is not None and not cut >= 0:
            raise ValueError(f"cut must be a non-negative radius, got {cut}.")
        if min_size < 1 or (max_nodes is not None and max_nodes < 1):
            raise ValueError("min_size and max_nodes must be at least 1.")
        self._start(ax)
        self._lay_out(min_size, max_nodes)
        radii = np.append(self.tree.birth[self.drawn_nodes_], np.inf)
        shown = radii if cut is None else np.append(radii, cut)
        log = self.scale == "log" if log is None else log
        axis = RadiusAxis.of(shown, log=log, from_zero=min_size == 1)
        self._draw(axis)
        self.cut_line_ = None
        if cut is not None:
            dashed: Style = {"color": "black", "linewidth": 1.0, "linestyle": "--"}
            self.cut_line_ = self.ax_.axhline(float(axis.place(cut)), **dashed)
        axis.apply(self.ax_, "y")
        if not axis.log:
            self.ax_.set_ylim(axis.low, axis.limits[1])
        self._label()
        return self

    def _lay_out(self, min_size: int, max_nodes: int | None) -> None:
        """Select nodes and place each above the middle of its leaves."""
        tree = self.tree
        drawn = tree.size >= min_size
        if max_nodes is not None:
            drawn[: max(tree.n_nodes - max_nodes, 0)] = False
        above = tree.parent[drawn & (tree.parent >= 0)]
        has_child = np.zeros(tree.n_nodes, dtype=bool)
        has_child[above] = True
        leaves = np.flatnonzero(drawn & ~has_child)
        self.leaves_ = leaves[np.argsort(tree.start[leaves])]
        self.drawn_nodes_ = np.flatnonzero(drawn)
        starts = tree.start[self.leaves_]
        first = np.searchsorted(starts, tree.start, side="left")
        last = np.searchsorted(starts, tree.start + tree.size, side="left") - 1
        self._x = (first + last) / 2.0
        self._has_child = has_child

    def _draw(self, axis: RadiusAxis) -> None:
        tree, x, drawn = self.tree, self._x, self.drawn_nodes_
        inside = tree.ancestor_where(np.isin(np.arange(tree.n_nodes), self.nodes))
        position = np.full(tree.n_nodes + 1, -1, dtype=np.intp)  # the last entry is -1
        position[self.nodes] = np.arange(len(self.nodes))
        self._node_labels = position[inside]
        bottom, top = axis.place(tree.birth), axis.place(tree.death)
        stems = np.empty((len(drawn), 2, 2))
        stems[:, :, 0] = x[drawn, None]
        stems[:, 0, 1], stems[:, 1, 1] = bottom[drawn], top[drawn]
        thin = float(np.clip(60 / max(len(self.leaves_), 1), 0.5, 1.2))
        widths = np.where(self.stages[drawn] >= 0, 2.5 + thin, thin)
        style: Style = {"linewidths": widths.tolist(), "capstyle": "butt", "zorder": 2}
        self.stems_ = segments_on(self.ax_, stems, colors=self._tones(drawn), **style)
        left, right = np.full(tree.n_nodes, np.inf), np.full(tree.n_nodes, -np.inf)
        children = drawn[tree.parent[drawn] >= 0]
        np.minimum.at(left, tree.parent[children], x[children])
        np.maximum.at(right, tree.parent[children], x[children])
        joined = drawn[self._has_child[drawn]]
        merges = np.empty((len(joined), 2, 2))
        merges[:, 0, 0], merges[:, 1, 0] = left[joined], right[joined]
        merges[:, :, 1] = bottom[joined, None]
        style = {"linewidths": thin, "capstyle": "projecting", "zorder": 2}
        self.merges_ = segments_on(self.ax_, merges, colors=self._tones(joined), **style)
        cut_off = self.leaves_[self.leaves_ >= tree.n_samples]
        (self.tips_,) = self.ax_.plot(
            x[cut_off], bottom[cut_off], linestyle="none", marker="o", markersize=3.5, color="0.3"
        )
        self._draw_infinity(axis, drawn[tree.parent[drawn] < 0])

    def _tones(self, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        labels = self._node_labels[nodes]
        return np.where(labels[:, None] >= 0, colors_of(labels), 0.45)  # thin lines need contrast

    def _draw_infinity(self, axis: RadiusAxis, roots: NDArray[np.intp]) -> None:
        heights, size = np.full(len(roots), axis.infinity), np.clip(200 / max(len(roots), 1), 3, 6)
        style: Style = {"linestyle": "none", "marker": "^", "color": "0.4"}
        (self.arrows_,) = self.ax_.plot(self._x[roots], heights, markersize=float(size), **style)
        self.infinity_line_ = None
        if len(roots):
            style = {"xytext": (3, 0), "va": "center", "annotation_clip": False}
            self.infinity_line_ = axis.mark_infinity(self.ax_, r"$\infty$", 1.0, **style)

    def _label(self) -> None:
        ax, leaves = self.ax_, self.leaves_
        ax.set_xlim(-0.7, max(len(leaves), 1) - 0.3)
        ax.set(ylabel="radius $R$")
        if len(leaves) <= _MOST_NAMES:
            names = [self._leaf_name(int(leaf)) for leaf in leaves]
            upright = sum(map(len, names)) <= 50
            size = float(np.clip(330 / max(len(leaves), 1), 5.0, 10.0))
            ax.set_xticks(range(len(leaves)), names, rotation=0 if upright else 90, fontsize=size)
            ax.tick_params(axis="x", length=0)
        else:
            ax.set_xticks([])
        n, n_nodes = len(self.drawn_nodes_), self.tree.n_nodes
        ax.set_xlabel(f"samples ({len(leaves)})" if len(leaves) > _MOST_NAMES else "samples")
        if n < n_nodes:
            ax.set_xlabel(f"{n} of {n_nodes} nodes; (samples) of the lowest")
        shown = np.flatnonzero(np.isin(self.nodes, self.drawn_nodes_))
        tops = self.stems_.get_segments()
        style: Style = {"xytext": (4, -3), "va": "top", "textcoords": "offset points"}
        style |= {"weight": "bold", "fontsize": "small"}
        self.cluster_texts_ = [
            ax.annotate(
                str(k),
                tops[int(np.searchsorted(self.drawn_nodes_, self.nodes[k]))][1],
                color=tuple(0.8 * colors_of([k])[0]),
                **style,
            )
            for k in shown.tolist()
            if len(shown) <= _MOST_NAMES
        ]

    def _leaf_name(self, leaf: int) -> str:
        if leaf >= self.tree.n_samples:
            return f"({self.tree.size[leaf]})"
        return str(leaf) if self.names is None else str(self.names[leaf])
