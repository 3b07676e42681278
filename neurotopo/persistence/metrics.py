"""Metrics: distances of points, and exact reductions of other metrics to Minkowski metrics.

Many metrics are an increasing function of a Minkowski distance between transformed points. The
cosine distance is half the squared Euclidean distance of normalised rows, for example. Minimum
spanning trees depend on comparisons only, so an engine for Minkowski metrics serves for all of
them. Every engine and ``predict`` use the formulas of this module, so they get the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances

from neurotopo._memory import require_array
from neurotopo.persistence.sample_distances import own_distances

__all__ = [
    "REDUCIBLE",
    "Reduction",
    "cross_distances",
    "lengths",
    "minkowski_order",
    "pairwise",
    "reduction",
    "require_matrix",
    "scaled",
]

Points = NDArray[np.float64]
Heights = Callable[[Points], Points]

_ORDERS = {
    "euclidean": 2.0,
    "l2": 2.0,
    "manhattan": 1.0,
    "cityblock": 1.0,
    "l1": 1.0,
    "chebyshev": np.inf,
}
_MOST_ZERO_VECTORS = 32  # each needs a dimension of its own
_FAR = 1e150  # coordinates of samples are at most 1e100
_EPS = float(np.finfo(np.float64).eps)


def minkowski_order(metric: Any) -> float | None:
    """Return the order of a metric that is a Minkowski metric by its name, None for others."""
    return _ORDERS.get(metric) if isinstance(metric, str) else None


def lengths(a: Points, b: Points, order: float) -> Points:
    """Minkowski distances along the last axis, accumulated feature by feature."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    if order not in (1.0, 2.0, np.inf):
        from neurotopo.persistence.boruvka import general_lengths  # numba is slow to import

        table = (1,) * (3 - len(shape)) + shape
        pairs = np.broadcast_to(a, table), np.broadcast_to(b, table)
        return np.asarray(general_lengths(*pairs, order)).reshape(shape[:-1])
    total = np.zeros(shape[:-1])
    for k in range(a.shape[-1]):
        gap = np.abs(a[..., k] - b[..., k])
        if order == 2.0:
            total += gap * gap
        elif order == 1.0:
            total += gap
        else:
            np.maximum(total, gap, out=total)
    return np.sqrt(total) if order == 2.0 else total


def scaled(X: Points) -> tuple[Points, int]:
    """Scale extreme coordinates near 1 by a power of two, which is exact; return its exponent."""
    largest = np.abs(X).max(initial=0.0)
    if largest == 0.0 or 1e-100 < largest < 1e100:
        return X, 0
    exponent = min(int(np.frexp(largest)[1]), 1023)
    return np.ldexp(X, -exponent), exponent


@dataclass(frozen=True)
class Reduction:
    """Points with a Minkowski metric in place of points with another metric.

    Attributes
    ----------
    points : ndarray of float64, shape (n_samples, n_dimensions)
        The transformed samples.
    order : float
        The order of the Minkowski metric.
    transform : callable
        Turns new points, shape (n_queries, n_features), into rows like those of ``points``.
    height_of : callable
        Turns Minkowski distances into distances of the metric. It never decreases.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.metrics import reduction
    >>> space = reduction(np.array([[1.0, 0.0], [0.0, 2.0]]), "cosine")
    >>> space.order, space.pairwise().round(6).tolist()
    (2.0, [[0.0, 1.0], [1.0, 0.0]])
    >>> space.cross(np.array([[5.0, 0.0]])).round(6).tolist()
    [[0.0, 1.0]]
    """

    points: Points
    order: float
    transform: Callable[[Points], Points]
    height_of: Heights

    def pairwise(self) -> Points:
        """Return the distances of all samples."""
        require_matrix(len(self.points))
        return self.height_of(lengths(self.points[:, None], self.points[None], self.order))

    def cross(self, queries: Points) -> Points:
        """Return the distances of new points (rows) to all samples (columns)."""
        there = self.transform(queries)
        return self.height_of(lengths(there[:, None], self.points[None], self.order))


