"""The folder for converted copies of models, and hashes of files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from neurotopo._files import atomic_write, os_errors, read_json

__all__ = ["CACHE_VARIABLE", "cache_errors", "cache_folder", "digest_of", "sha256_of"]

CACHE_VARIABLE = "NEUROTOPO_CACHE"
_CHUNK = 1 << 22


def cache_folder() -> Path:
    r"""Return the folder for converted models.

    It is the value of the environment variable ``NEUROTOPO_CACHE``, else the usual place of the
    system: ``~/.cache/neurotopo`` on Linux, ``~/Library/Caches/neurotopo`` on macOS,
    ``%LOCALAPPDATA%\neurotopo\Cache`` on Windows. All of it can be deleted at any time.

    Examples
    --------
    >>> import os
    >>> from neurotopo.models.cache import cache_folder
    >>> os.environ["NEUROTOPO_CACHE"] = "models"
    >>> cache_folder().as_posix()
    'models'
    >>> del os.environ["NEUROTOPO_CACHE"]
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("neurotopo", appauthor=False)


def cache_errors(folder: Path) -> AbstractContextManager[None]:
    """Turn an OSError of a block into one that names the cache and how to choose another."""
    what = f"write to the cache (the variable {CACHE_VARIABLE} chooses another folder)"
    return os_errors(what, folder)


def _state(path: Path) -> list[Any]:
    """Return path, size and time of the last change of a file."""
    about = path.stat()
    return [str(path.resolve()), about.st_size, about.st_mtime_ns]


def digest_of(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files one after the other, from their contents."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def sha256_of(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files one after the other.

    The hash is stored in the cache folder with sizes and times of the files, so that it is computed
    again only if these changed.
    """
    states = [_state(path) for path in paths]
    name = hashlib.sha256("\n".join(state[0] for state in states).encode()).hexdigest()[:32]
    record = cache_folder() / "hashes" / f"{name}.json"
    try:
        known = read_json(record)
        if known["files"] == states:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is no record, or it is damaged
    found = digest_of(paths)
    with cache_errors(record.parent):
        record.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(record) as file:
            file.write(json.dumps({"files": states, "sha256": found}).encode())
    return found
