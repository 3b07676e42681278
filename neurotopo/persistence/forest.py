"""Minimum spanning forests, which determine 0-dimensional persistence: Kruskal and Prim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from neurotopo.persistence.edge_list import EdgeList

__all__ = [
    "SpanningForest",
    "kruskal_forest",
    "path_of_visit",
    "prim_forest",
    "prim_visit",
    "spanning_edges",
]

Rows = Callable[[int], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class SpanningForest:
    """Edges of a forest on ``n_vertices`` vertices, in no particular order.

    Attributes
    ----------
    n_vertices : int
        Number of vertices. A connected graph has ``n_vertices - 1`` forest edges.
    source, target : ndarray of int, shape (n_edges,)
        End points of the edges.
    length : ndarray of float64, shape (n_edges,)
        Lengths of the edges: the merge heights of the graph, with multiplicity.

    Examples
    --------
    >>> from neurotopo.persistence import EdgeList, minimum_spanning_forest
    >>> forest = minimum_spanning_forest([[0, 1, 5], [1, 0, 2], [5, 2, 0]]).sorted()
    >>> forest.length, forest.n_components
    (array([1., 2.]), 1)
    """

    n_vertices: int
    source: NDArray[np.integer[Any]]
    target: NDArray[np.integer[Any]]
    length: NDArray[np.float64]

    @property
    def n_components(self) -> int:
        """Number of connected components, isolated vertices included."""
        return self.n_vertices - len(self.length)

    def sorted(self) -> SpanningForest:
        """Return the same forest with its edges in ascending order of length."""
        return SpanningForest.of(self, np.argsort(self.length, kind="stable"))

    @classmethod
    def of(cls, edges: EdgeList | SpanningForest, chosen: NDArray[np.intp]) -> SpanningForest:
        """Return the forest of the edges at given positions."""
        ends = edges.source[chosen], edges.target[chosen]
        return cls(edges.n_vertices, *ends, edges.length[chosen])

    @classmethod
    def empty(cls, n_vertices: int) -> SpanningForest:
        """Return the forest without edges."""
        nothing = np.empty(0, dtype=np.intp)
        return cls(n_vertices, nothing, nothing, np.empty(0))


def kruskal_forest(edges: EdgeList) -> SpanningForest:
    """Return the spanning forest of a sparse graph, by csgraph.

    The lightest edges are joined first. Other edges inside a component cannot be in the forest, and
    are dropped before the rest is sorted.
    """
    n, m = edges.n_vertices, edges.n_edges
    first = 4 * n
    if m <= 2 * first:
        return SpanningForest.of(edges, spanning_edges(n, edges.source, edges.target, edges.length))
    pivot = np.partition(edges.length, first)[first]
    light = np.flatnonzero(edges.length <= pivot)
    chosen = light[spanning_edges(n, edges.source[light], edges.target[light], edges.length[light])]
    joined = (np.ones(len(chosen), np.int8), (edges.source[chosen], edges.target[chosen]))
    component = connected_components(sp.coo_array(joined, shape=(n, n)), directed=False)[1]
    source, target = component[edges.source], component[edges.target]
    across = np.flatnonzero(source != target)  # no light ones: those are inside
    more = spanning_edges(n, source[across], target[across], edges.length[across])
    return SpanningForest.of(edges, np.append(chosen, across[more]))


def spanning_edges(
    n: int,
    source: NDArray[np.integer[Any]],
    target: NDArray[np.integer[Any]],
    length: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Return the positions of the edges of a minimum spanning forest, by csgraph.

    csgraph gets the ranks 1, 2, 3, ... of the edges: it takes short lengths for absent, and the
    ranks identify the edges of the result. Parallel edges are allowed.
    """
    if len(length) == 0:
        return np.empty(0, dtype=np.intp)
    order = np.argsort(length, kind="stable")
    u, v = source[order], target[order]
    low, high = np.minimum(u, v), np.maximum(u, v)
    # of parallel edges only the first in rank is kept: coo would sum them
    key = low.astype(np.int64) * n + high
    by_key = np.argsort(key, kind="stable")
    is_first = np.append(True, np.diff(key[by_key]) != 0)
    kept = by_key[is_first]
    indptr = np.searchsorted(key[kept], np.arange(n + 1, dtype=np.int64) * n)
    graph = sp.csr_array(
        ((kept + 1).astype(np.float64), high[kept].astype(np.int32), indptr.astype(np.int32)),
        shape=(n, n),
    )
    ranks = minimum_spanning_tree(graph, overwrite=True).data.astype(np.intp) - 1
    return order[np.sort(ranks)]


