"""Text before and after the answer of a fact.

A causal model reads from left to right, so its prompt must end where the answer starts; a masked
model reads both sides. :mod:`neurotopo.models.encoding` makes token ids.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from neurotopo.models.scripts import begins_unspaced, ends_unspaced

__all__ = [
    "PLACEHOLDERS",
    "RELATION_TEMPLATES",
    "FactLike",
    "PromptParts",
    "Template",
    "causal_parts",
    "describe_fact",
    "masked_parts",
    "split_prompt",
    "turned_round",
]

PLACEHOLDERS = ("_X_", "[MASK]", "<mask>", "___")
"""Placeholders of the answer in a prompt; the last means three underscores or more."""

Template = str | tuple[str, str]
"""Rewording of a prompt: the new wording, or (pattern, new wording)."""

RELATION_TEMPLATES: Mapping[str, tuple[str, str]] = {
    # TempLAMA
    **{
        relation: (f"_X_ is the {role} of [Y].", f"The {role} of [Y] is _X_.")
        for relation, role in (
            ("P6", "head of the government"),
            ("P286", "head coach"),
            ("P488", "chair"),
        )
    },
    # LAMA
    "P27": ("[Y] is _X_ citizen.", "[Y] is a citizen of _X_."),
    "P102": (
        "[Y] is a member of the _X_ political party.",
        "[Y] is a member of the political party _X_.",
    ),
    "P106": ("[Y] is a _X_ by profession.", "By profession, [Y] is a _X_."),
    "P136": ("[Y] plays _X_ music.", "The music that [Y] plays is _X_."),
    "P140": (
        "[Y] is affiliated with the _X_ religion.",
        "[Y] is affiliated with the religion of _X_.",
    ),
    "P190": ("[Y] and _X_ are twin cities.", "[Y] is a twin city of _X_."),
    "P413": ("[Y] plays in _X_ position.", "[Y] plays in the position of _X_."),
    "P1923": ("_X_ participated in the [Y].", "One participant in the [Y] was _X_."),
}
"""For each relation a wording with words after the answer, and one that ends in the answer.

