"""``symmetrize`` and ``lengths``: entry by entry from the formulas, in this order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import squareform
from sklearn.metrics.pairwise import cosine_similarity

from neurotopo import GraphPersistence, NTCClusterer, merge_tree
from neurotopo.graphs import edge_lengths
from neurotopo.persistence import EdgeList, check_distances
from neurotopo.persistence.lengths import LENGTHS
from tests.support.oracles import as_sparse

HOW = (None, "max", "min", "mean", "mutual")
NAMES = (None, "inverse", "neglog", "one_minus", "root")


def decreasing(w):
    return 1 / np.sqrt(np.abs(w))


def naive(X, how, lengths):
    """The matrix of lengths, one pair at a time."""
    n = len(X)
    none = math.inf if lengths is None else 0.0
    W = np.full((n, n), none)
    for i in range(n):
        for j in range(n):
            a, b = X[i][j], X[j][i]
            if a == none and b == none:
                continue
            if how is None:
                W[i, j] = a
            elif none in (a, b):
                W[i, j] = none if how == "mutual" else (b if a == none else a)
            elif how == "mutual":
                W[i, j] = max(a, b) if lengths is None else min(a, b)
            else:
                W[i, j] = {"max": max(a, b), "min": min(a, b), "mean": (a + b) / 2}[how]
    top = max((abs(W[i, j]) for i in range(n) for j in range(n) if i != j), default=0)
    formulas = {
        None: lambda w: w,
        "inverse": lambda w: 1 / abs(w),
        "neglog": lambda w: -math.log(abs(w) / top),
        "one_minus": lambda w: 1 - w,
        "root": lambda w: 1 / math.sqrt(abs(w)),
    }
    D = np.full((n, n), math.inf)
    for i in range(n):
        D[i, i] = 0.0
        for j in range(n):
            if i != j and W[i, j] != none:
                D[i, j] = formulas[lengths](W[i, j])
    return D


@st.composite
def weights(draw):
    """Asymmetric matrices of multiples of 1/8, with absent and (for lengths) zero entries."""
    n = draw(st.integers(1, 7))
    lengths = draw(st.sampled_from(NAMES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.integers(0, 9, size=(n, n)) / 8
    if lengths is not None:
        X *= rng.choice([-1, 1], size=(n, n))
    X[rng.random((n, n)) < draw(st.sampled_from([0.0, 0.5]))] = math.inf if lengths is None else 0
    if lengths is None:
        np.fill_diagonal(X, 0)
    how = draw(st.sampled_from(HOW))
    if how is None:
        X = np.triu(X, 1) + np.tril(X.T, -1) + np.diag(np.diag(X))
        X = np.maximum(X, X.T)
    return X, how, lengths


def dense(graph):
    return graph if isinstance(graph, np.ndarray) else graph.to_dense()


def weights_as_sparse(X, lengths):
    return as_sparse(X) if lengths is None else sp.csr_array(X)


@given(weights())
def test_entry_by_entry(drawn):
    X, how, name = drawn
    lengths = decreasing if name == "root" else name
    expected = naive(X, how, name)
    for form in (X, X.tolist(), weights_as_sparse(X, name), weights_as_sparse(X, name).tocoo()):
        computed = dense(check_distances(form, lengths=lengths, symmetrize=how))
        np.testing.assert_allclose(computed, expected, rtol=1e-14, atol=1e-15)


@given(weights())
def test_everything_uses_them(drawn):
    X, how, name = drawn
    options = {"lengths": decreasing if name == "root" else name, "symmetrize": how}
    tree = merge_tree(check_distances(X, **options))
    assert merge_tree(X, **options) == tree
    ntc = NTCClusterer.paper(metric="precomputed", **options).fit(X)
    assert ntc.merge_tree_ == tree
    assert (
        NTCClusterer.paper(metric="precomputed", **options)
        .fit(weights_as_sparse(X, name))
        .merge_tree_
        == tree
    )


def test_weights_are_symmetrized_before_they_become_lengths():
    X = np.array([[1.0, 0.2], [0.8, 1.0]])
    mean = check_distances(X, lengths="inverse", symmetrize="mean")
    assert mean[0, 1] == 1 / 0.5  # and not (1 / 0.2 + 1 / 0.8) / 2 = 3.125
    assert check_distances(X, lengths="inverse", symmetrize="max")[0, 1] == 1 / 0.8
    assert check_distances(X, lengths="inverse", symmetrize="mutual")[0, 1] == 1 / 0.2


def test_one_minus_is_the_distance_of_similarities():
    X = np.random.default_rng(0).normal(size=(20, 3))
    for S in (np.corrcoef(X), cosine_similarity(X), cosine_similarity(X.astype(np.float32))):
        expected = 1 - S
        np.fill_diagonal(expected, 0)
        computed = check_distances(S, lengths="one_minus")
        np.testing.assert_allclose(computed, expected, atol=1e-6)
        condensed = squareform(S, checks=False)
        tree = merge_tree(condensed, lengths="one_minus")
        np.testing.assert_allclose(tree.birth, merge_tree(computed).birth, atol=1e-6)
    with pytest.raises(
        ValueError, match=r'"one_minus" takes weights of at most 1, but one is 1\.5'
    ):
        check_distances(np.full((2, 2), 1.5), lengths="one_minus")
    rounded = 1 + 1e-7
    assert check_distances(np.full((2, 2), rounded), lengths="one_minus")[0, 1] == 0.0


def test_one_registry_for_matrices_and_neurons(monkeypatch):
    W = np.array([[9.0, -0.5, 0.0], [-0.5, 0.0, 0.25], [0.0, 0.25, 3.0]])
    off = ~np.eye(3, dtype=bool)
    for name in LENGTHS:
        expected = edge_lengths(W * off, length=name)
        np.testing.assert_array_equal(check_distances(W, lengths=name)[off], expected[off])
        (h0,) = GraphPersistence(
            homology_dimensions=0, weight_map=name, essential="drop"
        ).fit_transform([np.abs(W) * off])
        if name != "neglog":  # there the scale is 1
            lengths = edge_lengths(np.array([0.5, 0.25]), length=name)
            np.testing.assert_array_equal(h0[:, 1], np.sort(lengths))
    monkeypatch.setitem(LENGTHS, "twice", lambda strong, power, scale: 2 / strong)
    assert check_distances(W, lengths="twice")[0, 1] == 4.0
    ntc = NTCClusterer.paper(metric="precomputed", lengths="twice").fit(W)
    assert ntc.merge_tree_.birth[3:].tolist() == [4.0, 8.0]


def test_edges_and_neighbours_with_weights():
    edges = EdgeList.from_array([[0, 1, 0.5], [1, 2, 0.25]])
    assert merge_tree(edges, lengths="inverse").birth[3:].tolist() == [2.0, 4.0]
    similar = np.array([[1, 2], [0, -1], [1, 0]]), np.array([[0.5, 0.0], [0.5, 9.0], [0.2, 0.0]])
    tree = merge_tree(similar, lengths="inverse", symmetrize="max")
    assert tree.birth[3:].tolist() == [2.0, 5.0]


def test_rounding_of_weights_is_allowed():
    W = np.array([[1, 0.3, 0.1], [0.3, 1, 0.2], [0.1, 0.2, 1]])
    noisy = W.copy()
    noisy[0, 1] = np.nextafter(0.3, 1)
    for name in ("inverse", "neglog", "one_minus"):
        trees = [merge_tree(form(noisy), lengths=name) for form in (np.asarray, sp.csr_array)]
        assert trees[0] == trees[1] == merge_tree(W, lengths=name)


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (
            [[0, 1.0], [2.0, 0]],
            {"lengths": "inverse"},
            r"X\[0, 1\] = 1.0 and X\[1, 0\] = 2.0. Pass",
        ),
        ([[0, np.nan], [1.0, 0]], {"lengths": "inverse"}, r"NaN, first at X\[0, 1\]"),
        ([[0, np.nan], [1.0, 0]], {"symmetrize": "max"}, r"NaN, first at X\[0, 1\]"),
        ([[0, -5.0], [1.0, 0]], {"symmetrize": "max"}, r"negative, but X\[0, 1\] = -5"),
        ([[2.0, 1.0], [1.0, 0]], {"symmetrize": "max"}, r"diagonal, but X\[0, 0\] = 2.*one_minus"),
        (
            [[0, np.inf], [np.inf, 0]],
            {"lengths": "inverse"},
            r"weights, which must be finite, but X\[0, 1\]",
        ),
        ([[0, 1.0], [1.0, 0]], {"lengths": "inverted"}, "lengths must be one of inverse, power"),
        ([[0, 1.0], [1.0, 0]], {"symmetrize": "avg"}, "symmetrize must be None or one of max, min"),
        ([[0, 1.0], [1.0, 0]], {"lengths": np.negative}, "numbers that are not negative"),
    ],
)
def test_errors(X, options, message, form):
    with pytest.raises(ValueError, match=message):
        check_distances(form(X), **options)


@pytest.mark.parametrize("options", [{"lengths": "inverse"}, {"symmetrize": "max"}])
def test_points_have_no_weights(options):
    X = np.eye(3)
    with pytest.raises(ValueError, match=r'need metric="precomputed", got metric=.euclidean'):
        merge_tree(X, metric="euclidean", **options)
    with pytest.raises(ValueError, match='need metric="precomputed"'):
        NTCClusterer(**options).fit(X)
    name = "weight_map" if "lengths" in options else "symmetrize"
    with pytest.raises(ValueError, match=f"{name} is for graphs"):
        GraphPersistence("euclidean", **{name: "inverse" if "w" in name else "max"}).fit([X])


def test_graph_persistence_symmetrizes():
    A = np.array([[0.0, 0.5, 0.0], [0.25, 0.0, 0.0], [0.0, 0.1, 0.0]])
    for form in (np.asarray, sp.csr_array):
        for how, deaths in {"max": [2, 10], "min": [4, 10], "mutual": [4]}.items():
            diagram = GraphPersistence(
                homology_dimensions=0, weight_map="reciprocal", symmetrize=how, essential="drop"
            ).fit_transform([form(A)])[0]
            assert diagram[:, 1].tolist() == deaths
