"""Measure the built-in models: recall, knowledge neurons, suppression and planted groups.

Natural models (`testbed:gpt2`, `testbed:llama`, `testbed:bert`) and the random one:

recall
    Greedy exact match on trained and held-out wordings, by language.
knowledge neurons
    `AMIG.paper()` on 200 facts: neurons per fact, their share by layer, time per fact.
suppression
    The same facts: decrease of the answer's log-probability with the neurons of the fact set to
    zero (`Edit(neurons, positions="all")`), with as many random neurons set to zero, and of
    another fact of another relation with the neurons of the fact set to zero. Paired over facts:
    Wilcoxon's test, Cohen's d of the differences.

Models with planted groups (`testbed:planted`, `testbed:functional`):

function
    Each group alone (the others suppressed) and no group, against the unedited answer.
wiring
    Mean absolute connection weight between neurons of adjacent layers, within groups and across.
true neurons
    `NTCClusterer` on all neurons of the groups.
end to end
    AMIG's neurons of single facts, clustered; adjusted Rand index against the planted groups, with
    noise as one class and (strict) each noise neuron as a separate class; mean over facts.

Examples
--------
python benchmarks/ground_truth.py --quick --out /tmp/truth
python benchmarks/ground_truth.py --out benchmarks/results
"""

from __future__ import annotations

import json
import time
from typing import Any

import environment
import numpy as np
import torch
from ground_truth_report import table
from scipy.stats import wilcoxon
from scoring import ari, strict_ari

from neurotopo import (
    AMIG,
    Edit,
    FactSet,
    NeuronGraph,
    NeuronModel,
    NeuronSet,
    NTCClusterer,
    load_model,
)
from neurotopo.models.builtin_models import find

NATURAL = ("gpt2", "llama", "bert")
GROUPED = ("planted", "functional")
CHOICES: dict[str, dict[str, Any]] = {
    "0.2 of the greatest, all layers (the paper)": {"threshold": 0.2},
    "0.1 of the greatest, all layers": {"threshold": 0.1},
    "0.2 of the greatest, each layer": {"scope": "layer"},
    "8 highest, each layer (default)": {},
    "12 highest, each layer": {"rule": "top", "threshold": 12, "scope": "layer"},
    "24 highest, each layer": {"rule": "top", "threshold": 24, "scope": "layer"},
}


def facts_of(name: str, n: int, language: str | None = "en") -> FactSet:
    """Return facts that a model was trained on, drawn with seed 0."""
    facts = FactSet.from_jsonl(find("gpt2" if name == "null" else name) / "facts.jsonl")
    chosen = facts.filter(language=language) if language else facts
    return chosen.sample(min(n, len(chosen)), seed=0)


def recall(name: str) -> list[dict[str, Any]]:
    """Measure the recall of a built-in model."""
    from neurotopo.models.recall import scores_of
    from neurotopo.testbed.corpus import world_lessons
    from neurotopo.testbed.recipe import RECIPES
    from neurotopo.testbed.world import make_world

    recipe = RECIPES[name]
    lessons = world_lessons(make_world(languages=recipe.languages), recipe)
    scores = scores_of(load_model(f"testbed:{name}"), lessons.trained, lessons.held_out)
    return [vars(score) for score in scores]


def located(model: NeuronModel, facts: FactSet) -> tuple[list[NeuronSet], dict[str, Any]]:
    """Locate the neurons of each fact; return them and their positions."""
    next(AMIG.paper().attribute_many(model, facts[:1]))
    start = time.perf_counter()
    neurons = [found.neurons(0.2) for found in AMIG.paper().attribute_many(model, facts)]
    seconds = (time.perf_counter() - start) / len(facts)
    layers = sum(np.bincount(s.layers, minlength=model.n_layers) for s in neurons)
    return neurons, {
        "n_facts": len(facts),
        "n_empty": sum(not s for s in neurons),
        "neurons": float(np.mean([len(s) for s in neurons])),
        "by_layer": (layers / layers.sum()).tolist(),
        "seconds": seconds,
    }


def suppression(
    model: NeuronModel, facts: FactSet, neurons: list[NeuronSet], seed: int = 0
) -> dict[str, Any]:
    """Suppress the neurons of each fact, and random ones; also measure another fact."""
    rng = np.random.default_rng(seed)
    total = model.n_layers * model.n_neurons
    own, random, other = [], [], []
    for fact, chosen in zip(facts, neurons, strict=True):
        if not chosen:
            continue
        drawn = rng.choice(total, len(chosen), replace=False)
        at_random = NeuronSet.from_arrays(*np.divmod(drawn, model.n_neurons))
        elsewhere = [f for f in facts if f.relation != fact.relation]
        unrelated = elsewhere[int(rng.integers(len(elsewhere)))]
        before = model.answer_probability(fact, log=True)
        after = model.answer_probability(fact, edits=[Edit(chosen), Edit(at_random)], log=True)
        own.append(before - after[0])
        random.append(before - after[1])
        other.append(
            model.answer_probability(unrelated, log=True)
            - model.answer_probability(unrelated, edits=[Edit(chosen)], log=True)[0]
        )
    return {
        "n": len(own),
        "seed": seed,
        "own": summary(own),
        "random": summary(random),
        "unrelated": summary(other),
        "own_against_random": paired(own, random),
        "own_against_unrelated": paired(own, other),
    }


