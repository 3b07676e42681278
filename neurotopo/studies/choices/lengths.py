"""Lengths between the neurons of a fact that a plain graph of them does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.shortest_paths import symmetric_csr
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["among", "gaps", "within_layers"]


def gaps(tree: MergeTree) -> NDArray[np.float64]:
    """Return at which radius leaves that are neighbours in the order of a tree merge.

    Parameters
    ----------
    tree : MergeTree
        The tree.

    Returns
    -------
    ndarray of float64, shape (n_samples - 1,)
        Entry i is about ``leaf_order[i]`` and ``leaf_order[i + 1]``; ``inf`` where they never
        merge. Two leaves merge at the largest gap between them, as every node is a stretch of the
        order.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.studies.choices.lengths import gaps
    >>> gaps(merge_tree([[0.0], [5.0], [1.0]], metric="euclidean"))
    array([1., 4.])
    """
    found = np.full(max(tree.n_samples - 1, 0), np.inf)
    child = np.flatnonzero(tree.parent >= 0)
    # all children of a node but its first begin behind a gap that closes when the node is born
    child = child[tree.start[child] > tree.start[tree.parent[child]]]
    found[tree.start[child] - 1] = tree.birth[tree.parent[child]]
    return found


def among(tree: NeuronTree, gap: NDArray[np.float64], neurons: NeuronSet) -> sp.csr_array:
    r"""Return lengths whose clusters are those of a tree of many neurons, as some of them see it.

    Parameters
    ----------
    tree : NeuronTree
        The tree of all neurons.
    gap : ndarray
        Its :func:`gaps`.
    neurons : NeuronSet
        The neurons that are looked at.

    Returns
    -------
    csr_array of float64, shape (k, k)
        k - 1 edges at most: each neuron and the next in the order of the tree, with the radius at
        which they merge. The longest edge between two neurons is the radius

        .. math:: u(a, b) = \min_{P: a \to b} \; \max_{e \in P} \ell(e)

        at which they are joined, through whatever neurons of the model.

    Examples
    --------
    >>> from neurotopo import NeuronSet, merge_tree
    >>> from neurotopo.graphs import NeuronTree
    >>> from neurotopo.studies.choices.lengths import among, gaps
    >>> plain = merge_tree([[0.0], [5.0], [1.0], [9.0]], metric="euclidean")
    >>> tree = NeuronTree.from_tree(plain, 0, 2, 2)
    >>> among(tree, gaps(tree), NeuronSet([(0, 0), (0, 1)])).toarray()
    array([[0., 4.],
           [4., 0.]])
    """
    k = len(neurons)
    vertex = np.asarray(tree.vertex(neurons.layers, neurons.indices), dtype=np.intp).reshape(k)
    place = tree.start[vertex]
    order = np.argsort(place)
    length = np.array(
        [gap[a:b].max() for a, b in zip(place[order[:-1]], place[order[1:]], strict=True)],
        dtype=np.float64,
    )
    held = np.isfinite(length)
    source, target = np.sort(np.stack([order[:-1], order[1:]]), axis=0)[:, held]
    rank = np.lexsort((target, source))
    return symmetric_csr(EdgeList(k, source[rank], target[rank], length[held][rank]))


def within_layers(model: Any, path: str, reads: bool) -> Callable[[int, ArrayLike], Any]:
    r"""Return a function that gives weights within a layer, which a model itself does not have.

    The weight of A and B is the cosine of their out-rows (or in-rows), times the geometric mean
    of :math:`|\mathrm{in}|\,|\mathrm{out}|` of both. So it is in the unit of the weights between
    layers, and as large as one of those where the rows of both are as long and have this angle.

    Parameters
    ----------
    model : RowSource
        The model.
    path : {"up", "gate", "both"}
        Which in-rows are read; for ``"both"`` those of the up-projection.
    reads : bool
        Compare in-rows, what neurons read, instead of out-rows, what they write.

    Returns
    -------
    callable
        For the parameter ``intra`` of :meth:`neurotopo.NeuronGraph.from_model`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.choices.lengths import within_layers
    >>> class Model:
    ...     def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
    ...         return np.array([[2.0, 0.0], [0.0, 2.0]])[indices]
    ...
    ...     def out_rows(self, layer, indices=None):
    ...         return np.array([[3.0, 0.0], [3.0, 0.0]])[indices]
    >>> within_layers(Model(), "up", reads=False)(0, [0, 1])
    array([[6., 6.],
           [6., 6.]])
    >>> within_layers(Model(), "up", reads=True)(0, [0, 1])
    array([[6., 0.],
           [0., 6.]])
    """
    one = "up" if path == "both" else path

    def weights(layer: int, indices: ArrayLike) -> NDArray[np.float64]:
        into = np.asarray(model.in_rows(layer, indices, path=one), dtype=np.float64)
        out = np.asarray(model.out_rows(layer, indices), dtype=np.float64)
        norm_in, norm_out = np.linalg.norm(into, axis=1), np.linalg.norm(out, axis=1)
        rows, norm = (into, norm_in) if reads else (out, norm_out)
        unit = rows / np.where(norm > 0, norm, 1.0)[:, None]
        strong = np.sqrt(norm_in * norm_out)
        similar = np.clip(unit @ unit.T, -1.0, 1.0) * np.outer(strong, strong)
        return np.asarray((similar + similar.T) / 2)

    return weights
