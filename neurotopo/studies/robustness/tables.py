"""The tables of the robustness study: the paper's figures in numbers, doses, subsets, facts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.robustness.comparisons import (
    BY_PROBABILITY,
    subset_tests_table,
    table9,
    table9_paired,
    values_of,
)
from neurotopo.studies.robustness.exclusions import exclusions_table, subsets_kept
from neurotopo.studies.robustness.measures import MEASURES
from neurotopo.studies.robustness.rows import ARMS, AVERAGE, KINDS, WHERE, Collected
from neurotopo.studies.statistics import finite_mean, mean_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_kind", "tables_of"]


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report."""
    tables = {
        "facts": _facts(found),
        "figure6a": _figure(
            found,
            "suppress",
            (*BY_PROBABILITY, "log_odds"),
            "Figure 6a in numbers. The loss by a faulty prompt while neurons are suppressed",
            "dProb is the paper's formula, with both probabilities under the same edit; dProb_ref "
            "takes Prob(Q) from the model without edit, the other way to read the text. The "
            "log-odds are of all facts, the others without those of Eq 21.",
        ),
        "figure6b": _figure(
            found,
            "enhance",
            ("gained", "lost", "net"),
            "Figure 6b in numbers. Accuracy on faulty prompts while neurons are enhanced",
            "gained is the paper's dAcc, of the prompts answered wrongly without edit; lost is the "
            "other side, of those answered rightly; net is the accuracy on all of them after minus "
            "before.",
        ),
        "figure7": _figure(
            found,
            "suppress",
            ("lost",),
            "Figure 7 in numbers. Accuracy on faulty prompts while neurons are suppressed",
            "Of the faulty prompts answered rightly without edit: accuracy after minus before, so "
            "that a loss is negative.",
            sign=-1.0,
        ),
        "table9": table9(found),
        "table9_paired": table9_paired(found),
    }
    if found.doses["scale"].nunique() > 1:
        tables["dose"] = _dose(found)
    if len(found.subsets):
        tables["subsets"] = _subsets(found)
        tables["subset_tests"] = subset_tests_table(found)
    tables["exclusions"] = exclusions_table(found)
    return tables


def by_kind(
    found: Collected, operation: str, where: str, measure: str, sign: float = 1.0
) -> pd.DataFrame:
    """Return a row per arm and kind of perturbation: mean over facts, 95 % interval, facts."""
    import pandas as pd

    rows = []
    for arm in ARMS:
        for kind in (*KINDS, AVERAGE):
            values = sign * values_of(found, arm, operation, where, measure, kind) + 0.0  # no -0
            mean, low, high = mean_interval(values.to_numpy(np.float64))
            rows.append(
                {
                    "arm": arm,
                    "kind": kind,
                    "mean": mean,
                    "low": min(low, high),
                    "high": max(low, high),
                    "n": len(values),
                }
            )
    return pd.DataFrame(rows)


def _figure(
    found: Collected,
    operation: str,
    chosen: tuple[str, ...],
    title: str,
    note: str,
    sign: float = 1.0,
) -> Table:
    import pandas as pd

    rows = []
    for measure in chosen:
        for where in WHERE:
            means = by_kind(found, operation, where, measure, sign)
            for arm, own in means.groupby("arm", sort=False):
                cells = own.set_index("kind")
                average = cells.loc[AVERAGE]
                rows.append(
                    {
                        "measure": measure,
                        "where": where,
                        "arm": arm,
                        "facts": int(average["n"]),
                        **{kind: cells.loc[kind, "mean"] for kind in (*KINDS, AVERAGE)},
                        "low": average["low"],
                        "high": average["high"],
                    }
                )
    listed = "; ".join(f"{name} - {MEASURES[name]}" for name in chosen)
    same = (
        " By values or by weights, suppressed neurons make the same model; the paper shows both."
        if operation == "suppress"
        else ""
    )
    return Table(
        pd.DataFrame(rows),
        title,
        f"{note} Means over facts of the means over their faulty prompts, in points (log-odds "
        f"aside); low and high: 95 % interval of Avg., which is over all prompts of a fact. "
        f"{listed}.{same}",
    )


