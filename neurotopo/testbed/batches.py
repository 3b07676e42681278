"""Batches of token rows with noise in their prompts, reproducible by seed and number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.testbed.corpus import Row
from neurotopo.testbed.recipe import Recipe

__all__ = ["Batch", "Batches"]

_ORDER, _NOISE = 0, 1  # streams of random numbers of a seed
_CHUNK = 8  # batches that are sorted by length together

_Read: TypeAlias = tuple[int, int | None]  # a token, and the one to predict in its place


@dataclass(frozen=True)
class Batch:
    """Sequences and the tokens to predict in them.

    Attributes
    ----------
    ids, attention : Tensor of int, shape (n_rows, n_tokens)
        The tokens, padded on the right, and their mask: 1 for tokens, 0 for padding.
    row, position : Tensor of int, shape (n_targets,)
        Where a token is predicted: for a causal model the position before it.
    targets, weights : Tensor, shape (n_targets,)
        The tokens, and their weights in the loss.
    is_answer : Tensor of bool, shape (n_targets,)
        Whether it belongs to the answer (or ends it) and not to the prompt.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    row: torch.Tensor
    position: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    is_answer: torch.Tensor


@dataclass
class _Drawn:
    """One sequence: its tokens, and its targets (position, token, weight, is_answer)."""

    ids: list[int]
    wanted: list[tuple[int, int, float, bool]] = field(default_factory=list)


class Batches:
    """All batches of a training.

    A batch depends only on the seed and its number, so interrupted training resumes exactly.

    Parameters
    ----------
    rows : sequence of Row
        The rows of every epoch.
    recipe : Recipe
        Batch size, epochs and noise.
    tokens : sequence of int
        Tokens that may replace others.
    pad : int
        The padding token.
    mask : int or None
        The mask of a masked model; None for a causal one.
    seed : int
    """

    def __init__(
        self,
        rows: Sequence[Row],
        recipe: Recipe,
        *,
        tokens: Sequence[int],
        pad: int,
        mask: int | None,
        seed: int,
    ) -> None:
        self.rows = list(rows)
        self.recipe = recipe
        self.pad = pad
        self.mask = mask
        self.seed = seed
        self._tokens = np.asarray(tokens, dtype=np.int64)
        self._lengths = np.array([row.n_tokens for row in self.rows])
        self._plan: tuple[int, list[NDArray[np.intp]]] | None = None

    @property
    def n_per_epoch(self) -> int:
        """Number of batches of an epoch."""
        return math.ceil(len(self.rows) / self.recipe.batch_size)

    def __len__(self) -> int:
        return self.n_per_epoch * self.recipe.epochs

    def __getitem__(self, step: int) -> Batch:
        epoch, place = divmod(step, self.n_per_epoch)
        if self._plan is None or self._plan[0] != epoch:
            self._plan = epoch, self._order(epoch)
        rng = np.random.default_rng([self.seed, _NOISE, step])
        return self._collate([self._draw(self.rows[i], rng) for i in self._plan[1][place]])

    def _order(self, epoch: int) -> list[NDArray[np.intp]]:
        """Return the rows of each batch; rows of similar length share a batch."""
        rng = np.random.default_rng([self.seed, _ORDER, epoch])
        order = rng.permutation(len(self.rows))
        size = self.recipe.batch_size
        parts: list[NDArray[np.intp]] = []
        for start in range(0, len(order), _CHUNK * size):
            chunk = order[start : start + _CHUNK * size]
            chunk = chunk[np.argsort(self._lengths[chunk], kind="stable")]
            parts.extend(chunk[i : i + size] for i in range(0, len(chunk), size))
        return [parts[i] for i in rng.permutation(len(parts))]

    def _draw(self, row: Row, rng: np.random.Generator) -> _Drawn:
        noisy = rng.random() < self.recipe.noise_share
        answer = row.answers[int(rng.integers(len(row.answers)))]
        if self.mask is None:
            return self._causal(row, answer, noisy, rng)
        return self._masked(row, answer, noisy, rng)

    def _causal(
        self, row: Row, answer: tuple[int, ...], noisy: bool, rng: np.random.Generator
    ) -> _Drawn:
        prompt = [t for t, _ in self._noised(row.before, rng)] if noisy else list(row.before)
        prompt = prompt or [row.before[-1]]
        ids = [*prompt, *answer, *row.after]
        drawn = _Drawn(ids[:-1])
        if not noisy:
            picked = np.flatnonzero(rng.random(len(prompt) - 1) < self.recipe.prompt_loss)
            drawn.wanted.extend((int(i), ids[i + 1], 1.0, False) for i in picked)
        last = len(prompt) - 1
        drawn.wanted.extend((i, ids[i + 1], 1.0, True) for i in range(last, len(ids) - 1))
        return drawn

    def _masked(
        self, row: Row, answer: tuple[int, ...], noisy: bool, rng: np.random.Generator
    ) -> _Drawn:
        """Mask the answer from one of its tokens on, as when masks are filled from the left."""
        assert self.mask is not None
        before: list[_Read] = [(t, None) for t in row.before]
        after: list[_Read] = [(t, None) for t in row.after]
        if noisy:  # the tokens at both ends stay
            before = [before[0], *self._noised(row.before[1:], rng)]
            after = [*self._noised(row.after[:-1], rng), after[-1]]
        start = int(rng.integers(len(answer)))
        hidden: list[_Read] = [(t, None) for t in answer[:start]]
        hidden += [(self.mask, t) for t in answer[start:]]
        drawn = _Drawn([])
        for part, weight, of_answer in (
            (before, self.recipe.prompt_loss, False),
            (hidden, 1.0, True),
            (after, self.recipe.prompt_loss, False),
        ):
            for token, wanted in part:
                if wanted is not None:
                    drawn.wanted.append((len(drawn.ids), wanted, weight, of_answer))
                drawn.ids.append(token)
        return drawn

    def _noised(self, tokens: Sequence[int], rng: np.random.Generator) -> list[_Read]:
        """Return the remaining tokens, each with the one it replaces.

        Noise deletes half of the tokens it hits; the others become a random token or, in a masked
        model, equally often the mask.
        """
        kept: list[_Read] = []
        fate = rng.random(len(tokens)) / max(self.recipe.noise_rate, 1e-12)
        others = self._tokens[rng.integers(len(self._tokens), size=len(tokens))]
        for token, hit, other in zip(tokens, fate, others.tolist(), strict=True):
            if hit >= 1:
                kept.append((token, None))
            elif hit >= 0.5:
                kept.append((self.mask if self.mask is not None and hit >= 0.75 else other, token))
        return kept

    def _collate(self, drawn: Sequence[_Drawn]) -> Batch:
        width = max(len(one.ids) for one in drawn)
        ids = np.full((len(drawn), width), self.pad, dtype=np.int64)
        attention = np.zeros_like(ids)
        for i, one in enumerate(drawn):
            ids[i, : len(one.ids)] = one.ids
            attention[i, : len(one.ids)] = 1
        row = np.repeat(np.arange(len(drawn)), [len(one.wanted) for one in drawn])
        position, targets, weights, is_answer = zip(
            *(wanted for one in drawn for wanted in one.wanted), strict=True
        )
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(attention),
            torch.from_numpy(row),
            torch.tensor(position),
            torch.tensor(targets),
            torch.tensor(weights, dtype=torch.float32),
            torch.tensor(is_answer),
        )
