"""The index of DBCV against the definition and against hdbscan."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs

from neurotopo.metrics import dbcv
from tests.support.examples import examples
from tests.support.oracles import minimax


def blobs(seed, noise=0.1):
    """Points of overlapping clusters, some in none, and their labels."""
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(20, 90)), int(rng.integers(1, 5)), int(rng.integers(2, 5))
    X, labels = make_blobs(n, d, centers=k, cluster_std=rng.uniform(0.5, 3), random_state=seed)
    labels[rng.random(n) < noise] = -1
    for label in range(k):
        labels[2 * label : 2 * label + 2] = label
    return X, labels


@pytest.mark.parametrize("seed", range(25))
def test_hdbscan_is_one_choice_of_tree(seed):
    validity_index = pytest.importorskip("hdbscan.validity").validity_index
    X, labels = blobs(seed)
    theirs, each = validity_index(X, labels, per_cluster_scores=True)
    ours, our_each = dbcv(X, labels, ties="order", per_cluster=True)
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert our_each == pytest.approx(each, abs=1e-9)
    matrix, options = cdist(X, X, "cityblock"), {"metric": "precomputed"}
    theirs = validity_index(matrix, labels, d=3, **options)
    assert dbcv(matrix, labels, n_dimensions=3, ties="order", **options) == pytest.approx(theirs)
    ours = dbcv(X, labels, "manhattan", n_dimensions=3, ties="order")
    assert ours == pytest.approx(theirs)


def test_hdbscan_depends_on_the_order_of_the_samples_and_the_default_does_not():
    validity_index = pytest.importorskip("hdbscan.validity").validity_index
    X, labels = make_blobs(60, centers=3, cluster_std=1.5, random_state=0)
    orders = [np.random.default_rng(seed).permutation(60) for seed in range(5)]
    assert np.ptp([validity_index(X[order], labels[order]) for order in orders]) > 0.1
    assert len({dbcv(X[order], labels[order]) for order in orders}) == 1


def naive(D, labels, dimension):
    """The index from the definition: all minimum spanning trees count, of smallest distances."""
    names = [k for k in np.unique(labels[labels >= 0]) if (labels == k).sum() > 1]
    parts = {}
    for name in names:
        inside = np.flatnonzero(labels == name)
        d = D[np.ix_(inside, inside)]
        m = len(inside)
        core = np.zeros(m)
        for i in range(m):
            near = d[i][d[i] > 0]
            if len(near):
                core[i] = (sum(near**-dimension) / (m - 1)) ** (-1 / dimension)
        smooth = np.maximum(d, np.maximum(core[:, None], core))
        # ranks of (smoothed length, length): the tree is that of the ranks
        pairs = np.stack([smooth, d], axis=-1).reshape(-1, 2)
        ranks = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(m, m) + 1.0
        np.fill_diagonal(ranks, 0.0)
        edges = (ranks == minimax(ranks)) & ~np.eye(m, dtype=bool)
        internal = edges.sum(axis=1) > 1
        if not internal.any():
            internal[:] = True
        both = edges & internal[:, None] & internal
        longest = smooth[both].max() if both.any() else smooth[edges].max()
        parts[name] = inside[internal], core[internal], longest
    total = 0.0
    for name, (inside, core, longest) in parts.items():
        least = min(
            np.maximum(D[np.ix_(inside, there)], np.maximum(core[:, None], other)).min()
            for k, (there, other, _) in parts.items()
            if k != name
        )
        if max(least, longest) > 0:
            total += (labels == name).sum() * (least - longest) / max(least, longest)
    return total / len(labels)


@examples(150)
@given(seed=st.integers(0, 2**31), width=st.integers(2, 40), continuous=st.booleans())
def test_against_the_definition_with_ties_and_duplicates_in_any_order(seed, width, continuous):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(6, 30)), int(rng.integers(1, 3))
    X = rng.random((n, d)) if continuous else rng.integers(0, width, size=(n, d)).astype(float)
    labels = rng.integers(-1, 3, size=n)
    labels[:4] = [0, 0, 1, 1]
    index = dbcv(X, labels)
    assert -1 <= index <= 1
    D = np.sqrt(sum(np.subtract.outer(column, column) ** 2 for column in X.T))
    assert index == pytest.approx(naive(D, labels, d), abs=1e-9)
    order = rng.permutation(n)
    names = rng.permutation(5)
    assert dbcv(X[order], np.where(labels < 0, -1, names[labels])[order]) == pytest.approx(
        index, abs=1e-12
    )


def test_many_dimensions_do_not_overflow():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(c, 1.0, size=(20, 200)) for c in (0.0, 9.0)]) * 1e-4
    labels = np.repeat([0, 1], 20)
    assert dbcv(X, labels) == pytest.approx(dbcv(X * 1e4, labels), abs=1e-12)
    assert dbcv(X, labels) > 0.5


def test_clusters_without_a_validity():
    X = np.array([[0.0], [1.0], [5.0], [6.0], [20.0]])
    index, each = dbcv(X, [0, 0, 3, 3, 7], per_cluster=True)
    assert each[2] == 0
    assert index == pytest.approx((2 * each[0] + 2 * each[1]) / 5)
    assert dbcv(X, [-1] * 5) == 0.0
    assert np.isnan(dbcv(X, [0] * 5))
    assert dbcv(np.zeros((4, 1)), [0, 0, 1, 1]) == 0.0
    assert dbcv(sp.csr_array(X), [0, 0, 1, 1, -1]) == dbcv(X, [0, 0, 1, 1, -1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0, 1]}, "shape"),
        ({"labels": [0.0, 1.0, 1.0]}, "integers"),
        ({"ties": "any"}, "ties"),
        ({"metric": "precomputed", "X": np.zeros((3, 3))}, "n_dimensions"),
        ({"metric": "precomputed", "X": sp.eye_array(3) * 0}, "dense"),
        ({"metric": "precomputed", "X": np.full((3, 3), np.inf)}, r"X\[0, 1\] is infinite"),
        ({"n_dimensions": 0}, "positive"),
    ],
)
def test_bad_input_is_named(options, message):
    given = {"X": np.zeros((3, 1)), "labels": [0, 0, 1]} | options
    with pytest.raises(ValueError, match=message):
        dbcv(**given)
