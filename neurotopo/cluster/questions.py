"""Questions to a fitted clusterer, answered from its tree without another fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from neurotopo.cluster.cluster_tests import WithClusterTest
from neurotopo.cluster.fitted_input import FittedInput
from neurotopo.cluster.layers import ClusterLayer, cluster_layers
from neurotopo.cluster.medoids import medoid, nearest_clusters
from neurotopo.cluster.membership import attachment_radii, first_clusters, nearest_members
from neurotopo.cluster.selection import RULES, select_clusters
from neurotopo.cluster.tree_answers import densest_members, meeting_radii, soft_memberships, subtree
from neurotopo.persistence.clusters import candidate_clusters, lifetime

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.cluster.members import ClusterMembers
    from neurotopo.persistence.clusters import CandidateClusters
    from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["TreeQuestions"]

_CUT = ("rule", "tau", "scale", "min_cluster_size", "condense", "max_radius")


def _answer(method: Callable[[Any], Any]) -> Any:
    """Make a property of a fitted clusterer that is computed once, until the next fit or recut."""
    name = method.__name__

    @wraps(method)
    def answer(self: Any) -> Any:
        check_is_fitted(self, "merge_tree_")
        if name not in self._answers:
            self._answers[name] = method(self)
        return self._answers[name]

    return property(answer)


class TreeQuestions(WithClusterTest):
    """Adds attributes and methods that are computed from the fitted tree when they are used."""

    if TYPE_CHECKING:
        n_jobs: int | None
        merge_tree_: MergeTree
        clusters_: ClusterMembers
        labels_: NDArray[np.intp]
        nodes_: NDArray[np.intp]
        birth_: NDArray[np.float64]
        death_: NDArray[np.float64]
        persistence_: NDArray[np.float64]
        probabilities_: NDArray[np.float64]
        outlier_scores_: NDArray[np.float64]
        end_of_observation_: float
        _checked: Callable[..., Any]
        _clusters: CandidateClusters

    def _keep_input(self, X: Any, weight: NDArray[np.float64] | None) -> None:
        """Keep the samples of ``fit``, so that later changes to X have no effect."""
        own: Any = self
        self._input = FittedInput(X, own.metric, own.metric_params, weight)

    def _new_answers(self) -> None:
        """Forget all answers, and remember the parameters of the clusters."""
        names = (*_CUT, "min_samples")
        self._used = {n: getattr(self, f"{n}_", getattr(self, n)) for n in names}
        self._answers: dict[str, Any] = {}

    @property
    def candidates(self) -> CandidateClusters:
        """All candidate clusters, with births, deaths and masses."""
        check_is_fitted(self, "merge_tree_")
        return self._clusters

    @property
    def _fit_X(self) -> Any:
        return self._input.samples

    @_answer
    def _joins(self) -> NDArray[np.float64]:
        return attachment_radii(self._clusters, first_clusters(self._clusters))

    @_answer
    def _ends(self) -> NDArray[np.float64]:
        """Death radii of the clusters, up to the end of observation."""
        last = np.maximum(self.end_of_observation_, self.birth_)
        return np.where(np.isinf(self.death_), last, self.death_)

    @property
    def _disjoint(self) -> NDArray[np.intp]:
        """The nodes of the clusters of ``labels_``."""
        return self.nodes_[: self.labels_.max(initial=-1) + 1]

    @_answer
    def _meet(self) -> NDArray[np.float64]:
        nodes = self._disjoint
        return meeting_radii(self.merge_tree_, nodes, self._joins, self._ends[: len(nodes)])

    @_answer
    def membership_vectors_(self) -> NDArray[np.float64]:
        """Soft membership of each sample in each cluster of ``labels_``.

        Shape (n_samples, n_clusters); a column for each label, and no row has a sum over 1. With
        d(i, k) the radius at which sample i and cluster k are first in one component (for a
        member: at which it joins), b(k) the least one of its members and L(k) the life of the
        cluster from b(k) to its death, the strength is s(i, k) = L(k) / (L(k) + d(i, k) - b(k)),
        and the entry is max over j of s(i, j), times s(i, k) / (sum over j of s(i, j)). With
        ``scale="log"`` differences are those of logarithms. Members have s > 1/2, others at most
        1/2, and 0 if they never meet.
        """
        nodes, unit = self._disjoint, self.candidates.unit
        options = self._ends[: len(nodes)], self._used["scale"], unit
        return soft_memberships(self._meet, self.labels_, *options)

    @_answer
    def exemplars_(self) -> list[NDArray[np.intp]]:
        """Exemplars of each cluster of ``clusters_``: the sorted members that join first.

        They are the densest part of the cluster.
        """
        return densest_members(self.merge_tree_, self.nodes_, self._joins)

    @_answer
    def medoids_(self) -> NDArray[np.intp]:
        """Medoid of each cluster of ``clusters_``: the member with the least total distance.

        Distances are those of X without smoothing; where a graph has no edge between two members,
        those of shortest paths inside the cluster; members count by their weight, if samples have
        weights. Of equal totals, the member that joins first is
        taken, then the first sample. The time is quadratic in the size of the cluster.
        """
        graph = self._input.graph() if self._input.precomputed else None
        medoids = [medoid(c, self._joins, self._input, graph) for c in self.clusters_]
        return np.array(medoids, dtype=np.intp)

    @_answer
    def cluster_layers_(self) -> list[ClusterLayer]:
        """Clusters at the persistent resolutions, from fine to coarse.

        A list of :class:`~neurotopo.cluster.layers.ClusterLayer`, each with ``labels`` and
        ``min_cluster_size``: the local maxima of total persistence over the smallest size of a
        cluster (:func:`~neurotopo.cluster.layers.cluster_layers`).
        """
        return cluster_layers(self.merge_tree_, max(2, self._used["min_samples"]))

    @_answer
    def cluster_tree_(self) -> pd.DataFrame:
        """Table of the candidate clusters, in order of birth.

        Columns: node of ``merge_tree_``, parent (row of the candidate it merges into, -1: none),
        birth, death, persistence, size, and label (position in ``clusters_``, -1: not chosen).
        """
        import pandas as pd

        found, scale = self.candidates, self._used["scale"]
        label = np.full(self.merge_tree_.n_nodes, -1, dtype=np.intp)
        label[self.nodes_] = np.arange(len(self.nodes_))
        columns = {
            "node": found.node,
            "parent": found.parent,
            "birth": found.birth,
            "death": found.death,
            "persistence": found.persistence(scale),
            "size": found.size,
            "label": label[found.node],
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(len(found), name="candidate"))

    @_answer
    def cluster_validity_(self) -> NDArray[np.float64]:
        """Density-based validity of each cluster of ``clusters_``, in [0, 1].

        1 - R1 / R2, with R1 the radius at which all members are connected and R2 the death (up to
        the end of observation). These are the density sparseness and separation of DBCV, taken
        from the tree: the longest edge inside and the shortest one that leaves.
        """
        inside, ends = self.merge_tree_.birth[self.nodes_], self._ends
        validity = 1.0 - np.divide(inside, ends, out=np.ones_like(ends), where=ends > 0)
        return np.maximum(validity, 0.0)

    @_answer
    def validity_(self) -> float:
        """Mean of ``cluster_validity_`` over all samples, for the clusters of ``labels_``.

        Samples in no cluster count as 0. It compares clusterings of one X; for the index of DBCV
        see :func:`neurotopo.metrics.dbcv`.
        """
        nodes, sizes = self._disjoint, self._clusters.node_size
        weights = sizes[: self.merge_tree_.n_samples].sum()
        parts = self.cluster_validity_[: len(nodes)] * sizes[nodes]
        return float(parts.sum() / weights) if weights > 0 else 0.0

    def assign(self, noise: Literal["nearest", "tree", "keep"] = "nearest") -> NDArray[np.intp]:
        """Return labels with the samples outside all clusters assigned to one.

        Parameters
        ----------
        noise : {"nearest", "tree", "keep"}, default="nearest"
            ``"nearest"``: the cluster of the nearest clustered sample, by the lengths of X without
            smoothing (in a graph with missing edges by shortest paths); ``"tree"``: the cluster
            that the branch of the sample merges with first, the most persistent if it merges with
            several at once; ``"keep"``: none.

        Returns
        -------
        labels : ndarray of int, shape (n_samples,)
            -1 only for samples that are connected to no cluster.

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.1], [9.0]])
        >>> ntc.labels_.tolist(), ntc.assign().tolist()
        ([0, 0, 1, 1, -1], [0, 0, 1, 1, 1])
        """
        check_is_fitted(self, "merge_tree_")
        if noise == "keep":
            return self.labels_.copy()
        if noise == "nearest":
            return nearest_clusters(self.labels_, self._input, self.n_jobs)
        if noise != "tree":
            raise ValueError(f'noise must be "nearest", "tree" or "keep", got {noise!r}.')
        labels, meet = self.labels_.copy(), self._meet
        if meet.shape[1]:
            reached = (labels < 0) & np.isfinite(meet.min(axis=1))
            labels[reached] = meet[reached].argmin(axis=1)
        return labels

    def predict(self, X: Any, return_probabilities: bool = False) -> Any:
        """Assign new points to the clusters.

        A point belongs to the cluster of its nearest clustered sample if their distance is less
        than the cluster's death radius, else to none. Of equally near samples, that of the most
        persistent cluster counts.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_queries, n_features)
            New points; with ``metric="precomputed"`` their distances to the samples of
            :meth:`fit`, shape (n_queries, n_samples), ``inf`` (or absent) for no edge (weights
            with ``lengths``), or a tuple of arrays of ``kneighbors``.
        return_probabilities : bool, default=False
            Whether to return strengths of membership as well.

        Returns
        -------
        labels : ndarray of int, shape (n_queries,)
            -1 = in no cluster.
        probabilities : ndarray of float64, shape (n_queries,)
            With ``return_probabilities`` only. As ``probabilities_``: the remaining life of the
            cluster when the point joins, relative to the largest one of its members. The point
            joins at the distance of its nearest sample, but not before that sample.

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.1], [9.0]])
        >>> ntc.predict([[-1.0], [4.0], [12.0]]).tolist()
        [0, 1, -1]
        >>> ntc.predict([[0.05], [-1.0]], return_probabilities=True)[1].round(2).tolist()
        [1.0, 0.81]
        """
        check_is_fitted(self, "merge_tree_")
        X = self._checked(X, reset=False)
        n = X.shape[0]
        labels, probabilities = np.full(n, -1, dtype=np.intp), np.zeros(n)
        inside = np.flatnonzero(self.labels_ >= 0)
        if n and len(inside):
            joins = np.minimum(self._joins[inside], self._ends[self.labels_[inside]])
            members = inside[np.lexsort((inside, joins, self.labels_[inside]))]
            distance, nearest = nearest_members(
                X, self._input, members, self._used["min_samples"], self.n_jobs
            )
            near = self.labels_[nearest]
            held = distance < self._ends[near]
            labels[held] = near[held]
            if return_probabilities:
                radii = np.maximum(distance, self._joins[nearest])[held]
                probabilities[held] = self._strengths(near[held], radii)
        return (labels, probabilities) if return_probabilities else labels

    def _strengths(
        self, labels: NDArray[np.intp], joins: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the remaining life of clusters at some radii, relative to the longest one."""
        ends, scale, unit = self._ends, self._used["scale"], self.candidates.unit
        n_labels = len(self._disjoint)
        first = np.full(n_labels, np.inf)
        inside = self.labels_ >= 0
        np.minimum.at(first, self.labels_[inside], self._joins[inside])
        first = np.minimum(first, ends[:n_labels])
        life = lifetime(np.minimum(joins, ends[labels]), ends[labels], scale, unit)
        whole = lifetime(first, ends[:n_labels], scale, unit)[labels]
        return np.divide(life, whole, out=np.ones_like(life), where=whole > 0)

    def subclusters(self, k: int, **params: Any) -> NDArray[np.intp]:
        """Cluster the members of one cluster, from the part of the tree below it.

        The result is that of the rule on the members alone, with the lengths (and smoothing) of
        the whole. Nothing is fitted, and the estimator does not change.

        Parameters
        ----------
        k : int
            A cluster, by its position in ``clusters_``.
        **params
            Any of ``rule``, ``tau``, ``scale``, ``min_cluster_size``, ``condense`` and
            ``max_radius``; by default those of the clusterer.

        Returns
        -------
        labels : ndarray of int, shape (n_samples,)
            The subcluster of each sample, 0, 1, ... by descending persistence; -1 for samples
            outside cluster ``k`` and members in no subcluster.

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> X = [[0.0], [0.2], [1.0], [1.5], [30.0], [30.5], [32.0], [33.0]]
        >>> ntc = NTCClusterer.paper().fit(X)
        >>> ntc.labels_.tolist()
        [0, 0, 0, 0, 1, 1, 1, 1]
        >>> ntc.subclusters(0, tau=0.3).tolist()
        [0, 0, 1, 1, -1, -1, -1, -1]
        """
        check_is_fitted(self, "merge_tree_")
        if unknown := sorted(set(params) - set(_CUT)):
            raise ValueError(f"subclusters has no parameter {unknown[0]!r}; it takes {_CUT}.")
        if not -len(self.nodes_) <= k < len(self.nodes_):
            raise IndexError(f"cluster {k} is not in 0..{len(self.nodes_) - 1}.")
        used = {name: self._used[name] for name in _CUT} | params
        if used["rule"] == "significance":
            raise ValueError('rule="significance" needs all samples: give another rule.')
        tree, members, nodes = subtree(self.merge_tree_, int(self.nodes_[k]))
        sizes = {name: used[name] for name in ("min_cluster_size", "condense", "max_radius")}
        found = candidate_clusters(tree, **sizes, node_size=self._clusters.node_size[nodes])
        tau = RULES[used["rule"]].tau if used["tau"] is None else used["tau"]
        how = {"rule": used["rule"], "scale": used["scale"], "tau": 0.0 if tau is None else tau}
        chosen = select_clusters(found, **how)
        labels = np.full(len(self.labels_), -1, dtype=np.intp)
        labels[members] = found.tree.label_in_order(found.node[chosen.chosen])
        return labels

    def to_frame(self, of: Literal["clusters", "samples"] = "clusters") -> pd.DataFrame:
        """Return a table of the clusters or of the samples.

        Parameters
        ----------
        of : {"clusters", "samples"}, default="clusters"
            The rows.

        Returns
        -------
        DataFrame
            Of clusters: size, birth, death, persistence, validity, node and, where they were
            computed, p_value and significant. Of samples: label, probability, outlier_score and
            joins (radius at which the sample joins its first cluster, ``inf``: never).

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.1], [9.0]])
        >>> ntc.to_frame()[["size", "birth", "death"]].round(1).to_numpy().tolist()
        [[2.0, 0.1, 4.9], [2.0, 0.1, 3.9]]
        >>> ntc.to_frame("samples")["label"].tolist()
        [0, 0, 1, 1, -1]
        """
        import pandas as pd

        check_is_fitted(self, "merge_tree_")
        if of == "samples":
            columns: dict[str, Any] = {
                "label": self.labels_,
                "probability": self.probabilities_,
                "outlier_score": self.outlier_scores_,
                "joins": self._joins,
            }
            return pd.DataFrame(columns, index=pd.RangeIndex(len(self.labels_), name="sample"))
        if of != "clusters":
            raise ValueError(f'of must be "clusters" or "samples", got {of!r}.')
        columns = {
            "size": self.clusters_.sizes,
            "birth": self.birth_,
            "death": self.death_,
            "persistence": self.persistence_,
            "validity": self.cluster_validity_,
            "node": self.nodes_,
        }
        if self._test is not None:
            columns["p_value"], columns["significant"] = self.p_values_, self.significant_
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self.nodes_), name="cluster"))
