"""Run what neurotopo does with a model on a GPU, and compare it with the same on the CPU.

``python scripts/gpu_checks.py --out gpu.json`` takes less than five minutes on one GPU. It prints
a table and ends with status 0, or 1 if a check fails. Without a GPU it says so and ends with
status 2.
``--device cpu --tiny`` tries the script itself, in seconds.

Models have random weights. Those of the comparisons are small, because the CPU computes them too;
with ``--tiny`` they have 72 neurons. The last check attributes a fact in a model of the shape of
LLaMA-2 7B in bfloat16, if it fits.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from neurotopo import AMIG, Edit, Fact, NeuronModel, load_model
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.knowledge.asking import ask
from neurotopo.knowledge.relp import RelP
from neurotopo.models.examples import random_model, word_tokenizer
from neurotopo.models.fingerprint import fingerprint
from neurotopo.redundancy import path_scores
from neurotopo.studies.training import Schedule, train
from neurotopo.tuning import NeuronTuner, lora_like

KINDS = ("gpt2", "llama", "bert")
FACT = Fact("The capital of France is _X_", ("Paris", "Rome"))
LONG = Fact("Ada works for _X_", "Acme .")  # an answer of two tokens
EDITS = (
    None,
    Edit([(0, 3), (1, 4)]),
    Edit([(0, 3)], scale=2.0, positions="last"),
    Edit([(0, 3), (2, 1)], value=[1.0, 2.0]),
    Edit([(1, 2)], value=0.5, positions=[0, 1]),
    Edit([(0, 1), (2, 7)], where="weights"),
)
NEURONS = [(0, 3), (0, 7), (2, 0), (2, 5)]
HALF = {"bfloat16": 0.2, "float16": 0.03}  # largest difference of log-probabilities from float32
CLOSE = 1e-3  # largest relative difference of two devices in single precision
FREE = 40e9  # bytes that the large model needs


class SkipCheck(Exception):
    """Reason why a check does not apply to this machine."""


@dataclass
class Setting:
    """What the checks run on.

    Attributes
    ----------
    device : str
    tiny : bool
        Whether the models are as small as possible.
    """

    device: str
    tiny: bool
    _reference: dict[str, NeuronModel] = field(default_factory=dict)

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return torch.device(self.device).type == "cuda"

    def model(self, kind: str, dtype: str = "float32") -> NeuronModel:
        """Return a model of random weights on the device."""
        model = small_model(kind, self.tiny)
        return load_model(
            model.hf_model, tokenizer=model.tokenizer, device=self.device, dtype=dtype
        )

    def reference(self, kind: str) -> NeuronModel:
        """Return the same model on the CPU, in single precision."""
        if kind not in self._reference:
            self._reference[kind] = small_model(kind, self.tiny)
        return self._reference[kind]


def small_model(kind: str, tiny: bool) -> NeuronModel:
    """Return a model with random weights on the CPU, the same at every call."""
    if tiny:
        return random_model(kind)
    words = word_tokenizer()
    torch.manual_seed(0)
    size: dict[str, Any] = {"vocab_size": len(words), "pad_token_id": words.pad_token_id}
    if kind == "gpt2":
        wide = {"n_layer": 6, "n_embd": 256, "n_head": 8, "n_positions": 64}
        ends = {"bos_token_id": 0, "eos_token_id": 3}
        hf_model: Any = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(**wide, **ends, **size)
        )
    else:
        name = "LlamaForCausalLM" if kind == "llama" else "BertForMaskedLM"
        wide = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 8}
        model_class = getattr(transformers, name)
        hf_model = model_class(
            model_class.config_class(
                **wide, intermediate_size=1024, max_position_embeddings=64, **size
            )
        )
    return NeuronModel(hf_model.eval(), words)


def difference(value: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest expected size."""
    value, expected = (np.asarray(each, dtype=np.float64) for each in (value, expected))
    if value.shape != expected.shape or not np.array_equal(np.isnan(value), np.isnan(expected)):
        raise AssertionError(f"shape {value.shape} or nan, not as on the CPU {expected.shape}")
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    return float(np.nanmax(np.abs(value - expected), initial=0.0) / scale)


def largest(
    setting: Setting, compute: Callable[[NeuronModel], Any], kinds: Sequence[str] = KINDS
) -> str:
    """Compare a computation on the device with that on the CPU, for models of some kinds."""
    found = {
        kind: difference(compute(setting.model(kind)), compute(setting.reference(kind)))
        for kind in kinds
    }
    return within(max(found.values()), CLOSE, f"in {max(found, key=lambda k: found[k])}")


def within(value: float, limit: float, what: str = "") -> str:
    """Return a figure, if it is at most a limit."""
    if not value <= limit:
        raise AssertionError(f"{value:.2g} {what}, more than {limit:g}")
    return f"{value:.1e} of {limit:g}"


