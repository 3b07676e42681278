"""Work over many facts: stored as it is done, gone on with after an interruption."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from neurotopo.report.summary import Picture, Summary, Table
from neurotopo.studies.codec import difference, from_text, to_text
from neurotopo.studies.engines import Engine, InlineEngine, Item, Task, Work
from neurotopo.studies.rows import Row
from neurotopo.studies.run_file import write_run
from neurotopo.studies.store import Store
from neurotopo.studies.work_loop import FactError, store_all

__all__ = [
    "FactError",
    "Outcome",
    "Picture",
    "Rows",
    "Study",
    "Summary",
    "Table",
    "run_study",
    "seed_for",
]

RESULTS, RUN = "results.sqlite", "run.json"

logger = logging.getLogger(__name__)


class Rows:
    """What is stored about the facts of a run, in their order; may be gone through repeatedly.

    Facts that nothing is stored about are left out; those that failed have an
    :attr:`~neurotopo.studies.Row.error`.

    Parameters
    ----------
    store : Store
        Where they are.
    run : str
        The run.
    keys : sequence of str
        The keys of the facts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies import Rows, Store
    >>> with Store(Path(tempfile.mkdtemp()) / "results.sqlite") as store:
    ...     run = store.begin("sizes", {})
    ...     store.put(run, "peru", {"prompt": "..."}, {"result": {"n": 3}})
    ...     found = [(row.fact, row.payload) for row in Rows(store, run, ["peru", "chile"])]
    >>> found
    [('peru', {'n': 3})]
    """

    def __init__(self, store: Store, run: str, keys: Sequence[str]) -> None:
        self._store, self._run, self._keys = store, run, keys

    def __iter__(self) -> Iterator[Row]:
        for key in self._keys:
            row = self._store.get(self._run, key)
            if row is not None:
                yield row


@dataclass(frozen=True)
class Study:
    """Work per fact, and a summary of it.

    Attributes
    ----------
    name : str
        Its name.
    prepare : callable
        ``prepare(model, options)`` returns the function that is called with each fact and returns
        a mapping, as JSON can hold it. For engines of several processes it must be a function of
        a module.
    summary : callable
        ``summary(rows)`` makes of :class:`Rows` what the study is done for. It must bear rows
        that failed and, after an interruption, that there are only some or none.
    stages : tuple of str, default=("result",)
        Under which names results are stored. For more than one, the mapping has an entry for
        each, itself a mapping.
    version : int, default=1
        To be raised when the work changes, so that results of before are not mixed with new ones.
    unit : str, default="fact"
        What is worked on, in the singular.

    Examples
    --------
    >>> from neurotopo.studies import Study
    >>> def prepare(model, options):
    ...     return lambda fact: {"n_answers": len(fact.answers)}
    >>> def summary(rows):
    ...     return sum(row.payload["n_answers"] for row in rows if row.error is None)
    >>> study = Study("answers", prepare, summary)
    >>> study.stages, study.staged({"n_answers": 2})
    (('result',), {'result': {'n_answers': 2}})
    """

    name: str
    prepare: Callable[[Any, Mapping[str, Any]], Work]
    summary: Callable[[Rows], Any]
    stages: tuple[str, ...] = ("result",)
    version: int = 1
    unit: str = "fact"

    def staged(self, payload: Any) -> dict[str, Mapping[str, Any]]:
        """Return the results of a fact by stage.

        Raises
        ------
        TypeError, ValueError
            When they are not what the study says.
        """
        staged = {self.stages[0]: payload} if len(self.stages) == 1 else payload
        if not isinstance(staged, Mapping) or set(staged) != set(self.stages):
            raise ValueError(f"the work must return an entry for each of {', '.join(self.stages)}.")
        for name in self.stages:
            if not isinstance(staged[name], Mapping):
                raise TypeError(f"{name} must be a mapping, got {type(staged[name]).__name__}.")
        return {name: staged[name] for name in self.stages}


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    study : str
        Name of the study.
    run : str
        The key of the run in the store.
    n_facts : int
        Number of facts asked for.
    n_there : int
        How many of them were there from before.
    n_done : int
        How many have results now.
    failures : dict of str to str
        Why facts failed, by key.
    interrupted : bool
        Whether it was interrupted, so that facts may be missing.
    summary : object
        What the study makes of the rows.
    out : Path or None
        The folder.
    unit : str
        What was worked on, in the singular.

    Examples
    --------
    >>> from neurotopo.studies import Outcome
    >>> counts = {"n_facts": 3, "n_there": 0, "n_done": 2}
    >>> failures = {"peru": "ValueError: no token for the answer."}
    >>> ended = {"interrupted": False, "summary": None, "out": None}
    >>> outcome = Outcome("sizes", "9f2c", **counts, failures=failures, **ended)
    >>> str(outcome), outcome.complete
    ('sizes: 2 of 3 facts done, 1 failed.', True)
    """

    study: str
    run: str
    n_facts: int
    n_there: int
    n_done: int
    failures: dict[str, str] = field(repr=False)
    interrupted: bool
    summary: Any = field(repr=False)
    out: Path | None
    unit: str = "fact"

    @property
    def n_failed(self) -> int:
        """How many facts failed."""
        return len(self.failures)

    @property
    def complete(self) -> bool:
        """Whether every fact was worked on, even if in vain."""
        return self.n_done + self.n_failed == self.n_facts

    def __str__(self) -> str:
        parts = [f"{self.n_done} of {self.n_facts} {self.unit}s done"]
        if self.n_there:
            parts.append(f"{self.n_there} of them before")
        if self.n_failed:
            parts.append(f"{self.n_failed} failed")
        if self.interrupted:
            parts.append("interrupted: the same command goes on from here")
        return f"{self.study}: {', '.join(parts)}."


