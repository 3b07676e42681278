"""Files of one's own: CSV and JSON Lines."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Fact, FactSet
from neurotopo.datasets import load_csv, load_jsonl
from tests.datasets.files import DISGUISES, disguised

FACTS = FactSet(
    [
        Fact("The capital of Zúnia is _X_.", ["São Peko", "Peko"], "P36", id="a", subject="Zúnia"),
        Fact('Who owns "Peko", Inc.?', "Ilse\u2028Krone", "P127", "2018", language="en"),
        Fact("祖尼亚的首都是_X_。", "佩科", language="zh"),
    ]
)


@pytest.mark.parametrize("how", DISGUISES)
def test_lines_are_read_like_fact_set_reads_them(how, tmp_path):
    path = tmp_path / "facts.jsonl"
    FACTS.to_jsonl(path)
    path.write_bytes(disguised(path.read_bytes(), how))
    assert load_jsonl(path) == FACTS
    if "gzip" not in how:
        assert FactSet.from_jsonl(path) == FACTS


BAD_LINES = [
    (b"{", "not JSON"),
    (b"[]", "must be a JSON object with the fields of a fact, got '[]'"),
    (b'{"prompt": "a", "answers": ["b"], "color": 1}', "unknown field 'color'"),
    (b'{"prompt": "a", "prompt": "b", "answers": "c"}', "field 'prompt' occurs twice"),
    (b'{"answers": ["b"]}', "field 'prompt' is missing"),
    (b'{"prompt": "a"}', "field 'answers' is missing"),
    (b'{"prompt": "a", "answers": [""]}', "field 'answers' holds a blank answer"),
    (b'{"prompt": "a", "answers": "b", "date": 3}', "field 'date' must be a string or None"),
    (b'{"prompt": "_X_ _X_", "answers": "b"}', "has 2 placeholders"),
    (b'{"prompt": "\xff", "answers": "b"}', "not UTF-8"),
    (b'{"prompt": "p", "answers": "q", "id": "1"}', "and that of line 1 have the same id '1'"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_bad_line_is_named_or_left_out(bad, reason, tmp_path):
    path = tmp_path / "facts.jsonl"
    good = b'{"prompt": "p", "answers": "q", "id": "1"}\n'
    path.write_bytes(good + b"\n" + bad + b"\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 3: ")) as error:
        load_jsonl(path)
    assert reason in str(error.value)
    with pytest.raises(ValueError) as expected:
        FactSet.from_jsonl(path)
    assert str(error.value) == str(expected.value)
    facts = load_jsonl(path, on_error="skip")
    assert (len(facts), [fault.line for fault in facts.skipped]) == (1, [3])


def test_a_file_without_facts_is_an_error(tmp_path):
    for load, text in ((load_jsonl, " \n"), (load_csv, "prompt,answers\n\n"), (load_csv, "")):
        path = tmp_path / "facts"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"holds no facts|column 'prompt' is missing"):
            load(path)


# CSV ---------------------------------------------------------------------------------------------

HEADER = ["id", "prompt", "answers", "relation", "date", "subject", "language", "note"]


def table(facts, delimiter=","):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(HEADER)
    for fact in facts:
        values = {**fact.to_dict(), "answers": "|".join(fact.answers), "note": "x"}
        writer.writerow([values.get(name, "") for name in HEADER])
    return text.getvalue().encode()


@pytest.mark.parametrize("how", DISGUISES)
def test_what_a_table_becomes(how, tmp_path):
    for name, delimiter in (("facts.csv", ","), ("facts.tsv", "\t"), ("facts.tsv.gz", "\t")):
        path = tmp_path / name
        path.write_bytes(disguised(table(FACTS, delimiter), how))
        assert load_csv(path) == FACTS
    path.write_bytes(table(FACTS, ";").replace(b"|", b" / "))
    assert load_csv(path, delimiter=";", separator="/") == FACTS


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="|_[<\0\r"), min_size=1
).filter(str.strip)


@given(st.lists(TEXT, min_size=1, max_size=3), TEXT)
def test_any_table_is_read_as_it_was_written(tmp_path_factory, answers, prompt):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    fact = Fact(prompt, answers, id="1")
    path.write_bytes(table([fact]))
    assert list(load_csv(path)) == [fact]


def test_columns_may_have_other_names(tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text("q,a,answer\nWho?,Ada,Bob\n")
    assert load_csv(path, columns={"prompt": "q"})[0].answers == ("Bob",)
    assert load_csv(path, columns={"prompt": "q", "answers": "a"})[0].answers == ("Ada",)
    for columns, reason in (
        ({"prompt": "x"}, "line 1: column 'x' is missing; there are q, a, answer"),
        ({"prompt": "q", "date": "when"}, "line 1: column 'when' is missing"),
        ({"query": "q"}, "a fact has no field 'query'"),
        ({}, "line 1: column 'prompt' is missing"),
    ):
        with pytest.raises(ValueError, match=re.escape(reason)):
            load_csv(path, columns=columns)
    path.write_text("prompt\nWho?\n")
    with pytest.raises(ValueError, match="column 'answers' is missing; there are prompt"):
        load_csv(path)
    path.write_text("prompt,answers,prompt\nWho?,Ada,x\n")
    with pytest.raises(ValueError, match="line 1: column 'prompt' occurs twice"):
        load_csv(path)


BAD_ROWS = [
    ("a,b,c,d\n", "has 4 cells, but there are 3 columns"),
    ("a\n", "has 1 cells, but there are 3 columns"),
    (" ,b,c\n", "field 'prompt' is blank"),
    ("a,,c\n", "field 'answers' is blank"),
    ("a,b||c,d\n", "field 'answers' holds a blank answer"),
    ("_X_ _X_,b,c\n", "has 2 placeholders"),
    ("p,q,1\n", "have the same id '1'"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_is_named_or_left_out(bad, reason, tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(f'prompt,answers,id\n"two\nlines",q,1\n\n{bad}"\nx",y,2\n')
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 5: ")) as error:
        load_csv(path)
    assert reason in str(error.value)
    facts = load_csv(path, on_error="skip")
    assert [fact.id for fact in facts] == ["1", "2"]
    assert [fault.line for fault in facts.skipped] == [5]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("bad", ['a,"b', 'a,"b"c,d\n', 'a,"' + "b" * 200_000 + '",c\n'])
def test_what_is_not_csv_is_an_error_in_any_case(bad, on_error, tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(f"prompt,answers,id\np,q,1\n{bad}")
    with pytest.raises(ValueError, match=r"facts\.csv, line 3: not CSV"):
        load_csv(path, on_error)
