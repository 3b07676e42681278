"""The forest of a tile is a maximum spanning forest, whatever the tile holds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from neurotopo.graphs import bipartite
from neurotopo.graphs.bipartite import DenseTile, TileForest, tile_forest
from tests.support.examples import examples
from tests.support.tiles import assert_is_spanning_forest, check_tile, tiles


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


@examples(300)
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


class Counting(DenseTile):
    """Counts the entries that are looked at more than once."""

    copied = 0

    def best_of_rows(self, rows, without):
        self.copied += len(rows) * self.shape[1]
        return super().best_of_rows(rows, without)

    def best_of_columns(self, columns, without):
        self.copied += len(columns) * self.shape[0]
        return super().best_of_columns(columns, without)

    def block(self, rows, columns):
        self.copied += 100 * len(rows) * len(columns)
        return super().block(rows, columns)


@pytest.mark.parametrize(
    "kind", ["even", "uneven", "very uneven", "nearly dead", "dead", "constant"]
)
def test_usual_tiles_take_the_short_way(kind, monkeypatch):
    """No Prim and hardly any outsider left: this guards the speed, not the answer."""
    monkeypatch.setattr(bipartite, "_prim", None)
    rng = np.random.default_rng(0)
    strength = np.abs(rng.normal(size=(500, 500)))
    spread = {"uneven": 0.5, "very uneven": 3.0}.get(kind, 0.0)
    strength *= np.exp(spread * rng.normal(size=(500, 1)))
    strength *= np.exp(spread * rng.normal(size=(1, 500)))
    if kind == "nearly dead":
        strength[:200] *= 1e-6
        strength[:, 100:400] *= 1e-5
    elif kind == "dead":
        strength[:450] = 0.0
        strength[:, 50:] = 0.0
    elif kind == "constant":
        strength[:] = 1.0
    tile = Counting(strength)
    assert len(tile_forest(tile)) == (99 if kind == "dead" else 999)
    assert tile.copied < 2.2 * strength.size


def test_many_separate_groups_go_to_prim(monkeypatch):
    """Where no component is a giant, a level for each of them would take too long."""
    rng = np.random.default_rng(0)
    strength = rng.random((300, 300)) + 10.0 * np.kron(np.eye(20), np.ones((15, 15)))
    called = []
    original = bipartite._prim
    monkeypatch.setattr(
        bipartite, "_prim", lambda *given: called.append(given[0].shape) or original(*given)
    )
    assert_is_spanning_forest(tile_forest(DenseTile(strength)), strength)
    assert called == [(300, 300)]


@pytest.mark.parametrize("n_columns", [96, 97, 192, 384])
def test_the_sample_sees_every_column(n_columns):
    rng = np.random.default_rng(0)
    strength = rng.random((4000, n_columns)) * np.exp(3 * rng.normal(size=n_columns))
    wanted = 2 * (4000 + n_columns)
    threshold = bipartite._sampled_threshold(DenseTile(strength), wanted)
    assert wanted / 1.5 < np.count_nonzero(strength > threshold) < 1.5 * wanted


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


@pytest.mark.parametrize("ties", [False, True])
def test_candidates_are_bounded_where_the_sample_misleads(ties):
    strength = np.full((200, 200), 1.0)
    strength += np.random.default_rng(0).random((200, 200)).round(0 if ties else 16)

    class Blind(DenseTile):
        def sample(self, stride):
            return np.zeros(100)

    held = []

    class Watched(Blind):
        def above(self, first, last, threshold):
            position, value = super().above(first, last, threshold)
            held.append(len(position))
            return position, value

    tile = Watched(strength)
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


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("band", [1, 40, 150, 10**6])
def test_what_a_tile_answers(band, absolute, monkeypatch):
    monkeypatch.setattr(bipartite, "_BAND", band)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(31, 37))
    tile = DenseTile(weights.copy(), absolute=absolute)
    check_tile(tile, np.abs(weights) if absolute else weights, rng)
