"""The explorer inside a notebook: a page in a sandboxed frame, without a server."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

from neurotopo._files import atomic_write, os_errors

__all__ = ["LARGEST", "InlinePage"]

LARGEST = 1_000_000
"""The most characters of a page inside a notebook: a notebook keeps a copy of each."""

_HEIGHT = 640  # pixels


class InlinePage:
    """A page that notebooks show below a cell.

    The page is part of the notebook and needs neither a server nor a network. Its frame is loaded
    when it is scrolled into view, and may run the page's own scripts but cannot reach the notebook.

    Parameters
    ----------
    page : str
        The page as HTML.
    title : str
        The title, for readers who cannot see the frame.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> inline = NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.2], [9.0]]).explore()
    >>> inline
    InlinePage('Clusters by persistence'): notebooks show it; save(path) writes it as a file.
    >>> 'sandbox="allow-scripts"' in inline._repr_html_()
    True
    """

    def __init__(self, page: str, title: str) -> None:
        self.page, self.title = page, title

    def __repr__(self) -> str:
        shown = "notebooks show it; save(path) writes it as a file."
        return f"{type(self).__name__}({self.title!r}): {shown}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file and return its path."""
        path = Path(path)
        with os_errors("write to", path), atomic_write(path) as file:
            file.write(self.page.encode("utf-8", errors="replace"))
        return path

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-scripts" loading="lazy" '
            f'style="width:100%;height:{_HEIGHT}px;border:1px solid #8886;border-radius:4px" '
            f'srcdoc="{html.escape(self.page)}"></iframe>'
            '<div style="opacity:.7;font-size:.85em">Interactive in a trusted notebook; '
            "<code>explore(path)</code> writes the same page to a file.</div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}
