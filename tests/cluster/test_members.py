"""The members of clusters behave like a list of arrays, in linear memory."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import NTCClusterer, merge_tree
from neurotopo.cluster.members import ClusterMembers
from tests.support.oracles import weighted_graphs


def path(n):
    """A path whose edges become longer: a cluster around each other, of every size."""
    i = np.arange(n - 1)
    graph = sp.coo_array((np.arange(1.0, n), (i, i + 1)), shape=(n, n))
    return (graph + graph.T).tocsr()


@given(lengths=weighted_graphs(20), data=st.data())
def test_members_are_those_of_a_list(lengths, data):
    tree = merge_tree(lengths)
    nodes = data.draw(st.lists(st.integers(0, tree.n_nodes - 1), max_size=12))
    found = ClusterMembers(tree, np.array(nodes, dtype=np.intp))
    expected = [tree.members(node) for node in nodes]
    assert len(found) == len(expected)
    assert found == expected
    assert found.sizes.tolist() == [len(members) for members in expected]
    part = data.draw(st.slices(len(nodes)))
    assert isinstance(found[part], ClusterMembers)
    assert found[part] == expected[part]
    for k in range(-len(nodes), len(nodes)):
        assert found[k].tolist() == found[np.int64(k)].tolist() == expected[k].tolist()
    for k in (len(nodes), -len(nodes) - 1):
        with pytest.raises(IndexError):
            found[k]
    assert [m.tolist() for m in reversed(found)] == [m.tolist() for m in expected[::-1]]
    assert pickle.loads(pickle.dumps(found)) == found


def test_equality_is_that_of_the_members():
    tree = merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
    both = ClusterMembers(tree, np.array([3, 4]))
    assert both == [[0, 1], np.array([0, 1, 2])]
    assert both == ClusterMembers(tree, np.array([3, 4]))
    assert both != ClusterMembers(tree, np.array([4, 3]))
    assert both != both[:1]
    assert both != [[0, 1], [0, 2, 1]]
    assert both != 2
    assert ClusterMembers(tree, np.array([], dtype=np.intp)) == []
    with pytest.raises(TypeError, match="unhashable"):
        hash(both)
    with pytest.raises(TypeError):
        both[1.0]


def test_a_changed_array_changes_neither_clusters_nor_tree():
    ntc = NTCClusterer.paper().fit([[0.0], [1.0], [9.0]])
    ntc.clusters_[0][:] = 7
    assert ntc.clusters_ == [[0, 1]]


def test_repr_is_short_for_many_clusters():
    ntc = NTCClusterer.paper("precomputed", nested=True, tau=0.0).fit(path(50))
    assert repr(ntc.clusters_) == "ClusterMembers(n_clusters=48, sizes=[49, 2, 3, 4, 5, 6, ...])"


def test_nested_clusters_of_a_long_path_take_linear_memory():
    n = 20_000
    X = path(n)
    tracemalloc.start()
    ntc = NTCClusterer.paper("precomputed", nested=True, tau=0.0).fit(X)
    again = pickle.loads(pickle.dumps(ntc))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * n  # an array of each cluster: 4 n^2
    sizes = np.append(n - 1, np.arange(2, n - 1))  # the whole path has persistence 0
    assert np.array_equal(ntc.clusters_.sizes, sizes)
    for k in (0, 1, 77, -1):
        assert again.clusters_[k].tolist() == list(range(sizes[k]))
