"""Guarantees of a run folder: one writer, nothing changed outside, damage found."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from neurotopo.report.files import write_report
from neurotopo.report.run_file import read_run, write_run
from neurotopo.report.summary import Summary
from neurotopo.studies import Store, StoreError
from tests.support.reports import example_summary

pytest.importorskip("fcntl")


def filled(path):
    with Store(path) as store:
        run = store.begin("sizes", {"tau": 0.5})
        store.ask(run, ["paris", "rome", "lima"])
        store.put(run, "paris", {"prompt": "a"}, {"first": {"n": 3}, "second": {"x": [0.5]}}, 0.25)
        store.put(run, "rome", {"prompt": "b"}, {"first": {"n": 4}}, 0.5)
        store.fail(run, "lima", {"prompt": "c"}, "no token", 0.1)
    return run


def content(path, run):
    """Return everything that a report is made of."""
    with Store(path, read_only=True) as store:
        store.verify()
        rows = [vars(store.get(run, key)) for key in store.asked(run)]
        return json.dumps([rows, [vars(each) for each in store.runs()]], sort_keys=True)


PF_EXITING = 0x4  # Linux: the process closes its files


def is_running(pid):
    """Return whether a process runs: a killed one may still be closing its files, in any order."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return status[0] not in "ZX" and not int(status[6]) & PF_EXITING


def opened_and_closed(path, place, seed, seconds, counts, holders):
    """Open and close a store; while it is open, no other process that runs may have it open."""
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with Store(path, patience=5):
                holders[place] = os.getpid()
                others = [pid for at, pid in enumerate(holders) if pid and at != place]
                counts["two"][place] += any(map(is_running, others))
                counts["opened"][place] += 1
                time.sleep(rng.random() * 1e-3)
                holders[place] = 0
        except StoreError as error:
            name = "refused" if "another run is writing" in str(error) else "other"
            counts[name][place] += 1
            time.sleep(rng.random() * 0.05)


def hammer(path, n_processes, seconds, kills):
    context = multiprocessing.get_context("fork")
    # without locks, which a killed process would keep
    names = ("opened", "two", "refused", "other")
    counts = {name: context.RawArray("q", n_processes) for name in names}
    holders = context.RawArray("q", n_processes)

    def start(place, seed):
        arguments = (path, place, seed, seconds, counts, holders)
        process = context.Process(target=opened_and_closed, args=arguments)
        process.start()
        return process

    processes = [start(place, place) for place in range(n_processes)]
    rng = random.Random(0)
    for seed in range(kills):
        time.sleep(seconds / (kills + 1))
        at = rng.randrange(n_processes)
        if processes[at].is_alive():
            os.kill(processes[at].pid, signal.SIGKILL)
        processes[at].join()
        assert processes[at].exitcode in (0, -signal.SIGKILL)
        processes[at] = start(at, 100 + seed)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return {name: sum(each) for name, each in counts.items()}


def test_one_process_writes(tmp_path):
    path = tmp_path / "results.sqlite"
    filled(path)
    counts = hammer(path, 4, seconds=2, kills=4)
    assert counts["opened"] > 10
    assert counts["two"] == counts["other"] == 0


@pytest.mark.slow
def test_one_process_writes_in_100_000_openings(tmp_path):
    path = tmp_path / "results.sqlite"
    filled(path)
    n_opened = 0
    while n_opened < 100_000:
        counts = hammer(path, 8, seconds=20, kills=40)
        assert counts["two"] == counts["other"] == 0
        n_opened += counts["opened"]


@pytest.mark.parametrize("name", ["results.sqlite", "results.sqlite.lock", "results.sqlite-wal"])
@pytest.mark.parametrize("hard", [False, True])
def test_a_link_is_refused_and_its_target_is_left_alone(tmp_path, name, hard):
    outside = tmp_path / "outside"
    filled(outside)
    before = outside.read_bytes()
    folder = tmp_path / "run"
    folder.mkdir()
    make = os.link if hard else os.symlink
    make(outside, folder / name)
    with pytest.raises(ValueError, match="is a link"):
        Store(folder / "results.sqlite")
    assert outside.read_bytes() == before


