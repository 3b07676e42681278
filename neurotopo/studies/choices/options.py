"""What can be chosen about the choices study, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.persistence.lengths import check_length
from neurotopo.studies.neurons import SearchOptions

__all__ = ["CHOICES", "ChoicesOptions"]

CHOICES: Mapping[str, str] = {
    "distance": "from connection weight to length",
    "path": "which in-projection of a gated MLP",
    "aggregation": "how lengths add up along a path",
    "others": "whether other neurons may lie on a path",
    "layers": "edges within a layer",
    "neurons": "which neurons are knowledge neurons",
    "clusters": "which clusters are kept",
}
"""What is chosen, by name. One thing is changed at a time."""


@dataclass(frozen=True)
class ChoicesOptions(SearchOptions):
    """Options of the study ``choices``; those of the search are the default that is varied.

    Parameters
    ----------
    choices : sequence of str, optional
        Which choices are varied, keys of :data:`~neurotopo.studies.choices.variations.CHOICES`.
        None: all. ``"others"`` takes one pass over all weights of the model per process.
    powers : sequence of float
        Exponents p of lengths :math:`|w|^{-p}`; 1 is the paper's.
    thresholds : sequence of float
        Other thresholds of the attribution.
    taus : sequence of float
        Other thresholds of the persistence.
    n_random : int, default=5
        Random groupings of the same sizes, per fact and variation; their mean is the control.
    threshold, rule, scope, baseline, steps, quadrature
        How neurons are found, :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        How they are connected, :class:`~neurotopo.NeuronGraph`.
    tau, min_cluster_size
        How they are clustered, :class:`~neurotopo.NTCClusterer`.
    tau2, criterion, relative, max_drop, positions, reduce, max_exact, n_samples, max_change
        The filter, and how degeneracy is measured, :class:`~neurotopo.DKNFinder`.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.choices.options import ChoicesOptions
    >>> ChoicesOptions(choices=["distance"], powers=[3]).varied
    ('distance',)
    >>> ChoicesOptions(choices=["metric"])
    Traceback (most recent call last):
        ...
    ValueError: there is no choice 'metric'; choices are: distance, path, ...
    """

    choices: Sequence[str] | None = None
    powers: Sequence[float] = (0.5, 2.0)
    thresholds: Sequence[float] = (0.1, 0.3)
    taus: Sequence[float] = (0.3, 0.7)
    n_random: int = 5
    max_exact: int = 8
    n_samples: int = 50
    only_known: bool = False

    def __post_init__(self) -> None:
        for name in self.choices or ():
            if name not in CHOICES:
                raise ValueError(f"there is no choice {name!r}; choices are: {', '.join(CHOICES)}.")
        for given in ("choices", "powers", "thresholds", "taus"):
            values = getattr(self, given)
            if values is not None and len(set(values)) < len(values):
                raise ValueError(f"{given} must be different ones, got {list(values)}.")
        if self.choices is not None and not len(self.choices):
            raise ValueError("choices must name one choice at least.")
        if not (isinstance(self.n_random, int) and self.n_random >= 1):
            raise ValueError(f"n_random must be a whole number from 1 on, got {self.n_random}.")
        super().__post_init__()
        if "distance" in self.varied and self.path == "both":
            raise ValueError(
                'path="both" gives weights without a sign, which the choice "distance" asks for: '
                "leave it out of choices."
            )
        for power in self.powers:
            check_length("power", power)
        for threshold in self.thresholds:
            if not (math.isfinite(threshold) and threshold >= 0):
                raise ValueError(
                    f"thresholds must be finite numbers of at least 0, got {threshold}."
                )
        for tau in self.taus:
            NTCClusterer(tau=tau)._validate_params()

    @classmethod
    def quick(cls, **given: Any) -> ChoicesOptions:
        """Return the smallest honest setting: fewer exponents, random groupings and steps."""
        small = {
            "quadrature": "gauss-legendre",
            "steps": 8,
            "powers": (2.0,),
            "n_random": 2,
            "max_exact": 6,
            "n_samples": 30,
        }
        return cls(**{**small, **given})

    @property
    def varied(self) -> tuple[str, ...]:
        """The choices that are varied, in their order."""
        return tuple(name for name in CHOICES if self.choices is None or name in self.choices)

    def finder(self) -> DKNFinder:
        """Return what judges groups."""
        return replace(super().finder(), max_exact=self.max_exact, n_samples=self.n_samples)
