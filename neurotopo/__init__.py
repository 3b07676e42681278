"""Topological clustering of weighted graphs, and of the knowledge neurons of language models.

Public names are loaded at first use, so that ``import neurotopo`` is fast.
"""

from __future__ import annotations

from typing import Any

import lazy_loader as _lazy_loader

from neurotopo._extras import llm_packages_for as _llm_packages_for
from neurotopo._moved import install as _install
from neurotopo._version import __version__ as __version__

_install()
_attribute, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
_names = frozenset(__all__)
__all__ = [name for name in __all__ if name not in ("datasets", "explore", "metrics", "studies")]


def __getattr__(name: str) -> Any:
    if name not in _names:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _llm_packages_for(f"neurotopo.{name} needs"):
        return _attribute(name)
