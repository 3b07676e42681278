"""Edits that suppress, enhance, scale or replace the values of neurons."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet

__all__ = ["Edit", "EditRow", "Rows", "as_rows", "rows_of_facts"]

WHERE = ("values", "weights")
POSITIONS = ("all", "last")

Value = float | tuple[float, ...] | tuple[tuple[float, ...], ...]


class ValueSource(Protocol):
    """Interface of models whose neurons have values; :class:`neurotopo.NeuronModel` has it."""

    def activations(self, fact: Any, positions: Any = "last") -> NDArray[Any]:
        """Return the values of all neurons at some tokens of a prompt."""

    @property
    def n_layers(self) -> int:
        """Number of layers."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons in each layer."""


@dataclass(frozen=True, repr=False)
class Edit:
    """Scale the values of some neurons, or replace them.

    Parameters
    ----------
    neurons : NeuronSet or iterable of (layer, index)
    scale : float, default=0.0
        A finite factor: 0 suppresses, 2 enhances, 1 changes nothing.
    where : {"values", "weights"}, default="values"
        ``"values"`` edits the neurons' values, the input of the out-projection. ``"weights"``
        scales all weights of a neuron: its row of the in-projection (both rows in a gated MLP),
        its bias there and its row of the out-projection. With ``scale=0`` both give the same
        model.
    positions : {"all", "last"}, int or sequence of int, default="all"
        Tokens whose values are edited. ``"all"``: all. ``"last"``: only those that predict the
        answer (the last token of the prompt and the answer's tokens but the last; the mask in
        masked models); a causal model then computes the prompt once for any number of edits.
        Integers: these tokens of the prompt, counted from 0 with its special tokens, or from its
        end if negative (in masked models, from the end of the sentence). Weights act at all
        positions.
    value : float, array-like or mapping, optional
        Replace the values instead of scaling them, by one number, by one for each neuron, shape
        (n_neurons,), or by one for each neuron and position, shape (n_neurons, n_positions). An
        array follows the order of ``neurons``, which for a :class:`~neurotopo.NeuronSet` is that
        of layer and index; a mapping has a number, or one for each position, for every neuron.
        The positions are those of ``positions``: for ``"all"`` the tokens of the prompt, first to
        last; for ``"last"`` the tokens that predict the first token of the answer, the second, and
        so on, where tokens beyond the last column do not change.

    Notes
    -----
    Edits of one call act together, in their order: a factor multiplies what it finds, a value
    replaces it. The edits of one call share the layers before those where they differ.

    Examples
    --------
    >>> from neurotopo import Edit
    >>> Edit([(0, 3), (2, 1)])
    Edit(neurons=NeuronSet([(0, 3), (2, 1)]), scale=0.0, where='values', positions='all')
    >>> Edit([(0, 3), (2, 1)], value={(2, 1): 0.5, (0, 3): -1.0}, positions="last")
    Edit(neurons=NeuronSet([(0, 3), (2, 1)]), value=(-1.0, 0.5), positions='last')
    """

    neurons: NeuronSet
    scale: float = 0.0
    where: Literal["values", "weights"] = "values"
    positions: Literal["all", "last"] | int | Sequence[int] = "all"
    value: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        given: Any = self.neurons
        if not isinstance(given, NeuronSet):
            if not isinstance(given, np.ndarray | Set):
                given = list(given)  # an iterator is read once
            object.__setattr__(self, "neurons", NeuronSet(given))
        if not math.isfinite(self.scale):
            raise ValueError(f"scale must be a finite number, got {self.scale}.")
        if self.where not in WHERE:
            raise ValueError(f"where must be 'values' or 'weights', got {self.where!r}.")
        object.__setattr__(self, "positions", _positions(self.positions))
        if self.where == "weights" and self.positions != "all":
            raise ValueError(
                "an edit of weights acts at all positions; other positions are for values."
            )
        if self.value is None:
            return
        if self.where == "weights":
            raise ValueError(
                "value replaces the values of neurons; where='weights' takes a scale only."
            )
        if self.scale != 0:
            raise ValueError("an edit has a scale or a value, not both.")
        array = _value_array(self.value, self.neurons, given)
        if array.ndim == 2 and not isinstance(self.positions, str):
            n = len(self.positions)  # type: ignore[arg-type]
            if array.shape[1] != n:
                raise ValueError(
                    f"value has {array.shape[1]} columns for {n} positions; a value for each "
                    "neuron and position has one column per position."
                )
        object.__setattr__(self, "value", _frozen(array))

    def __repr__(self) -> str:
        parts = [f"neurons={self.neurons!r}"]
        if self.value is None:
            parts += [f"scale={self.scale!r}", f"where={self.where!r}"]
        elif np.size(self.value) > 6:
            parts.append(f"value=<array of shape {np.shape(self.value)}>")
        else:
            parts.append(f"value={self.value!r}")
        return f"Edit({', '.join(parts)}, positions={self.positions!r})"

    @classmethod
    def from_prompt(
        cls,
        model: ValueSource,
        neurons: Any,
        prompt: Any,
        positions: Literal["last", "answer", "all"] | int | Sequence[int] = "last",
        *,
        to: int | Sequence[int] | None = None,
    ) -> Edit:
        """Replace the values of neurons by those that they have on another prompt.

        Parameters
        ----------
        model : NeuronModel
            The model that reads the other prompt, with the edits of its
            :meth:`~neurotopo.NeuronModel.edited` blocks.
        neurons : NeuronSet or iterable of (layer, index)
        prompt : str or Fact
            The other prompt.
        positions : {"last", "answer", "all"}, int or sequence of int, default="last"
            Tokens of the other prompt. ``"last"``: its last token (the first mask in a masked
            model), for the last token of the edited prompt. ``"answer"``: the tokens that predict
            its first answer, for those that predict the answer of the edited prompt. ``"all"``:
            each token, for the same token of a prompt with as many tokens; another length is an
            error. Integers: these tokens, as in the parameter ``positions`` of the class.
        to : int or sequence of int, optional
            Tokens of the edited prompt, as many as of the other one. None: the same.

        Returns
        -------
        Edit

        Examples
        --------
        >>> from neurotopo import Edit, Fact
        >>> from neurotopo.models.examples import random_model
        >>> model = random_model("gpt2")
        >>> edit = Edit.from_prompt(model, [(0, 3), (2, 1)], "The capital of Italy is")
        >>> len(edit.value), edit.positions
        (2, 'last')
        >>> fact = Fact("The capital of France is _X_", "Paris")
        >>> model.answer_probability(fact, edits=[None, edit]).shape
        (2,)
        """
        neurons = neurons if isinstance(neurons, NeuronSet) else NeuronSet(neurons)
        neurons.check(model.n_layers, model.n_neurons)
        if not isinstance(positions, str):
            positions = _positions(positions)
        all_values = np.asarray(model.activations(prompt, positions), dtype=np.float64)
        if all_values.ndim == 2:
            all_values = all_values[:, None]
        # the indices of layers and neurons broadcast around the slice of positions
        chosen = all_values[neurons.layers, :, neurons.indices]
        n_positions = all_values.shape[1]
        if to is not None:
            target: Any = _positions(to)
            if isinstance(target, str) or len(target) != n_positions:
                raise ValueError(
                    f"to must have one token for each token of the other prompt, {n_positions}, "
                    f"got {to!r}."
                )
        elif isinstance(positions, str):
            target = "all" if positions == "all" else "last"
        else:
            target = positions
        return cls(neurons, positions=target, value=chosen)

    @property
    def keeps_prefix(self) -> bool:
        """Whether the edit leaves the tokens before those of the answer unchanged."""
        return self.positions == "last" or not len(self.neurons)

    @property
    def needs_fact(self) -> bool:
        """Whether the edited positions depend on the prompt."""
        return self.positions != "all" or self.n_columns is not None

    @property
    def n_columns(self) -> int | None:
        """Number of positions with values of their own; None if all have the same."""
        first = self.value[0] if isinstance(self.value, tuple) and self.value else None
        return len(first) if isinstance(first, tuple) else None

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """Values, shape (n_neurons, n_columns or 1), in the order of the neurons."""
        array = np.asarray(self.value, dtype=np.float64)
        if array.ndim == 0:
            return np.full((len(self.neurons), 1), float(array))
        return array if array.ndim == 2 else array[:, None]


