"""Values of neurons in sentences, and in their baselines with one token replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurotopo._memory import memory_limit
from neurotopo.models.evaluation import upcast_half
from neurotopo.models.passes import PassSettings, free_on_gpu
from neurotopo.models.projections import check_called
from neurotopo.models.shared_keys import RecordedKeys, SharedKeys

__all__ = [
    "memory_of",
    "needed_bytes",
    "replaced_sentences",
    "sentence_values",
    "sentences_that_fit",
    "shared_values",
]

_ROWS = 64
_BYTES = 2**30  # of the attention of the rows of a pass


def memory_of(device: torch.device) -> float:
    """Return the free bytes of a GPU, or :func:`memory_limit`; infinity if they are unknown."""
    if device.type == "cuda":
        return float(free_on_gpu(device))
    limit = memory_limit()
    return math.inf if limit is None else float(limit)


def sentences_that_fit(settings: PassSettings, n_tokens: int) -> int:
    """Return how many sentences of ``n_tokens`` tokens can share a pass."""
    return max(1, _BYTES // _row_bytes(settings, n_tokens))


def needed_bytes(settings: PassSettings, n_tokens: int, n_places: int, n_positions: int) -> int:
    """Estimate the memory of the values in a sentence and in its baselines, one for each place."""
    mlp = settings.mlps[0]
    item = max(4, mlp.up.weight.element_size())
    values = (1 + n_places) * n_positions * mlp.up.n_neurons * item
    keys = 2 * n_tokens * mlp.up.width * mlp.up.weight.element_size()
    return len(settings.mlps) * (values + keys) + _row_bytes(settings, n_tokens)


def _row_bytes(settings: PassSettings, n_tokens: int) -> int:
    """Estimate the memory of a row's mask for every pair of tokens, and of its attention."""
    item, config = settings.mlps[0].up.weight.element_size(), settings.hf_model.config
    pairs = 2 * n_tokens * n_tokens  # the sentence before the row, and the row
    if getattr(config, "_attn_implementation", None) == "eager":  # scores of every head
        text = getattr(config, "text_config", None) or config
        return pairs * (4 + item + 2 * item * int(getattr(text, "num_attention_heads", 16)))
    return pairs * (4 + item)


def replaced_sentences(
    ids: Sequence[int], places: Sequence[int], replacement: int
) -> list[tuple[int, ...]]:
    """Return the sentences with one of the tokens at ``places`` replaced, in order."""
    ids = tuple(ids)
    return [(*ids[:place], replacement, *ids[place + 1 :]) for place in places]


def sentence_values(
    settings: PassSettings, sentences: Sequence[tuple[int, ...]], positions: Sequence[int]
) -> torch.Tensor:
    """Return every neuron's value at some positions of sentences of equal length.

    The shape is (n_sentences, n_layers, n_positions, n_neurons); the precision is single, or double
    for a model in double precision.
    """
    parts = []
    limit = settings.batch_size or min(_ROWS, sentences_that_fit(settings, len(sentences[0])))
    for first in range(0, len(sentences), limit):
        ids = torch.tensor(sentences[first : first + limit], device=settings.device)
        columns = torch.tensor([list(positions)] * len(ids))
        parts.append(_caught(settings, columns, ids, {"attention_mask": torch.ones_like(ids)}))
    return torch.cat(parts)


@dataclass(frozen=True)
class _Part:
    """A part of a row: a sentence from token ``first`` on, which may be replaced."""

    sentence: int
    first: int
    replaced: bool


