"""What can be chosen about the robustness study, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurotopo.models.prompts import PLACEHOLDERS
from neurotopo.studies.neurons import SearchOptions

__all__ = ["ENHANCE", "RobustnessOptions"]

ENHANCE = 2.0
"""Enhanced neurons are doubled."""


@dataclass(frozen=True)
class RobustnessOptions(SearchOptions):
    """Options of the study ``robustness``; the defaults are those of the paper.

    Parameters
    ----------
    threshold, rule, scope, baseline, steps, quadrature
        How neurons are found, :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        How they are connected, :class:`~neurotopo.NeuronGraph`.
    tau, min_cluster_size
        How they are clustered, :class:`~neurotopo.NTCClusterer`.
    tau2, criterion, relative, max_drop, positions, reduce, max_change
        Which clusters are degenerate components, :class:`~neurotopo.DKNFinder`. ``max_change`` is
        the limit of Eq 21 too, and ``reduce`` holds for every probability.
    draws : int, default=3
        How many faulty prompts are drawn of each kind; equal ones count once.
    keep_subject : bool, default=False
        Leave the words of the subject alone.
    replace_mark, add_mark : str
        What is put in the place of a word, and what is put before one (Eq 15).
    doses : sequence of float
        Other factors by which the neurons' values are multiplied; empty: none.
    max_exact : int, default=6
        Up to so many components every subset of them is suppressed.
    n_samples : int, default=20
        Above it, at most so many subsets of each size.
    only_known : bool, default=True
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.robustness.options import RobustnessOptions
    >>> RobustnessOptions(draws=1, doses=[]).draws
    1
    >>> RobustnessOptions(draws=0)
    Traceback (most recent call last):
        ...
    ValueError: draws must be a whole number of at least 1, got 0.
    """

    draws: int = 3
    keep_subject: bool = False
    replace_mark: str = "[replace]"
    add_mark: str = "[add]"
    doses: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    max_exact: int = 6
    n_samples: int = 20
    only_known: bool = True

    def __post_init__(self) -> None:
        for name in ("draws", "max_exact", "n_samples"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be a whole number of at least 1, got {value}.")
        for name in ("replace_mark", "add_mark"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} must be a text, got {getattr(self, name)!r}.")
            if any(mark in getattr(self, name) for mark in PLACEHOLDERS):
                raise ValueError(
                    f"{name} must be a text without a placeholder, got {getattr(self, name)!r}."
                )
        for dose in self.doses:
            if not (math.isfinite(dose) and dose >= 0):
                raise ValueError(f"doses must be finite numbers of at least 0, got {dose}.")
        if len(set(self.doses)) < len(self.doses):
            raise ValueError(f"doses must be different ones, got {list(self.doses)}.")
        super().__post_init__()

    @classmethod
    def quick(cls, **given: Any) -> RobustnessOptions:
        """Return the smallest honest setting: one faulty prompt of each kind, no other doses."""
        small = {"draws": 1, "doses": (), "quadrature": "gauss-legendre", "steps": 8}
        return cls(**{**small, **given})

    @property
    def marks(self) -> tuple[str, str]:
        """The marks as :func:`neurotopo.datasets.perturb` takes them."""
        return self.replace_mark, self.add_mark

    @property
    def scales(self) -> tuple[float, ...]:
        """The factors of values: 0 and 2 for the paper, and the doses; 1 changes nothing."""
        return tuple(sorted({0.0, ENHANCE, *map(float, self.doses)} - {1.0}))
