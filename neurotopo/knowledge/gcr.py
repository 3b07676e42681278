"""Measures of the last step of a suppression curve: the GCR, its floor and the jump."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["gcr", "jump", "partial_spread", "straight_line_gcr"]


def gcr(drops: ArrayLike) -> float:
    r"""Return the Generalized Curvature Ratio of a suppression curve.

    .. math:: \mathrm{GCR} =
              \frac{|\Delta_n - \mu(\Delta_1, \ldots, \Delta_{n-1})|}
                   {\sigma(\Delta_1, \ldots, \Delta_{n-1})} ,

    with the population standard deviation. For n = 2 it is :math:`|\Delta_2 - \Delta_1|`, a
    difference and not a ratio: do not average it with the others.

    Parameters
    ----------
    drops : array-like, shape (n,)
        Drop of the probability with 1, ..., n components suppressed.

    Returns
    -------
    float
        nan for n below 2, for equal drops before the last (sigma = 0), and for drops that are not
        finite.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, Eq 11.

    Examples
    --------
    >>> from neurotopo.knowledge.gcr import gcr
    >>> gcr([0.1, 0.3, 0.7]), gcr([0.1, 0.7]), gcr([0.1, 0.1, 0.7])
    (5.0, 0.6, nan)
    """
    values = _curve(drops)
    if len(values) < 3 or not np.isfinite(values).all():
        return abs(jump(values))
    spread = partial_spread(values)
    return float(abs(values[-1] - values[:-1].mean()) / spread) if spread > 0 else math.nan


def partial_spread(drops: ArrayLike) -> float:
    """Return sigma, the standard deviation of all drops but the last.

    0 for drops that are equal up to rounding; nan for fewer than three drops.

    Examples
    --------
    >>> from neurotopo.knowledge.gcr import partial_spread
    >>> partial_spread([0.1, 0.3, 0.7]), partial_spread([0.1 + 0.2, 0.3, 0.7])
    (0.1, 0.0)
    """
    partial = _curve(drops)[:-1]
    if len(partial) < 2 or not np.isfinite(partial).all():
        return math.nan
    # a drop is 1 - after / before, so it is rounded like a number near 1
    rounding = 16 * np.finfo(np.float64).eps * max(1.0, float(np.abs(partial).max()))
    return float(partial.std()) if float(np.ptp(partial)) > rounding else 0.0


def straight_line_gcr(n: int) -> float:
    r"""Return the GCR of a straight line, on which all n components have equal effect.

    It is :math:`\sqrt{3 n / (n - 2)}` for every slope; nan for n below 3. Only a larger GCR
    indicates a jump.

    Examples
    --------
    >>> from neurotopo.knowledge.gcr import gcr, straight_line_gcr
    >>> [round(straight_line_gcr(n), 2) for n in range(3, 9)]
    [3.0, 2.45, 2.24, 2.12, 2.05, 2.0]
    >>> gcr([0.2, 0.4, 0.6, 0.8])
    2.45
    """
    return math.sqrt(3 * n / (n - 2)) if n > 2 else math.nan


def jump(drops: ArrayLike) -> float:
    """Return the last step of a suppression curve: the last drop minus the one before.

    nan for fewer than two drops, and for drops that are not finite.

    Examples
    --------
    >>> from neurotopo.knowledge.gcr import jump
    >>> jump([0.1, 0.3, 0.7])
    0.4
    """
    values = _curve(drops)
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan
    return float(values[-1] - values[-2])


def _curve(drops: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(drops, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"drops must be one number per suppressed component, got {values.shape}.")
    return values