def reduction(
    X: Any, metric: Any, metric_params: Mapping[str, Any] | None = None
) -> Reduction | None:
    """Reduce a metric on points to a Minkowski metric.

    Parameters
    ----------
    X : ndarray of float64 or sparse matrix, shape (n_samples, n_features)
        The samples. Those of ``fit``, also for distances of new points: ``"seuclidean"`` and
        ``"mahalanobis"`` take their variances from them.
    metric : str or callable
        The metric.
    metric_params : mapping, optional
        Its parameters: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``, ``V`` or
        ``VI`` of ``"mahalanobis"``.

    Returns
    -------
    Reduction or None
        None for sparse points, other metrics, and the cosine metric with many zero vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.metrics import reduction
    >>> X = np.array([[0.0, 0.0], [1.0, 2.0]])
    >>> reduction(X, "minkowski", {"p": 1}).pairwise().tolist()
    [[0.0, 3.0], [3.0, 0.0]]
    >>> reduction(X, "canberra") is None
    True
    """
    if sp.issparse(X) or not isinstance(metric, str) or metric not in _EMBEDDINGS:
        return None
    embedding_of, known = _EMBEDDINGS[metric]
    params = dict(metric_params or {})
    for name in sorted(set(params) - set(known)):
        accepted = f"it takes {' and '.join(known)}" if known else "it takes none"
        raise ValueError(f"metric {metric!r} has no parameter {name!r}; {accepted}.")
    embedding = embedding_of(X, metric, **params)
    if embedding is None:
        return None
    embed, order, height_of, samples = embedding
    points = embed(X) if samples is None else samples
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"metric {metric!r}: row {row} of X is too large for its parameters.")
    points, exponent = scaled(points)
    factor = float(np.ldexp(1.0, exponent))

    def transform(queries: Points) -> Points:
        with np.errstate(over="ignore"):
            rows = np.ldexp(embed(queries), -exponent)
        return np.clip(rows, -_FAR, _FAR)

    return Reduction(points, order, transform, lambda length: height_of(length * factor))


def require_matrix(n_samples: int) -> None:
    """Raise an error if the distances of so many samples do not fit into memory.

    Examples
    --------
    >>> from neurotopo.persistence.metrics import require_matrix
    >>> require_matrix(1000)
    >>> require_matrix(10**9)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    MemoryError: the distances of 1,000,000,000 samples need 16,000,000 TB of memory, but only ...
    """
    require_array(
        (n_samples, n_samples),
        f"the distances of {n_samples:,} samples",
        "Metrics such as 'euclidean' need no matrix; a sparse graph of nearest neighbours is "
        "smaller, with metric='precomputed'.",
        copies=2,  # one more to make it symmetric
    )


def pairwise(
    X: Any,
    metric: Any,
    metric_params: Mapping[str, Any] | None = None,
    *,
    n_jobs: int | None = None,
) -> Points:
    """Return the dense matrix of distances, exactly symmetric.

    Metrics with a :class:`Reduction` are computed from it (not by the expansion of the square), so
    that all engines get the same numbers.
    """
    space = reduction(X, metric, metric_params)
    if space is not None:
        return space.pairwise()
    require_matrix(len(X) if isinstance(X, list) else X.shape[0])
    params = dict(metric_params or {})
    own = own_distances(X, None, metric, params)
    if own is not None:
        np.fill_diagonal(own, 0.0)
        return own
    distances = np.array(pairwise_distances(X, metric=metric, n_jobs=n_jobs, **params))
    if np.isnan(distances).any() or (distances < 0).any():
        raise ValueError(f"metric {metric!r} gave NaN or negative distances.")
    np.fill_diagonal(distances, 0.0)
    return np.minimum(distances, distances.T)


