"""Checkpoints of training: weights, optimizer state and step, in safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from neurotopo._files import atomic_write

__all__ = ["checkpoint_step", "load_checkpoint", "save_checkpoint"]

_KEY = "neurotopo"


def save_checkpoint(
    path: Path,
    name: str,
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    step: int,
    loss: float,
) -> None:
    """Write a training to a file, which is replaced after everything is written.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name of the training, which :func:`load_checkpoint` checks.
    parameters : mapping of str to Parameter
        The weights.
    optimizer : torch.optim.Optimizer
        Its state consists of tensors.
    step : int
        Number of finished steps.
    loss : float
        The loss in the progress bar.
    """
    from safetensors.torch import save

    tensors = {f"weight/{key}": value.detach() for key, value in parameters.items()}
    for key, value in parameters.items():
        for part, tensor in optimizer.state[value].items():
            tensors[f"{part}/{key}"] = tensor
    about = {_KEY: json.dumps({"name": name, "step": step, "loss": loss})}
    with atomic_write(path) as file:
        file.write(save({key: t.contiguous() for key, t in tensors.items()}, about))


def checkpoint_step(path: Path, name: str) -> int | None:
    """Return the step of a checkpoint; None if it is not one of this training."""
    opened = _opened(path, name, tensors=False)
    return None if opened is None else int(opened[0]["step"])


def _opened(
    path: Path, name: str, tensors: bool
) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Return the metadata and the tensors of a checkpoint of this training, or None."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            if about.get("name") != name:
                return None
            return about, {key: file.get_tensor(key) for key in (file.keys() if tensors else ())}
    except SafetensorError:
        return None


def load_checkpoint(
    path: Path,
    name: str,
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float] | None:
    """Restore a training.

    Parameters
    ----------
    path : Path
        A file of :func:`save_checkpoint`.
    name : str
        Name of the training.
    parameters : mapping of str to Parameter
        The weights, which are overwritten.
    optimizer : torch.optim.Optimizer
        Its state is replaced.

    Returns
    -------
    (int, float) or None
        Number of finished steps and the loss; None if the file is no checkpoint of this training.
    """
    opened = _opened(path, name, tensors=True)
    if opened is None:
        return None
    about, tensors = opened
    with torch.no_grad():
        for key, value in parameters.items():
            value.copy_(tensors.pop(f"weight/{key}"))
    for where, tensor in tensors.items():
        part, _, key = where.partition("/")
        optimizer.state[parameters[key]][part] = tensor
    return int(about["step"]), float(about["loss"])
