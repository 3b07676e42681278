"""Numbers of pairs of names, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.matrix import MatrixDisplay
from tests.support.plots import new_axes

NAN = float("nan")


def draw(values, **options):
    rows = [f"row {k}" for k in range(len(values))]
    columns = [f"column {k}" for k in range(len(values[0]))]
    return MatrixDisplay.from_values(values, rows, columns, ax=new_axes(), **options)


def test_cells_names_and_numbers():
    display = draw([[0.5, -2.0, NAN], [0.0, 1.0, 0.25]], label="effect")
    assert [text.get_text() for text in display.texts_] == ["0.5", "-2", "0", "1", "0.25"]
    places = [text.get_position() for text in display.texts_]
    assert places == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)]
    assert len(display.missing_.get_paths()) == 1
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["row 0", "row 1"]
    low, high = display.ax_.get_ylim()
    assert low > high  # the first row is uppermost
    assert display.image_.get_clim() == (-2.0, 2.0)
    assert display.colorbar_.ax.get_ylabel() == "effect"
    assert display.note_ is None


def test_the_limit_of_the_colours_can_be_given():
    assert draw([[0.1, 0.2]], limit=1.0).image_.get_clim() == (-1.0, 1.0)


def test_numbers_too_small_to_read_are_omitted_and_names_thinned():
    display = draw(np.full((120, 120), 0.125))
    assert display.texts_ == []
    assert 10 < len(display.ax_.get_yticks()) < 120
    display.figure_.draw_without_rendering()


def test_nothing_to_draw_is_said():
    display = draw([[NAN]])
    assert display.note_.get_text() == "no value"
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[1.0, np.inf]], {}, "the value at 'row 0', 'column 1' is inf"),
        ([[]], {}, r"must have shape \(1, 0\) and a cell"),
        ([[1.0]], {"limit": 0.0}, "limit must be a number above 0"),
    ],
)
def test_mistakes_are_named(values, options, message):
    with pytest.raises(ValueError, match=message):
        draw(values, **options)
