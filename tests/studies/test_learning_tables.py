"""Tables, pictures and sentences of the learning study, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from neurotopo.report import write_report
from neurotopo.studies.learning.report import (
    LABELS,
    TABLES,
    collect,
    comparisons,
    gains,
    overlap_means,
    overlap_tests,
)
from neurotopo.studies.learning.study import Learning
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import holm, independent, mean_interval, paired

pytestmark = pytest.mark.usefixtures("few_suffice")

SETTING = {
    "lr": 1e-3,
    "batch_size": 16,
    "accumulation": 1,
    "epochs": 20,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "dropout": 0.1,
    "clip": 1.0,
    "patience": 5,
    "text": "both",
    "lessons": 4,
    "pretuned": 3,
}
COST = {
    "seconds": 2.0,
    "steps": 40,
    "n_trained": 100,
    "state_bytes": 800,
    "gradient_bytes": 400,
    "peak_bytes": None,
}
WHOLE = {**COST, "seconds": 4.0, "n_trained": 1000, "state_bytes": 8000, "gradient_bytes": 4000}


def summarise(rows):
    return Learning().summary(rows)


def answers(exact, first=None):
    return {"exact": list(exact), "first": list(exact if first is None else first)}


def overlap(dkn=(0.9, 0.6), kn=(0.8, 0.3), random=(0.5, 0.1), p=0.001, within=0.002):
    return {
        "multipliers": [0.01, 0.04],
        "n_changed": [12, 4],
        "sets": {"dkn": list(dkn), "kn": list(kn), "random": list(random)},
        "shares": [0.1],
        "by_share": {"dkn": [0.4], "kn": [0.2], "random": [0.1]},
        "p": {"dkn": p, "kn": 0.2, "random": 0.5},
        "p_within_layers": {"dkn": within, "kn": 0.3, "random": 0.5},
        "multiplier": 0.04,
        "maps": {name: [[1, 0, 2], [0, 1, 0]] for name in ("changed", "dkn", "kn", "random")},
    }


def row(arm, seed, new, old, au, *, before=None, cost=None, setting=None, sets=None, **more):
    n = len(new)
    was = before or {"new": answers([0] * n), "old": answers([1] * n), "au": answers([0] * n)}
    result = {
        "arm": arm,
        "seed": seed,
        "model": {"n_layers": 2, "n_neurons": 10, "n_parameters": 1000},
        "setting": setting or SETTING,
        "sets": sets or {"dkn": 4, "kn": 3, "size": 4, "topped_up": 1, "facts_with_dkn": 2},
        "before": was,
        "after": {"new": answers(new), "old": answers(old), "au": answers(au, [1] * n)},
        "curve": {
            "epoch": [0, 2],
            "step": [0, 20 + seed],
            "new": [0.0, float(np.mean(new))],
            "old": [1.0, float(np.mean(old))],
            "au": [0.0, float(np.mean(au))],
            "loss": [math.nan, 0.5],
        },
        "stopped": 18,
        "epochs": 20,
        "cost": cost or (WHOLE if arm == "all" else COST),
        "overlap": overlap() if arm == "all" else None,
        **more,
    }
    content = {"arm": arm, "seed": seed, "facts": "abc", "n_facts": n}
    return Row(f"{arm}, seed {seed}", content, {"result": result}, None, 1.0)


def failed(arm, seed, n=4):
    content = {"arm": arm, "seed": seed, "facts": "abc", "n_facts": n}
    return Row(f"{arm}, seed {seed}", content, {}, "ValueError: no", 0.1)


ROWS = [
    row("dkn", 0, [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]),
    row("dkn", 1, [1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0]),
    row("all", 0, [1, 1, 1, 1], [0, 0, 1, 0], [1, 1, 1, 0]),
    row("all", 1, [1, 1, 1, 1], [0, 1, 0, 0], [1, 1, 0, 0]),
    row("random", 0, [0, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 0]),
    failed("random", 1),
]


def cells(frame, **where):
    frame = getattr(frame, "frame", frame)
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_table_2_by_hand():
    table = TABLES["table2"](collect(ROWS))
    assert table.frame["arm"].tolist() == ["before training", "dkn", "random", "all"]
    dkn = cells(table, arm="dkn")
    assert dkn["seeds"] == 2
    # 3 and 2 of 4; the means of the three sets are (75 + 100 + 50) / 3 and (50 + 75 + 25) / 3
    assert dkn["new"] == pytest.approx(62.5)
    low, high = mean_interval([75, 50])[1:]
    assert low < 0 < 100 < high  # of two seeds; a share cannot be there
    assert (dkn["new low"], dkn["new high"]) == (0, 100)
    assert (dkn["old"], dkn["au"]) == pytest.approx((87.5, 37.5))
    assert (dkn["mean"], dkn["mean low"], dkn["mean high"]) == pytest.approx((62.5, 0, 100))
    random = cells(table, arm="random")
    assert (random["seeds"], random["new"]) == (1, 25)
    assert math.isnan(random["new low"])
    before = cells(table, arm="before training")
    assert (before["seeds"], before["new"], before["old"]) == (2, 0, 100)
    assert before["mean"] == pytest.approx(100 / 3)


def test_the_first_token_has_a_table_of_its_own():
    first = cells(TABLES["table2_first"](collect(ROWS)), arm="dkn")
    assert (first["new"], first["au"]) == pytest.approx((62.5, 100))


def test_table_8_is_the_independent_test_pooled_over_shared_seeds():
    table = TABLES["table8"](collect(ROWS))
    found = cells(table, set="old", **{"dkn against": "all"})
    expected = independent([1, 1, 1, 1, 1, 1, 1, 0], [0, 0, 1, 0, 0, 1, 0, 0])
    assert found["n"] == 8
    assert (found["t"], found["p"], found["d"]) == pytest.approx(
        (expected.t, expected.p, expected.d)
    )
    # of random there is the seed 0 only
    assert cells(table, set="old", **{"dkn against": "random"})["n"] == 4


def test_paired_tests_are_over_facts_on_the_mean_over_seeds():
    frame = comparisons(collect(ROWS))
    own = cells(frame, set="old", arm="all")
    expected = paired([100, 100, 100, 50], [0, 50, 50, 0])
    assert (own["n"], own["seeds"], own["above"], own["below"]) == (4, 2, 2, 0)
    assert (own["difference"], own["low"], own["high"], own["d"]) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.d)
    )
    other = paired([100, 100, 100, 100], [100, 100, 0, 100])  # seed 0 of random
    adjusted = holm([other.p_wilcoxon, expected.p_wilcoxon])
    assert own["p"] == pytest.approx(adjusted[1])
    assert cells(frame, set="old", arm="random")["p"] == pytest.approx(adjusted[0])
    # facts of dkn: new 100, 50, 100, 0; old 100, 100, 100, 50; au 100, 50, 0, 0
    mean = cells(frame, set="mean", arm="all")
    assert mean["dkn"] == pytest.approx(np.mean([300, 200, 200, 50]) / 3)
    assert mean["n"] == 4


def test_gains_are_against_the_model_as_it_was():
    frame = gains(collect(ROWS))
    new = cells(frame, set="new", arm="dkn")
    assert (new["before"], new["after"], new["gain"]) == pytest.approx((0, 62.5, 62.5))
    assert cells(frame, set="old", arm="all")["gain"] == pytest.approx(-75)
    raw = [paired(a, [0] * 4).p_wilcoxon for a in ([1, 0.5, 1, 0], [0, 0, 1, 0], [1] * 4)]
    assert frame[frame["set"] == "new"]["p"].tolist() == pytest.approx(holm(raw).tolist())


def test_facts_of_other_digests_are_other_facts():
    strange = row("all", 0, [1, 1], [1, 1], [1, 1])
    strange.content["facts"] = "other"
    frame = comparisons(collect([ROWS[0], strange]))
    assert (frame["n"] == 0).all()
    assert "too few facts" in " ".join(summarise([ROWS[0], strange]).findings)


def test_table_11_by_hand():
    table = TABLES["table11"](collect(ROWS))
    dkn = cells(table, arm="dkn")
    assert (dkn["seconds / all"], dkn["trained / all"], dkn["bytes / all"]) == pytest.approx(
        (0.5, 0.1, 0.1)
    )
    assert (dkn["ms per step"], dkn["epochs"]) == pytest.approx((50, 18))
    assert (dkn["seconds"], dkn["state + gradient bytes"]) == (2, 1200)
    assert math.isnan(dkn["peak_bytes"])
    assert cells(table, arm="all")["seconds / all"] == 1
    without = TABLES["table11"](collect(ROWS[:2]))
    assert math.isnan(cells(without, arm="dkn")["seconds / all"])


def test_sets_and_trials():
    tables = summarise(ROWS).tables
    sets = cells(tables["sets"], seed=0)
    assert (sets["n_dkn"], sets["n_kn"], sets["topped_up"], sets["size"]) == (4, 3, 1, 4)
    assert sets["share of all"] == pytest.approx(4 / 20)
    trials = tables["trials"].frame
    assert len(trials) == 6
    assert cells(trials, arm="random", seed=1)["error"] == "ValueError: no"


def test_overlap_means_by_hand():
    rows = [
        row("all", 0, [1], [1], [1]),
        row("all", 1, [1], [1], [1], overlap=overlap(dkn=[0.7, 0.2])),
    ]
    frame = overlap_means(collect(rows))
    first = cells(frame, by="multiplier", value=0.04)
    assert (first["dkn"], first["kn"], first["n_changed"], first["seeds"]) == pytest.approx(
        (0.4, 0.3, 4, 2)
    )
    assert first["chance"] == pytest.approx(4 / 20)
    share = cells(frame, by="share", value=0.1)
    assert (share["dkn"], share["chance"]) == pytest.approx((0.4, 0.1))
    assert math.isnan(share["n_changed"])
    tests = overlap_tests(collect(rows))
    assert cells(tests, seed=1, set="dkn")["overlap"] == pytest.approx(0.2)
    assert cells(tests, seed=1, set="dkn")["p within layers"] == pytest.approx(0.002)


def test_sets_that_are_empty_have_no_overlap():
    one = overlap()
    for part in ("sets", "by_share", "p", "p_within_layers", "maps"):
        del one[part]["kn"]
    found = collect([row("all", 0, [1], [1], [1], overlap=one)])
    assert overlap_means(found)["kn"].isna().all()
    assert set(overlap_tests(found)["set"]) == {"dkn", "random"}
    assert "figure5" in summarise([row("all", 0, [1], [1], [1], overlap=one)]).pictures


def test_the_setting_stands_beside_the_paper_and_tells_arms_apart():
    rows = [*ROWS, row("lora", 0, [1] * 4, [1] * 4, [1] * 4, setting={**SETTING, "lr": 0.01})]
    table = TABLES["setting"](collect(rows))
    rate = cells(table, what="learning rate")
    assert rate["paper"] == "3e-5"
    assert rate["here"] == "0.001 (Θ(D), Θ(Rnd), Θ(All)); 0.01 (LoRA)"
    assert cells(table, what="batch size")["here"] == "16"
    assert cells(table, what="optimizer")["here"] == "AdamW"
    assert cells(table, what="random seeds")["here"] == "0, 1"
    assert "same lr" in " ".join(summarise(rows).findings)


def test_the_order_of_the_rows_does_not_matter():
    one, other = summarise(ROWS), summarise(ROWS[::-1])
    pd.testing.assert_frame_equal(one.rows, other.rows)
    assert one.findings == other.findings
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table.frame, other.tables[name].frame)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "No trial has been worked on"),
        ([failed("dkn", 0)], "The only trial failed: ValueError: no"),
        (ROWS, "1 of 6 trials failed: Θ(Rnd) (seed 1); the first: ValueError: no"),
        (ROWS, "There are 2 seeds, but some arms have fewer: Θ(Rnd) 1"),
        (ROWS[:1], "There is one seed only"),
        (ROWS[2:4], "Whether anything was learned: too few facts"),
        (
            [ROWS[0], row("lora", 0, [1] * 4, [1] * 4, [1] * 4, cost=WHOLE)],
            "LoRA trains 10 times the parameters of Θ(D)",
        ),
    ],
)
def test_runs_that_are_not_whole(rows, said, tmp_path):
    summary = summarise(rows)
    assert said in " ".join(summary.findings)
    write_report(summary, tmp_path)


def many(new, old, *, seeds=2, n=60, before=None, **more):
    """Make trials in which arms answer given shares of the new and old facts."""
    rows = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(n)
        for arm in new:
            learned = (order < new[arm] * n).astype(int).tolist()
            kept = (order[::-1] < old[arm] * n).astype(int).tolist()
            rows.append(row(arm, seed, learned, kept, learned, before=before, **more.get(arm, {})))
    return rows


FORGETTING = many(
    {"dkn": 0.8, "kn": 0.78, "random": 0.1, "random_layers": 0.2, "all": 0.9, "lora": 0.8},
    {"dkn": 0.95, "kn": 0.93, "random": 1.0, "random_layers": 1.0, "all": 0.3, "lora": 0.7},
    seeds=3,
)


def test_claims_follow_the_numbers():
    said = " ".join(summarise(FORGETTING).findings)
    assert "The most after training: Θ(All) (90.0 %)." in said
    assert "Full fine-tuning forgets more than Θ(D)" in said
    assert "Θ(D) against Θ(Rnd) (60 facts, 3 seeds): new facts better" in said
    against_kn = said[said.index("Θ(D) against Θ(N)") :].split(" Θ(D) against")[0]
    assert "better" not in against_kn
    assert "worse" not in against_kn
    assert "25% of Θ(N) are DKNs that were added" in said
    assert "more than chance (p = 0.001 or less in each seed), within layers too" in said
    assert "Θ(N) (30.0%): that of D is larger in 3 of 3 seeds; Θ(Rnd) (10.0%): that of D" in said
    assert "10.00% of the memory for gradients" in said
    assert "50% of the time (50% for a step)" in said


def test_a_difference_in_some_seeds_only_is_said():
    rows = many({"dkn": 0.9, "random": 0.1}, {"dkn": 1.0, "random": 1.0}, seeds=2)
    rows += [
        row("dkn", 2, [1] * 6 + [0] * 54, [1] * 60, [0] * 60),
        row("random", 2, [1] * 12 + [0] * 48, [1] * 60, [0] * 60),
    ]
    assert "but in 2 of 3 seeds only" in " ".join(summarise(rows).findings)


def test_nothing_learned_is_said_and_nothing_else_claimed():
    rows = many({"dkn": 0.0, "all": 0.02}, {"dkn": 1.0, "all": 0.4})
    said = " ".join(summarise(rows).findings)
    assert "No arm has learned the new facts" in said
    assert "Neither has learned the new facts." in said
    assert "new facts no difference beyond chance" in said
    alone = " ".join(summarise(many({"dkn": 0.0, "all": 0.9}, {"dkn": 1.0, "all": 0.4})).findings)
    assert "Θ(D) has not learned the new facts, so keeping old ones is easy for it." in alone
    assert "But only full fine-tuning has learned the new facts." in alone


def test_a_gain_below_the_margin_is_none():
    rows = many({"dkn": 0.0075, "random": 0.0}, {"dkn": 1.0, "random": 1.0}, seeds=1, n=2000)
    summary = summarise(rows)
    gained = cells(gains(collect(rows)), arm="dkn", set="new")
    assert gained["p"] < 0.01
    assert 0 < gained["low"] < gained["gain"] < gained["margin"] == 1
    assert summary.claims == ()
    said = " ".join(summary.findings)
    assert "no gain beyond chance of at least the margin of 1 point" in said
    assert "new facts a difference beyond chance, but below the margin of 1 point (+0.8" in said


def test_no_old_fact_known_is_said():
    before = {name: answers([0] * 60) for name in ("new", "old", "au")}
    rows = many({"dkn": 0.5, "all": 0.5}, {"dkn": 0.0, "all": 0.0}, before=before)
    said = " ".join(summarise(rows).findings)
    assert "knows no old fact" in said
    assert "Old facts are kept best" not in said
    assert "forgets more" not in said


def test_no_dkns_is_said():
    empty = {"dkn": 0, "kn": 7, "size": 0, "topped_up": 0, "facts_with_dkn": 0}
    rows = many({"all": 0.9}, {"all": 0.4}, all={"sets": empty, "overlap": None})
    said = " ".join(summarise([*rows, failed("dkn", 0)]).findings)
    assert "No DKNs were found" in said


@pytest.mark.parametrize(
    ("p", "within", "said"),
    [
        (0.3, 0.4, "no more than by chance (p = 0.3)"),
        (0.001, 0.4, "no more than its layers explain"),
        (math.nan, math.nan, "no more than by chance (no test possible)"),
    ],
)
def test_the_overlap_by_chance(p, within, said):
    rows = [row("all", 0, [1], [1], [1], overlap=overlap(p=p, within=within))]
    assert said in " ".join(summarise(rows).findings)


def test_an_overlap_of_everything_is_said():
    one = overlap()
    one["n_changed"] = [20, 19]
    rows = [row("all", 0, [1], [1], [1], overlap=one)]
    assert "every set overlaps" in " ".join(summarise(rows).findings)


def test_arms_that_begin_unlike_are_told():
    before = {name: answers([1, 0, 0, 0]) for name in ("new", "old", "au")}
    rows = [ROWS[0], row("all", 0, [1] * 4, [1] * 4, [1] * 4, before=before)]
    assert "did not all begin with the same answers" in " ".join(summarise(rows).findings)


def test_a_whole_run_is_drawn_and_written(tmp_path):
    summary = summarise(FORGETTING)
    assert list(summary.pictures) == ["curves", "trade_off", "figure5"]
    assert list(summary.tables) == [
        "table2",
        "table2_first",
        "gains",
        "table8",
        "table8_paired",
        "table11",
        "sets",
        "overlap",
        "overlap_p",
        "setting",
        "trials",
    ]
    assert len(summary.rows) == len(LABELS) * 3 * 3 * 60
    files = write_report(summary, tmp_path)
    assert (tmp_path / "report.html") in files
    assert (tmp_path / "figures" / "curves.png").stat().st_size > 1000
    assert "does training them teach" in (tmp_path / "report.html").read_text(encoding="utf-8")
