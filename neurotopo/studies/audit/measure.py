"""All numbers of the audit about one fact, in few batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.ablation import Ablation
from neurotopo.redundancy.scores import Scores, fact_scores
from neurotopo.studies.audit.nulls import union

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.edits import Edit
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Batch", "alone", "further_sets", "lattices", "minimality", "shell", "with_pairs"]

KEPT = 0.9
"""The share of a group's effect that a minimal part of it keeps."""

STEPS = 20
"""The most numbers of members that are tried for it; for larger groups in equal steps."""


def shell(n: int) -> NDArray[np.bool_]:
    """Return the subsets of n groups with 1, n - 1 and n members: what rho and sufficiency need.

    Examples
    --------
    >>> from neurotopo.studies.audit.measure import shell
    >>> shell(3).astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    """
    if n == 1:
        return np.ones((1, 1), dtype=bool)
    single = np.eye(n, dtype=bool)
    rows = [single, ~single[::-1], np.ones((1, n), dtype=bool)]
    every = np.concatenate(rows)
    return every[sorted(np.unique(every, axis=0, return_index=True)[1])] if n else every[:0]


def with_pairs(n: int) -> NDArray[np.bool_]:
    """Return :func:`shell` and all pairs of groups: what interactions need."""
    pairs = np.zeros((n * (n - 1) // 2, n), dtype=bool)
    first, second = np.triu_indices(n, 1)
    pairs[np.arange(len(pairs)), first] = pairs[np.arange(len(pairs)), second] = True
    every = np.concatenate([shell(n), pairs])
    return every[sorted(np.unique(every, axis=0, return_index=True)[1])]


@dataclass
class Batch:
    """Edits of one fact that are evaluated in one call."""

    edits: list[Edit | None] = field(default_factory=lambda: [None])
    parts: dict[Any, slice] = field(default_factory=dict)

    def add(self, name: Any, edits: Sequence[Edit]) -> None:
        """Add named edits."""
        self.parts[name] = slice(len(self.edits), len(self.edits) + len(edits))
        self.edits.extend(edits)

    def run(self, model: NeuronModel, fact: Fact, foils: Sequence[str]) -> tuple[Scores, Scores]:
        """Return the scores of all edits, and those without edits."""
        scores = fact_scores(model, fact, foils, self.edits)
        return scores, scores[:1]


def lattices(
    batch: Batch,
    ablations: Mapping[str, Ablation],
    groups: Mapping[Any, Sequence[NeuronSet]],
    rows: Mapping[Any, NDArray[np.bool_]],
) -> None:
    """Add the ablation of subsets of several groupings to a batch, under (grouping, ablation)."""
    for name, own in groups.items():
        for kind, ablation in ablations.items():
            edits = [ablation.edit(union(own, row)) for row in rows[name].tolist()]
            batch.add((name, kind), edits)


def alone(
    model: NeuronModel,
    fact: Fact,
    other: Fact,
    foils: Sequence[str],
    groupings: Mapping[Any, Sequence[NeuronSet]],
) -> dict[Any, Scores]:
    """Restore groups on the counterfactual prompt, one by one and all together.

    Returns
    -------
    dict of Scores
        For each grouping the scores with nothing, everything, and each group restored.
    """
    clean = Ablation("clean", model.activations(fact, "answer"))
    batch = Batch()
    for name, groups in groupings.items():
        batch.add(name, [clean.edit(union(groups)), *map(clean.edit, groups)])
    scores, base = batch.run(model, other, foils)
    return {
        name: Scores(
            np.concatenate([base.log_answer, scores[part].log_answer]),
            np.concatenate([base.log_foils, scores[part].log_foils]),
        )
        for name, part in batch.parts.items()
    }


def further_sets(
    model: NeuronModel,
    fact: Fact,
    other: Fact,
    foils: Sequence[str],
    ranked: Sequence[tuple[int, int]],
    *,
    target: float,
    size: int,
    score: str,
    most: int = 5,
) -> list[int]:
    """Search for disjoint sets of other neurons that suffice, and return their sizes.

    A set grows by the best neuron that is left until it recovers the target on the counterfactual
    prompt. The next set grows from the neurons after it. The search ends at the first set that does
    not suffice with ``size`` neurons.

    Parameters
    ----------
    model, fact, other, foils
        As for :func:`alone`.
    ranked : sequence of (layer, index)
        The neurons outside the groups, the best first.
    target : float
        The score that a set must recover.
    size : int
        The most neurons of a set; sizes are tried in steps of a quarter of it.
    score : str
        The score, a key of :class:`~neurotopo.redundancy.Scores`.
    most : int, default=5
        The most sets.

    Returns
    -------
    list of int
    """
    clean = Ablation("clean", model.activations(fact, "answer"))
    steps = np.unique(np.ceil(np.linspace(0, size, 5)[1:]).astype(int)).tolist()
    found: list[int] = []
    start = 0
    while len(found) < most and start + size <= len(ranked):
        batch = Batch()
        batch.add("sets", [clean.edit(NeuronSet(ranked[start : start + k])) for k in steps])
        values = batch.run(model, other, foils)[0].of(score)[batch.parts["sets"]]
        enough = np.flatnonzero(values >= target)
        if not len(enough):
            break
        found.append(steps[int(enough[0])])
        start += found[-1]
    return found


def minimality(
    model: NeuronModel,
    fact: Fact,
    foils: Sequence[str],
    groups: Sequence[NeuronSet],
    ablation: Ablation,
    scores: NDArray[np.float64],
    score: str,
) -> list[float]:
    """Return the share of each group's members that can go without losing a tenth of its effect.

    The effect of a group is what it keeps with all other groups ablated. Its members are ablated
    too, in ascending order of their attribution, until the effect is below 90 %. nan for a group
    without an effect above 0.

    Parameters
    ----------
    model, fact, foils
        As for :func:`~neurotopo.redundancy.fact_scores`.
    groups : sequence of NeuronSet
    ablation : Ablation
    scores : ndarray, shape (n_layers, n_neurons)
        The attribution of the fact.
    score : str
        The score that is an effect, a key of :class:`~neurotopo.redundancy.Scores`.

    Returns
    -------
    list of float
    """
    everything = union(groups)
    batch = Batch()
    batch.add("all", [ablation.edit(everything)])
    steps = [spare_steps(len(group)) for group in groups]
    for number, group in enumerate(groups):
        order = np.argsort(scores[group.layers, group.indices], kind="stable")
        rest = everything - group
        batch.add(number, [ablation.edit(rest | group[np.sort(order[:k])]) for k in steps[number]])
    values = batch.run(model, fact, foils)[0].of(score)
    least = values[batch.parts["all"]][0]
    shares = []
    for number, group in enumerate(groups):
        kept = values[batch.parts[number]] - least
        below = np.flatnonzero(kept < KEPT * kept[0])
        last = int(below[0]) - 1 if len(below) else len(kept) - 1
        shares.append(float(steps[number][last] / len(group)) if kept[0] > 0 else float("nan"))
    return shares


def spare_steps(size: int) -> NDArray[np.int64]:
    """Return the numbers of members of a group that are ablated, from none to all.

    Examples
    --------
    >>> from neurotopo.studies.audit.measure import spare_steps
    >>> spare_steps(3).tolist(), len(spare_steps(1000))
    ([0, 1, 2, 3], 21)
    """
    return np.unique(np.linspace(0, size, STEPS + 1).round().astype(np.int64))
