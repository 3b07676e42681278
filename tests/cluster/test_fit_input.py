"""What NTCClusterer takes with metric="precomputed": graphs, weights, and queries in predict."""

from __future__ import annotations

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.base import clone
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurotopo import NTCClusterer


@parametrize_with_checks([NTCClusterer.paper(metric="nan_euclidean")])
def test_sklearn_checks(estimator, check):
    check(estimator)


def points(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) + 6 * np.eye(3)[rng.integers(0, 3, size=n)]


def precomputed(**options):
    return NTCClusterer.paper(metric="precomputed", **options)


def test_predict_from_neighbours():
    X, new = points(), points(8, 1)
    ntc = precomputed().fit(squareform(pdist(X)))
    expected = ntc.predict(cdist(new, X))
    found = NearestNeighbors(n_neighbors=len(X)).fit(X).kneighbors(new)
    assert ntc.predict(found).tolist() == expected.tolist()
    assert ntc.predict(found[::-1]).tolist() == expected.tolist()
    with pytest.raises(ValueError, match="has the neighbour 30, but there are 30 samples"):
        ntc.predict((np.array([[30]]), np.array([[1.0]])))


@pytest.mark.parametrize("name", ["one_minus", "inverse", "neglog"])
def test_predict_from_weights(name):
    X, new = points(), points(9, 2)
    W, rows = np.abs(cosine_similarity(X)), np.abs(cosine_similarity(new, X))
    top = W[~np.eye(len(W), dtype=bool)].max()
    formula = {
        "one_minus": lambda w: 1 - w,
        "inverse": lambda w: 1 / w,
        "neglog": lambda w: -np.log(np.minimum(w / top, 1)),
    }[name]
    D = formula(W)
    np.fill_diagonal(D, 0)
    same = precomputed().fit(D)
    for form in (np.asarray, sp.csr_array):
        ntc = precomputed(lengths=name).fit(form(W))
        np.testing.assert_allclose(ntc.merge_tree_.birth, same.merge_tree_.birth, atol=1e-12)
        assert ntc.predict(form(rows)).tolist() == same.predict(formula(rows)).tolist()
        own = ntc.predict(W)  # a sample is as near to itself as the nearest pair, or nearer
        assert (own[ntc.labels_ >= 0] == ntc.labels_[ntc.labels_ >= 0]).all()
        copy = pickle.loads(pickle.dumps(ntc))
        assert copy.predict(rows).tolist() == ntc.predict(rows).tolist()


def test_names_of_features():
    D = pd.DataFrame(squareform(pdist(points(4))), columns=list("abcd"))
    for options in ({}, {"lengths": "inverse"}, {"symmetrize": "max"}):
        ntc = precomputed(**options).fit(D)
        assert ntc.feature_names_in_.tolist() == list("abcd")
        assert ntc.n_features_in_ == 4
        ntc.predict(D)
        with pytest.raises(ValueError, match="feature names should match"):
            ntc.predict(D[list("bacd")])
    ntc.fit(nx.path_graph(7))
    assert ntc.n_features_in_ == 7
    assert not hasattr(ntc, "feature_names_in_")
    with pytest.raises(ValueError, match="expecting 7 features"):
        ntc.predict(np.ones((2, 3)))


def test_parameters_that_need_fit():
    ntc = precomputed().fit(nx.path_graph(5))
    for name, value in (("symmetrize", "max"), ("lengths", "inverse")):
        with pytest.raises(ValueError, match=f"{name} changes the tree"):
            ntc.recut(**{name: value})
    for options in ({"symmetrize": "avg"}, {"lengths": "inverted"}, {"lengths": 3}):
        with pytest.raises(ValueError, match=f"The '{next(iter(options))}' parameter"):
            precomputed(**options).fit(nx.path_graph(5))
    assert clone(precomputed(lengths="neglog", symmetrize="min")).lengths == "neglog"


def test_significance_uses_the_graph_that_was_read():
    A = kneighbors_graph(points(), 6, mode="distance")
    ntc = NTCClusterer(
        metric="precomputed", rule="significance", tau=0.05, symmetrize="max", random_state=0
    ).fit(A)
    symmetric = A.maximum(A.T)  # of equal distances, or one and nothing
    same = NTCClusterer(metric="precomputed", rule="significance", tau=0.05, random_state=0)
    assert np.array_equal(ntc.labels_, same.fit(symmetric).labels_)
    np.testing.assert_array_equal(ntc.p_values_, same.p_values_)
