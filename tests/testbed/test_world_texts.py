"""The texts of FactWorld: prompts, questions, narratives and wrong answers."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo.knowledge import FactSet
from neurotopo.knowledge.languages import group_by_language
from neurotopo.models.prompts import causal_parts, masked_parts, split_prompt
from neurotopo.testbed import World, core_id, make_world
from neurotopo.testbed.names import LANGUAGES
from neurotopo.testbed.wordings import RELATIONS, STATIC, TEMPORAL
from tests.support.training import all_wordings

YEARS = [str(year) for year in range(2010, 2021)]
SEEDS = st.integers(0, 2**32)


def _years_of_truth(world: World) -> dict[tuple[str, str], set[str]]:
    """Return the answers that are ever true, worked out from the spans alone."""
    true = defaultdict(set)
    for span in world.spans:
        true[span.relation, span.subject].add(span.answer)
    return true


# facts


def test_the_size_of_the_world(world):
    for language in LANGUAGES:
        assert 1350 <= len(world.facts(language)) <= 1550
        core = world.core_facts(language)
        assert 650 <= len(core) <= 750
        assert set(core.relations) == set(RELATIONS)
        assert set(core) < set(world.facts(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_ids_are_unique_over_all_wordings_and_forms(world, language):
    facts = all_wordings(world, language)
    forms = [*facts, *map(world.question, facts), *map(world.wrong, facts)]
    forms += [world.wrong(world.question(fact)) for fact in facts]
    FactSet(forms)  # refuses an id that comes twice
    assert {core_id(fact) for fact in forms} == {core_id(f) for f in world.facts(language)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_is_causal_and_says_what_it_asks(world, language):
    for fact in all_wordings(world, language):
        assert fact.prompt.count("_X_") == 1
        assert fact.prompt.endswith(" _X_")
        assert fact.subject in fact.prompt
        assert fact.language == language
        assert fact.relation in RELATIONS
        if fact.relation in STATIC:
            assert fact.date is None
            assert not re.search(r"\d", fact.prompt)
        else:
            assert fact.date in YEARS
            assert re.findall(r"\d+", fact.prompt) == [fact.date]
        parts = causal_parts(fact)
        assert (parts.before + " _X_", parts.separator) == (fact.prompt, " ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_wording_holds_an_answer(world, language):
    for fact in all_wordings(world, language):
        question = world.question(fact)
        for answer in fact.answers:
            assert answer.casefold() not in fact.prompt.casefold(), fact
            assert answer.casefold() not in question.prompt.casefold(), question


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_alone_determines_the_answers(world, language):
    facts = all_wordings(world, language)
    assert len({fact.prompt for fact in facts}) == len(facts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_are_many_and_some_are_held_out(world, language):
    for relation in RELATIONS:
        n = world.n_wordings(relation, language)
        trained = world.trained_wordings(relation, language)
        held_out = world.held_out_wordings(relation, language)
        assert n >= 6
        assert len(trained) >= 5
        assert len(held_out) >= 1
        assert sorted(trained + held_out) == list(range(n))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_subject_stands_in_different_places(world, language):
    for relation in RELATIONS:
        places = set()
        for wording in world.trained_wordings(relation, language):
            fact = world.facts(language, relation, wording=wording)[0]
            start = fact.prompt.index(fact.subject)
            rest = fact.prompt[start + len(fact.subject) :]
            # the words "in 2014" before the answer leave the subject near the end
            places.add("start" if start < 12 else "end" if len(rest.split()) <= 6 else "middle")
        assert len(places) >= 2, relation


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fact_is_the_same_in_every_wording_but_for_its_prompt_and_id(world, language):
    first = {fact.id: fact for fact in world.facts(language)}
    for fact in all_wordings(world, language):
        plain = first[f"{language}:{core_id(fact)}"]
        assert replace(fact, prompt=plain.prompt, id=plain.id) == plain


def test_facts_can_be_chosen_by_relation_and_date(world):
    every = world.facts("en")
    assert world.facts("en", "P54", "2014") == every.filter(relation="P54", date="2014")
    assert world.facts("en", ["P6", "capital"]) == every.filter(relation=["P6", "capital"])
    assert world.facts("en", date=YEARS) == every.filter(relation=TEMPORAL)
    assert len(world.facts("en", "capital", date="2014")) == 0


def test_facts_come_back_from_a_file(world, tmp_path):
    for language in LANGUAGES:
        facts = world.facts(language, wording=3)
        facts.to_jsonl(tmp_path / "facts.jsonl")
        assert FactSet.from_jsonl(tmp_path / "facts.jsonl") == facts


def test_languages_are_joined_by_what_they_state(world):
    facts = FactSet([fact for language in LANGUAGES for fact in world.facts(language, wording=2)])
    groups = group_by_language(facts, by=core_id)
    assert len(groups) == len(world.statements)
    for name, group in groups.items():
        assert tuple(group) == LANGUAGES
        assert len({(f.relation, f.date, len(f.answers)) for f in group.values()}) == 1
        statement = world.statement(group["fr"])
        assert statement.id == name
        for language, fact in group.items():
            assert fact.answers == tuple(world.name(a, language) for a in statement.answers)


# questions, narratives, wrong answers


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_ask_for_the_same_without_a_placeholder(world, language):
    for fact in world.facts(language, wording=1):
        question = world.question(fact)
        assert split_prompt(question.prompt) is None
        assert question.prompt.endswith("?")
        assert fact.subject in question.prompt
        assert fact.date is None or fact.date in question.prompt
        assert question.answers == fact.answers
        assert masked_parts(question).after == "."


@pytest.mark.parametrize("language", LANGUAGES)
def test_narratives_state_the_fact_in_some_sentences(world, language):
    for fact in world.facts(language):
        for told in (fact, world.wrong(fact)):
            text = world.narrative(told)
            assert text.count(told.answers[0]) == 1
            assert fact.subject in text
            assert fact.date is None or fact.date in text
            assert len(re.findall(r"\.(?: |$)", text)) >= 2
            assert not re.search(r"_X_|[{}]", text)
        assert all(answer not in text for answer in fact.answers)


@given(seed=SEEDS, draw=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_wrong_answer_is_never_true(seed, draw):
    world = make_world(seed, languages=LANGUAGES)
    true = _years_of_truth(world)
    pools = defaultdict(set)
    for span in world.spans:
        pools[span.relation].add(span.answer)
    for language in LANGUAGES:
        keys = {entity.name(language): entity.key for entity in world.entities}
        for fact in world.facts(language):
            relation, subject, *_ = core_id(fact).split(":")
            wrong = world.wrong(fact, draw)
            (answer,) = wrong.answers
            assert keys[answer] not in true[relation, subject]
            assert keys[answer] in pools[relation]
            assert answer.casefold() not in fact.prompt.casefold()
            assert (wrong.prompt, wrong.date, wrong.subject) == (
                fact.prompt,
                fact.date,
                fact.subject,
            )


def test_wrong_answers_depend_on_the_seed_and_not_on_the_wording(world):
    facts = world.facts("en", "P54")
    again = [world.wrong(fact, 5).answers for fact in facts]
    assert again == [world.wrong(fact, 5).answers for fact in facts]
    assert again == [world.wrong(f, 5).answers for f in world.facts("en", "P54", wording=3)]
    assert again != [world.wrong(fact, 6).answers for fact in facts]
    assert len(set(again)) > 10


# French


def test_french_words_are_joined_as_french_joins_them(world):
    for fact in all_wordings(world, "fr"):
        for text in (fact.prompt.replace("_X_", fact.answers[0]), world.question(fact).prompt):
            assert not re.search(r"(?i)\b(de|le|la|que|se|ne|chez la) [aeéèêiouyh]", text), text
            assert not re.search(r"(?i)\b(de|à) les?\b", text), text
