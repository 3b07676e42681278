"""Pictures as files: the same for the same figure, and without anything outside of them."""

from __future__ import annotations

import io
import re
import struct
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from neurotopo.report import to_png, to_svg
from tests.support.reports import bars, curves, titled

LINK = "{http://www.w3.org/1999/xlink}href"


def _ids(svg):
    return {each.get("id") for each in ElementTree.fromstring(svg).iter()} - {None}


def _references(svg):
    """Every id that an element of a picture refers to."""
    references = set(re.findall(r"url\(#([^)]*)\)", svg))
    for each in ElementTree.fromstring(svg).iter():
        for key in (LINK, "href"):
            if each.get(key, "#")[0] == "#" and each.get(key):
                references.add(each.get(key)[1:])
    return references


@pytest.mark.parametrize("make", [bars, curves])
def test_equal_figures_are_equal_files(make):
    assert to_svg(make(), "a") == to_svg(make(), "a")
    assert to_png(make()) == to_png(make())


def test_a_figure_written_again_is_the_same():
    # A layout that has to keep the aspect of an image moves a little with every drawing.
    figure = bars()
    assert to_svg(figure, "a") == to_svg(figure, "a")


def test_settings_of_the_user_change_nothing_and_are_left_alone():
    svg, png, before = to_svg(bars(), "a"), to_png(bars()), dict(mpl.rcParams)
    assert dict(mpl.rcParams) == before
    figure = bars()
    changed = {
        "svg.fonttype": "none",
        "svg.hashsalt": None,
        "savefig.bbox": "tight",
        "savefig.dpi": 40,
        "savefig.facecolor": "red",
    }
    with mpl.rc_context(changed):
        assert to_svg(figure, "a") == svg
        assert to_png(figure) == png


@pytest.mark.parametrize("make", [bars, curves])
def test_every_reference_is_to_something_in_the_picture(make):
    svg = to_svg(make(), "a")
    assert _references(svg)
    assert _references(svg) <= _ids(svg)


def test_pictures_of_different_names_have_no_id_in_common():
    first, second = to_svg(curves(), "first"), to_svg(curves(), "second")
    assert len(_ids(first)) == len(_ids(second)) > 50
    assert not _ids(first) & _ids(second)


def test_a_picture_is_an_element_without_text_font_date_or_link():
    figure = curves()
    figure.axes[0].set_title("a --> <b>", url="https://example.org/")
    svg = to_svg(figure, "a")
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>\n")
    for word in ("<text", "<!--", "<!DOCTYPE", "<?xml", "dc:date", "example.org", "font-family"):
        assert word not in svg
    assert "data:image/png;base64," in svg


def test_ids_from_data_are_escaped():
    title = "\"><script>alert('x')</script>"
    svg = to_svg(titled(title), "a")
    assert "<script" not in svg
    assert any(each.endswith(title) for each in _ids(svg))


def test_a_png_has_150_dots_per_inch_and_a_white_ground():
    png = to_png(Figure(figsize=(3, 2), facecolor="none"))
    assert struct.unpack(">II", png[16:24]) == (450, 300)
    pixels = imread(io.BytesIO(png))
    np.testing.assert_array_equal(pixels, 1.0)
