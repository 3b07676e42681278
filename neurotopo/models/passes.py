"""Forward passes over many short sequences: the probabilities of given tokens.

Every row of a batch has target tokens at some positions, and its edits. Rows are independent, so
the size of a batch changes speed and memory, not results. Rows of equal tokens share a pass up to
the layer where their edits differ (:mod:`neurotopo.models.branching`).
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

from neurotopo._memory import require_memory
from neurotopo.models.answer_head import is_plain, plain_head
from neurotopo.models.branching import EditTree, adding_layers, branching
from neurotopo.models.edit_places import Places
from neurotopo.models.evaluation import evaluating, upcast_half
from neurotopo.models.projections import MLP
from neurotopo.models.row_edits import RowEdits
from neurotopo.models.shared_keys import growing

__all__ = [
    "PassSettings",
    "Query",
    "for_rows",
    "free_on_gpu",
    "log_probabilities",
    "padded",
    "position_logits",
    "prefix_cache",
]

# Half a gigabyte of logits, activations and keys: larger batches were not faster.
_CPU_BYTES = 512 * 2**20

# Texts of fewer rows share a batch with other texts: a pass has to read all weights.
_LEAST_ROWS = 8


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
    first : int
        Number of the answer's token that is predicted at the first position.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    edits: int = 0
    first: int = 0


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
    joins : bool, default=False
        Rows may join a batch at a later layer.
    """

    hf_model: Any
    mlps: tuple[MLP, ...]
    causal: bool
    pad: int
    batch_size: int | None
    joins: bool = False

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

    @cached_property
    def adding_layers(self) -> tuple[bool, ...]:
        """The layers that add the output of their MLP to the rest of the hidden states."""
        return adding_layers(self.hf_model, self.mlps)

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
    texts = _texts(queries) if edits is not None and settings.joins else []
    shared = {i for text in texts for i in text}
    by_length = sorted(set(range(len(queries))) - shared, key=lambda i: len(queries[i].ids))
    with evaluating(settings.hf_model):
        cache = prefix_cache(settings, prefix or ())
        for text in texts:
            assert edits is not None
            result[text] = _of_one_text(settings, [queries[i] for i in text], edits, cache)
        for batch in _batches(settings, queries, by_length, n_past=len(prefix or ())):
            rows = [queries[i] for i in batch]
            result[batch] = _forward(settings, rows, edits, cache)
    return result


