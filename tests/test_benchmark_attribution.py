"""The benchmark of AMIG compares equal scores, on models small enough for a test."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import attribution as benchmark


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"llama": (24, 32, 2, 3, 3, 100), "smollm2": (24, 40, 3, 3, 1, 100)}
    monkeypatch.setattr(benchmark, "SHAPES", sizes)


@pytest.mark.parametrize(("shape", "steps"), [("llama", 20), ("smollm2", 8)])
def test_the_ways_agree(shape: str, steps: int, tiny: None) -> None:
    model, fact = benchmark.make(shape), benchmark.make_fact(5, 2)
    amig = benchmark.settings_of(shape)
    assert amig.steps == steps
    assert model.hf_model.config.num_key_value_heads == {"llama": 3, "smollm2": 1}[shape]
    wanted = amig.attribute(model, fact).scores
    for again in (False, True):
        scores = benchmark.plain(model, fact, amig, again)
        np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    measured = benchmark.measure(model, fact, amig, repeat=1)
    assert measured["error"] < 1e-4
    assert measured["over_floor"] > 0


def test_the_floor_has_the_products_of_the_points(tiny: None) -> None:
    model, fact = benchmark.make("smollm2"), benchmark.make_fact(4, 1)
    seen: dict[tuple[int, ...], int] = {}

    class Counted(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is torch.Tensor.matmul or function is torch.Tensor.__matmul__:
                shape = (*args[0].shape, args[1].shape[1])
                seen[shape] = seen.get(shape, 0) + 1
            return function(*args, **(kwargs or {}))

    products = benchmark.floor(model, fact, 8)
    with Counted():
        products()
    # baselines have 4 + 3 + 2 + 1 tokens
    assert seen[10, 24, 24 + 2 * 8] == seen[10, 40, 24] == model.n_layers
    assert seen[8, 24, 80] == seen[8, 80, 24] == 1  # the points of the last layer
    assert seen[24, 24, 100] == seen[24, 100, 24] == 1  # the unembedding of all
