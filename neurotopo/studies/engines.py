"""Where the work of a study is done; here: in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = ["Engine", "Finished", "InlineEngine", "Item", "Task", "Work", "reason_of", "work_on"]

logger = logging.getLogger(__name__)


class Item(Protocol):
    """What is worked on; a :class:`~neurotopo.Fact` is one."""

    @property
    def key(self) -> str:
        """Its name, unique among those of a run and the same in every run."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, as JSON can hold it."""


Work: TypeAlias = Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Task:
    """One fact to be worked on; ``number`` is its place among those of the run."""

    number: int
    fact: Item


@dataclass(frozen=True)
class Finished:
    """What came of a task: a payload, or else an error."""

    task: Task
    payload: Mapping[str, Any] | None
    error: str | None
    seconds: float


class Engine(Protocol):
    """Where the work is done."""

    def run(self, tasks: Iterable[Task], prepare: Callable[[], Work]) -> Iterator[Finished]:
        """Work on tasks and yield what comes of each, in any order.

        Parameters
        ----------
        tasks : iterable of Task
            To be taken only as fast as they are finished, so that any number of them fits.
        prepare : callable
            Returns the function that is called with each fact. It is called once in every process
            that works, and not at all without tasks: it may load a model. What it raises ends the
            run; what the function raises belongs to the fact.

        Yields
        ------
        Finished
        """


class InlineEngine:
    """Work in this process, one fact after the other."""

    def run(self, tasks: Iterable[Task], prepare: Callable[[], Work]) -> Iterator[Finished]:
        """Work on tasks in turn; see :class:`Engine`."""
        work: Work | None = None
        for task in tasks:
            if work is None:
                work = prepare()
            yield work_on(task, work)


def work_on(task: Task, work: Work) -> Finished:
    """Call the work for one fact; what it raises becomes part of the result."""
    start = time.perf_counter()
    try:
        payload, error = work(task.fact), None
    except Exception as reason:
        logger.debug("fact %r failed", task.fact.key, exc_info=True)
        payload, error = None, reason_of(reason)
    return Finished(task, payload, error, time.perf_counter() - start)


def reason_of(error: Exception) -> str:
    """Return the kind of an exception and what it says."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
