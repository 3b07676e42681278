"""The stored results of the learning study as tables with a row per fact, trial and evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARMS", "SETS", "Collected", "collect", "label", "overlap_means", "overlap_tests"]

ARMS = {
    "dkn": "Θ(D)",
    "kn": "Θ(N)",
    "random": "Θ(Rnd)",
    "random_layers": "Θ(Rnd by layer)",
    "all": "Θ(All)",
    "lora": "LoRA",
}
"""The arms in the order of a report, and what they are called there."""

SETS = ("new", "old", "au")
"""The queries: new facts, facts known before, paraphrased questions of the new ones."""

_FACTS = (
    "arm",
    "seed",
    "facts",
    "fact",
    "set",
    "exact_before",
    "exact_after",
    "first_before",
    "first_after",
)
_TRIALS = (
    "arm",
    "seed",
    "facts",
    "n_facts",
    "error",
    "n_lessons",
    "stopped",
    "epochs",
    "seconds",
    "steps",
    "n_trained",
    "state_bytes",
    "gradient_bytes",
    "peak_bytes",
    "n_layers",
    "n_neurons",
    "n_parameters",
    "n_dkn",
    "n_kn",
    "size",
    "topped_up",
    "facts_with_dkn",
)
_CURVES = ("arm", "seed", "epoch", "step", *SETS, "loss")


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all trials of a run, by arm and seed.

    Attributes
    ----------
    facts : DataFrame
        A row per trial, set of queries and ``fact``, which is the number of the fact in the facts
        with the digest ``facts``: whether the answer matched (``exact_before``, ``exact_after``)
        and whether its first token was the likeliest (``first_before``, ``first_after``).
    trials : DataFrame
        A row per trial: what it cost, when it stopped, the model and the sizes of the sets; for
        a trial that failed the ``error``.
    curves : DataFrame
        A row per trial and evaluation.
    overlap : list of (int, dict)
        Of each trial of full fine-tuning the seed and what is stored about the overlap.
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
    """Return what an arm is called in a report."""
    return ARMS.get(arm, arm)


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed trials and missing ones do no harm."""
    import pandas as pd

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
    frame = pd.DataFrame(trials, columns=list(_TRIALS))
    numbers = [name for name in _TRIALS if name not in ("arm", "facts", "error")]
    frame[numbers] = frame[numbers].apply(pd.to_numeric)  # what no trial knows is nan, not None
    frame["error"] = frame["error"].astype(object)
    return Collected(
        facts=_joined(facts, _FACTS),
        trials=frame,
        curves=_joined(curves, _CURVES),
        overlap=overlap,
        settings=settings,
    )


def overlap_means(found: Collected) -> pd.DataFrame:
    """Return the overlap with what full fine-tuning changed, as means over seeds.

    The columns are ``by`` (``"multiplier"`` of the largest change, or ``"share"`` of the neurons
    that changed most) and its ``value``, the ``seeds``, ``n_changed`` (nan for shares), the
    overlap by ``chance``, and that of ``dkn``, ``kn`` and ``random``.
    """
    import pandas as pd

    size = found.done[["n_layers", "n_neurons"]].prod(axis=1)
    n_neurons = float(size.max())
    rows = []
    for seed, one in found.overlap:
        changed = np.asarray(one["n_changed"], dtype=np.float64)
        parts = (
            ("multiplier", one["multipliers"], changed, changed / n_neurons, one["sets"]),
            (
                "share",
                one["shares"],
                np.full(len(one["shares"]), np.nan),
                one["shares"],
                one["by_share"],
            ),
        )
        for by, values, counts, chance, sets in parts:
            columns = {"seed": seed, "by": by, "value": values, "n_changed": counts}
            own = {name: _floats(sets[name]) for name in ("dkn", "kn", "random") if name in sets}
            rows.append(pd.DataFrame({**columns, "chance": chance, **own}))
    names = ["by", "value", "seeds", "n_changed", "chance", "dkn", "kn", "random"]
    if not rows:
        return pd.DataFrame(columns=names)
    groups = pd.concat(rows, ignore_index=True).groupby(["by", "value"])
    means = groups.mean().drop(columns="seed")
    return means.assign(seeds=groups.size()).reset_index().reindex(columns=names)


def overlap_tests(found: Collected) -> pd.DataFrame:
    """Return for every seed and set the overlap at the chosen multiplier with its p-values."""
    import pandas as pd

    rows = []
    for seed, one in found.overlap:
        # both come from the same options, but one of them through arithmetic perhaps
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
    columns = ["seed", "set", "multiplier", "n_changed", "overlap", "p", "p within layers"]
    return pd.DataFrame(rows, columns=columns).astype({"p": float, "p within layers": float})


def _floats(values: Sequence[Any]) -> Any:
    return np.asarray(values, dtype=np.float64)


def _fact_rows(arm: str, seed: int, facts: str, result: Mapping[str, Any]) -> list[pd.DataFrame]:
    import pandas as pd

    found = []
    for name in SETS:
        before, after = result["before"][name], result["after"][name]
        columns = {
            "arm": arm,
            "seed": seed,
            "facts": facts,
            "fact": np.arange(len(after["exact"])),
            "set": name,
            "exact_before": before["exact"],
            "exact_after": after["exact"],
            "first_before": before["first"],
            "first_after": after["first"],
        }
        found.append(pd.DataFrame(columns))
    return found


def _joined(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    if not frames:
        return pd.DataFrame({name: pd.Series(dtype=np.float64) for name in columns})
    return pd.concat(frames, ignore_index=True)[list(columns)]


def _place(arm: str) -> tuple[int, str]:
    """Return the place of an arm in the order of a report; unknown ones come last."""
    known = list(ARMS)
    return (known.index(arm) if arm in ARMS else len(known)), arm


def _order(row: Row) -> tuple[Any, ...]:
    return (*_place(row.content["arm"]), row.content["seed"], row.fact)
