"""Checks of the input, and its two canonical forms.

A dense matrix is symmetric, without NaN and negative entries; a sparse one becomes an
:class:`EdgeList` with each edge once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

__all__ = ["EdgeList", "canonical_csr", "check_distances", "check_sparse_format", "check_strata"]

_TILE = 256


@dataclass(frozen=True)
class EdgeList:
    """An undirected weighted graph, every edge once.

    Attributes
    ----------
    n_vertices : int
        Number of vertices, isolated ones included.
    source, target : ndarray of int, shape (n_edges,)
        End points, ``source < target``, in lexicographic order.
    length : ndarray of float64, shape (n_edges,)
        Finite, non-negative lengths. Zero is a length like any other.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence import EdgeList
    >>> edges = EdgeList(3, np.array([0, 1]), np.array([1, 2]), np.array([1.0, 2.0]))
    >>> edges.n_edges
    2
    >>> edges.to_dense()
    array([[ 0.,  1., inf],
           [ 1.,  0.,  2.],
           [inf,  2.,  0.]])
    """

    n_vertices: int
    source: NDArray[np.integer[Any]]
    target: NDArray[np.integer[Any]]
    length: NDArray[np.float64]

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.length)

    def take(self, chosen: NDArray[Any]) -> EdgeList:
        """Return some of the edges, by positions in ascending order or by a mask."""
        return EdgeList(
            self.n_vertices, self.source[chosen], self.target[chosen], self.length[chosen]
        )

    def to_dense(self) -> NDArray[np.float64]:
        """Return the symmetric matrix: ``inf`` where there is no edge, 0 on the diagonal."""
        dense = np.full((self.n_vertices, self.n_vertices), np.inf)
        np.fill_diagonal(dense, 0.0)
        dense[self.source, self.target] = self.length
        dense[self.target, self.source] = self.length
        return dense

    @classmethod
    def from_dense(cls, distances: NDArray[np.floating[Any]]) -> EdgeList:
        """Collect the finite entries above the diagonal of a checked dense matrix."""
        source, target = np.nonzero(np.triu(np.isfinite(distances), k=1))
        length = distances[source, target].astype(np.float64)
        return cls(distances.shape[0], source, target, length)


def check_distances(X: ArrayLike | sp.sparray | sp.spmatrix) -> NDArray[Any] | EdgeList:
    """Check a matrix of pairwise distances and put it into canonical form.

    Parameters
    ----------
    X : array-like or sparse matrix, shape (n, n)
        "No edge" is ``inf`` in a dense matrix, an absent entry or ``inf`` in a sparse one, where an
        explicit 0 is an edge of length 0, and repeated entries are parallel edges of which the
        shortest counts. The diagonal must be 0 (or ``inf``, or absent).

        Rounding is allowed: relative to the largest length, 64 times the machine precision in
        negative lengths, which count as 0, and 64 times its root on the diagonal; 1e-9 (single
        precision: 1e-5) of its value, or as in negative lengths, between X[i, j] and X[j, i].

    Returns
    -------
    ndarray or EdgeList
        The dense matrix (float32 or float64, exactly symmetric) or the list of edges.

    Raises
    ------
    ValueError
        If X is not square, is empty, has NaN or a negative number, has a finite non-zero diagonal
        or is asymmetric beyond rounding. The message names the first wrong entry.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.inputs import check_distances
    >>> check_distances(np.array([[0.0, 1.0], [2.0, 0.0]]))
    Traceback (most recent call last):
        ...
    ValueError: X must be symmetric, but X[0, 1] = 1.0 and X[1, 0] = 2.0.
    """
    if sp.issparse(X):
        return _check_sparse(X)
    return _check_dense(np.asarray(X))


def check_sparse_format(X: Any) -> Any:
    """Check the index arrays of a sparse matrix before compiled code reads them; return X.

    SciPy does not check them when a matrix is changed in place or made without checks, and reads
    outside the arrays.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from neurotopo.persistence.inputs import check_sparse_format
    >>> X = sp.csr_array([[0.0, 1.0], [1.0, 0.0]])
    >>> X.indices[0] = -7
    >>> check_sparse_format(X)
    Traceback (most recent call last):
        ...
    ValueError: X is a malformed sparse matrix: entry 0 of its indices is -7, not in 0..1.
    """
    if not sp.issparse(X) or X.format in ("dok", "lil"):  # these are Python objects
        return X
    try:
        problem = _format_problem(X)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        problem = str(error)
    if problem:
        raise ValueError(f"X is a malformed sparse matrix: {problem}.")
    return X


def _format_problem(X: Any) -> str | None:
    """Return what is wrong with the arrays of a sparse matrix, None if nothing is."""
    data = X.data
    if X.format == "coo":
        for axis, (index, size) in enumerate(zip(X.coords, X.shape, strict=True)):
            problem = _index_problem(f"coordinates {axis}", index, size)
            if problem or len(index) != len(data):
                return problem or f"{len(index)} coordinates for {len(data)} entries"
        return None
    if X.format == "dia":
        return None if data.ndim == 2 and len(X.offsets) == len(data) else "its offsets"
    rows, columns = X.shape if X.format != "csc" else X.shape[::-1]
    if X.format == "bsr":
        height, width = X.blocksize
        rows, columns = rows // height, columns // width
        if data.ndim != 3 or data.shape[1:] != (height, width):
            return f"its blocks have shape {data.shape[1:]}, not {(height, width)}"
    indptr, indices = X.indptr, X.indices
    if indptr.shape != (rows + 1,):
        return f"its indptr has shape {indptr.shape}, not ({rows + 1},)"
    problem = _index_problem("indptr", indptr, min(len(indices), len(data)) + 1)
    if problem:
        return problem
    falls = np.flatnonzero(np.diff(indptr) < 0)
    if indptr[0] != 0 or len(falls):
        at = int(falls[0]) + 1 if len(falls) else 0
        return f"entry {at} of its indptr is {indptr[at]}; indptr starts at 0 and never falls"
    return _index_problem("indices", indices[: indptr[-1]], columns)


def _index_problem(name: str, index: NDArray[Any], size: int) -> str | None:
    if index.ndim != 1 or index.dtype.kind not in "iu":
        return f"its {name} are not integers in one dimension"
    if len(index) and (index.min() < 0 or index.max() >= size):
        at = int(((index < 0) | (index >= size)).argmax())
        return f"entry {at} of its {name} is {index[at]}, not in 0..{size - 1}"
    return None


def check_strata(strata: ArrayLike, n_vertices: int) -> NDArray[np.intp]:
    """Encode one group label per vertex (for example its layer) as 0, 1, 2, ..."""
    values = np.asarray(strata)
    if values.shape != (n_vertices,):
        raise ValueError(
            f"strata must hold one label per sample: expected shape ({n_vertices},), "
            f"got {values.shape}."
        )
    return np.unique(values, return_inverse=True)[1].astype(np.intp, copy=False)


def _check_kind(X: Any) -> None:
    shape = X.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"A precomputed distance matrix must be square, got shape {shape}.")
    if shape[0] == 0:
        raise ValueError("Found array with 0 sample(s): the distance matrix is empty.")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"A distance matrix must hold real numbers, got dtype {X.dtype}.")


def _rounding_tolerance(dtype: np.dtype[Any]) -> float:
    # two computations of a distance differ by a few ulps, a wrong matrix by much more
    return 1e-9 if dtype == np.float64 else 1e-5


def _slack(lengths: NDArray[Any]) -> float:
    """Return the rounding of a difference of numbers as large as the largest length."""
    if lengths.dtype.kind != "f":
        return 0.0
    largest = np.abs(lengths[np.isfinite(lengths)]).max(initial=0.0)
    return float(64 * np.finfo(lengths.dtype).eps * largest)


def _without_small_negatives(lengths: NDArray[Any]) -> NDArray[Any]:
    """Return 0 in place of negative lengths that are roundings of 0, as in ``1 - cosine``."""
    small = (lengths < 0) & (lengths >= -_slack(lengths))
    return np.where(small, lengths.dtype.type(0), lengths) if small.any() else lengths


def _symmetry_error(i: int, j: int, upper: float, lower: float) -> ValueError:
    i, j, upper, lower = (i, j, upper, lower) if i < j else (j, i, lower, upper)
    return ValueError(
        f"X must be symmetric, but X[{i}, {j}] = {float(upper)} and X[{j}, {i}] = {float(lower)}."
    )


def _check_dense(X: NDArray[Any]) -> NDArray[Any]:
    _check_kind(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        X = X.T  # the same matrix, if it is valid
    X = np.ascontiguousarray(X)
    own = np.flatnonzero(np.isfinite(X.diagonal()) & (X.diagonal() != 0))
    if len(own):
        _check_diagonal(X.diagonal(), X, "inf", "a similarity matrix or a matrix of points")
        X = X.copy()
        X[own, own] = 0
    return X if _is_clean(X) else _explain_or_repair(X)


def _check_diagonal(diagonal: NDArray[Any], lengths: NDArray[Any], none: str, guess: str) -> None:
    """Raise an error unless the diagonal is 0, up to the root of a rounding of a difference."""
    slack = _slack(lengths)
    if slack:
        slack /= float(np.finfo(lengths.dtype).eps) ** 0.5
    for i in np.flatnonzero(np.isfinite(diagonal) & (np.abs(diagonal) > slack)):
        raise ValueError(
            f"A distance matrix has 0 (or {none}) on its diagonal, but X[{i}, {i}] = "
            f"{diagonal[i]}. Is X {guess}?"
        )


def _is_clean(X: NDArray[Any]) -> bool:
    """Return whether X is symmetric without NaN and negatives, in one pass over memory."""
    n = X.shape[0]
    for i in range(0, n, _TILE):
        for j in range(i, n, _TILE):
            tile = X[i : i + _TILE, j : j + _TILE]
            mirror = X[j : j + _TILE, i : i + _TILE].T
            if (tile != mirror).any() or tile.min() < 0:  # NaN differs from itself
                return False
    return True


def _explain_or_repair(X: NDArray[Any]) -> NDArray[Any]:
    """Raise the error of a wrong matrix, or symmetrise one that differs by rounding only."""
    if np.isnan(X).any():
        i, j = np.argwhere(np.isnan(X))[0]
        raise ValueError(f"X contains NaN, first at X[{i}, {j}].")
    X = _without_small_negatives(X)
    if X.min() < 0:
        i, j = np.argwhere(X < 0)[0]
        raise ValueError(f"Distances must not be negative, but X[{i}, {j}] = {float(X[i, j])}.")
    low, high = np.minimum(X, X.T), np.maximum(X, X.T)
    with np.errstate(invalid="ignore"):
        wrong = (low != high) & ~(
            high - low <= np.maximum(_rounding_tolerance(X.dtype) * high, _slack(X))
        )
    wrong |= np.isinf(high) & np.isfinite(low)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise _symmetry_error(i, j, X[i, j], X[j, i])
    return low


def _check_sparse(X: sp.sparray | sp.spmatrix) -> EdgeList:
    _check_kind(X)
    check_sparse_format(X)
    csr = _check_sparse_values(canonical_csr(X))
    csc = csr.tocsc()
    parts = ("indptr", "indices", "data")
    if not all(np.array_equal(getattr(csr, part), getattr(csc, part)) for part in parts):
        return _explain_or_repair_sparse(_above_diagonal(csr), _above_diagonal(csc), csr.dtype)
    del csc  # frees a copy of the graph before the next one is made
    return _above_diagonal(csr)


def _above_diagonal(compressed: sp.csr_array | sp.csc_array) -> EdgeList:
    """Entries (i, j), i < j, of a CSR matrix; of a CSC one those of its transpose."""
    indptr, minor, data = compressed.indptr, compressed.indices, compressed.data
    major = np.repeat(np.arange(len(indptr) - 1, dtype=minor.dtype), np.diff(indptr))
    above = minor > major
    if len(data) and np.isinf(data.max()):
        above &= np.isfinite(data)
    length = data[above].astype(np.float64, copy=False)
    return EdgeList(len(indptr) - 1, major[above], minor[above], length)


def canonical_csr(X: Any) -> sp.csr_array:
    """Return CSR with sorted indices; parallel entries reduced to the shortest, never summed."""
    if X.format == "csr" and X.has_canonical_format:
        csr = sp.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
        csr.has_canonical_format = True
        return csr
    coo = X.tocoo()
    order = np.lexsort((coo.data, coo.col, coo.row))
    row, col, data = coo.row[order], coo.col[order], coo.data[order]
    first = np.ones(len(row), dtype=bool)
    first[1:] = (row[1:] != row[:-1]) | (col[1:] != col[:-1])
    row, col, data = row[first], col[first], data[first]
    indptr = np.searchsorted(row, np.arange(X.shape[0] + 1))
    csr = sp.csr_array((data, col, indptr.astype(col.dtype)), shape=X.shape)
    csr.has_canonical_format = True
    return csr


def _locate(csr: sp.csr_array, k: int) -> tuple[int, int]:
    """Row and column of stored entry number k."""
    return int(np.searchsorted(csr.indptr, k, side="right") - 1), int(csr.indices[k])


def _check_sparse_values(csr: sp.csr_array) -> sp.csr_array:
    """Raise the error of a wrong value; replace negative lengths that are roundings."""
    if csr.nnz == 0:
        return csr
    if not csr.data.min() >= 0:  # false for NaN too
        missing = np.isnan(csr.data) if csr.data.dtype.kind == "f" else np.zeros(csr.nnz, bool)
        if missing.any():
            i, j = _locate(csr, int(missing.argmax()))
            raise ValueError(f"X contains NaN, first at X[{i}, {j}].")
        data = _without_small_negatives(csr.data)
        for k in np.flatnonzero(data < 0):
            i, j = _locate(csr, int(k))
            raise ValueError(f"Distances must not be negative, but X[{i}, {j}] = {float(data[k])}.")
        csr = sp.csr_array((data, csr.indices, csr.indptr), shape=csr.shape)
        csr.has_canonical_format = True
    if csr.diagonal().any():
        _check_diagonal(csr.diagonal(), csr.data, "no entry", "a similarity matrix")
    return csr


def _explain_or_repair_sparse(upper: EdgeList, lower: EdgeList, dtype: np.dtype[Any]) -> EdgeList:
    """Raise for a truly asymmetric matrix, otherwise keep the smaller of each pair of entries."""
    keys = [e.source.astype(np.int64) * e.n_vertices + e.target for e in (upper, lower)]
    lonely = np.setxor1d(keys[0], keys[1], assume_unique=True)
    if len(lonely):
        i, j = divmod(int(lonely[0]), upper.n_vertices)
        at = np.searchsorted(keys[0], lonely[0])
        if at < len(keys[0]) and keys[0][at] == lonely[0]:
            value = upper.length[at]
        else:
            value = lower.length[np.searchsorted(keys[1], lonely[0])]
            i, j = j, i
        raise ValueError(
            f"X must be symmetric, but X[{i}, {j}] = {float(value)} and X[{j}, {i}] is absent. "
            "If X holds each edge once, pass X + X.T."
        )
    low, high = np.minimum(upper.length, lower.length), np.maximum(upper.length, lower.length)
    tolerance = _rounding_tolerance(dtype if dtype.kind == "f" else np.dtype(np.float64))
    for k in np.flatnonzero(~(high - low <= tolerance * high)):
        i, j = int(upper.source[k]), int(upper.target[k])
        raise _symmetry_error(i, j, upper.length[k], lower.length[k])
    return EdgeList(upper.n_vertices, upper.source, upper.target, low)
