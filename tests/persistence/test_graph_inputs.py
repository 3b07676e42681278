"""Graphs as they come: every form gives the tree of the same graph as a dense matrix."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

from neurotopo import GraphPersistence, NTCClusterer, merge_tree, persistence_diagrams
from neurotopo.persistence import (
    EdgeList,
    check_distances,
    minimum_spanning_forest,
    permutation_test,
)
from tests.support.examples import examples
from tests.support.oracles import as_sparse, symmetric, weighted_graphs


class FakeIgraph:
    """The part of igraph's interface that is read, for machines without igraph."""

    class _Edges:
        def __init__(self, columns):
            self._columns = columns

        def attributes(self):
            return list(self._columns)

        def __getitem__(self, name):
            return self._columns[name]

    def __init__(self, n, edges, directed=False, **columns):
        self._n, self._edges, self._directed = n, edges, directed
        self.es = self._Edges(columns)

    def vcount(self):
        return self._n

    def get_edgelist(self):
        return self._edges

    def is_directed(self):
        return self._directed


def dense(graph):
    return graph if isinstance(graph, np.ndarray) else graph.to_dense()


def entries(lengths):
    """The edges (i, j, length) of a dense matrix, each once."""
    n = len(lengths)
    return [
        (i, j, float(lengths[i, j]))
        for i in range(n)
        for j in range(i + 1, n)
        if np.isfinite(lengths[i, j])
    ]


def as_networkx(lengths):
    graph = nx.Graph()
    graph.add_nodes_from(range(len(lengths)))
    graph.add_weighted_edges_from((j, i, d) for i, j, d in reversed(entries(lengths)))
    return graph


def as_igraph(lengths):
    edges = entries(lengths)
    ends = [(j, i) for i, j, _ in edges]
    return FakeIgraph(len(lengths), ends, weight=[d for *_, d in edges])


def as_neighbours(lengths):
    """All neighbours of all vertices, the vertex itself among them, none as -1 or inf."""
    order = np.argsort(lengths, axis=1)
    distances = np.take_along_axis(lengths, order, axis=1)
    indices = np.where(np.isinf(distances) & (order % 2 == 0), -1, order)
    return indices, np.where(indices == -1, 7.0, distances)


FORMS = {
    "networkx": as_networkx,
    "igraph": as_igraph,
    "neighbours": as_neighbours,
    "neighbours of sklearn": lambda lengths: as_neighbours(lengths)[::-1],
    "condensed": lambda lengths: squareform(lengths, checks=False),
    "edges": lambda lengths: EdgeList.from_array(
        np.reshape(entries(lengths), (-1, 3))[::-1], len(lengths)
    ),
    "own edges": EdgeList.from_dense,
    "sparse": as_sparse,
}


@pytest.mark.parametrize("form", FORMS)
@examples(40)
@given(lengths=weighted_graphs(max_vertices=12))
def test_every_form_is_the_same_graph(lengths, form):
    if form == "condensed" and len(lengths) == 1:
        return
    read = check_distances(FORMS[form](lengths))
    np.testing.assert_array_equal(dense(read), lengths)
    assert isinstance(read, EdgeList) == (form != "condensed")
    np.testing.assert_array_equal(dense(check_distances(read)), lengths)


@pytest.mark.parametrize("form", FORMS)
def test_every_function_takes_every_form(form):
    rng = np.random.default_rng(1)
    lengths = symmetric(rng.integers(1, 9, size=(9, 9)).astype(float))
    lengths[0, 1:4] = lengths[1:4, 0] = np.inf
    X = FORMS[form](lengths)
    assert merge_tree(X) == merge_tree(lengths)
    assert np.array_equal(
        minimum_spanning_forest(X).sorted().length, minimum_spanning_forest(lengths).sorted().length
    )
    for engine in ("auto", "tree"):
        options = {"max_dimension": int(engine == "auto"), "engine": engine}
        both = persistence_diagrams(X, **options), persistence_diagrams(lengths, **options)
        for own, expected in zip(*both, strict=True):
            np.testing.assert_array_equal(own, expected)
    tests = [permutation_test(x, n_permutations=9, random_state=0) for x in (X, lengths)]
    assert np.array_equal(tests[0].p_values, tests[1].p_values)
    fits = [NTCClusterer.paper(metric="precomputed").fit(x) for x in (X, lengths)]
    assert np.array_equal(fits[0].labels_, fits[1].labels_)
    assert fits[0].n_features_in_ == 9
    if form != "condensed":
        made = [GraphPersistence().fit_transform([x])[0] for x in (X, lengths)]
        for own, expected in zip(*made, strict=True):
            np.testing.assert_array_equal(own, expected)


