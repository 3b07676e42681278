"""Telling two classes apart: ROC curves, thresholds, F1, and the bootstrap over subjects."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MEASURES",
    "above",
    "areas",
    "bootstrap_p",
    "bootstrap_weights",
    "confusion_measures",
    "interval",
    "roc_points",
    "threshold_for",
]

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
    >>> from neurotopo.studies.detection.metrics import above
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
    >>> from neurotopo.studies.detection.metrics import areas
    >>> areas([0.9, 0.2], [0.1, 0.4], np.array([[1.0, 1.0], [2.0, 0.0]]))
    array([0.75, 1.  ])
    """
    product = ((weights @ above(true, wrong)) * weights).sum(axis=1)
    return np.asarray(product / weights.sum(axis=1) ** 2, dtype=np.float64)


def roc_points(true: ArrayLike, wrong: ArrayLike) -> tuple[Floats, Floats]:
    """Return the points of a ROC curve: shares of wrong and of true labels above each threshold.

    Examples
    --------
    >>> from neurotopo.studies.detection.metrics import roc_points
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
    >>> from neurotopo.studies.detection.metrics import threshold_for
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
    >>> from neurotopo.studies.detection.metrics import confusion_measures
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
    >>> from neurotopo.studies.detection.metrics import bootstrap_weights
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
    >>> from neurotopo.studies.detection.metrics import bootstrap_p
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
