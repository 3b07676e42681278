"""RelP against its rules written out by hand, and where it is exact."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import linear, silu

from neurotopo import AMIG, Edit, Fact, NeuronModel
from neurotopo.knowledge import relevance
from neurotopo.knowledge.relp import RelP
from neurotopo.models import UnsupportedModelError, linearized
from neurotopo.models.examples import random_model
from neurotopo.models.linearized import linear_gap
from neurotopo.models.path_gradients import without_training
from tests.support import zoo
from tests.support.slow_attribution import sentences_of

FACT = Fact("The capital of Brolland is _X_.", "Marly", subject="Brolland")
SEVERAL = zoo.FACTS[1]
FOILS = ("Peko", "Krone", "Blue")


def close(scores, wanted, rel=1e-4):
    greatest = np.abs(wanted).max()
    assert greatest > 0
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=rel * greatest)


def ids_of(model, fact=FACT):
    answer = model.encode(fact).answers[0]
    ids, reads, targets, places = sentences_of(model, fact, answer, False)[0]
    return torch.tensor([ids]), reads, targets, places


def by_hand_llama(model, ids, leaves):
    """LLaMA for one sentence, every constant detached; the values of all layers are leaves."""
    hf, config = model.hf_model, model.hf_model.config
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    n = ids.shape[1]

    def norm(module, x):
        scale = (x.pow(2).mean(-1, keepdim=True) + module.variance_epsilon).rsqrt()
        return x * scale.detach() * module.weight

    def rotated(x):
        cos, sin = hf.model.rotary_emb(x, torch.arange(n)[None])
        first, second = x[..., : size // 2], x[..., size // 2 :]
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    x = hf.model.embed_tokens(ids[0]).detach()
    for layer in hf.model.layers:
        y, attention = norm(layer.input_layernorm, x), layer.self_attn
        q, k, v = (
            getattr(attention, f"{name}_proj")(y).reshape(n, heads, size).transpose(0, 1)
            for name in "qkv"
        )
        weights = rotated(q) @ rotated(k).transpose(1, 2) / size**0.5
        weights = weights.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)
        mixed = (weights.detach() @ v).transpose(0, 1).reshape(n, -1)
        x = x + attention.o_proj(mixed)
        y, mlp = norm(layer.post_attention_layernorm, x), layer.mlp
        gate, up = mlp.gate_proj(y), mlp.up_proj(y)
        slope = torch.sigmoid(gate).detach()  # silu(x) / x
        values = 0.5 * (up * (gate * slope).detach() + gate * slope * up.detach())
        leaves.append(values)
        x = x + mlp.down_proj(values)
    return hf.lm_head(norm(hf.model.norm, x))


def by_hand_gpt2(model, ids, leaves):
    """GPT-2 in the same way."""
    hf, config = model.hf_model, model.hf_model.config
    heads, n = config.n_head, ids.shape[1]

    def norm(module, x):
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.pow(2).mean(-1, keepdim=True) + module.eps).rsqrt()
        return centred * scale.detach() * module.weight + module.bias

    x = (hf.transformer.wte(ids[0]) + hf.transformer.wpe(torch.arange(n))).detach()
    for block in hf.transformer.h:
        q, k, v = (
            part.reshape(n, heads, -1).transpose(0, 1)
            for part in block.attn.c_attn(norm(block.ln_1, x)).chunk(3, dim=-1)
        )
        weights = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        weights = weights.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)
        x = x + block.attn.c_proj((weights.detach() @ v).transpose(0, 1).reshape(n, -1))
        up = block.mlp.c_fc(norm(block.ln_2, x))
        values = up * (block.mlp.act(up) / up).detach()
        leaves.append(values)
        x = x + block.mlp.c_proj(values)
    return linear(norm(hf.transformer.ln_f, x), hf.lm_head.weight)


@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize("fact", [FACT, SEVERAL])
@pytest.mark.parametrize(("name", "by_hand"), [("llama", by_hand_llama), ("gpt2", by_hand_gpt2)])
def test_the_rules_by_hand(name, by_hand, fact, positions):
    model = zoo.build(name)
    attribution = RelP(target="log", positions=positions).attribute(model, fact)
    ids, reads, targets, _ = sentences_of(model, fact, attribution.answer, False)[0]
    leaves = []
    logits = by_hand(model, torch.tensor([ids]), leaves)
    log_p = logits[reads].log_softmax(-1)[range(len(reads)), targets].sum()
    slopes = torch.autograd.grad(log_p, leaves)
    at = reads if positions == "last" else list(range(len(ids)))
    wanted = [(v * s)[at].sum(dim=0).detach() for v, s in zip(leaves, slopes, strict=True)]
    close(attribution.scores, np.stack(wanted))
    assert attribution.value == pytest.approx(float(log_p.detach()), abs=1e-4)
    joint = RelP(positions=positions).attribute(model, fact)
    close(joint.scores, np.exp(attribution.value) * attribution.scores)
    assert joint.value == pytest.approx(model.answer_probability(fact), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_every_family_is_linear(name, dtype):
    """A logit is the sum of its inputs and biases, each times its derivative."""
    model = zoo.shared(name)
    model = NeuronModel(copy.deepcopy(model.hf_model).to(dtype), model.tokenizer)
    ids = ids_of(model)[0]
    with without_training(model.hf_model):
        gap = linear_gap(model.pass_settings(), ids, torch.ones_like(ids))
    assert gap < (2e-6 if dtype == torch.float32 else 0.02)
    assert not any(parameter.grad is not None for parameter in model.hf_model.parameters())


@pytest.mark.parametrize(
    ("name", "rule", "plain"),
    [
        ("gpt2", "_NORMS", {}),
        ("llama", "_CONSTANT", frozenset()),
        ("bert", "_NONLINEAR", frozenset()),
        ("qwen3", "_attention", torch.nn.functional.scaled_dot_product_attention),
    ],
)
def test_a_model_that_is_not_linear_is_refused(name, rule, plain, monkeypatch):
    model = zoo.build(name)
    monkeypatch.setattr(linearized, rule, plain)
    with pytest.raises(UnsupportedModelError, match=r"cannot linearise \w+: its logits differ"):
        RelP().attribute(model, FACT)
    monkeypatch.undo()
    assert np.isfinite(RelP().attribute(model, FACT).scores).all()
    assert model.hf_model in relevance._LINEAR


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_neurons_that_are_not_gates_are_refused(name):
    """A neuron that depends on another one, or on its gate and value in another way."""
    model = zoo.build(name)
    mlp = model.hf_model.get_submodule("transformer.h.1.mlp" if name == "gpt2" else "model.layers")
    if name == "gpt2":
        mlp.act = torch.nn.Softmax(dim=-1)
    else:
        mlp = mlp[1].mlp
        mlp.forward = lambda x: mlp.down_proj(silu(mlp.gate_proj(x)) + mlp.up_proj(x))
    with pytest.raises(UnsupportedModelError, match=r"input of \S+1\.mlp\.\w+_proj is not act\("):
        RelP().attribute(model, FACT)


def without_norms_and_patterns(dtype=torch.float64):
    """OPT: ReLU, no norms, and attention that does not depend on the tokens."""
    model = zoo.build("opt")
    hf_model = model.hf_model.to(dtype)
    decoder = hf_model.model.decoder
    with torch.no_grad():
        for layer in decoder.layers:
            layer.self_attn_layer_norm = layer.final_layer_norm = torch.nn.Identity()
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                projection.weight.zero_()
                projection.bias.zero_()
    decoder.final_layer_norm = torch.nn.Identity()
    return NeuronModel(hf_model, model.tokenizer)


@pytest.mark.parametrize("positions", ["last", "all"])
def test_relp_of_a_relu_network_is_gradient_times_value(positions):
    model = without_norms_and_patterns()
    for fact in (FACT, SEVERAL):
        scores = RelP(target="log", positions=positions).attribute(model, fact).scores
        slope = AMIG(steps=1, baseline="zero", target="log", positions=positions)
        close(scores, slope.attribute(model, fact).scores, 1e-9)


def test_relp_is_exact_where_the_target_is_linear():
    """In the last layer without a norm after it, a neuron's score is its effect on the contrast."""
    model = zoo.build("gpt2")
    model.hf_model.double().transformer.ln_f = torch.nn.Identity()
    foils = ["Peko"]
    attribution = RelP(target="contrast").attribute(model, FACT, foils)
    edits = [Edit([(2, i)], positions="last") for i in range(model.n_neurons)]
    wrong = Fact(FACT.prompt, foils)
    contrast = model.answer_probability(FACT, edits=edits, log=True)
    contrast = contrast - model.answer_probability(wrong, edits=edits, log=True)
    close(attribution.scores[2], attribution.value - contrast, 1e-9)


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_values_and_facts_together(name):
    model = zoo.shared(name)
    facts = (FACT, SEVERAL, FACT, zoo.FACTS[3])
    for relp in (RelP(baseline="mean"), RelP(positions="all", batch_size=1, target="first")):
        together = list(relp.attribute_many(model, facts))
        for fact, one in zip(facts, together, strict=True):
            close(one.scores, relp.attribute(model, fact).scores)
            assert np.isnan(one.start_values).all()
    values = [one.value for one in RelP().attribute_many(model, facts)]
    np.testing.assert_allclose(values, model.answer_probabilities(facts), rtol=1e-3)


