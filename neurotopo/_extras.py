"""What to install where a package that language models need is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INSTALL_LLM", "LLM_PACKAGES", "llm_packages_for"]

INSTALL_LLM = "pip install 'neurotopo[llm]'"
LLM_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""What language models need, and the plain install has not."""


@contextmanager
def llm_packages_for(what: str) -> Iterator[None]:
    """Say in one sentence how to install what a block needs, where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in LLM_PACKAGES:
            raise
        raise ImportError(f"{what} {error.name}: {INSTALL_LLM}.") from error
