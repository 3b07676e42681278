"""Tables, findings and pictures of the study ``acquisition``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.datasets.dataset import pluralize
from neurotopo.knowledge.attribution import COARSE
from neurotopo.knowledge.gcr import straight_line_gcr
from neurotopo.plots.layers import LayerDisplay
from neurotopo.plots.sweep import SweepDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.acquisition.frames import EXCLUDED, FLOOR, LARGEST, POINTS, Collected
from neurotopo.studies.compare import comparisons, frame_of, in_both, independent_cells
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    and_list,
    as_claim,
    interval_and_p,
    nothing_done,
    of_all,
    p_words,
    percent,
    records,
    row_stands,
    too_few,
    upper_first,
    verdict,
)
from neurotopo.studies.groupings import METHODS, control_of, label_of
from neurotopo.studies.inference import MARGIN
from neurotopo.studies.pictures import effects_picture, suppression_picture
from neurotopo.studies.statistics import finite_mean, finite_median, independent, mean_interval
from neurotopo.studies.study import MakePicture, MakeTable

__all__ = [
    "MANY",
    "PICTURES",
    "SMALL",
    "TABLES",
    "against_random",
    "controls",
    "findings_of",
    "paired_methods",
    "say_jump",
]

_SIZES = tuple(range(2, LARGEST + 1))
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

MANY = 10
"""Median number of components of a fact, from which a method cuts facts into too many."""

SMALL = 3.0
"""Mean number of neurons of a component, below which the components of a method are too small."""

_ALL, _PASSED, _RHO = "all potential", "components", "rho"
_MARGINS = {_ALL: MARGINS["points"], _PASSED: MARGINS["points"], _RHO: MARGIN}
_PAIRED_MARGINS = {
    "jump (points)": MARGINS["points"],
    "GCR, n >= 3": MARGINS["GCR"],
    "GCR, n = 2": MARGINS["share"],
}

# Comparisons


def controls(frames: Collected) -> pd.DataFrame:
    """Compare every method with random groups in its sizes, over the facts where both count.

    The columns are ``method`` and ``measure``: ``"all potential"`` is the jump of all potential
    components, before the filter, in points; ``"components"`` that of those that passed; and
    ``"rho"`` the redundancy of all potential components. Then the facts ``n``; the mean of the
    method (``own``) and of its ``random`` groups, their ``difference`` with its 95 % interval
    ``low`` to ``high``; the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over the methods
    of a measure; Cohen's ``d``; the ``margin``; and the facts ``left out``, which have two
    components on both sides, but no jump (Eq 18), or no rho because all components together
    matter too little.
    """
    names = [x for x in frames.names if x in METHODS and control_of(x) in frames.names]
    parts = []
    for measure, margin in _MARGINS.items():
        family, left_out = [], []
        for name in names:
            both = _side(frames, name, measure), _side(frames, control_of(name), measure)
            x, y = in_both(*both)
            family.append(({"method": name, "measure": measure}, x, y))
            left_out.append(int((~np.isfinite(x + y)).sum()))
        frame = comparisons(family, "own", "random", margin=margin)
        parts.append(frame.assign(**{"left out": left_out}))
    return pd.concat(parts, ignore_index=True)


def _side(frames: Collected, method: str, measure: str) -> pd.Series:
    """Return a measure over the facts with two components; nan where it does not count."""
    rows = frames.of(method)
    if measure == _PASSED:
        rows = rows[rows["n"] >= 2]
        return (rows["jump"] * POINTS).where(~rows["reason"].isin(EXCLUDED)).astype(np.float64)
    rows = rows[rows["n_potential"] >= 2]
    values = rows["rho"] if measure == _RHO else rows["potential_jump"] * POINTS
    return values.astype(np.float64)


def paired_methods(frames: Collected) -> pd.DataFrame:
    """Compare NTC with the other methods, paired by fact, corrected within a measure."""
    measures: dict[str, Callable[[str], pd.Series]] = {
        "jump (points)": lambda name: frames.counted(name)["jump"] * POINTS,
        "GCR, n >= 3": lambda name: _ratios(frames, name, least=3),
        "GCR, n = 2": lambda name: _ratios(frames, name, most=2),
    }
    parts = []
    for measure, values in measures.items():
        family = [
            ({"measure": measure, "NTC against": name}, *in_both(values("ntc"), values(name)))
            for name in _others(frames)
        ]
        margin = _PAIRED_MARGINS[measure]
        parts.append(comparisons(family, "NTC", "other", margin=margin, t=True))
    return pd.concat(parts, ignore_index=True)


def _ratios(frames: Collected, method: str, least: int = 2, most: float = math.inf) -> pd.Series:
    rows = frames.counted(method)
    return rows.loc[(rows["n"] >= least) & (rows["n"] <= most), "gcr"].dropna()


def _others(frames: Collected) -> list[str]:
    """Return the methods and controls that NTC is compared with."""
    others = (*METHODS, control_of("ntc"), "anywhere")
    return [x for x in frames.names if x in others and x != "ntc" and "ntc" in frames.names]


# Tables


def _controls(frames: Collected) -> Table:
    return Table(
        controls(frames),
        "Every method against random groups in its sizes",
        "Jumps in points, paired by fact. 'all potential': the jump of all clusters before the "
        "filter, over the facts with two or more of them. 'components': the jump of those that "
        "passed, over the facts where both sides have at least two; it favours random groups, "
        "because only those that work by chance are left. 'rho': the redundancy of all clusters, "
        f"without facts where all of them together lower the probability by less than {FLOOR:g}. "
        "'left out': facts with two on both sides that have no jump (Eq 18) or no rho. "
        "The random groups are drawn from the "
        "same neurons and pass the same filter; those of the oracle are drawn from the neurons of "
        "its groups. p: Wilcoxon's signed-rank test, Holm-corrected over the methods; d: mean "
        "difference / its standard deviation; margin: the smallest difference that is claimed. "
        "Columns potential_jump, jump and rho of rows.csv.",
        {"p": "p"},
    )


def _table7(frames: Collected) -> Table:
    columns = ("n NTC", "n other"), ("GCR NTC", "GCR other")
    ratios = {name: _ratios(frames, name) for name in ("ntc", *_others(frames))}
    rows = [
        {"NTC against": name, **independent_cells(independent(ratios["ntc"], own), *columns)}
        for name, own in ratios.items()
        if name != "ntc"
    ]
    return Table(
        pd.DataFrame(rows),
        "Table 7. Independent t-tests of GCR, as in the paper",
        "All facts with a GCR, for any number of components. The test treats the same facts as "
        "different ones, mixes the differences of n = 2 with the ratios of n >= 3, and is not "
        "corrected for many tests; the table of paired tests corrects all three.",
        {"p": "p", "Welch p": "p"},
    )


def _table7_paired(frames: Collected) -> Table:
    return Table(
        paired_methods(frames),
        "NTC against the other methods, paired by fact",
        "Over the facts where both methods count. Intervals are 95 %; p is Wilcoxon's signed-rank "
        "test, 'p of t' the paired t-test, each Holm-corrected within a measure; d: mean "
        "difference / standard deviation of the differences; margin: the smallest difference that "
        "is claimed.",
        {"p of t": "p", "p": "p"},
    )


def _facts(frames: Collected) -> Table:
    done = frames.facts[frames.facts["error"].isna()]
    neurons = done["n_neurons"]
    probability = done["probability"]

    def at(values: pd.Series, share: float) -> float:
        return float(np.quantile(values.to_numpy(np.float64), share)) if len(values) else math.nan

    rows: dict[str, float] = {
        "facts": len(frames.facts),
        "facts that failed": len(frames.facts) - len(done),
        "facts answered correctly by the model": int(done["known"].eq(True).sum()),
        "probability of the answer, lower quartile": at(probability, 0.25),
        "probability of the answer, median": at(probability, 0.5),
        "probability of the answer, upper quartile": at(probability, 0.75),
        "facts without a knowledge neuron": int((neurons == 0).sum()),
        "facts with one knowledge neuron": int((neurons == 1).sum()),
        "knowledge neurons of a fact, median": at(neurons, 0.5),
        "knowledge neurons of a fact, most": at(neurons, 1.0),
        f"facts with a gap of the integration above {COARSE:.0%}": int(
            (done["gap"] > COARSE).sum()
        ),
    }
    return Table(
        pd.DataFrame(rows.items(), columns=["what", "value"]),
        "Facts that the model knows, and their knowledge neurons",
        "Columns known, probability, n_knowledge_neurons and gap of rows.csv. Correct: every token "
        "of an answer is the most likely one. The gap is the difference between the sum of a "
        "layer's scores and the change that they should sum to.",
    )


def _by_method(
    frames: Collected, cells: Callable[[pd.DataFrame, pd.DataFrame], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a row per method; ``cells`` gets all facts, and those that count."""
    return [
        {"method": name, **cells(frames.of(name), frames.counted(name))} for name in frames.names
    ]


