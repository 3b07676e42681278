"""The study ``detection``: do degenerate knowledge neurons tell true facts from false ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.detection import report
from neurotopo.studies.detection.scoring import METHODS, Evaluation, collect
from neurotopo.studies.detection.trials import (
    DetectionOptions,
    RelationTrial,
    facts_of_relations,
    trials,
)
from neurotopo.studies.findings import RULE
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import Study, seed_for
from neurotopo.testbed.corpus import sentences_of

__all__ = ["STUDY", "Detection", "DetectionOptions"]


class Detection(Study):
    """The study ``detection``: the scores of true and wrong labels, relation by relation."""

    name = "detection"
    version = 2
    title = "Degenerate knowledge neurons: do they tell true facts from false ones"
    notes = (
        "Each fact has a true label, one of its answers, and a wrong one. Wrong labels are the "
        "true labels of the same facts, exchanged: they are as frequent as true ones and as long, "
        "so the label alone shows nothing. None may be true of its subject at any date of the "
        "file.",
        "A relation's facts are divided by subject. On the train facts neurons are chosen (the "
        "degenerate knowledge neurons of more than a share of them) and the threshold is learned; "
        "all results are of the other facts, unless stated otherwise. A label that does not score "
        "above the threshold counts as false.",
        "The score is the mean raw attribution (AMIG) of the neurons, for the probability of the "
        "label. The threshold is that of the best balanced accuracy; that of the best F1 of one "
        "class would call almost everything true.",
        "The attributions of a layer sum to the change of the label's probability along their "
        "path. So any neurons score a label higher if the model gives it a high probability. "
        "Detection by chosen neurons must therefore be compared with random neurons of the same "
        "number, and with the probability itself, which costs one call to the model.",
        f"{RULE} A claim needs this against chance and against both kinds of random neurons, "
        "such neurons in at least half of the relations, and a model that answers the facts.",
    )
    Options = DetectionOptions
    unit = "relation"
    timed = False
    tables = report.TABLES
    pictures = report.PICTURES

    def setup(self) -> None:
        """Prepare the search for neurons."""
        self._finder = NeuronFinder(self.model, self.options.search())
        self._shape = {"n_layers": self.model.n_layers, "n_neurons": self.model.n_neurons}

    def load(self, facts: Any, model: Any = None, **given: Any) -> Any:
        """Return the facts; see :func:`~neurotopo.studies.detection.trials.facts_of_relations`."""
        return facts_of_relations(facts, model, **given)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return the relations with their labels."""
        return trials(facts, options, seed)

    def frames(self, rows: Any) -> Evaluation:
        """Return the evaluation of the stored scores."""
        return Evaluation(collect(rows))

    def findings(self, frames: Evaluation, tables: Any) -> tuple[str, ...]:
        """Return the findings in sentences."""
        return report.findings_of(frames, tables)

    def rows(self, frames: Evaluation) -> Any:
        """Return the scores of each fact by each method."""
        return frames.run.to_pandas()

    def notes_for(self, frames: Evaluation) -> tuple[str, ...]:
        """Return the notes and the meaning of each method of the run."""
        legend = "; ".join(f"{name}: {METHODS[name]}" for name in frames.run.methods)
        return (*self.notes, f"Methods. {legend}.") if legend else self.notes

    def measure(self, item: RelationTrial) -> dict[str, Any]:
        """Return the scores of a relation's labels by every method."""
        options, pairs = self.options, item.pairs
        about = {
            "relation": item.key,
            "n_facts": item.n_facts,
            "left_out": item.left_out,
            "setting": {
                "threshold_by": options.threshold_by,
                "n_resamples": options.n_resamples,
                "seed": self.seed,
                "share": options.share,
                "shape": list(self._shape.values()),
            },
        }
        if not pairs:
            return {**about, "pairs": {}, "scores": {}, "sets": {}, "sweep": []}
        true, wrong = [p.true_fact for p in pairs], [p.wrong_fact for p in pairs]
        train = [i for i, pair in enumerate(pairs) if pair.train]
        of_facts = list(self._finder.find_all([true[i] for i in train]))
        sets = self._sets(of_facts, item.key)
        swept = list(self._swept(of_facts, item.key))
        named = [(name, each) for name, draws in sets.items() for each in draws]
        every = [each for _, each in named]
        every += [each for *_, dkn, random in swept for each in (dkn, *random)]
        means = self._means(every, true, wrong, dict(zip(train, of_facts, strict=True)))
        scores: dict[str, Any] = {name: [] for name in sets}
        for (name, _), values in zip(named, means, strict=False):
            scores[name].append(values)
        asked = asked_scores(
            self.model, true, wrong, options.verdict_template, options.verdict_words
        )
        scores |= {name: [values] for name, values in asked.items()}
        rest, n_each = means[len(named) :], 1 + options.n_random
        return {
            **about,
            "pairs": {
                "fact": [pair.fact.key for pair in pairs],
                **{
                    name: [getattr(pair, name) for pair in pairs]
                    for name in ("label", "wrong", "subject", "train")
                },
                "known": recalled(self.model, [p.fact for p in pairs], ends=False),
            },
            "scores": scores,
            "sets": {
                "sizes": {name: len(draws[0]) for name, draws in sets.items()},
                "n_train": len(train),
                "with_dkn": sum(bool(len(one.degenerate)) for one in of_facts),
                "with_kn": sum(bool(len(one.neurons)) for one in of_facts),
                "reasons": dict(Counter(one.reason for one in of_facts if one.reason is not None)),
            },
            "sweep": [
                {
                    "option": option,
                    "value": value,
                    "size": len(dkn),
                    "dkn": rest[k * n_each],
                    "random": rest[k * n_each + 1 : (k + 1) * n_each],
                }
                for k, (option, value, dkn, _) in enumerate(swept)
            ],
        }

    def _sets(self, of_facts: Sequence[FactNeurons], key: str) -> dict[str, list[NeuronSet]]:
        """Return the sets of neurons of a relation by method, several draws of random ones."""
        dkn = shared([one.degenerate for one in of_facts], self.options.share)
        kn = shared([one.neurons for one in of_facts], self.options.share)
        n, seed = self.options.n_random, seed_for(self.seed, key)
        return {
            "dkn": [dkn],
            "kn": [kn],
            **random_sets(dkn, n, [seed], **self._shape),
            "random_kn": random_sets(kn, n, [seed, 1], **self._shape)["random"],
        }

    def _swept(
        self, of_facts: Sequence[FactNeurons], key: str
    ) -> Iterator[tuple[str, float, NeuronSet, list[NeuronSet]]]:
        """Yield option, value, degenerate neurons and random ones for each other threshold.

        The attributions are not computed again.
        """
        options, seed = self.options, seed_for(self.seed, key)
        found = self._degenerate(of_facts)
        for name, value in options.swept():
            sets = found.get((name, value), [one.degenerate for one in of_facts])
            dkn = shared(sets, value if name == "share" else options.share)
            drawn = random_sets(dkn, options.n_random, [seed], **self._shape)
            yield name, float(value), dkn, drawn["random"]

    def _degenerate(
        self, of_facts: Sequence[FactNeurons]
    ) -> dict[tuple[str, float], list[NeuronSet]]:
        """Return the degenerate neurons of each fact with other thresholds of the search.

        The thresholds share the results of the sets of neurons that are suppressed.
        """
        finders = {
            (name, value): NeuronFinder(self.model, self.options.search(**{name: value}))
            for name, value in self.options.swept()
            if name != "share" and value != getattr(self.options, name)
        }
        found: dict[tuple[str, float], list[NeuronSet]] = {key: [] for key in finders}
        for one in of_facts if finders else ():
            given = one.fact, one.attribution
            every = [pair for finder in finders.values() for pair in finder.neurons(*given)]
            usual = self._finder.finder
            under = Suppressions(
                self.model, one.fact, NeuronSet(every), usual.positions, usual.reduce
            )
            for key, finder in finders.items():
                found[key].append(finder.of(*given, under).degenerate)
        return found

    def _means(
        self,
        sets: Sequence[NeuronSet],
        true: Sequence[Fact],
        wrong: Sequence[Fact],
        of_facts: Mapping[int, FactNeurons],
    ) -> NDArray[np.float64]:
        """Return the mean attributions of sets, shape (n_sets, 2, n_pairs); nan for empty sets.

        Attributions are large, so they are read one by one and none is kept.
        """
        n_neurons = self.model.n_neurons
        places = [np.asarray(one.layers) * n_neurons + np.asarray(one.indices) for one in sets]
        means = np.full((len(sets), 2, len(true)), np.nan)

        def read(side: int, i: int, scores: NDArray[np.float64]) -> None:
            flat = scores.reshape(-1)
            for k, place in enumerate(places):
                if len(place):
                    means[k, side, i] = flat[place].mean()

        for i, one in of_facts.items():
            read(0, i, one.attribution.scores)
        where = [(0, i) for i in range(len(true)) if i not in of_facts]
        where += [(1, i) for i in range(len(wrong))]
        facts = [(true, wrong)[side][i] for side, i in where]
        many = self._finder.amig.attribute_many(self.model, facts)
        for (side, i), attribution in zip(where, many, strict=True):
            read(side, i, attribution.scores)
        return means


