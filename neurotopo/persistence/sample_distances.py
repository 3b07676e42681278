"""Distances that scikit-learn does not compute: of objects, and of rows with missing values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_objects", "own_distances", "takes_nan"]

Distances = NDArray[np.float64]


def takes_nan(metric: Any) -> bool:
    """Return whether the metric takes missing values."""
    return isinstance(metric, str) and metric == "nan_euclidean"


def as_objects(X: Any, metric: Any, *, always: bool = False) -> NDArray[Any] | None:
    """Return samples that are objects as an array of one dimension, None for rows of numbers.

    Objects need a callable metric. They are strings, series of different lengths, or anything else
    that is not a row of a numeric table. With ``always``, rows of numbers are objects too.
    """
    if not callable(metric):
        return None
    if isinstance(X, str | bytes):
        raise ValueError(f"X is one sample, {X!r}: pass a list of samples, [X].")
    if isinstance(X, list | tuple):
        if not always and not _holds_objects(X):
            return None
    else:
        table = getattr(X, "ndim", None)
        text = getattr(getattr(X, "dtype", None), "kind", "O") in "OUST"
        if not always and not (table == 1 and text):
            return None
        X = np.asarray(X)
    objects = np.empty(len(X), dtype=object)
    for i, sample in enumerate(X):
        objects[i] = sample
    if len(objects) == 0:
        raise ValueError("Found array with 0 sample(s): X is empty.")
    return objects


def _holds_objects(samples: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether a list is not a table of numbers."""
    try:
        table = np.asarray(samples)
    except ValueError:  # rows of different lengths
        return True
    return (
        table.dtype.kind in "UST"
        or (table.dtype.kind == "O" and table.ndim == 1)
        or (table.ndim > 2)
    )


def own_distances(
    A: Any, B: Any | None, metric: Any, params: Mapping[str, Any]
) -> Distances | None:
    """Return distances of the rows of A to those of B (None: A), None for other metrics."""
    if callable(metric) and getattr(A, "ndim", 2) == 1:
        return _object_distances(A, B, metric, params)
    if takes_nan(metric) and not params:
        return _nan_euclidean(A, B)
    return None


def _object_distances(
    A: NDArray[Any], B: NDArray[Any] | None, metric: Callable[..., Any], params: Mapping[str, Any]
) -> Distances:
    """Call the metric on every pair; among A alone once for both directions."""
    others = A if B is None else B
    distances = np.zeros((len(A), len(others)))
    for i, a in enumerate(A):
        for j in range(i + 1 if B is None else 0, len(others)):
            value = metric(a, others[j], **params)
            try:
                distances[i, j] = value
            except (TypeError, ValueError):
                raise ValueError(
                    f"the metric must return a number, but for the samples {i} and {j} it returned "
                    f"{value!r}."
                ) from None
            if not distances[i, j] >= 0:
                raise ValueError(
                    f"the metric must return numbers that are not negative, but for the samples "
                    f"{i} and {j} it returned {value!r}."
                )
    if B is None:
        distances += distances.T
    return distances


def _nan_euclidean(A: NDArray[Any], B: NDArray[Any] | None) -> Distances:
    """Euclidean distances over the columns that both rows have, scaled up to all columns.

    As :func:`sklearn.metrics.pairwise.nan_euclidean_distances`, but without the expansion of the
    square, so that a distance depends on its two rows only. Without a common column it is ``inf``:
    no edge.
    """
    others = A if B is None else B
    d = A.shape[1]
    total = np.zeros((A.shape[0], others.shape[0]))
    present = np.zeros(total.shape, dtype=np.intp)
    for k in range(d):
        gap = A[:, k, None] - others[None, :, k]
        there = ~np.isnan(gap)
        present += there
        total += np.where(there, gap * gap, 0.0)
    apart = present == 0
    return np.where(apart, np.inf, np.sqrt(total * d / np.where(apart, 1, present)))
