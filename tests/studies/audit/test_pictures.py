"""Pictures of an audit: their numbers are those of the frames."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from neurotopo.studies.audit.frames import collect
from neurotopo.studies.audit.nulls import NULLS
from neurotopo.studies.audit.pictures import N_FACTS, drawn_facts, fact_pictures
from neurotopo.studies.audit.study import AuditStudy
from neurotopo.studies.audit.verdicts import (
    QUESTIONS,
    against_nulls,
    by_ablation,
    null_differences,
    verdicts,
)
from tests.support.audits import ABLATIONS, audit_frames

ALL = ["forest", "nulls", "ablations", "shapley", "direct_total", "wordings"]


def pictures(frames):
    """Draw all pictures, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables = {
            name: table for name, make in AuditStudy.tables.items() if (table := make(frames))
        }
        drawn = AuditStudy().draw(frames, tables)
        for picture in drawn.values():
            picture.figure.draw_without_rendering()
    return drawn


def texts_of(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def lines_of(ax):
    """Return the numbers of the lines with markers, by order."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() not in ("None", "", None)]


@pytest.fixture(scope="module")
def frames():
    return audit_frames(12, (2, 3, 5), n_wordings=2)


@pytest.fixture(scope="module")
def drawn(frames):
    return pictures(frames)


def test_all_pictures_are_drawn_the_forest_first(drawn):
    facts = [name for name in drawn if name not in ALL]
    assert list(drawn) == [*ALL, *facts]
    assert len(facts) == N_FACTS
    for name, picture in drawn.items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
        assert picture.title
        assert picture.note


def test_the_forest_has_the_verdicts(frames, drawn):
    ax = drawn["forest"].figure.axes[0]
    effects = verdicts(frames)
    rows = [line for line in lines_of(ax) if len(line)]
    np.testing.assert_allclose(
        np.concatenate(rows), [(effect.mean, k) for k, effect in enumerate(effects.values())]
    )
    bars = [segment for bar in ax.collections for segment in getattr(bar, "get_segments", list)()]
    np.testing.assert_allclose(
        [bar[:, 0] for bar in bars], [(effect.low, effect.high) for effect in effects.values()]
    )
    words = [text for text in texts_of(ax) if text in ("yes", "no", "undecided")]
    assert words == [effect.verdict for effect in effects.values()]
    assert len({text.get_text() for text in ax.get_yticklabels()}) == len(QUESTIONS)
    starred = [text.get_text().endswith("*") for text in ax.get_yticklabels()]
    assert starred == [question.needed for question in QUESTIONS.values()]


def test_nulls_have_their_differences_with_a_point_per_fact(frames, drawn):
    ax = drawn["nulls"].figure.axes[0]
    effects = [against_nulls(frames)["rho", name] for name in NULLS]
    np.testing.assert_allclose(
        np.concatenate(lines_of(ax)), [(effect.mean, k) for k, effect in enumerate(effects)]
    )
    clouds = [
        each for each in ax.collections if hasattr(each, "get_sizes") and len(each.get_sizes())
    ]
    low, high = ax.get_xlim()
    for cloud, name in zip(clouds, NULLS, strict=True):
        values = null_differences(frames)["rho", name]
        assert len(values) == len(frames.facts)
        found = np.asarray(cloud.get_offsets())[:, 0]
        np.testing.assert_allclose(found, np.clip(values, low, high))


def test_ablations_have_means_whose_difference_is_that_of_the_table(frames, drawn):
    _, rho, kept, *_ = drawn["ablations"].figure.axes
    effects = by_ablation(frames)
    for panel, quantity in ((rho, "rho"), (kept, "sufficiency")):
        assert [text.get_text() for text in panel.get_xticklabels()] == list(ABLATIONS)
        own, shuffled = (line[:, 1] for line in lines_of(panel))
        expected = frames.ablations.groupby("ablation")[quantity].mean()[list(ABLATIONS)]
        np.testing.assert_allclose(own, expected)
        differences = [effects[quantity, name].mean for name in ABLATIONS]
        np.testing.assert_allclose(own - shuffled, differences)


def test_shapley_values_and_effects_are_those_of_the_drawn_facts(frames, drawn):
    names = drawn_facts(frames)
    _, *panels, _ = drawn["shapley"].figure.axes
    assert [panel.get_title() for panel in panels] == names
    for name, panel in zip(names, panels, strict=True):
        groups = frames.groups[frames.groups["fact"] == name]
        for line, column in zip(lines_of(panel), ("shapley", "effect"), strict=True):
            np.testing.assert_allclose(line[:, 1], groups[column])


def test_direct_and_total_effects_are_those_of_all_groups(frames, drawn):
    below, above = lines_of(drawn["direct_total"].figure.axes[0])
    pairs = frames.groups[["direct", "total"]].to_numpy()
    assert sorted(map(tuple, [*below, *above])) == sorted(map(tuple, pairs))
    assert (below[:, 1] < below[:, 0]).all()


def test_wordings_have_the_means_of_their_table(frames, drawn):
    ax = drawn["wordings"].figure.axes[0]
    columns = ["rho", "shuffled", "sufficiency", "overlap", "chance"]
    expected = frames.wordings.groupby("wording")[columns].mean().to_numpy()
    np.testing.assert_allclose(np.ma.filled(ax.images[0].get_array(), np.nan), expected)
    rows = [text.get_text() for text in ax.get_yticklabels()]
    assert rows == ["A (n = 12)", "B (n = 12)", "C (n = 12)"]
    assert "wordings" not in pictures(audit_frames(3))


def test_facts_are_drawn_from_the_lowest_rho_to_the_highest(frames):
    names = drawn_facts(frames)
    ranked = frames.facts.sort_values("rho")["fact"].tolist()
    assert len(names) == N_FACTS
    assert (names[0], names[-1]) == (ranked[0], ranked[-1])
    assert names == sorted(names, key=ranked.index)
    known = replace(frames, facts=frames.facts.assign(rho=np.nan))
    assert len(drawn_facts(known)) == N_FACTS  # no rho: by necessity
    few = frames.facts.assign(rho=[0.5, *[np.nan] * 11])
    assert drawn_facts(replace(frames, facts=few)) == [frames.facts["fact"][0]]


def test_a_fact_has_its_lattice_its_pairs_and_its_curve():
    frames = audit_frames(1, 3)
    (name,) = frames.lattices
    lattice, scores = frames.lattices[name], frames.null_curves[name]
    (picture,) = fact_pictures(frames).values()
    subsets, *others = picture.figure.axes
    (pairs,) = (ax for ax in others if ax.get_title().startswith("effect of a pair"))
    assert f"{lattice.rho:.2f}" in picture.title
    (nodes,) = (each for each in subsets.collections if isinstance(each, PathCollection))
    assert nodes.get_array().tolist() == [lattice.base, *lattice.scores]
    shown = np.ma.filled(pairs.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, lattice.interactions)
    (curve,) = (ax for ax in picture.figure.axes if ax.get_title().startswith("mean score"))
    own, shuffled, *_ = lines_of(curve)
    sizes = lattice.subsets.sum(1)
    means = [lattice.scores[sizes == size].mean() for size in (1, 2, 3)]
    np.testing.assert_allclose(own, [(0, lattice.base), *zip((1, 2, 3), means, strict=True)])
    draws = scores[scores["null"] == "shuffled"]
    means = draws.groupby("size")["score"].mean()
    np.testing.assert_allclose(shuffled[:, 1], [lattice.base, *means])
    of_draws = draws.groupby(["size", "draw"])["score"].mean()
    band = np.concatenate([path.vertices for path in curve.collections[1].get_paths()])
    ends = band[band[:, 0] == 3, 1]
    np.testing.assert_allclose([ends.min(), ends.max()], sorted(of_draws[3]))


def test_nulls_with_another_number_of_groups_have_no_curve():
    frames = audit_frames(1, 3)
    (name,) = frames.lattices
    scores = frames.null_curves[name]
    other = scores["null"].eq("matched") & scores["size"].gt(1)
    frames = replace(frames, null_curves={name: scores[~other]})
    (picture,) = fact_pictures(frames).values()
    legends = [ax.get_legend() for ax in picture.figure.axes if ax.get_legend()]
    names = [text.get_text() for text in legends[0].get_texts()]
    assert names == ["groups", *(null for null in NULLS if null != "matched")]


def test_many_groups_have_no_lattice():
    (picture,) = fact_pictures(audit_frames(1, 12)).values()
    titles = [ax.get_title() for ax in picture.figure.axes if ax.get_title()]
    assert len(titles) == 2


@pytest.mark.parametrize(
    ("n_facts", "options"),
    [
        (1, {"n_groups": 12, "n_wordings": 1}),
        (2, {"n_groups": 30, "spread": 5.0}),
        (3, {"name": "en:$P1$/Ünï", "n_draws": 1}),
    ],
)
def test_texts_stay_inside_the_figure_and_apart(n_facts, options):
    for name, picture in pictures(audit_frames(n_facts, **options)).items():
        figure = picture.figure
        for ax in figure.axes:
            labels = ticks_of(ax.xaxis) + ticks_of(ax.yaxis) if ax.axison else []
            for text in (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts, *labels):
                if text.get_text() and text.get_visible():
                    box = text.get_window_extent()
                    assert -1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, (name, text)
                    assert -1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, (name, text)
            boxes = [label.get_window_extent() for label in labels]
            for k, box in enumerate(boxes):
                assert not box.count_overlaps(boxes[k + 1 :]), (name, labels[k])


def ticks_of(axis):
    """Return the labels of an axis that are drawn."""
    low, high = sorted(axis.get_view_interval())
    return [
        tick.label1
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_visible() and tick.label1.get_text()
    ]


def test_names_of_files_differ_where_facts_do_not_in_their_letters():
    frames = audit_frames(3, 2)
    new = {"f0": "é", "f1": "è", "f2": "日本"}
    renamed = replace(
        frames,
        facts=frames.facts.replace({"fact": new}),
        lattices={new[name]: each for name, each in frames.lattices.items()},
        null_curves={new[name]: each for name, each in frames.null_curves.items()},
    )
    names = list(fact_pictures(renamed))
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)


def test_nothing_measured_nothing_drawn():
    assert pictures(collect([])) == {}
    frames = audit_frames(4)
    out = frames.facts.assign(reason="not known")
    empty = pd.DataFrame([], columns=["fact", "relation"])
    left_out = replace(
        frames,
        facts=out,
        ablations=empty,
        nulls=empty,
        groups=empty,
        wordings=empty,
        lattices={},
        null_curves={},
    )
    assert pictures(left_out) == {}


def test_numbers_that_are_all_undefined_draw_no_means():
    frames = audit_frames(4)

    def undefined(frame):
        return frame.assign(**dict.fromkeys(frame.select_dtypes("float").columns, np.nan))

    names = ("facts", "ablations", "nulls", "groups")
    drawn = pictures(replace(frames, **{name: undefined(getattr(frames, name)) for name in names}))
    assert not set(drawn) & {"forest", "nulls", "ablations", "direct_total"}
