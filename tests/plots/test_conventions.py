"""What all displays promise: nothing global changes, ``ax`` is kept to, mistakes are named."""

from __future__ import annotations

import subprocess
import sys
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from neurotopo import plots
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.plots._palette import OKABE_ITO, UNCLUSTERED, colors_of, swatches
from tests.support.plots import CASES, assert_artists, fitted, new_axes

DISPLAYS = [getattr(plots, name) for name in plots.__all__]
by_name = pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: each.__name__)


def _coordinates(display):
    """Every number that the axes of a display hold, and every colour of a collection."""
    numbers = []
    for axes in display.figure_.axes:
        numbers += [*axes.get_xlim(), *axes.get_ylim()]
        for line in axes.lines:
            numbers += [*np.ravel(line.get_xydata())]
        for collection in axes.collections:
            numbers += [*np.ravel(collection.get_offsets())]
            for path in collection.get_paths():
                numbers += [*np.ravel(path.vertices)]
            numbers += [*np.ravel(collection.get_facecolor())]
    return np.array(numbers)


@by_name
@pytest.mark.parametrize("case", CASES)
def test_every_display_draws_every_case(display, case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = display.from_estimator(fitted(case), ax=new_axes())
        drawn.figure_.draw_without_rendering()
    assert isinstance(drawn, display)
    assert np.isfinite(_coordinates(drawn)).all()


@by_name
def test_the_same_picture_twice(display):
    first, second = (display.from_estimator(fitted("layered"), ax=new_axes()) for _ in range(2))
    np.testing.assert_array_equal(_coordinates(first), _coordinates(second))


@by_name
def test_axes_given_are_used_and_pyplot_is_left_alone(display):
    ax = new_axes()
    settings, figures = dict(mpl.rcParams), plt.get_fignums()
    drawn = display.from_estimator(fitted("blobs"), ax=ax)
    drawn.figure_.draw_without_rendering()
    assert drawn.ax_ is ax
    assert drawn.figure_ is ax.figure
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == settings


@by_name
def test_without_axes_one_figure_is_made_and_not_shown(display, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    settings, before = dict(mpl.rcParams), set(plt.get_fignums())
    drawn = display.from_estimator(fitted("forest"))
    assert set(plt.get_fignums()) - before == {drawn.figure_.number}
    assert dict(mpl.rcParams) == settings
    plt.close(drawn.figure_)


@by_name
def test_a_clusterer_that_is_not_fitted(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(NTCClusterer(), ax=new_axes())


@by_name
@pytest.mark.parametrize("wrong", [KMeans(), np.zeros((3, 2)), None, NTCClusterer])
def test_something_that_is_no_clusterer(display, wrong):
    with pytest.raises(TypeError, match=f"{display.__name__}.from_estimator needs a fitted NTC"):
        display.from_estimator(wrong, ax=new_axes())


@by_name
def test_axes_that_are_none(display):
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        display.from_estimator(fitted("blobs"), ax=[new_axes()])


@by_name
def test_displays_can_be_plotted_again_elsewhere(display):
    drawn = display.from_estimator(fitted("blobs"), ax=new_axes())
    before = _coordinates(drawn)
    other = new_axes()
    assert drawn.plot(ax=other) is drawn
    assert drawn.ax_ is other
    np.testing.assert_array_equal(_coordinates(drawn), before)


@by_name
def test_the_clusterer_is_not_changed(display):
    clusterer = fitted("condensed")
    before = {key: np.array(value, dtype=object) for key, value in vars(clusterer).items()}
    display.from_estimator(clusterer, ax=new_axes())
    after = {key: np.array(value, dtype=object) for key, value in vars(clusterer).items()}
    assert before.keys() == after.keys()
    assert all(str(before[key]) == str(after[key]) for key in before)


@by_name
def test_artists_promised_are_there(display):
    assert_artists(display.from_estimator(fitted("layered"), ax=new_axes()))


def test_importing_the_package_loads_no_matplotlib_and_the_plots_no_pyplot():
    script = (
        "import sys, neurotopo; assert 'matplotlib' not in sys.modules; "
        "import neurotopo.plots; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_colours_of_clusters_differ_and_unclustered_is_grey():
    colors = colors_of(np.arange(21))
    assert len(np.unique(colors, axis=0)) == 21
    assert [tuple(color) for color in colors[:7]] == [to_rgb(color) for color in OKABE_ITO]
    np.testing.assert_array_equal(colors_of([21 + 4]), colors_of([4]))
    assert tuple(colors_of([-1])[0]) == to_rgb(UNCLUSTERED)
    assert colors.min() >= 0
    assert colors.max() <= 1


def test_legends_name_a_few_clusters_and_count_the_rest():
    entries = swatches(list(range(30)), [f"c{k}" for k in range(30)], most=8)
    texts = [entry.get_label() for entry in entries]
    assert texts == [*(f"c{k}" for k in range(8)), "and 22 more"]
    assert [tuple(entry.get_color()) for entry in entries[:8]] == [*map(tuple, colors_of(range(8)))]


def test_collections_are_few_however_many_clusters_there_are():
    rng = np.random.default_rng(0)
    clusterer = NTCClusterer(rule="absolute", tau=0.0, nested=True).fit(rng.normal(size=(2000, 2)))
    assert clusterer.n_clusters_ > 1500
    for display in DISPLAYS:
        drawn = display.from_estimator(clusterer, ax=new_axes())
        assert len(drawn.figure_.findobj(Collection)) < 30, display
        assert len(drawn.figure_.findobj(mpl.text.Text)) < 400, display
