"""Weighted graphs on the neurons of a language model.

A model has to return rows of its matrices only (:class:`~neurotopo.graphs.connections.RowSource`).
"""

from neurotopo.graphs.connections import Connections, RowSource, connection_weights
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.options import GraphOptions
from neurotopo.graphs.whole_model import whole_model_forest, whole_model_tree
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.lengths import LENGTHS, edge_lengths, register_length, strength

__all__ = [
    "LENGTHS",
    "Connections",
    "GraphOptions",
    "NeuronGraph",
    "NeuronSet",
    "NeuronTree",
    "RowSource",
    "connection_weights",
    "edge_lengths",
    "register_length",
    "strength",
    "whole_model_forest",
    "whole_model_tree",
]
