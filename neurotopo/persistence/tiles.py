"""Exact minimum spanning trees of points in many dimensions, tile by tile.

Let T be any spanning tree, and call a pair of points light if it is shorter than the longest edge
on its path in T. The minimum spanning tree of all pairs is that of T and the light pairs. So one
pass over all pairs, by tiles of a matrix that is never stored, is enough; and if T is the minimum
spanning tree of a random part f of the pairs, about n / f pairs are light [1]_.

In the leaf order of the merge tree of T, the longest edge between two leaves is the largest of the
merge heights between them: a running maximum along the rows and columns of a tile. Distances come
from matrix products, in single precision with a bound on their error; only pairs that may be light
are measured exactly. Tiles of points far from each other are skipped.

References
----------
.. [1] D. R. Karger, P. N. Klein and R. E. Tarjan, "A Randomized Linear-Time Algorithm to Find
   Minimum Spanning Trees", Journal of the ACM 42(2), 1995.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from neurotopo.persistence.forest import SpanningForest, spanning_edges
from neurotopo.persistence.metrics import lengths
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["core_distances_of_points", "tiled_forest"]

Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]
Part = TypeVar("Part")

_TILE = 1024  # points on each side
_AT_ONCE = 1 << 20  # coordinates of the pairs that are measured at a time
_FLOOD = 1 / 16  # share of a tile: more candidates are worth a better precision
_LIGHT_PAIRS = 12  # per point; more mean that the tree should be improved first
_ROUNDS = 6  # after which the tree is no longer improved first
_SAMPLE = 1 / 16  # share of the tiles in the first tree, for each tile; and the least number
_LEAST_SAMPLE = 4
_LEAST = 1e-150  # squares of smaller numbers may underflow
_EPS = float(np.finfo(np.float64).eps)


def tiled_forest(
    X: Floats, min_samples: int = 1, n_jobs: int | None = None, *, tile: int = _TILE
) -> SpanningForest:
    """Find the minimum spanning tree of points under the Euclidean metric.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        Finite coordinates, extreme ones scaled near 1.
    min_samples : int, default=1
        Core-distance smoothing of the lengths, at most ``n``. 1: no smoothing.
    n_jobs : int or None, default=None
        Threads.
    tile : int, default=1024
        Points on each side of a tile.

    Returns
    -------
    SpanningForest
        ``n - 1`` edges with exact lengths. It does not depend on ``n_jobs``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.tiles import tiled_forest
    >>> np.sort(tiled_forest(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).length).tolist()
    [1.0, 4.242640687119285]
    """
    n = len(X)
    points, first, place, count = _distinct(X)
    if len(points) == 1:
        inner, core = SpanningForest.empty(1), np.zeros(1)
    else:
        with _workers(n_jobs) as workers:
            search = _Search(points, min_samples, count, tile, workers)
            inner, core = search.complete(), search.core
    # a point is joined to an equal one at its core distance, which no edge is shorter than
    again = np.flatnonzero(first[place] != np.arange(n))
    return SpanningForest(
        n,
        np.append(first[inner.source], again),
        np.append(first[inner.target], first[place[again]]),
        np.append(inner.length, core[place[again]]),
    )


def core_distances_of_points(
    X: Floats, min_samples: int, n_jobs: int | None = None, *, tile: int = _TILE
) -> Floats:
    """Return the distance of each point to its ``min_samples``-th nearest; itself is the first.

    The parameters are those of :func:`tiled_forest`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.tiles import core_distances_of_points
    >>> core_distances_of_points(np.array([[0.0], [1.0], [3.0]]), min_samples=2).tolist()
    [1.0, 1.0, 2.0]
    """
    points, _, place, count = _distinct(X)
    if len(points) == 1 or min_samples == 1:
        return np.zeros(len(X))
    with _workers(n_jobs) as workers:
        return _Search(points, min_samples, count, tile, workers).core[place]


def _distinct(X: Floats) -> tuple[Floats, Places, Places, Places]:
    """Return the distinct points, the first of each, the place of all in them, and their counts."""
    rows = np.ascontiguousarray(X + 0.0)  # no negative zeros: points are compared as bytes
    as_bytes = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, place, count = np.unique(
        as_bytes, return_index=True, return_inverse=True, return_counts=True
    )
    return rows[first], first, place, count


class _Workers:
    """Threads that work on tiles; results come in order."""

    def __init__(self, pool: ThreadPoolExecutor | None, number: int) -> None:
        self._pool = pool
        self.at_once = 8 * number

    def map(self, work: Callable[..., Part], items: Iterable[Any]) -> Iterator[Part]:
        return map(work, items) if self._pool is None else self._pool.map(work, items)


@contextmanager
def _workers(n_jobs: int | None) -> Iterator[_Workers]:
    number = effective_n_jobs(n_jobs)
    if number == 1:
        yield _Workers(None, 1)
        return
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(number, thread_name_prefix="neurotopo-tiles") as pool,
    ):
        yield _Workers(pool, number)


class _Search:
    """A spanning tree of distinct points that is improved until it is minimal."""

    def __init__(
        self, X: Floats, min_samples: int, count: Places, tile: int, workers: _Workers
    ) -> None:
        k = min(min_samples, len(X)) - 1
        tile = max(tile, 4 * (k + 1))
        self.n, self.tile, self.workers = len(X), tile, workers
        self.X = X
        self.core = np.zeros(self.n)
        tree = self._best(*self._rough_edges())
        tiles = _Tiles(X, tree, tile)
        if min_samples > 1:
            i, j, length = self._near_pairs(tiles, k)
            self.core = _core(i, j, length, count, min_samples)
            i, j = np.append(tree.source, i), np.append(tree.target, j)
            tree = self._best(i, j, np.append(tree.length, length))
        i, j, length = tiles.to_global(self._sample(tiles))
        i, j = np.append(tree.source, i), np.append(tree.target, j)
        rough = self._best(i, j, np.append(tree.length, length))
        i, j = rough.source, rough.target
        tree = self._best(i, j, self.measure(i, j))
        self.tree = tree

    def measure(self, i: Places, j: Places) -> Floats:
        """Return exact distances of pairs, in parts that fit in the cache."""
        step = max(1, _AT_ONCE // self.X.shape[1])
        zero, parts = np.zeros((1, self.X.shape[1])), [np.empty(0)]
        for first in range(0, len(i), step):
            gaps = self.X[i[first : first + step]] - self.X[j[first : first + step]]
            parts.append(lengths(np.ascontiguousarray(gaps.T).T, zero, 2.0))
        return np.concatenate(parts)

    def _smooth(self, i: Places, j: Places, length: Floats) -> Floats:
        return np.maximum(length, np.maximum(self.core[i], self.core[j]))

    def _best(self, i: Places, j: Places, length: Floats) -> SpanningForest:
        """Return the forest of edges, given with their distances."""
        length = self._smooth(i, j, length)
        chosen = spanning_edges(self.n, i, j, length)
        return SpanningForest(self.n, i[chosen], j[chosen], length[chosen])

    def _rough_edges(self) -> tuple[Places, Places, Floats]:
        """Return edges that join all points: to the nearest of some pivots."""
        rng = np.random.default_rng(0)
        pivots = np.sort(rng.choice(self.n, max(1, int(self.n**0.5)), replace=False))
        centre = self.X.mean(axis=0)
        there = self.X[pivots] - centre
        nearest = np.empty(self.n, dtype=np.intp)
        for first in range(0, self.n, self.tile):
            some = self.X[first : first + self.tile] - centre
            square = (there * there).sum(axis=1) - 2 * some @ there.T
            nearest[first : first + self.tile] = square.argmin(axis=1)
        a, b = np.triu_indices(len(pivots), 1)
        i, j = np.append(np.arange(self.n), pivots[a]), np.append(pivots[nearest], pivots[b])
        return i, j, self.measure(i, j)

    def _sample(self, tiles: _Tiles) -> list[tuple[Places, Places, Floats]]:
        """Return short pairs of each tile with itself and with its nearest tiles."""
        count = max(_LEAST_SAMPLE, int(_SAMPLE * len(tiles.first)))
        near = np.argsort(tiles.apart, axis=1, kind="stable")[:, : count + 1]
        a, b = np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()
        pairs = np.unique(np.column_stack([np.minimum(a, b), np.maximum(a, b)]), axis=0)
        return list(self.workers.map(tiles.shortest, pairs.tolist()))

    def _near_pairs(self, tiles: _Tiles, k: int) -> tuple[Places, Places, Floats]:
        """Return pairs of points, each pair once: those with their k nearest, and few others."""
        bounds = self.workers.map(partial(tiles.bound, k=k), range(len(tiles.first)))
        near = _Nearest(np.concatenate(list(bounds)), k)
        for some in _batches(tiles.pairs(), self.workers.at_once):
            near.add(list(self.workers.map(partial(tiles.near_pairs, near.bound), some)))
        i, j = tiles.order_of[near.source], tiles.order_of[near.target]
        return i, j, self.measure(i, j)

    def complete(self) -> SpanningForest:
        """Add light pairs until there are none."""
        rounds = 0
        while True:
            rounds += 1
            tiles = _Tiles(self.X, self.tree, self.tile)
            source, target, length = self.tree.source, self.tree.target, self.tree.length
            complete = True
            for some in _batches(tiles.pairs(), self.workers.at_once):
                search = partial(self._light_pairs, tiles)
                found = [part for part in self.workers.map(search, some) if part is not None]
                i, j, near = tiles.to_global(found)
                source, target = np.append(source, i), np.append(target, j)
                length = np.append(length, near)
                if len(source) > _LIGHT_PAIRS * self.n:
                    if rounds <= _ROUNDS:
                        complete = False
                        break
                    best = self._best(source, target, length)
                    source, target, length = best.source, best.target, best.length
            self.tree = self._best(source, target, length)
            if complete:
                return self.tree

    def _light_pairs(
        self, tiles: _Tiles, pair: tuple[int, int]
    ) -> tuple[Places, Places, Floats] | None:
        """Return the pairs of a tile that are shorter than their merge height."""
        a, b = pair
        rows, columns, between = tiles.heights(a, b)
        highest = max(rows.max(), columns.max(), between)
        if not highest > 0 or tiles.skips(a, b, highest):
            return None
        if a == b:
            i, j, height = tiles.candidates_within(a)
        else:
            rows, columns = np.maximum(rows, between), np.maximum(columns, between)
            i, j, _ = tiles.candidates(a, b, rows, columns)
            height = np.maximum(rows[i], columns[j])
        i, j = tiles.first[a] + i, tiles.first[b] + j
        ends = tiles.order_of[i], tiles.order_of[j]
        open_ = np.flatnonzero(np.maximum(self.core[ends[0]], self.core[ends[1]]) < height)
        i, j, height = i[open_], j[open_], height[open_]
        length = self.measure(ends[0][open_], ends[1][open_])
        light = length < height
        return i[light], j[light], length[light]


class _Tiles:
    """Points in the leaf order of a tree, in tiles, with bounds on their distances."""

    def __init__(self, X: Floats, tree: SpanningForest, tile: int) -> None:
        self.order_of, self._gap = _leaves(tree)
        d = X.shape[1]
        cuts = _cuts(self._gap, tile)
        self.first, self._last = cuts[:-1], cuts[1:]
        count = len(self.first)
        self._X = X
        # within 1 of the origin; subtraction rounds relative to the result
        rows = (X - X.mean(axis=0))[self.order_of]
        self._exponent = int(np.frexp(max(np.abs(rows).max() * d**0.5, 1e-290))[1])
        self._rows = np.ldexp(rows, -self._exponent)
        self._relative = 8 * (d + 16) * _EPS
        centres = np.array([self._rows[self.part(t)].mean(axis=0) for t in range(count)])
        radii = np.array(
            [lengths(self._rows[self.part(t)], centres[t], 2.0).max() for t in range(count)]
        )
        self._centres, self._radii = centres, radii
        apart = lengths(centres[:, None], centres[None], 2.0)
        reach = radii[:, None] + radii[None]
        slack = self._relative * (apart + reach + d)
        self.apart = np.ldexp(np.maximum(apart - reach - slack, 0.0), self._exponent)
        self._size = np.array(
            [np.sqrt((self._rows[self.part(t)] ** 2).sum(axis=1).max()) for t in range(count)]
        )
        self._left, self._right = _sides(self._rows, np.float32)
        self._highest = np.array([self._gap[self.part(t)].max() for t in range(count)])
        self._inside = [self._gap[self.first[t] + 1 : self._last[t]] for t in range(count)]

    def part(self, t: int) -> slice:
        """Return the leaves of a tile."""
        return slice(self.first[t], self._last[t])

    def pairs(self) -> list[tuple[int, int]]:
        """Return the pairs of tiles, the nearest first."""
        a, b = np.triu_indices(len(self.first))
        ranked = np.lexsort((self.apart[a, b], a != b))
        return list(zip(a[ranked].tolist(), b[ranked].tolist(), strict=True))

    def to_global(
        self, parts: Sequence[tuple[Places, Places, Floats]]
    ) -> tuple[Places, Places, Floats]:
        """Join parts, and turn leaves into points."""
        if not parts:
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
        i, j, length = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self.order_of[i], self.order_of[j], length

    def heights(self, a: int, b: int) -> tuple[Floats, Floats, float]:
        """Return the highest merges after each row, before each column, and between two tiles."""
        rows = np.append(np.maximum.accumulate(self._inside[a][::-1])[::-1], 0.0)
        columns = np.append(0.0, np.maximum.accumulate(self._inside[b]))
        between = max(self._highest[a + 1 : b].max(initial=0.0), self._gap[self.first[b]])
        return rows, columns, float(between if a < b else 0.0)

    def near_pairs(
        self, bound: Floats, pair: tuple[int, int]
    ) -> tuple[Places, Places, Floats, Floats]:
        """Return pairs within the bound of one of their leaves, and bounds on their distances."""
        a, b = pair
        rows, columns = bound[self.part(a)], bound[self.part(b)]
        if self.skips(a, b, max(rows.max(), columns.max())):
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0), np.empty(0)
        i, j, tile = self.candidates(a, b, rows, columns)
        if a == b:
            i, j = i[i < j], j[i < j]
        return self.first[a] + i, self.first[b] + j, *tile.between(i, j)

    def candidates(
        self, a: int, b: int, rows: Floats, columns: Floats
    ) -> tuple[Places, Places, _Tile]:
        """Return pairs of a tile: all that are nearer than the bound of their row or column."""
        for tile in self._precisions(a, b):
            distance, by_row, by_column = tile.distance, tile.cut(rows), tile.cut(columns)
            reach = np.maximum(by_row, by_column.max())
            active = np.flatnonzero(distance.min(axis=1) <= reach)
            some = distance if len(active) == len(distance) else distance[active]
            hit = some <= np.maximum(by_row[active, None], by_column[None])
            if tile.is_last or np.count_nonzero(hit) <= _FLOOD * distance.size:
                break
        i, j = np.divmod(np.flatnonzero(hit), hit.shape[1])
        return active[i], j, tile

    def candidates_within(self, t: int) -> tuple[Places, Places, Floats]:
        """Return pairs of a tile with itself, those nearer than their merge height, and this."""
        inside = np.append(0.0, self._inside[t])
        for tile in self._precisions(t, t):
            hit = tile.distance <= _running(tile.cut(inside))
            if tile.is_last or np.count_nonzero(hit) <= _FLOOD * hit.size:
                break
        i, j = np.divmod(np.flatnonzero(hit), hit.shape[1])
        return i, j, _running(inside)[i, j]

    def bound(self, t: int, k: int) -> Floats:
        """Return bounds within which each leaf of a tile has ``k`` others of it."""
        for tile in self._precisions(t, t):
            np.fill_diagonal(tile.distance, np.inf)
            tile.distance.partition(k - 1, axis=1)
            if tile.error is None or tile.distance[:, k - 1].min() > 16 * tile.error:
                break
        return tile.between(np.arange(len(tile.distance)), k - 1)[1]

    def shortest(self, pair: Sequence[int]) -> tuple[Places, Places, Floats]:
        """Return short pairs of a tile, with approximate distances."""
        a, b = pair
        tile = next(self._precisions(a, b))
        distance = tile.distance
        if a == b:
            np.fill_diagonal(distance, np.inf)
            k = min(3, len(distance) - 1)
            j = np.argpartition(distance, k - 1, axis=1)[:, :k].ravel() if k else np.empty(0, int)
            i = np.repeat(np.arange(len(distance)), k)
        else:
            rows, columns = np.arange(distance.shape[0]), np.arange(distance.shape[1])
            i = np.append(rows, distance.argmin(axis=0))
            j = np.append(distance.argmin(axis=1), columns)
        return self.first[a] + i, self.first[b] + j, tile.between(i, j)[1]

    def _precisions(self, a: int, b: int) -> Iterator[_Tile]:
        """Yield the tile in rising precision; the last one errs by rounding only."""
        yield self._products(a, b, np.float32)
        yield self._products(a, b, np.float64)
        yield self._direct(a, b)

    def skips(self, a: int, b: int, length: float) -> bool:
        """Return whether no pair of two tiles is as near as a length.

        They are as far apart as their balls; or as their projections on the axis of their centres,
        which shortens distances.
        """
        if self.apart[a, b] > length:
            return True
        axis = self._centres[b] - self._centres[a]
        norm = float(np.linalg.norm(axis))
        if norm == 0.0 or norm < 0.3 * (self._radii[a] + self._radii[b]):
            return False
        axis /= norm
        gap = float(
            (self._rows[self.part(b)] @ axis).min() - (self._rows[self.part(a)] @ axis).max()
        )
        return gap - self._relative > np.ldexp(length, -self._exponent)

    def _products(self, a: int, b: int, dtype: Any) -> _Tile:
        """Return squared distances from a matrix product.

        With all points within ``reach`` of the origin, let u be the unit roundoff. Rounding of the
        vectors moves their product by 2 u reach^2, and that of their squares by as much. The
        product of vectors with d + 2 entries errs by at most (d + 2) u times the sum of absolute
        products, which is at most 4 reach^2.
        """
        # about the origin, or about the centre of a tile if that is more precise
        reach = float(max(self._size[a], self._size[b]))
        local = float(np.linalg.norm(self._centres[a] - self._centres[b]) + self._radii[b])
        local = max(local, float(self._radii[a])) * (1 + 1e-9)
        if dtype is np.float32 and reach < 2 * local:
            left, right = self._left[self.part(a)], self._right[self.part(b)]
        else:
            reach = local
            left = _sides(self._rows[self.part(a)] - self._centres[a], dtype)[0]
            right = _sides(self._rows[self.part(b)] - self._centres[a], dtype)[1]
        unit, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
        error = 4 * (self._rows.shape[1] + 8) * (unit * reach**2 + tiny)

        return _Tile(left @ right.T, self._relative, error, self._exponent)

    def _direct(self, a: int, b: int) -> _Tile:
        """Return distances with a small relative error."""
        here, there = self._X[self.order_of[self.part(a)]], self._X[self.order_of[self.part(b)]]
        return _Tile(cdist(here, there), self._relative)


@dataclass
class _Tile:
    """Distances of two sets of points, or squares of them, with bounds on their error.

    ``error`` is that of squares, None for distances. Squares are in a unit of two to the power of
    ``exponent``.
    """

    distance: NDArray[np.floating[Any]]
    relative: float
    error: float | None = None
    exponent: int = 0

    @property
    def is_last(self) -> bool:
        """Whether there is no better precision."""
        return self.error is None

    def cut(self, length: Floats) -> NDArray[np.floating[Any]]:
        """Return the largest entry that a pair nearer than a length may have."""
        if self.error is None:
            return np.where(length > 0, length * (1 + self.relative) + _LEAST, -1.0)
        scaled = np.ldexp(length, -self.exponent) * (1 + self.relative) + 8 * _EPS
        squared = np.where(length > 0, scaled**2 + self.error, -1.0 - self.error)
        with np.errstate(over="ignore"):
            return np.nextafter(
                squared.astype(self.distance.dtype), self.distance.dtype.type(np.inf)
            )

    def between(self, i: Any, j: Any) -> tuple[Floats, Floats]:
        """Return bounds on the distances of pairs, from below and above."""
        entry = self.distance[i, j].astype(np.float64)
        if self.error is None:
            return entry * (1 - self.relative) - _LEAST, entry * (1 + self.relative) + _LEAST
        low = np.sqrt(np.maximum(entry - self.error, 0.0)) - 8 * _EPS
        high = np.sqrt(np.maximum(entry + self.error, 0.0)) + 8 * _EPS
        low, high = low * (1 - self.relative), high * (1 + self.relative)
        return np.ldexp(low, self.exponent), np.ldexp(high, self.exponent)


def _cuts(gap: Floats, tile: int) -> Places:
    """Cut leaves into tiles of about equal size, where neighbouring leaves are far apart."""
    n = len(gap)
    cuts = np.linspace(0, n, -(-n // tile) + 1).astype(np.intp)
    room = n // (4 * (len(cuts) - 1))
    if room:
        cuts[1:-1] = [cut - room + gap[cut - room : cut + room].argmax() for cut in cuts[1:-1]]
    return cuts


def _running(values: NDArray[Any]) -> NDArray[Any]:
    """Return the largest value after row i up to column j, above the diagonal; -inf elsewhere."""
    size = len(values)
    largest = np.full((size, size), -np.inf, dtype=values.dtype)
    np.copyto(largest, values, where=np.tri(size, k=-1, dtype=bool).T)
    return np.maximum.accumulate(largest, axis=1, out=largest)


def _sides(rows: Floats, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the two factors of a product that is the matrix of squared distances.

    (x, 1, |x|^2) . (-2 y, |y|^2, 1) = |x - y|^2.
    """
    n, d = rows.shape
    left, right = np.empty((n, d + 2), dtype), np.empty((n, d + 2), dtype)
    left[:, :d] = rows
    right[:, :d] = -2 * left[:, :d]
    left[:, d + 1] = right[:, d] = np.einsum("ij,ij->i", rows, rows)
    left[:, d] = right[:, d + 1] = 1
    return left, right


