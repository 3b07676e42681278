"""Fixtures for the tests of the commands."""

from __future__ import annotations

import contextlib
import io
import shutil

import huggingface_hub.constants
import pytest

from neurotopo.cli import main
from neurotopo.studies.acquisition.study import Acquisition
from tests.support.commands import CHOSEN, words


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def first(tmp_path_factory):
    """A run of four facts: its folder, and what was printed."""
    out = tmp_path_factory.mktemp("runs") / "new" / "folder"
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert main(words(out, *CHOSEN)) == 0
    assert said.getvalue() == ""
    return out, printed.getvalue()


@pytest.fixture
def done(first, tmp_path):
    """Return a copy of that run."""
    return shutil.copytree(first[0], tmp_path / "run")


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the pictures, which take most of the time of a small run."""
    monkeypatch.setattr(Acquisition, "pictures", {})


@pytest.fixture
def at_fact(monkeypatch):
    """Return a function that has something happen instead of the work on a fact."""
    work = Acquisition.__call__

    def set_up(key, error):
        def call(self, fact):
            if fact.key == key:
                raise error
            return work(self, fact)

        monkeypatch.setattr(Acquisition, "__call__", call)

    return set_up
