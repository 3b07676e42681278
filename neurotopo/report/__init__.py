"""What a run came to, as files to read: a page, its tables and pictures, and the rows behind them.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo._lazy import lazy_names

if TYPE_CHECKING:
    from neurotopo.report.files import write_report
    from neurotopo.report.page import make_page
    from neurotopo.report.pictures import to_png, to_svg
    from neurotopo.report.tables import to_csv, to_latex, to_markdown

__all__ = ["make_page", "to_csv", "to_latex", "to_markdown", "to_png", "to_svg", "write_report"]

_HOME = {
    "make_page": "page",
    "to_csv": "tables",
    "to_latex": "tables",
    "to_markdown": "tables",
    "to_png": "pictures",
    "to_svg": "pictures",
    "write_report": "files",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
