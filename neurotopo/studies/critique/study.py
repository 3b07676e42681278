"""The study ``critique`` as it is run by name."""

from __future__ import annotations

from typing import Any

from neurotopo.studies.critique.findings import findings_of
from neurotopo.studies.critique.options import CritiqueOptions
from neurotopo.studies.critique.pictures import pictures_of
from neurotopo.studies.critique.rows import ARMS, collect
from neurotopo.studies.critique.tables import tables_of
from neurotopo.studies.critique.work import items_of, prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.study import Study
from neurotopo.studies.summarising import Summarise

__all__ = ["STUDY", "summarise"]

_TITLE = "The knowledge-neuron thesis under test: grammar beside facts, edits beyond the statement"
_NOTES = (
    "A pair is a prompt with a word that fits and one that does not: of grammar (minimal pairs) "
    "and of facts (the answer, and a wrong answer of the same relation). All measures are the same "
    "for both. Neurons are chosen by the attribution of the probability of what fits, for grammar "
    "as for facts.",
    "Sets of neurons. " + "; ".join(f"{name}: {what}" for name, what in ARMS.items()) + ". Where "
    "there are too few neurons that are not degenerate, N is filled up with degenerate ones.",
    "Neurons chosen by a probability lower it when they are suppressed, in a random model too. "
    "What is claimed is therefore not that, but that D does more than neurons chosen alike, that "
    "neurons carry over to pairs which had no part in their choice, or that an edit in D carries "
    "over to other words; and of pairs only where the model is shown to know which word fits.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction over the rows of its "
    "table. Nothing is left out silently: see the table exclusions.",
)

summarise = Summarise(
    _TITLE, _NOTES, collect, tables_of, findings_of, pictures_of, rows=lambda found: found.pairs
)


class Critique(Study):
    """The study ``critique``."""

    name, title, Options = "critique", _TITLE, CritiqueOptions
    unit = "group"
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return items_of(facts, options, seed)


STUDY = Critique
