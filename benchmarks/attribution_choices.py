"""Measure the integration rules of AMIG and compare its baselines.

On trained models with facts they know:

rules
    `Attribution.relative_gap` for each rule and number of nodes: the difference between the sum of
    scores of a layer and the change of the probability, relative to the largest change of a layer.
baselines
    Scores with `baseline="mean"` (one path, as in the authors' program) against `"per-token"` (one
    path for each sentence with a token replaced, as in the paper's formula) and `"zero"`:
    Spearman's correlation over all neurons, the share of the 20 highest neurons in common, and the
    Jaccard index of the neurons above 0.2 of the greatest score. All with eight Gauss-Legendre
    nodes.

Examples
--------
python benchmarks/attribution_choices.py --quick --out /tmp/choices
python benchmarks/attribution_choices.py --out benchmarks/results
"""

from __future__ import annotations

import json
from typing import Any

import environment
import numpy as np
from attribution_choices_report import table
from ground_truth import facts_of
from scipy.stats import spearmanr

from neurotopo import AMIG, FactSet, NeuronModel, load_model

RULES = ("right", "left", "trapezoid", "midpoint", "gauss-legendre")
NODES = (1, 2, 4, 8, 20, 100)
TOP = 20


def rules(model: NeuronModel, facts: FactSet) -> list[dict[str, Any]]:
    """Measure the gap of every rule."""
    rows = []
    for rule in RULES:
        for n in NODES:
            if rule == "gauss-legendre" and n > 8:
                continue
            amig = AMIG(steps=n, quadrature=rule)
            gaps = [found.relative_gap for found in amig.attribute_many(model, facts)]
            rows.append(
                {
                    "rule": rule,
                    "steps": n,
                    "mean": float(np.mean(gaps)),
                    "median": float(np.median(gaps)),
                    "greatest": float(np.max(gaps)),
                }
            )
    return rows


def highest(scores: np.ndarray) -> set[int]:
    return set(np.argsort(-scores, axis=None)[:TOP].tolist())


def baselines(model: NeuronModel, facts: FactSet) -> list[dict[str, Any]]:
    """Compare the scores of other baselines with those of the mean."""
    rows = []
    means = list(AMIG.fast().attribute_many(model, facts))
    for baseline in ("per-token", "zero"):
        others = AMIG.fast(baseline=baseline).attribute_many(model, facts)
        rank, top, jaccard = [], [], []
        for mean, other in zip(means, others, strict=True):
            rank.append(spearmanr(mean.scores.ravel(), other.scores.ravel()).statistic)
            top.append(len(highest(mean.scores) & highest(other.scores)) / TOP)
            one, two = mean.neurons(0.2), other.neurons(0.2)
            jaccard.append(len(one & two) / max(len(one | two), 1))
        rows.append(
            {
                "baseline": baseline,
                **{
                    name: {"mean": float(np.mean(part)), "least": float(np.min(part))}
                    for name, part in (("spearman", rank), ("top", top), ("jaccard", jaccard))
                },
            }
        )
    return rows


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--model", action="append", help="default: the natural test bed models")
    parser.add_argument("--facts", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="five facts")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    n_facts = 5 if options.quick else options.facts
    record: dict[str, Any] = {
        **environment.new_record("attribution_choices"),
        "n_facts": n_facts,
        "models": {},
    }
    for name in options.model or ("testbed:gpt2", "testbed:llama", "testbed:bert"):
        model = load_model(name)
        facts = facts_of(name.removeprefix("testbed:"), n_facts)
        record["models"][name] = {
            "rules": rules(model, facts),
            "baselines": baselines(model, facts),
        }
        print(name, json.dumps(record["models"][name]["baselines"]), flush=True)
        environment.write(record, options.out, "attribution_choices", table(record))


if __name__ == "__main__":
    main()
