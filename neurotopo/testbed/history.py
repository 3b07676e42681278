"""History of a world: entities, and relations with their years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurotopo.testbed.draws import Draws
from neurotopo.testbed.names import KINDS, Entity, draw_names
from neurotopo.testbed.wordings import STATIC, TEMPORAL

__all__ = ["FIRST_YEAR", "LAST_YEAR", "Span", "draw_entities", "draw_spans"]

FIRST_YEAR = 2010
LAST_YEAR = 2020

_ROLES = {"players": 13, "politicians": 13, "engineers": 13, "leaders": 22, "coaches": 19}
"""Shares of all people in percent; the rest are chairs."""

_ONE_AT_A_TIME = frozenset(["P6", "P286", "P488"])
"""Relations of which an answer has at most one subject at a time."""

_SIDE_BY_SIDE = frozenset(["P39", "P108", "P69", "P127"])
"""Relations with a second answer for years; others have one only in the year of a change."""


@dataclass(frozen=True)
class Span:
    """The years in which a relation holds; ``subject`` and ``answer`` are keys of entities.

    ``first`` and ``last`` are None for a relation that does not change.
    """

    relation: str
    subject: str
    answer: str
    first: int | None = None
    last: int | None = None

    def holds_in(self, year: int | None) -> bool:
        """Return whether it holds in a year; None means a relation that does not change."""
        if self.first is None or self.last is None or year is None:
            return self.first is None and year is None
        return self.first <= year <= self.last


Cast = Mapping[str, Sequence[str]]
"""Keys of entities by their kind or, for people, their role."""


def draw_entities(draws: Draws, sizes: Mapping[str, int]) -> tuple[Entity, ...]:
    """Return the entities of a world, given the number of each kind."""
    entities: list[Entity] = []
    for kind in KINDS:
        cities = [entity for entity in entities if entity.kind == "city"]
        for i, names in enumerate(draw_names(kind, sizes[kind], draws, cities)):
            entities.append(Entity(f"{kind}{i}", kind, len(entities) + 1, names))
    return tuple(entities)


def draw_spans(draws: Draws, entities: Sequence[Entity]) -> tuple[Span, ...]:
    """Return all spans, ordered by relation, subject and year."""
    cast = _cast(entities)
    spans: list[Span] = []
    for relation, subjects, answers in _temporal_plan(cast):
        busy: set[tuple[str, int]] = set()
        for subject in subjects:
            spans += _career(draws, relation, subject, answers, busy)
    for relation, subjects, chosen in _static_plan(draws, cast):
        spans += [Span(relation, s, a) for s, a in zip(subjects, chosen, strict=True)]
    order = {relation: i for i, relation in enumerate(TEMPORAL + STATIC)}
    number = {entity.key: entity.number for entity in entities}

    def place(span: Span) -> tuple[int, ...]:
        first = span.first or 0
        return order[span.relation], number[span.subject], first, number[span.answer]

    return tuple(sorted(spans, key=place))


def _cast(entities: Sequence[Entity]) -> Cast:
    cast: dict[str, list[str]] = {
        kind: [entity.key for entity in entities if entity.kind == kind] for kind in KINDS
    }
    rest = cast["person"]
    n_people = len(rest)
    for role, percent in _ROLES.items():
        cut = n_people * percent // 100
        cast[role], rest = rest[:cut], rest[cut:]
    cast["chairs"] = rest
    return cast


def _temporal_plan(cast: Cast) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """Return relation, subjects and possible answers; twice as many people as offices."""
    return [
        ("P39", cast["politicians"], cast["position"]),
        ("P54", cast["players"], cast["club"]),
        ("P102", cast["politicians"], cast["party"]),
        ("P108", cast["engineers"], cast["company"]),
        ("P69", cast["engineers"], cast["school"]),
        ("P6", cast["country"][: len(cast["leaders"]) // 2], cast["leaders"]),
        ("P127", cast["company"][::2], cast["group"]),
        ("P286", cast["club"][: len(cast["coaches"]) // 2], cast["coaches"]),
        ("P488", cast["company"][: len(cast["chairs"]) // 2], cast["chairs"]),
    ]


def _static_plan(draws: Draws, cast: Cast) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    countries, companies = cast["country"], cast["company"]
    founders = [*cast["engineers"], *cast["chairs"]]
    return [
        ("capital", countries, draws.shuffled(cast["city"])[: len(countries)]),
        ("language", countries, [draws.choice(cast["tongue"]) for _ in countries]),
        ("founder", companies, [draws.choice(founders) for _ in companies]),
    ]


def _career(
    draws: Draws, relation: str, subject: str, answers: Sequence[str], busy: set[tuple[str, int]]
) -> list[Span]:
    """Return the spans of one subject: successive answers, some of which overlap."""
    spans: list[Span] = []
    for first, last in _terms(draws, relation):
        previous = spans[-1].answer if spans else None
        candidates = [
            answer
            for answer in answers
            if answer != previous and not any((answer, y) in busy for y in range(first, last + 1))
        ]
        earlier = [span.answer for span in spans if span.answer in candidates]
        if earlier and draws.chance(20):
            candidates = earlier
        if not candidates:  # all are busy: the office is vacant
            continue
        answer = draws.choice(candidates)
        if relation in _ONE_AT_A_TIME:
            busy.update((answer, year) for year in range(first, last + 1))
        spans.append(Span(relation, subject, answer, first, last))
    return spans + _second_answer(draws, relation, subject, answers, spans)


def _terms(draws: Draws, relation: str) -> list[tuple[int, int]]:
    """Return the first and last years of the terms of one subject."""
    first = FIRST_YEAR + draws.below(5)
    last = first + 2 + draws.below(3) if relation == "P69" else LAST_YEAR - draws.below(4)
    n_changes = 0 if draws.chance(30) else 1 + draws.below(3)
    cuts = sorted(draws.shuffled(range(first + 1, last + 1))[:n_changes])
    terms = []
    for start, stop in zip([first, *cuts], [*cuts, last + 1], strict=True):
        # in the year of a change both may hold
        shared = stop <= last and relation not in _SIDE_BY_SIDE and draws.chance(30)
        terms.append((start, stop if shared else stop - 1))
    return terms


def _second_answer(
    draws: Draws, relation: str, subject: str, answers: Sequence[str], spans: Sequence[Span]
) -> list[Span]:
    """Return a second answer for some years, for a quarter of the subjects."""
    taken = {span.answer for span in spans}
    candidates = [answer for answer in answers if answer not in taken]
    if relation not in _SIDE_BY_SIDE or not (spans and candidates and draws.chance(25)):
        return []
    years = [year for span in spans for year in (span.first, span.last) if year is not None]
    first = min(years) + draws.below(max(years) - min(years) + 1)
    last = first + draws.below(max(years) - first + 1)
    return [Span(relation, subject, draws.choice(candidates), first, last)]
