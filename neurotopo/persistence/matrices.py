"""Checks of square matrices of lengths or weights, dense and sparse."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neurotopo._memory import SPARSE, require_array
from neurotopo.persistence.edge_list import EdgeList

__all__ = [
    "above_diagonal",
    "canonical_csr",
    "check_diagonal",
    "check_kind",
    "check_lengths",
    "check_sparse_format",
    "edges_of_symmetric",
    "require_symmetric",
    "slack",
]

_TILE = 256
_REMEDY = ' Pass symmetrize="max", "min", "mean" or "mutual" for a directed graph.'
_KINDS = {"array": "an array of edges", "linkage": "a linkage matrix"}


def check_lengths(X: Any) -> NDArray[Any] | EdgeList:
    """Check a dense or sparse matrix of lengths, see :func:`check_distances`."""
    return _check_sparse(X) if sp.issparse(X) else _check_dense(X)


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


def check_kind(X: Any) -> None:
    """Raise an error unless X is a square matrix of real numbers with a row."""
    shape = X.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        hint = ""
        if len(shape) == 2 and shape[1] in (3, 4):
            name = "array" if shape[1] == 3 else "linkage"
            hint = f" For {_KINDS[name]} pass EdgeList.from_{name}(X)."
        raise ValueError(f"A precomputed distance matrix must be square, got shape {shape}.{hint}")
    if shape[0] == 0:
        raise ValueError("Found array with 0 sample(s): the distance matrix is empty.")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"A distance matrix must hold real numbers, got dtype {X.dtype}.")


def _rounding_tolerance(dtype: np.dtype[Any]) -> float:
    # two computations of a distance differ by a few ulps, a wrong matrix by much more
    return 1e-9 if dtype == np.float64 else 1e-5


def slack(lengths: NDArray[Any]) -> float:
    """Return the rounding of a difference of numbers as large as the largest length."""
    if lengths.dtype.kind != "f":
        return 0.0
    largest = np.abs(lengths[np.isfinite(lengths)]).max(initial=0.0)
    return float(64 * np.finfo(lengths.dtype).eps * largest)


def _without_small_negatives(lengths: NDArray[Any]) -> NDArray[Any]:
    """Return 0 in place of negative lengths that are roundings of 0, as in ``1 - cosine``."""
    small = (lengths < 0) & (lengths >= -slack(lengths))
    return np.where(small, lengths.dtype.type(0), lengths) if small.any() else lengths


def _symmetry_error(i: int, j: int, upper: float, lower: float) -> ValueError:
    i, j, upper, lower = (i, j, upper, lower) if i < j else (j, i, lower, upper)
    return ValueError(
        f"X must be symmetric, but X[{i}, {j}] = {float(upper)} and X[{j}, {i}] = {float(lower)}."
        + _REMEDY
    )


def _check_dense(X: NDArray[Any]) -> NDArray[Any]:
    check_kind(X)
    if X.dtype not in (np.float32, np.float64):
        require_array(X.shape, f"the distances of {len(X):,} samples in double precision", SPARSE)
        X = X.astype(np.float64)
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        X = X.T  # the same matrix, if it is valid
    X = np.ascontiguousarray(X)
    own = np.flatnonzero(np.isfinite(X.diagonal()) & (X.diagonal() != 0))
    if len(own):
        check_diagonal(X.diagonal(), X, "inf", "a similarity matrix or a matrix of points")
        X = X.copy()
        X[own, own] = 0
    return X if _is_clean(X) else _explain_or_repair(X)


def check_diagonal(diagonal: NDArray[Any], lengths: NDArray[Any], none: str, guess: str) -> None:
    """Raise an error unless the diagonal is 0, up to the root of a rounding of a difference."""
    allowed = slack(lengths)
    if allowed:
        allowed /= float(np.finfo(lengths.dtype).eps) ** 0.5
    for i in np.flatnonzero(np.isfinite(diagonal) & (np.abs(diagonal) > allowed)):
        raise ValueError(
            f"A distance matrix has 0 (or {none}) on its diagonal, but X[{i}, {i}] = "
            f'{diagonal[i]}. Is X {guess}? (For similarities pass lengths="one_minus", say.)'
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
    return require_symmetric(X)


def require_symmetric(X: NDArray[Any]) -> NDArray[Any]:
    """Raise the error of an asymmetric matrix, or take the smaller of entries that are rounded."""
    if np.array_equal(X, X.T):
        return X
    what = f"the two halves of the distances of {len(X):,} samples, which differ,"
    require_array(X.shape, what, "Pass a matrix that equals its transpose.", copies=4)
    low, high = np.minimum(X, X.T), np.maximum(X, X.T)
    with np.errstate(invalid="ignore"):
        largest = np.maximum(np.abs(low), np.abs(high))
        wrong = (low != high) & ~(
            high - low <= np.maximum(_rounding_tolerance(X.dtype) * largest, slack(X))
        )
    wrong |= np.isinf(high) & np.isfinite(low)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise _symmetry_error(i, j, X[i, j], X[j, i])
    return low


def _check_sparse(X: sp.sparray | sp.spmatrix) -> EdgeList:
    check_kind(X)
    check_sparse_format(X)
    return edges_of_symmetric(_check_sparse_values(canonical_csr(X)))


def edges_of_symmetric(csr: sp.csr_array) -> EdgeList:
    """Return the edges of a canonical matrix; an asymmetric one is an error."""
    csc = csr.tocsc()
    parts = ("indptr", "indices", "data")
    if not all(np.array_equal(getattr(csr, part), getattr(csc, part)) for part in parts):
        return _explain_or_repair_sparse(above_diagonal(csr), above_diagonal(csc), csr.dtype)
    del csc  # frees a copy of the graph before the next one is made
    return above_diagonal(csr)


def above_diagonal(compressed: sp.csr_array | sp.csc_array) -> EdgeList:
    """Entries (i, j), i < j, of a CSR matrix; of a CSC one those of its transpose."""
    indptr, minor, data = compressed.indptr, compressed.indices, compressed.data
    major = np.repeat(np.arange(len(indptr) - 1, dtype=minor.dtype), np.diff(indptr))
    above = minor > major
    if len(data) and np.isinf(data.max()):
        above &= np.isfinite(data)
    length = data[above].astype(np.float64, copy=False)
    return EdgeList(len(indptr) - 1, major[above], minor[above], length)


def canonical_csr(X: Any) -> sp.csr_array:
    """Return CSR with sorted indices. Repeated entries are added, as in SciPy, with a warning."""
    if X.format == "csr" and X.has_canonical_format:
        csr = sp.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
        csr.has_canonical_format = True
        return csr
    coo = X.tocoo()
    csr = sp.csr_array(coo)
    csr.sum_duplicates()
    if csr.nnz < coo.nnz:
        order = np.lexsort((coo.col, coo.row))
        row, col = coo.row[order], coo.col[order]
        k = int(((np.diff(row) == 0) & (np.diff(col) == 0)).argmax())
        warnings.warn(
            f"X has repeated entries, the first of them X[{row[k]}, {col[k]}]. They are added, as "
            "SciPy does. If that is meant, call X.sum_duplicates() first; if not, keep one of each "
            "(a graph of both directions needs each entry X[i, j] once).",
            stacklevel=3,
        )
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
        check_diagonal(csr.diagonal(), csr.data, "no entry", "a similarity matrix")
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
            'If X holds each edge once or is directed, as a kNN graph, pass symmetrize="max", '
            '"min", "mean" (edges of either direction) or "mutual" (of both).'
        )
    low, high = np.minimum(upper.length, lower.length), np.maximum(upper.length, lower.length)
    tolerance = _rounding_tolerance(dtype if dtype.kind == "f" else np.dtype(np.float64))
    largest = np.maximum(np.abs(low), np.abs(high))
    for k in np.flatnonzero(~(high - low <= tolerance * largest)):
        i, j = int(upper.source[k]), int(upper.target[k])
        raise _symmetry_error(i, j, upper.length[k], lower.length[k])
    return EdgeList(upper.n_vertices, upper.source, upper.target, low)
