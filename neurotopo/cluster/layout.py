"""Deterministic positions of the vertices of a graph or the samples of a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, dijkstra
from sklearn.decomposition import PCA

from neurotopo.persistence.inputs import EdgeList

__all__ = [
    "MOST_ON_CIRCLE",
    "layered_positions",
    "leaf_positions",
    "principal_positions",
    "scaled_positions",
]

MOST_ON_CIRCLE = 300
_PIVOTS = 250
_CONTRAST = 30.0  # largest ratio of lengths in a drawing, so that short edges are visible
_MOST_DENSE = 4_000_000  # entries of a sparse matrix that is made dense


def layered_positions(layer: NDArray[np.intp], order: NDArray[np.intp]) -> NDArray[np.float64]:
    """Put layer k at x = k, its vertices evenly from top to bottom, in ``order``."""
    rank = np.empty(len(layer), dtype=np.intp)
    rank[order] = np.arange(len(layer))
    by_layer = np.lexsort((rank, layer))
    count = np.bincount(layer)
    first = np.cumsum(count) - count
    within = np.empty(len(layer), dtype=np.intp)
    within[by_layer] = np.arange(len(layer)) - first[layer[by_layer]]
    return np.column_stack([layer.astype(np.float64), -(within + 0.5) / count[layer]])


def scaled_positions(edges: EdgeList) -> NDArray[np.float64]:
    """Place every component by classical scaling of its shortest paths, and pack the components.

    Lengths of very different size are compressed (monotonically). Above 250 vertices, distances to
    that many distant pivots are used.

    References
    ----------
    .. [1] U. Brandes and C. Pich, "Eigensolver methods for progressive multidimensional scaling
       of large data", Graph Drawing 2006.
    """
    n = edges.n_vertices
    length = _compressed(edges.length)
    graph = sp.coo_array((length, (edges.source, edges.target)), shape=(n, n)).tocsr()
    n_components, component = connected_components(graph, directed=False)
    if n_components == n:
        return _pack([np.zeros((1, 2))] * n, [np.array([i]) for i in range(n)], n)
    order = np.argsort(component, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(component))[:-1])
    groups.sort(key=lambda members: (-len(members), int(members[0])))
    placed = [
        _scaled_classically(graph[members][:, members]) if len(members) > 1 else np.zeros((1, 2))
        for members in groups
    ]
    return _pack(placed, groups, n)


def principal_positions(X: Any) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Place points by their first two principal components; return also the shares of variance.

    Examples
    --------
    >>> from neurotopo.cluster.layout import principal_positions
    >>> at, shares = principal_positions([[0.0, 0.0, 5.0], [3.0, 4.0, 5.0], [6.0, 8.0, 5.0]])
    >>> at.round(9).tolist(), shares
    ([[-5.0, 0.0], [0.0, 0.0], [5.0, 0.0]], (1.0, 0.0))
    """
    if sp.issparse(X) and (min(X.shape) <= 2 or X.shape[0] * X.shape[1] <= _MOST_DENSE):
        X = X.toarray()
    if not sp.issparse(X):
        X = np.asarray(X, dtype=np.float64)
        size = float(np.abs(X).max()) or 1.0
        X = X / size  # no overflow, no cancellation
        X = X - X.mean(axis=0)
        spread = float(np.abs(X).max())
        if spread <= X.shape[0] * np.finfo(float).eps:  # all points are equal
            return np.zeros((len(X), 2)), (0.0, 0.0)
        X, size = X / spread, size * spread
    else:
        size = 1.0
    pca = PCA(n_components=min(2, *X.shape), random_state=0)
    at = np.zeros((X.shape[0], 2))
    at[:, : pca.n_components] = pca.fit_transform(X) * size
    shares = np.zeros(2)
    shares[: pca.n_components] = np.clip(pca.explained_variance_ratio_, 0.0, 1.0)
    return at, (float(shares[0]), float(shares[1]))


