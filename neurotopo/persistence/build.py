"""Build a merge tree from points, distances or a sparse graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from neurotopo.persistence.engines import ENGINES, find_forest, graph_forest
from neurotopo.persistence.inputs import Symmetrize, as_matrix, is_precomputed
from neurotopo.persistence.lengths import Length
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.tree_building import tree_of_forest
from neurotopo.persistence.vertex_births import adjacency_edges, check_births, core_births

__all__ = ["merge_tree"]


def merge_tree(
    X: Any,
    metric: str | Callable[..., float] = "precomputed",
    engine: str = "auto",
    *,
    births: ArrayLike | str | None = None,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 1,
    n_jobs: int | None = None,
    lengths: Length | None = None,
    symmetrize: Symmetrize = None,
) -> MergeTree:
    """Build the merge tree of points, of a distance matrix or of a sparse weighted graph.

    Parameters
    ----------
    X : array-like, sparse matrix or graph
        With ``metric="precomputed"`` lengths or a graph, in any form that
        :func:`~neurotopo.persistence.check_distances` takes. With ``metric="lower-star"`` a graph
        without lengths: every entry of a sparse matrix is an edge, whatever its value and in one
        direction or both, or every True of a dense boolean one. Otherwise points, one per row.
    metric : str or callable, default="precomputed"
        A metric of :func:`sklearn.metrics.pairwise_distances`, ``"precomputed"``, or
        ``"lower-star"``: an edge appears when both ends are born. It needs births.
    engine : {"auto", "scipy", "prim", "gudhi", "ripser", "points"}, default="auto"
        Algorithm of the spanning forest. All give the same tree.
    births : array-like of shape (n_samples,), "core" or None, default=None
        Radius at which each sample is born; no edge is shorter than the births of its ends. It can
        be negative with ``metric="lower-star"``: for clusters around the maxima of a function,
        pass its negative. ``"core"``: the core distances of ``min_samples``, so that the tree is a
        slice of the degree-Rips bifiltration. None: all samples are born at 0.
    metric_params : mapping, optional
        Parameters of the metric: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``,
        ``V`` or ``VI`` of ``"mahalanobis"`` (by default both take the variances of X), or those
        of another metric of scikit-learn.
    min_samples : int, default=1
        Core-distance smoothing: an edge is at least as long as the distance of both ends to their
        ``min_samples``-th nearest sample, themselves included. 1: no smoothing.
    n_jobs : int or None, default=None
        Threads for the neighbour search among points.
    lengths : str, callable or None, default=None
        Lengths of the weights in X, see :func:`~neurotopo.persistence.check_distances`.
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        How to combine the two directions of an edge, see there.

    Returns
    -------
    MergeTree
        Births and deaths are pair distances (diameters), never half of them.

    Notes
    -----
    Given births of points take all distances one by one: in time of the square of the number of
    points, in memory too up to 10,000 points and with ``min_samples`` above 1. ``"core"`` does not.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> lengths = np.array([[0, 1, np.inf], [1, 0, 2], [np.inf, 2, 0]])
    >>> merge_tree(lengths)
    MergeTree(n_samples=3, n_clusters=2, n_components=1, last_merge=2)

    The minima of a function on the path of five vertices, and how deep they are:

    >>> import scipy.sparse as sp
    >>> path = sp.coo_array((np.ones(4), ([0, 1, 2, 3], [1, 2, 3, 4])), shape=(5, 5))
    >>> merge_tree(path, metric="lower-star", births=[0, 3, 1, 4, 2]).h0_diagram()
    array([[ 0., inf],
           [ 1.,  3.],
           [ 2.,  4.]])
    """
    if is_precomputed(metric, lengths, symmetrize):
        X = as_matrix(X, lengths=lengths, symmetrize=symmetrize)
    if births is not None or (isinstance(metric, str) and metric == "lower-star"):
        return _tree_with_births(X, metric, engine, births, metric_params, min_samples, n_jobs)
    return tree_of_forest(
        find_forest(X, metric, metric_params, engine, min_samples, n_jobs, as_path=True)
    )


def _tree_with_births(
    X: Any,
    metric: str | Callable[..., float],
    engine: str,
    births: Any,
    metric_params: Mapping[str, Any] | None,
    min_samples: int,
    n_jobs: int | None,
) -> MergeTree:
    if isinstance(metric, str) and metric == "lower-star":
        if min_samples != 1 or births is None or isinstance(births, str):
            raise ValueError(
                'metric="lower-star" needs births, one number per sample, and min_samples=1.'
            )
        if engine == "points" or engine not in ENGINES:
            raise ValueError(f'a graph has no engine {engine!r}: use engine="auto".')
        edges = adjacency_edges(X)
        values = check_births(births, edges.n_vertices)
        length = np.maximum(values[edges.source], values[edges.target])
        return tree_of_forest(graph_forest(replace(edges, length=length), engine), values)
    given = X, metric, metric_params, engine, min_samples, n_jobs, True
    if isinstance(births, str):
        if births != "core":
            raise ValueError(f'births must be numbers, "core" or None, got {births!r}.')
        core = core_births(X, min_samples, metric, metric_params, n_jobs)
        return tree_of_forest(find_forest(*given), core)
    values = check_births(births, X.shape[0] if sp.issparse(X) else len(X))
    return tree_of_forest(find_forest(*given, values), values)
