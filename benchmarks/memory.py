"""Memory of a process, as Linux counts it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from pathlib import Path


def resident_mb(field: str = "VmRSS", pid: int | str = "self") -> float:
    """Return the resident set of a process in MB (2**20 bytes): now (VmRSS) or its peak (VmHWM)."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(field + r":\s+(\d+)", status.read_text())
    if found is None:
        raise OSError(f"{status} has no field {field}")
    return int(found.group(1)) / 1024


def reset_peak() -> bool:
    """Reset the peak of this process; return whether that works."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def give_memory_back() -> None:
    """Return freed memory to the system, so that the growth of a fit is visible."""
    gc.collect()
    # Where the C library is another one, the measured extra memory may be a little low.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
