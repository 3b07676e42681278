from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo.graphs import NeuronSet, RowSource, connection_weights
from tests.graphs.oracles import naive_weights
from tests.graphs.sources import ArrayModel


@st.composite
def models_and_neurons(draw, **kinds):
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    model = ArrayModel(*shape, seed=seed, **kinds)
    pairs = st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1))
    return model, NeuronSet(draw(st.lists(pairs, max_size=12)))


def dense(connections, k):
    weights = np.zeros((k, k))
    weights[connections.source, connections.target] = connections.weight
    return weights + weights.T


def similarity_of(model, seed=0):
    rng = np.random.default_rng(seed)
    all_pairs = rng.integers(-2, 3, size=(model.n_layers, model.n_neurons, model.n_neurons))
    return all_pairs + all_pairs.transpose(0, 2, 1)


@pytest.mark.parametrize("path", ["up", "gate", "both"])
@pytest.mark.parametrize("fold_norm", [False, True])
@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("within", [False, True])
@settings(max_examples=30)
@given(case=models_and_neurons(gated=True, integers=True))
def test_weights_are_those_of_the_double_loop(case, path, fold_norm, active, within):
    model, neurons = case
    k = len(neurons)
    activations = np.arange(model.n_layers * model.n_neurons).reshape(model.n_layers, -1) - 4.0
    similar = similarity_of(model)
    matrix = np.array([[similar[a, i, j] for b, j in neurons] for a, i in neurons]).reshape(k, k)
    options = {"path": path, "fold_norm": fold_norm, "activations": activations if active else None}
    expected = naive_weights(model, list(neurons), intra=matrix if within else None, **options)
    by_array = matrix if within else None
    by_function = (lambda layer, i: similar[layer][np.ix_(i, i)]) if within else None
    for intra in (by_array, by_function):
        connections = connection_weights(model, neurons, intra=intra, **options)
        assert np.array_equal(dense(connections, k), np.array(expected).reshape(k, k))
        assert (connections.source < connections.target).all()
        assert (np.diff(connections.source * k + connections.target) > 0).all()
        assert (connections.weight != 0).all()
        assert connections.weight.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(case=st.data())
def test_real_rows_are_multiplied_in_double_precision(case, dtype):
    scales = case.draw(st.lists(st.sampled_from([1e-30, 1e-3, 1.0, 1e25]), min_size=5, max_size=5))
    model, neurons = case.draw(models_and_neurons(dtype=dtype))
    model.out *= np.array(scales, dtype)[: model.n_layers, None, None]
    connections = connection_weights(model, neurons)
    for a, b, weight in zip(
        connections.source, connections.target, connections.weight, strict=True
    ):
        (layer, i), (_, j) = neurons[a], neurons[b]
        terms = model.out[layer, i].astype(float) * model.up[layer + 1, j].astype(float)
        assert abs(weight - terms.sum()) <= 1e-14 * np.abs(terms).sum()


def test_only_the_rows_of_the_neurons_are_read_once():
    model = ArrayModel(5, 50, 3)
    connection_weights(model, NeuronSet([(0, 4), (0, 7), (1, 1), (3, 2), (4, 9)]))
    assert sorted(model.asked) == [
        ("in_rows", 1, 1),
        ("in_rows", 4, 1),
        ("out_rows", 0, 2),
        ("out_rows", 3, 1),
    ]


@pytest.mark.parametrize("pairs", [[], [(1, 3)], [(0, 0), (0, 1), (2, 2)]])
def test_neurons_without_neighbours(pairs):
    connections = connection_weights(ArrayModel(), NeuronSet(pairs))
    assert connections.weight.shape == connections.source.shape == connections.target.shape == (0,)


