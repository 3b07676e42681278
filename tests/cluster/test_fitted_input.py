"""What a fitted clusterer keeps of X: later changes of X by the caller change nothing."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_blobs
from sklearn.metrics import pairwise_distances

from neurotopo import NTCClusterer
from neurotopo.cluster.fitted_input import FittedInput, checksum
from neurotopo.persistence.metrics import pairwise


def answers(ntc, queries):
    """Everything that needs the samples."""
    return [
        ntc.predict(queries).tolist(),
        ntc.medoids_.tolist(),
        ntc.assign().tolist(),
        ntc.recut(rule="significance", tau=0.9, random_state=0).p_values_.tolist(),
    ]


@pytest.mark.parametrize("kind", ["points", "sparse points", "dense", "sparse", "coo"])
def test_changes_after_fit_have_no_effect(kind):
    X, _ = make_blobs(40, centers=3, random_state=1)
    queries = X[:7] + 0.1
    metric = "euclidean"
    if kind == "sparse points":
        X = sp.csr_array(X)
    elif kind != "points":
        metric = "precomputed"
        queries, X = pairwise_distances(queries, X), pairwise(X, "euclidean")
        if kind != "dense":
            X = sp.coo_array(X)
            X = X if kind == "coo" else X.tocsr()
    ntc = NTCClusterer.paper(metric, min_samples=3, scale="log").fit(X)
    expected = answers(ntc, queries)
    ntc = NTCClusterer.paper(metric, min_samples=3, scale="log").fit(X)
    (X if isinstance(X, np.ndarray) else X.data)[:] = 1.0
    assert answers(ntc, queries) == expected


def test_parameters_of_the_metric_are_kept():
    X, _ = make_blobs(40, centers=3, random_state=1)
    params = {"p": 3.0, "w": np.array([1.0, 2.0])}
    ntc = NTCClusterer.paper("minkowski", metric_params=params).fit(X)
    expected = ntc.predict(X + 1.0).tolist(), ntc.medoids_.tolist()
    ntc = NTCClusterer.paper("minkowski", metric_params=params).fit(X)
    params["w"][:] = [1e3, 1e-3]
    assert (ntc.predict(X + 1.0).tolist(), ntc.medoids_.tolist()) == expected


def test_a_large_matrix_is_checked(monkeypatch):
    monkeypatch.setattr("neurotopo.cluster.fitted_input._COPIED", 100)
    X, _ = make_blobs(40, centers=3, random_state=1)
    D = pairwise(X, "euclidean")
    ntc = NTCClusterer.paper("precomputed", min_samples=3).fit(D)
    assert ntc._fit_X is D
    assert np.array_equal(ntc.predict(D), ntc.labels_)
    medoids = ntc.medoids_.tolist()
    again = pickle.loads(pickle.dumps(ntc)).recut(tau=0.4)
    assert len(again.medoids_) == again.n_clusters_
    D[3, 4] += 1e-12
    assert ntc.medoids_.tolist() == medoids  # already known
    ntc.recut(tau=0.4)
    with pytest.raises(ValueError, match="X was changed after fit"):
        ntc.medoids_  # noqa: B018
    D[3, 4] -= 1e-12
    ntc.fit(D)
    order = np.random.default_rng(0).permutation(40)
    D[:] = D[np.ix_(order, order)]
    with pytest.raises(ValueError, match="X was changed after fit"):
        ntc.predict(D)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, np.longdouble])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_entry_counts_in_the_checksum(dtype, order):
    X = np.array(np.random.default_rng(0).integers(1, 9, size=(7, 7)), dtype=dtype, order=order)
    before = checksum(X)
    assert checksum(X.copy(order="K")) == before
    for i, j in np.ndindex(X.shape):
        changed = X.copy(order="K")
        changed[i, j] += 1
        assert checksum(changed) != before
    assert checksum(X[::-1]) != before
    kept = FittedInput(X, "precomputed", None)
    assert kept.n_samples == 7
    assert kept.samples is not X


def test_objects_are_copied_with_what_is_inside():
    series = np.empty(2, dtype=object)
    series[:] = [np.array([1.0, 2.0]), np.array([3.0])]
    kept = FittedInput(series, len, None)
    series[0][:] = 9.0
    assert kept.samples[0].tolist() == [1.0, 2.0]


def test_a_function_is_called_once_for_each_pair():
    calls = []

    def gap(a, b):
        calls.append((a, b))
        return abs(len(a) - len(b))

    words = ["a" * int(k) for k in np.random.default_rng(0).integers(1, 400, size=30)]
    ntc = NTCClusterer(gap, tau=0).fit(words)
    assert len(calls) == 30 * 29 // 2
    ntc.recut(tau=None)
    assert ntc.recut(n_clusters=2).n_clusters_ == 2
    assert len(calls) == 30 * 29 // 2
