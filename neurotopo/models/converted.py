"""Converted copies of GGUF files in the cache, so that the second load takes seconds."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neurotopo._extras import INSTALL_LLM
from neurotopo._files import read_json
from neurotopo.models.cache import cache_errors, cache_folder, digest_of, sha256_of
from neurotopo.models.families import kind_of
from neurotopo.models.family import Family, UnsupportedModelError
from neurotopo.models.gguf_files import GgufFile, find_gguf

__all__ = ["converted_folder", "local_folder"]

VERSION = 1
"""Raised when the conversion changes, so that old copies are not used."""

_ABOUT = "neurotopo.json"

logger = logging.getLogger(__name__)


def local_folder(place: str | Path) -> tuple[str | Path, dict[str, str]]:
    """Return where to load a model from, and what is known of the source.

    A GGUF file, a folder or a package with one becomes the folder of its converted copy; anything
    else stays what it is.
    """
    found = find_gguf(place)
    if found is None:
        return place, {}
    return converted_folder(found), {"gguf": found.sha256()}


def converted_folder(source: GgufFile, *, family: Family | None = None) -> Path:
    """Return the folder with the converted copy of a GGUF file; convert it if there is none.

    The copy has safetensors in single precision, which holds every de-quantised weight exactly, the
    tokenizer and the configuration. It is named after the hash of the file. A copy that is
    incomplete or damaged is made again.

    Raises
    ------
    ImportError
        Without the packages that read GGUF files.
    OSError, ValueError
        If the file cannot be converted, or the cache cannot be written.
    """
    digest = source.sha256()
    shelf = cache_folder() / "converted"
    folder = shelf / f"{Path(source.name).stem}-{digest[:16]}-v{VERSION}"
    if _is_complete(folder, digest):
        return folder
    _check_packages(source.name)
    from filelock import FileLock

    with cache_errors(shelf):
        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / f".{folder.name}.lock"):  # several processes may start together
            if not _is_complete(folder, digest):
                _convert(source, digest, shelf, folder, family)
    return folder


def _is_complete(folder: Path, digest: str) -> bool:
    """Return whether a copy is there and its files are as they were written."""
    try:
        about = read_json(folder / _ABOUT)
        if about["sha256"] != digest or about["version"] != VERSION:
            return False
        for name, (size, time, written) in about["files"].items():
            state = (folder / name).stat()
            if state.st_size != size:
                return False
            # a copied cache has other times
            if state.st_mtime_ns != time and sha256_of([folder / name]) != written:
                return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _convert(
    source: GgufFile, digest: str, shelf: Path, folder: Path, family: Family | None
) -> None:
    from neurotopo.models.quiet import quiet_transformers
    from neurotopo.models.saved import save_checked

    logger.info("converting %s, once; the copy is in %s.", source.name, folder)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=shelf, ignore_cleanup_errors=True) as name:
        new, copy = Path(name), Path(name) / "copy"
        file = source.placed_in(new)
        with quiet_transformers(False):
            save_checked(*_read(file, family), copy)
        files = {}
        for part in sorted(copy.iterdir()):
            state = part.stat()
            files[part.name] = (state.st_size, state.st_mtime_ns, digest_of([part]))
        about = {"sha256": digest, "version": VERSION, "file": source.name, "files": files}
        (copy / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        if folder.exists():  # an incomplete one
            shutil.rmtree(folder)
        os.rename(copy, folder)


def _read(file: Path, family: Family | None) -> tuple[Any, Any]:
    """Return the model of a GGUF file in single precision, and its tokenizer."""
    import torch
    import transformers
    from gguf import GGUFReader

    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    # with newer versions of transformers, weights may stay in the blocks of the file
    blocks = getattr(transformers, "GgufConfig", None)
    options = {} if blocks is None else {"quantization_config": blocks(dequantize=True)}
    try:
        GGUFReader(str(file))  # notices a file that is too short
        config = transformers.AutoConfig.from_pretrained(**place)
        kind = kind_of(config) if family is None else family.kind
        auto = "AutoModelForCausalLM" if kind == "causal" else "AutoModelForMaskedLM"
        hf_model, info = getattr(transformers, auto).from_pretrained(
            **place, dtype=torch.float32, output_loading_info=True, **options
        )
        if info["missing_keys"]:
            raise ValueError(f"it has no weights for {sorted(info['missing_keys'])[0]}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
    except UnsupportedModelError:
        raise
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"cannot convert {file.name}: {reason}. The file may be damaged, or of an architecture "
            "that transformers does not read as GGUF."
        ) from error
    return hf_model.eval(), tokenizer


def _check_packages(name: str) -> None:
    missing = [package for package in ("gguf", "accelerate") if find_spec(package) is None]
    if missing:
        raise ImportError(
            f"reading {name} needs the packages {' and '.join(missing)}: {INSTALL_LLM}."
        )
