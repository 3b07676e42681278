"""NeuronSet: an ordered, hashable set of MLP neurons, each a pair (layer, index)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons.files import (
    LIMIT,
    PathLike,
    ending_of,
    pair_of_cells,
    read_json,
    rows_of_csv,
    write_csv,
    write_json,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NeuronSet"]

# layer and index share one 64-bit key, whose order is the order of the pairs
_INDEX_BITS = 32
_KIND, _VERSION = "neurotopo.neurons", 1
_COLUMNS = ("layer", "index")


class NeuronSet(Set[tuple[int, int]]):
    """An immutable set of neurons, ordered by layer and then by index.

    It is a :class:`collections.abc.Set`: ``|``, ``&``, ``-``, ``^``, ``<=``, ``in`` and ``==``
    work with other neuron sets and with plain sets of pairs, and it can be a key of a dict.

    Parameters
    ----------
    pairs : iterable of (int, int) or array-like, shape (k, 2)
        Layer and index of each neuron, both from 0 on, in any order; duplicates count once.

    Attributes
    ----------
    layers, indices : ndarray of int64, shape (k,)
        Layer and index of the neurons, in order. Read-only.

    See Also
    --------
    neurotopo.graphs.NeuronGraph : The weighted graph on a set of neurons.

    Examples
    --------
    >>> from neurotopo.graphs import NeuronSet
    >>> neurons = NeuronSet([(3, 7), (0, 5), (3, 1), (0, 5)])
    >>> neurons
    NeuronSet([(0, 5), (3, 1), (3, 7)])
    >>> (3, 7) in neurons, len(neurons), neurons[0]
    (True, 3, (0, 5))
    >>> neurons - {(0, 5)} | [(1, 1)]
    NeuronSet([(1, 1), (3, 1), (3, 7)])
    >>> neurons.layers
    array([0, 3, 3])
    """

    __slots__ = ("_hash_value", "_indices", "_keys", "_layers")

    _keys: NDArray[np.int64]
    _layers: NDArray[np.int64]
    _indices: NDArray[np.int64]
    _hash_value: int | None

    def __init__(self, pairs: Iterable[Any] | ArrayLike = ()) -> None:
        if isinstance(pairs, NeuronSet):
            self._set_keys(pairs._keys)
        else:
            array = _pair_array(pairs)
            self._set_keys(_sorted_keys(array[:, 0], array[:, 1]))

    def _set_keys(self, keys: NDArray[np.int64]) -> None:
        self._keys = keys
        self._layers = keys >> _INDEX_BITS
        self._indices = keys & ((1 << _INDEX_BITS) - 1)
        for array in (self._keys, self._layers, self._indices):
            array.flags.writeable = False
        self._hash_value = None

    @classmethod
    def _from_keys(cls, keys: NDArray[np.int64]) -> NeuronSet:
        neurons = cls.__new__(cls)
        neurons._set_keys(keys)
        return neurons

    @classmethod
    def from_arrays(cls, layers: ArrayLike, indices: ArrayLike) -> NeuronSet:
        """Return the set of layers and indices.

        Parameters
        ----------
        layers, indices : array-like of int
            Arrays that can be broadcast, for example one layer and an array of indices.

        Returns
        -------
        NeuronSet

        Examples
        --------
        >>> from neurotopo.graphs import NeuronSet
        >>> NeuronSet.from_arrays(2, [9, 4])
        NeuronSet([(2, 4), (2, 9)])
        """
        columns = [_whole_numbers(np.asarray(values)) for values in (layers, indices)]
        layer, index = (column.reshape(-1) for column in np.broadcast_arrays(*columns))
        return cls._from_keys(_sorted_keys(layer, index))

    @property
    def layers(self) -> NDArray[np.int64]:
        """Layer of every neuron, in order."""
        return self._layers

    @property
    def indices(self) -> NDArray[np.int64]:
        """Index of every neuron within its layer, in order."""
        return self._indices

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._layers.tolist(), self._indices.tolist(), strict=True))

    def __contains__(self, pair: object) -> bool:
        try:
            layer, index = cast(Any, pair)
            whole = int(layer), int(index)
        except (TypeError, ValueError, OverflowError):
            return False
        if whole != (layer, index) or not all(0 <= number < LIMIT for number in whole):
            return False
        key = (whole[0] << _INDEX_BITS) | whole[1]
        at = int(np.searchsorted(self._keys, key))
        return at < len(self) and int(self._keys[at]) == key

    @overload
    def __getitem__(self, item: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, item: slice | ArrayLike) -> NeuronSet: ...
    def __getitem__(self, item: Any) -> tuple[int, int] | NeuronSet:
        """Return the neuron at a position, or the set of those at a slice, index array or mask."""
        if isinstance(item, slice):
            step = 1 if item.step is None else item.step
            return NeuronSet._from_keys(self._keys[item][:: 1 if step > 0 else -1].copy())
        item = np.asarray(item)
        if item.ndim == 0:
            return int(self._layers[item]), int(self._indices[item])
        if item.size == 0 and item.dtype != bool:
            item = item.astype(np.intp)  # an empty list is an array of floats
        return NeuronSet._from_keys(np.unique(self._keys[item]))

    def __repr__(self) -> str:
        if len(self) <= 8:
            return f"NeuronSet({list(self)})"
        shown = ", ".join(str(self[i]) for i in (0, 1, 2))
        return f"NeuronSet([{shown}, ..., {self[-1]}]: {len(self)} neurons)"

    def __reduce__(self) -> tuple[Any, ...]:
        return NeuronSet, (self.to_array(),)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NeuronSet):
            return np.array_equal(self._keys, other._keys)
        if not isinstance(other, Set):
            return NotImplemented
        return len(self) == len(other) and all(pair in self for pair in other)

    def __hash__(self) -> int:
        # it equals a frozenset of the same pairs, and must have the same hash
        if self._hash_value is None:
            self._hash_value = hash(frozenset(self))
        return self._hash_value

    def __le__(self, other: Any) -> bool:
        if not isinstance(other, Set):
            return NotImplemented
        if isinstance(other, NeuronSet):
            return bool(np.isin(self._keys, other._keys, assume_unique=True).all())
        return all(pair in other for pair in self)

    def __ge__(self, other: Any) -> bool:
        if not isinstance(other, Set):
            return NotImplemented
        return other <= self if isinstance(other, NeuronSet) else all(p in self for p in other)

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Return whether the two sets have no neuron in common.

        Parameters
        ----------
        other : iterable
            The other set.

        Returns
        -------
        bool
        """
        return len(self & other) == 0

    def __and__(self, other: Any) -> NeuronSet:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._from_keys(np.intersect1d(self._keys, _keys_of(other), assume_unique=True))

    def __or__(self, other: Any) -> NeuronSet:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._from_keys(np.union1d(self._keys, _keys_of(other)))

    def __sub__(self, other: Any) -> NeuronSet:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._from_keys(np.setdiff1d(self._keys, _keys_of(other), assume_unique=True))

    def __rsub__(self, other: Any) -> NeuronSet:
        if not isinstance(other, Iterable):
            return NotImplemented
        return NeuronSet(other) - self

    def __xor__(self, other: Any) -> NeuronSet:
        if not isinstance(other, Iterable):
            return NotImplemented
        return self._from_keys(np.setxor1d(self._keys, _keys_of(other), assume_unique=True))

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def to_array(self) -> NDArray[np.int64]:
        """Return the pairs as an array of shape (k, 2).

        Returns
        -------
        ndarray of int64
        """
        return np.column_stack([self._layers, self._indices])

    def to_frame(self) -> pd.DataFrame:
        """Return a table with the columns ``layer`` and ``index`` and a row for each neuron.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> from neurotopo import NeuronSet
        >>> NeuronSet([(3, 7), (0, 5)]).to_frame()
           layer  index
        0      0      5
        1      3      7
        """
        import pandas as pd

        return pd.DataFrame({"layer": self._layers, "index": self._indices})

    def save(self, path: PathLike) -> None:
        """Write the neurons to a JSON or CSV file.

        An existing file is replaced only after everything is written.

        Parameters
        ----------
        path : path-like
            The file. Its name ends in ``.json``, or in ``.csv`` for a table with the columns
            ``layer`` and ``index``.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from neurotopo import NeuronSet
        >>> neurons, path = NeuronSet([(3, 7), (0, 5)]), Path(tempfile.mkdtemp()) / "neurons.csv"
        >>> neurons.save(path)
        >>> path.read_text().split()
        ['layer,index', '0,5', '3,7']
        >>> NeuronSet.load(path) == neurons
        True
        """
        if ending_of(path) == ".csv":
            write_csv(path, _COLUMNS, self.to_array().tolist())
        else:
            write_json(path, _KIND, _VERSION, {"neurons": self.to_array().tolist()})

    @classmethod
    def load(cls, path: PathLike) -> NeuronSet:
        """Read the neurons of a file of :meth:`save`, or of another table of layers and indices.

        Parameters
        ----------
        path : path-like
            The file. Its name ends in ``.json`` or ``.csv``.

        Returns
        -------
        NeuronSet

        Raises
        ------
        ValueError
            If the file has another format, or if a neuron is invalid or occurs twice. The message
            names file, line and field.
        """
        if ending_of(path) == ".json":
            return cls(read_json(path, _KIND, _VERSION, ["neurons"])["neurons"].pairs())
        pairs: dict[tuple[int, int], None] = {}
        for row in rows_of_csv(path, _COLUMNS):
            pair = pair_of_cells(row)
            if pair in pairs:
                raise row["index"].error(f"the neuron {pair} occurs twice; delete one of the rows")
            pairs[pair] = None
        return cls(list(pairs))

    def layer_slices(self) -> list[tuple[int, slice]]:
        """Return the layers that occur, in order, and the positions of their neurons.

        Returns
        -------
        list of tuple of (int, slice)

        Examples
        --------
        >>> from neurotopo.graphs import NeuronSet
        >>> NeuronSet([(0, 5), (3, 1), (3, 7)]).layer_slices()
        [(0, slice(0, 1, None)), (3, slice(1, 3, None))]
        """
        if len(self) == 0:
            return []
        bounds = [0, *(np.flatnonzero(np.diff(self._layers)) + 1).tolist(), len(self)]
        layers = self._layers[bounds[:-1]].tolist()
        return [(layers[i], slice(bounds[i], bounds[i + 1])) for i in range(len(layers))]

    def by_layer(self) -> dict[int, NDArray[np.int64]]:
        """Return the sorted indices in every layer that occurs.

        Returns
        -------
        dict of int to ndarray of int64

        Examples
        --------
        >>> from neurotopo.graphs import NeuronSet
        >>> NeuronSet([(0, 5), (3, 1), (3, 7)]).by_layer()
        {0: array([5]), 3: array([1, 7])}
        """
        return {layer: self._indices[where] for layer, where in self.layer_slices()}

    def check(self, n_layers: int, n_neurons: int) -> None:
        """Raise a ValueError for a neuron outside a model of this size.

        Parameters
        ----------
        n_layers : int
            Number of layers of the model.
        n_neurons : int
            Neurons per layer.
        """
        outside = (self._layers >= n_layers) | (self._indices >= n_neurons)
        if outside.any():
            layer, index = self[int(outside.argmax())]
            if layer >= n_layers:
                what = f"layer {layer} is not in 0..{n_layers - 1}"
            else:
                what = f"index {index} is not in 0..{n_neurons - 1}"
            raise ValueError(f"the model has no neuron ({layer}, {index}): {what}.")


