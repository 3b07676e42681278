"""Minimal pairs: a prompt with a word that fits and one that does not, of grammar and of facts."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neurotopo.datasets.blimp import load_blimp
from neurotopo.datasets.truth import Truth
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.facts import Fact
from neurotopo.studies.critique.options import AGREEMENT, CritiqueOptions
from neurotopo.testbed.agreement import draw_pairs

__all__ = ["KINDS", "Group", "Pair", "count_words", "digest_of", "fact_groups", "grammar_groups"]

KINDS = ("grammar", "facts")
"""What pairs are about."""


@dataclass(frozen=True)
class Pair:
    """A prompt, the answer that fits, and one that does not.

    Attributes
    ----------
    key : str
        Its name.
    fact : Fact or None
        The prompt, with what fits as its first answer. None where there is no such prompt.
    bad : str or None
        What does not fit.
    left_out : str or None
        Why the pair cannot be worked on; None: it can.
    counts : tuple of (int, int) or None
        How often a corpus has either word.
    """

    key: str
    fact: Fact | None
    bad: str | None
    left_out: str | None = None
    counts: tuple[int, int] | None = None

    @property
    def good_fact(self) -> Fact:
        """The prompt with the one answer that is compared: several would have the better odds."""
        assert self.fact is not None
        return replace(self.fact, answers=self.fact.answers[:1], id=self.key)

    @property
    def bad_fact(self) -> Fact:
        """The prompt with what does not fit."""
        assert self.fact is not None
        assert self.bad is not None
        return replace(self.fact, answers=(self.bad,), id=f"{self.key}~bad")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        fact = None if self.fact is None else self.fact.to_dict()
        return {**vars(self), "fact": fact}


@dataclass(frozen=True)
class Group:
    """Pairs of one paradigm or relation, worked on together.

    Attributes
    ----------
    kind : {"grammar", "facts"}
        What they are about.
    name : str
        The paradigm or relation.
    pairs : tuple of Pair
        The pairs.
    """

    kind: str
    name: str
    pairs: tuple[Pair, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Its name among all that is worked on; other pairs of the same name have another."""
        return f"{self.kind}: {self.name} [{self._digest[:8]}]"

    @cached_property
    def _digest(self) -> str:
        return digest_of([pair.to_dict() for pair in self.pairs])

    def to_dict(self) -> dict[str, Any]:
        """Return what it is, the pairs as a hash."""
        return {
            "part": "pairs",
            "kind": self.kind,
            "group": self.name,
            "n_pairs": len(self.pairs),
            "pairs": self._digest,
        }


