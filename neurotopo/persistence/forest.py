"""The minimum spanning forest, which determines 0-dimensional persistence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpanningForest"]


@dataclass(frozen=True)
class SpanningForest:
    """Edges of a forest on ``n_vertices`` vertices, in no particular order.

    Attributes
    ----------
    n_vertices : int
        Number of vertices. A connected graph has ``n_vertices - 1`` forest edges.
    source, target : ndarray of int, shape (n_edges,)
        End points of the edges.
    length : ndarray of float64, shape (n_edges,)
        Lengths of the edges: the merge heights of the graph, with multiplicity.

    Examples
    --------
    >>> from neurotopo.persistence import EdgeList, minimum_spanning_forest
    >>> forest = minimum_spanning_forest([[0, 1, 5], [1, 0, 2], [5, 2, 0]]).sorted()
    >>> forest.length, forest.n_components
    (array([1., 2.]), 1)
    """

    n_vertices: int
    source: NDArray[np.integer[Any]]
    target: NDArray[np.integer[Any]]
    length: NDArray[np.float64]

    @property
    def n_components(self) -> int:
        """Number of connected components, isolated vertices included."""
        return self.n_vertices - len(self.length)

    def sorted(self) -> SpanningForest:
        """Return the same forest with its edges in ascending order of length."""
        order = np.argsort(self.length, kind="stable")
        return SpanningForest(
            self.n_vertices, self.source[order], self.target[order], self.length[order]
        )

    @classmethod
    def empty(cls, n_vertices: int) -> SpanningForest:
        """Return the forest without edges."""
        nothing = np.empty(0, dtype=np.intp)
        return cls(n_vertices, nothing, nothing, np.empty(0))
