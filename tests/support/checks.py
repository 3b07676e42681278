"""Invariants that hold whatever the input."""

from __future__ import annotations

import numpy as np


def valid_merge_tree(tree):
    """Check the structure of a MergeTree against its definition."""
    n, n_nodes = tree.n_samples, tree.n_nodes
    for array in (tree.birth, tree.death, tree.parent, tree.size, tree.start):
        assert array.shape == (n_nodes,)
    assert (tree.birth[:n] == 0).all()
    assert (tree.size[:n] == 1).all()
    assert (np.diff(tree.birth[n:]) >= 0).all()  # in order of birth
    held = np.flatnonzero(tree.parent >= 0)
    assert np.isinf(tree.death[tree.parent < 0]).all()
    assert np.array_equal(tree.death[held], tree.birth[tree.parent[held]])
    assert (tree.parent[held] > held).all()
    clusters = held[held >= n]
    assert (tree.birth[clusters] < tree.death[clusters]).all()  # equal heights merge at once
    n_children = np.bincount(tree.parent[held], minlength=n_nodes)
    assert (n_children[n:] >= 2).all()
    assert (n_children[:n] == 0).all()
    assert sorted(tree.leaf_order.tolist()) == list(range(n))
    for node in range(n_nodes):
        members = tree.members(node)
        assert len(members) == tree.size[node]
        assert (np.diff(members) > 0).all()
        if node >= n:
            parts = [tree.members(child) for child in tree.children(node)]
            assert np.array_equal(np.sort(np.concatenate(parts)), members)
    assert tree.size[tree.roots].sum() == n
    assert tree.n_components == len(tree.roots)


def valid_clustering(ntc, n):
    """Check the fitted attributes of an NTCClusterer against each other."""
    valid_merge_tree(ntc.merge_tree_)
    labels = ntc.labels_
    assert labels.shape == (n,)
    assert labels.dtype.kind == "i"
    n_labels = labels.max(initial=-1) + 1
    assert set(labels.tolist()) - {-1} == set(range(n_labels))
    assert ntc.n_clusters_ == len(ntc.clusters_) >= n_labels
    if not ntc.nested:
        assert ntc.n_clusters_ == n_labels
    for k, cluster in enumerate(ntc.clusters_):
        assert np.array_equal(cluster, ntc.merge_tree_.members(ntc.nodes_[k]))
        assert len(cluster) >= ntc.min_cluster_size_
        if k < n_labels:
            assert np.array_equal(cluster, np.flatnonzero(labels == k))
    for values in (ntc.birth_, ntc.death_, ntc.persistence_, ntc.nodes_):
        assert len(values) == ntc.n_clusters_
    assert (np.diff(ntc.persistence_[:n_labels]) <= 0).all()
    if ntc.rule_ not in ("mass", "significance"):
        passes = ntc.persistence_ > ntc.threshold_
        candidates = ntc.candidates
        assert (passes | np.isin(ntc.nodes_, candidates.node[candidates.endless])).all()
    position = {node: row for row, node in enumerate(ntc.diagram_nodes_.tolist())}
    for k, node in enumerate(ntc.nodes_.tolist()):
        assert ntc.diagram_[position[node]].tolist() == [ntc.birth_[k], ntc.death_[k]]
    assert (ntc.merge_tree_.size[ntc.diagram_nodes_] >= ntc.min_cluster_size_).all()
    assert ntc.probabilities_.shape == ntc.outlier_scores_.shape == (n,)
    assert (ntc.probabilities_[labels < 0] == 0).all()
    assert (ntc.probabilities_ >= 0).all()
    assert (ntc.probabilities_ <= 1).all()
    for k in range(n_labels):
        assert ntc.probabilities_[labels == k].max() == 1
    assert (ntc.outlier_scores_ >= 0).all()
    assert (ntc.outlier_scores_ <= 1).all()
