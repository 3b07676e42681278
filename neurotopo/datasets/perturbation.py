"""Perturbed prompts: a word or token is replaced, added or deleted (Eq 15)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.words import stands_alone, word_spans
from neurotopo.models.prompts import describe_fact, split_prompt

__all__ = ["PERTURBATIONS", "perturb", "perturb_all"]

PERTURBATIONS = ("replace", "add", "delete")
"""The three kinds of Eq 15."""

_Span = tuple[int, int]


def perturb(
    fact: Fact,
    kind: str | None = None,
    *,
    n: int = 1,
    seed: int = 0,
    marks: tuple[str, str] = ("[replace]", "[add]"),
    keep_subject: bool = False,
    tokenizer: Any = None,
) -> Fact:
    """Return a fact with a perturbed prompt and the same answers.

    ``"replace"`` replaces a word by a mark, ``"add"`` inserts a mark before a word and
    ``"delete"`` removes a word (Eq 15). The seed and the fact's :attr:`~neurotopo.Fact.key` alone
    select the word. The placeholder never changes.

    Parameters
    ----------
    fact : Fact
        The fact.
    kind : {"replace", "add", "delete"}, optional
        The kind of change. Default: a random one.
    n : int, default=1
        Number of different words to change.
    seed : int, default=0
        Seed of the draw.
    marks : (str, str), default=("[replace]", "[add]")
        The mark that replaces a word, and the mark inserted before one.
    keep_subject : bool, default=False
        Do not change the words of the fact's ``subject``.
    tokenizer : tokenizer of transformers, optional
        Change tokens instead of words. It must return offsets, as fast tokenizers do.

    Returns
    -------
    Fact
        Its ``id`` is the key of the fact, ``"~"``, the kind and the seed.

    Raises
    ------
    ValueError
        If the prompt has too few words.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import perturb
    >>> fact = Fact("Ada Brünn plays for _X_.", "Marly United", id="ada")
    >>> for kind in ("replace", "add", "delete"):
    ...     print(perturb(fact, kind).prompt)
    Ada Brünn plays [replace] _X_.
    Ada [add] Brünn plays for _X_.
    Ada Brünn for _X_.
    >>> perturb(fact, "delete", seed=3).id
    'ada~delete3'
    """
    if kind not in (None, *PERTURBATIONS):
        raise ValueError(f"kind must be one of {', '.join(PERTURBATIONS)}, got {kind!r}.")
    for mark in marks:
        if not mark.strip() or _has_placeholder(mark):
            raise ValueError(f"a mark must be a text without a placeholder, got {mark!r}.")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")
    random = seeded(seed, f"perturb {kind}", fact.key)
    if kind is None:
        kind = PERTURBATIONS[random.integers(len(PERTURBATIONS))]
    spans = _spans(fact, tokenizer)
    free = _outside_subject(spans, fact) if keep_subject else spans
    most = len(free) - (kind == "delete" and len(free) == len(spans))  # one word must remain
    if n > most:
        raise ValueError(
            f"{describe_fact(fact)}: {n} cannot be changed by {kind!r}; at most {most} can."
        )
    prompt = fact.prompt
    for i in sorted(random.choice(len(free), size=n, replace=False), reverse=True):
        prompt = _changed(prompt, free[i], kind, marks)
    return replace(fact, prompt=prompt, id=f"{fact.key}~{kind}{seed}")


def perturb_all(facts: Iterable[Fact], kind: str | None = None, **options: Any) -> FactSet:
    """Return the facts with perturbed prompts, in the same order.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    kind : {"replace", "add", "delete"}, optional
        The kind of change. Default: a random one for each fact.
    **options
        Other parameters of :func:`perturb`.

    Returns
    -------
    FactSet

    Examples
    --------
    >>> from neurotopo import Fact, FactSet
    >>> from neurotopo.datasets import perturb_all
    >>> facts = FactSet([Fact("Who owns Peko Motor Works?", "Ilse Krone", id="peko")])
    >>> [fact.prompt for fact in perturb_all(facts, "delete", n=2)]
    ['Who owns Peko?']
    """
    return FactSet(perturb(fact, kind, **options) for fact in facts)


def _spans(fact: Fact, tokenizer: Any) -> list[_Span]:
    """Return the spans of the words or tokens, without the placeholder."""
    prompt = fact.prompt
    before, after = split_prompt(prompt) or (prompt, "")
    return [
        (start + offset, end + offset)
        for text, offset in ((before, 0), (after, len(prompt) - len(after)))
        for start, end in (word_spans(text) if tokenizer is None else _tokens(text, tokenizer))
    ]


def _outside_subject(spans: list[_Span], fact: Fact) -> list[_Span]:
    if fact.subject is None:
        raise ValueError(f"{describe_fact(fact)}: keep_subject needs field 'subject'.")
    kept = [match.span() for match in re.finditer(re.escape(fact.subject), fact.prompt)]
    return [span for span in spans if not any(a < span[1] and span[0] < b for a, b in kept)]


def _tokens(text: str, tokenizer: Any) -> list[_Span]:
    """Return the spans of the tokens of a text, without the space before them."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans: list[_Span] = []
    for start, end in encoded["offset_mapping"]:
        start += len(text[start:end]) - len(text[start:end].lstrip())
        # Tokens of one character, such as its bytes, share a span.
        if start < end and (not spans or start >= spans[-1][1]):
            spans.append((start, end))
    return spans


def _changed(prompt: str, span: _Span, kind: str, marks: tuple[str, str]) -> str:
    start, end = span
    if kind == "replace":
        return f"{prompt[:start]}{marks[0]}{prompt[end:]}"
    before, after = prompt[:start], prompt[end:]
    if kind == "delete":
        bare = before.rstrip()
        return f"{bare}{after}" if bare else f"{before}{after.lstrip()}"
    begins = not before or before[-1].isspace()
    space = " " if begins and not stands_alone(prompt[start]) else ""
    return f"{before}{marks[1]}{space}{prompt[start:]}"


def _has_placeholder(text: str) -> bool:
    try:
        return split_prompt(text) is not None
    except ValueError:
        return True