def shared(sets: Sequence[NeuronSet], share: float) -> NeuronSet:
    """Return the neurons in more than a share of the sets that are not empty, and in two at least.

    Parameters
    ----------
    sets : sequence of NeuronSet
        The neurons of each fact.
    share : float
        The share, at least 0 and below 1.

    Returns
    -------
    NeuronSet

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.detection.study import shared
    >>> sets = [NeuronSet([(0, 1), (0, 2)]), NeuronSet([(0, 1)]), NeuronSet()]
    >>> shared(sets, 0.5), shared(sets[:1], 0.5)
    (NeuronSet([(0, 1)]), NeuronSet([]))
    """
    counts = Counter(neuron for one in sets for neuron in one)
    n = sum(bool(len(one)) for one in sets)
    return NeuronSet(neuron for neuron, count in counts.items() if count > max(share * n, 1))


def random_sets(
    neurons: NeuronSet, n: int, seed: Sequence[int], *, n_layers: int, n_neurons: int
) -> dict[str, list[NeuronSet]]:
    """Draw random neurons several times.

    Parameters
    ----------
    neurons : NeuronSet
        The neurons that they are compared with.
    n : int
        Number of draws.
    seed : sequence of int
        Seed of all draws; sets of the same size get the same random neurons.
    n_layers, n_neurons : int
        Shape of the model.

    Returns
    -------
    dict of str to list of NeuronSet
        ``"random"``, as many neurons of all, and ``"random_layers"``, as many in each layer.
    """
    drawn = [
        size_matched(
            neurons,
            NeuronSet(),
            np.random.default_rng([*seed, draw]),
            n_layers=n_layers,
            n_neurons=n_neurons,
        ).neurons
        for draw in range(n)
    ]
    return {name: [each[name] for each in drawn] for name in ("random", "random_layers")}


