"""ToMATo: equal to gudhi, and to the algorithm of the paper written sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from gudhi.clustering.tomato import Tomato
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.neighbors import kneighbors_graph

from neurotopo import merge_tree
from neurotopo.persistence import distance_to_measure, prominences, prominent_clusters, tomato
from tests.support.examples import examples


def random_graph(seed, tied=False):
    """Return an adjacency matrix and densities: a random graph, or the neighbours of points."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 100))
    if seed % 2 and n > 12:
        X = rng.normal(size=(n, 2)) + rng.integers(0, 3, (n, 1)) * 3
        graph, density = kneighbors_graph(X, int(rng.integers(2, 8))), -distance_to_measure(X, 6)
        density = density + rng.normal(scale=1e-3, size=n)
    else:
        ends = rng.integers(0, n, (int(rng.integers(0, 3 * n)), 2))
        graph = sp.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
        density = rng.normal(size=n)
    return graph, rng.integers(0, 4, n).astype(float) if tied else density


def neighbours(graph, density):
    """Return the neighbours of each sample, the densest first (of equals the first)."""
    both = sp.csr_array(graph).astype(bool)
    both = sp.csr_array(both + both.T)
    rows = [both.indices[both.indptr[i] : both.indptr[i + 1]].tolist() for i in range(len(density))]
    return [
        sorted((j for j in row if j != i), key=lambda j: (-density[j], j))
        for i, row in enumerate(rows)
    ]


def naive_tomato(near, density, threshold):
    """Return labels by the algorithm of Chazal et al., and whether its order of merges matters.

    Groups that meet at a sample are merged with its cluster in the order of their peaks.
    """
    n, free = len(density), False
    order = sorted(range(n), key=lambda i: (-density[i], i))
    age = {i: k for k, i in enumerate(order)}
    whole, basin, cluster = list(range(n)), list(range(n)), list(range(n))

    def root(forest, i):
        while forest[i] != i:
            i = forest[i]
        return i

    for i in order:
        older = [j for j in near[i] if age[j] < age[i]]
        if not older:
            continue
        basin[i] = basin[older[0]]
        groups = {}  # the root of each group that meets here, with its densest neighbour of i
        for j in older:
            groups.setdefault(root(whole, basin[j]), j)
        own = root(whole, basin[i])
        free |= len(groups) > 2 and own != min(groups, key=age.get)
        for group in sorted(groups, key=age.get):
            here = root(whole, own)
            if group == own:
                continue
            young, old = sorted((here, group), key=age.get, reverse=True)
            whole[young] = old
            if density[young] - density[i] <= threshold:
                ends = root(cluster, basin[i]), root(cluster, basin[groups[group]])
                cluster[ends[0]] = ends[1]
    return [root(cluster, basin[i]) for i in range(n)], free


def same_partition(a, b):
    return len(set(zip(a, b, strict=True))) == len(set(a)) == len(set(b))


def ordered(diagram):
    diagram = np.asarray(diagram, dtype=float).reshape(-1, 2)
    return diagram[np.lexsort(diagram.T)]


