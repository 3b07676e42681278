"""Topological clustering of weighted graphs, and of the knowledge neurons of language models.

The public names are loaded when they are first used, so that ``import neurotopo`` stays fast and
a part that is not used costs nothing.
"""

from __future__ import annotations

from typing import Any

import lazy_loader as _lazy_loader

from neurotopo._extras import llm_packages_for as _llm_packages_for

__version__ = "0.1.0"

_attribute, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with _llm_packages_for(f"neurotopo.{name} needs"):
        return _attribute(name)
