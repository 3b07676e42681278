"""Positions of the samples in the explorer, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.cluster.drawn_graph import checked_positions, drawn_graph
from neurotopo.cluster.layout import MOST_ON_CIRCLE, layered_positions, leaf_positions
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.explore.sampled_tree import SampledTree
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["Drawing", "drawing_of_clusterer", "drawing_of_tree"]

_FEWEST_EDGES, _MOST_EDGES, _EDGES_PER_SAMPLE = 200, 3000, 5
_MOST_DISCS = 2000


@dataclass(frozen=True)
class Drawing:
    """The drawing of a graph."""

    positions: NDArray[np.float64]  # of the samples shown
    layer: NDArray[np.intp] | None  # of each sample, from 0 on
    layers: list[str] | None  # names
    discs: bool  # whether distances in the drawing are lengths, for discs of radius R / 2
    circle: bool  # whether the samples are in leaf order on a circle, with the tree inside
    source: NDArray[np.intp]  # of edges between samples shown
    target: NDArray[np.intp]
    length: NDArray[np.float64]
    notes: list[str]
    projection: str | None = None  # what places samples that have more than two columns


def drawing_of_clusterer(
    clusterer: NTCClusterer,
    shown: SampledTree,
    positions: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> Drawing:
    """Draw the graph that a clusterer was fitted on: its forest, and the shortest other edges."""
    graph = drawn_graph(clusterer, positions, strata)
    layered = graph.layers is not None
    if strata is None:
        strata = clusterer._strata
    n = clusterer.merge_tree_.n_samples
    at = np.full(n, -1, dtype=np.intp)
    at[shown.sample] = np.arange(len(shown.sample))
    most = int(np.clip(_EDGES_PER_SAMPLE * n, _FEWEST_EDGES, _MOST_EDGES))
    drawn = graph.shortest(most)
    n_left = len(drawn) - np.count_nonzero(drawn)
    source, target = at[graph.edges.source[drawn]], at[graph.edges.target[drawn]]
    both = (source >= 0) & (target >= 0)
    notes, projection = [], None
    if graph.variance is not None:
        share = f"{100 * sum(graph.variance):.1f} % of the variance"
        projection = f"two principal components, {share}"
        notes.append(
            f"Samples are drawn by the first two principal components of the "
            f"{clusterer._fit_X.shape[1]:,} columns, which hold {share} "
            f"({' and '.join(f'{100 * part:.1f}' for part in graph.variance)}). Lengths and "
            "clusters use all columns."
        )
    if n_left:
        notes.append(
            f"Drawn are {np.count_nonzero(drawn):,} edges, those of a minimum spanning forest and "
            f"the shortest others; {n_left:,} longer ones are left out. The clusters are the same."
        )
    layers, layer = _layers(strata) if layered else (None, None)
    return Drawing(
        graph.positions[shown.sample],
        None if layer is None else layer[shown.sample],
        layers,
        graph.true_distances and n <= _MOST_DISCS,
        False,
        source[both],
        target[both],
        graph.edges.length[drawn][both],
        notes,
        projection,
    )


def drawing_of_tree(
    tree: MergeTree,
    shown: SampledTree,
    positions: ArrayLike | None = None,
    strata: ArrayLike | None = None,
) -> Drawing:
    """Draw the samples of a bare tree: as given, by layer, or in leaf order."""
    layer = layers = None
    circle = False
    notes: list[str] = []
    no_edges = np.zeros(0, dtype=np.intp)
    source, target, length = no_edges, no_edges, np.zeros(0)
    if positions is not None:
        at = checked_positions(positions, tree.n_samples)[shown.sample]
    elif strata is not None:
        if np.shape(strata) != (tree.n_samples,):
            raise ValueError(f"strata must have shape ({tree.n_samples},), got {np.shape(strata)}.")
        layers, every = _layers(strata)
        at = layered_positions(every, tree.leaf_order)[shown.sample]
        layer = every[shown.sample]
    else:
        n = len(shown.sample)
        at = leaf_positions(n)
        circle = n <= MOST_ON_CIRCLE
    if circle:
        notes.append("A tree has no edges: samples lie in leaf order, and the tree grows inside.")
    elif positions is None and strata is None:
        source = np.flatnonzero(np.isfinite(shown.joining))
        target, length = source + 1, shown.joining[source]
        notes.append(
            "A tree has no edges: samples lie in leaf order, and a line joins neighbours once "
            "they are in one cluster."
        )
    return Drawing(at, layer, layers, False, circle, source, target, length, notes)


def _layers(strata: Any) -> tuple[list[str], NDArray[np.intp]]:
    names, layer = np.unique(np.asarray(strata), return_inverse=True)
    return [str(name) for name in names], layer.astype(np.intp)