def _compressed(length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring lengths into [1, contrast], keeping their order; zeros become the shortest."""
    positive = length[length > 0]
    if len(positive) == 0:
        return np.ones(len(length))
    low, high = positive.min(), positive.max()
    logs = np.log(np.maximum(length, low)) - np.log(low)
    span = np.log(high) - np.log(low)
    return np.exp(logs * min(1.0, np.log(_CONTRAST) / span)) if span > 0 else np.ones(len(length))


def _scaled_classically(graph: sp.csr_array) -> NDArray[np.float64]:
    """Coordinates of a connected graph's vertices, centred, from distances to pivots."""
    n = graph.shape[0]
    squared = _pivot_distances(graph) ** 2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1, keepdims=True) + squared.mean()
    _, axes = np.linalg.eigh(centred.T @ centred)
    at = centred @ axes[:, : -min(3, axes.shape[1] + 1) : -1]
    at = at * np.sign(at[np.abs(at).argmax(axis=0), np.arange(at.shape[1])] + 0.0)
    if at.shape[1] < 2:
        at = np.column_stack([at, np.zeros(n)])
    return at / max(float(np.abs(at).max()), np.finfo(float).tiny)


def _pivot_distances(graph: sp.csr_array) -> NDArray[np.float64]:
    n = graph.shape[0]
    if n <= _PIVOTS:
        return np.asarray(dijkstra(graph, directed=False)).T
    columns, pivot = [], 0
    nearest = np.full(n, np.inf)
    for _ in range(_PIVOTS):
        columns.append(dijkstra(graph, directed=False, indices=pivot))
        nearest = np.minimum(nearest, columns[-1])
        pivot = int(nearest.argmax())
    return np.column_stack(columns)


def _pack(
    placed: list[NDArray[np.float64]], groups: list[NDArray[np.intp]], n: int
) -> NDArray[np.float64]:
    """Put drawings of components side by side on shelves, the largest first."""
    positions = np.zeros((n, 2))
    half = np.sqrt([len(members) for members in groups])
    width = max(2.4 * float(np.sqrt((half**2).sum())), 2.0 * float(half[0]))
    x = y = shelf = 0.0
    for drawing, members, radius in zip(placed, groups, half, strict=True):
        if x > 0 and x + 2 * radius > width + 1e-9:
            x, y, shelf = 0.0, y - shelf, 0.0
        positions[members] = drawing * 0.85 * radius + (x + radius, y - radius)
        x += 2 * radius
        shelf = max(shelf, 2 * radius)
    return positions


def leaf_positions(n: int) -> NDArray[np.float64]:
    """Place n samples in leaf order on a circle; above 300 on a curve that fills a square.

    References
    ----------
    .. [1] D. Hilbert, "Ueber die stetige Abbildung einer Linie auf ein Flächenstück",
       Mathematische Annalen 38, 1891.

    Examples
    --------
    >>> from neurotopo.cluster.layout import leaf_positions
    >>> leaf_positions(4).round(1).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]]
    """
    if n <= MOST_ON_CIRCLE:
        angle = 2 * np.pi * np.arange(n) / max(n, 1)
        return np.column_stack([np.sin(angle), np.cos(angle)])
    order = int(np.ceil(np.log2(n) / 2))
    # spread over the whole curve, so that the square is filled
    return _on_curve((np.arange(n) * (4**order / n)).astype(np.int64), order)


def _on_curve(step: NDArray[np.int64], order: int) -> NDArray[np.float64]:
    """Return the cell of each step of Hilbert's curve through 2**order by 2**order cells."""
    x, y = np.zeros_like(step), np.zeros_like(step)
    rest = step.copy()
    for power in range(order):
        side = 2**power
        right = (rest // 2) & 1
        up = (rest ^ right) & 1
        flipped = (up == 0) & (right == 1)
        x[flipped], y[flipped] = side - 1 - x[flipped], side - 1 - y[flipped]
        swapped = up == 0
        x[swapped], y[swapped] = y[swapped], x[swapped]
        x, y = x + side * right, y + side * up
        rest //= 4
    return np.column_stack([x, y]).astype(np.float64)
