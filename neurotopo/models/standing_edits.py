"""Edits that are active within a block of code and restored bit for bit at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from neurotopo.models.edits import Edit
from neurotopo.models.projections import MLP, Projection
from neurotopo.models.row_edits import cast_values

__all__ = ["StandingEdits"]


@dataclass
class _Stored:
    """Original rows of one parameter, and their current factors."""

    parameter: torch.Tensor
    axis: int
    indices: torch.Tensor
    original: torch.Tensor
    factor: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.factor = torch.ones(len(self.indices), dtype=torch.float64)

    @classmethod
    def take(cls, parameter: torch.Tensor, axis: int, indices: torch.Tensor) -> _Stored:
        rows = parameter.detach().index_select(axis, indices.to(parameter.device)).clone()
        return cls(parameter, axis, indices, rows)

    def write(self) -> None:
        shape = [1] * self.original.dim()
        shape[self.axis] = -1
        factor = self.factor.to(self.original.device, self.original.dtype).reshape(shape)
        # rows with factor 1 are copied: a product may change the sign of a zero, or a nan
        rows = torch.where(factor == 1, self.original, self.original * factor)
        with torch.no_grad():
            self.parameter.detach().index_copy_(
                self.axis, self.indices.to(self.parameter.device), rows
            )


@dataclass(frozen=True, eq=False)
class _Held:
    edits: tuple[Edit, ...]
    hooks: tuple[Any, ...]


class StandingEdits:
    """The edits that are active on one model.

    Blocks may be nested and may end in any order: the first edit of a row stores it, and each
    change recomputes the row from the stored one and all active edits, so the end of the last
    block restores every bit.

    Parameters
    ----------
    mlps : sequence of MLP
        All layers of the model.
    """

    def __init__(self, mlps: Sequence[MLP]) -> None:
        self._mlps = mlps
        self._held: list[_Held] = []
        self._stored: list[_Stored] = []

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def holding(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Apply edits until the block ends."""
        for edit in edits:
            if edit.needs_fact:
                what = "a value for each position"
                if edit.positions != "all":
                    what = f"positions={edit.positions!r}"
                raise ValueError(
                    f"an edit with {what} needs a fact, so a block of code cannot apply "
                    "it. Pass it to answer_probability(fact, edits=[...])."
                )
        held = _Held(tuple(edits), tuple(self._hook_values(edits)))
        self._held.append(held)
        try:
            self._rewrite()
            yield
        finally:
            for hook in held.hooks:
                hook.remove()
            self._held = [other for other in self._held if other is not held]
            self._rewrite()

    def _hook_values(self, edits: Sequence[Edit]) -> Iterator[Any]:
        for edit in edits:
            if edit.where == "values":
                for layer, indices in edit.neurons.by_layer().items():
                    values = None
                    if edit.value is not None:
                        values = torch.from_numpy(edit.columns[edit.neurons.layers == layer, 0])
                    module = self._mlps[layer].out.module
                    yield module.register_forward_pre_hook(_editor(indices, edit.scale, values))

    def _rewrite(self) -> None:
        """Apply the active edits to the original weights."""
        edits = [e for held in self._held for e in held.edits if e.where == "weights"]
        for stored in self._stored:
            stored.factor.fill_(1.0)
            stored.write()
        self._stored = self._store(edits)
        for edit in edits:
            for stored, positions in self._rows_of(edit):
                stored.factor[positions] *= edit.scale
        for stored in self._stored:
            stored.write()

    def _store(self, edits: Sequence[Edit]) -> list[_Stored]:
        """Copy the rows that any of the edits changes; the weights are the original ones now."""
        stored = []
        touched: dict[int, list[torch.Tensor]] = {}
        for edit in edits:
            for layer, indices in edit.neurons.by_layer().items():
                touched.setdefault(layer, []).append(torch.tensor(indices))
        for layer, parts in touched.items():
            indices = torch.unique(torch.cat(parts))
            for parameter, axis in self._parameters(layer):
                stored.append(_Stored.take(parameter, axis, indices))
        return stored

    def _parameters(self, layer: int) -> Iterator[tuple[torch.Tensor, int]]:
        """Yield every parameter with an axis of neurons, and that axis."""
        mlp = self._mlps[layer]
        for projection in mlp.in_projections:
            yield _editable(projection), projection.neuron_axis
            if projection.bias is not None:
                yield projection.bias, 0
        yield _editable(mlp.out), mlp.out.neuron_axis

    def _rows_of(self, edit: Edit) -> Iterator[tuple[_Stored, torch.Tensor]]:
        for layer, indices in edit.neurons.by_layer().items():
            parameters = [parameter for parameter, _ in self._parameters(layer)]
            for stored in self._stored:
                if any(_is_same(stored.parameter, parameter) for parameter in parameters):
                    yield stored, torch.searchsorted(stored.indices, torch.tensor(indices))


def _is_same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors are the same memory: parts of a matrix are new views each time."""
    return a is b or (a.data_ptr(), a.shape, a.stride()) == (b.data_ptr(), b.shape, b.stride())


def _editable(projection: Projection) -> torch.Tensor:
    if projection.readable().is_meta:
        raise ValueError(
            f"the weights of {projection.name} are not in memory (offloaded?) and cannot be "
            "edited; use where='values'."
        )
    return projection.weight


def _editor(indices: Any, scale: float, values: torch.Tensor | None) -> Any:
    """Return a hook that scales the values of some neurons, or replaces them."""
    neurons = torch.tensor(indices)

    def hook(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x = args[0]
        local = neurons.to(x.device)
        found = x.index_select(-1, local)
        found = found * scale if values is None else cast_values(values, x).expand_as(found)
        return (x.index_copy(-1, local, found), *args[1:])

    return hook
