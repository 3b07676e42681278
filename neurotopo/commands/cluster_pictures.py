"""Pictures of ``neurotopo cluster``: the most persistent clusters of a very large tree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.persistence.clusters import CandidateClusters, candidate_clusters
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.plots import BarcodeDisplay, MergeTreeDisplay, PersistenceDiagramDisplay

__all__ = ["pictures", "tree_of_nodes"]

_MOST_POINTS = 500  # of a diagram: more overlap, and make the files large
_MOST_CLUSTERS = 30  # more have no distinct colours and no room for names
_MOST_NUMBERS = 400  # in the cells of the layers


def pictures(
    tree: NeuronTree,
    table: pd.DataFrame,
    by_layer: pd.DataFrame,
    *,
    scale: str,
    condense: bool,
    min_cluster_size: int,
) -> Iterator[tuple[str, Figure]]:
    """Draw the most persistent clusters of a tree.

    Parameters
    ----------
    tree : NeuronTree
        The tree.
    table : pandas.DataFrame
        Its most persistent clusters, from :meth:`~neurotopo.graphs.NeuronTree.top_clusters`. Each
        of the first 30 has a colour and the number of its rank.
    by_layer : pandas.DataFrame
        Number of neurons of each of them in every layer.
    scale, condense, min_cluster_size
        Settings of ``top_clusters``.

    Yields
    ------
    name : str
        Name of the picture.
    figure : matplotlib Figure
        The picture; pyplot does not manage it.
    """
    candidates = candidate_clusters(
        tree, min_cluster_size=min_cluster_size, condense=condense, max_radius="last_merge"
    )
    position = np.full(tree.n_nodes, -1, dtype=np.intp)
    position[candidates.node] = np.arange(len(candidates))
    top = position[table["node"].to_numpy(dtype=np.intp)[:_MOST_CLUSTERS]]
    of_layers = f"layers {tree.first_layer} to {tree.first_layer + tree.n_layers - 1}"

    figure = _figure(7, 5.5)
    rest = np.argsort(-candidates.persistence(scale), kind="stable")[:_MOST_POINTS]
    shown = np.union1d(rest, top)
    what = f"{len(candidates):,} clusters"
    if len(shown) < len(candidates):
        what = f"the {len(shown):,} most persistent of {what}"
    display = _display(PersistenceDiagramDisplay, candidates, shown, _rank(candidates, top), scale)
    display.plot(ax=figure.gca()).ax_.set_title(f"{of_layers}: {what}", fontsize="medium")
    yield "persistence_diagram", figure

    figure = _figure(8, max(3.0, 1.4 + 0.24 * len(top)))
    display = _display(BarcodeDisplay, candidates, top, _rank(candidates, top), scale)
    display.plot(ax=figure.gca(), legend=False)
    display.ax_.set_title(f"{of_layers}: ranks, lifetimes and sizes", fontsize="medium")
    yield "barcode", figure

    if len(top):
        figure = _figure(max(7.0, 0.3 * len(top)), 5.5)
        _draw_tree(figure, candidates, top, scale, of_layers)
        yield "merge_tree", figure
        figure = _figure(min(14.0, 3.4 + 0.42 * tree.n_layers), 1.5 + 0.26 * len(top))
        _draw_layers(figure, tree, by_layer.iloc[: len(top)])
        yield "layers", figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # pyplot would keep the figure and choose a global backend
    figure.add_subplot()
    return figure


def _rank(candidates: CandidateClusters, top: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rank of each cluster, -1 for those not shown; the last entry is -1 too."""
    rank = np.full(len(candidates) + 1, -1, dtype=np.intp)
    rank[top] = np.arange(len(top))
    return rank


def _display(
    kind: Any,
    candidates: CandidateClusters,
    shown: NDArray[np.intp],
    rank: NDArray[np.intp],
    scale: str,
) -> Any:
    return kind(
        candidates.diagram[shown],
        labels=rank[shown],
        sizes=candidates.tree.size[candidates.node[shown]],
        scale=scale,
        unit=candidates.unit,
        end_of_observation=candidates.end,
    )


