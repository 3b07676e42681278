"""Gradients of answers' probabilities along straight paths of the neurons' values.

At the tokens that predict the answer, the values of one layer's neurons follow a straight line.
Points of all layers and of several lines share a forward pass (:mod:`neurotopo.models.path_waves`);
as they are independent, one backward pass gives all gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch

from neurotopo.models.evaluation import dropout_off, fused_activations
from neurotopo.models.passes import PassSettings, free_on_gpu
from neurotopo.models.path_layouts import Blocks, LateBlocks, Layout, Piece
from neurotopo.models.path_waves import Line, Wave, WaveResult

__all__ = ["LinePoints", "line_points", "point_bytes", "rows_that_fit", "without_training"]

_CPU_BYTES = 2**30
_NO_SUMS: WeakSet[torch.nn.Module] = WeakSet()  # models for which LateBlocks is wrong


@dataclass
class LinePoints:
    """Log-probabilities and gradients at points of the paths of all layers.

    Attributes
    ----------
    log_p : torch.Tensor of float64, shape (n_layers, n_points)
        Log-probability of the targets; with foils, minus the logarithm of their mean probability.
    gradient : torch.Tensor, shape (n_layers, n_points, n_positions, n_neurons)
        Its gradient with respect to the values; double precision for such a model, else single.
    unedited : float
        The same without replaced values.
    """

    log_p: torch.Tensor
    gradient: torch.Tensor
    unedited: float


@contextmanager
def without_training(hf_model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and gradients of parameters off for a block, then restore both.

    Gradients of other tensors are on in the block, also within ``torch.no_grad`` and
    ``torch.inference_mode``.
    """
    if any(parameter.is_inference() for parameter in hf_model.parameters()):
        raise ValueError(
            "the weights of the model were made in torch.inference_mode, so there are no "
            "gradients; load the model outside of it."
        )
    trained = [parameter for parameter in hf_model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            dropout_off(hf_model),
            fused_activations(hf_model),
        ):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def line_points(
    settings: PassSettings,
    pieces: Sequence[Piece],
    lines: Sequence[Line],
    fractions: torch.Tensor,
    *,
    layout: type[Layout],
    keys: Any | None = None,
    batch_size: int | None = None,
) -> list[LinePoints]:
    """Return log-probabilities and gradients at points of every layer's path.

    Parameters
    ----------
    settings : PassSettings
        The model; gradients of its parameters should be off (:func:`without_training`).
    pieces : sequence of Piece
        The tokens, of one shape.
    lines : sequence of Line
        The paths, one for each piece.
    fractions : torch.Tensor, shape (n_points,)
        Positions on the paths: 0 is the start, 1 the end.
    layout : type of Layout
        Arrangement of points in a batch; ``FixedRows`` takes one line. ``Blocks`` become
        ``LateBlocks`` if the layers of the model allow it.
    keys : SharedKeys or Cache or None, default=None
        Keys and values of each line's prefix, all of one length: ``SharedKeys`` for ``Blocks``;
        for rows the cache of one line.
    batch_size : int or None, default=None
        Largest number of points in one forward pass, at least one per line. None: as memory
        allows.
    """
    n_layers, n_positions, n_neurons = lines[0].start.shape
    n_lines, n_points = len(lines), len(fractions)
    start = lines[0].start
    results = [
        LinePoints(
            torch.empty(n_layers, n_points, dtype=torch.float64, device=start.device),
            start.new_empty(n_layers, n_points, n_positions, n_neurons),
            unedited=0.0,
        )
        for _ in lines
    ]
    if batch_size is None:
        batch_size = rows_that_fit(settings, len(pieces[0].ids))
    limit = max(1, batch_size // n_lines)
    # All paths end in the same point: the unedited piece.
    edited = [point for point in range(n_points) if fractions[point] != 1] or [0]
    ends = [point for point in range(n_points) if point not in edited]
    # points of one layer are neighbours, so that few passes start in the first layers
    rows = [(layer, point) for layer in range(n_layers) for point in edited]
    for first in range(0, len(rows), limit):
        points: dict[int, list[int]] = {}
        for layer, point in rows[first : first + limit]:
            points.setdefault(layer, []).append(point)
        at_ends = bool(ends) and first == 0

        def run(layout: type[Layout], points: Any = points, at_ends: bool = at_ends) -> WaveResult:
            return Wave(settings, lines, fractions, layout(pieces, points), at_ends).run(keys)

        late = layout is Blocks and pieces[0].is_whole and settings.hf_model not in _NO_SUMS
        wave = run(LateBlocks if late else layout)
        if not wave.is_sum:
            _NO_SUMS.add(settings.hf_model)
            wave = run(layout)
        for i, line in enumerate(results):
            line.unedited = float(wave.unedited[i])
            for layer, chosen in points.items():
                line.log_p[layer, chosen] = wave.log_p[layer][i].to(line.log_p)
                line.gradient[layer, chosen] = wave.gradients[layer][i].to(line.gradient)
            for layer in wave.ends:
                line.log_p[layer, ends] = line.unedited
                line.gradient[layer, ends] = wave.ends[layer][i].to(line.gradient)
    return results


def rows_that_fit(settings: PassSettings, n_tokens: int) -> int:
    """Estimate how many points of ``n_tokens`` tokens fit into a forward and backward pass."""
    budget = _CPU_BYTES
    if settings.device.type == "cuda":
        budget = free_on_gpu(settings.device) // 2
    return max(1, budget // point_bytes(settings, n_tokens))


def point_bytes(settings: PassSettings, n_tokens: int) -> int:
    """Estimate the memory of one point of a path in a forward and backward pass."""
    mlp = settings.mlps[0]
    item = mlp.up.weight.element_size()
    # the backward pass keeps values of each layer, on average of half of them
    kept = n_tokens * (6 * mlp.up.n_neurons + 16 * mlp.up.width)
    row = item * kept * (len(settings.mlps) + 1) // 2
    if settings.plain_head is None:  # logits and their gradient
        vocabulary = settings.hf_model.get_output_embeddings().weight.shape[0]
        row += n_tokens * vocabulary * (3 * 4 + 2 * item)
    return int(row)
