"""``neurotopo run`` and ``neurotopo report``: studies by name, and their reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurotopo.commands.common import examples
from neurotopo.commands.options import (
    CommandOptions,
    Device,
    QuietReport,
    Seed,
    TrustRemoteCode,
    command,
)
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


@dataclass(frozen=True)
class RunOptions(CommandOptions):
    """Options of ``neurotopo run``; None stands for the default of the study."""

    study: Annotated[str, typer.Argument(help="Name of the study.")]
    model: Annotated[str, typer.Option(help="Hub name, folder, or testbed:NAME.")]
    out: Annotated[Path, typer.Option(help="Folder of the run.")]
    facts: Annotated[
        str,
        typer.Option(help="File of facts, factworld, or factworld:N for N facts of the test bed."),
    ] = "factworld"
    quick: Annotated[
        bool, typer.Option("--quick", help="The smallest honest setting; at most 50 facts.")
    ] = False
    option: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME=VALUE", help="An option of the study; may be given again."),
    ] = ()
    seed: Seed = 0
    engine: Annotated[
        str, typer.Option(help="inline: this process; ray: several processes or machines.")
    ] = "inline"
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of ray. [2]")] = None
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster.")] = None
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each process of ray.")] = 0.0
    device: Device = None
    dtype: Annotated[str | None, typer.Option(help="Precision of the model.")] = None
    device_map: Annotated[
        str | None, typer.Option(help="auto: spread a large model over the GPUs of a process.")
    ] = None
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most sequences of one forward.")
    ] = None
    retry: Annotated[
        bool, typer.Option("--retry/--no-retry", help="Work again on facts that failed before.")
    ] = True
    stop: Annotated[bool, typer.Option("--stop", help="Stop at the first fact that fails.")] = False
    quiet: QuietReport = False
    trust_remote_code: TrustRemoteCode = False
    progress: bool = False


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    command(app, RunOptions, _RUN, "run")(_run)
    app.command("report", help=_REPORT)(_report)


def _run(context: typer.Context, options: RunOptions) -> None:
    """Run a study."""
    from neurotopo.commands.common import check_device, check_writable
    from neurotopo.studies.run import run
    from neurotopo.studies.study import study_named

    given = options.to_dict()
    study, out = given.pop("study"), options.out
    chosen = options_of(study_named(study).Options, given.pop("option"))
    check_writable(out)
    if options.engine == "inline":
        check_device(options.device)
    for name in ("device", "dtype", "device_map", "batch_size", "trust_remote_code"):
        if given[name] in (None, False):
            del given[name]
    result = run(
        study,
        **{**given, "out": out},
        tell=_silent if options.quiet else typer.echo,
        command=["neurotopo", *(context.obj or [])],
        **chosen,
    )
    _show(result, options.quiet)
    if result.outcome.interrupted:
        raise KeyboardInterrupt
    if not result.outcome.n_done:
        key, reason = next(iter(result.outcome.failures.items()))
        raise ValueError(f"no fact could be worked on; the first, {key!r}: {reason}")


def _report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")], quiet: QuietReport = False
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
    >>> from neurotopo.studies.acquisition.study import AcquisitionOptions
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
