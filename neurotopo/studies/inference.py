"""Questions with three answers: an effect, its interval over relations and facts, a verdict."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotopo.studies.findings import FEW
from neurotopo.studies.statistics import holm

__all__ = [
    "LEVEL",
    "MARGIN",
    "NO",
    "POWER",
    "UNDECIDED",
    "YES",
    "Effect",
    "effect_of",
    "effect_with",
    "judged",
]

Name = TypeVar("Name", bound=Hashable)

YES, NO, UNDECIDED = "yes", "no", "undecided"

LEVEL = 0.05
"""Chance of a wrong verdict, over all questions of a family."""

MARGIN = 0.1
"""The smallest effect that counts, named before the data are seen."""

POWER = 0.8
"""Power at which :attr:`Effect.least` is stated."""


@dataclass(frozen=True)
class Effect:
    """Mean of one number per fact, and what follows from it.

    Attributes
    ----------
    n, n_dropped : int
        Number of facts, and of facts without a finite number, which are left out.
    n_relations : int
        Number of relations of these facts.
    mean : float
        Mean over the facts; nan for none.
    se : float
        Its standard error from the bootstrap over relations, then facts; nan for one fact.
    low, high : float
        95 % interval of the mean, by Student's t with ``n_relations - 1`` degrees of freedom
        (of facts, where there is one relation).
    p : float
        Two-sided p-value of a mean of 0.
    p_above, p_below : float
        One-sided p-values of a mean of at most minus the margin, and of at least the margin. An
        effect is equivalent to 0 if both are below :data:`LEVEL`.
    margin : float
        The smallest effect that counts.
    least : float
        The smallest true mean that would have been told from 0 with a power of 80 %.
    p_holm : float
        ``p`` after Holm's correction over the questions of a family (:func:`judged`).
    verdict : {"yes", "no", "undecided"}
        "yes": above 0 after correction, and the mean is at least the margin. "no": below the
        margin (``p_below``). Else, and with fewer than ten facts, "undecided".

    Examples
    --------
    >>> from neurotopo.studies.inference import effect_of
    >>> effect = effect_of([0.4, 0.5, 0.6, 0.5, 0.4, 0.6] * 2, relations=["a", "b", "c"] * 4)
    >>> round(effect.mean, 3), effect.n_relations, effect.verdict
    (0.5, 3, 'yes')
    >>> effect_of([0.01, -0.01, 0.02, -0.02] * 6, relations=list("abcd") * 6).verdict
    'no'
    """

    n: int
    n_dropped: int
    n_relations: int
    mean: float
    se: float
    low: float
    high: float
    p: float
    p_above: float
    p_below: float
    margin: float
    least: float
    p_holm: float
    verdict: str

    @property
    def is_equivalent(self) -> bool:
        """Whether the mean lies within the margin on both sides of 0, beyond chance."""
        return max(self.p_above, self.p_below) < LEVEL


def effect_of(
    values: ArrayLike,
    relations: Sequence[Hashable],
    *,
    margin: float = MARGIN,
    n_boot: int = 2000,
    random_state: int = 0,
) -> Effect:
    r"""Test the mean of one number per fact, with facts grouped by relation.

    Facts of one relation resemble each other, so they are no independent observations. A
    bootstrap draws relations with replacement, then facts of each with replacement. Its standard
    error, times :math:`\sqrt{K / (K - 1)}` for K relations, gives the interval by Student's t with
    K - 1 degrees of freedom: simulated with 2 to 20 relations, it misses the mean in at most 7 %
    of the samples; that of the quantiles of the bootstrap misses it in up to 34 %. Facts of a
    single relation are resampled alone: the result then holds for that relation.

    Parameters
    ----------
    values : array-like, shape (n,)
        A number per fact, such as the difference to a null. nan and infinite numbers are left out
        and counted.
    relations : sequence, length n
        The relation of each fact.
    margin : float, default=0.1
        The smallest effect that counts.
    n_boot : int, default=2000
        Number of bootstrap samples.
    random_state : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    Effect
        As for a single question; :func:`judged` corrects for several.

    Examples
    --------
    >>> from neurotopo.studies.inference import effect_of
    >>> effect = effect_of([0.4, 0.5, 0.6, 0.5] * 4, relations=["a", "b"] * 8)
    >>> effect.n, effect.mean, effect.verdict
    (16, 0.5, 'yes')
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or len(given) != len(relations):
        raise ValueError(
            f"values and relations must be one per fact, got {given.shape} and {len(relations)}."
        )
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be a number above 0, got {margin}.")
    finite = np.isfinite(given)
    x = given[finite]
    codes, names = pd.factorize(pd.Series(list(relations), dtype=object)[finite], sort=False)
    n_relations = len(names)
    units = n_relations if n_relations > 1 else len(x)
    mean = float(x.mean()) if len(x) else math.nan
    se = (
        _standard_error(x, codes, n_boot, random_state) * _widened(units)
        if len(x) > 1
        else math.nan
    )
    counts = {"n": len(x), "n_dropped": len(given) - len(x), "n_relations": n_relations}
    return effect_with(mean, se, max(units - 1, 1), margin=margin, **counts)


