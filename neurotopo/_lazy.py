"""Names of a package that are loaded when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["INSTALL_LLM", "LLM_PACKAGES", "lazy_names", "llm_packages_for"]

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


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names live in its modules.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        The module of each name, without the package in front.

    Returns
    -------
    tuple of callable

    Examples
    --------
    >>> from neurotopo._lazy import lazy_names
    >>> get, _ = lazy_names("neurotopo.testbed", {"core_id": "statements"})
    >>> get("core_id").__module__
    'neurotopo.testbed.statements'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)  # found at once from now on
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
