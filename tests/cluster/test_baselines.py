"""Baselines against scikit-learn and scipy called directly, and against the definitions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from neurotopo.cluster.baselines import (
    AUTHORS_INFINITE,
    BASELINES,
    dbscan,
    finite_distances,
    hierarchical,
    kmeans,
    random_groups,
    run_baseline,
)

INF = np.inf
METHODS = ["kmeans", "dbscan", "hierarchical"]


def layered_matrix(seed: int, n_samples: int = 60, n_layers: int = 5) -> np.ndarray:
    """Return random symmetric distances, infinite within a layer, as in the paper's matrix A."""
    rng = np.random.default_rng(seed)
    layer = rng.integers(n_layers, size=n_samples)
    upper = np.triu(rng.lognormal(sigma=1.0, size=(n_samples, n_samples)), 1)
    distances = upper + upper.T
    distances[layer[:, None] == layer] = INF
    np.fill_diagonal(distances, 0.0)
    return distances


def blob_matrix(seed: int, sizes: tuple[int, ...] = (20, 15, 25)) -> tuple[np.ndarray, np.ndarray]:
    """Return distances of well separated groups on a line, and the groups."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    position = 100.0 * truth + rng.random(len(truth))
    return np.abs(position[:, None] - position), truth


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two labellings agree up to renumbering, noise being noise in both."""
    return np.array_equal(a == -1, b == -1) and adjusted_rand_score(a, b) == 1.0


def authors_matrix(distances: np.ndarray) -> np.ndarray:
    replaced = np.where(np.isinf(distances), 1000.0, distances)
    replaced[np.diag_indices(len(replaced))] = 0.0
    return replaced


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_is_the_authors_setting(seed: int) -> None:
    distances = layered_matrix(seed, n_samples=68)
    matrix = authors_matrix(distances)
    full = PCA().fit(matrix)
    n_components = int(np.argmax(np.cumsum(full.explained_variance_ratio_) >= 0.95)) + 1
    features = PCA(n_components=n_components).fit_transform(matrix)
    expected = KMeans(n_clusters=6, random_state=0).fit(features).labels_
    labels = kmeans(distances, infinite=AUTHORS_INFINITE, random_state=0)
    assert same_partition(labels, expected)
    assert len(np.unique(labels)) == 6  # 10 % of 68, rounded down


@pytest.mark.parametrize("seed", range(5))
def test_dbscan_is_the_authors_setting(seed: int) -> None:
    distances = layered_matrix(seed, n_samples=120)
    matrix = authors_matrix(distances)
    nearest = [min(value for value in row if value != 0) for row in matrix]
    expected = DBSCAN(eps=float(np.median(nearest)), min_samples=3, metric="precomputed")
    labels = dbscan(distances, infinite=AUTHORS_INFINITE)
    assert same_partition(labels, expected.fit(matrix).labels_)
    assert -1 in labels
    assert labels.max() > 0


@pytest.mark.parametrize("seed", range(5))
def test_hierarchical_is_the_authors_setting(seed: int) -> None:
    # Many layers, so that under 30 % of the pairs are infinite and the cut separates.
    distances = layered_matrix(seed, n_samples=300, n_layers=150)
    matrix = authors_matrix(distances)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    expected = fcluster(linkage(pairs, "average"), np.quantile(pairs, 0.7), "distance")
    labels = hierarchical(distances, infinite=AUTHORS_INFINITE)
    assert same_partition(labels, expected - 1)
    assert labels.max() > 0


def test_hierarchical_cuts_at_a_quantile_of_the_pairs_not_of_the_merges() -> None:
    distances, _ = blob_matrix(0, sizes=(10, 10, 10))
    # Two thirds of the pairs lie across groups, so the median pair does too: at 0.29 of the pairs
    # the cut is within a group, at the same quantile of the merge heights it would be smaller.
    pairs = distances[np.triu_indices(30, 1)]
    labels = hierarchical(distances, quantile=0.29)
    expected = fcluster(linkage(pairs, "average"), np.quantile(pairs, 0.29), "distance")
    assert same_partition(labels, expected)
    merges = linkage(pairs, "average")[:, 2]
    assert np.quantile(merges, 0.29) < np.quantile(pairs, 0.29)


def test_hierarchical_puts_all_into_one_when_a_third_of_the_pairs_is_infinite() -> None:
    # Documented weakness of the authors' setting, kept as it was run.
    distances = layered_matrix(1, n_layers=2)
    assert set(hierarchical(distances)) == {0}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "settings_"),
    [
        ("kmeans", {"n_clusters": 3, "random_state": 0}),
        ("dbscan", {"eps": 5.0, "min_samples": 2}),
        ("hierarchical", {"height": 50.0}),
    ],
)
def test_every_method_finds_separated_groups(name: str, settings_: dict, seed: int) -> None:
    distances, truth = blob_matrix(seed)
    assert np.array_equal(run_baseline(name, distances, **settings_), truth)


