"""TempLAMA: what a row becomes, what is wrong with a row, and all rows of the real file."""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from neurotopo import Fact
from neurotopo.datasets import (
    TEMPLAMA,
    load_templama,
    narrative,
    paraphrases,
    perturb_all,
    question,
    wrong_facts,
)
from neurotopo.models.prompts import causal_parts, masked_parts, split_prompt
from tests.datasets.files import DISGUISES, disguised, line, write_lines
from tests.datasets.files import TEMPLAMA_ROWS as ROWS
from tests.datasets.files import templama_row as row


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "train.jsonl", ROWS)
    asked = [
        row("Which team is Ada Brünn a player for?"),
        row("Who is the head coach of Marly F.C.?", ["Ilse"], id="Q2_P286_2010", relation="P286"),
    ]
    write_lines(tmp_path / "train_questions.jsonl", asked)
    return tmp_path


@pytest.mark.parametrize("how", DISGUISES)
def test_what_a_row_becomes(how, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(disguised("".join(line(r) + "\n" for r in ROWS).encode(), how))
    facts = load_templama(path)
    ada, coach = "Ada Brünn plays for", "The head coach of Marly F.C. is"
    clubs = ["Zúnia Rovers", "Peko City"]
    assert list(facts) == [
        Fact(ada, ["Marly United"], "P54", "2010", id="Q1_P54_2010", subject="Ada Brünn"),
        Fact(ada, clubs, "P54", "2011", id="Q1_P54_2011", subject="Ada Brünn"),
        Fact(coach, ["Ilse"], "P286", "2010", id="Q2_P286_2010", subject="Marly F.C."),
    ]
    assert {fact.language for fact in facts} == {"en"}
    original = load_templama(path, prompts="original")
    assert [fact.prompt for fact in original] == [r["query"] for r in ROWS]
    assert [fact.answers for fact in original] == [fact.answers for fact in facts]


def test_a_folder_has_statements_and_questions(folder):
    assert len(load_templama(folder)) == 3
    questions = load_templama(folder, kind="questions")
    assert [fact.prompt for fact in questions] == [
        "Which team is Ada Brünn a player for?",
        "Who is the head coach of Marly F.C.?",
    ]
    assert [fact.subject for fact in questions] == ["Ada Brünn", "Marly F.C."]
    assert load_templama(folder / "train_questions.jsonl") == questions
    reason = r"train\.jsonl, line 1: field 'query' is not one of the questions"
    with pytest.raises(ValueError, match=reason):
        load_templama(folder / "train.jsonl", kind="questions")


def test_further_files_of_a_folder_belong_to_it(folder):
    write_lines(folder / "val.json", [row(id="Q9_P54_2010")])
    (folder / "val.jsonl.gz").write_bytes(disguised(line(row(id="Q8_P54_2010")).encode(), "gzip"))
    (folder / "notes.txt").write_text("not json")
    assert [fact.id for fact in load_templama(folder)][-2:] == ["Q9_P54_2010", "Q8_P54_2010"]


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: write_lines(path / "a.json", [{}])]
)
def test_a_folder_without_statements_is_an_error(make, tmp_path):
    make(tmp_path)
    with pytest.raises(ValueError, match=r"holds no statements of TempLAMA; there is (a|n)"):
        load_templama(tmp_path)


def test_rows_that_occur_twice_are_kept(tmp_path):
    path = write_lines(tmp_path / "f.jsonl", [row(), row(), row(answer=["Peko"]), row()])
    facts = load_templama(path)
    assert [fact.id for fact in facts] == [
        "Q1_P54_2010",
        "Q1_P54_2010#2",
        "Q1_P54_2010#3",
        "Q1_P54_2010#4",
    ]
    assert [fact.answers[0] for fact in facts].count("Peko") == 1
    assert facts.truth.is_true(facts[0], "Peko")


def test_a_year_leaves_the_truth_of_other_years(folder):
    facts = load_templama(folder, year=2010)
    assert [fact.date for fact in facts] == ["2010", "2010"]
    assert facts.truth.is_true(facts[0], "Peko City")
    assert load_templama(folder, year=("2010", 2011)) == load_templama(folder)
    assert load_templama(folder, "2011")[0].answers == ("Zúnia Rovers", "Peko City")
    with pytest.raises(ValueError, match="no facts of 1999; its years are 2010, 2011"):
        load_templama(folder, year=1999)
    for year in (True, "18", 2018.0, ["x"]):
        with pytest.raises(ValueError, match="year must be a year such as 2018"):
            load_templama(folder, year=year)


def test_a_date_may_be_more_than_a_year(tmp_path):
    rows = [
        row(date="September 2021", id="a"),
        row(date="2021-09-03", id="b"),
        row(date="20215", id="c"),
    ]
    path = write_lines(tmp_path / "f.jsonl", rows)
    assert [fact.id for fact in load_templama(path, year=2021)] == ["a", "b"]


