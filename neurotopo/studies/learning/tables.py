"""The tables of the learning study: the paper's, and what has to stand beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.learning.rows import SETS, Collected, label, overlap_means, overlap_tests
from neurotopo.studies.statistics import finite_mean, holm, independent, mean_interval, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BEFORE", "comparisons", "gains", "tables_of"]

BEFORE = "before training"
"""The row of the model as it was."""

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
    # the name in a setting, what it is, and the paper's Table 3
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


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report."""
    tables = {
        "table2": _table2(found, "exact", "Table 2. Accuracy by arm, in per cent"),
        "table2_first": _table2(found, "first", "Accuracy of the first token, in per cent"),
        "gains": _gains_table(found),
        "table8": _table8(found),
        "table8_paired": _table8_paired(found),
        "table11": _table11(found),
        "sets": _sets(found),
    }
    if found.overlap:
        tables["overlap"] = _overlap(found)
        tables["overlap_p"] = _overlap_p(found)
    tables["setting"] = _setting(found)
    tables["trials"] = Table(
        found.trials,
        "The trials",
        "A trial is one training of one arm with one seed; error says why one failed. stopped: the "
        "epoch at which the rule that is equal for all arms stopped it, of so many epochs.",
    )
    return tables


def _table2(found: Collected, how: str, title: str) -> Table:
    import pandas as pd

    rows = []
    # all arms of a seed begin from the same model: one value per seed
    before = found.shares(f"{how}_before").groupby(level="seed").mean()
    if len(before):
        rows.append(_over_seeds(BEFORE, before))
    after = found.shares(f"{how}_after")
    rows.extend(_over_seeds(arm, after.loc[arm]) for arm in found.arms)
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
        # Of few seeds the interval by t may leave what a share can be.
        parts = (mean, max(low, 0.0), min(high, 100.0)) if low == low else (mean, low, high)
        row |= dict(zip((each, f"{each} low", f"{each} high"), parts, strict=True))
    return row


