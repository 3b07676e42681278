"""Every statement proved in docs/how_ntc_works.md, on random graphs full of ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurotopo as nt
from neurotopo.persistence import SpanningForest, minimum_spanning_forest


def symmetric(upper):
    upper = np.triu(upper, 1)
    lengths = upper + upper.T
    np.fill_diagonal(lengths, 0.0)
    return lengths


@st.composite
def layered_graphs(draw):
    """Lengths between adjacent layers, and the layer of each vertex; small integers, so ties."""
    n = draw(st.integers(2, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layer = rng.integers(0, draw(st.integers(2, 6)), size=n)
    lengths = rng.integers(0, draw(st.integers(1, 30)), size=(n, n)).astype(float)
    lengths[rng.random((n, n)) > draw(st.floats(0.2, 1.0))] = np.inf
    lengths[np.abs(layer[:, None] - layer[None, :]) != 1] = np.inf
    return symmetric(lengths), layer


@st.composite
def graphs(draw, max_n=14):
    n = draw(st.integers(1, max_n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(0, draw(st.integers(1, 30)), size=(n, n)).astype(float)
    lengths[rng.random((n, n)) > draw(st.floats(0.1, 1.0))] = np.inf
    return symmetric(lengths)


def closure(lengths, add=np.add):
    """Aggregated length of a shortest path between all pairs, by Floyd and Warshall."""
    shortest = lengths.copy()
    for k in range(len(shortest)):
        shortest = np.minimum(shortest, add(shortest[:, k, None], shortest[None, k, :]))
    return shortest


def matrix_a(lengths, layer, add=np.add):
    """Equations 4 to 7 of the paper, entry by entry."""
    shortest = closure(lengths, add)
    matrix = np.zeros_like(lengths)
    for a, b in np.ndindex(matrix.shape):
        gap = abs(layer[a] - layer[b])
        if a != b:
            matrix[a, b] = np.inf if gap == 0 else lengths[a, b] if gap == 1 else shortest[a, b]
    return matrix


@pytest.mark.parametrize("add", [np.add, np.maximum], ids=["sum", "max"])
@given(graph=layered_graphs())
def test_direct_edges_closure_and_matrix_a_have_the_same_tree(graph, add):
    lengths, layer = graph
    tree = nt.merge_tree(lengths)
    assert nt.merge_tree(closure(lengths, add)) == tree
    assert nt.merge_tree(matrix_a(lengths, layer, add)) == tree


@given(graph=layered_graphs())
def test_products_of_lengths_of_at_least_1_have_the_same_tree_too(graph):
    lengths, layer = graph
    lengths = lengths + 1.0 - np.eye(len(lengths))

    def multiply(x, y):  # the empty walk has length 1; the diagonal says 0
        both = np.where(x == 0, 1.0, x) * np.where(y == 0, 1.0, y)
        return np.where((x == 0) & (y == 0), 0.0, both)

    assert nt.merge_tree(matrix_a(lengths, layer, multiply)) == nt.merge_tree(lengths)


def test_products_of_lengths_below_1_have_another_tree():
    direct = np.array([[0.0, 0.5, np.inf], [0.5, 0.0, 0.5], [np.inf, 0.5, 0.0]])
    by_product = direct.copy()
    by_product[0, 2] = by_product[2, 0] = 0.5 * 0.5
    assert nt.merge_tree(direct).diagram().tolist() == [[0.5, np.inf]]
    assert nt.merge_tree(by_product).diagram().tolist() == [[0.25, 0.5], [0.5, np.inf]]
    assert nt.merge_tree(by_product).members(3).tolist() == [0, 2]


def tree_of_edges(n, source, target, length):
    lengths = np.full((n, n), np.inf)
    np.fill_diagonal(lengths, 0.0)
    for a, b, x in zip(source, target, length, strict=True):
        lengths[a, b] = lengths[b, a] = min(x, lengths[a, b])
    return nt.merge_tree(lengths)


@given(lengths=graphs())
def test_a_minimum_spanning_forest_has_the_tree_of_its_graph(lengths):
    forest = minimum_spanning_forest(lengths)
    edges = forest.source, forest.target, forest.length
    assert tree_of_edges(len(lengths), *edges) == nt.merge_tree(lengths)


@given(lengths=graphs())
def test_forest_edges_up_to_a_radius_count_the_components_there(lengths):
    n, forest, tree = len(lengths), minimum_spanning_forest(lengths), nt.merge_tree(lengths)
    for radius in [0.0, *np.unique(forest.length)]:
        n_components = len(np.unique(tree.cut(radius)))
        assert np.count_nonzero(forest.length <= radius) == n - n_components
    finite = tree.h0_diagram()[:, 1]
    finite = np.sort(finite[np.isfinite(finite)])
    assert np.array_equal(finite, np.sort(forest.length[forest.length > 0]))


@given(lengths=graphs(), seed=st.integers(0, 2**32 - 1), n_parts=st.integers(1, 4))
def test_the_forests_of_the_parts_of_a_graph_have_its_tree(lengths, seed, n_parts):
    rng = np.random.default_rng(seed)
    part = np.triu(rng.integers(0, n_parts, size=lengths.shape), 1)
    part = part + part.T
    edges: list[SpanningForest] = []
    for k in range(n_parts):
        mine = np.where(part == k, lengths, np.inf)
        np.fill_diagonal(mine, 0.0)
        edges.append(minimum_spanning_forest(mine))
    union = (np.concatenate([getattr(f, a) for f in edges]) for a in ("source", "target", "length"))
    assert tree_of_edges(len(lengths), *union) == nt.merge_tree(lengths)


def clusters_of(tree):
    nodes = range(tree.n_samples, tree.n_nodes)
    return {frozenset(tree.members(v)): (tree.birth[v], tree.death[v]) for v in nodes}


@given(lengths=graphs(), seed=st.integers(0, 2**32 - 1), epsilon=st.integers(0, 6))
def test_what_a_change_of_the_lengths_can_do(lengths, seed, epsilon):
    change = np.random.default_rng(seed).integers(-epsilon, epsilon + 1, size=lengths.shape)
    changed = symmetric(np.maximum(np.triu(lengths, 1) + np.triu(change, 1), 0.0))
    trees = nt.merge_tree(lengths), nt.merge_tree(changed)

    deaths = [np.sort(minimum_spanning_forest(x).length) for x in (lengths, changed)]
    assert len(deaths[0]) == len(deaths[1])
    assert (np.abs(deaths[0] - deaths[1]) <= epsilon).all()

    for one, other in (trees, trees[::-1]):
        survivors = clusters_of(other)
        for members, (birth, death) in clusters_of(one).items():
            if death - birth > 2 * epsilon:
                assert members in survivors
                new_birth, new_death = survivors[members]
                assert abs(new_birth - birth) <= epsilon
                assert new_death == death or abs(new_death - death) <= epsilon
