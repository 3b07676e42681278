"""Medoids of clusters, and the nearest cluster of each sample, in points and graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from sklearn.utils import gen_batches

from neurotopo.cluster.fitted_input import FittedInput
from neurotopo.cluster.membership import nearest_members
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.metrics import cross_distances

__all__ = ["medoid", "nearest_clusters", "order_free_sums"]

_AT_ONCE = 2**20  # distances
_ROUGH = 1e-9  # more than the rounding of a total distance
_CDIST = {
    1.0: {"metric": "cityblock"},
    2.0: {"metric": "euclidean"},
    np.inf: {"metric": "chebyshev"},
}

Floats = NDArray[np.float64]
Graph = NDArray[Any] | EdgeList
Some = slice | NDArray[np.intp]
Rows = Callable[[Some], Floats]


def order_free_sums(values: Floats) -> Floats:
    """Return the sums of the rows of non-negative numbers, equal for any order of the columns.

    The numbers are added as integers, in a unit of 2**-62 of the largest possible sum.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.medoids import order_free_sums
    >>> order_free_sums(np.array([[0.5, 0.25, 4.0], [0.0, 0.0, 0.0]])).tolist()
    [4.75, 0.0]
    """
    largest = values.max(axis=1, initial=0.0)
    exponent = 62 - int(np.frexp(max(values.shape[1], 1))[1]) - np.frexp(largest)[1]
    whole = np.rint(np.ldexp(values, exponent[:, None])).astype(np.int64)
    return np.ldexp(whole.sum(axis=1).astype(np.float64), -exponent)


def medoid(members: NDArray[np.intp], joins: Floats, kept: FittedInput, graph: Graph | None) -> int:
    """Return the member with the least total distance to the others.

    ``graph`` are the lengths in canonical form, None for points. Where some of them are absent,
    distances are those of shortest paths inside the cluster. Of equal totals, the member that
    joins first counts, then the first sample.
    """
    fast, rows = _distances_inside(members, kept, graph)
    parts = gen_batches(len(members), max(1, _AT_ONCE // len(members)))
    weight = np.ones(len(members)) if kept.weight is None else kept.weight[members]
    rough = np.concatenate([fast(part) @ weight for part in parts])
    few = np.flatnonzero(rough <= rough.min() * (1 + _ROUGH))
    exact = np.concatenate(
        [order_free_sums(rows(few[k : k + 1]) * weight) for k in range(len(few))]
    )
    few = members[few]
    return int(few[np.lexsort((few, joins[few], exact))[0]])


def _distances_inside(
    members: NDArray[np.intp], kept: FittedInput, graph: Graph | None
) -> tuple[Rows, Rows]:
    """Return two functions from some members to their distances to all members.

    The first is fast and differs by rounding.
    """
    if graph is None:
        space = kept.space()
        if space is not None:
            inside = replace(space, points=space.points[members], transform=lambda rows: rows)
            options = _CDIST.get(space.order, {"metric": "minkowski", "p": space.order})

            def fast(some: Some) -> Floats:
                return space.height_of(cdist(inside.points[some], inside.points, **options))

            return fast, lambda some: inside.cross(inside.points[some])
        points, metric = kept.samples[members], kept.metric

        def rows(some: Some) -> Floats:
            block = cross_distances(points[some], points, metric, kept.metric_params)
            return np.maximum(block, 0.0)

        return rows, rows
    if not isinstance(graph, EdgeList):
        inner = graph[np.ix_(members, members)].astype(np.float64)
        if np.isfinite(inner).all():
            np.fill_diagonal(inner, 0.0)
            return inner.__getitem__, inner.__getitem__
        graph = EdgeList.from_dense(inner)
        matrix = adjacency(graph)
    else:
        matrix = adjacency(graph)[members][:, members]
    every = np.arange(len(members))

    def paths(some: Some) -> Floats:
        return dijkstra(matrix, indices=every[some])

    return paths, paths


def adjacency(graph: EdgeList) -> sp.csr_array:
    """Return the symmetric matrix of the lengths; a length of 0 is a stored entry."""
    n = graph.n_vertices
    ends = np.concatenate([graph.source, graph.target])
    others = np.concatenate([graph.target, graph.source])
    return sp.csr_array((np.tile(graph.length, 2), (ends, others)), shape=(n, n))


def nearest_clusters(
    labels: NDArray[np.intp], kept: FittedInput, n_jobs: int | None = None
) -> NDArray[np.intp]:
    """Return labels in which samples outside the clusters have the label of the nearest member.

    Where lengths are absent, distances are those of shortest paths; samples without a path to a
    cluster stay -1. Of equally near clusters the one with the smallest label counts.
    """
    labels = labels.copy()
    outside = np.flatnonzero(labels < 0)
    members = np.argsort(labels, kind="stable")[len(outside) :]
    if len(outside) == 0 or len(members) == 0:
        return labels
    if not kept.precomputed:
        nearest = nearest_members(kept.samples[outside], kept, members, 1, n_jobs)[1]
        labels[outside] = labels[nearest]
        return labels
    graph = kept.graph()
    if not isinstance(graph, EdgeList):
        if np.isfinite(graph[outside]).all():
            labels[outside] = labels[nearest_members(graph[outside], kept, members)[1]]
            return labels
        graph = EdgeList.from_dense(graph)
    matrix = adjacency(graph)
    least = np.full(len(labels), np.inf)
    answer = labels.copy()
    for label in range(labels.max() + 1):
        start = np.flatnonzero(labels == label)
        distance = dijkstra(matrix, indices=start, min_only=True)
        nearer = (labels < 0) & (distance < least)
        least[nearer], answer[nearer] = distance[nearer], label
    return answer
