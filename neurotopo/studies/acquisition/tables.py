"""The tables of the acquisition study: the paper's, and what has to stand beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from neurotopo.knowledge.attribution import COARSE
from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.report.summary import Table
from neurotopo.studies.acquisition.comparisons import controls_table, table7, table7_paired
from neurotopo.studies.acquisition.rows import EXCLUDED, LARGEST, POINTS, Collected
from neurotopo.studies.groupings import label_of
from neurotopo.studies.statistics import finite_mean, mean_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sweep_means", "tables_of"]

_SIZES = tuple(range(2, LARGEST + 1))
_LINE = "straight line"
_REASONS = (
    "probability zero",
    "extreme change",
    "no neurons",
    "no potential components",
    "no component passed",
    "one component",
    "no spread",
)
_HOW_EXCLUDED = "Facts excluded by Eq 18 and facts with fewer than two components do not count."


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report."""
    tables = {
        "facts": _facts(found),
        "table1": _table1(found),
        "table1_median": _by_size(found, "gcr", _median, "Median GCR by number of components"),
        "table1_jump": _by_size(
            found, "jump", finite_mean, "Mean jump by number of components, in points", POINTS
        ),
        "table1_counts": _counts_by_size(found),
        "controls": controls_table(found),
        "table7": table7(found),
        "table7_paired": table7_paired(found),
        "dkns": _dkns(found),
        "exclusions": _exclusions(found),
        "layers": _layers(found),
        "overlap": _overlap(found),
    }
    if len(found.sweep):
        tables["sweep"] = _sweep(found)
    return tables


def _facts(found: Collected) -> Table:
    import pandas as pd

    facts = found.facts
    done = facts[facts["error"].isna()]
    probability = done["probability"].to_numpy(dtype=np.float64)
    neurons = done["n_neurons"].to_numpy(dtype=np.float64)

    def middle(values: Any, share: float) -> float:
        return float(np.quantile(values, share)) if len(values) else math.nan

    rows: list[tuple[str, float]] = [
        ("facts", len(facts)),
        ("facts that failed", len(facts) - len(done)),
        ("facts answered correctly by the model", int((done["known"] == True).sum())),  # noqa: E712
        ("probability of the answer, lower quartile", middle(probability, 0.25)),
        ("probability of the answer, median", middle(probability, 0.5)),
        ("probability of the answer, upper quartile", middle(probability, 0.75)),
        ("facts without a knowledge neuron", int((neurons == 0).sum())),
        ("facts with one knowledge neuron", int((neurons == 1).sum())),
        ("knowledge neurons of a fact, median", middle(neurons, 0.5)),
        ("knowledge neurons of a fact, most", middle(neurons, 1.0)),
        (
            f"facts with a gap of the integration above {COARSE:.0%}",
            int((done["gap"] > COARSE).sum()),
        ),
    ]
    return Table(
        pd.DataFrame(rows, columns=["what", "value"]),
        "What the model knows, and which neurons it knows it by",
        "Columns known, probability, n_knowledge_neurons and gap of rows.csv. Correct: every token "
        "of an answer is the likeliest one. The gap is by how much a layer's scores miss the "
        "change that they should sum to.",
    )


def _table1(found: Collected) -> Table:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for method in found.names:
        counted = found.counted(method)
        means = {n: finite_mean(counted.loc[counted["n"] == n, "gcr"]) for n in _SIZES}
        large = [n for n in _SIZES if n > 2 and math.isfinite(means[n])]
        there = [value for value in means.values() if math.isfinite(value)]
        rows.append(
            {
                "method": method,
                **{str(n): means[n] for n in _SIZES},
                "average 2-8": finite_mean(there),
                "average 3-8": finite_mean([means[n] for n in large]),
                "above the line 3-8": finite_mean([means[n] - straight_line_gcr(n) for n in large]),
            }
        )
    line = {n: straight_line_gcr(n) for n in _SIZES}
    rows.append(
        {
            "method": _LINE,
            **{str(n): line[n] for n in _SIZES},
            "average 3-8": finite_mean([line[n] for n in _SIZES if n > 2]),
            "above the line 3-8": 0.0 if rows else math.nan,
        }
    )
    return Table(
        pd.DataFrame(rows),
        "Table 1. Mean GCR by number of components",
        "Means of the column gcr of rows.csv over the facts of a method with so many components. "
        f"{_HOW_EXCLUDED} The column 2 is |dProb2 - dProb1|, in other units than the ratios of 3 "
        "to 8. 'average 2-8' is the paper's: the unweighted mean of the columns that exist. A "
        "curve that is a straight line, so no degeneracy at all, scores the last row; 'above the "
        "line' is what is left without it, over the columns 3 to 8 that exist. A mean GCR can be "
        "made by a few facts whose sigma is tiny: see the medians and the jumps.",
    )


def _by_size(
    found: Collected,
    column: str,
    middle: Callable[[pd.Series], float],
    title: str,
    factor: float = 1.0,
) -> Table:
    import pandas as pd

    rows = []
    for method in found.names:
        counted = found.counted(method)
        values = {str(n): middle(counted.loc[counted["n"] == n, column]) * factor for n in _SIZES}
        rows.append({"method": method, **values, "all": middle(counted[column]) * factor})
    note = f"Of the column {column} of rows.csv; 'all' with any number of components from 2 on. "
    if column == "jump":
        note += "The jump is dProb_n - dProb_(n-1), the last step of the curve. "
    return Table(pd.DataFrame(rows), title, note + _HOW_EXCLUDED)