# The checks


def arithmetic(setting: Setting) -> str:
    """Check that products in single precision are as exact as that (no TF32)."""
    values = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    there = values.to(setting.device)
    return within(difference((there @ there).cpu(), values.double() @ values.double()), 1e-5)


def values_of_neurons(setting: Setting) -> str:
    """Compare values of all neurons."""

    def compute(model: NeuronModel) -> Any:
        places: Any = ("last", "answer", "all", [0, -1])
        return np.concatenate([model.activations(LONG, at).ravel() for at in places])

    return largest(setting, compute)


def probabilities(setting: Setting) -> str:
    """Compare log-probabilities of answers, with edits of every kind."""

    def compute(model: NeuronModel) -> Any:
        one = model.answer_probability(LONG, EDITS, log=True)
        table = model.answers_log_probability(FACT, EDITS)
        many = model.answer_probabilities([FACT, LONG], EDITS[1:3], log=True)
        with model.edited(EDITS[5], EDITS[3]) as edited:
            standing = edited.answer_probability(LONG, EDITS[1], log=True)
        return np.concatenate([one, table.ravel(), many, [standing]])

    return largest(setting, compute)


def answers(setting: Setting) -> str:
    """Ask facts, and compare the scores of paths of an edit."""

    def compute(model: NeuronModel) -> Any:
        ask(model, [FACT, LONG], lambda fact: ["Acme"])
        paths = path_scores(model, FACT, ["Acme"], EDITS[2:3])
        return [each.of("probability") for each in (paths.total, paths.direct, paths.frozen)]

    return largest(setting, compute)


def attribution(setting: Setting) -> str:
    """Compare scores of AMIG."""

    def compute(model: NeuronModel) -> Any:
        amig = AMIG.fast(target="log")
        return np.stack([each.scores for each in amig.attribute_many(model, [LONG, FACT])])

    return largest(setting, compute)


def attribution_options(setting: Setting) -> str:
    """Compare scores of AMIG from every baseline, for several targets and positions."""

    def compute(model: NeuronModel) -> Any:
        values = model.activations(FACT)
        choices: list[dict[str, Any]] = [
            {"baseline": "per-token", "target": "log"},
            {"baseline": values, "batch_size": 3},
            {"baseline": "reference", "reference": [FACT], "positions": "all"},
            {"baseline": "resample", "reference": [FACT, LONG], "target": "first"},
        ]
        results = [AMIG(steps=2, **each).attribute(model, LONG).scores for each in choices]
        contrast = AMIG(steps=2, target="contrast", baseline="zero")
        results.append(contrast.attribute(model, FACT, ["Acme", "Who"]).scores)
        return [each / np.abs(each).max() for each in results]

    return largest(setting, compute, ("gpt2",) if setting.tiny else KINDS)


def relevance(setting: Setting) -> str:
    """Compare scores of RelP."""
    return largest(setting, lambda model: RelP(target="log").attribute(model, LONG).scores)


def half_precision(setting: Setting) -> str:
    """Compare half precision with single precision on the CPU."""
    figures = []
    for dtype, limit in HALF.items():
        for kind in ("gpt2", "llama"):
            model, exact = setting.model(kind, dtype), setting.reference(kind)
            log_p = model.answer_probability(LONG, EDITS, log=True)
            expected = exact.answer_probability(LONG, EDITS, log=True)
            figures.append(within(float(np.abs(log_p - expected).max()), limit, dtype))
            scores, wanted = (
                AMIG.fast(target="log").attribute(each, LONG).scores for each in (model, exact)
            )
            figures.append(within(difference(scores, wanted), limit, dtype))
    return max(figures, key=lambda text: float(text.split()[0]))


