"""The chance prominence of modes in points: its formula, and that its level holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom

from neurotopo.persistence import merge_tree
from neurotopo.persistence.point_null import (
    effective_dimension,
    largest_prominence,
    prominence_p_value,
    structure_threshold,
)


def cloud(family, n, d, rng):
    if family == "uniform":
        return rng.random((n, d))
    if family == "normal":
        return rng.normal(size=(n, d))
    if family == "t3":
        return rng.standard_t(3, size=(n, d))
    return np.exp(rng.normal(size=(n, d)))


def naive_prominences(X, k):
    """Longest bars by the elder rule, edge by edge."""
    lengths = cdist(X, X)
    core = np.sort(lengths, axis=1)[:, k - 1]
    lengths = np.maximum(lengths, np.maximum(core[:, None], core[None]))
    np.fill_diagonal(lengths, np.inf)
    first, group, bars = lengths.min(axis=1), np.arange(len(X)), []
    eldest = dict(enumerate(first))
    pairs = map(tuple, np.argwhere(np.triu(np.ones_like(lengths), 1)))
    for i, j in sorted(pairs, key=lambda pair: lengths[pair]):
        a, b = group[i], group[j]
        if a != b:
            bars.append(np.log(lengths[i, j] / max(eldest[a], eldest[b])))
            eldest[a] = min(eldest[a], eldest[b])
            group[group == b] = a
    return np.sort(bars)[::-1]


@pytest.mark.parametrize(("n", "d", "k"), [(40, 1, 5), (60, 2, 5), (90, 3, 10), (30, 2, 1)])
def test_largest_prominence_is_the_second_bar_of_the_elder_rule(n, d, k):
    X = np.random.default_rng(n).normal(size=(n, d))
    tree = merge_tree(X, metric="euclidean", min_samples=k)
    assert largest_prominence(tree) == pytest.approx(naive_prominences(X, k)[0], abs=1e-12)


def test_equal_merges_end_all_but_one_component():
    # pairs of lengths 1, 2, 3; all three merge at 10
    X = [[0.0], [1.0], [11.0], [13.0], [23.0], [26.0]]
    tree = merge_tree(X, metric="euclidean")
    assert largest_prominence(tree) == pytest.approx(np.log(10 / 2))


def test_rounded_and_tiny_data_have_no_prominent_mode():
    rng = np.random.default_rng(0)
    rounded = rng.normal(size=(400, 1)).round(1)
    tree = merge_tree(rounded, metric="euclidean", min_samples=5)
    assert largest_prominence(tree) < structure_threshold(400, 1.0, 5)
    for X in ([[1.0]], [[1.0], [1.0], [1.0]]):
        assert largest_prominence(merge_tree(X, metric="euclidean")) == 0.0


@pytest.mark.parametrize("family", ["uniform", "normal", "t3", "lognormal"])
@pytest.mark.parametrize("k", [5, 10])
def test_clouds_of_one_mode_exceed_the_threshold_at_most_at_its_level(family, k):
    rng = np.random.default_rng([18, k])
    exceed, n_clouds = 0, 0
    for n, d in [(100, 1), (100, 2), (100, 5), (300, 1), (300, 2), (300, 10)] * 10:
        X = cloud(family, n, d, rng)
        tree = merge_tree(X, metric="euclidean", min_samples=k)
        dimension = effective_dimension(X, min_samples=k)
        exceed += largest_prominence(tree) > structure_threshold(n, dimension, k)
        n_clouds += 1
    assert exceed <= binom.ppf(0.99, n_clouds, 0.05)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_two_groups_five_deviations_apart_exceed_the_threshold(d):
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(20):
        X = rng.normal(size=(200, d))
        X[::2, 0] += 5
        tree = merge_tree(X, metric="euclidean", min_samples=10)
        hits += largest_prominence(tree) > structure_threshold(200, effective_dimension(X), 10)
    assert hits >= 18


def test_threshold_and_p_value_are_inverse_and_fall_with_the_number_of_neighbours():
    for n, d, k in [(100, 1.0, 5), (1000, 2.3, 10), (100_000, 9.0, 20)]:
        for level in (0.2, 0.05, 1e-3):
            threshold = structure_threshold(n, d, k, level)
            assert prominence_p_value(threshold, n, d, k) == pytest.approx(level)
        assert structure_threshold(n, d, k) > structure_threshold(n, d, 2 * k) > 0
        assert structure_threshold(n, d, k) < structure_threshold(n, d, k, 0.01)


def test_no_test_is_possible_for_few_neighbours_or_few_points():
    assert structure_threshold(1000, 2.0, 4) == np.inf
    assert structure_threshold(59, 2.0, 10) == np.inf
    assert prominence_p_value([0.1, 9.0], 59, 2.0, 10).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        structure_threshold(1000, 2.0, 10, level=1.0)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "canberra"])
def test_dimension_does_not_depend_on_the_order_of_the_rows(metric):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(1500 if metric == "euclidean" else 300, 3)).round(1) + 0.05
    shuffled = X[rng.permutation(len(X))]
    assert effective_dimension(X, metric) == effective_dimension(shuffled, metric)


def test_dimension_of_points_and_of_their_distances_agree():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(300, 4))
    given = effective_dimension(cdist(X, X), "precomputed")
    assert given == pytest.approx(effective_dimension(X), rel=1e-9)
    assert effective_dimension(np.arange(50.0)[:, None]) == 1.0  # at most the features
    sparse = np.where(rng.random((20, 20)) < 0.5, np.inf, 1.0)
    sparse = np.minimum(sparse, sparse.T)
    np.fill_diagonal(sparse, 0.0)
    with pytest.raises(ValueError, match="absent or infinite have no null for points"):
        effective_dimension(sparse, "precomputed")
