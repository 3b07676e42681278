"""What attributions have in common: the options, windows of facts, selection of neurons."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.baselines import check_baseline, described_options
from neurotopo.knowledge.thresholds import (
    RULES,
    SCOPES,
    check_choices,
    check_threshold,
    fill_selection,
)
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["POSITIONS", "TARGETS", "Attributing"]

POSITIONS = ("last", "subject", "all")
TARGETS = ("joint", "log", "first", "contrast")

_WINDOW = 64


class Attributing:
    """Base class of attributions of a target to neurons; subclasses are frozen dataclasses.

    They define ``_sweep``, which yields the attributions of some facts with their foils.
    """

    threshold: float | Mapping[str, float]
    baseline: Any
    target: str
    rule: str
    scope: str
    positions: str
    batch_size: int | None
    foils: Mapping[str, Sequence[str]] | None
    reference: Sequence[FactLike] | None

    def __post_init__(self) -> None:
        fill_selection(self)
        check_choices(self, target=TARGETS, rule=RULES, scope=SCOPES, positions=POSITIONS)
        check_baseline(self.baseline, self.reference, self.positions)
        given = self.threshold
        for threshold in given.values() if isinstance(given, Mapping) else (given,):
            check_threshold(threshold, self.rule)
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, got {self.batch_size}.")
        self._check_foils(self.foils)
        if self.reference is not None:
            object.__setattr__(self, "reference", tuple(self.reference))
        if not isinstance(self.baseline, str):
            values = np.array(self.baseline)
            values.flags.writeable = False
            object.__setattr__(self, "baseline", values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and described_options(other) == described_options(self)

    def __hash__(self) -> int:
        return hash(json.dumps(described_options(self), sort_keys=True))

    def _sweep(
        self, model: NeuronModel, facts: Sequence[FactLike], foils: Sequence[Sequence[str] | None]
    ) -> Iterator[Attribution]:
        raise NotImplementedError

    def _check_foils(self, foils: object) -> None:
        if foils is not None and self.target != "contrast":
            raise ValueError(f"target={self.target!r} reads no foils; use target='contrast'.")

    def _one(self, model: NeuronModel, fact: FactLike, foils: Sequence[str] | None) -> Attribution:
        self._check_foils(foils)
        chosen = self._foils_of(fact) if foils is None else foils
        return next(self._sweep(model, [fact], [chosen]))

    def _foils_of(self, fact: FactLike) -> Sequence[str] | None:
        if self.foils is None:
            return None
        key: Any = getattr(fact, "key", fact.id)
        if key not in self.foils:
            raise ValueError(
                f"{describe_fact(fact)}: foils has no entry for its key {key!r}; add the wrong "
                "answers of this fact."
            )
        return self.foils[key]

    def attribute_many(
        self, model: NeuronModel, facts: Iterable[FactLike]
    ) -> Iterator[Attribution]:
        """Score every neuron for each of several facts, as ``attribute`` does for one.

        Facts whose prompts and answers have equal numbers of tokens share forward passes. Large
        gaps (:attr:`Attribution.relative_gap`) are not reported.

        Parameters
        ----------
        model : NeuronModel
        facts : iterable of Fact

        Yields
        ------
        Attribution
            In the order of the facts. If a fact is invalid for the model, the attributions of the
            facts before it come first.
        """
        waiting = iter(facts)
        while window := list(itertools.islice(waiting, _WINDOW)):
            n_done = 0
            try:
                foils = [self._foils_of(fact) for fact in window]
                for attribution in self._sweep(model, window, foils):
                    yield attribution
                    n_done += 1
            except Exception:
                # one by one, so that only the invalid fact is lost
                for fact in window[n_done:]:
                    yield self._one(model, fact, None)

    def threshold_for(self, fact: FactLike) -> float:
        """Return the threshold for the language of a fact.

        Parameters
        ----------
        fact : Fact

        Returns
        -------
        float
        """
        if not isinstance(self.threshold, Mapping):
            return self.threshold
        if fact.language not in self.threshold:
            raise ValueError(
                f"{describe_fact(fact)}: no threshold for language {fact.language!r}; there are "
                f"thresholds for {', '.join(sorted(self.threshold))}."
            )
        return self.threshold[fact.language]

    def attribute(
        self, model: NeuronModel, fact: FactLike, foils: Sequence[str] | None = None
    ) -> Attribution:
        """Score every neuron of every layer for the most probable answer of a fact.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact
        foils : sequence of str, optional
            For ``target="contrast"``: the wrong answers, in place of those in the options.

        Returns
        -------
        Attribution

        Raises
        ------
        UnsupportedModelError
            If the target differs from that of a plain forward pass by more than rounding.
        """
        return self._one(model, fact, foils)

    def locate(
        self, model: NeuronModel, fact: FactLike, foils: Sequence[str] | None = None
    ) -> NeuronSet:
        """Return the knowledge neurons: those with a score above the threshold.

        Parameters
        ----------
        model, fact, foils
            As in :meth:`attribute`.

        Returns
        -------
        NeuronSet
        """
        threshold = self.threshold_for(fact)
        return self.attribute(model, fact, foils).neurons(threshold, self.rule, self.scope)
