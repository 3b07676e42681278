"""CounterFact: true facts with false answers, paraphrases and neighbours."""

from __future__ import annotations

import json
import re

import pytest

from neurotopo.datasets import load_counterfact
from tests.datasets.files import DISGUISES, disguised
from tests.datasets.files import counterfact_case as case


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("layout", ["list", "indented", "lines"])
def test_what_a_case_becomes(how, layout, tmp_path):
    cases = [case(3), case(4, rewrite={"subject": "Émile", "target_true": {"str": "Peko"}})]
    lines = "".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cases)
    texts = {"list": json.dumps(cases), "indented": json.dumps(cases, indent=1), "lines": lines}
    path = tmp_path / "counterfact.json"
    path.write_bytes(disguised(texts[layout].encode(), how))
    facts = load_counterfact(path)
    assert [(f.id, f.prompt, f.answers, f.relation, f.subject) for f in facts] == [
        ("3", "The mother tongue of Ada Brünn is", ("Zunian",), "P103", "Ada Brünn"),
        ("4", "The mother tongue of Émile is", ("Peko",), "P103", "Émile"),
    ]
    assert [(f.id, f.prompt, f.answers) for f in facts.wrong] == [
        ("3~wrong", "The mother tongue of Ada Brünn is", ("Brollish",)),
        ("4~wrong", "The mother tongue of Émile is", ("Brollish",)),
    ]
    assert [(f.id, f.prompt, f.answers) for f in facts.paraphrases["3"]] == [
        ("3~paraphrase1", "It rains. Ada Brünn, a native", ("Zunian",)),
        ("3~paraphrase2", "Ada Brünn spoke", ("Zunian",)),
    ]
    (neighbour,) = facts.neighbours["3"]
    assert (neighbour.prompt, neighbour.answers, neighbour.subject) == (
        "The mother tongue of Ilse Krone is",
        ("Zunian",),
        None,
    )


def test_cases_of_one_number_and_cases_without_other_prompts(tmp_path):
    path = tmp_path / "f.json"
    bare = {name: value for name, value in case(3).items() if not name.endswith("_prompts")}
    path.write_text(json.dumps([case(3), bare, case("x")]))
    facts = load_counterfact(path)
    assert [fact.id for fact in facts] == ["3", "3#2", "x"]
    assert facts.paraphrases["3#2"] == facts.neighbours["3#2"] == ()
    assert [fact.id for fact in facts.wrong] == ["3~wrong", "3#2~wrong", "x~wrong"]


BAD_CASES = [
    ({"case_id": 1}, "field 'requested_rewrite' is missing"),
    (case(requested_rewrite=[]), "field 'requested_rewrite' must be an object, got []"),
    (case(rewrite={"prompt": ...}), "field 'requested_rewrite.prompt' is missing"),
    (case(rewrite={"prompt": "The tongue is"}), "'requested_rewrite.prompt' must have {} once"),
    (case(rewrite={"prompt": "{} and {} is"}), "'requested_rewrite.prompt' must have {} once"),
    (case(rewrite={"subject": 3}), "field 'requested_rewrite.subject' must be a string, got 3"),
    (case(rewrite={"relation_id": " "}), "field 'requested_rewrite.relation_id' is blank"),
    (case(rewrite={"target_true": "x"}), "field 'requested_rewrite.target_true' must be an object"),
    (case(rewrite={"target_new": {}}), "field 'requested_rewrite.target_new.str' is missing"),
    (case(rewrite={"target_new": {"str": "ZUNIAN "}}), "target_new.str' is the true answer"),
    (case(paraphrase_prompts="x"), "field 'paraphrase_prompts' must be a list, got 'x'"),
    (case(neighborhood_prompts=["a", 4]), "field 'neighborhood_prompts[1]' must be a string"),
    (case(paraphrase_prompts=["_X_ _X_"]), "has 2 placeholders"),
    ({k: v for k, v in case().items() if k != "case_id"}, "field 'case_id' is missing"),
    (case(None), "field 'case_id' must be a number or a string, got None"),
    (case(True), "field 'case_id' must be a number or a string, got True"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_CASES)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_bad_case_is_named_or_left_out(bad, reason, indent, tmp_path):
    path = tmp_path / "f.json"
    cases = [case(7), bad, case(8)]
    text = ",\n".join(json.dumps(c, indent=indent) for c in cases)
    path.write_text(f"[{text}]")
    number = 1 + text.count("\n", 0, text.index(",\n" + json.dumps(bad, indent=indent)) + 2)
    with pytest.raises(ValueError, match=re.escape(f"{path}, line {number}: ")) as error:
        load_counterfact(path)
    assert reason in str(error.value)
    facts = load_counterfact(path, on_error="skip")
    assert [fact.id for fact in facts] == [fact.id[0] for fact in facts.wrong] == ["7", "8"]
    assert [fault.line for fault in facts.skipped] == [number]


def test_a_file_without_cases_is_an_error(tmp_path):
    path = tmp_path / "f.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="holds no cases"):
        load_counterfact(path)