def test_baselines_are_differences_of_the_values():
    model = zoo.shared("llama")
    zero = RelP().attribute(model, FACT).scores
    values = np.random.default_rng(0).normal(size=zero.shape)
    given = RelP(baseline=values).attribute(model, FACT).scores
    twice = RelP(baseline=2 * values).attribute(model, FACT).scores
    close(given - zero, twice - given)
    reference = RelP(baseline="reference", reference=[FACT]).attribute(model, FACT).scores
    np.testing.assert_allclose(reference, 0, atol=1e-7)
    contrast = RelP(target="contrast", foils={FACT.key: FOILS}).attribute(model, FACT)
    amig = AMIG(steps=1, target="contrast").attribute(model, FACT, FOILS)
    assert contrast.value == pytest.approx(amig.value, abs=1e-4)


def test_the_model_is_left_as_it_was():
    model = random_model("llama")
    model.hf_model.train()
    with torch.no_grad():
        RelP(positions="all").attribute(model, Fact("The capital of France is", "Paris"))
        assert not torch.is_grad_enabled()
    assert all(module.training for module in model.hf_model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.hf_model.parameters())
    for module in model.hf_model.modules():
        assert not module._forward_pre_hooks
        assert not module._forward_hooks


def test_options_that_do_not_fit():
    with pytest.raises(ValueError, match="per-token' has no meaning; use baseline='mean'"):
        RelP(baseline="per-token")
    with pytest.raises(ValueError, match="target must be one of"):
        RelP(target="last")
    with pytest.raises(TypeError):
        RelP(steps=3)