def _positions(given: Any) -> Any:
    """Return positions as "all", "last" or a tuple of different integers."""
    if isinstance(given, str):
        if given not in POSITIONS:
            raise ValueError(
                f"positions must be 'all' or 'last', got {given!r}; tokens of the prompt are "
                "integers."
            )
        return given
    try:
        found = tuple(
            operator.index(each) for each in (given if isinstance(given, Iterable) else (given,))
        )
    except TypeError:
        raise TypeError(f"positions must be 'all', 'last' or integers, got {given!r}.") from None
    if not found or len(set(found)) < len(found):
        raise ValueError(f"positions must be different tokens, at least one, got {given!r}.")
    return found


def _value_array(value: Any, neurons: NeuronSet, given: Any) -> NDArray[np.float64]:
    """Return values in the order of the set: one, (n_neurons,) or (n_neurons, n_positions)."""
    if isinstance(value, Mapping):
        value, given = _of_mapping(value, neurons), neurons
    array = _numbers(value)
    n = len(neurons)
    if array.ndim > 2 or (array.ndim and len(array) != len(given)):
        raise ValueError(
            f"value must be a number, one per neuron, shape ({n},), or one per neuron and "
            f"position, shape ({n}, n_positions); got shape {array.shape}."
        )
    if array.ndim == 2 and not array.shape[1]:
        raise ValueError(f"value has no positions: its shape is {array.shape}.")
    if array.ndim and given is not neurons:
        array = _in_order(array, neurons, given)
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(np.argwhere(bad)[0].tolist())
        where = f" of neuron {neurons[first[0]]}" if first else ""
        raise ValueError(f"value must be finite; that{where} is {array[first]}.")
    return array


