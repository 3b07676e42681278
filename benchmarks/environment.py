"""The machine and the versions a benchmark ran with, in one line."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "gudhi",
    "ripser",
    "hdbscan",
    "fast_hdbscan",
    "torch",
    "transformers",
)


def command_line(script: str, without: tuple[str, ...] = ()) -> str:
    """Return the command that runs a script as it was run, with the usual output folder.

    Options that say only where files go can be left out.
    """
    arguments = sys.argv[1:]
    for option in ("--out", *without):
        arguments = [part for part in arguments if not part.startswith(f"{option}=")]
        if option in arguments:
            at = arguments.index(option)
            del arguments[at : at + 2]
    return shlex.join(["python", script, *arguments, "--out", "benchmarks/results"])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def total_memory_gb() -> float:
    """Return the memory of the machine in GB (2^30 bytes)."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def describe_environment() -> str:
    """Return processor, cores, memory, Python and the versions of the packages compared."""
    packages = ", ".join(f"{package} {_version(package)}" for package in PACKAGES)
    return (
        f"{_cpu()}, {os.cpu_count()} cores, {total_memory_gb():.0f} GB; {platform.system()}; "
        f"Python {platform.python_version()}; {packages}"
    )
