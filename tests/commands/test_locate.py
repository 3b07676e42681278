"""``neurotopo locate``: what it prints and writes is what the library finds."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from neurotopo import AMIG, Fact, NeuronSet
from neurotopo.cli import main
from neurotopo.commands import locate as command
from neurotopo.knowledge.locate import locate
from neurotopo.knowledge.other_attributions import ActivationAttribution
from neurotopo.models.examples import random_model
from tests.support.commands import refuses, rows_of

PROMPT, ANSWER = "The capital of France is _X_", "Paris"
ASK = ["--prompt", PROMPT, "--answer", ANSWER]
FACTS = (
    Fact(PROMPT, ANSWER),
    Fact("Ada works for", ["Acme", "Rovers"], id="ada [b]"),
    Fact("The capital of Italy is _X_", "Rome"),
)
FILES = {"neurons.csv", "attribution.json", "scores.png", "scores.svg", "run.json"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of small models with their tokenizers."""
    folders = {}
    for kind in ("gpt2", "bert"):
        folders[kind] = str(tmp_path_factory.mktemp("models") / kind)
        model = random_model(kind)
        model.hf_model.save_pretrained(folders[kind])
        model.tokenizer.save_pretrained(folders[kind])
    return folders


@pytest.fixture
def facts_file(tmp_path):
    path = tmp_path / "facts.jsonl"
    lines = [json.dumps(fact.to_dict()) for fact in FACTS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(command, "_pictures", lambda *_: {})


@pytest.mark.parametrize(
    ("kind", "arguments", "amig"),
    [
        ("gpt2", [], AMIG()),
        (
            "gpt2",
            ["--fast", "--rule", "top", "--threshold", "30"],
            AMIG.fast(rule="top", threshold=30),
        ),
        (
            "bert",
            [
                "--steps",
                "3",
                "--quadrature",
                "midpoint",
                "--baseline",
                "per-token",
                "--target",
                "log",
                "--scope",
                "layer",
                "--threshold",
                "0.5",
            ],
            AMIG(
                steps=3,
                quadrature="midpoint",
                baseline="per-token",
                target="log",
                scope="layer",
                threshold=0.5,
            ),
        ),
        ("bert", ["--method", "activation"], ActivationAttribution()),
    ],
    ids=["default", "fast", "all options", "activation"],
)
def test_the_neurons_of_a_prompt(kind, arguments, amig, models, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert main(["locate", models[kind], *ASK, *arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    found = amig.attribute(random_model(kind), FACTS[0])
    neurons = found.neurons(amig.threshold, amig.rule, amig.scope)
    expected = found.to_pandas(None)
    pairs = expected[["layer", "index"]].itertuples(index=False, name=None)
    expected = expected[[pair in neurons for pair in pairs]]

    written = pd.read_csv(out / "neurons.csv")
    assert written[["layer", "index"]].to_numpy().tolist() == (
        expected[["layer", "index"]].to_numpy().tolist()
    )
    np.testing.assert_allclose(written["score"], expected["score"], rtol=1e-5)
    rows = rows_of(printed.out)
    assert len(rows) == min(len(expected), 20) > 0
    for row, (_, wanted) in zip(rows, expected.iterrows(), strict=False):
        assert row[:2] == [f"{wanted['layer']:.0f}", f"{wanted['index']:.0f}"]
        assert float(row[2]) == pytest.approx(wanted["score"], rel=1e-4)
    assert f"{len(neurons)} neurons for 1 fact\n" in printed.out
    assert {path.name for path in out.iterdir()} == FILES
    for path in out.iterdir():
        assert f"wrote {path}" in printed.out
    assert printed.err == ""

    (wording,) = json.loads((out / "attribution.json").read_text(encoding="utf-8"))["wordings"]
    assert (wording["prompt"], wording["answer"]) == (PROMPT, ANSWER)
    assert wording["value"] == pytest.approx(found.value, rel=1e-5)
    np.testing.assert_allclose(wording["sum_of_scores"], found.scores.sum(axis=1), rtol=1e-4)
    starts = [np.nan if x is None else x for x in wording["start_values"]]
    np.testing.assert_allclose(starts, found.start_values, rtol=1e-4)
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(out / "scores.svg").getroot().tag.endswith("svg")
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert run["attributor"]["rule"] == amig.rule
    assert (run["n_facts"], run["n_empty"]) == (1, 0)


@pytest.mark.usefixtures("no_pictures")
def test_the_neurons_of_a_file_and_going_on(models, facts_file, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    arguments = ["locate", models["gpt2"], "--facts", str(facts_file), "--steps", "2"]
    assert main([*arguments, "--out", str(out), "--top", "2"]) == 0
    printed = capsys.readouterr().out
    located = locate(random_model("gpt2"), FACTS, AMIG(steps=2))
    written = pd.read_csv(out / "neurons.csv")
    for key, neurons in located.neurons.items():
        rows = written[written["key"] == key]
        assert NeuronSet(zip(rows["layer"], rows["index"], strict=True)) == neurons
    rows = rows_of(printed)
    assert [row[0] for row in rows] == [PROMPT, "", "ada [b]", "", FACTS[2].prompt, ""]
    assert f"wrote {out / 'located.jsonl'}" in printed

    calls = []
    attribute = AMIG.attribute_many
    monkeypatch.setattr(
        AMIG,
        "attribute_many",
        lambda self, model, facts: calls.extend(facts) or attribute(self, model, facts),
    )
    lines = (out / "located.jsonl").read_bytes().splitlines(keepends=True)
    (out / "located.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:9])
    assert main([*arguments, "--out", str(out), "--quiet"]) == 0
    assert len(calls) == 1
    assert len(rows_of(capsys.readouterr().out)) == sum(
        min(len(neurons), 3) for neurons in located.neurons.values()
    )
    # batches of other sizes may differ by rounding
    pd.testing.assert_frame_equal(pd.read_csv(out / "neurons.csv"), written, rtol=1e-5)

    assert main([*arguments[:-1], "3", "--out", str(out)]) == 2
    assert "steps was 2 and is 3" in capsys.readouterr().err


def test_the_picture_of_several_facts(models, facts_file, tmp_path):
    out = tmp_path / "out"
    arguments = ["--facts", str(facts_file), "--steps", "1", "--out", str(out), "-q"]
    assert main(["locate", models["gpt2"], *arguments]) == 0
    assert "<!-- mean over 3 facts -->" in (out / "scores.svg").read_text(encoding="utf-8")


def test_facts_of_a_table_and_of_the_test_bed(models, tmp_path, capsys):
    path = tmp_path / "facts.csv"
    path.write_text("prompt,answers,id\nThe capital of France is _X_,Paris,fr\n", encoding="utf-8")
    options = ["--steps", "1", "--json"]
    assert main(["locate", models["gpt2"], "--facts", str(path), *options]) == 0
    assert [fact["key"] for fact in json.loads(capsys.readouterr().out)["facts"]] == ["fr"]
    assert main(["locate", "testbed:gpt2", "--facts", "factworld:2", *options]) == 0
    assert len(json.loads(capsys.readouterr().out)["facts"]) == 2


def test_dollars_in_a_prompt_are_no_mathematics(models, tmp_path):
    prompt = "The capital $ of $\\frac is"
    arguments = ["--prompt", prompt, "--answer", "Paris", "--steps", "1", "--out", str(tmp_path)]
    assert main(["locate", models["gpt2"], *arguments, "-q"]) == 0
    assert (tmp_path / "scores.png").exists()


def test_json_and_nothing_else(models, capsys):
    wordings = ["--prompt", PROMPT, "--prompt", "Paris is _X_ of France", "--answer", ANSWER]
    options = ["--answer", "Rome", "--combine", "union", "--steps", "2", "--json"]
    assert main(["locate", models["bert"], *wordings, *options]) == 0
    report = json.loads(capsys.readouterr().out)
    group = [Fact(prompt, [ANSWER, "Rome"]) for prompt in (PROMPT, "Paris is _X_ of France")]
    located = locate(random_model("bert"), [group], AMIG(steps=2), combine="union")
    (fact,) = report["facts"]
    assert [tuple(pair) for pair in fact["neurons"]] == list(located.neurons[group[0].key])
    assert set(fact["shares"]) <= {0.5, 1.0}
    assert len(report["wordings"]) == 2
    assert report["model"]["n_layers"] == 3
    assert report["n_empty"] == 0


def test_a_table_of_wordings_shows_their_share(models, capsys):
    wordings = ["--prompt", PROMPT, "--prompt", "Paris is _X_ of France", "--answer", ANSWER]
    assert main(["locate", models["bert"], *wordings, "--share", "0.2", "--steps", "2", "-q"]) == 0
    assert {row[3] for row in rows_of(capsys.readouterr().out)} <= {"0.50", "1.00"}


def test_no_neuron_is_a_result(models, tmp_path, capsys):
    options = ["--rule", "absolute", "--threshold", "2", "--steps", "1", "--out", str(tmp_path)]
    assert main(["locate", models["gpt2"], *ASK, *options]) == 0
    printed = capsys.readouterr().out
    assert "no neuron has a score above the threshold" in printed
    assert "0 neurons for 1 fact without any" in printed
    assert len(pd.read_csv(tmp_path / "neurons.csv")) == 0
    assert (tmp_path / "scores.png").exists()


def test_a_coarse_integration_is_not_passed_over(models, capsys):
    assert main(["locate", models["gpt2"], *ASK, "--steps", "1"]) == 0
    assert "the integration is coarse" in capsys.readouterr().out
    assert main(["locate", models["gpt2"], *ASK, "--fast"]) == 0
    assert "coarse" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "arguments", "said"),
    [
        ("gpt2", [], "give --prompt and --answer, or a file of facts with --facts"),
        ("gpt2", ["--prompt", "Who?"], "give --prompt and --answer"),
        ("gpt2", [*ASK, "--facts", "facts.jsonl"], "not both"),
        ("gpt2", ["--facts", "nothing.jsonl"], "nothing.jsonl"),
        ("gpt2", ["--facts", "broken.jsonl"], "broken.jsonl, line 1: not JSON"),
        ("gpt2", ["--prompt", " ", "--answer", "Paris"], "prompt"),
        ("gpt2", ["--prompt", "_X_ barks at dogs in a way", "--answer", "Ada"], "Fact '_X_ barks"),
        ("gpt2", [*ASK, "--method", "guess"], "--method must be one of amig"),
        ("gpt2", [*ASK, "--method", "activation", "--steps", "3"], "--steps has no meaning"),
        ("gpt2", [*ASK, "--method", "random", "--fast"], "--fast has no meaning"),
        ("gpt2", [*ASK, "--fast", "--steps", "3"], "--fast chooses"),
        ("gpt2", [*ASK, "--steps", "0"], "steps must be at least 1"),
        ("gpt2", [*ASK, "--quadrature", "simpson"], "quadrature must be one of"),
        ("gpt2", [*ASK, "--baseline", "noise"], "baseline must be one of"),
        ("gpt2", [*ASK, "--target", "rank"], "target must be one of"),
        ("gpt2", [*ASK, "--rule", "best"], "rule must be one of"),
        ("gpt2", [*ASK, "--scope", "head"], "scope must be one of"),
        ("gpt2", [*ASK, "--combine", "some"], "combine must be one of"),
        ("gpt2", [*ASK, "--share", "1"], "share must be"),
        ("gpt2", [*ASK, "--top", "0"], "--top"),
        ("gpt2", [*ASK, "--device", "nowhere"], "--device nowhere cannot be used"),
        ("gpt2", [*ASK, "--dtype", "int7"], "dtype must be one of"),
        ("./nothing", ASK, "does not exist"),
        ("broken.jsonl", ASK, "is no GGUF file"),
        ("testbed:nothing", ASK, "there is no built-in model"),
        ("nobody/nothing", ASK, "cannot load 'nobody/nothing'"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    place, arguments, said, models, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    out = tmp_path / "out"
    refuses(["locate", models.get(place, place), *arguments, "--out", str(out)], capfd, said)
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_found_out_first(models, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(command.LocateOptions, "load_model", None)  # not to be reached
    assert main(["locate", models["gpt2"], *ASK, "--out", str(tmp_path / "file")]) == 2
    assert f"cannot write to the folder {tmp_path / 'file'}" in capsys.readouterr().err
