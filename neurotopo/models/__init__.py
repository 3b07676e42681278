"""A Hugging Face language model seen as layers of MLP neurons (needs ``neurotopo[llm]``).

The names are loaded when they are first used: prompts are strings and need no torch.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
