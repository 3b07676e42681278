"""The explorer and its data in one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from neurotopo._files import atomic_write, os_errors

__all__ = [
    "content_hash",
    "elements_script",
    "explorer_script",
    "explorer_style",
    "json_in_html",
    "make_page",
    "write_page",
]

_SCRIPTS = ("elements", "scale", "graph", "charts", "table", "words", "parts", "explorer")
_START = """
window.explorer = window.neurotopoExplorer(
  document.getElementById("explorer"),
  JSON.parse(document.getElementById("explorer-data").textContent)
);
"""
# Signs that end or begin a script inside JSON; U+2028 and U+2029 are escaped as all non-ASCII
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body class="ntx-page">
<div id="explorer"></div>
<noscript>This page shows clusters that grow, and needs JavaScript for it.</noscript>
<script type="application/json" id="explorer-data">{data}</script>
<script>{script}</script>
<script>{start}</script>
</body>
</html>
"""


def explorer_script(more: str = "") -> str:
    """Return the script: it defines ``neurotopoExplorer(element, data)`` and nothing else.

    Parameters
    ----------
    more : str, optional
        Further script, which may use the functions of the explorer.

    Examples
    --------
    >>> from neurotopo.explore import explorer_script
    >>> "neurotopoExplorer" in explorer_script()
    True
    """
    return _wrapped(*(_asset(f"{name}.js") for name in _SCRIPTS), more)


def elements_script(more: str) -> str:
    """Return a script with the functions that make elements, without the explorer."""
    return _wrapped(_asset("elements.js"), more)


def explorer_style() -> str:
    """Return the style sheet that belongs to the script.

    Examples
    --------
    >>> from neurotopo.explore import explorer_style
    >>> ".ntx" in explorer_style()
    True
    """
    return _asset("explorer.css")


def make_page(data: Mapping[str, Any], *, title: str | None = None) -> str:
    """Return the page of :func:`write_page` as HTML; values of the data are text only."""
    if title is not None:
        data = {**data, "title": title}
    script, style = explorer_script(), explorer_style()
    policy = (
        f"default-src 'none'; script-src {content_hash(script)} {content_hash(_START)}; "
        f"style-src {content_hash(style)}; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=html.escape(str(data["title"])),
        style=style,
        data=json_in_html(data),
        script=script,
        start=_START,
    )


def write_page(
    data: Mapping[str, Any], path: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Write the page to a file, atomically.

    Parameters
    ----------
    data : mapping
        The result of :func:`~neurotopo.explore.explorer_data`.
    path : path-like
        The file.
    title : str, optional
        Title that replaces that of the data.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If it cannot be written; an earlier file is kept.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo import merge_tree
    >>> from neurotopo.explore import explorer_data, write_page
    >>> tree = merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
    >>> path = write_page(explorer_data(tree), Path(tempfile.mkdtemp()) / "tree.html")
    >>> path.name, "<!DOCTYPE html>" in path.read_text(encoding="utf-8")
    ('tree.html', True)
    """
    path = Path(path)
    text = make_page(data, title=title)
    with os_errors("write to", path), atomic_write(path) as file:
        file.write(text.encode("utf-8", errors="replace"))
    return path


def json_in_html(data: Any) -> str:
    """Return JSON that can stand inside a script element: without the characters of tags."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign, escaped in _ESCAPED.items():
        text = text.replace(sign, escaped)
    return text


def _wrapped(*parts: str) -> str:
    """Return one script of several parts, with private names."""
    text = "\n".join(parts)
    return f'(function () {{\n"use strict";\n{text}\n}})();\n'


def content_hash(text: str) -> str:
    """Return the hash of a script or a style for a content security policy."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(name: str) -> str:
    return (resources.files("neurotopo.explore") / "assets" / name).read_text(encoding="utf-8")
