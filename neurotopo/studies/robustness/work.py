"""What is measured about one fact: clean and faulty prompts under edits of sets of neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurotopo.datasets.perturbation import PERTURBATIONS, perturb
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import subsets
from neurotopo.models.prompts import describe_fact
from neurotopo.neurons import NeuronSet
from neurotopo.studies.groupings import control_of, shuffled
from neurotopo.studies.models import model_for
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.robustness.options import ENHANCE, RobustnessOptions
from neurotopo.studies.robustness.rows import MOST, NO_PROMPT, NOT_KNOWN
from neurotopo.studies.study import seed_for

__all__ = ["STAGES", "RobustnessWork", "prepare"]

STAGES = ("fact", "arms", "subsets")


def prepare(model: Any, given: Mapping[str, Any]) -> RobustnessWork:
    """Load the model and return the work per fact."""
    return RobustnessWork(model_for(model, given), RobustnessOptions.of(given), given["seed"])


class RobustnessWork:
    """All that is measured about one fact.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : RobustnessOptions
        What is done.
    seed : int
        Seed of everything that is random; each fact has one of its own made from it.
    """

    def __init__(self, model: Any, options: RobustnessOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._searcher = NeuronFinder(model, options)

    def __call__(self, fact: Fact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        prompts, kinds, too_short = self._prompts(fact)
        probability, right = self._asked([fact, *prompts])
        about: dict[str, Any] = {
            "known": bool(right[0]),
            "probability": probability,
            "right": right,
            "kinds": kinds,
            "prompts": [prompt.prompt for prompt in prompts],
            "too_short": too_short,
            "reason": NOT_KNOWN,
            "neurons": [],
            "components": 0,
            "degenerate": [],
            "topped_up": 0,
            "max_change": self.options.max_change,
        }
        if self.options.only_known and not right[0]:
            return {"fact": about, "arms": {}, "subsets": {}}
        found = self._searcher.find(fact)
        about |= {
            "reason": found.reason if prompts else NO_PROMPT,
            "neurons": found.neurons.to_array(),
            "components": found.dkn.n,
            "degenerate": found.degenerate.to_array(),
        }
        rng = np.random.default_rng([seed_for(self.seed, fact.key), 0])
        arms: dict[str, Any] = {}
        if about["reason"] is None:
            matched = size_matched(
                found.degenerate,
                found.others,
                rng,
                n_layers=self.model.n_layers,
                n_neurons=self.model.n_neurons,
            )
            about["topped_up"] = matched.topped_up
            arms = self._arms([fact, *prompts], matched.neurons)
        return {"fact": about, "arms": arms, "subsets": self._subsets(found, prompts, kinds)}

    def _prompts(self, fact: Fact) -> tuple[list[Fact], list[str], list[str]]:
        """Return the faulty prompts, their kinds, and the kinds that the prompt is too short for.

        A short prompt has few words to change, so that two draws may be the same prompt.
        """
        options = self.options
        if options.keep_subject and fact.subject is None:
            raise ValueError(f"{describe_fact(fact)}: keep_subject needs field 'subject'.")
        prompts: list[Fact] = []
        kinds: list[str] = []
        too_short: list[str] = []
        for kind in PERTURBATIONS:
            drawn: dict[str, Fact] = {}
            for draw in range(options.draws):
                try:
                    faulty = perturb(
                        fact,
                        kind,
                        seed=seed_for(self.seed, f"draw {draw}"),
                        marks=options.marks,
                        keep_subject=options.keep_subject,
                    )
                except ValueError:  # nothing else can be wrong: the options are checked
                    too_short.append(kind)
                    break
                drawn.setdefault(faulty.prompt, faulty)
            prompts += drawn.values()
            kinds += [kind] * len(drawn)
        return prompts, kinds, too_short

    def _asked(self, facts: Sequence[Fact], edits: Any = None) -> tuple[Any, Any]:
        """Return the probability of each answer, and whether it is given."""
        from neurotopo.models.recall import recalled

        probability = self.model.answer_probabilities(
            facts, edits=edits, reduce=self.options.reduce
        )
        return probability, recalled(self.model, facts, ends=False, edits=edits)

    def _arms(self, asked: Sequence[Fact], arms: Mapping[str, NeuronSet]) -> dict[str, Any]:
        """Ask all prompts under all edits of all arms in one batch.

        Neurons suppressed by their weights are the model that they are suppressed in by their
        values, so this is asked once.
        """
        from neurotopo.models.edits import Edit

        ways = [("values", scale) for scale in self.options.scales] + [("weights", ENHANCE)]
        edits = [
            Edit(neurons, scale=scale, where=where)  # type: ignore[arg-type]
            for neurons in arms.values()
            for where, scale in ways
        ]
        probability, right = self._asked(
            [*asked] * len(edits), [edit for edit in edits for _ in asked]
        )
        shape = (len(arms), len(ways), len(asked))
        return {
            arm: {
                "where": [where for where, _ in ways],
                "scale": [scale for _, scale in ways],
                "probability": p,
                "right": r,
            }
            for arm, p, r in zip(
                arms, probability.reshape(shape), right.reshape(shape), strict=True
            )
        }

    def _subsets(
        self, found: FactNeurons, prompts: Sequence[Fact], kinds: Sequence[str]
    ) -> dict[str, Any]:
        """Suppress k of n components, of NTC and of those the model was trained to have."""
        from neurotopo.models.edits import Edit

        # one faulty prompt of each kind: subsets are many
        some = dict(zip(kinds[::-1], prompts[::-1], strict=True))
        asked = [found.fact, *some.values()]
        groupings = {"ntc": found.dkn.components if found.degenerate else []}
        pools = {"ntc": found.neurons}
        if self.model.planted_groups is not None:
            groupings["oracle"] = self.model.planted_groups
            pools["oracle"] = NeuronSet(pair for group in groupings["oracle"] for pair in group)
        seed = seed_for(self.seed, found.fact.key)
        results: dict[str, Any] = {}
        for name, groups in groupings.items():
            n = len(groups)
            if not 2 <= n <= MOST:
                if n:
                    results[name] = {"n": n}
                continue
            chosen = subsets(
                n,
                max_exact=self.options.max_exact,
                n_samples=self.options.n_samples,
                random_state=seed,
            )
            rng = np.random.default_rng([seed, *name.encode()])
            both = {name: groups, control_of(name): shuffled(groups, pools[name], rng)}
            for each, own in both.items():
                edits = [None, *(Edit(_union(own, row)) for row in chosen)]
                values = np.array(
                    [
                        self.model.answer_probability(fact, edits=edits, reduce=self.options.reduce)
                        for fact in asked
                    ]
                )
                results[each] = {
                    "n": n,
                    "k": chosen.sum(axis=1),
                    "clean": values[0],
                    "faulty": values[1:].mean(axis=0) if len(asked) > 1 else [],
                }
        return results


def _union(groups: Sequence[NeuronSet], chosen: Any) -> NeuronSet:
    return NeuronSet(
        pair for group, kept in zip(groups, chosen, strict=True) if kept for pair in group
    )
