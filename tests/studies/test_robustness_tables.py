"""Measures, tables and sentences of the robustness study, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo.report.summary import Claim
from neurotopo.studies.findings import FEW
from neurotopo.studies.robustness.frames import collect, log_odds, measures
from neurotopo.studies.robustness.report import TABLES, findings_of, subset_tests, values_of
from neurotopo.studies.robustness.study import STUDY
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import holm, independent, paired

pytestmark = pytest.mark.usefixtures("few_suffice")

KINDS = ["replace", "replace", "add", "delete"]
BASE, RIGHT = [0.8, 0.4, 0.6, 0.8, 0.2], [True, True, True, True, False]
ARMS = ("dkn", "kn", "kn_random", "random", "random_layers")
WAYS = [("values", 0.0), ("values", 2.0), ("weights", 2.0)]


def tables_of(frames):
    """Return all tables by name."""
    return {name: table for name, make in TABLES.items() if (table := make(frames))}


def arm(suppressed, values=None, weights=None, right=(RIGHT, RIGHT, RIGHT)):
    """What is stored about an arm: probabilities under the three edits, and right answers."""
    return {
        "where": [where for where, _ in WAYS],
        "scale": [scale for _, scale in WAYS],
        "probability": [suppressed, values or BASE, weights or BASE],
        "right": [list(each) for each in right],
    }


def row(fact, arms, *, known=True, reason=None, subsets=None, too_short=(), base=BASE, right=RIGHT):
    about = {
        "known": known,
        "probability": base,
        "right": right,
        "kinds": KINDS[: len(base) - 1],
        "prompts": ["?"] * (len(base) - 1),
        "too_short": list(too_short),
        "reason": reason,
        "neurons": [[0, 0], [0, 1], [1, 0]],
        "components": 2,
        "degenerate": [[0, 0], [0, 1]],
        "topped_up": 1,
        "max_change": 9.0,
    }
    stages = {"fact": about, "arms": arms, "subsets": subsets or {}}
    return Row(fact, {"prompt": "?", "answers": ["!"]}, stages, None, 0.1)


def failed(fact):
    return Row(fact, {"prompt": "?"}, {}, "ValueError: no", 0.1)


def all_arms(dkn, other=None):
    return {name: dkn if name == "dkn" else other or arm(BASE) for name in ARMS}


# Measures


def test_measures_by_hand():
    found = measures([0.8, 0.4, 0.6], [True, True, False], [0.4, 0.1, 0.5], [True, False, True])
    # (0.4 - 0.1) / 0.4 is a loss and positive; 0.5 is more than Prob(Q) under the edit
    assert found["dprob"] == pytest.approx([0.75, -0.25])
    assert found["dprob_ref"] == pytest.approx([(0.8 - 0.1) / 0.8, (0.8 - 0.5) / 0.8])
    fall = [math.log(b / (1 - b)) - math.log(a / (1 - a)) for b, a in ((0.8, 0.4), (0.4, 0.1))]
    assert found["log_odds"][0] == pytest.approx(fall[1] - fall[0])
    np.testing.assert_array_equal(found["gained"], [np.nan, 1.0])  # the second was wrong before
    np.testing.assert_array_equal(found["lost"], [1.0, np.nan])
    assert found["net"].tolist() == [-1.0, 1.0]


def test_an_edit_that_acts_alike_has_no_extra_fall_but_a_higher_dprob():
    odds = np.array([3.0, 1.0])
    before, after = (1 / (1 + np.exp(-(odds - c))) for c in (0.0, 4.0))
    plain = measures(before, [True, True], before, [True, True])
    found = measures(before, [True, True], after, [True, True])
    assert found["log_odds"] == pytest.approx([0.0], abs=1e-9)
    assert found["dprob"][0] > 3 * plain["dprob"][0]


def test_measures_of_nothing_to_divide_by():
    found = measures([0.5, 0.5], [True, True], [0.0, 0.5], [False, True])
    assert np.isnan(found["dprob"]).all()
    assert found["dprob_ref"] == pytest.approx([0.0])
    assert np.isfinite(found["log_odds"]).all()
    assert np.isfinite(log_odds([0.0, 1.0])).all()


# Rows


def test_edits_are_means_over_the_prompts_of_a_kind():
    suppressed = [0.4, 0.1, 0.3, 0.4, 0.2]
    found = collect([row("a", all_arms(arm(suppressed)))])
    by_kind = {
        kind: found.of("dkn", "suppress", "values", "dprob", kind)["a"]
        for kind in ("replace", "add", "delete", "Avg.")
    }
    assert by_kind["replace"] == pytest.approx((0.75 + 0.25) / 2)
    assert by_kind["add"] == pytest.approx(0.0)
    assert by_kind["delete"] == pytest.approx(0.5)
    assert by_kind["Avg."] == pytest.approx((0.75 + 0.25 + 0.0 + 0.5) / 4)
    # suppressed by weights it is the same model
    assert found.of("dkn", "suppress", "weights", "dprob")["a"] == by_kind["Avg."]
    # without edit: (0.8 - 0.4) / 0.8 and so on
    assert found.of("none", "suppress", "values", "dprob")["a"] == pytest.approx(
        (0.5 + 0.25 + 0.0 + 0.75) / 4
    )
    assert found.of("none", "enhance", "weights", "net")["a"] == 0.0


def test_values_and_weights_are_told_apart_when_enhanced():
    none, one = [True] * 4 + [False], [True] * 5
    found = collect([row("a", all_arms(arm(BASE, right=(RIGHT, none, one))))])
    assert found.of("dkn", "enhance", "values", "gained")["a"] == 0.0
    assert found.of("dkn", "enhance", "weights", "gained")["a"] == 1.0


def test_figure_7_is_after_minus_before():
    lost = [True, True, False, True, False]  # one of three that were right
    found = collect([row("a", all_arms(arm(BASE, right=(lost, RIGHT, RIGHT))))])
    frame = tables_of(found)["figure7"].frame
    own = frame[(frame["arm"] == "dkn") & (frame["where"] == "values")].iloc[0]
    assert own["Avg."] == pytest.approx(-100 / 3)
    assert own["replace"] == pytest.approx(-50)
    assert math.isnan(own["delete"])  # it was wrong before
    assert frame.loc[frame["arm"] == "none", "Avg."].tolist() == [0.0, 0.0]


# Exclusions


def test_whoever_is_excluded_for_one_arm_is_excluded_for_all():
    rows = [
        row("fine", all_arms(arm(BASE))),
        row("extreme", all_arms(arm([0.01, 0.2, 0.1, 0.1, 0.1]))),  # dProb = -19
        row("zero", all_arms(arm([0.0, 0.2, 0.1, 0.1, 0.1]))),
        row("other", all_arms(arm(BASE), arm([0.01, 0.2, 0.1, 0.1, 0.1]))),
        row("unknown", {}, known=False, reason="not known"),
        row("lone", {}, reason="one component", too_short=["delete"]),
        failed("gone"),
    ]
    found = collect(rows)
    reasons = found.excluded
    assert reasons["extreme"] == reasons["other"] == "extreme change"
    assert reasons["zero"] == "probability zero"
    assert set(reasons.index[reasons.isna()]) == {"fine"}
    for name in (*ARMS, "none"):
        assert list(values_of(found, name, "suppress", "values", "dprob").index) == ["fine"]
        assert len(values_of(found, name, "suppress", "values", "log_odds")) == 4
    table = tables_of(found)["exclusions"].frame.set_index("what")["facts"]
    assert table["facts"] == 7
    assert table["failed"] == 1
    assert table["no comparison: not known"] == 1
    assert table["no comparison: one component"] == 1
    assert table["compared by accuracy and log-odds"] == 4
    assert table["compared by dProb"] == 1
    assert table["left out by the literal Eq 21"] == 0
    assert table["prompts too short for 'delete'"] == 1
    caused = {name: count for name, count in table.items() if "caused by" in name}
    assert sum(n for name, n in caused.items() if "zero" in name) == 1
    assert sum(n for name, n in caused.items() if "extreme" in name) == 1 + 4


# Tests of differences


def many(gap, n=16, seed=0, known=True, odds=False, noise=0.01):
    """Facts in which suppressing D costs faulty prompts more than other arms, by a gap."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        shift = noise * rng.random(6)
        arms = {
            name: arm([0.6, *(0.5 - (gap if name == "dkn" else 0.0) + shift[k] for _ in range(4))])
            for k, name in enumerate(ARMS)
        }
        if odds:  # the clean prompt falls with D too, so that log-odds fall alike
            arms["dkn"] = arm([0.3, *(0.155 + shift[5] for _ in range(4))])
            base = [0.9, 0.8, 0.8, 0.8, 0.8]
            for name in ARMS[1:]:
                arms[name] = arm([0.88, *(0.76 + shift[0] for _ in range(4))])
            rows.append(row(f"fact-{i:02}", arms, known=known, base=base))
        else:
            rows.append(row(f"fact-{i:02}", arms, known=known))
    return rows


