"""Contrasts with foils, other tokens and other baselines, against the formula."""

from __future__ import annotations

import copy
import json
import logging

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Fact, NeuronModel
from neurotopo.knowledge.baselines import described_options, reference_values
from neurotopo.knowledge.locate import locate
from neurotopo.knowledge.other_attributions import GradientTimesActivation
from neurotopo.models.examples import random_model
from neurotopo.models.subject_position import subject_position
from tests.support import zoo
from tests.support.slow_attribution import run, sentences_of, slow_attribution

ONE = Fact("The capital of Brolland is _X_.", "Marly", subject="Brolland")
SEVERAL = Fact(
    "Ada Brünn plays for _X_.", ("Marly United", "Peko Motor Works"), subject="Ada Brünn"
)
FACT = Fact("The capital of France is _X_.", "Paris", subject="France")
OTHERS = (Fact("Ilse plays for _X_", "Peko Motor Works", subject="Ilse"), zoo.FACTS[3], ONE)
FOILS = ("Peko", "Krone & Sons", "Blue", "Krone")


def replacement_of(model):
    tokenizer = model.tokenizer
    return tokenizer.eos_token_id if model.is_causal else tokenizer.mask_token_id


def slow(model, fact, amig, answer, **options):
    return slow_attribution(
        model,
        fact,
        answer,
        steps=amig.steps,
        quadrature=amig.quadrature,
        target=amig.target,
        replacement=replacement_of(model),
        **{"baseline": amig.baseline, **options},
    )


def first_tokens(model, fact, texts):
    """The first tokens of wrong answers, without that of an answer."""
    own = {answer[0] for answer in model.encode(fact).answers}
    wrong = model.encode(Fact(fact.prompt, texts)).answers
    return tuple(dict.fromkeys(one[0] for one in wrong if one[0] not in own))


def subject_of(model, fact):
    """The token that completes the subject, by the tokens of the text up to there."""

    def position(ids):
        for i in range(len(ids)):
            text = model.tokenizer.decode(ids[: i + 1]).lower()
            if fact.subject.lower().replace("ü", "u") in text.replace("ü", "u"):
                return [i]
        raise AssertionError(fact)

    return position


def assert_close(scores, wanted, rel=1e-4):
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=rel * np.abs(wanted).max())


@pytest.mark.parametrize("positions", ["subject", "all"])
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_other_tokens(name, positions):
    model, amig = zoo.shared(name), AMIG(steps=2, positions=positions, target="log")
    attribution = amig.attribute(model, ONE)
    at = subject_of(model, ONE) if positions == "subject" else lambda ids: list(range(len(ids)))
    assert_close(attribution.scores, slow(model, ONE, amig, attribution.answer, positions=at))


@pytest.mark.parametrize("positions", ["subject", "all"])
@pytest.mark.parametrize("name", ["gpt2", "qwen2", "bloom", "falcon", "gpt_neo", "bert"])
def test_other_tokens_of_answers_of_several_tokens(name, positions):
    model = zoo.shared(name)
    at = subject_of(model, SEVERAL) if positions == "subject" else lambda ids: list(range(len(ids)))
    for options in ({"batch_size": 7}, {"baseline": "zero"}, {"baseline": "per-token"}):
        amig = AMIG(steps=2, positions=positions, **options)
        attribution = amig.attribute(model, SEVERAL)
        wanted = slow(model, SEVERAL, amig, attribution.answer, positions=at)
        assert_close(attribution.scores, wanted)
        assert attribution.value == pytest.approx(model.answer_probability(SEVERAL), rel=1e-3)


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_a_contrast(name):
    """The target, its start and the scores; the integral is complete."""
    model, amig = zoo.shared(name), AMIG(steps=2, target="contrast")
    attribution = amig.attribute(model, ONE, FOILS)
    foils = first_tokens(model, ONE, FOILS)
    wanted = slow(model, ONE, amig, attribution.answer, foils=foils)
    assert_close(attribution.scores, wanted)
    ids, reads, targets, _ = sentences_of(model, ONE, attribution.answer, True)[0]
    log_p = run(model, ids)[0][reads[0]].double().log_softmax(dim=0)
    value = log_p[targets[0]] - log_p[list(foils)].exp().mean().log()
    assert attribution.value == pytest.approx(float(value.detach()), abs=1e-3)
    exact = AMIG(steps=24, quadrature="gauss-legendre", target="contrast", foils={ONE.key: FOILS})
    gap = next(exact.attribute_many(model, [ONE])).completeness_gap
    np.testing.assert_allclose(gap, 0, atol=3e-3)


