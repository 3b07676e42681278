"""The picture of a vineyard."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo import merge_tree
from neurotopo.persistence import vineyard
from neurotopo.plots._palette import UNCLUSTERED, colors_of
from neurotopo.plots.vineyard import VineyardDisplay
from tests.support.plots import assert_artists, new_axes


@pytest.fixture(scope="module")
def vines():
    X = np.random.default_rng(0).normal(size=(80, 2)) + 5 * np.repeat(np.eye(2), 40, axis=0)
    return vineyard(X, [2, 4, 8, 16], max_bars=8)


def test_lines_are_the_vines_and_marks_their_ends(vines):
    ax = new_axes()
    display = VineyardDisplay.from_vineyard(vines, ax=ax, max_vines=3)
    assert_artists(display)
    assert display.ax_ is ax
    assert len(display.lines_) == vines.n_vines
    starts, ends = [], []
    for k, line in enumerate(display.lines_):
        rows = vines.vine == k
        assert np.array_equal(line.get_ydata(), vines.prominence[rows])
        assert np.array_equal(line.get_xdata(), vines.parameters[vines.slice[rows]])
        color = colors_of([k if k < 3 else -1])[0]
        assert np.allclose(plt.matplotlib.colors.to_rgb(line.get_color()), color)
        if k < 3:
            starts += [line.get_xdata()[0]] * int(line.get_xdata()[0] > 2)
            ends += [line.get_xdata()[-1]] * int(line.get_xdata()[-1] < 16)
    assert display.starts_.get_xdata().tolist() == starts
    assert display.ends_.get_xdata().tolist() == ends
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["vine 0", "vine 1", "vine 2", f"{vines.n_vines - 3} more"]
    assert ax.get_xlabel() == "min_samples"
    assert UNCLUSTERED.startswith("#")
    plt.close("all")


def test_options_and_errors(vines):
    display = VineyardDisplay.from_vineyard(vines, log=True, log_parameter=True, legend=False)
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["2", "4", "8", "16"]
    assert display.legend_ is None
    assert display.note_ is None
    display.figure_.canvas.draw()
    alone = vineyard([[0.0]], [-1, 2], tree_of=lambda X, k: merge_tree(X, metric="euclidean"))
    empty = VineyardDisplay.from_vineyard(alone)
    assert empty.note_.get_text() == "no prominent clusters"
    with pytest.raises(ValueError, match="needs positive parameters"):
        VineyardDisplay.from_vineyard(alone, log_parameter=True)
    with pytest.raises(ValueError, match="must not be negative"):
        VineyardDisplay.from_vineyard(vines, max_vines=-1)
    with pytest.raises(TypeError, match="needs a Vineyard, got list"):
        VineyardDisplay([])
    plt.close("all")
