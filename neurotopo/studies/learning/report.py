"""Frames, tables and pictures of the study ``learning``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.plots._series import look
from neurotopo.plots.learning_curves import LearningCurvesDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import corrected, frame_of, in_both, independent_cells, paired_cells
from neurotopo.studies.findings import MARGINS
from neurotopo.studies.pictures import legend_and_grid
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean, independent, mean_interval, paired
from neurotopo.studies.study import MakePicture, MakeTable

__all__ = [
    "LABELS",
    "PICTURES",
    "TABLES",
    "Collected",
    "collect",
    "comparisons",
    "gains",
    "label",
    "overlap_means",
    "overlap_tests",
]

LABELS = {
    "dkn": "Θ(D)",
    "kn": "Θ(N)",
    "random": "Θ(Rnd)",
    "random_layers": "Θ(Rnd by layer)",
    "all": "Θ(All)",
    "lora": "LoRA",
}
"""The names of the arms in a report, in order."""

SETS = ("new", "old", "au")
"""The sets of questions: new facts, facts known before, new facts in other words."""

_FACTS = "arm, seed, facts, fact, set, exact_before, exact_after, first_before, first_after"
_TRIALS = (
    "arm, seed, facts, n_facts, error, n_lessons, stopped, epochs, seconds, steps, n_trained, "
    "state_bytes, gradient_bytes, peak_bytes, n_layers, n_neurons, n_parameters, n_dkn, n_kn, "
    "size, topped_up, facts_with_dkn"
)
_CURVES = "arm, seed, epoch, step, new, old, au, loss"


@dataclass(frozen=True, eq=False)
class Collected:
    """The stored results of all trials of a run, by arm and seed.

    Attributes
    ----------
    facts : DataFrame
        A row per trial, set of questions and ``fact`` (its number in the facts with the digest
        ``facts``): whether the answer matched (``exact_before``, ``exact_after``) and whether its
        first token was the likeliest (``first_before``, ``first_after``).
    trials : DataFrame
        A row per trial: its cost, when it stopped, the model and the sizes of the sets, or the
        ``error`` if it failed.
    curves : DataFrame
        A row per trial and evaluation.
    overlap : list of (int, dict)
        Seed and stored overlap of each trial of full fine-tuning.
    settings : dict of (str, int) to dict
        The setting of each arm and seed.
    """

    facts: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    overlap: list[tuple[int, dict[str, Any]]]
    settings: dict[tuple[str, int], dict[str, Any]]

    @property
    def done(self) -> pd.DataFrame:
        """The trials that did not fail."""
        return self.trials[self.trials["error"].isna()]

    @property
    def arms(self) -> list[str]:
        """The arms with a trial that did not fail."""
        return sorted(set(self.done["arm"]), key=_place)

    def seeds(self, *arms: str) -> list[int]:
        """Return the seeds that all of some arms have."""
        done = self.done
        return sorted(set.intersection(*(set(done.loc[done["arm"] == a, "seed"]) for a in arms)))

    def values(self, arm: str, which: str, column: str, seeds: Iterable[int]) -> pd.Series:
        """Return 0 or 1 for each fact and seed, with the facts as index."""
        facts = self.facts
        kept = (facts["arm"] == arm) & (facts["set"] == which) & facts["seed"].isin(list(seeds))
        return facts[kept].set_index(["facts", "fact"])[column].astype(np.float64)

    def by_fact(self, arm: str, which: str, column: str, seeds: Iterable[int]) -> pd.Series:
        """Return the mean over seeds for each fact; ``"mean"`` is that of all sets."""
        seeds = list(seeds)
        if which != "mean":
            return self.values(arm, which, column, seeds).groupby(level=[0, 1]).mean()
        parts = [self.by_fact(arm, each, column, seeds) for each in SETS]
        return (parts[0] + parts[1] + parts[2]) / len(parts)

    def shares(self, column: str) -> pd.DataFrame:
        """Return in per cent, for each arm and seed, the mean of each set, and of the sets."""
        facts = self.facts
        means = facts.groupby(["arm", "seed", "set"])[column].mean().unstack("set")
        means = means.reindex(columns=list(SETS)).astype(np.float64) * 100
        means["mean"] = means.mean(axis=1, skipna=False)
        return means


def label(arm: str) -> str:
    """Return the name of an arm in a report."""
    return LABELS.get(arm, arm)


def collect(rows: Iterable[Row]) -> Collected:
    """Return the stored rows as frames; trials may have failed, and there may be none."""
    facts: list[pd.DataFrame] = []
    trials: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    overlap: list[tuple[int, dict[str, Any]]] = []
    settings: dict[tuple[str, int], dict[str, Any]] = {}
    for row in sorted(rows, key=_order):  # so that nothing depends on the order
        arm, seed = row.content["arm"], row.content["seed"]
        about = {name: row.content[name] for name in ("arm", "seed", "facts", "n_facts")}
        if row.error is not None:
            trials.append({**about, "error": row.error})
            continue
        result = row.stages["result"]
        sets = result["sets"]
        trials.append(
            {
                **about,
                "error": None,
                "n_lessons": len(result["after"]["old"]["exact"]),
                "stopped": result["stopped"],
                "epochs": result["epochs"],
                **result["cost"],
                **result["model"],
                "n_dkn": sets["dkn"],
                "n_kn": sets["kn"],
                **{name: sets[name] for name in ("size", "topped_up", "facts_with_dkn")},
            }
        )
        facts.extend(_fact_rows(arm, seed, row.content["facts"], result))
        curves.append(pd.DataFrame({"arm": arm, "seed": seed, **result["curve"]}))
        settings[arm, seed] = dict(result["setting"])
        if result.get("overlap"):
            overlap.append((seed, result["overlap"]))
    frame = frame_of(trials, _TRIALS)
    numbers = [name for name in frame if name not in ("arm", "facts", "error")]
    frame[numbers] = frame[numbers].apply(pd.to_numeric)  # nan instead of None
    frame["error"] = frame["error"].astype(object)
    return Collected(
        facts=_joined(facts, _FACTS),
        trials=frame,
        curves=_joined(curves, _CURVES),
        overlap=overlap,
        settings=settings,
    )


def overlap_means(run: Collected) -> pd.DataFrame:
    """Return the overlap with what full fine-tuning changed, as means over seeds.

    The columns are ``by`` (``"multiplier"`` of the largest change, or ``"share"`` of the neurons
    that changed most) and its ``value``, the ``seeds``, ``n_changed`` (nan for shares), the
    overlap by ``chance``, and that of ``dkn``, ``kn`` and ``random``.
    """
    size = run.done[["n_layers", "n_neurons"]].prod(axis=1)
    n_neurons = float(size.max())
    rows = []
    for seed, one in run.overlap:
        changed, shares = _floats(one["n_changed"]), one["shares"]
        parts = (
            ("multiplier", one["multipliers"], changed, changed / n_neurons, one["sets"]),
            ("share", shares, np.full(len(shares), np.nan), shares, one["by_share"]),
        )
        for by, values, counts, chance, sets in parts:
            columns = {"seed": seed, "by": by, "value": values, "n_changed": counts}
            own = {name: _floats(sets[name]) for name in ("dkn", "kn", "random") if name in sets}
            rows.append(pd.DataFrame({**columns, "chance": chance, **own}))
    names = "by, value, seeds, n_changed, chance, dkn, kn, random"
    if not rows:
        return frame_of([], names)
    groups = pd.concat(rows, ignore_index=True).groupby(["by", "value"])
    means = groups.mean().drop(columns="seed")
    return means.assign(seeds=groups.size()).reset_index().reindex(columns=names.split(", "))


def overlap_tests(run: Collected) -> pd.DataFrame:
    """Return for every seed and set the overlap at the chosen multiplier with its p-values."""
    rows = []
    for seed, one in run.overlap:
        # equal but for rounding
        at = np.flatnonzero(np.isclose(_floats(one["multipliers"]), one["multiplier"]))
        for name in one["p"]:
            rows.append(
                {
                    "seed": seed,
                    "set": name,
                    "multiplier": one["multiplier"],
                    "n_changed": one["n_changed"][at[0]] if len(at) else np.nan,
                    "overlap": _floats(one["sets"][name])[at[0]] if len(at) else np.nan,
                    "p": one["p"][name],
                    "p within layers": one["p_within_layers"].get(name, np.nan),
                }
            )
    columns = "seed, set, multiplier, n_changed, overlap, p, p within layers"
    return frame_of(rows, columns).astype({"p": float, "p within layers": float})


def _floats(values: Sequence[Any]) -> Any:
    return np.asarray(values, dtype=np.float64)


def _fact_rows(arm: str, seed: int, facts: str, result: Mapping[str, Any]) -> list[pd.DataFrame]:
    answered = [
        (f"{how}_{when}", when, how) for how in ("exact", "first") for when in ("before", "after")
    ]
    return [
        pd.DataFrame(
            {
                "arm": arm,
                "seed": seed,
                "facts": facts,
                "fact": np.arange(len(result["after"][which]["exact"])),
                "set": which,
                **{column: result[when][which][how] for column, when, how in answered},
            }
        )
        for which in SETS
    ]


def _joined(frames: list[pd.DataFrame], columns: str) -> pd.DataFrame:
    if not frames:
        return frame_of([], columns).astype(np.float64)
    return pd.concat(frames, ignore_index=True)[columns.split(", ")]


def _place(arm: str) -> tuple[int, str]:
    """Return the place of an arm in the order of a report; unknown ones come last."""
    known = list(LABELS)
    return (known.index(arm) if arm in LABELS else len(known)), arm


def _order(row: Row) -> tuple[Any, ...]:
    return (*_place(row.content["arm"]), row.content["seed"], row.fact)


BEFORE = "before training"
"""The row of the model before any training."""

_MEASURES = (*SETS, "mean")
_TEXT = {
    "exact": "Exact match: the answer written greedily is one of the valid answers.",
    "first": "First token: the likeliest next token is the first one of any valid answer.",
}
_SETS_TEXT = (
    "new: queries of the new year with their counterfactual answers; old: facts known before; au: "
    "paraphrased questions of new; mean: of the three."
)
_PAPER: tuple[tuple[str, str, str], ...] = (
    # the name in a setting, its meaning, and the paper's Table 3
    ("optimizer", "optimizer", "AdamW"),
    ("lr", "learning rate", "3e-5"),
    ("batch_size", "batch size", "16"),
    ("accumulation", "gradient accumulation steps", "4 (effective batch size 64)"),
    ("epochs", "training epochs, at most", "50"),
    ("schedule", "learning rate schedule", "linear decay with warmup"),
    ("warmup", "warmup", "10 % of all steps"),
    ("weight_decay", "weight decay", "0.01"),
    ("dropout", "dropout", "0.1"),
    ("clip", "gradient clipping", "1.0"),
)
_BESIDE = {
    "patience": "epochs without a lower training loss until it stops",
    "text": "texts",
    "lessons": "facts that are taught",
    "pretuned": "epochs of training on the old facts beforehand",
}
_ALWAYS = {"optimizer": "AdamW", "schedule": "linear decay with warmup"}  # no options of ours


def _table2(how: str, title: str, run: Collected) -> Table:
    rows = []
    # all arms of a seed begin from the same model: one value per seed
    before = run.shares(f"{how}_before").groupby(level="seed").mean()
    if len(before):
        rows.append(_over_seeds(BEFORE, before))
    after = run.shares(f"{how}_after")
    rows.extend(_over_seeds(arm, after.loc[arm]) for arm in run.arms)
    columns = ["arm", "seeds"]
    columns += [f"{each}{part}" for each in _MEASURES for part in ("", " low", " high")]
    return Table(
        pd.DataFrame(rows, columns=columns),
        title,
        f"Means over seeds with their 95 % intervals by t over seeds. {_TEXT[how]} {_SETS_TEXT} "
        f"Columns {how}_before and {how}_after of rows.csv.",
        dict.fromkeys(columns[2:], ".1f"),
    )


def _over_seeds(name: str, shares: pd.DataFrame) -> dict[str, Any]:
    """Return a row of Table 2 from the accuracies of each seed."""
    row: dict[str, Any] = {"arm": name, "seeds": len(shares)}
    for each in _MEASURES:
        mean, low, high = mean_interval(shares[each].to_numpy(dtype=np.float64))
        # with few seeds the interval by t may exceed the range of a share
        parts = (mean, max(low, 0.0), min(high, 100.0)) if low == low else (mean, low, high)
        row |= dict(zip((each, f"{each} low", f"{each} high"), parts, strict=True))
    return row


def gains(run: Collected) -> pd.DataFrame:
    """Compare every arm with the model before training, paired by fact on the means over seeds.

    The columns are ``arm``, ``set``, the ``seeds``, the facts ``n``, accuracies ``before`` and
    ``after`` in per cent, their difference ``gain`` in points with its 95 % interval ``low`` to
    ``high``, the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over the arms of a set,
    ``d`` and the ``margin``.
    """
    frames = []
    for which in SETS:
        part = []
        for arm in run.arms:
            seeds = run.seeds(arm)
            columns = (f"exact_{when}" for when in ("after", "before"))
            sides = (run.by_fact(arm, which, column, seeds) * 100 for column in columns)
            cells = paired_cells(paired(*sides), "after", "before", margin=MARGINS["points"])
            gain = {"gain": cells.pop("difference"), **cells}
            part.append({"arm": arm, "set": which, "seeds": len(seeds), **gain})
        names = "arm, set, seeds, n, before, after, gain, low, high, p, d, margin"
        frames.append(corrected(frame_of(part, names), ["p"]))
    return pd.concat(frames, ignore_index=True)


def comparisons(run: Collected) -> pd.DataFrame:
    """Compare DKNs with every other arm, paired by fact on the means over the seeds of both.

    The columns are ``set`` (``"mean"`` is that of the three), ``arm``, the ``seeds`` that both
    have and in how many of them the DKNs are ``above`` and ``below``, the facts ``n``, the
    accuracies of ``dkn`` and ``other`` in per cent, their ``difference`` in points with its 95 %
    interval ``low`` to ``high``, the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over
    the arms of a set, ``d`` and the ``margin``.
    """
    frames = []
    shares = run.shares("exact_after")
    for which in _MEASURES:
        part = []
        for arm in _others(run):
            seeds = run.seeds("dkn", arm)
            sides = (run.by_fact(x, which, "exact_after", seeds) * 100 for x in ("dkn", arm))
            by_seed = [shares.loc[("dkn", s), which] - shares.loc[(arm, s), which] for s in seeds]
            part.append(
                {
                    "set": which,
                    "arm": arm,
                    "seeds": len(seeds),
                    "above": sum(value > 0 for value in by_seed),
                    "below": sum(value < 0 for value in by_seed),
                    **paired_cells(
                        paired(*in_both(*sides)), "dkn", "other", margin=MARGINS["points"]
                    ),
                }
            )
        columns = "set, arm, seeds, above, below, n, dkn, other, difference, low, high, p, d"
        columns += ", margin"
        frames.append(corrected(frame_of(part, columns), ["p"]))
    return pd.concat(frames, ignore_index=True)


def _others(run: Collected) -> list[str]:
    """Return the arms that have a seed in common with the DKNs."""
    if "dkn" not in run.arms:
        return []
    return [arm for arm in run.arms if arm != "dkn" and run.seeds("dkn", arm)]


def _gains_table(run: Collected) -> Table:
    return Table(
        gains(run),
        "What training changed, by arm",
        "Exact match in per cent before and after, paired by fact on the means over seeds; gain in "
        "points with its 95 % interval over facts; p: Wilcoxon's signed-rank test, Holm-corrected "
        "over the arms of a set; d: mean difference / its standard deviation; margin: the smallest "
        "gain that is claimed.",
        {"p": "p"},
    )


def _table8(run: Collected) -> Table:
    rows = []
    for which in SETS:
        for arm in _others(run):
            seeds = run.seeds("dkn", arm)
            values = (run.values(each, which, "exact_after", seeds) for each in ("dkn", arm))
            cells = independent_cells(independent(*values), ["n"])
            rows.append({"set": which, "dkn against": arm, **cells})
    return Table(
        frame_of(rows, "set, dkn against, n, t, p, d, Welch t, Welch p"),
        "Table 8. Independent t-tests of accuracy, as in the paper",
        "Over facts, pooled over the seeds that both arms have. These tests treat the same facts "
        "as different ones and each seed as new facts, and are not corrected for many tests; the "
        "table of paired tests avoids all three.",
        {"p": "p", "Welch p": "p"},
    )


def _table8_paired(run: Collected) -> Table:
    return Table(
        comparisons(run).rename(columns={"arm": "dkn against"}),
        "DKNs against the other arms, paired by fact",
        "Exact match in per cent, each fact with its mean over the seeds that both arms have; "
        "difference in points with its 95 % interval over facts; p: Wilcoxon's signed-rank test, "
        "Holm-corrected over the arms of a set; d: mean difference / its standard deviation. "
        "margin: the smallest difference that is claimed. above and below: seeds in which the "
        "DKNs do better and worse. Facts are the sample: the "
        "tests are about other facts, not about other models.",
        {"p": "p"},
    )


def _table11(run: Collected) -> Table:
    done = run.done.assign(
        training_bytes=run.done["state_bytes"] + run.done["gradient_bytes"],
        step_seconds=run.done["seconds"] / run.done["steps"],
    ).set_index(["arm", "seed"])
    rows = []
    for arm in run.arms:
        own = done.loc[arm]
        shared = run.seeds(arm, "all")
        row: dict[str, Any] = {"arm": arm, "seeds": len(own)}
        for name, column, of_all in (
            ("seconds", "seconds", "seconds / all"),
            ("epochs", "stopped", None),
            ("steps", "steps", None),
            ("ms per step", "step_seconds", "step time / all"),
            ("n_trained", "n_trained", "trained / all"),
            ("state + gradient bytes", "training_bytes", "bytes / all"),
            ("peak_bytes", "peak_bytes", None),
        ):
            row[name] = finite_mean(own[column])
            if of_all:
                arms = (arm, "all") if shared else ()
                sums = [float(done.loc[(each, shared), column].sum()) for each in arms]
                row[of_all] = sums[0] / sums[1] if sums and sums[1] > 0 else math.nan
        row["ms per step"] *= 1000
        rows.append(row)
    columns = (
        "arm, seeds, seconds, seconds / all, epochs, steps, ms per step, step time / all, "
        "n_trained, trained / all, state + gradient bytes, bytes / all, peak_bytes"
    )
    return Table(
        frame_of(rows, columns),
        "Table 11. Time and memory",
        "Means over seeds; '/ all': relative to full fine-tuning, over the seeds that both have. "
        "seconds: of the whole training, as arms may stop at different epochs; ms per step: the "
        "speed of a step. n_trained: numbers that are trained; state: that of the optimizer. "
        "peak_bytes: the most memory in use, where it could be measured.",
        {
            **dict.fromkeys(("ms per step", "seconds"), ".1f"),
            **dict.fromkeys(("state + gradient bytes", "peak_bytes"), ",.0f"),
        },
    )


def _sets(run: Collected) -> Table:
    columns = ["n_lessons", "facts_with_dkn", "n_dkn", "n_kn", "topped_up", "size"]
    frame = run.done.groupby("seed", as_index=False)[columns].first()
    first = run.done.groupby("seed")[["n_layers", "n_neurons"]].first()
    frame["share of all"] = frame["size"] / first.prod(axis=1).to_numpy(dtype=np.float64)
    return Table(
        frame,
        "The sets of neurons by seed",
        "n_dkn: DKNs of the old facts, from facts_with_dkn of n_lessons; n_kn: knowledge neurons "
        "that are no DKNs, before the sizes are matched; topped_up: DKNs added to these where they "
        "are too few, as in the paper; size: neurons that each arm trains, all and "
        "lora aside; share of all: of the neurons of all layers.",
    )


def _overlap(run: Collected) -> Table | None:
    if not run.overlap:
        return None
    return Table(
        overlap_means(run),
        "Overlap of the sets with the neurons that full fine-tuning changes",
        "Means over seeds of |set with changed| / |set| (Eq 14). multiplier: a neuron counts as "
        "changed above this multiple of the largest change of a neuron (Eq 12, 19 and 20); share: "
        "this share of all neurons, those that changed most, counts, which does not depend on a "
        "single largest change. chance: the share of all neurons that changed, which is the "
        "expected overlap of a random set.",
    )


def _overlap_p(run: Collected) -> Table | None:
    if not run.overlap:
        return None
    return Table(
        overlap_tests(run),
        "Overlap by seed, with p-values",
        "At the multiplier that is chosen beforehand. p: the probability that a random set of the "
        "same size overlaps as much or more; within layers: that of a random set with as many "
        "neurons in each layer, so that layers which change much explain nothing. Not corrected.",
        {"p": "p", "p within layers": "p"},
    )


def _setting(run: Collected) -> Table:
    by_name: dict[str, dict[str, list[str]]] = {}
    for (arm, _), setting in run.settings.items():
        for name, value in setting.items():
            text = f"{value:g}" if isinstance(value, float) else str(value)
            by_name.setdefault(name, {}).setdefault(text, []).append(label(arm))
    if run.settings:
        by_name |= {k: {v: []} for k, v in _ALWAYS.items() if k not in by_name}
    rows: list[tuple[str, str | None, str | None]]
    rows = [(what, paper, _used(by_name.pop(name, {}))) for name, what, paper in _PAPER]
    rows += [(_BESIDE.get(name, name), None, _used(used)) for name, used in by_name.items()]
    seeds = sorted({seed for _, seed in run.settings})
    rows.append(("random seeds", "42", ", ".join(map(str, seeds)) or None))
    return Table(
        pd.DataFrame(rows, columns=["what", "paper", "here"]),
        "Table 3. Hyperparameters, the paper's and those of this run",
        "Where arms differ, each value is followed by its arms.",
    )


def _used(values: Mapping[str, Sequence[str]]) -> str | None:
    """Return the value that was used, with its arms if these differ."""
    if len(values) < 2:
        return next(iter(values), None)
    return "; ".join(f"{value} ({', '.join(dict.fromkeys(a))})" for value, a in values.items())


def _trials(run: Collected) -> Table:
    return Table(
        run.trials,
        "The trials",
        "A trial is one training of one arm with one seed; 'error': why it failed. 'stopped': its "
        "last epoch, by the rule for stopping, the same for all arms; 'epochs': the most epochs.",
    )


TABLES: dict[str, MakeTable] = {
    "table2": partial(_table2, "exact", "Table 2. Accuracy by arm, in per cent"),
    "table2_first": partial(_table2, "first", "Accuracy of the first token, in per cent"),
    "gains": _gains_table,
    "table8": _table8,
    "table8_paired": _table8_paired,
    "table11": _table11,
    "sets": _sets,
    "overlap": _overlap,
    "overlap_p": _overlap_p,
    "setting": _setting,
    "trials": _trials,
}
"""The tables, in the order of a report."""


_PANELS = {"new": "new facts", "old": "old facts", "au": "new facts, paraphrased"}
_MAPS = {"changed": "changed (ΔN)", "dkn": "D", "kn": "N", "random": "Rnd"}


def _curves(run: Collected, _: Mapping[str, Table]) -> Picture | None:
    if not len(run.curves):
        return None
    runs: dict[str, list[tuple[Any, Any]]] = {}
    for arm in run.arms:
        own = run.curves[run.curves["arm"] == arm]
        runs[label(arm)] = [
            (one["step"].to_numpy(), one[list(SETS)].to_numpy(dtype=np.float64))
            for _, one in own.groupby("seed")
        ]
    ax = free_axes(10.0, 4.0)
    LearningCurvesDisplay.from_runs(runs, [_PANELS[name] for name in SETS], ax=ax)
    return Picture(
        ax.figure,
        "Learning curves: exact match against steps",
        "Means over seeds; bands reach from the least to the greatest seed. The rule that stops "
        "the training is the same for all arms; after its end a seed keeps its last values, and "
        "the short line across is where the last seed ended. From the curves in the stage result "
        "of results.sqlite.",
    )


def _trade_off(run: Collected, _: Mapping[str, Table]) -> Picture | None:
    if not len(run.facts):
        return None
    after = run.shares("exact_after")
    before = run.shares("exact_before").groupby(level="seed").mean().mean()
    ax = free_axes(6.4, 5.4)
    handles, names = [], []
    for k, arm in enumerate(run.arms):  # the looks of the learning curves
        handles.append(_point(ax, after.loc[arm], k))
        names.append(label(arm))
    handles.append(
        ax.scatter(
            [before["new"]], [before["old"]], s=110, facecolors="none", edgecolors="0.3", zorder=2
        )
    )
    ax.set(xlabel="new facts (%)", ylabel="old facts (%)")
    ax.set(xlim=(-4, 104), ylim=(-4, 104), aspect="equal")
    legend_and_grid(ax, handles, [*names, BEFORE])
    return Picture(
        ax.figure,
        "New facts learned against old facts kept",
        "Exact match after training. Large points are means over seeds, small ones the seeds; bars "
        "reach from the least to the greatest seed. To the right more is learned, further up more "
        "is kept. The numbers are in the table table2.",
    )


def _point(ax: Any, seeds: pd.DataFrame, k: int) -> Any:
    """Draw the mean of an arm and its seeds."""
    style = look(k)
    x, y = (seeds[name].to_numpy(dtype=np.float64) for name in ("new", "old"))
    bars = {
        f"{axis}err": [[each.mean() - each.min()], [each.max() - each.mean()]]
        for axis, each in (("x", x), ("y", y))
    }
    if len(x) > 1:
        ax.scatter(x, y, s=10, color=style["color"], alpha=0.5, linewidths=0, zorder=3)
    bars_and_point = ax.errorbar(
        [x.mean()],
        [y.mean()],
        **bars,
        color=style["color"],
        marker=style["marker"],
        linestyle="none",
        markersize=8,
        markeredgecolor="white",
        elinewidth=1.2,
        zorder=4,
    )
    return bars_and_point.lines[0]


def _maps(run: Collected, _: Mapping[str, Table]) -> Picture | None:
    if not any(one.get("maps") for _, one in run.overlap):
        return None
    # imports models, which few pictures need
    from neurotopo.plots.changes import NeuronMapsDisplay

    seed, one = next((seed, one) for seed, one in run.overlap if one.get("maps"))
    own = overlap_tests(run)
    by_set = own[own["seed"] == seed].set_index("set")["overlap"]
    maps = {_MAPS[name]: one["maps"][name] for name in _MAPS if name in one["maps"]}
    overlaps = {_MAPS[name]: float(value) for name, value in by_set.items() if name in one["maps"]}
    ax = free_axes(10.4, float(np.clip(2.2 + 0.12 * len(next(iter(maps.values()))), 2.6, 6.0)))
    NeuronMapsDisplay.from_maps(maps, overlaps, ax=ax)
    return Picture(
        ax.figure,
        "Figure 5. What full fine-tuning changes, and where the sets of neurons lie",
        f"Numbers of neurons by layer and bin, of seed {seed}. Changed: by more than "
        f"{one['multiplier']:g} of the largest change. O is the share of a set that changed. Each "
        "panel has its own colours, as the sets differ in size. The overlap by chance is in the "
        "table overlap.",
    )


PICTURES: dict[str, MakePicture] = {"curves": _curves, "trade_off": _trade_off, "figure5": _maps}
"""The pictures, in the order of a report."""
