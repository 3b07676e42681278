"""Tables and findings of the robustness study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.report.summary import Table
from neurotopo.studies.compare import (
    comparisons,
    corrected,
    frame_of,
    in_both,
    independent_cells,
    paired_cells,
)
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    as_claim,
    interval_and_p,
    margin_words,
    nothing_done,
    of_all,
    outcome,
    p_words,
    records,
    row_stands,
    too_few,
    upper_first,
)
from neurotopo.studies.groupings import control_of
from neurotopo.studies.robustness.frames import (
    ARMS,
    AVERAGE,
    EXTREME,
    KINDS,
    LABELS,
    MEASURES,
    MOST,
    NONE,
    WHERE,
    ZERO,
    Collected,
)
from neurotopo.studies.statistics import (
    finite_mean,
    finite_median,
    independent,
    mean_interval,
    paired,
)
from neurotopo.studies.study import MakeTable

__all__ = [
    "BY_PROBABILITY",
    "CONTROLS",
    "EITHER",
    "POINTS",
    "TABLES",
    "by_kind",
    "exclusions_table",
    "findings_of",
    "largest_changes",
    "subset_tests",
    "subset_tests_table",
    "subsets_kept",
    "table9",
    "table9_paired",
    "values_of",
]


def largest_changes(frames: Collected) -> pd.DataFrame:
    """Return a row per arm: how many facts it would exclude by itself, in either reading."""
    changes = frames.limited
    rows = []
    for arm in ARMS:
        own = changes[changes["arm"] == arm]
        if len(own):
            zero, limit = own["zero"], own["max_change"]
            rows.append(
                {
                    "cause": f"{arm}: {LABELS[arm]}",
                    ZERO: int(zero.sum()),
                    EXTREME: int((~zero & (own["largest"] > limit)).sum()),
                    "only upwards (literal)": int((own["largest_up"] > limit).sum()),
                }
            )
    return pd.DataFrame(rows)


def exclusions_table(frames: Collected) -> Table:
    """Return how many facts are left out, by reason and by the arm that caused it."""
    facts, compared, limited = frames.facts, frames.excluded, frames.limited
    done = facts[facts["error"].isna()]
    reasons = done["reason"].dropna()
    rows: list[tuple[str, Any]] = [("facts", len(facts)), ("failed", facts["error"].notna().sum())]
    rows += [
        (f"no comparison: {reason}", (reasons == reason).sum()) for reason in sorted(set(reasons))
    ]
    rows.append(("compared by accuracy and log-odds", len(compared)))
    for reason in (ZERO, EXTREME):
        rows.append((f"left out of dProb: {reason} (any arm)", (compared == reason).sum()))
    for cause in largest_changes(frames).to_dict("records"):
        for reason in (ZERO, EXTREME):
            if cause[reason]:
                rows.append((f"- {reason}, caused by {cause['cause']}", cause[reason]))
    above = limited["largest_up"] > limited["max_change"]
    rows.append(("left out by the literal Eq 21", limited.loc[above, "fact"].nunique()))
    rows.append(("compared by dProb", compared.isna().sum()))
    for kind in ("replace", "add", "delete"):
        short = done["too_short"].fillna("").map(lambda text, k=kind: k in text.split(", "))
        rows.append((f"prompts too short for {kind!r}", short.sum()))
    kept = subsets_kept(frames)
    for grouping in ("ntc", "oracle"):
        n = frames.sizes.loc[frames.sizes["grouping"] == grouping, "n"]
        if len(n):
            own = kept[(kept["grouping"] == grouping) & (kept["prompt"] == "Q*")]
            head = f"subsets of {grouping}:"
            rows.append((f"{head} more than {MOST} components", (n > MOST).sum()))
            rows.append((f"{head} extreme change of Q*, in any grouping", (~own["kept"]).sum()))
    return Table(
        frame_of(({"what": what, "facts": int(n)} for what, n in rows), "what, facts"),
        "What is left out, and why",
        "A fact that is left out for one arm is left out for all. Eq 21, 'Prob_sup > 900', is read "
        "as |dProb| > 900 % in either direction for any faulty prompt under any arm, with or "
        "without suppression: dProb and dProb_ref then divide by a number near 0. Taken literally "
        "it leaves out nothing, since no probability falls by more than 100 %. A fact may have "
        "several causes. Accuracies and log-odds need no such rule.",
    )


def subsets_kept(frames: Collected) -> pd.DataFrame:
    """Return the falls under subsets, and whether a fact is ``kept`` for a prompt.

    It is left out where a change under any subset of any grouping is beyond the limit.
    """
    frame = frames.lasts.merge(frames.facts[["fact", "max_change"]], on="fact", how="left")
    extreme = frame["change"] > frame["max_change"].astype(float)
    frame["kept"] = ~extreme.groupby([frame["fact"], frame["prompt"]]).transform("any").astype(bool)
    return frame


POINTS = 100.0
CONTROLS = ("kn", "kn_random", "random", "random_layers", NONE)
EITHER = "values or weights"
"""Suppression by values and by weights gives the same model."""

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
    frames: Collected, arm: str, operation: str, where: str, measure: str, kind: str = "Avg."
) -> pd.Series:
    """Return a measure of one arm by fact, in points (log-odds aside), without excluded facts."""
    values = frames.of(arm, operation, where, measure, kind).astype(float)
    if measure in BY_PROBABILITY:
        reasons = frames.excluded
        values = values[values.index.isin(reasons.index[reasons.isna()])]
    return values.dropna() * (1.0 if measure == "log_odds" else POINTS)


def table9(frames: Collected) -> Table:
    """Return the paper's Table 9."""
    rows = []
    for operation, title, measure in (
        ("suppress", "Suppressing", "dprob"),
        ("enhance", "Enhancing", "gained"),
    ):
        for where in frames.ways(operation):
            ours = values_of(frames, "dkn", operation, where, measure)
            for arm, name in (("kn", "N"), ("random", "Rnd")):
                result = independent(ours, values_of(frames, arm, operation, where, measure))
                head = {
                    "setting": f"{title}, {where}",
                    "measure": "dProb" if measure == "dprob" else "dAcc",
                    "D against": name,
                }
                rows.append(head | independent_cells(result, ["n D", "n other"], ["D", "other"]))
    return Table(
        pd.DataFrame(rows),
        "Table 9. Independent t-tests of D against N and Rnd, as in the paper",
        "Means over the faulty prompts of a fact, in points. These tests treat the same facts as "
        "different ones and are not corrected for many tests. And dProb rises with anything that "
        "lowers Prob(Q), and D was chosen for lowering it. Suppression by values and by weights "
        "gives the same model, so rows of both are equal. The table of paired tests avoids all "
        "this.",
        {"p": "p", "Welch p": "p"},
    )


