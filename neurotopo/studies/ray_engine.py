"""Studies on several processes and machines with Ray."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from neurotopo.studies.engines import Finished, Task, Work, reason_of
from neurotopo.studies.ray_head import Head, WorkerError
from neurotopo.studies.ray_pool import Pool, Share, room_for
from neurotopo.studies.ray_worker import pickler

__all__ = ["RayEngine", "WorkerError"]

_OBJECT_STORE = 100 * 2**20  # small: facts and results do not use it
# Ray reads these when it starts; they turn off its usage reports.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_PROMPT_ENABLED": "0"}


class RayEngine:
    """Work in several processes, on this machine or on all those of a Ray cluster.

    Every worker prepares the work once, so each loads the model. Results are those of
    :class:`InlineEngine`, in another order.

    Parameters
    ----------
    workers : int, default=2
        Number of processes; fewer if there are fewer facts.
    address : str, optional
        A Ray cluster; ``"auto"`` is the cluster of this machine. None: start Ray here, and stop
        it when the engine is closed. If the program has initialised Ray, that Ray is used and is
        not stopped.
    gpus : float, default=0.0
        GPUs of each worker; others are hidden from it.
    cpus : float, optional
        Cores of each worker. None: the cores there are, divided by the workers.
    deaths : int, default=3
        Number of dead workers after which a fact fails; the last of them has no other task. The
        run ends after the same number of deaths in a row during preparation.
    waiting : int, default=1
        Number of facts that a worker holds in advance.
    threads : int, optional
        Threads of each worker. None: one for each of its cores.

    Raises
    ------
    ImportError
        Without Ray.

    Notes
    -----
    The study, the facts and the results are pickled. The study must be in a module that all
    machines have, and the model must be a name or a folder that all machines can read. A dead
    worker is replaced, and another worker repeats its tasks.

    Examples
    --------
    >>> from neurotopo.studies import RayEngine
    >>> RayEngine(workers=4, gpus=1)  # doctest: +SKIP
    RayEngine(workers=4, gpus=1)
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        address: str | None = None,
        gpus: float = 0.0,
        cpus: float | None = None,
        deaths: int = 3,
        waiting: int = 1,
        threads: int | None = None,
    ) -> None:
        for name, number, least in (
            ("workers", workers, 1),
            ("deaths", deaths, 1),
            ("waiting", waiting, 0),
            ("threads", threads, 1),
        ):
            if number is not None and not (isinstance(number, int) and number >= least):
                raise ValueError(f"{name} must be a whole number of at least {least}: {number!r}.")
        for name, share in (("gpus", gpus), ("cpus", cpus)):
            # as in Ray: two workers may share a GPU, but none can have one and a half
            if share is not None and not (0 <= share < 1 or (share < 1e6 and share == int(share))):
                raise ValueError(f"{name} must be a whole number, or less than 1: {share!r}.")
        if cpus == 0:
            raise ValueError("cpus must be above 0.")
        if importlib.util.find_spec("ray") is None:
            raise ImportError("RayEngine needs Ray: pip install 'neurotopo[ray]'.")
        self.workers, self.address, self.gpus, self.cpus = workers, address, gpus, cpus
        self.deaths, self.waiting, self.threads = deaths, waiting, threads
        self._ray: Any = None
        self._head: Head | None = None
        self._ours = False
        self._pool: Pool | None = None
        self._busy = False

    def __repr__(self) -> str:
        return f"RayEngine(workers={self.workers}, gpus={self.gpus})"

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, tasks: Iterable[Task], prepare: Callable[[], Work]) -> Iterator[Finished]:
        """Work on tasks in the workers; see :class:`Engine`.

        At most ``1 + waiting`` tasks for each worker are read ahead of their results. Workers are
        kept for the next call, unless this one is interrupted.

        Raises
        ------
        WorkerError
            If workers cannot be started, or die repeatedly before they are ready.
        """
        source = iter(tasks)
        first = deque(islice(source, self.workers))  # a task for each worker
        if first:
            with self._working(prepare) as pool:
                yield from pool.run(first, source)

    def ask(self, prepare: Callable[[], Work], question: Callable[[Work], Any]) -> Any:
        """Prepare the work in a worker and ask it; see :class:`Engine`."""
        pickled = _pickled(question, "the question")
        with self._working(prepare) as pool:
            return pool.ask(pickled)

    def close(self) -> None:
        """End the workers, and Ray if it was started here. Idempotent."""
        if self._pool is not None:
            self._pool.kill()
        ray, ours = self._ray, self._ours
        self._pool, self._ray, self._ours = None, None, False
        if ours and ray is not None and ray.is_initialized():
            ray.shutdown()

    @contextmanager
    def _working(self, prepare: Callable[[], Work]) -> Iterator[Pool]:
        if self._busy:
            raise ValueError("the engine is already in use: exhaust or close its iterator first.")
        pickled = _pickled(
            prepare, "the study: its functions must be in a module, and the model must be a name"
        )
        self._busy = True
        try:
            if self._pool is not None and (
                self._pool.prepare != pickled or not self._ray.is_initialized()
            ):
                self._pool.kill()  # two models at a time may not fit
                self._pool = None
            if self._pool is None:
                self._pool = self._started(pickled)
            yield self._pool
        except BaseException:  # also an early end and an interruption
            if self._pool is not None:
                self._pool.kill()
            self._pool = None
            raise
        finally:
            self._busy = False

    def _started(self, pickled: bytes) -> Pool:
        if self._ray is None or not self._ray.is_initialized():
            ray: Any = importlib.import_module("ray")
            self._ours = not ray.is_initialized()
            if self._ours:
                self._initialise(ray)
            self._ray = ray
        head = Head(self._ray)
        if self._head is None or self._head.address != head.address:
            self._head = head
        self._head.require_same()
        cpus = self.cpus or _equal_share(self._ray, self.workers, self.gpus)
        share = Share(cpus, self.gpus, self.threads or max(1, int(cpus)))
        room = room_for(self._ray, cpus, self.gpus)
        if room < self.workers:
            raise WorkerError(
                f"Ray has room for {room} of {self.workers} workers with {share} each."
            )
        given = (self.workers, share, self.deaths, self.waiting)
        return Pool(self._ray, self._head, pickled, *given)

    def _initialise(self, ray: Any) -> None:
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is not None:
            given["address"] = self.address
        else:
            needed = math.ceil(self.workers * (self.cpus or 1))
            given.update(
                address="local",  # not another Ray that is running
                num_cpus=max(_cores(), needed),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
            )
        try:
            with _environment(_QUIET), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about Ray's next versions
                ray.init(**given)
        except BaseException as error:
            with suppress(Exception):
                ray.shutdown()
            if not isinstance(error, Exception):
                raise
            where = "Ray here" if self.address is None else f"the Ray cluster {self.address!r}"
            verb = "start" if self.address is None else "reach"
            raise WorkerError(f"cannot {verb} {where} ({_first_line(error)}).") from error


def _pickled(function: Callable[..., Any], what: str) -> bytes:
    try:
        pickled: bytes = pickler().dumps(function)
        return pickled
    except Exception as error:
        raise ValueError(f"cannot pickle {what} ({reason_of(error)}).") from error


def _equal_share(ray: Any, workers: int, gpus: float) -> int:
    """Return the most cores that each of the workers can have on these machines."""
    most = max((int(node["Resources"].get("CPU", 0)) for node in ray.nodes()), default=1)
    return next((n for n in range(most, 1, -1) if room_for(ray, n, gpus) >= workers), 1)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started in the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
