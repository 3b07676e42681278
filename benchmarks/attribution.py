"""Time AMIG for one fact: the sweep, two simple implementations, and the matrix products alone.

Models of 12 layers and width 768 with random weights: GPT-2's shape (3,072 neurons per layer) and
a gated one like LLaMA (2,048 neurons). Prompts of 12 and 40 tokens, answers of one and three
tokens, N = 20 right-hand steps, the mean baseline. On SmolLM2's shape (30 layers, width 576, 1,536
neurons, 9 heads that share 3 keys, a vocabulary of 49,152), answers of one token and `AMIG.fast()`:
N = 8 Gauss-Legendre nodes.

sweep
    `AMIG.attribute`, including completeness, which adds one point per layer.
naive
    Baselines once for all layers, in one batch; then, for each layer, one forward and backward
    pass of the whole sentence with the N points as a batch.
authors' order
    The same, but the baselines are computed again for each layer, one sentence at a time.
64 facts
    `AMIG.attribute_many` over 64 facts of that shape, per fact.
memory
    Peak of the resident set during one sweep minus the resident set before, in a fresh process
    after one sweep; on a GPU the memory that torch allocates.
floor
    Only the matrix products that an implementation with whole layers needs, at the sizes of the
    sweep: the m baseline sentences, each from its replaced token on; the N points of each layer,
    forward and backward, from that layer on; the unembedding of all points, forward and backward.
    Where a layer adds its MLP to the residual stream, the sweep computes only the out-projection of
    a point in its own layer; the floor counts the whole layer, so it is no strict lower bound.

Examples
--------
python benchmarks/attribution.py --quick --out /tmp/attribution
python benchmarks/attribution.py --out benchmarks/results
python benchmarks/attribution.py --device cuda --dtype bfloat16 --shape gpt2 --shape 7b --out gpu
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import environment
import numpy as np
import torch
import transformers
from attribution_report import table
from whole_model import extra_mb_of

from neurotopo import AMIG, Fact, NeuronModel
from neurotopo.knowledge.quadrature import quadrature_nodes
from neurotopo.models.examples import word_tokenizer

# width, neurons, layers, heads, heads of the keys, vocabulary
SHAPES = {
    "llama": (768, 2048, 12, 12, 12, 32_000),
    "smollm2": (576, 1536, 30, 9, 3, 49_152),
    "7b": (4096, 11_008, 32, 32, 32, 32_000),
}
WORDS = " ".join(f"word{i}" for i in range(64))


def make(shape: str, device: str = "cpu", dtype: str = "float32") -> NeuronModel:
    """Return a model of one of the shapes with random weights."""
    torch.manual_seed(0)
    with torch.device(device):
        if shape == "gpt2":
            hf_model: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config())
        else:
            width, inner, layers, heads, key_heads, vocabulary = SHAPES[shape]
            config = transformers.LlamaConfig(
                hidden_size=width,
                intermediate_size=inner,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                num_key_value_heads=key_heads,
                vocab_size=vocabulary,
                max_position_embeddings=256,
                tie_word_embeddings=shape == "smollm2",
            )
            hf_model = transformers.LlamaForCausalLM(config)
    return NeuronModel(hf_model.eval().to(getattr(torch, dtype)), word_tokenizer(WORDS))


def settings_of(shape: str) -> AMIG:
    """Return the integration rule that is measured on a shape."""
    return AMIG.fast() if shape == "smollm2" else AMIG(steps=20)


def make_fact(n_tokens: int, n_answer: int, seed: int | None = None) -> Fact:
    """Return a prompt and an answer of so many tokens."""
    words = WORDS.split()
    if seed is not None:
        words = np.random.default_rng(seed).permutation(words).tolist()
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
        model.hf_model(input_ids=ids.to(model.device), logits_to_keep=1)
    for handle in handles:
        handle.remove()
    return torch.stack([found[layer] for layer in range(model.n_layers)], dim=1)


def plain(model: NeuronModel, fact: Fact, amig: AMIG, again: bool) -> np.ndarray:
    """Attribute one layer after the other; ``again``: in the authors' order."""
    ids, positions, targets = tokens_of(model, fact)
    eos = model.tokenizer.eos_token_id
    prompt = range(len(ids) - len(targets) + 1)
    replaced = torch.tensor([[eos if i == j else t for i, t in enumerate(ids)] for j in prompt])
    sentence = torch.tensor([ids], device=model.device)
    model.hf_model.requires_grad_(False)
    alphas, weights = (
        torch.as_tensor(part, device=model.device, dtype=model.dtype)[:, None, None]
        for part in quadrature_nodes(amig.quadrature, amig.steps)
    )
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
            input_ids=sentence.expand(amig.steps, -1), logits_to_keep=len(positions)
        ).logits
        handle.remove()
        log_p = logits.float().log_softmax(dim=2)[:, range(len(targets)), targets].sum(dim=1)
        gradient = torch.autograd.grad(log_p.exp().sum(), leaf)[0]
        scores.append(((end[layer] - start) * (weights * gradient).sum(dim=0)).sum(dim=0))
    model.hf_model.requires_grad_(True)
    return torch.stack(scores).double().cpu().numpy()


