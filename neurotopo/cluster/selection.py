"""Selection of clusters of a merge tree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurotopo._registry import add_entry
from neurotopo.cluster.cluster_tests import DEFAULT_LEVEL, ClusterTest
from neurotopo.persistence.clusters import CandidateClusters

__all__ = [
    "RULES",
    "Eligible",
    "Rule",
    "RuleInput",
    "Selection",
    "best_disjoint_family",
    "most_persistent",
    "register_rule",
    "select_clusters",
]

TestOf = Callable[[CandidateClusters], ClusterTest]


@dataclass(frozen=True)
class RuleInput:
    """Input of a selection rule."""

    clusters: CandidateClusters
    persistence: NDArray[np.float64]  # of the clusters, on the scale of the clusterer
    tau: float
    test_of: TestOf | None = None  # tests the clusters


@dataclass(frozen=True)
class Eligible:
    """Result of a selection rule: the clusters that may be chosen."""

    positions: NDArray[np.intp]  # of the eligible clusters, ascending
    weight: NDArray[np.float64]  # of each cluster, not negative; the family maximizes their sum
    threshold: float  # the attribute threshold_ of the clusterer

    @classmethod
    def above(cls, weight: NDArray[np.float64], threshold: float) -> Eligible:
        """Return the clusters whose weight exceeds a threshold."""
        return cls(np.flatnonzero(weight > threshold), weight, float(threshold))


@dataclass(frozen=True)
class Rule:
    """A registered selection rule, see :func:`register_rule`."""

    choose: Callable[[RuleInput], Eligible]
    of_persistence: bool = True
    of_density: bool = False
    tau: float | None = 0.5  # the default


def _significant(given: RuleInput) -> Eligible:
    if given.test_of is None:
        raise ValueError('rule="significance" needs test_of.')
    level = DEFAULT_LEVEL if given.tau is None else given.tau
    if not 0 <= level <= 1:
        raise ValueError(f"tau is a level in [0, 1] with rule='significance', got {level}.")
    positions = np.flatnonzero(given.test_of(given.clusters).discoveries(level))
    threshold = float(given.persistence[positions].min(initial=np.inf))
    return Eligible(positions, given.persistence, threshold)


def _below_largest_gap(weight: NDArray[np.float64]) -> float:
    """Return the value below the largest gap of the sorted weights and 0; of equal gaps the top."""
    if len(weight) == 0:
        return 0.0
    falling = np.append(np.sort(weight)[::-1], 0.0)
    return float(falling[1 + int(np.argmax(falling[:-1] - falling[1:]))])


def _by_mass(given: RuleInput) -> Eligible:
    return Eligible.above(given.clusters.mass(), 0.0)


RULES: dict[str, Rule] = {
    "auto": Rule(_by_mass, of_persistence=False, of_density=True, tau=None),
    "relative": Rule(
        lambda r: Eligible.above(r.persistence, r.tau * r.persistence.max(initial=0.0))
    ),
    "absolute": Rule(lambda r: Eligible.above(r.persistence, r.tau)),
    "gap": Rule(lambda r: Eligible.above(r.persistence, _below_largest_gap(r.persistence))),
    "significance": Rule(_significant, tau=0.05),
    "mass": Rule(_by_mass, of_persistence=False, of_density=True),
}
"""The selection rules by name."""


def register_rule(
    name: str,
    choose: Callable[[RuleInput], Eligible],
    *,
    of_persistence: bool = True,
    of_density: bool = False,
    tau: float | None = 0.5,
) -> None:
    """Add a selection rule, for :class:`~neurotopo.NTCClusterer` and ``neurotopo explore``.

    Parameters
    ----------
    name : str
        The value of ``rule``.
    choose : callable
        From a :class:`RuleInput` to the :class:`Eligible` clusters.
    of_persistence : bool, default=True
        Whether the threshold is a persistence, so that plots can draw it.
    of_density : bool, default=False
        Whether the rule is made for smoothed and condensed trees. The parameters "auto" of
        the clusterer follow it.
    tau : float, default=0.5
        Default of the parameter ``tau``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.cluster.selection import RULES, Eligible, register_rule
    >>> def above_median(given):
    ...     return Eligible.above(given.persistence, np.median(given.persistence))
    >>> register_rule("median", above_median)
    >>> NTCClusterer.paper(rule="median").fit_predict([[0.0], [0.1], [5.0], [6.0], [20.0]]).tolist()
    [0, 0, 0, 0, -1]
    >>> del RULES["median"]
    """
    add_entry(RULES, "rule", name, Rule(choose, of_persistence, of_density, tau))


@dataclass(frozen=True)
class Selection:
    """The chosen clusters."""

    # positions among the candidates, by descending persistence: first the disjoint family of the
    # labels, then (nested=True) the others
    chosen: NDArray[np.intp]
    n_disjoint: int  # size of the disjoint family
    threshold: float  # the attribute threshold_ of the clusterer


def select_clusters(
    clusters: CandidateClusters,
    *,
    rule: str = "relative",
    tau: float = 0.5,
    scale: str = "difference",
    nested: bool = False,
    n_clusters: int | None = None,
    max_cluster_size: float | None = None,
    epsilon: float = 0.0,
    test_of: TestOf | None = None,
    order_of: Callable[[], NDArray[np.intp]] | None = None,
) -> Selection:
    """Choose the stable clusters by a key of ``RULES``, with the parameters of NTCClusterer.

    The components of a disconnected graph never merge, so they pass every rule. Of equally
    persistent clusters with equal births and sizes, the one with the first sample comes first;
    ``order_of`` gives another order of the samples.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}.")
    persistence = clusters.persistence(scale)
    eligible = RULES[rule].choose(RuleInput(clusters, persistence, tau, test_of))
    positions = np.union1d(eligible.positions, clusters.endless)
    if max_cluster_size is not None:
        positions = positions[clusters.size[positions] <= max_cluster_size]
    if n_clusters is not None:
        family = most_persistent(clusters, n_clusters, persistence, max_cluster_size)
    else:
        family = best_disjoint_family(clusters.parent, eligible.weight, positions)
    if epsilon > 0:
        family = _apart_at(clusters, family, epsilon, max_cluster_size)
    ranked = _most_persistent_first(clusters, persistence, family, order_of)
    if nested:
        others = np.setdiff1d(positions, family)
        ranked = np.append(ranked, _most_persistent_first(clusters, persistence, others, order_of))
    return Selection(ranked, len(family), eligible.threshold)


