"""Selection rules, and the dynamic programme against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import merge_tree
from neurotopo.cluster.selection import RULES, best_disjoint_family, select_clusters
from neurotopo.persistence import ModeTest
from neurotopo.persistence.clusters import candidate_clusters
from tests.support.examples import examples
from tests.support.oracles import weighted_graphs


@st.composite
def forests(draw):
    """Parents (children first) and weights, whole numbers so that ties occur."""
    n = draw(st.integers(0, 9))
    parent = [draw(st.sampled_from([-1, *range(k + 1, n)])) for k in range(n)]
    weight = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    eligible = [k for k in range(n) if draw(st.booleans())]
    return (np.array(a, dtype=t) for a, t in ((parent, int), (weight, float), (eligible, int)))


def above(parent, k):
    while k >= 0:
        yield k
        k = parent[k]


@examples(400)
@given(forest=forests())
def test_best_family_against_brute_force(forest):
    parent, weight, eligible = forest
    chosen = best_disjoint_family(parent, weight, eligible)
    best = 0.0
    for size in range(len(eligible) + 1):
        for family in combinations(eligible.tolist(), size):
            if all(a not in above(parent, b) for a in family for b in family if a != b):
                best = max(best, weight[list(family)].sum())
    assert set(chosen) <= set(eligible)
    assert all(a not in set(above(parent, b)) for a in chosen for b in chosen if a != b)
    assert weight[chosen].sum() == best


def line(*x):
    return merge_tree(np.array(x, dtype=float)[:, None], metric="euclidean")


# clusters of 0 1 | 4 7 | 20: {0,1} 1..3, {0,1,4,7} 3..13, all 13..inf
TREE = line(0, 1, 4, 7, 20)


def chosen(tree, **options):
    clusters = candidate_clusters(tree)
    selection = select_clusters(clusters, **options)
    members = [tree.members(clusters.node[k]).tolist() for k in selection.chosen]
    return members, selection


def test_relative_absolute_and_gap_thresholds():
    whole, pair = [0, 1, 2, 3], [0, 1]
    members, selection = chosen(TREE)
    assert members == [whole]
    assert selection.threshold == 5.0
    members, selection = chosen(TREE, tau=0.1)
    assert members == [whole]  # disjoint: 10 beats 2
    members, selection = chosen(TREE, tau=0.1, nested=True)
    assert members == [whole, pair]
    assert selection.n_disjoint == 1
    assert chosen(TREE, rule="absolute", tau=1.9, nested=True)[0] == [whole, pair]
    assert chosen(TREE, rule="absolute", tau=2.0, nested=True)[0] == [whole]  # strictly more
    members, selection = chosen(TREE, rule="gap", nested=True)  # 10 2 0: the gap is below 10
    assert members == [whole]
    assert selection.threshold == 2.0
    assert chosen(TREE, tau=1.0)[0] == []


def test_gap_with_equal_persistences_keeps_them_all():
    members, selection = chosen(line(0, 1, 10, 11), rule="gap")
    assert members == [[0, 1], [2, 3]]
    assert selection.threshold == 0.0


def test_log_scale_prefers_ratios():
    assert chosen(TREE, scale="log", tau=0.5, nested=True)[0] == [[0, 1, 2, 3], [0, 1]]
    assert chosen(TREE, scale="log", tau=0.8, nested=True)[0] == [[0, 1, 2, 3]]


def test_mass_weighs_size_and_density():
    members, selection = chosen(line(0, 1, 2, 10, 11, 12), rule="mass")
    assert members == [[0, 1, 2], [3, 4, 5]]
    assert selection.threshold == 0.0


def test_significance_uses_the_test_it_is_given():
    clusters = candidate_clusters(TREE)
    options = {"rule": "significance", "tau": 0.05, "nested": True}

    def test_of(p_values):
        test = ModeTest(np.array(p_values), np.zeros((3, 0)), (), np.zeros(0))
        return lambda given: test

    selection = select_clusters(clusters, test_of=test_of([0.01, 0.5, 1.0]), **options)
    assert selection.chosen.tolist() == [0]
    assert selection.threshold == 2.0
    selection = select_clusters(clusters, test_of=test_of([1.0, 1.0, 1.0]), **options)
    assert len(selection.chosen) == 0
    assert selection.threshold == np.inf
    with pytest.raises(ValueError, match="needs test_of"):
        select_clusters(clusters, rule="significance")


def test_unknown_rule():
    with pytest.raises(ValueError, match="rule must be one of auto, relative, absolute, gap"):
        select_clusters(candidate_clusters(TREE), rule="best")


@examples(100)
@given(
    lengths=weighted_graphs(20),
    rule=st.sampled_from([r for r in RULES if r != "significance"]),
    tau=st.floats(0, 1),
    nested=st.booleans(),
    scale=st.sampled_from(["difference", "log"]),
)
def test_chosen_clusters_pass_the_threshold_and_nested_ones_are_all_that_do(
    lengths, rule, tau, nested, scale
):
    clusters = candidate_clusters(merge_tree(lengths))
    selection = select_clusters(clusters, rule=rule, tau=tau, nested=nested, scale=scale)
    weight = clusters.mass() if rule in ("auto", "mass") else clusters.persistence(scale)
    passing = np.union1d(np.flatnonzero(weight > selection.threshold), clusters.endless)
    assert set(selection.chosen) <= set(passing)
    if nested:
        assert set(selection.chosen) == set(passing)
    family = selection.chosen[: selection.n_disjoint]
    clusters.tree.label_in_order(clusters.node[family])  # raises if they overlap