def cross_distances(
    A: Any, B: Any, metric: Any, metric_params: Mapping[str, Any] | None = None
) -> Points:
    """Return the distances between new points A and samples B, as those of :func:`pairwise`."""
    space = None if sp.issparse(A) else reduction(B, metric, metric_params)
    if space is not None:
        return space.cross(A)
    params = dict(metric_params or {})
    own = own_distances(A, B, metric, params)
    if own is not None:
        return own
    return np.asarray(pairwise_distances(A, B, metric=metric, **params), dtype=np.float64)


class _Embedding(NamedTuple):
    embed: Callable[[Points], Points]
    order: float = 2.0
    height_of: Heights = lambda length: length
    samples: Points | None = None  # where they are embedded in another way than new points


def _by_name(X: Points, metric: str) -> _Embedding:
    return _Embedding(_as_they_are, _ORDERS[metric])


def _as_they_are(values: Points) -> Points:
    return values


def _minkowski(X: Points, metric: str, p: float = 2.0, w: ArrayLike | None = None) -> _Embedding:
    order = float(p)
    if not order >= 1:
        raise ValueError(f"metric 'minkowski' needs p >= 1, got p={p!r}.")
    if w is None:
        return _Embedding(_as_they_are, order)
    weights = _vector(w, "w", X.shape[1], metric)
    if np.isinf(order) or (weights < 0).any():
        raise ValueError("metric 'minkowski' takes w for finite p only, and no negative weights.")
    factors = weights ** (1 / order)
    return _Embedding(lambda rows: rows * factors, order)


def _seuclidean(X: Points, metric: str, V: ArrayLike | None = None) -> _Embedding:
    if V is not None:
        variance, origin = _vector(V, "V", X.shape[1], metric), "V"
        exponent = 0
    else:
        _check_several(X, metric)
        rows, exponent = scaled(X)
        # sorted: the sum of the same numbers in the same order, whatever the order of the rows
        variance, origin = np.var(np.sort(rows, axis=0), axis=0, ddof=1), "the variance of X"
    if not (variance > 0).all():
        column = int(np.flatnonzero(~(variance > 0))[0])
        raise ValueError(
            f"metric {metric!r}: {origin} is {variance[column]:g} in column {column}; "
            "leave constant columns out."
        )
    deviation = np.sqrt(variance)
    return _Embedding(lambda rows: np.ldexp(rows, -exponent) / deviation)


def _mahalanobis(
    X: Points, metric: str, V: ArrayLike | None = None, VI: ArrayLike | None = None
) -> _Embedding:
    d = X.shape[1]
    if V is not None and VI is not None:
        raise ValueError(f"metric {metric!r} takes V or VI, not both.")
    rows, exponent = scaled(X)
    rows = rows[np.lexsort(rows.T[::-1])]  # the same sums, whatever the order of the rows
    centre = np.ldexp(rows.mean(axis=0), exponent)
    try:
        if VI is not None:
            matrix: NDArray[Any] = np.linalg.cholesky(_square(VI, "VI", d, metric)).T
            exponent = 0
        else:
            if V is None:
                _check_several(X, metric)
                variance = np.atleast_2d(np.cov(rows.T))
            else:
                variance, exponent = _square(V, "V", d, metric), 0
            lower = np.linalg.cholesky(variance)
            matrix = scipy.linalg.solve_triangular(lower, np.eye(d), lower=True)
    except np.linalg.LinAlgError:
        origin = "the covariance of X" if V is None and VI is None else "V or VI"
        raise ValueError(
            f"metric {metric!r}: {origin} is not positive definite. "
            "Leave out features that depend on others, or give VI."
        ) from None
    return _Embedding(
        lambda new: _product(np.clip(np.ldexp(new - centre, -exponent), -_FAR, _FAR), matrix)
    )


