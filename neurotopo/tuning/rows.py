"""Rows of some neurons in one projection: a compact parameter of a frozen matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from neurotopo.models.projections import Projection

__all__ = ["ProjectionRows"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class ProjectionRows(nn.Module):
    """Rows of one projection as a separate parameter, with a copy of their first values.

    The matrix is frozen. Changed rows are written into it, so the module itself computes the
    forward pass, from the same matrix as after a merge.

    Parameters
    ----------
    projection : Projection
    indices : torch.Tensor of int64, shape (k,)
        The neurons, each once.
    reads : bool
        True for an in-projection, False for an out-projection.
    bias : bool
        Train the entries of the bias too, if there is one.

    Attributes
    ----------
    weight : torch.nn.Parameter, shape (k, d_model)
        The rows.
    bias : torch.nn.Parameter or None, shape (k,)
        The entries of the bias; None if they are not trained.
    """

    indices: torch.Tensor
    base_weight: torch.Tensor
    base_bias: torch.Tensor | None

    def __init__(
        self, projection: Projection, indices: torch.Tensor, *, reads: bool, bias: bool
    ) -> None:
        super().__init__()
        self.projection = projection
        self.reads = reads
        _check(projection.readable(), projection.name)
        # Conv1D stores (in, out), so its neurons are on the other axis
        self.transposed = projection.neuron_axis == (1 if reads else 0)
        self.register_buffer("indices", indices.to(projection.weight.device), persistent=False)
        rows = projection.weight.detach().index_select(projection.neuron_axis, self.indices)
        rows = (rows if projection.neuron_axis == 0 else rows.T).clone(
            memory_format=torch.contiguous_format
        )
        self.register_buffer("base_weight", rows, persistent=False)
        self.weight = nn.Parameter(rows.clone())
        self.register_buffer("base_bias", None, persistent=False)
        self.bias: nn.Parameter | None = None
        if bias and reads and projection.bias is not None:
            _check(projection.bias, f"{projection.name} (its bias)")
            entries = projection.bias.detach().index_select(0, self.indices)
            self.register_buffer("base_bias", entries, persistent=False)
            self.bias = nn.Parameter(entries.clone())
        self._active = False
        self._written: Any = None  # state of the parameters at the last write
        self._contents = 0  # number of writes with new values
        self._own_writes = 0
        self._forward: _TunedForward | None = None

    # The matrix

    def sync(self, *, active: bool | None = None, force: bool = False) -> None:
        """Write the trained (``active``) or the first rows into the matrix, as needed.

        ``active=None`` does not switch. ``force`` writes even without a known change, as PyTorch
        does not count changes through ``tensor.data``.
        """
        active = self._active if active is None else active
        if not active:
            if self._active:
                self._write(self.base_weight, self.base_bias)
                self._active = False
            return
        now = (_state(self.weight), None if self.bias is None else _state(self.bias))
        changed = force or now != self._written
        if changed or not self._active:
            self._write(self.weight, self.bias)
        if changed:
            self._contents += 1
            self._written = now
        self._active = True

    @torch.no_grad()
    def _write(self, rows: torch.Tensor, entries: torch.Tensor | None) -> None:
        weight, axis = self.projection.weight.detach(), self.projection.neuron_axis
        # in place and counted by PyTorch, so that a backward pass detects the change
        weight.index_copy_(axis, self.indices, rows.detach() if axis == 0 else rows.detach().T)
        self._own_writes += 1
        if entries is not None and self.projection.bias is not None:
            self.projection.bias.detach().index_copy_(0, self.indices, entries.detach())

    @torch.no_grad()
    def read(self) -> None:
        """Read the trained rows from the matrix."""
        weight, axis = self.projection.weight.detach(), self.projection.neuron_axis
        rows = weight.index_select(axis, self.indices)
        self.weight.copy_(rows if axis == 0 else rows.T)
        if self.bias is not None and self.projection.bias is not None:
            self.bias.copy_(self.projection.bias.detach().index_select(0, self.indices))

    @property
    def counts(self) -> tuple[int, int]:
        """Number of writes into the matrix, and of writes with new values if they are in it."""
        return self._own_writes, self._contents if self._active else 0

    @property
    def is_active(self) -> bool:
        """Whether the trained rows are in the matrix."""
        return self._active

    # The forward

    def attach(self) -> None:
        """Replace the forward of the module by one with gradients for the compact rows.

        Rows of two projections in one module share the forward.
        """
        module = self.projection.module
        forward = vars(module).get("forward")
        if isinstance(forward, _TunedForward) and forward.is_attached:
            forward.parts.append(self)
        else:
            forward = _TunedForward(self, module, module.forward, replaced=forward)
            vars(module)["forward"] = forward
        self._forward = forward

    def detach(self) -> None:
        """Restore the forward of the module."""
        forward, self._forward = self._forward, None
        if forward is not None:
            forward.restore()


class _TunedForward:
    """Forward of a module with trained rows; an object, so that it can be copied."""

    def __init__(
        self,
        rows: ProjectionRows,
        module: nn.Module,
        original: Callable[[torch.Tensor], torch.Tensor],
        replaced: Any,
    ) -> None:
        self.parts = [rows]
        self.module = module
        self.original = original
        self.replaced = replaced
        self.is_attached = True

    def restore(self) -> None:
        """Restore the forward that was replaced. Idempotent."""
        if not self.is_attached:
            return
        if self.replaced is None:
            vars(self.module).pop("forward", None)
        else:
            vars(self.module)["forward"] = self.replaced
        self.is_attached = False

    @property
    def matrix(self) -> torch.Tensor:
        """The whole stored matrix, of all parts."""
        weight: torch.Tensor = self.module.weight  # type: ignore[assignment]
        return weight

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes exactly when the numbers in the matrix change.

        Switching the rows off and on again restores it.
        """
        weight = self.matrix
        own, contents = zip(*(rows.counts for rows in self.parts), strict=True)
        return weight.data_ptr(), weight._version - sum(own), *contents

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        for rows in self.parts:
            rows.sync()
        if not self.parts[0].is_active or not torch.is_grad_enabled():
            return self.original(input)
        trained = [each for rows in self.parts for each in (rows.weight, rows.bias)]
        tuned: Any = _TunedLinear  # PyTorch has no types for it
        result: torch.Tensor = tuned.apply(input, self, *trained)
        return result


