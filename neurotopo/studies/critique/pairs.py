"""Pairs of a fitting and a wrong word, of grammar and of facts, and the measures of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurotopo.datasets.blimp import load_blimp
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.truth import Truth
from neurotopo.models.edits import Edit
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.passes import Query, log_probabilities
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy import Ablation
from neurotopo.studies.ablation import MEAN, MeanValues, suppressing
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import digest_of, seed_for
from neurotopo.testbed.agreement import draw_pairs

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "AGREEMENT",
    "KINDS",
    "MODES",
    "Group",
    "Line",
    "Pair",
    "PairWork",
    "Votes",
    "count_words",
    "effect_rows",
    "fact_groups",
    "grammar_groups",
    "held_rows",
    "line_through",
    "pair_cells",
    "rank_one_share",
    "shuffled_share",
    "votes_of",
]

AGREEMENT = "agreement"
"""Name of the pairs of number agreement that the test bed makes."""

KINDS = ("grammar", "facts")
"""The two kinds of pairs."""

MODES = ("suppress", "enhance")
"""What is done to them."""
_HELD_ARMS = ("shared", "random", "random_layers")


@dataclass(frozen=True)
class Pair:
    """A prompt, the answer that fits, and one that does not."""

    key: str
    fact: Fact | None  # the prompt, with the fitting word as its first answer
    bad: str | None
    left_out: str | None = None  # the reason, if the pair is left out
    counts: tuple[int, int] | None = None  # of both words in a corpus

    @property
    def good_fact(self) -> Fact:
        """The prompt with one answer: several would have the better odds."""
        assert self.fact is not None
        return replace(self.fact, answers=self.fact.answers[:1], id=self.key)

    @property
    def bad_fact(self) -> Fact:
        """The prompt with the word that does not fit."""
        assert self.fact is not None
        assert self.bad is not None
        return replace(self.fact, answers=(self.bad,), id=f"{self.key}~bad")

    def to_dict(self) -> dict[str, Any]:
        """Return the pair in types that JSON can hold."""
        fact = None if self.fact is None else self.fact.to_dict()
        return {**vars(self), "fact": fact}


@dataclass(frozen=True)
class Group:
    """Pairs of one paradigm or relation, measured together."""

    kind: str  # one of KINDS
    name: str  # the paradigm or relation
    pairs: tuple[Pair, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Unique name, which depends on the pairs."""
        return f"{self.kind}: {self.name} [{self._digest[:8]}]"

    @cached_property
    def _digest(self) -> str:
        return digest_of([pair.to_dict() for pair in self.pairs])

    def to_dict(self) -> dict[str, Any]:
        """Return a description, with the pairs as a hash."""
        return {
            "part": "pairs",
            "kind": self.kind,
            "group": self.name,
            "n_pairs": len(self.pairs),
            "pairs": self._digest,
        }


