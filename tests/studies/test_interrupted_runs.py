"""Runs that are interrupted or killed, or end with a full disk or a summary that fails."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import pytest

from neurotopo.studies import Store, StoreError, read_run, run_study
from tests.support.studies import Counted, items, python, raises, study_of


@pytest.mark.parametrize("at", [0, 3, 5])
def test_an_interrupt_leaves_a_partial_result(tmp_path, at):
    counted = Counted(at, raises(KeyboardInterrupt()))
    outcome = run_study(counted.study, items(6), out=tmp_path)
    assert outcome.interrupted
    assert not outcome.complete
    assert (outcome.n_done, len(outcome.summary)) == (at, at)
    assert "interrupted" in str(outcome)
    assert read_run(tmp_path / "run.json")["status"] == "interrupted"
    again = run_study(Counted().study, items(6), out=tmp_path)
    assert (again.n_there, again.complete, again.interrupted) == (at, True, False)
    assert again.summary == run_study(Counted().study, items(6)).summary
    assert read_run(tmp_path / "run.json")["status"] == "complete"


def test_an_interrupt_while_a_fact_is_stored_keeps_it_whole_or_not(tmp_path, monkeypatch):
    real, n = Store.put, []

    def put(self, *arguments):
        n.append(0)
        if len(n) == 3:
            raise KeyboardInterrupt
        real(self, *arguments)

    monkeypatch.setattr(Store, "put", put)
    assert run_study(Counted().study, items(6), out=tmp_path).n_done == 2


@pytest.mark.parametrize("at", [None, 2])
def test_a_summary_that_fails_leaves_the_results(tmp_path, at):
    def study(summary):
        return study_of("s", Counted(at, raises(KeyboardInterrupt())).prepare, summary)

    def summary(rows):
        raise ZeroDivisionError("nothing to divide")

    with pytest.raises(ZeroDivisionError, match="nothing to divide"):
        run_study(study(summary), items(4), out=tmp_path)
    about = read_run(tmp_path / "run.json")
    whole = "complete" if at is None else "interrupted"
    assert about["status"] == f"{whole}, but without summary"
    assert about["n_done"] == (4 if at is None else 2)
    again = run_study(study_of("s", Counted().prepare, lambda rows: 1), items(4), out=tmp_path)
    assert (again.n_there, again.n_done) == (about["n_done"], 4)
    assert read_run(tmp_path / "run.json")["status"] == "complete"


def test_a_full_disk_ends_the_run_and_keeps_what_was_there(tmp_path, monkeypatch):
    real, n = Store.put, []

    def put(self, *arguments):
        n.append(0)
        if len(n) == 4:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            self._connection.execute(f"PRAGMA max_page_count = {pages}")
            arguments = (*arguments[:3], {"result": {"text": "x" * 100_000}}, 0.0)
        real(self, *arguments)

    monkeypatch.setattr(Store, "put", put)
    with pytest.raises(StoreError, match="the disk is full"):
        run_study(Counted().study, items(6), out=tmp_path)
    monkeypatch.undo()
    again = run_study(Counted().study, items(6), out=tmp_path)
    assert (again.n_there, again.n_done) == (3, 6)


KILLED = """
import os, sys, time
from neurotopo.studies import run_study, seed_for
from tests.support.studies import items, listen_to_ctrl_c, study_of

listen_to_ctrl_c()

def prepare(model, options):
    calls = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    def work(fact):
        os.write(calls, fact.key.encode() + b"\\n")
        time.sleep(0.002)
        return {"value": seed_for(0, fact.key) / 7, "none": float("nan")}
    return work

def summary(rows):
    return repr([(row.fact, row.payload) for row in rows])

print("begins", flush=True)
outcome = run_study(study_of("killed", prepare, summary), items(200), out=sys.argv[1])
print(outcome.n_there, outcome.interrupted, outcome.complete)
print(outcome.summary)
"""


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    begins, about, summary = out.splitlines()
    assert begins == "begins"
    return about.split(), summary


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_comes_to_the_same(tmp_path, times):
    _, whole = finish(python(KILLED, tmp_path / "whole", tmp_path / "calls"))
    rng = np.random.default_rng(1)
    calls, n_kills = tmp_path / "calls-of-killed", 0

    def n_calls():
        return len(calls.read_text().split()) if calls.exists() else 0

    for i in range(times):
        before = n_calls()
        process = python(KILLED, tmp_path / "killed", calls)
        assert process.stdout.readline() == "begins\n"
        while i % 2 and process.poll() is None and n_calls() < before + 3:
            time.sleep(0.005)  # also on a busy machine some processes store facts
        time.sleep(float(rng.uniform(0, 0.12)))
        if process.poll() is None:
            n_kills += 1
        process.kill()
        process.communicate()
    (there, interrupted, complete), summary = finish(python(KILLED, tmp_path / "killed", calls))
    assert (interrupted, complete) == ("False", "True")
    assert summary == whole
    assert int(there) > 0
    asked = calls.read_text().split()
    assert set(asked) == set((tmp_path / "calls").read_text().split())
    assert len(asked) <= 200 + n_kills  # at most the fact in hand is lost


@pytest.mark.skipif(sys.platform == "win32", reason="other signals")
def test_ctrl_c_ends_a_process_cleanly(tmp_path):
    process = python(KILLED, tmp_path / "run", tmp_path / "calls")
    assert process.stdout.readline() == "begins\n"
    while not (tmp_path / "calls").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[0].split() == ["0", "True", "False"]
    assert read_run(tmp_path / "run" / "run.json")["status"] == "interrupted"