class _Nearest:
    """Pairs that may be a point and one of its k nearest, from bounds on their distances."""

    def __init__(self, bound: Floats, k: int) -> None:
        self.bound, self._k = bound, k  # bound: on the k-th distance, from above
        self._best = np.full((len(bound), k), np.inf)
        self.source, self.target = np.empty(0, np.intp), np.empty(0, np.intp)
        self._low = np.empty(0)

    def add(self, parts: list[tuple[Places, Places, Floats, Floats]]) -> None:
        """Add pairs, each of them once, with bounds on their distances."""
        i, j, low, high = map(np.concatenate, zip(*parts, strict=True))
        touched = np.unique(np.append(i, j))
        if len(touched) == 0:
            return
        points = np.concatenate([np.repeat(touched, self._k), i, j])
        values = np.concatenate([self._best[touched].ravel(), high, high])
        ranked = np.lexsort((values, points))
        begin = np.searchsorted(points[ranked], touched)
        self._best[touched] = values[ranked[begin[:, None] + np.arange(self._k)]]
        self.bound[touched] = np.minimum(self.bound[touched], self._best[touched, -1])
        source, target = np.append(self.source, i), np.append(self.target, j)
        low = np.append(self._low, low)
        kept = low <= np.maximum(self.bound[source], self.bound[target])
        self.source, self.target, self._low = source[kept], target[kept], low[kept]


