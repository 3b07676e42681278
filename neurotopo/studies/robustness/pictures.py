"""Pictures of the robustness study: Figures 6 and 7, doses, subsets and effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotopo.plots.panels import PanelsDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.groupings import control_of
from neurotopo.studies.pictures import effects_picture, suppression_picture
from neurotopo.studies.robustness.frames import ARMS, AVERAGE, KINDS, NONE, WHERE, Collected
from neurotopo.studies.robustness.report import POINTS, by_kind, subsets_kept
from neurotopo.studies.statistics import mean_interval

__all__ = ["pictures_of"]

_SHORT = {
    "dkn": "D: degenerate",
    "kn": "N: other knowledge neurons",
    "kn_random": "knowledge neurons, any",
    "random": "Rnd: random neurons",
    "random_layers": "random, same layers",
    NONE: "no edit",
}
_GROUPINGS = {
    "ntc": "NTC",
    control_of("ntc"): "random for NTC",
    "oracle": "planted groups",
    control_of("oracle"): "random for planted",
}
_NOTE = (
    "Means over facts with 95 % intervals, by kind of faulty prompt; Avg.: over all prompts of a "
    "fact. The numbers are in the table {}."
)


def pictures_of(frames: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
    """Return all pictures of a run; those that would be empty are left out."""
    pictures = {}
    if len(frames.edits):
        suppressed = (
            "Values or weights set to 0, the same model."
            if len(frames.ways("suppress")) > 1
            else "Values set to their means over other facts."
        )
        pictures["figure6a"] = _figure(
            frames,
            {
                "dProb": ("suppress", "values", "dprob"),
                "dProb_ref": ("suppress", "values", "dprob_ref"),
            },
            "loss by a faulty prompt (%)",
            "Figure 6a. What a faulty prompt costs while neurons are suppressed",
            f"{suppressed} dProb: both probabilities under the "
            "edit; dProb_ref: Prob(Q) without it. " + _NOTE.format("figure6a"),
        )
        pictures["figure6b"] = _figure(
            frames,
            {
                f"{title}, {where} doubled": ("enhance", where, measure)
                for measure, title in (("gained", "gained"), ("lost", "lost"))
                for where in WHERE
            },
            "share of faulty prompts (%)",
            "Figure 6b. Faulty prompts answered rightly or wrongly while neurons are enhanced",
            "gained: of those answered wrongly without edit, answered rightly now (the paper's "
            "dAcc); lost: of those answered rightly, answered wrongly now. "
            + _NOTE.format("figure6b"),
        )
        pictures["figure7"] = _figure(
            frames,
            {"dAcc": ("suppress", "values", "lost")},
            "accuracy after - before (points)",
            "Figure 7. Accuracy on faulty prompts while neurons are suppressed",
            "Of the faulty prompts answered rightly without edit. "
            + suppressed
            + " "
            + _NOTE.format("figure7"),
            sign=-1.0,
        )
        paired = tables["table9_paired"].frame
        pictures |= {
            f"effects_{operation}": _effects(paired, operation)
            for operation in ("suppress", "enhance")
            if paired.loc[paired["operation"] == operation, "n"].any()
        }
    if "dose" in tables:
        pictures["dose"] = _dose(frames)
    curves = _curves(frames)
    if curves:
        pictures["subsets"] = suppression_picture(
            curves,
            "Some of the components suppressed: the fall of the probability by their number",
            "After the clean prompt Q and the faulty ones Q*; means over facts with bars of one "
            "standard error, the numbers of facts in the legend. Degeneracy is a line that stays "
            "low and rises at its last point; where random groups do the same there is none. The "
            "numbers are in the table subsets.",
            height=4.6,
        )
    return pictures


def _figure(
    frames: Collected,
    panels: Mapping[str, tuple[str, str, str]],
    label: str,
    title: str,
    note: str,
    sign: float = 1.0,
) -> Picture:
    shown: dict[str, dict[str, Any]] = {}
    kinds = [*KINDS, AVERAGE]
    for name, (operation, where, measure) in panels.items():
        shown[name] = {}
        means = by_kind(frames, operation, where, measure, sign)
        for arm in ARMS:
            if arm == NONE and (operation == "enhance" or measure == "lost"):
                continue  # 0 by definition
            own = means[means["arm"] == arm].set_index("kind").loc[kinds]
            shown[name][_SHORT[arm]] = tuple(own[c].to_numpy() for c in ("mean", "low", "high"))
    ax = free_axes(max(3.4 * len(panels), 6.4), 4.2)
    PanelsDisplay.from_arrays(shown, kinds, ylabel=label, ax=ax)
    return Picture(ax.figure, title, note)


def _effects(paired: Any, operation: str) -> Picture:
    rows = paired[
        (paired["operation"] == operation) & (paired["key"] != "log_odds") & (paired["n"] > 0)
    ]
    names = [
        f"{row['key']}: D minus {row['D against']}"
        + (f", {row['where']}" if operation == "enhance" else "")
        for row in rows.to_dict("records")
    ]
    how = "suppressed" if operation == "suppress" else "enhanced"
    return effects_picture(
        rows,
        names,
        f"Table 9, paired: D against every control, {how}",
        "Mean differences paired by fact with 95 % intervals; p is Holm-corrected. The extra fall "
        "of log-odds, in other units, is in the table table9_paired only.",
        label="D minus the other, in points",
        size=(8.6, 1.4 + 0.27 * len(rows)),
    )


def _dose(frames: Collected) -> Picture:
    columns = {
        "Prob(Q)": "prob_q",
        "Prob(Q*)": "prob_faulty",
        "accuracy on Q": "right_q",
        "accuracy on Q*": "right_faulty",
    }
    doses = frames.doses[frames.doses["arm"] != NONE]
    panels: dict[str, dict[str, Any]] = {}
    scales: list[float] = sorted(set(doses["scale"]))
    for title, column in columns.items():
        panels[title] = {}
        for arm in ARMS:
            own = doses[doses["arm"] == arm].pivot(index="fact", columns="scale", values=column)
            if not len(own):
                continue
            # facts differ by more than doses do
            values = own[scales].to_numpy(dtype=np.float64)
            changes = (values - values[:, [scales.index(1.0)]]) * POINTS
            means = [mean_interval(change) for change in changes.T]
            panels[title][_SHORT[arm]] = tuple(np.array(means).T)
    ax = free_axes(12.0, 4.0)
    PanelsDisplay.from_arrays(
        panels, scales, xlabel="factor of the values", ylabel="change by the factor (points)", ax=ax
    )
    return Picture(
        ax.figure,
        "Dose and effect: what the factor of the neurons' values changes",
        "Changes of probabilities and accuracies against those without edit, a factor of 1; "
        "means over facts with 95 % intervals. The means themselves are in the table dose.",
    )


def _curves(frames: Collected) -> dict[str, dict[int, Any]]:
    """Return for each grouping and prompt the curves by number of components, (facts, n)."""
    if not len(frames.subsets):
        return {}
    keep = subsets_kept(frames)
    curves: dict[str, dict[int, Any]] = {}
    for grouping, label in _GROUPINGS.items():
        for prompt in ("Q", "Q*"):
            kept = set(keep.loc[keep["kept"] & (keep["prompt"] == prompt), "fact"])
            own = frames.subsets[
                (frames.subsets["grouping"] == grouping) & frames.subsets["fact"].isin(kept)
            ]
            for n, part in own.groupby("n"):
                grid = part.pivot(index="fact", columns="k", values=prompt).dropna()
                if len(grid):
                    values = grid.to_numpy(dtype=np.float64)
                    curves.setdefault(f"{label}, {prompt}", {})[int(n)] = values
    return curves