def most_persistent(
    clusters: CandidateClusters,
    n_clusters: int,
    persistence: NDArray[np.float64],
    max_cluster_size: float | None = None,
) -> NDArray[np.intp]:
    """Return the disjoint clusters that stay apart when only the most prominent ones are kept.

    Where clusters merge, the one with the earliest birth goes on and the others end (the elder
    rule). The prominence of a cluster without candidates inside is its persistence, counted up to
    the merge that ends it. The ``n_clusters`` most prominent are kept; each stands for the largest
    cluster that contains none of the others. There are fewer if the tree has fewer.

    Parameters
    ----------
    clusters : CandidateClusters
        The candidates.
    n_clusters : int
        Number of clusters.
    persistence : ndarray of float64, shape (n,)
        Their persistence.
    max_cluster_size : float, optional
        Largest size of a cluster.

    Returns
    -------
    ndarray of int, shape (n_chosen,)
        Ascending positions.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.cluster.selection import most_persistent
    >>> from neurotopo.persistence import candidate_clusters
    >>> tree = merge_tree([[0.0], [1.0], [9.0], [11.0], [30.0], [32.0]], metric="euclidean")
    >>> clusters = candidate_clusters(tree)
    >>> for k in (1, 2, 3):
    ...     chosen = most_persistent(clusters, k, clusters.persistence())
    ...     print(tree.label_in_order(clusters.node[chosen]).tolist())
    [0, 0, 0, 0, 0, 0]
    [1, 1, 1, 1, 0, 0]
    [0, 0, 1, 1, 2, 2]
    """
    parent, n = clusters.parent, len(clusters)
    fits = np.ones(n, dtype=bool)
    if max_cluster_size is not None:
        fits = clusters.size <= max_cluster_size
    held = np.flatnonzero(fits & (parent >= 0))
    above = np.full(n, -1, dtype=np.intp)
    above[held] = np.where(fits[parent[held]], parent[held], -1)  # a forest of those that fit
    is_leaf = fits.copy()
    is_leaf[above[above >= 0]] = False
    # the eldest leaf at or below each cluster, and the prominence of each leaf
    start = clusters.tree.start[clusters.node]
    order = np.lexsort((start, -clusters.size, clusters.birth))
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n)
    eldest = np.where(is_leaf, rank, n)
    for k, up in enumerate(above.tolist()):
        if up >= 0 and eldest[k] < eldest[up]:
            eldest[up] = eldest[k]
    prominence = np.zeros(n)
    for k in np.flatnonzero(fits).tolist():  # parents come later: the last of a lineage stays
        prominence[order[eldest[k]]] += persistence[k]
    leaves = np.flatnonzero(is_leaf)
    best = np.lexsort((rank[leaves], -prominence[leaves]))[:n_clusters]
    count = np.zeros(n, dtype=np.intp)
    count[leaves[best]] = 1
    for k, up in enumerate(above.tolist()):
        if up >= 0:
            count[up] += count[k]
    last = (count == 1) & ((above < 0) | (count[above] > 1))
    return np.flatnonzero(last)


