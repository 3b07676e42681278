"""NeuronTuner: on, off, merged and removed, and what others see of it."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys

import pytest
import torch
from torch.optim import optimizer as torch_optimizer

from neurotopo import Edit, Fact
from neurotopo.models.fingerprint import fingerprint
from neurotopo.tuning import NeuronTuner
from tests.support.tuning import (
    KINDS,
    NEURONS,
    batch,
    bits,
    logits_of,
    loss_of,
    masks,
    outside,
    rows_of,
    same_bits,
    small,
    train,
)

DTYPES = [torch.float32, torch.float64, torch.bfloat16]


# On and off


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_on_off_merged_and_removed_are_exact(kind, dtype):
    model = small(kind, dtype=dtype)
    tokens, before, plain = (
        batch(model),
        bits(model),
        logits_of(small(kind, dtype=dtype), batch(model)),
    )
    tuner = NeuronTuner(model, NEURONS)
    assert tuner.enabled
    assert torch.equal(logits_of(model, tokens), plain)
    train(model, tuner.parameters(), 5)
    tuned, trained = bits(model), tuner.state()
    logits = logits_of(model, tokens)
    assert all(each.dtype == dtype for each in trained.values())
    assert same_bits(outside(model, tuned), outside(model, before))

    tuner.disable()
    assert not tuner.enabled
    assert same_bits(bits(model), before)
    with tuner.disabled():
        assert torch.equal(logits_of(model, tokens), plain)
    assert not tuner.enabled
    tuner.enable()
    assert same_bits(bits(model), tuned)

    tuner.merge()
    assert tuner.enabled
    assert same_bits(bits(model), tuned)
    assert torch.equal(logits_of(model, tokens), logits)
    assert not any("tuned" in name for name, _ in model.hf_model.named_modules())
    assert all(each.requires_grad for each in model.hf_model.parameters())
    tuner.unmerge()
    assert same_bits(bits(model), tuned)
    assert torch.equal(logits_of(model, tokens), logits)
    assert same_bits(tuner.state(), trained)
    tuner.disable()
    assert same_bits(bits(model), before)
    tuner.enable()
    tuner.merge()
    tuner.remove()
    assert same_bits(bits(model), before)
    assert same_bits(tuner.state(), trained)


def test_the_forward_with_gradients_is_that_of_the_merged_model():
    model = small()
    tokens = batch(model)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 3)
        trained = model.hf_model(input_ids=tokens).logits
        assert trained.requires_grad
        tuner.merge()
    assert torch.equal(model.hf_model(input_ids=tokens).logits, trained)


def test_what_asked_for_gradients_before_does_so_afterwards():
    model = small()
    model.mlps[0].up.weight.requires_grad_(False)
    flags = [each.requires_grad for each in model.hf_model.parameters()]
    with NeuronTuner(model, NEURONS) as tuner:
        trainable = [each for each in model.hf_model.parameters() if each.requires_grad]
        assert {id(each) for each in trainable} == {id(each) for each in tuner.parameters()}
    assert [each.requires_grad for each in model.hf_model.parameters()] == flags


def test_an_exception_in_the_block_restores_the_model():
    model = small()
    before, attributes = bits(model), set(vars(model.hf_model))
    gc.collect()
    hooks = len(torch_optimizer._global_optimizer_post_hooks)

    def fail():
        with NeuronTuner(model, NEURONS) as tuner:
            train(model, tuner.parameters(), 2)
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fail()
    assert same_bits(bits(model), before)
    assert set(vars(model.hf_model)) == attributes
    assert "tuned_neurons" not in model.hf_model._modules
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks
    assert not model.hf_model._state_dict_pre_hooks
    assert not model.hf_model._load_state_dict_pre_hooks
    assert not model.hf_model._load_state_dict_post_hooks


def test_a_merge_within_the_block_stays():
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 2)
        tuner.merge()
        tuned = bits(model)
    assert same_bits(bits(model), tuned)
    assert same_bits(rows_of(tuner), tuner.state())


def test_a_forward_of_the_module_that_was_replaced_before_comes_back():
    model = small()
    module = model.mlps[0].up.module
    own, calls = module.forward, []

    def counted(x):
        calls.append(1)
        return own(x)

    module.forward = counted
    with NeuronTuner(model, NEURONS):
        loss_of(model, batch(model)).backward()
    assert calls
    assert module.forward is counted


def test_a_dropped_model_leaves_no_hook():
    gc.collect()
    hooks = len(torch_optimizer._global_optimizer_post_hooks)
    held = [NeuronTuner(small(), NEURONS)]
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks + 1
    with pytest.warns(RuntimeWarning, match="was deleted while attached"):
        held.clear()
    gc.collect()
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks


def hooks_of(model):
    kinds = [name for name in vars(torch.nn.Module()) if "hooks" in name]
    return [len(getattr(m, kind) or ()) for m in model.hf_model.modules() for kind in kinds]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_dropped_tuner_restores_its_model(enabled):
    model = small("llama")
    model.hf_model.lm_head.weight.requires_grad_(False)
    flags = [p.requires_grad for p in model.hf_model.parameters()]
    before, hooks = bits(model), hooks_of(model)
    held = [NeuronTuner(model, NEURONS)]
    train(model, held[0].parameters(), 2)
    if not enabled:
        held[0].disable()
    assert hooks_of(model) != hooks
    with pytest.warns(RuntimeWarning, match="its model is restored and the trained rows are lost"):
        held.clear()
    assert same_bits(bits(model), before)
    assert hooks_of(model) == hooks
    assert [p.requires_grad for p in model.hf_model.parameters()] == flags
    with NeuronTuner(model, NEURONS):
        pass  # the model is free again


@pytest.mark.parametrize("end", ["merge", "remove"])
def test_a_tuner_that_ended_is_dropped_in_silence(end):
    model = small()
    tuner = NeuronTuner(model, NEURONS)
    train(model, tuner.parameters(), 1)
    getattr(tuner, end)()
    kept = bits(model)
    del tuner
    gc.collect()
    assert same_bits(bits(model), kept)


# What others see of the rows


def test_rows_are_in_the_matrices_after_every_step():
    model = small("llama")
    with NeuronTuner(model, NEURONS) as tuner:
        loss_of(model, batch(model)).backward()
        torch.optim.SGD(tuner.parameters(), lr=0.1).step()
        assert same_bits(rows_of(tuner), tuner.state())


class _Careless(torch.optim.Optimizer):
    """Changes parameters through .data, which PyTorch does not count."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    def step(self):
        for group in self.param_groups:
            for each in group["params"]:
                each.data.add_(each.grad, alpha=-group["lr"])


