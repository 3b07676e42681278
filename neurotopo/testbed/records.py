"""Records of the facts of a world, with the fields of TempLAMA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.facts import Fact
from neurotopo.testbed.names import Entity

if TYPE_CHECKING:
    from neurotopo.testbed.statements import Statement

__all__ = ["records_of"]


def records_of(
    pairs: Sequence[tuple[Statement, Fact]], entities: Mapping[str, Entity]
) -> list[dict[str, Any]]:
    """Return a record for each statement that has a year, and its fact."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    latest: dict[tuple[str, str], Statement] = {}
    for statement, _ in pairs:
        name = (statement.relation, statement.subject)
        counts.setdefault(name, Counter()).update(statement.answers)
        latest[name] = statement  # ordered by year
    records = []
    for statement, fact in pairs:
        name = (statement.relation, statement.subject)

        def entry(key: str, language: str = fact.language) -> dict[str, str]:
            entity = entities[key]
            return {"wikidata_id": f"Q{entity.number}", "name": entity.name(language)}

        number = entities[statement.subject].number
        records.append(
            {
                "query": f"{fact.prompt}.",
                "answer": [entry(key) for key in statement.answers],
                "date": str(statement.year),
                "id": f"Q{number}_{statement.relation}_{statement.year}",
                "most_frequent_answer": entry(counts[name].most_common(1)[0][0]),
                "most_recent_answer": entry(latest[name].answers[-1]),
                "relation": statement.relation,
            }
        )
    return records
