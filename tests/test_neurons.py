from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.graphs import NeuronSet

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=30)


@given(pairs=PAIRS)
def test_it_is_the_sorted_set_of_its_pairs(pairs):
    neurons, plain = NeuronSet(pairs), sorted(set(pairs))
    assert list(neurons) == plain
    assert len(neurons) == len(plain)
    assert neurons.to_array().tolist() == [list(pair) for pair in plain]
    assert neurons.layers.tolist() == [layer for layer, _ in plain]
    assert neurons.indices.tolist() == [index for _, index in plain]
    assert [neurons[i] for i in range(len(plain))] == plain
    assert neurons == NeuronSet(np.array(pairs).reshape(-1, 2)) == NeuronSet(iter(pairs))
    assert neurons == NeuronSet.from_arrays(neurons.layers[::-1], neurons.indices[::-1])
    assert neurons == NeuronSet(neurons)


@given(one=PAIRS, other=PAIRS)
def test_the_operators_are_those_of_a_frozenset(one, other):
    a, b, plain_a, plain_b = NeuronSet(one), NeuronSet(other), frozenset(one), frozenset(other)
    assert a | b == plain_a | plain_b
    assert a & b == plain_a & plain_b
    assert a - b == plain_a - plain_b
    assert a ^ b == plain_a ^ plain_b
    assert (a == b) == (plain_a == plain_b)
    assert (a <= b) == (plain_a <= plain_b) == (a <= plain_b) == (plain_a <= b)
    assert (a < b) == (plain_a < plain_b)
    assert (a >= b) == (plain_a >= plain_b) == (a >= plain_b)
    assert (a > b) == (plain_a > plain_b)
    assert a.isdisjoint(b) == plain_a.isdisjoint(plain_b)
    for mixed in (a | plain_b, plain_a | b, set(plain_a) | b, a | other):
        assert isinstance(mixed, NeuronSet)
        assert mixed == plain_a | plain_b
    assert plain_a - b == a - plain_b == plain_a - plain_b
    assert plain_a & b == a & plain_b == plain_a & plain_b
    assert plain_a ^ b == a ^ plain_b == plain_a ^ plain_b
    for pair in [*one, *other]:
        assert (pair in a) == (pair in plain_a)


@given(pairs=PAIRS)
def test_equal_sets_have_equal_hashes_whatever_their_type(pairs):
    neurons = NeuronSet(pairs)
    assert neurons == frozenset(pairs)
    assert frozenset(pairs) == neurons
    assert hash(neurons) == hash(frozenset(pairs))
    assert {neurons: 1}[NeuronSet(pairs[::-1])] == 1


def test_what_is_no_neuron_is_not_in_it():
    neurons = NeuronSet([(0, 0), (1, 5), (2, 2**31 - 1)])
    assert (1, 5) in neurons
    assert (np.int64(1), np.int32(5)) in neurons
    assert (1.0, 5) in neurons  # as for a set of pairs: 1.0 == 1
    for other in [
        (1, 5.5),
        (1, -5),
        (-1, 5),
        (0, 2**32 + 5),
        (2**40, 0),
        (1,),
        (1, 5, 0),
        1,
        None,
        "15",
        (float("nan"), 5),
        (float("inf"), 5),
    ]:
        assert other not in neurons


def test_positions_slices_arrays_and_masks():
    neurons = NeuronSet([(0, 1), (0, 2), (1, 0), (4, 4)])
    assert neurons[0] == (0, 1)
    assert neurons[-1] == neurons[np.int64(3)] == (4, 4)
    assert neurons[1:3] == {(0, 2), (1, 0)}
    assert list(neurons[::-1]) == list(neurons)
    assert neurons[[3, 0, 3]] == {(0, 1), (4, 4)}
    assert neurons[np.array([True, False, False, True])] == {(0, 1), (4, 4)}
    assert len(neurons[[]]) == len(neurons[2:2]) == 0
    for outside in (4, -5, [0, 9]):
        with pytest.raises(IndexError):
            neurons[outside]


