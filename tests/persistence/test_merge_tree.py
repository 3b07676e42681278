"""MergeTree: invariants, cuts, and the ways out of it."""

from __future__ import annotations

from dataclasses import fields, replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, is_valid_linkage, leaves_list, linkage
from scipy.spatial.distance import squareform

from neurotopo import merge_tree
from neurotopo.persistence import tree_building
from tests.support.checks import valid_merge_tree
from tests.support.examples import examples
from tests.support.oracles import minimax, naive_clusters, symmetric, tree_clusters, weighted_graphs


@examples(300)
@given(lengths=weighted_graphs())
def test_every_tree_is_valid_and_cuts_are_components(lengths):
    tree = merge_tree(lengths)
    valid_merge_tree(tree)
    reach = minimax(lengths)
    for radius in [0.0, *np.unique(tree.birth), np.inf]:
        labels = tree.cut(radius)
        limit = min(radius, np.finfo(float).max)  # an infinite radius makes no new edges
        assert np.array_equal(labels[:, None] == labels[None, :], reach <= limit)
        first = np.unique(labels, return_index=True)[1]
        assert (np.diff(first) > 0).all()  # 0, 1, 2, ... in order of first appearance


@examples(200)
@given(lengths=weighted_graphs(25))
def test_linkage_has_the_same_cophenetic_distances(lengths):
    if len(lengths) < 2:
        return
    tree = merge_tree(lengths)
    if tree.n_components > 1:
        with pytest.raises(ValueError, match=f"has {tree.n_components} components"):
            tree.to_linkage()
    rows = tree.to_linkage("inf")
    assert rows.shape == (len(lengths) - 1, 4)
    assert (rows[1:, 2] >= rows[:-1, 2]).all()
    levels, rows[:, 2] = np.unique(rows[:, 2], return_inverse=True)  # cophenet dislikes inf
    assert is_valid_linkage(rows)
    assert np.array_equal(levels[cophenet(rows).astype(int)], squareform(minimax(lengths)))


def test_linkage_equals_scipy_without_ties():
    X = np.random.default_rng(0).normal(size=(60, 3))
    lengths = symmetric(np.sqrt(((X[:, None] - X[None]) ** 2).sum(-1)))
    assert np.allclose(merge_tree(lengths).to_linkage(), linkage(squareform(lengths), "single"))
    leaves_list(merge_tree(lengths).to_linkage())


def test_ties_merge_at_once():
    square = np.full((4, 4), 1.0)
    np.fill_diagonal(square, 0.0)
    tree = merge_tree(square)
    assert tree.n_clusters == 1
    assert tree.children(4).tolist() == [0, 1, 2, 3]
    assert tree.diagram().tolist() == [[1.0, np.inf]]
    assert tree.h0_diagram().tolist() == [[0, 1.0], [0, 1.0], [0, 1.0], [0, np.inf]]


def test_zero_lengths_make_a_cluster_born_at_0_and_no_zero_bars():
    tree = merge_tree(np.array([[0.0], [0.0], [2.0]]), metric="euclidean")
    assert tree.birth.tolist() == [0, 0, 0, 0, 2]
    assert tree.death.tolist() == [0, 0, 2, 2, np.inf]
    assert tree.h0_diagram().tolist() == [[0, 2.0], [0, np.inf]]
    assert tree.cut(0.0).tolist() == [0, 0, 1]


@examples(200)
@given(lengths=weighted_graphs(25), cut=st.floats(0, 1))
def test_truncation_is_the_tree_of_the_truncated_graph(lengths, cut):
    heights = np.unique(lengths)
    radius = heights[int(cut * (len(heights) - 1))]
    radius = min(radius, 1e308)
    short = np.where(lengths <= radius, lengths, np.inf)
    tree = merge_tree(lengths).truncate(radius)
    valid_merge_tree(tree)
    assert tree_clusters(tree) == naive_clusters(short)


@examples(100)
@given(lengths=weighted_graphs(25), seed=st.integers(0, 2**32 - 1))
def test_walks_up_and_down_the_tree(lengths, seed):
    tree = merge_tree(lengths)
    rng = np.random.default_rng(seed)
    condition, values = rng.random(tree.n_nodes) < 0.3, rng.random(tree.n_nodes)
    nearest, lowest = tree.ancestor_where(condition), tree.subtree_minimum(values)
    expected_lowest = values.copy()
    for node in range(tree.n_nodes):
        up = node
        while up >= 0 and not condition[up]:
            up = tree.parent[up]
        assert nearest[node] == up
        up = node
        while up >= 0:
            expected_lowest[up] = min(expected_lowest[up], values[node])
            up = tree.parent[up]
    assert np.array_equal(lowest, expected_lowest)


