"""The forest of a tile is a maximum spanning forest, whatever the tile holds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo.graphs import bipartite
from neurotopo.graphs.bipartite import DenseTile, TileForest, tile_forest


def kruskal(strength, least):
    """Merge strengths by Kruskal's algorithm over all entries, straight from the textbook."""
    n_rows, n_columns = strength.shape
    top = list(range(n_rows + n_columns))

    def find(a):
        while top[a] != a:
            a = top[a]
        return a

    merged = []
    for position in np.argsort(-strength.reshape(-1).astype(np.float64), kind="stable"):
        row, column = divmod(int(position), n_columns)
        if not strength[row, column] > least:
            break
        a, b = find(row), find(n_rows + column)
        if a != b:
            top[a] = b
            merged.append(strength[row, column])
    return np.array(merged, strength.dtype)


def assert_is_spanning_forest(forest, strength, least=0.0):
    """True entries, no cycle, and the strengths (with multiplicity) of every such forest."""
    assert np.array_equal(strength[forest.row, forest.column], forest.strength)
    assert forest.strength.dtype == strength.dtype
    expected = kruskal(strength, least)
    assert np.array_equal(np.sort(forest.strength)[::-1], expected)
    # as many edges as merges, and they merge as much: so none closes a cycle
    only = np.full(strength.shape, -np.inf, dtype=strength.dtype)
    only[forest.row, forest.column] = forest.strength
    assert len(kruskal(only, least)) == len(forest)


@st.composite
def tiles(draw, max_side=40):
    """Ties, zeros, dead and nearly dead rows and columns, several components, extreme values."""
    n_rows, n_columns = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    kind = draw(st.sampled_from(["product", "few values", "extreme", "wide", "constant"]))
    shape = (n_rows, n_columns)
    if kind == "product":
        strength = np.abs(rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, n_columns)))
    elif kind == "few values":
        strength = rng.integers(0, draw(st.integers(1, 9)), size=shape).astype(float)
    elif kind == "extreme":
        strength = rng.choice([0.0, 1e-45, 1e-38, 1.0, 1.0 + 2**-23, 3e38, np.inf], size=shape)
    elif kind == "wide":
        strength = 10.0 ** rng.uniform(-30, 30, size=shape)
    else:
        strength = np.full(shape, draw(st.sampled_from([0.0, 1.0])))
    uneven = draw(st.sampled_from([0.0, 0.0, 1.0, 4.0]))
    strength = strength * np.exp(uneven * rng.normal(size=(n_rows, 1)))
    strength = strength * np.exp(uneven * rng.normal(size=(1, n_columns)))
    dead = draw(st.sampled_from([0.0, 0.0, 0.2, 0.6, 1.0]))
    strength[rng.random(n_rows) < dead] = 0.0
    strength[:, rng.random(n_columns) < dead] = 0.0
    parts = draw(st.sampled_from([1, 1, 2, 5]))
    apart = rng.integers(parts, size=n_rows)[:, None] != rng.integers(parts, size=n_columns)
    strength[apart] = 0.0
    return np.minimum(strength, np.finfo(dtype).max).astype(dtype) if uneven else strength.astype(
        dtype)  # fmt: skip


@pytest.fixture
def low_thresholds(monkeypatch):
    """Make small tiles go the way of large ones: few candidates, many bands, rough samples."""
    monkeypatch.setattr(bipartite, "_WANTED", 1)
    monkeypatch.setattr(bipartite, "_LIMIT", 2)
    monkeypatch.setattr(bipartite, "_SAMPLED", 4)
    monkeypatch.setattr(bipartite, "_BAND", 50)
    monkeypatch.setattr(bipartite, "_FEW", 4)
    monkeypatch.setattr(bipartite, "_SQUARE", 8)


@given(tiles())
def test_small_tiles(strength):
    assert_is_spanning_forest(tile_forest(DenseTile(strength)), strength)


@settings(max_examples=300)
@given(tiles())
@pytest.mark.usefixtures("low_thresholds")
def test_every_way_through(strength):
    before = strength.copy()
    assert_is_spanning_forest(tile_forest(DenseTile(strength)), strength)
    assert np.array_equal(before, strength)


