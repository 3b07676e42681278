"""What the displays of studies promise, as those of a clusterer do."""

from __future__ import annotations

import subprocess
import sys
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurotopo.plots._series import columns_for, look, short
from neurotopo.plots.effects import EffectsDisplay
from neurotopo.plots.layers import LayerDisplay
from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.plots.suppression import SuppressionDisplay
from neurotopo.plots.suppression_grid import SuppressionGridDisplay
from neurotopo.plots.sweep import SweepDisplay
from tests.support.plots import assert_artists, new_axes

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


MADE = (suppression, grid, layers, sweep, effects, scaling)
by_display = pytest.mark.parametrize("make", MADE, ids=lambda each: each.__name__)


def _numbers(display):
    found = []
    for axes in display.figure_.axes:
        found += [*axes.get_xlim(), *axes.get_ylim()]
        for line in axes.lines:
            found += [*np.ravel(line.get_xydata())]
        for patch in axes.patches:
            found += [*np.ravel(patch.get_path().vertices)]
        for collection in axes.collections:
            for path in collection.get_paths():
                found += [*np.ravel(path.vertices)]
    return np.array(found)


@by_display
@pytest.mark.parametrize("ugly", [False, True])
def test_everything_is_drawn_without_warnings_and_alike(make, ugly):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = make(new_axes(), ugly), make(new_axes(), ugly)
        first.figure_.draw_without_rendering()
        second.figure_.draw_without_rendering()
    np.testing.assert_array_equal(_numbers(first), _numbers(second))
    assert all(np.isfinite(ax.get_xlim() + ax.get_ylim()).all() for ax in first.figure_.axes)


@by_display
def test_axes_given_are_used_and_pyplot_is_left_alone(make):
    ax = new_axes()
    settings, figures = dict(mpl.rcParams), plt.get_fignums()
    display = make(ax)
    display.figure_.draw_without_rendering()
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == figures
    assert dict(mpl.rcParams) == settings


@by_display
def test_without_axes_one_figure_is_made_and_not_shown(make, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    before = set(plt.get_fignums())
    display = make()
    assert set(plt.get_fignums()) - before == {display.figure_.number}
    plt.close(display.figure_)


@by_display
def test_axes_that_are_none(make):
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes or None, got list"):
        make([new_axes()])


@by_display
def test_displays_can_be_plotted_again_elsewhere(make):
    display = make(new_axes())
    before = _numbers(display)
    other = new_axes()
    assert display.plot(ax=other) is display
    assert display.ax_ is other
    np.testing.assert_array_equal(_numbers(display), before)


@by_display
def test_artists_promised_are_there(make):
    assert_artists(make(new_axes()))


@by_display
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


def test_neither_torch_nor_pyplot_is_loaded():
    names = ("suppression", "suppression_grid", "layers", "sweep", "effects")
    code = "".join(f"import neurotopo.plots.{name}; " for name in names)
    code = f"import sys; {code} assert not {{'torch', 'matplotlib.pyplot'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
