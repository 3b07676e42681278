"""Slow answers written straight from the definitions, and graphs to try them on."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st


def symmetric(upper):
    """The symmetric matrix with this upper triangle and 0 on the diagonal."""
    upper = np.triu(upper, 1)
    lengths = np.where(np.tri(len(upper), dtype=bool), upper.T, upper)
    np.fill_diagonal(lengths, 0.0)
    return lengths


def minimax(lengths):
    """Smallest radius that connects each pair, by Floyd and Warshall: O(n^3)."""
    reach = lengths.astype(float).copy()
    for k in range(len(reach)):
        reach = np.minimum(reach, np.maximum(reach[:, k, None], reach[None, k, :]))
    np.fill_diagonal(reach, 0.0)
    return reach


def naive_clusters(lengths):
    """Every connected component of two or more vertices over all radii: members -> (R1, R2)."""
    reach = minimax(lengths)
    found = {}
    for i in range(len(reach)):
        for radius in np.unique(reach[i][np.isfinite(reach[i])]):
            inside = reach[i] <= radius
            if inside.sum() < 2:
                continue
            birth = reach[np.ix_(inside, inside)].max()
            death = reach[np.ix_(inside, ~inside)].min(initial=np.inf)
            found[frozenset(np.flatnonzero(inside).tolist())] = (birth, death)
    return found


def tree_clusters(tree):
    """The same, read off a MergeTree."""
    return {
        frozenset(tree.members(v).tolist()): (tree.birth[v], tree.death[v])
        for v in range(tree.n_samples, tree.n_nodes)
    }


def as_sparse(lengths):
    """Sparse form of a dense matrix: inf becomes absent, zeros off the diagonal stay."""
    rows, cols = np.nonzero(~np.isposinf(lengths) & ~np.eye(len(lengths), dtype=bool))
    return sp.coo_array((lengths[rows, cols], (rows, cols)), shape=lengths.shape).tocsr()


@st.composite
def weighted_graphs(draw, max_vertices=40):
    """Dense matrices with ties, missing edges, duplicates, zero, huge and tiny lengths."""
    n = draw(st.integers(1, max_vertices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["few values", "continuous", "extreme", "points", "wide"]))
    if kind == "few values":
        lengths = rng.integers(0, draw(st.integers(1, 12)), size=(n, n)).astype(float)
    elif kind == "continuous":
        lengths = rng.random((n, n))
    elif kind == "extreme":
        values = [0.0, 5e-324, 1e-300, 1e-9, 1.0, 1.0 + 2**-52, 1e300]
        lengths = rng.choice(values, size=(n, n))
    elif kind == "wide":
        lengths = 10.0 ** rng.uniform(-300, 300, size=(n, n))
    else:  # whole numbers on a line: duplicates and ties
        x = rng.integers(0, draw(st.integers(1, 60)), size=n).astype(float)
        lengths = np.abs(x[:, None] - x[None, :])
    missing = draw(st.sampled_from([0.0, 0.0, 0.3, 0.7, 0.95, 1.0]))
    lengths[rng.random((n, n)) < missing] = np.inf
    return symmetric(lengths)
