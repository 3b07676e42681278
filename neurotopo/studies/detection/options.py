"""What can be chosen about the detection study, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurotopo.studies.neurons import SearchOptions

__all__ = ["SWEPT", "THRESHOLDS_BY", "DetectionOptions"]

THRESHOLDS_BY = ("relation", "pooled")

SWEPT = ("share", "threshold", "tau", "tau2")
"""The thresholds that are varied one at a time, each by its option ``sweep_NAME``."""


@dataclass(frozen=True)
class DetectionOptions(SearchOptions):
    """Options of the study ``detection``.

    Parameters
    ----------
    per_relation : int, default=100
        At most so many facts of a relation, drawn at random.
    least : int, default=6
        A relation with fewer facts is left out, and counted.
    train_share : float, default=0.5
        Share of a relation's facts that neurons and thresholds are found on.
    share : float, default=0.5
        A neuron is one of a relation if it is one of more than this share of the train facts that
        have any.
    n_random : int, default=5
        Draws of random neurons.
    threshold_by : {"relation", "pooled"}, default="relation"
        Whether each relation has a threshold of its own, as AMIG, or all have one.
    verdict_template : str, default="{statement} This is _X_"
        What the model is asked for a verdict by; the statement is put in, the verdict follows.
    verdict_words : sequence of str, default=("true", "false")
        The two verdicts.
    n_resamples : int, default=2000
        Resamples of the bootstrap.
    sweep_share, sweep_threshold, sweep_tau, sweep_tau2 : sequence of float
        Other values of these options, one at a time; empty: none.
    threshold, rule, scope, baseline, steps, quadrature
        How neurons are found, :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        How they are connected, :class:`~neurotopo.NeuronGraph`.
    tau, min_cluster_size
        How they are clustered, :class:`~neurotopo.NTCClusterer`.
    tau2, criterion, relative, max_drop, positions, reduce, max_change
        Which clusters are degenerate components, :class:`~neurotopo.DKNFinder`.

    Examples
    --------
    >>> from neurotopo.studies.detection.options import DetectionOptions
    >>> DetectionOptions(share=0.7).search(tau2=0.1).tau2
    0.1
    >>> DetectionOptions(least=1)
    Traceback (most recent call last):
        ...
    ValueError: least must be a whole number of at least 4, got 1.
    """

    per_relation: int = 100
    least: int = 6
    train_share: float = 0.5
    share: float = 0.5
    n_random: int = 5
    threshold_by: str = "relation"
    verdict_template: str = "{statement} This is _X_"
    verdict_words: Sequence[str] = ("true", "false")
    n_resamples: int = 2000
    sweep_share: Sequence[float] = (0.1, 0.2, 0.3, 0.5, 0.7)
    sweep_threshold: Sequence[float] = (0.1, 0.15, 0.2, 0.25, 0.3)
    sweep_tau: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7)
    sweep_tau2: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)

    def __post_init__(self) -> None:
        # two facts on either side are the fewest that can exchange their labels
        for name, fewest in (("least", 4), ("n_random", 1), ("n_resamples", 100)):
            _check_whole(name, getattr(self, name), fewest)
        _check_whole("per_relation", self.per_relation, self.least)
        if not 0 < self.train_share < 1:
            raise ValueError(f"train_share must be between 0 and 1, got {self.train_share}.")
        for value in (self.share, *self.sweep_share):
            if not 0 <= value < 1:
                raise ValueError(f"a share must be at least 0 and below 1, got {value}.")
        if self.threshold_by not in THRESHOLDS_BY:
            raise ValueError(
                f"threshold_by must be one of {', '.join(THRESHOLDS_BY)}, "
                f"got {self.threshold_by!r}."
            )
        if self.verdict_template.count("{statement}") != 1:
            raise ValueError(
                f"verdict_template must hold {{statement}} once, got {self.verdict_template!r}."
            )
        words = [word.strip() for word in self.verdict_words]
        if len(set(words)) != 2 or len(words) != 2 or not all(words):
            raise ValueError(
                f"verdict_words must be two different words, got {list(self.verdict_words)}."
            )
        super().__post_init__()
        for name in SWEPT:
            for value in self.swept(name):
                self.search(**({} if name == "share" else {name: value}))

    @classmethod
    def quick(cls, **given: Any) -> DetectionOptions:
        """Return the smallest honest setting: a coarser integration, no other thresholds."""
        small = {
            "quadrature": "gauss-legendre",
            "steps": 8,
            "n_random": 3,
            "sweep_share": (),
            "sweep_threshold": (),
            "sweep_tau": (),
            "sweep_tau2": (),
        }
        return cls(**{**small, **given})

    def search(self, **changed: Any) -> SearchOptions:
        """Return how neurons of a fact are found, with some thresholds changed."""
        return SearchOptions.of({**self.to_dict(), **changed})

    def swept(self, name: str) -> Sequence[float]:
        """Return the values that a threshold of :data:`SWEPT` is given."""
        values: Sequence[float] = getattr(self, f"sweep_{name}")
        return values


def _check_whole(name: str, value: Any, fewest: int) -> None:
    if not isinstance(value, int) or value < fewest:
        raise ValueError(f"{name} must be a whole number of at least {fewest}, got {value}.")
