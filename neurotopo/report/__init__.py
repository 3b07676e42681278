"""What a run came to, as files to read: a page, its tables and pictures, and the rows behind them.

The names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurotopo.report.files import write_report
    from neurotopo.report.page import make_page
    from neurotopo.report.pictures import to_png, to_svg
    from neurotopo.report.tables import to_csv, to_latex, to_markdown

__all__ = [
    "make_page",
    "to_csv",
    "to_latex",
    "to_markdown",
    "to_png",
    "to_svg",
    "write_report",
]

_HOME = {
    "make_page": "page",
    "to_csv": "tables",
    "to_latex": "tables",
    "to_markdown": "tables",
    "to_png": "pictures",
    "to_svg": "pictures",
    "write_report": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
