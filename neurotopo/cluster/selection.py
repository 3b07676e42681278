"""From all clusters of a merge tree to the chosen ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.clusters import CandidateClusters
from neurotopo.persistence.significance import benjamini_hochberg

__all__ = ["RULES", "Selection", "best_disjoint_family", "select_clusters"]

RULES = ("relative", "absolute", "gap", "significance", "mass")


@dataclass(frozen=True)
class Selection:
    """The chosen clusters.

    Attributes
    ----------
    chosen : ndarray of int, shape (n_chosen,)
        Positions among the candidates: first the disjoint family that makes the labels, the most
        persistent first, then (``nested=True``) the others in the same order.
    n_disjoint : int
        Size of the disjoint family.
    threshold : float
        Clusters of greater persistence (greater mass with ``rule="mass"``) were eligible. With
        ``rule="significance"`` the least persistence of a significant cluster, inf if none is.
    p_values : ndarray of float64 or None
        With ``rule="significance"``, one per candidate.
    """

    chosen: NDArray[np.intp]
    n_disjoint: int
    threshold: float
    p_values: NDArray[np.float64] | None = None


def select_clusters(
    clusters: CandidateClusters,
    *,
    rule: str = "relative",
    tau: float = 0.5,
    scale: str = "difference",
    nested: bool = False,
    p_values_of: Callable[[CandidateClusters], NDArray[np.float64]] | None = None,
) -> Selection:
    """Choose the stable clusters.

    Parameters
    ----------
    clusters : CandidateClusters
        What there is to choose from.
    rule : {"relative", "absolute", "gap", "significance", "mass"}
        How the threshold tau1 of Eq 9 is set.
    tau : float
        Its parameter.
    scale : {"difference", "log"}
        Scale of the persistence.
    nested : bool
        Keep all clusters above the threshold, not only a disjoint family.
    p_values_of : callable, optional
        For ``rule="significance"``: from clusters to their p-values.

    Returns
    -------
    Selection
    """
    persistence = clusters.persistence(scale)
    weight = clusters.mass() if rule == "mass" else persistence
    p_values = None
    if rule == "significance":
        if p_values_of is None:
            raise ValueError('rule="significance" needs p_values_of.')
        p_values = p_values_of(clusters)
        eligible = np.flatnonzero(benjamini_hochberg(p_values, tau))
        threshold = float(persistence[eligible].min(initial=np.inf))
    else:
        threshold = _threshold(weight, rule, tau)
        eligible = np.flatnonzero(weight > threshold)
    family = best_disjoint_family(clusters.parent, weight, eligible)
    ranked = _most_persistent_first(clusters, persistence, family)
    if nested:
        others = np.setdiff1d(eligible, family)
        ranked = np.append(ranked, _most_persistent_first(clusters, persistence, others))
    return Selection(ranked, len(family), threshold, p_values)


def _threshold(weight: NDArray[np.float64], rule: str, tau: float) -> float:
    if rule == "absolute":
        return float(tau)
    if rule == "relative":
        return float(tau * weight.max(initial=0.0))
    if rule == "gap":
        return _below_largest_gap(weight)
    if rule == "mass":
        return 0.0
    raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}.")


def _below_largest_gap(weight: NDArray[np.float64]) -> float:
    """Find the value under the largest gap of the sorted weights, 0 counting as the last one.

    Of equal gaps the uppermost is taken, the one that keeps fewer clusters.
    """
    if len(weight) == 0:
        return 0.0
    falling = np.append(np.sort(weight)[::-1], 0.0)
    return float(falling[1 + int(np.argmax(falling[:-1] - falling[1:]))])


def best_disjoint_family(
    parent: NDArray[np.intp], weight: NDArray[np.float64], eligible: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Find the disjoint clusters of greatest total weight.

    Parameters
    ----------
    parent : ndarray of int, shape (n,)
        Parent of each cluster, -1 at the top; children come before parents.
    weight : ndarray of float64, shape (n,)
        Non-negative weights.
    eligible : ndarray of int
        The clusters that may be taken, ascending.

    Returns
    -------
    ndarray of int
        The family, ascending. Where a cluster weighs exactly as much as the best family inside
        it, the cluster is taken.

    Notes
    -----
    A dynamic programme over the tree: the best family at or below a cluster is the cluster alone
    or the union of the best families below its children, whichever weighs more.
    """
    above = _eligible_ancestors(parent, eligible)
    inside: list[list[float]] = [[] for _ in eligible]
    alone = np.zeros(len(eligible), dtype=bool)
    for k, up in enumerate(above.tolist()):
        # fsum rounds once, so the choice cannot depend on the order of the children
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
    stop[-1] = True  # answers parent -1
    step = np.where(stop[:-1], np.arange(len(parent)), parent)
    step = np.append(step, -1)
    while not np.array_equal(step[step], step):
        step = step[step]
    position = np.full(len(parent) + 1, -1, dtype=np.intp)
    position[eligible] = np.arange(len(eligible))
    return position[step[parent[eligible]]]


def _most_persistent_first(
    clusters: CandidateClusters, persistence: NDArray[np.float64], chosen: NDArray[np.intp]
) -> NDArray[np.intp]:
    start = clusters.tree.start[clusters.node[chosen]]
    return chosen[np.lexsort((start, clusters.birth[chosen], -persistence[chosen]))]
