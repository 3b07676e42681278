"""Matching the clusters of two clusterings."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from neurotopo.cluster.matching import jaccard, match_clusters, match_labels


def test_by_hand():
    a = [{1, 2, 3}, {4, 5}, {6}]
    b = [{4, 5, 6}, {1, 2}, {7, 8}]
    # {6} shares one of three with the first of b, which {4, 5} needs more: it is left alone
    assert match_clusters(a, b) == [(0, 1, pytest.approx(2 / 3)), (1, 0, pytest.approx(2 / 3))]


def test_the_best_assignment_is_not_the_greedy_one():
    a = [set(range(10)), set(range(6, 16))]
    b = [set(range(2, 12)), set(range(20))]
    # greedy takes a[0] with b[0], 8 of 12; b[1] shares 10 of 20 with either
    total = sum(index for *_, index in match_clusters(a, b))
    assert total == pytest.approx(max(8 / 12 + 10 / 20, 10 / 20 + 6 / 14))
    c = [{0, 1, 2, 3}, {2, 3}]
    d = [{2, 3, 0}, {9}]
    assert match_clusters(c, d) == [(0, 0, 0.75)]


def test_against_all_permutations():
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = rng.integers(1, 5, size=2)
        a, b = (
            [set(rng.integers(12, size=rng.integers(1, 6)).tolist()) for _ in range(n)]
            for n in sizes
        )
        matches = match_clusters(a, b)
        assert len({i for i, *_ in matches}) == len({j for _, j, _ in matches}) == len(matches)
        for i, j, index in matches:
            assert index == pytest.approx(len(a[i] & b[j]) / len(a[i] | b[j]))
            assert index > 0
        few, many = (a, b) if len(a) <= len(b) else (b, a)
        best = max(
            sum(jaccard(x, many[k]) for x, k in zip(few, order, strict=False))
            for order in permutations(range(len(many)), len(few))
        )
        assert sum(index for *_, index in matches) == pytest.approx(best)


def test_nothing_to_match():
    assert match_clusters([], [[1]]) == match_clusters([[1]], []) == []
    assert match_clusters([[1], []], [[2], []]) == []
    assert math.isnan(jaccard([], []))
    assert jaccard([1], []) == 0.0


def test_labels_against_sets():
    rng = np.random.default_rng(1)
    for _ in range(100):
        n = int(rng.integers(1, 20))
        a, b = rng.integers(-1, 5, size=(2, n))
        frame = match_labels(a, b)
        sets = [[set(np.flatnonzero(x == k)) for k in np.unique(x[x >= 0])] for x in (a, b)]
        pairs = frame[frame["overlap"] > 0]
        total = sum(index for *_, index in match_clusters(*sets))
        assert pairs["jaccard"].sum() == pytest.approx(total)
        for row in frame.itertuples():
            inside, there = set(np.flatnonzero(a == row.a)), set(np.flatnonzero(b == row.b))
            inside, there = inside if row.a >= 0 else set(), there if row.b >= 0 else set()
            assert (row.size_a, row.size_b) == (len(inside), len(there))
            assert row.overlap == len(inside & there)
            assert row.jaccard == pytest.approx(len(inside & there) / len(inside | there))
        for column, labels in (("a", a), ("b", b)):
            named = sorted(frame[column][frame[column] >= 0])
            assert named == np.unique(labels[labels >= 0]).tolist()


def test_labels_of_the_wrong_kind():
    with pytest.raises(ValueError, match="same length"):
        match_labels([0, 1], [0])
    with pytest.raises(ValueError, match="integers"):
        match_labels([0.5], [0])
    assert len(match_labels([], [])) == 0
    assert match_labels([-1], [-1]).empty
