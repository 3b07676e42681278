"""Settings shared by the tests and by the doctests of the package."""

from __future__ import annotations

import gc
import os
import sys

import matplotlib
import pytest
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")

# "ci" draws the same examples on every machine and every run, so a failure is always a change of
# the code; "full" draws more of them, in `make slow` (see tests/support/examples.py). To look for
# new counterexamples: HYPOTHESIS_PROFILE=explore make test
settings.register_profile(
    "ci",
    max_examples=25,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("full", parent=settings.get_profile("ci"), max_examples=100)
settings.register_profile("explore", parent=settings.get_profile("full"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser):
    """Add the option that writes the sentences of the studies anew."""
    parser.addoption("--write-sentences", action="store_true", help="write tests/studies/sentences")


def pytest_collection_finish():
    """Leave the many objects of the imports out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _close_figures():
    """Close the figures of a test; examples in docstrings do not."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and pyplot.get_fignums():
        pyplot.close("all")
