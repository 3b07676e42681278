"""The simpler attributions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import AMIG, Fact
from neurotopo.knowledge.other_attributions import (
    ATTRIBUTORS,
    ActivationAttribution,
    GradientTimesActivation,
    RandomAttribution,
    zero_baseline,
)
from neurotopo.models.examples import random_model
from tests.support import zoo
from tests.support.slow_attribution import run, sentences_of, slow_attribution

SEVERAL = zoo.FACTS[1]  # two answers of several tokens
FACT = Fact("The capital of France is _X_", "Paris")


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_activations_are_the_values_where_the_answer_is_predicted(name):
    model = zoo.shared(name)
    attribution = ActivationAttribution().attribute(model, SEVERAL)
    answers = model.encode(SEVERAL).answers
    assert attribution.answer == answers[int(model.answers_log_probability(SEVERAL).argmax())]
    assert len(attribution.answer) > 1
    rows = [
        [run(model, ids)[1][layer][positions].detach().numpy() for layer in range(model.n_layers)]
        for ids, positions, _, _ in sentences_of(model, SEVERAL, attribution.answer, False)
    ]
    expected = np.concatenate(rows, axis=1).mean(axis=1)
    np.testing.assert_allclose(attribution.scores, expected, rtol=1e-4, atol=1e-6)
    assert attribution.value == pytest.approx(model.answer_probability(SEVERAL))


@pytest.mark.parametrize("target", ["joint", "log", "first"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_gradient_times_activation(name, target):
    model = zoo.shared(name)
    attribution = GradientTimesActivation(target=target).attribute(model, SEVERAL)
    expected = slow_attribution(
        model,
        SEVERAL,
        attribution.answer,
        steps=1,
        baseline="zero",
        quadrature="right",
        target=target,
        replacement=None,
    )
    np.testing.assert_allclose(
        attribution.scores, expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )


def test_gradient_times_activation_is_the_slope_of_scaling_the_value():
    from neurotopo import Edit

    model = random_model("gpt2")
    model.hf_model.double()
    scores = GradientTimesActivation().attribute(model, FACT).scores
    step = 1e-5
    for neuron in [(0, 3), (2, 17)]:
        edits = [Edit([neuron], scale=1 + sign * step, positions="last") for sign in (1, -1)]
        up, down = model.answer_probability(FACT, edits=edits)
        assert scores[neuron] == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_random_scores_belong_to_a_fact_and_a_seed():
    model, other = random_model("gpt2"), Fact("The capital of Italy is", "Rome")
    first = RandomAttribution().attribute(model, FACT).scores
    RandomAttribution().attribute(model, other)
    np.testing.assert_array_equal(RandomAttribution().attribute(model, FACT).scores, first)
    for scores in (
        RandomAttribution().attribute(model, other).scores,
        RandomAttribution(seed=1).attribute(model, FACT).scores,
    ):
        assert abs(np.corrcoef(scores.ravel(), first.ravel())[0, 1]) < 0.5
    assert len(RandomAttribution(threshold=7).locate(model, FACT)) == 7


def test_zero_baseline_is_amig_from_zero():
    assert zero_baseline(steps=5, rule="top", threshold=3) == AMIG(
        steps=5, baseline="zero", rule="top", threshold=3
    )


@pytest.mark.parametrize("name", list(ATTRIBUTORS))
@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_all_of_them_have_one_interface(name, kind):
    model = random_model(kind)
    attributor = ATTRIBUTORS[name](threshold={"en": 5, "zh": 3}, rule="top")
    assert attributor.threshold_for(FACT) == 5
    attribution = attributor.attribute(model, FACT)
    assert attribution.scores.shape == (3, 24)
    assert attribution.scores.dtype == np.float64
    assert attribution.value == pytest.approx(model.answer_probability(FACT), rel=1e-3)
    assert attributor.locate(model, FACT) == attribution.neurons(5, "top")
    assert len(attributor.locate(model, FACT)) == 5
    with pytest.raises(ValueError, match="no threshold for language 'fr'"):
        attributor.threshold_for(Fact("La capitale est", "Paris", language="fr"))


@pytest.mark.parametrize("name", list(ATTRIBUTORS))
@pytest.mark.parametrize("wrong", [{"rule": "best"}, {"scope": "head"}])
def test_mistakes_are_found_at_once(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ATTRIBUTORS[name](**wrong)


def test_values_without_a_path_have_no_completeness():
    attribution = ActivationAttribution().attribute(random_model("gpt2"), FACT)
    assert np.isnan(attribution.start_values).all()
    assert np.isnan(attribution.completeness_error).all()