def _keys_of(pairs: Iterable[Any]) -> NDArray[np.int64]:
    return (pairs if isinstance(pairs, NeuronSet) else NeuronSet(pairs))._keys


def _pair_array(pairs: Any) -> NDArray[Any]:
    """Return the pairs as an array of shape (k, 2), after checks."""
    if not hasattr(pairs, "__array__"):
        if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
            raise ValueError(
                f"neurons must be given as pairs (layer, index), got {type(pairs).__name__}."
            )
        pairs = list(pairs)
        if not pairs:
            return np.empty((0, 2), dtype=np.int64)
    try:
        array = np.asarray(pairs)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.ndim != 2 or array.shape[1] != 2:
        if array.size == 0 and array.dtype != object:
            return np.empty((0, 2), dtype=np.int64)
        raise ValueError(f"neurons must be pairs (layer, index){_first_bad_pair(pairs)}.")
    return _whole_numbers(array)


def _first_bad_pair(pairs: Any) -> str:
    if isinstance(pairs, list):
        for position, pair in enumerate(pairs):
            if not hasattr(pair, "__len__") or isinstance(pair, str) or len(pair) != 2:
                return f", but number {position} is {pair!r}"
        return ""
    return f": expected an array of shape (k, 2), got {np.shape(pairs)}"


def _whole_numbers(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"layers and indices must be whole numbers, got dtype {array.dtype}.")
    return array


def _sorted_keys(layers: NDArray[Any], indices: NDArray[Any]) -> NDArray[np.int64]:
    """One key per neuron, in ascending order, each once."""
    outside = (layers < 0) | (layers >= LIMIT) | (indices < 0) | (indices >= LIMIT)
    if outside.any():
        k = int(outside.argmax())
        raise ValueError(
            f"({layers[k]}, {indices[k]}) is no neuron: layer and index count from 0 "
            "and stay below 2**31."
        )
    keys = (layers.astype(np.int64) << _INDEX_BITS) | indices.astype(np.int64)
    if (keys[1:] > keys[:-1]).all():
        return keys
    return np.unique(keys)