def test_an_optimizer_that_goes_behind_the_back_of_autograd_trains_too():
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        first = tuner.state()
        train(model, tuner.parameters(), 1, _Careless, lr=0.1)
        assert same_bits(rows_of(tuner), tuner.state())
        assert not same_bits(tuner.state(), first)


def test_changes_by_hand_are_seen_by_the_next_forward_and_by_checkpoints():
    model = small()
    tokens = batch(model)
    with NeuronTuner(model, NEURONS) as tuner:
        plain = logits_of(model, tokens)
        with torch.no_grad():
            for each in tuner.parameters():
                each.add_(0.1)
        checkpointed = bits(model)
        assert not torch.equal(logits_of(model, tokens), plain)
        assert same_bits(rows_of(tuner), tuner.state())
        assert same_bits(checkpointed, bits(model))
        for each in tuner.parameters():
            each.data.add_(0.1)
        tuner.sync()
        assert same_bits(rows_of(tuner), tuner.state())


def test_a_checkpoint_shows_no_extra_tensors_and_loading_one_takes_its_rows():
    model = small()
    names = list(model.hf_model.state_dict())
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 2)
        best, trained = bits(model), tuner.state()
        assert list(best) == names
        train(model, tuner.parameters(), 2)
        assert not same_bits(tuner.state(), trained)
        result = model.hf_model.load_state_dict(best)
        assert not result.missing_keys
        assert same_bits(tuner.state(), trained)
        assert same_bits(bits(model), best)
        # what is not in a part of a checkpoint stays as it is, even when it was changed just now
        with torch.no_grad():
            for each in tuner.parameters():
                each.add_(0.1)
        newest = tuner.state()
        name = "transformer.wte.weight"
        model.hf_model.load_state_dict({name: best[name]}, strict=False)
        assert same_bits(tuner.state(), newest)


def test_questions_about_facts_see_the_trained_model():
    model = small()
    fact = Fact("The capital of France is _X_", "Paris")
    before = model.answer_probability(fact)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 5)
        after = model.answer_probability(fact)
        assert after != before
        with tuner.disabled():
            assert model.answer_probability(fact) == before
        with model.edited(Edit(NEURONS, scale=0.5, where="weights")):
            edited = model.answer_probability(fact)
        assert edited not in (before, after)
        assert model.answer_probability(fact) == after
    assert model.answer_probability(fact) == before


def test_a_copy_of_the_model_trains_on_its_own():
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 2)
        twin = copy.deepcopy(model.hf_model)
        here = bits(model)
        with torch.no_grad():
            for each in twin.tuned_neurons.parameters():
                each.add_(0.1)
        tokens = batch(model)
        there = twin(input_ids=tokens, labels=tokens)
        there.loss.backward()
        assert not torch.equal(there.logits, logits_of(model, tokens))
        assert same_bits(bits(model), here)
        assert all(each.grad is None for each in tuner.parameters())


