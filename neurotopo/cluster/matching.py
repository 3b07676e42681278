"""Jaccard indices of sets, and the matching of two clusterings."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["jaccard", "match_clusters", "match_labels"]


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


def match_labels(a: ArrayLike, b: ArrayLike) -> pd.DataFrame:
    """Match the clusters of two labelings of the same samples one to one.

    The matching has the largest sum of Jaccard indices. Samples labelled -1 are in no cluster.

    Parameters
    ----------
    a, b : array-like of int, shape (n_samples,)
        Labels, for example ``labels_`` of two clusterers.

    Returns
    -------
    DataFrame
        One row per pair, by ``a``, then one per cluster that is not matched: the labels ``a`` and
        ``b`` (-1: none), ``size_a``, ``size_b``, ``overlap`` (number of common samples) and
        ``jaccard``.

    Examples
    --------
    >>> from neurotopo.cluster.matching import match_labels
    >>> match_labels([0, 0, 0, 1, 1, -1, 2], [1, 1, 0, 0, 0, 0, -1])
       a  b  size_a  size_b  overlap   jaccard
    0  0  1       3       2        2  0.666667
    1  1  0       2       4        2  0.500000
    2  2 -1       1       0        0  0.000000
    """
    import pandas as pd

    one, other = np.asarray(a), np.asarray(b)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            f"labels must be two vectors of the same length, got {one.shape} and {other.shape}."
        )
    for labels in (one, other):
        if labels.dtype.kind not in "iu" and labels.size:
            raise ValueError(f"labels must be integers, got dtype {labels.dtype}.")
    names_a, size_a = np.unique(one[one >= 0], return_counts=True)
    names_b, size_b = np.unique(other[other >= 0], return_counts=True)
    common = _overlaps(one, other, names_a, names_b)
    index = common / np.maximum(size_a[:, None] + size_b[None] - common, 1)
    rows, columns = linear_sum_assignment(index, maximize=True)
    matched = index[rows, columns] > 0
    rows, columns = rows[matched], columns[matched]
    pairs = [
        (names_a[i], names_b[j], size_a[i], size_b[j], common[i, j], index[i, j])
        for i, j in zip(rows, columns, strict=True)
    ]
    pairs += [(names_a[i], -1, size_a[i], 0, 0, 0.0) for i in _others(len(names_a), rows)]
    pairs += [(-1, names_b[j], 0, size_b[j], 0, 0.0) for j in _others(len(names_b), columns)]
    names = ["a", "b", "size_a", "size_b", "overlap", "jaccard"]
    frame = pd.DataFrame(pairs, columns=names)
    return frame.astype(dict.fromkeys(names[:-1], np.intp) | {"jaccard": np.float64})


def _overlaps(
    a: NDArray[np.intp], b: NDArray[np.intp], names_a: NDArray[np.intp], names_b: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return the number of common samples of each cluster of a (rows) and of b (columns)."""
    both = (a >= 0) & (b >= 0)
    common = np.zeros((len(names_a), len(names_b)), dtype=np.int64)
    where = np.searchsorted(names_a, a[both]), np.searchsorted(names_b, b[both])
    np.add.at(common, where, 1)
    return common


def _others(n: int, chosen: NDArray[np.intp]) -> list[int]:
    """Return the positions that are not chosen."""
    return np.setdiff1d(np.arange(n), chosen).tolist()
