"""Attributions of models that scale or cap their logits: the target is that of the model."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch

from neurotopo import AMIG, NeuronModel
from neurotopo.knowledge.other_attributions import (
    ActivationAttribution,
    GradientTimesActivation,
    RandomAttribution,
)
from neurotopo.models import UnsupportedModelError
from tests.support import zoo
from tests.support.slow_attribution import slow_attribution

RELATIVE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.1}


def of_type(name, dtype):
    model = zoo.shared(name)
    return NeuronModel(copy.deepcopy(model.hf_model).to(dtype), model.tokenizer)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_the_value_is_the_probability_of_the_answer(name, dtype):
    model = of_type(name, dtype)
    expected = model.answer_probabilities(zoo.FACTS)
    close = {"rtol": RELATIVE[dtype], "atol": 0}
    for attributor in (GradientTimesActivation, ActivationAttribution, RandomAttribution):
        value = attributor().attribute(model, zoo.FACTS[1]).value
        np.testing.assert_allclose(value, expected[1], **close)
    values = [one.value for one in AMIG(steps=1).attribute_many(model, zoo.FACTS)]
    np.testing.assert_allclose(values, expected, **close)


@pytest.mark.parametrize("target", ["log", "first"])  # "joint" is in the matrix
@pytest.mark.parametrize("name", zoo.HEADS)
def test_the_scores_are_those_of_plain_hooks(name, target):
    model, fact = zoo.shared(name), zoo.FACTS[0]
    attribution = AMIG(steps=3, target=target).attribute(model, fact)
    wanted = slow_attribution(
        model,
        fact,
        attribution.answer,
        steps=3,
        baseline="mean",
        quadrature="right",
        target=target,
        replacement=model.tokenizer.eos_token_id,
    )
    greatest = np.abs(wanted).max()
    assert greatest > 0
    np.testing.assert_allclose(attribution.scores, wanted, rtol=0, atol=1e-4 * greatest)


@pytest.mark.parametrize("name", zoo.HEADS)
def test_the_change_of_the_logits_matters(name):
    """Without it the value differs by more than any tolerance."""
    model, fact = zoo.build(name), zoo.FACTS[0]
    value = AMIG(steps=1, target="log").attribute(model, fact).value
    settings = model.pass_settings()
    vars(settings)["_plain_head"] = model.hf_model.get_output_embeddings()
    with pytest.raises(UnsupportedModelError, match=rf"is {re.escape(str(value)[:4])}"):
        AMIG(steps=1).attribute(model, fact)


@pytest.mark.parametrize("dtype", RELATIVE)
@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_a_wrong_value_is_refused(name, dtype):
    """A hook that comes after the first attribution is not known to it."""
    model, fact = of_type(name, dtype), zoo.FACTS[0]
    attribution = AMIG(steps=1).attribute(model, fact)

    def hook(module, args, output):
        output.logits = 2 * output.logits
        return output

    handle = model.hf_model.register_forward_hook(hook)
    refused = pytest.raises(UnsupportedModelError, match=r"Brolland.*would be wrong\. Remove hooks")
    with refused:
        AMIG(steps=1).attribute(model, fact)
    with refused:
        next(AMIG(steps=1).attribute_many(model, zoo.FACTS))
    fresh = NeuronModel(model.hf_model, model.tokenizer)
    value = AMIG(steps=1).attribute(fresh, fact).value
    assert value == pytest.approx(fresh.answer_probability(fact), rel=RELATIVE[dtype])
    handle.remove()
    np.testing.assert_array_equal(AMIG(steps=1).attribute(model, fact).scores, attribution.scores)
