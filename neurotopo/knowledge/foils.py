"""Foils of a fact: answers of the right kind that are not true of its subject."""

from __future__ import annotations

from collections.abc import Iterable

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.truth import Truth

__all__ = ["foils_of"]


def foils_of(
    facts: Iterable[Fact] | Truth, fact: Fact, most: int | None = None, *, seed: int = 0
) -> tuple[str, ...]:
    """Return the foils of a fact: the other answers of its relation.

    No foil is a valid answer of the subject in any of the facts, contains a valid one, or is part
    of one ("York" is no foil for "New York"). Names are compared without case and punctuation; of
    several spellings the first one counts.

    Parameters
    ----------
    facts : iterable of Fact or Truth
        The facts whose answers are used. Reading them takes longer than the rest, so for many
        facts pass a :class:`~neurotopo.datasets.Truth` or a
        :class:`~neurotopo.datasets.Dataset`, which keeps one.
    fact : Fact
        The fact. Its ``relation`` and ``language`` are those of the foils; facts without a
        relation form one too.
    most : int, optional
        The most foils; more are drawn at random without replacement. Default: all.
    seed : int, default=0
        Seed of the draw, which depends on the fact and on its foils alone.

    Returns
    -------
    tuple of str
        Sorted; possibly empty.

    Examples
    --------
    >>> from neurotopo import Fact, FactSet
    >>> from neurotopo.knowledge.foils import foils_of
    >>> capitals = {"France": "Paris", "Italy": "Rome", "Peru": "Lima", "Spain": "Madrid"}
    >>> facts = FactSet(
    ...     Fact(f"The capital of {land} is", city, "P36", subject=land)
    ...     for land, city in capitals.items()
    ... )
    >>> foils_of(facts, facts[0]), foils_of(facts, facts[0], most=1)
    (('Lima', 'Madrid', 'Rome'), ('Lima',))
    """
    if most is not None and most < 0:
        raise ValueError(f"most must be at least 0 or None, got {most}.")
    truth = facts if isinstance(facts, Truth) else _truth_of(facts)
    false = tuple(name for name in truth.pool(fact) if not truth.may_be_true(fact, name))
    if most is None or len(false) <= most:
        return false
    drawn = seeded(seed, "foils", fact.key).choice(len(false), size=most, replace=False)
    return tuple(false[i] for i in sorted(drawn))


def _truth_of(facts: Iterable[Fact]) -> Truth:
    known = getattr(facts, "truth", None)  # of a Dataset, which is in a layer above
    return known if isinstance(known, Truth) else Truth(facts)
