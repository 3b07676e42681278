"""How a measure changes with the size of the models, fact by fact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotopo.studies.statistics import finite_mean, paired

__all__ = ["MOST_MODELS_FEW", "Trend", "trend"]

MOST_MODELS_FEW = 2
"""A trend needs more models than this."""


@dataclass(frozen=True)
class Trend:
    """The slopes of many facts; nan where there is nothing to compute.

    Attributes
    ----------
    n : int
        Number of facts.
    slope, low, high : float
        Mean slope for ten times the weights, and its 95 % interval by t over the facts.
    p : float
        Two-sided p-value of Wilcoxon's signed-rank test of the slopes against 0.
    d : float
        Mean slope in standard deviations of the slopes.
    rho : float
        Mean of Spearman's rank correlations of the facts whose values are not all equal.
    p_page : float
        One-sided p-value of Page's test that values rise with the order of the models.

    Examples
    --------
    >>> from neurotopo.studies.complexity.trend import trend
    >>> result = trend([[1.0, 2.0, 3.0], [2.0, 5.0, 6.0], [4.0, 4.0, 7.0]], [10, 100, 1000])
    >>> result.n, result.slope, result.low < result.slope < result.high
    (3, 1.5, True)
    """

    n: int
    slope: float
    low: float
    high: float
    p: float
    d: float
    rho: float
    p_page: float


def trend(values: ArrayLike, parameters: Sequence[float]) -> Trend:
    """Fit a line to each fact's values against the logarithm of the models' weights.

    Parameters
    ----------
    values : array-like, shape (n_facts, n_models)
        A measure.
    parameters : sequence of float, length n_models
        Number of weights of each model.

    Returns
    -------
    Trend

    References
    ----------
    .. [1] E. B. Page, "Ordered hypotheses for multiple treatments: a significance test for linear
       ranks", J. Am. Stat. Assoc. 58, 1963.

    Examples
    --------
    >>> from neurotopo.studies.complexity.trend import trend
    >>> result = trend([[1.0, 2.0, 3.0], [2.0, 5.0, 6.0]], [10, 100, 1000])
    >>> result.slope, result.rho
    (1.5, 1.0)
    """
    x = np.log10(np.asarray(parameters, dtype=np.float64))
    y = np.asarray(values, dtype=np.float64).reshape(-1, len(x))
    if len(np.unique(x)) < 2 or not len(y):
        return Trend(len(y), *[math.nan] * 7)
    centred = x - x.mean()
    slopes = (y - y.mean(axis=1, keepdims=True)) @ centred / (centred @ centred)
    result = paired(slopes, np.zeros(len(slopes)))
    return Trend(
        result.n,
        *(result.difference, result.low, result.high, result.p_wilcoxon, result.d),
        _spearman(x, y),
        _page(x, y),
    )


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    uneven = y[np.ptp(y, axis=1) > 0]
    return finite_mean([float(stats.spearmanr(x, row).statistic) for row in uneven])


def _page(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Page's p-value; nan where the models are too few or in no order."""
    if len(np.unique(x)) < len(x) or len(x) <= MOST_MODELS_FEW or len(y) < 2:
        return math.nan
    return float(stats.page_trend_test(y[:, np.argsort(x)], method="asymptotic").pvalue)
