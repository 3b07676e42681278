"""Chance prominence of modes: its null distribution for points of one smooth density.

The relative error of a density estimated from k nearest neighbours depends on k, not on the
density. So the most prominent false mode has, in units of log density (dimension times log
radius), nearly the same distribution for all densities without a second mode. That distribution
was simulated once, and a formula was fitted to it (``benchmarks/structure.py``). No simulation
is needed to test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.metrics import pairwise, reduction
from neurotopo.persistence.points import check_points, prefers_points_engine, reduced_forest

__all__ = [
    "SmoothedPoints",
    "can_test",
    "effective_dimension",
    "largest_prominence",
    "prominence_p_value",
    "structure_threshold",
]

_SMALLEST_K = 5  # fewer neighbours: the estimate of a density is too noisy to show anything
_FEWEST_PER_K = 6  # samples per neighbour, below which the formula was not fitted
_QUERIES = 1000  # samples whose neighbours give the dimension
# The largest prominence by chance, times sqrt(k - offset), has a Gumbel distribution whose
# location is (1, sqrt(L), L) @ LOCATION @ (1, 1/dimension) with L = log(n/k), and whose scale is
# SCALE @ (1, 1/dimension). Fitted to the largest quantiles of several families of densities.
_OFFSET = 3.8
_LOCATION = ((-1.334, -5.347), (0.286, 7.455), (0.373, -1.633))
_SCALE = (0.16, 0.281)


def structure_threshold(
    n_samples: int, dimension: float, min_samples: int, level: float = 0.05
) -> float:
    """Return the prominence that chance alone exceeds with a small probability.

    Parameters
    ----------
    n_samples : int
        Number of points.
    dimension : float
        Their intrinsic dimension, see :func:`effective_dimension`.
    min_samples : int
        Core-distance smoothing of the merge tree, at least 5 and at most a sixth of the points.
    level : float, default=0.05
        The probability, in (0, 1).

    Returns
    -------
    float
        A logarithm of a ratio of radii; compare it with :func:`largest_prominence` of the merge
        tree of the same ``min_samples``. ``inf`` where no test is possible: ``min_samples`` below
        5, or fewer than ``6 * min_samples`` points.

    Notes
    -----
    If the largest prominence exceeds the threshold, the points have more than one mode. The
    probability is that of any false mode in the whole sample, so it bounds the probability that
    any one of the clusters of any selection rule is falsely found separate.

    Examples
    --------
    >>> from neurotopo.persistence.point_null import structure_threshold
    >>> round(structure_threshold(1000, 2.0, 10), 1), structure_threshold(1000, 2.0, 1)
    (0.7, inf)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")
    if not can_test(n_samples, min_samples) or not dimension > 0:
        return float("inf")
    location, scale = _gumbel(n_samples, dimension, min_samples)
    return max(location - scale * float(np.log(-np.log1p(-level))), 0.0) / dimension


def prominence_p_value(
    prominence: ArrayLike, n_samples: int, dimension: float, min_samples: int
) -> NDArray[np.float64]:
    """Return the probability that chance alone gives a mode at least as prominent.

    Parameters
    ----------
    prominence : array-like of float
        Logarithms of ratios of radii.
    n_samples, dimension, min_samples
        As for :func:`structure_threshold`, its inverse.

    Returns
    -------
    ndarray of float64
        1 where no test is possible.

    Examples
    --------
    >>> from neurotopo.persistence.point_null import prominence_p_value, structure_threshold
    >>> threshold = structure_threshold(1000, 2.0, 10, level=0.01)
    >>> prominence_p_value([0.0, threshold], 1000, 2.0, 10).round(3).tolist()
    [1.0, 0.01]
    """
    values = np.asarray(prominence, dtype=np.float64)
    if not can_test(n_samples, min_samples) or not dimension > 0:
        return np.ones(values.shape)
    location, scale = _gumbel(n_samples, dimension, min_samples)
    chance = -np.expm1(-np.exp(-(values * dimension - location) / scale))
    return np.where(values > 0, chance, 1.0)


def can_test(n_samples: int, min_samples: int) -> bool:
    """Return whether the null distribution is known for this smoothing."""
    return _SMALLEST_K <= min_samples <= n_samples / _FEWEST_PER_K


def _gumbel(n_samples: int, dimension: float, min_samples: int) -> tuple[float, float]:
    """Location and scale of the largest chance prominence, in units of log density."""
    places = np.log(n_samples / min_samples)
    by_dimension = np.array([1.0, 1.0 / dimension])
    location = np.array([1.0, np.sqrt(places), places]) @ np.array(_LOCATION) @ by_dimension
    unit = 1 / np.sqrt(min_samples - _OFFSET)
    return float(location * unit), float(_SCALE @ by_dimension * unit)


