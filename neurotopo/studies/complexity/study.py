"""The study ``complexity``: whether larger models are more degenerate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.datasets.perturbation import PERTURBATIONS, perturb
from neurotopo.models.edits import Edit
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.complexity import report
from neurotopo.studies.findings import RULE
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.several_models import (
    ModelFact,
    SeveralModelsStudy,
    ShuffleOptions,
    Shuffles,
    n_parameters,
)
from neurotopo.studies.study import seed_for

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact

__all__ = ["STUDY", "Complexity", "ComplexityOptions"]


@dataclass(frozen=True)
class ComplexityOptions(ShuffleOptions):
    """Options of the study ``complexity``, beside those of :class:`ShuffleOptions`.

    Parameters
    ----------
    draws : int, default=2
        Number of faulty prompts of each kind (Eq 15) for a fact.

    Examples
    --------
    >>> from neurotopo.studies.complexity.study import ComplexityOptions
    >>> ComplexityOptions(draws=0)
    Traceback (most recent call last):
        ...
    ValueError: draws must be a whole number of at least 1, got 0.
    """

    draws: int = 2

    QUICK = {**ShuffleOptions.QUICK, "draws": 1}

    def __post_init__(self) -> None:
        self.check_whole(draws=1)
        super().__post_init__()


class Complexity(SeveralModelsStudy):
    """The study ``complexity``: degeneracy and robustness of every fact in every model."""

    name, Options = "complexity", ComplexityOptions
    title = "Size and degeneracy: are larger models more degenerate, and more robust"
    notes = (
        "All models are asked for the same facts. They are compared over the facts that all of "
        "them know; where a measure is missing for one model, the fact is left out of this "
        "measure for all models.",
        "dProb = (before - after) / before is the relative fall of the answer's probability. The "
        "jump is the additional fall when the last cluster is suppressed too, before the "
        "functional filter; the fall under faulty prompts is from the probability of the original "
        "prompt.",
        "A larger model has more neurons and more layers, so any grouping of its neurons finds "
        "more and other groups. Shuffled groups have the sizes of the groups found, in the same "
        "model and from the same neurons: only the difference to them is about the grouping.",
        "The facts are the sample. The models are few, each was trained once, and they differ in "
        "more than one number: a trend holds for these models, and is no law of size.",
        f"{RULE} Claims about trends are about the difference to the control only, and need three "
        "models or more that all know at least "
        "half of the facts.",
    )
    tables = report.TABLES
    pictures = report.PICTURES
    frames = staticmethod(report.collect)
    findings = staticmethod(report.findings)

    def measure(self, item: ModelFact) -> dict[str, Any]:
        """Return the degeneracy of a fact in a model, of shuffled groups, and its robustness."""
        finder = self.finder(item.place)
        result = finder.find(item.fact)
        seed = seed_for(self.seed, item.key)
        shuffles = Shuffles.of(finder, result, self.options.n_shuffles, seed)
        return {
            **self.asked(item),
            "parameters": n_parameters(finder.model),
            "neurons": len(result.neurons),
            "sizes": [len(group) for group in result.dkn.potential],
            "own": _degeneracy(result.dkn),
            "shuffled": [_degeneracy(dkn) for dkn in shuffles.judged],
            "faulty": self._faulty(finder, result, seed),
        }

    def _faulty(self, finder: NeuronFinder, result: FactNeurons, seed: int) -> dict[str, Any]:
        """Ask by faulty prompts, with nothing, D and as many other neurons suppressed."""
        model, options = finder.model, self.options
        prompts = self._prompts(result.fact)
        arms = {"none": NeuronSet()}
        if result.degenerate:
            sets = size_matched(
                result.degenerate,
                result.others,
                np.random.default_rng([seed, *b"faulty"]),
                n_layers=model.n_layers,
                n_neurons=model.n_neurons,
            )
            arms |= {name: sets.neurons[name] for name in ("dkn", "kn_random")}
        edits = [
            Edit(neurons, positions=options.positions) if len(neurons) else None
            for neurons in arms.values()
            for _ in prompts
        ]
        asked = prompts * len(arms)
        after = model.answer_probabilities(asked, edits=edits, reduce=options.reduce)
        right = recalled(model, asked, ends=False, edits=edits)

        def by_arm(values: Any) -> dict[str, Any]:
            table = np.reshape(values, (len(arms), len(prompts))).tolist()
            return dict(zip(arms, table, strict=True))

        return {
            "prompts": [prompt.prompt for prompt in prompts],
            "max_change": options.max_change,
            "probability": by_arm(after),
            "right": by_arm(right),
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


STUDY = Complexity
