"""Bottleneck and Wasserstein distance against brute force, and the stability theorem."""

from __future__ import annotations

import warnings
from itertools import permutations

import numpy as np
import persim
import pytest
from gudhi import hera
from gudhi.representations.metrics import pairwise_persistence_diagram_distances
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist, squareform

from neurotopo import GraphPersistence, merge_tree, persistence_diagrams
from neurotopo.persistence import diagram_distances
from neurotopo.persistence.diagram_distances import (
    bottleneck_distance,
    bottleneck_distances,
    wasserstein_distance,
    wasserstein_distances,
)
from tests.support.examples import examples
from tests.support.oracles import as_sparse


def moves(a, b, internal_p=np.inf):
    """Cost of each pair in the full problem: every point has a diagonal point on the other side."""
    n, m = len(a), len(b)
    cost = np.zeros((n + m, n + m))
    for i in range(n):
        for j in range(m):
            cost[i, j] = np.linalg.norm(a[i] - b[j], ord=internal_p)
    for k, x in enumerate(a):
        cost[k, m:] = np.linalg.norm(x - x.mean(), ord=internal_p)
    for k, x in enumerate(b):
        cost[n:, k] = np.linalg.norm(x - x.mean(), ord=internal_p)
    return cost


def brute_bottleneck(a, b):
    cost = moves(a, b)
    rows = range(len(cost))
    return min(
        max((cost[i, j] for i, j in zip(rows, p, strict=True)), default=0.0)
        for p in permutations(rows)
    )


def full_wasserstein(a, b, order, internal_p):
    cost = moves(a, b, internal_p) ** order
    return cost[linear_sum_assignment(cost)].sum() ** (1 / order)


def points(max_size, born_together=False):
    births = st.just(1) if born_together else st.integers(-8, 8)
    bar = st.tuples(births, st.integers(1, 12)).map(lambda x: (x[0], x[0] + x[1]))
    return st.lists(bar, max_size=max_size).map(
        lambda bars: np.array(bars, dtype=np.float64).reshape(-1, 2)
    )


@examples(300)
@given(points(3), points(3))
def test_bottleneck_equals_brute_force(a, b):
    assert bottleneck_distance(a, b) == pytest.approx(brute_bottleneck(a, b), rel=1e-12)


@examples(300)
@given(points(3, born_together=True), points(3, born_together=True))
def test_bottleneck_of_bars_born_together_equals_brute_force(a, b):
    assert bottleneck_distance(a, b) == brute_bottleneck(a, b)


@pytest.mark.parametrize("born_together", [False, True])
def test_bottleneck_equals_persim_on_larger_diagrams(born_together):
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (rng.exponential(size=(rng.integers(1, 40), 2)) for _ in range(2))
        for x in (a, b):
            x[:, 0] *= not born_together
            x[:, 1] += x[:, 0]
        assert bottleneck_distance(a, b) == pytest.approx(persim.bottleneck(a, b), rel=1e-12)


def test_hera_where_a_matrix_of_pairs_would_be_large(monkeypatch):
    rng = np.random.default_rng(2)
    a, b = (np.sort(rng.uniform(size=(n, 2)), axis=1) for n in (60, 45))
    exact = bottleneck_distance(a, b)
    monkeypatch.setattr(diagram_distances, "_DENSE_PAIRS", 0)
    assert bottleneck_distance(a, b) == pytest.approx(exact, rel=1e-12)


@examples(200)
@given(points(5), points(5), st.sampled_from([1.0, 2.0, 3.5]), st.sampled_from([1.0, 2.0, np.inf]))
def test_wasserstein_equals_the_full_assignment(a, b, order, internal_p):
    expected = full_wasserstein(a, b, order, internal_p)
    assert wasserstein_distance(a, b, order, internal_p) == pytest.approx(expected, abs=1e-9)
    approximate = wasserstein_distance(a, b, order, internal_p, delta=0.01)
    assert expected <= approximate * (1 + 1e-9) + 1e-9
    assert approximate <= expected * 1.0101 + 1e-9


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 1e20, 1e300])
def test_very_long_and_very_short_bars(scale):
    # Hera by itself says 0 for the first two
    a, b = np.array([[1.0, 4.0], [2.0, 3.0]]) * scale, np.array([[1.0, 3.5]]) * scale
    assert bottleneck_distance(a, b) == pytest.approx(0.5 * scale)
    assert wasserstein_distance(a, b) == pytest.approx(1.0 * scale)
    assert wasserstein_distance(a, b, order=2) == pytest.approx(np.sqrt(0.5) * scale)


@given(points(6), points(6), points(6))
def test_metric(a, b, c):
    for distance in (bottleneck_distance, wasserstein_distance):
        assert distance(a, a[::-1]) == 0
        assert distance(a, b) == pytest.approx(distance(b, a))
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9
        assert bottleneck_distance(a, b) <= distance(a, b) + 1e-9


