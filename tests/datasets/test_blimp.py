"""BLiMP: pairs of sentences."""

from __future__ import annotations

import re

import pytest

from neurotopo.datasets import load_blimp
from tests.datasets.files import DISGUISES, ISLAND, disguised, line, write_lines
from tests.datasets.files import blimp_pair as pair


def without(*names, **fields):
    return {name: value for name, value in pair(**fields).items() if name not in names}


@pytest.mark.parametrize("how", DISGUISES)
def test_what_a_row_becomes(how, tmp_path):
    path = tmp_path / "blimp.jsonl"
    path.write_bytes(disguised(f"{line(pair())}\n{line(ISLAND)}\n".encode(), how))
    first, second = pairs = load_blimp(path)
    assert (first.good, first.bad) == ("Ilse cleaned this boat.", "Ilse cleaned this boats.")
    assert (first.paradigm, first.phenomenon, first.id) == (
        "determiner_noun_agreement_1",
        "determiner_noun_agreement",
        "determiner_noun_agreement_1:0",
    )
    assert (first.prefix, first.good_word, first.bad_word) == ("Ilse cleaned this", "boat", "boats")
    assert (second.id, second.phenomenon) == ("adjunct_island:12", None)
    assert second.prefix is second.good_word is second.bad_word is None
    assert pairs.paradigms == ("determiner_noun_agreement_1", "adjunct_island")
    assert list(pairs[1:]) == [second]
    assert pairs[1:].paradigms == ("adjunct_island",)


def test_pairs_as_facts(tmp_path):
    path = write_lines(tmp_path / "f.jsonl", [pair("1"), ISLAND, pair("2")])
    pairs = load_blimp(path)
    good, bad = pairs.facts, pairs.wrong_facts
    assert [(fact.prompt, fact.answers, fact.relation) for fact in good] == [
        ("Ilse cleaned this", ("boat",), "determiner_noun_agreement_1")
    ] * 2
    assert [fact.answers for fact in bad] == [("boats",)] * 2
    assert [fact.id + "~wrong" for fact in good] == [fact.id for fact in bad]


def test_a_folder_of_paradigms(tmp_path):
    write_lines(tmp_path / "a.jsonl", [pair("0"), pair("1")])
    write_lines(tmp_path / "b.jsonl", [pair("0", "other"), ISLAND])
    assert len(load_blimp(tmp_path)) == 4
    assert [p.id for p in load_blimp(tmp_path, "other")] == ["other:0"]
    assert len(load_blimp(tmp_path, ["other", "adjunct_island"])) == 2
    with pytest.raises(ValueError, match="holds no such pairs"):
        load_blimp(tmp_path, "none")


BAD_PAIRS = [
    (without("sentence_good"), "field 'sentence_good' is missing"),
    (without("UID"), "field 'UID' is missing"),
    (without("pairID"), "field 'pairID' is missing"),
    (pair(sentence_bad=""), "field 'sentence_bad' is blank"),
    (pair(sentence_bad="Ilse cleaned this boat."), "'sentence_bad' is the same"),
    (without("one_prefix_word_bad"), "field 'one_prefix_word_bad' is missing"),
    (pair(one_prefix_prefix=None), "field 'one_prefix_prefix' must be a string, got None"),
    (pair(one_prefix_word_bad="boat"), "field 'one_prefix_word_bad' is the good word"),
    (pair(linguistics_term=3), "field 'linguistics_term' must be a string, got 3"),
    (pair("7"), "there is a pair 'determiner_noun_agreement_1:7' already"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_PAIRS)
def test_a_bad_row_is_named_or_left_out(bad, reason, tmp_path):
    path = write_lines(tmp_path / "f.jsonl", [pair("7"), bad, pair("8")])
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: ")) as error:
        load_blimp(path)
    assert reason in str(error.value)
    pairs = load_blimp(path, on_error="skip")
    assert [p.id[-1] for p in pairs] == ["7", "8"]
    assert [fault.line for fault in pairs.skipped] == [2]


def test_an_empty_file_is_an_error(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="holds no pairs"):
        load_blimp(path)