def effect_with(
    mean: float,
    se: float,
    df: int,
    *,
    margin: float = MARGIN,
    n: int,
    n_dropped: int = 0,
    n_relations: int = 0,
) -> Effect:
    """Test a mean with a known standard error by Student's t.

    Parameters
    ----------
    mean, se : float
    df : int
        Degrees of freedom of the standard error.
    margin : float, default=0.1
        The smallest effect that counts.
    n, n_dropped, n_relations : int
        As in :class:`Effect`.

    Returns
    -------
    Effect
        As for a single question.

    Examples
    --------
    >>> from neurotopo.studies.inference import effect_with
    >>> effect = effect_with(0.4, 0.1, 19, n=20)
    >>> round(effect.low, 3), round(effect.high, 3), effect.verdict
    (0.191, 0.609, 'yes')
    """
    half = float(stats.t.ppf(0.5 + (1 - LEVEL) / 2, df)) * se
    effect = Effect(
        n=n,
        n_dropped=n_dropped,
        n_relations=n_relations,
        mean=mean,
        se=se,
        low=mean - half,
        high=mean + half,
        p=min(2 * _above(abs(mean), se, df), 1.0),
        p_above=_above(mean + margin, se, df),
        p_below=_above(margin - mean, se, df),
        margin=margin,
        least=half + float(stats.t.ppf(POWER, df)) * se,
        p_holm=math.nan,
        verdict=UNDECIDED,
    )
    return judged({"": effect})[""]


def judged(effects: Mapping[Name, Effect]) -> dict[Name, Effect]:
    """Correct the p-values of several questions together and give each its verdict.

    Parameters
    ----------
    effects : mapping from question to Effect

    Returns
    -------
    dict from question to Effect

    Examples
    --------
    >>> from neurotopo.studies.inference import effect_of, judged
    >>> one = effect_of([0.2, 0.3, 0.1, 0.3] * 3, relations=["a", "b", "c", "d"] * 3)
    >>> many = judged({str(question): one for question in range(9)})
    >>> one.verdict, many["0"].verdict
    ('yes', 'undecided')
    """
    adjusted = holm([effect.p for effect in effects.values()])
    return {
        name: replace(effect, p_holm=float(p), verdict=_verdict(effect, float(p)))
        for (name, effect), p in zip(effects.items(), adjusted, strict=True)
    }


def _verdict(effect: Effect, p: float) -> str:
    if effect.n < FEW:
        return UNDECIDED
    if p < LEVEL and effect.mean >= effect.margin:
        return YES
    return NO if effect.p_below < LEVEL else UNDECIDED


def _above(gap: float, se: float, df: int) -> float:
    """Return the one-sided p-value of a gap of at most 0."""
    if math.isnan(gap) or math.isnan(se):
        return math.nan
    if se == 0:
        return 0.0 if gap > 0 else 1.0
    return float(stats.t.sf(gap / se, df))


def _widened(units: int) -> float:
    return math.sqrt(units / (units - 1))


def _standard_error(
    x: NDArray[np.float64], codes: NDArray[np.intp], n_boot: int, seed: int
) -> float:
    """Return the standard deviation of the mean over draws of relations, then of facts."""
    rng = np.random.default_rng(seed)
    n_relations = int(codes.max()) + 1
    if n_relations == 1:
        return float(x[rng.integers(len(x), size=(n_boot, len(x)))].mean(axis=1).std())
    times = rng.multinomial(n_relations, np.full(n_relations, 1 / n_relations), size=n_boot)
    sums, counts = np.zeros(n_boot), np.zeros(n_boot)
    for relation in range(n_relations):
        facts = x[codes == relation]
        drawn = times[:, relation]
        # one resample of the facts for each time that the relation is drawn
        total = facts[rng.integers(len(facts), size=(int(drawn.sum()), len(facts)))].sum(axis=1)
        np.add.at(sums, np.repeat(np.arange(n_boot), drawn), total)
        counts += drawn * len(facts)
    return float((sums / counts).std())