def summary(values: list[float]) -> dict[str, float]:
    """Return mean and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"mean": float(np.mean(values)), "median": middle, "quartiles": [low, high]}  # type: ignore[dict-item]


def paired(one: list[float], two: list[float]) -> dict[str, float]:
    """Compare paired values."""
    difference = np.subtract(one, two)
    return {
        "d": float(difference.mean() / difference.std(ddof=1)),
        "p": float(wilcoxon(one, two, alternative="greater").pvalue),
        "share": float((difference > 0).mean()),
    }


def function(model: NeuronModel, facts: FactSet, groups: list[NeuronSet]) -> dict[str, Any]:
    """Keep each group alone, and none."""
    everything = set().union(*groups)
    edits = [Edit(NeuronSet(everything - set(group))) for group in groups]
    edits.append(Edit(NeuronSet(everything)))
    kept = []
    for fact in facts:
        probability = model.answer_probability(fact, edits=edits)
        kept.append(probability / model.answer_probability(fact))
    share = np.array(kept)
    alone, none = share[:, :-1], share[:, -1]
    return {
        "n_facts": len(facts),
        "alone": alone.mean(axis=0).tolist(),
        "none": float(none.mean()),
        "each_suffices": float((alone >= 0.8).all(axis=1).mean()),
        "none_fails": float((none <= 0.05).mean()),
        "both": float(((alone >= 0.8).all(axis=1) & (none <= 0.05)).mean()),
    }


def wiring(model: NeuronModel, groups: list[NeuronSet]) -> dict[str, float]:
    """Compare connection weights within groups and across them."""
    label = np.full((model.n_layers, model.n_neurons), -1)
    for number, group in enumerate(groups):
        label[group.layers, group.indices] = number
    within, across = [], []
    for layer in range(model.n_layers - 1):
        weights = np.abs(model.out_rows(layer) @ model.in_rows(layer + 1).T)
        one, two = label[layer][:, None], label[layer + 1]
        grouped = (one >= 0) & (two >= 0)
        within.append(weights[grouped & (one == two)])
        across.append(weights[grouped & (one != two)])
    means = [float(np.concatenate(part).mean()) for part in (within, across)]
    return {"within": means[0], "across": means[1], "ratio": means[0] / means[1]}


def truth_of(neurons: NeuronSet, groups: list[NeuronSet]) -> np.ndarray:
    """Return the group of each neuron."""
    of = {pair: number for number, group in enumerate(groups) for pair in group}
    return np.array([of.get(pair, -1) for pair in neurons])


def clustered(
    model: NeuronModel, neurons: NeuronSet, groups: list[NeuronSet], **options: Any
) -> tuple[float, float, int]:
    """Cluster neurons; return both indices and the number of clusters."""
    if len(neurons) < 2:
        return 0.0, 0.0, 0
    graph = NeuronGraph.from_model(model, neurons)
    ntc = NTCClusterer.paper(metric="precomputed", **options).fit(graph.clustering_input())
    truth = truth_of(neurons, groups)
    return ari(truth, ntc.labels_), strict_ari(truth, ntc.labels_), ntc.n_clusters_


def end_to_end(model: NeuronModel, facts: FactSet, groups: list[NeuronSet]) -> dict[str, Any]:
    """Locate, cluster and compare, for several thresholds."""
    attributions = list(AMIG().attribute_many(model, facts))
    mass = np.zeros(len(groups))
    for found in attributions:
        positive = np.clip(found.scores, 0, None)
        parts = np.array([positive[g.layers, g.indices].sum() for g in groups])
        mass += parts / positive.sum() / len(attributions)
    rows = []
    for name, choice in CHOICES.items():
        amig = AMIG(**choice)
        sets = [found.neurons(amig.threshold, amig.rule, amig.scope) for found in attributions]
        for scale in ("difference", "log"):
            found_ = np.array([clustered(model, s, groups, scale=scale) for s in sets])
            rows.append(
                {
                    "threshold": name,
                    "scale": scale,
                    "neurons": float(np.mean([*map(len, sets)])),
                    "ari": float(found_[:, 0].mean()),
                    "strict": float(found_[:, 1].mean()),
                    "clusters": float(found_[:, 2].mean()),
                }
            )
    return {"n_facts": len(facts), "mass": mass.tolist(), "rows": rows}


def size_of(name: str) -> dict[str, float]:
    """Return the size of a model."""
    folder = find(name)
    model = load_model(f"testbed:{name}").hf_model
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "megabytes": sum(f.stat().st_size for f in folder.iterdir()) / 1e6,
    }


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--facts", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="ten facts")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    n_facts = 10 if options.quick else options.facts
    record: dict[str, Any] = {
        **environment.new_record("ground_truth"),
        "threads": torch.get_num_threads(),
        "natural": {},
        "grouped": {},
    }
    for name in (*NATURAL, "null"):
        model, facts = load_model(f"testbed:{name}"), facts_of(name, n_facts)
        neurons, where = located(model, facts)
        record["natural"][name] = {
            "size": None if name == "null" else size_of(name),
            "recall": None if name == "null" else recall(name),
            "located": where,
            "suppression": suppression(model, facts, neurons),
        }
        print(name, json.dumps(record["natural"][name]), flush=True)
    for name in GROUPED:
        model, facts = load_model(f"testbed:{name}"), facts_of(name, n_facts, None)
        groups = model.planted_groups
        assert groups is not None
        together = NeuronSet(set().union(*groups))
        record["grouped"][name] = {
            "size": size_of(name),
            "function": function(model, facts_of(name, 10**6, None), groups),
            "wiring": wiring(model, groups),
            "true_neurons": clustered(model, together, groups),
            "end_to_end": end_to_end(model, facts, groups),
        }
        print(name, json.dumps(record["grouped"][name]), flush=True)
    environment.write(record, options.out, "ground_truth", table(record))


if __name__ == "__main__":
    main()
