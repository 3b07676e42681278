"""What is measured about one fact: its clusters by every variation, and what they do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.neurons import NeuronSet
from neurotopo.studies.choices.agreement import jaccard, rand_index, same_groups
from neurotopo.studies.choices.grouping import Grouper
from neurotopo.studies.choices.options import ChoicesOptions
from neurotopo.studies.choices.variations import DEFAULT, Variation, variations_for
from neurotopo.studies.groupings import shuffled
from neurotopo.studies.models import model_for
from neurotopo.studies.statistics import finite_mean
from neurotopo.studies.study import seed_for

__all__ = ["STAGES", "ChoicesWork", "prepare"]

STAGES = ("fact", "variations")

Groups = list[NeuronSet]


def prepare(model: Any, given: Mapping[str, Any]) -> ChoicesWork:
    """Load the model and return the work per fact."""
    return ChoicesWork(model_for(model, given), ChoicesOptions.of(given), given["seed"])


class ChoicesWork:
    """All that is measured about one fact.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : ChoicesOptions
        What is done.
    seed : int
        Seed of the random groups; each fact has one of its own made from it.
    """

    def __init__(self, model: Any, options: ChoicesOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self.variations = variations_for(options, model.is_gated)
        self._amig = options.amig()
        self._finder = options.finder()
        self._grouper = Grouper(model, options)

    def __call__(self, fact: Fact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        from neurotopo.models.recall import recalled

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
            "variations": [_about(variation) for variation in self.variations],
            "planted": self.model.planted_groups is not None,
        }
        if self.options.only_known and not known:
            return {"fact": about, "variations": {}}
        groupings = {
            variation.name: self._with_random(fact, neurons[variation.name], variation)
            for variation in self.variations
        }
        judged = self._judged(fact, groupings)
        usual = judged[DEFAULT][0]
        results = {
            name: {
                **_result([replace(dkn, neurons=neurons[name]) for dkn in dkns]),
                **self._beside_default(dkns, usual, neurons[name] | neurons[DEFAULT]),
            }
            for name, dkns in judged.items()
        }
        return {"fact": about, "variations": results}

    def _with_random(self, fact: Fact, neurons: NeuronSet, variation: Variation) -> list[Groups]:
        """Return the clusters, and behind them random groupings in their sizes.

        The draws are the same for all variations of a fact: where two of them find the same
        clusters they have the same random groups, and do not differ by the draw.
        """
        groups = self._grouper.groups(fact, neurons, variation)
        seed = seed_for(self.seed, fact.key)
        draws = [np.random.default_rng([seed, draw]) for draw in range(self.options.n_random)]
        return [groups, *(shuffled(groups, neurons, rng) for rng in draws)]

    def _judged(
        self, fact: Fact, groupings: Mapping[str, Sequence[Groups]]
    ) -> dict[str, list[DKN]]:
        """Filter and suppress all groupings; what several have in common is asked once."""
        unlike = dict.fromkeys(
            tuple(groups) for several in groupings.values() for groups in several
        )
        everything = NeuronSet(pair for groups in unlike for group in groups for pair in group)
        finder = self._finder
        under = Suppressions(self.model, fact, everything, finder.positions, finder.reduce)
        found = dict(
            zip(unlike, finder.evaluate_many(self.model, fact, unlike, under=under), strict=True)
        )
        return {
            name: [found[tuple(groups)] for groups in several]
            for name, several in groupings.items()
        }

    def _beside_default(self, dkns: list[DKN], usual: DKN, pool: NeuronSet) -> dict[str, Any]:
        """Compare clusters with those of the default, and with the planted groups."""
        own = dkns[0]
        beside: dict[str, Any] = {
            "ari": rand_index(own.potential, usual.potential, pool),
            "same": same_groups(own.potential, usual.potential),
            "clustered": bool(own.potential or usual.potential),
            "jaccard": jaccard(_degenerate(own), _degenerate(usual)),
            "ari_planted": math.nan,
            "ari_planted_random": math.nan,
        }
        planted = self.model.planted_groups
        held = [group & pool for group in planted or ()]
        if sum(len(group) > 0 for group in held) >= 2:  # one group is no grouping to recover
            to_truth = [rand_index(dkn.potential, held, pool) for dkn in dkns]
            beside["ari_planted"] = to_truth[0]
            beside["ari_planted_random"] = finite_mean(to_truth[1:])
        return beside


def _about(variation: Variation) -> dict[str, Any]:
    return {
        "name": variation.name,
        "choice": variation.choice,
        "label": variation.label,
        "by_theorem": variation.by_theorem,
    }


def _degenerate(dkn: DKN) -> NeuronSet:
    """Return D: the neurons of two or more components that passed, unless Eq 18 excludes them."""
    return dkn.union if dkn.n >= 2 and not dkn.excluded else NeuronSet()


def _result(dkns: list[DKN]) -> dict[str, Any]:
    """Return what is stored about the clusters of a variation and their random groups."""
    own, random = dkns[0], dkns[1:]
    changed = any(
        dkn.is_defined and (dkn.potential_excluded or dkn.reason == "extreme change")
        for dkn in dkns
    )
    return {
        "sizes": [len(group) for group in own.potential],
        "groups": [group.to_array() for group in own.potential],
        "passed": own.passed,
        "base": own.base_probability,
        "reason": own.reason,
        "extreme": changed,
        **_measures(own),
        "random": [_measures(dkn) for dkn in random],
    }


def _measures(dkn: DKN) -> dict[str, Any]:
    return {
        "n": dkn.n,
        "n_neurons": len(dkn.union),
        "potential_jump": dkn.potential_jump,
        "jump": dkn.jump,
        "gcr": dkn.gcr,
    }
