"""Loading a model, and the facts that it knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from neurotopo.app.cache import Cache, Tell
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.truth import Truth
from neurotopo.models.builtin_models import PREFIX

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["load", "model_of"]

DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
_MOST_FACTS, _MOST_FOILS, _MOST_WORDINGS = 60, 6, 6


def load(cache: Cache, tell: Tell, *, model: str, dtype: str) -> dict[str, Any]:
    """Load a model and list facts that it knows."""
    loaded = model_of(cache, tell, model, dtype)
    tell("looking for facts that it knows")
    about = {
        "model": model,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "name": type(loaded.hf_model).__name__,
        "n_layers": loaded.n_layers,
        "n_neurons": loaded.n_neurons,
        "causal": loaded.is_causal,
    }
    known = cache.get("known", (model, dtype), lambda: _known(cache, loaded, model))
    return {**about, "facts": known}


def model_of(cache: Cache, tell: Tell, name: str, dtype: str) -> NeuronModel:
    """Return a model, loaded if it is not in memory."""
    from neurotopo import load_model
    from neurotopo.models.quiet import quiet_transformers

    name = name.strip()
    if not name:
        raise ValueError("give a model: testbed:NAME, a folder, a GGUF file or a name on the hub.")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")

    def loaded() -> NeuronModel:
        tell(f"loading {name}")
        try:
            with quiet_transformers(False):
                return load_model(name, dtype=dtype, device=cache.settings.get("device"))
        except OSError as error:
            if "hub could not provide" not in str(error):
                raise
            raise OSError(
                f"there is no folder {name!r}, and no model of this name in the cache of the "
                "Hugging Face hub. The app downloads nothing: run hf download with the name first."
            ) from error

    return cache.get("model", (name, dtype), loaded)


def _known(cache: Cache, model: NeuronModel, name: str) -> list[dict[str, Any]]:
    """Return facts for the page, each with wrong answers and other wordings."""
    file = cache.settings.get("facts")
    if file is not None:
        from neurotopo.studies.facts import wordings_for

        wordings = wordings_for(file, name)
        truth = Truth(facts[0] for facts in wordings)
        wordings = wordings[:_MOST_FACTS]
    elif name.startswith(PREFIX):
        wordings, truth = _of_world(name)
    else:
        wordings = everyday_facts()
        truth = Truth(facts[0] for facts in wordings)
        wordings = _exact(model, wordings, truth)
    return [_shown(facts, truth) for facts in wordings]


def everyday_facts() -> list[tuple[Fact, ...]]:
    """Return facts of geography in several wordings.

    Examples
    --------
    >>> from neurotopo.app.facts import everyday_facts
    >>> facts = everyday_facts()
    >>> facts[0][0].prompt, facts[0][0].answers, len(facts[0])
    ('The capital of France is', ('Paris',), 3)
    """
    asset = resources.files("neurotopo.app") / "assets" / "everyday.json"
    facts = []
    for relation, content in json.loads(asset.read_text(encoding="utf-8")).items():
        for subject, answer in content["answers"].items():
            prompts = [text.replace("[Y]", subject) for text in content["wordings"]]
            wordings = (Fact(text, answer, relation, subject=subject) for text in prompts)
            facts.append(tuple(wordings))
    return facts


def _exact(
    model: NeuronModel, wordings: list[tuple[Fact, ...]], truth: Truth
) -> list[tuple[Fact, ...]]:
    """Return the facts whose first wording the model completes exactly."""
    from neurotopo.knowledge.asking import ask

    replies = ask(model, [facts[0] for facts in wordings], lambda fact: ())
    return [facts for facts, reply in zip(wordings, replies, strict=True) if reply.exact]


def _of_world(name: str) -> tuple[list[tuple[Fact, ...]], Truth]:
    """Return facts that a built-in model was trained on."""
    from neurotopo.studies.facts import facts_for
    from neurotopo.testbed.world import core_id, make_world

    facts = facts_for("factworld", name)
    truth = Truth(facts)
    chosen = facts_for("factworld", name, most=_MOST_FACTS)
    world = make_world()
    others: dict[str, list[Fact]] = {}
    for relation in sorted({fact.relation or "" for fact in chosen}):
        for wording in range(1, min(world.n_wordings(relation), _MOST_WORDINGS)):
            for fact in world.facts("en", relation, wording=wording):
                others.setdefault(core_id(fact), []).append(fact)
    return [(fact, *others.get(core_id(fact), ())) for fact in chosen], truth


def _shown(wordings: Sequence[Fact], truth: Truth) -> dict[str, Any]:
    first = replace(wordings[0], id=None)
    return {
        **first.to_dict(),
        "foils": list(foils_of(truth, first, _MOST_FOILS)),
        "wordings": [other.prompt for other in wordings[1:_MOST_WORDINGS]],
    }
