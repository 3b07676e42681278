"""Learning curves, read back."""

from __future__ import annotations

import inspect
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotopo.plots.learning_curves import LearningCurvesDisplay
from tests.support.plots import new_axes

NAN = float("nan")
PANELS = ["new", "old"]
RUNS = {
    "dkn": [
        ([0, 10, 20], [[0.0, 1.0], [0.4, 0.9], [0.6, 0.8]]),
        ([0, 10], [[0.0, 1.0], [0.2, 0.7]]),
    ],
    "all": [([0, 20], [[0.0, 1.0], [0.9, NAN]])],
}


def draw(runs=RUNS, panels=PANELS, ax=None):
    return LearningCurvesDisplay.from_runs(runs, panels, ax=ax or new_axes())


def test_lines_are_means_and_bands_reach_from_least_to_greatest():
    display = draw()
    assert list(display.panels_) == PANELS
    line = display.lines_["new", "dkn"]
    assert line.axes is display.panels_["new"]
    # the second run has stopped at 10 and stays at 0.2
    np.testing.assert_allclose(line.get_xydata(), [[0, 0], [10, 30], [20, 40]])
    (path,) = display.bands_["new", "dkn"].get_paths()
    assert path.vertices[:, 1].max() == pytest.approx(60)
    at_the_end = path.vertices[path.vertices[:, 0] == 20, 1]
    assert (at_the_end.min(), at_the_end.max()) == pytest.approx((20, 60))
    assert ("new", "all") not in display.bands_  # one run has no band
    np.testing.assert_allclose(display.lines_["old", "all"].get_xydata(), [[0, 100]])
    assert [text.get_text() for text in display.legend_.get_texts()] == ["dkn (2)", "all (1)"]


def test_runs_evaluated_at_other_steps_are_on_a_straight_line_between():
    runs = {"dkn": [([0, 10], [[0.0], [1.0]]), ([0, 5, 10], [[0.0], [0.0], [0.0]])]}
    display = draw(runs, ["new"])
    np.testing.assert_allclose(
        display.lines_["new", "dkn"].get_xydata(), [[0, 0], [5, 25], [10, 50]]
    )


def test_an_arm_looks_the_same_in_all_panels_and_in_the_legend():
    display = draw({f"m{k}": RUNS["dkn"] for k in range(6)})
    looks = set()
    for k, entry in enumerate(display.legend_.legend_handles):
        own = entry.get_color(), entry.get_marker(), str(entry.get_linestyle())
        looks.add(own)
        for panel in PANELS:
            line = display.lines_[panel, f"m{k}"]
            assert (line.get_color(), line.get_marker(), str(line.get_linestyle())) == own
    assert len(looks) == 6


def test_panels_share_their_axes_and_do_not_overlap():
    display = draw()
    display.figure_.draw_without_rendering()
    panels = list(display.panels_.values())
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    renderer = FigureCanvasAgg(display.figure_).get_renderer()
    boxes = [panel.get_tightbbox(renderer) for panel in panels]
    boxes.append(display.legend_.get_window_extent())
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:k])


def test_axes_given_are_used_and_others_are_made():
    ax = new_axes()
    settings, figures = dict(mpl.rcParams), plt.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = draw(ax=ax)
        display.figure_.draw_without_rendering()
    assert display.ax_ is ax
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == settings
    other = new_axes()
    assert display.plot(ax=other) is display
    assert display.ax_ is other
    made = LearningCurvesDisplay.from_runs(RUNS, PANELS)
    assert set(plt.get_fignums()) - set(figures) == {made.figure_.number}
    plt.close(made.figure_)
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        draw(ax=[new_axes()])


def test_axes_at_free_positions_are_filled():
    display = draw(ax=Figure(figsize=(9, 6)).add_axes((0.2, 0.1, 0.7, 0.8)))
    for panel in display.panels_.values():
        box = panel.get_position()
        assert box.x0 >= 0.199
        assert box.x1 <= 0.901


@pytest.mark.parametrize("runs", [{}, {"a": []}, {"a": [([0, 1], [[NAN, NAN], [NAN, NAN]])]}])
def test_nothing_to_draw_is_said(runs):
    display = draw(runs)
    display.figure_.draw_without_rendering()
    assert display.note_.get_text() == "nothing to draw"
    assert display.legend_ is None


def test_one_point_and_ugly_names_are_drawn_without_warnings():
    name = "_a name that is $very$ long and has no end, or so it seems, until it has one"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = draw({f"{k} {name}": [([0], [[0.5, NAN]])] for k in range(12)})
        display.figure_.draw_without_rendering()
    assert all(np.isfinite(ax.get_xlim() + ax.get_ylim()).all() for ax in display.figure_.axes)


def test_artists_promised_are_there():
    display = draw()
    documented = inspect.getdoc(LearningCurvesDisplay)
    for name in LearningCurvesDisplay.__annotations__:
        assert hasattr(display, name), name
        assert name in documented


@pytest.mark.parametrize(
    ("runs", "panels", "said"),
    [
        ({"a": [([0, 0], [[0], [0]])]}, ["x"], "steps of 'a' must be ascending"),
        ({"a": [([0, NAN], [[0], [0]])]}, ["x"], "steps of 'a' must be ascending"),
        ({"a": [([0, 1], [[0, 0]])]}, ["x"], r"'a' must have shape \(2, 1\), got \(1, 2\)"),
        ({"a": [([0], [[1.5]])]}, ["x"], "'a' must be between 0 and 1"),
        ({}, ["x", "x"], "panels must have different names"),
    ],
)
def test_mistakes_are_named(runs, panels, said):
    with pytest.raises(ValueError, match=said):
        draw(runs, panels)
