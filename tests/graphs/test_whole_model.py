"""The tree of a whole model is that of the graph with all its edges."""

from __future__ import annotations

import builtins
import logging
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import merge_tree
from neurotopo.graphs import bipartite, products, whole_model
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_forest, whole_model_tree
from tests.graphs.sources import ArrayModel
from tests.support.examples import examples
from tests.support.oracles import minimax, naive_clusters, tree_clusters


def weight(model, layer, a, b, *, path="up", fold_norm=False, activations=None):
    """The weight of neuron a of a layer and neuron b of the next, from the formula."""
    if path == "both":
        return 0.5 * sum(
            abs(weight(model, layer, a, b, path=one, fold_norm=fold_norm, activations=activations))
            for one in ("up", "gate")
        )
    row = (model.up if path == "up" else model.gate)[layer + 1][b].astype(float)
    if fold_norm:
        row = row * model.gain[layer + 1]
    w = float(np.sum(model.out[layer][a].astype(float) * row))
    return w if activations is None else w * activations[layer, a]


LENGTHS = {
    "inverse": lambda w, scale: 1 / abs(w),
    "power": lambda w, scale: abs(w) ** -1.5,
    "neglog": lambda w, scale: -np.log(abs(w) / scale),
}


def naive_lengths(model, *, layers=None, signed=False, length="inverse", power=1.0, **options):
    """All lengths of the whole model, from the formulas, edge by edge."""
    first, last = layers or (0, model.n_layers)
    n = model.n_neurons
    weights = np.zeros(((last - first) * n,) * 2)
    for layer in range(first, last - 1):
        for a in range(n):
            for b in range(n):
                w = weight(model, layer, a, b, **options)
                weights[(layer - first) * n + a, (layer + 1 - first) * n + b] = w
    if signed:
        weights = np.maximum(weights, 0)
    lengths = np.full(weights.shape, np.inf)
    scale = np.abs(weights).max(initial=0)
    for a, b in np.argwhere(weights):
        if callable(length):
            lengths[a, b] = lengths[b, a] = length(np.array([weights[a, b]]))[0]
        else:
            lengths[a, b] = lengths[b, a] = LENGTHS[length](weights[a, b], scale)
    np.fill_diagonal(lengths, 0)
    return lengths


def decaying(w):
    return np.exp(-np.abs(w) / 4) * np.where(w > 0, 1.0, 2.0)


ACTIVATIONS = np.array(
    [
        [0.0, 1.0, -2.0, 3.0, 1.0],
        [2.0, 2.0, 1.0, -1.0, 0.0],
        [1.0, 4.0, -1.0, 0.0, 2.0],
        [1.0, 1.0, 1.0, 1.0, 1.0],
    ]
)
OPTIONS = [
    {},
    {"path": "gate"},
    {"path": "both"},
    {"fold_norm": True},
    {"path": "both", "fold_norm": True},
    {"signed": True},
    {"length": "neglog"},
    {"length": "power", "power": 1.5},
    {"length": decaying},
    {"length": decaying, "signed": True},
    {"length": decaying, "path": "both"},
    {"activations": ACTIVATIONS},
    {"activations": ACTIVATIONS, "signed": True, "length": "neglog"},
    {"layers": (1, 3)},
    {"layers": (2, 3)},
]


@pytest.mark.parametrize("tile_size", [None, 2])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_every_option_against_the_definition(options, tile_size, seed):
    model = ArrayModel(4, 5, 3, seed=seed, gated=True, integers=True)  # all products are exact
    tree = whole_model_tree(model, tile_size=tile_size, **options)
    expected = naive_clusters(naive_lengths(model, **options))
    clusters = tree_clusters(tree)
    assert clusters.keys() == expected.keys()
    for members, radii in expected.items():
        assert clusters[members] == pytest.approx(radii, rel=1e-12)


