"""Tests that compare two rows of numbers, their intervals, and the correction for many tests.

Sums and t values are computed by hand for stable tables: ``scipy.stats.ttest_rel`` and
``ttest_ind`` differ in the last digits (in 147 of 300 random paired samples), so tables would not
stay byte-equal. Also, values of any magnitude are scaled here so that squares neither over- nor
underflow, and differences within rounding count as 0. ``scipy.stats.false_discovery_control``
offers the corrections of Benjamini-Hochberg and Benjamini-Yekutieli, but not Holm's. Distributions
and exact tests are those of ``scipy.stats``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "Independent",
    "Paired",
    "finite_mean",
    "finite_median",
    "holm",
    "independent",
    "mean_interval",
    "paired",
]

_MOST_SIGNS = 13  # the most pairs for which scipy takes all signs even with equal ranks
_EPS = 8 * float(np.finfo(np.float64).eps)  # the largest relative error of numbers that are equal


class _Numbers:
    """A dataclass of numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON; nan and infinite numbers are None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class Independent(_Numbers):
    """Result of :func:`independent`.

    Attributes
    ----------
    n_a, n_b : int
        Number of finite values.
    n_dropped : int
        Number of values of both rows that are not finite and were left out.
    mean_a, mean_b : float
        Their means; nan for no values.
    difference : float
        Mean of a minus mean of b.
    low, high : float
        Its 95 % interval by Welch's test; nan where there is none.
    t, p : float
        Student's test with equal variances, and its two-sided p-value.
    welch_t, welch_p : float
        Welch's test, for which variances may differ.
    d : float
        Cohen's d, the difference of the means in pooled standard deviations.

    Examples
    --------
    >>> from neurotopo.studies.statistics import independent
    >>> result = independent([1.0, 2.0, 3.0], [3.0, 4.0, 5.0])
    >>> result.n_a, result.mean_b, result.to_dict()["d"]
    (3, 4.0, -2.0)
    """

    n_a: int
    n_b: int
    n_dropped: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    t: float
    p: float
    welch_t: float
    welch_p: float
    d: float


@dataclass(frozen=True)
class Paired(_Numbers):
    """Result of :func:`paired`.

    Attributes
    ----------
    n : int
        Number of pairs of which both values are finite.
    n_dropped : int
        Number of other pairs, which were left out.
    mean_a, mean_b : float
        Means over the pairs; nan for no pairs.
    difference : float
        Mean of a - b.
    low, high : float
        Its 95 % interval by t; nan for fewer than two pairs.
    t, p_t : float
        The paired t-test, and its two-sided p-value.
    p_wilcoxon : float
        Two-sided p-value of Wilcoxon's signed-rank test without the pairs of equal values; nan
        for fewer than two pairs.
    p_sign : float
        Two-sided p-value of the exact sign test without the pairs of equal values; nan for fewer
        than two pairs.
    d : float
        Mean of the differences in standard deviations of the differences.

    Examples
    --------
    >>> from neurotopo.studies.statistics import paired
    >>> result = paired([5.0, 6.0, 9.0], [4.0, 4.0, 6.0])
    >>> result.difference, result.low < 0 < result.high, result.to_dict()["d"]
    (2.0, True, 2.0)
    """

    n: int
    n_dropped: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    t: float
    p_t: float
    p_wilcoxon: float
    p_sign: float
    d: float


