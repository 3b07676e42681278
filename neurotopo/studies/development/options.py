"""What can be chosen about the development study, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurotopo.studies.search import SearchOptions

__all__ = ["DevelopmentOptions"]


@dataclass(frozen=True)
class DevelopmentOptions(SearchOptions):
    """Options of the study ``development``; see :class:`~neurotopo.studies.search.SearchOptions`.

    Parameters
    ----------
    n_shuffles : int, default=3
        How often the neurons of a fact are shuffled among its groups, as the control.

    Examples
    --------
    >>> from neurotopo.studies.development.options import DevelopmentOptions
    >>> DevelopmentOptions(n_shuffles=0)
    Traceback (most recent call last):
        ...
    ValueError: n_shuffles must be a whole number of at least 1, got 0.
    """

    n_shuffles: int = 3

    def __post_init__(self) -> None:
        if not (isinstance(self.n_shuffles, int) and self.n_shuffles >= 1):
            raise ValueError(
                f"n_shuffles must be a whole number of at least 1, got {self.n_shuffles}."
            )
        super().__post_init__()

    @classmethod
    def quick(cls, **given: Any) -> DevelopmentOptions:
        """Return the smallest honest setting: coarse integration, one shuffle."""
        return cls(**{"quadrature": "gauss-legendre", "steps": 8, "n_shuffles": 1, **given})
