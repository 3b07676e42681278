"""What judges a label: the neurons that facts of a relation share, random ones, and the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.neurons import size_matched
from neurotopo.testbed.corpus import sentences_of


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
    >>> from neurotopo.studies.detection.neurons import shared
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


def asked_scores(
    model: NeuronModel,
    true: Sequence[Fact],
    wrong: Sequence[Fact],
    template: str,
    words: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """Return what the model says of true and of wrong labels, by method, shape (2, n) each.

    Parameters
    ----------
    model : NeuronModel
        The model.
    true, wrong : sequence of Fact
        The facts with one answer each, the label in question.
    template, words
        The question for a verdict, and the two verdicts.

    Returns
    -------
    dict of str to ndarray
        ``"probability"``, the log-probability of the label per token; ``"joint"``, that of the
        whole label; ``"answer"``, 1 where the label is the answer written greedily;
        ``"verdict"``, how much more likely the first verdict is than the second, as a difference
        of logarithms, nan where the tokenizer does not know the words; ``"always"``, 1.
    """
    facts = [*true, *wrong]
    joint = model.answer_probabilities(facts, log=True)
    lengths = np.array([len(model.encode(fact).answers[0]) for fact in facts], dtype=np.float64)
    scores = {
        "probability": joint / lengths,
        "joint": joint,
        "answer": recalled(model, facts, ends=False).astype(np.float64),
        "verdict": _verdicts(model, facts, template, words),
        "always": np.ones(len(facts)),
    }
    return {name: values.reshape(2, len(true)) for name, values in scores.items()}


def verdict_fact(fact: Fact, template: str, word: str) -> Fact:
    """Return the question whether a fact with one answer is true, with one verdict.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.detection.neurons import verdict_fact
    >>> fact = Fact("The capital of Zúnia is _X_", "Marly")
    >>> verdict_fact(fact, "{statement} This is _X_", "true").prompt
    'The capital of Zúnia is Marly. This is _X_'
    """
    statement = sentences_of(fact)[0].strip()
    if statement[-1] not in ".!?。":
        statement += "."
    return replace(fact, prompt=template.replace("{statement}", statement), answers=(word,))


def _verdicts(
    model: NeuronModel, facts: Sequence[Fact], template: str, words: Sequence[str]
) -> NDArray[np.float64]:
    asked = [verdict_fact(fact, template, word) for word in words for fact in facts]
    try:
        first, second = model.answer_probabilities(asked, log=True).reshape(2, len(facts))
    except ValueError:  # the tokenizer does not know a word, or the question is too long
        return np.full(len(facts), np.nan)
    return np.asarray(first - second, dtype=np.float64)
