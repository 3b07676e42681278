"""Births of samples: lower-star filtrations, degree-Rips slices, and everything read off a tree."""

from __future__ import annotations

import gudhi
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from gudhi.point_cloud.dtm import DistanceToMeasure
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import kneighbors_graph

from neurotopo import merge_tree
from neurotopo.explore import explorer_data, labels_at
from neurotopo.persistence import candidate_clusters, distance_to_measure, engines
from neurotopo.persistence.vertex_births import core_births
from neurotopo.plots import BarcodeDisplay, MergeTreeDisplay, PersistenceDiagramDisplay
from tests.support.checks import valid_merge_tree
from tests.support.exact_trees import smoothed
from tests.support.examples import examples
from tests.support.oracles import as_sparse, minimax, weighted_graphs

REAL = [-2.0, -0.5, 0.0, 0.25, 1.0, 1.5, 3.0]


@st.composite
def graphs_with_births(draw, negative=False):
    """Draw a matrix of lengths and births: a few values, so that many are equal."""
    lengths = draw(weighted_graphs(25))
    values = st.sampled_from(REAL if negative else REAL[2:]) | st.floats(0, 2)
    births = draw(st.lists(values, min_size=len(lengths), max_size=len(lengths)))
    return lengths, np.array(births)


def later(lengths, births):
    """Return the lengths, none shorter than the births of its ends."""
    values = np.maximum(lengths, np.maximum(births[:, None], births[None, :]))
    np.fill_diagonal(values, 0.0)
    return values


def simplex_tree_h0(edges, births):
    """Return the 0-dimensional diagram of gudhi."""
    tree = gudhi.SimplexTree()
    for vertex, birth in enumerate(births):
        tree.insert([vertex], birth)
    for (i, j), value in edges.items():
        tree.insert([i, j], value)
    found = tree.persistence(2, min_persistence=0, persistence_dim_max=True)
    bars = np.array([bar for k, bar in found if k == 0]).reshape(-1, 2)
    return bars[np.lexsort((bars[:, 1], bars[:, 0]))]


def valid(tree, births):
    n = tree.n_samples
    assert np.array_equal(tree.birth[:n], births)
    assert (tree.birth <= tree.death).all()
    plain = type(tree)(n, np.append(np.zeros(n), tree.birth[n:]), *rest(tree))
    valid_merge_tree(plain)


def rest(tree):
    return tree.death, tree.parent, tree.size, tree.leaf_order, tree.start


@examples(100)
@given(drawn=graphs_with_births(negative=True), engine=st.sampled_from(["scipy", "prim", "gudhi"]))
def test_a_graph_with_lengths_and_births_equals_the_simplex_tree(drawn, engine):
    lengths, births = drawn
    tree = merge_tree(lengths, births=births, engine=engine)
    valid(tree, births)
    assert tree == merge_tree(as_sparse(lengths), births=births)
    values = later(lengths, births)
    pairs = np.argwhere(np.triu(np.isfinite(values), 1))
    edges = {(i, j): values[i, j] for i, j in pairs.tolist()}
    assert np.array_equal(tree.h0_diagram(), simplex_tree_h0(edges, births))
    for radius in [*np.unique(tree.birth), np.inf]:
        labels, limit = tree.cut(radius), min(radius, np.finfo(float).max)
        born = births <= radius
        assert np.array_equal(labels >= 0, born)
        together = (minimax(values) <= limit)[np.ix_(born, born)] | np.eye(born.sum(), dtype=bool)
        assert np.array_equal(labels[born][:, None] == labels[born][None, :], together)


