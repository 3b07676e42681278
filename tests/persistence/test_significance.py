"""The permutation null: p-values, error control, and what may be shuffled with what."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, false_discovery_control

from neurotopo.persistence import EdgeList, benjamini_hochberg, check_distances, permutation_test
from neurotopo.persistence.significance import (
    _as_extreme,
    edge_groups,
    pooled_p_values,
    shuffle_lengths,
)
from tests.support.oracles import as_sparse, symmetric


def null_graph(rng, n=24):
    """Exchangeable weights on a random set of edges."""
    lengths = 1 / np.abs(rng.normal(size=(n, n)))
    lengths[rng.random((n, n)) < 0.3] = np.inf
    return symmetric(lengths)


@pytest.mark.parametrize(
    ("n_graphs", "n_permutations"), [(100, 19), pytest.param(240, 59, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "options",
    [
        {"statistic": "persistence"},
        {"statistic": "persistence", "condense": True, "min_cluster_size": 4},
        {"statistic": "joint", "scale": "log"},
        {"statistic": "persistence", "strata": np.arange(24) % 3},
    ],
    ids=["persistence", "condensed", "joint", "strata"],
)
def test_null_graphs_yield_discoveries_at_the_nominal_rate(options, n_graphs, n_permutations):
    rng = np.random.default_rng(20)
    level = 0.05
    tests = (
        permutation_test(null_graph(rng), n_permutations=n_permutations, random_state=k, **options)
        for k in range(n_graphs)
    )
    any_found = sum(test.discoveries(level).any() for test in tests)
    # At most the nominal rate is promised; with the joint statistic, whose p-values are coarser,
    # less is expected.
    high = binom.ppf(0.995, n_graphs, level)
    low = 0 if options["statistic"] == "joint" else binom.ppf(0.005, n_graphs, level)
    assert low <= any_found <= high


def test_p_values_of_null_clusters_are_uniform_on_average():
    rng = np.random.default_rng(1)
    p = np.concatenate(
        [
            permutation_test(null_graph(rng), n_permutations=19, random_state=k).p_values
            for k in range(60)
        ]
    )
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert (p <= level).mean() == pytest.approx(level, abs=0.04)


@pytest.mark.parametrize("condense", [False, True])
def test_planted_groups_are_found(condense):
    rng = np.random.default_rng(0)
    weights = np.abs(rng.normal(size=(40, 40)))
    weights[:12, :12] *= 8
    size = 4 if condense else 2
    test = permutation_test(
        symmetric(1 / weights), condense=condense, min_cluster_size=size, random_state=0
    )
    discovered = [test.clusters.tree.members(v) for v in test.clusters.node[test.discoveries()]]
    assert any(np.isin(np.arange(12), members).mean() > 0.9 for members in discovered)
    assert test.statistic == ("persistence" if condense else "joint")
    assert test.p_values.min() > 0


def test_shuffles_stay_within_their_groups():
    rng = np.random.default_rng(0)
    strata = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    edges = EdgeList.from_dense(symmetric(rng.permutation(64).reshape(8, 8).astype(float)))
    group = edge_groups(edges, strata)
    pairs = {frozenset(strata[[a, b]]) for a, b in zip(edges.source, edges.target, strict=True)}
    assert len(np.unique(group)) == len(pairs) == 6
    seen = set()
    for _ in range(50):
        shuffled = shuffle_lengths(edges, group, rng)
        for g in np.unique(group):
            mine = group == g
            assert sorted(shuffled.length[mine]) == sorted(edges.length[mine])
        seen.add(tuple(shuffled.length[group == group[0]]))
    assert len(seen) == 6  # all orders of the 3 edges inside the first group
    free = shuffle_lengths(edges, None, rng)
    assert sorted(free.length) == sorted(edges.length)


def test_result_depends_on_the_seed_only():
    lengths = null_graph(np.random.default_rng(2))
    one = permutation_test(lengths, n_permutations=20, random_state=5)
    for other in (
        permutation_test(lengths, n_permutations=20, random_state=5, n_jobs=2),
        permutation_test(as_sparse(lengths), n_permutations=20, random_state=5),
    ):
        assert np.array_equal(one.p_values, other.p_values)
    other = permutation_test(lengths, n_permutations=20, random_state=6)
    assert not np.array_equal(one.null_persistence, other.null_persistence)


def test_pooled_p_values_count_the_observed_one():
    null = np.array([3.0, 1.0, 2.0])
    assert pooled_p_values(np.array([4.0, 3.0, 0.0]), null).tolist() == [0.25, 0.5, 1.0]


def test_joint_extremeness_against_counting():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(0, 5, 60)
    expected = [np.count_nonzero((a >= x) & (b >= y)) for x, y in zip(a, b, strict=True)]
    assert _as_extreme(a, b).tolist() == expected


def test_benjamini_hochberg_agrees_with_scipy():
    rng = np.random.default_rng(0)
    for n in (1, 2, 30):
        p = rng.random(n) ** 4
        assert np.array_equal(benjamini_hochberg(p, 0.1), false_discovery_control(p) <= 0.1)
    assert benjamini_hochberg([], 0.05).tolist() == []
    with pytest.raises(ValueError, match="level must lie in"):
        benjamini_hochberg([0.5], 1.5)


def test_graphs_without_clusters_and_wrong_calls():
    lengths = np.full((4, 4), np.inf)
    test = permutation_test(lengths, n_permutations=3, random_state=0)
    assert len(test.p_values) == 0
    assert test.discoveries().tolist() == []
    assert check_distances(lengths).shape == (4, 4)
    with pytest.raises(ValueError, match="n_permutations must be at least 1"):
        permutation_test(lengths, n_permutations=0)
    with pytest.raises(ValueError, match="statistic must be"):
        permutation_test(lengths, statistic="size")
    with pytest.raises(ValueError, match="expected shape"):
        permutation_test(lengths, strata=[1, 2])
