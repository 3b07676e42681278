"""Graph drawings: positions, edges and colours, read back."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import pdist

from neurotopo.cluster.layout import layered_positions, scaled_positions
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.persistence.inputs import EdgeList
from neurotopo.plots import GraphDisplay
from neurotopo.plots._palette import colors_of
from neurotopo.plots.graph import strengths
from tests.support.plots import blobs, fitted, forest, new_axes, offsets


def graph(clusterer, **options):
    return GraphDisplay.from_estimator(clusterer, ax=new_axes(), **options)


def ends_of(display, lines):
    """Vertex pairs of the segments of a collection."""
    at = {tuple(position): k for k, position in enumerate(display.positions_)}
    return {frozenset(at[tuple(point)] for point in segment) for segment in lines.get_segments()}


def test_vertices_have_the_colours_of_their_clusters():
    for name in ("blobs", "layered", "forest", "nested"):
        clusterer = fitted(name)
        display = graph(clusterer)
        np.testing.assert_allclose(
            display.nodes_.get_facecolors()[:, :3], colors_of(clusterer.labels_)
        )
        np.testing.assert_array_equal(offsets(display.nodes_), display.positions_)


def test_all_edges_of_a_small_graph_are_drawn_the_forest_apart():
    display = graph(fitted("forest"))
    assert ends_of(display, display.forest_) == {
        frozenset(pair) for pair in [(0, 1), (1, 2), (3, 4), (4, 5)]
    }
    assert len(display.edges_.get_segments()) == 0
    assert display.n_edges_left_out_ == 0
    triangle = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    display = graph(NTCClusterer.paper("precomputed").fit(triangle))
    assert ends_of(display, display.forest_) == {frozenset({0, 1}), frozenset({0, 2})}
    assert ends_of(display, display.edges_) == {frozenset({1, 2})}


def test_the_longest_edges_are_left_out_but_never_the_forest():
    clusterer = fitted("blobs")
    n = len(clusterer.labels_)
    display = graph(clusterer, max_edges=60)
    assert len(display.forest_.get_segments()) == n - 1
    assert len(display.edges_.get_segments()) == 60 - (n - 1)
    assert display.n_edges_left_out_ == n * (n - 1) // 2 - 60
    assert f"{display.n_edges_left_out_} longer edges left out" in display.ax_.get_xlabel()
    longest = max(np.linalg.norm(a - b) for a, b in display.edges_.get_segments())
    hidden = np.sort(pdist(blobs()))
    assert longest <= hidden[60]
    assert len(graph(clusterer, max_edges=0).forest_.get_segments()) == n - 1
    assert graph(clusterer, max_edges=None).n_edges_left_out_ == 0
    with pytest.raises(ValueError, match="max_edges must be an integer, None or 'auto'"):
        graph(clusterer, max_edges="all")


def test_edges_up_to_a_length():
    display = graph(fitted("forest"), max_length=1.0)
    assert ends_of(display, display.forest_) == {frozenset({0, 1}), frozenset({3, 4})}
    assert display.n_edges_left_out_ == 2


def test_shorter_edges_are_wider_and_widths_follow_one_over_length():
    lengths = np.array([1.0, 2.0, 4.0, 1e3])
    np.testing.assert_allclose(strengths(lengths)[1:] / strengths(lengths)[2], [2.0, 1.0, 0.004])
    extreme = strengths(np.array([0.0, 1e-300, 1.0, 1e300]))
    assert np.isfinite(extreme).all()
    assert np.all(np.diff(extreme) <= 0)
    assert extreme.max() == 1.0
    display = graph(fitted("layered"))
    drawn = display.graph.edges.length[display.graph.in_forest]
    widths = np.array(display.forest_.get_linewidths())
    assert np.all(np.diff(widths[np.argsort(drawn)]) <= 0)
    assert widths.max() > 1.5 * widths.min()


def test_edges_inside_a_cluster_have_its_colour():
    clusterer = fitted("blobs")
    display = graph(clusterer)
    edges, held = display.graph.edges, display.graph.in_forest
    a, b = clusterer.labels_[edges.source[held]], clusterer.labels_[edges.target[held]]
    colors = display.forest_.get_colors()[:, :3]
    inner = (a == b) & (a >= 0)
    assert 0 < np.count_nonzero(~inner) < len(inner)
    np.testing.assert_allclose(colors[inner], colors_of(a[inner]))
    np.testing.assert_allclose(colors[~inner], 0.3)


def test_layers_run_from_left_to_right():
    clusterer = fitted("layered")
    strata = clusterer._strata
    display = graph(clusterer)
    np.testing.assert_array_equal(display.positions_[:, 0], strata)
    assert display.ax_.get_xlabel().startswith("layer")
    for layer in np.unique(strata):
        heights = np.sort(display.positions_[strata == layer, 1])
        assert np.all(np.diff(heights) > 0.05)
    other = graph(fitted("forest"), strata=["b", "a", "b", "a", "c", "c", "a"])
    assert other.positions_[:, 0].tolist() == [1, 0, 1, 0, 2, 2, 0]
    assert [tick.get_text() for tick in other.ax_.get_xticklabels()] == ["a", "b", "c"]


def test_members_of_a_cluster_are_neighbours_in_their_layers():
    clusterer = fitted("layered")
    display = graph(clusterer)
    for layer in np.unique(clusterer._strata):
        inside = np.flatnonzero(clusterer._strata == layer)
        inside = inside[np.argsort(display.positions_[inside, 1])]
        labels = clusterer.labels_[inside]
        for label in range(clusterer.n_clusters_):
            at = np.flatnonzero(labels == label)
            assert np.all(np.diff(at) == 1)


def test_layered_positions_do_not_depend_on_the_numbering():
    rng = np.random.default_rng(0)
    layer, order = rng.integers(0, 3, size=20), rng.permutation(20)
    moved = rng.permutation(20)  # sample i becomes sample moved[i]
    there = np.empty(20, dtype=int)
    there[moved] = layer
    np.testing.assert_array_equal(
        layered_positions(layer, order), layered_positions(there, moved[order])[moved]
    )


def test_positions_given_are_used_and_those_of_points_are_their_columns():
    pos = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_array_equal(graph(fitted("forest"), pos=pos).positions_, pos)
    np.testing.assert_array_equal(graph(fitted("blobs")).positions_, blobs())
    wide = np.column_stack([blobs(), blobs() @ [[0.5], [2.0]], np.sin(blobs())])
    u, s, _ = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)
    for X in (wide, sp.csr_array(wide)):
        at = graph(NTCClusterer.paper().fit(X)).positions_
        np.testing.assert_allclose(np.abs(at), np.abs(u[:, :2] * s[:2]), atol=1e-8)
    sparse = NTCClusterer.paper().fit(sp.csr_array(blobs()))
    np.testing.assert_array_equal(graph(sparse).positions_, blobs())
    for wrong, message in [
        (pos[:3], r"pos must have shape \(7, 2\), got \(3, 2\)"),
        (np.full((7, 2), np.nan), "pos must be finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            graph(fitted("forest"), pos=wrong)
    with pytest.raises(ValueError, match=r"strata must have shape \(7,\), got \(2,\)"):
        graph(fitted("forest"), strata=[0, 1])


def _edge_list(distances):
    return EdgeList.from_dense(distances)


def test_classical_scaling_finds_points_of_the_plane_again():
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(30, 2))
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    distances = np.maximum(distances, distances.max() / 25)  # within the contrast of a drawing
    np.fill_diagonal(distances, 0.0)
    drawn = pdist(scaled_positions(_edge_list(distances)))
    given = pdist(X)
    assert np.corrcoef(drawn, given)[0, 1] > 0.99


def test_pivots_stand_for_all_vertices_of_a_large_graph():
    side = 20  # a grid of 400 vertices, more than there are pivots
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=2).reshape(-1, 2)
    source, target = np.nonzero(np.triu(np.abs(at[:, None] - at[None]).sum(axis=2) == 1))
    placed = scaled_positions(EdgeList(side**2, source, target, np.ones(len(source))))
    assert np.corrcoef(pdist(placed), pdist(at))[0, 1] > 0.95


def test_components_are_drawn_apart():
    blocks = sp.block_diag([np.ones((k, k)) - np.eye(k) for k in (6, 4, 3, 1, 1)])
    positions = scaled_positions(_edge_list(np.where(blocks.toarray() > 0, 1.0, np.inf)))
    parts = np.split(positions, np.cumsum([6, 4, 3, 1]))
    boxes = [(part.min(axis=0), part.max(axis=0)) for part in parts]
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[i + 1 :]:
            assert np.any(high < other_low) or np.any(other_high < low)


def test_a_graph_without_edges():
    display = graph(NTCClusterer.paper("precomputed").fit(sp.csr_array((4, 4))))
    assert len(np.unique(display.positions_, axis=0)) == 4
    assert len(display.forest_.get_segments()) == 0


def test_the_graph_is_the_one_the_clusterer_saw():
    cut = NTCClusterer.paper("precomputed", max_radius=1.5).fit(forest())
    assert sorted(graph(cut).graph.edges.length) == [1.0, 1.0]
    smooth = NTCClusterer.paper(min_samples=3).fit(blobs())
    display = graph(smooth)
    heights = np.sort(display.graph.edges.length[display.graph.in_forest])
    tree = smooth.merge_tree_
    np.testing.assert_allclose(np.unique(heights), np.unique(tree.birth[tree.n_samples :]))


def test_above_two_thousand_points_only_the_forest_is_drawn():
    X = np.random.default_rng(0).normal(size=(2100, 2))
    display = graph(NTCClusterer.paper().fit(X))
    assert len(display.forest_.get_segments()) == 2099
    assert display.graph.edges.n_edges == 2099


def test_names_are_written_on_few_vertices_or_when_asked_for():
    names = list("abcdefg")
    display = graph(fitted("forest"), names=names)
    assert [text.get_text() for text in display.texts_] == names
    np.testing.assert_array_equal([text.xy for text in display.texts_], display.positions_)
    assert [text.get_text() for text in graph(fitted("forest")).texts_] == list("0123456")
    assert graph(fitted("forest"), show_names=False).texts_ == []
    assert graph(fitted("blobs")).texts_ == []
    assert len(graph(fitted("blobs"), show_names=True).texts_) == 37
    with pytest.raises(ValueError, match="names must hold 7 names, got 1"):
        graph(fitted("forest"), names=["a"])


def test_the_legend_counts_members_and_the_rest():
    clusterer = fitted("blobs")
    texts = [text.get_text() for text in graph(clusterer).legend_.get_texts()]
    expected = [f"cluster {k} ({len(each)})" for k, each in enumerate(clusterer.clusters_)]
    assert texts == [*expected, f"in no cluster ({np.sum(clusterer.labels_ < 0)})"]
    assert graph(clusterer, legend=False).legend_ is None


def test_every_vertex_lies_inside_the_picture():
    for name in ("blobs", "layered", "forest", "one", "huge", "huge_linear"):
        display = graph(fitted(name))
        (left, right), (low, high) = display.ax_.get_xlim(), display.ax_.get_ylim()
        x, y = display.positions_.T
        assert np.all((left < x) & (x < right) & (low < y) & (y < high)), name


def test_layers_keep_the_names_that_fit_was_given():
    lengths = np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 2.0], [9.0, 2.0, 0.0]])
    clusterer = NTCClusterer.paper(metric="precomputed").fit(lengths, strata=[2, 5, 9])
    ticks = graph(clusterer).ax_.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["2", "5", "9"]