def test_answers_of_other_years_in_the_row_are_true(tmp_path):
    more = {"most_frequent_answer": {"name": "Zúnia"}, "most_recent_answer": {"name": "Peko"}}
    facts = load_templama(write_lines(tmp_path / "f.jsonl", [row(**more)]))
    assert facts.truth.is_true(facts[0], "Zúnia")
    assert facts.truth.is_true(facts[0], "Peko")
    assert facts[0].answers == ("Marly United",)


def test_relations_that_are_not_known_can_be_turned_round_by_templates(tmp_path):
    path = write_lines(tmp_path / "f.jsonl", [row("_X_ sings for Marly.", relation="sings")])
    with pytest.raises(ValueError, match=r"line 1: .*must come last"):
        load_templama(path)
    templates = {"sings": ("_X_ sings for [Y].", "The singer of [Y] is _X_.")}
    facts = load_templama(path, templates=templates)
    assert facts[0].prompt == "The singer of Marly is"
    assert load_templama(path, prompts="original")[0].prompt == "_X_ sings for Marly."


WITHOUT = [
    ({k: v for k, v in row().items() if k != name}, f"field '{name}' is missing")
    for name in ("query", "answer", "date", "id", "relation")
]
BAD_ROWS = [
    *WITHOUT,
    (row(query=3), "field 'query' must be a string, got 3"),
    (row(query=" "), "field 'query' is blank"),
    (row("_X_ and _X_ play."), "has 2 placeholders"),
    (row(date=2010), "field 'date' must be a string, got 2010"),
    (row(id=None), "field 'id' must be a string, got None"),
    (row(relation=""), "field 'relation' is blank"),
    (row(answer=[]), "field 'answer' is empty"),
    (row() | {"answer": "Marly"}, "field 'answer' must be a list, got 'Marly'"),
    (row() | {"answer": ["Marly"]}, "field 'answer[0]' must be an object, got 'Marly'"),
    (row() | {"answer": [{"name": "a"}, {}]}, "field 'answer[1].name' is missing"),
    (row(answer=[" "]), "field 'answer[0].name' is blank"),
    (row(answer=[None]), "field 'answer[0].name' must be a string, got None"),
    (row(most_recent_answer="x"), "field 'most_recent_answer' must be an object, got 'x'"),
    (row(most_frequent_answer={"name": 1}), "field 'most_frequent_answer.name' must be a string"),
    (row(query="_X_"), "no text is left before the answer"),
    (row(query="\ud800 plays for _X_."), "half a character"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_is_named_or_left_out(bad, reason, tmp_path):
    path = tmp_path / "f.jsonl"
    rows = [json.dumps(r) for r in (row(), bad, row(id="Q3_P54_2010"))]
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        load_templama(path)
    assert str(error.value).startswith(f"{path}, line 2: ")
    facts = load_templama(path, on_error="skip")
    assert [fact.id for fact in facts] == ["Q1_P54_2010", "Q3_P54_2010"]
    (skipped,) = facts.skipped
    assert (skipped.file, skipped.line) == (str(path), 2)
    assert reason in skipped.reason


def test_a_file_of_which_nothing_is_left_is_an_error(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"\n\n")
    with pytest.raises(ValueError, match=r"f\.jsonl holds no facts\.$"):
        load_templama(path)
    path.write_bytes(b"{}\n{")
    with pytest.raises(ValueError) as error:
        load_templama(path, on_error="skip")
    assert str(error.value) == (
        f"{path} holds no facts (2 skipped; the first: {path}, line 1: field 'query' is missing)."
    )
    with pytest.raises(FileNotFoundError):
        load_templama(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": "both"}, "kind must be"),
        ({"prompts": "masked"}, "prompts must be 'causal'"),
        ({"on_error": "warn"}, "on_error must be"),
    ],
)
def test_options_are_checked(options, reason, folder):
    with pytest.raises(ValueError, match=reason):
        load_templama(folder, **options)


# The real file, where it is at hand --------------------------------------------------------------


@pytest.fixture(scope="module")
def templama():
    folder = os.environ.get("NEUROTOPO_TEMPLAMA")
    if not folder:
        pytest.skip("NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA")
    return Path(folder)


@pytest.fixture(scope="module")
def rows(templama):
    return [json.loads(r) for r in (templama / "train.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def facts(templama):
    return load_templama(templama)


def test_every_row_is_there_with_all_its_answers(rows, facts):
    assert len(facts) == len(rows) == 10_693
    assert facts.skipped == ()
    for fact, r in zip(facts, rows, strict=True):
        assert fact.answers == tuple(answer["name"] for answer in r["answer"])
        assert (fact.id, fact.date, fact.relation) == (r["id"], r["date"], r["relation"])
    assert Counter(fact.relation for fact in facts) == Counter(r["relation"] for r in rows)


def test_no_prompt_keeps_the_placeholder_and_the_answer_comes_last(rows, facts):
    turned = Counter()
    for fact, r in zip(facts, rows, strict=True):
        assert split_prompt(fact.prompt) is None
        assert causal_parts(fact) == causal_parts(load_row(r))
        assert causal_parts(fact).before == fact.prompt
        assert causal_parts(fact).after == ""
        turned[fact.relation, fact.prompt != r["query"].removesuffix(" _X_.")] += 1
        # What a masked model reads is the sentence that the row states.
        assert masked_parts(fact).sentence("_X_").count("_X_") == 1
    answer_first = {"P6", "P286", "P488"}
    assert {relation for relation, was in turned if was} == answer_first
    assert {relation for relation, was in turned if not was} == set(TEMPLAMA) - answer_first


def load_row(r):
    return Fact(r["query"], [answer["name"] for answer in r["answer"]], r["relation"])


def test_prompts_of_the_file_have_the_placeholder_once(templama, rows):
    original = load_templama(templama, prompts="original")
    assert [fact.prompt for fact in original] == [r["query"] for r in rows]
    assert all(fact.prompt.count("_X_") == 1 for fact in original)


def test_the_subject_is_that_of_the_query(rows, facts):
    for fact, r in zip(facts, rows, strict=True):
        assert fact.subject is not None
        assert fact.subject in r["query"]
        wording = r["query"].replace(fact.subject, "[Y]", 1)
        assert wording == TEMPLAMA[fact.relation].statement


def true_names(rows):
    """The names that are true at any time, from the rows themselves, by Wikidata's subject."""
    names = defaultdict(set)
    for r in rows:
        subject = r["id"].rsplit("_", 1)[0]
        answers = [*r["answer"], r["most_frequent_answer"], r["most_recent_answer"]]
        names[subject] |= {answer["name"].casefold() for answer in answers}
    return names


@pytest.mark.parametrize("year", [None, 2018])
@pytest.mark.parametrize("kind", ["statements", "questions"])
def test_no_wrong_fact_is_true_and_no_true_fact_becomes_wrong(templama, rows, year, kind):
    facts = load_templama(templama, year=year, kind=kind)
    names = true_names(rows)
    of_relation = defaultdict(set)
    for r in rows:
        of_relation[r["relation"]] |= names[r["id"].rsplit("_", 1)[0]]
    wrong = wrong_facts(facts, seed=1)
    assert len(wrong) == len(facts) == (10_693 if year is None else 1_012)
    for fact, false in zip(facts, wrong, strict=True):
        (answer,) = false.answers
        true = names[fact.id.rsplit("_", 1)[0]]
        assert answer.casefold() not in true
        assert answer.casefold() in of_relation[fact.relation]
        assert false.id == f"{fact.id}~wrong1"
        assert (false.prompt, false.relation, false.date) == (fact.prompt, fact.relation, fact.date)
    for made_of, answers in ((facts, None), (wrong, "wrong")):
        for before, after in zip(made_of, perturb_all(made_of, seed=2), strict=True):
            assert after.answers == before.answers
            assert after.prompt != before.prompt
            assert (
                after.answers[0].casefold() in names[before.id.split("~")[0].rsplit("_", 1)[0]]
            ) is (answers is None)
    # Wrong answers are drawn, not the same ones again and again.
    assert len({fact.answers for fact in wrong}) > len(wrong) / 10
    assert [fact.answers for fact in wrong_facts(facts[:50], seed=1)] == [
        fact.answers for fact in wrong[:50]
    ]


def test_every_perturbation_of_every_prompt_leaves_the_placeholder(templama):
    original = load_templama(templama, prompts="original")
    for kind in ("replace", "add", "delete"):
        for before, after in zip(original, perturb_all(original, kind), strict=True):
            assert after.prompt.count("_X_") == 1
            assert after.prompt != before.prompt


def test_every_fact_can_be_reworded_asked_and_told(templama, facts):
    asked = load_templama(templama, kind="questions")
    n = 0
    for fact, real in zip(facts, asked, strict=True):
        assert len(paraphrases(fact)) == 5
        for other in paraphrases(fact):
            assert causal_parts(other).after == ""
            assert fact.subject in other.prompt
        text = narrative(fact)
        assert fact.subject in text
        assert fact.answers[0] in text
        assert fact.date in text
        n += question(fact).prompt == real.prompt
    assert n == len(facts) - 20, "20 questions of the file spell the subject in another way"
