"""Two pretrained models: loading, the command line, attributions and edits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Edit, Fact
from neurotopo.cli import main
from neurotopo.models import converted

FACTS = (
    Fact("The capital of France is", "Paris", id="france"),
    Fact("The capital of Japan is", "Tokyo", id="japan"),
    Fact("The official language of Brazil is", "Portuguese", id="brazil"),
)


def test_the_model_knows_that_paris_is_the_capital_of_france(model):
    assert model.dtype == torch.float32
    assert model.answer_probability(FACTS[0]) > 0.05  # Gemma 0.08: " the" comes first
    assert len(model.source["gguf"]) == 64


def test_the_command_line_locates_neurons_and_converts_nothing_again(
    model, package, capsys, monkeypatch
):
    def again(*given):
        raise AssertionError("converted a second time")

    monkeypatch.setattr(converted, "_convert", again)
    asked = ["--prompt", FACTS[0].prompt, "--answer", "Paris", "--fast", "--json"]
    assert main(["locate", package, *asked, "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    (wording,) = report["wordings"]
    assert wording["value"] == pytest.approx(model.answer_probability(FACTS[0]), rel=1e-3)
    (fact,) = report["facts"]
    assert len(fact["neurons"]) > 3


def test_the_value_of_an_attribution_is_the_probability(model):
    for attribution, fact in zip(AMIG.fast().attribute_many(model, FACTS), FACTS, strict=True):
        assert attribution.value == pytest.approx(model.answer_probability(fact), rel=1e-4)


def plain_probability(model, fact, edits):
    """Return the probability by one plain forward pass with hooks."""
    encoding = model.encode(fact)
    (answer,) = (list(ids) for ids in encoding.answers)
    ids = [*encoding.prompt, *answer]
    hooks = []
    for layer, indices in edits.items():

        def scale(module, given, indices=indices):
            values = given[0].clone()
            values[..., indices] = 0.0
            return (values, *given[1:])

        hooks.append(model.mlps[layer].out.module.register_forward_pre_hook(scale))
    with torch.no_grad():
        logits = model.hf_model(input_ids=torch.tensor([ids])).logits[0].double()
    for hook in hooks:
        hook.remove()
    steps = range(len(encoding.prompt) - 1, len(ids) - 1)
    picked = logits.log_softmax(-1)[list(steps), answer]
    return float(picked.sum().exp())


def test_edits_equal_plain_hooks(model):
    rng = np.random.default_rng(0)
    for fact in FACTS[:2]:
        for _ in range(2):
            pairs = sorted(
                {
                    (int(rng.integers(model.n_layers)), int(i))
                    for i in rng.integers(model.n_neurons, size=40)
                }
            )
            by_layer = {}
            for layer, index in pairs:
                by_layer.setdefault(layer, []).append(index)
            mine = model.answer_probability(fact, edits=Edit(pairs))
            assert mine == pytest.approx(plain_probability(model, fact, by_layer), rel=1e-4)
    assert model.answer_probability(FACTS[0]) == pytest.approx(
        plain_probability(model, FACTS[0], {}), rel=1e-4
    )
