"""Judging labels by scores: thresholds from train facts, measures on the others, resampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurotopo.studies.detection.metrics import (
    MEASURES,
    areas,
    bootstrap_weights,
    confusion_measures,
    roc_points,
    threshold_for,
)
from neurotopo.studies.detection.rows import Collected
from neurotopo.studies.study import seed_for

__all__ = ["FIXED", "Evaluation", "Judged"]

Floats = NDArray[np.float64]

FIXED: Mapping[str, float] = {"answer": 0.5, "always": 0.5}
"""Thresholds of the methods that learn none."""

_GRID = 401  # points of a mean ROC curve


@dataclass(frozen=True, eq=False)
class Judged:
    """How well a method judges.

    Attributes
    ----------
    measures : dict of str to ndarray of float64, shape (n_resamples + 1,)
        Each of :data:`~neurotopo.studies.detection.metrics.MEASURES`, of the facts as they are
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
    found : Collected
        The run.

    Attributes
    ----------
    pooled : bool
        Whether all relations have one threshold and one ROC curve. If not, areas are means over
        relations, weighted by their facts.
    """

    def __init__(self, found: Collected) -> None:
        self.found = found
        self.pooled = found.setting.get("threshold_by") == "pooled"

    @cached_property
    def judged(self) -> dict[str, Judged]:
        """The methods by name, without verdicts in words that the tokenizer does not know."""
        judged = {}
        for name in self.found.methods:
            draws = self._draws(name)
            if name != "verdict" or not all(np.isnan(one).all() for one in draws[0]):
                judged[name] = self._judge(draws, FIXED.get(name))
        return judged

    @cached_property
    def swept(self) -> dict[tuple[str, float, str], Judged]:
        """``"dkn"`` and ``"random"`` under each value of each threshold that was varied."""
        relations = self.found.relations
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
        return [int(one.sweep[k]["size"]) for one in self.found.relations]

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
        for relation, test in zip(self.found.relations, self._tests, strict=True):
            scores = relation.scores[name][0][:, test]
            known = scores[np.isfinite(scores)]
            if len(known) and np.std(known) > 0:
                kept.append((scores - np.mean(known)) / np.std(known))
        joined = np.concatenate(kept, axis=1) if kept else np.zeros((2, 0))
        return joined[0], joined[1]

    def differences(self, name: str) -> Floats:
        """Return the score of the true label minus that of the wrong one, a mean per subject."""
        found: list[float] = []
        for relation, test in zip(self.found.relations, self._tests, strict=True):
            scores = relation.scores[name][:, :, test].mean(axis=0)
            with np.errstate(invalid="ignore"):  # -inf minus itself: nothing can be said
                gaps = scores[0] - scores[1]
            for subject in np.unique(relation.subjects):
                found.append(float(gaps[relation.subjects == subject].mean()))
        return np.array(found, dtype=np.float64)

    @cached_property
    def _tests(self) -> list[NDArray[np.bool_]]:
        return [one.test for one in self.found.relations]

    @cached_property
    def _weights(self) -> list[Floats]:
        setting = self.found.setting
        return [
            bootstrap_weights(
                one.subjects,
                setting["n_resamples"],
                np.random.default_rng(seed_for(setting["seed"], f"bootstrap of {one.key}")),
            )
            for one in self.found.relations
        ]

    def _draws(self, name: str) -> list[list[Floats]]:
        return _by_draw([one.scores[name] for one in self.found.relations])

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
            {one.key: area for one, area in zip(self.found.relations, own, strict=True)},
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
