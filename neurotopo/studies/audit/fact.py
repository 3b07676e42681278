"""The audit of one fact: everything that is measured about its groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.suppression import subsets
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.ablation import Ablation, RelationValues, counterfactual_of
from neurotopo.redundancy.paths import path_scores
from neurotopo.redundancy.scores import SCORES, Scores
from neurotopo.studies.audit.groups import FactGroups
from neurotopo.studies.audit.items import AuditItem
from neurotopo.studies.audit.measure import (
    Batch,
    alone,
    further_sets,
    lattices,
    minimality,
    shell,
    spare_steps,
    with_pairs,
)
from neurotopo.studies.audit.nulls import NULLS, NullInput, null_groups, ranked_outside, union
from neurotopo.studies.audit.specificity import distance
from neurotopo.studies.groupings import shuffled

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.studies.audit.options import AuditOptions
    from neurotopo.studies.audit.specificity import Bystanders

__all__ = ["audited"]

Groups = list[NeuronSet]


class Work(Protocol):
    """What the audit of a fact needs of the study."""

    model: NeuronModel
    options: AuditOptions
    seed: int

    def values_of(self, item: AuditItem) -> RelationValues:
        """Return the values of the relation of a fact."""

    def bystanders_of(self, item: AuditItem) -> Bystanders:
        """Return the other facts, on which effects are measured."""

    def others_of(self, item: AuditItem) -> list[Groups]:
        """Return the groups of other facts of the relation."""


FEWEST_FOR_COUNTERFACTUAL = 8
"""With fewer facts in the relation the verdicts are about the ablation "mean"."""


def audited(
    study: Work, item: AuditItem, foils: Sequence[str], found: Sequence[FactGroups]
) -> dict[str, Any]:
    """Measure the groups of a fact.

    Parameters
    ----------
    study : Work
        The study, with the values of other facts.
    item : AuditItem
    foils : sequence of str
    found : sequence of FactGroups
        The groups of the fact, and those of its other wordings.

    Returns
    -------
    dict
        In types that JSON can hold.
    """
    options, model, fact = study.options, study.model, item.fact
    groups = found[0].groups
    values = study.values_of(item)
    ablations = dict(values.of(fact))
    primary = primary_ablation(options.ablation, ablations, len(item.relation))
    draws = _null_draws(study, item, found[0])
    counts: dict[str, int] = {}
    results: dict[str, Any] = {
        "ablation": primary,
        **_lattices(model, fact, foils, groups, ablations, primary, draws, options, counts),
        **_alone(study, item, foils, found[0], draws["shuffled"], counts),
        "minimality": minimality(
            model, fact, foils, groups, ablations[primary], found[0].scores, options.score
        ),
        "paths": _paths(model, fact, foils, groups, ablations[primary]),
        "wordings": [
            _wording(study, item, foils, wording, found[0], there, primary, counts)
            for wording, there in zip(item.wordings, found[1:], strict=True)
        ],
        "specificity": _specificity(study, item, groups, draws["shuffled"], counts),
    }
    counts["minimality"] = 2 + sum(len(spare_steps(len(group))) for group in groups)
    counts["paths"] = 3 * (len(shell(len(groups))) + 1) + 1
    return {**results, "forwards": counts}


def primary_ablation(chosen: str | None, ablations: Mapping[str, Ablation], n_relation: int) -> str:
    """Return the name of the ablation of the verdicts."""
    if chosen is not None:
        if chosen not in ablations:
            raise ValueError(
                f"the ablation {chosen!r} is not possible: no other fact of the relation "
                + ("has other answers." if chosen == "counterfactual" else "is there.")
            )
        return chosen
    if n_relation >= FEWEST_FOR_COUNTERFACTUAL and "counterfactual" in ablations:
        return "counterfactual"
    return "mean" if "mean" in ablations else "zero"


def _null_draws(study: Work, item: AuditItem, found: FactGroups) -> dict[str, list[Groups]]:
    """Return the draws of each null; those that do not exist are left out."""
    given = NullInput(
        found.groups,
        found.scores,
        study.model.activations(item.fact),
        found.graph,
        study.others_of(item),
    )
    drawn = {
        name: [
            null_groups(name, given, draw, seeded(study.seed, f"{name}:{draw}", item.key))
            for draw in range(study.options.n_draws)
        ]
        for name in NULLS
    }
    return {name: [groups for groups in draws if groups] for name, draws in drawn.items()}


def _lattices(
    model: NeuronModel,
    fact: Fact,
    foils: Sequence[str],
    groups: Groups,
    ablations: Mapping[str, Ablation],
    primary: str,
    draws: Mapping[str, Sequence[Groups]],
    options: AuditOptions,
    counts: dict[str, int],
) -> dict[str, Any]:
    """Measure subsets of the groups by every ablation, and those of the nulls by the first."""
    n = len(groups)
    rows = {
        name: subsets(n, max_exact=options.max_exact, n_samples=max(options.n_samples, n))
        if name == primary
        else with_pairs(n)
        if n <= options.max_exact
        else shell(n)
        for name in ablations
    }
    batch = Batch()
    for name, ablation in ablations.items():
        lattices(batch, {name: ablation}, {"own": groups}, {"own": rows[name]})
    for name, some in draws.items():
        nulls = {(name, k): each for k, each in enumerate(some)}
        # shuffled groups by every ablation, for the comparison of ablations
        kinds = ablations if name == "shuffled" else {primary: ablations[primary]}
        lattices(batch, kinds, nulls, {key: shell(len(each)) for key, each in nulls.items()})
    scores, base = batch.run(model, fact, foils)
    counts["groups"] = sum(len(each) for each in rows.values()) + 1
    counts["nulls"] = len(batch.edits) - counts["groups"]
    return {
        "base": {name: values[0] for name, values in _stored(base).items()},
        "own": {
            name: {
                "subsets": each.astype(int).tolist(),
                **_stored(scores[batch.parts["own", name]]),
            }
            for name, each in rows.items()
        },
        "nulls": {
            name: [
                {
                    "sizes": [len(group) for group in some[k]],
                    "scores": {
                        kind: _stored(scores[batch.parts[(name, k), kind]])
                        for kind in ablations
                        if ((name, k), kind) in batch.parts
                    },
                }
                for k in range(len(some))
            ]
            for name, some in draws.items()
        },
    }


def _stored(scores: Scores) -> dict[str, list[float]]:
    return {name: scores.of(name).tolist() for name in SCORES}


def _alone(
    study: Work,
    item: AuditItem,
    foils: Sequence[str],
    found: FactGroups,
    draws: Sequence[Groups],
    counts: dict[str, int],
) -> dict[str, Any]:
    """Restore groups on the counterfactual prompt, and search for further sets that suffice."""
    model, score = study.model, study.options.score
    other = counterfactual_of(model, item.fact, item.relation, seed=study.seed)
    if other is None:
        return {"alone": None, "further": None}
    groups = found.groups
    groupings: dict[Any, Groups] = {"own": groups, **dict(enumerate(draws))}
    scores = alone(model, item.fact, other, foils, groupings)
    counts["alone"] = 1 + sum(len(each) + 1 for each in groupings.values())
    own = scores["own"].of(score)
    given = NullInput(groups, found.scores, found.scores, found.graph, [])
    size = sum(map(len, groups))
    further = further_sets(
        model,
        item.fact,
        other,
        foils,
        ranked_outside(given),
        target=float(np.median(own[2:])),
        size=size,
        score=score,
    )
    return {
        "alone": {
            "prompt": other.prompt,
            "own": _stored(scores["own"]),
            "shuffled": [_stored(scores[k]) for k in range(len(draws))],
        },
        "further": further if own[2:].max() > own[0] else None,
    }


def _paths(
    model: NeuronModel, fact: Fact, foils: Sequence[str], groups: Groups, ablation: Ablation
) -> dict[str, Any]:
    """Score the first token along all paths, direct ones, and with frozen norms.

    The rows are: nothing ablated, and the subsets of :func:`shell`.
    """
    first = ablation
    if ablation.values is not None and ablation.values.ndim == 3:
        first = Ablation(ablation.name, ablation.values[:, 0])
    edits = [None, *(first.edit(union(groups, row)) for row in shell(len(groups)).tolist())]
    paths = path_scores(model, fact, foils, edits)
    return {name: _stored(scores) for name, scores in vars(paths).items()}


def _wording(
    study: Work,
    item: AuditItem,
    foils: Sequence[str],
    wording: Fact,
    found: FactGroups,
    there: FactGroups,
    primary: str,
    counts: dict[str, int],
) -> dict[str, Any]:
    """Measure the groups on another wording, and the overlap of its neurons with theirs."""
    model, options, groups = study.model, study.options, found.groups
    ablation = _reworded(model, item, wording, primary, study.seed)
    about = {
        "prompt": wording.prompt,
        "known": bool(recalled(model, [wording], ends=False)[0]),
        "overlap": overlap(found.neurons, there.neurons, model.n_neurons),
    }
    if ablation is None:
        return {**about, "own": None, "shuffled": []}
    groupings: dict[Any, Groups] = {"own": groups}
    for draw in range(options.n_draws):
        rng = seeded(study.seed, f"shuffled:{draw}", wording.key)
        groupings[draw] = shuffled(groups, union(groups), rng)
    rows = dict.fromkeys(groupings, shell(len(groups)))
    batch = Batch()
    lattices(batch, {primary: ablation}, groupings, rows)
    scores, base = batch.run(model, wording, foils)
    counts["wordings"] = counts.get("wordings", 0) + len(batch.edits)
    return {
        **about,
        "base": {name: values[0] for name, values in _stored(base).items()},
        "own": _stored(scores[batch.parts["own", primary]]),
        "shuffled": [
            _stored(scores[batch.parts[draw, primary]]) for draw in range(options.n_draws)
        ],
    }


def _reworded(
    model: NeuronModel, item: AuditItem, wording: Fact, name: str, seed: int
) -> Ablation | None:
    """Return an ablation with values of another wording; None where it is not possible."""
    if name == "zero":
        return Ablation("zero")
    if name == "counterfactual":
        other = counterfactual_of(model, wording, item.relation, seed=seed)
        if other is None:
            return None
        return Ablation(name, model.activations(other, "answer"))
    subject = wording.subject
    if not subject or subject not in wording.prompt:
        return None
    same = [
        replace(wording, prompt=wording.prompt.replace(subject, fact.subject), id=None)
        for fact in item.relation
        if fact.subject and fact.subject != subject
    ]
    return dict(RelationValues(model, same, seed=seed).of(wording)).get("mean")


def overlap(ours: NeuronSet, theirs: NeuronSet, n_neurons: int) -> dict[str, float]:
    """Return the share of the smaller set that both have, and the share to expect by chance.

    By chance, the neurons of each layer are drawn at random.

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.audit.fact import overlap
    >>> overlap(NeuronSet([(0, 1), (1, 2)]), NeuronSet([(0, 1), (0, 3)]), n_neurons=8)
    {'share': 0.5, 'chance': 0.125}
    """
    smaller = min(len(ours), len(theirs))
    if not smaller:
        return {"share": float("nan"), "chance": float("nan")}
    most = int(max(ours.layers.max(), theirs.layers.max())) + 1
    per_layer = [np.bincount(each.layers, minlength=most) for each in (ours, theirs)]
    by_chance = float((per_layer[0] * per_layer[1]).sum()) / n_neurons
    return {"share": len(ours & theirs) / smaller, "chance": by_chance / smaller}


def _specificity(
    study: Work, item: AuditItem, groups: Groups, draws: Sequence[Groups], counts: dict[str, int]
) -> dict[str, Any]:
    """Measure the effects of the groups, and of shuffled ones, on the fact and on others."""
    same = [fact for fact in item.same if fact.key != item.key][: study.options.n_others]
    facts = [item.fact, *same, *item.others]
    null = draws[0] if draws else []
    effects = study.bystanders_of(item).effects(facts, [*groups, *null])
    counts["specificity"] = effects.shape[0] * (effects.shape[1] + 1)
    n, n_same = len(groups), len(same)
    return {
        "own": effects[0, :n].tolist(),
        "same": effects[1 : n_same + 1, :n].tolist(),
        "others": effects[n_same + 1 :, :n].tolist(),
        "distance": distance(effects[1:, :n]),
        "shuffled_distance": distance(effects[1:, n:]),
    }
