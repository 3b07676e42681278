"""Methods of the speed benchmark.

A method is a function that returns ``(fit, result)``: ``fit(data)`` is timed, and
``result(fitted)`` reduces the answer to a few numbers, which are equal for methods that compute
the same thing. Imports happen in the child process, when the method is called, so no method
includes the import time of another one. The environment sets the threads of OpenMP, BLAS, numba and
Rust; methods with a parameter for them get ``threads`` of the environment as well.

The HDBSCAN libraries get the question that NTC gets in its recommended setting: the same core
distances and clusters of at least five points. scikit-learn's and hdbscan-rs's `min_samples`
count the point itself, as NTC's does; those of hdbscan, fast_hdbscan and PLSCAN, and scikit-learn's
for sparse graphs, do not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from speed_cases import NEIGHBOURS, Case, Edges, dbscan_radius, make_data

Fit = Callable[[Any], Any]
Result = Callable[[Any], dict[str, Any]]

MIN_SIZE = 5  # of a cluster
MIN_SAMPLES = 5  # the point itself and its four nearest neighbours
THREADS = (  # environment variables
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


def threads() -> int:
    """Return the number of threads of this process."""
    return int(os.environ.get(THREADS[0], "1"))


def metric_of(case: Case) -> str:
    """Return the metric for scikit-learn and those that follow it."""
    return "precomputed" if case.family in ("dense", "sparse") else case.metric


def _heights(values: Any) -> dict[str, Any]:
    """Sum up merge heights; equal sums mean equal trees, up to rounding; equal digests, exactly."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.sort(values[np.isfinite(values)])
    return {
        "merges": int(np.count_nonzero(finite)),
        "sum_of_heights": float(finite.sum()),
        "digest": hashlib.sha256(finite.tobytes()).hexdigest()[:16],
    }


def _clusters(labels: Any) -> dict[str, float]:
    labels = np.asarray(labels)
    return {"clusters": int(labels.max() + 1), "noise": float(np.mean(labels == -1))}


def neurotopo_ntc(case: Case, **setting: Any) -> tuple[Fit, Result]:
    """NTCClusterer, with the paper's settings unless others are given."""
    from neurotopo import NTCClusterer

    setting |= {"metric": metric_of(case), "n_jobs": threads()}
    return (
        lambda data: NTCClusterer.paper(**setting).fit(data),
        lambda fitted: _heights(fitted.h0_diagram_[:, 1]) | _clusters(fitted.labels_),
    )


def neurotopo_mass(case: Case) -> tuple[Fit, Result]:
    """NTCClusterer with the recommended settings, which ask what HDBSCAN asks."""
    return neurotopo_ntc(
        case, rule="mass", condense=True, min_samples=MIN_SAMPLES, min_cluster_size=MIN_SIZE
    )


def sklearn_hdbscan(case: Case) -> tuple[Fit, Result]:
    """scikit-learn's HDBSCAN; copy=False, on a copy that is not timed."""
    from sklearn.cluster import HDBSCAN

    setting = {"metric": metric_of(case), "copy": False, "n_jobs": threads()}
    setting["min_samples"] = MIN_SAMPLES - (case.family == "sparse")
    return (
        lambda data: HDBSCAN(min_cluster_size=MIN_SIZE, **setting).fit(data),
        lambda fitted: _heights(fitted._single_linkage_tree_["value"]) | _clusters(fitted.labels_),
    )


def sklearn_agglomerative(case: Case) -> tuple[Fit, Result]:
    """AgglomerativeClustering, single linkage, the whole tree."""
    from sklearn.cluster import AgglomerativeClustering

    setting = {"metric": metric_of(case), "linkage": "single"}
    return (
        lambda data: AgglomerativeClustering(
            n_clusters=None, distance_threshold=0.0, **setting
        ).fit(data),
        lambda fitted: _heights(fitted.distances_),
    )


def sklearn_dbscan(case: Case) -> tuple[Fit, Result]:
    """scikit-learn's DBSCAN at one radius."""
    from sklearn.cluster import DBSCAN

    metric, eps = metric_of(case), dbscan_radius(case, make_data(case))
    return (
        lambda data: DBSCAN(eps=eps, min_samples=NEIGHBOURS, metric=metric, n_jobs=1).fit(data),
        lambda fitted: _clusters(fitted.labels_),
    )


def scipy_linkage(case: Case) -> tuple[Fit, Result]:
    """Run scipy's single linkage, with squareform for a matrix, its check of symmetry left out."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if case.family == "points":
        return lambda data: linkage(data, "single"), lambda fitted: _heights(fitted[:, 2])
    return (
        lambda data: linkage(squareform(data, checks=False), "single"),
        lambda fitted: _heights(fitted[:, 2]),
    )


def scipy_csgraph(case: Case) -> tuple[Fit, Result]:
    """Run only scipy's minimum spanning tree: a floor, since it has no clusters."""
    from scipy.sparse.csgraph import minimum_spanning_tree

    return minimum_spanning_tree, lambda fitted: _heights(fitted.data)


