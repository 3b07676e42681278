"""Baseline clusterers of the paper, with one signature.

Every function takes a matrix of pairwise distances (for example the paper's matrix A) and returns
one integer label per sample, -1 for a sample in no cluster. The defaults are the settings of the
authors of the paper [1]_, from their published code where the paper has only the method. All share
three conventions:

- *Infinite distances* (in a sparse matrix: absent entries) are replaced by a finite number, see
  `infinite`. Without any finite distance, or with a single sample, every label is -1.
- *Numbering.* Clusters are numbered in the order of their first samples.
- *Small clusters.* K-Means and hierarchical clustering can return clusters of one sample, as in the
  authors' runs. ``min_cluster_size=2`` labels them -1.

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

from neurotopo._memory import require_array
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

#: The authors' replacement of an infinite distance.
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
        Replacement of an infinite distance. ``"max"`` is twice the largest finite distance, so that
        the labels do not depend on the unit of the distances. A number may be smaller than finite
        distances; the authors used ``1000.0``.

    Returns
    -------
    ndarray of shape (n, n) or None
        A new matrix with a zero diagonal; None if no distance is finite.

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
    remedy = "Baselines need the whole matrix; NTCClusterer clusters sparse graphs."
    require_array(dense.shape, f"the distances of {len(dense):,} samples", remedy, copies=2)
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
    """Cluster the rows of the distance matrix, as feature vectors, with K-Means after a PCA.

    Parameters
    ----------
    distances : array-like or sparse matrix, shape (n, n)
        Pairwise distances; ``inf`` or an absent sparse entry means "no edge".
    n_clusters : int, optional
        Number of clusters, at most n. By default ``max(2, floor(share * n))``.
    share : float, default=0.1
        Clusters per sample; the authors' 10 %. Ignored when `n_clusters` is given.
    variance : float or None, default=0.95
        Share of the variance of the rows that the PCA keeps. None: no PCA.
    n_init : int or "auto", default="auto"
        Passed to :class:`sklearn.cluster.KMeans`, as is `random_state` (the authors used 0).
    random_state : int, RandomState or None, default=None
        Seed of the initial centres.
    min_cluster_size : int, default=1
        Smaller clusters are labelled -1.
    infinite : "max" or float, default="max"
        See :func:`finite_distances`.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels. There are at most as many clusters as distinct rows.

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
    eps : float, optional
        Radius of a neighbourhood. By default the `quantile` of the nearest distances.
    quantile : float, default=0.5
        Quantile for `eps`; 0.5, the authors' choice, is the median. The nearest distance of a
        sample is its smallest non-zero distance, replaced infinite ones included.
    min_samples : int, optional
        Samples within `eps` of a core sample, itself included. By default
        ``max(2, floor(share * n))``.
    share : float, default=0.03
        The authors' 3 %. Ignored if `min_samples` is given.
    distances, min_cluster_size, infinite, random_state
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
    method : str, default="average"
        Linkage, as in :func:`scipy.cluster.hierarchy.linkage`.
    quantile : float, default=0.7
        Height of the cut: this quantile of the n (n - 1) / 2 pairwise distances, replaced infinite
        ones included, as the authors did. (With 30 % infinite pairs or more, the default cut is at
        their replacement, and all samples are one cluster.)
    height : float, optional
        Height of the cut instead.
    distances, min_cluster_size, infinite, random_state
        As for :func:`kmeans`; nothing is random.

    Returns
    -------
    ndarray of int, shape (n,)
        Labels; samples are in one cluster if their cophenetic distance is at most the cut.

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
    """Draw disjoint groups of the given sizes, uniformly.

    Parameters
    ----------
    distances : int, array-like or sparse matrix, shape (n, n)
        The number of samples, or a matrix with that number of rows.
    sizes : sequence of int
        Sizes of the groups; their sum is at most n.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    ndarray of int, shape (n,)
        Group k has ``sizes[k]`` samples, unlike the numbering of the other baselines.

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
"""The baselines that need distances only, with their names in tables and plots."""


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
        Passed to the function. ``"random"`` needs `sizes`.

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
    """Return a power of two not below `value`: dividing by it is exact and avoids overflow."""
    return ldexp(1.0, min(max(frexp(value)[1], -1000), 1000)) if value > 0 else 1.0


def _nearest_distance_quantile(dense: NDArray[np.float64], quantile: float) -> float:
    nearest = np.where(dense > 0, dense, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    # if all samples coincide, there is no positive distance; DBSCAN needs one
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
