"""Every wrong matrix ends in one sentence that names the entry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from neurotopo import NTCClusterer, merge_tree
from neurotopo.persistence import EdgeList, check_distances
from neurotopo.persistence.inputs import check_strata
from tests.support.oracles import as_sparse, symmetric

FORMS = [np.asarray, as_sparse, lambda d: as_sparse(d).tocoo(), lambda d: sp.lil_array(d)]


def good(n=600, seed=0):
    return symmetric(np.random.default_rng(seed).uniform(1, 2, size=(n, n)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"X contains NaN, first at X\[7, 411\]\."),
        (-0.5, r"Distances must not be negative, but X\[7, 411\] = -0\.5\."),
        (5.0, r"X must be symmetric, but X\[7, 411\] = 5\.0 and X\[411, 7\] = 1\."),
    ],
)
def test_one_bad_entry_is_named(form, value, message):
    lengths = good()
    lengths[7, 411] = value
    with pytest.raises(ValueError, match=message):
        check_distances(form(lengths))


def test_the_pair_is_named_upper_first_whichever_side_is_odd():
    lengths = good(5)
    lengths[4, 1] = 9.0
    with pytest.raises(ValueError, match=r"X\[1, 4\] = 1\.\d+ and X\[4, 1\] = 9\.0"):
        check_distances(lengths)


def test_an_edge_on_one_side_only_is_asymmetric():
    lengths = good(5)
    lengths[4, 1] = np.inf
    with pytest.raises(ValueError, match=r"X\[4, 1\] = inf"):
        check_distances(lengths)
    with pytest.raises(ValueError, match=r"X\[4, 1\] is absent"):
        check_distances(as_sparse(lengths))
    lengths[4, 1], lengths[1, 4] = 1.5, np.inf
    with pytest.raises(ValueError, match=r"X\[4, 1\] = 1\.5 and X\[1, 4\] is absent"):
        check_distances(as_sparse(lengths))


def test_triangular_input_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match='pass symmetrize="max"'):
        check_distances(sp.coo_array(np.triu(good(4), 1)))


@pytest.mark.parametrize("form", [np.asarray, as_sparse])
def test_rounding_is_forgiven_and_the_smaller_value_taken(form):
    lengths = good(300)
    noisy = lengths.copy()
    noisy[0, 250] = np.nextafter(noisy[0, 250], 9)
    assert merge_tree(form(noisy)) == merge_tree(lengths)
    checked = check_distances(form(noisy))
    dense = checked.to_dense() if isinstance(checked, EdgeList) else checked
    assert np.array_equal(dense, lengths)
    noisy[0, 250] *= 1 + 1e-6
    with pytest.raises(ValueError, match="symmetric"):
        check_distances(form(noisy))


def test_float32_rounding_is_wider_than_float64_rounding():
    lengths = good(5).astype(np.float32)
    lengths[0, 1] *= 1 + 1e-6
    check_distances(lengths)
    with pytest.raises(ValueError, match="symmetric"):
        check_distances(lengths.astype(np.float64))


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_not_square(shape):
    with pytest.raises(ValueError, match="must be square, got shape"):
        check_distances(np.zeros(shape))
    if len(shape) == 2:
        with pytest.raises(ValueError, match="must be square, got shape"):
            check_distances(sp.csr_array(shape))


def test_empty_and_wrong_dtypes():
    with pytest.raises(ValueError, match=r"0 sample"):
        check_distances(np.zeros((0, 0)))
    for X in (np.zeros((2, 2), complex), np.array([["a", "b"], ["c", "d"]])):
        with pytest.raises(ValueError, match="must hold real numbers, got dtype"):
            check_distances(X)
    with pytest.raises(ValueError, match="must hold real numbers, got dtype complex128"):
        check_distances(sp.csr_array(np.eye(2, dtype=complex)))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_a_similarity_matrix_is_recognised_by_its_diagonal(form):
    with pytest.raises(ValueError, match=r"diagonal, but X\[1, 1\] = 1\.0"):
        check_distances(form(np.diag([0.0, 1.0, 1.0])))


def test_diagonal_may_be_inf_and_lists_and_frames_are_fine():
    lengths = good(4)
    tree = merge_tree(lengths)
    endless = lengths.copy()
    np.fill_diagonal(endless, np.inf)
    for X in (endless, lengths.tolist(), pd.DataFrame(lengths), np.asfortranarray(lengths)):
        assert merge_tree(X) == tree


def test_integers_booleans_and_explicit_infinities():
    whole = np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0]])
    assert merge_tree(whole).birth.tolist() == [0, 0, 0, 1, 2]
    assert merge_tree(sp.csr_array(whole)).birth.tolist() == [0, 0, 0, 1, 2]
    assert merge_tree(whole > 2).birth.tolist() == [0, 0, 0, 0]
    gap = sp.coo_array(([1.0, 1.0, np.inf, np.inf], ([0, 1, 1, 2], [1, 0, 2, 1])), shape=(3, 3))
    assert merge_tree(gap).n_components == 2


def test_repeated_entries_are_added_as_in_scipy_with_a_warning():
    rows, cols = np.array([0, 0, 1, 2]), np.array([1, 1, 2, 0])
    data = np.array([5.0, 2.0, 3.0, 9.0])
    both = sp.coo_array(
        (np.tile(data, 2), (np.append(rows, cols), np.append(cols, rows))), shape=(3, 3)
    )
    with pytest.warns(UserWarning, match=r"repeated entries, the first of them X\[0, 1\]"):
        tree = merge_tree(both)
    assert tree.birth[3:].tolist() == [3.0, 7.0]
    assert tree == merge_tree(both.tocsr()) == merge_tree(sp.csr_array(both.toarray()))


def test_the_input_is_left_alone():
    lengths = good(50)
    lengths[3, 5] = lengths[5, 3] = np.inf
    noisy = lengths.copy()
    noisy[0, 1] = np.nextafter(noisy[0, 1], 9)
    for X in (lengths, noisy, as_sparse(lengths), as_sparse(lengths).tocoo()):
        kept = X.copy()
        merge_tree(X)
        same = (kept != X).nnz == 0 if sp.issparse(X) else np.array_equal(X, kept)
        assert same


def test_edge_list_round_trip():
    lengths = symmetric(np.where(np.random.default_rng(3).random((9, 9)) < 0.5, np.inf, 2.0))
    edges = EdgeList.from_dense(lengths)
    assert edges.n_edges == np.isfinite(np.triu(lengths, 1)[np.triu_indices(9, 1)]).sum()
    assert np.array_equal(edges.to_dense(), lengths)


def test_strata_are_checked():
    assert check_strata(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"expected shape \(4,\), got \(3,\)"):
        check_strata([0, 1, 2], 4)


def test_rounding_of_computed_distances_is_allowed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5))
    E = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    single = 1 - E @ E.T
    square = (X**2).sum(axis=1)
    roots = np.sqrt(np.abs(square[:, None] + square - 2 * X @ X.T))
    for matrix in (1 - np.corrcoef(X), single, roots, sp.csr_array(single)):
        given = matrix.copy()
        checked = check_distances(matrix)
        assert abs(given - matrix).max() == 0  # the input is not changed
        dense = checked if isinstance(checked, np.ndarray) else checked.to_dense()
        assert (dense >= 0).all()
        assert (dense.diagonal() == 0).all()


@pytest.mark.parametrize("make", [np.array, sp.csr_array])
def test_more_than_rounding_is_an_error(make):
    with pytest.raises(ValueError, match="must not be negative"):
        check_distances(make([[0.0, -1e-9], [-1e-9, 0.0]]))
    with pytest.raises(ValueError, match="must not be negative"):
        check_distances(make([[0, 10**9, -1], [10**9, 0, 5], [-1, 5, 0]]))
    with pytest.raises(ValueError, match="similarity"):
        check_distances(make([[1.0, 0.2], [0.2, 1.0]]))


def _graph(form):
    edges = ([1.0, 2.0, 1.0, 2.0], ([0, 1, 1, 2], [1, 2, 0, 1]))
    return sp.coo_array(edges, shape=(4, 4)).asformat(form)


@pytest.mark.parametrize(
    ("form", "array", "at", "value", "message"),
    [
        ("csr", "indices", 0, -7, "entry 0 of its indices is -7, not in 0..3"),
        ("csr", "indices", 1, 10**6, "entry 1 of its indices is 1000000, not in 0..3"),
        ("csc", "indptr", 2, 10**6, "entry 2 of its indptr is 1000000"),
        ("csr", "indptr", 2, 0, "entry 2 of its indptr is 0; indptr starts at 0 and never falls"),
        ("csr", "indptr", 0, 1, "entry 0 of its indptr is 1"),
        ("bsr", "indices", 0, 99, "entry 0 of its indices is 99"),
        ("coo", "row", 0, 4, "entry 0 of its coordinates 0 is 4, not in 0..3"),
        ("coo", "col", 2, -1, "entry 2 of its coordinates 1 is -1"),
    ],
)
def test_a_malformed_sparse_matrix_is_an_error(form, array, at, value, message):
    X = _graph(form)
    getattr(X, array)[at] = value
    for read in (check_distances, merge_tree, NTCClusterer.paper(metric="precomputed").fit):
        with pytest.raises(ValueError, match=message):
            read(X)