def test_settings_can_be_overridden() -> None:
    distances, _ = blob_matrix(0)
    assert len(np.unique(kmeans(distances, share=0.2, random_state=0))) == 12
    assert len(np.unique(kmeans(distances, n_clusters=4, random_state=0))) == 4
    loose, tight = dbscan(distances, quantile=1.0), dbscan(distances, quantile=0.1)
    assert np.sum(tight == -1) > np.sum(loose == -1)
    assert np.all(dbscan(distances, share=0.9, quantile=0.5) == -1)
    single = hierarchical(distances, method="single", height=50.0)
    assert single.max() == 2
    assert hierarchical(distances, quantile=1.0).max() == 0


def test_min_cluster_size_drops_small_clusters_and_renumbers() -> None:
    position = np.array([0.0, 50.0, 51.0, 52.0, 100.0, 101.0])
    distances = np.abs(position[:, None] - position)
    assert hierarchical(distances, height=5.0).tolist() == [0, 1, 1, 1, 2, 2]
    assert hierarchical(distances, height=5.0, min_cluster_size=2).tolist() == [-1, 0, 0, 0, 1, 1]
    assert hierarchical(distances, height=5.0, min_cluster_size=3).tolist() == [-1, 0, 0, 0, -1, -1]


@pytest.mark.parametrize("name", METHODS)
def test_stand_in_for_infinity(name: str) -> None:
    distances = layered_matrix(3)
    twice = 2.0 * distances[np.isfinite(distances)].max()
    replaced = np.where(np.isinf(distances), twice, distances)
    by_default = run_baseline(name, distances, random_state=0)
    assert np.array_equal(by_default, run_baseline(name, replaced, random_state=0))
    assert np.array_equal(by_default, run_baseline(name, distances, infinite=twice, random_state=0))


def test_finite_distances_values() -> None:
    distances = layered_matrix(4)
    largest = distances[np.isfinite(distances)].max()
    dense = finite_distances(distances)
    assert dense is not None
    off_diagonal = ~np.eye(len(distances), dtype=bool)
    absent = np.isinf(distances) & off_diagonal
    assert np.all(dense[absent] == 2 * largest)
    assert np.array_equal(dense[np.isfinite(distances)], distances[np.isfinite(distances)])
    with_number = finite_distances(distances, infinite=0.5)
    assert with_number is not None
    assert np.all(with_number[absent] == 0.5)


@pytest.mark.parametrize("name", METHODS)
@given(seed=st.integers(0, 10_000), exponent=st.integers(-900, 900))
@settings(max_examples=15, deadline=None)
def test_labels_do_not_depend_on_the_unit(name: str, seed: int, exponent: int) -> None:
    distances = layered_matrix(seed, n_samples=25)
    scaled = np.ldexp(distances, exponent)
    expected = run_baseline(name, distances, random_state=0)
    assert np.array_equal(run_baseline(name, scaled, random_state=0), expected)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("form", [sp.csr_array, sp.coo_matrix, sp.csc_array])
def test_sparse_input_means_the_same_as_dense(name: str, form: type) -> None:
    distances = layered_matrix(5)
    stored = np.isfinite(distances) & (distances > 0)
    row, col = np.nonzero(stored)
    sparse = form(sp.coo_array((distances[stored], (row, col)), shape=distances.shape))
    expected = run_baseline(name, distances, random_state=0)
    assert np.array_equal(run_baseline(name, sparse, random_state=0), expected)


@pytest.mark.parametrize("name", METHODS)
def test_input_is_left_as_it_was(name: str) -> None:
    distances = layered_matrix(6)
    np.fill_diagonal(distances, INF)  # allowed, and tempting to mend in place
    before = distances.copy()
    run_baseline(name, distances, random_state=0)
    assert np.array_equal(distances, before)


@pytest.mark.parametrize("name", METHODS)
def test_order_of_the_samples_changes_only_the_numbers(name: str) -> None:
    distances, truth = blob_matrix(7)
    order = np.random.default_rng(0).permutation(len(truth))
    chosen = {"n_clusters": 3, "random_state": 0} if name == "kmeans" else {}
    there = run_baseline(name, distances[np.ix_(order, order)], **chosen)
    assert same_partition(there, run_baseline(name, distances, **chosen)[order])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n_samples", [1, 2, 5])
def test_nothing_connected_means_no_cluster(name: str, n_samples: int) -> None:
    dense = np.full((n_samples, n_samples), INF)
    np.fill_diagonal(dense, 0.0)
    for distances in (dense, sp.csr_array((n_samples, n_samples))):
        assert run_baseline(name, distances).tolist() == [-1] * n_samples


def test_two_samples() -> None:
    pair = np.array([[0.0, 3.0], [3.0, 0.0]])
    assert kmeans(pair, random_state=0).tolist() == [0, 1]  # k = max(2, ...)
    assert dbscan(pair).tolist() == [0, 0]
    assert hierarchical(pair).tolist() == [0, 0]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n_samples", [2, 3, 10])
