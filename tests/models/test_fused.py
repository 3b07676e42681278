"""One module with the gate and the up-projection: the four ways in which its outputs divide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurotopo import Edit, NeuronModel, whole_model_tree
from neurotopo.models import Family, UnsupportedModelError, register_family
from neurotopo.models import families as families_module
from neurotopo.models.checkpoint import CheckpointRows
from neurotopo.tuning import NeuronTuner, lora_like, to_lora
from tests.support import zoo
from tests.support.tuning import batch, logits_of, train

EDITS = [Edit([(0, 3), (2, 23)], 2.0, where="weights"), Edit([(0, 3), (1, 7)])]
ORDER = {
    "gate_first": lambda gate, up: torch.cat([gate, up]),
    "up_first": lambda gate, up: torch.cat([up, gate]),
    "gate_even": lambda gate, up: torch.stack([gate, up], 1).flatten(0, 1),
    "up_even": lambda gate, up: torch.stack([up, gate], 1).flatten(0, 1),
}
DIVIDED = {
    "gate_first": lambda y: y.chunk(2, dim=-1),
    "up_first": lambda y: y.chunk(2, dim=-1)[::-1],
    "gate_even": lambda y: (y[..., ::2], y[..., 1::2]),
    "up_even": lambda y: (y[..., 1::2], y[..., ::2]),
}


def reordered(kind):
    """Phi-3 with the rows of its fused module in another order, and the same output."""
    original = zoo.shared("phi3")
    hf_model = zoo.build("phi3").hf_model
    for layer in hf_model.model.layers:
        mlp = layer.mlp
        with torch.no_grad():
            mlp.gate_up_proj.weight.copy_(ORDER[kind](*mlp.gate_up_proj.weight.clone().chunk(2)))

        def forward(x, mlp=mlp):
            gate, up = DIVIDED[kind](mlp.gate_up_proj(x))
            return mlp.down_proj(up * mlp.activation_fn(gate))

        mlp.forward = forward
    row = replace(original.family, name=kind, fused=kind)
    return original, NeuronModel(hf_model, original.tokenizer, family=row)


@pytest.mark.parametrize("kind", ORDER)
def test_the_order_of_the_rows_changes_nothing(kind, tmp_path):
    original, model = reordered(kind)
    fact = zoo.FACTS[1]
    for path in ("up", "gate"):
        np.testing.assert_array_equal(model.in_rows(1, path=path), original.in_rows(1, path=path))
    expected = original.answer_probability(fact, edits=EDITS)
    np.testing.assert_allclose(model.answer_probability(fact, edits=EDITS), expected, rtol=1e-5)
    with model.edited(EDITS[0]):
        assert model.answer_probability(fact) == pytest.approx(expected[0], rel=1e-5)
    model.hf_model.save_pretrained(tmp_path)
    stored = CheckpointRows(tmp_path, family=model.family)
    assert (stored.n_neurons, stored.d_model) == (zoo.INNER, zoo.WIDTH)
    for path in ("up", "gate"):
        for chosen in (None, [5, 23, 0, 5]):
            np.testing.assert_array_equal(
                stored.in_rows(2, chosen, path=path), original.in_rows(2, chosen, path=path)
            )
    assert whole_model_tree(stored) == whole_model_tree(original)


@pytest.mark.parametrize("kind", ORDER)
def test_training_is_that_of_the_usual_order(kind):
    _, model = reordered(kind)
    original = zoo.build("phi3")
    ends = []
    for each in (original, model):
        with NeuronTuner(each, [(0, 3), (1, 0), (1, 23)]) as tuner:
            train(each, tuner.parameters(), 5, torch.optim.SGD, lr=0.1)
            ends.append(tuner.state())
    assert list(ends[0]) == list(ends[1])
    for name in ends[0]:
        torch.testing.assert_close(ends[1][name], ends[0][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["phi3", "modernbert"])
def test_trained_rows_are_an_adapter(name, tmp_path):
    peft = pytest.importorskip("peft")
    model = zoo.build(name)
    tokens = batch(model)
    with NeuronTuner(model, [(0, 3), (1, 0), (1, 23)]) as tuner:
        train(model, tuner.parameters(), 5, lr=0.05)
        tuned = logits_of(model, tokens)
        to_lora(tuner, tmp_path)
    adapted = peft.PeftModel.from_pretrained(zoo.build(name).hf_model, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(adapted(input_ids=tokens).logits, tuned, rtol=1e-4, atol=1e-4)


def test_the_size_of_a_lora_on_a_fused_module():
    model = zoo.build("phi3")
    with lora_like(model, 1000) as arm:
        unit = (zoo.WIDTH + 2 * zoo.INNER) + (zoo.INNER + zoo.WIDTH)
        assert arm.n_parameters == round(1000 / unit) * unit


def test_a_row_says_what_is_fused():
    paths = {"up": "mlp.both", "out": "mlp.down_proj"}
    start = ("Mine", ("mine",), "causal", ("model.layers",))
    with pytest.raises(ValueError, match=r"give its path twice, and say with fused"):
        Family(*start, **paths, gate="mlp.both")
    with pytest.raises(ValueError, match=r"give its path twice"):
        Family(*start, **paths, fused="gate_first")
    with pytest.raises(ValueError, match="fused must be None or one of gate_first, up_first"):
        Family(*start, **paths, gate="mlp.both", fused="halves")
    row = Family(*start, **paths, gate="mlp.both", fused="up_even")
    assert row.is_gated
    with pytest.raises(UnsupportedModelError, match="has 7 outputs, an odd number"):
        row.part_of("up", 7)


def test_a_model_loads_from_its_folder_by_its_registered_row(tmp_path, monkeypatch):
    monkeypatch.setattr(families_module, "_BY_MODEL_TYPE", dict(families_module._BY_MODEL_TYPE))
    original, model = reordered("gate_even")
    register_family(model.family, overwrite=True)
    model.hf_model.save_pretrained(tmp_path)
    assert CheckpointRows(tmp_path).family.fused == "gate_even"
    np.testing.assert_array_equal(CheckpointRows(tmp_path).in_rows(0), original.in_rows(0))
