"""What is measured about the pairs of one paradigm or relation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.models.edits import Edit
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.passes import Query, log_probabilities
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.critique.measures import rank_one_share, shuffled_share
from neurotopo.studies.critique.options import CritiqueOptions
from neurotopo.studies.critique.pairs import Group, Pair
from neurotopo.studies.search import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import seed_for

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["PairWork"]


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

    def __init__(
        self, model: NeuronModel, options: CritiqueOptions, searcher: NeuronFinder, seed: int
    ) -> None:
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
