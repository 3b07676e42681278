"""Pictures of the page "Is it degenerate?": networks solved by hand, measured by the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from neurotopo import Edit, NeuronSet
from neurotopo.knowledge.gcr import gcr
from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy import Ablation, Lattice, counterfactual_of, fact_scores, path_scores
from neurotopo.studies.inference import effect_of, judged
from neurotopo.testbed.toys import TOYS, Toy, toy

A, B, GREY, DARK = "#1f77b4", "#d95f02", "#b8b8b8", "#444444"
MINUS, RHO = "\u2212", r"$\rho$"
FOILS = ("no", "maybe")
FUNCTIONS = {
    "adder": "(a + b) / 2",
    "or": "min(a + b, 1)",
    "and": f"max(a + b {MINUS} 1, 0)",
    "backup": f"max(1 {MINUS} a, 0)",
    "irrelevant": "1",
}


def scores_of(net: Toy, edits: Sequence[Edit | None]) -> np.ndarray:
    """Return the contrast under each edit."""
    return fact_scores(net.model, net.facts[0], FOILS, edits).of("contrast").round(6) + 0.0


def lattice_of(net: Toy, groups: Sequence[NeuronSet]) -> Lattice:
    """Return the lattice of groups, with values of 0 for ablated neurons."""
    rows = subsets(len(groups))
    edits = [Edit(NeuronSet(p for g in np.flatnonzero(row) for p in groups[g])) for row in rows]
    base, *scores = scores_of(net, [None, *edits])
    return Lattice(rows, np.array(scores), float(base))


def draw_toys(figure: Figure) -> None:
    """Draw the five networks."""
    axes = figure.subplots(2, 3).flat
    for ax, name in zip(axes, TOYS, strict=False):
        _draw_network(ax, name)
    legend = axes[5]
    legend.set_axis_off()
    for y, color, text in (
        (0.86, A, "group A: two neurons"),
        (0.68, B, "group B: two neurons"),
        (0.5, GREY, "other neurons"),
    ):
        legend.scatter([0.06], [y], s=150, color=color, clip_on=False)
        legend.text(0.13, y, text, va="center")
    legend.text(0.02, 0.2, "a, b: what the groups write, 0 to 1.\nThe logit of yes is 4y.")
    legend.set(xlim=(0, 1), ylim=(0, 1))


def _draw_network(ax, name) -> None:
    ax.set(xlim=(-0.5, 6.4), ylim=(-0.4, 4.3))
    ax.set_axis_off()
    ax.set_title(name, weight="bold", loc="left")
    arrow = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "lw": 1.3}

    def connect(start, end, color, **style):
        ax.annotate("", end, start, arrowprops={**arrow, "color": color, **style})

    def box(x, y, text, color=DARK, width=2.3):
        patch = mpl.patches.FancyBboxPatch(
            (x - width / 2, y - 0.32),
            width,
            0.64,
            boxstyle="round,pad=0.06",
            facecolor="white",
            edgecolor=color,
        )
        ax.add_patch(patch)
        ax.text(x, y, text, ha="center", va="center", fontsize=8)

    ax.text(0, 2, "S", ha="center", va="center", weight="bold", fontsize=12)
    ax.text(6.1, 2, "y", ha="center", va="center", weight="bold", fontsize=12)
    if name == "backup":
        ax.scatter([1.3, 1.75], [3.2, 3.2], s=150, color=A)
        ax.text(1.52, 3.75, "A", color=A, ha="center", weight="bold")
        ax.scatter([2.4, 2.85], [0.7, 0.7], s=150, color=B)
        ax.text(2.62, 0.0, "B", color=B, ha="center", weight="bold")
        box(4.4, 0.7, FUNCTIONS[name], B)
        connect((0.25, 2.25), (1.1, 3.0), DARK)
        connect((0.25, 1.8), (2.2, 0.85), DARK)
        connect((2.0, 3.15), (5.85, 2.25), A)
        ax.text(4.1, 3.05, "a", color=A)
        connect((1.65, 2.85), (2.52, 1.25), A, arrowstyle="-[, widthB=0.4, lengthB=0", lw=1.3)
        ax.text(2.35, 1.85, "switches B off", color=A, fontsize=8.5)
        connect((5.62, 0.98), (6.0, 1.7), B)
        return
    for y, color, letter in ((3.2, A, "A"), (0.8, B, "B")):
        ax.scatter([1.3, 1.75], [y, y], s=150, color=color)
        above = 0.5 if letter == "A" else -0.75
        ax.text(1.52, y + above, letter, color=color, ha="center", weight="bold")
        connect((0.25, 2 + np.sign(y - 2) * 0.2), (1.08, y - np.sign(y - 2) * 0.2), DARK)
        if name == "irrelevant":
            connect((2.0, y), (2.9, y), color)
            ax.text(3.05, y, letter.lower() + ", which nothing reads", color=color, va="center")
        else:
            inner = y - np.sign(y - 2) * 0.85
            connect((2.0, y - np.sign(y - 2) * 0.1), (2.75, inner), color)
            ax.text(2.5, y - np.sign(y - 2) * 0.2, letter.lower(), color=color, va="center")
    if name == "irrelevant":
        ax.scatter([2.6, 3.05], [2, 2], s=150, color=GREY)
        connect((0.3, 2), (2.35, 2), DARK)
        connect((3.3, 2), (5.85, 2), DARK)
    else:
        box(3.9, 2, FUNCTIONS[name])
        connect((5.15, 2), (5.85, 2), DARK)


def draw_lattices(figure: Figure) -> None:
    """Draw the score with each subset ablated, and what follows from the scores."""
    axes = figure.subplots(2, 5, height_ratios=[1.15, 1])
    shades = mpl.colors.LinearSegmentedColormap.from_list("score", ["#ffffff", "#9cc3e4"])
    places = {"nothing": (0, 2), "A": (-1, 1), "B": (1, 1), "A and B": (0, 0)}
    for (top, bottom), name in zip(axes.T, TOYS, strict=True):
        net = toy(name)
        ours = lattice_of(net, net.groups)
        values = dict(zip(places, [ours.base, *ours.scores], strict=True))
        top.set(xlim=(-1.8, 1.8), ylim=(-0.8, 2.8))
        top.set_axis_off()
        top.set_title(name, weight="bold")
        for start, end in (("nothing", "A"), ("nothing", "B"), ("A", "A and B"), ("B", "A and B")):
            top.plot(*zip(places[start], places[end], strict=True), color=GREY, zorder=1)
        for label, (x, y) in places.items():
            color = [shades(values[label] / 4)]
            top.scatter([x], [y], s=520, c=color, edgecolors=DARK, linewidths=0.8, zorder=2)
            top.text(x, y, f"{values[label]:g}", ha="center", va="center", zorder=3)
            dx, dy = {"nothing": (0, 0.52), "A and B": (0, -0.52)}.get(label, (x * 0.5, 0))
            top.text(x + dx, y + dy, label, ha="center", va="center", fontsize=8.5)
        bars = {
            "necessity": (ours.necessity, DARK),
            "effect of A": (ours.effects[0], A),
            "effect of B": (ours.effects[1], B),
            "redundancy": (ours.redundancy, "#2a9d5c"),
            "Shapley A": (ours.shapley[0], A),
            "Shapley B": (ours.shapley[1], B),
        }
        _bars(bottom, bars, (-5.6, 5.6))
        rho = " undefined" if np.isnan(ours.rho) else f" = {ours.rho:g}".replace("-", MINUS)
        bottom.set_xlabel(RHO + rho)
        if name != "adder":
            bottom.set_yticklabels([])


def _bars(ax, bars, limits, decimals="g") -> None:
    names = list(bars)
    for row, (value, color) in enumerate(bars.values()):
        if np.isnan(value):
            ax.text(0.06, row, "undefined", va="center", fontsize=8.5, color="0.4")
            continue
        ax.barh(row, value, color=color, height=0.62)
        text = f"{value:{decimals}}".replace("-", MINUS)
        shift = 0.02 * (limits[1] - limits[0])
        side = ("left", shift) if value >= 0 else ("right", -shift)
        ax.text(value + side[1], row, text, ha=side[0], va="center", fontsize=8.5)
    ax.set_yticks(range(len(names)), names)
    ax.axvline(0, color=DARK, linewidth=0.8)
    ax.set(xlim=limits, ylim=(len(names) - 0.5, -0.5))
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "bottom", "left"]].set_visible(False)


def alone_of(net: Toy) -> np.ndarray:
    """Return the share of the score that each group recovers on the counterfactual prompt."""
    fact = net.facts[0]
    other = counterfactual_of(net.model, fact, net.facts)
    assert other is not None
    clean = Ablation("clean", net.model.activations(fact, "answer"))
    edits = [None, *map(clean.edit, net.groups)]
    scores = fact_scores(net.model, other, FOILS, edits).of("contrast")
    return (scores[1:] - scores[0]) / (scores_of(net, [None])[0] - scores[0]) + 0.0


def draw_sufficiency(figure: Figure) -> None:
    """Draw what a group keeps within the others, and what it recovers alone."""
    for ax, name in zip(figure.subplots(1, 5), TOYS, strict=True):
        net = toy(name)
        within, alone = lattice_of(net, net.groups).sufficiency, alone_of(net).round(6)
        bars = {
            "A within": (within[0], A),
            "B within": (within[1], B),
            "A alone": (alone[0], A),
            "B alone": (alone[1], B),
        }
        _bars(ax, bars, (0, 1.35))
        ax.set_title(name, weight="bold")
        if name != "adder":
            ax.set_yticklabels([])


def draw_repair(figure: Figure) -> None:
    """Draw total and direct effects, and a norm that repairs."""
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.6])
    for ax, name in zip(axes, ("adder", "or", "backup"), strict=False):
        net = toy(name)
        edits = [None, *(Edit(group, positions="last") for group in net.groups)]
        paths = path_scores(net.model, net.facts[0], FOILS, edits)
        total, direct = (
            (each[0] - each[1:]).round(4) + 0.0
            for each in (paths.total.of("contrast"), paths.direct.of("contrast"))
        )
        bars = {
            "A total": (total[0], A),
            "A direct": (direct[0], A),
            "B total": (total[1], B),
            "B direct": (direct[1], B),
        }
        _bars(ax, bars, (0, 5.2))
        ax.set_title(name, weight="bold")
        if name != "adder":
            ax.set_yticklabels([])
    stream = np.array([3.0, 4.0])
    scale = np.sqrt((stream**2).mean())
    cut = np.array([3.0, 0.0])
    bars = {
        "nothing ablated": (stream[0] / scale, DARK),
        "ablated": (cut[0] / np.sqrt((cut**2).mean()), B),
        "ablated, scale frozen": (cut[0] / scale, "#2a9d5c"),
    }
    _bars(axes[3], bars, (0, 1.8), ".2f")
    axes[3].set_title("a norm", weight="bold")


OWN = ([(0, 0), (0, 2), (1, 1)], [(1, 3), (2, 0), (2, 2)])
NULL_PICTURES = {
    "the groups": OWN,
    "shuffled": ([(0, 0), (1, 3), (2, 2)], [(0, 2), (1, 1), (2, 0)]),
    "matched": ([(0, 1), (0, 3), (1, 0)], [(1, 2), (2, 1), (2, 4)]),
    "other-fact": ([(0, 0), (1, 4), (2, 3)], [(0, 4), (1, 0)]),
    "wired-at-random": ([(0, 0), (1, 3), (1, 1), (2, 2)], [(0, 2), (2, 0)]),
    "by-rank": ([(2, 2), (1, 1), (2, 0)], [(0, 0), (1, 3), (0, 2)]),
    "repulsion": ([(0, 3), (1, 0), (2, 4)], [(0, 1), (1, 2)]),
}


def draw_nulls(figure: Figure) -> None:
    """Draw two groups in a model of three layers, and what each null makes of them."""
    own = {pair for group in OWN for pair in group}
    axes = figure.subplots(2, 4).ravel()
    for ax, (name, groups) in zip(axes, NULL_PICTURES.items(), strict=False):
        color = {pair: c for group, c in zip(groups, (A, B), strict=True) for pair in group}
        for layer, index in np.ndindex(3, 5):
            pair = (layer, index)
            edge = DARK if pair in own else "none"
            fill = color.get(pair, "#e6e6e6")
            ax.scatter([index], [layer], s=95, color=fill, edgecolors=edge, linewidths=1.3)
        ax.set(xlim=(-0.6, 4.6), ylim=(-0.6, 2.6), aspect="equal", xticks=[], yticks=[])
        ax.set_title(name, fontsize=10, weight="bold" if name == "the groups" else "normal")
        ax.spines[:].set_color("#dddddd")
    axes[0].set_ylabel("layer")
    axes[4].set_ylabel("layer")
    legend = axes[7]
    legend.set(xlim=(-0.6, 4.6), ylim=(-0.6, 2.6), aspect="equal")
    legend.set_axis_off()
    for y, fill, edge, text in (
        (2, A, "none", "first group"),
        (1.2, B, "none", "second group"),
        (0.4, "#e6e6e6", DARK, "neuron of the groups"),
    ):
        legend.scatter([0], [y], s=95, color=fill, edgecolors=edge, linewidths=1.3)
        legend.text(0.45, y, text, va="center", fontsize=9)


def examples() -> dict[str, np.ndarray]:
    """Return four samples of a difference to a null, 60 facts each."""
    noise = np.random.default_rng(3).normal(size=(4, 60))
    noise -= noise.mean(axis=1, keepdims=True)
    centre = np.array([0.32, -0.01, 0.05, 0.18])
    spread = np.array([0.35, 0.12, 0.07, 0.8])
    names = ("above the margin", "near zero", "real, below the margin", "too noisy to say")
    return dict(zip(names, centre[:, None] + spread[:, None] * noise, strict=True))


def draw_verdicts(figure: Figure) -> None:
    """Draw effects with intervals, the margin, and the verdicts."""
    relations = [f"P{i % 6}" for i in range(60)]
    effects = judged({name: effect_of(x, relations) for name, x in examples().items()})
    ax = figure.subplots()
    ax.axvspan(-0.1, 0.1, color="#eef3f8")
    ax.plot([0, 0], [-0.5, 3.6], color=DARK, linewidth=0.8)
    colors = {"yes": "#2a9d5c", "no": B, "undecided": "#777777"}
    for row, effect in enumerate(effects.values()):
        color = colors[effect.verdict]
        ax.plot([effect.low, effect.high], [row, row], color=color, linewidth=2)
        ax.scatter([effect.mean], [row], color=color, zorder=3)
        ax.text(0.62, row, effect.verdict, color=color, va="center", weight="bold")
        ax.text(0.86, row, f"{effect.least:.2f}", va="center")
    ax.set_yticks(range(len(effects)), effects)
    ax.text(0.62, -0.85, "verdict", va="center", color="0.3")
    ax.text(0.86, -0.85, "least effect shown", va="center", color="0.3")
    ax.text(0, -0.85, "margin ±0.1", ha="center", va="center", color="0.3")
    ax.set(xlim=(-0.3, 1.2), ylim=(3.6, -1.3), xlabel="rho minus rho of the null")
    ax.set_xticks([-0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.5])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_bounds(-0.3, 0.55)
    ax.xaxis.set_label_coords(0.27, -0.2)


def draw_gcr(figure: Figure) -> None:
    """Draw suppression curves of four groups, with GCR and rho."""
    axes = figure.subplots(1, 4, sharey=True)
    for ax, name in zip(axes, ("adder", "or", "and", "backup"), strict=True):
        net = toy(name)
        groups = [NeuronSet([pair]) for group in net.groups for pair in group]
        ours = lattice_of(net, groups)
        falls, sizes = ours.base - ours.scores, ours.subsets.sum(axis=1)
        mean = [0.0, *(float(falls[sizes == size].mean()) for size in range(1, 5))]
        ax.plot([0, 4], [0, 4], color=GREY, linestyle="--", linewidth=1)
        ax.plot(range(5), mean, marker="o", color=A)
        ax.set(xlabel="neurons suppressed", xticks=range(5), ylim=(-0.3, 4.4))
        rho = f"{ours.rho:+.0f}".replace("-", MINUS).replace("+0", "0")
        ax.set_title(f"{name}\nGCR {gcr(mean[1:]):.2f}, {RHO} = {rho}")
    axes[0].set_ylabel("fall of the score")


FIGURES: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "degenerate_toys": (draw_toys, (10.5, 4.8)),
    "degenerate_lattices": (draw_lattices, (11, 4.8)),
    "degenerate_sufficiency": (draw_sufficiency, (11, 1.9)),
    "degenerate_repair": (draw_repair, (11, 1.9)),
    "degenerate_nulls": (draw_nulls, (8.5, 3)),
    "degenerate_verdicts": (draw_verdicts, (8.5, 2.7)),
    "degenerate_gcr": (draw_gcr, (10.5, 2.8)),
}
