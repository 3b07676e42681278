"""A cycle for each bar of dimension 1: where in the input a loop is."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse.csgraph import dijkstra

from neurotopo.persistence.diagrams import as_graph, check_radius, within
from neurotopo.persistence.inputs import EdgeList

__all__ = ["RepresentativeCycle", "representative_cycles"]


@dataclass(frozen=True, eq=False)
class RepresentativeCycle:
    """A bar of dimension 1, and a cycle that it stands for.

    Attributes
    ----------
    birth, death : float
        The bar. ``death`` is ``inf`` if it never dies.
    edges : ndarray of int, shape (n_edges, 2)
        Pairs of samples, each ascending, in lexicographic order. Every sample is in an even number
        of them. The longest has the length ``birth``.

    Examples
    --------
    >>> from neurotopo.persistence import representative_cycles
    >>> square = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> (cycle,) = representative_cycles(square, metric="euclidean")
    >>> cycle.edges.tolist()
    [[0, 1], [0, 2], [1, 3], [2, 3]]
    >>> [loop.tolist() for loop in cycle.loops]
    [[0, 1, 3, 2]]
    """

    birth: float
    death: float
    edges: NDArray[np.intp]

    @property
    def vertices(self) -> NDArray[np.intp]:
        """The samples on the cycle, ascending."""
        return np.unique(self.edges)

    @property
    def loops(self) -> list[NDArray[np.intp]]:
        """The cycle as closed walks: each visits its samples once, in order, and returns.

        Most cycles are one loop. Several are needed where, for example, the bar ends because two
        loops become one: their sum dies, none of them does.
        """
        unused: dict[int, set[int]] = {}
        for i, j in self.edges.tolist():
            unused.setdefault(i, set()).add(j)
            unused.setdefault(j, set()).add(i)
        loops = []
        for start in sorted(unused):
            walk = [start]
            while len(walk) > 1 or unused[start]:
                here = walk[-1]
                there = min(unused[here])
                unused[here].remove(there)
                unused[there].remove(here)
                if there in walk:
                    at = walk.index(there)
                    loops.append(np.array(walk[at:], dtype=np.intp))
                    del walk[at + 1 :]
                else:
                    walk.append(there)
        return loops


def representative_cycles(
    X: ArrayLike | sp.sparray | sp.spmatrix | EdgeList,
    metric: str | Callable[..., float] = "precomputed",
    *,
    max_radius: float | None = None,
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> list[RepresentativeCycle]:
    """Compute the bars of dimension 1 of the Vietoris-Rips filtration, each with a cycle.

    Parameters
    ----------
    X : array-like, sparse matrix or EdgeList
        Lengths or points, as for :func:`neurotopo.persistence_diagrams`.
    metric : str or callable, default="precomputed"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    max_radius : float or None, default=None
        Longer edges are left out; bars alive at this radius have death ``inf``.
    metric_params : mapping, optional
        Parameters of the metric.
    n_jobs : int or None, default=None
        Jobs for the distances between points.

    Returns
    -------
    list of RepresentativeCycle
        One per row of ``persistence_diagrams(X, metric, max_dimension=1)[1]``, in its order.

    See Also
    --------
    neurotopo.persistence_diagrams : The bars alone, which takes less time and memory.

    Notes
    -----
    Coefficients are integers modulo 2. The cycle of a bar appears at its birth, is not a boundary
    before its death, and is one from its death on. At every radius the cycles of the bars alive are
    a basis of the homology in dimension 1.

    Each cycle begins as the edge that closes it with the shortest path between its ends over edges
    that come before. If this loop is not a boundary at the death of the bar, it has become equal to
    a sum of older loops; these are added. So the loops are short, but are not promised to be the
    shortest ones of their class [1]_.

    Births and deaths do not depend on the order of the samples. Cycles depend on it where lengths
    are equal, or two paths are equally long.

    The boundary matrix is reduced edge by edge. Of the triangles that an edge closes, only those in
    different components of its link (the samples next to both ends) make a difference, so that
    few columns remain. Time and memory suit up to about a thousand points, or some hundred
    thousand edges: a graph of n samples takes up to n**2 / 8 bytes. Graphs with random lengths
    take the longest.

    References
    ----------
    .. [1] I. Obayashi, "Volume-optimal cycle: tightest representative cycle of a generator in
       persistent homology", SIAM Journal on Applied Algebra and Geometry 2(4), 2018.

    Examples
    --------
    Twelve points on a circle:

    >>> import numpy as np
    >>> from neurotopo.persistence import representative_cycles
    >>> angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> (cycle,) = representative_cycles(circle, metric="euclidean")
    >>> round(cycle.birth, 2), round(cycle.death, 2)
    (0.52, 1.73)
    >>> cycle.loops[0].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    """
    radius = check_radius(max_radius)
    graph = within(as_graph(X, metric, metric_params, n_jobs=n_jobs), radius)
    edges = graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph)
    return _Filtration(_below_the_cone(edges)).cycles()


def _below_the_cone(edges: EdgeList) -> EdgeList:
    """Leave out what comes after a vertex has edges to all others: no bar starts or ends there."""
    n = edges.n_vertices
    ends = np.concatenate([edges.source, edges.target])
    hubs = np.flatnonzero(np.bincount(ends, minlength=n) == n - 1)
    if len(hubs) == 0:
        return edges
    longest = np.zeros(n)
    np.maximum.at(longest, ends, np.tile(edges.length, 2))
    return edges.take(edges.length <= longest[hubs].min())


class _Filtration:
    """The edges of a graph, numbered in the order in which they enter; triangles enter with them.

    A chain is a set of numbers of edges. ``columns`` are boundaries, each with another last edge:
    the reduced boundary matrix. The key of a column is its last edge; the column is a boundary from
    edge ``stage`` on.
    """

    def __init__(self, edges: EdgeList):
        order = np.argsort(edges.length, kind="stable")
        self.edges = edges.take(order)
        self.source: list[int] = self.edges.source.tolist()
        self.target: list[int] = self.edges.target.tolist()
        pairs = zip(self.source, self.target, strict=True)
        self.number = {pair: k for k, pair in enumerate(pairs)}
        self.columns: dict[int, tuple[int, frozenset[int]]] = {}
        self.never_die: list[int] = []  # for now: edges that close a cycle
        largest = self.edges.length.max(initial=0.0)
        self._weight = np.ldexp(self.edges.length, -int(np.frexp(largest)[1]))  # sums are finite
        self._paths: dict[int, frozenset[int]] = {}
        self._reduce_boundaries()

    def _edge(self, u: int, v: int) -> int:
        return self.number[(u, v) if u < v else (v, u)]

    def _reduce_boundaries(self) -> None:
        n = self.edges.n_vertices
        near = [0] * n  # neighbours of every vertex, as the bits of an integer
        components = DisjointSet(range(n))
        closing = []
        for k, (u, v) in enumerate(zip(self.source, self.target, strict=True)):
            links = _components(near[u] & near[v], near)
            if links:
                ends = (self._edge(u, links[0]), self._edge(v, links[0]))
                self.columns[k] = (k, frozenset((k, *ends)))
            elif not components.merge(u, v):
                closing.append(k)
            for other in links[1:]:
                # the sum of two triangles on edge k
                chain = {self._edge(end, w) for end in (u, v) for w in (links[0], other)}
                chain = self._reduced(chain, k)
                if chain:
                    self.columns[max(chain)] = (k, frozenset(chain))
            near[u] |= 1 << v
            near[v] |= 1 << u
        self.never_die = [k for k in closing if k not in self.columns]

    def _reduced(self, chain: set[int], stage: int, more: Any = None) -> set[int]:
        """Add boundaries of this stage to a chain until its last edge is that of none of them.

        ``more`` gives a further chain to add for such a last edge, or None to stop there.
        """
        chain = set(chain)
        heap = [-k for k in chain]
        heapq.heapify(heap)
        while chain:
            last = -heap[0]
            if last not in chain:
                heapq.heappop(heap)
                continue
            since, column = self.columns.get(last, (stage + 1, frozenset()))
            if since > stage:
                if more is None:
                    break
                column = more(last)
            for k in column:
                if k not in chain:
                    heapq.heappush(heap, -k)
            chain ^= column
        return chain

    def _shortest(self, k: int) -> frozenset[int]:
        """Edge k with the shortest path between its ends over edges before it."""
        if k not in self._paths:
            ends = self.edges.source[:k], self.edges.target[:k]
            shape = (self.edges.n_vertices, self.edges.n_vertices)
            graph = sp.csr_array((self._weight[:k], ends), shape=shape)
            start, here = self.source[k], self.target[k]
            previous = dijkstra(graph, directed=False, indices=start, return_predecessors=True)[1]
            path = [k]
            while here != start:
                path.append(self._edge(here, int(previous[here])))
                here = int(previous[here])
            self._paths[k] = frozenset(path)
        return self._paths[k]

    def _cycle(self, k: int, stage: int) -> set[int]:
        """Return a cycle with last edge k that is a boundary at this stage."""
        cycle = set(self._shortest(k))

        def add(last: int) -> frozenset[int]:
            loop = self._shortest(last)
            cycle.symmetric_difference_update(loop)
            return loop

        self._reduced(cycle, stage, add)
        return cycle

    def cycles(self) -> list[RepresentativeCycle]:
        """Return the bars of positive length, with their cycles."""
        length = self.edges.length
        bars = [(k, stage) for k, (stage, _) in self.columns.items() if length[k] < length[stage]]
        last_of = np.searchsorted(length, length, side="right") - 1  # equal lengths act at once
        cycles = [
            self._written(self._cycle(k, int(last_of[stage])), k, length[stage])
            for k, stage in bars
        ]
        cycles += [self._written(self._shortest(k), k, np.inf) for k in self.never_die]
        return sorted(cycles, key=lambda cycle: (cycle.birth, cycle.death))

    def _written(self, chain: Iterable[int], k: int, death: float) -> RepresentativeCycle:
        numbers = list(chain)
        ends = np.column_stack([self.edges.source[numbers], self.edges.target[numbers]])
        ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))].astype(np.intp)
        return RepresentativeCycle(float(self.edges.length[k]), float(death), ends)


def _components(common: int, near: list[int]) -> list[int]:
    """Return one vertex of every component of the graph on some vertices, given as bits."""
    found = []
    while common:
        first = common & -common
        found.append(first.bit_length() - 1)
        common ^= first
        front = near[found[-1]] & common
        common ^= front
        while front and common:
            bit = front & -front
            reached = near[bit.bit_length() - 1] & common
            common ^= reached
            front ^= bit | reached
    return found
