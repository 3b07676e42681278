"""One matrix of tests for every family: the same promises, whatever the architecture."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import transformers
from transformers.activations import ACT2FN

from neurotopo import Edit, Fact, NeuronGraph, NeuronModel, NeuronSet, load_model, whole_model_tree
from neurotopo.models import (
    Family,
    UnsupportedModelError,
    family_of,
    known_families,
    register_family,
)
from tests.support import zoo

TOLERANCE = 2e-4  # of a log-probability in single precision: a relative error of the probability
NEURONS = NeuronSet([(0, 1), (0, 5), (1, 0), (1, 7), (2, 2), (2, 23)])


@pytest.fixture(params=zoo.NAMES, scope="module")
def model(request):
    return zoo.shared(request.param)


@pytest.fixture(params=zoo.NAMES)
def fresh(request):
    return zoo.build(request.param)


def n_neurons(model):
    return 4 * zoo.WIDTH if model.family.name == "BLOOM" else zoo.INNER


def tokens_and_positions(model, fact, answer):
    """Lay out one answer by hand: (ids, position, target) of each token."""
    encoding = model.encode(fact)
    ids = encoding.answers[answer]
    for i, token in enumerate(ids):
        if model.is_causal:
            yield [*encoding.prompt, *ids[:i]], len(encoding.prompt) - 1 + i, token
        else:
            masks = [encoding.mask] * (len(ids) - i)
            row = [*encoding.before, *ids[:i], *masks, *encoding.after]
            yield row, len(encoding.before) + i, token


def close(log_p):
    return pytest.approx(log_p, abs=TOLERANCE, rel=0)


def by_hand(hf_model, model, fact, answer=0):
    """Add up the log-softmax of each answer token, one plain forward each."""
    total = 0.0
    for ids, position, token in tokens_and_positions(model, fact, answer):
        with torch.no_grad():
            logits = hf_model(input_ids=torch.tensor([ids])).logits[0, position].double()
        weights = [math.exp(x - float(logits.max())) for x in logits.tolist()]
        total += math.log(weights[token] / sum(weights))
    return total


def best_by_hand(hf_model, model, fact):
    return max(by_hand(hf_model, model, fact, i) for i in range(len(fact.answers)))


def state(model):
    return {k: v.clone() for k, v in model.hf_model.state_dict().items()}


def assert_untouched(model, before):
    after = model.hf_model.state_dict()
    assert all(torch.equal(before[k].view(torch.int32), after[k].view(torch.int32)) for k in before)
    for module in model.hf_model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def zeroed(model, neurons):
    """Copy the model and erase the neurons' rows of the out-projection."""
    other = NeuronModel(copy.deepcopy(model.hf_model), model.tokenizer)
    with torch.no_grad():
        for layer, index in neurons:
            out = other.mlps[layer].out.module
            axis = 0 if type(out).__name__ == "Conv1D" else 1
            out.weight.select(axis, index).zero_()
    return other.hf_model


# Structure


def test_the_shape_is_that_of_the_configuration(model):
    assert model.n_layers == zoo.LAYERS
    assert model.n_neurons == n_neurons(model)
    assert model.d_model == zoo.WIDTH
    assert model.is_causal == hasattr(model.hf_model, "generate")


