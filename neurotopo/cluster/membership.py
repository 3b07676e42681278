"""Membership strengths, outlier scores, and labels of new points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.utils import gen_batches

from neurotopo._memory import require_array
from neurotopo.cluster.fitted_input import FittedInput
from neurotopo.persistence.clusters import CandidateClusters, lifetime
from neurotopo.persistence.inputs import canonical_csr, check_sparse_format
from neurotopo.persistence.metrics import Reduction, cross_distances, lengths
from neurotopo.persistence.points import powers_are_normal
from neurotopo.persistence.sample_weights import reach_of_weight

__all__ = [
    "attachment_radii",
    "first_clusters",
    "membership_strengths",
    "nearest_members",
    "tree_outlier_scores",
]

_AT_ONCE = 8_000_000  # distances at once: 64 MB
_FEW = (4, 32, 256)  # nearest members that are searched for, until the answer is sure


def first_clusters(clusters: CandidateClusters) -> NDArray[np.intp]:
    """Tree node of the first cluster of two or more samples that each sample is in, or -1."""
    return clusters.tree.ancestor_where(_of_several(clusters))[: clusters.tree.n_samples]


def attachment_radii(clusters: CandidateClusters, first: NDArray[np.intp]) -> NDArray[np.float64]:
    """Radius at which each sample joins its first cluster, or inf."""
    return np.where(first >= 0, clusters.tree.birth[first], np.inf)


def _of_several(clusters: CandidateClusters) -> NDArray[np.bool_]:
    """Return which tree nodes are clusters, as large as required, of two or more samples."""
    several = clusters.cluster_of >= 0
    several[: clusters.tree.n_samples] = False
    return several


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
    clusters: CandidateClusters, first: NDArray[np.intp]
) -> NDArray[np.float64]:
    """1 - (smallest birth below the cluster it joins first) / (own attachment radius), per sample.

    As in GLOSH, but samples are compared with the densest part of the cluster they join first, so
    that a loose cluster is not an outlier of a tight one.
    """
    tree = clusters.tree
    births = np.where(_of_several(clusters), tree.birth, np.inf)
    scores = np.ones(tree.n_samples)
    held = first >= 0
    tightest = tree.subtree_minimum(births)[first[held]]
    own = tree.birth[first[held]]
    scores[held] = 1.0 - np.divide(tightest, own, out=np.ones_like(own), where=own > 0)
    return scores


def nearest_members(
    queries: Any,
    kept: FittedInput,
    members: NDArray[np.intp],
    min_samples: int = 1,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the smoothed distance and the nearest of some samples, for each new point.

    ``queries`` are new points, or their distances to all samples. Of equally near samples the
    first in the order of ``members`` counts.
    """
    if kept.precomputed:
        rows = _rows_of_distances(queries)
        core = kept.core(min_samples) if min_samples > 1 else np.zeros(0)
        distance, place = _nearest_in_blocks(
            rows, queries.shape, core, members, min_samples, kept.weight
        )
    else:
        distance, place = _nearest_points(queries, kept, members, min_samples, n_jobs)
    return distance, members[place]


def _nearest_points(
    queries: Any, kept: FittedInput, members: NDArray[np.intp], min_samples: int, n_jobs: int | None
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distance and the place of the nearest member of each new point."""
    samples, space, core = kept.samples, kept.space(), kept.core(min_samples, n_jobs)
    if space is not None and sp.issparse(queries):
        require_array(queries.shape, f"{queries.shape[0]:,} new points", "Predict fewer at a time.")
        queries = queries.toarray()
    if sp.issparse(samples) != sp.issparse(queries):
        samples, queries = sp.csr_array(samples), sp.csr_array(queries)
    n_queries, n_samples = queries.shape[0], samples.shape[0]
    distance, place = np.full(n_queries, np.inf), np.zeros(n_queries, dtype=np.intp)
    left = np.arange(n_queries)
    plain = kept.weight is None or min_samples == 1
    if space is not None and plain and min_samples <= n_samples and powers_are_normal(space):
        left = _search_in_space(space, queries, core, members, min_samples, n_jobs, distance, place)

    def rows(part: slice) -> NDArray[np.float64]:
        if space is None:
            return cross_distances(queries[left[part]], samples, kept.metric, kept.metric_params)
        return space.cross(queries[left[part]])

    if len(left):
        shape = len(left), n_samples
        distance[left], place[left] = _nearest_in_blocks(
            rows, shape, core, members, min_samples, kept.weight
        )
    return distance, place


def _search_in_space(
    space: Reduction,
    queries: NDArray[np.float64],
    core: NDArray[np.float64],
    members: NDArray[np.intp],
    min_samples: int,
    n_jobs: int | None,
    distance: NDArray[np.float64],
    place: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Fill in answers from the few nearest members in a k-d tree; return the queries left.

    No other member is nearer, or as near, if the answer is below the distance of the last of the
    few. The distances of the tree round: they only find the few.
    """
    new, workers = space.transform(queries), effective_n_jobs(n_jobs)

    def nearest(
        tree: cKDTree, points: NDArray[np.float64], some: NDArray[np.intp], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        k = min(k, len(points))
        found = tree.query(new[some], k=k, p=space.order, workers=workers)[1].reshape(-1, k)
        there = points[np.minimum(found, len(points) - 1)]
        gaps = space.height_of(lengths(new[some][:, None], there, space.order))
        return found, np.where(found < len(points), gaps, np.inf)  # inf: too far for the tree

    left = np.arange(len(new))
    own = np.zeros(len(new))
    if min_samples > 1:
        near = nearest(cKDTree(space.points), space.points, left, min_samples + 2)[1]
        own = np.sort(near, axis=1)[:, min_samples - 1]
        own[np.isinf(near).any(axis=1)] = np.inf
    points, cores = space.points[members], core[members]
    tree = cKDTree(points)
    for k in _FEW:
        found, gaps = nearest(tree, points, left, k)
        smooth = np.maximum(gaps, own[left, None])
        known = np.minimum(found, len(points) - 1)
        smooth = np.maximum(smooth, cores[known])
        least = smooth.min(axis=1)
        first = np.where(smooth == least[:, None], known, len(points)).min(axis=1)
        sure = (least < gaps.max(axis=1) * (1 - 1e-9)) | (k >= len(points))
        sure &= np.isfinite(gaps).all(axis=1) & np.isfinite(own[left])
        distance[left[sure]], place[left[sure]] = least[sure], first[sure]
        left = left[~sure]
        if len(left) == 0:
            break
    return left


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
    weight: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Apply :func:`_nearest` to some rows of distances at a time."""
    parts = gen_batches(shape[0], max(1, _AT_ONCE // shape[1]))
    blocks = [_nearest(rows(part), core, members, min_samples, weight) for part in parts]
    distance, nearest = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return distance, nearest


def _nearest(
    distances: NDArray[np.float64],
    core: NDArray[np.float64],
    members: NDArray[np.intp],
    min_samples: int,
    weight: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Nearest member of each query, under smoothed lengths.

    The core distance of a query is that to its ``min_samples``-th nearest sample.
    """
    if weight is None and min_samples > distances.shape[1]:
        return np.full(len(distances), np.inf), np.zeros(len(distances), dtype=np.intp)
    if min_samples > 1:
        if weight is None:
            own = np.partition(distances, min_samples - 1, axis=1)[:, min_samples - 1, None]
        else:
            own = reach_of_weight(distances, weight, min_samples)[:, None]
        distances = np.maximum(np.maximum(distances, own), core[None, :])
    nearest = distances[:, members].argmin(axis=1)
    return distances[np.arange(len(distances)), members[nearest]], nearest
