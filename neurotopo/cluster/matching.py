"""Jaccard indices of sets, and the matching of two clusterings."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["jaccard", "match_clusters"]


def jaccard(a: Iterable[Hashable], b: Iterable[Hashable]) -> float:
    """Return the Jaccard index of two sets, nan if both are empty.

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
    a, b : sequence of collections of hashable
        The clusters; they may overlap and have different elements.

    Returns
    -------
    list of (int, int, float)
        Position in ``a``, position in ``b`` and Jaccard index, in the order of ``a``. Disjoint
        clusters are not matched.

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
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j, float(alike[i, j])) for i, j in pairs if alike[i, j] > 0]
