"""Draw the pictures of the documentation with the library itself: ``python docs/make_figures.py``.

Every run draws the same pictures: the random generators are seeded, and the identifiers in the SVG
files are salted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import degenerate_figures
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.sparse.csgraph import shortest_path
from sklearn.datasets import make_moons

import neurotopo as nt

NO_EDGE = np.inf
COLORS = ["#1f77b4", "#d95f02", "#2a9d5c", "#7b4fa3", "#c2a000", "#d14f8f"]
GREY = "#b8b8b8"


def dense_lengths(n: int, edges: dict[tuple[int, int], float]) -> np.ndarray:
    """Return a dense matrix of lengths from a dictionary of edges."""
    lengths = np.full((n, n), NO_EDGE)
    np.fill_diagonal(lengths, 0.0)
    for (a, b), length in edges.items():
        lengths[a, b] = lengths[b, a] = length
    return lengths


def closure(lengths: np.ndarray) -> np.ndarray:
    """Return the shortest-path lengths between all pairs."""
    return shortest_path(np.where(np.isinf(lengths), 0.0, lengths), directed=False)


def matrix_a(lengths: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Return the paper's matrix: direct length, shortest path or no edge, by the gap of layers."""
    gap = np.abs(layer[:, None] - layer[None, :])
    matrix = np.where(gap == 1, lengths, closure(lengths))
    matrix[gap == 0] = NO_EDGE
    np.fill_diagonal(matrix, 0.0)
    return matrix


def draw_theorem(figure: Figure) -> None:
    """Draw three matrices and their common tree."""
    from neurotopo.plots import MergeTreeDisplay

    names = np.array(list("abcde"))
    layer = np.array([0, 0, 1, 1, 2])
    a, b, c, d, e = range(5)
    direct = dense_lengths(5, {(a, c): 1, (b, c): 2, (b, d): 4, (a, d): 8, (d, e): 3, (c, e): 6})
    matrices = {
        "Direct edges": direct,
        "Closure (shortest paths)": closure(direct),
        "Matrix A of the paper": matrix_a(direct, layer),
    }
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.25])
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=False):
        _draw_matrix(ax, matrix, names, changed=matrix != direct)
        ax.set_title(title)
    fitted = [nt.NTCClusterer.paper(metric="precomputed").fit(m) for m in matrices.values()]
    assert all(each.merge_tree_ == fitted[0].merge_tree_ for each in fitted)
    MergeTreeDisplay.from_estimator(fitted[0], ax=axes[3], names=names.tolist())
    axes[3].set_title("Merge tree of all three")


def _draw_matrix(ax, matrix, names, changed) -> None:
    background = np.where(np.isinf(matrix), 0, np.where(changed, 2, 1))
    colors = mpl.colors.ListedColormap(["white", "#dfeaf5", "#fbd9bd"])
    ax.imshow(background, cmap=colors, vmin=0, vmax=2)
    for i, j in np.ndindex(matrix.shape):
        text = "∞" if np.isinf(matrix[i, j]) else f"{matrix[i, j]:g}"
        ax.text(j, i, text, ha="center", va="center", weight="bold" if changed[i, j] else "normal")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)


def draw_growth(figure: Figure) -> None:
    """Draw the clusters of four points, as in the paper's figure, at growing radii."""
    from neurotopo.plots import GrowthDisplay

    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.6, 1.4], [4.6, -0.4]])
    clusterer = nt.NTCClusterer.paper().fit(points)
    radii = [0.0, 1.0, float(np.hypot(0.6, 1.4)), float(np.hypot(3.6, 0.4))]
    display = GrowthDisplay.from_estimator(clusterer, radii=radii, ax=figure.add_subplot())
    for panel in display.panels_:
        for name, point in zip("abcd", points, strict=True):
            panel.annotate(name, point, xytext=(3, 3), textcoords="offset points", zorder=5)


def small_example() -> nt.NTCClusterer:
    """Fit twelve points on a line: two tight groups, one loose group and a single point."""
    points = np.array([0.0, 0.4, 0.9, 1.5, 4.3, 4.6, 5.4, 9.0, 10.1, 11.4, 12.6, 17.0])
    return nt.NTCClusterer.paper(tau=0.5).fit(points[:, None])


