"""The files of a tuner: the rows alone, and which neurons of which model they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from neurotopo._files import atomic_write
from neurotopo.models.fingerprint import Fingerprint
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.tensor_files import opened
from neurotopo.neurons import NeuronSet

__all__ = ["Saved", "check_fit", "check_shape", "read_saved", "write_saved"]

_KIND = "neurotopo.NeuronTuner"
_VERSION = 1
_ROWS = "rows.safetensors"
_CONFIG = "config.json"
_HEADER = "config_sha256"  # in the rows' file: the configuration that was written with it


@dataclass(frozen=True)
class Saved:
    """What ``config.json`` says of saved rows.

    Attributes
    ----------
    neurons : NeuronSet
        The neurons.
    bias : bool
        Whether biases are among the rows.
    shape : dict
        The size of the model.
    model : dict
        Its fingerprint, before any training.
    """

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
        # one line for each entry, for a list of numbers with one line each is long
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, file: Path) -> Saved:
        """Read the text of the file."""
        try:
            content = json.loads(text)
            kind, version = content["kind"], content["version"]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{file} was not written by a NeuronTuner.") from error
        if kind != _KIND:
            raise ValueError(f"{file} was not written by a NeuronTuner.")
        if version != _VERSION:
            raise ValueError(f"{file} is of version {version}, and only {_VERSION} can be read.")
        try:
            by_layer = content["neurons"].items()
            pairs = [(int(layer), index) for layer, indices in by_layer for index in indices]
            saved = cls(NeuronSet(pairs), content["bias"], content["shape"], content["model"])
            if not (isinstance(saved.shape, dict) and isinstance(saved.model, dict)):
                raise TypeError("no object")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file} is broken: {error}.") from error
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
    """Raise an error that names what differs between the size of a model and that of another."""
    for name, here in _shape(model).items():
        there = saved.shape.get(name)
        if there != here:
            raise ValueError(
                f"the rows were trained on another model: its {name} is {there}, and here it is "
                f"{here}."
            )


def check_fit(saved: Saved, base: Fingerprint) -> None:
    """Raise an error that names what differs between two models of one size."""
    words = {
        "architecture": "its architecture is not the same",
        "dtype": "its precision is not the same",
        "config": "its configuration is not the same",
        "weights": "its weights are not the same",
    }
    here = base.to_dict()  # the tokenizer may differ, it has no part in the rows
    for name, sentence in words.items():
        if saved.model.get(name) != here[name]:
            raise ValueError(f"the rows were trained on another model: {sentence}.")


def write_saved(folder: Path, saved: Saved, rows: Mapping[str, torch.Tensor]) -> None:
    """Write both files, each at once or not at all."""
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
            raise FileNotFoundError(f"there is no {name} in {folder}, so no rows were saved there.")
    try:
        text = (folder / _CONFIG).read_text(encoding="utf-8")
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
