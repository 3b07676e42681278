"""The file of results: what it keeps, what it refuses, and how it fails."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurotopo
from neurotopo._codec import difference, from_text, to_text
from neurotopo.studies import Store, StoreError

ROOT = Path(neurotopo.__file__).parents[1]
CONTENT = {"prompt": "The capital of France is"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def child(code, *arguments, **options):
    """Run Python code in another process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
        **options,
    )


def same(one, other):
    """Compare values in which nan is equal to nan and 1 is not equal to 1.0."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != "$float"), inner)
    ),
)


@given(VALUES)
def test_values_come_back_as_they_were(value):
    assert same(from_text(to_text(value)), value)


def test_arrays_and_numbers_of_numpy_are_taken():
    value = {"a": np.array([[1.5, np.nan]]), "n": np.int64(3), "b": np.bool_(True), "t": (1, 2)}
    back = from_text(to_text(value))
    assert same(back, {"a": [[1.5, math.nan]], "n": 3, "b": True, "t": [1, 2]})
    third = np.float32(1) / np.float32(3)
    assert np.float32(from_text(to_text(third))) == third


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [0, {1, 2}]}, r"value\['a'\]\[1\] is a set"),
        ({1: 2}, "the keys of value must be strings, got 1"),
        ({"a": {"$float": "1"}}, r"value\['a'\] has the key '\$float'"),
        (np.array([None]), "holds object"),
        (b"a", "is a bytes"),
    ],
)
def test_what_json_cannot_hold_is_named(value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        to_text(value)


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ValueError, match="NaN is no JSON"):
        from_text('{"a": NaN}')


def test_the_first_difference_is_named():
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b was 2 and is 3"
    assert difference({"a": 1}, {"a": 1, "b": 3}) == "b was not given and is 3"
    assert difference({"a": 1, "b": 3}, {"a": 1}) == "b was 3 and is not given"
    assert difference({"a": {"b": math.nan, "c": 1}}, {"a": {"b": math.nan, "c": 2}}) == (
        "a.c was 1 and is 2"
    )


def test_rows_come_back(path):
    stages = {"neurons": {"n": [[0, 1]]}, "curve": {"gcr": math.nan}}
    with Store(path) as store:
        run = store.begin("s", {"tau": 0.5})
        store.put(run, "b", CONTENT, stages, 1.5)
        store.fail(run, "a", CONTENT, "ValueError: no", 0.5)
        assert store.counts(run) == (1, 1)
        assert store.state(run, "a") == (CONTENT, "ValueError: no")
        assert store.state(run, "c") is None
        assert store.get(run, "c") is None
    with Store(path, read_only=True) as store:
        first, second = store.rows(run)
        assert (first.fact, first.stages, first.error) == ("a", {}, "ValueError: no")
        assert same(second.stages, stages)
        assert list(second.stages) == ["neurons", "curve"]
        assert (second.content, second.error, second.seconds) == (CONTENT, None, 1.5)
        assert [(each.key, each.study, each.options) for each in store.runs()] == [
            (run, "s", {"tau": 0.5})
        ]
        with pytest.raises(ValueError, match="'b' has 2 stages, not one"):
            _ = second.payload
        with pytest.raises(StoreError, match="read-only"):
            store.put(run, "c", CONTENT, stages)
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


def test_results_replace_a_failure_and_a_failure_results(path):
    with Store(path) as store:
        run = store.begin("s", {})
        store.fail(run, "a", CONTENT, "no")
        store.put(run, "a", CONTENT, {"result": {"n": 1}})
        assert store.counts(run) == (1, 0)
        assert store.get(run, "a").payload == {"n": 1}
        store.fail(run, "a", CONTENT, "no")
        assert store.counts(run) == (0, 1)
        assert store.get(run, "a").stages == {}


def test_two_sets_of_options_never_mix(path):
    with Store(path) as store:
        one, other = store.begin("s", {"tau": 0.5}), store.begin("s", {"tau": 0.4})
        third = store.begin("t", {"tau": 0.5})
        assert len({one, other, third}) == 3
        store.put(one, "a", CONTENT, {"result": {"n": 1}})
        store.put(other, "a", CONTENT, {"result": {"n": 2}})
        assert [row.payload["n"] for row in store.rows(one)] == [1]
        assert [row.payload["n"] for row in store.rows(other)] == [2]
        assert list(store.rows(third)) == []
        assert store.begin("s", {"tau": 0.5}) == one
        assert len(store.runs()) == 3


def test_a_run_may_ask_to_be_alone(path):
    with Store(path) as store:
        store.begin("s", {"filter": {"tau2": 0.2}}, alone=True)  # nothing came of it
        run = store.begin("s", {"filter": {"tau2": 0.3}}, alone=True)
        store.put(run, "a", CONTENT, {"result": {}})
        assert store.begin("s", {"filter": {"tau2": 0.3}}, alone=True) == run
        with pytest.raises(ValueError, match=r"other options \(filter.tau2 was 0.3 and is 0.4\)"):
            store.begin("s", {"filter": {"tau2": 0.4}}, alone=True)
        with pytest.raises(ValueError, match="study was 's' and is 't'"):
            store.begin("t", {"filter": {"tau2": 0.3}}, alone=True)
        assert len(store.runs()) == 2


def test_what_cannot_be_stored_changes_nothing(path):
    with Store(path) as store:
        run = store.begin("s", {})
        store.put(run, "a", CONTENT, {"result": {"n": 1}})
        with pytest.raises(TypeError, match=r"result\['n'\] is a set"):
            store.put(run, "a", CONTENT, {"result": {"n": {1}}})
        with pytest.raises(TypeError, match="fact is a object"):
            store.put(run, "a", object(), {"result": {"n": 2}})
        assert store.get(run, "a").payload == {"n": 1}
        store.put(run, "b", CONTENT, {"result": {}})
    with pytest.raises(ValueError, match="the store is closed"):
        store.counts(run)


def test_readers_see_what_is_stored_while_it_is_written(path):
    with Store(path) as store:
        run = store.begin("s", {})
        with Store(path, read_only=True) as one, Store(path, read_only=True) as other:
            for n in range(1, 4):
                store.put(run, str(n), CONTENT, {"result": {"n": n}})
                assert one.counts(run) == other.counts(run) == (n, 0)
            half = one.rows(run)
            assert next(half).payload == {"n": 1}
            store.put(run, "4", CONTENT, {"result": {"n": 4}})
            assert [row.fact for row in half] == ["2", "3"]  # as when the reading began
            code = (
                "import sys; from neurotopo.studies import Store\n"
                "with Store(sys.argv[1], read_only=True) as store:\n"
                "    print(store.counts(sys.argv[2]))"
            )
            assert child(code, path, run).stdout.strip() == "(4, 0)"


def test_there_is_one_writer(path):
    with Store(path) as store:
        with pytest.raises(StoreError, match=r"another run is writing to .*results.sqlite"):
            Store(path)
        code = "import sys; from neurotopo.studies import Store; Store(sys.argv[1])"
        assert "StoreError: another run is writing" in child(code, path).stderr
        run = store.begin("s", {})  # not disturbed
        store.put(run, "a", CONTENT, {"result": {}})
    Store(path).close()


def test_a_file_locked_by_another_program(path):
    with Store(path, patience=0.05) as store:
        run = store.begin("s", {})
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            store.put(run, "a", CONTENT, {"result": {}})
        other.execute("ROLLBACK")
        store.put(run, "a", CONTENT, {"result": {}})
        store.close()
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="is locked by another program"):
            Store(path, patience=0.05)
        other.close()
    with Store(path, read_only=True) as store:
        assert store.counts(run) == (1, 0)


def test_a_full_disk_keeps_what_was_stored(path):
    with Store(path) as store:
        run = store.begin("s", {})
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        stored = iter(range(100))

        def fill():
            for n in stored:
                store.put(run, f"{n:03}", CONTENT, {"result": {"text": "x" * 1000}})

        with pytest.raises(StoreError, match=r"cannot write to .*: the disk is full"):
            fill()
        n = next(stored) - 1
        assert n > 2
        assert store.counts(run) == (n, 0)
        store._connection.execute("PRAGMA max_page_count = 10000")
        store.put(run, f"{n:03}", CONTENT, {"result": {"text": "x" * 1000}})
    with Store(path, read_only=True) as store:
        assert len(list(store.rows(run))) == n + 1


FULL = """
import resource, sys
from neurotopo.studies import Store, StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
n = 0
try:
    with Store(sys.argv[1]) as store:
        run = store.begin("s", {})
        while True:
            store.put(run, f"{n:04}", {}, {"result": {"text": "x" * 1000}})
            n += 1
