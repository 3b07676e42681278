"""Findings of the learning study, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.dataset import pluralize
from neurotopo.report.summary import Table
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    MARGINS,
    and_list,
    as_claim,
    margin_words,
    nothing_done,
    outcome,
    p_words,
    records,
    row_stands,
    too_few,
    verdict,
)
from neurotopo.studies.learning.report import Collected, comparisons, gains, label, overlap_tests

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["findings_of"]

_CONTROLS = ("kn", "random", "random_layers")
_NEAR = 0.1  # the largest relative difference of two numbers of parameters that count as equal
_NAMES = {"new": "new facts", "old": "old facts", "au": "paraphrased", "mean": "mean of the three"}
_MARGIN = margin_words(MARGINS["points"], "point")
_SHARED = ("lr", "batch_size", "accumulation", "epochs", "weight_decay", "dropout", "patience")
_Changes = Mapping[tuple[str, str], Mapping[str, Any]]


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    if not len(frames.done):
        return (nothing_done(frames.trials["error"], "trial"),)
    changes = {(row["set"], row["arm"]): row for row in records(gains(frames))}
    if few := too_few(max(row["n"] for row in changes.values()), "taught fact"):
        return (*_missing(frames), few)
    learners = [arm for arm in frames.arms if _gained(changes["new", arm])]
    pairs: dict[str, dict[str, Any]] = {}
    for row in records(comparisons(frames)):
        pairs.setdefault(row["arm"], {})[row["set"]] = row
    sentences = [
        *_missing(frames),
        *_fairness(frames),
        _neurons(frames),
        _before(frames),
        _learned(changes, frames.arms, learners),
        _kept(changes, frames.arms, learners),
        _ranking(frames),
        *(_against(arm, rows, learners) for arm, rows in pairs.items()),
        _forgetting(changes, pairs.get("all", {}).get("old"), learners),
        _cost(tables["table11"].frame),
        *_overlap(frames),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _missing(run: Collected) -> list[str]:
    """Say which trials, seeds and intervals are missing."""
    sentences = []
    failed = run.trials[run.trials["error"].notna()]
    if len(failed):
        names = ", ".join(f"{label(row.arm)} (seed {row.seed})" for row in failed.itertuples())
        sentences.append(
            f"{len(failed):,} of {pluralize(len(run.trials), 'trial')} failed: {names}; the first: "
            f"{failed['error'].iloc[0]}"
        )
    n_seeds = run.done.groupby("arm")["seed"].nunique()
    most = run.done["seed"].nunique()
    fewer = [f"{label(arm)} {n_seeds[arm]}" for arm in run.arms if n_seeds[arm] < most]
    if fewer:
        sentences.append(
            f"There are {most} seeds, but some arms have fewer: {', '.join(fewer)}. Arms are "
            "compared over the seeds that both have."
        )
    if most == 1:
        sentences.append(
            "There is one seed only: there are no intervals over seeds, and the effect of another "
            "order of the texts or of other random neurons is not known."
        )
    return sentences


def _fairness(run: Collected) -> list[str]:
    """Say where the arms had different conditions."""
    sentences = []
    unlike = [
        name
        for name in _SHARED
        if len({str(setting.get(name)) for setting in run.settings.values()}) > 1
    ]
    if unlike:
        sentences.append(
            f"Not all trials had the same {', '.join(unlike)} (see the table setting), so arms "
            "differ in more than the neurons that they train."
        )
    before = run.shares("exact_before").groupby(level="seed").nunique()
    if (before > 1).any(axis=None):
        sentences.append(
            "The arms of a seed did not all begin with the same answers, so their accuracies do "
            "not have the same start."
        )
    trained = run.done.groupby("arm")["n_trained"].mean()
    if "lora" in trained and "dkn" in trained:
        ratio = trained["lora"] / trained["dkn"] if trained["dkn"] else math.inf
        if abs(ratio - 1) > _NEAR:
            sentences.append(
                f"LoRA trains {ratio:.2g} times the parameters of Θ(D), instead of as many."
            )
    return sentences


def _neurons(run: Collected) -> str:
    done = run.done
    first = done.iloc[0]
    if not (done["n_dkn"] > 0).any():
        return (
            "No DKNs were found for the old facts: Θ(D), and the arms that have its size, have "
            "nothing to train, and nothing can be said about DKNs."
        )
    share = first["size"] / (first["n_layers"] * first["n_neurons"])
    sentence = (
        f"D has {first['n_dkn']:,.0f} neurons ({share:.2%} of all), from "
        f"{first['facts_with_dkn']:,.0f} of {first['n_lessons']:,.0f} old facts."
    )
    added = first["topped_up"] / first["size"] if first["size"] else 0.0
    if added:
        sentence += f" {added:.0%} of Θ(N) are DKNs that were added to match the size."
    if added > 0.5:
        sentence += " So it is mostly made of DKNs, and comparing the two says little."
    return sentence


def _before(run: Collected) -> str:
    known = run.shares("exact_before").groupby(level="seed").mean().mean()
    sentence = (
        f"Before training the model answers {known['old']:.1f} % of the old facts, "
        f"{known['new']:.1f} % of the new ones and {known['au']:.1f} % of the paraphrased ones."
    )
    if known["old"] == 0:
        sentence += " It knows no old fact, so nothing can be said about keeping them."
    elif known["old"] < 50:
        sentence += " Most old facts are not known, so sentences about keeping them are about few."
    return sentence


def _gained(row: Mapping[str, Any]) -> bool:
    return row_stands(row, difference="gain")


def _learned(changes: _Changes, arms: Sequence[str], learners: Sequence[str]) -> str:
    rows = {arm: changes["new", arm] for arm in arms}
    if all(row["n"] < FEW for row in rows.values()):
        return "Whether anything was learned: too few facts for a claim."
    listed = ", ".join(
        f"{label(arm)} {rows[arm]['before']:.1f} to {rows[arm]['after']:.1f} %" for arm in arms
    )
    if not learners:
        return (
            f"No arm has learned the new facts ({listed}; no gain beyond chance of at "
            f"least the margin of {_MARGIN}). So nothing below "
            "says which neurons are good for learning, and keeping old facts shows nothing."
        )
    sentence = "New facts are learned by " + and_list(
        [f"{label(a)} ({rows[a]['gain']:+.1f} points)" for a in learners]
    )
    others = [f"{label(arm)} ({rows[arm]['gain']:+.1f})" for arm in arms if arm not in learners]
    if others:
        sentence += f"; no gain beyond chance and the margin of {_MARGIN}: {and_list(others)}"
    best = _best({arm: row["after"] for arm, row in rows.items()})
    return f"{sentence}. The most after training: {best}."


def _kept(changes: _Changes, arms: Sequence[str], learners: Sequence[str]) -> str:
    rows = {arm: changes["old", arm] for arm in arms}
    if all(row["n"] < FEW or not row["before"] > 0 for row in rows.values()):
        return ""
    best = _best({arm: row["after"] for arm, row in rows.items()})
    lost = [
        f"{label(arm)} ({row['gain']:+.1f} points)"
        for arm, row in rows.items()
        if row_stands(row, -1, difference="gain")
    ]
    sentence = f"Old facts are kept best by {best}."
    if lost:
        sentence += f" Some are forgotten by {and_list(lost)}."
    else:
        sentence += f" No arm has forgotten any beyond chance and the margin of {_MARGIN}."
    if learners:
        own = _best({arm: rows[arm]["after"] for arm in learners})
        sentence += f" Of the arms that have learned: {own}."
    return sentence


def _best(values: Mapping[str, float]) -> str:
    """Return the arms with the greatest value, which may be several."""
    known = {arm: value for arm, value in values.items() if math.isfinite(value)}
    most = max(known.values(), default=math.nan)
    names = [label(arm) for arm, value in known.items() if math.isclose(value, most)]
    return f"{and_list(names)} ({most:.1f} %)" if names else "none"


def _ranking(run: Collected) -> str:
    means = run.shares("exact_after")["mean"].groupby(level="arm").mean().dropna()
    if len(means) < 2:
        return ""
    order = means.sort_values(ascending=False, kind="stable")
    listed = ", ".join(f"{label(arm)} {value:.1f}" for arm, value in order.items())
    return f"By the mean of the three sets of questions: {listed}."


def _against(arm: str, rows: Mapping[str, Mapping[str, Any]], learners: Sequence[str]) -> str:
    """Say how the DKNs compare with another arm on every set of questions."""
    first = next(iter(rows.values()))
    if max(row["n"] for row in rows.values()) < FEW:
        return f"Θ(D) against {label(arm)}: too few facts for a claim."
    parts = [f"{_NAMES[name]} {_verdict(row)}" for name, row in rows.items() if row["n"]]
    behind = f"{pluralize(first['n'], 'fact')}, {_seeds(first['seeds'])}"
    sentence = f"Θ(D) against {label(arm)} ({behind}): {'; '.join(parts)}."
    if "dkn" not in learners and arm not in learners:
        sentence += " Neither has learned the new facts."
    elif "dkn" not in learners:
        sentence += " Θ(D) has not learned the new facts, so keeping old ones is easy for it."
    elif arm not in learners:
        sentence += (
            f" {label(arm)} has not learned the new facts, so keeping old ones is easy for it."
        )
    better = any(map(row_stands, rows.values()))
    return as_claim(sentence, better and arm in _CONTROLS and "dkn" in learners)


def _verdict(row: Mapping[str, Any]) -> str:
    points = f"{row['difference']:+.1f} points"
    none = f"no difference beyond chance ({points})"
    how = verdict(row, "better", "worse", unit="point", few="on too few facts", none=none)
    if how not in ("better", "worse"):
        return how if outcome(row) in ("few", "none") else f"{how} ({points})"
    agreeing = "above" if how == "better" else "below"
    text = f"{how} ({points}, {p_words(row['p'])}"
    if row[agreeing] < row["seeds"]:
        text += f", but in {row[agreeing]} of {row['seeds']} seeds only"
    return text + ")"


def _forgetting(changes: _Changes, row: Mapping[str, Any] | None, learners: Sequence[str]) -> str:
    """Say whether full fine-tuning forgets more than the DKNs do."""
    if row is None or row["n"] < FEW or not changes["old", "dkn"]["before"] > 0:
        return ""
    numbers = f"{row['other']:.1f} % of the old facts are left, with Θ(D) {row['dkn']:.1f} %"
    result = outcome(row)
    if result in ("none", "zero"):
        return f"Full fine-tuning does not forget more than Θ(D) beyond chance: {numbers}."
    if result == "small":
        return (
            "Between full fine-tuning and Θ(D) the difference in forgetting is beyond chance, but "
            f"below the margin of {_MARGIN}: {numbers}."
        )
    if result == "less":
        return f"Full fine-tuning forgets less than Θ(D): {numbers} ({p_words(row['p'])})."
    sentence = f"Full fine-tuning forgets more than Θ(D): {numbers} ({p_words(row['p'])})."
    if "all" in learners and "dkn" not in learners:
        sentence += " But only full fine-tuning has learned the new facts."
    return sentence


def _cost(frame: pd.DataFrame) -> str:
    """Say what training the DKNs costs compared with full fine-tuning."""
    row = frame.set_index("arm").to_dict("index").get("dkn", {})
    if not math.isfinite(row.get("seconds / all", math.nan)):
        return ""
    return (
        f"Θ(D) trains {row['trained / all']:.2%} of the numbers that full fine-tuning trains, with "
        f"{row['bytes / all']:.2%} of the memory for gradients and the state of the optimizer; it "
        f"takes {row['seconds / all']:.0%} of the time ({row['step time / all']:.0%} for a step)."
    )


def _overlap(run: Collected) -> list[str]:
    """Say whether the sets overlap with what full fine-tuning changed."""
    tests = overlap_tests(run)
    tests = tests[tests["overlap"].notna()]
    own = tests[tests["set"] == "dkn"].set_index("seed")
    if not len(own):
        return []
    n_neurons = float(run.done[["n_layers", "n_neurons"]].prod(axis=1).max())
    chance = own["n_changed"].mean() / n_neurons
    sentences = [
        f"Full fine-tuning changes {chance:.1%} of all neurons by more than "
        f"{own['multiplier'].iloc[0]:g} of the largest change; of D it is "
        f"{own['overlap'].mean():.1%}: {_by_chance(own, n_neurons)}."
    ]
    if chance > 0.9:
        sentences.append(
            "Nearly all neurons count as changed at this threshold, so every set overlaps; see the "
            "shares in the table overlap."
        )
    parts = []
    for name in ("kn", "random"):
        other = tests[tests["set"] == name].set_index("seed")
        gap = (own["overlap"] - other["overlap"]).dropna()  # of the seeds that have both
        if len(gap):
            parts.append(f"{label(name)} ({other['overlap'].mean():.1%}): {_in_seeds(gap)}")
    if parts:
        sentences.append(
            f"The overlap of D ({own['overlap'].mean():.1%}) against that of other sets: "
            f"{'; '.join(parts)}. This is no test: D is the same in every seed."
        )
    return sentences


def _by_chance(own: pd.DataFrame, n_neurons: float) -> str:
    """Return the verdict of the tests; the worst seed counts, as they are not independent."""
    excess = float((own["overlap"] - own["n_changed"] / n_neurons).min())
    p, within = float(own["p"].max()), float(own["p within layers"].max())
    several = len(own) > 1
    if not p < ALPHA:
        where = " in the worst seed" if several else ""
        return f"no more than by chance ({p_words(p)}{where})"
    of = " or less in each seed" if several else ""
    if excess < MARGINS["share"]:
        return f"more than chance ({p_words(p)}{of}), but by less than the margin of {_MARGIN}"
    if not within < ALPHA:
        return (
            f"more than chance ({p_words(p)}{of}), but no more than its layers explain "
            f"({p_words(within)} within layers)"
        )
    return f"more than chance ({p_words(p)}{of}), within layers too ({p_words(within)})"


def _in_seeds(gap: pd.Series) -> str:
    more, less = int((gap > 0).sum()), int((gap < 0).sum())
    if not more and not less:
        return "no different in any seed"
    parts = [f"{how} in {n}" for how, n in (("larger", more), ("smaller", less)) if n]
    return f"that of D is {' and '.join(parts)} of {_seeds(len(gap))}"


def _seeds(n: int) -> str:
    return f"{n} seed" if n == 1 else f"{n} seeds"
