"""Facts in other words: paraphrases, questions, and paragraphs that state them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from neurotopo.datasets.prompts import fill
from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.knowledge.facts import Fact
from neurotopo.models.prompts import describe_fact

__all__ = ["narrative", "paraphrases", "question"]

_MARKS = ("{date}", "{subject}", "{answer}")


def paraphrases(
    fact: Fact, wordings: Mapping[str, Sequence[str]] | None = None
) -> tuple[Fact, ...]:
    """Return a fact in other words, with the answer last.

    Parameters
    ----------
    fact : Fact
        A fact with ``subject`` and ``relation``.
    wordings : mapping of str to sequence of str, optional
        By relation, sentences with ``[Y]`` for the subject and ``_X_`` for the answer. None, and
        for relations that are not in it: those that come with neurotopo, five for each relation
        of TempLAMA, in English.

    Returns
    -------
    tuple of Fact
        The ``id`` is the key of the fact with ``"~"`` and the number of the wording, from 2.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import paraphrases
    >>> fact = Fact("Ada Brünn plays for", "Marly United", "P54", id="ada", subject="Ada Brünn")
    >>> [(other.id, other.prompt) for other in paraphrases(fact)][:2]
    [('ada~2', 'Ada Brünn is a player of _X_.'), ('ada~3', 'The team of Ada Brünn is _X_.')]
    """
    relation, subject = _needed(fact, "relation", "subject")
    found = (wordings or {}).get(relation)
    if found is None and relation in TEMPLAMA and fact.language == "en":
        found = TEMPLAMA[relation].wordings
    if found is None:
        raise _unknown(fact, "wordings", "['[Y] is led by _X_.']")
    for wording in found:
        if wording.count("_X_") != 1 or wording.count("[Y]") != 1:
            raise ValueError(f"a wording must have [Y] and _X_ once each, got {wording!r}.")
    return tuple(
        replace(fact, prompt=fill(wording, {"[Y]": subject}), id=f"{fact.key}~{i}")
        for i, wording in enumerate(found, start=2)
    )


def question(fact: Fact) -> Fact:
    """Return a fact of a relation of TempLAMA as a question, in English.

    Parameters
    ----------
    fact : Fact
        A fact with ``subject`` and ``relation``.

    Returns
    -------
    Fact
        Its ``id`` is the key of the fact with ``"~question"`` behind it.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import question
    >>> question(Fact("Peko Motors is owned by", "Ada", "P127", subject="Peko Motors")).prompt
    'Who owns Peko Motors?'
    """
    relation, subject = _needed(fact, "relation", "subject")
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
    """Return a paragraph that states a fact, to train a model on.

    It says when, of whom and what, and then what such a relation means, as the paper does for
    TempNarrativeLAMA (App. H). For a counterfactual paragraph give a false answer, or the fact
    that :func:`wrong_facts` made of this one.

    Parameters
    ----------
    fact : Fact
        A fact with ``relation``, ``subject`` and ``date``.
    answer : str, optional
        The answer to state. None: the first of the fact.
    templates : mapping of str to str, optional
        By relation, a text with ``{date}``, ``{subject}`` and ``{answer}``. None, and for
        relations that are not in it: those that come with neurotopo, one for each relation of
        TempLAMA, in English.

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
    relation, subject, date = _needed(fact, "relation", "subject", "date")
    template = (templates or {}).get(relation)
    if template is None and relation in TEMPLAMA and fact.language == "en":
        template = TEMPLAMA[relation].narrative
    if template is None:
        raise _unknown(fact, "templates", "'In {date}, {subject} was led by {answer}.'")
    for mark in _MARKS:
        if mark not in template:
            raise ValueError(f"the template of relation {relation!r} has no {mark}.")
    stated = fact.answers[0] if answer is None else answer
    return fill(template, dict(zip(_MARKS, (date, subject, stated), strict=True)))


def _needed(fact: Fact, *names: str) -> list[str]:
    for name in names:
        if getattr(fact, name) is None:
            raise ValueError(f"{describe_fact(fact)}: field {name!r} is needed for this.")
    return [getattr(fact, name) for name in names]


def _unknown(fact: Fact, parameter: str, example: str) -> ValueError:
    return ValueError(
        f"{describe_fact(fact)}: no text is known for relation {fact.relation!r} in "
        f"{fact.language!r}; pass {parameter}={{{fact.relation!r}: {example}}}."
    )