def grammar_groups(options: Any, seed: int) -> list[Group]:
    """Return the minimal pairs of grammar, a group for each paradigm; ``seed`` draws them.

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
    """Return facts as pairs: the answer, and a wrong answer of the same relation."""
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
            one = Pair(pair.id, None, None, "no common prefix before one word")
        else:
            fact = Fact(f"{pair.prefix} _X_", pair.good_word, relation=pair.paradigm, id=pair.id)
            one = Pair(pair.id, fact, pair.bad_word)
        drawn.append((pair.paradigm, one))
    return drawn


def _grouped(kind: str, drawn: Sequence[tuple[str, Pair]], most: int) -> list[Group]:
    """Return groups of at most ``most`` pairs; parts of one paradigm are numbered."""
    groups: dict[str, list[Pair]] = {}
    for name, pair in drawn:
        groups.setdefault(name, []).append(pair)
    parts = []
    for name, pairs in groups.items():
        n_parts = -(-len(pairs) // most)
        for i in range(n_parts):
            label = name if n_parts == 1 else f"{name} ({i + 1} of {n_parts})"
            parts.append(Group(kind, label, tuple(pairs[i::n_parts])))
    return parts


def count_words(groups: Iterable[Group], corpus: str) -> list[Group]:
    """Return the groups with the counts of their words in a UTF-8 text file.

    Case does not count. An answer of several words is counted where they follow each other.
    """
    groups = list(groups)

    def words(pair: Pair) -> list[tuple[str, ...]]:
        if pair.left_out is not None or pair.fact is None or pair.bad is None:
            return []
        return [_words(pair.fact.answers[0]), _words(pair.bad)]

    wanted = {one for group in groups for pair in group.pairs for one in words(pair)}
    counts = _counts(wanted, Path(corpus))

    def counted(pair: Pair) -> Pair:
        both = words(pair)
        return replace(pair, counts=(counts[both[0]], counts[both[1]])) if both else pair

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
    """Measures groups of pairs in a model; ``seed`` draws everything that is random."""

    def __init__(self, model: NeuronModel, options: Any, finder: NeuronFinder, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self._finder = finder
        self._shape = {"n_layers": model.n_layers, "n_neurons": model.n_neurons}

    def __call__(self, group: Group) -> dict[str, Any]:
        """Return the results of a group."""
        rng = np.random.default_rng(seed_for(self.seed, group.key))
        reasons = [self._reason(pair) for pair in group.pairs]
        values = self._values(group, reasons)
        usable = [p for p, reason in zip(group.pairs, reasons, strict=True) if reason is None]
        neurons = list(self._finder.find_all([pair.good_fact for pair in usable]))
        of_each = zip(usable, neurons, (values[pair.key] for pair in usable), strict=True)
        own = iter([self._pair(group.kind, *each) for each in of_each])
        pairs = [
            next(own) if reason is None else {"key": pair.key, "reason": reason}
            for pair, reason in zip(group.pairs, reasons, strict=True)
        ]
        return {
            "pairs": pairs,
            "rank1": self._rank_one(usable, neurons, values, rng),
            "held_out": self._held_out(usable, neurons, values, rng),
        }

    def _values(self, group: Group, reasons: list[str | None]) -> dict[str, Ablation | None]:
        """Return the mean values for each pair, None for zeros; add reasons where there are none.

        The means are over the pairs of the group with other prompts.
        """
        usable = [i for i, reason in enumerate(reasons) if reason is None]
        if self.options.ablation != MEAN:
            return {group.pairs[i].key: None for i in usable}
        facts = {i: group.pairs[i].good_fact for i in usable}
        # facts without a relation are one group, but have nothing in common
        facts = {i: fact for i, fact in facts.items() if fact.relation is not None}
        means = MeanValues(self.model, list(facts.values()))
        values: dict[str, Ablation | None] = {}
        for i in usable:
            own = means.of(facts[i]) if i in facts else None
            if own is None:
                reasons[i] = "no other prompt for the mean"
            else:
                values[group.pairs[i].key] = own
        return values

    def _reason(self, pair: Pair) -> str | None:
        """Return the reason for leaving a pair out, or None."""
        if pair.left_out is not None:
            return pair.left_out
        try:
            good, bad = (self.model.encode(f).answers[0] for f in (pair.good_fact, pair.bad_fact))
        except ValueError:  # a word the tokenizer does not know, or a prompt it cannot end
            return "cannot be encoded"
        return "the same tokens" if good == bad else None

    def _pair(
        self, kind: str, pair: Pair, neurons: FactNeurons, values: Ablation | None
    ) -> dict[str, Any]:
        """Return the probabilities of both words with the neurons of a pair edited."""
        rng = np.random.default_rng(seed_for(self.seed, f"{kind} {pair.key}"))
        arms = self._arms(neurons, rng)
        edits = [suppressing(chosen, values) for chosen in arms.values()]
        edits += [Edit(chosen, scale=self.options.enhance) for chosen in arms.values()]
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
            "arms": [[name, len(chosen)] for name, chosen in arms.items()],
            "no_dkn": neurons.reason,
            "good": good,
            "bad": bad,
            "recalled": answered,
            "frequency": self._frequency(pair),
            "limit": self.options.max_change,
            "counts": None if pair.counts is None else list(pair.counts),
        }

    def _arms(self, neurons: FactNeurons, rng: np.random.Generator) -> dict[str, NeuronSet]:
        """Return the sets of neurons, each with random ones in its size."""
        arms: dict[str, NeuronSet] = {}
        if len(neurons.neurons):
            drawn = self._random(neurons.neurons, rng)
            arms = {"own": neurons.neurons, **{f"own_{name}": drawn[name] for name in drawn}}
        if len(neurons.degenerate):
            arms |= size_matched(neurons.degenerate, neurons.others, rng, **self._shape).neurons
        return arms

    def _random(self, neurons: NeuronSet, rng: np.random.Generator) -> dict[str, NeuronSet]:
        """Return as many random neurons, of any layers and of the same layers."""
        drawn = size_matched(neurons, NeuronSet(), rng, **self._shape).neurons
        return {name: drawn[name] for name in ("random", "random_layers")}

    def _both(self, pair: Pair, edits: Sequence[Edit | None]) -> tuple[Any, Any]:
        """Return the log-probabilities of both words under each of some edits."""
        ask = self.model.answer_probability
        return tuple(ask(fact, edits, log=True) for fact in (pair.good_fact, pair.bad_fact))

    def _odds(self, pair: Pair, edits: Sequence[Edit | None]) -> NDArray[np.float64]:
        good, bad = self._both(pair, edits)
        return np.asarray(good - bad)

    def _frequency(self, pair: Pair) -> list[float]:
        """Return the log-probability of either word with no text before it."""
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
            # without a token for the beginning of a text, the first token is the nearest
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
        self,
        pairs: Sequence[Pair],
        neurons: Sequence[FactNeurons],
        values: Mapping[str, Ablation | None],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Return the rank-1 share of the attributions and of the effects of single neurons."""
        union = NeuronSet(pair for one in neurons for pair in one.neurons)
        if len(pairs) < 2 or len(union) < 2:
            return {}
        layers, indices = union.to_array().T
        scores = np.array([one.attribution.scores[layers, indices] for one in neurons])
        strongest = np.argsort(-np.abs(scores).sum(axis=0), kind="stable")[: self.options.top]
        single = [union[[int(i)]] for i in np.sort(strongest)]
        odds = np.array(
            [
                self._odds(pair, [None, *(suppressing(one, values[pair.key]) for one in single)])
                for pair in pairs
            ]
        )
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
        self,
        pairs: Sequence[Pair],
        neurons: Sequence[FactNeurons],
        values: Mapping[str, Ablation | None],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Suppress, on one half of the pairs, the neurons that are common in the other half."""
        half = len(pairs) // 2
        if not half:
            return {}
        order = rng.permutation(len(pairs))
        train, test = order[:half], np.sort(order[half:])
        shared = {
            "own": self._common([neurons[i].neurons for i in train]),
            "dkn": self._common([neurons[i].degenerate for i in train]),
        }
        result: dict[str, Any] = {
            "n_train": int(half),
            "n_test": len(test),
            "sizes": {name: len(chosen) for name, chosen in shared.items()},
            "pairs": {},
        }
        for name, chosen in shared.items():
            if not len(chosen):
                continue
            rows = {}
            for i in test:
                sets = [chosen, *self._random(chosen, rng).values()]
                own = values[pairs[i].key]
                rows[pairs[i].key] = self._odds(
                    pairs[i], [None, *(suppressing(one, own) for one in sets)]
                )
            result["pairs"][name] = rows
        return result

    def _common(self, sets: Sequence[NeuronSet]) -> NeuronSet:
        """Return the neurons that are in more than a share of the sets."""
        counts = Counter(pair for neurons in sets for pair in neurons)
        return NeuronSet(
            sorted(pair for pair, n in counts.items() if n > self.options.share * len(sets))
        )


def pair_cells(pair: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a stored pair."""
    if pair["reason"] is not None:
        return {"reason": pair["reason"]}
    both = {"word": pair["words"], "frequency": pair["frequency"]}
    both["count"] = pair["counts"] or (np.nan, np.nan)
    arms = dict(pair["arms"])
    return {
        "reason": None,
        "good_word": both["word"][0],
        "bad_word": both["word"][1],
        "good": float(np.exp(pair["good"][0])),
        "odds": pair["good"][0] - pair["bad"][0],
        "answered": np.nan if pair["recalled"] is None else float(pair["recalled"][0]),
        **{
            f"{name}_{side}": both[name][k]
            for name in ("frequency", "count")
            for k, side in enumerate(("good", "bad"))
        },
        "n_own": arms.get("own", 0),
        "n_dkn": arms.get("dkn", 0),
        "no_dkn": pair["no_dkn"],
    }


