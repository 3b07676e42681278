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

__all__ = [
    "content_hash",
    "elements_script",
    "explorer_script",
    "explorer_style",
    "json_in_html",
    "make_page",
    "write_page",
]

_SCRIPTS = (
    "elements.js",
    "scale.js",
    "graph.js",
    "charts.js",
    "table.js",
    "words.js",
    "parts.js",
    "explorer.js",
)
_START = """
window.explorer = window.neurotopoExplorer(
  document.getElementById("explorer"),
  JSON.parse(document.getElementById("explorer-data").textContent)
);
"""
# What ends a script, or begins one, inside JSON; U+2028 and U+2029 are escaped with all non-ASCII
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
    return _wrapped(*(_asset(name) for name in _SCRIPTS), more)


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
    """Return the page as text.

    Parameters
    ----------
    data : mapping
        The result of :func:`~neurotopo.explore.explorer_data`.
    title : str, optional
        Another title than that of the data.

    Returns
    -------
    str
        HTML. Values of the data appear as text only.
    """
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
    """Write the page to a file, in one step.

    Parameters
    ----------
    data : mapping
        The result of :func:`~neurotopo.explore.explorer_data`.
    path : path-like
        The file.
    title : str, optional
        Another title than that of the data.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        When it cannot be written; an earlier file stays as it was.

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
    from neurotopo._files import atomic_write

    path = Path(path)
    text = make_page(data, title=title)
    try:
        with atomic_write(path) as file:
            file.write(text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise OSError(f"cannot write to {path}: {error.strerror or error}.") from error
    return path


def json_in_html(data: Any) -> str:
    """Return JSON that can stand inside a script element: without the characters of tags."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign, escaped in _ESCAPED.items():
        text = text.replace(sign, escaped)
    return text


def _wrapped(*parts: str) -> str:
    """Return one script of several parts, whose names are private to it."""
    text = "\n".join(parts)
    return f'(function () {{\n"use strict";\n{text}\n}})();\n'


def content_hash(text: str) -> str:
    """Return the hash of a script or a style for a content security policy."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(name: str) -> str:
    return (resources.files("neurotopo.explore") / "assets" / name).read_text(encoding="utf-8")
