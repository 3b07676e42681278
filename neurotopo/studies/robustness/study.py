"""The study ``robustness`` as it is run by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo.studies.findings import ALPHA
from neurotopo.studies.robustness.findings import findings_of
from neurotopo.studies.robustness.options import RobustnessOptions
from neurotopo.studies.robustness.pictures import pictures_of
from neurotopo.studies.robustness.rows import LABELS, Collected, collect
from neurotopo.studies.robustness.tables import tables_of
from neurotopo.studies.robustness.work import STAGES, prepare
from neurotopo.studies.study import Study
from neurotopo.studies.summarising import Summarise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STUDY", "summarise"]

_TITLE = "Robustness: do faulty prompts depend on degenerate knowledge neurons"
_NOTES = (
    "Arms, all of one size for a fact: " + "; ".join(f"{k} - {v}" for k, v in LABELS.items()) + ".",
    "Neurons are chosen by attribution on the clean prompt, so suppressing them lowers the "
    "answer's probability more than random neurons do, in any model, trained or not: D against "
    "random proves nothing. D is judged against N and against knowledge neurons of either kind, "
    "which were chosen in the same way.",
    "A lower Prob(Q) makes dProb higher by itself: where a clean prompt is nearly certain a small "
    "disadvantage of the faulty one is hardly seen, and where it is not it is seen in full. On the "
    "scale of log-odds an edit that acts alike on both changes nothing; a claim needs that too.",
    "Suppression by values (0) and by weights (0) is the same model and asked once.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction, on a model that knows "
    "what it is asked. The seed is written below; each fact has a seed of its own made from it.",
)


def _all_rows(found: Collected) -> pd.DataFrame:
    """Return a row per fact, arm, edit and kind, with what is known about the fact in each."""
    frame = found.facts.merge(found.edits, on="fact", how="left")
    return frame.assign(excluded=frame["fact"].map(found.excluded))


summarise = Summarise(_TITLE, _NOTES, collect, tables_of, findings_of, pictures_of, rows=_all_rows)


class Robustness(Study):
    """The study ``robustness``."""

    name, title, Options = "robustness", _TITLE, RobustnessOptions
    stages = STAGES
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)


STUDY = Robustness
