"""Tables 4 to 6, against counting by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Fact
from neurotopo.datasets import describe

FACTS = [
    Fact("Tom plays for", "Marly", "P54", "2010", id="a"),
    Fact("Tom plays for", "Marly", "P54", "2011", id="b"),
    Fact("Tom plays for", ["Peko", "Marly"], "P54", "2013", id="c"),
    Fact("Ida plays for", "Peko", "P54", "2011", id="d"),
    Fact("Ida works for", ["Acme", "Krone"], "P108", "2011", id="e"),
    Fact("Ida works for", ["Krone", "Acme"], "P108", "2012", id="f"),
    Fact("In 2010, Bob plays for _X_.", "Peko", "P54", "2010", id="g"),
    Fact("In 2011, Bob plays for _X_.", "PEKO", "P54", "2011", id="h"),
    Fact("La capitale est", "Péco", "P36", id="i", language="fr"),
    Fact("Who?", "Eve", id="j"),
]


def test_relations():
    rows = {row.relation: row for row in describe(FACTS).relations}
    assert [row.relation for row in describe(FACTS).relations] == ["P54", None, "P108", "P36"]
    tom = rows["P54"]
    assert (tom.name, tom.facts, tom.queries) == ("member of sports team", 6, 3)
    assert (tom.changing, tom.several, tom.answers) == (1, 1, 2)
    assert (tom.example, tom.example_answer) == ("Tom plays for", "Marly")
    ida = rows["P108"]
    assert (ida.queries, ida.changing, ida.several, ida.answers) == (1, 0, 2, 2)
    assert (rows["P36"].name, rows[None].facts) == (None, 1)


def test_dates_and_spans():
    statistics = describe(FACTS)
    assert [(row.date, row.facts, row.queries, row.relations) for row in statistics.dates] == [
        ("2013", 1, 1, 1),
        ("2012", 1, 1, 1),
        ("2011", 4, 4, 2),
        ("2010", 2, 2, 1),
        (None, 2, 2, 2),
    ]
    assert [(row.dates, row.queries, row.changing) for row in statistics.spans] == [
        (3, 1, 1),
        (2, 2, 0),
        (1, 1, 0),
    ]
    assert [
        (row.query, row.first, row.last, row.dates, row.answers) for row in statistics.examples
    ] == [
        ("Tom plays for", "2010", "2013", 3, 2),
        ("Ida works for", "2011", "2012", 2, 2),
        ("In 2010, Bob plays for _X_.", "2010", "2011", 2, 1),
        ("Ida plays for", "2011", "2011", 1, 1),
    ]
    assert (statistics.facts, statistics.queries, statistics.languages) == (
        10,
        6,
        {"en": 9, "fr": 1},
    )


def test_the_examples_are_of_all_lengths():
    assert [row.dates for row in describe(FACTS, 3).examples] == [3, 2, 1]
    assert describe(FACTS, 0).examples == []
    with pytest.raises(ValueError, match="n_examples must not be negative"):
        describe(FACTS, -1)


def test_facts_without_dates_have_no_table_of_dates():
    statistics = describe(FACTS[-2:])
    assert (statistics.dates, statistics.spans, statistics.examples) == ([], [], [])
    assert describe([]).facts == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(2010, 2014), st.integers(0, 3))))
def test_the_tables_agree_with_counting(rows):
    facts = [Fact(f"q{q} is", f"a{a}", f"P{q % 2}", str(date)) for q, date, a in rows]
    statistics = describe(facts)
    assert sum(row.facts for row in statistics.relations) == len(rows) == statistics.facts
    assert sum(row.queries for row in statistics.relations) == len({q for q, _, _ in rows})
    assert sum(row.queries for row in statistics.spans) == len({q for q, _, _ in rows})
    assert {row.date: row.queries for row in statistics.dates} == {
        str(date): len({q for q, d, _ in rows if d == date}) for date in {d for _, d, _ in rows}
    }
    changing = 0
    for query in {q for q, _, _ in rows}:
        dates = {d for q, d, _ in rows if q == query}
        answers = {frozenset(a for q, d, a in rows if (q, d) == (query, date)) for date in dates}
        changing += len(answers) > 1
    assert sum(row.changing for row in statistics.relations) == changing
    assert sum(row.changing for row in statistics.spans) == changing


def test_as_tables_and_as_json():
    statistics = describe(FACTS)
    tables = statistics.to_pandas()
    assert list(tables) == ["relations", "dates", "spans", "examples"]
    assert tables["relations"].loc[0, "queries"] == 3
    assert [len(table) for table in tables.values()] == [4, 5, 3, 4]
    assert list(describe([]).to_pandas()["spans"].columns) == ["dates", "queries", "changing"]
    assert json.loads(json.dumps(statistics.to_dict()))["spans"][0] == {
        "dates": 3,
        "queries": 1,
        "changing": 1,
    }