def test_a_long_chain_needs_no_recursion():
    n = 50_000
    x = np.cumsum(np.arange(n, dtype=float))[:, None]  # ever longer gaps: one sample at a time
    tree = merge_tree(x, metric="euclidean")
    assert tree.n_clusters == n - 1
    assert tree.size[-1] == n
    assert tree.to_linkage().shape == (n - 1, 4)
    assert np.array_equal(tree.members(n + 10), np.arange(12))
    assert (tree.subtree_minimum(tree.birth)[n:] == 0).all()


def test_pandas_and_networkx():
    tree = merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
    frame = tree.to_pandas()
    assert frame.index.name == "node"
    assert frame.loc[3].to_dict() == {
        "birth": 1.0,
        "death": 2.0,
        "persistence": 1.0,
        "parent": 4.0,
        "size": 2.0,
    }
    graph = tree.to_networkx()
    assert nx.is_arborescence(graph)
    assert sorted(graph.successors(4)) == [2, 3]
    assert graph.nodes[3] == {"birth": 1.0, "death": 2.0, "size": 2}


def test_labels_of_nodes():
    tree = merge_tree([[0.0], [1.0], [5.0], [6.0], [90.0]], metric="euclidean")
    one, other = 5, 6
    assert tree.label([other, one]).tolist() == [0, 0, 1, 1, -1]
    assert tree.label_in_order([other, one]).tolist() == [1, 1, 0, 0, -1]
    assert tree.label([]).tolist() == [-1] * 5
    with pytest.raises(ValueError, match="overlap"):
        tree.label([one, 0])


def test_wrong_calls_are_named():
    tree = merge_tree([[0.0], [1.0]], metric="euclidean")
    for node in (-1, 3):
        with pytest.raises(IndexError, match=f"node {node} is not in 0..2"):
            tree.members(node)
    for radius in (-1.0, np.nan):
        with pytest.raises(ValueError, match="radius must be a non-negative number"):
            tree.cut(radius)
        with pytest.raises(ValueError, match="radius must be a non-negative number"):
            tree.truncate(radius)
    with pytest.raises(ValueError, match="'raise' or 'inf'"):
        tree.to_linkage("join")
    with pytest.raises(ValueError, match="at least two samples"):
        merge_tree([[0.0]], metric="euclidean").to_linkage()


def test_arrays_cannot_be_changed_and_equality_is_by_content():
    X = np.random.default_rng(0).normal(size=(9, 2))
    tree = merge_tree(X, metric="euclidean")
    with pytest.raises(ValueError, match="read-only"):
        tree.birth[0] = 1.0
    assert tree == merge_tree(X, metric="euclidean")
    assert tree != merge_tree(2 * X, metric="euclidean")
    assert tree != "a tree"
    assert repr(tree).startswith("MergeTree(n_samples=9, n_clusters=8, n_components=1")


def test_parts_of_a_tree_can_have_clusters_without_children():
    tree = merge_tree([[0.0], [1.0], [4.0], [6.0], [20.0]], metric="euclidean")
    held = tree.parent >= 0
    part = replace(tree, parent=np.where(held & (np.arange(tree.n_nodes) < 5), -1, tree.parent))
    values = np.arange(tree.n_nodes, 0.0, -1.0)
    expected = values.copy()
    for node, parent in enumerate(part.parent):  # children come before their parents
        if parent >= 0:
            expected[parent] = min(expected[parent], expected[node])
    assert np.array_equal(part.subtree_minimum(values), expected)
    big = part.size >= 4
    assert part.ancestor_where(big).tolist() == [-1, -1, -1, -1, -1, 7, 7, 7, 8]


@given(weighted_graphs())
def test_trees_of_large_forests_are_the_same(graph):
    tree = merge_tree(graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_building, "_LARGE", 1)
        other = merge_tree(graph)
    for field in fields(tree):
        assert np.array_equal(getattr(tree, field.name), getattr(other, field.name))
