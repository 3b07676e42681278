"""Many edits in one batch, each of its own row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.edit_places import Places, Spec, spec_of
from neurotopo.models.edits import Edit, EditRow
from neurotopo.models.projections import MLP

__all__ = ["LayerEdits", "RowEdits", "cast_values"]

_EVERYWHERE: Spec = ("all", None)


def cast_values(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return values in the precision and on the device of a tensor."""
    largest = torch.finfo(like.dtype).max
    if values.numel() and float(values.abs().max()) > largest:
        raise ValueError(
            f"an edit has a value of size {float(values.abs().max()):g}, but the values of the "
            f"model are of type {str(like.dtype).removeprefix('torch.')}, at most {largest:g}."
        )
    return values.to(like.device, like.dtype)


@dataclass(frozen=True)
class _Step:
    """One change of the values of a layer's edited neurons (c of them), for every row.

    Attributes
    ----------
    spec : torch.Tensor of int, shape (n_rows,)
        Number of the row's positions in ``specs``; -1: the row does not change.
    scale : torch.Tensor of float64, shape (n_rows, c)
        Factors; 1 where the value does not change or is replaced.
    value : torch.Tensor of float64, shape (n_rows, n_columns, c), or None
        The values that replace others.
    replaced : torch.Tensor of bool, shape (n_rows, c), or None
        Where they do.
    """

    specs: tuple[Spec, ...]
    spec: torch.Tensor
    scale: torch.Tensor
    value: torch.Tensor | None
    replaced: torch.Tensor | None

    def select(self, rows: torch.Tensor) -> _Step:
        value = None if self.value is None else self.value[rows]
        replaced = None if self.replaced is None else self.replaced[rows]
        return _Step(self.specs, self.spec[rows], self.scale[rows], value, replaced)

    def numbers(self) -> list[NDArray[np.float64]]:
        """Return arrays that are equal for rows with equal changes."""
        found = [self.spec[:, None].double(), self.scale]
        if self.value is not None and self.replaced is not None:
            found += [self.replaced.double(), self.value.flatten(1)]
        return [part.numpy() for part in found]

    def apply(self, x: torch.Tensor, places: Places) -> torch.Tensor:
        """Return the values, (n_rows, n_tokens, c), after the change."""
        changed = x * self.scale.to(x.device, x.dtype)[:, None]
        if self.value is None and self.specs == (_EVERYWHERE,):
            return changed
        column = self._columns(places).to(x.device)
        if self.value is not None and self.replaced is not None:
            value = cast_values(self.value, x)
            if value.shape[1] > 1:
                at = column.clamp(min=0)[:, :, None]
                value = value.gather(1, at.expand(-1, -1, value.shape[2]))
            changed = torch.where(self.replaced.to(x.device)[:, None], value, changed)
        return torch.where(column[:, :, None] >= 0, changed, x)

    def _columns(self, places: Places) -> torch.Tensor:
        """Return the column of values of every token, (n_rows, n_tokens); -1 for none."""
        columns = torch.full((len(self.spec), places.n_tokens), -1)
        for number, spec in enumerate(self.specs):
            rows = (self.spec == number).nonzero()[:, 0]
            if len(rows):
                columns[rows] = places.select(rows).columns(spec)
        return columns