except StoreError as error:
    print(n, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize("limit", [0, 1000, 20_000, 300_000])
def test_a_system_that_takes_no_more_bytes(path, limit):
    done = child(FULL, path, limit)
    n, message = done.stdout.split(maxsplit=1)
    assert "Traceback" not in done.stderr
    assert "disk is full" in message or "read-only or full" in message
    assert message.count("\n") == 1
    assert int(n) > 0 or limit < 100_000
    with Store(path) as store:  # there is space again
        run = store.begin("s", {})
        assert store.counts(run) == (int(n), 0)
        store.put(run, "more", {}, {"result": {}})


def test_broken_files(path, tmp_path):
    path.write_bytes(b"not at all a file of results" * 100)
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="is broken, or no file of results"):
            Store(path, read_only=read_only)
    assert path.read_bytes() == before
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = other.read_bytes()
    for read_only in (False, True):
        with pytest.raises(ValueError, match="was not written by a study, so it is left alone"):
            Store(other, read_only=read_only)
    assert other.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other.sqlite", path.name]
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Store(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("keep", [100, 4096, 10_000, 30_000])
def test_a_file_that_was_cut_short(path, keep):
    with Store(path) as store:
        run = store.begin("s", {})
        for n in range(40):
            store.put(run, f"{n:03}", CONTENT, {"result": {"text": "x" * 1000}})
    path.write_bytes(path.read_bytes()[:keep])

    def use():
        with Store(path) as store:
            list(store.rows(store.begin("s", {})))
            store.put(run, "more", CONTENT, {"result": {}})

    with pytest.raises(StoreError, match="is broken"):
        use()


def test_a_changed_byte_is_found(path):
    with Store(path) as store:
        run = store.begin("s", {})
        store.put(run, "a", CONTENT, {"result": {"n": 12345}})
    data = path.read_bytes()
    assert data.count(b"12345") == 1
    path.write_bytes(data.replace(b"12345", b"12346"))
    with (
        Store(path, read_only=True) as store,
        pytest.raises(StoreError, match=r"is broken at 'a' .its checksum is wrong"),
    ):
        list(store.rows(run))


def test_a_later_version_is_left_alone(path):
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ValueError, match="is of version 99; only versions up to 2 can be read"):
        Store(path)


