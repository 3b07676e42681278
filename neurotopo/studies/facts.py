"""The facts of a study, from a file or FactWorld."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from neurotopo.datasets import Reworded
    from neurotopo.knowledge.facts import Fact

__all__ = ["facts_for", "worded_facts", "wordings_for"]

_WORLD = "factworld"
_LANGUAGES = ("en", "fr")


def facts_for(
    facts: str | os.PathLike[str] | Iterable[Fact],
    model: Any = None,
    *,
    most: int | None = None,
    seed: int = 0,
    language: str | None = "en",
) -> list[Fact]:
    """Return the facts of a study.

    Parameters
    ----------
    facts : str, path-like or iterable of Fact
        ``"factworld"``: the facts that a model of the test bed was trained on, for other models
        those of the built-in models. ``"factworld:N"``: N of them, drawn at random. Else a file
        in any of the formats of :func:`neurotopo.datasets.load_facts`, or facts.
    model : str or NeuronModel, optional
        The model that is asked.
    most : int, optional
        The most facts, drawn at random; ignored for ``"factworld:N"``.
    seed : int, default=0
        Seed of the draw.
    language : str or None, default="en"
        The language of the facts of FactWorld. None: all that the model was trained on; N and
        ``most`` then count statements, whatever their number of languages.

    Returns
    -------
    list of Fact

    Examples
    --------
    >>> from neurotopo.studies.facts import facts_for
    >>> len(facts_for("factworld:5")), len(facts_for("factworld", "testbed:planted"))
    (5, 322)
    >>> [fact.id for fact in facts_for("factworld:1", "testbed:gpt2", language=None)]
    ['en:capital:country14', 'fr:capital:country14']
    """
    from neurotopo.knowledge.facts import FactSet

    if isinstance(facts, str) and facts.split(":")[0] == _WORLD:
        n = _number(facts)
        known = _of_world(model, language)
        there = len(known) if language is not None else len(_stated(known))
        if n is not None and n > there:
            raise ValueError(f"{facts!r} asks for {n} facts, but there are {there}.")
        most = most if n is None else n
        if language is None:
            return _sample_stated(known, most, seed)
    elif isinstance(facts, str | os.PathLike):
        from neurotopo.datasets import load_facts

        place = Path(facts)
        if not place.exists():
            raise FileNotFoundError(
                f"there is no file {os.fspath(facts)!r}; facts are a file, factworld or factworld:N"
            )
        known = FactSet(load_facts(place))
    else:
        known = FactSet(facts)
    if not len(known):
        raise ValueError("there are no facts.")
    return list(known if most is None or most >= len(known) else known.sample(most, seed=seed))


def wordings_for(facts: str | os.PathLike[str], model: Any = None) -> list[tuple[Fact, ...]]:
    """Return the facts of :func:`facts_for`, each in all its wordings.

    Parameters
    ----------
    facts : str or path-like
        As for :func:`facts_for`. ParaRel and the files of ``neurotopo facts known`` have several
        wordings of each fact.
    model : str or NeuronModel, optional
        The model that is asked.

    Returns
    -------
    list of tuple of Fact

    Examples
    --------
    >>> from neurotopo.studies.facts import wordings_for
    >>> [len(wordings) for wordings in wordings_for("factworld:2")]
    [1, 1]
    """
    known = worded_facts(facts)
    if known is not None:
        return list(known.wordings.values())
    return [(fact,) for fact in facts_for(facts, model)]


def worded_facts(facts: Any) -> Reworded | None:
    """Return facts with several wordings, or those of a file with them; None for others."""
    from neurotopo.datasets import Reworded, load_facts

    if isinstance(facts, str | os.PathLike) and Path(facts).exists():
        facts = load_facts(facts)
    return facts if isinstance(facts, Reworded) else None


def _number(name: str) -> int | None:
    if name == _WORLD:
        return None
    text = name.removeprefix(f"{_WORLD}:")
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ValueError(
            f"facts must be factworld:N with a whole number N from 1 on, got {name!r}."
        )
    return int(text)


def _of_world(model: Any, language: str | None) -> Any:
    from neurotopo.datasets import load_factworld
    from neurotopo.knowledge.facts import FactSet
    from neurotopo.models.builtin_models import PREFIX, find

    if isinstance(model, str) and model.startswith(PREFIX):
        file = find(model) / "facts.jsonl"
        if file.is_file():
            known = FactSet.from_jsonl(file)
            return known if language is None else known.filter(language=language)
    return FactSet(load_factworld(_LANGUAGES if language is None else language, core=True))


def _stated(facts: Iterable[Fact]) -> list[str]:
    """Return the ids of the statements of facts, in order of appearance."""
    from neurotopo.testbed.statements import core_id

    return list(dict.fromkeys(core_id(fact) for fact in facts))


def _sample_stated(facts: Any, most: int | None, seed: int) -> list[Fact]:
    """Draw statements as :meth:`FactSet.sample` draws facts; return them in all languages."""
    from neurotopo.testbed.statements import core_id

    names = _stated(facts)
    if most is None or most >= len(names):
        return list(facts)
    drawn = np.random.default_rng(seed).choice(len(names), size=most, replace=False)
    kept = {names[i] for i in drawn}
    return [fact for fact in facts if core_id(fact) in kept]
