"""Run a study by its name, resume a run, or make the report of a run again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo._extras import llm_packages_for
from neurotopo.report.run_file import read_run
from neurotopo.studies.engines import Engine, InlineEngine, Item, reason_of
from neurotopo.studies.execute import RESULTS, RUN, check_in, count_results, run_study
from neurotopo.studies.outcome import Outcome, Result
from neurotopo.studies.preflight import AUTOMATIC, Extent, Preflight, examine
from neurotopo.studies.rows import Rows, StoreError
from neurotopo.studies.store import Store
from neurotopo.studies.study import MODEL_SETTINGS, SECRET, Study, identity_of, study_named

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact

__all__ = ["ENGINES", "report", "run"]

ENGINES = ("inline", "ray")
QUICK_FACTS = 50


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
        failures, n_done = count_results(store, key, keys)
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
        check=check_in(about),
    )
    return Result(outcome, summary, _write(outcome))


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


def _name(model: Any) -> str:
    if isinstance(model, str):
        return model
    if isinstance(model, list):
        return ", ".join(_name(one) for one in model)
    return str(getattr(getattr(model, "hf_model", model).config, "name_or_path", "") or "a model")


def _name_of_facts(facts: Any) -> str:
    return os.fspath(facts) if isinstance(facts, str | os.PathLike) else "given facts"


def _read_about(place: Path) -> dict[str, Any]:
    """Read the run file of a folder and check that it has what a report needs."""
    about = read_run(place / RUN)
    for name, kind in (("study", str), ("run", str), ("settings", dict)):
        if not isinstance(about.get(name), kind):
            raise ValueError(f"{place / RUN} is broken: {name!r} is missing or wrong.")
    return about


def _write(outcome: Outcome) -> tuple[Path, ...]:
    from neurotopo.report import write_report

    assert outcome.out is not None
    about, summary = _read_about(outcome.out), outcome.summary
    about["command"] = about["settings"].get("command")
    about.pop("check", None)
    if outcome.check is not None:
        summary = replace(summary, notes=(*summary.notes, *outcome.check.notes))
    return tuple(write_report(summary, outcome.out, about=about, failures=outcome.failures))