def table9_paired(frames: Collected) -> Table:
    """Return what Table 9 should be: paired by fact, corrected, against every control."""
    parts = []
    for operation, tested in _TESTED.items():
        for measure in tested:
            family = []
            ways = frames.ways(operation)
            suppressed = EITHER if len(ways) > 1 else ways[0]
            for where in ways[:1] if operation == "suppress" else ways:
                ours = values_of(frames, "dkn", operation, where, measure)
                for arm in CONTROLS:
                    other = values_of(frames, arm, operation, where, measure)
                    head = {
                        "operation": operation,
                        "where": suppressed if operation == "suppress" else where,
                        "measure": _NAMES[measure],
                        "D against": arm,
                    }
                    family.append((head, *in_both(ours, other)))
            margin = MARGINS["log-odds" if measure == "log_odds" else "points"]
            frame = comparisons(family, "D", "other", margin=margin)
            parts.append(frame.assign(key=measure))
    return Table(
        pd.concat(parts, ignore_index=True),
        "Table 9, paired: D against every control on the same facts",
        "Means over the faulty prompts of a fact, then tests paired by fact. 'lost': higher is "
        "worse. 'extra fall': the fall of the log-odds of Q* minus that of Q; it is 0 for an edit "
        "that weakens an answer alike after any prompt, while dProb rises. none: the model without "
        "edit. p: Wilcoxon's signed-rank test, Holm-corrected within an "
        "operation and measure; d: mean difference / standard deviation of the differences; "
        "intervals are 95 %; margin: the smallest difference that is claimed. Columns of rows.csv "
        "by the name in 'key', kind 'Avg.'.",
        {"p": "p"},
    )


