"""Exact minimum spanning trees of points without a matrix of distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.utils import check_array

from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import check_sparse_format
from neurotopo.persistence.metrics import REDUCIBLE, Reduction, reduction
from neurotopo.persistence.sample_distances import as_objects, takes_nan
from neurotopo.persistence.tiles import tiled_forest

__all__ = [
    "check_points",
    "no_points_engine",
    "points_forest",
    "powers_are_normal",
    "prefers_points_engine",
    "reduced_forest",
]

_SMALL = 1000  # below this a dense matrix takes milliseconds, less than loading numba
_TREE_DIMENSIONS = 12  # above this a k-d tree visits nearly every point


def prefers_points_engine(space: Reduction | None) -> bool:
    """Return whether :func:`points_forest` is the fastest engine for these points."""
    return space is not None and len(space.points) > _SMALL


def check_points(X: Any, metric: Any = None) -> Any:
    """Check a matrix of points: two-dimensional, finite, float64 (or sparse).

    With a callable metric, objects are returned as an array of one dimension.
    """
    objects = as_objects(X, metric)
    if objects is not None:
        return objects
    missing: dict[str, Any] = {"accept_sparse": False, "ensure_all_finite": "allow-nan"}
    options = missing if takes_nan(metric) else {"accept_sparse": "csr"}
    return check_array(check_sparse_format(X), dtype=np.float64, **options)


def points_forest(
    X: NDArray[np.float64],
    metric: Any = "euclidean",
    *,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 1,
    n_jobs: int | None = None,
) -> SpanningForest:
    """Find the minimum spanning tree of points, without a matrix of distances.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        Finite coordinates.
    metric : str
        A metric with a :func:`~neurotopo.persistence.metrics.reduction`.
    metric_params : mapping, optional
        Parameters of the metric.
    min_samples : int, default=1
        Core-distance smoothing of the lengths (mutual reachability). 1: no smoothing.
    n_jobs : int or None, default=None
        Threads of the neighbour search.

    Returns
    -------
    SpanningForest
        ``n - 1`` edges (none if ``min_samples`` exceeds ``n``).

    Notes
    -----
    Points in few dimensions are joined by Borůvka's algorithm on a k-d tree, others by tiles of the
    matrix of distances; see :mod:`neurotopo.persistence.boruvka` and
    :mod:`neurotopo.persistence.tiles`.
    """
    space = reduction(X, metric, metric_params)
    if space is None:
        raise no_points_engine(metric)
    return reduced_forest(space, min_samples, n_jobs)


def no_points_engine(metric: Any) -> ValueError:
    """Return the error for points that this engine does not take."""
    return ValueError(
        f'engine="points" takes dense points and one of {", ".join(REDUCIBLE)} '
        f"(cosine: with few zero vectors); got metric {metric!r}."
    )


def reduced_forest(space: Reduction, min_samples: int, n_jobs: int | None) -> SpanningForest:
    """Find the minimum spanning tree of points whose metric is reduced; see points_forest."""
    n = len(space.points)
    if n == 1 or min_samples > n:
        return SpanningForest.empty(n)
    X = space.points
    if space.order == 2.0 and X.shape[1] > _TREE_DIMENSIONS:
        forest = tiled_forest(X, min_samples, n_jobs)
        source, target, length = forest.source, forest.target, forest.length
    else:
        from neurotopo.persistence.boruvka import boruvka_tree  # numba is slow to import

        source, target, length = boruvka_tree(X, space.order, min_samples, effective_n_jobs(n_jobs))
    return SpanningForest(n, source, target, space.height_of(length))


def powers_are_normal(space: Reduction) -> bool:
    """Return whether no power of a gap underflows or overflows in a k-d tree of this order.

    The gap of two numbers is 0, or as large as the rounding of the smaller one.
    """
    if space.order in (1.0, 2.0, np.inf):
        return True
    sizes = np.abs(space.points[space.points != 0.0])
    if len(sizes) == 0:
        return True
    smallest, largest = float(sizes.min()) * 1e-17, float(sizes.max()) * 4
    return space.order * np.log10(smallest) > -290 and space.order * np.log10(largest) < 290
