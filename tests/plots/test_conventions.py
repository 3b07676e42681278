"""What all displays promise: nothing global changes, ``ax`` is kept to, mistakes are named."""

from __future__ import annotations

import subprocess
import sys
import warnings
from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

from neurotopo import merge_tree, plots
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.suppression import subsets
from neurotopo.persistence import vineyard
from neurotopo.plots._palette import OKABE_ITO, UNCLUSTERED, colors_of, swatches
from neurotopo.plots._series import columns_for, look, short
from neurotopo.plots.effects import EffectsDisplay
from neurotopo.plots.layers import LayerDisplay
from neurotopo.plots.matrix import MatrixDisplay
from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.plots.scatter import ScatterDisplay
from neurotopo.plots.subsets import SubsetsDisplay
from neurotopo.plots.suppression import SuppressionDisplay
from neurotopo.plots.suppression_grid import SuppressionGridDisplay
from neurotopo.plots.sweep import SweepDisplay
from neurotopo.plots.verdicts import VerdictDisplay
from neurotopo.plots.vineyard import VineyardDisplay
from neurotopo.redundancy import Lattice
from tests.support.plots import CASES, assert_artists, fitted, new_axes

NAN = float("nan")
UGLY = "_a name that is $very$ long and has no end, or so it seems, until it has one after all"


def suppression(ax=None, ugly=False):
    if ugly:
        return SuppressionDisplay.from_arrays([NAN], controls={UGLY: [-1e305]}, ax=ax)
    return SuppressionDisplay.from_arrays(
        [0.1, 0.8], sizes=[1, 1, 2], drops=[0.0, 0.2, 0.8], controls={"random": [0, 0.1]}, ax=ax
    )


def grid(ax=None, ugly=False):
    if ugly:
        curves = {
            f"{k} {UGLY}": {n: [NAN] * (n - 1) + [-50.0] for n in range(1, 11)} for k in range(20)
        }
        counts = {name: dict.fromkeys(range(1, 11), 1) for name in curves}
        errors = {name: {n: [NAN] * n for n in by_n} for name, by_n in curves.items()}
        return SuppressionGridDisplay.from_curves(curves, counts, errors=errors, ax=ax)
    curves = {"ntc": {2: [0.1, 0.8], 3: [0.1, 0.2, 0.9]}, "kmeans": {3: [0.3, 0.4, 0.6]}}
    counts = {"ntc": {2: 30, 3: 4}, "kmeans": {3: 12}}
    return SuppressionGridDisplay.from_curves(curves, counts, ax=ax)


def layers(ax=None, ugly=False):
    if ugly:
        return LayerDisplay.from_counts({f"{k} {UGLY}": [0, 0, k] for k in range(12)}, ax=ax)
    return LayerDisplay.from_counts({"knowledge neurons": [1, 3], "DKNs": [0, 2]}, ax=ax)


def sweep(ax=None, ugly=False):
    if ugly:
        return SweepDisplay.from_values([[NAN] * 40], [1 / 3], np.arange(40), name=UGLY, ax=ax)
    return SweepDisplay.from_values([[0.1, 0.2], [NAN, 0.4]], [0.1, 0.2], [0.3, 0.4], ax=ax)


def effects(ax=None, ugly=False):
    if ugly:
        return EffectsDisplay.from_arrays(
            [UGLY] * 3,
            [NAN, 1e300, 0],
            [NAN] * 3,
            [NAN] * 3,
            n=[0] * 3,
            p=[0, 1, NAN],
            label=UGLY,
            ax=ax,
        )
    return EffectsDisplay.from_arrays(
        ["a", "b"], [0.1, -0.2], [0.0, -0.5], [0.2, 0.1], n=[9, 7], p=[0.04, 0.3], ax=ax
    )


def scaling(ax=None, ugly=False):
    if ugly:
        series = {f"{k} {UGLY}": [[-1e305, NAN, NAN], [NAN] * 3] for k in range(12)}
        return ScalingDisplay.from_means([1, 1], series, names=[UGLY, UGLY], ylabel=UGLY, ax=ax)
    means = {"NTC": [[1.0, 0.5, 1.5], [2.0, 1.5, 2.5]], "random": [[1.0, NAN, NAN], [NAN] * 3]}
    return ScalingDisplay.from_means([1e5, 1e6], means, xlabel="weights", log=True, ax=ax)


