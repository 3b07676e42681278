"""What can be chosen about the complexity study, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurotopo.studies.search import SearchOptions

__all__ = ["ComplexityOptions"]


@dataclass(frozen=True)
class ComplexityOptions(SearchOptions):
    """Options of the study ``complexity``; see :class:`~neurotopo.studies.search.SearchOptions`.

    Parameters
    ----------
    draws : int, default=2
        How many faulty prompts of each kind (Eq 15) a fact is asked by.
    n_shuffles : int, default=3
        How often the neurons of a fact are shuffled among its groups, as the control.

    Examples
    --------
    >>> from neurotopo.studies.complexity.options import ComplexityOptions
    >>> ComplexityOptions(draws=0)
    Traceback (most recent call last):
        ...
    ValueError: draws must be a whole number of at least 1, got 0.
    """

    draws: int = 2
    n_shuffles: int = 3

    def __post_init__(self) -> None:
        for name in ("draws", "n_shuffles"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be a whole number of at least 1, got {value}.")
        super().__post_init__()

    @classmethod
    def quick(cls, **given: Any) -> ComplexityOptions:
        """Return the smallest honest setting: coarse integration, one draw, one shuffle."""
        small = {"quadrature": "gauss-legendre", "steps": 8, "draws": 1, "n_shuffles": 1}
        return cls(**{**small, **given})
