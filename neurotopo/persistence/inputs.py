"""Input of all kinds, and its two canonical forms: a dense matrix or an :class:`EdgeList`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform

from neurotopo._memory import SPARSE, require_array
from neurotopo.persistence.edge_list import EdgeList, check_edge_list
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.graph_inputs import Arcs, both_ways, is_graph, neighbour_rows, read_arcs
from neurotopo.persistence.lengths import Length, check_length, edge_lengths
from neurotopo.persistence.matrices import (
    above_diagonal,
    canonical_csr,
    check_diagonal,
    check_kind,
    check_lengths,
    check_sparse_format,
    edges_of_symmetric,
    require_symmetric,
    slack,
)

__all__ = [
    "SYMMETRIZE",
    "EdgeList",
    "FittedLengths",
    "Symmetrize",
    "as_matrix",
    "canonical_csr",
    "check_distances",
    "check_sparse_format",
    "check_strata",
    "is_graph",
    "is_precomputed",
    "query_lengths",
]

Symmetrize = Literal["max", "min", "mean", "mutual"] | None
SYMMETRIZE = ("max", "min", "mean", "mutual")


def check_distances(
    X: Any, *, lengths: Length | None = None, symmetrize: Symmetrize = None, weight: str = "weight"
) -> NDArray[Any] | EdgeList:
    """Check a graph or a matrix of distances of any kind, and put it into canonical form.

    Every function and estimator with ``metric="precomputed"`` takes what this function takes,
    and what it returns.

    Parameters
    ----------
    X : graph, array-like or sparse matrix
        One of:

        - a square matrix, dense (``inf`` is no edge) or sparse (an absent entry or ``inf`` is no
          edge, an explicit 0 an edge of length 0). The diagonal must be 0 (or ``inf``, or absent).
          Repeated entries of a sparse matrix are added, as in SciPy, with a warning;
        - a condensed matrix: an array of one dimension, as from
          :func:`scipy.spatial.distance.pdist`;
        - a graph of networkx or igraph. Vertices keep their order. An edge without ``weight`` has
          length 1, loops are left out, and of parallel edges the shortest counts;
        - a tuple (indices, distances) or (distances, indices) of arrays of shape (n, k), the
          nearest neighbours of each sample, as from ``kneighbors`` of scikit-learn. The indices are
          the integers. The sample itself may be among them; the index -1 or the distance ``inf``
          is no neighbour;
        - an :class:`EdgeList`, a :class:`SpanningForest` or a :class:`~neurotopo.MergeTree`.

        A linkage matrix and an array of edges look like other matrices: use
        :meth:`EdgeList.from_linkage` and :meth:`EdgeList.from_array`.
    lengths : str, callable or None, default=None
        None: X has lengths. Otherwise X has similarities or weights, of which 0 and absent entries
        are no edges and the diagonal does not count, and ``lengths`` gives their lengths:
        ``"inverse"``, ``"neglog"``, ``"one_minus"``, another name or a callable, as for
        :func:`neurotopo.graphs.edge_lengths`.
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        How to combine X[i, j] and X[j, i], **before** ``lengths``: the larger one, the smaller
        one or the mean; where one of them is no edge, the other. With ``"mutual"``, an edge needs
        both, and has the longer length (of weights: the smaller one). None: an asymmetric X is an
        error.
    weight : str, default="weight"
        Name of the attribute of edges, for networkx and igraph.

    Returns
    -------
    ndarray or EdgeList
        The dense matrix of lengths (float32 or float64, exactly symmetric) or the list of edges.

    Raises
    ------
    ValueError
        If X is of no such kind, is empty, has NaN or a negative length, has a finite non-zero
        diagonal or is asymmetric beyond rounding. The message names the first wrong entry.

    Notes
    -----
    Rounding is allowed: relative to the largest length, 64 times the machine precision in
    negative lengths, which count as 0, and 64 times its root on the diagonal; 1e-9 (single
    precision: 1e-5) of its value, or as in negative lengths, between X[i, j] and X[j, i].

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence import check_distances
    >>> X = np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> check_distances(X)
    Traceback (most recent call last):
        ...
    ValueError: X must be symmetric, but X[0, 1] = 1.0 and X[1, 0] = 2.0. Pass symmetrize="max", \
