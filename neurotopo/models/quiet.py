"""Progress bars and warnings of transformers, shown only on request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_transformers"]

_LOGGERS = ("transformers", "huggingface_hub")


@contextmanager
def quiet_transformers(shown: bool) -> Iterator[None]:
    """Hide the progress bars and warnings of transformers within a block, unless ``shown``."""
    from transformers.utils import logging as progress

    if shown:
        yield
        return
    had_bar = progress.is_progress_bar_enabled()
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in _LOGGERS}
    progress.disable_progress_bar()
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        if had_bar:
            progress.enable_progress_bar()
