"""Vineyards: the bars of each slice, and their matching."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.neighbors import kneighbors_graph

from neurotopo import merge_tree
from neurotopo.persistence import distance_to_measure, prominent_clusters, vineyard
from neurotopo.persistence.vineyard import _match


def blobs(seed=0, n=150):
    centers = [[0, 0], [7, 0], [0, 7]]
    return make_blobs(n, centers=centers, cluster_std=[0.6, 1.0, 1.3], random_state=seed)


def test_each_slice_has_the_bars_of_its_tree():
    X, _ = blobs()
    vines = vineyard(X, [2, 5, 9], max_bars=6)
    frame = vines.to_pandas()
    assert list(frame.columns[:3]) == ["min_samples", "slice", "vine"]
    assert frame["min_samples"].unique().tolist() == [2, 5, 9]
    for k, (value, tree) in enumerate(zip([2, 5, 9], vines.trees, strict=True)):
        assert tree == merge_tree(X, "euclidean", min_samples=value, births="core")
        rows = frame[frame["slice"] == k]
        bars = tree.h0_diagram()
        longest = np.lexsort((bars[:, 0], -(bars[:, 1] - bars[:, 0])))[: len(rows)]
        assert len(rows) == min(6, len(bars))
        assert np.array_equal(rows[["birth", "death"]].to_numpy(), bars[longest])
        assert np.array_equal(tree.birth[rows["peak"]], rows["birth"])
        end = np.minimum(rows["death"], tree.last_merge)
        assert np.allclose(rows["prominence"], end - rows["birth"])
        # every sample belongs to one of the bars
        labels = vines.labels[k]
        assert {vine: int((labels == vine).sum()) for vine in rows["vine"]} == dict(
            zip(rows["vine"], rows["size"], strict=True)
        )
        assert rows["size"].sum() == len(X)
        clusters = prominent_clusters(tree, n_clusters=len(rows))
        assert np.array_equal(rows["vine"].to_numpy()[clusters], labels)


def test_clear_groups_are_one_vine_each():
    X, y = blobs()
    vines = vineyard(X, [5, 8, 12, 20])
    three = vines.to_pandas().query("vine < 3")
    assert (three.groupby("vine").size() == 4).all()
    assert three["prominence"].min() > 2 * vines.prominence[vines.vine >= 3].max(initial=0.0)
    for labels in vineyard(X, [5, 8, 12, 20], max_bars=3).labels:
        assert sorted(np.bincount(3 * y + labels, minlength=9).tolist())[-3] > 45
    largest = vines.to_pandas().groupby("vine")["prominence"].max()
    assert (np.diff(largest) <= 0).all()


def test_vines_begin_and_end_where_bars_have_no_partner():
    lengths = np.full((4, 4), 9.0)
    lengths[:2, :2] = lengths[2:, 2:] = 1.0
    np.fill_diagonal(lengths, 0.0)

    def tree_of(X, depth):
        """Samples 2 and 3 are a group of their own in the middle slice only."""
        return merge_tree(X, births=[0.0, 1.0, depth, 9.0])

    births = {1: 9.0, 2: 2.0, 3: 9.0}
    vines = vineyard(lengths, [1, 2, 3], tree_of=lambda X, k: tree_of(X, births[k]), name="k")
    assert vines.name == "k"
    assert vines.slice.tolist() == [0, 1, 1, 2]
    assert vines.vine.tolist() == [0, 0, 1, 0]
    assert vines.peak.tolist() == [0, 0, 2, 0]
    assert vines.prominence.tolist() == [9.0, 9.0, 7.0, 9.0]
    assert vines.labels.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    back = {1: 2.0, 2: 9.0, 3: 2.0}
    vines = vineyard(lengths, [1, 2, 3], tree_of=lambda X, k: tree_of(X, back[k]))
    assert vines.vine.tolist() == [0, 1, 0, 0, 2]  # it comes back as another vine
    assert vines.name == "parameter"


def test_the_matching_shares_as_many_samples_as_any():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n_before, n_after = rng.integers(1, 5, 2)
        before, after = rng.integers(0, n_before, 30), rng.integers(0, n_after, 30)
        rows, columns = _match(before, after, n_before, n_after)
        assert len(set(rows)) == len(rows)
        assert len(set(columns)) == len(columns)
        shared = np.zeros((5, 5), dtype=int)
        np.add.at(shared, (before, after), 1)
        assert (shared[rows, columns] > 0).all()
        best = max(shared[np.arange(5), list(p)].sum() for p in permutations(range(5)))
        assert shared[rows, columns].sum() == best


def test_a_permutation_of_the_samples_permutes_the_vines():
    X, _ = blobs(3)
    order = np.random.default_rng(1).permutation(len(X))

    def tree_of(X, k):
        return merge_tree(X, "euclidean", births=distance_to_measure(X, k))

    for options in ({}, {"tree_of": tree_of}):
        one, other = vineyard(X, [4, 8, 16], **options), vineyard(X[order], [4, 8, 16], **options)
        assert np.array_equal(one.labels[:, order], other.labels)
        assert np.array_equal(one.peak, order[other.peak])
        assert np.array_equal(one.prominence, other.prominence)
        again = vineyard(X, [4, 8, 16], **options)
        assert one.to_pandas().equals(again.to_pandas())


def test_graphs_in_parts_keep_a_bar_for_every_part():
    graph = kneighbors_graph(blobs()[0], 6, mode="distance")
    graph = graph.maximum(graph.T)
    vines = vineyard(graph, [2, 4], "precomputed", max_bars=1)
    n_parts = vines.trees[0].n_components
    assert n_parts >= 2
    assert np.isinf(vines.death).sum() == 2 * n_parts
    assert len(vines.vine) == 2 * n_parts
    assert (vines.prominence > 0).all()


@pytest.mark.parametrize(
    ("parameters", "options", "error", "said"),
    [
        ([], {}, ValueError, "at least one"),
        ([2, np.nan], {}, ValueError, "finite numbers"),
        ([3, 2], {}, ValueError, "must ascend"),
        ([2, 2], {}, ValueError, "must ascend"),
        ([0.5], {}, ValueError, "whole numbers from 1 on"),
        ([2], {"name": "vine"}, ValueError, "must not be one of the columns slice, vine"),
        ([2], {"max_bars": 0}, ValueError, "max_bars must be at least 1"),
        ([2], {"tree_of": lambda X, k: X}, TypeError, "must return a MergeTree, got list"),
        ([9], {}, ValueError, "fewer than 9 neighbours"),
        (
            [1, 2],
            {"tree_of": lambda X, k: merge_tree(X[:k], metric="euclidean")},
            ValueError,
            "the same samples",
        ),
    ],
)
def test_errors_name_the_remedy(parameters, options, error, said):
    with pytest.raises(error, match=said):
        vineyard([[0.0], [1.0], [3.0]], parameters, **options)
