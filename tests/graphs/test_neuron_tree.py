"""A tree of neurons says of its nodes what a plain tree says of samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import MergeTree, NeuronSet, NTCClusterer, merge_tree
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.storage import read_arrays, write_arrays
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.persistence.clusters import candidate_clusters
from tests.graphs.sources import ArrayModel


def layered_tree(seed=0, n_layers=4, n_neurons=6, first=3, **options):
    """The tree of some layers of a made-up model with ties and separate parts."""
    model = ArrayModel(first + n_layers, n_neurons, 2, seed=seed, integers=True)
    return whole_model_tree(model, layers=(first, first + n_layers), **options)


@st.composite
def trees(draw):
    return layered_tree(
        draw(st.integers(0, 1000)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 8)),
        draw(st.integers(0, 3)),
    )


def spelled_out(tree, node):
    """Layer and index of every member, one by one."""
    return [
        (tree.first_layer + int(v) // tree.n_neurons, int(v) % tree.n_neurons)
        for v in tree.members(node)
    ]


@given(trees())
def test_nodes_as_neurons(tree):
    for node in range(tree.n_nodes):
        pairs = spelled_out(tree, node)
        assert tree.neurons(node) == NeuronSet(pairs)
        layers = {layer for layer, _ in pairs}
        assert (tree.lowest_layer[node], tree.highest_layer[node]) == (min(layers), max(layers))
        assert tree.layers_spanned(node) == len(layers)  # none in between is left out
    assert tree.layers_spanned().tolist() == [
        tree.layers_spanned(node) for node in range(tree.n_nodes)
    ]


@given(trees())
def test_vertices_and_neurons_are_the_inverse_of_each_other(tree):
    vertices = np.arange(tree.n_samples)
    assert np.array_equal(tree.layer_of(vertices), tree.layers)
    assert np.array_equal(tree.vertex(tree.layer_of(vertices), vertices % tree.n_neurons), vertices)
    for vertex in vertices.tolist():
        ((layer, index),) = tree.neurons(vertex)
        assert tree.vertex(layer, index) == vertex
        assert type(tree.layer_of(vertex)) is int
        assert tree.layer_of(vertex) == layer


def test_neurons_that_are_not_there():
    tree = layered_tree()
    with pytest.raises(ValueError, match=r"neuron \(2, 0\) is not in layers 3\.\.6 of 6 neurons"):
        tree.vertex(2, 0)
    with pytest.raises(ValueError, match=r"neuron \(4, 6\)"):
        tree.vertex([3, 4], [0, 6])
    for vertex in (-1, 24, [0, 24]):
        with pytest.raises(IndexError, match=r"is not in 0\.\.23"):
            tree.layer_of(vertex)
    with pytest.raises(IndexError, match="node"):
        tree.neurons(tree.n_nodes)
    with pytest.raises(IndexError, match="node -1"):
        tree.layers_spanned(-1)


def test_a_tree_of_another_size_is_refused():
    plain = merge_tree(np.zeros((6, 1)), metric="euclidean")
    for layout in ((0, 2, 4), (-1, 2, 3), (0, -2, -3 + 1)):
        with pytest.raises(ValueError, match="do not make a tree of 6 samples"):
            NeuronTree.from_tree(plain, *layout)
    assert NeuronTree.from_tree(plain, 0, 2, 3) == plain


def test_equality_looks_at_the_layers():
    tree = layered_tree()
    same = NeuronTree.from_tree(tree, 3, 4, 6)
    assert tree == same
    assert tree != NeuronTree.from_tree(tree, 2, 4, 6)
    assert tree != NeuronTree.from_tree(tree, 3, 6, 4)
    assert tree != layered_tree(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(tree)


@given(
    trees(),
    st.floats(0, 2),
    st.sampled_from(["difference", "log"]),
    st.booleans(),
    st.integers(1, 3),
    st.integers(2, 4),
)
def test_top_clusters(tree, radius, scale, condense, min_layers, min_size):
    tree = tree.truncate(radius)
    options = {"min_cluster_size": min_size, "condense": condense}
    candidates = candidate_clusters(tree, max_radius="last_merge", **options)
    expected = []
    for k, persistence in enumerate(candidates.persistence(scale)):
        pairs = spelled_out(tree, candidates.node[k])
        layers = [layer for layer, _ in pairs]
        if len(set(layers)) >= min_layers:
            joins = {pair: tree.death[tree.vertex(*pair)] for pair in pairs}
            row = (
                candidates.node[k],
                candidates.birth[k],
                candidates.death[k],
                persistence,
                len(pairs),
                min(layers),
                max(layers),
                sorted(pairs, key=lambda p: (joins[p], p))[:3],
            )
            expected.append(row)
    expected.sort(key=lambda row: -row[3])
    table = tree.top_clusters(4, scale=scale, min_layers=min_layers, n_members=3, **options)
    assert list(table.columns) == [
        "node",
        "birth",
        "death",
        "persistence",
        "size",
        "first_layer",
        "last_layer",
        "members",
    ]
    assert [tuple(row) for row in table.itertuples(index=False)] == expected[:4]
    everything = tree.top_clusters(10**6, scale=scale, min_layers=min_layers, **options)
    assert len(everything) == len(expected)


def test_top_clusters_of_a_tree_without_any():
    tree = layered_tree().truncate(0.0)
    assert len(tree.top_clusters()) == 0
    assert "members" in tree.top_clusters().columns
    with pytest.raises(ValueError, match="must not be negative"):
        tree.top_clusters(-1)


def test_what_a_merge_tree_does_it_does_too():
    tree = layered_tree(5)
    plain = MergeTree(
        tree.n_samples,
        tree.birth.copy(),
        tree.death.copy(),
        tree.parent.copy(),
        tree.size.copy(),
        tree.leaf_order.copy(),
        tree.start.copy(),
    )
    cut = tree.truncate(0.3)
    assert isinstance(cut, NeuronTree)
    assert (cut.first_layer, cut.n_layers, cut.n_neurons) == (3, 4, 6)
    assert cut == plain.truncate(0.3)
    assert cut.last_merge <= 0.3 < tree.last_merge
    assert np.array_equal(tree.cut(0.3), plain.cut(0.3))
    assert np.array_equal(tree.diagram(), plain.diagram())
    assert np.array_equal(tree.to_linkage("inf"), plain.to_linkage("inf"))
    assert tree.to_pandas().equals(plain.to_pandas())
    assert "layers 3..6 of 6 neurons" in repr(tree)


def test_strata_fit_the_permutation_test():
    """The layers of the samples are what NTCClusterer.fit takes as strata."""
    model = ArrayModel(3, 6, 4)
    tree = whole_model_tree(model)
    lengths = np.full((18, 18), np.inf)
    for layer in range(2):
        block = 1 / np.abs(model.out[layer].astype(float) @ model.up[layer + 1].T.astype(float))
        lengths[layer * 6 : layer * 6 + 6, layer * 6 + 6 : layer * 6 + 12] = block
    lengths = np.minimum(lengths, lengths.T)
    np.fill_diagonal(lengths, 0)
    clusterer = NTCClusterer.paper(metric="precomputed").fit(lengths, strata=tree.layers)
    assert np.array_equal(clusterer.merge_tree_.parent, tree.parent)


# Files


@pytest.mark.parametrize("name", ["tree.npz", "tree.safetensors"])
@pytest.mark.parametrize("seed", range(3))
def test_saved_and_loaded(name, seed, tmp_path):
    tree = layered_tree(seed)
    tree.save(tmp_path / name)
    again = NeuronTree.load(str(tmp_path / name))
    assert again == tree
    assert repr(again) == repr(tree)
    for field in ("birth", "death", "parent", "size", "leaf_order", "start"):
        ours, theirs = getattr(again, field), getattr(tree, field)
        assert np.array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
        assert not ours.flags.writeable
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_tree_without_edges_survives(tmp_path):
    tree = layered_tree(n_layers=1)
    tree.save(tmp_path / "tree.npz")
    assert NeuronTree.load(tmp_path / "tree.npz") == tree


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "tree.npz"
    with pytest.raises(FileNotFoundError, match=r"no file .*tree\.npz"):
        NeuronTree.load(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"tree\.npz cannot be read"):
        NeuronTree.load(path)
    write_arrays(path, "neuron graph", {"a": np.zeros(1)}, {})
    with pytest.raises(ValueError, match="holds a neuron graph, not a neuron tree"):
        NeuronTree.load(path)
    with pytest.raises(ValueError, match="must end in"):
        layered_tree().save(tmp_path / "tree.txt")


def changed(name, at, value):
    def change(arrays, layout):
        arrays[name][at] = value

    return change


def removed(name):
    return lambda arrays, layout: arrays.pop(name)


def laid_out(**changes):
    return lambda arrays, layout: layout.update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (removed("parent"), "'parent'"),
        (lambda arrays, layout: layout.pop("n_layers"), "'n_layers'"),
        (laid_out(n_layers=5), "do not make a tree of 24 samples"),
        (laid_out(n_layers="4"), "'4' is not a whole number"),
        (laid_out(first_layer=True), "True is not a whole number"),
        (changed("birth", -1, np.nan), "birth is not a radius"),
        (changed("birth", -1, -1.0), "birth is not a radius"),
        (changed("birth", -1, 0.0), "not in order of birth"),
        (changed("birth", 0, 0.1), "birth is not a radius"),
        (changed("parent", 28, 27), "not in order of birth"),
        (changed("parent", 0, 10**6), "not in order of birth"),
        (changed("parent", 0, 20), "not a cluster"),
        (changed("parent", 0, -5), "not a cluster"),
        (changed("size", -1, 3), "size of a cluster"),
        (changed("size", 0, 2), "size of a cluster"),
        (changed("leaf_order", 0, 10), "not a permutation"),
        (lambda a, _: a.update(leaf_order=a["leaf_order"][::-1]), "leaf order has them"),
        (changed("start", 24, 20), "members of a cluster"),
        (changed("start", 24, -1), "members of a cluster"),
        (lambda a, _: a.update(size=a["size"][:-1]), "differ in shape"),
        (lambda a, _: a.update(size=a["size"].astype(float)), "Cannot cast"),
    ],
)
def test_broken_contents_are_refused(change, message, tmp_path):
    path = tmp_path / "tree.npz"
    layered_tree(2).save(path)
    arrays, layout = read_arrays(path, "neuron tree")
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(arrays, layout)
    write_arrays(path, "neuron tree", arrays, layout)
    with pytest.raises(ValueError, match=rf"does not hold a valid neuron tree: .*{message}"):
        NeuronTree.load(path)
