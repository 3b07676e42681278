"""The study ``choices`` as it is run by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from neurotopo.report.summary import Picture, Table
from neurotopo.studies.choices.findings import findings_of
from neurotopo.studies.choices.options import ChoicesOptions
from neurotopo.studies.choices.pictures import pictures_of
from neurotopo.studies.choices.rows import Collected, collect
from neurotopo.studies.choices.tables import TABLES
from neurotopo.studies.choices.work import STAGES, prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STUDY", "Choices"]

_TITLE = "Modelling choices: which of them change the clusters and what they do"
_NOTES = (
    "One thing is changed at a time; everything else is the default, the options of the run. The "
    "knowledge neurons are the same for every variation but those of the choice 'neurons'.",
    "dProb = (before - after) / before is the relative fall of the answer's probability when "
    "neurons are set to zero. The jump is what suppressing the last cluster takes beyond all but "
    "one: dProb of all clusters minus the mean dProb of all but one.",
    "Clusters and random groups are made of the same neurons, found by attribution; that these "
    "lower the probability, in a model with random weights too, is no evidence of anything. What "
    "counts is whether the grouping of the clusters says more than a random one.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction over all variations, "
    "where it also stands on the facts that the model knows, and these are half of all at least. "
    "The seed is written below; each fact has a seed of its own made from it.",
)


class Choices(Study):
    """Which choices of the method change the clusters, and what they do."""

    name, title, notes, Options = "choices", _TITLE, _NOTES, ChoicesOptions
    stages = STAGES
    tables = TABLES
    prepare = staticmethod(prepare)
    frames = staticmethod(collect)

    def findings(self, frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
        """Return what each choice changes, one sentence each."""
        return findings_of(frames, tables)

    def draw(self, frames: Collected, tables: Mapping[str, Table]) -> dict[str, Picture]:
        """Return the pictures by name."""
        return pictures_of(frames, tables)

    def rows(self, frames: Collected) -> pd.DataFrame:
        """Return a row per fact and variation, with what is known about the fact in each."""
        return frames.facts.merge(frames.variations, on="fact", how="left")


STUDY = Choices
