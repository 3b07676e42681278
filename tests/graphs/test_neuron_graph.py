from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurotopo as nt
from neurotopo.graphs import GraphOptions, NeuronGraph, NeuronSet
from neurotopo.graphs.storage import read_arrays, write_arrays
from tests.graphs.oracles import naive_lengths, naive_matrix, naive_weights
from tests.graphs.sources import ArrayModel
from tests.support.checks import valid_clustering
from tests.support.examples import examples
from tests.support.oracles import naive_clusters, tree_clusters


def at_least_1(w):
    """A length of the user: 1 and more, and longer where a weight is negative."""
    return 1.0 + np.where(np.asarray(w) > 0, 1.0, 3.0) / abs(w)


def similar(layer, indices):
    """A similarity of neurons: whole numbers, some of them 0 or negative."""
    total = np.add.outer(indices, indices) + layer
    return total % 5 - 2.0


def unlike(layer, indices):
    """A similarity whose lengths are never below 1."""
    return similar(layer, indices) / 4


@st.composite
def cases(draw):
    """A model, some neurons (in any order, repeated) and options that go together."""
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    gated = draw(st.booleans())
    kind = draw(st.sampled_from(["integers", "integers", "real", "wide"]))
    scales = draw(st.lists(st.sampled_from([1e-30, 1e-3, 1.0, 1e30]), min_size=5, max_size=5))
    model = ArrayModel(
        *shape,
        seed=draw(st.integers(0, 2**32 - 1)),
        gated=gated,
        integers=kind == "integers",
        dtype="float64",
        scales=scales[: shape[0]] if kind == "wide" else None,
    )
    pair = st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1))
    pairs = draw(st.lists(pair, max_size=12))

    options = {"fold_norm": draw(st.booleans()), "max_span": draw(st.sampled_from([None, 1, 2]))}
    options["path"] = draw(st.sampled_from(["up", "gate", "both"] if gated else ["up"]))
    options["signed"] = options["path"] != "both" and draw(st.booleans())
    length = draw(st.sampled_from(["inverse", "power", "neglog", at_least_1]))
    options["length"] = length
    if length == "power":
        options["power"] = draw(st.sampled_from([0.5, 1.0, 2.0]))
    options["aggregation"] = draw(st.sampled_from(["sum", "max", "product"]))
    options["paths"] = draw(st.sampled_from([None, "all", "monotone"]))
    if draw(st.booleans()):
        options["activations"] = np.arange(shape[0] * shape[1]).reshape(shape[:2]) % 7 - 2.0
    options["intra"] = draw(st.sampled_from([None, None, similar]))
    if options["aggregation"] == "product" and length is not at_least_1:
        if options["paths"] == "all":
            options["paths"] = "monotone"
        if options["intra"] is not None:
            options["intra"] = None if length == "neglog" else unlike
    return model, pairs, options


def naive_graph(model, pairs, options):
    """Weights, lengths, A and whether the direct edges suffice, all by the slow loops."""
    neurons = sorted(set(pairs))
    layers = [layer for layer, _ in neurons]
    intra = options["intra"]
    matrix = None
    if intra is not None:
        matrix = [[intra(a[0], np.array([a[1], b[1]]))[0, 1] for b in neurons] for a in neurons]
    read = {name: options.get(name) for name in ("path", "fold_norm", "activations")}
    weights = naive_weights(model, neurons, intra=matrix, **read)
    shape = {name: options[name] for name in ("length", "power", "signed") if name in options}
    lengths = naive_lengths(weights, **shape)
    paths = options["paths"] or ("monotone" if options["aggregation"] == "product" else "all")
    a = naive_matrix(
        lengths,
        layers,
        aggregation=options["aggregation"],
        paths=paths,
        max_span=options["max_span"],
        intra=intra is not None,
    )
    size = len(neurons), len(neurons)
    return neurons, *(np.array(m, dtype=float).reshape(size) for m in (weights, lengths, a))


def assert_close(computed, expected, atol=0.0):
    assert np.array_equal(computed == np.inf, expected == np.inf)
    held = np.isfinite(expected)
    np.testing.assert_allclose(computed[held], expected[held], rtol=1e-9, atol=atol)


def dense_of(csr, absent):
    coo = csr.tocoo()
    matrix = np.full(coo.shape, absent)
    matrix[coo.row, coo.col] = coo.data
    return matrix


