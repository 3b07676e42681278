"""FactWorld: a world of facts made from a seed, and small models that were trained on it.

The names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurotopo.testbed.statements import core_id
    from neurotopo.testbed.world import World, make_world

__all__ = ["World", "core_id", "make_world"]

_HOME = {
    "World": "neurotopo.testbed.world",
    "core_id": "neurotopo.testbed.statements",
    "make_world": "neurotopo.testbed.world",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
