"""No true answer is taken for a wrong one, whatever is known of the facts."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from neurotopo import Fact, FactSet
from neurotopo.datasets import Dataset, Skipped, Truth, perturb, truth_of


def year(date, answer, **fields):
    given = {"prompt": "Ada Brünn plays for _X_.", "relation": "P54", "subject": "Ada Brünn"}
    return Fact(answers=answer, date=date, **{**given, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"subject": None},
        {"prompt": "The team of Ada Brünn is"},
        {"prompt": "Ada Brünn plays for", "subject": None},
        {"prompt": "Where does she play?", "subject": None, "id": "Q1_P54_2011"},
        {"subject": "ada  brünn", "prompt": "Where?"},
    ],
)
def test_the_answers_of_another_date_are_known(fields):
    truth = Truth([year("2010", "Marly United", id="Q1_P54_2010")])
    asked = year("2011", "Zúnia Rovers", **fields)
    assert truth.is_true(asked, "MARLY united")
    assert truth.is_true(asked, "Zúnia Rovers"), "its own answers are true too"
    assert not truth.is_true(asked, "Peko City")
    assert truth.knows(asked)


@pytest.mark.parametrize(
    "fields",
    [{"relation": "P108"}, {"subject": "Ilse Krone", "prompt": "Ilse Krone plays for _X_."}],
)
def test_other_subjects_and_relations_are_other_things(fields):
    truth = Truth([year("2010", "Marly United")])
    assert not truth.is_true(year("2010", "Zúnia Rovers", **fields), "Marly United")


def test_a_date_in_the_prompt_does_not_make_it_another_question():
    first = Fact("In 2010, Ada plays for _X_.", "Marly", "P54", "2010")
    second = Fact("In 2011, Ada plays for _X_.", "Peko", "P54", "2011")
    assert Truth([first]).is_true(second, "Marly")
    undated = replace(second, date=None)
    assert not Truth([first]).is_true(undated, "Marly")


def test_an_id_that_is_nothing_but_a_date_connects_nothing():
    facts = [
        Fact("Who leads Marly?", "Ada", "P6", "2010", id="2010"),
        Fact("Who leads Zunia?", "Bob", "P6", "2011", id="2011"),
        Fact("Who leads Peko?", "Eve", "P6", "2011", id="12011"),
    ]
    truth = Truth(facts)
    assert [truth.is_true(facts[0], name) for name in ("Ada", "Bob", "Eve")] == [True, False, False]


@pytest.mark.parametrize("named", ["Q1_P54_2010", None])
def test_a_perturbed_fact_is_still_about_the_same(named):
    fact = Fact("Where does Ada Brünn play?", "Marly", "P54", "2010", id=named)
    truth = Truth([fact])
    truth.add(fact, also=["Zunia"])
    changed = perturb(fact, "delete")
    assert changed.prompt != fact.prompt
    assert truth.is_true(changed, "Zunia")


def test_what_contains_a_true_answer_may_be_true():
    truth = Truth([year("2010", "Marly United")])
    fact = year("2010", "Marly United")
    for name in ("Marly United", "marly", "United", "FC Marly United 1904"):
        assert truth.may_be_true(fact, name), name
    for name in ("Marl", "ted", "Marly FC", "Marlyunited"):
        assert not truth.may_be_true(fact, name), name


def test_the_pool_holds_each_answer_of_relation_and_language_once():
    truth = Truth(
        [
            year("2010", ["Marly United", "Zúnia Rovers"]),
            year("2011", "MARLY UNITED"),
            year("2011", "Équipe de Marly", language="fr"),
            year("2011", "Acme", relation="P108"),
        ]
    )
    assert truth.pool(year("2010", "x")) == ("Marly United", "Zúnia Rovers")
    truth.add(year("2012", "Peko City"))
    assert truth.pool(year("2010", "x")) == ("Marly United", "Peko City", "Zúnia Rovers")
    assert truth.pool(year("2010", "x", relation=None)) == ()


# What remembers it -------------------------------------------------------------------------------


@pytest.fixture
def dataset():
    facts = [
        year("2010", "Marly United"),
        year("2011", "Zúnia Rovers"),
        Fact("Zúnia is led by", "Ada", "P6"),
    ]
    return Dataset(facts, skipped=[Skipped("f.jsonl", 3, "field 'query' is blank")])


@pytest.mark.parametrize(
    "part",
    [
        lambda d: d[:1],
        lambda d: d.filter(date="2010"),
        lambda d: d.filter(predicate=lambda fact: fact.date == "2010"),
        lambda d: d.by_relation()["P54"],
        lambda d: d.filter(relation="P54").filter(date="2010")[:1],
        lambda d: d + FactSet([Fact("Who?", "Eve")]),
        lambda d: d.sample(3),
    ],
)
def test_a_part_knows_what_the_whole_knew(dataset, part):
    taken = part(dataset)
    assert isinstance(taken, Dataset)
    assert taken.truth.is_true(dataset[0], "Zúnia Rovers")


def test_parts_hold_what_those_of_a_fact_set_hold(dataset):
    plain = FactSet(dataset)
    assert dataset[1:] == plain[1:]
    assert dataset.filter(date=["2010", "2011"]) == plain.filter(date=["2010", "2011"])
    assert dataset.sample(2, seed=5) == plain.sample(2, seed=5)
    assert dataset.by_relation() == plain.by_relation()
    assert dataset[0] == plain[0]
    assert dataset == plain
    assert (dataset + FactSet([Fact("Who?", "Eve")]))[-1].prompt == "Who?"
    with pytest.raises(TypeError, match="colour"):
        dataset.filter(colour="red")


def test_adding_two_sets_adds_what_they_know(dataset):
    both = dataset[:1] + Dataset([year("2012", "Peko City")])[:1]
    assert both.truth.is_true(dataset[0], "Peko City")
    assert both.truth.is_true(dataset[0], "Zúnia Rovers")
    assert "Peko City" in both.truth.pool(dataset[0])
    assert not dataset.truth.is_true(dataset[0], "Peko City")


def test_it_says_what_was_skipped(dataset):
    assert repr(dataset) == "Dataset of 3 facts, 2 relations, 1 skipped"
    assert str(dataset.skipped[0]) == "f.jsonl, line 3: field 'query' is blank."
    assert str(Skipped("f.jsonl", None, "no template.")) == "f.jsonl: no template."
    assert dataset[:1].skipped == ()


def test_the_truth_of_plain_facts_is_what_they_say():
    facts = FactSet([year("2010", "Marly United")])
    assert truth_of(facts).is_true(facts[0], "Marly United")
    assert truth_of(iter(list(facts))).knows(facts[0])


def test_a_pickled_set_knows_the_same(dataset):
    again = pickle.loads(pickle.dumps(dataset.filter(date="2010")))
    assert again == dataset.filter(date="2010")
    assert again.truth.is_true(dataset[0], "Zúnia Rovers")
