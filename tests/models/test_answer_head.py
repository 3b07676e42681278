"""Log-probabilities by parts of the vocabulary against PyTorch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch

from neurotopo.models.answer_head import TargetLogProbability


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