def test_places_where_there_can_be_no_file(tmp_path):
    with pytest.raises(StoreError, match=r"cannot open .*: its folder is missing"):
        Store(tmp_path / "none" / "results.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path / "folder.sqlite")


READ_ONLY = """
import os, sys
from neurotopo.studies import Store, StoreError
if os.getuid() == 0:
    os.setuid(65534)  # nothing is read-only to root
with Store(sys.argv[1], read_only=True) as store:
    print(store.counts(sys.argv[2]))
try:
    Store(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="other permissions")
@pytest.mark.parametrize("file_too", [False, True])
def test_a_read_only_folder_can_be_read(tmp_path, file_too):
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "results ? #%41.sqlite"
        with Store(path) as store:
            run = store.begin("s", {})
            store.put(run, "a", CONTENT, {"result": {}})
        if not file_too:  # as after a kill: readers of this mode want to write beside the file
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.close()
        os.chmod(path, 0o444 if file_too else 0o666)
        os.chmod(folder, 0o777 if file_too else 0o555)
        done = child(READ_ONLY, path, run)
        os.chmod(folder, 0o777)
    assert not done.stderr
    first, second = done.stdout.splitlines()
    assert first == "(1, 0)"
    assert second.startswith("cannot write to" if file_too else "cannot open")
    assert "read-only" in second


KILLED = """
import sys
from neurotopo.studies import Store
with Store(sys.argv[1]) as store:
    run = store.begin("s", {})
    n, _ = store.counts(run)
    while True:
        store.put(run, f"{n:05}", {}, {"a": {"n": n}, "b": {"text": "x" * (n * 37 % 9000)}})
        n += 1
        print(n, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_kill_while_writing_loses_nothing_that_was_stored(path):
    rng = np.random.default_rng(0)
    said = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(int(rng.integers(1, 60))):
            said = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
        process.wait()
        said = int(rest[-1]) if rest else said
        with Store(path) as store:
            rows = list(store.rows(store.begin("s", {})))
        assert said <= len(rows) <= said + 1
        assert [row.stages["a"]["n"] for row in rows] == list(range(len(rows)))
        assert all(len(row.stages["b"]["text"]) == n * 37 % 9000 for n, row in enumerate(rows))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
