"""Loading: folders, names and models already there, and what is said when it fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

from neurotopo import Edit, Fact, NeuronModel, load_model
from neurotopo.models import UnsupportedModelError
from neurotopo.models.examples import random_model

FACT = Fact("The capital of France is _X_.", "Paris")


@pytest.fixture
def folder(tmp_path):
    model = random_model("gpt2")
    model.hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_loaded_model_is_taken_as_it_is(folder):
    made = random_model("gpt2")
    assert load_model(made).hf_model is made.hf_model
    assert load_model(made.hf_model, tokenizer=made.tokenizer).hf_model is made.hf_model
    again = load_model(made.hf_model, tokenizer=folder)
    assert again.answer_probability(FACT) == made.answer_probability(FACT)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert load_model(loaded).encode(FACT) == made.encode(FACT)
    with pytest.raises(ValueError, match="has no name or path"):
        load_model(made.hf_model)


def test_the_precision_can_be_chosen(folder):
    assert load_model(folder, dtype="bfloat16").dtype == torch.bfloat16
    double = load_model(str(folder), dtype=torch.float64, device="cpu")
    assert double.dtype == torch.float64
    assert double.in_rows(0).dtype == np.float64
    with pytest.raises(ValueError, match=r"dtype must be one of auto.*'float8'"):
        load_model(folder, dtype="float8")


def test_options_reach_the_model(folder):
    model = load_model(folder, batch_size=3, templates={"P1": "[Y] is _X_."})
    assert model.batch_size == 3
    assert model.templates == {"P1": "[Y] is _X_."}
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        load_model(folder, batch_size=0)
    with pytest.raises(ValueError, match="either device or device_map"):
        load_model(folder, device="cpu", device_map="auto")


def test_device_map_needs_accelerate(folder, monkeypatch):
    monkeypatch.setattr("neurotopo.models.loading.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="device_map='auto' needs the package accelerate"):
        load_model(folder, device_map="auto")


def test_an_unknown_built_in_model_is_named():
    with pytest.raises(ValueError, match="no built-in model 'testbed:nonsense'; built in are"):
        load_model("testbed:nonsense")


def test_a_name_that_leads_nowhere(monkeypatch, tmp_path):
    with pytest.raises(OSError, match="cannot load 'nobody/nothing': there is no such folder"):
        load_model("nobody/nothing", local_files_only=True)
    with pytest.raises(OSError, match="cannot load a model from the folder"):
        load_model(tmp_path)


def test_a_checkpoint_without_its_head_is_refused(tmp_path):
    made = random_model("llama")
    made.tokenizer.save_pretrained(tmp_path)
    made.hf_model.model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert not config["tie_word_embeddings"]
    with pytest.raises(OSError, match=r"has no weights for lm_head.weight \(1 in all\)"):
        load_model(tmp_path)


def test_an_electra_discriminator_has_no_head(tmp_path):
    sizes = {"hidden_size": 12, "intermediate_size": 24, "embedding_size": 8, "vocab_size": 40}
    config = transformers.ElectraConfig(num_hidden_layers=2, num_attention_heads=2, **sizes)
    transformers.ElectraForPreTraining(config).save_pretrained(tmp_path)
    random_model("bert").tokenizer.save_pretrained(tmp_path)
    with pytest.raises(OSError, match="saved without its language-model head"):
        load_model(tmp_path)


def test_an_unknown_architecture_is_refused_before_its_weights_are_read(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "mixtral"
    config["num_local_experts"] = 8
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="mixture-of-experts"):
        load_model(folder)


def test_damaged_weights_are_an_error(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(OSError, match="cannot load a model from the folder"):
        load_model(folder)


def test_rows_of_quantised_weights_are_refused_and_values_are_not():
    made = random_model("llama")
    layer = made.hf_model.model.layers[0].mlp
    plain = made.activations(FACT)
    layer.up_proj.weight = torch.nn.Parameter(
        layer.up_proj.weight.detach().to(torch.float8_e4m3fn), requires_grad=False
    )
    model = NeuronModel(made.hf_model, made.tokenizer)
    reason = r"layers.0.mlp.up_proj has quantised weights \(Linear, float8_e4m3fn\). Load the model"
    with pytest.raises(UnsupportedModelError, match=reason):
        model.in_rows(0, [3])
    assert (model.n_neurons, model.d_model, model.dtype) == (24, 12, torch.float32)
    assert model.out_rows(0, [3]).shape == (1, 12)
    weights = layer.up_proj.weight.float()
    layer.up_proj.forward = lambda x: x @ weights.T  # as a kernel for such weights would
    assert np.abs(model.activations(FACT) - plain).max() < 0.1 * np.abs(plain).max()
    assert 0 < model.answer_probability(FACT, edits=Edit([(0, 3)])) < 1
    with (
        pytest.raises(UnsupportedModelError, match=reason),
        model.edited(Edit([(0, 3)], where="weights")),
    ):
        pass
