"""AMIG against the formula, for every family; completeness; what it does at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Edit, Fact, NeuronSet
from neurotopo.knowledge.quadrature import QUADRATURES, quadrature_nodes
from neurotopo.knowledge.thresholds import select_neurons
from neurotopo.models.baseline_values import replaced_sentences, sentence_values, shared_values
from neurotopo.models.examples import random_model
from neurotopo.models.passes import prefix_cache
from tests.support import zoo
from tests.support.slow_attribution import slow_attribution

ONE, SEVERAL = zoo.FACTS[0], zoo.FACTS[1]
FACT = Fact("The capital of France is _X_.", "Paris")


@pytest.fixture(params=zoo.DISTINCT, scope="module")
def model(request):
    return zoo.shared(request.param)


def replacement_of(model):
    tokenizer = model.tokenizer
    return tokenizer.eos_token_id if model.is_causal else tokenizer.mask_token_id


def expected(model, fact, amig, answer):
    return slow_attribution(
        model,
        fact,
        answer,
        steps=amig.steps,
        baseline=amig.baseline,
        quadrature=amig.quadrature,
        target=amig.target,
        replacement=replacement_of(model),
    )


def assert_close(attribution, wanted, rel=1e-4):
    """Equal to a ten-thousandth of the greatest score."""
    np.testing.assert_allclose(attribution, wanted, rtol=0, atol=rel * np.abs(wanted).max())


@pytest.mark.parametrize("batch_size", [None, 7, 1])
def test_the_sweep_is_the_formula(model, batch_size):
    amig = AMIG(steps=3, batch_size=batch_size)
    attribution = amig.attribute(model, SEVERAL)
    assert_close(attribution.scores, expected(model, SEVERAL, amig, attribution.answer))
    assert np.abs(attribution.scores).max() > 0


@pytest.mark.parametrize(
    "options",
    [
        {"baseline": "per-token", "quadrature": "midpoint"},
        {"baseline": "zero", "quadrature": "left", "target": "log"},
        {"target": "first", "quadrature": "trapezoid"},
        {"target": "log", "quadrature": "gauss-legendre"},
    ],
    ids=lambda o: "-".join(o.values()),
)
@pytest.mark.parametrize("name", ["gpt2", "qwen2", "mistral", "bloom", "bert"])
def test_every_option_is_the_formula(name, options):
    model = zoo.shared(name)
    amig = AMIG(steps=2, **options)
    attribution = amig.attribute(model, ONE)
    assert_close(attribution.scores, expected(model, ONE, amig, attribution.answer))


def test_the_likeliest_answer_is_asked_for(model):
    attribution = AMIG(steps=1).attribute(model, SEVERAL)
    assert attribution.value == pytest.approx(model.answer_probability(SEVERAL), rel=1e-3)
    both = model.answers_log_probability(SEVERAL)
    assert attribution.answer == model.encode(SEVERAL).answers[int(both.argmax())]


def test_scores_of_a_layer_sum_to_the_difference(model):
    """With many Gauss-Legendre nodes the integral is exact up to rounding."""
    amig = AMIG(steps=24, quadrature="gauss-legendre", target="log")
    attribution = amig.attribute(model, ONE)
    np.testing.assert_allclose(attribution.completeness_gap, 0, atol=2e-3)
    assert attribution.value == pytest.approx(model.answer_probability(ONE, log=True), abs=1e-3)
    assert (np.abs(attribution.value - attribution.start_values) > 1e-2).any()


def test_the_start_of_a_path_from_zero_is_suppression():
    """The path of one layer from zero starts where its neurons are suppressed."""
    model = random_model("llama")
    attribution = AMIG(steps=2, baseline="zero").attribute(model, FACT)
    layers = [NeuronSet((layer, i) for i in range(model.n_neurons)) for layer in range(3)]
    edits = [Edit(neurons, positions="last") for neurons in layers]
    np.testing.assert_allclose(
        attribution.start_values, model.answer_probability(FACT, edits=edits), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("rule", "order"), [("right", 1), ("left", 1), ("midpoint", 2), ("trapezoid", 2)]
)
def test_the_error_falls_as_the_rule_says(rule, order):
    model = random_model("gpt2", seed=1)
    model.hf_model.double()
    gaps = [
        np.abs(AMIG(steps=n, quadrature=rule, target="log").attribute(model, FACT).completeness_gap)
        for n in (8, 32)
    ]
    rate = np.log(gaps[0] / gaps[1]) / np.log(4)
    np.testing.assert_allclose(rate, order, atol=0.2)


@pytest.mark.parametrize("rule", QUADRATURES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_quadrature_of_polynomials(rule, n):
    nodes, weights = quadrature_nodes(rule, n)
    degree = {"midpoint": 1, "trapezoid": 1, "gauss-legendre": 2 * n - 1}.get(rule, 0)
    for power in range(degree + 1):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1))
    assert ((nodes >= 0) & (nodes <= 1)).all()


def test_the_model_is_left_as_it_was():
    model = random_model("gpt2")
    model.hf_model.train()
    before = {k: v.clone() for k, v in model.hf_model.state_dict().items()}
    AMIG(steps=2).attribute(model, FACT)
    assert all(module.training for module in model.hf_model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.hf_model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.hf_model.state_dict().items())
    for module in model.hf_model.modules():
        assert not module._forward_pre_hooks


def test_half_precision(model):
    import copy

    half = type(model)(copy.deepcopy(model.hf_model).bfloat16(), model.tokenizer)
    attribution = AMIG(steps=4, target="log").attribute(half, ONE)
    assert np.isfinite(attribution.scores).all()
    full = type(model)(copy.deepcopy(half.hf_model).float(), model.tokenizer)
    wanted = AMIG(steps=4, target="log").attribute(full, ONE)
    cosine = np.sum(attribution.scores * wanted.scores) / np.sqrt(
        np.sum(attribution.scores**2) * np.sum(wanted.scores**2)
    )
    assert cosine > 0.9


def test_thresholds_by_language():
    amig = AMIG(threshold={"en": 0.3, "zh": 0.2})
    assert amig.threshold_for(FACT) == 0.3
    with pytest.raises(ValueError, match="no threshold for language 'fr'"):
        amig.threshold_for(Fact("La capitale est", "Paris", language="fr"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"baseline": "median"}, "baseline must be one of mean, per-token, zero"),
        ({"quadrature": "simpson"}, "quadrature must be one of"),
        ({"target": "last"}, "target must be one of joint, log, first"),
        ({"rule": "best"}, "rule must be one of"),
        ({"scope": "head"}, "scope must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AMIG(**options)


def test_replacement_tokens():
    model = random_model("gpt2")
    by_name = AMIG(steps=2, replacement="Rome").attribute(model, FACT)
    token = model.tokenizer.convert_tokens_to_ids("Rome")
    by_id = AMIG(steps=2, replacement=token).attribute(model, FACT)
    np.testing.assert_array_equal(by_name.scores, by_id.scores)
    assert not np.allclose(by_name.scores, AMIG(steps=2).attribute(model, FACT).scores)
    with pytest.raises(ValueError, match="'Berlin' is not a token"):
        AMIG(replacement="Berlin").attribute(model, FACT)


def test_selection_of_neurons():
    scores = np.array([[0.1, 1.0, 0.5], [0.3, -2.0, 0.0]])
    assert select_neurons(scores, 0.2) == {(0, 1), (0, 2), (1, 0)}
    assert select_neurons(scores, 0.5) == {(0, 1)}
    assert select_neurons(scores, 0.3, "absolute") == {(0, 1), (0, 2)}
    assert select_neurons(scores, -1, "absolute") == {(0, 0), (0, 1), (0, 2), (1, 0)}
    assert select_neurons(scores, 50, "percentile") == {(0, 1), (0, 2), (1, 0)}
    assert select_neurons(scores, 2, "top") == {(0, 1), (0, 2)}
    assert select_neurons(scores, 99, "top") == {(0, 0), (0, 1), (0, 2), (1, 0)}
    assert select_neurons(scores, 0.9, scope="layer") == {(0, 1), (1, 0)}
    assert select_neurons(-np.abs(scores), 0.2) == set()
    assert select_neurons(np.zeros((2, 3)), 5, "top") == set()
    with pytest.raises(ValueError, match=r"score of neuron \(0, 1\) is nan"):
        select_neurons(np.array([[0.0, np.nan]]), 0.2)


def test_a_fact_without_neurons_is_an_empty_set():
    model = random_model("gpt2")
    with torch.no_grad():
        for layer in model.hf_model.transformer.h:
            layer.mlp.c_proj.weight.zero_()
    amig = AMIG(steps=2)
    attribution = amig.attribute(model, FACT)
    assert (attribution.scores == 0).all()
    # the error itself is relative to a change that is 0, or one rounding
    np.testing.assert_allclose(attribution.value - attribution.start_values, 0, atol=1e-7)
    assert amig.locate(model, FACT) == NeuronSet([])


def test_the_table_of_neurons():
    attribution = AMIG(steps=2).attribute(random_model("gpt2"), FACT)
    table = attribution.to_pandas(5)
    assert list(table.columns) == ["layer", "index", "score"]
    assert len(table) == 5
    assert table["score"].is_monotonic_decreasing
    assert (
        table["score"][0] == attribution.scores.max() == attribution.scores[table["layer"][0]].max()
    )


def goes_on(name):
    model = zoo.shared(name)
    config = model.hf_model.config
    windows = (getattr(config, w, None) or 99 for w in ("sliding_window", "window_size"))
    return model.is_causal and not model.family.has_fixed_batch(config) and min(windows) > 20


def test_sentences_that_share_a_pass_are_those_computed_one_by_one():
    """Rests that share rows and keys of their sentence, for any number of rows."""
    model = random_model("gpt2")
    first = model.encode(Fact("The capital of France is _X_", "Paris Paris"))
    second = model.encode(Fact("The capital of Italy is _X_", "Rome Paris"))
    sentences = [(*one.prompt, one.answers[0][0]) for one in (first, second)]
    places = [tuple(range(len(first.prompt))), (0, 3)]
    positions = (len(first.prompt) - 1, len(first.prompt))
    for batch_size in (None, 2, 3):
        model.batch_size = batch_size
        settings = model.pass_settings()
        ends, starts, keys = shared_values(settings, sentences, places, 7, positions)
        for ids, replaced, end, start in zip(sentences, places, ends, starts, strict=True):
            rows = [ids, *replaced_sentences(ids, replaced, 7)]
            wanted = sentence_values(settings, rows, positions)
            np.testing.assert_allclose(torch.cat([end[None], start]), wanted, rtol=1e-3, atol=1e-5)
        for s, ids in enumerate(sentences):
            prefix = prefix_cache(settings, ids[:3])
            for layer, mine in zip(prefix.layers, keys.prefixes([s], 3).keys, strict=True):
                np.testing.assert_allclose(mine, layer.keys, atol=1e-5)


def test_facts_together_are_facts_one_by_one(model):
    """Several facts of different lengths in one call, in any order."""
    facts = [
        Fact("The capital of France is _X_", "Paris"),
        Fact("The capital of Italy is the city of _X_", "Rome"),
        Fact("The capital of France is _X_", "Rome"),
    ]
    # one row at a time is slow
    for baseline, batches in ("mean", ((None, 3), (1, 1))), ("per-token", ((None, 2), (30, 3))):
        amig = AMIG(steps=2, baseline=baseline)
        wanted = [amig.attribute(model, fact) for fact in facts]
        for batch_size, n in batches:
            many = AMIG(steps=2, baseline=baseline, batch_size=batch_size)
            for one, other in zip(many.attribute_many(model, facts[:n]), wanted[:n], strict=True):
                assert_close(one.scores, other.scores)
                np.testing.assert_allclose(one.start_values, other.start_values, rtol=1e-3)
                assert one.value == pytest.approx(other.value, rel=1e-3)
                assert (one.answer, one.n_paths) == (other.answer, other.n_paths)
