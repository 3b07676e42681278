"""Time of AMIG for one fact: the sweep, two ways of doing it plainly, and the bare arithmetic.

Models of 12 layers and width 768 with random weights: GPT-2's shape (3,072 neurons a layer) and a
gated one like LLaMA (2,048 neurons). Prompts of 12 and 40 tokens, answers of one and three, N = 20
right-hand steps, the mean baseline.

sweep
    `AMIG(steps=20).attribute`, completeness included: one more point per layer.
naive
    Baselines once for all layers, in one batch; then for every layer one forward and backward of
    the whole sentence with the N points as a batch.
authors' order
    The same, but for every layer the baselines are computed again, one sentence at a time.
floor
    Nothing but matrix products of the shapes that cannot be avoided, each the size it has in the
    sweep: the m baseline sentences, each from its replaced token on; the N points of every layer,
    forward and backward, from that layer on; the unembedding of all points, both ways.

Examples
--------
python benchmarks/attribution.py --quick --out /tmp/attribution
python benchmarks/attribution.py --out benchmarks/results
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from attribution_report import table
from environment import command_line, describe_environment

from neurotopo import AMIG, Fact, NeuronModel
from neurotopo.models.examples import word_tokenizer

STEPS = 20
LAYERS, WIDTH, VOCABULARY = 12, 768, 50_257
WORDS = " ".join(f"word{i}" for i in range(64))


def make(shape: str) -> NeuronModel:
    """Return a model of one of the shapes with random weights."""
    torch.manual_seed(0)
    if shape == "gpt2":
        hf_model: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    else:
        config = transformers.LlamaConfig(
            hidden_size=WIDTH, intermediate_size=2048, num_hidden_layers=LAYERS,
            num_attention_heads=12, vocab_size=32_000, max_position_embeddings=256,
        )  # fmt: skip
        hf_model = transformers.LlamaForCausalLM(config)
    return NeuronModel(hf_model.eval(), word_tokenizer(WORDS))


def make_fact(n_tokens: int, n_answer: int) -> Fact:
    """Return a prompt and an answer of so many tokens."""
    words = WORDS.split()
    return Fact(" ".join(words[:n_tokens]) + " _X_", " ".join(words[50 : 50 + n_answer]))


def tokens_of(model: NeuronModel, fact: Fact) -> tuple[list[int], list[int], list[int]]:
    encoding = model.encode(fact)
    answer = list(encoding.answers[0])
    ids = [*encoding.prompt, *answer[:-1]]
    return ids, list(range(len(encoding.prompt) - 1, len(ids))), answer


def captured(model: NeuronModel, ids: torch.Tensor, positions: list[int]) -> torch.Tensor:
    """Run sentences in one batch and return the values, (n_sentences, layers, positions, n)."""
    found: dict[int, torch.Tensor] = {}

    def catch(layer: int) -> Any:
        return lambda module, args: found.__setitem__(layer, args[0][:, positions])

    handles = [
        mlp.out.module.register_forward_pre_hook(catch(layer))
        for layer, mlp in enumerate(model.mlps)
    ]
    with torch.no_grad():
        model.hf_model(input_ids=ids, logits_to_keep=1)
    for handle in handles:
        handle.remove()
    return torch.stack([found[layer] for layer in range(model.n_layers)], dim=1)


def plain(model: NeuronModel, fact: Fact, again: bool) -> np.ndarray:
    """Attribute without sharing; ``again``: the authors' order of work."""
    ids, positions, targets = tokens_of(model, fact)
    eos = model.tokenizer.eos_token_id
    prompt = range(len(ids) - len(targets) + 1)
    replaced = torch.tensor([[eos if i == j else t for i, t in enumerate(ids)] for j in prompt])
    sentence = torch.tensor([ids])
    model.hf_model.requires_grad_(False)
    alphas = torch.arange(1, STEPS + 1)[:, None, None] / STEPS
    scores = []
    starts, end = captured(model, replaced, positions), captured(model, sentence, positions)[0]
    for layer in range(model.n_layers):
        if again:
            rows = [captured(model, row[None], positions) for row in replaced]
            starts, end = torch.cat(rows), captured(model, sentence, positions)[0]
        start = starts.mean(dim=0)[layer]
        leaf = (start + alphas * (end[layer] - start)).requires_grad_(True)

        def replace(module: Any, args: Any, leaf: torch.Tensor = leaf) -> tuple[torch.Tensor]:
            x = args[0].clone()
            x[:, positions] = leaf
            return (x,)

        handle = model.mlps[layer].out.module.register_forward_pre_hook(replace)
        logits = model.hf_model(
            input_ids=sentence.expand(STEPS, -1), logits_to_keep=len(positions)
        ).logits
        handle.remove()
        log_p = logits.log_softmax(dim=2)[:, range(len(targets)), targets].sum(dim=1)
        gradient = torch.autograd.grad(log_p.exp().sum(), leaf)[0]
        scores.append(((end[layer] - start) * gradient.mean(dim=0)).sum(dim=0))
    model.hf_model.requires_grad_(True)
    return torch.stack(scores).double().numpy()


