"""What can be chosen about the study of languages, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.studies.acquisition.options import AcquisitionOptions
from neurotopo.studies.neurons import SearchOptions

__all__ = ["CrosslingualOptions"]


@dataclass(frozen=True)
class CrosslingualOptions(SearchOptions):
    """Options of the study ``crosslingual``; the defaults are those of the paper.

    Parameters
    ----------
    languages : sequence of str
        The languages that are compared, in the order of the arms of an edit. Empty: all those that
        every fact in two languages or more has, by their letters.
    thresholds : sequence of str
        Thresholds of languages that have one of their own, ``("en:0.3", "zh:0.2")``; the others
        have ``threshold``.
    methods : sequence of str
        How neurons are grouped in each language, keys of
        :data:`~neurotopo.studies.groupings.METHODS`.
    scales : sequence of float
        The factors on edited neurons: 0 suppresses, 2 enhances.
    least_change : float, default=0.01
        An edit succeeds where the answer's probability moves by more than this fraction.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly in every language. They are
        counted.
    max_exact, n_samples, n_pairs
        As in :class:`~neurotopo.studies.acquisition.options.AcquisitionOptions`.
    threshold, rule, scope, baseline, steps, quadrature, path, fold_norm, length, aggregation, tau,
    min_cluster_size, tau2, criterion, relative, max_drop, positions, reduce, max_change
        How neurons are found, connected and judged,
        :class:`~neurotopo.studies.neurons.SearchOptions`. ``max_change`` is the limit of a
        relative change by an edit too.

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.options import CrosslingualOptions
    >>> options = CrosslingualOptions(thresholds=["fr:0.1"])
    >>> options.acquisition("fr").threshold, options.acquisition("en").threshold
    (0.1, 0.2)
    >>> CrosslingualOptions(languages=["en"])
    Traceback (most recent call last):
        ...
    ValueError: languages must be two at least, all different, got ['en'].
    """

    languages: Sequence[str] = ()
    thresholds: Sequence[str] = ()
    methods: Sequence[str] = ("ntc", *CLUSTERER_LABELS)
    scales: Sequence[float] = (0.0, 2.0)
    least_change: float = 0.01
    only_known: bool = False
    max_exact: int = 10
    n_samples: int = 200
    n_pairs: int = 20

    def __post_init__(self) -> None:
        languages = list(self.languages)
        if languages and (len(languages) < 2 or len(set(languages)) < len(languages)):
            raise ValueError(f"languages must be two at least, all different, got {languages}.")
        if not self.methods:
            raise ValueError("methods must name one at least, 'ntc' say.")
        scales = [float(scale) for scale in self.scales]
        if not scales or len(set(scales)) < len(scales):
            raise ValueError(f"scales must be different factors, one at least, got {scales}.")
        for scale in scales:
            if not (math.isfinite(scale) and scale >= 0) or scale == 1:
                raise ValueError(
                    f"scales must be finite, at least 0 and other than 1, which changes nothing; "
                    f"got {scale}."
                )
        if not (math.isfinite(self.least_change) and self.least_change >= 0):
            raise ValueError(
                f"least_change must be at least 0 and finite, got {self.least_change}."
            )
        super().__post_init__()
        own = self.own_thresholds()
        for language in own:
            if languages and language not in languages:
                raise ValueError(f"thresholds has {language!r}, which is none of {languages}.")
            self.acquisition(language)
        self.acquisition()

    @classmethod
    def quick(cls, **given: Any) -> CrosslingualOptions:
        """Return the smallest honest setting: NTC and K-Means only, and small samples."""
        small = {
            "methods": ("ntc", "kmeans"),
            "quadrature": "gauss-legendre",
            "steps": 8,
            "max_exact": 8,
            "n_samples": 50,
        }
        return cls(**{**small, **given})

    def own_thresholds(self) -> dict[str, float]:
        """Return the thresholds of the languages that have one of their own."""
        found: dict[str, float] = {}
        for text in self.thresholds:
            language, _, number = str(text).rpartition(":")
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not language or math.isnan(value) or language in found:
                raise ValueError(
                    "thresholds must be written as language:number, each language once, got "
                    f"{list(self.thresholds)}."
                )
            found[language] = value
        return found

    def acquisition(self, language: str | None = None) -> AcquisitionOptions:
        """Return the options of the acquisition study by which a language is worked on."""
        own = self.own_thresholds().get(language or "", self.threshold)
        given = {**self.to_dict(), "threshold": own, "sweep_tau1": (), "sweep_tau2": ()}
        return AcquisitionOptions.of({**given, "only_known": False})
