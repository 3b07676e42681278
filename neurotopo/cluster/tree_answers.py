"""Soft memberships and densest parts of clusters, from the merge tree alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurotopo._memory import require_array
from neurotopo.persistence.clusters import lifetime
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["densest_members", "meeting_radii", "soft_memberships", "subtree"]


def meeting_radii(
    tree: MergeTree, nodes: NDArray[np.intp], joins: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the radius at which each sample and each cluster are first in one component.

    Of a member it is the radius at which the sample joins its first cluster (``joins``), at most
    the end of the cluster (``ends``). Shape (n_samples, n_clusters).
    """
    shape = n, n_clusters = tree.n_samples, len(nodes)
    remedy = "A larger min_cluster_size gives fewer clusters."
    what = f"the memberships of {n:,} samples in {n_clusters:,} clusters"
    require_array(shape, what, remedy, copies=3)
    meet = np.empty(shape)
    for k, node in enumerate(nodes.tolist()):
        path = np.zeros(tree.n_nodes, dtype=bool)
        while node >= 0:
            path[node] = True
            node = int(tree.parent[node])
        first = tree.ancestor_where(path)[:n]
        meet[:, k] = np.where(first >= 0, tree.birth[first], np.inf)
        members = tree.members(int(nodes[k]))
        meet[members, k] = np.minimum(joins[members], ends[k]) if len(members) > 1 else 0.0
    return meet


def soft_memberships(
    meet: NDArray[np.float64],
    labels: NDArray[np.intp],
    ends: NDArray[np.float64],
    scale: str,
    unit: float,
) -> NDArray[np.float64]:
    """Return the membership vectors, see ``NTCClusterer.membership_vectors_``."""
    strength = np.zeros_like(meet)
    for k, end in enumerate(ends):
        radii = meet[:, k]
        finite = np.isfinite(radii)
        densest = radii.min(where=labels == k, initial=np.inf)
        begins = np.full(np.count_nonzero(finite), densest)
        life = lifetime(np.array([densest]), np.array([end]), scale, unit)[0]
        late = np.maximum(lifetime(begins, radii[finite], scale, unit), 0.0)
        whole = life + late
        inside = (labels[finite] == k).astype(np.float64)
        strength[finite, k] = np.divide(life, whole, out=inside, where=life > 0)
    # sorted: the sum does not depend on the order of the clusters
    total = np.sort(strength, axis=1).sum(axis=1, keepdims=True)
    most = strength.max(axis=1, initial=0.0, keepdims=True)
    share = np.divide(strength, total, out=np.zeros_like(strength), where=total > 0)
    vectors: NDArray[np.float64] = share * most
    return vectors


def densest_members(
    tree: MergeTree, nodes: NDArray[np.intp], joins: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Return the members of each cluster that join first."""
    parts = []
    for node in nodes.tolist():
        members = tree.members(node)
        parts.append(members[joins[members] == joins[members].min()])
    return parts


def subtree(tree: MergeTree, node: int) -> tuple[MergeTree, NDArray[np.intp], NDArray[np.intp]]:
    """Return the tree of the members of a node alone, the members, and all nodes of that tree."""
    start, size = int(tree.start[node]), int(tree.size[node])
    inside = (tree.start >= start) & (tree.start + tree.size <= start + size)
    inside[node + 1 :] = False  # parents come after their children
    kept = np.flatnonzero(inside)
    members = kept[kept < tree.n_samples]
    place = np.full(tree.n_nodes + 1, -1, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    place_of_sample = place[: tree.n_samples]
    parent = place[tree.parent[kept]]
    parent[kept == node] = -1
    part = MergeTree(
        len(members),
        tree.birth[kept],
        np.where(parent < 0, np.inf, tree.death[kept]),
        parent,
        tree.size[kept],
        place_of_sample[tree.leaf_order[start : start + size]],
        tree.start[kept] - start,
    )
    return part, members, kept