def _product(rows: Points, matrix: Points) -> Points:
    """Return ``rows @ matrix.T``; no row depends on its place (a BLAS rounds by blocks)."""
    product = np.zeros((len(rows), len(matrix)))
    step = max(1, (1 << 16) // len(matrix))
    for first in range(0, len(rows), step):
        some, block = rows[first : first + step], product[first : first + step]
        for k, column in enumerate(matrix.T):
            block += some[:, k, None] * column
    return product


def _haversine(X: Points, metric: str) -> _Embedding:
    if X.shape[1] != 2:
        raise ValueError(
            f"metric {metric!r} takes two columns, latitude and longitude in radians; "
            f"X has {X.shape[1]}."
        )

    def embed(rows: Points) -> Points:
        latitude, longitude = rows.T
        ring = np.cos(latitude)
        return np.column_stack(
            [ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)]
        )

    return _Embedding(embed, height_of=lambda chord: 2 * np.arcsin(np.minimum(chord / 2, 1.0)))


def _cosine(X: Points, metric: str) -> _Embedding | None:
    """Normalise rows. A zero vector is orthogonal to all others, as in scikit-learn.

    Each zero vector among the samples gets a dimension of its own, those among new points another.
    """
    d, n_zeros = X.shape[1], int((~X.any(axis=1)).sum())
    if n_zeros > _MOST_ZERO_VECTORS:
        return None

    def embed(rows: Points, own: Any = n_zeros) -> Points:
        units = np.pad(_normalised(rows), ((0, 0), (0, n_zeros + 1)))
        units[np.flatnonzero(~rows.any(axis=1)), d + own] = 1.0
        return units

    return _Embedding(embed, 2.0, _half_square(d), embed(X, np.arange(n_zeros)))


def _correlation(X: Points, metric: str) -> _Embedding:
    def embed(rows: Points) -> Points:
        constant = np.flatnonzero(rows.max(axis=1) == rows.min(axis=1))
        if len(constant):
            raise ValueError(
                f"metric {metric!r} is not defined for constant rows: row {constant[0]} of X."
            )
        largest = np.frexp(np.abs(rows).max(axis=1))[1]
        rows = np.ldexp(rows, -largest[:, None])
        return _normalised(rows - rows.mean(axis=1, keepdims=True))

    return _Embedding(embed, height_of=_half_square(X.shape[1]))


def _normalised(rows: Points) -> Points:
    """Divide rows by their norms; zero vectors stay."""
    exponent = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1]
    rows = np.ldexp(rows, -exponent[:, None])
    norm = lengths(rows, np.zeros((1, rows.shape[1])), 2.0)
    return rows / np.where(norm > 0, norm, 1.0)[:, None]


def _half_square(d: int) -> Heights:
    """Return the height of a chord of the unit sphere: 1 - the cosine of its angle.

    Chords as short as the rounding of unit vectors are 0: those of parallel vectors.
    """
    least = (d + 8) * _EPS

    def height_of(chord: Points) -> Points:
        return np.where(chord <= least, 0.0, np.minimum(chord * chord / 2, 2.0))

    return height_of


def _check_several(X: Points, metric: str) -> None:
    if len(X) < 2:
        raise ValueError(
            f"metric {metric!r} needs two samples for a variance; give it in metric_params."
        )


def _vector(values: ArrayLike, name: str, d: int, metric: str) -> Points:
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (d,) or not np.isfinite(vector).all():
        raise ValueError(
            f"metric {metric!r}: {name} must be {d} finite numbers, one for each feature; "
            f"got shape {vector.shape}."
        )
    return vector


def _square(values: ArrayLike, name: str, d: int, metric: str) -> Points:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (d, d) or not np.isfinite(matrix).all():
        raise ValueError(
            f"metric {metric!r}: {name} must be a finite matrix of shape ({d}, {d}); "
            f"got shape {matrix.shape}."
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0):
        raise ValueError(f"metric {metric!r}: {name} must be symmetric.")
    return (matrix + matrix.T) / 2


_EMBEDDINGS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    **dict.fromkeys(_ORDERS, (_by_name, ())),
    "minkowski": (_minkowski, ("p", "w")),
    "seuclidean": (_seuclidean, ("V",)),
    "mahalanobis": (_mahalanobis, ("V", "VI")),
    "haversine": (_haversine, ()),
    "cosine": (_cosine, ()),
    "correlation": (_correlation, ()),
}
REDUCIBLE = tuple(sorted(_EMBEDDINGS))
