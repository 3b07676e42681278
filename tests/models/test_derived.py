"""A row derived from the modules is the row by hand, or a refusal with the reason."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from neurotopo import AMIG, Edit, NeuronModel, load_model, whole_model_tree
from neurotopo.models import Family, UnsupportedModelError, family_of, register_family
from neurotopo.models import families as families_module
from neurotopo.models.derived import derive_family
from neurotopo.models.families import kind_of
from tests.support import zoo
from tests.support.slow_attribution import slow_attribution

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import architectures

UNKNOWN = {
    "arcee": ("Arcee", {}),  # relu², no gate
    "apertus": ("Apertus", {}),  # a nonlinearity with parameters
    "helium": ("Helium", {"head_dim": 8}),
    "vaultgemma": ("VaultGemma", {"head_dim": 8, "final_logit_softcapping": 5.0}),
    "gpt_bigcode": ("GPTBigCode", None),
    "biogpt": ("BioGpt", {}),
}
FEW = ["gpt2", "falcon_alibi", "olmo2", "nemotron", "phi3", "modernbert", "opt_post_norm"]


def unknown(name, seed=0):
    kind, changes = UNKNOWN[name]
    sizes = zoo.GPT2_LIKE if changes is None else {**zoo.LLAMA_LIKE, **changes}
    tokenizer = zoo.shared("gpt2").tokenizer
    config = getattr(transformers, f"{kind}Config")(
        **sizes, vocab_size=zoo.VOCABULARY, pad_token_id=0, bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        hf_model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
        for parameter in hf_model.parameters():
            parameter += torch.randn(parameter.shape) * (0.25 if parameter.dim() > 1 else 0.5)
    return hf_model, tokenizer


def same(derived, row, config):
    names = ("up", "gate", "out", "fused", "norm_offset", "kind")
    assert [getattr(derived, n) for n in names] == [getattr(row, n) for n in names]
    assert derived.norm == row.norm_path(config)
    assert derived.layers[0] in row.layers


def check_every(name):
    model = zoo.shared(name)
    config = model.hf_model.config
    derived = derive_family(model.hf_model)
    same(derived, model.family, config)
    if model.family.has_fixed_batch(config):
        assert derived.fixed_batch


@pytest.mark.parametrize("name", FEW)
def test_it_is_the_row_by_hand(name):
    check_every(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in zoo.NAMES if name not in FEW])
def test_it_is_the_row_by_hand_of_every_family(name):
    check_every(name)


@pytest.mark.parametrize("name", ["gpt2", "phi3"])
def test_half_precision(name):
    model = zoo.build(name)
    same(derive_family(model.hf_model.bfloat16()), model.family, model.hf_model.config)


@pytest.mark.parametrize("name", ["phi3", "llama"])
def test_numbers_tell_the_gate(name):
    """Also where the names are exchanged, or the halves."""
    model = zoo.build(name)
    for layer in model.hf_model.model.layers:
        mlp = layer.mlp
        if name == "llama":
            mlp.gate_proj, mlp.up_proj = mlp.up_proj, mlp.gate_proj

            def forward(x, mlp=mlp):
                return mlp.down_proj(mlp.act_fn(mlp.up_proj(x)) * mlp.gate_proj(x))
        else:

            def forward(x, mlp=mlp):
                y = mlp.gate_up_proj(x)
                return mlp.down_proj(mlp.activation_fn(y[..., 1::2]) * y[..., ::2])

        mlp.forward = forward
    row = derive_family(model.hf_model)
    if name == "llama":
        assert (row.up, row.gate) == ("mlp.gate_proj", "mlp.up_proj")
    else:
        assert row.fused == "up_even"


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_derived_model_is_as_any_other(name, tmp_path, monkeypatch, caplog):
    hf_model, tokenizer = unknown(name)
    before = {key: value.clone() for key, value in hf_model.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        model = NeuronModel(hf_model, tokenizer)
    assert repr(model.family) in caplog.text
    assert eval(repr(model.family), {"Family": Family}) == model.family
    assert all(torch.equal(before[key], value) for key, value in hf_model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in hf_model.modules())
    fact = zoo.FACTS[0]
    answer = model.encode(fact).answers[0]
    attribution = AMIG(steps=2).attribute(model, fact)
    assert attribution.value == pytest.approx(model.answer_probability(fact), rel=1e-4)
    wanted = slow_attribution(
        model,
        fact,
        answer,
        steps=2,
        baseline="mean",
        quadrature="right",
        target="joint",
        replacement=tokenizer.eos_token_id,
    )
    np.testing.assert_allclose(attribution.scores, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    edit = Edit([(0, 1), (1, 7), (2, 23)], 2.0, where="weights")
    in_batch = model.answer_probability(fact, edits=[edit, None, Edit([(0, 5)])])
    with model.edited(edit):
        assert model.answer_probability(fact) == pytest.approx(in_batch[0], rel=1e-4)
    hf_model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"register_family\(load_model"):
        whole_model_tree(tmp_path)
    monkeypatch.setattr(families_module, "_BY_MODEL_TYPE", dict(families_module._BY_MODEL_TYPE))
    register_family(load_model(tmp_path, device="cpu").family)
    assert whole_model_tree(tmp_path) == whole_model_tree(model)


def test_the_norm_of_a_derived_row_is_folded():
    hf_model, tokenizer = unknown("helium")
    model = NeuronModel(hf_model, tokenizer)
    layer = hf_model.model.layers[1]
    gain = layer.post_attention_layernorm.weight.detach()
    expected = layer.mlp.up_proj.weight.detach() * gain
    np.testing.assert_allclose(model.in_rows(1, fold_norm=True), expected.numpy(), rtol=1e-6)


# Refusals


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (transformers.T5Config(), "'t5' is an encoder-decoder.*Use a decoder or an encoder"),
        (transformers.BartConfig(), "'bart' is an encoder-decoder"),
        (transformers.MambaConfig(), "'mamba' has layers without an MLP.*Use a decoder"),
        (transformers.GptOssConfig(), "'gpt_oss' is a mixture-of-experts.*Use a decoder"),
        (transformers.CLIPConfig(), "'clip' has no causal or masked language model"),
    ],
)
def test_the_cause_and_the_remedy_are_said_before_loading(config, words):
    for function in (kind_of, family_of) if "clip" not in words else (kind_of,):
        with pytest.raises(UnsupportedModelError, match=words):
            function(config)


def refused(change, words):
    model = zoo.build("llama").hf_model
    for layer in model.model.layers:
        change(layer.mlp)
    with pytest.raises(UnsupportedModelError, match=words):
        derive_family(model)


def test_two_linear_in_projections_have_no_gate():
    def change(mlp):
        mlp.act_fn = torch.nn.Identity()

    refused(change, "linear in more than one part .*so the gate is not known.*register_family")


def test_values_that_mix_neurons_are_refused():
    def change(mlp):
        def forward(x):
            values = mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x)
            return mlp.down_proj(torch.nn.functional.layer_norm(values, values.shape[-1:]))

        mlp.forward = forward

    refused(change, "linear in no part .* a norm lies between")


def test_a_layer_with_two_mlps_is_refused():
    model = zoo.build("llama").hf_model
    for layer in model.model.layers:
        layer.add_module("other", type(layer.mlp)(model.config))
    with pytest.raises(UnsupportedModelError, match=r"layers.0 has 2 MLPs \(mlp.down_proj, other"):
        derive_family(model)


def test_a_layer_without_an_mlp_is_named():
    model = zoo.build("llama").hf_model
    model.model.layers[1].mlp = torch.nn.Identity()
    with pytest.raises(UnsupportedModelError, match=r"layers.1 has no MLP, but .*layers.0 has"):
        derive_family(model)


def test_an_mlp_that_is_called_twice_is_refused():
    model = zoo.build("llama").hf_model
    mlp = model.model.layers[2].mlp
    mlp.forward = lambda x: mlp.down_proj(mlp.up_proj(x)) + mlp.down_proj(mlp.gate_proj(x))
    with pytest.raises(UnsupportedModelError, match=r"layers.2.mlp.down_proj was called 2 times"):
        derive_family(model)


def test_a_wrong_gradient_is_refused():
    """An MLP whose gradient is cut gives right values and edits, but no attribution."""

    class Cut(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 0.5

    model = zoo.build("llama").hf_model
    calls = []

    def hook(module, args, output):
        calls.append(output.shape)
        return Cut.apply(output) if output.shape[0] > 1 or output.shape[1] < 9 else output

    model.model.norm.register_forward_hook(hook)
    with pytest.raises(UnsupportedModelError, match="gradients of the values are not those"):
        derive_family(model)
    assert calls


# The table of the page


SAMPLE = ["llama", "phi3", "arcee", "nanochat", "bitnet", "mixtral", "mamba", "t5"]


def test_the_table_of_architectures_is_up_to_date():
    text = architectures.PAGE.read_text(encoding="utf-8")
    part = text.split(architectures.START)[1].split(architectures.END)[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")][1:]
    assert [row.split("`")[1] for row in rows] == list(architectures.ARCHITECTURES)
    assert len(rows) >= 40
    for line in architectures.table(SAMPLE).splitlines()[2:]:
        assert line in rows
