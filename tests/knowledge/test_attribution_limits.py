"""AMIG with prompts that are too long, and with gradients switched off by the caller."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Fact
from neurotopo.knowledge import fact_sweep
from neurotopo.knowledge.other_attributions import ActivationAttribution, GradientTimesActivation
from neurotopo.models import baseline_values
from neurotopo.models.examples import random_model
from tests.support import zoo

FACT = Fact("The capital of France is _X_.", "Paris")
LONG = Fact("word " * 70 + "_X_", "Marly")


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "roberta"])
@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_a_prompt_beyond_the_positions(name, baseline):
    model = zoo.shared(name)
    for attributor in (AMIG(steps=1, baseline=baseline), GradientTimesActivation()):
        with pytest.raises(ValueError, match=r"take \d+ tokens; the limit of \w+ is \d+\. Shorten"):
            attributor.attribute(model, LONG)
    with pytest.raises(ValueError, match=r"tokens; the limit of \w+ is"):
        model.activations(LONG)


def test_a_prompt_of_all_positions():
    """The greatest length is allowed, one token more is not; no run is made for it."""
    model = random_model("gpt2")
    n_free = 64 - len(model.encode(FACT).prompt)
    longest = Fact("the " * n_free + FACT.prompt, "Paris")
    assert len(model.encode(longest).prompt) == 64
    assert np.isfinite(AMIG(steps=1).attribute(model, longest).scores).all()
    with pytest.raises(ValueError, match="take 65 tokens; the limit of GPT2LMHeadModel is 64"):
        AMIG(steps=1).attribute(model, Fact("the " + longest.prompt, "Paris"))


def test_a_prompt_beyond_the_memory(monkeypatch):
    model = random_model("gpt2")
    monkeypatch.setattr(fact_sweep, "memory_of", lambda device: 1e3)
    with pytest.raises(ValueError, match=r"France.* needs about .* GB of memory.*baseline='zero'"):
        AMIG(steps=1).attribute(model, FACT)
    monkeypatch.setattr(fact_sweep, "memory_of", lambda device: 1.0)
    with pytest.raises(ValueError, match=r"GB\. Shorten the prompt\.$"):
        AMIG(steps=1, baseline="zero").attribute(model, FACT)


def test_the_memory_grows_with_the_square_of_the_length():
    settings = random_model("gpt2").pass_settings()
    assert baseline_values.memory_of(torch.device("cpu")) > 2**28
    needed = [baseline_values.needed_bytes(settings, n, n, 1) for n in (10_000, 20_000)]
    assert 3.5 < needed[1] / needed[0] < 4.1
    assert needed[0] > 10_000 * settings.mlps[0].up.n_neurons * 4


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_rows_that_do_not_fit_together_give_the_same_scores(name, monkeypatch):
    model = zoo.shared(name)
    expected = AMIG(steps=2).attribute(model, FACT)
    monkeypatch.setattr(baseline_values, "_BYTES", 1)
    assert baseline_values.sentences_that_fit(model.pass_settings(), 5) == 1
    for attribution in AMIG(steps=2).attribute_many(model, [FACT, FACT]):
        scale = np.abs(expected.scores).max()
        np.testing.assert_allclose(attribution.scores, expected.scores, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)]
)
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_gradients_switched_off_by_the_caller(name, mode):
    """The scores are the same, and the caller's mode is on again, also between two facts."""
    model = zoo.shared(name)
    amig = AMIG(steps=2)
    expected = amig.attribute(model, FACT).scores
    with mode():
        inference = torch.is_inference_mode_enabled()
        for attribution in amig.attribute_many(model, [FACT, FACT]):
            assert not torch.is_grad_enabled()
            assert torch.is_inference_mode_enabled() == inference
            scale = np.abs(expected).max()
            np.testing.assert_allclose(attribution.scores, expected, rtol=0, atol=1e-5 * scale)
        assert np.isfinite(GradientTimesActivation().attribute(model, FACT).scores).all()
        assert np.isfinite(ActivationAttribution().attribute(model, FACT).scores).all()
    assert torch.is_grad_enabled()
    np.testing.assert_allclose(amig.attribute(model, FACT).scores, expected, rtol=1e-5, atol=1e-12)


def test_a_model_made_in_inference_mode():
    with torch.inference_mode():
        model = random_model("gpt2")
    with pytest.raises(ValueError, match=r"made in torch\.inference_mode.* load the model outside"):
        AMIG(steps=1).attribute(model, FACT)
    assert model.answer_probability(FACT) > 0
