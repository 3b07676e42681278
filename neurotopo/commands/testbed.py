"""``neurotopo testbed``: train the small models whose facts are known."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from neurotopo.commands.common import examples
from neurotopo.commands.options import CommandOptions, Quiet, command

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import FactSet
    from neurotopo.testbed.corpus import Lessons
    from neurotopo.testbed.recipe import Recipe
    from neurotopo.testbed.train import Trained

__all__ = ["BuildOptions", "build_model", "testbed"]

_TESTBED = (
    "Small language models that know invented facts, to study how facts are kept."
) + examples("neurotopo testbed build gpt2 --out my_gpt2")
_BUILD = (
    "Train a small model from nothing, in minutes.\n\n"
    "NAME is a recipe: gpt2, llama or bert, as they come with neurotopo (testbed:gpt2 and so on), "
    "planted or functional, in which any one of several groups of neurons is enough for a fact, "
    "or ladder-1 to ladder-4, four sizes of one recipe. It learns the facts of FactWorld or, with "
    "--facts, those of a file: a JSON object with prompt and answers a line, or TempLAMA.\n\n"
    "Writes model.safetensors, tokenizer, facts.jsonl, recipe.json and README.md, the model card "
    "with its scores, to a folder, which every command takes as MODEL. A training that was "
    "interrupted goes on when the command is given again."
) + examples(
    "neurotopo testbed build gpt2 --out my_gpt2",
    "neurotopo testbed build ladder-3 --arch llama --seed 1",
    "neurotopo testbed build ladder-1 --snapshots 6 --out ladder",
    "neurotopo testbed build --facts templama_2018.jsonl --out templama_gpt2",
)

FILE_EPOCHS = 5

testbed = typer.Typer(help=_TESTBED)


@dataclass(frozen=True)
class BuildOptions(CommandOptions):
    """Options of ``neurotopo testbed build``; None stands for the default of the recipe."""

    name: Annotated[
        str | None, typer.Argument(help="The recipe; without it that of --arch, or gpt2.")
    ] = None
    arch: Annotated[
        str | None, typer.Option(help="gpt2, llama or bert instead of the recipe's own.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and noise.")] = 0
    facts: Annotated[Path | None, typer.Option(help="File of facts to learn.")] = None
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; testbed_NAME if not given.")
    ] = None
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often every sentence is read; the recipe knows, for a file five times that.",
        ),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another model in the folder.")
    ] = False
    snapshots: Annotated[
        int,
        typer.Option(min=0, help="Keep so many models of the way in OUT/snapshots, evenly spread."),
    ] = 0
    quiet: Quiet = False
    progress: bool = False


@testbed.callback(invoke_without_command=True)
def _entry(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@command(testbed, BuildOptions, _BUILD)
def build(context: typer.Context, options: BuildOptions) -> None:
    """Train a model."""
    done = build_model(options)
    Console().print(_table(done))
    if not options.quiet:
        took = f"{done.n_steps:,} steps"
        took += f", {done.seconds:.0f} s" if done.seconds else "; it was there already"
        typer.echo(f"{done.recipe.name}: {took}")
        if done.snapshots:
            typer.echo(f"{len(done.snapshots)} snapshots in {done.snapshots[0].parent}")
        typer.echo(f"wrote {done.folder}; use it as MODEL, its facts are in facts.jsonl")


def build_model(options: BuildOptions) -> Trained:
    """Train a model as the command line asks for it."""
    from neurotopo.commands.common import check_writable
    from neurotopo.testbed.planted import PLANTED_RECIPES, build_planted
    from neurotopo.testbed.recipe import RECIPES, recipe_for
    from neurotopo.testbed.train import train_model

    recipe = recipe_for(options.name, options.arch, {**RECIPES, **PLANTED_RECIPES})
    if options.facts is not None:  # a fact of a file is read in one wording and not in several
        recipe = recipe.changed(epochs=FILE_EPOCHS * recipe.epochs)
    if options.epochs is not None:
        recipe = recipe.changed(epochs=options.epochs)
    lessons = _lessons(options, recipe)
    out = options.out or Path(f"testbed_{recipe.name}")
    check_writable(out)
    how: dict[str, Any] = {
        "seed": options.seed,
        "progress": options.progress,
        "overwrite": options.overwrite,
        "snapshots": options.snapshots,
    }
    from neurotopo.models.quiet import quiet_transformers

    with quiet_transformers(options.progress):
        if recipe.name in PLANTED_RECIPES:
            return build_planted(recipe.name, out, recipe=recipe, lessons=lessons, **how)
        return train_model(recipe, lessons, out, **how)


def _lessons(options: BuildOptions, recipe: Recipe) -> Lessons:
    from neurotopo.testbed.corpus import fact_lessons, world_lessons
    from neurotopo.testbed.planted import PLANTED_RECIPES, planted_lessons
    from neurotopo.testbed.world import make_world

    if options.facts is not None:
        return fact_lessons(read_facts(options.facts), options.facts.name)
    if recipe.name in PLANTED_RECIPES:
        return planted_lessons(make_world(), recipe)
    return world_lessons(make_world(), recipe, agreement=True)


def read_facts(path: Path) -> FactSet:
    """Read a file of facts, or of TempLAMA's records."""
    from neurotopo.knowledge.facts import FactSet

    if _is_templama(path):
        from neurotopo.datasets import load_templama

        return load_templama(path)
    return FactSet.from_jsonl(path)


def _is_templama(path: Path) -> bool:
    """Tell by the first record: TempLAMA's has a query and no prompt."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        record = json.loads(first.decode("utf-8-sig"))
    except ValueError:
        return False
    return isinstance(record, dict) and "query" in record and "prompt" not in record


def _table(done: Trained) -> Table:
    """Return the scores as a table for the terminal."""
    table = Table()
    for name in ("language", "wordings"):
        table.add_column(name)
    for name in ("prompts", "exact match"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in done.scores:
        table.add_row(score.language, score.wordings, f"{score.n:,}", f"{100 * score.exact:.1f} %")
    return table