_SUBSET_COLUMNS = [
    *("grouping", "prompt", "n", "all", "largest proper", "gap", "all, random"),
    *("largest proper, random", "gap, random", "difference", "low", "high", "p", "d", "margin"),
]


def subset_tests(frames: Collected) -> pd.DataFrame:
    """Compare components with random groups of the same sizes, paired by fact.

    The gap is the fall with all components suppressed minus the largest with any proper subset
    of them, in points; both sides are given their best subset.
    """
    frame = subsets_kept(frames)
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
            gaps = [both[f"all{end}"] - both[f"proper{end}"] for end in ("", "_random")]
            result = paired(*(gap * POINTS for gap in gaps))
            cells = paired_cells(result, "gap", "gap, random", margin=MARGINS["points"])
            means = {
                name: both[column].mean() * POINTS
                for name, column in (
                    ("all", "all"),
                    ("largest proper", "proper"),
                    ("all, random", "all_random"),
                    ("largest proper, random", "proper_random"),
                )
            }
            rows.append({"grouping": grouping, "prompt": prompt, **means, **cells})
    return corrected(pd.DataFrame(rows, columns=_SUBSET_COLUMNS if rows else None), ["p"])


def subset_tests_table(frames: Collected) -> Table | None:
    """Return the table of :func:`subset_tests`."""
    if not len(frames.subsets):
        return None
    return Table(
        subset_tests(frames),
        "All components suppressed, and the worst of any proper subset",
        "Relative falls of the answer's probability in points, after the clean prompt Q and the "
        "faulty ones Q* (one of each kind; ratio of the mean probabilities). gap: all minus the "
        "largest of any proper subset. random: groups of the same sizes from the same neurons, "
        "those of the oracle from the neurons of the planted groups. p: Wilcoxon's signed-rank "
        "test of the gaps, paired by fact, Holm-corrected over the rows; margin: the smallest "
        "difference that is claimed. From 7 components on "
        "the subsets are a sample. Facts with an extreme change in any grouping are left out of "
        "all.",
        {"p": "p"},
    )


def by_kind(
    frames: Collected, operation: str, where: str, measure: str, sign: float = 1.0
) -> pd.DataFrame:
    """Return a row per arm and kind of perturbation: mean over facts, 95 % interval, facts."""
    rows = []
    for arm in ARMS:
        for kind in (*KINDS, AVERAGE):
            values = sign * values_of(frames, arm, operation, where, measure, kind) + 0.0  # no -0
            mean, low, high = mean_interval(values.to_numpy(np.float64))
            cells = {"mean": mean, "low": min(low, high), "high": max(low, high), "n": len(values)}
            rows.append({"arm": arm, "kind": kind, **cells})
    return pd.DataFrame(rows)


def _figure(
    frames: Collected,
    operation: str,
    chosen: tuple[str, ...],
    title: str,
    note: str,
    sign: float = 1.0,
) -> Table:
    rows = []
    for measure in chosen:
        for where in frames.ways(operation):
            means = by_kind(frames, operation, where, measure, sign)
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
    same = " Suppression by values and by weights gives the same model; the paper shows both."
    both = operation == "suppress" and len(frames.ways(operation)) > 1
    return Table(
        pd.DataFrame(rows),
        title,
        f"{note} Means over facts of the means over their faulty prompts, in points (log-odds "
        f"aside); low and high: 95 % interval of Avg., which is over all prompts of a fact. "
        f"{listed}.{same if both else ''}",
    )


