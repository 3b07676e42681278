"""What the detection study asks: facts, labels and options."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from neurotopo.datasets import Dataset, Truth, load_factworld
from neurotopo.studies.detection.study import DetectionOptions
from neurotopo.studies.detection.trials import facts_of_relations, trials, wrong_labels
from tests.support.detection import check, fact, many

NAN = float("nan")


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
        ({"threshold": 0.2, "sweep_threshold": [-1.0]}, "takes a threshold between 0 and 1"),
        ({"sweep_tau2": [-1.0]}, "tau2"),
        ({"sweep_tau": [-1.0]}, "tau"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        DetectionOptions(**given)
