"""Ray as people run it: two nodes, a node lost, objects spilled, the head lost or restarted."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from neurotopo.studies import InlineEngine, Store, Study, Task, read_run, run, seed_for
from neurotopo.studies import ray_head as heads
from tests.support.studies import items, python

ray = pytest.importorskip("ray")

from neurotopo.studies import RayEngine  # noqa: E402
from neurotopo.studies.ray_head import WorkerError  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no clusters of Ray")

MB = 2**20
# The store is about the least that Ray accepts. A core each: two workers need both nodes.
NODE = {"num_cpus": 1, "object_store_memory": 80 * MB, "include_log_monitor": False}
FACTS = {"model": "testbed:gpt2", "facts": "factworld:8", "quick": True, "device": "cpu"}


class Nodes:
    """A cluster of a head and another node."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        head = {**NODE, "include_dashboard": False, "no_monitor": True}
        self.cluster = Cluster(True, head_node_args=head)
        self.address = self.cluster.address
        self.add()

    def add(self):
        self.other = self.cluster.add_node(**NODE)

    def lose(self):
        self.cluster.remove_node(self.other, allow_graceful=False)

    def end(self):
        for node in self.cluster.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)

    def engine(self, **given):
        return RayEngine(2, address=self.address, cpus=1, threads=1, **given)


@pytest.fixture(scope="module")
def start():
    """Return a function that starts a cluster; none outlives the tests."""
    started = []

    def begin():
        started.append(Nodes())
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield begin
        ray.shutdown()
        for nodes in started:
            nodes.end()


@pytest.fixture(scope="module")
def two(start):
    return start()


@pytest.fixture
def by_value():
    """Workers cannot import this module."""
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)
    yield
    ray.cloudpickle.unregister_pickle_by_value(module)


class Watched:
    """An engine that calls a function after a number of results."""

    def __init__(self, engine, n, function):
        self.engine, self.n, self.function = engine, n, function
        self.keys = []
        self.ask, self.close = engine.ask, engine.close

    def run(self, tasks, prepare):
        for each in self.engine.run(tasks, prepare):
            self.keys.append(each.task.fact.key)
            yield each
            if len(self.keys) == self.n:
                self.function()


def rows_of(folder):
    """Return all that is stored of the only run, except the seconds."""
    with Store(folder / "results.sqlite", read_only=True) as store:
        (run,) = store.runs()
        rows = [(r.fact, r.content, repr(r.stages), r.error) for r in store.rows(run.key)]
    return run.key, run.options, rows


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run in this process."""
    import torch

    folder = tmp_path_factory.mktemp("runs") / "here"
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of floating-point numbers depend on it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "draw", lambda *_: {})
        run("acquisition", out=folder, **FACTS)
    torch.set_num_threads(before)
    return folder


def same_as(here, out, engine):
    """Check a run: each fact once, and the rows of the run in this process."""
    result = run("acquisition", out=out, engine=engine, **FACTS)
    assert (result.outcome.n_done, result.outcome.n_failed) == (8, 0)
    assert len(engine.keys) == len(set(engine.keys)) == 8
    assert rows_of(out) == rows_of(here)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_two_nodes_come_to_the_same_rows(two, here, tmp_path):
    idle = []
    with two.engine() as engine:

        def count():
            idle.append(ray.available_resources().get("CPU", 0))

        same_as(here, tmp_path / "out", Watched(engine, 4, count))
    assert idle == [0]  # a worker on each node


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_node_lost_in_the_middle_changes_nothing(two, here, tmp_path):
    with two.engine() as engine:
        same_as(here, tmp_path / "out", Watched(engine, 3, two.lose))
        end = time.monotonic() + 60  # the head notices it some seconds later
        while sum(node["Alive"] for node in ray.nodes()) > 1 and time.monotonic() < end:
            time.sleep(0.5)
        assert sum(node["Alive"] for node in ray.nodes()) == 1
    two.add()


def prepare_large():
    """Return a function from a large fact to a large result."""

    def work(fact):
        noise = np.random.default_rng(seed_for(3, fact.key)).integers(256, size=25 * MB)
        return {"noise": noise.astype(np.uint8), "sum": int(np.frombuffer(fact.value, "u1").sum())}

    return work


def spilled():
    """Return whether a node has written objects to disk."""
    session = ray._private.worker.global_worker.node.get_session_dir_path()
    return any(Path(session).glob("ray_spilled_objects*/*"))


@pytest.mark.slow
def test_objects_above_the_memory_of_the_store_are_spilled(two, by_value):
    sizes = [type(fact)(fact.key, bytes([fact.value]) * 5 * MB) for fact in items(14)]
    tasks = [Task(i, fact) for i, fact in enumerate(sizes)]
    expected = InlineEngine().run(tasks, prepare_large)
    with two.engine(waiting=5) as engine:
        found = {}
        seen = False  # files of objects that nobody needs are deleted
        for each in engine.run(iter(tasks), prepare_large):
            end = time.monotonic() + 120
            while not (seen := seen or spilled()) and not found and time.monotonic() < end:
                time.sleep(0.5)  # meanwhile the results of 11 facts wait: 275 MB in 160
            assert each.task.number not in found
            found[each.task.number] = each
        assert seen
    for each in expected:
        other = found.pop(each.task.number)
        assert (each.error, other.error) == (None, None)
        assert other.payload["sum"] == each.payload["sum"]
        np.testing.assert_array_equal(other.payload["noise"], each.payload["noise"])
    assert not found


ALONE = """
import sys, time
import numpy as np
from neurotopo.studies import InlineEngine, RayEngine, run_study, seed_for
from tests.support.studies import items, study_of