def digest_of(content: Any) -> str:
    """Return a short hash of what JSON can hold."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def grammar_groups(options: CritiqueOptions, seed: int) -> list[Group]:
    """Return the minimal pairs of grammar, a group for each paradigm.

    Parameters
    ----------
    options : CritiqueOptions
        Which pairs, and how many.
    seed : int
        Seed of what is drawn.

    Returns
    -------
    list of Group

    Examples
    --------
    >>> from neurotopo.studies.critique.options import CritiqueOptions
    >>> from neurotopo.studies.critique.pairs import grammar_groups
    >>> group = grammar_groups(CritiqueOptions(n_pairs=20), seed=0)[1]
    >>> group.name, len(group.pairs)
    ('noun adjective, singular', 2)
    """
    if not options.n_pairs:
        return []
    drawn = _agreement(options.n_pairs, seed)
    if options.pairs != AGREEMENT:
        drawn = _blimp(options.pairs, options.n_pairs, seed)
    return _grouped("grammar", drawn, options.per_group)


def fact_groups(
    facts: Iterable[Fact], truth: Truth, options: CritiqueOptions, seed: int
) -> list[Group]:
    """Return facts as pairs: the answer, and a wrong answer of the same relation.

    Parameters
    ----------
    facts : iterable of Fact
        The facts.
    truth : Truth
        What is true.
    options : CritiqueOptions
        How many pairs a group has.
    seed : int
        Seed of the wrong answers.

    Returns
    -------
    list of Group
    """
    drawn = []
    for fact in facts:
        bad, reason = None, None
        try:
            bad = counterfactual_answers(fact, truth, seed=seed)[0]
        except ValueError:  # no other answer of the relation is wrong
            reason = "no wrong answer"
        drawn.append((fact.relation or "no relation", Pair(fact.key, fact, bad, reason)))
    return _grouped("facts", drawn, options.per_group)


def _agreement(n: int, seed: int) -> list[tuple[str, Pair]]:
    drawn = []
    for i, pair in enumerate(draw_pairs(n, seed)):
        name = f"{pair.phenomenon.replace('_', ' ')}, {pair.number}"
        fact = Fact(f"{pair.prefix} _X_", pair.good, relation=name, id=f"agreement:{i}")
        drawn.append((name, Pair(fact.key, fact, pair.bad)))
    return sorted(drawn, key=lambda one: one[0])


def _blimp(path: str, n: int, seed: int) -> list[tuple[str, Pair]]:
    read = list(load_blimp(path))
    chosen = range(len(read))
    if n < len(read):
        chosen = np.sort(np.random.default_rng(seed).choice(len(read), n, replace=False)).tolist()
    drawn = []
    for pair in (read[i] for i in chosen):
        if pair.prefix is None or pair.good_word is None or pair.bad_word is None:
            found = Pair(pair.id, None, None, "no common prefix before one word")
        else:
            fact = Fact(f"{pair.prefix} _X_", pair.good_word, relation=pair.paradigm, id=pair.id)
            found = Pair(pair.id, fact, pair.bad_word)
        drawn.append((pair.paradigm, found))
    return drawn


def _grouped(kind: str, drawn: Sequence[tuple[str, Pair]], most: int) -> list[Group]:
    """Return groups of at most so many pairs; parts of one paradigm are numbered."""
    groups: dict[str, list[Pair]] = {}
    for name, pair in drawn:
        groups.setdefault(name, []).append(pair)
    found = []
    for name, pairs in groups.items():
        n_parts = -(-len(pairs) // most)
        for i in range(n_parts):
            label = name if n_parts == 1 else f"{name} ({i + 1} of {n_parts})"
            found.append(Group(kind, label, tuple(pairs[i::n_parts])))
    return found


def count_words(groups: Iterable[Group], corpus: str) -> list[Group]:
    """Count the words of all pairs in a text file.

    Parameters
    ----------
    groups : iterable of Group
        The pairs.
    corpus : str
        A UTF-8 text. Words are compared without case; an answer of several is counted where they
        follow each other.

    Returns
    -------
    list of Group
    """
    groups = list(groups)
    wanted = {
        _words(text)
        for group in groups
        for pair in group.pairs
        if pair.left_out is None and pair.fact is not None and pair.bad is not None
        for text in (pair.fact.answers[0], pair.bad)
    }
    counts = _counts(wanted, Path(corpus))

    def counted(pair: Pair) -> Pair:
        if pair.left_out is not None or pair.fact is None or pair.bad is None:
            return pair
        good, bad = (counts[_words(text)] for text in (pair.fact.answers[0], pair.bad))
        return replace(pair, counts=(good, bad))

    return [replace(group, pairs=tuple(map(counted, group.pairs))) for group in groups]


def _counts(wanted: Iterable[tuple[str, ...]], path: Path) -> Mapping[tuple[str, ...], int]:
    lengths: dict[int, set[tuple[str, ...]]] = {}
    for words in wanted:
        lengths.setdefault(len(words), set()).add(words)
    counts: Counter[tuple[str, ...]] = Counter()
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            words = _words(line)
            for n, ours in lengths.items():
                runs = (words[i : i + n] for i in range(len(words) - n + 1))
                counts.update(run for run in runs if run in ours)
    return counts


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", text.casefold()))
