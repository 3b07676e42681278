"""Facts in several languages, and random neurons that overlap as those of two languages do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.languages import group_by_language
from neurotopo.neurons import NeuronSet
from neurotopo.studies.facts import facts_for

if TYPE_CHECKING:
    from neurotopo.studies.crosslingual.study import CrosslingualOptions

__all__ = [
    "DRAWS",
    "LanguageFact",
    "common_id",
    "facts_in_languages",
    "language_facts",
    "random_like",
    "some",
]


@dataclass(frozen=True)
class LanguageFact:
    """One fact in several languages.

    Attributes
    ----------
    key : str
        The part that the ids of the fact share.
    facts : dict of str to Fact
        The fact by language, in the order of the languages.
    missing : tuple of str
        Languages without the fact. A fact with missing languages is counted, but not measured.

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
    missing: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all fields in types that JSON can hold."""
        facts = {language: fact.to_dict() for language, fact in self.facts.items()}
        return {"key": self.key, "facts": facts, "missing": list(self.missing)}


def common_id(fact: Fact) -> str:
    """Return the part of the id that a fact has in all languages.

    Parameters
    ----------
    fact : Fact
        A fact with an id. A language in front, as in ``"fr:P36:5"``, is removed, and so is the
        number of a wording at the end, ``"#2"``. Other ids stay as they are.

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
    """Return the facts of the study in all languages.

    Parameters
    ----------
    facts : str, path-like or iterable of Fact
        As in :func:`~neurotopo.studies.facts.facts_for`; ``"factworld:N"`` are N facts in all
        languages of the model. Given facts may have the same id in several languages.
    model : str or NeuronModel, optional
        The model that is asked.
    most : int, optional
        The largest number of facts, drawn at random; a fact counts once for all its languages.
        Not used for ``"factworld:N"``.
    seed : int, default=0
        Seed of the draw.

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
    """Group facts that state the same in several languages.

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
        In order of appearance, also those with missing languages.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.items import language_facts
    >>> from neurotopo.studies.crosslingual.study import CrosslingualOptions
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


DRAWS: Mapping[str, str] = {
    "own": "the neurons of the fact",
    "random": "as many random neurons, overlapping as much",
    "random_layers": "random neurons, as many in each layer, overlapping as much",
}
"""The neurons that are edited, by name: those of a fact, and two random controls."""


def random_like(
    by_language: Mapping[str, NeuronSet],
    rng: np.random.Generator,
    *,
    n_layers: int,
    n_neurons: int,
    by_layer: bool = False,
) -> dict[str, NeuronSet]:
    """Draw random sets that have the sizes and the overlaps of given ones.

    Parameters
    ----------
    by_language : mapping of str to NeuronSet
        The sets.
    rng : Generator
        What is drawn from.
    n_layers, n_neurons : int
        Number of layers of the model, and of neurons in each.
    by_layer : bool, default=False
        Put each neuron into the place of one of the same layer.

    Returns
    -------
    dict of str to NeuronSet

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.crosslingual.items import random_like
    >>> sets = {"en": NeuronSet([(0, 0), (1, 1)]), "fr": NeuronSet([(1, 1), (1, 2), (2, 0)])}
    >>> drawn = random_like(sets, np.random.default_rng(0), n_layers=3, n_neurons=8)
    >>> [len(own) for own in drawn.values()], len(drawn["en"] & drawn["fr"])
    ([2, 3], 1)
    """
    union = NeuronSet(pair for own in by_language.values() for pair in own)
    if by_layer:
        counts = np.bincount(union.layers, minlength=n_layers)
        drawn = [
            (layer, int(index))
            for layer, count in enumerate(counts)
            for index in rng.choice(n_neurons, int(count), replace=False)
        ]
    else:
        places = rng.choice(n_layers * n_neurons, len(union), replace=False)
        drawn = [(int(place) // n_neurons, int(place) % n_neurons) for place in places]
    # a set of neurons is ordered by layer, as the draw by layers is
    instead = dict(zip(union, drawn, strict=True))
    return {name: NeuronSet(instead[pair] for pair in own) for name, own in by_language.items()}


def some(neurons: NeuronSet, n: int, rng: np.random.Generator) -> NeuronSet:
    """Return n of the neurons, drawn at random."""
    return neurons[np.sort(rng.permutation(len(neurons))[:n])] if n else NeuronSet()