@examples(40)
@given(lengths=weighted_graphs(max_vertices=12))
def test_trees_and_forests_have_the_merges_of_their_graph(lengths):
    tree = merge_tree(lengths)
    forest = minimum_spanning_forest(lengths)
    assert merge_tree(tree) == tree
    assert merge_tree(forest) == tree
    assert NTCClusterer.paper(metric="precomputed").fit(forest).merge_tree_ == tree
    if len(lengths) > 1:
        Z = tree.to_linkage(disconnected="inf")
        assert merge_tree(EdgeList.from_linkage(Z)) == tree


@pytest.mark.parametrize("method", ["single", "complete", "average", "ward"])
def test_a_linkage_is_its_cophenetic_distances(method):
    X = np.random.default_rng(0).normal(size=(30, 2))
    Z = linkage(X, method)
    tree = merge_tree(EdgeList.from_linkage(Z))
    assert tree == merge_tree(cophenet(Z))
    np.testing.assert_array_equal(np.sort(tree.birth[30:]), np.sort(Z[:, 2]))
    if method == "single":
        np.testing.assert_allclose(tree.birth, merge_tree(pdist(X)).birth)


def test_networkx_nodes_keep_their_order_and_missing_weights_are_1():
    graph = nx.Graph([("b", "a"), ("a", "c")])
    graph.add_node("alone")
    graph.add_edge("c", "c")  # a loop joins nothing
    expected = np.full((4, 4), np.inf)
    np.fill_diagonal(expected, 0)
    for i, j in ((0, 1), (1, 2)):  # b, a, c, alone
        expected[i, j] = expected[j, i] = 1.0
    np.testing.assert_array_equal(dense(check_distances(graph)), expected)
    own = nx.to_numpy_array(nx.path_graph(6), nonedge=np.inf)
    np.fill_diagonal(own, 0)
    np.testing.assert_array_equal(dense(check_distances(nx.path_graph(6))), own)


def test_a_graph_with_other_attributes_warns():
    graph = nx.Graph()
    graph.add_edge(0, 1, distance=3.0)
    graph.add_edge(1, 2, distance=5.0)
    with pytest.warns(UserWarning, match=r"no edge has the attribute 'weight'.*weight='distance'"):
        check_distances(graph)
    assert merge_tree(check_distances(graph, weight="distance")).birth[3:].tolist() == [3, 5]
    graph.add_edge(0, 2, weight=2.0)
    with pytest.warns(UserWarning, match="2 of 3 edges have no attribute 'weight'"):
        check_distances(graph)


def test_parallel_edges():
    graph = nx.MultiGraph()
    graph.add_edge(0, 1, weight=5.0)
    graph.add_edge(0, 1, weight=2.0)
    assert merge_tree(graph).last_merge == 2.0
    with pytest.raises(ValueError, match=r"edge 0 - 1 is given twice, with the weights 2.0 and 5"):
        merge_tree(graph, lengths="inverse")


def test_directed_graphs_need_symmetrize():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([(0, 1, 2.0), (1, 0, 4.0), (1, 2, 3.0)])
    with pytest.raises(ValueError, match=r'X\[1, 2\] = 3.0 and X\[2, 1\] is absent.*symmetrize="m'):
        merge_tree(graph)
    for how, births in {"max": [3, 4], "min": [2, 3], "mean": [3], "mutual": [4]}.items():
        assert merge_tree(graph, symmetrize=how).birth[3:].tolist() == births
    graph.add_edge(2, 1, weight=3.0)
    graph[1][0]["weight"] = 2.0
    assert merge_tree(graph).birth[3:].tolist() == [2, 3]


def test_igraph_itself():
    igraph = pytest.importorskip("igraph")
    graph = igraph.Graph(n=4, edges=[(2, 1), (0, 1)], edge_attrs={"weight": [3.0, 1.0]})
    fake = FakeIgraph(4, [(2, 1), (0, 1)], weight=[3.0, 1.0])
    np.testing.assert_array_equal(dense(check_distances(graph)), dense(check_distances(fake)))
    persistence = GraphPersistence(homology_dimensions=0)
    assert len(persistence.fit_transform([graph, igraph.Graph.Full(3)])) == 2


