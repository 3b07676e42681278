"""``neurotopo check``: what a study will find on a model and facts, before the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurotopo.commands.common import check_device, examples, print_json
from neurotopo.commands.options import (
    ModelOptions,
    command,
    json_option,
    option,
    preset_option,
    quiet_option,
    seed_option,
)
from neurotopo.commands.study import options_of, studies_from
from neurotopo.studies.study import SUBJECTS

if TYPE_CHECKING:
    from neurotopo.studies.preflight import Preflight

__all__ = ["CheckOptions", "register"]

_CHECK = (
    "Check what a study will find on a model and facts, and how long it takes.\n\n"
    "Tokens of prompts and answers, the facts that the model knows, neurons and potential "
    "components of some known facts, time and memory. Prints what is wrong, and the smallest "
    "change of the threshold that helps. Exit status 1 if nothing can be found.\n\n"
    "neurotopo run does a shorter check by itself; --no-check skips it."
) + examples(
    "neurotopo check gpt2 --facts facts.jsonl",
    "neurotopo check testbed:planted --facts factworld:50 --preset paper",
)


@dataclass(frozen=True, kw_only=True)
class CheckOptions(ModelOptions):
    """Options of ``neurotopo check``."""

    facts: str = option(
        "factworld", "File of facts, factworld, or factworld:N for N facts of FactWorld."
    )
    study: str = option(
        "acquisition", f"The study: {', '.join(SUBJECTS)}.", autocompletion=studies_from
    )
    quick: bool = option(False, "The quick options of the study; at most 50 facts.")
    preset: str | None = preset_option()
    options: tuple[str, ...] = option(
        (), "An option of the study; may be repeated.", "--option", metavar="NAME=VALUE"
    )
    sample: int = option(12, "Facts whose neurons are found.", min=1)
    timed: int = option(3, "Facts that the study measures, for the time; 0: none.", min=0)
    seed: int = seed_option()
    as_json: bool = json_option()
    quiet: bool = quiet_option("Print only what is wrong.")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, CheckOptions, _CHECK, "check")(_check)


def _check(context: typer.Context, options: CheckOptions) -> int:
    """Check a model and facts; return the exit status."""
    from neurotopo.studies.check import preflight
    from neurotopo.studies.study import study_named

    chosen = options_of(study_named(options.study).Options, options.options)
    check_device(options.device)
    given = options.pick("facts", "study", "sample", "timed", "quick", "preset", "seed")
    given["preset"] = chosen.pop("preset", given["preset"])
    found = preflight(options.model, **given, **options.loading(), **chosen)
    if options.as_json:
        print_json(found.to_dict())
        return 0 if found.ok else 1
    if not options.quiet:
        Console().print(_table(found))
    for finding in found.findings:
        typer.echo(f"- {finding}")
    if not options.quiet and not found.findings:
        typer.echo("Nothing is wrong.")
    return 0 if found.ok else 1


def _table(found: Preflight) -> Table:
    table = Table()
    table.add_column("check")
    table.add_column("result", justify="right")
    table.add_column("basis", overflow="fold")
    for row in found.table().itertuples(index=False):
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
