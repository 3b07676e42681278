"""What a set of facts holds: its relations, dates and spans (the paper's Tables 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.datasets.truth import undated_prompt
from neurotopo.datasets.words import normalized
from neurotopo.knowledge.facts import Fact

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DateRow", "ExampleRow", "RelationRow", "SpanRow", "Statistics", "describe"]


@dataclass(frozen=True)
class RelationRow:
    """A relation (Table 4).

    Attributes
    ----------
    relation : str or None
        The relation; None for facts without one.
    name : str or None
        What it is called, where that is known.
    facts : int
        Number of facts: one query at one date each.
    queries : int
        Number of distinct queries. The same query at another date is the same.
    changing : int
        Of them, those whose answers are not the same at all dates.
    several : int
        Number of facts with more than one valid answer.
    answers : int
        Number of distinct answers.
    example, example_answer : str
        The first query, and its first answer.
    """

    relation: str | None
    name: str | None
    facts: int
    queries: int
    changing: int
    several: int
    answers: int
    example: str
    example_answer: str


@dataclass(frozen=True)
class DateRow:
    """A date (Table 6).

    Attributes
    ----------
    date : str or None
        The date; None for facts without one.
    facts, queries, relations : int
        How many there are of it.
    """

    date: str | None
    facts: int
    queries: int
    relations: int


@dataclass(frozen=True)
class SpanRow:
    """How many queries there are of a number of dates.

    Attributes
    ----------
    dates : int
        Number of dates.
    queries : int
        Number of queries that are asked at so many dates.
    changing : int
        Of them, those whose answers are not the same at all dates.
    """

    dates: int
    queries: int
    changing: int


@dataclass(frozen=True)
class ExampleRow:
    """A query and the dates it is asked at (Table 5).

    Attributes
    ----------
    query : str
        The query.
    relation : str or None
        Its relation.
    first, last : str
        The first and the last date.
    dates : int
        Number of dates, which may have gaps between them.
    answers : int
        Number of distinct answers at all dates.
    """

    query: str
    relation: str | None
    first: str
    last: str
    dates: int
    answers: int


@dataclass(frozen=True)
class Statistics:
    """What :func:`describe` found.

    Attributes
    ----------
    facts : int
        Number of facts.
    queries : int
        Number of distinct queries.
    languages : dict of str to int
        Number of facts of each language.
    relations : list of RelationRow
        The relations, that of the most queries first (Table 4).
    dates : list of DateRow
        The dates, the latest first (Table 6); empty where no fact has one.
    spans : list of SpanRow
        How many queries there are of each number of dates, the longest first.
    examples : list of ExampleRow
        Queries of different numbers of dates, the longest first (Table 5).

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import describe
    >>> found = describe([Fact("The capital of Peru is _X_", "Lima", "P36")])
    >>> found.facts, found.languages, found.dates
    (1, {'en': 1}, [])
    >>> found.to_pandas()["relations"][["relation", "queries"]]
      relation  queries
    0      P36        1
    """

    facts: int
    queries: int
    languages: dict[str, int]
    relations: list[RelationRow]
    dates: list[DateRow]
    spans: list[SpanRow]
    examples: list[ExampleRow]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return asdict(self)

    def to_pandas(self) -> dict[str, pd.DataFrame]:
        """Return the tables ``"relations"``, ``"dates"``, ``"spans"`` and ``"examples"``."""
        import pandas as pd

        kinds: dict[str, Any] = {
            "relations": RelationRow,
            "dates": DateRow,
            "spans": SpanRow,
            "examples": ExampleRow,
        }
        return {
            name: pd.DataFrame(
                [asdict(row) for row in getattr(self, name)],
                columns=[field.name for field in fields(kind)],
            )
            for name, kind in kinds.items()
        }


def describe(facts: Iterable[Fact], n_examples: int = 8) -> Statistics:
    """Count facts, queries, answers and dates, by relation, by date and by span.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    n_examples : int, default=8
        How many queries are shown with their dates.

    Returns
    -------
    Statistics

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import describe
    >>> found = describe(
    ...     [
    ...         Fact("Ada Brünn plays for", "Marly United", "P54", "2010"),
    ...         Fact("Ada Brünn plays for", ["Zúnia Rovers", "Peko City"], "P54", "2011"),
    ...         Fact("Ilse Krone plays for", "Peko City", "P54", "2011"),
    ...     ]
    ... )
    >>> row = found.relations[0]
    >>> row.name, row.facts, row.queries, row.changing, row.several, row.answers
    ('member of sports team', 3, 2, 1, 1, 3)
    >>> [(row.date, row.queries) for row in found.dates]
    [('2011', 2), ('2010', 1)]
    >>> [(row.query, row.first, row.last, row.dates) for row in found.examples]
    [('Ada Brünn plays for', '2010', '2011', 2), ('Ilse Krone plays for', '2011', '2011', 1)]
    """
    if n_examples < 0:
        raise ValueError(f"n_examples must not be negative, got {n_examples}.")
    queries: dict[tuple[str | None, str, str], _Query] = {}
    everything = list(facts)
    for fact in everything:
        key = (fact.relation, fact.language, undated_prompt(fact))
        queries.setdefault(key, _Query(fact)).facts.append(fact)
    languages: dict[str, int] = {}
    for fact in everything:
        languages[fact.language] = languages.get(fact.language, 0) + 1
    found = list(queries.values())
    return Statistics(
        facts=len(everything),
        queries=len(found),
        languages=languages,
        relations=_relations(found),
        dates=_dates(found),
        spans=_spans(found),
        examples=_examples(found, n_examples),
    )


class _Query:
    """A query with its facts at all dates."""

    def __init__(self, first: Fact) -> None:
        self.first = first
        self.facts: list[Fact] = []

    @property
    def dates(self) -> list[str]:
        return sorted({fact.date for fact in self.facts if fact.date is not None})

    @property
    def answers(self) -> set[str]:
        return {normalized(answer) for fact in self.facts for answer in fact.answers}

    @property
    def changes(self) -> bool:
        by_date: dict[str | None, set[str]] = {}
        for fact in self.facts:
            by_date.setdefault(fact.date, set()).update(map(normalized, fact.answers))
        return len({frozenset(answers) for answers in by_date.values()}) > 1


def _relations(queries: list[_Query]) -> list[RelationRow]:
    groups: dict[str | None, list[_Query]] = {}
    for query in queries:
        groups.setdefault(query.first.relation, []).append(query)
    rows = []
    for relation, group in groups.items():
        facts = [fact for query in group for fact in query.facts]
        known = None if relation is None else TEMPLAMA.get(relation)
        rows.append(
            RelationRow(
                relation=relation,
                name=None if known is None else known.name,
                facts=len(facts),
                queries=len(group),
                changing=sum(query.changes for query in group),
                several=sum(len(fact.answers) > 1 for fact in facts),
                answers=len(set().union(*(query.answers for query in group))),
                example=facts[0].prompt,
                example_answer=facts[0].answers[0],
            )
        )
    return sorted(rows, key=lambda row: (-row.queries, row.relation or ""))


def _dates(queries: list[_Query]) -> list[DateRow]:
    groups: dict[str | None, list[tuple[int, Fact]]] = {}
    for number, query in enumerate(queries):
        for fact in query.facts:
            groups.setdefault(fact.date, []).append((number, fact))
    if set(groups) <= {None}:
        return []
    return [
        DateRow(
            date=date,
            facts=len(groups[date]),
            queries=len({number for number, _ in groups[date]}),
            relations=len({fact.relation for _, fact in groups[date]}),
        )
        for date in sorted(groups, key=lambda date: date or "", reverse=True)
    ]


def _spans(queries: list[_Query]) -> list[SpanRow]:
    groups: dict[int, list[_Query]] = {}
    for query in queries:
        if query.dates:
            groups.setdefault(len(query.dates), []).append(query)
    return [
        SpanRow(n, len(groups[n]), sum(query.changes for query in groups[n]))
        for n in sorted(groups, reverse=True)
    ]


def _examples(queries: list[_Query], n: int) -> list[ExampleRow]:
    """Return one query for each number of dates, then a second one, until there are enough."""
    groups: dict[int, list[_Query]] = {}
    for query in queries:
        if query.dates:
            groups.setdefault(len(query.dates), []).append(query)
    turns = [
        (turn, -length, query)
        for length, group in groups.items()
        for turn, query in enumerate(group)
    ]
    chosen = sorted(turns, key=lambda entry: entry[:2])[:n]
    return [
        ExampleRow(
            query=query.first.prompt,
            relation=query.first.relation,
            first=query.dates[0],
            last=query.dates[-1],
            dates=len(query.dates),
            answers=len(query.answers),
        )
        for _, _, query in sorted(chosen, key=lambda entry: entry[1])
    ]
