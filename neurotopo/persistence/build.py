"""Build a merge tree from points, distances or a sparse graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import scipy.sparse as sp
from numpy.typing import ArrayLike

from neurotopo.persistence.engines import find_forest
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["merge_tree"]


def merge_tree(
    X: ArrayLike | sp.sparray | sp.spmatrix,
    metric: str | Callable[..., float] = "precomputed",
    engine: str = "auto",
    *,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 1,
    n_jobs: int | None = None,
) -> MergeTree:
    """Build the merge tree of points, of a distance matrix or of a sparse weighted graph.

    Parameters
    ----------
    X : array-like or sparse matrix
        With ``metric="precomputed"`` a symmetric matrix of lengths ("no edge" is ``inf`` in a dense
        one, an absent entry in a sparse one). Otherwise points, one per row.
    metric : str or callable, default="precomputed"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    engine : {"auto", "scipy", "prim", "gudhi", "ripser", "points"}, default="auto"
        Algorithm of the spanning forest. All give the same tree.
    metric_params : mapping, optional
        Parameters of the metric: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``,
        ``V`` or ``VI`` of ``"mahalanobis"`` (by default both take the variances of X), or those
        of another metric of scikit-learn.
    min_samples : int, default=1
        Core-distance smoothing: an edge is at least as long as the distance of both ends to their
        ``min_samples``-th nearest sample, themselves included. 1: no smoothing.
    n_jobs : int or None, default=None
        Threads for the neighbour search among points.

    Returns
    -------
    MergeTree
        Births and deaths are pair distances (diameters), never half of them.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> lengths = np.array([[0, 1, np.inf], [1, 0, 2], [np.inf, 2, 0]])
    >>> merge_tree(lengths)
    MergeTree(n_samples=3, n_clusters=2, n_components=1, last_merge=2)
    """
    return tree_of_forest(
        find_forest(X, metric, metric_params, engine, min_samples, n_jobs, as_path=True)
    )
