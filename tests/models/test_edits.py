"""Edits: what they accept, and how many of them share one forward."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Edit, Fact, NeuronModel, NeuronSet
from neurotopo.models.examples import random_model
from neurotopo.models.row_edits import RowEdits
from tests.support import zoo

FACT = Fact("The capital of France is _X_.", ("Paris", "Rome"))


@pytest.fixture(scope="module")
def model():
    return random_model("llama")


def test_an_edit_takes_any_pairs():
    edit = Edit([(1, 2), (0, 3), (1, 2)])
    assert edit == Edit(NeuronSet([(0, 3), (1, 2)]))
    assert hash(edit) == hash(Edit({(0, 3), (1, 2)}))
    assert (edit.scale, edit.where, edit.positions) == (0.0, "values", "all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": float("nan")}, "scale must be a finite number, got nan"),
        ({"scale": float("inf")}, "scale must be a finite number"),
        ({"where": "value"}, "where must be 'values' or 'weights', got 'value'"),
        ({"positions": "first"}, "positions must be 'all' or 'last', got 'first'"),
        ({"where": "weights", "positions": "last"}, "acts at all positions"),
    ],
)
def test_bad_edits_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Edit([(0, 1)], **arguments)


@pytest.mark.parametrize("neuron", [(3, 0), (0, 24), (-1, 0)])
def test_a_neuron_that_does_not_exist_is_named(model, neuron):
    with pytest.raises((ValueError, IndexError), match=str(neuron[0] or neuron[1])):
        model.answer_probability(FACT, edits=[Edit([(0, 0)]), Edit([neuron])])


def test_rows_must_be_edits(model):
    with pytest.raises(TypeError, match=r"edits\[1\] must be an Edit"):
        model.answer_probability(FACT, edits=[None, [(0, 1)]])
    with pytest.raises(ValueError, match="one entry per fact: 2, got 1"):
        model.answer_probabilities([FACT, FACT], edits=[None])


def test_no_edits_no_facts(model):
    assert model.answer_probability(FACT, edits=[]).shape == (0,)
    assert model.answer_probabilities([]).shape == (0,)
    nothing = model.answer_probability(FACT, edits=[None, (), Edit([])])
    np.testing.assert_allclose(nothing, model.answer_probability(FACT), rtol=1e-6)


def test_an_edit_for_a_block_cannot_be_of_the_last_position(model):
    last = Edit([(0, 1)], positions="last")
    refused = pytest.raises(ValueError, match="positions='last' needs a fact")
    with refused, model.edited(last):
        raise AssertionError
    assert not model.mlps[0].out.module._forward_pre_hooks


neurons = st.frozensets(st.tuples(st.integers(0, 2), st.integers(0, 23)), max_size=6)
edits = st.builds(
    lambda n, s, w: Edit(n, s, w),
    neurons,
    st.sampled_from([0.0, 0.5, 2.0, -1.0]),
    st.sampled_from(["values", "weights"]),
)
lasting = st.builds(lambda n, s: Edit(n, s, positions="last"), neurons, st.sampled_from([0.0, 3.0]))
rows = st.lists(st.lists(edits | lasting, max_size=3), min_size=1, max_size=6)


@given(rows, st.integers(1, 4))
def test_rows_of_one_batch_do_not_touch_each_other(rows, batch_size):
    """Every row, with whatever stands beside it, is as it is alone."""
    model = zoo.shared("gpt_neox")
    together = NeuronModel(model.hf_model, model.tokenizer, batch_size=batch_size)
    found = together.answer_probability(FACT, edits=rows, log=True)
    alone = [model.answer_probability(FACT, edits=[row], log=True)[0] for row in rows]
    np.testing.assert_allclose(found, alone, atol=1e-5)


@given(st.lists(edits, max_size=4))
def test_blocks_of_edits_are_rows_of_edits(edits):
    model = zoo.shared("bert")
    before = {k: v.clone() for k, v in model.hf_model.state_dict().items()}
    expected = model.answer_probability(FACT, edits=[edits], log=True)[0]
    with model.edited(*edits):
        assert model.answer_probability(FACT, log=True) == pytest.approx(expected, abs=1e-5)
    after = model.hf_model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_every_subset_of_components_in_one_call():
    """255 subsets of eight components; by the shared prefix, the long way, and by erased rows."""
    model = zoo.shared("qwen2")
    fact = zoo.FACTS[1]
    rng = np.random.default_rng(0)
    components = [
        NeuronSet(np.column_stack([rng.integers(0, 3, 4), rng.integers(0, 24, 4)]))
        for _ in range(8)
    ]
    chosen = [s for k in range(1, 9) for s in itertools.combinations(range(8), k)]
    assert len(chosen) == 255
    sets = [NeuronSet(n for c in subset for n in components[c]) for subset in chosen]
    fast = model.answer_probability(fact, edits=[Edit(s, positions="last") for s in sets], log=True)
    at_all = model.answer_probability(fact, edits=[Edit(s) for s in sets], log=True)
    for i in range(0, 255, 51):
        last, every = Edit(sets[i], positions="last"), Edit(sets[i], where="weights")
        assert fast[i] == pytest.approx(
            model.answer_probability(fact, edits=(last,), log=True)[0], abs=1e-5
        )
        with model.edited(every):
            assert at_all[i] == pytest.approx(model.answer_probability(fact, log=True), abs=1e-5)
    assert np.abs(fast - at_all).max() > 1e-3


def test_a_module_that_is_passed_by_is_reported(model):
    """An MLP that is computed without calling its projection must not look unedited."""
    other = random_model("llama")
    mlp = other.hf_model.model.layers[1].mlp
    mlp.forward = lambda x: torch.nn.functional.linear(
        mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x), mlp.down_proj.weight
    )
    with pytest.raises(RuntimeError, match=r"model.layers.1.mlp.down_proj was never called"):
        other.answer_probability(FACT, edits=[Edit([(1, 3)])])
    with pytest.raises(RuntimeError, match=r"model.layers.1.mlp.down_proj was never called"):
        other.activations(FACT)


def test_training_mode_and_gradients_are_left_as_they_were():
    model = random_model("gpt2")
    model.hf_model.train()
    model.hf_model.transformer.h[1].eval()
    modes = [module.training for module in model.hf_model.modules()]
    wanted = [p.requires_grad for p in model.hf_model.parameters()]
    first = model.answer_probability(FACT)
    assert model.answer_probability(FACT) == first  # no dropout
    assert [module.training for module in model.hf_model.modules()] == modes
    assert [p.requires_grad for p in model.hf_model.parameters()] == wanted
    with model.edited(Edit([(0, 1)], 2.0)):
        loss = model.hf_model(input_ids=torch.tensor([[3, 4, 5]])).logits.sum()
        loss.backward()  # gradients flow through an edit by value
    assert model.hf_model.transformer.h[0].mlp.c_fc.weight.grad is not None


@pytest.mark.parametrize("n_rows", [1, 5])
def test_row_edits_can_be_selected(n_rows):
    rows = [(Edit([(0, i)], float(i)),) for i in range(n_rows)]
    chosen = RowEdits(rows).select([n_rows - 1, 0, 0])
    assert chosen.n_rows == 3
    factors = chosen.layers[0].steps[0].scale
    assert factors.shape == (3, n_rows)
    assert factors[0, -1] == n_rows - 1
    assert torch.equal(factors[1], factors[2])
