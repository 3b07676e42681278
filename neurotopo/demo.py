"""A demonstration of the clusterer: ``python -m neurotopo.demo --out demo_output``.

It generates a layered graph with a few groups of strongly connected vertices, clusters it, and
writes pictures and a table of the clusters to a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurotopo.cluster.ntc import NTCClusterer

__all__ = ["LayeredGraph", "cluster_table", "main", "planted_layered_graph", "save_pictures"]


@dataclass(frozen=True)
class LayeredGraph:
    """A weighted graph of vertices in layers, with planted groups.

    Attributes
    ----------
    lengths : sparse array, shape (n, n)
        Edge lengths ``1 / weight``, between vertices of adjacent layers.
    layer : ndarray of int, shape (n,)
        Layer of each vertex.
    group : ndarray of int, shape (n,)
        Planted group of each vertex, -1 for the background.
    """

    lengths: sp.csr_array
    layer: NDArray[np.intp]
    group: NDArray[np.intp]


def planted_layered_graph(
    group_sizes: Sequence[int] = (20, 16, 14, 12),
    n_background: int = 12,
    n_layers: int = 4,
    contrast: float = 10.0,
    seed: int = 0,
) -> LayeredGraph:
    """Generate a layered graph with groups of strongly connected vertices.

    Connection weights are log-normal, within a planted group `contrast` times larger. Lengths are
    ``1 / weight``.

    Parameters
    ----------
    group_sizes : sequence of int, default=(20, 16, 14, 12)
        Number of vertices of each planted group, spread evenly over the layers.
    n_background : int, default=12
        Number of vertices in no group.
    n_layers : int, default=4
        Number of layers.
    contrast : float, default=10.0
        Ratio of the weights inside a group to those outside.
    seed : int, default=0
        Seed of the random generator.

    Returns
    -------
    LayeredGraph
        The graph.

    Examples
    --------
    >>> from neurotopo.demo import planted_layered_graph
    >>> graph = planted_layered_graph(group_sizes=(4, 3), n_background=2, n_layers=3)
    >>> graph.group
    array([ 0,  0,  0,  0,  1,  1,  1, -1, -1])
    """
    rng = np.random.default_rng(seed)
    sizes = [*group_sizes, n_background]
    group = np.repeat(np.arange(len(sizes)), sizes)
    group[group == len(group_sizes)] = -1
    offsets = np.concatenate([np.arange(size) for size in sizes])
    layer = offsets % n_layers
    n = len(group)
    weight = rng.lognormal(sigma=0.4, size=(n, n))
    same_group = (group[:, None] == group[None, :]) & (group[:, None] >= 0)
    weight[same_group] *= contrast
    source, target = np.nonzero(layer[:, None] + 1 == layer[None, :])
    length = 1.0 / weight[source, target]
    upper = sp.coo_array((length, (source, target)), shape=(n, n))
    return LayeredGraph(lengths=(upper + upper.T).tocsr(), layer=layer, group=group)


def cluster_table(clusterer: NTCClusterer) -> pd.DataFrame:
    """Return a table of the chosen clusters of a fitted clusterer, the most persistent first."""
    clusters = clusterer.clusters_
    sizes = {"cluster": np.arange(len(clusters)), "size": clusters.sizes}
    lives = {name: getattr(clusterer, f"{name}_") for name in ("birth", "death", "persistence")}
    return pd.DataFrame({**sizes, **lives, "members": [" ".join(map(str, m)) for m in clusters]})


def save_pictures(clusterer: NTCClusterer, out: Path) -> list[Path]:
    """Draw the diagram, the barcode and the merge tree, each as PNG and as SVG."""
    from neurotopo.plots import BarcodeDisplay, MergeTreeDisplay, PersistenceDiagramDisplay

    displays: dict[str, Any] = {
        "persistence_diagram": PersistenceDiagramDisplay,
        "barcode": BarcodeDisplay,
        "merge_tree": MergeTreeDisplay,
    }
    paths = []
    for name, display in displays.items():
        figure = Figure(figsize=(7, 5), layout="constrained")
        FigureCanvasAgg(figure)  # pyplot would keep the figure and choose a global backend
        display.from_estimator(clusterer, ax=figure.add_subplot())
        for suffix in ("png", "svg"):
            paths.append(out / f"{name}.{suffix}")
            figure.savefig(paths[-1], dpi=150)
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m neurotopo.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="seed of the generated graph")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"Cannot write to {options.out}: {error.strerror}.", file=sys.stderr)
        return 2

    graph = planted_layered_graph(seed=options.seed)
    clusterer = NTCClusterer.paper(metric="precomputed").fit(graph.lengths)
    table = cluster_table(clusterer)
    table.to_csv(options.out / "clusters.csv", index=False)
    pictures = save_pictures(clusterer, options.out)

    if options.json:
        files = [str(path) for path in [options.out / "clusters.csv", *pictures]]
        print(json.dumps({"clusters": table.to_dict("records"), "files": files}))
        return 0
    n_groups = graph.group.max() + 1
    print(
        f"{len(graph.group)} vertices in {graph.layer.max() + 1} layers, {graph.lengths.nnz // 2} "
        f"edges, {n_groups} planted groups; {clusterer.n_clusters_} clusters found:"
    )
    print(table.drop(columns="members").to_string(index=False, float_format="{:.4f}".format))
    print("Rows: planted group (-1 = background). Columns: cluster found (-1 = none).")
    print(pd.crosstab(graph.group, clusterer.labels_, rownames=[""], colnames=[""]).to_string())
    for path in [options.out / "clusters.csv", *pictures]:
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
