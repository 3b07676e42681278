"""Tables, pictures and sentences of the choices study, from stored results made by hand."""

from __future__ import annotations

import numpy as np
import pytest

import neurotopo as nt
from neurotopo.models.examples import random_model
from neurotopo.report.summary import Claim
from neurotopo.studies.choices.report import (
    TABLES,
    agreement,
    changes,
    collect,
    controls,
    recovered,
)
from neurotopo.studies.choices.study import STUDY
from neurotopo.studies.statistics import holm, paired
from tests.support.choices import NAMES, NAN, failed, many, nothing, result, row

pytestmark = pytest.mark.usefixtures("few_suffice")

ROWS = [
    row(
        "a",
        {
            "default": result(0.5, [0.2, 0.4]),
            "signed": result(0.6, 0.1, ari=0.2, same=False, jaccard=0.5),
            "max": result(0.5, [0.2, 0.4]),
        },
    ),
    row(
        "b",
        {
            "default": result(0.3, 0.2),
            "signed": result(0.1, 0.3, ari=0.4, same=False, jaccard=0.0),
            "max": result(0.3, 0.2),
        },
    ),
    row("c", {"default": result(0.4, 0.4), "signed": nothing(), "max": result(0.4, 0.4)}),
    row(
        "d",
        {
            "default": result(0.4, 0.1),
            "signed": result(30.0, 0.1, extreme=True, ari=0.0, same=False),
            "max": result(0.4, 0.1),
        },
    ),
    failed("e"),
]


def one(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_controls_by_hand():
    frame = controls(collect(ROWS))
    usual = one(frame, variation="default", measure="all clusters")
    # random groups are means over the draws; d is excluded for all, c has no other jump
    expected = paired([50, 30, 40], [30, 20, 40])
    assert usual["n"] == 3
    assert usual["jump"] == pytest.approx(40.0)
    assert usual["difference"] == pytest.approx(expected.difference)
    assert (usual["low"], usual["high"]) == pytest.approx((expected.low, expected.high))
    signed = one(frame, variation="signed", measure="all clusters")
    assert signed["n"] == 2
    assert signed["difference"] == pytest.approx((50 - 20) / 2)
    # the facts where all have two clusters are a and b
    common = one(frame, variation="default", measure="common facts")
    assert (common["n"], common["difference"]) == (2, pytest.approx(15.0))


def test_p_values_are_corrected_over_all_variations():
    rng = np.random.default_rng(0)
    rows, values = [], {name: [] for name in NAMES}
    for i in range(25):
        variations = {}
        for k, name in enumerate(NAMES):
            own, random = 0.5 + 0.1 * k * rng.random(), 0.5 + 0.1 * rng.random()
            values[name].append((own, random))
            variations[name] = result(own, random)
        rows.append(row(f"fact-{i:02}", variations))
    frame = controls(collect(rows))
    raw = [paired(*np.transpose(values[name])).p_wilcoxon for name in NAMES]
    found = frame[frame["measure"] == "all clusters"]
    assert found["variation"].tolist() == list(NAMES)
    np.testing.assert_allclose(found["p"], holm(raw))


def test_known_facts_stand_alone():
    rows = [
        row(f"fact-{i:02}", {"default": result(0.5, 0.1 if i % 2 else 0.4)}, known=bool(i % 2))
        for i in range(20)
    ]
    frame = controls(collect(rows))
    assert one(frame, measure="all clusters")["difference"] == pytest.approx(25.0)
    known = one(frame, measure="known facts")
    assert (known["n"], known["difference"]) == (10, pytest.approx(40.0))


def test_changes_by_hand():
    frame = changes(collect(ROWS))
    signed = one(frame, variation="signed")
    # a: (60 - 10) - (50 - 30) = 30; b: (10 - 30) - (30 - 20) = -30
    assert signed["n"] == 2
    assert signed["change"] == pytest.approx(0.0)
    assert signed["own"] == pytest.approx(15.0)
    assert one(frame, variation="max")["change"] == 0.0
    assert "default" not in set(frame["variation"])


def test_agreement_by_hand():
    frame = agreement(collect(ROWS))
    signed = one(frame, variation="signed")
    assert signed["facts"] == 4  # how clusters look is not a matter of Eq 18
    assert signed["ARI"] == pytest.approx((0.2 + 0.4 + 0.0 + 0.0) / 4)
    assert (signed["n same"], signed["same"]) == (0, 0.0)
    assert signed["D"] == pytest.approx((0.5 + 0.0 + 0.0 + 1.0) / 4)
    same = one(frame, variation="max")
    assert (same["ARI"], same["n same"]) == (1.0, 4)
    assert same["ARI high"] <= 1.0


def test_facts_where_neither_has_a_cluster_say_nothing():
    rows = [
        *ROWS,
        row("f", {name: nothing(clustered=False) for name in ("default", "signed", "max")}),
    ]
    assert one(agreement(collect(rows)), variation="signed")["facts"] == 4
    exclusions = TABLES["exclusions"](collect(rows)).frame
    assert one(exclusions, variation="default")["no cluster"] == 1


def test_the_table_begins_with_what_changes_most():
    frame = TABLES["choices"](collect(ROWS)).frame
    assert frame["variation"].tolist() == ["default", "signed", "max"]
    assert "ARI planted" not in frame
    assert one(frame, variation="signed")["choice"] == "distance"


def test_exclusions_add_up():
    frame = TABLES["exclusions"](collect(ROWS)).frame
    signed = one(frame, variation="signed")
    usual = one(frame, variation="default")
    # what excludes d for one excludes it for all
    assert signed["extreme change"] == usual["extreme change"] == 1
    assert (signed["no cluster"], signed["two components"]) == (1, 2)
    assert usual["two components"] == 3
    counts = frame.drop(columns=["variation", "facts", "of random groups too"])
    assert counts.sum(axis=1).tolist() == frame["facts"].tolist() == [4, 4, 4]


def test_a_probability_of_zero_excludes_for_all():
    rows = [row("a", {"default": result(NAN, NAN, base=0.0, reason="probability zero")})]
    frame = TABLES["exclusions"](collect(rows)).frame
    assert one(frame, variation="default")["probability zero"] == 1


def test_outcomes_by_hand():
    rows = [
        row("a", {"default": result(0.5, 0.2, n=3)}),
        row("b", {"default": result(0.3, 0.2)}),
        row("c", {"default": result(0.1, 0.2, n=1) | {"jump": NAN}}),
    ]
    usual = one(TABLES["outcomes"](collect(rows)).frame, variation="default")
    assert (usual["two clusters"], usual["two components"]) == (3, 2)
    assert usual["components"] == pytest.approx(2.5)
    assert usual["jump of all"] == pytest.approx(30.0)
    assert usual["jump"] == pytest.approx(40.0)
    # the ratio of two components is none
    assert (usual["n GCR"], usual["GCR"], usual["above the line"]) == (1, 4.0, pytest.approx(1.0))


def test_planted_groups_by_hand():
    rows = []
    for i in range(12):
        usual = result(0.5, 0.2, ari_planted=0.5 + 0.01 * i, ari_planted_random=0.0)
        other = result(0.5, 0.2, ari_planted=0.9 + 0.005 * i, ari_planted_random=0.1)
        rows.append(row(f"fact-{i:02}", {"default": usual, "signed": other}, planted=True))
    summary = STUDY().summary(rows)
    frame = recovered(collect(rows))
    signed = one(frame, variation="signed")
    assert signed["ARI"] == pytest.approx(0.9 + 0.005 * 5.5)
    assert signed["random"] == pytest.approx(0.1)
    assert signed["change"] == pytest.approx(0.4 - 0.005 * 5.5)
    assert one(frame, variation="default")["n"] == 0
    assert summary.tables["planted"].frame["variation"].tolist() == ["signed", "default"]
    assert one(summary.tables["choices"].frame, variation="default")["ARI planted"] > 0
    said = " ".join(summary.findings)
    assert "recovered best with signed" in said
    assert "better with signed" in said
    assert "planted" in summary.pictures


# Sentences


def test_a_claim_where_it_stands():
    summary = STUDY().summary(many(0.6, 0.1))
    assert len(summary.claims) == 1
    assert "with 2 of 2 variations: default (+" in summary.claims[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (many(0.6, 0.1, known=False), "but not over those that the model knows"),
        (many(0.1, 0.6), "maller jump than random groups: default, signed"),
        (many(0.3, 0.3), "With no variation do clusters jump more"),
        (many(0.305, 0.3, noise=0.001), "below the margin of 1 point: default, signed"),
        (many(0.6, 0.1, n=5), "ewer than 10 facts, too few to say: default, signed"),
    ],
)
def test_no_claim_where_it_does_not(rows, said):
    summary = STUDY().summary(rows)
    assert summary.claims == ()
    assert said in " ".join(summary.findings)
    assert not any(isinstance(finding, Claim) for finding in summary.findings)


