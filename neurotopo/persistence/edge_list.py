"""EdgeList: an undirected weighted graph, and its forms elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import is_valid_linkage

from neurotopo._memory import require_array

__all__ = ["EdgeList", "check_edge_list"]


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
        shape = (self.n_vertices, self.n_vertices)
        require_array(shape, f"the lengths between {self.n_vertices:,} vertices, as a matrix,")
        dense = np.full(shape, np.inf)
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

    @classmethod
    def from_array(cls, edges: ArrayLike, n_vertices: int | None = None) -> EdgeList:
        """Read an array of edges: source, target and length (or positive weight) in each row.

        Parameters
        ----------
        edges : array-like, shape (n_edges, 2) or (n_edges, 3)
            The edges, in any order and direction. Without the third column all lengths are 1. An
            edge may be repeated with the same length. Loops are left out, and an edge of length
            ``inf`` is no edge.
        n_vertices : int or None, default=None
            Number of vertices. None: one more than the largest end.

        Returns
        -------
        EdgeList

        Examples
        --------
        >>> from neurotopo.persistence import EdgeList
        >>> EdgeList.from_array([[0, 1, 0.5], [2, 1, 3.0]]).to_dense()
        array([[0. , 0.5, inf],
               [0.5, 0. , 3. ],
               [inf, 3. , 0. ]])
        """
        table = np.asarray(edges, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] not in (2, 3):
            raise ValueError(
                f"edges must have columns source, target and length, got shape {table.shape}."
            )
        ends = table[:, :2]
        wrong = (ends != np.floor(ends)) | (ends < 0) | (ends > np.iinfo(np.int64).max // 2)
        for k in np.flatnonzero(wrong.any(axis=1)):
            raise ValueError(f"edge {k} joins {ends[k, 0]} and {ends[k, 1]}, not vertices 0, 1, ..")
        if n_vertices is None:
            n_vertices = int(ends.max(initial=-1)) + 1
        length = table[:, 2] if table.shape[1] == 3 else np.ones(len(table))
        source, target = ends.astype(np.int64).T
        if len(table) and ends.max() >= n_vertices:
            raise ValueError(
                f"an edge ends at vertex {int(ends.max())}, but n_vertices is {n_vertices}."
            )
        return check_edge_list(cls(n_vertices, source, target, length))

    @classmethod
    def from_linkage(cls, Z: ArrayLike) -> EdgeList:
        """Read a linkage matrix of SciPy: a tree with the same merges at the same heights.

        Its merge tree is that of the cophenetic distances of Z.

        Parameters
        ----------
        Z : array-like, shape (n - 1, 4)
            As from :func:`scipy.cluster.hierarchy.linkage`, with heights that do not fall from a
            cluster to the one it merges into. (Those of ``"centroid"`` and ``"median"`` may.) A
            height of ``inf`` is no merge.

        Returns
        -------
        EdgeList

        Examples
        --------
        >>> from scipy.cluster.hierarchy import linkage
        >>> from neurotopo import merge_tree
        >>> from neurotopo.persistence import EdgeList
        >>> merge_tree(EdgeList.from_linkage(linkage([[0.0], [1.0], [5.0]], "average")))
        MergeTree(n_samples=3, n_clusters=2, n_components=1, last_merge=4.5)
        """
        Z = np.array(Z, dtype=np.float64)
        if np.isnan(Z).any():
            raise ValueError("the linkage matrix contains NaN.")
        is_valid_linkage(Z, throw=True, name="Z")
        n = len(Z) + 1
        children, height = Z[:, :2].astype(np.int64), Z[:, 2]
        one = np.arange(2 * n - 1)  # a sample of each cluster
        below = np.append(np.zeros(n), height)
        size = np.append(np.ones(n), Z[:, 3])
        for k, (left, right) in enumerate(children.tolist()):
            if max(below[left], below[right]) > height[k]:
                raise ValueError(
                    f"row {k} of the linkage matrix merges at {height[k]}, below a merge inside "
                    "it: the linkage is not monotonic. Use another method."
                )
            if size[n + k] != size[left] + size[right]:
                raise ValueError(
                    f"row {k} of the linkage matrix counts {size[n + k]:g} samples, but merges "
                    f"clusters of {size[left]:g} and {size[right]:g}."
                )
            one[n + k] = one[left]
        held = np.isfinite(height)
        ends = one[children[held]]
        return _canonical(cls(n, ends[:, 0], ends[:, 1], height[held]))


def check_edge_list(edges: EdgeList, *, as_lengths: bool = True) -> EdgeList:
    """Check the arrays of a graph; return them in canonical order.

    With ``as_lengths``, NaN and negative numbers are errors and ``inf`` is no edge.
    """
    ends = [np.asarray(edges.source), np.asarray(edges.target)]
    values = np.asarray(edges.length, dtype=np.float64)
    if not (ends[0].shape == ends[1].shape == values.shape and values.ndim == 1):
        shapes = f"{ends[0].shape}, {ends[1].shape} and {values.shape}"
        raise ValueError(f"source, target and length must have one shape (m,), got {shapes}.")
    n = int(edges.n_vertices)
    if n < 1:
        raise ValueError("Found array with 0 sample(s): the graph has no vertex.")
    for name, end in zip(("source", "target"), ends, strict=True):
        if len(end) and (end.dtype.kind not in "iu" or end.min() < 0 or end.max() >= n):
            raise ValueError(f"{name} must hold vertices 0..{n - 1}, as integers.")
    if as_lengths:
        for wrong, problem in ((np.isnan(values), "is NaN"), (values < 0, "is negative")):
            for k in np.flatnonzero(wrong):
                raise ValueError(
                    f"the length of an edge must be a number of at least 0, but that of "
                    f"{ends[0][k]} - {ends[1][k]} {problem}: {values[k]}."
                )
        held = ~np.isposinf(values)
        if not held.all():
            ends, values = [end[held] for end in ends], values[held]
    return _canonical(EdgeList(n, ends[0], ends[1], values))


def _canonical(edges: EdgeList) -> EdgeList:
    """Order the ends of each edge, and the edges; leave out loops and equal copies."""
    low = np.minimum(edges.source, edges.target)
    high = np.maximum(edges.source, edges.target)
    key = low.astype(np.int64) * edges.n_vertices + high
    if (np.diff(key) > 0).all() and (low < high).all():
        return EdgeList(edges.n_vertices, low, high, edges.length)
    order = np.argsort(key, kind="stable")
    order = order[low[order] != high[order]]
    key, length = key[order], edges.length[order]
    again = np.append(False, np.diff(key) == 0)[: len(key)]
    for k in np.flatnonzero(again):
        if length[k] != length[k - 1]:
            raise ValueError(
                f"edge {low[order[k]]} - {high[order[k]]} is given twice, with {length[k - 1]} and "
                f"{length[k]}: keep one of them. (For directed edges pass a sparse matrix, and "
                "symmetrize.)"
            )
    kept = order[~again]
    return EdgeList(edges.n_vertices, low[kept], high[kept], length[~again])
