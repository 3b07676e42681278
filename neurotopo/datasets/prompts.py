"""Prompts from a template and a subject, and prompts that end where the answer begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from neurotopo.knowledge.facts import Fact
from neurotopo.models.prompts import Template, causal_parts

__all__ = ["PROMPTS", "causal_fact", "check_prompts", "fill", "subject_in"]

PROMPTS = ("causal", "original")
"""Forms of prompts: ending where the answer begins, or as in the file."""


def check_prompts(prompts: str) -> None:
    """Raise unless ``prompts`` is one of :data:`PROMPTS`."""
    if prompts not in PROMPTS:
        raise ValueError(f"prompts must be 'causal' or 'original', got {prompts!r}.")


def causal_fact(fact: Fact, templates: Mapping[str, Template] | None = None) -> Fact:
    """Return a fact whose prompt ends where the answer begins, without a placeholder.

    Parameters
    ----------
    fact : Fact
        Any fact.
    templates : mapping, optional
        As in :func:`neurotopo.models.prompts.causal_parts`.

    Returns
    -------
    Fact

    Raises
    ------
    ValueError
        If words follow the placeholder and the prompt cannot be reworded.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import causal_fact
    >>> causal_fact(Fact("_X_ is the chair of Peko Motor Works.", "Émile Vèze")).prompt
    'The chair of Peko Motor Works is'
    """
    parts = causal_parts(fact, templates)
    short = replace(fact, prompt=parts.before)
    again = causal_parts(short)
    if again == parts and all(again.space(each) == parts.space(each) for each in fact.answers):
        return short
    # The default spacing before the answer would be wrong: keep the placeholder.
    return replace(fact, prompt=f"{parts.before}{parts.separator}_X_")


def fill(template: str, names: Mapping[str, str]) -> str:
    """Replace the marks of a template by names, all at once: marks within names stay.

    Examples
    --------
    >>> from neurotopo.datasets.prompts import fill
    >>> fill("[X] borders [Y].", {"[X]": "Zúnia [Y]", "[Y]": "_X_"})
    'Zúnia [Y] borders _X_.'
    """
    marks = "|".join(map(re.escape, names))
    return re.sub(marks, lambda mark: names[mark.group()], template)


def subject_in(prompt: str, wording: str) -> str | None:
    """Return the text in the place of ``[Y]``, or None if the prompt does not fit the wording.

    Examples
    --------
    >>> from neurotopo.datasets.prompts import subject_in
    >>> subject_in("_X_ is the chair of Peko Motor Works.", "_X_ is the chair of [Y].")
    'Peko Motor Works'
    """
    before, _, after = wording.partition("[Y]")
    fits = prompt.startswith(before) and prompt.endswith(after)
    subject = prompt[len(before) : len(prompt) - len(after)] if fits else ""
    return subject.strip() or None