def asked_scores(
    model: NeuronModel,
    true: Sequence[Fact],
    wrong: Sequence[Fact],
    template: str,
    words: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """Return the model's own scores of true and of wrong labels, by method, shape (2, n) each.

    Parameters
    ----------
    model : NeuronModel
        The model.
    true, wrong : sequence of Fact
        The facts, whose only answer is the label.
    template : str
        The question for a verdict.
    words : sequence of str
        The two verdicts.

    Returns
    -------
    dict of str to ndarray
        ``"probability"``, the log-probability of the label per token; ``"joint"``, that of the
        whole label; ``"answer"``, 1 where the label is the model's greedy answer; ``"verdict"``,
        the log-probability of the first verdict minus that of the second, nan where the tokenizer
        does not know the words; ``"always"``, 1.
    """
    facts = [*true, *wrong]
    joint = model.answer_probabilities(facts, log=True)
    lengths = np.array([len(model.encode(fact).answers[0]) for fact in facts], dtype=np.float64)
    scores = {
        "probability": joint / lengths,
        "joint": joint,
        "answer": recalled(model, facts, ends=False).astype(np.float64),
        "verdict": _verdicts(model, facts, template, words),
        "always": np.ones(len(facts)),
    }
    return {name: values.reshape(2, len(true)) for name, values in scores.items()}


def verdict_fact(fact: Fact, template: str, word: str) -> Fact:
    """Return the question whether a fact is true, with a verdict as answer.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.detection.study import verdict_fact
    >>> fact = Fact("The capital of Zúnia is _X_", "Marly")
    >>> verdict_fact(fact, "{statement} This is _X_", "true").prompt
    'The capital of Zúnia is Marly. This is _X_'
    """
    statement = sentences_of(fact)[0].strip()
    if statement[-1] not in ".!?。":
        statement += "."
    return replace(fact, prompt=template.replace("{statement}", statement), answers=(word,))


def _verdicts(
    model: NeuronModel, facts: Sequence[Fact], template: str, words: Sequence[str]
) -> NDArray[np.float64]:
    asked = [verdict_fact(fact, template, word) for word in words for fact in facts]
    try:
        first, second = model.answer_probabilities(asked, log=True).reshape(2, len(facts))
    except ValueError:  # the tokenizer does not know a word, or the question is too long
        return np.full(len(facts), np.nan)
    return np.asarray(first - second, dtype=np.float64)


STUDY = Detection
