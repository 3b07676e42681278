"""Report of a run: a page, its tables and pictures, and the rows behind them.

Names are loaded at first use.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
