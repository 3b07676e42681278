"""Clusters of points as separate modes: the statistic, and that it holds for any clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from neurotopo.persistence import candidate_clusters, merge_tree, mode_test
from neurotopo.persistence.modes import test_clusters as tested
from neurotopo.persistence.point_null import SmoothedPoints, largest_prominence
from neurotopo.persistence.tree_building import tree_of_forest
from tests.support.examples import examples


def naive_prominence(X, members, k):
    """Straight from the definition, on the whole matrix of smoothed lengths."""
    lengths = cdist(X, X)
    core = np.sort(lengths, axis=1)[:, k - 1]
    lengths = np.maximum(lengths, np.maximum(core[:, None], core[None]))
    np.fill_diagonal(lengths, np.inf)
    first = lengths.min(axis=1)
    inside = np.isin(np.arange(len(X)), members)
    if inside.all() or not inside.any():
        return 0.0
    joins = lengths[np.ix_(inside, ~inside)].min()
    return np.log(joins / max(first[inside].min(), first[~inside].min()))


@pytest.mark.parametrize("condense", [False, True])
@pytest.mark.parametrize("d", [1, 3])
def test_statistic_of_nested_clusters_is_that_of_the_definition(d, condense):
    rng = np.random.default_rng([d, condense])
    X = rng.normal(size=(70, d))
    X[:30] += 3
    tree = merge_tree(X, metric="euclidean")
    clusters = candidate_clusters(tree, min_cluster_size=3, condense=condense)
    test = tested(clusters, SmoothedPoints(X))
    assert test.min_samples == (5, 10)
    for position, node in enumerate(clusters.node):
        expected = [naive_prominence(X, tree.members(node), k) for k in (5, 10)]
        assert test.prominence[position] == pytest.approx(expected, abs=1e-12)


@examples(60)
@given(seed=st.integers(0, 10**6), n_groups=st.integers(1, 6), rounded=st.booleans())
def test_no_group_is_more_prominent_than_the_second_bar_of_the_tree(seed, n_groups, rounded):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 2)) + 4 * rng.integers(2, size=(60, 1))
    X = X.round(1) if rounded else X
    near = cdist(X, X[rng.choice(60, n_groups)]).argmin(axis=1)  # cells, and some without a group
    labels = np.where(rng.random(60) < 0.1, -1, near)
    test = mode_test(X, labels)
    for values, k in zip(test.prominence.T, test.min_samples, strict=True):
        highest = largest_prominence(tree_of_forest(SmoothedPoints(X).forest(k)))
        assert (values <= highest + 1e-12).all()
        if not rounded:
            expected = [naive_prominence(X, np.flatnonzero(labels == c), k) for c in range(6)]
            held = np.unique(labels[labels >= 0])
            assert values == pytest.approx(np.array(expected)[held], abs=1e-12)


def test_labels_may_be_any_integers_and_the_order_of_points_does_not_matter():
    rng = np.random.default_rng(2)
    X = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 8]).round(1)
    labels = np.repeat([7, 3], 60)
    far = np.argmax(X[:60, 0] + X[:60, 1] < X[:60].sum(axis=1).min() + 0.01)
    labels[far] = -1
    test = mode_test(X, labels)
    assert test.discoveries().tolist() == [True, True]
    order = rng.permutation(120)
    assert np.array_equal(mode_test(X[order], labels[order]).p_values, test.p_values)
    distances = mode_test(cdist(X, X), labels, "precomputed")
    assert distances.discoveries().all()  # its dimension is not limited by the features


def test_units_do_not_matter():
    X = np.random.default_rng(3).normal(size=(100, 2))
    labels = (X[:, 0] > 0).astype(int)
    one, other = mode_test(X, labels), mode_test(X * 1e6, labels)
    assert other.prominence == pytest.approx(one.prominence, abs=1e-9)


@pytest.mark.parametrize("metric", ["manhattan", "cosine", "canberra"])
def test_groups_are_found_under_other_metrics(metric):
    rng = np.random.default_rng(4)
    X = np.abs(rng.normal([9, 1], 0.3, size=(100, 2)))
    X[:50] = X[:50, ::-1]
    labels = np.repeat([0, 1], 50)
    assert mode_test(X, labels, metric).discoveries().all()
    assert not mode_test(X, rng.permutation(labels), metric).discoveries().any()


def test_few_points_have_no_test():
    test = mode_test([[0.0], [0.1], [9.0], [9.1]], [0, 0, 1, 1])
    assert test.p_values.tolist() == [1.0, 1.0]
    assert test.min_samples == ()
    assert mode_test(np.zeros((50, 2)), np.arange(50) % 2).p_values.tolist() == [1.0, 1.0]
    assert len(mode_test(np.eye(40), np.full(40, -1)).p_values) == 0
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        mode_test([[0.0], [1.0]], [0, 1, 1])
