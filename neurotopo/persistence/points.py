"""Exact minimum spanning trees of points without a matrix of distances.

The forest of a k-nearest-neighbour graph is nearly always minimal; the proof takes the time. Every
merge is proved by a cut: a component A that merges at height h is proved if no point of A has an
outside point nearer than h, for example if the k-th neighbour of each point of A is at least as far
as h. Otherwise more neighbours of its points, or nearer points outside A, are searched for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array

from neurotopo.persistence.forest import SpanningForest, prim_forest, spanning_edges
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.metrics import REDUCIBLE, Reduction, reduction
from neurotopo.persistence.metrics import lengths as _lengths
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = [
    "check_points",
    "no_points_engine",
    "points_forest",
    "powers_are_normal",
    "prefers_points_engine",
    "reduced_forest",
]

_SMALL = 1000  # below this a dense matrix takes milliseconds, less than loading numba
_TREE_DIMENSIONS = 15  # above this a k-d tree visits nearly every point
_MORE_NEIGHBOURS = 128
_AT_ONCE = 10_000  # points per search: bounds the memory of the new edges
_GROUPS = 16  # components that are searched one by one, the largest first
_ULPS = 1e-12  # relative margin for the rounding of searches


def prefers_points_engine(space: Reduction | None) -> bool:
    """Return whether :func:`points_forest` is the fastest engine for these points."""
    return space is not None and len(space.points) > _SMALL


def check_points(X: Any) -> Any:
    """Check a matrix of points: two-dimensional, finite, float64 (or sparse)."""
    return check_array(X, accept_sparse="csr", dtype=np.float64)


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
    Let T be a spanning tree. If in each merge, at a height h, all components but one have no
    outside point nearer than h, then no pair of points is nearer than the longest edge on its path
    in T, and T is minimal. With a neighbour graph of k = 10 to 16, the k-th neighbour distances
    alone prove nearly all components, and all of at most k points.
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
    X, threads = space.points, effective_n_jobs(n_jobs)
    if space.order == 2.0 and X.shape[1] > _TREE_DIMENSIONS:
        forest = _Proof(X, space.order, min_samples, threads).complete()
        edges = forest.source, forest.target, forest.length
    else:
        from neurotopo.persistence.boruvka import boruvka_tree  # numba is slow to import

        edges = boruvka_tree(X, space.order, min_samples, threads)
    source, target, length = edges
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


class _Proof:
    """State of one search: a candidate forest, and bounds for every point."""

    def __init__(self, X: NDArray[np.float64], order: float, min_samples: int, workers: int):
        self.X, self.order, self.workers = X, order, workers
        self.n, d = X.shape
        k = max(16 if d <= 3 else 10, min_samples)
        self.k = min(k, self.n - 1)
        self.core = np.zeros(self.n)
        self.tree = cKDTree(X) if d <= _TREE_DIMENSIONS else None
        if self.tree is None:
            self.centred = X - X.mean(axis=0)
            largest = float((self.centred**2).sum(axis=1).max())
            self.margin = 8 * (d + 4) * np.finfo(np.float64).eps * largest
        self.searched: dict[bytes, float] = {}
        neighbours, self.horizon = self._neighbours(np.arange(self.n), self.k)
        source = np.repeat(np.arange(self.n), neighbours.shape[1])
        target = neighbours.ravel()
        if min_samples > 1:
            near = self._raw_lengths(source, target).reshape(neighbours.shape)
            self.core = np.partition(near, min_samples - 1, axis=1)[:, min_samples - 1]
            for i in np.flatnonzero(self.core > self.horizon):  # the search may have missed one
                row = _lengths(X[i], X, order)
                self.core[i] = np.partition(row, min_samples - 1)[min_samples - 1]
        once = source != target
        self.forest = self._best_forest(source[once], target[once])

    def complete(self) -> SpanningForest:
        """Improve the forest until every merge is proved."""
        if self.forest.n_components > 1:
            self._add(*self._links_between_components())
        asked = np.zeros(self.n, dtype=bool)
        while True:
            doubts, tree = self._doubtful_merges()
            if not doubts:
                return self.forest
            small = [points for node, points, _ in doubts if tree.size[node] <= _MORE_NEIGHBOURS]
            timid = np.unique(np.concatenate(small)) if small else np.empty(0, dtype=np.intp)
            timid = timid[~asked[timid]]
            if len(timid):
                asked[timid] = True
                self._ask_for_more(timid)
                continue
            edges = [self._shortcuts(tree, *doubt) for doubt in doubts]
            self._add(*(np.concatenate(part) for part in zip(*edges, strict=True)))

    def _raw_lengths(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.float64]:
        return _lengths(self.X[i], self.X[j], self.order)

    def _best_forest(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> SpanningForest:
        length = np.maximum(self._raw_lengths(i, j), np.maximum(self.core[i], self.core[j]))
        chosen = spanning_edges(self.n, i, j, length)
        return SpanningForest(self.n, i[chosen], j[chosen], length[chosen])

    def _add(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        """Replace the forest by the best one of its edges and the new ones."""
        if len(i):
            self.forest = self._best_forest(
                np.append(self.forest.source, i), np.append(self.forest.target, j)
            )

    def _neighbours(
        self, points: NDArray[np.intp], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the k nearest neighbours, and a lower bound on the distance of all others."""
        k = min(k + 1, self.n)
        if self.tree is not None:
            distance, nearest = self.tree.query(
                self.X[points], k=k, p=self.order, workers=self.workers
            )
            horizon = distance[:, -1] * (1 - _ULPS)
        else:
            nearest, horizon = self._brute_neighbours(points, np.arange(self.n), k)
        if k == self.n:
            horizon = np.full(len(points), np.inf)
        return nearest, horizon

    def _brute_neighbours(
        self, points: NDArray[np.intp], among: NDArray[np.intp], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the k nearest by brute force, and a lower bound on the k-th distance.

        The bound subtracts the error of the expansion of the square.
        """
        search = NearestNeighbors(
            n_neighbors=k, algorithm="brute", p=self.order, n_jobs=self.workers
        )
        search.fit(self.centred[among])
        distance, nearest = search.kneighbors(self.centred[points])
        at_least = np.sqrt(np.maximum(distance[:, -1] ** 2 * (1 - _ULPS) - self.margin, 0.0))
        return among[nearest], at_least

    def _ask_for_more(self, points: NDArray[np.intp]) -> None:
        for first in range(0, len(points), _AT_ONCE):
            some = points[first : first + _AT_ONCE]
            nearest, self.horizon[some] = self._neighbours(some, _MORE_NEIGHBOURS)
            source, target = np.repeat(some, nearest.shape[1]), nearest.ravel()
            once = source != target
            self._add(source[once], target[once])

    def _doubtful_merges(self) -> tuple[list[tuple[int, NDArray[np.intp], float]], MergeTree]:
        """Return components without proof (node, points in doubt, height) and the tree."""
        tree = tree_of_forest(self.forest)
        known = np.full(tree.n_nodes, np.inf)
        known[: self.n] = np.maximum(self.horizon, self.core)
        open_nodes = np.flatnonzero(tree.subtree_minimum(known) < tree.death)
        open_nodes = open_nodes[tree.parent[open_nodes] >= 0]
        # in each merge one component, the largest, needs no proof
        ranked = open_nodes[np.lexsort((tree.size[open_nodes], tree.parent[open_nodes]))]
        largest = np.append(np.diff(tree.parent[ranked]) != 0, True)
        doubts = []
        for node in ranked[~largest] if len(ranked) else ranked:
            members, height = tree.members(node), float(tree.death[node])
            if self.searched.get(members.tobytes(), -1.0) >= height:
                continue
            points = members[known[members] < height]
            doubts.append((int(node), points, height))
        return doubts, tree

    def _shortcuts(
        self, tree: MergeTree, node: int, points: NDArray[np.intp], height: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return edges shorter than ``height`` from a component to the nearest points outside it.

        The outside is searched component by component: projections mostly separate two of them.
        """
        label = tree.cut(float(np.nextafter(height, 0.0)))
        label[self.core >= height] = -1
        members = tree.members(node)
        label[members] = -1
        reach = height * (1 + _ULPS)
        low, high = self.X[points].min(axis=0) - reach, self.X[points].max(axis=0) + reach
        outside = np.flatnonzero(label >= 0)
        outside = outside[((self.X[outside] >= low) & (self.X[outside] <= high)).all(axis=1)]
        sources, targets = [points[:0]], [points[:0]]
        for group in _largest_groups(outside, label):
            here, there = self._facing(points, group, reach)
            if self.tree is None and len(here) and len(there):  # a k-d tree is slow to say no
                here = here[self._brute_neighbours(here, there, 1)[1] <= reach]
            if len(here) == 0:
                continue
            distance, nearest = cKDTree(self.X[there]).query(
                self.X[here], p=self.order, distance_upper_bound=reach, workers=self.workers
            )
            hit = np.flatnonzero(np.isfinite(distance))
            sources.append(here[hit])
            targets.append(there[nearest[hit]])
        i, j = np.concatenate(sources), np.concatenate(targets)
        shorter = self._raw_lengths(i, j) < height
        if not shorter.any():
            self.searched[members.tobytes()] = height
        return i[shorter], j[shorter]

    def _facing(
        self, here: NDArray[np.intp], there: NDArray[np.intp], reach: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Leave out points whose projection has no counterpart within ``reach``.

        Projections on unit vectors do not increase Euclidean distances, coordinates no Minkowski
        ones.
        """
        for _ in range(4):
            size = len(here) + len(there)
            if min(len(here), len(there)) == 0:
                break
            axis = self.X[here].mean(axis=0) - self.X[there].mean(axis=0)
            if self.order != 2.0:
                axis = (np.arange(len(axis)) == np.abs(axis).argmax()).astype(np.float64)
            norm = float(np.linalg.norm(axis))
            if norm == 0.0:
                break
            a, b = self.X[here] @ (axis / norm), self.X[there] @ (axis / norm)
            largest = max(float(np.abs(a).max()), float(np.abs(b).max()))
            slack = reach + self.X.shape[1] * 1e-15 * largest
            here, there = here[_gaps(a, b) <= slack], there[_gaps(b, a) <= slack]
            if len(here) + len(there) > 0.9 * size:
                break
        return here, there

    def _links_between_components(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return short edges that join the components along the spanning tree of their centres."""
        label = tree_of_forest(self.forest).cut(np.inf)
        by_label = np.argsort(label, kind="stable")
        members = np.split(by_label, np.cumsum(np.bincount(label))[:-1])
        centres = np.array([self.X[group].mean(axis=0) for group in members])
        if len(centres) > _SMALL:
            joins = _Proof(centres, self.order, 1, self.workers).complete()
        else:
            joins = prim_forest(_lengths(centres[:, None], centres[None], self.order))
        pairs = [
            self._close_pair(members[a], members[b], centres[a])
            for a, b in zip(joins.source.tolist(), joins.target.tolist(), strict=True)
        ]
        i, j = np.array(pairs, dtype=np.intp).T
        return i, j

    def _close_pair(
        self, a: NDArray[np.intp], b: NDArray[np.intp], start: NDArray[np.float64]
    ) -> tuple[int, int]:
        """Return two near points, one of a and one of b, searched for in turns."""
        other = int(b[_lengths(self.X[b], start, self.order).argmin()])
        one, length = int(a[0]), np.inf
        while True:
            near = _lengths(self.X[a], self.X[other], self.order)
            if not near.min() < length:
                return one, other
            length, one = near.min(), int(a[near.argmin()])
            back = _lengths(self.X[b], self.X[one], self.order)
            other = int(b[back.argmin()])


def _gaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each number in a to the nearest one in b."""
    b = np.sort(b)
    at = np.searchsorted(b, a)
    left = a - b[np.maximum(at - 1, 0)]
    right = b[np.minimum(at, len(b) - 1)] - a
    return np.minimum(np.abs(left), np.abs(right))


def _largest_groups(points: NDArray[np.intp], label: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Split points by label: the largest groups one by one, all others together."""
    if len(points) == 0:
        return []
    ordered = points[np.argsort(label[points], kind="stable")]
    groups = np.split(ordered, np.flatnonzero(np.diff(label[ordered])) + 1)
    groups.sort(key=len, reverse=True)
    if len(groups) <= _GROUPS:
        return groups
    return [*groups[: _GROUPS - 1], np.concatenate(groups[_GROUPS - 1 :])]