def test_table_9_is_the_independent_test_and_then_the_paired_one():
    found = collect(many(0.1))
    tables = tables_of(found)
    ours, other = (
        100
        * np.array(
            [
                measures(BASE, RIGHT, r.stages["arms"][name]["probability"][0], RIGHT)[
                    "dprob"
                ].mean()
                for r in many(0.1)
            ]
        )
        for name in ("dkn", "kn")
    )
    own = tables["table9"].frame.query("setting == 'Suppressing, weights' and `D against` == 'N'")
    expected = independent(ours, other)
    assert own["t"].item() == pytest.approx(expected.t)
    assert own["d"].item() == pytest.approx(expected.d)
    assert len(tables["table9"].frame) == 8
    frame = tables["table9_paired"].frame
    both = frame[frame["key"] == "dprob"].set_index("D against")
    assert both.loc["kn", "difference"] == pytest.approx(paired(ours, other).difference)
    assert both.loc["kn", "d"] == pytest.approx(paired(ours, other).d)
    raw = [
        paired(
            values_of(found, "dkn", "suppress", "values", "dprob"),
            values_of(found, name, "suppress", "values", "dprob"),
        ).p_wilcoxon
        for name in both.index
    ]
    assert both["p"].tolist() == pytest.approx(holm(raw).tolist())
    enhanced = frame[frame["key"] == "gained"]
    assert len(enhanced) == 2 * 5