@given(tiles())
@pytest.mark.usefixtures("low_thresholds")
def test_negative_strengths_are_edges_where_least_is_minus_infinity(strength):
    strength = -strength  # as minus a length
    strength[strength < -1e20] = -np.inf
    forest = tile_forest(DenseTile(strength, least=-np.inf))
    assert_is_spanning_forest(forest, strength, least=-np.inf)


@given(tiles(max_side=25))
def test_prim_alone(strength):
    assert_is_spanning_forest(bipartite._prim(strength, 0.0), strength)


@pytest.mark.parametrize("uneven", [0.0, 0.5, 2.0, 6.0])
def test_tiles_of_ordinary_size(uneven, monkeypatch):
    rng = np.random.default_rng(1)
    a = rng.normal(size=(300, 40)) * np.exp(uneven * rng.normal(size=(300, 1)))
    b = rng.normal(size=(430, 40)) * np.exp(uneven * rng.normal(size=(430, 1)))
    strength = np.abs(a @ b.T).astype(np.float32)
    with monkeypatch.context() as patched:
        patched.setattr(bipartite, "_BAND", 1 << 12)
        forest = tile_forest(DenseTile(strength))
    assert_is_spanning_forest(forest, strength)
    assert np.array_equal(
        np.sort(forest.strength), np.sort(bipartite._prim(strength, 0.0).strength)
    )


def test_even_tiles_do_without_prim(monkeypatch):
    """The slow way is for uneven tiles only: this guards the speed, not the answer."""
    monkeypatch.setattr(bipartite, "_prim", None)
    strength = np.abs(np.random.default_rng(0).normal(size=(500, 500)))
    strength[:200] *= 1e-6  # nearly dead neurons do not count as uneven
    strength[:, 100:400] *= 1e-5
    assert len(tile_forest(DenseTile(strength))) == 999


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_tiles_without_entries(shape):
    assert len(tile_forest(DenseTile(np.empty(shape)))) == 0


@pytest.mark.parametrize("kind", ["normal", "uneven", "constant", "heavy", "sample misleads"])
def test_memory_stays_below_two_further_tiles(kind):
    rng = np.random.default_rng(0)
    strength = np.abs(rng.normal(size=(1024, 1024)))
    if kind == "uneven":
        strength *= np.exp(3 * rng.normal(size=(1024, 1))) * np.exp(3 * rng.normal(size=(1, 1024)))
    elif kind == "constant":
        strength[:] = 1.0
    elif kind == "heavy":
        strength = strength**30
    elif kind == "sample misleads":
        stride = bipartite._WANTED * 2048 // bipartite._SAMPLED
        strength += 100.0
        for around in range(stride, stride + 8):  # whichever stride is taken, it sees low values
            strength.reshape(-1)[::around] = 1.0
    tracemalloc.start()
    try:
        forest = tile_forest(DenseTile(strength))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(forest) == 2047
    assert peak < 1.6 * strength.nbytes


def test_candidates_are_bounded_where_the_sample_misleads():
    strength = np.full((200, 200), 1.0)
    strength += np.random.default_rng(0).random((200, 200))

    class Blind(DenseTile):
        def sample(self, stride):
            return np.zeros(100)

    held = []

    class Counting(Blind):
        def above(self, first, last, threshold):
            position, value = super().above(first, last, threshold)
            held.append(len(position))
            return position, value

    tile = Counting(strength)
    tile.pass_rows = 10
    strong, threshold = bipartite._strongest(tile)
    assert threshold > 1.0
    assert np.all(strong.strength > threshold)
    assert held[0] == 2000  # nothing is known yet
    assert sum(held) < strength.size / 2
    assert_is_spanning_forest(tile_forest(tile), strength)


def test_edges_of_a_block_are_named_as_in_the_tile():
    part = TileForest(np.array([0, 1]), np.array([1, 0]), np.array([2.0, 3.0]))
    named = part.within(np.array([4, 7]), np.array([5, 9]))
    assert named.row.tolist() == [4, 7]
    assert named.column.tolist() == [9, 5]
