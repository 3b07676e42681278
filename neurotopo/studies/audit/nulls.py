"""Null groups: what groups of the same sizes would show if they meant nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from neurotopo.graphs.connections import Connections
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.potential import potential_components
from neurotopo.neurons import NeuronSet
from neurotopo.studies.groupings import shuffled

__all__ = ["NULLS", "NullInput", "null_groups", "ranked_outside", "union"]

Groups: TypeAlias = list[NeuronSet]

_NEAREST = 10


@dataclass(frozen=True, eq=False)
class NullInput:
    """What the nulls of one fact are made of.

    Attributes
    ----------
    groups : list of NeuronSet
        The groups of the fact.
    scores : ndarray, shape (n_layers, n_neurons)
        The attribution of the fact: the order of ``"by-rank"``.
    values : ndarray, shape (n_layers, n_neurons)
        The values of the neurons on the fact: what ``"matched"`` matches.
    graph : NeuronGraph
        The graph of all knowledge neurons of the fact, for ``"wired-at-random"``.
    others : list of list of NeuronSet
        The groups of other facts of the relation, for ``"other-fact"``: those of draw k are in
        place k.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronGraph, NeuronSet
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.audit.nulls import NullInput, null_groups
    >>> groups = [NeuronSet([(0, 1), (1, 2)]), NeuronSet([(2, 3)])]
    >>> zeros = np.zeros((3, 24))
    >>> graph = NeuronGraph.from_model(random_model(), groups[0] | groups[1])
    >>> given = NullInput(groups, zeros, zeros, graph, [])
    >>> null = null_groups("matched", given, 0, np.random.default_rng(0))
    >>> [len(group) for group in null], [group.layers.tolist() for group in null]
    ([2, 1], [[0, 1], [2]])
    """

    groups: Groups
    scores: NDArray[np.float64]
    values: NDArray[np.floating]
    graph: NeuronGraph
    others: Sequence[Groups]


def union(groups: Sequence[NeuronSet], chosen: Sequence[bool] | None = None) -> NeuronSet:
    """Return the neurons of the chosen groups; None: of all."""
    kept = groups if chosen is None else [g for g, c in zip(groups, chosen, strict=True) if c]
    return NeuronSet(pair for group in kept for pair in group)


def null_groups(name: str, given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    """Draw the groups of a null.

    Parameters
    ----------
    name : str
        A key of :data:`NULLS`.
    given : NullInput
    draw : int
        The number of the draw. ``"by-rank"`` and ``"repulsion"`` have draw 0 only.
    rng : Generator

    Returns
    -------
    list of NeuronSet
        Empty where the null or the draw does not exist.
    """
    return NULLS[name][1](given, draw, rng)


def _shuffled(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    return shuffled(given.groups, union(given.groups), rng)


def _matched(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    """Replace each neuron by one of its layer, outside the groups, with a value of like size."""
    own = union(given.groups)
    taken = np.zeros(given.values.shape, dtype=bool)
    taken[own.layers, own.indices] = True
    size = np.abs(given.values)
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for layer, index in (own[i] for i in rng.permutation(len(own))):
        free = np.flatnonzero(~taken[layer])
        if not len(free):
            return []
        gap = np.abs(size[layer, free] - size[layer, index])
        near = free[np.argsort(gap, kind="stable")[:_NEAREST]]
        chosen = int(rng.choice(near))
        taken[layer, chosen] = True
        partner[layer, index] = (layer, chosen)
    return [NeuronSet(partner[pair] for pair in group) for group in given.groups]


def _other_fact(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    return list(given.others[draw]) if draw < len(given.others) else []


def _wired_at_random(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    """Group by NTC with the weights permuted within each pair of layers."""
    graph = given.graph
    each, layers = graph.connections, graph.layers
    block = layers[each.source] * (int(layers.max(initial=0)) + 1) + layers[each.target]
    order = np.arange(len(block))
    for number in np.unique(block):
        members = np.flatnonzero(block == number)
        order[members] = rng.permutation(members)
    wired = replace(
        graph,
        connections=Connections(each.source, each.target, each.weight[order]),
        connection_lengths=graph.connection_lengths[order],
    )
    return potential_components("ntc", wired)


def _by_rank(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    """Cut the neurons, in descending order of their scores, into the same sizes."""
    if draw:
        return []  # there is no chance in it
    pool = union(given.groups)
    order = np.argsort(-given.scores[pool.layers, pool.indices], kind="stable")
    sizes = [len(group) for group in given.groups]
    parts = np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1])
    return [pool[np.sort(part)] for part in parts]


def ranked_outside(given: NullInput) -> list[tuple[int, int]]:
    """Return the neurons outside the groups with a score above 0, in descending order of it."""
    scores = given.scores.copy()
    own = union(given.groups)
    scores[own.layers, own.indices] = 0
    order = np.argsort(-scores, axis=None, kind="stable")[: int((scores > 0).sum())]
    layers, indices = np.unravel_index(order, scores.shape)
    return list(zip(layers.tolist(), indices.tolist(), strict=True))


def _repulsion(given: NullInput, draw: int, rng: np.random.Generator) -> Groups:
    """Cut the best neurons outside the groups into the same sizes."""
    sizes = [len(group) for group in given.groups]
    best = ranked_outside(given)[: sum(sizes)]
    if draw or len(best) < sum(sizes):
        return []
    stops = np.cumsum(sizes)
    return [NeuronSet(best[a:b]) for a, b in zip(stops - sizes, stops, strict=True)]


NULLS: dict[str, tuple[str, Callable[[NullInput, int, np.random.Generator], Groups]]] = {
    "shuffled": ("The same neurons in random groups of the same sizes", _shuffled),
    "matched": ("Other neurons of the same layers and sizes of values", _matched),
    "other-fact": ("The groups of another fact of the relation", _other_fact),
    "wired-at-random": ("NTC on the graph with permuted weights", _wired_at_random),
    "by-rank": ("The same neurons in order of their scores", _by_rank),
    "repulsion": ("The best neurons outside the groups, in order of their scores", _repulsion),
}
"""Label and function of each null."""