"min", "mean" or "mutual" for a directed graph.
    >>> check_distances(X, symmetrize="mean", lengths="inverse")
    array([[0.        , 0.66666667],
           [0.66666667, 0.        ]])
    """
    if lengths is None and isinstance(X, EdgeList | SpanningForest):
        return check_edge_list(EdgeList(X.n_vertices, X.source, X.target, X.length))
    return check_lengths(as_matrix(X, lengths=lengths, symmetrize=symmetrize, weight=weight))


def as_matrix(
    X: Any, *, lengths: Length | None = None, symmetrize: Symmetrize = None, weight: str = "weight"
) -> Any:
    """Turn input of any kind into a square matrix of lengths, dense or CSR.

    :func:`check_distances` checks the result: a matrix without options is returned as it is.
    """
    _check_options(lengths, symmetrize)
    plain = lengths is None and symmetrize is None
    if is_graph(X):
        arcs = read_arcs(X, weight, as_lengths=lengths is None)
    else:
        X = X if sp.issparse(X) else np.asarray(X)
        if X.ndim == 1:
            X = _from_condensed(X, absent=np.inf if lengths is None else 0.0)
        check_kind(X)
        if not sp.issparse(X):
            return X if plain else _dense_lengths(X, lengths, symmetrize)
        csr = canonical_csr(check_sparse_format(X))
        if plain:
            return csr
        if lengths is None:
            check_diagonal(csr.diagonal(), csr.data, "no entry", "a similarity matrix")
        entries = csr.tocoo()
        arcs = Arcs(len(csr.indptr) - 1, entries.row, entries.col, entries.data)
        arcs = arcs.without(arcs.row == arcs.column)
        return _sparse_lengths(arcs, lengths, symmetrize)
    arcs = arcs.one_of_parallel(shortest=lengths is None)
    return _sparse_lengths(arcs, lengths, symmetrize)


class FittedLengths:
    """Lengths of the weights of a graph, and later of the weights of new points.

    ``"neglog"`` depends on the largest weight of the graph. A larger one of a new point counts as
    much as that.
    """

    def __init__(self, lengths: Length) -> None:
        check_length(lengths, name="lengths")
        self.lengths = lengths
        self.scale: float | None = None

    def __call__(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return the lengths of an array of non-zero weights."""
        if self.lengths != "neglog":
            return edge_lengths(weights, length=self.lengths)
        strong = np.abs(weights)
        if self.scale is None:
            self.scale = float(strong.max(initial=0.0))
        strong = np.minimum(strong, self.scale)
        return edge_lengths(strong, length="neglog", scale=self.scale)


def query_lengths(X: Any, n_samples: int, lengths: FittedLengths | None) -> Any:
    """Turn distances, weights or neighbours of new points into lengths to the samples."""
    X = neighbour_rows(X, n_samples, none=np.inf if lengths is None else 0.0)
    if lengths is None:
        return X
    if sp.issparse(X):
        csr = canonical_csr(check_sparse_format(X))
        return sp.csr_array(
            (_lengths_of(csr.data, lengths), csr.indices, csr.indptr), shape=csr.shape
        )
    return _lengths_of(np.asarray(X), lengths)


def is_precomputed(
    metric: Any, lengths: Length | None = None, symmetrize: Symmetrize = None
) -> bool:
    """Return whether X holds lengths; ``lengths`` and ``symmetrize`` need that."""
    if isinstance(metric, str) and metric == "precomputed":
        return True
    if lengths is not None or symmetrize is not None:
        raise ValueError(
            'lengths and symmetrize are for graphs: they need metric="precomputed", got '
            f"metric={metric!r}."
        )
    return False


def check_strata(strata: ArrayLike, n_vertices: int) -> NDArray[np.intp]:
    """Encode one group label per vertex (for example its layer) as 0, 1, 2, ..."""
    values = np.asarray(strata)
    if values.shape != (n_vertices,):
        raise ValueError(
            f"strata must hold one label per sample: expected shape ({n_vertices},), "
            f"got {values.shape}."
        )
    return np.unique(values, return_inverse=True)[1].astype(np.intp, copy=False)


def _check_options(lengths: Length | None, symmetrize: Any) -> None:
    if symmetrize is not None and symmetrize not in SYMMETRIZE:
        raise ValueError(
            f"symmetrize must be None or one of {', '.join(SYMMETRIZE)}, got {symmetrize!r}."
        )
    if lengths is not None:
        check_length(lengths, name="lengths")


def _from_condensed(X: NDArray[Any], absent: float) -> NDArray[Any]:
    n = round((1 + (1 + 8 * len(X)) ** 0.5) / 2)
    if X.dtype.kind not in "fiub":
        raise ValueError(f"A condensed matrix must hold real numbers, got dtype {X.dtype}.")
    if not len(X):
        raise ValueError("Found array with 0 sample(s): the condensed matrix is empty.")
    if n * (n - 1) // 2 != len(X):
        raise ValueError(
            f"A precomputed distance matrix must be square, got shape {X.shape}; condensed "
            f"distances have n (n - 1) / 2 entries, for example {n * (n - 1) // 2} of {n} samples."
        )
    require_array((n, n), f"the distances of {n:,} samples", SPARSE)
    return np.asarray(squareform(X, checks=False))


