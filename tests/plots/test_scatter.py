"""Pairs of numbers beside the diagonal, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.scatter import ScatterDisplay
from tests.support.plots import new_axes

NAN = float("nan")


def test_points_are_on_their_side_of_the_diagonal():
    x, y = [1.0, 2.0, 3.0, NAN, 0.0], [2.0, 1.0, 3.0, 1.0, NAN]
    display = ScatterDisplay.from_arrays(x, y, below="low", above="high", ax=new_axes())
    assert display.below_.get_xydata().tolist() == [[2.0, 1.0]]
    assert display.above_.get_xydata().tolist() == [[1.0, 2.0], [3.0, 3.0]]
    assert [text.get_text() for text in display.legend_.get_texts()] == ["low (1)", "high (2)"]
    np.testing.assert_array_equal(*display.diagonal_.get_data())
    assert display.ax_.get_xlim() == display.ax_.get_ylim()
    assert display.note_ is None


def test_nothing_to_draw_is_said():
    display = ScatterDisplay.from_arrays([NAN], [1.0], ax=new_axes())
    assert display.note_.get_text() == "nothing to draw"
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [([1.0], [1.0, 2.0], "one number per thing"), ([1.0], [np.inf], "y must be finite or nan")],
)
def test_mistakes_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        ScatterDisplay.from_arrays(x, y, ax=new_axes())
