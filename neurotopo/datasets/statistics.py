"""Counts of a set of facts: relations, dates and spans (the paper's Tables 4 to 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.truth import undated_prompt
from neurotopo.knowledge.words import normalized

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DateRow", "ExampleRow", "RelationRow", "SpanRow", "Statistics", "describe"]

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class RelationRow:
    """A relation (Table 4).

    Attributes
    ----------
    relation : str or None
        The relation; None for facts without one.
    name : str or None
        Its name, if it is a relation of TempLAMA.
    facts : int
        Number of facts: one query at one date each.
    queries : int
        Number of distinct queries; the date does not distinguish them.
    changing : int
        Number of queries whose answers differ between dates.
    several : int
        Number of facts with more than one valid answer.
    answers : int
        Number of distinct answers.
    example, example_answer : str
        The first query and its first answer.
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
    """Numbers of facts, queries and relations at a date (Table 6).

    ``date`` is None for facts without one.
    """

    date: str | None
    facts: int
    queries: int
    relations: int


@dataclass(frozen=True)
class SpanRow:
    """Number of queries that occur at ``dates`` dates; those whose answers differ are ``changing``.

    Together the rows show how long facts are followed.
    """

    dates: int
    queries: int
    changing: int


@dataclass(frozen=True)
class ExampleRow:
    """A query and its dates (Table 5).

    Attributes
    ----------
    query : str
        The query.
    relation : str or None
        Its relation.
    first, last : str
        The first and the last date.
    dates : int
        Number of dates; there may be gaps between them.
    answers : int
        Number of distinct answers at all dates.
    """

    query: str
    relation: str | None
    first: str
    last: str
    dates: int
    answers: int


_TABLES: dict[str, Any] = {
    "relations": RelationRow,
    "dates": DateRow,
    "spans": SpanRow,
    "examples": ExampleRow,
}


@dataclass(frozen=True)
class Statistics:
    """Result of :func:`describe`.

    Attributes
    ----------
    facts : int
        Number of facts.
    queries : int
        Number of distinct queries.
    languages : dict of str to int
        Number of facts of each language.
    relations : list of RelationRow
        The relations, by falling number of queries (Table 4).
    dates : list of DateRow
        The dates, the latest first (Table 6); empty if no fact has one.
    spans : list of SpanRow
        Number of queries for each number of dates, the longest span first.
    examples : list of ExampleRow
        Queries with different numbers of dates, the longest span first (Table 5).

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import describe
    >>> statistics = describe([Fact("The capital of Peru is _X_", "Lima", "P36")])
    >>> statistics.facts, statistics.languages, statistics.dates
    (1, {'en': 1}, [])
    >>> statistics.to_pandas()["relations"][["relation", "queries"]]
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
        """Return all counts as JSON can hold them."""
        return asdict(self)

    def to_pandas(self) -> dict[str, pd.DataFrame]:
        """Return the tables ``"relations"``, ``"dates"``, ``"spans"`` and ``"examples"``."""
        import pandas as pd

        return {
            name: pd.DataFrame(
                [asdict(row) for row in getattr(self, name)],
                columns=[column.name for column in fields(kind)],
            )
            for name, kind in _TABLES.items()
        }


def describe(facts: Iterable[Fact], n_examples: int = 8) -> Statistics:
    """Count facts, queries, answers and dates, by relation, by date and by span.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    n_examples : int, default=8
        Number of queries shown with their dates.

    Returns
    -------
    Statistics

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import describe
    >>> statistics = describe(
    ...     [
    ...         Fact("Ada Brünn plays for", "Marly United", "P54", "2010"),
    ...         Fact("Ada Brünn plays for", ["Zúnia Rovers", "Peko City"], "P54", "2011"),
    ...         Fact("Ilse Krone plays for", "Peko City", "P54", "2011"),
    ...     ]
    ... )
    >>> row = statistics.relations[0]
    >>> row.name, row.facts, row.queries, row.changing, row.several, row.answers
    ('member of sports team', 3, 2, 1, 1, 3)
    >>> [(row.date, row.queries) for row in statistics.dates]
    [('2011', 2), ('2010', 1)]
    """
    if n_examples < 0:
        raise ValueError(f"n_examples must not be negative, got {n_examples}.")
    facts = list(facts)
    by_query = _grouped(facts, lambda fact: (fact.relation, fact.language, undated_prompt(fact)))
    queries = [_Query(group) for group in by_query.values()]
    spans = _grouped((query for query in queries if query.dates), lambda query: len(query.dates))
    return Statistics(
        facts=len(facts),
        queries=len(queries),
        languages=dict(Counter(fact.language for fact in facts)),
        relations=_relations(queries),
        dates=_dates(queries),
        spans=[
            SpanRow(n, len(spans[n]), sum(query.changes for query in spans[n]))
            for n in sorted(spans, reverse=True)
        ],
        examples=_examples(spans, n_examples),
    )


def _grouped(items: Iterable[_Item], key: Callable[[_Item], _Key]) -> dict[_Key, list[_Item]]:
    groups: dict[_Key, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


@dataclass
class _Query:
    """A query with its facts at all dates."""

    facts: list[Fact]
    dates: list[str] = field(init=False)
    answers: set[str] = field(init=False)
    changes: bool = field(init=False)

    def __post_init__(self) -> None:
        by_date: dict[str | None, set[str]] = {}
        for fact in self.facts:
            by_date.setdefault(fact.date, set()).update(map(normalized, fact.answers))
        self.dates = sorted(date for date in by_date if date is not None)
        self.answers = set().union(*by_date.values())
        self.changes = len({frozenset(answers) for answers in by_date.values()}) > 1


def _relations(queries: list[_Query]) -> list[RelationRow]:
    rows = []
    for relation, group in _grouped(queries, lambda query: query.facts[0].relation).items():
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
    numbered = [(number, fact) for number, query in enumerate(queries) for fact in query.facts]
    groups = _grouped(numbered, lambda entry: entry[1].date)
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


def _examples(spans: dict[int, list[_Query]], n: int) -> list[ExampleRow]:
    """Return one query of each number of dates, then a second one, until there are n."""
    turns = [
        (turn, -length, query)
        for length, group in spans.items()
        for turn, query in enumerate(group)
    ]
    chosen = sorted(turns, key=lambda entry: entry[:2])[:n]
    return [
        ExampleRow(
            query=query.facts[0].prompt,
            relation=query.facts[0].relation,
            first=query.dates[0],
            last=query.dates[-1],
            dates=len(query.dates),
            answers=len(query.answers),
        )
        for _, _, query in sorted(chosen, key=lambda entry: entry[1])
    ]
