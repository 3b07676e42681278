"""The pictures of the learning study: curves, new facts against old ones, and Figure 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.plots._series import legend_below, look
from neurotopo.plots.learning_curves import LearningCurvesDisplay
from neurotopo.report.summary import Picture, free_axes
from neurotopo.studies.learning.rows import SETS, Collected, label, overlap_tests
from neurotopo.studies.learning.tables import BEFORE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pictures_of"]

_PANELS = {"new": "new facts", "old": "old facts", "au": "new facts, paraphrased"}
_MAPS = {"changed": "changed (ΔN)", "dkn": "D", "kn": "N", "random": "Rnd"}


def pictures_of(found: Collected) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {}
    if len(found.curves):
        pictures["curves"] = _curves(found)
    if len(found.facts):
        pictures["trade_off"] = _trade_off(found)
    if any(one.get("maps") for _, one in found.overlap):
        pictures["figure5"] = _maps(found)
    return pictures


def _curves(found: Collected) -> Picture:
    runs: dict[str, list[tuple[Any, Any]]] = {}
    for arm in found.arms:
        own = found.curves[found.curves["arm"] == arm]
        runs[label(arm)] = [
            (one["step"].to_numpy(), one[list(SETS)].to_numpy(dtype=np.float64))
            for _, one in own.groupby("seed")
        ]
    ax = free_axes(10.0, 4.0)
    LearningCurvesDisplay.from_runs(runs, [_PANELS[name] for name in SETS], ax=ax)
    return Picture(
        ax.figure,
        "Learning curves: exact match against steps",
        "Means over seeds; bands reach from the least to the greatest seed. The rule that stops "
        "the training is the same for all arms; after its end a seed counts as it was then, and "
        "the short line across is where the last seed ended. From the curves in the stage result "
        "of results.sqlite.",
    )


def _trade_off(found: Collected) -> Picture:
    after = found.shares("exact_after")
    before = found.shares("exact_before").groupby(level="seed").mean().mean()
    ax = free_axes(6.4, 5.4)
    handles, names = [], []
    for k, arm in enumerate(found.arms):  # the looks of the learning curves
        handles.append(_point(ax, after.loc[arm], k))
        names.append(label(arm))
    handles.append(
        ax.scatter(
            [before["new"]], [before["old"]], s=110, facecolors="none", edgecolors="0.3", zorder=2
        )
    )
    ax.set(
        xlabel="new facts (%)",
        ylabel="old facts (%)",
        xlim=(-4, 104),
        ylim=(-4, 104),
        aspect="equal",
    )
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, handles, [*names, BEFORE])
    return Picture(
        ax.figure,
        "What is learned against what is kept",
        "Exact match after training. Large points are means over seeds, small ones the seeds; bars "
        "reach from the least to the greatest seed. To the right more is learned, further up more "
        "is kept. The numbers are in the table table2.",
    )


def _point(ax: Any, seeds: pd.DataFrame, k: int) -> Any:
    """Draw the mean of an arm and its seeds."""
    style = look(k)
    x, y = (seeds[name].to_numpy(dtype=np.float64) for name in ("new", "old"))
    bars = {
        f"{axis}err": [[each.mean() - each.min()], [each.max() - each.mean()]]
        for axis, each in (("x", x), ("y", y))
    }
    if len(x) > 1:
        ax.scatter(x, y, s=10, color=style["color"], alpha=0.5, linewidths=0, zorder=3)
    bars_and_point = ax.errorbar(
        [x.mean()],
        [y.mean()],
        **bars,
        color=style["color"],
        marker=style["marker"],
        linestyle="none",
        markersize=8,
        markeredgecolor="white",
        elinewidth=1.2,
        zorder=4,
    )
    return bars_and_point.lines[0]


def _maps(found: Collected) -> Picture:
    # it needs the part of the package that reads models, and few pictures do
    from neurotopo.plots.changes import NeuronMapsDisplay

    seed, one = next((seed, one) for seed, one in found.overlap if one.get("maps"))
    own = overlap_tests(found)
    by_set = own[own["seed"] == seed].set_index("set")["overlap"]
    maps = {_MAPS[name]: one["maps"][name] for name in _MAPS if name in one["maps"]}
    overlaps = {_MAPS[name]: float(value) for name, value in by_set.items() if name in one["maps"]}
    ax = free_axes(10.4, float(np.clip(2.2 + 0.12 * len(next(iter(maps.values()))), 2.6, 6.0)))
    NeuronMapsDisplay.from_maps(maps, overlaps, ax=ax)
    return Picture(
        ax.figure,
        "Figure 5. What full fine-tuning changes, and where the sets of neurons lie",
        f"Numbers of neurons by layer and bin, of seed {seed}. Changed: by more than "
        f"{one['multiplier']:g} of the largest change. O is the share of a set that changed. Each "
        "panel has its own colours: the sets differ in size. Look at the table overlap beside it "
        "for what chance comes to.",
    )
