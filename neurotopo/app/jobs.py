"""The jobs that the page asks for, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurotopo.app import editing, facts, finding, tables

__all__ = ["JOBS"]

JOBS: dict[str, Callable[..., Any]] = {
    "load": facts.load,
    "find": finding.find,
    "group": finding.group,
    "edit": editing.edit,
    "lattice": editing.lattice,
    "reword": editing.reword,
    "cluster": tables.cluster,
    "example": tables.example,
}
