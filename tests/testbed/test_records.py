"""The records of a world have the fields of TempLAMA."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict

import pytest

from neurotopo.testbed.names import LANGUAGES
from neurotopo.testbed.wordings import TEMPORAL

YEARS = [str(year) for year in range(2010, 2021)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_records_have_the_fields_of_templama(world, language):
    records = world.to_records(language)
    facts = world.facts(language, TEMPORAL)
    assert len(records) == len(facts) > 1200
    assert json.loads(json.dumps(records)) == records
    ids = set()
    for record, fact in zip(records, facts, strict=True):
        assert list(record) == [
            "query",
            "answer",
            "date",
            "id",
            "most_frequent_answer",
            "most_recent_answer",
            "relation",
        ]
        assert re.fullmatch(r"Q\d+_P\d+_20[12]\d", record["id"])
        _, relation, year = record["id"].split("_")
        assert (relation, year) == (record["relation"], record["date"])
        assert (relation, year) == (fact.relation, fact.date)
        assert record["query"] == f"{fact.prompt}."
        assert tuple(answer["name"] for answer in record["answer"]) == fact.answers
        for answer in (
            *record["answer"],
            record["most_frequent_answer"],
            record["most_recent_answer"],
        ):
            assert list(answer) == ["wikidata_id", "name"]
            assert re.fullmatch(r"Q\d+", answer["wikidata_id"])
        ids.add(record["id"])
    assert len(ids) == len(records)


def test_the_most_frequent_and_the_most_recent_answer(world):
    histories = defaultdict(list)
    for record in world.to_records("en"):
        histories[record["id"].rpartition("_")[0]].append(record)
    for records in histories.values():
        counts = Counter(a["name"] for record in records for a in record["answer"])
        latest = max(records, key=lambda record: record["date"])
        for record in records:
            assert counts[record["most_frequent_answer"]["name"]] == max(counts.values())
            assert record["most_recent_answer"] in latest["answer"]


def test_an_entity_has_one_number_in_all_languages(world):
    numbers = [
        [[answer["wikidata_id"] for answer in record["answer"]] for record in records]
        for records in map(world.to_records, LANGUAGES)
    ]
    assert numbers[0] == numbers[1] == numbers[2]
