"""Atomic writing of files, and errors that name the file."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "os_errors", "refuse_links"]


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
        if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1):
            raise ValueError(
                f"{path} is a link to a file or folder outside, which would be changed. Put a copy "
                "in its place, or give another folder."
            )
