"""The built-in models: their names, folders and planted groups."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo._files import read_json
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["PREFIX", "built_in", "find", "null_model", "planted_groups", "write_groups"]

PREFIX = "testbed:"
NULL = "null"
_NULL_OF = "gpt2"  # the random model has its shape and tokenizer
_GROUPS = "groups.json"


def shelf() -> Path:
    """Return the folder of all built-in models."""
    return Path(str(resources.files("neurotopo"))) / "testbed" / "models"


def built_in() -> tuple[str, ...]:
    """Return the names of the models that ``load_model("testbed:NAME")`` accepts.

    Examples
    --------
    >>> from neurotopo.models.builtin_models import built_in
    >>> {"gpt2", "llama", "bert", "ladder-1", "ladder-3", "null"} <= set(built_in())
    True
    """
    place = shelf()
    there = [p.name for p in place.iterdir() if p.is_dir()] if place.is_dir() else []
    return tuple(sorted([*there, *([NULL] if _NULL_OF in there else [])]))


def find(name: str) -> Path:
    """Return the folder of a built-in model, with or without ``"testbed:"`` in its name.

    The folder of the random model is that of its tokenizer.
    """
    wanted = name.removeprefix(PREFIX)
    if wanted not in built_in():
        names = ", ".join(PREFIX + known for known in built_in()) or "none in this installation"
        raise ValueError(f"there is no built-in model {PREFIX + wanted!r}; built in are: {names}.")
    return shelf() / (_NULL_OF if wanted == NULL else wanted)


def null_model(seed: int = 0) -> PreTrainedModel:
    """Return the random model: ``testbed:gpt2`` with the weights before training."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = find(_NULL_OF)
    about: Any = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    config = AutoConfig.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        embeddings = model.get_input_embeddings().weight
        torch.nn.init.normal_(embeddings, std=about["recipe"]["embedding_std"])
    model.name_or_path = model.config.name_or_path = str(folder)
    return model.eval()


def planted_groups(folder: str | Path) -> list[NeuronSet] | None:
    """Return the groups of neurons planted in the model of a folder, or None.

    Groups of single facts (:func:`~neurotopo.neurons.load_groups`) are not those of the model.
    """
    path = Path(folder) / _GROUPS
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        if not isinstance(content, dict) or "groups" not in content:
            return None
        return [NeuronSet(tuple(pair) for pair in group) for group in content["groups"]]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} does not hold groups of neurons: {error}") from error


def write_groups(folder: str | Path, groups: Iterable[NeuronSet]) -> None:
    """Write the groups of the model of a folder for :func:`planted_groups`."""
    content = {"groups": [group.to_array().tolist() for group in groups]}
    (Path(folder) / _GROUPS).write_text(json.dumps(content) + "\n", encoding="utf-8")
