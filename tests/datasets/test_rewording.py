"""Facts in other words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from neurotopo import Fact
from neurotopo.datasets import (
    TEMPLAMA,
    Truth,
    causal_fact,
    narrative,
    paraphrases,
    question,
    wrong_fact,
)
from neurotopo.datasets.prompts import fill, subject_in
from neurotopo.models.prompts import RELATION_TEMPLATES, causal_parts

ADA = Fact("Ada plays for", "Marly", "P54", "2019", subject="Ada {answer} [Y]", id="a")


def test_the_relations_are_those_of_templama():
    assert list(TEMPLAMA) == ["P54", "P39", "P108", "P286", "P102", "P488", "P6", "P127", "P69"]
    everything = Counter(
        text
        for relation in TEMPLAMA.values()
        for text in (relation.statement, relation.question, *relation.wordings)
    )
    assert set(everything.values()) == {1}, "no wording occurs twice"
    for name in ("P6", "P286", "P488"):
        assert TEMPLAMA[name].statement == RELATION_TEMPLATES[name][0]


@pytest.mark.parametrize("relation", TEMPLAMA)
def test_every_wording_is_causal_and_every_narrative_complete(relation):
    texts = TEMPLAMA[relation]
    assert len(texts.wordings) >= 5
    fact = Fact("Peko does _X_.", ["Émile", "Bob"], relation, "2019", subject="Peko")
    for wording, other in zip(texts.wordings, paraphrases(fact), strict=True):
        assert wording.endswith(" _X_.")
        assert other.prompt == wording.replace("[Y]", "Peko")
        assert causal_parts(other).sentence("Émile") + "." == wording.replace(
            "[Y]", "Peko"
        ).replace("_X_", "Émile")
        assert other.answers == fact.answers
    text = narrative(fact)
    for name in ("2019", "Peko", "Émile"):
        assert text.count(name) == 1
        assert name in text.split(". ")[0], "when, who and what come first"
    assert len(text.split(". ")) == 3
    assert "{" not in text
    assert question(fact).prompt.endswith("?")
    assert "Peko" in question(fact).prompt


def test_names_that_look_like_marks_are_left_alone():
    assert fill("[X] [Y]", {"[X]": "[Y]", "[Y]": "[X]"}) == "[Y] [X]"
    assert "Ada {answer} [Y] among the players of Marly" in narrative(ADA)


def test_a_counterfactual_narrative():
    truth = Truth([ADA, Fact("Ilse plays for", "Peko", "P54", subject="Ilse")])
    assert narrative(ADA, "Peko") == narrative(wrong_fact(ADA, truth))
    assert "Marly" not in narrative(ADA, "Peko")


def test_own_wordings_and_templates():
    fact = Fact("?", "Marly", "sings", "2019", subject="Ada", id="a", language="fr")
    wordings = {"sings": ["[Y] chante à _X_."]}
    assert [(f.id, f.prompt) for f in paraphrases(fact, wordings)] == [("a~2", "Ada chante à _X_.")]
    assert narrative(fact, templates={"sings": "{date}: {subject}, {answer}"}) == "2019: Ada, Marly"
    for bad in ("[Y] chante.", "_X_ chante.", "[Y] [Y] _X_"):
        with pytest.raises(ValueError, match="must have \\[Y\\] and _X_ once each"):
            paraphrases(fact, {"sings": [bad]})
    with pytest.raises(ValueError, match=r"relation 'sings' has no \{answer\}"):
        narrative(fact, templates={"sings": "{date} {subject}"})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda f: paraphrases(replace(f, subject=None)), "field 'subject' is needed"),
        (lambda f: narrative(replace(f, date=None)), "field 'date' is needed"),
        (lambda f: question(replace(f, relation=None)), "field 'relation' is needed"),
        (lambda f: paraphrases(replace(f, relation="P999")), r"pass wordings=\{'P999': \['\[Y\] "),
        (lambda f: narrative(replace(f, language="fr")), r"'P54' in 'fr'; pass templates="),
        (lambda f: question(replace(f, language="fr")), "in English only"),
    ],
)
def test_what_is_missing_is_said(make, reason):
    with pytest.raises(ValueError, match=reason):
        make(replace(ADA, subject="Ada"))


def test_the_subject_in_a_prompt():
    assert subject_in("Ada plays for _X_.", "[Y] plays for _X_.") == "Ada"
    assert subject_in("_X_ is the chair of A. B..", "_X_ is the chair of [Y].") == "A. B."
    assert subject_in("Ada works for _X_.", "[Y] plays for _X_.") is None
    assert subject_in(" plays for _X_.", "[Y] plays for _X_.") is None
    assert subject_in("Who?", "Who owns [Y]?") is None


@pytest.mark.parametrize(
    ("prompt", "language", "expected"),
    [
        ("Ada plays for _X_.", "en", "Ada plays for"),
        ("_X_ is the chair of Peko.", "en", "The chair of Peko is"),
        ("Who owns Peko?", "en", "Who owns Peko?"),
        ("祖尼亚的首都是_X_。", "zh", "祖尼亚的首都是"),
        ("C'est l'_X_.", "fr", "C'est l'"),
        # What would be guessed is not what is meant, so the place stays marked.
        ("The anti-_X_ law", "en", None),
        ("He is called anti-_X_.", "en", "He is called anti-_X_"),
        ("Zúnia的首都是 _X_", "zh", "Zúnia的首都是"),
    ],
)
def test_causal_prompts_are_read_like_those_they_are_made_of(prompt, language, expected):
    fact = Fact(prompt, "a", language=language)
    if expected is None:
        with pytest.raises(ValueError, match="must come last"):
            causal_fact(fact)
        return
    causal = causal_fact(fact)
    assert causal.prompt == expected
    assert causal_parts(causal) == causal_parts(fact)
