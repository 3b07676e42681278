"""The study ``choices``: appendix D of the paper, which choice of the method matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.choices import report
from neurotopo.studies.choices.grouping import Grouper, jaccard, rand_index, same_groups
from neurotopo.studies.choices.variations import DEFAULT, ChoicesOptions, Variation, variations_for
from neurotopo.studies.findings import RULE
from neurotopo.studies.groupings import shuffled
from neurotopo.studies.statistics import finite_mean
from neurotopo.studies.study import Study, seed_for

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.report.summary import Table

__all__ = ["STUDY", "Choices", "ChoicesOptions"]

Groups = list[NeuronSet]


class Choices(Study):
    """The study ``choices``: the clusters of each fact by every variation, and what they do."""

    name = "choices"
    title = "Modelling choices: how each changes the clusters and their effect"
    notes = (
        "One thing is changed at a time; everything else is the default, the options of the run. "
        "The knowledge neurons are the same for every variation but those of the choice 'neurons'.",
        "dProb = (before - after) / before is the relative fall of the answer's probability when "
        "neurons are set to zero. The jump is the part of it that appears only when the last "
        "cluster is suppressed too: dProb of all clusters minus the mean dProb of all but one.",
        "Clusters and random groups consist of the same neurons, found by attribution. Suppressing "
        "these lowers the probability in a model with random weights too, so that alone is no "
        "evidence. The question is whether the clusters differ from random groups.",
        f"{RULE} The correction is over all variations, and a claim needs that the same holds on "
        "the facts that the model knows, which are at least "
        "half of all. The seed is written below; the seed of each fact is derived from it.",
    )
    Options = ChoicesOptions
    stages = ("fact", "variations")
    tables = report.TABLES
    pictures = report.PICTURES

    def setup(self) -> None:
        """Prepare the variations and what finds, groups and judges neurons."""
        self.variations = variations_for(self.options, self.model.is_gated)
        self._amig = self.options.amig()
        self._finder = self.options.finder()
        self._grouper = Grouper(self.model, self.options)

    def frames(self, rows: Any) -> report.Collected:
        """Return a row per fact, and a row per fact and variation."""
        return report.collect(rows)

    def rows(self, frames: report.Collected) -> pd.DataFrame:
        """Return a row per fact and variation, with the results of the fact in each."""
        return frames.facts.merge(frames.variations, on="fact", how="left")

    def findings(self, frames: report.Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
        """Return the findings in sentences."""
        return report.findings_of(frames, tables)

    def measure(self, fact: Fact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        known = bool(recalled(self.model, [fact], ends=False)[0])
        # attribute_many, because it counts coarse integrations where attribute warns of each
        attribution = next(self._amig.attribute_many(self.model, [fact]))
        neurons = {
            variation.name: self._grouper.neurons(fact, attribution, variation)
            for variation in self.variations
        }
        about = {
            "known": known,
            "probability": float(self.model.answer_probability(fact, reduce=self.options.reduce)),
            "neurons": neurons[DEFAULT].to_array(),
            "gap": attribution.relative_gap,
            "variations": [
                {name: getattr(each, name) for name in ("name", "choice", "label", "by_theorem")}
                for each in self.variations
            ],
            "planted": self.model.planted_groups is not None,
        }
        if self.options.only_known and not known:
            return {"fact": about, "variations": {}}
        judged = self._judged(
            fact,
            {each.name: self._groups(fact, neurons[each.name], each) for each in self.variations},
        )
        usual = judged[DEFAULT][0]
        results = {
            name: {
                **_result([replace(dkn, neurons=neurons[name]) for dkn in dkns]),
                **self._compared(dkns, usual, neurons[name] | neurons[DEFAULT]),
            }
            for name, dkns in judged.items()
        }
        return {"fact": about, "variations": results}

    def _groups(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> list[Groups]:
        """Return the clusters, followed by random groupings of the same sizes.

        The draws are the same for all variations of a fact: equal clusters have equal random
        groups, so that variations do not differ by the draw.
        """
        groups = self._grouper.groups(fact, neurons, variation)
        seed = seed_for(self.seed, fact.key)
        draws = [np.random.default_rng([seed, draw]) for draw in range(self.options.n_random)]
        return [groups, *(shuffled(groups, neurons, rng) for rng in draws)]

    def _judged(
        self, fact: Fact, groupings: Mapping[str, Sequence[Groups]]
    ) -> dict[str, list[DKN]]:
        """Filter and suppress all groupings; equal ones are evaluated once."""
        unlike = dict.fromkeys(tuple(groups) for each in groupings.values() for groups in each)
        everything = NeuronSet(pair for groups in unlike for group in groups for pair in group)
        finder = self._finder
        under = Suppressions(self.model, fact, everything, finder.positions, finder.reduce)
        judged = finder.evaluate_many(self.model, fact, unlike, under=under)
        results = dict(zip(unlike, judged, strict=True))
        return {
            name: [results[tuple(groups)] for groups in each] for name, each in groupings.items()
        }

    def _compared(self, dkns: list[DKN], usual: DKN, pool: NeuronSet) -> dict[str, Any]:
        """Compare clusters with those of the default, and with the planted groups."""
        own = dkns[0]
        held = [group & pool for group in self.model.planted_groups or ()]
        planted = [math.nan, math.nan]
        if sum(len(group) > 0 for group in held) >= 2:  # one group is no grouping to recover
            planted = [rand_index(dkn.potential, held, pool) for dkn in dkns]
        return {
            "ari": rand_index(own.potential, usual.potential, pool),
            "same": same_groups(own.potential, usual.potential),
            "clustered": bool(own.potential or usual.potential),
            "jaccard": jaccard(_degenerate(own), _degenerate(usual)),
            "ari_planted": planted[0],
            "ari_planted_random": finite_mean(planted[1:]),
        }


def _degenerate(dkn: DKN) -> NeuronSet:
    """Return D: the neurons of two or more components that passed, unless Eq 18 excludes them."""
    return dkn.union if dkn.n >= 2 and not dkn.excluded else NeuronSet()


def _result(dkns: list[DKN]) -> dict[str, Any]:
    """Return what is stored about the clusters of a variation and their random groups."""
    own, *random = dkns
    return {
        "sizes": [len(group) for group in own.potential],
        "groups": [group.to_array() for group in own.potential],
        "passed": own.passed,
        "base": own.base_probability,
        "reason": own.reason,
        "extreme": any(
            dkn.is_defined and (dkn.potential_excluded or dkn.reason == "extreme change")
            for dkn in dkns
        ),
        **_measures(own),
        "random": [_measures(dkn) for dkn in random],
    }


def _measures(dkn: DKN) -> dict[str, Any]:
    own = {name: getattr(dkn, name) for name in ("n", "potential_jump", "jump", "gcr")}
    return own | {"n_neurons": len(dkn.union)}


STUDY = Choices