def test_by_layer():
    neurons = NeuronSet([(4, 9), (0, 2), (4, 1), (0, 2)])
    assert {k: v.tolist() for k, v in neurons.by_layer().items()} == {0: [2], 4: [1, 9]}
    assert neurons.layer_slices() == [(0, slice(0, 1)), (4, slice(1, 3))]
    assert NeuronSet().by_layer() == {}


@pytest.mark.parametrize("empty", [(), [], set(), np.empty((0, 2), int), np.empty(0), NeuronSet()])
def test_it_may_be_empty(empty):
    neurons = NeuronSet(empty)
    assert len(neurons) == 0
    assert not neurons
    assert neurons == set()
    assert neurons.to_array().shape == (0, 2)
    neurons.check(1, 1)
    assert repr(neurons) == "NeuronSet([])"


def test_it_cannot_be_changed():
    neurons = NeuronSet([(0, 1), (2, 3)])
    for array in (neurons.layers, neurons.indices, neurons.by_layer()[2]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    with pytest.raises(AttributeError):
        neurons.layers = np.zeros(2)
    neurons.to_array()[0] = 7  # a copy
    source = np.array([[0, 1], [2, 3]])
    from_array = NeuronSet(source)
    source[:] = 9
    assert from_array == neurons == {(0, 1), (2, 3)}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies(again):
    neurons = NeuronSet([(0, 1), (2, 3)])
    assert again(neurons) == neurons
    with pytest.raises(ValueError, match="read-only"):
        again(neurons).layers[0] = 5


def test_a_large_set_is_shown_in_short():
    text = repr(NeuronSet.from_arrays(3, np.arange(1000)))
    assert text == "NeuronSet([(3, 0), (3, 1), (3, 2), ..., (3, 999)]: 1000 neurons)"


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(0, 1), (0, -2)], r"\(0, -2\) is no neuron"),
        ([(-1, 0)], r"\(-1, 0\) is no neuron"),
        ([(0, 2**31)], r"\(0, 2147483648\) is no neuron"),
        ([(0, 1.0)], "must be whole numbers, got dtype float64"),
        ([(True, False)], "must be whole numbers, got dtype bool"),
        ([("a", "b")], "must be whole numbers"),
        ([(0, 1), (2,)], r"pairs \(layer, index\), but number 1 is \(2,\)"),
        ([(0, 1), 2], r"pairs \(layer, index\), but number 1 is 2"),
        ([1, 2], r"pairs \(layer, index\), but number 0 is 1"),
        (np.zeros((2, 3), int), r"expected an array of shape \(k, 2\), got \(2, 3\)"),
        (7, "got int"),
        ("ab", "got str"),
    ],
)
def test_what_is_no_set_of_neurons_is_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        NeuronSet(pairs)


def test_check_names_the_first_neuron_the_model_does_not_have():
    neurons = NeuronSet([(0, 7), (1, 8), (2, 0)])
    neurons.check(3, 9)
    with pytest.raises(ValueError, match=r"no neuron \(1, 8\): index 8 is not in 0..7"):
        neurons.check(3, 8)
    with pytest.raises(ValueError, match=r"no neuron \(2, 0\): layer 2 is not in 0..1"):
        neurons.check(2, 9)


def test_other_types_do_not_compare():
    neurons = NeuronSet([(0, 1)])
    assert neurons != [(0, 1)]
    assert neurons != 1
    for operate in (lambda: neurons | 1, lambda: neurons & 1, lambda: 1 - neurons):
        with pytest.raises(TypeError):
            operate()
    with pytest.raises(TypeError):
        neurons <= [(0, 1)]  # noqa: B015
    with pytest.raises(TypeError):
        neurons >= [(0, 1)]  # noqa: B015