def _in_order(array: NDArray[np.float64], neurons: NeuronSet, given: Any) -> NDArray[np.float64]:
    """Return rows in the order of the set; ``given`` are the neurons as they were given."""
    if isinstance(given, Set) and len(given) > 1:
        raise ValueError(
            "a set of neurons has no order for an array of values; give a NeuronSet or a list of "
            "neurons, or value as a mapping."
        )
    if len(given) != len(neurons):
        raise ValueError("a neuron occurs twice, so that an array of values gives it two.")
    rows = {(int(layer), int(index)): row for row, (layer, index) in enumerate(given)}
    return array[[rows[neuron] for neuron in neurons]]


def _of_mapping(value: Mapping[Any, Any], neurons: NeuronSet) -> list[Any]:
    """Return the entries of a mapping in the order of the neurons."""
    keys = {(int(layer), int(index)): entry for (layer, index), entry in value.items()}
    missing = [neuron for neuron in neurons if neuron not in keys]
    extra = [key for key in keys if key not in neurons]
    if missing or extra:
        what = f"has no entry for neuron {missing[0]}" if missing else f"has {extra[0]}"
        raise ValueError(f"value {what}; a mapping has one entry for each neuron of the edit.")
    return [keys[neuron] for neuron in neurons]


def _numbers(value: ArrayLike) -> NDArray[np.float64]:
    if hasattr(value, "detach"):  # a tensor; NumPy has no bfloat16
        tensor: Any = value.detach().cpu()
        value = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError("value must have equally many numbers for each neuron.") from None
    if array.dtype.kind not in "iuf" and array.size:
        kind = {"c": "complex numbers", "b": "booleans"}.get(array.dtype.kind, f"{array.dtype}")
        raise TypeError(f"value must be real numbers, got {kind}.")
    return array.astype(np.float64)


def _frozen(array: NDArray[np.float64]) -> Value:
    """Return an array as nested tuples, which are hashable."""
    found: Any = array.tolist()
    if array.ndim == 2:
        return tuple(map(tuple, found))
    return tuple(found) if array.ndim else float(found)


EditRow = tuple[Edit, ...]
Rows = Sequence[Edit | Sequence[Edit] | None]


def as_rows(edits: Rows, n_layers: int, n_neurons: int) -> list[EditRow]:
    """Convert every row to a tuple of edits, and check the neurons."""
    rows: list[EditRow] = []
    for number, row in enumerate(edits):
        if row is None:
            row = ()
        elif isinstance(row, Edit):
            row = (row,)
        row = tuple(row)
        for edit in row:
            if not isinstance(edit, Edit):
                raise TypeError(
                    f"edits[{number}] must be an Edit, a sequence of Edits or None, got "
                    f"{type(edit).__name__}."
                )
            edit.neurons.check(n_layers, n_neurons)
        rows.append(row)
    return rows


def rows_of_facts(edits: Rows, n_facts: int, n_layers: int, n_neurons: int) -> list[EditRow]:
    """Convert edits to one row per fact."""
    rows = as_rows(edits, n_layers, n_neurons)
    if len(rows) != n_facts:
        raise ValueError(f"edits must hold one entry per fact: {n_facts}, got {len(rows)}.")
    return rows
