"""Columns of a table by heading or number: which are used, which hold names or coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ChosenColumns", "ColumnChoice", "choose_columns", "columns_named"]

_MOST_LISTED = 6


@dataclass(frozen=True)
class ColumnChoice:
    """Choice of columns.

    Parameters
    ----------
    columns : sequence of str
        Columns to use. A text is a heading, a number from 1 on, a range as ``2-5``, or several of
        these with commas between them. Empty: all that have no other use.
    drop : sequence of str
        Columns to leave out.
    names : str, optional
        Column of the names. None: the first column, if it holds text or its heading is one of
        names.
    coordinates : sequence of str
        The two columns of the positions in the plane. They are used otherwise only if ``columns``
        lists them.
    """

    columns: Sequence[str] = ()
    drop: Sequence[str] = ()
    names: str | None = None
    coordinates: Sequence[str] = ()

    def given(self) -> list[str]:
        """Return the options that are set."""
        values = {
            "--columns": self.columns,
            "--drop": self.drop,
            "--names": self.names,
            "--coordinates": self.coordinates,
        }
        return [name for name, value in values.items() if value]


@dataclass(frozen=True)
class ChosenColumns:
    """Numbers of the columns of each use, from 0 on."""

    used: list[int]
    names: int | None
    coordinates: list[int]
    unused: list[int] = field(default_factory=list)


def choose_columns(
    choice: ColumnChoice,
    n_columns: int,
    headings: list[str] | None,
    path: Path,
    *,
    first_has_names: bool = False,
) -> ChosenColumns:
    """Return the columns of each use, or raise ValueError.

    Examples
    --------
    >>> from pathlib import Path
    >>> from neurotopo.explore.columns import ColumnChoice, choose_columns
    >>> choice = ColumnChoice(drop=["year"])
    >>> choose_columns(choice, 3, ["year", "x", "y"], Path("a.csv")).used
    [1, 2]
    """

    def find(option: str, texts: Sequence[str]) -> list[int]:
        found = [k for text in texts for k in _columns_of(text, n_columns, headings, option, path)]
        for k in found:
            if found.count(k) > 1:
                raise ValueError(f"{path}: {option} names column {k + 1} twice.")
        return found

    listed, dropped = find("--columns", choice.columns), find("--drop", choice.drop)
    coordinates = find("--coordinates", choice.coordinates)
    if choice.coordinates and len(coordinates) != 2:
        raise ValueError(
            f"{path}: --coordinates needs two columns or a file of two, got {len(coordinates)}."
        )
    names = None
    if choice.names is not None:
        found = find("--names", [choice.names])
        if len(found) != 1:
            raise ValueError(f"{path}: --names needs one column, got {len(found)}.")
        names = found[0]
    elif first_has_names and 0 not in listed + dropped + coordinates:
        names = 0
    for k in listed:
        if k in dropped or k == names:
            other = "--drop" if k in dropped else "--names"
            raise ValueError(f"{path}: column {k + 1} is in both --columns and {other}.")
    busy = {*dropped, *coordinates, names}
    used = listed or [k for k in range(n_columns) if k not in busy]
    if not used:
        raise ValueError(f"{path}: there is no column of numbers.")
    unused = [k for k in range(n_columns) if k not in {*used, *coordinates, names}]
    return ChosenColumns(used, names, coordinates, unused)


def columns_named(columns: Sequence[int], headings: list[str] | None) -> str:
    """Return the headings or numbers of columns, the first of many.

    Examples
    --------
    >>> from neurotopo.explore.columns import columns_named
    >>> columns_named([0, 2], ["x", "y", "z"]), columns_named([0, 2], None)
    ('x, z', '1, 3')
    """
    named = [str(k + 1) if headings is None else headings[k].strip() or str(k + 1) for k in columns]
    if len(named) <= _MOST_LISTED:
        return ", ".join(named)
    return f"{', '.join(named[: _MOST_LISTED - 2])}, ..., {named[-1]}"


def _columns_of(
    text: str, n_columns: int, headings: list[str] | None, option: str, path: Path
) -> list[int]:
    """Return the columns that a text names: a heading, a number, a range, or a list of these."""
    headed = [heading.strip() for heading in headings or []]

    def one(part: str) -> int | None:
        part = part.strip()
        same = [k for k, heading in enumerate(headed) if heading == part]
        if len(same) > 1:
            numbers = " or ".join(str(k + 1) for k in same)
            raise ValueError(
                f"{path}: several columns are headed {part!r} ({option}): give {numbers}."
            )
        if same:
            return same[0]
        counted = part.isdecimal() and 1 <= int(part) <= n_columns
        return int(part) - 1 if counted else None

    def several(part: str) -> list[int] | None:
        if (k := one(part)) is not None:
            return [k]
        for dash in (k for k, sign in enumerate(part) if sign == "-"):
            first, last = one(part[:dash]), one(part[dash + 1 :])
            if first is not None and last is not None and first <= last:
                return list(range(first, last + 1))
        return None

    parts = [text] if several(text) is not None else text.split(",")
    columns: list[int] = []
    for part in parts:
        found = several(part)
        if found is None:
            known = (
                f"1 to {n_columns:,}"
                if headings is None
                else columns_named(range(n_columns), headings)
            )
            raise ValueError(f"{path} has no column {part.strip()!r} ({option}); it has {known}.")
        columns += found
    return columns
