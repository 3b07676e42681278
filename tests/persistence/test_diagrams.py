"""persistence_diagrams: every engine against the others and against oracles from the definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from neurotopo.persistence import rips as module
from neurotopo.persistence.diagrams import (
    DIAGRAM_ENGINES,
    neighbour_agreement,
    persistence_diagrams,
)
from neurotopo.persistence.inputs import EdgeList
from tests.support.examples import examples

COMPLETE_ENGINES = [e for e in DIAGRAM_ENGINES if e != "tree"]
EXTREMES = [0.0, 5e-324, 1e-300, 1e-46, 1e-9, 1.0, 1.0 + 2**-40, 1.0 + 2**-52, 3.5e38, 1e300]


def oracle(distances, max_dimension):
    """Reduce the boundary matrix of the whole flag complex over Z/2, column by column."""
    n = len(distances)
    simplices = [((v,), 0.0) for v in range(n)]
    for size in range(2, max_dimension + 3):
        for simplex in combinations(range(n), size):
            diameter = max(distances[i, j] for i, j in combinations(simplex, 2))
            if diameter < np.inf:
                simplices.append((simplex, diameter))
    simplices.sort(key=lambda entry: (entry[1], len(entry[0]), entry[0]))
    position = {simplex: k for k, (simplex, _) in enumerate(simplices)}
    by_lowest, partner = {}, {}
    for k, (simplex, _) in enumerate(simplices):
        faces = combinations(simplex, len(simplex) - 1) if len(simplex) > 1 else ()
        column = {position[face] for face in faces}
        while column and max(column) in by_lowest:
            column ^= by_lowest[max(column)]
        if column:
            by_lowest[max(column)] = column
            partner[max(column)] = k
    bars = [[] for _ in range(max_dimension + 1)]
    killers = set(partner.values())
    for k, (simplex, birth) in enumerate(simplices):
        if k in killers or len(simplex) > max_dimension + 1:
            continue
        death = simplices[partner[k]][1] if k in partner else np.inf
        if death > birth:
            bars[len(simplex) - 1].append((birth, death))
    return [np.array(sorted(bar)).reshape(-1, 2) for bar in bars]


def components_oracle(distances):
    """Dimension 0 by merging, at every length, whatever that length connects: O(n^3)."""
    n = len(distances)
    label = list(range(n))
    deaths = []
    for length in np.unique(distances[np.triu_indices(n, 1)]):
        if length == np.inf:
            break
        before = len(set(label))
        for i, j in combinations(range(n), 2):
            if distances[i, j] == length and label[i] != label[j]:
                old, new = label[j], label[i]
                label = [new if name == old else name for name in label]
        deaths += [length] * (before - len(set(label)))
    deaths = [d for d in deaths if d > 0] + [np.inf] * len(set(label))
    return np.column_stack([np.zeros(len(deaths)), sorted(deaths)])


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for dimension, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b, err_msg=f"dimension {dimension}")


def to_sparse(distances):
    """Every finite entry, zeros included, explicit."""
    i, j = np.nonzero(np.isfinite(distances) & ~np.eye(len(distances), dtype=bool))
    return sp.coo_array((distances[i, j], (i, j)), shape=distances.shape)


@st.composite
def graphs(draw, max_vertices=14, lengths=None):
    """Symmetric matrices of lengths; inf where there is no edge."""
    n = draw(st.integers(1, max_vertices))
    n_pairs = n * (n - 1) // 2
    if lengths is None:
        finite = draw(
            st.sampled_from(
                [
                    st.integers(0, 4).map(float),
                    st.integers(1, 60).map(float),
                    st.floats(0, 1e300),
                    st.sampled_from(EXTREMES),
                ]
            )
        )
        lengths = draw(st.sampled_from([finite, st.one_of(finite, st.just(np.inf))]))
    values = draw(st.lists(lengths, min_size=n_pairs, max_size=n_pairs))
    return squareform(np.array(values, dtype=np.float64)) if n > 1 else np.zeros((1, 1))


@examples(300)
@given(graphs(max_vertices=7))
def test_all_engines_equal_the_boundary_matrix_oracle(distances):
    expected = oracle(distances, 2)
    for engine in COMPLETE_ENGINES:
        assert_same(persistence_diagrams(distances, max_dimension=2, engine=engine), expected)


@examples(300)
@given(graphs(), st.sampled_from([1, 2]))
def test_engines_agree_dense_and_sparse(distances, max_dimension):
    expected = persistence_diagrams(distances, max_dimension=max_dimension, engine="gudhi")
    for engine in COMPLETE_ENGINES:
        for X in (distances, to_sparse(distances), EdgeList.from_dense(distances)):
            actual = persistence_diagrams(X, max_dimension=max_dimension, engine=engine)
            assert_same(actual, expected)


@examples(300)
@given(graphs())
def test_dimension_zero_equals_merging_by_hand(distances):
    expected = [components_oracle(distances)]
    for engine in DIAGRAM_ENGINES:
        assert_same(persistence_diagrams(distances, max_dimension=0, engine=engine), expected)


@examples(100)
@given(graphs(max_vertices=10), st.randoms(use_true_random=False))
def test_order_of_vertices_does_not_matter(distances, random):
    order = list(range(len(distances)))
    random.shuffle(order)
    for engine in COMPLETE_ENGINES:
        assert_same(
            persistence_diagrams(distances[np.ix_(order, order)], max_dimension=2, engine=engine),
            persistence_diagrams(distances, max_dimension=2, engine=engine),
        )


@examples(150)
@given(graphs(max_vertices=9), st.data())
def test_max_radius_leaves_out_longer_edges(distances, data):
    finite = [0.0, *distances[np.isfinite(distances)].tolist()]
    radius = data.draw(st.sampled_from(finite))
    cut = np.where(distances <= radius, distances, np.inf)
    for engine in COMPLETE_ENGINES:
        assert_same(
            persistence_diagrams(distances, max_dimension=2, engine=engine, max_radius=radius),
            persistence_diagrams(cut, max_dimension=2, engine=engine),
        )
    assert_same(
        persistence_diagrams(distances, max_dimension=0, engine="tree", max_radius=radius),
        persistence_diagrams(cut, max_dimension=0, engine="gudhi"),
    )


@examples(100)
@given(graphs(max_vertices=9), st.sampled_from([1e-290, 2.0**-30, 2.0**20]))
def test_scaling_lengths_scales_diagrams(distances, factor):
    # a strictly increasing map of the lengths maps every birth and death
    values = np.unique(distances[np.isfinite(distances)])
    ranks = np.searchsorted(values, distances).astype(float)
    ranks[np.isinf(distances)] = np.inf
    mapped = persistence_diagrams(ranks * factor, max_dimension=1)
    for plain, image in zip(persistence_diagrams(ranks, max_dimension=1), mapped, strict=True):
        np.testing.assert_array_equal(plain * factor, image)


@pytest.mark.parametrize("engine", COMPLETE_ENGINES)
class TestKnownShapes:
    def test_square(self, engine):
        square = [[0, 0], [0, 1], [1, 1], [1, 0]]
        h0, h1, h2 = persistence_diagrams(square, "euclidean", 2, engine)
        np.testing.assert_array_equal(h0, [[0, 1], [0, 1], [0, 1], [0, np.inf]])
        np.testing.assert_array_equal(h1, [[1, np.sqrt(2)]])
        assert h2.shape == (0, 2)

    def test_octahedron_is_a_sphere(self, engine):
        vertices = np.vstack([np.eye(3), -np.eye(3)])
        h0, h1, h2 = persistence_diagrams(vertices, "euclidean", 2, engine)
        assert len(h0) == 6
        assert len(h1) == 0
        np.testing.assert_array_equal(h2, [[np.sqrt(2), 2]])

    def test_cross_polytope_of_dimension_four(self, engine):
        vertices = np.vstack([np.eye(4), -np.eye(4)])
        diagrams = persistence_diagrams(vertices, "euclidean", 3, engine)
        np.testing.assert_array_equal(diagrams[3], [[np.sqrt(2), 2]])

    def test_circle(self, engine):
        angle = 2 * np.pi * np.arange(30) / 30
        circle = np.column_stack([np.cos(angle), np.sin(angle)])
        _, h1 = persistence_diagrams(circle, "euclidean", 1, engine)
        # the loop of the regular 3k-gon fills at the side of the inscribed triangle
        np.testing.assert_allclose(h1, [[2 * np.sin(np.pi / 30), np.sqrt(3)]])

    def test_two_circles(self, engine):
        angle = 2 * np.pi * np.arange(12) / 12
        circle = np.column_stack([np.cos(angle), np.sin(angle)])
        h0, h1 = persistence_diagrams(np.vstack([circle, circle + 10]), "euclidean", 1, engine)
        assert np.sum(h1[:, 1] - h1[:, 0] > 1) == 2  # and a short one where the circles meet
        np.testing.assert_allclose(h0[-2:, 1], [10 * np.sqrt(2) - 2, np.inf], rtol=0.02)

    def test_cycle_without_chords_never_dies(self, engine):
        n = 6
        ring = sp.coo_array(
            (np.full(n, 2.0), (range(n), np.roll(range(n), -1))), shape=(n + 2,) * 2
        )
        h0, h1 = persistence_diagrams(ring + ring.T, max_dimension=1, engine=engine)
        np.testing.assert_array_equal(h0, [[0, 2]] * (n - 1) + [[0, np.inf]] * 3)
        np.testing.assert_array_equal(h1, [[2, np.inf]])

    def test_hollow_simplex_fills_at_once(self, engine):
        simplex = np.ones((5, 5)) - np.eye(5)
        diagrams = persistence_diagrams(simplex, max_dimension=2, engine=engine)
        assert [len(d) for d in diagrams] == [5, 0, 0]

    def test_projective_plane_depends_on_the_field(self, engine):
        graph = projective_plane()
        over_two = persistence_diagrams(graph, max_dimension=2, engine=engine)
        over_three = persistence_diagrams(graph, max_dimension=2, engine=engine, coeff=3)
        assert [np.isinf(d[:, 1]).sum() for d in over_two] == [1, 1, 1]
        assert [np.isinf(d[:, 1]).sum() for d in over_three] == [1, 0, 0]

    def test_no_edges(self, engine):
        for X in (sp.csr_array((4, 4)), np.full((4, 4), np.inf)):
            diagrams = persistence_diagrams(X, max_dimension=2, engine=engine)
            np.testing.assert_array_equal(diagrams[0], [[0, np.inf]] * 4)
            assert [len(d) for d in diagrams] == [4, 0, 0]

    def test_single_vertex(self, engine):
        for X in (np.zeros((1, 1)), sp.csr_array((1, 1))):
            diagrams = persistence_diagrams(X, max_dimension=2, engine=engine)
            assert [d.tolist() for d in diagrams] == [[[0.0, np.inf]], [], []]

    def test_isolated_vertices_and_zero_edges(self, engine):
        # a 4-cycle of length 0 and two vertices without an edge, explicit zeros and all
        ends = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
        both = np.vstack([ends, ends[:, ::-1]])
        X = sp.coo_array((np.zeros(8), both.T), shape=(6, 6))
        h0, h1 = persistence_diagrams(X, max_dimension=1, engine=engine)
        np.testing.assert_array_equal(h0, [[0, np.inf]] * 3)
        np.testing.assert_array_equal(h1, [[0, np.inf]])

    def test_all_duplicates(self, engine):
        diagrams = persistence_diagrams(np.ones((8, 3)), "euclidean", 2, engine)
        assert [d.tolist() for d in diagrams] == [[[0.0, np.inf]], [], []]

    @pytest.mark.parametrize("scale", [1e-300, 1e300])
    def test_extreme_lengths(self, engine, scale):
        square = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]]) * scale
        for X in (square, to_sparse(square)):
            h0, h1 = persistence_diagrams(X, engine=engine)
            np.testing.assert_array_equal(h0, [[0, scale]] * 3 + [[0, np.inf]])
            np.testing.assert_array_equal(h1, [[scale, 2 * scale]])

    def test_lengths_that_single_precision_confuses(self, engine):
        a, b = 1.0, 1.0 + 2**-40
        assert np.float32(a) == np.float32(b)
        square = np.array([[0, a, b, a], [a, 0, a, b], [b, a, 0, a], [a, b, a, 0]])
        for X in (square, to_sparse(square)):
            _, h1 = persistence_diagrams(X, engine=engine)
            np.testing.assert_array_equal(h1, [[a, b]])

    def test_single_precision_input(self, engine):
        points = np.random.default_rng(0).normal(size=(12, 2))
        distances = squareform(pdist(points)).astype(np.float32)
        expected = persistence_diagrams(distances.astype(np.float64), engine="gudhi")
        assert_same(persistence_diagrams(distances, engine=engine), expected)

    def test_max_radius_is_not_rounded_to_single_precision(self, engine):
        length = np.float32(0.1)  # more than 0.1
        distances = np.array([[0, length], [length, 0]], dtype=np.float32)
        h0, _ = persistence_diagrams(distances, engine=engine, max_radius=0.1)
        assert np.isinf(h0).sum() == 2


def projective_plane():
    """Barycentric subdivision (a flag complex) of the six-vertex projective plane."""
    triangles = [
        (0, 1, 4),
        (0, 1, 5),
        (0, 2, 3),
        (0, 2, 5),
        (0, 3, 4),
        (1, 2, 3),
        (1, 2, 4),
        (1, 3, 5),
        (2, 4, 5),
        (3, 4, 5),
    ]
    faces = {face for t in triangles for size in (1, 2, 3) for face in combinations(t, size)}
    faces = sorted(faces)
    assert len(faces) == 6 + 15 + 10
    adjacency = np.full((len(faces), len(faces)), np.inf)
    for i, j in combinations(range(len(faces)), 2):
        if set(faces[i]) < set(faces[j]) or set(faces[j]) < set(faces[i]):
            adjacency[i, j] = adjacency[j, i] = 1.0
    return adjacency


class TestPoints:
    @pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "chebyshev"])
    @pytest.mark.parametrize("engine", COMPLETE_ENGINES)
    def test_engines_agree_on_points(self, metric, engine):
        points = np.random.default_rng(1).normal(size=(40, 3))
        assert_same(
            persistence_diagrams(points, metric, 2, engine),
            persistence_diagrams(points, metric, 2, "gudhi"),
        )

    def test_callable_metric(self):
        points = np.random.default_rng(1).normal(size=(15, 2))

        def city_block(a, b):
            return float(np.abs(a - b).sum())

        for a, b in zip(
            persistence_diagrams(points, city_block),
            persistence_diagrams(points, "manhattan"),
            strict=True,
        ):
            np.testing.assert_allclose(a, b)

    def test_tree_without_a_matrix(self):
        points = np.random.default_rng(2).normal(size=(400, 2))
        (tree,) = persistence_diagrams(points, "euclidean", 0, "tree")
        (gudhi,) = persistence_diagrams(points, "euclidean", 0, "gudhi")
        np.testing.assert_allclose(tree, gudhi, rtol=1e-12)
        assert len(tree) == 400


class TestAuto:
    """The rule of the Notes, by which engine is run."""

    def chosen(self, monkeypatch, X, **options):
        called = []

        def spy(name):
            def run(graph, max_dimension, coeff):
                called.append(name)
                return [np.empty((0, 2))] * (max_dimension + 1)

            return run

        monkeypatch.setattr(
            module, "RIPS_ENGINES", {name: spy(name) for name in module.RIPS_ENGINES}
        )
        persistence_diagrams(X, **options)
        return called

    def random_lengths(self, n, density=1.0):
        rng = np.random.default_rng(0)
        lengths = np.triu(1 / np.abs(rng.normal(size=(n, n))), 1)
        lengths[rng.uniform(size=(n, n)) > density] = np.inf
        lengths = np.triu(lengths, 1)
        return lengths + lengths.T

    def test_dimension_zero_is_the_tree(self, monkeypatch):
        assert self.chosen(monkeypatch, self.random_lengths(150), max_dimension=0) == []

    def test_random_lengths(self, monkeypatch):
        for density in (0.3, 1.0):
            X = self.random_lengths(150, density)
            assert self.chosen(monkeypatch, X) == ["gudhi-simplextree"]

    def test_too_many_random_simplices(self, monkeypatch):
        assert self.chosen(monkeypatch, self.random_lengths(400)) == ["gudhi"]

    def test_few_vertices(self, monkeypatch):
        assert self.chosen(monkeypatch, self.random_lengths(60)) == ["gudhi"]

    def test_layers(self, monkeypatch):
        layer = np.arange(120) // 30
        joined = np.abs(layer[:, None] - layer) == 1
        X = np.where(joined, self.random_lengths(120), np.inf)
        np.fill_diagonal(X, 0.0)
        assert self.chosen(monkeypatch, X) == ["gudhi"]

    def test_points(self, monkeypatch):
        points = np.random.default_rng(0).normal(size=(150, 50))
        assert self.chosen(monkeypatch, points, metric="euclidean") == ["gudhi"]

    def test_agreement_separates_points_from_random_lengths(self):
        rng = np.random.default_rng(0)
        for d in (2, 20, 200):
            assert neighbour_agreement(squareform(pdist(rng.normal(size=(120, d))))) > 0.3
        for n in (100, 200, 400):
            assert abs(neighbour_agreement(self.random_lengths(n))) < 0.05
        assert neighbour_agreement(np.full((5, 5), np.inf)) == 0.0

    def test_engines_agree_where_auto_takes_the_simplex_tree(self):
        X = self.random_lengths(110, 0.4)
        assert_same(
            persistence_diagrams(X, max_dimension=2),
            persistence_diagrams(X, max_dimension=2, engine="gudhi"),
        )


class TestErrors:
    def test_bad_distances_are_refused_before_any_engine(self):
        for engine in DIAGRAM_ENGINES:
            with pytest.raises(ValueError, match=r"NaN, first at X\[0, 1\]"):
                persistence_diagrams([[0, np.nan], [np.nan, 0]], max_dimension=0, engine=engine)
            with pytest.raises(ValueError, match=r"X\[0, 1\] = 1.0 and X\[1, 0\] = 2.0"):
                persistence_diagrams([[0, 1], [2, 0]], max_dimension=0, engine=engine)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"engine": "dionysus"}, "engine must be one of auto, gudhi"),
            ({"engine": "tree"}, "dimension 0 only"),
            ({"max_dimension": -1}, "at least 0, got -1"),
            ({"max_radius": -1.0}, "max_radius must be"),
            ({"max_radius": np.nan}, "max_radius must be"),
            ({"coeff": 4}, "prime"),
            ({"coeff": 1}, "prime"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            persistence_diagrams(np.zeros((2, 2)), **options)

    @pytest.mark.parametrize("max_dimension", [1.5, True, "1"])
    def test_dimension_must_be_an_integer(self, max_dimension):
        with pytest.raises(TypeError, match="must be an integer"):
            persistence_diagrams(np.zeros((2, 2)), max_dimension=max_dimension)

    def test_ripser_cannot_number_so_many_simplices(self):
        empty = sp.coo_array((40_000, 40_000))
        with pytest.raises(ValueError, match="cannot number the simplices"):
            persistence_diagrams(empty, max_dimension=2, engine="ripser")

    def test_ripser_cannot_tell_so_many_lengths_apart(self, monkeypatch):
        monkeypatch.setattr(module, "_RIPSER_RANKS", 4)
        distances = squareform(np.arange(1.0, 7.0))
        with pytest.raises(ValueError, match="6 distinct"):
            persistence_diagrams(distances, engine="ripser")

    def test_edge_list_out_of_range(self):
        with pytest.raises(ValueError, match=r"target must hold vertices 0\.\.1"):
            persistence_diagrams(EdgeList(2, np.array([0]), np.array([5]), np.array([1.0])))
