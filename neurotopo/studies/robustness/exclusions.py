"""Which facts are left out of a comparison, and why: the same ones for every arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo.report.summary import Table
from neurotopo.studies.robustness.rows import ARMS, EXTREME, LABELS, MOST, ZERO, Collected

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["exclusions_table", "largest_changes", "subsets_kept"]


def largest_changes(found: Collected) -> pd.DataFrame:
    """Return a row per arm: how many facts it would exclude by itself, in either reading."""
    import pandas as pd

    changes = found.limited
    rows = []
    for arm in ARMS:
        own = changes[changes["arm"] == arm]
        if not len(own):
            continue
        zero = own["zero"]
        rows.append(
            {
                "cause": f"{arm}: {LABELS[arm]}",
                ZERO: int(zero.sum()),
                EXTREME: int((~zero & (own["largest"] > own["max_change"])).sum()),
                "only upwards (literal)": int((own["largest_up"] > own["max_change"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def exclusions_table(found: Collected) -> Table:
    """Return how many facts are left out, by reason and by the arm that caused it."""
    import pandas as pd

    facts = found.facts
    rows = [("facts", len(facts)), ("failed", int(facts["error"].notna().sum()))]
    done = facts[facts["error"].isna()]
    reasons = done["reason"].dropna()
    rows += [
        (f"no comparison: {reason}", int((reasons == reason).sum()))
        for reason in sorted(set(reasons))
    ]
    compared = found.excluded
    rows.append(("compared by accuracy and log-odds", len(compared)))
    for reason in (ZERO, EXTREME):
        rows.append((f"left out of dProb: {reason} (any arm)", int((compared == reason).sum())))
    for cause in largest_changes(found).to_dict("records"):
        for reason in (ZERO, EXTREME):
            if cause[reason]:
                rows.append((f"- {reason}, caused by {cause['cause']}", cause[reason]))
    limited = found.limited
    above = limited["largest_up"] > limited["max_change"]
    rows.append(("left out by the literal Eq 21", int(limited.loc[above, "fact"].nunique())))
    rows.append(("compared by dProb", int(compared.isna().sum())))
    for kind in ("replace", "add", "delete"):
        short = done["too_short"].fillna("").map(lambda text, k=kind: k in text.split(", "))
        rows.append((f"prompts too short for {kind!r}", int(short.sum())))
    for grouping in ("ntc", "oracle"):
        sizes = found.sizes[found.sizes["grouping"] == grouping]
        if len(sizes):
            rows.append(
                (
                    f"subsets of {grouping}: more than {MOST} components",
                    int((sizes["n"] > MOST).sum()),
                )
            )
            kept = subsets_kept(found)
            own = kept[(kept["grouping"] == grouping) & (kept["prompt"] == "Q*")]
            rows.append(
                (
                    f"subsets of {grouping}: extreme change of Q*, in any grouping",
                    int((~own["kept"]).sum()),
                )
            )
    return Table(
        pd.DataFrame(rows, columns=["what", "facts"]),
        "What is left out, and why",
        "Whoever is left out for one arm is left out for all. Eq 21, 'Prob_sup > 900', is read as "
        "|dProb| > 900 % in either direction for any faulty prompt under any arm, with nothing or "
        "something suppressed: dProb and dProb_ref then have next to nothing to divide by. Taken "
        "literally it leaves out nothing, since no probability falls by more than 100 %. A fact "
        "may have several causes. Accuracies and log-odds need no such rule and have none.",
    )


def subsets_kept(found: Collected) -> pd.DataFrame:
    """Return the falls under subsets, and whether a fact is ``kept`` for a prompt.

    It is not where a change under any subset of any grouping of the fact is beyond the limit.
    """
    frame = found.lasts.merge(found.facts[["fact", "max_change"]], on="fact", how="left")
    extreme = frame["change"] > frame["max_change"].astype(float)
    frame["kept"] = ~extreme.groupby([frame["fact"], frame["prompt"]]).transform("any").astype(bool)
    return frame
