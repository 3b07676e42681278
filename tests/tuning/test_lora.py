"""Trained rows as a LoRA, and a LoRA of equal size."""

from __future__ import annotations

import copy

import pytest
import torch

from neurotopo import NeuronSet
from neurotopo.tuning import NeuronTuner, lora_like, to_lora
from tests.support import zoo
from tests.support.tuning import NEURONS, batch, bits, logits_of, same_bits, small, train

peft = pytest.importorskip("peft")

BUILD = {
    "gpt2": small,
    "llama": lambda: small("llama"),
    "bert": lambda: small("bert"),
    "phi": lambda: zoo.build("phi"),
    "falcon": lambda: zoo.build("falcon"),
}


def trained(model, base, neurons, folder):
    """Train rows; return their tuner, an adapter of another model, and the logits of both."""
    tokens = batch(model)
    with NeuronTuner(model, neurons) as tuner:
        train(model, tuner.parameters(), 5)
        to_lora(tuner, folder)
        tuned = logits_of(model, tokens)
    adapter = peft.PeftModel.from_pretrained(base.hf_model, folder)
    with torch.no_grad():
        return tuner, adapter, tuned, adapter(input_ids=tokens).logits


@pytest.mark.parametrize("name", sorted(BUILD))
def test_the_adapter_is_the_trained_model(name, tmp_path):
    model, base = BUILD[name](), BUILD[name]()
    plain = logits_of(model, batch(model))
    tuner, adapter, tuned, logits = trained(model, base, NEURONS, tmp_path)
    torch.testing.assert_close(logits, tuned, rtol=1e-4, atol=1e-4)
    assert (tuned - plain).abs().max() > 100 * (logits - tuned).abs().max()
    merged = adapter.merge_and_unload().state_dict()
    with NeuronTuner(model, NEURONS) as again:
        again.set_state(tuner.state())
        for key, value in bits(model).items():
            torch.testing.assert_close(merged[key], value, rtol=1e-5, atol=1e-6)


def test_an_adapter_without_biases_has_none(tmp_path):
    with NeuronTuner(small(), NEURONS, bias=False) as tuner:
        to_lora(tuner, tmp_path)
    config = peft.LoraConfig.from_pretrained(tmp_path)
    assert not config.lora_bias
    assert config.rank_pattern["transformer.h.2.mlp.c_fc"] == 3


def test_layers_whose_numbers_begin_alike_are_told_apart(tmp_path):
    from neurotopo.models.examples import random_model

    neurons = NeuronSet([(1, 1), (11, 2), (11, 3)])
    model, base = (random_model("gpt2", n_layers=12) for _ in range(2))
    _, _, tuned, logits = trained(model, base, neurons, tmp_path)
    torch.testing.assert_close(logits, tuned, rtol=1e-4, atol=1e-4)


def _trace(model):
    hf_model = model.hf_model
    return (
        {name: type(module) for name, module in hf_model.named_modules()},
        {name: sorted(vars(module)) for name, module in hf_model.named_modules()},
        [each.requires_grad for each in hf_model.parameters()],
        [module.training for module in hf_model.modules()],
        hf_model.config.to_dict(),
        [len(module._forward_hooks) for module in hf_model.modules()],
    )


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_a_lora_of_equal_size_leaves_no_trace(name, checkpointing):
    model = BUILD[name]()
    if checkpointing:
        model.hf_model.gradient_checkpointing_enable()
    model.mlps[1].up.weight.requires_grad_(False)
    tokens = batch(model)
    before, trace, plain = bits(model), copy.deepcopy(_trace(model)), logits_of(model, tokens)
    arm = lora_like(model, 400)
    assert torch.equal(logits_of(model, tokens), plain)  # one of its factors begins as zero
    train(model, arm.parameters(), 3)
    tuned = logits_of(model, tokens)
    assert not torch.equal(tuned, plain)
    trained = [each for each in model.hf_model.parameters() if each.requires_grad]
    assert {id(each) for each in trained} == {id(each) for each in arm.parameters()}
    assert arm.n_parameters == sum(each.numel() for each in trained)
    arm.remove()
    arm.remove()
    assert same_bits(bits(model), before)
    assert _trace(model) == trace
    assert torch.equal(logits_of(model, tokens), plain)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("asked", [1, 60, 100, 500, 1000, 2000])
def test_the_number_is_as_close_as_it_can_be(name, asked):
    model = BUILD[name]()
    unit = (12 + 24) * (3 if model.is_gated else 2)
    with lora_like(model, asked, seed=3) as arm:
        assert arm.n_parameters == unit * sum(arm.ranks.values())
        assert abs(arm.n_parameters - asked) <= max(unit / 2, unit - asked)
        ranks = [arm.ranks.get(layer, 0) for layer in range(3)]
        assert max(ranks) - min(ranks) <= 1


def test_the_seed_decides():
    def first(seed):
        with lora_like(small(), 80, seed=seed) as arm:
            return arm.ranks, [each.detach().clone() for each in arm.parameters()]

    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same = first(0), first(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert one[0] == same[0]
    assert all(torch.equal(a, b) for a, b in zip(one[1], same[1], strict=True))
    assert len({tuple(first(seed)[0]) for seed in range(8)}) > 1


def test_it_is_taken_off_after_an_exception():
    model = small()
    before = bits(model)

    def fail():
        with lora_like(model, 100):
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fail()
    assert same_bits(bits(model), before)


def test_messages():
    model = small()
    with pytest.raises(ValueError, match="n_parameters must be at least 1, got 0"):
        lora_like(model, 0)
    with pytest.raises(ValueError, match="full rank on all layers has 2592 parameters, fewer than"):
        lora_like(model, 10_000)
    refused = pytest.raises(RuntimeError, match="another NeuronTuner is attached")
    with NeuronTuner(model, NEURONS), refused:
        lora_like(model, 100)
    with lora_like(model, 100):
        for call in (lambda: NeuronTuner(model, NEURONS), lambda: lora_like(model, 100)):
            with pytest.raises(RuntimeError, match="the model has an adapter of peft"):
                call()
    NeuronTuner(model, NEURONS).remove()
