"""docs/replication.md from the records of all models."""

from __future__ import annotations

from pathlib import Path


def write_page(out: Path, page: Path) -> None:
    """Write the page."""
