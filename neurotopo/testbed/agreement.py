"""Minimal pairs of number agreement: two sentences that differ in one word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from neurotopo.testbed.draws import Draws

__all__ = ["PHENOMENA", "AgreementPair", "draw_pairs"]

Phenomenon = Literal["noun", "noun_adjective", "noun_distractor", "verb", "verb_distractor"]
Number = Literal["singular", "plural"]

PHENOMENA: tuple[Phenomenon, ...] = get_args(Phenomenon)
"""The word that agrees with the determiner, and what separates them."""

_REGULAR = (
    *("lawyer", "doctor", "farmer", "singer", "teacher", "painter"),
    *("driver", "baker", "sailor", "writer", "student", "guest"),
)
_NOUNS = tuple((noun, f"{noun}s") for noun in _REGULAR)
_NAMES = ("Nora", "Karl", "Mila", "Boris", "Vera", "Tomas")
_SEEING = ("greeted", "met", "thanked", "called", "watched", "helped")
_ADJECTIVES = ("tired", "young", "famous", "quiet", "busy", "clever")
_VERBS = (
    (("is", "are"), "in the garden"),
    (("was", "were"), "at the market"),
    (("has", "have"), "a letter"),
    (("works", "work"), "at night"),
    (("smiles", "smile"), "today"),
)
_LINKS = ("near", "behind", "beside", "without")
_NUMBERS: tuple[Number, Number] = ("singular", "plural")
_THIS = ("this", "these")


@dataclass(frozen=True)
class AgreementPair:
    """A grammatical sentence and one that breaks the agreement of number.

    Attributes
    ----------
    prefix : str
        Common beginning: ``"Nora met these"``.
    good, bad : str
        The next word, in the correct and in the wrong number.
    phenomenon : str
        One of :data:`PHENOMENA`: what agrees with the determiner, a noun or a verb, and whether an
        adjective or a noun of the other number stands between.
    number : {"singular", "plural"}
        The correct number.
    rest : str
        Common end without the full stop, often empty.

    Examples
    --------
    >>> from neurotopo.testbed.agreement import AgreementPair
    >>> pair = AgreementPair("Nora met these", "lawyers", "lawyer", "noun", "plural")
    >>> pair.good_sentence, pair.bad_sentence
    ('Nora met these lawyers.', 'Nora met these lawyer.')
    """

    prefix: str
    good: str
    bad: str
    phenomenon: Phenomenon
    number: Number
    rest: str = ""

    @property
    def good_sentence(self) -> str:
        """The sentence with the correct word."""
        return self._sentence(self.good)

    @property
    def bad_sentence(self) -> str:
        """The sentence with the wrong word."""
        return self._sentence(self.bad)

    def _sentence(self, word: str) -> str:
        return " ".join(part for part in (self.prefix, word, self.rest) if part) + "."


def draw_pairs(n: int, seed: int = 0) -> list[AgreementPair]:
    """Return n distinct pairs, the phenomena and numbers in turn.

    Parameters
    ----------
    n : int
        Number of pairs, up to 500.
    seed : int, default=0
        Seed of the draw.

    Examples
    --------
    >>> from neurotopo.testbed.agreement import draw_pairs
    >>> for pair in draw_pairs(10)[5:]:
    ...     print(pair.prefix, "|", pair.good, "|", pair.bad)
    Vera thanked these | drivers | driver
    Boris called these busy | doctors | doctor
    Without the student, Vera thanked these | guests | guest
    These teachers | are | is
    These sailors behind the doctor | are | is
    """
    if not 0 <= n <= 500:
        raise ValueError(f"n must be at least 0 and at most 500, got {n}.")
    draws = Draws(seed, 1)
    pairs: dict[AgreementPair, None] = {}
    while len(pairs) < n:  # a repeated pair is drawn again
        turn, phenomenon = divmod(len(pairs), len(PHENOMENA))
        pairs.setdefault(_pair(draws, PHENOMENA[phenomenon], plural=turn % 2))
    return list(pairs)


def _pair(draws: Draws, phenomenon: Phenomenon, plural: int) -> AgreementPair:
    noun, other = draws.shuffled(_NOUNS)[:2]
    seen = f"{draws.choice(_NAMES)} {draws.choice(_SEEING)} {_THIS[plural]}"
    words, rest = noun, ""
    if phenomenon == "noun":
        prefix = seen
    elif phenomenon == "noun_adjective":
        prefix = f"{seen} {draws.choice(_ADJECTIVES)}"
    elif phenomenon == "noun_distractor":
        where = f"{draws.choice(_LINKS).capitalize()} the {other[1 - plural]}"
        prefix = f"{where}, {seen}"
    else:
        prefix = f"{_THIS[plural].capitalize()} {noun[plural]}"
        words, rest = draws.choice(_VERBS)
        if phenomenon == "verb_distractor":
            prefix += f" {draws.choice(_LINKS)} the {other[1 - plural]}"
    good, bad = words[plural], words[1 - plural]
    return AgreementPair(prefix, good, bad, phenomenon, _NUMBERS[plural], rest)