def _apart_at(
    clusters: CandidateClusters,
    family: NDArray[np.intp],
    radius: float,
    max_cluster_size: float | None,
) -> NDArray[np.intp]:
    """Replace clusters that merge before a radius by the cluster that they are in at that radius.

    As in HDBSCAN, never by the cluster of all samples.
    """
    never = np.flatnonzero(np.isinf(clusters.death))
    everything = int(never[0]) if len(never) == 1 else -1
    most = np.inf if max_cluster_size is None else max_cluster_size
    chosen = set()
    for k in family.tolist():
        while clusters.death[k] < radius:
            up = int(clusters.parent[k])
            if up < 0 or up == everything or clusters.size[up] > most:
                break
            k = up
        chosen.add(k)
    climbs = np.array(sorted(chosen), dtype=np.intp)
    weight = np.arange(len(clusters), dtype=np.float64) + 1  # of nested ones, the outer
    return best_disjoint_family(clusters.parent, clusters.size * weight, climbs)


def best_disjoint_family(
    parent: NDArray[np.intp], weight: NDArray[np.float64], eligible: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the disjoint eligible clusters of largest total weight, in ascending order.

    Dynamic programming: the best family at or below a cluster is the cluster alone or the union of
    the best families of its children, whichever weighs more; of equal weights the cluster.
    Children come before parents, -1 is no parent, ``eligible`` are ascending positions.
    """
    above = _eligible_ancestors(parent, eligible)
    inside: list[list[float]] = [[] for _ in eligible]
    alone = np.zeros(len(eligible), dtype=bool)
    for k, up in enumerate(above.tolist()):
        # fsum rounds once: the choice does not depend on the order of the children
        below, own = math.fsum(inside[k]), float(weight[eligible[k]])
        alone[k] = own >= below
        if up >= 0:
            inside[up].append(max(own, below))
    covered = np.zeros(len(eligible), dtype=bool)
    for k in range(len(eligible) - 1, -1, -1):
        up = above[k]
        covered[k] = up >= 0 and (covered[up] or alone[up])
    return eligible[alone & ~covered]


def _eligible_ancestors(parent: NDArray[np.intp], eligible: NDArray[np.intp]) -> NDArray[np.intp]:
    """Position in ``eligible`` of the nearest eligible proper ancestor, -1 for none."""
    stop = np.zeros(len(parent) + 1, dtype=bool)
    stop[eligible] = True
    stop[-1] = True  # for parent -1
    step = np.append(np.where(stop[:-1], np.arange(len(parent)), parent), -1)
    while not np.array_equal(step[step], step):
        step = step[step]
    position = np.full(len(parent) + 1, -1, dtype=np.intp)
    position[eligible] = np.arange(len(eligible))
    return position[step[parent[eligible]]]


def _most_persistent_first(
    clusters: CandidateClusters,
    persistence: NDArray[np.float64],
    chosen: NDArray[np.intp],
    order_of: Callable[[], NDArray[np.intp]] | None,
) -> NDArray[np.intp]:
    tree, node = clusters.tree, clusters.node[chosen]
    keys = clusters.size[chosen], -clusters.birth[chosen], persistence[chosen]
    first = tree.start[node].astype(np.float64)
    if order_of is not None and len(np.unique(np.column_stack(keys), axis=0)) < len(chosen):
        place = np.argsort(order_of())[tree.leaf_order]
        ends = zip(tree.start[node], tree.start[node] + tree.size[node], strict=True)
        first = np.array([place[start:end].min() for start, end in ends], dtype=np.float64)
    return chosen[np.lexsort((first, *(-key for key in keys)))]
