"""Scripts that put no space between words."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["begins_unspaced", "ends_unspaced"]

_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # 々 〇, Hiragana, Katakana
    "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "]"
)


def ends_unspaced(text: str) -> bool:
    """Tell whether the last letter of a text is of a script without spaces between words.

    Punctuation, digits and spaces after it do not count. The scripts are Han, Hiragana, Katakana,
    Thai, Lao, Khmer, Myanmar and Tibetan; Hangul has spaces.

    Examples
    --------
    >>> from neurotopo.models.scripts import ends_unspaced
    >>> ends_unspaced("法国的首都是:"), ends_unspaced("프랑스의 수도는"), ends_unspaced("法国 is")
    (True, False, False)
    """
    return begins_unspaced(text[::-1])


def begins_unspaced(text: str) -> bool:
    """Tell whether the first letter of a text is of a script without spaces between words.

    Examples
    --------
    >>> from neurotopo.models.scripts import begins_unspaced
    >>> begins_unspaced("《巴黎》"), begins_unspaced("Paris 巴黎"), begins_unspaced("1998")
    (True, False, False)
    """
    letters = (
        letter
        for letter in text
        if unicodedata.category(letter)[0] in "LM" or _UNSPACED.match(letter)
    )
    first = next(letters, "")
    return _UNSPACED.match(first) is not None
