"""Gradients of an answer's probability along straight paths of the neurons' values.

For every layer the values of its neurons at the tokens that predict the answer run along a straight
line, while nothing else is touched. A point of one layer's line is one row of a batch. A row is
like the unedited one up to its layer, so it joins the batch there, as a copy of the unedited row;
rows of different layers and points go through the rest of the model together, and one backward
pass gives the gradients of all, since no row depends on another.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.passes import PassSettings, at_least_single, dropout_off
from neurotopo.models.projections import check_called

__all__ = ["Line", "LinePoints", "Piece", "line_points", "without_training"]


_CPU_BYTES = 2 * 2**30
# Larger arrays are usually given back to the system at once, and every page of the next one has
# to be asked for again, which takes as long as the arithmetic.
_CPU_LOGITS = 31 * 2**20
_FEWEST = 64  # fewer rows than that read the weights too often


@dataclass(frozen=True)
class Piece:
    """Tokens of one row, and what they predict.

    Attributes
    ----------
    ids : tuple of int
        The tokens; in a causal model those behind the prefix.
    positions, targets : tuple of int
        ``targets[i]`` is predicted at ``positions[i]``, where the values are replaced, too.
        Positions are consecutive.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """A straight path of the values of all layers.

    Attributes
    ----------
    start, end : torch.Tensor, shape (n_layers, n_positions, n_neurons)
        Values at the two ends, in single or double precision.
    """

    start: torch.Tensor
    end: torch.Tensor

    def at(self, layer: int, fractions: torch.Tensor) -> torch.Tensor:
        """Return points of one layer's path, shape (n_fractions, n_positions, n_neurons)."""
        start, end = self.start[layer], self.end[layer]
        return start + fractions[:, None, None] * (end - start)


@dataclass
class LinePoints:
    """What was found at some points of the paths of all layers.

    Attributes
    ----------
    log_p : ndarray of float64, shape (n_layers, n_points)
        Log-probability of the targets.
    gradient : ndarray, shape (n_layers, n_points, n_positions, n_neurons)
        Its gradient with respect to the values; double precision for such a model, else single.
    unedited : float
        Log-probability of the targets where nothing is replaced.
    """

    log_p: NDArray[np.float64]
    gradient: NDArray[np.floating[Any]]
    unedited: float


@contextmanager
def without_training(hf_model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and the gradients of parameters off for a block, and leave all as it was."""
    trained = [parameter for parameter in hf_model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        with dropout_off(hf_model):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


class _Replaced(torch.autograd.Function):
    """Values with a block replaced.

    The gradient is handed on to the values as a whole: that of the block, which has no part in
    the result, would be zero, but nothing before it in these rows is ever asked for a gradient,
    and to write zeros costs a pass over memory.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, block: torch.Tensor, where: Any) -> torch.Tensor:
        """Replace the block."""
        ctx.where = where
        values = values.clone()
        values[where] = block
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """Hand the gradient on."""
        return gradient, gradient[ctx.where], None


