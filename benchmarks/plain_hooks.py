"""Attribution and edits written straight from the formulas, with forward hooks on a plain model.

Nothing of the package is used: a decoder of transformers, its tokens, and the out-projections of
its layers. One sentence is one row, every point of a path is one forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

Change = Callable[[torch.Tensor], torch.Tensor]
"""Takes the values of a layer's neurons at all tokens, (n_tokens, n_neurons); returns new ones."""


def out_projections(hf_model: Any) -> list[torch.nn.Module]:
    """Return the out-projection of every layer of a LLaMA-like decoder."""
    return [layer.mlp.down_proj for layer in hf_model.model.layers]


@contextmanager
def changed(hf_model: Any, changes: dict[int, Change]) -> Iterator[None]:
    """Change the values of some layers within a block."""

    def hook_of(change: Change) -> Callable[..., tuple[torch.Tensor, ...]]:
        return lambda module, args: (change(args[0][0])[None], *args[1:])

    modules = out_projections(hf_model)
    with ExitStack() as hooks:
        for layer, change in changes.items():
            handle = modules[layer].register_forward_pre_hook(hook_of(change))
            hooks.callback(handle.remove)
        yield


def log_probability(hf_model: Any, ids: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """Return the log-probability of the answer's tokens after the prompt, in double precision."""
    sentence = torch.tensor([[*ids, *answer[:-1]]])
    logits = hf_model(input_ids=sentence).logits[0, len(ids) - 1 :]
    return logits.double().log_softmax(-1)[range(len(answer)), list(answer)].sum()


def values(hf_model: Any, ids: Sequence[int], answer: Sequence[int]) -> list[torch.Tensor]:
    """Return the values of every layer's neurons at all tokens of prompt and answer."""
    caught: dict[int, torch.Tensor] = {}

    def catch(layer: int) -> Change:
        def keep(x: torch.Tensor) -> torch.Tensor:
            caught[layer] = x.detach().clone()
            return x

        return keep

    n_layers = len(out_projections(hf_model))
    with torch.no_grad(), changed(hf_model, {layer: catch(layer) for layer in range(n_layers)}):
        log_probability(hf_model, ids, answer)
    return [caught[layer] for layer in range(n_layers)]


def replaced(
    neurons: Sequence[tuple[int, int]],
    tokens: Sequence[int],
    new: Callable[[torch.Tensor, int, int], torch.Tensor | float],
) -> dict[int, Change]:
    """Return changes of some neurons at some tokens.

    ``new`` takes a value, the number of its neuron and the number of its token.
    """

    def change_of(layer: int) -> Change:
        def change(x: torch.Tensor) -> torch.Tensor:
            x = x.clone()
            for row, (at, index) in enumerate(neurons):
                for column, token in enumerate(tokens if at == layer else ()):
                    x[token, index] = new(x[token, index], row, column)
            return x

        return change

    return {layer: change_of(layer) for layer in {layer for layer, _ in neurons}}


def amig(
    hf_model: Any,
    ids: Sequence[int],
    answer: Sequence[int],
    special: set[int],
    replacement: int,
    steps: int,
    layers: Sequence[int],
) -> torch.Tensor:
    """Return the scores of all neurons of some layers, (n_layers, n_neurons).

    Integrated gradients of the answer's probability by the right-hand rule. The path of a layer
    starts at the mean of its values over the sentences with one token of the prompt replaced.
    """
    at = slice(len(ids) - 1, None)
    ends = values(hf_model, ids, answer)
    rows = [
        values(hf_model, [*ids[:i], replacement, *ids[i + 1 :]], answer)
        for i, token in enumerate(ids)
        if token not in special
    ]
    scores = []
    for layer in layers:
        end = ends[layer]
        start = torch.stack([row[layer][at] for row in rows]).mean(dim=0)
        change = end[at] - start
        total = torch.zeros(end.shape[1], dtype=torch.float64)
        for step in range(1, steps + 1):
            point = (start + step / steps * change).requires_grad_()

            def put(x: torch.Tensor, point: torch.Tensor = point) -> torch.Tensor:
                return torch.cat([x[: len(ids) - 1], point])

            with changed(hf_model, {layer: put}):
                probability = log_probability(hf_model, ids, answer).exp()
            (gradient,) = torch.autograd.grad(probability, point)
            total += (gradient.double() * change.double()).sum(dim=0) / steps
        scores.append(total)
    return torch.stack(scores)
