"""Hostile files end in one sentence; the promises of SECURITY.md each have a test."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from neurotopo import load_model
from neurotopo.datasets import load_facts
from neurotopo.models.examples import random_model
from neurotopo.neurons import load_groups
from neurotopo.report.run_file import read_run

ROOT = Path(__file__).resolve().parent.parent
DEEP = "[" * 200_000
READERS = {"facts.jsonl": load_facts, "groups.json": load_groups, "run.json": read_run}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", [DEEP, "", "[]", "null", "\x00", '{"a": NaN}', '{"a": {}}'])
def test_nested_files_are_one_sentence(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises((ValueError, TypeError)) as caught:
        READERS[name](path)
    assert name in str(caught.value)


@pytest.fixture
def folder(tmp_path):
    model = random_model("llama")
    for part in (model.hf_model, model.tokenizer):
        part.save_pretrained(tmp_path)
    return tmp_path


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def test_pickled_weights_are_read_only_on_request(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(OSError, match="use_safetensors=False"):
        load_model(folder)
    with pytest.raises(OSError, match="cannot load a model from the folder"):
        load_model(folder, use_safetensors=False)  # still without running what is in it
    assert not (folder / "touched").exists()


def test_code_of_a_model_does_not_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    config["model_type"] = "own"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("open('touched', 'w').close()")
    with pytest.raises(OSError, match="trust_remote_code"):
        load_model(folder)
    assert not (folder / "touched").exists()


def test_a_tensor_of_another_shape_is_one_sentence(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if "up_proj" in name)
    tensors[name] = tensors[name][:5].contiguous()
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(OSError, match="cannot load a model from the folder"):
        load_model(folder)


def test_every_promise_names_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 10
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert all("::test_" in row for row in rows)
