"""Density-based validity of a clustering (DBCV)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, gen_batches

from neurotopo.persistence.inputs import check_distances
from neurotopo.persistence.metrics import cross_distances, lengths, reduction

__all__ = ["dbcv"]

_AT_ONCE = 2**20  # distances

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Between = Callable[[Places, Places], Floats]  # distances of some samples (rows) to others


@overload
def dbcv(
    X: Any,
    labels: ArrayLike,
    metric: str | Callable[..., float] = ...,
    *,
    metric_params: Mapping[str, Any] | None = ...,
    n_dimensions: int | None = ...,
    ties: Literal["distance", "order"] = ...,
    per_cluster: Literal[False] = ...,
) -> float: ...


@overload
def dbcv(
    X: Any,
    labels: ArrayLike,
    metric: str | Callable[..., float] = ...,
    *,
    metric_params: Mapping[str, Any] | None = ...,
    n_dimensions: int | None = ...,
    ties: Literal["distance", "order"] = ...,
    per_cluster: Literal[True],
) -> tuple[float, Floats]: ...


def dbcv(
    X: Any,
    labels: ArrayLike,
    metric: str | Callable[..., float] = "euclidean",
    *,
    metric_params: Mapping[str, Any] | None = None,
    n_dimensions: int | None = None,
    ties: Literal["distance", "order"] = "distance",
    per_cluster: bool = False,
) -> float | tuple[float, Floats]:
    """Return the density-based validity index of a clustering, from -1 to 1.

    The validity of a cluster is (separation - sparseness) / max(separation, sparseness), and the
    index is its mean over all samples, where those in no cluster count as 0.

    Parameters
    ----------
    X : array-like or sparse matrix
        Points, or a dense matrix of all distances with ``metric="precomputed"``.
    labels : array-like of int, shape (n_samples,)
        Cluster of each sample, -1 = in no cluster. Clusters of one sample count as no cluster.
    metric : str or callable, default="euclidean"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    metric_params : mapping, optional
        Its parameters.
    n_dimensions : int, optional
        Dimension of the space, the exponent of the density. By default the number of columns of
        points; needed for distances.
    ties : {"distance", "order"}, default="distance"
        Choice among the minimum spanning trees of a cluster. Most clusters have several: smoothed
        lengths are often equal, and the index depends on the choice. ``"distance"`` compares
        edges of equal smoothed length by their distance, and counts all edges that are equal in
        both; the index then does not depend on the order of the samples. ``"order"`` prefers
        samples that come first, as hdbscan does.
    per_cluster : bool, default=False
        Whether to return the validity of each cluster as well.

    Returns
    -------
    index : float
        nan for a single cluster without another one, as its separation is not defined.
    validities : ndarray of float64, shape (n_clusters,)
        With ``per_cluster`` only: for each label of a cluster, ascending; 0 for clusters of one
        sample.

    Notes
    -----
    With ``ties="order"`` it equals ``hdbscan.validity.validity_index`` where that is defined. That
    function has no answer for clusters of one sample (an error); its densities overflow in many
    dimensions at short distances, and it takes the variances of ``"seuclidean"`` from each
    cluster, here from all samples.

    References
    ----------
    .. [1] D. Moulavi et al., "Density-Based Clustering Validation", SDM 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.metrics import dbcv
    >>> X = np.array([[0.0], [1.0], [2.1], [10.0], [11.2], [12.0], [13.1]])
    >>> round(dbcv(X, [0, 0, 0, 1, 1, 1, 1]), 3)
    0.875
    >>> round(dbcv(X, [0, 0, 1, 1, 0, 0, 1]), 3)
    -0.543
    """
    if ties not in ("distance", "order"):
        raise ValueError(f'ties must be "distance" or "order", got {ties!r}.')
    between, n, columns = _distances(X, metric, metric_params)
    groups = _checked_labels(labels, n)
    dimension = columns if n_dimensions is None else n_dimensions
    if dimension is None:
        raise ValueError("dbcv needs n_dimensions, the dimension of the space, for distances.")
    if not dimension > 0:
        raise ValueError(f"n_dimensions must be positive, got {n_dimensions}.")
    names, sizes = np.unique(groups[groups >= 0], return_counts=True)
    real = names[sizes > 1]
    parts = [
        _inside(np.flatnonzero(groups == name), between, dimension, ties == "order")
        for name in real
    ]
    separation = _separations(parts, between)
    sparseness = np.array([part.sparseness for part in parts])
    most = np.maximum(separation, sparseness)
    with np.errstate(invalid="ignore"):  # a single cluster
        gap = separation - sparseness
        some = np.divide(gap, most, out=np.zeros_like(most), where=most > 0)
    validities = np.zeros(len(names))
    validities[sizes > 1] = some
    index = float((validities * sizes).sum() / max(n, 1))
    return (index, validities) if per_cluster else index


def _distances(
    X: Any, metric: Any, metric_params: Mapping[str, Any] | None
) -> tuple[Between, int, int | None]:
    """Return the distances of samples, the number of samples and of features."""
    if isinstance(metric, str) and metric == "precomputed":
        if sp.issparse(X):
            raise ValueError("dbcv needs all distances: X must be a dense matrix.")
        matrix = check_distances(X)
        assert isinstance(matrix, np.ndarray)
        if not np.isfinite(matrix).all():
            i, j = np.argwhere(~np.isfinite(matrix) & ~np.eye(len(matrix), dtype=bool))[0]
            raise ValueError(f"dbcv needs all distances, but X[{i}, {j}] is infinite.")
        return lambda a, b: matrix[np.ix_(a, b)].astype(np.float64), len(matrix), None
    X = check_array(X, accept_sparse="csr", dtype=np.float64)
    n, columns = X.shape
    space = reduction(X, metric, metric_params)
    if space is not None:
        points, order, height_of = space.points, space.order, space.height_of
        return (
            lambda a, b: height_of(lengths(points[a][:, None], points[b][None], order)),
            n,
            columns,
        )

    def between(a: Places, b: Places) -> Floats:
        block = cross_distances(X[a], X[b], metric, metric_params)
        block[a[:, None] == b[None]] = 0.0
        if not (block >= 0).all():
            raise ValueError(f"metric {metric!r} gave NaN or negative distances.")
        return block

    return between, n, columns


def _checked_labels(labels: ArrayLike, n: int) -> Places:
    groups = np.asarray(labels)
    if groups.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), got {groups.shape}.")
    if groups.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got dtype {groups.dtype}.")
    return groups.astype(np.intp)


@dataclass(frozen=True)
class _Inside:
    """A cluster: its internal samples, their core distances, and the longest internal edge."""

    internal: Places
    core: Floats
    sparseness: float


def _inside(members: Places, between: Between, dimension: float, by_order: bool) -> _Inside:
    m = len(members)
    batches = gen_batches(m, max(1, _AT_ONCE // m))
    core = np.concatenate(
        [_core_distances(between(members[rows], members), dimension) for rows in batches]
    )
    one, other, length = _spanning_edges(
        core, lambda k: between(members[k : k + 1], members)[0], by_order
    )
    internal = np.bincount(np.append(one, other), minlength=m) > 1
    edges = internal[one] & internal[other]
    if not internal.any():  # two samples
        internal[: 1 if by_order else m] = True
    longest = length[edges].max() if edges.any() else length.max()
    return _Inside(members[internal], core[internal], float(longest))


def _core_distances(distances: Floats, dimension: float) -> Floats:
    """Return the mean of (1 / distance) ** dimension to the others, to the power -1 / dimension.

    Distances of 0 add nothing. Ratios to the nearest sample do not overflow.
    """
    m = distances.shape[1]
    positive = distances > 0
    nearest = distances.min(axis=1, where=positive, initial=np.inf)
    nearest[np.isinf(nearest)] = 0.0  # all samples are equal
    ratio = np.divide(nearest[:, None], distances, out=np.zeros_like(distances), where=positive)
    # sorted: the sum does not depend on the order of the samples
    mean = np.sort(ratio**dimension, axis=1).sum(axis=1) / (m - 1)
    return nearest * np.where(mean > 0, mean, 1.0) ** (-1.0 / dimension)


def _spanning_edges(
    core: Floats, row: Callable[[int], Floats], by_order: bool
) -> tuple[Places, Places, Floats]:
    """Return edges of a minimum spanning tree of smoothed distances, by Prim's algorithm.

    Lengths are complex numbers, which NumPy compares by the real part (the smoothed distance) and
    then by the imaginary part (the distance; 0 ``by_order``). Without ``by_order``, all edges of
    all minimum spanning trees are returned: those as long as the longest one on the path of the
    tree between their ends, which is a range of the order in which Prim adds samples.
    """
    m = len(core)
    outside = np.ones(m, dtype=bool)
    best = np.full(m, complex(np.inf, np.inf))
    key = np.empty(m, dtype=complex)
    path = np.full(m, complex(-1.0, 0.0))  # of the tree, from each sample to the last one
    one, other, length = [], [], []
    current = 0
    for _ in range(m):
        distance = row(current)
        key.real = np.maximum(np.maximum(distance, core), core[current])
        key.imag = 0.0 if by_order else distance
        tree = np.flatnonzero(~outside)
        height = best[current].real
        if by_order:
            near = tree[np.isclose(key.real[tree], height)][:1]
            weight = np.full(len(near), height)
        else:
            path[tree] = np.maximum(path[tree], best[current])
            near = tree[key[tree] == path[tree]]
            weight = key.real[near]
        one.append(near)
        other.append(np.full(len(near), current))
        length.append(weight)
        outside[current] = False
        np.minimum(best, key, out=best, where=outside)
        left = np.flatnonzero(outside)
        if len(left):
            current = int(left[best[left].argmin()])
    return np.concatenate(one), np.concatenate(other), np.concatenate(length)


def _separations(parts: list[_Inside], between: Between) -> Floats:
    """Return the least smoothed distance of internal samples to those of another cluster."""
    least = np.full(len(parts), np.inf)
    if len(parts) < 2:
        return least
    internal = np.concatenate([part.internal for part in parts])
    core = np.concatenate([part.core for part in parts])
    cluster = np.repeat(np.arange(len(parts)), [len(part.internal) for part in parts])
    for rows in gen_batches(len(internal), max(1, _AT_ONCE // len(internal))):
        block = between(internal[rows], internal)
        block = np.maximum(np.maximum(block, core), core[rows, None])
        block[cluster[rows, None] == cluster] = np.inf
        np.minimum.at(least, cluster[rows], block.min(axis=1))
    return least
