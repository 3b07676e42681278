"""``neurotopo run`` and ``neurotopo report`` in folders of other, broken or unfinished runs."""

from __future__ import annotations

import contextlib
import errno
import sqlite3

import pytest

from neurotopo.cli import main
from neurotopo.report.run_file import write_run
from neurotopo.studies import Store, read_run
from tests.datasets.files import write_lines
from tests.support.commands import (
    CHOSEN,
    FACTS,
    MODEL,
    bytes_of,
    files_of,
    is_one_sentence,
    refuses,
    stored,
    words,
)


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
    error = refuses(words(done, *CHOSEN, *more, model=model), capsys, said)
    assert "give another folder" in error
    assert files_of(done) == before


def test_another_fact_of_the_same_name_is_told_apart(done, tmp_path, capsys):
    facts = [{**fact.to_dict(), "id": fact.key} for fact in FACTS]
    facts[1]["answers"] = ["Nobody"]
    write_lines(tmp_path / "facts.jsonl", facts)
    before = files_of(done)
    refuses(
        words(done, *CHOSEN, facts=tmp_path / "facts.jsonl"),
        capsys,
        f"holds another fact {FACTS[1].key!r}",
    )
    assert files_of(done) == before


def test_two_runs_at_once_in_one_folder(done, capsys):
    with Store(done / "results.sqlite"):
        refuses(words(done, *CHOSEN), capsys, "another run is writing to")


@pytest.mark.parametrize("text", ["", '{"kind": ', "[]", '{"kind": "x", "version": 1}', "\xff"])
@pytest.mark.usefixtures("no_report")
def test_a_broken_run_file(text, done, capsys):
    (done / "run.json").write_text(text, encoding="latin-1")
    before = bytes_of(done)
    refuses(["report", str(done)], capsys, "run.json was not written by a study")
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
    about = {**read_run(done / "run.json"), **change}
    kept = {name: value for name, value in about.items() if value is not ...}
    write_run(done / "run.json", kept)
    if main(["report", str(done)]):  # it may do without
        is_one_sentence(capsys.readouterr(), "run.json")


@pytest.mark.usefixtures("no_report")
def test_results_that_are_not_those_of_the_run_file(done, capsys):
    write_run(done / "run.json", {**read_run(done / "run.json"), "run": "0123456789abcdef"})
    before = bytes_of(done)
    refuses(["report", str(done)], capsys, "results.sqlite")
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
    "a number was changed": (_changed_number, "rows were lost or changed"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.usefixtures("no_report")
def test_broken_results_are_left_alone(case, done, capsys):
    change, said = BROKEN[case]
    change(done / "results.sqlite")
    before = bytes_of(done)
    rows = stored(done) if case == "a number was changed" else None
    refuses(["report", str(done)], capsys, said)
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
    refuses(["report", str(done)], capsys, f"there is no file {done / 'results.sqlite'}")
    assert bytes_of(done) == before


@pytest.mark.parametrize("place", ["", "nothing", "file"])
def test_a_folder_that_is_no_run(place, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    refuses(
        ["report", str(tmp_path / place)], capsys, "is not the folder of a run: it has no run.json"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("no_report")
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
    refuses(words(out, *CHOSEN), capsys, "the disk is full. Earlier results are kept")
    assert not (out / "report.html").exists()
    monkeypatch.setattr(Store, "put", put)

    assert main(["report", str(out)]) == 0
    assert "acquisition: 2 of 4 facts done, 2 of them before" in capsys.readouterr().out
    assert "it was killed" in (out / "report.html").read_text(encoding="utf-8")
    assert main(words(out, *CHOSEN)) == 0
    assert "2 of 4 facts have results already" in capsys.readouterr().out
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
        refuses(given, capsys, f"{at}: No space left on device")
    assert bytes_of(done)[done / at] == before[done / at]
    assert read_run(done / "run.json")["status"] == "complete"
    monkeypatch.setattr(files, "atomic_write", real)
    assert main(["report", str(done), "-q"]) == 0
