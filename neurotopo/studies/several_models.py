"""Studies that put the same facts to several models, one of which is loaded at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from neurotopo.neurons import NeuronSet
from neurotopo.studies.methods import shuffled
from neurotopo.studies.rows import Row
from neurotopo.studies.search import FactNeurons, NeuronFinder, SearchOptions

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "UNIT",
    "ModelFact",
    "SeveralModelsWork",
    "Shuffles",
    "items_of",
    "n_parameters",
    "names_of",
    "origin",
]

UNIT = "question"

Options = TypeVar("Options", bound=SearchOptions)


def names_of(models: Sequence[Any]) -> list[str]:
    """Return a short name for each model, all of them different.

    Examples
    --------
    >>> from neurotopo.studies.several_models import names_of
    >>> names_of(["testbed:ladder-1", "ladder/snapshots/step-000100", "org/gpt2", "gpt2"])
    ['ladder-1', 'step-000100', 'gpt2', 'gpt2 (2)']
    """
    names: list[str] = []
    for model in models:
        short = _short(model)
        alike = sum(name == short or name.startswith(f"{short} (") for name in names)
        names.append(f"{short} ({alike + 1})" if alike else short)
    return names


def _short(model: Any) -> str:
    config = getattr(getattr(model, "hf_model", model), "config", None)
    name = str(model if isinstance(model, str) else getattr(config, "name_or_path", "") or "model")
    return (Path(name).name or name).rpartition(":")[2]


@dataclass(frozen=True)
class ModelFact:
    """A fact that a model is asked for.

    Attributes
    ----------
    model : str
        Name of the model, one of :func:`names_of`.
    place : int
        Its place among the models.
    fact : Fact
        The fact.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.several_models import ModelFact
    >>> ModelFact("gpt2", 0, Fact("The capital of Peru is", "Lima", id="peru")).key
    'gpt2|peru'
    """

    model: str
    place: int
    fact: Fact

    @property
    def key(self) -> str:
        """Name of both."""
        return f"{self.model}|{self.fact.key}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, as JSON can hold it."""
        return {
            "model": self.model,
            "place": self.place,
            "key": self.fact.key,
            "fact": self.fact.to_dict(),
        }


def items_of(facts: Sequence[Fact], models: Sequence[Any]) -> list[ModelFact]:
    """Return every fact with every model, model by model.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.several_models import items_of
    >>> facts = [Fact("The capital of Peru is", "Lima", id="peru")]
    >>> [item.key for item in items_of(facts, ["testbed:ladder-1", "testbed:ladder-2"])]
    ['ladder-1|peru', 'ladder-2|peru']
    """
    return [
        ModelFact(name, place, fact)
        for place, name in enumerate(names_of(models))
        for fact in facts
    ]


def origin(row: Row) -> dict[str, Any]:
    """Return the cells that say which model and fact a stored row is of, and why it failed."""
    return {
        "model": row.content["model"],
        "place": int(row.content["place"]),
        "fact": row.content["key"],
        "error": row.error,
    }


@dataclass(frozen=True, eq=False)
class Shuffles:
    """The groups of a fact with its neurons shuffled, several times, judged as the groups were.

    Attributes
    ----------
    groups : list of list of NeuronSet
        The potential components of each shuffle, each as large as that in its place.
    judged : list of DKN
        What the filter made of each.
    """

    groups: list[list[NeuronSet]]
    judged: list[DKN]

    @classmethod
    def of(cls, searcher: NeuronFinder, found: FactNeurons, n: int, seed: int) -> Shuffles:
        """Shuffle what was found about a fact and judge it.

        Parameters
        ----------
        searcher : NeuronFinder
            Whose filter judges.
        found : FactNeurons
            What it found.
        n : int
            How many shuffles.
        seed : int
            Seed of this fact.
        """
        rng = np.random.default_rng([seed, *b"shuffled"])
        groups = [shuffled(found.dkn.potential, found.neurons, rng) for _ in range(n)]
        judged = searcher.finder.evaluate_many(
            searcher.model, found.fact, groups, neurons=found.neurons
        )
        return cls(groups, judged)


class SeveralModelsWork(Generic[Options]):
    """Work on facts with several models, of which the one used last is kept.

    Parameters
    ----------
    models : sequence of str, path-like or NeuronModel
        The models, or where to load them from.
    options : SearchOptions
        How neurons are found.
    given : mapping
        All that the study was given: the seed, and how models are loaded.
    """

    def __init__(self, models: Sequence[Any], options: Options, given: Mapping[str, Any]) -> None:
        self.models = list(models)
        self.options = options
        self.seed = int(given["seed"])
        self._given = dict(given)
        self._kept: tuple[int, NeuronFinder] | None = None

    def searcher(self, place: int) -> NeuronFinder:
        """Return what searches the model in a place, loaded if another one was used last."""
        if self._kept is None or self._kept[0] != place:
            from neurotopo.studies.models import model_for

            self._kept = None  # two models at a time may not fit
            self._kept = (
                place,
                NeuronFinder(model_for(self.models[place], self._given), self.options),
            )
        return self._kept[1]

    def asked(self, item: ModelFact) -> dict[str, Any]:
        """Return whether and how surely a model knows a fact, and what shape it has."""
        from neurotopo.models.recall import recalled

        searcher = self.searcher(item.place)
        model = searcher.model
        return {
            "known": bool(recalled(model, [item.fact], ends=False)[0]),
            "probability": float(
                model.answer_probability(item.fact, reduce=searcher.finder.reduce)
            ),
            "shape": [model.n_layers, model.n_neurons],
        }

    def identity(self) -> dict[str, Any]:
        """Return what tells each model from others, by its name, in their order."""
        from neurotopo.studies.models import identity_of_model

        return {
            name: identity_of_model(self.searcher(place).model)
            for place, name in enumerate(names_of(self.models))
        }


def n_parameters(model: NeuronModel) -> int:
    """Return the number of weights of a model; shared ones count once."""
    return sum(weight.numel() for weight in model.hf_model.parameters())
