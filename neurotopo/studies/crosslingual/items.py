"""Facts in several languages: how they are loaded, grouped, and handed to the work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.languages import group_by_language
from neurotopo.studies.facts import facts_for

if TYPE_CHECKING:
    from neurotopo.studies.crosslingual.options import CrosslingualOptions

__all__ = ["LanguageFact", "common_id", "facts_in_languages", "language_facts"]


@dataclass(frozen=True)
class LanguageFact:
    """One fact in several languages.

    Attributes
    ----------
    key : str
        What the ids of the fact have in common.
    facts : dict of str to Fact
        The fact by language, in the order of the languages.
    missing : tuple of str
        Languages that it does not have. Such a fact is counted, but not worked on.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.items import LanguageFact
    >>> english = Fact("The capital of France is _X_", "Paris", id="en:1")
    >>> item = LanguageFact("1", {"en": english}, missing=("fr",))
    >>> item.to_dict()["missing"]
    ['fr']
    """

    key: str
    facts: Mapping[str, Fact]
    missing: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON can hold them."""
        facts = {language: fact.to_dict() for language, fact in self.facts.items()}
        return {"key": self.key, "facts": facts, "missing": list(self.missing)}


def common_id(fact: Fact) -> str:
    """Return what the ids of a fact have in common in all languages.

    Parameters
    ----------
    fact : Fact
        A fact with an id. A language in front, ``"fr:P36:5"``, is taken off, and so is the number
        of a wording behind, ``"#2"``; an id without a language in front is taken as it is.

    Returns
    -------
    str

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.items import common_id
    >>> common_id(Fact("La capitale de la France est _X_", "Paris", id="fr:P36:5", language="fr"))
    'P36:5'
    """
    from neurotopo.testbed.statements import core_id

    if fact.id is None:
        raise ValueError(
            f"{fact.prompt!r} has no id. Facts in several languages need the fields id and "
            "language: the same id in each language, with the language in front, 'fr:P36:5' say."
        )
    return core_id(fact) if fact.id.startswith(f"{fact.language}:") else fact.id


def facts_in_languages(
    facts: str | os.PathLike[str] | Iterable[Fact],
    model: Any = None,
    *,
    most: int | None = None,
    seed: int = 0,
) -> list[Fact]:
    """Return the facts of the study, in all languages there are.

    Parameters
    ----------
    facts : str, path-like or iterable of Fact
        As in :func:`~neurotopo.studies.facts.facts_for`; ``"factworld:N"`` are N facts in all
        languages of the model. Given facts may have the same id in several languages.
    model : str or NeuronModel, optional
        The model they are for.
    most : int, optional
        At most so many, in however many languages, drawn at random; ``"factworld:N"`` is taken as
        it is.
    seed : int, default=0
        Seed of what is drawn.

    Returns
    -------
    list of Fact

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.items import facts_in_languages
    >>> len(facts_in_languages("factworld:5", "testbed:gpt2"))
    10
    """
    if isinstance(facts, str) and facts.split(":")[0] == "factworld":
        return facts_for(facts, model, most=most, seed=seed, language=None)
    by_name = isinstance(facts, str | os.PathLike)
    found: list[Fact] = facts_for(facts) if by_name else list(facts)  # type: ignore[arg-type]
    if not found:
        raise ValueError("there are no facts.")
    if most is None:
        return found
    # a fact in one language alone says nothing here, so none is drawn
    groups = group_by_language(found, by=common_id)
    names = [name for name, group in groups.items() if len(group) > 1]
    if most >= len(names):
        return found
    kept = np.random.default_rng(seed).choice(len(names), size=most, replace=False)
    wanted = {names[i] for i in kept}
    return [fact for fact in found if common_id(fact) in wanted]


def language_facts(
    facts: Sequence[Fact], options: CrosslingualOptions, seed: int = 0
) -> list[LanguageFact]:
    """Group facts by what they state.

    Parameters
    ----------
    facts : sequence of Fact
        The facts in all languages.
    options : CrosslingualOptions
        Which languages are compared.
    seed : int, default=0
        Not used; nothing is random.

    Returns
    -------
    list of LanguageFact
        In order of appearance, those that lack a language too.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.items import language_facts
    >>> from neurotopo.studies.crosslingual.options import CrosslingualOptions
    >>> facts = [
    ...     Fact("The capital of France is _X_", "Paris", id="en:1"),
    ...     Fact("La capitale de la France est _X_", "Paris", id="fr:1", language="fr"),
    ... ]
    >>> [(item.key, list(item.facts)) for item in language_facts(facts, CrosslingualOptions())]
    [('1', ['en', 'fr'])]
    """
    groups = group_by_language(facts, by=common_id)
    languages = tuple(options.languages) or _common_languages(groups)
    there = {language for group in groups.values() for language in group}
    absent = [language for language in languages if language not in there]
    if absent:
        raise ValueError(
            f"no fact is in language {absent[0]!r}; there are {', '.join(sorted(there))}."
        )
    items = []
    for name, group in groups.items():
        own = {language: group[language] for language in languages if language in group}
        items.append(LanguageFact(name, own, tuple(x for x in languages if x not in group)))
    if all(item.missing for item in items):
        raise ValueError(
            f"no fact is in all of the languages {', '.join(languages)}: what states the same must "
            "have the same id in each, as in 'en:P36:5' and 'fr:P36:5'."
        )
    return items


def _common_languages(groups: Mapping[str, Mapping[str, Fact]]) -> tuple[str, ...]:
    several = [set(group) for group in groups.values() if len(group) > 1]
    if not several:
        there = sorted({language for group in groups.values() for language in group})
        raise ValueError(
            f"no fact is in two languages: there are {', '.join(there)} only, or what states the "
            "same has different ids. This study needs facts with the fields id and language, the "
            "same id in each language ('en:P36:5' and 'fr:P36:5'), and a model of several "
            "languages: testbed:gpt2, testbed:llama and testbed:bert speak English and French."
        )
    common = set.intersection(*several)
    if len(common) < 2:
        raise ValueError(
            f"the facts have {'only ' + common.pop() if common else 'no language'} in common; say "
            f"which languages to compare: languages={','.join(sorted(set.union(*several)))}."
        )
    return tuple(sorted(common))
