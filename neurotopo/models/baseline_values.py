"""The neurons' values in a sentence and in its baselines, where one token each is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

from neurotopo.models.passes import PassSettings, at_least_single, for_rows
from neurotopo.models.projections import check_called

__all__ = ["baseline_values", "replaced_sentences", "sentence_and_cache", "sentence_values"]

_ROWS = 64


def replaced_sentences(
    ids: Sequence[int], places: Sequence[int], replacement: int
) -> list[tuple[int, ...]]:
    """Return the sentences that have one of the tokens at ``places`` replaced, in order."""
    ids = tuple(ids)
    return [(*ids[:place], replacement, *ids[place + 1 :]) for place in places]


def sentence_values(
    settings: PassSettings, sentences: Sequence[tuple[int, ...]], positions: Sequence[int]
) -> torch.Tensor:
    """Return every neuron's value at some positions of sentences of equal length.

    Parameters
    ----------
    settings : PassSettings
        The model.
    sentences : sequence of tuple of int
        Token ids, of one length.
    positions : sequence of int
        Tokens at which the values are wanted.

    Returns
    -------
    torch.Tensor, shape (n_sentences, n_layers, n_positions, n_neurons)
        In single precision, or double for a model in double precision.
    """
    parts = []
    limit = settings.batch_size or _ROWS
    for first in range(0, len(sentences), limit):
        ids = torch.tensor(sentences[first : first + limit], device=settings.device)
        columns = torch.tensor([list(positions)] * len(ids))
        arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        parts.append(_caught(settings, columns, arguments)[0])
    return torch.cat(parts)


def sentence_and_cache(
    settings: PassSettings, ids: tuple[int, ...], positions: Sequence[int]
) -> tuple[torch.Tensor, Any]:
    """Return the values of a sentence as :func:`sentence_values` does, and its keys and values.

    Parameters
    ----------
    settings : PassSettings
        A causal model.
    ids : tuple of int
        The sentence.
    positions : sequence of int
        Tokens at which the values are wanted.

    Returns
    -------
    values : torch.Tensor, shape (n_layers, n_positions, n_neurons)
    cache : transformers.Cache
    """
    tokens = torch.tensor([ids], device=settings.device)
    arguments = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "use_cache": True,
    }
    values, output = _caught(settings, torch.tensor([list(positions)]), arguments)
    return values[0], output.past_key_values


def baseline_values(
    settings: PassSettings,
    ids: tuple[int, ...],
    places: Sequence[int],
    replacement: int,
    positions: Sequence[int],
    cache: Any | None = None,
) -> torch.Tensor:
    """Return the values in the sentences that have one token replaced each.

    In a causal model the tokens before the replaced one are as in the sentence itself: their keys
    and values are taken from its cache, and only the rest of each sentence is computed. Two rests,
    a long and a short one, share a row, so that all rows are about as long as the sentence; a mask
    keeps them apart.

    Parameters
    ----------
    settings : PassSettings
        The model.
    ids : tuple of int
        The sentence.
    places : sequence of int
        Tokens to replace, one at a time.
    replacement : int
        By what.
    positions : sequence of int
        Tokens at which the values are wanted, the last ones of the sentence.
    cache : optional
        Keys and values of the whole sentence, where the model can go on from them at any token;
        None: every sentence is computed in full.

    Returns
    -------
    torch.Tensor, shape (n_places, n_layers, n_positions, n_neurons)
    """
    if cache is None:
        return sentence_values(settings, replaced_sentences(ids, places, replacement), positions)
    rests = sorted(places)
    rows: list[tuple[int, ...]] = [(rests[i], rests[-1 - i]) for i in range(len(rests) // 2)]
    if len(rests) % 2:
        rows.append((rests[len(rests) // 2],))
    found: dict[int, torch.Tensor] = {}
    limit = settings.batch_size or _ROWS
    for first in range(0, len(rows), limit):
        found.update(
            _rests(settings, ids, rows[first : first + limit], replacement, positions, cache)
        )
    return torch.stack([found[place] for place in places])


def _rests(
    settings: PassSettings,
    ids: tuple[int, ...],
    rows: Sequence[tuple[int, ...]],
    replacement: int,
    positions: Sequence[int],
    cache: Any,
) -> dict[int, torch.Tensor]:
    """Compute the rests of some sentences, two to a row; the values by replaced token."""
    n, shape = len(ids), (len(rows), max(sum(len(ids) - j for j in row) for row in rows))
    tokens, place_of = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    open_ = torch.zeros(*shape, n + shape[1], dtype=torch.bool)
    ends: list[tuple[int, int, int, int]] = []  # replaced token, row, side, column behind it
    for r, row in enumerate(rows):
        column = 0
        for side, j in enumerate(row):
            stop = column + n - j
            tokens[r, column:stop] = torch.tensor([replacement, *ids[j + 1 :]])
            place_of[r, column:stop] = torch.arange(j, n)
            open_[r, column:stop, :j] = True
            open_[r, column:stop, n + column : n + stop] = torch.ones(n - j, n - j).tril().bool()
            ends.append((j, r, side, stop))
            column = stop
        open_[r, column:, 0] = True  # padding looks at something, lest its softmax be empty
    dtype = settings.mlps[0].up.weight.dtype
    mask = torch.zeros(open_.shape, dtype=dtype).masked_fill_(~open_, torch.finfo(dtype).min)
    # columns of the wanted positions: those of the first rest of each row, then of the second
    back = torch.tensor([position - n for position in positions])
    stops = torch.zeros(len(rows), 2, dtype=torch.long)
    for _, r, side, stop in ends:
        stops[r, side] = stop
    stops[stops == 0] = n  # a row of one rest: any column will do for the other
    columns = (stops[:, :, None] + back).reshape(len(rows), -1).clamp(0, shape[1] - 1)
    arguments = {
        "input_ids": tokens.to(settings.device),
        "attention_mask": mask[:, None].to(settings.device),
        "position_ids": place_of.to(settings.device),
        "past_key_values": for_rows(cache, len(rows)),
        "use_cache": True,
    }
    values, _ = _caught(settings, columns, arguments)
    t = len(back)
    return {j: values[r][:, side * t : (side + 1) * t] for j, r, side, _ in ends}


def _caught(
    settings: PassSettings, columns: torch.Tensor, arguments: dict[str, Any]
) -> tuple[torch.Tensor, Any]:
    """Run the model without its head; return the values at some columns of each row.

    Of shape (n_rows, n_layers, n_columns, n_neurons), for ``columns`` of (n_rows, n_columns);
    and the model's output.
    """
    caught: dict[int, torch.Tensor] = {}
    shape = arguments["input_ids"].shape
    rows = torch.arange(len(columns))[:, None]

    def catch(layer: int) -> Any:
        def hook(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            values = args[0].detach().reshape(*shape, -1)
            chosen = values[rows.to(values.device), columns.to(values.device)]
            caught[layer] = at_least_single(chosen).cpu()

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for layer, mlp in enumerate(settings.mlps):
            handle = mlp.out.module.register_forward_pre_hook(catch(layer))
            hooks.callback(handle.remove)
        output = settings.backbone(**arguments)
    check_called(settings.mlps, caught, range(len(settings.mlps)))
    return torch.stack([caught[layer] for layer in range(len(settings.mlps))], dim=1), output
