"""Ablation: the values that stand for those of neurons whose effect is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.seeding import seeded
from neurotopo.models.edits import Edit
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["ABLATIONS", "Ablation", "RelationValues", "counterfactual_of"]

ABLATIONS = ("zero", "mean", "counterfactual")


@dataclass(frozen=True, eq=False)
class Ablation:
    """Values that replace those of ablated neurons at the tokens that predict the answer.

    Attributes
    ----------
    name : {"zero", "mean", "counterfactual"}
        Their kind.
    values : ndarray or None
        Shape (n_layers, n_neurons), at all tokens that predict an answer, or (n_layers,
        n_positions, n_neurons), at each token that predicts the first answer, given the tokens
        before it (:func:`fact_scores` says what foils get). None: 0.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.redundancy import Ablation
    >>> Ablation("mean", np.array([[0.5, 0.25]])).edit(NeuronSet([(0, 1)]))
    Edit(neurons=NeuronSet([(0, 1)]), value=(0.25,), positions='last')
    """

    name: str
    values: NDArray[Any] | None = None

    def edit(self, neurons: NeuronSet) -> Edit:
        """Return the edit that ablates some neurons."""
        if self.values is None or not len(neurons):
            return Edit(neurons, positions="last")
        # the indices of layers and neurons broadcast around a slice of positions
        chosen = self.values[neurons.layers, ..., neurons.indices]
        return Edit(neurons, value=chosen, positions="last")


class RelationValues:
    """The values of all neurons on the facts of one relation, for ablations of each fact.

    Parameters
    ----------
    model : NeuronModel
    facts : sequence of Fact
        Facts of one relation.
    most : int, default=50
        The most facts of which the mean is taken.
    seed : int, default=0
        Seed of the draws of these facts and of counterfactual subjects.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.redundancy import RelationValues
    >>> facts = [
    ...     Fact(f"The capital of {land} is _X_", city, "P36", subject=land)
    ...     for land, city in (("France", "Paris"), ("Italy", "Rome"))
    ... ]
    >>> values = RelationValues(random_model(), facts)
    >>> {name: None if a.values is None else a.values.shape for name, a in values.of(facts[0])}
    {'zero': None, 'mean': (3, 24), 'counterfactual': (3, 1, 24)}
    """

    def __init__(
        self, model: NeuronModel, facts: Sequence[Fact], *, most: int = 50, seed: int = 0
    ) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}.")
        self.model, self.facts, self.most, self.seed = model, list(facts), most, seed
        rng = seeded(seed, "mean", min((fact.key for fact in facts), default=""))
        order = rng.permutation(len(self.facts))[: most + 1].tolist()
        self._drawn = {self.facts[i].key: self.facts[i] for i in order}
        self._values: dict[str, NDArray[np.float32]] = {}

    def of(self, fact: Fact) -> Iterator[tuple[str, Ablation]]:
        """Yield the ablations of a fact by name.

        ``"zero"``: 0. ``"mean"``: the mean of the values at the last token of other prompts of
        the relation. ``"counterfactual"``: the values on the prompt of :func:`counterfactual_of`.
        Without such a prompt they are left out.
        """
        yield "zero", Ablation("zero")
        others = [key for key, other in self._drawn.items() if other.prompt != fact.prompt]
        if others:
            mean = np.mean([self._of(key) for key in others[: self.most]], axis=0)
            yield "mean", Ablation("mean", mean)
        other = counterfactual_of(self.model, fact, self.facts, seed=self.seed)
        if other is not None:
            values = self.model.activations(other, "answer")
            yield "counterfactual", Ablation("counterfactual", values)

    def _of(self, key: str) -> NDArray[np.float32]:
        if key not in self._values:
            self._values[key] = self.model.activations(self._drawn[key])
        return self._values[key]


def counterfactual_of(
    model: NeuronModel, fact: Fact, facts: Sequence[Fact], *, seed: int = 0
) -> Fact | None:
    """Return the fact's prompt about another subject, with the answers of the fact.

    Parameters
    ----------
    model : NeuronModel
        The model whose tokens count.
    fact : Fact
    facts : sequence of Fact
        Facts of the same relation.
    seed : int, default=0
        Seed of the draw among subjects of the same number of tokens.

    Returns
    -------
    Fact or None
        The prompt with a subject that has no answer of the fact in any of ``facts``, if possible
        of the same number of tokens; if the prompt does not contain its subject, the whole other
        prompt. None without such a subject.

    Examples
    --------
    >>> from neurotopo.redundancy import counterfactual_of
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("or")
    >>> other = counterfactual_of(net.model, net.facts[0], net.facts)
    >>> net.facts[0].prompt, other.prompt, other.answers
    ('S', 'T', ('yes',))
    """
    valid = {answer.casefold() for answer in fact.answers}
    length = model.encode(fact).n_prompt
    same = {_topic(fact)}
    # a subject of several facts may have the answer in another one
    same.update(_topic(f) for f in facts if valid & {answer.casefold() for answer in f.answers})
    candidates: dict[str, Fact] = {}
    for other in facts:
        if _topic(other) in same:
            continue
        prompt = other.prompt
        if fact.subject and other.subject and fact.subject in fact.prompt:
            prompt = fact.prompt.replace(fact.subject, other.subject)
        if prompt == fact.prompt:
            continue
        candidates.setdefault(prompt, replace(fact, prompt=prompt, subject=other.subject, id=None))
    if not candidates:
        return None
    found = [candidates[prompt] for prompt in sorted(candidates)]
    rng = seeded(seed, "counterfactual", fact.key)
    found = [found[i] for i in rng.permutation(len(found))[:_TRIED]]
    gaps = [abs(model.encode(each).n_prompt - length) for each in found]
    return found[int(np.argmin(gaps))]


_TRIED = 100


def _topic(fact: Fact) -> str:
    """Return what a fact is about: its subject, or its prompt if it has none."""
    return fact.subject or fact.prompt
