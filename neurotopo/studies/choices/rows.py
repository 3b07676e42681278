"""The stored results of the choices study as tables with a row per fact and variation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.studies.choices.variations import DEFAULT
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["POINTS", "Collected", "collect"]

POINTS = 100.0
"""dProb is shown in percentage points."""

_FACTS = ("fact", "known", "probability", "n_knowledge_neurons", "gap", "excluded", "error")
_VARIATIONS = (
    "fact",
    "variation",
    "n_potential",
    "n",
    "n_neurons",
    "potential_jump",
    "random_potential_jump",
    "jump",
    "random_jump",
    "gcr",
    "random_gcr",
    "reason",
    "ari",
    "same",
    "clustered",
    "jaccard",
    "ari_planted",
    "ari_planted_random",
)


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all facts of a run, in the order of their keys.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: ``known``, the answer's ``probability``, ``n_knowledge_neurons`` of the
        default, the ``gap`` of the integration, why it is ``excluded`` for every variation
        (``"probability zero"``, ``"extreme change"``), and for one that failed the ``error``.
    variations : DataFrame
        A row per fact and variation. ``n_potential`` clusters of which ``n`` passed the filter,
        with ``n_neurons`` neurons; ``potential_jump`` of all clusters and ``jump`` and ``gcr`` of
        those that passed, nan for fewer than two of them; the same of random groups, means over
        the draws; the ``reason`` of the default way of counting; and what it has in common with
        the default: ``ari``, ``same``, ``jaccard``, all without meaning where neither is
        ``clustered``; ``ari_planted`` and that of random groups.
    choice, label : dict of str to str
        What each variation is about, and what it does.
    by_theorem : dict of str to bool
        Whether it must give the clusters of the default.
    planted : bool
        Whether the model was trained to have groups.
    """

    facts: pd.DataFrame
    variations: pd.DataFrame
    choice: dict[str, str]
    label: dict[str, str]
    by_theorem: dict[str, bool]
    planted: bool

    @property
    def names(self) -> list[str]:
        """The variations, the default first."""
        return list(self.choice)

    @property
    def others(self) -> list[str]:
        """The variations but the default."""
        return [name for name in self.names if name != DEFAULT]

    @property
    def done(self) -> pd.DataFrame:
        """The facts that did not fail."""
        return self.facts[self.facts["error"].isna()]

    def of(self, variation: str) -> pd.DataFrame:
        """Return the rows of one variation, with the facts as index."""
        rows = self.variations[self.variations["variation"] == variation]
        return rows.set_index("fact")

    def counted(self, variation: str) -> pd.DataFrame:
        """Return the rows of one variation without the facts excluded for all of them."""
        rows = self.of(variation)
        held = self.facts.loc[self.facts["excluded"].isna() & self.facts["error"].isna(), "fact"]
        return rows[rows.index.isin(held)]


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed facts and missing ones do no harm."""
    import pandas as pd

    facts: list[tuple[Any, ...]] = []
    variations: list[tuple[Any, ...]] = []
    choice: dict[str, str] = {}
    label: dict[str, str] = {}
    by_theorem: dict[str, bool] = {}
    planted = False
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            facts.append((row.fact, None, np.nan, np.nan, np.nan, None, row.error))
            continue
        about, results = row.stages["fact"], row.stages["variations"]
        facts.append(
            (
                row.fact,
                about["known"],
                about["probability"],
                len(about["neurons"]),
                about["gap"],
                _excluded(results),
                None,
            )
        )
        planted = planted or about["planted"]
        for each in about["variations"]:
            name = each["name"]
            choice[name], label[name] = each["choice"], each["label"]
            by_theorem[name] = each["by_theorem"]
            if name in results:
                variations.append(_variation(row.fact, name, results[name]))
    frame = pd.DataFrame(facts, columns=list(_FACTS))
    frame["excluded"] = frame["excluded"].astype(object)
    return Collected(
        facts=frame,
        variations=pd.DataFrame(variations, columns=list(_VARIATIONS)),
        choice=choice,
        label=label,
        by_theorem=by_theorem,
        planted=planted,
    )


def _excluded(results: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Tell why a fact counts for no variation: what excludes it for one does so for all."""
    if any(result["base"] <= 0 for result in results.values()):
        return "probability zero"
    return "extreme change" if any(result["extreme"] for result in results.values()) else None


def _variation(fact: str, name: str, result: Mapping[str, Any]) -> tuple[Any, ...]:
    def random(measure: str) -> float:
        return finite_mean([draw[measure] for draw in result["random"]])

    return (
        fact,
        name,
        len(result["sizes"]),
        result["n"],
        result["n_neurons"],
        result["potential_jump"],
        random("potential_jump"),
        result["jump"],
        random("jump"),
        _ratio(result),
        finite_mean([_ratio(draw) for draw in result["random"]]),
        result["reason"],
        result["ari"],
        result["same"],
        result["clustered"],
        result["jaccard"],
        result["ari_planted"],
        result["ari_planted_random"],
    )


def _ratio(measures: Mapping[str, Any]) -> float:
    """Return the GCR of three or more components; of two it is a difference and no ratio."""
    return float(measures["gcr"]) if measures["n"] >= 3 else np.nan
