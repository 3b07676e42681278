"""How much two groupings of the same neurons have in common."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

__all__ = ["jaccard", "labels_of", "rand_index", "same_groups"]

Neuron = tuple[int, int]
Groups = Sequence[Collection[Neuron]]


def labels_of(groups: Groups, pool: Collection[Neuron]) -> NDArray[np.int64]:
    """Label neurons by their groups.

    Parameters
    ----------
    groups : sequence of collections of (layer, index)
        The groups. Where they are nested, the smallest that holds a neuron counts.
    pool : collection of (layer, index)
        The neurons. One that is in no group is a group of its own: two neurons that are both left
        out have nothing in common.

    Returns
    -------
    ndarray of int64, shape (len(pool),)

    Examples
    --------
    >>> from neurotopo.studies.choices.agreement import labels_of
    >>> labels_of([[(0, 0), (1, 0)]], [(0, 0), (0, 1), (1, 0), (1, 1)])
    array([0, 2, 0, 4])
    """
    label = {}
    for number, group in sorted(enumerate(groups), key=lambda item: -len(item[1])):
        label.update(dict.fromkeys(group, number))
    return np.array(
        [label.get(pair, len(groups) + at) for at, pair in enumerate(pool)], dtype=np.int64
    )


def rand_index(one: Groups, other: Groups, pool: Collection[Neuron]) -> float:
    """Return the adjusted Rand index of two groupings.

    Parameters
    ----------
    one, other : sequence of collections of (layer, index)
        The groupings.
    pool : collection of (layer, index)
        The neurons it is taken over; those in no group are groups of their own.

    Returns
    -------
    float
        1 for equal groupings, about 0 for unrelated ones. nan where neither groups anything.

    References
    ----------
    .. [1] L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> from neurotopo.studies.choices.agreement import rand_index
    >>> pool = [(0, 0), (0, 1), (1, 0), (1, 1)]
    >>> rand_index([pool[:2], pool[2:]], [pool[:2]], pool)
    0.571
    >>> rand_index([], [], pool)
    nan
    """
    if not any(len(group) > 1 for groups in (one, other) for group in groups):
        return math.nan
    return float(adjusted_rand_score(labels_of(one, pool), labels_of(other, pool)))


def jaccard(one: Collection[Neuron], other: Collection[Neuron]) -> float:
    """Return the Jaccard index of two sets of neurons; nan for two empty ones.

    Examples
    --------
    >>> from neurotopo.studies.choices.agreement import jaccard
    >>> jaccard({(0, 0), (0, 1)}, {(0, 1), (1, 0)}), jaccard(set(), set())
    (0.333, nan)
    """
    either = len(set(one) | set(other))
    return len(set(one) & set(other)) / either if either else math.nan


def same_groups(one: Groups, other: Groups) -> bool:
    """Tell whether two groupings hold the same groups, in any order.

    Examples
    --------
    >>> from neurotopo.studies.choices.agreement import same_groups
    >>> same_groups([[(0, 0)], [(0, 1)]], [[(0, 1)], [(0, 0)]])
    True
    """
    return {frozenset(group) for group in one} == {frozenset(group) for group in other}
