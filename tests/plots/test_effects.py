"""Differences and their intervals, read back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from neurotopo.plots.effects import EffectsDisplay
from neurotopo.studies.statistics import holm, paired
from tests.support.plots import new_axes

NAN = float("nan")


def draw(names, difference, low, high, n, p, **options):
    return EffectsDisplay.from_arrays(
        names, difference, low, high, n=n, p=p, ax=new_axes(), **options
    )


def bars(display):
    return [segment.tolist() for segment in display.bars_.get_segments()]


def test_rows_go_down_and_hold_their_numbers():
    display = draw(
        ["a", "b", "c", "d"],
        [0.2, NAN, -0.3, 0.5],
        [0.1, NAN, -0.6, NAN],
        [0.3, NAN, 0.1, 0.9],
        [40, 0, 1234, 1],
        [0.0300001, NAN, 2e-12, 0.0],
        label="GCR",
    )
    np.testing.assert_array_equal(display.points_.get_xydata(), [[0.2, 0], [-0.3, 2], [0.5, 3]])
    assert bars(display) == [[[0.1, 0], [0.3, 0]], [[-0.6, 2], [0.1, 2]]]
    assert list(display.zero_.get_xdata()) == [0, 0]
    low, high = display.ax_.get_ylim()
    assert low > high
    texts = [(n.get_text(), p.get_text()) for n, p in display.texts_]
    assert texts == [("40", "0.030"), ("0", "none"), ("1234", "2e-12"), ("1", "0")]
    assert [text.xy[1] for text, _ in display.texts_] == [0, 1, 2, 3]
    (note,) = display.notes_
    assert (note.get_text(), note.xy[1]) == ("no value", 1)
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["a", "b", "c", "d"]
    assert display.ax_.get_xlabel() == "GCR"


def test_results_of_paired_comparisons_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    results = {name: paired(rng.normal(size=9), rng.normal(size=9)) for name in ("a", "b")}
    display = EffectsDisplay.from_paired(results, ax=new_axes())
    np.testing.assert_array_equal(display.difference, [r.difference for r in results.values()])
    np.testing.assert_array_equal(display.low, [r.low for r in results.values()])
    np.testing.assert_array_equal(display.high, [r.high for r in results.values()])
    assert display.n.tolist() == [9, 9]
    np.testing.assert_array_equal(display.p, [r.p_t for r in results.values()])
    signs = EffectsDisplay.from_paired(results, p="p_sign", ax=new_axes())
    np.testing.assert_array_equal(signs.p, [r.p_sign for r in results.values()])
    adjusted = holm(display.p)
    given = EffectsDisplay.from_paired(results, p=adjusted, ax=new_axes())
    np.testing.assert_array_equal(given.p, adjusted)


def test_the_numbers_are_beside_the_axes_and_below_each_other():
    display = draw(["a", "b"], [1, 2], [0, 1], [3, 4], [5, 123456], [0.5, 1e-100])
    figure = display.figure_
    figure.draw_without_rendering()
    right = display.ax_.get_window_extent().x1
    boxes = [[text.get_window_extent() for text in row] for row in display.texts_]
    for n, p in boxes:
        assert right < n.x0 < n.x1 < p.x0 < p.x1 <= figure.bbox.x1 + 1
    assert boxes[0][0].y0 > boxes[1][0].y1
    assert boxes[0][0].x1 == pytest.approx(boxes[1][0].x1, abs=1)


def test_rows_of_long_names_do_not_overlap():
    names = [f"{k}: the clusters of one method with options at great length {k}" for k in range(8)]
    display = draw(names, [0] * 8, [-1] * 8, [1] * 8, [1] * 8, [1] * 8)
    display.figure_.draw_without_rendering()
    ticks = display.ax_.get_yticklabels()
    boxes = [tick.get_window_extent() for tick in ticks]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    assert len({tick.get_text() for tick in ticks}) == 8


def test_no_rows_and_rows_without_values_can_be_drawn():
    for m in (0, 2):
        display = draw(["x"] * m, [NAN] * m, [NAN] * m, [NAN] * m, [0] * m, [NAN] * m)
        display.figure_.draw_without_rendering()
        assert display.ax_.get_xlim() == (-1, 1)
        assert len(display.notes_) == m


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"difference": [1, 2]}, r"difference must have shape \(1,\), got \(2,\)"),
        ({"low": 0.0}, r"low must have shape \(1,\), got \(\)"),
        ({"high": [float("inf")]}, "high must be finite or nan, got inf"),
        ({"low": [4.0]}, "the interval of 'a' ends before it begins"),
        ({"n": [-1]}, "n of 'a' must be a number of pairs, got -1"),
        ({"n": [NAN]}, "n of 'a' must be a number of pairs, got nan"),
        ({"n": [1.5]}, "n of 'a' must be a number of pairs, got 1.5"),
        ({"p": [1.1]}, "p of 'a' must be between 0 and 1, got 1.1"),
        ({"p": [-0.1]}, "p of 'a' must be between 0 and 1"),
    ],
)
def test_mistakes_are_named(changed, said):
    right = {"difference": [1.0], "low": [0.0], "high": [2.0], "n": [3], "p": [0.5]}
    with pytest.raises(ValueError, match=said):
        draw(["a"], **{**right, **changed})
