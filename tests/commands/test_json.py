"""With --json a command prints one JSON document, and nothing else, on standard output."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer

from neurotopo.cli import main
from neurotopo.commands.app import app
from neurotopo.commands.common import print_json
from neurotopo.models.examples import random_model
from neurotopo.studies.study import Study
from tests.support.commands import CHOSEN, FACTS, words

PROGRAM = typer.main.get_command(app)
SERVES = {"app"}  # runs until it is ended and has no result


def commands(group=PROGRAM):
    for name, command in group.commands.items():
        yield from commands(command) if hasattr(command, "commands") else [(name, command)]


def printed(arguments, capfd, status=0):
    """Run a command; return the only line on standard output, read as JSON."""
    assert main([*map(str, arguments), "--json"]) == status
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=pytest.fail)


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("x,y\n0,0\n0,1\n9,9\n9,8\n5,0\n")
    return path


@pytest.mark.parametrize("name", [name for name, _ in commands() if name not in SERVES])
def test_every_command_can_print_json(name):
    (command,) = (command for each, command in commands() if each == name)
    assert "--json" in [flag for param in command.params for flag in param.opts]


def test_numbers_that_json_lacks(capfd):
    print_json({"a": (np.float64("inf"), np.arange(2)), "b": {1: float("nan")}, "c": "é"})
    assert capfd.readouterr().out == '{"a": [null, [0, 1]], "b": {"1": null}, "c": "é"}\n'


def test_a_file_of_points(points, capfd):
    found = printed(["explore", points, "--paper"], capfd)
    assert found["labels"] == [1, 1, 0, 0, -1]
    assert [each["size"] for each in found["clusters"]] == [2, 2]
    assert [each["birth"] for each in found["clusters"]] == [1.0, 1.0]
    assert found["files"] == [str(points.with_suffix(".explore.html"))]
    assert found["warnings"] == []


def test_an_error_prints_no_document(points, capfd):
    assert main(["explore", str(points.with_name("none.csv")), "--json"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("neurotopo: ")


def test_the_neurons_of_a_model(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("neurotopo.commands.cluster.pictures", lambda *_, **__: ())
    out = tmp_path / "clusters"
    found = printed(["cluster", "testbed:gpt2", "--top", "3", "--out", out], capfd)
    assert [each["rank"] for each in found["clusters"]] == [0, 1, 2]
    assert found["n_neurons"] > found["n_clusters"] > 3
    assert str(out / "tree.npz") in found["files"]


def test_a_model_that_is_converted(tmp_path, capfd):
    model = random_model("gpt2", n_layers=2)
    model.hf_model.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    capfd.readouterr()
    found = printed(["convert", tmp_path / "model", tmp_path / "copy"], capfd)
    assert found["folder"] == str(tmp_path / "copy")
    assert found["dtype"] == "float32"
    assert found["bytes"] == sum(path.stat().st_size for path in (tmp_path / "copy").iterdir())


@pytest.mark.parametrize(
    "graph", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["graph", "models"]
)
def test_the_demo(graph, tmp_path, capfd, monkeypatch):
    if not graph:
        monkeypatch.setattr("neurotopo.commands.demo.MODELS", {"null": "untrained"})
        monkeypatch.setattr(Study, "draw", lambda *_: {})
    more = ["--graph"] if graph else ["--facts", "2"]
    found = printed(["demo", "--out", tmp_path / "demo", *more], capfd)
    if graph:
        assert {each["size"] for each in found["clusters"]} == {20, 16, 14, 12}
    else:
        assert any("null: no" in finding for finding in found["findings"])
    assert len(found["files"]) > 1


@pytest.mark.usefixtures("no_report")
def test_a_run_and_its_report(done, capfd):
    again = printed(words(done, *CHOSEN), capfd)
    assert again["study"] == "acquisition"
    assert again["facts"] == {"asked": 4, "done": 4, "failed": 0}
    assert not again["interrupted"]
    assert again["findings"]
    assert {"table1", "controls"} <= set(again["tables"])
    assert str(done / "report.html") in again["files"]
    assert printed(["report", done], capfd) == again


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_an_audit(tmp_path, capfd):
    given = ["audit", "testbed:planted", "--facts", "factworld:12", "--groups", "oracle"]
    given += ["--out", tmp_path / "judged", "--quick", "--no-check"]
    assert printed(given, capfd)["study"] == "audit"


@pytest.mark.usefixtures("no_report")
def test_an_interrupted_run_prints_what_it_has(tmp_path, capfd, at_fact):
    at_fact(FACTS[1].key, KeyboardInterrupt())
    found = printed(words(tmp_path / "run"), capfd, status=130)
    assert found["interrupted"]
    assert found["facts"]["done"] == 1
