"""JSON and CSV files whose errors name the file, the line and the field."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neurotopo._codec import from_text, line_of, to_lines
from neurotopo._files import abridged, atomic_write, read_bytes

__all__ = [
    "LIMIT",
    "Field",
    "PathLike",
    "ending_of",
    "json_field",
    "number_cell",
    "pair_of_cells",
    "read_json",
    "rows_of_csv",
    "whole_cell",
    "write_csv",
    "write_json",
    "write_text",
]

PathLike = str | os.PathLike[str]
Place = tuple[str | int, ...]

LIMIT = 1 << 31
"""Layer and index of a neuron stay below this."""


@dataclass(frozen=True)
class Field:
    """A value of a file, with its place, for errors.

    Parameters
    ----------
    value : object
        The value.
    file : str
        The file.
    line : callable
        Returns the line of a place.
    place : tuple of str and int
        Keys and positions that lead to the value.
    """

    value: Any
    file: str
    line: Callable[[Place], int]
    place: Place = ()

    def error(self, problem: str) -> ValueError:
        """Return an error that names the file, the line and the field."""
        name = "".join(f"[{step}]" if isinstance(step, int) else repr(step) for step in self.place)
        field = f"field {abridged(name, 100)}: " if name else ""
        return ValueError(f"{self.file}, line {self.line(self.place)}: {field}{abridged(problem)}.")

    def __getitem__(self, step: str | int) -> Field:
        if isinstance(step, str) and step not in self.value:
            raise self.error(f"the field {step!r} is missing")
        return replace(self, value=self.value[step], place=(*self.place, step))

    def members(self) -> Iterator[Field]:
        """Yield the members of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"must be a list, got {_shown(self.value)}")
        return (self[i] for i in range(len(self.value)))

    def object(self) -> dict[str, Any]:
        """Return the value, which must be a JSON object."""
        if not isinstance(self.value, dict):
            raise self.error(f"must be a JSON object, got {_shown(self.value)}")
        return self.value

    def number(self) -> float:
        """Return the value, which must be a number; nan and infinity are numbers."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error(f"must be a number, got {_shown(self.value)}")
        return float(self.value)

    def whole_number(self, below: int, what: str) -> int:
        """Return the value, which must be a whole number from 0 on."""
        number = self.value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < below:
            raise self.error(
                f"{what} must be a whole number from 0 to {below - 1}, got {_shown(number)}"
            )
        return number

    def pairs(self, n_layers: int = LIMIT, n_neurons: int = LIMIT) -> list[tuple[int, int]]:
        """Return the value, which must be a list of different pairs [layer, index]."""
        pairs: dict[tuple[int, int], None] = {}
        for member in self.members():
            if not isinstance(member.value, list) or len(member.value) != 2:
                raise member.error(f"must be a pair [layer, index], got {_shown(member.value)}")
            layer = member[0].whole_number(n_layers, "the layer")
            pair = layer, member[1].whole_number(n_neurons, "the index")
            if pair in pairs:
                raise member.error(f"the neuron {list(pair)} occurs twice; delete one of them")
            pairs[pair] = None
        return list(pairs)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def ending_of(path: PathLike) -> str:
    """Return ``".json"`` or ``".csv"``; raise an error for a path with another ending."""
    ending = Path(path).suffix.lower()
    if ending not in (".json", ".csv"):
        raise ValueError(f"the name of the file must end in .json or .csv, got {os.fspath(path)}.")
    return ending


def read_text(path: PathLike) -> str:
    """Return the text of a file; the error of one that is not UTF-8 names the line."""
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{os.fspath(path)}, line {line}: not UTF-8 ({error.reason}).") from None


def write_text(path: PathLike, text: str) -> None:
    """Write a text atomically."""
    with atomic_write(Path(os.path.realpath(path))) as file:  # a link keeps pointing to it
        file.write(text.encode())


def json_field(path: PathLike) -> Field:
    """Return the content of a JSON file."""
    name, text = os.fspath(path), read_text(path)
    try:
        value = from_text(text, distinct=True)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name}, line {error.lineno}: not JSON ({error.msg} at column {error.colno})."
        ) from None
    except KeyError as error:
        key = error.args[0]
        line = line_of(text, (key,), occurrence=2)
        raise ValueError(f"{name}, line {line}: the field {key!r} occurs twice.") from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise ValueError(f"{name}: not JSON ({reason}).") from None
    return Field(value, name, lambda place: line_of(text, place))


def write_json(path: PathLike, kind: str, version: int, content: Mapping[str, Any]) -> None:
    """Write an object with a kind and a version."""
    about = {"kind": kind, "version": version}
    write_text(path, to_lines({**about, **content}, depth=2) + "\n")


def read_json(path: PathLike, kind: str, version: int, fields: Sequence[str]) -> Field:
    """Return the object of a file of :func:`write_json`, which has these fields and no other."""
    content = json_field(path)
    content.object()
    if content["kind"].value != kind:
        raise content["kind"].error(f"must be {kind!r}, got {_shown(content['kind'].value)}")
    if content["version"].value != version or isinstance(content["version"].value, bool):
        stored = _shown(content["version"].value)
        raise content["version"].error(f"the file has version {stored}; only {version} can be read")
    for name in content.value:
        if name not in ("kind", "version", *fields):
            raise content[name].error(f"is unknown; the fields are {', '.join(fields)}")
    for name in fields:
        content[name]  # raises an error if it is missing
    return content


def write_csv(path: PathLike, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table; numbers keep every digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def rows_of_csv(path: PathLike, columns: Sequence[str]) -> Iterator[dict[str, Field]]:
    """Yield the rows of a table with these columns and no other, in any order."""
    name = os.fspath(path)
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            line = reader.line_num
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = cells
                if sorted(header) != sorted(columns):
                    raise ValueError(
                        f"{name}, line {line}: the columns must be {', '.join(columns)}, "
                        f"got {abridged(', '.join(header))}."
                    )
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{name}, line {line}: must have {len(header)} cells, got {len(cells)}."
                )
            yield {
                column: Field(cell, name, lambda _, line=line: line, (column,))  # type: ignore[misc]
                for column, cell in zip(header, cells, strict=True)
            }
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: not CSV ({error}).") from None
    if header is None:
        raise ValueError(f"{name} is empty; the columns must be {', '.join(columns)}.")


def pair_of_cells(
    row: Mapping[str, Field], n_layers: int = LIMIT, n_neurons: int = LIMIT
) -> tuple[int, int]:
    """Return the neuron of a row."""
    layer = whole_cell(row["layer"], n_layers, "the layer")
    return layer, whole_cell(row["index"], n_neurons, "the index")


def whole_cell(cell: Field, below: int, what: str) -> int:
    """Return the whole number of a cell."""
    text = cell.value
    is_whole = text.isascii() and text.isdigit() and len(text) <= 20
    return replace(cell, value=int(text) if is_whole else text).whole_number(below, what)


def number_cell(cell: Field) -> float:
    """Return the number of a cell; ``nan`` and ``inf`` are numbers."""
    try:
        return float(cell.value)
    except ValueError:
        raise cell.error(f"must be a number, got {_shown(cell.value)}") from None
