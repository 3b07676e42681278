"""Random draws that are the same in every version of numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["Draws", "number_of"]

T = TypeVar("T")


class Draws:
    """Draws from the bits of PCG64.

    numpy keeps the bits of a seed stable across versions, but not its draws.

    Parameters
    ----------
    key : int
        Non-negative numbers that identify the stream.

    Examples
    --------
    >>> from neurotopo.testbed.draws import Draws
    >>> draws = Draws(0)
    >>> [draws.below(10) for _ in range(8)]
    [6, 2, 0, 0, 8, 9, 6, 7]
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def below(self, n: int) -> int:
        """Return one of 0, ..., n - 1, uniform up to rounding of n / 2**64."""
        return (int(self._bits.random_raw()) * n) >> 64

    def chance(self, percent: int) -> bool:
        """Return True with the given probability in percent."""
        return self.below(100) < percent

    def choice(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result


def number_of(text: str) -> int:
    """Return a reproducible hash of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