def independent(a: ArrayLike, b: ArrayLike) -> Independent:
    """Compare the means of two independent rows of numbers.

    Parameters
    ----------
    a, b : array-like, shape (n_a,) and (n_b,)
        The numbers. Those that are not finite are left out.

    Returns
    -------
    Independent
        t, p and d are nan without spread: for too few values, and where the values of both rows
        are equal but for rounding.

    See Also
    --------
    paired : For two rows with the same facts.

    Examples
    --------
    >>> from neurotopo.studies.statistics import independent
    >>> result = independent([1.0, 2.0, 3.0], [3.0, 4.0, 5.0, float("nan")])
    >>> result.t, result.p, result.d, result.n_dropped
    (-2.449, 0.070, -2.0, 1)
    """
    given = [_row(a, "a"), _row(b, "b")]
    rows = [_finite(row) for row in given]
    (x, y), exponent = _scaled(*rows)
    (mean_a, var_a), (mean_b, var_b) = _moments(x), _moments(y)
    n_a, n_b = len(x), len(y)
    gap, freedom = mean_a - mean_b, n_a + n_b - 2
    t = welch_t = d = df = half = math.nan
    if min(n_a, n_b) > 0 and freedom > 0:
        # a single value has no variance, and nothing to add to the pooled one
        sums = [(n - 1) * v for n, v in ((n_a, var_a), (n_b, var_b)) if n > 1]
        sd = math.sqrt(sum(sums) / freedom)
        d = gap / sd if sd > 0 else math.nan
        t = d / math.sqrt(1 / n_a + 1 / n_b)
    if min(n_a, n_b) > 1 and var_a + var_b > 0:
        of_a, of_b = var_a / n_a, var_b / n_b
        welch_t = gap / math.sqrt(of_a + of_b)
        part = of_a / (of_a + of_b)
        df = 1 / (part**2 / (n_a - 1) + (1 - part) ** 2 / (n_b - 1))
        half = float(stats.t.ppf(0.975, df)) * math.sqrt(of_a + of_b)
    return Independent(
        n_a=n_a,
        n_b=n_b,
        n_dropped=sum(map(len, given)) - n_a - n_b,
        mean_a=_mean(rows[0]),
        mean_b=_mean(rows[1]),
        difference=_unscaled(gap, exponent),
        low=_unscaled(gap - half, exponent),
        high=_unscaled(gap + half, exponent),
        t=t,
        p=_two_sided(t, freedom),
        welch_t=welch_t,
        welch_p=_two_sided(welch_t, df),
        d=d,
    )


def paired(a: ArrayLike, b: ArrayLike) -> Paired:
    """Compare two rows of numbers pair by pair.

    Parameters
    ----------
    a, b : array-like, shape (n,)
        The numbers, a pair per position. Pairs that are not both finite are left out.

    Returns
    -------
    Paired
        t, all p-values and d are nan for fewer than two pairs; t, p_t and d also where all
        differences are equal but for rounding. Where the values of all pairs are equal, p_wilcoxon
        and p_sign are 1.

    Notes
    -----
    Differences within the rounding of the two numbers are 0. Wilcoxon's p-value is exact for up
    to 13 pairs, and for up to 50 of which no two differ by the same amount; else it is that of
    the normal approximation.

    See Also
    --------
    holm : For several comparisons.

    Examples
    --------
    >>> from neurotopo.studies.statistics import paired
    >>> result = paired([5.0, 6.0, 9.0, 4.0], [4.0, 4.0, 6.0, float("nan")])
    >>> result.n, result.difference, result.t, result.p_sign
    (3, 2.0, 3.464, 0.25)
    """
    first, second = _row(a, "a"), _row(b, "b")
    if len(first) != len(second):
        raise ValueError(f"a and b must be pairs, got {len(first)} and {len(second)} numbers.")
    kept = np.isfinite(first) & np.isfinite(second)
    x, y = first[kept], second[kept]
    n = len(x)
    # half of it: the difference of two numbers may lie beyond the greatest number
    halves = x / 2 - y / 2
    rounding = _EPS * np.maximum(np.abs(x), np.abs(y)) / 2
    halves[np.abs(halves) <= rounding] = 0.0
    (differences,), exponent = _scaled(halves)
    with np.errstate(over="ignore"):  # beside large equal numbers all others may be tiny
        mean, var = _moments(differences, np.ldexp(rounding, -exponent))
    low, high = _interval(mean, var, n, 0.95)
    d = mean / math.sqrt(var) if var > 0 else math.nan
    t = d * math.sqrt(n)
    return Paired(
        n=n,
        n_dropped=len(first) - n,
        mean_a=_mean(x),
        mean_b=_mean(y),
        difference=_unscaled(mean, exponent + 1),
        low=_unscaled(low, exponent + 1),
        high=_unscaled(high, exponent + 1),
        t=t,
        p_t=_two_sided(t, n - 1),
        p_wilcoxon=_wilcoxon(halves),
        p_sign=_sign(halves),
        d=d,
    )


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's step-down p-values, adjusted for the number of tests.

    Parameters
    ----------
    p : array-like, shape (m,)
        p-values. nan is no test: it stays nan and does not count.

    Returns
    -------
    ndarray of float64, shape (m,)
        If tests with values of at most alpha are claimed, the chance that any claim is wrong is
        at most alpha, whatever the dependence of the tests.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat.
       6(2), 1979.

    Examples
    --------
    >>> from neurotopo.studies.statistics import holm
    >>> holm([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.06, 0.06, nan])
    """
    values = _row(p, "p")
    if ((values < 0) | (values > 1)).any():
        raise ValueError("p-values must be between 0 and 1.")
    adjusted = np.full(len(values), np.nan)
    tests = np.flatnonzero(~np.isnan(values))
    order = tests[np.argsort(values[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return adjusted


def finite_mean(values: ArrayLike) -> float:
    """Return the mean of the finite values; nan where there are none.

    Examples
    --------
    >>> from neurotopo.studies.statistics import finite_mean
    >>> finite_mean([1.0, float("nan"), 2.0]), finite_mean([])
    (1.5, nan)
    """
    finite = _finite(values)
    return float(np.mean(finite)) if len(finite) else math.nan


def finite_median(values: ArrayLike) -> float:
    """Return the median of the finite values; nan where there are none.

    Examples
    --------
    >>> from neurotopo.studies.statistics import finite_median
    >>> finite_median([1.0, float("nan"), 2.0, 9.0]), finite_median([])
    (2.0, nan)
    """
    finite = _finite(values)
    return float(np.median(finite)) if len(finite) else math.nan


def mean_interval(x: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of numbers and its interval by Student's t.

    Parameters
    ----------
    x : array-like, shape (n,)
        The numbers. Those that are not finite are left out.
    level : float, default=0.95
        Level of confidence, between 0 and 1.

    Returns
    -------
    mean, low, high : float
        The bounds are nan for fewer than two numbers, the mean for none.

    Examples
    --------
    >>> from neurotopo.studies.statistics import mean_interval
    >>> mean_interval([1.0, 2.0, 3.0])
    (2.0, -0.484, 4.484)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")
    values = _row(x, "x")
    (values,), exponent = _scaled(_finite(values))
    mean, var = _moments(values)
    low, high = _interval(mean, var, len(values), level)
    return _unscaled(mean, exponent), _unscaled(low, exponent), _unscaled(high, exponent)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _row(values: ArrayLike, name: str) -> NDArray[np.float64]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1:
        raise ValueError(f"{name} must be one row of numbers, got shape {row.shape}.")
    return row


def _scaled(*rows: NDArray[np.float64]) -> tuple[list[NDArray[np.float64]], int]:
    """Divide rows by a power of two, without rounding; return them and the power.

    Squares then neither over- nor underflow. The tests do not depend on the unit.
    """
    largest = max(float(np.abs(row).max(initial=0.0)) for row in rows)
    exponent = math.frexp(largest)[1]
    return [np.ldexp(row, -exponent) for row in rows], exponent


def _unscaled(value: float, exponent: int) -> float:
    """Undo the scaling; a bound beyond the range of numbers is infinite."""
    with np.errstate(over="ignore"):
        return float(np.ldexp(value, exponent))


def _mean(row: NDArray[np.float64]) -> float:
    (scaled,), exponent = _scaled(row)
    return _unscaled(_moments(scaled)[0], exponent)


def _moments(
    x: NDArray[np.float64], rounding: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return mean and variance (of n - 1); the variance of numbers equal but for rounding is 0."""
    if len(x) == 0:
        return math.nan, math.nan
    within = _EPS * np.abs(x) if rounding is None else rounding
    low, high = float(x.min()), float(x.max())
    mean = min(max(float(x.mean()), low), high)  # no rounding beyond the numbers themselves
    if len(x) == 1:
        return mean, math.nan
    if low == high or (x - within).max() <= (x + within).min():
        return mean, 0.0
    return mean, float(x.var(ddof=1))