def run_study(
    study: Study,
    facts: Iterable[Item],
    *,
    model: Any = None,
    identity: Any = None,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    out: str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
    alone: bool = True,
    retry: bool = True,
    stop: bool = False,
    progress: bool = False,
    tell: Callable[[str], None] = logger.info,
) -> Outcome:
    """Work on every fact that has no results yet, and sum up all of them.

    Parameters
    ----------
    study : Study
        What to do.
    facts : iterable of Fact
        What to do it with; anything with a ``key`` and a ``to_dict``.
    model : object, optional
        Handed to the study as it is.
    identity : object, optional
        What tells the model from others, such as
        :meth:`~neurotopo.models.fingerprint.Fingerprint.to_dict` of its fingerprint. A function
        is called with the prepared work, where that is done, and returns it. None: the model
        itself, if it is a string.
    options : mapping, optional
        What the results depend on, as JSON can hold it.
    settings : mapping, optional
        What the results do not depend on, such as the size of batches. The study gets options,
        seeds and settings in one mapping.
    seeds : mapping of str to int, optional
        Seeds of what is random; see :func:`seed_for`.
    out : path-like, optional
        A folder for ``results.sqlite`` and ``run.json``. None: keep all in memory.
    engine : Engine, optional
        Where the work is done; it is left open. None: an :class:`InlineEngine`.
    alone : bool, default=True
        Refuse a folder with results of other options. False: keep both, each by itself.
    retry : bool, default=True
        Work again on facts that failed before.
    stop : bool, default=False
        Stop at the first fact that fails.
    progress : bool, default=False
        Show a progress bar.
    tell : callable, optional
        Called with what the user should know: how much was there.

    Returns
    -------
    Outcome
        Also after an interruption by Ctrl-C, with what there is.

    Raises
    ------
    StoreError
        In one sentence, when results cannot be stored; those stored before stay.
    FactError
        When a fact failed and ``stop`` is set.
    ValueError
        When two facts have the same key, and when the folder holds results of other options or
        of another fact under the same key.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import Study, run_study
    >>> def prepare(model, options):
    ...     return lambda fact: {"n_words": len(fact.prompt.split()) * options["factor"]}
    >>> def summary(rows):
    ...     return {row.fact: row.payload["n_words"] for row in rows if row.error is None}
    >>> study = Study("words", prepare, summary)
    >>> facts = [Fact("The capital of France is", "Paris", id="paris")]
    >>> outcome = run_study(study, facts, options={"factor": 2})
    >>> str(outcome), outcome.summary
    ('words: 1 of 1 facts done.', {'paris': 10})
    """
    items = _checked(facts)
    parts = {"options": options or {}, "settings": settings or {}, "seeds": seeds or {}}
    given = _merged(parts)
    if identity is None and isinstance(model, str):
        identity = model
    prepare = partial(study.prepare, model, given)
    folder = None if out is None else Path(out)
    place = None if folder is None else folder / RESULTS
    with ExitStack() as stack:
        # A folder with results is looked at before a model is loaded, which takes a while; another
        # is made when it is known that there will be something to write.
        there = place is not None and place.exists()
        store = stack.enter_context(Store(place)) if there else None
        if engine is None:
            engine = stack.enter_context(InlineEngine())
        started = _now()
        if callable(identity):
            identity = engine.ask(prepare, identity)
        if store is None:
            if folder is not None:
                _make(folder)
            store = stack.enter_context(Store(place))
        about: dict[str, Any] = {
            "study": study.name,
            "study_version": study.version,
            "model": identity,
            **parts,
            "unit": study.unit,
            "n_facts": len(items),
            "started": started,
        }
        depends = {
            "study_version": study.version,
            "stages": study.stages,
            "model": identity,
            "seeds": parts["seeds"],
            **parts["options"],
        }
        run = store.begin(study.name, depends, alone=alone)
        waiting, n_there = _waiting(store, run, items, retry)
        store.ask(run, (item.key for item in items))
        if n_there:
            tell(f"{study.name}: {n_there} of {len(items)} {study.unit}s were there already.")
        about.update(run=run, n_there=n_there)
        _note(folder, about, "running")
        tasks = (Task(i, items[i]) for i in waiting)
        bar = (study.name, len(items), n_there, study.unit) if progress else None
        interrupted = False
        try:
            store_all(store, run, study.staged, engine.run(tasks, prepare), stop, bar)
        except KeyboardInterrupt:
            interrupted = True
        except FactError:
            _note(folder, about, "stopped")
            raise
        rows = Rows(store, run, [item.key for item in items])
        failures, n_done = {}, 0
        for item in items:
            state = store.state(run, item.key)
            if state is not None and state[1] is not None:
                failures[item.key] = state[1]
            n_done += state is not None and state[1] is None
        about.update(n_done=n_done, n_failed=len(failures))
        status = "interrupted" if interrupted else "complete"
        # Written before, so that it is true whatever ends the summary.
        _note(folder, about, f"{status}, but not summed up")
        summary = study.summary(rows)
        _note(folder, about, status)
        return Outcome(
            study.name,
            run,
            len(items),
            n_there,
            n_done,
            failures,
            interrupted,
            summary,
            folder,
            study.unit,
        )