def vines(ax=None, ugly=False):
    if ugly:
        alone = vineyard([[0.0]], [-1e300, 1], tree_of=lambda X, k: merge_tree(X), name=UGLY)
        return VineyardDisplay.from_vineyard(alone, ax=ax)
    X = np.random.default_rng(0).normal(size=(40, 2))
    return VineyardDisplay.from_vineyard(vineyard(X, [2, 4, 8]), ax=ax)


def effects_with_verdicts(ax=None, ugly=False):
    words = ["yes", "undecided"]
    if ugly:
        means = [NAN, -1e200], [NAN, -1e300], [NAN, 1e300]
        far = {"points": [[NAN, 1e300], []], "label": UGLY, "n": [0, 10**9]}
        return VerdictDisplay.from_arrays(
            [UGLY] * 2, *means, verdict=words, margin=0.1, ax=ax, **far
        )
    means = [0.5, 0.0], [0.3, -0.3], [0.7, 0.3]
    return VerdictDisplay.from_arrays(
        ["a", "b"], *means, n=[40, 9], verdict=words, margin=0.1, ax=ax
    )


def matrix(ax=None, ugly=False):
    if ugly:
        names = [f"{k} {UGLY}" for k in range(3)]
        return MatrixDisplay.from_values([[NAN, 1e300, -1e-300]], [UGLY], names, label=UGLY, ax=ax)
    return MatrixDisplay.from_values([[0.5, NAN], [-0.2, 0.1]], ["a", "b"], ["c", "d"], ax=ax)


def scatter(ax=None, ugly=False):
    if ugly:
        names = {"xlabel": UGLY, "ylabel": UGLY, "below": UGLY, "above": UGLY}
        return ScatterDisplay.from_arrays([NAN, 0.0], [1.0, 0.0], ax=ax, **names)
    return ScatterDisplay.from_arrays([1.0, 2.0], [2.0, 1.0], ax=ax)


def lattice(ax=None, ugly=False):
    n = 6 if ugly else 3
    scores = np.zeros(2**n - 1) if ugly else np.arange(7.0)
    measured = Lattice(subsets(n), scores, 0.0)
    return SubsetsDisplay.from_lattice(measured, label=UGLY if ugly else "score", ax=ax)


STUDY = (
    *(suppression, grid, layers, sweep, effects, scaling, vines),
    *(effects_with_verdicts, matrix, scatter, lattice),
)
DISPLAYS = [getattr(plots, name) for name in plots.__all__]
by_name = pytest.mark.parametrize("display", DISPLAYS, ids=lambda each: each.__name__)
of_a_study = pytest.mark.parametrize("make", STUDY, ids=lambda each: each.__name__)


def of_a_clusterer(display, case, ax=None):
    return display.from_estimator(fitted(case), ax=ax)


def makers(case):
    """Functions that draw each display, those of a clusterer for one case."""
    every = [
        pytest.param(partial(of_a_clusterer, each, case), id=each.__name__) for each in DISPLAYS
    ]
    return pytest.mark.parametrize("make", [*every, *STUDY])


def _coordinates(display):
    """Every number that the axes of a display hold, and every colour of a collection."""
    numbers = []
    for axes in display.figure_.axes:
        numbers += [*axes.get_xlim(), *axes.get_ylim()]
        for line in axes.lines:
            numbers += [*np.ravel(line.get_xydata())]
        for patch in axes.patches:
            numbers += [*np.ravel(patch.get_path().vertices)]
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


@of_a_study
@pytest.mark.parametrize("ugly", [False, True])
def test_everything_is_drawn_without_warnings_and_alike(make, ugly):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = make(new_axes(), ugly), make(new_axes(), ugly)
        first.figure_.draw_without_rendering()
        second.figure_.draw_without_rendering()
    np.testing.assert_array_equal(_coordinates(first), _coordinates(second))
    assert all(np.isfinite(ax.get_xlim() + ax.get_ylim()).all() for ax in first.figure_.axes)


@by_name
def test_the_same_picture_twice(display):
    first, second = (display.from_estimator(fitted("layered"), ax=new_axes()) for _ in range(2))
    np.testing.assert_array_equal(_coordinates(first), _coordinates(second))


