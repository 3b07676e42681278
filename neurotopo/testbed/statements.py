"""What a world says before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from neurotopo.knowledge.facts import Fact
from neurotopo.testbed.history import FIRST_YEAR, LAST_YEAR, Span

__all__ = ["Statement", "core_id", "core_of", "statements_of"]

_LONG = 5
"""From so many years on, a stretch with the same answers gives two core statements."""


@dataclass(frozen=True)
class Statement:
    """A fact before it is put into words.

    Attributes
    ----------
    relation : str
        Name of the relation.
    subject : str
        Key of the entity that it is about.
    year : int or None
        The year, or None where the relation does not change.
    answers : tuple of str
        Keys of the valid answers, the one that has held for longest first.

    Examples
    --------
    >>> from neurotopo.testbed.world import Statement
    >>> Statement("P54", "person17", 2014, ("team3",)).id
    'P54:person17:2014'
    """

    relation: str
    subject: str
    year: int | None
    answers: tuple[str, ...]

    @property
    def id(self) -> str:
        """Its name, the same in every language: ``"P54:person17:2014"``."""
        parts = [self.relation, self.subject, *([] if self.year is None else [str(self.year)])]
        return ":".join(parts)


def core_id(fact: Fact) -> str:
    """Return what the ids of a fact have in common in all languages and wordings.

    Parameters
    ----------
    fact : Fact
        A fact of a world. Its id is the language, then this, then what form the fact has:
        ``"fr:P54:person17:2014#2"`` is the wording of number 2.

    Returns
    -------
    str

    Examples
    --------
    >>> from neurotopo.knowledge.languages import group_by_language
    >>> from neurotopo.testbed import core_id, make_world
    >>> world = make_world(seed=0)
    >>> facts = world.facts("en", "capital") + world.facts("fr", "capital")
    >>> groups = group_by_language(facts, by=core_id)
    >>> name = next(iter(groups))
    >>> name, list(groups[name])
    ('capital:country0', ['en', 'fr'])
    """
    language, _, rest = (fact.id or "").partition(":")
    if language != fact.language or not rest:
        raise ValueError(f"{fact.id!r} is not the id of a fact of a world.")
    return rest.partition("#")[0]


def statements_of(histories: Mapping[tuple[str, str], Sequence[Span]]) -> tuple[Statement, ...]:
    """Return everything that can be asked, from the spans by relation and subject."""
    found: list[Statement] = []
    for (relation, subject), spans in histories.items():
        for year in (None, *range(FIRST_YEAR, LAST_YEAR + 1)):
            answers = dict.fromkeys(span.answer for span in spans if span.holds_in(year))
            if answers:
                found.append(Statement(relation, subject, year, tuple(answers)))
    return tuple(found)


def core_of(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Return few statements of every stretch of years with the same answers.

    Of a long stretch these are the first and the last, of a short one the one in the middle.
    """
    core: list[Statement] = []
    for _, group in groupby(statements, key=lambda s: (s.relation, s.subject, s.answers)):
        stretch = list(group)
        long = len(stretch) >= _LONG
        core += [stretch[0], stretch[-1]] if long else [stretch[len(stretch) // 2]]
    return tuple(core)
