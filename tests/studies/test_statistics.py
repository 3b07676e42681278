"""Tests, intervals and Holm's correction: by hand, against SciPy, and at the edges."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from neurotopo.studies.statistics import holm, independent, mean_interval, paired

NAN, INF = float("nan"), float("inf")
pytestmark = pytest.mark.filterwarnings("error")


def near(value, **options):
    return pytest.approx(value, nan_ok=True, **options)


# By hand


def test_independent_by_hand():
    # means 2 and 5; sums of squares 2 and 8, so the pooled variance is (2 + 8) / (3 + 3 - 2) = 2.5
    # and t = -3 / sqrt(2.5 * (1/3 + 1/3)) = -3 / 1.290994 = -2.323790
    # Welch: variances 1 and 4, so t = -3 / sqrt(1/3 + 4/3), the same for rows of equal length
    result = independent([1, 2, 3], [3, 5, 7])
    assert (result.n_a, result.n_b, result.n_dropped) == (3, 3, 0)
    assert (result.mean_a, result.mean_b) == (2, 5)
    assert result.t == near(-2.323790)
    assert result.welch_t == near(-2.323790)
    assert result.d == near(-3 / math.sqrt(2.5))
    # for 4 degrees of freedom p = 1 - x (3 - x^2) / 2 with x = |t| / sqrt(t^2 + 4)
    x = 2.323790 / math.sqrt(2.323790**2 + 4)
    assert result.p == near(1 - x * (3 - x**2) / 2, rel=1e-5)
    # (1/3 + 4/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = 25/9 / (17/18) = 50/17 degrees of freedom
    assert result.welch_p == near(2 * stats.t.sf(2.323790, 50 / 17), rel=1e-5)


def test_paired_by_hand():
    # differences 1, 2, 3, 6: mean 3, sum of squares 4 + 1 + 0 + 9 = 14, variance 14/3
    # t = 3 / sqrt(14/3 / 4) = 2.777460; the 97.5 % point of t with 3 degrees is 3.182446
    # Wilcoxon: all four ranks on one side, 2 of 16 sign patterns; the sign test the same
    result = paired([2, 4, 6, 12], [1, 2, 3, 6])
    assert (result.n, result.n_dropped, result.difference) == (4, 0, 3)
    assert (result.mean_a, result.mean_b) == (6, 3)
    assert result.t == near(2.777460)
    half = 3.182446 * math.sqrt(14 / 3 / 4)
    assert (result.low, result.high) == near((3 - half, 3 + half), rel=1e-6)
    assert result.d == near(3 / math.sqrt(14 / 3))
    assert result.p_wilcoxon == near(2 / 16)
    assert result.p_sign == near(2 / 16)


def test_signs_and_ranks_by_hand():
    # differences 3, 2, -1: ranks 3, 2, 1. The sum of the negative ranks is at most 1 for the sets
    # {} and {1} of ranks, so 2 * 2/8 = 0.5; at most one of three signs negative: 2 * 4/8 = 1
    result = paired([3, 2, 0, 7], [0, 0, 1, 7])
    assert result.p_wilcoxon == near(0.5)
    assert result.p_sign == near(1.0)


def test_mean_interval_by_hand():
    # mean 3, variance 2.5, standard error sqrt(0.5); 2.776445 and 4.604095 for 4 degrees
    for level, point in ((0.95, 2.776445), (0.99, 4.604095)):
        half = point * math.sqrt(0.5)
        assert mean_interval([1, 2, 3, 4, 5], level) == near((3, 3 - half, 3 + half), rel=1e-6)


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        # 4 * 0.01; 3 * 0.02 = 0.06; 2 * 0.03 = 0.06; 0.04 is raised to the one before
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        # the same in another order
        ([0.04, 0.01, 0.03, 0.02], [0.06, 0.04, 0.06, 0.06]),
        # Holm's steps: 3 * 0.01, 2 * 0.04 above 1 * 0.05, which is raised to 0.08
        ([0.01, 0.04, 0.05], [0.03, 0.08, 0.08]),
        # nan is no test, so 0.01 is multiplied by 2; 2 * 0.6 is cut at 1
        ([NAN, 0.6, 0.01, NAN], [NAN, 0.6, 0.02, NAN]),
        ([0.6, 0.7], [1, 1]),
        ([0.0, 1.0], [0, 1]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.3], [0.3]),
        ([NAN], [NAN]),
        ([], []),
    ],
)
def test_holm_by_hand(p, adjusted):
    np.testing.assert_allclose(holm(p), adjusted, rtol=1e-12)


# Against SciPy


@pytest.mark.parametrize("seed", range(20))
def test_against_scipy(seed):
    rng = np.random.default_rng(seed)
    n_a, n_b = rng.integers(2, 90, size=2)
    a, b = rng.normal(size=n_a), 3 * rng.exponential(size=n_b) - 2
    ours = independent(a, b)
    student, welch = stats.ttest_ind(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (ours.t, ours.p) == near((student.statistic, student.pvalue), rel=1e-9)
    assert (ours.welch_t, ours.welch_p) == near((welch.statistic, welch.pvalue), rel=1e-9)

    b = a + rng.normal(0.3, 1, size=n_a)
    both = paired(a, b)
    test = stats.ttest_rel(a, b)
    assert (both.t, both.p_t) == near((test.statistic, test.pvalue), rel=1e-9)
    between = test.confidence_interval(0.95)
    assert (both.low, both.high) == near((between.low, between.high), rel=1e-9)
    assert both.p_wilcoxon == near(stats.wilcoxon(a, b).pvalue, rel=1e-9)
    assert both.p_sign == near(stats.binomtest(int((a > b).sum()), int(n_a)).pvalue, rel=1e-9)
    assert both.d == near((a - b).mean() / (a - b).std(ddof=1))
    assert mean_interval(a - b) == near((both.difference, both.low, both.high), rel=1e-9)


def test_ties_and_zeros_against_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, size=(2, 60)).astype(float)
    unequal = a != b
    expected = stats.wilcoxon(a[unequal], b[unequal]).pvalue
    assert 0 < unequal.sum() < 60
    assert paired(a, b).p_wilcoxon == near(expected)


def test_p_values_of_noise_are_uniform():
    rng = np.random.default_rng(1)
    values = [paired(*rng.normal(size=(2, 12))) for _ in range(400)]
    for name in ("p_t", "p_wilcoxon"):
        share = np.mean([getattr(value, name) < 0.1 for value in values])
        assert share == pytest.approx(0.1, abs=0.05)


# Edges


def test_values_that_are_not_finite_are_left_out_and_counted():
    result = independent([1, 2, NAN, INF], [3, -INF, 5, 7])
    assert (result.n_a, result.n_b, result.n_dropped) == (2, 3, 3)
    assert result.t == near(stats.ttest_ind([1, 2], [3, 5, 7]).statistic)
    both = paired([1, 2, NAN, 5, INF], [0, NAN, 1, 2, 3])
    assert (both.n, both.n_dropped, both.difference) == (2, 3, 2)
    assert (both.mean_a, both.mean_b) == (3, 1)
    assert mean_interval([NAN, 1, 3, INF])[0] == 2


@pytest.mark.parametrize(("a", "b"), [([], []), ([NAN], [NAN]), ([], [1.0, 2.0]), ([1.0], [2.0])])
def test_too_few_values_have_no_test(a, b):
    result = independent(a, b)
    assert all(
        math.isnan(x) for x in (result.t, result.p, result.welch_p, result.welch_t, result.d)
    )
    assert math.isnan(result.mean_a) == (np.isfinite(a).sum() == 0)


def test_one_value_is_compared_with_the_spread_of_the_others():
    # the pooled variance is that of the others, 1: t = 3 / sqrt(1 + 1/3)
    result = independent([5], [1, 2, 3])
    assert result.t == near(3 / math.sqrt(4 / 3))
    assert result.p == near(2 * stats.t.sf(3 / math.sqrt(4 / 3), 2))
    assert math.isnan(result.welch_t)


def test_no_pair_and_one_pair():
    none = paired([], [])
    assert none.n == 0
    assert all(value is None for name, value in none.to_dict().items() if name[0] != "n")
    one = paired([3], [1])
    assert (one.n, one.difference) == (1, 2)
    assert np.isnan([one.p_wilcoxon, one.p_sign]).all()  # one pair is no test
    assert all(math.isnan(x) for x in (one.low, one.high, one.t, one.p_t, one.d))


def test_equal_pairs_are_no_difference():
    result = paired([1, 2, 3], [1, 2, 3])
    assert (result.difference, result.low, result.high) == (0, 0, 0)
    assert (result.p_wilcoxon, result.p_sign) == (1, 1)
    assert all(math.isnan(x) for x in (result.t, result.p_t, result.d))


def test_rounding_is_no_difference_and_no_spread():
    a, b = [0.1 + 0.2, 0.5, 1e300], [0.3, 0.5, 1e300]
    assert a != b
    result = paired(a, b)
    assert (result.difference, result.p_wilcoxon, result.p_sign) == (0, 1, 1)
    # differences of 0.1, 0.1 and 0.1 but for rounding: without spread there is no t
    result = paired([0.3, 0.2, 0.9], [0.2, 0.1, 0.8])
    assert np.ptp(np.subtract([0.3, 0.2, 0.9], [0.2, 0.1, 0.8])) > 0
    assert math.isnan(result.t)
    assert (result.low, result.high) == near((0.1, 0.1))
    assert result.p_sign == near(0.25)
    assert math.isnan(independent([0.1 + 0.2, 0.3], [0.4, 0.4]).t)


def test_large_equal_pairs_do_not_hide_small_differences():
    result = paired([1e300, 2.0, 4.0, 9.0], [1e300, 1.0, 2.0, 3.0])
    # differences 0, 1, 2, 6
    assert result.difference == near(2.25)
    assert result.t == near(stats.ttest_1samp([0, 1, 2, 6], 0).statistic)
    assert result.p_sign == near(0.25)


def test_units_do_not_matter():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 8))
    one, many = paired(a, b), independent(a, b)
    for unit in (2.0**-1000, 2.0**-300, 2.0**1000):
        for ours, other in (
            (one, paired(unit * a, unit * b)),
            (many, independent(unit * a, unit * b)),
        ):
            for name, value in vars(ours).items():
                scaled = name in ("mean_a", "mean_b", "difference", "low", "high")
                assert getattr(other, name) == near(value * unit if scaled else value, abs=0)


def test_the_greatest_numbers():
    huge = np.finfo(np.float64).max
    result = paired([huge, huge], [-huge, -huge / 2])
    assert result.difference == INF  # beyond the range of numbers
    assert result.to_dict()["difference"] is None
    assert result.p_sign == near(0.5)
    assert mean_interval([huge, huge, huge]) == (huge, huge, huge)
    assert mean_interval([-huge, huge]) == (0, -INF, INF)
    assert independent([huge, -huge], [huge, -huge]).t == 0


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e308, -1e308, 5e-324, 1e-200, NAN]),
)


@given(st.lists(st.tuples(numbers, numbers), max_size=12))
@example([])
@example([(NAN, NAN)] * 3)
@example([(1e308, -1e308)] * 3)
@example([(5e-324, 0.0), (0.0, 5e-324), (5e-324, 0.0)])
@example([(1e308, 0.0), (1e-320, 0.0)])
@example([(1e308, 1e308), (1e-320, 0.0)])
def test_nothing_breaks(pairs):
    a = [one for one, _ in pairs]
    b = [other for _, other in pairs]
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        both, apart = paired(a, b), independent(a, b)
        mean, low, high = mean_interval(a)
    assert both.n + both.n_dropped == len(pairs)
    assert apart.n_a + apart.n_b + apart.n_dropped == 2 * len(pairs)
    for p in (both.p_t, both.p_wilcoxon, both.p_sign, apart.p, apart.welch_p):
        assert math.isnan(p) or 0 <= p <= 1
    assert math.isnan(both.p_wilcoxon) == math.isnan(both.p_sign) == (both.n < 2)
    assert math.isnan(both.low) == (both.n < 2)
    if both.n > 1:
        assert both.low <= both.difference <= both.high
    if apart.n_a > 1:
        assert low <= mean <= high
        assert min(x for x in a if math.isfinite(x)) <= mean
    # the other way round everything changes its sign and nothing else
    turned = paired(b, a)
    assert (turned.t, turned.difference, turned.d) == near((-both.t, -both.difference, -both.d))
    assert (turned.p_t, turned.p_sign) == near((both.p_t, both.p_sign))
    assert turned.p_wilcoxon == near(both.p_wilcoxon)
    json.dumps([both.to_dict(), apart.to_dict()], allow_nan=False)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), max_size=20))
def test_holm_keeps_order_and_never_lowers(p):
    adjusted, p = holm(p), np.array(p, dtype=np.float64)
    tests = ~np.isnan(p)
    np.testing.assert_array_equal(np.isnan(adjusted), ~tests)
    assert (adjusted[tests] >= p[tests]).all()
    assert (adjusted[tests] <= np.minimum(1, p[tests] * max(tests.sum(), 1))).all()
    assert (np.diff(adjusted[tests][np.argsort(p[tests])]) >= 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: paired([1], [1, 2]), "must be pairs, got 1 and 2 numbers"),
        (lambda: paired([[1]], [1]), r"a must be one row of numbers, got shape \(1, 1\)"),
        (lambda: independent([1], 2), r"b must be one row of numbers, got shape \(\)"),
        (lambda: mean_interval(2), "x must be one row of numbers"),
        (lambda: mean_interval([2], 95), "level must be between 0 and 1, got 95"),
        (lambda: holm([1.5]), "p-values must be between 0 and 1"),
        (lambda: holm([-0.1]), "p-values must be between 0 and 1"),
        (lambda: holm(0.5), "p must be one row of numbers"),
    ],
)
def test_mistakes_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
