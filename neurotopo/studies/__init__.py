"""Experiments over many facts: results per fact, stored at once, and a report of all of them.

The names are loaded when they are first used.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
