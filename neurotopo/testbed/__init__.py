"""FactWorld: a world of facts made from a seed, and small models that were trained on it.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo._lazy import lazy_names

if TYPE_CHECKING:
    from neurotopo.testbed.statements import core_id
    from neurotopo.testbed.world import World, make_world

__all__ = ["World", "core_id", "make_world"]

_HOME = {"World": "world", "core_id": "statements", "make_world": "world"}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
