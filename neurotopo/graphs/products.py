"""From the rows of two layers to a tile of strengths, in reused memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurotopo.graphs.bipartite import DenseTile, Tile
from neurotopo.persistence.lengths import Length, strength

__all__ = ["HostProducts", "NotFiniteError", "Products"]

_PARTS = 16  # of a tile, where it is made or checked part by part


class NotFiniteError(ArithmeticError):
    """A product of two rows is too large for the precision it is formed in."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(f"the product of out-row {row} and in-row {column} is not finite.")
        self.row, self.column = row, column


class Products(Protocol):
    """Makes tiles of strengths of the rows of two layers, in two steps that may overlap."""

    def prepared(self, rows: NDArray[np.floating[Any]]) -> Any:
        """Return rows of the host on the device of the products."""

    def multiply(self, out_rows: Any, in_rows: Sequence[Any], *, check: bool) -> Any:
        """Form the weights of all pairs.

        ``in_rows`` holds one matrix, or two whose weights are averaged without their signs.
        With ``check``, a product that is not finite raises :class:`NotFiniteError`.
        """

    def tile(self, product: Any) -> Tile:
        """Turn what :meth:`multiply` returned, once, into a tile of strengths."""


class HostProducts:
    """Products by NumPy, that is by its BLAS.

    Parameters
    ----------
    n_entries : int
        Entries of the largest tile.
    dtype : {"float32", "float64"}
        Precision of the products.
    signed : bool, default=False
        Only positive weights are edges.
    length : str or callable, default="inverse"
        As for :func:`~neurotopo.graphs.edge_lengths`. The named lengths all fall with the weight,
        so their tiles hold weights; that of a callable holds its lengths, sign reversed.
    """

    def __init__(
        self, n_entries: int, dtype: str, *, signed: bool = False, length: Length = "inverse"
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._signed, self._length = signed, length
        # the user's lengths come in double precision, and rounding them could swap edges
        kind = np.float64 if callable(length) else self.dtype
        self._free = [np.empty(n_entries, kind) for _ in range(2)]

    def prepared(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the rows as they are."""
        return rows

    def multiply(
        self,
        out_rows: NDArray[np.floating[Any]],
        in_rows: Sequence[NDArray[np.floating[Any]]],
        *,
        check: bool,
    ) -> NDArray[np.floating[Any]]:
        """Form the weights of all pairs; the call after the next reuses their memory."""
        memory = self._free.pop(0)
        self._free.append(memory)
        shape = (len(out_rows), len(in_rows[0]))
        formed = memory[: shape[0] * shape[1]].reshape(shape)
        if len(in_rows) == 1 and not callable(self._length):
            return self._weights(out_rows, in_rows, formed, check, 0)
        n_rows = max(1, -(-shape[0] // _PARTS))
        scratch = np.empty((2, min(n_rows, shape[0]), shape[1]), self.dtype)
        for first in range(0, shape[0], n_rows):
            band = out_rows[first : first + n_rows]
            weights = self._weights(band, in_rows, scratch[:, : len(band)], check, first)
            if callable(self._length):
                weights = strength(weights.astype(np.float64), self._signed, self._length)
            formed[first : first + n_rows] = weights
        return formed

    def tile(self, product: NDArray[np.floating[Any]]) -> DenseTile:
        """Turn weights into strengths."""
        if callable(self._length):
            return DenseTile(product, -np.inf)  # they have been called already
        return DenseTile(product, absolute=not self._signed)

    def _weights(
        self,
        out_rows: NDArray[np.floating[Any]],
        in_rows: Sequence[NDArray[np.floating[Any]]],
        memory: NDArray[np.floating[Any]],
        check: bool,
        first: int,
    ) -> NDArray[np.floating[Any]]:
        """Weights of all pairs in the memory given: one matrix, or a pair where two are needed."""
        weights = memory if memory.ndim == 2 else memory[0]
        with np.errstate(all="ignore"):  # overflow is checked below, where it can happen
            np.matmul(out_rows, in_rows[0].T, out=weights)
            if check:
                _check_finite(weights, first)
            if len(in_rows) == 2:
                other = memory[1]
                np.matmul(out_rows, in_rows[1].T, out=other)
                if check:
                    _check_finite(other, first)
                for one in (weights, other):
                    np.abs(one, out=one)
                    one *= 0.5  # halved first: the sum of two finite weights may overflow
                weights += other
        return weights


def _check_finite(weights: NDArray[np.floating[Any]], first: int) -> None:
    n_rows = max(1, -(-len(weights) // _PARTS))
    for i in range(0, len(weights), n_rows):
        finite = np.isfinite(weights[i : i + n_rows])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise NotFiniteError(first + i + int(row), int(column))
