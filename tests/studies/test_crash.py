"""A run survives kill -9 at any moment, a full disk at any write, and a torn log."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time

import pytest

from neurotopo.studies import Store, StoreError

resource = pytest.importorskip("resource")

FACTS = [f"fact {i}" for i in range(12)]


def result(key):
    return {"first": {"n": len(key), "x": [0.1] * 50}, "second": {"text": key * 20}}


def work(path):
    """Do what a run does: ask, and store each fact that is missing."""
    with Store(path, patience=1) as store:
        run = store.begin("sizes", {"tau": 0.5})
        store.ask(run, FACTS)
        for key in FACTS:
            if store.state(run, key) is None:
                store.put(run, key, {"prompt": key}, result(key), 0.5)
        store.verify()
    return run


def stored(path):
    """Return the stored facts of a verified file, by key."""
    with Store(path, read_only=True) as store:
        store.verify()
        (run,) = store.runs()
        return {row.fact: [row.stages, row.content, row.error] for row in store.rows(run.key)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "results.sqlite"
    work(path)
    return stored(path)


def is_sound(path, whole):
    """Check that what is there is a part of the whole; finish the run, and check the whole."""
    found, said = {}, ""
    if path.exists() and path.stat().st_size:
        try:
            found = stored(path)
        except (ValueError, StoreError) as error:  # it ended before the tables were made
            said = str(error)
    assert "damaged" not in said
    assert all(whole[key] == value for key, value in found.items())
    work(path)
    assert stored(path) == whole


@pytest.mark.parametrize("n", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_kill_at_a_random_moment(tmp_path, whole, n):
    context = multiprocessing.get_context("fork")
    start = time.perf_counter()
    work(tmp_path / "timed.sqlite")
    takes = time.perf_counter() - start
    rng = random.Random(0)
    for trial in range(n):
        path = tmp_path / f"{trial}.sqlite"
        for _ in range(3):
            process = context.Process(target=work, args=(path,))
            process.start()
            time.sleep(rng.random() * takes)
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        is_sound(path, whole)
        for file in tmp_path.glob(f"{trial}.sqlite*"):
            file.unlink()


def limited(path, size):
    """Work with files that cannot grow beyond a size, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        work(path)
    except (StoreError, OSError) as error:
        os._exit(3 if "\n" not in str(error) else 4)
    os._exit(0)


@pytest.mark.parametrize("step", [20_000, pytest.param(512, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_at_any_write(tmp_path, whole, step):
    context = multiprocessing.get_context("fork")
    codes = set()
    for size in range(0, 400_000, step):
        path = tmp_path / "results.sqlite"
        process = context.Process(target=limited, args=(path, size))
        process.start()
        process.join()
        codes.add(process.exitcode)
        is_sound(path, whole)
        for file in tmp_path.glob("results.sqlite*"):
            file.unlink()
    assert codes <= {0, 3}
    assert 3 in codes


@pytest.mark.parametrize("n", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_log_that_was_torn(tmp_path, whole, n):
    """After a loss of power the end of the log may be cut off, or be garbage."""
    place = tmp_path / "run"
    place.mkdir()
    store = Store(place / "results.sqlite")
    run = store.begin("sizes", {"tau": 0.5})
    store.ask(run, FACTS)
    for key in FACTS:
        store.put(run, key, {"prompt": key}, result(key), 0.5)
    names = ("results.sqlite", "results.sqlite-wal")
    before = {name: (place / name).read_bytes() for name in names}
    store.close()
    assert len(before["results.sqlite-wal"]) > 10_000
    rng = random.Random(0)
    for trial in range(n):
        torn = tmp_path / f"torn{trial}"
        torn.mkdir()
        log = bytearray(before["results.sqlite-wal"])
        at = rng.randrange(len(log))
        if trial % 2:
            del log[at:]
        else:
            log[at : at + 512] = rng.randbytes(len(log[at : at + 512]))
        (torn / names[0]).write_bytes(before[names[0]])
        (torn / names[1]).write_bytes(log)
        is_sound(torn / "results.sqlite", whole)
        shutil.rmtree(torn)