def _by_size(
    counted: pd.DataFrame, column: str, middle: Callable[[Any], float], factor: float = 1.0
) -> dict[str, float]:
    return {str(n): middle(counted.loc[counted["n"] == n, column]) * factor for n in _SIZES}


def _table1(frames: Collected) -> Table:
    line = {str(n): straight_line_gcr(n) for n in _SIZES}
    ratios = [n for n in line if n != "2"]

    def cells(_: pd.DataFrame, counted: pd.DataFrame) -> dict[str, float]:
        means = _by_size(counted, "gcr", finite_mean)
        return {
            **means,
            "average 2-8": finite_mean(list(means.values())),
            "average 3-8": finite_mean([means[n] for n in ratios]),
            "above the line 3-8": finite_mean([means[n] - line[n] for n in ratios]),
        }

    rows = _by_method(frames, cells)
    last = {
        "method": "straight line",
        **line,
        "average 3-8": finite_mean([line[n] for n in ratios]),
        "above the line 3-8": 0.0 if rows else math.nan,
    }
    return Table(
        pd.DataFrame([*rows, last]),
        "Table 1. Mean GCR by number of components",
        "Means of the column gcr of rows.csv over the facts of a method with this number of "
        f"components. {_HOW_EXCLUDED} The column 2 is |dProb2 - dProb1|, in other units than the "
        "ratios of 3 to 8. 'average 2-8' is that of the paper: the unweighted mean of the columns "
        "with a value. The last row is the score of a straight line, which has no degeneracy; "
        "'above the line' is the mean over the columns 3 to 8 after subtracting it. A few facts "
        "with a tiny sigma can make a mean GCR large: see the medians and the jumps.",
    )