def test_three_graphs_have_three_diagrams():
    graphs = [nx.path_graph(6), nx.cycle_graph(6), nx.complete_graph(6)]
    diagrams = GraphPersistence().fit_transform(graphs)
    assert [len(h1) for _, h1 in diagrams] == [0, 1, 0]
    matrices = [nx.to_numpy_array(g, nonedge=np.inf) for g in graphs]
    for matrix, (h0, h1) in zip(matrices, diagrams, strict=True):
        np.fill_diagonal(matrix, 0)
        expected = persistence_diagrams(matrix)
        np.testing.assert_array_equal(h0, expected[0])
        np.testing.assert_array_equal(h1, expected[1])
    with pytest.raises(TypeError, match="one graph"):
        GraphPersistence().fit(graphs[0])
    weighted = nx.Graph()
    weighted.add_weighted_edges_from([(0, 1, 2.0), (1, 2, 4.0)])
    (h0,) = GraphPersistence(homology_dimensions=0, weight_map="reciprocal").fit_transform(
        [weighted]
    )
    assert h0.tolist() == [[0, 0.25], [0, 0.5], [0, np.inf]]


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("symmetrize", ["max", "min", "mean", "mutual"])
def test_knn_graphs_of_sklearn_work_as_they_come(mode, symmetrize):
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[5] = X[6]  # a distance of 0 is an edge
    A = kneighbors_graph(X, 5, mode=mode)
    with pytest.raises(ValueError, match=r'is absent.*symmetrize="max"'):
        merge_tree(A)
    held = np.zeros(A.shape, dtype=bool)
    held[A.tocoo().row, A.tocoo().col] = True
    held = held & held.T if symmetrize == "mutual" else held | held.T
    D = squareform(pdist(X)) if mode == "distance" else np.ones(A.shape) - np.eye(40)
    expected = merge_tree(np.where(held | np.eye(40, dtype=bool), D, np.inf))
    tree = merge_tree(A, symmetrize=symmetrize)
    np.testing.assert_allclose(tree.birth, expected.birth, rtol=1e-7, atol=1e-12)
    if mode == "distance":
        found = NearestNeighbors(n_neighbors=5).fit(X).kneighbors()
        for pair in (found, found[::-1]):
            assert merge_tree(pair, symmetrize=symmetrize) == tree
            ntc = NTCClusterer.paper(metric="precomputed", symmetrize=symmetrize).fit(pair)
            assert ntc.merge_tree_ == tree


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(4), r"must be square, got shape \(4,\); condensed distances have"),
        (np.zeros(0), r"0 sample\(s\): the condensed matrix"),
        (np.array(["a"]), "condensed matrix must hold real numbers"),
        (np.zeros((5, 3)), r"got shape \(5, 3\). For an array of edges pass EdgeList.from_array"),
        (np.zeros((6, 4)), r"For a linkage matrix pass EdgeList.from_linkage"),
        (nx.Graph(), r"0 sample\(s\): the graph has no vertex"),
        (nx.Graph([(0, 1, {"weight": "x"})]), "vertices 0 and 1 has the weight 'x'"),
        (nx.Graph([(0, 1, {"weight": -2})]), r"not be negative, but X\[0, 1\] = -2.0"),
        (nx.Graph([(0, 1, {"weight": np.nan})]), r"X contains NaN, first at X\[0, 1\]"),
        ((np.ones((2, 1)), np.ones((2, 1))), "the arrays hold float64 and float64"),
        ((np.ones((2, 1), int), np.ones((2, 1), int)), "the arrays hold int64 and int64"),
        ((np.ones((2, 1), int), np.ones((2, 2))), r"same shape, got \(2, 1\) and \(2, 2\)"),
        ((np.full((2, 1), 2), np.ones((2, 1))), "row 0 has the neighbour 2, but there are 2 sam"),
        ((np.full((2, 1), -3), np.ones((2, 1))), "row 0 has the neighbour -3"),
        ((np.zeros((0, 1), int), np.ones((0, 1))), r"0 sample\(s\)"),
        ((np.array([[1], [0]]), np.array([[1.0], [np.nan]])), r"NaN, first at X\[1, 0\]"),
        ((np.array([[1], [0]]), np.array([[1.0], [-1.0]])), r"negative, but X\[1, 0\] = -1.0"),
        (EdgeList(0, *np.zeros((2, 0), int), np.zeros(0)), r"0 sample\(s\)"),
        (EdgeList(2, np.array([0]), np.array([1]), np.array([-1.0])), "0 - 1 is negative: -1.0"),
        (EdgeList(2, np.array([0]), np.array([1]), np.array([np.nan])), "0 - 1 is NaN"),
        (EdgeList(2, np.array([0.5]), np.array([1]), np.array([1.0])), "source must hold vertices"),
        (EdgeList(2, np.array([0]), np.array([1, 1]), np.array([1.0])), "must have one shape"),
        (
            EdgeList(2, np.array([0, 1]), np.array([1, 0]), np.array([1.0, 2.0])),
            "edge 0 - 1 is given twice, with 1.0 and 2.0",
        ),
    ],
)
def test_malformed_input(X, message):
    for read in (check_distances, merge_tree, NTCClusterer(metric="precomputed").fit):
        with pytest.raises(ValueError, match=message):
            read(X)


