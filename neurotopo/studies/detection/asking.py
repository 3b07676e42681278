"""Asking the model itself: how likely a label is, whether it is the answer, and for a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.testbed.corpus import sentences_of

__all__ = ["asked_scores", "verdict_fact"]


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
    >>> from neurotopo.studies.detection.asking import verdict_fact
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
