"""The folder of a trained model: weights, tokenizer, facts, recipe, scores and model card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from neurotopo._files import read_json
from neurotopo.models.loading import load_model
from neurotopo.models.recall import Score, scores_of
from neurotopo.testbed.card import model_card
from neurotopo.testbed.corpus import Lessons
from neurotopo.testbed.recipe import Recipe

__all__ = ["RECIPE_FILE", "finished", "write_folder", "write_snapshot"]

RECIPE_FILE = "recipe.json"
_STAGING = ".unfinished"


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the record of the finished model in a folder, or None."""
    try:
        about = read_json(folder / RECIPE_FILE)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{folder / RECIPE_FILE} is not JSON ({error}).") from error
    if not isinstance(about, dict) or not {"fingerprint", "scores", "n_steps"} <= about.keys():
        raise ValueError(f"{folder / RECIPE_FILE} was not written by a training.")
    return about


def write_folder(
    folder: Path,
    hf_model: Any,
    tokenizer: Any,
    recipe: Recipe,
    lessons: Lessons,
    about: Mapping[str, Any],
    finish: Callable[[Any, Path], None] | None = None,
) -> list[Score]:
    """Write a model in half precision, evaluate it, and write and return the scores.

    Complete files are moved into the folder, the recipe last: its presence means that the model is
    complete.

    Parameters
    ----------
    folder : Path
        The folder.
    hf_model, tokenizer, recipe, lessons
        The model with everything that belongs to it.
    about : mapping
        Further content of the recipe file.
    finish : callable or None, default=None
        ``finish(hf_model, folder)`` writes further files.

    Returns
    -------
    list of Score
    """
    staging = _staged(folder / _STAGING, hf_model, tokenizer, finish)
    lessons.facts.to_jsonl(staging / "facts.jsonl")
    scores = scores_of(load_model(staging, device="cpu"), lessons.trained, lessons.held_out)
    record = {
        **about,
        "recipe": recipe.to_dict(),
        "source": lessons.source,
        "scores": [vars(score) for score in scores],
    }
    card = model_card(recipe, lessons, scores, int(about["seed"]))
    (staging / "README.md").write_text(card, encoding="utf-8")
    _write_record(staging, record)
    files = sorted(staging.iterdir(), key=lambda file: file.name == RECIPE_FILE)
    for file in files:
        file.replace(folder / file.name)
    staging.rmdir()
    return scores


def write_snapshot(
    place: Path,
    hf_model: Any,
    tokenizer: Any,
    recipe: Recipe,
    about: Mapping[str, Any],
    finish: Callable[[Any, Path], None] | None = None,
) -> None:
    """Write a model during training, without evaluation, to a folder that must not exist.

    The folder appears when it is complete. Its facts are in the folder of the finished model. The
    parameters are those of :func:`write_folder`.
    """
    staging = _staged(place.parent / _STAGING, hf_model, tokenizer, finish)
    _write_record(staging, {**about, "recipe": recipe.to_dict()})
    staging.rename(place)


def _staged(
    staging: Path, hf_model: Any, tokenizer: Any, finish: Callable[[Any, Path], None] | None
) -> Path:
    """Write the files of every model to a new folder."""
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    _write_weights(hf_model, staging)
    tokenizer.save_pretrained(staging)
    _compact(staging / "tokenizer.json")
    if finish is not None:
        finish(hf_model, staging)
    return staging


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    (folder / RECIPE_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _write_weights(hf_model: Any, folder: Path) -> None:
    """Write the weights in half precision; the configuration says float32."""
    from safetensors.torch import save

    names = {id(value): name for name, value in reversed(list(hf_model.named_parameters()))}
    weights = {
        name: value.detach().to(torch.float16).contiguous()
        for name, value in hf_model.named_parameters()
        if names[id(value)] == name
    }
    (folder / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))
    config = hf_model.config.to_dict()
    config["dtype"] = "float32"
    config["architectures"] = [type(hf_model).__name__]
    config.pop("_name_or_path", None)
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def _compact(path: Path) -> None:
    """Remove the spaces of a JSON file: they are most of a tokenizer file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")
