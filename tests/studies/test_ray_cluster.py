"""Ray as people run it: two nodes, a node lost, the head lost or restarted, objects spilled."""

from __future__ import annotations

import os
import socket
import sys
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from neurotopo.studies import InlineEngine, Store, Task, run, run_study, seed_for
from neurotopo.studies import ray_head as heads
from tests.support.studies import items, python, study_of

ray = pytest.importorskip("ray")

from neurotopo.studies import RayEngine  # noqa: E402
from neurotopo.studies.ray_engine import WorkerError  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray's clusters are for Linux")

STORE = 80 * 2**20  # about the least that Ray accepts
MB = 2**20
MODEL = {"model": "testbed:gpt2", "quick": True, "device": "cpu"}


@pytest.fixture
def cluster(monkeypatch):
    """Return a function that starts a cluster of a head and a node with a core each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    started = []

    def start():
        node = {"num_cpus": 1, "object_store_memory": STORE}
        started.append(Cluster(True, head_node_args={**node, "include_dashboard": False}))
        started[-1].other = started[-1].add_node(**node)
        return started[-1]

    yield start
    ray.shutdown()
    for each in started:
        for node in each.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


@pytest.fixture
def by_value():
    """Workers cannot import this module."""
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)
    yield
    ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def one_thread():
    """Sums of floating-point numbers depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_on(cluster, **given):
    return RayEngine(2, address=cluster.address, cpus=1, threads=1, **given)


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


def tables_of(folder):
    return {file.name: file.read_bytes() for file in sorted((folder / "tables").glob("*.csv"))}


def prepare(model, options):
    """Sleep at each fact, and return numbers that depend on its key."""
    import time

    def work(fact):
        time.sleep(options.get("seconds", 0.0))
        return {"noise": np.random.default_rng(seed_for(3, fact.key)).normal(size=4)}

    return work


def summary(rows):
    return [(row.fact, repr(row.payload)) for row in rows]


STUDY = study_of("clustered", prepare, summary)


@pytest.mark.slow
def test_two_nodes_and_one_of_them_lost_come_to_the_same_rows(cluster, one_thread, tmp_path):
    facts = {"facts": "factworld:12", **MODEL}
    run("acquisition", out=tmp_path / "here", **facts)
    two = cluster()
    nodes = []

    def note():
        nodes.extend(actor["NodeID"] for actor in actors())

    def lose():
        two.remove_node(two.other, allow_graceful=False)

    with engine_on(two) as engine:
        for name, n, function in (("both", 12, note), ("one", 3, lose)):
            watched = Watched(engine, n, function)
            there = run("acquisition", out=tmp_path / name, engine=watched, **facts)
            assert (there.outcome.n_done, there.outcome.n_failed) == (12, 0)
            assert len(watched.keys) == len(set(watched.keys)) == 12
            assert rows_of(tmp_path / name) == rows_of(tmp_path / "here")
            assert tables_of(tmp_path / name) == tables_of(tmp_path / "here")
        assert len(set(nodes)) == 2
        assert sum(node["Alive"] for node in ray.nodes()) == 1


def actors():
    """Return the workers that live, with their nodes."""
    from ray.util.state import list_actors

    return [{"NodeID": each.node_id} for each in list_actors() if each.state == "ALIVE"]


ALONE = """
import sys
from neurotopo.studies import RayEngine, run_study
from tests.studies.test_ray_cluster import STUDY
"""