def _of_column(
    frames: Collected,
    column: str,
    middle: Callable[[Any], float],
    title: str,
    note: str = "",
    factor: float = 1.0,
) -> Table:
    rows = _by_method(
        frames,
        lambda _, counted: {
            **_by_size(counted, column, middle, factor),
            "all": middle(counted[column]) * factor,
        },
    )
    where = f"Of the column {column} of rows.csv; 'all' with any number of components from 2 on."
    return Table(pd.DataFrame(rows), title, f"{where} {note}{_HOW_EXCLUDED}")


def _counts(frames: Collected) -> Table:
    rows = _by_method(
        frames,
        lambda _, counted: {
            **{str(size): int((counted["n"] == size).sum()) for size in _SIZES},
            "more": int((counted["n"] > LARGEST).sum()),
            "all": len(counted),
        },
    )
    note = f"Rows of rows.csv by n. {_HOW_EXCLUDED}"
    return Table(pd.DataFrame(rows), "Facts behind each number of Table 1", note)


def _dkns(frames: Collected) -> Table:
    rows = _by_method(
        frames,
        lambda every, counted: {
            "what": label_of(str(every["method"].iloc[0])),
            "facts": len(every),
            "with a DKN": len(counted),
            "components": finite_mean(counted["n"]),
            "potential": finite_mean(every["n_potential"]),
            **_cut(every),
            "neurons": finite_mean(counted["n_neurons"]),
            "Eq 2 holds": finite_mean(counted["eq2"]),
            "Eq 3 holds": finite_mean(counted["eq3"]),
            "both hold": finite_mean(counted["eq2"] & counted["eq3"]),
            "all suppressed": finite_mean(counted["none"] / counted["base"]),
            "necessity": finite_mean(every["necessity"]),
            "rho": finite_mean(every["rho"]),
            "n rho": int(every["rho"].notna().sum()),
            "no rho": int(((every["n_potential"] >= 2) & every["rho"].isna()).sum()),
        },
    )
    return Table(
        pd.DataFrame(rows),
        "Degenerate knowledge neurons by method",
        "'with a DKN': facts with at least two components that passed the filter, not excluded by "
        "Eq 18; the columns to the right are of these facts. Of the clusters before the filter, "
        "over all facts: 'potential', their mean number; over the facts with two or more: the "
        "'median' of the number and the mean 'size' in neurons; 'shattered': a median of at least "
        f"{MANY} or a mean size below {SMALL:g}, so that jumps do not mean degeneracy; "
        "'necessity', the fall of the probability with all of them suppressed, and 'rho', over "
        f"'n rho' facts; 'no rho' have two or more, but a necessity below {FLOOR:g}. Eq 2 and Eq "
        "3: share of facts where the definition holds at the tolerances of the options. 'all "
        "suppressed': the answer's probability with all components suppressed, relative to the "
        "unedited one.",
    )


