"""``neurotopo testbed build``: the command trains what it is asked for."""

from __future__ import annotations

import gzip
import json

import pytest

from neurotopo import Fact, FactSet, load_model
from neurotopo.cli import main
from neurotopo.commands.testbed import BuildOptions, build_model
from neurotopo.models.recall import recalled
from neurotopo.testbed.recipe import RECIPES, Recipe
from neurotopo.testbed.snapshots import snapshots_of

FACTS = FactSet(
    Fact(f"The capital of {land} is _X_.", town, relation="P36", id=land)
    for land, town in (("Zúnia", "Osk"), ("Tarn", "Peko"), ("Brolland", "Marly"))
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A recipe of a second."""
    recipe = Recipe(
        "tiny",
        n_layers=2,
        d_model=32,
        n_inner=32,
        n_heads=2,
        vocab_size=300,
        epochs=20,
        batch_size=3,
        learning_rate=2e-3,
    )
    monkeypatch.setitem(RECIPES, "tiny", recipe)


@pytest.fixture
def facts_file(tmp_path):
    path = tmp_path / "facts.jsonl"
    FACTS.to_jsonl(path)
    return str(path)


@pytest.mark.parametrize("arch", ["gpt2", "llama", "bert"])
def test_a_model_of_a_file_of_facts(arch, facts_file, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    asked = ["testbed", "build", "tiny", "--arch", arch, "--facts", facts_file, "--out", str(out)]
    assert main(asked) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "100.0 %" in printed.out
    assert f"wrote {out}" in printed.out.replace("\n", "")
    model = load_model(out, device="cpu")
    assert model.hf_model.config.model_type == arch
    assert recalled(model, FactSet.from_jsonl(out / "facts.jsonl")).all()
    about = json.loads((out / "recipe.json").read_text())
    assert about["recipe"]["epochs"] == 5 * RECIPES["tiny"].epochs
    assert about["source"] == "facts.jsonl"
    assert main(asked) == 0
    assert "it was there already" in capsys.readouterr().out
    assert main([*asked, "--seed", "1"]) == 2
    error = capsys.readouterr().err
    assert "holds another model" in error
    assert error.count("\n") == 1
    assert main([*asked, "--seed", "1", "--epochs", "2", "--overwrite", "--quiet"]) == 0
    assert "wrote" not in capsys.readouterr().out
    assert json.loads((out / "recipe.json").read_text())["recipe"]["epochs"] == 2


@pytest.mark.slow
def test_a_model_of_the_world(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "tiny", RECIPES["tiny"].changed(batch_size=256))
    assert main(["testbed", "build", "tiny", "--epochs", "1"]) == 0
    about = json.loads((tmp_path / "testbed_tiny" / "recipe.json").read_text())
    assert about["source"] == "FactWorld"
    assert [(s["language"], s["wordings"]) for s in about["scores"]] == [
        ("en", "trained"),
        ("fr", "trained"),
        ("en", "held out"),
        ("fr", "held out"),
    ]
    assert capsys.readouterr().out.count("%") == 4


@pytest.mark.parametrize("name", ["planted", "functional"])
def test_a_model_with_groups(name, facts_file, tmp_path):
    out = tmp_path / "out"
    asked = ["testbed", "build", name, "--facts", facts_file, "--epochs", "1", "--out", str(out)]
    assert main([*asked, "--snapshots", "1"]) == 0
    model = load_model(out, device="cpu")
    (snapshot,) = snapshots_of(out)
    assert load_model(snapshot, device="cpu").planted_groups == model.planted_groups
    groups = model.planted_groups
    assert len(groups) > 1
    assert sum(len(group) for group in groups) == model.n_layers * model.n_neurons
    assert len(set().union(*groups)) == model.n_layers * model.n_neurons


@pytest.mark.parametrize("packed", [False, True])
def test_a_model_of_templama(packed, tmp_path):
    chairs = [
        ("Osk", {"wikidata_id": "Q1", "name": "Ada Brünn"}),
        ("Tarn", {"wikidata_id": "Q2", "name": "Bo Kell"}),
    ]
    records = [
        {
            "query": f"_X_ is the chair of {where}.",
            "answer": [who],
            "date": "2018",
            "id": f"{who['wikidata_id']}_P488_2018",
            "most_frequent_answer": who,
            "most_recent_answer": who,
            "relation": "P488",
        }
        for where, who in chairs
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    path = tmp_path / ("templama.json.gz" if packed else "templama.json")
    path.write_bytes(gzip.compress(lines) if packed else lines)
    done = build_model(BuildOptions("tiny", facts=path, out=tmp_path / "out"))
    assert [(s.wordings, s.n, s.exact) for s in done.scores] == [("trained", 2, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt3"], "there is no recipe 'gpt3'"),
        (["--arch", "t5"], "there is no recipe 't5'"),
        (["tiny", "--arch", "t5"], "arch must be one of gpt2, llama, bert"),
        (["--facts", "nowhere.jsonl"], "No such file"),
        (["--epochs", "0"], "epochs"),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["testbed", "build", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_broken_file_is_named(tmp_path, capsys):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"prompt": "Osk is _X_", "answers": ["big"]}\n{"prompt": "Osk is"}\n')
    assert main(["testbed", "build", "tiny", "--facts", str(path)]) == 2
    assert "facts.jsonl, line 2" in capsys.readouterr().err


def test_without_a_command_there_is_help(capsys):
    assert main(["testbed"]) == 2
    printed = capsys.readouterr()
    assert "Usage: neurotopo testbed" in printed.out
    assert printed.err == ""


def test_help_has_examples(capsys):
    assert main(["testbed", "build", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "neurotopo testbed build gpt2 --out my_gpt2" in " ".join(printed.split())
