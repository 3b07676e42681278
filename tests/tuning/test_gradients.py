"""Gradients of compact rows in unusual circumstances, and what they cost in memory."""

from __future__ import annotations

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from neurotopo import NeuronSet
from neurotopo.tuning import NeuronTuner
from tests.support.tuning import KINDS, NEURONS, batch, logits_of, loss_of, small, train


def gradients(tuner):
    return {name: each.grad.clone() for name, each in tuner.named_parameters()}


def zero(tuner):
    for each in tuner.parameters():
        each.grad = None


def one_by_one(model, tuner):
    """Return the gradients of two batches, each alone."""
    parts = []
    for seed in (0, 1):
        loss_of(model, batch(model, seed)).backward()
        parts.append(gradients(tuner))
        zero(tuner)
    return parts


# Gradients


def test_backward_passes_add_up():
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        parts = one_by_one(model, tuner)
        for seed in (0, 1):
            loss_of(model, batch(model, seed)).backward()
        for name, value in gradients(tuner).items():
            torch.testing.assert_close(value, parts[0][name] + parts[1][name])


@pytest.mark.parametrize("kind", KINDS)
def test_two_forwards_before_the_backwards(kind):
    model = small(kind, dtype=torch.float64)
    with NeuronTuner(model, NEURONS) as tuner:
        alone = one_by_one(model, tuner)
        losses = [loss_of(model, batch(model, seed)) for seed in (0, 1)]
        for at in (1, 0):
            losses[at].backward()
            for name, value in gradients(tuner).items():
                torch.testing.assert_close(value, alone[at][name])
            zero(tuner)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_between_forward_and_backward_is_noticed(kind):
    model = small(kind)
    with NeuronTuner(model, NEURONS) as tuner:
        optimizer = torch.optim.SGD(tuner.parameters(), lr=0.1)
        first, second = (loss_of(model, batch(model, seed)) for seed in (0, 1))
        first.backward()
        optimizer.step()
        with pytest.raises(RuntimeError, match="changed between a forward and its backward"):
            second.backward()
        zero(tuner)
        loss = loss_of(model, batch(model))
        tuner.disable()
        with pytest.raises(RuntimeError, match="changed between a forward and its backward"):
            loss.backward()


def test_other_writers_are_noticed():
    model = small()
    with NeuronTuner(model, NEURONS):
        loss = loss_of(model, batch(model))
        with torch.no_grad():
            model.mlps[2].out.weight.add_(1)
        with pytest.raises(RuntimeError, match=r"h\.2\.mlp\.c_proj were changed"):
            loss.backward()


def test_the_model_as_it_was_may_be_asked_between_forward_and_backward():
    model = small(dtype=torch.float64)
    tokens = batch(model)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 3)
        loss_of(model, tokens).backward()
        expected = gradients(tuner)
        zero(tuner)
        loss = loss_of(model, tokens)
        with tuner.disabled():
            logits_of(model, tokens)
        loss.backward()
        for name, value in gradients(tuner).items():
            torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=0)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_checkpointing(kind, reentrant):
    model = small(kind, dropout=0.1)
    model.hf_model.train()
    tokens = batch(model)
    with NeuronTuner(model, NEURONS) as tuner:
        torch.manual_seed(0)
        loss_of(model, tokens).backward()
        expected = gradients(tuner)
        zero(tuner)
        model.hf_model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        model.hf_model.enable_input_require_grads()
        torch.manual_seed(0)
        loss_of(model, tokens).backward()
        for name, value in gradients(tuner).items():
            torch.testing.assert_close(value, expected[name])


