"""The part of a merge tree that a page shows: samples in leaf order, clusters as ranges."""

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
    """A merge tree over the samples shown.

    The samples are listed in leaf order, so that the members of every cluster are neighbours.

    Attributes
    ----------
    place : ndarray of int, shape (n_shown,)
        Which places of the whole tree's leaf order are shown, rising.
    sample : ndarray of int, shape (n_shown,)
        The sample at each of these places.
    joining : ndarray of float64, shape (n_shown - 1,)
        The radius at which neighbours are first in one cluster, ``inf`` for never.
    birth : ndarray of float64, shape (n_clusters,)
        Births of the clusters of two or more samples, rising.
    parent : ndarray of int, shape (n_clusters,)
        The cluster that each becomes part of, -1 where nothing follows.
    start, size : ndarray of int, shape (n_clusters,)
        The members are ``sample[start : start + size]``.
    """

    place: NDArray[np.intp]
    sample: NDArray[np.intp]
    joining: NDArray[np.float64]
    birth: NDArray[np.float64]
    parent: NDArray[np.intp]
    start: NDArray[np.intp]
    size: NDArray[np.intp]

    def ranges(
        self, tree: MergeTree, nodes: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where the shown members of nodes of the whole tree begin, and their number."""
        first = np.searchsorted(self.place, tree.start[nodes])
        last = np.searchsorted(self.place, tree.start[nodes] + tree.size[nodes])
        return first, last - first

    def clusters_at(self, start: NDArray[np.intp], count: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the cluster that holds exactly each range, -1 where none does."""
        position = {
            pair: k
            for k, pair in enumerate(zip(self.start.tolist(), self.size.tolist(), strict=True))
        }
        pairs = zip(start.tolist(), count.tolist(), strict=True)
        return np.array([position.get(pair, -1) for pair in pairs], dtype=np.intp)


def shown_tree(tree: MergeTree, most: int) -> SampledTree:
    """Take the whole tree, or of a larger one ``most`` samples evenly over its leaf order."""
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
    """Return the radius at which neighbours in leaf order are first in one cluster.

    They determine the tree: the path through all samples with these lengths has
    the same clusters at every radius.

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
    """Give numbers to the branches of a tree, so that a cluster keeps its number while it grows.

    A cluster takes the number of the largest cluster that it contains (of equal ones the older).
    The branch of chosen cluster k has the number k, the others follow in falling order of their
    lives.

    Parameters
    ----------
    shown : SampledTree
        The tree.
    chosen : ndarray of int
        For each chosen cluster its position in ``shown``, -1 where it is not there.

    Returns
    -------
    ndarray of int, shape (n_clusters,)
        The number of each cluster.
    """
    n = len(shown.birth)
    branch = np.full(n, -1, dtype=np.intp)
    # the last to write wins: the largest, of these the oldest, of these the first
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
