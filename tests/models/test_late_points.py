"""Points that join after their layer: the same scores from fewer rows, and never a wrong sum."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import AMIG
from neurotopo.models.path_gradients import _NO_SUMS
from tests.support import zoo

FACT, LONG = zoo.FACTS[0], zoo.FACTS[1]
SUMS = ("gpt2", "gpt_neox", "gpt_neox_serial", "phi", "opt", "falcon", "llama", "qwen3", "gemma")
NOT_SUMS = ("olmo2", "opt_post_norm")  # the MLP's output, or the sum, is normalised


def rows_of_each_layer(model, fact, amig):
    """Attribute a fact; return the scores and the tokens that each layer's MLP read."""
    read = [[] for _ in model.mlps]
    handles = [
        mlp.up.module.register_forward_pre_hook(
            lambda module, args, seen=seen: seen.append(args[0][..., 0].numel())
        )
        for mlp, seen in zip(model.mlps, read, strict=True)
    ]
    scores = amig.attribute(model, fact).scores
    for handle in handles:
        handle.remove()
    return scores, read


@pytest.mark.parametrize("baseline", ["mean", "per-token"])
@pytest.mark.parametrize("name", SUMS + NOT_SUMS)
def test_late_points_are_early_points(name, baseline):
    model = zoo.build(name)
    model.hf_model.double()
    amig = AMIG(steps=3, baseline=baseline)
    late = amig.attribute(model, LONG)
    assert (model.hf_model in _NO_SUMS) == (name in NOT_SUMS)
    _NO_SUMS.add(model.hf_model)
    early = amig.attribute(model, LONG)
    scale = np.abs(early.scores).max()
    np.testing.assert_allclose(late.scores, early.scores, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(late.start_values, early.start_values, rtol=1e-10)
    assert late.value == pytest.approx(early.value, rel=1e-12)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_point_is_no_row_of_its_own_layer(name):
    model = zoo.build(name)
    _, late = rows_of_each_layer(model, FACT, AMIG(steps=4))
    _NO_SUMS.add(model.hf_model)
    _, early = rows_of_each_layer(model, FACT, AMIG(steps=4))
    # the last pass but that of the check: an unedited token, and four points a layer
    assert [seen[-2] for seen in late] == [1, 5, 9]
    assert [seen[-2] for seen in early] == [5, 9, 13]


def scaled(module, args, output):
    return (2 * output[0], *output[1:]) if isinstance(output, tuple) else 2 * output


def added_in_place(module, args, output):
    return output.add_(1.0)


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt"])
def test_a_hooked_layer_is_noticed(name):
    """A hook of the user that scales the output of a layer, after other facts were attributed."""
    model = zoo.build(name)
    amig = AMIG(steps=3)
    plain = amig.attribute(model, FACT).scores
    assert model.hf_model not in _NO_SUMS
    with model.mlps[1].layer.register_forward_hook(scaled):
        late = amig.attribute(model, FACT).scores
        assert model.hf_model in _NO_SUMS
        early = amig.attribute(model, FACT).scores
    np.testing.assert_allclose(late, early, rtol=0, atol=1e-5 * np.abs(early).max())
    assert not np.allclose(late, plain, atol=1e-2 * np.abs(plain).max())


@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_a_hook_that_adds_in_place(name):
    model = zoo.build(name)
    amig = AMIG(steps=3)
    with model.mlps[1].out.module.register_forward_hook(added_in_place):
        late = amig.attribute(model, FACT).scores
        _NO_SUMS.add(model.hf_model)
        early = amig.attribute(model, FACT).scores
    np.testing.assert_allclose(late, early, rtol=0, atol=1e-5 * np.abs(early).max())


def test_half_precision_is_as_exact_as_before():
    model = zoo.build("llama")
    model.hf_model.double()
    amig = AMIG(steps=4, target="log")
    exact = amig.attribute(model, FACT).scores
    model.hf_model.bfloat16()
    late = amig.attribute(model, FACT).scores
    assert model.hf_model not in _NO_SUMS
    _NO_SUMS.add(model.hf_model)
    early = amig.attribute(model, FACT).scores
    assert np.linalg.norm(late - exact) < 1.5 * np.linalg.norm(early - exact)
