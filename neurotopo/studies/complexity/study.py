"""The study ``complexity`` as it is run by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.studies.complexity.findings import findings_of
from neurotopo.studies.complexity.options import ComplexityOptions
from neurotopo.studies.complexity.pictures import pictures_of
from neurotopo.studies.complexity.rows import collect
from neurotopo.studies.complexity.tables import tables_of
from neurotopo.studies.complexity.work import prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.several_models import UNIT, items_of
from neurotopo.studies.study import Study
from neurotopo.studies.summarising import Summarise

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact

__all__ = ["STUDY", "summarise"]

_TITLE = "Size and degeneracy: are larger models more degenerate, and more robust"
_NOTES = (
    "All models are asked for the same facts; what is compared is compared over the facts that "
    "all of them know, and where a measure is missing for one model, the fact is left out of it "
    "for all.",
    "dProb = (before - after) / before is the relative fall of the answer's probability. The "
    "jump is what suppressing the last cluster takes beyond all but one, before the functional "
    "filter; the fall under faulty prompts is from the probability of the prompt as it is.",
    "A larger model has more neurons and more layers, so that any grouping of its neurons finds "
    "more and others. Shuffled groups have the sizes of the groups found, in the same model and "
    "from the same neurons: only the difference to them is about the grouping.",
    "The facts are the sample. The models are few, each was trained once, and they differ in "
    "more than one number: a trend is one of these models, and no law of size.",
    f"A trend is claimed at the level {ALPHA} after Holm's correction, of the difference to the "
    "control only, of three models or more that all know at least half of the facts.",
)

summarise = Summarise(
    _TITLE, _NOTES, collect, tables_of, findings_of, pictures_of, rows=lambda found: found.rows
)


class Complexity(Study):
    """The study ``complexity``."""

    name, title, Options = "complexity", _TITLE, ComplexityOptions
    unit = UNIT
    several = True
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def items(self, facts: Sequence[Fact], options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return items_of(facts, model)


STUDY = Complexity
