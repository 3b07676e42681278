"""GraphPersistence: what it takes, what comes out, and what it works with."""

from __future__ import annotations

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from gudhi.representations import DiagramSelector, DimensionSelector, Landscape, PersistenceImage
from gudhi.sklearn import RipsPersistence
from hypothesis import given
from scipy.spatial.distance import pdist, squareform
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from neurotopo import GraphPersistence, persistence_diagrams
from neurotopo.persistence.conversions import DiagramList, from_giotto
from neurotopo.persistence.inputs import EdgeList
from tests.support.examples import examples
from tests.support.oracles import as_sparse, weighted_graphs


@parametrize_with_checks(
    [
        GraphPersistence(),
        GraphPersistence(homology_dimensions=0, essential="cap"),
        GraphPersistence(homology_dimensions=[2, 1], weight_map="reciprocal", essential="drop"),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_the_checks_are_run_and_not_skipped():
    # a transformer that says it takes no two-dimensional input passes by being asked nothing
    checks = list(estimator_checks_generator(GraphPersistence()))
    assert len(checks) > 40


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def graphs():
    """Graphs of several sizes: dense, with edges missing, disconnected, a single vertex."""
    rng = np.random.default_rng(0)
    dense = squareform(rng.uniform(size=28))
    holes = squareform(np.where(rng.uniform(size=15) < 0.5, np.inf, rng.uniform(size=15)))
    apart = np.full((5, 5), np.inf)
    np.fill_diagonal(apart, 0)
    return [dense, holes, apart, np.zeros((1, 1))]


@pytest.mark.parametrize("form", [np.asarray, as_sparse, EdgeList.from_dense])
def test_diagrams_are_those_of_each_graph(form):
    for each, graph in zip(
        GraphPersistence().fit_transform([form(g) for g in graphs()]), graphs(), strict=True
    ):
        assert isinstance(each, list)
        assert_same(each, persistence_diagrams(graph))


def test_forms_may_be_mixed_and_lists_nested():
    dense, holes, *_ = graphs()
    expected = GraphPersistence().fit_transform([dense, holes])
    actual = GraphPersistence().fit_transform((dense.tolist(), as_sparse(holes)))
    for a, b in zip(actual, expected, strict=True):
        assert_same(a, b)


def test_a_number_gives_diagrams_and_a_sequence_gives_lists():
    two = graphs()[:2]
    one = GraphPersistence(homology_dimensions=1).fit_transform(two)
    assert [d.shape[1] for d in one] == [2, 2]
    several = GraphPersistence(homology_dimensions=(1, 0)).fit_transform(two)
    for diagram, (h1, h0), graph in zip(one, several, two, strict=True):
        expected = persistence_diagrams(graph)
        assert_same([h0, h1], expected)
        np.testing.assert_array_equal(diagram, h1)
    (alone,) = GraphPersistence(homology_dimensions=[1]).fit_transform(two)[0]
    np.testing.assert_array_equal(alone, one[0])


@pytest.mark.parametrize("dimensions", [0, [0, 1], [1]])
def test_the_form_is_that_of_gudhi(dimensions):
    points = [np.random.default_rng(s).normal(size=(12 + s, 2)) for s in range(3)]
    ours = GraphPersistence("euclidean", dimensions).fit_transform(points)
    theirs = RipsPersistence(dimensions).fit_transform(points)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert isinstance(a, list) == isinstance(b, list)
        for x, y in zip([a] if dimensions == 0 else a, [b] if dimensions == 0 else b, strict=True):
            np.testing.assert_allclose(x, y[np.lexsort((y[:, 1], y[:, 0]))])


def test_three_dimensional_array():
    stack = np.stack(
        [squareform(pdist(np.random.default_rng(s).normal(size=(6, 2)))) for s in (0, 1)]
    )
    for each, graph in zip(GraphPersistence().fit_transform(stack), stack, strict=True):
        assert_same(each, persistence_diagrams(graph))
    clouds = np.random.default_rng(0).normal(size=(3, 7, 2))
    for each, cloud in zip(
        GraphPersistence("cityblock").fit_transform(clouds), clouds, strict=True
    ):
        assert_same(each, persistence_diagrams(cloud, "cityblock"))


class TestTable:
    """A two-dimensional X: one graph per row."""

    def test_rows_are_condensed_matrices(self):
        table = np.random.default_rng(0).uniform(size=(4, 15))
        for each, row in zip(GraphPersistence().fit_transform(table), table, strict=True):
            assert_same(each, persistence_diagrams(squareform(row)))

    def test_pairs_beyond_the_last_column_are_no_edges(self):
        diagrams = GraphPersistence().fit_transform([[1.0, 2.0, 3.0, 4.0, 5.0]])
        matrix = squareform([1.0, 2.0, 3.0, 4.0, 5.0, np.inf])  # four vertices, 2-3 missing
        assert_same(diagrams[0], persistence_diagrams(matrix))
        weights = GraphPersistence(weight_map="reciprocal").fit_transform([[1.0, 2.0, 4.0, 1.0]])
        lengths = squareform([1.0, 0.5, 0.25, 1.0, np.inf, np.inf])
        assert_same(weights[0], persistence_diagrams(lengths))

    def test_one_column(self):
        diagrams = GraphPersistence(homology_dimensions=0).fit_transform([[3.0], [0.0]])
        assert_same(diagrams, [[[0, 3], [0, np.inf]], [[0, np.inf]]])

    def test_data_frame(self):
        frame = pd.DataFrame(np.random.default_rng(0).uniform(size=(3, 6)), columns=list("abcdef"))
        persistence = GraphPersistence().fit(frame)
        assert persistence.n_features_in_ == 6
        assert persistence.feature_names_in_.tolist() == list("abcdef")
        with pytest.raises(ValueError, match="feature names"):
            persistence.transform(frame[list("bacdef")])
        persistence.fit(graphs())
        assert not hasattr(persistence, "n_features_in_")
        assert not hasattr(persistence, "feature_names_in_")

    def test_array_of_fixed_shape(self):
        table = np.random.default_rng(0).uniform(size=(5, 10))
        persistence = GraphPersistence().fit(table)
        whole = np.asarray(persistence.transform(table))
        assert whole.shape == (5, 5 + 6, 3)  # five vertices; at most C(4, 2) loops
        for row, rows in zip(table, whole, strict=True):
            np.testing.assert_array_equal(np.asarray(persistence.transform([row]))[0], rows)
        for each, back in zip(persistence.transform(table), from_giotto(whole), strict=True):
            assert_same(each, back)

    @examples(200)
    @given(weighted_graphs(max_vertices=8))
    def test_no_more_bars_than_rows(self, lengths):
        row = squareform(np.where(np.isinf(lengths), 1e308, lengths), checks=False)
        if len(row) == 0:
            return
        some = GraphPersistence(homology_dimensions=(0, 1, 2)).fit_transform(row[None, :])
        for diagram, n_rows in zip(some[0], some.n_rows, strict=True):
            assert len(diagram) <= n_rows

    def test_negative_lengths(self):
        with pytest.raises(ValueError, match=r"Negative values .* X\[1, 2\] = -1.0"):
            GraphPersistence().fit([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]])
        GraphPersistence(weight_map="reciprocal").fit([[1.0, 1.0, -1.0]])

    def test_one_matrix_is_refused(self):
        matrix = graphs()[0]
        for X in (matrix, pd.DataFrame(matrix), matrix.tolist()):
            with pytest.raises(ValueError, match=r"one graph: pass a list of graphs, \[X\]"):
                GraphPersistence().fit(X)
        with pytest.raises(ValueError, match="one graph"):
            GraphPersistence(weight_map="reciprocal").fit(matrix + np.eye(8))
        with pytest.raises(TypeError, match=r"X is one graph .*: pass a list of graphs, \[X\]"):
            GraphPersistence().fit(as_sparse(matrix))
        with pytest.raises(TypeError, match=r"one graph \(EdgeList\): pass a list of graphs"):
            GraphPersistence().fit(EdgeList.from_dense(matrix))

    def test_one_cloud_is_refused(self):
        with pytest.raises(ValueError, match=r"For one cloud pass \[X\]"):
            GraphPersistence("euclidean").fit(np.zeros((5, 2)))


class TestWeightMap:
    weights = np.array([[7.0, 2.0, -4.0], [2.0, 7.0, 0.0], [-4.0, 0.0, 7.0]])

    def h0(self, weight_map, weights=None):
        weights = self.weights if weights is None else weights
        edges = EdgeList(3, np.array([0, 0]), np.array([1, 2]), weights[0, 1:].copy())
        persistence = GraphPersistence(homology_dimensions=0, weight_map=weight_map)
        dense, sparse, listed = persistence.fit_transform([weights, sp.csr_array(weights), edges])
        np.testing.assert_array_equal(dense, sparse)
        np.testing.assert_array_equal(dense, listed)
        return dense[:, 1].tolist()

    def test_reciprocal(self):
        assert self.h0("reciprocal") == [0.25, 0.5, np.inf]

    def test_signed(self):
        assert self.h0("signed") == [0.5, np.inf, np.inf]

    def test_neglog(self):
        weights = np.array([[9, 0.5, 1], [0.5, 9, 0], [1, 0, 9]])  # the diagonal is not looked at
        assert self.h0("neglog", weights) == [pytest.approx(np.log(2)), np.inf]
        with pytest.raises(ValueError, match=r"Sample 0: .* at most 1, but one is 2.0"):
            self.h0("neglog")

    def test_callable_never_sees_0(self):
        def length(weights):
            assert (weights != 0).all()
            return np.exp(-weights)

        assert self.h0(length) == [np.exp(-2), np.exp(4), np.inf]

    def test_absent_entries_of_a_table_are_no_edges(self):
        persistence = GraphPersistence(homology_dimensions=0, weight_map=np.exp)
        assert persistence.fit_transform([[0.0, 0.0, 0.0, 1.0]])[0].tolist() == [
            [0, np.e],
            [0, np.inf],
            [0, np.inf],
            [0, np.inf],
        ]

    def test_not_square(self):
        with pytest.raises(ValueError, match=r"Sample 0: .* square, got shape \(2, 3\)"):
            GraphPersistence(weight_map="signed").fit_transform([np.ones((2, 3))])

    def test_nan(self):
        weights = self.weights.copy()
        weights[0, 1] = weights[1, 0] = np.nan
        with pytest.raises(ValueError, match=r"Sample 0: X contains NaN, first at X\[0, 1\]"):
            GraphPersistence(weight_map="signed").fit_transform([weights])

    def test_not_for_points(self):
        with pytest.raises(ValueError, match="weight_map is for graphs"):
            GraphPersistence("euclidean", weight_map="signed").fit([np.zeros((3, 2))])


class TestEssential:
    ring = squareform([1.0, np.inf, 2.0, 1.0, np.inf, 1.0])  # 0-1-2-3-0, no diagonals

    def diagrams(self, essential, **options):
        (entry,) = GraphPersistence(essential=essential, **options).fit_transform([self.ring])
        return [diagram.tolist() for diagram in entry]

    def test_keep(self):
        assert self.diagrams("keep") == [[[0, 1], [0, 1], [0, 1], [0, np.inf]], [[2, np.inf]]]

    def test_drop(self):
        assert self.diagrams("drop") == [[[0, 1], [0, 1], [0, 1]], []]

    def test_cap_at_twice_the_longest_edge(self):
        # the loop is born with the longest edge
        assert self.diagrams("cap") == [[[0, 1], [0, 1], [0, 1], [0, 4]], [[2, 4]]]

    @pytest.mark.parametrize("length", [1.0, 0.25, 1e300])
    def test_cap_of_unweighted_graphs(self, length):
        n = 6
        cycle, path = nx.cycle_graph(n), nx.path_graph(n)
        graphs = [nx.to_scipy_sparse_array(g) * length for g in (cycle, path, nx.complete_graph(n))]
        capped = GraphPersistence(essential="cap").fit_transform(graphs)
        for h0, _ in capped:
            assert h0.tolist() == [[0, length]] * (n - 1) + [[0, 2 * length]]
        assert [h1.tolist() for _, h1 in capped] == [[[length, 2 * length]], [], []]
        theta = nx.compose(cycle, nx.Graph([(0, 3), (8, 9)]))  # two loops, two components
        (entry,) = GraphPersistence(essential="cap").fit_transform(
            [nx.to_scipy_sparse_array(theta)]
        )
        assert [sum(diagram[:, 1] == 2) for diagram in entry] == [2, 2]

    def test_cap_of_the_longest_lengths(self):
        graph = np.where(np.isinf(self.ring), np.inf, self.ring * 8e307)
        h0, h1 = GraphPersistence(essential="cap").fit_transform([graph])[0]
        assert np.isfinite(h0).all()
        assert (len(h0), len(h1)) == (4, 1)

    def test_cap_at_max_radius(self):
        assert self.diagrams("cap", max_radius=3.0) == [[[0, 1], [0, 1], [0, 1], [0, 3]], [[2, 3]]]

    def test_number(self):
        assert self.diagrams(0.5) == [[[0, 0.5], [0, 1], [0, 1], [0, 1]], []]
        assert self.diagrams(4) == [[[0, 1], [0, 1], [0, 1], [0, 4]], [[2, 4]]]

    @pytest.mark.parametrize("form", [np.asarray, as_sparse, EdgeList.from_dense])
    def test_cap_of_every_form(self, form):
        (entry,) = GraphPersistence(essential="cap").fit_transform([form(self.ring)])
        assert entry[0][-1].tolist() == [0, 4]

    def test_cap_of_points(self):
        persistence = GraphPersistence("euclidean", 0, essential="cap")
        assert persistence.fit_transform([[[0.0], [1.0], [3.0]]])[0][:, 1].tolist() == [1, 2, 3]

    def test_graph_without_edges(self):
        (entry,) = GraphPersistence(essential="cap").fit_transform([sp.csr_array((3, 3))])
        assert [len(diagram) for diagram in entry] == [0, 0]


class TestPipeline:
    """Rings against trees: told apart by their loops."""

    def samples(self, n=24):
        rng = np.random.default_rng(0)
        X, y = [], []
        for k in range(n):
            size = int(rng.integers(6, 12))
            ends = np.arange(size), (np.arange(size) + 1) % size
            keep = slice(None) if k % 2 else slice(None, -1)
            lengths = rng.uniform(1, 2, size)[keep]
            graph = sp.coo_array((lengths, (ends[0][keep], ends[1][keep])), shape=(size, size))
            X.append((graph + graph.T).tocsr())
            y.append(k % 2)
        return X, np.array(y)

    @pytest.mark.parametrize(
        "steps",
        [
            [DiagramSelector(use=True), PersistenceImage(bandwidth=0.5, resolution=[6, 6])],
            [Landscape(resolution=20)],
        ],
    )
    def test_one_dimension(self, steps):
        X, y = self.samples()
        loops = GraphPersistence(homology_dimensions=1, essential=5.0)
        pipeline = make_pipeline(loops, *steps, LogisticRegression())
        assert pipeline.fit(X, y).score(X, y) == 1.0
        assert cross_val_score(pipeline, X, y, cv=3).min() == 1.0

    def test_several_dimensions(self):
        X, y = self.samples()
        pipeline = make_pipeline(
            GraphPersistence(essential=5.0),
            DimensionSelector(index=1),
            Landscape(resolution=20),
            LogisticRegression(),
        )
        assert pipeline.fit(X, y).score(X, y) == 1.0

    def test_grid_search(self):
        X, y = self.samples()
        pipeline = make_pipeline(
            GraphPersistence(essential=5.0), Landscape(resolution=20), LogisticRegression()
        )
        search = GridSearchCV(pipeline, {"graphpersistence__homology_dimensions": [0, 1]}, cv=3)
        search.fit(X, y)
        assert search.best_params_ == {"graphpersistence__homology_dimensions": 1}
        assert search.best_score_ == 1.0

    def test_clone_and_pickle(self):
        X, _ = self.samples(4)
        persistence = GraphPersistence(homology_dimensions=[0, 1], essential="cap", n_jobs=2)
        expected = persistence.fit_transform(X)
        copies = clone(persistence).fit(X), pickle.loads(pickle.dumps(persistence))
        for copy in copies:
            assert copy.get_params() == persistence.get_params()
            np.testing.assert_array_equal(np.asarray(copy.transform(X)), np.asarray(expected))

    def test_parameters_count_at_the_time_of_fit(self):
        X, _ = self.samples(4)
        persistence = GraphPersistence(homology_dimensions=1).fit(X)
        persistence.set_params(homology_dimensions=(0, 1))
        assert all(isinstance(diagram, np.ndarray) for diagram in persistence.transform(X))

    def test_jobs_do_not_matter(self):
        X, _ = self.samples(6)
        one, two = (GraphPersistence(n_jobs=k).fit_transform(X) for k in (1, 2))
        assert isinstance(two, DiagramList)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


class TestErrors:
    def test_the_sample_is_named(self):
        good, bad = squareform([1.0]), np.array([[0.0, np.nan], [np.nan, 0.0]])
        with pytest.raises(ValueError, match=r"Sample 1: X contains NaN, first at X\[0, 1\]"):
            GraphPersistence().fit_transform([good, bad])

    def test_empty_list(self):
        with pytest.raises(ValueError, match="no graph"):
            GraphPersistence().fit([])

    @pytest.mark.parametrize("dimensions", [[], [0, 0], [-1, 0], [0.5], [True], ["0"]])
    def test_dimensions(self, dimensions):
        with pytest.raises(ValueError, match="several different ones"):
            GraphPersistence(homology_dimensions=dimensions).fit(graphs())

    @pytest.mark.parametrize(
        "options",
        [
            {"homology_dimensions": -1},
            {"weight_map": "sqrt"},
            {"engine": "dionysus"},
            {"max_radius": -1.0},
            {"essential": "forget"},
            {"essential": -1.0},
            {"coeff": 1},
            {"n_jobs": 1.5},
            {"metric_params": 2},
        ],
    )
    def test_parameters(self, options):
        name = next(iter(options))
        with pytest.raises(ValueError, match=f"The '{name}' parameter of GraphPersistence"):
            GraphPersistence(**options).fit(graphs())

    def test_precomputed_is_another_word_for_graphs(self):
        for a, b in zip(
            GraphPersistence("precomputed").fit_transform(graphs()),
            GraphPersistence().fit_transform(graphs()),
            strict=True,
        ):
            assert_same(a, b)

    def test_metric_params_of_graphs(self):
        with pytest.raises(ValueError, match="metric_params is for points"):
            GraphPersistence(metric_params={"p": 1}).fit(graphs())
