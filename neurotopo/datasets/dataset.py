"""Result of the readers: facts, the records that were skipped, and all true answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.truth import Truth

__all__ = ["Dataset", "Skipped", "pluralize", "truth_of"]


@dataclass(frozen=True)
class Skipped:
    """A record of a file that is not a valid fact.

    Attributes
    ----------
    file : str
        The file.
    line : int or None
        The line, counted from 1; None for the file as a whole.
    reason : str
        The reason, which names the field.

    Examples
    --------
    >>> from neurotopo.datasets import Skipped
    >>> print(Skipped("facts.csv", 3, "the field answers is empty"))
    facts.csv, line 3: the field answers is empty.
    """

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.reason.rstrip('.')}."


class Dataset(FactSet):
    """A :class:`~neurotopo.FactSet` with the skipped records and all true answers.

    Parts made by filtering, sampling and slicing keep :attr:`truth`, so the facts of one year
    still have the true answers of all years.

    Parameters
    ----------
    facts : iterable of Fact
        The facts, in order.
    skipped : sequence of Skipped, optional
        The records that the reader skipped.
    truth : Truth, optional
        The answers that are true at any date. Default: those of the facts.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Dataset
    >>> clubs = {"2010": "Marly United", "2011": "Zúnia Rovers"}
    >>> facts = Dataset(Fact("Ada plays for", clubs[date], "P54", date) for date in clubs)
    >>> one_year = facts.filter(date="2010")
    >>> one_year, one_year.truth.is_true(one_year[0], "Zúnia Rovers")
    (Dataset of 1 fact, 1 relation, True)
    """

    def __init__(
        self, facts: Iterable[Fact], *, skipped: Sequence[Skipped] = (), truth: Truth | None = None
    ) -> None:
        super().__init__(facts)
        self.skipped = tuple(skipped)
        self._truth = truth

    @property
    def truth(self) -> Truth:
        """The answers that are true at any date, including facts that were filtered out."""
        if self._truth is None:
            self._truth = Truth(self)
        return self._truth

    def __repr__(self) -> str:
        counts = [pluralize(len(self), "fact"), pluralize(len(self.relations), "relation")]
        if self.skipped:
            counts.append(f"{len(self.skipped)} skipped")
        return f"{type(self).__name__} of {', '.join(counts)}"

    @overload
    def __getitem__(self, index: int) -> Fact: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Fact | Dataset:
        if isinstance(index, slice):
            return self._part(super().__getitem__(index))
        return super().__getitem__(index)

    def __add__(self, other: Iterable[Fact]) -> Dataset:
        other = other if isinstance(other, FactSet) else FactSet(other)
        truth = Truth()
        for facts in (self, other):
            truth.update(truth_of(facts))
        return Dataset([*self, *other], truth=truth)

    def filter(self, **conditions: Any) -> Dataset:
        """Return the facts that meet all conditions.

        Parameters
        ----------
        **conditions
            As in :meth:`neurotopo.FactSet.filter`.

        Returns
        -------
        Dataset
        """
        return self._part(super().filter(**conditions))

    def sample(self, n: int, seed: int = 0) -> Dataset:
        """Return n facts, drawn without replacement, in their original order.

        Parameters
        ----------
        n, seed
            As in :meth:`neurotopo.FactSet.sample`.

        Returns
        -------
        Dataset
        """
        return self._part(super().sample(n, seed))

    def by_relation(self) -> dict[str | None, FactSet]:
        """Return the facts of each relation; the key None is for facts without one."""
        return {name: self._part(facts) for name, facts in super().by_relation().items()}

    def _part(self, facts: Iterable[Fact]) -> Dataset:
        return Dataset(facts, truth=self.truth)


def truth_of(facts: Iterable[Fact]) -> Truth:
    """Return the true answers of facts; a :class:`Dataset` includes facts it no longer holds.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import truth_of
    >>> facts = [Fact("Ada Brünn plays for", "Marly United", "P54", subject="Ada Brünn")]
    >>> truth_of(facts).is_true(facts[0], "Peko City")
    False
    """
    return facts.truth if isinstance(facts, Dataset) else Truth(facts)


def pluralize(n: float, what: str, several: str | None = None) -> str:
    """Return a number with its noun: a count, or a mean with one digit if it is not whole."""
    number = f"{n:,.1f}".removesuffix(".0")
    return f"{number} {what if number == '1' else several or f'{what}s'}"
