"""The work of the critique study: pairs, cases, measures, and the model as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import neurotopo as nt
from neurotopo import Edit, Fact, load_model
from neurotopo._codec import from_text, to_text
from neurotopo.datasets import Truth
from neurotopo.models.builtin_models import null_model
from neurotopo.models.examples import random_model
from neurotopo.models.fingerprint import fingerprint
from neurotopo.models.recall import recalled
from neurotopo.studies.critique.edits import (
    _log_probability,
    _queries,
    edit_cases,
    reverse_of,
    truth_of,
)
from neurotopo.studies.critique.pairs import (
    Group,
    Pair,
    count_words,
    fact_groups,
    grammar_groups,
    line_through,
    rank_one_share,
    shuffled_share,
    votes_of,
)
from neurotopo.studies.critique.report import ARMS, collect
from neurotopo.studies.critique.study import Critique, CritiqueOptions
from neurotopo.studies.facts import facts_for
from neurotopo.studies.rows import Row

pytestmark = pytest.mark.usefixtures("few_suffice")

OPTIONS = CritiqueOptions(
    n_pairs=20, n_edits=2, edit_steps=30, quadrature="gauss-legendre", steps=4, top=4
)


# Measures


def test_rank_one_share_by_hand():
    assert rank_one_share([[1, 2, 3]] * 4) == pytest.approx(1.0)
    assert rank_one_share([[1, 2, 3], [-2, -4, -6]]) == pytest.approx(
        1.0
    )  # a direction has no sign
    assert rank_one_share(np.eye(5)) == pytest.approx(0.0)
    # two unit rows at an angle a have s^2 = 1 + |cos a|
    assert rank_one_share([[1, 0], [3, 4]]) == pytest.approx(0.6)
    assert rank_one_share([[1, 0], [0, 0], [3, 4]]) == pytest.approx(0.6)  # zeros do not count
    assert rank_one_share(np.array([[1e-200, 0], [3e-200, 4e-200]])) == pytest.approx(0.6)
    assert math.isnan(rank_one_share([[1, 2]]))
    with pytest.raises(ValueError, match="two dimensions"):
        rank_one_share([1, 2])


def test_shuffled_rows_have_less_in_common():
    rows = np.zeros((8, 30))
    rows[:, 3] = 1
    assert rank_one_share(rows) == pytest.approx(1.0)
    assert shuffled_share(rows, np.random.default_rng(0)) < 0.4


def test_a_line_agrees_with_its_formulas():
    x, y = np.array([0.0, 1.0, 2.0, 4.0, 7.0]), np.array([1.0, 0.5, 2.5, 3.0, 3.5])
    line = line_through([*x, np.nan], [*y, 1.0])
    design = np.column_stack([np.ones(5), x])
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ beta
    cov = residual @ residual / 3 * np.linalg.inv(design.T @ design)
    reach = stats.t.ppf(0.975, 3) * np.sqrt(np.diag(cov))
    assert line.n == 5
    np.testing.assert_allclose([line.constant, line.slope], beta)
    np.testing.assert_allclose([line.constant_low, line.slope_low], beta - reach)
    np.testing.assert_allclose([line.constant_high, line.slope_high], beta + reach)
    alone = ((y - y.mean()) ** 2).sum()
    assert line.share == pytest.approx((alone - residual @ residual) / alone)
    expected = 2 * stats.t.sf(abs(beta[0]) / math.sqrt(cov[0, 0]), 3)
    assert line.p_constant == pytest.approx(expected)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([3, 3, 3, 3], [1, 2, 3, 4]), ([], [])])
def test_no_line(x, y):
    line = line_through(x, y)
    assert line.n == len(x)
    assert math.isnan(line.slope)
    assert math.isnan(line.share)


def test_a_set_of_words_has_one_vote():
    am, do, go = (frozenset(pair) for pair in (("is", "are"), ("do", "does"), ("go", "goes")))
    votes = votes_of([am] * 100 + [do] * 4 + [go], [True, False] * 50 + [True] * 4 + [False])
    assert (votes.n, votes.for_good) == (2, 1)  # the first is divided
    assert votes.p == pytest.approx(0.75)
    none = votes_of([], [])
    assert none.n == 0
    assert math.isnan(none.p)


# Pairs


def test_agreement_has_both_numbers_of_every_paradigm():
    groups = grammar_groups(CritiqueOptions(n_pairs=100), 3)
    assert [len(group.pairs) for group in groups] == [10] * 10
    assert len({group.name for group in groups}) == 10
    assert len({pair.key for group in groups for pair in group.pairs}) == 100
    for group in groups:
        for pair in group.pairs:
            assert pair.good_fact.prompt == pair.bad_fact.prompt
            assert pair.good_fact.answers != pair.bad_fact.answers
    assert grammar_groups(CritiqueOptions(n_pairs=0), 3) == []


def test_blimp_pairs_without_a_prefix_are_counted(tmp_path):
    lines = []
    for i in range(3):
        line = {
            "sentence_good": f"A {i} goes.",
            "sentence_bad": f"A {i} go.",
            "UID": "verbs",
            "pairID": str(i),
        }
        if i:
            line |= {
                "one_prefix_prefix": f"A {i}",
                "one_prefix_word_good": "goes",
                "one_prefix_word_bad": "go",
            }
        lines.append(json.dumps(line))
    file = tmp_path / "blimp.jsonl"
    file.write_text("\n".join(lines))
    (group,) = grammar_groups(CritiqueOptions(pairs=str(file)), 0)
    assert [pair.left_out for pair in group.pairs] == [
        "no common prefix before one word",
        None,
        None,
    ]
    assert group.pairs[1].good_fact.answers == ("goes",)
    (two,) = grammar_groups(CritiqueOptions(pairs=str(file), n_pairs=2), 0)
    assert len(two.pairs) == 2


def facts_of(n, relation="capital"):
    return [
        Fact(f"The capital of C{i} is _X_", f"T{i}", relation, id=f"f{i}", subject=f"C{i}")
        for i in range(n)
    ]


def test_facts_get_a_wrong_answer_and_groups_are_cut():
    facts = facts_of(5)
    groups = fact_groups(facts, Truth(facts), CritiqueOptions(per_group=2), 0)
    assert [(group.name, len(group.pairs)) for group in groups] == [
        ("capital (1 of 3)", 2),
        ("capital (2 of 3)", 2),
        ("capital (3 of 3)", 1),
    ]
    for pair in (pair for group in groups for pair in group.pairs):
        assert pair.bad in {f"T{i}" for i in range(5)} - set(pair.fact.answers)
    (alone,) = fact_groups(facts[:1], Truth(facts[:1]), CritiqueOptions(), 0)
    assert alone.pairs[0].left_out == "no wrong answer"


def test_only_one_answer_is_compared():
    fact = Fact("A is _X_", ["b", "c"], "r", id="a")
    pair = Pair("a", fact, "d")
    assert pair.good_fact.answers == ("b",)
    assert pair.bad_fact.answers == ("d",)


def test_other_pairs_are_another_group():
    facts = facts_of(4)
    one, two = (Group("facts", "capital", (Pair(f.key, f, "T9"),)) for f in facts[:2])
    assert one.key != two.key
    assert one.key.startswith("facts: capital")
    assert one.to_dict()["pairs"] != two.to_dict()["pairs"]


def test_words_are_counted_in_a_corpus(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("The lawyers of New Peko are lawyers.\nA lawyer, new; Peko. New Peko!")
    fact = Fact("These _X_", "Lawyers", id="a")
    other = Fact("It is _X_", "New Peko", id="b")
    pairs = (Pair("a", fact, "lawyer"), Pair("b", other, "Marly"), Pair("c", None, None, "why"))
    (group,) = count_words([Group("grammar", "g", pairs)], str(corpus))
    # words follow each other across punctuation within a line
    assert [pair.counts for pair in group.pairs] == [(2, 1), (3, 0), None]


# Cases


def test_reverse_prompts():
    fact = Fact(
        "In 2014, the head coach of Peko City is _X_.",
        "Ada Brünn",
        "P286",
        "2014",
        subject="Peko City",
    )
    assert reverse_of(fact, "Bo", True).prompt == "In 2014, Bo is the head coach of _X_"
    assert reverse_of(fact, "Bo", False).prompt == "In 2014, the head coach of _X_ is Bo."
    assert reverse_of(fact, "Bo", True).answers == ("Peko City",)
    assert reverse_of(replace(fact, relation="P54"), "Bo", True) is None
    assert reverse_of(replace(fact, subject=None), "Bo", True) is None
    assert reverse_of(replace(fact, prompt="It is _X_"), "Bo", False) is None


def test_cases_alternate_and_know_what_is_one_to_one():
    facts = facts_of(6) + [
        Fact(f"P{i} plays for _X_", f"Team{i % 3}", "P54", id=f"p{i}", subject=f"P{i}")
        for i in range(6)
    ]
    cases = edit_cases(facts, truth_of(facts), CritiqueOptions(n_edits=4, edit_tries=2), 0)
    first = [case.candidates[0].fact.relation for case in cases]
    assert first == ["capital", "P54", "capital", "P54"]
    tried = [one.fact.key for case in cases for one in case.candidates]
    assert len(tried) == len(set(tried)) == 8
    for case in cases:
        for one in case.candidates:
            assert one.new not in one.fact.answers
            assert one.one_to_one == (one.fact.relation == "capital")
            assert all(near.subject != one.fact.subject for near in one.neighbours)
            assert {near.relation for near in one.neighbours} == {one.fact.relation}
    shared = [replace(fact, answers=("T0",)) for fact in facts[:2]] + facts[2:6]
    again = edit_cases(shared, truth_of(shared), CritiqueOptions(n_edits=6), 0)
    of = {one.fact.key: one for case in again for one in case.candidates}
    assert not of["f0"].one_to_one


def test_facts_of_the_test_bed_have_their_own_wordings():
    facts = facts_for("factworld:30", "testbed:gpt2")
    cases = edit_cases(facts, truth_of(facts), CritiqueOptions(n_edits=5), 0)
    one = cases[0].candidates[0]
    assert len(one.wordings) == 6
    assert len({fact.prompt for fact in (one.fact, *one.wordings)}) == 7
    assert {fact.answers for fact in one.wordings} == {one.fact.answers}


def test_few_facts_make_few_cases():
    facts = facts_of(2)
    cases = edit_cases(facts, truth_of(facts), CritiqueOptions(n_edits=5, edit_tries=3), 0)
    assert len(cases) == 2
    assert edit_cases(facts, truth_of(facts), CritiqueOptions(n_edits=0), 0) == []


# Work


@pytest.fixture(scope="module")
def facts():
    return facts_for("factworld:12", "testbed:gpt2")


@pytest.fixture(scope="module")
def work():
    return Critique(load_model("testbed:gpt2", device="cpu"), OPTIONS, 0)


@pytest.fixture(scope="module")
def stored(work, facts):
    """Return the results by key as they come back from the store."""
    before = fingerprint(work.model)
    found = {
        item: from_text(to_text(work(item))) for item in Critique().items(facts, OPTIONS, 0, None)
    }
    assert fingerprint(work.model) == before
    return found


def row_of(item, result):
    return Row(item.key, item.to_dict(), {"result": result}, None, 0.1)


def test_effects_are_those_of_the_neurons_they_are_said_to_be(work, stored):
    from neurotopo.studies.neurons import NeuronFinder

    found = collect([row_of(item, result) for item, result in stored.items()])
    searcher = NeuronFinder(work.model, OPTIONS)
    checked = 0
    for item in stored:
        if not isinstance(item, Group):
            continue
        for pair in item.pairs[:3]:
            neurons = searcher.find(pair.good_fact)
            for arm, own in (("own", neurons.neurons), ("dkn", neurons.degenerate)):
                if not len(own):
                    continue
                for mode, scale in (("suppress", 0.0), ("enhance", OPTIONS.enhance)):
                    edits = [None, Edit(own, scale=scale)]
                    good, bad = (
                        work.model.answer_probability(fact, edits, log=True)
                        for fact in (pair.good_fact, pair.bad_fact)
                    )
                    row = found.of(item.kind, mode, arm).loc[pair.key]
                    assert row["size"] == len(own)
                    assert row["dprob"] == pytest.approx(1 - math.exp(good[1] - good[0]), abs=1e-5)
                    assert row["odds_after"] == pytest.approx(good[1] - bad[1], abs=1e-4)
                    checked += arm == "dkn"
    assert checked > 2
    assert set(found.effects["arm"]) == set(ARMS)


def test_answers_lost_are_those_no_longer_recalled(work, stored):
    found = collect([row_of(item, result) for item, result in stored.items()])
    item = next(item for item in stored if isinstance(item, Group) and item.kind == "facts")
    pair = item.pairs[0]
    assert found.pairs.set_index("pair").loc[pair.key, "answered"] == float(
        recalled(work.model, [pair.fact], ends=False)[0]
    )


def test_held_out_pairs_are_not_those_of_the_choice(stored):
    for item, result in stored.items():
        held = result.get("held_out")
        if not held:
            continue
        assert held["n_train"] + held["n_test"] == len(item.pairs)
        for source, rows in held["pairs"].items():
            assert len(rows) == held["n_test"]
            assert held["sizes"][source] > 0


def test_an_edit_gives_the_new_answer(stored):
    edits = [result["edit"] for item, result in stored.items() if "edit" in result]
    done = [edit for edit in edits if edit is not None]
    assert done
    for edit in done:
        assert edit["asked"]["before"]["old"] > edit["asked"]["before"]["new"]
        after = edit["asked"]["all"]
        assert after["new"] > after["old"]
        assert after["new"] > math.log(OPTIONS.edit_to)
        assert 0 < edit["steps"]["all"] <= OPTIONS.edit_steps
        assert edit["sizes"]["dkn"] == edit["sizes"]["kn"] == edit["sizes"]["random"]


def test_work_does_not_depend_on_what_came_before(work, stored):
    item = list(stored)[-1]
    group = next(item for item in reversed(stored) if isinstance(item, Group))
    fresh = Critique(load_model("testbed:gpt2", device="cpu"), OPTIONS, 0)
    for one in (item, group):
        assert to_text(fresh(one)) == to_text(stored[one])


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_what_is_trained_is_the_answer_probability(name):
    model = load_model(f"testbed:{name}", device="cpu")
    for fact in facts_for("factworld:4", f"testbed:{name}"):
        one = replace(fact, answers=fact.answers[:1])
        value = float(_log_probability(model, list(_queries(model, one))).detach())
        assert value == pytest.approx(model.answer_probability(one, log=True), abs=1e-4)


def test_words_that_cannot_be_asked_are_counted():
    model = random_model("gpt2")
    work = Critique(model, CritiqueOptions(steps=2, n_edits=0), 0)
    fact = Fact("The capital of France is _X_", "Paris", "capital", id="a")
    pairs = (
        Pair("a", fact, "Rome"),
        Pair("b", replace(fact, id="b"), "Xyzzy"),
        Pair("c", replace(fact, id="c"), "Paris"),
        Pair("d", fact, None, "no wrong answer"),
    )
    result = work(Group("facts", "capital", pairs))
    assert [pair["reason"] for pair in result["pairs"]] == [
        None,
        "cannot be encoded",
        "the same tokens",
        "no wrong answer",
    ]
    assert result["rank1"] == {}
    assert result["held_out"] == {}


def test_a_masked_model_is_asked_in_reverse():
    result = nt.studies.run(
        "critique", model="testbed:bert", facts="factworld:6", n_pairs=10, n_edits=1, steps=4
    )
    assert not result.outcome.failures
    assert set(result.tables["shift"]["kind"]) == {"grammar", "facts"}
    assert result.tables["edits"].shape[0] in (0, 4)  # a row per set of neurons, if there is one


def test_nothing_is_claimed_of_a_random_model():
    model = nt.NeuronModel(null_model(1), load_model("testbed:null").tokenizer)
    result = nt.studies.run(
        "critique", model=model, facts="factworld:12", seed=1, n_pairs=20, n_edits=2, steps=4
    )
    assert not result.outcome.failures
    assert result.claims == ()
    assert not len(result.tables["edits"])
    assert "No fact could be edited." in result.findings


@pytest.mark.slow
def test_a_run_goes_on_with_more_facts(tmp_path, facts):
    given = {"model": "testbed:gpt2", "n_pairs": 10, "n_edits": 1, "steps": 4}
    nt.studies.run("critique", facts=facts[:3], out=tmp_path / "a", **given)
    grown = nt.studies.run("critique", facts=facts[:6], out=tmp_path / "a", **given)
    whole = nt.studies.run("critique", facts=facts[:6], out=tmp_path / "b", **given)
    assert grown.outcome.n_there > 0  # the groups of grammar are the same
    for name, table in whole.tables.items():
        assert table.to_csv() == grown.tables[name].to_csv(), name
    again = nt.studies.run("critique", facts=facts[:6], out=tmp_path / "a", **given)
    assert again.outcome.n_there == again.outcome.n_facts
    assert again.findings == whole.findings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_pairs": 501}, "n_pairs must be at most 500"),
        ({"n_pairs": -1}, "n_pairs must be a whole number of at least 0"),
        ({"per_group": 1}, "per_group must be"),
        ({"top": 1}, "top must be"),
        ({"edit_steps": 0}, "edit_steps must be"),
        ({"edit_tries": 1.5}, "edit_tries must be"),
        ({"share": 1.0}, "share must be from 0 on and below 1"),
        ({"edit_to": -0.1}, "edit_to must be"),
        ({"enhance": 1.0}, "enhance must be above 1"),
        ({"edit_lr": 0.0}, "edit_lr must be positive"),
        ({"corpus": "no/such/file"}, "corpus: there is no file"),
        ({"pairs": "no/such/file"}, "pairs: there is no file"),
        ({"tau2": -1.0}, "tau2"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        CritiqueOptions(**given)
