"""The names of FactWorld in three languages, combined from the parts in ``names.json``.

Names share parts, so a small tokenizer needs few tokens for each. French names begin with a
consonant where the word before them would otherwise elide.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurotopo.testbed.draws import Draws

__all__ = ["KINDS", "LANGUAGES", "POSITIONS", "Entity", "draw_names"]

LANGUAGES = ("en", "fr", "ru")
"""The languages of every name and wording."""

Name = tuple[str, str, str]
"""A name, or a part of one, in each of :data:`LANGUAGES`."""

KINDS = (
    *("person", "city", "country", "tongue", "club"),
    *("party", "company", "group", "school", "position"),
)
"""Kinds of entities."""


def _read(kind: str, part: str) -> tuple[Name, ...]:
    """Return the parts of the names of a kind from ``names.json``."""
    return tuple((en, fr, ru) for en, fr, ru in _parts()[kind][part])


@functools.cache
def _parts() -> dict[str, dict[str, list[list[str]]]]:
    parts: dict[str, dict[str, list[list[str]]]] = json.loads(
        Path(__file__).with_name("names.json").read_text(encoding="utf-8")
    )
    return parts


POSITIONS: tuple[Name, ...] = _read("position", "whole")
"""The offices that politicians hold."""


@dataclass(frozen=True)
class Entity:
    """A person, place or organisation of the world.

    Attributes
    ----------
    key : str
        Kind and number within the kind, such as ``"person17"``.
    kind : str
        One of :data:`KINDS`.
    number : int
        Number among all entities, from 1.
    names : tuple of str
        Name in each of :data:`LANGUAGES`.
    """

    key: str
    kind: str
    number: int
    names: Name

    def name(self, language: str) -> str:
        """Return its name in a language."""
        return self.names[LANGUAGES.index(language)]


def _pairs(first: Sequence[Name], last: Sequence[Name], glue: Sequence[str]) -> list[Name]:
    """Return every first part with every last part, joined by the pattern of each language."""
    return [_joined(a, b, glue) for a in first for b in last]


def _joined(first: Name, last: Name, glue: Sequence[str]) -> Name:
    en, fr, ru = (pattern.format(a, b) for pattern, a, b in zip(glue, first, last, strict=True))
    return en, fr, ru


_ONE_WORD = ("{0}{1}",) * 3
_LAST_FIRST = ("{0} {1}", "{1} {0}", "{1} {0}")
_GLUE = {
    "city": _ONE_WORD,
    "country": _ONE_WORD,
    "tongue": _ONE_WORD,
    "party": _LAST_FIRST,
    "company": ("{0} {1}", "{1} {0}", "{0} {1}"),
    "group": _LAST_FIRST,
}


def _pool(kind: str, cities: Iterable[Entity]) -> list[Name]:
    """Return all names of a kind."""
    if kind == "position":
        return list(POSITIONS)
    if kind == "person":
        surnames = _pairs(_read(kind, "surname first"), _read(kind, "surname last"), _ONE_WORD)
        return _pairs(_read(kind, "first"), surnames, ("{0} {1}",) * 3)
    if kind in ("club", "school"):
        return _pairs([city.names for city in cities], _read(kind, "last"), _LAST_FIRST)
    return _pairs(_read(kind, "first"), _read(kind, "last"), _GLUE[kind])


def draw_names(kind: str, n: int, draws: Draws, cities: Iterable[Entity] = ()) -> list[Name]:
    """Return n distinct names of a kind; ``cities`` give their names to clubs and schools.

    Examples
    --------
    >>> from neurotopo.testbed.draws import Draws
    >>> from neurotopo.testbed.names import draw_names
    >>> draw_names("city", 2, Draws(1))
    [('Dorvton', 'Dorvville', 'Дорвград'), ('Vaskport', 'Vascport', 'Васкпорт')]
    """
    pool = _pool(kind, cities)
    if not 1 <= n <= len(pool):
        limits = f"at least one and at most {len(pool)}"
        raise ValueError(f"a world has {limits} of kind {kind!r}, got {n}.")
    return draws.shuffled(pool)[:n]
