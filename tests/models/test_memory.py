"""Nothing of a finished attribution stays in memory."""

from __future__ import annotations

import gc

import pytest

from neurotopo import AMIG, Fact
from neurotopo.knowledge.relp import RelP
from neurotopo.models.examples import random_model
from neurotopo.models.path_waves import Wave

FACT = Fact("The capital of France is _X_", "Paris")


CASES = [
    ("gpt2", AMIG()),
    ("bert", AMIG()),
    ("llama", AMIG.paper()),
    ("llama", AMIG.fast()),
    ("bert", RelP()),
    ("llama", RelP()),
]


@pytest.mark.parametrize(("kind", "attribution"), CASES, ids=repr)
def test_no_graph_of_a_pass_is_kept(kind, attribution):
    model = random_model(kind)
    attribution.attribute(model, FACT)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(3):
        attribution.attribute(model, FACT)
    gc.collect()
    assert not any(isinstance(each, Wave) for each in gc.get_objects())
    assert len(gc.get_objects()) - before < 100
