"""From stored rows to a summary, in the steps that most studies have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurotopo.report.summary import Picture, Summary, Table
from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Summarise"]


@dataclass(frozen=True)
class Summarise:
    """Makes findings, tables and pictures of the rows of a study.

    It is called with the rows; some may have failed, and there may be none.

    Parameters
    ----------
    title : str
        What is asked.
    notes : tuple of str
        What a reader has to know about all of it.
    collect : callable
        Makes of the rows what the others begin with.
    tables : callable
        ``tables(found)`` returns the tables by name.
    findings : callable
        ``findings(found, tables)`` returns what was found, a sentence each.
    pictures : callable
        ``pictures(found, tables)`` returns the pictures by name.
    rows : callable
        ``rows(found)`` returns what tables and pictures are made of.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.summarising import Summarise
    >>> from neurotopo.report.summary import Table
    >>> summarise = Summarise(
    ...     "How many?",
    ...     (),
    ...     list,
    ...     tables=lambda found: {"n": Table(pd.DataFrame({"n": [len(found)]}), "Number")},
    ...     findings=lambda found, tables: (f"There are {tables['n'].frame['n'][0]}.",),
    ...     pictures=lambda found, tables: {},
    ...     rows=pd.DataFrame,
    ... )
    >>> summarise([]).findings
    ('There are 0.',)
    """

    title: str
    notes: tuple[str, ...]
    collect: Callable[[Iterable[Row]], Any]
    tables: Callable[[Any], dict[str, Table]]
    findings: Callable[[Any, Mapping[str, Table]], tuple[str, ...]]
    pictures: Callable[[Any, Mapping[str, Table]], dict[str, Picture]]
    rows: Callable[[Any], pd.DataFrame]

    def __call__(self, rows: Iterable[Row]) -> Summary:
        """Return the summary of the rows."""
        found = self.collect(rows)
        tables = self.tables(found)
        return Summary(
            title=self.title,
            findings=self.findings(found, tables),
            tables=tables,
            pictures=self.pictures(found, tables),
            rows=self.rows(found),
            notes=self.notes,
        )
