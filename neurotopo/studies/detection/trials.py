"""Facts of a relation with a true and a wrong label each, divided into train and test facts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from neurotopo.datasets.dataset import Dataset, truth_of
from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.truth import Truth, undated_prompt
from neurotopo.knowledge.words import normalized
from neurotopo.studies.facts import facts_for
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.study import seed_for

__all__ = [
    "DetectionOptions",
    "Pair",
    "RelationTrial",
    "facts_of_relations",
    "trials",
    "wrong_labels",
]

WITHOUT = "all"
"""The key of facts without a relation."""

_PER_RELATION = 12  # least number of facts per relation where facts are drawn


_SWEPT = ("share", "threshold", "tau", "tau2")
_THRESHOLDS_BY = ("relation", "pooled")


@dataclass(frozen=True)
class DetectionOptions(SearchOptions):
    """Options of the study ``detection``, besides those of :class:`SearchOptions`.

    Parameters
    ----------
    per_relation : int, default=100
        Maximum number of facts of a relation; they are drawn at random.
    least : int, default=6
        A relation with fewer facts is left out, and counted.
    train_share : float, default=0.5
        Share of a relation's facts on which neurons and thresholds are chosen.
    share : float, default=0.5
        A neuron belongs to a relation if it is found for more than this share of the train facts
        that have any.
    n_random : int, default=5
        Draws of random neurons.
    threshold_by : {"relation", "pooled"}, default="relation"
        One threshold per relation, as in AMIG, or one for all.
    verdict_template : str, default="{statement} This is _X_"
        The question for a verdict. The statement replaces its placeholder; the verdict follows.
    verdict_words : sequence of str, default=("true", "false")
        The two verdicts.
    n_resamples : int, default=2000
        Resamples of the bootstrap.
    sweep_share, sweep_threshold, sweep_tau, sweep_tau2 : sequence of float
        Other values of these options, one at a time; empty: none. ``sweep_threshold`` None: for
        a number of neurons from half to twice the threshold, else from 0.1 to 0.3.

    Examples
    --------
    >>> from neurotopo.studies.detection.trials import DetectionOptions
    >>> DetectionOptions(share=0.7).search(tau2=0.1).tau2
    0.1
    >>> DetectionOptions(least=1)
    Traceback (most recent call last):
        ...
    ValueError: least must be a whole number of at least 4, got 1.
    """

    per_relation: int = 100
    least: int = 6
    train_share: float = 0.5
    share: float = 0.5
    n_random: int = 5
    threshold_by: str = "relation"
    verdict_template: str = "{statement} This is _X_"
    verdict_words: Sequence[str] = ("true", "false")
    n_resamples: int = 2000
    sweep_share: Sequence[float] = (0.1, 0.2, 0.3, 0.5, 0.7)
    sweep_threshold: Sequence[float] = None  # type: ignore[assignment]  # until __post_init__
    sweep_tau: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7)
    sweep_tau2: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)

    QUICK: ClassVar[Mapping[str, Any]] = {
        "quadrature": "gauss-legendre",
        "steps": 8,
        "n_random": 3,
        **{f"sweep_{name}": () for name in _SWEPT},
    }

    def __post_init__(self) -> None:
        # two facts on either side are the fewest that can exchange their labels
        self.check_whole(least=4, n_random=1, n_resamples=100)
        self.check_whole(per_relation=self.least)
        if not 0 < self.train_share < 1:
            raise ValueError(f"train_share must be between 0 and 1, got {self.train_share}.")
        for value in (self.share, *self.sweep_share):
            if not 0 <= value < 1:
                raise ValueError(f"a share must be at least 0 and below 1, got {value}.")
        self.check_choice(threshold_by=_THRESHOLDS_BY)
        if self.verdict_template.count("{statement}") != 1:
            raise ValueError(
                f"verdict_template must hold {{statement}} once, got {self.verdict_template!r}."
            )
        words = [word.strip() for word in self.verdict_words]
        if len(set(words)) != 2 or len(words) != 2 or not all(words):
            raise ValueError(
                f"verdict_words must be two different words, got {list(self.verdict_words)}."
            )
        self._select_by_share_for(self.sweep_threshold)
        super().__post_init__()
        if self.sweep_threshold is None:
            n = self.threshold
            counts = (n // 2, (3 * n) // 4, n, (3 * n) // 2, 2 * n)
            shares = (0.1, 0.15, 0.2, 0.25, 0.3)
            object.__setattr__(self, "sweep_threshold", counts if self.rule == "top" else shares)
        for name, value in self.swept():
            self.search(**({} if name == "share" else {name: value}))

    def search(self, **changed: Any) -> SearchOptions:
        """Return the options of the search for the neurons of a fact, with changed thresholds."""
        return SearchOptions.of({**self.to_dict(), **changed})

    def swept(self) -> list[tuple[str, float]]:
        """Return the thresholds that are varied one at a time, with their values."""
        return [(name, value) for name in _SWEPT for value in getattr(self, f"sweep_{name}")]


@dataclass(frozen=True)
class Pair:
    """A fact with a true and a wrong label.

    Attributes
    ----------
    fact : Fact
        The fact.
    label : str
        One of its answers.
    wrong : str
        The label of another fact of the same part, which is never true of this subject.
    subject : int
        Number of the subject, the same for its facts of several dates.
    train : bool
        Whether neurons and thresholds are chosen on it.
    """

    fact: Fact
    label: str
    wrong: str
    subject: int
    train: bool

    @property
    def true_fact(self) -> Fact:
        """The fact with its true label as only answer."""
        return replace(self.fact, answers=(self.label,))

    @property
    def wrong_fact(self) -> Fact:
        """The fact with its wrong label as only answer."""
        return replace(self.fact, answers=(self.wrong,))


@dataclass(frozen=True)
class RelationTrial:
    """A relation and its pairs.

    Attributes
    ----------
    key : str
        The relation, with its language if that is not English.
    n_facts : int
        Number of facts.
    pairs : tuple of Pair
        The facts with labels; empty for a relation that is left out.
    left_out : dict of str to int
        Number of facts left out, by reason.
    """

    key: str
    n_facts: int
    pairs: tuple[Pair, ...] = field(repr=False)
    left_out: dict[str, int] = field(hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the content in types that JSON can hold, the facts as a hash."""
        content = json.dumps(
            [[p.fact.to_dict(), p.label, p.wrong, p.subject, p.train] for p in self.pairs],
            sort_keys=True,
        )
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        return {
            "relation": self.key,
            "n_facts": self.n_facts,
            "n_pairs": len(self.pairs),
            "left_out": self.left_out,
            "facts": digest,
        }


