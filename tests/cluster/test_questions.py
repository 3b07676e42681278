"""Questions to a fitted clusterer, against naive answers and in any order of the samples."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError

from neurotopo import NTCClusterer
from neurotopo.cluster.selection import RULES
from neurotopo.persistence.metrics import pairwise
from tests.support.examples import examples
from tests.support.oracles import as_sparse, minimax, weighted_graphs

LAZY = (
    "membership_vectors_",
    "exemplars_",
    "medoids_",
    "cluster_layers_",
    "cluster_tree_",
    "validity_",
    "cluster_validity_",
)
RULE = st.sampled_from([rule for rule in RULES if rule != "significance"])
NO = st.just(False)


def clusterers(nested=NO, least=1):
    """Settings of a clusterer of precomputed lengths."""
    return st.fixed_dictionaries(
        {
            "rule": RULE,
            "tau": st.floats(0, 1),
            "scale": st.sampled_from(["difference", "log"]),
            "min_cluster_size": st.integers(least, 4),
            "condense": st.booleans(),
            "min_samples": st.integers(1, 3),
            "max_radius": st.sampled_from([None, None, None, 3.0]),
            "nested": nested,
        }
    )


def smoothed(lengths, min_samples, max_radius=None):
    """Lengths after smoothing; none longer than the end of observation."""
    n = len(lengths)
    own = np.sort(np.where(np.eye(n, dtype=bool), 0.0, lengths), axis=1)
    core = own[:, min_samples - 1] if min_samples <= n else np.full(n, np.inf)
    lengths = np.maximum(lengths, np.maximum(core[:, None], core))
    return np.where(lengths > (np.inf if max_radius is None else max_radius), np.inf, lengths)


@examples(100)
@given(lengths=weighted_graphs(20), params=clusterers(), sparse=st.booleans())
def test_memberships_and_exemplars_against_the_definition(lengths, params, sparse):
    ntc = NTCClusterer.paper("precomputed", **params).fit(as_sparse(lengths) if sparse else lengths)
    n, labels = len(lengths), ntc.labels_
    reach = minimax(smoothed(lengths, params["min_samples"], params["max_radius"]))
    size = max(params["min_cluster_size"], 2)
    joins = np.sort(reach, axis=1)[:, size - 1] if size <= n else np.full(n, np.inf)
    unit = ntc.candidates.unit

    def life(a, b):
        if params["scale"] == "difference":
            return b - a
        return np.log(max(b, unit)) - np.log(max(a, unit))

    strength = np.zeros((n, labels.max(initial=-1) + 1))
    for k, members in enumerate(ntc.clusters_):
        end = ntc.death_[k]
        if np.isinf(end):
            end = max(ntc.end_of_observation_, ntc.birth_[k])
        own = np.minimum(joins, end) if len(members) > 1 else np.zeros(n)
        first = own[members].min()
        for i in range(n):
            meets = own[i] if i in members else reach[i, members].min()
            if life(first, end) == 0:
                strength[i, k] = i in members
            elif np.isfinite(meets):
                ratio = max(life(first, meets), 0.0) / life(first, end)
                strength[i, k] = 1 / (1 + ratio)
        assert ntc.exemplars_[k].tolist() == [
            i for i in members if joins[i] == joins[members].min()
        ]
    vectors = ntc.membership_vectors_
    total = strength.sum(axis=1, keepdims=True)
    most = strength.max(axis=1, initial=0.0, keepdims=True)
    expected = np.divide(strength, total, out=np.zeros_like(strength), where=total > 0) * most
    assert np.allclose(vectors, expected, rtol=1e-9, atol=1e-12)
    assert (vectors.sum(axis=1) <= 1 + 1e-12).all()
    for i in np.flatnonzero(labels >= 0):
        assert vectors[i, labels[i]] == vectors[i].max()


@examples(100)
@given(lengths=weighted_graphs(18), params=clusterers(nested=st.booleans()), sparse=st.booleans())
def test_medoids_and_assignments_against_the_definition(lengths, params, sparse):
    lengths = np.where(lengths < np.inf, np.minimum(lengths, 1e6), np.inf)
    ntc = NTCClusterer.paper("precomputed", **params).fit(as_sparse(lengths) if sparse else lengths)
    n, labels = len(lengths), ntc.labels_
    for members, medoid in zip(ntc.clusters_, ntc.medoids_, strict=True):
        inside = lengths[np.ix_(members, members)]
        if np.isinf(inside).any() or sparse:
            inside = shortest(inside)
        total = inside.sum(axis=1)
        place = members.tolist().index(medoid)
        assert total[place] == pytest.approx(total.min(), rel=1e-9, abs=1e-9)

    members = np.flatnonzero(labels >= 0)
    complete = not sparse and np.isfinite(lengths[labels < 0]).all()
    distance = lengths if complete else shortest(lengths)
    reach = minimax(smoothed(lengths, params["min_samples"], params["max_radius"]))
    kept, nearest, tree = (ntc.assign(noise) for noise in ("keep", "nearest", "tree"))
    assert np.array_equal(kept, labels)
    assert kept is not labels
    for i in range(n):
        if labels[i] >= 0 or len(members) == 0:
            assert nearest[i] == tree[i] == labels[i]
            continue
        for answer, d in ((nearest[i], distance[i]), (tree[i], reach[i])):
            least = d[members].min()
            if np.isinf(least):
                assert answer == -1
            else:
                close = d[members] <= least * (1 + 1e-9)
                assert answer == labels[members[close]].min()


def shortest(lengths):
    """Lengths of shortest paths, by Floyd and Warshall."""
    paths = lengths.astype(float)
    for k in range(len(paths)):
        paths = np.minimum(paths, paths[:, k, None] + paths[None, k])
    return paths


@examples(100)
@given(
    lengths=weighted_graphs(20),
    params=clusterers(nested=st.booleans(), least=2),
    seed=st.integers(0, 99),
)
def test_a_permutation_of_the_samples_permutes_the_answers(lengths, params, seed):
    order = np.random.default_rng(seed).permutation(len(lengths))
    one, other = (
        NTCClusterer.paper("precomputed", **params).fit(x)
        for x in (lengths, lengths[np.ix_(order, order)])
    )
    place = np.argsort(order)
    there = {tuple(c): k for k, c in enumerate(other.clusters_)}
    to = np.array([there[tuple(np.sort(place[c]))] for c in one.clusters_], dtype=int)
    n_labels = one.labels_.max(initial=-1) + 1
    vectors = other.membership_vectors_[place]
    assert np.array_equal(one.membership_vectors_, vectors[:, to[:n_labels]])
    for k, exemplars in enumerate(one.exemplars_):
        assert np.sort(place[exemplars]).tolist() == other.exemplars_[to[k]].tolist()
    assert np.array_equal(one.cluster_validity_, other.cluster_validity_[to])
    assert one.validity_ == pytest.approx(other.validity_)
    layers = [
        [(x.min_cluster_size, x.persistence, partition(x.labels[p])) for x in ntc.cluster_layers_]
        for ntc, p in ((one, slice(None)), (other, place))
    ]
    assert layers[0] == layers[1]
    columns = ["birth", "death", "persistence", "size"]
    tables = [ntc.cluster_tree_[columns].to_numpy().tolist() for ntc in (one, other)]
    assert sorted(tables[0]) == sorted(tables[1])
    frames = [ntc.to_frame("samples")[["probability", "joins"]] for ntc in (one, other)]
    assert np.array_equal(frames[0].to_numpy(), frames[1].to_numpy()[place])


def partition(labels):
    """Clusters as sets."""
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in set(labels.tolist()) - {-1}}


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "canberra", "precomputed", "sparse"])
def test_ties_of_points_in_any_order(metric):
    """Whole numbers: duplicates, and new points that are as near to two clusters."""
    rng = np.random.default_rng(3)
    X = np.vstack([rng.integers(0, 4, (25, 2)), rng.integers(6, 10, (25, 2)), [[30, 1]]]) + 1.0
    queries = np.vstack([np.argwhere(np.ones((11, 11))), X[:5] * 2]) + 1.0
    order = rng.permutation(len(X))
    options = {"min_cluster_size": 3, "scale": "log", "tau": 0.2}

    def fit(X, order):
        if metric in ("precomputed", "sparse"):
            D = pairwise(X[order], "euclidean")
            D[D > 12] = np.inf
            both = np.vstack([X[order], queries])
            rows = pairwise(both, "euclidean")[len(X) :, : len(X)]
            D, rows = (as_sparse(D), sp.csr_array(rows)) if metric == "sparse" else (D, rows)
            return NTCClusterer.paper("precomputed", **options).fit(D), rows
        return NTCClusterer.paper(metric, **options).fit(X[order]), queries

    (one, rows), (other, there) = (fit(X, o) for o in (np.arange(len(X)), order))
    place = np.argsort(order)
    assert one.n_clusters_ > 1
    persistence = one.persistence_
    unique = len(np.unique(persistence)) == len(persistence)
    to = {k: int(other.labels_[place[c[0]]]) for k, c in enumerate(one.clusters_)} | {-1: -1}
    assert not unique or all(k == label for k, label in to.items())
    for noise in ("nearest", "tree"):
        ours = [to[k] for k in one.assign(noise).tolist()]
        assert not unique or ours == other.assign(noise)[place].tolist()
    ours, strengths = one.predict(rows, return_probabilities=True)
    theirs, same = other.predict(there, return_probabilities=True)
    if unique:
        assert [to[k] for k in ours.tolist()] == theirs.tolist()
        assert np.array_equal(strengths, same)
    for k, medoid in enumerate(one.medoids_):
        a, b = X[medoid], X[order][other.medoids_[to[k]]]
        members = X[one.clusters_[k]]
        if metric not in ("precomputed", "sparse"):
            totals = [pairwise(np.vstack([m, members]), metric)[0].sum() for m in (a, b)]
            assert totals[0] == pytest.approx(totals[1])


@pytest.mark.parametrize("min_samples", [1, 3])
@pytest.mark.parametrize("scale", ["difference", "log"])
def test_samples_are_predicted_with_their_own_probabilities(min_samples, scale):
    X, _ = make_blobs(90, centers=3, random_state=5)
    options = {"min_samples": min_samples, "scale": scale, "min_cluster_size": 4, "condense": True}
    ntc = NTCClusterer.paper(**options).fit(X)
    labels, probabilities = ntc.predict(X, return_probabilities=True)
    assert np.array_equal(labels, ntc.labels_)
    assert np.allclose(probabilities, ntc.probabilities_)
    D = pairwise(X, "euclidean")
    by_matrix = NTCClusterer.paper("precomputed", **options).fit(D)
    labels, again = by_matrix.predict(D, return_probabilities=True)
    assert np.allclose(again, probabilities)
    far = ntc.predict(X + 1e3, return_probabilities=True)
    assert (far[0] == -1).all()
    assert (far[1] == 0).all()


@examples(100)
@given(lengths=weighted_graphs(20), params=clusterers(nested=st.booleans()), finer=RULE)
def test_subclusters_are_those_of_the_members_alone(lengths, params, finer):
    params["min_samples"] = 1
    ntc = NTCClusterer.paper("precomputed", **params).fit(lengths)
    for k, members in enumerate(ntc.clusters_):
        labels = ntc.subclusters(k, rule=finer, tau=0.3)
        inside = lengths[np.ix_(members, members)]
        options = params | {"rule": finer, "tau": 0.3, "nested": False}
        if params["max_radius"] is None and np.isinf(minimax(inside)).any():
            continue
        alone = NTCClusterer.paper("precomputed", **options).fit(inside)
        assert np.array_equal(labels[members], alone.labels_)
        assert (np.delete(labels, members) == -1).all()
    with pytest.raises(IndexError, match="is not in"):
        ntc.subclusters(ntc.n_clusters_)
    with pytest.raises(ValueError, match="no parameter 'metric'"):
        ntc.subclusters(0, metric="l1")


def test_tables():
    ntc = NTCClusterer.paper(nested=True, tau=0.2).fit([[0.0], [0.1], [1.0], [5.0], [5.1], [20.0]])
    frame = ntc.to_frame()
    assert frame.index.tolist() == list(range(ntc.n_clusters_))
    assert frame["persistence"].tolist() == ntc.persistence_.tolist()
    assert "p_value" not in frame
    tree = ntc.cluster_tree_
    assert tree["size"].tolist() == [len(ntc.merge_tree_.members(node)) for node in tree["node"]]
    for k in range(ntc.n_clusters_):
        assert tree["node"][tree["label"] == k].tolist() == [ntc.nodes_[k]]
    held = tree[tree["parent"] >= 0]
    assert (tree["birth"].to_numpy()[held["parent"]] == held["death"]).all()
    assert ntc.p_values_.tolist() == [1.0] * ntc.n_clusters_  # too few points for a test
    assert ntc.to_frame()["p_value"].tolist() == ntc.p_values_.tolist()
    ntc.recut(tau=0.5)
    samples = ntc.to_frame("samples")
    assert samples["label"].tolist() == ntc.labels_.tolist()
    with pytest.raises(ValueError, match='"clusters" or "samples"'):
        ntc.to_frame("rows")
    with pytest.raises(ValueError, match='"nearest", "tree" or "keep"'):
        ntc.assign("all")
    with pytest.raises(ValueError, match="give another rule"):
        ntc.subclusters(0, rule="significance")


def test_answers_are_lazy_and_follow_the_last_fit():
    X, _ = make_blobs(60, centers=3, random_state=2)
    ntc = NTCClusterer.paper(min_samples=2)
    for name in LAZY:
        assert not hasattr(ntc, name)
        with pytest.raises(NotFittedError):
            getattr(ntc, name)
    for method in ("assign", "to_frame"):
        with pytest.raises(NotFittedError):
            getattr(ntc, method)()
    with pytest.raises(NotFittedError):
        ntc.subclusters(0)
    ntc.fit(X)
    assert ntc._answers == {}
    before = {name: getattr(ntc, name) for name in LAZY}
    assert all(getattr(ntc, name) is value for name, value in before.items())
    ntc.set_params(scale="log", min_cluster_size=9)  # without effect before fit or recut
    ntc._answers.clear()
    assert np.array_equal(ntc.membership_vectors_, before["membership_vectors_"])
    again = pickle.loads(pickle.dumps(ntc))
    assert np.array_equal(again.medoids_, before["medoids_"])
    ntc.recut(min_cluster_size=5)
    assert ntc._answers == {}
    assert all(len(c) >= 5 for c in ntc.clusters_)
    assert len(ntc.medoids_) == ntc.n_clusters_
    assert ntc.fit(X[:30]).membership_vectors_.shape[0] == 30
    assert not hasattr(clone(ntc), "medoids_")


@pytest.mark.parametrize("seed", range(6))
def test_hdbscan_has_the_same_validity_exemplars_and_nearly_the_same_memberships(seed):
    hdbscan = pytest.importorskip("hdbscan")
    X, _ = make_blobs(200, centers=3, cluster_std=0.6 + 0.2 * seed, random_state=seed)
    options = {"min_cluster_size": 10, "approx_min_span_tree": False, "gen_min_span_tree": True}
    theirs = hdbscan.HDBSCAN(min_samples=4, prediction_data=True, **options).fit(X)
    ours = NTCClusterer.paper(rule="mass", condense=True, min_cluster_size=10, min_samples=5).fit(X)
    if partition(ours.labels_) == partition(theirs.labels_):  # ties are broken in another way
        assert ours.validity_ == pytest.approx(theirs.relative_validity_)
    dense = [set(map(tuple, part)) for part in theirs.exemplars_]
    assert all(any(set(map(tuple, X[part])) <= d for d in dense) for part in ours.exemplars_)
    vectors = hdbscan.all_points_membership_vectors(theirs)
    names = [np.bincount(theirs.labels_[c] + 1).argmax() - 1 for c in ours.clusters_]
    assert sorted(names) == list(range(vectors.shape[1]))
    same = vectors[:, names].argmax(axis=1) == ours.membership_vectors_.argmax(axis=1)
    assert same.mean() >= 0.94


def test_clusters_of_a_graph_with_one_clear_answer():
    """A path 0-1-2 of length 2 each, and a far pair."""
    graph = sp.lil_array((6, 6))
    for i, j, length in ((0, 1, 2.0), (1, 2, 2.0), (3, 4, 1.0), (2, 3, 50.0), (4, 5, 40.0)):
        graph[i, j] = graph[j, i] = length
    ntc = NTCClusterer.paper("precomputed").fit(graph.tocsr())
    assert ntc.labels_.tolist() == [0, 0, 0, 1, 1, -1]
    assert ntc.medoids_.tolist() == [1, 3]
    assert [e.tolist() for e in ntc.exemplars_] == [[0, 1, 2], [3, 4]]
    assert ntc.assign().tolist() == ntc.assign("tree").tolist() == [0, 0, 0, 1, 1, 1]
    vectors = ntc.membership_vectors_
    # sample 5 meets the pair at 40, the end of its life, and the path at 50 (life 48)
    assert vectors[5] == pytest.approx(np.array([1 / 2, 1 / 2]) / 2)
    assert ntc.cluster_validity_ == pytest.approx([1 - 2 / 50, 1 - 1 / 40])
    assert ntc.validity_ == pytest.approx((3 * 0.96 + 2 * 0.975) / 6)


@pytest.mark.parametrize("min_samples", [1, 3])
@pytest.mark.parametrize("precomputed", [False, True])
def test_a_weight_of_two_is_two_equal_samples(min_samples, precomputed):
    rng = np.random.default_rng(1)
    X = np.vstack([rng.normal(c, 0.5 + c / 10, (15, 2)) for c in (0, 6, 9)])
    weight = rng.integers(1, 4, len(X))
    copies = np.repeat(np.arange(len(X)), weight)
    options = {"min_samples": min_samples, "condense": True, "rule": "mass", "min_cluster_size": 8}
    metric, D = ("precomputed", pairwise) if precomputed else ("euclidean", lambda x, _: x)
    one = NTCClusterer.paper(metric, **options).fit(D(X, "euclidean"), sample_weight=weight)
    other = NTCClusterer.paper(metric, **options).fit(D(X[copies], "euclidean"))
    first = np.searchsorted(copies, np.arange(len(X)))
    assert one.n_clusters_ > 1
    assert np.array_equal(one.labels_, other.labels_[first])
    assert np.allclose(one.membership_vectors_, other.membership_vectors_[first])
    assert one.medoids_.tolist() == copies[other.medoids_].tolist()
    assert one.validity_ == pytest.approx(other.validity_)
    assert np.array_equal(one.assign(), other.assign()[first])
    finer = {"min_cluster_size": 5, "rule": "relative"}
    for k in range(one.n_clusters_):
        ours, theirs = one.subclusters(k, **finer), other.subclusters(k, **finer)[first]
        assert partition(ours) == partition(theirs)
    queries = X[:9] + 0.3
    if precomputed:
        both = pairwise(np.vstack([X, queries]), "euclidean")
        queries, there = both[len(X) :, : len(X)], both[len(X) :, : len(X)][:, copies]
    else:
        there = queries
    ours, theirs = (
        ntc.predict(x, return_probabilities=True) for ntc, x in ((one, queries), (other, there))
    )
    assert np.array_equal(ours[0], theirs[0])
    assert np.allclose(ours[1], theirs[1])
