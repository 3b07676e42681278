"""Arrays and options in one file, .npz or .safetensors, written atomically."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo._files import abridged, atomic_write
from neurotopo._memory import check_npz

__all__ = ["read_arrays", "write_arrays"]

_HEADER = "neurotopo"  # the member with the kind of the file
_VERSION = 1

_BROKEN: tuple[type[Exception], ...] = (ValueError, TypeError, AttributeError, EOFError, OSError)
_BROKEN += (NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error)

Arrays = dict[str, NDArray[Any]]


def write_arrays(
    path: str | os.PathLike[str], kind: str, arrays: Mapping[str, NDArray[Any]], options: Any
) -> None:
    """Write named arrays of numbers and options (for JSON) to a file, without pickle.

    The path ends in ``.npz`` or ``.safetensors``. An existing file is replaced atomically.
    ``kind`` is the kind of content, for :func:`read_arrays`.
    """
    path = Path(path)
    write = _format_of(path)[0]
    about = {"kind": kind, "version": _VERSION, "arrays": sorted(arrays), "options": options}
    header = json.dumps(about)
    with atomic_write(path) as file:
        write(file, {name: np.ascontiguousarray(array) for name, array in arrays.items()}, header)


def read_arrays(path: str | os.PathLike[str], kind: str) -> tuple[Arrays, Any]:
    """Return arrays and options from a file of :func:`write_arrays`.

    Raises ValueError if the file is broken or of another kind.
    """
    path = Path(path)
    read = _format_of(path)[1]
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    arrays, text = read(path)
    try:
        header = json.loads(text)
        stored, version, options = header["kind"], header["version"], header["options"]
        names = header["arrays"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} was not written by neurotopo.") from error
    if stored != kind:
        raise ValueError(f"{path} holds a {abridged(stored)}, not a {kind}.")
    if version != _VERSION:
        raise ValueError(
            f"{path} is of version {abridged(version)}, and only {_VERSION} can be read."
        )
    if sorted(arrays) != names:
        raise ValueError(f"{path} cannot be read, it is broken: some arrays are missing.")
    return arrays, options


def _write_npz(file: IO[bytes], arrays: Arrays, header: str) -> None:
    members: dict[str, Any] = {_HEADER: np.frombuffer(header.encode(), dtype=np.uint8), **arrays}
    np.savez(file, **members)


def _read_npz(path: Path) -> tuple[Arrays, str]:
    try:
        check_npz(path, path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, arrays.pop(_HEADER).tobytes().decode()
    except KeyError as error:
        raise ValueError(f"{path} was not written by neurotopo.") from error
    except _BROKEN as error:
        # errors of numpy and zipfile on broken bytes
        reason = abridged(error)
        raise ValueError(
            f"{path} cannot be read, it is broken or no .npz file: {reason}"
        ) from error


def _write_safetensors(file: IO[bytes], arrays: Arrays, header: str) -> None:
    file.write(_safetensors().numpy.save(arrays, metadata={_HEADER: header}))


def _read_safetensors(path: Path) -> tuple[Arrays, str]:
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read, it is broken or no .safetensors file: {abridged(error)}"
        ) from error
    if _HEADER not in metadata:
        raise ValueError(f"{path} was not written by neurotopo.")
    return arrays, metadata[_HEADER]


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "files that end in .safetensors need the package safetensors: "
            "pip install 'neurotopo[llm]'. Files that end in .npz need no package."
        ) from error
    return safetensors


_FORMATS: dict[str, tuple[Callable[..., None], Callable[[Path], tuple[Arrays, str]]]] = {
    ".npz": (_write_npz, _read_npz),
    ".safetensors": (_write_safetensors, _read_safetensors),
}


def _format_of(path: Path) -> tuple[Callable[..., None], Callable[[Path], tuple[Arrays, str]]]:
    if path.suffix not in _FORMATS:
        raise ValueError(f"the name of the file must end in {' or '.join(_FORMATS)}, got {path}.")
    return _FORMATS[path.suffix]
