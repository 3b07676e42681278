"""Points: the neighbour graph with proofs against the full matrix of distances."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from neurotopo import merge_tree
from neurotopo.persistence import boruvka, minimum_spanning_forest
from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.metrics import pairwise, reduction
from neurotopo.persistence.points import points_forest, prefers_points_engine
from tests.support.examples import examples

METRICS = ["euclidean", "manhattan", "chebyshev"]


def cloud(rng, n, d, kind):
    X = rng.normal(size=(n, d))
    if kind == "grid":  # duplicates and ties
        return np.round(X)
    if kind == "far apart":
        return X + rng.integers(0, 4, size=(n, 1)) * 100
    if kind == "clumps":  # nearly coincident points, far more than are searched for
        return X[rng.integers(0, n // 40 + 1, size=n)] + rng.normal(size=(n, d)) * 1e-9
    if kind == "repeated":
        return np.repeat(X[: n // 30 + 1], 40, axis=0)
    if kind == "uneven":
        return X * np.exp(rng.normal(size=(n, 1)) * 3)
    return X


@examples(250)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 200),
    d=st.sampled_from([1, 2, 3, 5, 20]),
    kind=st.sampled_from(["normal", "grid", "far apart", "clumps", "repeated", "uneven"]),
    exponent=st.sampled_from([0, 0, 0, -150, 150, -250, 250]),
    min_samples=st.sampled_from([1, 1, 2, 5]),
    metric=st.sampled_from(METRICS),
)
def test_forest_of_points_is_minimal(seed, n, d, kind, exponent, min_samples, metric):
    X = cloud(np.random.default_rng(seed), n, d, kind) * 10.0**exponent
    min_samples = min(min_samples, len(X))
    forest = points_forest(X, metric, min_samples=min_samples)
    distances = pairwise(X, metric)
    expected = graph_forest(distances, min_samples=min_samples)
    assert np.array_equal(np.sort(forest.length), np.sort(expected.length))  # bit for bit
    assert (forest.length >= distances[forest.source, forest.target]).all()


@pytest.mark.parametrize("d", [2, 3, 8, 20])
@pytest.mark.parametrize("kind", ["normal", "far apart", "clumps", "uneven"])
@pytest.mark.parametrize("min_samples", [1, 4])
def test_larger_clouds(d, kind, min_samples):
    X = cloud(np.random.default_rng(d), 1500, d, kind)
    forest = points_forest(X, min_samples=min_samples)
    expected = graph_forest(pairwise(X, "euclidean"), min_samples=min_samples)
    assert np.array_equal(np.sort(forest.length), np.sort(expected.length))


def test_a_bad_first_guess_is_put_right(monkeypatch):
    """Two long parallel lines: the neighbour graph never sees the short way across."""
    x = np.linspace(0, 1, 400)
    X = np.concatenate([np.column_stack([x, 0 * x]), np.column_stack([x, 0 * x + 0.3])])
    X[600, 1] = 0.2  # one dent, a little nearer to the first line
    forest = points_forest(X)
    expected = graph_forest(pairwise(X, "euclidean"))
    assert np.array_equal(np.sort(forest.length), np.sort(expected.length))
    assert forest.length.max() < 0.3


def test_many_separate_clumps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))[rng.integers(0, 400, size=4000)] * 100
    X += rng.normal(size=X.shape) * 0.01
    forest = points_forest(X)
    assert np.array_equal(
        np.sort(forest.length), np.sort(graph_forest(pairwise(X, "euclidean")).length)
    )


def test_pairwise_agrees_with_scipy_and_is_symmetric():
    X = np.random.default_rng(0).normal(size=(30, 4))
    for metric in METRICS:
        ours = pairwise(X, metric)
        name = "cityblock" if metric == "manhattan" else metric
        assert np.allclose(ours, cdist(X, X, name), rtol=1e-14, atol=0)
        assert np.array_equal(ours, ours.T)


def test_near_duplicates_keep_their_distance():
    X = np.array([[1e6, 1e6], [1e6 + 1e-9, 1e6], [1e6, 1e6 + 1]])
    gap = X[1, 0] - X[0, 0]
    assert merge_tree(X, metric="euclidean").birth[3] == gap > 0


@pytest.mark.parametrize("engine", ["auto", "prim", "scipy", "gudhi", "ripser", "points"])
def test_engines_agree_on_points(engine):
    X = np.random.default_rng(0).normal(size=(350, 3))
    expected = merge_tree(X, metric="euclidean", engine="prim")
    assert merge_tree(X, metric="euclidean", engine=engine) == expected


@pytest.mark.parametrize("metric", ["cosine", "correlation", "canberra", "hamming", "haversine"])
def test_other_metrics(metric):
    X = np.random.default_rng(0).uniform(0.1, 1, size=(40, 2 if metric == "haversine" else 5))
    from sklearn.metrics import pairwise_distances

    expected = graph_forest(pairwise_distances(X, metric=metric))
    forest = minimum_spanning_forest(X, metric=metric)
    assert np.allclose(np.sort(forest.length), np.sort(expected.length), rtol=1e-12)
    large = prefers_points_engine(reduction(np.resize(X, (2000, X.shape[1])), metric))
    assert large == (metric not in ("canberra", "hamming"))


def test_callable_metric_and_sparse_points():
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[np.abs(X) < 0.5] = 0
    expected = np.sort(minimum_spanning_forest(X, metric="euclidean").length)
    by_call = minimum_spanning_forest(X, metric=lambda a, b: float(np.sqrt(((a - b) ** 2).sum())))
    assert np.allclose(np.sort(by_call.length), expected)
    by_sparse = minimum_spanning_forest(sp.csr_array(X), metric="euclidean")
    assert np.allclose(np.sort(by_sparse.length), expected)


def test_wrong_points_are_named():
    with pytest.raises(ValueError, match=r"takes dense points and one of .* got metric 'canberra'"):
        minimum_spanning_forest(np.zeros((3, 2)), metric="canberra", engine="points")
    with pytest.raises(ValueError, match="NaN"):
        merge_tree(np.array([[np.nan]]), metric="euclidean")
    with pytest.raises(ValueError, match="gave NaN or negative"):
        merge_tree(np.eye(3), metric=lambda a, b: -1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n):
    X = np.arange(n, dtype=float)[:, None]
    assert minimum_spanning_forest(X, metric="euclidean", engine="points").length.tolist() == [
        1.0
    ] * (n - 1)
    assert points_forest(X, min_samples=n + 1).n_components == n


@pytest.mark.parametrize(("metric", "params"), [("euclidean", None), ("minkowski", {"p": 3})])
def test_threads_and_order_do_not_matter(metric, params):
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(5000, 3)), 2)  # several parts of work, many ties
    options = {"metric_params": params, "min_samples": 3}
    forest = points_forest(X, metric, **options)
    for n_jobs in (2, -1):
        other = points_forest(X, metric, n_jobs=n_jobs, **options)
        assert np.array_equal(forest.source, other.source)
        assert np.array_equal(forest.target, other.target)
        assert np.array_equal(forest.length, other.length)
    shuffled = points_forest(X[rng.permutation(len(X))], metric, **options)
    assert np.array_equal(np.sort(forest.length), np.sort(shuffled.length))


@pytest.mark.parametrize("n_values", [1, 3])
def test_many_equal_points(n_values):
    X = np.repeat(np.arange(n_values)[:, None] * [1.0, 2.0], 30_000 // n_values, axis=0)
    forest = points_forest(X)
    expected = np.append(np.zeros(len(X) - n_values), np.full(n_values - 1, np.sqrt(5.0)))
    assert np.array_equal(np.sort(forest.length), expected)


def test_compiled_code_works_where_no_folder_can_be_written(monkeypatch):
    def without_cache(function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(function, **options)

    monkeypatch.setattr(boruvka, "njit", without_cache)
    assert boruvka.compiled(lambda x: x + 1)(2) == 3
