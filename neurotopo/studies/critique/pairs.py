"""Pairs of words that fit and do not, of grammar and of facts, and what is measured about them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.datasets.blimp import load_blimp
from neurotopo.datasets.truth import Truth
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.facts import Fact
from neurotopo.models.edits import Edit
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.passes import Query, log_probabilities
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.critique.measures import rank_one_share, shuffled_share
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import seed_for
from neurotopo.testbed.agreement import draw_pairs

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "AGREEMENT",
    "KINDS",
    "Group",
    "Pair",
    "PairWork",
    "count_words",
    "digest_of",
    "fact_groups",
    "grammar_groups",
]

AGREEMENT = "agreement"
"""Name of the pairs of number agreement that the test bed makes."""

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


def grammar_groups(options: Any, seed: int) -> list[Group]:
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
    >>> from neurotopo.studies.critique.pairs import grammar_groups
    >>> from neurotopo.studies.critique.study import CritiqueOptions
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


def fact_groups(facts: Iterable[Fact], truth: Truth, options: Any, seed: int) -> list[Group]:
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


class PairWork:
    """Work on a group of pairs.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : CritiqueOptions
        What is done.
    searcher : NeuronFinder
        What finds neurons.
    seed : int
        Seed of everything that is random.
    """

    def __init__(self, model: NeuronModel, options: Any, searcher: NeuronFinder, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._searcher = searcher
        self._scales = {"suppress": 0.0, "enhance": options.enhance}

    def __call__(self, group: Group) -> dict[str, Any]:
        """Return all that is measured about the pairs of a group."""
        rng = np.random.default_rng(seed_for(self.seed, group.key))
        reasons = [self._reason(pair) for pair in group.pairs]
        usable = [p for p, reason in zip(group.pairs, reasons, strict=True) if reason is None]
        found = list(self._searcher.find_all([pair.good_fact for pair in usable]))
        own = iter([self._pair(group.kind, p, n) for p, n in zip(usable, found, strict=True)])
        pairs = [
            next(own) if reason is None else {"key": pair.key, "reason": reason}
            for pair, reason in zip(group.pairs, reasons, strict=True)
        ]
        return {
            "pairs": pairs,
            "rank1": self._rank_one(usable, found, rng),
            "held_out": self._held_out(usable, found, rng),
        }

    def _reason(self, pair: Pair) -> str | None:
        """Say why a pair cannot be worked on."""
        if pair.left_out is not None:
            return pair.left_out
        try:
            good, bad = (self.model.encode(f).answers[0] for f in (pair.good_fact, pair.bad_fact))
        except ValueError:  # a word the tokenizer does not know, or a prompt it cannot end
            return "cannot be encoded"
        return "the same tokens" if good == bad else None

    def _pair(self, kind: str, pair: Pair, found: FactNeurons) -> dict[str, Any]:
        """Return what suppressing and enhancing the neurons of a pair does to both words."""
        rng = np.random.default_rng(seed_for(self.seed, f"{kind} {pair.key}"))
        arms = self._arms(found, rng)
        edits = [
            Edit(neurons, scale=scale)
            for scale in self._scales.values()
            for neurons in arms.values()
        ]
        good, bad = self._both(pair, [None, *edits])
        assert pair.fact is not None
        answered = None
        if kind == "facts":
            facts = [pair.fact] * (len(edits) + 1)
            answered = recalled(self.model, facts, ends=False, edits=[None, *edits]).tolist()
        return {
            "key": pair.key,
            "reason": None,
            "words": [pair.good_fact.answers[0], pair.bad],
            # a list: the numbers below are in this order, and the store sorts the names of a dict
            "arms": [[name, len(neurons)] for name, neurons in arms.items()],
            "no_dkn": found.reason,
            "good": good,
            "bad": bad,
            "recalled": answered,
            "frequency": self._frequency(pair),
            "limit": self.options.max_change,
            "counts": None if pair.counts is None else list(pair.counts),
        }

    def _arms(self, found: FactNeurons, rng: np.random.Generator) -> dict[str, NeuronSet]:
        """Return the sets of neurons, each with random ones in its size."""
        shape = {"n_layers": self.model.n_layers, "n_neurons": self.model.n_neurons}
        arms: dict[str, NeuronSet] = {}
        if len(found.neurons):
            drawn = size_matched(found.neurons, NeuronSet(), rng, **shape).neurons
            arms = {
                "own": found.neurons,
                "own_random": drawn["random"],
                "own_random_layers": drawn["random_layers"],
            }
        if len(found.degenerate):
            arms |= size_matched(found.degenerate, found.others, rng, **shape).neurons
        return arms

    def _both(self, pair: Pair, edits: Sequence[Edit | None]) -> tuple[Any, Any]:
        """Return the log-probabilities of both words under each of some edits."""
        ask = self.model.answer_probability
        return tuple(ask(fact, edits, log=True) for fact in (pair.good_fact, pair.bad_fact))

    def _odds(self, pair: Pair, edits: Sequence[Edit | None]) -> NDArray[np.float64]:
        good, bad = self._both(pair, edits)
        return np.asarray(good - bad)

    def _frequency(self, pair: Pair) -> list[float]:
        """Return how likely the model holds either word with no text before it."""
        encoded = [self.model.encode(fact) for fact in (pair.good_fact, pair.bad_fact)]
        queries = [self._alone(one) for one in encoded]
        flat = [query for own in queries for query in own]
        values = iter(log_probabilities(self.model.pass_settings(), flat, None).tolist())
        return [sum(next(values) for _ in own) for own in queries]

    def _alone(self, encoding: Any) -> list[Query]:
        answer = encoding.answers[0]
        tokenizer = self.model.tokenizer
        if isinstance(encoding, CausalEncoding):
            starts = (tokenizer.bos_token_id, tokenizer.eos_token_id)
            # without a token for the beginning of a text its first one is as near as can be
            start = next((int(one) for one in starts if one is not None), encoding.prompt[0])
            return [Query((start, *answer[:-1]), tuple(range(len(answer))), answer)]
        begin = [tokenizer.cls_token_id] if tokenizer.cls_token_id is not None else []
        end = [tokenizer.sep_token_id] if tokenizer.sep_token_id is not None else []
        return [
            Query(
                (*begin, *answer[:i], *(encoding.mask,) * (len(answer) - i), *end),
                (len(begin) + i,),
                (token,),
            )
            for i, token in enumerate(answer)
        ]

    def _rank_one(
        self, pairs: Sequence[Pair], found: Sequence[FactNeurons], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Return the rank-1 share of the attributions and of the effects of single neurons."""
        union = NeuronSet(pair for one in found for pair in one.neurons)
        if len(pairs) < 2 or len(union) < 2:
            return {}
        layers, indices = union.to_array().T
        scores = np.array([one.attribution.scores[layers, indices] for one in found])
        strongest = np.argsort(-np.abs(scores).sum(axis=0), kind="stable")[: self.options.top]
        edits: list[Edit | None] = [None]
        edits += [Edit(union[[int(i)]]) for i in np.sort(strongest)]
        odds = np.array([self._odds(pair, edits) for pair in pairs])
        effects = odds[:, :1] - odds[:, 1:]
        return {
            name: {
                "share": rank_one_share(rows),
                "shuffled": shuffled_share(rows, rng),
                "shape": list(rows.shape),
            }
            for name, rows in (("attributions", scores), ("effects", effects))
        }

    def _held_out(
        self, pairs: Sequence[Pair], found: Sequence[FactNeurons], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Suppress, on one half of the pairs, the neurons that are common in the other half."""
        half = len(pairs) // 2
        if not half:
            return {}
        order = rng.permutation(len(pairs))
        train, test = order[:half], np.sort(order[half:])
        shared = {
            "own": self._common([found[i].neurons for i in train]),
            "dkn": self._common([found[i].degenerate for i in train]),
        }
        result: dict[str, Any] = {
            "n_train": int(half),
            "n_test": len(test),
            "sizes": {name: len(neurons) for name, neurons in shared.items()},
            "pairs": {},
        }
        shape = {"n_layers": self.model.n_layers, "n_neurons": self.model.n_neurons}
        for name, neurons in shared.items():
            if not len(neurons):
                continue
            rows = {}
            for i in test:
                drawn = size_matched(neurons, NeuronSet(), rng, **shape).neurons
                edits = [None, Edit(neurons), Edit(drawn["random"]), Edit(drawn["random_layers"])]
                rows[pairs[i].key] = self._odds(pairs[i], edits)
            result["pairs"][name] = rows
        return result

    def _common(self, sets: Sequence[NeuronSet]) -> NeuronSet:
        """Return the neurons that are in more than a share of some sets."""
        counts: dict[tuple[int, int], int] = {}
        for neurons in sets:
            for pair in neurons:
                counts[pair] = counts.get(pair, 0) + 1
        return NeuronSet(
            sorted(pair for pair, n in counts.items() if n > self.options.share * len(sets))
        )
