"""Vietoris-Rips diagrams of a graph in canonical form, by gudhi and by ripser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neurotopo.persistence.inputs import EdgeList

__all__ = ["RIPS_ENGINES", "diagrams_with_births", "n_vertices", "rips_diagrams", "tidy_diagram"]

Graph = EdgeList | NDArray[np.floating[Any]]
Diagram = NDArray[np.float64]

_RIPSER_RANKS = 2**24  # integers from here on are not exact in single precision
_RIPSER_SIMPLICES = 2**55  # ripser keeps 8 of 63 bits for the coefficient


def rips_diagrams(graph: Graph, engine: str, max_dimension: int, coeff: int = 2) -> list[Diagram]:
    """Diagrams of dimensions ``0 .. max_dimension``, by one of ``RIPS_ENGINES``."""
    return [tidy_diagram(bars) for bars in RIPS_ENGINES[engine](graph, max_dimension, coeff)]


def tidy_diagram(diagram: NDArray[Any]) -> Diagram:
    """Drop bars of length zero and sort the rows."""
    diagram = np.asarray(diagram, dtype=np.float64).reshape(-1, 2)
    diagram = diagram[diagram[:, 0] < diagram[:, 1]]
    return diagram[np.lexsort((diagram[:, 1], diagram[:, 0]))]


def n_vertices(graph: Graph) -> int:
    """Return the number of vertices of a graph in either form."""
    return graph.n_vertices if isinstance(graph, EdgeList) else len(graph)


def _once(edges: EdgeList) -> sp.coo_matrix:
    """Return the matrix of gudhi, with every edge once."""
    ends = (edges.source.astype(np.int32), edges.target.astype(np.int32))
    return sp.coo_matrix((edges.length, ends), shape=(edges.n_vertices,) * 2)


def _gudhi(graph: Graph, max_dimension: int, coeff: int) -> list[Diagram]:
    from gudhi.sklearn import RipsPersistence

    sparse = isinstance(graph, EdgeList)
    machine = RipsPersistence(
        homology_dimensions=list(range(max_dimension + 1)),
        input_type="distance coo_matrix" if sparse else "full distance matrix",
        homology_coeff_field=coeff,
    )
    return machine.fit_transform([_once(graph) if isinstance(graph, EdgeList) else graph])[0]


def _simplex_tree(graph: Graph, max_dimension: int, coeff: int) -> list[Diagram]:
    import gudhi

    n = n_vertices(graph)
    if not isinstance(graph, EdgeList):
        # once a vertex has edges to all others the complex is a cone: no bar starts or ends later
        cone = graph.max(axis=1).min()
        graph = EdgeList.from_dense(np.where(graph <= cone, graph, np.inf))
    tree = gudhi.SimplexTree()
    tree.insert_batch(np.arange(n)[None, :], np.zeros(n))
    tree.insert_edges_from_coo_matrix(_once(graph))
    tree.expansion(max_dimension + 1)
    tree.compute_persistence(
        homology_coeff_field=coeff, persistence_dim_max=tree.dimension() <= max_dimension
    )
    return [tree.persistence_intervals_in_dimension(d) for d in range(max_dimension + 1)]


def _ripser(graph: Graph, max_dimension: int, coeff: int) -> list[Diagram]:
    """Run ripser on the ranks of the lengths, which are exact in single precision.

    Rank 0 is radius 0, where vertices enter; 1, 2, ... are the distinct lengths. So edges of
    length 0 are not absent, and lengths that are equal in single precision stay distinct.
    """
    edges = graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph)
    values, rank = _ranks(edges.length)
    ranked = replace(edges, length=rank + 1.0)
    # from a dense matrix, ripser stops where the complex becomes a cone
    matrix = _once(ranked) if isinstance(graph, EdgeList) else ranked.to_dense()
    return _run_ripser(matrix, max_dimension, coeff, np.append(0.0, values))


def diagrams_with_births(
    edges: EdgeList, births: NDArray[np.float64], max_dimension: int, coeff: int = 2
) -> list[Diagram]:
    """Diagrams of a graph whose vertices enter at given radii, by ripser on ranks.

    No edge may enter before its ends: ``length >= max(births[source], births[target])``.
    """
    n = edges.n_vertices
    values, rank = _ranks(np.append(edges.length, births))
    ends = np.sort(np.stack([edges.source, edges.target]), axis=0)  # ripser wants source < target
    vertices = np.arange(n)
    rows, columns = np.append(ends[0], vertices), np.append(ends[1], vertices)
    matrix = sp.coo_matrix((rank + 1.0, (rows, columns)), shape=(n, n))
    diagrams = _run_ripser(matrix, max_dimension, coeff, np.append(0.0, values))
    return [tidy_diagram(diagram) for diagram in diagrams]


def _ranks(lengths: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct lengths in ascending order, and the place of each length among them."""
    values, rank = np.unique(lengths, return_inverse=True)
    if len(values) >= _RIPSER_RANKS:
        raise ValueError(
            f"ripser distinguishes at most {_RIPSER_RANKS - 1} lengths, in single precision, and "
            f'the graph has {len(values)} distinct ones. Use engine="gudhi".'
        )
    return values, rank.reshape(-1).astype(np.float64)


def _run_ripser(
    matrix: Any, max_dimension: int, coeff: int, length_of: NDArray[np.float64]
) -> list[Diagram]:
    from ripser import ripser

    n = matrix.shape[0]
    if math.comb(n, max_dimension + 2) >= _RIPSER_SIMPLICES:
        raise ValueError(
            f"ripser cannot number the simplices of {n} vertices in dimension "
            f'{max_dimension + 1}. Use engine="gudhi".'
        )
    diagrams = ripser(matrix, distance_matrix=True, maxdim=max_dimension, coeff=coeff)["dgms"]
    return [_read_ranks(diagram, length_of) for diagram in diagrams]


def _read_ranks(diagram: NDArray[Any], length_of: NDArray[np.float64]) -> Diagram:
    infinite = np.isinf(diagram)
    return np.where(infinite, np.inf, length_of[np.where(infinite, 0, diagram).astype(np.intp)])


RIPS_ENGINES: dict[str, Callable[[Graph, int, int], list[Diagram]]] = {
    "gudhi": _gudhi,
    "gudhi-simplextree": _simplex_tree,
    "ripser": _ripser,
}