def seed_for(seed: int, key: str) -> int:
    """Return a seed for one fact, whatever facts came before it and wherever it is worked on.

    Examples
    --------
    >>> from neurotopo.studies import seed_for
    >>> seed_for(0, "paris") == seed_for(0, "paris"), seed_for(0, "paris") == seed_for(1, "paris")
    (True, False)
    """
    digest = hashlib.sha256(f"{int(seed)}:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _checked(facts: Iterable[Item]) -> list[Item]:
    items, seen = list(facts), set()
    for i, item in enumerate(items):
        if not isinstance(getattr(item, "key", None), str) or not hasattr(item, "to_dict"):
            raise TypeError(f"facts[{i}] must have a key and a to_dict, got {item!r}.")
        try:
            item.key.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"facts[{i}] has a key that is no text: {item.key!r}.") from error
        if item.key in seen:
            raise ValueError(f"facts[{i}] has the key {item.key!r} of an earlier one.")
        seen.add(item.key)
    return items


def _merged(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, part in parts.items():
        for key in part:
            if key in merged or key in ("study_version", "stages", "model", "seeds"):
                raise ValueError(f"{key!r} cannot be used among the {name}: the name is taken.")
        merged.update(part)
    return merged


def _waiting(store: Store, run: str, items: Sequence[Item], retry: bool) -> tuple[list[int], int]:
    """Return which facts are to be worked on, and how many are not."""
    waiting = []
    for i, item in enumerate(items):
        state = store.state(run, item.key)
        if state is None or (state[1] is not None and retry):
            waiting.append(i)
            continue
        here = from_text(to_text(item.to_dict(), "fact"))
        if state[0] != here and state[1] is None:
            raise ValueError(
                f"{store.path} holds another fact {item.key!r} ({difference(state[0], here)}); "
                "give another folder, or other ids."
            )
    return waiting, len(items) - len(waiting)


def _note(folder: Path | None, about: Mapping[str, Any], status: str) -> None:
    if folder is not None:
        write_run(folder / RUN, {**about, "status": status, "written": _now()})


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder {folder}: {error.strerror}.") from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
