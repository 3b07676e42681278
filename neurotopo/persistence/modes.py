"""Tests of the clusters of points against chance: which of them are separate modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from neurotopo.persistence.clusters import CandidateClusters
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.point_null import SmoothedPoints, can_test, prominence_p_value

__all__ = ["SMOOTHINGS", "ModeTest", "mode_test", "test_clusters"]

SMOOTHINGS = (5, 10, 20, 40)


@dataclass(frozen=True)
class ModeTest:
    """Result of :func:`mode_test`.

    Attributes
    ----------
    p_values : ndarray of float64, shape (n_clusters,)
        One p-value per cluster, already adjusted for all clusters and smoothings.
    prominence : ndarray of float64, shape (n_clusters, n_smoothings)
        Logarithm of the radius at which a cluster meets the rest over the radius of the later of
        the two modes, at each smoothing.
    min_samples : tuple of int
        The smoothings.
    dimension : ndarray of float64, shape (n_smoothings,)
        Intrinsic dimension of the points at the scale of each smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence import ModeTest
    >>> test = ModeTest(np.array([0.001, 0.4]), np.array([[2.0], [0.1]]), (10,), np.ones(1))
    >>> test.discoveries(0.05).tolist()
    [True, False]
    """

    p_values: NDArray[np.float64]
    prominence: NDArray[np.float64]
    min_samples: tuple[int, ...]
    dimension: NDArray[np.float64]

    def discoveries(self, level: float = 0.05) -> NDArray[np.bool_]:
        """Return the clusters that are significant; any false one has probability ``level``."""
        return self.p_values <= level


def mode_test(
    X: Any,
    labels: ArrayLike,
    metric: Any = "euclidean",
    *,
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> ModeTest:
    """Test which groups of points, of any origin, are separate modes of their density.

    The null hypothesis is that the points are independent samples of one density without a second
    mode: uniform, normal, of heavy tails, of any shape and dimension. So a single dense group in a
    thin uniform background is not a discovery: its density has one mode.

    Parameters
    ----------
    X : array-like or sparse matrix, shape (n_samples, n_features) or (n_samples, n_samples)
        Points, or with ``metric="precomputed"`` all distances of points.
    labels : array-like of int, shape (n_samples,)
        Group of each point; -1 is no group. The groups may have been found in the same points.
    metric : str or callable, default="euclidean"
        The metric.
    metric_params : mapping, optional
        Its parameters.
    n_jobs : int or None, default=None
        Threads of the neighbour search.

    Returns
    -------
    ModeTest
        P-values in order of the labels, without -1.

    Notes
    -----
    With core distances of k neighbours, the radius R at which a sample first merges estimates the
    density there: it falls as R grows. Let R1 be the smallest such radius in the group, or in the
    rest, whichever is larger, and R2 the smallest radius that joins the group to the rest. The
    dimension times log(R2 / R1) is the depth of the valley between two modes, in units of log
    density. No group of samples can have a larger value than the second bar of the merge tree of
    all points [1]_: its two densest samples are in separate components up to R2, and one of those
    ends no earlier. So p-values from the distribution of that bar by chance hold for all groups at
    once, chosen after looking at the data or not.

    That distribution hardly depends on the density, because the relative error of k neighbours
    does not; see :func:`~neurotopo.persistence.point_null.structure_threshold`. The test uses k =
    5, 10, 20 and 40, as far as k is at most a sixth of the points, and Bonferroni's correction for
    them. With fewer than 30 points no test is possible and all p-values are 1.

    References
    ----------
    .. [1] F. Chazal, L. J. Guibas, S. Y. Oudot and P. Skraba, "Persistence-based clustering in
       Riemannian manifolds", J. ACM 60(6), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from neurotopo.persistence import mode_test
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> X[:100] += 7
    >>> labels = KMeans(3, random_state=0).fit_predict(X)  # one too many: it cuts a group in two
    >>> sorted(mode_test(X, labels).discoveries().tolist())
    [False, False, True]
    """
    points = SmoothedPoints(X, metric, metric_params, n_jobs)
    groups = column_or_1d(labels)
    check_consistent_length(np.empty(points.n_samples), groups)
    names, lowest = np.unique(groups, return_inverse=True)
    if len(names) and names[0] == -1:
        names, lowest = names[1:], lowest - 1
    size = np.bincount(lowest[lowest >= 0], minlength=len(names))
    order = np.argsort(lowest, kind="stable")
    start = np.searchsorted(lowest[order], np.arange(len(names)))
    family = _Family(order, start, size, np.full(len(names), -1), lowest)
    return _tested(family, points)


def test_clusters(clusters: CandidateClusters, points: SmoothedPoints) -> ModeTest:
    """Test nested clusters of the same points, in their order; see :func:`mode_test`."""
    tree = clusters.tree
    position = np.full(tree.n_nodes + 1, -1, dtype=np.intp)  # the last entry answers -1
    position[clusters.node] = np.arange(len(clusters))
    above = tree.ancestor_where(position[:-1] >= 0)
    lowest = position[above[: tree.n_samples]]
    start, size = tree.start[clusters.node], tree.size[clusters.node]
    family = _Family(tree.leaf_order, start, size, clusters.parent, lowest)
    return _tested(family, points)


test_clusters.__test__ = False  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Family:
    """Nested clusters as intervals of an order of the samples; children come before parents."""

    order: NDArray[np.intp]
    start: NDArray[np.intp]
    size: NDArray[np.intp]
    parent: NDArray[np.intp]
    lowest: NDArray[np.intp]  # smallest cluster of each sample, else -1


def _tested(family: _Family, points: SmoothedPoints) -> ModeTest:
    n = points.n_samples
    smoothings = tuple(k for k in SMOOTHINGS if can_test(n, k))
    values = np.zeros((len(family.start), len(smoothings)))
    chance = np.ones_like(values)
    dimensions = np.array([points.dimension(k) for k in smoothings])
    for i, k in enumerate(smoothings):
        values[:, i] = cluster_prominence(family, points.forest(k))
        chance[:, i] = prominence_p_value(values[:, i], n, dimensions[i], k)
    p_values = np.minimum(chance.min(axis=1, initial=1.0) * max(len(smoothings), 1), 1.0)
    return ModeTest(p_values, values, smoothings, dimensions)


def cluster_prominence(family: _Family, forest: SpanningForest) -> NDArray[np.float64]:
    """Log ratio of the radius that joins a cluster to the rest and of the later of their modes."""
    n, n_clusters = forest.n_vertices, len(family.start)
    first = np.full(n, np.inf)  # the radius at which each sample first merges
    for ends in (forest.source, forest.target):
        np.minimum.at(first, ends, forest.length)
    inside = np.full(n_clusters + 1, np.inf)  # the last entry is of samples in no cluster
    np.minimum.at(inside, family.lowest, first)
    for cluster, parent in enumerate(family.parent.tolist()):
        if parent >= 0:
            inside[parent] = min(inside[parent], inside[cluster])
    ordered = first[family.order]
    before = np.append(np.inf, np.minimum.accumulate(ordered))
    after = np.append(np.minimum.accumulate(ordered[::-1])[::-1], np.inf)
    outside = np.minimum(before[family.start], after[family.start + family.size])
    mode = np.maximum(inside[:-1], outside)
    saddle = _saddles(family, forest)
    positive = forest.length[forest.length > 0]
    unit = float(positive.min()) if len(positive) else 1.0
    ratio = np.zeros(n_clusters)
    two = np.isfinite(mode)
    ratio[two] = np.log(np.maximum(saddle[two], unit) / np.maximum(mode[two], unit))
    return ratio


def _saddles(family: _Family, forest: SpanningForest) -> NDArray[np.float64]:
    """Length of the shortest edge of the forest that leaves each cluster.

    It is the shortest edge of the whole graph that does. An edge leaves the clusters of each of its
    ends below the smallest one of both. Edges come by length, so the first is the answer, and
    answered clusters are skipped.
    """
    n_clusters = len(family.start)
    parent, start = family.parent.tolist(), family.start.tolist()
    stop = (family.start + family.size).tolist()
    place = np.empty(len(family.order), dtype=np.intp)
    place[family.order] = np.arange(len(place))
    crosses = family.lowest[forest.source] != family.lowest[forest.target]
    edges = SpanningForest.of(forest, np.flatnonzero(crosses)).sorted()
    shortest = np.full(n_clusters, np.inf)
    for near, far in ((edges.source, edges.target), (edges.target, edges.source)):
        unanswered = [*range(n_clusters), -1]  # itself, or a step towards the next such ancestor
        ends = zip(family.lowest[near].tolist(), place[far].tolist(), strict=True)
        for edge, (cluster, other) in enumerate(ends):
            while True:
                while unanswered[cluster] != cluster:
                    unanswered[cluster] = unanswered[unanswered[cluster]]
                    cluster = unanswered[cluster]
                if cluster < 0 or start[cluster] <= other < stop[cluster]:
                    break
                shortest[cluster] = min(shortest[cluster], edges.length[edge])
                unanswered[cluster] = parent[cluster]
    return shortest
