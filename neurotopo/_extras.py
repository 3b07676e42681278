"""Errors for missing packages of language models, and versions of packages."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata

from neurotopo._version import __version__

__all__ = ["INSTALL_LLM", "LLM_PACKAGES", "llm_packages_for", "versions"]

INSTALL_LLM = "pip install 'neurotopo[llm]'"
LLM_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""Packages for language models, which are not in the basic install."""
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "safetensors", "ray")


@contextmanager
def llm_packages_for(what: str) -> Iterator[None]:
    """Turn the error of a missing package into one that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in LLM_PACKAGES:
            raise
        raise ImportError(f"{what} {error.name}: {INSTALL_LLM}.") from error


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Return the versions of neurotopo, of Python and of the installed packages."""
    installed = {"neurotopo": __version__, "python": platform.python_version()}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed
