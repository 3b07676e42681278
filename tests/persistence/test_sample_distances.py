"""Distances of objects and of rows with missing values."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import nan_euclidean_distances

from neurotopo import NTCClusterer, merge_tree, persistence_diagrams

WORDS = ["cat", "cart", "card", "dog", "dot", "dogs", "elephant"]


@lru_cache
def edits(a, b):
    """The Levenshtein distance."""
    if not a or not b:
        return float(len(a) + len(b))
    return min(edits(a[1:], b) + 1, edits(a, b[1:]) + 1, edits(a[1:], b[1:]) + (a[0] != b[0]))


def warped(a, b, power=1):
    """Dynamic time warping of two series."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            step = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
            cost[i + 1, j + 1] = abs(a[i] - b[j]) ** power + step
    return cost[-1, -1]


def table(samples, metric, **params):
    return np.array([[metric(a, b, **params) for b in samples] for a in samples])


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, pd.Series, lambda w: np.array(w, dtype=object)],
    ids=["list", "tuple", "array", "Series", "object array"],
)
@pytest.mark.parametrize("min_samples", [1, 2])
def test_strings(form, min_samples):
    D = table(WORDS, edits)
    ntc = NTCClusterer.paper(metric=edits, min_samples=min_samples).fit(form(WORDS))
    same = NTCClusterer.paper(metric="precomputed", min_samples=min_samples).fit(D)
    assert ntc.merge_tree_ == same.merge_tree_
    assert np.array_equal(ntc.labels_, same.labels_)
    assert not hasattr(ntc, "n_features_in_")
    new = ["cars", "dig", "zzzzzzzzzzzzzzz"]
    rows = np.array([[edits(a, b) for b in WORDS] for a in new])
    assert ntc.predict(form(new)).tolist() == same.predict(rows).tolist()
    assert ntc.predict(form(new))[-1] == -1
    assert merge_tree(form(WORDS), metric=edits) == merge_tree(D)
    for own, expected in zip(
        persistence_diagrams(form(WORDS), metric=edits), persistence_diagrams(D), strict=True
    ):
        np.testing.assert_array_equal(own, expected)


def test_series_of_different_lengths():
    rng = np.random.default_rng(0)
    series = [rng.normal(5 * (k % 2), 0.3, size=rng.integers(2, 8)).tolist() for k in range(12)]
    params = {"power": 2}
    ntc = NTCClusterer.paper(metric=warped, metric_params=params).fit(series)
    assert ntc.merge_tree_ == merge_tree(table(series, warped, power=2))
    # of equal length they are rows of a table, but not for a clusterer of series
    assert ntc.predict([[5.0, 5.0], [0.0, 0.0]]).tolist() == [
        ntc.predict([[5.0, 5.0]])[0],
        ntc.predict([[0.0, 0.0]])[0],
    ]
    several = [np.zeros((3, 2)), np.ones((4, 2)), np.ones((3, 2))]
    metric = lambda a, b: abs(a.mean() - b.mean())  # noqa: E731
    assert merge_tree(several, metric=metric).birth.tolist() == [0, 0, 0, 0, 1]
    assert merge_tree(several[::2], metric=metric).birth.tolist() == [0, 0, 1]


def test_permuting_the_objects_permutes_the_labels():
    order = np.random.default_rng(1).permutation(len(WORDS))
    labels = NTCClusterer.paper(metric=edits).fit(WORDS).labels_
    permuted = NTCClusterer.paper(metric=edits).fit([WORDS[k] for k in order]).labels_
    assert len(set(zip(labels[order].tolist(), permuted.tolist(), strict=True))) == len(set(labels))


def test_numbers_keep_the_contract_of_scikit_learn():
    seen = []

    def metric(a, b):
        seen.append((a, b))
        return float(np.abs(a - b).sum())

    ntc = NTCClusterer.paper(metric=metric).fit([[0, 1], [2, 3], [9, 9]])
    assert ntc.n_features_in_ == 2
    assert all(isinstance(a, np.ndarray) and a.dtype == np.float64 for a, _ in seen)
    with pytest.raises(ValueError, match="3 features, but NTCClusterer is expecting 2"):
        ntc.predict([[1, 2, 3]])
    for X in ([1.0, 2.0], np.arange(3.0), "cat", [[1.0, np.nan], [2.0, 3.0]]):
        with pytest.raises(ValueError, match=r"Expected 2D array|NaN|one sample, 'cat'"):
            NTCClusterer(metric=metric).fit(X)


