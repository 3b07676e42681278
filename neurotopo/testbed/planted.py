"""Models with planted degeneracy: any one of several groups of neurons is enough for a fact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurotopo.knowledge.facts import FactSet
from neurotopo.testbed.corpus import Lessons, sentences_of, world_lessons
from neurotopo.testbed.planting import HEADING, Planting
from neurotopo.testbed.recipe import Recipe
from neurotopo.testbed.train import Trained, train_model

if TYPE_CHECKING:
    from neurotopo.testbed.world import World

__all__ = ["PLANTED_RECIPES", "PLANTINGS", "Planting", "build_planted", "planted_lessons"]

_EVERY = 2  # step through the core facts with one answer


def planted_lessons(world: World, recipe: Recipe) -> Lessons:
    """Return the lessons of the models with groups: half of the core facts with one answer."""
    from neurotopo.testbed.world import core_id

    core = world_lessons(world, recipe)
    single = [fact for fact in core.facts if len(fact.answers) == 1][::_EVERY]
    wanted = {(fact.language, core_id(fact)) for fact in single}
    trained, held_out = (
        tuple(fact for fact in part if (fact.language, core_id(fact)) in wanted)
        for part in (core.trained, core.held_out)
    )
    read = [sentence for fact in held_out for sentence in sentences_of(fact)]
    return replace(
        core, facts=FactSet(single), trained=trained, held_out=held_out, texts=tuple(read)
    )


def build_planted(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    lessons: Lessons | None = None,
    progress: bool = False,
    overwrite: bool = False,
    snapshots: int = 0,
) -> Trained:
    """Train a model with groups.

    Parameters
    ----------
    name : {"planted", "functional"}
        Structural and functional degeneracy, or functional degeneracy alone.
    out : path-like
        The output folder.
    seed : int, default=0
        Seed of the training.
    recipe : Recipe, optional
        Default: that of the name.
    lessons : Lessons, optional
        Default: those of :func:`planted_lessons`.
    progress, overwrite, snapshots
        As in :func:`~neurotopo.testbed.train.train_model`.

    Returns
    -------
    Trained
    """
    if name not in PLANTINGS:
        raise ValueError(f"name must be one of {', '.join(PLANTINGS)}, got {name!r}.")
    recipe = PLANTED_RECIPES[name] if recipe is None else recipe
    if lessons is None:
        from neurotopo.testbed.world import make_world

        lessons = planted_lessons(make_world(), recipe)
    planting = PLANTINGS[name]
    done = train_model(
        recipe,
        lessons,
        out,
        seed=seed,
        objective=planting,
        finish=planting.write,
        progress=progress,
        overwrite=overwrite,
        snapshots=snapshots,
    )
    card = done.folder / "README.md"
    if HEADING not in (text := card.read_text(encoding="utf-8")):
        card.write_text(f"{text}\n{planting.card()}", encoding="utf-8")
    return done


PLANTINGS = {"planted": Planting(), "functional": Planting(separation=0.0, balance=10.0)}
"""The training of models with groups, by name."""

_RECIPE = Recipe(
    "planted",
    n_layers=3,
    d_model=120,
    n_inner=240,
    vocab_size=1536,
    languages=("en",),
    epochs=140,
    noise_share=0.0,
    prompt_loss=0.1,
    dropout=0.0,
)

PLANTED_RECIPES = {name: _RECIPE.changed(name=name) for name in PLANTINGS}
"""The recipes of models with groups, by name."""
