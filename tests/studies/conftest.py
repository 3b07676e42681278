"""Fixtures for the tests of studies."""

from __future__ import annotations

import pytest

from neurotopo.studies import Study, findings


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave out the pictures, which take most of the time of a small run."""
    monkeypatch.setattr(Study, "draw", lambda *_: {})


@pytest.fixture
def few_suffice(monkeypatch):
    """Let studies have findings from any number of facts, to test sentences on a few."""
    monkeypatch.setattr(findings, "LEAST", 1)
