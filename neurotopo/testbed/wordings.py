"""How the facts of a relation are put into words; the words themselves are in the siblings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["HELD_OUT", "RELATIONS", "STATIC", "TEMPORAL", "RelationTexts", "texts_of"]

TEMPORAL = ("P39", "P54", "P102", "P108", "P69", "P6", "P127", "P286", "P488")
"""The relations that change with time, by their names in TempLAMA."""

STATIC = ("capital", "language", "founder")
"""The relations that do not change."""

RELATIONS = TEMPORAL + STATIC

HELD_OUT = 2
"""So many wordings of a relation, the last ones, are kept from training."""


@dataclass(frozen=True)
class RelationTexts:
    """The words for one relation in one language.

    Attributes
    ----------
    wordings : tuple of str
        Prompts with ``{subject}``, where the relation changes with time ``{date}``, and ``_X_``
        at the end. The last :data:`HELD_OUT` are kept from training.
    question : str
        A question with the same fields and no ``_X_``.
    narrative : str
        A paragraph with the fields ``{subject}``, ``{date}`` and ``{answer}``.
    """

    wordings: tuple[str, ...]
    question: str
    narrative: str


def texts_of(language: str) -> Mapping[str, RelationTexts]:
    """Return the words of a language by relation."""
    from neurotopo.testbed import wordings_en, wordings_fr, wordings_ru

    modules = {"en": wordings_en, "fr": wordings_fr, "ru": wordings_ru}
    return modules[language].TEXTS
