"""Births of samples: checks, lower-star filtrations of graphs, and births from points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

from neurotopo.persistence.engines import core_distances
from neurotopo.persistence.graph_inputs import is_graph, read_arcs
from neurotopo.persistence.inputs import EdgeList, check_distances, check_sparse_format
from neurotopo.persistence.metrics import Reduction, lengths, pairwise, reduction
from neurotopo.persistence.points import check_points
from neurotopo.persistence.sample_distances import takes_nan
from neurotopo.persistence.tiles import core_distances_of_points

__all__ = [
    "adjacency_edges",
    "check_births",
    "core_births",
    "core_distances_of_samples",
    "distance_to_measure",
]

_MOST_DIMENSIONS = 12  # of a k-d tree; in more, matrix products are faster


def check_births(births: ArrayLike, n_samples: int, name: str = "births") -> NDArray[np.float64]:
    """Return births as float64, one finite number per sample."""
    array = np.asarray(births)
    if array.shape != (n_samples,):
        raise ValueError(
            f"{name} must hold one number per sample, shape ({n_samples},), got {array.shape}."
        )
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}.")
    values = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ValueError(
            f"{name} must be finite, but {name}[{wrong[0]}] is {values[wrong[0]]}. Leave out "
            "samples that are never born."
        )
    return values


def adjacency_edges(X: Any) -> EdgeList:
    """Return the edges of an adjacency matrix, of length 0; one direction is enough.

    Every stored entry of a sparse matrix is an edge, whatever its value, and every True of a dense
    boolean one. The diagonal is ignored. Graphs of networkx and others have edges of their own.
    """
    if is_graph(X):
        X = read_arcs(X, "weight", as_lengths=True).to_csr()
    if not sp.issparse(X):
        X = np.asarray(X)
        if X.dtype.kind != "b":
            raise ValueError(
                "a graph without lengths is a sparse matrix, whose stored entries are the "
                f"edges, or a dense boolean one; got a dense matrix of {X.dtype}. "
                "Pass X != 0, or np.isfinite(X) if inf is no edge."
            )
        X = sp.coo_array(X) if X.ndim == 2 else X
    if X.ndim != 2 or X.shape[0] != X.shape[1]:
        raise ValueError(f"a graph is a square matrix, got shape {X.shape}.")
    entries, n = check_sparse_format(X).tocoo(), X.shape[0]
    row, column = entries.row.astype(np.int64), entries.col.astype(np.int64)
    low, high = np.minimum(row, column), np.maximum(row, column)
    pairs = np.sort((low * n + high)[low < high])  # faster than np.unique
    is_new = np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]
    source, target = np.divmod(pairs[is_new], max(n, 1))
    return EdgeList(n, source, target, np.zeros(len(source)))


def core_births(
    X: Any,
    min_samples: int,
    metric: str | Callable[..., float] = "euclidean",
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Return the distance of each sample to its ``min_samples``-th nearest, itself the first."""
    if isinstance(metric, str) and metric == "precomputed":
        core = core_distances(check_distances(X), min_samples)
    else:
        X = check_points(X, metric)
        space = reduction(X, metric, metric_params)
        core = core_distances_of_samples(X, space, metric, metric_params, min_samples, n_jobs)
    late = np.flatnonzero(np.isinf(core))
    if len(late):
        raise ValueError(
            f"sample {late[0]} has fewer than {min_samples} neighbours, itself included, so it is "
            "never born. Leave it out, or take a smaller min_samples."
        )
    return core


