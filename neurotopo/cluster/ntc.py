"""NTCClusterer: Neuronal Topology Clustering as a scikit-learn estimator."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from neurotopo._upward import Explorable
from neurotopo.cluster.fit_input import checked_input
from neurotopo.cluster.members import ClusterMembers
from neurotopo.cluster.membership import attachment_radii, membership_strengths, tree_outlier_scores
from neurotopo.cluster.questions import TreeQuestions
from neurotopo.cluster.selection import RULES, select_clusters
from neurotopo.persistence.clusters import SCALES, candidate_clusters
from neurotopo.persistence.engines import ENGINES, find_forest
from neurotopo.persistence.inputs import SYMMETRIZE, Symmetrize, check_strata
from neurotopo.persistence.lengths import LENGTHS, Length
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["NTCClusterer"]


class NTCClusterer(TreeQuestions, Explorable, ClusterMixin, BaseEstimator):
    """Cluster points, distances or a weighted graph by the persistence of its components.

    As a radius R grows from 0, samples at distance R or less are joined. Every connected
    component at any R is a cluster with a birth R1 (it forms), a death R2 (it merges) and a
    persistence R2 - R1. Clusters of large persistence are kept.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        A metric of :func:`sklearn.metrics.pairwise_distances`, or ``"precomputed"``: X then has
        lengths or is a graph, in any form that :func:`~neurotopo.persistence.check_distances`
        takes. A callable also takes samples that are no rows of numbers: strings, series of
        different lengths.
    tau : float, default=0.5
        Parameter of the rule.
    rule : {"relative", "absolute", "gap", "significance", "mass"}, default="relative"
        Condition for a cluster to be kept:

        - ``"relative"``: persistence above ``tau`` times the largest one (the paper);
        - ``"absolute"``: persistence above ``tau``;
        - ``"gap"``: above the largest gap of the sorted persistences (no ``tau``);
        - ``"significance"``: ``significant_`` at the level ``tau`` (use 0.05, not the default);
        - ``"mass"``: the disjoint family of largest excess of mass, as HDBSCAN (no ``tau``);
        - or a name added by :func:`~neurotopo.cluster.selection.register_rule`.
    scale : {"difference", "log"}, default="difference"
        Persistence as R2 - R1 (the paper) or log(R2 / R1), which does not favour long lengths.
    min_cluster_size : int, default=2
        Smallest size of a cluster; 1 allows single samples.
    nested : bool, default=False
        Whether to keep every cluster above the threshold (the literal Eq 9), not only the disjoint
        family of largest total persistence. ``labels_`` is always of the disjoint family.
    max_radius : float or None, default=None
        End of observation: longer lengths are no edges, and infinite bars are counted up to here.
        None: the last merge.
    min_samples : int, default=1
        Core-distance smoothing: an edge is at least as long as the distance of both ends to their
        ``min_samples``-th nearest sample, themselves included. 1: no smoothing.
    condense : bool, default=False
        Whether clusters survive merges with fewer than ``min_cluster_size`` samples.
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        With ``metric="precomputed"``, how to combine the two directions of an edge, before
        ``lengths``: the larger of both, the smaller, or the mean, or the one there is;
        ``"mutual"`` keeps edges of both directions only. None: an asymmetric X is an error.
    lengths : {"inverse", "neglog", "one_minus"}, str, callable or None, default=None
        With ``metric="precomputed"``, the length of a weight or similarity, as for
        :func:`neurotopo.graphs.edge_lengths`. None: X has lengths.
    metric_params : mapping or None, default=None
        Parameters of the metric: ``p`` and ``w`` of ``"minkowski"``, ``V`` of ``"seuclidean"``,
        ``V`` or ``VI`` of ``"mahalanobis"`` (by default both take the variances of X), or those
        of another metric of scikit-learn.
    engine : {"auto", "scipy", "prim", "gudhi", "ripser", "points"}, default="auto"
        Algorithm of the minimum spanning forest; all give the same result.
    n_jobs : int or None, default=None
        Workers for the neighbour search among points and for permutations.
    random_state : int, RandomState or None, default=None
        Seed of the permutations for ``p_values_`` of a precomputed graph; nothing else is random.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_samples,)
        Cluster of each sample; -1 = in no cluster.
    n_clusters_ : int
        Number of clusters.
    clusters_ : sequence of ndarray
        Sorted sample indices of each cluster, by descending persistence; ``clusters_[k]`` are the
        samples labelled ``k``. With ``nested=True``, those outside the disjoint family come last.
        Each access sorts them anew, so nested clusters take no memory; ``clusters_.sizes`` needs
        no access (:class:`~neurotopo.cluster.members.ClusterMembers`).
    birth_, death_, persistence_ : ndarray of float64, shape (n_clusters,)
        R1, R2 and persistence of the clusters. ``death_`` is ``inf`` for one that never merges;
        its persistence is counted up to ``end_of_observation_``.
    nodes_ : ndarray of int, shape (n_clusters,)
        The nodes of ``merge_tree_`` of the clusters.
    p_values_ : ndarray of float64, shape (n_clusters,)
        P-value of each cluster, computed at the first access. For points, by
        :func:`~neurotopo.persistence.mode_test`: whether the cluster and the rest are
        separate modes, adjusted for all clusters. For ``metric="precomputed"``, by
        :func:`~neurotopo.persistence.permutation_test`: whether lengths placed at random have such
        a cluster; distances of points have no valid p-values of this kind, and cause a warning.
    significant_ : ndarray of bool, shape (n_clusters,)
        For points, whether the p-value is at most 0.05, so that any false one has probability
        0.05; for ``metric="precomputed"``, at a false-discovery rate of 0.05. With
        ``rule="significance"``, ``tau`` in place of 0.05.
    threshold_ : float
        tau1: the clusters kept have a larger persistence (mass with ``rule="mass"``). With
        ``rule="significance"``, the smallest persistence among them, or ``inf``.
    end_of_observation_ : float
        Radius up to which infinite bars are counted.
    merge_tree_ : MergeTree
        All clusters (up to ``max_radius``).
    diagram_ : ndarray of float64, shape (n, 2)
        (R1, R2) of all clusters of at least ``min_cluster_size`` samples, in order of birth.
    diagram_nodes_ : ndarray of int, shape (n,)
        The node of ``merge_tree_`` of each row of ``diagram_``.
    h0_diagram_ : ndarray of float64, shape (m, 2)
        The usual 0-dimensional diagram of the same filtration: births 0, deaths = merges.
    probabilities_ : ndarray of float64, shape (n_samples,)
        Membership strength: the remaining life of the cluster when the sample joins its first
        cluster, relative to the largest one of its members. 0 for unclustered samples.
    outlier_scores_ : ndarray of float64, shape (n_samples,)
        In [0, 1]: 1 - (birth of the densest part of the first cluster that the sample joins) /
        (radius at which it joins). 1 for a sample that never joins one.
    membership_vectors_ : ndarray of float64, shape (n_samples, number of labels)
        Soft membership of the samples in the clusters of ``labels_``.
    exemplars_, medoids_ : list of ndarray, ndarray of int, shape (n_clusters,)
        Of each cluster, the members that join first, and the one with the least total distance.
    cluster_layers_ : list of ClusterLayer
        Clusters at the persistent resolutions (:mod:`neurotopo.cluster.layers`).
    cluster_tree_ : DataFrame
        All candidate clusters.
    validity_, cluster_validity_ : float, ndarray of float64, shape (n_clusters,)
        Density-based validity from the tree, of all clusters and of each.
    n_features_in_ : int
        Number of columns of X, or of vertices of a graph. Not for objects.
    feature_names_in_ : ndarray of str
        Column names of X, if any.

    See Also
    --------
    neurotopo.merge_tree : The tree alone.
    neurotopo.persistence_diagrams : Diagrams in higher dimensions.

    Notes
    -----
    All equal lengths act at once, so the result does not depend on the order of the samples.
    Radii are pair distances (diameters), as in Vietoris-Rips complexes of gudhi and ripser.
    The attributes from ``membership_vectors_`` to ``cluster_validity_`` are computed at first use.
    Points, sparse graphs and dense distances up to 32 MiB are copied in :meth:`fit`. Larger dense
    matrices are not: where they are needed again, one that was changed is an error.
    With ``condense=True``, ``rule="mass"`` and the same ``min_samples`` and ``min_cluster_size``
    the labels are those of :class:`sklearn.cluster.HDBSCAN`, also for disconnected graphs.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025.
    .. [2] R. J. G. B. Campello, D. Moulavi and J. Sander, "Density-Based Clustering Based on
       Hierarchical Density Estimates", PAKDD 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NTCClusterer
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]])
    >>> ntc = NTCClusterer.paper().fit(X)
    >>> ntc.labels_.tolist()
    [0, 0, 0, 1, 1, -1]
    >>> np.column_stack([ntc.birth_, ntc.death_]).round(1).tolist()
    [[0.1, 4.8], [0.1, 3.9]]

    A sparse graph in two parts, the lengths of its edges given:

    >>> import scipy.sparse as sp
    >>> edges = sp.coo_array(([1.0, 2.0, 1.0], ([0, 1, 3], [1, 2, 4])), shape=(5, 5))
    >>> NTCClusterer.paper(metric="precomputed").fit_predict(edges + edges.T).tolist()
    [0, 0, -1, 1, 1]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [str, callable],
        "tau": [Interval(Real, 0, None, closed="left")],
        "rule": [StrOptions(RULES.keys())],
        "scale": [StrOptions(set(SCALES))],
        "min_cluster_size": [Interval(Integral, 1, None, closed="left")],
        "nested": ["boolean"],
        "max_radius": [Interval(Real, 0, None, closed="left"), None],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "condense": ["boolean"],
        "symmetrize": [StrOptions(set(SYMMETRIZE)), None],
        "lengths": [StrOptions(LENGTHS.keys()), callable, None],
        "metric_params": [dict, None],
        "engine": [StrOptions(set(ENGINES))],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "random_state": ["random_state"],
    }
    _needs_refit: ClassVar[set[str]] = {
        "metric",
        "symmetrize",
        "lengths",
        "metric_params",
        "min_samples",
        "engine",
    }

    def __init__(
        self,
        metric: Any = "euclidean",
        *,
        tau: float = 0.5,
        rule: str = "relative",
        scale: str = "difference",
        min_cluster_size: int = 2,
        nested: bool = False,
        max_radius: float | None = None,
        min_samples: int = 1,
        condense: bool = False,
        symmetrize: Symmetrize = None,
        lengths: Length | None = None,
        metric_params: dict[str, Any] | None = None,
        engine: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.metric = metric
        self.tau = tau
        self.rule = rule
        self.scale = scale
        self.min_cluster_size = min_cluster_size
        self.nested = nested
        self.max_radius = max_radius
        self.min_samples = min_samples
        self.condense = condense
        self.symmetrize = symmetrize
        self.lengths = lengths
        self.metric_params = metric_params
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def paper(cls, metric: Any = "euclidean", **changes: Any) -> NTCClusterer:
        """Return a clusterer with the parameters of the paper [1]_.

        They are ``rule="relative"``, ``tau=0.5``, ``min_cluster_size=2``, ``min_samples=1`` and
        ``condense=False``.

        Parameters
        ----------
        metric : str or callable, default="euclidean"
            The metric.
        **changes
            Other parameters of the clusterer. They replace those of the paper.

        Returns
        -------
        NTCClusterer

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.1], [9.0]]).labels_.tolist()
        [0, 0, 1, 1, -1]
        """
        paper: dict[str, Any] = {"rule": "relative", "tau": 0.5, "min_cluster_size": 2}
        paper |= {"min_samples": 1, "condense": False}
        return cls(metric, **(paper | changes))

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, *, strata: ArrayLike | None = None) -> NTCClusterer:
        """Cluster X.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features) or (n_samples, n_samples)
            Points, or lengths with ``metric="precomputed"``; then also a graph of networkx or
            igraph, arrays of nearest neighbours and others, see
            :func:`~neurotopo.persistence.check_distances`.
        y : None
            Not used.
        strata : array-like, shape (n_samples,), optional
            Group of each sample, for example the layer of a neuron. Permutations of a precomputed
            graph move lengths only between edges that join the same pair of groups.

        Returns
        -------
        self : NTCClusterer
        """
        X = self._checked(X, reset=True)
        if strata is not None:
            check_strata(strata, X.shape[0])
        self._strata = None if strata is None else np.array(strata)
        self._keep_input(X)
        options = self.metric, self.metric_params, self.engine, self.min_samples, self.n_jobs
        self._whole_tree = tree_of_forest(find_forest(X, *options, as_path=True))
        self._fitted_with = {name: getattr(self, name) for name in self._needs_refit}
        return self._select()

    def recut(self, **params: Any) -> NTCClusterer:
        """Choose clusters again from the same tree, with other parameters.

        Parameters
        ----------
        **params
            Any of ``tau``, ``rule``, ``scale``, ``min_cluster_size``, ``nested``, ``max_radius``,
            ``condense``, ``random_state``, ``n_jobs``. They are set on the estimator.

        Returns
        -------
        self : NTCClusterer

        Examples
        --------
        >>> from neurotopo import NTCClusterer
        >>> ntc = NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [6.0], [20.0]])
        >>> ntc.n_clusters_, ntc.recut(tau=0.9).n_clusters_
        (1, 1)
        >>> ntc.recut(scale="log", tau=0.4).labels_.tolist()
        [0, 0, 1, 1, -1]
        """
        check_is_fitted(self, "merge_tree_")
        for name in sorted(self._needs_refit & set(params)):
            raise ValueError(f"{name} changes the tree: set it and call fit again.")
        before = {name: value for name, value in self.get_params().items() if name in params}
        try:
            self.set_params(**params)
            self._validate_params()
            return self._select()
        except BaseException:
            self.set_params(**before)
            self._forget_test()
            raise

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[np.intp]:
        """Cluster X and return ``labels_``.

        Parameters
        ----------
        X : array-like or sparse matrix
            As for :meth:`fit`.
        y : None
            Not used.
        **kwargs
            Passed to :meth:`fit`.

        Returns
        -------
        labels : ndarray of int, shape (n_samples,)
        """
        labels: NDArray[np.intp] = self.fit(X, **kwargs).labels_
        return labels

    def _checked(self, X: Any, *, reset: bool) -> Any:
        return checked_input(self, X, reset=reset)

    def _select(self) -> NTCClusterer:
        self._forget_test()
        clusters = candidate_clusters(self._whole_tree, **self._candidate_options())
        options = {name: getattr(self, name) for name in ("rule", "tau", "scale", "nested")}
        selection = select_clusters(clusters, **options, test_of=self._test_of)
        tree, chosen = clusters.tree, selection.chosen
        self._clusters, self._selection = clusters, selection
        self.merge_tree_: MergeTree = tree
        self.diagram_ = clusters.diagram
        self.diagram_nodes_ = clusters.node
        self.h0_diagram_ = tree.h0_diagram()
        self.nodes_ = clusters.node[chosen]
        self.n_clusters_ = len(chosen)
        self.clusters_ = ClusterMembers(tree, self.nodes_)
        self.labels_ = tree.label_in_order(self.nodes_[: selection.n_disjoint])
        self.birth_, self.death_ = clusters.birth[chosen], clusters.death[chosen]
        self.persistence_ = clusters.persistence(self.scale)[chosen]
        self.threshold_ = selection.threshold
        self.end_of_observation_ = clusters.end
        radii = attachment_radii(tree, self.min_cluster_size)
        self.probabilities_ = membership_strengths(
            clusters, chosen[: selection.n_disjoint], self.labels_, radii, self.scale
        )
        self.outlier_scores_ = tree_outlier_scores(tree, radii, self.min_cluster_size)
        self._new_answers()
        return self

    def _candidate_options(self) -> dict[str, Any]:
        names = ("min_cluster_size", "condense", "max_radius")
        return {name: getattr(self, name) for name in names}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.engine != "points" and self.metric != "nan_euclidean"
        tags.input_tags.allow_nan = self.metric == "nan_euclidean"
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags
