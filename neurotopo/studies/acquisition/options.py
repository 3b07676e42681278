"""What can be chosen about the acquisition study, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.studies.groupings import METHODS
from neurotopo.studies.neurons import SearchOptions

__all__ = ["AcquisitionOptions"]

_PAPER = ("ntc", *CLUSTERER_LABELS, "pairs", "oracle")


@dataclass(frozen=True)
class AcquisitionOptions(SearchOptions):
    """Options of the study ``acquisition``; the defaults are those of the paper.

    Parameters
    ----------
    methods : sequence of str, optional
        Which methods are compared, keys of :data:`~neurotopo.studies.groupings.METHODS`. None: all,
        ``"oracle"`` where the model was trained to have groups.
    threshold, rule, scope, baseline, steps, quadrature
        How neurons are found, :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        How they are connected, :class:`~neurotopo.NeuronGraph`.
    tau, tau_absolute, tau_log, level, min_cluster_size
        Thresholds of the rules of NTC, :class:`~neurotopo.studies.groupings.GroupingInput`.
    tau2, criterion, relative, max_drop, positions, reduce, max_exact, n_samples, max_change
        The filter, and how degeneracy is measured, :class:`~neurotopo.DKNFinder`.
    n_pairs : int, default=20
        Of how many neurons degenerate pairs are looked for, those of the highest scores.
    sweep_tau1, sweep_tau2 : sequence of float
        Thresholds of NTC and of the filter that are tried in every combination; empty: none.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.acquisition.options import AcquisitionOptions
    >>> AcquisitionOptions(methods=["ntc", "kmeans"], tau2=0.5).finder().tau2
    0.5
    >>> AcquisitionOptions(methods=["k-means"])
    Traceback (most recent call last):
        ...
    ValueError: there is no method 'k-means'; methods are: ntc, kmeans, ...
    """

    methods: Sequence[str] | None = None
    tau_absolute: float = 0.5
    tau_log: float = 0.5
    level: float = 0.05
    max_exact: int = 10
    n_samples: int = 200
    n_pairs: int = 20
    sweep_tau1: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7)
    sweep_tau2: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)
    only_known: bool = False

    def __post_init__(self) -> None:
        for name in self.methods or ():
            if name not in METHODS:
                raise ValueError(f"there is no method {name!r}; methods are: {', '.join(METHODS)}.")
        if self.methods is not None and len(set(self.methods)) < max(len(self.methods), 1):
            raise ValueError(f"methods must be different ones, got {list(self.methods)}.")
        if not (isinstance(self.n_pairs, int) and self.n_pairs >= 2):
            raise ValueError(f"n_pairs must be a whole number of at least 2, got {self.n_pairs}.")
        for name in ("tau_absolute", "tau_log", "level"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name == "level" and value > 1):
                limit = "between 0 and 1" if name == "level" else "a finite number of at least 0"
                raise ValueError(f"{name} must be {limit}, got {value}.")
        super().__post_init__()
        for tau in self.sweep_tau1:
            NTCClusterer(tau=tau, min_cluster_size=self.min_cluster_size)._validate_params()
        for tau2 in self.sweep_tau2:
            replace(self.finder(), tau2=tau2)

    @classmethod
    def quick(cls, **given: Any) -> AcquisitionOptions:
        """Return the smallest honest setting: the methods of the paper, no sweep, small samples.

        Curves of up to eight components, all that Table 1 has, are exact, and so are the jumps of
        all.
        """
        small = {
            "methods": _PAPER,
            "quadrature": "gauss-legendre",
            "steps": 8,
            "sweep_tau1": (),
            "sweep_tau2": (),
            "max_exact": 8,
            "n_samples": 50,
        }
        return cls(**{**small, **given})

    def finder(self) -> DKNFinder:
        """Return what judges groups."""
        return replace(super().finder(), max_exact=self.max_exact, n_samples=self.n_samples)

    def methods_for(self, planted: bool) -> tuple[str, ...]:
        """Return the methods to be compared on a model, with planted groups or without."""
        if self.methods is not None:
            return tuple(name for name in self.methods if planted or name != "oracle")
        return tuple(name for name in METHODS if planted or name != "oracle")