def test_the_names_of_features_go_with_objects():
    frame = pd.DataFrame({"x": [0.0, 1.0, 5.0], "y": [0.0, 1.0, 5.0]})
    ntc = NTCClusterer.paper(metric=lambda a, b: abs(len(a) - len(b))).fit(frame)
    assert ntc.feature_names_in_.tolist() == ["x", "y"]
    ntc.fit(["a", "bb", "ccccc"])
    assert not hasattr(ntc, "feature_names_in_")
    assert not hasattr(ntc, "n_features_in_")
    assert ntc.merge_tree_.birth[3:].tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("X", "metric"), [(WORDS, edits), ([[np.nan, 1.0], [2.0, 3.0], [2.0, 4.0]], "nan_euclidean")]
)
def test_few_objects_and_few_points_with_missing_values_are_not_significant(X, metric):
    ntc = NTCClusterer.paper(metric=metric).fit(X)
    assert ntc.p_values_.tolist() == [1.0] * ntc.n_clusters_


@pytest.mark.parametrize(
    ("X", "metric", "message"),
    [
        (["a", "b"], lambda a, b: -1, "samples 0 and 1 it returned -1"),
        (["a", "b"], lambda a, b: float("nan"), "samples 0 and 1 it returned nan"),
        (["a", "b"], lambda a, b: "far", "must return a number, but .* it returned 'far'"),
        (np.array([], dtype=object), edits, r"0 sample\(s\)"),
        (["a", "b"], "euclidean", "could not convert string to float|dtype"),
    ],
)
def test_errors(X, metric, message):
    for read in (lambda x: merge_tree(x, metric=metric), NTCClusterer(metric=metric).fit):
        with pytest.raises(ValueError, match=message):
            read(X)


def missing_values(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) + 8 * rng.integers(0, 3, size=(n, 1))
    X[rng.random(X.shape) < 0.2] = np.nan
    X[:, 0] = rng.normal(size=n)  # so that every pair has a column in common
    return X


def test_nan_euclidean_takes_missing_values():
    X = missing_values()
    D = nan_euclidean_distances(X)
    np.fill_diagonal(D, 0)
    ntc = NTCClusterer.paper(metric="nan_euclidean").fit(X)
    tree = merge_tree(X, metric="nan_euclidean")
    assert ntc.merge_tree_ == tree
    np.testing.assert_allclose(tree.birth, merge_tree(D).birth, rtol=1e-6, atol=1e-7)
    assert ntc.n_features_in_ == 4
    assert ntc.__sklearn_tags__().input_tags.allow_nan
    assert not NTCClusterer().__sklearn_tags__().input_tags.allow_nan
    rows = nan_euclidean_distances(X[:7] + 1e-3, X)
    for min_samples in (1, 3):
        own = NTCClusterer.paper(metric="nan_euclidean", min_samples=min_samples).fit(X)
        same = NTCClusterer.paper(metric="precomputed", min_samples=min_samples).fit(D)
        assert own.predict(X[:7] + 1e-3).tolist() == same.predict(rows).tolist()


def test_a_distance_depends_on_its_two_rows_only():
    X = np.round(missing_values(40, 3))  # many ties
    order = np.random.default_rng(4).permutation(len(X))
    tree = merge_tree(X, metric="nan_euclidean")
    permuted = merge_tree(X[order], metric="nan_euclidean")
    np.testing.assert_array_equal(tree.birth, permuted.birth)


def test_rows_without_a_common_column_have_no_edge():
    X = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, 4.0], [np.nan, np.nan]])
    D = np.array([[0, 1, np.inf], [1, 0, 1], [np.inf, 1, 0]]) * np.sqrt(2)
    tree = merge_tree(X[:3], metric="nan_euclidean")
    np.testing.assert_allclose(tree.birth, merge_tree(np.where(D > 0, D, 0)).birth)
    assert merge_tree(X, metric="nan_euclidean").n_components == 2
    ntc = NTCClusterer.paper(metric="nan_euclidean").fit(np.repeat(X[1:3], 3, axis=0))
    assert ntc.predict([[np.nan, np.nan], [2.0, 3.0]])[0] == -1
    h0 = persistence_diagrams(X, metric="nan_euclidean", max_dimension=0)[0]
    assert np.isinf(h0[:, 1]).sum() == 2
    with pytest.raises(TypeError, match="dense data is required"):
        NTCClusterer(metric="nan_euclidean").fit(sp.csr_array(np.eye(3)))
    for metric in ("euclidean", "cosine", "canberra"):
        with pytest.raises(ValueError, match="NaN"):
            NTCClusterer(metric=metric).fit(X)
    with pytest.raises(ValueError, match="infinity"):
        NTCClusterer(metric="nan_euclidean").fit([[np.inf, 1.0], [2.0, 3.0]])
