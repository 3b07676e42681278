"""The dendrogram, read back from its lines."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import merge_tree
from neurotopo.plots import MergeTreeDisplay
from neurotopo.plots._palette import colors_of
from tests.support.plots import blobs, fitted, forest, new_axes


def dendrogram(clusterer, **options):
    return MergeTreeDisplay.from_estimator(clusterer, ax=new_axes(), **options)


def segments(lines):
    return np.array(lines.get_segments()).reshape(-1, 2, 2)


@pytest.mark.parametrize("name", ["blobs", "layered", "forest", "duplicates"])
def test_merges_are_flat_at_their_radii_and_stems_run_from_birth_to_death(name):
    tree = fitted(name).merge_tree_
    display = dendrogram(fitted(name), log=False)
    assert display.drawn_nodes_.tolist() == list(range(tree.n_nodes))
    merges, stems = segments(display.merges_), segments(display.stems_)
    np.testing.assert_array_equal(merges[:, 0, 1], merges[:, 1, 1])
    np.testing.assert_array_equal(merges[:, 0, 1], tree.birth[tree.n_samples :])
    np.testing.assert_array_equal(stems[:, 0, 0], stems[:, 1, 0])
    np.testing.assert_array_equal(stems[:, 0, 1], tree.birth)
    ends = np.where(np.isinf(tree.death), display.infinity_line_.get_ydata()[0], tree.death)
    np.testing.assert_array_equal(stems[:, 1, 1], ends)


@pytest.mark.parametrize("name", ["blobs", "layered", "forest", "duplicates", "huge"])
def test_every_merge_joins_the_stems_of_its_children_and_lines_do_not_cross(name):
    tree = fitted(name).merge_tree_
    display = dendrogram(fitted(name))
    x = segments(display.stems_)[:, 0, 0]
    for node, merge in enumerate(segments(display.merges_), start=tree.n_samples):
        children = tree.children(node)
        assert merge[:, 0].tolist() == [x[children].min(), x[children].max()]
        assert merge[0, 0] <= x[node] <= merge[1, 0]
        # the children stand in the order of their leaves, without overlap
        by_start = children[np.argsort(tree.start[children])]
        assert np.all(np.diff(x[by_start]) > 0)


def test_leaves_stand_side_by_side_in_the_order_of_the_tree():
    tree = fitted("blobs").merge_tree_
    display = dendrogram(fitted("blobs"))
    np.testing.assert_array_equal(display.leaves_, tree.leaf_order)
    stems = segments(display.stems_)
    np.testing.assert_array_equal(stems[tree.leaf_order, 0, 0], np.arange(tree.n_samples))


def test_a_merge_of_many_is_one_line():
    display = MergeTreeDisplay.from_tree(
        merge_tree([[0.0], [1.0], [2.0], [3.0]], metric="euclidean"), ax=new_axes()
    )
    assert segments(display.merges_).tolist() == [[[0.0, 1.0], [3.0, 1.0]]]


def test_components_stand_side_by_side_with_arrows_on_a_marked_line():
    display = MergeTreeDisplay.from_tree(merge_tree(forest()), ax=new_axes())
    assert len(display.arrows_.get_xdata()) == 3
    (height,) = set(display.infinity_line_.get_ydata())
    assert set(display.arrows_.get_ydata()) == {height}
    assert 4.0 < height < display.ax_.get_ylim()[1]
    assert [text.get_text() for text in display.ax_.texts] == [r"$\infty$"]
    assert display.arrows_.get_marker() == "^"


@pytest.mark.parametrize("name", ["blobs", "nested", "condensed", "singles"])
def test_subtrees_of_the_chosen_have_their_colours_and_their_own_lives_are_thick(name):
    clusterer = fitted(name)
    tree = clusterer.merge_tree_
    display = dendrogram(clusterer)
    colors, widths = display.stems_.get_colors()[:, :3], np.array(display.stems_.get_linewidths())
    grey = np.full(3, 0.45)
    for sample in range(tree.n_samples):
        holders = [k for k, each in enumerate(clusterer.clusters_) if sample in each]
        innermost = min(holders, key=lambda k: len(clusterer.clusters_[k]), default=-1)
        expected = grey if innermost < 0 else colors_of([innermost])[0]
        np.testing.assert_allclose(colors[sample], expected)
    thick = np.flatnonzero(widths > widths.min() + 1)
    assert set(clusterer.nodes_) <= set(thick)
    if name == "condensed":
        assert len(thick) > len(clusterer.nodes_)
        for k, node in enumerate(clusterer.nodes_):  # the stages cover the life of the cluster
            stages = [
                each for each in thick if np.isin(tree.members(each), tree.members(node)).all()
            ]
            assert tree.birth[stages].min() == clusterer.birth_[k]
    else:
        assert set(clusterer.nodes_) == set(thick)
    texts = [text.get_text() for text in display.cluster_texts_]
    assert texts == [str(k) for k in range(clusterer.n_clusters_)]


def test_the_cut():
    display = dendrogram(fitted("blobs"), cut=1.25)
    assert set(display.cut_line_.get_ydata()) == {1.25}
    assert dendrogram(fitted("blobs")).cut_line_ is None
    beyond = dendrogram(fitted("blobs"), cut=50.0)
    assert beyond.ax_.get_ylim()[1] > 50.0
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match="cut must be a non-negative radius"):
            dendrogram(fitted("blobs"), cut=wrong)


def test_the_logarithmic_axis_keeps_the_heights_and_marks_zero():
    display = dendrogram(fitted("blobs"), log=True)
    tree = fitted("blobs").merge_tree_
    assert display.ax_.get_yscale() == "log"
    np.testing.assert_allclose(segments(display.merges_)[:, 0, 1], tree.birth[tree.n_samples :])
    bottoms = set(segments(display.stems_)[: tree.n_samples, 0, 1])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert bottoms == {display.ax_.get_yticks()[labels.index("0")]}


def test_only_large_nodes():
    tree = fitted("blobs").merge_tree_
    display = dendrogram(fitted("blobs"), min_size=4)
    expected = np.flatnonzero(tree.size >= 4)
    np.testing.assert_array_equal(display.drawn_nodes_, expected)
    assert len(display.stems_.get_segments()) == len(expected)
    heights = segments(display.merges_)[:, 0, 1]
    joined = [node for node in expected if np.isin(tree.children(node), expected).any()]
    np.testing.assert_array_equal(heights, tree.birth[joined])
    sizes = tree.size[display.leaves_]
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [f"({size})" for size in sizes]
    np.testing.assert_array_equal(display.tips_.get_ydata(), tree.birth[display.leaves_])
    assert f"{len(expected)} of {tree.n_nodes} nodes" in display.ax_.get_xlabel()


def test_only_the_last_nodes():
    tree = fitted("blobs").merge_tree_
    display = dendrogram(fitted("blobs"), max_nodes=7)
    assert display.drawn_nodes_.tolist() == list(range(tree.n_nodes - 7, tree.n_nodes))
    assert len(dendrogram(fitted("blobs"), max_nodes=10**6).drawn_nodes_) == tree.n_nodes
    assert len(dendrogram(fitted("blobs"), min_size=1000).drawn_nodes_) == 0
    with pytest.raises(ValueError, match="must be at least 1"):
        dendrogram(fitted("blobs"), max_nodes=0)


def test_names_of_samples():
    clusterer = fitted("forest")
    names = list("abcdefg")
    display = dendrogram(clusterer, names=names)
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [names[leaf] for leaf in clusterer.merge_tree_.leaf_order]
    with pytest.raises(ValueError, match="names must hold 7 names, got 2"):
        dendrogram(clusterer, names=["a", "b"])


def test_chosen_nodes_of_a_bare_tree():
    tree = merge_tree(blobs(), metric="euclidean")
    node = int(np.flatnonzero(tree.size == 12)[0])
    display = MergeTreeDisplay.from_tree(tree, nodes=[node], ax=new_axes())
    coloured = np.flatnonzero((display.stems_.get_colors()[:, :3] == colors_of([0])[0]).all(axis=1))
    members = set(tree.members(node))
    assert members == set(coloured[coloured < tree.n_samples])
    with pytest.raises(ValueError, match=r"nodes must be in 0\.\."):
        MergeTreeDisplay.from_tree(tree, nodes=[10**6], ax=new_axes())
    with pytest.raises(TypeError, match="MergeTreeDisplay needs a MergeTree, got ndarray"):
        MergeTreeDisplay.from_tree(blobs(), ax=new_axes())