def draw_two_diagrams(figure: Figure) -> None:
    """Draw a tree, the diagram of its clusters and its 0-dimensional diagram."""
    from neurotopo.plots import MergeTreeDisplay, PersistenceDiagramDisplay

    clusterer = small_example()
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1, 1])
    MergeTreeDisplay.from_estimator(clusterer, ax=left)
    left.set_title("Merge tree")
    PersistenceDiagramDisplay.from_estimator(clusterer, ax=middle, legend=False)
    middle.set_title("One point per cluster")
    births, deaths = clusterer.h0_diagram_.T
    finite = np.isfinite(deaths)
    right.axline((0, 0), slope=1, color="black", linewidth=0.8)
    right.scatter(births[finite], deaths[finite], color=COLORS[0], zorder=3, clip_on=False)
    right.set(xlim=middle.get_xlim(), ylim=middle.get_ylim(), xlabel="birth", ylabel="death")
    right.set_title("One point per merge")


def draw_stability(figure: Figure) -> None:
    """Draw the diagram of a graph before and after a perturbation of all lengths."""
    rng = np.random.default_rng(2)
    n, epsilon = 15, 0.05
    group = np.repeat(np.arange(3), n // 3)
    lengths = rng.uniform(0.9, 1.6, size=(n, n))
    lengths[group[:, None] == group[None, :]] -= 0.7
    noise = rng.uniform(-epsilon, epsilon, size=(n, n))
    before, after = (nt.merge_tree(_symmetric(x)) for x in (lengths, lengths + noise))
    old, new = _clusters_by_members(before), _clusters_by_members(after)

    ax = figure.add_subplot()
    ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
    ax.axline((0, 2 * epsilon), slope=1, color="black", linewidth=0.8, linestyle="--")
    for members in old.keys() & new.keys():
        start, end = old[members], new[members]
        ax.plot(*zip(start, end, strict=True), color="black", linewidth=1.0, zorder=4)
        if start[1] - start[0] > 2 * epsilon:
            corner = (start[0] - epsilon, start[1] - epsilon)
            box = mpl.patches.Rectangle(corner, 2 * epsilon, 2 * epsilon, color=COLORS[0])
            box.set(alpha=0.18, linewidth=0)
            ax.add_patch(box)
    for clusters, color, label in ((old, COLORS[0], "lengths f"), (new, COLORS[1], "lengths g")):
        ax.scatter(*zip(*clusters.values(), strict=True), s=26, color=color, label=label, zorder=3)
    ax.text(
        0.52,
        0.535 + 2 * epsilon,
        "persistence 2ε",
        rotation=45,
        ha="center",
        va="bottom",
        rotation_mode="anchor",
        transform_rotates_text=True,
        fontsize=9,
    )
    ax.set(xlabel="birth $R_1$", ylabel="death $R_2$", xlim=(0.15, 1.1), ylim=(0.15, 1.1))
    ax.set_aspect("equal")
    ax.legend(loc="lower right")


def _clusters_by_members(tree: nt.MergeTree) -> dict[frozenset[int], tuple[float, float]]:
    """Return birth and death of every cluster that dies, by its members."""
    nodes = [v for v in range(tree.n_samples, tree.n_nodes) if np.isfinite(tree.death[v])]
    return {frozenset(tree.members(v).tolist()): (tree.birth[v], tree.death[v]) for v in nodes}


def _symmetric(lengths: np.ndarray) -> np.ndarray:
    upper = np.triu(lengths, 1)
    return upper + upper.T


def draw_selection(figure: Figure) -> None:
    """Draw the same bars twice, with the nested and with the disjoint choice."""
    from neurotopo.plots import BarcodeDisplay

    clusterer = small_example()
    left, right = figure.subplots(1, 2)
    for ax, nested in ((left, True), (right, False)):
        BarcodeDisplay.from_estimator(clusterer.recut(tau=0.3, nested=nested), ax=ax, legend=False)
        ax.set_title(f"nested={nested}")
    right.set_ylabel("")


def draw_noise(figure: Figure) -> None:
    """Draw two moons among stray points, clustered with three settings."""
    moons, _ = make_moons(300, noise=0.06, random_state=0)
    stray = np.random.default_rng(0).uniform([-1.5, -1.0], [2.5, 1.5], size=(30, 2))
    points = np.vstack([moons, stray])
    condensed = {"condense": True, "min_cluster_size": 15}
    settings = {
        "Default (the paper)": {},
        "condense=True,\nmin_cluster_size=15": condensed,
        'condense=True, min_cluster_size=15,\nrule="mass", min_samples=5': {
            **condensed,
            "rule": "mass",
            "min_samples": 5,
        },
    }
    axes = figure.subplots(1, 3, sharey=True)
    for ax, (title, setting) in zip(axes, settings.items(), strict=True):
        labels = nt.NTCClusterer.paper(**setting).fit_predict(points)
        colors = [GREY if k < 0 else COLORS[k % len(COLORS)] for k in labels]
        ax.scatter(*points.T, s=7, c=colors)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(_count(labels), fontsize=10)
        ax.set(xticks=[], yticks=[], aspect="equal")


def _count(labels: np.ndarray) -> str:
    clusters, stray = labels.max() + 1, int(np.count_nonzero(labels < 0))
    return f"{clusters} cluster{'' if clusters == 1 else 's'}, {stray} samples in none"


def draw_connection(figure: Figure) -> None:
    """Draw a neuron that writes to the residual stream and one that reads from it."""
    ax = figure.add_subplot()
    ax.set(xlim=(0, 10), ylim=(-0.25, 3.1), aspect="equal")
    ax.set_axis_off()
    arrow = {"arrowstyle": "-|>", "mutation_scale": 16, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(
        mpl.patches.FancyArrow(
            0.2,
            0.3,
            9.5,
            0,
            width=0.16,
            head_width=0.42,
            head_length=0.3,
            length_includes_head=True,
            color=GREY,
            linewidth=0,
        )
    )
    ax.text(0.2, -0.15, "residual stream", color="0.35")
    ends = {}
    for left, layer, name, own in ((1.2, "layer $l$", "A", 1), (5.9, "layer $l + 1$", "B", 0)):
        box = mpl.patches.FancyBboxPatch(
            (left, 1.35), 2.7, 0.8, boxstyle="round,pad=0.1", facecolor="#eef3f8", edgecolor="0.6"
        )
        ax.add_patch(box)
        ax.text(left + 1.35, 2.42, f"MLP of {layer}", ha="center")
        x = left + np.array([0.45, 1.35, 2.25])
        colors = [COLORS[0] if i == own else GREY for i in range(3)]
        ax.scatter(x, np.full(3, 1.75), s=170, color=colors, zorder=3)
        ax.text(
            x[own], 1.73, name, color="white", weight="bold", ha="center", va="center", zorder=4
        )
        ends[name] = x[own]
    for start, end, x, text, side in (
        (1.55, 0.42, ends["A"], r"$a_A\;\mathrm{out}_A$", "left"),
        (0.42, 1.55, ends["B"], r"$\mathrm{in}_B$", "right"),
    ):
        ax.annotate("", (x, end), (x, start), arrowprops={**arrow, "color": COLORS[0], "lw": 1.6})
        shift = 0.15 if side == "left" else -0.15
        ax.text(x + shift, 0.82, text, ha=side, va="center", color=COLORS[0])
    ax.annotate(
        "",
        (ends["B"] - 0.22, 1.75),
        (ends["A"] + 0.22, 1.75),
        zorder=5,
        arrowprops={**arrow, "color": COLORS[1], "lw": 1.6, "connectionstyle": "arc3,rad=-0.28"},
    )
    ax.text(
        np.mean(list(ends.values())),
        2.75,
        r"$w_{AB} = \langle \mathrm{out}_A, \mathrm{in}_B \rangle$",
        color=COLORS[1],
        ha="center",
        fontsize=12,
    )


class PlantedRows:
    """Rows of a model in which the neurons of a group are connected.

    :class:`neurotopo.NeuronGraph` needs no more than this from a model.
    """

    def __init__(self, n_layers: int, group: np.ndarray, strength: float = 1.1) -> None:
        rng = np.random.default_rng(5)
        self.n_layers, self.n_neurons = n_layers, len(group)
        shape = (n_layers, len(group), 32)
        self._in, self._out = rng.normal(size=shape) / 6, rng.normal(size=shape) / 6
        for number, direction in enumerate(np.eye(32)[: group.max() + 1]):
            self._in[:, group == number] += strength * direction
            self._out[:, group == number] += strength * direction

    def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
        """Return the in-rows."""
        return self._in[layer] if indices is None else self._in[layer, indices]

    def out_rows(self, layer, indices=None):
        """Return the out-rows."""
        return self._out[layer] if indices is None else self._out[layer, indices]


def draw_neuron_graph(figure: Figure) -> None:
    """Draw a neuron graph with two planted groups, and its merge tree."""
    from neurotopo.plots import GraphDisplay, MergeTreeDisplay

    n_layers, group = 4, np.array([0, 0, 0, 1, 1, -1, -1, -1])
    model = PlantedRows(n_layers, group)
    neurons = [(layer, i) for layer in range(n_layers) for i in range(len(group))]
    graph = nt.NeuronGraph.from_model(model, neurons)
    ntc = nt.NTCClusterer.paper(metric="precomputed", condense=True, min_cluster_size=4)
    ntc.fit(graph.clustering_input(), strata=graph.layers)
    clusters = {frozenset(members.tolist()) for members in ntc.clusters_}
    planted = np.tile(group, n_layers)
    assert clusters == {frozenset(np.flatnonzero(planted == k).tolist()) for k in (0, 1)}
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
    GraphDisplay.from_estimator(ntc, strata=graph.layers, ax=left, legend=False)
    left.set_title("Neurons by layer")
    MergeTreeDisplay.from_estimator(ntc, ax=right)
    right.set_title("Merge tree")


def draw_quadrature(figure: Figure) -> None:
    """Draw the completeness error against the number of nodes, for every rule."""
    from neurotopo.testbed import make_world

    model = nt.load_model("testbed:gpt2", dtype="float64")
    facts = make_world().core_facts("en").sample(12, seed=0)
    ax = figure.subplots()
    ax.set_prop_cycle(color=COLORS)
    for rule in ("right", "left", "trapezoid", "midpoint", "gauss-legendre"):
        steps = [1, 2, 3, 4, 6, 8] + ([] if rule == "gauss-legendre" else [12, 20, 40, 80])
        error = []
        for n in steps:
            scores = nt.AMIG(steps=n, quadrature=rule).attribute_many(model, facts)
            error.append(np.mean([one.relative_gap for one in scores]))
        # a trapezoid has a node at both ends
        nodes = [n + 1 for n in steps] if rule == "trapezoid" else steps
        line = "--" if rule == "left" else "-"  # it coincides with that of "right"
        ax.loglog(nodes, error, line, marker="o", markersize=4, label=rule)
        if rule == "right":
            bar = error[steps.index(20)]
    ax.axhline(bar, color=GREY, linestyle="--", linewidth=1, zorder=0)
    ax.annotate(
        "20 right-hand steps", (88, bar), ha="right", va="bottom", color="#555555", fontsize=9
    )
    ax.set(xlabel="nodes (gradients per layer)", ylabel="completeness error")
    ax.set_xticks([1, 2, 4, 8, 20, 80], labels=["1", "2", "4", "8", "20", "80"])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9)


FIGURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "growth": (draw_growth, (9, 3)),
    "two_diagrams": (draw_two_diagrams, (11, 3.8)),
    "theorem": (draw_theorem, (11.5, 3)),
    "stability": (draw_stability, (5, 5)),
    "selection": (draw_selection, (9, 3.4)),
    "noise": (draw_noise, (10, 2.9)),
    "connection": (draw_connection, (8, 2.6)),
    "neuron_graph": (draw_neuron_graph, (10.5, 4)),
    "quadrature": (draw_quadrature, (6, 3.8)),
    **degenerate_figures.FIGURES,
}


def main(out: Path) -> None:
    """Draw all pictures into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "neurotopo", "font.size": 10}):
        for name, (draw, size) in FIGURES.items():
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            draw(figure)
            figure.savefig(out / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(Path(__file__).parent / "figures")
