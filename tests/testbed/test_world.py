"""FactWorld: that it is the same for ever, and that what it says is true, sound and well put."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo.knowledge import Fact, FactSet
from neurotopo.knowledge.languages import group_by_language
from neurotopo.models.prompts import causal_parts, masked_parts, split_prompt
from neurotopo.testbed import World, core_id, make_world
from neurotopo.testbed.draws import Draws
from neurotopo.testbed.names import KINDS, LANGUAGES
from neurotopo.testbed.wordings import RELATIONS, STATIC, TEMPORAL

FINGERPRINTS = {
    0: "da145188e7f68afc9691fe287f6e26ca963551f624e0aeb8d426db54cee195e5",
    1: "7c720d111c0b2a82a4a2bc1d849e819d02844f5ac764383641f0b89773ecaa82",
}
YEARS = [str(year) for year in range(2010, 2021)]
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(seed=0, languages=LANGUAGES)


def _worded(world: World, language: str) -> list[Fact]:
    """Return all facts of a language in all wordings."""
    return [
        fact
        for relation in world.relations
        for wording in range(world.n_wordings(relation, language))
        for fact in world.facts(language, relation, wording=wording)
    ]


def _years_of_truth(world: World) -> dict[tuple[str, str], set[str]]:
    """Return the answers that are ever true, worked out from the spans alone."""
    true = defaultdict(set)
    for span in world.spans:
        true[span.relation, span.subject].add(span.answer)
    return true


# the same for ever


@pytest.mark.parametrize("seed", FINGERPRINTS)
def test_a_seed_gives_the_same_world_for_ever(seed):
    # A change here is a change of the world that the shipped models were trained on.
    assert make_world(seed, languages=LANGUAGES).fingerprint == FINGERPRINTS[seed]


def test_the_fingerprint_does_not_depend_on_the_process():
    script = (
        "from neurotopo.testbed import make_world\n"
        "import sys\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules\n"
        "print(make_world(0, languages=('en', 'fr', 'ru')).fingerprint)"
    )
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert run.stdout.strip() == FINGERPRINTS[0]


def test_another_seed_gives_another_world(world):
    other = make_world(seed=1, languages=LANGUAGES)
    assert other.fingerprint != world.fingerprint
    assert [e.names for e in other.entities] != [e.names for e in world.entities]


def test_the_languages_change_nothing_about_what_holds(world):
    alone = make_world(seed=0, languages=["ru"])
    assert alone.spans == world.spans
    assert alone.entities == world.entities
    assert alone.facts("ru") == world.facts("ru")


def test_the_fingerprint_covers_names_truths_and_words(world):
    content = json.loads(world.to_json())
    assert set(content) == {"seed", "entities", "spans", "words"}
    assert len(content["spans"]) == len(world.spans)
    assert set(content["words"]) == set(LANGUAGES)


def test_draws_are_even_and_within_bounds():
    draws = Draws(3)
    counts = Counter(draws.below(5) for _ in range(5000))
    assert set(counts) == set(range(5))
    assert all(850 < count < 1150 for count in counts.values())
    assert sorted(draws.shuffled(range(20))) == list(range(20))


# names


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_names_and_keys_are_unique_in_every_language(seed):
    world = make_world(seed, languages=LANGUAGES)
    assert len({entity.key for entity in world.entities}) == len(world.entities)
    assert [entity.number for entity in world.entities] == [*range(1, len(world.entities) + 1)]
    for language in LANGUAGES:
        names = [entity.name(language).casefold() for entity in world.entities]
        assert len(set(names)) == len(names)


def test_names_have_one_to_three_words_in_their_own_script(world):
    for entity in world.entities:
        assert entity.kind in KINDS
        for language in LANGUAGES:
            name = entity.name(language)
            assert 1 <= len(name.split()) <= 3, name
            letters = "".join(re.findall(r"\w", name))
            assert bool(re.fullmatch(r"[\u0410-\u044f\u0451]+", letters)) == (language == "ru"), (
                name
            )


def test_a_vocabulary_of_4096_tokens_holds_every_word_of_two_languages(world):
    facts = [fact for language in ("en", "fr") for fact in _worded(world, language)]
    words = Counter(
        word
        for fact in facts
        for word in re.findall(r"\w+", " ".join([fact.prompt, *fact.answers]))
    )
    assert len(words) + 256 < 1500  # pieces of words and the bytes come on top
    assert max(map(len, words)) < 20


def test_names_of_places_differ_between_english_and_french(world):
    for kind in ("city", "country", "tongue", "club", "company", "position"):
        names = [entity.names for entity in world.entities if entity.kind == kind]
        different = sum(en.casefold() != fr.casefold() for en, fr, _ in names)
        assert different >= 0.6 * len(names), kind
    people = [entity.names for entity in world.entities if entity.kind == "person"]
    assert all(en == fr for en, fr, _ in people)


# what holds


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_spans_are_consistent(seed):
    world = make_world(seed)
    kinds = {entity.key: entity.kind for entity in world.entities}
    spans = defaultdict(list)
    for span in world.spans:
        assert span.subject != span.answer
        assert (span.first is None) == (span.last is None) == (span.relation in STATIC)
        if span.first is not None:
            assert 2010 <= span.first <= span.last <= 2020
        spans[span.relation, span.subject].append(span)
    for (relation, _), history in spans.items():
        assert len({kinds[span.answer] for span in history}) == 1
        for a, b in combinations(history, 2):
            assert relation in TEMPORAL  # what does not change has one span
            if a.answer == b.answer:
                assert a.last < b.first or b.last < a.first


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_nobody_leads_two_countries_clubs_or_boards_in_a_year(seed):
    world = make_world(seed)
    for relation in ("P6", "P286", "P488"):
        held = [
            (answer, statement.year)
            for statement in world.statements
            if statement.relation == relation
            for answer in statement.answers
        ]
        assert len(set(held)) == len(held)


def test_countries_have_capitals_of_their_own(world):
    capitals = [fact.answers[0] for fact in world.facts("en", "capital")]
    assert len(capitals) == len(set(capitals)) == 40


def test_answers_change_or_stay_and_some_are_several(world):
    for relation in TEMPORAL:
        histories = defaultdict(list)
        for fact in world.facts("en", relation):
            histories[fact.subject].append(fact.answers)
        changed = sum(len(set(answers)) > 1 for answers in histories.values())
        assert 0.3 * len(histories) < changed < len(histories), relation
    several = sum(len(fact.answers) > 1 for fact in world.facts("en"))
    assert 0.03 * len(world.statements) < several < 0.3 * len(world.statements)


def test_a_fact_has_the_answers_of_the_spans_of_its_year(world):
    for fact in world.facts("fr"):
        _, subject, *year = core_id(fact).split(":")
        found = {
            world.name(span.answer, "fr")
            for span in world.spans
            if (span.relation, span.subject) == (fact.relation, subject)
            and (not year or span.first <= int(year[0]) <= span.last)
        }
        assert set(fact.answers) == found


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
    facts = _worded(world, language)
    forms = [*facts, *map(world.question, facts), *map(world.wrong, facts)]
    forms += [world.wrong(world.question(fact)) for fact in facts]
    FactSet(forms)  # refuses an id that comes twice
    assert {core_id(fact) for fact in forms} == {core_id(f) for f in world.facts(language)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_is_causal_and_says_what_it_asks(world, language):
    for fact in _worded(world, language):
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
    for fact in _worded(world, language):
        question = world.question(fact)
        for answer in fact.answers:
            assert answer.casefold() not in fact.prompt.casefold(), fact
            assert answer.casefold() not in question.prompt.casefold(), question


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_alone_determines_the_answers(world, language):
    facts = _worded(world, language)
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
    for fact in _worded(world, language):
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
    for fact in _worded(world, "fr"):
        for text in (fact.prompt.replace("_X_", fact.answers[0]), world.question(fact).prompt):
            assert not re.search(r"(?i)\b(de|le|la|que|se|ne|chez la) [aeéèêiouyh]", text), text
            assert not re.search(r"(?i)\b(de|à) les?\b", text), text


# TempLAMA


@pytest.mark.parametrize("language", LANGUAGES)
def test_records_have_the_fields_of_templama(world, language):
    records = world.to_records(language)
    facts = world.facts(language, TEMPORAL)
    assert len(records) == len(facts) > 1200
    assert json.loads(json.dumps(records)) == records
    ids = set()
    for record, fact in zip(records, facts, strict=True):
        assert list(record) == [
            "query",
            "answer",
            "date",
            "id",
            "most_frequent_answer",
            "most_recent_answer",
            "relation",
        ]
        assert re.fullmatch(r"Q\d+_P\d+_20[12]\d", record["id"])
        _, relation, year = record["id"].split("_")
        assert (relation, year) == (record["relation"], record["date"])
        assert (relation, year) == (fact.relation, fact.date)
        assert record["query"] == f"{fact.prompt}."
        assert tuple(answer["name"] for answer in record["answer"]) == fact.answers
        for answer in (
            *record["answer"],
            record["most_frequent_answer"],
            record["most_recent_answer"],
        ):
            assert list(answer) == ["wikidata_id", "name"]
            assert re.fullmatch(r"Q\d+", answer["wikidata_id"])
        ids.add(record["id"])
    assert len(ids) == len(records)


def test_the_most_frequent_and_the_most_recent_answer(world):
    histories = defaultdict(list)
    for record in world.to_records("en"):
        histories[record["id"].rpartition("_")[0]].append(record)
    for records in histories.values():
        counts = Counter(a["name"] for record in records for a in record["answer"])
        latest = max(records, key=lambda record: record["date"])
        for record in records:
            assert counts[record["most_frequent_answer"]["name"]] == max(counts.values())
            assert record["most_recent_answer"] in latest["answer"]


def test_an_entity_has_one_number_in_all_languages(world):
    numbers = [
        [[answer["wikidata_id"] for answer in record["answer"]] for record in records]
        for records in map(world.to_records, LANGUAGES)
    ]
    assert numbers[0] == numbers[1] == numbers[2]


# agreement


def test_agreement_pairs_differ_in_the_number_of_one_word(world):
    pairs = world.agreement_pairs(500)
    assert len(set(pairs)) == len({pair.good_sentence for pair in pairs}) == 500
    for pair in pairs:
        good, bad = pair.good_sentence.split(), pair.bad_sentence.split()
        assert sum(a != b for a, b in zip(good, bad, strict=True)) == 1
        assert good[len(pair.prefix.split())].strip(".") == pair.good
        assert bad[len(pair.prefix.split())].strip(".") == pair.bad
        singular, plural = ("this", "these")
        fits, other = (singular, plural) if pair.number == "singular" else (plural, singular)
        words = pair.prefix.casefold().split()
        assert fits in words
        assert other not in words


def test_distractors_have_the_other_number(world):
    nouns = re.compile(
        r"\b(?:lawyer|doctor|farmer|singer|teacher|painter|driver|baker|sailor|"
        r"writer|student|guest)(s?)\b"
    )
    for pair in world.agreement_pairs(200):
        found = ["plural" if s else "singular" for s in nouns.findall(pair.prefix)]
        other = "plural" if pair.number == "singular" else "singular"
        expected = [pair.number] if pair.phenomenon.startswith("verb") else []
        if pair.phenomenon.endswith("distractor"):
            expected.append(other)
        assert found == expected, pair


def test_agreement_pairs_are_balanced_and_seeded(world):
    pairs = world.agreement_pairs(100, seed=4)
    counts = Counter((pair.phenomenon, pair.number) for pair in pairs)
    assert set(counts.values()) == {10}
    assert pairs == world.agreement_pairs(100, seed=4) != world.agreement_pairs(100, seed=5)
    assert world.agreement_pairs(0) == []
    with pytest.raises(ValueError, match="at most 500"):
        world.agreement_pairs(501)


# mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"languages": ["en", "de"]}, "languages must be some of en, fr, ru"),
        ({"languages": []}, "languages must be some of"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"n_parties": 1000}, "at most 32 of kind 'party', got 1000"),
        ({"n_clubs": 0}, "at least one .* of kind 'club', got 0"),
        ({"n_people": 7}, "n_people must be at least 8"),
        ({"n_countries": 30, "n_cities": 20}, "30 countries need as many cities, got 20"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_world(**arguments)


def test_what_is_not_of_the_world_is_refused():
    world = make_world()
    fact = world.facts("en", "capital")[0]
    with pytest.raises(ValueError, match=r"speaks 'en', 'fr', not 'ru'"):
        world.facts("ru")
    with pytest.raises(ValueError, match=r"relation must be one of P39, .*, got 'P36'"):
        world.facts("en", "P36")
    for wording in (-1, 7):
        with pytest.raises(ValueError, match=f"below 7 .*, got {wording}"):
            world.facts("en", "P54", wording=wording)
    with pytest.raises(ValueError, match="not the id of a fact of a world"):
        world.question(Fact("The capital of France is _X_", "Paris"))
    with pytest.raises(ValueError, match="not the id of a fact of this world"):
        world.wrong(Fact(fact.prompt, "x", id="en:capital:country999"))
    with pytest.raises(TypeError, match="relation must be a string or several, got 6"):
        world.facts("en", [6])


def test_a_small_world_works_and_one_without_wrong_answers_says_so():
    world = make_world(n_people=12, n_cities=3, n_countries=1, n_clubs=2, n_schools=3)
    assert len(world.facts("en")) > 20
    with pytest.raises(ValueError, match="no wrong answer for 'en:capital:country0'"):
        world.wrong(world.facts("en", "capital")[0])
