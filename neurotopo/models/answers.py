"""Rows of a batch for the answers of facts, and their reduction to one probability per fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from neurotopo.models.encoding import CausalEncoding, MaskedEncoding, prefix_free
from neurotopo.models.passes import Query

__all__ = [
    "AnswerRows",
    "answer_queries",
    "answer_rows",
    "answer_table",
    "masked_fillings",
    "reduce_answers",
]

REDUCTIONS = ("best", "sum")


@dataclass
class AnswerRows:
    """The rows of a batch for some facts under some edits.

    Attributes
    ----------
    queries : list of Query
        The rows.
    fact, answer : list of int
        The fact of each row, and the answer. The log-probability of an answer is the sum over its
        rows with the same edits.
    answers : list of tuple
        Token ids of all answers of each fact.
    disjoint : list of set
        The answers whose probabilities may be added. In a causal model this excludes an answer
        that begins with another one, as that one's event contains it.
    prefix : tuple of int or None
        Common first tokens of all rows, if the model can compute them once.
    """

    queries: list[Query] = field(default_factory=list)
    fact: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    answers: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    disjoint: list[set[tuple[int, ...]]] = field(default_factory=list)
    prefix: tuple[int, ...] | None = None

    def after_prefix(self) -> list[Query]:
        """Return the queries without the prefix, positions counted from its end."""
        n = len(self.prefix or ())
        return [
            replace(q, ids=q.ids[n:], positions=tuple(p - n for p in q.positions))
            for q in self.queries
        ]


def answer_rows(
    encodings: Sequence[CausalEncoding | MaskedEncoding], edits: Sequence[range]
) -> AnswerRows:
    """Return the rows of some facts, each for a range of rows of edits."""
    asked = AnswerRows()
    for number, (encoding, rows) in enumerate(zip(encodings, edits, strict=True)):
        asked.answers.append(encoding.answers)
        causal = isinstance(encoding, CausalEncoding)
        asked.disjoint.append(set(prefix_free(encoding.answers) if causal else encoding.answers))
        for answer, tokens in enumerate(encoding.answers):
            for row in answer_queries(encoding, tokens):
                for edit in rows:
                    asked.queries.append(replace(row, edits=edit))
                    asked.fact.append(number)
                    asked.answer.append(answer)
    if len(encodings) == 1 and isinstance(encodings[0], CausalEncoding):
        asked.prefix = encodings[0].prompt[:-1] or None
    return asked


def answer_queries(
    encoding: CausalEncoding | MaskedEncoding, answer: tuple[int, ...]
) -> Iterator[Query]:
    """Yield the rows that predict the tokens of an answer: one for a causal model.

    A masked model needs one row per token, see :func:`masked_fillings`.
    """
    if isinstance(encoding, CausalEncoding):
        last = len(encoding.prompt) - 1
        positions = tuple(range(last, last + len(answer)))
        yield Query((*encoding.prompt, *answer[:-1]), positions, answer)
    else:
        yield from masked_fillings(encoding, answer)


def masked_fillings(encoding: MaskedEncoding, answer: tuple[int, ...]) -> Iterator[Query]:
    """Yield one row per token of the answer: it and those after it are masked."""
    for i, token in enumerate(answer):
        masks = (encoding.mask,) * (len(answer) - i)
        ids = (*encoding.before, *answer[:i], *masks, *encoding.after)
        yield Query(ids, (len(encoding.before) + i,), (token,), first=i)


def answer_table(
    asked: AnswerRows, log_probabilities: NDArray[np.float64], n_rows: int
) -> NDArray[np.float64]:
    """Return the log-probability of each answer, (n_rows, n_answers); -inf where there is none."""
    counts = [len(answers) for answers in asked.answers]
    table = np.full((n_rows, max(counts, default=1)), -np.inf)
    row = np.array([q.edits for q in asked.queries], dtype=np.intp)
    answer = np.array(asked.answer, dtype=np.intp)
    table[row, answer] = 0.0
    np.add.at(table, (row, answer), log_probabilities)
    return table


def reduce_answers(
    asked: AnswerRows, log_probabilities: NDArray[np.float64], reduce: str, n_rows: int
) -> NDArray[np.float64]:
    """Return one log-probability per row of edits; every row belongs to one fact.

    ``log_probabilities`` belong to the queries. ``reduce="best"`` returns that of the most probable
    answer, ``"sum"`` the sum over disjoint answers.
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be 'best' or 'sum', got {reduce!r}.")
    table = answer_table(asked, log_probabilities, n_rows)
    if reduce == "best":
        return table.max(axis=1)
    row = np.array([q.edits for q in asked.queries], dtype=np.intp)
    for number, (answers, kept) in enumerate(zip(asked.answers, asked.disjoint, strict=True)):
        dropped = [i for i, ids in enumerate(answers) if ids not in kept]
        of_fact = np.unique(row[np.array(asked.fact) == number])
        table[np.ix_(of_fact, np.array(dropped, dtype=np.intp))] = -np.inf
    total: NDArray[np.float64] = np.logaddexp.reduce(table, axis=1)
    return total
