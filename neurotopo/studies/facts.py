"""The facts of a study, by the name of a file or of FactWorld."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact

__all__ = ["facts_for"]

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
    """Return the facts that a study is asked for.

    Parameters
    ----------
    facts : str, path-like or iterable of Fact
        ``"factworld"``: the facts that a model of the test bed was trained on, for other models
        those that the shipped models were. ``"factworld:N"``: N of them, drawn at random.
        Else a file in any of the formats of :func:`neurotopo.datasets.load_facts`, or facts.
    model : str or NeuronModel, optional
        The model they are for.
    most : int, optional
        At most so many, drawn at random; ``"factworld:N"`` is taken as it is.
    seed : int, default=0
        Seed of what is drawn.
    language : str or None, default="en"
        The language of the facts of FactWorld. None: all that the model was trained on; N and
        ``most`` then count what is stated, in however many languages.

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
        found = _of_world(model, language)
        there = len(found) if language is not None else len(_stated(found))
        if n is not None and n > there:
            raise ValueError(f"{facts!r} asks for {n} facts, but there are {there}.")
        most = most if n is None else n
        if language is None:
            return _sample_stated(found, most, seed)
    elif isinstance(facts, str | os.PathLike):
        from neurotopo.datasets import load_facts

        place = Path(facts)
        if not place.exists():
            raise FileNotFoundError(
                f"there is no file {os.fspath(facts)!r}; facts are a file, factworld or factworld:N"
            )
        found = FactSet(load_facts(place))
    else:
        found = FactSet(facts)
    if not len(found):
        raise ValueError("there are no facts.")
    return list(found if most is None or most >= len(found) else found.sample(most, seed=seed))


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
    """Return what facts of a world state, in any language, in order of appearance."""
    from neurotopo.testbed.statements import core_id

    return list(dict.fromkeys(core_id(fact) for fact in facts))


def _sample_stated(facts: Any, most: int | None, seed: int) -> list[Fact]:
    """Draw what is stated, as :meth:`FactSet.sample` draws facts, and keep it in all languages."""
    from neurotopo.testbed.statements import core_id

    names = _stated(facts)
    if most is None or most >= len(names):
        return list(facts)
    drawn = np.random.default_rng(seed).choice(len(names), size=most, replace=False)
    kept = {names[i] for i in drawn}
    return [fact for fact in facts if core_id(fact) in kept]
