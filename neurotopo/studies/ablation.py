"""Suppression of neurons by zeros, or by their mean values over other facts of the relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.thresholds import check_choices
from neurotopo.models.edits import Edit
from neurotopo.neurons import NeuronSet
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.study import digest_of

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.redundancy import Ablation

__all__ = ["MEAN", "AblationOptions", "MeanValues", "RelatedFact", "related", "suppressing"]

MEAN = "mean"
_MOST = 51  # facts of a relation of which means are taken: 50, and the fact itself


@dataclass(frozen=True)
class AblationOptions(SearchOptions):
    """Options of the search for neurons, and of their suppression.

    Parameters
    ----------
    ablation : {"zero", "mean"}, default="zero"
        Values of suppressed neurons: 0 at all tokens, or the mean over other facts of the relation
        at the tokens that predict the answer (:class:`~neurotopo.redundancy.RelationValues`). The
        search for degenerate neurons always uses 0.

    Examples
    --------
    >>> from neurotopo.studies.ablation import AblationOptions
    >>> AblationOptions(ablation="median")
    Traceback (most recent call last):
        ...
    ValueError: ablation must be one of zero, mean, got 'median'.
    """

    ablation: str = "zero"

    def __post_init__(self) -> None:
        check_choices(self, ablation=("zero", MEAN))
        super().__post_init__()


@dataclass(frozen=True)
class RelatedFact:
    """A fact with facts of its relation, over which means are taken.

    Attributes
    ----------
    fact : Fact
        The fact.
    facts : tuple of Fact
        Facts of its relation and language, perhaps with the fact itself.
    """

    fact: Fact
    facts: tuple[Fact, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """The key of the fact."""
        return self.fact.key

    @property
    def has_others(self) -> bool:
        """Whether a fact of the relation has another prompt."""
        return any(other.prompt != self.fact.prompt for other in self.facts)

    @cached_property
    def digest(self) -> str:
        """Hash of the facts of the relation."""
        return digest_of([other.to_dict() for other in self.facts])

    def to_dict(self) -> dict[str, Any]:
        """Return the fact, with a hash of those of its relation, in types that JSON can hold."""
        return {**self.fact.to_dict(), "related": self.digest}


def related(facts: Sequence[Fact], seed: int = 0) -> list[RelatedFact]:
    """Return each fact with at most 51 facts of its relation and language, drawn by the seed.

    A fact without a relation has none.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.ablation import related
    >>> facts = [Fact(f"The capital of {x} is _X_", "?", "P36") for x in ("Peru", "Chad", "Fiji")]
    >>> [len(each.facts) for each in related([*facts, Fact("_X_ is blue", "The sky")])]
    [3, 3, 3, 0]
    """
    relations: dict[Any, list[Fact]] = {}
    for fact in facts:
        relations.setdefault((fact.relation, fact.language), []).append(fact)
    drawn: dict[Any, tuple[Fact, ...]] = {}
    for (relation, language), own in relations.items():
        order = seeded(seed, "related", f"{relation} {language}").permutation(len(own))
        kept = sorted(order[:_MOST].tolist()) if relation is not None else []
        drawn[relation, language] = tuple(own[i] for i in kept)
    return [RelatedFact(fact, drawn[fact.relation, fact.language]) for fact in facts]


class MeanValues:
    """Mean values of all neurons over the facts of a relation with other prompts.

    Parameters
    ----------
    model : NeuronModel
    facts : sequence of Fact
        Facts of one relation. Those that the model cannot encode do not count.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.ablation import MeanValues
    >>> facts = [Fact(f"The capital of {x} is _X_", "Paris", "P36") for x in ("Peru", "Chad")]
    >>> values = MeanValues(random_model(), facts)
    >>> values.of(facts[0]).values.shape, MeanValues(random_model(), facts[:1]).of(facts[0])
    ((3, 24), None)
    """

    def __init__(self, model: NeuronModel, facts: Sequence[Fact]) -> None:
        from neurotopo.redundancy import RelationValues  # imports torch, which summaries need not

        # one fact for each prompt: the values do not depend on the answer
        self._facts: dict[str, Fact] = {}
        for fact in facts:
            if fact.prompt not in self._facts and _can_encode(model, fact):
                self._facts[fact.prompt] = fact
        self._values = RelationValues(model, list(self._facts.values()), most=len(self._facts))

    def of(self, fact: Fact) -> Ablation | None:
        """Return the means over the facts with other prompts; None if there is no such fact."""
        own = self._facts.get(fact.prompt, fact)
        return next((values for name, values in self._values.of(own) if name == MEAN), None)


def _can_encode(model: NeuronModel, fact: Fact) -> bool:
    try:
        model.encode(fact)
    except ValueError:
        return False
    return True


def suppressing(neurons: NeuronSet, values: Ablation | None = None) -> Edit:
    """Return the edit that suppresses neurons: by values, or by 0 at all tokens.

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.ablation import suppressing
    >>> suppressing(NeuronSet([(0, 1)]))
    Edit(neurons=NeuronSet([(0, 1)]), scale=0.0, where='values', positions='all')
    """
    return Edit(neurons) if values is None else values.edit(neurons)