class _TargetLogProbability(torch.autograd.Function):
    """Log-probability of given tokens, (n_rows,), from logits, (n_rows, n_positions, n_tokens).

    As ``log_softmax`` and ``gather`` do, but the gradient is written once: logits are the largest
    array of a pass, and every further array of their size costs as much as the unembedding.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum over the positions."""
        totals = logits.logsumexp(dim=2, keepdim=True)
        ctx.save_for_backward(logits, totals, targets)
        picked = logits[:, torch.arange(len(targets), device=logits.device), targets]
        return (picked - totals[..., 0]).sum(dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """Return the gradient of the logits."""
        logits, totals, targets = ctx.saved_tensors
        slope = torch.sub(logits, totals).exp_().mul_(-gradient[:, None, None])
        slope[:, torch.arange(len(targets), device=logits.device), targets] += gradient[:, None]
        return slope, None


@dataclass
class _Wave:
    """One forward: which points of which layer ride along, and the hooks that let them join."""

    settings: PassSettings
    piece: Piece
    line: Line
    points: dict[int, list[int]]  # layer -> points, in ascending order of both
    fractions: torch.Tensor
    joining: bool
    leaves: dict[int, torch.Tensor] = field(default_factory=dict)

    @property
    def first_row(self) -> dict[int, int]:
        """Row at which each layer's points begin; row 0 is the unedited one."""
        first, row = {}, 1
        for layer, points in self.points.items():
            first[layer] = row
            row += len(points)
        return first

    @property
    def n_rows(self) -> int:
        return 1 + sum(len(points) for points in self.points.values())

    def enter(self, layer: int) -> Any:
        """Let the rows of a layer join: copies of the unedited row."""

        def hook(module: Any, args: Any, kwargs: Any) -> Any:
            if args:
                return (self._joined(args[0], layer), *args[1:]), kwargs
            kwargs = {**kwargs, "hidden_states": self._joined(kwargs["hidden_states"], layer)}
            return args, kwargs

        return hook

    def _joined(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        copies = hidden[:1].expand(len(self.points[layer]), *hidden.shape[1:])
        return torch.cat([hidden, copies])

    def replace(self, layer: int) -> Any:
        """Put the values of the path in the place of the rows' own."""

        def hook(module: Any, args: Any) -> Any:
            given = args[0]
            values = given.reshape(-1, len(self.piece.ids), given.shape[-1])
            first = self.first_row[layer]
            last = first + len(self.points[layer])
            fractions = self.fractions[self.points[layer]].to(values.device)
            leaf = self.line.at(layer, fractions.to(self.line.start.device))
            leaf = leaf.to(values.device, values.dtype).detach().requires_grad_(True)
            self.leaves[layer] = leaf
            begin, end = self.piece.positions[0], self.piece.positions[-1] + 1
            where = (slice(first, last), slice(begin, end))
            values = _Replaced.apply(values, leaf, where)  # type: ignore[no-untyped-call]
            return (values.reshape((*given.shape[:-2], -1, *given.shape[-1:]))
                    if given.dim() == 2 else values, *args[1:])  # fmt: skip

        return hook

    def run(self, cache: Any | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the log-probability of every row and the gradient at every leaf."""
        settings = self.settings
        rows = 1 if self.joining else self.n_rows
        ids = torch.tensor([self.piece.ids] * rows, device=settings.device)
        n_past = 0 if cache is None else cache.get_seq_length()
        arguments: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": torch.ones(
                rows, n_past + ids.shape[1], dtype=torch.long, device=settings.device
            ),
        }
        if settings.causal:
            arguments["use_cache"] = cache is not None
            if cache is not None:
                arguments["past_key_values"] = _growing(cache)
        with ExitStack() as hooks:
            for layer in self.points:
                mlp = settings.mlps[layer]
                if self.joining:
                    handle = mlp.layer.register_forward_pre_hook(
                        self.enter(layer), with_kwargs=True
                    )
                    hooks.callback(handle.remove)
                handle = mlp.out.module.register_forward_pre_hook(self.replace(layer))
                hooks.callback(handle.remove)
            logits = settings.hf_model(**arguments).logits
        check_called(settings.mlps, self.leaves, self.points)
        first, last = self.piece.positions[0], self.piece.positions[-1]
        # positions are consecutive; a slice is not copied, forward or backward
        chosen = at_least_single(logits[:, first : last + 1])
        targets = torch.tensor(self.piece.targets, device=chosen.device)
        log_p = _TargetLogProbability.apply(chosen, targets)  # type: ignore[no-untyped-call]
        leaves = [self.leaves[layer] for layer in self.points]
        return log_p.detach(), list(torch.autograd.grad(log_p.sum(), leaves))


def _growing(cache: Any) -> Any:
    """Return the cache of one sequence for batches whose rows become more from layer to layer."""
    grown = copy.copy(cache)
    grown.layers = [_shared_layer(layer) for layer in cache.layers]
    return grown


def _shared_layer(layer: Any) -> Any:
    if layer.keys is None:  # some layers read the keys of an earlier one
        return layer
    shared, keys, values = copy.copy(layer), layer.keys, layer.values

    def update(new_keys: Any, new_values: Any, *args: Any, **kwargs: Any) -> Any:
        rows = len(new_keys)
        return (
            torch.cat([keys.expand(rows, *keys.shape[1:]), new_keys], dim=-2),
            torch.cat([values.expand(rows, *values.shape[1:]), new_values], dim=-2),
        )

    shared.update = update
    return shared


def line_points(
    settings: PassSettings,
    piece: Piece,
    line: Line,
    fractions: NDArray[np.float64],
    *,
    cache: Any | None = None,
    joining: bool = True,
    batch_size: int | None = None,
) -> LinePoints:
    """Find log-probabilities and gradients at points of every layer's path.

    Parameters
    ----------
    settings : PassSettings
        The model; gradients of its parameters should be off (:func:`without_training`).
    piece : Piece
        The tokens.
    line : Line
        The paths.
    fractions : ndarray, shape (n_points,)
        Where on the paths: 0 is the start, 1 the end.
    cache : optional
        Keys and values of the prefix, of :func:`~neurotopo.models.passes.prefix_cache`.
    joining : bool, default=True
        Let rows join at their layer. Where a family does not allow it, all rows run from the
        first layer on.
    batch_size : int or None, default=None
        Most rows of one forward, the unedited one not counted; None: as memory allows.
    """
    n_layers, n_positions, n_neurons = line.start.shape
    n_points = len(fractions)
    log_p = np.empty((n_layers, n_points))
    shape = (n_layers, n_points, n_positions, n_neurons)
    gradient = np.empty(shape, dtype=np.float64 if line.end.dtype == torch.float64 else np.float32)
    limit = batch_size or _rows_that_fit(settings, piece, cache)
    # points of one layer stand together, so that few forwards start in the first layers
    rows = [(layer, point) for layer in range(n_layers) for point in range(n_points)]
    where = torch.as_tensor(np.asarray(fractions), dtype=line.start.dtype)
    for first in range(0, len(rows), limit):
        points: dict[int, list[int]] = {}
        for layer, point in rows[first : first + limit]:
            points.setdefault(layer, []).append(point)
        wave = _Wave(settings, piece, line, points, where, joining)
        found, gradients = wave.run(cache)
        values = found.cpu().numpy().astype(np.float64)
        for (layer, chosen), part in zip(points.items(), gradients, strict=True):
            begin = wave.first_row[layer]
            log_p[layer, chosen] = values[begin : begin + len(chosen)]
            gradient[layer, chosen] = at_least_single(part).cpu().numpy()
    return LinePoints(log_p, gradient, unedited=float(values[0]))


def _rows_that_fit(settings: PassSettings, piece: Piece, cache: Any | None) -> int:
    """Estimate how many rows a forward and backward have room for."""
    mlp = settings.mlps[0]
    n_past = 0 if cache is None else cache.get_seq_length()
    n_tokens, item = len(piece.ids), mlp.up.weight.element_size()
    vocabulary = settings.hf_model.get_output_embeddings().weight.shape[0]
    # what the backward pass keeps of every layer, on average half of them
    kept = n_tokens * (6 * mlp.up.n_neurons + 16 * mlp.up.width)
    kept += 4 * (n_past + n_tokens) * mlp.up.width
    row = item * kept * (len(settings.mlps) + 1) // 2 + n_tokens * vocabulary * (3 * 4 + item)
    if settings.device.type == "cuda":
        return max(1, int(torch.cuda.mem_get_info(settings.device)[0]) // 2 // row)
    logits = 4 * n_tokens * vocabulary
    return max(1, min(_CPU_BYTES // row, max(_FEWEST, _CPU_LOGITS // logits)))
