"""Log-probabilities of given tokens computed from the hidden states without storing logits.

Logits are by far the largest array of a pass: one number per token of the vocabulary. They are not
needed where they are the output of a plain output embedding, not scaled or capped by the model. The
vocabulary is processed in parts: the product with a part of the embedding, its exponentials and
their share of the gradient stay in the processor's cache, and each part is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from neurotopo.models.evaluation import evaluating, upcast_half

__all__ = ["Contrast", "TargetLogProbability", "answering", "is_plain", "plain_head"]

_CPU_PART, _DEVICE_PART = 2**20, 2**26  # logits held at a time


class TargetLogProbability(torch.autograd.Function):
    """Sum of the log-probabilities of given tokens, one per row, (n_rows,).

    The arguments are hidden states, (n_rows, n_positions, width), the embedding, (n_tokens,
    width), its bias or None, and the targets, (n_rows, n_positions). Sums have single precision or
    better; the forward pass also computes the gradient of the hidden states.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        """Sum over the positions."""
        flat = hidden.reshape(-1, hidden.shape[-1])
        wanted = targets.reshape(-1)
        # the greatest logit so far, sums of exponentials relative to it, the targets' logits
        single = upcast_half(flat.new_empty(0))
        greatest = single.new_full((len(flat),), -torch.inf)
        totals, chosen = torch.zeros_like(greatest), torch.zeros_like(greatest)
        mean_row = single.new_zeros(flat.shape)
        part = _CPU_PART if hidden.device.type == "cpu" else _DEVICE_PART
        step = max(1024, part // len(flat))
        for first in range(0, len(weight), step):
            rows = weight[first : first + step]
            logits = upcast_half(functional.linear(flat, rows, _part(bias, first, step)))
            here = (wanted >= first) & (wanted < first + len(rows))
            column = (wanted - first).clamp(0, len(rows) - 1)
            chosen = torch.where(here, logits.gather(1, column[:, None])[:, 0], chosen)
            higher = torch.maximum(greatest, logits.amax(dim=1))
            shrink = (greatest - higher).exp_()
            greatest = higher
            exponentials = logits.sub_(higher[:, None]).exp_()
            totals = totals.mul_(shrink).add_(exponentials.sum(dim=1))
            mean_row.mul_(shrink[:, None])
            if rows.dtype == mean_row.dtype:
                mean_row.addmm_(exponentials, rows)
            else:
                mean_row.add_(exponentials.to(rows.dtype) @ rows)
        slope = upcast_half(weight[wanted]) - mean_row.div_(totals[:, None])
        ctx.save_for_backward(slope.reshape(hidden.shape).to(hidden.dtype))
        log_p = chosen - greatest - totals.log()
        return log_p.reshape(hidden.shape[:2]).sum(dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """Return the gradient of the hidden states."""
        (slope,) = ctx.saved_tensors
        return slope * gradient[:, None, None].to(slope.dtype), None, None, None


def _part(bias: torch.Tensor | None, first: int, step: int) -> torch.Tensor | None:
    return None if bias is None else bias[first : first + step]


def plain_head(hf_model: Any) -> nn.Module | None:
    """Return the output embedding of a model if its output is the logits, else None.

    Some models scale or cap the output (Granite, Cohere, Gemma 2). To detect any change, one token
    is run through the model with an output embedding that returns known numbers of all sizes.
    """
    head = hf_model.get_output_embeddings()
    if not is_plain(head):
        return None
    generator = torch.Generator().manual_seed(0)
    size, sign = torch.rand(2, head.out_features, generator=generator)
    known = torch.where(sign < 0.5, -1, 1) * 10 ** (8 * size - 4)  # 0.0001 to 10,000
    returned: list[torch.Size] = []

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        returned.append(hidden.shape[:-1])
        return known.to(hidden.device).expand(*hidden.shape[:-1], -1).clone()

    ids = torch.zeros(1, 1, dtype=torch.long, device=hf_model.get_input_embeddings().weight.device)
    with evaluating(hf_model), _replaced(head, forward):
        logits = hf_model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    if returned != [logits.shape[:-1]] or logits.shape[-1] != len(known):
        return None
    return head if bool((logits == known.to(logits)).all()) else None


@contextmanager
def _replaced(head: nn.Module, forward: Any) -> Iterator[None]:
    head.forward = forward
    try:
        yield
    finally:
        del head.forward


def is_plain(head: Any) -> bool:
    """Return whether a module is a linear layer that is not wrapped, replaced or hooked."""
    return (
        type(head) is nn.Linear
        and "forward" not in vars(head)
        and not head._forward_hooks
        and not head._forward_pre_hooks
    )


@dataclass(frozen=True)
class Contrast:
    """Log-probability of a token minus the logarithm of the mean probability of others.

    It depends only on the logits of these tokens.

    Attributes
    ----------
    tokens : sequence of tuple of int
        The token, then the others; one entry for each line.
    owners : torch.Tensor, shape (n_rows,)
        The line of every row.
    """

    tokens: Sequence[tuple[int, ...]]
    owners: torch.Tensor

    def of_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the contrast of each row of logits, (n_rows, n_tokens)."""
        return self._joined([logits[rows][:, ids] for rows, ids in self._lines(logits.device)])

    def of_hidden(self, hidden: torch.Tensor, head: nn.Module) -> torch.Tensor:
        """Return the contrast of each row of hidden states, (n_rows, width)."""
        weight: Any = head.weight
        bias: Any = head.bias
        return self._joined(
            [
                functional.linear(hidden[rows], weight[ids], None if bias is None else bias[ids])
                for rows, ids in self._lines(hidden.device)
            ]
        )

    def _lines(self, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        owners = self.owners.to(device)
        for line, tokens in enumerate(self.tokens):
            yield (owners == line).nonzero()[:, 0], torch.tensor(tokens, device=device)

    def _joined(self, logits: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the rows of all lines in their order."""
        parts = []
        for part in map(upcast_half, logits):
            n_others = torch.tensor(part.shape[1] - 1.0, dtype=part.dtype, device=part.device)
            parts.append(part[:, 0] - part[:, 1:].logsumexp(dim=1) + n_others.log())
        order = torch.argsort(self.owners, stable=True).to(parts[0].device)
        return torch.cat(parts)[torch.argsort(order)]


@contextmanager
def answering(
    head: nn.Module,
    n_tokens: int,
    positions: slice,
    targets: torch.Tensor,
    contrast: Contrast | None = None,
) -> Iterator[None]:
    """Make an output embedding return log-probabilities of targets, (n_rows,), within a block.

    Parameters
    ----------
    head : torch.nn.Module
        From :func:`plain_head`.
    n_tokens : int
        Tokens per row; a sequence of hidden states may consist of several rows.
    positions : slice
        Tokens of every row that predict the targets.
    targets : torch.Tensor, shape (n_rows, n_positions)
        Token ids.
    contrast : Contrast or None, default=None
        Return contrasts instead.
    """
    weight, bias = head.weight, head.bias

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        rows = hidden.reshape(-1, n_tokens, hidden.shape[-1])[:, positions]
        if contrast is not None:
            return contrast.of_hidden(rows[:, 0], head)
        log_p: torch.Tensor = TargetLogProbability.apply(  # type: ignore[no-untyped-call]
            rows, weight, bias, targets.to(hidden.device)
        )
        return log_p

    with _replaced(head, forward):
        yield
