"""The spanning forest of one dense bipartite tile: all weights between two groups of neurons.

A tile has *strengths*: the larger, the shorter the edge. The search for its forest does not sort
it, and reads most entries once or twice:

1. Kruskal's algorithm on the few entries above a threshold t. If the distributions of strengths
   are alike, they join nearly all vertices into one giant component G.
2. Every vertex outside of G gets its strongest entry, as in a round of Boruvka's algorithm. Call G'
   the component of G now. Each of its vertices has a path to G whose edges are at least as strong
   as any of its entries not above t. So no further entry between two vertices of G' is needed: it
   would be the weakest edge of a cycle.
3. Few vertices are left. Of the entries between one of them and G' only the strongest is needed,
   for the same reason; the entries between them are a smaller tile.

If many vertices are left, the tile goes to Prim's algorithm. All are exact: of equal strengths any
choice gives a minimum spanning forest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from neurotopo.persistence.forest import spanning_edges

__all__ = ["DenseTile", "Tile", "TileForest", "tile_edges", "tile_forest"]

Indices = NDArray[np.intp]
Strengths = NDArray[np.floating[Any]]

# Entries per vertex above the threshold. With equal distributions, 3 leave out two in a thousand
# vertices (exp(-6)); sorting more of them takes longer than it saves.
_WANTED = 3
_LIMIT = 4 * _WANTED  # largest number of candidates per vertex, if the sample is misleading
_SAMPLED = 256  # sampled entries above the threshold, for a relative error of about a tenth
_SMALLER = 0.5  # largest share of the tile for a smaller tile
_BAND = 1 << 17  # entries per pass: a band and its mask fit in the cache
_SQUARE = 64
_FEW = 16  # with fewer than this share of its columns, a tile is not read as a whole


@dataclass(frozen=True)
class TileForest:
    """Edges of a spanning forest of a tile.

    Attributes
    ----------
    row, column : ndarray of int, shape (n_edges,)
        End points of the edges.
    strength : ndarray of float, shape (n_edges,)
        The entries of the tile.
    """

    row: Indices
    column: Indices
    strength: Strengths

    def __len__(self) -> int:
        return len(self.strength)

    def take(self, chosen: NDArray[Any]) -> TileForest:
        """Return some of the edges."""
        return TileForest(self.row[chosen], self.column[chosen], self.strength[chosen])

    def within(self, rows: Indices, columns: Indices) -> TileForest:
        """Return the edges in a tile of which this one has some rows and columns."""
        return TileForest(rows[self.row], columns[self.column], self.strength)

    @classmethod
    def union(cls, parts: list[TileForest]) -> TileForest:
        """Concatenate edges."""
        columns = zip(*((part.row, part.column, part.strength) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


class Tile(Protocol):
    """A matrix of strengths, on any device. An entry above ``least`` is an edge."""

    shape: tuple[int, int]
    least: float
    pass_rows: int  # rows per pass

    def sample(self, stride: int) -> Strengths:
        """Return every ``stride``-th entry."""

    def above(self, first: int, last: int, threshold: float) -> tuple[Indices, Strengths]:
        """Return positions ``row * n_columns + column`` and values of entries over a threshold.

        They are in the rows from ``first`` up to ``last``, in ascending order of position.
        """

    def best_of_rows(self, rows: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return column and value of the strongest entry of rows, some columns left out."""

    def best_of_columns(self, columns: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return row and value of the strongest entry of columns, some rows left out."""

    def block(self, rows: Indices, columns: Indices) -> Tile:
        """Return a copy of some rows and columns."""

    def to_numpy(self) -> Strengths:
        """Return the matrix itself."""


class DenseTile:
    """A tile in memory.

    Parameters
    ----------
    strength : ndarray of float, shape (n_rows, n_columns)
        C-contiguous, without NaN. It is not copied and not changed.
    least : float, default=0
        Entries above it are edges.
    absolute : bool, default=False
        Whether the strengths are the absolute values of ``strength``, which they may overwrite.
        They are mostly computed in parts, in the cache, which saves a pass over the memory.
    """

    def __init__(self, strength: Strengths, least: float = 0.0, *, absolute: bool = False) -> None:
        n_rows, n_columns = strength.shape
        self.shape = (n_rows, n_columns)
        self.least = least
        self._strength = strength
        self._absolute = absolute
        self.pass_rows = max(1, _BAND // max(1, n_columns))

    def sample(self, stride: int) -> Strengths:
        """Return every ``stride``-th entry."""
        return self._owned(self._strength.reshape(-1)[::stride].copy())

    def above(self, first: int, last: int, threshold: float) -> tuple[Indices, Strengths]:
        """Return positions and values of the entries of some rows over a threshold."""
        band = self._shown(self._strength[first:last].reshape(-1))
        at = np.flatnonzero(band > threshold)
        return at + first * self.shape[1], band[at]

    def best_of_rows(self, rows: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return column and value of the strongest entry of rows, some columns left out."""
        best = np.empty(len(rows), dtype=np.intp)
        value = np.empty(len(rows), dtype=self._strength.dtype)
        cap = np.full(self.shape[1], np.inf, dtype=self._strength.dtype)
        cap[without] = -np.inf  # a minimum with it takes a fifth of the time of assignments
        for i in range(0, len(rows), self.pass_rows):
            band = self._owned(self._strength.take(rows[i : i + self.pass_rows], axis=0))
            if len(without):
                np.minimum(band, cap, out=band)
            at = band.argmax(axis=1)
            best[i : i + self.pass_rows] = at
            value[i : i + self.pass_rows] = band[np.arange(len(band)), at]
        return best, value

    def best_of_columns(self, columns: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return row and value of the strongest entry of columns, some rows left out."""
        if len(columns) < self.shape[1] // _FEW:
            few = self._owned(self._strength[:, columns])
            few[without] = -np.inf
            best = few.argmax(axis=0)
            return best, few[best, np.arange(len(columns))]
        # whole bands: taking the columns first is slower
        barred = np.zeros(self.shape[0], dtype=bool)
        barred[without] = True
        starts = range(0, self.shape[0], self.pass_rows)
        peaks = np.empty((len(starts), len(columns)), dtype=self._strength.dtype)
        for k, i in enumerate(starts):
            band = self._shown(self._strength[i : i + self.pass_rows])
            if len(without):
                band = band if self._absolute else band.copy()
                band[barred[i : i + self.pass_rows]] = -np.inf
            peaks[k] = band.max(axis=0)[columns]
        of_band = peaks.argmax(axis=0)
        best = np.empty(len(columns), dtype=np.intp)
        for k in np.unique(of_band):
            here = np.flatnonzero(of_band == k)
            inside = np.arange(starts[k], min(starts[k] + self.pass_rows, self.shape[0]))
            inside = inside[~barred[inside]] if not barred[inside].all() else inside
            band = self._owned(self._strength[np.ix_(inside, columns[here])])
            best[here] = inside[band.argmax(axis=0)]
        return best, peaks[of_band, np.arange(len(columns))]

    def block(self, rows: Indices, columns: Indices) -> DenseTile:
        """Return a copy of some rows and columns."""
        block = np.empty((len(rows), len(columns)), dtype=self._strength.dtype)
        for i in range(0, len(rows), self.pass_rows):
            band = self._owned(self._strength.take(rows[i : i + self.pass_rows], axis=0))
            band.take(columns, axis=1, out=block[i : i + self.pass_rows], mode="clip")
        return DenseTile(block, self.least)

    def to_numpy(self) -> Strengths:
        """Return the matrix itself."""
        return self._owned(self._strength)

    def _shown(self, part: Strengths) -> Strengths:
        """Return the strengths of a part of the matrix, which is not changed."""
        return np.abs(part) if self._absolute else part

    def _owned(self, part: Strengths) -> Strengths:
        """Return the strengths of a part that may be overwritten."""
        return np.abs(part, out=part) if self._absolute else part


def tile_forest(tile: Tile) -> TileForest:
    """Find a maximum spanning forest of a tile, that is a minimum one for its lengths.

    Parameters
    ----------
    tile : Tile
        For instance a :class:`DenseTile`.

    Returns
    -------
    TileForest
        True entries of the tile, at most ``n_rows + n_columns - 1``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.graphs.bipartite import DenseTile, tile_forest
    >>> forest = tile_forest(DenseTile(np.array([[3.0, 1.0], [2.0, 5.0]])))
    >>> sorted(zip(forest.row.tolist(), forest.column.tolist(), forest.strength.tolist()))
    [(0, 0, 3.0), (1, 0, 2.0), (1, 1, 5.0)]
    """
    parts = _parts(tile)
    return parts[0] if len(parts) == 1 else _reduced(tile.shape, TileForest.union(parts))


def tile_edges(tile: Tile) -> TileForest:
    """Find about two edges per vertex that contain a maximum spanning forest of a tile.

    Faster than :func:`tile_forest`, for edges that are reduced later.
    """
    return TileForest.union(_parts(tile))


def _parts(tile: Tile) -> list[TileForest]:
    """Return edges that contain a spanning forest of the tile; a single part is a forest."""
    n_rows, n_columns = tile.shape
    if not n_rows or not n_columns:
        return [TileForest(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))]
    strong, threshold = _strongest(tile)
    if threshold <= tile.least:
        return [strong]
    component = _components(tile.shape, strong)
    giant = int(np.bincount(component).argmax())
    root = int(np.flatnonzero(component == giant)[0])
    rows, columns = _others(tile.shape, component, root)
    if not len(rows) and not len(columns):
        return [strong]
    nothing = np.empty(0, np.intp)
    of_rows, of_columns = _strongest_entries(tile, rows, columns, nothing, nothing)
    parts = [strong, of_rows, of_columns]
    component = _components(tile.shape, TileForest.union(parts))
    rows, columns = _others(tile.shape, component, root)
    # vertices without edges need no more: there may be many dead neurons
    rows, columns = np.intersect1d(rows, of_rows.row), np.intersect1d(columns, of_columns.column)
    if len(rows) * len(columns) > _SMALLER * n_rows * n_columns:
        return [_prim(tile.to_numpy(), tile.least)]
    if len(rows) and len(columns):
        parts += _strongest_entries(tile, rows, columns, rows, columns)
        block = tile.block(rows, columns)
        parts += [part.within(rows, columns) for part in _parts(block)]
    return parts


def _strongest_entries(
    tile: Tile, rows: Indices, columns: Indices, no_rows: Indices, no_columns: Indices
) -> tuple[TileForest, TileForest]:
    """Return the strongest edge of some rows, and of some columns, to those not left out."""
    at, strength = tile.best_of_rows(rows, no_columns)
    of_rows = TileForest(rows, at, strength).take(strength > tile.least)
    at, strength = tile.best_of_columns(columns, no_rows)
    return of_rows, TileForest(at, columns, strength).take(strength > tile.least)


def _strongest(tile: Tile) -> tuple[TileForest, float]:
    """Return the forest of about the wanted number of entries, and their threshold."""
    n_rows, n_columns = tile.shape
    wanted, limit = (_WANTED * (n_rows + n_columns), _LIMIT * (n_rows + n_columns))
    threshold = _sampled_threshold(tile, wanted)
    positions: list[Indices] = []
    strengths: list[Strengths] = []
    held = 0
    for first in range(0, n_rows, tile.pass_rows):
        position, strength = tile.above(first, min(first + tile.pass_rows, n_rows), threshold)
        positions.append(position)
        strengths.append(strength)
        held += len(position)
        if held > limit:  # the sample was misleading: raise the threshold
            position, strength = np.concatenate(positions), np.concatenate(strengths)
            threshold = float(np.partition(strength, held - wanted - 1)[held - wanted - 1])
            kept = strength > threshold
            positions, strengths = [position[kept]], [strength[kept]]
            held = len(positions[0])
    strong = _forest_of_entries(tile.shape, np.concatenate(positions), np.concatenate(strengths))
    return strong, threshold


def _sampled_threshold(tile: Tile, wanted: int) -> float:
    """Strength above which about ``wanted`` entries lie, by a sample; never below ``least``."""
    n_rows, n_columns = tile.shape
    n_entries = n_rows * n_columns
    if wanted >= n_entries:
        return tile.least
    stride = max(1, wanted // _SAMPLED)
    while gcd(stride, n_columns) > 1:  # so that all columns are sampled
        stride += 1
    sample = tile.sample(stride)
    rank = len(sample) - 1 - round(len(sample) * wanted / n_entries)
    if rank < 0:
        return tile.least
    return max(float(np.partition(sample, rank)[rank]), tile.least)


def _forest_of_entries(
    shape: tuple[int, int], position: Indices, strength: Strengths
) -> TileForest:
    """Spanning forest of distinct entries in ascending order of position.

    As :func:`~neurotopo.persistence.forest.spanning_edges`, without its sort.
    """
    n_rows, n_columns = shape
    order = np.argsort(-strength)
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    row, column = np.divmod(position, n_columns)
    indptr = np.append(np.searchsorted(row, np.arange(n_rows + 1)), np.full(n_columns, len(row)))
    n = n_rows + n_columns
    columns = (column + n_rows).astype(np.int32)
    graph = sp.csr_array((rank, columns, indptr.astype(np.int32)), shape=(n, n))
    chosen = order[minimum_spanning_tree(graph, overwrite=True).data.astype(np.intp) - 1]
    return TileForest(row[chosen], column[chosen], strength[chosen])


def _components(shape: tuple[int, int], edges: TileForest) -> NDArray[np.int32]:
    """Component of every row and then of every column."""
    n = sum(shape)
    ones = np.ones(len(edges), dtype=np.int8)
    graph = sp.coo_array((ones, (edges.row, edges.column + shape[0])), shape=(n, n))
    component: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return component


def _others(
    shape: tuple[int, int], component: NDArray[np.int32], root: int
) -> tuple[Indices, Indices]:
    """Rows and columns that are not in the component of a vertex."""
    outside = component != component[root]
    return np.flatnonzero(outside[: shape[0]]), np.flatnonzero(outside[shape[0] :])


def _reduced(shape: tuple[int, int], edges: TileForest) -> TileForest:
    n_rows, n_columns = shape
    length = -edges.strength.astype(np.float64)
    return edges.take(spanning_edges(n_rows + n_columns, edges.row, edges.column + n_rows, length))


def _prim(strength: Strengths, least: float) -> TileForest:
    """Spanning forest by Prim's algorithm; only the other side of a vertex is read."""
    by_side = strength, _transposed(strength)
    n_rows, n_columns = strength.shape
    # reach[0]: the best known strength of every column, reach[1]: of every row
    reach = [np.full(n, least, dtype=strength.dtype) for n in (n_columns, n_rows)]
    origin = [np.zeros(n, dtype=np.intp) for n in (n_columns, n_rows)]
    still_open = [np.ones(n, dtype=bool) for n in (n_columns, n_rows)]
    edges: list[tuple[int, int, Any]] = []
    for start in range(n_rows):  # a component without a row is a column without an edge
        if not still_open[1][start]:
            continue
        side, current = 0, start
        still_open[1][start] = False
        while True:
            row, best = by_side[side][current], reach[side]
            better = row > best
            better &= still_open[side]
            np.copyto(best, row, where=better)
            np.copyto(origin[side], current, where=better)
            peak = [int(r.argmax()) for r in reach]
            side = int(reach[1][peak[1]] > reach[0][peak[0]])
            current = peak[side]
            height = reach[side][current]
            if not height > least:
                break
            came_from = origin[side][current]
            ends = (came_from, current) if side == 0 else (current, came_from)
            edges.append((*ends, height))
            still_open[side][current] = False
            reach[side][current] = least
            side = 1 - side
    row, column, height = zip(*edges, strict=True) if edges else ((), (), ())
    return TileForest(
        np.array(row, np.intp), np.array(column, np.intp), np.array(height, strength.dtype)
    )


def _transposed(matrix: Strengths) -> Strengths:
    """Return a contiguous copy of the transpose, by squares: in a third of the time."""
    n_rows, n_columns = matrix.shape
    copy = np.empty((n_columns, n_rows), dtype=matrix.dtype)
    for i in range(0, n_rows, _SQUARE):
        for j in range(0, n_columns, _SQUARE):
            copy[j : j + _SQUARE, i : i + _SQUARE] = matrix[i : i + _SQUARE, j : j + _SQUARE].T
    return copy
