"""A pool of Ray workers that replaces dead workers and repeats their tasks."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from neurotopo.studies.engines import Finished, Task, reason_of
from neurotopo.studies.ray_head import Head, WorkerError
from neurotopo.studies.ray_worker import Raised, Worker, pickler

__all__ = ["Pool", "Share", "room_for"]

_PATIENCE = 30.0  # seconds without a result before checking for room on the machines
_POLL = 5.0  # seconds between checks of the connection

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """Resources of one worker."""

    cpus: float
    gpus: float
    threads: int

    def __str__(self) -> str:
        return f"{_count(self.cpus, 'CPU')} and {_count(self.gpus, 'GPU')}"


@dataclass(eq=False)
class _Member:
    """A worker, which works on its tasks in order. ``preparing`` is None when it is ready."""

    actor: Any
    preparing: Any
    in_hand: dict[Any, Task] = field(default_factory=dict)

    @property
    def refs(self) -> list[Any]:
        """References of the pending results."""
        return [*self.in_hand, *([] if self.preparing is None else [self.preparing])]

    def has_room(self, most: int, apart: Mapping[int, int]) -> bool:
        """Return whether it can take a task. A task in ``apart`` must be alone with its worker."""
        return (
            self.preparing is None
            and len(self.in_hand) < most
            and not any(task.number in apart for task in self.in_hand.values())
        )


class Pool:
    """Workers that have prepared the same work.

    Ray's own restarts (``max_restarts``, ``max_task_retries``) and its ``ActorPool`` are not used:
    with them, Ray repeats or fails every task of a dead worker, and does not say which task killed
    it. This pool repeats such a task alone in a worker, so only the fact that kills its workers
    fails, and other facts keep their results.

    ``prepare`` is the pickled function that prepares the work, ``deaths`` the number of deaths
    after which a fact or the preparation fails, and ``waiting`` the number of tasks that a worker
    holds in advance.
    """

    def __init__(
        self,
        ray: Any,
        head: Head,
        prepare: bytes,
        size: int,
        share: Share,
        deaths: int,
        waiting: int,
    ) -> None:
        self.prepare, self._head = prepare, head
        self._ray, self._size, self._share = ray, size, share
        self._most_deaths, self._most_in_hand = deaths, 1 + waiting
        self._members: list[_Member] = []
        self._deaths_preparing = 0
        self._ray_error: type[Exception] = ray.exceptions.RayError
        self._actor = ray.remote(Worker).options(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

    def run(self, redo: deque[Task], source: Iterator[Task]) -> Iterator[Finished]:
        """Work on ``redo`` (at most a task for each worker), then on ``source``."""
        deaths: dict[int, int] = {}  # of tasks whose worker died, by number
        while True:
            in_hand = sum(len(member.in_hand) for member in self._members)
            redo.extend(islice(source, max(0, self._size - in_hand - len(redo))))
            if not redo and not in_hand:
                return
            self._grow(len(redo) + in_hand)  # a worker for each task, even if all workers died
            yield from self._hand_out(redo, source, deaths)
            if not any(member.refs for member in self._members):
                continue  # none of the facts could be pickled
            news = self._news()
            if news is None:
                continue
            member, ref = news
            if ref is member.preparing:
                self._settle(member)
                continue
            try:
                finished = _finished(member.in_hand[ref], self._ray.get(ref))
            except self._ray_error as error:
                logger.debug("a worker died: %s", error)
                yield from self._bury(member, deaths, redo)
            else:
                del member.in_hand[ref]
                deaths.pop(finished.task.number, None)
                yield finished

    def ask(self, question: bytes) -> Any:
        """Return the answer of one worker."""
        for _ in range(self._most_deaths):
            while (member := next((m for m in self._members if m.preparing is None), None)) is None:
                self._grow(1)
                news = self._news()
                if news is not None:
                    self._settle(news[0])
            try:
                answer = self._ray.get(self._first([member.actor.ask.remote(question)]))
            except self._ray_error as error:
                logger.debug("a worker died: %s", error)
                self._remove(member)
                continue
            if isinstance(answer, Raised):
                raise _unpacked(answer)
            return pickler().loads(answer)
        raise WorkerError(
            f"{_count(self._most_deaths, 'worker')} died at the same question (out of memory, "
            "killed, or machines lost)."
        )

    def kill(self) -> None:
        """End all workers at once."""
        if not self._head.answers:  # Ray would wait for it; the workers end a minute later
            self._members.clear()
        while self._members:
            self._remove(self._members[-1])

    def _grow(self, wanted: int) -> None:
        while len(self._members) < min(self._size, wanted):
            actor = self._actor.remote(self._share.threads)
            member = _Member(actor, None)
            self._members.append(member)  # at once: kill() must include it
            member.preparing = actor.prepare.remote(self.prepare)

    def _remove(self, member: _Member) -> None:
        with suppress(Exception):  # the worker or Ray has ended already
            self._ray.kill(member.actor)
        self._members.remove(member)

    def _hand_out(
        self, redo: deque[Task], source: Iterator[Task], deaths: Mapping[int, int]
    ) -> Iterator[Finished]:
        """Give tasks to workers that are ready; tasks to repeat come first.

        A task whose worker died is alone with its next worker, so that another death blames only
        that task.
        """
        while True:
            free = [m for m in self._members if m.has_room(self._most_in_hand, deaths)]
            if redo and redo[0].number in deaths:
                free = [m for m in free if not m.in_hand]
            if not free:
                return
            task = redo.popleft() if redo else next(source, None)
            if task is None:
                return
            try:
                fact = pickler().dumps(task.fact)
            except Exception as error:
                yield Finished(task, None, f"the fact cannot be pickled ({reason_of(error)})", 0.0)
                continue
            member = min(free, key=lambda m: len(m.in_hand))
            member.in_hand[member.actor.do.remote(fact)] = task

    def _news(self) -> tuple[_Member, Any] | None:
        """Wait for a result; return its worker and reference, or None after the timeout."""
        refs = {ref: member for member in self._members for ref in member.refs}
        done = self._first(list(refs), _PATIENCE)
        if done is not None:
            return refs[done], done
        self._head.require_same()
        at_work = any(member.preparing is None for member in self._members)
        if not at_work and not room_for(self._ray, self._share.cpus, self._share.gpus):
            raise WorkerError(f"no machine of Ray has room for a worker with {self._share}.")
        return None

    def _first(self, refs: list[Any], timeout: float = math.inf) -> Any | None:
        """Return the first result that is ready; None after the timeout."""
        end = time.monotonic() + timeout
        while True:
            self._head.check()
            done, _ = self._ray.wait(refs, num_returns=1, timeout=_POLL)
            if done:
                return done[0]
            # Only a head that answers can say which machines there are.
            if time.monotonic() > end and self._head.answers:
                return None

    def _settle(self, member: _Member) -> None:
        """Read the result of the preparation."""
        try:
            raised = self._ray.get(member.preparing)
        except self._ray_error as error:
            logger.warning("a worker died while it prepared its work")
            logger.debug("a worker died: %s", error)
            self._remove(member)
            self._deaths_preparing += 1
            if self._deaths_preparing >= self._most_deaths:
                raise WorkerError(
                    f"{_count(self._deaths_preparing, 'worker')} in a row died while preparing "
                    "the work, for example loading the model (out of memory, killed, or neurotopo "
                    "is missing on their machines)."
                ) from error
            return
        if raised is not None:
            raise _unpacked(raised)
        member.preparing = None
        self._deaths_preparing = 0

    def _bury(
        self, member: _Member, deaths: dict[int, int], redo: deque[Task]
    ) -> Iterator[Finished]:
        """Keep the finished tasks of a dead worker, and repeat the others.

        A worker takes its tasks in order, so the first one without a result killed it, or the
        next one if a result was lost. So a task fails only if it was alone.
        """
        self._remove(member)
        alone = len(member.in_hand) == 1
        again, finished = list[Task](), list[Finished]()
        for ref, task in member.in_hand.items():
            try:
                finished.append(_finished(task, self._ray.get(ref, timeout=5.0)))
                deaths.pop(task.number, None)
            except self._ray_error:
                again.append(task)
        for i, task in enumerate(again):
            deaths[task.number] = deaths.get(task.number, 0) + (i == 0)
        if again:
            first = again[0]
            n = deaths[first.number]
            logger.warning("a worker died at fact %r, for the %d. time", first.fact.key, n)
            if alone and n >= self._most_deaths:
                del again[0], deaths[first.number]
                error = (
                    f"{f'{n} workers' if n > 1 else 'the worker'} died at this fact (out of "
                    "memory, killed, or machines lost)"
                )
                finished.append(Finished(first, None, error, 0.0))
        redo.extendleft(reversed(again))
        yield from finished


def room_for(ray: Any, cpus: float, gpus: float) -> int:
    """Return the number of workers that fit on the machines of Ray when these are idle."""
    wanted = {name: each for name, each in (("CPU", cpus), ("GPU", gpus)) if each}
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(min(has.get(name, 0.0) // wanted[name] for name in wanted)) for has in there)


def _finished(task: Task, said: tuple[bytes | None, str | None, float]) -> Finished:
    payload, error, seconds = said
    if payload is not None:
        try:
            return Finished(task, pickler().loads(payload), None, seconds)
        except Exception as reason:
            error = f"the result cannot be read here ({reason_of(reason)})"
    return Finished(task, None, error, seconds)


def _unpacked(raised: Raised) -> Exception:
    logger.debug("raised by a worker:\n%s", raised.where)
    return raised.error()


def _count(number: float, name: str) -> str:
    return f"{number:g} {name}{'' if number == 1 else 's'}"
