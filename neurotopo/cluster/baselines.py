"""Baseline clusterers of the paper, with one signature.

Every function takes a matrix of pairwise distances (the paper's matrix A, for instance) and
returns one integer label per sample, -1 for a sample in no cluster. The defaults are the settings
the authors of the paper [1]_ ran, read from their published code where the paper names only the
method; every one of them can be overridden by keyword. Three conventions hold for all of them:

- *Infinite distances.* None of the methods understands an infinite distance,
  so ``inf`` (in a sparse matrix: an absent entry) is replaced by a finite number, see `infinite`.
  When no pair at all has a finite distance there is nothing to cluster: every label is -1.
  The same holds for a single sample.
- *Numbering.* Clusters are numbered in the order in which their first samples appear.
- *Small clusters.* K-Means and hierarchical clustering return single samples as clusters of their
  own, as in the authors' runs. ``min_cluster_size=2`` turns them into -1.

References
----------
.. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, arXiv:2402.13731, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import frexp, ldexp
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state

from neurotopo._registry import add_entry
from neurotopo.persistence.inputs import EdgeList, check_distances

__all__ = [
    "AUTHORS_INFINITE",
    "BASELINES",
    "CLUSTERER_LABELS",
    "dbscan",
    "finite_distances",
    "hierarchical",
    "kmeans",
    "random_groups",
    "register_baseline",
    "run_baseline",
]

#: What the authors wrote in place of an infinite distance.
AUTHORS_INFINITE = 1000.0

Distances: TypeAlias = ArrayLike | sp.sparray | sp.spmatrix
RandomState: TypeAlias = int | np.random.RandomState | None
Labels: TypeAlias = NDArray[np.intp]


def finite_distances(
    distances: Distances, infinite: float | str = "max"
) -> NDArray[np.float64] | None:
    """Return a dense distance matrix in which every entry is finite.

    Parameters
    ----------
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    infinite : "max" or float, default="max"
        What stands in for an infinite distance. ``"max"`` is twice the largest finite distance
        of this matrix: further than anything that is connected, and without a unit, so that
        multiplying all distances by a constant changes no label. A number is used as it is, also
        where it is smaller than some finite distance; ``1000.0`` is what the authors ran.

    Returns
    -------
    ndarray of shape (n, n) or None
        A new matrix with a zero diagonal; None when no pair of samples has a finite distance.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import finite_distances
    >>> chain = np.array([[0.0, 1.0, np.inf], [1.0, 0.0, 3.0], [np.inf, 3.0, 0.0]])
    >>> finite_distances(chain)[0]
    array([0., 1., 6.])
    >>> finite_distances(chain, infinite=1000.0)[0]
    array([   0.,    1., 1000.])
    """
    stand_in = _check_infinite(infinite)
    checked = check_distances(distances)
    dense = checked.to_dense() if isinstance(checked, EdgeList) else checked
    dense = np.array(dense, dtype=np.float64)
    np.fill_diagonal(dense, np.inf)
    finite = np.isfinite(dense)
    if not finite.any():
        return None
    if stand_in is None:
        largest = float(dense[finite].max())
        stand_in = min(2.0 * largest, np.finfo(np.float64).max) if largest > 0 else 1.0
    dense[~finite] = stand_in
    np.fill_diagonal(dense, 0.0)
    return dense


def kmeans(
    distances: Distances,
    *,
    n_clusters: int | None = None,
    share: float = 0.1,
    variance: float | None = 0.95,
    n_init: int | str = "auto",
    min_cluster_size: int = 1,
    infinite: float | str = "max",
    random_state: RandomState = None,
) -> Labels:
    """Cluster the rows of the distance matrix with K-Means, after a PCA.

    A row is read as the feature vector of its sample: its distances to all samples.

    Parameters
    ----------
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    n_clusters : int, optional
        Number of clusters, at most n. By default ``max(2, floor(share * n))``.
    share : float, default=0.1
        Clusters per sample; the authors' 10 %. Ignored when `n_clusters` is given.
    variance : float or None, default=0.95
        Share of the variance of the rows that the PCA keeps; None leaves the PCA out.
    n_init : int or "auto", default="auto"
        Passed to :class:`sklearn.cluster.KMeans`, like `random_state` (the authors used 0).
    random_state : int, RandomState or None, default=None
        Seed of the initial centres.
    min_cluster_size : int, default=1
        Smaller clusters are labelled -1.
    infinite : "max" or float, default="max"
        See :func:`finite_distances`.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels; fewer clusters than asked for when fewer rows are distinct.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import kmeans
    >>> position = np.array([0.0, 1.0, 2.0, 20.0, 21.0])
    >>> kmeans(abs(position[:, None] - position), random_state=0)
    array([0, 0, 0, 1, 1])
    """
    dense, nothing = _prepare(distances, infinite)
    if dense is None:
        return nothing
    n_samples = len(dense)
    if n_clusters is None:
        n_clusters = max(2, int(share * n_samples))
    if not 1 <= n_clusters <= n_samples:
        raise ValueError(f"n_clusters must lie in 1..{n_samples} (n samples), got {n_clusters}.")
    rows = dense / _power_of_two_above(dense.max())
    n_clusters = min(n_clusters, len(np.unique(rows, axis=0)))
    if variance is not None and (rows != rows[0]).any():
        rows = PCA(n_components=variance, svd_solver="full").fit_transform(rows)
    model = KMeans(n_clusters=n_clusters, n_init=n_init, random_state=random_state)
    return _tidy(model.fit(rows).labels_, min_cluster_size)


def dbscan(
    distances: Distances,
    *,
    eps: float | None = None,
    quantile: float = 0.5,
    min_samples: int | None = None,
    share: float = 0.03,
    min_cluster_size: int = 1,
    infinite: float | str = "max",
    random_state: RandomState = None,
) -> Labels:
    """Cluster with DBSCAN on the distance matrix.

    Parameters
    ----------
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    eps : float, optional
        Radius of a neighbourhood. By default the `quantile` of the nearest distances.
    quantile : float, default=0.5
        Which quantile of the nearest distances `eps` is; 0.5, the authors' choice, is the median.
        The nearest distance of a sample is its smallest non-zero distance to another one, the
        stand-in for "infinite" included.
    min_samples : int, optional
        Samples within `eps`, itself included, that make a sample a core sample. By default
        ``max(2, floor(share * n))``.
    share : float, default=0.03
        The authors' 3 %. Ignored when `min_samples` is given.
    min_cluster_size, infinite, random_state
        As for :func:`kmeans`; nothing is random.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels, -1 for noise.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import dbscan
    >>> position = np.array([0.0, 1.0, 2.0, 20.0, 21.0, 50.0])
    >>> dbscan(abs(position[:, None] - position))
    array([ 0,  0,  0,  1,  1, -1])
    """
    dense, nothing = _prepare(distances, infinite)
    if dense is None:
        return nothing
    if eps is None:
        eps = _nearest_distance_quantile(dense, quantile)
    if min_samples is None:
        min_samples = max(2, int(share * len(dense)))
    model = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed")
    return _tidy(model.fit(dense).labels_, min_cluster_size)


def hierarchical(
    distances: Distances,
    *,
    method: str = "average",
    quantile: float = 0.7,
    height: float | None = None,
    min_cluster_size: int = 1,
    infinite: float | str = "max",
    random_state: RandomState = None,
) -> Labels:
    """Cut a linkage tree at a quantile of the pairwise distances.

    Parameters
    ----------
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    method : str, default="average"
        Linkage, as in :func:`scipy.cluster.hierarchy.linkage`.
    quantile : float, default=0.7
        Where to cut: this quantile of the n (n - 1) / 2 pairwise distances (not of the heights of
        the merges), stand-ins for "infinite" included, as the authors did. So when 30 % of the
        pairs or more are infinite the default cut lies at the stand-in, and all is one cluster.
    height : float, optional
        Cut at this height instead.
    min_cluster_size, infinite, random_state
        As for :func:`kmeans`; nothing is random.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels; samples are in one cluster when their cophenetic distance is at most the cut.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import hierarchical
    >>> position = np.array([0.0, 1.0, 2.0, 20.0, 21.0, 50.0])
    >>> hierarchical(abs(position[:, None] - position))
    array([0, 0, 0, 0, 0, 1])
    >>> hierarchical(abs(position[:, None] - position), height=5.0, min_cluster_size=2)
    array([ 0,  0,  0,  1,  1, -1])
    """
    dense, nothing = _prepare(distances, infinite)
    if dense is None:
        return nothing
    unit = _power_of_two_above(dense.max())
    condensed = squareform(dense / unit, checks=False)
    cut = float(np.quantile(condensed, quantile)) if height is None else height / unit
    labels = fcluster(linkage(condensed, method=method), cut, criterion="distance")
    return _tidy(labels, min_cluster_size)


def random_groups(
    distances: Distances | int, *, sizes: Sequence[int], random_state: RandomState = None
) -> Labels:
    """Draw disjoint groups of the given sizes, every such draw being equally likely.

    Parameters
    ----------
    distances : int, array-like or sparse matrix, shape (n, n)
        The number of samples, or a matrix of which only the number of rows is used.
    sizes : sequence of int
        Sizes of the groups; their sum is at most n.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    ndarray of int, shape (n,)
        Group k has ``sizes[k]`` samples; samples in no group are -1. Unlike the other baselines,
        groups keep the numbers of their sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import random_groups
    >>> labels = random_groups(10, sizes=[3, 2], random_state=0)
    >>> np.bincount(labels + 1)
    array([5, 3, 2])
    """
    n_samples = _count_samples(distances)
    if any(size < 0 for size in sizes):
        raise ValueError(f"sizes must not be negative, got {list(sizes)}.")
    if sum(sizes) > n_samples:
        raise ValueError(f"sizes sum to {sum(sizes)}, but there are only {n_samples} samples.")
    order = check_random_state(random_state).permutation(n_samples)
    labels = np.full(n_samples, -1, dtype=np.intp)
    labels[order[: sum(sizes)]] = np.repeat(np.arange(len(sizes)), sizes)
    return labels


BASELINES: dict[str, Callable[..., Labels]] = {
    "kmeans": kmeans,
    "dbscan": dbscan,
    "hierarchical": hierarchical,
    "random": random_groups,
}
"""The baselines by name."""

CLUSTERER_LABELS = {"kmeans": "K-Means", "dbscan": "DBSCAN", "hierarchical": "Hierarchical"}
"""The baselines that need nothing but distances, with their names in tables and plots."""


def register_baseline(
    name: str, function: Callable[..., Labels], *, label: str | None = None
) -> None:
    """Add a baseline clusterer, for :class:`~neurotopo.DKNFinder` and the studies.

    Parameters
    ----------
    name : str
        The name, for ``clusterer=`` and in the tables of the studies.
    function : callable
        ``function(distances, random_state=...)`` returns one integer label per sample, -1 for a
        sample in no cluster. ``distances`` may hold ``inf``, see :func:`finite_distances`.
    label : str, optional
        The name in tables and plots. None: ``name``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import BASELINES, CLUSTERER_LABELS, register_baseline
    >>> from neurotopo.cluster.baselines import run_baseline
    >>> def halves(distances, random_state=None):
    ...     return np.arange(len(distances)) * 2 // len(distances)
    >>> register_baseline("halves", halves, label="Two halves")
    >>> run_baseline("halves", np.ones((4, 4)) - np.eye(4)).tolist()
    [0, 0, 1, 1]
    >>> del BASELINES["halves"], CLUSTERER_LABELS["halves"]
    """
    add_entry(BASELINES, "baseline", name, function)
    CLUSTERER_LABELS[name] = name if label is None else label


def run_baseline(name: str, distances: Distances, **settings: Any) -> Labels:
    """Run one baseline by name.

    Parameters
    ----------
    name : {"kmeans", "dbscan", "hierarchical", "random"} or str
        A key of ``BASELINES``.
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    **settings
        Passed on to the function, `random_state` included. ``"random"`` needs `sizes`.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels, -1 for a sample in no cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.cluster.baselines import run_baseline
    >>> position = np.array([0.0, 1.0, 20.0, 21.0])
    >>> run_baseline("dbscan", abs(position[:, None] - position))
    array([0, 0, 1, 1])
    """
    if name not in BASELINES:
        raise ValueError(f"Unknown baseline {name!r}; choose one of {', '.join(BASELINES)}.")
    return BASELINES[name](distances, **settings)


def _check_infinite(infinite: float | str) -> float | None:
    if isinstance(infinite, str):
        if infinite == "max":
            return None
    elif np.isfinite(infinite) and infinite > 0:
        return float(infinite)
    raise ValueError(f"infinite must be 'max' or a positive finite number, got {infinite!r}.")


def _prepare(
    distances: Distances, infinite: float | str
) -> tuple[NDArray[np.float64] | None, Labels]:
    dense = finite_distances(distances, infinite)
    return dense, np.full(_count_samples(distances), -1, dtype=np.intp)


def _count_samples(distances: Distances | int) -> int:
    if isinstance(distances, (int, np.integer)):
        return int(distances)
    return int(np.shape(distances)[0])


def _power_of_two_above(value: float) -> float:
    """Return a unit that brings `value` to at most 1; dividing by it is exact.

    Squares and sums of lengths near 1e300 overflow otherwise, and those near 1e-300 vanish.
    """
    return ldexp(1.0, min(max(frexp(value)[1], -1000), 1000)) if value > 0 else 1.0


def _nearest_distance_quantile(dense: NDArray[np.float64], quantile: float) -> float:
    nearest = np.where(dense > 0, dense, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    # Coinciding samples leave no positive distance, and DBSCAN asks for a positive radius.
    return float(np.quantile(nearest, quantile)) if len(nearest) else np.finfo(np.float64).tiny


def _tidy(labels: NDArray[Any], min_cluster_size: int) -> Labels:
    """Drop clusters that are too small and number the others by their first samples."""
    values, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero((values != -1) & (counts >= min_cluster_size))
    number = np.full(len(values), -1, dtype=np.intp)
    number[kept[np.argsort(first[kept])]] = np.arange(len(kept))
    return number[inverse]