def prim_visit(
    n: int, row: Rows, core: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Visit the vertices in Prim's order.

    Parameters
    ----------
    n : int
        Number of vertices.
    row : callable
        ``row(i)`` returns the ``n`` edge lengths from vertex ``i``; ``inf`` is no edge. The
        entry for ``i`` itself is ignored.
    core : ndarray of float64, shape (n,), optional
        Core distances: no edge is shorter than those of its ends.

    Returns
    -------
    order : ndarray of int, shape (n,)
        The vertices as visited. A new component starts where ``heights`` is ``inf``.
    heights : ndarray of float64, shape (n,)
        ``heights[k]`` is the length of the edge to ``order[k]``.

    Notes
    -----
    The smallest radius at which ``order[i]`` and ``order[j]``, ``i < j``, are connected is
    ``max(heights[i + 1 : j + 1])``. So the path in this order has the merge tree of the minimum
    spanning tree. Tracking the end points of edges would double the time.
    """
    reach = np.full(n, np.inf)
    visited = np.zeros(n, dtype=bool)
    at_least = np.zeros(n) if core is None else core.copy()  # inf for visited vertices
    open_reach, smooth = np.empty((2, n))
    order = np.empty(n, dtype=np.intp)
    heights = np.full(n, np.inf)
    current, start = 0, 0
    order[0] = 0
    for k in range(1, n):
        visited[current] = True
        at_least[current] = np.inf
        lengths = row(current)
        if core is not None:
            lengths = np.maximum(lengths, core[current], out=smooth)
        np.minimum(reach, lengths, out=reach)
        np.maximum(reach, at_least, out=open_reach)
        current = int(open_reach.argmin())
        height = open_reach[current]
        if height == np.inf:  # the component is complete: start another one
            while visited[start]:
                start += 1
            current = start
        order[k] = current
        heights[k] = height
    return order, heights


def path_of_visit(order: NDArray[np.intp], heights: NDArray[np.float64]) -> SpanningForest:
    """Return the path in the order of :func:`prim_visit`, with the merge tree of the graph."""
    reached = np.flatnonzero(np.isfinite(heights))
    return SpanningForest(len(order), order[reached - 1], order[reached], heights[reached])


def prim_forest(
    distances: NDArray[np.floating[Any]],
    core: NDArray[np.float64] | None = None,
    *,
    as_path: bool = False,
) -> SpanningForest:
    """Return the minimum spanning forest of a checked dense matrix; ``inf`` is no edge.

    With core distances, no edge is shorter than those of its ends. With ``as_path``, return the
    path in order of visit instead of the true edges. It has the same lengths and merge tree, and
    saves one pass over the matrix.
    """
    n = distances.shape[0]
    order, heights = prim_visit(n, distances.__getitem__, core)
    if as_path:
        return path_of_visit(order, heights)
    reached = np.flatnonzero(np.isfinite(heights))
    target, length = order[reached], heights[reached]
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n)
    source = np.empty_like(target)
    for i, end in enumerate(target):
        lengths = distances[end]
        if core is not None:
            lengths = np.maximum(np.maximum(lengths, core[end]), core)
        source[i] = order[rank[lengths == length[i]].min()]  # the first one visited
    return SpanningForest(n, source, target, length)
