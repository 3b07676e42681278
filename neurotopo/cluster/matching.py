"""Which cluster of one clustering is which of another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["jaccard", "match_clusters"]


def jaccard(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """Return how much of two sets is common to both: nan where both are empty.

    Examples
    --------
    >>> from neurotopo.cluster.matching import jaccard
    >>> jaccard([0, 1, 2], [1, 2, 3])
    0.5
    """
    one, other = set(a), set(b)
    either = len(one | other)
    return len(one & other) / either if either else float("nan")


def match_clusters(
    a: Sequence[Iterable[Hashable]], b: Sequence[Iterable[Hashable]]
) -> list[tuple[int, int, float]]:
    """Match the clusters of two clusterings one to one, with the largest sum of Jaccard indices.

    Parameters
    ----------
    a, b : sequence of collections
        The clusters, as indices or anything that can be an element of a set; they may overlap,
        and need not hold the same elements. Empty ones are matched with none.

    Returns
    -------
    list of (int, int, float)
        Place in ``a``, place in ``b`` and Jaccard index of the two, in the order of ``a``.
        Clusters that have nothing in common are never matched.

    See Also
    --------
    scipy.optimize.linear_sum_assignment : Finds the best assignment.

    Examples
    --------
    >>> from neurotopo.cluster.matching import match_clusters
    >>> match_clusters([[0, 1], [2, 3, 4]], [[2, 3], [0, 1, 5], [7]])
    [(0, 1, 0.667), (1, 0, 0.667)]
    """
    one, other = [frozenset(c) for c in a], [frozenset(c) for c in b]
    if not one or not other:
        return []
    alike = np.array([[len(x & y) / max(len(x | y), 1) for y in other] for x in one])
    rows, columns = linear_sum_assignment(alike, maximize=True)
    return [
        (int(i), int(j), float(alike[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if alike[i, j] > 0
    ]
