"""Null groups: what they keep of the groups, and what they change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import NeuronGraph, NeuronSet
from neurotopo.models.examples import random_model
from neurotopo.studies.audit.nulls import NULLS, NullInput, null_groups, ranked_outside, union

SHAPE = (3, 24)
MODEL = random_model()
GROUPS = [NeuronSet([(0, 1), (1, 2), (2, 2)]), NeuronSet([(2, 3)]), NeuronSet([(0, 4), (1, 7)])]


def entry(seed=0, groups=GROUPS, others=()):
    rng = np.random.default_rng(seed)
    return NullInput(
        list(groups),
        rng.normal(size=SHAPE),
        rng.normal(size=SHAPE),
        NeuronGraph.from_model(MODEL, union(groups)),
        others,
    )


def draw(name, number=0, seed=0, **changes):
    return null_groups(name, entry(**changes), number, np.random.default_rng(seed))


def sizes(groups):
    return [len(group) for group in groups]


@given(st.integers(0, 10**6))
def test_shuffled_groups_have_the_same_neurons_and_sizes(seed):
    null = draw("shuffled", seed=seed)
    assert sizes(null) == sizes(GROUPS)
    assert union(null) == union(GROUPS)


@given(st.integers(0, 10**6))
def test_matched_neurons_are_others_of_the_same_layers(seed):
    null = draw("matched", seed=seed)
    assert [list(a.layers) for a in null] == [list(b.layers) for b in GROUPS]
    assert union(null).isdisjoint(union(GROUPS))
    assert len(union(null)) == len(union(GROUPS))


def test_matched_neurons_have_values_of_like_size():
    one = entry(groups=[NeuronSet([(1, 5)])])
    drawn = {
        null_groups("matched", one, 0, np.random.default_rng(seed))[0][0] for seed in range(200)
    }
    gap = np.abs(np.abs(one.values[1]) - abs(one.values[1, 5]))
    nearest = np.argsort(gap)[1:11]  # the first is the neuron itself
    assert drawn == {(1, int(index)) for index in nearest}


def test_there_may_be_no_matched_neurons():
    layer = NeuronSet([(0, index) for index in range(13)])
    assert draw("matched", groups=[layer]) == []


def test_groups_of_other_facts_are_taken_in_turn():
    others = [GROUPS[:1], GROUPS[1:]]
    assert draw("other-fact", 0, others=others) == GROUPS[:1]
    assert draw("other-fact", 1, others=others) == GROUPS[1:]
    assert draw("other-fact", 2, others=others) == []


def test_wiring_at_random_permutes_weights_between_two_layers():
    rng = np.random.default_rng(0)
    pool = NeuronSet([(layer, int(i)) for layer in range(3) for i in rng.permutation(24)[:10]])
    given = entry(groups=[pool])
    drawn = [null_groups("wired-at-random", given, 0, np.random.default_rng(k)) for k in range(5)]
    assert len({tuple(map(tuple, groups)) for groups in drawn}) > 1
    assert all(union(groups) <= pool for groups in drawn)


def test_by_rank_cuts_the_neurons_in_order_of_their_scores():
    given = entry()
    null = draw("by-rank")
    assert sizes(null) == sizes(GROUPS)
    assert union(null) == union(GROUPS)
    scores = [sorted(given.scores[pair] for pair in group) for group in null]
    assert scores[0][0] > scores[1][-1] > scores[2][-1]


def test_repulsion_takes_the_best_neurons_outside():
    given = entry()
    null = draw("repulsion")
    assert sizes(null) == sizes(GROUPS)
    assert union(null).isdisjoint(union(GROUPS))
    best = ranked_outside(given)
    assert set(union(null)) == set(best[: len(union(GROUPS))])
    assert all(given.scores[a] >= given.scores[b] > 0 for a, b in itertools.pairwise(best))


@pytest.mark.parametrize("name", ["by-rank", "repulsion"])
def test_without_chance_there_is_one_draw(name):
    assert draw(name, 1) == []


def test_all_six_are_there():
    assert list(NULLS) == [
        *("shuffled", "matched", "other-fact", "wired-at-random", "by-rank", "repulsion")
    ]
