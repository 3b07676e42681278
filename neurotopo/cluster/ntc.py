"""NTCClusterer: Neuronal Topology Clustering as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from neurotopo._upward import Explorable, html_of
from neurotopo.cluster.fit_input import checked_input
from neurotopo.cluster.fit_messages import fit_message
from neurotopo.cluster.members import ClusterMembers
from neurotopo.cluster.membership import (
    attachment_radii,
    first_clusters,
    membership_strengths,
    tree_outlier_scores,
)
from neurotopo.cluster.questions import TreeQuestions
from neurotopo.cluster.resolution import (
    best_resolution,
    chance_structure,
    cluster_sizes,
    intrinsic_dimension,
    smoothing,
)
from neurotopo.cluster.selection import RULES, Selection, select_clusters
from neurotopo.persistence.clusters import SCALES, CandidateClusters, candidate_clusters
from neurotopo.persistence.engines import ENGINES, find_forest
from neurotopo.persistence.inputs import SYMMETRIZE, Symmetrize, check_strata
from neurotopo.persistence.lengths import LENGTHS, Length
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.sample_weights import node_weights, weighted_forest
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
    rule : {"auto", "relative", "absolute", "gap", "significance", "mass"}, default="auto"
        Condition for a cluster to be kept:

        - ``"auto"``: as ``"mass"``, but no cluster at all where the points are as even as uniform
          noise, see Notes;
        - ``"relative"``: persistence above ``tau`` times the largest one (the paper);
        - ``"absolute"``: persistence above ``tau``;
        - ``"gap"``: above the largest gap of the sorted persistences (no ``tau``);
        - ``"significance"``: ``significant_`` at the level ``tau``;
        - ``"mass"``: the disjoint family of largest excess of mass, as HDBSCAN (no ``tau``);
        - or a name added by :func:`~neurotopo.cluster.selection.register_rule`.
    tau : float or None, default=None
        Parameter of the rule. None: 0.05 for ``"significance"``, 0.5 for other rules; for
        ``"auto"`` the threshold of structure in uniform noise (0 finds structure everywhere).
    scale : {"difference", "log"}, default="difference"
        Persistence as R2 - R1 (the paper) or log(R2 / R1), which does not favour long lengths.
    min_cluster_size : int or "auto", default="auto"
        Smallest size of a cluster; 1 allows single samples. ``"auto"``: the size of largest total
        persistence for the rules "auto" and "mass", see Notes, and 2 for others.
    nested : bool, default=False
        Whether to keep every cluster above the threshold (the literal Eq 9), not only the disjoint
        family of largest total persistence. ``labels_`` is always of the disjoint family.
    max_radius : float, "last_merge" or None, default=None
        End of observation: longer lengths are no edges, and infinite bars are counted up to here.
        None: the last merge. If a graph is disconnected, its components never merge: they pass
        every rule, and their persistence is counted up to twice the last merge. ``"last_merge"``
        (the paper): it is counted up to the last merge, and compared like all others.
    min_samples : int or "auto", default="auto"
        Core-distance smoothing: an edge is at least as long as the distance of both ends to their
        ``min_samples``-th nearest sample, themselves included. 1: no smoothing. ``"auto"``: 5 (a
        tenth of fewer than 50 samples) for the rules "auto" and "mass", and 1 for others.
    condense : bool or "auto", default="auto"
        Whether clusters survive merges with fewer than ``min_cluster_size`` samples. ``"auto"``:
        they do for the rules "auto" and "mass".
    n_clusters : int or None, default=None
        Number of clusters: the most persistent ones that are apart, whatever the rule. There are
        fewer if the tree has fewer.
    max_cluster_size : float or None, default=None
        Largest size of a cluster.
    epsilon : float, default=0.0
        Clusters that merge at a radius below it are not told apart, as with HDBSCAN.
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
    rule_ : str
        The rule used; ``"mass"`` for ``rule="auto"``.
    tau_ : float or None
        The parameter of the rule. With ``rule="auto"``, the threshold of ``structure_``; None if
        it was not needed.
    structure_ : float
        With ``rule="auto"`` only: how far the points are from uniform noise. There are clusters
        if it exceeds ``tau_``.
    min_cluster_size_, min_samples_, condense_ : int, int, bool
        The values of these parameters that were used.
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
    **Defaults.** The total persistence of a family of clusters is the mean over the samples of
    log(R2 / R1) of their cluster, 0 without one. ``min_cluster_size="auto"`` tries up to twelve
    sizes from 5 to a tenth of the samples and takes the one whose family has the largest
    total persistence [3]_. ``rule="auto"`` compares the largest log(R2 / R1) at any of these sizes,
    times the intrinsic dimension and the root of the size, with what uniform noise exceeds in at
    most 5 % of cases (:func:`~neurotopo.cluster.resolution.chance_structure`). It does so for
    points, and for dense finite distances; not for sparse graphs, which have no dimension, nor for
    fewer than 20 samples.

    All equal lengths act at once, so the result does not depend on the order of the samples.
    Radii are pair distances (diameters), as in Vietoris-Rips complexes of gudhi and ripser.
    The attributes from ``membership_vectors_`` to ``cluster_validity_`` are computed at first use.
    Only one thread may fit an estimator at a time, as with all estimators of scikit-learn; give
    each thread its own clone.
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
    .. [3] D. Bot, L. McInnes and J. Aerts, "Persistent Multiscale Density-based Clustering", 2025,
       arXiv:2512.16558.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from neurotopo import NTCClusterer
    >>> X, y = make_moons(500, noise=0.05, random_state=0)
    >>> ntc = NTCClusterer().fit(X)
    >>> ntc.n_clusters_, bool(((ntc.labels_ == ntc.labels_[0]) == (y == y[0])).all())
    (2, True)

    The rule of the paper:

    >>> import numpy as np
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
        "rule": [StrOptions(RULES.keys())],
        "tau": [Interval(Real, 0, None, closed="left"), None],
        "scale": [StrOptions(set(SCALES))],
        "min_cluster_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "nested": ["boolean"],
        "max_radius": [Interval(Real, 0, None, closed="left"), StrOptions({"last_merge"}), None],
        "min_samples": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "condense": ["boolean", StrOptions({"auto"})],
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "max_cluster_size": [Interval(Real, 1, None, closed="left"), None],
        "epsilon": [Interval(Real, 0, None, closed="left")],
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
        rule: str = "auto",
        tau: float | None = None,
        scale: str = "difference",
        min_cluster_size: int | str = "auto",
        nested: bool = False,
        max_radius: float | str | None = None,
        min_samples: int | str = "auto",
        condense: bool | str = "auto",
        n_clusters: int | None = None,
        max_cluster_size: float | None = None,
        epsilon: float = 0.0,
        symmetrize: Symmetrize = None,
        lengths: Length | None = None,
        metric_params: dict[str, Any] | None = None,
        engine: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.metric = metric
        self.rule = rule
        self.tau = tau
        self.scale = scale
        self.min_cluster_size = min_cluster_size
        self.nested = nested
        self.max_radius = max_radius
        self.min_samples = min_samples
        self.condense = condense
        self.n_clusters = n_clusters
        self.max_cluster_size = max_cluster_size
        self.epsilon = epsilon
        self.symmetrize = symmetrize
        self.lengths = lengths
        self.metric_params = metric_params
        self.engine = engine
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def paper(cls, metric: Any = "euclidean", **changes: Any) -> NTCClusterer:
        """Return a clusterer with the parameters of the paper.

        They are ``rule="relative"``, ``tau=0.5``, ``min_cluster_size=2``, ``min_samples=1``,
        ``condense=False`` and ``max_radius="last_merge"``.

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
        paper |= {"min_samples": 1, "condense": False, "max_radius": "last_merge"}
        return cls(metric, **(paper | changes))

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
        strata: ArrayLike | None = None,
    ) -> NTCClusterer:
        """Cluster X.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features) or (n_samples, n_samples)
            Points, or lengths with ``metric="precomputed"``; then also a graph of networkx or
            igraph, arrays of nearest neighbours and others, see
            :func:`~neurotopo.persistence.check_distances`.
        y : None
            Not used.
        sample_weight : array-like, shape (n_samples,), optional
            Weights, not negative: a sample of weight 2 counts as two equal samples, in the sizes
            of clusters and in the smoothing. One of weight 0 is in no cluster.
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
        self._weight = None
        if sample_weight is not None:
            self._weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        self._keep_input(X, self._weight)
        n = X.shape[0] if self._weight is None else self._weight.sum()
        k = self.min_samples
        self.min_samples_: int = k if isinstance(k, Integral) else self._smoothing(n)
        given = X, self.metric, self.metric_params
        if self.engine != "points" and (D := self._input.kept_distances(self.n_jobs)) is not None:
            given = D, "precomputed", None
        options = self.engine, self.min_samples_, self.n_jobs
        if self._weight is None:
            forest = find_forest(*given, *options, as_path=True)
        else:
            forest = weighted_forest(*given, *options, self._weight)
        self._whole_tree = tree_of_forest(forest)
        self._fitted_with = {name: getattr(self, name) for name in self._needs_refit}
        self._dimension: float | None = None
        return self._select()

    def _smoothing(self, n_samples: float) -> int:
        return smoothing(n_samples) if RULES[self._rule()].of_density else 1

    def _rule(self) -> str:
        return "mass" if self.rule == "auto" else self.rule

    def recut(self, **params: Any) -> NTCClusterer:
        """Choose clusters again from the same tree, with other parameters.

        Parameters
        ----------
        **params
            Any of ``tau``, ``rule``, ``scale``, ``min_cluster_size``, ``nested``, ``max_radius``,
            ``condense``, ``n_clusters``, ``max_cluster_size``, ``epsilon``, ``random_state``,
            ``n_jobs``. They are set on the estimator.

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
        before = self.__dict__.copy()
        try:
            self.set_params(**params)
            self._validate_params()
            return self._select()
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
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
        rule = self._rule()
        self.rule_ = rule
        self.tau_ = RULES[self.rule].tau
        if self.tau is not None:
            self.tau_ = float(self.tau)
        of_density, size = RULES[rule].of_density, self.min_cluster_size
        self.condense_ = of_density if isinstance(self.condense, str) else bool(self.condense)
        weight, tree = self._weight, self._whole_tree
        self._node_size = None if weight is None else node_weights(tree, weight)
        n = float(tree.n_samples if weight is None else weight.sum())
        if isinstance(size, Integral):
            sizes = [int(size)]
        else:
            sizes = cluster_sizes(n) if of_density else [2]
            sizes += range(sizes[0] - 1, 1, -1) if self.n_clusters else ()
        self.min_cluster_size_: int = sizes[0]
        self._forget_test()
        best, structure = best_resolution(
            self._candidates, self._selected, sizes, self.min_samples_, self.n_clusters
        )
        clusters, selection = best.clusters, best.selection
        if best.min_cluster_size != sizes[0]:
            self.min_cluster_size_ = best.min_cluster_size
            self._forget_test()
        if hasattr(self, "structure_"):
            del self.structure_
        if self.rule == "auto" and self.n_clusters is None and len(clusters.endless) == 0:
            selection = self._unless_chance(selection, structure, n, sizes[0])
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
        first = first_clusters(clusters)
        radii = attachment_radii(clusters, first)
        self.probabilities_ = membership_strengths(
            clusters, chosen[: selection.n_disjoint], self.labels_, radii, self.scale
        )
        self.outlier_scores_ = tree_outlier_scores(clusters, first)
        self._new_answers()
        if message := fit_message(self):
            warnings.warn(message, stacklevel=4)
        return self

    def _candidates(self, min_cluster_size: int) -> CandidateClusters:
        options = self._candidate_options() | {"min_cluster_size": min_cluster_size}
        return candidate_clusters(self._whole_tree, node_size=self._node_size, **options)

    def _candidate_options(self) -> dict[str, Any]:
        return {
            "min_cluster_size": self.min_cluster_size_,
            "condense": self.condense_,
            "max_radius": self.max_radius,
        }

    def _selected(self, clusters: CandidateClusters) -> Selection:
        names = ("scale", "nested", "n_clusters", "max_cluster_size", "epsilon")
        options = {name: getattr(self, name) for name in names}
        tau = 0.0 if self.tau_ is None else self.tau_
        if not self._input.precomputed and self._fit_X.ndim == 2:
            options["order_of"] = self._order_of_points
        return select_clusters(clusters, rule=self.rule_, tau=tau, test_of=self._test_of, **options)

    def _order_of_points(self) -> NDArray[np.intp]:
        """Return an order of the samples that a permutation of them does not change."""
        X = self._fit_X
        return np.lexsort((X.toarray() if sp.issparse(X) else X).T[::-1])

    def _unless_chance(
        self, selection: Selection, structure: float, n: float, size: int
    ) -> Selection:
        """Return the selection, or none of it if uniform noise has as much structure."""
        if self._dimension is None:
            self._dimension = intrinsic_dimension(self._input, self.n_jobs)
        if np.isnan(self._dimension):
            return selection
        self.structure_ = structure * self._dimension
        if self.tau_ is None:
            self.tau_ = chance_structure(n, self._dimension, self.min_samples_, size)
        if self.structure_ > self.tau_:
            return selection
        return Selection(selection.chosen[:0], 0, np.inf)

    def _repr_html_inner(self) -> str:
        return self._beside(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._beside(bundle["text/html"])
        return bundle

    def _beside(self, estimator: str) -> str:
        """Return the HTML of scikit-learn, followed by tree and diagram once fitted."""
        return estimator + html_of(self) if hasattr(self, "merge_tree_") else estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.engine != "points" and self.metric != "nan_euclidean"
        tags.input_tags.allow_nan = self.metric == "nan_euclidean"
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags
