"""The detection study: from stored rows to tables, findings, claims and pictures."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import neurotopo as nt
from neurotopo import Fact
from neurotopo.models.builtin_models import null_model
from neurotopo.models.examples import random_model
from neurotopo.studies.detection.report import _against_all
from neurotopo.studies.detection.scoring import Evaluation, collect
from neurotopo.studies.detection.study import Detection
from tests.support.detection import made, payload, row, scores_of

pytestmark = pytest.mark.usefixtures("few_suffice")

NAN = float("nan")


def summarise(rows):
    return Detection().summary(rows)


HAND = payload(
    {
        # threshold from train: 0.5. Test: true 0.9, 0.4; wrong 0.1, 0.6
        "dkn": scores_of([0.8, 0.9, 0.9, 0.4], [0.2, 0.1, 0.1, 0.6]),
        "random": [
            [[0.8, 0.9, 0.9, 0.8], [0.2, 0.1, 0.1, 0.2]],
            [[0.8, 0.9, 0.1, 0.2], [0.2, 0.1, 0.9, 0.8]],
        ],
        "answer": scores_of([1, 1, 1, 0], [0, 0, 0, 0]),
        "always": scores_of([1] * 4, [1] * 4),
        "kn": scores_of([NAN] * 4, [NAN] * 4),
    },
    [True, True, False, False],
)


def test_measures_by_hand():
    judged = Evaluation(collect([row("P1", HAND)])).judged
    dkn = judged["dkn"]
    assert dkn.measures["AUC"][0] == pytest.approx(3 / 4)  # of 4 pairs only 0.4 < 0.6 is wrong
    assert dkn.counts["true, judged true"] == dkn.counts["true, judged false"] == 1
    assert dkn.counts["wrong, judged true"] == dkn.counts["wrong, judged false"] == 1
    assert dkn.measures["F1 true"][0] == dkn.measures["macro F1"][0] == pytest.approx(0.5)
    assert dkn.train_area == 1.0
    random = judged["random"]  # means over a perfect draw and one that is always wrong
    assert random.measures["AUC"][0] == pytest.approx(0.5)
    assert random.counts["true, judged true"] == pytest.approx(1.0)
    assert judged["answer"].measures["recall true"][0] == pytest.approx(0.5)
    assert judged["answer"].measures["precision true"][0] == 1.0
    always = judged["always"].measures
    assert always["F1 true"][0] == pytest.approx(2 / 3)
    assert always["F1 false"][0] == 0.0
    assert always["AUC"][0] == 0.5


def test_no_neurons_is_no_judgement():
    summary = summarise([row("P1", HAND)])
    table = summary.tables["detection"].frame.set_index("method")
    assert table.loc["kn", ["AUC", "F1 true", "F1 false", "accuracy", "undecided"]].tolist() == [
        0.5,
        0.0,
        0.0,
        0.0,
        1.0,
    ]
    left_out = summary.tables["exclusions"].frame
    undecided = left_out[left_out["what"] == "test facts undecided by kn"]
    assert undecided["n"].tolist() == [2]
    assert summary.claims == ()


def test_areas_are_means_over_relations_weighted_by_their_facts():
    one, two = made(0, {"dkn": 1.0}, n=40), made(1, {"dkn": 0.0}, n=100)
    found = Evaluation(collect([row("P1", one), row("P2", two)]))
    wanted = []
    for content, n in ((one, 40), (two, 100)):
        scores = np.array(content["scores"]["dkn"])[0][:, n // 2 :]
        wanted.append(roc_auc_score(np.repeat([1, 0], n // 2), scores.reshape(-1)))
    judged = found.judged["dkn"]
    assert judged.by_relation == pytest.approx({"P1": wanted[0], "P2": wanted[1]})
    assert judged.measures["AUC"][0] == pytest.approx((20 * wanted[0] + 50 * wanted[1]) / 70)
    x, y = found.roc("dkn")
    assert np.trapezoid(y, x) == pytest.approx(judged.measures["AUC"][0], abs=0.01)


def test_pooled_relations_have_one_threshold():
    def shifted(by):
        contents = []
        for k, shift in enumerate((0.0, 100.0)):
            content = made(k, {"dkn": 3.0}, by=by)
            content["scores"]["dkn"] = (np.array(content["scores"]["dkn"]) + shift).tolist()
            contents.append(row(f"P{k}", content))
        return Evaluation(collect(contents))

    own, pooled = shifted("relation"), shifted("pooled")
    assert own.judged["dkn"].measures["AUC"][0] > 0.95
    assert own.judged["dkn"].measures["accuracy"][0] > 0.85
    scores = np.concatenate(
        [one.scores["dkn"][0][:, one.test] for one in pooled.run.relations], axis=1
    )
    wanted = roc_auc_score(np.repeat([1, 0], 60), scores.reshape(-1))
    assert pooled.judged["dkn"].measures["AUC"][0] == pytest.approx(wanted)
    assert pooled.judged["dkn"].measures["accuracy"][0] < 0.8


def test_facts_of_a_subject_are_one_in_tests():
    content = made(0, {"dkn": 1.0}, n=20, subjects=[k // 5 for k in range(20)])
    summary = summarise([row("P1", content)])
    tests = summary.tables["tests"].frame.set_index("method")
    assert tests.loc["dkn", "n"] == 2
    gaps = np.array(content["scores"]["dkn"])[0]
    gaps = (gaps[0] - gaps[1])[10:].reshape(2, 5).mean(axis=1)
    assert tests.loc["dkn", "difference"] == pytest.approx(gaps.mean())


GOOD = {"dkn": 2.5, "probability": 4.0}


def claims_of(gaps, known=True, n=60, having=4):
    """Return the claims about four relations, of which some have such neurons."""
    rows = []
    for k in range(4):
        content = made(k, gaps, n, known, n_resamples=2000)
        if k >= having:
            none = np.full((1, 2, n), NAN).tolist()
            content["scores"] |= dict.fromkeys(("dkn", "random", "random_layers"), none)
            content["sets"]["sizes"] |= dict.fromkeys(("dkn", "random", "random_layers"), 0)
        rows.append(row(f"P{k}", content))
    return summarise(rows).claims


def test_a_claim_needs_detection_controls_and_knowledge():
    (claim,) = claims_of(GOOD)
    assert "degenerate knowledge neurons" in claim
    assert "better than random neurons" in claim
    assert claims_of(GOOD, known=False) == ()
    assert claims_of({"dkn": 0.0}) == ()
    assert claims_of({"dkn": -2.5}) == ()  # the direction is fixed
    assert claims_of(dict.fromkeys(("dkn", "random", "random_layers"), 2.5)) == ()
    assert claims_of({"dkn": 2.5, "random_layers": 2.5}) == ()
    assert claims_of(GOOD, n=4) == ()
    assert claims_of(GOOD, having=1) == ()  # it rests on one relation of four
    both = claims_of({"dkn": 2.5, "kn": 2.5})
    assert len(both) == 2
    assert "degenerate or not" in both[1]


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ({"dkn": 1.0, "probability": 5.0}, "They are worse than the probability"),
        ({"dkn": 2.0, "probability": 2.0}, "they are no better than the probability"),
        ({"dkn": 5.0, "probability": 0.0}, "They are better than the probability"),
    ],
)
def test_what_is_said_beside_the_probability(gaps, words):
    summary = summarise([row(f"P{k}", made(k, gaps, n_resamples=2000)) for k in range(2)])
    assert any(words in finding for finding in summary.findings)


def test_an_area_beyond_by_less_than_the_margin_is_not_better():
    row = {"subjects": 400, "p": 1e-4, "difference": 0.01, "low": 0.005, "high": 0.015}
    compared = {("dkn", "kn"): {**row, "margin": 0.02}}
    assert "below the margin of 0.02" in _against_all(compared)
    compared["dkn", "kn"]["margin"] = 0.01
    assert "the degenerate ones are better" in _against_all(compared)


def test_train_scores_that_flatter_are_named():
    content = made(0, {"dkn": 0.0})
    scores = np.array(content["scores"]["dkn"])
    scores[0, 0, :30] += 5
    content["scores"]["dkn"] = scores.tolist()
    summary = summarise([row("P1", content)])
    assert any("would be too optimistic" in finding for finding in summary.findings)


def test_the_sweep():
    def swept(value, gap):
        rng = np.random.default_rng(int(value * 10))
        return {
            "option": "share",
            "value": value,
            "size": 4,
            "dkn": [rng.normal(gap, 1, 60).tolist(), rng.normal(0, 1, 60).tolist()],
            "random": [rng.normal(0, 1, (2, 60)).tolist() for _ in range(3)],
        }

    content = made(0, {}, sweep=[swept(0.3, 4.0), swept(0.7, 0.0)])
    summary = summarise([row("P1", content)])
    table = summary.tables["sensitivity"].frame.set_index("value")
    assert table.loc[0.3, "AUC"] > 0.95
    assert table.loc[0.3, "gap low"] > 0
    assert abs(table.loc[0.7, "AUC"] - 0.5) < 0.2
    assert table["neurons"].tolist() == [4, 4]
    assert any("In 1 of 2 settings" in finding for finding in summary.findings)
    assert "sensitivity" in summary.pictures


def test_rows_that_failed_are_missing_or_left_out():
    assert summarise([]).findings == ("No relation has been worked on.",)
    failed = summarise([row("P1", error="no such token")])
    assert failed.findings == ("The only relation failed: no such token",)
    assert failed.claims == ()
    empty = payload({}, (), left_out={"too few facts": 4}) | {"pairs": {}, "sets": {}}
    nothing = summarise([row("P1", empty)])
    assert "No relation was left" in nothing.findings[0]
    assert nothing.pictures == {}
    both = summarise([row("P0", error="no such token"), row("P1", empty), row("P2", HAND)])
    assert "Relations that failed: P0; the first: no such token" in both.findings[0]
    assert "Left out: 1 relation" in both.findings[0]
    frame = both.tables["exclusions"].frame.set_index("reason")["n"]
    assert frame["too few facts"] == 4
    assert frame["the relation failed"] == 7
    for table in (*both.tables.values(), *nothing.tables.values(), *failed.tables.values()):
        assert table.title
        assert table.frame.columns.is_unique


def test_verdicts_that_cannot_be_asked_for():
    content = made(0, {})
    content["scores"]["verdict"] = scores_of([NAN] * 60, [NAN] * 60)
    summary = summarise([row("P1", content)])
    assert "verdict" not in summary.tables["detection"].frame["method"].tolist()
    assert any("could not be asked for a verdict" in finding for finding in summary.findings)
    reasons = summary.tables["exclusions"].frame
    assert (reasons["what"] == "test facts undecided by verdict").any()


def test_infinite_logarithms_do_no_harm():
    content = made(0, {})
    content["scores"]["joint"] = scores_of([-1.0] * 60, [-np.inf] * 60)
    summary = summarise([row("P1", content)])
    table = summary.tables["detection"].frame.set_index("method")
    assert table.loc["joint", "AUC"] == 1.0
    assert table.loc["joint", "accuracy"] == 1.0


# From end to end


def toy():
    """Facts of words that the tokenizer of the toy model knows, in two relations."""
    lands, cities = ("France", "Italy", "Spain", "Peru"), ("Paris", "Rome")
    return [
        Fact(
            f"The capital of {land} is _X_",
            cities[k % 2],
            relation,
            id=f"{relation}-{land}",
            subject=land,
        )
        for relation in ("P36", "P37")
        for k, land in enumerate(lands)
    ]


def run(**given):
    given = {"quick": True, "steps": 2, "n_resamples": 100, "n_random": 2, **given}
    return nt.studies.run("detection", **given)


@pytest.fixture(scope="module")
def null():
    return nt.NeuronModel(null_model(3), nt.load_model("testbed:null").tokenizer)


@pytest.fixture(scope="module")
def world():
    from neurotopo.datasets import load_factworld

    facts = load_factworld(core=True)
    kept = [one for name in ("P54", "capital") for one in facts.filter(relation=name)[:12]]
    assert len(kept) == 24
    return kept


@pytest.mark.slow
def test_resumed_a_run_comes_to_the_same(null, world, tmp_path):
    half = run(model=null, facts=world[:12], out=tmp_path / "parts")
    assert half.outcome.n_done == 1
    parts = run(model=null, facts=world, out=tmp_path / "parts")
    assert (parts.outcome.n_done, parts.outcome.n_there) == (2, 1)
    whole = run(model=null, facts=world, out=tmp_path / "whole")
    assert list(whole.tables) == list(parts.tables)
    for name, table in whole.tables.items():
        assert table.equals(parts.tables[name]), name
    assert whole.rows.equals(parts.rows)
    again = run(model=null, facts=world, out=tmp_path / "whole")
    assert again.outcome.n_there == again.outcome.n_done == 2
    assert again.findings == whole.findings
    assert whole.claims == ()
    assert any("It knows hardly any" in finding for finding in whole.findings)
    names = {path.name for path in (tmp_path / "whole" / "figures").iterdir()}
    assert {"roc.png", "comparisons.png", "scores_probability.png"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_random_model_detects_nothing(seed):
    """The labels of a random model are no easier than chance: else wrong ones give themselves away.

    Also with neurons that few facts share, so that all relations have some.
    """
    model = nt.NeuronModel(null_model(seed), nt.load_model("testbed:null").tokenizer)
    result = run(
        model=model, facts="factworld:300", share=0.1, per_relation=30, seed=seed, n_resamples=2000
    )
    assert result.claims == ()
    areas = result.tables["detection"].set_index("method")["AUC"]
    assert result.outcome.n_done == 12
    assert Counter(result.tables["neurons"]["DKNs of the relation"] > 0)[True] > 0
    assert (areas.between(0.35, 0.65)).all(), areas


def test_a_model_that_knows_is_more_likely_right():
    result = run(model="testbed:gpt2", facts="factworld:48", steps=3, share=0.2)
    assert result.outcome.n_done == 4
    table = result.tables["detection"].set_index("method")
    assert table.loc["probability", "AUC"] > 0.95
    assert table.loc["answer", "F1 true"] > 0.9
    assert result.rows.groupby("method")["fact"].nunique().nunique() == 1
    assert all(not finding.startswith("All ") for finding in result.findings)


def test_masked_and_toy_models_do_not_fail():
    for family in ("gpt2", "bert"):
        result = run(model=random_model(family), facts=toy(), least=4, seed=3)
        assert len(result.tables["relations"]) > 0
        assert result.outcome.n_failed == 0, result.outcome.failures
        assert result.claims == ()