@pytest.mark.parametrize("n_graphs", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_clusters_and_diagrams_equal_gudhi_on_random_graphs(n_graphs):
    compared = seed = n_free = n_labels = 0
    while compared < n_graphs:
        graph, density = random_graph(seed)
        seed += 1
        found, near = tomato(graph, density), neighbours(graph, density)
        gudhi = Tomato(graph_type="manual", density_type="manual")
        gudhi.fit(near, weights=density)
        finite = np.isfinite(found.diagram[:, 1])
        assert np.array_equal(ordered(found.diagram[finite]), ordered(gudhi.diagram_))
        tops = np.sort(found.diagram[~finite, 0])
        assert np.array_equal(tops, np.sort(gudhi.max_weight_per_cc_))
        if naive_tomato(near, density, 0.0)[1]:
            n_free += 1  # gudhi's result depends on the order inside its union-find
            continue
        compared += 1
        for n_clusters in range(len(tops), len(found.peaks) + 1):
            gudhi.n_clusters_ = n_clusters
            labels = found.labels(n_clusters=n_clusters)
            assert same_partition(labels.tolist(), gudhi.labels_.tolist())
            n_labels += 1
        finite_prominence = found.prominence[finite]
        for threshold in (finite_prominence / 2).tolist()[:3]:
            gudhi.merge_threshold_ = threshold
            labels = found.labels(threshold=threshold)
            assert same_partition(labels.tolist(), gudhi.labels_.tolist())
    assert n_free < 0.4 * seed
    assert n_labels > 4 * n_graphs


@pytest.mark.parametrize("tied", [False, True])
def test_every_threshold_equals_the_algorithm_of_the_paper(tied):
    for seed in range(60):
        graph, density = random_graph(seed, tied)
        found, near = tomato(graph, density), neighbours(graph, density)
        for threshold in np.unique(np.append(found.prominence, 0.0)):
            labels = found.labels(threshold=threshold)
            naive = naive_tomato(near, density, threshold)[0]
            assert same_partition(labels.tolist(), naive)
            kept = (found.prominence > threshold) | np.isinf(found.prominence)
            assert labels[found.peaks[kept]].tolist() == list(range(kept.sum()))


@examples(80)
@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_a_permutation_of_the_samples_permutes_the_result(seed, tied):
    graph, density = random_graph(seed, tied)
    n = len(density)
    found, order = tomato(graph, density), np.random.default_rng(seed).permutation(n)
    other = tomato(sp.csr_array(graph)[order][:, order], density[order])
    positive, again = found.prominence > 0, other.prominence > 0
    assert np.array_equal(ordered(found.diagram[positive]), ordered(other.diagram[again]))
    if not tied:  # equal densities are taken in the order of the samples
        assert np.array_equal(order[other.peaks], found.peaks)
        assert np.array_equal(found.labels()[order], other.labels())
    same = tomato(graph, density)
    assert np.array_equal(same.peaks, found.peaks)
    assert np.array_equal(same.bridge, found.bridge)


@examples(80)
@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_the_merge_tree_has_the_same_bars(seed, tied):
    graph, density = random_graph(seed, tied)
    found = tomato(graph, density)
    tree = merge_tree(graph, metric="lower-star", births=-density)
    bars = -found.diagram[found.prominence > 0]
    assert np.array_equal(ordered(bars), ordered(tree.h0_diagram()))
    deep = prominences(tree)
    assert np.array_equal(np.sort(deep[deep > 0]), np.sort(found.prominence[found.prominence > 0]))
    for threshold in (0.0, 0.3, 1.5):
        labels = prominent_clusters(tree, threshold=threshold)
        assert labels.max() == found.labels(threshold=threshold).max()
        tops = np.flatnonzero(deep > threshold)
        assert sorted(labels[tops]) == list(range(len(tops)))
        ranked = deep[tops][np.argsort(labels[tops])]
        assert ranked.tolist() == sorted(ranked, reverse=True)


def test_prominent_clusters_of_samples_born_at_0_are_the_cut():
    X = np.random.default_rng(3).integers(0, 30, (60, 2)).astype(float)
    tree = merge_tree(X, metric="euclidean")
    for radius in (0.0, 1.0, 2.5, 5.0):
        labels = prominent_clusters(tree, threshold=radius).tolist()
        assert same_partition(labels, tree.cut(radius).tolist())
    assert prominent_clusters(tree, n_clusters=1).tolist() == [0] * 60


def test_prominent_clusters_by_hand():
    # basins of 0, 2 and 4; sample 1 joins the first two at 3, sample 3 all of them at 5
    path = sp.diags_array([np.ones(4)], offsets=[1])
    tree = merge_tree(path, metric="lower-star", births=[0.0, 3.0, 1.0, 5.0, 2.0])
    assert prominences(tree).tolist() == [np.inf, 0.0, 2.0, 0.0, 3.0]
    assert prominent_clusters(tree).tolist() == [0, 0, 2, 0, 1]
    assert prominent_clusters(tree, n_clusters=2).tolist() == [0, 0, 0, 0, 1]


def test_blobs_are_found_from_the_neighbours_as_they_come():
    X, y = make_blobs(400, centers=[[0, 0], [6, 0], [0, 6], [6, 6]], random_state=1)
    found = tomato(kneighbors_graph(X, 10), -distance_to_measure(X, 10))
    assert same_partition(found.labels(n_clusters=4).tolist(), y.tolist())
    assert found.prominence[3] > 2 * found.prominence[4]


@pytest.mark.parametrize("n", [1, 3])
def test_without_edges_every_sample_is_a_peak(n):
    found = tomato(sp.csr_array((n, n)), np.arange(n))
    assert found.peaks.tolist() == list(range(n))[::-1]
    assert found.labels().tolist() == list(range(n))[::-1]


def test_errors_name_the_remedy():
    graph = sp.diags_array([np.ones(3)], offsets=[1])
    found = tomato(graph, [3.0, 1.0, 2.0, 0.0])
    with pytest.raises(ValueError, match="not both"):
        found.labels(n_clusters=1, threshold=1)
    with pytest.raises(ValueError, match=r"n_clusters must be in 1..2: .* 2 peaks; got 3"):
        found.labels(n_clusters=3)
    with pytest.raises(ValueError, match="threshold must be a non-negative number"):
        found.labels(threshold=-1)
    with pytest.raises(ValueError, match=r"density\[1\] is -inf"):
        tomato(graph, [1.0, -np.inf, 2.0, 0.0])
    with pytest.raises(ValueError, match=r"density must hold one number per sample"):
        tomato(graph, [1.0])
    with pytest.raises(ValueError, match="a graph without lengths is a sparse matrix"):
        tomato(np.ones((4, 4)), [1.0] * 4)
