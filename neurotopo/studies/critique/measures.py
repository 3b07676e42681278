"""Numbers of the critique study: rank-1 share, regression on frequency, votes of words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["Line", "Votes", "line_through", "rank_one_share", "shuffled_share", "votes_of"]


def rank_one_share(rows: ArrayLike) -> float:
    """Return how far rows point into one direction: 1 for all into the same, 0 for none alike.

    With the rows scaled to unit length and the largest singular value s of their matrix this is
    (s^2 - 1) / (n - 1) for n rows.

    Parameters
    ----------
    rows : array-like, shape (n, k)
        The rows. Those of zeros have no direction and are left out.

    Returns
    -------
    float
        nan for fewer than two rows with a direction.

    References
    ----------
    .. [1] J. Niu et al., "What does the Knowledge Neuron Thesis Have to do with Knowledge?", ICLR
       2024.

    Examples
    --------
    >>> from neurotopo.studies.critique.measures import rank_one_share
    >>> rank_one_share([[1, 2], [2, 4], [3, 6]]), rank_one_share([[1, 0], [0, 3]])
    (1.0, 0.0)
    """
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"rows must have two dimensions, got shape {values.shape}.")
    values = values[np.isfinite(values).all(axis=1) & values.any(axis=1)]
    if len(values) < 2:
        return math.nan
    values = values / np.abs(values).max(axis=1, keepdims=True)  # squares must not underflow
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    largest = float(np.linalg.norm(values, 2))
    return min(max((largest**2 - 1) / (len(values) - 1), 0.0), 1.0)


def shuffled_share(rows: ArrayLike, rng: np.random.Generator, times: int = 20) -> float:
    """Return the mean rank-1 share with the entries of every row shuffled.

    It is what rows with these values have in common when they share no column.

    Parameters
    ----------
    rows : array-like, shape (n, k)
        The rows.
    rng : Generator
        What the orders are drawn from.
    times : int, default=20
        Number of draws.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.critique.measures import shuffled_share
    >>> shuffled_share([[1.0, 1.0], [2.0, 2.0]], np.random.default_rng(0))
    1.0
    """
    values = np.asarray(rows, dtype=np.float64)
    shares = [rank_one_share(rng.permuted(values, axis=1)) for _ in range(times)]
    return float(np.mean(shares))


@dataclass(frozen=True)
class Line:
    """A straight line y = constant + slope x by least squares.

    Attributes
    ----------
    n : int
        Number of points.
    constant, constant_low, constant_high, p_constant : float
        y at x = 0, its 95 % interval, and the p-value of its being 0.
    slope, slope_low, slope_high, p_slope : float
        The same of the slope.
    share : float
        Share of the variance of y that x explains. With a constant as the only other regressor
        it is the partial R^2 of x.
    """

    n: int
    constant: float = math.nan
    constant_low: float = math.nan
    constant_high: float = math.nan
    p_constant: float = math.nan
    slope: float = math.nan
    slope_low: float = math.nan
    slope_high: float = math.nan
    p_slope: float = math.nan
    share: float = math.nan


def line_through(x: ArrayLike, y: ArrayLike) -> Line:
    """Fit a straight line.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        The points; those that are not finite are left out.

    Returns
    -------
    Line
        All nan but n for fewer than three points, and where all x are the same.

    Examples
    --------
    >>> from neurotopo.studies.critique.measures import line_through
    >>> line = line_through([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])
    >>> line.n, line.constant, line.slope, line.share
    (3, 0.917, 2.25, 0.996)
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (x, y))
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    n = len(a)
    if n < 3 or np.ptp(a) == 0:
        return Line(n)
    fit = stats.linregress(a, b)
    reach = float(stats.t.ppf(0.975, n - 2))
    constant, error = float(fit.intercept), float(fit.intercept_stderr)
    p_constant = math.nan
    if error > 0:
        p_constant = 2 * float(stats.t.sf(abs(constant) / error, n - 2))
    spread = float(np.ptp(b)) > 0
    return Line(
        n=n,
        constant=constant,
        constant_low=constant - reach * error,
        constant_high=constant + reach * error,
        p_constant=p_constant,
        slope=float(fit.slope),
        slope_low=float(fit.slope - reach * fit.stderr),
        slope_high=float(fit.slope + reach * fit.stderr),
        p_slope=float(fit.pvalue) if spread else math.nan,
        share=float(fit.rvalue) ** 2 if spread else math.nan,
    )


@dataclass(frozen=True)
class Votes:
    """Whether what fits is preferred, each set of words having one vote.

    Attributes
    ----------
    n : int
        Number of sets of words that prefer either side.
    for_good : int
        Those that prefer what fits in more than half of their pairs.
    p : float
        p-value of so many or more by chance; nan for none.
    """

    n: int
    for_good: int
    p: float


def votes_of(words: Iterable[Hashable], preferred: Iterable[bool]) -> Votes:
    """Let each set of words vote on whether the model prefers what fits.

    A model that prefers one word whatever stands before it is right wherever that word fits, and
    many pairs of the same two words would make that look significant. So the pairs of two words,
    whichever of them fits, have one vote together, and none where they are divided.

    Parameters
    ----------
    words : iterable
        For each pair its two words as an unordered set.
    preferred : iterable of bool
        Whether the pair's word that fits is the likelier one.

    Returns
    -------
    Votes

    Examples
    --------
    >>> from neurotopo.studies.critique.measures import votes_of
    >>> am, do = frozenset({"is", "are"}), frozenset({"do", "does"})
    >>> votes_of([am, am, do, do, do], [True, False, True, True, False])
    Votes(n=1, for_good=1, p=0.5)
    """
    sides: dict[Hashable, list[int]] = {}
    for pair, good in zip(words, preferred, strict=True):
        sides.setdefault(pair, []).append(1 if good else -1)
    sums: NDArray[np.int64] = np.array([sum(each) for each in sides.values()], dtype=np.int64)
    n, for_good = int((sums != 0).sum()), int((sums > 0).sum())
    p = float(stats.binomtest(for_good, n, alternative="greater").pvalue) if n else math.nan
    return Votes(n, for_good, p)