def _facts(found: Collected) -> Table:
    import pandas as pd

    facts = found.facts
    done = facts[facts["error"].isna()]
    known = done[done["known"] == True]  # noqa: E712
    compared = done[done["reason"].isna()]

    def middle(values: Any) -> float:
        values = np.asarray(values, dtype=np.float64)
        return float(np.median(values)) if len(values) else math.nan

    rows: list[tuple[str, float]] = [
        ("facts", len(facts)),
        ("facts that failed", len(facts) - len(done)),
        ("facts answered correctly by the model", len(known)),
        ("probability of the answer, median of known facts", middle(known["probability"])),
        ("faulty prompts of known facts", int(known["n_prompts"].sum())),
        ("share of these answered correctly", finite_mean(known["right_faulty"].astype(float))),
        ("facts with degenerate knowledge neurons D", len(compared)),
        ("knowledge neurons of these, median", middle(compared["n_neurons"])),
        ("neurons of D, median", middle(compared["n_degenerate"])),
        (
            "facts with fewer other knowledge neurons than D",
            int((compared["topped_up"].astype(float) > 0).sum()),
        ),
        (
            "share of D in N there, where it is filled up with them",
            finite_mean((compared["topped_up"] / compared["n_degenerate"]).astype(float)),
        ),
    ]
    return Table(
        pd.DataFrame(rows, columns=["what", "value"]),
        "What the model knows, after clean prompts and after faulty ones",
        "Columns of rows.csv. Correct: every token of an answer is the likeliest one. Where there "
        "are fewer other knowledge neurons than D has, N is filled up with neurons of D (footnote "
        "3 of the paper), so that the two overlap; the last row is the mean share over all facts "
        "with D. The faulty prompts may have lost the very words that the answer depends on.",
    )


def _dose(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for (arm, scale), own in found.doses.groupby(["arm", "scale"], sort=False):
        columns = {
            "prob_q": "Prob(Q)",
            "prob_faulty": "Prob(Q*)",
            "right_q": "Acc(Q)",
            "right_faulty": "Acc(Q*)",
        }
        rows.append(
            {
                "arm": arm,
                "scale": scale,
                "facts": len(own),
                **{label: finite_mean(own[name]) for name, label in columns.items()},
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Dose and effect: the values of an arm's neurons times a factor",
        "Means over all facts with D, faulty prompts averaged within a fact first. A factor of 1 "
        "changes nothing. Stage arms of results.sqlite.",
    )


def _subsets(found: Collected) -> Table:
    import pandas as pd

    keep = subsets_kept(found)
    rows = []
    for (grouping, n, k), own in found.subsets.groupby(["grouping", "n", "k"]):
        values: dict[str, Any] = {"grouping": grouping, "n": n, "k": k}
        for prompt in ("Q", "Q*"):
            kept = set(keep.loc[keep["kept"] & (keep["prompt"] == prompt), "fact"])
            some = own.loc[own["fact"].isin(kept), prompt].astype(float).dropna() * 100
            mean, low, high = mean_interval(some.to_numpy(np.float64))
            values |= {
                f"dProb {prompt}": mean,
                f"low {prompt}": low,
                f"high {prompt}": high,
                f"facts {prompt}": len(some),
            }
        rows.append(values)
    return Table(
        pd.DataFrame(rows),
        "Some of the components suppressed: k of n",
        "Mean relative fall of the answer's probability in points, after the clean prompt Q and "
        "the faulty ones Q* (one of each kind), over all subsets of k of n components, or a seeded "
        "sample of them above max_exact. ntc: NTC's components of the fact, D together; oracle: "
        "the groups that the model was trained to have; random: groups of the same sizes from the "
        "same neurons.",
    )
