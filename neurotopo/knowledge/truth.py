"""The answers that are true of a subject at any date, so that none counts as wrong."""

from __future__ import annotations

from collections.abc import Iterable

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.words import normalized
from neurotopo.models.prompts import split_prompt

__all__ = ["Truth"]

_Key = tuple[str, str | None, str]


class Truth:
    """The answers that are true at any date: by subject and relation, and by relation.

    Two facts have the same topic if they have the same relation and the same ``subject``, prompt,
    or ``id`` without the date; or if one is a changed copy of the other. Names are compared
    without case, punctuation and spacing.

    Parameters
    ----------
    facts : iterable of Fact, optional
        Facts that are true.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Truth
    >>> facts = [
    ...     Fact("Ada Brünn plays for", "Marly United", "P54", "2010", subject="Ada Brünn"),
    ...     Fact("Ada Brünn plays for", "Zúnia Rovers", "P54", "2011", subject="Ada Brünn"),
    ... ]
    >>> truth = Truth(facts)
    >>> truth.is_true(facts[0], "zúnia rovers"), truth.is_true(facts[0], "Peko City")
    (True, False)
    >>> truth.pool(facts[0])
    ('Marly United', 'Zúnia Rovers')
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._answers: dict[_Key, set[str]] = {}
        self._pools: dict[tuple[str | None, str], dict[str, str]] = {}
        self._sorted: dict[tuple[str | None, str], tuple[str, ...]] = {}
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact, also: Iterable[str] = ()) -> None:
        """Add a true fact.

        Parameters
        ----------
        fact : Fact
            The fact.
        also : iterable of str, optional
            Answers that are true at other dates.
        """
        pool = self._pools.setdefault((fact.relation, fact.language), {})
        self._sorted.pop((fact.relation, fact.language), None)
        names = {normalized(answer): answer for answer in (*fact.answers, *also)}
        for name, answer in names.items():
            pool.setdefault(name, answer)
        for key in _keys(fact):
            self._answers.setdefault(key, set()).update(names)

    def update(self, other: Truth) -> None:
        """Add all answers of another one."""
        for key, names in other._answers.items():
            self._answers.setdefault(key, set()).update(names)
        for relation, pool in other._pools.items():
            self._pools[relation] = {**pool, **self._pools.get(relation, {})}
        self._sorted.clear()

    def knows(self, fact: Fact) -> bool:
        """Tell whether any answer is known for the topic of a fact."""
        return any(key in self._answers for key in _keys(fact))

    def is_true(self, fact: Fact, answer: str) -> bool:
        """Tell whether an answer is true at any date for the subject and relation of a fact."""
        return normalized(answer) in self._names(fact)

    def may_be_true(self, fact: Fact, answer: str) -> bool:
        """Tell whether an answer is true, contains a true one, or is part of one.

        For example, "Democratic Party" may be short for "Democratic Party of Zúnia".
        """
        padded = f" {normalized(answer)} "
        return any(f" {name} " in padded or padded in f" {name} " for name in self._names(fact))

    def pool(self, fact: Fact) -> tuple[str, ...]:
        """Return all answers with the relation and language of a fact, sorted."""
        where = (fact.relation, fact.language)
        if where not in self._sorted:
            self._sorted[where] = tuple(sorted(self._pools.get(where, {}).values()))
        return self._sorted[where]

    def _names(self, fact: Fact) -> set[str]:
        names = {normalized(answer) for answer in fact.answers}
        return names.union(*(self._answers.get(key, ()) for key in _keys(fact)))


def _keys(fact: Fact) -> list[_Key]:
    """Return the names under which the topic of a fact is stored."""
    keys: list[_Key] = [("prompt", fact.relation, undated_prompt(fact))]
    if fact.subject is not None:
        keys.append(("subject", fact.relation, normalized(fact.subject)))
    name = fact.key.partition("~")[0]  # the key of the fact that this one was derived from
    keys.append(("id", fact.relation, name))
    undated = name.removesuffix(fact.date or "")
    if undated != name and undated and not undated[-1].isalnum():
        keys.append(("id", fact.relation, undated))
    return keys


def undated_prompt(fact: Fact) -> str:
    """Return the words of a prompt without placeholder and date: the same at all dates."""
    text = " ".join(split_prompt(fact.prompt) or (fact.prompt,))
    return normalized(text if fact.date is None else text.replace(fact.date, " "))
