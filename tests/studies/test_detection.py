"""The detection study: what is asked, the measures, and the work on a model."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

import neurotopo as nt
from neurotopo import Fact, NeuronSet
from neurotopo._codec import from_text, to_text
from neurotopo.datasets import Dataset, Truth, load_factworld
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from neurotopo.studies.detection.neurons import asked_scores, random_sets, shared, verdict_fact
from neurotopo.studies.detection.scoring import (
    above,
    areas,
    bootstrap_p,
    bootstrap_weights,
    confusion_measures,
    interval,
    roc_points,
    threshold_for,
)
from neurotopo.studies.detection.study import Detection, DetectionOptions
from neurotopo.studies.detection.trials import facts_of_relations, trials, wrong_labels

NAN = float("nan")
QUICK = DetectionOptions.quick(steps=2, n_random=2, n_resamples=100)


def fact(subject, answers, date=None, relation="P54", language="en"):
    when = "" if date is None else f"In {date}, "
    return Fact(
        f"{when}{subject} plays for _X_",
        answers,
        relation,
        date,
        id=f"{subject}_{date}_{relation}_{language}",
        subject=subject,
        language=language,
    )


def many(n, dates=("2017", "2018"), answers="bcdef"):
    """Facts of n subjects at two dates; an answer is a team, or two."""
    found = []
    for k in range(n):
        for i, date in enumerate(dates):
            teams = [f"Team {answers[(k + i) % len(answers)]}"]
            found.append(fact(f"S{k}", teams if k % 3 else [*teams, "Team z"], date))
    return found


# What is asked


def check(trial, truth):
    """See that a trial keeps its promises."""
    sides = {True: [], False: []}
    for pair in trial.pairs:
        assert pair.label in pair.fact.answers
        assert not truth.may_be_true(pair.fact, pair.wrong)
        assert pair.true_fact.answers == (pair.label,)
        assert pair.wrong_fact.answers == (pair.wrong,)
        assert pair.true_fact.prompt == pair.wrong_fact.prompt == pair.fact.prompt
        sides[pair.train].append(pair)
    for pairs in sides.values():
        assert pairs
        assert Counter(pair.label for pair in pairs) == Counter(pair.wrong for pair in pairs)
    subjects = [{pair.fact.subject for pair in pairs} for pairs in sides.values()]
    assert subjects[0].isdisjoint(subjects[1])
    assert trial.n_facts == len(trial.pairs) + sum(trial.left_out.values())


@pytest.mark.parametrize("seed", range(5))
def test_wrong_labels_are_wrong_and_as_frequent_as_true_ones(seed):
    facts = many(12)
    (trial,) = trials(facts, DetectionOptions(), seed)
    check(trial, Truth(facts))
    assert trial.key == "P54"
    assert len({pair.subject for pair in trial.pairs}) == len(
        {pair.fact.subject for pair in trial.pairs}
    )


def test_answers_of_facts_that_were_not_drawn_are_not_wrong_labels():
    facts = many(20, answers="bcdefghi")
    other = [fact(f"S{k}", "Team b", "2016") for k in range(20)]
    truth = Truth([*facts, *other])
    (trial,) = trials(Dataset(facts, truth=truth), DetectionOptions(), 0)
    check(trial, truth)
    assert "Team b" not in {pair.wrong for pair in trial.pairs}
    (without,) = trials(facts, DetectionOptions(), 0)
    assert "Team b" in {pair.wrong for pair in without.pairs}


def test_where_one_answer_is_most_frequent_some_facts_are_left_out():
    labels = ["A"] * 7 + ["B", "C", "D"]
    facts = [fact(f"S{k}", label) for k, label in enumerate(labels)]
    for seed in range(5):
        found = wrong_labels(facts, labels, Truth(facts), np.random.default_rng(seed))
        kept = [i for i, label in enumerate(found) if label is not None]
        assert len(kept) == 6  # three As exchange with B, C and D
        assert Counter(labels[i] for i in kept) == Counter(found[i] for i in kept)
        assert all(found[i] != labels[i] for i in kept)


def test_labels_that_cannot_be_exchanged():
    facts = [fact(f"S{k}", "A") for k in range(4)]
    rng = np.random.default_rng(0)
    assert wrong_labels(facts, ["A"] * 4, Truth(facts), rng) == [None] * 4
    assert wrong_labels([], [], Truth(), rng) == []


def test_relations_that_are_left_out_are_counted():
    facts = [
        *many(12),
        *(fact(f"S{k}", f"Team {k}", relation="few") for k in range(5)),
        *(fact("One", f"Team {k}", str(2000 + k), relation="one") for k in range(8)),
        *(fact(f"S{k}", "A", relation="same") for k in range(8)),
        *(fact(f"S{k}", f"Team {k}", relation=None) for k in range(8)),
        *(fact(f"S{k}", f"Équipe {k}", language="fr") for k in range(8)),
    ]
    found = {trial.key: trial for trial in trials(facts, DetectionOptions(), 0)}
    assert list(found) == ["P54", "few", "one", "same", "all", "P54 [fr]"]
    assert found["few"].left_out == {"too few facts in the relation": 5}
    assert found["one"].left_out == {"only one subject": 8}
    assert found["same"].left_out["no wrong label"] == 8
    for key in ("few", "one", "same"):
        assert found[key].pairs == ()
    for key in ("P54", "all", "P54 [fr]"):
        check(found[key], Truth(facts))


def test_a_relation_does_not_depend_on_the_others_nor_on_chance():
    facts = [*many(12), *(fact(f"S{k}", f"Club {k}", relation="P1") for k in range(9))]
    alone = trials(facts[-9:], DetectionOptions(), 3)
    both = trials(facts, DetectionOptions(), 3)
    assert alone == both[1:]
    assert alone[0].to_dict() == both[1].to_dict()
    assert trials(facts, DetectionOptions(), 4) != both
    assert both[0].to_dict()["facts"] != trials(facts, DetectionOptions(), 4)[0].to_dict()["facts"]


def test_options_of_what_is_asked():
    facts = many(30)
    (few,) = trials(facts, DetectionOptions(per_relation=20), 0)
    assert few.left_out["not drawn"] == 40
    (most,) = trials(facts, DetectionOptions(train_share=0.8), 0)
    share = np.mean([pair.train for pair in most.pairs])
    assert 0.7 < share < 0.9


def test_drawn_facts_are_of_few_relations_and_know_the_others():
    facts = facts_of_relations("factworld:24", "testbed:null")
    sizes = Counter(one.relation for one in facts)
    assert sorted(sizes.values()) == [12, 12]
    assert facts == facts_of_relations("factworld:24", "testbed:null")
    assert len(facts_of_relations("factworld:200")) == 200
    assert len(facts_of_relations("factworld:5")) == 5
    whole = load_factworld(core=True)
    truth = Truth(whole)
    for trial in trials(facts, DetectionOptions(), 0):
        check(trial, truth)
    given = facts_of_relations(iter(list(whole)), most=30)
    assert len(given) == 30
    assert len(given.truth.pool(given[0])) == len(truth.pool(given[0]))
    with pytest.raises(ValueError, match="factworld:N"):
        facts_of_relations("factworld:none")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"least": 3}, "least must be a whole number of at least 4"),
        ({"per_relation": 5}, "per_relation must be a whole number of at least 6"),
        ({"n_random": 0}, "n_random"),
        ({"n_resamples": 10}, "n_resamples"),
        ({"train_share": 1.0}, "train_share"),
        ({"share": 1.0}, "share must be"),
        ({"sweep_share": [-0.1]}, "share must be"),
        ({"threshold_by": "fact"}, "threshold_by must be one of relation, pooled"),
        ({"verdict_template": "Is it so?"}, "must hold {statement} once"),
        ({"verdict_words": ["true"]}, "two different words"),
        ({"verdict_words": ["true", " true"]}, "two different words"),
        ({"threshold": NAN}, "takes a threshold between 0 and 1"),
        ({"sweep_threshold": [-1.0]}, "takes a threshold between 0 and 1"),
        ({"sweep_tau2": [-1.0]}, "tau2"),
        ({"sweep_tau": [-1.0]}, "tau"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        DetectionOptions(**given)


# Measures


@pytest.mark.parametrize("seed", range(20))
def test_the_area_is_that_of_sklearn_with_ties(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    true, wrong = rng.integers(0, 5, (2, n)) / 4
    classes = np.repeat([1, 0], n)
    wanted = roc_auc_score(classes, np.concatenate([true, wrong]))
    assert areas(true, wrong, np.ones((1, n)))[0] == pytest.approx(wanted)
    x, y = roc_points(true, wrong)
    assert np.trapezoid(y, x) == pytest.approx(wanted)
    # weights are repeated facts
    weights = bootstrap_weights(np.arange(n), 1, rng)
    times = weights[1].astype(int)
    again = np.concatenate([np.repeat(true, times), np.repeat(wrong, times)])
    wanted = roc_auc_score(np.repeat([1, 0], n), again)
    assert areas(true, wrong, weights)[1] == pytest.approx(wanted)


def test_no_judgement_is_a_guess():
    assert above([NAN], [NAN]).tolist() == [[0.5]]
    assert areas([NAN, NAN], [NAN, NAN], np.ones((1, 2)))[0] == 0.5


@pytest.mark.parametrize("seed", range(10))
def test_f1_is_that_of_sklearn(seed):
    rng = np.random.default_rng(seed)
    said = rng.random((2, 15)) < 0.6
    truth, judged = np.repeat([1, 0], 15), np.concatenate(said).astype(int)
    found = confusion_measures(
        said[0].sum(), said[1].sum(), (~said[0]).sum(), (~said[1]).sum(), 15, 15
    )
    for kind, label in (("true", 1), ("false", 0)):
        for name, score in (
            ("F1", f1_score),
            ("precision", precision_score),
            ("recall", recall_score),
        ):
            wanted = score(truth, judged, pos_label=label)
            assert float(found[f"{name} {kind}"]) == pytest.approx(wanted)
    assert float(found["macro F1"]) == pytest.approx(f1_score(truth, judged, average="macro"))
    assert float(found["accuracy"]) == pytest.approx((truth == judged).mean())


def test_without_judgements_f1_is_zero():
    found = confusion_measures(0, 0, 0, 0, n_true=5, n_wrong=5)
    assert {name: float(value) for name, value in found.items()} == dict.fromkeys(found, 0.0)


def test_undecided_labels_are_errors_and_never_true():
    # of 4 true labels 2 are found, 1 is missed, 1 undecided; of 4 wrong ones 1 is taken for true
    found = confusion_measures(2, 1, 1, 2, n_true=4, n_wrong=4)
    assert float(found["precision true"]) == pytest.approx(2 / 3)
    assert float(found["recall true"]) == 0.5
    assert float(found["F1 true"]) == pytest.approx(2 * 2 / (3 + 4))
    assert float(found["precision false"]) == pytest.approx(2 / 3)
    assert float(found["F1 false"]) == pytest.approx(2 * 2 / (3 + 4))
    assert float(found["accuracy"]) == 0.5


@pytest.mark.parametrize(
    ("true", "wrong", "wanted"),
    [
        ([3.0, 4.0], [1.0, 2.0], 2.5),
        ([3.0, 4.0, 0.0], [1.0, 2.0], 2.5),
        ([1.0, NAN], [0.0, NAN], 0.5),
        ([0.0], [-np.inf], -np.inf),
        ([1.0, 1.0], [1.0, 1.0], NAN),
        ([1.0], [], NAN),
        ([NAN], [NAN], NAN),
        ([0.0], [1.0], 0.5),  # the direction is fixed, even where it is wrong
    ],
)
def test_thresholds_by_hand(true, wrong, wanted):
    np.testing.assert_equal(threshold_for(true, wrong), wanted)


@pytest.mark.parametrize("seed", range(10))
def test_no_threshold_is_better(seed):
    rng = np.random.default_rng(seed)
    true, wrong = rng.integers(0, 8, 9) + 1.0, rng.integers(0, 8, 9).astype(float)

    def balanced(threshold):
        return ((true > threshold).mean() + (wrong <= threshold).mean()) / 2

    found = balanced(threshold_for(true, wrong))
    low, high = np.concatenate([true, wrong]).min(), np.concatenate([true, wrong]).max()
    assert found == pytest.approx(max(balanced(t) for t in np.arange(low, high) + 0.5))


def test_neighbouring_numbers_have_a_threshold_between():
    low = 1.0
    high = np.nextafter(low, 2)
    assert low <= threshold_for([high], [low]) < high


def test_subjects_are_resampled_together():
    weights = bootstrap_weights([5, 5, 7, 9], 50, np.random.default_rng(0))
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_intervals_and_p_values():
    values = np.concatenate([[0.0], np.linspace(0, 1, 1001)])
    assert interval(values) == pytest.approx((0.025, 0.975))
    shifted = np.concatenate([[1.0], np.linspace(0.5, 1.5, 999)])
    assert bootstrap_p(shifted) == pytest.approx(2 / 1000)
    assert bootstrap_p(-shifted) == pytest.approx(2 / 1000)
    assert np.isnan(bootstrap_p(np.array([1.0])))
    assert np.isnan(interval(np.array([1.0]))[0])


# Neurons


def test_shared_neurons_by_hand():
    a, b, c = (0, 1), (0, 2), (1, 0)
    sets = [NeuronSet([a, b]), NeuronSet([a]), NeuronSet([a, c]), NeuronSet([c]), NeuronSet()]
    assert shared(sets, 0.5) == NeuronSet([a])  # c is in exactly half of the four with any
    assert shared(sets, 0.4) == NeuronSet([a, c])
    assert shared(sets, 0.9) == NeuronSet()
    assert shared([], 0.5) == shared([NeuronSet()], 0.5) == NeuronSet()


def test_random_neurons_are_as_many():
    neurons = NeuronSet([(0, 1), (0, 2), (2, 3)])
    found = random_sets(neurons, 3, [5], n_layers=3, n_neurons=50)
    again = random_sets(neurons, 3, [5], n_layers=3, n_neurons=50)
    assert found == again
    assert {len(each) for sets in found.values() for each in sets} == {3}
    assert len(set(found["random"])) == 3  # draws differ
    for each in found["random_layers"]:
        assert each.layers.tolist() == [0, 0, 2]


# Work


@pytest.fixture(scope="module")
def model():
    return nt.load_model("testbed:gpt2")


@pytest.fixture(scope="module")
def trial():
    facts = facts_of_relations("factworld", "testbed:gpt2")
    (found,) = trials(facts.filter(relation="P54"), DetectionOptions(per_relation=24, least=6), 0)
    return found


@pytest.fixture(scope="module")
def payload(model, trial):
    options = DetectionOptions.quick(
        steps=4, n_random=2, share=0.2, sweep_share=(0.2, 0.9), sweep_tau=(0.3,), n_resamples=100
    )
    return Detection(model, options, 0)(trial)


def test_scores_are_mean_attributions(model, trial, payload):
    """Against each fact by itself, from the attributions of all neurons."""
    options = DetectionOptions.quick(steps=4)
    amig = options.search().amig()
    from neurotopo.studies.neurons import NeuronFinder

    train = [pair.true_fact for pair in trial.pairs if pair.train]
    found = [NeuronFinder(model, options.search()).find(one) for one in train]
    kn = shared([one.neurons for one in found], 0.2)
    dkn = shared([one.degenerate for one in found], 0.2)
    assert payload["sets"]["sizes"]["kn"] == len(kn) > 0
    assert payload["sets"]["sizes"]["dkn"] == len(dkn)
    assert payload["sets"]["sizes"]["random"] == len(dkn)
    assert payload["sets"]["with_dkn"] == sum(len(one.degenerate) > 0 for one in found)
    scores = np.array(payload["scores"]["kn"])
    assert scores.shape == (1, 2, len(trial.pairs))
    for i in (0, 7, len(trial.pairs) - 1):
        for side in (0, 1):
            asked = (trial.pairs[i].true_fact, trial.pairs[i].wrong_fact)[side]
            values = amig.attribute(model, asked).scores[kn.layers, kn.indices]
            assert scores[0, side, i] == pytest.approx(values.mean(), rel=0.02, abs=1e-8)


def test_what_is_stored(model, trial, payload):
    assert from_text(to_text(payload, "result"))["pairs"]["fact"] == [
        pair.fact.key for pair in trial.pairs
    ]
    known = recalled(model, [pair.fact for pair in trial.pairs], ends=False)
    np.testing.assert_array_equal(payload["pairs"]["known"], known)
    assert known.all()
    scores = payload["scores"]
    assert set(scores) == {
        "dkn",
        "kn",
        "random",
        "random_layers",
        "random_kn",
        "probability",
        "joint",
        "answer",
        "verdict",
        "always",
    }
    assert np.array(scores["random"]).shape == (2, 2, len(trial.pairs))
    # the same neurons, found again for the sweep
    base, strict, _ = payload["sweep"]
    assert (base["option"], base["value"], base["size"]) == (
        "share",
        0.2,
        payload["sets"]["sizes"]["dkn"],
    )
    np.testing.assert_array_equal(base["dkn"], scores["dkn"][0])
    np.testing.assert_array_equal(base["random"], scores["random"])
    assert strict["size"] <= base["size"]
    assert len(to_text(payload, "result")) < 200_000  # no attributions


def test_the_work_is_the_same_again(model, trial, payload):
    options = DetectionOptions.quick(
        steps=4, n_random=2, share=0.2, sweep_share=(0.2, 0.9), sweep_tau=(0.3,), n_resamples=100
    )
    again = Detection(model, options, 0)(trial)
    for name in ("dkn", "random", "random_kn"):
        np.testing.assert_array_equal(again["scores"][name], payload["scores"][name])


def test_what_the_model_says_itself(model, trial):
    true = [pair.true_fact for pair in trial.pairs[:4]]
    wrong = [pair.wrong_fact for pair in trial.pairs[:4]]
    found = asked_scores(model, true, wrong, "{statement} This is _X_", ("true", "false"))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(found, (2, 4))
    for side, facts in enumerate((true, wrong)):
        for i, one in enumerate(facts):
            joint = float(model.answer_probability(one, log=True))
            n_tokens = len(model.encode(one).answers[0])
            assert found["joint"][side, i] == pytest.approx(joint, rel=1e-4)
            assert found["probability"][side, i] == pytest.approx(joint / n_tokens, rel=1e-4)
            logs = [
                float(
                    model.answer_probability(
                        verdict_fact(one, "{statement} This is _X_", w), log=True
                    )
                )
                for w in ("true", "false")
            ]
            assert found["verdict"][side, i] == pytest.approx(logs[0] - logs[1], abs=1e-3)
    assert (found["joint"][0] > found["joint"][1]).all()
    assert (found["answer"][1] == 0).all()
    assert (found["always"] == 1).all()


def test_statements_end_with_one_full_stop():
    template = "Is it so? {statement} Say _X_"
    for prompt in ("Ada plays for _X_", "Ada plays for _X_."):
        asked = verdict_fact(Fact(prompt, "Peko"), template, "yes")
        assert asked.prompt == "Is it so? Ada plays for Peko. Say _X_"
        assert asked.answers == ("yes",)


def test_words_that_the_tokenizer_does_not_know_are_no_verdict():
    model = random_model()
    facts = [Fact(f"The capital of {land} is _X_", "Paris") for land in ("France", "Italy")]
    found = asked_scores(model, facts, facts, "{statement} This is _X_", ("true", "false"))
    assert np.isnan(found["verdict"]).all()
    assert np.isfinite(found["joint"]).all()


def test_a_relation_that_is_left_out_needs_no_model():
    (few,) = trials([fact(f"S{k}", f"T {k}") for k in range(5)], DetectionOptions(), 0)
    found = Detection(random_model(), DetectionOptions.quick(), 0)(few)
    assert found["left_out"] == {"too few facts in the relation": 5}
    assert found["pairs"] == {}


# The real file, where it is at hand

TEMPLAMA = os.environ.get("NEUROTOPO_TEMPLAMA")


@pytest.mark.skipif(not TEMPLAMA, reason="NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA")
def test_templama_from_end_to_end(tmp_path):
    from neurotopo.datasets import load_templama
    from neurotopo.models.builtin_models import null_model

    place = Path(str(TEMPLAMA)) / "train.jsonl"
    facts = load_templama(place)
    asked = trials(facts, DetectionOptions(), 0)
    assert {trial.key for trial in asked} == set(facts.relations)
    true = {}
    for one in facts:  # all answers of all years, read without the library's Truth
        true.setdefault((one.relation, one.subject), set()).update(one.answers)
    n = 0
    for trial in asked:
        if trial.pairs:
            check(trial, facts.truth)
        for pair in trial.pairs:
            assert pair.wrong not in true[pair.fact.relation, pair.fact.subject]
            n += 1
    assert n > 500
    model = nt.NeuronModel(null_model(1), nt.load_model("testbed:null").tokenizer)
    some = facts.filter(relation="P54")[:200]
    result = nt.studies.run(
        "detection",
        model=model,
        facts=some,
        out=tmp_path,
        quick=True,
        per_relation=8,
        steps=2,
        n_resamples=100,
    )
    assert result.outcome.n_done == 1
    assert len(result.tables["relations"]) == 1
    assert result.claims == ()