@examples(400)
@given(case=cases())
def test_the_graph_is_that_of_the_slow_loops(case):
    model, pairs, options = case
    neurons, weights, lengths, a = naive_graph(model, pairs, options)
    graph = NeuronGraph.from_model(model, pairs, **options)
    assert list(graph.neurons) == neurons
    assert graph.layers is graph.neurons.layers
    # near 0 the logarithm of two nearly equal weights has an absolute error only
    atol = 1e-12 if options["length"] == "neglog" else 0.0
    assert_close(dense_of(graph.weights, 0.0), weights)
    assert_close(dense_of(graph.lengths, np.inf), lengths, atol)
    computed = graph.distances()
    assert_close(computed, a, atol)
    assert np.array_equal(computed, computed.T)

    sparse = dense_of(graph.distances(dense=False), np.inf)
    np.fill_diagonal(sparse, 0.0)
    assert np.array_equal(sparse, computed)

    if not neurons:
        return
    tree = graph.merge_tree()
    assert tree == nt.merge_tree(computed)  # the theorem, or A itself
    assert tree == nt.merge_tree(graph.clustering_input())
    expected = naive_clusters(computed)
    assert tree_clusters(tree) == expected


@given(seed=st.integers(0, 2**32 - 1), order=st.randoms(use_true_random=False))
def test_the_order_of_the_neurons_and_repetitions_do_not_matter(seed, order):
    model = ArrayModel(seed=seed)
    pairs = [(0, 1), (0, 3), (1, 2), (1, 7), (2, 0), (3, 3), (3, 5)]
    graph = NeuronGraph.from_model(model, NeuronSet(pairs))
    again = pairs + pairs[:3]
    order.shuffle(again)
    other = NeuronGraph.from_model(model, again)
    assert other.neurons == graph.neurons
    assert np.array_equal(other.distances(), graph.distances())


def chain(*weights):
    """A model with one neuron a layer, with these weights from each to the next."""
    model = ArrayModel(len(weights) + 1, 1, 1, dtype="float64")
    model.out[:-1, 0, 0] = weights
    model.up[:] = 1.0
    return model, [(layer, 0) for layer in range(len(weights) + 1)]


def test_strongest_edges_of_length_0_stay_edges():
    graph = NeuronGraph.from_model(*chain(4.0, -4.0, 1.0), length="neglog")
    far = np.log(4.0)
    assert graph.lengths.nnz == 6
    assert graph.distances().tolist() == [
        [0, 0, 0, far],
        [0, 0, 0, far],
        [0, 0, 0, far],
        [far, far, far, 0],
    ]
    assert graph.distances(dense=False).nnz == 12
    tree = graph.merge_tree()
    assert tree.members(4).tolist() == [0, 1, 2]
    assert (tree.birth[4], tree.death[4]) == (0.0, far)
    ntc = nt.NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input())
    assert ntc.labels_.tolist() == [0, 0, 0, -1]


def test_products_of_short_lengths_are_clustered_by_the_matrix():
    model, neurons = chain(2.0, 2.0, 0.5)
    graph = NeuronGraph.from_model(model, neurons, aggregation="product")
    assert not graph.direct_edges_suffice
    assert graph.clustering_input().tolist() == graph.distances().tolist()
    assert graph.distances()[0, 2] == 0.25
    assert graph.merge_tree().members(4).tolist() == [0, 2]
    longer = NeuronGraph.from_model(*chain(1.0, 0.5, 0.5), aggregation="product")
    assert longer.direct_edges_suffice
    assert longer.clustering_input() is longer.lengths
    assert longer.merge_tree() == nt.merge_tree(longer.distances())
    assert longer.distances()[0, 3] == 4.0
    with pytest.raises(ValueError, match=r"needs lengths of at least 1, but the shortest is 0\.5"):
        NeuronGraph.from_model(model, neurons, aggregation="product", paths="all")


def test_max_span():
    model, neurons = chain(1.0, 1.0, 1.0, 1.0)
    for span in (1, 2, 3, 4, 9):
        computed = NeuronGraph.from_model(model, neurons, max_span=span).distances()
        assert computed[0].tolist() == [d if d <= span else np.inf for d in range(5)]


def test_activations_make_the_graph_depend_on_the_input():
    model, neurons = chain(2.0, 2.0)
    graph = NeuronGraph.from_model(model, neurons, activations=[[-0.5], [0.0], [9.0]])
    assert graph.weights.toarray().tolist() == [[0, -1, 0], [-1, 0, 0], [0, 0, 0]]
    assert graph.options.activations
    signed = NeuronGraph.from_model(model, neurons, activations=[[-0.5], [4.0], [9.0]], signed=True)
    assert dense_of(signed.lengths, np.inf)[1].tolist() == [np.inf, np.inf, 0.125]
    assert signed.weights.nnz == 4