def effect_rows(pair: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each mode and set of neurons of a stored pair."""
    good = np.asarray(pair["good"], dtype=np.float64)
    odds = good - np.asarray(pair["bad"], dtype=np.float64)
    known, arms = pair["recalled"], pair["arms"]
    with np.errstate(over="ignore"):
        drops = 1 - np.exp(good - good[0])
    for m, mode in enumerate(MODES):
        here = slice(1 + m * len(arms), 1 + (m + 1) * len(arms))
        extreme = bool((~(np.abs(drops[here]) <= pair["limit"])).any())
        for k, (arm, size) in enumerate(arms, start=here.start):
            yield {
                "mode": mode,
                "arm": arm,
                "size": size,
                "dprob": drops[k],
                "odds_before": odds[0],
                "odds_after": odds[k],
                "push": (odds[0] - odds[k]) * (1 if mode == "suppress" else -1),
                "flip": float(odds[k] <= 0) if odds[0] > 0 else np.nan,
                "lost": float(not known[k]) if known is not None and known[0] else np.nan,
                "extreme": extreme,
            }


def held_rows(held: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each held-out pair, source of neurons and set."""
    for source, by_pair in held["pairs"].items():
        for pair, values in by_pair.items():
            before, *after = (float(value) for value in values)
            for arm, value in zip(_HELD_ARMS, after, strict=True):
                yield {
                    "pair": pair,
                    "source": source,
                    "size": held["sizes"][source],
                    "arm": arm,
                    "odds_before": before,
                    "push": before - value,
                    "flip": float(value <= 0) if before > 0 else np.nan,
                }


def rank_one_share(rows: ArrayLike) -> float:
    """Return how much rows share a direction: 1 for one direction, 0 for orthogonal rows.

    With the rows scaled to unit length and the largest singular value s of their matrix this is
    (s^2 - 1) / (n - 1) for n rows.

    Parameters
    ----------
    rows : array-like, shape (n, k)
        The rows. Rows of zeros have no direction and are left out.

    Returns
    -------
    float
        nan for fewer than two rows with a direction.

    References
    ----------
    .. [1] J. Niu et al., "What does the Knowledge Neuron Thesis Have to do with Knowledge?", ICLR
       2024.

    Examples
    --------
    >>> from neurotopo.studies.critique.pairs import rank_one_share
    >>> rank_one_share([[1, 2], [2, 4], [3, 6]]), rank_one_share([[1, 0], [0, 3]])
    (1.0, 0.0)
    """
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"rows must have two dimensions, got shape {values.shape}.")
    values = values[np.isfinite(values).all(axis=1) & values.any(axis=1)]
    if len(values) < 2:
        return math.nan
    values = values / np.abs(values).max(axis=1, keepdims=True)  # squares must not underflow
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    largest = float(np.linalg.norm(values, 2))
    return min(max((largest**2 - 1) / (len(values) - 1), 0.0), 1.0)