def shared_values(
    settings: PassSettings,
    sentences: Sequence[tuple[int, ...]],
    places: Sequence[Sequence[int]],
    replacement: int,
    positions: Sequence[int],
) -> tuple[torch.Tensor, list[torch.Tensor], SharedKeys]:
    """Return the values in causal sentences of equal length and in their baselines.

    A baseline equals its sentence before the replaced token, so it is computed from there on, with
    the sentence's keys and values. A long and a short rest share a row, separated by a mask, so all
    rows are about as long as the sentence. The sentences are rows of the same pass.

    Parameters
    ----------
    settings : PassSettings
        A causal model that accepts a mask for every pair of tokens.
    sentences : sequence of tuple of int
        Token ids, of one length.
    places : sequence of sequence of int
        For each sentence the tokens to replace, one at a time.
    replacement : int
        The replacement token.
    positions : sequence of int
        Tokens whose values are returned.

    Returns
    -------
    ends : torch.Tensor, shape (n_sentences, n_layers, n_positions, n_neurons)
    starts : list of torch.Tensor, shape (n_places, n_layers, n_positions, n_neurons)
        One for each sentence.
    keys : SharedKeys
        Keys and values of the sentences.
    """
    rows = [[_Part(s, 0, replaced=False)] for s in range(len(sentences))]
    for s, replaced in enumerate(places):
        rests = [_Part(s, place, replaced=True) for place in sorted(replaced)]
        rows += [[rests[i], rests[-1 - i]] for i in range(len(rests) // 2)]
        rows += [[rests[len(rests) // 2]]] if len(rests) % 2 else []
    fitting = settings.batch_size or min(_ROWS, sentences_that_fit(settings, len(sentences[0])))
    limit = max(fitting, len(sentences))
    values: dict[_Part, torch.Tensor] = {}
    keys = None
    for first in range(0, len(rows), limit):
        some = rows[first : first + limit]
        owner = torch.tensor([row[0].sentence for row in some], device=settings.device)
        if keys is None:
            recorder = RecordedKeys(owner, len(sentences), len(sentences[0]))
            values.update(_rows(settings, sentences, some, replacement, positions, recorder.cache))
            keys = recorder.recorded()
        else:
            cache = keys.cache(owner)
            values.update(_rows(settings, sentences, some, replacement, positions, cache))
    assert keys is not None
    ends = torch.stack([values[_Part(s, 0, replaced=False)] for s in range(len(sentences))])
    starts = [
        torch.stack([values[_Part(s, place, replaced=True)] for place in replaced])
        if replaced
        else ends.new_empty(0, *ends.shape[1:])
        for s, replaced in enumerate(places)
    ]
    at = torch.tensor(positions, device=ends.device)[None, :]
    for s, replaced in enumerate(places):  # before the replaced token nothing changes
        if replaced and min(positions) < max(replaced):
            same = at < torch.tensor(replaced, device=ends.device)[:, None]
            starts[s] = torch.where(same[:, None, :, None], ends[s], starts[s])
    return ends, starts, keys


def _rows(
    settings: PassSettings,
    sentences: Sequence[tuple[int, ...]],
    rows: Sequence[Sequence[_Part]],
    replacement: int,
    positions: Sequence[int],
    cache: Any,
) -> dict[_Part, torch.Tensor]:
    """Compute some rows and return the values of their parts."""
    n = len(sentences[0])
    shape = (len(rows), max(sum(n - part.first for part in row) for row in rows))
    tokens, place_of = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    # padding is a part that reads the first token: its softmax needs one open token
    side_of, first_of = np.full(shape, 2), np.ones(shape, dtype=np.int64)
    back = np.array([position - n for position in positions])
    columns = np.zeros((len(rows), 2, len(back)), dtype=np.int64)
    for r, row in enumerate(rows):
        column = 0
        for side, part in enumerate(row):
            j, stop = part.first, column + n - part.first
            tokens[r, column:stop] = sentences[part.sentence][j:]
            if part.replaced:
                tokens[r, column] = replacement
            place_of[r, column:stop] = np.arange(j, n)
            side_of[r, column:stop], first_of[r, column:stop] = side, j
            columns[r, side] = np.maximum(stop + back, 0)  # tokens before the part: not used
            column = stop
    own = np.tril(side_of[:, :, None] == side_of[:, None, :])
    open_ = torch.from_numpy(np.dstack([np.arange(n) < first_of[:, :, None], own]))
    dtype = settings.mlps[0].up.weight.dtype
    mask = torch.zeros(open_.shape, dtype=dtype).masked_fill_(~open_, torch.finfo(dtype).min)
    arguments = {
        "attention_mask": mask[:, None].to(settings.device),
        "position_ids": torch.from_numpy(place_of).to(settings.device),
        "past_key_values": cache,
        "use_cache": True,
    }
    ids = torch.from_numpy(tokens).to(settings.device)
    values = _caught(settings, torch.from_numpy(columns.reshape(len(rows), -1)), ids, arguments)
    t = len(back)
    return {
        part: values[r][:, side * t : (side + 1) * t]
        for r, row in enumerate(rows)
        for side, part in enumerate(row)
    }


def _caught(
    settings: PassSettings, columns: torch.Tensor, ids: torch.Tensor, arguments: dict[str, Any]
) -> torch.Tensor:
    """Run the model without its head and return the values at some columns of each row.

    The shape is (n_rows, n_layers, n_columns, n_neurons), for ``columns`` of (n_rows, n_columns).
    """
    caught: dict[int, torch.Tensor] = {}
    rows = torch.arange(len(columns))[:, None]

    def catch(layer: int) -> Any:
        def hook(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            values = args[0].detach().reshape(*ids.shape, -1)
            chosen = values[rows.to(values.device), columns.to(values.device)]
            caught[layer] = upcast_half(chosen).to(settings.device)

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for layer, mlp in enumerate(settings.mlps):
            handle = mlp.out.module.register_forward_pre_hook(catch(layer))
            hooks.callback(handle.remove)
        settings.backbone(input_ids=ids, **arguments)
    check_called(settings.mlps, caught, range(len(settings.mlps)))
    return torch.stack([caught[layer] for layer in range(len(settings.mlps))], dim=1)