def prepare(model, options):
    def work(fact):
        time.sleep(options["seconds"])
        return {"noise": np.random.default_rng(seed_for(3, fact.key)).normal(size=4)}
    return work

out, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
study = study_of("alone", prepare, lambda rows: sum(row.error is None for row in rows))
try:
    with RayEngine(2, address=address, cpus=1, threads=1) if address else InlineEngine() as engine:
        settings = {"seconds": seconds}
        outcome = run_study(study, items(300), out=out, engine=engine, settings=settings)
    print(outcome.n_there, outcome.n_done, outcome.n_failed)
except OSError as error:
    print(f"{type(error).__name__}: {error}")
"""


def alone(*arguments):
    """Run the script to its end and return what it prints."""
    process = python(ALONE, *arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


def n_stored(out):
    try:
        with Store(out / "results.sqlite", read_only=True) as store:
            return sum(len(list(store.rows(run.key))) for run in store.runs())
    except (OSError, ValueError):  # not there yet, or without tables
        return 0


def begun(out, nodes, seconds):
    """Start the script on a cluster, and return it when some facts are stored, and their number."""
    process = python(ALONE, out, nodes.address, seconds)
    end = time.monotonic() + 120
    while n_stored(out) < 4 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    return process, n_stored(out)


@pytest.mark.slow
def test_without_its_head_a_run_ends_with_a_sentence_and_is_resumed(start, tmp_path):
    ray.shutdown()
    nodes, out = start(), tmp_path / "out"
    process, before = begun(out, nodes, 1.0)
    head = nodes.cluster.head_node
    head.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    printed, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    sentence = f"WorkerError: the head of the Ray cluster at {nodes.address} has not answered for"
    # Ray may print lines of its own before
    (said,) = [line for line in printed.splitlines() if line.startswith("WorkerError")]
    assert said.startswith(f"{sentence} 30 seconds; what is stored is kept")
    kept = n_stored(out)
    assert 4 <= before <= kept < 300
    assert read_run(out / "run.json")["status"] == "running"
    nodes.end()
    assert alone(out, start().address, 0.0) == f"{kept} 300 0\n"
    alone(tmp_path / "here", "", 0.0)
    assert rows_of(out) == rows_of(tmp_path / "here")


@pytest.mark.slow
def test_a_head_that_is_restarted_without_its_state_does_not_end_the_run(start, tmp_path):
    ray.shutdown()
    nodes, out = start(), tmp_path / "out"
    process, before = begun(out, nodes, 0.1)
    nodes.cluster.head_node.kill_gcs_server()
    time.sleep(2)
    nodes.cluster.head_node.start_gcs_server()
    printed, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert 4 <= before < 300
    assert printed == "0 300 0\n"
    alone(tmp_path / "here", "", 0.0)
    assert rows_of(out) == rows_of(tmp_path / "here")


def test_a_head_that_does_not_answer_is_noticed(monkeypatch):
    monkeypatch.setattr(heads, "_EVERY", 0.01)
    monkeypatch.setattr(heads, "_LOST", 0.05)
    monkeypatch.setattr(heads.Head, "_identity", lambda _: None)  # Ray would wait for an answer
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "127.0.0.1:{1}".format(*server.getsockname())
        context = SimpleNamespace(gcs_address=address)
        head = heads.Head(SimpleNamespace(get_runtime_context=lambda: context))
        time.sleep(0.02)
        head.check()
        assert head.answers
    time.sleep(0.02)
    head.check()
    assert not head.answers  # it may be restarted
    time.sleep(0.06)
    with pytest.raises(WorkerError, match=f"Ray cluster at {address} has not answered for 0.05 s"):
        head.check()


def test_a_head_that_has_forgotten_the_cluster_is_noticed(monkeypatch):
    head = heads.Head(SimpleNamespace())
    head.require_same()
    head.address, head._cluster = "10.0.0.1:6379", "one"
    monkeypatch.setattr(head, "_identity", lambda: "one")
    head.require_same()
    monkeypatch.setattr(head, "_identity", lambda: "two")
    with pytest.raises(WorkerError, match=r"at 10\.0\.0\.1:6379 was restarted and does not know"):
        head.require_same()


def test_a_head_whose_address_is_unknown_is_not_checked():
    head = heads.Head(SimpleNamespace())
    assert (head.address, head.answers) == ("", True)
    head.check()


def test_a_cluster_that_cannot_be_reached_is_one_sentence(monkeypatch):
    def init(**given):
        raise ConnectionError("no such head\nand more")

    monkeypatch.setattr(ray, "init", init)
    with (
        pytest.raises(
            WorkerError, match=r"^cannot reach the Ray cluster 'x:1' \(no such head\)\.$"
        ),
        RayEngine(2, address="x:1") as engine,
    ):
        list(engine.run([Task(0, items(1)[0])], lambda: None))
