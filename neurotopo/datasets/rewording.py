"""Other wordings of facts: paraphrases, questions and paragraphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neurotopo.datasets.prompts import fill
from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.knowledge.facts import Fact
from neurotopo.models.prompts import describe_fact

__all__ = ["narrative", "paraphrases", "question"]

_MARKS = ("{date}", "{subject}", "{answer}")


def paraphrases(
    fact: Fact, wordings: Mapping[str, Sequence[str]] | None = None
) -> tuple[Fact, ...]:
    """Return other wordings of a fact, with the answer last.

    Parameters
    ----------
    fact : Fact
        A fact with ``subject`` and ``relation``.
    wordings : mapping of str to sequence of str, optional
        For each relation, sentences with ``[Y]`` for the subject and ``_X_`` for the answer.
        Default, also for relations it lacks: five English wordings for each relation of TempLAMA.

    Returns
    -------
    tuple of Fact
        The ``id`` is the key of the fact, ``"~"`` and the number of the wording, from 2.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import paraphrases
    >>> fact = Fact("Ada Brünn plays for", "Marly United", "P54", id="ada", subject="Ada Brünn")
    >>> [(other.id, other.prompt) for other in paraphrases(fact)][:2]
    [('ada~2', 'Ada Brünn is a player of _X_.'), ('ada~3', 'The team of Ada Brünn is _X_.')]
    """
    relation, subject = _required(fact, "relation", "subject")
    own = (wordings or {}).get(relation)
    sentences = _own_or_shipped(fact, own, "wordings", "wordings", "['[Y] is led by _X_.']")
    for sentence in sentences:
        if sentence.count("_X_") != 1 or sentence.count("[Y]") != 1:
            raise ValueError(f"a wording must have [Y] and _X_ once each, got {sentence!r}.")
    return tuple(
        replace(fact, prompt=fill(sentence, {"[Y]": subject}), id=f"{fact.key}~{i}")
        for i, sentence in enumerate(sentences, start=2)
    )


def question(fact: Fact) -> Fact:
    """Return an English fact of a TempLAMA relation as a question.

    Parameters
    ----------
    fact : Fact
        A fact with ``subject`` and ``relation``.

    Returns
    -------
    Fact
        Its ``id`` is the key of the fact and ``"~question"``.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import question
    >>> question(Fact("Peko Motors is owned by", "Ada", "P127", subject="Peko Motors")).prompt
    'Who owns Peko Motors?'
    """
    relation, subject = _required(fact, "relation", "subject")
    if relation not in TEMPLAMA or fact.language != "en":
        raise ValueError(
            f"{describe_fact(fact)}: there is a question for {', '.join(TEMPLAMA)} in English "
            f"only, not for relation {relation!r} in {fact.language!r}."
        )
    asked = fill(TEMPLAMA[relation].question, {"[Y]": subject})
    return replace(fact, prompt=asked, id=f"{fact.key}~question")


def narrative(
    fact: Fact, answer: str | None = None, *, templates: Mapping[str, str] | None = None
) -> str:
    """Return a paragraph that states a fact, as training text.

    It names the date, the subject and the answer, then explains the relation, like
    TempNarrativeLAMA of the paper (App. H). A false answer, or a fact of :func:`wrong_facts`,
    gives a counterfactual paragraph.

    Parameters
    ----------
    fact : Fact
        A fact with ``relation``, ``subject`` and ``date``.
    answer : str, optional
        The answer to state. Default: the first of the fact.
    templates : mapping of str to str, optional
        For each relation, a text with ``{date}``, ``{subject}`` and ``{answer}``. Default, also
        for relations it lacks: one English text for each relation of TempLAMA.

    Returns
    -------
    str

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import narrative
    >>> fact = Fact("Ada Brünn plays for", "Marly United", "P54", "2019", subject="Ada Brünn")
    >>> narrative(fact).split(". ")[0]
    'The squad lists published in 2019 include Ada Brünn among the players of Marly United'
    """
    relation, subject, date = _required(fact, "relation", "subject", "date")
    own = (templates or {}).get(relation)
    example = "'In {date}, {subject} was led by {answer}.'"
    template = _own_or_shipped(fact, own, "narrative", "templates", example)
    for mark in _MARKS:
        if mark not in template:
            raise ValueError(f"the template of relation {relation!r} has no {mark}.")
    stated = fact.answers[0] if answer is None else answer
    return fill(template, dict(zip(_MARKS, (date, subject, stated), strict=True)))


def _required(fact: Fact, *names: str) -> list[str]:
    for name in names:
        if getattr(fact, name) is None:
            raise ValueError(f"{describe_fact(fact)}: field {name!r} is needed for this.")
    return [getattr(fact, name) for name in names]


def _own_or_shipped(fact: Fact, own: Any, field: str, parameter: str, example: str) -> Any:
    """Return the text of the caller, or else that of the relation in TempLAMA."""
    if own is not None:
        return own
    if fact.language == "en" and fact.relation in TEMPLAMA:
        return getattr(TEMPLAMA[fact.relation or ""], field)
    raise ValueError(
        f"{describe_fact(fact)}: no text for relation {fact.relation!r} in "
        f"{fact.language!r}; pass {parameter}={{{fact.relation!r}: {example}}}."
    )
