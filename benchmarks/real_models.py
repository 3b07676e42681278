"""Measurements on real models: what the package computes against slow and plain computations.

Every measurement looks at one fact at a time, and the record is written after each, so a run that
was stopped continues. Facts are the first ones, in an order by seed, that a model answers exactly.
A model is whatever ``load_model`` takes; ``name=model`` names it in the record.

Examples
--------
NEUROTOPO_PARAREL=pararel/data python benchmarks/real_models.py --models smollm2=models/smollm2
python benchmarks/real_models.py slow-amig --models models/gemma --facts known.jsonl --n 5
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plain_hooks
import torch
from environment import describe_environment
from real_models_report import table
from scipy.stats import spearmanr

import neurotopo as nt
from neurotopo import AMIG, Edit, Fact, NeuronModel, NeuronSet
from neurotopo._files import atomic_write
from neurotopo.datasets import load_facts, load_pararel
from neurotopo.knowledge.baselines import fact_seed
from neurotopo.knowledge.locate import attributions
from neurotopo.knowledge.other_attributions import GradientTimesActivation
from neurotopo.knowledge.relp import RelP
from neurotopo.models.recall import recalled

SEED = 0
_CHUNK = 64
_TIMED = 5  # facts of a batch whose time is measured


@dataclass(frozen=True)
class Measure:
    """A measurement: ``of`` takes a model and facts and yields numbers by name for each."""

    of: Callable[[NeuronModel, Sequence[Fact]], Iterator[dict[str, Any]]]
    n_facts: int
    dtypes: tuple[str, ...] = ("float32",)


def one_by_one(of: Callable[[NeuronModel, Fact], dict[str, Any]]) -> Any:
    """Return a measurement of facts from one of a fact."""
    return lambda model, facts: (of(model, fact) for fact in facts)


def value_by(amig: AMIG) -> Any:
    """Return the comparison of the value of every attribution with the answer's probability."""

    def compare(model: NeuronModel, facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
        for fact, found in zip(facts, amig.attribute_many(model, facts), strict=True):
            expected = model.answer_probability(fact)
            yield {
                "probability": expected,
                "difference": abs(found.value - expected),
                "gap": found.relative_gap,
            }

    return compare


def slow_amig(model: NeuronModel, fact: Fact) -> dict[str, Any]:
    """Compare the scores of AMIG with the formula, by plain hooks and one pass for each point.

    In the first, a middle and the last layer: each layer has its own path.
    """
    layers = np.unique(np.linspace(0, model.n_layers - 1, 3).astype(int)).tolist()
    start = time.perf_counter()
    found = AMIG().attribute(model, fact)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    slow = plain_hooks.amig(
        model.hf_model,
        model.encode(fact).prompt,
        found.answer,
        set(model.tokenizer.all_special_ids),
        model.tokenizer.eos_token_id,
        AMIG().steps,
        layers,
    ).numpy()
    slow_seconds = (time.perf_counter() - start) * model.n_layers / len(layers)
    return {
        "largest": float(np.abs(found.scores).max()),
        "difference": float(np.abs(found.scores[layers] - slow).max()),
        "seconds": seconds,
        "slow_seconds": slow_seconds,
    }


def edits(model: NeuronModel, fact: Fact) -> dict[str, Any]:
    """Compare edits of every kind, in one batch, with plain hooks and one pass for each."""
    hf_model, encoding = model.hf_model, model.encode(fact)
    ids = encoding.prompt
    rng = np.random.default_rng(len(ids))
    neurons = NeuronSet((n, int(rng.integers(model.n_neurons))) for n in range(model.n_layers))
    each, table = rng.normal(size=len(neurons)), rng.normal(size=(len(neurons), len(ids)))
    other = "The largest planet is"
    other_ids = model.tokenizer(other)["input_ids"]
    patch = plain_hooks.values(hf_model, other_ids, other_ids[:1])
    patched = [float(patch[layer][len(other_ids) - 1, index]) for layer, index in neurons]
    every, last = "all", "last"
    cases: dict[str, tuple[Edit, Any, Callable[..., Any]]] = {
        "suppressed": (Edit(neurons), every, lambda x, row, column: 0 * x),
        "scaled": (Edit(neurons, 2.5, positions="last"), last, lambda x, row, column: 2.5 * x),
        "number": (Edit(neurons, value=0.5), every, lambda *_: 0.5),
        "neuron": (Edit(neurons, value=each), every, lambda x, row, column: each[row]),
        "neuron, last": (
            Edit(neurons, value=each, positions="last"),
            last,
            lambda x, row, column: each[row],
        ),
        "position": (
            Edit(neurons, value=table),
            range(len(ids)),
            lambda x, row, column: table[row, column],
        ),
        "tokens": (
            Edit(neurons, value=table[:, :2], positions=(1, -1)),
            (1, len(ids) - 1),
            lambda x, row, column: table[row, column],
        ),
        "prompt": (
            Edit.from_prompt(model, neurons, other),
            (len(ids) - 1,),
            lambda x, row, column: patched[row],
        ),
    }
    found = model.answer_probability(fact, edits=[edit for edit, *_ in cases.values()], log=True)
    result: dict[str, Any] = {}
    for log_p, (name, (_, tokens, new)) in zip(found.tolist(), cases.items(), strict=True):
        slow = []
        for answer in encoding.answers:
            end = len(ids) + len(answer) - 1
            named = {"all": range(end), "last": range(len(ids) - 1, end)}
            chosen = named[tokens] if isinstance(tokens, str) else tokens
            with (
                torch.no_grad(),
                plain_hooks.changed(hf_model, plain_hooks.replaced(list(neurons), chosen, new)),
            ):
                slow.append(float(plain_hooks.log_probability(hf_model, ids, answer)))
        result[name] = abs(log_p - max(slow))
    return result


METHODS: dict[str, Any] = {
    "RelP": RelP(),
    "AMIG": AMIG(),
    "AMIG from 0": AMIG.fast(baseline="zero"),
    "gradient x value": GradientTimesActivation(),
}


def relp(model: NeuronModel, facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    """Compare attributions with the exact effect of single neurons, each suppressed alone.

    At the tokens that predict the answer. The neurons of a fact, the same for all methods: the 30
    of greatest size by each method, and 80 drawn from all.
    """
    for first in range(0, len(facts), _TIMED):
        some, scores, seconds = facts[first : first + _TIMED], {}, {}
        for name, method in METHODS.items():
            start = time.perf_counter()
            scores[name] = [one.scores for one in attributions(model, some, method)]
            seconds[name] = (time.perf_counter() - start) / len(some)
        single = {}
        for name in ("RelP", "AMIG"):
            start = time.perf_counter()
            METHODS[name].attribute(model, some[0])
            single[name] = time.perf_counter() - start
        for i, fact in enumerate(some):
            of_fact = {name: each[i] for name, each in scores.items()}
            yield {**_agreement(model, fact, of_fact), "seconds": seconds, "single": single}


def _agreement(
    model: NeuronModel, fact: Fact, scores: dict[str, np.ndarray[Any, Any]]
) -> dict[str, Any]:
    rng = np.random.default_rng(fact_seed(fact, SEED))
    flat = {name: each.reshape(-1) for name, each in scores.items()}
    drawn = rng.choice(model.n_layers * model.n_neurons, size=80, replace=False)
    tops = [np.argsort(-np.abs(each))[:30] for each in flat.values()]
    chosen = np.unique(np.concatenate([drawn, *tops]))
    neurons = [(int(n) // model.n_neurons, int(n) % model.n_neurons) for n in chosen]
    edits = [None, *(Edit([neuron], positions="last") for neuron in neurons)]
    start = time.perf_counter()
    log_p = np.asarray(model.answer_probability(fact, edits=edits, log=True))
    result: dict[str, Any] = {"ablation": time.perf_counter() - start, "n": len(chosen)}
    fall, fall_p = log_p[0] - log_p[1:], np.exp(log_p[0]) - np.exp(log_p[1:])
    at_random = np.isin(chosen, drawn)
    exact = set(np.argsort(-fall)[:20])
    for name, each in flat.items():
        sampled = each[chosen]
        result[name] = {
            "log p": float(spearmanr(sampled, fall).statistic),
            "p": float(spearmanr(sampled, fall_p).statistic),
            "drawn": float(spearmanr(sampled[at_random], fall[at_random]).statistic),
            "top 20": len(exact & set(np.argsort(-sampled)[:20])) / 20,
            "with AMIG": len(_top(each) & _top(flat["AMIG"])) / 20,
        }
    return result


def _top(scores: np.ndarray[Any, Any]) -> set[int]:
    return set(np.argsort(-scores)[:20].tolist())


MEASURES = {
    "relp": Measure(relp, 50),
    # the value does not depend on the path, so one node from 0 is enough
    "attribution-value": Measure(
        value_by(AMIG(steps=1, baseline="zero")), 200, ("float32", "bfloat16")
    ),
    "completeness": Measure(value_by(AMIG.fast()), 20, ("float32", "bfloat16")),
    "slow-amig": Measure(one_by_one(slow_amig), 5),
    "edits": Measure(one_by_one(edits), 20),
}


def known_facts(model: NeuronModel, facts: Sequence[Fact], n: int) -> list[Fact]:
    """Return the first facts, in an order by seed, that the model answers exactly."""
    order = random.Random(SEED).sample(list(facts), len(facts))
    known: list[Fact] = []
    for start in range(0, len(order), _CHUNK):
        some = order[start : start + _CHUNK]
        right = recalled(model, some, ends=False).tolist()
        known += [fact for fact, one in zip(some, right, strict=True) if one]
        if len(known) >= n:
            break
    return known[:n]


def read_facts(path: Path) -> list[Fact]:
    """Read ParaRel's folder, or any file of facts."""
    if path.is_dir():
        return list(load_pararel(path, prompts="causal", on_error="skip"))
    return list(load_facts(path))


def measure(
    record: dict[str, Any],
    name: str,
    model: str,
    facts: Callable[[], Sequence[Fact]],
    chosen: Sequence[str],
    n: int | None,
    dtypes: Sequence[str],
    save: Callable[[], None],
) -> None:
    """Add the chosen measurements of one model to the record; those that are there stay."""
    wanted = {each: MEASURES[each].n_facts if n is None else n for each in chosen}
    of_model = record["models"].setdefault(name, {"facts": [], "asked": 0, "measures": {}})
    for dtype in dict.fromkeys(d for each in chosen for d in MEASURES[each].dtypes if d in dtypes):
        loaded: NeuronModel | None = None
        for each in (each for each in chosen if dtype in MEASURES[each].dtypes):
            done = of_model["measures"].setdefault(each, {}).setdefault(dtype, {})
            if len(done) >= wanted[each]:
                continue
            loaded = loaded or nt.load_model(model, dtype=dtype, device="cpu")
            if of_model["asked"] < max(wanted.values()):
                known = known_facts(loaded, facts(), max(wanted.values()))
                of_model["facts"] = [fact.to_dict() for fact in known]
                of_model["asked"] = max(wanted.values())
                save()
            chosen_facts = [Fact(**fields) for fields in of_model["facts"][: wanted[each]]]
            left = [fact for fact in chosen_facts if fact.key not in done]
            for fact, numbers in zip(left, MEASURES[each].of(loaded, left), strict=True):
                done[fact.key] = numbers
                save()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--models", nargs="+", required=True)
    given = os.environ.get("NEUROTOPO_PARAREL")
    parser.add_argument("--facts", type=Path, default=given and Path(given))
    parser.add_argument("--n", type=int, help="number of facts of every measurement")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/real_models.json"))
    options = parser.parse_args(arguments)
    unknown = set(options.measures) - set(MEASURES)
    if unknown:
        parser.error(f"no measurement {min(unknown)}; there are {', '.join(MEASURES)}")
    if options.facts is None:
        parser.error("give --facts, or the folder of ParaRel's data in NEUROTOPO_PARAREL")
    start = {"environment": describe_environment(), "models": {}}
    record = json.loads(options.out.read_text()) if options.out.exists() else start

    def save() -> None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(options.out) as file:
            file.write((json.dumps(record, indent=1) + "\n").encode())

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    for one in options.models:
        name, _, model = one.rpartition("=")
        measure(
            record,
            name or Path(model).stem,
            model,
            lambda: read_facts(options.facts),
            options.measures or list(MEASURES),
            options.n,
            options.dtypes,
            save,
        )
    print(table(record))


if __name__ == "__main__":
    main()
