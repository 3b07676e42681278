"""Lifetimes of clusters: plain and condensed trees, scales, end of observation, mass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import merge_tree
from neurotopo.persistence.clusters import candidate_clusters, lifetime
from tests.support.examples import examples
from tests.support.oracles import symmetric, weighted_graphs


def naive_condensed(tree, size):
    """Clusters of a condensed tree, one chain of nodes at a time."""
    found = []
    for node in range(tree.n_nodes):
        big = [c for c in tree.children(node) if tree.size[c] >= size]
        if tree.size[node] < size or len(big) == 1:
            continue
        chain = [node]
        while tree.parent[chain[-1]] >= 0:
            above = tree.parent[chain[-1]]
            if sum(tree.size[c] >= size for c in tree.children(above)) != 1:
                break
            chain.append(above)
        found.append(chain)
    return found


@examples(200)
@given(lengths=weighted_graphs(25), size=st.integers(1, 6))
def test_condensed_clusters_follow_the_definition(lengths, size):
    tree = merge_tree(lengths)
    found = candidate_clusters(tree, min_cluster_size=size, condense=True)
    chains = naive_condensed(tree, size)
    assert found.first_node.tolist() == [chain[0] for chain in chains]
    assert found.node.tolist() == [chain[-1] for chain in chains]
    assert np.array_equal(found.birth, tree.birth[found.first_node])
    assert np.array_equal(found.death, tree.death[found.node])
    of_node = {node: k for k, chain in enumerate(chains) for node in chain}
    parents = [of_node.get(int(tree.parent[chain[-1]]), -1) for chain in chains]
    assert found.parent.tolist() == parents
    assert found.cluster_of.tolist() == [of_node.get(v, -1) for v in range(tree.n_nodes)]


@examples(200)
@given(lengths=weighted_graphs(20), size=st.integers(2, 5), condense=st.booleans())
def test_mass_is_the_sum_over_members_of_their_stay(lengths, size, condense):
    tree = merge_tree(lengths)
    found = candidate_clusters(tree, min_cluster_size=size, condense=condense)
    chains = naive_condensed(tree, size) if condense else [[v] for v in found.node]
    endless = np.isinf(found.death).sum()
    for k, chain in enumerate(chains):
        joined = {}
        for node in chain:
            for sample in tree.members(node):
                joined.setdefault(sample, max(tree.birth[node], found.unit))
        if found.death[k] == np.inf and endless == 1:
            expected = 0.0
        else:
            last = (
                0.0
                if np.isinf(found.death[k])
                else min(found.unit / found.death[k], 1.0)
                if found.death[k]
                else 1.0
            )
            expected = sum(found.unit / radius - last for radius in joined.values())
        assert found.mass()[k] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_lifetimes_on_both_scales():
    birth, death = np.array([0.0, 1.0, 1e-300]), np.array([2.0, 4.0, 1e300])
    assert lifetime(birth, death, "difference").tolist() == [2.0, 3.0, 1e300]
    logs = lifetime(birth, death, "log", unit=0.5)
    assert np.allclose(logs, [np.log(4), np.log(4), np.log(1e300 / 0.5)])
    with pytest.raises(ValueError, match="scale must be one of difference, log, got 'sqrt'"):
        lifetime(birth, death, "sqrt")


def two_parts():
    lengths = np.full((5, 5), np.inf)
    lengths[0, 1], lengths[1, 2], lengths[3, 4] = 1.0, 6.0, 2.0
    return symmetric(lengths)


def test_observation_ends_at_the_last_merge():
    found = candidate_clusters(merge_tree(two_parts()), max_radius="last_merge")
    assert found.diagram.tolist() == [[1, 6], [2, np.inf], [6, np.inf]]
    assert found.end == 6
    assert found.persistence().tolist() == [5, 4, 0]
    assert len(found.endless) == 0
    with pytest.raises(ValueError, match="max_radius must be a number, 'last_merge' or None"):
        candidate_clusters(merge_tree(two_parts()), max_radius="last merge")


def test_components_of_a_disconnected_graph_live_as_long_again():
    found = candidate_clusters(merge_tree(two_parts()))
    assert found.end == 12
    assert found.persistence().tolist() == [5, 10, 6]
    assert found.endless.tolist() == [1, 2]
    one = candidate_clusters(merge_tree(two_parts()), min_cluster_size=3)  # one component fits
    assert (one.end, one.endless.tolist()) == (6, [])


def test_identical_samples_are_closer_than_all_others():
    tree = merge_tree(np.repeat([[0.0], [4.0], [9.0]], 3, axis=0), metric="euclidean")
    found = candidate_clusters(tree, min_cluster_size=3, condense=True)
    assert found.unit == 2.0
    assert np.allclose(found.persistence("log")[:3], np.log([2, 2, 2.5]))
    assert found.mass().tolist() == pytest.approx(
        [1.5, 1.5, 3 * (1 - 2 / 5), 6 * (2 / 4 - 2 / 5), 0]
    )
    only = candidate_clusters(merge_tree(np.zeros((3, 1)), metric="euclidean"), max_radius=8.0)
    assert np.allclose(only.persistence("log"), np.log(2.0))  # in any unit of length


@pytest.mark.parametrize("condense", [False, True])
def test_max_radius_cuts_longer_edges_and_counts_up_to_itself(condense):
    options = {"condense": condense, "max_radius": 4.0}
    found = candidate_clusters(merge_tree(two_parts()), **options)
    assert found.diagram.tolist() == [[1, np.inf], [2, np.inf]]
    assert found.persistence().tolist() == [3, 2]
    found = candidate_clusters(merge_tree(two_parts()), condense=condense, max_radius=10.0)
    assert found.persistence()[-1] in (4, 8)  # the whole component is counted up to 10


def test_the_all_inclusive_condensed_cluster_counts_nothing():
    X = np.array([0, 1, 2, 10, 11, 12, 50.0])[:, None]  # two groups, then an outlier joins
    tree = merge_tree(X, metric="euclidean")
    found = candidate_clusters(tree, min_cluster_size=3, condense=True)
    assert found.diagram.tolist() == [[1, 8], [1, 8], [8, np.inf]]
    assert found.end == 8
    assert found.persistence().tolist() == [7, 7, 0]
    assert found.mass()[-1] == 0


@pytest.mark.parametrize("lengths", [np.zeros((3, 3)), np.full((3, 3), np.inf), np.zeros((1, 1))])
@pytest.mark.parametrize("condense", [False, True])
@pytest.mark.parametrize("size", [1, 2, 9])
def test_degenerate_graphs(lengths, condense, size):
    found = candidate_clusters(merge_tree(lengths), min_cluster_size=size, condense=condense)
    for values in (found.persistence(), found.persistence("log")):
        assert (values == 0).all()
    separate = size == 1 and found.tree.n_components == 3  # 3 samples that nothing can end
    assert (found.mass() == float(separate)).all()
