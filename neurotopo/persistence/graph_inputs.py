"""Graphs of other libraries and forms, as directed edges: networkx, igraph, neighbours, trees.

:func:`~neurotopo.persistence.check_distances` uses this module; its documentation lists the forms.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neurotopo.persistence.edge_list import EdgeList, check_edge_list
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["Arcs", "both_ways", "is_graph", "neighbour_rows", "read_arcs"]


@dataclass(frozen=True)
class Arcs:
    """Entries (row, column) of a square matrix: a directed graph, or both directions of each edge.

    Values are lengths or weights. A pair may occur several times: those are parallel edges.
    """

    n_vertices: int
    row: NDArray[np.integer[Any]]
    column: NDArray[np.integer[Any]]
    value: NDArray[Any]

    def without(self, gone: NDArray[np.bool_]) -> Arcs:
        """Return the arcs without some, given by a mask."""
        kept = ~gone
        return Arcs(self.n_vertices, self.row[kept], self.column[kept], self.value[kept])

    def one_of_parallel(self, *, shortest: bool) -> Arcs:
        """Keep the shortest of parallel edges, or raise an error if their values differ."""
        key = self.row.astype(np.int64) * self.n_vertices + self.column
        order = np.lexsort((self.value, key))
        again = np.append(False, np.diff(key[order]) == 0)[: len(key)]
        if not shortest:
            value = self.value[order]
            for k in np.flatnonzero(again):
                if value[k] != value[k - 1]:
                    row, column = self.row[order[k]], self.column[order[k]]
                    raise ValueError(
                        f"edge {row} - {column} is given twice, with the weights {value[k - 1]} "
                        f"and {value[k]}: combine them first."
                    )
        gone = np.empty(len(key), dtype=bool)
        gone[order] = again
        return self.without(gone) if again.any() else self

    def to_csr(self) -> sp.csr_array:
        """Return the matrix, with explicit zeros."""
        shape = (self.n_vertices, self.n_vertices)
        return sp.csr_array(sp.coo_array((self.value, (self.row, self.column)), shape=shape))


def _is_networkx(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("adj", "nodes", "edges", "is_directed"))


def _is_igraph(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("vcount", "get_edgelist", "es", "is_directed"))


def _is_neighbours(X: Any) -> bool:
    """Return whether X is a pair of two-dimensional arrays, as ``kneighbors`` returns them."""
    if not (isinstance(X, tuple) and len(X) == 2):
        return False
    return all(getattr(part, "ndim", None) == 2 and not sp.issparse(part) for part in X)


def is_graph(X: Any) -> bool:
    """Return whether X is a graph in a form of its own, not a matrix or a condensed one."""
    if isinstance(X, EdgeList | SpanningForest | MergeTree):
        return True
    return _is_networkx(X) or _is_igraph(X) or _is_neighbours(X)


def read_arcs(X: Any, weight: str, *, as_lengths: bool) -> Arcs:
    """Read a graph for which :func:`is_graph` holds. Loops are left out."""
    if _is_neighbours(X):
        n = len(X[0])
        arcs = Arcs(n, *_neighbour_entries(X, n, none=np.inf if as_lengths else 0.0))
    elif _is_networkx(X):
        arcs = _from_networkx(X, weight)
    elif _is_igraph(X):
        arcs = _from_igraph(X, weight)
    else:
        if isinstance(X, MergeTree):
            X = _edges_of_tree(X)
        elif isinstance(X, SpanningForest):
            X = EdgeList(X.n_vertices, X.source, X.target, X.length)
        arcs = both_ways(check_edge_list(X, as_lengths=as_lengths))
    return arcs.without(arcs.row == arcs.column)


def both_ways(edges: EdgeList) -> Arcs:
    """Return both directions of each edge."""
    row = np.append(edges.source, edges.target)
    column = np.append(edges.target, edges.source)
    return Arcs(edges.n_vertices, row, column, np.tile(edges.length, 2))


def _edges_of_tree(tree: MergeTree) -> EdgeList:
    """Join each cluster, at its birth, by a path through one sample of each child."""
    if tree.birth[: tree.n_samples].any():
        raise ValueError("this merge tree has births of vertices, which a graph cannot hold.")
    nodes = np.flatnonzero(tree.parent >= 0)
    nodes = nodes[np.lexsort((nodes, tree.parent[nodes]))]
    above, sample = tree.parent[nodes], tree.leaf_order[tree.start[nodes]]
    again = np.flatnonzero(np.diff(above) == 0)
    ends = sample[again], sample[again + 1]
    return EdgeList(tree.n_samples, *ends, tree.birth[above[again]])


def _neighbour_entries(
    X: tuple[Any, Any], n_columns: int, none: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return row, column and value of all neighbours of a pair (indices, distances)."""
    first, second = (np.asarray(part) for part in X)
    whole = [part.dtype.kind in "iu" for part in (first, second)]
    if whole[0] == whole[1] or not {first.dtype.kind, second.dtype.kind} <= set("iuf"):
        raise ValueError(
            "a pair of arrays is read as the indices of neighbours, which are integers, and their "
            f"distances, which are floats; the arrays hold {first.dtype} and {second.dtype}."
        )
    indices, distances = (first, second) if whole[0] else (second, first)
    if indices.shape != distances.shape:
        raise ValueError(
            f"indices and distances of neighbours must have the same shape, got {indices.shape} "
            f"and {distances.shape}."
        )
    if len(indices) == 0:
        raise ValueError("Found array with 0 sample(s): there are no rows of neighbours.")
    held = (indices != -1) & (distances != none)
    for i, j in np.argwhere(held & ((indices < 0) | (indices >= n_columns))):
        raise ValueError(
            f"row {i} has the neighbour {indices[i, j]}, but there are {n_columns} samples "
            "(-1 is no neighbour)."
        )
    row, _ = np.nonzero(held)
    return row, indices[held].astype(np.int64), distances[held]


