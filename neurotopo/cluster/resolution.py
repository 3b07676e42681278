"""The choice of the resolution: a smallest cluster size from the tree, and whether it is chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from neurotopo.cluster.fitted_input import FittedInput
from neurotopo.cluster.selection import Selection
from neurotopo.persistence.clusters import CandidateClusters
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.point_null import effective_dimension

__all__ = [
    "Resolution",
    "best_resolution",
    "chance_structure",
    "cluster_sizes",
    "intrinsic_dimension",
    "smoothing",
]

_SMOOTHING = 5  # as HDBSCAN: enough for noise, and small clusters stay
_SHARE = 10  # a cluster has at least one sample in ten, at the coarsest resolution
_SIZES = 12  # tried resolutions
_FEWEST = 20  # samples, below which no structure can be told from chance


@dataclass(frozen=True)
class Resolution:
    """The clusters of one smallest cluster size.

    Attributes
    ----------
    clusters : CandidateClusters
        All clusters of this size.
    selection : Selection
        The chosen ones.
    min_cluster_size : int
        The size.
    total : float
        Total persistence: the logarithmic persistence of the chosen clusters, averaged over all
        samples, where samples in no cluster count as 0.
    structure : float
        The largest logarithmic persistence of the chosen clusters, times the root of
        the smallest cluster size.
    """

    clusters: CandidateClusters
    selection: Selection
    min_cluster_size: int
    total: float
    structure: float


def smoothing(n_samples: float) -> int:
    """Return the ``min_samples`` that the clusterer chooses: 5, fewer below 50 samples."""
    return int(min(_SMOOTHING, max(1, n_samples // _SHARE)))


def cluster_sizes(n_samples: float) -> list[int]:
    """Return the smallest cluster sizes that are tried, from 5 to a tenth of the samples.

    There are at most twelve, in a geometric sequence. Below 50 samples it is one size from 2 on.

    Examples
    --------
    >>> from neurotopo.cluster.resolution import cluster_sizes
    >>> cluster_sizes(6), cluster_sizes(30), cluster_sizes(1000)
    ([2], [3], [5, 7, 9, 11, 15, 20, 26, 34, 44, 58, 76, 100])
    """
    most = max(2, int(n_samples // _SHARE))
    sizes = np.geomspace(min(_SMOOTHING, most), most, _SIZES)
    return np.unique(np.rint(sizes).astype(int)).tolist()


def best_resolution(
    candidates_of: Callable[[int], CandidateClusters],
    select: Callable[[CandidateClusters], Selection],
    sizes: Sequence[int],
    min_samples: int,
    n_clusters: int | None = None,
) -> tuple[Resolution, float]:
    """Choose the smallest cluster size of largest total persistence.

    Parameters
    ----------
    candidates_of : callable
        The candidates of a smallest cluster size.
    select : callable
        The selection from candidates.
    sizes : sequence of int
        The sizes to try; of equal totals the first one is chosen. Sizes below the first are tried
        only as long as there are fewer clusters than ``n_clusters``.
    min_samples : int
        Smoothing of the tree.
    n_clusters : int, optional
        A number of clusters. The size whose number is nearest comes first.

    Returns
    -------
    best : Resolution
        The one chosen.
    structure : float
        The largest ``structure`` of all.
    """
    best, found = None, 0.0
    for size in sizes:
        if best and size < sizes[0] and best.selection.n_disjoint >= (n_clusters or 0):
            break
        clusters = candidates_of(size)
        selection = select(clusters)
        family = selection.chosen[: selection.n_disjoint]
        life = clusters.persistence("log")[family]
        n = float(clusters.node_size[: clusters.tree.n_samples].sum())
        total = float(np.sum(life * clusters.size[family])) / n
        structure = float(life.max(initial=0.0) * max(size, min_samples) ** 0.5)
        here = Resolution(clusters, selection, size, total, structure)
        found = max(found, structure)
        if best is None or _better(here, best, n_clusters):
            best = here
    assert best is not None
    return best, found


def _better(a: Resolution, b: Resolution, n_clusters: int | None) -> bool:
    if n_clusters is not None:
        off = [abs(r.selection.n_disjoint - n_clusters) for r in (a, b)]
        if off[0] != off[1]:
            return off[0] < off[1]
    return a.total > b.total


def chance_structure(
    n_samples: float, dimension: float, min_samples: int, min_cluster_size: int
) -> float:
    """Return the structure that uniform points exceed in at most 5 % of cases.

    Parameters
    ----------
    n_samples : float
        Number of points.
    dimension : float
        Their intrinsic dimension.
    min_samples, min_cluster_size : int
        The smoothing, and the smallest of the sizes that are tried.

    Returns
    -------
    float
        A formula fitted to simulations with uniform and normal points of 1 to 10 dimensions. It
        is meant for the sizes of :func:`cluster_sizes` and at least 20 points.

    Notes
    -----
    ``benchmarks/first_result.py`` counts how often it is exceeded: by 0.5 % of uniform and 2.4 % of
    normal clouds, but by up to 16 % of the latter in one case (3,000 points in the plane). Clouds
    of heavy tails exceed it often: for a test of modes see
    :func:`neurotopo.persistence.mode_test`.

    Examples
    --------
    >>> from neurotopo.cluster.resolution import chance_structure
    >>> round(chance_structure(1000, 2.0, 5, 5), 1)
    5.9
    """
    log_n, d = np.log(n_samples), max(dimension, 0.5)
    fine = 0.65 * log_n + 4.6 / d - 0.9
    coarse = 1.25 * n_samples**0.3 / d**2  # large even parts of a line are far apart
    rough = max((_SMOOTHING / min_samples) ** 0.27, 1.0)
    # extreme of the ratios of radii to as many nearest neighbours
    few = max(min_samples, min_cluster_size, 2)
    pairs = few**0.5 * (np.log(n_samples / few) + 3) / (few - 1)
    return float(max(max(fine, coarse) * rough, pairs))


def intrinsic_dimension(kept: FittedInput, n_jobs: int | None) -> float:
    """Return the dimension of the distinct samples of positive weight.

    NaN for a graph that has not all edges: it has no dimension. So for fewer than 20 samples.
    """
    n = kept.n_samples if kept.weight is None else kept.weight.sum()
    if n < _FEWEST:
        return float("nan")
    of_points = not kept.precomputed and kept.space() is not None
    X = kept.samples if of_points else kept.graph()
    if isinstance(X, EdgeList) or not (of_points or np.isfinite(X).all()):
        return float("nan")
    if kept.weight is not None and not kept.weight.all():
        held = np.flatnonzero(kept.weight)
        X = X[held] if of_points else X[np.ix_(held, held)]
    if not of_points:
        return effective_dimension(X, "precomputed", n_jobs=n_jobs)
    if not sp.issparse(X):
        X = np.unique(X, axis=0)
    return effective_dimension(X, kept.metric, metric_params=kept.metric_params, n_jobs=n_jobs)
