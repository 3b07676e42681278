"""The curves of several methods, read back."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotopo.plots.suppression_grid import SuppressionGridDisplay
from tests.support.plots import new_axes

NAN = float("nan")


def draw(curves, counts, **options):
    return SuppressionGridDisplay.from_curves(curves, counts, **{"ax": new_axes(), **options})


def line(n):
    return np.arange(1, n + 1) / n


def many(names, ns, facts=5):
    return {m: {n: line(n) for n in ns} for m in names}, {
        m: dict.fromkeys(ns, facts) for m in names
    }


def test_every_curve_is_in_its_panel_and_absent_ones_are_absent():
    curves = {
        "ntc": {2: [0.1, 0.8], 4: [0.1, 0.2, 0.3, 0.9]},
        "kmeans": {2: [0.3, 0.4]},
        "dbscan": {},
        "none of 4": {2: [0.0, 0.1], 4: [NAN] * 4},
        "no facts": {4: line(4)},
    }
    counts = {
        "ntc": {2: 30, 4: 2, 9: 7},
        "kmeans": {2: 12},
        "none of 4": {2: 1, 4: 0},
        "no facts": {4: 0},
    }
    display = draw(curves, counts)
    assert list(display.panels_) == [2, 4]
    assert sorted(display.lines_) == [(2, "kmeans"), (2, "none of 4"), (2, "ntc"), (4, "ntc")]
    drawn = display.lines_[4, "ntc"]
    assert drawn.axes is display.panels_[4]
    np.testing.assert_allclose(drawn.get_xydata().T, [range(5), [0, 10, 20, 30, 90]])
    assert [panel.get_title() for panel in display.panels_.values()] == ["n = 2", "n = 4"]
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [
        "ntc (30, 2)",
        "kmeans (12, 0)",
        "dbscan (0, 0)",
        "none of 4 (1, 0)",
        "no facts (0, 0)",
    ]
    assert display.legend_.get_title().get_text() == "method (facts with n = 2, 4)"


def test_standard_errors_are_bars_and_unknown_ones_are_not_drawn():
    errors = {"ntc": {3: [0.05, NAN, 0.1]}}
    display = draw({"ntc": {3: [0.1, 0.2, NAN]}}, {"ntc": {3: 4}}, errors=errors)
    (bar,) = display.errors_[3, "ntc"].get_segments()
    np.testing.assert_allclose(bar, [[1, 5], [1, 15]])


def test_a_method_looks_the_same_in_all_panels_and_in_the_legend_and_no_two_look_alike():
    display = draw(*many([f"m{k}" for k in range(20)], range(2, 9)))
    assert list(display.panels_) == [2, 3, 4, 5, 6, 7, 8]
    entries = display.legend_.legend_handles
    looks = set()
    for k, entry in enumerate(entries):
        look = entry.get_color(), entry.get_marker(), str(entry.get_linestyle())
        looks.add(look)
        for n in display.panels_:
            drawn = display.lines_[n, f"m{k}"]
            assert (drawn.get_color(), drawn.get_marker(), str(drawn.get_linestyle())) == look
    assert len(looks) == len(entries) == 20


def test_panels_share_the_axis_of_drops_and_do_not_overlap():
    display = draw(*many(["a", "b", "c"], range(2, 9)))
    display.figure_.draw_without_rendering()
    panels = list(display.panels_.values())
    assert len({panel.get_ylim() for panel in panels}) == 1
    panels[0].set_ylim(-7, 7)
    assert panels[-1].get_ylim() == (-7, 7)
    renderer = FigureCanvasAgg(display.figure_).get_renderer()
    boxes = [panel.get_tightbbox(renderer) for panel in panels]
    boxes.append(display.legend_.get_window_extent())
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:k])


def test_numbers_of_components_that_are_not_drawn_are_named():
    curves, counts = many(["a"], [1, 2, 8, 9, 12])
    display = draw(curves, counts)
    assert list(display.panels_) == [2, 8]
    assert display.legend_.get_title().get_text().endswith("; not drawn: n = 1, 9, 12")
    wide = draw(curves, counts, components=range(1, 99))
    assert list(wide.panels_) == [1, 2, 8, 9, 12]
    assert "not drawn" not in wide.legend_.get_title().get_text()


def test_a_legend_too_large_for_its_axes_has_shorter_names_that_still_differ():
    names = [f"{k:02}: a method with a name that is longer than it should be" for k in range(20)]
    display = draw(*many(names, range(2, 9)))
    display.figure_.draw_without_rendering()
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert len(set(texts)) == 20
    assert all("…" in text for text in texts)
    box = display.legend_.get_window_extent()
    assert box.y0 >= 0
    assert box.height < 0.6 * display.figure_.bbox.height
    alike = draw(*many([f"{'a' * 16}{k:02}{'b' * 20}" for k in range(20)], range(2, 9)))
    assert len({text.get_text() for text in alike.legend_.get_texts()}) == 20


@pytest.mark.parametrize(
    ("curves", "counts"), [({}, {}), ({"a": {}}, {}), ({"a": {2: [NAN, NAN]}}, {"a": {2: 3}})]
)
def test_nothing_to_draw_is_said(curves, counts):
    display = draw(curves, counts)
    display.figure_.draw_without_rendering()
    assert display.note_.get_text() == "nothing to draw"
    assert display.panels_ == {}
    assert display.legend_ is None


def test_axes_at_free_positions_are_filled():
    ax = Figure(figsize=(9, 6)).add_axes((0.2, 0.1, 0.7, 0.8))
    display = draw(*many(["a"], [2, 3, 4, 5, 6]), ax=ax)
    for panel in display.panels_.values():
        box = panel.get_position()
        assert box.x0 >= 0.199
        assert box.x1 <= 0.901
        assert box.y0 >= 0.099
        assert box.y1 <= 0.901


@pytest.mark.parametrize(
    ("curves", "counts", "errors", "said"),
    [
        ({"a": {2: [0.1]}}, {"a": {2: 1}}, None, r"curve of 'a' for n = 2 must have shape \(2,\)"),
        ({"a": {0: []}}, {"a": {0: 1}}, None, "must be 1 or more, got 0"),
        ({"a": {2: [0, 0]}}, {}, None, "lacks the number of facts of 'a' for n = 2"),
        ({"a": {2: [0, 0]}}, {"a": {3: 1}}, None, "lacks the number of facts of 'a' for n = 2"),
        ({"a": {2: [0, 0]}}, {"a": {2: -1}}, None, "not negative, got -1"),
        ({"a": {2: [0, 0]}}, {"a": {2: 1.5}}, None, "whole number that is not negative, got 1.5"),
        ({"a": {2: [0, 0]}}, {"a": {2: 1}}, {"a": {2: [0]}}, "errors of 'a' for n = 2 must have"),
        ({"a": {2: [0, 0]}}, {"a": {2: 1}}, {"a": {3: [0] * 3}}, "n = 3: there is no curve"),
        ({"a": {2: [0, 0]}}, {"a": {2: 1}}, {"b": {2: [0, 0]}}, "'b' for n = 2: there is no"),
        ({"a": {2: [0, 0]}}, {"a": {2: 1}}, {"a": {2: [0, -1]}}, "'a' must not be negative"),
    ],
)
def test_mistakes_are_named(curves, counts, errors, said):
    with pytest.raises(ValueError, match=said):
        draw(curves, counts, errors=errors)
