"""Persistence diagrams and barcodes, read back from their artists."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from neurotopo import merge_tree
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.plots import BarcodeDisplay, PersistenceDiagramDisplay
from neurotopo.plots._palette import UNCLUSTERED, colors_of
from tests.support.plots import blobs, fitted, forest, new_axes, offsets

DISPLAYS = (PersistenceDiagramDisplay, BarcodeDisplay)


def diagram_of(clusterer, **options):
    return PersistenceDiagramDisplay.from_estimator(clusterer, ax=new_axes(), **options)


def barcode_of(clusterer, **options):
    return BarcodeDisplay.from_estimator(clusterer, ax=new_axes(), **options)


def bars(display):
    """Rows (left, right, middle height) of the bars, from the top."""
    corners = [path.vertices[:4] for path in display.bars_.get_paths()]
    return np.array([[c[:, 0].min(), c[:, 0].max(), c[:, 1].mean()] for c in corners]).reshape(
        -1, 3
    )


# --- diagrams ---------------------------------------------------------------------------------


def test_points_are_births_and_deaths_and_the_chosen_have_their_colours():
    clusterer = fitted("blobs")
    others, chosen = diagram_of(clusterer).points_
    by_row = np.argsort(clusterer.nodes_)  # rows of the diagram follow the nodes
    expected = np.column_stack([clusterer.birth_, clusterer.death_])[by_row]
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(offsets(chosen), expected)
    np.testing.assert_allclose(chosen.get_facecolors()[:, :3], colors_of(by_row))
    assert len(others.get_offsets()) == len(clusterer.diagram_) - clusterer.n_clusters_
    assert {tuple(c[:3]) for c in others.get_facecolors()} == {to_rgb(UNCLUSTERED)}


def test_larger_clusters_have_larger_markers():
    clusterer = fitted("blobs")
    others = diagram_of(clusterer).points_[0]
    not_chosen = ~np.isin(clusterer.diagram_nodes_, clusterer.nodes_)
    sizes = clusterer.merge_tree_.size[clusterer.diagram_nodes_][not_chosen]
    areas = others.get_sizes()
    assert len(np.unique(sizes)) > 3
    assert np.all(
        np.sign(np.subtract.outer(sizes, sizes)) == np.sign(np.subtract.outer(areas, areas))
    )


def test_the_threshold_is_a_line_of_constant_difference():
    clusterer = fitted("blobs")
    display = diagram_of(clusterer)
    x, y = display.threshold_line_.get_data()
    np.testing.assert_allclose(y - x, clusterer.threshold_, rtol=1e-9)
    low, high = display.ax_.get_ylim()
    assert x[0] == low
    assert y[-1] > high - 0.02 * (high - low)
    assert f"{clusterer.threshold_:.3g}" in display.threshold_line_.get_label()


@pytest.mark.parametrize("scale", ["difference", "log"])
def test_the_threshold_line_separates_the_chosen_from_the_others(scale):
    clusterer = NTCClusterer.paper(nested=True, tau=0.2, scale=scale).fit(blobs())
    display = diagram_of(clusterer)
    x, y = display.threshold_line_.get_data()
    others, chosen = (
        offsets(points)[offsets(points)[:, 1] <= clusterer.diagram_[-1, 0]]
        for points in display.points_
    )
    assert len(others) > 5
    assert len(chosen) > 2
    # the line is straight, or on log axes a broken one: reading it between its points is exact
    read = np.interp if scale == "difference" else _read_logarithmically
    assert np.all(chosen[:, 1] > read(chosen[:, 0], x, y))
    assert np.all(others[:, 1] <= read(others[:, 0], x, y) * (1 + 1e-6))


def _read_logarithmically(at, x, y):
    return np.exp(np.interp(np.log(at), np.log(x), np.log(y)))


def test_the_threshold_on_a_logarithmic_scale_is_a_constant_ratio_above_the_unit():
    clusterer = NTCClusterer.paper(scale="log").fit([[1.0], [2.0], [4.0], [9.0], [20.0], [45.0]])
    display = diagram_of(clusterer)
    x, y = display.threshold_line_.get_data()
    unit = clusterer.candidates.unit
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    np.testing.assert_allclose(np.log(y[x >= unit] / x[x >= unit]), clusterer.threshold_)
    np.testing.assert_allclose(y[x < unit], unit * np.exp(clusterer.threshold_))


def test_no_threshold_for_the_excess_of_mass():
    assert diagram_of(fitted("condensed")).threshold_line_ is None
    assert barcode_of(fitted("condensed")).threshold_marks_ is None


def test_the_diagonal_runs_through_the_whole_picture():
    for name in ("blobs", "huge"):
        display = diagram_of(fitted(name))
        x, y = display.diagonal_.get_data()
        np.testing.assert_array_equal(x, y)
        assert x[0] == display.ax_.get_xlim()[0]
        assert x[-1] >= display.ax_.get_xlim()[1]


def test_infinite_deaths_lie_on_a_marked_line_above_all_others():
    clusterer = fitted("forest")
    display = diagram_of(clusterer)
    (height,) = set(display.infinity_line_.get_ydata())
    at = np.vstack([offsets(points) for points in display.points_])
    assert np.count_nonzero(at[:, 1] == height) == np.isinf(clusterer.diagram_[:, 1]).sum() == 2
    assert np.all(at[at[:, 1] != height, 1] < height)
    assert height < display.ax_.get_ylim()[1]
    texts = [text.get_text() for text in display.ax_.texts]
    assert any(
        "infty" in text and f"R = {clusterer.end_of_observation_:.3g}" in text for text in texts
    )


def test_no_line_for_infinity_where_nothing_lives_for_ever():
    display = PersistenceDiagramDisplay([[0.0, 1.0]]).plot(ax=new_axes())
    assert display.infinity_line_ is None
    assert display.threshold_line_ is None


@pytest.mark.parametrize("band", [0.4, np.float64(0.4), SimpleNamespace(width=0.4)])
def test_the_band_covers_the_points_near_the_diagonal(band):
    display = diagram_of(fitted("blobs"), band=band)
    low, high = display.ax_.get_xlim()
    (path,) = display.band_.get_paths()
    middle = (low + high) / 2
    assert path.contains_point((middle, middle + 0.39))
    assert path.contains_point((middle, middle + 0.01))
    assert not path.contains_point((middle, middle + 0.41))
    assert not path.contains_point((middle, middle - 0.01))


@pytest.mark.parametrize(
    ("band", "error", "message"),
    [
        ("wide", TypeError, "band must be a number or have an attribute width, got str"),
        ([1.0], TypeError, "band must be a number or have an attribute width, got list"),
        (-1.0, ValueError, "band must not be negative"),
        (np.nan, ValueError, "band must not be negative"),
    ],
)
def test_a_band_that_is_none(band, error, message):
    with pytest.raises(error, match=message):
        diagram_of(fitted("blobs"), band=band)


def test_the_legend_names_the_clusters_with_their_sizes():
    clusterer = fitted("blobs")
    display = diagram_of(clusterer)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    expected = [f"cluster {k} ({len(each)})" for k, each in enumerate(clusterer.clusters_)]
    assert texts[: len(expected)] == expected
    assert "not chosen" in texts
    assert diagram_of(clusterer, legend=False).legend_ is None


def test_zero_births_are_marked_on_logarithmic_axes():
    display = diagram_of(fitted("duplicates"))
    assert display.ax_.get_xscale() == "log"
    ticks = display.ax_.get_xticks()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels.count("0") == 1
    place = ticks[labels.index("0")]
    births = fitted("duplicates").diagram_[:, 0]
    assert place < births[births > 0].min()
    at = np.vstack([offsets(points) for points in display.points_])
    assert np.count_nonzero(at[:, 0] == place) == np.count_nonzero(births == 0)


def test_one_collection_per_dimension():
    diagrams = [np.array([[0.0, 0.5], [0.0, np.inf]]), np.array([[0.4, 0.9]]), np.empty((0, 2))]
    display = PersistenceDiagramDisplay.from_diagrams(diagrams, ax=new_axes())
    assert [len(points.get_offsets()) for points in display.points_] == [2, 1, 0]
    (height,) = set(display.infinity_line_.get_ydata())
    at = offsets(display.points_[0])
    np.testing.assert_array_equal(at, [[0.0, 0.5], [0.0, height]])
    np.testing.assert_array_equal(offsets(display.points_[1]), [[0.4, 0.9]])
    assert [text.get_text() for text in display.legend_.get_texts()] == ["$H_{0}$", "$H_{1}$"]
    shapes = [points.get_paths()[0].vertices.shape for points in display.points_]
    assert shapes[0] != shapes[1]


# --- barcodes ---------------------------------------------------------------------------------


def test_bars_reach_from_birth_to_death_the_most_persistent_at_the_top():
    clusterer = fitted("blobs")
    display = barcode_of(clusterer, max_bars=None)
    drawn = bars(display)
    births, deaths = clusterer.diagram_.T
    ends = np.where(np.isinf(deaths), clusterer.end_of_observation_, deaths)
    np.testing.assert_array_equal(np.sort(display.rows_), np.arange(len(births)))
    np.testing.assert_allclose(drawn[:, 0], births[display.rows_])
    np.testing.assert_allclose(drawn[:, 1], ends[display.rows_])
    np.testing.assert_allclose(drawn[:, 2], -np.arange(len(births)))
    assert np.all(np.diff(drawn[:, 1] - drawn[:, 0]) <= 1e-12)


def test_bars_in_order_of_birth():
    drawn = bars(barcode_of(fitted("blobs"), order="birth"))
    assert np.all(np.diff(drawn[:, 0]) >= 0)


def test_bars_in_order_of_logarithmic_persistence():
    display = barcode_of(fitted("huge"))
    assert display.ax_.get_xscale() == "log"
    drawn = bars(display)
    assert np.all(np.diff(np.log10(drawn[:, 1]) - np.log10(drawn[:, 0])) <= 1e-9)


def test_counts_and_colours_of_the_bars():
    clusterer = fitted("blobs")
    display = barcode_of(clusterer)
    sizes = clusterer.merge_tree_.size[clusterer.diagram_nodes_][display.rows_]
    assert [text.get_text() for text in display.counts_] == [str(size) for size in sizes]
    position = {node: k for k, node in enumerate(clusterer.nodes_)}
    labels = [position.get(node, -1) for node in clusterer.diagram_nodes_[display.rows_]]
    assert labels[: clusterer.n_clusters_] == list(range(clusterer.n_clusters_))
    np.testing.assert_allclose(display.bars_.get_facecolors()[:, :3], colors_of(labels))
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert ticks == [str(label) for label in labels if label >= 0]


def test_only_the_bars_asked_for_and_a_note_of_the_others():
    clusterer = fitted("blobs")
    display = barcode_of(clusterer, max_bars=5)
    whole = barcode_of(clusterer, max_bars=None)
    assert len(bars(display)) == 5
    np.testing.assert_array_equal(display.rows_, whole.rows_[:5])
    assert display.note_.get_text() == f"{len(clusterer.diagram_) - 5} more left out"
    assert whole.note_ is None


def test_chosen_bars_are_not_the_ones_left_out():
    births = np.arange(6.0)
    display = BarcodeDisplay(
        np.column_stack([births, births + np.array([9, 8, 7, 6, 5, 1])]),
        labels=[-1, -1, -1, -1, -1, 0],
    ).plot(ax=new_axes(), max_bars=3)
    assert display.rows_.tolist() == [0, 1, 5]


def test_infinite_bars_end_in_arrows_at_the_end_of_observation():
    clusterer = fitted("forest")
    display = barcode_of(clusterer)
    endless = np.flatnonzero(np.isinf(clusterer.diagram_[display.rows_, 1]))
    assert len(endless) == 2
    np.testing.assert_array_equal(display.arrows_.get_ydata(), -endless)
    np.testing.assert_array_equal(display.arrows_.get_xdata(), clusterer.end_of_observation_)
    assert display.arrows_.get_marker() == ">"
    assert set(display.end_line_.get_xdata()) == {clusterer.end_of_observation_}
    without = BarcodeDisplay([[0.0, 1.0]], end_of_observation=1.0).plot(ax=new_axes())
    assert len(without.arrows_.get_xdata()) == 0
    assert without.end_line_ is None


@pytest.mark.parametrize("name", ["blobs", "nested", "duplicates", "huge"])
def test_marks_stand_where_bars_reach_the_threshold(name):
    clusterer = fitted(name)
    display = barcode_of(clusterer, max_bars=None)
    marks = np.array(display.threshold_marks_.get_segments())
    eligible = clusterer.candidates.persistence(clusterer.scale) > clusterer.threshold_
    rows = np.rint(-marks[:, :, 1].mean(axis=1)).astype(int)
    assert set(display.rows_[rows]) == set(np.flatnonzero(eligible))
    births = clusterer.diagram_[display.rows_[rows], 0]
    unit = clusterer.candidates.unit
    if clusterer.scale == "log":
        expected = np.maximum(births, unit) * np.exp(clusterer.threshold_)
    else:
        expected = births + clusterer.threshold_
    np.testing.assert_allclose(marks[:, 0, 0], expected)
    np.testing.assert_allclose(marks[:, 1, 0], expected)


def test_no_bar_lies_under_the_legend():
    for name in ("blobs", "forest", "huge"):
        display = barcode_of(fitted(name))
        display.figure_.draw_without_rendering()
        box = display.legend_.get_window_extent()
        lowest = display.ax_.transData.transform((0.5, -len(display.rows_) + 1 - 0.36))[1]
        assert box.y1 <= lowest


def test_nothing_to_draw_is_said():
    display = barcode_of(fitted("one"))
    assert len(bars(display)) == 0
    assert display.note_.get_text() == "nothing to draw"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"order": "size"}, "order must be one of"), ({"max_bars": -1}, "max_bars must not be")],
)
def test_options_of_a_barcode_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        barcode_of(fitted("blobs"), **options)


# --- both -------------------------------------------------------------------------------------


@pytest.mark.parametrize("display", DISPLAYS)
def test_from_a_tree(display):
    tree = merge_tree(forest())
    drawn = display.from_tree(tree, ax=new_axes())
    np.testing.assert_array_equal(drawn.diagram, tree.diagram())
    assert drawn.sizes.tolist() == tree.size[tree.n_samples :].tolist()
    assert drawn.end_of_observation == 4.0
    larger = display.from_tree(tree, min_size=3, ax=new_axes())
    np.testing.assert_array_equal(larger.diagram, tree.diagram(3))
    with pytest.raises(TypeError, match="needs a MergeTree, got ndarray"):
        display.from_tree(blobs(), ax=new_axes())


@pytest.mark.parametrize("display", DISPLAYS)
def test_from_diagrams_takes_one_array_and_refuses_others(display):
    one = display.from_diagrams(np.array([[0.0, 1.0]]), ax=new_axes())
    assert one.names == ["$H_{0}$"]
    assert len(display.from_diagrams([], ax=new_axes()).diagram) == 0
    with pytest.raises(TypeError, match=r"needs a list of \(n, 2\) arrays, got MergeTree"):
        display.from_diagrams(merge_tree(forest()), ax=new_axes())
    with pytest.raises(ValueError, match=r"diagrams\[1\] must have shape \(n, 2\), got \(1, 3\)"):
        display.from_diagrams([[[0.0, 1.0]], [[0.0, 1.0, 2.0]]], ax=new_axes())
    with pytest.raises(ValueError, match=r"diagrams\[0\] contains NaN, first in row 1"):
        display.from_diagrams([[[0.0, 1.0], [np.nan, 1.0]]], ax=new_axes())


@pytest.mark.parametrize("display", DISPLAYS)
def test_what_does_not_fit_the_diagram(display):
    with pytest.raises(ValueError, match=r"labels must hold one value per row .* got \(2,\)"):
        display([[0.0, 1.0]], labels=[0, 1])
    with pytest.raises(ValueError, match="scale must be one of difference, log, got 'ratio'"):
        display([[0.0, 1.0]], scale="ratio")
