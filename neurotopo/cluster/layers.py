"""Resolutions of a merge tree: the smallest cluster sizes with persistent clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["ClusterLayer", "cluster_layers", "size_intervals", "total_persistence"]


@dataclass(frozen=True, eq=False)
class ClusterLayer:
    """Clusters at a persistent resolution, see :func:`cluster_layers`.

    Attributes
    ----------
    min_cluster_size : int
        The smallest size of a cluster.
    persistence : float
        The total persistence of the clusters over the smallest sizes.
    labels : ndarray of int, shape (n_samples,)
        Cluster of each sample, -1 for none; in order of the smallest sample.
    nodes : ndarray of int, shape (n_clusters,)
        Their nodes of the merge tree, in order of the labels.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.cluster.layers import cluster_layers
    >>> tree = merge_tree([[0.0], [0.1], [5.0], [5.1]], metric="euclidean")
    >>> cluster_layers(tree)[0].labels.tolist()
    [0, 0, 1, 1]
    """

    min_cluster_size: int
    persistence: float
    labels: NDArray[np.intp]
    nodes: NDArray[np.intp]

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.nodes)

    def __repr__(self) -> str:
        return (
            f"ClusterLayer(min_cluster_size={self.min_cluster_size}, "
            f"n_clusters={self.n_clusters}, persistence={self.persistence:g})"
        )


def size_intervals(tree: MergeTree) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for each node, the smallest sizes ``s`` at which it is a leaf: low < s <= high.

    With merges of fewer than ``s`` samples condensed, the leaves are the clusters without
    clusters inside. A node is one, at its death, if it and another of the nodes that it merges
    with have ``s`` samples or more, and no node below it has two children of that size. A tree
    that never merges with another is none.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.cluster.layers import size_intervals
    >>> tree = merge_tree([[0.0], [0.1], [5.0], [5.1], [5.3]], metric="euclidean")
    >>> low, high = size_intervals(tree)
    >>> [tree.members(k).tolist() for k in range(9) if low[k] < 2 <= high[k]]
    [[0, 1], [2, 3, 4]]
    """
    n = tree.n_nodes
    parent = np.where(tree.parent < 0, n, tree.parent)
    order = np.lexsort((tree.size, parent))
    above = parent[order]
    last = np.append(above[1:] != above[:-1], True)[:n]
    largest, second = np.zeros((2, n + 1), dtype=np.intp)
    largest[above[last]] = tree.size[order[last]]
    before = np.flatnonzero(last[1:] & ~last[:-1])  # the largest but one of several children
    second[above[before]] = tree.size[order[before]]
    sibling = largest[parent]
    only = order[last]
    sibling[only] = second[above[last]]
    low = -tree.subtree_minimum(-second[:n].astype(np.float64)).astype(np.intp)
    return low, np.minimum(tree.size, sibling)


def total_persistence(
    low: NDArray[np.intp], high: NDArray[np.intp], n_samples: int
) -> NDArray[np.float64]:
    """Return the total persistence of the leaves at each smallest size 0, 1, ..., n_samples."""
    alive = low < high
    steps = np.zeros(n_samples + 2, dtype=np.int64)
    np.add.at(steps, low[alive] + 1, high[alive] - low[alive])
    np.subtract.at(steps, high[alive] + 1, high[alive] - low[alive])
    return np.cumsum(steps)[:-1].astype(np.float64)


def cluster_layers(tree: MergeTree, smallest: int = 2) -> list[ClusterLayer]:
    """Find the persistent resolutions of a tree, as in PLSCAN.

    As the smallest size of a cluster grows, clusters disappear and others take their place. The
    persistence of a cluster is the number of sizes over which it has no cluster inside. A layer is
    a local maximum of the sum over the clusters at a size.

    Parameters
    ----------
    tree : MergeTree
        The merge tree.
    smallest : int, default=2
        The least of the smallest sizes.

    Returns
    -------
    list of ClusterLayer
        From the finest to the coarsest, each at the least size of its maximum.

    References
    ----------
    .. [1] D. M. Bot, L. McInnes and J. Aerts, "Persistent Multiscale Density-based Clustering",
       2025.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> from neurotopo.cluster.layers import cluster_layers
    >>> places = [0, 1, 2, 5, 6, 7, 30, 31, 32, 35, 36, 37]
    >>> cluster_layers(merge_tree(np.array(places)[:, None], "euclidean"))
    [ClusterLayer(min_cluster_size=2, n_clusters=4, persistence=8)]
    """
    low, high = size_intervals(tree)
    low = np.maximum(low, smallest - 1)  # smaller sizes are not counted
    total = total_persistence(low, high, tree.n_samples)[smallest:]
    starts = np.flatnonzero(np.append(True, total[1:] != total[:-1])[: len(total)])
    levels = np.concatenate([[0.0], total[starts], [0.0]])
    layers = []
    for k in np.flatnonzero((levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])):
        size = int(starts[k]) + smallest
        nodes = np.flatnonzero((low < size) & (size <= high))
        nodes = nodes[np.argsort([tree.members(int(node))[0] for node in nodes])]
        labels = tree.label_in_order(nodes)
        layers.append(ClusterLayer(size, float(levels[k + 1]), labels, nodes))
    return layers
