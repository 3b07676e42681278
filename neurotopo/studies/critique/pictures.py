"""The pictures of the critique study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotopo.plots._series import legend_below, look
from neurotopo.plots.effects import EffectsDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.critique.rows import EDIT_ARMS, Collected

__all__ = ["pictures_of"]

_SHOWN = {
    "own": "knowledge neurons",
    "own_random_layers": "random, as many",
    "dkn": "D",
    "kn": "N",
    "random_layers": "random, as many as D",
}
_SETS = {
    "own": "all",
    "own_random": "random",
    "own_random_layers": "random in the same layers",
    "dkn": "D",
    "kn": "N",
    "random": "random",
    "random_layers": "random in the same layers",
}
_MEASURES = {
    "efficacy": "new answer\nlikelier",
    "in other words": "in other\nwords",
    "symmetry": "in reverse",
    "locality": "other facts\nkept",
}


def pictures_of(found: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {}
    if len(found.effects):
        pictures["shift"] = _shift(tables["categorical"].frame)
        pictures["tests"] = _tests(tables["tests"].frame)
    if found.ranks["share"].notna().any():
        pictures["r1"] = _ranks(found)
    if len(found.edits):
        pictures["edits"] = _edits(tables["edits"].frame)
    return pictures


def _shift(frame: Any) -> Picture:
    ax = free_axes(6.8, 5.2)
    shown = frame[(frame["mode"] == "suppress") & frame["set"].isin(_SHOWN)]
    handles, names = [], []
    for k, (arm, label) in enumerate(_SHOWN.items()):
        style = look(k)
        for row in shown[shown["set"] == arm].to_dict("records"):
            handle = ax.plot(
                [100 * row["dProb"]],
                [100 * row["flips"]],
                linestyle="none",
                markersize=9,
                marker=style["marker"],
                markeredgewidth=1.8,
                markeredgecolor=style["color"],
                markerfacecolor="none" if row["kind"] == "grammar" else style["color"],
            )[0]
            if np.isfinite([row["dProb"], row["flips"]]).all():
                handles.append(handle)
                names.append(f"{row['kind']}: {label}")
    reach = np.array([[*ax.get_xlim()], [*ax.get_ylim()]])
    low, high = min(reach[:, 0].min(), 0.0), max(reach[:, 1].max(), 1.0)
    line = ax.plot([low, high], [low, high], color="0.75", linewidth=1, zorder=0)[0]
    ax.set(
        xlabel="mean fall of the probability of what fits (%)",
        ylabel="preferences turned (%)",
        xlim=(low, high),
        ylim=(low, high),
    )
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, [*handles, line], [*names, "as many as the fall"])
    return Picture(
        ax.figure,
        "Shift against change: suppressed neurons of grammar (open) and of facts (filled)",
        "Far below the line probabilities move much and answers little, the point of the "
        "critique. The numbers are in the table categorical.",
    )


def _tests(frame: Any) -> Picture:
    shown = frame[(frame["mode"] == "suppress") & (frame["against"] != "before")]
    ax = free_axes(8.6, 1.4 + 0.34 * len(shown))
    names = [
        f"{kind}: {_SETS[a]} - {_SETS[b]}"
        for kind, a, b in shown[["kind", "set", "against"]].to_numpy()
    ]
    EffectsDisplay.from_arrays(
        names,
        shown["difference"],
        shown["low"],
        shown["high"],
        n=shown["n"],
        p=shown["p"],
        label="fall of the log-odds minus that of the other set",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Suppressed neurons against sets of the same size",
        "Mean differences, paired by pair, with 95 % intervals; n and Holm-corrected p as in the "
        "table tests. Against random neurons a difference is expected of neurons chosen by what is "
        "measured; D against N (kn) is between sets chosen alike.",
    )


def _ranks(found: Collected) -> Picture:
    ranks = found.ranks[found.ranks["share"].notna()]
    groups = list(dict.fromkeys(zip(ranks["kind"], ranks["group"], strict=True)))
    groups = [pair for kind in ("grammar", "facts") for pair in groups if pair[0] == kind]
    place = {pair: k for k, pair in enumerate(groups)}
    ax = free_axes(7.2, 1.8 + 0.24 * len(groups))
    handles, names = [], []
    for k, (what, column) in enumerate(
        (what, column) for what in ("attributions", "effects") for column in ("share", "shuffled")
    ):
        own = ranks[ranks["what"] == what]
        style = look(k // 2)
        heights = [place[pair] for pair in zip(own["kind"], own["group"], strict=True)]
        handles.append(
            ax.plot(
                own[column],
                np.array(heights, dtype=np.float64) + (k // 2 - 0.5) * 0.3,
                linestyle="none",
                marker=style["marker"],
                markersize=6,
                color=style["color"],
                markerfacecolor="none" if column == "shuffled" else style["color"],
            )[0]
        )
        names.append(what if column == "share" else f"{what}, shuffled")
    ax.set_yticks(range(len(groups)), [f"{kind}: {name}" for kind, name in groups], fontsize=8)
    ax.set(xlabel="rank-1 share R1", xlim=(-0.02, 1.02), ylim=(len(groups) - 0.4, -0.6))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, handles, names)
    return Picture(
        ax.figure,
        "R1: how alike the pairs of a paradigm or relation are",
        "Filled: of the attributions of the pairs, and of the effects of single neurons on them; "
        "open: with the entries of each row shuffled, what such values have in common when they "
        "share no neuron. Means are in the table r1.",
    )


def _edits(frame: Any) -> Picture:
    ax = free_axes(7.2, 4.2)
    thick = 0.8 / len(EDIT_ARMS)
    handles, names = [], []
    for k, row in enumerate(frame.to_dict("records")):
        values = np.array([100 * row[name] for name in _MEASURES], dtype=np.float64)
        at = np.arange(len(values)) + (k - (len(EDIT_ARMS) - 1) / 2) * thick
        there = np.isfinite(values)
        handles.append(
            ax.bar(
                at[there],
                values[there],
                width=thick,
                color=look(k)["color"],
                edgecolor="white",
                hatch=("", "///", "...", "xxx")[k],
            )
        )
        names.append(EDIT_ARMS[row["set"]])
        for x, value in zip(at[there], values[there], strict=True):
            ax.annotate(
                f"{value:.0f}",
                (x, value),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    for place, name in enumerate(_MEASURES):
        if not frame[name].notna().any():
            ax.annotate("no value", (place, 3), ha="center", color="0.4", fontsize=8)
    ax.set_xticks(range(len(_MEASURES)), list(_MEASURES.values()))
    ax.set(ylabel="share (%)", ylim=(0, 112))
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, handles, names)
    return Picture(
        ax.figure,
        "Edits: what follows from a new answer, by the neurons that were trained",
        "Means over edits. That the new answer is likelier is what is trained; the other three "
        "are what an edit of knowledge would bring with it. In reverse: only facts whose reverse "
        "was known before. The numbers are in the table edits.",
    )
