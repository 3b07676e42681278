"""Fixtures for the tests of studies."""

from __future__ import annotations

import pytest

from neurotopo.studies import Study


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave out the pictures, which take most of the time of a small run."""
    monkeypatch.setattr(Study, "draw", lambda *_: {})
