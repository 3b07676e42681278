"""The curve of one fact, read back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.suppression import SuppressionCurve, subsets
from neurotopo.neurons import NeuronSet
from neurotopo.plots.suppression import SuppressionDisplay
from tests.support.plots import new_axes, offsets

NAN = float("nan")


def draw(curve, **options):
    return SuppressionDisplay.from_arrays(curve, ax=new_axes(), **options)


def dkn(n, base=0.8):
    """The neurons of a made-up fact with n components."""
    rows = subsets(n)
    after = base * (1 - rows.sum(axis=1) / max(n, 1) * 0.9)
    after[:n] *= np.linspace(0.9, 1.0, n)
    groups = [NeuronSet([(k, 0)]) for k in range(n)]
    every = np.full(n, base)
    return DKN(
        NeuronSet((k, 0) for k in range(n)),
        groups,
        every,
        every,
        np.ones(n, dtype=bool),
        base,
        0.1 * base,
        0.1 * base,
        every,
        SuppressionCurve(rows, after, base),
    )


def test_means_and_single_subsets_of_a_fact_are_in_their_place():
    neurons = dkn(4)
    display = SuppressionDisplay.from_dkn(neurons, {"random": [0.0, 0.01, 0.02, 0.03]}, new_axes())
    np.testing.assert_array_equal(display.line_.get_xdata(), range(5))
    np.testing.assert_allclose(display.line_.get_ydata(), [0, *(100 * neurons.curve)])
    at = offsets(display.points_)
    np.testing.assert_allclose(at[:, 1], 100 * neurons.suppression.drops)
    np.testing.assert_array_equal(np.rint(at[:, 0]), neurons.suppression.sizes)
    assert np.abs(at[:, 0] - neurons.suppression.sizes).max() < 0.16
    assert at[-1, 0] == 4  # alone in its column
    np.testing.assert_allclose(display.controls_["random"].get_ydata(), [0, 0, 1, 2, 3])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["mean over subsets", "one subset", "random"]
    assert display.note_ is None


def test_points_of_one_size_do_not_hide_each_other():
    display = draw([0.5, 0.5], sizes=[1, 1, 1, 2], drops=[0.5] * 4)
    assert len(np.unique(offsets(display.points_)[:, 0])) == 4


@pytest.mark.parametrize("n", [0, 1, 2])
def test_facts_with_few_components(n):
    display = SuppressionDisplay.from_dkn(dkn(n), ax=new_axes())
    display.figure_.draw_without_rendering()
    assert len(display.line_.get_xdata()) == n + 1
    assert (display.note_ is None) == (n > 0)
    if n == 0:
        assert display.note_.get_text() == "no components"


def test_a_fact_without_probability_is_undefined():
    display = SuppressionDisplay.from_dkn(dkn(3, base=0.0), ax=new_axes())
    assert np.isnan(display.line_.get_ydata()[1:]).all()
    assert len(offsets(display.points_)) == 0
    assert display.note_.get_text() == "the curve is undefined"


@pytest.mark.parametrize("wrong", [NAN, float("inf"), -float("inf"), 1e305])
def test_values_that_can_not_be_drawn_are_counted(wrong):
    display = draw([0.1, wrong, 0.3], sizes=[1, 2], drops=[0.1, wrong], controls={"r": [wrong] * 3})
    np.testing.assert_allclose(display.line_.get_ydata(), [0, 10, np.nan, 30])
    assert offsets(display.points_)[:, 1].tolist() == [10]
    assert display.note_.get_text() == "5 without a finite value left out"
    assert display.note_ in display.legend_.findobj(type(display.note_))


def test_curves_differ_in_colour_and_marker():
    display = draw([0.1], controls={str(k): [0.1] for k in range(12)})
    lines = [display.line_, *display.controls_.values()]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 13


@pytest.mark.parametrize(
    ("curve", "options", "said"),
    [
        ([[0.1]], {}, r"curve must have shape \(n,\), got \(1, 1\)"),
        (0.1, {}, r"curve must have shape \(n,\), got \(\)"),
        ([0.1], {"controls": {"r": [0.1, 0.2]}}, r"'r' must have shape \(1,\), got \(2,\)"),
        ([0.1], {"sizes": [1]}, "give both or neither"),
        ([0.1], {"drops": [0.1]}, "give both or neither"),
        ([0.1], {"sizes": [1, 1], "drops": [0.1]}, r"shape \(1,\) as drops has, got \(2,\)"),
        ([0.1], {"sizes": [2], "drops": [0.1]}, "from 1 to 1, got 2"),
        ([0.1], {"sizes": [0], "drops": [0.1]}, "from 1 to 1, got 0"),
        ([0.1, 0.2], {"sizes": [1.5], "drops": [0.1]}, "from 1 to 2, got 1.5"),
        ([0.1, 0.2], {"sizes": [NAN], "drops": [0.1]}, "from 1 to 2, got nan"),
    ],
)
def test_mistakes_are_named(curve, options, said):
    with pytest.raises(ValueError, match=said):
        draw(curve, **options)


def test_something_that_is_no_dkn():
    with pytest.raises(TypeError, match=r"SuppressionDisplay.from_dkn needs a DKN, got list"):
        SuppressionDisplay.from_dkn([0.1])


def test_facts_are_drawn_without_torch():
    code = "import sys, neurotopo.knowledge.dkn; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
