"""Measures of detection: ROC curves, thresholds, F1, and the bootstrap over subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from neurotopo.studies.compare import frame_of
from neurotopo.studies.rows import Row
from neurotopo.studies.study import seed_for

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
"""The measures, in the order of a table."""

FIXED: Mapping[str, float] = {"answer": 0.5, "always": 0.5}
"""Thresholds of the methods that do not learn one."""

METHODS: Mapping[str, str] = {
    "dkn": "mean attribution of the relation's degenerate knowledge neurons",
    "random": "of as many random neurons",
    "random_layers": "of random neurons, as many in each layer",
    "kn": "mean attribution of the relation's knowledge neurons, degenerate or not",
    "random_kn": "of as many random neurons as there are knowledge neurons",
    "probability": "log-probability of the label per token",
    "joint": "log-probability of the whole label",
    "answer": "true if the label is the model's own answer",
    "verdict": "whether the model says that the statement is true",
    "always": "says true of everything",
}
"""The score of each method."""

_GRID = 401  # points of a mean ROC curve
_NO_WIDTH = 1e-12  # resamples of measures from 0 to 1 that differ by less are equal


@dataclass(frozen=True, eq=False)
class Relation:
    """The stored results of a relation that was judged.

    Attributes
    ----------
    key : str
        The relation.
    pairs : DataFrame
        A row per fact: ``fact``, ``label``, ``wrong``, ``subject``, ``train``, ``known``.
    scores : dict of str to ndarray of float64, shape (n_draws, 2, n_facts)
        By method the scores of true and of wrong labels; nan is no judgement.
    sets : dict
        Sizes of the sets of neurons, and of the train facts they come from.
    sweep : list of dict
        The scores with other thresholds.
    """

    key: str
    pairs: pd.DataFrame
    scores: dict[str, NDArray[np.float64]]
    sets: dict[str, Any]
    sweep: list[dict[str, Any]]

    @property
    def test(self) -> NDArray[np.bool_]:
        """Which facts are judged; the others are train facts."""
        return ~self.pairs["train"].to_numpy(dtype=bool)

    @property
    def subjects(self) -> NDArray[np.int64]:
        """The subjects of the facts that are judged."""
        return self.pairs["subject"].to_numpy(dtype=np.int64)[self.test]


@dataclass(frozen=True, eq=False)
class Collected:
    """The stored results of a run, sorted by relation.

    Attributes
    ----------
    trials : DataFrame
        A row per relation: ``relation``, ``n_facts``, ``left_out`` (a dict of counts by reason),
        and for one that failed the ``error``.
    relations : list of Relation
        Those that were judged.
    setting : dict
        Options that the evaluation needs.
    """

    trials: pd.DataFrame
    relations: list[Relation]
    setting: dict[str, Any]

    @property
    def methods(self) -> list[str]:
        """The methods with scores, in the order of a table."""
        held = {name for relation in self.relations for name in relation.scores}
        return [name for name in METHODS if name in held]

    @property
    def n_known(self) -> int:
        """Number of judged facts that the model answers correctly."""
        return sum(int(one.pairs["known"][one.test].sum()) for one in self.relations)

    @property
    def n_facts(self) -> int:
        """Number of judged facts; each has a true and a wrong label."""
        return sum(int(one.test.sum()) for one in self.relations)

    @property
    def n_subjects(self) -> int:
        """Number of subjects of the judged facts, counted in each relation."""
        return sum(len(np.unique(one.subjects)) for one in self.relations)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per fact, method and draw, with the scores of both labels."""
        frames = [
            pd.DataFrame(
                {
                    "relation": one.key,
                    **{name: one.pairs[name] for name in one.pairs},
                    "method": method,
                    "draw": draw,
                    "score_true": values[0],
                    "score_wrong": values[1],
                }
            )
            for one in self.relations
            for method in METHODS
            if method in one.scores
            for draw, values in enumerate(one.scores[method])
        ]
        columns = "relation, fact, label, wrong, subject, train, known, method, draw"
        empty = frame_of([], f"{columns}, score_true, score_wrong")
        return pd.concat(frames, ignore_index=True) if frames else empty


def collect(rows: Iterable[Row]) -> Collected:
    """Return the results of a run; relations may have failed, and there may be none."""
    trials: list[tuple[str, int, dict[str, int], str | None]] = []
    relations: list[Relation] = []
    setting: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: row.fact):
        if row.error is not None:
            trials.append((row.fact, int(row.content.get("n_facts", 0)), {}, row.error))
            continue
        about = row.payload
        setting = about["setting"]
        trials.append((row.fact, about["n_facts"], about["left_out"], None))
        if about["pairs"]:
            relations.append(
                Relation(
                    row.fact,
                    pd.DataFrame(about["pairs"]),
                    {name: _array(values) for name, values in about["scores"].items()},
                    about["sets"],
                    [
                        {**one, "dkn": _array([one["dkn"]]), "random": _array(one["random"])}
                        for one in about["sweep"]
                    ],
                )
            )
    columns = ["relation", "n_facts", "left_out", "error"]
    return Collected(pd.DataFrame(trials, columns=columns), relations, setting)


