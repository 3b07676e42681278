"""How firmly samples belong: strengths, outlier scores, and labels for new points."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from neurotopo.persistence.clusters import CandidateClusters, lifetime
from neurotopo.persistence.engines import core_distances
from neurotopo.persistence.inputs import check_distances
from neurotopo.persistence.merge_tree import MergeTree

__all__ = [
    "attachment_radii",
    "membership_strengths",
    "nearest_member_labels",
    "tree_outlier_scores",
]


def attachment_radii(tree: MergeTree, min_cluster_size: int) -> NDArray[np.float64]:
    """Radius at which each sample is first in a cluster of the given size; ``inf`` if never.

    With ``min_cluster_size=1`` every sample is a cluster from the start; the radius of its first
    merge then still says more than 0 does.
    """
    first = tree.ancestor_where(tree.size >= max(min_cluster_size, 2))[: tree.n_samples]
    return np.where(first >= 0, tree.birth[first], np.inf)


def membership_strengths(
    clusters: CandidateClusters,
    chosen: NDArray[np.intp],
    labels: NDArray[np.intp],
    radii: NDArray[np.float64],
    scale: str,
) -> NDArray[np.float64]:
    """Share of the deepest member's time in the cluster that each member has; 0 outside."""
    strengths = np.zeros(len(labels))
    held = np.flatnonzero(labels >= 0)
    if len(held) == 0:
        return strengths
    ends = clusters.observed_death[chosen][labels[held]]
    joined = np.minimum(radii[held], ends)  # a chosen single sample may never join anything
    life = lifetime(joined, ends, scale, clusters.unit)
    longest = np.zeros(len(chosen))
    np.maximum.at(longest, labels[held], life)
    whole = longest[labels[held]]
    strengths[held] = np.divide(life, whole, out=np.ones_like(life), where=whole > 0)
    return strengths


def tree_outlier_scores(
    tree: MergeTree, radii: NDArray[np.float64], min_cluster_size: int
) -> NDArray[np.float64]:
    """1 - (smallest attachment radius around) / (own attachment radius), per sample.

    In the manner of GLOSH: a sample is compared with the densest part of the very cluster it
    joins first, so that a loose cluster does not count as outlying next to a tight one.
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
    min_samples: int = 1,
    n_jobs: int | None = None,
) -> NDArray[np.intp]:
    """Label of the nearest clustered sample, where it is nearer than its cluster's reach.

    Parameters
    ----------
    queries : array-like or sparse, shape (n_queries, n_features) or (n_queries, n_samples)
        New points, or their distances to the samples.
    samples : array-like or sparse
        What the clusterer was fitted on.
    labels : ndarray of int, shape (n_samples,)
        Labels of the samples.
    reach : ndarray of float64, shape (n_labels,)
        Death radius of each labelled cluster.
    metric : str or callable
        Metric of the clusterer.
    min_samples : int, default=1
        Smoothing of the lengths: a distance is at least the core distances of both ends.
    n_jobs : int or None, default=None
        Workers of the neighbour search.
    """
    members = np.flatnonzero(labels >= 0)
    n_queries = queries.shape[0]
    if len(members) == 0 or n_queries == 0:
        return np.full(n_queries, -1, dtype=np.intp)
    if metric == "precomputed":
        distance, nearest = _nearest_in_matrix(queries, samples, members, min_samples)
    elif min_samples == 1:
        search = NearestNeighbors(n_neighbors=1, metric=metric, n_jobs=n_jobs)
        distance, nearest = search.fit(samples[members]).kneighbors(queries)
        distance, nearest = distance[:, 0], nearest[:, 0]
    else:
        distance, nearest = _nearest_smoothed(
            queries, samples, members, metric, min_samples, n_jobs
        )
    found = labels[members[nearest]]
    return np.where(distance < reach[found], found, -1)


def _nearest_in_matrix(
    queries: Any, samples: Any, members: NDArray[np.intp], min_samples: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    if sp.issparse(queries):
        coo = queries.tocoo()
        dense = np.full(coo.shape, np.inf)
        np.minimum.at(dense, (coo.row, coo.col), coo.data)
    else:
        dense = np.asarray(queries, dtype=np.float64)
    if np.isnan(dense).any() or (dense < 0).any():
        raise ValueError("Distances to the fitted samples must be non-negative numbers.")
    if min_samples > 1:
        core = core_distances(check_distances(samples), min_samples)
        dense = _smooth(dense, core, min_samples)
    nearest = dense[:, members].argmin(axis=1)
    return dense[np.arange(len(dense)), members[nearest]], nearest


def _smooth(
    distances: NDArray[np.float64], core: NDArray[np.float64], min_samples: int
) -> NDArray[np.float64]:
    """Raise distances to samples to the core distances of both ends.

    The core distance of a new point is that to its ``min_samples``-th nearest sample: a point
    that coincides with a sample has itself as the first, as the sample had.
    """
    if min_samples > distances.shape[1]:
        return np.full_like(distances, np.inf)
    own = np.partition(distances, min_samples - 1, axis=1)[:, min_samples - 1 : min_samples]
    return np.maximum(np.maximum(distances, own), core[None, :])


def _nearest_smoothed(
    queries: Any,
    samples: Any,
    members: NDArray[np.intp],
    metric: Any,
    min_samples: int,
    n_jobs: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    if min_samples > samples.shape[0]:
        return np.full(queries.shape[0], np.inf), np.zeros(queries.shape[0], dtype=np.intp)
    search = NearestNeighbors(n_neighbors=min_samples, metric=metric, n_jobs=n_jobs).fit(samples)
    core = search.kneighbors(samples)[0][:, -1]

    def nearest(block: NDArray[np.float64], _: int) -> NDArray[np.float64]:
        smooth = _smooth(block, core, min_samples)[:, members]
        best = smooth.argmin(axis=1)
        return np.column_stack([smooth[np.arange(len(best)), best], best])

    blocks = pairwise_distances_chunked(
        queries, samples, reduce_func=nearest, metric=metric, n_jobs=n_jobs
    )
    found = np.concatenate(list(blocks))
    return found[:, 0], found[:, 1].astype(np.intp)