def _facts_table(frames: Collected) -> Table:
    facts = frames.facts
    done = facts[facts["error"].isna()]
    known, compared = done[done["known"].eq(True)], done[done["reason"].isna()]
    topped = compared["topped_up"].astype(float)
    rows: list[tuple[str, float]] = [
        ("facts", len(facts)),
        ("facts that failed", len(facts) - len(done)),
        ("facts answered correctly by the model", len(known)),
        ("probability of the answer, median of known facts", finite_median(known["probability"])),
        ("faulty prompts of known facts", int(known["n_prompts"].sum())),
        ("share of these answered correctly", finite_mean(known["right_faulty"].astype(float))),
        ("facts with degenerate knowledge neurons D", len(compared)),
        ("knowledge neurons of these, median", finite_median(compared["n_neurons"])),
        ("neurons of D, median", finite_median(compared["n_degenerate"])),
        ("facts with fewer other knowledge neurons than D", int((topped > 0).sum())),
        (
            "share of D in N there, where it is filled up with them",
            finite_mean(topped / compared["n_degenerate"].astype(float)),
        ),
    ]
    return Table(
        pd.DataFrame(rows, columns=["what", "value"]),
        "What the model knows, after clean prompts and after faulty ones",
        "Columns of rows.csv. Correct: every token of an answer is the likeliest one. Where there "
        "are fewer other knowledge neurons than D has, N is filled up with neurons of D (footnote "
        "3 of the paper), so the two overlap; the last row is the mean share over all facts with "
        "D. A faulty prompt may lack the very words that the answer depends on.",
    )


def _dose_table(frames: Collected) -> Table | None:
    if not frames.doses["scale"].nunique() > 1:
        return None
    columns = {"prob_q": "Prob(Q)", "prob_faulty": "Prob(Q*)"}
    columns |= {"right_q": "Acc(Q)", "right_faulty": "Acc(Q*)"}
    rows = []
    for (arm, scale), own in frames.doses.groupby(["arm", "scale"], sort=False):
        means = {label: finite_mean(own[name]) for name, label in columns.items()}
        rows.append({"arm": arm, "scale": scale, "facts": len(own), **means})
    return Table(
        pd.DataFrame(rows),
        "Dose and effect: the values of an arm's neurons times a factor",
        "Means over all facts with D, faulty prompts averaged within a fact first. A factor of 1 "
        "changes nothing. Stage arms of results.sqlite.",
    )


def _subsets_table(frames: Collected) -> Table | None:
    if not len(frames.subsets):
        return None
    keep = subsets_kept(frames)
    rows = []
    for (grouping, n, k), own in frames.subsets.groupby(["grouping", "n", "k"]):
        values: dict[str, Any] = {"grouping": grouping, "n": n, "k": k}
        for prompt in ("Q", "Q*"):
            kept = set(keep.loc[keep["kept"] & (keep["prompt"] == prompt), "fact"])
            some = own.loc[own["fact"].isin(kept), prompt].astype(float).dropna() * 100
            cells = (*mean_interval(some.to_numpy(np.float64)), len(some))
            names = (f"{name} {prompt}" for name in ("dProb", "low", "high", "facts"))
            values |= zip(names, cells, strict=True)
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


