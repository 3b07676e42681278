"""Wrong answers are of the right kind and true at no time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Fact, FactSet
from neurotopo.datasets import Dataset, Truth, counterfactual_answers, wrong_fact, wrong_facts

CLUBS = ["Marly United", "Zúnia Rovers", "Peko City", "Brolland FC", "Acme", "Krone Works"]


def fact(person, date, *answers, relation="P54", language="en"):
    return Fact(
        f"{person} plays for",
        answers,
        relation,
        date,
        subject=person,
        language=language,
        id=f"{language}:{relation}:{person}:{date}",
    )


@st.composite
def histories(draw):
    people = draw(st.integers(2, 6))
    facts = []
    for person in range(people):
        for date in draw(st.sets(st.integers(2010, 2014), min_size=1)):
            clubs = draw(st.lists(st.sampled_from(CLUBS), min_size=1, max_size=2, unique=True))
            facts.append(fact(f"person{person}", str(date), *clubs))
    return Dataset(facts)


@given(histories(), st.integers(0, 99))
def test_no_wrong_answer_is_true_on_any_date(facts, seed):
    one_year = facts.filter(date=facts[0].date)
    for asked in one_year:
        true = {name for f in facts if f.subject == asked.subject for name in f.answers}
        false = sorted({name for f in facts for name in f.answers} - true)
        if not false:
            with pytest.raises(ValueError, match="give 0 wrong answers, and 1 were asked for"):
                counterfactual_answers(asked, one_year.truth, seed=seed)
            continue
        drawn = counterfactual_answers(asked, one_year.truth, len(false), seed=seed)
        assert sorted(drawn) == false
        assert wrong_fact(asked, one_year.truth, seed=seed).answers == (drawn[0],)


def test_a_year_by_itself_does_not_know_the_others():
    """Why a data set remembers what was filtered out."""
    facts = Dataset(
        [fact("Ada", "2010", "Marly"), fact("Ada", "2011", "Peko"), fact("Ilse", "2010", "Peko")]
    )
    with pytest.raises(ValueError, match="relation 'P54' give 0"):
        wrong_facts(facts.filter(date="2010"))
    forgetful = FactSet(facts.filter(date="2010"))
    assert wrong_facts(forgetful)[0].answers == ("Peko",)
    with pytest.raises(ValueError, match="relation 'P54' give 0"):
        wrong_facts(forgetful, facts.truth)


def test_relation_and_language_are_those_of_the_fact():
    facts = Dataset(
        [
            fact("Ada", "2010", "Marly"),
            fact("Ilse", "2010", "Peko"),
            fact("Ada", "2010", "Acme", relation="P108"),
            fact("Bob", "2010", "Krone", relation="P108"),
            fact("Ada", "2010", "Marly-sur-Mer", language="fr"),
            fact("Ilse", "2010", "Péco", language="fr"),
        ]
    )
    wrong = wrong_facts(facts)
    assert [f.answers for f in wrong] == [
        ("Peko",),
        ("Marly",),
        ("Krone",),
        ("Acme",),
        ("Péco",),
        ("Marly-sur-Mer",),
    ]
    assert [f.id for f in wrong] == [f"{f.id}~wrong0" for f in facts]
    assert [f.prompt for f in wrong] == [f.prompt for f in facts]
    assert [f.date for f in wrong] == [f.date for f in facts]


def test_what_contains_a_true_answer_is_not_taken():
    facts = [
        fact("Ada", "2010", "Green Party"),
        fact("Ilse", "2010", "Green Party of Zúnia"),
        fact("Bob", "2010", "GREEN"),
        fact("Eve", "2010", "Blue Party"),
    ]
    for seed in range(10):
        assert counterfactual_answers(facts[0], Truth(facts), seed=seed) == ["Blue Party"]


def test_seeds_draw_evenly_and_the_same_answer_each_time():
    facts = Dataset([fact(f"p{i}", "2010", club) for i, club in enumerate(CLUBS)])
    drawn = [wrong_facts(facts, seed=seed)[0].answers[0] for seed in range(600)]
    assert set(drawn) == set(CLUBS[1:])
    assert all(80 < drawn.count(club) < 160 for club in CLUBS[1:])
    assert wrong_facts(facts, seed=3) == wrong_facts(FactSet(facts), seed=3)
    assert wrong_facts(facts[2:4], seed=3) == wrong_facts(facts, seed=3)[2:4]
    shuffled = Dataset(list(facts)[::-1])
    assert set(wrong_facts(shuffled, seed=3)) == set(wrong_facts(facts, seed=3))


def test_facts_of_one_relation_get_different_answers():
    facts = Dataset([fact(f"p{i}", "2010", f"Club {i}") for i in range(100)])
    assert len({wrong.answers for wrong in wrong_facts(facts)}) > 40


def test_as_many_as_there_are():
    facts = Dataset([fact(f"p{i}", "2010", club) for i, club in enumerate(CLUBS)])
    assert sorted(counterfactual_answers(facts[0], facts.truth, 5)) == sorted(CLUBS[1:])
    with pytest.raises(ValueError, match="give 5 wrong answers, and 6 were asked for"):
        counterfactual_answers(facts[0], facts.truth, 6)
    with pytest.raises(ValueError, match="n must be at least 1"):
        counterfactual_answers(facts[0], facts.truth, 0)
