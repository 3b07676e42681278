"""Effects with verdicts, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.verdicts import VerdictDisplay
from neurotopo.studies.inference import effect_of, judged
from tests.support.plots import new_axes

NAN = float("nan")


def draw(mean, low, high, *, n=None, verdict=None, **options):
    m = len(mean)
    names = [f"question {k}" for k in range(m)]
    n, verdict = n or [20] * m, verdict or ["undecided"] * m
    options = {"margin": 0.1, "ax": new_axes(), **options}
    return VerdictDisplay.from_arrays(names, mean, low, high, n=n, verdict=verdict, **options)


def segments(display):
    return [[part.tolist() for part in bar.get_segments()] for bar in display.bars_]


def test_rows_have_effects_intervals_and_verdicts_in_words_and_colours():
    display = draw([0.5, 0.0], [0.3, -0.05], [0.7, 0.05], n=[40, 9], verdict=["yes", "no"])
    assert [point.get_xydata().tolist() for point in display.points_] == [[[0.5, 0]], [[0.0, 1]]]
    assert segments(display) == [[[[0.3, 0], [0.7, 0]]], [[[-0.05, 1], [0.05, 1]]]]
    texts = [(n.get_text(), word.get_text()) for n, word in display.texts_]
    assert texts == [("40", "yes"), ("9", "no")]
    colors = [word.get_color() for _, word in display.texts_]
    assert colors == [point.get_color() for point in display.points_]
    assert len(set(colors)) == 2
    assert len({point.get_marker() for point in display.points_}) == 2
    assert display.arrows_ == display.beyond_ == display.notes_ == []
    band = display.band_.get_extents().transformed(display.ax_.transData.inverted())
    np.testing.assert_allclose([band.x0, band.x1], [-0.1, 0.1])


def test_what_lies_beyond_the_axis_is_marked():
    display = draw([0.5, 7.0], [-90, 6.0], [0.9, 8.0], limit=2.0)
    left, right = display.ax_.get_xlim()
    assert -2.5 < left < -1.9 < 1.9 < right < 2.5
    assert segments(display)[0] == [[[left, 0], [pytest.approx(0.9), 0]]]
    assert [arrow.get_marker() for arrow in display.arrows_] == ["<", ">"]
    assert [arrow.get_ydata().tolist() for arrow in display.arrows_] == [[0], [1]]
    assert segments(display)[1] == []  # all of it is beyond
    assert [point.get_xdata().tolist() for point in display.points_] == [[0.5], []]
    assert [text.get_text() for text in display.beyond_] == ["7"]


def test_points_of_facts_are_all_drawn_those_beyond_at_the_edge():
    values = [[0.2, 0.8, NAN], [-50.0, 0.5]]
    display = draw([0.5, 0.2], [0.4, 0.1], [0.6, 0.3], points=values)
    first, second = (np.asarray(each.get_offsets()) for each in display.faint_)
    assert first[:, 0].tolist() == [0.2, 0.8]
    assert second[:, 0].tolist() == [display.ax_.get_xlim()[0], 0.5]
    assert (np.abs(first[:, 1]) < 0.3).all()
    assert (np.abs(second[:, 1] - 1) < 0.3).all()


def test_rows_without_a_value_say_so():
    display = draw([NAN, 0.2], [NAN, NAN], [NAN, NAN], n=[0, 1])
    assert [note.get_text() for note in display.notes_] == ["no value"]
    assert segments(display) == [[], []]
    assert [point.get_xdata().tolist() for point in display.points_] == [[], [0.2]]


def test_effects_are_taken_as_they_are():
    values = {"a": [0.4, 0.6] * 10, "b": [0.0, 0.01] * 10}
    effects = judged({name: effect_of(each, [0, 1] * 10) for name, each in values.items()})
    display = VerdictDisplay.from_effects(effects, ax=new_axes())
    assert display.mean.tolist() == [effect.mean for effect in effects.values()]
    assert display.low.tolist() == [effect.low for effect in effects.values()]
    assert display.verdict == [effect.verdict for effect in effects.values()]
    assert display.margin == effects["a"].margin


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verdict": ["maybe"]}, "the verdict of 'question 0' must be one of yes, no, undecided"),
        ({"verdict": ["yes", "no"]}, "verdict must have one entry per name, 1"),
        ({"points": []}, "points must have one entry per name, 1"),
        ({"margin": 3.0}, "margin must be between 0 and limit"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        draw([0.1], [0.0], [0.2], **options)


def test_effects_of_different_margins_are_refused():
    effects = {str(m): effect_of([0.1, 0.2], [0, 1], margin=m) for m in (0.1, 0.2)}
    with pytest.raises(ValueError, match=r"one margin, got \[0.1, 0.2\]"):
        VerdictDisplay.from_effects(effects, ax=new_axes())
