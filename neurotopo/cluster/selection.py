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


def _significant(given: RuleInput) -> Eligible:
    if given.test_of is None:
        raise ValueError('rule="significance" needs test_of.')
    level = DEFAULT_LEVEL if given.tau is None else given.tau
    positions = np.flatnonzero(given.test_of(given.clusters).discoveries(level))
    threshold = float(given.persistence[positions].min(initial=np.inf))
    return Eligible(positions, given.persistence, threshold)


def _below_largest_gap(weight: NDArray[np.float64]) -> float:
    """Return the value below the largest gap of the sorted weights and 0; of equal gaps the top."""
    if len(weight) == 0:
        return 0.0
    falling = np.append(np.sort(weight)[::-1], 0.0)
    return float(falling[1 + int(np.argmax(falling[:-1] - falling[1:]))])


RULES: dict[str, Rule] = {
    "relative": Rule(
        lambda r: Eligible.above(r.persistence, r.tau * r.persistence.max(initial=0.0))
    ),
    "absolute": Rule(lambda r: Eligible.above(r.persistence, r.tau)),
    "gap": Rule(lambda r: Eligible.above(r.persistence, _below_largest_gap(r.persistence))),
    "significance": Rule(_significant),
    "mass": Rule(lambda r: Eligible.above(r.clusters.mass(), 0.0), of_persistence=False),
}
"""The selection rules by name."""


def register_rule(
    name: str, choose: Callable[[RuleInput], Eligible], *, of_persistence: bool = True
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
    add_entry(RULES, "rule", name, Rule(choose, of_persistence))


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
    test_of: TestOf | None = None,
) -> Selection:
    """Choose the stable clusters by a key of ``RULES``, with the parameters of NTCClusterer."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}.")
    persistence = clusters.persistence(scale)
    eligible = RULES[rule].choose(RuleInput(clusters, persistence, tau, test_of))
    family = best_disjoint_family(clusters.parent, eligible.weight, eligible.positions)
    ranked = _most_persistent_first(clusters, persistence, family)
    if nested:
        others = np.setdiff1d(eligible.positions, family)
        ranked = np.append(ranked, _most_persistent_first(clusters, persistence, others))
    return Selection(ranked, len(family), eligible.threshold)


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
    clusters: CandidateClusters, persistence: NDArray[np.float64], chosen: NDArray[np.intp]
) -> NDArray[np.intp]:
    start = clusters.tree.start[clusters.node[chosen]]
    return chosen[np.lexsort((start, clusters.birth[chosen], -persistence[chosen]))]
