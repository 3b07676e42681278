"""Edits that suppress, enhance or scale neurons, many of them in one batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.projections import MLP
from neurotopo.neurons import NeuronSet

__all__ = ["Edit", "EditRow", "LayerEdits", "RowEdits", "Rows", "as_rows", "rows_of_facts"]

WHERE = ("values", "weights")
POSITIONS = ("all", "last")


@dataclass(frozen=True)
class Edit:
    """Scale some neurons by a factor.

    Parameters
    ----------
    neurons : NeuronSet or iterable of (layer, index)
    scale : float, default=0.0
        A finite factor: 0 suppresses, 2 enhances, 1 changes nothing.
    where : {"values", "weights"}, default="values"
        ``"values"`` scales the neurons' values, the input of the out-projection. ``"weights"``
        scales all weights of a neuron: its row of the in-projection (both rows in a gated MLP),
        its bias there and its row of the out-projection. With ``scale=0`` both give the same
        model.
    positions : {"all", "last"}, default="all"
        Tokens whose values are scaled: all, or only those that predict the answer (the last token
        of the prompt and the answer's tokens but the last; the mask in masked models). ``"last"``
        lets a causal model compute the prompt once for any number of edits. With either, edits of
        one call share the layers before those where they differ. Weights act at all positions.

    Examples
    --------
    >>> from neurotopo import Edit
    >>> Edit([(0, 3), (2, 1)])
    Edit(neurons=NeuronSet([(0, 3), (2, 1)]), scale=0.0, where='values', positions='all')
    """

    neurons: NeuronSet
    scale: float = 0.0
    where: Literal["values", "weights"] = "values"
    positions: Literal["all", "last"] = "all"

    def __post_init__(self) -> None:
        if not isinstance(self.neurons, NeuronSet):
            object.__setattr__(self, "neurons", NeuronSet(self.neurons))
        if not math.isfinite(self.scale):
            raise ValueError(f"scale must be a finite number, got {self.scale}.")
        if self.where not in WHERE:
            raise ValueError(f"where must be 'values' or 'weights', got {self.where!r}.")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions must be 'all' or 'last', got {self.positions!r}.")
        if self.where == "weights" and self.positions == "last":
            raise ValueError(
                "an edit of weights acts at all positions; positions='last' is for values."
            )

    @property
    def keeps_prefix(self) -> bool:
        """Whether the edit leaves the tokens before those of the answer unchanged."""
        return self.positions == "last" or not len(self.neurons)


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


@dataclass(frozen=True)
class _Touched:
    """All edited neurons in flat arrays: row, neuron and factor."""

    row: NDArray[np.intp]
    layer: NDArray[np.intp]
    index: NDArray[np.intp]
    scale: NDArray[np.float64]

    @classmethod
    def by(cls, rows: Sequence[EditRow], wanted: Callable[[Edit], bool]) -> _Touched:
        held = [(number, e) for number, row in enumerate(rows) for e in row if wanted(e)]
        sizes = [len(e.neurons) for _, e in held]
        nothing = [np.empty(0, dtype=np.intp)]
        return cls(
            np.repeat(np.array([number for number, _ in held], dtype=np.intp), sizes),
            np.concatenate([e.neurons.layers for _, e in held] or nothing),
            np.concatenate([e.neurons.indices for _, e in held] or nothing),
            np.repeat(np.array([e.scale for _, e in held]), sizes),
        )

    def factors(self, n_rows: int) -> dict[int, _Factors]:
        """Return the factors of every edited layer."""
        if not len(self.layer):
            return {}
        order = np.argsort(self.layer, kind="stable")
        layers, first = np.unique(self.layer[order], return_index=True)
        result = {}
        for layer, at in zip(layers.tolist(), np.split(order, first[1:]), strict=True):
            neurons, column = np.unique(self.index[at], return_inverse=True)
            factors = np.ones((n_rows, len(neurons)))
            np.multiply.at(factors, (self.row[at], column), self.scale[at])
            result[layer] = _Factors(torch.from_numpy(neurons), torch.from_numpy(factors))
        return result


@dataclass(frozen=True)
class _Factors:
    """Factors of one projection: rows of edits times edited neurons."""

    neurons: torch.Tensor  # (c,)
    factors: torch.Tensor  # (n_rows, c), float64

    def select(self, rows: torch.Tensor) -> _Factors:
        return _Factors(self.neurons, self.factors[rows])

    def on(self, x: torch.Tensor) -> _Factors:
        return _Factors(self.neurons.to(x.device), self.factors.to(x.device, x.dtype))

    def scale(self, x: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Return ``x``, shape (n_rows, n_tokens, n_neurons), scaled; ``where``: (rows, tokens)."""
        local = self.on(x)
        factors = local.factors[:, None, :]
        if where is not None:
            factors = torch.where(where.to(x.device)[:, :, None], factors, torch.ones_like(factors))
        return x.index_copy(-1, local.neurons, x.index_select(-1, local.neurons) * factors)


@dataclass(frozen=True)
class LayerEdits:
    """The edits of one layer for the rows of a batch.

    Attributes
    ----------
    values, last, inputs : factors or None
        Of values at all positions, of values at the positions that predict the answer, and of
        in-rows with their biases.
    """

    values: _Factors | None
    last: _Factors | None
    inputs: _Factors | None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return next(len(part.factors) for part in self._parts() if part is not None)

    def _parts(self) -> tuple[_Factors | None, ...]:
        return self.values, self.last, self.inputs

    def select(self, rows: torch.Tensor) -> LayerEdits:
        """Return the edits of some rows, in the given order, with repetitions."""
        return LayerEdits(*(f.select(rows) if f is not None else None for f in self._parts()))

    def kinds(self) -> NDArray[np.intp]:
        """Return a number for each row, equal for rows with equal edits, (n_rows,)."""
        factors = [f.factors.numpy() for f in self._parts() if f is not None]
        return np.unique(np.hstack(factors), axis=0, return_inverse=True)[1].reshape(-1)

    def value_factors(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the neurons whose values are scaled, and their factors.

        ``at`` is that of :meth:`applied`. The factors have shape (n_rows, n_tokens or 1,
        n_neurons).
        """
        parts = [f for f in (self.values, self.last) if f is not None]
        neurons = torch.unique(torch.cat([part.neurons for part in parts]))
        factors = torch.ones(self.n_rows, 1, len(neurons), dtype=torch.float64)
        if self.values is not None:
            factors[:, :, torch.searchsorted(neurons, self.values.neurons)] *= self.values.factors[
                :, None
            ]
        if self.last is not None:
            factors = factors.repeat(1, at.shape[1], 1)
            column = torch.searchsorted(neurons, self.last.neurons)
            last = torch.where(at[:, :, None], self.last.factors[:, None], 1.0)
            factors[:, :, column] *= last
        return neurons, factors

    @contextmanager
    def applied(self, mlp: MLP, at: torch.Tensor) -> Iterator[None]:
        """Apply the edits to the forward passes of a block, by hooks.

        ``at``, (n_rows or 1, n_tokens), marks the positions that predict the answer, for
        ``positions="last"``.
        """
        n_tokens, n_calls = at.shape[1], 0

        def before_out(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            nonlocal n_calls
            n_calls += 1
            # some families flatten rows and tokens into one axis
            x = args[0].reshape(-1, n_tokens, args[0].shape[-1])
            if self.values is not None:
                x = self.values.scale(x)
            if self.last is not None:
                x = self.last.scale(x, at)
            return (x.reshape(args[0].shape), *args[1:])

        def after_in(
            inputs: _Factors, module: torch.nn.Module, args: tuple[Any, ...], output: Any
        ) -> Any:
            x = output.reshape(-1, n_tokens, output.shape[-1])
            return inputs.scale(x).reshape(output.shape)

        with ExitStack() as hooks:
            handle = mlp.out.module.register_forward_pre_hook(before_out)
            hooks.callback(handle.remove)
            if self.inputs is not None:
                for projection in mlp.in_projections:
                    entries = projection.entries(self.inputs.neurons)
                    inputs = _Factors(entries, self.inputs.factors)
                    handle = projection.module.register_forward_hook(partial(after_in, inputs))
                    hooks.callback(handle.remove)
            yield
        if not n_calls:
            raise RuntimeError(
                f"{mlp.out.name} was never called, so the edits of its layer had no effect: the "
                "model computes its MLP another way."
            )


class RowEdits:
    """One combination of edits for every row of a batch, applied by hooks in a forward pass.

    Edits of weights scale values as well: scaling a neuron's row and bias of the linear
    in-projection scales its output, and scaling its row of the out-projection scales its value. So
    rows of one batch may differ in their weights.

    Parameters
    ----------
    rows : sequence of tuple of Edit
        The edits of each row. Factors on the same neuron multiply.

    Attributes
    ----------
    layers : dict of int to LayerEdits
        The edits of each edited layer, in ascending order.
    """

    def __init__(self, rows: Sequence[EditRow]) -> None:
        self.n_rows = len(rows)
        values, last, inputs = (
            _Touched.by(rows, wanted).factors(len(rows))
            for wanted in (
                lambda e: e.positions == "all",
                lambda e: e.positions == "last",
                lambda e: e.where == "weights",
            )
        )
        self.layers = {
            layer: LayerEdits(values.get(layer), last.get(layer), inputs.get(layer))
            for layer in sorted({*values, *last})
        }

    def select(self, rows: Iterable[int]) -> RowEdits:
        """Return the edits of some rows, in the given order, with repetitions."""
        index = torch.as_tensor(list(rows), dtype=torch.long)
        chosen = RowEdits([])
        chosen.n_rows = len(index)
        chosen.layers = {layer: edits.select(index) for layer, edits in self.layers.items()}
        return chosen

    @contextmanager
    def applied(self, mlps: Sequence[MLP], at: torch.Tensor) -> Iterator[None]:
        """Apply the edits to the forward passes of a block, by hooks.

        ``at``, (n_rows, n_tokens), marks the positions that predict the answer, for
        ``positions="last"``.
        """
        with ExitStack() as blocks:
            for layer, edits in self.layers.items():
                blocks.enter_context(edits.applied(mlps[layer], at))
            yield