def gudhi_rips(case: Case) -> tuple[Fit, Result]:
    """Run gudhi RipsPersistence in dimension 0: a diagram, no clusters."""
    from gudhi.sklearn import RipsPersistence

    form = {
        "dense": "full distance matrix",
        "sparse": "distance coo_matrix",
        "points": "point cloud",
    }[case.family]
    rips = RipsPersistence(homology_dimensions=0, input_type=form, n_jobs=1)
    convert = sp.coo_matrix if case.family == "sparse" else lambda data: data
    return (
        lambda data: rips.fit_transform([convert(data)])[0],
        lambda fitted: _heights(fitted[:, 1]),
    )


def gudhi_tomato(case: Case) -> tuple[Fit, Result]:
    """Run gudhi Tomato with its defaults: 10 neighbours, density by distance to measure."""
    from gudhi.clustering.tomato import Tomato

    settings = {"metric": "precomputed"} if case.family == "dense" else {}
    return (
        lambda data: Tomato(n_jobs=1, **settings).fit(data),
        lambda fitted: _clusters(fitted.labels_),
    )


def ripser_rips(case: Case) -> tuple[Fit, Result]:
    """Run ripser in dimension 0: a diagram, no clusters; single precision."""
    from ripser import ripser

    matrix = case.family != "points"
    return (
        lambda data: ripser(data, maxdim=0, distance_matrix=matrix)["dgms"][0],
        lambda fitted: _heights(fitted[:, 1]),
    )


def hdbscan_hdbscan(case: Case) -> tuple[Fit, Result]:
    """Run hdbscan; on points by Borůvka's algorithm on a k-d tree, except for cosine."""
    import hdbscan

    by_metric = {"euclidean": "boruvka_kdtree", "cosine": "generic"}
    setting = {"metric": metric_of(case), "algorithm": by_metric.get(metric_of(case), "best")}
    setting |= {"min_samples": MIN_SAMPLES - 1, "core_dist_n_jobs": threads()}
    convert = sp.csr_matrix if case.family == "sparse" else lambda data: data
    return (
        lambda data: hdbscan.HDBSCAN(min_cluster_size=MIN_SIZE, **setting).fit(convert(data)),
        lambda fitted: (
            _heights(fitted.single_linkage_tree_.to_numpy()[:, 2]) | _clusters(fitted.labels_)
        ),
    )


def fast_hdbscan_hdbscan(case: Case) -> tuple[Fit, Result]:
    """Run fast_hdbscan; its functions are compiled by the warm-up."""
    import fast_hdbscan

    setting = {"metric": metric_of(case), "min_samples": MIN_SAMPLES - 1}
    return (
        lambda data: fast_hdbscan.HDBSCAN(min_cluster_size=MIN_SIZE, **setting).fit(data),
        lambda fitted: _heights(fitted._single_linkage_tree[:, 2]) | _clusters(fitted.labels_),
    )


def fast_plscan_plscan(case: Case) -> tuple[Fit, Result]:
    """Run PLSCAN. It has no cosine metric; on points of length 1, Euclidean has the same tree."""
    from fast_plscan import PLSCAN

    setting = {"metric": "precomputed" if case.family == "sparse" else "euclidean"}
    setting |= {"min_samples": MIN_SAMPLES - 1, "num_threads": threads()}
    return (
        lambda data: PLSCAN(min_cluster_size=MIN_SIZE, **setting).fit(data),
        lambda fitted: _heights(fitted.single_linkage_tree_[:, 2]) | _clusters(fitted.labels_),
    )


def hdbscan_rs_hdbscan(case: Case) -> tuple[Fit, Result]:
    """Run hdbscan-rs."""
    from hdbscan_rs import HDBSCAN

    def fit(data: Any) -> Any:
        fitted = HDBSCAN(min_cluster_size=MIN_SIZE, min_samples=MIN_SAMPLES, metric=metric_of(case))
        fitted.fit(data)
        return fitted

    return fit, lambda fitted: _clusters(fitted.labels_)


def neurotopo_tree(case: Case) -> tuple[Fit, Result]:
    """Merge tree of a spanning forest, ready for every cut."""
    from neurotopo.persistence.forest import SpanningForest
    from neurotopo.persistence.tree_building import tree_of_forest

    return (
        lambda edges: tree_of_forest(SpanningForest(case.n_samples, *edges[:3])),
        lambda tree: _heights(tree.birth[case.n_samples :]),
    )


def higra_zones(case: Case) -> tuple[Fit, Result]:
    """Run higra's tree of flat zones, in which equal heights merge at once."""
    import higra

    def fit(edges: Edges) -> Any:
        graph = higra.UndirectedGraph(case.n_samples)
        graph.add_edges(edges.source, edges.target)
        return higra.quasi_flat_zone_hierarchy(graph, edges.length)[1]

    return fit, lambda heights: _heights(heights[case.n_samples :])


def _sorted_rows(edges: Edges) -> np.ndarray:
    return edges.rows[np.argsort(edges.length)]


