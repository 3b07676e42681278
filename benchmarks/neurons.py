"""Time the work per fact: the graph of its neurons, and the suppression of subsets of components.

Graphs: k random neurons of a model of GPT-2's shape (12 layers of 3,072 neurons, width 768, random
weights), from the loaded model to fitted clusters, against a direct Python implementation of
equations 4 to 7 (a double loop over neurons with sums over the width, then paths through more and
more neurons). Suppression: all 255 non-empty subsets of 8 components of 8 neurons each, at the
position that predicts the answer, against one forward pass of the whole prompt per subset.

Examples
--------
python benchmarks/neurons.py --quick --out /tmp/neurons
python benchmarks/neurons.py --out benchmarks/results
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import environment
from neurons_report import table

from neurotopo import Edit, Fact, NeuronGraph, NeuronModel, NeuronSet, NTCClusterer
from neurotopo.models.examples import word_tokenizer
from tests.graphs import oracles

WORDS = "one two three four five six seven eight nine ten eleven twelve answer"
PROMPT = " ".join(WORDS.split()[:12])


def gpt2_small(seed: int = 0) -> NeuronModel:
    """Return a model of GPT-2's shape with random weights."""
    torch.manual_seed(seed)
    hf_model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    return NeuronModel(hf_model, word_tokenizer(WORDS))


def random_neurons(model: NeuronModel, k: int, seed: int) -> NeuronSet:
    """Draw k neurons from all layers."""
    n = model.n_layers * model.n_neurons
    chosen = np.random.default_rng(seed).choice(n, size=k, replace=False)
    return NeuronSet.from_arrays(*np.divmod(chosen, model.n_neurons))


def timed(function: Callable[[], Any], repeat: int) -> tuple[list[float], Any]:
    """Return the wall times of some calls and what the last one returned."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        value = function()
        seconds.append(time.perf_counter() - start)
    return seconds, value


def naive_graph(model: NeuronModel, neurons: NeuronSet) -> list[list[float]]:
    """Compute equations 4 to 7 directly: loops over neurons, and over the neurons between."""
    pairs = list(neurons)
    lengths = oracles.naive_lengths(oracles.naive_weights(model, pairs))
    return oracles.naive_matrix(lengths, [layer for layer, _ in pairs])


def graph_rows(model: NeuronModel, sizes: list[int], naive_up_to: int) -> list[dict[str, Any]]:
    """Time graph and clustering, and a direct implementation, for sets of k neurons."""
    rows = []
    for k in sizes:
        sets = [random_neurons(model, k, seed) for seed in range(20)]

        def cluster(neurons: NeuronSet) -> NTCClusterer:
            graph = NeuronGraph.from_model(model, neurons)
            return NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input())

        cluster(sets[0])
        seconds = [timed(lambda s=s, f=cluster: f(s), 1)[0][0] for s in sets]
        graph_only = [timed(lambda s=s: NeuronGraph.from_model(model, s), 1)[0][0] for s in sets]
        whole = [
            timed(lambda s=s: NeuronGraph.from_model(model, s).distances(), 1)[0][0] for s in sets
        ]
        row = {
            "k": k,
            "seconds": seconds,
            "graph_only": graph_only,
            "matrix_a": whole,
            "naive": None,
            "agree": None,
        }
        if k <= naive_up_to:
            row["naive"], slow = timed(lambda s=sets[0]: naive_graph(model, s), 1)
            fast = NeuronGraph.from_model(model, sets[0]).distances()
            row["agree"] = bool(np.allclose(fast, np.array(slow), rtol=1e-9))
        rows.append(row)
        print(f"k = {k}: {1e3 * statistics.median(seconds):.2f} ms", flush=True)
    return rows


def forward_each(model: NeuronModel, sets: list[NeuronSet], fact: Fact) -> list[float]:
    """Suppress by one plain forward of the whole prompt for each set."""
    encoding = model.encode(fact)
    ids, target = torch.tensor([encoding.prompt]), encoding.answers[0][0]
    found = []
    for neurons in sets:
        handles = []
        for layer, indices in neurons.by_layer().items():
            chosen = torch.tensor(indices)

            def hook(module: Any, args: Any, chosen: Any = chosen) -> tuple[Any]:
                x = args[0].clone()
                x[:, -1, chosen] = 0
                return (x,)

            module = model.hf_model.transformer.h[layer].mlp.c_proj
            handles.append(module.register_forward_pre_hook(hook))
        with torch.no_grad():
            logits = model.hf_model(input_ids=ids).logits[0, -1]
        found.append(float(logits.softmax(0)[target]))
        for handle in handles:
            handle.remove()
    return found


def suppression(model: NeuronModel, n_components: int, repeat: int) -> dict[str, Any]:
    """Time the suppression of every subset of some components."""
    fact = Fact(PROMPT + " _X_", "answer")
    components = [random_neurons(model, 8, seed) for seed in range(n_components)]
    subsets = [
        s
        for k in range(1, n_components + 1)
        for s in itertools.combinations(range(n_components), k)
    ]
    sets = [NeuronSet(n for c in subset for n in components[c]) for subset in subsets]
    last = [Edit(s, positions="last") for s in sets]
    every = [Edit(s) for s in sets]
    model.answer_probability(fact, edits=last)
    fast_seconds, fast = timed(lambda: model.answer_probability(fact, edits=last), repeat)
    every_seconds, _ = timed(lambda: model.answer_probability(fact, edits=every), min(repeat, 3))
    forward_each(model, sets[:3], fact)
    slow_seconds, slow = timed(lambda: forward_each(model, sets, fact), min(repeat, 3))
    error = float(np.max(np.abs(fast / np.array(slow) - 1)))
    record = {
        "subsets": len(sets),
        "tokens": len(model.encode(fact).prompt),
        "batched": fast_seconds,
        "batched_all_positions": every_seconds,
        "forward_each": slow_seconds,
        "relative_error": error,
    }
    ratio = statistics.median(slow_seconds) / statistics.median(fast_seconds)
    print(f"{len(sets)} subsets: {ratio:.1f} times faster, relative error {error:.1e}", flush=True)
    return record


def parse() -> argparse.Namespace:
    parser = environment.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="small cases, half a minute")
    return parser.parse_args()


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    model = gpt2_small()
    sizes = [20, 50] if options.quick else [20, 100, 500]
    record = {
        **environment.new_record("neurons"),
        "threads": torch.get_num_threads(),
        "graphs": graph_rows(model, sizes, naive_up_to=100),
        "suppression": suppression(model, 4 if options.quick else 8, repeat=5),
    }
    environment.write(record, options.out, "neurons", table(record))


if __name__ == "__main__":
    main()