def core_distances_of_samples(
    samples: Any,
    space: Reduction | None,
    metric: Any,
    metric_params: Mapping[str, Any] | None,
    min_samples: int,
    n_jobs: int | None,
) -> NDArray[np.float64]:
    """Return the core distances of checked points, ``inf`` with fewer points.

    ``space`` is the :func:`~neurotopo.persistence.metrics.reduction` of the metric.
    """
    n = samples.shape[0]
    if min_samples == 1 or min_samples > n:
        return np.full(n, 0.0 if min_samples == 1 else np.inf)
    if samples.ndim == 1 or takes_nan(metric):
        return core_distances(pairwise(samples, metric, metric_params), min_samples)
    search = NearestNeighbors(n_neighbors=min_samples, n_jobs=n_jobs)
    if space is None:
        search.set_params(metric=metric, metric_params=metric_params).fit(samples)
        core: NDArray[np.float64] = search.kneighbors(samples)[0][:, -1]
        return core
    points = space.points
    if space.order == 2.0 and points.shape[1] > _MOST_DIMENSIONS:
        return space.height_of(core_distances_of_points(points, min_samples, n_jobs))
    # a few more than needed: the search may order by rounded distances
    search.set_params(p=space.order, n_neighbors=min(min_samples + 2, n)).fit(points)
    nearest = search.kneighbors(points, return_distance=False)
    near = [lengths(points, points[column], space.order) for column in nearest.T]
    return space.height_of(np.sort(near, axis=0)[min_samples - 1])


def distance_to_measure(
    X: ArrayLike,
    n_neighbors: int,
    metric: str | Callable[..., float] = "euclidean",
    *,
    order: float = 2.0,
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Return the distance to the empirical measure (DTM), small where samples are dense.

    It is the power mean of the distances to the nearest samples, and serves as births: unlike the
    distance to the k-th neighbour it is hardly changed by a few outliers.

    Parameters
    ----------
    X : array-like, shape (n_samples, n_features) or (n_samples, n_samples)
        Points, or a dense matrix of distances with ``metric="precomputed"``.
    n_neighbors : int
        Number of nearest samples, each sample itself included.
    metric : str or callable, default="euclidean"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    order : float, default=2.0
        Exponent of the mean.
    metric_params : mapping, optional
        Parameters of the metric.
    n_jobs : int or None, default=None
        Jobs for the neighbour search.

    Returns
    -------
    ndarray of float64, shape (n_samples,)

    See Also
    --------
    neurotopo.merge_tree : Its parameter ``births`` takes the result.

    References
    ----------
    .. [1] F. Chazal, D. Cohen-Steiner and Q. Mérigot, "Geometric Inference for Probability
       Measures", Found. Comput. Math. 11, 2011.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence import distance_to_measure
    >>> X = [[0.0], [1.0], [2.0], [9.0]]
    >>> births = distance_to_measure(X, 2)
    >>> births.round(2).tolist()
    [0.71, 0.71, 0.71, 4.95]
    >>> merge_tree(X, metric="euclidean", births=births).birth[:4].round(2).tolist()
    [0.71, 0.71, 0.71, 4.95]
    """
    if not order > 0 or np.isinf(order):
        raise ValueError(f"order must be a positive number, got {order}.")
    given = isinstance(metric, str) and metric == "precomputed"
    checked = check_distances(X) if given else check_points(X)
    if isinstance(checked, EdgeList):
        raise ValueError("distance_to_measure takes dense distances, not a sparse graph.")
    n = checked.shape[0]
    if not 1 <= n_neighbors <= n:
        raise ValueError(
            f"n_neighbors must be in 1..{n}, the number of samples; got {n_neighbors}."
        )
    if given:
        distances = checked.astype(np.float64)
        np.fill_diagonal(distances, 0.0)
        near = np.partition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    else:
        params = None if metric_params is None else dict(metric_params)
        search = NearestNeighbors(metric=metric, metric_params=params, n_jobs=n_jobs).fit(checked)
        near = search.kneighbors(checked, n_neighbors)[0]
    scale = near.max(axis=1, keepdims=True)  # powers of ratios do not overflow
    ratio = np.divide(near, scale, out=np.zeros_like(near), where=scale > 0)
    dtm: NDArray[np.float64] = scale[:, 0] * (ratio**order).mean(axis=1) ** (1 / order)
    return dtm
