"""The foils of a fact are the false answers of its relation."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Fact, FactSet
from neurotopo.datasets import Dataset, Truth
from neurotopo.knowledge.foils import foils_of


def born(subject, answers, relation="P19", **fields):
    return Fact(f"{subject} was born in", answers, relation, subject=subject, **fields)


FACTS = FactSet(
    [
        born("Ada", "New York"),
        born("Ilse", "York"),
        born("Peko", ["Lima", "LIMA, Peru"]),
        born("Zoe", "Rome", id="zoe-1"),
        born("Zoe", "Milan", id="zoe-2"),
        born("Ada", "piano", "P1303"),
        born("Léa", "Lima", language="fr"),
    ]
)


def test_no_foil_is_true_or_nearly_true():
    assert foils_of(FACTS, FACTS[0]) == ("LIMA, Peru", "Lima", "Milan", "Rome")
    assert foils_of(FACTS, FACTS[3]) == ("LIMA, Peru", "Lima", "New York", "York")
    assert "Rome" not in foils_of(FACTS, FACTS[4]), "the other birthplace of the same subject"
    assert foils_of(FACTS, FACTS[2]) == ("Milan", "New York", "Rome", "York")


def test_relation_and_language_are_those_of_the_fact():
    assert foils_of(FACTS, FACTS[5]) == ()
    assert foils_of(FACTS, FACTS[6]) == ()


def test_a_part_of_a_data_set_keeps_all_foils():
    whole = Dataset(FACTS)
    assert foils_of(whole[:1], FACTS[0]) == foils_of(FACTS, FACTS[0])
    assert foils_of(list(FACTS[:1]), FACTS[0]) == ()
    assert foils_of(Truth(FACTS), FACTS[0]) == foils_of(FACTS, FACTS[0])


def test_a_draw_depends_on_seed_and_fact_but_not_on_the_order_of_the_facts():
    facts = FactSet(born(f"S{i}", f"C{i:02}") for i in range(40))
    drawn = {foils_of(facts, facts[0], 5, seed=seed) for seed in range(8)}
    assert len(drawn) == 8
    assert all(len(set(some)) == 5 for some in drawn)
    assert foils_of(list(facts)[::-1], facts[0], 5) == foils_of(facts, facts[0], 5)
    assert foils_of(facts, facts[0], 0) == ()
    with pytest.raises(ValueError, match="most must be at least 0 or None, got -1"):
        foils_of(facts, facts[0], -1)


NAMES = st.text(alphabet="ab é", min_size=1, max_size=4).filter(str.strip)


@given(st.lists(st.tuples(st.integers(0, 3), NAMES), min_size=1, max_size=8))
def test_against_the_definition(pairs):
    facts = [born(f"S{i}", name, id=str(j)) for j, (i, name) in enumerate(pairs)]
    own = [f" {plain(a)} " for f in facts if f.subject == facts[0].subject for a in f.answers]
    names = {plain(a) for f in facts for a in f.answers}
    wanted = {n for n in names if not any(o in f" {n} " or f" {n} " in o for o in own)}
    assert {plain(foil) for foil in foils_of(facts, facts[0])} == wanted


def plain(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
