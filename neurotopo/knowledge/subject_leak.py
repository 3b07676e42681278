"""Answers that the subject of a fact gives away."""

from __future__ import annotations

import unicodedata

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.words import normalized
from neurotopo.models.prompts import split_prompt

__all__ = ["answer_in_subject"]

# Names of a country, its people and its language share at least so many letters, and most.
_LEAST, _SHARE = 4, 0.6


def answer_in_subject(fact: Fact) -> str | None:
    """Tell whether the subject of a fact gives its answer away, so that it is no memory.

    Names are compared without case, diacritics and punctuation. An answer of four letters or more
    may be within a word ("German" in "Germany"), a shorter one must be a whole word or several. A
    stem is shared if a word of an answer and a word of the subject begin with the same letters, at
    least four and at least 60 % of the shorter word: "Sweden" and "Swedish", but also "Austria" and
    "Australia"; "France" and "French" do not share one. Without a subject the prompt is searched.

    Parameters
    ----------
    fact : Fact

    Returns
    -------
    {"answer", "stem"} or None
        ``"answer"`` if it contains one of the answers, ``"stem"`` if they share a stem.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.subject_leak import answer_in_subject
    >>> law = Fact("It applies in", "Sweden", subject="Constitution of Sweden")
    >>> people = Fact("They live in", "Sweden", subject="Swedish Americans")
    >>> answer_in_subject(law), answer_in_subject(people)
    ('answer', 'stem')
    """
    text = fact.subject
    if text is None:
        text = " ".join(split_prompt(fact.prompt) or (fact.prompt,))
    subject = _plain(text)
    answers = [_plain(answer) for answer in fact.answers]
    for answer in answers:
        if f" {answer} " in f" {subject} " or (len(answer) >= _LEAST and answer in subject):
            return "answer"
    words = [(a, s) for answer in answers for a in answer.split() for s in subject.split()]
    return "stem" if any(_share_stem(*pair) for pair in words) else None


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", normalized(text))
    return "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")


def _share_stem(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    pairs = zip(one, other, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    return same >= max(_LEAST, _SHARE * shorter)
