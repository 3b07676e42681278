"""Compare the memory and time of training some neurons with full fine-tuning.

A random model of the shape of GPT-2 small (124 million weights, float32) is trained for a few
steps of AdamW on short texts, each method in a fresh process with one thread: the rows of 1 % of
its neurons (and of 0.1 % and 10 %), a LoRA with as many trained numbers as the 1 %, and all
parameters.

extra memory
    Peak of the resident set during the steps, minus the resident set after a forward pass of the
    frozen model: gradients, optimizer state, stored activations and temporaries.
optimizer state
    Bytes of the optimizer's tensors.
time
    Median of a step; on a busy machine only the ratios are meaningful.

The main result is the extra memory of 1 % relative to the optimizer state of full fine-tuning.

Examples
--------
python benchmarks/tuning.py --out benchmarks/results
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import environment
import numpy as np
from memory import give_memory_back, reset_peak, resident_mb
from tuning_report import table

WAYS = ("rows 0.1 %", "rows 1 %", "rows 10 %", "lora", "all")
STEPS = 8
TEXTS, TOKENS = 2, 16


def model() -> Any:
    """Return the random model."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from neurotopo import NeuronModel
    from neurotopo.models.examples import word_tokenizer

    torch.manual_seed(0)
    made = GPT2LMHeadModel(GPT2Config()).eval()
    return NeuronModel(made, word_tokenizer())


def neurons_of(made: Any, share: float) -> Any:
    """Draw a share of all neurons."""
    from neurotopo import NeuronSet

    total = made.n_layers * made.n_neurons
    drawn = np.sort(np.random.default_rng(0).choice(total, round(share * total), replace=False))
    return NeuronSet.from_arrays(*np.divmod(drawn, made.n_neurons))


def measure(way: str) -> dict[str, float]:
    """Train with one method and return its costs."""
    import torch

    from neurotopo.tuning import NeuronTuner, lora_like

    torch.set_num_threads(1)
    made = model()
    for each in made.hf_model.parameters():
        each.requires_grad_(way == "all")
    ids = torch.randint(0, 50_000, (TEXTS, TOKENS))
    with torch.no_grad():
        made.hf_model(ids, labels=ids)
    if way == "all":
        parameters = list(made.hf_model.parameters())
    elif way == "lora":
        with NeuronTuner(made, neurons_of(made, 0.01)) as tuner:
            wanted = tuner.n_parameters
        parameters = list(lora_like(made, wanted).parameters())
    else:
        share = float(way.split()[1]) / 100
        tuner = NeuronTuner(made, neurons_of(made, share))  # kept: deleted, it restores the model
        parameters = list(tuner.parameters())
    give_memory_back()
    before = resident_mb()
    if not reset_peak():
        raise OSError("the peak of the resident set cannot be reset here")
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.1)
    seconds = []
    made.hf_model.train()
    for _ in range(STEPS):
        start = time.perf_counter()
        made.hf_model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    state = sum(
        value.numel() * value.element_size()
        for kept in optimizer.state.values()
        for value in kept.values()
        if isinstance(value, torch.Tensor)
    )
    return {
        "trained": sum(each.numel() for each in parameters),
        "extra_mb": resident_mb("VmHWM") - before,
        "state_mb": state / 2**20,
        "seconds": float(np.median(seconds[1:])),
    }


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way is not None:
        print(json.dumps(measure(options.way)))
        return
    record: dict[str, Any] = {
        **environment.new_record("tuning"),
        "texts": TEXTS,
        "tokens": TOKENS,
        "ways": {},
    }
    for way in WAYS:
        done = subprocess.run(
            [sys.executable, __file__, "--way", way],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        record["ways"][way] = json.loads(done.stdout.splitlines()[-1])
    environment.write(record, options.out, "tuning", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
