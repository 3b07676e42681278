"""Time the suppression of every subset of some components at all tokens of a prompt.

The model has the shape of SmolLM2-135M (30 layers of 1,536 neurons, width 576, 9 heads, 3 of them
for keys and values, 49,152 tokens) and random weights; the prompt has 12 tokens. All 255 non-empty
subsets of 8 components are suppressed, with ``positions="all"``. A component is three random
neurons of different layers, of all layers or of the upper ones: a pass is shared up to the layer
where the edits differ, so its cost depends on the layers.

*one pass* is one call of ``answer_probability``; *full batch* the same call where every subset
runs through all layers (``fixed_batch=True``); *one forward each* a plain forward pass of the
prompt for each subset, measured on some of them. The first two alternate.

Examples
--------
python benchmarks/suppression.py --quick --out /tmp/suppression
python benchmarks/suppression.py --threads 1 --out benchmarks/results
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import environment
from grids import heading

from neurotopo import Edit, Fact, NeuronModel, NeuronSet
from neurotopo.models.examples import word_tokenizer

WORDS = "one two three four five six seven eight nine ten eleven twelve answer"
FACT = Fact(" ".join(WORDS.split()[:12]) + " _X_", "answer")
FIRST_LAYERS = {"all layers": 0, "upper half": 0.5, "upper third": 0.65}
"""Where the components lie: the first layer, as a share of all."""


def smollm2(n_layers: int = 30, seed: int = 0) -> NeuronModel:
    """Return a model of SmolLM2's shape with random weights."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1_536,
        num_hidden_layers=n_layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    return NeuronModel(transformers.LlamaForCausalLM(config).eval(), word_tokenizer(WORDS))


def subsets_of_components(
    model: NeuronModel, n_components: int, first: int, seed: int
) -> list[NeuronSet]:
    """Draw components and return every union of some of them."""
    rng = np.random.default_rng(seed)
    components = []
    for _ in range(n_components):
        layers = rng.choice(np.arange(first, model.n_layers), size=3, replace=False)
        components.append(NeuronSet.from_arrays(layers, rng.integers(0, model.n_neurons, 3)))
    return [
        NeuronSet(neuron for component in chosen for neuron in component)
        for size in range(1, n_components + 1)
        for chosen in itertools.combinations(components, size)
    ]


def timed(function: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return wall time and processor time of a call, and its value."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = function()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, value


def forward_each(model: NeuronModel, sets: list[NeuronSet]) -> list[float]:
    """Suppress by one plain forward of the whole prompt for each set."""
    encoding = model.encode(FACT)
    ids, target = torch.tensor([encoding.prompt]), encoding.answers[0][0]
    found = []
    for neurons in sets:
        handles = []
        for layer, indices in neurons.by_layer().items():
            chosen = torch.tensor(indices)

            def hook(module: Any, args: Any, chosen: Any = chosen) -> Any:
                return (args[0].index_fill(-1, chosen, 0.0),)

            handles.append(model.mlps[layer].out.module.register_forward_pre_hook(hook))
        with torch.no_grad():
            logits = model.hf_model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]
        found.append(float(logits.log_softmax(0)[target]))
        for handle in handles:
            handle.remove()
    return found


def measure(
    model: NeuronModel, first: int, *, n_components: int, seed: int, repeat: int, every: int
) -> dict[str, Any]:
    """Time the subsets of one draw of components."""
    sets = subsets_of_components(model, n_components, first, seed)
    edits = [Edit(neurons) for neurons in sets]
    fixed = replace(model.family, fixed_batch=True)
    whole = NeuronModel(model.hf_model, model.tokenizer, family=fixed)
    model.answer_probability(FACT, edits=edits[:2])
    row: dict[str, Any] = {"first": first, "seed": seed, "subsets": len(sets)}
    row |= {"one_pass": [], "full_batch": []}
    for _ in range(repeat):
        for name, of in (("one_pass", model), ("full_batch", whole)):
            seconds, row[f"{name}_log_p"] = timed(
                lambda of=of: of.answer_probability(FACT, edits=edits, log=True)
            )
            row[name].append(seconds)
    some = sets[::every]
    forward_each(model, some[:2])
    seconds, each = timed(lambda: forward_each(model, some))
    row["forward_each"] = {k: v * len(sets) / len(some) for k, v in seconds.items()}
    values = row.pop("one_pass_log_p")
    row["difference"] = float(
        max(
            np.abs(values - row.pop("full_batch_log_p")).max(), np.abs(values[::every] - each).max()
        )
    )
    return row


def least(row: dict[str, Any], name: str, clock: str) -> float:
    """Return the shortest time of a kind of pass."""
    return min(seconds[clock] for seconds in row[name])


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        heading(
            record,
            f"Threads: {record['threads']}. Processor time, the least of several runs in turn; "
            "wall time in brackets. SmolLM2's shape, random weights.",
        ),
        "",
        "| components in | draw | one pass | full batch / one pass | one forward each / one pass | "
        "largest difference |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        cpu, wall = (least(row, "one_pass", clock) for clock in ("cpu", "wall"))
        batch = [least(row, "full_batch", clock) for clock in ("cpu", "wall")]
        each = [row["forward_each"][clock] for clock in ("cpu", "wall")]
        lines.append(
            f"| {row['case']} (from {row['first']}) | {row['seed']} | {cpu:.2f} s ({wall:.2f} s) | "
            f"**{batch[0] / cpu:.2f}** ({batch[1] / wall:.2f}) | "
            f"**{each[0] / cpu:.1f}** ({each[1] / wall:.1f}) | {row['difference']:.0e} |"
        )
    lines += [
        "",
        f"{record['rows'][0]['subsets']} subsets of components of three neurons of different "
        'layers, `positions="all"`, prompt of 12 tokens. The difference is of log-probabilities, '
        "to the full batch and to plain forward passes. Of three facts of the trained SmolLM2, "
        "nearly all knowledge neurons are in the upper third of the layers.",
    ]
    return "\n".join(lines) + "\n"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = environment.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="six layers, 15 subsets")
    parser.add_argument("--threads", type=int, help="threads of torch; default: its own choice")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each")
    parser.add_argument("--draws", type=int, default=3, help="draws of components")
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    if options.threads:
        torch.set_num_threads(options.threads)
    model = smollm2(n_layers=6 if options.quick else 30)
    sizes = {"n_components": 4 if options.quick else 8, "every": 5}
    record: dict[str, Any] = {
        **environment.new_record("suppression"),
        "threads": torch.get_num_threads(),
        "rows": [],
    }
    for case, share in FIRST_LAYERS.items():
        first = min(int(share * model.n_layers), model.n_layers - 3)
        for seed in range(options.draws):
            row = measure(model, first, seed=seed, repeat=options.repeat, **sizes)
            record["rows"].append({"case": case, **row})
            print(table(record).splitlines()[-3], flush=True)
            environment.write(record, options.out, "suppression", table(record))
    return record


def main() -> None:
    run_all(parse())


if __name__ == "__main__":
    main()
