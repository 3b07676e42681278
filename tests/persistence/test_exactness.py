"""Every engine gives, bit for bit, the merge tree of the definition, in any order of the samples.

``make slow`` runs 10,000 graphs and clouds, ``make test`` eighty. To look for others:
``HYPOTHESIS_PROFILE=explore``; a failure prints how to run its example again.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo import merge_tree
from neurotopo.persistence import minimum_spanning_forest
from neurotopo.persistence.tree_building import tree_of_forest
from tests.support.exact_trees import ARRAYS, clouds, exact_tree, point_lengths, smoothed
from tests.support.examples import examples
from tests.support.oracles import as_sparse, weighted_graphs

GRAPH_ENGINES = ("scipy", "prim", "gudhi", "ripser")
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def _several_tasks_for_threads():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurotopo.persistence.boruvka._CHUNK", 16)
        yield


def check_tree(tree, expected):
    for name in ARRAYS:
        array = getattr(tree, name)
        assert array.dtype == (np.float64 if name in ("birth", "death") else np.intp), name
        assert array.tobytes() == expected[name].astype(array.dtype).tobytes(), name


def check_forest(forest, smooth, expected, heights):
    assert np.sort(forest.length).tobytes() == heights.tobytes()
    assert np.array_equal(smooth[forest.source, forest.target], forest.length)
    check_tree(tree_of_forest(forest), expected)


def check_graph(lengths, min_samples, seed):
    order = np.random.default_rng(seed).permutation(len(lengths))
    moved, dense = lengths[np.ix_(order, order)], lengths.copy()
    np.fill_diagonal(dense, np.inf if seed % 2 else 0.0)  # the same graph
    for X, form in (lengths, dense), (moved, as_sparse(moved)):
        smooth = smoothed(X, min_samples)
        expected = exact_tree(smooth)
        for engine in GRAPH_ENGINES:
            forest = minimum_spanning_forest(form, engine=engine, min_samples=min_samples)
            check_forest(forest, smooth, *expected)
        check_tree(merge_tree(form, min_samples=min_samples), expected[0])


def check_cloud(X, metric, min_samples, seed):
    order = np.random.default_rng(seed).permutation(len(X))
    for Y in X, X[order]:
        smooth = smoothed(point_lengths(Y, metric), min_samples)
        expected = exact_tree(smooth)
        for n_jobs in (None, 1, 2):
            options = {"min_samples": min_samples, "n_jobs": n_jobs}
            forest = minimum_spanning_forest(Y, metric, "points", **options)
            check_forest(forest, smooth, *expected)
        check_tree(merge_tree(Y, metric, min_samples=min_samples), expected[0])


@st.composite
def smoothed_graphs(draw, max_vertices=40):
    lengths = draw(weighted_graphs(max_vertices))
    if draw(st.integers(0, 3)) == 0:  # where 1e300 is no edge
        with np.errstate(over="ignore"):
            lengths = lengths.astype(np.float32)
    return lengths, draw(st.just(1) | st.integers(1, len(lengths) + 1))


@st.composite
def smoothed_clouds(draw, max_points=60):
    X = draw(clouds(max_points))
    metric = draw(st.sampled_from(["euclidean", "euclidean", "manhattan", "chebyshev"]))
    return X, metric, draw(st.just(1) | st.integers(1, len(X) + 1))


@examples(200)
@given(graph=smoothed_graphs(), seed=seeds)
def test_trees_of_graphs(graph, seed):
    check_graph(*graph, seed)


@examples(200)
@given(cloud=smoothed_clouds(), seed=seeds)
def test_trees_of_points(cloud, seed):
    check_cloud(*cloud, seed)


@pytest.mark.slow
@settings(max_examples=5000)
@given(graph=smoothed_graphs(), seed=seeds)
def test_trees_of_5000_graphs(graph, seed):
    check_graph(*graph, seed)


@pytest.mark.slow
@settings(max_examples=5000)
@given(cloud=smoothed_clouds(), seed=seeds)
def test_trees_of_5000_clouds(cloud, seed):
    check_cloud(*cloud, seed)
