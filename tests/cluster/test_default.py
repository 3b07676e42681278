"""The clusterer that decides by itself, and the questions that selection answers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from neurotopo import NTCClusterer, merge_tree
from neurotopo.cluster.resolution import best_resolution, cluster_sizes, smoothing
from neurotopo.cluster.selection import most_persistent, select_clusters
from neurotopo.persistence import candidate_clusters
from neurotopo.persistence.inputs import check_distances
from neurotopo.persistence.sample_weights import weighted_core_distances
from tests.support.examples import examples
from tests.support.oracles import as_sparse, symmetric, weighted_graphs

RULES = ["auto", "relative", "absolute", "gap", "mass"]


def test_the_default_finds_what_is_there_and_says_what_it_chose():
    X, y = make_moons(400, noise=0.05, random_state=0)
    ntc = NTCClusterer().fit(X)
    assert adjusted_rand_score(y, ntc.labels_) == 1.0
    assert (ntc.rule_, ntc.min_samples_) == ("mass", 5)
    assert ntc.min_cluster_size_ in cluster_sizes(400)
    assert ntc.structure_ > ntc.tau_ > 0
    same = NTCClusterer(
        rule="mass", min_samples=5, condense=True, min_cluster_size=ntc.min_cluster_size_
    ).fit(X)
    assert np.array_equal(same.labels_, ntc.labels_)
    assert not hasattr(same, "structure_")


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_one_cloud_has_no_clusters(draw, dimension):
    rng = np.random.default_rng(dimension)
    found = 0
    for _ in range(20):
        X = getattr(rng, draw)(size=(200, dimension))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found += NTCClusterer().fit(X).n_clusters_ > 0
    assert found <= 3  # 5 % of 20 is 1


def test_without_structure_the_warning_names_the_remedies():
    X = np.random.default_rng(0).random((200, 2))
    with pytest.warns(UserWarning, match="No clusters: structure_ = .* set tau=0, or .*n_clusters"):
        ntc = NTCClusterer().fit(X)
    assert ntc.n_clusters_ == 0
    assert ntc.threshold_ == np.inf
    assert ntc.recut(tau=0).n_clusters_ > 1
    assert ntc.recut(n_clusters=3).n_clusters_ == 3
    with pytest.warns(UserWarning, match="of the samples are in no cluster. Remedies: rule="):
        NTCClusterer.paper(tau=0.9).fit(X)


def test_auto_of_the_papers_rules_is_the_paper():
    X, _ = make_blobs(60, random_state=0)
    for rule in ("relative", "gap"):
        ours, paper = NTCClusterer(rule=rule).fit(X), NTCClusterer.paper(rule=rule).fit(X)
        assert np.array_equal(ours.labels_, paper.labels_)
        assert (ours.min_cluster_size_, ours.min_samples_, ours.tau_) == (2, 1, 0.5)


def test_the_best_resolution_has_the_largest_total_persistence():
    X, _ = make_blobs(300, centers=5, cluster_std=[0.5, 1, 0.3, 2, 0.7], random_state=1)
    tree = merge_tree(X, metric="euclidean", min_samples=5)
    totals = []
    for size in cluster_sizes(300):
        clusters = candidate_clusters(tree, min_cluster_size=size, condense=True)
        family = select_clusters(clusters, rule="mass").chosen
        lives = np.log(clusters.observed_death[family] / clusters.birth[family])
        totals.append(sum(tree.size[clusters.node[family]] * lives) / 300)
    ntc = NTCClusterer(rule="mass").fit(X)
    assert ntc.min_cluster_size_ == cluster_sizes(300)[int(np.argmax(totals))]
    best, _ = best_resolution(
        lambda m: candidate_clusters(tree, min_cluster_size=m, condense=True),
        lambda c: select_clusters(c, rule="mass"),
        cluster_sizes(300),
        5,
    )
    assert best.total == pytest.approx(max(totals))


def test_sizes_that_are_tried():
    assert [smoothing(n) for n in (1, 9, 20, 49, 50, 10**6)] == [1, 1, 2, 4, 5, 5]
    assert cluster_sizes(1) == cluster_sizes(29) == [2]
    assert cluster_sizes(50) == [5]
    assert cluster_sizes(60) == [5, 6]
    assert len(cluster_sizes(10**6)) == 12


@pytest.mark.parametrize("rule", RULES)
def test_components_count_in_full(rule):
    path = np.full((10, 10), np.inf)
    np.fill_diagonal(path, 0)
    for i in (0, 1, 2, 3, 5, 6, 7, 8):
        path[i, i + 1] = path[i + 1, i] = 1.0
    for X in (path, as_sparse(path)):
        labels = NTCClusterer("precomputed", rule=rule).fit_predict(X)
        assert labels.tolist() == [0] * 5 + [1] * 5
    if rule == "auto":
        X, y = make_blobs(150, centers=3, cluster_std=0.6, random_state=1)
        for k in (5, 10, 20):
            graph = kneighbors_graph(X, k, mode="distance")
            labels = NTCClusterer("precomputed").fit_predict(graph.maximum(graph.T))
            assert adjusted_rand_score(y, labels) == 1.0


@pytest.mark.parametrize("options", [{}, {"rule": "mass"}, {"rule": "mass", "scale": "log"}])
def test_identical_samples_are_clusters(options):
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]], 30, axis=0)
    assert adjusted_rand_score(X[:, 0], NTCClusterer(**options).fit_predict(X)) == 1.0


def merged(clusters, keep):
    """Join the least prominent leaf to what it merges with, until ``keep`` leaves are left."""
    life = clusters.persistence()
    children = {k: np.flatnonzero(clusters.parent == k).tolist() for k in range(len(clusters))}
    members = [frozenset(clusters.tree.members(node).tolist()) for node in clusters.node]

    def lineages(k):
        """Prominences of the leaves below k, the eldest last: (birth, prominence, leaf)."""
        if not children[k]:
            return [(clusters.birth[k], life[k], k)]
        below = [lineages(child) for child in children[k]]
        below.sort(key=lambda lines: lines[-1][0])
        birth, prominence, leaf = below[0][-1]
        done = [line for lines in below for line in lines if line[2] != leaf]
        return [*done, (birth, prominence + life[k], leaf)]

    roots = np.flatnonzero(clusters.parent < 0)
    lines = [line for root in roots for line in lineages(root)]
    kept = {leaf for _, _, leaf in sorted(lines, key=lambda line: -line[1])[:keep]}
    groups = []
    for leaf in kept:
        others = [members[other] for other in kept - {leaf}]
        around = [m for m in members if members[leaf] <= m and not any(o <= m for o in others)]
        groups.append(max(around, key=len))
    return set(groups)


@examples(100)
@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0, 0.7, 0.9]),
    k=st.integers(1, 6),
    condense=st.booleans(),
)
def test_the_most_persistent_clusters_by_the_elder_rule(seed, missing, k, condense):
    rng = np.random.default_rng(seed)
    lengths = rng.random((20, 20))  # distinct: no ties
    lengths[rng.random((20, 20)) < missing] = np.inf
    tree = merge_tree(symmetric(lengths))
    clusters = candidate_clusters(tree, condense=condense)
    if len(clusters) == 0:
        return
    chosen = most_persistent(clusters, k, clusters.persistence())
    groups = {frozenset(tree.members(node).tolist()) for node in clusters.node[chosen]}
    assert groups == merged(clusters, k)


def test_number_of_clusters():
    centers = [[0, 0], [9, 0], [0, 9], [9, 9], [0, 18], [9, 18]]
    X, y = make_blobs(200, centers=centers, random_state=3)
    for k in range(2, 7):
        assert NTCClusterer(n_clusters=k).fit(X).n_clusters_ == k
    assert adjusted_rand_score(y, NTCClusterer(n_clusters=6).fit_predict(X)) > 0.9
    assert NTCClusterer.paper(n_clusters=4).fit(X).n_clusters_ == 4
    assert NTCClusterer.paper(n_clusters=1).fit(X).labels_.tolist() == [0] * 200
    with pytest.warns(UserWarning, match=r"Only \d+ of n_clusters=150 clusters: .* smaller"):
        most = NTCClusterer(n_clusters=150).fit(X)
    inner = np.unique(most.candidates.parent)
    assert most.n_clusters_ == len(most.candidates) - np.count_nonzero(inner >= 0)  # all leaves
    assert most.min_cluster_size_ == 2
    few = NTCClusterer(n_clusters=12).fit(X)
    assert few.n_clusters_ == 12
    assert 2 <= few.min_cluster_size_ < 5


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_size_is_that_of_hdbscan(seed):
    X, _ = make_blobs(300, centers=8, cluster_std=1.2, random_state=seed)
    ntc = NTCClusterer(rule="mass", min_cluster_size=8, min_samples=1).fit(X)
    for most in (20, 40, 80, 200):
        theirs = HDBSCAN(
            min_cluster_size=8, min_samples=1, max_cluster_size=most, copy=True
        ).fit_predict(X)
        ours = ntc.recut(max_cluster_size=most).labels_
        assert adjusted_rand_score(theirs, ours) == 1.0
    limited = NTCClusterer(n_clusters=4, max_cluster_size=60).fit(X)
    assert limited.clusters_.sizes.max() <= 60


@pytest.mark.parametrize("seed", range(4))
def test_below_epsilon_clusters_are_not_told_apart(seed):
    X, _ = make_blobs(300, centers=8, cluster_std=1.2, random_state=seed)
    ntc = NTCClusterer(rule="mass", min_cluster_size=8, min_samples=1).fit(X)
    before = ntc.labels_
    for epsilon in (0.3, 0.6, 0.9, 1.5):
        ntc.recut(epsilon=epsilon)
        clusters = ntc.candidates
        everything = int(np.flatnonzero(np.isinf(clusters.death))[0])
        for node, death in zip(ntc.nodes_, ntc.death_, strict=True):
            above = clusters.parent[np.flatnonzero(clusters.node == node)[0]]
            assert death >= epsilon or above == everything
        for label in range(before.max() + 1):  # whole clusters are joined
            assert len(np.unique(ntc.labels_[before == label])) == 1
        hdbscan = pytest.importorskip("hdbscan")
        theirs = hdbscan.HDBSCAN(
            min_cluster_size=8, min_samples=1, cluster_selection_epsilon=epsilon
        ).fit_predict(X)
        assert adjusted_rand_score(theirs, ntc.labels_) == 1.0


@examples(40)
@given(lengths=weighted_graphs(14), data=st.data(), need=st.integers(2, 6))
def test_weighted_core_distances_by_repeating(lengths, data, need):
    n = len(lengths)
    weight = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)), float)
    expected = []
    for i in range(n):
        around = np.repeat(np.where(np.arange(n) == i, 0.0, lengths[i]), weight.astype(int))
        expected.append(np.sort(np.append(around, np.full(need, np.inf)))[need - 1])
    for X in (lengths, as_sparse(lengths)):
        assert weighted_core_distances(check_distances(X), weight, need).tolist() == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rule": "mass", "min_cluster_size": 4, "min_samples": 3},
        {"rule": "relative"},
        {"rule": "gap", "scale": "log", "nested": True},
        {"n_clusters": 3},
    ],
)
def test_weights_count_as_repeated_samples(options):
    rng = np.random.default_rng(5)
    X, _ = make_blobs(60, centers=3, cluster_std=1.0, random_state=2)
    weight = rng.integers(0, 4, 60)
    ntc = NTCClusterer(**options).fit(X, sample_weight=weight)
    repeated = NTCClusterer(**options).fit(np.repeat(X, weight, axis=0))
    first = np.cumsum(weight) - weight
    held = weight > 0
    assert ntc.labels_[held].tolist() == repeated.labels_[first[held]].tolist()
    assert np.array_equal(ntc.persistence_, repeated.persistence_)
    assert (ntc.labels_[~held] == -1).all()
    assert ntc.min_cluster_size_ == repeated.min_cluster_size_


def test_bad_weights():
    X = np.zeros((3, 1))
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        NTCClusterer().fit(X, sample_weight=[1, -1, 1])
    with pytest.raises(ValueError, match=r"sample_weight\.shape"):
        NTCClusterer().fit(X, sample_weight=[1, 1])


@pytest.mark.parametrize("options", [{}, {"n_clusters": 3}, {"epsilon": 0.5, "rule": "mass"}])
def test_the_order_of_samples_does_not_matter(options):
    rng = np.random.default_rng(0)
    X = np.round(make_blobs(200, centers=4, random_state=4)[0], 1)  # with ties
    for metric, D in (("euclidean", X), ("precomputed", np.abs(X[:, None] - X[None]).sum(-1))):
        ntc = NTCClusterer(metric, **options).fit(D)
        order = rng.permutation(200)
        moved = D[order] if metric == "euclidean" else D[np.ix_(order, order)]
        other = NTCClusterer(metric, **options).fit(moved)
        assert adjusted_rand_score(ntc.labels_[order], other.labels_) == 1.0
        assert other.min_cluster_size_ == ntc.min_cluster_size_


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"tau": -1.0}, "tau"),
        ({"n_clusters": 0}, "n_clusters"),
        ({"rule": "significance", "tau": 2.0}, "level"),
        ({"min_samples": 2}, "changes the tree"),
    ],
)
def test_a_refused_recut_leaves_the_estimator_as_it_was(params, match):
    X, _ = make_blobs(100, centers=3, cluster_std=0.4, random_state=0)
    ntc = NTCClusterer().fit(X)
    before = {name: str(value) for name, value in vars(ntc).items()}
    with pytest.raises(ValueError, match=match):
        ntc.recut(**params)
    assert {name: str(value) for name, value in vars(ntc).items()} == before
