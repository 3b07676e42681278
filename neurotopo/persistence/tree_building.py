"""Build the merge tree of a spanning forest."""

from __future__ import annotations

from typing import Any

import lazy_loader as lazy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["tree_of_forest"]

hg = lazy.load("higra")  # it imports matplotlib

_LARGE = 50_000  # vertices from which the time to load numba is soon regained


def tree_of_forest(forest: SpanningForest, births: NDArray[np.float64] | None = None) -> MergeTree:
    """Build the merge tree of a spanning forest (or of any forest with the same heights).

    The samples are born at 0, or at ``births``, which no edge of the forest precedes.

    higra [1]_ joins the sorted edges one by one into a binary tree. Merges of equal height then
    become one node, so the tree does not depend on the order of the edges.

    References
    ----------
    .. [1] B. Perret, G. Chierchia, J. Cousty, S. J. F. Guimarães, Y. Kenmochi and L. Najman,
       "Higra: Hierarchical Graph Analysis", SoftwareX 10, 2019.
    """
    n, m = forest.n_vertices, len(forest.length)
    births = np.zeros(n) if births is None else births
    if n == 0:
        nothing = np.empty(0, dtype=np.intp)
        return MergeTree(0, np.empty(0), np.empty(0), *[nothing] * 4)
    if n == 1:  # higra needs an edge
        zero, one = np.zeros(1, dtype=np.intp), np.ones(1, dtype=np.intp)
        return MergeTree(1, births.copy(), np.full(1, np.inf), zero - 1, one, zero, zero)
    binary, height = _binary_tree(forest, births)
    ids, above = np.arange(2 * n - 1), binary.parents()
    size = hg.accumulate_sequential(binary, np.ones(n, dtype=np.intp), hg.Accumulators.sum)
    smallest = hg.accumulate_sequential(binary, ids[:n], hg.Accumulators.min)

    if (height[n + 1 : n + m] > height[n : n + m - 1]).all():
        nodes: Any = slice(n + m)
        parent = np.where((above >= n + m) | (above == ids), -1, above)[nodes]
    else:
        nodes, parent = _join_equal_merges(n, m, binary, height, size, smallest)
    birth, size, smallest = height[nodes], size[nodes], smallest[nodes]
    death = np.where(parent < 0, np.inf, birth[parent])
    ahead = np.zeros(2 * n - 1, dtype=np.intp)
    ahead[nodes] = _elder_siblings(parent, size, smallest, of_two=isinstance(nodes, slice))
    start = hg.propagate_sequential_and_accumulate(binary, ahead, hg.Accumulators.sum)
    start = start[nodes].astype(np.intp, copy=False)
    leaf_order = np.empty(n, dtype=np.intp)
    leaf_order[start[:n]] = ids[:n]
    return MergeTree(n, birth, death, parent, size, leaf_order, start)


def _binary_tree(
    forest: SpanningForest, births: NDArray[np.float64]
) -> tuple[Any, NDArray[np.float64]]:
    """Join the edges in order of length; node ``n + i`` is the merge at the i-th shortest edge.

    Extra nodes of infinite height at the end join the components: higra takes connected graphs.
    """
    n = forest.n_vertices
    source, target = (np.asarray(ends, dtype=np.int64) for ends in (forest.source, forest.target))
    length = forest.length
    if not (length[1:] >= length[:-1]).all():
        order = np.argsort(length)
        source, target, length = source[order], target[order], length[order]
    if len(length) < n - 1:
        graph = sp.coo_array((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
        _, member = np.unique(connected_components(graph, directed=False)[1], return_index=True)
        source, target = np.append(source, member[:-1]), np.append(target, member[1:])
        length = np.append(length, np.full(len(member) - 1, np.inf))
    height = np.append(births, length)
    if n > _LARGE:
        from neurotopo.persistence.boruvka import binary_parents

        return hg.Tree(binary_parents(n, source, target)), height
    order = np.arange(n - 1)
    tree = hg.bpt_canonical((source, target, n), sorted_edge_indices=order, return_altitudes=False)
    return tree, height


def _join_equal_merges(
    n: int,
    m: int,
    binary: Any,
    height: NDArray[np.float64],
    size: NDArray[np.intp],
    smallest: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the nodes of the tree in which equal heights merge at once, and their parents.

    A binary merge whose parent has the same height is a step of one simultaneous merge.
    """
    ids, above = np.arange(2 * n - 1), binary.parents()
    is_step = (height[above] == height) & (ids >= n) & (above < n + m) & (above > ids)
    whole = hg.propagate_sequential(binary, ids, is_step).astype(np.intp, copy=False)
    kept = n + np.flatnonzero(~is_step[n : n + m])
    # nodes of one height: by death, size and smallest sample
    same = np.diff(height[kept]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    some = kept[tied]
    end = np.where(above[some] == some, np.inf, height[above[some]])
    kept[tied] = some[np.lexsort((smallest[some], size[some], end, height[some]))]
    new_name = np.full(2 * n - 1, -1, dtype=np.intp)
    new_name[:n] = ids[:n]
    new_name[kept] = np.arange(n, n + len(kept))
    nodes = np.append(ids[:n], kept)
    parent = new_name[whole[above[nodes]]]
    parent[above[nodes] == nodes] = -1  # higra's root is its own parent
    return nodes, parent


def _elder_siblings(
    parent: NDArray[np.intp], size: NDArray[np.intp], smallest: NDArray[np.intp], of_two: bool
) -> NDArray[np.intp]:
    """Count the samples of the siblings whose smallest sample is smaller."""
    ahead = np.where(smallest == smallest[parent], 0, size[parent] - size)
    # of two children this is the answer; roots and larger families are sorted
    sort = parent < 0
    if not of_two:
        sort |= np.bincount(parent + 1)[parent + 1] > 2
    many = np.flatnonzero(sort)
    many = many[np.lexsort((smallest[many], parent[many]))]
    before = np.cumsum(size[many]) - size[many]
    is_first = np.append(True, np.diff(parent[many]) != 0)[: len(many)]
    ahead[many] = before - np.maximum.accumulate(np.where(is_first, before, 0))
    return ahead