def _array(scores: Any) -> NDArray[np.float64]:
    return np.array(scores, dtype=np.float64)  # None is nan


def above(true: ArrayLike, wrong: ArrayLike) -> Floats:
    """Return for each pair of a true and a wrong label whether the true one scores higher.

    Parameters
    ----------
    true, wrong : array-like, shape (n,) and (m,)
        Scores; nan (no judgement) is lower than all numbers.

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
    """Return the areas under the ROC curve for rows of weights of the facts.

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
    higher = ((weights @ above(true, wrong)) * weights).sum(axis=1)
    return np.asarray(higher / weights.sum(axis=1) ** 2, dtype=np.float64)


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
    """Return the threshold of the best balanced accuracy; higher scores are judged true.

    Parameters
    ----------
    true, wrong : array-like, shape (n,) and (m,)
        Scores; nan is ignored.

    Returns
    -------
    float
        Halfway between two neighbouring scores; the middle one of several equally good ones. nan
        without two different scores.

    Notes
    -----
    The threshold of the best F1 of the class true is no alternative: where scores are
    uninformative it judges almost everything true, which has an F1 of 2/3.

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
        All true and wrong labels, with those without a judgement, which are errors.

    Returns
    -------
    dict of str to ndarray
        0 where there is nothing to divide by.

    Examples
    --------
    >>> from neurotopo.studies.detection.scoring import confusion_measures
    >>> measures = confusion_measures(3, 1, 0, 2, n_true=4, n_wrong=4)
    >>> [float(measures[name]) for name in ("precision true", "recall true", "precision false")]
    [0.75, 0.75, 1.0]
    """
    tp, fp, fn, tn, n, m = (
        np.asarray(values, dtype=np.float64)
        for values in (right_true, false_alarms, missed, right_false, n_true, n_wrong)
    )
    measures = {
        "F1 true": _ratio(2 * tp, tp + fp + n),
        "F1 false": _ratio(2 * tn, tn + fn + m),
        "accuracy": _ratio(tp + tn, n + m),
        "precision true": _ratio(tp, tp + fp),
        "recall true": _ratio(tp, n),
        "precision false": _ratio(tn, tn + fn),
        "recall false": _ratio(tn, m),
    }
    return {"macro F1": (measures["F1 true"] + measures["F1 false"]) / 2, **measures}


