"""Minimum spanning forests by several engines, with the same result.

Every engine takes the canonical forms of :mod:`neurotopo.persistence.inputs` and returns a
:class:`~neurotopo.persistence.forest.SpanningForest` with the exact lengths of the input. Engines
that compare in single precision (ripser) or take short lengths for absent (csgraph) get the ranks
of the lengths: persistence depends on comparisons only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from neurotopo.persistence.forest import (
    SpanningForest,
    kruskal_forest,
    path_of_visit,
    prim_forest,
    prim_visit,
    spanning_edges,
)
from neurotopo.persistence.inputs import (
    EdgeList,
    Symmetrize,
    as_matrix,
    check_distances,
    is_precomputed,
)
from neurotopo.persistence.lengths import Length
from neurotopo.persistence.metrics import Reduction, lengths, pairwise, reduction
from neurotopo.persistence.points import (
    check_points,
    no_points_engine,
    prefers_points_engine,
    reduced_forest,
)
from neurotopo.persistence.rips import n_vertices, rips_diagrams

__all__ = ["ENGINES", "find_forest", "minimum_spanning_forest"]

ENGINES = ("auto", "scipy", "prim", "gudhi", "ripser", "points")

Graph = EdgeList | NDArray[np.floating[Any]]
_MATRIX = 10_000  # points with births, above which their distances are computed row by row
_AT_ONCE = 2**18  # lengths that are partitioned at once: they fit into the cache


def minimum_spanning_forest(
    X: Any,
    metric: str | Callable[..., float] = "precomputed",
    engine: str = "auto",
    *,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 1,
    n_jobs: int | None = None,
    lengths: Length | None = None,
    symmetrize: Symmetrize = None,
) -> SpanningForest:
    """Find a minimum spanning forest.

    Parameters
    ----------
    X : array-like, sparse matrix or graph
        With ``metric="precomputed"`` lengths or a graph, in any form that
        :func:`~neurotopo.persistence.check_distances` takes. Otherwise points, one per row.
    metric : str or callable, default="precomputed"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    engine : {"auto", "scipy", "prim", "gudhi", "ripser", "points"}, default="auto"
        ``"scipy"``: Kruskal's algorithm of :mod:`scipy.sparse.csgraph`, after a filter of heavy
        edges; ``"prim"``: Prim's on a dense matrix; ``"gudhi"``, ``"ripser"``: from their
        0-dimensional persistence; ``"points"``: Borůvka's on a k-d tree or on tiles, for
        metrics with a :func:`~neurotopo.persistence.metrics.reduction` (Minkowski, cosine,
        haversine and others), without a matrix of distances. ``"auto"``: ``"scipy"`` for sparse,
        ``"prim"`` for dense input and ``"points"`` for points where it applies.
    metric_params : mapping, optional
        Parameters of the metric: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``,
        ``V`` or ``VI`` of ``"mahalanobis"`` (by default both take the variances of X), or those
        of another metric of scikit-learn.
    min_samples : int, default=1
        Core-distance smoothing of the lengths. 1: no smoothing.
    n_jobs : int or None, default=None
        Threads for the neighbour search of ``"points"``.
    lengths : str, callable or None, default=None
        Lengths of the weights in X, see :func:`~neurotopo.persistence.check_distances`.
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        How to combine the two directions of an edge, see there.

    Returns
    -------
    SpanningForest
        True edges of the graph. Their lengths are the merge heights.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence import minimum_spanning_forest
    >>> D = np.array([[0, 1, 5], [1, 0, 2], [5, 2, 0]], dtype=float)
    >>> for engine in ("scipy", "prim", "gudhi", "ripser"):
    ...     print(np.sort(minimum_spanning_forest(D, engine=engine).length))
    [1. 2.]
    [1. 2.]
    [1. 2.]
    [1. 2.]
    """
    if is_precomputed(metric, lengths, symmetrize):
        X = as_matrix(X, lengths=lengths, symmetrize=symmetrize)
    return find_forest(X, metric, metric_params, engine, min_samples, n_jobs, as_path=False)


def find_forest(
    X: Any,
    metric: str | Callable[..., float],
    metric_params: Mapping[str, Any] | None,
    engine: str,
    min_samples: int,
    n_jobs: int | None,
    as_path: bool,
    births: NDArray[np.float64] | None = None,
) -> SpanningForest:
    """Find a minimum spanning forest; ``as_path``: or Prim's path, with the same merge tree.

    With ``births``, edges are at least as long as those of their ends.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}.")
    if min_samples < 1:
        raise ValueError(f"min_samples must be at least 1, got {min_samples}.")
    if not isinstance(metric, str) or metric != "precomputed":
        X = check_points(X, metric)
        space = reduction(X, metric, metric_params)
        if engine == "points" and space is None:
            raise no_points_engine(metric)
        if engine == "points" and births is not None:
            raise ValueError('engine="points" does not take births: use engine="auto".')
        if space is not None and (
            engine == "points"
            or (engine == "auto" and births is None and prefers_points_engine(space))
        ):
            return reduced_forest(space, min_samples, n_jobs)
        by_rows = births is not None and min_samples == 1 and as_path and engine in ("auto", "prim")
        if space is None:
            graph: Graph = pairwise(X, metric, metric_params, n_jobs=n_jobs)
        elif by_rows and len(space.points) > _MATRIX:
            return path_of_visit(*prim_visit(len(space.points), partial(_row, space), births))
        else:
            graph = space.pairwise()
    elif engine == "points":
        raise ValueError('engine="points" needs points; X was given with metric="precomputed".')
    else:
        graph = check_distances(X)
    return graph_forest(graph, engine, min_samples=min_samples, as_path=as_path, births=births)


