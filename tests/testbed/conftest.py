"""The world of most tests."""

from __future__ import annotations

import pytest

from neurotopo.testbed import World, make_world
from neurotopo.testbed.names import LANGUAGES


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=0, languages=LANGUAGES)
