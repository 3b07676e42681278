"""The interval and the verdicts of questions about facts of several relations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from neurotopo.studies.inference import NO, UNDECIDED, YES, effect_of, judged


def by_loops(values, relations, n_boot, rng):
    """Standard error of the mean: relations are drawn, then facts of each."""
    names = sorted(set(relations))
    groups = {
        name: [v for v, r in zip(values, relations, strict=True) if r == name] for name in names
    }
    means = []
    for _ in range(n_boot):
        drawn = []
        for name in rng.choice(names, size=len(names)):
            drawn.extend(rng.choice(groups[name], size=len(groups[name])))
        means.append(np.mean(drawn))
    return float(np.std(means)) * math.sqrt(len(names) / (len(names) - 1))


def sample(rng, n_relations, spread, mean=0.0):
    """Return numbers of facts of relations that differ, and the relations."""
    sizes = rng.integers(3, 20, size=n_relations)
    relations = np.repeat(np.arange(n_relations), sizes)
    values = (
        mean + spread * rng.normal(size=n_relations)[relations] + rng.normal(size=len(relations))
    )
    return values, relations.tolist()


def test_the_standard_error_is_that_of_a_plain_bootstrap():
    rng = np.random.default_rng(0)
    values, relations = sample(rng, 7, 0.7)
    effect = effect_of(values, relations, n_boot=8000)
    assert effect.se == pytest.approx(by_loops(values, relations, 3000, rng), rel=0.06)
    half = stats.t.ppf(0.975, 6) * effect.se
    assert (effect.low, effect.high) == pytest.approx((effect.mean - half, effect.mean + half))
    assert effect.mean == pytest.approx(values.mean())


@pytest.mark.parametrize(("n_relations", "spread"), [(3, 0.0), (3, 1.0), (8, 0.0), (8, 1.0)])
def test_intervals_and_verdicts_are_rarely_wrong(n_relations, spread):
    """True mean 0 with verdict yes, and a true mean at the margin with verdict no."""
    rng = np.random.default_rng(1)
    missed = claimed = dismissed = 0
    for seed in range(200):
        values, relations = sample(rng, n_relations, spread)
        effect = effect_of(values, relations, margin=0.3, n_boot=200, random_state=seed)
        missed += not effect.low <= 0 <= effect.high
        claimed += effect.verdict == YES
        at_margin = effect_of(values + 0.3, relations, margin=0.3, n_boot=200, random_state=seed)
        dismissed += at_margin.verdict == NO
    assert missed <= 20  # 10 %; 5 % wanted, and a sample of 200
    assert claimed <= 18
    assert dismissed <= 20


def test_verdicts():
    relations = list("abcde") * 8
    noise = np.random.default_rng(2).normal(scale=0.05, size=40)
    verdicts = {m: effect_of(m + noise, relations).verdict for m in (0.5, 0.0, -0.5)}
    assert verdicts == {0.5: YES, 0.0: NO, -0.5: NO}
    assert effect_of(noise, relations).is_equivalent
    assert not effect_of(noise - 0.5, relations).is_equivalent
    wide = effect_of(20 * noise, relations)
    assert wide.verdict == UNDECIDED
    assert wide.least > wide.margin
    # an effect beyond chance, but below the margin, is no claim
    small = effect_of(0.02 + noise / 100, relations)
    assert small.p < 1e-3
    assert small.verdict == NO


def test_few_facts_give_no_verdict_and_gaps_are_counted():
    assert effect_of([0.5] * 9, list("abc") * 3).verdict == UNDECIDED
    effect = effect_of([0.5] * 12 + [math.nan], [*"abc" * 4, "a"])
    assert (effect.n, effect.n_dropped, effect.n_relations) == (12, 1, 3)
    assert effect.verdict == YES
    none = effect_of([math.nan], ["a"])
    assert math.isnan(none.p)
    assert none.verdict == UNDECIDED
    assert effect_of([1.0], ["a"]).verdict == UNDECIDED


def test_one_relation_is_resampled_by_its_facts():
    values = np.random.default_rng(3).normal(size=30)
    effect = effect_of(values, ["a"] * 30, n_boot=20_000)
    assert effect.n_relations == 1
    assert effect.se == pytest.approx(stats.sem(values), rel=0.03)


def test_holm_over_the_questions():
    rng = np.random.default_rng(4)
    effects = {str(i): effect_of(*sample(rng, 6, 0.1, mean=0.3)) for i in range(8)}
    found = judged(effects)
    order = sorted(effects, key=lambda name: effects[name].p)
    adjusted = [found[name].p_holm for name in order]
    assert adjusted[0] == pytest.approx(min(8 * effects[order[0]].p, 1))
    assert adjusted == sorted(adjusted)
    assert judged(effects) == found


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="one per fact"):
        effect_of([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="margin"):
        effect_of([1.0], ["a"], margin=0.0)
