"""The matrix A against the loops of the equations, on graphs given by their lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurotopo as nt
from neurotopo.graphs import NeuronSet
from neurotopo.graphs.shortest_paths import (
    check_aggregation,
    check_products,
    matrix_a,
    path_lengths,
    symmetric_csr,
)
from neurotopo.persistence import EdgeList
from tests.graphs.oracles import enumerated_shortest, naive_matrix, naive_shortest
from tests.support.oracles import minimax, symmetric

ROUTES = [
    ("sum", "all"),
    ("sum", "monotone"),
    ("max", "all"),
    ("max", "monotone"),
    ("product", "all"),
    ("product", "monotone"),
]


@st.composite
def layered_graphs(draw, max_neurons=10, least=0.0, within=False):
    """Direct lengths between adjacent (and perhaps in) layers, as a matrix, and the neurons.

    Layers may be missing; lengths tie, are 0 or lie far apart, and are at least ``least``.
    """
    pairs = draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=max_neurons)
    )
    neurons = NeuronSet(pairs)
    k = len(neurons)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["whole numbers", "halves", "continuous", "wide"]))
    if kind == "whole numbers":
        lengths = rng.integers(0, 5, size=(k, k)).astype(float)
    elif kind == "halves":
        lengths = 2.0 ** rng.integers(-3, 4, size=(k, k))
    elif kind == "continuous":
        lengths = rng.random((k, k)) * 3
    else:
        lengths = 10.0 ** rng.uniform(-30, 30, size=(k, k))
    lengths = np.maximum(lengths, least)
    missing = draw(st.sampled_from([0.0, 0.0, 0.3, 0.7]))
    lengths[rng.random((k, k)) < missing] = np.inf
    gap = np.abs(neurons.layers[:, None] - neurons.layers[None, :])
    lengths[(gap > 1) if within else (gap != 1)] = np.inf
    return symmetric(lengths), neurons


def least_of(aggregation, paths, within):
    """Smallest length for which a shortest path exists."""
    return 1.0 if aggregation == "product" and (within or paths == "all") else 0.0


def found_matrix(lengths, neurons, **options):
    edges = EdgeList.from_dense(lengths)
    return matrix_a(edges, neurons.layers, neurons.layer_slices(), **options)


def assert_same(computed, expected):
    expected = np.array(expected).reshape(computed.shape)
    assert np.array_equal(computed == np.inf, expected == np.inf)
    assert np.array_equal(computed == 0, expected == 0)
    finite = np.isfinite(expected)
    np.testing.assert_allclose(computed[finite], expected[finite], rtol=1e-12)


@pytest.mark.parametrize(("aggregation", "paths"), ROUTES)
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("max_span", [None, 1, 2])
@settings(max_examples=20)
@given(data=st.data())
def test_a_is_that_of_the_triple_loop(data, aggregation, paths, within, max_span):
    least = least_of(aggregation, paths, within)
    lengths, neurons = data.draw(layered_graphs(least=least, within=within))
    routes = {"aggregation": aggregation, "paths": paths, "max_span": max_span}
    found = found_matrix(lengths, neurons, within_layers=within, **routes)
    layers = neurons.layers.tolist()
    assert_same(found, naive_matrix(lengths.tolist(), layers, intra=within, **routes))
    assert np.array_equal(found, found.T)
    adjacent = np.abs(neurons.layers[:, None] - neurons.layers) == 1
    assert np.array_equal(found[adjacent], lengths[adjacent])  # Eq 4 to the letter


@pytest.mark.parametrize(("aggregation", "paths"), ROUTES)
@pytest.mark.parametrize("within", [False, True])
@settings(max_examples=20)
@given(data=st.data())
def test_the_triple_loop_finds_the_best_of_all_paths(data, aggregation, paths, within):
    least = least_of(aggregation, paths, within)
    lengths, neurons = data.draw(layered_graphs(max_neurons=6, least=least, within=within))
    layers, routes = neurons.layers.tolist(), {"aggregation": aggregation, "paths": paths}
    naive = np.array(naive_shortest(lengths.tolist(), layers, **routes))
    one_by_one = np.array(enumerated_shortest(lengths.tolist(), layers, **routes))
    np.testing.assert_allclose(naive, one_by_one, rtol=1e-12)
    found = path_lengths(EdgeList.from_dense(lengths), neurons.layer_slices(), **routes)
    assert_same(found, one_by_one)


@pytest.mark.parametrize(("aggregation", "paths"), ROUTES)
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("max_span", [None, 2])
@settings(max_examples=20)
@given(data=st.data())
def test_a_has_the_merge_tree_of_the_direct_edges(data, aggregation, paths, within, max_span):
    # exactly: no path may come out shorter than its longest edge by rounding
    least = 1.0 if aggregation == "product" else 0.0
    lengths, neurons = data.draw(layered_graphs(least=least, within=within))
    found = found_matrix(
        lengths,
        neurons,
        aggregation=aggregation,
        paths=paths,
        within_layers=within,
        max_span=max_span,
    )
    assert nt.merge_tree(found) == nt.merge_tree(lengths)


@given(graph=layered_graphs(max_neurons=25, within=True))
def test_maxima_are_the_radii_at_which_neurons_are_joined(graph):
    lengths, neurons = graph
    found = path_lengths(EdgeList.from_dense(lengths), neurons.layer_slices(), "max", "all")
    assert np.array_equal(found, minimax(lengths))


@pytest.mark.parametrize(("aggregation", "paths"), ROUTES)
def test_a_larger_graph(aggregation, paths):
    # so few of all pairs are edges that csgraph runs Dijkstra's algorithm from either end
    rng = np.random.default_rng(0)
    neurons = NeuronSet.from_arrays(rng.integers(0, 12, 60), rng.integers(0, 1000, 60))
    gap = np.abs(neurons.layers[:, None] - neurons.layers)
    lengths = symmetric(np.where(gap == 1, 1.0 + rng.random(gap.shape), np.inf))
    found = found_matrix(lengths, neurons, aggregation=aggregation, paths=paths)
    assert np.array_equal(found, found.T)
    layers, routes = neurons.layers.tolist(), {"aggregation": aggregation, "paths": paths}
    assert_same(found, naive_matrix(lengths.tolist(), layers, **routes))
    assert nt.merge_tree(found) == nt.merge_tree(lengths)


def test_a_shorter_zigzag_is_not_taken_between_adjacent_layers():
    neurons = NeuronSet([(0, 0), (0, 1), (1, 0), (1, 1)])
    lengths = np.full((4, 4), np.inf)
    for a, b, length in [(0, 2, 10.0), (0, 3, 1.0), (1, 3, 1.0), (1, 2, 1.0)]:
        lengths[a, b] = lengths[b, a] = length
    np.fill_diagonal(lengths, 0.0)
    assert found_matrix(lengths, neurons)[0, 2] == 10.0
    closure = path_lengths(EdgeList.from_dense(lengths), neurons.layer_slices())
    assert closure[0, 2] == 3.0
    assert closure[0, 1] == 2.0
    monotone = path_lengths(EdgeList.from_dense(lengths), neurons.layer_slices(), paths="monotone")
    assert monotone[0, 2] == 10.0
    assert monotone[0, 1] == np.inf


@pytest.mark.parametrize(("aggregation", "paths"), [r for r in ROUTES if r != ("product", "all")])
def test_edges_of_length_0_are_edges(aggregation, paths):
    neurons = NeuronSet([(0, 0), (1, 0), (2, 0), (3, 0)])
    lengths = np.full((4, 4), np.inf)
    np.fill_diagonal(lengths, 0.0)
    for a, length in enumerate([0.0, 0.0, 4.0]):
        lengths[a, a + 1] = lengths[a + 1, a] = length
    found = found_matrix(lengths, neurons, aggregation=aggregation, paths=paths)
    far = 0.0 if aggregation == "product" else 4.0
    assert found.tolist() == [[0, 0, 0, far], [0, 0, 0, far], [0, 0, 0, 4], [far, far, 4, 0]]


def test_a_product_of_0_and_of_a_missing_edge_is_no_path():
    neurons = NeuronSet([(0, 0), (1, 0), (1, 1), (2, 0)])
    lengths = np.full((4, 4), np.inf)
    np.fill_diagonal(lengths, 0.0)
    lengths[0, 1] = lengths[1, 0] = 0.0
    lengths[2, 3] = lengths[3, 2] = 5.0
    found = found_matrix(lengths, neurons, aggregation="product", paths="monotone")
    assert found[0, 3] == np.inf


def test_products_over_all_paths_are_multiplied_out_exactly():
    neurons = NeuronSet([(layer, 0) for layer in range(12)])
    lengths = np.full((12, 12), np.inf)
    np.fill_diagonal(lengths, 0.0)
    for a, length in enumerate([3.0, 1.0, 1.0, 7.0, 1.0, 1.0, 5.0, 2.0, 1.0, 1.0, 11.0]):
        lengths[a, a + 1] = lengths[a + 1, a] = length
    found = found_matrix(lengths, neurons, aggregation="product", paths="all")
    assert found[0, 11] == 3 * 7 * 5 * 2 * 11
    assert found[0, 3] == 3.0


@given(graph=layered_graphs(max_neurons=30, within=True), ghost=st.integers(0, 3))
def test_the_symmetric_csr_form(graph, ghost):
    lengths, _ = graph
    edges = EdgeList.from_dense(lengths)
    edges = EdgeList(edges.n_vertices + ghost, edges.source, edges.target, edges.length)
    found = symmetric_csr(edges)
    assert found.nnz == 2 * edges.n_edges  # zeros are kept
    expected = np.where(np.isfinite(edges.to_dense()), edges.to_dense(), 0.0)
    assert np.array_equal(found.toarray(), expected)
    again = found.copy()
    again.has_canonical_format = False
    again.sum_duplicates()
    assert np.array_equal(again.indices, found.indices)


def test_more_vertices_than_16_bits_can_count():
    n = 70_000
    source, target = np.array([0, 5, 65_536]), np.array([7_000, 65_537, 69_998])
    found = symmetric_csr(EdgeList(n, source, target, np.array([1.0, 2.0, 3.0])))
    assert found[7_000, 0] == found[0, 7_000] == 1.0
    assert found[65_537, 5] == found[5, 65_537] == 2.0
    assert found[69_998, 65_536] == 3.0
    assert found.nnz == 6


def test_the_default_paths():
    assert check_aggregation("sum", None, None) == "all"
    assert check_aggregation("max", None, 3) == "all"
    assert check_aggregation("product", None, None) == "monotone"
    assert check_aggregation("product", "all", None) == "all"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mean", None, None), "aggregation must be one of sum, product, max, got 'mean'"),
        (("sum", "up", None), "paths must be one of all, monotone or None, got 'up'"),
        (("sum", None, 0), "max_span must be a whole number from 1 on, or None, got 0"),
        (("sum", None, 1.5), "max_span must be a whole number"),
        (("sum", None, True), "max_span must be a whole number"),
    ],
)
def test_options_that_do_not_exist(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_aggregation(*arguments)


def test_products_below_1_are_refused_where_paths_may_go_to_and_fro():
    between = EdgeList(3, np.array([0, 1]), np.array([1, 2]), np.array([0.5, 2.0]))
    layers = np.array([0, 1, 2])
    check_products(between, layers, "monotone")
    with pytest.raises(ValueError, match=r'paths="all" needs .* the shortest is 0\.5'):
        check_products(between, layers, "all")
    within = np.array([0, 0, 1])
    with pytest.raises(ValueError, match=r"within a layer, .* the shortest there is 0\.5"):
        check_products(between, within, "monotone")
    check_products(between, np.array([0, 1, 1]), "monotone")
