"""Frames, tables, findings and pictures of the study ``complexity``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.plots.scaling import ScalingDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import comparisons, corrected, frame_of
from neurotopo.studies.complexity.trend import MOST_MODELS_FEW, trend
from neurotopo.studies.findings import (
    ALPHA,
    MARGINS,
    and_list,
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
    verdict,
)
from neurotopo.studies.pictures import effects_picture
from neurotopo.studies.rows import Row
from neurotopo.studies.several_models import UNIT, Frames, origin
from neurotopo.studies.statistics import finite_mean, finite_median, mean_interval
from neurotopo.studies.study import MakePicture, MakeTable

__all__ = ["CONTROLS", "MEASURES", "PICTURES", "TABLES", "Measure", "Models", "collect", "findings"]

EXTREME = "extreme change"


class Measure(NamedTuple):
    """A measure of a fact in a model.

    Attributes
    ----------
    name : str
        Its column.
    label : str
        What it is.
    kind : {"single", "own", "control", "difference"}
        Without a control, with a control, the control, or the difference of the two. Only a
        difference says something about the grouping.
    margin : float
        The smallest difference between models or groups that counts, and the smallest slope.
    """

    name: str
    label: str
    kind: str
    margin: float = MARGINS["points"]


MEASURES = (
    Measure("neurons", "knowledge neurons", "single", MARGINS["counts"]),
    Measure("potential", "clusters before the filter", "single", MARGINS["components"]),
    Measure("components", "components that passed", "own", MARGINS["components"]),
    Measure(
        "components_shuffled", "components of shuffled groups", "control", MARGINS["components"]
    ),
    Measure(
        "components_difference", "components minus shuffled", "difference", MARGINS["components"]
    ),
    Measure("jump", "jump (points)", "own"),
    Measure("jump_shuffled", "jump of shuffled groups (points)", "control"),
    Measure("jump_difference", "jump minus shuffled (points)", "difference"),
    Measure("fall", "fall under faulty prompts (points)", "single"),
    Measure("right", "faulty prompts answered right (%)", "single"),
    Measure("fall_dkn", "fall, D suppressed too (points)", "own"),
    Measure("fall_others", "fall, as many knowledge neurons suppressed (points)", "control"),
    Measure("fall_difference", "fall, D minus as many (points)", "difference"),
    Measure("right_dkn", "answered right, D suppressed (%)", "own"),
    Measure("right_others", "answered right, as many suppressed (%)", "control"),
    Measure("right_difference", "answered right, D minus as many (%)", "difference"),
)
"""The measures that are compared between models, in the order of the tables."""

CONTROLS = {
    "components": "components_shuffled",
    "jump": "jump_shuffled",
    "fall_dkn": "fall_others",
    "right_dkn": "right_others",
}
"""The control of each measure that has one."""

_COLUMNS = ", ".join(
    [
        "model, place, fact, error, known, probability, parameters, layers, per_layer, gcr, reason",
        "groups_excluded, faulty_excluded, n_faulty",
        *(measure.name for measure in MEASURES),
    ]
)
_IN_SIZES = (
    "neurons, potential, components, components_shuffled, jump, jump_shuffled, jump_difference, "
    "fall, right, fall_difference"
)
_LABELS = {measure.name: measure.label for measure in MEASURES}
_MARGINS = {measure.name: measure.margin for measure in MEASURES}


@dataclass(frozen=True, eq=False)
class Models(Frames):
    """Results of all models and facts of a run; models in the order in which they were given."""

    @cached_property
    def models(self) -> list[str]:
        """The models with a result, from the fewest weights to the most."""
        first = self.done.groupby("model", sort=False)[["parameters", "place"]].first()
        return [str(name) for name in first.sort_values(["parameters", "place"]).index]

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Number of weights of each model."""
        first = self.done.groupby("model", sort=False)["parameters"].first()
        return {name: int(first[name]) for name in self.models}

    @cached_property
    def by_fact(self) -> pd.DataFrame:
        """The rows of the facts on which no model failed."""
        done = self.done
        every = done.groupby("fact")["model"].nunique()
        return done[done["fact"].isin(every.index[every == len(self.models)])]

    @cached_property
    def known(self) -> pd.DataFrame:
        """The rows of the facts that every model answers correctly."""
        rows = self.by_fact
        known = rows.groupby("fact")["known"].all()
        return rows[rows["fact"].isin(known.index[known])]

    @property
    def n_known(self) -> int:
        """The number of facts that every model answers correctly."""
        return int(self.known["fact"].nunique())

    @property
    def half_known(self) -> bool:
        """Whether every model answers at least half of the facts correctly."""
        return self.n_known >= 0.5 * self.by_fact["fact"].nunique()

    def matrix(self, measure: str) -> Any:
        """Return a measure of the known facts for which every model has a value.

        The shape is (n_facts, n_models).
        """
        wide = self.known.pivot(index="fact", columns="model", values=measure)
        values = wide.reindex(columns=self.models).to_numpy(dtype=np.float64)
        return values[np.isfinite(values).all(axis=1)]


