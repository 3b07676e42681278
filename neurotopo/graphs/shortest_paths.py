"""Lengths of paths through the neurons, and the shortest paths."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

from neurotopo._memory import require_array
from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = [
    "AGGREGATIONS",
    "ROUTES",
    "check_aggregation",
    "check_products",
    "matrix_a",
    "path_lengths",
    "symmetric_csr",
]

AGGREGATIONS = ("sum", "product", "max")
ROUTES = ("all", "monotone")

Layers = list[tuple[int, slice]]
Matrix = NDArray[np.float64]

# aggregation: the length of two paths in a row, and of the path without edges
_COMBINE: dict[str, tuple[Callable[..., Matrix], float]] = {
    "sum": (np.add, 0.0),
    "product": (np.multiply, 1.0),
    "max": (np.maximum, 0.0),
}


def check_aggregation(aggregation: str, paths: str | None, max_span: int | None) -> str:
    """Check the options of paths; return ``paths`` or its default."""
    if aggregation not in AGGREGATIONS:
        raise ValueError(
            f"aggregation must be one of {', '.join(AGGREGATIONS)}, got {aggregation!r}."
        )
    if paths is not None and paths not in ROUTES:
        raise ValueError(f"paths must be one of {', '.join(ROUTES)} or None, got {paths!r}.")
    if max_span is not None:
        try:
            spans = not isinstance(max_span, bool) and index(max_span) >= 1
        except TypeError:
            spans = False
        if not spans:
            raise ValueError(f"max_span must be a whole number from 1 on, or None, got {max_span}.")
    if paths is not None:
        return paths
    return "monotone" if aggregation == "product" else "all"


def check_products(edges: EdgeList, layers: NDArray[np.int64], paths: str) -> None:
    """Raise if a path may repeat an edge of length below 1: there is no smallest product."""
    endless = edges.length < 1
    if paths == "monotone":
        endless &= layers[edges.source] == layers[edges.target]
    if endless.any():
        shortest = float(edges.length[endless].min())
        if paths == "monotone":
            raise ValueError(
                'aggregation="product" needs lengths of at least 1 within a layer, where a path '
                f"may repeat an edge, but the shortest there is {shortest:.6g}."
            )
        raise ValueError(
            'aggregation="product" with paths="all" needs lengths of at least 1, but the shortest '
            f"is {shortest:.6g}: a path that repeats it has ever smaller products. "
            'paths="monotone" allows any length.'
        )


def matrix_a(
    edges: EdgeList,
    layers: NDArray[np.int64],
    slices: Layers,
    *,
    aggregation: str = "sum",
    paths: str = "all",
    max_span: int | None = None,
    within_layers: bool = False,
) -> Matrix:
    """Build the paper's matrix A (Eq 4 to 7), symmetric, with ``inf`` for no path.

    ``layers`` are those of the neurons, ascending; ``slices`` are the layers that occur, with the
    positions of their neurons. With ``within_layers``, neurons of one layer have the length of
    their shortest path instead of ``inf``. For the other options see
    :meth:`neurotopo.NeuronGraph.from_model`.
    """
    k = edges.n_vertices
    remedy = "Choose fewer neurons, for example with a higher threshold."
    require_array((k, k), f"the distances between {k:,} neurons", remedy, copies=4)
    gap = np.abs(layers[:, None] - layers[None, :])
    if max_span == 1 and not within_layers:  # only direct edges are finite
        matrix = np.full((k, k), np.inf)
    else:
        matrix = path_lengths(edges, slices, aggregation, paths)
        far = gap > 1 if max_span is None else (gap > 1) & (gap <= max_span)
        matrix[~(far | (gap == 0) if within_layers else far)] = np.inf
    direct = gap[edges.source, edges.target] == 1
    source, target = edges.source[direct], edges.target[direct]
    matrix[source, target] = matrix[target, source] = edges.length[direct]
    np.fill_diagonal(matrix, 0.0)
    return matrix


def path_lengths(
    edges: EdgeList, slices: Layers, aggregation: str = "sum", paths: str = "all"
) -> Matrix:
    """Lengths of the shortest paths between all pairs, ``inf`` for none.

    A length that is at least the longest edge of its path in exact numbers is so here as well.
    """
    if edges.n_vertices == 0:
        return np.empty((0, 0))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if paths == "monotone":
            return _monotone(edges.to_dense(), slices, aggregation)
        if aggregation == "max":
            return _bottlenecks(edges)
        if aggregation == "product":
            lengths = _products(edges)
        else:
            # csgraph keeps explicit zeros of a sparse graph
            lengths = shortest_path(symmetric_csr(edges), directed=True)
    return np.minimum(lengths, lengths.T)  # the same path, summed from either end


def _monotone(direct: Matrix, slices: Layers, aggregation: str) -> Matrix:
    """Shortest paths that never go down a layer, by dynamic programming from layer to layer."""
    combine, nothing = _COMBINE[aggregation]
    reach = np.full_like(direct, np.inf)  # upper triangle of blocks: from lower to higher layers
    before = None
    for layer, here in slices:
        within = direct[here, here].copy()
        np.fill_diagonal(within, nothing)
        closed = np.isfinite(within).sum() == len(within)  # no edges within this layer
        if not closed:
            for m in range(len(within)):
                np.fmin(within, combine(within[:, m, None], within[m]), out=within)
        if before is not None and before[0] == layer - 1:
            lower = slice(0, here.start)
            arrived = _extend(reach[lower, before[1]], direct[before[1], here], combine)
            reach[lower, here] = arrived if closed else _extend(arrived, within, combine)
        reach[here, here] = within
        before = layer, here
    reach = np.minimum(reach, reach.T)
    np.fill_diagonal(reach, 0.0)
    return reach


def _extend(reach: Matrix, step: Matrix, combine: Callable[..., Matrix]) -> Matrix:
    """Matrix product with a minimum in place of the sum: the shortest path over a middle vertex."""
    result = np.full((reach.shape[0], step.shape[1]), np.inf)
    for m in range(step.shape[0]):
        # 0 times inf is NaN, which fmin ignores: no edge stays no edge
        np.fmin(result, combine(reach[:, m, None], step[m]), out=result)
    return result


def _bottlenecks(edges: EdgeList) -> Matrix:
    """Smallest longest edge of a path between each pair: the radius at which they are joined."""
    tree = tree_of_forest(graph_forest(edges))
    n = tree.n_samples
    radius = np.full((n, n), np.inf)
    for node in range(tree.n_nodes - 1, n - 1, -1):  # smaller clusters overwrite larger ones
        inside = slice(tree.start[node], tree.start[node] + tree.size[node])
        radius[inside, inside] = tree.birth[node]
    position = np.empty(n, dtype=np.intp)
    position[tree.leaf_order] = np.arange(n)
    radius = radius[np.ix_(position, position)]
    np.fill_diagonal(radius, 0.0)
    return radius


def _products(edges: EdgeList) -> Matrix:
    """Smallest products of lengths of at least 1: paths by logarithms, then multiplied.

    Exponentials of sums of logarithms could be less than the longest edge, because of rounding.
    """
    logs = EdgeList(edges.n_vertices, edges.source, edges.target, np.log(edges.length))
    # Dijkstra's predecessors are a tree even if edges have logarithm 0
    options = {"method": "D", "directed": True, "return_predecessors": True}
    before = shortest_path(symmetric_csr(logs), **options)[1]
    n = edges.n_vertices
    start = np.arange(n)[:, None]
    reached = before >= 0
    above = np.where(reached, before, start)
    product = np.where(reached, edges.to_dense()[above, np.arange(n)], np.inf)
    np.fill_diagonal(product, 1.0)
    while (above != start).any():  # each round doubles the number of edges multiplied
        product *= np.take_along_axis(product, above, axis=1)
        above = np.take_along_axis(above, above, axis=1)
    np.fill_diagonal(product, 0.0)
    return product


def symmetric_csr(edges: EdgeList) -> sp.csr_array:
    """Return the symmetric matrix of edges in lexicographic order, without sorting them again."""
    n, m = edges.n_vertices, edges.n_edges
    source, target, data = edges.source, edges.target, edges.length
    # a sort of 16-bit numbers is a radix sort: linear time
    back = np.argsort(target.astype(np.uint16) if n <= 1 << 16 else target, kind="stable")
    n_up, n_down = np.bincount(source, minlength=n), np.bincount(target, minlength=n)
    # a row has first the entries below the diagonal, then those above it
    at_down = np.arange(m) + np.repeat(np.cumsum(n_up) - n_up, n_down)
    at_up = np.arange(m) + np.repeat(np.cumsum(n_down), n_up)
    dtype = np.int32 if 2 * m < 1 << 31 else np.int64
    indices, values = np.empty(2 * m, dtype), np.empty(2 * m)
    indices[at_down], values[at_down] = source[back], data[back]
    indices[at_up], values[at_up] = target, data
    indptr = np.zeros(n + 1, dtype)
    np.cumsum(n_up + n_down, out=indptr[1:])
    matrix = sp.csr_array((values, indices, indptr), shape=(n, n))
    matrix.has_canonical_format = True
    return matrix
