"""What a run of a study comes to: counts, findings, tables, pictures and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.dataset import pluralize
from neurotopo.report.summary import Summary
from neurotopo.studies.preflight import Preflight

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Outcome", "Result"]


@dataclass(frozen=True)
class Outcome:
    """Counts and summary of a run.

    Attributes
    ----------
    study : str
        Name of the study.
    run : str
        Key of the run in the store.
    n_facts, n_there, n_done : int
        Numbers of facts: asked for, stored before, and with results now.
    failures : dict of str to str
        The errors of facts that failed, by key.
    interrupted : bool
        Whether facts may be missing because the run was interrupted.
    summary : object
        The summary of the rows.
    out : Path or None
        The folder.
    unit : str
        Name of an item, in the singular.
    check : Preflight or None
        The check before the run.

    Examples
    --------
    >>> from neurotopo.studies import Outcome
    >>> counts = {"n_facts": 3, "n_there": 0, "n_done": 2}
    >>> failures = {"peru": "ValueError: no token for the answer."}
    >>> ended = {"interrupted": False, "summary": None, "out": None}
    >>> outcome = Outcome("sizes", "9f2c", **counts, failures=failures, **ended)
    >>> str(outcome), outcome.complete
    ('sizes: 2 of 3 facts done, 1 failed.', True)
    """

    study: str
    run: str
    n_facts: int
    n_there: int
    n_done: int
    failures: dict[str, str] = field(repr=False)
    interrupted: bool
    summary: Any = field(repr=False)
    out: Path | None
    unit: str = "fact"
    check: Preflight | None = field(default=None, repr=False)

    @property
    def n_failed(self) -> int:
        """The number of facts that failed."""
        return len(self.failures)

    @property
    def complete(self) -> bool:
        """Whether every fact is done or failed."""
        return self.n_done + self.n_failed == self.n_facts

    def __str__(self) -> str:
        parts = [f"{self.n_done} of {pluralize(self.n_facts, self.unit)} done"]
        if self.n_there:
            parts.append(f"{self.n_there} of them before")
        if self.n_failed:
            parts.append(f"{self.n_failed} failed")
        if self.interrupted:
            parts.append("interrupted: the same command resumes here")
        return f"{self.study}: {', '.join(parts)}."


@dataclass(frozen=True, eq=False)
class Result:
    """Result of a study: findings, tables, pictures and files.

    Attributes
    ----------
    outcome : Outcome
        Counts of facts: done, failed, done before.
    summary : Summary
        Findings, tables, pictures and the rows behind them.
    files : tuple of Path
        The files that were written; empty without a folder.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact("The capital of France is _X_", "Paris")]
    >>> result = nt.studies.run("acquisition", model=random_model(), facts=facts, quick=True)
    >>> result.claims, "table1" in result.tables, len(result.rows) > 0
    ((), True, True)
    >>> result.out, result.files  # nothing is written without a folder
    (None, ())
    """

    outcome: Outcome
    summary: Summary = field(repr=False)
    files: tuple[Path, ...] = field(default=(), repr=False)

    def _repr_html_(self) -> str:
        from neurotopo.report.inline import result_html

        return result_html(self.summary, str(self.outcome), self.outcome.run, self.out)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: table.frame for name, table in self.summary.tables.items()}

    @property
    def figures(self) -> dict[str, Figure]:
        """The pictures by name."""
        return {name: picture.figure for name, picture in self.summary.pictures.items()}

    @property
    def rows(self) -> pd.DataFrame:
        """The rows behind tables and pictures."""
        return self.summary.rows

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings, one sentence each."""
        return self.summary.findings

    @property
    def claims(self) -> tuple[str, ...]:
        """The findings that claim an effect, by the rules of the study."""
        return self.summary.claims

    @property
    def check(self) -> Preflight | None:
        """The check before the run: facts, neurons, expected components, time and memory."""
        return self.outcome.check

    @property
    def out(self) -> Path | None:
        """The folder."""
        return self.outcome.out