@examples(100)
@given(st.integers(1, 30), st.integers(0, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_lower_star_filtrations_equal_the_simplex_tree(n, m, seed, tied):
    rng = np.random.default_rng(seed)
    births = rng.integers(-3, 4, n).astype(float) if tied else rng.normal(size=n)
    ends = rng.integers(0, n, (m, 2))
    graph = sp.coo_array((rng.normal(size=m), (ends[:, 0], ends[:, 1])), shape=(n, n))
    tree = merge_tree(graph, metric="lower-star", births=births)
    valid(tree, births)
    pairs = {(min(i, j), max(i, j)) for i, j in ends.tolist() if i != j}
    edges = {pair: max(births[list(pair)]) for pair in pairs}
    assert np.array_equal(tree.h0_diagram(), simplex_tree_h0(edges, births))
    dense = np.zeros((n, n), dtype=bool)
    dense[ends[:, 0], ends[:, 1]] = True
    assert tree == merge_tree(dense, metric="lower-star", births=births)
    order = rng.permutation(n)
    other = merge_tree(dense[np.ix_(order, order)], metric="lower-star", births=births[order])
    assert np.array_equal(other.h0_diagram(), tree.h0_diagram())
    if n > 1:
        assert tree == merge_tree(graph, metric="lower-star", births=births, engine="gudhi")


@given(drawn=graphs_with_births())
def test_clusters_are_those_of_the_later_lengths(drawn):
    lengths, births = drawn
    tree, plain = merge_tree(lengths, births=births), merge_tree(later(lengths, births))
    for name in ("parent", "size", "leaf_order", "start"):
        assert np.array_equal(getattr(tree, name), getattr(plain, name))
    assert np.array_equal(tree.diagram(), plain.diagram())
    clusters, others = candidate_clusters(tree), candidate_clusters(plain)
    assert np.array_equal(clusters.persistence(), others.persistence())
    assert np.array_equal(clusters.mass(), others.mass())
    single = candidate_clusters(tree, min_cluster_size=1)
    assert np.array_equal(single.birth[: len(births)], births)
    assert (single.persistence() >= 0).all()


@examples(100)
@given(drawn=graphs_with_births(negative=True), cut=st.floats(-0.5, 1.2))
def test_truncation_is_the_tree_of_the_truncated_graph(drawn, cut):
    lengths, births = drawn
    tree = merge_tree(lengths, births=births)
    radius = float(np.quantile(np.append(births, tree.birth), np.clip(cut, 0, 1)))
    values = later(lengths, births)
    short = np.where(values <= radius, lengths, np.inf)
    assert tree.truncate(radius) == merge_tree(short, births=births)


@given(drawn=graphs_with_births(), min_samples=st.integers(2, 4))
def test_births_and_core_distances_together(drawn, min_samples):
    lengths, births = drawn
    tree = merge_tree(lengths, births=births, min_samples=min_samples)
    assert tree == merge_tree(smoothed(lengths, min_samples), births=births)
    assert tree == merge_tree(as_sparse(lengths), births=births, min_samples=min_samples)


def test_births_of_0_change_nothing():
    X = np.random.default_rng(0).normal(size=(60, 2))
    plain, tree = (merge_tree(X, "euclidean", births=b) for b in (None, np.zeros(60)))
    for name in ("birth", "death", "parent", "size", "leaf_order", "start"):
        assert np.array_equal(getattr(plain, name), getattr(tree, name))
    assert np.array_equal(plain.h0_diagram(), tree.h0_diagram())
    assert not tree.has_births


def test_the_elder_rule_by_hand():
    # two basins, at 0 and at 1, that meet at 3; one sample is born and merges at 3
    path = nx.to_scipy_sparse_array(nx.path_graph(4))
    tree = merge_tree(path, metric="lower-star", births=[0.0, 3.0, 1.0, 1.0])
    assert tree.elder_deaths().tolist() == [np.inf, 3.0, 3.0, 1.0]  # of equals the first is older
    assert tree.h0_diagram().tolist() == [[0.0, np.inf], [1.0, 3.0]]
    assert tree.alive(2.0).tolist() == [0, 4]
    assert tree.cut(2.0).tolist() == [0, -1, 1, 1]
    assert tree.last_merge == 3.0
    apart = merge_tree(np.full((2, 2), np.inf), births=[1.0, 2.0])
    assert apart.last_merge == 0.0
    assert apart.h0_diagram().tolist() == [[1.0, np.inf], [2.0, np.inf]]


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "canberra"])
@pytest.mark.parametrize("n", [40, 300])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_core_births_are_a_slice_of_the_degree_rips_bifiltration(metric, n, k):
    X = np.random.default_rng(n).normal(size=(n, 3))
    X[:5] = X[5:10]
    tree = merge_tree(X, metric, min_samples=k, births="core")
    smooth = merge_tree(X, metric, min_samples=k)
    assert np.array_equal(tree.parent, smooth.parent)
    assert np.array_equal(tree.birth[n:], smooth.birth[n:])
    assert (tree.birth <= tree.death).all()
    # a sample is born as soon as k - 1 others are within reach
    births = core_births(X, k, metric)
    assert np.array_equal(tree.birth[:n], births)
    assert tree == merge_tree(X, metric, births=births)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
def test_many_points_need_no_matrix(metric, monkeypatch):
    X = np.random.default_rng(5).normal(size=(200, 3))
    X[:20] = X[20:40]
    births = distance_to_measure(X, 5, metric)
    tree = merge_tree(X, metric, births=births)
    monkeypatch.setattr(engines, "_MATRIX", 100)
    monkeypatch.setattr(engines.Reduction, "pairwise", lambda _: pytest.fail("a matrix was made"))
    assert tree == merge_tree(X, metric, births=births)


def test_core_births_of_graphs_and_their_error():
    graph = kneighbors_graph(np.random.default_rng(0).normal(size=(30, 2)), 6, mode="distance")
    graph = graph.maximum(graph.T)
    tree = merge_tree(graph, min_samples=4, births="core")
    lengths = graph.toarray()
    third = np.sort(np.where(lengths > 0, lengths, np.inf), axis=1)[:, 2]
    assert np.array_equal(tree.birth[:30], third)
    with pytest.raises(ValueError, match=r"sample 0 has fewer than 40 neighbours, itself included"):
        merge_tree(graph, min_samples=40, births="core")