@dataclass(frozen=True)
class LayerEdits:
    """The edits of one layer for the rows of a batch.

    Attributes
    ----------
    neurons : torch.Tensor of int, shape (c,)
        The neurons that any row edits, in ascending order.
    steps : tuple
        Changes of their values, in order.
    inputs : torch.Tensor of float64, shape (n_rows, c), or None
        Factors of in-rows with their biases.
    """

    neurons: torch.Tensor
    steps: tuple[_Step, ...]
    inputs: torch.Tensor | None

    def select(self, rows: torch.Tensor) -> LayerEdits:
        """Return the edits of some rows, in the given order, with repetitions."""
        inputs = None if self.inputs is None else self.inputs[rows]
        steps = tuple(step.select(rows) for step in self.steps)
        return replace(self, steps=steps, inputs=inputs)

    def kinds(self) -> NDArray[np.intp]:
        """Return a number for each row, equal for rows with equal edits, (n_rows,)."""
        numbers = [part for step in self.steps for part in step.numbers()]
        if self.inputs is not None:
            numbers.append(self.inputs.numpy())
        return np.unique(np.hstack(numbers), axis=0, return_inverse=True)[1].reshape(-1)

    def edit(self, x: torch.Tensor, places: Places) -> torch.Tensor:
        """Return the edited values of the neurons, shape (n_rows, n_tokens, c)."""
        for step in self.steps:
            x = step.apply(x, places)
        return x

    @contextmanager
    def applied(self, mlp: MLP, places: Places) -> Iterator[None]:
        """Apply the edits to the forward passes of a block, by hooks."""
        n_tokens, n_calls = places.n_tokens, 0

        def before_out(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            nonlocal n_calls
            n_calls += 1
            # some families flatten rows and tokens into one axis
            x = args[0].reshape(-1, n_tokens, args[0].shape[-1])
            neurons = self.neurons.to(x.device)
            x = x.index_copy(-1, neurons, self.edit(x.index_select(-1, neurons), places))
            return (x.reshape(args[0].shape), *args[1:])

        def after_in(
            entries: torch.Tensor, module: torch.nn.Module, args: tuple[Any, ...], output: Any
        ) -> Any:
            assert self.inputs is not None
            x = output.reshape(-1, n_tokens, output.shape[-1])
            entries, factors = entries.to(x.device), self.inputs.to(x.device, x.dtype)
            scaled = x.index_select(-1, entries) * factors[:, None]
            return x.index_copy(-1, entries, scaled).reshape(output.shape)

        with ExitStack() as hooks:
            handle = mlp.out.module.register_forward_pre_hook(before_out)
            hooks.callback(handle.remove)
            if self.inputs is not None:
                for projection in mlp.in_projections:
                    entries = projection.entries(self.neurons)
                    handle = projection.module.register_forward_hook(partial(after_in, entries))
                    hooks.callback(handle.remove)
            yield
        if not n_calls:
            raise RuntimeError(
                f"{mlp.out.name} was never called, so the edits of its layer had no effect: the "
                "model computes its MLP another way."
            )


@dataclass(frozen=True)
class _Touched:
    """Edited neurons of several edits in flat arrays."""

    row: NDArray[np.intp]
    layer: NDArray[np.intp]
    index: NDArray[np.intp]
    edit: NDArray[np.intp]

    @classmethod
    def by(cls, held: Sequence[tuple[int, Edit]]) -> _Touched:
        sizes = [len(edit.neurons) for _, edit in held]
        nothing = [np.empty(0, dtype=np.intp)]
        return cls(
            np.repeat(np.array([row for row, _ in held], dtype=np.intp), sizes),
            np.concatenate([edit.neurons.layers for _, edit in held] or nothing),
            np.concatenate([edit.neurons.indices for _, edit in held] or nothing),
            np.repeat(np.arange(len(held)), sizes),
        )

    def of_layer(self, layer: int) -> NDArray[np.intp]:
        return np.flatnonzero(self.layer == layer)


class RowEdits:
    """One combination of edits for every row of a batch, applied by hooks in a forward pass.

    Edits of weights scale values as well: scaling a neuron's row and bias of the linear
    in-projection scales its output, and scaling its row of the out-projection scales its value. So
    rows of one batch may differ in their weights.

    Parameters
    ----------
    rows : sequence of tuple of Edit
        The edits of each row, which act in their order; those of weights act on the edited values.

    Attributes
    ----------
    layers : dict of int to LayerEdits
        The edits of each edited layer, in ascending order.
    """

    def __init__(self, rows: Sequence[EditRow]) -> None:
        self.n_rows = len(rows)
        steps = [(held, _Touched.by(held)) for held in _steps(rows)]
        weights = [(n, e) for n, row in enumerate(rows) for e in row if e.where == "weights"]
        inputs = _Touched.by(weights)
        self.layers = {
            layer: self._of_layer(layer, steps, weights, inputs)
            for layer in sorted({n for _, touched in steps for n in set(touched.layer.tolist())})
        }

    def _of_layer(
        self,
        layer: int,
        steps: Sequence[tuple[Sequence[tuple[int, Edit]], _Touched]],
        weights: Sequence[tuple[int, Edit]],
        inputs: _Touched,
    ) -> LayerEdits:
        chosen = [(held, touched, touched.of_layer(layer)) for held, touched in steps]
        chosen = [each for each in chosen if len(each[2])]
        neurons = np.unique(np.concatenate([touched.index[at] for _, touched, at in chosen]))
        made = tuple(_step(self.n_rows, neurons, *each) for each in chosen)
        factors, at = None, inputs.of_layer(layer)
        if len(at):
            factors = _factors(self.n_rows, neurons, weights, inputs, at)
        return LayerEdits(torch.from_numpy(neurons), made, factors)

    def select(self, rows: Iterable[int]) -> RowEdits:
        """Return the edits of some rows, in the given order, with repetitions."""
        index = torch.as_tensor(list(rows), dtype=torch.long)
        chosen = RowEdits([])
        chosen.n_rows = len(index)
        chosen.layers = {layer: edits.select(index) for layer, edits in self.layers.items()}
        return chosen

    @contextmanager
    def applied(self, mlps: Sequence[MLP], places: Places) -> Iterator[None]:
        """Apply the edits to the forward passes of a block, by hooks."""
        with ExitStack() as blocks:
            for layer, edits in self.layers.items():
                blocks.enter_context(edits.applied(mlps[layer], places))
            yield


def _steps(rows: Sequence[EditRow]) -> list[list[tuple[int, Edit]]]:
    """Return the edits of all rows by step; factors at equal positions multiply in one step."""
    steps: list[list[tuple[int, Edit]]] = []
    for number, row in enumerate(rows):
        step, before = -1, None
        for edit in sorted(row, key=lambda edit: edit.where == "weights"):
            now = spec_of(edit), edit.value is None
            if now != before or edit.value is not None:
                step += 1
            before = now
            if step == len(steps):
                steps.append([])
            steps[step].append((number, edit))
    return steps


def _factors(
    n_rows: int,
    neurons: NDArray[np.intp],
    held: Sequence[tuple[int, Edit]],
    touched: _Touched,
    at: NDArray[np.intp],
) -> torch.Tensor:
    """Return the product of the factors on every neuron, (n_rows, c)."""
    by_edit = np.array([e.scale if e.value is None else 1.0 for _, e in held])
    factors = np.ones((n_rows, len(neurons)))
    column = np.searchsorted(neurons, touched.index[at])
    np.multiply.at(factors, (touched.row[at], column), by_edit[touched.edit[at]])
    return torch.from_numpy(factors)


def _step(
    n_rows: int,
    neurons: NDArray[np.intp],
    held: Sequence[tuple[int, Edit]],
    touched: _Touched,
    at: NDArray[np.intp],
) -> _Step:
    edits = np.unique(touched.edit[at]).tolist()
    of_edit = {i: spec_of(held[i][1]) for i in edits}
    specs = tuple(dict.fromkeys(of_edit.values()))
    number = np.full(len(held), -1)
    number[edits] = [specs.index(of_edit[i]) for i in edits]
    spec = np.full(n_rows, -1)
    spec[touched.row[at]] = number[touched.edit[at]]
    value = replaced = None
    by_value = [held[i] for i in edits if held[i][1].value is not None]
    if by_value:
        n_columns = max(edit.n_columns or 1 for _, edit in by_value)
        value = np.zeros((n_rows, n_columns, len(neurons)))
        replaced = np.zeros((n_rows, len(neurons)), dtype=bool)
        layer = touched.layer[at[0]]
        for row, edit in by_value:
            here = edit.neurons.layers == layer
            column = np.searchsorted(neurons, edit.neurons.indices[here])
            n = edit.n_columns or n_columns  # one value may be for all positions
            value[row, :n, column] = edit.columns[here]
            replaced[row, column] = True
    return _Step(
        specs,
        torch.from_numpy(spec),
        _factors(n_rows, neurons, held, touched, at),
        None if value is None else torch.from_numpy(value),
        None if replaced is None else torch.from_numpy(replaced),
    )