TABLES: dict[str, MakeTable] = {
    "facts": _facts_table,
    "figure6a": partial(
        _figure,
        operation="suppress",
        chosen=(*BY_PROBABILITY, "log_odds"),
        title="Figure 6a in numbers. The loss by a faulty prompt while neurons are suppressed",
        note="dProb is the paper's formula, with both probabilities under the same edit; "
        "dProb_ref takes Prob(Q) from the model without edit, the other way to read the text. "
        "The log-odds are of all facts, the others without those of Eq 21.",
    ),
    "figure6b": partial(
        _figure,
        operation="enhance",
        chosen=("gained", "lost", "net"),
        title="Figure 6b in numbers. Accuracy on faulty prompts while neurons are enhanced",
        note="gained is the paper's dAcc, of the prompts answered wrongly without edit; lost: of "
        "those answered rightly; net: the accuracy on all of them after minus before.",
    ),
    "figure7": partial(
        _figure,
        operation="suppress",
        chosen=("lost",),
        title="Figure 7 in numbers. Accuracy on faulty prompts while neurons are suppressed",
        note="Of the faulty prompts answered rightly without edit: accuracy after minus before, so "
        "that a loss is negative.",
        sign=-1.0,
    ),
    "table9": table9,
    "table9_paired": table9_paired,
    "dose": _dose_table,
    "subsets": _subsets_table,
    "subset_tests": subset_tests_table,
    "exclusions": exclusions_table,
}

_DECISIVE = ("kn", "kn_random")
"""The controls that are chosen by attribution like D: only these can refute a claim about D."""

_ARM_NAMES = {
    "kn": "N",
    "kn_random": "as many knowledge neurons of either kind",
    "random": "random neurons",
}
_TOO_LITTLE = "too few facts that the model knows for a claim"


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    n_done = int(frames.facts["error"].isna().sum())
    if not n_done:
        return (nothing_done(frames.facts["error"]),)
    if few := too_few(n_done):
        return (few,)
    known = int(frames.facts["known"].eq(True).sum())
    sentences = [_say_knowledge(frames, known, n_done)]
    if len(frames.edits):
        paired = tables["table9_paired"].frame
        masters = _say_masters(frames, frames.facts["reason"].isna())
        sentences += [
            _unedited(frames),
            _say_suppression(paired, masters),
            _say_saturation(paired),
            _say_by_the_paper(tables["table9"].frame),
            _say_accuracy(paired),
            *(_say_enhancement(paired, where, masters) for where in WHERE),
        ]
    else:
        sentences.append(
            "No fact is left with degenerate knowledge neurons, so nothing is compared."
        )
    if "subset_tests" in tables:
        rows = records(tables["subset_tests"].frame)
        masters = _say_masters(frames, frames.facts["fact"].isin(frames.lasts["fact"]))
        sentences += [_say_components(row, masters) for row in rows]
    return tuple(sentence for sentence in sentences if sentence)


def _say_masters(frames: Collected, chosen: pd.Series) -> bool:
    """Tell whether the model knows the facts that are compared: enough of them, and most."""
    compared = frames.facts[chosen & frames.facts["error"].isna()]
    known = int(compared["known"].eq(True).sum())
    return known >= FEW and 2 * known > len(compared)


def _say_knowledge(frames: Collected, known: int, n_done: int) -> str:
    compared = int((frames.facts["reason"].isna() & frames.facts["error"].isna()).sum())
    sentence = (
        f"The model answers {of_all(known, n_done)} correctly; for {pluralize(compared, 'fact')} "
        "there are degenerate knowledge neurons (D) to compare with others."
    )
    if known < FEW:
        sentence += (
            " It knows too few of them, so nothing below is about the robustness of its knowledge."
        )
    return sentence


def _unedited(frames: Collected) -> str:
    share = finite_mean(
        frames.facts.loc[frames.facts["reason"].isna(), "right_faulty"].astype(float)
    )
    loss = values_of(frames, "none", "suppress", "values", "dprob")
    if not len(loss):
        return f"Without any edit {share:.0%} of the faulty prompts are answered correctly."
    return (
        f"Without any edit {share:.0%} of the faulty prompts are answered correctly, and a faulty "
        f"prompt costs {loss.mean():.1f} % of the answer's probability "
        f"({pluralize(len(loss), 'fact')})."
    )


def _cases(
    paired: pd.DataFrame, operation: str, key: str, where: str | None = None
) -> dict[str, dict[str, Any]]:
    own = paired[(paired["operation"] == operation) & (paired["key"] == key)]
    if where is not None:
        own = own[own["where"] == where]
    return {row["D against"]: row for row in records(own)}