@pytest.mark.parametrize("order", [1.0, 2.0, 3.5])
def test_distance_to_measure_equals_gudhi(order):
    X = np.random.default_rng(1).normal(size=(80, 3))
    X[:4] = X[4]
    ours = distance_to_measure(X, 4, order=order)
    assert np.allclose(ours, DistanceToMeasure(4, q=order).fit_transform(X), atol=1e-12)
    assert ours[0] == 0
    D = np.sqrt(((X[:, None] - X[None]) ** 2).sum(-1))
    assert np.allclose(distance_to_measure(D, 4, "precomputed", order=order), ours)
    assert np.isfinite(distance_to_measure(X * 1e100, 4, order=order)).all()


def test_pictures_and_the_page_of_a_tree_with_births():
    path = sp.diags_array([np.ones(5)], offsets=[1])
    births = np.array([0.0, 3.0, 1.0, 4.0, 2.0, 2.5])
    tree = merge_tree(path, metric="lower-star", births=births)
    low = merge_tree(path, metric="lower-star", births=births - 9)
    for each in (tree, low):
        display = MergeTreeDisplay.from_tree(each)
        bottom = {x: y for (x, y), _ in (stem for stem in display.stems_.get_segments())}
        assert {bottom[k] for k in range(6)} == set(each.birth[:6])
        limits = display.ax_.get_ylim()
        assert limits[0] <= each.birth.min()
        bars = BarcodeDisplay.from_diagrams(each.h0_diagram())
        assert bars.ax_.get_xlim()[0] <= each.birth.min()
        assert bars.ax_.get_xlim()[1] > each.last_merge
        PersistenceDiagramDisplay.from_diagrams(each.h0_diagram())
    with pytest.raises(ValueError, match="no place for negative radii"):
        MergeTreeDisplay.from_tree(low, log=True)
    plt.close("all")
    data = explorer_data(tree)
    assert any("born at radii of their own" in note for note in data["notes"])
    assert labels_at(data, 3.0).tolist() == labels_at(data, 3.5).tolist()
    assert (labels_at(data, 2.0) == -1).all()
    assert len(set(labels_at(data, 3.0)[:3])) == 1
    with pytest.raises(ValueError, match="the tree has negative births"):
        explorer_data(low)


def test_a_linkage_has_no_negative_heights_and_no_logarithm_either():
    path = sp.diags_array([np.ones(2)], offsets=[1])
    tree = merge_tree(path, metric="lower-star", births=[-3.0, -1.0, -2.0])
    with pytest.raises(ValueError, match="no negative heights"):
        tree.to_linkage()
    for wrong in (
        lambda: candidate_clusters(tree).persistence("log"),
        candidate_clusters(tree).mass,
    ):
        with pytest.raises(ValueError, match="without negative births"):
            wrong()
    assert tree.cut(-2.5).tolist() == [0, -1, -1]
    up = merge_tree(path, metric="lower-star", births=[0.0, 2.0, 1.0])
    assert up.to_linkage().tolist() == [[0, 1, 2, 2], [2, 3, 2, 3]]
    with pytest.raises(ValueError, match="radius must be a non-negative number"):
        up.cut(-1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"births": [1.0, 2.0]}, r"one number per sample, shape \(3,\), got \(2,\)"),
        ({"births": [1.0, np.nan, 2.0]}, r"births\[1\] is nan"),
        ({"births": [1.0, 2.0, np.inf]}, r"births\[2\] is inf"),
        ({"births": ["a", "b", "c"]}, "real numbers"),
        ({"births": "density"}, '"core" or None'),
        ({"metric": "lower-star"}, "needs births"),
        ({"metric": "lower-star", "births": "core"}, "needs births, one number"),
        ({"metric": "lower-star", "births": [1, 2, 3]}, "Pass X != 0"),
        ({"births": [1, 2, 3], "engine": "points", "metric": "euclidean"}, "does not take births"),
    ],
)
def test_errors_name_the_remedy(options, said):
    with pytest.raises(ValueError, match=said):
        merge_tree(np.zeros((3, 3)), **options)


def test_distance_to_measure_errors():
    with pytest.raises(ValueError, match=r"n_neighbors must be in 1..3"):
        distance_to_measure(np.zeros((3, 1)), 4)
    with pytest.raises(ValueError, match="order must be a positive"):
        distance_to_measure(np.zeros((3, 1)), 2, order=0)
    with pytest.raises(ValueError, match="dense distances"):
        distance_to_measure(sp.csr_array((3, 3)), 2, "precomputed")
    with pytest.raises(ValueError, match="square"):
        merge_tree(sp.csr_array((2, 3)), metric="lower-star", births=[0, 0])
