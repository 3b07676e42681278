"""p_values_ and significant_ of a fitted clusterer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from neurotopo import NTCClusterer
from neurotopo.persistence import mode_test, permutation_test
from tests.support.oracles import symmetric

HDBSCAN = {"rule": "mass", "condense": True, "min_cluster_size": 5, "min_samples": 5}


def three_blobs(seed=0):
    return make_blobs(150, centers=[[0, 0], [8, 0], [0, 8]], random_state=seed)


@pytest.mark.parametrize("params", [{}, {"nested": True, "tau": 0.2}, HDBSCAN])
def test_p_values_of_any_rule_are_those_of_its_clusters(params):
    X, _ = three_blobs()
    ntc = NTCClusterer.paper(**params).fit(X)
    assert ntc.n_clusters_ >= 2
    for members, p_value in zip(ntc.clusters_, ntc.p_values_, strict=True):
        alone = np.where(np.isin(np.arange(len(X)), members), 0, -1)
        assert mode_test(X, alone).p_values.tolist() == pytest.approx([p_value])
    assert np.array_equal(ntc.significant_, ntc.p_values_ <= 0.05)
    assert ntc.significant_[:2].all()


@pytest.mark.filterwarnings("ignore:.*of the samples are in no cluster")
def test_rule_keeps_the_significant_clusters_and_nothing_in_noise():
    X, truth = three_blobs(1)
    ntc = NTCClusterer.paper(rule="significance", tau=0.01).fit(X)
    assert ntc.n_clusters_ == 3
    assert ntc.significant_.all()
    assert (ntc.p_values_ <= 0.01).all()
    assert adjusted_rand_score(truth, ntc.labels_) > 0.8
    for seed in range(10):
        noise = np.random.default_rng(seed).random((300, 2))
        assert ntc.fit(noise).n_clusters_ == 0
        assert len(ntc.p_values_) == len(ntc.significant_) == 0


def test_a_dense_blob_in_a_uniform_background_has_one_mode():
    rng = np.random.default_rng(5)
    X = np.vstack([rng.normal(0.5, 0.03, size=(100, 2)), rng.random((100, 2))])
    ntc = NTCClusterer.paper(**HDBSCAN).fit(X)
    assert not ntc.significant_.any()


def test_values_are_kept_and_forgotten_by_recut_and_fit(monkeypatch):
    X, _ = three_blobs()
    ntc = NTCClusterer.paper().fit(X)
    first = ntc.p_values_
    calls = []
    monkeypatch.setattr("neurotopo.cluster.cluster_tests.test_clusters", lambda *a: calls.append(a))
    assert np.array_equal(ntc.p_values_, first)
    assert ntc.significant_.all()
    assert not calls
    monkeypatch.undo()
    with pytest.raises(ValueError, match="scale"):
        ntc.recut(scale="sqrt", rule="significance", tau=1e-9)
    assert np.array_equal(ntc.p_values_, first)
    assert ntc.significant_.all()
    assert ntc.to_frame()["p_value"].tolist() == first.tolist()
    ntc.recut(nested=True, tau=0.1)
    assert "p_value" not in ntc.to_frame()
    assert len(ntc.p_values_) == ntc.n_clusters_ > 2
    with pytest.raises(NotFittedError):
        clone(ntc).p_values_  # noqa: B018


def test_parameters_set_after_fit_do_not_change_the_test():
    X, _ = three_blobs()
    ntc = NTCClusterer.paper(random_state=0).fit(X)
    expected = clone(ntc).fit(X).p_values_
    ntc.set_params(metric="manhattan", min_cluster_size=9, tau=3.0)
    assert np.array_equal(ntc.p_values_, expected)


def test_order_of_the_points_does_not_matter():
    X = three_blobs()[0].round(1)  # with ties
    order = np.random.default_rng(0).permutation(len(X))
    one, other = (NTCClusterer.paper(nested=True, tau=0.2).fit(Z) for Z in (X, X[order]))
    assert np.array_equal(np.sort(one.p_values_), np.sort(other.p_values_))


def test_objects_and_missing_values_are_points():
    X, _ = three_blobs()
    words = ["a" * int(10 * abs(x)) + "b" * int(10 * abs(y)) for x, y in X[:60]]
    ntc = NTCClusterer.paper(lambda a, b: abs(len(a) - len(b))).fit(words)
    assert len(ntc.p_values_) == ntc.n_clusters_
    holes = X.copy()
    holes[0, 0] = np.nan
    ntc = NTCClusterer.paper("nan_euclidean").fit(holes)
    assert ntc.significant_.any()


def test_graphs_are_tested_by_permutations_with_any_rule():
    rng = np.random.default_rng(4)
    weights = np.abs(rng.normal(size=(40, 40)))
    weights[:14, :14] *= 10
    lengths = symmetric(1 / weights)
    ntc = NTCClusterer.paper("precomputed", tau=0.9, random_state=3).fit(lengths)
    test = permutation_test(lengths, random_state=3)
    where = np.searchsorted(test.clusters.node, ntc.nodes_)
    assert np.array_equal(ntc.p_values_, test.p_values[where])
    assert np.array_equal(ntc.significant_, test.discoveries(0.05)[where])


def test_precomputed_distances_of_points_cause_a_warning():
    X, _ = three_blobs()
    ntc = NTCClusterer.paper("precomputed", random_state=0).fit(cdist(X, X))
    with pytest.warns(UserWarning, match="distances of points"):
        ntc.p_values_  # noqa: B018
    with warnings.catch_warnings():  # lengths between 1 and 2 obey it in any order
        warnings.simplefilter("error")
        lengths = symmetric(1 + np.random.default_rng(0).random((30, 30)))
        NTCClusterer.paper("precomputed", random_state=0).fit(lengths).p_values_  # noqa: B018
