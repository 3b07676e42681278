"""Telling two classes apart: ROC curves, thresholds, F1, and the bootstrap over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.studies.study import seed_for

if TYPE_CHECKING:
    from neurotopo.studies.detection.report import Collected

Floats = NDArray[np.float64]

MEASURES = (
    "AUC",
    "macro F1",
    "F1 true",
    "F1 false",
    "accuracy",
    "precision true",
    "recall true",
    "precision false",
    "recall false",
)
"""What is measured, in the order of a table."""

FIXED: Mapping[str, float] = {"answer": 0.5, "always": 0.5}
"""Thresholds of the methods that learn none."""

_GRID = 401  # points of a mean ROC curve


def above(true: ArrayLike, wrong: ArrayLike) -> Floats:
    """Tell for any true and any wrong label whether the true one scores higher.

    Parameters
    ----------
    true, wrong : array-like, shape (n,) and (m,)
        Scores; nan, no judgement, counts as lower than all numbers.

    Returns
    -------
    ndarray of float64, shape (n, m)
        1 for higher, 0.5 for equal, 0 for lower. Its mean is the area under the ROC curve.

    Examples
    --------
    >>> from neurotopo.studies.detection.scoring import above
    >>> above([2.0, float("nan")], [1.0, 2.0, float("nan")])
    array([[1. , 0.5, 1. ],
           [0. , 0. , 0.5]])
    """
    first, second = (_filled(values) for values in (true, wrong))
    higher = first[:, None] > second[None, :]
    return higher + 0.5 * (first[:, None] == second[None, :])


def areas(true: ArrayLike, wrong: ArrayLike, weights: Floats) -> Floats:
    """Return the area under the ROC curve for rows of weights of the facts.

    Parameters
    ----------
    true, wrong : array-like, shape (n,)
        Scores of each fact's true and wrong label.
    weights : ndarray of float64, shape (m, n)
        How often each fact counts.

    Returns
    -------
    ndarray of float64, shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.detection.scoring import areas
    >>> areas([0.9, 0.2], [0.1, 0.4], np.array([[1.0, 1.0], [2.0, 0.0]]))
    array([0.75, 1.  ])
    """
    product = ((weights @ above(true, wrong)) * weights).sum(axis=1)
    return np.asarray(product / weights.sum(axis=1) ** 2, dtype=np.float64)


def roc_points(true: ArrayLike, wrong: ArrayLike) -> tuple[Floats, Floats]:
    """Return the points of a ROC curve: shares of wrong and of true labels above each threshold.

    Examples
    --------
    >>> from neurotopo.studies.detection.scoring import roc_points
    >>> roc_points([0.9, 0.2], [0.1, 0.4])
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    first, second = (np.sort(_filled(values)) for values in (true, wrong))
    values = np.unique(np.concatenate([first, second]))[::-1]
    shares = [
        np.concatenate([[0.0], 1 - np.searchsorted(one, values, side="left") / len(one)])
        for one in (second, first)
    ]
    return shares[0], shares[1]