def test_values_are_the_activation_of_the_in_projections(model):
    """The neuron's value is act(up(x)), or act(gate(x)) * up(x), at the position asked for."""
    fact = zoo.FACTS[0]
    read = {}
    handles = [
        mlp.up.module.register_forward_pre_hook(
            lambda module, args, layer=layer: read.__setitem__(layer, args[0].detach())
        )
        for layer, mlp in enumerate(model.mlps)
    ]
    ids, position, _ = next(tokens_and_positions(model, fact, 0))
    with torch.no_grad():
        model.hf_model(input_ids=torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    values = model.activations(fact)
    assert values.shape == (model.n_layers, model.n_neurons)
    config = model.hf_model.config
    names = ("hidden_activation", "activation_function", "hidden_act", "activation")
    name = next((getattr(config, n) for n in names if getattr(config, n, None)), "gelu")
    act = ACT2FN["gelu_new" if model.family.name == "BLOOM" else name]
    for layer, mlp in enumerate(model.mlps):
        x = read[layer].reshape(len(ids), -1)[position]
        with torch.no_grad():
            up = mlp.up.output(mlp.up.module(x))
            gate = None if mlp.gate is None else mlp.gate.output(mlp.gate.module(x))
            expected = act(up) if gate is None else act(gate) * up
        np.testing.assert_allclose(values[layer], expected.numpy(), rtol=1e-3, atol=1e-4)


def test_values_at_several_positions(model):
    fact = zoo.FACTS[1]
    last, every = model.activations(fact), model.activations(fact, positions="all")
    answer = model.activations(fact, positions="answer")
    rows = list(tokens_and_positions(model, fact, 0))
    assert answer.shape == (model.n_layers, len(rows), model.n_neurons)
    assert every.shape == (model.n_layers, len(rows[0][0]), model.n_neurons)
    np.testing.assert_allclose(answer[:, 0], last, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(every[:, rows[0][1]], last)


def test_rows_answer_to_the_modules(model):
    """A neuron's out-row is what its value adds; an in-row is how its input answers."""
    mlp, following = model.mlps[0], model.mlps[1]
    value = torch.zeros(2, model.n_neurons)
    value[1, 3] = 1.0
    with torch.no_grad():
        off, on = mlp.out.module(value)
        written = on - off
        asked = {"up": following.up, "gate": following.gate}
        for path, projection in asked.items():
            if projection is None:
                continue
            answer = projection.module(written) - projection.module(torch.zeros_like(written))
            answer = projection.output(answer)
            expected = model.in_rows(1, path=path) @ model.out_rows(0, [3])[0]
            np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.out_rows(0, [3])[0], written.numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(model.in_rows(1)[[4, 2]], model.in_rows(1, [4, 2]))


def test_connection_weights_are_explicit_products(model):
    graph = NeuronGraph.from_model(model, NEURONS)
    weights = graph.weights.toarray()
    for a, (layer_a, i) in enumerate(graph.neurons):
        for b, (layer_b, j) in enumerate(graph.neurons):
            expected = 0.0
            if layer_b == layer_a + 1:
                expected = sum(
                    float(x) * float(y)
                    for x, y in zip(
                        model.out_rows(layer_a, [i])[0], model.in_rows(layer_b, [j])[0], strict=True
                    )
                )
                assert weights[a, b] == pytest.approx(expected, rel=1e-6)
                assert weights[b, a] == weights[a, b]
            elif layer_a == layer_b:
                assert weights[a, b] == 0.0


def test_the_folded_norm_is_the_one_the_mlp_reads(model):
    if model.family.norm is None:
        with pytest.raises(ValueError, match="no norm before"):
            model.in_rows(1, fold_norm=True)
        return
    seen = {}
    mlp = model.mlps[1]
    keep = [
        mlp.norm.register_forward_hook(lambda m, args, out: seen.update(x=args[0], y=out)),
        mlp.up.module.register_forward_pre_hook(lambda m, args: seen.update(read=args[0])),
    ]
    model.activations(zoo.FACTS[0])
    for handle in keep:
        handle.remove()
    x, y = seen["x"].reshape(-1, zoo.WIDTH).double(), seen["y"].reshape(-1, zoo.WIDTH).double()
    np.testing.assert_array_equal(seen["read"].reshape(-1, zoo.WIDTH).numpy(), y.float().numpy())
    bias = getattr(mlp.norm, "bias", None)
    if "LayerNorm" in type(mlp.norm).__name__:  # others do not subtract the mean
        x = x - x.mean(dim=1, keepdim=True)
    if bias is not None:
        y = y - bias.detach().double()
    unit = x / (x.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    gain = (y * unit).sum(0) / (unit * unit).sum(0)
    expected = model.in_rows(1) * gain.detach().numpy()
    np.testing.assert_allclose(model.in_rows(1, fold_norm=True), expected, rtol=1e-2, atol=1e-3)


# Probabilities


@pytest.mark.parametrize("fact", zoo.FACTS, ids=lambda f: f.answers[0])
def test_answer_probability_is_the_hand_written_softmax(model, fact):
    expected = best_by_hand(model.hf_model, model, fact)
    probability = model.answer_probability(fact)
    assert isinstance(probability, float)
    assert 0 < probability < 1
    assert math.log(probability) == close(expected)
    assert model.answer_probability(fact, log=True) == close(expected)


def test_the_sum_of_several_answers(model):
    fact = zoo.FACTS[1]
    expected = np.logaddexp(*(by_hand(model.hf_model, model, fact, i) for i in range(2)))
    assert model.answer_probability(fact, reduce="sum", log=True) == close(expected)


def test_an_answer_that_begins_with_another_is_not_added_to_it():
    fact = Fact("Ada plays for _X_.", ("Marly", "Marly United", "Peko"))
    causal, masked = zoo.shared("qwen2"), zoo.shared("bert")
    kept = [by_hand(causal.hf_model, causal, fact, i) for i in (0, 2)]
    assert causal.answer_probability(fact, reduce="sum", log=True) == close(np.logaddexp(*kept))
    every = [by_hand(masked.hf_model, masked, fact, i) for i in range(3)]
    total = np.logaddexp.reduce(every)
    assert masked.answer_probability(fact, reduce="sum", log=True) == close(total)
    with pytest.raises(ValueError, match="reduce must be 'best' or 'sum', got 'mean'"):
        causal.answer_probability(fact, reduce="mean")


@pytest.mark.parametrize("batch_size", [pytest.param(None, marks=pytest.mark.slow), 1, 3])
def test_one_at_a_time_is_as_in_batches(model, batch_size):
    facts = [*zoo.FACTS, zoo.FACTS[0]]
    other = NeuronModel(model.hf_model, model.tokenizer, batch_size=batch_size)
    together = other.answer_probabilities(facts, log=True)
    assert together.shape == (5,)
    alone = [model.answer_probability(fact, log=True) for fact in facts]
    np.testing.assert_allclose(together, alone, rtol=0, atol=TOLERANCE)
    edits = [
        Edit(NEURONS),
        None,
        [Edit([(0, 0)], 2.0), Edit([(1, 1)], where="weights")],
        None,
        None,
    ]
    together = other.answer_probabilities(facts, edits=edits, log=True)
    alone = [
        model.answer_probability(f, edits=[e], log=True)[0]
        for f, e in zip(facts, edits, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=0, atol=TOLERANCE)


# Edits


def test_suppression_is_erasing_the_rows(model):
    fact = zoo.FACTS[1]
    before = state(model)
    expected = best_by_hand(zeroed(model, NEURONS), model, fact)
    assert expected != pytest.approx(model.answer_probability(fact, log=True), abs=1e-3)
    for edit in (Edit(NEURONS), Edit(NEURONS, where="weights")):
        assert model.answer_probability(fact, edits=edit, log=True) == close(expected)
        with model.edited(edit):
            assert model.answer_probability(fact, log=True) == close(expected)
            assert best_by_hand(model.hf_model, model, fact) == close(expected)
        assert_untouched(model, before)


@pytest.mark.parametrize("scale", [2.0, pytest.param(0.5, marks=pytest.mark.slow), -1.0])
def test_weights_scaled_in_a_batch_are_weights_scaled_in_place(model, scale):
    fact = zoo.FACTS[2]
    edit = Edit(NEURONS, scale, where="weights")
    in_batch = model.answer_probability(fact, edits=[None, edit, Edit(NEURONS, scale)], log=True)
    with model.edited(edit):
        in_place = best_by_hand(model.hf_model, model, fact)
    assert in_batch[1] == close(in_place)
    assert in_batch[0] == close(model.answer_probability(fact, log=True))
    with model.edited(Edit(NEURONS, scale)):
        by_value = best_by_hand(model.hf_model, model, fact)
    assert in_batch[2] == close(by_value)
    assert in_batch[1] != pytest.approx(in_batch[2], abs=1e-3)


@pytest.mark.parametrize("fact", zoo.FACTS[1:3], ids=lambda f: f.answers[0])
def test_edits_of_the_last_position_act_where_the_answer_is_predicted(model, fact):
    """Against hooks that scale one position of one plain forward per token."""
    factors = {0: 0.0, 1: 0.0, 2: 3.0}

    def scaled(hf_model, answer):
        total = 0.0
        rows = list(tokens_and_positions(model, fact, answer))
        for ids, position, token in rows:
            at = [p for _, p, _ in rows if p <= position] if model.is_causal else [position]

            def hook(args, layer, at=at, ids=ids):
                x = args[0].clone().reshape(len(ids), -1)
                for index in (i for la, i in NEURONS if la == layer):
                    x[at, index] *= factors[layer]
                return (x.reshape(args[0].shape), *args[1:])

            handles = [
                mlp.out.module.register_forward_pre_hook(
                    lambda m, a, layer=layer, hook=hook: hook(a, layer)
                )
                for layer, mlp in enumerate(model.mlps)
            ]
            with torch.no_grad():
                logits = hf_model(input_ids=torch.tensor([ids])).logits[0, position]
            total += float(logits.double().log_softmax(0)[token])
            for handle in handles:
                handle.remove()
        return total

    expected = max(scaled(model.hf_model, i) for i in range(len(fact.answers)))
    first = Edit([n for n in NEURONS if n[0] < 2], 0.0, positions="last")
    second = Edit([n for n in NEURONS if n[0] == 2], 3.0, positions="last")
    found = model.answer_probability(fact, edits=[(first, second), None, first], log=True)
    assert found[0] == close(expected)
    assert found[1] == close(model.answer_probability(fact, log=True))
    # the same rows without the shared prefix: an edit of all positions sends them the long way
    nothing = Edit([(0, 0)], 1.0)
    slow = model.answer_probability(
        fact, edits=[(first, second, nothing), nothing, first], log=True
    )
    np.testing.assert_allclose(found, slow, rtol=0, atol=TOLERANCE)


def test_nested_edits_compose_and_end_in_any_order(fresh):
    model, fact = fresh, zoo.FACTS[0]
    before = state(model)
    outer, inner = Edit(NEURONS, 2.0, where="weights"), Edit([(0, 5), (1, 1)], 0.5, where="weights")
    value = Edit([(2, 2)], 0.0)
    expected = model.answer_probability(fact, edits=[(outer, inner, value)], log=True)[0]
    with model.edited(outer), model.edited(inner), model.edited(value):
        assert model.answer_probability(fact, log=True) == close(expected)
    assert_untouched(model, before)
    with model.edited(outer, value):
        found = model.answer_probability(fact, edits=[inner], log=True)[0]
        assert found == close(expected)
    first, second = model.edited(outer), model.edited(inner)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    alone = best_by_hand(model.hf_model, model, fact)
    second.__exit__(None, None, None)
    assert_untouched(model, before)
    assert model.answer_probability(fact, edits=inner, log=True) == close(alone)


def test_an_exception_leaves_the_model_as_it_was(fresh):
    model = fresh
    before = state(model)
    weights = Edit(NEURONS, 7.3, where="weights")
    with pytest.raises(KeyError), model.edited(weights), model.edited(Edit(NEURONS)):
        raise KeyError
    assert_untouched(model, before)
    broken = model.hf_model.forward
    model.hf_model.forward = lambda *a, **k: (_ for _ in ()).throw(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        model.answer_probability(zoo.FACTS[0], edits=[Edit(NEURONS)], log=True)
    model.hf_model.forward = broken
    assert_untouched(model, before)


# Loading


def test_a_saved_model_loads_as_the_same(model, tmp_path):
    model.hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert type(loaded.hf_model) is type(model.hf_model)
    assert loaded.hf_model.dtype == torch.float32
    for fact in zoo.FACTS:
        assert loaded.encode(fact) == model.encode(fact)
    expected = model.answer_probability(zoo.FACTS[0], log=True)
    assert loaded.answer_probability(zoo.FACTS[0], log=True) == close(expected)
    np.testing.assert_array_equal(loaded.in_rows(1), model.in_rows(1))


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_half_precision_works(model, dtype):
    half = load_model(copy.deepcopy(model.hf_model), tokenizer=model.tokenizer, dtype=dtype)
    assert half.dtype == getattr(torch, dtype)
    assert half.in_rows(0).dtype == np.float32
    fact = zoo.FACTS[0]
    edits = [None, Edit(NEURONS), Edit(NEURONS, 2.0, "weights")]
    found = half.answer_probability(fact, edits=edits, log=True)
    assert np.isfinite(found).all()
    assert half.activations(fact).dtype == np.float32
    with torch.no_grad():
        rounded = NeuronModel(half.hf_model.float(), model.tokenizer)
    np.testing.assert_allclose(
        found, rounded.answer_probability(fact, edits=edits, log=True), atol=0.5
    )


# Refusals


def test_every_family_is_in_the_matrix():
    built = {zoo.shared(name).family.name for name in zoo.NAMES}
    assert built == {family.name for family in known_families()}


def test_an_unknown_family_is_refused_with_the_list():
    with pytest.raises(UnsupportedModelError, match=r"'arcee' has no row.*gpt2.*register_family"):
        family_of(transformers.ArceeConfig())


@pytest.mark.parametrize("config", [transformers.MixtralConfig(), transformers.Qwen2MoeConfig()])
def test_mixtures_of_experts_are_refused_with_the_reason(config):
    with pytest.raises(UnsupportedModelError, match=r"mixture-of-experts.*router"):
        family_of(config)


def test_a_model_without_head_is_refused():
    base = zoo.build("gpt2").hf_model.transformer
    with pytest.raises(UnsupportedModelError, match="no language-model head"):
        NeuronModel(base, zoo.shared("gpt2").tokenizer)


def test_a_decoder_made_of_bert_is_refused():
    config = copy.deepcopy(zoo.shared("bert").hf_model.config)
    config.is_decoder = True
    with pytest.raises(UnsupportedModelError, match="used as a decoder"):
        NeuronModel(transformers.BertLMHeadModel(config), zoo.shared("bert").tokenizer)


def test_a_family_can_be_registered():
    config = transformers.HeliumConfig(**zoo.GEMMA_LIKE, vocab_size=400)
    hf_model = transformers.HeliumForCausalLM(config).eval()
    tokenizer = zoo.shared("gpt2").tokenizer
    row = Family(
        "Helium",
        ("helium",),
        "causal",
        ("model.layers",),
        up="mlp.up_proj",
        gate="mlp.gate_proj",
        out="mlp.down_proj",
        norm="post_attention_layernorm",
    )
    model = NeuronModel(hf_model, tokenizer, family=row)
    expected = by_hand(hf_model, model, zoo.FACTS[0])
    assert model.answer_probability(zoo.FACTS[0], log=True) == close(expected)
    with pytest.raises(ValueError, match="already has a row"):
        register_family(Family("Mine", ("gpt2",), "causal", ("x",), "up", "out"))


def test_a_fact_that_is_too_long_is_named():
    model = zoo.shared("gpt2")
    fact = Fact("word " * 70 + "_X_", "Marly")
    with pytest.raises(ValueError, match=r"the limit of .* is 64"):
        model.answer_probability(fact, log=True)


def test_the_text_part_of_a_model_that_sees_pictures(tmp_path):
    """Its layers lie one step deeper; its checkpoint names them otherwise again."""
    text = transformers.Gemma3TextConfig(vocab_size=450, **zoo.GEMMA_LIKE, sliding_window=4)
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2}
    sizes = {"hidden_size": 16, "intermediate_size": 16, "image_size": 28, "patch_size": 14}
    vision = transformers.SiglipVisionConfig(**layers, **sizes)
    tokens = {"image_token_index": 440, "boi_token_index": 441, "eoi_token_index": 442}
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, **tokens
    )
    hf_model = transformers.Gemma3ForConditionalGeneration(config).eval()
    model = NeuronModel(hf_model, zoo.shared("gemma3").tokenizer)
    fact = zoo.FACTS[1]
    assert model.answer_probability(fact, log=True) == close(best_by_hand(hf_model, model, fact))
    hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.answer_probability(fact) == pytest.approx(model.answer_probability(fact))
    assert whole_model_tree(tmp_path) == whole_model_tree(loaded)
