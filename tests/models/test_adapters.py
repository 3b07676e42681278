"""Adapters of peft and quantised weights: merged, kept for values, or refused with the reason."""

from __future__ import annotations

import json

import numpy as np
import peft
import pytest
import torch
import transformers

from neurotopo import AMIG, Edit, Fact, NeuronModel, load_model
from neurotopo.models import UnsupportedModelError, adapters
from neurotopo.models.checkpoint import CheckpointRows
from neurotopo.models.examples import random_model
from neurotopo.models.quantized import dequantized, method_of, quantization_for
from neurotopo.studies.study import identity_of_model
from tests.support.adapters import lora

FACT = Fact("The capital of France is _X_", "Paris")


@pytest.fixture(params=["llama", "gpt2"])
def saved(request, tmp_path):
    """Return folders of a base model and of an adapter, and the architecture."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    made = random_model(request.param)
    made.hf_model.save_pretrained(base)
    made.tokenizer.save_pretrained(base)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(base)
    lora(loaded, request.param).save_pretrained(adapter)
    return base, adapter, request.param


def test_an_adapter_is_merged_into_the_weights(saved):
    base, adapter, _ = saved
    plain = load_model(base, device="cpu")
    model = load_model(base, adapter=adapter, device="cpu")
    with_lora = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(base), adapter
    )
    expected = NeuronModel(with_lora, plain.tokenizer).answer_probability(FACT)
    assert model.answer_probability(FACT) == pytest.approx(expected, rel=1e-5)
    assert abs(plain.answer_probability(FACT) - expected) > 1e-3 * expected
    assert not np.allclose(model.in_rows(0), plain.in_rows(0))
    assert type(model.hf_model) is type(plain.hf_model)


def test_the_folder_of_an_adapter_loads_its_base(saved):
    base, adapter, _ = saved
    model = load_model(adapter, device="cpu")
    expected = load_model(base, adapter=adapter, device="cpu")
    assert np.array_equal(model.out_rows(1), expected.out_rows(1))
    with pytest.raises(ValueError, match="is an adapter itself; give its base model"):
        load_model(adapter, adapter=adapter)
    file = adapter / "adapter_config.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, "base_model_name_or_path": None}))
    with pytest.raises(ValueError, match=r"names no base model. Load the base .* adapter="):
        load_model(adapter)
    file.write_text(json.dumps({**about, "base_model_name_or_path": "nobody/nothing"}))
    with pytest.raises(OSError, match="cannot load 'nobody/nothing'"):
        load_model(adapter, local_files_only=True)


def test_the_identity_tells_adapters_apart(saved, tmp_path):
    base, adapter, architecture = saved
    identity = identity_of_model(load_model(base, adapter=adapter, device="cpu"))
    assert identity == identity_of_model(load_model(base, adapter=str(adapter), device="cpu"))
    other = tmp_path / "other"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(base)
    lora(loaded, architecture, seed=1).save_pretrained(other)
    second = identity_of_model(load_model(base, adapter=other, device="cpu"))
    assert identity["source"]["adapter"] != second["source"]["adapter"]
    assert "source" not in identity_of_model(load_model(base, device="cpu"))


def test_a_merge_that_changes_the_model_is_refused(saved, monkeypatch):
    base, adapter, _ = saved
    whole = adapters._probe
    changed = iter([0.0, 1.0])
    monkeypatch.setattr(adapters, "_probe", lambda model: whole(model) + next(changed))
    with pytest.raises(ValueError, match=r"cannot be merged: the logits .* differ by up to"):
        load_model(base, adapter=adapter, device="cpu")


def test_what_is_no_adapter(saved, tmp_path, monkeypatch):
    base, adapter, _ = saved
    with pytest.raises(OSError, match="cannot load the adapter"):
        load_model(base, adapter=tmp_path, device="cpu", local_files_only=True)
    other = random_model("bert")
    other.hf_model.save_pretrained(tmp_path / "bert")
    other.tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(OSError, match=r"cannot load the adapter .* for BertForMaskedLM"):
        load_model(tmp_path / "bert", adapter=adapter, device="cpu")
    with pytest.raises(ValueError, match="adapter and quantization are for models that are loaded"):
        load_model(random_model("llama"), adapter=adapter)
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ImportError, match=r"needs the package peft: pip install peft"):
        load_model(base, adapter=adapter, device="cpu")


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_model_with_lora_has_values_and_attributions_but_no_rows(architecture):
    made = random_model(architecture)
    wrapped = lora(made.hf_model, architecture)
    model = NeuronModel(wrapped, made.tokenizer)
    assert repr(model) == repr(random_model(architecture))
    values, score = model.activations(FACT), AMIG(steps=4).attribute(model, FACT)
    edits = [None, Edit([(0, 3), (1, 5)]), Edit([(2, 1)], scale=2.0)]
    probabilities = model.answer_probability(FACT, edits=edits)
    reason = r"has an adapter \(Linear\) beside its matrix. Merge it: .*merge_and_unload"
    with pytest.raises(UnsupportedModelError, match=reason):
        model.in_rows(0, [1])
    with (
        pytest.raises(UnsupportedModelError, match=reason),
        model.edited(Edit([(0, 3)], where="weights")),
    ):
        pass
    merged = NeuronModel(wrapped.merge_and_unload(), made.tokenizer)
    np.testing.assert_allclose(values, merged.activations(FACT), atol=1e-5)
    np.testing.assert_allclose(
        probabilities, merged.answer_probability(FACT, edits=edits), rtol=1e-4
    )
    expected = AMIG(steps=4).attribute(merged, FACT)
    np.testing.assert_allclose(score.scores, expected.scores, atol=1e-4 * expected.scores.max())
    assert score.value == pytest.approx(probabilities[0], rel=1e-5)
    assert merged.in_rows(0, [1]).shape == (1, merged.d_model)


def test_rows_without_lora_can_be_read():
    made = random_model("llama")
    expected = made.in_rows(0, path="gate")
    model = NeuronModel(lora(made.hf_model, "llama"), made.tokenizer)
    assert np.array_equal(model.in_rows(0, path="gate"), expected)


def test_prompt_tuning_is_refused():
    made = random_model("llama")
    config = peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(made.hf_model, config)
    with pytest.raises(UnsupportedModelError, match=r"PROMPT_TUNING.*get_base_model\(\)"):
        NeuronModel(wrapped, made.tokenizer)


def test_a_meta_model_says_what_it_lacks():
    made = random_model("llama")
    model = NeuronModel(made.hf_model.to("meta"), made.tokenizer)
    for ask in (lambda: model.answer_probability(FACT), lambda: model.activations(FACT)):
        with pytest.raises(UnsupportedModelError, match=r"on the device 'meta'.*Load the weights"):
            ask()


# Quantised checkpoints


def config_with(**about):
    return transformers.LlamaConfig(quantization_config=about)


@pytest.mark.parametrize(
    ("about", "method", "given"),
    [
        ({"quant_method": "mxfp4"}, "mxfp4", "Mxfp4Config"),
        ({"quant_method": "fp8"}, "fp8", "FineGrainedFP8Config"),
        ({"quant_method": "gptq", "bits": 4}, "gptq", None),
        ({"quant_method": "awq", "bits": 4}, "awq", None),
    ],
)
def test_what_is_dequantised(about, method, given):
    config = config_with(**about)
    assert method_of(config) == method
    how = quantization_for(config, None)
    assert (how and type(how).__name__) == given
    assert how is None or how.dequantize
    assert quantization_for(config, "keep") is None
    if given is None:
        with pytest.raises(ValueError, match=f"cannot de-quantise {method}"):
            quantization_for(config, "dequantize")
    with pytest.raises(ValueError, match=f"is quantised already \\({method}\\)"):
        quantization_for(config, "4bit")


def test_quantising_needs_bitsandbytes(monkeypatch):
    monkeypatch.setattr("neurotopo.models.quantized.find_spec", lambda name: None)
    plain = transformers.LlamaConfig()
    assert quantization_for(plain, None) is None
    assert quantization_for(plain, "dequantize") is None
    for config, quantization in (
        (plain, "4bit"),
        (config_with(quant_method="bitsandbytes", load_in_4bit=True), None),
    ):
        with pytest.raises(ImportError, match="needs the package bitsandbytes"):
            quantization_for(config, quantization)
    with pytest.raises(ValueError, match="quantization must be None, one of 'dequantize'"):
        quantization_for(plain, "3bit")
    own = object()
    assert quantization_for(plain, own) is own


def test_bitsandbytes_is_dequantised_after_loading():
    class Model:
        config = config_with(quant_method="bitsandbytes", load_in_8bit=True)
        hf_quantizer, is_quantized = "quantizer", True

        def dequantize(self):
            self.done = True
            return self

    model = dequantized(Model(), None)
    assert model.done
    assert method_of(model.config) is None
    assert not model.is_quantized
    Model.config = config_with(quant_method="bitsandbytes", load_in_8bit=True)
    assert not hasattr(dequantized(Model(), "keep"), "done")


class QuantLinear(torch.nn.Module):
    """Like the modules of GPTQ and AWQ: packed weights, sizes, and a kernel."""

    def __init__(self, linear):
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("qweight", torch.zeros(4, 4, dtype=torch.int32))
        self._kernel = [linear]

    def forward(self, x):
        return self._kernel[0](x)


def test_packed_weights_have_values_and_no_rows():
    plain, packed = random_model("llama"), random_model("llama")
    for layer in packed.hf_model.model.layers:
        for name in ("up_proj", "gate_proj", "down_proj"):
            setattr(layer.mlp, name, QuantLinear(getattr(layer.mlp, name)))
    model = NeuronModel(packed.hf_model, packed.tokenizer)
    assert (model.n_neurons, model.d_model) == (plain.n_neurons, plain.d_model)
    assert np.array_equal(model.activations(FACT), plain.activations(FACT))
    edits = [Edit([(0, 3)]), Edit([(1, 2)], scale=3.0)]
    np.testing.assert_allclose(
        model.answer_probability(FACT, edits=edits),
        plain.answer_probability(FACT, edits=edits),
        rtol=1e-5,
    )
    with pytest.raises(UnsupportedModelError, match=r"quantised weights \(QuantLinear, int32\)"):
        model.out_rows(0)


def test_fp8_is_dequantised_on_loading_and_refused_from_disk(tmp_path):
    """A checkpoint of DeepSeek's kind, written by hand: float8 blocks with scales."""
    from safetensors.torch import load_file, save_file

    made = random_model("llama")
    made.hf_model.save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    for name in list(tensors):
        if name.endswith("_proj.weight"):
            scale = tensors[name].abs().max() / 448
            tensors[name] = (tensors[name] / scale).to(torch.float8_e4m3fn)
            tensors[f"{name}_scale_inv"] = scale.reshape(1, 1)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "activation_scheme": "dynamic",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match=r"is quantised \(fp8\), so its rows"):
        CheckpointRows(tmp_path)
    model = load_model(tmp_path, dtype="float32", device="cpu")
    stored = tensors["model.layers.1.mlp.up_proj.weight"].float()
    scale = tensors["model.layers.1.mlp.up_proj.weight_scale_inv"]
    np.testing.assert_allclose(model.in_rows(1), (stored * scale).numpy(), rtol=1e-2, atol=1e-6)
    assert np.abs(model.in_rows(1) - made.in_rows(1)).max() < 0.1 * np.abs(made.in_rows(1)).max()
    assert method_of(model.hf_model.config) is None