def test_edges_within_a_layer():
    model, neurons = chain(1.0, 1.0)
    model = ArrayModel(3, 2, 1, integers=True)
    model.out[:], model.up[:] = 1.0, 1.0
    neurons = [(0, 0), (0, 1), (1, 0)]
    without = NeuronGraph.from_model(model, neurons)
    assert without.distances()[0, 1] == np.inf
    graph = NeuronGraph.from_model(model, neurons, intra=lambda layer, i: np.full((len(i),) * 2, 4))
    assert graph.distances().tolist() == [[0, 0.25, 1], [0.25, 0, 1], [1, 1, 0]]
    weak = NeuronGraph.from_model(model, neurons, intra=np.full((3, 3), 0.25))
    assert weak.distances()[0, 1] == 2.0  # over the neuron of layer 1
    upwards = NeuronGraph.from_model(model, neurons, intra=np.full((3, 3), 0.25), paths="monotone")
    assert upwards.distances()[0, 1] == 4.0
    message = "lengths of at least 1 within a layer"
    with pytest.raises(ValueError, match=message):
        NeuronGraph.from_model(model, neurons, intra=np.full((3, 3), 4), aggregation="product")


def test_no_neurons_and_one():
    model = ArrayModel()
    empty = NeuronGraph.from_model(model, [])
    assert empty.weights.shape == empty.lengths.shape == empty.distances().shape == (0, 0)
    assert empty.merge_tree().n_samples == 0
    assert len(empty.to_pandas()) == len(empty.to_networkx()) == 0
    assert repr(empty) == "NeuronGraph(n_neurons=0, n_connections=0, n_edges=0)"
    one = NeuronGraph.from_model(model, [(2, 3)])
    assert one.distances().tolist() == [[0.0]]
    assert one.merge_tree().n_nodes == 1
    assert nt.NTCClusterer.paper(metric="precomputed").fit(
        one.clustering_input()
    ).labels_.tolist() == [-1]


@pytest.mark.parametrize("rule", ["relative", "significance"])
def test_the_clusterer_takes_the_graph(rule):
    rng = np.random.default_rng(1)
    neurons = NeuronSet.from_arrays(rng.integers(0, 6, 80), rng.integers(0, 40, 80))
    graph = NeuronGraph.from_model(ArrayModel(6, 40, 16), neurons)
    ntc = nt.NTCClusterer.paper(metric="precomputed", rule=rule, random_state=0)
    ntc.fit(graph.clustering_input(), strata=graph.layers)
    valid_clustering(ntc, len(neurons))
    assert ntc.merge_tree_ == graph.merge_tree()
    for cluster in ntc.clusters_:
        assert graph.neurons[cluster] <= neurons


def test_as_a_table_and_as_a_networkx_graph():
    model, neurons = chain(2.0, -4.0)
    graph = NeuronGraph.from_model(model, neurons, signed=True)
    table = graph.to_pandas()
    assert table.to_dict("list") == {
        "source_layer": [0, 1],
        "source_index": [0, 0],
        "target_layer": [1, 2],
        "target_index": [0, 0],
        "weight": [2.0, -4.0],
        "length": [0.5, np.inf],
    }
    drawn = graph.to_networkx()
    assert dict(drawn.nodes(data="layer")) == {(0, 0): 0, (1, 0): 1, (2, 0): 2}
    assert list(drawn.edges(data=True)) == [((0, 0), (1, 0), {"weight": 2.0, "length": 0.5})]


def test_shortest_paths_are_those_of_networkx():
    import networkx as nx

    rng = np.random.default_rng(0)
    neurons = NeuronSet.from_arrays(rng.integers(0, 5, 30), rng.integers(0, 20, 30))
    graph = NeuronGraph.from_model(ArrayModel(5, 20, 3), neurons)
    lengths = dict(nx.all_pairs_dijkstra_path_length(graph.to_networkx(), weight="length"))
    computed = graph.distances()
    for i, a in enumerate(neurons):
        for j, b in enumerate(neurons):
            if abs(a[0] - b[0]) > 1:
                assert computed[i, j] == pytest.approx(lengths[a].get(b, np.inf), rel=1e-12)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@settings(max_examples=30)
@given(case=cases())
def test_saved_and_loaded(case, suffix, tmp_path_factory):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model, pairs, options = case
    graph = NeuronGraph.from_model(model, pairs, **options)
    path = tmp_path_factory.mktemp("graphs") / f"graph{suffix}"
    graph.save(path)
    again = NeuronGraph.load(path)
    assert again.neurons == graph.neurons
    assert again.options == graph.options
    for matrix in ("weights", "lengths"):
        one, other = getattr(graph, matrix), getattr(again, matrix)
        assert np.array_equal(one.toarray(), other.toarray())
        assert one.nnz == other.nnz
    assert np.array_equal(again.distances(), graph.distances())
    assert again.merge_tree() == graph.merge_tree()


def test_a_length_that_is_a_function_is_kept_by_name(tmp_path):
    graph = NeuronGraph.from_model(*chain(2.0, 4.0), length=at_least_1)
    graph.save(tmp_path / "graph.npz")
    again = NeuronGraph.load(str(tmp_path / "graph.npz"))
    assert (again.options.length, again.options.length_is_function) == ("at_least_1", True)
    assert again.distances().tolist() == graph.distances().tolist() != [[0.0]]


