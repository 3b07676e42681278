"""Log-probabilities by parts of the vocabulary against PyTorch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch

from neurotopo import NeuronModel
from neurotopo.models.answer_head import TargetLogProbability, plain_head
from tests.support import zoo


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("n_tokens", [500, 1024, 5000])  # one part, one full part, five parts
def test_parts_are_the_whole(n_tokens, with_bias):
    random = torch.Generator().manual_seed(n_tokens)

    def draw(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    hidden = draw(600, 2, 8).requires_grad_()  # 1,200 positions: parts of 1,024 tokens
    weight = draw(n_tokens, 8) * torch.linspace(0.5, 3.0, n_tokens)[:, None].double()
    bias = draw(n_tokens) if with_bias else None
    targets = torch.randint(n_tokens, (600, 2), generator=random)

    values = TargetLogProbability.apply(hidden, weight, bias, targets)
    (slope,) = torch.autograd.grad(values @ torch.arange(600.0).double(), hidden)

    logits = torch.nn.functional.linear(hidden, weight, bias)
    log_p = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0].sum(-1)
    (expected,) = torch.autograd.grad(log_p @ torch.arange(600.0).double(), hidden)
    torch.testing.assert_close(values, log_p, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-10)


def changing(change):
    """A model of the matrix whose logits go through a function."""
    hf_model = zoo.build("llama").hf_model

    def hook(module, args, output):
        output.logits = change(output.logits)
        return output

    hf_model.register_forward_hook(hook)
    return hf_model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_only_logits_that_nothing_changes_are_plain(name, dtype):
    hf_model = zoo.build(name).hf_model.to(dtype)
    head = hf_model.get_output_embeddings()
    gemma = name == "gemma2"  # its default is a cap of 30
    assert plain_head(hf_model) is (None if gemma or name in zoo.HEADS else head)
    assert "forward" not in vars(head)


@pytest.mark.parametrize(
    "change",
    [
        lambda logits: logits * 1.01,
        lambda logits: logits.mul_(2),
        lambda logits: 100 * torch.tanh(logits / 100),
        lambda logits: logits + 0.01,
        lambda logits: logits.index_fill(-1, torch.tensor([7]), -1e4),
        lambda logits: logits.clamp(max=50),
        lambda logits: logits[..., :-1],
    ],
    ids=["scaled", "in place", "capped", "shifted", "one token", "cut", "fewer"],
)
def test_any_change_is_detected_even_where_the_logits_are_zero(change):
    assert plain_head(changing(change)) is None


def test_a_cast_to_single_precision_is_no_change():
    hf_model = changing(lambda logits: logits.float()).bfloat16()
    assert plain_head(hf_model) is hf_model.get_output_embeddings()
    assert NeuronModel(hf_model, zoo.shared("llama").tokenizer).pass_settings().plain_head
