"""The package as a whole: what it exports, and what importing it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import neurotopo
from neurotopo._moved import MOVED


def test_the_version_is_that_of_the_installed_distribution():
    assert neurotopo.__version__ == importlib.metadata.version("neurotopo")


@pytest.mark.parametrize("name", neurotopo.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(neurotopo, name).__name__ == name
    assert name in dir(neurotopo)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'NTCCluster'"):
        neurotopo.NTCCluster  # noqa: B018


def _modules_after(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_the_package_loads_nothing_heavy():
    loaded = _modules_after("import neurotopo")
    assert "neurotopo" in loaded
    assert not loaded & {"torch", "sklearn", "scipy", "pandas", "matplotlib", "gudhi"}


def test_the_clusterer_loads_no_torch_and_no_plotting():
    loaded = _modules_after("from neurotopo import NTCClusterer")
    assert "sklearn" in loaded
    assert not loaded & {"torch", "transformers", "matplotlib"}


@pytest.mark.parametrize("old", MOVED)
def test_an_old_module_names_its_new_place(old):
    with pytest.raises(ModuleNotFoundError, match=f"import {MOVED[old]} instead"):
        importlib.import_module(old)
    assert importlib.import_module(MOVED[old]).__name__ == MOVED[old]
