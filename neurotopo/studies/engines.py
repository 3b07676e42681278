"""Where the work of a study is done; here: in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
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
    """One fact to be worked on; ``number`` is its place among those of the run.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import Task
    >>> Task(0, Fact("The capital of Peru is", "Lima", id="peru")).fact.key
    'peru'
    """

    number: int
    fact: Item


@dataclass(frozen=True)
class Finished:
    """What came of a task: a payload, or else an error.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import Finished, Task
    >>> task = Task(0, Fact("The capital of Peru is", "Lima", id="peru"))
    >>> Finished(task, payload={"n": 3}, error=None, seconds=0.2).task.fact.key
    'peru'
    """

    task: Task
    payload: Mapping[str, Any] | None
    error: str | None
    seconds: float


class Engine(AbstractContextManager["Engine"], Protocol):
    """Where the work is done.

    What was prepared is kept for the next call, until another work is prepared or the engine is
    closed. As a context manager an engine is closed at the end of the block.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import InlineEngine, Study, run_study
    >>> class Sizes(Study):
    ...     name = "sizes"
    ...
    ...     def measure(self, fact):
    ...         return {"n": len(fact.prompt)}
    >>> with InlineEngine() as engine:
    ...     outcome = run_study(Sizes(), [Fact("Peru is", "there")], engine=engine)
    >>> outcome.summary.rows["n"].tolist()
    [7]
    """

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

    def ask(self, prepare: Callable[[], Work], question: Callable[[Work], Any]) -> Any:
        """Prepare the work in a process that works, and ask it something.

        Parameters
        ----------
        prepare : callable
            As for :meth:`run`, which prepares nothing again if it is given an equal one.
        question : callable
            Called with the work, where that is.

        Returns
        -------
        object
            What the question returns.
        """

    def close(self) -> None:
        """Let go of what was prepared; more than once does no harm."""


class InlineEngine:
    """Work in this process, one fact after the other.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import InlineEngine, Task
    >>> tasks = [Task(0, Fact("The capital of Peru is", "Lima", id="peru"))]
    >>> with InlineEngine() as engine:
    ...     done = list(engine.run(tasks, lambda: lambda fact: {"n": len(fact.answers)}))
    >>> [(one.task.fact.key, one.payload, one.error) for one in done]
    [('peru', {'n': 1}, None)]
    """

    def __init__(self) -> None:
        self._kept: tuple[Callable[[], Work], Work] | None = None

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, tasks: Iterable[Task], prepare: Callable[[], Work]) -> Iterator[Finished]:
        """Work on tasks in turn; see :class:`Engine`."""
        work: Work | None = None
        for task in tasks:
            if work is None:
                work = self._prepared(prepare)
            yield work_on(task, work)

    def ask(self, prepare: Callable[[], Work], question: Callable[[Work], Any]) -> Any:
        """Prepare the work here and ask it; see :class:`Engine`."""
        return question(self._prepared(prepare))

    def close(self) -> None:
        """Let go of what was prepared; more than once does no harm."""
        self._kept = None

    def _prepared(self, prepare: Callable[[], Work]) -> Work:
        if self._kept is None or not _same(self._kept[0], prepare):
            self._kept = None  # two models at a time may not fit
            self._kept = prepare, prepare()
        return self._kept[1]


def _same(a: Any, b: Any) -> bool:
    """Tell whether two calls would prepare the same, as far as that can be seen."""
    if a is b:
        return True
    if type(a) is not type(b):  # 1 and True are equal, and may mean different things
        return False
    if isinstance(a, partial):
        return all(_same(getattr(a, name), getattr(b, name)) for name in ("func", "args")) and (
            _same(a.keywords, b.keywords)
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(a == b)
    except Exception:  # an array, say, that is not one truth
        return False


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
