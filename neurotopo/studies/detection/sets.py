"""The neurons of a relation: those that many of its facts share, and random ones beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neurotopo.neurons import NeuronSet
from neurotopo.studies.detection.options import SWEPT, DetectionOptions
from neurotopo.studies.neurons import size_matched

__all__ = ["Swept", "random_sets", "shared", "swept_sets"]


def shared(sets: Sequence[NeuronSet], share: float) -> NeuronSet:
    """Return the neurons that are in more than a share of the sets that hold any.

    Parameters
    ----------
    sets : sequence of NeuronSet
        The neurons of each fact.
    share : float
        The share, at least 0 and below 1.

    Returns
    -------
    NeuronSet

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.detection.sets import shared
    >>> sets = [NeuronSet([(0, 1), (0, 2)]), NeuronSet([(0, 1)]), NeuronSet()]
    >>> shared(sets, 0.5), shared(sets, 0.4)
    (NeuronSet([(0, 1)]), NeuronSet([(0, 1), (0, 2)]))
    """
    counts = Counter(neuron for one in sets for neuron in one)
    n = sum(bool(len(one)) for one in sets)
    return NeuronSet(neuron for neuron, count in counts.items() if count > share * n)


def random_sets(
    neurons: NeuronSet, n: int, seed: Sequence[int], *, n_layers: int, n_neurons: int
) -> dict[str, list[NeuronSet]]:
    """Draw random neurons several times.

    Parameters
    ----------
    neurons : NeuronSet
        What they are to be compared with.
    n : int
        Number of draws.
    seed : sequence of int
        Seed of all draws; sets of one size get the same random neurons.
    n_layers, n_neurons : int
        Shape of the model.

    Returns
    -------
    dict of str to list of NeuronSet
        ``"random"``, as many neurons of all, and ``"random_layers"``, as many in each layer.
    """
    found: dict[str, list[NeuronSet]] = {"random": [], "random_layers": []}
    for draw in range(n):
        rng = np.random.default_rng([*seed, draw])
        drawn = size_matched(neurons, NeuronSet(), rng, n_layers=n_layers, n_neurons=n_neurons)
        for name, sets in found.items():
            sets.append(drawn.neurons[name])
    return found


@dataclass(frozen=True, eq=False)
class Swept:
    """The neurons of a relation under one other threshold.

    Attributes
    ----------
    option : str
        Which threshold, one of :data:`~neurotopo.studies.detection.options.SWEPT`.
    value : float
        Its value.
    dkn : NeuronSet
        The degenerate knowledge neurons.
    random : list of NeuronSet
        As many random ones, several draws.
    """

    option: str
    value: float
    dkn: NeuronSet
    random: list[NeuronSet]


def swept_sets(
    options: DetectionOptions,
    degenerate: Callable[..., list[NeuronSet]],
    seed: int,
    *,
    n_layers: int,
    n_neurons: int,
) -> list[Swept]:
    """Return the sets under every value of every threshold, the others as they are.

    Parameters
    ----------
    options : DetectionOptions
        The values.
    degenerate : callable
        Called with a threshold by name; returns the degenerate knowledge neurons of each fact.
    seed : int
        Seed of the random neurons.
    n_layers, n_neurons : int
        Shape of the model.

    Returns
    -------
    list of Swept
    """
    found = []
    for option in SWEPT:
        for value in options.swept(option):
            if option == "share":
                dkn = shared(degenerate(), value)
            else:
                dkn = shared(degenerate(**{option: value}), options.share)
            drawn = random_sets(
                dkn, options.n_random, [seed], n_layers=n_layers, n_neurons=n_neurons
            )
            found.append(Swept(option, float(value), dkn, drawn["random"]))
    return found