def floor(model: NeuronModel, fact: Fact, n_steps: int) -> Callable[[], None]:
    """Return a function that computes only the necessary matrix products."""
    ids, positions, _ = tokens_of(model, fact)
    t, n_prompt = len(positions), positions[0] + 1
    up = model.n_neurons * (2 if model.is_gated else 1)
    width, kind = model.d_model, {"device": model.device, "dtype": model.dtype}
    config = model.hf_model.config
    heads = config.num_attention_heads
    keys = width * getattr(config, "num_key_value_heads", heads) // heads
    shapes = [(width, width + 2 * keys), (width, width), (width, up), (model.n_neurons, width)]
    weights = [torch.randn(shape, **kind) for shape in shapes]
    head = torch.randn(width, model.hf_model.get_output_embeddings().weight.shape[0], **kind)
    rests = sum(len(ids) - j for j in range(n_prompt))
    sizes = [n_steps * t * (layer + 1) for layer in range(model.n_layers)]
    inputs = {(n, d): torch.randn(n, d, **kind) for n in [rests, *sizes] for d, _ in shapes}
    outputs = {(n, e): torch.randn(n, e, **kind) for n in sizes for _, e in shapes}
    outputs[sizes[-1], head.shape[1]] = torch.randn(sizes[-1], head.shape[1], **kind)

    def products() -> None:
        for _ in range(model.n_layers):
            for weight in weights:
                inputs[rests, weight.shape[0]] @ weight
        for n in sizes:
            for weight in weights:
                inputs[n, weight.shape[0]] @ weight
                outputs[n, weight.shape[1]] @ weight.T
        inputs[sizes[-1], width] @ head
        outputs[sizes[-1], head.shape[1]] @ head.T

    return products


