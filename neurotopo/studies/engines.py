"""Engines, which run the work of a study. The default engine runs it in this process."""

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
    """One piece of work, such as a :class:`~neurotopo.Fact`."""

    @property
    def key(self) -> str:
        """The name, unique in a run and the same in every run."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content in types that JSON can hold."""


Work: TypeAlias = Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Task:
    """A fact to work on; ``number`` is its position in the run.

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
    """Result of a task: a payload or an error.

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
    """Interface of the engines.

    An engine keeps the prepared work until another work is prepared or the engine is closed. As a
    context manager it is closed at the end of the block.

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
        """Work on tasks and yield their results, in any order.

        Parameters
        ----------
        tasks : iterable of Task
            The tasks; read lazily, so that any number fits in memory.
        prepare : callable
            Returns the function that is called with each fact. Called once in each working
            process, and never without tasks, since it may load a model. Its exceptions end the
            run; exceptions of the function become errors of the fact.

        Yields
        ------
        Finished
        """

    def ask(self, prepare: Callable[[], Work], question: Callable[[Work], Any]) -> Any:
        """Prepare the work in a working process, and call a function with it.

        Parameters
        ----------
        prepare : callable
            As for :meth:`run`, which does not prepare the same work again.
        question : callable
            Called with the work in the working process.

        Returns
        -------
        object
            The result of the function.
        """

    def close(self) -> None:
        """Release the prepared work. Idempotent."""


class InlineEngine:
    """Engine that works in this process, one fact after another.

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
        """Prepare the work here; see :class:`Engine`."""
        return question(self._prepared(prepare))

    def close(self) -> None:
        """Release the prepared work. Idempotent."""
        self._kept = None

    def _prepared(self, prepare: Callable[[], Work]) -> Work:
        if self._kept is None or not _same(self._kept[0], prepare):
            self._kept = None  # two models at a time may not fit
            self._kept = prepare, prepare()
        return self._kept[1]


def _same(a: Any, b: Any) -> bool:
    """Return whether two functions certainly prepare the same work."""
    if a is b:
        return True
    if type(a) is not type(b):  # 1 and True are equal but may have different meanings
        return False
    if isinstance(a, partial):
        return _same((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(a == b)
    except Exception:  # for example an array, whose comparison is no single bool
        return False


def work_on(task: Task, work: Work) -> Finished:
    """Call the work for one fact; an exception becomes the error of the result."""
    start = time.perf_counter()
    try:
        payload, error = work(task.fact), None
    except Exception as reason:
        logger.debug("fact %r failed", task.fact.key, exc_info=True)
        payload, error = None, reason_of(reason)
    return Finished(task, payload, error, time.perf_counter() - start)


def reason_of(error: Exception) -> str:
    """Return the class and the message of an exception."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
