"""Variants of a model: controls, and other precisions of the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

import neurotopo as nt
from neurotopo.models.families import family_of
from neurotopo.models.projections import find_mlps

BITS, BLOCK = 4, 32
PRECISIONS = ("bfloat16", "requantized")


def variant_of(name: str, source: str) -> nt.NeuronModel:
    """Load a model as it is, or a variant of it.

    Parameters
    ----------
    name : str
        ``"itself"``; ``"bfloat16"``; ``"requantized"``: all matrices except the embedding rounded
        once more; ``"permuted"``: the numbers of each matrix of each MLP in random order.
    source : str
        What :func:`neurotopo.load_model` takes.
    """
    if name == "bfloat16":
        return nt.load_model(source, dtype="bfloat16")
    model = nt.load_model(source, dtype="float32")
    if name == "itself":
        return model
    if name not in ("permuted", "requantized"):
        raise ValueError(f"there is no variant {name!r}.")
    with torch.no_grad():
        if name == "permuted":
            generator = torch.Generator().manual_seed(0)
            for weight in mlp_matrices(model.hf_model):
                weight.copy_(permuted(weight, generator))
        else:
            embedded = id(model.hf_model.get_input_embeddings().weight)
            for parameter in model.hf_model.parameters():
                if parameter.ndim == 2 and id(parameter) != embedded:
                    parameter.copy_(requantized(parameter))
    return nt.NeuronModel(model.hf_model, model.tokenizer)


def permuted(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the numbers of a matrix in random order."""
    order = torch.randperm(weight.numel(), generator=generator)
    return weight.flatten()[order].view_as(weight)


def requantized(weight: torch.Tensor, bits: int = BITS, block: int = BLOCK) -> torch.Tensor:
    """Return a matrix with each block of a row rounded to 2**bits levels from least to largest."""
    rows = weight.reshape(-1, block) if weight.numel() % block == 0 else weight.reshape(1, -1)
    low, high = rows.amin(dim=1, keepdim=True), rows.amax(dim=1, keepdim=True)
    step = ((high - low) / (2**bits - 1)).clamp_min(torch.finfo(weight.dtype).tiny)
    return (((rows - low) / step).round() * step + low).view_as(weight)


def mlp_matrices(hf_model: Any) -> Iterator[torch.Tensor]:
    """Yield the matrices of all MLPs."""
    for mlp in find_mlps(hf_model, family_of(hf_model.config)):
        for projection in (mlp.up, mlp.gate, mlp.out):
            if projection is not None:
                yield projection.readable()