def test_half_of_the_facts_must_be_known():
    rows = [*many(0.6, 0.1, n=39, known=False), *many(0.6, 0.1, n=80)[39:]]
    assert len(STUDY().summary(rows).claims) == 1
    rows = [*many(0.6, 0.1, n=60, known=False), *many(0.6, 0.1, n=80)[60:]]
    assert STUDY().summary(rows).claims == ()


def test_what_changes_the_outcome_is_named():
    findings = " ".join(STUDY().summary(many(0.5, 0.2, tau=0.9)).findings)
    assert "differs from the default with tau=0.3 (+" in findings
    assert "with none of 1 other variation" in findings
    assert "Of 1 variation none changes" in " ".join(STUDY().summary(many(0.5, 0.2)).findings)


def test_what_changes_clusters_is_named_and_what_matters_more():
    findings = " ".join(STUDY().summary(many(0.5, 0.2, tau=0.5)).findings)
    assert "change most" in findings
    assert "signed (distance, 0.300)" in findings
    assert "how the graph is made can change clusters more" in findings


def test_the_theorem_is_checked_and_not_taken_for_granted():
    assert "max change no cluster of any of 4 facts" in " ".join(STUDY().summary(ROWS).findings)
    wrong = [row("a", {"default": result(0.5, 0.2), "max": result(0.5, 0.2, ari=0.9, same=False)})]
    assert "do so in 1 case:" in " ".join(STUDY().summary(wrong).findings)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "No fact has been worked on"),
        ([failed("a")], "The only fact failed: ValueError: no"),
        ([row("a", {}, known=False)], "It knows none of them"),
        ([row("a", {"default": nothing(clustered=False)})], "No fact has a cluster"),
        (
            [row("a", {name: nothing(clustered=False) for name in ("default", "signed")})],
            "No fact has a cluster with any variation",
        ),
    ],
)
def test_runs_with_nothing_to_show(rows, said):
    summary = STUDY().summary(rows)
    assert said in " ".join(summary.findings)
    assert summary.claims == ()
    for table in summary.tables.values():
        assert table.title
    assert "changes" not in summary.pictures


def test_the_order_of_the_rows_does_not_matter():
    rows = many(0.5, 0.2, tau=0.5)
    one_way, other = STUDY().summary(rows), STUDY().summary(rows[::-1])
    assert one_way.findings == other.findings
    assert one_way.rows.equals(other.rows)
    for name, table in one_way.tables.items():
        assert table.frame.equals(other.tables[name].frame), name


def test_a_run_is_drawn():
    summary = STUDY().summary(many(0.5, 0.2, tau=0.5))
    assert list(summary.pictures) == ["agreement", "controls", "changes"]
    for picture in summary.pictures.values():
        picture.figure.draw_without_rendering()


# From end to end


LANDS = {"France": "Paris", "Italy": "Rome", "Ada": "Acme", "Bob": "Rovers"}
FACTS = [nt.Fact(f"The capital of {land} is _X_", city, id=land) for land, city in LANDS.items()]


def run(facts, out=None, **given):
    return nt.studies.run(
        "choices",
        model=random_model("llama", seed=7),
        facts=facts,
        out=out,
        quick=True,
        steps=4,
        threshold=0.05,
        **given,
    )


@pytest.fixture(scope="module")
def whole():
    return run(FACTS)


def test_a_run_of_a_random_model(whole):
    assert whole.outcome.n_done == 4
    assert not whole.outcome.failures
    assert whole.claims == ()
    assert {"choices", "outcomes", "controls", "identical", "exclusions"} <= set(whole.tables)
    assert {"gate", "both"} <= set(whole.tables["choices"]["variation"])


@pytest.mark.slow
def test_a_run_that_goes_on_comes_to_the_same(whole, tmp_path):
    assert run(FACTS[:2], tmp_path).outcome.n_done == 2
    rest = run(FACTS, tmp_path)
    assert rest.outcome.n_there == 2
    assert (tmp_path / "tables" / "choices.md").is_file()
    assert (tmp_path / "figures" / "agreement.svg").is_file()
    again = run(FACTS, tmp_path)
    assert again.outcome.n_there == 4
    for name, table in whole.tables.items():
        assert table.equals(rest.tables[name]), name
        assert table.equals(again.tables[name]), name
    assert whole.findings == rest.findings == again.findings
    with pytest.raises(ValueError, match="n_random"):
        run(FACTS, tmp_path, n_random=1)


def test_an_option_that_does_not_exist():
    with pytest.raises(ValueError, match="has no option 'metric'"):
        run(FACTS, metric="euclidean")
