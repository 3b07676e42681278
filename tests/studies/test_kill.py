"""A study that is killed, interrupted or spread over processes comes to the same files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import neurotopo
from neurotopo.cli import main
from neurotopo.studies import read_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")

ROOT = Path(neurotopo.__file__).parents[1]
N = 6


def words(out, n, *more):
    model = ["--model", "testbed:gpt2", "--facts", f"factworld:{n}", "--device", "cpu"]
    return ["run", "acquisition", *model, "--out", str(out), "--quick", "--quiet", *more]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Sums of floating-point numbers depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(words(out, N)) == 0
    return out


@pytest.fixture(scope="module")
def start():
    """Return a function that starts a command line; none outlives the tests."""
    begun = []

    def listen():  # shells switch this signal off in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def begin(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "neurotopo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=listen,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # Ray is ended then
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def stored(out):
    """Return the facts that are stored, in that order, each with its seconds."""
    path = out / "results.sqlite"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT fact, seconds FROM facts ORDER BY rowid"))
    except sqlite3.OperationalError:  # there is no such file, or no table yet
        return {}


def wait_for(process, out, n):
    end = time.monotonic() + 120
    while len(stored(out)) < n and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def finish(process, status=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    return out, err


def contents(out):
    """Return what is to be the same, byte by byte."""
    files = [*sorted((out / "tables").glob("*.csv")), out / "rows.csv"]
    assert len(files) > 5
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in files}


def kill_at_random(start, out, n, times, seed):
    """Kill a run again and again; return what was stored after each time."""
    rng = np.random.default_rng(seed)
    left, n_there = [{}], []
    for i in range(times):
        process = start(*words(out, n))
        room = (n - n // 3 - len(left[-1])) // (times - i)  # leave some for each of the others
        wait_for(process, out, len(left[-1]) + int(rng.integers(1, max(room, 1) + 1)))
        time.sleep(rng.uniform(0, np.mean(list(stored(out).values()))))  # amid a fact
        assert process.poll() is None
        process.kill()
        process.communicate()
        n_there.append(read_run(out / "run.json")["n_there"])
        assert read_run(out / "run.json")["status"] == "running"
        assert not (out / "report.html").exists()
        left.append(stored(out))
    assert n_there == [len(each) for each in left[:-1]]
    assert all(len(a) < len(b) for a, b in pairwise(left))
    return left[-1]


def same_in_the_end(out, before, whole, n):
    """Check a run that was gone on with to the end."""
    about = read_run(out / "run.json")
    assert (about["status"], about["n_done"], about["n_facts"]) == ("complete", n, n)
    assert about["n_there"] == len(before)
    now = stored(out)
    assert {key: now[key] for key in before} == before  # nothing stored was done again
    assert contents(out) == contents(whole)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in whole.iterdir()
    )


@pytest.mark.slow
def test_killed_it_comes_to_the_same_files(start, whole, tmp_path):
    out = tmp_path / "killed"
    before = kill_at_random(start, out, N, 1, seed=4)
    assert 1 <= len(before) < N
    assert main(words(out, N)) == 0
    same_in_the_end(out, before, whole, N)


@pytest.mark.slow
def test_interrupted_it_leaves_a_report_of_what_there_is(start, whole, tmp_path):
    out = tmp_path / "interrupted"
    process = start(*words(out, N))
    wait_for(process, out, 2)
    process.send_signal(signal.SIGINT)
    printed, err = finish(process, 130)
    assert printed == f"{out / 'report.html'}\n"
    assert err == "neurotopo: interrupted; files that were complete are kept.\n"
    before = stored(out)
    assert 2 <= len(before) < N
    about = read_run(out / "run.json")
    assert (about["status"], about["n_done"]) == ("interrupted", len(before))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The run was interrupted; the same command continues it." in page
    assert len((out / "tables" / "facts.csv").read_bytes().splitlines()) > 1
    assert main(words(out, N)) == 0
    same_in_the_end(out, before, whole, N)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The run was interrupted" not in page


@pytest.mark.slow
def test_two_processes_of_ray_come_to_the_same_rows(tmp_path):
    pytest.importorskip("ray")
    from neurotopo.studies import RayEngine, run

    given = {"model": "testbed:gpt2", "facts": "factworld:6", "quick": True, "device": "cpu"}
    here = run("acquisition", out=tmp_path / "inline", **given)
    with RayEngine(2, threads=1) as engine:
        there = run("acquisition", out=tmp_path / "ray", engine=engine, **given)
    assert (there.outcome.n_done, there.outcome.n_failed) == (6, 0)
    assert there.outcome.run == here.outcome.run
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")


MANY = 200


@pytest.fixture(scope="module")
def large(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "large"
    finish(start(*words(out, MANY)))
    return out


@pytest.mark.slow
def test_killed_twenty_times_it_comes_to_the_same_files(start, large, tmp_path):
    out = tmp_path / "killed"
    before = kill_at_random(start, out, MANY, 20, seed=5)
    assert 20 <= len(before) < MANY
    finish(start(*words(out, MANY)))
    same_in_the_end(out, before, large, MANY)


def workers_of(process):
    """Return the processes in which Ray works for a process."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
            parents[int(folder.name)] = int(state[1])
        except OSError:  # it has ended meanwhile
            continue

    def is_under(pid):
        while pid in parents and pid != process.pid:
            pid = parents[pid]
        return pid == process.pid

    # Ray has other processes too; those that work are named after the class of their actor.
    return sorted(pid for pid, name in names.items() if b"ray::Worker" in name and is_under(pid))


@pytest.fixture(scope="module")
def bereaved(start, tmp_path_factory):
    """A run in two processes, one of which was killed: its folder, and what was printed."""
    pytest.importorskip("ray")
    if not Path("/proc").is_dir():
        pytest.skip("no way to find the processes")
    out = tmp_path_factory.mktemp("runs") / "ray"
    process = start(*words(out, MANY, "--engine", "ray", "--workers", "2"))
    wait_for(process, out, MANY // 4)
    workers = workers_of(process)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    return (out, *finish(process))


@pytest.mark.slow
def test_a_killed_worker_of_ray_changes_nothing(large, bereaved):
    out, _, err = bereaved
    assert "Traceback" not in err
    same_in_the_end(out, {}, large, MANY)


@pytest.mark.slow
@pytest.mark.xfail(strict=False, reason="Ray itself prints to standard output that a worker died")
def test_a_killed_worker_of_ray_does_not_break_the_silence(bereaved):
    out, printed, _ = bereaved
    assert printed == f"{out / 'report.html'}\n"
