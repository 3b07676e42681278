"""Methods of the quality benchmark, their default settings and their tuning grids.

Each method gets the same matrix of distances (toy sets: Euclidean; graphs: the paper's matrix A).
The names tell the exceptions: "on points" gets points; "on shortest paths" gets, for graphs, the
finite length of the shortest path also within a layer, where A is infinite, which suits methods
other than single linkage. NTC's significance rule on graphs shuffles the weights of the direct
connections within pairs of layers, so it gets those and the layers. All tuning grids have the same
number of settings.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import HDBSCAN, KMeans

from neurotopo import NTCClusterer
from neurotopo.cluster.baselines import dbscan, hierarchical, kmeans
from neurotopo.cluster.selection import select_clusters
from neurotopo.persistence.significance import permutation_test

GRID_SIZE = 12
Setting = dict[str, Any]
Run = Callable[["Problem", Setting], np.ndarray]


@dataclass
class Problem:
    """Data of a problem, and values computed from it.

    Attributes
    ----------
    truth : ndarray of int
        Group of each sample, -1 for noise.
    distances : ndarray
        Pairwise distances, ``inf`` allowed.
    points : ndarray or None
        Of toy sets.
    edges, layer, paths : sparse array, ndarray, ndarray or None
        Direct connections, layers and lengths of shortest paths, of graphs.
    cache : dict
        Fitted clusterers, so that settings which share a tree share it.
    """

    truth: np.ndarray
    distances: np.ndarray
    points: np.ndarray | None = None
    edges: sp.csr_array | None = None
    layer: np.ndarray | None = None
    paths: np.ndarray | None = None
    cache: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """A method with one setting, and the kinds of sets it runs on."""

    name: str
    run: Run
    setting: Setting
    kinds: tuple[str, ...] = ("graphs", "toys")


@dataclass(frozen=True)
class Family:
    """A method with its grid of settings."""

    name: str
    run: Run
    grid: list[Setting]
    kinds: tuple[str, ...] = ("graphs", "toys")


def run_ntc(problem: Problem, setting: Setting) -> np.ndarray:
    """Cluster with NTC; a tree is made once for every `min_samples`."""
    setting = dict(setting)
    if setting.get("rule") == "significance":
        return _significant(problem, setting.pop("tau"), **setting)
    min_samples = setting.pop("min_samples", 1)
    nearest = setting.pop("tau_in_nearest_distances", None)
    if nearest is not None:
        setting["tau"] = nearest * median_nearest_distance(problem.distances)
    if min_samples not in problem.cache:
        clusterer = NTCClusterer.paper(metric="precomputed", min_samples=min_samples)
        problem.cache[min_samples] = clusterer.fit(problem.distances)
    defaults = NTCClusterer.paper().get_params()
    chosen = {name: defaults[name] for name in ("tau", "rule", "scale", "min_cluster_size")}
    chosen["condense"] = False
    return problem.cache[min_samples].recut(**(chosen | setting)).labels_.copy()


def _significant(problem: Problem, level: float, **setting: Any) -> np.ndarray:
    """Cluster by significance; the p-values, which do not depend on the level, are kept."""
    setting.pop("rule")
    key = ("p-values", *sorted(setting.items()))
    if key not in problem.cache:
        graph = problem.distances if problem.edges is None else problem.edges
        problem.cache[key] = permutation_test(
            graph, strata=problem.layer, random_state=0, max_radius="last_merge", **setting
        )
    test = problem.cache[key]
    selection = select_clusters(
        test.clusters, rule="significance", tau=level, test_of=lambda _: test
    )
    nodes = test.clusters.node[selection.chosen[: selection.n_disjoint]]
    return test.clusters.tree.label_in_order(nodes)


def median_nearest_distance(distances: np.ndarray) -> float:
    """Return the median, over samples, of the distance to the nearest other sample."""
    off_diagonal = distances + np.where(np.eye(len(distances), dtype=bool), np.inf, 0.0)
    nearest = off_diagonal.min(axis=1)
    return float(np.median(nearest[np.isfinite(nearest)]))


def run_hdbscan(problem: Problem, setting: Setting) -> np.ndarray:
    """Cluster with scikit-learn's HDBSCAN."""
    with warnings.catch_warnings():
        # It warns of infinite distances in the tree, which a graph in several parts has.
        warnings.simplefilter("ignore", UserWarning)
        model = HDBSCAN(metric="precomputed", copy=True, **setting)
        return np.maximum(model.fit(problem.distances).labels_, -1)


