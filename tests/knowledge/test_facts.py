"""Facts are checked when they are made, and files of facts line by line."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.knowledge import Fact, FactSet

CAPITAL = Fact("The capital of Zúnia is _X_.", "São Peko", relation="P36")
FACTS = FactSet(
    [
        CAPITAL,
        Fact("_X_ is the chair of bp.", ["Ada", "Ilse"], "P488", "2010", "bp_2010", "bp"),
        Fact("_X_ is the chair of bp.", ["Émile"], "P488", "2011", "bp_2011", "bp"),
        Fact("祖尼亚的首都是_X_。", "圣佩科", "P36", language="zh"),
        Fact('A line\nbreak, "quotes" and \u2028 too?', "yes\u2029no"),
    ]
)


def test_answers_become_a_tuple_without_space_around_them():
    assert Fact("Who?", " Ada ").answers == ("Ada",)
    assert Fact("Who?", ["Ada", "Ilse\n"]).answers == ("Ada", "Ilse")
    assert Fact("Who?", ("Ada",)) == Fact("Who?", "Ada")


def test_a_fact_cannot_be_changed_and_can_be_a_key():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CAPITAL.prompt = "x"
    assert len({CAPITAL, Fact("The capital of Zúnia is _X_.", ["São Peko"], "P36")}) == 1
    assert pickle.loads(pickle.dumps(CAPITAL)) == CAPITAL
    changed = dataclasses.replace(CAPITAL, date="2010")
    assert (changed.date, changed.relation) == ("2010", "P36")
    assert eval(repr(CAPITAL)) == CAPITAL


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"answers": ""}, ValueError, "Fact 'Who?': field 'answers' holds a blank answer."),
        ({"answers": ["a", " "]}, ValueError, "field 'answers' holds a blank answer"),
        ({"answers": []}, ValueError, "Fact 'Who?': field 'answers' is empty."),
        ({"answers": {"a"}}, TypeError, "a sequence of strings, got set"),
        ({"answers": b"a"}, TypeError, "a sequence of strings, got bytes"),
        ({"answers": None}, TypeError, "a sequence of strings, got NoneType"),
        ({"answers": ["a", 3]}, TypeError, "field 'answers' must be strings, got 3"),
        ({"answers": "\ud800"}, ValueError, "field 'answers' holds half a character"),
        ({"prompt": " \n"}, ValueError, "field 'prompt' is blank"),
        ({"prompt": 3}, TypeError, "field 'prompt' must be a string, got 3"),
        ({"prompt": "_X_ or _X_?"}, ValueError, "has 2 placeholders (_X_, _X_)"),
        ({"prompt": "_X_ or ___?"}, ValueError, "has 2 placeholders (_X_, ___)"),
        ({"prompt": "[X] is in [Y]."}, ValueError, "holds [X]: write the subject's name"),
        ({"date": 2010}, TypeError, "field 'date' must be a string or None, got 2010"),
        ({"id": 7}, TypeError, "Fact 'Who?': field 'id' must be a string or None, got 7"),
        ({"id": ""}, ValueError, "field 'id' is blank"),
        ({"id": "f7", "answers": ""}, ValueError, "Fact 'f7' ('Who?'): field 'answers'"),
        ({"relation": " "}, ValueError, "field 'relation' is blank"),
        ({"subject": ["bp"]}, TypeError, "field 'subject' must be a string or None"),
        ({"language": None}, TypeError, "field 'language' must be a string, got None"),
        ({"language": ""}, ValueError, "field 'language' is blank"),
    ],
)
def test_a_wrong_field_is_named(fields, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Fact(**{"prompt": "Who?", "answers": "Ada", **fields})


def test_the_key_is_the_id_or_made_from_all_other_fields():
    assert FACTS[1].key == "bp_2010"
    plain = {"prompt": "Who?", "answers": "Ada"}
    variants = [
        {},
        {"prompt": "Who"},
        {"answers": ["Ada", "Ilse"]},
        {"relation": "P1"},
        {"date": "P1"},
        {"subject": "P1"},
        {"language": "de"},
    ]
    keys = [Fact(**{**plain, **variant}).key for variant in variants]
    assert len(set(keys)) == len(variants)
    assert Fact(**plain).key == keys[0]


def test_the_key_is_the_same_in_every_process():
    script = f"from neurotopo.knowledge import Fact; print(({CAPITAL!r}).key)"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONUTF8": "1"}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment
    )
    assert run.stdout.decode().strip() == CAPITAL.key


def test_facts_need_no_model_library():
    script = "from neurotopo.knowledge import Fact\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.decode().split()}
    assert "neurotopo" in loaded
    assert not loaded & {"torch", "transformers", "pandas"}


def test_a_fact_set_is_a_sequence():
    assert len(FACTS) == 5
    assert FACTS[-1].prompt.startswith("A line")
    assert isinstance(FACTS[1:3], FactSet)
    assert [fact.date for fact in FACTS[1:3]] == ["2010", "2011"]
    assert list(FACTS[::-1]) == list(reversed(FACTS))
    assert CAPITAL in FACTS
    assert FACTS.index(CAPITAL) == 0
    assert FACTS[:2] + FACTS[2:] == FACTS
    assert hash(FACTS[:2] + FACTS[2:]) == hash(FACTS)
    assert FACTS[:2] != FACTS
    assert repr(FACTS) == "FactSet of 5 facts, 2 relations"
    with pytest.raises(IndexError):
        FACTS[5]


def test_keys_in_a_fact_set_are_distinct():
    with pytest.raises(ValueError, match=r"facts\[0\] and facts\[2\] have the same id 'a'"):
        FactSet([Fact("Who?", "Ada", id="a"), CAPITAL, Fact("What?", "Peko", id="a")])
    with pytest.raises(ValueError, match=r"facts\[0\] and facts\[1\] are the same .*Zúnia"):
        FactSet([CAPITAL, CAPITAL])
    with pytest.raises(TypeError, match=r"facts\[1\] must be a Fact, got 'Who\?'"):
        FactSet([CAPITAL, "Who?"])


def test_filter():
    assert FACTS.filter() == FACTS
    assert FACTS.filter(relation="P36") == FactSet([FACTS[0], FACTS[3]])
    assert FACTS.filter(relation=["P36", "P488"], language="en") == FACTS[:3]
    assert FACTS.filter(date={"2010", "2012"}) == FACTS[1:2]
    assert FACTS.filter(relation="P488", predicate=lambda f: len(f.answers) > 1) == FACTS[1:2]
    assert len(FACTS.filter(relation="P1")) == 0
    with pytest.raises(TypeError, match="date must be a string or several, got 2010"):
        FACTS.filter(date=[2010])


def test_relations():
    assert FACTS.relations == ("P36", "P488")
    groups = FACTS.by_relation()
    assert list(groups) == ["P36", "P488", None]
    assert groups["P488"] == FACTS[1:3]
    assert groups[None] == FACTS[4:]


def test_a_sample_is_drawn_by_its_seed_without_replacement_in_order():
    many = FactSet(Fact(f"Number {i} is", "it") for i in range(40))
    drawn = many.sample(10, seed=3)
    assert drawn == many.sample(10, seed=3)
    places = [many.index(fact) for fact in drawn]
    assert places == sorted(set(places))
    assert len(places) == 10
    assert len({many.sample(10, seed=seed) for seed in range(5)}) == 5
    seen = {fact for seed in range(60) for fact in many.sample(10, seed)}
    assert seen == set(many)
    assert many.sample(40, 0) == many
    for n in (41, -1):
        with pytest.raises(ValueError, match=f"Cannot draw {n} of 40 facts"):
            many.sample(n, 0)


def test_to_pandas():
    table = FACTS.to_pandas()
    assert table.index.tolist() == [fact.key for fact in FACTS]
    assert table.index.name == "key"
    assert list(table) == [field.name for field in dataclasses.fields(Fact)]
    assert table.answers.tolist()[1] == ("Ada", "Ilse")
    assert [Fact(**row) for row in table.to_dict("records")] == list(FACTS)
    assert list(FACTS[:0].to_pandas()) == list(table)


def test_a_file_of_facts_comes_back(tmp_path):
    path = tmp_path / "facts.jsonl"
    FACTS.to_jsonl(path)
    assert FactSet.from_jsonl(path) == FACTS
    records = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    expected = {"prompt": CAPITAL.prompt, "answers": ["São Peko"], "relation": "P36"}
    assert records[0] == {**expected, "language": "en"}
    assert records[1]["id"] == "bp_2010"
    assert "Zúnia" in path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["facts.jsonl"]


words = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
names = st.none() | words.filter(str.strip)


@given(
    st.builds(
        lambda prompt, answers, **names: (prompt, answers, names),
        words.filter(str.strip),
        st.lists(words.filter(str.strip), min_size=1, max_size=3),
        relation=names,
        date=names,
        id=names,
        subject=names,
    )
)
def test_any_text_comes_back(tmp_path_factory, given_fact):
    prompt, answers, names = given_fact
    facts = FactSet([Fact(prompt, answers, **names)])
    path = tmp_path_factory.mktemp("facts") / "facts.jsonl"
    facts.to_jsonl(path)
    assert FactSet.from_jsonl(path) == facts


def test_marks_blank_lines_and_windows_line_ends_are_put_up_with(tmp_path):
    path = tmp_path / "facts.jsonl"
    lines = [json.dumps(fact.to_dict()) for fact in FACTS]
    path.write_bytes(b"\xef\xbb\xbf\r\n" + "\r\n \t\r\n".join(lines).encode())
    assert FactSet.from_jsonl(path) == FACTS
    assert FactSet.from_jsonl(str(path)) == FACTS


def test_what_is_missing_or_null_is_the_default(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"prompt": "Who?", "answers": "Ada", "date": null, "language": null}')
    assert FactSet.from_jsonl(path) == FactSet([Fact("Who?", "Ada")])


GOOD = '{"prompt": "Who?", "answers": ["Ada"], "id": "a"}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "Who?", ', "not JSON (Expecting property name"),
        ("Who?", "not JSON (Expecting value at column 1)"),
        ('["Who?", "Ada"]', "must be a JSON object with the fields of a fact, got '[\"Who"),
        ('{"answers": ["Ada"]}', "field 'prompt' is missing"),
        ('{"prompt": "Who?"}', "field 'answers' is missing"),
        ('{"prompt": "Who?", "answer": "Ada"}', "unknown field 'answer'; the fields are prompt,"),
        ('{"prompt": 3, "answers": "Ada"}', "field 'prompt' must be a string, got 3"),
        ('{"prompt": "Who?", "answers": []}', "Fact 'Who?': field 'answers' is empty"),
        ('{"prompt": "Who?", "answers": [""]}', "field 'answers' holds a blank answer"),
        ('{"prompt": "Who?", "answers": {"a": 1}}', "field 'answers' must be"),
        ('{"prompt": "Who?", "answers": ["a", null]}', "field 'answers' must be strings, got None"),
        ('{"prompt": "Who?", "answers": "a", "date": 1}', "field 'date' must be a string or None"),
        ('{"prompt": "Who?", "answers": "a", "answers": "b"}', "field 'answers' occurs twice"),
        ('{"prompt": "Who?", "answers": "\\ud800"}', "field 'answers' holds half a character"),
        ('{"prompt": "_X_ or _X_?", "answers": "a"}', "has 2 placeholders"),
        ('{"prompt": "What?", "answers": "b", "id": "a"}', "line 2 have the same id 'a'"),
        ("[" * 100_000, "nested too deeply"),
        (b'{"prompt": "Z\xfania?", "answers": "a"}', "not UTF-8 (invalid"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_field(tmp_path, line, message):
    path = tmp_path / "facts.jsonl"
    line = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b"\n".join([b"", GOOD.encode(), b"", line, GOOD.encode()]))
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        FactSet.from_jsonl(path)
    assert str(caught.value).startswith(f"{path}, line 4: ")
    assert str(caught.value).endswith(".")
    assert not str(caught.value).endswith("..")


def test_a_file_without_facts_is_refused(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text("\n\n")
    with pytest.raises(ValueError, match=re.escape(f"{path} holds no facts.")):
        FactSet.from_jsonl(path)
    with pytest.raises(FileNotFoundError):
        FactSet.from_jsonl(tmp_path / "none.jsonl")


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "facts.jsonl"
    FACTS.to_jsonl(path)
    written = path.read_bytes()

    def fail(self):
        if self == FACTS[2]:
            raise KeyboardInterrupt
        return {"prompt": self.prompt}

    with monkeypatch.context() as patch:
        patch.setattr(Fact, "to_dict", fail)
        with pytest.raises(KeyboardInterrupt):
            FACTS.to_jsonl(path)
    assert path.read_bytes() == written
    assert [p.name for p in tmp_path.iterdir()] == ["facts.jsonl"]
    FACTS[:1].to_jsonl(path)
    assert FactSet.from_jsonl(path) == FACTS[:1]


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "data").mkdir()
    link = tmp_path / "facts.jsonl"
    link.symlink_to(tmp_path / "data" / "facts.jsonl")
    FACTS.to_jsonl(link)
    assert link.is_symlink()
    assert FactSet.from_jsonl(tmp_path / "data" / "facts.jsonl") == FACTS
