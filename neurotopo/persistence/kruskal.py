"""Kruskal's algorithm by csgraph, on the ranks of the lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import EdgeList

__all__ = ["kruskal_forest", "spanning_edges"]


def kruskal_forest(edges: EdgeList) -> SpanningForest:
    """Spanning forest of a sparse graph by csgraph, the heavy edges filtered first.

    The lightest edges are joined by themselves; what then runs inside a component can be in no
    minimum spanning forest and is dropped before the rest is sorted.
    """
    n, m = edges.n_vertices, edges.n_edges
    first = 4 * n
    if m <= 2 * first:
        chosen = spanning_edges(n, edges.source, edges.target, edges.length)
        return SpanningForest(n, edges.source[chosen], edges.target[chosen], edges.length[chosen])
    pivot = np.partition(edges.length, first)[first]
    light = np.flatnonzero(edges.length <= pivot)
    chosen = light[spanning_edges(n, edges.source[light], edges.target[light], edges.length[light])]
    component = _components(n, edges.source[chosen], edges.target[chosen])
    source, target = component[edges.source], component[edges.target]
    across = np.flatnonzero(source != target)  # none of them is light: those are all inside
    more = spanning_edges(n, source[across], target[across], edges.length[across])
    chosen = np.append(chosen, across[more])
    return SpanningForest(n, edges.source[chosen], edges.target[chosen], edges.length[chosen])


def _components(
    n: int, source: NDArray[np.integer[Any]], target: NDArray[np.integer[Any]]
) -> NDArray[np.int32]:
    graph = sp.coo_array((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def spanning_edges(
    n: int,
    source: NDArray[np.integer[Any]],
    target: NDArray[np.integer[Any]],
    length: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Positions of the edges of a minimum spanning forest.

    csgraph is given the ranks 1, 2, 3, ... of the edges, so that no length is taken for absent
    and every edge of the answer is known by its rank. Parallel edges are allowed.
    """
    if len(length) == 0:
        return np.empty(0, dtype=np.intp)
    order = np.argsort(length, kind="stable")
    u, v = source[order], target[order]
    low, high = np.minimum(u, v), np.maximum(u, v)
    # of parallel edges only the first in rank may stay: coo would add them up
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
