"""Work in processes of Ray: the same as here, also when they die, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from neurotopo.studies import InlineEngine, Store, Task, read_run, run_study, seed_for
from tests.support.studies import python, study_of

ray = pytest.importorskip("ray")

from neurotopo.studies import RayEngine  # noqa: E402
from neurotopo.studies.ray_head import WorkerError  # noqa: E402
from neurotopo.studies.ray_pool import room_for  # noqa: E402
from neurotopo.studies.ray_worker import Raised, Worker  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")


@dataclass(frozen=True)
class Item:
    key: str
    value: int

    def to_dict(self):
        return {"key": self.key, "value": self.value}


def tasks(n):
    return [Task(i, Item(f"fact-{i * 7919 % 1000:03}", i)) for i in range(n)]


class Strange(Exception):
    """Cannot be read again: it is made of two things and pickles one."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def die():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def prepare(model, options):
    """Write down each process that prepares, and do at one fact what the options say."""
    folder = Path(options["folder"])
    with (folder / "prepared").open("a") as file:
        file.write(f"{os.getpid()}\n")
    at = options.get("at_once")
    if at == "die":
        die()
    elif at == "strange":
        raise Strange(1, 2)
    elif at is not None:
        raise at

    def work(fact):
        if fact.value == options.get("dies_at"):
            die()
        if fact.value == options.get("dies_once_at"):
            try:
                (folder / "died").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                die()
        if fact.value == options.get("fails_at"):
            raise KeyError("none")
        if fact.value == options.get("strange_at"):
            return {"a": (i for i in range(3))}
        time.sleep(options.get("seconds", 0))
        noise = np.random.default_rng(seed_for(3, fact.key)).normal(size=5)
        return {"square": fact.value**2, "noise": noise, "none": float("nan")}

    return work


def summary(rows):
    return [(row.fact, repr(row.payload)) for row in rows if row.error is None]


STUDY = study_of("spread", prepare, summary)


@pytest.fixture(scope="module", autouse=True)
def by_value():
    """Workers cannot import this module."""
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)
    yield
    ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture(scope="module")
