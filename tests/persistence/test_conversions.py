"""Round trips between the forms of persistence diagrams."""

from __future__ import annotations

import pickle

import gudhi
import numpy as np
import persim
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ripser import ripser
from scipy.spatial.distance import pdist, squareform

from neurotopo import persistence_diagrams
from neurotopo.persistence.conversions import (
    DiagramList,
    check_diagram,
    from_giotto,
    from_gudhi,
    from_ripser,
    to_giotto,
    to_gudhi,
    to_ripser,
)


@st.composite
def diagrams(draw, max_bars=6):
    """Sorted bars of positive length, some infinite."""
    bars = draw(
        st.lists(
            st.tuples(st.integers(-5, 20), st.one_of(st.integers(1, 20), st.just(np.inf))),
            max_size=max_bars,
        )
    )
    rows = sorted((float(birth), float(birth + length)) for birth, length in bars)
    return np.array(rows).reshape(-1, 2)


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.shape[1] == 2
        np.testing.assert_array_equal(a, b)


@given(st.lists(diagrams(), min_size=1, max_size=3))
def test_gudhi_and_back(some):
    assert_same(from_gudhi(to_gudhi(some), max_dimension=len(some) - 1), some)


@given(st.lists(diagrams(), min_size=1, max_size=3))
def test_ripser_and_back(some):
    assert_same(from_ripser(to_ripser(some)), some)
    assert_same(from_ripser({"dgms": to_ripser(some)}), some)


@given(st.lists(st.tuples(diagrams(), diagrams()), min_size=1, max_size=4))
def test_giotto_and_back(collection):
    array = to_giotto(collection, infinity_value=1000.0)
    assert np.isfinite(array).all()
    assert array.shape[0] == len(collection)
    assert array.shape[2] == 3
    n_rows = [max(len(space[k]) for space in collection) for k in (0, 1)]
    for rows in array:
        np.testing.assert_array_equal(rows[:, 2], np.repeat([0, 1], n_rows))
    for actual, expected in zip(from_giotto(array, 1000.0, 1), collection, strict=True):
        assert_same(actual, expected)


def test_giotto_padding_is_the_smallest_birth_and_is_dropped_on_the_way_back():
    one, other = [np.array([[2.0, 3.0], [4.0, 7.0]])], [np.array([[5.0, np.inf]])]
    array = to_giotto([one, other], infinity_value=8.0, dimensions=[1])
    np.testing.assert_array_equal(array[1], [[5, 8, 1], [2, 2, 1]])
    h0, h1 = from_giotto(array, infinity_value=8.0)[1]
    assert h0.shape == (0, 2)
    np.testing.assert_array_equal(h1, [[5, np.inf]])
    np.testing.assert_array_equal(from_giotto(array)[1][1], [[5, 8]])  # no value was named


def test_giotto_without_bars_or_spaces():
    assert to_giotto([], 1.0).shape == (0, 0, 3)
    assert to_giotto([[[], []]], 1.0).shape == (1, 0, 3)
    assert from_giotto(np.empty((2, 0, 3)))[1][0].shape == (0, 2)


def test_what_gudhi_computes():
    points = np.random.default_rng(0).normal(size=(15, 2))
    distances = squareform(pdist(points))
    tree = gudhi.RipsComplex(distance_matrix=distances).create_simplex_tree(max_dimension=2)
    assert_same(from_gudhi(tree.persistence(), 1), persistence_diagrams(distances))
    assert_same(
        from_gudhi(to_gudhi(persistence_diagrams(distances))), persistence_diagrams(distances)
    )


def test_what_ripser_computes():
    distances = squareform(np.arange(1.0, 16.0))  # whole numbers: nothing to round
    result = ripser(distances, distance_matrix=True, maxdim=1)
    assert_same(from_ripser(result), persistence_diagrams(distances))


def test_persim_takes_what_to_ripser_gives():
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    one, other = (to_ripser(persistence_diagrams(k * square, "euclidean")) for k in (1, 2))
    assert persim.bottleneck(one[1], other[1]) == pytest.approx(np.sqrt(2) - 1)


def test_to_ripser_copies():
    diagram = np.array([[0.0, 1.0]])
    to_ripser([diagram])[0][0, 1] = 5.0
    assert diagram[0, 1] == 1.0


def test_from_gudhi_leaves_out_higher_dimensions():
    bars = [(2, (1.0, 2.0)), (0, (0.0, 3.0))]
    assert [len(d) for d in from_gudhi(bars)] == [1, 0, 1]
    assert [len(d) for d in from_gudhi(bars, max_dimension=1)] == [1, 0]
    assert [len(d) for d in from_gudhi([])] == [0]