def run_kmeans(problem: Problem, setting: Setting) -> np.ndarray:
    return kmeans(problem.distances, random_state=0, **setting)


def run_dbscan(problem: Problem, setting: Setting) -> np.ndarray:
    setting = dict(setting)
    nearest = setting.pop("eps_in_nearest_distances", None)
    if nearest is not None:
        setting["eps"] = nearest * median_nearest_distance(problem.distances)
    return dbscan(problem.distances, **setting)


def run_hierarchical(problem: Problem, setting: Setting) -> np.ndarray:
    return hierarchical(problem.distances, **setting)


def run_kmeans_on_points(problem: Problem, setting: Setting) -> np.ndarray:
    return KMeans(random_state=0, **setting).fit(problem.points).labels_


def _on_paths(run: Run) -> Run:
    def run_on_paths(problem: Problem, setting: Setting) -> np.ndarray:
        assert problem.paths is not None
        return run(replace(problem, distances=problem.paths, cache={}), setting)

    run_on_paths.__name__ = f"{run.__name__}_on_paths"
    return run_on_paths


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two clusterings are equal up to the numbers of the clusters."""
    pairs = np.unique(np.column_stack([a, b]), axis=0)
    one_to_one = len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)
    return bool(one_to_one and np.array_equal(a < 0, b < 0))


def agrees_with_hdbscan(problem: Problem, *, break_ties: bool) -> bool:
    """Tell whether NTC by mass gives the clusters of HDBSCAN, as it is or without equal lengths.

    To break ties the smoothing is done here, and every length made up to 2e-7 longer at random.
    """
    setting: Setting = {"min_cluster_size": 5, "min_samples": 5}
    if break_ties:
        core = np.sort(problem.distances, axis=1)[:, setting["min_samples"] - 1]
        smooth = np.maximum(problem.distances, np.maximum(core[:, None], core))
        longer = np.random.default_rng(0).random(smooth.shape)
        smooth *= 1 + 1e-7 * (longer + longer.T)
        np.fill_diagonal(smooth, 0.0)
        problem = Problem(problem.truth, smooth)
        setting["min_samples"] = 1
    mine = run_ntc(problem, {"rule": "mass", "condense": True, **setting})
    return same_partition(mine, run_hdbscan(problem, setting))


def _condensed(min_cluster_size: int, min_samples: int) -> Setting:
    return {"condense": True, "min_cluster_size": min_cluster_size, "min_samples": min_samples}


_PEERS: dict[str, Run] = {
    "K-Means": run_kmeans,
    "DBSCAN": run_dbscan,
    "Hierarchical": run_hierarchical,
    "HDBSCAN": run_hdbscan,
}
_PATHS = {name: _on_paths(run) for name, run in _PEERS.items()}
_ntc_on_paths = _on_paths(run_ntc)
PAPER = "NTC relative (the paper)"
AS_HDBSCAN = "NTC mass, condense 5/5"
HDBSCAN_NAME = "HDBSCAN"

#: Settings that look at no truth. "condense 5/3": min_cluster_size=5, min_samples=3.
VARIANTS = [
    Variant(PAPER, run_ntc, {}),
    Variant("NTC absolute", run_ntc, {"rule": "absolute", "tau": 0.5}),
    Variant("NTC gap", run_ntc, {"rule": "gap"}),
    Variant("NTC significance 0.05", run_ntc, {"rule": "significance", "tau": 0.05}),
    Variant(
        "NTC significance 0.05, condense 5/1",
        run_ntc,
        {"rule": "significance", "tau": 0.05, "condense": True, "min_cluster_size": 5},
    ),
    Variant("NTC mass", run_ntc, {"rule": "mass"}),
    Variant("NTC relative, log", run_ntc, {"scale": "log"}),
    Variant("NTC relative, condense 5/1", run_ntc, _condensed(5, 1)),
    Variant("NTC relative, condense 5/3", run_ntc, _condensed(5, 3)),
    Variant("NTC relative 0.3, condense 5/3", run_ntc, {"tau": 0.3, **_condensed(5, 3)}),
    Variant("NTC relative, log, condense 5/3", run_ntc, {"scale": "log", **_condensed(5, 3)}),
    Variant("NTC gap, condense 5/3", run_ntc, {"rule": "gap", **_condensed(5, 3)}),
    Variant("NTC mass, condense 5/3", run_ntc, {"rule": "mass", **_condensed(5, 3)}),
    Variant(AS_HDBSCAN, run_ntc, {"rule": "mass", **_condensed(5, 5)}),
    Variant("K-Means (authors)", run_kmeans, {}),
    Variant("DBSCAN (authors)", run_dbscan, {}),
    Variant("Hierarchical (authors)", run_hierarchical, {}),
    Variant(HDBSCAN_NAME, run_hdbscan, {}),
    Variant("K-Means on points, k = 8", run_kmeans_on_points, {"n_clusters": 8}, ("toys",)),
    *(
        Variant(f"NTC {name} on shortest paths", _ntc_on_paths, setting, ("graphs",))
        for name, setting in (
            ("relative 0.3, condense 5/3", {"tau": 0.3, **_condensed(5, 3)}),
            ("mass, condense 5/3", {"rule": "mass", **_condensed(5, 3)}),
            ("mass, condense 5/5", {"rule": "mass", **_condensed(5, 5)}),
        )
    ),
    *(Variant(f"{name} on shortest paths", run, {}, ("graphs",)) for name, run in _PATHS.items()),
]

_TAUS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_NUMBERS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
_QUANTILES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_PLAIN: Setting = {}
_SCALES = ({"scale": "difference"}, {"scale": "log"})


def _product(*choices: Any) -> list[Setting]:
    """Merge one setting of each choice, in every combination."""
    return [
        {name: value for part in parts for name, value in part.items()}
        for parts in itertools.product(*choices)
    ]


def _each(name: str, values: Any) -> list[Setting]:
    return [{name: value} for value in values]


_PEER_GRIDS = {
    "K-Means": _each("n_clusters", _NUMBERS),
    "DBSCAN": _product(
        _each("eps_in_nearest_distances", (1, 1.5, 2, 3, 4, 6)), _each("min_samples", (2, 5))
    ),
    "Hierarchical": _each("quantile", _QUANTILES),
    "HDBSCAN": _product(_each("min_cluster_size", (3, 5, 10, 20)), _each("min_samples", (1, 3, 5))),
}

_MASS_GRID = _product(
    [{"rule": "mass", "condense": True}],
    _each("min_cluster_size", (3, 5, 10, 20)),
    _each("min_samples", (1, 3, 5)),
)
_ANY_GRID: list[Setting] = [
    {"tau": 0.5},
    {"tau": 0.2},
    {"rule": "gap"},
    {"rule": "gap", "scale": "log"},
    {"tau": 0.3, **_condensed(3, 3)},
    {"tau": 0.5, **_condensed(5, 3)},
    {"tau": 0.1, **_condensed(3, 3)},
    {"tau": 0.3, "scale": "log", **_condensed(5, 5)},
    {"tau": 0.3, "scale": "log", **_condensed(10, 3)},
    {"rule": "mass", **_condensed(3, 1)},
    {"rule": "mass", **_condensed(5, 3)},
    {"rule": "mass", **_condensed(10, 5)},
]

#: Grids of equal size. The best setting of each is chosen by the truth, so its score is an upper
#: bound on what a user without the truth can reach.
FAMILIES = [
    Family(PAPER, run_ntc, _each("tau", _TAUS)),
    Family(
        "NTC relative",
        run_ntc,
        _product(_each("tau", (0.1, 0.3, 0.5)), _SCALES, (_PLAIN, _condensed(5, 3))),
    ),
    Family(
        "NTC absolute",
        run_ntc,
        _product(
            [{"rule": "absolute"}],
            _each("tau_in_nearest_distances", (0.25, 0.5, 1, 2, 4, 8)),
            (_PLAIN, _condensed(5, 3)),
        ),
    ),
    Family(
        "NTC gap",
        run_ntc,
        _product(
            [{"rule": "gap"}],
            _SCALES,
            [_PLAIN, *(_condensed(*c) for c in ((3, 1), (3, 3), (5, 1), (5, 3), (10, 3)))],
        ),
    ),
    Family(
        "NTC significance", run_ntc, _product([{"rule": "significance"}], _each("tau", _LEVELS))
    ),
    Family("NTC mass", run_ntc, _MASS_GRID),
    Family("NTC, any rule", run_ntc, _ANY_GRID),
    Family("NTC mass on shortest paths", _ntc_on_paths, _MASS_GRID, ("graphs",)),
    Family("NTC, any rule, on shortest paths", _ntc_on_paths, _ANY_GRID, ("graphs",)),
    *(Family(name, run, _PEER_GRIDS[name]) for name, run in _PEERS.items()),
    Family("K-Means on points", run_kmeans_on_points, _PEER_GRIDS["K-Means"], ("toys",)),
    *(
        Family(f"{name} on shortest paths", run, _PEER_GRIDS[name], ("graphs",))
        for name, run in _PATHS.items()
    ),
]
