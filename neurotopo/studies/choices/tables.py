"""The tables of the choices study."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.report.summary import Table
from neurotopo.studies.choices.comparisons import agreement, changes, controls, recovered
from neurotopo.studies.choices.options import CHOICES
from neurotopo.studies.choices.rows import POINTS, Collected
from neurotopo.studies.choices.variations import DEFAULT
from neurotopo.studies.statistics import finite_mean

__all__ = ["TABLES"]

_EXCLUDED = (
    "Facts that Eq 18 or a probability of 0 excludes for one variation or its random groups are "
    "excluded for all."
)
_REASONS = ("no neurons", "no cluster", "one cluster", "one or none passed")


def _facts(found: Collected) -> Table:
    import pandas as pd

    done = found.done
    neurons = done["n_knowledge_neurons"].to_numpy(dtype=np.float64)
    left_out = len(done) - found.variations["fact"].nunique()
    rows: list[tuple[str, float]] = [
        ("facts", len(found.facts)),
        ("facts that failed", len(found.facts) - len(done)),
        ("facts answered correctly by the model", int((done["known"] == True).sum())),  # noqa: E712
        ("facts left out because they are not (only_known)", left_out),
        (
            "facts excluded for all: probability zero",
            int((done["excluded"] == "probability zero").sum()),
        ),
        (
            "facts excluded for all: extreme change (Eq 18)",
            int((done["excluded"] == "extreme change").sum()),
        ),
        ("probability of the answer, median", _median(done["probability"])),
        ("knowledge neurons of a fact, median", _median(neurons)),
    ]
    return Table(
        pd.DataFrame(rows, columns=["what", "value"]),
        "Facts of the run",
        "Knowledge neurons are those of the default. Facts that are not answered correctly count "
        "unless only_known is set; a claim needs the known ones.",
    )


def _choices(found: Collected) -> Table:
    import pandas as pd

    frame = pd.DataFrame(_choice_rows(found))
    if len(frame):
        frame = frame.sort_values("ARI", kind="stable", na_position="last", ignore_index=True)
    if found.names:
        usual = {"variation": DEFAULT, "choice": DEFAULT, "ARI": 1.0, "same": 1.0, "D": 1.0}
        if found.planted:
            own = recovered(found)
            usual["ARI planted"] = float(own.loc[own["variation"] == DEFAULT, "ARI"].iloc[0])
        frame = pd.concat([pd.DataFrame([usual]), frame], ignore_index=True)
        frame = frame[[*[name for name in _ORDER if name in frame]]]
    return Table(
        frame,
        "Appendix D. Which choice matters: one thing changed at a time",
        "The variations that change the clusters most come first. ARI: mean adjusted Rand index "
        "with the clusters of the default, over the neurons of both, each neuron in no cluster "
        "being alone; over the facts where either has a cluster. same: share of these facts with "
        "exactly the same clusters. D: mean Jaccard index of the degenerate neurons. change: how "
        "much more than the default, or less, all clusters jump over random groups in their sizes, "
        "in points, paired over the n facts where both have two clusters, with its 95 % interval; "
        f"p: Wilcoxon's signed-rank test, Holm-corrected over the variations. {_EXCLUDED}",
        {"p": "p"},
    )


_ORDER = (
    "variation",
    "choice",
    "facts",
    "ARI",
    "ARI low",
    "ARI high",
    "same",
    "D",
    "n",
    "change",
    "low",
    "high",
    "p",
    "d",
    "ARI planted",
)


def _choice_rows(found: Collected) -> list[dict[str, Any]]:
    alike = {row["variation"]: row for row in agreement(found).to_dict("records")}
    truth = {row["variation"]: row for row in recovered(found).to_dict("records")}
    rows = []
    for change in changes(found).to_dict("records"):
        name = change["variation"]
        own = alike[name]
        row = {
            "variation": name,
            "choice": found.choice[name],
            "facts": own["facts"],
            "ARI": own["ARI"],
            "ARI low": own["low"],
            "ARI high": own["high"],
            "same": own["same"],
            "D": own["D"],
            **{key: change[key] for key in ("n", "change", "low", "high", "p", "d")},
        }
        if found.planted:
            row["ARI planted"] = truth[name]["ARI"]
        rows.append(row)
    return rows


def _outcomes(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for name in found.names:
        counted = found.counted(name)
        two = counted[counted["n"] >= 2]
        ratios = two[two["n"] >= 3]
        above = ratios["gcr"] - ratios["n"].map(straight_line_gcr)
        rows.append(
            {
                "variation": name,
                "choice": found.choice[name],
                "facts": len(counted),
                "two clusters": int((counted["n_potential"] >= 2).sum()),
                "two components": len(two),
                "clusters": finite_mean(counted["n_potential"]),
                "components": finite_mean(two["n"]),
                "neurons": finite_mean(two["n_neurons"]),
                "jump of all": finite_mean(counted["potential_jump"]) * POINTS,
                "jump": finite_mean(two["jump"]) * POINTS,
                "GCR": _median(ratios["gcr"]),
                "above the line": _median(above),
                "random GCR": _median(counted["random_gcr"]),
                "n GCR": int(np.isfinite(ratios["gcr"].to_numpy(dtype=np.float64)).sum()),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "What each variation finds",
        "'two clusters' and 'two components': facts with at least two of them before and after the "
        "functional filter. 'components', 'neurons' and 'jump' are means over the latter, "
        "'clusters' over all facts; 'jump of all' is the jump of all clusters, in points. GCR: "
        "median over the n GCR facts with three components or more (of two it is no ratio), and "
        "what it has above the score of a straight line; random groups beside it. "
        f"{_EXCLUDED} Whether a jump is more than that of random groups is in the table controls.",
    )


def _controls(found: Collected) -> Table:
    return Table(
        controls(found),
        "Every variation against random groups in its sizes",
        "Jumps in points, paired by fact. 'all clusters': before the filter, facts with two or "
        "more; 'known facts': of these the ones that the model answers correctly, where a claim "
        "has to stand too; 'common facts': those where every variation has two clusters, so that "
        "all rows are of the same facts; 'components': after the filter, which keeps groups for "
        "what they do and so favours random ones. Random groups have the same sizes and are drawn "
        "from the same neurons, several times, by the same draws for all variations; their mean "
        "counts. That the neurons were chosen by attribution therefore makes no difference, as "
        "it is true of both sides. p: Wilcoxon's signed-rank test, Holm-corrected over all "
        f"variations of a measure; d: mean difference / its standard deviation. {_EXCLUDED}",
        {"p": "p"},
    )


def _identical(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for row in agreement(found).to_dict("records"):
        name = row["variation"]
        rows.append(
            {
                "variation": name,
                "facts": row["facts"],
                "the same clusters": row["n same"],
                "other clusters": row["facts"] - row["n same"],
                "by theorem": "the same" if found.by_theorem[name] else "",
            }
        )
    return Table(
        pd.DataFrame(rows),
        "On how many facts the clusters are exactly those of the default",
        "Facts where either has a cluster. Sums along paths and their longest edge give the merge "
        "tree of the direct edges (theorem 2 of the page on NTC), so clustering the matrix A "
        "itself must change nothing while the default adds lengths up; products of lengths below "
        "1 need not. Lengths that rise with each other (power, neglog) give the same tree, but "
        "other persistences, and so may give other clusters.",
    )


def _planted(found: Collected) -> Table | None:
    if not found.planted:
        return None
    frame = recovered(found)
    return Table(
        frame.sort_values("ARI", ascending=False, kind="stable", ignore_index=True)
        if len(frame)
        else frame,
        "Which variation recovers the planted groups",
        "ARI: mean adjusted Rand index of the clusters with the groups that the model was trained "
        "to have, over the neurons of the fact, each neuron in no cluster being alone; over the "
        "facts with neurons of two groups or more. random: that of random groups in the same "
        "sizes. change: against the default, paired over n facts, with its 95 % interval; p: "
        "Wilcoxon's signed-rank test, Holm-corrected.",
        {"p": "p"},
    )


def _exclusions(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for name in found.names:
        own, counted = found.of(name), found.counted(name)
        excluded = found.done.set_index("fact")["excluded"].reindex(own.index)
        reasons = [_reason(row) for row in counted.to_dict("records")]
        rows.append(
            {
                "variation": name,
                "facts": len(own),
                "probability zero": int((excluded == "probability zero").sum()),
                "extreme change": int((excluded == "extreme change").sum()),
                **{reason: reasons.count(reason) for reason in _REASONS},
                "two components": reasons.count(None),
                "of random groups too": int(
                    (counted["jump"].notna() & counted["random_jump"].notna()).sum()
                ),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Why facts do not count, by variation",
        "A fact is counted at the first that applies. 'probability zero' and 'extreme change' "
        "exclude it for all variations, if they hold for one of them or its random groups. "
        "'one or none passed': fewer than two clusters passed the filter, so that it counts before "
        "it only. 'of random groups too': the facts behind 'components' of the table controls.",
    )


def _reason(row: dict[str, Any]) -> str | None:
    if row["reason"] == "no neurons":
        return "no neurons"
    if row["n_potential"] < 2:
        return "one cluster" if row["n_potential"] else "no cluster"
    return "one or none passed" if row["n"] < 2 else None


def _variations(found: Collected) -> Table:
    import pandas as pd

    rows = [
        {
            "variation": name,
            "choice": choice,
            "what is chosen": CHOICES.get(choice, "nothing is changed"),
            "what is done": found.label[name],
        }
        for name, choice in found.choice.items()
    ]
    return Table(
        pd.DataFrame(rows, columns=["variation", "choice", "what is chosen", "what is done"]),
        "What is varied",
        "Everything else is as in the default, the options of the run.",
    )


def _median(values: Any) -> float:
    """Return the median of the finite values; nan where there are none."""
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else math.nan


TABLES = {
    "facts": _facts,
    "choices": _choices,
    "outcomes": _outcomes,
    "controls": _controls,
    "identical": _identical,
    "planted": _planted,
    "exclusions": _exclusions,
    "variations": _variations,
}
