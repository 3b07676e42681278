"""The members of chosen clusters, without a copy for each cluster."""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["ClusterMembers"]


class ClusterMembers(Sequence[NDArray[np.intp]]):
    """Sequence of the sorted members of some nodes of a merge tree.

    It behaves like a list of arrays, but takes no memory for them: the members of a node are a
    range of the leaf order of the tree, and are sorted into a new array at each access. Clusters
    inside clusters need memory of the order of samples and clusters, not of their product.

    Parameters
    ----------
    tree : MergeTree
        The tree.
    nodes : ndarray of int, shape (n_clusters,)
        Its nodes, in the order of the sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import merge_tree
    >>> from neurotopo.cluster.members import ClusterMembers
    >>> tree = merge_tree([[0.0], [3.0], [1.0]], metric="euclidean")
    >>> clusters = ClusterMembers(tree, np.array([3, 4]))
    >>> clusters
    ClusterMembers(n_clusters=2, sizes=[2, 3])
    >>> clusters[0].tolist(), clusters[-1].tolist(), len(clusters[:1])
    ([0, 2], [0, 1, 2], 1)
    >>> clusters == [[0, 2], [0, 1, 2]]
    True
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tree: MergeTree, nodes: NDArray[np.intp]) -> None:
        self._tree = tree
        self._nodes = nodes

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of members of each cluster."""
        return self._tree.size[self._nodes]

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.intp]: ...

    @overload
    def __getitem__(self, index: slice) -> ClusterMembers: ...

    def __getitem__(self, index: int | slice) -> NDArray[np.intp] | ClusterMembers:
        if isinstance(index, slice):
            return ClusterMembers(self._tree, self._nodes[index])
        return self._tree.members(self._nodes[operator.index(index)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(np.array_equal, self, other))

    def __repr__(self) -> str:
        sizes = reprlib.repr(self.sizes[:7].tolist())
        return f"ClusterMembers(n_clusters={len(self)}, sizes={sizes})"
