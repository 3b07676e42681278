"""The study ``development`` as it is run by name."""

from __future__ import annotations

from typing import Any

from neurotopo.studies.development.findings import findings_of
from neurotopo.studies.development.options import DevelopmentOptions
from neurotopo.studies.development.pictures import pictures_of
from neurotopo.studies.development.rows import collect
from neurotopo.studies.development.tables import tables_of
from neurotopo.studies.development.work import items, prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.several_models import UNIT
from neurotopo.studies.study import Study
from neurotopo.studies.summarising import Summarise

__all__ = ["STUDY", "summarise"]

_TITLE = "Development: how degenerate components come about in a training"
_NOTES = (
    "Appendix D of the paper calls its analysis static and leaves open how degenerate neurons "
    "evolve during training. Here every snapshot of a training is searched anew, and what was "
    "found is matched between snapshots.",
    "Clusters are made of weights, and late in a training weights hardly change. That the same "
    "neurons are grouped in the same way again is then no wonder: it says that a component is a "
    "lasting thing, and not that it does anything. Whether it does is asked by the jump.",
    "A component that passed the filter counts, also where it is the only one of its fact.",
    f"That components are kept is claimed at the level {ALPHA} after Holm's correction, against "
    "shuffled neurons and against another fact, on facts that both snapshots answer correctly.",
)

summarise = Summarise(
    _TITLE, _NOTES, collect, tables_of, findings_of, pictures_of, rows=lambda found: found.rows
)


class Development(Study):
    """The study ``development``."""

    name, title, Options = "development", _TITLE, DevelopmentOptions
    unit = UNIT
    several = True
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return items(facts, options, seed, model)


STUDY = Development
