"""The last token of the subject of a fact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from neurotopo.models.prompts import FactLike, describe_fact

__all__ = ["subject_position"]


def subject_position(tokenizer: Any, fact: FactLike, ids: Sequence[int]) -> int:
    """Return the position of the last token of a fact's subject.

    The tokens are decoded, so that their origin does not matter. If the subject occurs several
    times, the last occurrence counts.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    fact : Fact
        With a subject.
    ids : sequence of int
        Tokens of the prompt.

    Raises
    ------
    ValueError
        If the fact has no subject, or the prompt does not contain it.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.models.examples import word_tokenizer
    >>> from neurotopo.models.subject_position import subject_position
    >>> tokenizer = word_tokenizer("The capital of France is Paris")
    >>> fact = Fact("The capital of France is", "Paris", subject="France")
    >>> subject_position(tokenizer, fact, tokenizer(fact.prompt)["input_ids"])
    3
    """
    if not fact.subject:
        raise ValueError(
            f"{describe_fact(fact)}: positions='subject' needs the subject of the fact; set "
            "Fact.subject to the words in the prompt, or use positions='all'."
        )
    text = _decoded(tokenizer, ids)
    for words in _spellings(tokenizer, fact.subject):
        end = _end(text, words)
        if end:
            reached = (
                i for i in range(len(ids)) if _decoded(tokenizer, ids[: i + 1])[:end] == text[:end]
            )
            return next(reached, len(ids) - 1)
    raise ValueError(
        f"{describe_fact(fact)}: the prompt does not contain the subject {fact.subject!r}; set "
        "Fact.subject to the words in the prompt, or use positions='all'."
    )


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
    return text


def _spellings(tokenizer: Any, subject: str) -> list[str]:
    """Return the subject, and as the tokenizer writes it: in lower case, for example."""
    spellings = [subject]
    ids = tokenizer(f" {subject}", add_special_tokens=False)["input_ids"]
    if ids and tokenizer.unk_token_id not in ids:
        spellings.append(_decoded(tokenizer, ids).strip())
    return [words for words in spellings if words]


def _end(text: str, words: str) -> int | None:
    """Return the end of the last occurrence, or None."""
    pattern = re.escape(words)
    forms = [rf"(?<!\w){pattern}(?!\w)"]
    if words[-1].lower() == words[-1].upper():  # scripts without case have words without spaces
        forms.append(pattern)
    for form in forms:
        ends = [match.end() for match in re.finditer(form, text)]
        if ends:
            return ends[-1]
    return None
