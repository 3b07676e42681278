"""The work of the learning study on a shipped model: lessons, arms, and the model as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurotopo import Fact, NeuronSet, load_model
from neurotopo._codec import from_text, to_text
from neurotopo.models.fingerprint import fingerprint
from neurotopo.models.recall import recalled
from neurotopo.studies.facts import facts_for
from neurotopo.studies.learning.data import arm_sets, lessons_for, texts_of
from neurotopo.studies.learning.study import ARMS, Learning, LearningOptions, Trial, trials

OPTIONS = LearningOptions(
    n_seeds=1, epochs=2, evaluate_every=1, lr=2e-3, quadrature="gauss-legendre", steps=4
)


def fact(subject, answer, date="2018", relation="P54", prompt="{} plays for _X_."):
    return Fact(
        prompt.format(subject), answer, relation, date, id=f"{subject}_{date}", subject=subject
    )


FACTS = [
    fact("Ada", "Marly", "2017"),
    fact("Ada", "Peko", "2018"),
    fact("Bo", "Osk"),
    fact("Cy", "Tarn", prompt="In 2018, {} plays for _X_."),
]


# Lessons


def test_lessons_by_hand():
    lessons, left_out = lessons_for(FACTS)
    assert left_out == 1  # the fact of 2017 has a later one
    ada, bo, cy = lessons
    assert ada.old.prompt == "In 2018, Ada plays for _X_."
    assert ada.old.answers == ("Peko",)
    assert ada.new.prompt == "In 2019, Ada plays for _X_."
    assert cy.new.prompt == "In 2019, Cy plays for _X_."
    for lesson in lessons:
        assert lesson.new.answers[0] in {"Marly", "Peko", "Osk", "Tarn"}
        assert lesson.new.date == "2019"
        assert lesson.reworded.answers == lesson.new.answers
        assert lesson.reworded.prompt != lesson.new.prompt
        assert all(lesson.new.answers[0] in text and "2019" in text for text in lesson.texts)
    assert ada.new.answers[0] in {"Osk", "Tarn"}  # never one that was true of Ada
    assert bo.new.answers[0] != "Osk"
    assert len(texts_of(lessons)) == 6


def test_dates_and_texts_can_be_chosen():
    lessons, _ = lessons_for(FACTS, old_date="2017", new_date="2030", text="statement")
    assert [lesson.old.subject for lesson in lessons] == ["Ada"]
    assert lessons[0].texts == (f"In 2030, Ada plays for {lessons[0].new.answers[0]}.",)
    narratives, _ = lessons_for(FACTS, text="narrative")
    assert all(len(lesson.texts) == 1 and len(lesson.texts[0]) > 100 for lesson in narratives)


@pytest.mark.parametrize(
    ("facts", "given", "message"),
    [
        ([], {}, "no lesson can be made of 0 facts"),
        ([Fact("A is _X_", "b")], {}, "subject, a year as their date"),
        (FACTS, {"old_date": "1999"}, "facts of 1999 need a subject"),
        (FACTS[:1], {}, "no fact has a false answer"),
        (FACTS, {"text": "poem"}, "text must be one of"),
    ],
)
def test_lessons_that_cannot_be(facts, given, message):
    with pytest.raises(ValueError, match=message):
        lessons_for(facts, **given)


def test_lessons_of_the_test_bed_are_in_words_it_knows():
    lessons, _ = lessons_for(facts_for("factworld:40", "testbed:gpt2"))
    assert lessons[0].reworded.prompt != lessons[0].new.prompt
    assert "?" not in lessons[0].reworded.prompt
    assert all("2021" in lesson.reworded.prompt for lesson in lessons)


# Neurons


def test_arms_have_as_many_neurons():
    degenerate = NeuronSet([(0, k) for k in range(4)] + [(2, 1)])
    for others in ([], [(1, 0)], [(1, k) for k in range(9)]):
        sets = arm_sets((degenerate, NeuronSet(others), 3), 0, 3, 20)
        assert {len(sets.of(arm)) for arm in ("dkn", "kn", "random", "random_layers")} == {5}
        assert sets.sizes["topped_up"] == max(5 - len(others), 0)
        layers = sets.of("random_layers").layers
        assert np.bincount(layers, minlength=3).tolist() == [4, 0, 1]
        if len(others) >= 5:
            assert sets.of("kn").isdisjoint(degenerate)
        else:
            assert NeuronSet(others) <= sets.of("kn") <= (NeuronSet(others) | degenerate)


def test_random_neurons_differ_by_seed():
    degenerate = NeuronSet([(0, k) for k in range(6)])
    first, again, other = (arm_sets((degenerate, NeuronSet(), 1), s, 3, 40) for s in (0, 0, 1))
    assert first.of("random") == again.of("random") != other.of("random")


def test_no_degenerate_neurons_is_a_sentence():
    sets = arm_sets((NeuronSet(), NeuronSet([(0, 1)]), 0), 0, 2, 8)
    with pytest.raises(ValueError, match="no degenerate knowledge neurons were found"):
        sets.of("dkn")


# Trainings


@pytest.fixture(scope="module")
def facts():
    return facts_for("factworld:24", "testbed:gpt2")


@pytest.fixture(scope="module")
def results(facts):
    model = load_model("testbed:gpt2", device="cpu")
    before = fingerprint(model)
    flags = [each.requires_grad for each in model.hf_model.parameters()]
    work = Learning(model, OPTIONS, 0)
    found = {}
    for trial in trials(facts, OPTIONS, 0):
        found[trial.arm] = work(trial)
        fresh = load_model("testbed:gpt2", device="cpu")
        assert fingerprint(fresh) == before
        same = zip(
            fresh.hf_model.state_dict().values(), model.hf_model.state_dict().values(), strict=True
        )
        assert all(bool((a == b).all()) for a, b in same), f"{trial.arm} left something behind"
        assert [each.requires_grad for each in model.hf_model.parameters()] == flags
    return found


def test_every_arm_has_its_result(results):
    assert list(results) == list(ARMS)
    for arm, result in results.items():
        assert result["arm"] == arm
        assert result["curve"]["epoch"] == [0, 1, 2]
        assert result["curve"]["step"][-1] == result["cost"]["steps"]
        assert to_text(from_text(to_text(result))) == to_text(result)
        n = result["setting"]["lessons"]
        for when in ("before", "after"):
            for asked in ("new", "old", "au"):
                exact, first = (np.array(result[when][asked][k]) for k in ("exact", "first"))
                assert exact.shape == first.shape == (n,)
                assert (exact <= first).all()  # a whole answer begins with its first token
        for asked in ("new", "old", "au"):
            assert result["curve"][asked][-1] == pytest.approx(
                np.mean(result["after"][asked]["exact"])
            )
            assert result["curve"][asked][0] == pytest.approx(
                np.mean(result["before"][asked]["exact"])
            )


def test_the_arms_differ_in_what_they_train(results):
    cost = {arm: result["cost"] for arm, result in results.items()}
    same = {cost[arm]["n_trained"] for arm in ("dkn", "kn", "random", "random_layers")}
    assert len(same) == 1
    assert abs(cost["lora"]["n_trained"] / same.pop() - 1) < 0.2
    assert cost["all"]["n_trained"] == results["all"]["model"]["n_parameters"]
    assert cost["dkn"]["state_bytes"] < 0.5 * cost["all"]["state_bytes"]
    assert {c["steps"] for c in cost.values()} == {cost["all"]["steps"]}


def test_the_old_facts_were_known(results):
    assert np.mean(results["dkn"]["before"]["old"]["exact"]) >= OPTIONS.pretune_to
    assert results["dkn"]["setting"]["pretuned"] == 0


def test_only_full_fine_tuning_has_an_overlap(results):
    assert [arm for arm, result in results.items() if result["overlap"]] == ["all"]
    overlap = results["all"]["overlap"]
    assert len(overlap["sets"]["dkn"]) == len(overlap["multipliers"]) == 10
    assert sum(map(sum, overlap["maps"]["dkn"])) == results["all"]["sets"]["dkn"]
    assert all(0 <= p <= 1 for p in overlap["p"].values())


def test_a_training_does_not_depend_on_those_before(results, facts):
    work = Learning(load_model("testbed:gpt2", device="cpu"), OPTIONS, 0)
    alone = work(Trial("random", 0, tuple(facts)))
    for name in ("after", "curve", "sets", "before"):
        assert to_text(alone[name]) == to_text(results["random"][name])


def test_trials_are_seed_by_seed(facts):
    listed = trials(facts, LearningOptions(arms=["dkn", "all"], n_seeds=2), 5)
    assert [(t.arm, t.seed) for t in listed] == [("dkn", 5), ("all", 5), ("dkn", 6), ("all", 6)]
    assert len({t.key for t in listed}) == 4
    assert listed[0].to_dict()["n_facts"] == len(facts)
    assert listed[0].to_dict()["facts"] != trials(facts[1:], OPTIONS, 5)[0].to_dict()["facts"]


def test_old_facts_are_taught_first_where_they_are_not_known(facts):
    model = load_model("testbed:gpt2", device="cpu")
    chosen = [lesson.old for lesson in lessons_for(facts)[0]]
    answers = [each.answers for each in chosen]
    turned = [
        replace(each, answers=a) for each, a in zip(chosen, answers[1:] + answers[:1], strict=True)
    ]
    assert recalled(model, turned, ends=False).mean() < 0.3
    options = LearningOptions(
        arms=["dkn"],
        n_seeds=1,
        epochs=1,
        lr=1e-9,
        pretune_lr=3e-3,
        pretune_epochs=40,
        pretune_to=0.6,
    )
    work = Learning(model, options, 0)
    assert 0 < work._pretune(turned) <= 40
    assert recalled(model, turned, ends=False).mean() >= 0.6


def test_masked_models_are_refused():
    with pytest.raises(ValueError, match="needs a causal model"):
        Learning(load_model("testbed:bert", device="cpu"), OPTIONS, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arms": ["dkns"]}, "there is no arm 'dkns'"),
        ({"arms": []}, "arms must be different"),
        ({"n_seeds": 0}, "n_seeds must be a whole number of at least 1"),
        ({"preset": "large"}, "preset must be one of"),
        ({"old_date": "last"}, "old_date must be a year"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"pretune_to": 2.0}, "pretune_to must be between"),
        ({"pretune_lr": 0.0}, "pretune_lr must be positive"),
        ({"tau2": -1.0}, "tau2 must be"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        LearningOptions(**given)


TEMPLAMA = os.environ.get("NEUROTOPO_TEMPLAMA")


@pytest.mark.skipif(
    TEMPLAMA is None, reason="NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA"
)
def test_lessons_of_templama():
    from neurotopo.datasets import load_templama

    facts = load_templama(Path(str(TEMPLAMA)) / "train.jsonl")
    lessons, left_out = lessons_for(facts, old_date="2018", new_date="2019")
    assert len(lessons) + left_out == len(facts)
    assert {lesson.old.relation for lesson in lessons} == set(facts.relations)
    for lesson in lessons:
        assert lesson.old.date == "2018"
        assert "2019" in lesson.new.prompt
        assert "2019" in lesson.reworded.prompt
        assert not facts.truth.is_true(lesson.old, lesson.new.answers[0])
        assert lesson.new.answers[0] in lesson.texts[0]
