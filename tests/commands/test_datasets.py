"""``neurotopo datasets describe``: what it prints and writes is what the library counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from neurotopo import Fact, FactSet
from neurotopo.cli import main
from neurotopo.datasets import describe
from tests.datasets.files import write_lines
from tests.support.commands import refuses, rows_of

FACTS = FactSet(
    [
        Fact("Ada [b] plays for _X_.", "Marly", "P54", "2010", id="a"),
        Fact("Ada [b] plays for _X_.", ["Zúnia", "Peko"], "P54", "2011", id="b"),
        Fact("Zúnia is led by", "Ilse", "leads", "2011", id="c", language="fr"),
    ]
)
TABLES = ("relations", "dates", "spans", "examples")


@pytest.fixture
def file(tmp_path):
    FACTS.to_jsonl(tmp_path / "facts.jsonl")
    return tmp_path / "facts.jsonl"


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_what_is_printed(file, capsys):
    assert main(["datasets", "describe", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[0] == (
        "3 facts; 2 queries; 2 relations; 2 dates (2010 to 2011); languages en 2, fr 1"
    )
    assert rows_of(printed.out) == [
        ["P54", "member of sports team", "1", "2", "1", "1", "Ada [b] plays for _X_. → Marly"],
        ["leads", "", "1", "1", "0", "0", "Zúnia is led by → Ilse"],
        ["2011", "2", "2", "2"],
        ["2010", "1", "1", "1"],
        ["2", "1", "1"],
        ["1", "1", "0"],
        ["Ada [b] plays for _X_.", "2010", "2011", "2", "3"],
        ["Zúnia is led by", "2011", "2011", "1", "1"],
    ]


def test_json_is_all_that_is_printed(file, capsys):
    assert main(["datasets", "describe", str(file), "--json", "--examples", "1"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report.pop("file") == str(file)
    assert report.pop("skipped") == []
    assert report == describe(FACTS, 1).to_dict()
    assert "Zúnia" in printed.out
    assert printed.err == ""


def test_tables_are_written(file, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert main(["datasets", "describe", str(file), "--csv", str(out)]) == 0
    printed = capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {f"{name}.csv" for name in TABLES}
    for name, table in describe(FACTS).to_pandas().items():
        written = pd.read_csv(out / f"{name}.csv", dtype=str, keep_default_na=False)
        assert written.to_numpy().tolist() == table.fillna("").astype(str).to_numpy().tolist()
        assert list(written.columns) == list(table.columns)
        assert f"wrote {out / name}.csv" in printed


def test_what_is_skipped_is_counted(file, capsys):
    with file.open("a") as lines:
        lines.write("{}\n[\n")
    assert main(["datasets", "describe", str(file)]) == 2
    assert f"{file}, line 4: field 'prompt' is missing." in capsys.readouterr().err
    assert main(["datasets", "describe", str(file), "--on-error", "skip"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith(f"; 2 skipped (the first: {file}, line 4: field 'prompt' is missing.)")
    assert main(["datasets", "describe", str(file), "--on-error", "skip", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["skipped"]) == 2


def test_facts_without_relations_and_dates(tmp_path, capsys):
    (tmp_path / "f.csv").write_text("prompt,answers\nWho?,Eve\n")
    assert main(["datasets", "describe", str(tmp_path / "f.csv")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1 fact; 1 query; 1 relation\n")
    assert rows_of(printed) == [["", "", "1", "1", "0", "0", "Who? → Eve"]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument"),
        (["none.jsonl"], "No such file or directory (none.jsonl)."),
        (["bad.jsonl"], "bad.jsonl is in none of the known formats"),
        (["bad.jsonl", "--format", "jsonl"], "bad.jsonl, line 1: unknown field 'a'"),
        (["bad.jsonl", "--format", "xml"], "format must be 'auto' or one of"),
        (["bad.jsonl", "--on-error", "warn", "--format", "csv"], "on_error must be 'raise' or"),
        (["bad.jsonl", "--examples", "-1"], "Invalid value for '--examples'"),
        (["bad.jsonl", "--colour"], "No such option"),
        (["empty"], "empty is in none of the known formats"),
        (["broken.jsonl"], "broken.jsonl, line 2: not JSON"),
        (["damaged.jsonl.gz"], "damaged.jsonl.gz: the gzip file is damaged"),
        (["facts.csv", "--csv", "facts.csv/x"], "cannot write to the folder facts.csv/x"),
    ],
)
def test_a_mistake_ends_in_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "bad.jsonl", [{"a": 1}])
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jsonl").write_text("\n{")
    (tmp_path / "damaged.jsonl.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "facts.csv").write_text("prompt,answers\nWho?,Eve\n")
    refuses(["datasets", "describe", *arguments], capsys, sentence)


def test_help(capsys):
    assert main(["datasets"]) == 2
    assert "describe" in capsys.readouterr().out
    assert main(["datasets", "describe", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "neurotopo datasets describe templama/train.jsonl" in printed
    assert main(["--help"]) == 0
    assert "datasets" in capsys.readouterr().out


def test_templama(capsys):
    folder = os.environ.get("NEUROTOPO_TEMPLAMA")
    if not folder:
        pytest.skip("NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA")
    printed = {}
    for path in (Path(folder), Path(folder) / "train.jsonl"):
        assert main(["datasets", "describe", str(path), "--json"]) == 0
        printed[path] = json.loads(capsys.readouterr().out)
        assert (printed[path]["facts"], printed[path]["queries"]) == (10_693, 1_243)
        assert len(printed[path]["relations"]) == 9
        assert [row["date"] for row in printed[path]["dates"]] == [
            str(year) for year in range(2020, 2009, -1)
        ]
        assert printed[path]["dates"][2]["queries"] == 1_012
        assert sum(row["queries"] for row in printed[path]["spans"]) == 1_243
