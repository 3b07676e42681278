"""The page: its HTML, its script, which contains that of the explorer, and its style."""

from __future__ import annotations

from importlib import resources

__all__ = ["page_html", "page_icon", "page_script", "page_style"]

_SCRIPTS = ("connection", "answer", "lattice", "fact", "table", "start")


def page_html() -> str:
    """Return the page, which names its script and its style by relative addresses."""
    return _asset("page.html")


def page_script() -> str:
    """Return the script of the page; the explorer in it is that of the offline pages.

    Examples
    --------
    >>> from neurotopo.app.page import page_script
    >>> "neurotopoExplorer" in page_script()
    True
    """
    from neurotopo.explore.page import explorer_script

    return explorer_script("\n".join(_asset(f"{name}.js") for name in _SCRIPTS))


def page_icon() -> str:
    """Return the icon of the page, an SVG."""
    return _asset("icon.svg")


def page_style() -> str:
    """Return the style sheet."""
    from neurotopo.explore.page import explorer_style

    return explorer_style() + _asset("app.css")


def _asset(name: str) -> str:
    return (resources.files("neurotopo.app") / "assets" / name).read_text(encoding="utf-8")
