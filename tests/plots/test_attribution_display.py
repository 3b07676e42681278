"""The heat-map of scores, read back."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo.knowledge.attribution import Attribution
from neurotopo.plots.attribution import AttributionDisplay
from tests.support.plots import new_axes, offsets


def draw(scores, **options):
    return AttributionDisplay.from_attribution(scores, **{"ax": new_axes(), **options})


def test_every_score_is_in_its_place():
    scores = np.random.default_rng(0).normal(size=(3, 24))
    attribution = Attribution(scores, 0.5, np.zeros(3), 1, (4,))
    display = draw(attribution, neurons=[(2, 23), (0, 5)])
    np.testing.assert_array_equal(display.image_.get_array(), scores)
    assert display.image_.origin == "lower"  # layers grow upwards
    assert list(display.image_.get_extent()) == [-0.5, 23.5, -0.5, 2.5]
    assert offsets(display.marks_).tolist() == [[5, 0], [23, 2]]
    assert display.ax_.get_xlabel() == "neuron"


@pytest.mark.parametrize("n_neurons", [201, 800, 11008])
def test_neighbours_share_a_column_that_shows_the_greatest(n_neurons):
    scores = np.random.default_rng(1).normal(size=(2, n_neurons))
    display = draw(scores, neurons=[(1, n_neurons - 1), (0, 0)])
    shown = np.asarray(display.image_.get_array())
    assert shown.shape == (2, 200)
    first = [k * n_neurons // 200 for k in range(201)]
    for layer in range(2):
        for column in range(200):
            inside = scores[layer, first[column] : first[column + 1]]
            assert shown[layer, column] == inside[np.abs(inside).argmax()]
    width = n_neurons / 200
    at = offsets(display.marks_)[:, 0]
    np.testing.assert_allclose(at, [width / 2 - 0.5, n_neurons - width / 2 - 0.5])
    assert "to a column" in display.ax_.get_xlabel()


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_zero_has_the_middle_colour_and_signs_the_same_range(scale):
    display = draw([[0.1, -4.0, 0.0]], scale=scale)
    norm = display.image_.norm
    assert norm(0.0) == pytest.approx(0.5)
    assert (norm.vmin, norm.vmax) == (-4, 4)
    assert norm(-4.0) == pytest.approx(0)
    shade = norm(0.1) - 0.5
    assert (shade > 0.05) == (scale == "log")


def test_nothing_but_zeros_can_be_drawn():
    display = draw(np.zeros((2, 5)))
    display.figure_.draw_without_rendering()
    assert len(offsets(display.marks_)) == 0


def test_axes_given_are_used_or_one_figure_is_made():
    ax = new_axes()
    before = set(plt.get_fignums())
    display = draw(np.eye(3), ax=ax, colorbar=False)
    assert display.ax_ is ax
    assert display.colorbar_ is None
    assert set(plt.get_fignums()) == before
    made = AttributionDisplay.from_attribution(np.eye(3))
    assert len(set(plt.get_fignums()) - before) == 1
    plt.close(made.figure_)


@pytest.mark.parametrize(
    ("scores", "options", "said"),
    [
        (np.zeros(3), {}, "shape"),
        (np.zeros((0, 3)), {}, "shape"),
        ([[0.0, np.nan]], {}, r"neuron \(0, 1\) is nan"),
        (np.eye(2), {"neurons": [(0, 2)]}, r"\(0, 2\)"),
        (np.eye(2), {"columns": 0}, "columns"),
        (np.eye(2), {"scale": "sqrt"}, "scale"),
    ],
)
def test_mistakes_are_named(scores, options, said):
    with pytest.raises(ValueError, match=said):
        draw(scores, **options)


def test_torch_is_not_needed():
    code = "import sys, neurotopo.plots.attribution; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
