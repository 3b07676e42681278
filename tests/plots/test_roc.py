"""ROC curves, read back."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo.plots.roc import RocDisplay
from tests.support.plots import new_axes

CURVES = {"dkn": ([0, 0, 0.5, 1], [0, 0.5, 1, 1]), "random": ([0, 1], [0, 1])}
UGLY = "_a name that is $very$ long and has no end, or so it seems, until it has one after all"


def draw(curves=CURVES, ax=None, **given):
    return RocDisplay.from_curves(curves, ax=ax or new_axes(), **given)


def texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_curves_are_drawn_as_they_are():
    display = draw()
    np.testing.assert_array_equal(
        display.lines_["dkn"].get_xydata(), [[0, 0], [0, 0.5], [0.5, 1], [1, 1]]
    )
    np.testing.assert_array_equal(display.diagonal_.get_xydata(), [[0, 0], [1, 1]])
    assert display.note_ is None


def test_areas_are_those_under_the_curves_unless_given():
    assert texts(draw()) == ["dkn: 0.875", "random: 0.500"]
    given = draw(areas={"dkn": (0.9, 0.85, 0.95), "random": 0.4})
    assert texts(given) == ["dkn: 0.900 (0.850 to 0.950)", "random: 0.400"]
    assert texts(draw(areas={"dkn": (0.9, float("nan"), float("nan"))}))[0] == "dkn: 0.900"


def test_the_looks_differ_in_more_than_their_colour():
    display = draw({f"m{k}": CURVES["dkn"] for k in range(9)})
    looks = {(line.get_color(), line.get_marker()) for line in display.lines_.values()}
    assert len(looks) == 9
    assert len({line.get_marker() for line in display.lines_.values()}) == 8


def test_no_curve_is_no_error():
    display = draw({})
    assert "nothing" in display.note_.get_text()
    assert display.legend_ is None


def test_labels_of_axes():
    display = draw(labels=("wrong", "true"))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("wrong", "true")


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (([0, 1], [0, 1, 1]), "two rows"),
        (([0], [1]), "two rows"),
        (([0, 2], [0, 1]), "between 0 and 1"),
        (([0, 1], [1, 0]), "must not descend"),
        (([0, 1], [0, float("nan")]), "between 0 and 1"),
    ],
)
def test_what_is_no_curve(curve, message):
    with pytest.raises(ValueError, match=message):
        draw({"dkn": curve})


def test_an_area_has_both_bounds_or_none():
    with pytest.raises(ValueError, match="one number, or three"):
        draw(areas={"dkn": (0.5, 0.4)})


def test_it_draws_on_the_axes_given_and_leaves_the_settings_alone():
    before, open_before = dict(mpl.rcParams), plt.get_fignums()
    ax = new_axes()
    display = draw({UGLY: CURVES["dkn"], f"{UGLY} 2": CURVES["random"]}, ax)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.figure_.draw_without_rendering()
    assert display.ax_ is ax
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_before
    with pytest.raises(TypeError, match="one matplotlib Axes"):
        RocDisplay.from_curves(CURVES, ax="here")


def test_without_axes_there_is_a_new_figure():
    display = RocDisplay.from_curves(CURVES)
    assert display.figure_.number in plt.get_fignums()
    plt.close(display.figure_)
