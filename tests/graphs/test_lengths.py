from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import whole_model_tree
from neurotopo.graphs import edge_lengths, strength
from neurotopo.persistence.lengths import check_length
from tests.graphs.oracles import naive_lengths
from tests.graphs.sources import ArrayModel
from tests.support.examples import examples

# negative, zero, huge, tiny, subnormal, tied
WEIGHTS = st.lists(
    st.one_of(
        st.floats(-1e300, 1e300),
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 1e-300, 5e-324, -1e-310, 1.7e308]),
    ),
    max_size=20,
)


def falling(weights):
    return np.exp(-np.asarray(weights, dtype=float).clip(-50, 50))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("length", "power"),
    [("inverse", 1.0), ("power", 0.5), ("power", 3.0), ("neglog", 1.0), (falling, 1.0)],
)
@examples(40)
@given(weights=WEIGHTS)
def test_lengths_are_those_of_the_formulas(weights, length, power, signed):
    computed = edge_lengths(weights, length=length, power=power, signed=signed)
    if length == "power":  # Python raises where a float overflows
        naive = [power_or_inf(w, power, signed) for w in weights]
    elif length == "inverse":
        naive = [power_or_inf(w, 1.0, signed) for w in weights]
    else:
        naive = naive_lengths([weights], length=length, signed=signed)[0]
    naive = np.array(naive)
    assert computed.dtype == np.float64
    assert np.array_equal(np.isinf(computed), np.isinf(naive))
    finite = np.isfinite(naive)
    np.testing.assert_allclose(computed[finite], naive[finite], rtol=1e-13, atol=1e-12)
    assert not np.signbit(computed).any()


def power_or_inf(w, power, signed):
    if w == 0 or (signed and w < 0):
        return math.inf
    try:
        return abs(w) ** -power
    except (OverflowError, ZeroDivisionError):
        return math.inf


@given(weights=WEIGHTS)
def test_eq_4_is_exact(weights):
    for w, computed in zip(weights, edge_lengths(weights), strict=True):
        assert computed == (abs(1 / w) if w else math.inf)


@pytest.mark.parametrize("length", ["inverse", "power", "neglog", falling])
@pytest.mark.parametrize("signed", [False, True])
@examples(40)
@given(weights=WEIGHTS)
def test_the_stronger_edge_is_never_the_longer(weights, length, signed):
    weights = np.array(weights)
    strong = strength(weights, signed, length)
    lengths = edge_lengths(weights, length=length, signed=signed)
    order = np.argsort(-strong)
    assert (lengths[order][1:] >= lengths[order][:-1]).all()
    absent = (weights <= 0) if signed else weights == 0
    assert np.array_equal(strong == -np.inf, absent)
    assert np.isinf(lengths[absent]).all()


def test_the_strongest_edge_has_neglog_length_0():
    lengths = edge_lengths([-8.0, 2.0, 8.0, 0.0], length="neglog")
    assert lengths.tolist() == [0.0, math.log(4), 0.0, math.inf]
    assert not np.signbit(lengths).any()
    of_part = edge_lengths([2.0], length="neglog", scale=8.0)
    assert of_part.tolist() == [math.log(4)]
    # the strongest edge is one of the edges: a negative weight is none here
    signed = edge_lengths([-8.0, 2.0, 1.0], length="neglog", signed=True)
    assert signed.tolist() == [math.inf, 0.0, math.log(2)]


def test_neglog_of_weights_whose_ratio_underflows():
    lengths = edge_lengths([1e-300, 1e300], length="neglog")
    np.testing.assert_allclose(lengths, [600 * math.log(10), 0.0])


@pytest.mark.parametrize("length", ["inverse", "power", "neglog", falling])
def test_no_weights_no_lengths(length):
    assert edge_lengths([], length=length).tolist() == []
    assert edge_lengths([0.0], length=length).tolist() == [math.inf]
    assert edge_lengths(np.zeros((2, 3)), length=length).shape == (2, 3)


def test_strength_keeps_the_precision_and_may_overwrite():
    weights = np.array([[1.5, -2.0], [0.0, 3.0]], dtype=np.float32)
    expected = [[1.5, 2.0], [-np.inf, 3.0]]
    assert strength(weights).dtype == np.float32
    assert strength(weights).tolist() == expected
    assert weights[0, 1] == -2.0
    again = strength(weights, out=weights)
    assert again is weights
    assert weights.tolist() == expected
    assert strength([1, -2, 0]).tolist() == [1.0, 2.0, -np.inf]


def test_a_function_sees_the_edges_only_with_their_signs():
    seen = []

    def length(w):
        seen.append(w.tolist())
        return np.where(w > 0, 1.0, np.inf)

    assert edge_lengths([2.0, 0.0, -3.0], length=length).tolist() == [1.0, np.inf, np.inf]
    assert edge_lengths([2.0, 0.0, -3.0], length=length, signed=True)[0] == 1.0
    assert seen == [[2.0, -3.0], [2.0]]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w: w, r"for the weight -3.0 it returned -3.0"),
        (lambda w: w * np.nan, r"for the weight 2.0 it returned nan"),
        (lambda w: 1.0, r"of shape \(2,\) and returned one of shape \(\)"),
        (lambda w: w[:1], r"of shape \(2,\) and returned one of shape \(1,\)"),
    ],
)
def test_a_function_that_does_not_return_lengths(function, message):
    with pytest.raises(ValueError, match=message):
        edge_lengths([2.0, -3.0, 0.0], length=function)
    with pytest.raises(ValueError, match=message):
        strength([2.0, -3.0, 0.0], length=function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"length": "inverted"},
            "length must be one of inverse, power, neglog, one_minus or callable",
        ),
        ({"length": "power", "power": 0}, "power must be a positive number, got 0"),
        ({"length": "power", "power": math.nan}, "power must be a positive number, got nan"),
        ({"length": "power", "power": [2]}, "power must be a positive number"),
        ({"power": 2.0}, 'goes with length="power" only'),
        ({"length": falling, "power": 2.0}, 'goes with length="power" only'),
        ({"signed": True, "path": "both"}, "cannot be signed"),
    ],
)
def test_options_that_do_not_exist_or_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        check_length(**options)


def test_bad_numbers():
    with pytest.raises(ValueError, match="a weight is NaN"):
        edge_lengths([1.0, np.nan])
    with pytest.raises(ValueError, match=r"must be the largest weight, 3\.0, or more; got 2"):
        edge_lengths([-3.0, 1.0], length="neglog", scale=2)


def test_one_minus_keeps_the_sign():
    weights = np.array([1.0, 0.25, -0.5, 0.0])
    assert edge_lengths(weights, length="one_minus").tolist() == [0.0, 0.75, 1.5, math.inf]
    signed = edge_lengths(weights, length="one_minus", signed=True)
    assert signed.tolist() == [0.0, 0.75, math.inf, math.inf]
    assert strength(weights, length="one_minus").tolist() == [-0.0, -0.75, -1.5, -math.inf]
    with pytest.raises(ValueError, match="weights of at most 1, but one is 2"):
        edge_lengths([2.0], length="one_minus")


def test_one_minus_of_a_whole_model_is_that_of_its_function():
    model = ArrayModel(n_layers=3, n_neurons=5)
    model.up, model.out = model.up / 40, model.out / 40  # weights below 1
    tree = whole_model_tree(model, length="one_minus")
    assert tree == whole_model_tree(model, length=lambda w: 1 - w)
    assert tree.n_clusters > 1
