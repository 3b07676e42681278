"""The ways of grouping neurons, on graphs small enough to do by hand, and their random controls."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from neurotopo import NeuronGraph, NeuronSet, NTCClusterer
from neurotopo.knowledge.pairs import DegeneratePairs
from neurotopo.studies.groupings import (
    LABELS,
    METHODS,
    GroupingInput,
    authors_components,
    control_of,
    groups_by,
    label_of,
    shuffled,
)


class Rows:
    """A model of three layers of four neurons whose connection weights are given."""

    n_layers, n_neurons, d_model, is_gated = 3, 4, 8, False

    def __init__(self, first, second):
        # Neuron i of layer 0 writes to direction i, neuron i of layer 1 to direction 4 + i, so the
        # in-rows of the next layer are columns of the weights.
        self.first, self.second = np.array(first, float), np.array(second, float)

    def out_rows(self, layer, indices=None):
        rows = np.zeros((4, 8))
        if layer < 2:
            rows[:, 4 * layer : 4 * layer + 4] = np.eye(4)
        return rows if indices is None else rows[indices]

    def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
        rows = np.zeros((4, 8))
        if layer > 0:
            weights = (self.first, self.second)[layer - 1]
            rows[:, 4 * layer - 4 : 4 * layer] = weights.T
        return rows if indices is None else rows[indices]


# Neurons 0 and 1 of each layer belong together, and 2 and 3, by weights 10 and 5 against 0.1.
BLOCKS = np.kron(np.eye(2), np.ones((2, 2)))
MODEL = Rows(0.1 + 9.9 * BLOCKS, 0.1 + 4.9 * BLOCKS)
NEURONS = NeuronSet([(layer, index) for layer in range(3) for index in range(4)])
LEFT = NeuronSet([(layer, index) for layer in range(3) for index in (0, 1)])
RIGHT = NEURONS - LEFT


def pairs_of(neurons, degenerate=()):
    k = len(neurons)
    pairs = np.full((k, k), 0.8)
    for a, b, value in degenerate:
        pairs[a, b] = pairs[b, a] = value
    return DegeneratePairs(neurons, 0.8, np.full(k, 0.8), pairs)


def searched(**more):
    graph = NeuronGraph.from_model(MODEL, NEURONS)
    given = {"pairs": partial(pairs_of, NEURONS), "shape": (3, 4), **more}
    return GroupingInput(graph=graph, **given)


def test_every_method_has_a_label():
    assert set(METHODS) <= set(LABELS)
    for method in METHODS:
        assert label_of(method)
        assert method in label_of(control_of(method))


def test_the_rules_of_ntc_on_two_blocks():
    found = groups_by(["ntc", "ntc-nested", "ntc-pairs"], searched())
    # lengths: 0.1 within the first two layers, 0.2 to the third, 10 across: the blocks live from
    # 0.2 to 10, so every rule sees them
    assert found["ntc"] == [LEFT, RIGHT]
    assert found["ntc-nested"] == [LEFT, RIGHT]
    assert found["ntc-pairs"] == []


@pytest.mark.parametrize("rule", ["relative", "gap", "mass"])
def test_ntc_is_the_clusterer(rule):
    method = "ntc" if rule == "relative" else f"ntc-{rule}"
    graph = NeuronGraph.from_model(MODEL, NEURONS)
    expected = NTCClusterer.paper(metric="precomputed", rule=rule).fit(graph.lengths).clusters_
    found = groups_by([method], searched())[method]
    assert found == [graph.neurons[cluster] for cluster in expected]


def test_thresholds_reach_the_rules():
    # the cluster of four neurons of two layers is born at 0.1 and dies at 0.2
    nested = groups_by(["ntc-nested"], searched(tau=0.001))["ntc-nested"]
    four = NeuronSet([(0, 0), (0, 1), (1, 0), (1, 1)])
    assert four in nested
    assert LEFT in nested
    assert groups_by(["ntc-absolute"], searched(tau_absolute=100.0))["ntc-absolute"] == []
    assert groups_by(["ntc-log"], searched(tau_log=0.99))["ntc-log"] == [LEFT, RIGHT]
    assert groups_by(["ntc"], searched(min_cluster_size=7))["ntc"] == []


def test_ntc_pairs_are_the_clusters_of_two():
    only = NeuronSet([(0, 0), (1, 0), (0, 2), (1, 2), (1, 3)])
    graph = NeuronGraph.from_model(MODEL, only)
    found = groups_by(
        ["ntc-pairs"], GroupingInput(graph=graph, pairs=partial(pairs_of, only), shape=(3, 4))
    )
    # (0, 2) with both (1, 2) and (1, 3) at the same length is a cluster of three at once
    assert found["ntc-pairs"] == [NeuronSet([(0, 0), (1, 0)])]


def test_pairs():
    given = searched(pairs=partial(pairs_of, NEURONS, [(0, 1, 0.1), (1, 2, 0.2), (2, 3, 0.3)]))
    found = groups_by(["pairs", "pair-groups"], given)
    assert found["pairs"] == [NeuronSet([NEURONS[0]]), NeuronSet([NEURONS[1]])]
    # greedy: the pair of 1 and 2 shares a neuron with the first
    assert found["pair-groups"] == [NEURONS[:2], NEURONS[2:4]]
    assert groups_by(["pairs", "pair-groups"], searched())["pairs"] == []


def test_the_program_of_the_authors_by_hand():
    # 66 distances. Shorter than their 0.2 quantile are the eight of 0.1 (first two layers): the
    # quantile is at place 13 of 0..65, and 0.2 stands at places 8 to 15. The shorter half of the
    # eight are the four of the lowest numbers: those of neurons 0 and 1 with the next layer's.
    assert authors_components(NeuronGraph.from_model(MODEL, NEURONS)) == [LEFT[:4]]


def test_the_program_of_the_authors_spans_three_layers():
    class Deep(Rows):
        n_layers, n_neurons = 5, 1

        def out_rows(self, layer, indices=None):
            return np.eye(5)[[layer]]

        def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
            return 1000 * np.eye(5)[[layer - 1]] if layer else np.zeros((1, 5))

    chain = NeuronSet([(layer, 0) for layer in range(5)])
    graph = NeuronGraph.from_model(Deep([[0.0]], [[0.0]]), chain)
    # ten distances: four of 0.001, three of 0.002, two of 0.003, and 1000 in place of 0.004;
    # the quantile is 0.001 itself, and no distance is below it
    assert authors_components(graph) == []


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_neurons_have_no_group(n):
    few = NEURONS[:n]
    graph = NeuronGraph.from_model(MODEL, few)
    found = groups_by(
        [m for m in METHODS if m != "oracle"],
        GroupingInput(graph=graph, pairs=partial(pairs_of, few), shape=(3, 4)),
    )
    assert all(groups == [] for groups in found.values())


def test_neurons_of_one_layer_have_no_group_of_ntc():
    layer = NeuronSet([(1, index) for index in range(4)])
    graph = NeuronGraph.from_model(MODEL, layer)
    found = groups_by(list(METHODS), GroupingInput(graph=graph, pairs=partial(pairs_of, layer)))
    assert all(groups == [] for groups in found.values())


def test_shuffled_keeps_sizes_and_overlaps():
    rng = np.random.default_rng(0)
    groups = [NEURONS[:5], NEURONS[3:7], NEURONS[9:10]]
    found = shuffled(groups, NEURONS, rng)
    assert [len(group) for group in found] == [5, 4, 1]
    assert len(found[0] & found[1]) == 2
    assert found[2].isdisjoint(found[0] | found[1])
    assert found != groups


def test_shuffled_draws_every_neuron_equally_often():
    rng = np.random.default_rng(1)
    counts = np.zeros((3, 4))
    for _ in range(3000):
        (group,) = shuffled([NEURONS[:3]], NEURONS, rng)
        counts[group.layers, group.indices] += 1
    # 3000 draws of 3 of 12: 750 each, with a standard deviation of 23.7
    assert np.abs(counts - 750).max() < 5 * 23.7


def test_controls_do_not_depend_on_other_methods():
    several = groups_by(["ntc", "kmeans", "dbscan"], searched(seed=3))
    alone = groups_by(["kmeans"], searched(seed=3))
    assert several["random:kmeans"] == alone["random:kmeans"]
    assert list(several)[-1] == "anywhere"
    assert "anywhere" not in alone
    other = groups_by(["kmeans"], searched(seed=4))
    assert other["kmeans"] == several["kmeans"]
    assert other["random:kmeans"] != several["random:kmeans"]


def test_anywhere_has_the_sizes_of_ntc():
    found = groups_by(["ntc"], searched())
    assert [len(group) for group in found["anywhere"]] == [6, 6]
    assert found["anywhere"][0].isdisjoint(found["anywhere"][1])


def test_the_oracle_is_what_was_planted():
    planted = [NEURONS[:2], NEURONS[4:6]]
    found = groups_by(["oracle"], searched(planted=planted))
    assert found["oracle"] == planted
    union = NeuronSet([*planted[0], *planted[1]])
    assert NeuronSet([p for group in found["random:oracle"] for p in group]) == union


def test_baselines_keep_to_the_least_size():
    found = groups_by(["kmeans", "hierarchical", "dbscan"], searched(min_cluster_size=5))
    for name in ("kmeans", "hierarchical", "dbscan"):
        assert all(len(group) >= 5 for group in found[name])
