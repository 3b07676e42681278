"""Edits that replace values: what they accept, and the same numbers as plain hooks."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotopo import AMIG, Edit, Fact, NeuronModel, NeuronSet
from neurotopo.knowledge.suppression import Suppressions, subsets
from neurotopo.models.examples import random_model
from neurotopo.models.loading import load_model
from neurotopo.models.recall import recalled
from tests.support import zoo
from tests.support.plain_edits import one_forward
from tests.support.slow_attribution import slow_attribution

FACT = Fact("The capital of France is _X_", "Paris")
TOLERANCE = 2e-5  # of log-probabilities in single precision
NEURONS = NeuronSet([(0, 3), (1, 4), (1, 7), (2, 20)])
PAIR = [(0, 1), (2, 3)]


def n_tokens(model, fact=zoo.FACTS[0]):
    return model.encode(fact).n_prompt


def kinds(model, fact):
    """Edits of every kind for one prompt."""
    rng = np.random.default_rng(0)
    n, k = n_tokens(model, fact), len(NEURONS)
    normal = partial(rng.normal, scale=4)
    return [
        Edit(NEURONS, value=0.7),
        Edit(NEURONS, value=normal(size=k)),
        Edit(NEURONS, value=normal(size=k), positions="last"),
        Edit(NEURONS, value=normal(size=(k, 1)), positions="last"),
        Edit(NEURONS, value=normal(size=(k, n)), positions="all"),
        Edit(NEURONS, value=normal(size=(k, 2)), positions=(1, -2)),
        Edit(NEURONS, value=4.0, positions=-2),
        Edit(NEURONS, scale=3.0, positions=(0, 2)),
        Edit.from_prompt(model, NEURONS, fact.prompt.replace("Brolland", "Zúnia"), (0, -2)),
    ]


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_every_family_is_as_by_plain_hooks(name):
    model, fact = zoo.shared(name), zoo.FACTS[0]
    edits = kinds(model, fact)
    rows = [*edits, (edits[0], Edit(NEURONS, 2.0)), (Edit(NEURONS, 2.0, "weights"), edits[1])]
    found = model.answer_probability(fact, edits=[None, *rows], log=True)
    expected = [
        one_forward(model, fact, row if isinstance(row, tuple) else [row]) for row in [(), *rows]
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    changed = np.abs(found[1:] - found[0]) > 10 * TOLERANCE
    assert changed.sum() >= len(rows) - 2  # windows of attention end before some tokens
    joined = model.answer_probabilities([fact] * len(rows), edits=rows, log=True)
    np.testing.assert_allclose(joined, expected[1:], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["Arcee", "Helium"])
def test_a_family_derived_from_the_modules(kind):
    words = zoo.shared("gpt2").tokenizer
    sizes = {**zoo.LLAMA_LIKE, "head_dim": 8, "vocab_size": zoo.VOCABULARY, "pad_token_id": 0}
    config = getattr(transformers, f"{kind}Config")(**sizes, bos_token_id=0, eos_token_id=0)
    hf_model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    model, fact = NeuronModel(hf_model, words), zoo.FACTS[0]
    edits = kinds(model, fact)
    found = model.answer_probability(fact, edits=edits, log=True)
    expected = [one_forward(model, fact, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert len(set(found)) > 5


@pytest.mark.parametrize("name", ["llama", "bert"])
def test_answers_of_several_tokens(name):
    """Columns of ``positions="last"`` are the answer's tokens, in either kind of model."""
    model, fact = zoo.shared(name), zoo.FACTS[1]
    longest = max(map(len, model.encode(fact).answers))
    assert longest > 1
    value = np.random.default_rng(1).normal(size=(2, longest))
    rows = [Edit(PAIR, value=value[:, :k], positions="last") for k in range(1, longest + 1)]
    found = model.answer_probability(fact, edits=rows, log=True)
    expected = [one_forward(model, fact, [row]) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert len(set(np.round(found, 4))) > 1
    with pytest.raises(ValueError, match=rf"{longest + 1} tokens that predict .* has {longest}"):
        model.answer_probability(
            fact, edits=Edit(PAIR, value=np.ones((2, longest + 1)), positions="last")
        )


neuron = st.tuples(st.integers(0, 2), st.integers(0, 23))
number = st.floats(-4, 4, width=32)


@st.composite
def random_edits(draw):
    neurons = draw(st.lists(neuron, min_size=1, max_size=4, unique=True))
    k = len(neurons)
    positions = draw(st.sampled_from(["all", "last", (0,), (2, -1), (-3, 1)]))
    kind = draw(st.sampled_from(["scale", "weights", "number", "neuron", "mapping", "position"]))
    if kind == "weights":
        return Edit(neurons, draw(st.sampled_from([0.0, 2.0, -1.0])), "weights")
    if kind == "scale":
        return Edit(neurons, draw(number), positions=positions)
    if kind == "number":
        return Edit(neurons, value=draw(number), positions=positions)
    rows = draw(st.lists(number, min_size=k, max_size=k))
    if kind == "neuron":
        return Edit(neurons, value=rows, positions=positions)
    if kind == "mapping":
        return Edit(neurons, value=dict(zip(neurons, rows, strict=True)), positions=positions)
    p = {"all": n_tokens(zoo.shared("qwen2")), "last": 1}.get(positions, len(positions))
    table = draw(st.lists(st.lists(number, min_size=p, max_size=p), min_size=k, max_size=k))
    return Edit(neurons, value=table, positions=positions)


@settings(max_examples=30)
@given(st.lists(st.lists(random_edits(), max_size=3), min_size=1, max_size=5), st.integers(1, 6))
def test_rows_of_random_edits(rows, batch_size):
    """Every row of a batch, whatever stands beside it, is as by plain hooks."""
    model, fact = zoo.shared("qwen2"), zoo.FACTS[0]
    small = NeuronModel(model.hf_model, model.tokenizer, batch_size=batch_size)
    expected = [one_forward(model, fact, row) for row in rows]
    for each in (model, small):
        found = each.answer_probability(fact, edits=rows, log=True)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_facts_of_several_lengths_in_one_batch():
    model, facts = zoo.shared("gpt_neox"), zoo.FACTS[:2]
    lengths = [n_tokens(model, fact) for fact in facts]
    assert lengths[0] != lengths[1]
    rows = [Edit(PAIR, value=np.full((2, n), 0.5 + n)) for n in lengths]
    expected = [
        one_forward(model, *pair) for pair in zip(facts, [[row] for row in rows], strict=True)
    ]
    found = model.answer_probabilities(facts, edits=rows, log=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    with pytest.raises(ValueError, match=rf"for {lengths[0]} tokens and the prompt has"):
        model.answer_probabilities(facts, edits=rows[:1] * 2)
    with pytest.raises(ValueError, match="of token 99 and the prompt has"):
        recalled(model, facts, edits=[None, Edit(PAIR, value=1.0, positions=99)])


@pytest.mark.parametrize("name", ["llama", "roberta"])
def test_values_of_the_own_prompt_change_nothing(name):
    model, fact = zoo.shared(name), zoo.FACTS[0]
    everything = NeuronSet((layer, i) for layer in range(3) for i in range(24))
    edits = [
        Edit.from_prompt(model, everything, fact, positions)
        for positions in ("last", "answer", "all", -1, (0, 1), [1, -2])
    ]
    found = model.answer_probability(fact, edits=[None, *edits], log=True)
    np.testing.assert_allclose(found, found[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["llama", "bert", "roberta"])
def test_a_prompt_alone_is_read_as_the_prompt_of_a_fact(name):
    """In a masked model it has one mask, as for an answer of one token."""
    model, prompt = zoo.shared(name), "The capital of Brolland is _X_."
    fact = next(
        fact
        for fact in (Fact(prompt, word) for word in ("Marly", "is", "the", "a", "of", "e"))
        if len(model.encode(fact).answers[0]) == 1
    )
    for positions in ("last", "all", (1, -1)):
        found, expected = (model.activations(each, positions) for each in (prompt, fact))
        np.testing.assert_array_equal(found, expected)
    assert model.activations(prompt, -1).shape == (3, 1, 24)


def test_values_of_another_prompt():
    """The last token's values go to the last token, whatever the lengths."""
    model, fact, other = zoo.shared("llama"), zoo.FACTS[0], zoo.FACTS[1]
    edit = Edit.from_prompt(model, NEURONS, other)
    assert (edit.positions, edit.n_columns) == ("last", 1)
    values = model.activations(other)[NEURONS.layers, NEURONS.indices]
    assert edit.columns[:, 0].tolist() == values.tolist()
    moved = Edit.from_prompt(model, NEURONS, other, (1, 2), to=(-1, 0))
    values = model.activations(other, (1, 2))[NEURONS.layers, :, NEURONS.indices]
    assert moved == Edit(NEURONS, value=values, positions=(-1, 0))
    with pytest.raises(ValueError, match="one token for each token of the other prompt, 2, got 0"):
        Edit.from_prompt(model, NEURONS, other, (1, 2), to=0)
    with pytest.raises(ValueError, match="tokens and the prompt has"):
        model.answer_probability(fact, edits=Edit.from_prompt(model, NEURONS, other, "all"))
    with pytest.raises(ValueError, match="needs a fact with an answer"):
        Edit.from_prompt(model, NEURONS, "The capital of Italy is", "answer")
    with pytest.raises(ValueError, match="token 99; the prompt has"):
        Edit.from_prompt(model, NEURONS, other, 99)


def test_values_of_a_prompt_in_double_precision(tmp_path):
    model = random_model("llama")
    model.hf_model.double()
    assert model.activations(FACT).dtype == np.float64
    edits = [Edit.from_prompt(model, NEURONS, FACT, p) for p in ("last", "all")]
    found = model.answer_probability(FACT, edits=[None, *edits], log=True)
    np.testing.assert_allclose(found, found[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_values_are_rounded_to_the_precision_of_the_model(tmp_path, dtype):
    model = random_model("llama")
    model.hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, dtype=dtype, device="cpu")
    edits = [Edit(NEURONS, value=0.1), Edit(NEURONS, value=[1 / 3] * 4, positions="last")]
    found = loaded.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(loaded, FACT, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)
    if dtype == "float16":
        large = Edit(NEURONS, value=1e5)
        with pytest.raises(ValueError, match=r"size 100000, but .* type float16, at most 65504"):
            loaded.answer_probability(FACT, edits=large)
        with loaded.edited(large), pytest.raises(ValueError, match="at most 65504"):
            loaded.answer_probability(FACT)
        assert not any(m._forward_pre_hooks for m in loaded.hf_model.modules())


def test_blocks_replace_values():
    """Edits of nested blocks act in order, those of rows after them."""
    model, fact = zoo.shared("llama"), zoo.FACTS[0]
    outer, inner = Edit(NEURONS, value=[1.0, -2.0, 0.5, 3.0]), Edit(NEURONS[:2], 2.0)
    row = Edit(NEURONS[1:3], value=0.25, positions="last")
    expected = one_forward(model, fact, [outer, inner, row])
    with model.edited(outer), model.edited(inner):
        found = model.answer_probability(fact, edits=[row], log=True)[0]
    assert found == pytest.approx(expected, rel=0, abs=TOLERANCE)
    weights = Edit(NEURONS, 3.0, "weights")
    expected = one_forward(model, fact, [outer, weights])
    for edits in ((outer, weights), (weights, outer)):
        with model.edited(*edits):
            found = model.answer_probability(fact, log=True)
        assert found == pytest.approx(expected, rel=0, abs=TOLERANCE)
    assert not any(m._forward_pre_hooks for m in model.hf_model.modules())
    for edit in (Edit(PAIR, value=np.ones((2, 3))), Edit(PAIR, value=1.0, positions=2)):
        with pytest.raises(ValueError, match="needs a fact"), model.edited(edit):
            raise AssertionError


@pytest.mark.parametrize("name", ["llama", "gemma2_capped", "bert"])
def test_attribution_within_a_block(name):
    """The paths of AMIG run through the edited model; a constant neuron has no score."""
    model, fact = zoo.shared(name), zoo.FACTS[0]
    with model.edited(Edit(NEURONS, value=[1.0, -2.0, 0.5, 3.0])):
        found = AMIG(steps=3).attribute(model, fact)
        tokenizer = model.tokenizer
        slow = slow_attribution(
            model,
            fact,
            found.answer,
            steps=3,
            baseline="mean",
            quadrature="right",
            target="joint",
            replacement=tokenizer.eos_token_id if model.is_causal else tokenizer.mask_token_id,
        )
        assert found.value == pytest.approx(model.answer_probability(fact), rel=1e-4)
    np.testing.assert_allclose(found.scores, slow, rtol=0, atol=1e-4 * np.abs(slow).max())
    assert not found.scores[NEURONS.layers, NEURONS.indices].any()
    assert found.scores.any()


def test_a_model_with_an_adapter_and_8_bit_weights():
    """Edits of values need the input of the out-projection only."""
    peft = pytest.importorskip("peft")
    model = random_model("llama")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    peft.get_peft_model(model.hf_model, config)
    for mlp in model.mlps[:2]:
        mlp.out.module.weight.data = mlp.out.module.weight.data.to(torch.float8_e4m3fn)
        _dequantizing(mlp.out.module)
    edits = [Edit(NEURONS, value=0.5), Edit(NEURONS, value=[1.0, 2.0, 3.0, 4.0], positions="last")]
    edits += [Edit.from_prompt(model, NEURONS, "The capital of Italy is", -1), Edit(NEURONS)]
    found = model.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(model, FACT, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def _dequantizing(module):
    """Replace the forward of a module, as packages of quantisation do."""
    module.forward = lambda x: torch.nn.functional.linear(x, module.weight.to(x.dtype))


def test_sets_suppressed_to_other_values():
    """Every set has the values of its own neurons, in a curve as in single edits."""
    model, fact, rows = zoo.shared("llama"), zoo.FACTS[0], subsets(len(NEURONS))
    value = np.array([1.0, -2.0, 0.5, 3.0])
    for positions in ("all", "last"):
        found = Suppressions(model, fact, NEURONS, positions, value=value).ask(rows)
        edits = [Edit(NEURONS[row], value=value[row], positions=positions) for row in rows]
        expected = [np.exp(one_forward(model, fact, [edit])) for edit in edits]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    with pytest.raises(ValueError, match="or one number for each neuron"):
        Suppressions(model, fact, NEURONS, value=value[:, None])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"value": [1.0, float("nan")]}, ValueError, r"that of neuron \(2, 3\) is nan"),
        ({"value": float("inf")}, ValueError, "value must be finite; that is inf"),
        ({"value": [[0.0, 1.0], [2.0, -np.inf]]}, ValueError, r"\(2, 3\) is -inf"),
        ({"value": 1j}, TypeError, "must be real numbers, got complex"),
        ({"value": True}, TypeError, "must be real numbers, got booleans"),
        ({"value": "one"}, TypeError, "must be real numbers"),
        ({"value": [1.0, 2.0, 3.0]}, ValueError, r"shape \(2,\), .* got shape \(3,\)"),
        ({"value": np.ones((2, 0))}, ValueError, "has no positions"),
        ({"value": np.ones((2, 1, 1))}, ValueError, r"got shape \(2, 1, 1\)"),
        ({"value": [[1.0], [2.0, 3.0]]}, ValueError, "equally many numbers"),
        ({"value": {(0, 1): 1.0}}, ValueError, r"no entry for neuron \(2, 3\)"),
        ({"value": {(0, 1): 1, (2, 3): 1, (1, 1): 1}}, ValueError, r"has \(1, 1\)"),
        ({"value": 1.0, "where": "weights"}, ValueError, "takes a scale only"),
        ({"value": 1.0, "scale": 2.0}, ValueError, "a scale or a value, not both"),
        ({"value": np.ones((2, 3)), "positions": (0, 1)}, ValueError, "3 columns for 2 positions"),
        ({"positions": (1, 1)}, ValueError, "different tokens"),
        ({"positions": ()}, ValueError, "at least one"),
        ({"positions": 1.5}, TypeError, "'all', 'last' or integers"),
        ({"positions": 1, "where": "weights"}, ValueError, "acts at all positions"),
    ],
)
def test_bad_values_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Edit(PAIR, **arguments)


def test_values_follow_the_neurons_as_they_are_given():
    expected = Edit(NeuronSet(PAIR), value=[1.0, 2.0])
    assert Edit([(2, 3), (0, 1)], value=[2.0, 1.0]) == expected
    assert Edit(np.array([(2, 3), (0, 1)]), value=torch.tensor([2.0, 1.0])) == expected
    assert Edit(iter([(2, 3), (0, 1)]), value=np.array([2, 1])) == expected
    assert Edit({(2, 3), (0, 1)}, value={(2, 3): 2.0, (0, 1): 1.0}) == expected
    with pytest.raises(ValueError, match="has no order"):
        Edit({(2, 3), (0, 1)}, value=[1.0, 2.0])
    with pytest.raises(ValueError, match="occurs twice"):
        Edit([(0, 1), (0, 1)], value=[1.0, 2.0])


def test_an_edit_by_value_is_a_value():
    edit = Edit(PAIR, value=np.array([[1.0, 2.0], [3.0, 4.0]]), positions=(0, -1))
    same = Edit(PAIR, value=[[1, 2], [3, 4]], positions=[0, -1])
    assert edit == same
    assert hash(edit) == hash(same)
    assert edit != Edit(PAIR, value=[[1, 2], [3, 5]], positions=[0, -1])
    assert Edit(PAIR, value=0.0) != Edit(PAIR)
    assert pickle.loads(pickle.dumps(edit)) == edit
    assert repr(edit).endswith("value=((1.0, 2.0), (3.0, 4.0)), positions=(0, -1))")
    assert "<array of shape (2, 4)>" in repr(Edit(PAIR, value=np.ones((2, 4))))
    with pytest.raises(AttributeError):
        edit.value = 2.0
