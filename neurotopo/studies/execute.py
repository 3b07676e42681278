"""Measure the facts that have no results yet, and store the result of each."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from neurotopo._codec import difference, from_text, to_text
from neurotopo.datasets.dataset import pluralize
from neurotopo.report.run_file import read_run, write_run
from neurotopo.studies.engines import Engine, Finished, InlineEngine, Item, Task, reason_of
from neurotopo.studies.outcome import Outcome
from neurotopo.studies.preflight import Preflight
from neurotopo.studies.rows import Rows
from neurotopo.studies.store import Store
from neurotopo.studies.study import Study

__all__ = [
    "RESULTS",
    "RUN",
    "FactError",
    "check_in",
    "count_results",
    "read_run",
    "run_study",
    "write_run",
]

RESULTS, RUN = "results.sqlite", "run.json"

logger = logging.getLogger(__name__)


class FactError(ValueError):
    """A fact failed in a run with ``stop=True``.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import FactError, Study, run_study
    >>> class Broken(Study):
    ...     name = "broken"
    ...
    ...     def measure(self, fact):
    ...         return {"n": 1 / 0}
    >>> try:
    ...     run_study(Broken(), [Fact("The capital of Peru is", "Lima", id="peru")], stop=True)
    ... except FactError as error:
    ...     print(error)
    fact 'peru' failed: ZeroDivisionError: division by zero
    """


def run_study(
    study: Study,
    facts: Iterable[Item],
    *,
    model: Any = None,
    identity: Any = None,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    secrets: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
    check: Callable[[Any], Preflight] | None = None,
    alone: bool = True,
    retry: bool = True,
    stop: bool = False,
    progress: bool = False,
    tell: Callable[[str], None] = logger.info,
) -> Outcome:
    """Measure every fact that has no results yet, and summarise all results.

    Parameters
    ----------
    study : Study
        The study.
    facts : iterable of Fact
        The facts, or any items with a ``key`` and a ``to_dict``.
    model : object, optional
        Passed to the study.
    identity : object, optional
        Identifies the model, such as
        :meth:`~neurotopo.models.fingerprint.Fingerprint.to_dict` of its fingerprint. A function
        is called with the prepared work in its process and returns it. None: the model itself,
        if it is a string.
    options : mapping, optional
        Options that the results depend on, in types that JSON can hold.
    settings : mapping, optional
        Settings that the results do not depend on, such as the batch size. The study gets
        options, seeds and settings in one mapping.
    seeds : mapping of str to int, optional
        Random seeds; see :func:`seed_for`.
    secrets : mapping, optional
        Settings that no file may hold, such as the access token of the hub.
    out : path-like, optional
        A folder for ``results.sqlite`` and ``run.json``. None: keep all in memory.
    engine : Engine, optional
        Where the work runs; it is not closed. None: an :class:`InlineEngine`.
    check : callable, optional
        Called with the prepared work before the first fact of a run.
    alone : bool, default=True
        Refuse a folder with results of other options. False: keep both.
    retry, stop, progress, tell
        As in :func:`run`.

    Returns
    -------
    Outcome
        After an interruption by Ctrl-C, with the results so far.

    Raises
    ------
    StoreError
        If results cannot be stored; earlier results are kept.
    FactError
        If a fact fails and ``stop`` is set.
    ValueError
        If two facts have the same key, or the folder holds results of other options or of another
        fact under the same key.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import Study, run_study
    >>> class Words(Study):
    ...     name = "words"
    ...
    ...     def measure(self, fact):
    ...         return {"n_words": len(fact.prompt.split()) * self.given["factor"]}
    ...
    ...     def summary(self, rows):
    ...         return {row.fact: row.payload["n_words"] for row in rows if row.error is None}
    >>> facts = [Fact("The capital of France is", "Paris", id="paris")]
    >>> outcome = run_study(Words(), facts, options={"factor": 2})
    >>> str(outcome), outcome.summary
    ('words: 1 of 1 fact done.', {'paris': 10})
    """
    items = _checked(facts)
    parts = {"options": options or {}, "settings": settings or {}, "seeds": seeds or {}}
    given = _merged({**parts, "secrets": secrets or {}})
    if identity is None and isinstance(model, str):
        identity = model
    prepare = partial(study.prepare, model, given)
    folder = None if out is None else Path(out)
    place = None if folder is None else folder / RESULTS
    with ExitStack() as stack:
        # Open a folder with results before loading a model, which takes a while; make a new folder
        # only when there is something to write.
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
        same = {"study_version": study.version, "model": identity, "seeds": parts["seeds"]}
        depends = {**same, "stages": study.stages, **parts["options"]}
        run = store.begin(study.name, depends, alone=alone)
        waiting, n_there = _waiting(store, run, items, retry)
        store.ask(run, (item.key for item in items))
        if n_there:
            said = f"{n_there} of {pluralize(len(items), study.unit)}"
            tell(f"{study.name}: {said} {'has' if n_there == 1 else 'have'} results already.")
        about.update(run=run, n_there=n_there)
        checked = _check_before(folder) if folder is not None and n_there else None
        if checked is None and check is not None and waiting:
            checked = engine.ask(prepare, check)
            for finding in checked.findings:
                tell(f"{study.name}: {finding}")
        about["check"] = None if checked is None else checked.to_dict()
        _note(folder, about, "running")
        tasks = (Task(i, items[i]) for i in waiting)
        bar = {"desc": study.name, "total": len(items), "initial": n_there, "unit": study.unit}
        interrupted = False
        try:
            _store_all(
                store, run, study, engine.run(tasks, prepare), stop, bar if progress else None
            )
        except KeyboardInterrupt:
            interrupted = True
        except FactError:
            _note(folder, about, "stopped")
            raise
        keys = [item.key for item in items]
        failures, n_done = count_results(store, run, keys)
        about.update(n_done=n_done, n_failed=len(failures))
        status = "interrupted" if interrupted else "complete"
        # written first, so that it is true if the summary fails
        _note(folder, about, f"{status}, but without summary")
        store.verify()
        summary = study.summary(Rows(store, run, keys))
        _note(folder, about, status)
        counts = (len(items), n_there, n_done, failures, interrupted)
        return Outcome(study.name, run, *counts, summary, folder, study.unit, checked)


def count_results(store: Store, run: str, keys: Iterable[str]) -> tuple[dict[str, str], int]:
    """Return the errors of the facts that failed, and the number of facts with results."""
    failures, n_done = {}, 0
    for key in keys:
        state = store.state(run, key)
        if state is not None and state[1] is not None:
            failures[key] = state[1]
        n_done += state is not None and state[1] is None
    return failures, n_done


def check_in(about: Mapping[str, Any]) -> Preflight | None:
    """Return the check in a run file, if there is one."""
    return Preflight.from_dict(about["check"]) if about.get("check") else None


def _store_all(
    store: Store,
    run: str,
    study: Study,
    finished: Iterator[Finished],
    stop: bool,
    bar: Mapping[str, Any] | None,
) -> None:
    """Store each result that an engine yields, and close the iterator at the end."""
    with ExitStack() as stack:
        close = getattr(finished, "close", None)
        if close is not None:
            stack.callback(close)
        shown: Any = None
        if bar is not None:
            from tqdm.auto import tqdm

            shown = stack.enter_context(tqdm(**bar, dynamic_ncols=True))
        n_failed = 0
        for each in finished:
            error = _stored(store, run, study, each)
            n_failed += error is not None
            if error is not None and stop:
                raise FactError(f"fact {each.task.fact.key!r} failed: {error}")
            if shown is not None:
                if error is not None:
                    shown.set_postfix(failed=n_failed, refresh=False)
                shown.update()


def _stored(store: Store, run: str, study: Study, finished: Finished) -> str | None:
    """Store the result of a fact; return why it failed, or None."""
    fact, error = finished.task.fact, finished.error
    if error is None:
        try:
            stages = study.staged(finished.payload)
            store.put(run, fact.key, fact.to_dict(), stages, finished.seconds)
        except (TypeError, ValueError) as reason:  # JSON cannot hold the result
            error = reason_of(reason)
    if error is not None:
        store.fail(run, fact.key, fact.to_dict(), error, finished.seconds)
    return error


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
    """Return the indices of the facts without results, and the number of the others."""
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
                "give another folder or other ids."
            )
    return waiting, len(items) - len(waiting)


def _check_before(folder: Path) -> Preflight | None:
    """Return the check of the earlier run in a folder; None without a readable run file."""
    try:
        return check_in(read_run(folder / RUN))
    except (OSError, ValueError):
        return None


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
