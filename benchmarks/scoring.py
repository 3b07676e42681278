"""Scores of a clustering against the truth, and their means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score


def ari(truth: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index, with noise (-1) as one class on both sides."""
    return float(adjusted_rand_score(truth, labels))


def ari_on_clustered(truth: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index on the samples in clusters.

    True noise among them still counts as a class, so noise that is clustered costs. It is nan
    when no sample was clustered.
    """
    kept = labels >= 0
    return ari(truth[kept], labels[kept]) if kept.any() else math.nan


def strict_ari(truth: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index, with each noise sample as a separate class on both sides.

    With noise as one class, a group that is left out whole counts as found; here it does not.
    """
    return float(adjusted_rand_score(_apart(truth), _apart(labels)))


def _apart(labels: np.ndarray) -> np.ndarray:
    """Give each noise sample a separate number."""
    apart = labels.copy()
    noise = np.flatnonzero(labels < 0)
    apart[noise] = labels.max(initial=-1) + 1 + np.arange(len(noise))
    return apart


def scores(truth: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return all measures of one clustering."""
    return {
        "ari": ari(truth, labels),
        "strict_ari": strict_ari(truth, labels),
        "ami": float(adjusted_mutual_info_score(truth, labels)),
        "ari_clustered": ari_on_clustered(truth, labels),
        "noise": float(np.mean(labels < 0)),
        "clusters": int(labels.max(initial=-1) + 1),
    }


def mean_and_interval(values: Any) -> tuple[float, float, int]:
    """Return the mean, half the width of its 95 % interval (Student's t), and the number used.

    Values that are nan (a measure that does not exist for a run) are left out and not counted.
    """
    kept = np.asarray([v for v in values if v is not None and not math.isnan(v)], dtype=float)
    n = len(kept)
    if n == 0:
        return math.nan, math.nan, 0
    if n == 1:
        return float(kept[0]), math.nan, 1
    half = student.ppf(0.975, n - 1) * kept.std(ddof=1) / math.sqrt(n)
    return float(kept.mean()), float(half), n