def _cut(every: pd.DataFrame) -> dict[str, Any]:
    """Return the number and size of the potential components where there are two or more."""
    several = every[every["n_potential"] >= 2]
    median, size = finite_median(several["n_potential"]), finite_mean(several["size"])
    shattered = median >= MANY or size < SMALL
    return {"median": median, "size": size, "shattered": "yes" if shattered else ""}


def _exclusions(frames: Collected) -> Table:
    rows = _by_method(
        frames,
        lambda every, _: {
            **{reason: int((every["reason"] == reason).sum()) for reason in _REASONS},
            "with a GCR": int(every["reason"].isna().sum()),
        },
    )
    left_out = int(frames.facts["error"].isna().sum()) - len(set(frames.methods["fact"]))
    return Table(
        pd.DataFrame(rows),
        "Why facts have no GCR to count, by method",
        "Column reason of rows.csv; a fact is counted at the first reason that applies. 'extreme "
        "change' is Eq 18, |dProb| above the limit for some value of the curve; it and "
        "'probability zero' exclude a fact from the means. 'no spread': sigma is 0, so there is no "
        "GCR, but there is a jump. Left out for all methods, as the model does not answer them "
        f"correctly (only_known): {pluralize(left_out, 'fact')}.",
    )


def _layers(frames: Collected) -> Table:
    n_layers = len(next(iter(frames.layers.values()), ()))
    return Table(
        pd.DataFrame({"layer": np.arange(n_layers), **frames.layers}),
        "Figure 3 in numbers. Neurons by layer",
        "'neurons': knowledge neurons of all facts. Methods: neurons of the components of facts "
        "that count.",
    )


def _overlap(frames: Collected) -> Table:
    rows = [
        {"method": a, "other": b, "same neurons": neurons / n, "same groups": groups / n, "n": n}
        for (a, b), (neurons, groups, n) in frames.overlap.items()
    ]
    return Table(
        frame_of(rows, "method, other, same neurons, same groups, n"),
        "Overlap between methods",
        "Mean Jaccard index over the facts where either has a component: of the neurons in "
        "components, and of the pairs of neurons that share a component.",
    )


def _sweep(frames: Collected) -> Table | None:
    if not len(frames.sweep):
        return None
    rows = []
    for (tau1, tau2), cell in frames.sweep.groupby(["tau1", "tau2"]):
        rows.append({"tau1": tau1, "tau2": tau2})
        for kind, name in (("", "NTC"), ("random_", "random")):
            kept = cell[(cell[f"{kind}n"] >= 2) & ~cell[f"{kind}reason"].isin(EXCLUDED)]
            ratios = kept[kept[f"{kind}n"] >= 3]
            above = ratios[f"{kind}gcr"] - ratios[f"{kind}n"].map(straight_line_gcr)
            mean, low, high = mean_interval(kept[f"{kind}jump"].to_numpy(np.float64) * POINTS)
            rows[-1] |= {
                f"facts {name}": len(kept),
                f"components {name}": finite_mean(kept[f"{kind}n"]),
                f"jump {name}": mean,
                f"low {name}": low,
                f"high {name}": high,
                f"above the line {name}": finite_mean(above),
            }
    return Table(
        pd.DataFrame(rows),
        "Thresholds: tau1 of the persistence, tau2 of the filter",
        "Means over facts, jumps in points with 95 % intervals, from the stage sweep of "
        f"results.sqlite. {_HOW_EXCLUDED}",
    )


