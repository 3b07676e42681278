"""The tests of the robustness study: the paper's, and paired ones against stricter controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.groupings import control_of
from neurotopo.studies.robustness.exclusions import subsets_kept
from neurotopo.studies.robustness.rows import NONE, WHERE, Collected
from neurotopo.studies.statistics import holm, independent, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BY_PROBABILITY",
    "CONTROLS",
    "EITHER",
    "POINTS",
    "subset_tests",
    "subset_tests_table",
    "table9",
    "table9_paired",
    "values_of",
]

POINTS = 100.0
CONTROLS = ("kn", "kn_random", "random", "random_layers", NONE)
EITHER = "values or weights"
"""Suppressed by its values or by its weights a neuron makes the same model."""

BY_PROBABILITY = ("dprob", "dprob_ref")
"""The measures that divide by a probability, to which Eq 21 applies."""

_NAMES = {
    "dprob": "dProb (points)",
    "dprob_ref": "dProb_ref (points)",
    "log_odds": "extra fall (log-odds)",
    "gained": "gained of wrong Q* (points)",
    "lost": "lost of right Q* (points)",
    "net": "accuracy on Q* (points)",
}
_TESTED = {
    "suppress": ("dprob", "dprob_ref", "log_odds", "lost"),
    "enhance": ("gained", "lost", "net"),
}


def values_of(
    found: Collected, arm: str, operation: str, where: str, measure: str, kind: str = "Avg."
) -> pd.Series:
    """Return a measure of one arm by fact, in points (log-odds aside), without excluded facts."""
    values = found.of(arm, operation, where, measure, kind).astype(float)
    if measure in BY_PROBABILITY:
        reasons = found.excluded
        values = values[values.index.isin(reasons.index[reasons.isna()])]
    return values.dropna() * (1.0 if measure == "log_odds" else POINTS)


def table9(found: Collected) -> Table:
    """Return the paper's Table 9."""
    import pandas as pd

    rows = []
    for operation, title, measure in (
        ("suppress", "Suppressing", "dprob"),
        ("enhance", "Enhancing", "gained"),
    ):
        for where in WHERE:
            ours = values_of(found, "dkn", operation, where, measure)
            for arm, name in (("kn", "N"), ("random", "Rnd")):
                result = independent(ours, values_of(found, arm, operation, where, measure))
                rows.append(
                    {
                        "setting": f"{title}, {where}",
                        "measure": "dProb" if measure == "dprob" else "dAcc",
                        "D against": name,
                        "n D": result.n_a,
                        "n other": result.n_b,
                        "D": result.mean_a,
                        "other": result.mean_b,
                        "t": result.t,
                        "p": result.p,
                        "d": result.d,
                        "Welch t": result.welch_t,
                        "Welch p": result.welch_p,
                    }
                )
    return Table(
        pd.DataFrame(rows),
        "Table 9. Independent t-tests of D against N and Rnd, as in the paper",
        "Means over the faulty prompts of a fact, in points. It treats the same facts as different "
        "ones and is not corrected for many tests. And dProb rises with anything that lowers "
        "Prob(Q), faulty prompts or not: D was chosen for lowering it. Suppression by values and "
        "by weights is the same model, so these rows are equal. The table of paired tests mends "
        "all of this.",
        {"p": "p", "Welch p": "p"},
    )


def table9_paired(found: Collected) -> Table:
    """Return what Table 9 should be: paired by fact, corrected, against every control."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for operation, tested in _TESTED.items():
        for measure in tested:
            part = []
            for where in WHERE[:1] if operation == "suppress" else WHERE:
                ours = values_of(found, "dkn", operation, where, measure)
                for arm in CONTROLS:
                    other = values_of(found, arm, operation, where, measure)
                    both = pd.concat([ours, other], axis=1, join="inner").to_numpy(np.float64)
                    result = paired(both[:, 0], both[:, 1])
                    part.append(
                        {
                            "operation": operation,
                            "where": EITHER if operation == "suppress" else where,
                            "measure": _NAMES[measure],
                            "D against": arm,
                            "n": result.n,
                            "D": result.mean_a,
                            "other": result.mean_b,
                            "difference": result.difference,
                            "low": result.low,
                            "high": result.high,
                            "p": result.p_wilcoxon,
                            "d": result.d,
                            "key": measure,
                        }
                    )
            adjusted = holm(np.array([row["p"] for row in part], dtype=np.float64))
            for row, p in zip(part, adjusted.tolist(), strict=True):
                row["p"] = p
            rows.extend(part)
    return Table(
        pd.DataFrame(rows),
        "Table 9, paired: D against every control on the same facts",
        "Means over the faulty prompts of a fact, then tests paired by fact. 'lost': higher is "
        "worse. 'extra fall': by how much more the log-odds of Q* fall than those of Q; an edit "
        "that weakens an answer alike after any prompt has 0 there, while its dProb rises. none is "
        "the model without edit. p: Wilcoxon's signed-rank test, Holm-corrected within an "
        "operation and measure; d: mean difference / standard deviation of the differences; "
        "intervals are 95 %. Columns of rows.csv by the name in 'key', kind 'Avg.'.",
        {"p": "p"},
    )


def subset_tests(found: Collected) -> pd.DataFrame:
    """Compare components with random groups of the same sizes, paired by fact.

    The margin is the fall with all components suppressed minus the largest with any proper subset
    of them, in points; both sides are given their best subset.
    """
    import pandas as pd

    frame = subsets_kept(found)
    frame = frame[frame["kept"]]
    rows = []
    for grouping in ("oracle", "ntc"):
        for prompt in ("Q", "Q*"):
            own, control = (
                frame[(frame["grouping"] == name) & (frame["prompt"] == prompt)]
                for name in (grouping, control_of(grouping))
            )
            if not len(own):
                continue
            both = own.merge(control, on="fact", suffixes=("", "_random"))
            margins = both["all"] - both["proper"]
            random = both["all_random"] - both["proper_random"]
            result = paired(margins * POINTS, random * POINTS)
            rows.append(
                {
                    "grouping": grouping,
                    "prompt": prompt,
                    "n": result.n,
                    "all": both["all"].mean() * POINTS,
                    "largest proper": both["proper"].mean() * POINTS,
                    "margin": result.mean_a,
                    "all, random": both["all_random"].mean() * POINTS,
                    "largest proper, random": both["proper_random"].mean() * POINTS,
                    "margin, random": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
    tests = pd.DataFrame(rows)
    if len(tests):
        tests["p"] = holm(tests["p"].to_numpy(dtype=np.float64))
    return tests


def subset_tests_table(found: Collected) -> Table:
    """Return the table of :func:`subset_tests`."""
    return Table(
        subset_tests(found),
        "All components suppressed, and the worst of any proper subset",
        "Relative falls of the answer's probability in points, after the clean prompt Q and the "
        "faulty ones Q* (one of each kind; ratio of the mean probabilities). margin: all minus the "
        "largest of any proper subset. random: groups of the same sizes from the same neurons, "
        "those of the oracle from the neurons of the planted groups. p: Wilcoxon's signed-rank "
        "test of the margins, paired by fact, Holm-corrected over the rows. From 7 components on "
        "the subsets are a sample. Facts with an extreme change in any grouping are left out of "
        "all.",
        {"p": "p"},
    )
