"""Copies of the rows of all neurons, their changes, and the most changed neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "RowSnapshot",
    "changed_neurons",
    "checked_changes",
    "most_changed",
    "neuron_changes",
    "snapshot",
]

_AT_ONCE = 1 << 22  # values converted to double precision at a time


@dataclass(frozen=True)
class RowSnapshot:
    """The rows of all neurons at one time, layer by layer; see :func:`snapshot`.

    Attributes
    ----------
    in_rows : sequence of ndarray, each of shape (n_neurons, width)
        In-rows of each layer; in a gated MLP the up row followed by the gate row.
    out_rows : sequence of ndarray, each of shape (n_neurons, d_model)
        Out-rows of each layer.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.tuning.changes import RowSnapshot
    >>> before = RowSnapshot([np.ones((4, 2))], [np.ones((4, 3))])
    >>> before
    RowSnapshot(n_layers=1, n_neurons=4)
    """

    in_rows: Sequence[NDArray[np.floating[Any]]]
    out_rows: Sequence[NDArray[np.floating[Any]]]

    def __post_init__(self) -> None:
        if len(self.in_rows) != len(self.out_rows) or len(self.in_rows) == 0:
            raise ValueError(
                f"in_rows has {len(self.in_rows)} layers and out_rows has {len(self.out_rows)}."
            )
        for name, layers in (("in_rows", self.in_rows), ("out_rows", self.out_rows)):
            for layer, rows in enumerate(layers):
                if rows.ndim != 2 or len(rows) != len(self.in_rows[0]):
                    raise ValueError(
                        f"{name} of layer {layer} must have one row for each of the "
                        f"{len(self.in_rows[0])} neurons, got shape {rows.shape}."
                    )
                wrong = ~np.isfinite(rows).all(axis=1)
                if wrong.any():
                    neuron = (layer, int(wrong.argmax()))
                    raise ValueError(f"a row of neuron {neuron} is not finite.")

    def __repr__(self) -> str:
        return f"RowSnapshot(n_layers={len(self.in_rows)}, n_neurons={len(self.in_rows[0])})"


def snapshot(model: NeuronModel) -> RowSnapshot:
    """Copy the rows of all neurons of a model.

    Parameters
    ----------
    model : NeuronModel
        The model, with finite rows.

    Returns
    -------
    RowSnapshot
        Copies that training does not change. They need the memory of the model's MLPs in single
        precision.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.tuning.changes import snapshot
    >>> before = snapshot(random_model("llama"))
    >>> before.in_rows[0].shape, before.out_rows[0].shape
    ((24, 24), (24, 12))
    """
    paths = ("up", "gate") if model.is_gated else ("up",)
    layers = range(model.n_layers)
    return RowSnapshot(
        # both copy, as the rows may share the memory of the weights
        [np.hstack([model.in_rows(layer, path=path) for path in paths]) for layer in layers],
        [np.array(model.out_rows(layer)) for layer in layers],
    )


def neuron_changes(before: RowSnapshot, after: RowSnapshot) -> NDArray[np.float64]:
    r"""Return the change of the rows of every neuron.

    The relative changes of the in-row and of the out-row are combined:

    .. math:: \Delta P(n) = \sqrt{(\frac{\|r_2 - r_1\|}{\|r_1\|})^2
              + (\frac{\|w_2 - w_1\|}{\|w_1\|})^2}

    with in-rows r and out-rows w. Biases are ignored.

    Parameters
    ----------
    before, after : RowSnapshot
        Two snapshots of one model.

    Returns
    -------
    ndarray of float64, shape (n_layers, n_neurons)
        The changes, never nan. The change of a row of zeros is 0 if it is still zero, else
        infinite: ``np.isinf(changes).sum()`` is the number of such neurons.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, Equation 13.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.tuning.changes import RowSnapshot, neuron_changes
    >>> rows = np.array([[3.0, 4.0], [1.0, 0.0]])
    >>> before = RowSnapshot([rows], [rows])
    >>> neuron_changes(before, RowSnapshot([rows * 4], [rows * 5])).tolist()
    [[5.0, 5.0]]
    """
    shapes = [[rows.shape for rows in (*each.in_rows, *each.out_rows)] for each in (before, after)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the snapshots are of different models: {before!r} and {after!r}.")
    by_layer = zip(before.in_rows, after.in_rows, before.out_rows, after.out_rows, strict=True)
    changes = [
        np.hypot(_relative_changes(in_1, in_2), _relative_changes(out_1, out_2))
        for in_1, in_2, out_1, out_2 in by_layer
    ]
    return np.array(changes, dtype=np.float64)


def _relative_changes(
    before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return the norm of each row's change, divided by that of the row before."""
    n_rows, width = before.shape
    result = np.zeros(n_rows)
    step = max(1, _AT_ONCE // max(1, width))
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        rows_1, rows_2 = before[part].astype(np.float64), after[part].astype(np.float64)
        # scaled by powers of two: no rounding, and neither differences nor squares overflow
        exponent = np.maximum(_exponent(rows_1), _exponent(rows_2))
        change, up = _norm(_scaled(rows_2, -exponent) - _scaled(rows_1, -exponent))
        size, down = _norm(rows_1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.ldexp(change / size, exponent + up - down)
        result[part] = np.where((rows_1 == rows_2).all(axis=1), 0.0, ratio)
    return result


def _exponent(rows: NDArray[np.float64]) -> NDArray[np.intc]:
    """Return the power of two that is above every number of a row."""
    exponent: NDArray[np.intc] = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1]
    return exponent


def _scaled(rows: NDArray[np.float64], exponent: NDArray[np.intc]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = np.ldexp(rows, exponent[:, None])
    return scaled


def _norm(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intc]]:
    """Return the norm of every row as a number of moderate size and a power of two."""
    exponent = _exponent(rows)
    return np.linalg.norm(_scaled(rows, -exponent), axis=1), exponent


def changed_neurons(changes: ArrayLike, multiplier: float = 0.04) -> NeuronSet:
    """Return the neurons that changed by more than a share of the greatest change.

    Equations 12, 19 and 20 of the paper in :func:`neuron_changes`.

    Parameters
    ----------
    changes : array-like, shape (n_layers, n_neurons)
        Result of :func:`neuron_changes`.
    multiplier : float, default=0.04
        The share. The paper uses 0.04 for GPT-2 and 0.05 for LLaMA 2, of 0.01 to 0.1.

    Returns
    -------
    NeuronSet
        Includes all neurons with an infinite change; the greatest change is that of the others.

    Examples
    --------
    >>> from neurotopo.tuning.changes import changed_neurons
    >>> changed_neurons([[0.5, 0.01, 0.0], [0.03, 0.02, float("inf")]])
    NeuronSet([(0, 0), (1, 0), (1, 2)])
    """
    values = checked_changes(changes)
    if not 0 <= multiplier < np.inf:
        raise ValueError(f"multiplier must be finite and not negative, got {multiplier}.")
    greatest = values[np.isfinite(values)].max(initial=0.0)
    return NeuronSet.from_arrays(*np.nonzero(values > multiplier * greatest))


def most_changed(changes: ArrayLike, share: float) -> NeuronSet:
    """Return the share of all neurons that changed most.

    Unlike the threshold of :func:`changed_neurons`, this one does not depend on a single neuron.

    Parameters
    ----------
    changes : array-like, shape (n_layers, n_neurons)
        Result of :func:`neuron_changes`.
    share : float
        Between 0 and 1; the number of neurons is rounded.

    Returns
    -------
    NeuronSet
        Smaller if several neurons at its end have the same change; never includes an unchanged
        neuron.

    Examples
    --------
    >>> from neurotopo.tuning.changes import most_changed
    >>> most_changed([[0.5, 0.01, 0.0], [0.03, 0.02, 0.02]], 0.5)
    NeuronSet([(0, 0), (1, 0)])
    """
    values = checked_changes(changes)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    n = round(share * values.size)
    ordered = np.sort(values, axis=None)
    bar = ordered[values.size - n - 1] if n < values.size else 0.0
    return NeuronSet.from_arrays(*np.nonzero(values > bar))


def checked_changes(changes: ArrayLike) -> NDArray[np.float64]:
    """Return changes of neurons as an array; raise an error if one is negative or nan."""
    values = np.asarray(changes, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"changes must have shape (n_layers, n_neurons), got {values.shape}.")
    wrong = ~(values >= 0)
    if wrong.any():
        layer, index = np.argwhere(wrong)[0]
        raise ValueError(f"the change of neuron ({layer}, {index}) is {values[layer, index]}.")
    return values