def neighbour_rows(X: Any, n_columns: int, none: float) -> Any:
    """Turn neighbours of new points among the samples into a sparse matrix; return others as is."""
    if not _is_neighbours(X):
        return X
    row, column, value = _neighbour_entries(X, n_columns, none)
    return sp.csr_array(sp.coo_array((value, (row, column)), shape=(len(X[0]), n_columns)))


def _from_networkx(graph: Any, weight: str) -> Arcs:
    position = {node: i for i, node in enumerate(graph)}
    edges = list(graph.edges(data=True))
    ends = [(position[u], position[v]) for u, v, _ in edges]
    return _of_edges(len(position), ends, [data for _, _, data in edges], graph, weight)


def _from_igraph(graph: Any, weight: str) -> Arcs:
    names = list(graph.es.attributes())
    columns = [graph.es[name] for name in names]
    ends = list(graph.get_edgelist())
    data: list[Mapping[str, Any]] = [
        {name: column[k] for name, column in zip(names, columns, strict=True)}
        for k in range(len(ends))
    ]
    return _of_edges(graph.vcount(), ends, data, graph, weight)


def _of_edges(
    n: int, ends: list[tuple[int, int]], data: list[Mapping[str, Any]], graph: Any, weight: str
) -> Arcs:
    if n == 0:
        raise ValueError("Found array with 0 sample(s): the graph has no vertex.")
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)
    value = np.array(_weights(ends, data, weight))
    if graph.is_directed():
        return Arcs(n, pairs[:, 0], pairs[:, 1], value)
    row, column = np.vstack([pairs, pairs[:, ::-1]]).T
    return Arcs(n, row, column, np.tile(value, 2))


def _weights(
    ends: list[tuple[int, int]], data: list[Mapping[str, Any]], weight: str
) -> list[float]:
    """Return the weight of each edge, 1 if it has none; warn where that may be a mistake."""
    given = [attributes.get(weight) for attributes in data]
    n_missing = sum(value is None for value in given)
    others = sorted({str(name) for attributes in data for name in attributes} - {weight})
    if 0 < n_missing < len(given):
        warnings.warn(
            f"{n_missing} of {len(given)} edges have no attribute {weight!r}: their length (or "
            "weight) is 1.",
            stacklevel=2,
        )
    elif n_missing and others:
        warnings.warn(
            f"no edge has the attribute {weight!r}, so all lengths (or weights) are 1. The edges "
            f"have {', '.join(others)}: use check_distances(graph, weight={others[0]!r}).",
            stacklevel=2,
        )
    values = []
    for (i, j), value in zip(ends, given, strict=True):
        try:
            values.append(1.0 if value is None else float(value))
        except (TypeError, ValueError):
            raise ValueError(
                f"the edge between vertices {i} and {j} has the {weight} {value!r}, which is not "
                "a number."
            ) from None
    return values
