"""One forward and backward pass over points of many paths, with values replaced by hooks.

:mod:`neurotopo.models.path_layouts` arranges the points in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from neurotopo.models.answer_head import Contrast, answering
from neurotopo.models.evaluation import upcast_half
from neurotopo.models.passes import PassSettings
from neurotopo.models.path_layouts import LateBlocks, Layout
from neurotopo.models.projections import check_called

__all__ = ["Line", "Wave", "WaveResult"]


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


class _Replaced(torch.autograd.Function):
    """Values with a replaced block.

    The backward pass returns the gradient of all values unchanged. It should be zero in the
    replaced block, but nothing before the block needs it there, and writing zeros takes time.
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
        """Return the gradient."""
        return gradient, gradient[ctx.where], None


@dataclass
class _Late:
    """Hooks with which the points of a layer join after it.

    The out-projection computes them with the rest. The output of the layer at a point is that of
    the unedited piece, with the output of the MLP exchanged. This is right if the layer adds the
    two, so that their gradients are equal; ``is_sum`` says whether they are.
    """

    layout: LateBlocks
    layer: int
    is_sum: bool = False
    points: torch.Tensor = field(init=False)
    unedited: torch.Tensor = field(init=False)
    slope: torch.Tensor | None = None

    def split(self, module: Any, args: Any, output: Any) -> Any:
        """Return the output of the out-projection without the points."""
        flat, layout = output.dim() == 2, self.layout
        output = layout.arrange(output) if flat else output
        n_tokens = layout.n_tokens_before(self.layer)
        self.points = output[:, n_tokens:]
        output = output[:, :n_tokens].clone()  # some families add to it in place
        self.unedited = upcast_half(output[:, : layout.n_tokens].detach().clone())
        output.register_hook(self._compare)
        return output.flatten(0, 1) if flat else output

    def join(self, module: Any, args: Any, output: Any) -> Any:
        """Append the points to the output of the layer."""
        hidden = output[0] if isinstance(output, tuple) else output
        hidden.register_hook(self._keep)
        whole = upcast_half(hidden[:, : self.layout.n_tokens].detach())
        rest = whole - self.unedited.to(whole.device)  # that of the MLP may be another one
        repeat = self.points.shape[1] // self.layout.n_tokens
        points = upcast_half(self.points).to(rest.device) + rest.repeat(1, repeat, 1)
        points = points.to(hidden.dtype)
        hidden = torch.cat([hidden, points], dim=1)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _keep(self, gradient: torch.Tensor) -> None:
        self.slope = gradient

    def _compare(self, gradient: torch.Tensor) -> None:
        slope, self.slope = self.slope, None
        self.is_sum = slope is not None and torch.equal(slope.to(gradient.device), gradient)


@dataclass
class WaveResult:
    """Result of a wave.

    Attributes
    ----------
    unedited : torch.Tensor, shape (n_lines,)
        Log-probability of the targets, or their contrast with foils.
    log_p : dict of int to torch.Tensor, shape (n_lines, n_points)
        The same at the points of each layer.
    gradients : dict of int to torch.Tensor, shape (n_lines, n_points, n_positions, n_neurons)
        Its gradients with respect to the values.
    ends : dict of int to torch.Tensor, shape (n_lines, n_positions, n_neurons)
        Its gradients of all layers without replaced values, if requested.
    is_sum : bool
        Whether the output of every layer is a sum with the output of its MLP as one of the terms,
        as :class:`~neurotopo.models.path_layouts.LateBlocks` assumes. If not, the rest is wrong.
    """

    unedited: torch.Tensor
    log_p: dict[int, torch.Tensor]
    gradients: dict[int, torch.Tensor]
    ends: dict[int, torch.Tensor]
    is_sum: bool = True


