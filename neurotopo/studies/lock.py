"""A lock file: one process writes to a run, and a lock ends with its process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]


class FileLock:
    """An exclusive lock that is not waited for; the file is there while it is held.

    The file is deleted by its holder. A process that opened the file before it was deleted could
    then lock it beside the holder of a new one, so after locking the file must still be the one
    with its name.

    Parameters
    ----------
    path : Path
        The file; a link is not followed.

    Raises
    ------
    BlockingIOError
        If another process, or this one, holds the lock.
    OSError
        If the file cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies.lock import FileLock
    >>> path = Path(tempfile.mkdtemp()) / "results.lock"
    >>> lock = FileLock(path)
    >>> path.exists(), lock.release(), path.exists()
    (True, None, False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        while self._file is None:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                _lock(file)
                if _is_at(file, path):
                    self._file, file = file, -1
            finally:
                if file >= 0:
                    os.close(file)

    def release(self) -> None:
        """Delete the file and end the lock. Idempotent."""
        if self._file is None:
            return
        file, self._file = self._file, None
        if sys.platform != "win32":
            with suppress(OSError):
                self.path.unlink()
        os.close(file)  # ends the lock
        if sys.platform == "win32":  # it cannot delete an open file, by this process or another
            with suppress(OSError):
                self.path.unlink()


def _is_at(file: int, path: Path) -> bool:
    """Return whether an open file is still the one with its name."""
    own = os.fstat(file)
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
