"""The nine relations of TempLAMA: statement, question, other wordings and narrative."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TEMPLAMA", "Relation"]


@dataclass(frozen=True)
class Relation:
    """Wordings of a relation; ``[Y]`` marks the subject and ``_X_`` the answer, as in prompts.

    Attributes
    ----------
    name : str
        Name of the relation.
    statement : str
        Statement of TempLAMA.
    question : str
        Question of TempLAMA.
    wordings : tuple of str
        Other statements, with the answer last.
    narrative : str
        A paragraph with ``{date}``, ``{subject}`` and ``{answer}``.

    Examples
    --------
    >>> from neurotopo.datasets import TEMPLAMA
    >>> relation = TEMPLAMA["P54"]
    >>> relation.name, relation.statement
    ('member of sports team', '[Y] plays for _X_.')
    """

    name: str
    statement: str
    question: str
    wordings: tuple[str, ...]
    narrative: str


def _read() -> dict[str, Relation]:
    text = Path(__file__).with_name("relations.json").read_text(encoding="utf-8")
    return {
        number: Relation(**{**texts, "wordings": tuple(texts["wordings"])})
        for number, texts in json.loads(text).items()
    }


TEMPLAMA: Mapping[str, Relation] = _read()
"""The relations by their Wikidata number."""
