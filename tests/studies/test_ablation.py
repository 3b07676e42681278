"""Suppression by mean values instead of zeros, in the studies that offer it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neurotopo as nt
from neurotopo import Edit, Fact, NeuronSet
from neurotopo._codec import from_text, to_text
from neurotopo.models.examples import random_model
from neurotopo.studies.ablation import MeanValues, RelatedFact, related, suppressing
from neurotopo.studies.critique.pairs import Group
from neurotopo.studies.critique.report import collect as collect_pairs
from neurotopo.studies.critique.study import Critique, CritiqueOptions
from neurotopo.studies.facts import facts_for
from neurotopo.studies.neurons import NeuronFinder, size_matched
from neurotopo.studies.robustness.frames import collect
from neurotopo.studies.robustness.report import TABLES
from neurotopo.studies.robustness.study import MEANS, SAME, Robustness, RobustnessOptions
from neurotopo.studies.rows import Row
from neurotopo.studies.study import seed_for

pytestmark = pytest.mark.usefixtures("few_suffice")

FAST = {"quadrature": "gauss-legendre", "steps": 8}
LANDS = ("Peru", "Chad", "Fiji", "Laos")


def capitals(lands=LANDS):
    return [Fact(f"The capital of {land} is _X_", "Paris", "P36") for land in lands]


def means_by_hand(model, fact, facts):
    return np.mean([model.activations(each) for each in facts if each.prompt != fact.prompt], 0)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_the_mean_is_over_other_prompts_at_the_predicting_token(kind):
    model, facts = random_model(kind), capitals()
    # the same prompt with another answer is no other fact
    facts.append(Fact(facts[0].prompt, "Rome", "P36"))
    neurons = NeuronSet([(0, 3), (2, 1)])
    edit = suppressing(neurons, MeanValues(model, facts).of(facts[0]))
    by_hand = means_by_hand(model, facts[0], facts)
    assert edit.positions == "last"
    np.testing.assert_allclose(edit.columns[:, 0], by_hand[[0, 2], [3, 1]], rtol=1e-5)
    own = float(model.answer_probability(facts[0], [edit])[0])
    expected = Edit(neurons, value=by_hand[[0, 2], [3, 1]], positions="last")
    assert own == pytest.approx(float(model.answer_probability(facts[0], [expected])[0]), rel=1e-5)
    assert MeanValues(model, [facts[0], facts[-1]]).of(facts[0]) is None


def test_facts_are_related_within_relation_and_language():
    facts = [*capitals(), Fact("La capitale du Laos est _X_", "Paris", "P36", language="fr")]
    facts.append(Fact("The sky is _X_", "blue"))
    items = related(facts)
    assert [len(item.facts) for item in items] == [4, 4, 4, 4, 1, 0]
    assert [item.has_others for item in items] == [True] * 4 + [False] * 2
    assert [item.key for item in items] == [fact.key for fact in facts]
    assert len({item.digest for item in items[:4]}) == 1
    other = related([*facts[:3], Fact("The capital of Mali is _X_", "Paris", "P36")])[0]
    assert other.to_dict() != items[0].to_dict()
    many = related(capitals(map(str, range(80))))
    assert {len(item.facts) for item in many} == {51}
    assert many[0].facts == many[79].facts


@pytest.fixture(scope="module")
def model():
    return nt.load_model("testbed:gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    return list(facts_for("factworld:40", "testbed:gpt2"))


@pytest.fixture(scope="module")
def measured(model, facts):
    """Return an item with degenerate neurons, and its results with means and with zeros."""
    options = {"draws": 1, "doses": (0.5,), **FAST}
    means = Robustness(model, RobustnessOptions(ablation="mean", **options), 0)
    for item in means.items(facts, means.options, 0, model):
        result = means(item)
        if result["arms"] and result["subsets"]["ntc"].get("k") is not None:
            zeros = Robustness(model, RobustnessOptions(**options), 0)(item.fact)
            return item, result, zeros
    raise AssertionError("no fact has degenerate neurons")


def test_robustness_suppresses_by_means_and_enhances_as_before(model, measured):
    item, result, zeros = measured
    fact = item.fact
    found = NeuronFinder(model, RobustnessOptions(**FAST)).find(fact)
    rng = np.random.default_rng([seed_for(0, fact.key), 0])
    sets = size_matched(
        found.degenerate, found.others, rng, n_layers=model.n_layers, n_neurons=model.n_neurons
    ).neurons
    values = means_by_hand(model, fact, item.facts)
    prompts = [Fact(text, fact.answers) for text in (fact.prompt, *result["fact"]["prompts"])]
    for arm, own in result["arms"].items():
        assert next(zip(own["where"], own["scale"], strict=True)) == ("values", 0.0)
        chosen = sets[arm]
        edit = Edit(chosen, value=values[chosen.layers, chosen.indices], positions="last")
        after = model.answer_probabilities(prompts, edits=[edit] * len(prompts))
        np.testing.assert_allclose(own["probability"][0], after, rtol=1e-4, atol=1e-7)
        assert not np.allclose(own["probability"][0], zeros["arms"][arm]["probability"][0])
        np.testing.assert_allclose(  # the factors 0.5 and 2
            own["probability"][1:], zeros["arms"][arm]["probability"][1:], rtol=1e-4, atol=1e-7
        )
    own, n = result["subsets"]["ntc"], len(found.dkn.components)
    assert own["k"].tolist() == zeros["subsets"]["ntc"]["k"].tolist()
    union = found.degenerate
    edit = Edit(union, value=values[union.layers, union.indices], positions="last")
    assert own["k"][-1] == n
    assert own["clean"][-1] == pytest.approx(float(model.answer_probability(fact, [edit])[0]))


def test_tables_have_no_suppression_by_weights_with_means(measured):
    item, result, zeros = measured
    rows = {
        name: [Row(item.key, {}, from_text(to_text(each)), None, 0.1)]
        for name, each in (("mean", result), ("zero", zeros))
    }
    frames = {name: collect(own) for name, own in rows.items()}
    assert frames["mean"].ways("suppress") == ("values",)
    assert frames["mean"].ways("enhance") == frames["zero"].ways("suppress")
    assert 0.0 not in set(frames["mean"].doses["scale"])
    for name, n in (("mean", 1), ("zero", 2)):
        where = TABLES["figure7"](frames[name]).frame["where"]
        assert where.nunique() == n
        settings = set(TABLES["table9"](frames[name]).frame["setting"])
        assert ("Suppressing, weights" in settings) == (n == 2)
    notes = Robustness().summary(rows["mean"]).notes
    assert MEANS in notes
    assert SAME not in notes
    assert SAME in Robustness().summary(rows["zero"]).notes
    assert Robustness().summary(rows["mean"]).rows["ablation"].unique().tolist() == ["mean"]


def test_robustness_counts_facts_without_another_one(model, facts):
    options = RobustnessOptions(ablation="mean", draws=1, doses=(), only_known=False, **FAST)
    work = Robustness(model, options, 0)
    result = work(RelatedFact(facts[0], (facts[0],)))
    assert result["fact"]["reason"] == "no other fact of the relation"
    assert not result["arms"]
    relations = {fact.relation: fact for fact in facts}
    (first, second), *_ = zip(relations.values(), list(relations.values())[1:], strict=False)
    with pytest.raises(ValueError, match="no two facts have the same relation"):
        work.check([first, second], options, 0)
    same = [fact for fact in facts if fact.relation == first.relation]
    assert work.check([*same, second], options, 0) == (
        "1 fact has no other fact of the same relation.",
    )
    assert work.check(facts, RobustnessOptions(**FAST), 0) == ()


def test_critique_suppresses_by_means(model, facts):
    options = CritiqueOptions(
        ablation="mean", n_pairs=12, n_edits=0, top=2, quadrature="gauss-legendre", steps=8
    )
    work = Critique(model, options, 0)
    groups = [item for item in work.items(facts, options, 0, model) if isinstance(item, Group)]
    group = max((each for each in groups if each.kind == "facts"), key=lambda g: len(g.pairs))
    result = from_text(to_text(work(group)))
    found = collect_pairs([Row(group.key, group.to_dict(), {"result": result}, None, 0.1)])
    finder = NeuronFinder(model, options)
    usable = [each for each in group.pairs if each.left_out is None]
    for pair in usable[:3]:
        own = finder.find(pair.good_fact).neurons
        values = means_by_hand(model, pair.fact, [each.fact for each in usable])
        edit = Edit(own, value=values[own.layers, own.indices], positions="last")
        for mode, edits in (
            ("suppress", [None, edit]),
            ("enhance", [None, Edit(own, scale=options.enhance)]),
        ):
            good, bad = (
                model.answer_probability(fact, edits, log=True)
                for fact in (pair.good_fact, pair.bad_fact)
            )
            row = found.of("facts", mode, "own").loc[pair.key]
            assert row["dprob"] == pytest.approx(1 - math.exp(good[1] - good[0]), abs=1e-4)
            assert row["odds_after"] == pytest.approx(good[1] - bad[1], abs=1e-3)
    assert result["rank1"]["effects"]["shape"] == [len(usable), 2]


def test_critique_counts_pairs_without_another_prompt(model, facts):
    options = CritiqueOptions(ablation="mean", n_pairs=0, n_edits=0, **FAST)
    work = Critique(model, options, 0)
    groups = work.items(facts, options, 0, model)
    largest = max(groups, key=lambda group: len(group.pairs))
    alone = work(Group("facts", largest.name, largest.pairs[:1]))
    assert [each["reason"] for each in alone["pairs"]] == ["no other prompt for the mean"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ablation": "median", "doses": ()}, "ablation must be one of zero, mean"),
        ({"ablation": "mean"}, "doses has 0, which sets values to 0"),
        ({"ablation": "mean", "doses": (0.0, 2.0)}, "leave 0 out"),
    ],
)
def test_combinations_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        RobustnessOptions(**options)


def test_a_run_without_relations_is_refused_before_the_work():
    facts = [Fact(f"The capital of {land} is _X_", "Paris") for land in LANDS]
    with pytest.raises(ValueError, match="ablation='mean' takes means over other facts"):
        nt.studies.run("robustness", model="testbed:gpt2", facts=facts, quick=True, ablation="mean")