def _row(space: Reduction, i: int) -> NDArray[np.float64]:
    """Return the distances of one point to all."""
    return space.height_of(lengths(space.points[i], space.points, space.order))


def graph_forest(
    graph: Graph,
    engine: str = "auto",
    *,
    min_samples: int = 1,
    as_path: bool = False,
    births: NDArray[np.float64] | None = None,
) -> SpanningForest:
    """Find a minimum spanning forest of a graph in canonical form."""
    core = core_distances(graph, min_samples) if min_samples > 1 else None
    if births is not None:
        core = births if core is None else np.maximum(core, births)
    if engine == "auto":
        engine = "scipy" if isinstance(graph, EdgeList) else "prim"
    if engine == "prim":
        dense = graph.to_dense() if isinstance(graph, EdgeList) else graph
        return prim_forest(dense, core, as_path=as_path)
    edges = graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph)
    if core is not None:
        edges = smooth_edges(edges, core)
    if engine == "scipy":
        return kruskal_forest(edges)
    return _forest_from_deaths(edges, engine)


def core_distances(graph: Graph, min_samples: int) -> NDArray[np.float64]:
    """Distance of every vertex to its ``min_samples``-th nearest (itself is the first), or inf."""
    n = n_vertices(graph)
    if min_samples == 1 or min_samples > n:
        return np.full(n, 0.0 if min_samples == 1 else np.inf)
    if isinstance(graph, EdgeList):
        return _core_distances_of_edges(graph, min_samples - 1)
    core = np.empty(n)
    for rows in gen_batches(n, max(1, _AT_ONCE // n)):
        block = graph[rows].copy()
        np.fill_diagonal(block[:, rows], 0.0)
        block.partition(min_samples - 1, axis=1)
        core[rows] = block[:, min_samples - 1]
    return core


def _core_distances_of_edges(edges: EdgeList, k: int) -> NDArray[np.float64]:
    """Length of the k-th shortest edge of every vertex, inf for fewer edges."""
    n, m = edges.n_vertices, edges.n_edges
    core = np.full(n, np.inf)
    ends = np.concatenate([edges.source, edges.target])
    both = sp.coo_array((np.tile(edges.length, 2), (ends, np.zeros_like(ends))), shape=(n, 1))
    both.has_canonical_format = True  # lengths of parallel edges are not summed
    by_vertex = both.tocsr()
    degree = np.diff(by_vertex.indptr)
    by_degree = np.argsort(degree, kind="stable")
    first = int(np.searchsorted(degree[by_degree], k))
    while first < n:
        # vertices of about the same degree, so that a block of rows is at most half empty
        most = 2 * int(degree[by_degree[first]])
        last = int(np.searchsorted(degree[by_degree], most, side="right"))
        some = by_degree[first : min(last, first + max(1, _AT_ONCE // most))]
        column = np.arange(degree[some[-1]])
        at = by_vertex.indptr[some, None] + column
        block = by_vertex.data[np.minimum(at, 2 * m - 1)]
        block[column >= degree[some, None]] = np.inf
        block.partition(k - 1, axis=1)
        core[some] = block[:, k - 1]
        first += len(some)
    return core


def smooth_edges(edges: EdgeList, core: NDArray[np.float64]) -> EdgeList:
    """Make edges at least as long as the core distances of their ends; drop infinite ones."""
    length = np.maximum(edges.length, core[edges.source])
    np.maximum(length, core[edges.target], out=length)
    smooth, finite = replace(edges, length=length), np.isfinite(length)
    return smooth if finite.all() else smooth.take(finite)


def _forest_from_deaths(edges: EdgeList, engine: str) -> SpanningForest:
    """Return a spanning forest with the 0-dimensional deaths of gudhi or ripser as its lengths.

    The number of merges at every length must be the number of deaths.
    """
    # ranks from 1 on: merges at 0 count, but diagrams leave out bars of length zero
    n = edges.n_vertices
    values, rank = np.unique(edges.length, return_inverse=True)
    rank = rank.reshape(-1)
    ranked = replace(edges, length=(rank + 1).astype(np.float64))
    deaths = rips_diagrams(ranked, engine, 0)[0][:, 1]
    death_ranks = deaths[np.isfinite(deaths)].astype(np.intp) - 1
    wanted = np.bincount(death_ranks, minlength=len(values))
    at = np.flatnonzero(wanted[rank] > 0)
    chosen = at[spanning_edges(n, edges.source[at], edges.target[at], edges.length[at])]
    if not np.array_equal(np.bincount(rank[chosen], minlength=len(values)), wanted):
        raise RuntimeError(f"the deaths of {engine} are not the merge heights of X.")
    return SpanningForest.of(edges, chosen)
