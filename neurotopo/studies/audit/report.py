"""Tables and findings of an audit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.plots.subsets import letter_of
from neurotopo.report.summary import Table
from neurotopo.studies.audit.frames import FLOOR, AuditFrames
from neurotopo.studies.audit.nulls import NULLS
from neurotopo.studies.audit.verdicts import (
    QUESTIONS,
    against_nulls,
    by_ablation,
    overall,
    verdicts,
)
from neurotopo.studies.findings import Number, as_claim, from_to, nothing_done, too_few
from neurotopo.studies.inference import NO, UNDECIDED, YES, Effect
from neurotopo.studies.study import MakeTable

__all__ = ["TABLES", "findings_of"]

_SAID = {
    YES: "The groups each carry their fact: all that is needed for it is answered yes.",
    NO: "The groups do not each carry their fact: something needed for it is answered no.",
    UNDECIDED: "Whether the groups each carry their fact is undecided.",
}


def _cells(effect: Effect) -> dict[str, object]:
    return {
        "verdict": effect.verdict,
        "effect": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "margin": effect.margin,
        "least": effect.least,
        "p": effect.p_holm,
        "equivalent": effect.is_equivalent,
        "facts": effect.n,
        "left out": effect.n_dropped,
        "relations": effect.n_relations,
    }


_HOW = (
    "effect: mean over facts, with its 95 % interval low to high (bootstrap over relations, then "
    "facts; Student's t). margin: the smallest effect that counts, named beforehand. least: the "
    "smallest effect that this number of facts would have shown with a power of 80 %. p: "
    "Holm-corrected over the rows. equivalent: within the margin on both sides of 0, by two "
    "one-sided tests. yes: p below 0.05 and an effect of at least the margin. no: below the margin "
    "beyond chance. left out: facts where the quantity is not defined."
)


def _verdicts(frames: AuditFrames) -> Table:
    rows = [
        {"question": QUESTIONS[name].text, **_cells(effect), "effect is": QUESTIONS[name].unit}
        for name, effect in verdicts(frames).items()
    ]
    return Table(pd.DataFrame(rows), "Verdicts", _HOW, {"p": "p"})


_QUANTITIES = {"rho": "redundancy (rho)", "sufficiency": "sufficiency within"}


def _nulls(frames: AuditFrames) -> Table:
    rows = [
        {
            "quantity": _QUANTITIES[quantity],
            "null": name,
            **_cells(effect),
            "the null is": NULLS[name][0],
        }
        for (quantity, name), effect in against_nulls(frames).items()
    ]
    return Table(
        pd.DataFrame(rows),
        "Redundancy and sufficiency against every null",
        "The groups less the mean of the draws of a null, paired by fact, relative to the "
        f"necessity of the groups. {_HOW}",
        {"p": "p"},
    )


def _by_ablation(frames: AuditFrames) -> Table | None:
    effects = by_ablation(frames)
    if not effects:
        return None
    rows = [
        {"quantity": _QUANTITIES[quantity], "ablation": name, **_cells(effect)}
        for (quantity, name), effect in effects.items()
    ]
    return Table(
        pd.DataFrame(rows),
        "Redundancy and sufficiency against shuffled groups, by ablation",
        "zero: the values are 0. mean: the neuron's mean over other facts of the relation. "
        f"counterfactual: its value for another subject. {_HOW}",
        {"p": "p"},
    )


def _quantities(frames: AuditFrames) -> Table | None:
    if not len(frames.ablations):
        return None
    names = ["base", "necessity", "rho", "sufficiency"]
    grouped = frames.ablations.groupby(["ablation", "score"], sort=False)
    table = grouped[names].mean().reset_index()
    table["facts with rho"] = grouped["rho"].count().to_numpy()
    return Table(
        table,
        "Quantities by ablation and score, mean over facts",
        "necessity: fall of the score with all groups ablated. rho: (necessity - sum of the single "
        "effects) / necessity. sufficiency: mean share of the necessity that a group keeps with "
        f"the others ablated. Shares need a necessity of at least {_floors()}.",
    )


def _floors() -> str:
    return ", ".join(f"{value:g} ({name})" for name, value in FLOOR.items())


def _facts(frames: AuditFrames) -> Table:
    facts = frames.facts
    failed = facts["error"].notna()
    rows = {
        "facts": len(facts),
        "facts that failed": int(failed.sum()),
        "facts that the model answers correctly": int(facts["known"].eq(True).sum()),
    }
    for reason, count in facts.loc[~failed, "reason"].dropna().value_counts().items():
        rows[f"left out: {reason}"] = int(count)
    judged = frames.judged
    rows["facts that are judged"] = len(judged)
    if len(judged):
        small = judged["necessity"] < FLOOR[frames.score]
        rows["of these, without a necessity to take shares of"] = int(small.sum())
        for name, count in judged["ablation"].value_counts().items():
            rows[f"judged by the ablation {name}"] = int(count)
        rows["groups of a fact, median"] = judged["n_groups"].median()
        rows["neurons in the groups of a fact, median"] = judged["n_neurons"].median()
        rows["further disjoint sets that suffice, mean (at most 5)"] = judged["further"].mean()
    return Table(
        pd.DataFrame(rows.items(), columns=["what", "value"]),
        "Facts, exclusions and groups",
        "Further sets: disjoint sets of other neurons, of at most as many neurons as all groups "
        "together, of which each recovers as much in the prompt of another subject as the median "
        "group.",
    )


def _wordings(frames: AuditFrames) -> Table | None:
    table = frames.wordings
    if "wording" not in table or table["wording"].max() < 1:
        return None
    names = ["known", "necessity", "rho", "shuffled", "sufficiency", "overlap", "chance"]
    numbers = table.assign(known=table["known"].astype(float))
    means = numbers.groupby("wording")[names].mean().reset_index()
    means["facts"] = table.groupby("wording").size().to_numpy()
    means["wording"] = means["wording"].map(letter_of)
    return Table(
        means,
        "The groups of wording A measured on other wordings, mean over facts",
        "known: share of facts that the model answers. overlap: share of the smaller set of "
        "knowledge neurons that wording A and this one have in common; chance: the share for "
        "neurons drawn at random in each layer.",
    )


TABLES: dict[str, MakeTable] = {
    "verdicts": _verdicts,
    "facts": _facts,
    "nulls": _nulls,
    "ablations": _by_ablation,
    "quantities": _quantities,
    "wordings": _wordings,
}


def findings_of(frames: AuditFrames, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return the verdicts in words."""
    if not len(frames.judged):
        failed = frames.facts["error"].dropna()
        if len(failed) == len(frames.facts):
            return (nothing_done(failed),)
        reasons = frames.facts["reason"].value_counts()
        said = "; ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
        return (f"No fact is judged ({said}).",)
    if few := too_few(len(frames.judged), "judged fact"):
        return (few,)
    effects = verdicts(frames)
    answer = overall(effects)
    return (
        as_claim(_SAID[answer], answer == YES),
        *(_sentence(name, effect) for name, effect in effects.items() if effect.n),
        *_without(effects),
    )


def _sentence(name: str, effect: Effect) -> str:
    parts = [f"{Number(effect.mean):.2f}", from_to(effect.low, effect.high, 2)]
    parts.append(f"{pluralize(effect.n, 'fact')}; margin {effect.margin:g}")
    if math.isfinite(effect.least):
        parts.append(f"least effect that could have been shown {effect.least:.2f}")
    listed = ", ".join(part for part in parts if part)
    said = f"{QUESTIONS[name].text} {effect.verdict.capitalize()}: {listed}."
    return as_claim(said, effect.verdict == YES)


def _without(effects: Mapping[str, Effect]) -> tuple[str, ...]:
    missing = [QUESTIONS[name].text for name, effect in effects.items() if not effect.n]
    return (f"Without an answer on any fact: {' '.join(missing)}",) if missing else ()
