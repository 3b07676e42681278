"""All numbers of the audit about one fact, in few batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.suppression import subsets
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.ablation import Ablation
from neurotopo.redundancy.paths import path_scores
from neurotopo.redundancy.scores import Scores, fact_scores
from neurotopo.studies.audit.nulls import union

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.edits import Edit
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Batch", "alone", "lattices", "minimality", "paths", "shell"]

KEPT = 0.9
"""The share of a group's effect that a minimal part of it keeps."""


def shell(n: int) -> NDArray[np.bool_]:
    """Return the subsets of n groups with 1, n - 1 and n members: what rho and sufficiency need.

    Examples
    --------
    >>> from neurotopo.studies.audit.measure import shell
    >>> shell(3).astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    """
    single = np.eye(n, dtype=bool)
    rows = [single, ~single[::-1], np.ones((1, n), dtype=bool)]
    every = np.concatenate(rows)
    return every[sorted(np.unique(every, axis=0, return_index=True)[1])] if n else every[:0]


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


def own_subsets(n: int, max_exact: int, n_samples: int, seed: int) -> NDArray[np.bool_]:
    """Return the subsets of the groups themselves: all, or a sample of those of each size."""
    return subsets(n, max_exact=max_exact, n_samples=n_samples, random_state=seed)


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


def minimality(
    model: NeuronModel,
    fact: Fact,
    foils: Sequence[str],
    groups: Sequence[NeuronSet],
    ablation: Ablation,
    score: str,
) -> list[float]:
    """Return the share of each group's members that can go without losing a tenth of its effect.

    The effect of a group is what it keeps with all other groups ablated. Its members are ablated
    too, one after the other in ascending order of their single effects, until the effect is below
    90 %. nan for a group without an effect above 0.
    """
    everything = union(groups)
    first = Batch()
    for number, group in enumerate(groups):
        rest = everything - group
        first.add(number, [ablation.edit(rest | NeuronSet([pair])) for pair in group])
        first.add(("rest", number), [ablation.edit(rest)])
    first.add("all", [ablation.edit(everything)])
    values = first.run(model, fact, foils)[0].of(score)
    least = values[first.parts["all"]][0]
    second, shares = Batch(), [float("nan")] * len(groups)
    effect: dict[int, float] = {}
    for number, group in enumerate(groups):
        kept = float(values[first.parts["rest", number]][0])
        effect[number] = kept - float(least)
        order = np.argsort(kept - values[first.parts[number]], kind="stable")
        rest = everything - group
        second.add(
            number, [ablation.edit(rest | group[np.sort(order[:k])]) for k in range(len(group) + 1)]
        )
    values = second.run(model, fact, foils)[0].of(score)
    for number, group in enumerate(groups):
        if effect[number] > 0:
            enough = values[second.parts[number]] - least >= KEPT * effect[number]
            below = np.flatnonzero(~enough)
            n_spare = int(below[0]) - 1 if len(below) else len(group)
            shares[number] = max(n_spare, 0) / len(group)
    return shares


def paths(
    model: NeuronModel,
    fact: Fact,
    foils: Sequence[str],
    groups: Sequence[NeuronSet],
    ablation: Ablation,
) -> dict[str, Scores]:
    """Return the scores of the first token along all paths, direct ones, and with frozen norms.

    The rows are: nothing ablated, the subsets of :func:`shell`.
    """
    first = ablation
    if ablation.values is not None and ablation.values.ndim == 3:
        first = Ablation(ablation.name, ablation.values[:, 0])
    edits = [None, *(first.edit(union(groups, row)) for row in shell(len(groups)).tolist())]
    return vars(path_scores(model, fact, foils, edits))
