"""mLAMA and ParaRel: triples and templates."""

from __future__ import annotations

import re

import pytest

from neurotopo.datasets import load_mlama, load_pararel
from neurotopo.knowledge.languages import group_by_language
from tests.datasets.files import (
    DISGUISES,
    PATTERNS,
    TEMPLATES,
    TRIPLES,
    disguised,
    line,
    triple,
    write_lines,
)


@pytest.fixture
def mlama(tmp_path):
    for language, templates in TEMPLATES.items():
        write_lines(tmp_path / language / "templates.jsonl", templates)
        for relation, rows in TRIPLES[language].items():
            write_lines(tmp_path / language / f"{relation}.jsonl", rows)
    (tmp_path / "README.md").write_text("data")
    return tmp_path


def test_the_triples_of_all_languages(mlama):
    facts = load_mlama(mlama)
    assert [(fact.id, fact.prompt, fact.answers, fact.subject) for fact in facts] == [
        ("en:P1376:d", "_X_ has Peko as its capital.", ("Zunia",), "Peko"),
        ("en:P36:a", "The capital of Zunia is _X_.", ("Peko",), "Zunia"),
        ("en:P36:b", "The capital of Brolland is _X_.", ("Marly",), "Brolland"),
        ("en:P36:c", "The capital of Brolland is _X_.", ("Old Marly",), "Brolland"),
        ("fr:P36:a", "_X_ est la capitale de Zunie.", ("Péco",), "Zunie"),
        ("zh:P36:a", "祖尼亚的首都是_X_。", ("佩科",), "祖尼亚"),
    ]
    assert facts.truth.is_true(facts[2], "Old Marly"), "the answers of both rows are true"
    together = group_by_language(facts, by=lambda fact: fact.id.partition(":")[2])
    assert list(together["P36:a"]) == ["en", "fr", "zh"]


def test_languages_and_relations_can_be_chosen(mlama):
    assert [fact.language for fact in load_mlama(mlama, languages=["fr", "zh"])] == ["fr", "zh"]
    assert len(load_mlama(mlama, "en", "P1376")) == 1
    assert [fact.language for fact in load_mlama(mlama / "fr")] == ["fr"]
    with pytest.raises(ValueError, match="no language 'de'; there are en, fr, zh"):
        load_mlama(mlama, languages="de")
    with pytest.raises(ValueError, match="holds no facts"):
        load_mlama(mlama, relations="P999")


def test_causal_prompts_end_where_the_answer_begins(mlama):
    facts = load_mlama(mlama, ["en", "zh"], "P36", prompts="causal")
    assert [fact.prompt for fact in facts] == [
        "The capital of Zunia is",
        "The capital of Brolland is",
        "The capital of Brolland is",
        "祖尼亚的首都是",
    ]
    with pytest.raises(ValueError, match=r"P36\.jsonl, line 1: .*must come last"):
        load_mlama(mlama, "fr", prompts="causal")
    facts = load_mlama(mlama, prompts="causal", on_error="skip")
    assert len(facts) == 4
    assert len(facts.skipped) == 2


@pytest.mark.parametrize("how", DISGUISES)
def test_rows_that_say_everything_are_read_from_one_file(how, tmp_path):
    of_relation = {"predicate_id": "P36", "lineid": 3}
    french = {"template": "La capitale de [X] est [Y].", "language": "fr", **of_relation}
    english = {"template": "The capital of [X] is [Y].", "language": "en", **of_relation}
    rows = [triple("Zunie", "Péco", **french), triple("Zunia", "Peko", "", **english)]
    path = tmp_path / "mlama.jsonl"
    path.write_bytes(disguised("".join(line(row) + "\n" for row in rows).encode(), how))
    facts = load_mlama(path)
    assert [fact.id for fact in facts] == ["fr:P36:5", "en:P36:3"]
    assert [fact.prompt for fact in load_mlama(path, "fr")] == ["La capitale de Zunie est _X_."]


def test_a_subject_that_looks_like_a_mark_is_left_alone(tmp_path):
    english = {"template": "The capital of [X] is [Y].", "language": "en", "predicate_id": "P36"}
    rows = [triple("Zunia [Y]", "Peko", **english)]
    with pytest.raises(ValueError, match=r"'The capital of Zunia \[Y\] is _X_\.' holds \[Y\]"):
        load_mlama(write_lines(tmp_path / "f.jsonl", rows))


def test_triples_that_occur_twice_or_have_no_name_are_kept(tmp_path):
    nameless = {"sub_label": "Zunia", "obj_label": "Peko"}
    write_lines(tmp_path / "en" / "templates.jsonl", TEMPLATES["en"])
    rows = [triple("Zunia", "Peko"), triple("Zunia", "Peko"), nameless, {**nameless, "lineid": 0}]
    write_lines(tmp_path / "en" / "P36.jsonl", rows)
    assert [fact.id for fact in load_mlama(tmp_path)] == [
        "en:P36:5",
        "en:P36:5#2",
        "en:P36:line3",
        "en:P36:0",
    ]