@pytest.mark.parametrize(
    ("edges", "n", "message"),
    [
        (np.zeros((2, 4)), None, r"source, target and length, got shape \(2, 4\)"),
        ([[0, 1.5, 1]], None, "edge 0 joins 0.0 and 1.5"),
        ([[0, 1, 1], [-1, 0, 1]], None, "edge 1 joins -1.0 and 0.0"),
        ([[0, 3, 1]], 3, "an edge ends at vertex 3, but n_vertices is 3"),
        ([[0, 1, 1], [1, 0, 2]], None, "edge 0 - 1 is given twice"),
        (np.zeros((0, 3)), None, "no vertex"),
        ([[0, 1, -1]], None, "0 - 1 is negative"),
    ],
)
def test_malformed_edges(edges, n, message):
    with pytest.raises(ValueError, match=message):
        EdgeList.from_array(edges, n)


def test_malformed_linkages():
    rng = np.random.default_rng(2)
    inverted = linkage(np.array([[0, 0], [1, 0], [0.5, 0.87]]), "centroid")
    with pytest.raises(ValueError, match=r"row 1 of the linkage matrix merges at .* not monotonic"):
        EdgeList.from_linkage(inverted)
    good = linkage(rng.normal(size=(5, 2)))
    for at, value in (((0, 0), 99), ((1, 2), np.nan), ((2, 2), -1.0), ((3, 3), 77)):
        bad = good.copy()
        bad[at] = value
        with pytest.raises(ValueError, match=r"[Ll]inkage"):
            EdgeList.from_linkage(bad)


def test_edges_without_lengths_have_length_1():
    assert merge_tree(EdgeList.from_array([[0, 1], [1, 0], [2, 2]])).birth[3:].tolist() == [1.0]


def test_a_tree_with_births_of_vertices_is_no_graph():
    tree = merge_tree(np.array([[0, 2.0], [2.0, 0]]))
    born = type(tree)(**{**vars(tree), "birth": np.array([0.5, 1.0, 2.0])})
    with pytest.raises(ValueError, match="births of vertices"):
        merge_tree(born)


def test_the_input_is_left_alone():
    lengths = symmetric(np.random.default_rng(3).uniform(1, 2, size=(5, 5)))
    A = sp.csr_array(lengths)
    indices, distances = as_neighbours(lengths)
    kept = A.copy(), lengths.copy(), indices.copy(), distances.copy()
    for X in (A, lengths, (indices, distances)):
        for options in ({}, {"lengths": "inverse"}, {"symmetrize": "min"}):
            merge_tree(X, **options)
    assert (kept[0] != A).nnz == 0
    for own, copy in zip((lengths, indices, distances), kept[1:], strict=True):
        np.testing.assert_array_equal(own, copy)


@given(st.integers(0, 2**32 - 1))
def test_a_permutation_of_the_vertices_permutes_the_labels(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 15))
    A = sp.random_array((n, n), density=0.4, rng=rng)
    A.data = rng.integers(1, 4, size=A.nnz).astype(float)
    A.setdiag(0)
    A = sp.csr_array(A)
    A.eliminate_zeros()
    order = rng.permutation(n)
    for symmetrize in ("max", "min", "mean", "mutual"):
        ntc = NTCClusterer.paper(metric="precomputed", symmetrize=symmetrize, lengths="inverse")
        labels = ntc.fit(A).labels_
        permuted = ntc.fit(A[order][:, order]).labels_
        pairs = set(zip(labels[order].tolist(), permuted.tolist(), strict=True))
        assert len(pairs) == len(set(labels)) == len(set(permuted))
        assert all((a == -1) == (b == -1) for a, b in pairs)


def test_lower_star_filtrations_take_graphs():
    births = [0.0, 3.0, 1.0, 4.0, 2.0]
    path = nx.path_graph(5)
    expected = merge_tree(nx.to_scipy_sparse_array(path), metric="lower-star", births=births)
    assert merge_tree(path, metric="lower-star", births=births) == expected
