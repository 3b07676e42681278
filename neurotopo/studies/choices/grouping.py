"""Clusters by every variation: their lengths, and how similar two groupings are."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score

from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.shortest_paths import symmetric_csr
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.studies.choices.variations import Variation

if TYPE_CHECKING:
    from neurotopo.knowledge.attribution import Attribution
    from neurotopo.knowledge.facts import Fact
    from neurotopo.studies.choices.variations import ChoicesOptions

__all__ = [
    "Grouper",
    "among",
    "gaps",
    "jaccard",
    "labels_of",
    "rand_index",
    "same_groups",
    "within_layers",
]

Neuron = tuple[int, int]
Groups = Sequence[Collection[Neuron]]


class Grouper:
    """Clusters the neurons of facts by any variation.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : ChoicesOptions
        The default.
    """

    def __init__(self, model: Any, options: ChoicesOptions) -> None:
        self.model = model
        self.options = options
        self._amig = options.amig()

    @cached_property
    def _whole(self) -> tuple[NeuronTree, NDArray[np.float64]]:
        """The tree of all neurons with its gaps, made on first use."""
        options = self.options
        tree = whole_model_tree(
            self.model, path=options.path, fold_norm=options.fold_norm, length=options.length
        )
        return tree, gaps(tree)

    def neurons(self, fact: Fact, attribution: Attribution, variation: Variation) -> NeuronSet:
        """Return the knowledge neurons of a fact by a variation."""
        threshold = variation.neurons.get("threshold", self._amig.threshold_for(fact))
        rule = variation.neurons.get("rule", self._amig.rule)
        scope = variation.neurons.get("scope", self._amig.scope)
        return attribution.neurons(threshold, rule, scope)

    def groups(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> list[NeuronSet]:
        """Return the clusters of a fact's neurons, before any filter."""
        if not len(neurons):
            return []
        clusterer = self.options.clusterer().set_params(**variation.cluster)
        clusterer.fit(self._lengths(fact, neurons, variation), strata=neurons.layers)
        return [neurons[cluster] for cluster in clusterer.clusters_]

    def _lengths(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> Any:
        """Return the input of the clusterer."""
        if variation.kind == "whole":
            return among(*self._whole, neurons)
        given = {**self.options.graph_options(), **variation.graph}
        if variation.kind == "activations":
            given["activations"] = self.model.activations(fact)
        elif variation.kind in ("outgoing", "incoming"):
            reads = variation.kind == "incoming"
            given["intra"] = within_layers(self.model, self.options.path, reads)
        graph = NeuronGraph.from_model(self.model, neurons, **given)
        return graph.distances() if variation.kind == "matrix" else graph.clustering_input()


# Lengths that a plain graph of the neurons does not have


def gaps(tree: MergeTree) -> NDArray[np.float64]:
    """Return the radii at which neighbours in the leaf order of a tree merge.

    Parameters
    ----------
    tree : MergeTree
        The tree.

    Returns
    -------
    ndarray of float64, shape (n_samples - 1,)
        Entry i is the radius of ``leaf_order[i]`` and ``leaf_order[i + 1]``; ``inf`` where they
        never merge. Any two leaves merge at the largest gap between them, as every node is an
        interval of the order.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.studies.choices.grouping import gaps
    >>> gaps(merge_tree([[0.0], [5.0], [1.0]], metric="euclidean"))
    array([1., 4.])
    """
    radii = np.full(max(tree.n_samples - 1, 0), np.inf)
    child = np.flatnonzero(tree.parent >= 0)
    # all children of a node but its first begin behind a gap that closes when the node is born
    child = child[tree.start[child] > tree.start[tree.parent[child]]]
    radii[tree.start[child] - 1] = tree.birth[tree.parent[child]]
    return radii


def among(tree: NeuronTree, gap: NDArray[np.float64], neurons: NeuronSet) -> sp.csr_array:
    r"""Return lengths between some neurons of a tree that have the clusters of the tree.

    Parameters
    ----------
    tree : NeuronTree
        The tree of all neurons.
    gap : ndarray
        Its :func:`gaps`.
    neurons : NeuronSet
        Some of its neurons.

    Returns
    -------
    csr_array of float64, shape (k, k)
        At most k - 1 edges: each neuron and the next in the order of the tree, with the radius at
        which they merge. The longest edge between two neurons is the radius

        .. math:: u(a, b) = \min_{P: a \to b} \; \max_{e \in P} \ell(e)

        at which they are joined, by paths through all neurons of the model.

    Examples
    --------
    >>> from neurotopo import NeuronSet, merge_tree
    >>> from neurotopo.graphs import NeuronTree
    >>> from neurotopo.studies.choices.grouping import among, gaps
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
    finite = np.isfinite(length)
    source, target = np.sort(np.stack([order[:-1], order[1:]]), axis=0)[:, finite]
    rank = np.lexsort((target, source))
    return symmetric_csr(EdgeList(k, source[rank], target[rank], length[finite][rank]))


def within_layers(model: Any, path: str, reads: bool) -> Callable[[int, ArrayLike], Any]:
    r"""Return a function that computes weights within a layer, which a model does not have.

    The weight of A and B is the cosine of their out-rows (or in-rows), times the geometric mean
    of :math:`|\mathrm{in}|\,|\mathrm{out}|` of both. This is the unit of the weights between
    layers.

    Parameters
    ----------
    model : RowSource
        The model.
    path : {"up", "gate", "both"}
        Which in-rows are used; for ``"both"`` those of the up-projection.
    reads : bool
        Compare in-rows, what neurons read, instead of out-rows, what they write.

    Returns
    -------
    callable
        For the parameter ``intra`` of :meth:`neurotopo.NeuronGraph.from_model`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.choices.grouping import within_layers
    >>> class Model:
    ...     def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
    ...         return np.array([[2.0, 0.0], [0.0, 2.0]])[indices]
    ...
    ...     def out_rows(self, layer, indices=None):
    ...         return np.array([[3.0, 0.0], [3.0, 0.0]])[indices]
    >>> within_layers(Model(), "up", reads=False)(0, [0, 1])
    array([[6., 6.],
           [6., 6.]])
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


# How alike two groupings are


def labels_of(groups: Groups, pool: Collection[Neuron]) -> NDArray[np.int64]:
    """Label neurons by their groups.

    Parameters
    ----------
    groups : sequence of collections of (layer, index)
        The groups. Of nested ones the smallest around a neuron counts.
    pool : collection of (layer, index)
        The neurons. A neuron in no group is a group by itself.

    Returns
    -------
    ndarray of int64, shape (len(pool),)

    Examples
    --------
    >>> from neurotopo.studies.choices.grouping import labels_of
    >>> labels_of([[(0, 0), (1, 0)]], [(0, 0), (0, 1), (1, 0), (1, 1)])
    array([0, 2, 0, 4])
    """
    label = {}
    for number, group in sorted(enumerate(groups), key=lambda item: -len(item[1])):
        label.update(dict.fromkeys(group, number))
    return np.array(
        [label.get(pair, len(groups) + at) for at, pair in enumerate(pool)], dtype=np.int64
    )


def rand_index(one: Groups, other: Groups, pool: Collection[Neuron]) -> float:
    """Return the adjusted Rand index of two groupings [1]_.

    Parameters
    ----------
    one, other : sequence of collections of (layer, index)
        The groupings.
    pool : collection of (layer, index)
        The neurons; those in no group are groups by themselves.

    Returns
    -------
    float
        1 for equal groupings, about 0 for unrelated ones. nan where neither groups anything.

    References
    ----------
    .. [1] L. Hubert and P. Arabie, "Comparing partitions", Journal of Classification 2, 1985.

    Examples
    --------
    >>> from neurotopo.studies.choices.grouping import rand_index
    >>> pool = [(0, 0), (0, 1), (1, 0), (1, 1)]
    >>> rand_index([pool[:2], pool[2:]], [pool[:2]], pool), rand_index([], [], pool)
    (0.571, nan)
    """
    if not any(len(group) > 1 for groups in (one, other) for group in groups):
        return math.nan
    return float(adjusted_rand_score(labels_of(one, pool), labels_of(other, pool)))


def jaccard(one: Collection[Neuron], other: Collection[Neuron]) -> float:
    """Return the Jaccard index of two sets of neurons; nan for two empty ones.

    Examples
    --------
    >>> from neurotopo.studies.choices.grouping import jaccard
    >>> jaccard({(0, 0), (0, 1)}, {(0, 1), (1, 0)}), jaccard(set(), set())
    (0.333, nan)
    """
    either = len(set(one) | set(other))
    return len(set(one) & set(other)) / either if either else math.nan


def same_groups(one: Groups, other: Groups) -> bool:
    """Tell whether two groupings hold the same groups, in any order."""
    return {frozenset(group) for group in one} == {frozenset(group) for group in other}
