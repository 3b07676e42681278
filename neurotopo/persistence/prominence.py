"""Prominence of the peaks of a merge tree, and clusters around the prominent ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["n_prominent", "prominences", "prominent_clusters"]


def prominences(tree: MergeTree) -> NDArray[np.float64]:
    """Return the length of the bar of each sample by the elder rule.

    Parameters
    ----------
    tree : MergeTree
        A merge tree; :func:`neurotopo.merge_tree` takes ``births``.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Death minus birth of the bar of each sample: ``inf`` for the oldest sample of each connected
        part, 0 for samples that are born and merge at once.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence import prominences
    >>> path = [[False, True, False], [False, False, True], [False, False, False]]
    >>> prominences(merge_tree(path, metric="lower-star", births=[0, 5, 2])).tolist()
    [inf, 0.0, 3.0]
    """
    return tree.elder_deaths() - tree.birth[: tree.n_samples]


def n_prominent(
    prominence: NDArray[np.float64], n_parts: int, n_clusters: int | None, threshold: float | None
) -> int:
    """Return how many of some prominences, in descending order, are clusters; 0 counts as none."""
    if n_clusters is not None and threshold is not None:
        raise ValueError("pass n_clusters or threshold, not both.")
    if n_clusters is None:
        least = 0.0 if threshold is None else float(threshold)
        if not least >= 0:
            raise ValueError(f"threshold must be a non-negative number, got {threshold}.")
        return int(np.count_nonzero((prominence > least) | np.isinf(prominence)))
    most = int(np.count_nonzero(prominence > 0))
    if not n_parts <= n_clusters <= most:
        raise ValueError(
            f"n_clusters must be in {n_parts}..{most}: there are {n_parts} connected parts and "
            f"{most} peaks; got {n_clusters}."
        )
    return int(n_clusters)


def prominent_clusters(
    tree: MergeTree, *, n_clusters: int | None = None, threshold: float | None = None
) -> NDArray[np.intp]:
    """Label the samples by the prominent peaks of a merge tree.

    A sample belongs to the oldest sample of the first of its components whose oldest sample is
    prominent enough. Every sample is in a cluster.

    Parameters
    ----------
    tree : MergeTree
        A merge tree; :func:`neurotopo.merge_tree` takes ``births``.
    n_clusters : int, optional
        The number of clusters: the most prominent peaks. Of equal ones the older, then the first.
    threshold : float, optional
        Or the prominence that peaks exceed. None: 0.

    Returns
    -------
    ndarray of int, shape (n_samples,)
        Clusters 0, 1, 2, ... by descending prominence.

    See Also
    --------
    tomato : Clusters of a graph with a density; samples follow the edges upwards.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.persistence import prominent_clusters
    >>> X = [[0.0], [0.1], [0.2], [5.0], [5.2], [9.0]]
    >>> tree = merge_tree(X, metric="euclidean", min_samples=2, births="core")
    >>> prominent_clusters(tree, n_clusters=2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    peaks, prominence = ranked_peaks(tree)
    kept = n_prominent(prominence, tree.n_components, n_clusters, threshold)
    return labels_of_peaks(tree, peaks[:kept])


def ranked_peaks(tree: MergeTree) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the samples with a bar, by descending prominence, and their prominences."""
    prominence = prominences(tree)
    order = np.lexsort((tree.birth[: tree.n_samples], -prominence))
    order = order[prominence[order] > 0]
    return order, prominence[order]


def labels_of_peaks(tree: MergeTree, peaks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Label the samples by the peaks; each connected part has one that never merges."""
    eldest, age = tree._eldest()
    label = np.full(tree.n_samples, -1, dtype=np.intp)
    label[peaks] = np.arange(len(peaks))
    labels = label[age[eldest]]  # of the nodes
    return labels[tree.ancestor_where(labels >= 0)[: tree.n_samples]]
