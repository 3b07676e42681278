"""Tokens of a batch that edits name: all, those that predict the answer, or some of the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from neurotopo.models.edits import Edit, EditRow
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.prompts import FactLike, describe_fact

__all__ = ["Places", "Spec", "check_places", "spec_of"]

Spec = tuple[Any, int | None]
"""The positions of an edit and, if they have values of their own, their number."""


@dataclass(frozen=True)
class Places:
    """The tokens of the rows of a batch.

    Attributes
    ----------
    answer : torch.Tensor of int, shape (n_rows or 1, n_tokens)
        Number of the answer's token that is predicted there; -1 for none.
    end : torch.Tensor of int, shape (n_rows or 1,)
        The token after the prompt, from which negative positions count.
    """

    answer: torch.Tensor
    end: torch.Tensor

    @property
    def at(self) -> torch.Tensor:
        """Whether the answer is predicted there, shape (n_rows or 1, n_tokens)."""
        return self.answer >= 0

    @property
    def n_tokens(self) -> int:
        """Number of tokens of the longest row."""
        return int(self.answer.shape[1])

    def select(self, rows: torch.Tensor) -> Places:
        """Return some rows; one row stands for any number of equal ones."""
        if len(self.answer) == 1:
            return self
        return Places(self.answer[rows], self.end[rows])

    def columns(self, spec: Spec) -> torch.Tensor:
        """Return the column of values of every token, -1 for tokens that do not change.

        The shape is (n_rows or 1, n_tokens).
        """
        positions, n_columns = spec
        if positions == "last":
            if n_columns is None:
                return self.at.long() - 1
            return torch.where(self.answer < n_columns, self.answer, -1)
        if positions == "all":
            if n_columns is None:
                return torch.zeros(1, self.n_tokens, dtype=torch.long)
            tokens = torch.arange(self.n_tokens)
            return torch.where(tokens < n_columns, tokens, -1)[None]
        columns = torch.full(self.answer.shape, -1)
        for number, position in enumerate(positions):
            token = self.end + position if position < 0 else torch.full_like(self.end, position)
            columns.scatter_(1, token[:, None], 0 if n_columns is None else number)
        return columns


def spec_of(edit: Edit) -> Spec:
    """Return the positions of an edit."""
    return edit.positions, edit.n_columns


def check_places(
    row: EditRow, fact: FactLike, encode: Callable[[FactLike], CausalEncoding | MaskedEncoding]
) -> None:
    """Raise an error if an edit names tokens that a prompt does not have."""
    for edit in row:
        if not isinstance(edit.positions, str) or edit.n_columns is not None:
            _check_edit(edit, fact, encode(fact))


def _check_edit(edit: Edit, fact: FactLike, encoding: CausalEncoding | MaskedEncoding) -> None:
    name, n_columns = describe_fact(fact), edit.n_columns
    if edit.positions == "last":
        longest = max(map(len, encoding.answers))
        if n_columns is not None and n_columns > longest:
            raise ValueError(
                f"{name}: an edit has values for {n_columns} tokens that predict the answer, which "
                f"has {longest}."
            )
        return
    if isinstance(encoding, CausalEncoding):
        lengths = {encoding.n_prompt}
    else:
        around = len(encoding.before) + len(encoding.after)
        lengths = {around + len(answer) for answer in encoding.answers}
    for n in sorted(lengths):
        if edit.positions == "all":
            if n_columns != n:
                raise ValueError(
                    f"{name}: an edit has values for {n_columns} tokens and the prompt has {n}; "
                    "choose tokens by positions."
                )
            continue
        positions: Any = edit.positions
        for position in positions:
            if not -n <= position < n:
                raise ValueError(
                    f"{name}: an edit is of token {position} and the prompt has {n} tokens."
                )
        if len({position % n for position in positions}) < len(positions):
            raise ValueError(
                f"{name}: two positions of an edit, {positions}, are the same of {n} tokens."
            )
