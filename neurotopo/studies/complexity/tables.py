"""The tables of the complexity study: models side by side, and how measures go with size."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.complexity.rows import CONTROLS, EXTREME, MEASURES, Collected
from neurotopo.studies.complexity.trend import trend
from neurotopo.studies.statistics import finite_mean, holm, mean_interval, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tables_of"]

_KNOWN = "Facts that every model answers correctly. "
_OWN = (
    "A measure of the groups found, of the same groups with the neurons shuffled (means of "
    "n_shuffles), and their difference. "
)
_COMPLETE = "A measure is taken over the facts for which every model has a value of it. "

_IN_SIZES = (
    "neurons",
    "potential",
    "components",
    "components_shuffled",
    "jump",
    "jump_shuffled",
    "jump_difference",
    "fall",
    "right",
    "fall_difference",
)


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run; those that need several models only where there are."""
    tables = {
        "sizes": _sizes(found, found.known, "Models by size, over the facts that all of them know"),
        "sizes_all": _sizes(found, found.by_fact, "Models by size, over all facts"),
        "measures": _measures(found),
        "controls": _controls(found),
    }
    if len(found.models) > 1:
        tables["trend"] = _trend(found)
        tables["pairs"] = _pairs(found)
    return {**tables, "facts": _facts(found), "exclusions": _exclusions(found)}


