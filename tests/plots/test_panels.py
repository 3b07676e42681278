"""Panels of means, read back."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo.plots.panels import PanelsDisplay
from tests.support.plots import new_axes

NAN = float("nan")
ONE = {"a": ([1.0, 2.0], [0.0, 1.5], [2.0, 2.5]), "b": ([3.0, NAN], [NAN, NAN], [NAN, NAN])}


def heights(display, key):
    return [segment.tolist() for segment in display.bars_[key].get_segments()]


def test_numbers_are_where_they_belong():
    display = PanelsDisplay.from_arrays({"one": ONE}, [0.0, 2.0], ylabel="y", ax=new_axes())
    line = display.lines_["one", "a"]
    np.testing.assert_array_equal(line.get_xydata(), [[0, 1], [2, 2]])
    assert heights(display, ("one", "a")) == [[[0, 0], [0, 2]], [[2, 1.5], [2, 2.5]]]
    np.testing.assert_array_equal(display.lines_["one", "b"].get_xydata(), [[0, 3]])
    assert heights(display, ("one", "b")) == []  # no bounds, no bar
    assert line.get_linestyle() != "None"
    assert display.panels_["one"].get_ylabel() == "y"
    assert [text.get_text() for text in display.legend_.get_texts()] == ["a", "b"]


def test_categories_stand_side_by_side_and_unjoined():
    panels = {"one": ONE, "two": {"b": ONE["a"]}}
    display = PanelsDisplay.from_arrays(panels, ["add", "delete"], ax=new_axes())
    a, b = (display.lines_["one", name] for name in "ab")
    assert a.get_linestyle() == "None"
    assert a.get_xdata()[0] < 0 < b.get_xdata()[0]  # either side of the first category
    assert b.get_color() == display.lines_["two", "b"].get_color() != a.get_color()
    assert display.lines_["two", "b"].get_xdata()[0] == b.get_xdata()[0]
    ticks = display.panels_["one"].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["add", "delete"]
    first, second = display.panels_.values()
    assert first.get_ylim() == second.get_ylim()


@pytest.mark.parametrize("x", [[0.0, 1.0], ["a", "b"]])
def test_ugly_input_is_drawn_without_warnings(x):
    name = "_a $name$ of no end " * 9
    panels = {
        name: {f"{k} {name}": ([NAN, 1e305], [NAN, NAN], [NAN, NAN]) for k in range(12)},
        "empty": {},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = PanelsDisplay.from_arrays(panels, x, xlabel=name, ylabel=name, ax=new_axes())
        display.figure_.draw_without_rendering()
    assert len(display.notes_) == 2
    assert all(np.isfinite(ax.get_xlim() + ax.get_ylim()).all() for ax in display.figure_.axes)


def test_axes_given_are_used_and_pyplot_is_left_alone():
    ax, before = new_axes(), plt.get_fignums()
    assert PanelsDisplay.from_arrays({"one": ONE}, ["a", "b"], ax=ax).ax_ is ax
    assert plt.get_fignums() == before
    free = new_axes().figure.add_axes((0.1, 0.1, 0.5, 0.5))
    assert PanelsDisplay.from_arrays({"one": ONE}, [1, 2], ax=free).ax_ is free


@pytest.mark.parametrize(
    ("panels", "x", "message"),
    [
        ({}, ["a", "b"], "at least one panel"),
        ({"one": ONE}, [1.0, 1.0], "ascending"),
        ({"one": ONE}, [1.0, NAN], "finite"),
        ({"one": ONE}, ["a"], r"means of 'a' must have shape \(1,\)"),
        ({"one": {"a": ([1, 2], [2, 2], [1, 3])}}, ["a", "b"], "ends before it begins"),
    ],
)
def test_mistakes_are_named(panels, x, message):
    with pytest.raises(ValueError, match=message):
        PanelsDisplay.from_arrays(panels, x, ax=new_axes())


def test_panels_can_be_in_several_rows():
    panels = {name: {"own": ([0.5], [0.4], [0.6])} for name in "abcde"}
    display = PanelsDisplay.from_arrays(panels, ["x"], xlabel="x", columns=2, ax=new_axes())
    display.figure_.draw_without_rendering()
    places = [panel.get_position() for panel in display.panels_.values()]
    assert len({round(place.x0, 3) for place in places}) == 2
    assert len({round(place.y0, 3) for place in places}) == 3
    assert [bool(panel.get_xlabel()) for panel in display.panels_.values()] == [
        *[False] * 3,
        *[True] * 2,
    ]


def test_intervals_can_be_bands():
    values = ([1.0, 2.0, 3.0], [0.5, 1.5, np.nan], [1.5, 2.5, np.nan])
    display = PanelsDisplay.from_arrays({"": {"own": values}}, [0, 1, 2], bands=True, ax=new_axes())
    (path,) = display.bars_["", "own"].get_paths()
    assert {(0.0, 0.5), (0.0, 1.5), (1.0, 1.5), (1.0, 2.5)} == set(map(tuple, path.vertices))
    assert display.lines_["", "own"].get_ydata().tolist() == [1.0, 2.0, 3.0]
    assert all(tick == int(tick) for tick in display.panels_[""].get_xticks())


def test_bands_need_numbers_and_columns_at_least_one():
    panels = {"": {"own": ([0.5], [0.4], [0.6])}}
    with pytest.raises(ValueError, match="bands need numbers as x"):
        PanelsDisplay.from_arrays(panels, ["x"], bands=True, ax=new_axes())
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        PanelsDisplay.from_arrays(panels, ["x"], columns=0, ax=new_axes())
