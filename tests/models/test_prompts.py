"""The text around an answer: where it ends, and which space belongs to the answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.datasets import causal_fact
from neurotopo.knowledge import Fact
from neurotopo.models.prompts import (
    PLACEHOLDERS,
    RELATION_TEMPLATES,
    causal_parts,
    masked_parts,
    split_prompt,
    turned_round,
)


def causal(prompt, templates=None, **fields):
    parts = causal_parts(Fact(prompt, "Marly", **fields), templates)
    assert parts.after == ""
    return parts.before, parts.separator


def masked(prompt, **fields):
    parts = masked_parts(Fact(prompt, "Marly", **fields))
    return parts.before, parts.separator, parts.after


@pytest.mark.parametrize(
    ("prompt", "before", "separator"),
    [
        ("The capital of Zúnia is _X_.", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is _X_ .", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is [MASK]", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is <mask>?!", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is _____.", "The capital of Zúnia is", " "),
        ('The motto of Zúnia is "_X_."', 'The motto of Zúnia is "', ""),
        ("It is an island (_X_).", "It is an island (", ""),
        ("Who owns Google?", "Who owns Google?", " "),
        ("The capital of Zúnia is", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is ", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is \t ", "The capital of Zúnia is", " "),
        ("The capital of Zúnia is\u00a0_X_.", "The capital of Zúnia is", " "),
        ("Q: Who owns Google?\nA: _X_", "Q: Who owns Google?\nA:", " "),
        ("Q: Who owns Google?\nA:\n", "Q: Who owns Google?\nA:\n", ""),
        ("Q: Who owns Google?\nA:\n_X_", "Q: Who owns Google?\nA:\n", ""),
        ("Q: Who owns Google?\nA:\n _X_", "Q: Who owns Google?\nA:\n", " "),
        ('The motto of Zúnia is "', 'The motto of Zúnia is "', ""),
        ('Its motto is "Peace"', 'Its motto is "Peace"', " "),
        ("It is an island (", "It is an island (", ""),
        ("It costs $", "It costs $", ""),
        ("It costs _X_ €.", "It costs", " "),
        ("Marly is the Zúnians'", "Marly is the Zúnians'", " "),
    ],
)
def test_a_causal_prompt_ends_where_the_answer_starts(prompt, before, separator):
    assert causal(prompt) == (before, separator)


@pytest.mark.parametrize(
    ("prompt", "language", "before", "separator"),
    [
        ("祖尼亚的首都是_X_。", "zh", "祖尼亚的首都是", ""),
        ("祖尼亚的首都是 _X_ 。", "zh-Hans", "祖尼亚的首都是", ""),
        ("祖尼亚的首都是", "ZH_cn", "祖尼亚的首都是", ""),
        ("谁拥有谷歌?", "zh", "谁拥有谷歌?", ""),
        ("ズニアの首都は\u3000_X_。", "ja", "ズニアの首都は", ""),
        ("祖尼亚的首都是 Zunia _X_。", "zh", "祖尼亚的首都是 Zunia", " "),
        ("祖尼亚的首都是_X_。", "en", "祖尼亚的首都是", ""),
        ("La capitale est l'", "fr", "La capitale est l'", ""),
        ("La capitale est l\u2019", "fr", "La capitale est l\u2019", ""),
        ("La capitale est l'_X_.", "en", "La capitale est l'", ""),
        ("Wer besitzt Google?", "de", "Wer besitzt Google?", " "),
    ],
)
def test_spaces_are_those_of_the_language(prompt, language, before, separator):
    assert causal(prompt, language=language) == (before, separator)
    assert masked(prompt, language=language)[:2] == (before, separator)


@pytest.mark.parametrize(
    ("relation", "prompt", "before"),
    [
        ("P6", "_X_ is the head of the government of France.", None),
        ("P286", "_X_ is the head coach of Śląsk Wrocław.", None),
        ("P488", "_X_ is the chair of bp.", "The chair of bp is"),
        ("P488", "_X_ is the chair of Marly A.F.C..", "The chair of Marly A.F.C. is"),
        ("P27", "Ada is _X_ citizen .", "Ada is a citizen of"),
        ("P102", "Ada is a member of the _X_ political party .", None),
        ("P106", "Ada is a _X_ by profession .", "By profession, Ada is a"),
        ("P136", "Ada plays _X_ music .", "The music that Ada plays is"),
        ("P140", "Ada is affiliated with the _X_ religion .", None),
        ("P190", "Marly and _X_ are twin cities .", "Marly is a twin city of"),
        ("P413", "Ada plays in _X_ position .", "Ada plays in the position of"),
        ("P1923", "_X_ participated in the Peko Cup .", "One participant in the Peko Cup was"),
    ],
)
def test_a_prompt_is_turned_round_by_the_template_of_its_relation(relation, prompt, before):
    if before is None:
        subject = {"P6": "France", "P286": "Śląsk Wrocław"}.get(relation, "Ada")
        turned = RELATION_TEMPLATES[relation][1].replace("[Y]", subject)
        before = turned.removesuffix(" _X_.")
    assert causal(prompt, relation=relation) == (before, " ")


def test_every_template_puts_the_answer_last_and_fits_its_own_pattern():
    for relation, (pattern, _) in RELATION_TEMPLATES.items():
        for placeholder in PLACEHOLDERS:
            prompt = pattern.replace("_X_", placeholder).replace("[Y]", "Old Marly")
            before, separator = causal(prompt, relation=relation)
            assert separator == " "
            assert "Old Marly" in before
            assert split_prompt(before) is None
            assert "[Y]" not in before


@pytest.mark.parametrize(
    ("prompt", "turned"),
    [
        ("_X_ is the mayor of Marly.", "The mayor of Marly is _X_."),
        ("_X_ was the first mayor of Marly", "The first mayor of Marly was _X_."),
        ("[MASK] were the owners of Peko.", "The owners of Peko were _X_."),
        ("In 2010, _X_ was the mayor of Marly.", "In 2010, the mayor of Marly was _X_."),
        ("_X_ is the head of the guild of Marly .", "The head of the guild of Marly is _X_."),
    ],
)
def test_the_general_rule_for_english(prompt, turned):
    assert turned_round(Fact(prompt, "Ilse")) == turned
    assert causal(prompt)[0] == turned.removesuffix(" _X_.")


def test_the_general_rule_serves_where_a_known_relation_is_worded_otherwise():
    prompt = "_X_ was the chair of bp."
    assert causal(prompt, relation="P488") == ("The chair of bp was", " ")


@pytest.mark.parametrize(
    ("prompt", "fields"),
    [
        ("_X_ plays for Marly.", {}),
        ("_X_ plays for Marly.", {"relation": "P54"}),
        ("_X_ is the chair of bp, or is it?", {"relation": "P6"}),
        ("Is _X_ the mayor of Marly?", {}),
        ("_X_ is the mayor of Marly.", {"language": "de"}),
        ("The _X_ is the house of Ada.", {}),
    ],
)
def test_what_cannot_be_turned_round_is_refused_with_the_remedy(prompt, fields):
    fact = Fact(prompt, "Ada", id="f7", **fields)
    relation = fields.get("relation", "my relation")
    with pytest.raises(ValueError, match=re.escape(f"'f7' ({prompt!r})")) as caught:
        causal_parts(fact)
    shown = re.search(r"templates=(\{.*\})", str(caught.value)).group(1)
    assert f"{{{relation!r}: ('_X_ leads [Y].', 'The leader of [Y] is _X_.')}}" == shown


def test_templates_of_the_user_come_first():
    by_pair = {"P488": ("_X_ is the chair of [Y].", "[Y] is chaired by _X_.")}
    assert causal("_X_ is the chair of bp.", by_pair, relation="P488")[0] == "bp is chaired by"
    by_subject = {"P54": "[Y] has a player called _X_"}
    fact = {"relation": "P54", "subject": "Marly United"}
    expected = ("Marly United has a player called", " ")
    assert causal("_X_ plays for them.", by_subject, **fact) == expected
    without = {"P54": "A player of [Y] is"}
    assert causal("_X_ plays for them.", without, **fact) == ("A player of Marly United is", " ")
    quoted = {"P54": 'The player is "_X_".'}
    assert causal("_X_ plays for them.", quoted, **fact) == ('The player is "', "")


def test_a_pattern_that_does_not_fit_leaves_the_word_to_the_next_rule():
    templates = {"P488": ("_X_ chairs [Y].", "[Y] is chaired by _X_.")}
    assert causal("_X_ is the chair of bp.", templates, relation="P488")[0] == "The chair of bp is"


def test_templates_are_not_asked_where_the_answer_is_last():
    templates = {"P36": "nonsense"}
    assert causal("The capital of Zúnia is _X_.", templates, relation="P36")[0].endswith("is")


def test_the_subject_keeps_the_full_stop_of_its_abbreviation():
    fact = {"relation": "P488", "subject": "Peko Works Inc."}
    assert causal("_X_ is the chair of Peko Works Inc.", **fact)[0].endswith("Works Inc. is")
    fact["subject"] = "something else"
    assert causal("_X_ is the chair of Peko Works Inc.", **fact)[0].endswith("Works Inc is")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("[Y] has _X_.", r"'f7' .*'P54' has \[Y\] for the subject, but the fact has no subject"),
        (("_X_ plays for Marly.", "[Y] has _X_."), r"'P54' has \[Y\] for the subject"),
        ("Marly has _X_ as a player.", "leaves words after the answer: 'Marly has _X_ as"),
        (("a", "b", "c"), "'P54' must be a string or two"),
        (7, "'P54' must be a string or two, got 7"),
        ("_X_ and _X_", "2 placeholders"),
    ],
)
def test_wrong_templates_are_named(template, message):
    with pytest.raises(ValueError, match=message):
        causal("_X_ plays for Marly.", {"P54": template}, relation="P54", id="f7")


@pytest.mark.parametrize(
    ("prompt", "language", "expected"),
    [
        ("The capital of Zúnia is _X_.", "en", ("The capital of Zúnia is", " ", ".")),
        ("_X_ is the capital.", "en", ("", "", " is the capital.")),
        ("The island (_X_) is big.", "en", ("The island (", "", ") is big.")),
        ("Who owns Google?", "en", ("Who owns Google?", " ", ".")),
        ("The capital of Zúnia is ", "en", ("The capital of Zúnia is", " ", ".")),
        ("谁拥有谷歌?", "zh", ("谁拥有谷歌?", "", "。")),
        ("祖尼亚的首都是 _X_ 。", "zh", ("祖尼亚的首都是", "", "。")),
        ("_X_ 是祖尼亚的首都。", "zh", ("", "", "是祖尼亚的首都。")),
        ("祖尼亚 _X_ Marly。", "zh", ("祖尼亚", "", " Marly。")),
    ],
)
def test_a_masked_prompt_keeps_both_sides(prompt, language, expected):
    assert masked(prompt, language=language) == expected


def test_nothing_to_read_is_refused():
    with pytest.raises(ValueError, match=r"^Fact ' _X_\.': no text is left before the answer"):
        causal(" _X_.")
    with pytest.raises(ValueError, match="nothing around the placeholder"):
        masked("_X_")
    assert masked("_X_.") == ("", "", ".")


def test_two_placeholders_are_refused():
    with pytest.raises(ValueError, match=r"has 2 placeholders \(_X_, \[MASK\]\)"):
        split_prompt("_X_ is not [MASK].")


texts = st.text(alphabet=st.sampled_from("aé祖 \n.,?!'\"()1-"), max_size=12)


@given(texts, texts, st.sampled_from(PLACEHOLDERS), st.sampled_from(["en", "fr", "zh"]))
def test_only_space_is_ever_changed(before, after, placeholder, language):
    prompt = before + placeholder + after
    fact = Fact(prompt, "Marly", language=language)

    def squeezed(text):
        return "".join(text.split())

    if (before + after).strip():
        parts = masked_parts(fact)
        assert squeezed(parts.sentence("Marly")) == squeezed(f"{before}Marly{after}")
        assert not parts.before.endswith((" ", "\t"))
    if before.strip() and not any(character.isalnum() for character in after):
        parts = causal_parts(fact)
        assert squeezed(parts.before) == squeezed(before)
        assert split_prompt(parts.sentence("")) is None


@pytest.mark.parametrize(
    ("prompt", "answer", "sentence"),
    [
        ("法国的首都是", "巴黎", "法国的首都是巴黎"),
        ("法国的首都是:", "《巴黎》", "法国的首都是:《巴黎》"),
        ("フランスの首都は", "パリ", "フランスの首都はパリ"),
        ("フランスのしゅとは", "ぱり", "フランスのしゅとはぱり"),
        ("เมืองหลวงของฝรั่งเศสคือ", "ปารีส", "เมืองหลวงของฝรั่งเศสคือปารีส"),
        ("ເມືອງຫຼວງຂອງຝຣັ່ງແມ່ນ", "ປາຣີ", "ເມືອງຫຼວງຂອງຝຣັ່ງແມ່ນປາຣີ"),
        ("រាជធានីបារាំងគឺ", "ប៉ារីស", "រាជធានីបារាំងគឺប៉ារីស"),
        ("ပြင်သစ်မြို့တော်", "ပါရီ", "ပြင်သစ်မြို့တော်ပါရီ"),
        ("法国的首都是", "Paris", "法国的首都是 Paris"),
        ("法国的首都是", "1998", "法国的首都是 1998"),
        ("法国的首都是 Paris 或", "巴黎", "法国的首都是 Paris 或巴黎"),
        ("The capital of 法国 is", "巴黎", "The capital of 法国 is 巴黎"),
        ("프랑스의 수도는", "파리", "프랑스의 수도는 파리"),
        ("Столица Франции —", "Париж", "Столица Франции — Париж"),
        ("法国的首都是 ", "巴黎", "法国的首都是 巴黎"),
        ("法国的首都是 _X_", "巴黎", "法国的首都是 巴黎"),
        ("法国的首都是_X_", "Paris", "法国的首都是Paris"),
    ],
)
def test_scripts_without_spaces_have_none_before_the_answer(prompt, answer, sentence):
    """The language is not given: the letters decide, unless the prompt has a space itself."""
    fact = Fact(prompt, answer)
    assert causal_parts(fact).sentence(answer) == sentence
    assert causal_parts(causal_fact(fact)).sentence(answer) == sentence


def test_every_answer_has_its_own_space():
    parts = causal_parts(Fact("法国的首都是", ["巴黎", "Paris"]))
    assert [parts.space(answer) for answer in ("巴黎", "Paris")] == ["", " "]
    masked = masked_parts(Fact("法国的首都是", "巴黎"))
    assert masked.sentence("巴黎") == "法国的首都是巴黎."
