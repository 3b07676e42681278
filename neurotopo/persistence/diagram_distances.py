"""Distances between persistence diagrams: bottleneck and Wasserstein, infinite bars included."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import maximum_bipartite_matching

from neurotopo._memory import require_array
from neurotopo.persistence.conversions import check_diagram

__all__ = [
    "bottleneck_distance",
    "bottleneck_distances",
    "sliced_wasserstein",
    "wasserstein_distance",
    "wasserstein_distances",
]

Diagram = NDArray[np.float64]

_DENSE_PAIRS = 2**22  # pairs of points of which a matrix is made, of 32 MB


def bottleneck_distance(a: ArrayLike, b: ArrayLike, *, delta: float = 0.0) -> float:
    """Return the bottleneck distance of two diagrams of one dimension.

    The largest move of a coordinate in the best matching of points to points or to the diagonal.

    Parameters
    ----------
    a, b : array-like of shape (n, 2)
        Diagrams. Bars that never die are matched in order of birth; if their numbers differ, the
        distance is ``inf``.
    delta : float, default=0.0
        Relative error allowed, to be faster on diagrams of thousands of points. 0: exact.

    Returns
    -------
    float
        The distance.

    Notes
    -----
    Computed by a search for the smallest radius at which the long bars of each diagram can be
    matched into the other (:func:`scipy.sparse.csgraph.maximum_bipartite_matching`). Diagrams whose
    points are all born at one radius, as in dimension 0, are matched by sorting.

    With ``delta``, and for thousands of points, Hera is used, in gudhi's build of it [1]_ (BSD
    licence; gudhi's own ``bottleneck_distance`` is under the GPL and is not used). It rounds,
    relative to the largest coordinate.

    References
    ----------
    .. [1] M. Kerber, D. Morozov, A. Nigmetov. "Geometry helps to compare persistence diagrams".
       ACM Journal of Experimental Algorithmics 22, 2017.

    Examples
    --------
    >>> from neurotopo.persistence.diagram_distances import bottleneck_distance
    >>> bottleneck_distance([[0, 4], [1, 2]], [[0, 5]])
    1.0
    """
    _check_delta(delta)
    a, b, infinite = _split(a, b)
    if infinite is None:
        return float("inf")
    essential = float(infinite.max(initial=0.0))
    if len(a) == len(b) == 0:
        return essential
    births = np.append(a[:, 0], b[:, 0])
    if (births == births[0]).all():
        return max(essential, _from_one_birth(np.diff(a).ravel(), np.diff(b).ravel()))
    # Hera compares with absolute tolerances; a power of two brings lengths near 1 and back exactly
    exponent = int(np.frexp(max(a.max(initial=0.0), b.max(initial=0.0), -births.min()))[1])
    scaled_a, scaled_b = np.ldexp(a, -exponent), np.ldexp(b, -exponent)
    if delta > 0 or len(a) * len(b) > _DENSE_PAIRS:
        from gudhi import hera

        distance = hera.bottleneck_distance(scaled_a, scaled_b, delta)
    else:
        distance = _by_matchings(scaled_a, scaled_b)
    return max(essential, float(np.ldexp(distance, exponent)))


def _by_matchings(a: Diagram, b: Diagram) -> float:
    """Bottleneck distance as the smallest radius that suffices, by bisection.

    A radius t suffices if bars longer than 2t have partners within t. It is enough to match those
    of a and those of b apart: then some matching covers both (Mendelsohn and Dulmage).
    """
    alone_a, alone_b = ((x[:, 1] - x[:, 0]) / 2 for x in (a, b))
    moves = np.maximum(np.abs(a[:, None, 0] - b[None, :, 0]), np.abs(a[:, None, 1] - b[None, :, 1]))

    def suffices(t: float) -> bool:
        near = moves <= t
        return _rows_can_be_matched(near[alone_a > t]) and _rows_can_be_matched(near.T[alone_b > t])

    low = max(
        np.minimum(alone_a, moves.min(axis=1, initial=np.inf)).max(initial=0.0),
        np.minimum(alone_b, moves.min(axis=0, initial=np.inf)).max(initial=0.0),
    )
    radii = np.concatenate([moves.ravel(), alone_a, alone_b])
    high = max(alone_a.max(initial=0.0), alone_b.max(initial=0.0))
    radii = np.unique(radii[(radii >= low) & (radii <= high)])
    return float(radii[bisect_left(radii, True, key=suffices)])


def _rows_can_be_matched(near: NDArray[np.bool_]) -> bool:
    """Whether all rows of a bipartite graph can be matched, each to another column."""
    if len(near) == 0:
        return True
    rows, columns = np.nonzero(near)
    start = np.searchsorted(rows, np.arange(len(near) + 1))
    graph = sp.csr_array((np.ones(len(rows), np.int8), columns, start), shape=near.shape)
    return bool((maximum_bipartite_matching(graph, perm_type="column") >= 0).all())


def _from_one_birth(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Bottleneck distance of bars of these lengths, all born together.

    A radius t suffices if and only if the bars longer than 2t have partners within t. If matching
    works at all, it works in order of length. So t suffices if in every place of the sorted lists
    the bars differ by at most t, or are both at most 2t long.
    """
    n = max(len(a), len(b))
    long_a, long_b = (np.append(np.sort(x)[::-1], np.zeros(n - len(x))) for x in (a, b))
    return float(np.minimum(np.abs(long_a - long_b), np.maximum(long_a, long_b) / 2).max())


