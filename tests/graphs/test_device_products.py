"""Tiles made and searched by torch give the forests that NumPy gives.

The machine that runs the tests may have no GPU: ``cpu:0`` is a device of torch like any other, and
takes the same way through the code.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from neurotopo.graphs import bipartite, device_products
from neurotopo.graphs.bipartite import tile_forest
from neurotopo.graphs.device_products import DeviceTile
from neurotopo.graphs.whole_model import whole_model_tree
from tests.graphs.sources import ArrayModel
from tests.support.examples import examples
from tests.support.tiles import assert_is_spanning_forest, check_tile, tiles

DEVICES = ["cpu:0", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture
def low_thresholds(monkeypatch):
    monkeypatch.setattr(bipartite, "_WANTED", 1)
    monkeypatch.setattr(bipartite, "_SAMPLED", 4)
    monkeypatch.setattr(device_products, "_BAND", 50)


@pytest.mark.parametrize("device", DEVICES)
@examples(200)
@given(strength=tiles())
@pytest.mark.usefixtures("low_thresholds")
def test_tiles(device, strength):
    tile = DeviceTile(torch.from_numpy(strength.copy()).to(device))
    assert_is_spanning_forest(tile_forest(tile), strength)
    assert np.array_equal(tile.to_numpy(), strength)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("band", [1, 40, 10**6])
def test_what_a_tile_answers(device, band, monkeypatch):
    monkeypatch.setattr(device_products, "_BAND", band)
    strength = np.random.default_rng(0).normal(size=(31, 37))
    tile = DeviceTile(torch.from_numpy(strength.copy()).to(device))
    check_tile(tile, strength, np.random.default_rng(1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"path": "both"},
        {"signed": True},
        {"length": "neglog", "tile_size": 4},
        {"dtype": "float64"},
        {"dtype": "bfloat16"},
        {"dtype": "float16", "path": "gate"},
    ],
)
def test_whole_models(device, options):
    model = ArrayModel(4, 9, 4, gated=True, integers=True)  # exact in every precision
    expected = whole_model_tree(model, **{**options, "dtype": "float64"})
    assert whole_model_tree(model, device=device, **options) == expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_rounds_rows_and_nothing_else(device, dtype):
    model = ArrayModel(3, 20, 30)
    tree = whole_model_tree(model, device=device, dtype=dtype)
    half = getattr(torch, dtype)
    for matrix in (model.up, model.out):
        matrix[:] = torch.from_numpy(matrix).to(half).float().numpy()
    expected = whole_model_tree(model, dtype="float64")
    assert np.array_equal(tree.parent, expected.parent)
    assert tree.birth == pytest.approx(expected.birth, rel=1e-3)
    assert tree.last_merge == pytest.approx(expected.last_merge, rel=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_mistakes_are_named_as_on_the_host(device):
    model = ArrayModel(3, 5)
    model.out[1, 3], model.up[2, 4] = 1e20, 1e20
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(2, 4\) is too large for float32"):
        whole_model_tree(model, device=device)
    model.out[1, 3], model.up[2, 4] = 1e5, 1.0
    too_large = (
        r"neuron \(1, 3\) holds 100000.0 \(more than the largest number of the products, 655"
    )
    with pytest.raises(ValueError, match=too_large):
        whole_model_tree(model, device=device, dtype="float16")
    assert whole_model_tree(model, device=device, dtype="bfloat16").n_samples == 15


@pytest.mark.parametrize("device", ["nonsense", "cuda:77"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used"):
        whole_model_tree(ArrayModel(2, 3), device=device)


def test_read_only_rows():
    model = ArrayModel(2, 4, integers=True)
    for matrix in (model.up, model.out):
        matrix.flags.writeable = False
    assert whole_model_tree(model, device="cpu:0") == whole_model_tree(model)
