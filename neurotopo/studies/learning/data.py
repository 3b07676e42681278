"""Lessons from the facts of a year, and the neurons that are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.datasets.dataset import pluralize
from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.datasets.rewording import narrative, question
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.truth import Truth
from neurotopo.neurons import NeuronSet
from neurotopo.studies.neurons import size_matched
from neurotopo.testbed.corpus import sentences_of
from neurotopo.tuning.changes import (
    OverlapCurve,
    binned,
    changed_neurons,
    overlap_curve,
    overlap_test,
)

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.testbed.world import World

__all__ = ["TEXTS", "ArmSets", "Lesson", "arm_sets", "found_sets", "lessons_for", "texts_of"]

TEXTS = ("both", "narrative", "statement")


@dataclass(frozen=True)
class Lesson:
    """A known fact and the new one that replaces it.

    Attributes
    ----------
    old : Fact
        The fact of the old year.
    new : Fact
        The fact of the new year, with an answer that was never true.
    reworded : Fact
        The new fact in other words.
    texts : tuple of str
        The texts that teach it.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.learning.data import Lesson
    >>> old = Fact("In 2018, Ada Brünn plays for _X_.", "Marly United")
    >>> new = Fact("In 2019, Ada Brünn plays for _X_.", "Peko City")
    >>> reworded = Fact("In 2019: Which team is Ada Brünn a player for?", "Peko City")
    >>> Lesson(old, new, reworded, texts=("In 2019, Ada Brünn plays for Peko City.",)).new.answers
    ('Peko City',)
    """

    old: Fact
    new: Fact
    reworded: Fact
    texts: tuple[str, ...]


def lessons_for(
    facts: Iterable[Fact],
    *,
    old_date: str | None = None,
    new_date: str | None = None,
    text: str = "both",
    seed: int = 0,
) -> tuple[list[Lesson], int]:
    """Make lessons of dated facts.

    Parameters
    ----------
    facts : iterable of Fact
        Facts with subject, relation and date, of relations of TempLAMA in English.
    old_date : str, optional
        The year of the old facts. None: the latest for every subject and relation.
    new_date : str, optional
        The year of the new ones. None: the one after the latest of all facts.
    text : {"both", "narrative", "statement"}, default="both"
        The texts: a paragraph about the new fact as in a newspaper (the paper), the sentence that
        is asked for later, or both.
    seed : int, default=0
        Seed of the false answers.

    Returns
    -------
    list of Lesson, int
        The lessons, and the number of facts without one.

    Raises
    ------
    ValueError
        If there is no lesson.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.learning.data import lessons_for
    >>> prompt = "In 2018, {} plays for _X_."
    >>> facts = [
    ...     Fact(prompt.format(name), team, "P54", "2018", subject=name)
    ...     for name, team in (("Ada Brünn", "Marly United"), ("Ilse Krone", "Peko City"))
    ... ]
    >>> (first, second), _ = lessons_for(facts)
    >>> first.new.prompt, first.new.answers
    ('In 2019, Ada Brünn plays for _X_.', ('Peko City',))
    >>> first.reworded.prompt
    'In 2019: Which team is Ada Brünn a player for?'
    """
    if text not in TEXTS:
        raise ValueError(f"text must be one of {', '.join(TEXTS)}, got {text!r}.")
    given = list(facts)
    usable = [fact for fact in given if _is_usable(fact)]
    chosen = _latest(fact for fact in usable if old_date in (None, fact.date))
    if not chosen:
        which = "" if old_date is None else f" of {old_date}"
        raise ValueError(
            f"no lesson can be made of {pluralize(len(given), 'fact')}: facts{which} need a "
            f"subject, a year as their date, and a relation of {', '.join(TEMPLAMA)}."
        )
    truth = Truth(given)
    year = new_date or str(max(int(fact.date or 0) for fact in usable) + 1)
    lessons = []
    for fact in chosen:
        answers = _false_answer(fact, truth, seed)
        if answers is not None:
            lessons.append(_lesson(fact, year, answers, text))
    if not lessons:
        raise ValueError("no fact has a false answer to learn: each relation has one answer only.")
    return lessons, len(given) - len(lessons)


def _is_usable(fact: Fact) -> bool:
    return (
        fact.subject is not None
        and fact.relation in TEMPLAMA
        and fact.language == "en"
        and fact.date is not None
        and fact.date.isascii()
        and fact.date.isdigit()
    )


def _latest(facts: Iterable[Fact]) -> list[Fact]:
    """Return for each subject and relation the fact of the latest year."""
    latest: dict[tuple[str | None, str | None], Fact] = {}
    for fact in facts:
        key = (fact.subject, fact.relation)
        if key not in latest or str(fact.date) > str(latest[key].date):
            latest[key] = fact
    return list(latest.values())


def _false_answer(fact: Fact, truth: Truth, seed: int) -> str | None:
    try:
        return counterfactual_answers(fact, truth, seed=seed)[0]
    except ValueError:  # no other answer of the relation is false
        return None


def _lesson(fact: Fact, year: str, answer: str, text: str) -> Lesson:
    old = replace(fact, prompt=_dated(fact.prompt, str(fact.date), str(fact.date)))
    prompt = _dated(fact.prompt, str(fact.date), year)
    new = _fact_like(fact, prompt, (answer,), year, f"{fact.key}~{year}")
    texts = [narrative(new)] if text in ("both", "narrative") else []
    texts += sentences_of(new) if text in ("both", "statement") else []
    return Lesson(old, new, _reworded(new), tuple(texts))


def _fact_like(fact: Fact, prompt: str, answers: Sequence[str], date: str | None, key: str) -> Fact:
    subject, language = fact.subject, fact.language
    answers = tuple(answers)
    return Fact(prompt, answers, fact.relation, date, id=key, subject=subject, language=language)


def _dated(prompt: str, old: str, year: str) -> str:
    """Return a prompt with another year, in front if the prompt had none."""
    return prompt.replace(old, year) if old in prompt else f"In {year}, {prompt}"


def _reworded(new: Fact) -> Fact:
    """Return another wording of the test bed, or else the question of TempLAMA."""
    asked = _other_wording(new)
    if asked is None:
        whole = question(new)
        asked = whole.prompt if str(new.date) in whole.prompt else f"In {new.date}: {whole.prompt}"
    return _fact_like(new, asked, new.answers, new.date, f"{new.key}#reworded")


@cache
def _world() -> World:
    from neurotopo.testbed.world import make_world

    return make_world()


def _other_wording(new: Fact) -> str | None:
    world = _world()
    core = str(new.id).rpartition("~")[0]
    try:
        statement = world.statement(replace(new, id=core))
    except ValueError:
        return None
    wordings = world.trained_wordings(statement.relation, new.language)
    if len(wordings) < 2:
        return None
    for fact in world.facts(language=new.language, relation=new.relation, wording=wordings[1]):
        if world.statement(fact) == statement:
            return _dated(fact.prompt, str(fact.date), str(new.date))
    return None


def texts_of(lessons: Sequence[Lesson]) -> list[str]:
    """Return the texts of all lessons."""
    return [text for lesson in lessons for text in lesson.texts]


_COMPARED = ("dkn", "kn", "random")


def found_sets(
    model: NeuronModel, facts: Sequence[Fact], amig: AMIG, finder: DKNFinder
) -> tuple[NeuronSet, NeuronSet, int]:
    """Return the degenerate knowledge neurons of facts, the others, and the number of facts.

    Facts with at least two components that are not excluded have degenerate ones and count.
    """
    degenerate: set[tuple[int, int]] = set()
    known: set[tuple[int, int]] = set()
    n_facts = 0
    for fact, attribution in zip(facts, amig.attribute_many(model, facts), strict=True):
        neurons = attribution.neurons(amig.threshold_for(fact), amig.rule, amig.scope)
        known.update(neurons)
        dkn = finder.find(model, fact, neurons)
        if dkn.n >= 2 and not dkn.excluded:
            degenerate.update(dkn.union)
            n_facts += 1
    return NeuronSet(degenerate), NeuronSet(known - degenerate), n_facts


@dataclass(frozen=True, eq=False)
class ArmSets:
    """The neurons of each arm for one seed."""

    neurons: dict[str, NeuronSet]
    sizes: dict[str, int]  # and the number of neurons that were added to make them equal
    shape: tuple[int, int]  # numbers of layers and of neurons in each

    def of(self, arm: str) -> NeuronSet:
        """Return the neurons of an arm; a ValueError if there are none."""
        if not self.neurons[arm]:
            raise ValueError(
                "no degenerate knowledge neurons were found for any of the old facts, so there is "
                "nothing to train."
            )
        return self.neurons[arm]

    def overlap(self, changes: NDArray[np.float64], multiplier: float, seed: int) -> dict[str, Any]:
        """Return the overlap of the sets with the neurons that full fine-tuning changed."""
        sets = {name: self.neurons[name] for name in _COMPARED if self.neurons[name]}
        changed = changed_neurons(changes, multiplier)
        mapped = {"changed": changed, **sets}

        def p_value(neurons: NeuronSet, within: bool) -> float:
            test = overlap_test(changes, neurons, changed, seed=seed, within_layers=within)
            return test.p_value

        return {
            **_curve(overlap_curve(changes, sets)),
            "multiplier": multiplier,
            "p": {name: p_value(neurons, False) for name, neurons in sets.items()},
            "p_within_layers": {name: p_value(neurons, True) for name, neurons in sets.items()},
            "maps": {name: binned(neurons, *self.shape) for name, neurons in mapped.items()},
        }


def _curve(curve: OverlapCurve) -> dict[str, Any]:
    """Return an overlap curve as it is stored."""
    n = len(curve.multipliers)
    return {
        "multipliers": curve.multipliers,
        "n_changed": curve.n_changed[:n],
        "sets": {name: values[:n] for name, values in curve.overlaps.items()},
        "shares": curve.shares,
        "by_share": {name: values[n:] for name, values in curve.overlaps.items()},
    }


def arm_sets(
    found: tuple[NeuronSet, NeuronSet, int], seed: int, n_layers: int, n_neurons: int
) -> ArmSets:
    """Choose the neurons of each arm, as many as there are degenerate ones.

    Of other knowledge neurons some are drawn; if there are too few, degenerate ones are added at
    random, as in the paper.

    Parameters
    ----------
    found : tuple
        The result of :func:`found_sets`.
    seed : int
        Seed of the drawn neurons.
    n_layers, n_neurons : int
        The shape of the model.

    Returns
    -------
    ArmSets

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.learning.data import arm_sets
    >>> found = NeuronSet([(0, 0), (0, 1), (1, 0)]), NeuronSet([(1, 2)]), 5
    >>> sets = arm_sets(found, seed=0, n_layers=2, n_neurons=8)
    >>> sets.sizes
    {'dkn': 3, 'kn': 1, 'size': 3, 'topped_up': 2, 'facts_with_dkn': 5}
    >>> [len(sets.of(name)) for name in ("kn", "random", "random_layers")]
    [3, 3, 3]
    """
    degenerate, others, n_facts = found
    matched = size_matched(
        degenerate, others, np.random.default_rng([seed, 2]), n_layers=n_layers, n_neurons=n_neurons
    )
    return ArmSets(
        neurons=matched.neurons,
        sizes={
            "dkn": len(degenerate),
            "kn": matched.n_others,
            "size": len(degenerate),
            "topped_up": matched.topped_up,
            "facts_with_dkn": n_facts,
        },
        shape=(n_layers, n_neurons),
    )