def said(rows):
    """Return tables and sentences, without the pictures."""
    found = collect(rows)
    tables = tables_of(found)
    return tables, findings_of(found, tables)


def claims(rows):
    return tuple(text for text in said(rows)[1] if isinstance(text, Claim))


def test_a_claim_needs_both_controls_the_log_odds_and_a_model_that_knows():
    held = claims(many(0.2))
    assert len(held) == 1
    assert held[0].startswith("Suppression")
    assert claims(many(-0.2)) == ()
    assert claims(many(0.0)) == ()
    assert claims(many(0.2, n=FEW - 1)) == ()
    assert claims(many(0.2, known=False)) == ()


def test_a_difference_below_the_margin_is_no_claim():
    tables, findings = said(many(0.003, noise=1e-4))
    cells = tables["table9_paired"].frame.query("key == 'dprob' and `D against` == 'kn'")
    assert cells["p"].item() < 0.01
    assert 0 < cells["low"].item() < cells["difference"].item() < 1
    assert not any(isinstance(text, Claim) for text in findings)
    assert any("beyond chance, but below the margin of 1 point" in text for text in findings)


def test_a_lower_clean_probability_alone_is_no_claim():
    tables, findings = said(many(0.0, odds=True))
    row9 = tables["table9_paired"].frame.query("key == 'dprob' and `D against` == 'kn'")
    assert row9["difference"].item() > 10
    assert row9["p"].item() < 0.01
    assert not any(isinstance(text, Claim) for text in findings)
    assert any("no evidence of a role in robustness" in text for text in findings)


def gaining(n=24, others=False, known=True):
    gained = [True] * 5
    rows = []
    for i in range(n):
        right = gained if i % 3 else RIGHT
        dkn = arm(BASE, right=(RIGHT, right, RIGHT))
        rows.append(row(f"fact-{i:02}", all_arms(dkn, dkn if others else arm(BASE)), known=known))
    return rows


def test_gains_are_claimed_against_both_controls_only():
    held = claims(gaining())
    assert len(held) == 1
    assert held[0].startswith("Enhancement by values")
    assert claims(gaining(others=True)) == ()
    assert claims(gaining(known=False)) == ()


