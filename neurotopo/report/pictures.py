"""Pictures as SVG and PNG: equal files for equal figures.

Text in an SVG is drawn as shapes: other fonts have other widths, and labels would overlap.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, Any
from xml import sax
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["to_png", "to_svg"]

_DPI = 150  # of PNG, and of what cannot be drawn as shapes
_REFERENCE = re.compile(r"url\(#")


def to_svg(figure: Figure, name: str) -> str:
    """Return a figure as SVG, for a file or within a page.

    Parameters
    ----------
    figure : matplotlib Figure
        The figure.
    name : str
        Name of the picture. Pictures with different names have different ids, for one page.

    Returns
    -------
    str
        A self-contained ``svg`` element without a date: equal for equal figures.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from neurotopo.report import to_svg
    >>> figure = Figure(figsize=(3, 2))
    >>> _ = figure.add_subplot().plot([1, 2, 4])
    >>> to_svg(figure, "growth")[:4], to_svg(figure, "growth") == to_svg(figure, "growth")
    ('<svg', True)
    """
    drawn = io.BytesIO()
    settings: Any = {"svg.fonttype": "path", "svg.hashsalt": "neurotopo", "svg.image_inline": True}
    settings["savefig.bbox"] = "standard"
    nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    with mpl.rc_context(settings):
        figure.savefig(drawn, format="svg", dpi=_DPI, facecolor="white", metadata=nothing)
    out = io.StringIO()
    prefix = f"f{hashlib.sha256(name.encode()).hexdigest()[:8]}-"
    sax.parseString(drawn.getvalue(), _Renamed(out, prefix))
    return out.getvalue() + "\n"


def to_png(figure: Figure) -> bytes:
    """Return a figure as PNG of 150 dots per inch.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from neurotopo.report import to_png
    >>> to_png(Figure(figsize=(3, 2)))[1:4]
    b'PNG'
    """
    out = io.BytesIO()
    with mpl.rc_context({"savefig.bbox": "standard"}):
        figure.savefig(out, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return out.getvalue()


class _Renamed(XMLGenerator):
    """Writer of an SVG with a prefix for ids and references; it omits comments and the prolog."""

    def __init__(self, out: io.StringIO, prefix: str) -> None:
        super().__init__(out, encoding="utf-8", short_empty_elements=True)
        self._prefix = prefix

    def startDocument(self) -> None:
        """Leave out the XML declaration."""

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        """Write the beginning of an element."""
        renamed = {}
        for key, value in attrs.items():
            if key == "id":
                value = self._prefix + value
            elif key in ("href", "xlink:href"):
                if value.startswith("#"):
                    value = f"#{self._prefix}{value[1:]}"
                elif not value.startswith("data:image/"):
                    continue  # the page links to nothing outside
            renamed[key] = _REFERENCE.sub(f"url(#{self._prefix}", value)
        super().startElement(name, AttributesImpl(renamed))
