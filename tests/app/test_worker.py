"""The process that does the work: order, errors, cancelling, crashes."""

from __future__ import annotations

import os
import queue
import signal

import pytest

from neurotopo.app.worker import Job, Worker
from tests.support.app_jobs import jobs

LAST = {"result", "error", "cancelled"}


@pytest.fixture(scope="module")
def worker():
    made = Worker({}, jobs)
    yield made
    made.close()


class Asked:
    """A job with its events."""

    def __init__(self, worker, name, **arguments):
        self.events = queue.Queue()
        self.job = Job(name, arguments, self.events.put)
        worker.submit(self.job)

    def until(self, *names):
        while True:
            event = self.events.get(timeout=60)
            if set(names) & event.keys():
                return event

    def end(self):
        return self.until(*LAST)


def test_a_job_reports_progress_and_returns_its_result(worker):
    asked = Asked(worker, "example", a=1)
    assert asked.until("share") == {"progress": "once", "share": 0.5}
    result = asked.end()["result"]
    assert result["said"] == {"a": 1}
    assert result["pid"] == worker.pid != os.getpid()


def test_a_mistake_is_told_in_one_line_and_the_process_lives_on(worker):
    pid = Asked(worker, "example").end()["result"]["pid"]
    assert Asked(worker, "load").end() == {"error": "tau must be a number, got 'x'."}
    assert Asked(worker, "example").end()["result"]["pid"] == pid


def test_a_defect_is_told_as_such(worker):
    assert Asked(worker, "find").end() == {"error": "unexpected KeyError: 'lost'"}


def test_a_running_job_is_cancelled_and_those_that_wait_are_not(worker):
    slow, other = Asked(worker, "cluster"), Asked(worker, "example", b=2)
    assert other.events.get(timeout=60) == {"waiting": 1}
    pid = worker.pid if slow.until("share") else None
    worker.cancel(slow.job)
    assert slow.end() == {"cancelled": True}
    result = other.end()["result"]
    assert result["said"] == {"b": 2}
    assert result["pid"] != pid
    worker.cancel(slow.job)  # it has ended
    assert Asked(worker, "example").end()["result"]["pid"] == result["pid"]


def test_a_waiting_job_is_cancelled_without_harm_to_the_running_one(worker):
    slow, other = Asked(worker, "cluster"), Asked(worker, "example")
    slow.until("share")
    pid = worker.pid
    worker.cancel(other.job)
    assert other.end() == {"cancelled": True}
    assert slow.until("share")
    assert worker.pid == pid
    worker.cancel(slow.job)
    slow.end()


@pytest.mark.parametrize("own", [True, False])
def test_a_crash_is_told_and_mended(worker, own):
    if own:
        event = Asked(worker, "group").end()
    else:
        slow = Asked(worker, "cluster")
        slow.until("share")
        os.kill(worker.pid, signal.SIGTERM)
        event = slow.end()
    assert event["crashed"]
    assert ("SIGKILL, often for want of memory" if own else "SIGTERM") in event["error"]
    assert "repeat the last one" in event["error"]
    assert Asked(worker, "example", c=3).end()["result"]["said"] == {"c": 3}


def test_a_process_that_died_between_two_jobs_is_replaced(worker):
    pid = Asked(worker, "example").end()["result"]["pid"]
    os.kill(pid, signal.SIGKILL)
    event = Asked(worker, "example").end()
    if "crashed" in event:  # it was not dead yet
        event = Asked(worker, "example").end()
    assert event["result"]["pid"] != pid


def test_the_process_ends_with_the_worker():
    made = Worker({}, jobs)
    slow = Asked(made, "cluster")
    slow.until("share")
    pid = made.pid
    made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
