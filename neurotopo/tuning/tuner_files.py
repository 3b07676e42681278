"""The files of a tuner: the rows, their neurons and their model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from neurotopo._files import abridged, atomic_write, read_bytes
from neurotopo.models.fingerprint import Fingerprint
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.tensor_files import opened
from neurotopo.neurons import NeuronSet

__all__ = ["Saved", "check_fit", "check_shape", "read_saved", "write_saved"]

_KIND = "neurotopo.NeuronTuner"
_VERSION = 1
_ROWS = "rows.safetensors"
_CONFIG = "config.json"
_HEADER = "config_sha256"  # in the file of rows: hash of the configuration written with it


@dataclass(frozen=True)
class Saved:
    """Content of ``config.json``: neurons, bias option, size and first fingerprint of the model."""

    neurons: NeuronSet
    bias: bool
    shape: dict[str, Any]
    model: dict[str, Any]

    @classmethod
    def describe(
        cls, model: NeuronModel, base: Fingerprint, neurons: NeuronSet, bias: bool
    ) -> Saved:
        """Describe rows of a model."""
        return cls(neurons, bias, _shape(model), {**base.to_dict(), "digest": base.digest})

    def to_json(self) -> str:
        """Return the text of the file."""
        by_layer = {str(layer): at.tolist() for layer, at in self.neurons.by_layer().items()}
        content = {
            "kind": _KIND,
            "version": _VERSION,
            "shape": self.shape,
            "model": self.model,
            "bias": self.bias,
            "neurons": by_layer,
        }
        # one line per entry
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, file: Path) -> Saved:
        """Read the text of the file."""
        try:
            content = json.loads(text)
            kind, version = content["kind"], content["version"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{file} was not written by a NeuronTuner.") from error
        if kind != _KIND:
            raise ValueError(f"{file} was not written by a NeuronTuner.")
        if version != _VERSION:
            raise ValueError(
                f"{file} is of version {abridged(version)}, and only {_VERSION} can be read."
            )
        try:
            by_layer = content["neurons"].items()
            pairs = [(int(layer), index) for layer, indices in by_layer for index in indices]
            saved = cls(NeuronSet(pairs), content["bias"], content["shape"], content["model"])
            if not (isinstance(saved.shape, dict) and isinstance(saved.model, dict)):
                raise TypeError("no object")
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"{file} is broken: {abridged(error)}.") from error
        return saved


def _shape(model: NeuronModel) -> dict[str, Any]:
    return {
        "family": model.family.name,
        "layers": model.n_layers,
        "neurons": model.n_neurons,
        "width": model.d_model,
        "dtype": str(model.dtype).removeprefix("torch."),
    }


def check_shape(saved: Saved, model: NeuronModel) -> None:
    """Raise an error that names the first difference between the sizes of two models."""
    for name, here in _shape(model).items():
        there = saved.shape.get(name)
        if there != here:
            difference = f"its {name} is {there}, and here it is {here}"
            raise ValueError(f"the rows were trained on another model: {difference}.")


def check_fit(saved: Saved, base: Fingerprint) -> None:
    """Raise an error that names the first difference between two models of one size."""
    words = {
        "architecture": "architecture is",
        "dtype": "precision is",
        "config": "configuration is",
        "weights": "weights are",
    }
    here = base.to_dict()  # the tokenizer may differ
    for name, subject in words.items():
        if saved.model.get(name) != here[name]:
            raise ValueError(f"the rows were trained on another model: its {subject} not the same.")


def write_saved(folder: Path, saved: Saved, rows: Mapping[str, torch.Tensor]) -> None:
    """Write both files, each completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = saved.to_json()
    tensors = {name: each.cpu().contiguous() for name, each in rows.items()}
    with atomic_write(folder / _ROWS) as file:
        file.write(safetensors.torch.save(tensors, metadata={_HEADER: _hash(text)}))
    with atomic_write(folder / _CONFIG) as file:
        file.write(text.encode())


def read_saved(folder: Path) -> tuple[Saved, dict[str, torch.Tensor]]:
    """Read both files and check that they belong together."""
    for name in (_CONFIG, _ROWS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"there is no {name} in {folder}: it has no saved rows.")
    try:
        text = read_bytes(folder / _CONFIG).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{folder / _CONFIG} was not written by a NeuronTuner.") from error
    saved = Saved.from_json(text, folder / _CONFIG)
    with opened(folder / _ROWS) as tensors:
        if (tensors.metadata() or {}).get(_HEADER) != _hash(text):
            raise ValueError(f"{_CONFIG} and {_ROWS} in {folder} were not written together.")
        rows = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    return saved, rows


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
