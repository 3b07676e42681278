"""Wrong answers: of the right kind, and not true at any date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from neurotopo.datasets.dataset import truth_of
from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.truth import Truth
from neurotopo.models.prompts import describe_fact

__all__ = ["counterfactual_answers", "wrong_fact", "wrong_facts"]


def counterfactual_answers(fact: Fact, truth: Truth, n: int = 1, *, seed: int = 0) -> list[str]:
    """Draw false answers from the answers of other facts with the same relation and language.

    No drawn answer is valid for the subject at any date, contains a valid one, or is part of one.

    Parameters
    ----------
    fact : Fact
        The fact.
    truth : Truth
        The true answers at all dates: :attr:`Dataset.truth`.
    n : int, default=1
        Number of answers, all different.
    seed : int, default=0
        Seed of the draw, which does not depend on other facts.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there are fewer than ``n``.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Truth, counterfactual_answers
    >>> facts = [
    ...     Fact("Ada Brünn plays for", "Marly United", "P54", "2010", subject="Ada Brünn"),
    ...     Fact("Ada Brünn plays for", "Zúnia Rovers", "P54", "2011", subject="Ada Brünn"),
    ...     Fact("Ilse Krone plays for", "Peko City", "P54", "2010", subject="Ilse Krone"),
    ... ]
    >>> counterfactual_answers(facts[0], Truth(facts))
    ['Peko City']
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")
    pool = truth.pool(fact)
    order = seeded(seed, "wrong answer", fact.key).permutation(len(pool))
    drawn = list(islice((pool[i] for i in order if not truth.may_be_true(fact, pool[i])), n))
    if len(drawn) < n:
        raise ValueError(
            f"{describe_fact(fact)}: the other facts of relation {fact.relation!r} give "
            f"{len(drawn)} wrong answers, and {n} were asked for."
        )
    return drawn


def wrong_fact(fact: Fact, truth: Truth, *, seed: int = 0) -> Fact:
    """Return a fact with one false answer in place of its answers.

    Parameters
    ----------
    fact, truth, seed
        As in :func:`counterfactual_answers`.

    Returns
    -------
    Fact
        Its ``id`` is the key of the fact, ``"~wrong"`` and the seed.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Truth, wrong_fact
    >>> facts = [
    ...     Fact("The capital of Zúnia is", "São Peko", "P36", id="zu"),
    ...     Fact("The capital of Brolland is", "Marly", "P36", id="br"),
    ... ]
    >>> wrong_fact(facts[0], Truth(facts)).answers
    ('Marly',)
    """
    answers = counterfactual_answers(fact, truth, seed=seed)
    return replace(fact, answers=tuple(answers), id=f"{fact.key}~wrong{seed}")


def wrong_facts(facts: Iterable[Fact], truth: Truth | None = None, *, seed: int = 0) -> FactSet:
    """Return each fact with one false answer, in the same order.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    truth : Truth, optional
        The true answers at all dates. Default: :func:`truth_of` the facts; a :class:`Dataset`
        includes the dates that were filtered out.
    seed : int, default=0
        Seed of the draws.

    Returns
    -------
    FactSet

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import wrong_facts
    >>> capitals = {"Zúnia": "São Peko", "Brolland": "Marly"}
    >>> facts = [Fact(f"The capital of {k} is", v, "P36", id=k) for k, v in capitals.items()]
    >>> [(fact.id, fact.answers) for fact in wrong_facts(facts)]
    [('Zúnia~wrong0', ('Marly',)), ('Brolland~wrong0', ('São Peko',))]
    """
    facts = facts if isinstance(facts, FactSet) else FactSet(facts)
    known = truth_of(facts) if truth is None else truth
    return FactSet(wrong_fact(fact, known, seed=seed) for fact in facts)
