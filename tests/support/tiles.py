"""Tiles of strengths, and what a tile and its forest must satisfy."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


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
    return (
        np.minimum(strength, np.finfo(dtype).max).astype(dtype)
        if uneven
        else strength.astype(dtype)
    )


def check_tile(tile, strength, rng):
    """Compare what a tile answers with the matrix itself."""
    n_rows, n_columns = strength.shape
    assert tile.shape == strength.shape
    assert np.array_equal(tile.sample(3), strength.reshape(-1)[::3])
    position, value = tile.above(1, n_rows, 1.0)
    below = np.where(np.arange(n_rows)[:, None] < 1, 0.0, strength)
    assert np.array_equal(position, np.flatnonzero(below > 1.0))
    assert np.array_equal(value, strength.reshape(-1)[position])
    for share in (0.0, 0.1, 0.7):
        left_rows, left_columns = (
            np.flatnonzero(rng.random(n) < share) for n in (n_rows, n_columns)
        )
        for wanted in (0.05, 0.9):
            rows, columns = (np.flatnonzero(rng.random(n) < wanted) for n in (n_rows, n_columns))
            kept = np.delete(strength, left_columns, axis=1)
            at, value = tile.best_of_rows(rows, left_columns)
            assert np.array_equal(value, kept[rows].max(axis=1))
            assert np.array_equal(value, strength[rows, at])
            assert not np.isin(at, left_columns).any()
            kept = np.delete(strength, left_rows, axis=0)
            at, value = tile.best_of_columns(columns, left_rows)
            assert np.array_equal(value, kept[:, columns].max(axis=0))
            assert np.array_equal(value, strength[at, columns])
            assert not np.isin(at, left_rows).any()
            block = tile.block(rows, columns)
            assert np.array_equal(block.to_numpy(), strength[np.ix_(rows, columns)])
            assert block.least == tile.least
    assert np.array_equal(tile.to_numpy(), strength)
