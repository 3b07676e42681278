"""The Generalized Curvature Ratio of a suppression curve."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.knowledge.gcr import gcr, jump, partial_spread, straight_line_gcr
from neurotopo.knowledge.suppression import SuppressionCurve, subsets


def slow_gcr(curve):
    if len(curve) == 2:
        return abs(curve[1] - curve[0])
    return abs(curve[-1] - statistics.fmean(curve[:-1])) / statistics.pstdev(curve[:-1])


@given(st.lists(st.floats(-5, 1), min_size=3, max_size=9))
def test_the_ratio_is_the_formula(drops):
    if np.ptp(drops[:-1]) > 1e-6:
        assert gcr(drops) == pytest.approx(slow_gcr(drops), rel=1e-6, abs=1e-9)
    assert jump(drops) == drops[-1] - drops[-2]


@given(st.integers(3, 40), st.floats(1e-3, 1))
def test_the_floor_is_what_a_line_scores(n, slope):
    assert gcr(slope * np.arange(1, n + 1) / n) == pytest.approx(straight_line_gcr(n))


@pytest.mark.parametrize(
    "drops",
    [
        [],
        [0.5],
        [0.2, 0.2, 0.7],
        [0.0, 0.0, 0.0],
        [math.nan] * 3,
        [0.1 + 0.2, 0.3, 0.9],
        [0.1, -math.inf, 0.3],
    ],
)
def test_undefined_ratios_are_nan(drops):
    assert math.isnan(gcr(drops))


def test_drops_are_one_row():
    with pytest.raises(ValueError, match="one number per suppressed component"):
        gcr([[0.1, 0.2]])
    assert partial_spread([0.1, 0.3, 0.9]) == pytest.approx(0.1)


def test_the_spread_of_a_curve():
    rng = np.random.default_rng(0)
    rows = subsets(5)
    curve = SuppressionCurve(rows, rng.random(len(rows)), 0.7)
    table = curve.to_pandas()
    for k in range(1, 6):
        drops = curve.drops[curve.sizes == k]
        assert curve.mean[k - 1] == pytest.approx(drops.mean())
        assert curve.std[k - 1] == pytest.approx(drops.std())
        assert table["n_subsets"][k - 1] == math.comb(5, k)
    assert table["exact"].all()