@dataclass
class Wave:
    """One forward and backward pass.

    Attributes
    ----------
    settings : PassSettings
        The model.
    lines : sequence of Line
        The paths, one for each piece of the layout.
    fractions : torch.Tensor
        Positions of the points on the paths.
    layout : Layout
        Arrangement of the points in the batch.
    at_ends : bool, default=False
        Also compute gradients at the ends of all paths, the values of the unedited piece.
    """

    settings: PassSettings
    lines: Sequence[Line]
    fractions: torch.Tensor
    layout: Layout
    at_ends: bool = False
    leaves: dict[int, torch.Tensor] = field(default_factory=dict)
    ends: dict[int, torch.Tensor] = field(default_factory=dict)
    late: dict[int, _Late] = field(default_factory=dict)

    def run(self, keys: Any | None) -> WaveResult:
        """Run the model forward and backward, with keys of the prefix for the layout."""
        settings, layout = self.settings, self.layout
        arguments = layout.arguments(settings, keys)
        first = 0 if self.at_ends else min(layout.points)
        head = settings.plain_head  # may run the model, so before the hooks
        with ExitStack() as hooks:
            for layer in range(first, len(settings.mlps)):
                mlp = settings.mlps[layer]
                handle = mlp.layer.register_forward_pre_hook(self._enter(layer), with_kwargs=True)
                hooks.callback(handle.remove)
                if self.at_ends or layer in layout.points:
                    handle = mlp.out.module.register_forward_pre_hook(self._replace(layer))
                    hooks.callback(handle.remove)
                if isinstance(layout, LateBlocks) and layer in layout.points:
                    late = self.late[layer] = _Late(layout, layer)
                    handle = mlp.out.module.register_forward_hook(late.split)
                    hooks.callback(handle.remove)
                    handle = mlp.layer.register_forward_hook(late.join)
                    hooks.callback(handle.remove)
            log_p = self._answer(arguments, head)
        check_called(settings.mlps, self.leaves, layout.points)
        unedited, rows = layout.places()
        # a repeated point counts once
        total = log_p[torch.cat([unedited, *(part.flatten() for part in rows.values())])].sum()
        gradients = torch.autograd.grad(total, list(self.leaves.values()))
        log_p = log_p.detach()
        # hooks in the graph refer to this object: without this, both stay in memory
        for late in self.late.values():
            late.points = late.points.detach()
        return WaveResult(
            unedited=log_p[unedited],
            log_p={layer: log_p[part] for layer, part in rows.items()},
            gradients=dict(zip(self.leaves, map(upcast_half, gradients), strict=True)),
            ends=self.ends,
            is_sum=all(late.is_sum for late in self.late.values()),
        )

    def _enter(self, layer: int) -> Any:
        """Return a hook that adds the points of a layer."""

        def hook(module: Any, args: Any, kwargs: Any) -> Any:
            kwargs = {
                name: self.layout.join(value, layer)
                if name == "hidden_states"
                else self.layout.grow(name, value, layer)
                for name, value in kwargs.items()
            }
            if args:
                rest = (self.layout.grow("", value, layer) for value in args[1:])
                args = (self.layout.join(args[0], layer), *rest)
            return args, kwargs

        return hook

    def _replace(self, layer: int) -> Any:
        """Return a hook that replaces the values of the points by those of the paths."""

        def hook(module: Any, args: Any) -> Any:
            given = args[0]  # some families flatten rows and tokens into one axis
            layout = self.layout
            values = layout.arrange(given) if given.dim() == 2 else given
            if layer in layout.points:
                block, where = layout.block(self._leaf(layer, given), layer)
                if isinstance(layout, LateBlocks):
                    values = torch.cat([values, block], dim=1)
                else:
                    values = _Replaced.apply(values, block, where)  # type: ignore[no-untyped-call]
            if self.at_ends:
                values.register_hook(self._keep_ends(layer))
            values = values.flatten(0, 1) if given.dim() == 2 else values
            return (values, *args[1:])

        return hook

    def _keep_ends(self, layer: int) -> Any:
        def hook(gradient: torch.Tensor) -> None:
            self.ends[layer] = upcast_half(gradient[self.layout.unedited()].clone())

        return hook

    def _leaf(self, layer: int, given: torch.Tensor) -> torch.Tensor:
        fractions = self.fractions[list(self.layout.points[layer])]
        leaf = torch.stack([line.at(layer, fractions) for line in self.lines])
        leaf = leaf.to(given.device, given.dtype).detach().requires_grad_(True)
        self.leaves[layer] = leaf
        return leaf

    def _answer(self, arguments: dict[str, Any], head: Any | None) -> torch.Tensor:
        """Run the model and return the log-probability of the targets in every piece."""
        pieces = self.layout.pieces
        targets = torch.tensor([p.targets for p in pieces], device=self.settings.device)
        hf_model = self.settings.hf_model
        targets = targets[self.layout.owners()]
        read_at, n_tokens = pieces[0].read_at, self.layout.n_tokens
        contrast = None
        if pieces[0].foils:
            compared = [(*piece.targets, *piece.foils) for piece in pieces]
            contrast = Contrast(compared, self.layout.owners())
        if head is not None:
            with answering(head, n_tokens, read_at, targets, contrast):
                log_p: torch.Tensor = hf_model(**arguments).logits
            return log_p
        logits = hf_model(**arguments).logits
        logits = upcast_half(logits.reshape(-1, n_tokens, logits.shape[-1])[:, read_at])
        if contrast is not None:
            return contrast.of_logits(logits[:, 0])
        picked = logits.gather(2, targets.to(logits.device)[..., None])[..., 0]
        return (picked - logits.logsumexp(dim=2)).sum(dim=1)
