"""Confidence bands: the quantile, the factors, and what they cover."""

from __future__ import annotations

import gudhi
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

from neurotopo import persistence_diagrams
from neurotopo.persistence.bootstrap import (
    ConfidenceBand,
    _diagram_with_births,
    bottleneck_band,
    distance_to_measure,
)
from neurotopo.persistence.diagram_distances import bottleneck_distance
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.rips import diagrams_with_births
from tests.support.examples import examples


def circle(n, seed):
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def two_blobs(n, seed, gap=4.0):
    rng = np.random.default_rng(seed)
    return np.vstack([rng.uniform(size=(n // 2, 2)), rng.uniform(size=(n // 2, 2)) + gap])


# The Rips filtration of the unit circle with Euclidean distances: one component, and one loop
# from 0 to the side of the inscribed equilateral triangle.
CIRCLE = [np.array([[0.0, np.inf]]), np.array([[0.0, np.sqrt(3)]])]


def coverage(dimension, method, n=60, n_trials=40):
    covered = 0
    for seed in range(n_trials):
        band = bottleneck_band(
            circle(n, seed), dimension=dimension, method=method, n_resamples=60, random_state=seed
        )
        covered += bottleneck_distance(band.diagram, CIRCLE[dimension]) <= band.radius
    return covered / n_trials


def shares(sample, n_significant, n_trials=20, **options):
    """How often a band finds this many significant bars."""
    found = [
        bottleneck_band(sample(seed), n_resamples=60, random_state=seed, **options)
        .significant()
        .sum()
        for seed in range(n_trials)
    ]
    return np.mean(np.array(found) == n_significant)


def normal(n, seed, centres=((0.0, 0.0),)):
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(size=(n // len(centres), 2)) + centre for centre in centres])


def test_radius_is_the_quantile_of_the_bootstrap_distances():
    X = two_blobs(60, 0)
    band = bottleneck_band(X, alpha=0.1, method="bootstrap", n_resamples=50, random_state=0)
    assert band.radius == np.sort(band.distances)[44]
    assert np.mean(band.distances > band.radius) <= 0.1
    assert band.width == 2 * band.radius
    assert (band.alpha, band.dimension, band.method) == (0.1, 0, "bootstrap")


def test_bootstrap_by_hand():
    X = two_blobs(40, 1)
    band = bottleneck_band(X, dimension=1, method="bootstrap", n_resamples=8, random_state=3)
    seeds = np.random.RandomState(3).randint(np.iinfo(np.int32).max, size=8)
    whole = persistence_diagrams(X, "euclidean")[1]
    for seed, distance in zip(seeds, band.distances, strict=True):
        drawn = np.random.default_rng(seed).integers(40, size=40)
        resample = persistence_diagrams(X[drawn], "euclidean")[1]  # duplicates and all
        assert distance == pytest.approx(bottleneck_distance(resample, whole), abs=1e-12)
    np.testing.assert_array_equal(band.diagram, whole)


def test_subsample_by_hand():
    X = two_blobs(40, 1)
    band = bottleneck_band(X, method="subsample", alpha=0.25, n_resamples=8, random_state=3)
    seeds = np.random.RandomState(3).randint(np.iinfo(np.int32).max, size=8)
    hausdorff = []
    for seed in seeds:
        drawn = np.random.default_rng(seed).choice(40, 12, replace=False)  # 40 ** (2 / 3) = 11.7
        hausdorff.append(cdist(X, X[drawn]).min(axis=1).max())
    np.testing.assert_allclose(band.distances, hausdorff)
    # 2: subsamples underestimate; 2: diameters; and once more 2 from the radius to the width
    assert band.radius == pytest.approx(4 * np.sort(hausdorff)[5])
    assert band.width == pytest.approx(8 * np.sort(hausdorff)[5])


def test_a_bar_is_significant_beyond_twice_the_radius():
    band = ConfidenceBand(1.5, 0.05, 0, "bootstrap", np.array([[0.0, 3.0]]), np.zeros(1))
    assert band.significant().tolist() == [False]
    more = [[0.0, 3.1], [2.0, 5.0], [7.0, np.inf]]
    assert band.significant(more).tolist() == [True, False, True]
    assert band.significant([]).tolist() == []


METHODS = ["dtm", "bootstrap", "subsample"]


@pytest.mark.parametrize("method", METHODS)
def test_two_separated_blobs_are_two_components(method):
    for seed in range(2):
        band = bottleneck_band(two_blobs(300, seed), method=method, random_state=seed)
        assert band.significant().sum() == 2


@pytest.mark.parametrize("method", ["dtm", "subsample"])
def test_one_blob_is_one_component(method):
    assert shares(lambda seed: normal(60, seed), 1, method=method) >= 0.95
    assert shares(lambda seed: two_blobs(60, seed, gap=0), 1, method=method) >= 0.95


def test_the_bootstrap_of_the_rips_diagram_takes_outliers_for_components():
    # as the documentation says: no theorem covers it
    assert shares(lambda seed: normal(60, seed), 1, method="bootstrap") < 0.6


def test_the_distance_to_measure_finds_normal_groups():
    centres = [(0, 0), (6, 0), (0, 6)]
    assert shares(lambda seed: normal(180, seed, centres), 3, n_trials=10) >= 0.95


def test_the_distance_to_measure_does_not_see_less_than_its_mass():
    centres = [(0, 0), (6, 0), (0, 6)]
    assert shares(lambda seed: normal(180, seed, centres), 1, n_trials=5, mass=0.7) >= 0.9


@pytest.mark.slow
def test_a_circle_has_one_loop():
    for method in ("dtm", "bootstrap"):
        share = shares(lambda seed: circle(60, seed), 1, 8, method=method, dimension=1)
        assert share >= 0.9
    assert shares(lambda seed: normal(60, seed), 0, n_trials=10, dimension=1) >= 0.95


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dimension", [0, 1])
def test_the_band_shrinks_with_more_points(method, dimension):
    def width(n):
        options = {"dimension": dimension, "method": method, "n_resamples": 40}
        bands = [bottleneck_band(circle(n, s), random_state=s, **options) for s in range(4)]
        return np.mean([band.width for band in bands])

    assert width(30) > 1.2 * width(120)


@pytest.mark.parametrize("dimension", [0, 1])
def test_subsampling_covers_the_circle(dimension):
    assert coverage(dimension, "subsample") >= 0.95


@pytest.mark.slow
def test_the_bootstrap_of_the_rips_diagram_does_not_cover_the_loop_of_a_circle():
    # as the documentation says: no theorem covers it
    assert coverage(1, "bootstrap") < 0.85


def test_seed_and_jobs():
    X = two_blobs(50, 0)
    one = bottleneck_band(X, n_resamples=20, random_state=7)
    same = bottleneck_band(X, n_resamples=20, random_state=7, n_jobs=2)
    other = bottleneck_band(X, n_resamples=20, random_state=8)
    np.testing.assert_array_equal(one.distances, same.distances)
    assert not np.array_equal(one.distances, other.distances)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [100, 400])  # without and with the search that needs no matrix
def test_points_distances_and_edges_are_the_same_sample(method, n):
    X = two_blobs(n, 2)
    distances = squareform(pdist(X))
    options = {"method": method, "n_resamples": 20, "random_state": 0}
    band = bottleneck_band(X, **options)
    for same in (distances, sp.csr_array(distances)):
        precomputed = bottleneck_band(same, "precomputed", **options)
        np.testing.assert_allclose(band.distances, precomputed.distances, rtol=1e-9)
        assert band.radius == pytest.approx(precomputed.radius)


@examples(60)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
def test_distance_to_measure_by_hand(n, seed, mass):
    rng = np.random.default_rng(seed)
    lengths = squareform(rng.uniform(size=n * (n - 1) // 2)) if n > 1 else np.zeros((1, 1))
    drawn = rng.integers(n, size=n)
    copies = np.bincount(drawn, minlength=n).astype(float)
    nearest = np.argsort(lengths, axis=1)
    squares = np.take_along_axis(lengths, nearest, axis=1) ** 2
    wanted = mass * n
    for i, actual in enumerate(distance_to_measure(nearest, squares, copies, mass)):
        each = np.sort(lengths[i, drawn]) ** 2  # one by one, the last one in part
        parts = np.clip(wanted - np.arange(n), 0, 1)
        assert actual == pytest.approx(np.sqrt((parts * each).sum() / wanted))


@examples(60)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2]))
def test_diagrams_of_vertices_that_enter_late(n, seed, dimension):
    rng = np.random.default_rng(seed)
    births = rng.integers(0, 6, n).astype(float)
    lengths = np.maximum(rng.integers(1, 12, (n, n)), np.maximum.outer(births, births))
    lengths = np.triu(lengths, 1) + np.triu(lengths, 1).T
    simplices = gudhi.SimplexTree()
    for i in range(n):
        simplices.insert([i], births[i])
        for j in range(i):
            simplices.insert([j, i], lengths[i, j])
    simplices.expansion(dimension + 1)
    simplices.compute_persistence(2, persistence_dim_max=True)
    expected = simplices.persistence_intervals_in_dimension(dimension).reshape(-1, 2)
    expected = expected[np.lexsort((expected[:, 1], expected[:, 0]))]
    i, j = np.triu_indices(n, 1)
    edges = EdgeList(n, j, i, lengths[i, j])  # either end first
    np.testing.assert_array_equal(
        diagrams_with_births(edges, births, dimension)[dimension], expected
    )
    np.testing.assert_array_equal(_diagram_with_births(lengths, births, dimension), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_very_short_and_very_long_distances(method, scale):
    distances = squareform(pdist(two_blobs(30, 0)))
    plain = bottleneck_band(distances, "precomputed", method=method, random_state=0)
    band = bottleneck_band(distances * scale, "precomputed", method=method, random_state=0)
    assert band.width / scale == pytest.approx(plain.width)
    np.testing.assert_array_equal(band.significant(), plain.significant())


@pytest.mark.parametrize("method", METHODS)
def test_one_point_and_duplicates(method):
    for X in ([[1.0, 2.0]], np.ones((20, 2))):
        band = bottleneck_band(X, method=method, random_state=0)
        assert band.width == 0
        assert band.significant().tolist() == [True]


def test_components_that_a_resample_may_miss():
    # 29 points in one component and 1 in another, which a resample misses a third of the time
    distances = np.ones((30, 30)) - np.eye(30)
    distances[0, 1:] = distances[1:, 0] = np.inf
    band = bottleneck_band(distances, "precomputed", method="bootstrap", random_state=0)
    assert 0.2 < np.isinf(band.distances).mean() < 0.5
    assert np.isinf(band.width)
    assert not band.significant().any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must be between"),
        ({"alpha": 1.0}, "alpha must be between"),
        ({"method": "jackknife"}, "method must be"),
        ({"n_resamples": 0}, "n_resamples must be"),
        ({"dimension": -1}, "dimension must be"),
        ({"method": "subsample", "subsample_size": 11}, "between 1 and the 10 samples"),
        ({"subsample_size": 5}, "is for method"),
        ({"mass": 0.0}, "mass must be"),
        ({"mass": 1.1}, "mass must be"),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        bottleneck_band(circle(10, 0), **options)


@pytest.mark.parametrize("method", ["dtm", "bootstrap", "subsample"])
def test_metric_params(method):
    X = circle(30, 0)
    options = {"method": method, "n_resamples": 10, "random_state": 0}
    band = bottleneck_band(X, "minkowski", metric_params={"p": 1}, **options)
    same = bottleneck_band(squareform(pdist(X, "cityblock")), "precomputed", **options)
    np.testing.assert_allclose(band.distances, same.distances, rtol=1e-9)
    np.testing.assert_allclose(band.diagram, same.diagram, rtol=1e-9)
    assert band.radius != bottleneck_band(X, **options).radius
