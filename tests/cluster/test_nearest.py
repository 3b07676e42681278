"""The nearest member of new points, under smoothed lengths, against all distances."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.cluster.fitted_input import FittedInput
from neurotopo.cluster.membership import nearest_members
from neurotopo.persistence.metrics import pairwise

METRICS = [
    ("euclidean", None),
    ("manhattan", None),
    ("chebyshev", None),
    ("minkowski", {"p": 3.0}),
    ("cosine", None),
    ("canberra", None),
]


def smoothed(rows, D, min_samples):
    """Smoothed distances of new points (rows) to samples (columns) with distances D."""
    if min_samples > len(D):
        return np.full(rows.shape, np.inf)
    core = np.sort(D, axis=1)[:, min_samples - 1]
    own = np.sort(rows, axis=1)[:, min_samples - 1, None] if min_samples > 1 else 0.0
    return np.maximum(np.maximum(rows, own), core)


@pytest.mark.parametrize(("metric", "params"), METRICS)
@pytest.mark.parametrize("whole", [False, True])
def test_against_all_distances(metric, params, whole):
    """Whole numbers have ties; of those the first in the order of the members counts."""
    rng = np.random.default_rng(int(whole))
    for _ in range(40):
        n, d, q = int(rng.integers(3, 80)), int(rng.integers(2, 15)), 10
        X = rng.integers(0, 3, (n + q, d)) + 1.0 if whole else rng.normal(size=(n + q, d))
        if not whole and metric != "minkowski":  # the search may not have the numbers for these
            X *= 10.0 ** rng.integers(-200, 200)
        D = pairwise(X, metric, params)
        min_samples = int(rng.integers(1, 5))
        members = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        kept = FittedInput(X[:n], metric, params)
        expected = smoothed(D[n:, :n], D[:n, :n], min_samples)[:, members]
        distance, nearest = nearest_members(X[n:], kept, members, min_samples)
        assert np.allclose(distance, expected.min(axis=1), rtol=1e-12, atol=0)
        if min_samples <= n and (whole or metric != "canberra"):
            assert np.array_equal(nearest, members[expected.argmin(axis=1)])
        if metric != "canberra" and min_samples <= n:
            core = np.sort(D[:n, :n], axis=1)[:, min_samples - 1]
            assert np.array_equal(kept.core(min_samples), core)


def test_many_duplicates_of_the_nearest_member():
    X = np.repeat(np.arange(3.0), 700)[:, None]
    kept = FittedInput(X, "euclidean", None)
    members = np.arange(len(X))[::-1]
    distance, nearest = nearest_members(np.array([[0.4], [1.5], [9.0]]), kept, members)
    assert distance.tolist() == pytest.approx([0.4, 0.5, 7.0])
    assert nearest.tolist() == [699, 2099, 2099]
