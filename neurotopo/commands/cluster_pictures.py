"""The pictures of ``neurotopo cluster``: what can be seen of a tree of very many neurons."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

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

_MOST_POINTS = 500  # of a diagram: more hide one another, and make the files large
_MOST_CLUSTERS = 30  # more can neither be told apart nor be named
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
        Its most persistent clusters, as :meth:`~neurotopo.graphs.NeuronTree.top_clusters` returns
        them. Of the first 30 each gets the colour and the number of its rank.
    by_layer : pandas.DataFrame
        Number of neurons of each of them in every layer.
    scale, condense, min_cluster_size
        The settings by which they were chosen.

    Yields
    ------
    name : str
        Name of the picture.
    figure : matplotlib Figure
        The picture, not known to pyplot.
    """
    found = candidate_clusters(tree, min_cluster_size=min_cluster_size, condense=condense)
    position = np.full(tree.n_nodes, -1, dtype=np.intp)
    position[found.node] = np.arange(len(found))
    top = position[table["node"].to_numpy(dtype=np.intp)[:_MOST_CLUSTERS]]
    of_layers = f"layers {tree.first_layer} to {tree.first_layer + tree.n_layers - 1}"

    figure = _figure(7, 5.5)
    _draw_diagram(figure, found, top, scale, of_layers)
    yield "persistence_diagram", figure
    figure = _figure(8, max(3.0, 1.4 + 0.24 * len(top)))
    _draw_barcode(figure, found, top, scale, of_layers)
    yield "barcode", figure
    if len(top):
        figure = _figure(max(7.0, 0.3 * len(top)), 5.5)
        _draw_tree(figure, found, top, scale, of_layers)
        yield "merge_tree", figure
        figure = _figure(min(14.0, 3.4 + 0.42 * tree.n_layers), 1.5 + 0.26 * len(top))
        _draw_layers(figure, tree, by_layer.iloc[: len(top)])
        yield "layers", figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # pyplot would keep the figure and choose a backend for everybody
    return figure


def _draw_diagram(
    figure: Figure, found: CandidateClusters, top: NDArray[np.intp], scale: str, of_layers: str
) -> None:
    rank = np.full(len(found), -1)
    rank[top] = np.arange(len(top))
    rest = np.argsort(-found.persistence(scale), kind="stable")[:_MOST_POINTS]
    shown = np.union1d(rest, top)
    display = PersistenceDiagramDisplay(
        found.diagram[shown],
        labels=rank[shown],
        sizes=found.tree.size[found.node[shown]],
        scale=scale,
        unit=found.unit,
        end_of_observation=found.end,
    ).plot(ax=figure.add_subplot())
    what = f"{len(found):,} clusters"
    if len(shown) < len(found):
        what = f"the {len(shown):,} most persistent of {what}"
    display.ax_.set_title(f"{of_layers}: {what}", fontsize="medium")


def _draw_barcode(
    figure: Figure, found: CandidateClusters, top: NDArray[np.intp], scale: str, of_layers: str
) -> None:
    display = BarcodeDisplay(
        found.diagram[top],
        labels=np.arange(len(top)),
        sizes=found.tree.size[found.node[top]],
        scale=scale,
        unit=found.unit,
        end_of_observation=found.end,
    ).plot(ax=figure.add_subplot(), legend=False)
    display.ax_.set_title(f"{of_layers}: ranks, lives and sizes", fontsize="medium")


def _draw_tree(
    figure: Figure, found: CandidateClusters, top: NDArray[np.intp], scale: str, of_layers: str
) -> None:
    tree = found.tree
    first = found.first_node[top]
    # one that never merges may take up single neurons for long: that would be most of the picture
    last = np.where(np.isinf(found.death[top]), first, found.node[top])
    ends = np.concatenate([first, last])
    nodes = _with_meetings(tree, np.concatenate([ends, _merged_into(found, top)]))
    small = tree_of_nodes(tree, nodes)
    rank = np.full(len(found) + 1, -1, dtype=np.intp)  # the last entry answers -1
    rank[top] = np.arange(len(top))
    display = MergeTreeDisplay(
        small, nodes=np.searchsorted(nodes, last), stages=rank[found.cluster_of[nodes]], scale=scale
    ).plot(ax=figure.add_subplot())
    display.ax_.set_xlabel("neurons of the lowest clusters, at birth")
    display.ax_.set_title(f"{of_layers}: where the clusters meet", fontsize="medium")


def _merged_into(found: CandidateClusters, top: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the nodes in which clusters end, -1 for those that never merge."""
    return np.where(np.isinf(found.death[top]), -1, found.tree.parent[found.node[top]])


def _with_meetings(tree: MergeTree, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Add to some nodes all nodes in which two of them first meet, in ascending order."""
    nodes = np.unique(nodes[nodes >= 0])
    order = nodes[np.lexsort((-tree.size[nodes], tree.start[nodes]))]
    end = tree.start + tree.size
    meetings: list[int] = []
    # of a set sorted along the leaves, neighbours meet wherever any two do
    for left, right in pairwise(order):
        low, high = tree.start[left], max(end[left], end[right])
        around = np.flatnonzero((tree.start <= low) & (end >= high))
        meetings.extend(
            around[:1].tolist()
        )  # nodes are in order of birth; separate trees have none
    return np.union1d(nodes, np.array(meetings, dtype=np.intp))


def tree_of_nodes(tree: MergeTree, nodes: NDArray[np.intp]) -> MergeTree:
    """Return the tree that some clusters form among themselves.

    Parameters
    ----------
    tree : MergeTree
        A tree.
    nodes : ndarray of int
        Some of its clusters, in ascending order, and with any two the one in which they meet.

    Returns
    -------
    MergeTree
        One node per cluster, with its birth, its size and its place. A cluster whose parent is
        left out dies where the next larger one that is there was born. There are no samples.
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
    ax = figure.add_subplot()
    shown = np.ma.masked_equal(counts, 0)
    image = ax.imshow(
        shown,
        aspect="auto",
        cmap="viridis_r",
        norm=LogNorm(1, max(int(counts.max()), 2)),
        interpolation="nearest",
        extent=_extent(tree, len(counts)),
    )
    figure.colorbar(image, ax=ax, label="neurons", format="{x:,.0f}")
    if counts.size <= _MOST_NUMBERS:
        for (row, step), count in np.ndenumerate(counts):
            if count:
                dark = np.log(count) > 0.5 * np.log(max(counts.max(), 2))
                ax.text(
                    tree.first_layer + step,
                    row,
                    str(count),
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="white" if dark else "black",
                )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_yticks(range(len(counts)), [str(rank) for rank in by_layer.index], fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="layer", ylabel="cluster, by rank")
    ax.set_title("neurons of each cluster in each layer", fontsize="medium")


def _extent(tree: NeuronTree, n_rows: int) -> tuple[float, float, float, float]:
    first = tree.first_layer - 0.5
    return first, first + tree.n_layers, n_rows - 0.5, -0.5
