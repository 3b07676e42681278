"""Neurons by layer, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.layers import LayerDisplay
from tests.support.plots import new_axes


def draw(counts, **options):
    return LayerDisplay.from_counts(counts, ax=new_axes(), **options)


def test_shares_are_bars_at_their_layers():
    counts = {"knowledge neurons": [1, 0, 3], "DKNs (ntc)": [0, 0, 2], "none": [0, 0, 0]}
    display = draw(counts)
    widths = {name: [bar.get_width() for bar in bars] for name, bars in display.bars_.items()}
    assert widths == {"knowledge neurons": [25, 0, 75], "DKNs (ntc)": [0, 0, 100], "none": [0] * 3}
    for layer in range(3):
        bars = [display.bars_[name][layer] for name in counts]
        ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars]
        assert all(layer - 0.5 < low < high < layer + 0.5 for low, high in ends)
        # side by side, the first one uppermost
        assert all(ends[k + 1][1] == pytest.approx(ends[k][0]) for k in range(2))
    assert len({bars[0].get_facecolor() for bars in display.bars_.values()}) == 3
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["knowledge neurons (n = 4)", "DKNs (ntc) (n = 2)", "none (n = 0)"]
    assert display.note_ is None


def test_layers_go_upwards_and_shares_begin_at_0():
    display = draw({"a": [5, 5]})
    assert display.ax_.get_ylim() == (-0.6, 1.6)
    assert display.ax_.get_xlim()[0] == 0


def test_too_many_bars_become_lines_unless_bars_are_asked_for():
    counts = {f"m{k}": np.arange(32) for k in range(9)}
    display = draw(counts)
    assert display.bars_ == {}
    drawn = display.lines_["m3"]
    np.testing.assert_array_equal(drawn.get_ydata(), range(32))
    np.testing.assert_allclose(drawn.get_xdata(), 100 * np.arange(32) / (31 * 16))
    assert len({(line.get_color(), line.get_marker()) for line in display.lines_.values()}) == 9
    assert len(draw(counts, kind="bars").bars_) == 9
    assert len(draw({"a": np.arange(200)}).bars_) == 1
    assert list(draw({"a": [1]}, kind="lines").lines_) == ["a"]


def test_bars_of_one_colour_differ_in_their_hatches():
    display = draw({f"m{k}": [1] for k in range(20)})
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in display.bars_.values()}
    assert len(looks) == 20


def test_no_neurons_at_all_is_said():
    display = draw({"a": [0, 0]})
    assert display.note_.get_text() == "no neurons"
    assert display.ax_.get_xlim() == (0, 100)


def test_large_counts_do_not_overflow():
    display = draw({"a": [1e308, 1e308]})
    assert [bar.get_width() for bar in display.bars_["a"]] == [50, 50]


@pytest.mark.parametrize(
    ("counts", "options", "said"),
    [
        ({}, {}, "at least one kind of neurons"),
        ({"a": []}, {}, r"'a' must have shape \(n_layers,\), got \(0,\)"),
        ({"a": [[1]]}, {}, r"'a' must have shape \(n_layers,\), got \(1, 1\)"),
        ({"a": [1, -1]}, {}, "count of 'a' in layer 1 is -1"),
        ({"a": [float("nan")]}, {}, "count of 'a' in layer 0 is nan"),
        ({"a": [float("inf")]}, {}, "count of 'a' in layer 0 is inf"),
        ({"a": [1], "b": [1, 2]}, {}, "'a' has 1, 'b' has 2"),
        ({"a": [1]}, {"kind": "pie"}, "kind must be one of auto, bars, lines, got 'pie'"),
    ],
)
def test_mistakes_are_named(counts, options, said):
    with pytest.raises(ValueError, match=said):
        draw(counts, **options)
