"""Means of several kinds in rows, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.plots.means import MeansDisplay
from tests.support.plots import new_axes

NAN = float("nan")


def draw(rows, values, **options):
    return MeansDisplay.from_arrays(rows, values, ax=new_axes(), **options)


def test_every_kind_has_its_means_and_intervals():
    display = draw(
        ["a", "b", "c"],
        {
            "own": ([0.2, NAN, 0.7], [0.1, NAN, NAN], [0.3, NAN, NAN]),
            "random": ([0.0, 0.5, 0.6], [-0.1, 0.4, 0.5], [0.1, 0.6, 0.7]),
        },
        label="Succ",
    )
    np.testing.assert_array_equal(display.points_["own"].get_xdata(), [0.2, 0.7])
    (bar,) = [segment.tolist() for segment in display.bars_["own"].get_segments()]
    assert [x for x, _ in bar] == [0.1, 0.3]
    assert len(display.bars_["random"].get_segments()) == 3
    own, random = (display.points_[name].get_ydata() for name in ("own", "random"))
    assert (own < random[[0, 2]]).all()  # heights grow downwards: the first kind is uppermost
    np.testing.assert_allclose((own + random[[0, 2]]) / 2, [0, 2])
    np.testing.assert_allclose(np.diff(random), 1)
    low, high = display.ax_.get_ylim()
    assert low > high
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["a", "b", "c"]
    assert [text.get_text() for text in display.legend_.get_texts()] == ["own", "random"]
    assert display.ax_.get_xlabel() == "Succ"
    assert display.note_ is None


def test_long_names_are_broken():
    display = draw(["a long name that does not fit into one line"], {"own": ([1], [0], [2])})
    (text,) = display.ax_.get_yticklabels()
    assert "\n" in text.get_text()


@pytest.mark.parametrize("rows", [[], ["a"]])
def test_nothing_to_draw_is_said(rows):
    empty = [NAN] * len(rows)
    display = draw(rows, {"own": (empty, empty, empty)})
    assert display.note_.get_text() == "no value"
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one kind"),
        ({"own": ([1, 2], [0], [2])}, r"means of 'own' must have shape \(1,\)"),
        ({"own": ([1], [0], [np.inf])}, "upper bounds of 'own' must be finite"),
        ({"own": ([1], [3], [2])}, "ends before it begins"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        draw(["a"], values)