class TestDiagramList:
    def entries(self):
        return [
            [np.array([[0.0, np.inf]]), np.array([[1.0, 2.0], [1.0, 3.0]])],
            [np.array([[0.0, 1.0], [0.0, np.inf]]), np.empty((0, 2))],
        ]

    def test_becomes_a_padded_array(self):
        some = DiagramList(self.entries(), (0, 1))
        array = np.asarray(some)
        assert array.shape == some.shape == (2, 4, 3)
        np.testing.assert_array_equal(array[1], [[0, 1, 0], [0, np.inf, 0], [0, 0, 1], [0, 0, 1]])
        assert np.asarray(some, dtype=np.float32).dtype == np.float32
        for actual, expected in zip(from_giotto(array), some, strict=True):
            assert_same(actual, expected)

    def test_fixed_number_of_rows(self):
        some = DiagramList(self.entries(), (0, 1), n_rows=(3, 4))
        assert np.asarray(some).shape == some.shape == (2, 7, 3)
        assert np.asarray(some[:0]).shape == (0, 7, 3)

    def test_is_a_list(self):
        some = DiagramList([np.array([[0.0, 1.0]])] * 3, 0)
        assert isinstance(some, list)
        assert len(some) == 3
        assert some[np.int64(1)] is some[-2]
        with pytest.raises(IndexError):
            some[3]

    def test_indexing_keeps_the_kind(self):
        some = DiagramList([np.array([[0.0, k]]) for k in (1.0, 2.0, 3.0)], 0)
        for index in (slice(1, None), [1, 2], np.array([1, 2]), np.array([False, True, True])):
            part = some[index]
            assert isinstance(part, DiagramList)
            np.testing.assert_array_equal(np.asarray(part), np.asarray(some)[[1, 2]])

    def test_pickle(self):
        some = DiagramList(self.entries(), (0, 1), n_rows=(3, 4))
        back = pickle.loads(pickle.dumps(some))
        assert isinstance(back, DiagramList)
        np.testing.assert_array_equal(np.asarray(back), np.asarray(some))

    def test_no_entries(self):
        assert np.asarray(DiagramList([], 0)).shape == (0, 0, 3)


class TestErrors:
    @pytest.mark.parametrize(
        ("diagram", "message"),
        [
            ([1.0, 2.0], r"shape \(n, 2\), got \(2,\)"),
            ([[1.0, 2.0, 3.0]], r"shape \(n, 2\), got \(1, 3\)"),
            ([[0.0, 1.0], [2.0, 1.0]], r"row 1 is \(2.0, 1.0\)"),
            ([[0.0, np.nan]], r"row 0 is \(0.0, nan\)"),
            ([[np.inf, np.inf]], r"row 0 is \(inf, inf\)"),
            ([[-np.inf, 0.0]], r"row 0 is \(-inf, 0.0\)"),
        ],
    )
    def test_what_is_no_diagram(self, diagram, message):
        with pytest.raises(ValueError, match=message):
            check_diagram(diagram)
        with pytest.raises(ValueError, match="the diagram of dimension 1"):
            to_gudhi([[], diagram])

    def test_infinity_value_must_exceed_the_births(self):
        with pytest.raises(ValueError, match=r"5.0 does not exceed the birth 5.0 .* dimension 1"):
            to_giotto([[[], [[5.0, np.inf]]]], infinity_value=5.0)
        with pytest.raises(ValueError, match="nan"):
            to_giotto([[[]]], infinity_value=np.nan)

    def test_spaces_of_different_dimensions(self):
        with pytest.raises(ValueError, match="same dimensions"):
            to_giotto([[[]], [[], []]], 1.0)
        with pytest.raises(ValueError, match="names 2 dimensions"):
            to_giotto([[[]]], 1.0, dimensions=[0, 1])

    @pytest.mark.parametrize("array", [np.zeros((2, 3)), np.zeros((1, 2, 2))])
    def test_not_the_shape_of_giotto(self, array):
        with pytest.raises(ValueError, match="n_spaces, n_rows, 3"):
            from_giotto(array)

    @pytest.mark.parametrize("dimension", [-1.0, 0.5])
    def test_third_column_is_no_dimension(self, dimension):
        with pytest.raises(ValueError, match="third column"):
            from_giotto([[[0.0, 1.0, dimension]]])