@pytest.mark.parametrize("kind", KINDS)
def test_autocast(kind):
    dense, model = small(kind), small(kind)
    tokens = batch(model)
    with torch.autocast("cpu", torch.bfloat16):
        dense_loss = loss_of(dense, tokens)
    dense_loss.backward()
    with NeuronTuner(model, NEURONS) as tuner:
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, tokens)
        assert torch.equal(loss, dense_loss)
        loss.backward()
        for part in tuner._tuned.parts():
            whole = part.projection
            gradient = dense.hf_model.get_submodule(whole.name).weight.grad
            gradient = gradient.index_select(whole.neuron_axis, part.indices)
            gradient = gradient if whole.neuron_axis == 0 else gradient.T
            assert part.weight.grad.dtype == torch.float32
            torch.testing.assert_close(part.weight.grad, gradient, rtol=0.05, atol=1e-3)


def test_gradients_agree_with_finite_differences():
    model = small(dtype=torch.float64)
    module = model.mlps[0].up.module
    x = torch.randn(2, 3, 12, dtype=torch.float64, requires_grad=True)
    with NeuronTuner(model, NEURONS) as tuner:
        part = next(tuner._tuned.parts())
        result = module(x)
        direction = torch.randn_like(result)
        grads = torch.autograd.grad((result * direction).sum(), [x, part.weight, part.bias])
        for tensor, gradient in zip([x, part.weight, part.bias], grads, strict=True):
            flat, step = tensor.detach().reshape(-1), 1e-6
            for at in range(0, flat.numel(), 7):
                sides = []
                for sign in (1, -1):
                    with torch.no_grad():
                        flat[at] += sign * step
                        tensor.add_(0)  # counts the change, for flat is a view of a detached one
                        sides.append((module(x) * direction).sum())
                        flat[at] -= sign * step
                        tensor.add_(0)
                slope = (sides[0] - sides[1]) / (2 * step)
                torch.testing.assert_close(gradient.reshape(-1)[at], slope, rtol=1e-6, atol=1e-7)


def test_a_second_derivative_is_refused():
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        rows = list(tuner.parameters())
        first = torch.autograd.grad(loss_of(model, batch(model)), rows, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            sum(each.sum() for each in first).backward()


def test_checkpointed_by_hand_twice():
    model = small(dtype=torch.float64)
    module = model.mlps[0].up.module
    x = torch.randn(4, 12, dtype=torch.float64, requires_grad=True)
    with NeuronTuner(model, NEURONS) as tuner:
        module(x).square().sum().backward()
        expected = tuner._tuned.layer_0["up"].weight.grad.clone()
        zero(tuner)
        checkpoint(module, x, use_reentrant=False).square().sum().backward()
        assert torch.equal(tuner._tuned.layer_0["up"].weight.grad, expected)


# Memory


def _bytes_of_state(optimizer):
    return sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimizer_holds_state_for_the_rows_alone(kind):
    sizes = []
    for count in (1, 2, 8):
        model = small(kind)
        neurons = NeuronSet([(1, index) for index in range(count)])
        with NeuronTuner(model, neurons) as tuner:
            optimizer = train(model, tuner.parameters(), 1)
            sizes.append(_bytes_of_state(optimizer))
            assert sizes[-1] == 2 * 4 * tuner.n_parameters
            assert all(
                each.grad is None
                for name, each in model.hf_model.named_parameters()
                if "tuned_neurons" not in name
            )
    assert sizes == [sizes[0], 2 * sizes[0], 8 * sizes[0]]


def test_one_percent_of_the_neurons_take_less_than_a_tenth_of_the_state_of_all():
    model = small()
    full = _bytes_of_state(train(model, model.hf_model.parameters(), 1))
    model = small()
    with NeuronTuner(model, [(1, 4)]) as tuner:  # 1 of 72
        assert _bytes_of_state(train(model, tuner.parameters(), 1)) < 0.1 * full


def test_nothing_of_the_size_of_a_matrix_is_made_for_its_gradient():
    model = small()
    seen = []
    with NeuronTuner(model, NEURONS) as tuner:
        for each in tuner.parameters():
            each.register_hook(lambda gradient: seen.append(gradient.shape))
        loss_of(model, batch(model)).backward()
    assert sorted(seen) == sorted(each.shape for each in tuner.parameters())
