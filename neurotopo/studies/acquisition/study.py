"""The study ``acquisition`` as it is run by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from neurotopo.report.summary import Summary
from neurotopo.studies.acquisition.explorer import explorer_of
from neurotopo.studies.acquisition.findings import findings_of
from neurotopo.studies.acquisition.options import AcquisitionOptions
from neurotopo.studies.acquisition.pictures import pictures_of
from neurotopo.studies.acquisition.rows import Collected, collect
from neurotopo.studies.acquisition.tables import tables_of
from neurotopo.studies.acquisition.work import STAGES, prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.groupings import label_of
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STUDY", "summarise"]

_TITLE = "Degenerate knowledge neurons: which way of grouping neurons finds them"
_NOTES = (
    "Every method gets the same knowledge neurons, the same distances, the same filter and the "
    "same exclusions; clusters have at least min_cluster_size neurons, pairs aside.",
    "dProb = (before - after) / before is the relative fall of the answer's probability when "
    "neurons are set to zero. A curve is the mean of dProb over all subsets (or a seeded sample) "
    "of 1, ..., n components; the GCR is Eq 11 of the paper.",
    "random:METHOD are groups of the same sizes, drawn from the same neurons and passed through "
    "the same filter; anywhere are neurons drawn from the whole model in the sizes of NTC's "
    "groups. They say what a number would be if the grouping meant nothing.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction. The seed is written "
    "below; each fact has a seed of its own made from it.",
)


def summarise(rows: Iterable[Row]) -> Summary:
    """Make findings, tables and pictures of the stored rows.

    Parameters
    ----------
    rows : iterable of Row
        The rows; some may have failed, and there may be none.

    Returns
    -------
    Summary
    """
    rows = sorted(rows, key=lambda row: row.fact)
    found = collect(rows)
    tables = tables_of(found)
    legend = "; ".join(f"{name}: {label_of(name)}" for name in found.names if ":" not in name)
    return Summary(
        title=_TITLE,
        findings=findings_of(found, tables),
        tables=tables,
        pictures=pictures_of(found, tables),
        rows=_all_rows(found),
        notes=(*_NOTES, f"Methods. {legend}.") if legend else _NOTES,
        explorer=explorer_of(rows),
    )


def _all_rows(found: Collected) -> pd.DataFrame:
    """Return a row per fact and method, with what is known about the fact in each."""
    facts = found.facts.rename(columns={"n_neurons": "n_knowledge_neurons"})
    return facts.merge(found.methods, on="fact", how="left")


class Acquisition(Study):
    """The study ``acquisition``."""

    name, title, Options = "acquisition", _TITLE, AcquisitionOptions
    stages = STAGES
    version = 2
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)


STUDY = Acquisition