@st.composite
def cases(draw):
    """Models with ties, dead neurons and uneven rows, and ways to cut them."""
    n_layers, n_neurons = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    integers = draw(st.booleans())
    seed = draw(st.integers(0, 2**31))
    model = ArrayModel(
        n_layers,
        n_neurons,
        draw(st.integers(1, 4)),
        seed=seed,
        gated=True,
        integers=integers,
        high=draw(st.integers(1, 3)),
        dtype="float64",
    )
    rng = np.random.default_rng(seed)
    dead = draw(st.sampled_from([0.0, 0.3, 0.8]))
    for matrix in (model.up, model.gate, model.out):
        matrix[rng.random(matrix.shape[:2]) < dead] = 0
        if not integers:
            matrix *= np.exp(3 * rng.normal(size=(*matrix.shape[:2], 1)))
    first = draw(st.integers(0, n_layers - 1))
    options = {
        "layers": (first, draw(st.integers(first + 1, n_layers))),
        "path": draw(st.sampled_from(["up", "gate", "both"])),
        "length": draw(st.sampled_from(["inverse", "neglog"])),
    }
    if options["path"] != "both":
        options["signed"] = draw(st.booleans())
    return model, integers, options, draw(st.sampled_from([None, 1, 2, 3, 100]))


@examples(150)
@given(cases())
def test_agrees_with_the_graph_of_all_neurons(case):
    model, integers, options, tile_size = case
    first, last = options["layers"]
    tree = whole_model_tree(model, dtype="float64", tile_size=tile_size, **options)
    neurons = [(layer, i) for layer in range(first, last) for i in range(model.n_neurons)]
    kept = {name: value for name, value in options.items() if name != "layers"}
    expected = NeuronGraph.from_model(model, neurons, **kept).merge_tree()
    assert tree.n_samples == expected.n_samples == len(neurons)
    if integers:
        assert tree == expected
    else:  # the order in which a product is summed up is not the same
        assert np.array_equal(tree.parent, expected.parent)
        assert tree.birth == pytest.approx(expected.birth, rel=1e-9)


@pytest.mark.parametrize("length", ["inverse", "power", "neglog", decaying])
@pytest.mark.parametrize("uneven", [0.0, 0.4, 2.0])
def test_single_precision_bit_for_bit(uneven, length, monkeypatch):
    """Weights are rounded to single precision; from there on nothing is."""
    monkeypatch.setattr(bipartite, "_WANTED", 2)
    # lengths of a function are formed in bands, and a product of another shape may round otherwise
    monkeypatch.setattr(products, "_PARTS", 1)
    model = ArrayModel(3, 60, 16)
    rng = np.random.default_rng(0)
    for matrix in (model.up, model.out):
        matrix *= np.exp(uneven * rng.normal(size=(3, 60, 1))).astype(np.float32)
    n = model.n_neurons
    lengths = np.full((3 * n, 3 * n), np.inf)
    weights = [model.out[i] @ model.up[i + 1].T for i in range(2)]
    scale = max(float(np.abs(w).max()) for w in weights)
    for i, single in enumerate(weights):
        w = single.astype(np.float64)
        if callable(length):
            block = length(w)
        elif length == "neglog":
            block = -np.log(np.abs(w) / scale) + 0.0
        else:
            block = 1 / np.abs(w) if length == "inverse" else np.abs(w) ** -2.0
        lengths[i * n : (i + 1) * n, (i + 1) * n : (i + 2) * n] = block
    np.fill_diagonal(lengths, 0)
    lengths = np.minimum(lengths, lengths.T)
    power = {"power": 2.0} if length == "power" else {}
    assert whole_model_tree(model, length=length, **power) == merge_tree(lengths)


def test_forest_is_made_of_true_edges():
    model = ArrayModel(4, 7, 3, integers=True)
    forest = whole_model_forest(model, tile_size=3)
    lengths = naive_lengths(model)
    assert np.all(forest.source < forest.target)
    assert np.array_equal(lengths[forest.source, forest.target], forest.length)
    only = np.full(lengths.shape, np.inf)
    only[forest.source, forest.target] = only[forest.target, forest.source] = forest.length
    np.fill_diagonal(only, 0)
    assert np.array_equal(minimax(only), minimax(lengths))
    assert len(forest.length) == 28 - forest.n_components


@given(st.integers(1, 12))
def test_tiles_do_not_matter(tile_size):
    model = ArrayModel(4, 11, 3, integers=True)
    assert whole_model_tree(model, tile_size=tile_size) == whole_model_tree(model)


def test_edges_are_reduced_while_tiles_come_in(monkeypatch):
    model = ArrayModel(4, 11, 3, integers=True)
    expected = whole_model_tree(model)
    held = []
    reduced = whole_model._reduced

    def spy(n_vertices, edges):
        held.append(len(edges.source))
        return reduced(n_vertices, edges)

    monkeypatch.setattr(whole_model, "_reduced", spy)
    monkeypatch.setattr(whole_model, "MOST_EDGES", 1)
    assert whole_model_tree(model, tile_size=2) == expected
    assert len(held) > 3
    assert max(held) <= 44 + 4  # one per vertex, and those of the tile that came last


