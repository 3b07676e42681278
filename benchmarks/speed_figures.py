"""Plots of the speed benchmark, made from its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed_methods import METHODS
from speed_report import Row, exponent, groups, in_threads, most_threads

SIZE_LABEL = {"sparse": "edges", "forest": "vertices"}


def draw(record: dict[str, Any], folder: Path) -> list[Path]:
    """Draw time and memory against size, one picture per kind of input; return the files.

    The legend has the fitted exponent of the time.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    written = []
    names = [name for name in METHODS if not name.startswith("neurotopo")]
    colours = {name: matplotlib.colormaps["tab20"](i % 20) for i, name in enumerate(names)}
    for (name, title), rows in groups(record).items():
        most = [row for row in most_threads(rows) if row["status"] == "ok"]
        if not most:
            continue
        figure = Figure(figsize=(12.0, 4.6), layout="constrained")
        time, memory = figure.subplots(1, 2)
        _draw_lines(time, most, colours, lambda row: min(row["seconds"]))
        _draw_lines(memory, most, colours, lambda row: max(row["extra_mb"], 0.1))
        time.axhline(record["time_limit"], color="0.6", linestyle=":")
        time.set_ylabel("seconds (dotted: time limit)")
        memory.set_ylabel("extra peak memory, MB")
        for ax in (time, memory):
            ax.set_xlabel(SIZE_LABEL.get(most[0]["family"], "samples"))
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.grid(which="major", alpha=0.3)
        threads = max(most, key=lambda row: row["threads"])
        figure.suptitle(f"{title}: {in_threads(threads)}")
        lines = [line for line in time.get_lines() if not line.get_label().startswith("_")]
        figure.legend(handles=lines, loc="outside right center", fontsize=9)
        written.append(folder / f"speed_{name}.png")
        figure.savefig(written[-1], dpi=110)
    return written


def _draw_lines(
    ax: Any, rows: list[Row], colours: dict[str, Any], value: Callable[[Row], float]
) -> None:
    for method in METHODS:
        done = [row for row in rows if row["method"] == method]
        if not done:
            continue
        own, slope = method not in colours, exponent(done)
        ax.plot(
            [row["size"] for row in done],
            [value(row) for row in done],
            marker="o",
            markersize=7 if own else 4,
            linewidth=3 if own else 1.3,
            linestyle="--" if own and "mass" in method else "-",
            color="black" if own else colours[method],
            zorder=3 if own else 2,
            label=method if math.isnan(slope) else f"{method}: $n^{{{slope:.2f}}}$",
        )