def test_the_diagonal_and_other_layers_of_a_similarity_do_not_count():
    neurons = NeuronSet([(0, 0), (0, 1), (2, 0), (2, 1)])
    matrix = np.full((4, 4), np.nan)
    matrix[:2, :2] = [[np.nan, 3.0], [3.0, np.nan]]
    matrix[2:, 2:] = [[7.0, 0.0], [0.0, 7.0]]
    connections = connection_weights(ArrayModel(), neurons, intra=matrix)
    assert (connections.source.tolist(), connections.target.tolist()) == ([0], [1])
    assert connections.weight.tolist() == [3.0]


def test_connections_cannot_be_changed():
    connections = connection_weights(ArrayModel(), NeuronSet([(0, 0), (1, 0)]))
    with pytest.raises(ValueError, match="read-only"):
        connections.weight[0] = 2.0


def test_what_a_row_source_is():
    assert isinstance(ArrayModel(), RowSource)
    with pytest.raises(TypeError, match=r"a dict .* no n_layers, n_neurons, in_rows, out_rows"):
        connection_weights({}, NeuronSet())


TWO = NeuronSet([(0, 3), (1, 2), (1, 5)])


@pytest.mark.parametrize(
    ("matrix", "where", "message"),
    [
        ("out", (0, 3), r"the out-row of neuron \(0, 3\) holds NaN or infinity"),
        ("up", (1, 5), r"the in-row of neuron \(1, 5\) holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named(matrix, where, message, value):
    model = ArrayModel(2)
    getattr(model, matrix)[where][1] = value
    with pytest.raises(ValueError, match=message):
        connection_weights(model, TWO)


def test_weights_that_overflow_are_named():
    model = ArrayModel(2, dtype="float64", scales=[1e300, 1.0])
    model.up[1, 5] *= 1e300
    message = r"weight of neurons \(0, 3\) and \(1, 5\) is too large"
    with pytest.raises(ValueError, match=message):
        connection_weights(model, TWO)
    activations = np.full((2, 8), 1e300)
    with pytest.raises(ValueError, match=r"\(0, 3\) and \(1, [25]\) times the activation 1e\+300"):
        connection_weights(
            ArrayModel(2, dtype="float64", scales=[1e30, 1]), TWO, activations=activations
        )


def test_rows_of_the_wrong_shape():
    model = ArrayModel(2)
    model.in_rows = lambda layer, indices, **options: model.up[layer][:1]
    with pytest.raises(ValueError, match=r"rows of 2 neurons of layer 1.* of shape \(1, 6\)"):
        connection_weights(model, TWO)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "down"}, "path must be one of up, gate, both, got 'down'"),
        ({"path": "gate"}, "no gates"),
        ({"path": "both"}, "no gates"),
        ({"activations": np.zeros((8, 2))}, r"= \(2, 8\), got shape \(8, 2\)"),
        ({"activations": np.full((2, 8), np.nan)}, r"activation of neuron \(0, 3\) is nan"),
        ({"activations": np.full((2, 8), "x")}, "activations must be numbers"),
        ({"intra": np.zeros((2, 2))}, r"intra must have shape \(k, k\) = \(3, 3\)"),
        ({"intra": lambda layer, i: np.zeros(3)}, r"intra\(0, ...\) .* of shape \(1, 1\)"),
        ({"intra": np.full((3, 3), np.nan)}, r"of neurons \(1, 2\) and \(1, 5\) is nan"),
        ({"intra": np.triu(np.ones((3, 3)))}, r"\(1, 5\) is 1.0 one way and 0.0 the other"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        connection_weights(ArrayModel(2), TWO, **options)


def test_neurons_the_model_does_not_have():
    with pytest.raises(ValueError, match=r"no neuron \(1, 8\): index 8 is not in 0..7"):
        connection_weights(ArrayModel(2), NeuronSet([(0, 0), (1, 8)]))


def test_activations_of_other_neurons_do_not_matter():
    activations = np.full((2, 8), np.nan)
    activations[TWO.layers, TWO.indices] = 2.0
    once, twice = (
        connection_weights(ArrayModel(2), TWO, activations=a).weight for a in (None, activations)
    )
    assert np.array_equal(2 * once, twice)
