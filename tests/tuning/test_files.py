"""Rows on disk: small, exact, and refused where they do not belong."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from neurotopo import NeuronSet
from neurotopo.models.fingerprint import fingerprint
from neurotopo.tuning import NeuronTuner
from tests.support import zoo
from tests.support.tuning import NEURONS, batch, bits, logits_of, same_bits, small, train


@pytest.fixture
def saved(tmp_path):
    with NeuronTuner(small(), NEURONS) as tuner:
        train(tuner.model, tuner.parameters(), 3)
        tuner.save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_saved_loaded_and_merged_is_the_same_model(kind, dtype, tmp_path):
    model, base = small(kind, dtype=dtype), small(kind, dtype=dtype)
    tokens = batch(model)
    tuner = NeuronTuner(model, NEURONS)
    train(model, tuner.parameters(), 3)
    tuner.save(tmp_path)
    logits = logits_of(model, tokens)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "rows.safetensors"]
    again = NeuronTuner.from_folder(base, tmp_path)
    assert again.neurons == NEURONS
    assert torch.equal(logits_of(base, tokens), logits)
    again.merge()
    assert torch.equal(logits_of(base, tokens), logits)
    tuner.merge()
    assert same_bits(bits(base), bits(model))
    again.remove()
    assert same_bits(bits(base), bits(small(kind, dtype=dtype)))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_full_checkpoint_is_rebuilt_exactly(kind, tmp_path):
    model, base = small(kind), small(kind)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 3)
        tuner.save(tmp_path / "rows")
        model.hf_model.save_pretrained(tmp_path / "attached")
        tuner.merge()
        model.hf_model.save_pretrained(tmp_path / "merged")
    with NeuronTuner.from_folder(base, tmp_path / "rows") as again:
        again.merge()
    for folder in ("attached", "merged"):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / folder)
        assert same_bits(loaded.state_dict(), bits(base))
        files = {name.name: name.read_bytes() for name in (tmp_path / folder).glob("*.safetensors")}
        assert files == {
            name.name: name.read_bytes() for name in (tmp_path / "merged").glob("*.safetensors")
        }


@pytest.mark.parametrize("name", ["falcon", "gemma2", "distilbert", "opt"])
def test_other_families(name, tmp_path):
    model, base = zoo.build(name), zoo.build(name)
    tokens = batch(model)
    with NeuronTuner(model, NEURONS, bias=False) as tuner:
        train(model, tuner.parameters(), 2)
        tuner.save(tmp_path)
        logits = logits_of(model, tokens)
    with NeuronTuner.from_folder(base, tmp_path) as again:
        assert torch.equal(logits_of(base, tokens), logits)
        assert same_bits(again.state(), tuner.state())


def test_loading_takes_rows_back_into_the_same_tuner(saved):
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        tuner.load(saved)
        first = tuner.state()
        train(model, tuner.parameters(), 2)
        tuner.load(saved)
        assert same_bits(tuner.state(), first)
        tuner.merge()
        with pytest.raises(RuntimeError, match="merged and cannot load rows"):
            tuner.load(saved)


def test_rows_may_be_saved_after_the_tuner_is_gone(saved, tmp_path):
    for end in ("merge", "remove"):
        tuner = NeuronTuner(small(), NEURONS)
        train(tuner.model, tuner.parameters(), 3)
        getattr(tuner, end)()
        before = bits(tuner.model)
        tuner.save(tmp_path / end)
        assert same_bits(bits(tuner.model), before)
        for name in ("config.json", "rows.safetensors"):
            assert (tmp_path / end / name).read_bytes() == (saved / name).read_bytes()


def test_the_files_grow_with_the_neurons(tmp_path):
    sizes = {}
    for count in (1, 11, 21):
        neurons = NeuronSet([(layer, index) for layer in range(3) for index in range(count)])
        with NeuronTuner(small(), neurons) as tuner:
            tuner.save(tmp_path / str(count))
            rows = (tmp_path / str(count) / "rows.safetensors").stat().st_size
            sizes[count] = rows - 4 * tuner.n_parameters
            config = (tmp_path / str(count) / "config.json").stat().st_size
            assert config < 1200 + 8 * len(neurons)
    # beside the numbers themselves there is the header, which hardly grows
    assert max(sizes.values()) < 1200
    assert max(sizes.values()) - min(sizes.values()) < 150


def test_the_configuration_says_what_the_rows_are_of(saved):
    content = json.loads((saved / "config.json").read_text())
    assert content["neurons"] == {"0": [3, 7], "2": [0, 5, 23]}
    assert content["model"]["digest"] == fingerprint(small()).digest
    assert content["shape"] == {
        "family": "GPT-2",
        "layers": 3,
        "neurons": 24,
        "width": 12,
        "dtype": "float32",
    }
    assert content["version"] == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: small(seed=1), "another model: its weights are not the same"),
        (lambda: small("llama"), "its family is GPT-2, and here it is LLaMA"),
        (lambda: small(dtype=torch.float64), "its dtype is float32, and here it is float64"),
        (lambda: zoo.build("gpt2"), "its width is 12, and here it is 16"),
    ],
)
def test_another_model_is_refused_and_left_as_it_is(saved, model, message):
    model = model()
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        NeuronTuner.from_folder(model, saved)
    assert same_bits(bits(model), before)
    assert "tuned_neurons" not in model.hf_model._modules


def test_another_configuration_is_refused(saved):
    model = small()
    model.hf_model.config.layer_norm_epsilon = 0.1
    with pytest.raises(ValueError, match="its configuration is not the same"):
        NeuronTuner.from_folder(model, saved)


def test_other_neurons_are_refused(saved):
    refused = pytest.raises(ValueError, match="of 5 neurons and the tuner trains 2, of which 1")
    with NeuronTuner(small(), [(0, 3), (1, 1)]) as tuner, refused:
        tuner.load(saved)
    refused = pytest.raises(ValueError, match="bias=True and the tuner has bias=False")
    with NeuronTuner(small(), NEURONS, bias=False) as tuner, refused:
        tuner.load(saved)


def test_broken_and_missing_files_are_named(saved, tmp_path):
    model = small()
    with pytest.raises(FileNotFoundError, match=r"there is no config\.json in .*nowhere"):
        NeuronTuner.from_folder(model, tmp_path / "nowhere")
    config, rows = saved / "config.json", saved / "rows.safetensors"
    text, content = config.read_text(), rows.read_bytes()

    def refused(message, kind=ValueError):
        with pytest.raises(kind, match=message):
            NeuronTuner.from_folder(model, saved)

    for wrong, message in [
        ("{", "was not written by a NeuronTuner"),
        ("[]", "was not written by a NeuronTuner"),
        ('{"kind": "x", "version": 1}', "was not written by a NeuronTuner"),
        (text.replace('"version": 1', '"version": 2'), "version 2, and only 1"),
        (text.replace('"neurons": {"0"', '"neurons": {"x"'), "is broken"),
        (text.replace("[3, 7]", "[3, 8]"), "were not written together"),
    ]:
        config.write_text(wrong)
        refused(message)
    config.write_bytes(b"\xff\xfe\xff")
    refused("was not written by a NeuronTuner")
    config.write_text(text)
    rows.write_bytes(content[:40])
    refused("truncated or no safetensors file")
    rows.unlink()
    refused(r"there is no rows\.safetensors", FileNotFoundError)
    rows.write_bytes(content)
    NeuronTuner.from_folder(model, saved).remove()
