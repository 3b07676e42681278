"""Word positions in texts of any script, and names reduced to their words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["normalized", "stands_alone", "word_spans"]

_JOINERS = frozenset("'\u2019-.&")
# Scripts without spaces between words: every character counts as a word.
_ALONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)


def stands_alone(character: str) -> bool:
    """Tell whether a character counts as a word because its script has no spaces."""
    return _ALONE.match(character) is not None


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each word.

    Words consist of letters, digits and marks, with apostrophes, hyphens, full stops and
    ampersands inside. In scripts without spaces (Chinese, Japanese, Thai and others) every
    character is a word. A placeholder counts as a word.

    Examples
    --------
    >>> from neurotopo.knowledge.words import word_spans
    >>> text = "Ada Brünn-Vèze, 31, isn't in 京都."
    >>> [text[start:end] for start, end in word_spans(text)]
    ['Ada', 'Brünn-Vèze', '31', "isn't", 'in', '京', '都']
    """
    spans: list[tuple[int, int]] = []
    for i, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        if kind not in "LNM":
            continue
        start, end = spans[-1] if spans else (0, -2)
        joined = i == end or (i == end + 1 and text[end] in _JOINERS)
        alone = stands_alone(character) or (joined and stands_alone(text[end - 1]))
        if joined and (not alone or (kind == "M" and i == end)):
            spans[-1] = (start, i + 1)
        else:
            spans.append((i, i + 1))
    return spans


@lru_cache(maxsize=2**16)
def normalized(text: str) -> str:
    """Return a text without case, punctuation and extra spaces, for comparing names.

    A text without a word is only case-folded.

    Examples
    --------
    >>> from neurotopo.knowledge.words import normalized
    >>> normalized("  The  Peko Motor-Works, Inc."), normalized("C++"), normalized("++")
    ('the peko motor-works inc', 'c', '++')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [folded[start:end] for start, end in word_spans(folded)]
    return " ".join(words) if words else folded.strip()
