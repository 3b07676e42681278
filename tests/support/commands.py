"""Helpers for the tests of the commands: command lines, files of a run, what is printed."""

from __future__ import annotations

import contextlib
import sqlite3

from neurotopo.cli import main
from neurotopo.studies.facts import facts_for

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
BAD = "<|endoftext|>"  # an answer that has no tokens of its own


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
    """Check that an error message is one line."""
    assert printed.err.startswith("neurotopo: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert said in printed.err


def refuses(arguments, capture, said):
    """Check that a command prints nothing but one line on standard error, with status 2."""
    assert main(arguments) == 2
    printed = capture.readouterr()
    assert printed.out == ""
    is_one_sentence(printed, said)
    return printed.err


def rows_of(printed):
    """Return the cells of the printed tables."""
    lines = [line for line in printed.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def is_no_run(out):
    """Tell that nothing is there that a report could be of."""
    return not out.exists() or {path.name for path in out.iterdir()} <= {"results.sqlite"}
