"""The work of the critique study: groups of pairs, and edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.facts import Fact
from neurotopo.studies.critique.cases import EditCase, edit_cases, truth_of
from neurotopo.studies.critique.edit_work import EditWork
from neurotopo.studies.critique.options import CritiqueOptions
from neurotopo.studies.critique.pair_work import PairWork
from neurotopo.studies.critique.pairs import Group, count_words, fact_groups, grammar_groups
from neurotopo.studies.models import model_for
from neurotopo.studies.search import NeuronFinder

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["CritiqueWork", "items_of", "prepare"]


def items_of(facts: Sequence[Fact], options: CritiqueOptions, seed: int) -> list[Group | EditCase]:
    """Return all that is worked on: paradigms of grammar, relations of facts, edits.

    Parameters
    ----------
    facts : sequence of Fact
        The facts.
    options : CritiqueOptions
        What is done.
    seed : int
        Seed of all that is drawn.

    Returns
    -------
    list of Group and EditCase
    """
    truth = truth_of(facts)
    groups = grammar_groups(options, seed) + fact_groups(facts, truth, options, seed)
    if options.corpus is not None:
        groups = count_words(groups, options.corpus)
    return [*groups, *edit_cases(facts, truth, options, seed)]


def prepare(model: Any, given: Mapping[str, Any]) -> CritiqueWork:
    """Load the model and return the work."""
    return CritiqueWork(model_for(model, given), CritiqueOptions.of(given), given["seed"])


class CritiqueWork:
    """Work on a group of pairs, or on an edit.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : CritiqueOptions
        What is done.
    seed : int
        Seed of everything that is random; every pair and edit has one of its own made from it.
    """

    def __init__(self, model: NeuronModel, options: CritiqueOptions, seed: int) -> None:
        self.model = model
        searcher = NeuronFinder(model, options)
        self._pairs = PairWork(model, options, searcher, seed)
        self._edits = EditWork(model, options, searcher, seed)

    def __call__(self, item: Group | EditCase) -> dict[str, Any]:
        """Return the results about an item."""
        return self._edits(item) if isinstance(item, EditCase) else self._pairs(item)