def clock(model: NeuronModel) -> float:
    """Return the time after the device has finished."""
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(model: NeuronModel, fact: Fact, amig: AMIG, repeat: int) -> dict[str, Any]:
    """Time all implementations in turn, so that drift of the machine's speed favours none."""
    ways: dict[str, Callable[[], Any]] = {
        "sweep": lambda: amig.attribute(model, fact).scores,
        "floor": floor(model, fact, amig.steps),
        "naive": lambda: plain(model, fact, amig, again=False),
        "authors": lambda: plain(model, fact, amig, again=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, Any] = {}
    for round_ in range(repeat + 1):
        for name, way in ways.items():
            if round_ > {"naive": 2, "authors": 0}.get(name, repeat):
                continue
            start = clock(model)
            values[name] = way()
            if round_ or name == "authors":  # the first warms up
                seconds[name].append(clock(model) - start)
    scale = np.abs(values["naive"]).max()
    error = float(np.abs(values["sweep"] - values["naive"]).max() / scale)
    ratios = {
        name: statistics.median(seconds[name]) / statistics.median(seconds["sweep"])
        for name in ("naive", "authors")
    }
    over = statistics.median(seconds["sweep"]) / statistics.median(seconds["floor"])
    return {"seconds": seconds, "error": error, "over_floor": over, "faster_than": ratios}


def throughput(model: NeuronModel, n_prompt: int, n_answer: int, amig: AMIG, n_facts: int) -> float:
    """Return the seconds per fact of a call with many facts."""
    facts = [make_fact(n_prompt, n_answer, seed) for seed in range(n_facts)]
    start = clock(model)
    for _ in amig.attribute_many(model, facts):
        pass
    return (clock(model) - start) / n_facts


def memory(shape: str, n_prompt: int, n_answer: int, device: str, dtype: str) -> float | None:
    """Return the megabytes that one sweep takes in addition to the model."""
    model, fact = make(shape, device, dtype), make_fact(n_prompt, n_answer)
    amig = settings_of(shape)
    amig.attribute(model, fact)
    if model.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        amig.attribute(model, fact)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    return extra_mb_of(lambda: amig.attribute(model, fact))


def memory_apart(*arguments: Any) -> float | None:
    """Call :func:`memory` in a separate process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(memory, *arguments).result()


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="two cases")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--facts", type=int, default=64, help="facts of the throughput")
    parser.add_argument("--shape", action="append", choices=["gpt2", *SHAPES])
    parser.add_argument(
        "--again",
        nargs=3,
        metavar=("SHAPE", "PROMPT", "ANSWER"),
        help="measure one row of the record again",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shapes = options.shape or ("gpt2", "llama", "smollm2")
    cases = [
        (shape, n_prompt, n_answer)
        for shape in shapes
        for n_prompt in (12, 40)
        for n_answer in ((1,) if shape == "smollm2" else (1, 3))
    ]
    if options.quick:
        cases = [("gpt2", 12, 1), ("gpt2", 40, 1)]
    record: dict[str, Any] = {
        **environment.new_record("attribution"),
        "threads": torch.get_num_threads(),
        "device": options.device,
        "dtype": options.dtype,
        "n_facts": options.facts,
        "rows": [],
    }
    if options.again is not None:
        shape, n_prompt, n_answer = options.again
        cases = [(shape, int(n_prompt), int(n_answer))]
        stored = json.loads((options.out / "attribution.json").read_text())
        record.update(command=stored["command"], rows=stored["rows"])
    models: dict[str, NeuronModel] = {}
    for shape, n_prompt, n_answer in cases:
        kind = (options.device, options.dtype)
        extra = memory_apart(shape, n_prompt, n_answer, *kind)
        if shape not in models:
            models = {shape: make(shape, *kind)}
        amig, fact = settings_of(shape), make_fact(n_prompt, n_answer)
        measured = measure(models[shape], fact, amig, options.repeat)
        each = throughput(models[shape], n_prompt, n_answer, amig, options.facts)
        row = {
            "shape": shape,
            "prompt": n_prompt,
            "answer": n_answer,
            "steps": amig.steps,
            "quadrature": amig.quadrature,
            **measured,
            "seconds_of_many": each,
            "extra_memory": extra,
        }
        name = ("shape", "prompt", "answer")
        old = [[each[key] for key in name] for each in record["rows"]]
        new = [row[key] for key in name]
        at = old.index(new) if new in old else len(old)
        record["rows"][at : at + 1] = [row]
        print(
            shape,
            n_prompt,
            n_answer,
            f"{measured['over_floor']:.2f} x floor",
            measured["faster_than"],
            f"{measured['error']:.1e}",
            f"{each:.2f} s",
            f"{extra or 0:.0f} MB",
            flush=True,
        )
        environment.write(record, options.out, "attribution", table(record))


if __name__ == "__main__":
    main()