@pytest.mark.parametrize("name", ["tables", "figures"])
def test_a_report_does_not_follow_a_linked_folder(tmp_path, name):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("jinja2")
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    folder.mkdir()
    (outside / "old.csv").write_text("mine")
    (folder / name).symlink_to(outside, target_is_directory=True)
    summary = Summary("How large?", ("4.",), {}, {}, pd.DataFrame({"fact": ["paris"]}))
    with pytest.raises(ValueError, match="is a link"):
        write_report(summary, folder)
    assert os.listdir(outside) == ["old.csv"]
    assert sorted(os.listdir(folder)) == [name]


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_farm_of_links_changes_nothing_outside(tmp_path, kind):
    """Each file of a report is a link to a file outside; a hostile list names more of them."""
    pytest.importorskip("jinja2")
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    written = write_report(example_summary(), folder)
    for number, path in enumerate(written):
        target = outside / f"{number}{path.suffix}"
        target.write_bytes(path.read_bytes())
        path.unlink()
        if kind == "hard":
            os.link(target, path)
        else:
            path.symlink_to(target)
    old = outside / "old.csv"
    old.write_text("mine")
    (folder / "tables" / "old.csv").symlink_to(old)
    mine = hashlib.sha256(b"mine").hexdigest()
    names = ("tables/old.csv", "../outside/old.csv", str(old), "tables/../../outside/old.csv")
    listed = json.loads((folder / "report.json").read_text())
    listed["files"] |= {name: [mine] for name in names}
    (folder / "report.json").unlink()
    (folder / "report.json").write_text(json.dumps(listed))
    before = {path: path.read_bytes() for path in outside.iterdir()}
    write_report(example_summary(), folder)
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM asked WHERE place = 1",
        "UPDATE asked SET fact = 'lima' WHERE place = 0",
        "DELETE FROM facts WHERE fact = 'rome'",
        "DELETE FROM results WHERE stage = 'second'",
        "DELETE FROM results",
        "UPDATE facts SET error = NULL WHERE fact = 'lima'",
        "UPDATE facts SET seconds = 1",
        "UPDATE facts SET content = '[]'",
        "UPDATE runs SET options = '{}'",
        "DELETE FROM runs",
        "DELETE FROM digest",
        "DROP TABLE digest",
        "UPDATE digest SET value = 'x'",
        "INSERT INTO results VALUES ('a', 'b', 'c', '{}', 0)",
    ],
)
def test_rows_that_were_changed_are_found(tmp_path, change):
    path = tmp_path / "results.sqlite"
    run = filled(path)
    assert content(path, run)
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"damaged|broken"):
        content(path, run)


def flipped(path, places, look, expected):
    """Change one bit of each place; what is read is equal, or an error says that it is damaged."""
    whole = path.read_bytes()
    rng = random.Random(0)
    found = 0
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            assert look() == expected, place
        except (StoreError, ValueError):  # a sentence; anything else fails the test
            found += 1
    path.write_bytes(whole)
    return found


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_bit_changes_nothing_or_is_found(tmp_path, step):
    path, about = tmp_path / "results.sqlite", tmp_path / "run.json"
    run = filled(path)
    places = range(0, path.stat().st_size, step)
    assert flipped(path, places, lambda: content(path, run), content(path, run)) > 5
    write_run(about, {"study": "sizes", "run": run, "settings": {"tau": 0.5}, "n": [1.5, None]})
    expected = json.dumps(read_run(about), sort_keys=True)
    places = range(0, about.stat().st_size, max(1, step // 10))
    found = flipped(about, places, lambda: json.dumps(read_run(about), sort_keys=True), expected)
    assert found > 0.9 * len(places) - 20


def test_a_file_of_version_1_is_read_and_gets_a_digest(tmp_path):
    path = tmp_path / "results.sqlite"
    run = filled(path)
    expected = content(path, run)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE digest")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    assert content(path, run) == expected
    with Store(path) as store:
        store.verify()
        store.put(run, "lima", {"prompt": "c"}, {"first": {"n": 5}})
    with Store(path, read_only=True) as store:
        store.verify()
        assert store.counts(run) == (3, 0)


def test_results_may_be_replaced(tmp_path):
    path = tmp_path / "results.sqlite"
    run = filled(path)
    with Store(path) as store:
        store.fail(run, "paris", {"prompt": "a"}, "later", 1)
        store.put(run, "lima", {"prompt": "c"}, {"first": {"n": 1}, "second": {}}, 2)
        store.ask(run, ["lima", "paris"])
        store.begin("sizes", {"tau": 0.5})
        store.begin("sizes", {"tau": 0.25})
        store.verify()
