"""Pictures of the quality benchmark, made from its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scoring import mean_and_interval
from toys import toy_set

Row = dict[str, Any]

SHOWN = (
    "NTC relative (the paper)",
    "NTC gap",
    "NTC significance 0.05",
    "NTC relative, condense 5/3",
    "NTC relative, log, condense 5/3",
    "NTC mass, condense 5/3",
    "HDBSCAN",
    "DBSCAN (authors)",
    "Hierarchical (authors)",
    "K-Means (authors)",
)


def ordered(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def draw_all(record: dict[str, Any], folder: Path) -> list[Path]:
    """Draw all pictures and return the files."""
    written = []
    toys = [row for row in record["rows"] if row["kind"] == "toys"]
    if toys:
        defaults = [row for row in toys if row["mode"] == "default" and row["method"] in SHOWN]
        seed = record["first_seed"]
        written.append(_draw_toys(defaults, SHOWN, seed, folder / "quality_toys_default.png"))
        tuned = [row for row in toys if row["mode"] == "tuned"]
        names = ordered(row["method"] for row in tuned)
        written.append(_draw_toys(tuned, names, seed, folder / "quality_toys_tuned.png"))
    for kind in ("graphs", "toys"):
        rows = [row for row in record["rows"] if row["kind"] == kind]
        if rows:
            written.append(_draw_heat(rows, folder / f"quality_{kind}_ari.png"))
    return written


def _draw_toys(rows: list[Row], methods: Any, seed: int, path: Path) -> Path:
    """Draw toy sets by methods, coloured by cluster, noise grey, for the first seed."""
    sets = ordered(row["set"] for row in rows)
    by = {(row["set"], row["method"]): row for row in rows}
    size = (1.75 * len(methods), 1.7 * len(sets) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(sets), len(methods), squeeze=False)
    for i, name in enumerate(sets):
        points = toy_set(name, seed).points
        for j, method in enumerate(methods):
            ax = axes[i, j]
            _scatter(ax, points, by.get((name, method)))
            if i == 0:
                ax.set_title(_wrapped(method), fontsize=8)
            if j == 0:
                ax.set_ylabel(name, fontsize=8)
    figure.savefig(path, dpi=80)
    return path


def _wrapped(name: str) -> str:
    head, _, rest = name.partition(", ")
    return f"{head},\n{rest}" if rest else name.replace(" (", "\n(")


def _scatter(ax: Any, points: np.ndarray, row: Row | None) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_aspect("equal", adjustable="datalim")
    if row is None or "error" in row:
        ax.text(0.5, 0.5, "no result", ha="center", va="center", transform=ax.transAxes)
        return
    labels = np.array(row["labels"])
    noise = labels < 0
    ax.scatter(*points[noise].T, s=3, color="0.75", marker="x", linewidths=0.5)
    colours = matplotlib.colormaps["tab10"](labels[~noise] % 10)
    ax.scatter(*points[~noise].T, s=3, c=colours)
    text = f"ARI {row['ari'][0]:.2f}, {row['clusters'][0]:.0f} clusters"
    ax.text(0.02, 0.01, text, fontsize=6.5, transform=ax.transAxes, va="bottom")


def _draw_heat(rows: list[Row], path: Path) -> Path:
    """Draw the mean adjusted Rand index, methods by sets, default and tuned side by side."""
    sets = [name for name in ordered(row["set"] for row in rows) if not name.startswith("no ")]
    modes = ("default", "tuned")
    methods = {
        mode: ordered(r["method"] for r in rows if r["mode"] == mode and "error" not in r)
        for mode in modes
    }
    height = 0.36 * max(map(len, methods.values())) + 2.2
    figure = Figure(figsize=(0.85 * len(sets) * 2 + 6.5, height), layout="constrained")
    for ax, mode in zip(figure.subplots(1, 2), modes, strict=True):
        values = np.full((len(methods[mode]), len(sets)), np.nan)
        for row in rows:
            if row["mode"] == mode and row["set"] in sets and "error" not in row:
                place = methods[mode].index(row["method"]), sets.index(row["set"])
                values[place] = mean_and_interval(row["ari"])[0]
        ax.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            colour = "white" if value < 0.6 else "black"
            text = f"{value:.2f}".replace("-0.00", "0.00")
            ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
        ax.set_xticks(range(len(sets)), sets, rotation=40, ha="right", fontsize=8)
        ax.set_yticks(range(len(methods[mode])), methods[mode], fontsize=8)
        note = "settings that look at no truth" if mode == "default" else "tuned on the truth"
        ax.set_title(f"mean adjusted Rand index, {note}", fontsize=9)
    figure.savefig(path, dpi=110)
    return path
