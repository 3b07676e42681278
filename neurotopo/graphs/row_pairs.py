"""Checked rows of pairs of adjacent layers, read ahead."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.graphs.connections import RowSource, check_activations

__all__ = ["RowPair", "checked_activations", "row_pairs"]

Rows = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RowPair:
    """Rows for the weights between a layer and the next one."""

    layer: int  # the earlier one
    out_rows: Rows
    in_rows: tuple[Rows, ...]  # of the next layer, one matrix per path
    may_overflow: bool  # whether a weight, or a partial sum of it, may overflow


def row_pairs(
    source: RowSource,
    layers: tuple[int, int],
    *,
    paths: tuple[str, ...] = ("up",),
    fold_norm: bool = False,
    activations: NDArray[np.float64] | None = None,
    dtype: str = "float32",
    largest: float | None = None,
) -> Generator[RowPair, None, None]:
    """Yield the rows of all pairs of adjacent layers; one other thread reads the next pair.

    Parameters
    ----------
    source : RowSource
        The model.
    layers : (int, int)
        First layer and the one after the last.
    paths : tuple of {"up", "gate"}, default=("up",)
        In-projections.
    fold_norm : bool, default=False
        Whether to multiply in-rows by the gain of the norm before the MLP.
    activations : ndarray of float64, shape (n_layers, n_neurons), optional
        Factors of the out-rows.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the rows.
    largest : float, optional
        Largest number allowed in a row. None: that of ``dtype``.

    Yields
    ------
    RowPair
        Close the generator if it is left early: it waits for the current read.
    """
    limit = float(np.finfo(dtype).max)
    top = limit if largest is None else largest

    def read_in(layer: int, path: str) -> Any:
        return source.in_rows(layer, path=path, fold_norm=fold_norm)

    def read(layer: int) -> tuple[Rows, tuple[Rows, ...]]:
        out_rows = _array(source.out_rows(layer), source.n_neurons, layer, "out", dtype)
        if activations is not None:
            out_rows = out_rows * activations[layer, :, None].astype(dtype)
        in_rows = tuple(
            _array(read_in(layer + 1, path), source.n_neurons, layer + 1, "in", dtype)
            for path in paths
        )
        if any(rows.shape[1] != out_rows.shape[1] for rows in in_rows):
            raise ValueError(
                f"the out-rows of layer {layer} have {out_rows.shape[1]} entries, the in-rows of "
                f"layer {layer + 1} {', '.join(str(rows.shape[1]) for rows in in_rows)}."
            )
        return out_rows, in_rows

    first, last = layers
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="neurotopo-rows") as reader:
        upcoming = reader.submit(read, first) if last - first > 1 else None
        for layer in range(first, last - 1):
            assert upcoming is not None
            out_rows, in_rows = upcoming.result()
            # By Cauchy and Schwarz no partial sum of a product is larger than this. (Computed here,
            # not by the reader, which is slower for rows in memory.)
            bound = _norm(out_rows, layer, "out", top)
            bound *= max(_norm(rows, layer + 1, "in", top) for rows in in_rows)
            upcoming = reader.submit(read, layer + 1) if layer + 2 < last else None
            pair = RowPair(layer, out_rows, in_rows, not bound < limit / 4)
            del out_rows, in_rows
            yield pair
            del pair  # frees memory for the next two


def _array(given: Any, n_neurons: int, layer: int, side: str, dtype: str) -> Rows:
    rows = np.asarray(given)
    if rows.ndim != 2 or len(rows) != n_neurons:
        raise ValueError(
            f"the {side}-rows of layer {layer} have shape {rows.shape}, expected "
            f"({n_neurons}, d_model)."
        )
    with np.errstate(over="ignore"):  # an infinite entry raises an error below
        return np.ascontiguousarray(rows, dtype=dtype)


def _norm(rows: Rows, layer: int, side: str, top: float) -> float:
    """Return the Frobenius norm, infinite if it overflows; check all entries."""
    flat = rows.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.einsum("i,i->", flat, flat)) ** 0.5  # one pass, and no copy
    if norm <= top:  # no entry is larger than the norm
        return norm
    wrong = ~(np.abs(rows) <= top)  # NaN too
    if not wrong.any():
        return np.inf
    index = int(wrong.any(axis=1).argmax())
    worst = rows[index][wrong[index]][0]
    finite = bool(np.isfinite(worst))
    why = f"more than the largest number of the products, {top:g}" if finite else f"in {rows.dtype}"
    raise ValueError(f"the {side}-row of neuron ({layer}, {index}) holds {worst} ({why}).")


def checked_activations(
    activations: ArrayLike | None, source: RowSource
) -> NDArray[np.float64] | None:
    """Return activations in double precision, one per neuron of the model."""
    if activations is None:
        return None
    values = check_activations(activations, source).astype(np.float64)
    if not np.isfinite(values).all():
        layer, index = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"the activation of neuron ({layer}, {index}) is {values[layer, index]}.")
    return values