``_X_`` is the answer and ``[Y]`` the subject.
"""

_PLACEHOLDER = r"(?:_X_|\[MASK\]|<mask>|_{3,})"
_SUBJECT = "[Y]"
_TRAILING_SPACE = re.compile(r"[^\S\r\n]+$")
_GENERAL = re.compile(
    rf"\s*(?P<lead>[^,]+,\s+)?{_PLACEHOLDER}\s+(?P<verb>is|was|are|were)\s+the\s+"
    r"(?P<role>\S.*?\sof\s.*?[^\s?])\s*[.!]?\s*"
)
# Languages without spaces between words.
_UNSPACED = frozenset(["zh", "yue", "wuu", "lzh", "ja", "th", "lo", "km", "my", "bo", "dz"])
_ELIDING = frozenset(["fr", "it", "ca", "oc"])
_FULL_STOPS = {
    **dict.fromkeys(("zh", "yue", "wuu", "lzh", "ja"), "。"),
    **dict.fromkeys(("hi", "ne"), " ।"),
    **dict.fromkeys(("th", "lo"), ""),
}


class FactLike(Protocol):
    """Interface of facts; :class:`neurotopo.knowledge.Fact` implements it."""

    @property
    def prompt(self) -> str:
        """The sentence or question, with or without a placeholder."""

    @property
    def answers(self) -> Sequence[str]:
        """The valid answers."""

    @property
    def relation(self) -> str | None:
        """Name of the relation, for the templates."""

    @property
    def id(self) -> str | None:
        """Name of the fact, for messages."""

    @property
    def subject(self) -> str | None:
        """Name of the subject, for the templates."""

    @property
    def language(self) -> str:
        """Code of the language."""


@dataclass(frozen=True)
class PromptParts:
    """The text around an answer.

    Attributes
    ----------
    before : str
        Text before the answer; it never ends in a space.
    separator : {"", " "}
        The space between ``before`` and the answer, if any. It belongs to the answer, because
        tokens contain the space before them.
    after : str
        Text after the answer; empty for a causal model.
    implied : bool
        The space is not in the prompt, so it depends on the answer; see :meth:`space`.

    Examples
    --------
    >>> from neurotopo.models.prompts import PromptParts
    >>> parts = PromptParts("The capital of France is", " ", ".")
    >>> parts.sentence("Paris")
    'The capital of France is Paris.'
    """

    before: str
    separator: str
    after: str = ""
    implied: bool = field(default=False, compare=False, repr=False)

    def space(self, answer: str) -> str:
        """Return the space before an answer, if any.

        The separator; but no implied space if both the text before the answer and the answer are
        in scripts without spaces, as 法国的首都是 and 巴黎.
        """
        joined = self.implied and ends_unspaced(self.before) and begins_unspaced(answer)
        return "" if joined else self.separator

    def sentence(self, answer: str) -> str:
        """Return the text with an answer filled in."""
        return f"{self.before}{self.space(answer)}{answer}{self.after}"


def split_prompt(prompt: str) -> tuple[str, str] | None:
    """Return the text before and after the placeholder, or None without one.

    Several of :data:`PLACEHOLDERS` are a ValueError.

    Examples
    --------
    >>> from neurotopo.models.prompts import split_prompt
    >>> split_prompt("The capital of Zúnia is _X_.")
    ('The capital of Zúnia is ', '.')
    >>> split_prompt("Who owns Peko Motor Works?")
    """
    matches = list(re.finditer(_PLACEHOLDER, prompt))
    if len(matches) > 1:
        marks = ", ".join(match.group() for match in matches)
        raise ValueError(
            f"the prompt {prompt!r} has {len(matches)} placeholders ({marks}); use one for the "
            "whole answer, however many tokens it has"
        )
    return (prompt[: matches[0].start()], prompt[matches[0].end() :]) if matches else None


def causal_parts(fact: FactLike, templates: Mapping[str, Template] | None = None) -> PromptParts:
    """Return the text of a causal prompt: it ends where the answer starts.

    - No placeholder: the prompt itself, such as a question.
    - Only punctuation or symbols after the placeholder: the text before it.
    - Otherwise the sentence is reworded, see :func:`turned_round`.

    A space at the end moves to the answer. Without a placeholder a space separates prompt and
    answer, unless the language has no spaces, or the last letter of the prompt and the first of the
    answer are of scripts without spaces, or the prompt ends in a line break, an opening bracket or
    quotation mark or, in French and Italian, an elision.

    Parameters
    ----------
    fact : FactLike
    templates : mapping of str to str or (str, str), optional
        Wordings by relation, tried before :data:`RELATION_TEMPLATES`.

    Returns
    -------
    PromptParts

    Raises
    ------
    ValueError
        If there are words after the placeholder and no template fits, or no text before the answer.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.models.prompts import causal_parts
    >>> fact = Fact("_X_ is the chair of Peko Motor Works.", "Émile Vèze", relation="P488")
    >>> causal_parts(fact)
    PromptParts(before='The chair of Peko Motor Works is', separator=' ', after='')
    >>> causal_parts(Fact("祖尼亚的首都是_X_。", "圣佩科", language="zh"))
    PromptParts(before='祖尼亚的首都是', separator='', after='')
    """
    prompt = fact.prompt
    split = split_prompt(prompt)
    if split is not None and _has_words(split[1]):
        prompt = turned_round(fact, templates)
        split = split_prompt(prompt)
    before = prompt if split is None else split[0]
    if not before.strip():
        raise ValueError(
            f"{describe_fact(fact)}: no text is left before the answer; a causal model needs a "
            "prompt."
        )
    text, separator = _moved_space(before, _language_of(fact), marked=split is not None)
    return PromptParts(text, separator, implied=split is None and text == before)


def masked_parts(fact: FactLike) -> PromptParts:
    """Return the text before and after the masks of a masked model.

    A prompt without a placeholder gets one at its end, before a full stop: "Who owns Google?"
    becomes "Who owns Google? _X_." Spaces are as for :func:`causal_parts`. A prompt without text
    around the placeholder is a ValueError.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.models.prompts import masked_parts
    >>> masked_parts(Fact("_X_ is the capital of Zúnia.", "São Peko"))
    PromptParts(before='', separator='', after=' is the capital of Zúnia.')
    >>> masked_parts(Fact("Who owns Peko Motor Works?", "Ilse Krone"))
    PromptParts(before='Who owns Peko Motor Works?', separator=' ', after='.')
    """
    language = _language_of(fact)
    split = split_prompt(fact.prompt)
    before, after = split or (fact.prompt, _FULL_STOPS.get(language, "."))
    if not (before + after).strip():
        raise ValueError(f"{describe_fact(fact)}: there is nothing around the placeholder.")
    text, separator = _moved_space(before, language, marked=split is not None)
    if language in _UNSPACED and not _is_latin(after.lstrip()[:1]):
        after = after.lstrip(" \u3000")
    return PromptParts(text, separator, after, implied=split is None and text == before)


def turned_round(fact: FactLike, templates: Mapping[str, Template] | None = None) -> str:
    """Reword a prompt so that the answer comes last.

    The first that fits: the entry of ``templates`` for the fact's relation, that of
    :data:`RELATION_TEMPLATES`, and for English the general rule "_X_ is (was, are, were) the R
    of S." -> "The R of S is _X_.", also after an introduction with a comma ("In 2010, ...").

    Parameters
    ----------
    fact : FactLike
        A fact whose prompt has words after the placeholder.
    templates : mapping of str to str or (str, str), optional
        For each relation either ``(pattern, turned)``: if the prompt matches the pattern, its text
        in the place of ``[Y]`` is put into ``turned``; or ``turned`` alone, whose ``[Y]`` is the
        fact's ``subject``.

    Returns
    -------
    str
        A prompt with only punctuation after the placeholder, or without one.

    Raises
    ------
    ValueError
        If nothing fits, or if a template does not put the answer last. The message shows a
        template to pass.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.models.prompts import turned_round
    >>> turned_round(Fact("_X_ was the mayor of Marly.", "Ilse Krone"))
    'The mayor of Marly was _X_.'
    >>> fact = Fact("_X_ sings for Marly.", "Ada Brünn", relation="sings")
    >>> turned_round(fact, {"sings": ("_X_ sings for [Y].", "The singer of [Y] is _X_.")})
    'The singer of Marly is _X_.'
    """
    for source in (templates or {}, RELATION_TEMPLATES):
        if fact.relation is not None and fact.relation in source:
            turned = _apply(source[fact.relation], fact)
            if turned is not None:
                return turned
    general = _GENERAL.fullmatch(fact.prompt) if _language_of(fact) == "en" else None
    if general is not None:
        lead, verb, role = general.group("lead", "verb", "role")
        return f"{lead}the {role} {verb} _X_." if lead else f"The {role} {verb} _X_."
    relation = fact.relation or "my relation"
    named = "" if fact.relation else ", and set the relation of the fact"
    raise ValueError(
        f"{describe_fact(fact)}: there are words after the placeholder, but the answer must come "
        "last, as a causal model reads from left to right. Reword the prompt, or pass templates="
        f"{{{relation!r}: ('_X_ leads [Y].', 'The leader of [Y] is _X_.')}}{named}: the wording "
        "to replace and the new wording, with _X_ for the answer and [Y] for the subject."
    )


def describe_fact(fact: FactLike) -> str:
    """Name a fact in a message: its id, if any, and the beginning of its prompt."""
    prompt = fact.prompt if len(fact.prompt) <= 80 else f"{fact.prompt[:77]}..."
    return f"Fact {prompt!r}" if fact.id is None else f"Fact {fact.id!r} ({prompt!r})"


def _apply(template: Template, fact: FactLike) -> str | None:
    """Fill a template, or return None if its pattern does not match the prompt."""
    where = f"{describe_fact(fact)}: the template of relation {fact.relation!r}"
    subject = fact.subject
    if isinstance(template, str):
        turned = template
    elif isinstance(template, tuple | list) and [type(text) for text in template] == [str, str]:
        pattern, turned = template
        match = _pattern_of(pattern).fullmatch(fact.prompt)
        if match is None:
            return None
        matched = match.groupdict().get("subject")
        # The full stop of "Motor Works Inc." may belong to the abbreviation and to the sentence.
        if matched is not None and (subject is None or subject.rstrip(".") != matched):
            subject = matched
    else:
        raise ValueError(f"{where} must be a string or two, got {template!r}.")
    if _SUBJECT in turned:
        if subject is None:
            raise ValueError(
                f"{where} has [Y] for the subject, but the fact has no subject: set it, or pass "
                "(wording to replace, new wording)."
            )
        turned = turned.replace(_SUBJECT, subject)
    split = split_prompt(turned)
    if split is not None and _has_words(split[1]):
        raise ValueError(f"{where} leaves words after the answer: {turned!r}.")
    return turned


def _pattern_of(wording: str) -> re.Pattern[str]:
    """Return a pattern for a wording that ignores extra spaces and a final full stop."""
    words = re.split(rf"({_PLACEHOLDER}|\[Y\]|\s+)", wording.strip().rstrip(".").rstrip())
    known = {_SUBJECT: r"(?P<subject>\S|\S.*?\S)", "": ""}
    parts = [
        known.get(word)
        or (_PLACEHOLDER if re.fullmatch(_PLACEHOLDER, word) else None)
        or (r"\s+" if word.isspace() else re.escape(word))
        for word in words
    ]
    return re.compile(rf"\s*{''.join(parts)}\s*[.!]?\s*")


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _is_latin(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _language_of(fact: FactLike) -> str:
    return re.split("[-_]", fact.language.lower(), maxsplit=1)[0]  # "zh" of "zh-Hans"


def _moved_space(text: str, language: str, *, marked: bool) -> tuple[str, str]:
    """Strip the space at the end of a text; also return the separator before the answer.

    If the place of the answer is ``marked``, the spacing of the text applies.
    """
    bare = _TRAILING_SPACE.sub("", text)
    spaced = bare != text
    if not bare:
        return bare, ""
    if language in _UNSPACED:
        return bare, " " if spaced and _is_latin(bare[-1]) else ""
    if marked or spaced or bare[-1].isspace():
        return bare, " " if spaced else ""
    return bare, "" if _joins_what_follows(bare, language) else " "


def _joins_what_follows(text: str, language: str) -> bool:
    last, before = text[-1], text[-2:-1]
    if last in "'\u2019" and language in _ELIDING:
        return True
    if last in "'\"" or unicodedata.category(last) == "Sc":  # the sign of a currency
        return before.isspace() or not before
    return unicodedata.category(last) in ("Ps", "Pi") or last in "¿¡"
