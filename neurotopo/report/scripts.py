"""Script, style and content security policy of a report's page."""

from __future__ import annotations

from importlib import resources

from neurotopo.explore.page import content_hash, elements_script, explorer_script, explorer_style

__all__ = ["page_policy", "page_script", "page_style"]

_TABLES, _FACTS = ("tables.js",), ("tables.js", "curves.js", "facts.js")


def page_script(explorer: bool) -> str:
    """Return the script of a page.

    Parameters
    ----------
    explorer : bool
        Whether the page shows single facts. Otherwise the script only sorts and filters tables.

    Examples
    --------
    >>> from neurotopo.report.scripts import page_script
    >>> "neurotopoExplorer" in page_script(True), "neurotopoExplorer" in page_script(False)
    (True, False)
    """
    if explorer:
        return explorer_script("\n".join(_asset(name) for name in _FACTS))
    return elements_script("\n".join(_asset(name) for name in _TABLES))


def page_style(explorer: bool) -> str:
    """Return the style sheet of a page, including that of the explorer if needed."""
    return (explorer_style() if explorer else "") + _asset("report.css")


def page_policy(script: str) -> str:
    """Return the content security policy of a page that runs one script.

    Styles are not restricted: pictures have styles in the elements of their SVG.

    Examples
    --------
    >>> from neurotopo.report.scripts import page_policy
    >>> page_policy("alert(1)").partition(";")[0]
    "default-src 'none'"
    """
    return (
        f"default-src 'none'; script-src {content_hash(script)}; style-src 'unsafe-inline'; "
        "img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (resources.files("neurotopo.report") / "assets" / name).read_text(encoding="utf-8")
