"""Candidate clusters of a merge tree, and their persistence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["SCALES", "CandidateClusters", "candidate_clusters", "lifetime"]

SCALES = ("difference", "log")


@dataclass(frozen=True)
class CandidateClusters:
    """Clusters of at least ``min_cluster_size`` samples, in order of birth.

    Attributes
    ----------
    tree : MergeTree
        The tree they belong to.
    node : ndarray of int, shape (n,)
        Tree node of each cluster at its death, with all members.
    first_node : ndarray of int, shape (n,)
        Tree node at the birth. It differs from ``node`` only for condensed clusters.
    birth, death : ndarray of float64, shape (n,)
        R1 and R2 (``inf``: never merges).
    parent : ndarray of int, shape (n,)
        Position of the cluster it merges into, else -1.
    cluster_of : ndarray of int, shape (n_nodes,)
        Position of the cluster that each tree node is a stage of, -1 for small nodes.
    end : float
        End of observation: the radius up to which infinite bars are counted.
    max_radius : float, "last_merge" or None
        End of observation given by the user.
    node_size : ndarray, shape (n_nodes,)
        Size of each tree node: its number of samples, or the sum of their weights.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence import candidate_clusters
    >>> tree = merge_tree([[0.0], [1.0], [4.0], [6.0]], metric="euclidean")
    >>> clusters = candidate_clusters(tree)
    >>> clusters.diagram
    array([[ 1.,  3.],
           [ 2.,  3.],
           [ 3., inf]])
    >>> clusters.persistence()
    array([2., 1., 0.])
    """

    tree: MergeTree
    node: NDArray[np.intp]
    first_node: NDArray[np.intp]
    birth: NDArray[np.float64]
    death: NDArray[np.float64]
    parent: NDArray[np.intp]
    cluster_of: NDArray[np.intp]
    end: float
    max_radius: float | str | None
    node_size: NDArray[Any]

    def __len__(self) -> int:
        return len(self.node)

    @property
    def diagram(self) -> NDArray[np.float64]:
        """The (R1, R2) pairs, one row per cluster."""
        return np.column_stack([self.birth, self.death])

    @property
    def observed_death(self) -> NDArray[np.float64]:
        """R2, or the end of observation where R2 is infinite."""
        return np.where(np.isinf(self.death), np.maximum(self.end, self.birth), self.death)

    @property
    def size(self) -> NDArray[Any]:
        """Size of each cluster at its death."""
        return self.node_size[self.node]

    @cached_property
    def endless(self) -> NDArray[np.intp]:
        """Positions of the components of a disconnected graph, which never merge.

        None with a given end of observation, and none if there is only one component.
        """
        never = np.flatnonzero(np.isinf(self.death))
        return never if self.max_radius is None and len(never) > 1 else never[:0]

    @cached_property
    def unit(self) -> float:
        """Smallest radius in ratios; it replaces smaller ones.

        It is the smallest positive merge radius, or half of it if there are identical samples, so
        that they are closer than all others. Without positive merge radii it is half
        of the end of observation (1 if that is 0).
        """
        clusters = self.tree.birth[self.tree.n_samples :]
        positive = clusters[clusters > 0]
        if len(positive) == 0:
            return self.end / 2 if self.end > 0 else 1.0
        size = self.node_size[: self.tree.n_samples]
        identical = len(positive) < len(clusters) or size.max(initial=0) > 1
        smallest = float(positive[0])
        return (identical and smallest / 2) or smallest

    def persistence(self, scale: str = "difference") -> NDArray[np.float64]:
        """R2 - R1 (``"difference"``) or log(R2 / R1) (``"log"``), up to the end of observation."""
        if scale == "log":
            self._check_not_negative('scale="log"')
        return lifetime(self.birth, self.observed_death, scale, self.unit)

    def _check_not_negative(self, what: str) -> None:
        if self.tree.birth.min(initial=0.0) < 0:
            raise ValueError(f"{what} needs a tree without negative births.")

    def mass(self) -> NDArray[np.float64]:
        """Excess of mass: the integral of the cluster's size over 1/R during its life.

        It is the stability of HDBSCAN in units of 1/``unit``, which does not overflow. A cluster
        that never merges counts down to 1/R = 0, or has mass 0 if it is the only one.
        """
        tree = self.tree
        self._check_not_negative("the excess of mass")
        big = np.flatnonzero(self.cluster_of >= 0)
        cluster = self.cluster_of[big]
        below = big[tree.parent[big] >= 0]
        inherited = np.bincount(
            tree.parent[below], weights=self.node_size[below], minlength=tree.n_nodes
        )[big]
        begins = self.first_node[cluster] == big
        joining = np.where(begins, self.node_size[big], self.node_size[big] - inherited)
        density = self.unit / np.maximum(tree.birth[big], self.unit)
        total = np.bincount(cluster, weights=joining * density, minlength=len(self))

        endless = np.isinf(self.death)
        last = np.where(endless, 0.0, self.unit / np.maximum(self.death, self.unit))
        if isinstance(self.max_radius, float):
            last[endless] = self.unit / max(self.max_radius, self.unit)
        mass = np.maximum(total - self.size * last, 0.0)
        if not isinstance(self.max_radius, float) and np.count_nonzero(endless) == 1:
            mass[endless] = 0.0
        return mass


def candidate_clusters(
    tree: MergeTree,
    *,
    min_cluster_size: int = 2,
    condense: bool = False,
    max_radius: float | str | None = None,
    node_size: NDArray[Any] | None = None,
) -> CandidateClusters:
    """List the clusters of a tree that are large enough.

    Parameters
    ----------
    tree : MergeTree
        The merge tree.
    min_cluster_size : int, default=2
        Smallest size of a cluster.
    condense : bool, default=False
        Whether a cluster survives merges with fewer than ``min_cluster_size`` samples. It then
        ends only when it merges with another cluster.
    max_radius : float, "last_merge" or None, default=None
        End of observation, the radius up to which infinite bars are counted. ``"last_merge"``:
        that of the last merge. (If only one condensed cluster never merges, its birth.) None: the
        same, or twice the last merge if several clusters never merge, so that the component which
        forms last has a persistence too.
    node_size : ndarray, shape (n_nodes,), optional
        Sizes of the tree nodes if samples have weights.

    Returns
    -------
    CandidateClusters
        In order of birth; children come before their parents.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence import candidate_clusters
    >>> tree = merge_tree([[0.0], [1.0], [4.0], [6.0], [20.0]], metric="euclidean")
    >>> len(candidate_clusters(tree)), len(candidate_clusters(tree, condense=True))
    (4, 3)
    """
    if isinstance(max_radius, str) and max_radius != "last_merge":
        raise ValueError(f"max_radius must be a number, 'last_merge' or None, got {max_radius!r}.")
    if max_radius is not None and not isinstance(max_radius, str):
        max_radius = float(max_radius)
        tree = tree.truncate(max_radius)
        node_size = None if node_size is None else node_size[: tree.n_nodes]
    if node_size is None:
        node_size = tree.size
    big = node_size >= min_cluster_size
    position = np.full(tree.n_nodes + 1, -1, dtype=np.intp)  # the last entry answers parent -1
    if not condense:
        first = node = np.flatnonzero(big)
        position[first] = np.arange(len(first))
        cluster_of = position[:-1].copy()
    else:
        held = np.flatnonzero(big & (tree.parent >= 0))
        n_big_children = np.bincount(tree.parent[held], minlength=tree.n_nodes)
        begins = big & (n_big_children != 1)
        ends = np.append(begins, True)[tree.parent]  # its parent is the birth of another, or none
        last_stage = tree.ancestor_where(ends)
        first = np.flatnonzero(begins)
        node = last_stage[first]
        position[first] = np.arange(len(first))
        of_last = np.full(tree.n_nodes, -1, dtype=np.intp)
        of_last[node] = np.arange(len(first))
        cluster_of = np.where(big, of_last[last_stage], -1)
    birth, death = tree.birth[first], tree.death[node]
    never = np.isinf(death)
    if isinstance(max_radius, float):
        end = max_radius
    elif condense and np.count_nonzero(never) == 1:
        end = float(birth[never][0])
    else:
        several = max_radius is None and np.count_nonzero(never) > 1
        end = tree.last_merge * 2 if several else tree.last_merge
    parent = position[tree.parent[node]]
    return CandidateClusters(
        tree, node, first, birth, death, parent, cluster_of, end, max_radius, node_size
    )


def lifetime(
    birth: NDArray[np.float64], death: NDArray[np.float64], scale: str, unit: float = 1.0
) -> NDArray[np.float64]:
    """Return ``death - birth`` or, on the scale "log", the logarithm of their ratio.

    On the logarithmic scale, radii below ``unit`` count as ``unit``.
    """
    if scale == "difference":
        return death - birth
    if scale == "log":
        return np.log(np.maximum(death, unit)) - np.log(np.maximum(birth, unit))
    raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")