@makers("blobs")
def test_axes_given_are_used_and_pyplot_is_left_alone(make):
    ax = new_axes()
    settings, figures = dict(mpl.rcParams), plt.get_fignums()
    display = make(ax=ax)
    display.figure_.draw_without_rendering()
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == settings


@makers("forest")
def test_without_axes_one_figure_is_made_and_not_shown(make, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    settings, before = dict(mpl.rcParams), set(plt.get_fignums())
    display = make()
    assert set(plt.get_fignums()) - before == {display.figure_.number}
    assert dict(mpl.rcParams) == settings


@makers("blobs")
def test_axes_that_are_none(make):
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        make(ax=[new_axes()])


@makers("blobs")
def test_displays_can_be_plotted_again_elsewhere(make):
    display = make(ax=new_axes())
    before = _coordinates(display)
    other = new_axes()
    assert display.plot(ax=other) is display
    assert display.ax_ is other
    np.testing.assert_array_equal(_coordinates(display), before)


@makers("layered")
def test_artists_promised_are_there(make):
    assert_artists(make(ax=new_axes()))


@by_name
def test_a_clusterer_that_is_not_fitted(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(NTCClusterer.paper(), ax=new_axes())


@by_name
@pytest.mark.parametrize("wrong", [KMeans(), np.zeros((3, 2)), None, NTCClusterer])
def test_something_that_is_no_clusterer(display, wrong):
    with pytest.raises(TypeError, match=f"{display.__name__}.from_estimator needs a fitted NTC"):
        display.from_estimator(wrong, ax=new_axes())


@by_name
def test_the_clusterer_is_not_changed(display):
    clusterer = fitted("condensed")
    before = {key: np.array(value, dtype=object) for key, value in vars(clusterer).items()}
    display.from_estimator(clusterer, ax=new_axes())
    after = {key: np.array(value, dtype=object) for key, value in vars(clusterer).items()}
    assert before.keys() == after.keys()
    assert all(str(before[key]) == str(after[key]) for key in before)


@of_a_study
@pytest.mark.parametrize("ugly", [False, True])
def test_legends_and_texts_stay_inside_the_figure(make, ugly):
    display = make(new_axes(), ugly)
    figure = display.figure_
    figure.draw_without_rendering()
    legend = getattr(display, "legend_", None)
    if legend is not None and not ugly:
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
    for ax in figure.axes:
        for text in (ax.xaxis.label, *ax.texts):
            if text.get_text():
                box = text.get_window_extent()
                assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text


def test_imports_load_neither_matplotlib_nor_pyplot_nor_torch_before_they_are_needed():
    names = ("suppression", "suppression_grid", "layers", "sweep", "effects", "vineyard")
    script = (
        "import sys, neurotopo; assert 'matplotlib' not in sys.modules; import neurotopo.plots; "
        + "".join(f"import neurotopo.plots.{name}; " for name in names)
        + "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
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
    clusterer = NTCClusterer.paper(rule="absolute", tau=0.0, nested=True).fit(
        rng.normal(size=(2000, 2))
    )
    assert clusterer.n_clusters_ > 1500
    for display in DISPLAYS:
        drawn = display.from_estimator(clusterer, ax=new_axes())
        assert len(drawn.figure_.findobj(Collection)) < 30, display
        assert len(drawn.figure_.findobj(mpl.text.Text)) < 400, display


def test_things_look_different_in_more_than_one_way():
    looks = [look(k) for k in range(56)]
    assert len({(each["color"], each["marker"]) for each in looks}) == 56
    assert len({(each["color"], str(each["linestyle"])) for each in looks[:28]}) == 28


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ntc", "ntc"),
        ("costs $5\nor $6", r"costs \$5 or \$6"),
        ("a" * 30 + "b" * 30, "a" * 13 + "…" + "b" * 6),
        (7, "7"),
    ],
)
def test_names_are_cut_in_the_middle_and_are_no_formulas(name, shown):
    assert short(name, 20) == shown


def test_a_legend_has_one_column_at_least_and_no_more_than_entries():
    assert columns_for(["a" * 500], 3.0, 8.0) == 1
    assert columns_for(["a", "b"], 300.0, 8.0) == 2
    assert columns_for([], 3.0, 8.0) == 1
