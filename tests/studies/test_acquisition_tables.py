"""Tables, pictures and sentences of the acquisition study, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo.studies.acquisition.frames import collect
from neurotopo.studies.acquisition.report import TABLES, controls
from neurotopo.studies.acquisition.study import STUDY
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import holm, independent, paired
from tests.support.groupings import grouping, row_of

pytestmark = pytest.mark.usefixtures("few_suffice")


def tables_of(frames):
    return {name: table for name, make in TABLES.items() if (table := make(frames))}


NEURONS = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]


def row(fact, methods, *, known=True, sweep=None, neurons=NEURONS):
    about = {"known": known, "probability": 0.8, "neurons": neurons, "gap": 0.01, "shape": [3, 2]}
    stages = {"fact": about, "methods": methods, "sweep": sweep or {}}
    return Row(fact, {"prompt": "?", "answers": ["!"]}, stages, None, 0.1)


def failed(fact):
    return Row(fact, {"prompt": "?"}, {}, "ValueError: no", 0.1)


TWO = [[0, 2], [1, 3]]
THREE = [[0, 2], [1, 3], [4]]
ROWS = [
    row("a", {"ntc": grouping([0.1, 0.9], TWO), "random:ntc": grouping([0.4, 0.8], TWO)}),
    row("b", {"ntc": grouping([0.2, 0.6], TWO), "random:ntc": grouping([0.5, 0.6], TWO)}),
    row(
        "c",
        {"ntc": grouping([0.0, 0.1, 0.9], THREE), "random:ntc": grouping([0.3, 0.5, 0.9], THREE)},
    ),
    row(
        "d",
        {
            "ntc": grouping([0.3, 20.0], TWO, reason="extreme change"),
            "random:ntc": grouping([0.2], [[0, 1]], reason="one component"),
        },
    ),
    failed("e"),
]


def test_table_1_by_hand():
    table = tables_of(collect(ROWS))["table1"]
    ntc = row_of(table.frame, method="ntc")
    # n = 2: |0.9 - 0.1| = 0.8 and |0.6 - 0.2| = 0.4; d is excluded
    assert ntc["2"] == pytest.approx(0.6)
    # n = 3: (0.9 - 0.05) / 0.05 = 17
    assert ntc["3"] == pytest.approx(17.0)
    assert math.isnan(ntc["4"])
    assert ntc["average 2-8"] == pytest.approx(8.8)
    assert ntc["average 3-8"] == pytest.approx(17.0)
    assert ntc["above the line 3-8"] == pytest.approx(14.0)
    line = row_of(table.frame, method="straight line")
    assert line["3"] == pytest.approx(3.0)
    assert math.isnan(line["2"])


def test_counts_medians_and_jumps_by_hand():
    tables = tables_of(collect(ROWS))
    counts = row_of(tables["table1_counts"].frame, method="ntc")
    assert (counts["2"], counts["3"], counts["4"], counts["more"], counts["all"]) == (2, 1, 0, 0, 3)
    # the jumps of ntc are 80, 40 and 80 points; of random groups 40, 10 and 40
    assert row_of(tables["table1_jump"].frame, method="ntc")["all"] == pytest.approx(200 / 3)
    assert row_of(tables["table1_jump"].frame, method="random:ntc")["2"] == pytest.approx(25)
    assert row_of(tables["table1_median"].frame, method="ntc")["all"] == pytest.approx(0.8)


def test_controls_are_paired_by_fact():
    frame = controls(collect(ROWS))
    own = row_of(frame, method="ntc", measure="components")
    expected = paired([80, 40, 80], [40, 10, 40])
    assert own["n"] == 3
    assert own["difference"] == pytest.approx(expected.difference)
    assert own["p"] == pytest.approx(expected.p_wilcoxon)
    assert (own["low"], own["high"]) == pytest.approx((expected.low, expected.high))
    # before the filter: alone is 0.8 of 0.8, everything 0.8 (1 - last), so the jump is the last
    before = row_of(frame, method="ntc", measure="all potential")
    assert before["n"] == 3  # d has one random group, so there is no pair of jumps
    assert before["own"] == pytest.approx(80.0)


def test_table_7_is_the_independent_test_and_then_the_paired_one():
    tables = tables_of(collect(ROWS))
    ours, other = [0.8, 0.4, 17.0], [0.4, 0.1, (0.9 - 0.4) / 0.1]
    expected = independent(ours, other)
    cells = row_of(tables["table7"].frame, **{"NTC against": "random:ntc"})
    assert cells["t"] == pytest.approx(expected.t)
    assert cells["p"] == pytest.approx(expected.p)
    assert cells["d"] == pytest.approx(expected.d)
    assert (cells["n NTC"], cells["n other"]) == (3, 3)
    both = row_of(tables["table7_paired"].frame, measure="GCR, n = 2")
    assert both["n"] == 2
    assert both["difference"] == pytest.approx(paired([0.8, 0.4], [0.4, 0.1]).difference)


def test_p_values_are_corrected_within_a_measure():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(30):
        methods = {"ntc": grouping([0.1, 0.9], TWO)}
        for k, name in enumerate(("kmeans", "dbscan", "hierarchical")):
            methods[name] = grouping([0.1, 0.9 - 0.1 * k * rng.random()], TWO)
        rows.append(row(f"fact-{i:02}", methods))
    frames = collect(rows)
    frame = tables_of(frames)["table7_paired"].frame
    jumps = frame[frame["measure"] == "jump (points)"]
    raw = [
        paired(frames.counted("ntc")["jump"], frames.counted(name)["jump"]).p_wilcoxon
        for name in jumps["NTC against"]
    ]
    assert jumps["p"].tolist() == pytest.approx(holm(raw).tolist())


def test_exclusions_add_up():
    table = tables_of(collect(ROWS))["exclusions"]
    ntc = row_of(table.frame, method="ntc")
    assert (ntc["extreme change"], ntc["with a GCR"]) == (1, 3)
    random = row_of(table.frame, method="random:ntc")
    assert (random["one component"], random["with a GCR"]) == (1, 3)
    assert table.frame.drop(columns="method").sum(axis=1).tolist() == [4, 4]


def test_excluded_facts_are_in_no_mean():
    tables = tables_of(collect(ROWS))
    dkns = row_of(tables["dkns"].frame, method="ntc")
    assert dkns["with a DKN"] == 3
    assert dkns["components"] == pytest.approx(7 / 3)
    assert dkns["neurons"] == pytest.approx((4 + 4 + 5) / 3)
    assert dkns["all suppressed"] == pytest.approx((0.1 + 0.4 + 0.1) / 3)


def test_layers_by_hand():
    frames = collect(ROWS)
    assert frames.layers["neurons"].tolist() == [8, 8, 8]
    # a and b: neurons 0 to 3, two in each of two layers; c also neuron 4 of the last
    assert frames.layers["ntc"].tolist() == [6, 6, 1]


def test_overlap_by_hand():
    rows = [
        row(
            "a",
            {"ntc": grouping([0.1, 0.9], [[0, 1], [2, 3]]), "kmeans": grouping([0.1], [[0, 1]])},
        ),
        row("b", {"ntc": grouping([], []), "kmeans": grouping([], [])}),
    ]
    table = tables_of(collect(rows))["overlap"]
    both = row_of(table.frame, method="ntc", other="kmeans")
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
                "ntc": grouping([0.1], [[0, 1], [2, 3]], passed=passed),
                "kmeans": grouping([0.1], [[0, 1]]),
            },
        )
    ]
    assert row_of(tables_of(collect(rows))["overlap"].frame, method="ntc")["same neurons"] == 1.0


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
    rows = [row(name, {"ntc": grouping([0.1, 0.9], TWO)}, sweep=sweep) for name in "ab"]
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
        ([failed("a")], "The only fact failed: ValueError: no"),
        ([row("a", {}, known=False)], "It knows none of them"),
        ([row("a", {"ntc": grouping([], [])}, neurons=[])], "1 of 1 fact has no knowledge neuron"),
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
                    "ntc": grouping([0.1, 0.1 + high + noise[0]], TWO, alone=[0.7, 0.7]),
                    "random:ntc": grouping([0.1, 0.1 + low + noise[1]], TWO, alone=[0.7, 0.7]),
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