@pytest.mark.parametrize("name", ["llama", "qwen3", "bloom", "bert"])
def test_a_contrast_at_other_tokens_from_other_baselines(name):
    model = zoo.shared(name)
    foils = first_tokens(model, SEVERAL, FOILS)
    for options in ({"positions": "subject", "baseline": "per-token"}, {"positions": "all"}):
        amig = AMIG(steps=2, target="contrast", **options)
        attribution = amig.attribute(model, SEVERAL, FOILS)
        subject = options["positions"] == "subject"
        at = subject_of(model, SEVERAL) if subject else lambda ids: list(range(len(ids)))
        wanted = slow(model, SEVERAL, amig, attribution.answer, foils=foils, positions=at)
        assert_close(attribution.scores, wanted)
    one = GradientTimesActivation(target="contrast", foils={ONE.key: FOILS}).attribute(model, ONE)
    from_zero = AMIG(steps=1, baseline="zero", target="contrast").attribute(model, ONE, FOILS)
    np.testing.assert_array_equal(one.scores, from_zero.scores)


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "mistral", "gemma2_capped", "bert"])
def test_facts_together_are_facts_one_by_one(name):
    model = zoo.shared(name)
    facts = (ONE, OTHERS[0], ONE, SEVERAL)
    foils = {fact.key: FOILS[i % 2 :] for i, fact in enumerate(facts)}
    for options in (
        {"target": "contrast", "foils": foils},
        {"positions": "subject"},
        {"positions": "all", "target": "first"},
        {"baseline": "resample", "reference": OTHERS},
    ):
        amig = AMIG(steps=2, **options)
        for fact, one in zip(facts, amig.attribute_many(model, facts), strict=True):
            alone = amig.attribute(model, fact)
            atol = 1e-4 * np.abs(alone.scores).max()  # 0 for a subject outside of the window
            np.testing.assert_allclose(one.scores, alone.scores, rtol=0, atol=atol)
            assert one.value == pytest.approx(alone.value, rel=1e-3)
            np.testing.assert_allclose(one.start_values, alone.start_values, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("positions", ["last", "subject"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "bert"])
def test_baselines_of_other_facts(name, positions):
    model, facts = zoo.shared(name), (OTHERS[0], ONE)
    values = reference_values(model, facts, positions)
    means = []
    for fact in facts:
        rows = []
        for ids, reads, _, _ in sentences_of(model, fact, model.encode(fact).answers[0], False):
            at = reads if positions == "last" else subject_of(model, fact)(ids)
            caught = run(model, ids)[1]
            rows.append(np.stack([caught[n][at].detach() for n in range(model.n_layers)]))
        means.append(np.concatenate(rows, axis=1).mean(axis=1))
    np.testing.assert_allclose(values, np.mean(means, axis=0), rtol=1e-3, atol=1e-5)
    at = None if positions == "last" else subject_of(model, SEVERAL)
    amig = AMIG(steps=2, baseline=values, positions=positions)
    attribution = amig.attribute(model, SEVERAL)
    wanted = slow(model, SEVERAL, amig, attribution.answer, baseline=values, positions=at)
    assert_close(attribution.scores, wanted)
    named = AMIG(steps=2, baseline="reference", reference=facts, positions=positions)
    assert_close(named.attribute(model, SEVERAL).scores, attribution.scores)


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_a_baseline_drawn_from_one_other_fact(name):
    model = zoo.shared(name)
    seeded = [AMIG(steps=2, baseline="resample", reference=OTHERS, seed=s) for s in range(6)]
    scores = [amig.attribute(model, FACT).scores for amig in seeded]
    wanted = [AMIG(steps=2, baseline="resample", reference=[o]) for o in OTHERS]
    wanted = [amig.attribute(model, FACT).scores for amig in wanted]
    atol = 1e-4 * np.abs(wanted).max()
    drawn = [[np.allclose(s, w, rtol=0, atol=atol) for w in wanted].index(True) for s in scores]
    assert len(set(drawn)) > 1
    one_token = AMIG(steps=2, baseline=reference_values(model, [ONE])).attribute(model, FACT)
    assert_close(wanted[2], one_token.scores)
    own = AMIG(steps=2, baseline="resample", reference=[FACT, ONE], seed=4)
    assert_close(own.attribute(model, FACT).scores, wanted[2])  # never the fact itself
    with pytest.raises(ValueError, match="no reference fact has another prompt"):
        AMIG(baseline="resample", reference=[FACT]).attribute(model, FACT)


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_the_last_token_of_the_subject(name):
    model = zoo.shared(name)
    for fact in (ONE, SEVERAL):
        encoding = model.encode(fact)
        ids = getattr(encoding, "prompt", None) or (
            *encoding.before,
            encoding.mask,
            *encoding.after,
        )
        place = subject_position(model.tokenizer, fact, ids)
        assert [place] == subject_of(model, fact)(list(ids))


def test_the_subject_is_a_word():
    model = random_model("gpt2")
    ids = model.tokenizer("The capital of France is")["input_ids"]
    for subject in ("Fran", "Spain", "cap"):
        fact = Fact("The capital of France is", "Paris", subject=subject)
        with pytest.raises(ValueError, match=f"does not contain the subject '{subject}'"):
            subject_position(model.tokenizer, fact, ids)
    with pytest.raises(ValueError, match=r"needs the subject of the fact; set Fact\.subject"):
        AMIG(positions="subject").attribute(model, Fact("The capital of France is", "Paris"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "first"}, "positions must be one of last, subject, all"),
        ({"baseline": "reference"}, "baseline='reference' needs reference"),
        ({"reference": OTHERS}, "reads no reference facts"),
        ({"baseline": np.zeros(3)}, r"finite numbers, \(n_layers, n_neurons\), got shape \(3,\)"),
        ({"baseline": np.full((3, 24), np.nan)}, "finite numbers"),
        ({"foils": {"a": ["b"]}}, "reads no foils; use target='contrast'"),
        (
            {"baseline": "resample", "positions": "all", "reference": OTHERS},
            "tokens of two prompts do not correspond",
        ),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        AMIG(**options)


def test_foils_that_do_not_fit():
    model, amig = random_model("gpt2"), AMIG(steps=1, target="contrast")
    with pytest.raises(ValueError, match=r"France.*target='contrast' needs foils"):
        amig.attribute(model, FACT)
    with pytest.raises(ValueError, match="every foil begins with the first token of an answer"):
        amig.attribute(model, FACT, ["Paris", "Paris Rome"])
    with pytest.raises(TypeError, match="sequence of texts, got 'Rome'"):
        amig.attribute(model, FACT, "Rome")
    with pytest.raises(ValueError, match="foils has no entry for its key"):
        AMIG(target="contrast", foils={"other": ["Rome"]}).attribute(model, FACT)
    with pytest.raises(ValueError, match="reads no foils"):
        AMIG(steps=1).attribute(model, FACT, ["Rome"])
    with pytest.raises(ValueError, match=r"shape \(2, 2\); the model has .* = \(3, 24\)"):
        AMIG(steps=1, baseline=np.zeros((2, 2))).attribute(model, FACT)


def test_options_as_json_and_equality(tmp_path):
    values = np.ones((3, 24))
    options = {"baseline": values, "target": "contrast", "foils": {FACT.key: ["Rome"]}}
    amig = AMIG(steps=1, **options)
    assert amig == AMIG(steps=1, **options)
    assert hash(amig) == hash(AMIG(steps=1, **options))
    assert amig != AMIG(steps=1, **{**options, "baseline": 2 * values})
    assert amig != AMIG(steps=1, **{**options, "foils": {FACT.key: ["Blue"]}})
    referring = AMIG(steps=1, baseline="resample", reference=OTHERS)
    assert referring != AMIG(steps=1, baseline="resample", reference=OTHERS[:2])
    json.dumps([described_options(amig), described_options(referring)])
    model, out = random_model("gpt2"), tmp_path / "located.jsonl"
    found = locate(model, [FACT], amig, out=out).neurons
    assert locate(model, [FACT], amig, out=out).neurons == found
    with pytest.raises(ValueError, match="baseline"):
        locate(model, [FACT], AMIG(steps=1, **{**options, "baseline": 2 * values}), out=out)


def test_the_warning_names_the_cause(caplog):
    """Rounding does not shrink with more steps; a coarse integration does."""
    single = zoo.shared("gemma2")
    half = NeuronModel(copy.deepcopy(single.hf_model).bfloat16(), single.tokenizer)
    with caplog.at_level(logging.WARNING):
        near = 0.98 * reference_values(half, [ONE])  # a small change, so rounding matters
        amig = AMIG.fast(target="log", baseline=near)
        assert amig.attribute(half, ONE).relative_gap > 0.05
        assert "the rounding of bfloat16: load the model with dtype='float32'" in caplog.text
        assert amig.attribute(single, ONE).relative_gap < 0.05
        caplog.clear()
        coarse = AMIG(steps=1, baseline="zero").attribute(single, ONE)
        assert coarse.relative_gap > 0.05
    assert "more steps or AMIG.fast() are more exact" in caplog.text
    assert "rounding" not in caplog.text
    assert torch.is_grad_enabled()