def _draw_tree(
    figure: Figure, candidates: CandidateClusters, top: NDArray[np.intp], scale: str, of_layers: str
) -> None:
    tree, node = candidates.tree, candidates.node[top]
    never = np.isinf(candidates.death[top])
    # a cluster that never merges may absorb single neurons for most of the picture
    last = np.where(never, candidates.first_node[top], node)
    merged_into = np.where(never, -1, tree.parent[node])
    nodes = _with_meetings(tree, np.concatenate([candidates.first_node[top], last, merged_into]))
    display = MergeTreeDisplay(
        tree_of_nodes(tree, nodes),
        nodes=np.searchsorted(nodes, last),
        stages=_rank(candidates, top)[candidates.cluster_of[nodes]],
        scale=scale,
    ).plot(ax=figure.gca())
    display.ax_.set_xlabel("neurons of the lowest clusters, at birth")
    display.ax_.set_title(f"{of_layers}: where the clusters merge", fontsize="medium")


def _with_meetings(tree: MergeTree, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return some nodes and the lowest common ancestors of any two of them, sorted."""
    nodes = np.unique(nodes[nodes >= 0])
    order = nodes[np.lexsort((-tree.size[nodes], tree.start[nodes]))]
    end = tree.start + tree.size
    meetings: list[int] = []
    # along the leaves, neighbours have all common ancestors that any two have
    for left, right in pairwise(order):
        low, high = tree.start[left], max(end[left], end[right])
        around = np.flatnonzero((tree.start <= low) & (end >= high))
        # nodes are sorted by birth; clusters of separate trees have no common ancestor
        meetings.extend(around[:1].tolist())
    return np.union1d(nodes, np.array(meetings, dtype=np.intp))


def tree_of_nodes(tree: MergeTree, nodes: NDArray[np.intp]) -> MergeTree:
    """Return the tree of some clusters.

    Parameters
    ----------
    tree : MergeTree
        A tree.
    nodes : ndarray of int
        Some of its clusters, sorted, and the lowest common ancestor of any two of them.

    Returns
    -------
    MergeTree
        One node per cluster, with its birth, size and position, and no samples. A cluster dies at
        the birth of the next larger cluster among `nodes`.
    """
    start, end = tree.start[nodes], tree.start[nodes] + tree.size[nodes]
    parent = np.full(len(nodes), -1, dtype=np.intp)
    for i in range(len(nodes)):
        around = np.flatnonzero((start[i + 1 :] <= start[i]) & (end[i + 1 :] >= end[i]))
        if len(around):
            parent[i] = i + 1 + around[0]
    birth = tree.birth[nodes]
    death = np.where(parent >= 0, birth[parent], np.inf)
    return MergeTree(0, birth, death, parent, tree.size[nodes], tree.leaf_order[:0], start)


def _draw_layers(figure: Figure, tree: NeuronTree, by_layer: pd.DataFrame) -> None:
    counts = by_layer.to_numpy()
    ax, first = figure.gca(), tree.first_layer - 0.5
    image = ax.imshow(
        np.ma.masked_equal(counts, 0),
        aspect="auto",
        cmap="viridis_r",
        norm=LogNorm(1, max(int(counts.max()), 2)),
        interpolation="nearest",
        extent=(first, first + tree.n_layers, len(counts) - 0.5, -0.5),
    )
    figure.colorbar(image, ax=ax, label="neurons", format="{x:,.0f}")
    if counts.size <= _MOST_NUMBERS:
        for (row, step), count in np.ndenumerate(counts):
            if count:
                dark = np.log(count) > 0.5 * np.log(max(counts.max(), 2))
                style: Any = {"ha": "center", "va": "center", "fontsize": 6}
                colour = "white" if dark else "black"
                ax.text(tree.first_layer + step, row, str(count), color=colour, **style)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_yticks(range(len(counts)), [str(rank) for rank in by_layer.index], fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="layer", ylabel="cluster, by rank")
    ax.set_title("neurons of each cluster in each layer", fontsize="medium")