def graph_free(setting: Setting) -> str:
    """Check that an attribution leaves no graph of autograd, no gradient and no hook."""
    model = setting.model("gpt2")
    parameters = list(model.hf_model.parameters())
    before = [each.detach().clone() for each in parameters]
    n_tensors = []
    for run in range(3):
        AMIG.fast().attribute(model, LONG)
        model.answer_probability(LONG, EDITS)
        if run:  # the first run fills caches
            n_tensors.append(sum(1 for _ in living_tensors()))
    assert all(each.requires_grad and each.grad is None for each in parameters)
    assert all(map(torch.equal, before, parameters)), "weights changed"
    hooks = [m for m in model.hf_model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert not hooks, f"hooks are left on {len(hooks)} modules"
    assert n_tensors[1] == n_tensors[0], f"{n_tensors} tensors after two and three runs"
    return f"{n_tensors[1]} tensors"


def memory_is_flat(setting: Setting) -> str:
    """Check that attributions leave no memory of the device in use."""
    if not setting.is_cuda:
        raise SkipCheck("the CPU has no counter")
    model, used = setting.model("llama"), []
    for _ in range(4):
        AMIG.fast().attribute(model, LONG)
        used.append(torch.cuda.memory_allocated(setting.device))
    assert used[-1] <= used[1], f"bytes after each run: {used}"
    return f"{used[-1] / 1e6:.0f} MB"


def split_model(setting: Setting) -> str:
    """Compare a model with later layers on another device: the second GPU, or the CPU."""
    other = "cuda:1" if setting.is_cuda and torch.cuda.device_count() > 1 else "cpu"

    def compute(model: NeuronModel) -> Any:
        log_p = model.answer_probability(LONG, EDITS, log=True)
        scores = AMIG(steps=2, target="log").attribute(model, LONG).scores
        relp = RelP(target="log").attribute(model, LONG).scores
        return np.concatenate(
            [log_p, model.activations(LONG).ravel(), scores.ravel(), relp.ravel()]
        )

    model = setting.model("llama")
    with spread(model, setting.device, other):
        figure = difference(compute(model), compute(setting.reference("llama")))
    return within(figure, CLOSE) + f" with {other}"


def tuning(setting: Setting) -> str:
    """Train some neurons, save them and load them again."""

    def compute(model: NeuronModel) -> Any:
        schedule = Schedule(lr=0.01, epochs=2, dropout=0.0)
        texts = ["The capital of France is Paris .", "Ada works for Acme ."]
        with NeuronTuner(model, NEURONS) as tuner:
            trained = list(tuner.parameters())
            done = train(model.hf_model, model.tokenizer, trained, texts, schedule, seed=0)
            state = torch.cat([each.cpu().flatten() for each in tuner.difference().values()])
            with tempfile.TemporaryDirectory() as folder:
                tuner.save(folder)
                tuner.load(folder)
            after = model.answer_probability(LONG, log=True)
        return np.concatenate([done.losses, state.numpy(), [after]])

    # the first steps of Adam have the sign of the gradient, whatever its size
    found = [
        difference(compute(small_model(kind, setting.tiny)), compute(setting.model(kind)))
        for kind in ("gpt2", "llama")
    ]
    return within(max(found), 10 * CLOSE)


def lora(setting: Setting) -> str:
    """Train a LoRA for a step."""
    model = setting.model("gpt2")
    with lora_like(model, 500) as arm:
        trained, text = list(arm.parameters()), ["The capital of France is Paris ."]
        done = train(model.hf_model, model.tokenizer, trained, text, Schedule(epochs=1), seed=0)
        assert np.isfinite(done.losses[0])
        assert {each.device.type for each in trained} == {torch.device(setting.device).type}
    return f"loss {done.losses[0]:.2f}"


def fingerprints(setting: Setting) -> str:
    """Check that the fingerprint of a model does not depend on the device."""
    for kind in KINDS:
        here, there = setting.reference(kind), setting.model(kind)
        assert fingerprint(here) == fingerprint(there), kind
    return "equal"


def whole_model(setting: Setting) -> str:
    """Compare the tree of all neurons, from products on the device."""
    figures, device = [], setting.device if setting.is_cuda else "cpu:0"  # not by NumPy
    for kind in ("gpt2", "llama"):
        model = setting.model(kind)
        expected = whole_model_tree(setting.reference(kind))
        tree = whole_model_tree(model, device=device)
        found, wanted = np.sort(tree.birth), np.sort(expected.birth)
        finite = np.isfinite(wanted)
        assert np.array_equal(finite, np.isfinite(found)), "other neurons without edges"
        figures.append(difference(found[finite], wanted[finite]))
        for dtype in HALF:
            assert whole_model_tree(model, device=device, dtype=dtype).n_samples > 0
    return within(max(figures), CLOSE)


def loading(setting: Setting) -> str:
    """Check that a saved model goes to the GPU by itself."""
    model = setting.reference("gpt2")
    with tempfile.TemporaryDirectory() as folder:
        model.hf_model.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        again = load_model(folder, **({} if setting.is_cuda else {"device": setting.device}))
    assert again.device.type == torch.device(setting.device).type, again.device
    log_p, expected = (each.answer_probability(LONG, log=True) for each in (again, model))
    return within(abs(log_p - expected), CLOSE)


def large_model(setting: Setting) -> str:
    """Measure a fact in a model of the shape of LLaMA-2 7B in bfloat16."""
    words = word_tokenizer()
    size: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    layers, vocabulary = 2, len(words)
    if setting.is_cuda and not setting.tiny:
        free = torch.cuda.mem_get_info(setting.device)[0]
        if free < FREE:
            raise SkipCheck(f"{free / 1e9:.0f} GB are free, {FREE / 1e9:.0f} GB needed")
        size = {"hidden_size": 4096, "intermediate_size": 11_008, "num_attention_heads": 32}
        layers, vocabulary = 32, 32_000
        torch.cuda.reset_peak_memory_stats(setting.device)
    config = transformers.LlamaConfig(
        **size, num_hidden_layers=layers, vocab_size=vocabulary, max_position_embeddings=256
    )
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(setting.device):
            hf_model = transformers.LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(dtype)
    model = NeuronModel(hf_model, words)
    start = time.perf_counter()
    scores = AMIG.fast(target="log").attribute(model, LONG).scores
    seconds = time.perf_counter() - start
    assert np.isfinite(scores).all()
    peak = torch.cuda.max_memory_allocated(setting.device) / 1e9 if setting.is_cuda else 0.0
    return f"{seconds:.2f} s a fact, {peak:.0f} GB"


CHECKS: tuple[Callable[[Setting], str], ...] = (
    arithmetic,
    loading,
    values_of_neurons,
    probabilities,
    answers,
    attribution,
    attribution_options,
    relevance,
    half_precision,
    graph_free,
    memory_is_flat,
    split_model,
    tuning,
    lora,
    fingerprints,
    whole_model,
    large_model,
)


def living_tensors() -> Iterator[torch.Tensor]:
    """Yield the tensors that Python holds."""
    gc.collect()
    return (each for each in gc.get_objects() if issubclass(type(each), torch.Tensor))


@contextmanager
def spread(model: NeuronModel, device: str, other: str) -> Iterator[None]:
    """Move the later half of the layers, with what they read, to another device."""
    layers = [mlp.layer for mlp in model.mlps]
    later = layers[len(layers) // 2 :]

    def move(value: Any, to: str) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(to)
        if isinstance(value, tuple):
            return tuple(move(each, to) for each in value)
        return value

    def enter(module: Any, args: Any, kwargs: Any) -> Any:
        return move(args, other), {name: move(value, other) for name, value in kwargs.items()}

    hooks = [each.register_forward_pre_hook(enter, with_kwargs=True) for each in later]
    hooks.append(later[-1].register_forward_hook(lambda module, args, output: move(output, device)))
    for layer in later:
        layer.to(other)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


# The table


@dataclass
class Outcome:
    """Result of a check."""

    check: str
    result: str
    figure: str
    seconds: float


def outcome_of(check: Callable[[Setting], str], setting: Setting) -> Outcome:
    """Run a check."""
    start = time.perf_counter()
    try:
        result, figure = "ok", check(setting)
    except SkipCheck as reason:
        result, figure = "skipped", str(reason)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = [each for each in frames if "neurotopo" in Path(each.filename).parts][-1:] or frames
        where = where[-1]
        about = f"{type(error).__name__}: {error}".partition("\n")[0]
        result, figure = "FAILED", f"{about} ({Path(where.filename).name}, line {where.lineno})"
    return Outcome(check.__name__, result, figure, time.perf_counter() - start)


@contextmanager
def only_errors() -> Iterator[None]:
    """Log only errors of neurotopo within a block."""
    logger = logging.getLogger("neurotopo")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks and return the exit status."""
    parser = argparse.ArgumentParser(description="Check what neurotopo does on a GPU.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu [cuda]")
    parser.add_argument("--tiny", action="store_true", help="the smallest models")
    parser.add_argument("--only", nargs="+", metavar="CHECK", help="these checks")
    parser.add_argument("--out", type=Path, help="a JSON file")
    options = parser.parse_args(arguments)
    names = [check.__name__ for check in CHECKS]
    for name in options.only or ():
        if name not in names:
            parser.error(f"--only {name}: no such check; the checks are {', '.join(names)}")
    setting = Setting(options.device, options.tiny)
    if setting.is_cuda and not torch.cuda.is_available():
        print("No GPU was found, so nothing was checked.", file=sys.stderr)
        return 2
    outcomes = []
    print(f"{'check':<20} {'result':<8} {'seconds':>8}  figure")
    for check in CHECKS:
        if options.only and check.__name__ not in options.only:
            continue
        with only_errors():  # the integrals of random models are coarse
            outcomes.append(outcome_of(check, setting))
        last = outcomes[-1]
        print(f"{last.check:<20} {last.result:<8} {last.seconds:8.1f}  {last.figure}", flush=True)
    failed = sum(each.result == "FAILED" for each in outcomes)
    about = torch.cuda.get_device_name(options.device) if setting.is_cuda else "cpu"
    record = {
        "device": about,
        "torch": torch.__version__,
        "tiny": options.tiny,
        "failed": failed,
        "seconds": sum(each.seconds for each in outcomes),
        "checks": [asdict(each) for each in outcomes],
    }
    if options.out is not None:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{len(outcomes)} checks on {about} in {record['seconds']:.0f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