def wasserstein_distance(
    a: ArrayLike,
    b: ArrayLike,
    order: float = 1.0,
    internal_p: float = np.inf,
    *,
    delta: float = 0.0,
) -> float:
    """Return the Wasserstein distance of two diagrams of one dimension.

    The ``order``-th root of the sum, over the best matching of points to points or to the
    diagonal, of the moves to the power ``order``.

    Parameters
    ----------
    a, b : array-like of shape (n, 2)
        Diagrams. Infinite bars are matched as by :func:`bottleneck_distance`.
    order : float, default=1.0
        Exponent, at least 1.
    internal_p : float, default=inf
        The norm in the plane, at least 1: ``inf`` for the largest coordinate, 2 for Euclidean.
    delta : float, default=0.0
        0: exact, by :func:`scipy.optimize.linear_sum_assignment`, in memory quadratic in the number
        of points. A positive number is the relative error allowed to Hera, which needs less memory
        and, beyond a thousand points, less time.

    Returns
    -------
    float
        The distance.

    Examples
    --------
    >>> from neurotopo.persistence.diagram_distances import wasserstein_distance
    >>> wasserstein_distance([[0, 4], [1, 2]], [[0, 5]])
    1.5
    """
    _check_wasserstein(order, internal_p, delta)
    a, b, infinite = _split(a, b)
    if infinite is None:
        return float("inf")
    largest = max(np.abs(x).max(initial=0.0) for x in (a, b, infinite))
    if largest == 0.0:
        return 0.0
    exponent = int(np.frexp(largest)[1])  # powers of very long and very short lengths stay finite
    a, b, infinite = (np.ldexp(x, -exponent) for x in (a, b, infinite))
    if delta > 0:
        from gudhi import hera

        finite = hera.wasserstein_distance(a, b, order, internal_p, delta) ** order
    else:
        finite = _assignment_cost(a, b, order, internal_p)
    total = (finite + (infinite**order).sum()) ** (1 / order)
    return float(np.ldexp(total, exponent))


