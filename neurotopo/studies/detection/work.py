"""The study ``detection``: do degenerate knowledge neurons tell false facts from true ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.detection.asking import asked_scores
from neurotopo.studies.detection.options import DetectionOptions
from neurotopo.studies.detection.sets import Swept, random_sets, shared, swept_sets
from neurotopo.studies.detection.trials import RelationTrial
from neurotopo.studies.models import model_for
from neurotopo.studies.neurons import FactNeurons, NeuronFinder
from neurotopo.studies.study import seed_for

__all__ = ["DetectionWork", "prepare"]


def prepare(model: Any, given: Mapping[str, Any]) -> DetectionWork:
    """Load the model and return the work per relation."""
    return DetectionWork(model_for(model, given), DetectionOptions.of(given), given["seed"])


class DetectionWork:
    """Find the neurons of a relation, and what they score true and wrong labels.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : DetectionOptions
        What is done.
    seed : int
        Seed of random neurons; each relation has one of its own made from it.
    """

    def __init__(self, model: NeuronModel, options: DetectionOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._searcher = NeuronFinder(model, options.search())
        self._shape = {"n_layers": model.n_layers, "n_neurons": model.n_neurons}

    def __call__(self, trial: RelationTrial) -> dict[str, Any]:
        """Return the scores of a relation's labels by every method."""
        about = {
            "relation": trial.key,
            "n_facts": trial.n_facts,
            "left_out": trial.left_out,
            "setting": {
                "threshold_by": self.options.threshold_by,
                "n_resamples": self.options.n_resamples,
                "seed": self.seed,
                "share": self.options.share,
                "shape": [self.model.n_layers, self.model.n_neurons],
            },
        }
        pairs = trial.pairs
        if not pairs:
            return {**about, "pairs": {}, "scores": {}, "sets": {}, "sweep": []}
        true, wrong = [p.true_fact for p in pairs], [p.wrong_fact for p in pairs]
        train = [i for i, pair in enumerate(pairs) if pair.train]
        found = list(self._searcher.find_all([true[i] for i in train]))
        sets = self._sets(found, trial.key)
        swept = self._swept(found, trial.key)
        named = [(name, each) for name, draws in sets.items() for each in draws]
        every = [each for _, each in named]
        every += [each for one in swept for each in (one.dkn, *one.random)]
        means = self._means(every, true, wrong, dict(zip(train, found, strict=True)))
        scores: dict[str, Any] = {name: [] for name in sets}
        for (name, _), values in zip(named, means, strict=False):
            scores[name].append(values)
        scores |= {
            name: [values]
            for name, values in asked_scores(
                self.model, true, wrong, self.options.verdict_template, self.options.verdict_words
            ).items()
        }
        rest, n_each = means[len(named) :], 1 + self.options.n_random
        return {
            **about,
            "pairs": {
                "fact": [pair.fact.key for pair in pairs],
                "label": [pair.label for pair in pairs],
                "wrong": [pair.wrong for pair in pairs],
                "subject": [pair.subject for pair in pairs],
                "train": [pair.train for pair in pairs],
                "known": recalled(self.model, [p.fact for p in pairs], ends=False),
            },
            "scores": scores,
            "sets": {
                "sizes": {name: len(draws[0]) for name, draws in sets.items()},
                "n_train": len(train),
                "with_dkn": sum(bool(len(one.degenerate)) for one in found),
                "with_kn": sum(bool(len(one.neurons)) for one in found),
                "reasons": dict(Counter(one.reason for one in found if one.reason is not None)),
            },
            "sweep": [
                {
                    "option": one.option,
                    "value": one.value,
                    "size": len(one.dkn),
                    "dkn": rest[k * n_each],
                    "random": rest[k * n_each + 1 : (k + 1) * n_each],
                }
                for k, one in enumerate(swept)
            ],
        }

    def _sets(self, found: Sequence[FactNeurons], key: str) -> dict[str, list[NeuronSet]]:
        """Return the sets of a relation by method; of random ones there are several."""
        share = self.options.share
        dkn = shared([one.degenerate for one in found], share)
        kn = shared([one.neurons for one in found], share)
        n, seed = self.options.n_random, seed_for(self.seed, key)
        return {
            "dkn": [dkn],
            "kn": [kn],
            **random_sets(dkn, n, [seed], **self._shape),
            "random_kn": random_sets(kn, n, [seed, 1], **self._shape)["random"],
        }

    def _swept(self, found: Sequence[FactNeurons], key: str) -> list[Swept]:
        """Return the sets under other thresholds, found in the attributions that there are."""

        def degenerate(**changed: float) -> list[NeuronSet]:
            if all(getattr(self.options, name) == value for name, value in changed.items()):
                return [one.degenerate for one in found]
            searcher = NeuronFinder(self.model, self.options.search(**changed))
            return [searcher.of(one.fact, one.attribution).degenerate for one in found]

        return swept_sets(self.options, degenerate, seed_for(self.seed, key), **self._shape)

    def _means(
        self,
        sets: Sequence[NeuronSet],
        true: Sequence[Fact],
        wrong: Sequence[Fact],
        found: Mapping[int, FactNeurons],
    ) -> NDArray[np.float64]:
        """Return the mean attribution of each set, shape (n_sets, 2, n_pairs); nan for no neuron.

        Attributions are large and not kept: each is made, read and forgotten.
        """
        n_neurons = self.model.n_neurons
        places = [np.asarray(one.layers) * n_neurons + np.asarray(one.indices) for one in sets]
        means = np.full((len(sets), 2, len(true)), np.nan)

        def read(side: int, i: int, scores: NDArray[np.float64]) -> None:
            flat = scores.reshape(-1)
            for k, place in enumerate(places):
                if len(place):
                    means[k, side, i] = flat[place].mean()

        for i, one in found.items():
            read(0, i, one.attribution.scores)
        where = [(0, i) for i in range(len(true)) if i not in found]
        where += [(1, i) for i in range(len(wrong))]
        facts = [(true, wrong)[side][i] for side, i in where]
        many = self._searcher.amig.attribute_many(self.model, facts)
        for (side, i), attribution in zip(where, many, strict=True):
            read(side, i, attribution.scores)
        return means
