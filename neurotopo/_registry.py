"""Adding an entry to one of the public registries."""

from __future__ import annotations

from collections.abc import Container
from typing import TypeVar

__all__ = ["add_entry"]

Entry = TypeVar("Entry")


def add_entry(
    registry: dict[str, Entry],
    kind: str,
    name: str,
    entry: Entry,
    reserved: Container[str] | None = None,
) -> None:
    """Add an entry under a name.

    ``kind`` is what the error message calls it. Names in ``reserved``, by default those of the
    registry, cannot be used.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a {kind} must be a non-empty string, got {name!r}.")
    if name in (registry if reserved is None else reserved):
        raise ValueError(f"the {kind} {name!r} is registered already.")
    registry[name] = entry
