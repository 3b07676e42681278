"""Vietoris-Rips persistence diagrams of points, distances and weighted graphs.

All engines give the same diagrams, bit for bit: every birth and death is 0 or one of the lengths
of the input. Bars of length zero are left out and rows are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.engines import minimum_spanning_forest
from neurotopo.persistence.inputs import (
    EdgeList,
    Symmetrize,
    as_matrix,
    check_distances,
    is_precomputed,
)
from neurotopo.persistence.lengths import Length
from neurotopo.persistence.metrics import pairwise
from neurotopo.persistence.points import check_points
from neurotopo.persistence.rips import n_vertices, rips_diagrams, tidy_diagram

__all__ = ["DIAGRAM_ENGINES", "persistence_diagrams"]

DIAGRAM_ENGINES = ("auto", "gudhi", "gudhi-simplextree", "ripser", "tree")

Graph = EdgeList | NDArray[np.floating[Any]]
Diagram = NDArray[np.float64]

_LARGEST_COEFF = 251


def persistence_diagrams(
    X: Any,
    metric: str | Callable[..., float] = "precomputed",
    max_dimension: int = 1,
    engine: str = "auto",
    *,
    max_radius: float | None = None,
    coeff: int = 2,
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    lengths: Length | None = None,
    symmetrize: Symmetrize = None,
) -> list[Diagram]:
    """Compute the persistence diagrams of the Vietoris-Rips filtration.

    A simplex enters when its longest edge does. Radii are pair distances (diameters), never half
    of them. Vertices enter at 0.

    Parameters
    ----------
    X : array-like, sparse matrix or graph
        With ``metric="precomputed"`` lengths or a graph, in any form that
        :func:`~neurotopo.persistence.check_distances` takes. Otherwise points, one per row.
    metric : str or callable, default="precomputed"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    max_dimension : int, default=1
        The highest homology dimension.
    engine : {"auto", "gudhi", "gudhi-simplextree", "ripser", "tree"}, default="auto"
        ``"gudhi"`` is :class:`gudhi.sklearn.RipsPersistence` (implicit cohomology and edge
        collapses), ``"gudhi-simplextree"`` builds the complex, ``"tree"`` computes dimension 0 by a
        minimum spanning forest. ``"auto"`` is the fastest in benchmarks, see Notes.
    max_radius : float or None, default=None
        Longer edges are left out; bars alive at this radius have death ``inf``.
    coeff : int, default=2
        Prime order of the field of coefficients.
    metric_params : mapping, optional
        Parameters of the metric: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``,
        ``V`` or ``VI`` of ``"mahalanobis"`` (by default both take the variances of X), or those
        of another metric of scikit-learn.
    n_jobs : int or None, default=None
        Jobs for the distances between points.
    lengths : str, callable or None, default=None
        Lengths of the weights in X, see :func:`~neurotopo.persistence.check_distances`.
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        How to combine the two directions of an edge, see there.

    Returns
    -------
    list of ndarray of float64, shape (n_bars, 2)
        One diagram of (birth, death) per dimension ``0 .. max_dimension``, sorted by birth, then
        death. Bars that never die have death ``inf``; bars of length zero are left out.

    See Also
    --------
    neurotopo.MergeTree.diagram : The other diagram in dimension 0: births and deaths of clusters.

    Notes
    -----
    ``"auto"`` follows ``benchmarks/diagram_engines.py``. Dimension 0 alone: the spanning forest.
    Otherwise gudhi's implicit algorithm, which is faster than ripser on every input measured;
    except on graphs of 100 to 2000 vertices with random lengths, where the simplex tree is faster
    while the complex is not too large. Lengths count as random if the rank correlation between the
    rows of a vertex and of its nearest neighbour is less than 0.1 from 0 on average. (It is about 0
    for independent lengths, 0.2 for planted groups, 0.4 or more for points, even in 200 dimensions,
    and negative for layers with edges to the next layer only.)

    Examples
    --------
    The square with unit sides has a loop from 1 to its diagonal:

    >>> from neurotopo import persistence_diagrams
    >>> square = [[0, 0], [0, 1], [1, 1], [1, 0]]
    >>> h0, h1 = persistence_diagrams(square, metric="euclidean")
    >>> h0
    array([[ 0.,  1.],
           [ 0.,  1.],
           [ 0.,  1.],
           [ 0., inf]])
    >>> h1
    array([[1.        , 1.41421356]])
    """
    _check_options(max_dimension, engine, coeff)
    if is_precomputed(metric, lengths, symmetrize):
        X = as_matrix(X, lengths=lengths, symmetrize=symmetrize)
    radius = check_radius(max_radius)
    if engine == "tree" or (engine == "auto" and max_dimension == 0):
        return [_components_diagram(X, metric, metric_params, radius, n_jobs)]
    graph = within(as_graph(X, metric, metric_params, n_jobs=n_jobs), radius)
    if engine == "auto":
        engine = _fastest(graph, max_dimension)
    return rips_diagrams(graph, engine, max_dimension, coeff)


def _check_options(max_dimension: int, engine: str, coeff: int) -> None:
    if engine not in DIAGRAM_ENGINES:
        raise ValueError(f"engine must be one of {', '.join(DIAGRAM_ENGINES)}, got {engine!r}.")
    if isinstance(max_dimension, bool) or not isinstance(max_dimension, int | np.integer):
        raise TypeError(f"max_dimension must be an integer, got {max_dimension!r}.")
    if max_dimension < 0:
        raise ValueError(f"max_dimension must be at least 0, got {max_dimension}.")
    if engine == "tree" and max_dimension > 0:
        raise ValueError(
            f'engine="tree" supports dimension 0 only, but max_dimension is {max_dimension}.'
        )
    if not 2 <= coeff <= _LARGEST_COEFF or any(coeff % k == 0 for k in range(2, coeff)):
        raise ValueError(f"coeff must be a prime of at most {_LARGEST_COEFF}, got {coeff}.")


def check_radius(max_radius: float | None) -> float:
    """Return the largest radius, ``inf`` for None."""
    if max_radius is not None and not max_radius >= 0:
        raise ValueError(f"max_radius must be a non-negative number or None, got {max_radius}.")
    return np.inf if max_radius is None else float(max_radius)


def as_graph(
    X: Any,
    metric: str | Callable[..., float] = "precomputed",
    metric_params: Mapping[str, Any] | None = None,
    *,
    n_jobs: int | None = None,
) -> Graph:
    """Check points, distances or a sparse graph: a dense matrix of lengths or a list of edges."""
    if isinstance(metric, str) and metric == "precomputed":
        return check_distances(X)
    return pairwise(check_points(X, metric), metric, metric_params, n_jobs=n_jobs)


def within(graph: Graph, radius: float) -> Graph:
    """Leave out long edges; a dense matrix with edges missing becomes a list of edges."""
    if isinstance(graph, EdgeList):
        return graph if radius == np.inf else graph.take(graph.length <= radius)
    graph = graph.astype(np.float64, copy=False)  # single precision would round the radius
    if graph.max() <= radius and np.isfinite(graph).all():
        return graph
    return EdgeList.from_dense(np.where(graph <= radius, graph, np.inf))


def _components_diagram(
    X: Any,
    metric: str | Callable[..., float],
    metric_params: Mapping[str, Any] | None,
    radius: float,
    n_jobs: int | None,
) -> Diagram:
    """Dimension 0 from a minimum spanning forest: its lengths are the deaths."""
    forest = minimum_spanning_forest(X, metric, metric_params=metric_params, n_jobs=n_jobs)
    deaths = forest.length[forest.length <= radius]
    deaths = np.append(deaths, np.full(forest.n_vertices - len(deaths), np.inf))
    return tidy_diagram(np.column_stack([np.zeros(len(deaths)), deaths]))


# From benchmarks/diagram_engines.py. With fewer vertices every engine takes milliseconds; with
# more, no random complex that fits in memory has triangles.
_RANDOM_VERTICES = (100, 2000)
_RANDOM_AGREEMENT = 0.1
_RANDOM_SIMPLICES = 5e6  # about 400 MB of simplex tree


def _fastest(graph: Graph, max_dimension: int) -> str:
    """Choose the engine by the rule in the Notes of :func:`persistence_diagrams`."""
    n = n_vertices(graph)
    if not _RANDOM_VERTICES[0] <= n <= _RANDOM_VERTICES[1]:
        return "gudhi"
    n_edges = graph.n_edges if isinstance(graph, EdgeList) else n * (n - 1) // 2
    density = n_edges / (n * (n - 1) / 2)
    k = max_dimension + 2
    n_simplices = math.comb(n, k) * density ** math.comb(k, 2)  # expected if edges are independent
    if n_simplices > _RANDOM_SIMPLICES:
        return "gudhi"
    agreement = neighbour_agreement(graph.to_dense() if isinstance(graph, EdgeList) else graph)
    return "gudhi-simplextree" if abs(agreement) < _RANDOM_AGREEMENT else "gudhi"


def neighbour_agreement(distances: NDArray[np.floating[Any]], n_rows: int = 32) -> float:
    """Mean rank correlation between the rows of some vertices and of their nearest neighbours.

    0 for independent lengths, near 1 for points; it does not depend on the scale.
    """
    from scipy.stats import rankdata

    n = len(distances)
    here = np.unique(np.linspace(0, n - 1, n_rows).astype(np.intp))
    rows = distances[here].astype(np.float64)
    rows[np.arange(len(here)), here] = np.inf
    there = rows.argmin(axis=1)
    linked = np.isfinite(rows.min(axis=1))
    if not linked.any():
        return 0.0
    here, there = here[linked], there[linked]
    others = np.ones((len(here), n), dtype=bool)
    others[np.arange(len(here)), here] = others[np.arange(len(here)), there] = False
    # the pair itself is left out: it is near to itself in both rows by construction
    shape = (len(here), n - 2)
    a = rankdata(distances[here][others].reshape(shape), axis=1)
    b = rankdata(distances[there][others].reshape(shape), axis=1)
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return float(np.mean((a * b).sum(axis=1)[norm > 0] / norm[norm > 0])) if norm.any() else 0.0
