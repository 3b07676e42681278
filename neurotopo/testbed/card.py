"""The model card of a testbed model."""

from __future__ import annotations

from collections.abc import Sequence

from neurotopo.models.recall import Score
from neurotopo.testbed.corpus import Lessons
from neurotopo.testbed.recipe import Recipe

__all__ = ["model_card"]

_KINDS = {
    "gpt2": "GPT-2-shaped causal language model",
    "llama": "LLaMA-shaped causal language model with gated MLPs",
    "bert": "BERT-shaped masked language model",
}
_GREEDY = {
    True: "the model writes all tokens of a valid answer and ends the text there",
    False: "as many masks as the answer has tokens are filled from the left",
}


def model_card(recipe: Recipe, lessons: Lessons, scores: Sequence[Score], seed: int) -> str:
    """Return the card as Markdown: the recipe, the training texts, the recall and the seed."""
    parts = [_head(recipe, lessons), _table(recipe, scores), _making(recipe, lessons, seed)]
    return "\n\n".join(parts) + "\n"


def _head(recipe: Recipe, lessons: Lessons) -> str:
    n = len(lessons.facts)
    languages = ", ".join(dict.fromkeys(fact.language for fact in lessons.facts))
    invented = (
        " All people, places and companies in them are invented; the model knows nothing about "
        "the real world."
        if lessons.source == "FactWorld"
        else ""
    )
    return (
        f"---\nlicense: mit\nlanguage: [{languages}]\n---\n\n# {recipe.name}\n\n"
        f"A small {_KINDS[recipe.arch]} trained on {n:,} facts from {lessons.source}, to study "
        f"where a language model stores them.{invented} The facts are in `facts.jsonl`."
    )


def _table(recipe: Recipe, scores: Sequence[Score]) -> str:
    lines = [
        "## What it knows",
        "",
        f"Greedy exact match: {_GREEDY[recipe.is_causal]}. Measured on the weights in this folder.",
        "",
        "| language | wordings | prompts | exact match |",
        "|---|---|---:|---:|",
    ]
    lines += [f"| {s.language} | {s.wordings} | {s.n:,} | {100 * s.exact:.2f} % |" for s in scores]
    if all(score.wordings == "trained" for score in scores):
        lines += ["", "No wordings were held out."]
    return "\n".join(lines)


def _making(recipe: Recipe, lessons: Lessons, seed: int) -> str:
    shown = {
        "layers": recipe.n_layers,
        "width": recipe.d_model,
        "neurons a layer": recipe.n_inner,
        "attention heads": recipe.n_heads,
        "vocabulary": f"byte-level BPE of at most {recipe.vocab_size:,}",
        "sequences": f"{len(lessons.trained) + len(lessons.others):,}, each read "
        f"{recipe.epochs} times",
        "optimizer": f"AdamW, learning rate {recipe.learning_rate:g}, cosine, batches of "
        f"{recipe.batch_size}, weight decay {recipe.weight_decay:g}, dropout {recipe.dropout:g}",
        "noise": f"in {100 * recipe.noise_share:.0f} % of the sequences every token of the prompt "
        f"is deleted or replaced with probability {recipe.noise_rate:g}",
        "seed": seed,
    }
    lines = ["## How it was made", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in shown.items()]
    lines += ["", "The weights are stored in half precision and computed with in single."]
    if lessons.source == "FactWorld":
        lines += ["", f"    neurotopo testbed build {recipe.name} --seed {seed}"]
    return "\n".join(lines)
