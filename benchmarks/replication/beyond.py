"""What the paper does not ask: positions, layers, and another attribution.

Neurons are set to 0 and the fall of the contrast (log probability of the answer less that of the
foils) is measured, as a share of the contrast; as many random neurons of the same layers are the
null. Effects are means over facts, with intervals over relations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import neurotopo as nt
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.relp import RelP
from neurotopo.knowledge.seeding import seeded
from neurotopo.models.subject_position import subject_position
from neurotopo.redundancy import chosen_foils, fact_scores
from neurotopo.studies.inference import effect_of, judged

if TYPE_CHECKING:
    from replication.run import Replication

N_FACTS = 50
TOP = 8
N_RANDOM = 3
THIRDS = ("early", "middle", "late")


@dataclass(frozen=True)
class Measurement:
    """A measurement of single facts: ``one`` returns numbers by name."""

    one: Callable[[nt.NeuronModel, nt.Fact, tuple[str, ...]], dict[str, float]]
    n: int = N_FACTS

    def of(self, replication: Replication) -> dict[str, Any]:
        """Return the effects by name: all of them differences to 0."""
        model, known = replication.itself, replication.facts.named("first draw")
        facts = list(known.sample(self.n, seed=0) if len(known) > self.n else known)
        rows, relations, left_out = [], [], 0
        for fact in facts:
            foils = chosen_foils(model, fact, foils_of(replication.facts.asked, fact, 50, seed=0))
            try:
                row = self.one(model, fact, foils) if foils else None
            except ValueError:  # the subject is not in the prompt
                row = None
            if row is None:
                left_out += 1
                continue
            rows.append(row)
            relations.append(fact.relation or "")
        names = list(dict.fromkeys(name for row in rows for name in row))
        effects = judged(
            {name: effect_of([row[name] for row in rows], relations) for name in names}
        )
        return {
            "n_facts": len(facts),
            "left_out": left_out,
            "effects": {name: asdict(effect) for name, effect in effects.items()},
        }


def falls(
    model: nt.NeuronModel,
    fact: nt.Fact,
    foils: tuple[str, ...],
    chosen: dict[str, nt.NeuronSet],
    positions: dict[str, Any],
) -> dict[str, float]:
    """Return the fall of the contrast for each set, and its excess over random neurons."""
    edits: list[nt.Edit | None] = [None]
    for name, neurons in chosen.items():
        edits.append(nt.Edit(neurons, positions=positions[name]))
        edits += [
            nt.Edit(_random_like(neurons, model.n_neurons, rng), positions=positions[name])
            for rng in (seeded(0, f"{name}:{draw}", fact.key) for draw in range(N_RANDOM))
        ]
    scores = fact_scores(model, fact, foils, edits).of("contrast")
    if not scores[0] > 0:
        raise ValueError("the answer is not more probable than the foils.")
    shares = (scores[0] - scores[1:].reshape(len(chosen), 1 + N_RANDOM)) / scores[0]
    found = {}
    for name, row in zip(chosen, shares, strict=True):
        found[name] = float(row[0])
        found[f"{name}, less random"] = float(row[0] - row[1:].mean())
    return found


def _random_like(neurons: nt.NeuronSet, n_neurons: int, rng: np.random.Generator) -> nt.NeuronSet:
    """Return as many other neurons of each layer."""
    return nt.NeuronSet(
        (int(layer), int(index))
        for layer in np.unique(neurons.layers)
        for index in rng.choice(
            np.setdiff1d(np.arange(n_neurons), neurons.indices[neurons.layers == layer]),
            size=int((neurons.layers == layer).sum()),
            replace=False,
        )
    )


def positions(model: nt.NeuronModel, fact: nt.Fact, foils: tuple[str, ...]) -> dict[str, float]:
    """Compare the neurons at the subject with those at the last token."""
    place = subject_position(model.tokenizer, fact, model.encode(fact).prompt)
    at = {"last token": "last", "subject": (place,)}
    chosen = {
        "last token": nt.AMIG.fast(threshold=TOP, rule="top", scope="layer").locate(model, fact),
        "subject": nt.AMIG.fast(
            threshold=TOP, rule="top", scope="layer", positions="subject"
        ).locate(model, fact),
    }
    found = falls(model, fact, foils, chosen, at)
    found["subject less last token"] = found["subject"] - found["last token"]
    return found


def layers(model: nt.NeuronModel, fact: nt.Fact, foils: tuple[str, ...]) -> dict[str, float]:
    """Compare the highest neurons of the first, middle and last third of the layers."""
    neurons = nt.AMIG.fast(threshold=TOP, rule="top", scope="layer").locate(model, fact)
    third = neurons.layers * len(THIRDS) // model.n_layers
    chosen = {
        name: nt.NeuronSet.from_arrays(neurons.layers[third == i], neurons.indices[third == i])
        for i, name in enumerate(THIRDS)
    }
    found = falls(model, fact, foils, chosen, dict.fromkeys(THIRDS, "last"))
    found["late less early"] = found["late"] - found["early"]
    return found


def relp(model: nt.NeuronModel, fact: nt.Fact, foils: tuple[str, ...]) -> dict[str, float]:
    """Compare the neurons of AMIG and of RelP."""
    chosen = {
        "AMIG": nt.AMIG.fast(threshold=TOP, rule="top", scope="layer").locate(model, fact),
        "RelP": RelP(threshold=TOP, rule="top", scope="layer").locate(model, fact),
    }
    found = falls(model, fact, foils, chosen, dict.fromkeys(chosen, "last"))
    found["RelP less AMIG"] = found["RelP"] - found["AMIG"]
    common = len(chosen["AMIG"] & chosen["RelP"])
    found["common neurons (Jaccard)"] = common / len(chosen["AMIG"] | chosen["RelP"])
    return found


MEASUREMENTS = {
    "positions": Measurement(positions),
    "layers": Measurement(layers),
    "relp": Measurement(relp),
}
"""Measurements by name, :data:`~replication.plan.BEYOND`."""
