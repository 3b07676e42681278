"""Values over two thresholds, read back."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo.plots.sweep import SweepDisplay
from tests.support.plots import new_axes

NAN = float("nan")


def draw(values, tau1, tau2, **options):
    return SweepDisplay.from_values(values, tau1, tau2, **{"ax": new_axes(), **options})


def test_every_number_is_written_where_its_colour_is():
    values = np.array([[0.1, 0.25, NAN], [1.5, -2.0, 0.0]])
    display = draw(values, [0.2, 0.3], [0.7, 0.8, 0.9], name="facts", number_format=".2f")
    shown = display.image_.get_array()
    np.testing.assert_array_equal(shown.filled(np.nan), values)
    assert display.image_.origin == "lower"
    texts = {text.get_position(): text.get_text() for text in display.texts_}
    assert texts == {
        (0, 0): "0.10",
        (1, 0): "0.25",
        (0, 1): "1.50",
        (1, 1): "-2.00",
        (2, 1): "0.00",
    }
    (cell,) = display.missing_.get_paths()
    assert cell.vertices.min(axis=0).tolist() == [1.5, -0.5]
    assert cell.vertices.max(axis=0).tolist() == [2.5, 0.5]
    assert display.missing_.get_hatch()
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["0.7", "0.8", "0.9"]
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["0.2", "0.3"]
    assert display.colorbar_.ax.get_ylabel() == "facts"
    assert (display.image_.norm.vmin, display.image_.norm.vmax) == (-2, 1.5)


@pytest.mark.parametrize("cmap", ["viridis", "gray", "Blues"])
def test_numbers_stand_out_from_their_cells(cmap):
    display = draw([[0.0, 1.0]], [1], [1, 2], cmap=cmap)
    for text, value in zip(display.texts_, [0.0, 1.0], strict=True):
        bright = np.mean(display.image_.cmap(display.image_.norm(value))[:3])
        assert text.get_color() == ("black" if bright > 0.5 else "white")


def test_no_value_at_all_leaves_an_empty_scale():
    display = draw([[NAN, NAN]], [1], [1, 2])
    display.figure_.draw_without_rendering()
    assert display.texts_ == []
    assert len(display.missing_.get_paths()) == 2
    assert len(display.colorbar_.get_ticks()) == 0


@pytest.mark.parametrize("value", [0.0, 3.0, -1e300])
def test_one_value_has_the_middle_colour(value):
    assert draw([[value]], [1], [1]).image_.norm(value) == pytest.approx(0.5)


def test_numbers_and_names_that_could_not_be_read_are_left_out():
    display = draw(np.ones((300, 200)), np.arange(300), np.arange(200))
    assert display.texts_ == []
    assert len(display.ax_.get_xticks()) < 100
    assert len(display.ax_.get_yticks()) < 100
    assert display.ax_.get_xticklabels()[1].get_text() == f"{display.ax_.get_xticks()[1]}"


@pytest.mark.parametrize("shape", [(1, 1), (3, 12), (20, 20)])
def test_numbers_fit_into_their_cells(shape):
    values = np.random.default_rng(0).uniform(size=shape)
    display = SweepDisplay.from_values(values, np.arange(shape[0]), np.arange(shape[1]) / 100)
    display.figure_.draw_without_rendering()
    assert len(display.texts_) == values.size
    ends = display.ax_.transData.transform([[0, 0], [1, 1]])
    width, height = ends[1] - ends[0]
    for text in display.texts_:
        box = text.get_window_extent()
        assert box.width < width
        assert box.height < height
    plt.close(display.figure_)


@pytest.mark.parametrize(
    ("values", "tau1", "tau2", "said"),
    [
        ([0.1], [1], [1], r"values must have shape \(n_rows, n_columns\), got \(1,\)"),
        (np.zeros((0, 2)), [], [1, 2], "values must have shape"),
        ([[0.1, 0.2]], [1, 2], [1, 2], r"tau1 must have one value per row, 1, got shape \(2,\)"),
        ([[0.1, 0.2]], [1], [1], r"tau2 must have one value per column, 2, got shape \(1,\)"),
        ([[0.1]], [NAN], [1], "tau1 must be finite, got nan"),
        ([[0.1, float("inf")]], [1], [2, 0.5], "the value at tau1 = 1, tau2 = 0.5 is inf"),
    ],
)
def test_mistakes_are_named(values, tau1, tau2, said):
    with pytest.raises(ValueError, match=said):
        draw(values, tau1, tau2)
