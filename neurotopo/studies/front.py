"""Studies by name: run one, or make the report of a run again."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo._extras import llm_packages_for
from neurotopo.report.summary import Summary
from neurotopo.studies.engines import Engine, InlineEngine, Item
from neurotopo.studies.facts import facts_for
from neurotopo.studies.models import MODEL_SETTINGS, identity_of
from neurotopo.studies.run_file import read_run
from neurotopo.studies.runner import RESULTS, RUN, Outcome, Rows, Study, run_study
from neurotopo.studies.store import Store
from neurotopo.studies.subjects import SUBJECTS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from neurotopo.knowledge.facts import Fact

__all__ = ["ENGINES", "STUDIES", "Definition", "Result", "definition", "report", "run"]

ENGINES = ("inline", "ray")

_QUICK_FACTS = 50
STUDIES = tuple(SUBJECTS)
"""The names of the studies."""


@dataclass(frozen=True)
class Definition:
    """A study by name.

    Attributes
    ----------
    title : str
        What is asked, one line.
    options : type
        Its options: a dataclass that checks itself, with ``quick`` and ``to_dict``.
    study : Study
        Work and summary.
    items : callable, optional
        ``items(facts, options, seed)`` returns what is worked on, where that is not the facts;
        with ``several`` it is ``items(facts, options, seed, models)``.
    load : callable, default=facts_for
        ``load(facts, model, most=..., seed=...)`` returns the facts; see
        :func:`~neurotopo.studies.facts.facts_for`.
    several : bool, default=False
        Whether models are compared: the work is prepared with a list of them.
    """

    title: str
    options: Any
    study: Study
    items: Callable[..., Sequence[Item]] | None = None
    load: Callable[..., list[Fact]] = facts_for
    several: bool = False


@dataclass(frozen=True, eq=False)
class Result:
    """What a study came to.

    Attributes
    ----------
    outcome : Outcome
        How many facts were done, failed, were there before.
    summary : Summary
        Findings, tables, pictures and the rows behind them.
    files : tuple of Path
        What was written; empty without a folder.

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
        """What tables and pictures are made of."""
        return self.summary.rows

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found and what was not, in words."""
        return self.summary.findings

    @property
    def claims(self) -> tuple[str, ...]:
        """The findings that say there is an effect, at the study's level and by its rules."""
        return self.summary.claims

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
        Its name, one of :data:`STUDIES`.
    model : str, path-like or NeuronModel, or several of them
        The model, or where to load it from: a name on the Hugging Face hub, a folder, or
        ``"testbed:NAME"``. Several processes need a name. Studies that compare models take a list,
        or names with commas between them.
    facts : str, path-like or iterable of Fact, default="factworld"
        A file of facts, ``"factworld"``, ``"factworld:N"``, or facts
        (:func:`neurotopo.studies.facts.facts_for`).
    out : path-like, optional
        Folder of the run. Results are stored there fact by fact; the same call goes on where an
        earlier one was interrupted. Tables, figures and ``report.html`` are written at the end.
        None: keep all in memory.
    engine : {"inline", "ray"} or Engine, default="inline"
        Where the work is done: in this process, or in several with Ray.
    workers, address, gpus
        For ``"ray"``: number of processes (2 if not given), the address of a cluster, GPUs of
        each process.
    quick : bool, default=False
        The smallest honest setting: at most 50 facts, and what the study calls quick.
    seed : int, default=0
        Seed of all that is random.
    retry : bool, default=True
        Work again on facts that failed before.
    stop : bool, default=False
        Stop at the first fact that fails.
    progress : bool, default=False
        Show a progress bar.
    tell : callable, optional
        Called with what the user should know.
    command : sequence of str, optional
        The words of the command line, for the report.
    **options
        Options of the study (for ``"acquisition"``:
        :class:`~neurotopo.studies.acquisition.options.AcquisitionOptions`), and ``device``,
        ``dtype``, ``device_map``, ``batch_size``, ``trust_remote_code`` for the model.

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
    chosen = definition(study)
    settings = {name: options.pop(name) for name in MODEL_SETTINGS if name in options}
    checked = _options(chosen, study, quick, options)
    model = _models(model, chosen.several, study)
    first = model[0] if chosen.several else model
    listed = chosen.load(facts, first, most=_QUICK_FACTS if quick else None, seed=seed)
    own = isinstance(engine, str)
    place = _engine(engine, workers, address, gpus) if isinstance(engine, str) else engine
    items: Sequence[Item] = listed
    if chosen.items is not None:
        given = (listed, checked, seed, model) if chosen.several else (listed, checked, seed)
        items = chosen.items(*given)
    with llm_packages_for("studies need"), closing(place) if own else nullcontext(place) as where:
        outcome = run_study(
            chosen.study,
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
            out=out,
            engine=where,
            retry=retry,
            stop=stop,
            progress=progress,
            **({} if tell is None else {"tell": tell}),
        )
    files: tuple[Path, ...] = ()
    if outcome.out is not None:
        files = _write(outcome.summary, outcome.out, outcome.failures)
    return Result(outcome, outcome.summary, files)