def broken_graphs():
    def change(name, value):
        def act(arrays, options):
            arrays[name] = np.asarray(value)

        return act

    def option(name, value):
        return lambda arrays, options: options.update({name: value})

    return {
        "neurons out of order": change("neurons", [[2, 0], [1, 0], [0, 0]]),
        "neurons twice": change("neurons", [[0, 0], [0, 0], [1, 0]]),
        "real neurons": change("neurons", [[0.5, 0], [1, 0], [2, 0]]),
        "no source": lambda arrays, options: arrays.pop("source"),
        "unknown target": change("target", [1, 3]),
        "target before source": change("target", [0, 2]),
        "edges out of order": lambda arrays, options: arrays.update(
            source=np.array([1, 0]), target=np.array([2, 1])
        ),
        "layers apart": change("target", [2, 2]),
        "text": change("weight", ["a", "b"]),
        "too few weights": change("weight", [1.0]),
        "weight 0": change("weight", [1.0, 0.0]),
        "weight NaN": change("weight", [1.0, np.nan]),
        "length negative": change("length", [1.0, -1.0]),
        "length NaN": change("length", [1.0, np.nan]),
        "an option too many": option("colour", "red"),
        "an option too few": lambda arrays, options: options.pop("signed"),
        "unknown aggregation": option("aggregation", "mean"),
        "unknown length": option("length", "at_least_1"),
        "no such products": lambda arrays, options: options.update(
            aggregation="product", paths="all"
        ),
    }


@pytest.mark.parametrize("how", broken_graphs())
def test_a_file_that_is_no_valid_graph(how, tmp_path):
    whole, path = tmp_path / "whole.npz", tmp_path / "broken.npz"
    NeuronGraph.from_model(*chain(2.0, 4.0)).save(whole)
    arrays, options = read_arrays(whole, "neuron graph")
    write_arrays(path, "neuron graph", arrays, options)
    NeuronGraph.load(path)
    broken_graphs()[how](arrays, options)
    write_arrays(path, "neuron graph", arrays, options)
    with pytest.raises(ValueError, match=r"broken\.npz does not hold a valid neuron graph: \S"):
        NeuronGraph.load(path)


def test_the_options_are_remembered():
    graph = NeuronGraph.from_model(*chain(1.0), aggregation="product", length="power", power=2)
    assert asdict(graph.options) == {
        "path": "up",
        "fold_norm": False,
        "signed": False,
        "length": "power",
        "length_is_function": False,
        "power": 2.0,
        "aggregation": "product",
        "paths": "monotone",
        "max_span": None,
        "activations": False,
        "intra": False,
    }
    with pytest.raises(AttributeError):
        graph.options.path = "gate"
    with pytest.raises(ValueError, match="path must be one of up, gate, both, got 'sideways'"):
        GraphOptions(path="sideways")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "down"}, "path must be one of up, gate, both, got 'down'"),
        ({"length": "log"}, "length must be one of inverse, power, neglog, one_minus or callable"),
        ({"aggregation": "mean"}, "aggregation must be one of sum, product, max"),
        ({"paths": "some"}, "paths must be one of all, monotone or None"),
        ({"max_span": 0}, "max_span must be a whole number from 1 on"),
        ({"power": -1.0}, "power must be a positive number"),
        ({"path": "both", "signed": True}, "cannot be signed"),
        ({"activations": np.zeros((3, 2))}, r"\(n_layers, n_neurons\) = \(4, 8\), got .*\(3, 2\)"),
        ({"intra": np.zeros((3, 2))}, r"intra must have shape"),
        ({"length": lambda w: w - 1e9}, r"for the weight \S+ it returned -"),
    ],
)
def test_bad_options_end_before_anything_is_computed(options, message):
    with pytest.raises(ValueError, match=message):
        NeuronGraph.from_model(ArrayModel(), [(0, 0), (1, 1)], **options)


def test_bad_neurons_and_rows_are_named():
    model = ArrayModel()
    with pytest.raises(ValueError, match=r"no neuron \(4, 0\): layer 4 is not in 0\.\.3"):
        NeuronGraph.from_model(model, [(0, 0), (4, 0)])
    model.up[2, 5, 0] = np.nan
    with pytest.raises(ValueError, match=r"in-row of neuron \(2, 5\) holds NaN"):
        NeuronGraph.from_model(model, [(1, 0), (2, 4), (2, 5)])
    with pytest.raises(TypeError, match="a str is no source of rows"):
        NeuronGraph.from_model("gpt2", [(0, 0)])


def test_graphs_load_neither_torch_nor_anything_optional():
    script = "import neurotopo.graphs, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "scipy" in loaded
    assert not loaded & {"torch", "transformers", "safetensors", "networkx", "matplotlib"}