# Subsets


def parts(clean, faulty):
    """Two components: without edit, the first, the second, both."""
    return {"n": 2, "k": [1, 1, 2], "clean": clean, "faulty": faulty}


def with_subsets(n=14, same=False):
    rng = np.random.default_rng(1)
    rows = []
    for i in range(n):
        e = 0.01 * rng.random()
        sudden = parts([0.8, 0.76 - e, 0.78, 0.08], [0.5, 0.5, 0.45, 0.1 + e])
        gradual = parts([0.8, 0.3, 0.4 + e, 0.2], [0.5, 0.3, 0.2, 0.1 + e])
        rows.append(
            row(
                f"fact-{i:02}",
                {},
                reason="one component",
                subsets={
                    "oracle": sudden,
                    "random:oracle": sudden if same else gradual,
                    "ntc": {"n": 9},
                },
            )
        )
    return rows


def test_subsets_by_hand():
    subsets = {
        "ntc": parts([0.8, 0.6, 0.4, 0.2], [0.5, 0.5, 0.4, 0.1]),
        "random:ntc": parts([0.8, 0.8, 0.8, 0.4], [0.5, 0.5, 0.5, 0.5]),
    }
    found = collect([row("a", {}, subsets=subsets, reason="one component")])
    own = found.subsets[found.subsets["grouping"] == "ntc"].set_index("k")
    assert own.loc[1, "Q"] == pytest.approx((0.25 + 0.5) / 2)
    assert own.loc[2, "Q"] == pytest.approx(0.75)
    assert own.loc[1, "Q*"] == pytest.approx((0.0 + 0.2) / 2)
    test = subset_tests(found).set_index("prompt")
    assert test.loc["Q", "all"] == pytest.approx(75)
    assert test.loc["Q", "largest proper"] == pytest.approx(50)
    assert test.loc["Q", "gap"] == pytest.approx(25)
    assert test.loc["Q", "gap, random"] == pytest.approx(50)
    assert test.loc["Q*", "gap"] == pytest.approx(60)


def test_planted_groups_are_claimed_against_random_groups_only():
    held = claims(with_subsets())
    assert len(held) == 2
    assert all("The groups the model was trained to have" in text for text in held)
    assert "90.0 % of the answer's probability, the worst proper subset" in held[0]
    assert claims(with_subsets(same=True)) == ()
    table = said(with_subsets())[0]["exclusions"].frame.set_index("what")["facts"]
    assert table["subsets of ntc: more than 8 components"] == 14


def test_extreme_subsets_are_left_out_of_both_sides():
    subsets = {
        "ntc": parts([0.8, 0.6, 0.4, 0.2], [0.01, 0.5, 0.005, 0.001]),
        "random:ntc": parts([0.8] * 4, [0.01] * 4),
    }
    found = collect([row("a", {}, subsets=subsets), *with_subsets(2)])
    test = subset_tests(found)
    own = test[test["grouping"] == "ntc"].set_index("prompt")
    assert own.loc["Q", "n"] == 1
    assert "Q*" not in own.index
    frame = tables_of(found)["subsets"].frame
    assert frame.loc[frame["grouping"] == "ntc", "facts Q*"].tolist() == [0, 0]


# Rows that are missing


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [failed("a"), failed("b")],
        [row("a", {}, known=False, reason="not known")],
        [row("a", {}, reason="prompt too short", base=[0.8], right=[True])],
        [row("a", all_arms(arm(BASE))), failed("b"), *with_subsets(1)],
    ],
)
def test_few_rows_do_no_harm(rows):
    summary = STUDY().summary(rows)
    assert summary.findings
    assert summary.claims == ()
    assert {"table9", "table9_paired", "exclusions"} <= set(summary.tables)
    assert bool(summary.pictures) == any(
        each.error is None and each.stages["arms"] for each in rows
    )


def test_the_order_of_rows_does_not_matter():
    rows = many(0.1, n=12)
    one, other = (said(each)[0] for each in (rows, rows[::-1]))
    for name in one:
        assert one[name].frame.to_csv() == other[name].frame.to_csv()
