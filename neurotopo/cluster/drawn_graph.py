"""The weighted graph of a fitted clusterer, and positions of its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from neurotopo.cluster.layout import layered_positions, principal_positions, scaled_positions
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.persistence.engines import core_distances, minimum_spanning_forest, smooth_edges
from neurotopo.persistence.forest import spanning_edges
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.metrics import pairwise

__all__ = ["DrawnGraph", "checked_positions", "drawn_graph"]

_MOST_PAIRS = 2000  # points of which all pairs are taken for edges; above, only the forest


@dataclass(frozen=True)
class DrawnGraph:
    """A graph with positions of its vertices."""

    edges: EdgeList  # with the lengths of the clusterer
    in_forest: NDArray[np.bool_]  # whether an edge is in the minimum spanning forest
    positions: NDArray[np.float64]
    layers: NDArray[Any] | None  # names of the layers at x = 0, 1, 2, ..., if any
    true_distances: bool  # whether distances in the drawing are the lengths of the edges
    variance: tuple[float, float] | None = None  # shares of the principal components drawn

    def shortest(self, most: int | None, max_length: float = np.inf) -> NDArray[np.bool_]:
        """Mark the edges to draw: the forest, and the shortest others up to ``most`` in all."""
        shown = self.edges.length <= max_length
        if most is not None and np.count_nonzero(shown) > most:
            others = np.flatnonzero(shown & ~self.in_forest)
            room = max(most - np.count_nonzero(shown & self.in_forest), 0)
            order = np.argsort(self.edges.length[others], kind="stable")
            shown[others[order[room:]]] = False
        return shown


def drawn_graph(
    ntc: NTCClusterer, pos: ArrayLike | None = None, strata: ArrayLike | None = None
) -> DrawnGraph:
    """Collect the edges of a fitted clusterer's graph and place its vertices.

    Positions are those given as ``pos``; else layers, if there are ``strata`` (given here or to
    ``fit``); else one or two columns of points, or the first two principal components of more;
    else computed from the lengths.
    """
    edges, in_forest = _edges(ntc)
    n = ntc.merge_tree_.n_samples
    layers, true_distances, variance = None, False, None
    if strata is None and ntc.metric == "precomputed":
        strata = ntc._strata
    if pos is not None:
        positions = checked_positions(pos, n)
    elif strata is not None:
        groups = np.asarray(strata)
        if groups.shape != (n,):
            raise ValueError(f"strata must have shape ({n},), got {groups.shape}.")
        layers, layer = np.unique(groups, return_inverse=True)
        positions = layered_positions(layer, ntc.merge_tree_.leaf_order)
    elif ntc.metric != "precomputed" and _has_coordinates(ntc._fit_X):
        positions, variance = _points_in_plane(ntc._fit_X)
        true_distances = (
            ntc.metric in ("euclidean", "l2") and ntc._fit_X.shape[1] <= 2 and ntc.min_samples_ == 1
        )
    else:
        positions = scaled_positions(edges)
    return DrawnGraph(edges, in_forest, positions, layers, true_distances, variance)


def _edges(ntc: NTCClusterer) -> tuple[EdgeList, NDArray[np.bool_]]:
    X, metric, n = ntc._fit_X, ntc.metric, ntc._fit_X.shape[0]
    if metric != "precomputed" and n > _MOST_PAIRS:
        forest = minimum_spanning_forest(
            X,
            metric=metric,
            metric_params=ntc.metric_params,
            min_samples=ntc.min_samples_,
            n_jobs=ntc.n_jobs,
        )
        edges = EdgeList(n, forest.source, forest.target, forest.length)
    else:
        precomputed = metric == "precomputed"
        graph = check_distances(X) if precomputed else pairwise(X, metric, ntc.metric_params)
        edges = graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph)
        if ntc.min_samples_ > 1:
            edges = smooth_edges(edges, core_distances(graph, ntc.min_samples_))
    if isinstance(ntc.max_radius, Real):
        edges = edges.take(edges.length <= ntc.max_radius)
    in_forest = np.zeros(edges.n_edges, dtype=bool)
    in_forest[spanning_edges(n, edges.source, edges.target, edges.length)] = True
    return edges, in_forest


def checked_positions(pos: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return positions of shape (n, 2), checked."""
    positions = np.asarray(pos, dtype=np.float64)
    if positions.shape != (n, 2):
        raise ValueError(f"pos must have shape ({n}, 2), got {positions.shape}.")
    if not np.isfinite(positions).all():
        raise ValueError("pos must be finite.")
    return positions


def _has_coordinates(X: Any) -> bool:
    """Return whether X has points, not strings, series or missing values of a metric for them."""
    if sp.issparse(X):
        return True
    return getattr(X, "ndim", 0) == 2 and X.dtype.kind in "fiub" and bool(np.isfinite(X).all())


def _points_in_plane(X: Any) -> tuple[NDArray[np.float64], tuple[float, float] | None]:
    """Return up to two columns as they are; of more, the first two principal components."""
    if X.shape[1] > 2:
        return principal_positions(X)
    columns = X.toarray() if sp.issparse(X) else X
    positions = np.zeros((X.shape[0], 2))
    positions[:, : X.shape[1]] = columns
    return positions, None
