"""Work of the complexity study: degeneracy and robustness of one fact in one model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.datasets.perturbation import PERTURBATIONS, perturb
from neurotopo.models.edits import Edit
from neurotopo.neurons import NeuronSet
from neurotopo.studies.complexity.options import ComplexityOptions
from neurotopo.studies.search import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.several_models import ModelFact, SeveralModelsWork, Shuffles, n_parameters
from neurotopo.studies.study import seed_for

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact

__all__ = ["ComplexityWork", "prepare"]


def prepare(model: Sequence[Any], given: Mapping[str, Any]) -> ComplexityWork:
    """Return the work per model and fact."""
    return ComplexityWork(model, ComplexityOptions.of(given), given)


class ComplexityWork(SeveralModelsWork[ComplexityOptions]):
    """What is measured of a fact in a model; the parameters are those of its base."""

    def __call__(self, item: ModelFact) -> dict[str, Any]:
        """Return what was measured."""
        searcher = self.searcher(item.place)
        found = searcher.find(item.fact)
        seed = seed_for(self.seed, item.key)
        shuffles = Shuffles.of(searcher, found, self.options.n_shuffles, seed)
        return {
            **self.asked(item),
            "parameters": n_parameters(searcher.model),
            "neurons": len(found.neurons),
            "sizes": [len(group) for group in found.dkn.potential],
            "own": _degeneracy(found.dkn),
            "shuffled": [_degeneracy(dkn) for dkn in shuffles.judged],
            "faulty": self._faulty(searcher, found, seed),
        }

    def _faulty(self, searcher: NeuronFinder, found: FactNeurons, seed: int) -> dict[str, Any]:
        """Ask for the fact by faulty prompts, with nothing, D and as many others suppressed."""
        from neurotopo.models.recall import recalled

        model, finder = searcher.model, searcher.finder
        prompts = self._prompts(found.fact)
        arms = {"none": NeuronSet()}
        if found.degenerate:
            sets = size_matched(
                found.degenerate,
                found.others,
                np.random.default_rng([seed, *b"faulty"]),
                n_layers=model.n_layers,
                n_neurons=model.n_neurons,
            )
            arms |= {name: sets.neurons[name] for name in ("dkn", "kn_random")}
        edits = [
            Edit(neurons, positions=finder.positions) if len(neurons) else None
            for neurons in arms.values()
            for _ in prompts
        ]
        asked = prompts * len(arms)
        shape = (len(arms), len(prompts))
        after = model.answer_probabilities(asked, edits=edits, reduce=finder.reduce)
        right = recalled(model, asked, ends=False, edits=edits)
        return {
            "prompts": [prompt.prompt for prompt in prompts],
            "max_change": finder.max_change,
            "probability": dict(zip(arms, np.reshape(after, shape).tolist(), strict=True)),
            "right": dict(zip(arms, np.reshape(right, shape).tolist(), strict=True)),
        }

    def _prompts(self, fact: Fact) -> list[Fact]:
        """Return the fact with faulty prompts, the same ones for every model."""
        made = []
        for kind in PERTURBATIONS:
            for draw in range(self.options.draws):
                try:
                    made.append(perturb(fact, kind, seed=self.seed + draw))
                except ValueError:  # the prompt has too few words for this kind
                    continue
        return made


def _degeneracy(dkn: DKN) -> dict[str, Any]:
    return {
        "n": dkn.n,
        "excluded": dkn.excluded or dkn.potential_excluded,
        "jump": dkn.potential_jump,
        "passed_jump": dkn.jump,
        "gcr": dkn.gcr,
        "reason": dkn.reason,
        "none": dkn.all_suppressed_probability if dkn.n else math.nan,
    }
