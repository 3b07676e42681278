"""Atomic writing of files, and errors that name the file."""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from neurotopo._memory import require_memory

__all__ = [
    "abridged",
    "atomic_write",
    "os_errors",
    "read_bytes",
    "read_json",
    "refuse_links",
    "size_of",
]


_COPIES = 4  # of a file in memory: its bytes, their text, and the objects in it


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file that fits into memory, with what is made of it.

    A pipe or device, of which a read may never end, is an OSError unless it is in ``/dev``.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo._files import read_bytes
    >>> path = Path(tempfile.mkdtemp()) / "facts.jsonl"
    >>> _ = path.write_bytes(b"[]")
    >>> read_bytes(path)
    b'[]'
    """
    path = Path(path)
    remedy = "Split the file into smaller ones."
    require_memory(_COPIES * size_of(path), f"the contents of {path}", remedy)
    return path.read_bytes()


def size_of(path: Path) -> int:
    """Return the bytes of a file; a pipe or device is an OSError unless it is in ``/dev``."""
    about = path.stat()
    is_file = stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)
    # /dev/stdin, and /dev/fd of a shell
    if not is_file and not path.absolute().is_relative_to("/dev"):
        raise OSError(f"{path} is a pipe or a device, not a file.")
    return about.st_size


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the value of a JSON file; a ValueError says why it is none.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo._files import read_json
    >>> path = Path(tempfile.mkdtemp()) / "groups.json"
    >>> _ = path.write_text("[[0, 1]]")
    >>> read_json(path)
    [[0, 1]]
    """
    try:
        return json.loads(read_bytes(path).decode())
    except RecursionError:
        raise ValueError(f"{os.fspath(path)} is nested too deeply.") from None


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file next to ``path`` that takes its place if the block succeeds."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def abridged(text: object, longest: int = 300) -> str:
    r"""Return a text from outside in one line for a message, without its middle if it is long.

    Examples
    --------
    >>> from neurotopo._files import abridged
    >>> abridged("layer,\n index"), abridged("abcdefghi", 6)
    ('layer, index', 'abcd...hi')
    """
    line = " ".join(str(text).split())
    if len(line) <= longest:
        return line
    return f"{line[: longest - longest // 3]}...{line[-(longest // 3) :]}"


@contextmanager
def os_errors(what: str, path: Path) -> Iterator[None]:
    """Turn an OSError of the block into one whose message says what failed for which path."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot {what} {path}: {error.strerror or error}.") from error


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Raise an error if a file or folder of a run is a link: writing would change what is outside.

    The folder itself may be a link. A file with several names (hard links) counts as one.
    """
    for name in names:
        path = folder / name
        try:
            about = path.lstat()
        except (FileNotFoundError, NotADirectoryError):  # also if another process deletes it now
            continue
        if stat.S_ISLNK(about.st_mode) or (stat.S_ISREG(about.st_mode) and about.st_nlink > 1):
            raise ValueError(
                f"{path} is a link to a file or folder outside, which would be changed. Put a copy "
                "in its place, or give another folder."
            )
