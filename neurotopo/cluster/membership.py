"""Membership strengths, outlier scores, and labels of new points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.utils import gen_batches

from neurotopo.persistence.clusters import CandidateClusters, lifetime
from neurotopo.persistence.engines import core_distances
from neurotopo.persistence.inputs import canonical_csr, check_distances, check_sparse_format
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.metrics import cross_distances, lengths, reduction
from neurotopo.persistence.points import powers_are_normal
from neurotopo.persistence.vertex_births import core_distances_of_samples

__all__ = [
    "attachment_radii",
    "membership_strengths",
    "nearest_member_labels",
    "tree_outlier_scores",
]

_AT_ONCE = 8_000_000  # distances at once: 64 MB


def attachment_radii(tree: MergeTree, min_cluster_size: int) -> NDArray[np.float64]:
    """Radius at which each sample is first in a cluster of the given size (at least 2), or inf."""
    first = tree.ancestor_where(tree.size >= max(min_cluster_size, 2))[: tree.n_samples]
    return np.where(first >= 0, tree.birth[first], np.inf)


def membership_strengths(
    clusters: CandidateClusters,
    chosen: NDArray[np.intp],
    labels: NDArray[np.intp],
    radii: NDArray[np.float64],
    scale: str,
) -> NDArray[np.float64]:
    """Time of each member in its cluster, relative to the longest; 0 for other samples."""
    strengths = np.zeros(len(labels))
    held = np.flatnonzero(labels >= 0)
    if len(held) == 0:
        return strengths
    ends = clusters.observed_death[chosen][labels[held]]
    joined = np.minimum(radii[held], ends)  # a chosen single sample may never join a cluster
    life = lifetime(joined, ends, scale, clusters.unit)
    longest = np.zeros(len(chosen))
    np.maximum.at(longest, labels[held], life)
    whole = longest[labels[held]]
    strengths[held] = np.divide(life, whole, out=np.ones_like(life), where=whole > 0)
    return strengths


def tree_outlier_scores(
    tree: MergeTree, radii: NDArray[np.float64], min_cluster_size: int
) -> NDArray[np.float64]:
    """1 - (smallest birth below the cluster it joins first) / (own attachment radius), per sample.

    As in GLOSH, but samples are compared with the densest part of the cluster they join first, so
    that a loose cluster is not an outlier of a tight one.
    """
    size = max(min_cluster_size, 2)
    births = np.where(tree.size >= size, tree.birth, np.inf)
    joins = tree.ancestor_where(tree.size >= size)[: tree.n_samples]
    scores = np.ones(tree.n_samples)
    held = joins >= 0
    tightest = tree.subtree_minimum(births)[joins[held]]
    own = radii[held]
    scores[held] = 1.0 - np.divide(tightest, own, out=np.ones_like(own), where=own > 0)
    return scores


def nearest_member_labels(
    queries: Any,
    samples: Any,
    labels: NDArray[np.intp],
    reach: NDArray[np.float64],
    *,
    metric: Any,
    metric_params: Mapping[str, Any] | None = None,
    min_samples: int = 1,
    n_jobs: int | None = None,
) -> NDArray[np.intp]:
    """Label of the nearest clustered sample, if it is nearer than its cluster's reach, else -1.

    ``queries`` are new points, or their distances to the samples; ``samples`` is the X of ``fit``;
    ``reach`` is the death radius of each label. The other parameters are those of the clusterer.
    """
    members = np.flatnonzero(labels >= 0)
    n_queries = queries.shape[0]
    if len(members) == 0 or n_queries == 0:
        return np.full(n_queries, -1, dtype=np.intp)
    if metric == "precomputed":
        rows = _rows_of_distances(queries)
        core = np.zeros(0)
        if min_samples > 1:
            core = core_distances(check_distances(samples), min_samples)
        distance, nearest = _nearest_in_blocks(rows, queries.shape, core, members, min_samples)
    else:
        distance, nearest = _nearest_points(
            queries, samples, members, metric, metric_params, min_samples, n_jobs
        )
    nearest_label = labels[members[nearest]]
    return np.where(distance < reach[nearest_label], nearest_label, -1)


def _nearest_points(
    queries: Any,
    samples: Any,
    members: NDArray[np.intp],
    metric: Any,
    metric_params: Mapping[str, Any] | None,
    min_samples: int,
    n_jobs: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distance and the place of the nearest member of each new point."""
    space = reduction(samples, metric, metric_params)
    if space is not None and sp.issparse(queries):
        queries = queries.toarray()
    if space is not None and min_samples == 1 and powers_are_normal(space):
        new, there = space.transform(queries), space.points[members]
        nearest = cKDTree(there).query(new, p=space.order, workers=effective_n_jobs(n_jobs))[1]
        nearest = np.minimum(nearest, len(members) - 1)  # too far away for its powers
        return space.height_of(lengths(new, there[nearest], space.order)), nearest
    if sp.issparse(samples) != sp.issparse(queries):
        samples, queries = sp.csr_array(samples), sp.csr_array(queries)
    core = core_distances_of_samples(samples, space, metric, metric_params, min_samples, n_jobs)

    def rows(part: slice) -> NDArray[np.float64]:
        if space is None:
            return cross_distances(queries[part], samples, metric, metric_params)
        return space.cross(queries[part])

    shape = queries.shape[0], samples.shape[0]
    return _nearest_in_blocks(rows, shape, core, members, min_samples)


def _rows_of_distances(queries: Any) -> Callable[[slice], NDArray[np.float64]]:
    """Check distances to the samples; return them as a function of the rows."""
    sparse = sp.issparse(check_sparse_format(queries))
    matrix: NDArray[np.float64] = np.asarray(
        queries.tocoo().data if sparse else queries, np.float64
    )
    if not matrix.min(initial=0.0) >= 0:  # false for NaN too
        raise ValueError("Distances to the fitted samples must be non-negative numbers.")
    if not sparse:
        return matrix.__getitem__
    compressed = canonical_csr(queries)

    def rows(part: slice) -> NDArray[np.float64]:
        entries = compressed[part].tocoo()
        block = np.full(entries.shape, np.inf)
        block[entries.row, entries.col] = entries.data
        return block

    return rows


def _nearest_in_blocks(
    rows: Callable[[slice], NDArray[np.float64]],
    shape: tuple[int, int],
    core: NDArray[np.float64],
    members: NDArray[np.intp],
    min_samples: int,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Apply :func:`_nearest` to some rows of distances at a time."""
    parts = gen_batches(shape[0], max(1, _AT_ONCE // shape[1]))
    blocks = [_nearest(rows(part), core, members, min_samples) for part in parts]
    distance, nearest = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return distance, nearest


def _nearest(
    distances: NDArray[np.float64],
    core: NDArray[np.float64],
    members: NDArray[np.intp],
    min_samples: int,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Nearest member of each query, under smoothed lengths.

    The core distance of a query is that to its ``min_samples``-th nearest sample.
    """
    if min_samples > distances.shape[1]:
        return np.full(len(distances), np.inf), np.zeros(len(distances), dtype=np.intp)
    if min_samples > 1:
        own = np.partition(distances, min_samples - 1, axis=1)[:, min_samples - 1, None]
        distances = np.maximum(np.maximum(distances, own), core[None, :])
    nearest = distances[:, members].argmin(axis=1)
    return distances[np.arange(len(distances)), members[nearest]], nearest
