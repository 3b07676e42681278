"""Unfinished trainings on disk: weights, the optimizer's memory and the step, without pickle."""

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
    """Write a training to a file, which is replaced when all is written.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name of the training; :func:`load_checkpoint` asks for it.
    parameters : mapping of str to Parameter
        The weights.
    optimizer : torch.optim.Optimizer
        Its state has tensors only.
    step : int
        Steps made.
    loss : float
        What the progress bar shows.
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
    """Return the step of what :func:`save_checkpoint` wrote; None as of :func:`load_checkpoint`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = _about(file)
    except SafetensorError:
        return None
    return int(about["step"]) if about.get("name") == name else None


def _about(file: Any) -> dict[str, Any]:
    """Return what is written about the training in an open file."""
    found: dict[str, Any] = json.loads((file.metadata() or {}).get(_KEY, "{}"))
    return found


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
        What :func:`save_checkpoint` wrote.
    name : str
        Name of the training.
    parameters : mapping of str to Parameter
        The weights, which are overwritten.
    optimizer : torch.optim.Optimizer
        Its state is replaced.

    Returns
    -------
    (int, float) or None
        Steps made and the loss to show; None where the file is of another training or is none
        at all.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = _about(file)
            if about.get("name") != name:
                return None
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError:
        return None
    with torch.no_grad():
        for key, value in parameters.items():
            value.copy_(tensors.pop(f"weight/{key}"))
    for name_, tensor in tensors.items():
        part, _, key = name_.partition("/")
        optimizer.state[parameters[key]][part] = tensor
    return int(about["step"]), float(about["loss"])