def facts_of_relations(
    facts: str | os.PathLike[str] | Iterable[Fact],
    model: Any = None,
    *,
    most: int | None = None,
    seed: int = 0,
) -> Any:
    """Return the facts of the study; where facts are drawn, several are of each relation.

    Parameters
    ----------
    facts, model, most, seed
        As for :func:`neurotopo.studies.facts.facts_for`. Facts are drawn of as many relations as
        can have at least twelve each, the same number of each where possible.

    Returns
    -------
    Dataset
        The facts. Its truth holds the answers of facts that were not drawn, too.

    Examples
    --------
    >>> from neurotopo.studies.detection.trials import facts_of_relations
    >>> facts = facts_of_relations("factworld:30")
    >>> sorted(len(one) for one in facts.by_relation().values())
    [15, 15]
    """
    if not isinstance(facts, str | os.PathLike):
        given = facts if isinstance(facts, FactSet) else FactSet(facts)
        return _drawn(Dataset(facts_for(given), truth=truth_of(given)), most, seed)
    listed = facts_for(facts, model, seed=seed)
    name, _, number = os.fspath(facts).partition(":")
    if name == "factworld" and number:
        return _drawn(Dataset(facts_for(name, model)), len(listed), seed)
    return _drawn(Dataset(listed), most, seed)


