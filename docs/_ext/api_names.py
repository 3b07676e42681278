"""Names that the reference lists, and removal of stubs from earlier builds."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```\{eval-rst\}\n\.\. currentmodule:: (\S+)\n(.*?)^```$", re.M | re.S)
_NAME = re.compile(r"^   ([A-Za-z_][\w.]*)$", re.M)


def listed(text: str) -> set[str]:
    """Return the full names that a page of autosummaries lists."""
    return {
        f"{module}.{name}" for module, body in _BLOCK.findall(text) for name in _NAME.findall(body)
    }


def remove_stale(page: Path, generated: Path) -> None:
    """Remove the stubs of names that the page no longer lists; they would cause warnings."""
    names = listed(page.read_text(encoding="utf-8"))
    for stub in generated.glob("*.rst"):
        if stub.stem not in names:
            stub.unlink()
