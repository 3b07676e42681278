"""Growth pictures, read back from their panels."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.plots import GrowthDisplay
from neurotopo.plots._palette import UNCLUSTERED, colors_of, lighter
from neurotopo.plots.growth import informative_radii
from tests.support.plots import blobs, fitted, new_axes, offsets

PAPER = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.5], [5.0, 0.0]])  # a, b, c, d


def growth(clusterer, **options):
    return GrowthDisplay.from_estimator(clusterer, ax=new_axes(), **options)


def tone(label):
    return lighter(colors_of([label]), 0.6)[0]


def test_discs_have_radius_half_r_and_touch_when_their_points_are_joined():
    display = growth(NTCClusterer.paper().fit(PAPER), radii=[0.5, 1.0, 1.5, 4.0])
    assert display.radii_.tolist() == [0.5, 1.0, 1.5, 4.0]
    for radius, discs, panel in zip(display.radii_, display.shades_, display.panels_, strict=True):
        assert set(discs.get_widths()) == set(discs.get_heights()) == {radius}
        assert {tuple(at) for at in offsets(discs)} == {tuple(at) for at in PAPER}
        assert panel.get_title() == f"R = {radius:.3g}"
        assert panel.get_aspect() == 1.0
    assert "R/2" in display.count_ax_.get_xlabel()


def test_discs_are_coloured_while_the_chosen_cluster_exists():
    clusterer = NTCClusterer.paper().fit(PAPER)
    assert clusterer.labels_.tolist() == [0, 0, 0, -1]  # from 1.5 to 4, as in the paper
    display = growth(clusterer, radii=[0.0, 1.0, 1.5, 3.9, 4.0])
    for radius, discs in zip(display.radii_, display.shades_, strict=True):
        color = {
            tuple(at): face[:3]
            for at, face in zip(offsets(discs), discs.get_facecolors(), strict=True)
        }
        exists = 1.5 <= radius < 4.0
        for at in map(tuple, PAPER[:3]):
            assert np.allclose(color[at], tone(0)) == exists, (radius, at)
        assert color[(5.0, 0.0)][0] == color[(5.0, 0.0)][1]  # grey
    for nodes in display.nodes_:
        np.testing.assert_allclose(nodes.get_facecolors()[:, :3], colors_of([0, 0, 0, -1]))
        np.testing.assert_array_equal(offsets(nodes), PAPER)


def test_nested_clusters_are_coloured_one_after_the_other():
    clusterer = NTCClusterer.paper(nested=True, tau=0.1).fit(PAPER)
    assert clusterer.clusters_[1].tolist() == [0, 1]
    display = growth(clusterer, radii=[1.2, 2.0])
    for discs, label in zip(display.shades_, [1, 0], strict=True):
        at = offsets(discs).tolist().index([0.0, 0.0])
        np.testing.assert_allclose(discs.get_facecolors()[at, :3], tone(label))


@pytest.mark.parametrize("name", ["layered", "forest", "huge"])
def test_graphs_show_the_edges_no_longer_than_r(name):
    clusterer = fitted(name)
    display = growth(clusterer)
    edges = display.graph.edges
    assert len(edges.length) > len(clusterer.labels_) - 4
    for radius, lines, shades in zip(display.radii_, display.edges_, display.shades_, strict=True):
        inside = edges.length <= radius
        assert len(lines.get_segments()) == np.count_nonzero(inside)
        # the shaded ones are a forest: one less than the samples in every component
        joined = len(clusterer.labels_) - len(np.unique(clusterer.merge_tree_.cut(radius)))
        assert len(shades.get_segments()) == joined


def test_shades_of_a_graph_have_the_colours_of_the_clusters_that_exist():
    clusterer = fitted("forest")
    assert clusterer.n_clusters_ > 0
    display = growth(clusterer)
    for radius, shades in zip(display.radii_, display.shades_, strict=True):
        alive = (clusterer.birth_ <= radius) & (radius < clusterer.death_)
        shown = {tuple(color[:3].round(6)) for color in shades.get_colors()}
        for k in range(clusterer.n_clusters_):
            assert (tuple(tone(k).round(6)) in shown) == alive[k]


def test_points_whose_drawing_is_not_to_scale_get_edges():
    X = blobs()
    for clusterer, options in [
        (NTCClusterer.paper().fit(np.column_stack([X, X])), {}),
        (NTCClusterer.paper(metric="manhattan").fit(X), {}),
        (NTCClusterer.paper(min_samples=3).fit(X), {}),
        (NTCClusterer.paper().fit(X), {"pos": X}),
    ]:
        display = growth(clusterer, **options)
        assert len(display.edges_[-1].get_segments()) > 0
        assert "R/2" not in display.count_ax_.get_xlabel()


def test_one_dimensional_points_lie_on_a_line():
    display = growth(NTCClusterer.paper().fit([[0.0], [1.0], [4.0]]))
    np.testing.assert_array_equal(offsets(display.nodes_[0]), [[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]])


@pytest.mark.parametrize("name", ["blobs", "layered", "condensed", "nested", "huge"])
def test_radii_are_zero_and_births_and_deaths_of_chosen_clusters(name):
    clusterer = fitted(name)
    radii = growth(clusterer).radii_
    assert radii[0] == 0.0
    assert np.all(np.diff(radii) > 0)
    assert 2 <= len(radii) <= 4
    complete = clusterer.merge_tree_.birth[clusterer.nodes_]
    assert set(radii[1:]) <= set(complete) | set(clusterer.death_)
    alive = [np.sum((complete <= r) & (r < clusterer.death_)) for r in radii]
    best = max(np.sum((complete <= r) & (r < clusterer.death_)) for r in complete)
    assert max(alive) == best
    assert len(growth(clusterer, max_panels=2).panels_) == 2


def test_few_panels_show_where_most_of_the_chosen_clusters_exist():
    # {0, 1} lives from 1 to 9, {10, 12} from 2 to 9, {30, 33} from 3 to 18
    X = np.array([[0.0], [1.0], [10.0], [12.0], [30.0], [33.0]])
    clusterer = NTCClusterer.paper(tau=0.4).fit(X)
    assert sorted(clusterer.birth_) == [1.0, 2.0, 3.0]
    for max_panels, expected in [
        (1, [3.0]),
        (2, [0.0, 3.0]),
        (3, [0.0, 3.0, 18.0]),
        (9, [0.0, 1.0, 2.0, 3.0, 9.0, 18.0]),
    ]:
        assert growth(clusterer, max_panels=max_panels).radii_.tolist() == expected
    one = NTCClusterer.paper().fit([[0.0], [1.0], [3.0]])
    assert growth(one, max_panels=2).radii_.tolist() == [0.0, 1.0]


def test_radii_without_chosen_clusters_span_all_merges():
    tree = fitted("none_chosen").merge_tree_
    radii = growth(fitted("none_chosen")).radii_
    assert radii[0] == 0.0
    assert radii[-1] == tree.last_merge
    assert set(radii) <= {0.0, *tree.birth}
    with pytest.raises(ValueError, match="max_panels must be at least 1"):
        informative_radii(tree, np.full(tree.n_nodes, -1), 0)


@pytest.mark.parametrize("name", ["blobs", "forest", "duplicates"])
def test_the_curve_counts_the_clusters(name):
    tree = fitted(name).merge_tree_
    display = growth(fitted(name), log=False)
    values, edges, _ = display.count_line_.get_data()
    for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
        alive = tree.alive((left + right) / 2)
        assert value == np.count_nonzero(tree.size[alive] >= 2)
    assert edges[0] == 0.0


def test_radii_that_make_no_sense():
    for radii in ([], [-1.0], [np.inf], [np.nan]):
        with pytest.raises(ValueError, match="radii must be one or more finite"):
            growth(fitted("blobs"), radii=radii)


def test_panels_take_the_place_of_the_axes_given():
    for ax in (
        Figure(figsize=(8, 8)).subplots(2, 2)[1, 0],
        Figure().add_axes((0.3, 0.4, 0.6, 0.5)),
    ):
        n_before = len(ax.figure.axes)
        place = ax.get_position()
        display = GrowthDisplay.from_estimator(fitted("layered"), ax=ax)
        display.figure_.draw_without_rendering()
        assert not ax.axison
        assert len(ax.figure.axes) == n_before + len(display.radii_) + 1
        for panel in [*display.panels_, display.count_ax_]:
            box = panel.get_position()
            assert box.x0 >= place.x0 - 1e-9
            assert box.x1 <= place.x1 + 1e-9
            assert box.y0 >= place.y0 - 1e-9
            assert box.y1 <= place.y1 + 1e-9


def test_unclustered_samples_are_grey():
    display = growth(fitted("none_chosen"))
    expected = colors_of([-1])[0]
    assert UNCLUSTERED == "#9A9A9A"
    for nodes in display.nodes_:
        np.testing.assert_allclose(nodes.get_facecolors()[:, :3], np.tile(expected, (37, 1)))
