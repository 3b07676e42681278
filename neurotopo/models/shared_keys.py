"""Keys and values of sentences, computed once and shared by their continuations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

__all__ = ["RecordedKeys", "SharedKeys", "growing"]


@dataclass(frozen=True)
class SharedKeys:
    """Keys and values of sentences of equal length, of every layer.

    Attributes
    ----------
    keys, values : tuple of torch.Tensor, shape (n_sentences, n_heads, n_tokens, width)
        One of each per layer.
    """

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]

    def prefixes(self, sentences: Sequence[int], n_tokens: int) -> SharedKeys:
        """Return the part for the first tokens of some sentences, which may repeat."""
        chosen = torch.tensor(list(sentences))
        alike = list(sentences) == list(range(len(self.keys[0])))

        def cut(part: torch.Tensor) -> torch.Tensor:
            part = part[:, :, :n_tokens]
            return part if alike else part.index_select(0, chosen.to(part.device))

        return SharedKeys(tuple(map(cut, self.keys)), tuple(map(cut, self.values)))

    def cache(self, owner: torch.Tensor | None = None) -> Any:
        """Return a cache for rows that continue the sentences.

        Parameters
        ----------
        owner : torch.Tensor, shape (n_rows,), or None, default=None
            The sentence of every row. None: every sentence has equally many neighbouring rows.
        """
        pairs = zip(self.keys, self.values, strict=True)
        return Cache(layers=[_ReadOnly(keys, values, owner) for keys, values in pairs])


class _ReadOnly(DynamicLayer):
    """One read-only layer of a cache."""

    def __init__(
        self, keys: torch.Tensor, values: torch.Tensor, owner: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.keys, self.values, self.owner = keys, values, owner
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the shared keys and values followed by the new ones."""
        return self._before(self.keys, key_states), self._before(self.values, value_states)

    def _before(self, shared: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        if self.owner is not None:
            shared = shared.index_select(0, self.owner.to(shared.device))
        elif len(shared) == 1:
            shared = shared.expand(len(new), *shared.shape[1:])
        elif len(shared) < len(new):
            shared = shared.repeat_interleave(len(new) // len(shared), dim=0)
        return torch.cat([shared, new], dim=-2)


class RecordedKeys:
    """A cache for a pass whose first rows are sentences, continued by the other rows.

    Every row attends to the keys of its sentence before its own; a mask selects the valid ones.

    Parameters
    ----------
    owner : torch.Tensor, shape (n_rows,)
        The sentence of every row; sentence i is row i.
    n_sentences, n_tokens : int
        Number of sentences, and of tokens in each.
    """

    def __init__(self, owner: torch.Tensor, n_sentences: int, n_tokens: int) -> None:
        self.cache: Any = Cache(
            layer_class_to_replicate=lambda: _Recording(owner, n_sentences, n_tokens)
        )

    def recorded(self) -> SharedKeys:
        """Return the keys and values of the sentences."""
        layers = self.cache.layers
        return SharedKeys(
            tuple(layer.keys for layer in layers), tuple(layer.values for layer in layers)
        )


class _Recording(DynamicLayer):
    def __init__(self, owner: torch.Tensor, n_sentences: int, n_tokens: int) -> None:
        super().__init__()
        self.owner, self.n_sentences, self.n_tokens = owner, n_sentences, n_tokens

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the part of the sentences; return that of each row's sentence and the new part."""
        n, t = self.n_sentences, self.n_tokens
        # a copy, as a view would keep the whole array
        self.keys, self.values = key_states[:n, :, :t].clone(), value_states[:n, :, :t].clone()
        self.is_initialized = True
        return _ReadOnly(self.keys, self.values, self.owner).update(key_states, value_states)


def growing(cache: Any) -> Any:
    """Return the cache of one sentence for batches that grow from layer to layer."""
    grown = copy.copy(cache)
    grown.layers = [_shared_layer(layer) for layer in cache.layers]
    return grown


def _shared_layer(layer: Any) -> Any:
    if layer.keys is None:  # some layers read the keys of an earlier one
        return layer
    shared = copy.copy(layer)
    shared.update = _ReadOnly(layer.keys, layer.values, None).update
    return shared
