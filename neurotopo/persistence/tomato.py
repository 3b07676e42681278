"""ToMATo: clusters of a graph around the prominent peaks of a density."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.prominence import n_prominent
from neurotopo.persistence.tree_building import tree_of_forest
from neurotopo.persistence.vertex_births import adjacency_edges, check_births

__all__ = ["DensityPeaks", "tomato"]


@dataclass(frozen=True, eq=False)
class DensityPeaks:
    """Result of :func:`tomato`: the peaks of a density on a graph, and clusters around them.

    Attributes
    ----------
    peaks : ndarray of int, shape (n_peaks,)
        The samples denser than their neighbours, by descending prominence (then density, then
        index).
    diagram : ndarray of float64, shape (n_peaks, 2)
        Density of each peak, and the largest density down to which a path to a denser peak goes
        (``-inf``: none).
    prominence : ndarray of float64, shape (n_peaks,)
        Their differences; ``inf`` for the densest peak of each connected part.
    basin : ndarray of int, shape (n_samples,)
        Position in ``peaks`` of the peak that a sample reaches uphill.
    bridge : ndarray of int, shape (n_peaks, 2)
        The two basins that are joined if the peak is not prominent enough, -1 for none.

    Examples
    --------
    >>> import networkx as nx
    >>> from neurotopo.persistence import tomato
    >>> path = nx.to_scipy_sparse_array(nx.path_graph(7))
    >>> found = tomato(path, density=[1, 5, 2, 3, 2.5, 4, 0])
    >>> found.peaks.tolist(), found.prominence.tolist()
    ([1, 5, 3], [inf, 2.0, 0.5])
    >>> found.labels(threshold=1).tolist()
    [0, 0, 0, 1, 1, 1, 1]
    """

    peaks: NDArray[np.intp]
    diagram: NDArray[np.float64]
    prominence: NDArray[np.float64]
    basin: NDArray[np.intp]
    bridge: NDArray[np.intp]

    def labels(
        self, *, n_clusters: int | None = None, threshold: float | None = None
    ) -> NDArray[np.intp]:
        """Label the samples by the most prominent peaks.

        Parameters
        ----------
        n_clusters : int, optional
            The number of clusters, from the number of connected parts to that of peaks.
        threshold : float, optional
            Or the prominence that peaks exceed. None: 0, so that a plateau has one peak.

        Returns
        -------
        ndarray of int, shape (n_samples,)
            Cluster k is the one of ``peaks[k]``. Every sample is in a cluster.
        """
        n, n_parts = len(self.peaks), int(np.isinf(self.prominence).sum())
        kept = n_prominent(self.prominence, n_parts, n_clusters, threshold)
        ends = self.bridge[kept:]
        joined = sp.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
        part = connected_components(joined, directed=False)[1]
        label = np.empty(n, dtype=np.intp)
        label[part[:kept]] = np.arange(kept)  # each part has one peak that is kept
        return label[part[self.basin]]


def tomato(X: ArrayLike | sp.sparray | sp.spmatrix, density: ArrayLike) -> DensityPeaks:
    """Find the peaks of a density on a graph and their prominence (ToMATo).

    Each sample is joined to its densest neighbour, if that is denser, up to a peak. Where two
    groups of peaks meet, the group with the lower highest peak ends: this peak has as prominence
    its density minus that of the sample where they meet.

    Parameters
    ----------
    X : sparse matrix or array-like of bool, shape (n_samples, n_samples)
        The graph. Every stored entry of a sparse matrix is an edge, whatever its value, in one
        direction or both: ``sklearn.neighbors.kneighbors_graph`` as it comes.
    density : array-like, shape (n_samples,)
        Finite numbers, large where samples are dense; for example their logarithm, or the negative
        of :func:`~neurotopo.persistence.distance_to_measure`.

    Returns
    -------
    DensityPeaks

    See Also
    --------
    neurotopo.merge_tree : With ``metric="lower-star"`` and ``births=-density``, the tree of the
        same filtration.

    Notes
    -----
    Of equal densities the sample that comes first counts as denser. Equal densities do not change
    the diagram; peaks of prominence 0 are left out of the clusters.

    Where three or more groups meet at one sample, the group of its densest neighbour joins that of
    the highest peak, and the others join that neighbour. There the clusters can differ from those
    of gudhi's ``Tomato``, which takes the groups in the order of its implementation; elsewhere they
    are the same.

    References
    ----------
    .. [1] F. Chazal, L. J. Guibas, S. Y. Oudot and P. Skraba, "Persistence-Based Clustering in
       Riemannian Manifolds", J. ACM 60(6), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.neighbors import kneighbors_graph
    >>> from neurotopo.persistence import distance_to_measure, tomato
    >>> X, y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> found = tomato(kneighbors_graph(X, 10), -distance_to_measure(X, 10))
    >>> found.prominence[:4].round(2)
    array([ inf, 0.84, 0.81, 0.07])
    >>> np.bincount(found.labels(n_clusters=3))
    array([100,  99, 101])
    """
    edges = adjacency_edges(X)
    n = edges.n_vertices
    values = check_births(density, n, "density")
    order = np.lexsort((np.arange(n), -values))  # the k-th densest sample
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n)
    ends = rank[edges.source], rank[edges.target]
    older, younger = np.minimum(*ends), np.maximum(*ends)
    basin = _uphill(n, older, younger)
    peak, saddle, bridge = _merges(replace(edges, source=older, target=younger), basin)

    peaks = np.flatnonzero(basin == np.arange(n))  # ranks
    low = np.full(n, -np.inf)
    low[peak] = values[order[saddle]]
    diagram = np.column_stack([values[order[peaks]], low[peaks]])
    by_prominence = np.lexsort((peaks, -(diagram[:, 0] - diagram[:, 1])))
    peaks, diagram = peaks[by_prominence], diagram[by_prominence]
    position = np.full(n, -1, dtype=np.intp)
    position[peaks] = np.arange(len(peaks))
    joins = np.full((len(peaks), 2), -1, dtype=np.intp)
    joins[position[peak]] = position[bridge]
    return DensityPeaks(
        order[peaks], diagram, diagram[:, 0] - diagram[:, 1], position[basin[rank]], joins
    )


def _uphill(n: int, older: NDArray[Any], younger: NDArray[Any]) -> NDArray[np.intp]:
    """Return the peak that each vertex reaches by the oldest neighbour of each."""
    up = np.arange(n)
    np.minimum.at(up, younger, older)
    while not np.array_equal(up[up], up):
        up = up[up]
    return up


def _merges(
    edges: EdgeList, basin: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the peaks that end, the vertices where they do, and the basins joined there.

    Vertices are named by age. At a vertex every component ends but the oldest. Its neighbour of the
    vertex is joined to the oldest neighbour of all; of that one's component, to the oldest
    component.
    """
    n, older, younger = edges.n_vertices, edges.source, edges.target
    ages = np.arange(n, dtype=np.float64)
    tree = tree_of_forest(graph_forest(replace(edges, length=ages[younger])), ages)
    n_children = np.bincount(tree.parent[tree.parent >= 0], minlength=tree.n_nodes)
    meets = tree.parent[younger]  # the node at which the younger end is joined
    at = np.flatnonzero(n_children[meets] > 2)  # one child is the vertex itself
    older, younger, meets = older[at], younger[at], meets[at]
    # the component of the older end: the child that contains it
    child = np.flatnonzero(np.append(n_children > 2, False)[tree.parent])
    key = tree.parent[child] * n + tree.start[child]
    by_key = np.argsort(key)
    found = np.searchsorted(key[by_key], meets * n + tree.start[older], side="right") - 1
    component = child[by_key[found]]
    # one row per component, with its oldest neighbour of the vertex
    by_component = np.lexsort((older, component))
    first = np.append(True, np.diff(component[by_component]) != 0)[: len(at)]
    older, younger, component = (each[by_component[first]] for each in (older, younger, component))
    eldest = tree._eldest()[0][component]

    def least(values: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for every row the row of the same vertex with the smallest value."""
        rows = np.lexsort((values, younger))
        starts = np.append(True, np.diff(younger[rows]) != 0)[: len(rows)]
        vertex = np.full(n, -1, dtype=np.intp)
        vertex[younger[rows[starts]]] = rows[starts]
        return vertex[younger]

    steepest, oldest = least(older), least(eldest)
    rows = np.arange(len(older))
    other = np.where(steepest == rows, oldest, rows)
    bridge = np.column_stack([basin[older[steepest]], basin[older[other]]])
    ends = oldest != rows
    return eldest[ends], younger[ends], bridge[ends]
