"""Studies that ask several models for the same facts; one model is loaded at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.groupings import shuffled
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, SearchOptions
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Study, identity_of_model, model_for

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.studies.engines import Item

__all__ = [
    "UNIT",
    "Frames",
    "ModelFact",
    "SeveralModelsStudy",
    "ShuffleOptions",
    "Shuffles",
    "items_of",
    "n_parameters",
    "names_of",
    "origin",
]

UNIT = "question"


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
    """A fact and a model that is asked for it.

    Attributes
    ----------
    model : str
        Name of the model, one of :func:`names_of`.
    place : int
        Index of the model.
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
        """Name of the model and key of the fact."""
        return f"{self.model}|{self.fact.key}"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields in types that JSON can hold."""
        fact = self.fact
        return {"model": self.model, "place": self.place, "key": fact.key, "fact": fact.to_dict()}


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
    """Return the cells that name the model, the fact and the error of a stored row."""
    return {
        "model": row.content["model"],
        "place": int(row.content["place"]),
        "fact": row.content["key"],
        "error": row.error,
    }


@dataclass(frozen=True, eq=False)
class Frames:
    """Base of the results of a run as frames; ``rows`` has a row per model and fact."""

    rows: pd.DataFrame

    @property
    def done(self) -> pd.DataFrame:
        """The rows that did not fail."""
        return self.rows[self.rows["error"].isna()]


@dataclass(frozen=True)
class ShuffleOptions(SearchOptions):
    """Base of the options of studies that compare groups with shuffled ones.

    Parameters
    ----------
    n_shuffles : int, default=3
        Number of times the neurons of a fact are shuffled among its groups, as the control.
    """

    n_shuffles: int = 3

    QUICK = {"quadrature": "gauss-legendre", "steps": 8, "n_shuffles": 1}

    def __post_init__(self) -> None:
        self.check_whole(n_shuffles=1)
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class Shuffles:
    """The groups of a fact with its neurons shuffled several times, and the filter's results."""

    groups: list[list[NeuronSet]]  # of each shuffle, in the sizes of the original groups
    judged: list[DKN]

    @classmethod
    def of(cls, finder: NeuronFinder, result: FactNeurons, n: int, seed: int) -> Shuffles:
        """Shuffle the neurons of a fact ``n`` times and judge the groups."""
        rng = np.random.default_rng([seed, *b"shuffled"])
        groups = [shuffled(result.dkn.potential, result.neurons, rng) for _ in range(n)]
        judged = finder.finder.evaluate_many(
            finder.model, result.fact, groups, neurons=result.neurons
        )
        return cls(groups, judged)


class SeveralModelsStudy(Study):
    """Base of the studies that ask several models for the same facts.

    One model is loaded at a time: the one used last is kept.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.neurons import SearchOptions
    >>> from neurotopo.studies.several_models import SeveralModelsStudy
    >>> study = SeveralModelsStudy([random_model(seed=0), random_model(seed=1)], SearchOptions())
    >>> study.finder(1).model is study.models[1]
    True
    """

    unit = UNIT
    several = True

    def setup(self) -> None:
        """List the models; none is loaded yet."""
        self.models = self.models_of(self.model)
        self._kept: tuple[int, NeuronFinder] | None = None

    @staticmethod
    def models_of(models: Sequence[Any]) -> list[Any]:
        """Return the models, or the names to load them by, in their order."""
        return list(models)

    def items(self, facts: Sequence[Fact], options: Any, seed: int, model: Any) -> Sequence[Item]:
        """Return every fact with every model."""
        return items_of(facts, self.models_of(model))

    def finder(self, place: int) -> NeuronFinder:
        """Return the finder for the model in a place; loads the model unless it was used last."""
        if self._kept is None or self._kept[0] != place:
            self._kept = None  # two models at a time may not fit
            model = model_for(self.models[place], self.given)
            self._kept = place, NeuronFinder(model, self.options)
        return self._kept[1]

    def asked(self, item: ModelFact) -> dict[str, Any]:
        """Return whether a model knows a fact, the answer's probability, and the model's shape."""
        finder = self.finder(item.place)
        model = finder.model
        return {
            "known": bool(recalled(model, [item.fact], ends=False)[0]),
            "probability": float(model.answer_probability(item.fact, reduce=finder.finder.reduce)),
            "shape": [model.n_layers, model.n_neurons],
        }

    def rows(self, frames: Any) -> Any:
        """Return the row per model and fact."""
        return frames.rows

    def identity(self) -> dict[str, Any]:
        """Return the identity of each model by its name, in their order."""
        return {
            name: identity_of_model(self.finder(place).model)
            for place, name in enumerate(names_of(self.models))
        }


def n_parameters(model: NeuronModel) -> int:
    """Return the number of weights of a model; shared ones count once."""
    return sum(weight.numel() for weight in model.hf_model.parameters())
