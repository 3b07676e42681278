"""Effects of groups on other facts: whether they serve one fact, and whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.ablation import Ablation
from neurotopo.redundancy.scores import Scores

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Bystanders", "distance"]


class Bystanders:
    """Facts on which the effect of groups is measured.

    An ablated neuron has its mean value over these facts, at the token that predicts the answer.
    The effect is the fall of the log-odds of each fact's own answer.

    Parameters
    ----------
    model : NeuronModel
    facts : sequence of Fact
    """

    def __init__(self, model: NeuronModel, facts: Sequence[Fact]) -> None:
        self.model = model
        total = np.zeros((model.n_layers, model.n_neurons))
        for fact in facts:
            total += model.activations(fact)
        self._mean = Ablation("mean", total / max(len(facts), 1))

    def effects(self, facts: Sequence[Fact], groups: Sequence[NeuronSet]) -> NDArray[np.float64]:
        """Return the effect of each group on each of some facts, shape (n_facts, n_groups)."""
        edits = [None, *map(self._mean.edit, groups)]
        effects = np.empty((len(facts), len(groups)))
        for row, fact in zip(effects, facts, strict=True):
            log_p = np.asarray(self.model.answer_probability(fact, edits, log=True))
            odds = Scores(log_p, np.empty((len(log_p), 0))).of("log-odds")
            row[:] = odds[0] - odds[1:]
        return effects


def distance(effects: NDArray[np.float64]) -> float:
    """Return 1 minus the correlation of the effects of two groups, mean over pairs of groups.

    nan for fewer than two groups whose effects vary, and for fewer than three facts.

    Parameters
    ----------
    effects : ndarray, shape (n_facts, n_groups)

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.audit.specificity import distance
    >>> round(distance(np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 1.0], [3.0, 3.0, -1.0]])), 3)
    1.0
    """
    varies = effects.std(axis=0) > 0 if len(effects) > 2 else np.zeros(effects.shape[1], bool)
    if varies.sum() < 2:
        return float("nan")
    correlation = np.atleast_2d(np.corrcoef(effects[:, varies], rowvar=False))
    return float(1 - correlation[np.triu_indices(len(correlation), 1)].mean())
