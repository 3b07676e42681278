"""The input of ``fit``, kept for questions that are asked later."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from neurotopo.persistence.engines import core_distances
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.metrics import Reduction, pairwise, reduction
from neurotopo.persistence.sample_weights import weighted_core_distances
from neurotopo.persistence.vertex_births import core_distances_of_samples

__all__ = ["FittedInput", "checksum"]

_COPIED = 32 * 2**20  # bytes; larger dense matrices of distances are not copied
_AT_ONCE = 2**18


class FittedInput:
    """Samples and their metric as they were in ``fit``.

    Points, sparse graphs and dense matrices of distances up to 32 MiB are copied. Larger matrices
    are kept by reference with a checksum: if the caller has changed one, :attr:`samples` raises
    an error.
    """

    def __init__(
        self,
        X: Any,
        metric: Any,
        metric_params: Mapping[str, Any] | None,
        weight: NDArray[np.float64] | None = None,
    ) -> None:
        self.weight = weight
        self.metric = metric
        self.metric_params = copy.deepcopy(metric_params)
        self.precomputed = isinstance(metric, str) and metric == "precomputed"
        by_reference = self.precomputed and not sp.issparse(X) and X.nbytes > _COPIED
        self._samples = X if by_reference else copy.deepcopy(X)  # with the objects inside
        self._checksum = checksum(X) if by_reference else None
        self._core: dict[int, NDArray[np.float64]] = {}
        self._distances: NDArray[np.float64] | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self._samples.shape[0])

    @property
    def samples(self) -> Any:
        """The points, or the matrix of lengths."""
        if self._checksum is not None and checksum(self._samples) != self._checksum:
            raise ValueError(
                "X was changed after fit. A matrix of distances over 32 MiB is not copied: "
                "restore it, or call fit again."
            )
        return self._samples

    def graph(self) -> NDArray[Any] | EdgeList:
        """Return the lengths in canonical form; of points, the matrix of distances."""
        if self.precomputed:
            return check_distances(self.samples)
        kept = self.kept_distances()
        if kept is None:
            return pairwise(self._samples, self.metric, self.metric_params)
        return kept

    def kept_distances(self, n_jobs: int | None = None) -> NDArray[np.float64] | None:
        """Return the matrix of distances of samples that need one, computed once.

        None for precomputed lengths, for metrics with a reduction, and above 32 MiB.
        """
        if self.precomputed or self.n_samples**2 * 8 > _COPIED or self.space() is not None:
            return None
        if self._distances is None:
            samples, metric, params = self._samples, self.metric, self.metric_params
            self._distances = pairwise(samples, metric, params, n_jobs=n_jobs)
        return self._distances

    def space(self) -> Reduction | None:
        """Return the reduction of the metric on the points, if there is one."""
        return reduction(self._samples, self.metric, self.metric_params)

    def core(self, min_samples: int, n_jobs: int | None = None) -> NDArray[np.float64]:
        """Return the core distances of the samples."""
        if min_samples not in self._core:
            self._core[min_samples] = self._core_distances(min_samples, n_jobs)
        return self._core[min_samples]

    def _core_distances(self, min_samples: int, n_jobs: int | None) -> NDArray[np.float64]:
        if self.weight is not None and min_samples > 1:
            return weighted_core_distances(self.graph(), self.weight, min_samples)
        if self.precomputed:
            if min_samples == 1:
                return np.zeros(self.n_samples)
            return core_distances(check_distances(self.samples), min_samples)
        return core_distances_of_samples(
            self._samples, self.space(), self.metric, self.metric_params, min_samples, n_jobs
        )


def checksum(X: NDArray[Any]) -> int:
    """Return a number that a change of any entry of a matrix changes, up to chance.

    It is a product of vector, matrix and vector of the bits modulo 2**64. With odd factors, the
    change of a single entry always shows.
    """
    if X.dtype.itemsize not in (1, 2, 4, 8):
        return zlib.crc32(X.tobytes())
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        X = X.T
    rows, columns = X.shape
    draw = np.random.default_rng(0)
    left = draw.integers(2**63, size=(rows,), dtype=np.uint64) * 2 + 1
    right = draw.integers(2**63, size=(columns,), dtype=np.uint64) * 2 + 1
    total, parts = 0, gen_batches(rows, max(1, _AT_ONCE // max(columns, 1)))
    for part in parts:
        bits: NDArray[Any] = np.ascontiguousarray(X[part]).view(f"u{X.dtype.itemsize}")
        total += int(np.dot(bits @ right, left[part]))
    return total % 2**64
