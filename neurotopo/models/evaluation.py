"""Settings of a model for forward passes without training, and sums in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch.nn import functional
from transformers.activations import NewGELUActivation

__all__ = ["dropout_off", "evaluating", "fused_activations", "upcast_half"]


@contextmanager
def dropout_off(hf_model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout off for a block, then restore the model."""
    training = [module for module in hf_model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def evaluating(hf_model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off for a block, then restore the model."""
    with dropout_off(hf_model), torch.no_grad():
        yield


def upcast_half(values: torch.Tensor) -> torch.Tensor:
    """Convert half precision to single; single and double stay."""
    return values if values.dtype == torch.float64 else values.float()


@contextmanager
def fused_activations(hf_model: torch.nn.Module) -> Iterator[None]:
    """Use a fused nonlinearity of GPT-2 for a block, then restore the model.

    The original takes eight passes over the values and keeps six arrays for the backward pass; the
    fused function keeps one.
    """
    composed = [
        module
        for module in hf_model.modules()
        if type(module) is NewGELUActivation and "forward" not in vars(module)
    ]
    for module in composed:
        module.forward = partial(functional.gelu, approximate="tanh")
    try:
        yield
    finally:
        for module in composed:
            del module.forward