TABLES: dict[str, MakeTable] = {
    "facts": _facts,
    "table1": _table1,
    "table1_median": partial(
        _of_column, column="gcr", middle=finite_median, title="Median GCR by number of components"
    ),
    "table1_jump": partial(
        _of_column,
        column="jump",
        middle=finite_mean,
        title="Mean jump by number of components, in points",
        note="The jump is dProb_n - dProb_(n-1), the last step of the curve. ",
        factor=POINTS,
    ),
    "table1_counts": _counts,
    "controls": _controls,
    "table7": _table7,
    "table7_paired": _table7_paired,
    "dkns": _dkns,
    "exclusions": _exclusions,
    "layers": _layers,
    "overlap": _overlap,
    "sweep": _sweep,
}
"""The tables of the study, in the order of a report."""


# Findings

_CIRCULAR = ("pairs", "pair-groups")


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    n_done = int(frames.facts["error"].isna().sum())
    if not n_done:
        return (nothing_done(frames.facts["error"]),)
    if few := too_few(n_done):
        return (few,)
    sentences = [_knowledge(frames, n_done)]
    if not len(frames.methods):
        return (*sentences, "No fact was left to look for groups in.")
    measures: dict[str, dict[str, Any]] = {measure: {} for measure in _MARGINS}
    for row in records(tables["controls"].frame):
        measures[row["measure"]][row["method"]] = row
    rows = measures[_ALL]
    for method in ("oracle", "ntc"):
        if method in rows:
            sentences.append(against_random(method, rows[method]))
            sentences.append(_after_the_filter(measures[_PASSED][method]))
            sentences.append(_redundancy(_subject(method), measures[_RHO][method]))
    others = {x: row for x, row in rows.items() if x not in ("oracle", "ntc", *_CIRCULAR)}
    if others:
        sentences.append(_others_against_random(others))
    sentences.append(_shattered(tables["dkns"].frame))
    if any(rows[name]["n"] for name in _CIRCULAR if name in rows):
        sentences.append(
            "AMIG chooses its pairs by the same fall of the probability that is measured here. "
            "So a larger jump than that of random pairs is no evidence."
        )
    if "ntc" in rows:
        sentences.append(_against_baselines(tables["table7_paired"].frame))
        sentences.append(_by_the_paper(tables["table1"].frame))
        sentences.append(_definition(tables["dkns"].frame))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(frames: Collected, n_done: int) -> str:
    known = int(frames.facts["known"].eq(True).sum())
    without = int((frames.facts["n_neurons"] == 0).sum())
    sentence = f"The model answers {of_all(known, n_done)} correctly."
    if known == 0:
        sentence += (
            " It knows none of them, so the results below say nothing about how it stores "
            "knowledge: changes of probabilities near 0 have no meaning."
        )
    elif known < n_done / 2:
        sentence += " It does not know most of the facts that the results below are about."
    if without:
        sentence += (
            f" {of_all(without, n_done)} {'has' if without == 1 else 'have'} no knowledge neuron."
        )
    return sentence


def against_random(method: str, row: Mapping[str, Any]) -> str:
    """Return a sentence that compares a method's jump with that of random groups.

    Parameters
    ----------
    method : {"ntc", "oracle"}
        The method.
    row : mapping
        Its row of :func:`controls`.

    Returns
    -------
    str
    """
    return say_jump(_subject(method), row)


def _subject(method: str) -> str:
    oracle = method == "oracle"
    return "The groups the model was trained to have" if oracle else "NTC's clusters"


def say_jump(name: str, row: Mapping[str, Any]) -> str:
    """Return the sentence of :func:`against_random` about groups with any name."""
    if not row["n"]:
        return f"{name}: no fact has two or more, so nothing can be compared."
    sentence = (
        f"{name}: suppressing the last one lowers the answer's probability by {row['own']:.1f} "
        f"points more than suppressing all but one, against {row['random']:.1f} for random groups "
        f"of the same sizes from the same neurons ({pluralize(row['n'], 'fact')}; difference "
        f"{row['difference']:.1f}, {interval_and_p(row)}): {_verdict(row)}."
    )
    return as_claim(sentence, row_stands(row))


