"""Heat-maps of sets of neurons, read back."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from neurotopo.plots.changes import NeuronMapsDisplay
from tests.support.plots import new_axes

NAN = float("nan")
UGLY = "_a name that is $very$ long and has no end, or so it seems, until it has one after all"
CHANGED = [(0, 1), (1, 4), (1, 5), (2, 0)]
SETS = {"D": [(1, 4), (1, 5), (2, 0), (0, 0)], "N": [(1, 5), (2, 5)], "Rnd": [(0, 0)]}


def draw(ax=None, ugly=False, **options):
    if ugly:
        maps = {f"{k} {UGLY}": [[NAN, 1e299, k / 3]] for k in range(7)} | {"": [[0.0]]}
        overlaps = dict.fromkeys(maps, 1 / 3)
        return NeuronMapsDisplay.from_maps(maps, overlaps, name=UGLY, ax=ax, **options)
    return NeuronMapsDisplay.from_sets(
        SETS, CHANGED, n_layers=3, n_neurons=6, bins=3, ax=ax, **options
    )


def test_panels_show_how_many_neurons_lie_where():
    display = draw(new_axes())
    titles = [panel.get_title() for panel in display.panels_.values()]
    assert titles == ["ΔN", "D, O = 75 %", "N, O = 50 %", "Rnd, O = 0 %"]
    shown = {name: image.get_array().filled(NAN) for name, image in display.images_.items()}
    np.testing.assert_array_equal(shown["ΔN"], [[1, 0, 0], [0, 0, 2], [1, 0, 0]])
    np.testing.assert_array_equal(shown["D"], [[1, 0, 0], [0, 0, 2], [1, 0, 0]])
    np.testing.assert_array_equal(shown["N"], [[0, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert all(image.origin == "lower" for image in display.images_.values())
    first, *others = display.panels_.values()
    assert first.get_ylabel() == "layer"
    assert all(panel.get_xlabel() == "bin of neurons" for panel in (first, *others))
    assert all(panel.get_shared_y_axes().joined(first, panel) for panel in others)


@pytest.mark.parametrize(("shared", "greatest"), [(False, [2, 2, 1, 1]), (True, [2, 2, 2, 2])])
def test_scales_of_colours_are_each_panels_own_or_one(shared, greatest):
    display = draw(new_axes(), shared=shared)
    norms = [image.norm for image in display.images_.values()]
    assert [norm.vmin for norm in norms] == [0] * 4
    assert [norm.vmax for norm in norms] == greatest
    assert len({id(bar) for bar in display.colorbars_.values()}) == (1 if shared else 4)
    assert list(display.colorbars_) == list(display.images_)
    display.figure_.draw_without_rendering()
    for bar in display.colorbars_.values():
        assert (bar.get_ticks() % 1 == 0).all()  # neurons are counted
        label = bar.ax.get_ylabel() if shared else bar.ax.get_xlabel()
        assert label == "neurons"


def test_an_empty_set_has_no_overlap_and_a_panel_nonetheless():
    display = NeuronMapsDisplay.from_sets(
        {"D": []}, [], n_layers=2, n_neurons=4, ax=new_axes(), changed_name="changed"
    )
    titles = [panel.get_title() for panel in display.panels_.values()]
    assert titles == ["changed", "D, O = undefined"]
    assert not display.images_["D"].get_array().any()
    assert display.images_["D"].norm.vmax == 1


def test_values_that_are_missing_are_grey():
    display = NeuronMapsDisplay.from_maps({"mean change": [[NAN, 0.5]]}, ax=new_axes(), cmap="gray")
    image = display.images_["mean change"]
    assert image.get_array().mask.tolist() == [[True, False]]
    np.testing.assert_allclose(image.cmap.get_bad(), [0.85, 0.85, 0.85, 1])
    assert image.norm.vmax == 0.5


@pytest.mark.parametrize(("n_maps", "shape"), [(1, (1, 1)), (4, (1, 4)), (5, (2, 3)), (9, (3, 3))])
def test_at_most_four_panels_are_in_a_row(n_maps, shape):
    maps = {str(k): np.ones((2, 3)) for k in range(n_maps)}
    display = NeuronMapsDisplay.from_maps(maps, ax=new_axes())
    grid = next(iter(display.panels_.values())).get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("ugly", [False, True])
def test_everything_is_drawn_without_warnings_and_inside_the_figure(ugly, shared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = draw(new_axes(), ugly, shared=shared)
        display.figure_.draw_without_rendering()
    box = display.figure_.bbox
    for panel in display.panels_.values():
        if not ugly:
            title = panel.title.get_window_extent()
            assert box.x0 <= title.x0 <= title.x1 <= box.x1
        assert np.isfinite(panel.get_xlim() + panel.get_ylim()).all()


def test_titles_do_not_meet():
    sets = {f"a set of neurons with a long name {k}": SETS["D"] for k in range(3)}
    display = NeuronMapsDisplay.from_sets(sets, CHANGED, n_layers=3, n_neurons=6)
    display.figure_.draw_without_rendering()
    boxes = [panel.title.get_window_extent() for panel in display.panels_.values()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert all(panel.get_title().endswith("O = 75 %") for panel in [*display.panels_.values()][1:])
    plt.close(display.figure_)


def test_axes_given_are_used_and_pyplot_is_left_alone():
    ax = new_axes()
    rc, figures = dict(mpl.rcParams), plt.get_fignums()
    display = draw(ax)
    assert display.ax_ is ax
    assert not ax.axison
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == rc
    other = Figure().add_axes((0.1, 0.5, 0.5, 0.4))  # at a free position, without a layout
    assert display.plot(ax=other, shared=True) is display
    assert display.ax_ is other
    box, outer = next(iter(display.panels_.values())).get_position(), other.get_position()
    assert outer.x0 - 1e-9 <= box.x0 < box.x1 <= outer.x1 + 1e-9


def test_without_axes_one_figure_is_made():
    before = set(plt.get_fignums())
    display = draw()
    assert set(plt.get_fignums()) - before == {display.figure_.number}
    plt.close(display.figure_)


def test_artists_promised_are_there():
    display = draw(new_axes())
    for name in [each for each in type(display).__annotations__ if each.endswith("_")]:
        assert hasattr(display, name), name
        assert name in inspect.getdoc(type(display))


@pytest.mark.parametrize(
    ("maps", "overlaps", "message"),
    [
        ({}, None, "maps must have at least one map"),
        ({"D": [1.0]}, None, r"the map 'D' must have shape \(n_layers, n_bins\), got \(1,\)"),
        ({"D": [[1.0, -1.0]]}, None, "the map 'D' has -1.0 in layer 0, bin 1"),
        ({"D": [[np.inf]]}, None, "the map 'D' has inf in layer 0, bin 0"),
        ({"D": [[1]], "N": [[1], [2]]}, None, "all maps must have the same layers: 'D' has 1"),
        ({"D": [[1]]}, {"N": 0.5}, "there is an overlap of 'N', but no map"),
        ({"D": [[1]]}, {"D": 80}, "the overlap of 'D' must be between 0 and 1, got 80"),
    ],
)
def test_input_that_is_wrong(maps, overlaps, message):
    with pytest.raises(ValueError, match=message):
        NeuronMapsDisplay(maps, overlaps)


def test_a_set_with_the_name_of_the_first_panel():
    with pytest.raises(ValueError, match="'ΔN' is the name of the neurons that changed"):
        NeuronMapsDisplay.from_sets({"ΔN": []}, [], n_layers=1, n_neurons=1)


def test_axes_that_are_none():
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        draw([new_axes()])


def test_neither_torch_nor_pyplot_is_loaded():
    code = (
        "import sys; import neurotopo.plots.changes; "
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
