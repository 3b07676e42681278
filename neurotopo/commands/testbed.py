"""``neurotopo testbed``: train the small models whose facts are known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from neurotopo.commands.common import check_writable, command_group, examples, print_json
from neurotopo.commands.options import (
    CommandOptions,
    argument,
    command,
    json_option,
    option,
    quiet_option,
    seed_option,
)

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import FactSet
    from neurotopo.testbed.corpus import Lessons
    from neurotopo.testbed.recipe import Recipe
    from neurotopo.testbed.train import Trained

__all__ = ["BuildOptions", "build_model", "testbed"]

_TESTBED = (
    "Small language models that know invented facts, to study how models store facts."
) + examples("neurotopo testbed build gpt2 --out my_gpt2")
_BUILD = (
    "Train a small model from scratch, in minutes.\n\n"
    "NAME is a recipe: gpt2, llama or bert, the recipes of testbed:gpt2 and so on; planted or "
    "functional, in which any one of several groups of neurons suffices for a fact; or ladder-1 "
    "to ladder-4, four sizes of one recipe. The model learns the facts of FactWorld or, with "
    "--facts, of a file: TempLAMA, or one JSON object with prompt and answers per line.\n\n"
    "Writes model.safetensors, tokenizer, facts.jsonl, recipe.json and README.md (the model card "
    "with its scores) to a folder, which every command takes as MODEL. Run the same command "
    "again to resume."
) + examples(
    "neurotopo testbed build gpt2 --out my_gpt2",
    "neurotopo testbed build ladder-3 --arch llama --seed 1",
    "neurotopo testbed build ladder-1 --snapshots 6 --out ladder",
    "neurotopo testbed build --facts templama_2018.jsonl --out templama_gpt2",
)

FILE_EPOCHS = 5

testbed = command_group(_TESTBED)


@dataclass(frozen=True)
class BuildOptions(CommandOptions):
    """Options of ``neurotopo testbed build``; None stands for the default of the recipe."""

    name: str | None = argument("The recipe. [that of --arch, or gpt2]", None)
    arch: str | None = option(None, "gpt2, llama or bert instead of that of the recipe.")
    seed: int = seed_option("Seed of weights, order and noise.")
    facts: Path | None = option(None, "File of facts to learn.")
    out: Path | None = option(None, "Folder to write to. [testbed_NAME]")
    epochs: int | None = option(
        None, "Passes over the sentences. [of the recipe; five times that for a file]", min=1
    )
    overwrite: bool = option(False, "Replace another model in the folder.")
    snapshots: int = option(
        0, "Number of models to keep during training, evenly spaced, in OUT/snapshots.", min=0
    )
    as_json: bool = json_option()
    quiet: bool = quiet_option()
    progress: bool = False


@command(testbed, BuildOptions, _BUILD)
def build(context: typer.Context, options: BuildOptions) -> None:
    """Train a model."""
    done = build_model(options)
    if options.as_json:
        print_json(
            {
                "folder": str(done.folder),
                "recipe": done.recipe.name,
                "steps": done.n_steps,
                "seconds": done.seconds,
                "scores": [asdict(score) for score in done.scores],
                "snapshots": [str(folder) for folder in done.snapshots],
            }
        )
        return
    Console().print(_table(done))
    if not options.quiet:
        took = f"{done.n_steps:,} steps"
        took += f", {done.seconds:.0f} s" if done.seconds else "; it was there already"
        typer.echo(f"{done.recipe.name}: {took}")
        if done.snapshots:
            typer.echo(f"{len(done.snapshots)} snapshots in {done.snapshots[0].parent}")
        typer.echo(f"wrote {done.folder}; use it as MODEL, its facts are in facts.jsonl")


def build_model(options: BuildOptions) -> Trained:
    """Train a model."""
    from neurotopo.models.quiet import quiet_transformers
    from neurotopo.testbed.planted import PLANTED_RECIPES, build_planted
    from neurotopo.testbed.recipe import RECIPES, recipe_for
    from neurotopo.testbed.train import train_model

    recipe = recipe_for(options.name, options.arch, {**RECIPES, **PLANTED_RECIPES})
    if options.facts is not None:  # a file has one wording of each fact, FactWorld several
        recipe = recipe.changed(epochs=FILE_EPOCHS * recipe.epochs)
    if options.epochs is not None:
        recipe = recipe.changed(epochs=options.epochs)
    lessons = _lessons(options, recipe)
    out = options.out or Path(f"testbed_{recipe.name}")
    check_writable(out)
    how = options.pick("seed", "progress", "overwrite", "snapshots")
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
    from neurotopo.datasets.files import read_bytes
    from neurotopo.knowledge.facts import numbered_lines

    _, first = next(numbered_lines(read_bytes(path)), (0, b""))
    try:
        record = json.loads(first.decode())
    except (ValueError, RecursionError):
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
