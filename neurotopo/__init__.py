"""Topological clustering of weighted graphs, and of the knowledge neurons of language models.

The public names are loaded when they are first used, so that ``import neurotopo`` stays fast and
a part that is not used costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurotopo.cluster.ntc import NTCClusterer
    from neurotopo.persistence.diagrams import persistence_diagrams
    from neurotopo.persistence.graph_persistence import GraphPersistence
    from neurotopo.persistence.merge_tree import MergeTree, merge_tree

__version__ = "0.1.0"

__all__ = [
    "GraphPersistence",
    "MergeTree",
    "NTCClusterer",
    "merge_tree",
    "persistence_diagrams",
]

_HOME = {
    "GraphPersistence": "neurotopo.persistence.graph_persistence",
    "MergeTree": "neurotopo.persistence.merge_tree",
    "NTCClusterer": "neurotopo.cluster.ntc",
    "merge_tree": "neurotopo.persistence.merge_tree",
    "persistence_diagrams": "neurotopo.persistence.diagrams",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
