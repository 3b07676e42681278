"""The values of all neurons during one forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from neurotopo.models.answers import masked_fillings
from neurotopo.models.baseline_values import sentence_values
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.evaluation import evaluating
from neurotopo.models.passes import PassSettings

__all__ = ["captured_values", "values_of_tokens"]

POSITIONS = ("last", "answer", "all")


def values_of_tokens(settings: PassSettings, ids: tuple[int, ...]) -> torch.Tensor:
    """Return every neuron's value at every token, shape (n_layers, n_tokens, n_neurons).

    The precision is single, or double for a model in double precision.
    """
    with evaluating(settings.hf_model):
        return sentence_values(settings, [ids], range(len(ids)))[0]


def captured_values(
    settings: PassSettings,
    encoding: CausalEncoding | MaskedEncoding,
    positions: str | int | Sequence[int],
) -> NDArray[Any]:
    """Return the neurons' values for a fact; see :meth:`NeuronModel.activations`."""
    if not isinstance(positions, str):
        tokens = [positions] if isinstance(positions, int) else list(positions)
        of_all = captured_values(settings, encoding, "all")
        n_tokens = of_all.shape[1]
        for token in tokens:
            if not -n_tokens <= token < n_tokens:
                raise ValueError(f"positions has token {token}; the prompt has {n_tokens} tokens.")
        return of_all[:, tokens]
    if positions not in POSITIONS:
        raise ValueError(
            f"positions must be one of {', '.join(POSITIONS)}, or integers, got {positions!r}."
        )
    if positions == "answer" and not encoding.answers:
        raise ValueError("positions='answer' needs a fact with an answer, not a text.")
    if isinstance(encoding, MaskedEncoding):
        return _masked_values(settings, encoding, positions).cpu().numpy()
    if positions == "answer":
        ids = (*encoding.prompt, *encoding.answers[0][:-1])
        values = values_of_tokens(settings, ids)[:, len(encoding.prompt) - 1 :]
    else:
        values = values_of_tokens(settings, encoding.prompt)
    return (values[:, -1] if positions == "last" else values).cpu().numpy()


def _masked_values(
    settings: PassSettings, encoding: MaskedEncoding, positions: str
) -> torch.Tensor:
    # a prompt without an answer has one mask
    answer = encoding.answers[0] if encoding.answers else (encoding.mask,)
    queries = list(masked_fillings(encoding, answer))
    first = values_of_tokens(settings, queries[0].ids)
    if positions == "all":
        return first
    if positions == "last":
        return first[:, queries[0].positions[0]]
    others = [values_of_tokens(settings, q.ids)[:, q.positions[0]] for q in queries[1:]]
    return torch.stack([first[:, queries[0].positions[0]], *others], dim=1)
