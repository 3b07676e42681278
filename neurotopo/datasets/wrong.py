"""Wrong answers: of the right kind, and true at no time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from neurotopo.datasets.dataset import truth_of
from neurotopo.datasets.perturbation import seeded
from neurotopo.datasets.truth import Truth
from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.models.prompts import describe_fact

__all__ = ["counterfactual_answers", "wrong_fact", "wrong_facts"]


def counterfactual_answers(fact: Fact, truth: Truth, n: int = 1, *, seed: int = 0) -> list[str]:
    """Draw false answers from those of other facts of the same relation and language.

    None of them is valid for the subject on any date, and none contains a valid one or is
    contained in one.

    Parameters
    ----------
    fact : Fact
        The fact.
    truth : Truth
        What is true, at all dates: :attr:`Dataset.truth`.
    n : int, default=1
        How many, all different.
    seed : int, default=0
        The same seed draws the same answers, whatever other facts are asked.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        When there are not as many.

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
    drawn = [answer for answer, _ in zip(_drawn(fact, truth, seed), range(n), strict=False)]
    if len(drawn) < n:
        raise ValueError(
            f"{describe_fact(fact)}: the other facts of relation {fact.relation!r} give "
            f"{len(drawn)} wrong answers, and {n} were asked for."
        )
    return drawn


def wrong_fact(fact: Fact, truth: Truth, *, seed: int = 0) -> Fact:
    """Return a fact with one false answer instead of its answers.

    Parameters
    ----------
    fact : Fact
        The fact.
    truth : Truth
        What is true, at all dates: :attr:`Dataset.truth`.
    seed : int, default=0
        The same seed draws the same answer.

    Returns
    -------
    Fact
        Its ``id`` is the key of the fact with ``"~wrong"`` and the seed behind it.

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
    """Return the facts with a false answer each, in the same order.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    truth : Truth, optional
        What is true, at all dates. None: what the facts know, a :class:`Dataset` that of the
        years that were filtered out too.
    seed : int, default=0
        The same seed draws the same answers.

    Returns
    -------
    FactSet

    Examples
    --------
    >>> from neurotopo import Fact, FactSet
    >>> from neurotopo.datasets import wrong_facts
    >>> facts = FactSet(
    ...     [
    ...         Fact("The capital of Zúnia is", "São Peko", "P36", id="zu"),
    ...         Fact("The capital of Brolland is", "Marly", "P36", id="br"),
    ...     ]
    ... )
    >>> [(fact.id, fact.answers) for fact in wrong_facts(facts)]
    [('zu~wrong0', ('Marly',)), ('br~wrong0', ('São Peko',))]
    """
    facts = facts if isinstance(facts, FactSet) else FactSet(facts)
    known = truth_of(facts) if truth is None else truth
    return FactSet(wrong_fact(fact, known, seed=seed) for fact in facts)


def _drawn(fact: Fact, truth: Truth, seed: int) -> Iterator[str]:
    pool = truth.pool(fact)
    for i in seeded(seed, "wrong answer", fact.key).permutation(len(pool)):
        if not truth.may_be_true(fact, pool[i]):
            yield pool[i]