def position_logits(
    settings: PassSettings, queries: Sequence[Query], edits: RowEdits | None = None
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the logits at the positions of every query, in batches that fit into memory.

    Parameters
    ----------
    settings : PassSettings
    queries : sequence of Query
        Rows of any length; the targets are not used.
    edits : RowEdits or None, default=None
        The edits to which ``Query.edits`` refers.

    Yields
    ------
    int, Tensor of shape (n_positions, n_tokens)
        Number of the query, shorter ones first, and its logits.
    """
    by_length = sorted(range(len(queries)), key=lambda i: len(queries[i].ids))
    for batch in _batches(settings, queries, by_length, n_past=0):
        rows = [queries[i] for i in batch]
        ids, mask, places = padded(settings, rows)
        arguments, first = _arguments(settings, ids, mask, places.at, None)
        of_rows = None if edits is None else edits.select(row.edits for row in rows)
        applied = nullcontext() if of_rows is None else of_rows.applied(settings.mlps, places)
        with evaluating(settings.hf_model), applied:
            logits = settings.hf_model(**arguments).logits
        for row, (i, query) in enumerate(zip(batch, rows, strict=True)):
            yield i, logits[row, [p - first for p in query.positions]]


def _texts(queries: Sequence[Query]) -> list[list[int]]:
    """Return the queries of equal tokens and positions that share a pass."""
    texts: dict[Any, list[int]] = {}
    for i, query in enumerate(queries):
        texts.setdefault((query.ids, query.positions, query.first), []).append(i)
    least = 2 if len(texts) == 1 else _LEAST_ROWS
    return [text for text in texts.values() if len(text) >= least]


def _of_one_text(
    settings: PassSettings, queries: Sequence[Query], edits: RowEdits, cache: Any
) -> NDArray[np.float64]:
    """Return the log-probabilities of queries of equal tokens and positions."""
    tree = EditTree(edits, [query.edits for query in queries])
    ids, mask, places = padded(settings, queries[:1])
    n_past = 0 if cache is None else cache.get_seq_length()
    n_targets = int(places.at.sum())
    size = _rows_together(settings, len(ids[0]), n_past, tree.n_leaves, n_targets)
    result = np.empty(len(queries))
    for start in range(0, tree.n_leaves, size):
        leaves = range(start, min(start + size, tree.n_leaves))
        shared = None if cache is None else growing(cache)
        arguments, first = _arguments(settings, ids, mask, places.at, shared)
        branches = tree.branches(leaves)
        with branching(settings.mlps, settings.adding_layers, branches, places):
            logits = settings.hf_model(**arguments).logits
        here = np.flatnonzero((tree.leaf >= leaves.start) & (tree.leaf < leaves.stop))
        rows = [queries[i] for i in here.tolist()]
        owners = (tree.leaf[here] - start).tolist()
        result[here] = _target_log_probabilities(logits, rows, first, owners)
    return result


def _forward(
    settings: PassSettings, rows: Sequence[Query], edits: RowEdits | None, cache: Any
) -> NDArray[np.float64]:
    ids, mask, places = padded(settings, rows)
    shared = None if cache is None else for_rows(cache, len(rows))
    arguments, first = _arguments(settings, ids, mask, places.at, shared)
    of_rows = None if edits is None else edits.select(row.edits for row in rows)
    with nullcontext() if of_rows is None else of_rows.applied(settings.mlps, places):
        logits = settings.hf_model(**arguments).logits
    return _target_log_probabilities(logits, rows, first, range(len(rows)))


def _arguments(
    settings: PassSettings, ids: torch.Tensor, mask: torch.Tensor, at: torch.Tensor, cache: Any
) -> tuple[dict[str, Any], int]:
    """Return the arguments of the model, and the first position that has logits."""
    arguments: dict[str, Any] = {"input_ids": ids.to(settings.device)}
    first = 0
    if settings.causal:
        # no token follows the padding, so it needs no mask
        if settings.selects_logits:
            first = int(at.any(dim=0).nonzero()[0])
            arguments["logits_to_keep"] = ids.shape[1] - first
        arguments["use_cache"] = cache is not None
        n_past = 0
        if cache is not None:
            n_past = cache.get_seq_length()
            arguments["past_key_values"] = cache
        mask = torch.ones(len(ids), n_past + ids.shape[1], dtype=torch.long)
    arguments["attention_mask"] = mask.to(settings.device)
    return arguments, first


def _target_log_probabilities(
    logits: torch.Tensor, rows: Sequence[Query], first: int, owners: Sequence[int]
) -> NDArray[np.float64]:
    """Sum the log-probabilities of the targets; ``owners`` has the row of logits of each query."""
    number = [i for i, row in enumerate(rows) for _ in row.positions]
    position = [p - first for row in rows for p in row.positions]
    target = [t for row in rows for t in row.targets]
    # answers of one token read the same logits, which are normalised once
    read = np.array([[owners[i], p] for i, p in zip(number, position, strict=True)])
    places, place = np.unique(read.reshape(-1, 2), axis=0, return_inverse=True)
    chosen = upcast_half(logits[places[:, 0], places[:, 1]])
    at, index = torch.from_numpy(place.reshape(-1)).to(chosen.device), torch.tensor(target)
    terms = chosen[at, index.to(chosen.device)] - chosen.logsumexp(dim=1)[at]
    log_p = terms.cpu().numpy().astype(np.float64)
    return np.bincount(number, weights=log_p, minlength=len(rows)).astype(np.float64)


def padded(
    settings: PassSettings, rows: Sequence[Query]
) -> tuple[torch.Tensor, torch.Tensor, Places]:
    """Return tokens and attention mask, (n_rows, n_tokens), and the places of edits."""
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids = torch.full(shape, settings.pad, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    answer = torch.full(shape, -1)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        answer[i, list(row.positions)] = row.first + torch.arange(len(row.positions))
    end = [row.positions[0] + 1 if settings.causal else len(row.ids) for row in rows]
    return ids, mask, Places(answer, torch.tensor(end))


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
    batch: list[int] = []
    for i in order:
        limit = _rows_together(settings, len(queries[i].ids), n_past, len(order))
        if len(batch) >= limit:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def free_on_gpu(device: torch.device) -> int:
    """Return the bytes that torch can still allocate on a GPU, with those that it keeps unused."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + unused)


def _rows_together(
    settings: PassSettings, n_tokens: int, n_past: int, most: int, n_targets: int | None = None
) -> int:
    """Return how many rows share a pass; raise an error if they do not fit into memory."""
    budget, each = _budget(settings.device), _row_bytes(settings, n_tokens, n_past, n_targets)
    size = settings.batch_size or max(1, budget // each)
    needed = min(size, most) * each
    if needed > budget and settings.device.type == "cpu":
        remedy = "Shorten the prompt." if size == 1 else "A smaller batch_size needs less."
        what = f"passes of {min(size, most):,} texts of {n_tokens:,} tokens"
        require_memory(needed, what, remedy)
    return size


def _budget(device: torch.device) -> int:
    return free_on_gpu(device) // 4 if device.type == "cuda" else _CPU_BYTES


def _row_bytes(
    settings: PassSettings, n_tokens: int, n_past: int, n_targets: int | None = None
) -> int:
    """Estimate the peak memory of one row of a batch, in bytes.

    ``n_targets`` is the number of positions that predict targets, if only these have logits.
    """
    mlp = settings.mlps[0]
    vocabulary = settings.hf_model.get_output_embeddings().weight.shape[0]
    itemsize = mlp.up.weight.element_size()
    keys = 4 * len(settings.mlps) * (n_past + n_tokens) * mlp.up.width if n_past else 0
    work = n_tokens * (4 * mlp.up.n_neurons + 8 * mlp.up.width) + keys
    n_logits = n_targets if n_targets is not None and settings.selects_logits else n_tokens
    return int(itemsize * work + n_logits * vocabulary * (itemsize + 8))