def _of(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    return rows[rows["model"] == model]


def _sizes(found: Collected, rows: pd.DataFrame, title: str) -> Table:
    import pandas as pd

    cells = []
    for model in found.models:
        own = _of(rows, model)
        first = _of(found.done, model).iloc[0]
        ratios = own.loc[own["components"] >= 3, "gcr"].to_numpy(np.float64)
        ratios = ratios[np.isfinite(ratios)]
        cells.append(
            {
                "model": model,
                "parameters": int(first["parameters"]),
                "layers": int(first["layers"]),
                "neurons a layer": int(first["per_layer"]),
                "known": int(_of(found.by_fact, model)["known"].astype(bool).sum()),
                "facts": len(own),
                "with a DKN": int((own["components"] >= 2).sum()),
                **{name: finite_mean(own[name]) for name in _IN_SIZES},
                "median GCR (3 on)": float(np.median(ratios)) if len(ratios) else math.nan,
            }
        )
    names = "; ".join(f"{m.name}: {m.label}" for m in MEASURES if m.name in _IN_SIZES)
    return Table(
        pd.DataFrame(cells),
        title,
        "Means over all facts of a model for which there is a value, of the columns of rows.csv; "
        f"the table measures has intervals, over the same facts for all models. {names}. "
        "'known': facts that this model answers correctly, of those that no model failed on. The "
        "components of a DKN are at least two.",
        {"parameters": ",d"},
    )


def _measures(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for measure in MEASURES:
        values = found.matrix(measure.name)
        for k, model in enumerate(found.models):
            mean, low, high = mean_interval(values[:, k])
            rows.append(
                {
                    "measure": measure.name,
                    "what": measure.label,
                    "model": model,
                    "parameters": found.parameters[model],
                    "n": len(values),
                    "mean": mean,
                    "low": low,
                    "high": high,
                }
            )
    columns = ["measure", "what", "model", "parameters", "n", "mean", "low", "high"]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "Every measure of every model, over the same facts",
        f"{_KNOWN}{_COMPLETE}Means with 95 % intervals by t. {_OWN}",
        {"parameters": ",d"},
    )


def _controls(found: Collected) -> Table:
    import pandas as pd

    labels = {measure.name: measure.label for measure in MEASURES}
    rows = []
    for one, other in CONTROLS.items():
        for model in found.models:
            own = _of(found.known, model)
            result = paired(own[one], own[other])
            rows.append(
                {
                    "measure": one,
                    "what": labels[one],
                    "model": model,
                    "n": result.n,
                    "own": result.mean_a,
                    "control": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
    return Table(
        _corrected(pd.DataFrame(rows), "p"),
        "Groups found against groups of the same sizes from the same neurons, in every model",
        f"{_KNOWN}Paired by fact, over the facts of this model that have both. Components and "
        "jumps: against the same groups with the neurons shuffled. Faulty prompts: the degenerate "
        "neurons suppressed against as many knowledge neurons, degenerate or not. p: Wilcoxon's "
        "signed-rank test, Holm-corrected over the rows; d: mean difference / its standard "
        "deviation.",
        {"p": "p"},
    )


def _corrected(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    if len(frame):
        frame[column] = holm(frame[column].to_numpy(dtype=np.float64))
    return frame


def _trend(found: Collected) -> Table:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        result = trend(found.matrix(measure.name), list(found.parameters.values()))
        rows.append(
            {"measure": measure.name, "what": measure.label, "kind": measure.kind, **asdict(result)}
        )
    frame = _corrected(pd.DataFrame(rows), "p")
    frame["p_page"] = holm(frame["p_page"].to_numpy(dtype=np.float64))
    return Table(
        frame,
        "How each measure changes with the size of the models",
        f"{_KNOWN}{_COMPLETE}slope: mean over facts of the slope of a line against log10 of the "
        "number of weights, so the change for ten times the weights, with its 95 % interval by t; "
        "p: Wilcoxon's test of the slopes, Holm-corrected over the rows; d: mean slope / standard "
        "deviation; rho: mean of the facts' rank correlations; p_page: Page's one-sided test for a "
        "rise, Holm-corrected. Facts are the sample, models are not: the p-values are about these "
        "models. Only rows of the kind 'difference' say anything about the grouping: a larger "
        "model has more neurons and more layers, and any groups of its neurons change with that.",
        {"p": "p", "p_page": "p"},
    )


def _pairs(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for measure in MEASURES:
        values = found.matrix(measure.name)
        for k, (small, large) in enumerate(pairwise(found.models)):
            result = paired(values[:, k + 1], values[:, k])
            rows.append(
                {
                    "measure": measure.name,
                    "what": measure.label,
                    "model": large,
                    "against": small,
                    "n": result.n,
                    "mean": result.mean_a,
                    "mean against": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
    return Table(
        _corrected(pd.DataFrame(rows), "p"),
        "Each model against the next smaller one",
        f"{_KNOWN}{_COMPLETE}Paired by fact; p: Wilcoxon's signed-rank test, Holm-corrected over "
        "the rows; d: mean difference / its standard deviation.",
        {"p": "p"},
    )


def _facts(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for model in found.models:
        own = _of(found.rows, model)
        rows.append(
            {
                "model": model,
                "facts": len(own),
                "failed": int(own["error"].notna().sum()),
                "failed in some model": len(own) - len(_of(found.by_fact, model)),
                "known": int((own["known"] == True).sum()),  # noqa: E712
                "known by all": len(_of(found.known, model)),
                "probability": finite_mean(own["probability"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "What the models know",
        "Facts that failed in some model are in no other table. 'known': answered correctly "
        "(greedy exact match).",
    )


def _exclusions(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for model in found.models:
        own = _of(found.known, model)
        left = own[own["groups_excluded"] != EXTREME]
        rows.append(
            {
                "model": model,
                "known by all": len(own),
                "groups: extreme change": len(own) - len(left),
                "no neurons": int((left["neurons"] == 0).sum()),
                "no cluster": int(((left["neurons"] > 0) & (left["potential"] == 0)).sum()),
                "one cluster": int((left["potential"] == 1).sum()),
                "with a jump": int(left["jump"].notna().sum()),
                **{
                    f"prompts: {reason}": int((own["faulty_excluded"] == reason).sum())
                    for reason in (EXTREME, "probability zero", "no faulty prompt")
                },
                "no degenerate neurons": int(
                    (own["fall_dkn"].isna() & own["faulty_excluded"].isna()).sum()
                ),
                "with D suppressed": int(own["fall_dkn"].notna().sum()),
            }
        )
    complete = {each.name: len(found.matrix(each.name)) for each in MEASURES if each.kind == "own"}
    return Table(
        pd.DataFrame(rows),
        "Why facts are left out of a measure, by model",
        "Of the facts that all models know. A jump needs two clusters. 'extreme change': Eq 18, a "
        "change beyond max_change for the groups found or any shuffle of them (both are then left "
        "out), or for some faulty prompt in some arm (all arms are). Facts that have the measure "
        f"in every model: {', '.join(f'{name} {n}' for name, n in complete.items())}.",
    )