def threshold_for(true: ArrayLike, wrong: ArrayLike) -> float:
    """Return the threshold of the best balanced accuracy; labels that score above it are true.

    Parameters
    ----------
    true, wrong : array-like, shape (n,) and (m,)
        Scores; nan is left out.

    Returns
    -------
    float
        Halfway between two neighbouring scores. Of several equally good ones the middle one; nan
        where there are no two different scores.

    Notes
    -----
    The threshold of the best F1 of the class true would say true of almost everything wherever
    the scores say little, for F1 is then 2/3.

    Examples
    --------
    >>> from neurotopo.studies.detection.scoring import threshold_for
    >>> threshold_for([0.9, 0.6], [0.1, 0.4])
    0.5
    """
    first, second = (
        np.sort(values[~np.isnan(values)])
        for values in (np.asarray(v, dtype=np.float64) for v in (true, wrong))
    )
    values = np.unique(np.concatenate([first, second]))
    if len(values) < 2 or not len(first) or not len(second):
        return float("nan")
    low, high = values[:-1], values[1:]
    with np.errstate(invalid="ignore"):  # between -inf and a number lies -inf
        between = np.where(np.isinf(low), low, low + (high - low) / 2)
    between = np.where(between < high, between, low)
    kept = 1 - np.searchsorted(first, between, side="right") / len(first)
    refused = np.searchsorted(second, between, side="right") / len(second)
    balanced = (kept + refused) / 2
    best = np.flatnonzero(balanced >= balanced.max() - 1e-12)
    return float(between[best[(len(best) - 1) // 2]])


def confusion_measures(
    right_true: ArrayLike,
    false_alarms: ArrayLike,
    missed: ArrayLike,
    right_false: ArrayLike,
    n_true: ArrayLike,
    n_wrong: ArrayLike,
) -> dict[str, Floats]:
    """Return precision, recall and F1 of both classes, their mean, and accuracy.

    Parameters
    ----------
    right_true, missed : array-like
        True labels that were judged true, and false.
    false_alarms, right_false : array-like
        Wrong labels that were judged true, and false.
    n_true, n_wrong : array-like
        All true and wrong labels. Those without a judgement are errors: they count here, and
        nowhere else.

    Returns
    -------
    dict of str to ndarray
        Where there is nothing to divide by, 0.

    Examples
    --------
    >>> from neurotopo.studies.detection.scoring import confusion_measures
    >>> found = confusion_measures(3, 1, 0, 2, n_true=4, n_wrong=4)
    >>> float(found["precision true"]), float(found["recall true"]), float(found["accuracy"])
    (0.75, 0.75, 0.625)
    >>> float(found["precision false"]), float(found["recall false"])
    (1.0, 0.5)
    """
    tp, fp, fn, tn, n, m = (
        np.asarray(values, dtype=np.float64)
        for values in (right_true, false_alarms, missed, right_false, n_true, n_wrong)
    )
    found = {
        "F1 true": _ratio(2 * tp, tp + fp + n),
        "F1 false": _ratio(2 * tn, tn + fn + m),
        "accuracy": _ratio(tp + tn, n + m),
        "precision true": _ratio(tp, tp + fp),
        "recall true": _ratio(tp, n),
        "precision false": _ratio(tn, tn + fn),
        "recall false": _ratio(tn, m),
    }
    return {"macro F1": (found["F1 true"] + found["F1 false"]) / 2, **found}


def bootstrap_weights(subjects: ArrayLike, n: int, rng: np.random.Generator) -> Floats:
    """Draw subjects with replacement, and say how often each fact counts.

    Parameters
    ----------
    subjects : array-like of int, shape (n_facts,)
        The subject of each fact: its facts come and go together, and so do a fact's two labels.
    n : int
        Number of resamples.
    rng : Generator
        What is drawn from.

    Returns
    -------
    ndarray of float64, shape (n + 1, n_facts)
        The first row is the facts as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.detection.scoring import bootstrap_weights
    >>> bootstrap_weights([0, 0, 4], 2, np.random.default_rng(1))
    array([[1., 1., 1.],
           [1., 1., 1.],
           [2., 2., 0.]])
    """
    _, number = np.unique(np.asarray(subjects), return_inverse=True)
    n_subjects = int(number.max()) + 1 if len(number) else 0
    weights = np.ones((n + 1, len(number)))
    if n_subjects:
        drawn = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=n)
        weights[1:] = drawn[:, number]
    return weights


def interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % interval of resamples, whose first entry is the value itself."""
    if len(values) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return float(low), float(high)


def bootstrap_p(differences: Floats) -> float:
    """Return the two-sided p-value that a difference is 0, from its resamples.

    Twice the share of resamples on the other side of 0, those at 0 on both; the first entry, the
    difference itself, counts as one of them, so that p is never 0.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.detection.scoring import bootstrap_p
    >>> bootstrap_p(np.array([2.0, 1.0, 2.0, 3.0])), bootstrap_p(np.zeros(9))
    (0.5, 1.0)
    """
    resamples = differences[1:]
    if not len(resamples) or np.isnan(resamples).any():
        return float("nan")
    smaller = min(int((resamples <= 0).sum()), int((resamples >= 0).sum()))
    return float(min(2 * (smaller + 1) / (len(resamples) + 1), 1.0))


def _filled(values: ArrayLike) -> Floats:
    """Put nan below all numbers."""
    found = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(found), -np.inf, found)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)


@dataclass(frozen=True, eq=False)
class Judged:
    """How well a method judges.

    Attributes
    ----------
    measures : dict of str to ndarray of float64, shape (n_resamples + 1,)
        Each of :data:`~neurotopo.studies.detection.scoring.MEASURES`, of the facts as they are
        and of resamples; means over draws.
    counts : dict of str to float
        True and wrong labels by judgement; means over draws.
    train_area : float
        The area under the ROC curve on the train facts.
    by_relation : dict of str to float
        The area under the ROC curve of each relation.
    """

    measures: dict[str, Floats]
    counts: dict[str, float]
    train_area: float
    by_relation: dict[str, float]


class Evaluation:
    """All methods of a run judged on the same facts and the same resamples of them.

    Parameters
    ----------
    run : Collected
        The run.

    Attributes
    ----------
    pooled : bool
        Whether all relations have one threshold and one ROC curve. If not, areas are means over
        relations, weighted by their facts.
    """

    def __init__(self, run: Collected) -> None:
        self.run = run
        self.pooled = run.setting.get("threshold_by") == "pooled"

    @cached_property
    def judged(self) -> dict[str, Judged]:
        """The methods by name, without verdicts in words that the tokenizer does not know."""
        judged = {}
        for name in self.run.methods:
            draws = self._draws(name)
            if name != "verdict" or not all(np.isnan(one).all() for one in draws[0]):
                judged[name] = self._judge(draws, FIXED.get(name))
        return judged

    @cached_property
    def swept(self) -> dict[tuple[str, float, str], Judged]:
        """``"dkn"`` and ``"random"`` under each value of each threshold that was varied."""
        relations = self.run.relations
        settings = (
            [(one["option"], one["value"]) for one in relations[0].sweep] if relations else []
        )
        return {
            (option, value, name): self._judge(
                _by_draw([one.sweep[k][name] for one in relations]), None
            )
            for k, (option, value) in enumerate(settings)
            for name in ("dkn", "random")
        }

    def sizes(self, k: int) -> list[int]:
        """Return the numbers of neurons of each relation under the k-th varied threshold."""
        return [int(one.sweep[k]["size"]) for one in self.run.relations]

    def roc(self, name: str) -> tuple[Floats, Floats]:
        """Return the ROC curve of a method, the mean over draws and, if not pooled, relations."""
        grid = np.linspace(0.0, 1.0, _GRID)
        total, n = np.zeros(_GRID), 0
        for draw in self._draws(name):
            for scores, _ in self._parts([s[:, t] for s, t in zip(draw, self._tests, strict=True)]):
                total += scores.shape[1] * _curve_at(grid, *roc_points(*scores))
                n += scores.shape[1]
        return grid, total / max(n, 1)

    def standard_scores(self, name: str) -> tuple[Floats, Floats]:
        """Return scores of true and wrong labels in standard deviations of their relation."""
        kept = []
        for relation, test in zip(self.run.relations, self._tests, strict=True):
            scores = relation.scores[name][0][:, test]
            known = scores[np.isfinite(scores)]
            if len(known) and np.std(known) > 0:
                kept.append((scores - np.mean(known)) / np.std(known))
        joined = np.concatenate(kept, axis=1) if kept else np.zeros((2, 0))
        return joined[0], joined[1]

    def differences(self, name: str) -> Floats:
        """Return the score of the true label minus that of the wrong one, a mean per subject."""
        found: list[float] = []
        for relation, test in zip(self.run.relations, self._tests, strict=True):
            scores = relation.scores[name][:, :, test].mean(axis=0)
            with np.errstate(invalid="ignore"):  # -inf minus itself: nothing can be said
                gaps = scores[0] - scores[1]
            for subject in np.unique(relation.subjects):
                found.append(float(gaps[relation.subjects == subject].mean()))
        return np.array(found, dtype=np.float64)

    @cached_property
    def _tests(self) -> list[NDArray[np.bool_]]:
        return [one.test for one in self.run.relations]

    @cached_property
    def _weights(self) -> list[Floats]:
        setting = self.run.setting
        return [
            bootstrap_weights(
                one.subjects,
                setting["n_resamples"],
                np.random.default_rng(seed_for(setting["seed"], f"bootstrap of {one.key}")),
            )
            for one in self.run.relations
        ]

    def _draws(self, name: str) -> list[list[Floats]]:
        return _by_draw([one.scores[name] for one in self.run.relations])

    def _parts(self, scores: Sequence[Floats]) -> list[tuple[Floats, Floats]]:
        """Return scores and weights of what has a ROC curve of its own: relations, or all."""
        if not self.pooled:
            return list(zip(scores, self._weights, strict=True))
        return [(np.concatenate(scores, axis=1), np.concatenate(self._weights, axis=1))]

    def _judge(self, draws: Sequence[Sequence[Floats]], fixed: float | None) -> Judged:
        judged = [self._judge_draw(scores, fixed) for scores in draws]

        def mean(values: Sequence[float]) -> float:
            return float(np.mean(values))

        first = judged[0]
        return Judged(
            {name: np.mean([one.measures[name] for one in judged], axis=0) for name in MEASURES},
            {name: mean([one.counts[name] for one in judged]) for name in first.counts},
            mean([one.train_area for one in judged]),
            {key: mean([one.by_relation[key] for one in judged]) for key in first.by_relation},
        )

    def _judge_draw(self, scores: Sequence[Floats], fixed: float | None) -> Judged:
        train = [s[:, ~test] for s, test in zip(scores, self._tests, strict=True)]
        tested = [s[:, test] for s, test in zip(scores, self._tests, strict=True)]
        if fixed is not None:
            thresholds = [fixed] * len(train)
        elif self.pooled:
            thresholds = [threshold_for(*np.concatenate(train, axis=1))] * len(train)
        else:
            thresholds = [threshold_for(*each) for each in train]
        counts = self._counts(tested, thresholds)
        measures = confusion_measures(
            counts["true, judged true"],
            counts["wrong, judged true"],
            counts["true, judged false"],
            counts["wrong, judged false"],
            counts["n"],
            counts["n"],
        )
        own = [float(_mean_area([_alone(each)])[0]) for each in tested]
        return Judged(
            {"AUC": _mean_area(self._parts(tested)), **measures},
            {name: float(values[0]) for name, values in counts.items()},
            float(_mean_area([_alone(each) for each in self._joined(train)])[0]),
            {one.key: area for one, area in zip(self.run.relations, own, strict=True)},
        )

    def _joined(self, scores: Sequence[Floats]) -> list[Floats]:
        return [np.concatenate(scores, axis=1)] if self.pooled else list(scores)

    def _counts(self, tested: Sequence[Floats], thresholds: Sequence[float]) -> dict[str, Floats]:
        """Return how many labels are judged how, for all resamples."""
        counts: dict[str, Floats] = {}

        def add(name: str, values: Floats) -> None:
            counts[name] = counts.get(name, np.zeros(len(values))) + values

        for scores, threshold, weights in zip(tested, thresholds, self._weights, strict=True):
            add("n", weights.sum(axis=1))
            for side, kind in enumerate(("true", "wrong")):
                decided = ~np.isnan(scores[side]) & (not np.isnan(threshold))
                said = decided & (scores[side] > threshold)
                add(f"{kind}, judged true", weights @ said.astype(np.float64))
                add(f"{kind}, judged false", weights @ (decided & ~said).astype(np.float64))
                add(f"{kind}, undecided", weights @ (~decided).astype(np.float64))
        return counts


def _by_draw(scores: Sequence[Floats]) -> list[list[Floats]]:
    """Return for each draw the scores of every relation."""
    return [list(draw) for draw in zip(*scores, strict=True)]


def _alone(scores: Floats) -> tuple[Floats, Floats]:
    """Return scores with every fact counted once, and no resamples."""
    return scores, np.ones((1, scores.shape[1]))


def _mean_area(parts: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Return the area under the ROC curve, a mean over parts weighted by their facts."""
    sizes = np.array([weights.sum(axis=1) for _, weights in parts])
    found = np.array([areas(scores[0], scores[1], weights) for scores, weights in parts])
    return np.asarray((sizes * found).sum(axis=0) / sizes.sum(axis=0), dtype=np.float64)


def _curve_at(grid: Floats, false_rate: Floats, true_rate: Floats) -> Floats:
    """Return the share of true labels at each share of wrong ones."""
    # steps lean a little, so that there is one share of true labels for each of wrong ones
    at = false_rate + 1e-9 * np.arange(len(false_rate))
    return np.asarray(np.interp(grid, at / at[-1], true_rate), dtype=np.float64)
