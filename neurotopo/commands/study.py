"""``neurotopo run`` and ``neurotopo report``: studies by name, and their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from neurotopo.commands.common import examples, print_json, without_tokens
from neurotopo.commands.options import (
    MODEL_HELP,
    CommandOptions,
    ModelOptions,
    argument,
    command,
    json_option,
    option,
    preset_option,
    quiet_option,
    seed_option,
)
from neurotopo.studies.option_help import option_help
from neurotopo.studies.study import SUBJECTS, registered, study_named

if TYPE_CHECKING:
    from neurotopo.studies.outcome import Result

__all__ = ["RunSettings", "finish", "options_of", "register", "studies_from"]

_RUN = (
    "Run a study of the paper on a language model and write its report; resumable.\n\n"
    "\b\nSTUDY is one of:\n"
    + "\n".join(f"  {name:<13}{subject}" for name, subject in SUBJECTS.items())
    + "\n\n"
    "neurotopo run STUDY --help lists the options of a study, each with its type and default. "
    "They may be given as --tau2 0.4 or as --option tau2=0.4; commas separate several values.\n\n"
    "Results are stored fact by fact in OUT/results.sqlite; run the same command again to "
    "resume. At the end OUT has report.html, tables/ and figures/.\n\n"
    "complexity and development take several models, separated by commas; a folder written by "
    "neurotopo testbed build --snapshots stands for all its snapshots."
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
    "neurotopo run acquisition --model model.gguf --facts facts.jsonl --out gguf",
)
_REPORT = (
    "Write report.html, tables and figures again from the folder of a run, complete or not."
) + examples("neurotopo report planted")
_QUIET = "Print only the path of the report."
_FLAGS = (
    *("--quick", "--check", "--no-check", "--retry", "--no-retry", "--stop", "--quiet", "-q"),
    "--trust-remote-code",
)
_META = "neurotopo.study"
_LOADING = {each.name for each in fields(ModelOptions)} - {"model"}
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def studies_from(incomplete: str) -> list[tuple[str, str]]:
    """Return the studies whose names begin so, with their questions, for the shell."""
    return [pair for pair in SUBJECTS.items() if pair[0].startswith(incomplete)]


@dataclass(frozen=True, kw_only=True)
class RunSettings(ModelOptions):
    """Options of commands that run a study; None stands for the default of the study."""

    out: Path = option(MISSING, "Folder of the run.")
    facts: str = option(
        "factworld", "File of facts, factworld, or factworld:N for N facts of FactWorld."
    )
    quick: bool = option(False, "Fast preset that keeps every control; at most 50 facts.")
    preset: str | None = preset_option()
    check: bool = option(True, "Check a sample of the facts first.", "--check/--no-check")
    options: tuple[str, ...] = option(
        (), "An option of the study; may be repeated.", "--option", metavar="NAME=VALUE"
    )
    seed: int = seed_option()
    engine: str = option("inline", "inline: this process; ray: several processes or machines.")
    workers: int | None = option(None, "Ray processes. [2]", min=1)
    address: str | None = option(None, "Address of a Ray cluster.")
    gpus: float = option(0.0, "GPUs per Ray process.", min=0)
    retry: bool = option(True, "Retry facts that failed before.", "--retry/--no-retry")
    stop: bool = option(False, "Stop at the first fact that fails.")
    as_json: bool = json_option()
    quiet: bool = quiet_option(_QUIET)
    progress: bool = False

    def of_run(self, study: str, more: Sequence[str] = ()) -> dict[str, Any]:
        """Return the arguments of :func:`neurotopo.studies.run`, with the options of a study.

        ``more`` are options of the study beside ``--option``, as NAME=VALUE.
        """
        from neurotopo.commands.common import check_device, check_writable

        chosen = options_of(study_named(study).Options, [*self.options, *more])
        names = (
            {each.name for each in fields(RunSettings)} - _LOADING - {"options", "quiet", "as_json"}
        )
        given = self.pick(*names, "model")
        given["preset"] = chosen.pop("preset", given["preset"])
        check_writable(self.out)
        if self.engine == "inline":
            check_device(self.device)
        tell = _silent if self.quiet or self.as_json else typer.echo
        return {**given, **self.loading(), "tell": tell, **chosen}


@dataclass(frozen=True, kw_only=True)
class RunOptions(RunSettings):
    """Options of ``neurotopo run``."""

    study: str = argument("Name of the study.", autocompletion=studies_from)
    model: str = option(MISSING, MODEL_HELP)


class StudyCommand(TyperCommand):
    """The command ``run``, whose options depend on the study that is named."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with those of the study."""
        return [*super().get_params(ctx), *_study_parameters(tuple(ctx.obj or ()))]

    def invoke(self, ctx: Any) -> Any:
        """Call the function; the options of the study are in ``context.meta``."""
        names = [each.name for each in _study_parameters(tuple(ctx.obj or ()))]
        ctx.meta[_META] = {name: ctx.params.pop(name) for name in names}
        return super().invoke(ctx)


