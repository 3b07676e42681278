"""The names that docs/api.md lists, and scripts of docs/ as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def script(path: Path):
    """Return a script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def in_the_reference() -> set[str]:
    """Return the full names that docs/api.md lists."""
    names = script(DOCS / "_ext" / "api_names.py")
    return names.listed((DOCS / "api.md").read_text(encoding="utf-8"))
