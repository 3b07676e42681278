"""The texts of the relations of FactWorld, read from ``wordings_en.json`` and its siblings.

French and Russian put a noun for the kind of an entity before its name, so that names keep their
form. Verbs are in the present tense, which has no gender in Russian.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HELD_OUT", "RELATIONS", "STATIC", "TEMPORAL", "RelationTexts", "texts_of"]

TEMPORAL = ("P39", "P54", "P102", "P108", "P69", "P6", "P127", "P286", "P488")
"""The relations that change with time, by their names in TempLAMA."""

STATIC = ("capital", "language", "founder")
"""The relations that do not change."""

RELATIONS = TEMPORAL + STATIC

HELD_OUT = 2
"""Number of wordings of a relation, the last ones, that training does not use."""


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


@functools.cache
def texts_of(language: str) -> Mapping[str, RelationTexts]:
    """Return the texts of a language by relation."""
    path = Path(__file__).with_name(f"wordings_{language}.json")
    return {
        relation: RelationTexts(tuple(texts["wordings"]), texts["question"], texts["narrative"])
        for relation, texts in json.loads(path.read_text(encoding="utf-8")).items()
    }