BAD_TRIPLES = [
    ({"sub_label": "Zunia"}, "field 'obj_label' is missing"),
    ({"obj_label": "Zunia"}, "field 'sub_label' is missing"),
    (triple("Zunia", None), "field 'obj_label' must be a string, got None"),
    (triple("  ", "Peko"), "field 'sub_label' is blank"),
    (triple("_X_", "Peko"), "has 2 placeholders"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_TRIPLES)
def test_a_bad_triple_is_named_or_left_out(bad, reason, mlama):
    path = mlama / "fr" / "P36.jsonl"
    write_lines(path, [triple("Zunie", "Péco"), bad])
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: ")) as error:
        load_mlama(mlama)
    assert reason in str(error.value)
    facts = load_mlama(mlama, "fr", on_error="skip")
    assert (len(facts), [fault.line for fault in facts.skipped]) == (1, [2])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"relation": "P36"}, "field 'template' is missing"),
        ({"template": "[X] [Y]"}, "field 'relation' is missing"),
        ({"relation": "P9", "template": "[X] is."}, "field 'template' must have [Y] once"),
        ({"relation": "P9", "template": "[X] [X] [Y]"}, "field 'template' must have [X] once"),
        ({"relation": "P36", "template": "[X]: [Y]"}, "there is a template for 'P36' already"),
    ],
)
def test_a_bad_template_is_named_or_left_out(bad, reason, mlama):
    path = mlama / "fr" / "templates.jsonl"
    write_lines(path, [*TEMPLATES["fr"], bad])
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: ")) as error:
        load_mlama(mlama)
    assert reason in str(error.value)
    assert len(load_mlama(mlama, "fr", on_error="skip").skipped) == 1


def test_a_relation_without_a_template_is_named_or_left_out(mlama):
    write_lines(mlama / "fr" / "P19.jsonl", [triple("Ada", "Marly")])
    with pytest.raises(ValueError, match=r"P19\.jsonl: templates\.jsonl has no template for rel"):
        load_mlama(mlama)
    facts = load_mlama(mlama, on_error="skip")
    assert len(facts) == 6
    assert [(fault.line, "P19" in fault.file) for fault in facts.skipped] == [(None, True)]


def test_a_folder_that_is_none_of_mlama_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no folder of mLAMA"):
        load_mlama(tmp_path)


# ParaRel -----------------------------------------------------------------------------------------


@pytest.fixture
def pararel(tmp_path):
    write_lines(tmp_path / "pattern_data" / "graphs_json" / "P36.jsonl", PATTERNS)
    write_lines(tmp_path / "pattern_data" / "graphs_json" / "P19.jsonl", PATTERNS)
    rows = [triple("Zunia", "Peko", "a"), triple("Brolland", "Marly", "b")]
    write_lines(tmp_path / "trex_lms_vocab" / "P36.jsonl", rows)
    write_lines(tmp_path / "trex_lms_vocab" / "P1.jsonl", rows)
    return tmp_path


def test_each_triple_has_all_patterns(pararel):
    facts = load_pararel(pararel)
    assert [(fact.id, fact.prompt) for fact in facts] == [
        ("en:P36:a", "The capital of Zunia is _X_."),
        ("en:P36:b", "The capital of Brolland is _X_."),
    ]
    assert [(fact.id, fact.prompt, fact.answers) for fact in facts.wordings["en:P36:b"]] == [
        ("en:P36:b", "The capital of Brolland is _X_.", ("Marly",)),
        ("en:P36:b~2", "_X_ is the capital of Brolland.", ("Marly",)),
        ("en:P36:b~3", "Brolland, whose capital is _X_.", ("Marly",)),
    ]
    parts = pararel / "pattern_data" / "graphs_json", pararel / "trex_lms_vocab"
    assert load_pararel(*parts).wordings == facts.wordings
    assert load_pararel(*(part / "P36.jsonl" for part in parts)).wordings == facts.wordings


def test_causal_patterns(pararel):
    facts = load_pararel(pararel, prompts="causal")
    assert [fact.prompt for fact in facts.wordings["en:P36:a"]] == [
        "The capital of Zunia is",
        "The capital of Zunia is",
        "Zunia, whose capital is",
    ]
    path = pararel / "pattern_data" / "graphs_json" / "P36.jsonl"
    write_lines(path, [{"pattern": "[Y] rules [X]."}, PATTERNS[0]])
    with pytest.raises(ValueError, match=r"P36\.jsonl, line 1: .*must come last"):
        load_pararel(pararel, prompts="causal")
    facts = load_pararel(pararel, prompts="causal", on_error="skip")
    assert [len(wordings) for wordings in facts.wordings.values()] == [1, 1]
    assert [fault.line for fault in facts.skipped] == [1]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [({}, "field 'pattern' is missing"), ({"pattern": "[X] is."}, "must have [Y] once")],
)
def test_a_bad_pattern_is_named_or_left_out(bad, reason, pararel):
    path = pararel / "pattern_data" / "graphs_json" / "P36.jsonl"
    write_lines(path, [PATTERNS[0], bad])
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 2: ")) as error:
        load_pararel(pararel)
    assert reason in str(error.value)
    facts = load_pararel(pararel, on_error="skip")
    assert (len(facts), len(facts.skipped)) == (2, 1)


def test_a_bad_triple_is_left_out_with_all_its_wordings(pararel):
    path = pararel / "trex_lms_vocab" / "P36.jsonl"
    write_lines(path, [triple("Zunia", "Peko", "a"), triple("Brolland", "")])
    with pytest.raises(ValueError, match=r"P36\.jsonl, line 2: field 'obj_label' is blank"):
        load_pararel(pararel)
    facts = load_pararel(pararel, on_error="skip")
    assert list(facts.wordings) == [fact.key for fact in facts] == ["en:P36:a"]


def test_what_is_missing_is_said(pararel, tmp_path):
    with pytest.raises(ValueError, match="give the triples too"):
        load_pararel(pararel / "trex_lms_vocab")
    with pytest.raises(ValueError, match="two files or two folders"):
        load_pararel(pararel / "trex_lms_vocab", pararel / "trex_lms_vocab" / "P36.jsonl")
    with pytest.raises(ValueError, match="holds no facts"):
        load_pararel(pararel, relations="P999")