def collect(rows: Iterable[Row]) -> Models:
    """Return the frame of stored rows; failed rows are counted, and there may be none."""
    cells = [{**origin(row), **({} if row.error else _measured(row.payload))} for row in rows]
    frame = frame_of(cells, _COLUMNS)
    return Models(frame.sort_values(["place", "fact"]).reset_index(drop=True))


def _measured(payload: Mapping[str, Any]) -> dict[str, Any]:
    own, shuffled = payload["own"], payload["shuffled"]
    # one excluded grouping excludes the fact for the control too, and the other way round
    out = own["excluded"] or any(each["excluded"] for each in shuffled)

    def mean(name: str) -> float:
        return finite_mean([each[name] for each in shuffled])

    cells = {
        "known": payload["known"],
        "probability": payload["probability"],
        "parameters": payload["parameters"],
        "layers": payload["shape"][0],
        "per_layer": payload["shape"][1],
        "neurons": float(payload["neurons"]),
        "potential": float(len(payload["sizes"])),
        "gcr": own["gcr"],
        "reason": own["reason"],
        "groups_excluded": EXTREME if out else None,
        "components": math.nan if out else float(own["n"]),
        "components_shuffled": math.nan if out else mean("n"),
        "jump": math.nan if out else own["jump"] * 100.0,
        "jump_shuffled": math.nan if out else mean("jump") * 100.0,
        **_faulty(payload["probability"], payload["faulty"]),
    }
    for one, other in CONTROLS.items():
        cells[f"{one.removesuffix('_dkn')}_difference"] = cells[one] - cells[other]
    return cells


def _faulty(base: float, faulty: Mapping[str, Any]) -> dict[str, Any]:
    """Return falls and shares under faulty prompts; none if any of them is extreme."""
    arms = {"": "none", "_dkn": "dkn", "_others": "kn_random"}
    cells: dict[str, Any] = {f"{name}{end}": math.nan for name in ("fall", "right") for end in arms}
    n = len(faulty["prompts"])
    cells |= {"n_faulty": n, "faulty_excluded": None if n else "no faulty prompt"}
    if not n:
        return cells
    falls = {
        end: (base - np.asarray(faulty["probability"][arm])) / base
        for end, arm in arms.items()
        if arm in faulty["probability"] and base > 0
    }
    if not falls or any((np.abs(fall) > faulty["max_change"]).any() for fall in falls.values()):
        return {**cells, "faulty_excluded": EXTREME if falls else "probability zero"}
    for end, fall in falls.items():
        cells[f"fall{end}"] = float(fall.mean()) * 100.0
        cells[f"right{end}"] = float(np.mean(faulty["right"][arms[end]])) * 100.0
    return cells


# Tables

_KNOWN = "Facts that every model answers correctly. "
_COMPLETE = "A measure is taken over the facts for which every model has a value of it. "
_MARGIN = "margin: the smallest value that is claimed."
_TESTED = (
    "p: Wilcoxon's signed-rank test, Holm-corrected over the rows; d: mean difference / its "
    f"standard deviation; {_MARGIN}"
)
_MEANS = "measure, what, model, parameters, n, mean, low, high"


