"""The neurons that the arms of the learning study train, and how they overlap with changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.facts import Fact
from neurotopo.neurons import NeuronSet
from neurotopo.studies.neurons import size_matched
from neurotopo.tuning.changes import (
    OverlapCurve,
    binned,
    changed_neurons,
    overlap_curve,
    overlap_test,
)

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["ArmSets", "arm_sets", "found_sets"]

_COMPARED = ("dkn", "kn", "random")


def found_sets(
    model: NeuronModel, facts: Sequence[Fact], amig: AMIG, finder: DKNFinder
) -> tuple[NeuronSet, NeuronSet, int]:
    """Return the degenerate knowledge neurons of facts, their other ones, and on how many facts.

    A fact counts for the first where it has at least two components and is not excluded.
    """
    degenerate: set[tuple[int, int]] = set()
    known: set[tuple[int, int]] = set()
    n_facts = 0
    for fact, attribution in zip(facts, amig.attribute_many(model, facts), strict=True):
        neurons = attribution.neurons(amig.threshold_for(fact), amig.rule, amig.scope)
        known.update(neurons)
        dkn = finder.find(model, fact, neurons)
        if dkn.n >= 2 and not dkn.excluded:
            degenerate.update(dkn.union)
            n_facts += 1
    return NeuronSet(degenerate), NeuronSet(known - degenerate), n_facts


@dataclass(frozen=True, eq=False)
class ArmSets:
    """The neurons of each arm for one seed.

    Attributes
    ----------
    neurons : dict of str to NeuronSet
        By the name of the arm.
    sizes : dict of str to int
        How many there are, and how many had to be added to make them equal.
    shape : tuple of int
        Number of layers and of neurons in each.
    """

    neurons: dict[str, NeuronSet]
    sizes: dict[str, int]
    shape: tuple[int, int]

    def of(self, arm: str) -> NeuronSet:
        """Return the neurons of an arm.

        Raises
        ------
        ValueError
            When there are none.
        """
        if not self.neurons[arm]:
            raise ValueError(
                "no degenerate knowledge neurons were found for any of the old facts, so there is "
                "nothing to train."
            )
        return self.neurons[arm]

    def overlap(self, changes: NDArray[np.float64], multiplier: float, seed: int) -> dict[str, Any]:
        """Return how the sets overlap with the neurons that full fine-tuning changed."""
        sets = {name: self.neurons[name] for name in _COMPARED if self.neurons[name]}
        changed = changed_neurons(changes, multiplier)
        return {
            **_curve(overlap_curve(changes, sets)),
            "multiplier": multiplier,
            "p": {
                name: overlap_test(changes, neurons, changed, seed=seed).p_value
                for name, neurons in sets.items()
            },
            "p_within_layers": {
                name: overlap_test(changes, neurons, changed, seed=seed, within_layers=True).p_value
                for name, neurons in sets.items()
            },
            "maps": {
                name: binned(neurons, *self.shape)
                for name, neurons in {"changed": changed, **sets}.items()
            },
        }


def _curve(curve: OverlapCurve) -> dict[str, Any]:
    """Return an overlap curve as it is stored."""
    n = len(curve.multipliers)
    return {
        "multipliers": curve.multipliers,
        "n_changed": curve.n_changed[:n],
        "sets": {name: values[:n] for name, values in curve.overlaps.items()},
        "shares": curve.shares,
        "by_share": {name: values[n:] for name, values in curve.overlaps.items()},
    }


def arm_sets(
    found: tuple[NeuronSet, NeuronSet, int], seed: int, n_layers: int, n_neurons: int
) -> ArmSets:
    """Choose the neurons of each arm, all of them as many as there are degenerate ones.

    Where there are fewer other knowledge neurons, degenerate ones are added at random, as in the
    paper; where there are more, some are drawn.

    Parameters
    ----------
    found : tuple
        What :func:`found_sets` returned.
    seed : int
        Seed of what is drawn.
    n_layers, n_neurons : int
        The shape of the model.

    Returns
    -------
    ArmSets

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.learning.sets import arm_sets
    >>> found = NeuronSet([(0, 0), (0, 1), (1, 0)]), NeuronSet([(1, 2)]), 5
    >>> sets = arm_sets(found, seed=0, n_layers=2, n_neurons=8)
    >>> sets.sizes
    {'dkn': 3, 'kn': 1, 'size': 3, 'topped_up': 2, 'facts_with_dkn': 5}
    >>> [len(sets.of(name)) for name in ("kn", "random", "random_layers")]
    [3, 3, 3]
    """
    degenerate, others, n_facts = found
    matched = size_matched(
        degenerate, others, np.random.default_rng([seed, 2]), n_layers=n_layers, n_neurons=n_neurons
    )
    return ArmSets(
        neurons=matched.neurons,
        sizes={
            "dkn": len(degenerate),
            "kn": matched.n_others,
            "size": len(degenerate),
            "topped_up": matched.topped_up,
            "facts_with_dkn": n_facts,
        },
        shape=(n_layers, n_neurons),
    )
