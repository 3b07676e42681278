"""``neurotopo facts known``."""

from __future__ import annotations

import json

import pytest

from neurotopo.cli import main
from neurotopo.datasets import load_facts


def test_known_facts_are_written_and_read(tmp_path, capsys):
    out = tmp_path / "deep" / "known.jsonl"
    words = ["facts", "known", "--model", "testbed:gpt2", "--facts", "factworld:12", "--quiet"]
    words += ["--out", str(out), "--device", "cpu"]
    assert main([*words, "--margin", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    steps = {row["step"]: row["n"] for row in report["steps"]}
    assert steps["facts"] == 12
    assert steps["exact"] >= steps["margin"] > 0
    facts = load_facts(out)
    assert len(facts) == steps["margin"]
    assert all(min(facts.known[fact.key]["margin"]) >= 1 for fact in facts)
    names = {file.name for file in out.parent.iterdir()}
    assert names >= {"known.csv", "known.relations.csv", "known.png", "known.replies.jsonl"}
    run = json.loads(out.with_suffix(".run.json").read_text())
    assert run["steps"] == steps
    before = out.with_suffix(".replies.jsonl").read_bytes()
    assert main(words) == 0, "the same replies with other criteria"
    assert "greedy exact match" in capsys.readouterr().out
    assert len(load_facts(out)) == steps["exact"]
    assert out.with_suffix(".replies.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--facts", "missing.jsonl"], "there is no file 'missing.jsonl'"),
        (["--facts", "factworld:3", "--relation", "P0"], "the facts have no relation 'P0'"),
        (["--facts", "factworld:3", "--prompting", "talk"], "prompting must be 'completion'"),
        (["--facts", "factworld:3", "--prompting", "chat"], "a tokenizer with a chat template"),
        (["--facts", "factworld:3", "--out", "."], "--out must be a file, and . is a folder"),
        (["--facts", "factworld:3", "--wordings", "0"], "--wordings"),
    ],
)
def test_mistakes_are_one_sentence(given, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status = main(["facts", "known", "--model", "testbed:gpt2", "--device", "cpu", *given])
    assert status != 0
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
