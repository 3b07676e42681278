"""The detection study: neurons, and the work on a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import neurotopo as nt
from neurotopo import Fact, NeuronSet
from neurotopo._codec import from_text, to_text
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from neurotopo.studies.detection.study import (
    Detection,
    DetectionOptions,
    asked_scores,
    random_sets,
    shared,
    verdict_fact,
)
from neurotopo.studies.detection.trials import facts_of_relations, trials
from neurotopo.studies.neurons import NeuronFinder
from tests.support.detection import check, fact

pytestmark = pytest.mark.usefixtures("few_suffice")

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

OPTIONS = DetectionOptions.quick(
    steps=4, n_random=2, share=0.2, sweep_share=(0.2, 0.9), sweep_tau=(0.3,), n_resamples=100
)


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
    return Detection(model, OPTIONS, 0)(trial)


def test_scores_are_mean_attributions(model, trial, payload):
    """Against each fact by itself, from the attributions of all neurons."""
    options = DetectionOptions.quick(steps=4)
    amig = options.search().amig()
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


def test_thresholds_share_what_is_suppressed(model, trial, monkeypatch):
    """The neurons are those of separate searches, with fewer passes."""
    options = DetectionOptions.quick(steps=4, sweep_tau2=(0.1, 0.2, 0.4), sweep_threshold=(6, 10))
    facts = [pair.true_fact for pair in trial.pairs if pair.train][:3]
    search = NeuronFinder(model, options.search())
    of_facts = list(search.find_all(facts))
    counts = []
    ask = Suppressions._probabilities
    monkeypatch.setattr(
        Suppressions,
        "_probabilities",
        lambda self, rows: counts.append(len(rows)) or ask(self, rows),
    )
    found = Detection(model, options, 0)._degenerate(of_facts)
    n_together = sum(counts)
    counts.clear()
    assert set(found) == {("tau2", x) for x in (0.1, 0.2, 0.4)} | {
        ("threshold", x) for x in (6, 10)
    }
    for (name, value), sets in found.items():
        alone = NeuronFinder(model, options.search(**{name: value}))
        assert sets == [alone.of(one.fact, one.attribution).degenerate for one in of_facts]
    assert any(map(len, found["tau2", 0.1]))
    assert n_together < 0.8 * sum(counts)


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
    again = Detection(model, OPTIONS, 0)(trial)
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