def report(folder: str | os.PathLike[str]) -> Result:
    """Make tables, figures and ``report.html`` again from what is stored in a folder.

    Parameters
    ----------
    folder : path-like
        The folder of a run, finished or not.

    Returns
    -------
    Result
        Of the facts that the run was last asked for.

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
    about = _checked(place)
    chosen = definition(about["study"])
    key = about["run"]
    with Store(place / RESULTS, read_only=True) as store:
        if key not in [run.key for run in store.runs()]:
            raise ValueError(
                f"{place / RUN} is of a run that {place / RESULTS} has no results of; one of them "
                "belongs to another folder."
            )
        keys = store.asked(key)
        rows = Rows(store, key, keys)
        failures = {row.fact: row.error for row in rows if row.error is not None}
        n_done = sum(row.error is None for row in rows)
        summary = chosen.study.summary(rows)
    outcome = Outcome(
        study=about["study"],
        run=key,
        n_facts=len(keys),
        n_there=n_done + len(failures),
        n_done=n_done,
        failures=failures,
        interrupted=n_done + len(failures) < len(keys),
        summary=summary,
        out=place,
        unit=chosen.study.unit,
    )
    return Result(outcome, summary, _write(summary, place, failures))


def _checked(place: Path) -> dict[str, Any]:
    """Read the run file of a folder and see that it has what a report needs."""
    about = read_run(place / RUN)
    wanted: dict[str, type] = {"study": str, "run": str, "settings": dict}
    for name, kind in wanted.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"{place / RUN} is broken: it has no {name!r}, or a wrong one.")
    return about


def definition(study: str) -> Definition:
    """Return a study by its name."""
    if study not in STUDIES:
        raise ValueError(f"there is no study {study!r}; studies are: {', '.join(STUDIES)}.")
    with llm_packages_for("studies need"):
        module = importlib.import_module(f"neurotopo.studies.{study}.study")
    found: Definition = module.DEFINITION
    return found


def _options(chosen: Definition, study: str, quick: bool, given: Mapping[str, Any]) -> Any:
    names = [field.name for field in fields(chosen.options)]
    for name in given:
        if name not in names:
            raise ValueError(
                f"the study {study!r} has no option {name!r}; options are: {', '.join(names)}."
            )
    return chosen.options.quick(**given) if quick else chosen.options(**given)


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


def _models(model: Any, several: bool, study: str) -> Any:
    """Return the model as it is handed to the work: a list of them for studies of several."""
    if several and isinstance(model, str):
        model = [name.strip() for name in model.split(",") if name.strip()]
    given = list(model) if isinstance(model, list | tuple) else [model]
    if not several and isinstance(model, list | tuple):
        raise ValueError(f"the study {study!r} takes one model, got {len(given)}.")
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


def _write(summary: Summary, folder: Path, failures: Mapping[str, str]) -> tuple[Path, ...]:
    from neurotopo.report import write_report

    about = _checked(folder)
    about["command"] = about["settings"].get("command")
    return tuple(write_report(summary, folder, about=about, failures=failures))
