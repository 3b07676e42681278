"""Arrangement of points of many paths in a batch of a model.

A point of one layer's path equals the unedited piece up to that layer, so it joins the batch
there, as a copy of the piece. In a causal model points follow each other in a few long sequences,
separated by a mask (:class:`Blocks`): the keys of the prefix are then needed once per sequence. If
the layer adds its MLP to the residual stream, a point joins after the layer, and of its own layer
only the out-projection is computed (:class:`LateBlocks`). Otherwise every point is a row
(:class:`JoiningRows`); if rows cannot join later, all run from the first layer on
(:class:`FixedRows`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neurotopo.models.passes import PassSettings
from neurotopo.models.shared_keys import SharedKeys, growing

__all__ = ["LONGEST_BLOCK", "Blocks", "FixedRows", "JoiningRows", "LateBlocks", "Layout", "Piece"]

LONGEST_BLOCK = 128  # tokens of a sequence: attention within it is quadratic


@dataclass(frozen=True)
class Piece:
    """Tokens of one row, and their targets.

    Attributes
    ----------
    ids : tuple of int
        The tokens; in a causal model those after the prefix.
    positions : tuple of int
        Consecutive tokens where the values are replaced.
    reads, targets : tuple of int
        ``targets[i]`` is predicted at the token ``reads[i]``; these are consecutive.
    foils : tuple of int
        Tokens with which the single target is compared, if any.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    reads: tuple[int, ...]
    targets: tuple[int, ...]
    foils: tuple[int, ...] = ()

    @property
    def where(self) -> slice:
        """The positions as a slice, which is not copied, forward or backward."""
        return slice(self.positions[0], self.positions[-1] + 1)

    @property
    def read_at(self) -> slice:
        """The tokens that predict the targets, as a slice."""
        return slice(self.reads[0], self.reads[-1] + 1)

    @property
    def is_whole(self) -> bool:
        """Whether the values of all tokens are replaced."""
        return len(self.positions) == len(self.ids)