def floor(model: NeuronModel, fact: Fact) -> Callable[[], None]:
    """Return the bare matrix products of the shapes that cannot be avoided."""
    ids, positions, _ = tokens_of(model, fact)
    t, n_prompt = len(positions), positions[0] + 1
    up = model.n_neurons * (2 if model.is_gated else 1)
    shapes = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, up), (model.n_neurons, WIDTH)]
    weights = [torch.randn(shape) for shape in shapes]
    head = torch.randn(WIDTH, model.hf_model.get_output_embeddings().weight.shape[0])
    rests = sum(len(ids) - j for j in range(n_prompt))
    sizes = [STEPS * t * (layer + 1) for layer in range(model.n_layers)]
    inputs = {(n, d): torch.randn(n, d) for n in [rests, *sizes] for d, _ in shapes}
    outputs = {(n, e): torch.randn(n, e) for n in sizes for _, e in shapes}
    outputs[sizes[-1], head.shape[1]] = torch.randn(sizes[-1], head.shape[1])

    def products() -> None:
        for _ in range(model.n_layers):
            for weight in weights:
                inputs[rests, weight.shape[0]] @ weight
        for n in sizes:
            for weight in weights:
                inputs[n, weight.shape[0]] @ weight
                outputs[n, weight.shape[1]] @ weight.T
        inputs[sizes[-1], WIDTH] @ head
        outputs[sizes[-1], head.shape[1]] @ head.T

    return products


def measure(model: NeuronModel, fact: Fact, repeat: int) -> dict[str, Any]:
    """Time all ways in turn, so that a machine whose speed drifts favours none."""
    amig = AMIG(steps=STEPS)
    ways: dict[str, Callable[[], Any]] = {
        "sweep": lambda: amig.attribute(model, fact).scores,
        "floor": floor(model, fact),
        "naive": lambda: plain(model, fact, again=False),
        "authors": lambda: plain(model, fact, again=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, Any] = {}
    for round_ in range(repeat + 1):
        for name, way in ways.items():
            if name in ("naive", "authors") and round_ > 2:
                continue
            start = time.perf_counter()
            values[name] = way()
            if round_:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    scale = np.abs(values["naive"]).max()
    error = float(np.abs(values["sweep"] - values["naive"]).max() / scale)
    ratios = {
        name: statistics.median(seconds[name]) / statistics.median(seconds["sweep"])
        for name in ("naive", "authors")
    }
    over = statistics.median(seconds["sweep"]) / statistics.median(seconds["floor"])
    return {"seconds": seconds, "error": error, "over_floor": over, "faster_than": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--quick", action="store_true", help="one case")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cases = [(s, p, a) for s in ("gpt2", "llama") for p in (12, 40) for a in (1, 3)]
    if options.quick:
        cases = [("gpt2", 12, 1), ("gpt2", 40, 1)]
    record: dict[str, Any] = {
        "environment": describe_environment(),
        "command": command_line("benchmarks/attribution.py"),
        "threads": torch.get_num_threads(),
        "rows": [],
    }
    models: dict[str, NeuronModel] = {}
    for shape, n_prompt, n_answer in cases:
        if shape not in models:
            models = {shape: make(shape)}
        measured = measure(models[shape], make_fact(n_prompt, n_answer), options.repeat)
        row = {"shape": shape, "prompt": n_prompt, "answer": n_answer, **measured}
        record["rows"].append(row)
        print(shape, n_prompt, n_answer, f"{measured['over_floor']:.2f} x floor", measured[
            "faster_than"], f"{measured['error']:.1e}", flush=True)  # fmt: skip
        (options.out / "attribution.json").write_text(json.dumps(record, indent=1) + "\n")
    (options.out / "attribution.md").write_text(table(record))


if __name__ == "__main__":
    main()
