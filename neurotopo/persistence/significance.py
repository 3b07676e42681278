"""Permutation tests of the persistence of clusters, under shuffled weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from neurotopo.persistence.clusters import CandidateClusters, candidate_clusters
from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.inputs import EdgeList, Symmetrize, check_distances, check_strata
from neurotopo.persistence.lengths import Length
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["PermutationTest", "benjamini_hochberg", "permutation_test"]

_TRIPLES = 20_000  # that are checked for the triangle inequality


@dataclass(frozen=True)
class PermutationTest:
    """Result of :func:`permutation_test`.

    Attributes
    ----------
    clusters : CandidateClusters
        The clusters that were tested, in order of birth.
    persistence : ndarray of float64, shape (n_clusters,)
        Their persistence.
    p_values : ndarray of float64, shape (n_clusters,)
        One p-value per cluster, never 0.
    null_persistence, null_size : ndarray
        Persistence and size of all clusters of all permuted graphs.
    statistic : str
        What was compared, ``"joint"`` or ``"persistence"``.
    n_permutations : int
        Number of permuted graphs.

    Examples
    --------
    >>> from neurotopo.persistence import permutation_test
    >>> lengths = [[0, 1, 8, 9], [1, 0, 7, 6], [8, 7, 0, 2], [9, 6, 2, 0]]
    >>> test = permutation_test(lengths, n_permutations=50, random_state=0)
    >>> test.n_permutations, len(test.p_values), test.discoveries(0.05).tolist()
    (50, 3, [False, False, False])
    """

    clusters: CandidateClusters
    persistence: NDArray[np.float64]
    p_values: NDArray[np.float64]
    null_persistence: NDArray[np.float64]
    null_size: NDArray[np.intp]
    statistic: str
    n_permutations: int

    def discoveries(self, level: float = 0.05) -> NDArray[np.bool_]:
        """Return the clusters that are significant at a false-discovery rate of ``level``."""
        return benjamini_hochberg(self.p_values, level)


def permutation_test(
    X: Any,
    *,
    lengths: Length | None = None,
    symmetrize: Symmetrize = None,
    strata: ArrayLike | None = None,
    n_permutations: int = 199,
    statistic: Literal["auto", "joint", "persistence"] = "auto",
    scale: str = "difference",
    min_cluster_size: int = 2,
    condense: bool = False,
    max_radius: float | str | None = None,
    min_samples: int = 1,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> PermutationTest:
    """Compare the clusters of a graph with those of the same graph under shuffled weights.

    The null hypothesis is that the weights are exchangeable between the edges. Strata restrict the
    shuffle to edges between the same two groups, so that a layer of large weights does not count as
    structure.

    Parameters
    ----------
    X : array-like, sparse matrix or graph
        Lengths or a graph, in any form that :func:`~neurotopo.persistence.check_distances` takes.
        Pairs without an edge stay so.
    lengths, symmetrize
        See :func:`~neurotopo.persistence.check_distances`.
    strata : array-like, shape (n,), optional
        Group of each vertex, for example its layer.
    n_permutations : int, default=199
        Number of shuffled graphs.
    statistic : {"auto", "joint", "persistence"}, default="auto"
        ``"persistence"``: clusters of large persistence are extreme. ``"joint"``: clusters are
        extreme if few, of the permuted graphs and the one tested, are as persistent and as
        balanced; the balance is the size of the cluster or of the rest, whichever is smaller.
        ``"auto"`` is ``"persistence"`` for condensed clusters and ``"joint"`` otherwise: pairs and
        near-complete components persist by chance in any graph, and would hide groups of medium
        size.
    scale, min_cluster_size, condense, max_radius, min_samples
        As for :class:`neurotopo.NTCClusterer`.
    random_state : int, RandomState or None
        Seed of the shuffles.
    n_jobs : int or None, default=None
        Workers. The result does not depend on it.

    Returns
    -------
    PermutationTest
        The p-value of a cluster is the share of clusters at least as extreme, of the permuted
        graphs and the one tested: ``(1 + #{null as extreme}) / (1 + #null)``.

    Notes
    -----
    Under the hypothesis the graph and its permutations are exchangeable, hence so are all their
    clusters together, and the pooled p-value is uniform for a cluster drawn at random.
    Distances of points are never exchangeable, because of the triangle inequality: for points see
    :func:`neurotopo.persistence.mode_test`.

    References
    ----------
    .. [1] B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", Stat. Appl.
       Genet. Mol. Biol. 9(1), 2010.
    .. [2] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc.
       B 57(1), 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence import permutation_test
    >>> rng = np.random.default_rng(0)
    >>> lengths = 1 / np.abs(rng.normal(size=(30, 30)))
    >>> lengths[:10, :10] /= 8  # ten vertices much closer to each other than to the rest
    >>> lengths = np.triu(lengths, 1) + np.triu(lengths, 1).T
    >>> test = permutation_test(lengths, random_state=0)
    >>> [
    ...     test.clusters.tree.members(test.clusters.node[k]).tolist()
    ...     for k in np.flatnonzero(test.discoveries(0.05))
    ... ]
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    """
    graph = check_distances(X, lengths=lengths, symmetrize=symmetrize)
    edges = graph if isinstance(graph, EdgeList) else EdgeList.from_dense(graph)
    tree = tree_of_forest(graph_forest(graph, min_samples=min_samples, as_path=True))
    options: dict[str, Any] = {"min_cluster_size": min_cluster_size, "condense": condense}
    options["max_radius"] = max_radius
    clusters = candidate_clusters(tree, **options)
    return run_permutations(
        clusters,
        edges,
        strata=strata,
        n_permutations=n_permutations,
        statistic=statistic,
        scale=scale,
        min_samples=min_samples,
        random_state=random_state,
        n_jobs=n_jobs,
        **options,
    )


def run_permutations(
    clusters: CandidateClusters,
    edges: EdgeList,
    *,
    strata: ArrayLike | None = None,
    n_permutations: int = 199,
    statistic: str = "auto",
    scale: str = "difference",
    min_samples: int = 1,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    **options: Any,
) -> PermutationTest:
    """Test given clusters; ``options`` are those of :func:`candidate_clusters`."""
    if statistic == "auto":
        statistic = "persistence" if options["condense"] else "joint"
    if statistic not in ("joint", "persistence"):
        raise ValueError(f"statistic must be 'auto', 'joint' or 'persistence', got {statistic!r}.")
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
    group = None if strata is None else edge_groups(edges, check_strata(strata, edges.n_vertices))
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    streams = np.random.SeedSequence(seed).spawn(n_permutations)

    def one(stream: np.random.SeedSequence) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        shuffled = shuffle_lengths(edges, group, np.random.default_rng(stream))
        tree = tree_of_forest(graph_forest(shuffled, min_samples=min_samples))
        drawn_clusters = candidate_clusters(tree, **options)
        sizes = drawn_clusters.tree.size[drawn_clusters.node]
        return drawn_clusters.persistence(scale), sizes

    drawn = Parallel(n_jobs=n_jobs)(delayed(one)(stream) for stream in streams)
    null = np.concatenate([persistence for persistence, _ in drawn])
    null_size = np.concatenate([size for _, size in drawn])
    observed = clusters.persistence(scale)
    if statistic == "persistence":
        p_values = pooled_p_values(observed, null)
    else:
        size = np.append(clusters.tree.size[clusters.node], null_size)
        rarity = -_as_extreme(
            np.append(observed, null), np.minimum(size, clusters.tree.n_samples - size)
        )
        p_values = pooled_p_values(rarity[: len(observed)], rarity[len(observed) :])
    return PermutationTest(clusters, observed, p_values, null, null_size, statistic, n_permutations)


def _as_extreme(a: NDArray[np.float64], b: NDArray[np.intp]) -> NDArray[np.float64]:
    """Count, for each pair (a, b), the pairs that are at least as large in both."""
    count = np.empty(len(a))
    larger = np.empty(0)
    for value in np.unique(b)[::-1]:
        here = np.flatnonzero(b == value)
        larger = np.sort(np.append(larger, a[here]), kind="stable")
        count[here] = len(larger) - np.searchsorted(larger, a[here], side="left")
    return count


def are_distances_of_points(graph: EdgeList | NDArray[np.floating[Any]]) -> bool:
    """Return whether lengths obey the triangle inequality that shuffled ones would break.

    Then they are not exchangeable. Lengths that all lie between x and 2 x obey it in any order;
    absent edges are no distances.
    """
    if isinstance(graph, EdgeList) or len(graph) < 3:
        return False
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(len(graph), size=(3, _TRIPLES))
    different = (a != b) & (b != c) & (a != c)
    sides = np.array([graph[a, b], graph[b, c], graph[a, c]])[:, different]
    shuffled = rng.permuted(sides, axis=1)
    breaks = [float(np.mean(_breaks_triangle(three))) for three in (sides, shuffled)]
    return breaks[0] == 0.0 and breaks[1] > 0.01


def _breaks_triangle(sides: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    longest = sides.max(axis=0)
    return longest > (sides.sum(axis=0) - longest) * (1 + 1e-6)


def edge_groups(edges: EdgeList, strata: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give each edge the number of the unordered pair of groups it joins."""
    a, b = strata[edges.source], strata[edges.target]
    return np.minimum(a, b) * (strata.max(initial=0) + 1) + np.maximum(a, b)


def shuffle_lengths(
    edges: EdgeList, group: NDArray[np.intp] | None, rng: np.random.Generator
) -> EdgeList:
    """Permute the lengths over the edges, within groups of edges if given."""
    if group is None:
        length = rng.permutation(edges.length)
    else:
        # both sorts order the edges by group: one at random within groups, one stable
        length = np.empty_like(edges.length)
        random = np.lexsort((rng.random(edges.n_edges), group))
        length[np.argsort(group, kind="stable")] = edges.length[random]
    return replace(edges, length=length)


def pooled_p_values(
    observed: NDArray[np.float64], null: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Upper-tail p-values against a null sample that includes the observed value."""
    as_large = len(null) - np.searchsorted(np.sort(null), observed, side="left")
    p_values: NDArray[np.float64] = np.divide(1.0 + as_large, 1.0 + len(null))
    return p_values


def benjamini_hochberg(p_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at a false-discovery rate of ``level``.

    Parameters
    ----------
    p_values : array-like, shape (n,)
        P-values, independent or positively dependent.
    level : float
        The false-discovery rate allowed, in [0, 1].

    Returns
    -------
    ndarray of bool, shape (n,)
        True for the rejected ones.

    Examples
    --------
    >>> from neurotopo.persistence import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5], 0.05).tolist()
    [True, False, False, False]
    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.5], 0.05).tolist()
    [True, True, True, False]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not 0 <= level <= 1:
        raise ValueError(f"level must lie in [0, 1], got {level}.")
    ordered = np.sort(p)
    passes = np.flatnonzero(ordered <= level * np.arange(1, len(p) + 1) / max(len(p), 1))
    if len(passes) == 0:
        return np.zeros(len(p), dtype=bool)
    return p <= ordered[passes[-1]]
