"""Run a study by its name, resume a run, or make the report of a run again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo._codec import difference, from_text, to_text
from neurotopo._extras import llm_packages_for
from neurotopo.datasets.dataset import pluralize
from neurotopo.report.run_file import read_run, write_run
from neurotopo.report.summary import Summary
from neurotopo.studies.engines import Engine, Finished, InlineEngine, Item, Task, reason_of
from neurotopo.studies.preflight import AUTOMATIC, Extent, Preflight, examine
from neurotopo.studies.rows import Rows, StoreError
from neurotopo.studies.store import Store
from neurotopo.studies.study import MODEL_SETTINGS, SECRET, Study, identity_of, study_named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from neurotopo.knowledge.facts import Fact

__all__ = [
    "ENGINES",
    "FactError",
    "Outcome",
    "Result",
    "read_run",
    "report",
    "run",
    "run_study",
    "write_run",
]

ENGINES = ("inline", "ray")
RESULTS, RUN = "results.sqlite", "run.json"
QUICK_FACTS = 50

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


@dataclass(frozen=True)
class Outcome:
    """Counts and summary of a run.

    Attributes
    ----------
    study : str
        Name of the study.
    run : str
        Key of the run in the store.
    n_facts, n_there, n_done : int
        Numbers of facts: asked for, stored before, and with results now.
    failures : dict of str to str
        The errors of facts that failed, by key.
    interrupted : bool
        Whether facts may be missing because the run was interrupted.
    summary : object
        The summary of the rows.
    out : Path or None
        The folder.
    unit : str
        Name of an item, in the singular.
    check : Preflight or None
        The check before the run.

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
    check: Preflight | None = field(default=None, repr=False)

    @property
    def n_failed(self) -> int:
        """The number of facts that failed."""
        return len(self.failures)

    @property
    def complete(self) -> bool:
        """Whether every fact is done or failed."""
        return self.n_done + self.n_failed == self.n_facts

    def __str__(self) -> str:
        parts = [f"{self.n_done} of {pluralize(self.n_facts, self.unit)} done"]
        if self.n_there:
            parts.append(f"{self.n_there} of them before")
        if self.n_failed:
            parts.append(f"{self.n_failed} failed")
        if self.interrupted:
            parts.append("interrupted: the same command resumes here")
        return f"{self.study}: {', '.join(parts)}."


