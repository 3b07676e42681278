"""``neurotopo run`` and ``neurotopo report``: studies by name, and their reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurotopo.commands.common import examples
from neurotopo.studies.study import SUBJECTS

if TYPE_CHECKING:
    from neurotopo.studies.run import Result

__all__ = ["options_of", "register"]

_RUN = (
    "Run a study of the paper on a language model, resumable, and write its report.\n\n"
    "\b\nSTUDY is one of:\n"
    + "\n".join(f"  {name:<13}{subject}" for name, subject in SUBJECTS.items())
    + "\n\n"
    "Results are kept fact by fact in OUT/results.sqlite; the same command goes on where it was "
    "interrupted. At the end OUT has report.html, tables/ and figures/.\n\n"
    "complexity and development take several models, with commas between them; a folder that "
    "neurotopo testbed build --snapshots wrote stands for all its snapshots."
) + examples(
    "neurotopo run acquisition --model testbed:planted --facts factworld:200 \\",
    "  --out planted",
    "neurotopo run acquisition --model gpt2 --facts templama/train.jsonl \\",
    "  --out gpt2_run --quick",
    "neurotopo run learning --model testbed:gpt2 --facts factworld:150 \\",
    "  --out learning",
    "neurotopo run robustness --model testbed:llama --facts factworld:200 \\",
    "  --out robustness",
    "neurotopo run complexity --facts factworld:300 --out sizes \\",
    "  --model testbed:ladder-1,testbed:ladder-2,testbed:ladder-3",
    "neurotopo run development --model ladder --facts factworld:60 --out stages",
    "neurotopo run acquisition --model ./my-model --facts facts.csv --out mine \\",
    "  --option tau2=0.4 --option methods=ntc,kmeans --engine ray --workers 4",
)
_REPORT = (
    "Make report.html, tables and figures again from a run's folder, finished or not."
) + examples("neurotopo report planted")
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("run", help=_RUN)(_run)
    app.command("report", help=_REPORT)(_report)


def _run(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    model: Annotated[str, typer.Option(help="Hub name, folder, or testbed:NAME.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    facts: Annotated[
        str,
        typer.Option(help="File of facts, factworld, or factworld:N for N facts of the test bed."),
    ] = "factworld",
    quick: Annotated[
        bool, typer.Option("--quick", help="The smallest honest setting; at most 50 facts.")
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the study; may be given again."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is random.")] = 0,
    engine: Annotated[
        str, typer.Option(help="inline: this process; ray: several processes or machines.")
    ] = "inline",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of ray. [2]")] = None,
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster.")] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each process of ray.")] = 0.0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Precision of the model.")] = None,
    device_map: Annotated[
        str | None, typer.Option(help="auto: spread a large model over the GPUs of a process.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most sequences of one forward.")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry/--no-retry", help="Work again on facts that failed before.")
    ] = True,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop at the first fact that fails.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but where the report is.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")
    ] = False,
) -> None:
    """Run a study."""
    from neurotopo.commands.common import check_device, check_writable
    from neurotopo.studies.run import run
    from neurotopo.studies.study import study_named

    chosen = options_of(study_named(study).Options, option or ())
    check_writable(out)
    if engine == "inline":
        check_device(device)
    settings = {
        "device": device,
        "dtype": dtype,
        "device_map": device_map,
        "batch_size": batch_size,
        "trust_remote_code": trust_remote_code or None,
    }
    result = run(
        study,
        model=model,
        facts=facts,
        out=out,
        engine=engine,
        workers=workers,
        address=address,
        gpus=gpus,
        quick=quick,
        seed=seed,
        retry=retry,
        stop=stop,
        progress=not quiet and sys.stderr.isatty(),
        tell=_silent if quiet else typer.echo,
        command=["neurotopo", *(context.obj or [])],
        **{name: value for name, value in settings.items() if value is not None},
        **chosen,
    )
    _show(result, quiet)
    if result.outcome.interrupted:
        raise KeyboardInterrupt
    if not result.outcome.n_done:
        key, reason = next(iter(result.outcome.failures.items()))
        raise ValueError(f"no fact could be worked on; the first, {key!r}: {reason}")


def _report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but where the report is.")
    ] = False,
) -> None:
    """Make the report of a run again."""
    from neurotopo.studies.run import report

    _show(report(folder), quiet)


def _show(result: Result, quiet: bool) -> None:
    if not quiet:
        typer.echo(str(result.outcome))
        for finding in result.findings:
            typer.echo(f"- {finding}")
        from neurotopo.datasets.dataset import pluralize

        failures = result.outcome.failures
        if failures:
            key = next(iter(failures))
            typer.echo(
                f"{pluralize(len(failures), 'fact')} failed; the first, {key!r}: {failures[key]}"
            )
    for file in result.files:
        if file.name == "report.html":
            typer.echo(f"wrote {file}" if not quiet else str(file))


def _silent(message: str) -> None:
    """Say nothing."""


def options_of(kind: Any, given: Sequence[str]) -> dict[str, Any]:
    """Read options of a study as they are written on a command line.

    Parameters
    ----------
    kind : type
        The dataclass of the options, whose fields say what a value is.
    given : sequence of str
        ``"NAME=VALUE"``; several values have commas between them.

    Returns
    -------
    dict

    Examples
    --------
    >>> from neurotopo.commands.study import options_of
    >>> from neurotopo.studies.acquisition.options import AcquisitionOptions
    >>> options_of(AcquisitionOptions, ["tau2=0.4", "methods=ntc,kmeans", "only_known=yes"])
    {'tau2': 0.4, 'methods': ['ntc', 'kmeans'], 'only_known': True}
    >>> from neurotopo.studies.learning.study import LearningOptions
    >>> options_of(LearningOptions, ["arms=dkn,all", "lr=1e-3", "epochs=5", "old_date=2018"])
    {'arms': ['dkn', 'all'], 'lr': 0.001, 'epochs': 5, 'old_date': '2018'}
    """
    kinds = {field.name: str(field.type).removesuffix(" | None") for field in fields(kind)}
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in kinds:
            raise ValueError(
                f"--option must be NAME=VALUE with a NAME of {', '.join(kinds)}; got {text!r}."
            )
        options[name] = _value(text, value.strip(), kinds[name])
    return options


def _value(text: str, value: str, kind: str) -> Any:
    """Read a value of a kind, as it is written in the dataclass of the options."""
    read, wanted = _KINDS[kind]
    try:
        return read(value)
    except (ValueError, KeyError):
        raise ValueError(f"the value of --option {text!r} must be {wanted}.") from None


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "bool": (
        lambda value: {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[value.lower()],
        "yes or no",
    ),
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a word"),
    "Sequence[str]": (_parts, "words with commas between them"),
    "Sequence[float]": (
        lambda value: [float(part) for part in _parts(value)],
        "numbers with commas between them",
    ),
}
