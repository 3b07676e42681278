"""Means over sizes or steps, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.scaling import ScalingDisplay
from tests.support.plots import new_axes

NAN = float("nan")
MEANS = {
    "found": [[1.0, 0.5, 1.5], [2.0, 1.0, 4.0], [NAN, NAN, NAN]],
    "control": [[1.5, NAN, NAN], [1.0, 0.9, 1.1], [3.0, 2.0, 4.0]],
    "nothing": [[NAN] * 3] * 3,
}


def segments(display, name):
    (bars,) = display.bars_[name].lines[2]
    return [segment[:, 1].tolist() for segment in bars.get_segments()]


def test_points_and_bars():
    display = ScalingDisplay.from_means([10, 20, 40], MEANS, xlabel="steps", ax=new_axes())
    assert set(display.bars_) == {"found", "control"}
    assert display.bars_["found"].lines[0].get_ydata().tolist() == [1.0, 2.0]
    assert segments(display, "found") == [[0.5, 1.5], [1.0, 4.0]]
    assert segments(display, "control")[1:] == [
        [pytest.approx(0.9), pytest.approx(1.1)],
        [2.0, 4.0],
    ]
    assert segments(display, "control")[0] == [1.5, 1.5]
    assert [text.get_text() for text in display.legend_.get_texts()] == ["found", "control"]
    assert display.ax_.get_xlabel() == "steps"
    x = [display.bars_[name].lines[0].get_xdata()[0] for name in ("found", "control")]
    assert x[0] < 10 < x[1]
    assert x[1] - x[0] < 1.0


def test_sizes_are_on_a_logarithmic_axis_with_names():
    one = {"found": MEANS["found"]}
    display = ScalingDisplay.from_means(
        [1e5, 1e6, 1e7], one, names=["a", "b", "c"], log=True, ax=new_axes()
    )
    assert display.ax_.get_xscale() == "log"
    np.testing.assert_allclose(display.bars_["found"].lines[0].get_xdata(), [1e5, 1e6])
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["a", "b", "c"]
    plain = ScalingDisplay.from_means([1e5, 1e6, 1e7], one, log=True, ax=new_axes())
    plain.figure_.draw_without_rendering()
    texts = [tick.get_text() for tick in plain.ax_.get_xticklabels()]
    assert texts == ["100,000", "1,000,000", "10,000,000"]


def test_nothing_to_draw_is_said():
    display = ScalingDisplay.from_means([], {"a": np.empty((0, 3))}, ax=new_axes())
    assert display.note_.get_text() == "nothing to draw"
    assert display.legend_ is None
    assert ScalingDisplay.from_means([1], {"a": [[NAN] * 3]}, ax=new_axes()).note_ is not None


@pytest.mark.parametrize(
    ("x", "series", "options", "message"),
    [
        ([2, 1], {}, {}, "ascending"),
        ([1, NAN], {}, {}, "ascending"),
        ([0, 1], {}, {"log": True}, "above 0"),
        ([0, 1], {"a": [[1, 1, 1]]}, {}, r"shape \(2, 3\)"),
        ([0], {"a": [[1, 1, np.inf]]}, {}, "finite or nan"),
        ([0, 1], {}, {"names": ["a"]}, "a name for each"),
    ],
)
def test_what_cannot_be_drawn(x, series, options, message):
    with pytest.raises(ValueError, match=message):
        ScalingDisplay(x, series, **options)
