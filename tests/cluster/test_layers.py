"""Persistent resolutions of a merge tree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from neurotopo import NTCClusterer, merge_tree
from neurotopo.cluster.layers import cluster_layers, size_intervals, total_persistence
from neurotopo.persistence import candidate_clusters, minimum_spanning_forest
from tests.support.examples import examples
from tests.support.oracles import weighted_graphs


def leaves(tree, size):
    """The condensed clusters without clusters inside, from the definition."""
    found = candidate_clusters(tree, min_cluster_size=size, condense=True)
    alone = np.count_nonzero(found.parent < 0) == 1
    return {
        int(found.node[k])
        for k in range(len(found))
        if k not in found.parent and not (alone and found.parent[k] < 0)
    }


@examples(150)
@given(lengths=weighted_graphs(25), smallest=st.integers(1, 4))
def test_against_condensed_trees_of_all_sizes(lengths, smallest):
    tree = merge_tree(lengths)
    n = tree.n_samples
    expected = [leaves(tree, size) for size in range(1, n + 1)]
    low, high = size_intervals(tree)
    for size, nodes in enumerate(expected, start=1):
        assert set(np.flatnonzero((low < size) & (size <= high)).tolist()) == nodes
    sizes = range(smallest, n + 1)
    life = {}
    for size in sizes:
        for node in expected[size - 1]:
            life[node] = life.get(node, 0) + 1
    total = [sum(life[node] for node in expected[size - 1]) for size in sizes]
    padded = np.array([0, *total, 0])
    peaks = {s: padded[k + 1] for k, s in enumerate(sizes) if padded[k] != padded[k + 1]}
    layers = cluster_layers(tree, smallest)
    for layer in layers:
        size = layer.min_cluster_size
        assert peaks[size] == layer.persistence > 0
        assert set(layer.nodes.tolist()) == expected[size - 1]
        assert np.array_equal(tree.label(layer.nodes), layer.labels)
    if max(total, default=0) > 0:  # the highest resolution is one of them
        assert max(layer.persistence for layer in layers) == max(total)


@pytest.mark.parametrize("seed", range(8))
def test_plscan_finds_the_same_layers(seed):
    plscan = pytest.importorskip("fast_plscan")
    X, _ = make_blobs(120, centers=4, cluster_std=1.2, random_state=seed)
    forest = minimum_spanning_forest(X, "euclidean")
    order = np.argsort(forest.length)
    edges = np.column_stack([forest.source, forest.target, forest.length])[order]
    theirs = plscan.PLSCAN(metric="precomputed", min_samples=2).fit((edges, len(X)))
    tree = merge_tree(X, "euclidean")
    low, high = size_intervals(tree)
    total = total_persistence(np.maximum(low, 2), high, len(X))
    trace = theirs.persistence_trace_._trace
    assert total[np.asarray(trace.min_size, dtype=int) + 1].tolist() == trace.persistence.tolist()
    layers = cluster_layers(tree, 3)
    expected = theirs.cluster_layers()
    assert [layer.min_cluster_size for layer in layers] == [size + 1 for size, *_ in expected]
    for layer, (_, labels, _) in zip(layers, expected, strict=True):
        assert adjusted_rand_score(labels, layer.labels) == 1.0


def test_of_a_clusterer():
    X, truth = make_blobs([40, 40, 20, 20], random_state=4, cluster_std=0.3)
    ntc = NTCClusterer.paper(min_samples=3).fit(X)
    layers = ntc.cluster_layers_
    assert layers[0].min_cluster_size >= 3
    assert layers is ntc.cluster_layers_
    best = max(layers, key=lambda layer: layer.persistence)
    assert best.n_clusters == len(best.nodes) == best.labels.max() + 1
    assert adjusted_rand_score(truth, best.labels) > 0.95
    assert ntc.recut(max_radius=1e-9).cluster_layers_ == []