def shuffled_share(rows: ArrayLike, rng: np.random.Generator, times: int = 20) -> float:
    """Return the mean rank-1 share with the entries of every row shuffled.

    This is the expected share of rows with these values in unrelated columns.

    Parameters
    ----------
    rows : array-like, shape (n, k)
        The rows.
    rng : Generator
        The random generator.
    times : int, default=20
        Number of draws.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.critique.pairs import shuffled_share
    >>> shuffled_share([[1.0, 1.0], [2.0, 2.0]], np.random.default_rng(0))
    1.0
    """
    values = np.asarray(rows, dtype=np.float64)
    shares = [rank_one_share(rng.permuted(values, axis=1)) for _ in range(times)]
    return float(np.mean(shares))


@dataclass(frozen=True)
class Line:
    """A straight line y = constant + slope x by least squares.

    Of the constant and the slope it has the 95 % intervals and the p-values against 0. ``share`` is
    the share of the variance of y that x explains: with a constant as the only other regressor
    the partial R^2 of x.
    """

    n: int
    constant: float = math.nan
    constant_low: float = math.nan
    constant_high: float = math.nan
    p_constant: float = math.nan
    slope: float = math.nan
    slope_low: float = math.nan
    slope_high: float = math.nan
    p_slope: float = math.nan
    share: float = math.nan


