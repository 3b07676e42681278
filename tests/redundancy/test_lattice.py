"""The lattice of subsets: against formulas written out, and on functions solved by hand."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy import Lattice


def lattice_of(score, n, **options):
    """Return the lattice of a function of the set of ablated groups."""
    rows = subsets(n, **options)
    scores = np.array([score(frozenset(np.flatnonzero(row).tolist())) for row in rows])
    return Lattice(rows, scores.astype(float), float(score(frozenset())))


def shapley_by_orders(score, n):
    """Shapley values from their definition: the mean over all orders of ablation."""
    values = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        for at, group in enumerate(order):
            before = frozenset(order[:at])
            values[group] += score(before) - score(before | {group})
    return values / len(orders)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_every_quantity_is_its_formula(n, seed):
    draw = np.random.default_rng(seed)
    table = {
        frozenset(chosen): draw.normal()
        for size in range(n + 1)
        for chosen in combinations(range(n), size)
    }
    everything = frozenset(range(n))
    lattice = lattice_of(table.__getitem__, n)
    base = table[frozenset()]
    single = [base - table[frozenset({i})] for i in range(n)]
    need = base - table[everything]
    np.testing.assert_allclose(lattice.effects, single, atol=1e-12)
    assert lattice.necessity == pytest.approx(need)
    np.testing.assert_allclose(lattice.shapley, shapley_by_orders(table.__getitem__, n), atol=1e-12)
    kept = [(table[everything - {i}] - table[everything]) / need for i in range(n)]
    np.testing.assert_allclose(lattice.sufficiency, kept, rtol=1e-9)
    if n == 1:
        assert np.isnan(lattice.redundancy)
        return
    assert lattice.redundancy == pytest.approx(need - sum(single))
    assert lattice.rho == pytest.approx((need - sum(single)) / abs(need))
    for i, j in combinations(range(n), 2):
        wanted = base - table[frozenset({i, j})] - single[i] - single[j]
        assert lattice.interactions[i, j] == pytest.approx(wanted)
        assert lattice.interactions[j, i] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("score", "rho", "shapley", "sufficiency", "interaction"),
    [
        (lambda off: 6.0 * (len(off) < 3), 1.0, [2, 2, 2], [1, 1, 1], 0.0),  # any one suffices
        (lambda off: 6.0 * (len(off) < 1), -2.0, [2, 2, 2], [0, 0, 0], -6.0),  # all are needed
        (lambda off: 6.0 - 2 * len(off), 0.0, [2, 2, 2], [1 / 3] * 3, 0.0),  # they add up
    ],
)
def test_or_and_and_adder(score, rho, shapley, sufficiency, interaction):
    lattice = lattice_of(score, 3)
    assert lattice.rho == pytest.approx(rho)
    np.testing.assert_allclose(lattice.shapley, shapley)
    np.testing.assert_allclose(lattice.sufficiency, sufficiency)
    assert lattice.interactions[0, 1] == pytest.approx(interaction)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("noise", [0.0, 1e-7])  # rounding in single precision
@pytest.mark.parametrize("score", [1.5, -30.0, 1e-12])
def test_groups_without_effect(n, noise, score):
    lattice = lattice_of(lambda off: score * (1 + noise * len(off)), n)
    assert np.isnan(lattice.rho)
    assert np.isnan(lattice.sufficiency).all()
    np.testing.assert_allclose(lattice.shapley, 0, atol=3e-7 * abs(score))


def test_small_scores_are_no_rounding():
    lattice = lattice_of(lambda off: 1e-12 * (len(off) < 2), 2)
    assert lattice.rho == pytest.approx(1)
    np.testing.assert_allclose(lattice.sufficiency, 1)


def test_a_sample_of_subsets_estimates_the_shapley_values():
    weights = np.linspace(1, 3, 12)

    def score(off):  # additive, and two groups of which either one suffices for 5 more
        kept = sum(w for i, w in enumerate(weights) if i not in off)
        return float(kept) + 5 * (not {0, 1} <= off)

    lattice = lattice_of(score, 12, max_exact=5, n_samples=300)
    assert len(lattice.scores) < 2**12 - 1
    wanted = weights + np.where(np.arange(12) < 2, 2.5, 0)
    np.testing.assert_allclose(lattice.shapley.sum(), lattice.necessity)
    np.testing.assert_allclose(lattice.shapley, wanted, atol=0.6)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="one number per subset"):
        Lattice(subsets(2), np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="each single group"):
        Lattice(subsets(2)[1:], np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="all groups together"):
        Lattice(subsets(3)[:-1], np.zeros(6), 1.0)