def _counts_by_size(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for method in found.names:
        n = found.counted(method)["n"]
        counts = {str(size): int((n == size).sum()) for size in _SIZES}
        rows.append({"method": method, **counts, "more": int((n > LARGEST).sum()), "all": len(n)})
    return Table(
        pd.DataFrame(rows),
        "Facts behind each number of Table 1",
        f"Rows of rows.csv by n. {_HOW_EXCLUDED}",
    )


def _dkns(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for method in found.names:
        every, counted = found.of(method), found.counted(method)
        rows.append(
            {
                "method": method,
                "what": label_of(method),
                "facts": len(every),
                "with a DKN": len(counted),
                "components": finite_mean(counted["n"]),
                "potential": finite_mean(every["n_potential"]),
                "neurons": finite_mean(counted["n_neurons"]),
                "Eq 2 holds": finite_mean(counted["eq2"].astype(np.float64)),
                "Eq 3 holds": finite_mean(counted["eq3"].astype(np.float64)),
                "both hold": finite_mean((counted["eq2"] & counted["eq3"]).astype(np.float64)),
                "all suppressed": finite_mean(counted["none"] / counted["base"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Degenerate knowledge neurons by method",
        "'with a DKN': facts with at least two components that passed the filter, not excluded by "
        "Eq 18; the columns behind are of these, but for 'potential', the mean number of clusters "
        "before the filter over all facts. Eq 2 and Eq 3: share of facts where the definition "
        "holds at the tolerances of the options. 'all suppressed': the answer's probability with "
        "all components suppressed, relative to the unedited one.",
    )


def _exclusions(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for method in found.names:
        reasons = found.of(method)["reason"]
        counts = {reason: int((reasons == reason).sum()) for reason in _REASONS}
        rows.append({"method": method, **counts, "with a GCR": int(reasons.isna().sum())})
    left_out = int(found.facts["error"].isna().sum()) - len(set(found.methods["fact"]))
    return Table(
        pd.DataFrame(rows),
        "Why facts have no GCR to count, by method",
        "Column reason of rows.csv; a fact is counted at the first that applies. 'extreme change' "
        "is Eq 18, |dProb| above the limit for some value of the curve; it and 'probability zero' "
        "exclude a fact from the means. 'no spread': sigma is 0, so there is no GCR, but there is "
        f"a jump. {left_out} facts were left out for all methods because the model does not "
        "answer them correctly (only_known).",
    )


def _layers(found: Collected) -> Table:
    import pandas as pd

    n_layers = len(next(iter(found.layers.values()), ()))
    frame = pd.DataFrame({"layer": np.arange(n_layers)})
    for name, counts in found.layers.items():
        frame[name] = counts
    return Table(
        frame,
        "Figure 3 in numbers. Neurons by layer",
        "'neurons': knowledge neurons of all facts. Methods: neurons of the components of facts "
        "that count.",
    )


def _overlap(found: Collected) -> Table:
    import pandas as pd

    rows = [
        {"method": a, "other": b, "same neurons": neurons / n, "same groups": groups / n, "n": n}
        for (a, b), (neurons, groups, n) in found.overlap.items()
    ]
    columns = ["method", "other", "same neurons", "same groups", "n"]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "Overlap between methods",
        "Mean Jaccard index over the facts where either has a component: of the neurons in "
        "components, and of the pairs of neurons that share a component.",
    )


def sweep_means(found: Collected) -> pd.DataFrame:
    """Return the means over facts for every pair of thresholds, of NTC and of random groups."""
    import pandas as pd

    rows = []
    for (tau1, tau2), cell in found.sweep.groupby(["tau1", "tau2"]):
        values: dict[str, Any] = {"tau1": tau1, "tau2": tau2}
        for kind, name in (("", "NTC"), ("random_", "random")):
            kept = cell[(cell[f"{kind}n"] >= 2) & ~cell[f"{kind}reason"].isin(EXCLUDED)]
            ratios = kept[kept[f"{kind}n"] >= 3]
            above = ratios[f"{kind}gcr"] - ratios[f"{kind}n"].map(straight_line_gcr)
            mean, low, high = mean_interval(kept[f"{kind}jump"].to_numpy(np.float64) * POINTS)
            values |= {
                f"facts {name}": len(kept),
                f"components {name}": finite_mean(kept[f"{kind}n"]),
                f"jump {name}": mean,
                f"low {name}": low,
                f"high {name}": high,
                f"above the line {name}": finite_mean(above),
            }
        rows.append(values)
    return pd.DataFrame(rows)


def _sweep(found: Collected) -> Table:
    return Table(
        sweep_means(found),
        "Thresholds: tau1 of the persistence, tau2 of the filter",
        "Means over facts, jumps in points with 95 % intervals, from the stage sweep of "
        f"results.sqlite. {_HOW_EXCLUDED}",
    )


def _median(values: ArrayLike) -> float:
    """Return the median of the finite values; nan where there are none."""
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else math.nan
