"""The part of a merge tree on a page: samples in leaf order, clusters as ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["SampledTree", "branch_colors", "joining_radii", "shown_tree"]


@dataclass(frozen=True)
class SampledTree:
    """A merge tree over the samples shown, in leaf order: the members of a cluster are a range."""

    place: NDArray[np.intp]  # (n_shown,): places in the leaf order of the whole tree, ascending
    sample: NDArray[np.intp]  # (n_shown,): the sample at each place
    joining: NDArray[np.float64]  # (n_shown - 1,): :func:`joining_radii`
    birth: NDArray[np.float64]  # (n_clusters,): of clusters of two or more samples, ascending
    parent: NDArray[np.intp]  # (n_clusters,): the cluster it merges into, else -1
    start: NDArray[np.intp]  # (n_clusters,): the members are sample[start : start + size]
    size: NDArray[np.intp]

    def ranges(
        self, tree: MergeTree, nodes: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return start and number of the shown members of nodes of the whole tree."""
        first = np.searchsorted(self.place, tree.start[nodes])
        last = np.searchsorted(self.place, tree.start[nodes] + tree.size[nodes])
        return first, last - first

    def clusters_at(self, start: NDArray[np.intp], count: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the cluster whose members are each range, else -1."""
        ranges = zip(self.start.tolist(), self.size.tolist(), strict=True)
        position = {pair: k for k, pair in enumerate(ranges)}
        pairs = zip(start.tolist(), count.tolist(), strict=True)
        return np.array([position.get(pair, -1) for pair in pairs], dtype=np.intp)


def shown_tree(tree: MergeTree, most: int) -> SampledTree:
    """Return the tree of at most ``most`` samples, taken evenly over the leaf order."""
    n = tree.n_samples
    place = np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.intp)
    joining = joining_radii(tree)
    if len(place) < n:
        joining = np.maximum.reduceat(joining, place[:-1]) if len(place) > 1 else joining[:0]
    part = _path_tree(joining)
    clusters = np.arange(part.n_samples, part.n_nodes)
    above = part.parent[clusters]
    first = np.append(np.arange(part.n_samples, dtype=np.float64), np.full(len(clusters), np.inf))
    return SampledTree(
        place,
        tree.leaf_order[place],
        joining,
        part.birth[clusters],
        np.where(above < 0, -1, above - part.n_samples),
        part.subtree_minimum(first)[clusters].astype(np.intp),
        part.size[clusters],
    )


def joining_radii(tree: MergeTree) -> NDArray[np.float64]:
    """Return the radii at which neighbours in leaf order are first in one cluster, or ``inf``.

    The path through all samples with these lengths has the same merge tree.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.explore.sampled_tree import joining_radii
    >>> joining_radii(merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")).tolist()
    [1.0, 2.0]
    """
    joining = np.full(max(tree.n_samples - 1, 0), np.inf)
    # between two children of a cluster lies the birth of the cluster
    below = np.flatnonzero(tree.parent >= 0)
    below = below[tree.start[below] > tree.start[tree.parent[below]]]
    joining[tree.start[below] - 1] = tree.birth[tree.parent[below]]
    return joining


def _path_tree(joining: NDArray[np.float64]) -> MergeTree:
    """Return the merge tree of a path with these lengths."""
    held = np.flatnonzero(np.isfinite(joining))
    return tree_of_forest(SpanningForest(len(joining) + 1, held, held + 1, joining[held]))


def branch_colors(shown: SampledTree, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return a number for each cluster, which it keeps while it grows.

    A cluster has the number of the largest cluster that it contains (of equal ones the older). The
    branch of chosen cluster k has the number k, the others follow by descending persistence.
    ``chosen`` are the positions of the chosen clusters in ``shown``, -1 for absent ones.
    """
    n = len(shown.birth)
    branch = np.full(n, -1, dtype=np.intp)
    # the last assignment wins: the largest, of these the oldest, of these the first
    order = np.lexsort((-shown.start, -shown.birth, shown.size))
    order = order[shown.parent[order] >= 0]
    heir = np.full(n, -1, dtype=np.intp)
    heir[shown.parent[order]] = order
    n_branches = 0
    for cluster in range(n):  # children come before their parents
        if heir[cluster] >= 0:
            branch[cluster] = branch[heir[cluster]]
        else:
            branch[cluster] = n_branches
            n_branches += 1
    begin, end = np.full(n_branches, np.inf), np.zeros(n_branches)
    np.minimum.at(begin, branch, shown.birth)
    death = np.where(shown.parent < 0, np.inf, np.append(shown.birth, np.inf)[shown.parent])
    np.maximum.at(end, branch, death)
    number = np.full(n_branches, -1, dtype=np.intp)
    for k in range(len(chosen) - 1, -1, -1):
        if chosen[k] >= 0:
            number[branch[chosen[k]]] = k
    rest = np.flatnonzero(number < 0)
    number[rest[np.argsort(begin[rest] - end[rest], kind="stable")]] = len(chosen) + np.arange(
        len(rest)
    )
    return number[branch]
