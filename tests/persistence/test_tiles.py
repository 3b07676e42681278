"""Spanning trees by tiles against the full matrix of distances, with tiny tiles."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import NTCClusterer
from neurotopo.persistence import tiles
from neurotopo.persistence.engines import core_distances, graph_forest
from neurotopo.persistence.metrics import lengths, pairwise
from neurotopo.persistence.tiles import core_distances_of_points, tiled_forest
from tests.support.examples import examples

KINDS = ["normal", "grid", "far apart", "clumps", "repeated", "uneven", "line", "equal"]


def cloud(rng, n, d, kind):
    X = rng.normal(size=(n, d))
    if kind == "grid":  # ties and zero vectors
        return np.round(X / 2)
    if kind == "far apart":
        return X + rng.integers(0, 4, size=(n, 1)) * 100
    if kind == "clumps":  # single precision sees one point in each
        return X[rng.integers(0, n // 20 + 1, size=n)] + rng.normal(size=(n, d)) * 1e-9
    if kind == "repeated":
        return X[rng.integers(0, n // 4 + 1, size=n)]
    if kind == "uneven":
        return X * np.exp(rng.normal(size=(n, 1)) * 6)
    if kind == "line":
        return np.outer(np.arange(n) % 7 * 0.5 + np.arange(n), np.ones(d))
    if kind == "equal":
        return np.broadcast_to(X[:1], (n, d)).copy()
    return X


def expected_forest(X, min_samples):
    return graph_forest(pairwise(X, "euclidean"), min_samples=min_samples)


def same_heights(a, b):
    return np.array_equal(np.sort(a.length), np.sort(b.length))  # bit for bit


@examples(300)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 150),
    d=st.sampled_from([1, 2, 5, 20, 40]),
    kind=st.sampled_from(KINDS),
    exponent=st.sampled_from([0, 0, 0, -200, 200, -60, 60]),
    offset=st.sampled_from([0, 0, 1.0, 1e8]),
    min_samples=st.sampled_from([1, 1, 2, 5, 12]),
    tile=st.sampled_from([4, 8, 16, 60]),
    n_jobs=st.sampled_from([None, 2]),
)
def test_tree_is_minimal(seed, n, d, kind, exponent, offset, min_samples, tile, n_jobs):
    X = (cloud(np.random.default_rng(seed), n, d, kind) + offset) * 10.0**exponent
    min_samples = min(min_samples, n)
    X = np.ldexp(X, -int(np.frexp(np.abs(X).max())[1])) if abs(exponent) == 200 else X
    forest = tiled_forest(X, min_samples, n_jobs, tile=tile)
    distances = lengths(X[:, None], X[None], 2.0)
    assert same_heights(forest, graph_forest(distances, min_samples=min_samples))
    core = core_distances(distances, min_samples)
    ends = np.maximum(core[forest.source], core[forest.target])
    true = np.maximum(distances[forest.source, forest.target], ends)
    assert np.array_equal(forest.length, true)
    assert np.array_equal(core_distances_of_points(X, min_samples, n_jobs, tile=tile), core)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("min_samples", [1, 5])
def test_many_rounds(monkeypatch, kind, min_samples):
    """No light pairs are allowed at once: the tree is improved again and again, then reduced."""
    monkeypatch.setattr(tiles, "_LIGHT_PAIRS", 1)
    monkeypatch.setattr(tiles, "_LEAST_SAMPLE", 0)
    monkeypatch.setattr(tiles, "_ROUNDS", 2)
    X = cloud(np.random.default_rng(0), 400, 20, kind)
    forest = tiled_forest(X, min_samples, tile=20)
    assert same_heights(forest, expected_forest(X, min_samples))


@pytest.mark.parametrize("flood", [0.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_every_precision(monkeypatch, kind, flood):
    """With no flood allowed every tile is computed three times, otherwise once."""
    monkeypatch.setattr(tiles, "_FLOOD", flood)
    X = cloud(np.random.default_rng(1), 300, 30, kind)
    for min_samples in (1, 4):
        forest = tiled_forest(X, min_samples, tile=32)
        assert same_heights(forest, expected_forest(X, min_samples))


@examples(100)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.sampled_from([1, 3, 40, 300]),
    spread=st.sampled_from([0, 1, 4, 8, 16]),
    offset=st.sampled_from([0.0, 1.0, 1e6]),
)
def test_error_bounds_hold(seed, d, spread, offset):
    """No precision gives an entry beyond the bounds around the exact distance."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, d)) * 10.0 ** -rng.uniform(0, spread or 1e-9, size=(60, 1)) + offset
    grid = tiles._Tiles(X, expected_forest(X, 1), 20)
    for a, b in grid.pairs():
        rows, columns = grid.order_of[grid.part(a)], grid.order_of[grid.part(b)]
        exact = lengths(X[rows][:, None], X[columns][None], 2.0)
        everywhere = np.indices(exact.shape)
        for tile in grid._precisions(a, b):
            low, high = tile.between(*everywhere)
            assert (low <= exact).all()
            assert (exact <= high).all()
            shorter = np.nextafter(exact, np.inf)
            assert (tile.distance <= tile.cut(shorter)).all()
        assert not grid.skips(a, b, float(np.nextafter(exact.min(), np.inf)))
        assert grid.apart[a, b] <= exact.min()


def test_the_tree_depends_neither_on_jobs_nor_on_the_order():
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(500, 18)))
    order = rng.permutation(500)
    first = tiled_forest(X, 3, tile=64)
    second = tiled_forest(X, 3, n_jobs=3, tile=64)
    for name in ("source", "target", "length"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert same_heights(first, tiled_forest(X[order], 3, tile=64))
    labels = NTCClusterer.paper(min_samples=3).fit(X).labels_
    assert np.array_equal(
        NTCClusterer.paper(min_samples=3, n_jobs=2).fit(X[order]).labels_, labels[order]
    )


def test_memory_is_that_of_a_tile():
    X = np.random.default_rng(0).normal(size=(3000, 20))
    tiled_forest(X[:100])
    tracemalloc.start()
    tiled_forest(X, 3, tile=128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2 * 8 / 4


def test_equal_points_take_no_pairs():
    X = np.repeat(np.random.default_rng(0).normal(size=(5, 20)), 4000, axis=0)
    forest = tiled_forest(X, 3)
    assert len(forest.length) == len(X) - 1
    assert np.count_nonzero(forest.length) == 4
    assert not core_distances_of_points(X, 3).any()


def test_one_point():
    assert tiled_forest(np.zeros((1, 20))).n_components == 1
    assert core_distances_of_points(np.zeros((1, 20)), 1).tolist() == [0.0]