def largest_prominence(tree: MergeTree) -> float:
    """Return the prominence of the second mode of a merge tree.

    Where components merge, all but the one with the earliest first merge end. The prominence of
    one that ends is the logarithm of that radius over the radius of its first merge (the elder
    rule, with births at the first merge of a sample).

    Parameters
    ----------
    tree : MergeTree
        A merge tree of points, smoothed by core distances.

    Returns
    -------
    float
        The largest one, 0 for a tree of one mode. Radii below the smallest positive one count as
        that one.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence.point_null import largest_prominence
    >>> tree = merge_tree([[0.0], [1.0], [9.0], [11.0]], metric="euclidean")
    >>> float(np.exp(largest_prominence(tree)).round(6))  # born at 2, ends at 8
    4.0
    """
    if tree.n_clusters == 0:
        return 0.0
    inside = tree.subtree_minimum(_first_merges(tree))
    child = np.flatnonzero(tree.parent >= 0)
    child = child[np.lexsort((inside[child], tree.parent[child]))]
    parent = tree.parent[child]
    same = np.append(False, parent[1:] == parent[:-1])  # all but the eldest of each family
    births = np.maximum(inside[child[same]], _unit(tree))
    deaths = np.maximum(tree.birth[parent[same]], _unit(tree))
    return float(np.log(deaths / births).max(initial=0.0))


def _first_merges(tree: MergeTree) -> NDArray[np.float64]:
    """Radius at which each sample first merges; ``inf`` for the clusters."""
    return np.append(tree.death[: tree.n_samples], np.full(tree.n_clusters, np.inf))


def _unit(tree: MergeTree) -> float:
    """Smallest positive merge radius: the resolution of rounded data."""
    heights = tree.birth[tree.n_samples :]
    positive = heights[heights > 0]
    return float(positive[0]) if len(positive) else 1.0


class SmoothedPoints:
    """Points whose forests of several smoothings are needed, and whose dimension.

    Parameters
    ----------
    X : array-like or sparse matrix
        Points, or with ``metric="precomputed"`` all their distances.
    metric, metric_params, n_jobs
        As for :class:`neurotopo.NTCClusterer`.
    """

    def __init__(
        self,
        X: Any,
        metric: Any = "euclidean",
        metric_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self._n_jobs = n_jobs
        self._space: Any = None
        self._graph: Any = None
        if isinstance(metric, str) and metric == "precomputed":
            self.most_dimensions = np.inf
            graph = check_distances(X)
            if isinstance(graph, EdgeList) or not np.isfinite(graph).all():
                raise ValueError(
                    "The distances of points are a dense matrix of finite numbers; "
                    "edges that are absent or infinite have no null for points."
                )
            self._graph = graph
        else:
            points = check_points(X, metric)
            self.most_dimensions = float(points.shape[1]) if points.ndim == 2 else np.inf
            space = reduction(points, metric, metric_params)
            if space is not None and prefers_points_engine(space):
                self._space = space
            else:
                self._graph = pairwise(points, metric, metric_params, n_jobs=n_jobs)
        self.n_samples = len(self._graph if self._space is None else self._space.points)

    def forest(self, min_samples: int) -> SpanningForest:
        """Find the minimum spanning forest of one smoothing."""
        if self._space is not None:
            return reduced_forest(self._space, min_samples, self._n_jobs)
        return graph_forest(self._graph, min_samples=min_samples)

    def dimension(self, min_samples: int) -> float:
        """Estimate the dimension at the scale of some nearest neighbours."""
        k = max(min_samples, _SMALLEST_K)
        if self.n_samples <= k:
            return self.most_dimensions
        if self._space is None:
            radii = np.sort(np.partition(self._graph, k, axis=1)[:, : k + 1], axis=1)
        else:
            points = self._space.points
            # the sample of queries does not depend on the order of the rows
            order = np.lexsort(points.T[::-1])
            queries = points[order[:: -(-len(order) // _QUERIES)]]
            workers = effective_n_jobs(self._n_jobs)
            radii, _ = cKDTree(points).query(queries, k + 1, p=self._space.order, workers=workers)
            radii = self._space.height_of(radii)
        inner, outer = radii[:, 1:k], np.broadcast_to(radii[:, k, None], radii[:, 1:k].shape)
        inner, outer = inner[inner > 0], outer[inner > 0]
        growth = float(np.sort(np.log(outer / inner)).mean()) if len(inner) else 0.0
        return min(1 / growth, self.most_dimensions) if growth > 0 else self.most_dimensions


def effective_dimension(
    X: Any,
    metric: Any = "euclidean",
    *,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 10,
    n_jobs: int | None = None,
) -> float:
    """Estimate the intrinsic dimension of points from the distances of their neighbours.

    Parameters
    ----------
    X : array-like or sparse matrix
        Points, or with ``metric="precomputed"`` all their distances.
    metric : str or callable, default="euclidean"
        The metric.
    metric_params : mapping, optional
        Its parameters.
    min_samples : int, default=10
        Number of neighbours, at least 5 are used.
    n_jobs : int or None, default=None
        Threads of the neighbour search.

    Returns
    -------
    float
        At most the number of features.

    Notes
    -----
    The maximum-likelihood estimate of [1]_, with the harmonic mean over (at most 1,000) samples.

    References
    ----------
    .. [1] E. Levina and P. J. Bickel, "Maximum likelihood estimation of intrinsic dimension",
       NIPS 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.point_null import effective_dimension
    >>> plane = np.random.default_rng(0).random((500, 2)) @ np.eye(2, 5)
    >>> 1.8 < effective_dimension(plane) < 2.2
    True
    """
    return SmoothedPoints(X, metric, metric_params, n_jobs).dimension(min_samples)
