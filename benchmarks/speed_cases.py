"""Inputs of the speed benchmark, made from seeds, and its methods.

A method is a function that returns ``(fit, result)``: ``fit(data)`` is timed, and
``result(fitted)`` reduces the answer to one or two numbers, which are equal for methods that
compute the same thing. Imports happen in the child process, when the method is called, so no
method includes the import time of another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist

SEED = 0
NEIGHBOURS = 5  # DBSCAN's radius is the median distance to this neighbour, as is often advised

Fit = Callable[[Any], Any]
Result = Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    family : {"dense", "sparse", "points"}
        Form of the input.
    size : int
        What the horizontal axis of a plot shows: samples, or edges of a sparse graph.
    n_samples : int
        Number of samples (vertices).
    dimension : int
        Of points; 0 otherwise.
    n_parts : int
        Connected components, infinitely far from each other.
    """

    family: str
    size: int
    n_samples: int
    dimension: int = 0
    n_parts: int = 1

    @property
    def name(self) -> str:
        """Name of the case in tables and options."""
        if self.family == "points":
            return f"points n={self.n_samples} d={self.dimension}"
        parts = "" if self.n_parts == 1 else f" parts={self.n_parts}"
        if self.family == "dense":
            return f"dense n={self.n_samples}{parts}"
        return f"sparse m={self.size} n={self.n_samples}{parts}"


FULL_CASES = (
    [Case("dense", n, n) for n in (500, 2000, 5000, 10000)]
    + [Case("dense", 2000, 2000, n_parts=4)]
    + [Case("sparse", m, n) for m, n in ((10**5, 10**4), (10**6, 5 * 10**4), (5 * 10**6, 10**5))]
    + [Case("sparse", 10**5, 10**4, n_parts=10)]
    + [Case("points", n, n, dimension=d) for d in (2, 8, 32) for n in (2 * 10**4, 10**5)]
)
QUICK_CASES = (
    [Case("dense", n, n) for n in (250, 500, 1000)]
    + [Case("dense", 500, 500, n_parts=4)]
    + [Case("sparse", m, n) for m, n in ((10**4, 10**3), (10**5, 10**4))]
    + [Case("sparse", 10**4, 10**3, n_parts=10)]
    + [Case("points", n, n, dimension=d) for d in (2, 8) for n in (1000, 3000)]
)


def make_points(n_samples: int, dimension: int, seed: int = SEED) -> np.ndarray:
    """Return points of 20 Gaussian groups of different spread, and 10 % uniform noise."""
    rng = np.random.default_rng(seed)
    n_noise = n_samples // 10
    centres = rng.uniform(-10, 10, size=(20, dimension))
    spread = rng.uniform(0.3, 1.5, size=20)
    group = rng.integers(20, size=n_samples - n_noise)
    normal = rng.normal(size=(n_samples - n_noise, dimension))
    grouped = centres[group] + spread[group, None] * normal
    noise = rng.uniform(-12, 12, size=(n_noise, dimension))
    return rng.permutation(np.vstack([grouped, noise]))


def make_dense(n_samples: int, n_parts: int = 1, seed: int = SEED) -> np.ndarray:
    """Return the Euclidean distances of 8-dimensional points, infinite between the parts."""
    points = make_points(n_samples, 8, seed)
    distances = cdist(points, points)
    if n_parts > 1:
        part = np.arange(n_samples) % n_parts
        distances[part[:, None] != part] = np.inf
    return distances


