"""Random neurons in the place of those of two languages, so that they overlap as these do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurotopo.neurons import NeuronSet

__all__ = ["KINDS", "random_like", "some"]

KINDS: Mapping[str, str] = {
    "own": "the neurons of the fact",
    "random": "as many random neurons, overlapping as much",
    "random_layers": "random neurons, as many in each layer, overlapping as much",
}
"""What is edited, by name: the neurons of a fact, and what they are compared with."""


def random_like(
    by_language: Mapping[str, NeuronSet],
    rng: np.random.Generator,
    *,
    n_layers: int,
    n_neurons: int,
    by_layer: bool = False,
) -> dict[str, NeuronSet]:
    """Draw random sets that have the sizes and the overlaps of given ones.

    Parameters
    ----------
    by_language : mapping of str to NeuronSet
        The sets.
    rng : Generator
        What is drawn from.
    n_layers, n_neurons : int
        Number of layers of the model, and of neurons in each.
    by_layer : bool, default=False
        Put each neuron into the place of one of the same layer.

    Returns
    -------
    dict of str to NeuronSet

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.crosslingual.draws import random_like
    >>> sets = {"en": NeuronSet([(0, 0), (1, 1)]), "fr": NeuronSet([(1, 1), (1, 2), (2, 0)])}
    >>> drawn = random_like(sets, np.random.default_rng(0), n_layers=3, n_neurons=8)
    >>> [len(own) for own in drawn.values()], len(drawn["en"] & drawn["fr"])
    ([2, 3], 1)
    """
    union = NeuronSet(pair for own in by_language.values() for pair in own)
    if by_layer:
        counts = np.bincount(union.layers, minlength=n_layers)
        drawn = [
            (layer, int(index))
            for layer, count in enumerate(counts)
            for index in rng.choice(n_neurons, int(count), replace=False)
        ]
    else:
        places = rng.choice(n_layers * n_neurons, len(union), replace=False)
        drawn = [(int(place) // n_neurons, int(place) % n_neurons) for place in places]
    # a set of neurons is ordered by layer, as the draw by layers is
    instead = dict(zip(union, drawn, strict=True))
    return {name: NeuronSet(instead[pair] for pair in own) for name, own in by_language.items()}


def some(neurons: NeuronSet, n: int, rng: np.random.Generator) -> NeuronSet:
    """Return n of the neurons, drawn at random."""
    return neurons[np.sort(rng.permutation(len(neurons))[:n])] if n else NeuronSet()
