"""NTCClusterer as an estimator."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurotopo import NTCClusterer
from neurotopo.cluster.selection import RULES
from neurotopo.persistence import permutation_test
from neurotopo.persistence.engines import core_distances
from neurotopo.persistence.metrics import pairwise
from tests.support.checks import valid_clustering
from tests.support.examples import examples
from tests.support.oracles import as_sparse, naive_clusters, symmetric, weighted_graphs


@parametrize_with_checks(
    [
        NTCClusterer(),
        NTCClusterer(n_clusters=2, min_samples=3),
        NTCClusterer.paper(),
        NTCClusterer.paper(min_samples=3, condense=True, rule="mass", min_cluster_size=3),
        NTCClusterer.paper(scale="log", nested=True, rule="gap", engine="prim"),
        NTCClusterer.paper(metric="manhattan", rule="absolute", tau=0.2, engine="points"),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def canonical(labels):
    """Labels renumbered by first appearance."""
    names = {-1: -1}
    return [names.setdefault(label, len(names) - 1) for label in labels.tolist()]


@examples(300)
@given(
    lengths=weighted_graphs(25),
    rule=st.sampled_from([r for r in RULES if r != "significance"]),
    tau=st.floats(0, 1),
    scale=st.sampled_from(["difference", "log"]),
    size=st.integers(1, 5),
    nested=st.booleans(),
    condense=st.booleans(),
    sparse=st.booleans(),
    min_samples=st.integers(1, 4),
    max_radius=st.sampled_from([None, None, 0.0, 0.5, 3.0]),
)
def test_fitted_attributes_fit_together(lengths, sparse, **params):
    size = params.pop("size")
    ntc = NTCClusterer.paper(metric="precomputed", min_cluster_size=size, **params)
    valid_clustering(ntc.fit(as_sparse(lengths) if sparse else lengths), len(lengths))


@examples(200)
@given(lengths=weighted_graphs(25), tau=st.floats(0, 0.99))
def test_the_papers_rule_against_the_definition(lengths, tau):
    ntc = NTCClusterer.paper(metric="precomputed", tau=tau, nested=True).fit(lengths)
    clusters = naive_clusters(lengths)
    end = max((birth for birth, _ in clusters.values()), default=0.0)
    persistence = {c: min(death, end) - birth for c, (birth, death) in clusters.items()}
    tau1 = tau * max(persistence.values(), default=0.0)
    expected = {c: p for c, p in persistence.items() if p > tau1}
    persistences = {
        frozenset(c.tolist()): p for c, p in zip(ntc.clusters_, ntc.persistence_, strict=True)
    }
    assert persistences == expected
    assert sorted(map(tuple, ntc.diagram_.tolist())) == sorted(clusters.values())


@examples(400)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(10, 120),
    d=st.integers(1, 4),
    spread=st.sampled_from([0.0, 2.0, 5.0]),
    size=st.integers(2, 8),
    min_samples=st.integers(1, 4),
)
def test_hdbscan_is_one_setting(seed, n, d, spread, size, min_samples):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + spread * rng.integers(0, 3, size=(n, 1))
    ours = NTCClusterer.paper(
        min_cluster_size=size, min_samples=min_samples, condense=True, rule="mass"
    ).fit(X)
    # Core distances of three samples or more tie lengths, and HDBSCAN settles ties by the order
    # of the samples; where none occur the labels have to be the same.
    assume(ours.merge_tree_.n_clusters == n - 1)
    peer = HDBSCAN(min_cluster_size=size, min_samples=min_samples, copy=True).fit(X)
    assert canonical(ours.labels_) == canonical(peer.labels_)


@examples(100)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(10, 100),
    size=st.integers(2, 8),
    min_samples=st.integers(3, 9),
)
def test_hdbscan_is_one_setting_once_its_ties_are_broken(seed, n, size, min_samples):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + 3 * rng.integers(0, 3, size=(n, 1))
    lengths = pairwise(X, "euclidean")
    core = core_distances(lengths, min(min_samples, n))
    smooth = np.maximum(lengths, np.maximum.outer(core, core))
    distinct = symmetric(smooth * (1 + 1e-9 * rng.random(smooth.shape)))
    ours = NTCClusterer.paper("precomputed", min_cluster_size=size, condense=True, rule="mass")
    peer = HDBSCAN(metric="precomputed", min_cluster_size=size, min_samples=1, copy=True)
    assert canonical(ours.fit_predict(distinct)) == canonical(peer.fit_predict(distinct))


def test_tied_lengths_give_one_answer_in_any_order():
    rng = np.random.default_rng(0)
    X, _ = make_blobs(300, centers=4, random_state=0)
    ntc = NTCClusterer.paper(condense=True, rule="mass", min_cluster_size=5, min_samples=5)
    labels = ntc.fit_predict(X)
    for _ in range(5):
        order = rng.permutation(len(X))
        again = np.empty_like(labels)
        again[order] = ntc.fit_predict(X[order])
        assert canonical(again) == canonical(labels)


def test_hdbscan_setting_on_a_graph_that_hdbscan_refuses():
    X, _ = make_blobs(60, centers=[[0, 0], [50, 50]], random_state=0)
    far = pairwise_distances(X)
    lengths = as_sparse(np.where(far < 20, far, np.inf))
    with pytest.raises(ValueError, match="connected component"):
        HDBSCAN(metric="precomputed", min_samples=3, copy=True).fit(lengths.tocsr())
    ntc = NTCClusterer.paper(
        "precomputed", condense=True, rule="mass", min_cluster_size=5, min_samples=3
    )
    labels = ntc.fit_predict(lengths)
    assert canonical(labels) == canonical(HDBSCAN(min_samples=3, copy=True).fit_predict(X))


def test_rules_on_separate_components():
    lengths = np.full((6, 6), np.inf)
    for i, j, x in [(0, 1, 1.0), (1, 2, 1.5), (3, 4, 2.0), (4, 5, 4.0)]:
        lengths[i, j] = x
    ntc = NTCClusterer.paper(metric="precomputed").fit(symmetric(lengths))
    assert ntc.end_of_observation_ == 4.0
    assert ntc.clusters_[0].tolist() == [0, 1, 2]
    assert ntc.death_[0] == np.inf
    assert ntc.persistence_.tolist() == [2.5, 2.0]
    assert ntc.labels_.tolist() == [0, 0, 0, 1, 1, -1]


def test_nested_clusters_come_behind_the_disjoint_family():
    X = np.array([0, 1, 4, 7, 20.0])[:, None]
    ntc = NTCClusterer.paper(tau=0.1, nested=True).fit(X)
    assert [c.tolist() for c in ntc.clusters_] == [[0, 1, 2, 3], [0, 1]]
    assert ntc.labels_.tolist() == [0, 0, 0, 0, -1]
    assert ntc.n_clusters_ == 2


def test_min_cluster_size_1_admits_single_samples():
    X = np.array([0, 1, 10.0])[:, None]
    ntc = NTCClusterer.paper(min_cluster_size=1).fit(X)
    assert [c.tolist() for c in ntc.clusters_] == [[2], [0, 1]]
    assert ntc.persistence_.tolist() == [9.0, 8.0]
    assert ntc.probabilities_.tolist() == [1.0, 1.0, 1.0]


def test_probabilities_and_outlier_scores_by_hand():
    # 0 and 1 meet at 1, 2 joins at 2, 3 at 6, 4 at 30
    X = np.array([0, 1, 3, 9, 39.0])[:, None]
    ntc = NTCClusterer.paper().fit(X)
    assert ntc.labels_.tolist() == [0, 0, 0, 0, -1]
    assert ntc.probabilities_ == pytest.approx([1, 1, 28 / 29, 24 / 29, 0])
    assert ntc.outlier_scores_ == pytest.approx([0, 0, 1 - 1 / 2, 1 - 1 / 6, 1 - 1 / 30])
    log = NTCClusterer.paper(scale="log").fit(X)
    assert log.labels_.tolist() == [0, 0, 0, 0, -1]
    assert log.probabilities_[3] == pytest.approx(np.log(30 / 6) / np.log(30 / 1))


def test_recut_equals_a_new_fit():
    X, _ = make_blobs(80, random_state=1)
    fitted = NTCClusterer.paper(random_state=0).fit(X)
    for params in (
        {"tau": 0.1},
        {"rule": "gap"},
        {"rule": "absolute", "tau": 1.0, "scale": "log"},
        {"rule": "mass", "condense": True, "min_cluster_size": 5},
        {"max_radius": 1.5, "rule": "relative"},
        {"max_radius": None, "nested": True, "condense": False},
        {"rule": "significance", "tau": 0.05},
    ):
        again = fitted.recut(**params)
        assert again is fitted
        new = clone(fitted).fit(X)
        for name in ("labels_", "persistence_", "diagram_", "probabilities_", "outlier_scores_"):
            assert np.array_equal(getattr(fitted, name), getattr(new, name)), (params, name)
        assert fitted.merge_tree_ == new.merge_tree_


def test_recut_refuses_what_it_cannot_do():
    with pytest.raises(NotFittedError):
        NTCClusterer.paper().recut(tau=0.1)
    fitted = NTCClusterer.paper().fit([[0.0], [1.0], [5.0]])
    for name, value in (("metric", "cosine"), ("engine", "prim"), ("min_samples", 3)):
        with pytest.raises(ValueError, match=f"{name} changes the tree"):
            fitted.recut(**{name: value})
    with pytest.raises(ValueError, match="tau"):
        fitted.recut(tau=-1)
    assert fitted.tau == 0.5  # a refused call leaves no trace
    with pytest.raises(ValueError, match="Invalid parameter"):
        fitted.recut(tau=0.9, colour="red")
    with pytest.raises(ValueError, match="n_jobs"):
        fitted.recut(tau=0.9, n_jobs=0)
    assert (fitted.tau, fitted.n_jobs) == (0.5, None)


@pytest.mark.parametrize("min_samples", [1, 3])
@pytest.mark.parametrize("rule", ["relative", "mass"])
def test_predict_gives_the_samples_their_own_labels(min_samples, rule):
    X, _ = make_blobs(120, centers=4, random_state=3)
    options = {"min_samples": min_samples, "rule": rule, "min_cluster_size": 4}
    ntc = NTCClusterer.paper(condense=rule == "mass", **options).fit(X)
    assert ntc.n_clusters_ > 1
    assert np.array_equal(ntc.predict(X), ntc.labels_)
    matrix = pairwise_distances(X)
    by_matrix = NTCClusterer.paper("precomputed", condense=rule == "mass", **options)
    by_matrix.fit(np.minimum(matrix, matrix.T))
    assert np.array_equal(by_matrix.predict(matrix), by_matrix.labels_)


def test_predict_new_points():
    X = np.array([0, 0.1, 5, 5.1, 9.0])[:, None]
    ntc = NTCClusterer.paper().fit(X)
    assert ntc.labels_.tolist() == [0, 0, 1, 1, -1]
    new = np.array([-4.89, -4.91, 2.4, 2.6, 8.9, 9.1])[:, None]
    assert ntc.predict(new).tolist() == [0, -1, 0, 1, 1, -1]
    assert ntc.predict(sp.csr_array(new)).tolist() == ntc.predict(new).tolist()
    nothing = NTCClusterer.paper(tau=1.0).fit(X)
    assert nothing.predict(new).tolist() == [-1] * 6
    with pytest.raises(NotFittedError):
        NTCClusterer.paper().predict(new)
    with pytest.raises(ValueError, match="features"):
        ntc.predict(np.zeros((2, 3)))


def as_sparse_rows(queries):
    rows, columns = np.nonzero(np.isfinite(queries))
    return sp.coo_array((queries[rows, columns], (rows, columns)), shape=queries.shape)


def test_predict_from_distances_to_the_samples():
    lengths = symmetric(np.array([[0, 1, 9.0], [0, 0, 9.0], [0, 0, 0]]))
    ntc = NTCClusterer.paper(metric="precomputed").fit(lengths)
    assert ntc.labels_.tolist() == [0, 0, -1]
    queries = np.array([[8.0, np.inf, 0.1], [9.5, 9.5, 0.1], [np.inf] * 3])
    assert ntc.predict(queries).tolist() == [0, -1, -1]
    sparse = sp.coo_array(([5.0, 3.0, 0.1], ([0, 0, 0], [0, 0, 2])), shape=(2, 3))
    with pytest.warns(UserWarning, match="repeated entries"):  # they are added: 8
        assert ntc.predict(sparse).tolist() == [0, -1]
    assert ntc.predict(sp.lil_array(np.array([[8.0, 0, 0.1], [0, 0, 0]]))).tolist() == [0, -1]
    with pytest.raises(ValueError, match="non-negative"):
        ntc.predict(np.array([[1.0, np.nan, 2.0]]))
    parallel = sp.coo_array(([1.0, np.nan], ([0, 0], [0, 0])), shape=(2, 3))
    with pytest.raises(ValueError, match="non-negative"):
        ntc.predict(parallel)


@pytest.mark.parametrize("min_samples", [1, 3])
def test_predict_from_a_few_distances_at_a_time(monkeypatch, min_samples):
    rng = np.random.default_rng(0)
    group = np.arange(30) % 3
    lengths = symmetric(rng.random((30, 30)) + 2 * (group[:, None] != group))
    ntc = NTCClusterer.paper("precomputed", min_samples=min_samples).fit(lengths)
    queries = np.where(rng.random((50, 30)) < 0.5, rng.random((50, 30)), np.inf)
    expected = ntc.predict(queries)
    monkeypatch.setattr("neurotopo.cluster.membership._AT_ONCE", 100)
    assert len(set(expected.tolist())) > 2
    assert np.array_equal(ntc.predict(queries), expected)
    assert np.array_equal(ntc.predict(as_sparse_rows(queries)), expected)


def test_tags():
    assert get_tags(NTCClusterer.paper()).input_tags.sparse
    assert not get_tags(NTCClusterer.paper()).input_tags.pairwise
    assert get_tags(NTCClusterer.paper(metric="precomputed")).input_tags.pairwise


def test_frames_pickles_pipelines_and_clones():
    X, y = make_blobs(60, centers=3, cluster_std=0.3, random_state=0)
    frame = pd.DataFrame(X, columns=["left", "right"])
    ntc = NTCClusterer.paper().fit(frame)
    assert ntc.feature_names_in_.tolist() == ["left", "right"]
    assert adjusted_rand_score(ntc.labels_, y) == 1
    again = pickle.loads(pickle.dumps(ntc))
    assert np.array_equal(again.predict(frame), ntc.labels_)
    assert again.recut(tau=0.2).n_clusters_ >= 1
    pipeline = make_pipeline(StandardScaler(), clone(ntc))
    assert pipeline.fit_predict(X).max() == 2
    pipeline.set_output(transform="pandas").fit(frame)
    assert pipeline[-1].feature_names_in_.tolist() == ["left", "right"]
    assert np.array_equal(pipeline.predict(frame), pipeline[-1].labels_)
    matrix = pd.DataFrame(pairwise_distances(X))
    assert np.array_equal(NTCClusterer.paper("precomputed").fit(matrix).labels_, ntc.labels_)


def test_significance_rule_and_strata():
    rng = np.random.default_rng(0)
    weights = np.abs(rng.normal(size=(40, 40)))
    weights[:12, :12] *= 8
    lengths = symmetric(1 / weights)
    ntc = NTCClusterer.paper("precomputed", rule="significance", tau=0.05, random_state=0)
    labels = ntc.fit(lengths).labels_
    assert adjusted_rand_score(labels[:12] >= 0, np.ones(12)) == 1
    assert (labels[12:] < 0).sum() >= 26
    assert (ntc.p_values_ <= 0.05).all()
    assert np.array_equal(ntc.fit(lengths).labels_, labels)  # the seed holds
    strata = np.repeat(["a", "b"], [12, 28])  # the block is a stratum: nothing left to find
    assert ntc.fit(lengths, strata=strata).n_clusters_ == 0
    with pytest.raises(ValueError, match="one label per sample"):
        ntc.fit(lengths, strata=[0, 1])


def test_significance_rule_agrees_with_the_test_itself():
    rng = np.random.default_rng(4)
    weights = np.abs(rng.normal(size=(40, 40)))
    weights[:14, :14] *= 10
    lengths = symmetric(1 / weights)
    ntc = NTCClusterer.paper(
        "precomputed", rule="significance", tau=0.05, nested=True, random_state=3, n_jobs=2
    ).fit(lengths)
    test = permutation_test(lengths, random_state=3)
    assert set(ntc.nodes_.tolist()) == set(test.clusters.node[test.discoveries(0.05)].tolist())
    assert ntc.n_clusters_ > 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rule": "best"}, "rule"),
        ({"scale": "sqrt"}, "scale"),
        ({"tau": -0.1}, "tau"),
        ({"min_cluster_size": 0}, "min_cluster_size"),
        ({"min_samples": 0}, "min_samples"),
        ({"engine": "fast"}, "engine"),
        ({"max_radius": -1.0}, "max_radius"),
        ({"metric": 3}, "metric"),
        ({"nested": "yes"}, "nested"),
    ],
)
def test_wrong_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=f"The '{message}' parameter"):
        NTCClusterer.paper(**params).fit([[0.0], [1.0]])


def test_one_sample_and_all_equal():
    for X in ([[1.0]], np.ones((5, 2))):
        ntc = NTCClusterer.paper().fit(X)
        assert (ntc.labels_ == -1).all()
        assert ntc.n_clusters_ == 0
        valid_clustering(ntc, len(X))
    ntc = NTCClusterer.paper(metric="precomputed").fit([[0.0]])
    assert ntc.labels_.tolist() == [-1]