@cache
def _study_parameters(words: tuple[str, ...]) -> list[Any]:
    """Return a parameter of typer for each option of the study among the words."""
    named = next((word for word in _positional(words) if word in (*SUBJECTS, *registered())), None)
    if named is None:
        return []
    own = {each.name for each in fields(RunOptions)}
    app = typer.Typer(add_completion=False)
    declared = [
        Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    f"--{each.name.replace('_', '-')}",
                    help=f"{each.text} \\[{_shown(each.default)}]",
                    metavar=_METAVARS[each.kind],
                    rich_help_panel=f"Options of {named}",
                ),
            ],
        )
        for each in option_help(study_named(named).Options)
        if each.name not in own
    ]

    def options(**given: str | None) -> None:
        """Only declares parameters."""

    options.__signature__ = Signature(declared)  # type: ignore[attr-defined]
    app.command()(options)
    parameters: list[Any] = typer.main.get_command(app).params
    return parameters


def _positional(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that are no options and no values of options."""
    for before, word in zip(("", *words), words, strict=False):
        takes_value = before.startswith("-") and "=" not in before and before not in _FLAGS
        if not word.startswith("-") and not takes_value:
            yield word


def _shown(default: Any) -> str:
    """Return a default value as the command line reads it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, list | tuple):
        return ",".join(map(str, default)) or "none"
    return "by the study" if default is None else str(default)


@dataclass(frozen=True)
class ReportOptions(CommandOptions):
    """Options of ``neurotopo report``."""

    folder: Path = argument("Folder of a run.")
    as_json: bool = json_option()
    quiet: bool = quiet_option(_QUIET)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    command(app, RunOptions, _RUN, "run", StudyCommand)(_run)
    command(app, ReportOptions, _REPORT, "report")(_report)


def _run(context: typer.Context, options: RunOptions) -> None:
    """Run a study."""
    from neurotopo.studies.run import run

    flags = context.meta[_META]
    words = [f"{name}={value}" for name, value in flags.items() if value is not None]
    given = options.of_run(options.study, words)
    command = ["neurotopo", *without_tokens(context.obj or [])]
    result = run(options.study, command=command, **given)
    finish(result, options)


def finish(result: Result, options: RunSettings) -> None:
    """Print a result; raise an error if the run was interrupted or has no results."""
    _show(result, options)
    if result.outcome.interrupted:
        raise KeyboardInterrupt
    if not result.outcome.n_done:
        key, reason = next(iter(result.outcome.failures.items()))
        raise ValueError(f"no fact could be worked on; the first, {key!r}: {reason}")


def _report(context: typer.Context, options: ReportOptions) -> None:
    """Write the report of a run again."""
    from neurotopo.studies.run import report

    _show(report(options.folder), options)


def _show(result: Result, options: RunSettings | ReportOptions) -> None:
    quiet = options.quiet
    if options.as_json:
        print_json(_report_of(result))
        return
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


def _report_of(result: Result) -> dict[str, Any]:
    """Return what is printed as JSON."""
    done = result.outcome
    return {
        "study": done.study,
        "facts": {"asked": done.n_facts, "done": done.n_done, "failed": done.n_failed},
        "unit": done.unit,
        "interrupted": done.interrupted,
        "failures": done.failures,
        "findings": result.findings,
        "claims": result.claims,
        "tables": {name: table.to_dict("records") for name, table in result.tables.items()},
        "files": [str(file) for file in result.files],
    }


def _silent(message: str) -> None:
    """Print nothing."""


def options_of(kind: Any, given: Sequence[str]) -> dict[str, Any]:
    """Read the options of a study from a command line.

    Parameters
    ----------
    kind : type
        The dataclass of the options; its fields give the types of the values.
    given : sequence of str
        ``"NAME=VALUE"``; commas separate several values.

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
    """Read a value of the type that the dataclass of the options gives."""
    read, wanted = _KINDS[kind]
    try:
        return read(value)
    except (ValueError, KeyError):
        raise ValueError(f"the value of --option {text!r} must be {wanted}.") from None


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


_METAVARS = {
    "bool": "YES|NO",
    "int": "INTEGER",
    "float": "NUMBER",
    "str": "WORD",
    "Any": "WORD",
    "Sequence[str]": "WORD,...",
    "Sequence[float]": "NUMBER,...",
}
_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "bool": (
        lambda value: {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[value.lower()],
        "yes or no",
    ),
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a word"),
    "Any": (str, "a word"),
    "Sequence[str]": (_parts, "words with commas between them"),
    "Sequence[float]": (
        lambda value: [float(part) for part in _parts(value)],
        "numbers with commas between them",
    ),
}