def _core(i: Places, j: Places, length: Floats, count: Places, min_samples: int) -> Floats:
    """Return the core distances of points that stand for ``count`` equal ones each."""
    points = np.concatenate([np.arange(len(count)), i, j])
    others = np.concatenate([np.arange(len(count)), j, i])
    lengths_ = np.concatenate([np.zeros(len(count)), length, length])
    ranked = np.lexsort((lengths_, points))
    points, total = points[ranked], np.cumsum(count[others[ranked]])
    begin = np.searchsorted(points, np.arange(len(count)))
    before = np.append(0, total)[begin]
    enough = np.searchsorted(total, before + min_samples)
    core: Floats = lengths_[ranked][enough]
    return core


def _leaves(tree: SpanningForest) -> tuple[Places, Floats]:
    """Return points in an order, and the merge height of each one with the one before it.

    The merge height of any two points is the largest one between them.
    """
    merged = tree_of_forest(tree)
    gap = np.zeros(merged.n_samples)
    joined = np.flatnonzero(merged.parent >= 0)
    above = merged.parent[joined]
    later = merged.start[joined] != merged.start[above]
    gap[merged.start[joined[later]]] = merged.birth[above[later]]
    return merged.leaf_order, gap


def _batches(items: Sequence[Part], size: int) -> Iterator[Sequence[Part]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
