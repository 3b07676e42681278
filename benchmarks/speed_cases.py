"""Inputs of the speed benchmark, made from seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist

SEED = 0
NEIGHBOURS = 5  # DBSCAN's radius is the median distance to this neighbour, as is often advised


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    family : {"dense", "sparse", "points", "forest", "cold"}
        Form of the input. "cold": points, for the first call of a process.
    size : int
        What the horizontal axis of a plot shows: samples, or edges of a sparse graph.
    n_samples : int
        Number of samples (vertices).
    dimension : int
        Of points; 0 otherwise.
    n_parts : int
        Connected components, infinitely far from each other.
    metric : {"euclidean", "cosine"}
        Of points; points of "cosine" have length 1.
    both : bool
        Whether points are measured with one thread too, and not only on all cores.
    """

    family: str
    size: int
    n_samples: int
    dimension: int = 0
    n_parts: int = 1
    metric: str = "euclidean"
    both: bool = False

    @property
    def name(self) -> str:
        """Name of the case in tables and options."""
        if self.family in ("points", "cold"):
            metric = "" if self.metric == "euclidean" else f" {self.metric}"
            return f"{self.family} n={self.n_samples} d={self.dimension}{metric}"
        parts = "" if self.n_parts == 1 else f" parts={self.n_parts}"
        if self.family in ("dense", "forest"):
            return f"{self.family} n={self.n_samples}{parts}"
        return f"sparse m={self.size} n={self.n_samples}{parts}"


def _points(dimension: int, *sizes: int, both: tuple[int, ...] = (), **more: str) -> list[Case]:
    return [Case("points", n, n, dimension, both=n in both, **more) for n in sizes]


# In order of importance: what comes first is measured even if the run is cut.
FULL_CASES = (
    [Case("forest", n, n) for n in (10**4, 10**5, 10**6)]
    + _points(2, 5000, 20_000, 100_000, 10**6, both=(20_000, 100_000))
    + _points(8, 5000, 20_000, 100_000, both=(20_000, 100_000))
    + _points(768, 2500, 7000, 20_000, metric="cosine")
    + _points(32, 5000, 20_000, 100_000)
    + [Case("dense", n, n) for n in (2000, 5000, 10000)]
    + [Case("dense", 2000, 2000, n_parts=4)]
    + [Case("sparse", m, n) for m, n in ((10**5, 10**4), (10**6, 5 * 10**4), (5 * 10**6, 10**5))]
    + [Case("sparse", 10**5, 10**4, n_parts=10)]
    + [Case("cold", 2000, 2000, dimension=8)]
)
QUICK_CASES = (
    [Case("forest", n, n) for n in (1000, 3000)]
    + _points(2, 1500, 3000, both=(1500,))
    + _points(40, 1500, metric="cosine")
    + [Case("dense", n, n) for n in (250, 500)]
    + [Case("dense", 500, 500, n_parts=4)]
    + [Case("sparse", 10**4, 10**3)]
    + [Case("sparse", 10**4, 10**3, n_parts=10)]
    + [Case("cold", 1500, 1500, dimension=2)]
)


class Edges(NamedTuple):
    """Edges of a spanning tree, as arrays and as rows (source, target, length)."""

    source: np.ndarray
    target: np.ndarray
    length: np.ndarray
    rows: np.ndarray

    def copy(self) -> Edges:
        """Return the same edges in new arrays."""
        return Edges(*[part.copy() for part in self])


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


def make_forest(n_samples: int, seed: int = SEED) -> Edges:
    """Return a random spanning tree with log-normal lengths, in random order."""
    rng = np.random.default_rng(seed)
    name = rng.permutation(n_samples)
    child = np.arange(1, n_samples)
    parent = (rng.random(len(child)) * child).astype(np.int64)  # an earlier vertex
    length = rng.lognormal(sigma=1.0, size=len(child))
    order = rng.permutation(len(child))
    source, target = name[child[order]], name[parent[order]]
    return Edges(source, target, length, np.column_stack([source, target, length]))


def make_data(case: Case) -> Any:
    """Return the input of a case, the same in every process."""
    if case.family == "dense":
        return make_dense(case.n_samples, case.n_parts)
    if case.family == "sparse":
        return make_sparse(case.size, case.n_samples, case.n_parts)
    if case.family == "forest":
        return make_forest(case.n_samples)
    points = make_points(case.n_samples, case.dimension)
    if case.metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


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
    """Return a small case of the same form, for warming up.

    Small sets of points go another way in some libraries, in neurotopo below 1,000 points.
    """
    n = 1500 if case.family == "points" else 40
    return Case(case.family, 400, n, case.dimension, metric=case.metric)