def test_delta_is_a_relative_error():
    rng = np.random.default_rng(1)
    a, b = (np.sort(rng.uniform(size=(80, 2)), axis=1) for _ in range(2))
    exact = bottleneck_distance(a, b)
    assert exact <= bottleneck_distance(a, b, delta=0.05) <= 1.05 * exact


class TestInfiniteBars:
    def test_matched_in_order_of_birth(self):
        a, b = [[0, np.inf], [5, np.inf], [0, 1]], [[6, np.inf], [1, np.inf]]
        assert bottleneck_distance(a, b) == 1.0
        assert wasserstein_distance(a, b) == 1.0 + 1.0 + 0.5
        assert wasserstein_distance(a, b, order=2) == pytest.approx(1.5)

    def test_different_numbers(self):
        for distance in (bottleneck_distance, wasserstein_distance):
            assert distance([[0, np.inf]], []) == np.inf
            assert distance([[0, np.inf]], [[0, 1e9]]) == np.inf

    def test_the_larger_of_finite_and_infinite_moves(self):
        assert bottleneck_distance([[0, np.inf], [0, 4]], [[3, np.inf]]) == 3.0
        assert bottleneck_distance([[0, np.inf], [0, 8]], [[3, np.inf]]) == 4.0

    def test_only_infinite_bars_far_out(self):
        assert wasserstein_distance([[1e300, np.inf]], [[0, np.inf]], order=2) == 1e300


def test_no_bars_and_bars_of_length_zero():
    for distance in (bottleneck_distance, wasserstein_distance):
        assert distance([], []) == 0
        assert distance([[3, 3]], []) == 0
        assert distance([[3, 3], [0, 2]], [[0, 2]]) == 0


