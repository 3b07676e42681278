"""PointCloudPersistence: what it takes, and what is as in GraphPersistence."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from gudhi.representations import Landscape
from gudhi.sklearn import RipsPersistence
from scipy.spatial.distance import pdist, squareform
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from neurotopo import GraphPersistence, PointCloudPersistence, persistence_diagrams
from neurotopo.persistence import DiagramList

# Most checks of scikit-learn pass a table, which is refused: it would be one cloud. These do not.
CHECKS = [
    checks.check_estimator_cloneable,
    checks.check_estimator_repr,
    checks.check_get_params_invariance,
    checks.check_mixin_order,
    checks.check_no_attributes_set_in_init,
    checks.check_parameters_default_constructible,
    checks.check_set_params,
    checks.check_valid_tag_types,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sklearn_checks(check):
    check("PointCloudPersistence", PointCloudPersistence())


def clouds():
    return [np.random.default_rng(s).normal(size=(12 + s, 2 + s)) for s in range(3)]


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        ("euclidean", None),
        ("minkowski", {"p": 3}),
        ("seuclidean", None),
        ("mahalanobis", {"VI": np.diag([1.0, 4.0])}),
        (lambda a, b: abs(a - b).max(), None),
    ],
)
@pytest.mark.parametrize("dimensions", [0, (0, 1), [1]])
def test_diagrams_are_those_of_each_cloud(metric, params, dimensions):
    X = [np.random.default_rng(s).normal(size=(12 + s, 2)) for s in range(3)]
    ours = PointCloudPersistence(metric, dimensions, metric_params=params).fit_transform(X)
    assert isinstance(ours, DiagramList)
    assert_same(
        [np.vstack(entry) if isinstance(entry, list) else entry for entry in ours],
        [
            np.vstack([persistence_diagrams(x, metric, metric_params=params)[d] for d in wanted])
            for x in X
            for wanted in [np.ravel(dimensions)]
        ],
    )
    same = GraphPersistence(metric, dimensions, metric_params=params).fit_transform(X)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(same))


def test_equal_to_gudhi():
    theirs = RipsPersistence([0, 1]).fit_transform(clouds())
    for a, b in zip(PointCloudPersistence().fit_transform(clouds()), theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y[np.lexsort((y[:, 1], y[:, 0]))])


def test_forms_of_the_input():
    X = np.random.default_rng(0).normal(size=(4, 9, 3))
    expected = PointCloudPersistence().fit_transform(list(X))
    for form in (X, X.tolist(), tuple(X), [sp.csr_array(x) for x in X]):
        for a, b in zip(PointCloudPersistence().fit_transform(form), expected, strict=True):
            for one, other in zip(a, b, strict=True):
                np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("essential", ["keep", "drop", "cap", 1.5])
def test_essential_bars(essential):
    X = [[[0.0], [1.0], [3.0]]]
    (h0,) = PointCloudPersistence(homology_dimensions=0, essential=essential).fit_transform(X)
    ends = {"keep": [1, 2, np.inf], "drop": [1, 2], "cap": [1, 2, 3], 1.5: [1, 1.5, 2]}
    assert h0[:, 1].tolist() == ends[essential]


def test_the_cap_follows_the_metric_params():
    options = {"metric_params": {"p": 1}, "essential": "cap"}
    (h0,) = PointCloudPersistence("minkowski", 0, **options).fit_transform([[[0, 0], [3, 4]]])
    assert h0.tolist() == [[0, 7], [0, 7]]


def test_the_order_of_the_points_does_not_matter():
    X = np.random.default_rng(1).integers(0, 4, size=(20, 2)).astype(float)
    moved = X[np.random.default_rng(2).permutation(20)]
    assert_same(*PointCloudPersistence().fit_transform([X, moved]))


class TestErrors:
    def test_one_cloud(self):
        for X in (np.zeros((5, 2)), [[0.0, 1.0], [2.0, 3.0]]):
            with pytest.raises(ValueError, match=r"list of arrays of points.* pass \[X\]"):
                PointCloudPersistence().fit(X)

    @pytest.mark.parametrize("metric", [None, 2])
    def test_metric(self, metric):
        with pytest.raises(ValueError, match="'metric' parameter of PointCloudPersistence"):
            PointCloudPersistence(metric).fit(clouds())

    def test_distances(self):
        with pytest.raises(ValueError, match=r"for matrices of distances use GraphPersistence\(\)"):
            PointCloudPersistence("precomputed").fit([squareform(pdist(clouds()[0]))])

    def test_the_cloud_is_named(self):
        bad = np.array([[0.0, np.nan]])
        with pytest.raises(ValueError, match=r"Sample 1: .*NaN"):
            PointCloudPersistence().fit_transform([clouds()[0], bad])
        with pytest.raises(ValueError, match=r"Sample 0: .*no parameter 'q'"):
            PointCloudPersistence("minkowski", metric_params={"q": 1}).fit_transform(clouds())

    def test_no_clouds(self):
        with pytest.raises(ValueError, match="0 sample"):
            PointCloudPersistence().fit([])


def circles(n=24):
    rng = np.random.default_rng(0)
    X, y = [], []
    for k in range(n):
        angle = rng.uniform(0, 2 * np.pi, 25)
        radius = 1.0 if k % 2 else np.sqrt(rng.uniform(size=25))
        X.append(np.column_stack([np.cos(angle), np.sin(angle)]) * np.reshape(radius, (-1, 1)))
        y.append(k % 2)
    return X, np.array(y)


def test_grid_search_in_a_pipeline():
    X, y = circles()
    pipeline = make_pipeline(
        PointCloudPersistence(essential="cap"), Landscape(resolution=20), LogisticRegression()
    )
    grid = {"pointcloudpersistence__homology_dimensions": [0, 1]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"pointcloudpersistence__homology_dimensions": 1}
    assert search.best_score_ > 0.9


def test_the_contract_of_a_transformer():
    X, y = circles(4)
    kept = [x.copy() for x in X]
    persistence = PointCloudPersistence()
    with pytest.raises(NotFittedError):
        persistence.transform(X)
    before = persistence.get_params()
    assert persistence.fit(X, y) is persistence
    assert persistence.get_params() == before
    expected = persistence.transform(X)
    for x, back in zip(X, kept, strict=True):
        np.testing.assert_array_equal(x, back)
    for k in (3, 1, 0, 2):  # in any order, one by one, fitted to anything
        for one, other in zip(
            persistence.fit(X[:1]).transform([X[k]])[0], expected[k], strict=True
        ):
            np.testing.assert_array_equal(one, other)
    assert persistence.homology_dimensions_ == (0, 1)


def test_clone_pickle_and_jobs():
    X, _ = circles(4)
    persistence = PointCloudPersistence("minkowski", metric_params={"p": 3}, n_jobs=2).fit(X)
    expected = np.asarray(clone(persistence).set_params(n_jobs=1).fit_transform(X))
    for copy in (persistence, pickle.loads(pickle.dumps(persistence))):
        np.testing.assert_array_equal(np.asarray(copy.transform(X)), expected)
