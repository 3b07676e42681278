"""Forward passes over many short sequences: the probabilities of given tokens.

Every row of a batch has target tokens at some positions, and its edits. Rows are independent, so
the size of a batch changes speed and memory, not results.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.answer_head import is_plain, plain_head
from neurotopo.models.edits import RowEdits
from neurotopo.models.evaluation import evaluating, upcast_half
from neurotopo.models.projections import MLP

__all__ = ["PassSettings", "Query", "for_rows", "log_probabilities", "padded", "prefix_cache"]

# Half a gigabyte of logits, activations and keys: larger batches were not faster.
_CPU_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Query:
    """One row of a batch.

    Attributes
    ----------
    ids : tuple of int
        The tokens.
    positions, targets : tuple of int
        ``targets[i]`` is predicted by the output at ``positions[i]``.
    edits : int
        Row of the edits that apply.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    edits: int = 0


@dataclass(frozen=True)
class PassSettings:
    """Settings of the forward passes of a model.

    Attributes
    ----------
    hf_model : torch.nn.Module
        The model with its head.
    mlps : tuple of MLP
        Its layers.
    causal : bool
        Causal models are padded on the right and need no attention mask.
    pad : int
        The padding token.
    batch_size : int or None
        Largest number of rows in one forward pass. None: as memory allows.
    """

    hf_model: Any
    mlps: tuple[MLP, ...]
    causal: bool
    pad: int
    batch_size: int | None

    @property
    def device(self) -> torch.device:
        """Device of the input."""
        device: torch.device = self.hf_model.get_input_embeddings().weight.device
        return device

    @property
    def backbone(self) -> Any:
        """The model without its head, for forward passes without logits."""
        return self.hf_model.base_model

    @cached_property
    def selects_logits(self) -> bool:
        """Whether the model can omit logits of some positions."""
        return "logits_to_keep" in inspect.signature(self.hf_model.forward).parameters

    @property
    def plain_head(self) -> Any | None:
        """The output embedding, if its output is the logits and it was not replaced."""
        head = self._plain_head
        same = head is not None and head is self.hf_model.get_output_embeddings()
        return head if same and is_plain(head) else None

    @cached_property
    def _plain_head(self) -> Any | None:
        return plain_head(self.hf_model)


def prefix_cache(settings: PassSettings, prefix: Sequence[int]) -> Any | None:
    """Compute keys and values of the tokens that all rows share; None for an empty prefix."""
    if not prefix:
        return None
    ids = torch.tensor([list(prefix)], device=settings.device)
    with torch.no_grad():
        output = settings.backbone(
            input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True
        )
    return output.past_key_values


def log_probabilities(
    settings: PassSettings,
    queries: Sequence[Query],
    edits: RowEdits | None,
    prefix: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Sum the log-probabilities of the targets of every query.

    Parameters
    ----------
    settings : PassSettings
    queries : sequence of Query
        Rows of any length. With a prefix, their ``ids`` and ``positions`` count from its end.
    edits : RowEdits or None
        The edits to which ``Query.edits`` refers.
    prefix : sequence of int or None, default=None
        Tokens before all queries, computed once. Exact for causal models if no edit acts on the
        prefix: the key/value cache of a token depends only on the tokens before it.

    Returns
    -------
    ndarray of float64, shape (n_queries,)
    """
    result = np.empty(len(queries))
    by_length = sorted(range(len(queries)), key=lambda i: len(queries[i].ids))
    with evaluating(settings.hf_model):
        cache = prefix_cache(settings, prefix or ())
        for batch in _batches(settings, queries, by_length, n_past=len(prefix or ())):
            rows = [queries[i] for i in batch]
            result[batch] = _forward(settings, rows, edits, cache)
    return result


def _forward(
    settings: PassSettings, rows: Sequence[Query], edits: RowEdits | None, cache: Any
) -> NDArray[np.float64]:
    ids, mask, at = padded(rows, settings.pad)
    device = settings.device
    arguments: dict[str, Any] = {"input_ids": ids.to(device)}
    first = 0
    if settings.causal:
        # no token follows the padding, so it needs no mask
        if settings.selects_logits:
            first = min(min(row.positions) for row in rows)
            arguments["logits_to_keep"] = ids.shape[1] - first
        arguments["use_cache"] = cache is not None
        n_past = 0
        if cache is not None:
            n_past = cache.get_seq_length()
            arguments["past_key_values"] = for_rows(cache, len(rows))
        mask = torch.ones(len(rows), n_past + ids.shape[1], dtype=torch.long)
    arguments["attention_mask"] = mask.to(device)
    of_rows = None if edits is None else edits.select(row.edits for row in rows)
    with nullcontext() if of_rows is None else of_rows.applied(settings.mlps, at):
        logits = settings.hf_model(**arguments).logits
    return _target_log_probabilities(logits, rows, first)


def _target_log_probabilities(
    logits: torch.Tensor, rows: Sequence[Query], first: int
) -> NDArray[np.float64]:
    number = [i for i, row in enumerate(rows) for _ in row.positions]
    position = [p - first for row in rows for p in row.positions]
    target = [t for row in rows for t in row.targets]
    chosen = upcast_half(logits[number, position])
    terms = chosen.gather(1, torch.tensor(target, device=chosen.device)[:, None])[:, 0]
    log_p = (terms - chosen.logsumexp(dim=1)).cpu().numpy().astype(np.float64)
    return np.bincount(number, weights=log_p, minlength=len(rows)).astype(np.float64)


def padded(rows: Sequence[Query], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tokens, attention mask and the positions that predict targets, (n_rows, n_tokens)."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids = torch.full(shape, pad, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    at = torch.zeros(shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        at[i, list(row.positions)] = True
    return ids, mask, at


def for_rows(cache: Any, n_rows: int) -> Any:
    """Return the cache of one sequence for a batch of rows, without copying keys or values.

    The rows share memory until a layer appends to its keys; the cache of the prefix does not
    change.
    """
    shared = copy.copy(cache)
    shared.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in shared.layers:
        if layer.keys is None:  # some layers read the keys of an earlier one
            continue
        layer.keys = layer.keys.expand(n_rows, *layer.keys.shape[1:])
        layer.values = layer.values.expand(n_rows, *layer.values.shape[1:])
    return shared


def _batches(
    settings: PassSettings, queries: Sequence[Query], order: Sequence[int], n_past: int
) -> Iterator[list[int]]:
    """Cut rows in ascending order of length into batches that fit into memory."""
    budget = _budget(settings.device)
    batch: list[int] = []
    for i in order:
        n_tokens = len(queries[i].ids)
        limit = settings.batch_size or max(1, budget // _row_bytes(settings, n_tokens, n_past))
        if len(batch) >= limit:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _budget(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 4
    return _CPU_BYTES


def _row_bytes(settings: PassSettings, n_tokens: int, n_past: int) -> int:
    """Estimate the peak memory of one row of a batch, in bytes."""
    mlp = settings.mlps[0]
    vocabulary = settings.hf_model.get_output_embeddings().weight.shape[0]
    itemsize = mlp.up.weight.element_size()
    keys = 4 * len(settings.mlps) * (n_past + n_tokens) * mlp.up.width if n_past else 0
    work = n_tokens * (4 * mlp.up.n_neurons + 8 * mlp.up.width) + keys
    return int(itemsize * work + n_tokens * vocabulary * (itemsize + 8))
