"""Fingerprints: equal for equal models, however loaded, and different after any change."""

from __future__ import annotations

import pytest
import torch

from neurotopo import load_model
from neurotopo.models import fingerprint as module
from neurotopo.models.examples import random_model, word_tokenizer
from neurotopo.models.fingerprint import fingerprint

KINDS = ("gpt2", "llama", "bert")


@pytest.mark.parametrize("kind", KINDS)
def test_it_does_not_depend_on_where_a_model_came_from(kind, tmp_path):
    made = random_model(kind)
    before = fingerprint(made)
    for part in (made.hf_model, made.tokenizer):
        part.save_pretrained(tmp_path)
    assert fingerprint(load_model(tmp_path, device="cpu")) == before
    assert fingerprint(made.hf_model, made.tokenizer) == before
    assert fingerprint(made.hf_model).tokenizer is None
    assert len(before.digest) == 16


def test_kinds_seeds_and_sizes_differ():
    models = [random_model(kind) for kind in KINDS]
    models += [random_model("gpt2", seed=1), random_model("gpt2", n_layers=2)]
    assert len({fingerprint(model).digest for model in models}) == len(models)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_every_weight_counts(dtype):
    model = random_model("gpt2").hf_model.to(getattr(torch, dtype))
    before = fingerprint(model)
    assert before.dtype == dtype
    for name, parameter in model.named_parameters():
        flat = parameter.view(-1)
        place = (7 * len(name)) % flat.numel()
        old = flat[place].item()
        with torch.no_grad():
            flat[place] = -old if old else 1.0
        changed = fingerprint(model)
        assert changed.weights != before.weights, name
        assert (changed.config, changed.architecture) == (before.config, before.architecture)
        with torch.no_grad():
            flat[place] = old
        assert fingerprint(model) == before


def test_two_weights_exchanged_show():
    model = random_model("gpt2").hf_model
    before = fingerprint(model).weights
    weight = model.transformer.h[1].mlp.c_fc.weight
    with torch.no_grad():
        weight[:, [3, 5]] = weight[:, [5, 3]]
    assert fingerprint(model).weights != before


def test_it_is_kept_until_a_weight_changes(monkeypatch):
    model = random_model("gpt2").hf_model
    n, real = [], module._sums
    monkeypatch.setattr(module, "_sums", lambda tensor: n.append(0) or real(tensor))
    first = fingerprint(model)
    n_tensors = len(n)
    assert n_tensors == len(dict(model.named_parameters()))  # tied weights once
    assert fingerprint(model) == first
    assert len(n) == n_tensors
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.tensor([[4, 5, 6]]), labels=torch.tensor([[4, 5, 6]])).loss.backward()
    optimizer.step()
    assert fingerprint(model).weights != first.weights
    assert len(n) == 2 * n_tensors


def test_the_sums_are_those_of_the_definition(monkeypatch):
    monkeypatch.setitem(module._CHUNKS, "cpu", 7)
    generator = torch.Generator().manual_seed(0)
    tensor = torch.randn(5, 9, generator=generator)
    for each in (tensor, tensor.T, tensor[:, 2:4], tensor.to(torch.bfloat16), tensor[:0]):
        bits = (
            each.contiguous()
            .view(-1)
            .view(torch.int16 if each.dtype.itemsize == 2 else torch.int32)
        )
        numbers = [int(number) for number in bits]
        wanted = sum(numbers), sum(i * number for i, number in enumerate(numbers, start=1))
        assert module._sums(each) == wanted  # small enough not to wrap round


def test_sums_wrap_round():
    big = torch.full((4,), 2**62, dtype=torch.int64)
    assert module._sums(big) == (0, -(2**63))


def test_other_kinds_of_tensors():
    for tensor in (
        torch.tensor([True, False]),
        torch.tensor([1, 2], dtype=torch.uint8),
        torch.tensor([1 + 2j]),
        torch.tensor(3.0),
        torch.tensor([float("nan"), float("inf")]),
    ):
        assert module._sums(tensor) == module._sums(tensor.clone())
        assert module._sums(tensor) != (0, 0)


def test_the_tokenizer_counts_and_its_last_call_does_not():
    model = random_model("gpt2")
    before = fingerprint(model)
    model.tokenizer(["Paris", "Rome is"], padding=True, truncation=True, max_length=1)
    assert fingerprint(model) == before
    other = fingerprint(model.hf_model, word_tokenizer("other words"))
    assert other.tokenizer != before.tokenizer
    assert other.weights == before.weights


def test_the_configuration_counts():
    one, other = random_model("gpt2").hf_model, random_model("gpt2").hf_model
    other.config.layer_norm_epsilon = 1e-3
    assert fingerprint(one).config != fingerprint(other).config
    other.config.layer_norm_epsilon = one.config.layer_norm_epsilon
    other.config.use_cache = False
    assert fingerprint(one) == fingerprint(other)


def test_weights_that_are_not_there_are_refused():
    model = random_model("gpt2").hf_model.to("meta")
    with pytest.raises(ValueError, match="are not in memory"):
        fingerprint(model)


def test_weights_made_for_inference_are_read_each_time():
    with torch.inference_mode():
        model = random_model("gpt2").hf_model
    assert fingerprint(model) == fingerprint(random_model("gpt2").hf_model)