def _linkage_by(label: Callable[[np.ndarray], np.ndarray]) -> tuple[Fit, Result]:
    return lambda edges: label(_sorted_rows(edges)), lambda fitted: _heights(fitted[:, 2])


def sklearn_label(case: Case) -> tuple[Fit, Result]:
    """Run the last step of scikit-learn's single linkage: edges to linkage."""
    from sklearn.cluster._hierarchical_fast import single_linkage_label

    return _linkage_by(single_linkage_label)


def hdbscan_label(case: Case) -> tuple[Fit, Result]:
    """Run the same step of hdbscan."""
    from hdbscan._hdbscan_linkage import label

    return _linkage_by(label)


def fast_hdbscan_label(case: Case) -> tuple[Fit, Result]:
    """Run the same step of fast_hdbscan."""
    from fast_hdbscan.cluster_trees import mst_to_linkage_tree

    return _linkage_by(mst_to_linkage_tree)


def python_label(case: Case) -> tuple[Fit, Result]:
    """Run the same step in Python."""
    return _linkage_by(union_find)


def union_find(rows: np.ndarray) -> np.ndarray:
    """Return the linkage of sorted edges by a union-find structure with path halving."""
    n = len(rows) + 1
    above, size, node = list(range(n)), [1] * n, list(range(n))
    linkage = []

    def root(vertex: int) -> int:
        while above[vertex] != vertex:
            above[vertex] = above[above[vertex]]
            vertex = above[vertex]
        return vertex

    for step, (source, target, length) in enumerate(rows.tolist()):
        small, large = root(int(source)), root(int(target))
        if size[small] > size[large]:
            small, large = large, small
        above[small] = large
        size[large] += size[small]
        linkage.append((node[small], node[large], length, size[large]))
        node[large] = n + step
    return np.array(linkage, dtype=np.float64)


@dataclass(frozen=True)
class Method:
    """A way to cluster, and the inputs it takes.

    Attributes
    ----------
    make : callable
        From a case to ``(fit, result)``.
    families : tuple of str
        Forms of input the method takes.
    square_bytes : dict
        By family, bytes of extra memory per (number of samples) squared, measured at n = 3000;
        only where the memory grows so.
    at_most : dict
        By family, the largest size that is measured; absent: any.
    is_hdbscan : bool
        Whether the method answers HDBSCAN's question: it runs on all points, also with all cores,
        and its labels and its first call are compared.
    """

    make: Callable[[Case], tuple[Fit, Result]]
    families: tuple[str, ...]
    square_bytes: dict[str, float] = field(default_factory=dict)
    at_most: dict[str, int] = field(default_factory=dict)
    is_hdbscan: bool = False


GRAPHS = ("dense", "sparse")
ALL = (*GRAPHS, "points")
PAPER = "neurotopo NTC"
RECOMMENDED = "neurotopo mass 5/5"
TREE = "neurotopo tree_of_forest"
METHODS = {
    PAPER: Method(neurotopo_ntc, ALL, is_hdbscan=True),
    RECOMMENDED: Method(neurotopo_mass, (*ALL, "cold"), is_hdbscan=True),
    "fast_plscan": Method(fast_plscan_plscan, ("sparse", "points", "cold"), is_hdbscan=True),
    "fast_hdbscan": Method(fast_hdbscan_hdbscan, ("sparse", "points", "cold"), is_hdbscan=True),
    "hdbscan": Method(hdbscan_hdbscan, (*ALL, "cold"), at_most={"sparse": 10**6}, is_hdbscan=True),
    "hdbscan-rs": Method(hdbscan_rs_hdbscan, ("points", "cold"), is_hdbscan=True),
    "sklearn HDBSCAN": Method(sklearn_hdbscan, (*ALL, "cold"), is_hdbscan=True),
    "sklearn Agglomerative": Method(
        sklearn_agglomerative, ("dense", "points"), at_most={"points": 20_000}
    ),
    "sklearn DBSCAN": Method(sklearn_dbscan, ALL, at_most={"points": 20_000}),
    "scipy linkage": Method(
        scipy_linkage, ("dense", "points"), {"points": 4.5}, {"points": 10_000}
    ),
    "scipy MST (floor)": Method(scipy_csgraph, ("sparse",)),
    "gudhi Rips": Method(gudhi_rips, ALL, {"points": 54.0}, {"dense": 5000}),
    "gudhi Tomato": Method(gudhi_tomato, ("dense", "points"), at_most={"points": 20_000}),
    "ripser": Method(ripser_rips, ALL, {"points": 70.0}, {"dense": 2000, "sparse": 10**6}),
    TREE: Method(neurotopo_tree, ("forest",)),
    "higra flat zones": Method(higra_zones, ("forest",)),
    "sklearn label": Method(sklearn_label, ("forest",)),
    "hdbscan label": Method(hdbscan_label, ("forest",)),
    "fast_hdbscan label": Method(fast_hdbscan_label, ("forest",)),
    "Python union-find": Method(python_label, ("forest",)),
}
REFERENCES = {"dense": PAPER, "sparse": PAPER, "points": RECOMMENDED, "forest": TREE}
