"""MergeTree: the clusters at all radii, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import lazy_loader as lazy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo._upward import Displayed, Explorable

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

__all__ = ["MergeTree"]

hg = lazy.load("higra")  # it imports matplotlib


@dataclass(frozen=True, eq=False)
class MergeTree(Displayed, Explorable):
    """All connected components of a graph over all radii, with births, deaths and members.

    Nodes ``0 .. n_samples - 1`` are the single samples; the clusters follow in order of birth
    (equal births: of death, size, smallest sample). Edges of equal length act at once, so a node
    may have more than two children and the tree does not depend on the order of the input. The tree
    of a disconnected graph is a forest.

    Samples are born at radius 0, or at births of their own (``births`` of :func:`merge_tree`); then
    a sample can be born and merge at the same radius.

    Attributes
    ----------
    n_samples : int
        Number of samples.
    birth, death : ndarray of float64, shape (n_nodes,)
        R1 and R2: the radii at which the cluster forms (for single samples: is born, 0 unless
        births are given) and at which it merges (``inf``: never).
    parent : ndarray of int, shape (n_nodes,)
        The cluster it merges into, else -1.
    size : ndarray of int, shape (n_nodes,)
        Number of samples in the cluster.
    leaf_order : ndarray of int, shape (n_samples,)
        A permutation of the samples in which the members of every cluster are contiguous.
    start : ndarray of int, shape (n_nodes,)
        Position in ``leaf_order`` of the first member of the cluster.

    See Also
    --------
    merge_tree : Build a tree from points, distances or a sparse graph.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> tree = merge_tree(np.array([[0.0], [1.0], [3.0]]), metric="euclidean")
    >>> tree.birth.tolist(), tree.death.tolist()
    ([0.0, 0.0, 0.0, 1.0, 2.0], [1.0, 1.0, 2.0, 2.0, inf])
    >>> tree.members(3).tolist()
    [0, 1]
    """

    n_samples: int
    birth: NDArray[np.float64]
    death: NDArray[np.float64]
    parent: NDArray[np.intp]
    size: NDArray[np.intp]
    leaf_order: NDArray[np.intp]
    start: NDArray[np.intp]

    def __post_init__(self) -> None:
        for array in (self.birth, self.death, self.parent, self.size, self.leaf_order, self.start):
            array.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MergeTree):
            return NotImplemented
        return (
            np.array_equal(self.birth, other.birth)
            and np.array_equal(self.parent, other.parent)
            and self.n_samples == other.n_samples
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"MergeTree(n_samples={self.n_samples}, n_clusters={self.n_clusters}, "
            f"n_components={self.n_components}, last_merge={self.last_merge:.6g})"
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes: samples and clusters."""
        return len(self.birth)

    @property
    def n_clusters(self) -> int:
        """Number of clusters of two or more samples."""
        return self.n_nodes - self.n_samples

    @property
    def n_components(self) -> int:
        """Number of trees in the forest, isolated samples included."""
        return int(np.count_nonzero(self.parent < 0))

    @property
    def roots(self) -> NDArray[np.intp]:
        """Nodes that never merge."""
        return np.flatnonzero(self.parent < 0)

    @property
    def last_merge(self) -> float:
        """Radius of the last merge (0 without merges)."""
        return float(self.birth[-1]) if self.n_clusters else 0.0

    @property
    def has_births(self) -> bool:
        """Whether a sample has a birth other than 0."""
        return bool(self.birth[: self.n_samples].any())

    def members(self, node: int) -> NDArray[np.intp]:
        """Return the sorted sample indices of one node.

        Parameters
        ----------
        node : int
            A node id, ``0 <= node < n_nodes``.

        Returns
        -------
        ndarray of int
        """
        node = self._check_node(node)
        return np.sort(self.leaf_order[self.start[node] : self.start[node] + self.size[node]])

    def children(self, node: int) -> NDArray[np.intp]:
        """Return the nodes that merge into this one at its birth (none for a sample).

        Parameters
        ----------
        node : int
            A node id.

        Returns
        -------
        ndarray of int
        """
        return np.flatnonzero(self.parent == self._check_node(node))

    def _check_node(self, node: int) -> int:
        if not 0 <= node < self.n_nodes:
            raise IndexError(f"node {node} is not in 0..{self.n_nodes - 1}.")
        return int(node)

    def _check_radius(self, radius: float) -> None:
        if np.isnan(radius) or (radius < 0 and not self.birth.min(initial=0.0) < 0):
            raise ValueError(f"radius must be a non-negative number, got {radius}.")

    def alive(self, radius: float) -> NDArray[np.intp]:
        """Return the nodes with birth <= radius < death.

        Parameters
        ----------
        radius : float
            The radius.

        Returns
        -------
        ndarray of int
        """
        self._check_radius(radius)
        return np.flatnonzero(
            (self.birth <= radius) & ((self.death > radius) | np.isinf(self.death))
        )

    def cut(self, radius: float) -> NDArray[np.intp]:
        """Label the connected components at a radius.

        Parameters
        ----------
        radius : float
            Largest length of an edge that connects.

        Returns
        -------
        labels : ndarray of int, shape (n_samples,)
            0, 1, 2, ... in order of each component's smallest sample; single samples included.
            -1 for samples that are born later.

        Examples
        --------
        >>> from neurotopo import merge_tree
        >>> tree = merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
        >>> tree.cut(0.5).tolist(), tree.cut(1.0).tolist(), tree.cut(2.0).tolist()
        ([0, 1, 2], [0, 0, 1], [0, 0, 0])
        """
        return self.label(self.alive(radius))

    def label(self, nodes: ArrayLike) -> NDArray[np.intp]:
        """Label samples by disjoint nodes, -1 for samples in none of them.

        Labels follow the smallest sample of each node, not the order of ``nodes``.

        Parameters
        ----------
        nodes : array-like of int
            Disjoint nodes.

        Returns
        -------
        ndarray of int, shape (n_samples,)
        """
        raw = self.label_in_order(nodes)
        held = raw >= 0
        names, first = np.unique(raw[held], return_index=True)
        rank = np.empty(len(names), dtype=np.intp)
        rank[np.argsort(first)] = np.arange(len(names))
        raw[held] = rank[np.searchsorted(names, raw[held])]
        return raw

    def label_in_order(self, nodes: ArrayLike) -> NDArray[np.intp]:
        """Label samples with the position of their node in ``nodes``, else -1.

        Parameters
        ----------
        nodes : array-like of int
            Disjoint nodes.

        Returns
        -------
        ndarray of int, shape (n_samples,)
        """
        chosen = np.asarray(nodes, dtype=np.intp)
        by_start = np.argsort(self.start[chosen])
        starts, sizes = self.start[chosen[by_start]], self.size[chosen[by_start]]
        if np.any(starts[1:] < starts[:-1] + sizes[:-1]):
            raise ValueError("nodes overlap: labels need disjoint clusters.")
        labels = np.full(self.n_samples, -1, dtype=np.intp)
        offset = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        labels[self.leaf_order[np.repeat(starts, sizes) + offset]] = np.repeat(by_start, sizes)
        return labels

    def ancestor_where(self, condition: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return for every node the first of itself and its ancestors with a condition, else -1.

        Parameters
        ----------
        condition : ndarray of bool, shape (n_nodes,)
            Whether nodes have it.

        Returns
        -------
        ndarray of int, shape (n_nodes,)
        """
        tree, order = self._for_higra()
        passes = np.append(~condition, False)  # the virtual root answers for "none"
        answer = np.empty(self.n_nodes + 1, dtype=np.intp)
        answer[order] = hg.propagate_sequential(tree, order, passes[order])
        return np.where(answer == self.n_nodes, -1, answer)[:-1]

    def subtree_minimum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for every node the minimum of ``values`` over its subtree.

        Parameters
        ----------
        values : ndarray of float64, shape (n_nodes,)
            A value of each node.

        Returns
        -------
        ndarray of float64, shape (n_nodes,)
        """
        tree, order = self._for_higra()
        ordered = np.append(values, np.inf)[order]
        leaves = ordered[: tree.num_leaves()]
        lowest = np.empty(self.n_nodes + 1)
        lowest[order] = hg.accumulate_and_min_sequential(tree, ordered, leaves, hg.Accumulators.min)
        return lowest[:-1]

    def _for_higra(self) -> tuple[Any, NDArray[np.intp]]:
        """Return the tree with a virtual root, and its order: nodes without children first.

        In a part of a tree, clusters can be without children.
        """
        parent = np.append(np.where(self.parent < 0, self.n_nodes, self.parent), self.n_nodes)
        has_children = np.zeros(self.n_nodes + 1, dtype=bool)
        has_children[parent] = True
        order = np.argsort(has_children, kind="stable")
        place = np.empty(self.n_nodes + 1, dtype=np.intp)
        place[order] = np.arange(self.n_nodes + 1)
        return hg.Tree(place[parent[order]]), order

    def diagram(self, min_size: int = 2) -> NDArray[np.float64]:
        """Return the (R1, R2) pairs of all clusters of a size, in the order of the nodes.

        This is the diagram of NTC; :meth:`h0_diagram` is the usual one.

        Parameters
        ----------
        min_size : int, default=2
            Smallest size of a cluster.

        Returns
        -------
        ndarray of float64, shape (n_clusters, 2)
        """
        chosen = self.size >= min_size
        return np.column_stack([self.birth[chosen], self.death[chosen]])

    def h0_diagram(self) -> NDArray[np.float64]:
        """Return the usual 0-dimensional diagram: where components merge, the oldest survives.

        For samples born at 0 it is the Vietoris-Rips diagram: births 0, deaths the merge heights.
        One infinite bar per component. Bars of length zero are left out, as gudhi and ripser do.

        Returns
        -------
        ndarray of float64, shape (n_bars, 2)
            Sorted by birth, then death.
        """
        if self.has_births:
            bars = np.column_stack([self.birth[: self.n_samples], self.elder_deaths()])
            bars = bars[bars[:, 0] < bars[:, 1]]
            return bars[np.lexsort((bars[:, 1], bars[:, 0]))]
        n_children = np.bincount(self.parent[self.parent >= 0], minlength=self.n_nodes)
        deaths = np.repeat(self.birth, np.maximum(n_children - 1, 0))
        deaths = np.append(deaths[deaths > 0], np.full(self.n_components, np.inf))
        return np.column_stack([np.zeros(len(deaths)), deaths])

    def elder_deaths(self) -> NDArray[np.float64]:
        """Return the radius at which each sample's component merges with an older one.

        This is the elder rule: a component is as old as its oldest sample; of samples born
        together, the first is the oldest. A sample that merges when it is born dies at its birth.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            ``inf`` for the oldest sample of each connected part.

        Examples
        --------
        >>> from neurotopo import merge_tree
        >>> lengths = [[0, 1, 4], [1, 0, 2], [4, 2, 0]]
        >>> merge_tree(lengths, births=[0.5, 0.2, 0.0]).elder_deaths().tolist()
        [1.0, 2.0, inf]
        """
        return self.death[self.elder_nodes()]

    def elder_nodes(self) -> NDArray[np.intp]:
        """Return the largest node of which each sample is the oldest, see :meth:`elder_deaths`.

        Returns
        -------
        ndarray of int, shape (n_samples,)
        """
        eldest, age = self._eldest()
        last = np.flatnonzero((self.parent < 0) | (eldest[self.parent] != eldest))
        nodes = np.empty(self.n_samples, dtype=np.intp)
        nodes[age[eldest[last]]] = last
        return nodes

    def _eldest(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rank in age of the oldest sample of every node, and the samples by age."""
        age = np.argsort(self.birth[: self.n_samples], kind="stable")
        ranks = np.full(self.n_nodes, np.inf)
        ranks[age] = np.arange(self.n_samples)
        return self.subtree_minimum(ranks).astype(np.intp), age

    def truncate(self, radius: float) -> MergeTree:
        """Return the tree of the graph without edges longer than ``radius``.

        Parameters
        ----------
        radius : float
            The largest length that is kept.

        Returns
        -------
        MergeTree
        """
        self._check_radius(radius)
        n = self.n_samples
        n_nodes = n + int(np.searchsorted(self.birth[n:], radius, side="right"))
        gone = self.parent[:n_nodes] >= n_nodes
        return MergeTree(
            self.n_samples,
            self.birth[:n_nodes],
            np.where(gone, np.inf, self.death[:n_nodes]),
            np.where(gone, -1, self.parent[:n_nodes]),
            self.size[:n_nodes],
            self.leaf_order,
            self.start[:n_nodes],
        )

    def to_linkage(self, disconnected: Literal["raise", "inf"] = "raise") -> NDArray[np.float64]:
        """Return the tree as a scipy linkage matrix, which has no births of samples.

        Parameters
        ----------
        disconnected : {"raise", "inf"}, default="raise"
            For a forest, raise an error or join the components by rows of height ``inf``.

        Returns
        -------
        linkage : ndarray of float64, shape (n_samples - 1, 4)
            A merge of c clusters is c - 1 rows of equal height.

        Examples
        --------
        >>> from neurotopo import merge_tree
        >>> merge_tree([[0.0], [1.0], [3.0]], metric="euclidean").to_linkage()
        array([[0., 1., 1., 2.],
               [2., 3., 2., 3.]])
        """
        if disconnected not in ("raise", "inf"):
            raise ValueError(f"disconnected must be 'raise' or 'inf', got {disconnected!r}.")
        if self.n_samples < 2:
            raise ValueError("a linkage matrix needs at least two samples.")
        if self.n_components > 1 and disconnected == "raise":
            raise ValueError(
                f"the graph has {self.n_components} components, and a linkage matrix holds one "
                "tree. Pass disconnected='inf' to join them by rows of height inf."
            )
        if self.birth.min() < 0:
            raise ValueError(
                f"a linkage matrix has no negative heights, but a birth is {self.birth.min():.6g}. "
                "Build the tree with births from 0 on, for example births - min(births)."
            )
        # one virtual root above the components: its rows are the ones of height inf
        virtual = self.n_nodes
        parent = np.where(self.parent < 0, virtual, self.parent)
        if self.n_components == 1:
            parent[-1] = -1
        nodes = np.flatnonzero(parent >= 0)
        nodes = nodes[np.lexsort((nodes, parent[nodes]))]
        above = parent[nodes]
        is_first = np.append(True, above[1:] != above[:-1])
        row_of = np.cumsum(~is_first) - 1  # the row that adds this child to its siblings
        last_row = np.full(self.n_nodes + 1, -1, dtype=np.intp)
        last_row[above] = row_of  # the last assignment of each parent wins
        name = np.arange(self.n_nodes)
        name[self.n_samples :] = self.n_samples + last_row[self.n_samples : -1]
        adds = np.flatnonzero(~is_first)
        opens = is_first[adds - 1]
        running = np.cumsum(self.size[nodes])
        before = np.where(is_first, running - self.size[nodes], 0)
        before = np.maximum.accumulate(before)
        height = np.append(self.birth, np.inf)[above[adds]]
        left = np.where(opens, name[nodes[adds - 1]], self.n_samples + row_of[adds] - 1)
        pairs = np.sort(np.column_stack([left, name[nodes[adds]]]), axis=1)
        return np.column_stack([pairs, height, (running - before)[adds]]).astype(np.float64)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per node: birth, death, persistence, parent, size.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        names = ("birth", "death", "persistence", "parent", "size")
        columns = (self.birth, self.death, self.death - self.birth, self.parent, self.size)
        index = pd.RangeIndex(self.n_nodes, name="node")
        return pd.DataFrame(dict(zip(names, columns, strict=True)), index=index)

    def to_networkx(self) -> nx.DiGraph:
        """Return a directed graph, parent to child, with birth, death and size on the nodes.

        Returns
        -------
        networkx.DiGraph
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise ImportError("to_networkx needs the package networkx.") from error
        graph = nx.DiGraph()
        rows = zip(self.birth.tolist(), self.death.tolist(), self.size.tolist(), strict=True)
        for node, (birth, death, size) in enumerate(rows):
            graph.add_node(node, birth=birth, death=death, size=size)
        held = np.flatnonzero(self.parent >= 0)
        graph.add_edges_from(zip(self.parent[held].tolist(), held.tolist(), strict=True))
        return graph