def bootstrap_weights(subjects: ArrayLike, n: int, rng: np.random.Generator) -> Floats:
    """Draw subjects with replacement, and return how often each fact counts.

    Parameters
    ----------
    subjects : array-like of int, shape (n_facts,)
        The subject of each fact. Facts of a subject are drawn together, as are a fact's labels.
    n : int
        Number of resamples.
    rng : Generator
        The random generator.

    Returns
    -------
    ndarray of float64, shape (n + 1, n_facts)
        The first row counts each fact once.

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
    """Return the 95 % interval of resamples; the first entry, the value itself, is left out.

    nan where all resamples are equal: an interval without width says nothing about other subjects.
    """
    if len(values) < 2 or np.ptp(values[1:]) < _NO_WIDTH:
        return float("nan"), float("nan")
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return float(low), float(high)


def bootstrap_p(differences: Floats) -> float:
    """Return the two-sided p-value that a difference is 0, from its resamples.

    Twice the share of resamples on the other side of 0; those at 0 count for both sides. The first
    entry, the difference itself, counts as one of them, so that p is never 0. nan where all
    resamples are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.detection.scoring import bootstrap_p
    >>> bootstrap_p(np.array([2.0, 1.0, 2.0, 3.0])), bootstrap_p(np.zeros(9))
    (0.5, nan)
    """
    resamples = differences[1:]
    if not len(resamples) or np.isnan(resamples).any() or np.ptp(resamples) < _NO_WIDTH:
        return float("nan")
    smaller = min(int((resamples <= 0).sum()), int((resamples >= 0).sum()))
    return float(min(2 * (smaller + 1) / (len(resamples) + 1), 1.0))


def _filled(values: ArrayLike) -> Floats:
    """Return scores with -inf for nan."""
    scores = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(scores), -np.inf, scores)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)


@dataclass(frozen=True, eq=False)
class Judged:
    """Results of a method.

    Attributes
    ----------
    measures : dict of str to ndarray of float64, shape (n_resamples + 1,)
        Each of :data:`MEASURES`, of the facts themselves and of resamples; means over draws.
    counts : dict of str to float
        Numbers of true and wrong labels by judgement; means over draws.
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
    """Evaluates all methods of a run on the same facts and the same resamples.

    Parameters
    ----------
    run : Collected
        The run.

    Attributes
    ----------
    pooled : bool
        Whether all relations have one threshold and one ROC curve. Otherwise areas are means over
        relations, weighted by their facts.
    """

    def __init__(self, run: Collected) -> None:
        self.run = run
        self.pooled = run.setting.get("threshold_by") == "pooled"

    @cached_property
    def judged(self) -> dict[str, Judged]:
        """Results by method, without verdicts in words that the tokenizer does not know."""
        judged = {}
        for name in self.run.methods:
            draws = self._draws(name)
            if name != "verdict" or not all(np.isnan(one).all() for one in draws[0]):
                judged[name] = self._judge(draws, FIXED.get(name))
        return judged

    @cached_property
    def swept(self) -> dict[tuple[str, float, str], Judged]:
        """Results of ``"dkn"`` and ``"random"`` with each value of each varied threshold."""
        relations = self.run.relations
        settings = [(one["option"], one["value"]) for each in relations[:1] for one in each.sweep]
        return {
            (option, value, name): self._judge(
                _by_draw([one.sweep[k][name] for one in relations]), None
            )
            for k, (option, value) in enumerate(settings)
            for name in ("dkn", "random")
        }

    def sizes(self, k: int) -> list[int]:
        """Return the number of neurons of each relation with the k-th varied threshold."""
        return [int(one.sweep[k]["size"]) for one in self.run.relations]

    def roc(self, name: str) -> tuple[Floats, Floats]:
        """Return the ROC curve of a method, a mean over draws and, if not pooled, relations."""
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
        means: list[float] = []
        for relation, test in zip(self.run.relations, self._tests, strict=True):
            scores = relation.scores[name][:, :, test].mean(axis=0)
            with np.errstate(invalid="ignore"):  # -inf minus itself is nan
                gaps = scores[0] - scores[1]
            subjects = relation.subjects
            means += [float(gaps[subjects == one].mean()) for one in np.unique(subjects)]
        return np.array(means, dtype=np.float64)

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
        """Return scores and weights per ROC curve: of each relation, or of all together."""
        if not self.pooled:
            return list(zip(scores, self._weights, strict=True))
        return [(np.concatenate(scores, axis=1), np.concatenate(self._weights, axis=1))]

    def _judge(self, draws: Sequence[Sequence[Floats]], fixed: float | None) -> Judged:
        judged = [self._judge_draw(scores, fixed) for scores in draws]

        def means(name: str) -> dict[str, Any]:
            each = [getattr(one, name) for one in judged]
            return {key: np.mean([one[key] for one in each], axis=0) for key in each[0]}

        return Judged(
            means("measures"),
            {name: float(value) for name, value in means("counts").items()},
            float(np.mean([one.train_area for one in judged])),
            {name: float(value) for name, value in means("by_relation").items()},
        )

    def _judge_draw(self, scores: Sequence[Floats], fixed: float | None) -> Judged:
        train = [s[:, ~test] for s, test in zip(scores, self._tests, strict=True)]
        tested = [s[:, test] for s, test in zip(scores, self._tests, strict=True)]
        joined = [np.concatenate(train, axis=1)] if self.pooled else train
        thresholds = [threshold_for(*each) if fixed is None else fixed for each in joined]
        if self.pooled:
            thresholds *= len(train)
        counts = self._counts(tested, thresholds)
        cells = (f"{kind}, judged {how}" for how in ("true", "false") for kind in ("true", "wrong"))
        measures = confusion_measures(*map(counts.__getitem__, (*cells, "n", "n")))
        own = [float(_mean_area([_alone(each)])[0]) for each in tested]
        return Judged(
            {"AUC": _mean_area(self._parts(tested)), **measures},
            {name: float(values[0]) for name, values in counts.items()},
            float(_mean_area([_alone(each) for each in joined])[0]),
            {one.key: area for one, area in zip(self.run.relations, own, strict=True)},
        )

    def _counts(self, tested: Sequence[Floats], thresholds: Sequence[float]) -> dict[str, Floats]:
        """Return the numbers of labels by judgement, for all resamples."""
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
    each = np.array([areas(scores[0], scores[1], weights) for scores, weights in parts])
    return np.asarray((sizes * each).sum(axis=0) / sizes.sum(axis=0), dtype=np.float64)


def _curve_at(grid: Floats, false_rate: Floats, true_rate: Floats) -> Floats:
    """Return the share of true labels at each share of wrong ones."""
    # tiny slopes, so that each share of wrong labels has one share of true ones
    at = false_rate + 1e-9 * np.arange(len(false_rate))
    return np.asarray(np.interp(grid, at / at[-1], true_rate), dtype=np.float64)
