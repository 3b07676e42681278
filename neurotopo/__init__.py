"""Topological clustering of weighted graphs, and of the knowledge neurons of language models.

The public names are loaded when they are first used, so that ``import neurotopo`` stays fast and
a part that is not used costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neurotopo._lazy import llm_packages_for as _llm_packages_for

if TYPE_CHECKING:
    from neurotopo import datasets as datasets
    from neurotopo import studies as studies
    from neurotopo.cluster.ntc import NTCClusterer
    from neurotopo.graphs.neuron_graph import NeuronGraph
    from neurotopo.graphs.neurons import NeuronSet
    from neurotopo.graphs.whole_model import whole_model_tree
    from neurotopo.knowledge.attribution import AMIG
    from neurotopo.knowledge.degeneracy import DKNFinder
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact, FactSet
    from neurotopo.models.edits import Edit
    from neurotopo.models.loading import load_model
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.persistence.diagrams import persistence_diagrams
    from neurotopo.persistence.graph_persistence import GraphPersistence
    from neurotopo.persistence.merge_tree import MergeTree, merge_tree
    from neurotopo.tuning.tuner import NeuronTuner

__version__ = "0.1.0"

__all__ = [
    "AMIG",
    "DKN",
    "DKNFinder",
    "Edit",
    "Fact",
    "FactSet",
    "GraphPersistence",
    "MergeTree",
    "NTCClusterer",
    "NeuronGraph",
    "NeuronModel",
    "NeuronSet",
    "NeuronTuner",
    "load_model",
    "merge_tree",
    "persistence_diagrams",
    "whole_model_tree",
]

_HOME = {
    "AMIG": "neurotopo.knowledge.attribution",
    "DKN": "neurotopo.knowledge.dkn",
    "DKNFinder": "neurotopo.knowledge.degeneracy",
    "Edit": "neurotopo.models.edits",
    "Fact": "neurotopo.knowledge.facts",
    "FactSet": "neurotopo.knowledge.facts",
    "GraphPersistence": "neurotopo.persistence.graph_persistence",
    "MergeTree": "neurotopo.persistence.merge_tree",
    "NTCClusterer": "neurotopo.cluster.ntc",
    "NeuronGraph": "neurotopo.graphs.neuron_graph",
    "NeuronModel": "neurotopo.models.neuron_model",
    "NeuronSet": "neurotopo.graphs.neurons",
    "NeuronTuner": "neurotopo.tuning.tuner",
    "load_model": "neurotopo.models.loading",
    "merge_tree": "neurotopo.persistence.merge_tree",
    "persistence_diagrams": "neurotopo.persistence.diagrams",
    "whole_model_tree": "neurotopo.graphs.whole_model",
}


_MODULES = frozenset(["datasets", "studies"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _llm_packages_for(f"neurotopo.{name} needs"):
        value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
