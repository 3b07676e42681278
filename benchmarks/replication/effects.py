"""The effects of a part: a difference to a null with interval, from the result of its study.

Where a study has one number per fact, the interval is that of
:func:`~neurotopo.studies.inference.effect_of`, by a bootstrap over relations, then facts. Other
studies compare trained models or accuracies of whole sets; their own intervals are used, and the
standard error that belongs to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from neurotopo.studies import Result
from neurotopo.studies.audit.verdicts import QUESTIONS as QUESTIONS_OF_AUDIT
from neurotopo.studies.audit.verdicts import against_nulls, by_ablation, verdicts
from neurotopo.studies.findings import MARGINS
from neurotopo.studies.inference import LEVEL, Effect, effect_of, effect_with
from replication.plan import QUESTIONS

Relations = Mapping[str, str]
Effects = Mapping[str, Effect]

_METHODS = ("ntc", "kmeans", "dbscan", "hierarchical")


def of_interval(n: int, mean: float, low: float, high: float, margin: float) -> Effect:
    """Return the effect of a 95 % interval of a study, by Student's t with n - 1 degrees."""
    df = max(n - 1, 1)
    se = (high - low) / 2 / float(stats.t.ppf(0.975, df))
    return replace(effect_with(mean, se, df, margin=margin, n=n), low=low, high=high)


def effects_of(study: str, result: Result, relations: Relations) -> dict[str, dict[str, Any]]:
    """Return the effects of a result by name, in types that JSON can hold."""
    return _plain(_STUDIES[study](result, relations) if study in _STUDIES else {})


def _plain(effects: Effects) -> dict[str, dict[str, Any]]:
    """Return effects in types that JSON can hold."""
    return {name: asdict(effect) for name, effect in effects.items()}


def _per_fact(values: pd.Series, relations: Relations, margin: float) -> Effect:
    return effect_of(values, [relations.get(key, "") for key in values.index], margin=margin)


def _audit(result: Result, relations: Relations) -> Effects:
    frames = result.summary.frames
    return {
        **verdicts(frames),
        **{f"{name}: {null}": effect for (name, null), effect in against_nulls(frames).items()},
        **{f"{name}: {kind}": effect for (name, kind), effect in by_ablation(frames).items()},
    }


def precision_effects(
    result: Result, single: Result, relations: Relations
) -> dict[str, dict[str, Any]]:
    """Return by question how an audit differs from one in float32 on the facts judged in both."""
    here, there = (each.summary.frames.judged.set_index("fact") for each in (result, single))
    margin = result.summary.frames.margin
    return _plain(
        {
            name: _per_fact((here[name] - there[name]).dropna(), relations, margin)
            for name in QUESTIONS_OF_AUDIT
            if name in here and name in there
        }
    )


def _acquisition(result: Result, relations: Relations) -> Effects:
    rows = result.rows
    points = MARGINS["points"]

    def wide(column: str) -> pd.DataFrame:
        return rows.pivot(index="fact", columns="method", values=column).astype(float)

    jump, every, rho = wide("jump"), wide("potential_jump"), wide("rho")
    holds = rows.assign(both=(rows["eq2"].eq(True) & rows["eq3"].eq(True)).astype(float))
    holds = holds[holds["n"] >= 2].pivot(index="fact", columns="method", values="both")
    found = {}
    for method in _METHODS:
        for name, frame, factor, margin in (
            (f"jump: {method}", every, 100, points),
            (f"jump after the filter: {method}", jump, 100, points),
            (f"rho: {method}", rho, 1, MARGINS["rho"]),
        ):
            if {method, f"random:{method}"} <= set(frame):
                own = (factor * (frame[method] - frame[f"random:{method}"])).dropna()
                found[name] = _per_fact(own, relations, margin)
    if {"ntc", "random:ntc"} <= set(holds):
        own = (100 * (holds["ntc"] - holds["random:ntc"])).dropna()
        found["definition"] = _per_fact(own, relations, QUESTIONS["definition"].margin)
    for other in _METHODS[1:]:
        for name, frame in (("jump", jump), ("jump of all groups", every)):
            if {"ntc", other} <= set(frame):
                own = (100 * (frame["ntc"] - frame[other])).dropna()
                found[f"{name}: ntc - {other}"] = _per_fact(own, relations, points)
    return found


def _of_rows(
    frame: pd.DataFrame, name: Callable[[pd.Series], str | None]
) -> Iterator[tuple[str, Effect]]:
    """Yield the effects of the rows of a table that have a name."""
    for _, row in frame.iterrows():
        named = name(row)
        if named is not None and np.isfinite(row["difference"]) and row["n"] > 1:
            cells = [float(row[cell]) for cell in ("difference", "low", "high", "margin")]
            yield named, of_interval(int(row["n"]), *cells)


def _robustness(result: Result, relations: Relations) -> Effects:
    names = {
        ("suppress", "dprob", "kn_random"): "suppressed",
        ("suppress", "dprob", "random"): "suppressed, random neurons",
        ("enhance", "gained", "kn_random"): "enhanced",
        ("enhance", "gained", "random"): "enhanced, random neurons",
    }
    table = result.tables["table9_paired"]
    table = table[table["where"] != "weights"]
    return dict(
        _of_rows(table, lambda row: names.get((row["operation"], row["key"], row["D against"])))
    )


def _learning(result: Result, relations: Relations) -> Effects:
    """Return differences between two arms of which one, at least, has learned new facts."""
    gains = result.tables["gains"].query("set == 'new'")
    learned = set(gains["arm"][(gains["p"] < LEVEL) & (gains["gain"] >= gains["margin"])])
    table = result.tables["table8_paired"]
    if "dkn" not in learned:
        table = table[table["dkn against"].isin(learned)]
    return dict(_of_rows(table, lambda row: f"{row['set']}: dkn - {row['dkn against']}"))


def _detection(result: Result, relations: Relations) -> Effects:
    """Return differences of the area under the ROC curve, which is one number per relation.

    The interval of the study resamples the facts of the same relations. It does not say whether
    other relations are alike: here the facts of a relation have its area, and relations are drawn.
    """
    areas, pairs = result.tables["relations"], result.tables["comparisons"]
    facts = areas.loc[areas.index.repeat(areas["test"])]
    return {
        f"AUC: {row['method']} - {row['against']}": effect_of(
            facts[row["method"]] - facts[row["against"]],
            list(facts["relation"]),
            margin=row["margin"],
        )
        for _, row in pairs.iterrows()
        if {row["method"], row["against"]} <= set(facts)
    }


def _crosslingual(result: Result, relations: Relations) -> Effects:
    table = result.tables["overlap"]
    table = table[
        (table["neurons"] == "knowledge neurons")
        & (table["over"] == "known")
        & (table["against"] == "other facts of the same relation")
    ]
    names = {"different": "overlap", "all": "overlap, all answers", "alike": "overlap, alike"}
    return dict(_of_rows(table, lambda row: names.get(row["answers"])))


def _critique(result: Result, relations: Relations) -> Effects:
    table = result.tables["tests"]
    return dict(
        _of_rows(
            table, lambda row: f"{row['kind']}, {row['mode']}: {row['set']} - {row['against']}"
        )
    )


_STUDIES: Mapping[str, Callable[[Result, Relations], Effects]] = {
    "audit": _audit,
    "acquisition": _acquisition,
    "robustness": _robustness,
    "learning": _learning,
    "detection": _detection,
    "crosslingual": _crosslingual,
    "critique": _critique,
}
