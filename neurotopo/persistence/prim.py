"""Prim's algorithm on a dense matrix, one matrix row at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.forest import SpanningForest

__all__ = ["prim_forest", "prim_visit"]

Rows = Callable[[int], NDArray[np.floating[Any]]]


def prim_visit(n: int, row: Rows) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Visit the vertices in Prim's order.

    Parameters
    ----------
    n : int
        Number of vertices.
    row : callable
        ``row(i)`` returns the ``n`` edge lengths from vertex ``i``; ``inf`` is no edge. The
        entry for ``i`` itself is ignored.

    Returns
    -------
    order : ndarray of int, shape (n,)
        The vertices as visited. A new component starts wherever ``heights`` is ``inf``.
    heights : ndarray of float64, shape (n,)
        ``heights[k]`` is the length of the edge by which ``order[k]`` was reached.

    Notes
    -----
    The order alone carries the whole hierarchy: the smallest radius at which ``order[i]`` and
    ``order[j]``, ``i < j``, are connected is ``max(heights[i + 1 : j + 1])``. So the path through
    the vertices in this order can replace the minimum spanning tree, and the end points of
    its edges, whose bookkeeping costs as much as the search, need not be tracked.
    """
    reach = np.full(n, np.inf)
    barred = np.zeros(n)  # inf for the visited: a maximum with it takes them out of the race
    open_reach = np.empty(n)
    order = np.empty(n, dtype=np.intp)
    heights = np.full(n, np.inf)
    current, start = 0, 0
    order[0] = 0
    barred[0] = np.inf
    for k in range(1, n):
        np.minimum(reach, row(current), out=reach)
        np.maximum(reach, barred, out=open_reach)
        current = int(open_reach.argmin())
        height = open_reach[current]
        if height == np.inf:  # nothing more can be reached: restart in another component
            while barred[start]:
                start += 1
            current = start
        order[k] = current
        heights[k] = height
        barred[current] = np.inf
    return order, heights


def prim_forest(distances: NDArray[np.floating[Any]], *, as_path: bool = False) -> SpanningForest:
    """Minimum spanning forest of a dense, symmetric matrix of lengths.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
        Checked matrix; ``inf`` is no edge.
    as_path : bool, default=False
        Return the path in order of visit instead of the true edges. It has the same lengths and
        the same merge tree and costs one pass over the matrix less.

    Returns
    -------
    SpanningForest
        ``n - n_components`` edges.
    """
    n = distances.shape[0]
    order, heights = prim_visit(n, distances.__getitem__)
    reached = np.flatnonzero(np.isfinite(heights))
    target, length = order[reached], heights[reached]
    if as_path:
        return SpanningForest(n, order[reached - 1], target, length)
    source = np.empty_like(target)
    for i, k in enumerate(reached):
        visited = order[:k]
        source[i] = visited[np.argmax(distances[order[k], visited] == heights[k])]
    return SpanningForest(n, source, target, length)