def _drawn(facts: Dataset, n: int | None, seed: int) -> Dataset:
    if n is None or n >= len(facts):
        return facts
    rng = np.random.default_rng([seed, n])
    groups = _by_relation(facts)
    names = sorted(groups)
    chosen = [names[i] for i in rng.permutation(len(names))[: max(n // _PER_RELATION, 1)]]
    # the smallest first, so that the others make up for what these do not have
    chosen.sort(key=lambda name: len(groups[name]))
    kept: set[str] = set()
    for i, name in enumerate(chosen):
        group = groups[name]
        size = min((n - len(kept)) // (len(chosen) - i), len(group))
        kept.update(group[j].key for j in rng.permutation(len(group))[:size])
    return facts.filter(predicate=lambda fact: fact.key in kept)


def _by_relation(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        name = WITHOUT if fact.relation is None else fact.relation
        key = name if fact.language == "en" else f"{name} [{fact.language}]"
        groups.setdefault(key, []).append(fact)
    return groups


def trials(facts: Sequence[Fact], options: DetectionOptions, seed: int) -> list[RelationTrial]:
    """Return the facts with their labels, by relation.

    Parameters
    ----------
    facts : sequence of Fact
        The facts; a :class:`~neurotopo.datasets.Dataset` may know answers of other facts.
    options : DetectionOptions
        Number of facts, and how they are divided.
    seed : int
        Seed of the draws; a relation does not depend on the others.

    Returns
    -------
    list of RelationTrial
        Relations that are left out have no pairs.

    Examples
    --------
    >>> from neurotopo.studies.detection.trials import DetectionOptions, facts_of_relations, trials
    >>> asked = trials(facts_of_relations("factworld:30"), DetectionOptions(), seed=0)
    >>> [(trial.n_facts, len(trial.pairs)) for trial in asked]
    [(15, 15), (15, 15)]
    """
    truth = truth_of(facts)
    return [
        _trial(key, group, truth, options, seed_for(seed, key))
        for key, group in _by_relation(facts).items()
    ]


def _trial(
    key: str, group: list[Fact], truth: Truth, options: DetectionOptions, seed: int
) -> RelationTrial:
    n = len(group)
    if n < options.least:
        return RelationTrial(key, n, (), {"too few facts in the relation": n})
    rng = np.random.default_rng(seed)
    left_out = {"not drawn": n - options.per_relation} if n > options.per_relation else {}
    drawn = [group[i] for i in np.sort(rng.permutation(n)[: options.per_relation])]
    subjects = _subjects(drawn)
    if subjects.max() == 0:
        return RelationTrial(key, n, (), {**left_out, "only one subject": len(drawn)})
    train = _train(subjects, options.train_share, rng)
    labels = [fact.answers[rng.integers(len(fact.answers))] for fact in drawn]
    wrong: dict[int, str] = {}
    for side in (train, ~train):
        at = np.flatnonzero(side)
        exchanged = wrong_labels([drawn[i] for i in at], [labels[i] for i in at], truth, rng)
        wrong.update({int(i): label for i, label in zip(at, exchanged, strict=True) if label})
    pairs = tuple(
        Pair(drawn[i], labels[i], wrong[i], int(subjects[i]), bool(train[i])) for i in sorted(wrong)
    )
    left_out["no wrong label"] = len(drawn) - len(pairs)
    if len({pair.train for pair in pairs}) < 2:
        left_out["one part is empty"] = len(pairs)
        pairs = ()
    return RelationTrial(key, n, pairs, {why: count for why, count in left_out.items() if count})


def _subjects(facts: Sequence[Fact]) -> NDArray[np.int64]:
    """Return the number of each fact's subject; without one, the undated prompt stands for it."""
    numbers: dict[str, int] = {}
    names = [
        undated_prompt(fact) if fact.subject is None else normalized(fact.subject) for fact in facts
    ]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _train(
    subjects: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which facts are train facts; all facts of a subject are on one side."""
    sizes = np.bincount(subjects)
    order = rng.permutation(len(sizes))
    reached = np.cumsum(sizes[order])[:-1]  # at least one subject is left for the other side
    n = int(np.abs(reached - share * len(subjects)).argmin()) + 1
    return np.isin(subjects, order[:n])


def wrong_labels(
    facts: Sequence[Fact], labels: Sequence[str], truth: Truth, rng: np.random.Generator
) -> list[str | None]:
    """Exchange labels among facts, so that none may be true of its new fact.

    Parameters
    ----------
    facts : sequence of Fact
        The facts.
    labels : sequence of str
        A true label of each.
    truth : Truth
        The answers at all dates.
    rng : Generator
        The random generator.

    Returns
    -------
    list of str or None
        Over the facts that get one, wrong labels are as frequent as true ones. None for a fact
        without a possible label, for example where most facts have the same.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Truth
    >>> from neurotopo.studies.detection.trials import wrong_labels
    >>> facts = [Fact(f"The capital of {k} is", a) for k, a in enumerate(("Marly", "Peko", "Osk"))]
    >>> rng = np.random.default_rng(0)
    >>> sorted(wrong_labels(facts, ["Marly", "Peko", "Osk"], Truth(facts), rng))
    ['Marly', 'Osk', 'Peko']
    """
    distinct = sorted(set(labels))
    which = np.array([distinct.index(label) for label in labels], dtype=np.int64)
    bad = np.array(
        [[truth.may_be_true(fact, label) for label in distinct] for fact in facts], dtype=bool
    ).reshape(len(facts), len(distinct))
    kept = np.arange(len(facts))
    wrong: list[str | None] = [None] * len(facts)
    while len(kept):
        forbidden = bad[kept][:, which[kept]]
        # a forbidden exchange costs more than all others together, so there are as few as possible
        costs = rng.random(forbidden.shape) + forbidden * (len(kept) + 1.0)
        rows, columns = linear_sum_assignment(costs)
        failed = forbidden[rows, columns]
        if not failed.any():
            for row, column in zip(kept[rows], kept[columns], strict=True):
                wrong[row] = labels[column]
            break
        # drop them with their labels, so that true and wrong labels stay equally frequent
        kept = kept[~failed]
    return wrong