def gains(found: Collected) -> pd.DataFrame:
    """Compare every arm with the model as it was, paired by fact on the means over seeds.

    The columns are ``arm``, ``set``, the ``seeds``, the facts ``n``, accuracies ``before`` and
    ``after`` in per cent, their difference ``gain`` in points with its 95 % interval ``low`` to
    ``high``, the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over the arms of a set, and
    ``d``.
    """
    import pandas as pd

    rows = []
    for which in SETS:
        part = []
        for arm in found.arms:
            seeds = found.seeds(arm)
            result = paired(
                found.by_fact(arm, which, "exact_after", seeds) * 100,
                found.by_fact(arm, which, "exact_before", seeds) * 100,
            )
            part.append(
                {
                    "arm": arm,
                    "set": which,
                    "seeds": len(seeds),
                    "n": result.n,
                    "before": result.mean_b,
                    "after": result.mean_a,
                    "gain": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
        rows.extend(_corrected(part))
    columns = ["arm", "set", "seeds", "n", "before", "after", "gain", "low", "high", "p", "d"]
    return pd.DataFrame(rows, columns=columns)


def _corrected(part: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Correct the p-values of rows that are tests of one family."""
    adjusted = holm(np.array([row["p"] for row in part], dtype=np.float64)).tolist()
    return [{**row, "p": p} for row, p in zip(part, adjusted, strict=True)]


def comparisons(found: Collected) -> pd.DataFrame:
    """Compare DKNs with every other arm, paired by fact on the means over the seeds of both.

    The columns are ``set`` (``"mean"`` is that of the three), ``arm``, the ``seeds`` that both
    have and in how many of them the DKNs are ``above`` and ``below``, the facts ``n``, the
    accuracies of ``dkn`` and ``other`` in per cent, their ``difference`` in points with its 95 %
    interval ``low`` to ``high``, the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over
    the arms of a set, and ``d``.
    """
    import pandas as pd

    rows = []
    shares = found.shares("exact_after")
    for which in _MEASURES:
        part = []
        for arm in _others(found):
            seeds = found.seeds("dkn", arm)
            both = pd.concat(
                [found.by_fact(each, which, "exact_after", seeds) * 100 for each in ("dkn", arm)],
                axis=1,
                join="inner",
            ).to_numpy(dtype=np.float64)
            result = paired(both[:, 0], both[:, 1])
            by_seed = [shares.loc[("dkn", s), which] - shares.loc[(arm, s), which] for s in seeds]
            part.append(
                {
                    "set": which,
                    "arm": arm,
                    "seeds": len(seeds),
                    "above": sum(value > 0 for value in by_seed),
                    "below": sum(value < 0 for value in by_seed),
                    "n": result.n,
                    "dkn": result.mean_a,
                    "other": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
        rows.extend(_corrected(part))
    columns = [
        "set",
        "arm",
        "seeds",
        "above",
        "below",
        "n",
        "dkn",
        "other",
        "difference",
        "low",
        "high",
        "p",
        "d",
    ]
    return pd.DataFrame(rows, columns=columns)


def _others(found: Collected) -> list[str]:
    """Return the arms that have a seed in common with the DKNs."""
    if "dkn" not in found.arms:
        return []
    return [arm for arm in found.arms if arm != "dkn" and found.seeds("dkn", arm)]


def _gains_table(found: Collected) -> Table:
    return Table(
        gains(found),
        "What training changed, by arm",
        "Exact match in per cent before and after, paired by fact on the means over seeds; gain in "
        "points with its 95 % interval over facts; p: Wilcoxon's signed-rank test, Holm-corrected "
        "over the arms of a set; d: mean difference / its standard deviation.",
        {"p": "p"},
    )


def _table8(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for which in SETS:
        for arm in _others(found):
            seeds = found.seeds("dkn", arm)
            values = [found.values(each, which, "exact_after", seeds) for each in ("dkn", arm)]
            result = independent(*values)
            rows.append(
                {
                    "set": which,
                    "dkn against": arm,
                    "n": result.n_a,
                    "t": result.t,
                    "p": result.p,
                    "d": result.d,
                    "Welch t": result.welch_t,
                    "Welch p": result.welch_p,
                }
            )
    columns = ["set", "dkn against", "n", "t", "p", "d", "Welch t", "Welch p"]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "Table 8. Independent t-tests of accuracy, as in the paper",
        "Over facts, pooled over the seeds that both arms have. It takes the same facts for "
        "different ones and each seed for new facts, and is not corrected for many tests; the "
        "table of paired tests mends all three.",
        {"p": "p", "Welch p": "p"},
    )


def _table8_paired(found: Collected) -> Table:
    frame = comparisons(found).rename(columns={"arm": "dkn against"})
    return Table(
        frame,
        "DKNs against the other arms, paired by fact",
        "Exact match in per cent, each fact with its mean over the seeds that both arms have; "
        "difference in points with its 95 % interval over facts; p: Wilcoxon's signed-rank test, "
        "Holm-corrected over the arms of a set; d: mean difference / its standard deviation. "
        "above and below: seeds in which the DKNs do better and worse. The facts are what is "
        "drawn here: it is about other facts, not about other models.",
        {"p": "p"},
    )


def _table11(found: Collected) -> Table:
    import pandas as pd

    done = found.done.assign(
        training_bytes=found.done["state_bytes"] + found.done["gradient_bytes"],
        step_seconds=found.done["seconds"] / found.done["steps"],
    ).set_index(["arm", "seed"])
    rows = []
    for arm in found.arms:
        own = done.loc[arm]
        shared = found.seeds(arm, "all")
        row: dict[str, Any] = {"arm": arm, "seeds": len(own)}
        for name, column in (("seconds", "seconds"), ("epochs", "stopped"), ("steps", "steps")):
            row[name] = finite_mean(own[column])
        row["ms per step"] = finite_mean(own["step_seconds"]) * 1000
        row["n_trained"] = finite_mean(own["n_trained"])
        row["state + gradient bytes"] = finite_mean(own["training_bytes"])
        row["peak_bytes"] = finite_mean(own["peak_bytes"])
        for name, column in (
            ("seconds / all", "seconds"),
            ("step time / all", "step_seconds"),
            ("trained / all", "n_trained"),
            ("bytes / all", "training_bytes"),
        ):
            parts = [done.loc[(each, shared), column] for each in (arm, "all")] if shared else []
            row[name] = _ratio(*parts) if parts else math.nan
        rows.append(row)
    columns = [
        "arm",
        "seeds",
        "seconds",
        "seconds / all",
        "epochs",
        "steps",
        "ms per step",
        "step time / all",
        "n_trained",
        "trained / all",
        "state + gradient bytes",
        "bytes / all",
        "peak_bytes",
    ]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "Table 11. Time and memory",
        "Means over seeds; '/ all': relative to full fine-tuning, over the seeds that both have. "
        "Arms may stop at different epochs, so the seconds are of the whole training, and the "
        "milliseconds per step say how fast a step is. n_trained: numbers that are trained; state: "
        "that of the optimizer. peak_bytes: the most memory in use, where it could be measured.",
        {
            "ms per step": ".1f",
            "seconds": ".1f",
            "state + gradient bytes": ",.0f",
            "peak_bytes": ",.0f",
        },
    )


def _ratio(above: pd.Series, below: pd.Series) -> float:
    total = float(below.sum())
    return float(above.sum()) / total if total > 0 else math.nan


def _sets(found: Collected) -> Table:
    columns = ["n_lessons", "facts_with_dkn", "n_dkn", "n_kn", "topped_up", "size"]
    frame = found.done.groupby("seed", as_index=False)[columns].first()
    first = found.done.groupby("seed")[["n_layers", "n_neurons"]].first()
    frame["share of all"] = frame["size"] / first.prod(axis=1).to_numpy(dtype=np.float64)
    return Table(
        frame,
        "The sets of neurons by seed",
        "n_dkn: DKNs of the old facts, from facts_with_dkn of n_lessons; n_kn: knowledge neurons "
        "that are no DKNs, before the sizes are matched; topped_up: DKNs that were added to these "
        "because they were too few, as in the paper; size: neurons that each arm trains, all and "
        "lora aside; share of all: of the neurons of all layers.",
    )


def _overlap(found: Collected) -> Table:
    return Table(
        overlap_means(found),
        "Overlap of the sets with the neurons that full fine-tuning changes",
        "Means over seeds of |set with changed| / |set| (Eq 14). multiplier: changed is what "
        "changed more than so many times the largest change of a neuron (Eq 12, 19 and 20); share: "
        "the so many most changed of all neurons, which does not depend on a single largest "
        "change. chance: the share of all neurons that changed, which is what a set without any "
        "meaning comes to.",
    )


def _overlap_p(found: Collected) -> Table:
    return Table(
        overlap_tests(found),
        "Overlap by seed, with p-values",
        "At the multiplier that is chosen beforehand. p: the probability that a random set of the "
        "same size overlaps as much or more; within layers: one with as many neurons in each layer "
        "too, so that layers which change much explain nothing. Not corrected.",
        {"p": "p", "p within layers": "p"},
    )


def _setting(found: Collected) -> Table:
    import pandas as pd

    by_name: dict[str, dict[str, list[str]]] = {}
    for (arm, _), setting in found.settings.items():
        for name, value in setting.items():
            by_name.setdefault(name, {}).setdefault(_text(value), []).append(label(arm))
    if found.settings:
        by_name |= {k: {v: []} for k, v in _ALWAYS.items() if k not in by_name}
    known = [name for name, _, _ in _PAPER]
    rows: list[tuple[str, str | None, str | None]]
    rows = [(what, paper, _used(by_name.get(name, {}))) for name, what, paper in _PAPER]
    rows += [
        (_BESIDE.get(name, name), None, _used(by_name[name]))
        for name in by_name
        if name not in known
    ]
    seeds = sorted({seed for _, seed in found.settings})
    rows.append(("random seeds", "42", ", ".join(map(str, seeds)) or None))
    return Table(
        pd.DataFrame(rows, columns=["what", "paper", "here"]),
        "Table 3. Hyperparameters, the paper's and those of this run",
        "Where arms differ, each value is followed by its arms.",
    )


def _used(values: Mapping[str, Sequence[str]]) -> str | None:
    """Return what was used; by arm where not all used the same."""
    if len(values) < 2:
        return next(iter(values), None)
    return "; ".join(f"{value} ({', '.join(dict.fromkeys(a))})" for value, a in values.items())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
