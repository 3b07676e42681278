"""Shared by the benchmarks: options, records, and a description of the machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "gudhi",
    "ripser",
    "hdbscan",
    "fast_hdbscan",
    "fast_plscan",
    "hdbscan-rs",
    "higra",
    "numba",
    "torch",
    "transformers",
)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option ``--out``."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return made


def new_record(script: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the start of a record: the machine and the command."""
    command = command_line(f"benchmarks/{script}.py", without)
    return {"environment": describe_environment(), "command": command}


def write(record: dict[str, Any], out: Path, name: str, text: str | None = None) -> None:
    """Write a record as JSON and, if given, its tables as Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    if text is not None:
        (out / f"{name}.md").write_text(text)


def command_line(script: str, without: tuple[str, ...] = ()) -> str:
    """Return the command of this run with the default output folder, without some options."""
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
