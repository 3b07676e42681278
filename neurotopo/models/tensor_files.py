"""The files of a checkpoint and their tensors, with checks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open

from neurotopo._files import abridged, read_json, size_of

__all__ = ["in_a_line", "opened", "read_config", "stored_bytes", "stored_slice", "tensor_files"]

_CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_ITEMSIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2}
_safe_open: Any = safe_open  # it has no annotations


def tensor_files(path: Path) -> tuple[Path, dict[str, Path]]:
    """Return the folder of a checkpoint's configuration, and the file of each tensor.

    ``path`` is a folder of safetensors, one such file, or an index of several.
    """
    if path.is_file():
        if path.name.endswith(".index.json"):
            return path.parent, _indexed(path)
        if path.suffix != ".safetensors":
            raise ValueError(f"{path} is not a safetensors file.")
        return path.parent, dict.fromkeys(_names(path), path)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}.")
    if (path / _INDEX).is_file():
        return path, _indexed(path / _INDEX)
    files = sorted(path.glob("*.safetensors"))
    if (path / "model.safetensors") in files:
        files = [path / "model.safetensors"]
    if not files:
        pickled = [file.name for pattern in _PICKLED for file in sorted(path.glob(pattern))]
        hint = (
            f", only {pickled[0]}, which is pickled. Load the model with transformers and save it "
            "again: model.save_pretrained(folder)."
            if pickled
            else "."
        )
        raise FileNotFoundError(f"there is no .safetensors file in {path}{hint}")
    return path, {name: file for file in files for name in _names(file)}


def _indexed(index: Path) -> dict[str, Path]:
    table = _json(index).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table.values()):
        raise ValueError(f"{index} has no weight_map of tensors to files.")
    stray = [name for name in table.values() if Path(name).name != name]
    if stray:
        raise ValueError(f"{index} names {stray[0]!r}, which is not a file beside it.")
    return {key: index.parent / name for key, name in table.items()}


def stored_bytes(folder: Path, itemsize: int | None = None) -> tuple[int, int]:
    """Return how many tensors a folder of safetensors has, and their bytes once they are loaded.

    Only headers are read, and no file is mapped into memory. ``itemsize`` is the size of a
    floating-point number; None: as they are stored.

    Raises
    ------
    ValueError, OSError
        If a header is damaged.
    """
    whole = folder / "model.safetensors"
    n_tensors = total = 0
    for file in [whole] if whole.is_file() else sorted(folder.glob("*.safetensors")):
        n_bytes = size_of(file)
        with file.open("rb") as content:
            n_header = int.from_bytes(content.read(8), "little")
            if n_header > n_bytes:
                raise ValueError(f"{file} is truncated.")
            header = json.loads(content.read(n_header))
        for name, about in header.items():
            if name != "__metadata__":
                stored = _ITEMSIZES.get(about["dtype"], 1)
                size = itemsize if itemsize and stored > 1 else stored
                n_tensors, total = n_tensors + 1, total + math.prod(about["shape"]) * size
    return n_tensors, total


def in_a_line(error: Exception) -> str:
    """Return the message of an error of another library, in one line that is not too long."""
    return abridged(error).rstrip(".") or type(error).__name__


def _names(file: Path) -> list[str]:
    with opened(file) as tensors:
        return list(tensors.keys())


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Open a safetensors file; a ValueError names one that is broken."""
    if not file.is_file():
        raise FileNotFoundError(f"the checkpoint lacks its file {file}.")
    try:
        handle = _safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        reason = f"it is truncated or no safetensors file: {in_a_line(error)}"
        raise ValueError(f"{file} cannot be read, {reason}") from error
    with handle as tensors:
        yield tensors


def stored_slice(tensors: Any, key: str, file: Path) -> Any:
    """Return a lazy slice of a tensor, with shape and dtype."""
    try:
        return tensors.get_slice(key)
    except SafetensorError as error:
        raise ValueError(f"{file} lacks the tensor {key}: {error}") from error


def _json(file: Path) -> dict[str, Any]:
    try:
        content = read_json(file)
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} does not hold an object.")
    return content


def read_config(folder: Path) -> Any:
    """Return the configuration, with the defaults of its model type if that is known."""
    from transformers import AutoConfig

    file = folder / _CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"there is no {_CONFIG} in {folder}.")
    content = _json(file)
    if not isinstance(content.get("model_type"), str):
        raise ValueError(f"{file} has no model_type.")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError):  # a type unknown to transformers, but perhaps not to a Family
        return SimpleNamespace(**content)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # transformers and huggingface_hub have many kinds
        raise ValueError(f"{file} is no configuration: {in_a_line(error)}.") from error
