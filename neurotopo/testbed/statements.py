"""Statements of a world, independent of language and wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from neurotopo.knowledge.facts import Fact
from neurotopo.testbed.history import FIRST_YEAR, LAST_YEAR, Span

__all__ = ["Statement", "core_id", "core_of", "statements_of"]

_LONG = 5
"""Smallest number of years for which a period with the same answers gives two core statements."""


@dataclass(frozen=True)
class Statement:
    """A fact independent of language and wording.

    Attributes
    ----------
    relation : str
        Name of the relation.
    subject : str
        Key of the subject.
    year : int or None
        The year; None if the relation does not change.
    answers : tuple of str
        Keys of the valid answers, the oldest first.

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
        """Identifier, the same in every language: ``"P54:person17:2014"``."""
        parts = [self.relation, self.subject, *([] if self.year is None else [str(self.year)])]
        return ":".join(parts)


def core_id(fact: Fact) -> str:
    """Return the part of the id of a fact that all languages and wordings share.

    Parameters
    ----------
    fact : Fact
        A fact of a world. Its id is the language, the shared part and the form:
        ``"fr:P54:person17:2014#2"`` is wording 2.

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
    """Return all statements, from the spans by relation and subject."""
    statements: list[Statement] = []
    for (relation, subject), spans in histories.items():
        for year in (None, *range(FIRST_YEAR, LAST_YEAR + 1)):
            answers = dict.fromkeys(span.answer for span in spans if span.holds_in(year))
            if answers:
                statements.append(Statement(relation, subject, year, tuple(answers)))
    return tuple(statements)


def core_of(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Return the first and last statement of each long period with the same answers.

    For a short period: the middle one.
    """
    core: list[Statement] = []
    for _, group in groupby(statements, key=lambda s: (s.relation, s.subject, s.answers)):
        stretch = list(group)
        long = len(stretch) >= _LONG
        core += [stretch[0], stretch[-1]] if long else [stretch[len(stretch) // 2]]
    return tuple(core)
