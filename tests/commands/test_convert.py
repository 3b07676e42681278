"""``neurotopo convert``, and the options for models that all commands share."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import peft
import pytest
import transformers

from neurotopo import load_model
from neurotopo.cli import main
from neurotopo.commands.convert import ConvertOptions
from neurotopo.commands.options import ClusterOptions, LocateOptions, ModelOptions
from neurotopo.commands.study import RunOptions
from neurotopo.models import saved
from neurotopo.models.examples import random_model
from neurotopo.studies.option_help import option_help
from neurotopo.studies.study import MODEL_SETTINGS, SUBJECTS, study_named
from tests.support.commands import CHOSEN, MODEL, refuses, words

SECRET = "hf_verysecret"


@pytest.fixture
def folder(tmp_path):
    made = random_model("llama")
    for part in (made.hf_model, made.tokenizer):
        part.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_built_in_model_keeps_its_groups(tmp_path, capsys):
    out = tmp_path / "new" / "planted"
    assert main(["convert", "testbed:planted", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"wrote {out}: ")
    assert "MB in float32; loaded again, with the same logits" in printed.out
    assert printed.err == ""
    original, again = load_model("testbed:planted", device="cpu"), load_model(out, device="cpu")
    assert again.planted_groups == original.planted_groups
    assert np.array_equal(again.in_rows(1), original.in_rows(1))
    assert [each.name for each in out.parent.iterdir()] == ["planted"]


def test_an_adapter_is_merged_into_the_copy(folder, tmp_path):
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = peft.LoraConfig(r=2, target_modules=["up_proj"], init_lora_weights=False)
    peft.get_peft_model(loaded, config).save_pretrained(tmp_path / "lora")
    out = tmp_path / "out"
    given = ["convert", str(folder), str(out), "--adapter", str(tmp_path / "lora"), "--quiet"]
    assert main(given) == 0
    expected = load_model(folder, adapter=tmp_path / "lora", device="cpu")
    again = load_model(out, device="cpu")
    assert np.array_equal(again.in_rows(0), expected.in_rows(0))
    assert not np.allclose(again.in_rows(0), load_model(folder, device="cpu").in_rows(0))


def test_a_folder_is_replaced_only_with_force_and_only_if_it_is_a_model(folder, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    given = ["convert", str(folder), str(out)]
    assert main(given) == 0  # an empty folder
    capsys.readouterr()
    refuses(given, capsys, "is not empty; give another folder or --force")
    (out / "old.txt").write_text("old")
    assert main([*given, "--force"]) == 0
    assert not (out / "old.txt").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    capsys.readouterr()
    refuses(["convert", str(folder), str(mine), "--force"], capsys, "holds no model, so --force")
    assert (mine / "thesis.txt").read_text() == "mine"
    refuses(["convert", str(folder), str(mine / "thesis.txt")], capsys, "is a file; give a folder")


def test_a_copy_that_computes_something_else_is_not_kept(folder, tmp_path, capsys, monkeypatch):
    whole, count = saved.probe_logits, iter(range(9))
    monkeypatch.setattr(
        saved,
        "probe_logits",
        lambda *given: [(ids, logits + i) for i in [next(count)] for ids, logits in whole(*given)],
    )
    refuses(["convert", str(folder), str(tmp_path / "out")], capsys, "computes other logits")
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", [ClusterOptions, LocateOptions, RunOptions, ConvertOptions])
def test_every_command_passes_every_option_on(kind, monkeypatch):
    needed = {"folder": None, "study": "acquisition", "out": None, "model": "gpt2"}
    own = {each.name for each in fields(kind)}
    required = {name: value for name, value in needed.items() if name in own}
    given = {
        "device": "cpu",
        "dtype": "float64",
        "batch_size": 3,
        "adapter": "a",
        "quantization": "keep",
        "prompting": "chat",
        "revision": "r",
        "token": SECRET,
        "trust_remote_code": True,
    }
    options = kind(**required, **given)
    assert options.loading() == given
    assert SECRET not in json.dumps(options.to_dict(), default=str)
    assert kind(**required).loading().keys() <= {"dtype"}
    assert {*given, "device_map"} == {*MODEL_SETTINGS}
    seen = {}
    monkeypatch.setattr(
        "neurotopo.models.loading.load_model", lambda name, **more: seen.update(more, name=name)
    )
    options.load_model(device=None)
    assert seen == {**given, "device": None, "name": "gpt2"}


@pytest.mark.usefixtures("no_report")
def test_no_file_holds_the_token(tmp_path, capfd):
    for out, how in (("a", ["--token", SECRET]), ("b", [f"--token={SECRET}"])):
        assert main(words(tmp_path / out, *CHOSEN, *how, facts="factworld:1")) == 0
        about = json.loads((tmp_path / out / "run.json").read_text())
        assert "***" in " ".join(about["settings"]["command"])
    prompt = ["--prompt", "Arlo Benno is from _X_", "--answer", "Kolvia", "--fast"]
    located = ["locate", MODEL, *prompt, "--out", str(tmp_path / "c"), "--token", SECRET]
    assert main(located) == 0
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 6
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), file
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err


@pytest.mark.usefixtures("no_report")
def test_a_resumed_run_with_another_adapter_is_refused(folder, tmp_path, capsys):
    facts = tmp_path / "facts.jsonl"
    line = {"prompt": "The capital of France is _X_", "answers": ["Paris"]}
    facts.write_text(json.dumps(line) + "\n")
    for seed in (0, 1):
        loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
        config = peft.LoraConfig(r=2, target_modules=["up_proj"], init_lora_weights=False)
        transformers.set_seed(seed)
        peft.get_peft_model(loaded, config).save_pretrained(tmp_path / f"lora-{seed}")
    given = words(tmp_path / "run", *CHOSEN, model=str(folder), facts=facts)
    assert main([*given, "--adapter", str(tmp_path / "lora-0")]) == 0
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["settings"]["adapter"] == str(tmp_path / "lora-0")
    assert len(about["model"]["source"]["adapter"]) == 16
    capsys.readouterr()
    refuses([*given, "--adapter", str(tmp_path / "lora-1")], capsys, "adapter")
    assert main([*given, "--adapter", str(tmp_path / "lora-0")]) == 0


@pytest.mark.parametrize("study", SUBJECTS)
def test_every_option_of_every_study_has_a_help_text(study):
    for about in option_help(study_named(study).Options):
        assert len(about.text) > 10, about.name
        assert "`" not in about.text
        assert "::" not in about.text


def test_the_help_of_a_study_lists_its_options(capsys):
    assert main(["run", "acquisition", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for text in ("--tau2 NUMBER", "[0.3]", "--n-pairs INTEGER", "--only-known YES|NO", "[no]"):
        assert text in printed
    assert "NUMBER,... Thresholds of NTC" in printed
    assert "Leave out facts that the model does not answer correctly." in printed
    assert "[dequantize, if possible]" in printed  # brackets are no markup
    assert main(["run", "--help"]) == 0
    assert "--tau2 NUMBER" not in capsys.readouterr().out
    assert main(["run", "--out", "learning", "--quick", "detection", "--help"]) == 0
    assert "Options of detection" in capsys.readouterr().out


@pytest.mark.usefixtures("no_report")
def test_options_of_a_study_are_flags_too(tmp_path, capsys):
    flags = ["--tau2", "0.4", "--n-pairs=5", "--only-known", "no", "--sweep-tau2", "0.1,0.2"]
    assert main(words(tmp_path / "run", *CHOSEN, *flags, facts="factworld:1")) == 0
    options = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert (options["tau2"], options["n_pairs"], options["only_known"]) == (0.4, 5, False)
    assert options["sweep_tau2"] == [0.1, 0.2]
    capsys.readouterr()
    refuses(words(tmp_path / "new", "--tau2", "much"), capsys, "tau2=much' must be a number")
    refuses(words(tmp_path / "new", "--lr", "1"), capsys, "--lr")  # of another study


def test_the_options_of_a_model_are_the_settings_of_a_study():
    assert {each.name for each in fields(ModelOptions)} - {"model"} == set(MODEL_SETTINGS)