def _assignment_cost(a: Diagram, b: Diagram, order: float, internal_p: float) -> float:
    """Sum of the moves to the power ``order`` of the cheapest matching.

    The matrix has the savings of pairs over the diagonal, so the diagonal needs no rows in it.
    """
    what = f"the moves between diagrams of {len(a):,} and {len(b):,} bars"
    require_array((len(a), len(b)), what, "An approximation, delta=0.01, needs less.", copies=5)
    to_diagonal = 0.5 if np.isinf(internal_p) else 2.0 ** (1 / internal_p - 1)
    a_alone, b_alone = ((np.diff(x).ravel() * to_diagonal) ** order for x in (a, b))
    moves = np.linalg.norm(a[:, None, :] - b[None, :, :], ord=internal_p, axis=2) ** order
    saved = np.minimum(moves - a_alone[:, None] - b_alone[None, :], 0.0)
    rows, columns = linear_sum_assignment(saved)
    matched = saved[rows, columns] < 0
    rows, columns = rows[matched], columns[matched]
    alone = np.delete(a_alone, rows).sum() + np.delete(b_alone, columns).sum()
    return float(moves[rows, columns].sum() + alone)


def sliced_wasserstein(a: ArrayLike, b: ArrayLike, *, n_directions: int = 50) -> float:
    """Return the sliced Wasserstein distance of two diagrams of one dimension, by persim.

    The mean, over directions in the plane, of the Wasserstein distance of order 1 between the
    projections of the diagrams. Each diagram is completed by the other's points on the diagonal.

    Parameters
    ----------
    a, b : array-like of shape (n, 2)
        Diagrams. Infinite bars are matched as by :func:`bottleneck_distance`, and add the
        differences of their births.
    n_directions : int, default=50
        Number of directions.

    Returns
    -------
    float
        The distance, in single precision.

    References
    ----------
    .. [1] M. Carrière, M. Cuturi, S. Oudot, "Sliced Wasserstein kernel for persistence diagrams",
       ICML 2017.

    Examples
    --------
    >>> from neurotopo.persistence import sliced_wasserstein
    >>> round(sliced_wasserstein([[0, 4], [1, 2]], [[0, 5]]), 3)
    1.437
    """
    if n_directions < 1:
        raise ValueError(f"n_directions must be at least 1, got {n_directions}.")
    from persim import sliced_wasserstein as sliced

    a, b, infinite = _split(a, b)
    if infinite is None:
        return float("inf")
    # birth and death summed: persim projects points to the diagonal by absolute values
    low = min(0.0, a[:, 0].min(initial=0.0), b[:, 0].min(initial=0.0))
    return float(sliced(a - low, b - low, n_directions) + infinite.sum())