def local():
    """A Ray of the program's own, so that every test does not start one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100 * 2**20,
        )
        yield
        ray.shutdown()


@pytest.fixture
def engine(local):
    with RayEngine(workers=2) as engine:
        yield engine


@pytest.fixture
def ready(tmp_path):
    """Return a function that returns what to prepare."""
    return lambda **options: partial(prepare, None, {"folder": str(tmp_path), **options})


def comes_of(found):
    assert len({each.task.number for each in found}) == len(found)
    return sorted((each.task.number, repr(each.payload), each.error) for each in found)


def prepared(folder):
    return [int(line) for line in (folder / "prepared").read_text().split()]


def alive(pids):
    def is_alive(pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            return state != "Z"
        except FileNotFoundError:
            return False

    return [pid for pid in pids if is_alive(pid)]


def wait_until_dead(pids, seconds=15.0):
    end = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pids)


def test_it_comes_to_the_same_as_here(engine, ready, tmp_path):
    here = list(InlineEngine().run(tasks(30), ready(fails_at=4)))
    found = list(engine.run(iter(tasks(30)), ready(fails_at=4)))
    assert comes_of(found) == comes_of(here)
    assert [each.error for each in here if each.error] == ["KeyError: 'none'"]
    assert all(each.seconds > 0 for each in found)
    backwards = list(engine.run(reversed(tasks(30)), ready(fails_at=4)))
    assert comes_of(backwards) == comes_of(here)
    assert len(prepared(tmp_path)) == len(set(prepared(tmp_path))) <= 3  # once in each, and here


def test_without_tasks_nothing_is_prepared(engine, ready, tmp_path):
    assert list(engine.run([], ready())) == []
    assert not (tmp_path / "prepared").exists()
    assert len(list(engine.run(tasks(1), ready()))) == 1
    assert len(prepared(tmp_path)) == 1


def test_a_question_prepares_for_the_run_that_follows(engine, ready, tmp_path):
    assert engine.ask(ready(), lambda work: work(Item("a", 3))["square"]) == 9
    assert len(prepared(tmp_path)) == 1
    assert len(list(engine.run(tasks(1), ready()))) == 1
    assert len(prepared(tmp_path)) == 1
    list(engine.run(tasks(1), ready(fails_at=0)))  # something else
    assert len(prepared(tmp_path)) == 2
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        engine.ask(ready(), lambda work: 1 / 0)
    assert wait_until_dead(prepared(tmp_path))


def test_a_killed_worker_is_replaced_and_its_facts_done_again(engine, ready, tmp_path, caplog):
    found = list(engine.run(tasks(20), ready(dies_once_at=5, seconds=0.01)))
    assert (tmp_path / "died").exists()
    assert comes_of(found) == comes_of(list(InlineEngine().run(tasks(20), ready())))
    assert len(prepared(tmp_path)) == len(set(prepared(tmp_path))) >= 3  # here too
    assert "a worker died at fact " in caplog.text


@pytest.mark.parametrize(("workers", "waiting"), [(2, 1), (1, 0)])
def test_a_fact_that_kills_its_workers_fails_and_the_others_are_done(
    local, ready, workers, waiting
):
    with RayEngine(workers=workers, deaths=2, waiting=waiting, cpus=1) as engine:
        found = list(engine.run(tasks(12), ready(dies_at=5)))
    (failed,) = [each for each in found if each.error is not None]
    assert failed.task.number == 5
    assert re.fullmatch(
        r"[23] workers died at this fact \(out of memory, killed, or machines lost\)", failed.error
    )
    here = comes_of(list(InlineEngine().run(tasks(12), ready())))
    assert [each for each in comes_of(found) if each[0] != 5] == here[:5] + here[6:]


def test_a_worker_that_was_killed_while_idle_is_replaced(engine, ready, tmp_path):
    list(engine.run(tasks(4), ready()))
    for pid in prepared(tmp_path):
        os.kill(pid, signal.SIGKILL)
    found = list(engine.run(tasks(4), ready()))
    assert comes_of(found) == comes_of(list(InlineEngine().run(tasks(4), ready())))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("tau must be a number"), ValueError, "^tau must be a number$"),
        (FileNotFoundError(2, "no file", "a.txt"), FileNotFoundError, r"no file: 'a.txt'$"),
        ("strange", Exception, "^1 and 2$"),
        (
            "die",
            WorkerError,
            r"^3 workers in a row died while preparing the work, for example loading the model",
        ),
    ],
)
def test_work_that_cannot_be_prepared_ends_the_run(engine, ready, error, kind, message):
    with pytest.raises(kind, match=message) as caught:
        list(engine.run(tasks(1), ready(at_once=error)))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, ray.exceptions.RayError)


def test_a_question_ends_like_a_run(engine, ready):
    with pytest.raises(OSError, match=r"^no such model$"):
        engine.ask(ready(at_once=OSError("no such model")), len)
    assert len(list(engine.run(tasks(1), ready()))) == 1  # it can still be used


def test_exceptions_travel_as_the_nearest_kind_that_is_known():
    raised = Raised.of(Strange(1, 2))
    assert (raised.whole, raised.kind) == (None, Exception)
    assert str(Raised(b"x", ValueError, "no", "").error()) == "no"
    assert Raised.of(UnicodeDecodeError("utf-8", b"", 0, 1, "bad")).kind is UnicodeError
    assert (
        type(Raised.of(UnicodeDecodeError("utf-8", b"", 0, 1, "b")).error()) is UnicodeDecodeError
    )


def test_what_cannot_be_pickled_is_said(engine, ready):
    lock = threading.Lock()
    with pytest.raises(ValueError, match=r"cannot pickle the study: its functions must be"):
        list(engine.run(tasks(1), partial(prepare, lock, {})))
    with pytest.raises(ValueError, match="cannot pickle the question"):
        engine.ask(ready(), partial(print, lock))
    found = list(engine.run([Task(0, Item("a", lock)), *tasks(3)[1:]], ready(strange_at=1)))
    assert sorted((each.error or "")[:27] for each in found) == [
        "",
        "the fact cannot be pickled ",
        "the result cannot be pickle",
    ]


def test_tasks_are_not_run_ahead_of(local, ready):
    taken, done, most = [], [], []

    def source():
        for task in tasks(40):
            taken.append(task)
            most.append(len(taken) - len(done))
            yield task

    with RayEngine(workers=2, waiting=1) as engine:
        for each in engine.run(source(), ready()):
            done.append(each)
            if len(done) in (1, 10):
                before = len(taken)
                time.sleep(0.2)  # whoever does not take results gets none
                assert len(taken) == before
    assert len(done) == 40
    assert max(most) <= 2 * 2


def test_a_run_closed_early_leaves_no_workers(engine, ready, tmp_path):
    found = engine.run(tasks(50), ready(seconds=0.3))
    next(found)
    with pytest.raises(ValueError, match="already in use"):
        next(engine.run(tasks(1), ready()))
    pids = prepared(tmp_path)
    assert alive(pids)
    start = time.monotonic()
    found.close()
    assert time.monotonic() - start < 5
    assert wait_until_dead(pids)
    assert len(list(engine.run(tasks(1), ready()))) == 1


def test_tasks_that_cannot_be_made_end_the_run(engine, ready, tmp_path):
    def source():
        yield from tasks(3)
        raise ValueError("line 4 is no fact")

    with pytest.raises(ValueError, match="line 4 is no fact"):
        list(engine.run(source(), ready()))
    assert wait_until_dead(prepared(tmp_path))


def test_a_ray_of_the_program_is_left_running(local, ready, tmp_path):
    with RayEngine(workers=2) as engine:
        list(engine.run(tasks(4), ready()))
    engine.close()
    assert ray.is_initialized()
    assert wait_until_dead(prepared(tmp_path))


def test_more_than_there_is_room_for_is_refused(local, ready):
    assert room_for(ray, 1, 0) == 2
    for given, message in (
        ({"workers": 3}, "room for 2 of 3 workers with 1 CPU and 0 GPUs"),
        ({"cpus": 2}, "room for 1 of 2 workers with 2 CPUs"),
        ({"gpus": 1}, "room for 0 of 2 workers with 1 CPU and 1 GPU each"),
    ):
        with RayEngine(**given) as engine, pytest.raises(WorkerError, match=message):
            list(engine.run(tasks(9), ready()))
    with RayEngine(workers=3, cpus=0.5) as engine:
        assert len(list(engine.run(tasks(1), ready()))) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": 0}, "workers must be a whole number of at least 1: 0"),
        ({"deaths": 0}, "deaths must be"),
        ({"waiting": -1}, "waiting must be a whole number of at least 0"),
        ({"threads": 0.5}, "threads must be"),
        ({"gpus": 1.5}, "gpus must be a whole number, or less than 1: 1.5"),
        ({"cpus": 0}, "cpus must be above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        RayEngine(**given)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs Ray: pip install 'neurotopo\[ray\]'"):
        RayEngine()


def test_torch_gets_as_many_threads_once_it_is_there(monkeypatch):
    said = []
    torch = SimpleNamespace(get_num_threads=lambda: 1, set_num_threads=said.append)
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    worker = Worker(3)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    bring = partial(monkeypatch.setitem, sys.modules, "torch", torch)
    monkeypatch.setattr("neurotopo.studies.ray_worker._read", lambda pickled: bring)
    assert worker.prepare(b"") is None
    assert said == [3]


def rows_of(folder):
    with Store(folder / "results.sqlite", read_only=True) as store:
        (run,) = store.runs()
        rows = [(r.fact, r.content, repr(r.stages), r.error) for r in store.rows(run.key)]
        return run.key, run.options, rows


def identity_of(work):
    return {"nine": work(Item("a", 3))["square"]}


def test_a_study_stores_the_same_rows(engine, tmp_path):
    given = {"options": {"dies_once_at": 3, "fails_at": 7}, "identity": identity_of}
    facts = [task.fact for task in tasks(12)]
    outcomes = []
    for name, where in (("inline", None), ("ray", engine)):
        folder = tmp_path / name
        folder.mkdir()
        if where is None:
            (tmp_path / "died").touch()  # this process is to live
        settings = {"folder": str(tmp_path)}
        outcomes.append(
            run_study(STUDY, facts, out=folder, engine=where, settings=settings, **given)
        )
        (tmp_path / "died").unlink()
    assert rows_of(tmp_path / "inline") == rows_of(tmp_path / "ray")
    assert outcomes[0].summary == outcomes[1].summary
    assert outcomes[0].n_failed == outcomes[1].n_failed == 1
    assert len(prepared(tmp_path)) == len(set(prepared(tmp_path)))
    # the engine was lent and is left open, with its workers
    more = run_study(
        STUDY,
        [task.fact for task in tasks(14)],
        out=tmp_path / "ray",
        engine=engine,
        settings={"folder": str(tmp_path)},
        **given,
    )
    assert (more.n_there, more.n_done, more.n_failed) == (11, 13, 1)


ALONE = """
import os, sys, time
from neurotopo.studies import RayEngine, run_study
from tests.support.studies import items, listen_to_ctrl_c, study_of

