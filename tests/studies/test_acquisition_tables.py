"""Tables, pictures and sentences of the acquisition study, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo.knowledge.gcr import gcr, jump, partial_spread
from neurotopo.studies.acquisition.frames import collect
from neurotopo.studies.acquisition.report import TABLES, controls
from neurotopo.studies.acquisition.study import STUDY
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import holm, independent, paired


def tables_of(frames):
    return {name: table for name, make in TABLES.items() if (table := make(frames))}


NEURONS = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]


def result(curve, groups, *, reason=None, passed=None, alone=None, everything=None, base=0.8):
    curve = list(curve)
    if passed is None:
        passed = [True] * len(groups)
    alone = [base] * len(groups) if alone is None else alone
    everything = base * (1 - (curve[-1] if curve else 0)) if everything is None else everything
    return {
        "sizes": [len(group) for group in groups],
        "groups": groups,
        "passed": passed,
        "alone": alone,
        "base": base,
        "none": base * (1 - curve[-1]) if curve else base,
        "curve": curve,
        "gcr": gcr(curve),
        "sigma": partial_spread(curve),
        "jump": jump(curve),
        "everything": everything,
        "potential_jump": (np.mean(alone) - everything) / base if len(groups) > 1 else math.nan,
        "eq2_gap": 0.0,
        "eq2": True,
        "eq3_ratio": 0.1,
        "eq3": bool(curve) and curve[-1] > 0.5,
        "reason": reason,
    }


def row(fact, methods, *, known=True, sweep=None, neurons=NEURONS):
    about = {"known": known, "probability": 0.8, "neurons": neurons, "gap": 0.01, "shape": [3, 2]}
    stages = {"fact": about, "methods": methods, "sweep": sweep or {}}
    return Row(fact, {"prompt": "?", "answers": ["!"]}, stages, None, 0.1)


def failed(fact):
    return Row(fact, {"prompt": "?"}, {}, "ValueError: no", 0.1)


TWO = [[0, 2], [1, 3]]
THREE = [[0, 2], [1, 3], [4]]
ROWS = [
    row("a", {"ntc": result([0.1, 0.9], TWO), "random:ntc": result([0.4, 0.8], TWO)}),
    row("b", {"ntc": result([0.2, 0.6], TWO), "random:ntc": result([0.5, 0.6], TWO)}),
    row("c", {"ntc": result([0.0, 0.1, 0.9], THREE), "random:ntc": result([0.3, 0.5, 0.9], THREE)}),
    row(
        "d",
        {
            "ntc": result([0.3, 20.0], TWO, reason="extreme change"),
            "random:ntc": result([0.2], [[0, 1]], reason="one component"),
        },
    ),
    failed("e"),
]


def cells(table, **where):
    frame = table.frame
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_table_1_by_hand():
    table = tables_of(collect(ROWS))["table1"]
    ntc = cells(table, method="ntc")
    # n = 2: |0.9 - 0.1| = 0.8 and |0.6 - 0.2| = 0.4; d is excluded
    assert ntc["2"] == pytest.approx(0.6)
    # n = 3: (0.9 - 0.05) / 0.05 = 17
    assert ntc["3"] == pytest.approx(17.0)
    assert math.isnan(ntc["4"])
    assert ntc["average 2-8"] == pytest.approx(8.8)
    assert ntc["average 3-8"] == pytest.approx(17.0)
    assert ntc["above the line 3-8"] == pytest.approx(14.0)
    line = cells(table, method="straight line")
    assert line["3"] == pytest.approx(3.0)
    assert math.isnan(line["2"])


def test_counts_medians_and_jumps_by_hand():
    tables = tables_of(collect(ROWS))
    counts = cells(tables["table1_counts"], method="ntc")
    assert (counts["2"], counts["3"], counts["4"], counts["more"], counts["all"]) == (2, 1, 0, 0, 3)
    # the jumps of ntc are 80, 40 and 80 points; of random groups 40, 10 and 40
    assert cells(tables["table1_jump"], method="ntc")["all"] == pytest.approx(200 / 3)
    assert cells(tables["table1_jump"], method="random:ntc")["2"] == pytest.approx(25)
    assert cells(tables["table1_median"], method="ntc")["all"] == pytest.approx(0.8)


def test_controls_are_paired_by_fact():
    frame = controls(collect(ROWS))
    own = cells_of(frame, method="ntc", measure="components")
    expected = paired([80, 40, 80], [40, 10, 40])
    assert own["n"] == 3
    assert own["difference"] == pytest.approx(expected.difference)
    assert own["p"] == pytest.approx(expected.p_wilcoxon)
    assert (own["low"], own["high"]) == pytest.approx((expected.low, expected.high))
    # before the filter: alone is 0.8 of 0.8, everything 0.8 (1 - last), so the jump is the last
    before = cells_of(frame, method="ntc", measure="all potential")
    assert before["n"] == 3  # d has one random group, so there is no pair of jumps
    assert before["jump"] == pytest.approx(80.0)


def cells_of(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_table_7_is_the_independent_test_and_then_the_paired_one():
    tables = tables_of(collect(ROWS))
    ours, other = [0.8, 0.4, 17.0], [0.4, 0.1, (0.9 - 0.4) / 0.1]
    expected = independent(ours, other)
    found = cells(tables["table7"], **{"NTC against": "random:ntc"})
    assert found["t"] == pytest.approx(expected.t)
    assert found["p"] == pytest.approx(expected.p)
    assert found["d"] == pytest.approx(expected.d)
    assert (found["n NTC"], found["n other"]) == (3, 3)
    both = cells(tables["table7_paired"], measure="GCR, n = 2")
    assert both["n"] == 2
    assert both["difference"] == pytest.approx(paired([0.8, 0.4], [0.4, 0.1]).difference)


def test_p_values_are_corrected_within_a_measure():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(30):
        methods = {"ntc": result([0.1, 0.9], TWO)}
        for k, name in enumerate(("kmeans", "dbscan", "hierarchical")):
            methods[name] = result([0.1, 0.9 - 0.1 * k * rng.random()], TWO)
        rows.append(row(f"fact-{i:02}", methods))
    found = collect(rows)
    frame = tables_of(found)["table7_paired"].frame
    jumps = frame[frame["measure"] == "jump (points)"]
    raw = [
        paired(found.counted("ntc")["jump"], found.counted(name)["jump"]).p_wilcoxon
        for name in jumps["NTC against"]
    ]
    assert jumps["p"].tolist() == pytest.approx(holm(raw).tolist())


def test_exclusions_add_up():
    table = tables_of(collect(ROWS))["exclusions"]
    ntc = cells(table, method="ntc")
    assert (ntc["extreme change"], ntc["with a GCR"]) == (1, 3)
    random = cells(table, method="random:ntc")
    assert (random["one component"], random["with a GCR"]) == (1, 3)
    assert table.frame.drop(columns="method").sum(axis=1).tolist() == [4, 4]


def test_excluded_facts_are_in_no_mean():
    tables = tables_of(collect(ROWS))
    dkns = cells(tables["dkns"], method="ntc")
    assert dkns["with a DKN"] == 3
    assert dkns["components"] == pytest.approx(7 / 3)
    assert dkns["neurons"] == pytest.approx((4 + 4 + 5) / 3)
    assert dkns["all suppressed"] == pytest.approx((0.1 + 0.4 + 0.1) / 3)


def test_layers_by_hand():
    found = collect(ROWS)
    assert found.layers["neurons"].tolist() == [8, 8, 8]
    # a and b: neurons 0 to 3, two in each of two layers; c also neuron 4 of the last
    assert found.layers["ntc"].tolist() == [6, 6, 1]


def test_overlap_by_hand():
    rows = [
        row("a", {"ntc": result([0.1, 0.9], [[0, 1], [2, 3]]), "kmeans": result([0.1], [[0, 1]])}),
        row("b", {"ntc": result([], []), "kmeans": result([], [])}),
    ]
    table = tables_of(collect(rows))["overlap"]
    both = cells(table, method="ntc", other="kmeans")
    # neurons: 2 in both of 4; pairs: (0, 1) in both of (0, 1), (2, 3); b has no component at all
    assert both["same neurons"] == pytest.approx(0.5)
    assert both["same groups"] == pytest.approx(0.5)
    assert both["n"] == 1


def test_only_what_passed_counts_as_overlap():
    passed = [True, False]
    rows = [
        row(
            "a",
            {
                "ntc": result([0.1], [[0, 1], [2, 3]], passed=passed),
                "kmeans": result([0.1], [[0, 1]]),
            },
        )
    ]
    assert cells(tables_of(collect(rows))["overlap"], method="ntc")["same neurons"] == 1.0


def test_the_sweep():
    sweep = {
        "tau1": [0.3, 0.5],
        "tau2": [0.1, 0.1],
        "n": [2, 3],
        "gcr": [0.5, 4.0],
        "jump": [0.5, 0.4],
        "reason": [None, None],
        "random_n": [2, 1],
        "random_gcr": [0.1, math.nan],
        "random_jump": [0.1, math.nan],
        "random_reason": [None, "one component"],
    }
    rows = [row(name, {"ntc": result([0.1, 0.9], TWO)}, sweep=sweep) for name in "ab"]
    table = tables_of(collect(rows))["sweep"]
    first, second = table.frame.to_dict("records")
    assert (first["facts NTC"], first["jump NTC"]) == (2, pytest.approx(50.0))
    assert math.isnan(first["above the line NTC"])  # n = 2 has no line
    assert second["above the line NTC"] == pytest.approx(1.0)
    assert second["facts random"] == 0
    assert math.isnan(second["jump random"])


def test_the_order_of_the_rows_does_not_matter():
    one, other = STUDY().summary(ROWS), STUDY().summary(ROWS[::-1])
    assert one.rows.equals(other.rows)
    assert one.findings == other.findings
    for name, table in one.tables.items():
        assert table.frame.equals(other.tables[name].frame)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "No fact has been worked on"),
        ([failed("a")], "All 1 facts failed; the first: ValueError: no"),
        ([row("a", {}, known=False)], "It knows none of them"),
        ([row("a", {"ntc": result([], [])}, neurons=[])], "no knowledge neuron at all"),
    ],
)
def test_runs_with_nothing_to_show(rows, said):
    summary = STUDY().summary(rows)
    assert said in " ".join(summary.findings)
    for table in summary.tables.values():
        assert list(table.frame.columns) is not None


def test_a_run_with_everything_is_drawn():
    summary = STUDY().summary(ROWS)
    assert list(summary.pictures) == ["figure3", "figure4", "controls"]
    lines = summary.pictures["figure4"].figure.axes
    assert len(lines) >= 2
    assert "too few facts for a claim" in " ".join(summary.findings)


def many(low, high, n=40):
    """Make facts on which NTC jumps by ``high`` and random groups by ``low`` points or so."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        noise = 0.05 * rng.random(2)
        rows.append(
            row(
                f"fact-{i:02}",
                {
                    "ntc": result([0.1, 0.1 + high + noise[0]], TWO, alone=[0.7, 0.7]),
                    "random:ntc": result([0.1, 0.1 + low + noise[1]], TWO, alone=[0.7, 0.7]),
                },
            )
        )
    return rows


@pytest.mark.parametrize(
    ("low", "high", "said", "unsaid"),
    [
        (0.1, 0.6, "more degenerate than random groups", "no difference beyond"),
        (0.6, 0.1, "less degenerate than random groups", "more degenerate than random"),
        (0.3, 0.3, "no difference beyond chance", "more degenerate than random"),
    ],
)
def test_claims_follow_the_numbers(low, high, said, unsaid):
    findings = " ".join(STUDY().summary(many(low, high)).findings)
    assert said in findings
    assert unsaid not in findings
