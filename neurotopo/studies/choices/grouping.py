"""The clusters of a fact's neurons, by every variation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.neurons import NeuronSet
from neurotopo.studies.choices.lengths import among, gaps, within_layers
from neurotopo.studies.choices.options import ChoicesOptions
from neurotopo.studies.choices.variations import Variation

if TYPE_CHECKING:
    from neurotopo.knowledge.attribution import Attribution
    from neurotopo.knowledge.facts import Fact

__all__ = ["Grouper"]


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
        """The tree of all neurons, made when first asked for."""
        options = self.options
        tree = whole_model_tree(
            self.model, path=options.path, fold_norm=options.fold_norm, length=options.length
        )
        return tree, gaps(tree)

    def neurons(self, fact: Fact, attribution: Attribution, variation: Variation) -> NeuronSet:
        """Return the knowledge neurons of a fact by a variation."""
        threshold = variation.neurons.get("threshold", self._amig.threshold_for(fact))
        scope = variation.neurons.get("scope", self._amig.scope)
        return attribution.neurons(threshold, self._amig.rule, scope)

    def groups(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> list[NeuronSet]:
        """Return the clusters of a fact's neurons, before any filter.

        Parameters
        ----------
        fact : Fact
            The fact.
        neurons : NeuronSet
            Its neurons by the variation.
        variation : Variation
            How they are clustered.

        Returns
        -------
        list of NeuronSet
        """
        if not len(neurons):
            return []
        clusterer = self.options.clusterer().set_params(**variation.cluster)
        clusterer.fit(self._lengths(fact, neurons, variation), strata=neurons.layers)
        return [neurons[cluster] for cluster in clusterer.clusters_]

    def _lengths(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> Any:
        """Return what is clustered."""
        if variation.kind == "whole":
            tree, gap = self._whole
            return among(tree, gap, neurons)
        given = {**self.options.graph_options(), **variation.graph}
        if variation.kind == "activations":
            given["activations"] = self.model.activations(fact)
        elif variation.kind in ("outgoing", "incoming"):
            reads = variation.kind == "incoming"
            given["intra"] = within_layers(self.model, self.options.path, reads)
        graph = NeuronGraph.from_model(self.model, neurons, **given)
        return graph.distances() if variation.kind == "matrix" else graph.clustering_input()