def test_coinciding_samples_are_one_cluster(name: str, n_samples: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = run_baseline(name, np.zeros((n_samples, n_samples)), random_state=0)
    assert labels.tolist() == [0] * n_samples


@pytest.mark.parametrize("n_samples", [3, 10, 40])
def test_all_distances_equal(n_samples: int) -> None:
    distances = np.full((n_samples, n_samples), 2.5)
    np.fill_diagonal(distances, 0.0)
    assert set(dbscan(distances)) == {0}
    assert set(hierarchical(distances)) == {0}
    n_clusters = max(2, n_samples // 10)
    assert len(set(kmeans(distances, random_state=0))) == n_clusters


@pytest.mark.parametrize("n_clusters", [0, 4])
def test_impossible_number_of_clusters(n_clusters: int) -> None:
    distances, _ = blob_matrix(0, sizes=(1, 1, 1))
    assert len(set(kmeans(distances, n_clusters=3, random_state=0))) == 3
    with pytest.raises(ValueError, match=r"n_clusters must lie in 1\.\.3"):
        kmeans(distances, n_clusters=n_clusters)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("length", [1e-300, 1e300])
def test_extreme_lengths(name: str, length: float) -> None:
    distances, _ = blob_matrix(8)
    chosen = {"n_clusters": 3} if name == "kmeans" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = run_baseline(name, distances * length, random_state=0, **chosen)
    assert np.array_equal(labels, run_baseline(name, distances, random_state=0, **chosen))


def test_kmeans_is_deterministic_for_a_seed() -> None:
    distances = layered_matrix(9, n_samples=80)
    runs = [kmeans(distances, random_state=seed) for seed in (0, 0, 1, 2, 3)]
    assert np.array_equal(runs[0], runs[1])
    assert any(not np.array_equal(runs[0], other) for other in runs[2:])


@given(
    n_samples=st.integers(0, 40),
    sizes=st.lists(st.integers(0, 8), max_size=5),
    seed=st.integers(0, 100),
)
@settings(deadline=None)
def test_random_groups_have_the_sizes_asked_for(
    n_samples: int, sizes: list[int], seed: int
) -> None:
    if sum(sizes) > n_samples:
        with pytest.raises(ValueError, match="sizes sum to"):
            random_groups(n_samples, sizes=sizes, random_state=seed)
        return
    labels = random_groups(n_samples, sizes=sizes, random_state=seed)
    assert labels.shape == (n_samples,)
    assert [int(np.sum(labels == k)) for k in range(len(sizes))] == sizes
    assert np.sum(labels == -1) == n_samples - sum(sizes)
    assert np.array_equal(labels, random_groups(n_samples, sizes=sizes, random_state=seed))


def test_random_groups_reach_every_sample_equally_often() -> None:
    draws = [random_groups(6, sizes=[2, 1], random_state=seed) for seed in range(3000)]
    share = np.mean([labels == 0 for labels in draws], axis=0)
    # 4.5 standard errors of a proportion of 1/3 in 3000 draws
    assert np.all(np.abs(share - 1 / 3) < 4.5 * np.sqrt(2 / 9 / 3000))


def test_random_groups_count_samples_of_a_matrix() -> None:
    expected = random_groups(60, sizes=[4, 3], random_state=1)
    assert np.array_equal(
        run_baseline("random", layered_matrix(0), sizes=[4, 3], random_state=1), expected
    )
    assert np.array_equal(
        random_groups(sp.csr_array((60, 60)), sizes=[4, 3], random_state=1), expected
    )
    with pytest.raises(ValueError, match="must not be negative"):
        random_groups(5, sizes=[2, -1])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("distances", "message"),
    [
        ([[0.0, 1.0], [2.0, 0.0]], r"X must be symmetric, but X\[0, 1\]"),
        ([[0.0, -1.0], [-1.0, 0.0]], "must not be negative"),
        ([[0.0, np.nan], [np.nan, 0.0]], "NaN"),
        ([[0.0, 1.0]], "square"),
    ],
)
def test_bad_distances_end_in_one_clear_sentence(
    name: str, distances: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_baseline(name, np.array(distances))


@pytest.mark.parametrize("infinite", ["largest", 0.0, -1.0, INF, np.nan])
def test_bad_stand_in(infinite: float | str) -> None:
    with pytest.raises(ValueError, match="infinite must be 'max' or a positive finite number"):
        dbscan(layered_matrix(0), infinite=infinite)


def test_registry() -> None:
    assert set(BASELINES) == {"kmeans", "dbscan", "hierarchical", "random"}
    with pytest.raises(ValueError, match="Unknown baseline 'optics'; choose one of kmeans, "):
        run_baseline("optics", layered_matrix(0))
