"""Representative cycles, checked by the ranks of boundary matrices modulo 2."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform

from neurotopo import persistence_diagrams
from neurotopo.persistence import EdgeList, RepresentativeCycle, representative_cycles
from tests.support.examples import examples
from tests.support.oracles import as_sparse, weighted_graphs


def rank(chains):
    """Rank of chains modulo 2: each is the set of its edges, as the bits of an integer."""
    pivots = {}
    for chain in chains:
        while chain and chain.bit_length() in pivots:
            chain ^= pivots[chain.bit_length()]
        if chain:
            pivots[chain.bit_length()] = chain
    return len(pivots)


def assert_right(lengths, cycles):
    """Check all that the Notes say, radius by radius, on the whole complex."""
    n = len(lengths)
    pairs = [(i, j) for i, j in combinations(range(n), 2) if np.isfinite(lengths[i, j])]
    bit = {pair: 1 << k for k, pair in enumerate(pairs)}
    triangles = [t for t in combinations(range(n), 3) if all(p in bit for p in combinations(t, 2))]
    entry = [max(lengths[p] for p in combinations(t, 2)) for t in triangles]
    boundary = [sum(bit[p] for p in combinations(t, 2)) for t in triangles]

    chains = []
    for cycle in cycles:
        ends = [tuple(pair) for pair in cycle.edges.tolist()]
        assert ends == sorted(set(ends))
        assert (np.unique(cycle.edges, return_counts=True)[1] % 2 == 0).all()
        assert max(lengths[pair] for pair in ends) == cycle.birth < cycle.death
        chains.append(sum(bit[pair] for pair in ends))

    for radius in sorted({0.0, *(lengths[pair] for pair in pairs)}):
        filled = [b for b, r in zip(boundary, entry, strict=True) if r <= radius]
        there = np.where(lengths <= radius, 1, 0)
        n_components = connected_components(there, directed=False)[0]
        n_edges = sum(lengths[pair] <= radius for pair in pairs)
        betti = n_edges - (n - n_components) - rank(filled)
        both = list(zip(cycles, chains, strict=True))
        alive = [chain for cycle, chain in both if cycle.birth <= radius < cycle.death]
        dead = [chain for cycle, chain in both if cycle.death <= radius]
        assert len(alive) == betti
        assert rank(filled + alive) == rank(filled) + betti  # a basis
        assert rank(filled + dead) == rank(filled)


def bars(cycles):
    return np.array([(cycle.birth, cycle.death) for cycle in cycles]).reshape(-1, 2)


@examples(120)
@given(weighted_graphs(max_vertices=9))
def test_the_cycles_are_a_basis_at_every_radius(lengths):
    cycles = representative_cycles(lengths)
    np.testing.assert_array_equal(bars(cycles), persistence_diagrams(lengths)[1])
    assert_right(lengths, cycles)


@examples(50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 14, 18]), st.sampled_from([2, 4, 1000]))
def test_sparse_graphs_with_many_ties(seed, n, n_values):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, n_values, n * (n - 1) // 2).astype(float)
    lengths[rng.uniform(size=len(lengths)) < rng.uniform(0.3, 0.9)] = np.inf
    lengths = squareform(lengths)
    cycles = representative_cycles(as_sparse(lengths))
    np.testing.assert_array_equal(bars(cycles), persistence_diagrams(as_sparse(lengths))[1])
    assert_right(lengths, cycles)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_points(dimension):
    X = np.random.default_rng(dimension).normal(size=(22, dimension))
    cycles = representative_cycles(X, "euclidean")
    assert len(cycles) > 1
    np.testing.assert_array_equal(bars(cycles), persistence_diagrams(X, "euclidean")[1])
    assert_right(squareform(pdist(X)).round(12), [rounded(cycle) for cycle in cycles])


def rounded(cycle):
    return RepresentativeCycle(round(cycle.birth, 12), round(cycle.death, 12), cycle.edges)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_several_hundred_points(metric):
    X = np.random.default_rng(0).uniform(size=(250, 2))
    cycles = representative_cycles(X, metric)
    np.testing.assert_array_equal(bars(cycles), persistence_diagrams(X, metric)[1])


def test_the_loop_of_a_noisy_circle_goes_round():
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 2 * np.pi, 120)
    X = np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(scale=0.1, size=(120, 2))
    cycle = max(representative_cycles(X, "euclidean"), key=lambda c: c.death - c.birth)
    (loop,) = cycle.loops
    turns = np.diff(np.unwrap(np.arctan2(*X[np.append(loop, loop[0])].T)))
    assert abs(turns.sum()) == pytest.approx(2 * np.pi)


class TestLoops:
    def test_two_ends_of_a_tube(self):
        # rings of four with sides 1 and 2; at 3 the wall between them is filled
        lengths = np.full((8, 8), np.inf)
        for k in range(4):
            after = (k + 1) % 4
            for i, j, length in [
                (k, after, 1.0),
                (4 + k, 4 + after, 2.0),
                (k, 4 + k, 3.0),
                (k, 4 + after, 3.0),
            ]:
                lengths[i, j] = lengths[j, i] = length
        first, second = representative_cycles(lengths)
        assert (first.birth, first.death) == (1, np.inf)
        assert first.vertices.tolist() == [0, 1, 2, 3]
        assert (second.birth, second.death) == (2, 3)
        # neither end dies at 3: what dies is their difference
        assert [loop.tolist() for loop in second.loops] == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert_right(lengths, [first, second])

    @given(weighted_graphs(max_vertices=10))
    def test_loops_are_closed_walks_over_all_edges(self, lengths):
        for cycle in representative_cycles(lengths):
            walked = []
            for loop in cycle.loops:
                assert len(loop) == len(set(loop.tolist())) >= 3
                walked += np.sort(np.column_stack([loop, np.roll(loop, 1)])).tolist()
            assert sorted(walked) == cycle.edges.tolist()

    def test_loops_that_share_a_vertex(self):
        edges = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [2, 4], [3, 4]])
        loops = RepresentativeCycle(1.0, 2.0, edges).loops
        assert sorted(sorted(loop.tolist()) for loop in loops) == [[0, 1, 2], [2, 3, 4]]


def test_the_shorter_way_round():
    # 0-1-2-3-4-0 with a way of two short edges and one of two longer ones from 1 to 3
    lengths = np.full((6, 6), np.inf)
    for i, j, length in [(0, 1, 1), (1, 2, 2), (2, 3, 2), (1, 5, 3), (5, 3, 3), (3, 4, 1)]:
        lengths[i, j] = lengths[j, i] = length
    lengths[0, 4] = lengths[4, 0] = 4
    first, second = representative_cycles(lengths)
    assert (first.birth, second.birth) == (3, 4)
    assert second.vertices.tolist() == [0, 1, 2, 3, 4]


def test_very_long_lengths():
    lengths = np.where(TestInput.ring == 0, 0.0, TestInput.ring * 8e307)
    (cycle,) = representative_cycles(lengths)
    assert (cycle.birth, cycle.death, len(cycle.edges)) == (1.6e308, np.inf, 4)


class TestOrderOfTheSamples:
    @given(st.integers(0, 2**32 - 1))
    def test_lengths_without_ties(self, seed):
        rng = np.random.default_rng(seed)
        lengths = squareform(rng.uniform(size=12 * 11 // 2))
        order = rng.permutation(12)
        cycles = representative_cycles(lengths)
        for one, other in zip(
            cycles, representative_cycles(lengths[np.ix_(order, order)]), strict=True
        ):
            assert (one.birth, one.death) == (other.birth, other.death)
            back = np.sort(order[other.edges], axis=1)
            np.testing.assert_array_equal(back[np.lexsort((back[:, 1], back[:, 0]))], one.edges)

    @given(weighted_graphs(max_vertices=8), st.randoms())
    def test_ties_change_cycles_only(self, lengths, random):
        order = random.sample(range(len(lengths)), len(lengths))
        moved = lengths[np.ix_(order, order)]
        cycles = representative_cycles(moved)
        np.testing.assert_array_equal(bars(cycles), bars(representative_cycles(lengths)))
        assert_right(moved, cycles)


class TestInput:
    ring = squareform([1.0, np.inf, 2.0, 1.0, np.inf, 1.0])  # 0-1-2-3-0, no diagonals

    @pytest.mark.parametrize("form", [np.asarray, as_sparse, EdgeList.from_dense])
    def test_forms(self, form):
        (cycle,) = representative_cycles(form(self.ring))
        assert (cycle.birth, cycle.death) == (2, np.inf)
        assert cycle.edges.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
        assert cycle.edges.dtype == np.intp

    def test_max_radius(self):
        square = np.array([[0, 0], [0, 2], [2, 2], [2, 0]])
        for radius in (1.0, 2.0, 2.5, 4.0, None):
            cycles = representative_cycles(square, "euclidean", max_radius=radius)
            expected = persistence_diagrams(square, "euclidean", max_radius=radius)[1]
            np.testing.assert_array_equal(bars(cycles), expected)
        with pytest.raises(ValueError, match="max_radius must be a non-negative number"):
            representative_cycles(square, "euclidean", max_radius=-1.0)

    def test_metric_params(self):
        X = np.random.default_rng(0).normal(size=(20, 2))
        ours = representative_cycles(X, "minkowski", metric_params={"p": 1})
        theirs = representative_cycles(X, "cityblock")
        np.testing.assert_allclose(bars(ours), bars(theirs))
        assert all(np.array_equal(a.edges, b.edges) for a, b in zip(ours, theirs, strict=True))

    def test_duplicates(self):
        X = np.repeat([[0, 0], [0, 1], [1, 1], [1, 0]], 3, axis=0)
        (cycle,) = representative_cycles(X, "euclidean")
        assert (cycle.birth, cycle.death) == (1, np.sqrt(2))
        assert_right(squareform(pdist(X)), [cycle])

    @pytest.mark.parametrize("graph", [np.zeros((1, 1)), np.zeros((5, 5)), squareform([1.0])])
    def test_no_loops(self, graph):
        assert representative_cycles(graph) == []
        assert representative_cycles(as_sparse(graph)) == []

    def test_errors(self):
        with pytest.raises(ValueError, match=r"symmetric, but X\[0, 1\]"):
            representative_cycles(np.array([[0.0, 1.0], [2.0, 0.0]]))