def line_through(x: ArrayLike, y: ArrayLike) -> Line:
    """Fit a straight line.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        The points; points that are not finite are left out.

    Returns
    -------
    Line
        With fewer than three points or equal x, all but n are nan.

    Examples
    --------
    >>> from neurotopo.studies.critique.pairs import line_through
    >>> line = line_through([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])
    >>> line.n, line.constant, line.slope, line.share
    (3, 0.917, 2.25, 0.996)
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (x, y))
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    n = len(a)
    if n < 3 or np.ptp(a) == 0:
        return Line(n)
    fit = stats.linregress(a, b)
    reach = float(stats.t.ppf(0.975, n - 2))
    constant, error = float(fit.intercept), float(fit.intercept_stderr)
    spread = float(np.ptp(b)) > 0
    return Line(
        n,
        constant,
        constant - reach * error,
        constant + reach * error,
        2 * float(stats.t.sf(abs(constant) / error, n - 2)) if error > 0 else math.nan,
        float(fit.slope),
        float(fit.slope - reach * fit.stderr),
        float(fit.slope + reach * fit.stderr),
        float(fit.pvalue) if spread else math.nan,
        float(fit.rvalue) ** 2 if spread else math.nan,
    )


@dataclass(frozen=True)
class Votes:
    """Votes of sets of words on whether the fitting word is preferred."""

    n: int  # sets of words with a majority
    for_good: int  # of these, the sets with a majority for the fitting word
    p: float  # of so many or more by chance; nan without votes


def votes_of(words: Iterable[Hashable], preferred: Iterable[bool]) -> Votes:
    """Let each set of words vote on whether the model prefers what fits.

    A model that prefers one word after any prompt is right wherever that word fits, and many pairs
    of the same two words would make this look significant. So all pairs of the same two words
    have one vote together, and none if they are divided.

    Parameters
    ----------
    words : iterable
        The two words of each pair as an unordered set.
    preferred : iterable of bool
        Whether the fitting word of the pair is the likelier one.

    Returns
    -------
    Votes

    Examples
    --------
    >>> from neurotopo.studies.critique.pairs import votes_of
    >>> am, do = frozenset({"is", "are"}), frozenset({"do", "does"})
    >>> votes_of([am, am, do, do, do], [True, False, True, True, False])
    Votes(n=1, for_good=1, p=0.5)
    """
    sides: dict[Hashable, list[int]] = {}
    for pair, good in zip(words, preferred, strict=True):
        sides.setdefault(pair, []).append(1 if good else -1)
    sums: NDArray[np.int64] = np.array([sum(each) for each in sides.values()], dtype=np.int64)
    n, for_good = int((sums != 0).sum()), int((sums > 0).sum())
    p = float(stats.binomtest(for_good, n, alternative="greater").pvalue) if n else math.nan
    return Votes(n, for_good, p)
