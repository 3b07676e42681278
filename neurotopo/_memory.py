"""Memory: how much is free, and a limit on what a file or an option may ask for."""

from __future__ import annotations

import math
import os
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "MEMORY_VARIABLE",
    "SPARSE",
    "check_npy",
    "check_npz",
    "free_memory",
    "in_units",
    "memory_limit",
    "require_array",
    "require_memory",
    "unpack_limit",
]

MEMORY_VARIABLE = "NEUROTOPO_MEMORY"
_UNPACKED = 2 * 10**9
_SMALL = 2**26  # bytes; less is not checked: the check takes longer than the array
SPARSE = "A sparse graph of nearest neighbours needs less."
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def free_memory() -> int | None:
    """Return the bytes that this process can still allocate; None if that is unknown.

    The least of what is free on the machine, what the container allows, and the limit of the
    process on its address space.
    """
    found = [_of_machine(), _of_container(), _of_process()]
    known = [n for n in found if n is not None]
    return max(min(known), 0) if known else None


def memory_limit() -> int | None:
    """Return the most bytes that one step may ask for: ``NEUROTOPO_MEMORY``, or what is free.

    Examples
    --------
    >>> import os
    >>> from neurotopo._memory import memory_limit
    >>> os.environ["NEUROTOPO_MEMORY"] = "2GB"
    >>> memory_limit()
    2000000000
    >>> del os.environ["NEUROTOPO_MEMORY"]
    """
    text = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not text:
        return free_memory()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.lower())
    if match is None:
        raise ValueError(
            f"the environment variable {MEMORY_VARIABLE} must be a number of bytes such as 8GB, "
            f"got {text!r}."
        )
    return int(float(match[1]) * _UNITS[match[2]])


def unpack_limit() -> int:
    """Return the most bytes that a compressed file may unpack to.

    2 GB or what is free, whichever is less; ``NEUROTOPO_MEMORY`` raises it. A compressed file of
    a few megabytes can hold gigabytes of zeros.
    """
    limit = memory_limit()
    if os.environ.get(MEMORY_VARIABLE, "").strip() and limit is not None:
        return limit
    return _UNPACKED if limit is None else min(limit, _UNPACKED)


def require_memory(
    n_bytes: float, what: str, remedy: str = "", *, limit: int | None = None
) -> None:
    """Raise an error before memory is allocated that is not there.

    Parameters
    ----------
    n_bytes : float
        What will be needed.
    what : str
        The subject of the message: what needs the memory.
    remedy : str
        A sentence with the option that lowers the need.
    limit : int or None
        The most bytes. None: :func:`memory_limit`.

    Raises
    ------
    MemoryError

    Examples
    --------
    >>> from neurotopo._memory import require_memory
    >>> require_memory(10, "a small array")
    >>> require_memory(1e18, "the distances of 1,000,000,000 points")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    MemoryError: the distances of 1,000,000,000 points need 1,000,000 TB of memory, but only ...
    """
    limit = memory_limit() if limit is None else limit
    if limit is not None and n_bytes > limit:
        raise MemoryError(
            f"{what} need {in_units(n_bytes)} of memory, but only {in_units(limit)} may be used. "
            f"{remedy + ' ' if remedy else ''}The environment variable {MEMORY_VARIABLE}, such as "
            "8GB, changes this limit."
        )


def require_array(shape: Sequence[int], what: str, remedy: str = "", *, copies: int = 1) -> None:
    """Raise an error before arrays of doubles are allocated that do not fit.

    Parameters
    ----------
    shape : sequence of int
        Their shape. Small arrays are not checked.
    what, remedy : str
        As for :func:`require_memory`.
    copies : int, default=1
        How many of them exist at the same time.

    Raises
    ------
    MemoryError

    Examples
    --------
    >>> from neurotopo._memory import require_array
    >>> require_array((1000, 1000), "the distances")
    >>> require_array((10**9, 10**9), "the distances", copies=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    MemoryError: the distances need 16,000,000 TB of memory, but only ...
    """
    n_bytes = 8 * copies * math.prod(map(int, shape))
    if n_bytes > _SMALL:
        require_memory(n_bytes, what, remedy)


def check_npz(file: Any, path: Path) -> None:
    """Raise an error if the arrays of an ``.npz`` file do not fit, before one is read.

    Parameters
    ----------
    file : path-like or file object
    path : Path
        Its name, for messages.

    Raises
    ------
    MemoryError
        If they need more than :func:`memory_limit`.
    ValueError
        If a header does not belong to the size of its array.
    """
    total = 0
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            total += member.file_size
            if member.filename.endswith(".npy"):
                with archive.open(member) as array:
                    check_npy(array, member.file_size, member.filename)
    require_memory(total, f"the arrays in {path}", limit=unpack_limit())


def check_npy(file: Any, size: int, name: str) -> None:
    """Raise a ValueError if the header of an array does not belong to the size of its file.

    Parameters
    ----------
    file : file object
        At the start of the array; it is left behind the header.
    size : int
        Bytes of the file.
    name : str
        Its name, for messages.
    """
    from numpy.lib import format as npy

    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in read:
        raise ValueError(f"{name} is of version {version} of the format")
    try:
        shape, _, dtype = read[version](file)
    except ValueError:
        raise
    except Exception as error:  # numpy parses it as Python code, which has errors of many kinds
        raise ValueError(f"the header of {name} is damaged: {error}") from error
    n_bytes = dtype.itemsize * math.prod(shape)
    if not dtype.hasobject and (min(shape, default=0) < 0 or file.tell() + n_bytes != size):
        raise ValueError(
            f"the header of {name} tells of {n_bytes:,} bytes, the file has {size - file.tell():,}"
        )


def in_units(n_bytes: float) -> str:
    """Return a number of bytes for a sentence.

    Examples
    --------
    >>> from neurotopo._memory import in_units
    >>> in_units(512), in_units(6.7e9), in_units(2e6)
    ('512 bytes', '6.7 GB', '2.0 MB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            value = n_bytes / size
            return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def _of_machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None


def _of_container() -> int | None:
    """Return what is left of the limit of a Linux control group; cached files count as free."""
    for limit, used, stat, cached in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            most, now, counts = (
                Path("/sys/fs/cgroup", name).read_text(encoding="ascii")
                for name in (limit, used, stat)
            )
            if most.strip() == "max":
                return None
            free = dict(line.split() for line in counts.splitlines()).get(cached, 0)
            return int(most) - int(now) + int(free)
        except (OSError, ValueError):
            continue
    return None


def _of_process() -> int | None:
    """Return what is left of the limit on the address space of this process."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return soft
    return soft - pages * resource.getpagesize()
