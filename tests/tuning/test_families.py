"""Every family: the chosen rows learn what a dense run with a mask learns; nothing else moves."""

from __future__ import annotations

import pytest
import torch

from neurotopo import NeuronSet
from neurotopo.tuning import NeuronTuner
from tests.support import zoo
from tests.support.tuning import (
    NEURONS,
    batch,
    bits,
    logits_of,
    loss_of,
    masks,
    outside,
    rows_of,
    same_bits,
    train,
)


def _with_dropout(model):
    model.hf_model.train()
    for module in model.hf_model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
        if hasattr(module, "attention_dropout") and isinstance(module.attention_dropout, float):
            module.attention_dropout = 0.1


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_only_the_chosen_rows_change(name):
    model = zoo.build(name)
    before, at_first = bits(model), dict(vars(model.hf_model))
    tokens = batch(model)
    plain = logits_of(model, tokens)
    _with_dropout(model)
    tuner = NeuronTuner(model, NEURONS)
    first = tuner.state()
    train(model, tuner.parameters(), 40)
    model.hf_model.eval()
    assert same_bits(outside(model, bits(model)), outside(model, before))
    trained = tuner.state()
    assert all(bool((trained[key] != first[key]).any(dim=-1).all()) for key in trained)
    assert same_bits(rows_of(tuner), trained)
    tuned = logits_of(model, tokens)
    assert not torch.equal(tuned, plain)
    with tuner.disabled():
        assert torch.equal(logits_of(model, tokens), plain)
    tuner.merge()
    assert torch.equal(logits_of(model, tokens), tuned)
    tuner.remove()
    assert same_bits(bits(model), before)
    assert vars(model.hf_model).keys() == at_first.keys()
    assert "forward" not in vars(model.mlps[0].up.module)
    assert all(each.requires_grad for each in model.hf_model.parameters())


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_it_learns_what_a_dense_run_with_a_mask_learns(name):
    dense, model = zoo.build(name), zoo.build(name)
    for each in (dense, model):
        each.hf_model.double()
    kept = masks(dense)
    tuner = NeuronTuner(model, NEURONS)
    optimizer = torch.optim.SGD(tuner.parameters(), lr=0.01, momentum=0.9)
    dense_optimizer = torch.optim.SGD(dense.hf_model.parameters(), lr=0.01, momentum=0.9)
    tokens = batch(model)
    for _ in range(3):
        loss = loss_of(model, tokens)
        loss.backward()
        dense_loss = loss_of(dense, tokens)
        dense_loss.backward()
        torch.testing.assert_close(loss, dense_loss, rtol=1e-12, atol=1e-12)
        for key, parameter in dense.hf_model.named_parameters():
            parameter.grad *= kept[key]
        for part in tuner._tuned.parts():
            whole = part.projection
            gradient = dict(dense.hf_model.named_parameters())[f"{whole.name}.weight"].grad
            gradient = gradient.index_select(whole.neuron_axis, whole.entries(part.indices))
            gradient = gradient if whole.neuron_axis == 0 else gradient.T
            torch.testing.assert_close(part.weight.grad, gradient, rtol=1e-9, atol=1e-12)
        assert all(p.grad is None for n, p in model.hf_model.named_parameters() if n in kept)
        for each in (optimizer, dense_optimizer):
            each.step()
            each.zero_grad()
    for key, value in dense.hf_model.state_dict().items():
        torch.testing.assert_close(
            model.hf_model.state_dict()[key], value, rtol=1e-9, atol=1e-12, msg=key
        )


@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon", "bert"])
def test_single_precision_agrees_with_a_dense_run(name):
    dense, model = zoo.build(name), zoo.build(name)
    kept = masks(dense)
    with NeuronTuner(model, NEURONS) as tuner:
        optimizer = torch.optim.SGD(tuner.parameters(), lr=0.01)
        tokens = batch(model)
        for _ in range(3):
            loss_of(model, tokens).backward()
            optimizer.step()
            optimizer.zero_grad()
            loss_of(dense, tokens).backward()
            with torch.no_grad():
                for key, parameter in dense.hf_model.named_parameters():
                    parameter -= 0.01 * parameter.grad * kept[key]
                    parameter.grad = None
        for key, value in dense.hf_model.state_dict().items():
            torch.testing.assert_close(
                model.hf_model.state_dict()[key], value, rtol=1e-6, atol=1e-6, msg=key
            )


def test_a_gated_family_trains_three_rows_and_others_two():
    llama, gpt2 = zoo.build("llama"), zoo.build("gpt2")
    one = NeuronSet([(1, 4)])
    with NeuronTuner(llama, one) as tuner:
        assert tuner.n_parameters == 3 * zoo.WIDTH
        names = [name for name, _ in tuner.named_parameters()]
        assert names == [f"layer_1.{part}.weight" for part in ("up", "gate", "out")]
    with NeuronTuner(gpt2, one) as tuner:
        assert tuner.n_parameters == 2 * zoo.WIDTH + 1
    with NeuronTuner(gpt2, one, bias=False) as tuner:
        assert tuner.n_parameters == 2 * zoo.WIDTH