def make_sparse(n_edges: int, n_samples: int, n_parts: int = 1, seed: int = SEED) -> sp.csr_array:
    """Return a symmetric graph: in each part a random spanning tree, then random edges.

    Every vertex starts as many random edges as every other one, so that none is left with fewer
    neighbours than HDBSCAN asks for; lengths are log-normal. Repeated pairs are dropped, so the
    number of edges comes out a little under `n_edges`.
    """
    rng = np.random.default_rng(seed)
    part_size = n_samples // n_parts
    vertex = np.arange(part_size * n_parts)
    place = vertex % part_size  # within the part; a tree hangs every vertex under an earlier one
    child = vertex[place > 0]
    parent = child - place[child] + (rng.random(len(child)) * place[child]).astype(np.int64)
    starts = np.repeat(vertex, max((n_edges - len(child)) // len(vertex), 0))
    ends = starts - place[starts] + rng.integers(part_size, size=len(starts))
    first, second = np.concatenate([child, starts]), np.concatenate([parent, ends])
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys = np.unique(low[low < high] * n_samples + high[low < high])
    low, high = np.divmod(keys, n_samples)
    length = rng.lognormal(sigma=1.0, size=len(keys))
    # A random numbering, for no method should gain from parts that are consecutive.
    name = rng.permutation(n_samples)
    ends_of = (np.concatenate([name[low], name[high]]), np.concatenate([name[high], name[low]]))
    return sp.csr_array((np.tile(length, 2), ends_of), shape=(n_samples, n_samples))


def make_data(case: Case) -> Any:
    """Return the input of a case, the same in every process."""
    if case.family == "dense":
        return make_dense(case.n_samples, case.n_parts)
    if case.family == "sparse":
        return make_sparse(case.size, case.n_samples, case.n_parts)
    return make_points(case.n_samples, case.dimension)


def dbscan_radius(case: Case, data: Any) -> float:
    """Return the radius for DBSCAN; not timed, since it is a parameter."""
    if case.family == "dense":
        return float(np.median(np.partition(data, NEIGHBOURS, axis=1)[:, NEIGHBOURS]))
    if case.family == "sparse":
        return float(np.quantile(data.data, 0.05))
    from scipy.spatial import cKDTree

    some = data[np.random.default_rng(SEED).choice(len(data), min(len(data), 1000), replace=False)]
    return float(np.median(cKDTree(data).query(some, k=NEIGHBOURS + 1)[0][:, -1]))


def tiny(case: Case) -> Case:
    """Return a small case of the same form, for warming up."""
    return Case(case.family, 400, 40, case.dimension)


# ---------------------------------------------------------------------------------------------
# Methods. Each takes the case, returns how to fit and how to sum up what came out.


def _heights(values: Any) -> dict[str, float]:
    """Sum up merge heights; equal sums mean equal trees, up to rounding."""
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    return {"merges": int(np.count_nonzero(finite)), "sum_of_heights": float(finite.sum())}


def _clusters(labels: Any) -> dict[str, float]:
    labels = np.asarray(labels)
    return {"clusters": int(labels.max() + 1), "noise": float(np.mean(labels == -1))}


def neurotopo_ntc(case: Case) -> tuple[Fit, Result]:
    """NTCClusterer with the paper's settings."""
    from neurotopo import NTCClusterer

    metric = "euclidean" if case.family == "points" else "precomputed"
    return (
        lambda data: NTCClusterer(metric=metric, n_jobs=1).fit(data),
        lambda fitted: _heights(fitted.h0_diagram_[:, 1]) | _clusters(fitted.labels_),
    )


def sklearn_hdbscan(case: Case) -> tuple[Fit, Result]:
    """scikit-learn's HDBSCAN; copy=False, on a copy that is not timed."""
    from sklearn.cluster import HDBSCAN

    metric = "euclidean" if case.family == "points" else "precomputed"
    return (
        lambda data: HDBSCAN(metric=metric, copy=False, n_jobs=1).fit(data),
        lambda fitted: _clusters(fitted.labels_),
    )


def sklearn_agglomerative(case: Case) -> tuple[Fit, Result]:
    """AgglomerativeClustering, single linkage, the whole tree."""
    from sklearn.cluster import AgglomerativeClustering

    metric = "euclidean" if case.family == "points" else "precomputed"
    return (
        lambda data: AgglomerativeClustering(
            n_clusters=None, distance_threshold=0.0, metric=metric, linkage="single"
        ).fit(data),
        lambda fitted: _heights(fitted.distances_),
    )


def sklearn_dbscan(case: Case) -> tuple[Fit, Result]:
    """scikit-learn's DBSCAN at one radius."""
    from sklearn.cluster import DBSCAN

    metric = "euclidean" if case.family == "points" else "precomputed"
    eps = dbscan_radius(case, make_data(case))
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
    """Run hdbscan, single-threaded."""
    import hdbscan

    metric = "euclidean" if case.family == "points" else "precomputed"
    convert = sp.csr_matrix if case.family == "sparse" else lambda data: data
    return (
        lambda data: hdbscan.HDBSCAN(metric=metric, core_dist_n_jobs=1).fit(convert(data)),
        lambda fitted: _clusters(fitted.labels_),
    )


def fast_hdbscan_hdbscan(case: Case) -> tuple[Fit, Result]:
    """Run fast_hdbscan; its functions are compiled by the warm-up."""
    import fast_hdbscan

    metric = "euclidean" if case.family == "points" else "precomputed"
    return (
        lambda data: fast_hdbscan.HDBSCAN(metric=metric).fit(data),
        lambda fitted: _clusters(fitted.labels_),
    )


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
    """

    make: Callable[[Case], tuple[Fit, Result]]
    families: tuple[str, ...]
    square_bytes: dict[str, float]


ALL = ("dense", "sparse", "points")
METHODS = {
    "neurotopo NTC": Method(neurotopo_ntc, ALL, {}),
    "sklearn HDBSCAN": Method(sklearn_hdbscan, ALL, {}),
    "sklearn Agglomerative": Method(sklearn_agglomerative, ("dense", "points"), {}),
    "sklearn DBSCAN": Method(sklearn_dbscan, ALL, {}),
    "scipy linkage": Method(scipy_linkage, ("dense", "points"), {"points": 4.5}),
    "scipy MST (floor)": Method(scipy_csgraph, ("sparse",), {}),
    "gudhi Rips": Method(gudhi_rips, ALL, {"points": 54.0}),
    "gudhi Tomato": Method(gudhi_tomato, ("dense", "points"), {}),
    "ripser": Method(ripser_rips, ALL, {"points": 70.0}),
    "hdbscan": Method(hdbscan_hdbscan, ALL, {}),
    "fast_hdbscan": Method(fast_hdbscan_hdbscan, ("sparse", "points"), {}),
}
REFERENCE = "neurotopo NTC"