def test_bands_of_a_tile_do_not_matter(monkeypatch):
    model = ArrayModel(3, 11, 3, integers=True, gated=True)
    expected = [whole_model_tree(model, path="both"), whole_model_tree(model, length=decaying)]
    monkeypatch.setattr(products, "_PARTS", 1)
    assert [
        whole_model_tree(model, path="both"),
        whole_model_tree(model, length=decaying),
    ] == expected


def test_one_layer_has_no_edges():
    tree = whole_model_tree(ArrayModel(1, 6))
    assert (tree.n_samples, tree.n_clusters, tree.n_components) == (6, 0, 6)
    assert isinstance(tree, NeuronTree)
    assert whole_model_forest(ArrayModel(3, 6), layers=(1, 2)).n_components == 6


def test_vertices_are_numbered_from_the_first_layer_that_is_read():
    model = ArrayModel(5, 4)
    tree = whole_model_tree(model, layers=(2, 4))
    assert (tree.first_layer, tree.n_layers, tree.n_neurons) == (2, 2, 4)
    assert {layer for _, layer, _ in model.asked} == {2, 3}


def test_every_matrix_is_read_once():
    model = ArrayModel(5, 4, gated=True)
    whole_model_tree(model, path="both", tile_size=2)
    expected = [("out_rows", layer, 4) for layer in range(4)]
    expected += [("in_rows", layer, 4) for layer in range(1, 5)] * 2
    assert sorted(model.asked) == sorted(expected)


def test_rows_of_the_model_are_left_as_they_are():
    model = ArrayModel(3, 5, gated=True)
    before = [matrix.copy() for matrix in (model.up, model.gate, model.out)]
    whole_model_tree(model, path="both", fold_norm=True, activations=np.full((3, 5), 2.0))
    whole_model_tree(model)
    for old, new in zip(before, (model.up, model.gate, model.out), strict=True):
        assert np.array_equal(old, new)


def test_lengths_that_overflow_are_no_edges():
    model = ArrayModel(2, 3, 1, dtype="float64")
    model.out[0] = [[1.0], [1e-200], [0.0]]
    model.up[1] = [[2.0], [1e-112], [1e-200]]
    tree = whole_model_tree(model, dtype="float64")
    # 1e-200 * 1e-200 is 0 and 1e-200 * 1e-112 has no inverse; 2e-200 and 1e-200 do
    assert tree.birth[6:] == pytest.approx([0.5, 1e112, 5e199, 1e200])
    assert tree.n_components == 2
    assert whole_model_tree(model).n_components == 5  # in single precision all but 2 are 0
    model.up[1] = [[1e-112], [0.0], [0.0]]
    # now nothing but the edge without a length holds the second neuron
    tree = whole_model_tree(model, dtype="float64")
    assert tree.birth[6:].tolist() == [1 / 1e-112]
    assert tree.n_components == 5


