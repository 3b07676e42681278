"""Mistakes in the options of ``neurotopo run`` and in files of facts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pytest

from neurotopo.cli import main
from neurotopo.commands.study import options_of
from neurotopo.studies.acquisition.study import AcquisitionOptions
from tests.datasets.files import line
from tests.support.commands import MODEL, ONE, ROW, TWO, is_no_run, is_one_sentence, refuses, words


@dataclass(frozen=True)
class Kinds:
    truth: bool = False
    number: float = 0.5
    count: int = 3
    word: str = "mean"
    names: Sequence[str] | None = None
    numbers: Sequence[float] = (0.1, 0.2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {}),
        (["truth=yes"], {"truth": True}),
        (["truth=TRUE"], {"truth": True}),
        (["truth=1"], {"truth": True}),
        (["truth=No"], {"truth": False}),
        (["truth=false"], {"truth": False}),
        (["truth=0"], {"truth": False}),
        (["number=2"], {"number": 2.0}),
        (["number=-1e-3"], {"number": -0.001}),
        (["number=inf"], {"number": np.inf}),
        (["count= 7 "], {"count": 7}),
        (["word=a=b, c"], {"word": "a=b, c"}),
        (["word="], {"word": ""}),
        (["names=a, b,,c"], {"names": ["a", "b", "c"]}),
        (["names="], {"names": []}),
        (["numbers=1,0.25"], {"numbers": [1.0, 0.25]}),
        (["numbers="], {"numbers": []}),
        (["count=1", "word=x", "count=2"], {"count": 2, "word": "x"}),
    ],
)
def test_options_of_every_kind(given, expected):
    found = options_of(Kinds, given)
    assert found == expected
    for name, value in expected.items():
        assert type(found[name]) is type(value)


def test_every_option_of_the_study_can_be_given_as_its_default():
    default = AcquisitionOptions()
    given = []
    for field in fields(default):
        value = getattr(default, field.name)
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            given.append(f"{field.name.replace('_', '-')}={text}")
    assert AcquisitionOptions(**options_of(AcquisitionOptions, given)).to_dict() == (
        default.to_dict()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tau2", "--option must be NAME=VALUE with a NAME of threshold, rule, "),
        ("taux=1", "got 'taux=1'"),
        ("=1", "got '=1'"),
        ("", "got ''"),
        ("device=cpu", "got 'device=cpu'"),
        ("tau2=x", "--option 'tau2=x' must be a number"),
        ("tau2=", "--option 'tau2=' must be a number"),
        ("tau2=0.3,0.4", "must be a number"),
        ("steps=2.5", "--option 'steps=2.5' must be a whole number"),
        ("only_known=maybe", "--option 'only_known=maybe' must be yes or no"),
        ("sweep_tau1=a,b", "--option 'sweep_tau1=a,b' must be numbers with commas"),
        ("methods=k-means", "there is no method 'k-means'; methods are: ntc, kmeans"),
        ("methods=", "methods must be different ones"),
        ("methods=ntc,ntc", "methods must be different ones"),
        ("tau=-1", "tau"),
        ("tau2=-1", "tau2 must be a finite number of at least 0"),
        ("tau2=nan", "tau2 must be"),
        ("sweep_tau2=0.1,nan", "tau2 must be"),
        ("steps=0", "steps must be at least 1"),
        ("n_pairs=1", "n_pairs must be a whole number of at least 2"),
        ("n_samples=0", "n_samples must be at least 1"),
        ("baseline=eos", "baseline must be one of mean, per-token, zero"),
        ("length=log", "length"),
        ("rule=best", "rule must be one of"),
        ("reduce=all", "reduce must be"),
        ("tau_log=-1", "tau_log must be"),
        ("tau_absolute=nan", "tau_absolute must be"),
        ("level=2", "level must"),
    ],
)
@pytest.mark.usefixtures("no_report")
def test_a_mistake_in_an_option(text, said, tmp_path, capsys):
    out = tmp_path / "out"
    rules = ["ntc-log", "ntc-absolute", "ntc-significance"]
    more = [] if text.startswith("methods") else ["--option", f"methods={','.join(rules)}"]
    refuses(words(out, *more, "--option", text, facts="factworld:1"), capsys, said)
    assert not out.exists()


FILES = {
    "bad JSON": (
        "facts.jsonl",
        [line(ONE), line(TWO), '{"prompt": "The capital'],
        "facts.jsonl, line 3: not JSON (Unterminated string",
    ),
    "a field is missing": (
        "facts.jsonl",
        [line(ONE), line({"prompt": "x"})],
        "facts.jsonl, line 2: field 'answers' is missing",
    ),
    "a field of another type": (
        "facts.jsonl",
        [line(ONE), line({**TWO, "answers": [3]})],
        "facts.jsonl, line 2: Fact 'The capital of Brolland is _X_': field 'answers'",
    ),
    "the same fact": ("facts.jsonl", [line(ONE), line(ONE)], "facts.jsonl, line 2: this fact"),
    "TempLAMA without answer": (
        "train.jsonl",
        [line(ROW), line({k: v for k, v in ROW.items() if k != "answer"})],
        "train.jsonl, line 2: field 'answer' is missing",
    ),
    "TempLAMA with no answer": (
        "train.jsonl",
        [line(ROW), line({**ROW, "answer": []})],
        "train.jsonl, line 2: field 'answer' is empty",
    ),
    "TempLAMA with an answer without name": (
        "train.jsonl",
        [line(ROW), line({**ROW, "answer": [{"wikidata_id": "Q1"}]})],
        "train.jsonl, line 2: field 'answer[0].name' is missing",
    ),
    "a column is missing": (
        "facts.csv",
        ["prompt,date", "x,2018"],
        "facts.csv, line 1: column 'answers' is missing",
    ),
    "a cell is missing": (
        "facts.csv",
        ["prompt,answers", "x,y", "z"],
        "facts.csv, line 3: has 1 cells",
    ),
    "not UTF-8": (
        "facts.jsonl",
        [line(ONE), '{"prompt": "S\xe3o is _X_", "answers": ["x"]}'],
        "facts.jsonl, line 2: not UTF-8",
    ),
    "CSV, not UTF-8": (
        "facts.csv",
        ["prompt,answers", "S\xe3o is,x"],
        "facts.csv, line 2: not UTF-8",
    ),
    "text": ("facts.txt", ["hello", "world"], "facts.txt, line 1: not JSON"),
    "CSV, empty": ("facts.csv", [], "facts.csv, line 1: column 'prompt' is missing"),
    "only a header": ("facts.csv", ["prompt,answers"], "facts.csv holds no facts"),
    "empty": ("facts.jsonl", [], "facts.jsonl is empty"),
    "a list without members": ("facts.json", ["[]"], "facts.json is in none of the known"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_none_of_facts(case, tmp_path, capsys):
    name, lines, said = FILES[case]
    (tmp_path / name).write_bytes("".join(f"{text}\n" for text in lines).encode("latin-1"))
    out = tmp_path / "out"
    refuses(words(out, facts=tmp_path / name), capsys, said)
    assert not out.exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        ([line({k: v for k, v in ROW.items() if k != "answer"})], "line 1: field 'answer'"),
        ([line({"prompt": ONE["prompt"]})], "line 1: field 'answers' is missing"),
    ],
)
def test_a_file_without_any_fact_says_why(lines, said, tmp_path, capsys):
    (tmp_path / "facts.jsonl").write_text("".join(f"{text}\n" for text in lines))
    refuses(words(tmp_path / "out", facts=tmp_path / "facts.jsonl"), capsys, said)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ("folder", "is in none of the known formats"),
        ("nothing.jsonl", "there is no file 'nothing.jsonl'"),
        ("factworld:0", "factworld:N with a whole number N from 1 on"),
        ("factworld:many", "factworld:N with a whole number"),
        ("factworld:99999", "asks for 99999 facts, but there are"),
    ],
)
def test_facts_that_are_not_there(facts, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    refuses(words(tmp_path / "out", facts=facts), capsys, said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"acquisition": "acquire"}, "there is no study 'acquire'; studies are: acquisition"),
        ({MODEL: "testbed:nothing"}, "there is no built-in model 'testbed:nothing'"),
        ({MODEL: "nobody/nothing"}, "cannot load 'nobody/nothing'"),
        ({MODEL: "./nothing"}, "cannot load './nothing': there is no such folder"),
        ({MODEL: "file"}, "file"),
        ({"--device": "--dtype", "cpu": "int7"}, "dtype must be one of auto, float64"),
        ({"--device": "--engine", "cpu": "threads"}, "engine must be one of inline, ray"),
        ({"--device": "--workers", "cpu": "2"}, "workers is for engine='ray'"),
        ({"--device": "--workers", "cpu": "0"}, "--workers"),
        ({"--device": "--gpus", "cpu": "1"}, "gpus is for engine='ray'"),
        ({"--device": "--batch-size", "cpu": "0"}, "--batch-size"),
        ({"--device": "--seed", "cpu": "-1"}, "--seed"),
        ({"--device": "--seed", "cpu": "one"}, "--seed"),
        ({"--device": "--colour", "cpu": "red"}, "--colour"),
        ({"cpu": "nowhere"}, "nowhere"),
        ({"cpu": "cuda:99"}, "cuda:99"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(change, said, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("{", encoding="utf-8")
    out = tmp_path / "out"
    refuses([change.get(word, word) for word in words(out)], capfd, said)
    assert is_no_run(out)


@pytest.mark.parametrize("model", ["nobody/nothing", "./nothing"])
def test_a_model_that_is_not_there_leaves_no_folder(model, tmp_path):
    assert main(words(tmp_path / "out", model=model)) == 2
    assert not (tmp_path / "out").exists()


def test_what_is_needed_is_said(tmp_path, capsys):
    for given, missing in (
        (["run"], "study"),
        (["run", "acquisition", "--model", MODEL], "--out"),
        (["run", "acquisition", "--out", str(tmp_path)], "--model"),
        (["report"], "folder"),
    ):
        assert main(given) == 2
        printed = capsys.readouterr()
        is_one_sentence(printed, "Missing ")
        assert missing in printed.err.lower()


def test_a_folder_that_cannot_be_written_is_found_out_first(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["neurotopo.studies.run"], "run", None)  # not to be reached
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "folder"):
        refuses(words(out), capsys, f"cannot write to the folder {out}")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    for out in (tmp_path / "locked", tmp_path / "locked" / "folder"):
        refuses(words(out), capsys, f"cannot write to the folder {out}")
