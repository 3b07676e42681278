"""Input of a clusterer: points, objects, or lengths and graphs, with scikit-learn's checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from neurotopo.persistence.inputs import (
    FittedLengths,
    as_matrix,
    check_sparse_format,
    is_precomputed,
    query_lengths,
)
from neurotopo.persistence.sample_distances import as_objects, takes_nan

__all__ = ["checked_input"]


def checked_input(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Check the X of ``fit`` (``reset``) or of ``predict``, and set the names of its features.

    Returns
    -------
    ndarray or csr_array
        Points, shape (n, d); objects, shape (n,); a matrix of lengths, not yet checked; or, in
        ``predict``, lengths to the samples of ``fit``.
    """
    if is_precomputed(estimator.metric, estimator.lengths, estimator.symmetrize):
        return _precomputed(estimator, X, reset=reset)
    of_objects = not reset and estimator._fit_X.ndim == 1
    if reset or of_objects:
        objects = as_objects(X, estimator.metric, always=of_objects)
        if objects is not None:
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(estimator, name):
                    delattr(estimator, name)
            return objects
    takes_sparse = estimator.engine != "points" and not takes_nan(estimator.metric)
    return validate_data(
        estimator,
        check_sparse_format(X),
        accept_sparse="csr" if takes_sparse else False,
        dtype=np.float64,
        ensure_all_finite="allow-nan" if takes_nan(estimator.metric) else True,
        reset=reset,
    )


def _precomputed(estimator: Any, X: Any, *, reset: bool) -> Any:
    has_names = hasattr(X, "columns")
    if has_names:
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        X = np.asarray(X)
    if reset:
        lengths = None if estimator.lengths is None else FittedLengths(estimator.lengths)
        X = as_matrix(X, lengths=lengths, symmetrize=estimator.symmetrize)
        estimator._fitted_lengths = lengths
    else:
        X = query_lengths(X, estimator._input.n_samples, estimator._fitted_lengths)
        X = X if sp.issparse(X) else np.asarray(X)
    if not has_names:
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    return X