def bottleneck_distances(
    X: Sequence[ArrayLike],
    Y: Sequence[ArrayLike] | None = None,
    *,
    delta: float = 0.0,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Compute the matrix of bottleneck distances between diagrams of one dimension.

    Parameters
    ----------
    X : sequence of array-like of shape (n_bars, 2)
        Diagrams, for example the result of :class:`neurotopo.GraphPersistence` with a number for
        ``homology_dimensions``.
    Y : sequence of array-like of shape (n_bars, 2) or None, default=None
        Further diagrams. None: those of X.
    delta : float, default=0.0
        Relative error allowed, see :func:`bottleneck_distance`.
    n_jobs : int or None, default=None
        Threads. The result does not depend on it.

    Returns
    -------
    ndarray of float64, shape (n_diagrams_X, n_diagrams_Y)
        The distances. Without Y the matrix is symmetric with zeros on its diagonal: a
        ``metric="precomputed"`` of a clusterer or a kernel. ``inf`` where the numbers of bars that
        never die differ.

    Examples
    --------
    >>> from neurotopo.persistence import bottleneck_distances
    >>> diagrams = [[[0, 2]], [[0, 5]], []]
    >>> bottleneck_distances(diagrams)
    array([[0. , 2.5, 1. ],
           [2.5, 0. , 2.5],
           [1. , 2.5, 0. ]])
    >>> bottleneck_distances(diagrams, [[[0, 6]]]).ravel()
    array([3., 1., 3.])
    """
    _check_delta(delta)
    return _distances(bottleneck_distance, X, Y, n_jobs, delta=delta)


def wasserstein_distances(
    X: Sequence[ArrayLike],
    Y: Sequence[ArrayLike] | None = None,
    order: float = 1.0,
    internal_p: float = np.inf,
    *,
    delta: float = 0.0,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Compute the matrix of Wasserstein distances between diagrams of one dimension.

    Parameters
    ----------
    X : sequence of array-like of shape (n_bars, 2)
        Diagrams.
    Y : sequence of array-like of shape (n_bars, 2) or None, default=None
        Further diagrams. None: those of X.
    order, internal_p, delta : float
        See :func:`wasserstein_distance`.
    n_jobs : int or None, default=None
        Threads. The result does not depend on it.

    Returns
    -------
    ndarray of float64, shape (n_diagrams_X, n_diagrams_Y)
        The distances, as by :func:`bottleneck_distances`.

    Examples
    --------
    >>> from neurotopo.persistence import wasserstein_distances
    >>> wasserstein_distances([[[0, 4]], [[1, 2]]], [[[0, 5], [1, 2]]])
    array([[1.5],
           [2.5]])
    """
    _check_wasserstein(order, internal_p, delta)
    options = {"order": order, "internal_p": internal_p, "delta": delta}
    return _distances(wasserstein_distance, X, Y, n_jobs, **options)


def _distances(
    distance: Callable[..., float],
    X: Sequence[ArrayLike],
    Y: Sequence[ArrayLike] | None,
    n_jobs: int | None,
    **options: Any,
) -> NDArray[np.float64]:
    rows = _check_diagrams(X, "X")
    columns = rows if Y is None else _check_diagrams(Y, "Y")

    def row(i: int) -> list[float]:
        others = columns[i + 1 :] if Y is None else columns
        return [distance(rows[i], other, **options) for other in others]

    matrix = np.zeros((len(rows), len(columns)))
    parts = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(row)(i) for i in range(len(rows)))
    for i, values in enumerate(parts):
        matrix[i, len(columns) - len(values) :] = values
    return matrix if Y is not None else np.maximum(matrix, matrix.T)


def _check_diagrams(diagrams: Sequence[ArrayLike], name: str) -> list[Diagram]:
    """Check a list of diagrams of one dimension each."""
    for k, entry in enumerate(diagrams):
        if isinstance(entry, list | tuple) and any(np.ndim(part) == 2 for part in entry):
            raise ValueError(
                f"{name}[{k}] has several diagrams, one per dimension; compare one dimension at a "
                f"time, for example [entry[0] for entry in {name}]."
            )
    return [check_diagram(entry, f"{name}[{k}]") for k, entry in enumerate(diagrams)]


def _check_wasserstein(order: float, internal_p: float, delta: float) -> None:
    _check_delta(delta)
    for name, value in (("order", order), ("internal_p", internal_p)):
        if not value >= 1 or (name == "order" and np.isinf(value)):
            raise ValueError(f"{name} must be at least 1 (and order finite), got {value}.")


def _check_delta(delta: float) -> None:
    if not 0 <= delta < np.inf:
        raise ValueError(f"delta must be a non-negative number, got {delta}.")


def _split(a: ArrayLike, b: ArrayLike) -> tuple[Diagram, Diagram, NDArray[np.float64] | None]:
    """Return the finite bars off the diagonal, and the moves of infinite ones matched in order.

    The moves are None if their numbers differ.
    """
    a, b = check_diagram(a, "a"), check_diagram(b, "b")
    births = [np.sort(x[np.isinf(x[:, 1]), 0]) for x in (a, b)]
    finite = [x[np.isfinite(x[:, 1]) & (x[:, 0] < x[:, 1])] for x in (a, b)]
    apart = np.abs(births[0] - births[1]) if len(births[0]) == len(births[1]) else None
    return finite[0], finite[1], apart