def _say_above(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether D is above both controls that were chosen by attribution too."""
    return all(row_stands(rows[arm]) for arm in _DECISIVE)


def _against(rows: Mapping[str, Mapping[str, Any]], unit: str = "") -> str:
    return "; ".join(
        f"{rows[arm]['other']:.1f}{unit} for {name} ({interval_and_p(rows[arm])})"
        for arm, name in _ARM_NAMES.items()
    )


def _say_suppression(paired: pd.DataFrame, masters: bool) -> str:
    rows, odds = _cases(paired, "suppress", "dprob"), _cases(paired, "suppress", "log_odds")
    n = rows["kn"]["n"]
    if not n:
        return "Suppression: no fact is left after Eq 21, so there is no dProb to compare."
    sentence = (
        f"Suppression: with D suppressed a faulty prompt costs {rows['kn']['D']:.1f} % (dProb, "
        f"{pluralize(n, 'fact')}), against {_against(rows, ' %')}. Intervals are of the "
        "difference to D."
    )
    above, beyond = _say_above(rows), _say_above(odds)
    if n < FEW or not masters:
        verdict = _TOO_LITTLE
    elif above and beyond:
        verdict = (
            "faulty prompts depend on D more than on other knowledge neurons, also if the lower "
            "probability of the clean prompt is taken into account (extra fall of the log-odds "
            f"{odds['kn']['D']:.2f} against {odds['kn']['other']:.2f} for N)"
        )
    elif above:
        verdict = (
            "dProb is higher than for other knowledge neurons, but it is higher wherever the clean "
            "prompt loses more, and D was chosen for that: the log-odds of faulty prompts fall by "
            f"{odds['kn']['D']:.2f} more than those of clean ones with D suppressed, by "
            f"{odds['kn']['other']:.2f} with N ({p_words(odds['kn']['p'])}) and by "
            f"{odds['kn_random']['other']:.2f} with knowledge neurons of either kind "
            f"({p_words(odds['kn_random']['p'])}), which is no evidence of a role in robustness"
        )
    else:
        verdict = _say_negative(rows, "dProb", "D")
    return as_claim(f"{sentence} {upper_first(verdict)}.", above and beyond and masters)


def _say_negative(rows: Mapping[str, Mapping[str, Any]], what: str, whose: str) -> str:
    """Say for which decisive control there is no difference, or one of the wrong sign."""
    return " and ".join(
        _say_no(rows[arm], f"{what} of {whose}", _ARM_NAMES[arm])
        for arm in _DECISIVE
        if not row_stands(rows[arm])
    )


def _say_no(row: Mapping[str, Any], ours: str, other: str) -> str:
    result = outcome(row)
    if result == "less":
        return f"{ours} is lower than that of {other}"
    if result == "small":
        margin = margin_words(row["margin"], "point")
        return f"the difference to {other} is beyond chance, but below the margin of {margin}"
    if result == "zero":
        return f"the interval of the difference to {other} holds 0, so nothing is claimed"
    return f"no difference to {other} beyond chance"


def _say_saturation(paired: pd.DataFrame) -> str:
    """Say what suppressing D does on both scales, against no edit at all."""
    loss, odds = (_cases(paired, "suppress", key)["none"] for key in ("dprob", "log_odds"))
    if not loss["n"]:
        return ""
    return (
        f"Against no edit, suppressing D changes dProb by {loss['difference']:+.1f} points "
        f"({p_words(loss['p'])}), while the log-odds of faulty prompts fall by "
        f"{abs(odds['difference']):.2f} {'more' if odds['difference'] > 0 else 'less'} than those "
        f"of clean ones ({p_words(odds['p'])})."
    )


def _say_by_the_paper(frame: pd.DataFrame) -> str:
    parts = []
    for row in frame.drop_duplicates(["measure", "t", "D against"]).to_dict("records"):
        if row["n D"]:
            tested = p_words(row["p"])
            if math.isfinite(row["d"]):
                tested += f", d = {row['d']:.2f}"
            parts.append(
                f"{row['setting'].lower()}: {row['D']:.1f} against {row['other']:.1f} for "
                f"{row['D against']} ({tested})"
            )
    if not parts:
        return ""
    return (
        "By the paper's tests (Table 9: independent, not corrected). "
        f"{upper_first('; '.join(parts))}."
    )


def _say_accuracy(paired: pd.DataFrame) -> str:
    rows = _cases(paired, "suppress", "lost")
    if not rows["kn"]["n"]:
        return ""
    return (
        f"With D suppressed {rows['kn']['D']:.1f} % of the faulty prompts that were answered "
        f"correctly are no longer ({pluralize(rows['kn']['n'], 'fact')}), against "
        f"{_against(rows, ' %')}. D was chosen for lowering the answer's probability, so this "
        "follows from its choice and is no evidence about robustness."
    )


def _say_enhancement(paired: pd.DataFrame, where: str, masters: bool) -> str:
    rows, lost, net = (_cases(paired, "enhance", key, where) for key in ("gained", "lost", "net"))
    n = rows["kn"]["n"]
    if not n:
        return f"Enhancement by {where}: no fact has a faulty prompt that is answered wrongly."
    sentence = (
        f"Enhancement by {where}: with D doubled {rows['kn']['D']:.1f} % of the faulty prompts "
        f"that were answered wrongly are answered correctly ({pluralize(n, 'fact')}), against "
        f"{_against(rows, ' %')}. The other side: {lost['kn']['D']:.1f} % of those answered "
        f"correctly are lost with D, {lost['kn_random']['other']:.1f} % with as many knowledge "
        f"neurons of either kind, so that accuracy changes by {net['kn']['D']:+.1f} and "
        f"{net['kn_random']['other']:+.1f} points."
    )
    above = _say_above(rows)
    if n < FEW or not masters:
        verdict = _TOO_LITTLE
    elif above:
        verdict = "doubling D corrects more faulty prompts than doubling other knowledge neurons"
    else:
        verdict = _say_negative(rows, "the gain", "D")
    return as_claim(f"{sentence} {upper_first(verdict)}.", above and masters)


def _say_components(row: Mapping[str, Any], masters: bool) -> str:
    planted = row["grouping"] == "oracle"
    name = "The groups the model was trained to have" if planted else "NTC's components"
    after = "the clean prompt" if row["prompt"] == "Q" else "faulty prompts"
    if not row["n"]:
        return f"{name}: no fact is left to suppress some of them after {after}."
    sentence = (
        f"{name}, after {after}: suppressing all of them takes {row['all']:.1f} % of the answer's "
        f"probability, the worst proper subset {row['largest proper']:.1f} % "
        f"({pluralize(row['n'], 'fact')}); random groups of the same sizes "
        f"{row['all, random']:.1f} % and {row['largest proper, random']:.1f} % (difference of the "
        f"gaps {row['difference']:.1f} points, {interval_and_p(row)})."
    )
    result = outcome(row)
    holds = result == "more" and row["gap"] >= row["margin"] and masters
    if row["n"] < FEW or not masters:
        verdict = f"{upper_first(_TOO_LITTLE)}."
    elif holds:
        verdict = "More than in random groups, one component is enough and none is necessary."
    elif result == "less":
        verdict = "Less degenerate than random groups."
    elif result == "small":
        verdict = (
            "The difference is beyond chance, but below the margin of "
            f"{margin_words(row['margin'], 'point')}."
        )
    elif result == "zero":
        verdict = "The interval of the difference holds 0, so nothing is claimed."
    elif result == "more":
        verdict = "More sudden than random groups, but some proper subset hurts as much as all."
    else:
        verdict = "No difference to random groups beyond chance."
    return as_claim(f"{sentence} {verdict}", holds)