def _after_the_filter(row: Mapping[str, Any]) -> str:
    if not row["n"]:
        return "After the filter no fact is left with two components on both sides."
    return (
        f"After the filter, on the {pluralize(row['n'], 'fact')} with two components on both "
        f"sides, it is {row['own']:.1f} against {row['random']:.1f} ({p_words(row['p'])}): "
        f"{_verdict(row)}."
    )


def _verdict(row: Mapping[str, Any]) -> str:
    more, less = "more degenerate than random groups", "less degenerate than random groups"
    return verdict(row, more, less, unit="point")


def _redundancy(name: str, row: Mapping[str, Any]) -> str:
    """Say whether groups stand in for each other more than random groups do."""
    n = row["left out"]
    together = f"all of them together lower the probability by less than {FLOOR:g}"
    if not row["n"]:
        on_all = (
            f"{name}: there is no rho, as {together} on {pluralize(n, 'fact')}, all that count."
        )
        return on_all if n else ""
    behind = pluralize(row["n"], "fact")
    if n:
        behind += f", without {pluralize(n, 'fact')} where {together}"
    words = "more redundant than random groups", "less redundant than random groups"
    sentence = (
        f"{name}: rho, above 0 for groups that stand in for each other, is {row['own']:.2f}, "
        f"against {row['random']:.2f} for random groups ({behind}; difference "
        f"{row['difference']:.2f}, {interval_and_p(row, 2)}): "
        f"{verdict(row, *words)}."
    )
    return as_claim(sentence, row_stands(row))


def _shattered(frame: pd.DataFrame) -> str:
    """Name the methods that cut facts into many or tiny components."""
    rows = frame[frame["shattered"] == "yes"]
    parts = [
        f"{row['method']} ({pluralize(row['median'], 'component')} of "
        f"{pluralize(row['size'], 'neuron')})"
        for row in records(rows)
        if row["method"] in METHODS
    ]
    if not parts:
        return ""
    sentence = (
        f"Some methods shatter a fact, by a median of at least {MANY} components or a mean size "
        f"below {SMALL:g} neurons: {and_list(parts)}. "
    )
    ntc = frame[frame["method"] == "ntc"]
    if len(ntc) and "ntc" not in set(rows["method"]) and math.isfinite(ntc["median"].iloc[0]):
        sentence += (
            f"NTC has a median of {pluralize(ntc['median'].iloc[0], 'component')} of "
            f"{pluralize(ntc['size'].iloc[0], 'neuron')}. "
        )
    return (
        f"{sentence}The last of so many steps, or of steps so small, is the effect of a handful of "
        "neurons: these jumps do not mean degeneracy."
    )


def _others_against_random(rows: Mapping[str, Mapping[str, Any]]) -> str:
    verdicts = {name: _verdict(row) if row["n"] else "no facts" for name, row in rows.items()}
    parts = [
        f"{text}: {', '.join(name for name in rows if verdicts[name] == text)}"
        for text in dict.fromkeys(verdicts.values())
    ]
    return f"The other methods, by their jumps. {upper_first('; '.join(parts))}."


def _against_baselines(frame: pd.DataFrame) -> str:
    parts = []
    for row in records(frame):
        other = row["NTC against"]
        if row["measure"] != "jump (points)" or other not in (*CLUSTERER_LABELS, "pairs"):
            continue
        name = "AMIG's pairs" if other == "pairs" else label_of(other)
        few = f"only {pluralize(row['n'], 'fact')} in common"
        how = verdict(row, "larger", "smaller", unit="point", few=few, none="no difference")
        enough = row["n"] >= FEW
        more = f" ({row['difference']:+.1f} points, {p_words(row['p'])})" if enough else ""
        parts.append(f"{name}: {how}{more}")
    if not parts:
        return ""
    return f"NTC's jump compared with the baselines, on the facts in common. {'; '.join(parts)}."


