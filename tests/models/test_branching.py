"""Edits of one text share a pass up to the layer where they differ, and keep their numbers."""

from __future__ import annotations

import dataclasses
import itertools
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from neurotopo import Edit, Fact, NeuronModel
from neurotopo.models.branching import EditTree
from neurotopo.models.examples import random_model
from neurotopo.models.loading import load_model
from neurotopo.models.row_edits import RowEdits
from tests.support import zoo
from tests.support.plain_edits import one_forward
from tests.support.slow_attribution import sentences_of

FACT = Fact("The capital of France is _X_", "Paris")
TOLERANCE = 2e-5  # of log-probabilities in single precision

# Layers of the components: from the first one on, from a later one on, and only the last.
COMPONENTS = ([(0, 3), (2, 5)], [(1, 4), (1, 7)], [(1, 4), (2, 20)], [(2, 0)])
SUBSETS = [
    [neuron for component in chosen for neuron in component]
    for size in range(len(COMPONENTS) + 1)
    for chosen in itertools.combinations(COMPONENTS, size)
]
KINDS = (
    {},
    {"scale": 2.5},
    {"positions": "last", "scale": 3.0},
    {"where": "weights", "scale": 0.5},
)


@contextmanager
def rows_seen(model):
    """Record the number of rows that the attention-side input of every layer has in a pass."""
    seen, handles = [[] for _ in model.mlps], []
    for layer, mlp in enumerate(model.mlps):
        n = mlp.up.width

        def count(module, args, layer=layer, n=n):
            seen[layer].append(args[0].numel() // n)

        handles.append(mlp.up.module.register_forward_pre_hook(count))
    yield seen
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_every_subset_is_as_by_a_forward_of_its_own(name):
    model, fact = zoo.shared(name), zoo.FACTS[1]
    for number, kind in enumerate(KINDS):
        edits = [Edit(subset, **kind) for subset in SUBSETS]
        found = model.answer_probability(fact, edits=edits, log=True)
        for i in range(number, len(edits), len(KINDS)):
            expected = one_forward(model, fact, [edits[i]])
            assert found[i] == pytest.approx(expected, rel=0, abs=TOLERANCE)
        assert np.ptp(found) > 100 * TOLERANCE


@pytest.mark.parametrize("name", ["llama", "gemma2", "bert"])
def test_edits_of_several_kinds_share_a_pass(name):
    model, fact = zoo.shared(name), zoo.FACTS[2]
    rows = [
        tuple(Edit(subset, **kind) for kind in kinds)
        for kinds in itertools.combinations(KINDS, 2)
        for subset in SUBSETS[:6]
    ]
    found = model.answer_probability(fact, edits=[*rows, *rows], log=True)
    expected = [one_forward(model, fact, row) for row in rows]
    np.testing.assert_allclose(found[: len(rows)], expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(found[: len(rows)], found[len(rows) :])  # the same row


@pytest.mark.parametrize("name", ["qwen2", "gemma3", "roberta"])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_numbers_do_not_depend_on_the_size_of_a_batch(name, batch_size):
    model = zoo.shared(name)
    small = NeuronModel(model.hf_model, model.tokenizer, batch_size=batch_size)
    for kind in KINDS[::2]:
        edits = [Edit(subset, **kind) for subset in SUBSETS]
        found = small.answer_probability(zoo.FACTS[1], edits=edits, log=True)
        expected = model.answer_probability(zoo.FACTS[1], edits=edits, log=True)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_rows_part_after_the_layer_where_their_edits_differ():
    """A layer that adds its MLP's output runs once for all rows that were alike before it."""
    model, edits = random_model("llama"), [Edit(subset) for subset in SUBSETS]
    model.answer_probability(FACT, edits=edits)  # looks once at what the layers add
    n_tokens = len(model.encode(FACT).prompt)
    with rows_seen(model) as seen:
        model.answer_probability(FACT, edits=edits)
    # what is edited before: nothing; component 0 or not; also component 1, 2, or both
    assert seen == [[n_tokens], [2 * n_tokens], [2 * 3 * n_tokens]]


@pytest.mark.parametrize("name", ["llama", "olmo2", "bert"])
def test_in_the_last_layer_all_positions_are_the_last_one(name):
    """There ``positions="last"`` asks the same question; ``"all"`` computes the text once, too."""
    model, fact = zoo.shared(name), zoo.FACTS[0]
    sets = [[(2, i), (2, i + 7)] for i in range(9)]
    ends = [Edit(neurons, positions="last") for neurons in sets]
    found = model.answer_probability(fact, edits=[Edit(neurons) for neurons in sets], log=True)
    expected = model.answer_probability(fact, edits=ends, log=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert np.ptp(found) > 100 * TOLERANCE


def test_rows_part_before_the_layer_if_it_normalises_the_sum():
    model, edits = random_model("bert"), [Edit(subset) for subset in SUBSETS]
    model.answer_probability(FACT, edits=edits)
    (query, *_) = sentences_of(model, FACT, model.encode(FACT).answers[0], True)
    with rows_seen(model) as seen:
        model.answer_probability(FACT, edits=edits)
    assert seen == [[rows * len(query[0])] for rows in (2, 6, 16)]


def test_a_model_whose_rows_cannot_join_runs_every_row():
    model = random_model("llama")
    fixed = dataclasses.replace(model.family, fixed_batch=True)
    other = NeuronModel(model.hf_model, model.tokenizer, family=fixed)
    edits = [Edit(subset) for subset in SUBSETS]
    with rows_seen(model) as seen:
        found = other.answer_probability(FACT, edits=edits, log=True)
    n_tokens = len(SUBSETS) * len(model.encode(FACT).prompt)
    assert seen == [[n_tokens]] * 3
    expected = model.answer_probability(FACT, edits=edits, log=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_a_saved_model_in_every_precision(tmp_path):
    """Sums of half-precision models are rounded as often as in a forward of the whole batch."""
    model = random_model("llama")
    model.hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    edits = [Edit(subset) for subset in SUBSETS]
    for dtype, tolerance in (("float64", 1e-12), ("float32", TOLERANCE), ("bfloat16", 0.1)):
        loaded = load_model(tmp_path, dtype=dtype, device="cpu")
        assert loaded.pass_settings().adding_layers == (dtype != "bfloat16",) * 3
        found = loaded.answer_probability(FACT, edits=edits, log=True)
        expected = [one_forward(loaded, FACT, [edit]) for edit in edits]
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_the_suppression_of_a_very_large_value_is_exact():
    """The part of a suppressed neuron is left out; subtracted, it would leave its rounding."""
    model = random_model("llama")
    with torch.no_grad():
        model.mlps[0].out.weight[:, 3] *= 1e7
    edits = [Edit(subset) for subset in SUBSETS if (0, 3) in subset]
    assert model.pass_settings().adding_layers[0]
    found = model.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(model, FACT, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_layers_that_scale_or_cap_what_the_mlp_adds():
    model, edits = random_model("llama"), [Edit(subset) for subset in SUBSETS]
    for mlp, change in zip(model.mlps, (lambda x: 0.5 * x, torch.tanh, lambda x: x), strict=True):
        mlp.layer.mlp.register_forward_hook(lambda m, a, output, change=change: change(output))
    assert model.pass_settings().adding_layers == (False, False, True)
    found = model.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(model, FACT, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_hooks_that_come_later_are_respected():
    """What the layers add is looked up once, hooks on their modules every time."""
    model, edits = random_model("gpt2"), [Edit(subset) for subset in SUBSETS]
    before = model.answer_probability(FACT, edits=edits, log=True)
    assert model.pass_settings().adding_layers == (True,) * 3
    handle = model.mlps[1].layer.mlp.register_forward_hook(
        lambda m, a, output: output.clamp(max=0.01)
    )
    found = model.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(model, FACT, [edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    handle.remove()
    assert np.abs(found - before).max() > 100 * TOLERANCE
    np.testing.assert_array_equal(model.answer_probability(FACT, edits=edits, log=True), before)


def test_an_edit_of_a_block_stays_active():
    model, edits = random_model("llama"), [Edit(subset) for subset in SUBSETS]
    standing = Edit([(0, 3), (1, 9), (2, 5)], 3.0)
    with model.edited(standing):
        found = model.answer_probability(FACT, edits=edits, log=True)
    expected = [one_forward(model, FACT, [standing, edit]) for edit in edits]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_a_model_that_changes_its_rows_is_reported():
    model = random_model("llama")
    model.pass_settings().adding_layers  # noqa: B018 - before the hook
    model.hf_model.model.embed_tokens.register_forward_hook(
        lambda module, args, output: output.repeat(2, 1, 1)
    )
    with pytest.raises(RuntimeError, match=r"2 rows, not 1.*fixed_batch=True"):
        model.answer_probability(FACT, edits=[Edit(subset) for subset in SUBSETS])


def test_no_hook_is_left_after_an_error():
    model = random_model("llama")
    edits = [Edit(subset) for subset in SUBSETS]
    model.answer_probability(FACT, edits=edits)
    model.mlps[2].layer.register_forward_pre_hook(lambda module, args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.answer_probability(FACT, edits=edits)
    assert sum(len(m._forward_pre_hooks) for m in model.hf_model.modules()) == 1
    assert not any(m._forward_hooks for m in model.hf_model.modules())


def test_leaves_are_ordered_by_layer():
    """Neighbouring leaves share most layers, so that a part of them repeats little."""
    rows = [(Edit(subset),) for subset in SUBSETS]
    tree = EditTree(RowEdits(rows), [*range(16), 3])
    assert (tree.n_leaves, tree.leaf[3]) == (16, tree.leaf[16])
    sizes = [
        {layer: len(branch.parents) for layer, branch in tree.branches(leaves).items()}
        for leaves in (range(16), range(8), range(8, 16))
    ]
    assert sizes == [{0: 2, 1: 6, 2: 16}, {0: 1, 1: 3, 2: 8}, {0: 1, 1: 3, 2: 8}]
