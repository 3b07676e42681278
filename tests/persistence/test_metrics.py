"""Reductions of metrics against scikit-learn's distances, in every engine, fit and predict."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from neurotopo import NTCClusterer, merge_tree, persistence_diagrams
from neurotopo.persistence import minimum_spanning_forest
from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.metrics import REDUCIBLE, cross_distances, pairwise, reduction
from tests.support.examples import examples

CASES = [
    ("cosine", None),
    ("correlation", None),
    ("haversine", None),
    ("seuclidean", None),
    ("seuclidean", {"V": [0.5, 2.0, 1.0]}),
    ("mahalanobis", None),
    ("mahalanobis", {"VI": [[2.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 3.0]]}),
    ("minkowski", None),
    ("minkowski", {"p": 1}),
    ("minkowski", {"p": 1.5}),
    ("minkowski", {"p": 3}),
    ("minkowski", {"p": 30, "w": [0.5, 2.0, 0.0]}),
    ("minkowski", {"p": np.inf}),
    ("euclidean", None),
    ("cityblock", None),
    ("chebyshev", None),
]
LOOSE = {"euclidean": 1e-7, "cosine": 1e-15, "correlation": 1e-14, "haversine": 1e-14}
"""Absolute tolerance: scikit-learn expands squares."""


def cloud(rng, n, metric, kind="normal"):
    if metric == "haversine":
        X = np.column_stack([rng.uniform(-1.5, 1.5, n), rng.uniform(-3.1, 3.1, n)])
        return np.round(X, 1) if kind == "grid" else X
    X = rng.normal(size=(n, 3))
    if kind == "grid":
        X = np.round(X * 2)
    if kind == "repeated":
        X = X[rng.integers(0, n // 3 + 1, size=n)]
    if metric == "correlation":
        X[X.max(axis=1) == X.min(axis=1)] = [0.0, 1.0, 2.0]
    return X


def by_sklearn(X, metric, params):
    distances = pairwise_distances(X, metric=metric, **params or {})
    np.fill_diagonal(distances, 0)
    return np.minimum(distances, distances.T)


@examples(200)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(5, 60),
    kind=st.sampled_from(["normal", "grid", "repeated"]),
    case=st.sampled_from(CASES),
    min_samples=st.sampled_from([1, 1, 3]),
)
def test_engines_agree_bit_for_bit_and_with_scikit_learn(seed, n, kind, case, min_samples):
    metric, params = case
    rng = np.random.default_rng(seed)
    X = cloud(rng, n, metric, kind)
    if params is None and metric in ("seuclidean", "mahalanobis"):
        X[:4] = np.vstack([np.eye(3), np.zeros((1, 3))])  # variances above 0
    lengths = pairwise(X, metric, params)
    expected = by_sklearn(X, metric, params)
    if metric == "mahalanobis" and params is None:
        assert np.allclose(lengths, expected, rtol=1e-9)  # scikit-learn inverts the matrix
    else:
        assert np.allclose(lengths, expected, rtol=1e-12, atol=LOOSE.get(metric, 0))
    assert np.array_equal(lengths, lengths.T)
    assert not lengths.diagonal().any()
    options = {"metric": metric, "metric_params": params, "min_samples": min_samples}
    dense = graph_forest(lengths, min_samples=min_samples)
    order = rng.permutation(n)
    engine = "auto" if params and params.get("p") == 30 else "points"
    for forest in (
        minimum_spanning_forest(X, engine=engine, **options),
        minimum_spanning_forest(X[order], engine=engine, n_jobs=2, **options),
        minimum_spanning_forest(X, engine="prim", **options),
    ):
        assert np.array_equal(np.sort(forest.length), np.sort(dense.length))


@pytest.mark.parametrize(("metric", "params"), CASES)
@pytest.mark.parametrize("min_samples", [1, 4])
def test_predict(metric, params, min_samples):
    rng = np.random.default_rng(0)
    X, queries = cloud(rng, 60, metric), cloud(rng, 40, metric)
    options = {"metric": metric, "metric_params": params, "min_samples": min_samples}
    ntc = NTCClusterer.paper(tau=0.2, **options).fit(X)
    assert np.array_equal(ntc.set_params(engine="prim").fit(X).labels_, ntc.labels_)
    given_params = dict(params or {})
    if params is None and metric == "seuclidean":
        given_params = {"V": X.var(axis=0, ddof=1)}
    if params is None and metric == "mahalanobis":
        given_params = {"VI": np.linalg.inv(np.cov(X.T))}
    across = pairwise_distances(queries, X, metric=metric, **given_params)
    assert np.allclose(cross_distances(queries, X, metric, params), across, rtol=1e-9, atol=1e-14)
    same = NTCClusterer.paper(metric="precomputed", tau=0.2, min_samples=min_samples)
    same.fit(pairwise(X, metric, params))
    assert np.array_equal(same.labels_, ntc.labels_)
    expected = same.predict(cross_distances(queries, X, metric, params))
    labels = ntc.predict(queries)
    assert np.array_equal(labels, expected)
    assert set(labels) - {-1}
    assert np.array_equal(ntc.predict(sp.csr_array(queries)), labels)


def test_zero_vectors_are_at_distance_1():
    X = np.array([[1.0, 0], [0, 0], [2, 0], [0, 0], [-1, 0]])
    lengths = pairwise(X, "cosine")
    assert np.allclose(lengths, by_sklearn(X, "cosine", None), rtol=1e-12)
    assert lengths[0, [2, 4]].tolist() == [0, 2]
    across = cross_distances(X, X, "cosine")  # a new zero vector is no sample
    assert np.allclose(across, pairwise_distances(X, X.copy(), metric="cosine"), rtol=1e-12)
    many = np.vstack([X, np.zeros((40, 2))])
    assert reduction(many, "cosine") is None
    assert np.allclose(pairwise(many, "cosine"), by_sklearn(many, "cosine", None), rtol=1e-12)
    with pytest.raises(ValueError, match=r"few zero vectors\); got metric 'cosine'"):
        minimum_spanning_forest(many, metric="cosine", engine="points")


@pytest.mark.parametrize("metric", ["cosine", "correlation", "seuclidean", "mahalanobis"])
@pytest.mark.parametrize("exponent", [-200, 0, 200])
def test_extreme_scales_do_not_matter(metric, exponent):
    X = np.random.default_rng(0).normal(size=(30, 4))
    moved = pairwise(np.ldexp(X, exponent * 3), metric)
    assert np.allclose(moved, pairwise(X, metric), rtol=1e-12, atol=1e-15)


def test_extreme_scales_in_predict():
    X = np.random.default_rng(0).normal(size=(30, 2)) * 1e-220
    ntc = NTCClusterer.paper(tau=0.2).fit(X)
    assert ntc.n_clusters_ > 1
    clustered = ntc.labels_ >= 0
    assert np.array_equal(ntc.predict(X)[clustered], ntc.labels_[clustered])
    assert ntc.predict([[1e200, 0.0]]).tolist() == [-1]


def test_variances_do_not_depend_on_the_order_of_the_samples():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5)) * 10 + 1e5
    order = rng.permutation(400)
    for metric in ("seuclidean", "mahalanobis"):
        lengths = pairwise(X, metric)
        assert np.array_equal(pairwise(X[order], metric), lengths[np.ix_(order, order)])


def test_large_orders_without_underflow():
    X = np.array([[0.0, 0.0], [1e-9, 0.0], [1.0, 1.0]])
    lengths = pairwise(X, "minkowski", {"p": 100})
    assert lengths[0, 1] == 1e-9
    assert np.isclose(lengths[0, 2], 2 ** (1 / 100), rtol=1e-14)


def test_other_metrics_get_their_parameters():
    X = np.random.default_rng(0).normal(size=(30, 3))

    def weighted(a, b, weight=1.0):
        return float(weight * np.abs(a - b).sum())

    double = {"metric": weighted, "metric_params": {"weight": 2.0}}
    expected = merge_tree(2 * X, metric="manhattan").birth
    assert np.allclose(merge_tree(X, **double).birth, expected)
    assert np.allclose(
        persistence_diagrams(X, max_dimension=0, **double)[0][:-1, 1].max(), expected.max()
    )
    ntc = NTCClusterer.paper(rule="gap", **double).fit(X)
    other = NTCClusterer.paper(metric="manhattan", rule="gap").fit(2 * X)
    assert np.array_equal(ntc.labels_, other.labels_)
    for min_samples in (1, 3):
        ntc.set_params(min_samples=min_samples).fit(X)
        other.set_params(min_samples=min_samples).fit(2 * X)
        assert np.array_equal(ntc.predict(X + 0.1), other.predict(2 * (X + 0.1)))
    with pytest.raises(ValueError, match="metric_params changes the tree"):
        ntc.recut(metric_params=None)
    with pytest.raises(ValueError, match="metric_params"):
        NTCClusterer.paper(metric_params=3).fit(X)


@pytest.mark.parametrize(
    ("metric", "params", "message"),
    [
        ("euclidean", {"p": 3}, "'euclidean' has no parameter 'p'; it takes none"),
        ("minkowski", {"q": 3}, "no parameter 'q'; it takes p and w"),
        ("minkowski", {"p": 0.5}, r"p >= 1, got p=0\.5"),
        ("minkowski", {"p": 2, "w": [1.0]}, "w must be 3 finite numbers"),
        ("minkowski", {"p": 2, "w": [1.0, -1, 0]}, "no negative weights"),
        ("seuclidean", {"V": [1.0, 0.0, 2.0]}, "V is 0 in column 1"),
        ("seuclidean", None, "the variance of X is 0 in column 2"),
        ("mahalanobis", None, "covariance of X is not positive definite"),
        ("mahalanobis", {"VI": np.eye(2)}, r"VI must be a finite matrix of shape \(3, 3\)"),
        ("mahalanobis", {"VI": -np.eye(3)}, "V or VI is not positive definite"),
        ("mahalanobis", {"VI": np.eye(3), "V": np.eye(3)}, "V or VI, not both"),
        ("mahalanobis", {"V": np.triu(np.ones((3, 3)))}, "V must be symmetric"),
        ("haversine", None, "takes two columns.*X has 3"),
        ("correlation", None, "constant rows: row 1 of X"),
    ],
)
def test_wrong_parameters_are_named(metric, params, message):
    X = np.array([[1.0, 2, 3], [3, 3, 3], [4, 0, 3]])
    with pytest.raises(ValueError, match=message):
        minimum_spanning_forest(X, metric=metric, metric_params=params)


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError, match="needs two samples"):
        merge_tree([[1.0, 2.0]], metric="seuclidean")


def test_names():
    assert {metric for metric, _ in CASES} <= set(REDUCIBLE)