@pytest.mark.parametrize("options", [{}, {"signed": True}, {"path": "both"}])
def test_memory_is_at_most_three_tiles(options):
    """Beside the rows: here they are few, so that tiles show."""
    n = 1024
    model = ArrayModel(5, n, 8, gated=True)
    whole_model_tree(model, **options)
    tracemalloc.start()
    try:
        forest = whole_model_forest(model, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert forest.n_components == 1
    assert peak < 3 * 4 * n**2


# Mistakes


def test_not_finite_rows_are_named():
    for value in (np.nan, np.inf):
        model = ArrayModel(4, 5)
        model.out[1, 3, 2] = value
        with pytest.raises(ValueError, match=rf"out-row of neuron \(1, 3\) holds {value}"):
            whole_model_tree(model)
        model = ArrayModel(4, 5)
        model.up[3, 0, 1] = -value
        with pytest.raises(ValueError, match=r"in-row of neuron \(3, 0\) holds"):
            whole_model_tree(model, tile_size=2)


def test_rows_of_doubles_that_single_precision_cannot_hold():
    model = ArrayModel(3, 5, dtype="float64")
    model.out[1, 3, 2] = 1e60
    with pytest.raises(ValueError, match=r"out-row of neuron \(1, 3\) holds inf \(in float32\)"):
        whole_model_tree(model)
    assert whole_model_tree(model, dtype="float64").n_samples == 15


@pytest.mark.parametrize("options", [{}, {"path": "both"}, {"length": decaying}, {"tile_size": 2}])
def test_weights_that_overflow_are_named(options):
    model = ArrayModel(3, 5, gated=True)
    model.out[1, 3], model.up[2, 4] = 1e20, 1e20
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(2, 4\) is too large for float32; dtype="):
        whole_model_tree(model, **options)
    assert whole_model_tree(model, dtype="float64", **options).n_samples == 15
    model.out[1, 3] = model.up[2, 4] = -1e18  # large, but not too large
    whole_model_tree(model, **options)


def test_partial_sums_that_cancel_are_not_taken_for_numbers():
    """Inf minus inf: no entry of the rows shows it, and NaN would look like no edge."""
    model = ArrayModel(2, 3, 4)
    model.out[0, 1] = [1e30, -1e30, 0, 0]
    model.up[1, 2] = [1e30, 1e30, 0, 0]
    with pytest.raises(ValueError, match=r"\(0, 1\) and \(1, 2\) is too large"):
        whole_model_tree(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "down"}, "path must be one of up, gate, both"),
        ({"path": "both", "signed": True}, "cannot be signed"),
        ({"length": "log"}, "length must be one of"),
        ({"power": 2.0}, "goes with length"),
        ({"dtype": "bfloat16"}, "float32, float64 with device=None"),
        ({"dtype": "int8", "device": "cuda"}, "float16 with device='cuda'"),
        ({"length": decaying, "device": "cuda"}, "a callable length needs device=None"),
        ({"layers": (0, 9)}, "0 <= first < last <= 3; got"),
        ({"layers": (2, 2)}, "0 <= first < last"),
        ({"layers": (-1, 2)}, "0 <= first < last"),
        ({"layers": 2}, "got 2"),
        ({"layers": (0, 1, 2)}, "first layer and the one after the last"),
        ({"tile_size": 0}, "tile_size must be"),
        ({"tile_size": 2.5}, "tile_size must be"),
        ({"activations": np.ones((3, 4))}, r"\(n_layers, n_neurons\) = \(3, 5\)"),
        ({"activations": np.full((3, 5), np.nan)}, r"activation of neuron \(0, 0\) is nan"),
        ({"path": "gate"}, "no gates"),
        ({"length": lambda w: -w}, "not negative"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        whole_model_tree(ArrayModel(3, 5), **options)


def test_a_thing_without_rows():
    with pytest.raises(TypeError, match="a list is no source of rows: it has no n_layers"):
        whole_model_tree([1, 2])


def test_rows_of_the_wrong_shape():
    model = ArrayModel(3, 5)
    model.out_rows = lambda layer, indices=None: np.ones((4, 6), np.float32)
    with pytest.raises(ValueError, match=r"out-rows of layer 0 have shape \(4, 6\), expected \(5,"):
        whole_model_tree(model)
    model.out_rows = lambda layer, indices=None: np.ones((5, 7), np.float32)
    with pytest.raises(ValueError, match="out-rows of layer 0 have 7 entries, the in-rows of"):
        whole_model_tree(model)


def test_an_error_while_reading_ahead_comes_through_and_ends_the_threads():
    class Breaking(ArrayModel):
        def out_rows(self, layer, indices=None):
            if layer == 2:
                raise OSError("the disk is gone")
            return super().out_rows(layer, indices)

    with pytest.raises(OSError, match="the disk is gone"):
        whole_model_tree(Breaking(5, 6))
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("neurotopo")]


# Progress


def test_progress_bar_counts_tiles(capsys):
    whole_model_tree(ArrayModel(3, 6), tile_size=2, progress=True)
    assert "18/18" in capsys.readouterr().err


def test_without_a_bar_nothing_is_written(capsys):
    whole_model_tree(ArrayModel(3, 6))
    assert capsys.readouterr() == ("", "")


def test_without_tqdm_progress_is_logged(monkeypatch, caplog):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with caplog.at_level(logging.INFO, logger="neurotopo.graphs.whole_model"):
        whole_model_tree(ArrayModel(3, 6), progress=True)
    assert "needs the package tqdm" in caplog.text
    assert "2 of 2 tiles" in caplog.text