class _TunedLinear(torch.autograd.Function):
    """A linear module with gradients for its input and for some of its rows.

    The arguments are the input, the forward, and the weight and the bias or None of each part.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, tuned: _TunedForward, *trained: torch.Tensor | None
    ) -> torch.Tensor:
        result = tuned.original(x)
        rows = tuned.parts[0]
        ctx.tuned = tuned
        ctx.x_shape, ctx.x_dtype = x.shape, x.dtype
        if ctx.needs_input_grad[0]:
            # The matrix may change and change back before the backward pass.
            ctx.matrix, ctx.stamp = tuned.matrix.detach(), tuned.stamp()
        kept = None
        if any(ctx.needs_input_grad[2::2]):
            kept = x.reshape(-1, x.shape[-1])
            if not rows.reads:  # only the values of trained neurons are needed
                kept = kept.index_select(1, rows.indices)
            # under autocast the precision of the module differs from that of its input
            kept = kept.to(result.dtype)
        ctx.save_for_backward(kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        tuned: _TunedForward = ctx.tuned
        first = tuned.parts[0]
        (kept,) = ctx.saved_tensors
        grad_x = None
        gradients: list[torch.Tensor | None] = []
        flat = grad.reshape(-1, grad.shape[-1])
        with torch.autocast(grad.device.type, enabled=False):
            if ctx.needs_input_grad[0]:
                if tuned.stamp() != ctx.stamp:
                    raise RuntimeError(
                        f"the rows of {first.projection.name} were changed between a forward and "
                        "its backward: call backward before optimizer.step()."
                    )
                matrix = ctx.matrix.to(flat.dtype)
                grad_x = flat @ (matrix.T if first.transposed else matrix)
                grad_x = grad_x.reshape(ctx.x_shape).to(ctx.x_dtype)
            for i, rows in enumerate(tuned.parts):
                of_weight, of_bias = ctx.needs_input_grad[2 + 2 * i : 4 + 2 * i]
                chosen = flat
                if rows.reads and (of_weight or of_bias):
                    chosen = flat.index_select(1, rows.projection.entries(rows.indices))
                grad_weight = grad_bias = None
                if of_weight:
                    grad_weight = chosen.T @ kept if rows.reads else kept.T @ chosen
                    grad_weight = grad_weight.to(rows.weight.dtype)
                if of_bias and rows.bias is not None:
                    grad_bias = chosen.sum(0).to(rows.bias.dtype)
                gradients += [grad_weight, grad_bias]
        return grad_x, None, *gradients


def _state(parameter: torch.Tensor) -> tuple[int, int]:
    return parameter.data_ptr(), parameter._version


def _check(tensor: torch.Tensor, name: str) -> None:
    kind = f"{type(tensor.data).__name__} of {str(tensor.dtype).removeprefix('torch.')}"
    for wrong, reason in (
        (tensor.is_meta, "are not in memory (offloaded or sharded?)"),
        (tensor.dtype not in _DTYPES, f"are quantised or sharded ({kind})"),
        (type(tensor.detach()) is not torch.Tensor, f"are quantised or sharded ({kind})"),
        (tensor.is_inference(), "were made in torch.inference_mode"),
    ):
        if wrong:
            raise ValueError(f"the weights of {name} {reason} and cannot be trained.")
