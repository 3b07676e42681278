"""Connection weights between neurons of adjacent layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet

__all__ = [
    "PATHS_IN",
    "Connections",
    "RowSource",
    "Similarity",
    "check_activations",
    "check_row_source",
    "connection_weights",
]

PATHS_IN = ("up", "gate", "both")
_MEMBERS = ("n_layers", "n_neurons", "in_rows", "out_rows")

Similarity = Callable[[int, NDArray[np.int64]], ArrayLike] | ArrayLike


@runtime_checkable
class RowSource(Protocol):
    """Interface of a model for the graphs: rows of the two projections of its MLPs.

    Examples
    --------
    >>> from neurotopo.graphs import RowSource
    >>> from neurotopo.models.examples import random_model
    >>> model = random_model()
    >>> isinstance(model, RowSource), model.in_rows(0, [3, 5]).shape
    (True, (2, 12))
    """

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        ...

    @property
    def n_neurons(self) -> int:
        """Neurons per layer, the same in all layers."""
        ...

    def in_rows(
        self,
        layer: int,
        indices: ArrayLike | None = None,
        *,
        path: str = "up",
        fold_norm: bool = False,
    ) -> NDArray[np.floating[Any]]:
        """Return rows of the in-projection, shape (k, d_model).

        ``indices`` are neurons (None: all); ``path`` (``"up"`` or ``"gate"``) is an in-projection;
        ``fold_norm`` multiplies by the gain of the norm before the MLP.
        """
        ...

    def out_rows(self, layer: int, indices: ArrayLike | None = None) -> NDArray[np.floating[Any]]:
        """Return rows of the out-projection, shape (k, d_model)."""
        ...


def check_row_source(model: Any) -> None:
    """Raise a TypeError that names the members which a model lacks."""
    missing = [name for name in _MEMBERS if not hasattr(model, name)]
    if missing:
        raise TypeError(
            f"a {type(model).__name__} is no source of rows: it has no {', '.join(missing)}. Pass "
            "a NeuronModel, for example from load_model, or another object with these members."
        )


def check_activations(activations: ArrayLike, source: RowSource) -> NDArray[Any]:
    """Return activations as an array of shape (n_layers, n_neurons), not checked for NaN."""
    array = np.asarray(activations)
    expected = (source.n_layers, source.n_neurons)
    if array.shape != expected or array.dtype.kind not in "fiub":
        raise ValueError(
            f"activations must be numbers of shape (n_layers, n_neurons) = {expected}, "
            f"got shape {array.shape} and dtype {array.dtype}."
        )
    return array


@dataclass(frozen=True, eq=False)
class Connections:
    """The connections of a set of neurons, each once.

    Attributes
    ----------
    source, target : ndarray of int, shape (n_connections,)
        Positions in the neuron set, ``source < target``, in lexicographic order.
    weight : ndarray of float64, shape (n_connections,)
        Their weights, finite and not 0.

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.graphs import connection_weights
    >>> from neurotopo.models.examples import random_model
    >>> connections = connection_weights(random_model(), NeuronSet([(0, 3), (1, 2), (1, 7)]))
    >>> connections.source, connections.target, connections.weight.shape
    (array([0, 0]), array([1, 2]), (2,))
    """

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        for array in (self.source, self.target, self.weight):
            array.flags.writeable = False


def connection_weights(
    model: RowSource,
    neurons: NeuronSet,
    *,
    path: str = "up",
    fold_norm: bool = False,
    activations: ArrayLike | None = None,
    intra: Similarity | None = None,
) -> Connections:
    r"""Compute the weights of all connections between the given neurons, in double precision.

    For A in layer l and B in layer l + 1 the weight is the product through the residual stream,
    :math:`w_{AB} = \langle \mathrm{out}_A, \mathrm{in}_B \rangle`. Only rows of these neurons are
    read.

    Parameters
    ----------
    model : RowSource
        The model.
    neurons : NeuronSet
        The neurons.
    path : {"up", "gate", "both"}, default="up"
        In-projection of a gated MLP; ``"both"``: the mean of the absolute weights.
    fold_norm : bool, default=False
        Whether to multiply the in-rows by the gain of the norm before the MLP.
    activations : array-like, shape (n_layers, n_neurons), optional
        Factors of the weights: the activation of A, the earlier neuron.
    intra : callable or array-like, optional
        Weights within a layer. A callable ``intra(layer, indices)`` returns the symmetric matrix of
        similarities of these neurons; an array of shape (k, k) has those of all pairs of the set,
        of which only pairs in one layer count. The diagonal is ignored.

    Returns
    -------
    Connections
        Without weights of 0.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, section 2.

    Examples
    --------
    >>> from neurotopo.graphs import NeuronSet
    >>> from neurotopo.graphs.connections import connection_weights
    >>> from neurotopo.models.examples import random_model
    >>> model, neurons = random_model(), NeuronSet([(0, 3), (1, 2), (1, 7)])
    >>> connections = connection_weights(model, neurons)
    >>> float(connections.weight[0] - model.out_rows(0, [3])[0] @ model.in_rows(1, [2])[0])
    0.0
    """
    if path not in PATHS_IN:
        raise ValueError(f"path must be one of {', '.join(PATHS_IN)}, got {path!r}.")
    check_row_source(model)
    neurons.check(model.n_layers, model.n_neurons)
    factors = None if activations is None else _checked_activations(activations, model, neurons)
    similar = None if intra is None else _similarities(intra, neurons)
    parts = list(_strips(model, neurons, path, fold_norm, factors, similar))
    if not parts:
        nothing = np.empty(0, dtype=np.intp)
        return Connections(nothing, nothing, np.empty(0))
    return Connections(*(np.concatenate(column) for column in zip(*parts, strict=True)))


Part = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]


def _strips(
    model: RowSource,
    neurons: NeuronSet,
    path: str,
    fold_norm: bool,
    factors: NDArray[np.float64] | None,
    similar: Callable[[int, slice], NDArray[np.float64]] | None,
) -> Iterator[Part]:
    """Layer by layer, the connections within the layer and to the next one."""
    groups = neurons.layer_slices()
    for position, (layer, here) in enumerate(groups):
        strip, first = np.empty((here.stop - here.start, 0)), here.stop
        following = groups[position + 1 : position + 2]
        if following and following[0][0] == layer + 1:
            there = following[0][1]
            ends = neurons.indices[here], neurons.indices[there]
            strip = _block(model, layer, *ends, path, fold_norm)
            if factors is not None:
                _multiply(strip, factors[here], neurons[here], neurons[there])
        if similar is not None:
            # the columns of the layer itself precede those of the next
            strip = np.hstack([np.triu(similar(layer, here), 1), strip])
            first = here.start
        row, column = np.nonzero(strip)
        yield row + here.start, column + first, strip[row, column]


def _block(
    model: RowSource,
    layer: int,
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    path: str,
    fold_norm: bool,
) -> NDArray[np.float64]:
    """Weights from neurons of one layer to neurons of the next."""
    out = _doubles(model.out_rows(layer, sources), sources, layer)
    products = []
    for one in ("up", "gate") if path == "both" else (path,):
        rows = model.in_rows(layer + 1, targets, path=one, fold_norm=fold_norm)
        rows = _doubles(rows, targets, layer + 1)
        with np.errstate(all="ignore"):  # infinite and NaN entries raise an error below
            product = out @ rows.T
        if not np.isfinite(product).all():
            _explain_not_finite(product, layer, (sources, out), (targets, rows))
        products.append(product)
    if path == "both":
        # halved first: the sum of two finite weights may overflow
        return np.abs(products[0]) * 0.5 + np.abs(products[1]) * 0.5
    return products[0]


def _multiply(
    weights: NDArray[np.float64], factors: NDArray[np.float64], sources: NeuronSet, to: NeuronSet
) -> None:
    with np.errstate(over="ignore", under="ignore"):
        weights *= factors[:, None]
    if not np.isfinite(weights).all():
        a, b = np.argwhere(~np.isfinite(weights))[0]
        raise ValueError(
            f"the weight of neurons {sources[a]} and {to[b]} times the activation "
            f"{factors[a]} is too large for double precision."
        )


def _doubles(rows: Any, indices: NDArray[np.int64], layer: int) -> NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(indices):
        raise ValueError(
            f"the model must return the rows of {len(indices)} neurons of layer {layer}, but it "
            f"returned an array of shape {rows.shape}."
        )
    return rows


def _explain_not_finite(
    product: NDArray[np.float64],
    layer: int,
    out: tuple[NDArray[np.int64], NDArray[np.float64]],
    into: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    sides = ((out, layer, "out"), (into, layer + 1, "in"))
    for (indices, rows), where, side in sides:
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            raise ValueError(
                f"the {side}-row of neuron ({where}, {indices[bad.argmax()]}) holds "
                "NaN or infinity."
            )
    a, b = np.argwhere(~np.isfinite(product))[0]
    raise ValueError(
        f"the weight of neurons ({layer}, {out[0][a]}) and ({layer + 1}, {into[0][b]}) is too "
        "large for double precision."
    )


def _checked_activations(
    activations: ArrayLike, model: RowSource, neurons: NeuronSet
) -> NDArray[np.float64]:
    """One activation per neuron of the set."""
    array = check_activations(activations, model)
    values = array[neurons.layers, neurons.indices].astype(np.float64)
    for at in np.flatnonzero(~np.isfinite(values)).tolist():
        raise ValueError(f"the activation of neuron {neurons[at]} is {values[at]}.")
    return values


def _similarities(
    intra: Similarity, neurons: NeuronSet
) -> Callable[[int, slice], NDArray[np.float64]]:
    """Return a function that returns the checked similarities within a layer."""
    if not callable(intra):
        matrix, k = np.asarray(intra), len(neurons)
        if matrix.shape != (k, k):
            raise ValueError(
                f"intra must have shape (k, k) = ({k}, {k}), one row per neuron, "
                f"got {matrix.shape}."
            )

    def block(layer: int, where: slice) -> NDArray[np.float64]:
        if callable(intra):
            raw = np.asarray(intra(layer, neurons.indices[where]))
        else:
            raw = matrix[where, where]
        return _checked_similarity(raw, layer, neurons.indices[where])

    return block


def _checked_similarity(
    raw: NDArray[Any], layer: int, indices: NDArray[np.int64]
) -> NDArray[np.float64]:
    n = len(indices)
    if raw.shape != (n, n) or raw.dtype.kind not in "fiub":
        raise ValueError(
            f"intra({layer}, ...) must be numbers of shape ({n}, {n}), "
            f"got shape {raw.shape} and dtype {raw.dtype}."
        )
    block = raw.astype(np.float64)
    np.fill_diagonal(block, 0.0)

    def error(a: int, b: int, what: str) -> ValueError:
        pair = f"({layer}, {indices[a]}) and ({layer}, {indices[b]})"
        return ValueError(f"the similarity of neurons {pair} is {what}.")

    for a, b in np.argwhere(~np.isfinite(block)):
        raise error(a, b, f"{block[a, b]}")
    tolerance = 1e-9 if raw.dtype == np.float64 else 1e-5
    apart = np.abs(block - block.T) > tolerance * np.abs(block).max(initial=0.0)
    for a, b in np.argwhere(apart):
        raise error(a, b, f"{block[a, b]} one way and {block[b, a]} the other")
    return block
