"""Compare selections of neurons (rule, scope, threshold) on real models and on the test bed.

The scores of known facts (`AMIG.fast()`, all neurons) are computed once and stored. Then, for every
selection, over the facts:

neurons, layers
    Knowledge neurons, and layers that have one.
pairs, edges
    Pairs of adjacent layers that both have one, and edges between them.
two
    Share of the facts with at least two potential components: clusters of two neurons or more by
    `NTCClusterer.paper()`, as the studies compute them.
components, size
    Number of potential components, and neurons in one, medians.
left, random
    The probability of the answer that is left with the selection set to zero, and with as many
    random neurons of the same layers, as shares of the unedited one.
ari
    Models with planted groups: mean adjusted Rand index of the clusters.

Examples
--------
python benchmarks/defaults.py --quick --out /tmp/defaults
python benchmarks/defaults.py --model ./smollm2=known.jsonl --out benchmarks/results
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import environment
import numpy as np
from defaults_report import table
from ground_truth import facts_of, truth_of
from scoring import ari

from neurotopo import AMIG, Edit, FactSet, NeuronGraph, NeuronModel, NeuronSet, load_model
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.thresholds import select_neurons
from neurotopo.models.recall import recalled

TESTBED = ("gpt2", "llama", "bert", "planted", "functional", "null")
GRID: dict[tuple[str, str], tuple[float, ...]] = {
    ("relative", "model"): (0.2, 0.1, 0.05),
    ("relative", "layer"): (0.5, 0.3, 0.2),
    ("top", "model"): (50, 100, 200),
    ("top", "layer"): (3, 5, 8, 12),
    ("mass", "model"): (0.2, 0.3, 0.4, 0.5),
    ("mass", "layer"): (0.1, 0.15, 0.2, 0.3),
}
EDITED = 24
"""The number of facts of each model on which the neurons are suppressed."""


def scores_for(
    name: str, file: str | None, n_facts: int, folder: Path
) -> tuple[NeuronModel, list[Any], np.ndarray]:
    """Return a model, known facts and the scores of all neurons; compute what is not stored."""
    label = Path(name).name if file else name.removeprefix("testbed:")
    model = load_model(name, dtype="float32")
    stored, listed = folder / f"{label}.npz", folder / f"{label}.jsonl"
    if stored.exists() and listed.exists():
        facts = list(FactSet.from_jsonl(listed))[:n_facts]
        return model, facts, np.load(stored)["scores"][:n_facts].astype(float)
    if file:
        given = FactSet.from_jsonl(file)
        facts = list(given.sample(min(n_facts, len(given)), seed=0))
    else:
        language = None if label in ("planted", "functional") else "en"
        facts = list(facts_of(label, n_facts, language))
        if label != "null":
            known = recalled(model, facts)
            facts = [fact for fact, yes in zip(facts, known, strict=True) if yes]
    folder.mkdir(parents=True, exist_ok=True)
    found = AMIG.fast(batch_size=16).attribute_many(model, facts)
    scores = np.array([each.scores for each in found])
    np.savez(stored, scores=scores.astype(np.float32))
    FactSet(facts).to_jsonl(listed)
    return model, facts, scores


def described(model: NeuronModel, chosen: NeuronSet) -> dict[str, Any]:
    """Return the counts of one selection of one fact."""
    layers = np.bincount(chosen.layers, minlength=model.n_layers)
    edges = layers[:-1] * layers[1:]
    row: dict[str, Any] = {
        "neurons": len(chosen),
        "layers": int((layers > 0).sum()),
        "pairs": int((edges > 0).sum()),
        "edges": int(edges.sum()),
        "sizes": [],
        "ari": 0.0,
    }
    if row["edges"]:
        graph = NeuronGraph.from_model(model, chosen)
        ntc = NTCClusterer.paper(metric="precomputed").fit(
            graph.clustering_input(), strata=graph.layers
        )
        row["sizes"] = [len(cluster) for cluster in ntc.clusters_]
        if model.planted_groups is not None:
            row["ari"] = ari(truth_of(chosen, model.planted_groups), ntc.labels_)
    return row


def same_layers(chosen: NeuronSet, model: NeuronModel, rng: np.random.Generator) -> NeuronSet:
    """Return random neurons, as many in each layer."""
    counts = np.bincount(chosen.layers, minlength=model.n_layers)
    return NeuronSet(
        (layer, int(index))
        for layer, count in enumerate(counts)
        for index in rng.choice(model.n_neurons, int(count), replace=False)
    )


def measured(
    model: NeuronModel, facts: list[Any], scores: np.ndarray, n_edited: int
) -> list[dict[str, Any]]:
    """Return a row for each selection."""
    choices = [(*key, value) for key, values in GRID.items() for value in values]
    sets = {
        choice: [select_neurons(each, choice[2], choice[0], choice[1]) for each in scores]
        for choice in choices
    }
    rng = np.random.default_rng(0)
    left: dict[Any, list[tuple[float, float]]] = {choice: [] for choice in choices}
    for i, fact in enumerate(facts[:n_edited]):
        before = model.answer_probability(fact)
        edits = []
        for choice in choices:
            chosen = sets[choice][i]
            edits += [Edit(chosen), Edit(same_layers(chosen, model, rng))]
        after = model.answer_probability(fact, edits=edits) / before
        for choice, pair in zip(choices, after.reshape(-1, 2).tolist(), strict=True):
            left[choice].append(tuple(pair))
    rows = []
    planted = model.planted_groups is not None
    for choice in choices:
        rule, scope, threshold = choice
        each = [described(model, chosen) for chosen in sets[choice]]
        middle = {
            name: float(np.median([row[name] for row in each]))
            for name in ("neurons", "layers", "pairs", "edges")
        }
        sizes = [size for row in each for size in row["sizes"]]
        both = np.median(np.array(left[choice]), axis=0)
        rows.append(
            {
                "rule": rule,
                "scope": scope,
                "threshold": threshold,
                **middle,
                "most": int(max(row["neurons"] for row in each)),
                "two": float(np.mean([len(row["sizes"]) >= 2 for row in each])),
                "components": float(np.median([len(row["sizes"]) for row in each])),
                "size": float(np.median(sizes)) if sizes else 0.0,
                "left": float(both[0]),
                "random": float(both[1]),
                "ari": float(np.mean([row["ari"] for row in each])) if planted else None,
            }
        )
    return rows


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--model", action="append", default=[], help="MODEL=FILE of known facts")
    parser.add_argument("--facts", type=int, default=120)
    parser.add_argument("--scores", type=Path, default=Path("benchmarks/results/scores"))
    parser.add_argument("--keep", action="store_true", help="keep the models of the record in OUT")
    parser.add_argument("--quick", action="store_true", help="five facts, two models")
    options = parser.parse_args()
    n_facts = 5 if options.quick else options.facts
    names = TESTBED[:1] + TESTBED[3:4] if options.quick else TESTBED
    given = [(f"testbed:{name}", None) for name in names]
    given = [tuple(each.split("=", 1)) for each in options.model] + given
    before = options.out / "defaults.json"
    kept = json.loads(before.read_text())["models"] if options.keep and before.exists() else {}
    record: dict[str, Any] = {**environment.new_record("defaults"), "models": {}}
    for name, file in given:
        label = Path(name).name if file else name
        if label in kept:
            record["models"][label] = kept[label]
            environment.write(record, options.out, "defaults", table(record))
            continue
        model, facts, scores = scores_for(name, file, n_facts, options.scores)
        record["models"][label] = {
            "n_facts": len(facts),
            "n_edited": min(EDITED, len(facts)),
            "shape": [model.n_layers, model.n_neurons],
            "rows": measured(model, facts, scores, EDITED),
        }
        print(label, flush=True)
        environment.write(record, options.out, "defaults", table(record))


if __name__ == "__main__":
    main()