def _by_the_paper(frame: pd.DataFrame) -> str:
    rows = frame.set_index("method")
    average = rows["average 2-8"].dropna().to_dict()
    places = [name for name in ("ntc", *CLUSTERER_LABELS, "pairs") if name in average]
    if "ntc" not in places:
        return "By the paper's measure nothing can be said: NTC has no fact with a GCR."
    places.sort(key=lambda name: -average[name])
    listed = ", ".join(f"{name} {average[name]:.3g}" for name in places)
    rank = f"{places.index('ntc') + 1} of {len(places)}"
    sentence = f"By the paper's measure, the average GCR, NTC has rank {rank}: {listed}."
    above = rows.loc["ntc", "above the line 3-8"]
    if math.isfinite(above):
        sentence += f" Compared with a straight line, NTC has {above:+.3g} (3 to 8 components)."
    if "random:ntc" in average:
        sentence += f" Random groups in NTC's sizes average {average['random:ntc']:.3g}."
    return sentence


def _definition(frame: pd.DataFrame) -> str:
    row = frame.set_index("method").loc["ntc"]
    if not row["with a DKN"]:
        return "NTC found no degenerate knowledge neurons."
    return (
        f"NTC found at least two components for {of_all(row['with a DKN'], row['facts'])}; "
        f"both parts of the definition (Eq 2 and Eq 3) hold for {percent(row['both hold'])} of "
        "these."
    )


# Pictures


def _draw_layers(frames: Collected, tables: Mapping[str, Table]) -> Picture | None:
    if not any(counts.any() for counts in frames.layers.values()):
        return None
    names = {"neurons": "knowledge neurons", "ntc": "components of NTC"}
    counts = {label: frames.layers[name] for name, label in names.items() if name in frames.layers}
    ax = free_axes(6.4, 1.6 + 0.35 * len(next(iter(counts.values()))))
    LayerDisplay.from_counts(counts, ax=ax)
    return Picture(
        ax.figure,
        "Figure 3. Neurons by layer",
        "Shares of the layers among the knowledge neurons of all facts, and among the neurons in "
        "NTC's components of the facts that count. The numbers are in the table layers.",
    )


def _draw_curves(frames: Collected, tables: Mapping[str, Table]) -> Picture | None:
    """Draw, for each method and number of components, the mean of the curves of its facts."""
    curves: dict[str, dict[int, Any]] = {}
    for method in ("ntc", *CLUSTERER_LABELS, "pairs", "oracle", "random:ntc", "random:oracle"):
        if method in frames.names:
            for n, rows in frames.counted(method).groupby("n"):
                if n <= LARGEST:
                    own = rows[[f"d{k}" for k in range(1, n + 1)]].to_numpy(np.float64)
                    curves.setdefault(method, {})[n] = own
    if not curves:
        return None

    return suppression_picture(
        curves,
        "Figure 4. Fall of the probability by number of suppressed components",
        "Means over the facts of a method with n components (their number is in the legend), with "
        "bars of one standard error. Degeneracy is a line that stays low and jumps at the last "
        "point, by more than that of random groups of the same sizes. From the columns d1, d2, ... "
        "of rows.csv.",
        width=10.0,
    )


def _draw_controls(frames: Collected, tables: Mapping[str, Table]) -> Picture | None:
    compared = tables["controls"].frame
    if not len(compared):
        return None
    rows = compared[(compared["n"] > 0) & (compared["measure"] == _ALL)]
    if not len(rows):
        return None
    return effects_picture(
        rows,
        rows["method"],
        "Every method against random groups in its sizes",
        "Mean difference of the jumps of all potential components, paired by fact, with its 95 % "
        "interval; the numbers of facts and Holm-corrected p-values are those of the table "
        "controls. At 0 the groups are no better than random ones.",
        label="jump minus that of random groups (points)",
        size=(8.4, 1.4 + 0.32 * len(rows)),
    )


def _draw_sweep(frames: Collected, tables: Mapping[str, Table]) -> Picture | None:
    if "sweep" not in tables:
        return None
    grid = tables["sweep"].frame.pivot(index="tau1", columns="tau2", values="jump NTC")
    ax = free_axes(6.4, 4.2)
    name = "mean jump of NTC (points)"
    SweepDisplay.from_values(grid.to_numpy(np.float64), grid.index, grid.columns, name=name, ax=ax)
    return Picture(
        ax.figure,
        "The jump of NTC by the thresholds of persistence and filter",
        "Means over facts, from the table sweep, which also has those of random groups.",
    )


PICTURES: dict[str, MakePicture] = {
    "figure3": _draw_layers,
    "figure4": _draw_curves,
    "controls": _draw_controls,
    "sweep": _draw_sweep,
}
"""The pictures of the study."""
