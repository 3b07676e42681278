"""What to install where a package that language models need is missing."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata

from neurotopo._version import __version__

__all__ = ["INSTALL_LLM", "LLM_PACKAGES", "llm_packages_for", "versions"]

INSTALL_LLM = "pip install 'neurotopo[llm]'"
LLM_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""What language models need, and the plain install has not."""
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "safetensors", "ray")


@contextmanager
def llm_packages_for(what: str) -> Iterator[None]:
    """Say in one sentence how to install what a block needs, where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in LLM_PACKAGES:
            raise
        raise ImportError(f"{what} {error.name}: {INSTALL_LLM}.") from error


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Return the versions of neurotopo, of Python and of the packages that are installed."""
    found = {"neurotopo": __version__, "python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
