"""Samples with weights: core distances, forests and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from neurotopo.persistence.engines import find_forest
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import EdgeList, canonical_csr, check_distances
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.metrics import pairwise
from neurotopo.persistence.points import check_points

__all__ = ["node_weights", "reach_of_weight", "weighted_core_distances", "weighted_forest"]

_AT_ONCE = 2**18


def node_weights(tree: MergeTree, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the weights of the samples of each node.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence.sample_weights import node_weights
    >>> tree = merge_tree([[0.0], [1.0], [4.0]], metric="euclidean")
    >>> node_weights(tree, np.array([2.0, 1.0, 3.0])).tolist()
    [2.0, 1.0, 3.0, 3.0, 6.0]
    """
    total = np.append(0.0, np.cumsum(weight[tree.leaf_order]))
    size = total[tree.start + tree.size] - total[tree.start]
    size[: tree.n_samples] = weight  # exact, whatever the order
    return size


def weighted_forest(
    X: Any,
    metric: Any,
    metric_params: Mapping[str, Any] | None,
    engine: str,
    min_samples: int,
    n_jobs: int | None,
    weight: NDArray[np.float64],
) -> SpanningForest:
    """Find a minimum spanning forest of samples with weights, smoothed by them.

    A sample of weight 0 has no edge. Smoothed points need the matrix of their distances.
    """
    n = X.shape[0]
    held = np.flatnonzero(weight > 0)
    precomputed = isinstance(metric, str) and metric == "precomputed"
    if len(held) < n:
        if sp.issparse(X):
            X = canonical_csr(X) if precomputed else X.tocsr()
        X = X[held][:, held] if precomputed else X[held]
        weight = weight[held]
    if len(held) == 0:
        return SpanningForest.empty(n)
    births = None
    if min_samples > 1:
        if not precomputed:
            X = pairwise(check_points(X, metric), metric, metric_params, n_jobs=n_jobs)
            metric, metric_params = "precomputed", None
        births = weighted_core_distances(check_distances(X), weight, min_samples)
        engine = "auto" if engine == "points" else engine
    forest = find_forest(X, metric, metric_params, engine, 1, n_jobs, as_path=False, births=births)
    return SpanningForest(n, held[forest.source], held[forest.target], forest.length)


def weighted_core_distances(
    graph: EdgeList | NDArray[np.floating[Any]], weight: NDArray[np.float64], min_samples: float
) -> NDArray[np.float64]:
    """Radius around every vertex within which the weights, its own too, reach ``min_samples``.

    It is ``inf`` where all of them are too few.
    """
    n = len(weight)
    if isinstance(graph, EdgeList):
        own = np.arange(n)
        vertex = np.concatenate([own, graph.source, graph.target])
        other = np.concatenate([own, graph.target, graph.source])
        length = np.concatenate([np.zeros(n), graph.length, graph.length])
        order = np.lexsort((length, vertex))
        vertex, length, mass = vertex[order], length[order], weight[other[order]]
        reached = np.cumsum(mass)
        first = np.searchsorted(vertex, own)
        inside = reached - (reached[first] - mass[first])[vertex]
        enough = np.flatnonzero(inside >= min_samples)
        core = np.full(n, np.inf)
        core[vertex[enough][::-1]] = length[enough][::-1]  # the first of each vertex wins
        return core
    core = np.empty(n)
    for rows in gen_batches(n, max(1, _AT_ONCE // n)):
        block = graph[rows].copy()
        np.fill_diagonal(block[:, rows], 0.0)
        core[rows] = reach_of_weight(block, weight, min_samples)
    return core


def reach_of_weight(
    distances: NDArray[Any], weight: NDArray[np.float64], min_samples: float
) -> NDArray[np.float64]:
    """Radius of each row of distances within which the weights reach ``min_samples``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.sample_weights import reach_of_weight
    >>> reach_of_weight(np.array([[3.0, 1.0, 5.0]]), np.array([1.0, 2.0, 1.0]), 3)
    array([3.])
    """
    order = np.argsort(distances, axis=1, kind="stable")
    reached = np.cumsum(weight[order], axis=1)
    at = (reached < min_samples).sum(axis=1)
    ordered = np.take_along_axis(distances, order, axis=1).astype(np.float64)
    none = np.full((len(ordered), 1), np.inf)
    return np.append(ordered, none, axis=1)[np.arange(len(ordered)), at]
