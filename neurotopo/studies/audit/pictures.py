"""Pictures of an audit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.plots.matrix import MatrixDisplay
from neurotopo.plots.panels import PanelsDisplay
from neurotopo.plots.scatter import ScatterDisplay
from neurotopo.plots.subsets import SubsetsDisplay, letter_of
from neurotopo.plots.verdicts import VerdictDisplay
from neurotopo.redundancy.ablation import ABLATIONS
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.audit.frames import AuditFrames
from neurotopo.studies.audit.nulls import NULLS
from neurotopo.studies.audit.verdicts import (
    QUESTIONS,
    against_nulls,
    beside_shuffled,
    null_differences,
    verdicts,
)
from neurotopo.studies.inference import effect_of
from neurotopo.studies.study import MakePicture

__all__ = ["N_FACTS", "PICTURES", "drawn_facts", "fact_pictures"]

N_FACTS = 6
"""Number of facts that are drawn."""

_MOST_GROUPS = 5  # of which all subsets are drawn

_SHORT = {
    "necessary": "needed more than matched neurons",
    "redundancy": "replace each other (rho less that of shuffled groups)",
    "adding": "carry more together (rho)",
    "within": "each suffices where the others are ablated",
    "alone": "each suffices alone in another prompt",
    "worded": "replace each other in other wordings",
    "overlap": "same neurons in other wordings",
    "specific": "act on this fact more than on others",
    "uses": "serve different other facts",
    "repair": "later layers repair the damage",
    "frozen": "carry more together, last norm frozen",
}
_BAND = (
    "Means over facts with 95 % intervals. Band: effects that are too small to count, by the "
    "margin named beforehand. Arrows: beyond the axis."
)


def _forest(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    effects = verdicts(frames)
    if not any(effect.n for effect in effects.values()):
        return None
    ax = free_axes(9.0, 6.2)
    VerdictDisplay.from_effects(
        {_SHORT[name] + "*" * QUESTIONS[name].needed: effect for name, effect in effects.items()},
        label="effect (1: all of the necessity, the score or the neurons)",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Verdicts: what the groups do",
        f"{_BAND} *: groups that each carry their fact need the verdict yes. The questions in full "
        "and the numbers are in the table verdicts.",
    )


def _nulls(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    effects = {name: each for (what, name), each in against_nulls(frames).items() if what == "rho"}
    if not any(effect.n for effect in effects.values()):
        return None
    values = null_differences(frames)
    ax = free_axes(9.0, 4.4)
    VerdictDisplay.from_effects(
        effects,
        points=[values["rho", name].to_numpy(np.float64) for name in effects],
        label="rho of the groups, less the mean of the null's draws",
        ax=ax,
    )
    meanings = " ".join(f"{name}: {label}." for name, (label, _) in NULLS.items())
    return Picture(
        ax.figure,
        "Redundancy (rho) against every null",
        f"{_BAND} Grey points: facts, at the edge those beyond the axis. {meanings} The numbers "
        "are in the table nulls.",
    )


def _ablations(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    both = beside_shuffled(frames)
    names = [name for name in ABLATIONS if (both["ablation"] == name).any()]
    panels: dict[str, dict[str, Any]] = {}
    n_facts = 0
    for quantity, title in (("rho", "redundancy (rho)"), ("sufficiency", "sufficiency within")):
        panels[title] = {}
        for ending, series in (("", "groups"), ("_shuffled", "shuffled groups")):
            means = []
            for name in names:
                rows = both[both["ablation"] == name]
                paired = rows[rows[[quantity, f"{quantity}_shuffled"]].notna().all(axis=1)]
                n_facts = max(n_facts, len(paired))
                effect = effect_of(paired[quantity + ending], paired["relation"].tolist())
                means.append((effect.mean, effect.low, effect.high))
            panels[title][series] = tuple(np.array(means, dtype=np.float64).reshape(-1, 3).T)
    if not n_facts:
        return None
    ax = free_axes(8.6, 4.2)
    PanelsDisplay.from_arrays(panels, names, ylabel="share of the necessity", ax=ax)
    return Picture(
        ax.figure,
        "Redundancy and sufficiency by the way of ablating",
        "Means with 95 % intervals over the facts that have both numbers. zero: the values are 0. "
        "mean: the neuron's mean over other facts of the relation. counterfactual: its value for "
        "another subject. Paired differences are in the table ablations.",
    )


def drawn_facts(frames: AuditFrames) -> list[str]:
    """Return the facts that are drawn, from the lowest rho to the highest, evenly by rank."""
    facts = frames.judged
    has_scores = [
        name in frames.lattices
        and np.isfinite([frames.lattices[name].base, *frames.lattices[name].scores]).all()
        for name in facts["fact"]
    ]
    facts = facts[np.array(has_scores, dtype=bool)]
    if not len(facts):
        return []
    if facts["rho"].notna().any():
        facts = facts[facts["rho"].notna()]
    names = facts.sort_values(["rho", "necessity"], kind="stable")["fact"].tolist()
    ranks = np.linspace(0, len(names) - 1, min(N_FACTS, len(names)))
    return [names[rank] for rank in np.rint(ranks).astype(int)]


def _shapley(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    names = drawn_facts(frames)
    if not names:
        return None
    groups = {name: rows for name, rows in frames.groups.groupby("fact") if name in names}
    most = max(len(rows) for rows in groups.values())
    panels = {
        name: {
            label: (_padded(groups[name][column], most), *[np.full(most, np.nan)] * 2)
            for label, column in (("Shapley value", "shapley"), ("effect alone", "effect"))
        }
        for name in names
    }
    x: Sequence[Any] = [letter_of(i) for i in range(most)]
    if most > 12:
        x = range(1, most + 1)
    columns = min(len(names), 3)
    ax = free_axes(max(3.4 * columns, 6.0), 1.4 + 2.6 * -(-len(names) // columns))
    PanelsDisplay.from_arrays(
        panels, x, xlabel="group", ylabel=f"fall of the {frames.score}", columns=columns, ax=ax
    )
    return Picture(
        ax.figure,
        "Shapley values of the groups beside their effects alone",
        f"{_chosen(names)} The Shapley values of a fact sum to its necessity, the fall with all "
        "groups ablated. A Shapley value above the effect alone belongs to a group that others "
        "replace.",
    )


def _padded(values: pd.Series, n: int) -> Any:
    return np.append(values.to_numpy(np.float64), np.full(n - len(values), np.nan))


def _chosen(names: Sequence[str]) -> str:
    if len(names) == 1:
        return "The only fact that can be drawn."
    return f"{len(names)} facts, from the lowest rho to the highest, evenly by rank."


def _direct_total(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    groups = frames.groups
    if "direct" not in groups or not groups[["direct", "total"]].notna().all(axis=1).any():
        return None
    ax = free_axes(5.6, 5.6)
    ScatterDisplay.from_arrays(
        groups["direct"],
        groups["total"],
        xlabel=f"direct effect (fall of the {frames.score})",
        ylabel="total effect",
        below="repaired: total below direct",
        above="not repaired",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Direct against total effect of each group",
        "A point per group and fact, for the first token of the answer. direct: later layers and "
        "the last norm stay as without ablation. Below the diagonal they repair damage.",
    )


def _wordings(frames: AuditFrames, tables: Mapping[str, Table]) -> Picture | None:
    if "wordings" not in tables:
        return None
    table = tables["wordings"].frame
    columns = ["rho", "shuffled", "sufficiency", "overlap", "chance"]
    rows = [
        f"{wording} (n = {facts})"
        for wording, facts in zip(table["wording"], table["facts"], strict=True)
    ]
    ax = free_axes(8.0, 1.3 + 0.6 * len(rows))
    MatrixDisplay.from_values(
        table[columns].to_numpy(np.float64),
        rows,
        ["rho of shuffled" if name == "shuffled" else name for name in columns],
        limit=1.0,
        label="mean over facts",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "The groups of wording A measured on other wordings",
        "Means over facts. Redundancy (rho) and sufficiency are those of the same groups on each "
        "wording; overlap is the share of common knowledge neurons, chance the share for neurons "
        "drawn at random in each layer. From the table wordings.",
    )


def fact_pictures(frames: AuditFrames) -> dict[str, Picture]:
    """Return a picture of each fact of :func:`drawn_facts`, with names that files can have."""
    names = drawn_facts(frames)
    return {
        f"fact{k}_{re.sub('[^A-Za-z0-9_.-]+', '-', name)[:60]}": _fact(frames, name)
        for k, name in enumerate(names, 1)
    }


def _fact(frames: AuditFrames, name: str) -> Picture:
    lattice = frames.lattices[name]
    has_all = lattice.n <= _MOST_GROUPS and len(lattice.scores) == 2**lattice.n - 1
    ratios = ([0.75 + 0.18 * lattice.n] if has_all else []) + [1.0, 1.15]
    figure = free_axes(4.2 * sum(ratios), 4.4).figure
    figure.clear()
    *subsets, matrix, curve = figure.add_gridspec(1, len(ratios), width_ratios=ratios)
    if has_all:
        ax = figure.add_subplot(subsets[0])
        SubsetsDisplay.from_lattice(lattice, label=frames.score, ax=ax)
        ax.set_title("score by the groups ablated", fontsize="medium")
    groups = [letter_of(i) for i in range(lattice.n)]
    ax = figure.add_subplot(matrix)
    pairs = lattice.interactions
    # weak interactions have weak colours, whatever the strongest one
    limit = float(np.nanmax(np.abs([*pairs.ravel(), 0.5 * lattice.necessity, 1e-9])))
    MatrixDisplay.from_values(
        pairs, groups, groups, limit=limit, label=f"fall of the {frames.score}", ax=ax
    )
    ax.set_title("effect of a pair less the single effects", fontsize="medium")
    ax = figure.add_subplot(curve)
    PanelsDisplay.from_arrays(
        {"mean score, range over draws": _curves(frames.null_curves[name], lattice)},
        np.arange(lattice.n + 1),
        xlabel="groups ablated",
        ylabel=frames.score,
        reference=None,
        bands=True,
        ax=ax,
    )
    rho = float(frames.facts.set_index("fact")["rho"][name])
    said = "undefined" if np.isnan(rho) else f"{rho:.2f}"
    return Picture(
        figure,
        f"The fact {name}: rho {said}, necessity {lattice.necessity:.2f}",
        "Groups are A, B, ... in their order. "
        + (
            "Left: every subset of groups ablated, from none (top) to all (bottom). "
            if has_all
            else f"All subsets are drawn for up to {_MOST_GROUPS} groups. "
        )
        + "Pairs above 0 replace each other, below 0 they need each other; the strongest colours "
        "are those of half of the necessity or more. Curves: the mean score "
        "over subsets of a size; nulls were measured with 1, all but 1 and all groups ablated, and "
        "are drawn where they have as many groups.",
    )


def _curves(scores: pd.DataFrame, lattice: Any) -> dict[str, Any]:
    """Return the mean scores by number of groups, for each null with the range of its draws."""
    curves = {}
    names = ["own", *(name for name in NULLS if (scores["null"] == name).any())]
    for name in names:
        own = scores[scores["null"] == name]
        alike = own.groupby("draw")["size"].transform("max") == lattice.n
        means = own[alike].groupby(["draw", "size"])["score"].mean().unstack()
        if not len(means):
            continue
        means = means.reindex(columns=range(lattice.n + 1))
        means[0] = lattice.base
        ends = (means.min(), means.max()) if len(means) > 1 else [means.mean() * np.nan] * 2
        label = "groups" if name == "own" else name
        curves[label] = tuple(each.to_numpy(np.float64) for each in (means.mean(), *ends))
    return curves


PICTURES: dict[str, MakePicture] = {
    "forest": _forest,
    "nulls": _nulls,
    "ablations": _ablations,
    "shapley": _shapley,
    "direct_total": _direct_total,
    "wordings": _wordings,
}
"""The pictures of all facts together; see :func:`fact_pictures` for those of single facts."""
