"""A process that does one job at a time, and is started again when it is cancelled or ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Job", "Worker"]

_MISTAKES = (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError)
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


class Job:
    """A job of a worker.

    Parameters
    ----------
    name : str
        A key of :data:`neurotopo.app.jobs.JOBS`.
    arguments : mapping
        Its arguments.
    tell : callable
        Called with an event from another thread: ``waiting`` (jobs before this one), ``progress``
        (a text) with ``share``, and at the end one of ``result``, ``error`` and ``cancelled``.
    """

    def __init__(
        self, name: str, arguments: Mapping[str, Any], tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.name, self.arguments, self.tell = name, dict(arguments), tell
        self.cancelled = False


class Worker:
    """A process that does jobs in their order.

    Cancelling a waiting job removes it. Cancelling the running one kills the process; a new one
    takes the next job, so that jobs of others are not lost.

    Parameters
    ----------
    settings : mapping
        Settings of :class:`neurotopo.app.cache.Cache`.
    jobs : callable, optional
        Function of a module that returns the jobs by name. Default: those of the page.
    """

    def __init__(
        self, settings: Mapping[str, Any], jobs: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        self._settings, self._jobs = dict(settings), jobs or _of_page
        self._context = multiprocessing.get_context("spawn")
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._process: Any = None
        self._connection: Connection | None = None
        self._killed = False
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Number of the process; None before the first job."""
        return None if self._process is None else self._process.pid

    def submit(self, job: Job) -> None:
        """Queue a job."""
        with self._changed:
            before = len(self._waiting) + (self._current is not None)
            self._waiting.append(job)
            if before:
                job.tell({"waiting": before})
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Cancel a job. Idempotent; a job that has ended is not changed."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.tell({"cancelled": True})
            elif job is self._current and not job.cancelled:
                job.cancelled = self._killed = True
                if self._process is not None:
                    self._process.kill()

    def close(self) -> None:
        """End the process and drop the waiting jobs."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            if self._process is not None:
                self._process.kill()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._current = self._waiting.popleft()
                for place, other in enumerate(self._waiting, 1):
                    other.tell({"waiting": place})
            event = self._done(job)
            with self._changed:
                self._current = None
                if not self._closed:
                    job.tell({"cancelled": True} if job.cancelled else event)

    def _done(self, job: Job) -> dict[str, Any]:
        """Do a job in the process and return its last event."""
        self._ready(job)
        assert self._connection is not None
        try:
            self._connection.send((job.name, job.arguments))
            while True:
                ready = wait([self._connection, self._process.sentinel])
                if self._connection not in ready:
                    raise EOFError
                kind, content = self._connection.recv()
                if kind != "progress":
                    return {kind: content}
                job.tell(content)
        except (EOFError, OSError):
            return self._ended()

    def _ended(self) -> dict[str, Any]:
        """Return the event for a process that has ended; the next job starts another one."""
        self._process.join()
        status = self._process.exitcode
        self._connection, self._process = None, None
        reason = f"exit status {status}"
        if status is not None and status < 0:
            reason = f"signal {signal.Signals(-status).name}"
            if status == -signal.SIGKILL:
                reason += ", often for want of memory"
        message = (
            f"the process that does the work has ended ({reason}). The next step starts it again: "
            "repeat the last one. If it ends again, take a smaller model or fewer neurons."
        )
        return {"error": message, "crashed": True}

    def _ready(self, job: Job) -> None:
        """Start the process if there is none."""
        if self._process is not None and (self._killed or not self._process.is_alive()):
            self._process.join()
            self._connection, self._process = None, None
        if self._process is not None:
            return
        job.tell({"progress": "starting"})
        with self._changed:
            self._killed = job.cancelled
            process = self._start()
            if job.cancelled or self._closed:
                process.kill()

    def _start(self) -> Any:
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_work, args=(theirs, self._settings, self._jobs), daemon=True
        )
        self._process.start()
        theirs.close()
        return self._process


def _of_page() -> Mapping[str, Any]:
    from neurotopo.app.jobs import JOBS

    return JOBS


def _work(
    connection: Connection, settings: Mapping[str, Any], jobs: Callable[[], Mapping[str, Any]]
) -> None:
    """Do the jobs that come in until the other side is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends this process
    for name in _OFFLINE:
        os.environ[name] = "1"
    from neurotopo.app.cache import Cache

    known, cache = jobs(), Cache(settings)

    def tell(text: str, share: float | None = None) -> None:
        connection.send(("progress", {"progress": text, "share": share}))

    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("result", known[name](cache, tell, **arguments)))
        except _MISTAKES as error:
            connection.send(("error", _message(error)))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            connection.send(("error", f"unexpected {type(error).__name__}: {_message(error)}"))


def _message(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
