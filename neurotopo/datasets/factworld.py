"""FactWorld as a data set: an invented world, the same for the same seed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from neurotopo.datasets.dataset import Dataset
from neurotopo.knowledge.truth import Truth

__all__ = ["load_factworld"]


def load_factworld(
    languages: str | Collection[str] = "en",
    relation: str | None = None,
    date: str | None = None,
    *,
    seed: int = 0,
    core: bool = False,
    wording: int = 0,
    **options: Any,
) -> Dataset:
    """Return the facts of FactWorld, generated in memory.

    Parameters
    ----------
    languages : str or several, default="en"
        The languages.
    relation, date : str, optional
        Only this relation or date. :attr:`Dataset.truth` includes all dates.
    seed : int, default=0
        Seed of the world.
    core : bool, default=False
        Only the facts that the built-in models know.
    wording : int, default=0
        Index of the wording of each relation.
    **options
        Options of ``neurotopo.testbed.world.make_world``.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> from neurotopo.datasets import load_factworld
    >>> facts = load_factworld(relation="P54", date="2014")
    >>> len(facts.relations), facts[0].prompt.startswith("In 2014, ")
    (1, True)
    """
    from neurotopo.testbed.world import make_world

    wanted = (languages,) if isinstance(languages, str) else tuple(languages)
    world = make_world(seed=seed, languages=wanted, **options)
    facts, truth = [], Truth()
    for language in wanted:
        everything = world.facts(language=language, wording=wording)
        truth.update(Truth(everything))
        known = {fact.key for fact in world.core_facts(language)} if core else None
        facts += [
            fact
            for fact in everything
            if (known is None or fact.key in known)
            and relation in (None, fact.relation)
            and date in (None, fact.date)
        ]
    if not facts:
        raise ValueError(f"FactWorld has no facts of relation {relation!r} and date {date!r}.")
    return Dataset(facts, truth=truth)