def _of(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    return rows[rows["model"] == model]


def _sizes(over: str, title: str, frames: Models) -> Table:
    rows, cells, means = getattr(frames, over), [], _IN_SIZES.split(", ")
    for model in frames.models:
        own = _of(rows, model)
        first = _of(frames.done, model).iloc[0]
        cells.append(
            {
                "model": model,
                "parameters": int(first["parameters"]),
                "layers": int(first["layers"]),
                "neurons a layer": int(first["per_layer"]),
                "known": int(_of(frames.by_fact, model)["known"].astype(bool).sum()),
                "facts": len(own),
                "with a DKN": int((own["components"] >= 2).sum()),
                **{name: finite_mean(own[name]) for name in means},
                "median GCR (3 on)": finite_median(own.loc[own["components"] >= 3, "gcr"]),
            }
        )
    names = "; ".join(f"{name}: {label}" for name, label in _LABELS.items() if name in means)
    return Table(
        pd.DataFrame(cells),
        title,
        "Means over all facts of a model for which there is a value, of the columns of rows.csv; "
        f"the table measures has intervals, over the same facts for all models. {names}. "
        "'known': facts that this model answers correctly, of those that no model failed on. The "
        "components of a DKN are at least two.",
        {"parameters": ",d"},
    )


def _measures(frames: Models) -> Table:
    rows = []
    for measure in MEASURES:
        values = frames.matrix(measure.name)
        for k, model in enumerate(frames.models):
            about = (measure.name, measure.label, model, frames.parameters[model], len(values))
            cells = (*about, *mean_interval(values[:, k]))
            rows.append(dict(zip(_MEANS.split(", "), cells, strict=True)))
    return Table(
        frame_of(rows, _MEANS),
        "Every measure of every model, over the same facts",
        f"{_KNOWN}{_COMPLETE}Means with 95 % intervals by t. A measure of the groups found, of the "
        "same groups with the neurons shuffled (means of n_shuffles), and their difference. ",
        {"parameters": ",d"},
    )


def _controls(frames: Models) -> Table:
    family = []
    for one, other in CONTROLS.items():
        for model in frames.models:
            own = _of(frames.known, model)
            head = {"measure": one, "what": _LABELS[one], "model": model}
            family.append((head, own[one], own[other]))
    return Table(
        comparisons(
            family, "own", "control", margin=[_MARGINS[head["measure"]] for head, _, _ in family]
        ),
        "Groups found against groups of the same sizes from the same neurons, in every model",
        f"{_KNOWN}Paired by fact, over the facts of this model that have both. Components and "
        "jumps: against the same groups with the neurons shuffled. Faulty prompts: the degenerate "
        "neurons suppressed against as many knowledge neurons, degenerate or not. " + _TESTED,
        {"p": "p"},
    )


def _trend(frames: Models) -> Table | None:
    if len(frames.models) < 2:
        return None
    rows = []
    for measure in MEASURES:
        result = trend(frames.matrix(measure.name), list(frames.parameters.values()))
        head = {"measure": measure.name, "what": measure.label, "kind": measure.kind}
        rows.append({**head, **asdict(result), "margin": measure.margin})
    return Table(
        corrected(pd.DataFrame(rows), ["p", "p_page"]),
        "How each measure changes with the size of the models",
        f"{_KNOWN}{_COMPLETE}slope: mean over facts of the slope of a line against log10 of the "
        "number of weights, so the change for ten times the weights, with its 95 % interval by t; "
        "p: Wilcoxon's test of the slopes, Holm-corrected over the rows; d: mean slope / standard "
        "deviation; rho: mean of the facts' rank correlations; p_page: Page's one-sided test for a "
        f"rise, Holm-corrected; {_MARGIN} Facts are the sample, models are not: the p-values are "
        "about these "
        "models. Only rows of the kind 'difference' say anything about the grouping: a larger "
        "model has more neurons and more layers, and any groups of its neurons change with these.",
        {"p": "p", "p_page": "p"},
    )


def _pairs(frames: Models) -> Table | None:
    if len(frames.models) < 2:
        return None
    family = []
    for measure in MEASURES:
        values = frames.matrix(measure.name)
        for k, (small, large) in enumerate(pairwise(frames.models)):
            head = {"measure": measure.name, "what": measure.label}
            head |= {"model": large, "against": small}
            family.append((head, values[:, k + 1], values[:, k]))
    return Table(
        comparisons(
            family,
            "mean",
            "mean against",
            margin=[_MARGINS[head["measure"]] for head, _, _ in family],
        ),
        "Each model against the next smaller one",
        f"{_KNOWN}{_COMPLETE}Paired by fact; {_TESTED}",
        {"p": "p"},
    )


def _facts(frames: Models) -> Table:
    rows = []
    for model in frames.models:
        own = _of(frames.rows, model)
        rows.append(
            {
                "model": model,
                "facts": len(own),
                "failed": int(own["error"].notna().sum()),
                "failed in some model": len(own) - len(_of(frames.by_fact, model)),
                "known": int(own["known"].eq(True).sum()),
                "known by all": len(_of(frames.known, model)),
                "probability": finite_mean(own["probability"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "What the models know",
        "Facts that failed in some model are in no other table. 'known': answered correctly "
        "(greedy exact match).",
    )


def _exclusions(frames: Models) -> Table:
    rows = []
    for model in frames.models:
        own = _of(frames.known, model)
        left = own[own["groups_excluded"] != EXTREME]
        without = own["fall_dkn"].isna()
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
                "no degenerate neurons": int((without & own["faulty_excluded"].isna()).sum()),
                "with D suppressed": int((~without).sum()),
            }
        )
    complete = ", ".join(f"{name} {len(frames.matrix(name))}" for name in CONTROLS)
    return Table(
        pd.DataFrame(rows),
        "Why facts are left out of a measure, by model",
        "Of the facts that all models know. A jump needs two clusters. 'extreme change': Eq 18, a "
        "change beyond max_change for the groups found or any shuffle of them (both are then left "
        "out), or for some faulty prompt in some arm (all arms are). Facts that have the measure "
        f"in every model: {complete}.",
    )


TABLES: dict[str, MakeTable] = {
    "sizes": partial(_sizes, "known", "Models by size, over the facts that all of them know"),
    "sizes_all": partial(_sizes, "by_fact", "Models by size, over all facts"),
    "measures": _measures,
    "controls": _controls,
    "trend": _trend,
    "pairs": _pairs,
    "facts": _facts,
    "exclusions": _exclusions,
}


# Findings

_CLAIMED = {
    "jump": ("The jump of NTC's clusters", "point"),
    "components": ("The number of components", "component"),
}


def findings(frames: Models, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    if not len(frames.done):
        return (nothing_done(frames.rows["error"], UNIT),)
    if few := too_few(frames.by_fact["fact"].nunique()):
        return (few,)
    listed = and_list([f"{name} ({n:,})" for name, n in frames.parameters.items()])
    sentences = [f"Models and their numbers of weights: {listed}.", _knowledge(frames)]
    if len(frames.models) == 1:
        return (*sentences, "One model says nothing about size.")
    rows = {row["measure"]: row for row in records(tables["trend"].frame)}
    sentences += [_degeneracy(frames, rows, name) for name in _CLAIMED]
    return (*sentences, _robustness(rows), _suppressed(tables["controls"].frame))


def _knowledge(frames: Models) -> str:
    n, known = frames.by_fact["fact"].nunique(), frames.n_known
    sentence = f"All models answer {of_all(known, n)} correctly."
    if not known:
        return (
            f"{sentence} No fact is left to compare the models, so nothing is said about how "
            "they store knowledge."
        )
    if not frames.half_known:
        sentence += " Those are fewer than half, so nothing is claimed."
    return sentence


def _rises(row: Mapping[str, Any], unit: str = "") -> str:
    """Say how a measure changes with size."""
    result = outcome(row, difference="slope")
    how = {
        "more": "rises",
        "less": "falls",
        "small": f"changes by less than the margin of {margin_words(row['margin'], unit)}",
    }.get(result, "does not change beyond chance")
    return f"{how} ({row['slope']:+.2f}{f' {unit}s' if unit else ''}, {p_words(row['p'])})"


def _degeneracy(frames: Models, rows: Mapping[str, Mapping[str, Any]], measure: str) -> str:
    subject, unit = _CLAIMED[measure]
    own, control, row = (rows[f"{measure}{end}"] for end in ("", "_shuffled", "_difference"))
    if not row["n"] or math.isnan(row["slope"]):
        return f"{subject}: no fact has it in every model, or all models are of one size."
    sentence = (
        f"{subject}, for ten times the weights, {_rises(own)}; that of the same groups with the "
        f"neurons shuffled {_rises(control)}. The difference, which alone is about the grouping, "
        f"changes by {row['slope']:+.2f} {unit}s ({pluralize(row['n'], 'fact')}, "
        f"{interval_and_p(row, 2)}): {_verdict(frames, row, unit)}."
    )
    return as_claim(sentence, _holds(frames, row))


def _holds(frames: Models, row: Mapping[str, Any]) -> bool:
    return (
        row_stands(row, difference="slope")
        and row["p_page"] < ALPHA
        and len(frames.models) > MOST_MODELS_FEW
        and frames.half_known
    )


def _verdict(frames: Models, row: Mapping[str, Any], unit: str) -> str:
    if _holds(frames, row):
        return "larger models of these are more degenerate"
    if not row_stands(row, difference="slope"):
        less = "larger models of these are less degenerate"
        return verdict(row, "", less, unit=unit, none="no trend beyond chance", difference="slope")
    if len(frames.models) <= MOST_MODELS_FEW:
        return "a difference between two models, which is no trend"
    if not row["p_page"] < ALPHA:
        return "a slope without the rise from model to model that a trend needs"
    return "but fewer than half of the facts are known to all models, so nothing is claimed"


def _robustness(rows: Mapping[str, Mapping[str, Any]]) -> str:
    fall, right = rows["fall"], rows["right"]
    if not fall["n"]:
        return "No fact has faulty prompts to compare the models on."
    return (
        f"Under faulty prompts, for ten times the weights, the fall of the probability "
        f"{_rises(fall, 'point')} and the share of prompts answered right "
        f"{_rises(right, 'point')}, over {pluralize(fall['n'], 'fact')}."
    )


def _suppressed(controls: pd.DataFrame) -> str:
    """Say for each model whether robustness depends on the degenerate neurons."""
    own = controls[(controls["measure"] == "fall_dkn") & (controls["n"] > 0)]
    parts = []
    for row in records(own):
        words = {"few": "too few facts", "none": "no difference", "unit": "point"}
        parts.append(
            f"{row['model']} {row['difference']:+.1f} points ({pluralize(row['n'], 'fact')}, "
            f"{p_words(row['p'])}): {verdict(row, 'more than others', 'less than others', **words)}"
        )
    if not parts:
        return "No model has a known fact with degenerate neurons to suppress under faulty prompts."
    return (
        "Suppressing the degenerate neurons under faulty prompts, against as many knowledge "
        f"neurons. {'; '.join(parts)}."
    )


# Pictures


def _against_size(
    title: str, label: str, names: Mapping[str, str], frames: Models, tables: Mapping[str, Table]
) -> Picture | None:
    frame = tables["measures"].frame
    if not frame.loc[frame["measure"].isin(names), "n"].any():
        return None
    series: dict[str, Sequence[Any]] = {}
    for measure, name in names.items():
        own = frame[frame["measure"] == measure]
        behind = pluralize(own["n"].max(), "fact")
        series[f"{name} ({behind})"] = own[["mean", "low", "high"]].to_numpy(float)
    ax = free_axes(6.4, 4.4)
    ScalingDisplay.from_means(
        list(frames.parameters.values()),
        series,
        xlabel="weights of the model",
        ylabel=label,
        log=True,
        names=[f"{name} ({n:,})" for name, n in frames.parameters.items()],
        ax=ax,
    )
    return Picture(
        ax.figure,
        title,
        "Means with 95 % intervals over the facts that all models know and have the measure of, "
        "from the table measures. An effect that the control has too says nothing about the "
        "grouping.",
    )


def _trends(frames: Models, tables: Mapping[str, Table]) -> Picture | None:
    if "trend" not in tables:
        return None
    frame = tables["trend"].frame
    shown = frame[(frame["kind"] == "difference") & (frame["n"] > 0)]
    if not shown["slope"].notna().any():
        return None
    return effects_picture(
        shown,
        shown["what"].tolist(),
        "Trends with size, beyond those of the control",
        "Mean slopes over facts with 95 % intervals, from the table trend. Right of 0: the "
        "difference between the groups found and their control grows with size.",
        label="change for ten times the weights, beyond the control's",
        size=(8.6, 1.6 + 0.4 * len(shown)),
        value="slope",
    )


PICTURES: dict[str, MakePicture] = {
    "jump": partial(
        _against_size,
        "Jump by the size of the model",
        "jump (points)",
        {"jump": "NTC's clusters", "jump_shuffled": "the same, neurons shuffled"},
    ),
    "components": partial(
        _against_size,
        "Components by the size of the model",
        "components a fact",
        {
            "potential": "clusters before the filter",
            "components": "components",
            "components_shuffled": "components, neurons shuffled",
        },
    ),
    "robustness": partial(
        _against_size,
        "Fall of the probability under faulty prompts",
        "fall (points)",
        {
            "fall": "nothing suppressed",
            "fall_dkn": "D suppressed",
            "fall_others": "as many knowledge neurons suppressed",
        },
    ),
    "trend": _trends,
}