@dataclass(frozen=True, eq=False)
class Result:
    """Result of a study: findings, tables, pictures and files.

    Attributes
    ----------
    outcome : Outcome
        Counts of facts: done, failed, done before.
    summary : Summary
        Findings, tables, pictures and the rows behind them.
    files : tuple of Path
        The files that were written; empty without a folder.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact("The capital of France is _X_", "Paris")]
    >>> result = nt.studies.run("acquisition", model=random_model(), facts=facts, quick=True)
    >>> result.claims, "table1" in result.tables, len(result.rows) > 0
    ((), True, True)
    >>> result.out, result.files  # nothing is written without a folder
    (None, ())
    """

    outcome: Outcome
    summary: Summary = field(repr=False)
    files: tuple[Path, ...] = field(default=(), repr=False)

    def _repr_html_(self) -> str:
        from neurotopo.report.inline import result_html

        return result_html(self.summary, str(self.outcome), self.outcome.run, self.out)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: table.frame for name, table in self.summary.tables.items()}

    @property
    def figures(self) -> dict[str, Figure]:
        """The pictures by name."""
        return {name: picture.figure for name, picture in self.summary.pictures.items()}

    @property
    def rows(self) -> pd.DataFrame:
        """The rows behind tables and pictures."""
        return self.summary.rows

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings, one sentence each."""
        return self.summary.findings

    @property
    def claims(self) -> tuple[str, ...]:
        """The findings that claim an effect, by the rules of the study."""
        return self.summary.claims

    @property
    def check(self) -> Preflight | None:
        """The check before the run: facts, neurons, expected components, time and memory."""
        return self.outcome.check

    @property
    def out(self) -> Path | None:
        """The folder."""
        return self.outcome.out


def run(
    study: str,
    *,
    model: Any,
    facts: str | os.PathLike[str] | Iterable[Fact] = "factworld",
    out: str | os.PathLike[str] | None = None,
    engine: str | Engine = "inline",
    workers: int | None = None,
    address: str | None = None,
    gpus: float = 0.0,
    quick: bool = False,
    preset: str | None = None,
    check: bool = True,
    seed: int = 0,
    retry: bool = True,
    stop: bool = False,
    progress: bool = False,
    tell: Any = None,
    command: Sequence[str] | None = None,
    **options: Any,
) -> Result:
    """Run a study on a model.

    Parameters
    ----------
    study : str
        The name, one of :data:`STUDIES` or a registered one.
    model : str, path-like or NeuronModel, or several of them
        The model, or where to load it from: a name on the Hugging Face hub, a folder, or
        ``"testbed:NAME"``. Several processes need a name. Studies that compare models take a list,
        or names with commas between them.
    facts : str, path-like or iterable of Fact, default="factworld"
        A file of facts, ``"factworld"``, ``"factworld:N"``, or facts
        (:func:`neurotopo.studies.facts.facts_for`).
    out : path-like, optional
        Folder of the run. Results are stored there fact by fact, and the same call resumes an
        interrupted run. Tables, figures and ``report.html`` are written at the end. None: keep
        everything in memory.
    engine : {"inline", "ray"} or Engine, default="inline"
        Where the work runs: in this process, or in several processes with Ray.
    workers, address, gpus
        For ``"ray"``: number of processes (2 if not given), the address of a cluster, GPUs of
        each process.
    quick : bool, default=False
        Fast preset that keeps every control: at most 50 facts, and the study's quick options.
    preset : str, optional
        ``"paper"``: the selection of neurons of the paper, where the defaults differ
        (:data:`~neurotopo.knowledge.thresholds.PAPER_SELECTION`); given options win. The study
        ``learning`` has more presets.
    check : bool, default=True
        Check a sample of the facts before the run, and tell what will not be found
        (:func:`neurotopo.preflight`); the results do not depend on it.
    seed : int, default=0
        Seed of every random choice.
    retry : bool, default=True
        Work again on facts that failed before.
    stop : bool, default=False
        Stop at the first fact that fails.
    progress : bool, default=False
        Show a progress bar.
    tell : callable, optional
        Called with messages for the user.
    command : sequence of str, optional
        The words of the command line, for the report.
    **options
        Options of the study (for ``"acquisition"``:
        :class:`~neurotopo.studies.acquisition.study.AcquisitionOptions`), and ``device``,
        ``dtype``, ``device_map``, ``batch_size``, ``adapter``, ``quantization``, ``revision``,
        ``token``, ``trust_remote_code`` for the model (:func:`~neurotopo.load_model`). The token
        is written to no file.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        For a study or an option that does not exist, and a folder with results of other options.
    FactError
        When a fact failed and ``stop`` is set.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact(f"The capital of {name} is _X_", "Paris") for name in ("France", "Peru")]
    >>> result = nt.studies.run("acquisition", model=random_model(), facts=facts, quick=True)
    >>> str(result.outcome), result.tables["table1"].shape[1]
    ('acquisition: 2 of 2 facts done.', 11)
    """
    chosen = study_named(study)()
    own_names = {field.name for field in fields(chosen.Options)}
    of_model = [name for name in MODEL_SETTINGS if name in options and name not in own_names]
    settings = {name: options.pop(name) for name in of_model}
    secrets = {SECRET: settings.pop(SECRET)} if SECRET in settings else None
    checked = options_for(chosen, options, quick=quick, preset=preset)
    model = models_for(model, chosen)
    first = model[0] if chosen.several else model
    listed = chosen.load(facts, first, most=QUICK_FACTS if quick else None, seed=seed)
    own = isinstance(engine, str)
    place = _engine(engine, workers, address, gpus) if isinstance(engine, str) else engine
    remarks = chosen.check(listed, checked, seed)
    items = chosen.items(listed, checked, seed, model)
    examined = check and hasattr(checked, "amig")
    with llm_packages_for("studies need"), closing(place) if own else nullcontext(place) as where:
        outcome = run_study(
            chosen,
            items,
            model=model,
            identity=identity_of,
            options=checked.to_dict(),
            settings={
                **settings,
                "source": _name(model),
                "facts": _name_of_facts(facts),
                "command": None if command is None else list(command),
            },
            seeds={"seed": seed},
            secrets=secrets,
            check=check_of(listed, items, remarks, seed, place, AUTOMATIC) if examined else None,
            out=out,
            engine=where,
            retry=retry,
            stop=stop,
            progress=progress,
            **({} if tell is None else {"tell": tell}),
        )
    files: tuple[Path, ...] = ()
    if outcome.out is not None:
        files = _write(outcome)
    return Result(outcome, outcome.summary, files)


def check_of(
    facts: Sequence[Fact],
    items: Sequence[Item],
    remarks: Sequence[str],
    seed: int,
    engine: Engine | None,
    extent: Extent,
) -> Callable[[Study], Preflight]:
    """Return :func:`~neurotopo.studies.preflight.examine` for a random sample of a run."""
    rng = np.random.default_rng([seed, *b"check"])
    some = [
        [given[i] for i in rng.permutation(len(given))[:most]]
        for given, most in ((facts, extent.tokenized), (items, extent.timed))
    ]
    return partial(
        examine,
        facts=some[0],
        items=some[1],
        n_facts=len(facts),
        n_items=len(items),
        remarks=remarks,
        processes=min(getattr(engine, "workers", 1), max(len(items), 1)),
        elsewhere=bool(getattr(engine, "address", None) or getattr(engine, "gpus", 0)),
        extent=extent,
    )


def report(folder: str | os.PathLike[str]) -> Result:
    """Make tables, figures and ``report.html`` again from the stored results of a folder.

    Parameters
    ----------
    folder : path-like
        The folder of a run, finished or not.

    Returns
    -------
    Result
        The result for the facts that the run was last asked for.

    Examples
    --------
    >>> import tempfile
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts, out = [nt.Fact("The capital of France is _X_", "Paris")], tempfile.mkdtemp()
    >>> model = random_model()
    >>> first = nt.studies.run("acquisition", model=model, facts=facts, out=out, quick=True)
    >>> again = nt.studies.report(out)
    >>> again.findings == first.findings, len(again.files) == len(first.files)
    (True, True)
    """
    place = Path(folder)
    if not (place / RUN).is_file():
        raise FileNotFoundError(f"{place} is not the folder of a run: it has no {RUN}.")
    about = _read_about(place)
    chosen = study_named(about["study"])()
    key = about["run"]
    with Store(place / RESULTS, read_only=True) as store:
        store.verify()
        if key not in [run.key for run in store.runs()]:
            raise ValueError(
                f"{place / RESULTS} has no results of the run in {place / RUN}; one of the two "
                "belongs to another folder."
            )
        keys = store.asked(key)
        failures, n_done = _counts(store, key, keys)
        try:
            summary = chosen.summary(Rows(store, key, keys))
        except (LookupError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{place / RESULTS} has results that are not those of the study "
                f"{about['study']!r} of this version ({reason_of(error)}); run the study again."
            ) from error
    n_there = n_done + len(failures)
    outcome = Outcome(
        about["study"],
        key,
        len(keys),
        n_there,
        n_done,
        failures,
        interrupted=n_there < len(keys),
        summary=summary,
        out=place,
        unit=chosen.unit,
        check=_check_in(about),
    )
    return Result(outcome, summary, _write(outcome))


def _counts(store: Store, run: str, keys: Iterable[str]) -> tuple[dict[str, str], int]:
    """Return the errors of the facts that failed, and the number of facts with results."""
    failures, n_done = {}, 0
    for key in keys:
        state = store.state(run, key)
        if state is not None and state[1] is not None:
            failures[key] = state[1]
        n_done += state is not None and state[1] is None
    return failures, n_done


def _read_about(place: Path) -> dict[str, Any]:
    """Read the run file of a folder and check that it has what a report needs."""
    about = read_run(place / RUN)
    for name, kind in (("study", str), ("run", str), ("settings", dict)):
        if not isinstance(about.get(name), kind):
            raise ValueError(f"{place / RUN} is broken: {name!r} is missing or wrong.")
    return about


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
        failures, n_done = _counts(store, run, keys)
        about.update(n_done=n_done, n_failed=len(failures))
        status = "interrupted" if interrupted else "complete"
        # written first, so that it is true if the summary fails
        _note(folder, about, f"{status}, but without summary")
        store.verify()
        summary = study.summary(Rows(store, run, keys))
        _note(folder, about, status)
        counts = (len(items), n_there, n_done, failures, interrupted)
        return Outcome(study.name, run, *counts, summary, folder, study.unit, checked)


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


def options_for(
    study: Study, given: Mapping[str, Any], *, quick: bool = False, preset: str | None = None
) -> Any:
    """Return the options of a study; a ValueError names an option that it does not have."""
    names = [field.name for field in fields(study.Options)]
    for name in given:
        if name not in names:
            raise ValueError(
                f"the study {study.name!r} has no option {name!r}; options are: {', '.join(names)}."
            )
    return study.Options.chosen(given, quick=quick, preset=preset)


def _engine(name: str, workers: int | None, address: str | None, gpus: float) -> Engine:
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {name!r}.")
    if name == "ray":
        from neurotopo.studies.ray_engine import RayEngine

        return RayEngine(2 if workers is None else workers, address=address, gpus=gpus)
    for option, value in (("workers", workers), ("address", address), ("gpus", gpus or None)):
        if value is not None:
            raise ValueError(f"{option} is for engine='ray'; this is engine='inline'.")
    return InlineEngine()


def models_for(model: Any, study: Study) -> Any:
    """Return the model as the study takes it: a list for studies of several models."""
    several = study.several
    if several and isinstance(model, str):
        model = [name.strip() for name in model.split(",") if name.strip()]
    listed = isinstance(model, list | tuple)
    given = list(model) if listed else [model]
    if listed and not several:
        raise ValueError(f"the study {study.name!r} takes one model, got {len(given)}.")
    if not given:
        raise ValueError("there is no model.")
    given = [os.fspath(one) if isinstance(one, os.PathLike) else one for one in given]
    return given if several else given[0]


def _name(model: Any) -> str:
    if isinstance(model, str):
        return model
    if isinstance(model, list):
        return ", ".join(_name(one) for one in model)
    return str(getattr(getattr(model, "hf_model", model).config, "name_or_path", "") or "a model")


def _name_of_facts(facts: Any) -> str:
    return os.fspath(facts) if isinstance(facts, str | os.PathLike) else "given facts"


def _check_in(about: Mapping[str, Any]) -> Preflight | None:
    """Return the check in a run file, if there is one."""
    return Preflight.from_dict(about["check"]) if about.get("check") else None


def _check_before(folder: Path) -> Preflight | None:
    """Return the check of the earlier run in a folder; None without a readable run file."""
    try:
        return _check_in(read_run(folder / RUN))
    except (OSError, ValueError):
        return None


def _write(outcome: Outcome) -> tuple[Path, ...]:
    from neurotopo.report import write_report

    assert outcome.out is not None
    about, summary = _read_about(outcome.out), outcome.summary
    about["command"] = about["settings"].get("command")
    about.pop("check", None)
    if outcome.check is not None:
        summary = replace(summary, notes=(*summary.notes, *outcome.check.notes))
    return tuple(write_report(summary, outcome.out, about=about, failures=outcome.failures))