# State and messages


def test_importing_the_package_loads_no_torch():
    script = "import neurotopo.tuning, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_tuned_model_can_be_moved_to_another_precision():
    model, other = small(), small()
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 2)
        model.hf_model.double()
        assert same_bits(rows_of(tuner), tuner.state())
        train(model, tuner.parameters(), 2)
        assert same_bits(rows_of(tuner), tuner.state())
    assert same_bits(bits(model), {k: v.double() for k, v in bits(other).items()})


def test_state_and_difference():
    model = small("llama")
    with NeuronTuner(model, NEURONS) as tuner:
        first = tuner.state()
        assert not any(each.any() for each in tuner.difference().values())
        train(model, tuner.parameters(), 2)
        second = tuner.state()
        for name, change in tuner.difference().items():
            assert torch.equal(change, second[name] - first[name])
        tuner.set_state(first)
        assert not any(each.any() for each in tuner.difference().values())
        assert same_bits(rows_of(tuner), first)
        with pytest.raises(ValueError, match="do not have the same rows"):
            tuner.set_state({})
        wrong = {**first, "layer_0.up.weight": torch.zeros(1, 12)}
        with pytest.raises(ValueError, match=r"must have the shape \(2, 12\), got \(1, 12\)"):
            tuner.set_state(wrong)


def test_differences_in_half_precision_are_not_rounded_again():
    model = small(dtype=torch.bfloat16)
    with NeuronTuner(model, NEURONS) as tuner:
        assert all(each.dtype == torch.float32 for each in tuner.difference().values())


def test_messages():
    model = small()
    with pytest.raises(ValueError, match="at least one neuron"):
        NeuronTuner(model, [])
    with pytest.raises(ValueError, match=r"the model has no neuron \(3, 0\)"):
        NeuronTuner(model, [(3, 0)])
    tuner = NeuronTuner(model, NEURONS)
    assert repr(tuner) == "NeuronTuner(5 neurons, 125 parameters, enabled)"
    with pytest.raises(RuntimeError, match="another NeuronTuner is attached"):
        NeuronTuner(model, [(1, 1)])
    with pytest.raises(RuntimeError, match="is not merged"):
        tuner.unmerge()
    tuner.merge()
    with pytest.raises(RuntimeError, match=r"is merged and cannot be disabled; call unmerge"):
        tuner.disable()
    other = NeuronTuner(model, [(1, 1)])
    for call in (tuner.unmerge, tuner.remove):
        with pytest.raises(RuntimeError, match="another NeuronTuner is attached"):
            call()
    other.remove()
    tuner.remove()
    tuner.remove()
    with pytest.raises(RuntimeError, match="is removed from the model and cannot be merged"):
        tuner.merge()


def test_weights_that_cannot_be_trained_are_refused():
    model = small()
    before = bits(model)
    module = model.mlps[2].out.module
    kept = module.weight
    for weight, message in [
        (kept.to("meta"), r"h\.2\.mlp\.c_proj are not in memory"),
        (kept.detach().to(torch.float8_e4m3fn), "quantised or sharded .* of float8_e4m3fn"),
    ]:
        module.weight = torch.nn.Parameter(weight, requires_grad=False)
        with pytest.raises(ValueError, match=message):
            NeuronTuner(model, NEURONS)
    module.weight = kept
    assert same_bits(bits(model), before)
    assert "tuned_neurons" not in model.hf_model._modules
    model.hf_model.config.slow_but_exact = True
    with pytest.raises(ValueError, match="without calling its out-projection"):
        NeuronTuner(model, NEURONS)


def test_a_model_in_inference_mode_is_tuned_as_any_other():
    model = small()
    with torch.inference_mode():
        tuner = NeuronTuner(model, NEURONS)
    train(model, tuner.parameters(), 2)
    with torch.inference_mode():
        tuner.disable()
        tuner.enable()
        model.hf_model(input_ids=batch(model))
    train(model, tuner.parameters(), 1)
    assert same_bits(rows_of(tuner), tuner.state())
    tuner.remove()


def test_the_fingerprint_tells_the_trained_model_and_that_it_was_restored():
    model = small()
    before = fingerprint(model)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 1)
        assert fingerprint(model).weights != before.weights
        assert tuner._base_fingerprint() == before
        assert tuner.enabled
    assert fingerprint(model) == before


def test_masks_and_rows_speak_of_the_same_entries():
    model = small("llama")
    with NeuronTuner(model, NEURONS) as tuner:
        assert sum(int(each.sum()) for name, each in masks(model).items()) == tuner.n_parameters
