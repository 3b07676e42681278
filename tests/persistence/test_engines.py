"""All engines give one answer, and it is the right one."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from neurotopo import NTCClusterer, merge_tree
from neurotopo.persistence import EdgeList, check_distances, minimum_spanning_forest
from neurotopo.persistence.engines import core_distances, graph_forest
from neurotopo.persistence.forest import kruskal_forest, prim_forest
from tests.support.examples import examples
from tests.support.oracles import as_sparse, symmetric, weighted_graphs

GRAPH_ENGINES = ("scipy", "prim", "gudhi", "ripser")


@examples(300)
@given(lengths=weighted_graphs(25), seed=st.integers(0, 2**32 - 1))
def test_every_engine_gives_the_clusterer_the_same_clusters_in_any_order(lengths, seed):
    ntc = NTCClusterer.paper(metric="precomputed").fit(lengths)
    expected = {
        frozenset(c.tolist()): p for c, p in zip(ntc.clusters_, ntc.persistence_, strict=True)
    }
    order = np.random.default_rng(seed).permutation(len(lengths))
    moved = lengths[np.ix_(order, order)]
    for engine in GRAPH_ENGINES:
        for X in (moved, as_sparse(moved)):
            again = NTCClusterer.paper(metric="precomputed", engine=engine).fit(X)
            found = {
                frozenset(order[c].tolist()): p
                for c, p in zip(again.clusters_, again.persistence_, strict=True)
            }
            assert found == expected
            assert np.array_equal(again.diagram_, ntc.diagram_)
            assert np.array_equal(again.h0_diagram_, ntc.h0_diagram_)
            assert np.array_equal(again.probabilities_, ntc.probabilities_[order])
            assert np.array_equal(again.outlier_scores_, ntc.outlier_scores_[order])
            assert again.threshold_ == ntc.threshold_


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize("make", [np.asarray, as_sparse], ids=["dense", "sparse"])
def test_zero_and_tiny_lengths_survive(engine, make):
    lengths = symmetric(np.array([[0, 0.0, 1.0], [0, 0, 1e-9], [0, 0, 0]]))
    forest = minimum_spanning_forest(make(lengths), engine=engine)
    assert np.sort(forest.length).tolist() == [0.0, 1e-9]


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
def test_lengths_that_single_precision_cannot_tell_apart(engine):
    step = 1.0 + 2.0**-50
    lengths = symmetric(np.array([[0, step, 3], [0, 0, 1.0], [0, 0, 0]]))
    assert merge_tree(lengths, engine=engine).birth[3:].tolist() == [1.0, step]


@pytest.mark.parametrize("engine", GRAPH_ENGINES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_edges_at_all(engine, n):
    lengths = np.full((n, n), np.inf)
    for X in (lengths, sp.csr_array((n, n))):
        tree = merge_tree(X, engine=engine)
        assert tree.n_components == n
        assert tree.n_clusters == 0


def random_edges(n, m, seed, n_values=None):
    rng = np.random.default_rng(seed)
    u, v = rng.integers(0, n, size=(2, m))
    w = rng.random(m) if n_values is None else rng.integers(0, n_values, size=m) / 7
    upper = sp.coo_array((w, (np.minimum(u, v), np.maximum(u, v))), shape=(n, n))
    keys = np.unique(upper.row.astype(np.int64) * n + upper.col, return_index=True)[1]
    keys = keys[upper.row[keys] != upper.col[keys]]
    return EdgeList(n, upper.row[keys], upper.col[keys], w[keys])


@pytest.mark.parametrize("n_values", [None, 5, 200])
@pytest.mark.parametrize(("n", "m"), [(50, 1000), (300, 20_000), (2000, 30_000), (500, 600)])
def test_filtered_kruskal_weighs_as_much_as_csgraph(n, m, n_values):
    edges = random_edges(n, m, seed=n + m, n_values=n_values)
    shifted = edges.length + 1.0  # csgraph takes 0 for absent
    ends = edges.source.astype(np.int32), edges.target.astype(np.int32)
    peer = minimum_spanning_tree(sp.coo_array((shifted, ends), shape=(n, n)).tocsr())
    found = kruskal_forest(edges)
    assert np.array_equal(np.sort(found.length + 1.0), np.sort(peer.data))


def test_prim_path_stands_for_the_true_forest():
    edges = random_edges(200, 3000, seed=1, n_values=9).to_dense()
    path, true = prim_forest(edges, as_path=True), prim_forest(edges)
    assert np.array_equal(path.length, true.length)
    assert np.array_equal(edges[true.source, true.target], true.length)


def test_ripser_says_when_it_has_too_many_lengths(monkeypatch):
    monkeypatch.setattr("neurotopo.persistence.rips._RIPSER_RANKS", 3)
    with pytest.raises(ValueError, match="the graph has 3 distinct ones"):
        merge_tree(symmetric(np.arange(9.0).reshape(3, 3)), engine="ripser")


def test_core_distances_count_the_sample_itself_and_agree_on_dense_and_sparse():
    rng = np.random.default_rng(0)
    lengths = symmetric(rng.random((12, 12)))
    lengths[3, 4:] = lengths[4:, 3] = np.inf
    for k in (1, 2, 4, 9, 12, 13):
        expected = [np.sort(row)[k - 1] if k <= 12 else np.inf for row in lengths]
        assert np.array_equal(core_distances(lengths, k), expected)
        assert np.array_equal(core_distances(check_distances(as_sparse(lengths)), k), expected)


def test_smoothing_a_dense_matrix_makes_no_copy_of_it():
    n = 1500
    lengths = symmetric(np.random.default_rng(0).random((n, n)))
    tracemalloc.start()
    merge_tree(lengths, min_samples=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < lengths.nbytes / 3


def test_unknown_engine_and_wrong_min_samples_are_named():
    with pytest.raises(ValueError, match="engine must be one of auto, scipy"):
        merge_tree(np.zeros((2, 2)), engine="quantum")
    with pytest.raises(ValueError, match="min_samples must be at least 1, got 0"):
        merge_tree(np.zeros((2, 2)), min_samples=0)
    with pytest.raises(ValueError, match='engine="points" needs points'):
        merge_tree(np.zeros((2, 2)), engine="points")


def test_graph_forest_takes_float32_matrices_as_they_are():
    lengths = symmetric(np.random.default_rng(0).random((9, 9)).astype(np.float32))
    forest = graph_forest(check_distances(lengths))
    assert np.isin(forest.length, lengths.astype(np.float64)).all()