class TestMatrices:
    def diagrams(self, n, seed, n_infinite=0):
        rng = np.random.default_rng(seed)
        finite = [np.sort(rng.uniform(size=(rng.integers(0, 12), 2)), axis=1) for _ in range(n)]
        ends = np.column_stack([rng.uniform(size=n_infinite), np.full(n_infinite, np.inf)])
        return [np.vstack([diagram, ends]) for diagram in finite]

    def test_equal_to_loops_over_the_peers(self):
        X, Y = self.diagrams(7, 0), self.diagrams(5, 1)
        X[2] = np.empty((0, 2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # persim warns of empty diagrams
            bottleneck = [[persim.bottleneck(x, y) for y in Y] for x in X]
            wasserstein = [[persim.wasserstein(x, y) for y in Y] for x in X]
        np.testing.assert_allclose(bottleneck_distances(X, Y), bottleneck, rtol=1e-12)
        np.testing.assert_allclose(wasserstein_distances(X, Y, 1, 2), wasserstein, rtol=1e-9)
        second = [[hera.wasserstein_distance(x, y, 2, np.inf, 1e-3) for y in Y] for x in X]
        np.testing.assert_allclose(wasserstein_distances(X, Y, 2), second, rtol=1e-3)
        theirs = pairwise_persistence_diagram_distances(X, Y, "hera_wasserstein", delta=1e-3)
        np.testing.assert_allclose(wasserstein_distances(X, Y), theirs, rtol=1e-3)

    @pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
    @pytest.mark.parametrize(
        ("matrix_of", "distance"),
        [
            (bottleneck_distances, bottleneck_distance),
            (wasserstein_distances, wasserstein_distance),
        ],
    )
    def test_without_y(self, matrix_of, distance, n_jobs):
        X = self.diagrams(6, 2, n_infinite=2) + self.diagrams(2, 3)
        matrix = matrix_of(X, n_jobs=n_jobs)
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(matrix.diagonal(), 0)
        np.testing.assert_allclose(matrix, matrix_of(X, X, n_jobs=n_jobs), atol=1e-12)
        for i, j in np.ndindex(len(X), len(X)):
            if i < j:
                assert matrix[i, j] == distance(X[i], X[j])
        assert np.isinf(matrix[:6, 6:]).all()

    def test_a_permutation_permutes_the_matrix(self):
        X = self.diagrams(8, 4)
        order = np.random.default_rng(0).permutation(8)
        moved = bottleneck_distances([X[k] for k in order])
        np.testing.assert_array_equal(moved, bottleneck_distances(X)[np.ix_(order, order)])

    def test_options(self):
        X, Y = self.diagrams(3, 5), self.diagrams(2, 6)
        expected = [[wasserstein_distance(x, y, 2, 1, delta=0.1) for y in Y] for x in X]
        np.testing.assert_array_equal(wasserstein_distances(X, Y, 2, 1, delta=0.1), expected)
        expected = [[bottleneck_distance(x, y, delta=0.1) for y in Y] for x in X]
        np.testing.assert_array_equal(bottleneck_distances(X, Y, delta=0.1), expected)
        with pytest.raises(ValueError, match="order must be"):
            wasserstein_distances([], [], 0.5)
        with pytest.raises(ValueError, match="delta must be"):
            bottleneck_distances([], delta=-1)

    def test_no_diagrams(self):
        assert bottleneck_distances([]).shape == (0, 0)
        assert bottleneck_distances([[], [[0, 1]]], []).shape == (2, 0)

    def test_of_graph_persistence(self):
        rings = [squareform(pdist(np.eye(k))) for k in (3, 4, 5)]
        loops = GraphPersistence(homology_dimensions=0).fit_transform(rings)
        assert bottleneck_distances(loops).shape == (3, 3)
        both = GraphPersistence().fit_transform(rings)
        with pytest.raises(ValueError, match=r"X\[0\] has several diagrams, .* \[entry\[0\] for"):
            bottleneck_distances(both)
        with pytest.raises(ValueError, match=r"Y\[0\] has several diagrams"):
            wasserstein_distances(loops, both)

    def test_the_wrong_diagram_is_named(self):
        with pytest.raises(ValueError, match=r"Y\[1\] needs finite births"):
            bottleneck_distances([[]], [[], [[2, 1]]])
        with pytest.raises(ValueError, match=r"X\[0\] must have shape \(n, 2\), got \(2,\)"):
            bottleneck_distances(np.array([[0.0, 1.0]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0.5}, "order must be"),
        ({"order": np.inf}, "order must be"),
        ({"internal_p": 0.5}, "internal_p must be"),
        ({"delta": -1}, "delta must be"),
        ({"delta": np.nan}, "delta must be"),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_distance([], [], **options)


def test_diagrams_are_checked():
    with pytest.raises(ValueError, match="b needs finite births"):
        bottleneck_distance([], [[2, 1]])


# The stability theorem: |f - g| <= eps edge by edge, so diagrams are at most eps apart.


@st.composite
def two_weightings(draw, max_vertices=12):
    """Two weightings of one graph (complete or not), and how far they are apart."""
    n = draw(st.integers(2, max_vertices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_pairs = n * (n - 1) // 2
    whole = draw(st.booleans())
    f = rng.integers(0, 20, n_pairs).astype(float) if whole else rng.exponential(10, n_pairs)
    eps = draw(st.sampled_from([0, 1, 2, 5, 30]) if whole else st.floats(0, 10))
    change = rng.integers(-eps, eps + 1, n_pairs) if whole else rng.uniform(-eps, eps, n_pairs)
    g = np.maximum(f + change, 0.0)
    f[rng.uniform(size=n_pairs) < draw(st.sampled_from([0.0, 0.0, 0.4, 0.8]))] = np.inf
    g[np.isinf(f)] = np.inf
    present = np.isfinite(f)
    return squareform(f), squareform(g), float(np.abs(f[present] - g[present]).max(initial=0.0))


def furthest(one, other):
    return max(bottleneck_distance(x, y) for x, y in zip(one, other, strict=True))


@examples(300)
@given(two_weightings())
def test_stability_theorem(weightings):
    f, g, eps = weightings
    slack = 1e-12 * (1 + eps)
    for x, y in ((f, g), (as_sparse(f), as_sparse(g))):
        diagrams = (persistence_diagrams(each, max_dimension=2) for each in (x, y))
        assert furthest(*diagrams) <= eps + slack


@examples(300)
@given(two_weightings(max_vertices=16), st.sampled_from([1, 2, 4]))
def test_stability_of_the_diagram_of_clusters(weightings, min_size):
    f, g, eps = weightings
    diagrams = (merge_tree(each).diagram(min_size) for each in (f, g))
    assert bottleneck_distance(*diagrams) <= eps + 1e-12 * (1 + eps)


def test_the_bound_is_attained():
    f, g = squareform([1.0, 2.0, 3.0]), squareform([1.5, 2.5, 3.5])
    assert furthest(persistence_diagrams(f), persistence_diagrams(g)) == 0.5


def test_splitting_a_vertex_moves_clusters_but_not_components():
    """Small Gromov-Hausdorff distance: h0 is stable, (R1, R2) of two or more samples is not."""
    pair = merge_tree([[0.0], [10.0]], metric="euclidean")
    split = merge_tree([[0.0], [0.1], [10.0]], metric="euclidean")
    assert bottleneck_distance(pair.h0_diagram(), split.h0_diagram()) < 0.2
    assert bottleneck_distance(pair.diagram(1), split.diagram(1)) < 0.2
    assert bottleneck_distance(pair.diagram(2), split.diagram(2)) > 4.5