listen_to_ctrl_c()

def prepare(model, options):
    with open(sys_argv[2], "a") as file:
        file.write(f"{os.getpid()}\\n")
    def work(fact):
        time.sleep(0.2)
        with open(sys_argv[2] + ".done", "a") as file:
            file.write(fact.key)
        return {"threads": os.environ["OMP_NUM_THREADS"], "torch": "torch" in sys.modules}
    return work

if __name__ == "__main__":
    sys_argv = sys.argv
    print("begins", flush=True)
    import ray
    facts = items(int(sys.argv[3]))
    with RayEngine(workers=2, threads=3) as engine:
        study = study_of("alone", prepare, lambda rows: [r.payload for r in rows])
        outcome = run_study(study, facts, out=sys.argv[1], engine=engine)
        print(ray.is_initialized(), outcome.interrupted, outcome.complete)
    print(ray.is_initialized(), outcome.summary[0], "RAY_USAGE_STATS_ENABLED" in os.environ)
"""


def start(folder, n):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    paths = (folder / "run", folder / "prepared")
    return python(ALONE, *paths, n, env=environment, start_new_session=True)


@pytest.mark.slow
def test_it_starts_a_ray_and_ends_it_and_is_quiet(tmp_path):
    process = start(tmp_path, 4)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == [
        "begins",
        "True False True",
        "False {'threads': '3', 'torch': False} False",
    ]
    assert wait_until_dead(prepared(tmp_path))


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_keeps_what_is_done(tmp_path):
    process = start(tmp_path, 1000)
    assert process.stdout.readline() == "begins\n"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.1)
        if (tmp_path / "prepared.done").exists() and len(prepared(tmp_path)) == 2:
            break
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[0] == "True True False"
    assert wait_until_dead(prepared(tmp_path))
    about = read_run(tmp_path / "run" / "run.json")
    assert about["status"] == "interrupted"
    assert about["n_done"] > 0
