"""The values of all neurons during one forward."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.answers import masked_fillings
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.passes import PassSettings, evaluating

__all__ = ["captured_values", "values_of_tokens"]

POSITIONS = ("last", "answer", "all")


def values_of_tokens(settings: PassSettings, ids: tuple[int, ...]) -> torch.Tensor:
    """Return every neuron's value at every token, shape (n_layers, n_tokens, n_neurons)."""
    caught: dict[int, torch.Tensor] = {}

    def catch(layer: int) -> Any:
        def hook(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            # some families flatten rows and tokens into one axis; there is one row here
            caught[layer] = args[0].detach().reshape(len(ids), -1).float().cpu()

        return hook

    with ExitStack() as hooks, evaluating(settings.hf_model):
        for layer, mlp in enumerate(settings.mlps):
            handle = mlp.out.module.register_forward_pre_hook(catch(layer))
            hooks.callback(handle.remove)
        tokens = torch.tensor([ids], device=settings.hf_model.get_input_embeddings().weight.device)
        few: dict[str, Any] = {"logits_to_keep": 1} if settings.selects_logits else {}
        settings.hf_model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **few)
    missing = [layer for layer in range(len(settings.mlps)) if layer not in caught]
    if missing:
        name = settings.mlps[missing[0]].out.name
        raise RuntimeError(f"{name} was never called: the model computes its MLP another way.")
    return torch.stack([caught[layer] for layer in range(len(settings.mlps))])


def captured_values(
    settings: PassSettings, encoding: CausalEncoding | MaskedEncoding, positions: str
) -> NDArray[np.float32]:
    """Return the neurons' values for a fact; see :meth:`NeuronModel.activations`."""
    if positions not in POSITIONS:
        raise ValueError(f"positions must be one of {', '.join(POSITIONS)}, got {positions!r}.")
    if isinstance(encoding, MaskedEncoding):
        return _masked_values(settings, encoding, positions).numpy()
    if positions == "answer":
        ids = (*encoding.prompt, *encoding.answers[0][:-1])
        values = values_of_tokens(settings, ids)[:, len(encoding.prompt) - 1 :]
    else:
        values = values_of_tokens(settings, encoding.prompt)
    return (values[:, -1] if positions == "last" else values).numpy()


def _masked_values(
    settings: PassSettings, encoding: MaskedEncoding, positions: str
) -> torch.Tensor:
    queries = list(masked_fillings(encoding, encoding.answers[0]))
    first = values_of_tokens(settings, queries[0].ids)
    if positions == "all":
        return first
    if positions == "last":
        return first[:, queries[0].positions[0]]
    others = [values_of_tokens(settings, q.ids)[:, q.positions[0]] for q in queries[1:]]
    return torch.stack([first[:, queries[0].positions[0]], *others], dim=1)
