"""``neurotopo run`` and ``neurotopo report``: files, exit status, and what is said of mistakes."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields

import huggingface_hub.constants
import numpy as np
import pandas as pd
import pytest

from neurotopo import Fact, load_model
from neurotopo.cli import main
from neurotopo.commands.study import options_of
from neurotopo.studies import Store, read_run
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.facts import facts_for
from tests.datasets.files import line, write_lines

MODEL = "testbed:gpt2"
FACTS = facts_for("factworld:4", MODEL)
ONE = {"prompt": "The capital of Zunia is _X_", "answers": ["Marly"]}
TWO = {"prompt": "The capital of Brolland is _X_", "answers": ["Peko"]}
ROW = {
    "query": "_X_ is the chair of Peko Motor Works.",
    "answer": [{"name": "Ilse Krone"}],
    "date": "2018",
    "id": "Q1_P488_2018",
    "relation": "P488",
}
SAID = {
    "tau2": ["tau2=0.4"],
    "n_pairs": ["n-pairs=5"],
    "methods": ["methods=ntc, kmeans"],
    "sweep_tau1": ["sweep_tau1=0.4,0.6"],
    "sweep_tau2": ["sweep_tau2=0.3"],
    "relative": ["relative=yes"],
    "reduce": ["reduce=sum", "reduce=best"],
}
CHOSEN = [word for texts in SAID.values() for text in texts for word in ("--option", text)]


def words(out, *more, facts="factworld:4", model=MODEL, quick=("--quick",)):
    given = ["run", "acquisition", "--model", str(model), "--facts", str(facts), *quick]
    return [*given, "--device", "cpu", "--out", str(out), *more]


def bytes_of(out):
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def stored(out):
    """Return all that is in the file of results; its header changes whenever it is opened."""
    with contextlib.closing(sqlite3.connect(out / "results.sqlite")) as connection:
        return list(connection.iterdump())


def files_of(out):
    return {**bytes_of(out), out / "results.sqlite": stored(out)}


def is_one_sentence(printed, said):
    assert printed.err.startswith("neurotopo: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert said in printed.err


def is_no_run(out):
    """Tell that nothing is there that a report could be of."""
    return not out.exists() or {path.name for path in out.iterdir()} <= {"results.sqlite"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run of four facts: its folder, and what was printed."""
    out = tmp_path_factory.mktemp("runs") / "new" / "folder"
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert main(words(out, *CHOSEN)) == 0
    assert said.getvalue() == ""
    return out, printed.getvalue()


