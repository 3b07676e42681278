"""Tiles of strengths from the rows of two layers, in reused memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurotopo.graphs.bipartite import DenseTile, Tile
from neurotopo.persistence.lengths import Length, strength

__all__ = ["HostProducts", "NotFiniteError", "Products"]

_PARTS = 16  # of a tile that is formed or checked in parts


class NotFiniteError(ArithmeticError):
    """A product of two rows is too large for its precision."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(f"the product of out-row {row} and in-row {column} is not finite.")
        self.row, self.column = row, column


class Products(Protocol):
    """Tiles of strengths from the rows of two layers, in two steps that may overlap."""

    def prepared(self, rows: NDArray[np.floating[Any]]) -> Any:
        """Return rows on the device of the products."""

    def multiply(self, out_rows: Any, in_rows: Sequence[Any], *, check: bool) -> Any:
        """Form the weights of all pairs.

        ``in_rows`` holds one matrix, or two whose weights are averaged without their signs.
        With ``check``, a product that is not finite raises :class:`NotFiniteError`.
        """

    def tile(self, product: Any) -> Tile:
        """Return the tile of strengths of a result of :meth:`multiply`, once."""


class HostProducts:
    """Products by NumPy, for tiles of at most ``n_entries``.

    Named lengths decrease with the weight, so their tiles have weights; tiles of a callable
    ``length`` have its lengths with the opposite sign.
    """

    def __init__(
        self, n_entries: int, dtype: str, *, signed: bool = False, length: Length = "inverse"
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._signed, self._length = signed, length
        # lengths of a callable are in double precision: rounding could swap edges
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
        """Form the weights of all pairs; the second next call reuses their memory."""
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
            return DenseTile(product, -np.inf)  # these are strengths already
        return DenseTile(product, absolute=not self._signed)

    def _weights(
        self,
        out_rows: NDArray[np.floating[Any]],
        in_rows: Sequence[NDArray[np.floating[Any]]],
        memory: NDArray[np.floating[Any]],
        check: bool,
        first: int,
    ) -> NDArray[np.floating[Any]]:
        """Form the weights in the given memory: one matrix, or two for two in-projections."""
        weights = memory if memory.ndim == 2 else memory[0]
        products = [weights] if len(in_rows) == 1 else [weights, memory[1]]
        with np.errstate(all="ignore"):  # overflow is checked if it can happen
            for rows, product in zip(in_rows, products, strict=True):
                np.matmul(out_rows, rows.T, out=product)
                if check:
                    _check_finite(product, first)
            if len(in_rows) == 2:
                for product in products:
                    np.abs(product, out=product)
                    product *= 0.5  # halved first: the sum of two finite weights may overflow
                weights += products[1]
        return weights


def _check_finite(weights: NDArray[np.floating[Any]], first: int) -> None:
    n_rows = max(1, -(-len(weights) // _PARTS))
    for i in range(0, len(weights), n_rows):
        finite = np.isfinite(weights[i : i + n_rows])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise NotFiniteError(first + i + int(row), int(column))