def _lengths_of(weights: NDArray[Any], lengths: Length) -> NDArray[np.float64]:
    if np.isinf(weights).any():
        raise ValueError("with lengths, X has weights, which must be finite, but one is inf.")
    return edge_lengths(weights, length=lengths)


def _combine(a: NDArray[Any], b: NDArray[Any], symmetrize: str, as_lengths: bool) -> NDArray[Any]:
    """Combine both directions where both are edges."""
    if symmetrize == "mean":
        return np.where(a == b, a, a / 2 + b / 2)
    larger = symmetrize == "max" or (symmetrize == "mutual" and as_lengths)
    return np.maximum(a, b) if larger else np.minimum(a, b)


def _refuse_wrong(X: NDArray[Any], as_lengths: bool, place: Any) -> None:
    """Raise an error for NaN and negative lengths, which symmetrizing could hide."""
    if np.isnan(X).any():
        raise ValueError(f"X contains NaN, first at {place(np.isnan(X))}.")
    if not as_lengths and np.isinf(X).any():
        raise ValueError(
            f"with lengths, X has weights, which must be finite, but {place(np.isinf(X))} = inf."
        )
    if as_lengths:
        negative = -slack(X) > X
        if negative.any():
            raise ValueError(
                f"Distances must not be negative, but {place(negative)} = "
                f"{float(X[negative].flat[0])}."
            )


def _dense_lengths(X: NDArray[Any], lengths: Length | None, symmetrize: Symmetrize) -> NDArray[Any]:
    def place(wrong: NDArray[np.bool_]) -> str:
        i, j = np.argwhere(wrong)[0]
        return f"X[{i}, {j}]"

    require_array(X.shape, f"the lengths between {len(X):,} samples", SPARSE, copies=3)
    X = np.array(X, dtype=X.dtype if X.dtype == np.float32 else np.float64)
    if lengths is not None:
        np.fill_diagonal(X, 0.0)
    _refuse_wrong(X, lengths is None, place)
    if symmetrize is not None:
        none = np.inf if lengths is None else 0.0
        absent = np.equal(X, none)
        np.fill_diagonal(absent, False)
        with np.errstate(invalid="ignore"):
            both = _combine(X, X.T, symmetrize, lengths is None)
        if symmetrize == "mutual":
            X = np.where(absent | absent.T, none, both)
        else:
            X = np.where(absent, X.T, np.where(absent.T, X, both))
    elif lengths is not None:
        X = require_symmetric(X)
    if lengths is not None:
        X = _lengths_of(X, lengths)
        np.fill_diagonal(X, 0.0)
    return X


def _sparse_lengths(arcs: Arcs, lengths: Length | None, symmetrize: Symmetrize) -> sp.csr_array:
    def place(wrong: NDArray[np.bool_]) -> str:
        k = int(wrong.argmax())
        return f"X[{arcs.row[k]}, {arcs.column[k]}]"

    if arcs.value.dtype.kind == "b":
        arcs = Arcs(arcs.n_vertices, arcs.row, arcs.column, arcs.value.astype(np.float64))
    _refuse_wrong(arcs.value, lengths is None, place)
    arcs = arcs.without(arcs.value == (np.inf if lengths is None else 0.0))
    if symmetrize is not None:
        arcs = both_ways(_both_directions(arcs.to_csr(), symmetrize, lengths is None))
    if lengths is None:
        return arcs.to_csr()
    if symmetrize is None:
        arcs = both_ways(edges_of_symmetric(arcs.to_csr()))
    length = _lengths_of(arcs.value, lengths)
    arcs = Arcs(arcs.n_vertices, arcs.row, arcs.column, length)
    return arcs.without(np.isinf(length)).to_csr()


def _both_directions(csr: sp.csr_array, symmetrize: str, as_lengths: bool) -> EdgeList:
    """Combine the two directions of each edge."""
    n = csr.shape[0]
    upper, lower = above_diagonal(csr), above_diagonal(csr.tocsc())
    keys = [edges.source.astype(np.int64) * n + edges.target for edges in (upper, lower)]
    at = np.searchsorted(keys[1], keys[0])
    at[at == len(keys[1])] = 0
    both = keys[1][at] == keys[0] if len(keys[1]) else np.zeros(len(at), dtype=bool)
    joined = _combine(upper.length[both], lower.length[at[both]], symmetrize, as_lengths)
    if symmetrize == "mutual":
        return EdgeList(n, upper.source[both], upper.target[both], joined)
    length = upper.length.copy()
    length[both] = joined
    rest = np.ones(len(keys[1]), dtype=bool)
    rest[at[both]] = False
    return EdgeList(
        n,
        np.append(upper.source, lower.source[rest]),
        np.append(upper.target, lower.target[rest]),
        np.append(length, lower.length[rest]),
    )