@pytest.fixture
def done(first, tmp_path):
    """Return a copy of that run."""
    return shutil.copytree(first[0], tmp_path / "run")


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the pictures, which take most of the time of a small run."""
    monkeypatch.setattr(Acquisition, "pictures", {})


@pytest.fixture
def at_fact(monkeypatch):
    """Return a function that has something happen instead of the work on a fact."""
    work = Acquisition.__call__

    def set_up(key, error):
        def call(self, fact):
            if fact.key == key:
                raise error
            return work(self, fact)

        monkeypatch.setattr(Acquisition, "__call__", call)

    return set_up


def test_a_run_writes_and_prints_what_it_found(first):
    out, printed = first
    names = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert {"results.sqlite", "run.json", "report.html", "rows.csv", "tables/table1.csv"} <= names
    assert any(name.startswith("figures/") and name.endswith(".svg") for name in names)
    lines = printed.splitlines()
    assert lines[0] == "acquisition: 4 of 4 facts done."
    assert lines[1] == "- The model answers 4 of 4 facts correctly."
    assert all(text.startswith("- ") for text in lines[1:-1])
    assert lines[-1] == f"wrote {out / 'report.html'}"
    rows = pd.read_csv(out / "rows.csv")
    assert set(rows["fact"]) == {fact.key for fact in FACTS}
    assert set(rows["method"]) == {"ntc", "kmeans", "random:ntc", "random:kmeans", "anywhere"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert lines[1].removeprefix("- ") in page


def test_options_reach_the_run(first):
    about = read_run(first[0] / "run.json")
    expected = AcquisitionOptions.quick(
        tau2=0.4, n_pairs=5, methods=["ntc", "kmeans"], sweep_tau1=[0.4, 0.6], sweep_tau2=[0.3]
    )
    assert about["options"] == expected.to_dict()
    assert about["settings"]["source"] == MODEL
    assert about["settings"]["facts"] == "factworld:4"
    assert about["settings"]["device"] == "cpu"


def test_the_command_is_the_one_that_was_given(first):
    about = read_run(first[0] / "run.json")
    assert about["settings"]["command"] == ["neurotopo", *words(first[0], *CHOSEN)]


def test_the_report_again_is_the_same(first, done, capsys):
    before = bytes_of(done)
    for name in ("report.html", "rows.csv"):
        (done / name).unlink()
    shutil.rmtree(done / "tables")
    shutil.rmtree(done / "figures")
    assert main(["report", str(done)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[0] == "acquisition: 4 of 4 facts done, 4 of them before."
    assert printed.out.splitlines()[1:-1] == first[1].splitlines()[1:-1]
    assert bytes_of(done) == before


@pytest.mark.usefixtures("no_report")
def test_quiet_prints_only_where_the_report_is(done, capsys):
    assert main(words(done, *CHOSEN, "--quiet")) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")
    assert main(["report", str(done), "-q"]) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")


@pytest.mark.usefixtures("no_report")
def test_the_same_command_again_does_nothing_again(done, capsys, monkeypatch):
    monkeypatch.setattr(Acquisition, "__call__", None)  # not to be reached
    before = bytes_of(done / "tables")
    assert main(words(done, *CHOSEN)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "acquisition: 4 of 4 facts were there already."
    assert lines[1] == "acquisition: 4 of 4 facts done, 4 of them before."
    assert bytes_of(done / "tables") == before


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
    assert main(words(out, *more, "--option", text, facts="factworld:1")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
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
    assert main(words(out, facts=tmp_path / name)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
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
    assert main(words(tmp_path / "out", facts=tmp_path / "facts.jsonl")) == 2
    is_one_sentence(capsys.readouterr(), said)


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
    assert main(words(tmp_path / "out", facts=facts)) == 2
    is_one_sentence(capsys.readouterr(), said)
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
    assert main([change.get(word, word) for word in words(out)]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
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
        assert main(words(out)) == 2
        is_one_sentence(capsys.readouterr(), f"cannot write to the folder {out}")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    for out in (tmp_path / "locked", tmp_path / "locked" / "folder"):
        assert main(words(out)) == 2
        is_one_sentence(capsys.readouterr(), f"cannot write to the folder {out}")


@pytest.mark.parametrize(
    ("more", "model", "said"),
    [
        (["--option", "tau2=0.5"], MODEL, "made with other options (tau2 was 0.4 and is 0.5)"),
        (["--option", "methods=ntc"], MODEL, "methods"),
        (["--seed", "1"], MODEL, "seed was 0 and is 1"),
        ([], "testbed:null", "model.weights was"),
        ([], "testbed:bert", "model."),
    ],
)
def test_results_of_another_run_are_left_alone(more, model, said, done, capsys):
    before = files_of(done)
    assert main(words(done, *CHOSEN, *more, model=model)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
    assert "give another folder" in printed.err
    assert files_of(done) == before


def test_another_fact_of_the_same_name_is_told_apart(done, tmp_path, capsys):
    facts = [{**fact.to_dict(), "id": fact.key} for fact in FACTS]
    facts[1]["answers"] = ["Nobody"]
    write_lines(tmp_path / "facts.jsonl", facts)
    before = files_of(done)
    assert main(words(done, *CHOSEN, facts=tmp_path / "facts.jsonl")) == 2
    is_one_sentence(capsys.readouterr(), f"holds another fact {FACTS[1].key!r}")
    assert files_of(done) == before


@pytest.mark.usefixtures("no_report")
def test_a_run_of_fewer_facts_has_the_same_report_again(done, tmp_path):
    facts = [{**fact.to_dict(), "id": fact.key} for fact in FACTS[:2]]
    write_lines(tmp_path / "facts.jsonl", facts)
    assert main(words(done, *CHOSEN, "-q", facts=tmp_path / "facts.jsonl")) == 0
    before = bytes_of(done)
    assert set(pd.read_csv(done / "rows.csv")["fact"]) == {fact.key for fact in FACTS[:2]}
    assert main(["report", str(done), "-q"]) == 0
    assert bytes_of(done) == before


@pytest.mark.usefixtures("no_report")
def test_a_report_while_a_run_is_writing(done, capsys):
    with Store(done / "results.sqlite"):
        assert main(["report", str(done), "-q"]) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")


@pytest.mark.usefixtures("no_report")
def test_a_folder_with_a_strange_name(tmp_path, capsys):
    out = tmp_path / "a #1 ?%41 [ü] & 'b'"
    for given in (words(out, "-q", facts="factworld:1"), ["report", str(out), "-q"]):
        assert main(given) == 0
        assert tuple(capsys.readouterr()) == (f"{out / 'report.html'}\n", "")


def test_two_runs_at_once_in_one_folder(done, capsys):
    with Store(done / "results.sqlite"):
        assert main(words(done, *CHOSEN)) == 2
        is_one_sentence(capsys.readouterr(), "another run is writing to")


@pytest.mark.parametrize("text", ["", '{"kind": ', "[]", '{"kind": "x", "version": 1}', "\xff"])
@pytest.mark.usefixtures("no_report")
def test_a_broken_run_file(text, done, capsys):
    (done / "run.json").write_text(text, encoding="latin-1")
    before = bytes_of(done)
    assert main(["report", str(done)]) == 2
    is_one_sentence(capsys.readouterr(), "run.json was not written by a study")
    assert bytes_of(done) == before
    if text == "":  # the results do not need it
        assert main(words(done, *CHOSEN, "-q")) == 0
        assert read_run(done / "run.json")["n_there"] == 4


@pytest.mark.parametrize(
    "change",
    [
        *({name: ...} for name in ("study", "run", "n_facts", "status", "settings")),
        {"n_facts": None},
        {"settings": None},
    ],
    ids=str,
)
@pytest.mark.usefixtures("no_report")
def test_a_run_file_without_an_entry(change, done, capsys):
    about = {**json.loads((done / "run.json").read_text()), **change}
    kept = {name: value for name, value in about.items() if value is not ...}
    (done / "run.json").write_text(json.dumps(kept))
    if main(["report", str(done)]):  # it may do without
        is_one_sentence(capsys.readouterr(), "run.json")


@pytest.mark.usefixtures("no_report")
def test_results_that_are_not_those_of_the_run_file(done, capsys):
    about = json.loads((done / "run.json").read_text())
    (done / "run.json").write_text(json.dumps({**about, "run": "0123456789abcdef"}))
    before = bytes_of(done)
    assert main(["report", str(done)]) == 2
    is_one_sentence(capsys.readouterr(), "results.sqlite")
    assert bytes_of(done) == before


def _other_database(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")
        connection.commit()


def _changed_number(path):
    data = path.read_bytes()
    at = data.index(b'"probability":') + len('"probability":') + 2
    path.write_bytes(data[:at] + b"77" + data[at + 2 :])


BROKEN = {
    "garbage": (lambda path: path.write_bytes(b"not a file of results" * 99), "is broken, or no"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-20_000]), "is broken"),
    "of another program": (_other_database, "was not written by a study"),
    "a number was changed": (_changed_number, "its checksum is wrong"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.usefixtures("no_report")
def test_broken_results_are_left_alone(case, done, capsys):
    change, said = BROKEN[case]
    change(done / "results.sqlite")
    before = bytes_of(done)
    rows = stored(done) if case == "a number was changed" else None
    assert main(["report", str(done)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
    assert bytes_of(done) == before
    assert main(words(done, *CHOSEN)) == 2
    is_one_sentence(capsys.readouterr(), said)
    if case == "a number was changed":
        assert stored(done) == rows
    else:
        assert (done / "results.sqlite").read_bytes() == before[done / "results.sqlite"]
    assert (done / "report.html").read_bytes() == before[done / "report.html"]


@pytest.mark.usefixtures("no_report")
def test_a_run_without_its_results(done, capsys):
    (done / "results.sqlite").unlink()
    before = bytes_of(done)
    assert main(["report", str(done)]) == 2
    is_one_sentence(capsys.readouterr(), f"there is no file {done / 'results.sqlite'}")
    assert bytes_of(done) == before


@pytest.mark.parametrize("place", ["", "nothing", "file"])
def test_a_folder_that_is_no_run(place, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["report", str(tmp_path / place)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, "is not the folder of a run: it has no run.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_keeps_what_was_there(first, tmp_path, capsys, monkeypatch):
    out, put, n = tmp_path / "out", Store.put, []

    def full(self, *arguments):
        n.append(0)
        if len(n) == 3:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            self._connection.execute(f"PRAGMA max_page_count = {pages}")
            arguments = (*arguments[:3], {"fact": {"text": "x" * 100_000}}, 0.0)
        put(self, *arguments)

    monkeypatch.setattr(Store, "put", full)
    assert main(words(out, *CHOSEN)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, "the disk is full. What was stored before is kept")
    assert not (out / "report.html").exists()
    monkeypatch.undo()

    assert main(["report", str(out)]) == 0
    assert "acquisition: 2 of 4 facts done, 2 of them before" in capsys.readouterr().out
    assert "it was killed" in (out / "report.html").read_text(encoding="utf-8")
    assert main(words(out, *CHOSEN)) == 0
    assert "2 of 4 facts were there already" in capsys.readouterr().out
    assert (out / "rows.csv").read_bytes() == (first[0] / "rows.csv").read_bytes()
    assert bytes_of(out / "tables") == {
        out / path.relative_to(first[0]): data
        for path, data in bytes_of(first[0] / "tables").items()
    }


@pytest.mark.parametrize("at", ["tables/table1.csv", "rows.csv", "report.html"])
@pytest.mark.usefixtures("no_report")
def test_a_disk_that_is_full_at_the_report(at, done, capsys, monkeypatch):
    from neurotopo.report import files

    real = files.atomic_write

    def full(path):
        if path == done / at:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path)

    before = bytes_of(done)
    monkeypatch.setattr(files, "atomic_write", full)
    for given in (["report", str(done)], words(done, *CHOSEN, "-q")):
        assert main(given) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        is_one_sentence(printed, f"{at}: No space left on device")
    assert bytes_of(done)[done / at] == before[done / at]
    assert read_run(done / "run.json")["status"] == "complete"
    monkeypatch.undo()
    assert main(["report", str(done), "-q"]) == 0


BAD = "<|endoftext|>"


@pytest.fixture
def three(tmp_path):
    """A file of three facts, the second with an answer that has no tokens of its own."""
    facts = [{**ONE, "id": "one"}, {**TWO, "id": "two", "answers": [BAD]}, {**TWO, "id": "three"}]
    return write_lines(tmp_path / "three.jsonl", facts)


@pytest.mark.usefixtures("no_report")
def test_a_fact_that_cannot_be_encoded_fails_and_the_others_are_done(three, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(out, facts=three)) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "acquisition: 2 of 3 facts done, 1 failed.\n" in printed.out
    (said,) = (text for text in printed.out.splitlines() if "the first, 'two'" in text)
    assert BAD in said
    assert (out / "report.html").read_text(encoding="utf-8").count("&lt;|endoftext|&gt;")
    rows = pd.read_csv(out / "rows.csv").set_index("fact")
    assert BAD in rows.loc["two", "error"]
    assert rows.loc[["one", "three"], "error"].isna().all()


@pytest.mark.usefixtures("no_report")
def test_failed_facts_again_or_not(three, tmp_path, capsys, at_fact):
    out = tmp_path / "out"
    at_fact("one", ValueError("not today"))
    assert main(words(out, facts=three, model="testbed:gpt2")) == 0
    assert "1 of 3 facts done, 2 failed" in capsys.readouterr().out
    at_fact("none", ValueError("never"))
    assert main(words(out, "--no-retry", facts=three)) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 facts were there already" in printed
    assert "1 of 3 facts done, 3 of them before, 2 failed" in printed
    assert "not today" in printed
    assert main(words(out, "--retry", facts=three)) == 0
    printed = capsys.readouterr().out
    assert "1 of 3 facts were there already" in printed
    assert "2 of 3 facts done, 1 of them before, 1 failed" in printed


@pytest.mark.usefixtures("no_report")
def test_stopping_at_the_first_that_fails(three, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(out, "--stop", facts=three)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, "fact 'two' failed: ValueError")
    assert not (out / "report.html").exists()
    assert read_run(out / "run.json")["status"] == "stopped"
    assert main(["report", str(out)]) == 0
    assert "1 of 3 facts done, 2 of them before, 1 failed" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The run stopped at the first fact that failed." in page
    assert main(words(out, "--stop", "--no-retry", facts=three)) == 0
    assert "2 of 3 facts done, 2 of them before, 1 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("no_report")
def test_status_2_when_every_fact_failed(tmp_path, capsys):
    facts = write_lines(tmp_path / "facts.jsonl", [{**ONE, "answers": [BAD]}])
    out = tmp_path / "out"
    assert main(words(out, facts=facts)) == 2
    printed = capsys.readouterr().out
    assert "acquisition: 0 of 1 facts done, 1 failed" in printed
    assert "holds something that the tokenizer does not know" in printed
    assert (out / "report.html").is_file()
    assert read_run(out / "run.json")["status"] == "complete"
    assert main(words(out, "--no-retry", "-q", facts=facts)) == 2
    assert capsys.readouterr().out == f"{out / 'report.html'}\n"


@pytest.mark.usefixtures("no_report")
def test_a_failure_is_said_even_if_quiet(tmp_path, capsys):
    facts = write_lines(tmp_path / "facts.jsonl", [{**ONE, "answers": [BAD]}])
    assert main(words(tmp_path / "out", "-q", facts=facts)) == 2
    is_one_sentence(capsys.readouterr(), "no fact could be worked on; the first")


@pytest.mark.usefixtures("no_report")
def test_an_interrupted_run_and_its_report(first, tmp_path, capsys, at_fact, monkeypatch):
    out = tmp_path / "out"
    at_fact(FACTS[2].key, KeyboardInterrupt())
    assert main(words(out, *CHOSEN)) == 130
    printed = capsys.readouterr()
    assert printed.err == "neurotopo: interrupted; files that were complete are kept.\n"
    assert printed.out.startswith(
        "acquisition: 2 of 4 facts done, interrupted: the same command goes on from here.\n"
    )
    written = bytes_of(out)
    page = written[out / "report.html"].decode()
    assert "2 of 4 facts are missing here. The run was interrupted" in page
    assert main(["report", str(out)]) == 0  # nothing else happened to this command
    printed = capsys.readouterr().out
    assert printed.startswith("acquisition: 2 of 4 facts done, 2 of them before, interrupted")
    assert bytes_of(out) == written
    monkeypatch.undo()
    assert main(words(out, *CHOSEN, "-q")) == 0
    assert (out / "rows.csv").read_bytes() == (first[0] / "rows.csv").read_bytes()


@pytest.mark.usefixtures("no_report")
def test_a_run_that_was_not_summed_up_is_not_interrupted(tmp_path, capsys, monkeypatch):
    def broken(found, tables):
        raise ValueError("no picture")

    monkeypatch.setattr(Acquisition, "pictures", {"broken": broken})
    out = tmp_path / "out"
    assert main(words(out, facts="factworld:1")) == 2
    monkeypatch.setattr(Acquisition, "pictures", {})
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.startswith("acquisition: 1 of 1 facts done, 1 of them before.")


@pytest.mark.usefixtures("no_report")
def test_facts_with_several_answers(tmp_path):
    fact = FACTS[0]
    others = ["Nobody", *fact.answers]
    files = [
        {"prompt": fact.prompt, "answers": others, "id": "several"},
        {"prompt": fact.prompt, "answers": ["Nobody"], "id": "wrong"},
    ]
    facts = write_lines(tmp_path / "facts.jsonl", files)
    out = tmp_path / "out"
    assert main(words(out, "-q", facts=facts)) == 0
    rows = pd.read_csv(out / "rows.csv").groupby("fact").first()
    model = load_model(MODEL, device="cpu")
    for name, answers in (("several", others), ("wrong", ["Nobody"])):
        expected = max(model.answer_probability(Fact(fact.prompt, each)) for each in answers)
        np.testing.assert_allclose(rows.loc[name, "probability"], expected, rtol=1e-5)
    assert rows["known"].to_dict() == {"several": True, "wrong": False}


@pytest.mark.usefixtures("no_report")
def test_a_file_in_the_form_of_templama(tmp_path, capsys):
    rows = [
        ROW,
        {
            **ROW,
            "query": "Ada Brünn plays for _X_.",
            "relation": "P54",
            "id": "Q2_P54_2010",
            "answer": [{"name": "Marly United"}, {"name": "Peko Rovers"}],
            "date": "2010",
        },
        {
            **ROW,
            "query": "Ada Brünn plays for _X_.",
            "relation": "P54",
            "id": "Q2_P54_2011",
            "answer": [{"name": "Peko Rovers"}],
            "date": "2011",
        },
    ]
    facts = write_lines(tmp_path / "train.jsonl", rows)
    out = tmp_path / "out"
    assert main(words(out, facts=facts)) == 0
    assert "acquisition: 3 of 3 facts done.\n" in capsys.readouterr().out
    found = pd.read_csv(out / "rows.csv")
    assert set(found["fact"]) == {row["id"] for row in rows}
    with Store(out / "results.sqlite", read_only=True) as store:
        content = {row.fact: row.content for row in store.rows(store.runs()[0].key)}
    assert content["Q1_P488_2018"]["prompt"] == "The chair of Peko Motor Works is"  # turned round
    assert content["Q2_P54_2010"]["answers"] == ["Marly United", "Peko Rovers"]


def test_facts_that_the_model_does_not_know(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(out, facts="factworld:3", model="testbed:null")) == 0
    known = "The model answers 0 of 3 facts correctly. It knows none of them, so nothing below"
    assert f"- {known}" in capsys.readouterr().out
    assert known in (out / "report.html").read_text(encoding="utf-8")
    out = tmp_path / "left out"
    given = words(out, "--option", "only_known=yes", facts="factworld:3", model="testbed:null")
    assert main(given) == 0
    assert "- No fact was left to look for groups in." in capsys.readouterr().out
    assert "No fact was left" in (out / "report.html").read_text(encoding="utf-8")
