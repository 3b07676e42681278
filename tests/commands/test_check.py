"""``neurotopo check``, and the presets and checks of the other commands."""

from __future__ import annotations

import json

import pytest

from neurotopo.cli import main
from neurotopo.studies import read_run

GIVEN = ("--facts", "factworld:12", "--quick", "--sample", "3", "--timed", "0", "--device", "cpu")


def test_the_table_and_the_advice(capsys):
    """The paper's selection finds few components on a fact of this model; the default does."""
    assert main(["check", "testbed:planted", *GIVEN, "--option", "threshold=0.9"]) == 1
    printed = capsys.readouterr().out
    assert "facts with two or more" in printed
    assert "- with threshold=0.9, rule=relative, scope=model, no components will be found" in (
        printed
    )
    assert main(["check", "testbed:planted", *GIVEN]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out
    assert main(["check", "testbed:planted", *GIVEN, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_json_has_everything(capsys):
    assert main(["check", "testbed:planted", *GIVEN, "--preset", "paper", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert found["selection"] == {"threshold": 0.2, "rule": "relative", "scope": "model"}
    assert len(found["facts"]) == 3
    assert found["n_known"] == found["n_asked"] == 12


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--study", "nothing"), "there is no study 'nothing'"),
        (("--preset", "papr"), "preset must be 'paper' or None, got 'papr'"),
        (("--option", "taux=1"), "--option must be NAME=VALUE"),
        (("--facts", "missing.jsonl"), "there is no file 'missing.jsonl'"),
    ],
)
def test_mistakes_are_one_sentence(more, message, capsys):
    assert main(["check", "testbed:planted", *more]) == 2
    assert message in capsys.readouterr().err


def test_a_run_tells_what_its_check_found(tmp_path, capsys):
    words = ["run", "acquisition", "--model", "testbed:planted", "--device", "cpu", "--quick"]
    words += ["--facts", "factworld:2", "--option", "methods=ntc", "--option", "threshold=0.9"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    assert "acquisition: with threshold=0.9" in capsys.readouterr().out
    assert main([*words, "--no-check", "--out", str(tmp_path / "two")]) == 0
    assert "with threshold=0.9" not in capsys.readouterr().out
    checks = [read_run(tmp_path / name / "run.json")["check"] for name in ("one", "two")]
    assert checks[0]["n_facts"] == 2
    assert checks[1] is None


def test_locate_takes_the_preset(capsys):
    words = ["locate", "testbed:gpt2", "--facts", "factworld:1", "--fast", "--json"]
    words += ["--device", "cpu"]
    assert main(words) == 0
    default = json.loads(capsys.readouterr().out)["attributor"]
    assert (default["threshold"], default["rule"], default["scope"]) == (8, "top", "layer")
    assert main([*words, "--preset", "paper"]) == 0
    paper = json.loads(capsys.readouterr().out)["attributor"]
    assert (paper["threshold"], paper["rule"], paper["scope"]) == (0.2, "relative", "model")
    assert main([*words, "--preset", "nothing"]) == 2
    assert "--preset must be paper, got 'nothing'" in capsys.readouterr().err
