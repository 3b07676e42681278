"""Tiles on a GPU: only edges are copied to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.graphs.bipartite import Indices, Strengths
from neurotopo.graphs.products import NotFiniteError

__all__ = ["DeviceProducts", "DeviceTile"]

_BAND = 1 << 24  # entries per pass


class DeviceProducts:
    """Products by torch on a device, for example ``"cuda:1"``.

    ``dtype`` is the precision of the rows: float32, float64, bfloat16 or float16. Products of
    half-precision rows are in single precision. With ``signed`` only positive weights are edges.
    """

    def __init__(self, device: str, dtype: str, *, signed: bool = False) -> None:
        try:
            self.device = torch.device(device)
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"device={device!r} cannot be used: {reason}") from error
        self.dtype: torch.dtype = getattr(torch, dtype)
        self._signed = signed

    def prepared(self, rows: NDArray[np.floating[Any]]) -> torch.Tensor:
        """Return rows on the device, in the precision of the products."""
        if not rows.flags.writeable:  # torch warns about read-only arrays
            rows = rows.copy()
        return torch.from_numpy(rows).to(self.device).to(self.dtype)

    def multiply(
        self, out_rows: torch.Tensor, in_rows: Sequence[torch.Tensor], *, check: bool
    ) -> torch.Tensor:
        """Form the weights of all pairs."""
        weights = _product(out_rows, in_rows[0], check)
        if len(in_rows) == 2:
            # halved first: the sum of two finite weights may overflow
            weights.abs_().mul_(0.5)
            weights += _product(out_rows, in_rows[1], check).abs_().mul_(0.5)
        return weights

    def tile(self, product: torch.Tensor) -> DeviceTile:
        """Turn weights into strengths, in their own memory."""
        return DeviceTile(product if self._signed else product.abs_())


def _product(out_rows: torch.Tensor, in_rows: torch.Tensor, check: bool) -> torch.Tensor:
    weights = _in_single(out_rows, in_rows)
    if check:
        finite = torch.isfinite(weights)
        if not finite.all():
            row, column = (~finite).nonzero()[0].tolist()
            raise NotFiniteError(row, column)
    return weights


def _in_single(out_rows: torch.Tensor, in_rows: torch.Tensor) -> torch.Tensor:
    """Products in single precision or better, for rows of any precision."""
    if out_rows.dtype in (torch.float32, torch.float64):
        return out_rows @ in_rows.T
    if out_rows.is_cuda:
        try:  # the matrix units multiply in half and sum in single precision
            return torch.mm(out_rows, in_rows.T, out_dtype=torch.float32)
        except (TypeError, NotImplementedError):  # not in this torch or on this device
            pass
    return out_rows.float() @ in_rows.float().T


class DeviceTile:
    """A tile in the memory of a device; see :class:`~neurotopo.graphs.bipartite.Tile`.

    ``strength`` is contiguous, without NaN, and neither copied nor changed.
    """

    def __init__(self, strength: torch.Tensor, least: float = 0.0) -> None:
        n_rows, n_columns = strength.shape
        self.shape = (n_rows, n_columns)
        self.least = least
        self.pass_rows = max(1, _BAND // max(1, n_columns))
        self._strength = strength

    def sample(self, stride: int) -> Strengths:
        """Return every ``stride``-th entry."""
        return _host(self._strength.reshape(-1)[::stride])

    def above(self, first: int, last: int, threshold: float) -> tuple[Indices, Strengths]:
        """Return positions and values of the entries of some rows over a threshold."""
        band = self._strength[first:last].reshape(-1)
        at = (band > threshold).nonzero().reshape(-1)
        return _host(at + first * self.shape[1]), _host(band[at])

    def best_of_rows(self, rows: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return column and value of the strongest entry of rows, some columns left out."""
        return self._best(0, rows, without)

    def best_of_columns(self, columns: Indices, without: Indices) -> tuple[Indices, Strengths]:
        """Return row and value of the strongest entry of columns, some rows left out."""
        return self._best(1, columns, without)

    def _best(self, axis: int, places: Indices, without: Indices) -> tuple[Indices, Strengths]:
        chosen, barred = self._on_device(places), self._on_device(without)
        best = torch.empty(len(places), dtype=torch.int64, device=self._strength.device)
        value = torch.empty(len(places), dtype=self._strength.dtype, device=self._strength.device)
        step = max(1, _BAND // max(1, self.shape[1 - axis]))
        for i in range(0, len(places), step):
            band = self._strength.index_select(axis, chosen[i : i + step])
            band.index_fill_(1 - axis, barred, -torch.inf)
            value[i : i + step], best[i : i + step] = band.max(dim=1 - axis)
        return _host(best), _host(value)

    def block(self, rows: Indices, columns: Indices) -> DeviceTile:
        """Return a copy of some rows and columns."""
        rows_here, columns_here = self._on_device(rows), self._on_device(columns)
        shape = (len(rows), len(columns))
        block = torch.empty(shape, dtype=self._strength.dtype, device=self._strength.device)
        for i in range(0, len(rows), self.pass_rows):
            some = rows_here[i : i + self.pass_rows]
            block[i : i + self.pass_rows] = self._strength[some].index_select(1, columns_here)
        return DeviceTile(block, self.least)

    def to_numpy(self) -> Strengths:
        """Return the matrix in the memory of the host."""
        return _host(self._strength)

    def _on_device(self, places: Indices) -> torch.Tensor:
        return torch.from_numpy(places).to(self._strength.device)


def _host(values: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.contiguous().cpu().numpy()
    return array
