"""The groups of a fact that the audit judges: found by a method, or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.facts import Fact
from neurotopo.neurons import NeuronSet
from neurotopo.studies.audit.items import check_groups
from neurotopo.studies.audit.nulls import union
from neurotopo.studies.groupings import METHODS, grouping_input
from neurotopo.studies.study import seed_for

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["FILTERED", "FactGroups", "GroupFinder", "method_names"]

FILTERED = "dkn"
"""Name of the components of NTC that pass the functional filter."""


def method_names() -> tuple[str, ...]:
    """Return the names of the methods that find groups."""
    return (*METHODS, FILTERED)


@dataclass(frozen=True, eq=False)
class FactGroups:
    """The groups of a fact.

    Attributes
    ----------
    scores : ndarray, shape (n_layers, n_neurons)
        The attribution of the fact.
    neurons : NeuronSet
        The neurons that were grouped: the knowledge neurons, or all neurons of given groups.
    graph : NeuronGraph
        Their graph.
    groups : list of NeuronSet
    """

    scores: NDArray[np.float64]
    neurons: NeuronSet
    graph: NeuronGraph
    groups: list[NeuronSet]


class GroupFinder:
    """Finds the groups of facts in a model, by the options of the audit.

    Parameters
    ----------
    model : NeuronModel
    options : AuditOptions
    seed : int
    """

    def __init__(self, model: NeuronModel, options: Any, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self._amig = options.amig()
        self._filter = options.finder()
        self._kept: dict[str, list[NeuronSet]] = {}

    def find(
        self, facts: Sequence[Fact], given: Mapping[str, list[NeuronSet]] | None
    ) -> list[FactGroups]:
        """Return the groups of some facts; facts of one shape are attributed together."""
        many = self._amig.attribute_many(self.model, facts)
        found = [self._of(fact, scores, given) for fact, scores in zip(facts, many, strict=True)]
        self._kept |= {fact.key: each.groups for fact, each in zip(facts, found, strict=True)}
        return found

    def others(
        self, facts: Sequence[Fact], given: Mapping[str, list[NeuronSet]] | None
    ) -> list[list[NeuronSet]]:
        """Return the groups of other facts; those found by a method are kept for later."""
        if given is not None:
            some = (given.get(fact.key) for fact in facts)
            return [groups for groups in some if groups and self._has(groups)]
        missing = [fact for fact in facts if fact.key not in self._kept]
        self.find(missing, None)
        return [self._kept[fact.key] for fact in facts]

    def _has(self, groups: Sequence[NeuronSet]) -> bool:
        """Return whether the model has all neurons; those of a judged fact raise an error."""
        neurons = union(groups)
        shape = self.model.n_layers, self.model.n_neurons
        return bool(neurons.layers.max() < shape[0] and neurons.indices.max() < shape[1])

    def _of(
        self, fact: Fact, found: Attribution, given: Mapping[str, list[NeuronSet]] | None
    ) -> FactGroups:
        if given is None:
            threshold = self._amig.threshold_for(fact)
            neurons = found.neurons(threshold, self._amig.rule, self._amig.scope)
        else:
            groups = list(given.get(fact.key, ()))
            neurons = union(groups)
            neurons.check(self.model.n_layers, self.model.n_neurons)
        graph = NeuronGraph.from_model(self.model, neurons, **self.options.graph_options())
        if given is None:
            groups = self._by_method(fact, found, graph)
            check_groups(fact.key, groups)
        return FactGroups(found.scores, neurons, graph, groups)

    def _by_method(self, fact: Fact, found: Attribution, graph: NeuronGraph) -> list[NeuronSet]:
        options = self.options
        if options.groups == FILTERED:
            return self._filter.find(self.model, fact, graph.neurons, graph=graph).components
        entry = grouping_input(
            self.model,
            fact,
            graph,
            found,
            reduce=options.reduce,
            tau=options.tau,
            min_cluster_size=options.min_cluster_size,
            seed=seed_for(self.seed, fact.key),
        )
        return METHODS[options.groups](entry)
