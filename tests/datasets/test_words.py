"""Where words are, in any script, and names compared by their words."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurotopo.knowledge.words import normalized, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada Brünn plays for", ["Ada", "Brünn", "plays", "for"]),
        (
            "Ducati Motor Holding S.p.A., isn't AT&T",
            ["Ducati", "Motor", "Holding", "S.p.A", "isn't", "AT&T"],
        ),
        ("(2014) 3-4; -x- 'y'", ["2014", "3-4", "x", "y"]),
        ("e\u0301te\u0301 u\u0308", ["e\u0301te\u0301", "u\u0308"]),
        ("祖尼亚 is 东", ["祖", "尼", "亚", "is", "东"]),
        ("x京y", ["x", "京", "y"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ที่ไร", ["ที่", "ไ", "ร"]),
        ("Москва — столица", ["Москва", "столица"]),
        ("", []),
        (" . -- ", []),
        ("'a", ["a"]),
        ("-", []),
        ("a-", ["a"]),
        ("a--b", ["a", "b"]),
    ],
)
def test_the_words_of_a_text(text, words):
    assert [text[start:end] for start, end in word_spans(text)] == words


@given(st.text())
@example("'x")
@example("\u0301a")
def test_spans_are_in_order_and_cover_every_letter_once(text):
    spans = word_spans(text)
    flat = [place for span in spans for place in span]
    assert flat == sorted(flat)
    assert all(start < end for start, end in spans)
    covered = [i for start, end in spans for i in range(start, end)]
    assert len(set(covered)) == len(covered)
    letters = {i for i, c in enumerate(text) if unicodedata.category(c)[0] in "LNM"}
    assert letters <= set(covered)
    assert all(text[i] in "'\u2019-.&" for i in set(covered) - letters)


@given(st.text())
def test_normalizing_twice_changes_nothing_more(text):
    assert normalized(normalized(text)) == normalized(text)


def test_names_that_differ_in_writing_only_are_the_same():
    same = [
        "Straße der  Peko-Werke, Inc.",
        "STRASSE DER PEKO-WERKE INC",
        " straße der Peko-Werke Inc",
    ]
    assert len({normalized(name) for name in same}) == 1
    assert normalized("e\u0301te") == normalized("éte")
    assert normalized("Marly") != normalized("Marley")