class Layout(ABC):
    """Arrangement of the points of a wave in a batch.

    Parameters
    ----------
    pieces : sequence of Piece
        One for each line, of one shape.
    points : mapping of int to sequence of int
        The points of each layer, in ascending order of layers; the same for every line.
    """

    def __init__(self, pieces: Sequence[Piece], points: Mapping[int, Sequence[int]]) -> None:
        self.pieces, self.points = pieces, points

    @property
    def n_lines(self) -> int:
        """Number of lines."""
        return len(self.pieces)

    @property
    def n_tokens(self) -> int:
        """Tokens of a piece."""
        return len(self.pieces[0].ids)

    @abstractmethod
    def arguments(self, settings: PassSettings, keys: Any) -> dict[str, Any]:
        """Return the arguments of the model."""

    def join(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        """Append copies of the pieces for the points of a layer."""
        return hidden

    def grow(self, name: str, value: Any, layer: int) -> Any:
        """Fit another argument of a layer to the hidden states."""
        return value

    @abstractmethod
    def block(self, leaf: torch.Tensor, layer: int) -> tuple[torch.Tensor, Any]:
        """Return the values of a layer's points as arranged in the batch, and their place.

        The leaf has shape (n_lines, n_points, n_positions, n_neurons); the place indexes values of
        shape (n_rows, n_tokens, n_neurons).
        """

    @abstractmethod
    def unedited(self) -> Any:
        """Return the place of the unedited pieces' values, (n_lines, n_positions, n_neurons)."""

    @abstractmethod
    def owners(self) -> torch.Tensor:
        """Return the line of every row of pieces."""

    def arrange(self, values: torch.Tensor) -> torch.Tensor:
        """Return values that a family flattened as (n_rows, n_tokens, n_neurons)."""
        return values.reshape(-1, self.n_tokens, values.shape[-1])

    @abstractmethod
    def places(self) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return the numbers of the unedited pieces, (n_lines,), and of each layer's points.

        The latter have shape (n_lines, n_points); hidden states consist of numbered pieces.
        """


class FixedRows(Layout):
    """Every point is a row from the first layer on; the unedited piece comes first.

    For one line only.
    """

    def arguments(self, settings: PassSettings, keys: Any) -> dict[str, Any]:
        """Return tokens, a mask without gaps, and the cache of the prefix."""
        return self._arguments(settings, keys, 1 + sum(map(len, self.points.values())))

    def _arguments(self, settings: PassSettings, keys: Any, repeat: int) -> dict[str, Any]:
        ids = torch.tensor([p.ids for p in self.pieces] * repeat, device=settings.device)
        n_past = 0 if keys is None else keys.get_seq_length()
        shape = (len(ids), n_past + self.n_tokens)
        mask = torch.ones(shape, dtype=torch.long, device=settings.device)
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if settings.causal:
            arguments["use_cache"] = keys is not None
            if keys is not None:
                arguments["past_key_values"] = growing(keys)
        return arguments

    def _rows(self, layer: int) -> slice:
        first = self.n_lines
        for other, points in self.points.items():
            last = first + self.n_lines * len(points)
            if other == layer:
                break
            first = last
        return slice(first, last)

    def block(self, leaf: torch.Tensor, layer: int) -> tuple[torch.Tensor, Any]:
        """Return the rows of a layer."""
        return leaf.flatten(0, 1), (self._rows(layer), self.pieces[0].where)

    def unedited(self) -> Any:
        """Return the first rows."""
        return slice(0, self.n_lines), self.pieces[0].where

    def owners(self) -> torch.Tensor:
        """Return the line of every row."""
        return self._owners(max(self.points))

    def _owners(self, layer: int) -> torch.Tensor:
        lines = torch.arange(self.n_lines)
        joined = [
            lines.repeat_interleave(len(points))
            for other, points in self.points.items()
            if other <= layer
        ]
        return torch.cat([lines, *joined])

    def places(self) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return the rows."""
        rows = {layer: self._rows(layer) for layer in self.points}
        return torch.arange(self.n_lines), {
            layer: torch.arange(part.start, part.stop).reshape(self.n_lines, -1)
            for layer, part in rows.items()
        }


class JoiningRows(FixedRows):
    """Every point is a row and joins at its layer; the unedited pieces come first."""

    def arguments(self, settings: PassSettings, keys: Any) -> dict[str, Any]:
        """Return the pieces alone."""
        return self._arguments(settings, keys, 1)

    def join(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        """Append rows."""
        n_points = len(self.points.get(layer, ()))
        copies = hidden[: self.n_lines].detach().repeat_interleave(n_points, dim=0)
        return torch.cat([hidden, copies]) if n_points else hidden

    def grow(self, name: str, value: Any, layer: int) -> Any:
        """Repeat a value that differs between rows."""
        n = self.n_lines
        if n == 1 or not isinstance(value, torch.Tensor) or len(value) != n:
            return value
        return value[self._owners(layer).to(value.device)]


class Blocks(Layout):
    """Points follow each other in sequences, a few sequences per line.

    Every sequence begins with the unedited piece. All sequences have equally many points of a
    layer; if needed, the last point of the layer repeats.
    """

    def __init__(self, pieces: Sequence[Piece], points: Mapping[int, Sequence[int]]) -> None:
        super().__init__(pieces, points)
        most = max(map(len, points.values()))
        least = -(-self.n_tokens * sum(map(len, points.values())) // LONGEST_BLOCK)
        # few repeated points, then few sequences
        self.n_blocks = min(
            range(min(least, most), min(2 * least, most) + 1),
            key=lambda n: (sum(-(-len(part) // n) * n for part in points.values()), n),
        )  # of each line
        self.slots = {layer: -(-len(part) // self.n_blocks) for layer, part in points.items()}

    def arguments(self, settings: PassSettings, keys: SharedKeys | None) -> dict[str, Any]:
        """Return the pieces, once for each block, with mask and positions of all sequences."""
        n_past = 0 if keys is None else keys.keys[0].shape[2]
        t, repeat = self.n_tokens, self.n_blocks
        ids = torch.tensor([p.ids for p in self.pieces for _ in range(repeat)])
        self._mask = self._whole_mask(n_past, settings)
        cache = {} if keys is None else {"past_key_values": keys.cache()}
        return {
            "input_ids": ids.to(settings.device),
            "attention_mask": self._mask[:, :, :t, : n_past + t],
            "position_ids": torch.arange(n_past, n_past + t, device=settings.device)[None],
            "use_cache": keys is not None,
            **cache,
        }

    def _whole_mask(self, n_past: int, settings: PassSettings) -> torch.Tensor:
        token = torch.arange(self.n_tokens * self._length)
        piece, place = token.div(self.n_tokens, rounding_mode="floor"), token % self.n_tokens
        open_ = (piece[:, None] == piece) & (place[:, None] >= place)
        open_ = torch.cat([torch.ones(len(token), n_past, dtype=torch.bool), open_], dim=1)
        dtype = settings.mlps[0].up.weight.dtype
        mask = torch.zeros(open_.shape, dtype=dtype).masked_fill_(~open_, torch.finfo(dtype).min)
        return mask[None, None].to(settings.device)

    def _pieces_before(self, layer: int) -> int:
        return 1 + sum(slots for other, slots in self.slots.items() if other < layer)

    def _pieces_in(self, layer: int) -> int:
        return self._pieces_before(layer + 1)

    def join(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        """Append pieces to every sequence."""
        if layer not in self.slots:
            return hidden
        copies = hidden[:, : self.n_tokens].detach().repeat(1, self.slots[layer], 1)
        return torch.cat([hidden, copies], dim=1)

    def grow(self, name: str, value: Any, layer: int) -> Any:
        """Extend the mask; repeat the positions of the piece."""
        n_pieces = self._pieces_in(layer)
        if isinstance(value, tuple) and name == "position_embeddings":
            return tuple(part.repeat(1, n_pieces, 1) for part in value)
        if isinstance(value, torch.Tensor) and name == "position_ids":
            return value.repeat(1, n_pieces)
        if isinstance(value, torch.Tensor) and value.dim() == 4:  # the mask, whatever its name
            n_new = n_pieces * self.n_tokens
            n_past = self._mask.shape[3] - self._mask.shape[2]
            mask = self._mask[:, :, :n_new, : n_past + n_new].to(value.device)
            return mask == 0 if value.dtype == torch.bool else mask.to(value.dtype)
        return value

    def block(self, leaf: torch.Tensor, layer: int) -> tuple[torch.Tensor, Any]:
        """Return the pieces that a layer appended."""
        n_points, n_slots = leaf.shape[1], self.n_blocks * self.slots[layer]
        if n_points < n_slots:
            repeated = torch.arange(n_slots, device=leaf.device).clamp(max=n_points - 1)
            leaf = leaf.index_select(1, repeated)
        begin = self._pieces_before(layer) * self.n_tokens
        columns: Any = slice(begin, begin + self.slots[layer] * self.n_tokens)
        if not self.pieces[0].is_whole:
            first = torch.arange(columns.start, columns.stop, self.n_tokens, device=leaf.device)
            place = torch.tensor(self.pieces[0].positions, device=leaf.device)
            columns = (first[:, None] + place).flatten()
        block = leaf.reshape(self.n_lines * self.n_blocks, -1, leaf.shape[-1])
        return block, (slice(None), columns)

    def unedited(self) -> Any:
        """Return the beginning of each line's first sequence."""
        return slice(0, None, self.n_blocks), self.pieces[0].where

    def owners(self) -> torch.Tensor:
        """Return the line of every piece."""
        return torch.arange(self.n_lines).repeat_interleave(self.n_blocks * self._length)

    @property
    def _length(self) -> int:
        """Number of pieces in a sequence."""
        return 1 + sum(self.slots.values())

    def arrange(self, values: torch.Tensor) -> torch.Tensor:
        """Return values as (n_sequences, n_tokens, n_neurons)."""
        return values.reshape(self.n_lines * self.n_blocks, -1, values.shape[-1])

    def places(self) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return the pieces."""
        blocks = torch.arange(self.n_lines * self.n_blocks).reshape(self.n_lines, -1)
        rows = {}
        for layer, points in self.points.items():
            slot = torch.arange(len(points))
            block, place = slot // self.slots[layer], slot % self.slots[layer]
            rows[layer] = blocks[:, block] * self._length + self._pieces_before(layer) + place
        return blocks[:, 0] * self._length, rows


class LateBlocks(Blocks):
    """Blocks whose points join after their layer.

    For layers whose output is a sum with the output of the MLP as one of the terms. Every token of
    a piece has replaced values.
    """

    def _pieces_in(self, layer: int) -> int:
        return self._pieces_before(layer)

    def n_tokens_before(self, layer: int) -> int:
        """Return the tokens of a sequence in the layer, without its own points."""
        return self._pieces_before(layer) * self.n_tokens

    def join(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        """Return the hidden states: the points of earlier layers joined there."""
        return hidden
