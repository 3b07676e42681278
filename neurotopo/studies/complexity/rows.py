"""The stored results of the complexity study as a table with a row per model and fact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.studies.rows import Row
from neurotopo.studies.several_models import origin
from neurotopo.studies.statistics import finite_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "CONTROLS", "EXTREME", "MEASURES", "Collected", "Measure", "collect"]

EXTREME = "extreme change"
_POINTS = 100.0


@dataclass(frozen=True)
class Measure:
    """Something measured of a fact in a model.

    Attributes
    ----------
    name : str
        Its column.
    label : str
        What it is.
    kind : {"single", "own", "control", "difference"}
        What stands beside it: nothing, its control, what it controls, or it is the difference of
        the two, the only thing that says something about the grouping.
    """

    name: str
    label: str
    kind: str


MEASURES = (
    Measure("neurons", "knowledge neurons", "single"),
    Measure("potential", "clusters before the filter", "single"),
    Measure("components", "components that passed", "own"),
    Measure("components_shuffled", "components of shuffled groups", "control"),
    Measure("components_difference", "components minus shuffled", "difference"),
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
"""All that is compared between models, in the order of the tables."""

CONTROLS = {
    "components": "components_shuffled",
    "jump": "jump_shuffled",
    "fall_dkn": "fall_others",
    "right_dkn": "right_others",
}
"""The control of each measure that has one."""

COLUMNS = (
    "model",
    "place",
    "fact",
    "error",
    "known",
    "probability",
    "parameters",
    "layers",
    "per_layer",
    "gcr",
    "reason",
    "groups_excluded",
    "faulty_excluded",
    "n_faulty",
    *(measure.name for measure in MEASURES),
)


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all models and facts of a run.

    Attributes
    ----------
    rows : DataFrame
        A row per model and fact, the models in the order in which they were given; the columns
        are :data:`COLUMNS`.
    """

    rows: pd.DataFrame

    @property
    def done(self) -> pd.DataFrame:
        """The rows that did not fail."""
        return self.rows[self.rows["error"].isna()]

    @cached_property
    def models(self) -> list[str]:
        """The models that anything is known of, from the fewest weights to the most."""
        first = self.done.groupby("model", sort=False)[["parameters", "place"]].first()
        return [str(name) for name in first.sort_values(["parameters", "place"]).index]

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Number of weights of each model."""
        first = self.done.groupby("model", sort=False)["parameters"].first()
        return {name: int(first[name]) for name in self.models}

    @cached_property
    def by_fact(self) -> pd.DataFrame:
        """The rows of the facts that every model was asked for without failing, by the fact."""
        done = self.done
        every = done.groupby("fact")["model"].nunique()
        return done[done["fact"].isin(every.index[every == len(self.models)])]

    @cached_property
    def known(self) -> pd.DataFrame:
        """The rows of the facts that every model answers correctly."""
        rows = self.by_fact
        known = rows.groupby("fact")["known"].all()
        return rows[rows["fact"].isin(known.index[known])]

    def matrix(self, measure: str, rows: pd.DataFrame | None = None) -> Any:
        """Return a measure of the facts of which every model has it, shape (n_facts, n_models).

        Parameters
        ----------
        measure : str
            Its name.
        rows : DataFrame, optional
            Of which facts; None: of those that every model knows.
        """
        chosen = self.known if rows is None else rows
        wide = chosen.pivot(index="fact", columns="model", values=measure)
        values = wide.reindex(columns=self.models).to_numpy(dtype=np.float64)
        return values[np.isfinite(values).all(axis=1)]


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed and missing ones do no harm."""
    import pandas as pd

    cells = [
        {**origin(row), **({} if row.error is not None else _measured(row.payload))} for row in rows
    ]
    frame = pd.DataFrame(cells, columns=list(COLUMNS))
    return Collected(frame.sort_values(["place", "fact"]).reset_index(drop=True))


def _measured(payload: Mapping[str, Any]) -> dict[str, Any]:
    own, shuffled = payload["own"], payload["shuffled"]
    # one excluded grouping excludes the fact for the control too, and the other way round
    out = own["excluded"] or any(each["excluded"] for each in shuffled)
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
        "components_shuffled": math.nan if out else _mean(shuffled, "n"),
        "jump": math.nan if out else own["jump"] * _POINTS,
        "jump_shuffled": math.nan if out else _mean(shuffled, "jump") * _POINTS,
        **_faulty(payload["probability"], payload["faulty"]),
    }
    for one, other in CONTROLS.items():
        cells[f"{one.removesuffix('_dkn')}_difference"] = cells[one] - cells[other]
    return cells


def _mean(shuffled: list[dict[str, Any]], name: str) -> float:
    return finite_mean([each[name] for each in shuffled])


def _faulty(base: float, faulty: Mapping[str, Any]) -> dict[str, Any]:
    """Return falls and shares under faulty prompts, all of them or, for an extreme one, none."""
    arms = {"": "none", "_dkn": "dkn", "_others": "kn_random"}
    cells: dict[str, Any] = {f"fall{end}": math.nan for end in arms}
    cells |= {f"right{end}": math.nan for end in arms}
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
        cells[f"fall{end}"] = float(fall.mean()) * _POINTS
        cells[f"right{end}"] = float(np.mean(faulty["right"][arms[end]])) * _POINTS
    return cells
