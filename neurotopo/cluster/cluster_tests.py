"""Significance of the clusters of a fitted clusterer."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from neurotopo.persistence.clusters import CandidateClusters
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.modes import test_clusters
from neurotopo.persistence.point_null import SmoothedPoints
from neurotopo.persistence.significance import are_distances_of_points, run_permutations

__all__ = ["DEFAULT_LEVEL", "ClusterTest", "WithClusterTest"]

DEFAULT_LEVEL = 0.05


class ClusterTest(Protocol):
    """P-values of clusters, and the discoveries at a level."""

    @property
    def p_values(self) -> NDArray[np.float64]:
        """One p-value per cluster."""

    def discoveries(self, level: float = DEFAULT_LEVEL) -> NDArray[np.bool_]:
        """Return which clusters are significant."""


class WithClusterTest:
    """Mixin of a clusterer: ``p_values_`` and ``significant_``, computed when they are needed.

    The clusterer calls ``_forget_test`` before it selects clusters.
    """

    _test: ClusterTest | None

    @property
    def p_values_(self) -> NDArray[np.float64]:
        """P-value of each cluster."""
        clusterer = self._fitted_clusterer()
        return clusterer._kept_test().p_values[clusterer._selection.chosen]

    @property
    def significant_(self) -> NDArray[np.bool_]:
        """Whether each cluster is significant."""
        clusterer = self._fitted_clusterer()
        level = clusterer._test_options["level"]
        return clusterer._kept_test().discoveries(level)[clusterer._selection.chosen]

    def _fitted_clusterer(self) -> Any:
        check_is_fitted(self, "merge_tree_")
        return self

    def _forget_test(self: Any) -> None:
        self._test = None
        has_level = self.rule == "significance" and self.tau is not None
        self._test_options = {
            **self._candidate_options(),
            "min_samples": self.min_samples_,
            **{name: getattr(self, name) for name in ("scale", "random_state")},
            "level": self.tau if has_level else DEFAULT_LEVEL,
        }

    def _kept_test(self: Any) -> ClusterTest:
        # a rule may test the clusters of several sizes, and keep those of one
        kept = self._test is not None and self._tested is self._clusters
        test: ClusterTest = self._test if kept else self._test_of(self._clusters)
        return test

    def _test_of(self: Any, clusters: CandidateClusters) -> ClusterTest:
        options = {name: value for name, value in self._test_options.items() if name != "level"}
        options["min_cluster_size"] = self.min_cluster_size_
        self._tested = clusters
        metric, metric_params = (self._fitted_with[name] for name in ("metric", "metric_params"))
        if isinstance(metric, str) and metric == "precomputed":
            graph = check_distances(self._fit_X)
            if are_distances_of_points(graph):
                warnings.warn(
                    "The lengths are distances of points: they obey the triangle inequality, and "
                    "shuffled ones do not. So all clusters may look significant. Fit the points, "
                    "or use neurotopo.persistence.mode_test(X, labels, 'precomputed').",
                    UserWarning,
                    stacklevel=3,
                )
            self._test = run_permutations(
                clusters,
                graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph),
                strata=self._strata,
                n_jobs=self.n_jobs,
                **options,
            )
        else:
            points = SmoothedPoints(self._fit_X, metric, metric_params, self.n_jobs)
            self._test = test_clusters(clusters, points)
        return self._test