def _interval(mean: float, var: float, n: int, level: float) -> tuple[float, float]:
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * math.sqrt(var / n)
    return mean - half, mean + half


def _two_sided(t: float, df: float) -> float:
    if math.isnan(t) or not df > 0:
        return math.nan
    return min(2 * float(stats.t.sf(abs(t), df)), 1.0)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    """Return Wilcoxon's p-value of the differences that are not 0."""
    if len(differences) < 2:
        return math.nan
    unequal = differences[differences != 0]
    if len(unequal) == 0:
        return 1.0
    if len(unequal) <= _MOST_SIGNS:
        return _all_signs(stats.rankdata(np.abs(unequal)), unequal > 0)
    return float(stats.wilcoxon(unequal).pvalue)


def _all_signs(ranks: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the exact p-value over all signs of the ranks, equal ones included.

    scipy gives the same value more slowly, with a function call for each.
    """
    n = len(ranks)
    signs = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = signs @ ranks
    here, within = float(ranks[positive].sum()), _EPS * float(ranks.sum())
    above, below = float(np.mean(sums >= here - within)), float(np.mean(sums <= here + within))
    return min(2 * min(above, below), 1.0)


def _sign(differences: NDArray[np.float64]) -> float:
    """Return the sign test's p-value of the differences that are not 0."""
    if len(differences) < 2:
        return math.nan
    more, less = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(more, more + less).pvalue) if more + less else 1.0
