"""The development study: matching between snapshots by hand, and the whole of it on a training."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import neurotopo as nt
from neurotopo.models.examples import random_model
from neurotopo.report.summary import Claim
from neurotopo.studies.development.report import (
    ALL,
    CONSECUTIVE,
    KNOWN,
    TO_THE_END,
    _jumps,
    _kept,
    collect,
)
from neurotopo.studies.development.study import Development, DevelopmentOptions
from neurotopo.studies.rows import Row
from neurotopo.testbed.train import train_model
from tests.support.studies import FACTS, cells
from tests.support.training import lessons, tiny

pytestmark = pytest.mark.usefixtures("few_suffice")

NEURONS = [[layer, index] for layer in range(2) for index in range(6)]


def found(
    groups,
    shuffled=None,
    *,
    known=True,
    passed=None,
    excluded=False,
    neurons=NEURONS,
    shape=(2, 8),
    relation="P1",
    jump=0.2,
    shuffled_jump=0.1,
    jump_excluded=False,
):
    passed = [True] * len(groups) if passed is None else passed
    shuffled = [groups] if shuffled is None else shuffled
    return {
        "known": known,
        "probability": 0.5,
        "relation": relation,
        "shape": list(shape),
        "neurons": neurons,
        "groups": groups,
        "passed": passed,
        "excluded": excluded,
        "reason": None,
        "jump": jump,
        "jump_excluded": jump_excluded,
        "shuffled": [{"groups": each, "n": len(each), "jump": shuffled_jump} for each in shuffled],
    }


def summary(rows):
    return Development().summary(rows)


def row(step, fact, content=None, error=None, name=None):
    about = {"model": name or f"step-{step:06d}", "place": step, "key": fact, "fact": {}}
    stages = {} if content is None else {"result": content}
    return Row(f"{step}|{fact}", about, stages, error, 0.1)


def pair(a, b, other=None):
    rows = [row(1, "a", a), row(2, "a", b)]
    if other is not None:
        rows += [row(1, "b", other), row(2, "b", other)]
    cells = collect(rows).pairs
    (one,) = cells[(cells["kind"] == CONSECUTIVE) & (cells["fact"] == "a")].to_dict("records")
    return one


def test_matching_by_hand():
    # {0, 1, 2} stays but for one, {3, 4} goes, {6, 7} and {9, 10, 11} come
    a = found([[0, 1, 2], [3, 4]], shuffled=[[[0, 5, 6], [7, 8]]])
    b = found([[9, 10, 11], [0, 1, 2, 5], [6, 7]], shuffled=[[[5, 6, 0], [1, 2, 3, 4], [8, 9]]])
    one = pair(a, b)
    assert (one["n_from"], one["n_to"]) == (2, 3)
    assert (one["kept"], one["born"], one["died"]) == (1, 2, 1)
    assert one["matched"] == pytest.approx(0.75 / 3)
    # the same, and {7, 8} with {8, 9}: 1 of 3
    assert one["matched_shuffled"] == pytest.approx((1 + 1 / 3) / 3)
    assert one["neurons"] == 1.0
    assert one["degenerate"] == pytest.approx(3 / 11)
    assert math.isnan(one["matched_other"])


def test_only_components_that_passed_are_matched():
    a = found([[0, 1], [2, 3]], passed=[True, False], shuffled=[[[4, 5], [0, 1]]])
    one = pair(a, found([[0, 1]], shuffled=[[[4, 5]]]))
    assert (one["n_from"], one["n_to"], one["kept"], one["matched"]) == (1, 1, 1, 1.0)
    # of the shuffle, the group in the place of the one that passed
    assert one["matched_shuffled"] == 1.0


def test_groups_are_of_neurons_and_not_of_places():
    a = found([[0, 1]], neurons=[[0, 0], [0, 1]])
    b = found([[1, 2]], neurons=[[0, 7], [0, 0], [0, 1]])
    one = pair(a, b)
    assert one["matched"] == 1.0
    assert one["neurons"] == pytest.approx(2 / 3)


def test_another_fact_of_the_relation_is_the_control():
    a, b = found([[0, 1]]), found([[0, 1]])
    assert pair(a, b, other=found([[0, 1, 2, 3]]))["matched_other"] == pytest.approx(0.5)
    assert math.isnan(pair(a, b, other=found([[0, 1]], relation="P2"))["matched_other"])
    assert math.isnan(pair(a, b, other=found([]))["matched_other"])
    assert math.isnan(pair(a, b, other=found([[0, 1]], excluded=True))["matched_other"])


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (found([[0, 1]]), found([[0, 1]], shape=(3, 8)), "other shape"),
        (found([[0, 1]]), found([[0, 1]], excluded=True), "extreme change"),
        (found([]), found([]), "no component in both"),
        (found([[0, 1]]), found([]), None),
    ],
)
def test_why_a_fact_is_not_compared(a, b, reason):
    one = pair(a, b)
    assert one["reason"] == reason or (reason is None and one["reason"] is None)
    if reason is None:
        assert (one["matched"], one["matched_shuffled"], one["died"]) == (0.0, 0.0, 1)


def story(n=20, known=True, keep=True):
    """Three snapshots; between the last two the groups stay as they are, or are drawn anew."""
    rng = np.random.default_rng(0)

    def halves():
        order = rng.permutation(12).tolist()
        return [sorted(order[:4]), sorted(order[4:8])]

    rows = []
    for i in range(n):
        groups = halves()
        for step in (10, 20, 30):
            if step == 20 or not keep:
                groups = halves()
            content = found(groups, [halves(), halves()], known=known and step > 10)
            rows.append(row(step, f"f{i:02d}", content))
    return rows


def test_what_is_kept_is_claimed_and_what_is_not_is_not():
    claims = summary(story()).claims
    assert len(claims) == 2
    assert claims[0].endswith("another fact, from step-000020 to step-000030.")
    assert summary(story(keep=False)).claims == ()
    unknown = summary(story(known=False))
    assert unknown.claims == ()
    assert "No fact is ever known" in unknown.findings[0]
    assert summary(story(n=6)).claims == ()


def test_differences_below_the_margin_are_none():
    jump = {"n jump": 40, "p": 1e-9, "difference": 0.3, "low": 0.2, "high": 0.4, "margin": 1.0}
    said = _jumps([{"snapshot": "first", **jump}, {"snapshot": "last", **jump, "margin": 0.1}])
    assert "larger in last" in said
    assert "by less than the margin of 1 point, in first" in said
    frame = summary(story()).tables["matching"].frame
    rows = frame.to_dict("records")
    assert isinstance(_kept(rows, "the snapshot before"), Claim)
    wide = [{**row, "margin": 1.1} for row in rows]
    assert not isinstance(_kept(wide, "the snapshot before"), Claim)


def test_tables_by_hand():
    collected = collect(story())
    tables = summary(story()).tables
    assert tables["development"].frame["step"].tolist() == [10, 20, 30]
    assert tables["development"].frame["known"].tolist() == [0, 1, 1]
    first = cells(tables["development"], step=10)
    assert (first["jump"], first["shuffled"], first["n jump"]) == (20, 10, 20)
    last = {"from": "step-000020", "to": "step-000030"}
    kept = cells(tables["matching"], facts=KNOWN, **last)
    assert (kept["matched"], kept["kept"], kept["born"], kept["died"]) == (1.0, 2, 0, 0)
    assert kept["shuffled"] < 0.6
    assert kept["p shuffled"] < 0.01
    earlier = {"from": "step-000010", "to": "step-000020"}
    assert cells(tables["matching"], facts=KNOWN, **earlier)["n"] == 0
    assert cells(tables["matching"], facts=ALL, **earlier)["n"] == 20
    assert set(collected.pairs["kind"]) == {CONSECUTIVE, TO_THE_END}
    to_end = tables["to_the_end"].frame
    assert to_end["to"].unique().tolist() == ["step-000030"]
    excluded = cells(tables["exclusions"], pair=CONSECUTIVE, **last)
    assert (excluded["facts"], excluded["compared"], excluded["known in both"]) == (20, 20, 20)


def test_steps_are_of_the_names_or_else_numbers():
    named = collect(story())
    assert named.has_steps
    assert list(named.steps.values()) == [10, 20, 30]
    rows = [row(k, "a", found([[0, 1]]), name=name) for k, name in enumerate(("x", "step-4"))]
    other = collect(rows)
    assert list(other.steps.values()) == [1, 2]
    assert not other.has_steps


def test_nothing_failures_and_single_snapshots():
    assert summary([]).findings == ("No question has been worked on.",)
    failed = summary([row(1, "a", error="ValueError: no"), row(2, "a", error="ValueError: no")])
    assert failed.findings == ("All 2 questions failed; the first: ValueError: no",)
    one = summary([row(1, "a", found([[0, 1]]))])
    assert "One snapshot" in one.findings[-1]
    assert one.pictures == {}
    rows = [
        row(1, "a", found([[0, 1]])),
        row(2, "a", error="ValueError: no"),
        row(2, "b", found([[0, 1]])),
    ]
    partial = summary(rows)
    assert partial.claims == ()
    assert cells(partial.tables["exclusions"], pair=CONSECUTIVE)["failed"] == 1


def test_excluded_jumps_are_left_out_of_both_sides():
    frame = collect([row(1, "a", found([[0], [1]], jump_excluded=True))]).rows
    assert frame[["jump", "jump_shuffled"]].isna().all(axis=None)


def test_mistaken_options():
    with pytest.raises(ValueError, match="n_shuffles must be a whole number"):
        DevelopmentOptions(n_shuffles=0)
    assert DevelopmentOptions.quick(tau2=0.5).n_shuffles == 1


# On models


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train_model(tiny(epochs=30), lessons(), folder, snapshots=3)


def test_a_folder_stands_for_its_snapshots(trained, tmp_path):
    places = [str(place) for place in trained.snapshots]
    assert Development.models_of([str(trained.folder)]) == places
    assert Development.models_of(["testbed:gpt2", str(trained.folder)]) == ["testbed:gpt2", *places]
    model = random_model()
    assert Development.models_of([model, "gpt2"]) == [model, "gpt2"]
    # where training went on behind the last one, the model itself follows
    (tmp_path / "snapshots" / "step-000001").mkdir(parents=True)
    (tmp_path / "recipe.json").write_text('{"fingerprint": "", "scores": [], "n_steps": 2}')
    assert Development.models_of([str(tmp_path)]) == [
        str(tmp_path / "snapshots/step-000001"),
        str(tmp_path),
    ]


def _given(trained):
    return {"model": trained.folder, "quick": True, "threshold": 0.05}


def test_the_whole_on_a_training(trained, tmp_path):
    facts = lessons().facts
    result = nt.studies.run("development", facts=facts, out=tmp_path, **_given(trained))
    assert str(result.outcome) == "development: 18 of 18 questions done."
    assert result.tables["development"]["step"].tolist() == [20, 40, 60]
    assert result.tables["development"]["known"].iloc[-1] == 1.0
    assert set(result.figures) >= {"knowledge", "components"}
    again = nt.studies.run("development", facts=facts, out=tmp_path, **_given(trained))
    assert again.outcome.n_there == 18
    pd.testing.assert_frame_equal(again.rows, result.rows)


@pytest.mark.slow
def test_a_run_goes_on_with_more_facts(trained, tmp_path):
    facts, given = lessons().facts, _given(trained)
    result = nt.studies.run("development", facts=facts, **given)
    assert nt.studies.run("development", facts=facts[:3], out=tmp_path, **given).outcome.n_done == 9
    rest = nt.studies.run("development", facts=facts, out=tmp_path, **given)
    assert rest.outcome.n_there == 9
    for name, table in result.tables.items():
        pd.testing.assert_frame_equal(rest.tables[name], table)


@pytest.mark.usefixtures("no_pictures")
def test_models_of_other_shapes_cannot_be_matched():
    models = [random_model(n_layers=n, seed=n) for n in (2, 3)]
    result = nt.studies.run("development", model=models, facts=FACTS, quick=True, threshold=0.1)
    assert result.claims == ()
    assert "components cannot be matched" in result.findings[-1]
    assert (result.tables["exclusions"]["other shape"] == len(FACTS)).all()


@pytest.mark.usefixtures("no_pictures")
def test_nothing_is_claimed_of_models_that_know_nothing():
    model = random_model()
    result = nt.studies.run(
        "development", model=[model, model], facts=FACTS, quick=True, threshold=0.1
    )
    assert result.claims == ()
    matched = result.tables["matching"].set_index("facts").loc[ALL]
    assert matched["matched"] == 1.0  # it is the same model
