"""Bars with intervals, read back."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from neurotopo.plots._series import look
from neurotopo.plots.bars import BarsDisplay
from tests.support.plots import new_axes

NAN = float("nan")
UGLY = "_a name that is $very$ long and has no end, or so it seems, until it has one after all"


def draw(names, value, low, high, n, ax=None, **options):
    return BarsDisplay.from_arrays(names, value, low, high, n=n, ax=ax or new_axes(), **options)


def test_bars_go_down_and_hold_their_numbers():
    display = draw(
        ["a", "b", "c"],
        [0.2, NAN, -0.3],
        [0.1, NAN, NAN],
        [0.3, NAN, NAN],
        [40, 0, 1234],
        label="ARI",
    )
    assert [bar.get_width() for bar in display.bars_] == [0.2, 0.0, -0.3]
    assert [bar.get_y() + bar.get_height() / 2 for bar in display.bars_] == pytest.approx([0, 1, 2])
    (segment,) = display.intervals_.get_segments()
    assert segment.tolist() == [[0.1, 0], [0.3, 0]]
    low, high = display.ax_.get_ylim()
    assert low > high
    assert [text.get_text() for text in display.texts_] == ["40", "0", "1234"]
    (note,) = display.notes_
    assert (note.get_text(), note.xy[1]) == ("no value", 1)
    assert display.legend_ is None
    assert display.ax_.get_xlabel() == "ARI"


def test_kinds_keep_their_colours():
    order = [f"kind {k}" for k in range(9)]
    display = draw(
        ["a", "b", "c"],
        [1, 2, 3],
        [NAN] * 3,
        [NAN] * 3,
        [1, 1, 1],
        kinds=["kind 8", "kind 2", "kind 1"],
        order=order,
    )
    colors = [bar.get_facecolor() for bar in display.bars_]
    assert colors[1:] == [to_rgba(look(k)["color"]) for k in (2, 1)]
    # the colour of the ninth is that of the second, so it is hatched
    assert colors[0] == colors[2]
    assert [bool(bar.get_hatch()) for bar in display.bars_] == [True, False, False]
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["kind 1", "kind 2", "kind 8"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": [0.5]}, "ends before it begins"),
        ({"n": [1.5]}, "must be a number of facts"),
        ({"value": [1, 2]}, r"value must have shape \(1,\)"),
        ({"value": [np.inf]}, "value must be finite or nan"),
        ({"kinds": ["x", "y"]}, "kinds must be 1, one per name"),
        ({"kinds": ["x"], "order": ["y"]}, "the kind 'x' is not in order"),
    ],
)
def test_numbers_that_cannot_be_drawn(given, message):
    usual = {"names": ["a"], "value": [0.2], "low": [0.1], "high": [0.3], "n": [4]}
    with pytest.raises(ValueError, match=message):
        draw(**{**usual, **given})


def test_ugly_things_are_drawn_without_warnings_inside_the_figure():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = draw(
            [UGLY] * 20,
            [NAN] * 20,
            [NAN] * 20,
            [NAN] * 20,
            [0] * 20,
            kinds=[f"{k} {UGLY}" for k in range(20)],
            label=UGLY,
        )
        display.figure_.draw_without_rendering()
        draw([], [], [], [], []).figure_.draw_without_rendering()


def test_axes_and_settings():
    ax, settings, figures = new_axes(), dict(mpl.rcParams), plt.get_fignums()
    display = draw(["a"], [1], [NAN], [NAN], [3], ax=ax)
    assert display.ax_ is ax
    other = new_axes()
    assert display.plot(ax=other) is display
    assert (display.ax_, display.figure_) == (other, other.figure)
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == settings
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        display.plot(ax=[other])
